-- lock_base --
-- The knowledge base's model, held against whoever writes vectors, starts or switches.
select embedding_model from knowledge.knowledge_bases where name = $1 for no key update

-- reindex_under_way --
-- The reindex of a knowledge base that is not over.
select * from knowledge.reindexes where knowledge_base = $1 and state in ('running', 'ready')

-- failed_reindex --
-- The last reindex of a knowledge base, if it failed on its way into this model.
select last.*
from (select * from knowledge.reindexes where knowledge_base = $1 order by reindex_id desc limit 1) as last
where last.state = 'failed' and last.embedding_model = $2
for update

-- insert_reindex --
-- A reindex of all chunks that have no vector in the model yet.
-- $1 id, $2 knowledge base, $3 model, $4 spec, $5 former model, $6 who.
insert into knowledge.reindexes
    (reindex_id, knowledge_base, embedding_model, spec, former_model, started_by, total_chunks)
select $1, $2, $3, $4, $5, $6, count(*)
from knowledge.doc_chunks chunk
where chunk.knowledge_base = $2
    and not exists (
        select from knowledge.doc_embeddings e where e.chunk_id = chunk.chunk_id and e.embedding_model = $3
    )
returning *

-- resume_reindex --
-- It goes on, from its first gap, with a command of the next number.
update knowledge.reindexes set state = 'running', error = '', last_chunk_id = null, step = step + 1, updated_at = clock_timestamp()
where reindex_id = $1
returning *

-- read_reindex --
-- One reindex.
select * from knowledge.reindexes where reindex_id = $1

-- lock_reindex --
-- One reindex, held until its state has changed.
select * from knowledge.reindexes where reindex_id = $1 for update

-- read_reindexes --
-- A page of reindexes, newest first.
-- $1 knowledge base or null for all, $2 before this id, $3 rows.
select * from knowledge.reindexes
where ($1::text is null or knowledge_base = $1) and ($2::uuid is null or reindex_id < $2)
order by reindex_id desc
limit $3

-- missing_vectors --
-- Whether a chunk of the knowledge base has no vector in the model.
select exists (
    select from knowledge.doc_chunks chunk
    where chunk.knowledge_base = $1
        and not exists (
            select from knowledge.doc_embeddings e where e.chunk_id = chunk.chunk_id and e.embedding_model = $2
        )
)

-- put_in_force --
-- Searches that begin from now on use this model; what was cached of the others counts no more.
update knowledge.knowledge_bases set embedding_model = $2, index_version = index_version + 1
where name = $1

-- set_state --
-- How far a reindex has come.
update knowledge.reindexes set state = $2, updated_at = clock_timestamp()
where reindex_id = $1
returning *

-- former_vectors --
-- Vectors that the knowledge base is not searched with, by model.
select e.embedding_model, count(*) as vectors
from knowledge.doc_embeddings e
where e.knowledge_base = $1
    and e.embedding_model <> (select b.embedding_model from knowledge.knowledge_bases b where b.name = $1)
    and not exists (
        select from knowledge.reindexes r
        where r.knowledge_base = $1 and r.embedding_model = e.embedding_model and r.state in ('running', 'ready')
    )
group by e.embedding_model
order by e.embedding_model
