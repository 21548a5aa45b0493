-- document_acls --
-- Who may read documents, deleted ones included: what was said from them stays as secret as they were.
SELECT doc_id, acl_json -> 'groups' AS groups
FROM knowledge.documents
WHERE doc_id = ANY ($1::uuid[])

-- load_document --
-- What an ingestion must know; without a lock, since reading and embedding take long.
SELECT d.doc_id, d.knowledge_base, d.title, d.uri, d.kind, d.version, d.state, d.media_type, d.object_key,
    d.acl_json -> 'groups' AS groups, b.text_configuration AS configuration
FROM knowledge.documents d
JOIN knowledge.knowledge_bases b ON b.name = d.knowledge_base
WHERE d.doc_id = $1

-- lock_version --
-- The version and state of the moment, held until the chunks are exchanged.
SELECT version, state
FROM knowledge.documents
WHERE doc_id = $1
FOR UPDATE

-- delete_chunks --
-- The document's former chunks; their embeddings go with them, and the statistics follow by trigger.
DELETE FROM knowledge.doc_chunks
WHERE doc_id = $1

-- insert_chunks --
-- The document's chunks. The tsvector is that of meshkit.text.lexemes.tsvector, the count that of its word_count.
-- $5 is the knowledge base's own configuration, $12 the document's if that is another one, else "".
WITH passages AS (
    SELECT p.chunk_id, p.chunk_index, p.text, p.metadata,
        CASE $12::text
            WHEN '' THEN to_tsvector($5::text::regconfig, p.words)
            ELSE knowledge.tagged(to_tsvector($12::text::regconfig, p.words), $12::text)
        END || array_to_tsvector(string_to_array(p.identifiers, ' ')) AS vector
    FROM unnest($6::uuid[], $7::integer[], $8::text[], $9::text[], $10::text[], $11::text[])
        AS p (chunk_id, chunk_index, text, metadata, words, identifiers)
)
INSERT INTO knowledge.doc_chunks
    (chunk_id, doc_id, knowledge_base, acl, chunk_index, text, metadata_json, tsvector_column, word_count, configuration)
SELECT p.chunk_id, $1, $2, $3::text[], p.chunk_index + $4, p.text, p.metadata::jsonb, p.vector,
    (SELECT coalesce(sum(cardinality(u.positions)), 0)::integer FROM unnest(p.vector) AS u), $12
FROM passages p
ORDER BY p.chunk_index

-- insert_embedding --
-- One chunk's vector.
INSERT INTO knowledge.doc_embeddings (chunk_id, embedding_model, embedding_vector, knowledge_base, acl)
VALUES ($1, $2, $3, $4, $5::text[])

-- stemmers --
-- The text search configurations of this server.
SELECT array_agg(cfgname::text) FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace

-- function_words --
-- How many of the words each dictionary with a stop list takes for function words, by the name of its configuration, and
-- how many different ones.
SELECT c.cfgname::text AS configuration, count(*) AS words, count(DISTINCT w.word) AS forms
FROM pg_ts_config c
JOIN pg_ts_dict d ON d.dictname = c.cfgname || '_stem' AND d.dictinitoption LIKE '%stopwords%'
CROSS JOIN unnest($1::text[]) AS w (word)
WHERE c.cfgnamespace = 'pg_catalog'::regnamespace AND ts_lexize(d.oid::regdictionary, w.word) = '{}'
GROUP BY c.cfgname

-- mark_indexed --
-- The chunks of this version can be found; $3 as doc_chunks has it.
UPDATE knowledge.documents
SET state = 'indexed', indexed_version = version, chunk_count = $2, error = '', configuration = $3
WHERE doc_id = $1

-- mark_failed --
-- This version can't be read. Chunks of an older version stay: its author has not taken it back.
UPDATE knowledge.documents
SET state = 'failed', error = $3
WHERE doc_id = $1 AND version = $2 AND state <> 'deleted'
RETURNING doc_id

-- lock_case --
-- A case as it stands, held until its document agrees with it.
SELECT c.case_id, c.knowledge_base, c.question, c.resolution, c.tags, c.acl_json -> 'groups' AS groups, c.state, c.doc_id,
    c.created_at, b.text_configuration AS configuration
FROM knowledge.case_summaries c
JOIN knowledge.knowledge_bases b ON b.name = c.knowledge_base
WHERE c.case_id = $1
FOR UPDATE OF c

