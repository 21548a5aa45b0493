-- Knowledge: documents and their versions, chunks with both indexes, statistics for BM25, learned cases.
CREATE TABLE knowledge.knowledge_bases (
    name text CONSTRAINT knowledge_bases_pkey PRIMARY KEY
        CONSTRAINT knowledge_bases_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    display_name text NOT NULL,
    -- The text search configuration by which its chunks and the questions to it are stemmed.
    text_configuration text NOT NULL DEFAULT 'english',
    -- Rises with every change of what can be found, so that a cache can tell that it is old.
    index_version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO knowledge.knowledge_bases (name, display_name) VALUES ('default', 'Default');

CREATE TABLE knowledge.documents (
    doc_id uuid CONSTRAINT documents_pkey PRIMARY KEY,
    knowledge_base text NOT NULL
        CONSTRAINT documents_knowledge_base_fkey REFERENCES knowledge.knowledge_bases (name),
    source text NOT NULL DEFAULT '',
    title text NOT NULL,
    uri text NOT NULL,
    kind text NOT NULL DEFAULT 'page'
        CONSTRAINT documents_kind_check CHECK (kind IN ('page', 'approved_record', 'case')),
    -- {"groups": [...]}: any one of them may read.
    acl_json jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1 CONSTRAINT documents_version_check CHECK (version >= 1),
    -- The version whose chunks can be found; 0 before the first.
    indexed_version integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'pending'
        CONSTRAINT documents_state_check CHECK (state IN ('pending', 'indexed', 'failed', 'deleted')),
    language text NOT NULL DEFAULT 'en',
    product_version text NOT NULL DEFAULT '',
    -- The uri of the page that this one replaces, as its author wrote it.
    supersedes_uri text NOT NULL DEFAULT '',
    media_type text NOT NULL,
    content_sha256 text NOT NULL,
    -- Where the original lies in the object store.
    object_key text NOT NULL,
    error text NOT NULL DEFAULT '',
    chunk_count integer NOT NULL DEFAULT 0,
    -- When the author last changed it.
    updated_at timestamptz NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT documents_knowledge_base_uri_key UNIQUE (knowledge_base, uri)
);
CREATE INDEX documents_supersedes_idx ON knowledge.documents (knowledge_base, supersedes_uri) WHERE supersedes_uri <> '';

CREATE TABLE knowledge.doc_chunks (
    chunk_id uuid CONSTRAINT doc_chunks_pkey PRIMARY KEY,
    doc_id uuid NOT NULL CONSTRAINT doc_chunks_doc_id_fkey REFERENCES knowledge.documents (doc_id),
    -- These stand here too so that both legs filter without a join.
    knowledge_base text NOT NULL,
    acl text[] NOT NULL CONSTRAINT doc_chunks_acl_check CHECK (cardinality(acl) > 0),
    chunk_index integer NOT NULL,
    -- What is shown and cited.
    text text NOT NULL,
    -- heading_path (outermost first), span_start and span_end (code points in the extracted text), page (0: none).
    metadata_json jsonb NOT NULL DEFAULT '{}',
    -- Words of title, headings and text (of a record: of a sample question), stemmed by the knowledge base's text
    -- configuration, and identifiers as written: see meshkit.text.lexemes.
    tsvector_column tsvector NOT NULL,
    word_count integer NOT NULL,
    CONSTRAINT doc_chunks_doc_id_chunk_index_key UNIQUE (doc_id, chunk_index)
);
CREATE INDEX doc_chunks_tsvector_idx ON knowledge.doc_chunks USING gin (tsvector_column);

CREATE TABLE knowledge.doc_embeddings (
    chunk_id uuid NOT NULL
        CONSTRAINT doc_embeddings_chunk_id_fkey REFERENCES knowledge.doc_chunks (chunk_id) ON DELETE CASCADE,
    embedding_model text NOT NULL,
    -- Any dimension: each model has a partial index of its own (knowledge.register_embedding_model).
    embedding_vector vector NOT NULL,
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT doc_embeddings_pkey PRIMARY KEY (chunk_id, embedding_model)
);

CREATE TABLE knowledge.embedding_models (
    name text CONSTRAINT embedding_models_pkey PRIMARY KEY,
    dimension integer NOT NULL CONSTRAINT embedding_models_dimension_check CHECK (dimension BETWEEN 1 AND 2000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Makes a model known and builds its vector index, once. Runs as owner: services create no indexes themselves.
CREATE FUNCTION knowledge.register_embedding_model(model text, dims integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('knowledge.embedding_models'));
    INSERT INTO knowledge.embedding_models (name, dimension) VALUES (model, dims) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        IF (SELECT dimension FROM knowledge.embedding_models WHERE name = model) <> dims THEN
            RAISE EXCEPTION 'embedding model % is known with another dimension', model;
        END IF;
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE INDEX %I ON knowledge.doc_embeddings USING hnsw ((embedding_vector::vector(%s)) vector_cosine_ops) '
        'WHERE embedding_model = %L',
        'doc_embeddings_hnsw_' || substr(md5(model), 1, 12), dims, model);
END
$$;
REVOKE ALL ON FUNCTION knowledge.register_embedding_model FROM PUBLIC;

-- What BM25 must know of a corpus, apart for each audience (the groups that may read a chunk): a principal's corpus is
-- what it may read, so that forbidden chunks change no weight and no score that it sees. Kept by trigger, in the
-- transaction of the change.
CREATE TABLE knowledge.corpus_stats (
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    chunk_count bigint NOT NULL,
    word_count bigint NOT NULL,
    CONSTRAINT corpus_stats_pkey PRIMARY KEY (knowledge_base, acl)
) WITH (fillfactor = 70);

-- In how many chunks a word stands: BM25's document frequency.
CREATE TABLE knowledge.term_stats (
    knowledge_base text NOT NULL,
    lexeme text NOT NULL,
    acl text[] NOT NULL,
    document_frequency bigint NOT NULL,
    CONSTRAINT term_stats_pkey PRIMARY KEY (knowledge_base, lexeme, acl)
) WITH (fillfactor = 70);

-- Statistics follow the chunks in the same transaction. Rows are touched in one order, so that two writers wait for
-- each other instead of dead-locking.
CREATE FUNCTION knowledge.count_chunks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    step integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    -- The base's row first: it is the lock that orders all writers of one knowledge base.
    UPDATE knowledge.knowledge_bases b
    SET index_version = b.index_version + 1
    FROM (SELECT DISTINCT knowledge_base FROM changed) c
    WHERE b.name = c.knowledge_base;
    INSERT INTO knowledge.corpus_stats AS t (knowledge_base, acl, chunk_count, word_count)
    SELECT c.knowledge_base, c.acl, step * count(*), step * sum(c.word_count)
    FROM changed c
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (knowledge_base, acl)
        DO UPDATE SET chunk_count = t.chunk_count + excluded.chunk_count,
            word_count = t.word_count + excluded.word_count;
    INSERT INTO knowledge.term_stats AS t (knowledge_base, lexeme, acl, document_frequency)
    SELECT c.knowledge_base, l.lexeme, c.acl, step * count(*)
    FROM changed c, unnest(c.tsvector_column) AS l
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (knowledge_base, lexeme, acl)
        DO UPDATE SET document_frequency = t.document_frequency + excluded.document_frequency;
    IF step < 0 THEN
        DELETE FROM knowledge.corpus_stats t
        USING (SELECT DISTINCT c.knowledge_base, c.acl FROM changed c) g
        WHERE t.knowledge_base = g.knowledge_base AND t.acl = g.acl AND t.chunk_count <= 0;
        DELETE FROM knowledge.term_stats t
        USING (SELECT DISTINCT c.knowledge_base, l.lexeme, c.acl FROM changed c, unnest(c.tsvector_column) AS l) g
        WHERE t.knowledge_base = g.knowledge_base AND t.lexeme = g.lexeme AND t.acl = g.acl
            AND t.document_frequency <= 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER doc_chunks_counted_insert AFTER INSERT ON knowledge.doc_chunks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge.count_chunks();
CREATE TRIGGER doc_chunks_counted_delete AFTER DELETE ON knowledge.doc_chunks
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge.count_chunks();

CREATE TABLE knowledge.case_summaries (
    case_id uuid CONSTRAINT case_summaries_pkey PRIMARY KEY,
    session_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    knowledge_base text NOT NULL
        CONSTRAINT case_summaries_knowledge_base_fkey REFERENCES knowledge.knowledge_bases (name),
    question text NOT NULL,
    summary text NOT NULL,
    resolution text NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    references_json jsonb NOT NULL DEFAULT '[]',
    acl_json jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending_review'
        CONSTRAINT case_summaries_state_check CHECK (state IN ('pending_review', 'approved', 'rejected')),
    reviewed_by text NOT NULL DEFAULT '',
    reviewed_at timestamptz,
    doc_id uuid CONSTRAINT case_summaries_doc_id_fkey REFERENCES knowledge.documents (doc_id),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT case_summaries_session_id_ticket_id_key UNIQUE (session_id, ticket_id)
);
CREATE INDEX case_summaries_ticket_idx ON knowledge.case_summaries (ticket_id);

-- What a create has answered to a request_id, so that a late repeat can't undo what came after the first.
CREATE TABLE knowledge.answered_requests (
    method text NOT NULL,
    -- The caller: two callers may use the same request_id.
    subject text NOT NULL,
    request_id text NOT NULL,
    -- Of the whole request: another body under the same request_id is refused.
    request_sha256 bytea NOT NULL,
    -- The id or name of what was made or changed.
    resource text NOT NULL,
    changed boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT answered_requests_pkey PRIMARY KEY (method, subject, request_id)
);

GRANT SELECT ON ALL TABLES IN SCHEMA knowledge TO groundline_retrieval, groundline_workers;
GRANT INSERT, UPDATE ON knowledge.documents, knowledge.case_summaries TO groundline_retrieval, groundline_workers;
GRANT INSERT ON knowledge.knowledge_bases, knowledge.answered_requests TO groundline_retrieval;
GRANT DELETE ON knowledge.doc_chunks TO groundline_retrieval;
GRANT INSERT, DELETE ON knowledge.doc_chunks, knowledge.doc_embeddings TO groundline_workers;
GRANT EXECUTE ON FUNCTION knowledge.register_embedding_model TO groundline_workers, groundline_retrieval;
