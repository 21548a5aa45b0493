-- insert_base --
-- A new knowledge base; no row if the name is taken.
insert into knowledge.knowledge_bases (name, display_name, embedding_model) values ($1, $2, $3)
on conflict on constraint knowledge_bases_pkey do nothing
returning name

-- base_exists --
-- Whether there is a knowledge base of that name.
select exists (select from knowledge.knowledge_bases where name = $1)

-- read_bases --
-- A page of knowledge bases by name, with what the caller may read in them.
-- $1 sees everything, $2 groups, $3 one name, $4 after this name, $5 rows.
select b.name, b.display_name, b.created_at, b.embedding_model,
    (select coalesce(sum(s.chunk_count), 0)::bigint
     from knowledge.corpus_stats s
     where s.knowledge_base = b.name and ($1::boolean or s.acl && $2::text[])) as chunk_count,
    (select count(*)
     from knowledge.documents d
     where d.knowledge_base = b.name and d.state <> 'deleted'
        and ($1::boolean or d.acl_json -> 'groups' ?| $2::text[])) as document_count
from knowledge.knowledge_bases b
where ($3::text is null or b.name = $3) and ($4::text is null or b.name > $4)
order by b.name
limit $5

-- index_version --
-- Rises with every change of what can be found in a knowledge base.
select index_version from knowledge.knowledge_bases where name = $1
