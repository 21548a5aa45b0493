-- A document's language decides how its words are stemmed: see docs/decisions/0017-languages.md.

-- The text search configuration by which a chunk's words were stemmed; empty for its knowledge base's own. Words of
-- another configuration stand in the vector under its name (`german:vertrag`): equal strings of two languages are
-- two words in all that is counted, stored and asked.
ALTER TABLE knowledge.doc_chunks ADD COLUMN configuration text NOT NULL DEFAULT '';

-- The same for a document, as its indexed version was read; NULL where that was before languages counted.
ALTER TABLE knowledge.documents ADD COLUMN configuration text;

-- How many of the chunks in knowledge.corpus_stats are in another configuration than the knowledge base's own: a question
-- is read in those that its asker may see something of. A knowledge base in one language has no rows here.
CREATE TABLE knowledge.configuration_stats (
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    configuration text NOT NULL,
    chunk_count bigint NOT NULL,
    CONSTRAINT configuration_stats_pkey PRIMARY KEY (knowledge_base, acl, configuration)
) WITH (fillfactor = 70);
GRANT SELECT ON knowledge.configuration_stats TO groundline_retrieval, groundline_workers;

-- A vector's words under the name of their configuration, without accents: these have told the dictionary its part, and
-- people leave them out. Words that become the same share their positions.
CREATE FUNCTION knowledge.tagged(vector tsvector, configuration text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT coalesce(string_agg(
    '''' || replace(replace(w.word, '\', '\\'), '''', '''''') || '''' || coalesce(':' || w.places, ''), ' '), '')::tsvector
FROM (
    SELECT left(configuration || ':' || normalize(
        regexp_replace(normalize(u.lexeme, NFD), '[\u0300-\u036f]', '', 'g'), NFC), 500) AS word,
        array_to_string(u.positions, ',') AS places
    FROM unnest(vector) AS u
) AS w;
END;

-- The same as in 0007, with one statement more where another configuration than the knowledge base's own is concerned.
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
    INSERT INTO knowledge.configuration_stats AS t (knowledge_base, acl, configuration, chunk_count)
    SELECT c.knowledge_base, c.acl, c.configuration, step * count(*)
    FROM changed c
    WHERE c.configuration <> ''
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (knowledge_base, acl, configuration) DO UPDATE SET chunk_count = t.chunk_count + excluded.chunk_count;
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
        DELETE FROM knowledge.configuration_stats t
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
