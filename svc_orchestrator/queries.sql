-- The orchestrator's statements. A turn's commit holds the lease's row and then the session's; whatever else changes a
-- session takes the session's row alone. So a person's takeover and a running turn never wait for each other in a ring.

-- acquire_lease --
-- Takes a session that nobody holds. The token rises with every holder. A holder that neither released nor renewed is
-- counted as a failed turn: it died.
INSERT INTO conversation.leases AS l (session_id, token, holder, expires_at)
SELECT session_id, 1, $2, clock_timestamp() + make_interval(secs => $3::float8)
FROM conversation.sessions WHERE session_id = $1
ON CONFLICT ON CONSTRAINT leases_pkey DO UPDATE
    SET token = l.token + 1,
        holder = excluded.holder,
        expires_at = excluded.expires_at,
        failed_turns = l.failed_turns + CASE WHEN l.holder = '' THEN 0 ELSE 1 END
    WHERE l.expires_at <= clock_timestamp()
RETURNING token, failed_turns

-- renew_lease --
-- Prolongs a lease that is still held.
UPDATE conversation.leases
SET expires_at = clock_timestamp() + make_interval(secs => $3::float8)
WHERE session_id = $1 AND token = $2 AND expires_at > clock_timestamp()
RETURNING token

-- release_lease --
-- Gives a session back; the next holder need not wait. $3: turns to add to the failed ones.
UPDATE conversation.leases
SET expires_at = clock_timestamp(), holder = '', failed_turns = failed_turns + $3
WHERE session_id = $1 AND token = $2

-- hold_lease --
-- The fence of a commit: locks the lease's row if it is still this holder's, and forgets failed turns, for this one has
-- a result.
UPDATE conversation.leases
SET failed_turns = 0
WHERE session_id = $1 AND token = $2 AND expires_at > clock_timestamp()
RETURNING token

-- read_session --
-- A conversation.
SELECT session_id, channel, customer_id, customer_groups, knowledge_base, status, ticket_id, escalation_reason,
    escalation_event_id, summary_current, context_after_sequence
FROM conversation.sessions WHERE session_id = $1

-- lock_session --
-- A conversation, locked until the transaction ends.
SELECT session_id, channel, customer_id, customer_groups, knowledge_base, status, ticket_id, escalation_reason,
    escalation_event_id, summary_current, context_after_sequence
FROM conversation.sessions WHERE session_id = $1 FOR NO KEY UPDATE

-- unhandled_messages --
-- What a customer said and nobody has handled, in order.
SELECT message_id, sequence, role, content, created_at, coalesce(metadata_json ->> 'kind', '') AS kind
FROM conversation.messages
WHERE session_id = $1 AND role = 'customer' AND handled_by IS NULL
ORDER BY sequence
LIMIT $2

-- recent_messages --
-- The latest messages of the conversation's present context, oldest first.
SELECT message_id, sequence, role, content, created_at, kind FROM (
    SELECT message_id, sequence, role, content, created_at, coalesce(metadata_json ->> 'kind', '') AS kind
    FROM conversation.messages
    WHERE session_id = $1 AND sequence > $2
    ORDER BY sequence DESC
    LIMIT $3
) latest
ORDER BY sequence

-- append_message --
-- Adds a message at the end of the chain. $8: the status that the session must have, or NULL for any.
-- No row: the session's status is another one, or the comment came in before.
WITH session AS (
    UPDATE conversation.sessions
    SET last_sequence = last_sequence + 1, revision = revision + 1, last_activity_at = clock_timestamp(),
        latest_response_message_id = $2
    WHERE session_id = $1 AND ($8::text IS NULL OR status = $8)
        AND NOT EXISTS (SELECT FROM conversation.messages WHERE source_comment_id = $7)
    RETURNING last_sequence
)
INSERT INTO conversation.messages (
    message_id, session_id, sequence, role, content, metadata_json, in_reply_to, source_comment_id)
SELECT $2, $1, last_sequence, $3, $4, $5, $6, $7 FROM session
RETURNING sequence

-- message_by_comment --
-- The message that a comment became.
SELECT message_id FROM conversation.messages WHERE source_comment_id = $1

-- mark_handled --
-- These messages have their outcome.
UPDATE conversation.messages SET handled_by = $2
WHERE message_id = ANY ($1::uuid[]) AND handled_by IS NULL

-- mark_escalated --
-- A person takes over. The ticket is not known yet.
UPDATE conversation.sessions
SET status = 'escalated', escalation_reason = $2, escalation_event_id = $3, ticket_id = $4, revision = revision + 1
WHERE session_id = $1

