-- The polling fallback of ticket sync: what a conversation must follow is found in the tickets themselves, by the order of
-- their changes, where the event of it was never written or is lost.

-- That order is the database's own, whatever road writes: a time that a writer brings may lie before what was read already.
CREATE FUNCTION ticketing.stamp_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- It rises even if the clock stands or steps back.
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    RETURN NEW;
END
$$;
CREATE TRIGGER tickets_stamp_change BEFORE INSERT OR UPDATE ON ticketing.tickets
    FOR EACH ROW EXECUTE FUNCTION ticketing.stamp_change();

-- Who opened it without being asked by the conversation, which must follow then; empty: not known who, NULL: the
-- conversation asked for it. Of tickets from before, all is mirrored.
ALTER TABLE ticketing.tickets ADD COLUMN opened_by text;
ALTER TABLE ticketing.tickets ALTER COLUMN opened_by SET DEFAULT '';
-- Who resolved it, likewise; NULL: the customer had closed the conversation. Says nothing while it is not resolved.
ALTER TABLE ticketing.tickets ADD COLUMN resolved_by text DEFAULT '';

-- Replies to customers in their order.
CREATE INDEX ticket_comments_replies_idx ON ticketing.ticket_comments (created_at, comment_id)
    WHERE author_type = 'agent' AND visibility = 'public';

-- How far a feed was read, by whoever has the lease.
CREATE TABLE messaging.cursors (
    name text CONSTRAINT cursors_pkey PRIMARY KEY,
    -- The feed's own words for where to go on; empty: begin at settled_at.
    position text NOT NULL DEFAULT '',
    -- Everything up to here was read and is in the outbox. A new feed begins with the present.
    settled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_token uuid,
    lease_expires_at timestamptz
);
GRANT SELECT, INSERT, UPDATE ON messaging.cursors TO groundline_workers;
