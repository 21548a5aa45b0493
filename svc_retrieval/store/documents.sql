-- find_document --
-- What stands under a uri, deleted or not.
select doc_id, knowledge_base, source, title, uri, kind, acl_json, version, indexed_version, state, language,
    product_version, supersedes_uri, media_type, content_sha256, object_key, error, chunk_count, updated_at, ingested_at,
    configuration
from knowledge.documents
where knowledge_base = $1 and uri = $2

-- lock_document --
-- The same, held until the transaction ends: writers and the ingestion of one document take turns.
select doc_id, knowledge_base, source, title, uri, kind, acl_json, version, indexed_version, state, language,
    product_version, supersedes_uri, media_type, content_sha256, object_key, error, chunk_count, updated_at, ingested_at,
    configuration
from knowledge.documents
where knowledge_base = $1 and uri = $2
for update

-- insert_document --
-- A document's first version; no row if another call was faster.
insert into knowledge.documents
    (doc_id, knowledge_base, uri, source, title, kind, acl_json, language, product_version, supersedes_uri, media_type,
     content_sha256, object_key, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict on constraint documents_knowledge_base_uri_key do nothing
returning version

-- update_document --
-- The next version. What is searchable of the last one stays so until the new one is indexed.
update knowledge.documents
set source = $2, title = $3, kind = $4, acl_json = $5, language = $6, product_version = $7, supersedes_uri = $8,
    media_type = $9, content_sha256 = $10, object_key = $11, updated_at = $12,
    version = version + 1, state = 'pending', error = '', ingested_at = clock_timestamp()
where doc_id = $1
returning version

-- hide_from --
-- A document's chunks that more groups may read than the document's new list says: gone at once, not once it is indexed.
delete from knowledge.doc_chunks
where doc_id = $1 and not acl <@ $2::text[]

-- read_documents --
-- A page of documents that the caller may read, by id, with the page that has superseded each.
-- $1 sees everything, $2 groups, $3 one document, $4 knowledge base, $5 state, $6 uri, $7 after this id, $8 rows.
select d.doc_id, d.knowledge_base, d.source, d.title, d.uri, d.kind, d.acl_json, d.version, d.indexed_version, d.state,
    d.language, d.product_version, d.supersedes_uri, d.media_type, d.content_sha256, d.object_key, d.error,
    d.chunk_count, d.updated_at, d.ingested_at, d.configuration,
    coalesce((
        select newer.uri
        from knowledge.documents newer
        where newer.knowledge_base = d.knowledge_base and newer.supersedes_uri = d.uri and newer.supersedes_uri <> ''
            and newer.doc_id <> d.doc_id and newer.state <> 'deleted' and newer.indexed_version > 0
            and ($1::boolean or newer.acl_json -> 'groups' ?| $2::text[])
        order by newer.updated_at desc, newer.doc_id desc
        limit 1
    ), '') as superseded_by_uri
from knowledge.documents d
where ($1::boolean or d.acl_json -> 'groups' ?| $2::text[])
    and ($3::uuid is null or d.doc_id = $3)
    and ($4::text is null or d.knowledge_base = $4)
    and case when $5::text is null then d.state <> 'deleted' or $3 is not null else d.state = $5 end
    and ($6::text is null or d.uri = $6)
    and ($7::uuid is null or d.doc_id > $7)
order by d.doc_id
limit $8

-- lock_state --
-- A document's state, held until the transaction ends.
select state from knowledge.documents where doc_id = $1 for update

-- delete_chunks --
-- From the commit on nothing is found in it; vectors go with their chunks, statistics by trigger.
delete from knowledge.doc_chunks where doc_id = $1

-- mark_deleted --
-- The row stays: it keeps the id for the case that the uri comes back.
update knowledge.documents set state = 'deleted', chunk_count = 0, indexed_version = 0, error = '' where doc_id = $1
