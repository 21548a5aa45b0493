-- Tickets: what a person needs to answer, as it stood when it was handed over.
CREATE TABLE ticketing.tickets (
    ticket_id uuid CONSTRAINT tickets_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT tickets_session_id_fkey REFERENCES conversation.sessions (session_id),
    status text NOT NULL DEFAULT 'open'
        CONSTRAINT tickets_status_check CHECK (status IN ('open', 'pending', 'resolved', 'closed')),
    priority text NOT NULL DEFAULT 'normal'
        CONSTRAINT tickets_priority_check CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    tags text[] NOT NULL DEFAULT '{}',
    assigned_to text NOT NULL DEFAULT '',
    queue text NOT NULL DEFAULT 'general',
    -- The name of groundline.evaluation.v1.ReasonCode without its prefix.
    escalation_reason text NOT NULL,
    ai_confidence double precision NOT NULL DEFAULT 0,
    summary text NOT NULL DEFAULT '',
    resolution text NOT NULL DEFAULT '',
    customer_id text NOT NULL DEFAULT '',
    channel text NOT NULL DEFAULT '',
    knowledge_base text NOT NULL DEFAULT '',
    -- Protobuf JSON of what the contract shows: transcript entries, pack, refused draft, verdict.
    transcript_json jsonb NOT NULL DEFAULT '[]',
    evidence_pack_json jsonb,
    refused_draft_json jsonb,
    verdict_json jsonb,
    -- Rises with every change; the etag.
    revision bigint NOT NULL DEFAULT 1,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    CONSTRAINT tickets_request_key UNIQUE (request_owner, request_id)
) WITH (fillfactor = 80);
CREATE INDEX tickets_session_idx ON ticketing.tickets (session_id);
-- One conversation has one ticket that is not resolved.
CREATE UNIQUE INDEX tickets_one_open_per_session_key ON ticketing.tickets (session_id)
    WHERE status IN ('open', 'pending');
CREATE INDEX tickets_status_updated_idx ON ticketing.tickets (status, updated_at);
CREATE INDEX tickets_updated_idx ON ticketing.tickets (updated_at, ticket_id);
CREATE INDEX tickets_assigned_idx ON ticketing.tickets (assigned_to, status, updated_at) WHERE assigned_to <> '';

CREATE TABLE ticketing.ticket_comments (
    comment_id uuid CONSTRAINT ticket_comments_pkey PRIMARY KEY,
    ticket_id uuid NOT NULL CONSTRAINT ticket_comments_ticket_id_fkey REFERENCES ticketing.tickets (ticket_id),
    author_type text NOT NULL
        CONSTRAINT ticket_comments_author_type_check CHECK (author_type IN ('customer', 'agent', 'system')),
    author text NOT NULL,
    visibility text NOT NULL
        CONSTRAINT ticket_comments_visibility_check CHECK (visibility IN ('public', 'internal')),
    body text NOT NULL,
    -- The customer's message that it mirrors: at most one comment each.
    source_message_id uuid CONSTRAINT ticket_comments_source_message_id_key UNIQUE,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ticket_comments_request_key UNIQUE (request_owner, request_id)
);
CREATE INDEX ticket_comments_ticket_idx ON ticketing.ticket_comments (ticket_id, comment_id);

CREATE TABLE ticketing.attachments (
    attachment_id uuid CONSTRAINT attachments_pkey PRIMARY KEY,
    ticket_id uuid NOT NULL CONSTRAINT attachments_ticket_id_fkey REFERENCES ticketing.tickets (ticket_id),
    filename text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CONSTRAINT attachments_size_check CHECK (size_bytes > 0),
    sha256 text NOT NULL,
    object_key text NOT NULL,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT attachments_request_key UNIQUE (request_owner, request_id)
);
CREATE INDEX attachments_ticket_idx ON ticketing.attachments (ticket_id, attachment_id);

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA ticketing TO groundline_ticketing;
