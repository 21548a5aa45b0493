-- Lexical search at a cost that does not grow with the knowledge base: see docs/decisions/0009-lexical-cells.md.
-- A cell is one audience, one word and one level of impact; the index on cells gives the chunks where a word tells most,
-- for those who may read them, without a look at any other. What is stored follows from the chunk alone, so that inserts
-- and deletes need no upkeep beyond counting.

-- A number for a word. Two words may share one: scores are made of the words themselves in the end.
CREATE FUNCTION knowledge.term_number(lexeme text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashtextextended(lexeme, 0) & 536870911) + 1)::integer;

-- A number for those who may read a chunk.
CREATE FUNCTION knowledge.audience_number(knowledge_base text, acl text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hash_array_extended(array_prepend(knowledge_base, acl), 0);

-- A number for a cell. `level` is 1 to 16.
CREATE FUNCTION knowledge.cell_number(audience bigint, lexeme text, level integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashtextextended(lexeme, audience # level) >> 32)::integer;

-- What each word of a chunk tells of it, 0 to 1 (BM25's term without idf, k1 = 1.2, b = 0.75, for chunks of 100 words
-- on average, whatever they are: it must not change when other chunks come and go), and the same as a level.
CREATE FUNCTION knowledge.term_impacts(vector tsvector, words integer)
RETURNS TABLE (lexeme text, impact float8, level integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT told.lexeme, told.impact, least(floor(told.impact * 16)::integer, 15) + 1
FROM (
    SELECT held.lexeme, held.tf / (held.tf + 0.3::float8 + 0.009::float8 * words) AS impact
    FROM (
        SELECT u.lexeme, greatest(cardinality(u.positions), 1)::float8 AS tf FROM unnest(vector) AS u
    ) AS held
) AS told;
END;

-- Two histograms as one.
CREATE FUNCTION knowledge.added(one integer[], other integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT coalesce(u.a, 0) + coalesce(u.b, 0) FROM unnest(one, other) AS u (a, b));

-- A chunk's words for both steps of the lexical leg. Narrow, so that thousands of them are read in a few milliseconds.
CREATE TABLE knowledge.chunk_terms (
    chunk_id uuid CONSTRAINT chunk_terms_pkey PRIMARY KEY
        CONSTRAINT chunk_terms_chunk_id_fkey REFERENCES knowledge.doc_chunks (chunk_id) ON DELETE CASCADE,
    -- knowledge.audience_number of its knowledge base and ACL.
    audience bigint NOT NULL,
    -- Impacts by knowledge.term_number: its inner product with the question's idf is BM25, nearly.
    terms sparsevec NOT NULL,
    cells integer[] NOT NULL
);

CREATE FUNCTION knowledge.chunk_terms_of(audience bigint, vector tsvector, words integer)
RETURNS TABLE (terms sparsevec, cells integer[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT ('{' || coalesce(string_agg(t.number || ':' || t.impact::real, ','), '') || '}/536870912')::sparsevec,
    coalesce(array_agg(t.cell), '{}')
FROM (
    SELECT DISTINCT ON (1) knowledge.term_number(i.lexeme) AS number, i.impact,
        knowledge.cell_number(audience, i.lexeme, i.level) AS cell
    FROM knowledge.term_impacts(vector, words) AS i
) AS t;
END;

INSERT INTO knowledge.chunk_terms (chunk_id, audience, terms, cells)
SELECT c.chunk_id, c.audience, t.terms, t.cells
FROM (
    SELECT chunk_id, tsvector_column, word_count, knowledge.audience_number(knowledge_base, acl) AS audience
    FROM knowledge.doc_chunks
) AS c, knowledge.chunk_terms_of(c.audience, c.tsvector_column, c.word_count) AS t
ORDER BY c.chunk_id;

-- No list of what is pending: every search would read it from end to end.
CREATE INDEX chunk_terms_cells_idx ON knowledge.chunk_terms USING gin (cells) WITH (fastupdate = off);
-- For audiences so small that all of it is read.
CREATE INDEX chunk_terms_audience_idx ON knowledge.chunk_terms (audience);

-- In how many chunks the word stands at each level, 1 to 16; they add up to its document frequency.
ALTER TABLE knowledge.term_stats ADD COLUMN level_frequencies integer[] NOT NULL DEFAULT '{}';

UPDATE knowledge.term_stats t
SET level_frequencies = found.frequencies
FROM (
    SELECT c.knowledge_base, c.acl, i.lexeme, ARRAY[
        count(*) FILTER (WHERE i.level = 1), count(*) FILTER (WHERE i.level = 2),
        count(*) FILTER (WHERE i.level = 3), count(*) FILTER (WHERE i.level = 4),
        count(*) FILTER (WHERE i.level = 5), count(*) FILTER (WHERE i.level = 6),
        count(*) FILTER (WHERE i.level = 7), count(*) FILTER (WHERE i.level = 8),
        count(*) FILTER (WHERE i.level = 9), count(*) FILTER (WHERE i.level = 10),
        count(*) FILTER (WHERE i.level = 11), count(*) FILTER (WHERE i.level = 12),
        count(*) FILTER (WHERE i.level = 13), count(*) FILTER (WHERE i.level = 14),
        count(*) FILTER (WHERE i.level = 15), count(*) FILTER (WHERE i.level = 16)
    ]::integer[] AS frequencies
    FROM knowledge.doc_chunks c, knowledge.term_impacts(c.tsvector_column, c.word_count) AS i
    GROUP BY 1, 2, 3
) AS found
WHERE t.knowledge_base = found.knowledge_base AND t.acl = found.acl AND t.lexeme = found.lexeme;

CREATE OR REPLACE FUNCTION knowledge.count_chunks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    step integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    -- Before the lock: nobody has to wait for this. A deleted chunk's terms go with it, by its foreign key.
    IF step > 0 THEN
        INSERT INTO knowledge.chunk_terms (chunk_id, audience, terms, cells)
        SELECT c.chunk_id, c.audience, t.terms, t.cells
        FROM (
            SELECT chunk_id, tsvector_column, word_count, knowledge.audience_number(knowledge_base, acl) AS audience
            FROM changed
        ) AS c, knowledge.chunk_terms_of(c.audience, c.tsvector_column, c.word_count) AS t;
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
    INSERT INTO knowledge.term_stats AS t (knowledge_base, lexeme, acl, document_frequency, level_frequencies)
    SELECT c.knowledge_base, i.lexeme, c.acl, step * count(*), ARRAY[
        step * count(*) FILTER (WHERE i.level = 1), step * count(*) FILTER (WHERE i.level = 2),
        step * count(*) FILTER (WHERE i.level = 3), step * count(*) FILTER (WHERE i.level = 4),
        step * count(*) FILTER (WHERE i.level = 5), step * count(*) FILTER (WHERE i.level = 6),
        step * count(*) FILTER (WHERE i.level = 7), step * count(*) FILTER (WHERE i.level = 8),
        step * count(*) FILTER (WHERE i.level = 9), step * count(*) FILTER (WHERE i.level = 10),
        step * count(*) FILTER (WHERE i.level = 11), step * count(*) FILTER (WHERE i.level = 12),
        step * count(*) FILTER (WHERE i.level = 13), step * count(*) FILTER (WHERE i.level = 14),
        step * count(*) FILTER (WHERE i.level = 15), step * count(*) FILTER (WHERE i.level = 16)
    ]::integer[]
    FROM changed c, knowledge.term_impacts(c.tsvector_column, c.word_count) AS i
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (knowledge_base, lexeme, acl)
        DO UPDATE SET document_frequency = t.document_frequency + excluded.document_frequency,
            level_frequencies = knowledge.added(t.level_frequencies, excluded.level_frequencies);
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

GRANT SELECT ON knowledge.chunk_terms TO groundline_retrieval, groundline_workers;
