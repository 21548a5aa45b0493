-- One schema per domain; one login role per service, with no right that it does not need. Passwords, where a
-- deployment uses them, are set outside of migrations.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS unaccent;

CREATE SCHEMA conversation;
CREATE SCHEMA ticketing;
CREATE SCHEMA knowledge;
CREATE SCHEMA messaging;

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['gateway', 'orchestrator', 'retrieval', 'ticketing', 'workers'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'groundline_' || service) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'groundline_' || service);
        END IF;
    END LOOP;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA conversation TO groundline_gateway, groundline_orchestrator;
GRANT USAGE ON SCHEMA ticketing TO groundline_ticketing;
GRANT USAGE ON SCHEMA knowledge TO groundline_retrieval, groundline_workers;
GRANT USAGE ON SCHEMA messaging
    TO groundline_gateway, groundline_orchestrator, groundline_retrieval, groundline_ticketing, groundline_workers;
