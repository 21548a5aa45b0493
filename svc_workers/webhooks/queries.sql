-- count_endpoints --
-- How many there are.
SELECT count(*) FROM messaging.webhook_endpoints WHERE state <> 'deleted'

-- insert_endpoint --
-- A new endpoint; a repeated request changes nothing and returns no row.
INSERT INTO messaging.webhook_endpoints
    (endpoint_id, url, event_types, description, sealed_secret, request_owner, request_id, request_sha256)
VALUES ($1, $2, $3::text[], $4, $5, $6, $7, $8)
ON CONFLICT ON CONSTRAINT webhook_endpoints_request_key DO NOTHING
RETURNING endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at

-- endpoint_of_request --
-- What a request made before.
SELECT endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at, request_sha256
FROM messaging.webhook_endpoints
WHERE request_owner = $1 AND request_id = $2

-- get_endpoint --
-- One endpoint, deleted ones too.
SELECT endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at
FROM messaging.webhook_endpoints
WHERE endpoint_id = $1

-- lock_endpoint --
-- One endpoint, held until the transaction ends.
SELECT endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at
FROM messaging.webhook_endpoints
WHERE endpoint_id = $1
FOR NO KEY UPDATE

-- list_endpoints --
-- A page by id, which is by age.
SELECT endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at
FROM messaging.webhook_endpoints
WHERE state <> 'deleted' AND ($1::uuid IS NULL OR endpoint_id > $1)
ORDER BY endpoint_id
LIMIT $2

-- save_endpoint --
-- What a person can change. Enabling begins the count of failures anew.
UPDATE messaging.webhook_endpoints e
SET url = $2, event_types = $3::text[], description = $4, state = $5, disabled_reason = $6,
    consecutive_failures = CASE WHEN $5 = 'enabled' AND e.state <> 'enabled' THEN 0 ELSE e.consecutive_failures END,
    failing_since = CASE WHEN $5 = 'enabled' AND e.state <> 'enabled' THEN NULL ELSE e.failing_since END,
    sealed_secret = CASE WHEN $5 = 'deleted' THEN NULL ELSE e.sealed_secret END,
    revision = revision + 1, updated_at = clock_timestamp()
WHERE endpoint_id = $1
RETURNING endpoint_id, url, event_types, description, state, disabled_reason, sealed_secret, consecutive_failures,
    revision, created_at, updated_at

-- endpoints_wanting --
-- Who is to be told of an event of this type.
SELECT endpoint_id
FROM messaging.webhook_endpoints
WHERE state = 'enabled' AND $1 = ANY (event_types)
ORDER BY endpoint_id

-- insert_delivery --
-- An event for an endpoint, once.
INSERT INTO messaging.webhook_deliveries (delivery_id, endpoint_id, event_id, event_json)
VALUES ($1, $2, $3, $4)
ON CONFLICT (endpoint_id, event_id) WHERE replay_of IS NULL DO NOTHING
RETURNING delivery_id

-- insert_replay --
-- A delivery once more, once by its request.
INSERT INTO messaging.webhook_deliveries (delivery_id, endpoint_id, event_id, event_json, replay_of, request_id)
SELECT $1, endpoint_id, event_id, event_json, delivery_id, $3
FROM messaging.webhook_deliveries
WHERE delivery_id = $2
ON CONFLICT ON CONSTRAINT webhook_deliveries_replay_key DO NOTHING
RETURNING delivery_id, endpoint_id, event_json, state, attempts, response_status, last_error, created_at,
    last_attempt_at, replay_of

-- replay_of_request --
-- What a request to replay made before.
SELECT delivery_id, endpoint_id, event_json, state, attempts, response_status, last_error, created_at,
    last_attempt_at, replay_of
FROM messaging.webhook_deliveries
WHERE replay_of = $1 AND request_id = $2

-- get_delivery --
-- One line of the log.
SELECT delivery_id, endpoint_id, event_json, state, attempts, response_status, last_error, created_at,
    last_attempt_at, replay_of
FROM messaging.webhook_deliveries
WHERE delivery_id = $1

-- list_deliveries --
-- A page of an endpoint's log, newest first.
SELECT delivery_id, endpoint_id, event_json, state, attempts, response_status, last_error, created_at,
    last_attempt_at, replay_of
FROM messaging.webhook_deliveries
WHERE endpoint_id = $1
  AND ($2::uuid IS NULL OR delivery_id < $2)
  AND ($3::text IS NULL OR state = $3)
ORDER BY delivery_id DESC
LIMIT $4

-- record_success --
-- The endpoint has it.
UPDATE messaging.webhook_deliveries
SET state = 'delivered', attempts = attempts + 1, response_status = $2, last_error = '',
    last_attempt_at = clock_timestamp()
WHERE delivery_id = $1

-- endpoint_succeeded --
-- Whatever failed before is forgiven; an endpoint that is well is not written to.
UPDATE messaging.webhook_endpoints
SET consecutive_failures = 0, failing_since = NULL
WHERE endpoint_id = $1 AND consecutive_failures > 0

-- record_failure --
-- An attempt that failed, and whether it was the last. What was delivered or cancelled meanwhile stays so.
UPDATE messaging.webhook_deliveries
SET state = CASE WHEN $4 THEN 'failed' ELSE 'pending' END, attempts = attempts + 1, response_status = $2,
    last_error = $3, last_attempt_at = clock_timestamp()
WHERE delivery_id = $1 AND state IN ('pending', 'failed')

-- endpoint_failed --
-- One failure more in a row. Returns whether they are too many, for too long. Nothing is locked first: a row that is
-- locked and then updated by one, while another waits for it, can end in a deadlock of the two.
UPDATE messaging.webhook_endpoints
SET consecutive_failures = consecutive_failures + 1, failing_since = coalesce(failing_since, clock_timestamp())
WHERE endpoint_id = $1 AND state = 'enabled'
RETURNING consecutive_failures >= $2 AND failing_since <= clock_timestamp() - make_interval(secs => $3::float8)

-- disable_endpoint --
-- It failed too often.
UPDATE messaging.webhook_endpoints
SET state = 'disabled', disabled_reason = 'too_many_failures', revision = revision + 1, updated_at = clock_timestamp()
WHERE endpoint_id = $1

-- cancel_deliveries --
-- Nothing that waits for this endpoint is sent any more.
UPDATE messaging.webhook_deliveries
SET state = 'cancelled'
WHERE endpoint_id = $1 AND state = 'pending'

-- cancel_delivery --
-- This one is not sent any more.
UPDATE messaging.webhook_deliveries
SET state = 'cancelled'
WHERE delivery_id = $1 AND state IN ('pending', 'failed')