-- load_case --
-- A case, to be read and embedded before any lock is taken.
SELECT c.case_id, c.knowledge_base, c.question, c.resolution, c.tags, c.acl_json -> 'groups' AS groups, c.state, c.doc_id,
    c.created_at, b.text_configuration AS configuration
FROM knowledge.case_summaries c
JOIN knowledge.knowledge_bases b ON b.name = c.knowledge_base
WHERE c.case_id = $1

-- put_case_document --
-- The document that a case is searched as; a later state of the case is its next version.
INSERT INTO knowledge.documents AS d
    (doc_id, knowledge_base, source, title, uri, kind, acl_json, state, media_type, content_sha256, object_key,
     updated_at)
VALUES ($1, $2, 'case', $3, $4, 'case', $5, 'pending', 'text/plain', $6, $7, $8)
ON CONFLICT ON CONSTRAINT documents_knowledge_base_uri_key DO UPDATE
SET title = excluded.title, acl_json = excluded.acl_json, state = 'pending', version = d.version + 1,
    content_sha256 = excluded.content_sha256, object_key = excluded.object_key, ingested_at = clock_timestamp()
RETURNING doc_id

-- tie_case --
-- The document under which the case is found.
UPDATE knowledge.case_summaries
SET doc_id = $2
WHERE case_id = $1

-- remove_document --
-- Nothing is found in it any more.
UPDATE knowledge.documents
SET state = 'deleted', chunk_count = 0, indexed_version = 0
WHERE doc_id = $1

-- register_embedding_model --
-- Makes the model known and builds its index, once.
SELECT knowledge.register_embedding_model($1, $2)

-- describe_embedding_model --
-- How other processes find the model.
UPDATE knowledge.embedding_models
SET spec = $2
WHERE name = $1 AND spec <> $2

-- adopt_embedding_model --
-- Knowledge bases that nobody has embedded yet use this model from now on.
UPDATE knowledge.knowledge_bases
SET embedding_model = $1
WHERE embedding_model = ''

-- lock_base --
-- Held against a switch and the start of a reindex, until the vectors that are needed now are written.
SELECT name
FROM knowledge.knowledge_bases
WHERE name = $1
FOR NO KEY UPDATE

-- needed_models --
-- The models in which a knowledge base's passages need vectors: that in force first, then the one to come.
SELECT n.name, coalesce(m.spec, '') AS spec
FROM (
    SELECT embedding_model AS name, 1 AS place FROM knowledge.knowledge_bases WHERE name = $1
    UNION ALL
    SELECT embedding_model, 2 FROM knowledge.reindexes WHERE knowledge_base = $1 AND state IN ('running', 'ready')
) AS n
LEFT JOIN knowledge.embedding_models m USING (name)
ORDER BY n.place

-- list_commands --
-- A page of commands by id, which is by age.
SELECT outbox_id, type, idempotency_key, ordering_key, status, attempts, next_attempt_at, created_at, last_error
FROM messaging.outbox
WHERE ($1::uuid IS NULL OR outbox_id > $1)
  AND ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR type = $3)
ORDER BY outbox_id
LIMIT $4

-- get_command --
-- One command, without its payload.
SELECT outbox_id, type, idempotency_key, ordering_key, status, attempts, next_attempt_at, created_at, last_error
FROM messaging.outbox
WHERE outbox_id = $1

-- redrive_command --
-- A dead command is to be done again, as if it had never been tried.
UPDATE messaging.outbox
SET status = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), lease_token = NULL, lease_expires_at = NULL
WHERE outbox_id = $1 AND status = 'dead'
RETURNING outbox_id

-- discard_command --
-- A dead command is not to be done any more. Its row stays, and with it its key.
UPDATE messaging.outbox
SET status = 'discarded', done_at = clock_timestamp()
WHERE outbox_id = $1 AND status = 'dead'
RETURNING outbox_id

-- list_audit --
-- A page of the trail by id, which is by age, newest first.
SELECT audit_id, occurred_at, actor, actor_role, action, resource_id, changed, note, request_id
FROM messaging.audit
WHERE ($1::uuid IS NULL OR audit_id < $1)
  AND ($2::uuid IS NULL OR resource_id = $2)
ORDER BY audit_id DESC
LIMIT $3

-- purge_answers --
-- Forgets the oldest answered request ids that are older than $1 seconds, at most $2. Nothing is locked first: that
-- takes the right to update, and whoever deletes the same row only waits and finds it gone.
delete from knowledge.answered_requests
where ctid = any (array(
    select ctid from knowledge.answered_requests
    where created_at < now() - make_interval(secs => $1::float8)
    order by created_at
    limit $2
))
