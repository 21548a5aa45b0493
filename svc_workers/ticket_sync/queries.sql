-- The cursors of feeds that are polled.

-- make_cursor --
-- A feed that was never read is read from now on.
insert into messaging.cursors (name) values ($1) on conflict on constraint cursors_pkey do nothing

-- take_cursor --
-- Leases a cursor for $2 seconds, unless somebody else has it.
update messaging.cursors
set lease_token = gen_random_uuid(), lease_expires_at = clock_timestamp() + make_interval(secs => $2::float8)
where name = $1 and (lease_expires_at is null or lease_expires_at <= clock_timestamp())
returning position, settled_at, lease_token

-- advance_cursor --
-- What was read up to $3 is in the outbox; the lease goes on for $5 seconds. No row: the lease is another's by now.
update messaging.cursors
set position = $3, settled_at = $4, lease_expires_at = clock_timestamp() + make_interval(secs => $5::float8)
where name = $1 and lease_token = $2 and lease_expires_at > clock_timestamp()
returning name

-- release_cursor --
-- Others need not wait for the lease to end.
update messaging.cursors set lease_expires_at = null where name = $1 and lease_token = $2
