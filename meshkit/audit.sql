-- insert_audit --
-- What an operator did, in the transaction of doing it.
INSERT INTO messaging.audit (audit_id, actor, actor_role, action, resource_id, changed, note, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
