-- The embedding model is a property of the knowledge base, and a knowledge base can move into another model while it serves.

-- As whom a process asks for the model (a folder's name, `endpoint:` and a name): how another process finds it.
ALTER TABLE knowledge.embedding_models ADD COLUMN spec text NOT NULL DEFAULT '';
-- The model that searches use; empty until the first process that embeds has started, which then writes its own down.
ALTER TABLE knowledge.knowledge_bases ADD COLUMN embedding_model text NOT NULL DEFAULT '';

CREATE TABLE knowledge.reindexes (
    reindex_id uuid CONSTRAINT reindexes_pkey PRIMARY KEY,
    knowledge_base text NOT NULL
        CONSTRAINT reindexes_knowledge_base_fkey REFERENCES knowledge.knowledge_bases (name),
    embedding_model text NOT NULL,
    spec text NOT NULL,
    former_model text NOT NULL,
    state text NOT NULL DEFAULT 'running'
        CONSTRAINT reindexes_state_check CHECK (state IN ('running', 'ready', 'switched', 'aborted', 'failed')),
    -- The number of the command that works on it; commits with its batches, so that a late one changes nothing.
    step integer NOT NULL DEFAULT 1,
    -- Up to which chunk all have vectors. Chunks that come in later have them from the start.
    last_chunk_id uuid,
    embedded_chunks bigint NOT NULL DEFAULT 0,
    total_chunks bigint NOT NULL,
    error text NOT NULL DEFAULT '',
    started_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One at a time in a knowledge base.
CREATE UNIQUE INDEX reindexes_under_way_key ON knowledge.reindexes (knowledge_base) WHERE state IN ('running', 'ready');

-- Which replica of retrieval can search in which of the models that are in force or to come.
CREATE TABLE knowledge.model_servers (
    replica_id uuid NOT NULL,
    embedding_model text NOT NULL,
    ready boolean NOT NULL,
    error text NOT NULL DEFAULT '',
    -- After that, the replica is taken for gone.
    alive_until timestamptz NOT NULL,
    CONSTRAINT model_servers_pkey PRIMARY KEY (replica_id, embedding_model)
);

-- Forgets a model and its index, if nothing needs them. Runs as owner, as the registration does.
CREATE FUNCTION knowledge.drop_embedding_model(model text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('knowledge.embedding_models'));
    IF EXISTS (SELECT FROM knowledge.knowledge_bases WHERE embedding_model = model)
        OR EXISTS (SELECT FROM knowledge.reindexes WHERE embedding_model = model AND state IN ('running', 'ready'))
        OR EXISTS (SELECT FROM knowledge.doc_embeddings WHERE embedding_model = model) THEN
        RETURN false;
    END IF;
    DELETE FROM knowledge.embedding_models WHERE name = model;
    EXECUTE format('DROP INDEX IF EXISTS knowledge.%I', 'doc_embeddings_hnsw_' || substr(md5(model), 1, 12));
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION knowledge.drop_embedding_model FROM PUBLIC;

GRANT SELECT ON knowledge.reindexes, knowledge.model_servers TO groundline_retrieval, groundline_workers;
GRANT INSERT, UPDATE ON knowledge.reindexes TO groundline_retrieval;
GRANT UPDATE ON knowledge.reindexes TO groundline_workers;
GRANT INSERT, UPDATE, DELETE ON knowledge.model_servers TO groundline_retrieval;
GRANT UPDATE (spec) ON knowledge.embedding_models TO groundline_retrieval, groundline_workers;
-- Retrieval switches; the worker holds the row while it writes vectors, so that no switch or start comes between.
GRANT UPDATE (embedding_model, index_version) ON knowledge.knowledge_bases TO groundline_retrieval, groundline_workers;
-- To skip rows that another transaction is deleting.
GRANT UPDATE (created_at) ON knowledge.doc_embeddings TO groundline_workers;
GRANT EXECUTE ON FUNCTION knowledge.drop_embedding_model TO groundline_workers;
