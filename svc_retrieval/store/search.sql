-- lexical_leg --
-- The best chunks by BM25, with what their words weigh for this principal: one row, or none if there is no such
-- knowledge base. Words choose the candidates by cells (a word at a level of impact, for one audience), those that tell
-- most first, as long as $7 chunks stand in them together: the cost is bounded. In a base of more than $13 chunks the bound
-- grows by as much with every tenfold: the best few of more chunks stand further down where each word tells most. Where
-- the principal sees no more than $11 chunks, all of them are candidates. All words score the candidates, by impacts as
-- they are stored: BM25 but for the mean length, a constant there, for which scores are set right where a chunk is as long
-- as the visible ones on average and holds the word once. (The numbers of cells and audiences are
-- hashes: the ACL itself has the last word.)
-- The question is read in each text configuration of which the principal sees chunks, and $6 words of each reading count;
-- words of another one than the knowledge base's own stand everywhere under its name.
-- $1 knowledge base, $2 groups, $3 text, $4 identifier lexemes, $5 stop lexemes, $6 most words, $7 most postings,
-- $8 k1, $9 b, $10 candidates, $11 most chunks to read all of, $12 the text with its accents,
-- $13 chunks from which $7 grows.
with audiences as materialized (
    select stats.acl, knowledge.audience_number($1, stats.acl) as number, stats.chunk_count, stats.word_count
    from knowledge.corpus_stats stats
    where stats.knowledge_base = $1 and stats.acl && $2::text[]
),
corpus as materialized (
    select base.text_configuration::regconfig as configuration, base.embedding_model, seen.*
    from knowledge.knowledge_bases base
    cross join (
        select coalesce(sum(chunk_count), 0)::float8 as chunks,
            coalesce(sum(word_count), 0)::float8 / greatest(sum(chunk_count), 1) as mean_words
        from audiences
    ) as seen
    where base.name = $1
),
asked as (
    select '' as configuration, word.lexeme, word.positions, word.lexeme = any ($5::text[]) as stop
    from corpus, unnest({tsvector}) as word
    union all
    select other.configuration, word.lexeme, word.positions, false
    from (
        select distinct stats.configuration
        from knowledge.configuration_stats stats
        where stats.knowledge_base = $1 and stats.acl && $2::text[]
    ) as other
    cross join lateral unnest(
        knowledge.tagged(to_tsvector(other.configuration::regconfig, $12), other.configuration)
    ) as word
),
-- A question of nothing but stop words ("hello") is asked by these.
kept as materialized (
    select configuration, lexeme, positions
    from asked
    where not stop or (select bool_and(stop) from asked where configuration = '')
),
held as materialized (
    select kept.lexeme, stats.acl, stats.document_frequency as df, stats.level_frequencies,
        knowledge.audience_number($1, stats.acl) as audience
    from kept
    join knowledge.term_stats stats
        on stats.knowledge_base = $1 and stats.lexeme = kept.lexeme and stats.acl && $2::text[]
),
weighed as materialized (
    select lexeme, positions, df, idf, configuration
    from (
        select kept.configuration, kept.lexeme, kept.positions, found.df,
            ln(1 + (corpus.chunks - found.df + 0.5) / (found.df + 0.5))::float8 as idf,
            row_number() over (partition by kept.configuration order by found.df, kept.lexeme) as place
        from kept
        cross join corpus
        cross join lateral (
            select coalesce(sum(held.df), 0)::bigint as df from held where held.lexeme = kept.lexeme
        ) as found
    ) as each
    where place <= $6
    order by df, lexeme
),
question as materialized (
    select ('{' || string_agg(number || ':' || idf::real, ',') || '}/536870912')::sparsevec as terms
    from (
        select knowledge.term_number(lexeme) as number, sum(idf) as idf from weighed where df > 0 group by 1
    ) as numbered
),
chosen as materialized (
    select array_agg(knowledge.cell_number(audience, lexeme, level)) as cells
    from (
        select held.audience, held.lexeme, at.level::integer as level, row_number() over most as place,
            sum(at.frequency) over most as postings
        from held
        join weighed using (lexeme)
        cross join lateral unnest(held.level_frequencies) with ordinality as at (frequency, level)
        where at.frequency > 0 and (select chunks from corpus) > $11
        window most as (order by weighed.idf * at.level desc, held.lexeme, held.acl rows unbounded preceding)
    ) as cell
    where place = 1
        or postings <= (select $7 * (1 + log(greatest(corpus.chunks / $13::float8, 1))) from corpus)
),
matched as materialized (
    select terms.chunk_id, terms.terms <#> (select question.terms from question) as against
    from knowledge.chunk_terms terms
    where terms.cells && (select cells from chosen)
        and terms.audience = any (array(select audiences.number from audiences))
    union all
    select terms.chunk_id, terms.terms <#> (select question.terms from question) as against
    from audiences
    cross join lateral (
        select read.chunk_id, read.terms
        from knowledge.chunk_terms read
        where read.audience = audiences.number
        limit $11
    ) as terms
    where (select chunks from corpus) <= $11
),
likely as materialized (
    select chunk_id, against from matched where against < 0 order by against, chunk_id limit $10
),
best as (
    select likely.chunk_id,
        -likely.against * (1 + $8::float8 * (1 - $9::float8 + $9::float8 * corpus.mean_words / 100)) as bm25
    from likely
    join knowledge.doc_chunks chunk using (chunk_id)
    cross join corpus
    where chunk.knowledge_base = $1 and chunk.acl && $2::text[]
    order by bm25 desc, chunk_id
)
select corpus.embedding_model, corpus.chunks::bigint as chunks, corpus.mean_words,
    array(select lexeme from weighed) as lexemes,
    array(select df from weighed) as dfs,
    array(select idf from weighed) as idfs,
    array(select array_to_string(positions, ',') from weighed) as positions,
    array(select configuration from weighed) as configurations,
    array(select chunk_id from best) as chunk_ids,
    array(select bm25 from best) as scores
