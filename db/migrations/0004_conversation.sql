-- Conversations: one chain of messages per session, and the record of what was done about them.
CREATE TABLE conversation.sessions (
    session_id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
    channel text NOT NULL,
    customer_id text,
    customer_verified boolean NOT NULL DEFAULT false,
    -- The document groups that a channel adapter vouched for; `public` is always added.
    customer_groups text[] NOT NULL DEFAULT '{}',
    knowledge_base text NOT NULL
        CONSTRAINT sessions_knowledge_base_fkey REFERENCES knowledge.knowledge_bases (name),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_activity_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL DEFAULT 'open'
        CONSTRAINT sessions_status_check CHECK (status IN ('open', 'escalated', 'resolved')),
    summary_current text NOT NULL DEFAULT '',
    latest_response_message_id uuid,
    ticket_id uuid,
    -- Of the escalation in force or the last one.
    escalation_reason text,
    escalation_event_id uuid,
    -- Rises with every change that a reader of the stream should see, status included.
    revision bigint NOT NULL DEFAULT 0,
    -- The place of the latest message; given out under this row's lock, so a reader never misses a smaller one.
    last_sequence bigint NOT NULL DEFAULT 0,
    -- Messages up to this place belong to a resolved past and are not context any more.
    context_after_sequence bigint NOT NULL DEFAULT 0,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    CONSTRAINT sessions_request_key UNIQUE (request_owner, request_id)
) WITH (fillfactor = 80);

CREATE TABLE conversation.messages (
    message_id uuid CONSTRAINT messages_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT messages_session_id_fkey REFERENCES conversation.sessions (session_id),
    sequence bigint NOT NULL,
    role text NOT NULL CONSTRAINT messages_role_check CHECK (role IN ('customer', 'assistant', 'agent', 'system')),
    content text NOT NULL,
    -- Citations of an answer, an agent's name.
    metadata_json jsonb NOT NULL DEFAULT '{}',
    in_reply_to uuid,
    request_id text,
    -- The agent's comment that it mirrors.
    source_comment_id uuid CONSTRAINT messages_source_comment_id_key UNIQUE,
    -- Customers' messages only: the event that answered, escalated or mirrored it.
    handled_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT messages_session_id_sequence_key UNIQUE (session_id, sequence),
    CONSTRAINT messages_session_id_request_id_key UNIQUE (session_id, request_id)
) WITH (fillfactor = 90);
CREATE INDEX messages_session_created_idx ON conversation.messages (session_id, created_at);
CREATE INDEX messages_unhandled_idx ON conversation.messages (session_id, sequence)
    WHERE role = 'customer' AND handled_by IS NULL;

CREATE TABLE conversation.ratings (
    message_id uuid CONSTRAINT ratings_pkey PRIMARY KEY
        CONSTRAINT ratings_message_id_fkey REFERENCES conversation.messages (message_id),
    session_id uuid NOT NULL CONSTRAINT ratings_session_id_fkey REFERENCES conversation.sessions (session_id),
    rating text NOT NULL CONSTRAINT ratings_rating_check CHECK (rating IN ('helpful', 'not_helpful')),
    comment text NOT NULL DEFAULT '',
    rated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ratings_session_idx ON conversation.ratings (session_id);

CREATE TABLE conversation.events (
    event_id uuid CONSTRAINT events_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT events_session_id_fkey REFERENCES conversation.sessions (session_id),
    type text NOT NULL CONSTRAINT events_type_check CHECK (
        type IN ('turn', 'escalated', 'resolved', 'reopened', 'agent_replied', 'ticket_attached')),
    -- groundline.orchestration.v1.Event as protobuf JSON: doubles keep every bit.
    payload_json jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX events_session_created_idx ON conversation.events (session_id, created_at);
CREATE INDEX events_type_created_idx ON conversation.events (type, created_at);

-- Who works on a session at the moment. The token rises with every holder; a commit under an older one changes nothing.
CREATE TABLE conversation.leases (
    session_id uuid CONSTRAINT leases_pkey PRIMARY KEY
        CONSTRAINT leases_session_id_fkey REFERENCES conversation.sessions (session_id),
    token bigint NOT NULL,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Turns in a row that ended without a result: their worker died, or the unforeseen happened.
    failed_turns integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE ON conversation.sessions, conversation.messages, conversation.ratings TO groundline_gateway;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA conversation TO groundline_orchestrator;