-- mark_resolved --
-- Done.
UPDATE conversation.sessions SET status = 'resolved', revision = revision + 1 WHERE session_id = $1

-- mark_reopened --
-- Opened again: what was said before place $2 is no context any more.
UPDATE conversation.sessions
SET status = 'open', context_after_sequence = $2, summary_current = '', revision = revision + 1
WHERE session_id = $1 AND status = 'resolved'
RETURNING session_id

-- follow --
-- The conversation follows what happened to a ticket at $2 (NULL: now, and not to a ticket). No row: something later was
-- followed already. A conversation has one open ticket at a time, so that these times have one order across its tickets.
UPDATE conversation.sessions SET followed_at = coalesce($2::timestamptz, clock_timestamp())
WHERE session_id = $1 AND (followed_at IS NULL OR $2::timestamptz IS NULL OR followed_at < $2::timestamptz)
RETURNING session_id

-- attach_ticket --
-- The ticket of an escalation, once.
UPDATE conversation.sessions SET ticket_id = $2, revision = revision + 1
WHERE session_id = $1 AND ticket_id IS DISTINCT FROM $2
RETURNING session_id

-- set_summary --
-- The conversation in a few lines.
UPDATE conversation.sessions SET summary_current = $2 WHERE session_id = $1

-- insert_event --
-- The record of what happened.
INSERT INTO conversation.events (event_id, session_id, type, payload_json) VALUES ($1, $2, $3, $4)

-- list_events --
-- A conversation's record after an event, oldest first.
SELECT event_id, session_id, type, payload_json, created_at
FROM conversation.events
WHERE session_id = $1 AND ($2::uuid IS NULL OR event_id > $2)
ORDER BY event_id
LIMIT $3

-- read_event --
-- One event.
SELECT event_id, session_id, type, payload_json, created_at FROM conversation.events WHERE event_id = $1

-- list_turns --
-- The turns of all conversations since a time and after an event, oldest first.
SELECT event_id, session_id, type, payload_json, created_at
FROM conversation.events
WHERE type = 'turn' AND ($1::timestamptz IS NULL OR created_at >= $1)
    AND ($2::timestamptz IS NULL OR (created_at, event_id) > ($2, $3::uuid))
ORDER BY created_at, event_id
LIMIT $4

-- notify_session --
-- Wakes whoever follows the session, when this transaction commits.
SELECT pg_notify('groundline_session', $1)

-- turns_to_export --
-- A page of the turns of a knowledge base's conversations from $2 (NULL: the first) to before $3, after an event, in
-- which something was asked of the knowledge base; oldest first.
SELECT e.event_id, e.session_id, e.payload_json, e.created_at, s.customer_id
FROM conversation.events e JOIN conversation.sessions s USING (session_id)
WHERE e.type = 'turn' AND s.knowledge_base = $1
    AND ($2::timestamptz IS NULL OR e.created_at >= $2) AND e.created_at < $3
    AND ($4::timestamptz IS NULL OR (e.created_at, e.event_id) > ($4, $5::uuid))
    AND e.payload_json #>> '{turn,understanding,intent}' = 'INTENT_QUESTION'
ORDER BY e.created_at, e.event_id
LIMIT $6

-- messages_around --
-- A turn's messages ($2) with $3 before them and $4 after, in order, and what the customer thought of them.
WITH asked AS (
    SELECT min(sequence) AS first, max(sequence) AS last
    FROM conversation.messages WHERE session_id = $1 AND message_id = ANY ($2::uuid[])
)
SELECT m.message_id, m.role, m.content, m.created_at, coalesce(m.metadata_json ->> 'author_name', '') AS author_name,
    m.message_id = ANY ($2::uuid[]) AS asked, m.sequence < asked.first AS before, coalesce(r.rating, '') AS rating
FROM asked
    JOIN conversation.messages m ON m.session_id = $1 AND m.sequence BETWEEN asked.first - $3 AND asked.last + $4
    LEFT JOIN conversation.ratings r USING (message_id)
ORDER BY m.sequence

-- milestones_around --
-- Where a conversation changed hands: the latest reopening before the turn's event $2, and the next $3 events after it.
(SELECT event_id, type, payload_json, created_at FROM conversation.events
WHERE session_id = $1 AND event_id < $2 AND type = 'reopened' ORDER BY event_id DESC LIMIT 1)
UNION ALL
(SELECT event_id, type, CASE WHEN type = 'turn' THEN '{}' ELSE payload_json END, created_at FROM conversation.events
WHERE session_id = $1 AND event_id > $2 AND type <> 'agent_replied' ORDER BY event_id LIMIT $3)
ORDER BY event_id
