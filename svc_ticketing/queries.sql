-- insert_ticket --
-- Makes a ticket; a repeated request changes nothing and returns no row. A conversation's second open ticket violates
-- tickets_one_open_per_session_key.
insert into ticketing.tickets
    (ticket_id, session_id, priority, tags, queue, escalation_reason, ai_confidence, summary, customer_id, channel,
     knowledge_base, transcript_json, evidence_pack_json, refused_draft_json, verdict_json, opened_by,
     request_owner, request_id, request_sha256)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
on conflict on constraint tickets_request_key do nothing
returning ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at,
    transcript_json, evidence_pack_json, refused_draft_json, verdict_json

-- get_ticket --
-- A ticket with everything.
select ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at,
    transcript_json, evidence_pack_json, refused_draft_json, verdict_json
from ticketing.tickets
where ticket_id = $1

-- ticket_of_request --
-- The ticket that an earlier call with this request_id made, and the digest of that call.
select ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at,
    transcript_json, evidence_pack_json, refused_draft_json, verdict_json, request_sha256
from ticketing.tickets
where request_owner = $1 and request_id = $2

-- open_ticket_of_session --
-- The one ticket of a conversation that is not resolved.
select ticket_id
from ticketing.tickets
where session_id = $1 and status in ('open', 'pending')

-- lock_ticket --
-- A ticket without its heavy columns, held against other changes until the transaction ends.
select ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at
from ticketing.tickets
where ticket_id = $1
for no key update

-- save_ticket --
-- Writes what can be changed; $8 is who resolves it, if that is the change. A trigger says when
-- it was resolved or opened again.
update ticketing.tickets
set status = $2, priority = $3, tags = $4, assigned_to = $5, queue = $6, resolution = $7,
    resolved_by = case when $2 = 'resolved' and status <> 'resolved' then $8 else resolved_by end,
    revision = revision + 1
where ticket_id = $1
returning ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at,
    transcript_json, evidence_pack_json, refused_draft_json, verdict_json

-- touch_ticket --
-- Says that something was added to a ticket. A trigger says when.
update ticketing.tickets
set revision = revision + 1
where ticket_id = $1

-- set_status --
-- What a comment does to the status.
update ticketing.tickets
set status = $2
where ticket_id = $1
returning opened_at

-- list_tickets --
-- A page of tickets without their heavy columns, latest change first. A null parameter does not filter.
select ticket_id, session_id, status, priority, tags, assigned_to, queue, escalation_reason, ai_confidence, summary,
    resolution, customer_id, channel, knowledge_base, revision, created_at, updated_at,
    coalesce(opened_at, created_at) as opened_at, resolved_at
from ticketing.tickets
where ($1::text is null or status = $1)
    and ($2::text is null or (assigned_to = $2 and assigned_to <> ''))
    and ($3::text is null or queue = $3)
    and ($4::uuid is null or session_id = $4)
    and ($5::timestamptz is null or (updated_at, ticket_id) < ($5, $6::uuid))
order by updated_at desc, ticket_id desc
limit $7

-- ticket_exists --
-- Whether there is such a ticket.
select true from ticketing.tickets where ticket_id = $1

-- insert_comment --
-- Writes a comment; a repeated request or a message that is mirrored already changes nothing and returns no row.
insert into ticketing.ticket_comments
    (comment_id, ticket_id, author_type, author, visibility, body, source_message_id,
     request_owner, request_id, request_sha256)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing
returning comment_id, ticket_id, author_type, author, visibility, body, source_message_id, created_at

-- comment_of_request --
-- The comment that an earlier call with this request_id wrote, and the digest of that call.
select comment_id, ticket_id, author_type, author, visibility, body, source_message_id, created_at, request_sha256
from ticketing.ticket_comments
where request_owner = $1 and request_id = $2

-- comment_of_message --
-- The comment that mirrors a customer's message.
select comment_id, ticket_id, author_type, author, visibility, body, source_message_id, created_at
from ticketing.ticket_comments
where source_message_id = $1

-- was_answered --
-- Whether an agent has replied to the customer.
select exists (
    select from ticketing.ticket_comments
    where ticket_id = $1 and author_type = 'agent' and visibility = 'public'
)

-- list_comments --
-- A page of a ticket's comments, oldest first.
select comment_id, ticket_id, author_type, author, visibility, body, source_message_id, created_at
from ticketing.ticket_comments
where ticket_id = $1 and ($2::uuid is null or comment_id > $2)
order by comment_id
limit $3

-- insert_attachment --
-- Adds a file; a repeated request changes nothing and returns no row.
insert into ticketing.attachments
    (attachment_id, ticket_id, filename, media_type, size_bytes, sha256, object_key,
     request_owner, request_id, request_sha256)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict on constraint attachments_request_key do nothing
returning attachment_id, ticket_id, filename, media_type, size_bytes, sha256, object_key, created_at

-- attachment_of_request --
-- The file that an earlier call with this request_id added, and the digest of that call.
select attachment_id, ticket_id, filename, media_type, size_bytes, sha256, object_key, created_at, request_sha256
from ticketing.attachments
where request_owner = $1 and request_id = $2

-- get_attachment --
-- A file of a ticket.
select attachment_id, ticket_id, filename, media_type, size_bytes, sha256, object_key, created_at
from ticketing.attachments
where ticket_id = $1 and attachment_id = $2

-- list_attachments --
-- A page of a ticket's files, oldest first.
select attachment_id, ticket_id, filename, media_type, size_bytes, sha256, object_key, created_at
from ticketing.attachments
where ticket_id = $1 and ($2::uuid is null or attachment_id > $2)
order by attachment_id
limit $3

-- horizon --
-- The database's time, the oldest transaction that is still open, and the first one that was not begun yet.
select statement_timestamp() as now, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint as following

-- list_changes --
-- What happened to tickets after ($1, $2) and up to $3, oldest first, at most $4: tickets as they stand, and replies.
select changed_at, id, ticket_id, session_id, status, opened_by, opened_at, resolved_by, resolved_at, author, body
from (
    (
        select updated_at as changed_at, ticket_id as id, ticket_id, session_id, status, opened_by,
            coalesce(opened_at, created_at) as opened_at, resolved_by, resolved_at, null::text as author, null::text as body
        from ticketing.tickets
        where (updated_at, ticket_id) > ($1, $2::uuid) and updated_at <= $3
        order by updated_at, ticket_id
        limit $4
    )
    union all
    (
        select c.created_at, c.comment_id, c.ticket_id, t.session_id, t.status, null, null, null, null, c.author,
            c.body
        from ticketing.ticket_comments c
        join ticketing.tickets t on t.ticket_id = c.ticket_id
        where c.author_type = 'agent' and c.visibility = 'public'
            and (c.created_at, c.comment_id) > ($1, $2::uuid) and c.created_at <= $3
        order by c.created_at, c.comment_id
        limit $4
    )
) changes
order by changed_at, id
limit $4
