-- announce --
-- Adds a command if an endpoint outside asks for events of this type; otherwise nothing is written.
insert into messaging.outbox
    (outbox_id, type, payload_json, idempotency_key, status, attempts, next_attempt_at, trace_context)
select $1, $2, $3::text::jsonb, $4, 'pending', 0, now(), $6
where exists (select from messaging.webhook_endpoints where state = 'enabled' and $5::text = any (event_types))
on conflict on constraint outbox_idempotency_key_key do nothing
returning outbox_id
