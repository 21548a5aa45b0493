-- insert_case --
-- A case to be reviewed; no row if this conversation's ticket has one.
insert into knowledge.case_summaries
    (case_id, session_id, ticket_id, knowledge_base, question, summary, resolution, tags, references_json, acl_json)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict on constraint case_summaries_session_id_ticket_id_key do nothing
returning case_id

-- case_of --
-- The case that a conversation's ticket has.
select case_id from knowledge.case_summaries where session_id = $1 and ticket_id = $2

-- read_cases --
-- A page of cases, newest first.
-- $1 one case, $2 state, $3 ticket, $4 before this id, $5 rows.
select case_id, session_id, ticket_id, knowledge_base, question, summary, resolution, tags, references_json, acl_json,
    state, reviewed_by, reviewed_at, doc_id, created_at
from knowledge.case_summaries
where ($1::uuid is null or case_id = $1)
    and ($2::text is null or state = $2)
    and ($3::uuid is null or ticket_id = $3)
    and ($4::uuid is null or case_id < $4)
order by case_id desc
limit $5

-- lock_case --
-- A case's state and document, held until the transaction ends.
select state, doc_id from knowledge.case_summaries where case_id = $1 for update

-- review_case --
-- What a person decided.
update knowledge.case_summaries set state = $2, reviewed_by = $3, reviewed_at = clock_timestamp() where case_id = $1
