-- answered --
-- What a request_id was answered with, if it was used before.
select request_sha256, resource, changed
from knowledge.answered_requests
where method = $1 and subject = $2 and request_id = $3

-- remember --
-- Ties a request_id to its answer; no row if a call at the same time was faster.
insert into knowledge.answered_requests (method, subject, request_id, request_sha256, resource, changed)
values ($1, $2, $3, $4, $5, $6)
on conflict on constraint answered_requests_pkey do nothing
returning request_id
