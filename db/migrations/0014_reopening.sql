-- A ticket that is opened again takes its conversation along. What a conversation follows is ordered by when it happened to
-- the ticket: a change that arrives late, or once more, is older than what was followed since.
ALTER TABLE ticketing.tickets ADD COLUMN opened_at timestamptz;
ALTER TABLE conversation.sessions ADD COLUMN followed_at timestamptz;

CREATE OR REPLACE FUNCTION ticketing.stamp_change() RETURNS trigger
LANGUAGE plpgsql AS $$
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
