-- lexical_leg --
-- The best chunks by BM25, with what their words weigh for this principal: one row, or none if there is no such
-- knowledge base. Only the rarest words choose the candidates, as long as they stand in $7 chunks together; all words
-- score them.
-- $1 knowledge base, $2 groups, $3 text, $4 identifier lexemes, $5 stop lexemes, $6 most words, $7 most postings,
-- $8 k1, $9 b, $10 candidates.
with corpus as (
    select base.text_configuration::regconfig as configuration,
        coalesce(sum(stats.chunk_count), 0)::float8 as chunks,
        coalesce(sum(stats.word_count), 0)::float8 / greatest(sum(stats.chunk_count), 1) as mean_words
    from knowledge.knowledge_bases base
    left join knowledge.corpus_stats stats on stats.knowledge_base = base.name and stats.acl && $2::text[]
    where base.name = $1
    group by base.name
),
asked as (
    select word.lexeme, word.positions, word.lexeme = any ($5::text[]) as stop
    from corpus, unnest({tsvector}) as word
),
-- A question of nothing but stop words ("hello") is asked by these.
kept as (
    select lexeme, positions from asked where not stop or (select bool_and(stop) from asked)
),
weighed as materialized (
    select kept.lexeme, kept.positions, found.df,
        ln(1 + (corpus.chunks - found.df + 0.5) / (found.df + 0.5))::float8 as idf
    from kept
    cross join corpus
    cross join lateral (
        select coalesce(sum(stats.document_frequency), 0)::bigint as df
        from knowledge.term_stats stats
        where stats.knowledge_base = $1 and stats.lexeme = kept.lexeme and stats.acl && $2::text[]
    ) as found
    order by found.df, kept.lexeme
    limit $6
),
chosen as (
    select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery as query
    from (
        select lexeme, row_number() over rarest as place, sum(df) over rarest as postings
        from weighed where df > 0
        window rarest as (order by df, lexeme)
    ) as ranked
    where place = 1 or postings <= $7
),
matched as (
    select chunk.chunk_id, chunk.tsvector_column, chunk.word_count
    from knowledge.doc_chunks chunk
    where chunk.tsvector_column @@ (select query from chosen)
        and chunk.knowledge_base = $1 and chunk.acl && $2::text[]
    limit $7
),
best as (
    select matched.chunk_id, scored.bm25
    from matched
    cross join corpus
    cross join lateral (
        select sum(weighed.idf * (held.tf * ($8::float8 + 1)) / (held.tf
            + $8::float8 * (1 - $9::float8 + $9::float8 * matched.word_count / greatest(corpus.mean_words, 1)))) as bm25
        from (
            select word.lexeme, greatest(cardinality(word.positions), 1)::float8 as tf
            from unnest(matched.tsvector_column) as word
        ) as held
        join weighed using (lexeme)
    ) as scored
    order by scored.bm25 desc, matched.chunk_id
    limit $10
)
select corpus.chunks::bigint as chunks, corpus.mean_words,
    array(select lexeme from weighed) as lexemes,
    array(select df from weighed) as dfs,
    array(select idf from weighed) as idfs,
    array(select array_to_string(positions, ',') from weighed) as positions,
    array(select chunk_id from best) as chunk_ids,
    array(select bm25 from best) as scores
from corpus

-- vector_leg --
-- The nearest chunks by cosine. The model's name is a literal, so that the planner can prove that the partial index
-- of this model serves. The connection lets the index go on until enough rows pass the filter.
-- $1 vector, $2 knowledge base, $3 groups, $4 candidates.
select chunk_id, 1 - (embedding_vector::vector({dimension}) <=> $1::vector({dimension})) as cosine
from knowledge.doc_embeddings
where embedding_model = {model} and knowledge_base = $2 and acl && $3::text[]
order by embedding_vector::vector({dimension}) <=> $1::vector({dimension})
limit $4

-- vector_leg_exact --
-- The same by looking at every visible chunk, for the case that the index gave up before it had seen enough of them:
-- the filter hides nearly all that is near. `+ 0` keeps the planner from the index's order.
-- $1 vector, $2 knowledge base, $3 groups, $4 candidates.
select chunk_id, 1 - (embedding_vector::vector({dimension}) <=> $1::vector({dimension})) as cosine
from knowledge.doc_embeddings
where embedding_model = {model} and knowledge_base = $2 and acl && $3::text[]
order by (embedding_vector::vector({dimension}) <=> $1::vector({dimension})) + 0
limit $4

-- finalists --
-- What both legs found, with all that scoring and showing needs: where the question's words stand, the cosine, the
-- document, and the page that has superseded it, if the principal may read that. Filtered again: what was deleted or
-- hidden since the legs ran is not there.
-- $1 chunk ids, $2 knowledge base, $3 groups, $4 the question's lexemes, $5 vector.
select chunk.chunk_id, chunk.doc_id, chunk.text, chunk.metadata_json, chunk.acl, chunk.word_count,
    chunk.chunk_index, held.lexemes, held.positions,
    1 - (embedding.embedding_vector::vector({dimension}) <=> $5::vector({dimension})) as cosine,
    document.title, document.uri, document.kind, document.indexed_version, document.updated_at,
    document.product_version, successor.doc_id as superseded_by
from knowledge.doc_chunks chunk
join knowledge.documents document using (doc_id)
left join knowledge.doc_embeddings embedding
    on embedding.chunk_id = chunk.chunk_id and embedding.embedding_model = {model}
cross join lateral (
    select array_agg(word.lexeme) as lexemes, array_agg(array_to_string(word.positions, ',')) as positions
    from unnest(chunk.tsvector_column) as word
    where word.lexeme = any ($4::text[])
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

-- register_model --
-- Makes the model known and builds its index, the first time.
select knowledge.register_embedding_model($1, $2)