from corpus

-- vector_leg --
-- The nearest chunks by cosine. Few that the principal may read are compared each: an index that filters what it has
-- found looks at as many more as are hidden in between, and goes on (a setting of the connection) until enough rows pass.
-- Few are at most $5, and no more than an index search costs: as much as $6 comparisons, divided by the visible share of all
-- vectors (by the table's statistics; before there are any, only $5 counts). The model's name is a literal, so that the
-- planner can prove that the partial index of this model serves; `case` keeps it from the index of audiences, and from a guess
-- at how few rows pass, for which it would sort them all.
-- $1 vector, $2 knowledge base, $3 groups, $4 candidates, $5 most chunks to compare each, $6 what an index search costs.
with audiences as materialized (
    select stats.acl, stats.chunk_count
    from knowledge.corpus_stats stats
    where stats.knowledge_base = $2 and stats.acl && $3::text[]
),
few as materialized (
    select visible.chunks <= $5::bigint
        and (visible.chunks * visible.chunks <= $6::float8 * vectors.reltuples or vectors.reltuples <= 0) as true
    from (select coalesce(sum(chunk_count), 0)::float8 as chunks from audiences) as visible
    cross join (select reltuples from pg_class where oid = 'knowledge.doc_embeddings'::regclass) as vectors
)
(
    select near.chunk_id, 1 - (near.embedding_vector::vector({dimension}) <=> $1::vector({dimension})) as cosine
    from knowledge.doc_embeddings near
    where near.embedding_model = {model} and not (select few.true from few)
        and case when near.acl && $3::text[] then near.knowledge_base = $2 else false end
    order by near.embedding_vector::halfvec({dimension}) <=> $1::vector({dimension})::halfvec({dimension})
    limit $4
)
union all
(
    select compared.chunk_id, 1 - compared.distance as cosine
    from (
        select each.chunk_id, each.embedding_vector::vector({dimension}) <=> $1::vector({dimension}) as distance
        from audiences
        cross join lateral (
            select read.chunk_id, read.embedding_vector
            from knowledge.doc_embeddings read
            where read.embedding_model = {model} and read.knowledge_base = $2 and read.acl = audiences.acl
            limit $5
        ) as each
        where (select few.true from few)
        -- Or each would be compared twice, for its cosine and for its place.
        offset 0
    ) as compared
    order by compared.distance
    limit $4
)

-- finalists --
-- What both legs found, with all that scoring and showing needs: where the question's words stand, the cosine, the
-- document, and the page that has superseded it, if the principal may read that. Filtered again: what was deleted or
-- hidden since the legs ran is not there.
-- $1 chunk ids, $2 knowledge base, $3 groups, $4 the question's lexemes, $5 vector.
select chunk.chunk_id, chunk.doc_id, chunk.text, chunk.metadata_json, chunk.acl, chunk.word_count,
    chunk.chunk_index, chunk.configuration, held.lexemes, held.positions,
    1 - (embedding.embedding_vector::vector({dimension}) <=> $5::vector({dimension})) as cosine,
    document.title, document.uri, document.kind, document.indexed_version, document.updated_at,
    document.product_version, successor.doc_id as superseded_by
from knowledge.doc_chunks chunk
join knowledge.documents document using (doc_id)
left join knowledge.doc_embeddings embedding
    on embedding.chunk_id = chunk.chunk_id and embedding.embedding_model = {model}
cross join lateral (
    select array_agg(word.lexeme) as lexemes, array_agg(array_to_string(word.positions, ',')) as positions
    from {held} as word
) as held
left join lateral (
    select newer.doc_id
    from knowledge.documents newer
    where newer.knowledge_base = document.knowledge_base and newer.supersedes_uri = document.uri
        and newer.supersedes_uri <> '' and newer.doc_id <> document.doc_id
        and newer.state <> 'deleted' and newer.indexed_version > 0 and newer.acl_json -> 'groups' ?| $3::text[]
    order by newer.updated_at desc, newer.doc_id desc
    limit 1
) as successor on true
where chunk.chunk_id = any ($1::uuid[]) and chunk.knowledge_base = $2 and chunk.acl && $3::text[]
    and document.state <> 'deleted'
