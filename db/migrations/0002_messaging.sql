-- The outbox is the truth of what is still to be done; it is written in the transaction of the state change.
CREATE TABLE messaging.outbox (
    outbox_id uuid CONSTRAINT outbox_pkey PRIMARY KEY,
    -- The field's name in groundline.commands.v1.Command.
    type text NOT NULL,
    -- The command as protobuf JSON.
    payload_json jsonb NOT NULL,
    idempotency_key text NOT NULL CONSTRAINT outbox_idempotency_key_key UNIQUE,
    -- Commands of one key are done in the order of their writing; NULL has no order.
    ordering_key uuid,
    status text NOT NULL DEFAULT 'pending' CONSTRAINT outbox_status_check CHECK (status IN ('pending', 'done', 'dead')),
    attempts integer NOT NULL DEFAULT 0 CONSTRAINT outbox_attempts_check CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_token uuid,
    lease_expires_at timestamptz,
    last_error text,
    -- W3C traceparent of the call that wrote it.
    trace_context text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz
) WITH (fillfactor = 80);

-- Claims are made by type, oldest due first.
CREATE INDEX outbox_due_idx ON messaging.outbox (type, next_attempt_at, outbox_id) WHERE status = 'pending';
CREATE INDEX outbox_order_idx ON messaging.outbox (ordering_key, outbox_id) WHERE status = 'pending';
CREATE INDEX outbox_dead_idx ON messaging.outbox (outbox_id) WHERE status = 'dead';
CREATE INDEX outbox_done_idx ON messaging.outbox (done_at) WHERE status = 'done';

-- What a consumer has done already; committed with the effect.
CREATE TABLE messaging.inbox (
    consumer text NOT NULL,
    key text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT inbox_pkey PRIMARY KEY (consumer, key)
);

GRANT INSERT ON messaging.outbox TO groundline_gateway, groundline_retrieval, groundline_ticketing;
-- ON CONFLICT (idempotency_key) reads that column, and nothing else.
GRANT SELECT (outbox_id, idempotency_key) ON messaging.outbox
    TO groundline_gateway, groundline_retrieval, groundline_ticketing;
GRANT SELECT, INSERT, UPDATE ON messaging.outbox TO groundline_orchestrator;
GRANT SELECT, INSERT, UPDATE, DELETE ON messaging.outbox, messaging.inbox TO groundline_workers;
