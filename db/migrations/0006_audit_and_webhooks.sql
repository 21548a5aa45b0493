-- Dead letters that a person discards, the trail of what operators did, and webhooks.

-- Wider than before: every row that is there has kept to the narrower one, so there is nothing to scan for under a lock.
ALTER TABLE messaging.outbox DROP CONSTRAINT outbox_status_check;
ALTER TABLE messaging.outbox ADD CONSTRAINT outbox_status_check
    CHECK (status IN ('pending', 'done', 'dead', 'discarded')) NOT VALID;

-- Only ever added to, in the transaction of the action.
CREATE TABLE messaging.audit (
    audit_id uuid CONSTRAINT audit_pkey PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    actor_role text NOT NULL,
    -- The name of groundline.commands.v1.AuditAction without its prefix, in small letters.
    action text NOT NULL,
    -- A command, an endpoint or a delivery.
    resource_id uuid NOT NULL,
    changed boolean NOT NULL,
    note text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT ''
);
CREATE INDEX audit_resource_idx ON messaging.audit (resource_id, audit_id);

CREATE TABLE messaging.webhook_endpoints (
    endpoint_id uuid CONSTRAINT webhook_endpoints_pkey PRIMARY KEY,
    url text NOT NULL,
    -- Names of groundline.webhooks.v1.EventType without their prefix, in small letters.
    event_types text[] NOT NULL,
    description text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'enabled'
        CONSTRAINT webhook_endpoints_state_check CHECK (state IN ('enabled', 'disabled', 'deleted')),
    disabled_reason text CONSTRAINT webhook_endpoints_disabled_reason_check
        CHECK (disabled_reason IN ('by_admin', 'too_many_failures')),
    -- Encrypted under a key that the database doesn't have; NULL once the endpoint is deleted.
    sealed_secret bytea,
    consecutive_failures integer NOT NULL DEFAULT 0,
    -- When the first of them happened.
    failing_since timestamptz,
    -- Rises with every change that a person makes; the etag.
    revision bigint NOT NULL DEFAULT 1,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT webhook_endpoints_request_key UNIQUE (request_owner, request_id)
);

-- The delivery log. An event goes to an endpoint once, beside replays that a person asks for.
CREATE TABLE messaging.webhook_deliveries (
    delivery_id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
    endpoint_id uuid NOT NULL CONSTRAINT webhook_deliveries_endpoint_id_fkey
        REFERENCES messaging.webhook_endpoints (endpoint_id),
    event_id uuid NOT NULL,
    -- groundline.webhooks.v1.Event as protobuf JSON: identifiers, states and reasons, nobody's words.
    event_json jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_state_check
        CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
    attempts integer NOT NULL DEFAULT 0,
    response_status integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    last_attempt_at timestamptz,
    replay_of uuid CONSTRAINT webhook_deliveries_replay_of_fkey REFERENCES messaging.webhook_deliveries (delivery_id),
    request_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT webhook_deliveries_replay_key UNIQUE (replay_of, request_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX webhook_deliveries_event_key ON messaging.webhook_deliveries (endpoint_id, event_id)
    WHERE replay_of IS NULL;
CREATE INDEX webhook_deliveries_log_idx ON messaging.webhook_deliveries (endpoint_id, delivery_id);

GRANT SELECT, INSERT ON messaging.audit TO groundline_workers;
GRANT SELECT, INSERT, UPDATE ON messaging.webhook_endpoints, messaging.webhook_deliveries TO groundline_workers;
-- Whoever causes events asks whether anybody wants them, and sees no address.
GRANT SELECT (state, event_types) ON messaging.webhook_endpoints TO groundline_orchestrator, groundline_ticketing;
