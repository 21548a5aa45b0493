-- load_reindex --
-- What a step has to know.
SELECT reindex_id, knowledge_base, embedding_model, spec, state, step, last_chunk_id
FROM knowledge.reindexes
WHERE reindex_id = $1

-- lock_reindex --
-- State and step, held until a batch is written.
SELECT state, step
FROM knowledge.reindexes
WHERE reindex_id = $1
FOR UPDATE

-- unembedded --
-- The next chunks of a knowledge base that have no vector in a model, with what they are embedded by.
-- $1 knowledge base, $2 model, $3 behind this chunk, $4 rows.
SELECT c.chunk_id, c.text, c.metadata_json, coalesce(s.question, d.title) AS title, coalesce(s.tags, '{}') AS tags
FROM knowledge.doc_chunks c
JOIN knowledge.documents d USING (doc_id)
LEFT JOIN knowledge.case_summaries s ON d.kind = 'case' AND s.doc_id = d.doc_id
WHERE c.knowledge_base = $1
  AND ($3::uuid IS NULL OR c.chunk_id > $3)
  AND NOT EXISTS (
      SELECT FROM knowledge.doc_embeddings e WHERE e.chunk_id = c.chunk_id AND e.embedding_model = $2
  )
ORDER BY c.chunk_id
LIMIT $4

-- insert_vector --
-- The vector of a chunk, if that is still there.
INSERT INTO knowledge.doc_embeddings (chunk_id, embedding_model, embedding_vector, knowledge_base, acl)
SELECT c.chunk_id, $2, $3, c.knowledge_base, c.acl
FROM knowledge.doc_chunks c
WHERE c.chunk_id = $1
ON CONFLICT ON CONSTRAINT doc_embeddings_pkey DO NOTHING

-- advance --
-- Up to where a reindex has come: commits with the vectors.
UPDATE knowledge.reindexes
SET last_chunk_id = $2, embedded_chunks = embedded_chunks + $3, step = $4, updated_at = clock_timestamp()
WHERE reindex_id = $1

-- missing_vectors --
-- Whether a chunk of the knowledge base has no vector in the model.
SELECT EXISTS (
    SELECT FROM knowledge.doc_chunks c
    WHERE c.knowledge_base = $1
      AND NOT EXISTS (
          SELECT FROM knowledge.doc_embeddings e WHERE e.chunk_id = c.chunk_id AND e.embedding_model = $2
      )
)

-- end_reindex --
-- It is ready, or has failed.
UPDATE knowledge.reindexes
SET state = $2, error = $3, updated_at = clock_timestamp()
WHERE reindex_id = $1 AND state = 'running' AND step = $4

-- delete_vectors --
-- Some of the vectors that a knowledge base does not need; those that another transaction deletes are left to it.
-- $1 knowledge base, $2 models that are needed, $3 rows.
WITH former AS (
    SELECT chunk_id, embedding_model
    FROM knowledge.doc_embeddings
    WHERE knowledge_base = $1 AND embedding_model <> ALL ($2::text[])
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM knowledge.doc_embeddings e
USING former f
WHERE e.chunk_id = f.chunk_id AND e.embedding_model = f.embedding_model
RETURNING e.embedding_model

-- known_models --
-- Every model that has an index.
SELECT name FROM knowledge.embedding_models

-- drop_model --
-- Forgets a model and its index, if nothing needs them.
SELECT knowledge.drop_embedding_model($1)
