-- The gateway's statements. Places in a chain are given out under the session's row lock, so whoever reads up to a
-- place never misses a smaller one that commits later.

-- insert_session --
-- Opens a conversation; no row when the owner used this request_id before.
INSERT INTO conversation.sessions (
    session_id, channel, customer_id, customer_verified, customer_groups, knowledge_base,
    request_owner, request_id, request_sha256)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT ON CONSTRAINT sessions_request_key DO NOTHING
RETURNING session_id

-- session_by_request --
-- What an earlier call with this request_id made, and whether it may still be repeated by somebody without a name:
-- only while it is young and unused, for then nothing can be learned from it.
SELECT session_id, request_sha256,
    last_sequence = 0 AND started_at > clock_timestamp() - interval '10 minutes' AS unused
FROM conversation.sessions
WHERE request_owner = $1 AND request_id = $2

-- read_session --
-- A conversation as a reader sees it.
SELECT session_id, channel, customer_id, customer_verified, customer_groups, knowledge_base, status, started_at,
    last_activity_at, latest_response_message_id, ticket_id, escalation_reason, summary_current, revision
FROM conversation.sessions
WHERE session_id = $1

-- post_message --
-- The one statement between a customer and durability: the message and the command to handle it.
-- $1 session, $2 message, $3 content, $4 request_id, $5 outbox id, $6 seconds that the fast path has, $7 traceparent.
-- No row: no such session, or the request_id was used before, in which case nothing is touched. A row without
-- message_sequence: it was used at the same moment.
WITH session AS (
    UPDATE conversation.sessions
    SET last_sequence = last_sequence + 1, revision = revision + 1, last_activity_at = clock_timestamp()
    WHERE session_id = $1
        AND NOT EXISTS (SELECT FROM conversation.messages WHERE session_id = $1 AND request_id = $4)
    RETURNING last_sequence
), message AS (
    INSERT INTO conversation.messages (message_id, session_id, sequence, role, content, request_id)
    SELECT $2, $1, last_sequence, 'customer', $3, $4 FROM session
    ON CONFLICT ON CONSTRAINT messages_session_id_request_id_key DO NOTHING
    RETURNING sequence
), command AS (
    INSERT INTO messaging.outbox (
        outbox_id, type, payload_json, idempotency_key, ordering_key, next_attempt_at, trace_context)
    SELECT $5, 'advance_session', jsonb_build_object('session_id', $1::uuid, 'message_id', $2::uuid),
        'advance:' || $2::uuid, $1, clock_timestamp() + make_interval(secs => $6::float8), $7
    FROM message
)
SELECT (SELECT sequence FROM message) AS message_sequence FROM session

-- message_by_request --
-- The message that a request_id made.
SELECT message_id, sequence, content FROM conversation.messages WHERE session_id = $1 AND request_id = $2

-- read_messages --
-- The chain after a place, oldest first, with ratings.
SELECT m.message_id, m.session_id, m.sequence, m.role, m.content, m.metadata_json, m.in_reply_to, m.created_at,
    r.rating
FROM conversation.messages m
LEFT JOIN conversation.ratings r ON r.message_id = m.message_id
WHERE m.session_id = $1 AND m.sequence > $2
ORDER BY m.sequence
LIMIT $3

-- read_message --
-- One message of a conversation, with its rating.
SELECT m.message_id, m.session_id, m.sequence, m.role, m.content, m.metadata_json, m.in_reply_to, m.created_at,
    r.rating
FROM conversation.messages m
LEFT JOIN conversation.ratings r ON r.message_id = m.message_id
WHERE m.session_id = $1 AND m.message_id = $2

-- rate_message --
-- The latest rating counts.
INSERT INTO conversation.ratings (message_id, session_id, rating, comment)
VALUES ($2, $1, $3, $4)
ON CONFLICT ON CONSTRAINT ratings_pkey
    DO UPDATE SET rating = excluded.rating, comment = excluded.comment, rated_at = clock_timestamp()

-- revisions --
-- Which of the followed conversations have changed; one statement for all readers.
SELECT session_id, revision FROM conversation.sessions WHERE session_id = ANY ($1::uuid[])
