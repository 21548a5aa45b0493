-- Made by `make schema` from db/migrations. Not applied by anything: it is for reading.

CREATE SCHEMA conversation;

CREATE SCHEMA knowledge;

CREATE SCHEMA messaging;

CREATE SCHEMA ticketing;

CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;

COMMENT ON EXTENSION pg_stat_statements IS 'track planning and execution statistics of all SQL statements executed';

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;

COMMENT ON EXTENSION unaccent IS 'text search dictionary that removes accents';

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION knowledge.added(one integer[], other integer[]) RETURNS integer[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT (COALESCE(u.a, 0) + COALESCE(u.b, 0)) FROM UNNEST(added.one, added.other) u(a, b));

CREATE FUNCTION knowledge.audience_number(knowledge_base text, acl text[]) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hash_array_extended(array_prepend(knowledge_base, acl), (0)::bigint);

CREATE FUNCTION knowledge.cell_number(audience bigint, lexeme text, level integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashtextextended(lexeme, (audience # (level)::bigint)) >> 32))::integer;

CREATE FUNCTION knowledge.term_impacts(vector tsvector, words integer) RETURNS TABLE(lexeme text, impact double precision, level integer)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT told.lexeme,
     told.impact,
     (LEAST((floor((told.impact * (16)::double precision)))::integer, 15) + 1)
    FROM ( SELECT held.lexeme,
             (held.tf / ((held.tf + (0.3)::double precision) + ((0.009)::double precision * (term_impacts.words)::double precision))) AS impact
            FROM ( SELECT u.lexeme,
                     (GREATEST(cardinality(u.positions), 1))::double precision AS tf
                    FROM unnest(term_impacts.vector) u(lexeme, positions, weights)) held) told;
END;

CREATE FUNCTION knowledge.term_number(lexeme text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (((hashtextextended(lexeme, (0)::bigint) & (536870911)::bigint) + 1))::integer;

CREATE FUNCTION knowledge.chunk_terms_of(audience bigint, vector tsvector, words integer) RETURNS TABLE(terms public.sparsevec, cells integer[])
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT ((('{'::text || COALESCE(string_agg(((t.number || ':'::text) || (t.impact)::real), ','::text), ''::text)) || '}/536870912'::text))::public.sparsevec AS sparsevec,
     COALESCE(array_agg(t.cell), '{}'::integer[]) AS "coalesce"
    FROM ( SELECT DISTINCT ON ((knowledge.term_number(i.lexeme))) knowledge.term_number(i.lexeme) AS number,
             i.impact,
             knowledge.cell_number(chunk_terms_of.audience, i.lexeme, i.level) AS cell
            FROM knowledge.term_impacts(chunk_terms_of.vector, chunk_terms_of.words) i(lexeme, impact, level)) t;
END;

CREATE FUNCTION knowledge.count_chunks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
DECLARE
    step integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    -- Before the lock: nobody has to wait for this. A deleted chunk's terms go with it, by its foreign key.
    IF step > 0 THEN
        INSERT INTO knowledge.chunk_terms (chunk_id, audience, terms, cells)
        SELECT c.chunk_id, c.audience, t.terms, t.cells
        FROM (
            SELECT chunk_id, tsvector_column, word_count, knowledge.audience_number(knowledge_base, acl) AS audience
            FROM changed
        ) AS c, knowledge.chunk_terms_of(c.audience, c.tsvector_column, c.word_count) AS t;
    END IF;
    -- The base's row first: it is the lock that orders all writers of one knowledge base.
    UPDATE knowledge.knowledge_bases b
    SET index_version = b.index_version + 1
    FROM (SELECT DISTINCT knowledge_base FROM changed) c
    WHERE b.name = c.knowledge_base;
    INSERT INTO knowledge.corpus_stats AS t (knowledge_base, acl, chunk_count, word_count)
    SELECT c.knowledge_base, c.acl, step * count(*), step * sum(c.word_count)
    FROM changed c
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (knowledge_base, acl)
        DO UPDATE SET chunk_count = t.chunk_count + excluded.chunk_count,
            word_count = t.word_count + excluded.word_count;
    INSERT INTO knowledge.configuration_stats AS t (knowledge_base, acl, configuration, chunk_count)
    SELECT c.knowledge_base, c.acl, c.configuration, step * count(*)
    FROM changed c
    WHERE c.configuration <> ''
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (knowledge_base, acl, configuration) DO UPDATE SET chunk_count = t.chunk_count + excluded.chunk_count;
    INSERT INTO knowledge.term_stats AS t (knowledge_base, lexeme, acl, document_frequency, level_frequencies)
    SELECT c.knowledge_base, i.lexeme, c.acl, step * count(*), ARRAY[
        step * count(*) FILTER (WHERE i.level = 1), step * count(*) FILTER (WHERE i.level = 2),
        step * count(*) FILTER (WHERE i.level = 3), step * count(*) FILTER (WHERE i.level = 4),
        step * count(*) FILTER (WHERE i.level = 5), step * count(*) FILTER (WHERE i.level = 6),
        step * count(*) FILTER (WHERE i.level = 7), step * count(*) FILTER (WHERE i.level = 8),
        step * count(*) FILTER (WHERE i.level = 9), step * count(*) FILTER (WHERE i.level = 10),
        step * count(*) FILTER (WHERE i.level = 11), step * count(*) FILTER (WHERE i.level = 12),
        step * count(*) FILTER (WHERE i.level = 13), step * count(*) FILTER (WHERE i.level = 14),
        step * count(*) FILTER (WHERE i.level = 15), step * count(*) FILTER (WHERE i.level = 16)
    ]::integer[]
    FROM changed c, knowledge.term_impacts(c.tsvector_column, c.word_count) AS i
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT (knowledge_base, lexeme, acl)
        DO UPDATE SET document_frequency = t.document_frequency + excluded.document_frequency,
            level_frequencies = knowledge.added(t.level_frequencies, excluded.level_frequencies);
    IF step < 0 THEN
        DELETE FROM knowledge.corpus_stats t
        USING (SELECT DISTINCT c.knowledge_base, c.acl FROM changed c) g
        WHERE t.knowledge_base = g.knowledge_base AND t.acl = g.acl AND t.chunk_count <= 0;
        DELETE FROM knowledge.configuration_stats t
        USING (SELECT DISTINCT c.knowledge_base, c.acl FROM changed c) g
        WHERE t.knowledge_base = g.knowledge_base AND t.acl = g.acl AND t.chunk_count <= 0;
        DELETE FROM knowledge.term_stats t
        USING (SELECT DISTINCT c.knowledge_base, l.lexeme, c.acl FROM changed c, unnest(c.tsvector_column) AS l) g
        WHERE t.knowledge_base = g.knowledge_base AND t.lexeme = g.lexeme AND t.acl = g.acl
            AND t.document_frequency <= 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION knowledge.drop_embedding_model(model text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('knowledge.embedding_models'));
    IF EXISTS (SELECT FROM knowledge.knowledge_bases WHERE embedding_model = model)
        OR EXISTS (SELECT FROM knowledge.reindexes WHERE embedding_model = model AND state IN ('running', 'ready'))
        OR EXISTS (SELECT FROM knowledge.doc_embeddings WHERE embedding_model = model) THEN
        RETURN false;
    END IF;
    DELETE FROM knowledge.embedding_models WHERE name = model;
    EXECUTE format('DROP INDEX IF EXISTS knowledge.%I', 'doc_embeddings_hnsw_' || substr(md5(model), 1, 12));
    RETURN true;
END
$$;

CREATE FUNCTION knowledge.register_embedding_model(model text, dims integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('knowledge.embedding_models'));
    INSERT INTO knowledge.embedding_models (name, dimension) VALUES (model, dims) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        IF (SELECT dimension FROM knowledge.embedding_models WHERE name = model) <> dims THEN
            RAISE EXCEPTION 'embedding model % is known with another dimension', model;
        END IF;
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE INDEX %I ON knowledge.doc_embeddings USING hnsw ((embedding_vector::halfvec(%s)) halfvec_cosine_ops) '
        'WHERE embedding_model = %L',
        'doc_embeddings_hnsw_' || substr(md5(model), 1, 12), dims, model);
END
$$;

CREATE FUNCTION knowledge.tagged(vector tsvector, configuration text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 SELECT (COALESCE(string_agg((((''''::text || replace(replace(w.word, '\'::text, '\\'::text), ''''::text, ''''''::text)) || ''''::text) || COALESCE((':'::text || w.places), ''::text)), ' '::text), ''::text))::tsvector AS "coalesce"
    FROM ( SELECT "left"(((tagged.configuration || ':'::text) || NORMALIZE(regexp_replace(NORMALIZE(u.lexeme, NFD), '[\u0300-\u036f]'::text, ''::text, 'g'::text), NFC)), 500) AS word,
             array_to_string(u.positions, ','::text) AS places
            FROM unnest(tagged.vector) u(lexeme, positions, weights)) w;
END;

CREATE FUNCTION ticketing.stamp_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- It rises even if the clock stands or steps back.
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    IF TG_OP = 'INSERT' THEN
        NEW.opened_at := NEW.updated_at;
    ELSIF NEW.status IN ('open', 'pending') THEN
        IF OLD.status NOT IN ('open', 'pending') THEN
            NEW.opened_at := NEW.updated_at;
            -- Whoever asked for the ticket, its conversation has been resolved since.
            NEW.opened_by := coalesce(NEW.opened_by, '');
        END IF;
        NEW.resolved_at := NULL;
        NEW.resolved_by := '';
    ELSIF OLD.status IN ('open', 'pending') THEN
        NEW.resolved_at := NEW.updated_at;
    END IF;
    RETURN NEW;
END
$$;

CREATE TABLE conversation.events (
    event_id uuid NOT NULL,
    session_id uuid NOT NULL,
    type text NOT NULL,
    payload_json jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT events_type_check CHECK ((type = ANY (ARRAY['turn'::text, 'escalated'::text, 'resolved'::text, 'reopened'::text, 'agent_replied'::text, 'ticket_attached'::text])))
);

CREATE TABLE conversation.leases (
    session_id uuid NOT NULL,
    token bigint NOT NULL,
    holder text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    failed_turns integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE conversation.messages (
    message_id uuid NOT NULL,
    session_id uuid NOT NULL,
    sequence bigint NOT NULL,
    role text NOT NULL,
    content text NOT NULL,
    metadata_json jsonb DEFAULT '{}'::jsonb NOT NULL,
    in_reply_to uuid,
    request_id text,
    source_comment_id uuid,
    handled_by uuid,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT messages_role_check CHECK ((role = ANY (ARRAY['customer'::text, 'assistant'::text, 'agent'::text, 'system'::text])))
)
WITH (fillfactor='90');

CREATE TABLE conversation.ratings (
    message_id uuid NOT NULL,
    session_id uuid NOT NULL,
    rating text NOT NULL,
    comment text DEFAULT ''::text NOT NULL,
    rated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ratings_rating_check CHECK ((rating = ANY (ARRAY['helpful'::text, 'not_helpful'::text])))
);

CREATE TABLE conversation.sessions (
    session_id uuid NOT NULL,
    channel text NOT NULL,
    customer_id text,
    customer_verified boolean DEFAULT false NOT NULL,
    customer_groups text[] DEFAULT '{}'::text[] NOT NULL,
    knowledge_base text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_activity_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    summary_current text DEFAULT ''::text NOT NULL,
    latest_response_message_id uuid,
    ticket_id uuid,
    escalation_reason text,
    escalation_event_id uuid,
    revision bigint DEFAULT 0 NOT NULL,
    last_sequence bigint DEFAULT 0 NOT NULL,
    context_after_sequence bigint DEFAULT 0 NOT NULL,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    followed_at timestamp with time zone,
    CONSTRAINT sessions_status_check CHECK ((status = ANY (ARRAY['open'::text, 'escalated'::text, 'resolved'::text])))
)
WITH (fillfactor='80');

CREATE TABLE knowledge.answered_requests (
    method text NOT NULL,
    subject text NOT NULL,
    request_id text NOT NULL,
    request_sha256 bytea NOT NULL,
    resource text NOT NULL,
    changed boolean NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE knowledge.case_summaries (
    case_id uuid NOT NULL,
    session_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    knowledge_base text NOT NULL,
    question text NOT NULL,
    summary text NOT NULL,
    resolution text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    references_json jsonb DEFAULT '[]'::jsonb NOT NULL,
    acl_json jsonb NOT NULL,
    state text DEFAULT 'pending_review'::text NOT NULL,
    reviewed_by text DEFAULT ''::text NOT NULL,
    reviewed_at timestamp with time zone,
    doc_id uuid,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT case_summaries_state_check CHECK ((state = ANY (ARRAY['pending_review'::text, 'approved'::text, 'rejected'::text])))
);

CREATE TABLE knowledge.chunk_terms (
    chunk_id uuid NOT NULL,
    audience bigint NOT NULL,
    terms public.sparsevec NOT NULL,
    cells integer[] NOT NULL
);

CREATE TABLE knowledge.configuration_stats (
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    configuration text NOT NULL,
    chunk_count bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE knowledge.corpus_stats (
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    chunk_count bigint NOT NULL,
    word_count bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE knowledge.doc_chunks (
    chunk_id uuid NOT NULL,
    doc_id uuid NOT NULL,
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    chunk_index integer NOT NULL,
    text text NOT NULL,
    metadata_json jsonb DEFAULT '{}'::jsonb NOT NULL,
    tsvector_column tsvector NOT NULL,
    word_count integer NOT NULL,
    configuration text DEFAULT ''::text NOT NULL,
    CONSTRAINT doc_chunks_acl_check CHECK ((cardinality(acl) > 0))
);

CREATE TABLE knowledge.doc_embeddings (
    chunk_id uuid NOT NULL,
    embedding_model text NOT NULL,
    embedding_vector public.vector NOT NULL,
    knowledge_base text NOT NULL,
    acl text[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE knowledge.documents (
    doc_id uuid NOT NULL,
    knowledge_base text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    title text NOT NULL,
    uri text NOT NULL,
    kind text DEFAULT 'page'::text NOT NULL,
    acl_json jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    indexed_version integer DEFAULT 0 NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    language text DEFAULT 'en'::text NOT NULL,
    product_version text DEFAULT ''::text NOT NULL,
    supersedes_uri text DEFAULT ''::text NOT NULL,
    media_type text NOT NULL,
    content_sha256 text NOT NULL,
    object_key text NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    chunk_count integer DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    ingested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    configuration text,
    CONSTRAINT documents_kind_check CHECK ((kind = ANY (ARRAY['page'::text, 'approved_record'::text, 'case'::text]))),
    CONSTRAINT documents_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'indexed'::text, 'failed'::text, 'deleted'::text]))),
    CONSTRAINT documents_version_check CHECK ((version >= 1))
);

CREATE TABLE knowledge.embedding_models (
    name text NOT NULL,
    dimension integer NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    spec text DEFAULT ''::text NOT NULL,
    CONSTRAINT embedding_models_dimension_check CHECK (((dimension >= 1) AND (dimension <= 2000)))
);

CREATE TABLE knowledge.knowledge_bases (
    name text NOT NULL,
    display_name text NOT NULL,
    text_configuration text DEFAULT 'english'::text NOT NULL,
    index_version bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    embedding_model text DEFAULT ''::text NOT NULL,
    CONSTRAINT knowledge_bases_name_check CHECK ((name ~ '^[a-z][a-z0-9-]{0,62}$'::text))
);

CREATE TABLE knowledge.model_servers (
    replica_id uuid NOT NULL,
    embedding_model text NOT NULL,
    ready boolean NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    alive_until timestamp with time zone NOT NULL
);

CREATE TABLE knowledge.reindexes (
    reindex_id uuid NOT NULL,
    knowledge_base text NOT NULL,
    embedding_model text NOT NULL,
    spec text NOT NULL,
    former_model text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    step integer DEFAULT 1 NOT NULL,
    last_chunk_id uuid,
    embedded_chunks bigint DEFAULT 0 NOT NULL,
    total_chunks bigint NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    started_by text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT reindexes_state_check CHECK ((state = ANY (ARRAY['running'::text, 'ready'::text, 'switched'::text, 'aborted'::text, 'failed'::text])))
);

CREATE TABLE knowledge.term_stats (
    knowledge_base text NOT NULL,
    lexeme text NOT NULL,
    acl text[] NOT NULL,
    document_frequency bigint NOT NULL,
    level_frequencies integer[] DEFAULT '{}'::integer[] NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE messaging.audit (
    audit_id uuid NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    actor_role text NOT NULL,
    action text NOT NULL,
    resource_id uuid NOT NULL,
    changed boolean NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    request_id text DEFAULT ''::text NOT NULL
);

CREATE TABLE messaging.cursors (
    name text NOT NULL,
    "position" text DEFAULT ''::text NOT NULL,
    settled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_token uuid,
    lease_expires_at timestamp with time zone
);

CREATE TABLE messaging.inbox (
    consumer text NOT NULL,
    key text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE messaging.outbox (
    outbox_id uuid NOT NULL,
    type text NOT NULL,
    payload_json jsonb NOT NULL,
    idempotency_key text NOT NULL,
    ordering_key uuid,
    status text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lease_token uuid,
    lease_expires_at timestamp with time zone,
    last_error text,
    trace_context text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    done_at timestamp with time zone,
    parked boolean DEFAULT false NOT NULL,
    CONSTRAINT outbox_attempts_check CHECK ((attempts >= 0))
)
WITH (fillfactor='80');

CREATE TABLE messaging.webhook_deliveries (
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_json jsonb NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    response_status integer DEFAULT 0 NOT NULL,
    last_error text DEFAULT ''::text NOT NULL,
    last_attempt_at timestamp with time zone,
    replay_of uuid,
    request_id text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='80');

CREATE TABLE messaging.webhook_endpoints (
    endpoint_id uuid NOT NULL,
    url text NOT NULL,
    event_types text[] NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'enabled'::text NOT NULL,
    disabled_reason text,
    sealed_secret bytea,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    revision bigint DEFAULT 1 NOT NULL,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_endpoints_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['by_admin'::text, 'too_many_failures'::text]))),
    CONSTRAINT webhook_endpoints_state_check CHECK ((state = ANY (ARRAY['enabled'::text, 'disabled'::text, 'deleted'::text])))
);

CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE ticketing.attachments (
    attachment_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    filename text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    object_key text NOT NULL,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT attachments_size_check CHECK ((size_bytes > 0))
);

CREATE TABLE ticketing.ticket_comments (
    comment_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    author_type text NOT NULL,
    author text NOT NULL,
    visibility text NOT NULL,
    body text NOT NULL,
    source_message_id uuid,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ticket_comments_author_type_check CHECK ((author_type = ANY (ARRAY['customer'::text, 'agent'::text, 'system'::text]))),
    CONSTRAINT ticket_comments_visibility_check CHECK ((visibility = ANY (ARRAY['public'::text, 'internal'::text])))
);

CREATE TABLE ticketing.tickets (
    ticket_id uuid NOT NULL,
    session_id uuid NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    priority text DEFAULT 'normal'::text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    assigned_to text DEFAULT ''::text NOT NULL,
    queue text DEFAULT 'general'::text NOT NULL,
    escalation_reason text NOT NULL,
    ai_confidence double precision DEFAULT 0 NOT NULL,
    summary text DEFAULT ''::text NOT NULL,
    resolution text DEFAULT ''::text NOT NULL,
    customer_id text DEFAULT ''::text NOT NULL,
    channel text DEFAULT ''::text NOT NULL,
    knowledge_base text DEFAULT ''::text NOT NULL,
    transcript_json jsonb DEFAULT '[]'::jsonb NOT NULL,
    evidence_pack_json jsonb,
    refused_draft_json jsonb,
    verdict_json jsonb,
    revision bigint DEFAULT 1 NOT NULL,
    request_owner text,
    request_id text,
    request_sha256 bytea,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    resolved_at timestamp with time zone,
    opened_by text DEFAULT ''::text,
    resolved_by text DEFAULT ''::text,
    opened_at timestamp with time zone,
    CONSTRAINT tickets_priority_check CHECK ((priority = ANY (ARRAY['low'::text, 'normal'::text, 'high'::text, 'urgent'::text]))),
    CONSTRAINT tickets_status_check CHECK ((status = ANY (ARRAY['open'::text, 'pending'::text, 'resolved'::text, 'closed'::text])))
)
WITH (fillfactor='80');

ALTER TABLE ONLY conversation.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY conversation.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY conversation.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY conversation.messages
    ADD CONSTRAINT messages_session_id_request_id_key UNIQUE (session_id, request_id);

ALTER TABLE ONLY conversation.messages
    ADD CONSTRAINT messages_session_id_sequence_key UNIQUE (session_id, sequence);

ALTER TABLE ONLY conversation.messages
    ADD CONSTRAINT messages_source_comment_id_key UNIQUE (source_comment_id);

ALTER TABLE ONLY conversation.ratings
    ADD CONSTRAINT ratings_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY conversation.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY conversation.sessions
    ADD CONSTRAINT sessions_request_key UNIQUE (request_owner, request_id);

ALTER TABLE ONLY knowledge.answered_requests
    ADD CONSTRAINT answered_requests_pkey PRIMARY KEY (method, subject, request_id);

ALTER TABLE ONLY knowledge.case_summaries
    ADD CONSTRAINT case_summaries_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY knowledge.case_summaries
    ADD CONSTRAINT case_summaries_session_id_ticket_id_key UNIQUE (session_id, ticket_id);

ALTER TABLE ONLY knowledge.chunk_terms
    ADD CONSTRAINT chunk_terms_pkey PRIMARY KEY (chunk_id);

ALTER TABLE ONLY knowledge.configuration_stats
    ADD CONSTRAINT configuration_stats_pkey PRIMARY KEY (knowledge_base, acl, configuration);

ALTER TABLE ONLY knowledge.corpus_stats
    ADD CONSTRAINT corpus_stats_pkey PRIMARY KEY (knowledge_base, acl);

ALTER TABLE ONLY knowledge.doc_chunks
    ADD CONSTRAINT doc_chunks_doc_id_chunk_index_key UNIQUE (doc_id, chunk_index);

ALTER TABLE ONLY knowledge.doc_chunks
    ADD CONSTRAINT doc_chunks_pkey PRIMARY KEY (chunk_id);

ALTER TABLE ONLY knowledge.doc_embeddings
    ADD CONSTRAINT doc_embeddings_pkey PRIMARY KEY (chunk_id, embedding_model);

ALTER TABLE ONLY knowledge.documents
    ADD CONSTRAINT documents_knowledge_base_uri_key UNIQUE (knowledge_base, uri);

ALTER TABLE ONLY knowledge.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (doc_id);

ALTER TABLE ONLY knowledge.embedding_models
    ADD CONSTRAINT embedding_models_pkey PRIMARY KEY (name);

ALTER TABLE ONLY knowledge.knowledge_bases
    ADD CONSTRAINT knowledge_bases_pkey PRIMARY KEY (name);

ALTER TABLE ONLY knowledge.model_servers
    ADD CONSTRAINT model_servers_pkey PRIMARY KEY (replica_id, embedding_model);

ALTER TABLE ONLY knowledge.reindexes
    ADD CONSTRAINT reindexes_pkey PRIMARY KEY (reindex_id);

ALTER TABLE ONLY knowledge.term_stats
    ADD CONSTRAINT term_stats_pkey PRIMARY KEY (knowledge_base, lexeme, acl);

ALTER TABLE ONLY messaging.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY messaging.cursors
    ADD CONSTRAINT cursors_pkey PRIMARY KEY (name);

ALTER TABLE ONLY messaging.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (consumer, key);

ALTER TABLE ONLY messaging.outbox
    ADD CONSTRAINT outbox_idempotency_key_key UNIQUE (idempotency_key);

ALTER TABLE ONLY messaging.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (outbox_id);

ALTER TABLE messaging.outbox
    ADD CONSTRAINT outbox_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'done'::text, 'dead'::text, 'discarded'::text]))) NOT VALID;

ALTER TABLE ONLY messaging.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (delivery_id);

ALTER TABLE ONLY messaging.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_replay_key UNIQUE (replay_of, request_id);

ALTER TABLE ONLY messaging.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (endpoint_id);

ALTER TABLE ONLY messaging.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_request_key UNIQUE (request_owner, request_id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY ticketing.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (attachment_id);

ALTER TABLE ONLY ticketing.attachments
    ADD CONSTRAINT attachments_request_key UNIQUE (request_owner, request_id);

ALTER TABLE ONLY ticketing.ticket_comments
    ADD CONSTRAINT ticket_comments_pkey PRIMARY KEY (comment_id);

ALTER TABLE ONLY ticketing.ticket_comments
    ADD CONSTRAINT ticket_comments_request_key UNIQUE (request_owner, request_id);

ALTER TABLE ONLY ticketing.ticket_comments
    ADD CONSTRAINT ticket_comments_source_message_id_key UNIQUE (source_message_id);

ALTER TABLE ONLY ticketing.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (ticket_id);

ALTER TABLE ONLY ticketing.tickets
    ADD CONSTRAINT tickets_request_key UNIQUE (request_owner, request_id);

CREATE INDEX events_session_created_idx ON conversation.events USING btree (session_id, created_at);

CREATE INDEX events_type_created_idx ON conversation.events USING btree (type, created_at);

CREATE INDEX messages_session_created_idx ON conversation.messages USING btree (session_id, created_at);

CREATE INDEX messages_unhandled_idx ON conversation.messages USING btree (session_id, sequence) WHERE ((role = 'customer'::text) AND (handled_by IS NULL));

CREATE INDEX ratings_session_idx ON conversation.ratings USING btree (session_id);

CREATE INDEX answered_requests_created_idx ON knowledge.answered_requests USING btree (created_at);

CREATE INDEX case_summaries_ticket_idx ON knowledge.case_summaries USING btree (ticket_id);

CREATE INDEX chunk_terms_audience_idx ON knowledge.chunk_terms USING btree (audience);

CREATE INDEX chunk_terms_cells_idx ON knowledge.chunk_terms USING gin (cells) WITH (fastupdate=off);

CREATE INDEX doc_chunks_tsvector_idx ON knowledge.doc_chunks USING gin (tsvector_column);

CREATE INDEX doc_embeddings_audience_idx ON knowledge.doc_embeddings USING btree (knowledge_base, acl);

CREATE INDEX documents_supersedes_idx ON knowledge.documents USING btree (knowledge_base, supersedes_uri) WHERE (supersedes_uri <> ''::text);

CREATE UNIQUE INDEX reindexes_under_way_key ON knowledge.reindexes USING btree (knowledge_base) WHERE (state = ANY (ARRAY['running'::text, 'ready'::text]));

CREATE INDEX audit_resource_idx ON messaging.audit USING btree (resource_id, audit_id);

CREATE INDEX inbox_created_idx ON messaging.inbox USING btree (created_at);

CREATE INDEX outbox_claimable_idx ON messaging.outbox USING btree (type, next_attempt_at, outbox_id) WHERE ((status = 'pending'::text) AND (NOT parked));

CREATE INDEX outbox_dead_idx ON messaging.outbox USING btree (outbox_id) WHERE (status = 'dead'::text);

CREATE INDEX outbox_done_idx ON messaging.outbox USING btree (done_at) WHERE (status = 'done'::text);

CREATE INDEX outbox_order_idx ON messaging.outbox USING btree (ordering_key, outbox_id) WHERE (status = 'pending'::text);

CREATE INDEX outbox_parked_idx ON messaging.outbox USING btree (outbox_id) WHERE ((status = 'pending'::text) AND parked);

CREATE UNIQUE INDEX webhook_deliveries_event_key ON messaging.webhook_deliveries USING btree (endpoint_id, event_id) WHERE (replay_of IS NULL);

CREATE INDEX webhook_deliveries_log_idx ON messaging.webhook_deliveries USING btree (endpoint_id, delivery_id);

CREATE INDEX attachments_ticket_idx ON ticketing.attachments USING btree (ticket_id, attachment_id);

CREATE INDEX ticket_comments_replies_idx ON ticketing.ticket_comments USING btree (created_at, comment_id) WHERE ((author_type = 'agent'::text) AND (visibility = 'public'::text));

CREATE INDEX ticket_comments_ticket_idx ON ticketing.ticket_comments USING btree (ticket_id, comment_id);

CREATE INDEX tickets_assigned_idx ON ticketing.tickets USING btree (assigned_to, status, updated_at) WHERE (assigned_to <> ''::text);

CREATE UNIQUE INDEX tickets_one_open_per_session_key ON ticketing.tickets USING btree (session_id) WHERE (status = ANY (ARRAY['open'::text, 'pending'::text]));

CREATE INDEX tickets_session_idx ON ticketing.tickets USING btree (session_id);

CREATE INDEX tickets_status_updated_idx ON ticketing.tickets USING btree (status, updated_at);

CREATE INDEX tickets_updated_idx ON ticketing.tickets USING btree (updated_at, ticket_id);

CREATE TRIGGER doc_chunks_counted_delete AFTER DELETE ON knowledge.doc_chunks REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge.count_chunks();

CREATE TRIGGER doc_chunks_counted_insert AFTER INSERT ON knowledge.doc_chunks REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge.count_chunks();

CREATE TRIGGER tickets_stamp_change BEFORE INSERT OR UPDATE ON ticketing.tickets FOR EACH ROW EXECUTE FUNCTION ticketing.stamp_change();

ALTER TABLE ONLY conversation.events
    ADD CONSTRAINT events_session_id_fkey FOREIGN KEY (session_id) REFERENCES conversation.sessions(session_id);

ALTER TABLE ONLY conversation.leases
    ADD CONSTRAINT leases_session_id_fkey FOREIGN KEY (session_id) REFERENCES conversation.sessions(session_id);

ALTER TABLE ONLY conversation.messages
    ADD CONSTRAINT messages_session_id_fkey FOREIGN KEY (session_id) REFERENCES conversation.sessions(session_id);

ALTER TABLE ONLY conversation.ratings
    ADD CONSTRAINT ratings_message_id_fkey FOREIGN KEY (message_id) REFERENCES conversation.messages(message_id);

ALTER TABLE ONLY conversation.ratings
    ADD CONSTRAINT ratings_session_id_fkey FOREIGN KEY (session_id) REFERENCES conversation.sessions(session_id);

ALTER TABLE ONLY conversation.sessions
    ADD CONSTRAINT sessions_knowledge_base_fkey FOREIGN KEY (knowledge_base) REFERENCES knowledge.knowledge_bases(name);

ALTER TABLE ONLY knowledge.case_summaries
    ADD CONSTRAINT case_summaries_doc_id_fkey FOREIGN KEY (doc_id) REFERENCES knowledge.documents(doc_id);

ALTER TABLE ONLY knowledge.case_summaries
    ADD CONSTRAINT case_summaries_knowledge_base_fkey FOREIGN KEY (knowledge_base) REFERENCES knowledge.knowledge_bases(name);

ALTER TABLE ONLY knowledge.chunk_terms
    ADD CONSTRAINT chunk_terms_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES knowledge.doc_chunks(chunk_id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.doc_chunks
    ADD CONSTRAINT doc_chunks_doc_id_fkey FOREIGN KEY (doc_id) REFERENCES knowledge.documents(doc_id);

ALTER TABLE ONLY knowledge.doc_embeddings
    ADD CONSTRAINT doc_embeddings_chunk_id_fkey FOREIGN KEY (chunk_id) REFERENCES knowledge.doc_chunks(chunk_id) ON DELETE CASCADE;

ALTER TABLE ONLY knowledge.documents
    ADD CONSTRAINT documents_knowledge_base_fkey FOREIGN KEY (knowledge_base) REFERENCES knowledge.knowledge_bases(name);

ALTER TABLE ONLY knowledge.reindexes
    ADD CONSTRAINT reindexes_knowledge_base_fkey FOREIGN KEY (knowledge_base) REFERENCES knowledge.knowledge_bases(name);

ALTER TABLE ONLY messaging.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES messaging.webhook_endpoints(endpoint_id);

ALTER TABLE ONLY messaging.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_replay_of_fkey FOREIGN KEY (replay_of) REFERENCES messaging.webhook_deliveries(delivery_id);

ALTER TABLE ONLY ticketing.attachments
    ADD CONSTRAINT attachments_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES ticketing.tickets(ticket_id);

ALTER TABLE ONLY ticketing.ticket_comments
    ADD CONSTRAINT ticket_comments_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES ticketing.tickets(ticket_id);

ALTER TABLE ONLY ticketing.tickets
    ADD CONSTRAINT tickets_session_id_fkey FOREIGN KEY (session_id) REFERENCES conversation.sessions(session_id);

GRANT USAGE ON SCHEMA conversation TO groundline_gateway;
GRANT USAGE ON SCHEMA conversation TO groundline_orchestrator;

GRANT USAGE ON SCHEMA knowledge TO groundline_retrieval;
GRANT USAGE ON SCHEMA knowledge TO groundline_workers;

GRANT USAGE ON SCHEMA messaging TO groundline_gateway;
GRANT USAGE ON SCHEMA messaging TO groundline_orchestrator;
GRANT USAGE ON SCHEMA messaging TO groundline_retrieval;
GRANT USAGE ON SCHEMA messaging TO groundline_ticketing;
GRANT USAGE ON SCHEMA messaging TO groundline_workers;

GRANT USAGE ON SCHEMA ticketing TO groundline_ticketing;

REVOKE ALL ON FUNCTION knowledge.drop_embedding_model(model text) FROM PUBLIC;
GRANT ALL ON FUNCTION knowledge.drop_embedding_model(model text) TO groundline_workers;

REVOKE ALL ON FUNCTION knowledge.register_embedding_model(model text, dims integer) FROM PUBLIC;
GRANT ALL ON FUNCTION knowledge.register_embedding_model(model text, dims integer) TO groundline_workers;
GRANT ALL ON FUNCTION knowledge.register_embedding_model(model text, dims integer) TO groundline_retrieval;

GRANT SELECT,INSERT,UPDATE ON TABLE conversation.events TO groundline_orchestrator;

GRANT SELECT,INSERT,UPDATE ON TABLE conversation.leases TO groundline_orchestrator;

GRANT SELECT,INSERT,UPDATE ON TABLE conversation.messages TO groundline_gateway;
GRANT SELECT,INSERT,UPDATE ON TABLE conversation.messages TO groundline_orchestrator;

GRANT SELECT,INSERT,UPDATE ON TABLE conversation.ratings TO groundline_gateway;
GRANT SELECT,INSERT,UPDATE ON TABLE conversation.ratings TO groundline_orchestrator;

GRANT SELECT,INSERT,UPDATE ON TABLE conversation.sessions TO groundline_gateway;
GRANT SELECT,INSERT,UPDATE ON TABLE conversation.sessions TO groundline_orchestrator;

GRANT SELECT,INSERT ON TABLE knowledge.answered_requests TO groundline_retrieval;
GRANT SELECT,DELETE ON TABLE knowledge.answered_requests TO groundline_workers;

GRANT SELECT,INSERT,UPDATE ON TABLE knowledge.case_summaries TO groundline_retrieval;
GRANT SELECT,INSERT,UPDATE ON TABLE knowledge.case_summaries TO groundline_workers;

GRANT SELECT ON TABLE knowledge.chunk_terms TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.chunk_terms TO groundline_workers;

GRANT SELECT ON TABLE knowledge.configuration_stats TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.configuration_stats TO groundline_workers;

GRANT SELECT ON TABLE knowledge.corpus_stats TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.corpus_stats TO groundline_workers;

GRANT SELECT,DELETE ON TABLE knowledge.doc_chunks TO groundline_retrieval;
GRANT SELECT,INSERT,DELETE ON TABLE knowledge.doc_chunks TO groundline_workers;

GRANT SELECT ON TABLE knowledge.doc_embeddings TO groundline_retrieval;
GRANT SELECT,INSERT,DELETE ON TABLE knowledge.doc_embeddings TO groundline_workers;

GRANT UPDATE(created_at) ON TABLE knowledge.doc_embeddings TO groundline_workers;

GRANT SELECT,INSERT,UPDATE ON TABLE knowledge.documents TO groundline_retrieval;
GRANT SELECT,INSERT,UPDATE ON TABLE knowledge.documents TO groundline_workers;

GRANT SELECT ON TABLE knowledge.embedding_models TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.embedding_models TO groundline_workers;

GRANT UPDATE(spec) ON TABLE knowledge.embedding_models TO groundline_retrieval;
GRANT UPDATE(spec) ON TABLE knowledge.embedding_models TO groundline_workers;

GRANT SELECT,INSERT ON TABLE knowledge.knowledge_bases TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.knowledge_bases TO groundline_workers;

GRANT UPDATE(index_version) ON TABLE knowledge.knowledge_bases TO groundline_retrieval;
GRANT UPDATE(index_version) ON TABLE knowledge.knowledge_bases TO groundline_workers;

GRANT UPDATE(embedding_model) ON TABLE knowledge.knowledge_bases TO groundline_retrieval;
GRANT UPDATE(embedding_model) ON TABLE knowledge.knowledge_bases TO groundline_workers;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE knowledge.model_servers TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.model_servers TO groundline_workers;

GRANT SELECT,INSERT,UPDATE ON TABLE knowledge.reindexes TO groundline_retrieval;
GRANT SELECT,UPDATE ON TABLE knowledge.reindexes TO groundline_workers;

GRANT SELECT ON TABLE knowledge.term_stats TO groundline_retrieval;
GRANT SELECT ON TABLE knowledge.term_stats TO groundline_workers;

GRANT SELECT,INSERT ON TABLE messaging.audit TO groundline_workers;
GRANT INSERT ON TABLE messaging.audit TO groundline_orchestrator;

GRANT SELECT,INSERT,UPDATE ON TABLE messaging.cursors TO groundline_workers;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE messaging.inbox TO groundline_workers;

GRANT INSERT ON TABLE messaging.outbox TO groundline_gateway;
GRANT INSERT ON TABLE messaging.outbox TO groundline_retrieval;
GRANT INSERT ON TABLE messaging.outbox TO groundline_ticketing;
GRANT SELECT,INSERT,UPDATE ON TABLE messaging.outbox TO groundline_orchestrator;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE messaging.outbox TO groundline_workers;

GRANT SELECT(outbox_id) ON TABLE messaging.outbox TO groundline_gateway;
GRANT SELECT(outbox_id) ON TABLE messaging.outbox TO groundline_retrieval;
GRANT SELECT(outbox_id) ON TABLE messaging.outbox TO groundline_ticketing;

GRANT SELECT(idempotency_key) ON TABLE messaging.outbox TO groundline_gateway;
GRANT SELECT(idempotency_key) ON TABLE messaging.outbox TO groundline_retrieval;
GRANT SELECT(idempotency_key) ON TABLE messaging.outbox TO groundline_ticketing;

GRANT SELECT,INSERT,UPDATE ON TABLE messaging.webhook_deliveries TO groundline_workers;

GRANT SELECT,INSERT,UPDATE ON TABLE messaging.webhook_endpoints TO groundline_workers;

GRANT SELECT(event_types) ON TABLE messaging.webhook_endpoints TO groundline_orchestrator;
GRANT SELECT(event_types) ON TABLE messaging.webhook_endpoints TO groundline_ticketing;

GRANT SELECT(state) ON TABLE messaging.webhook_endpoints TO groundline_orchestrator;
GRANT SELECT(state) ON TABLE messaging.webhook_endpoints TO groundline_ticketing;

GRANT SELECT,INSERT,UPDATE ON TABLE ticketing.attachments TO groundline_ticketing;

GRANT SELECT,INSERT,UPDATE ON TABLE ticketing.ticket_comments TO groundline_ticketing;

GRANT SELECT,INSERT,UPDATE ON TABLE ticketing.tickets TO groundline_ticketing;
