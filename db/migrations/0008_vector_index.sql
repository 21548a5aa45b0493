-- The index of a model's vectors holds them at half precision: half the memory, the same neighbours. Distances that are
-- shown are of the vectors themselves.
CREATE OR REPLACE FUNCTION knowledge.register_embedding_model(model text, dims integer) RETURNS void
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
        'CREATE INDEX %I ON knowledge.doc_embeddings USING hnsw ((embedding_vector::halfvec(%s)) halfvec_cosine_ops) '
        'WHERE embedding_model = %L',
        'doc_embeddings_hnsw_' || substr(md5(model), 1, 12), dims, model);
END
$$;

DO $$
DECLARE
    known record;
BEGIN
    FOR known IN SELECT name, dimension FROM knowledge.embedding_models LOOP
        EXECUTE format('DROP INDEX IF EXISTS knowledge.%I', 'doc_embeddings_hnsw_' || substr(md5(known.name), 1, 12));
        EXECUTE format(
            'CREATE INDEX %I ON knowledge.doc_embeddings USING hnsw '
            '((embedding_vector::public.halfvec(%s)) public.halfvec_cosine_ops) WHERE embedding_model = %L',
            'doc_embeddings_hnsw_' || substr(md5(known.name), 1, 12), known.dimension, known.name);
    END LOOP;
END
$$;

-- For audiences so small that every vector of theirs is compared.
CREATE INDEX doc_embeddings_audience_idx ON knowledge.doc_embeddings (knowledge_base, acl);
