-- put_command --
-- Adds a command; a repeated idempotency key changes nothing and returns no row.
insert into messaging.outbox
    (outbox_id, type, payload_json, idempotency_key, ordering_key, status, attempts, next_attempt_at, trace_context)
values
    ($1, $2, $3::text::jsonb, $4, $5, 'pending', 0, now() + make_interval(secs => $6::float8), $7)
on conflict on constraint outbox_idempotency_key_key do nothing
returning outbox_id

-- claim_outbox --
-- Oldest due commands of each type, as many as that type has free places; rival relays skip locked rows.
-- A command waits while an earlier one with its ordering key is pending, leased or in backoff: nothing else blocks it.
-- The attempt is counted here ($4 is 1), so that one which kills its worker counts too; publishing is none ($4 is 0).
-- A later attempt's lease is longer, by chance: what died together with its worker is not to come back together, or the
-- one that kills workers takes the attempts of all others along.
-- An array of ids and not a join: of how many rows a limit that is a parameter lets through, the planner thinks too much,
-- and reads the whole table for them. The parameters' own selects keep it from planning anew for each claim.
update messaging.outbox claimed
set lease_token = gen_random_uuid(),
    lease_expires_at = now() + make_interval(secs => $3::float8 + $4::int * random() * least(4 ^ claimed.attempts - 1, 30)),
    attempts = claimed.attempts + $4::int
where claimed.outbox_id = any (array(
    select found.outbox_id
    from unnest((select $1::text[]), (select $2::int[])) as wanted (type, free)
    cross join lateral (
        select o.outbox_id
        from messaging.outbox o
        where o.status = 'pending'
          and not o.parked
          and o.type = wanted.type
          and o.next_attempt_at <= now()
          and (o.lease_expires_at is null or o.lease_expires_at <= now())
          and not exists (
              select from messaging.outbox earlier
              where earlier.ordering_key = o.ordering_key
                and earlier.status = 'pending'
                and earlier.outbox_id < o.outbox_id
          )
        order by o.next_attempt_at, o.outbox_id
        limit wanted.free
        for update skip locked
    ) found
))
returning claimed.outbox_id, claimed.type, claimed.payload_json::text as payload_json, claimed.idempotency_key as key,
    claimed.ordering_key, claimed.attempts, claimed.lease_token, coalesce(claimed.trace_context, '') as traceparent

-- take_delivered --
-- Leases commands that a broker delivered, where the lease is free or is that of the message's own publication.
-- One row for each command delivered: with a lease if it was taken, else with its status and for how long it is held.
-- Counts the attempt, as above.
with delivered as (
    select * from unnest($1::uuid[], $2::text[], $3::uuid[]) as each (outbox_id, type, publication)
),
free as (
    select o.outbox_id
    from messaging.outbox o
    join delivered d on d.outbox_id = o.outbox_id and d.type = o.type
    where o.status = 'pending'
      and (o.lease_expires_at is null or o.lease_expires_at <= now() or o.lease_token = d.publication)
    order by o.outbox_id
    for update of o skip locked
),
taken as (
    update messaging.outbox o
    set lease_token = gen_random_uuid(),
        lease_expires_at = now() + make_interval(secs => $4::float8),
        attempts = o.attempts + 1
    from free
    where o.outbox_id = free.outbox_id
    returning o.outbox_id, o.idempotency_key, o.ordering_key, o.attempts, o.lease_token, o.trace_context
)
select d.outbox_id, d.type, o.status,
    case when o.lease_token = d.publication then 0
         else greatest(0, coalesce(extract(epoch from o.lease_expires_at - now()), 0)) end::float8 as held_s,
    t.idempotency_key as key, t.ordering_key, t.attempts, t.lease_token, coalesce(t.trace_context, '') as traceparent
from delivered d
left join messaging.outbox o on o.outbox_id = d.outbox_id and o.type = d.type
left join taken t on t.outbox_id = d.outbox_id

-- still_pending --
-- Which of the commands that were published are not settled yet.
select outbox_id
from messaging.outbox
where outbox_id = any ($1::uuid[]) and status = 'pending'

-- complete --
-- Marks a command done, for the holder of its lease.
update messaging.outbox
set status = 'done', done_at = now(), lease_token = null, lease_expires_at = null, last_error = null
where outbox_id = $1 and lease_token = $2 and status = 'pending'
returning outbox_id

-- complete_many --
-- Marks commands done, for the holders of their leases, and lets the next of each ordering key be claimed if it was set
-- aside. Locked in one order, so that two such statements never wait for each other.
with held as (
    select o.outbox_id
    from messaging.outbox o
    join unnest($1::uuid[], $2::uuid[]) as given (outbox_id, lease_token)
        on o.outbox_id = given.outbox_id and o.lease_token = given.lease_token
    where o.status = 'pending'
    order by o.outbox_id
    for update of o
),
finished as (
    update messaging.outbox o
    set status = 'done', done_at = now(), lease_token = null, lease_expires_at = null, last_error = null
    from held
    where o.outbox_id = held.outbox_id
    returning o.outbox_id, o.ordering_key
),
next_ones as (
    update messaging.outbox o
    set parked = false
    from finished f
    cross join lateral (
        select n.outbox_id
        from messaging.outbox n
        where n.ordering_key = f.ordering_key and n.status = 'pending' and n.outbox_id > f.outbox_id
        order by n.outbox_id
        limit 1
    ) following
    where o.outbox_id = following.outbox_id and o.status = 'pending' and o.parked
)
select outbox_id from finished

-- park_followers --
-- Sets commands aside whose turn can't come soon: an earlier one of their ordering key is in backoff. Found from those,
-- which are few, and not from all that is due.
with blocked as (
    select follower.outbox_id
    from messaging.outbox head
    cross join lateral (
        select o.outbox_id
        from messaging.outbox o
        where o.ordering_key = head.ordering_key
          and o.outbox_id > head.outbox_id
          and o.status = 'pending'
          and not o.parked
          and (o.lease_expires_at is null or o.lease_expires_at <= now())
        limit $2
        for update skip locked
    ) follower
    where head.status = 'pending'
      and not head.parked
      and head.ordering_key is not null
      and head.next_attempt_at > now() + make_interval(secs => $1::float8)
    limit $2
)
update messaging.outbox o
set parked = true
from blocked
where o.outbox_id = blocked.outbox_id
returning o.outbox_id

-- unpark_heads --
-- Takes back what was set aside and is the first of its ordering key now. `complete_many` does so at once; this is for
-- commands that ended another way, and for those that were set aside in the same moment.
with free as (
    select o.outbox_id
    from messaging.outbox o
    where o.status = 'pending'
      and o.parked
      and not exists (
          select from messaging.outbox earlier
          where earlier.ordering_key = o.ordering_key and earlier.status = 'pending' and earlier.outbox_id < o.outbox_id
      )
    for update skip locked
)
update messaging.outbox o
set parked = false
from free
where o.outbox_id = free.outbox_id
returning o.outbox_id

-- purge_done --
-- Deletes the oldest commands that are done for longer than $1 seconds, at most $2.
delete from messaging.outbox
where outbox_id in (
    select outbox_id from messaging.outbox
    where status = 'done' and done_at < now() - make_interval(secs => $1::float8)
    order by done_at
    limit $2
    for update skip locked
)

-- purge_inbox --
-- Deletes the oldest deliveries that were remembered longer than $1 seconds ago, at most $2.
delete from messaging.inbox
where ctid = any (array(
    select ctid from messaging.inbox
    where created_at < now() - make_interval(secs => $1::float8)
    order by created_at
    limit $2
    for update skip locked
))

-- complete_keys --
-- Marks commands done whose effect committed elsewhere; a relay that holds a lease on one finds it gone.
update messaging.outbox
set status = 'done', done_at = now(), lease_token = null, lease_expires_at = null, last_error = null
where idempotency_key = any ($1::text[]) and status = 'pending'
returning outbox_id

-- retry --
-- Gives a command back, due again later.
update messaging.outbox
set lease_token = null, lease_expires_at = null, last_error = $3,
    next_attempt_at = now() + make_interval(secs => $4::float8)
where outbox_id = $1 and lease_token = $2 and status = 'pending'
returning outbox_id

-- uncount --
-- Takes the claim's attempt back, before the command is given back.
update messaging.outbox
set attempts = attempts - 1
where outbox_id = $1 and lease_token = $2 and status = 'pending'

-- bury --
-- Gives a command up until a person looks at it.
update messaging.outbox
set status = 'dead', lease_token = null, lease_expires_at = null, last_error = $3
where outbox_id = $1 and lease_token = $2 and status = 'pending'
returning outbox_id

-- extend --
-- Prolongs the leases that are still held. Commands that are done count as held: an effect that completed its own
-- command in mid-attempt (a turn's commit) must not have the rest of the attempt cut off.
with held as (
    select * from unnest($1::uuid[], $2::uuid[]) as given (outbox_id, lease_token)
), locked as (
    select o.outbox_id
    from messaging.outbox o
    join held on held.outbox_id = o.outbox_id and held.lease_token = o.lease_token
    where o.status = 'pending'
    order by o.outbox_id
    for update of o
), extended as (
    update messaging.outbox o
    set lease_expires_at = greatest(o.lease_expires_at, now() + make_interval(secs => $3::float8))
    from locked
    where o.outbox_id = locked.outbox_id
    returning o.outbox_id
)
select outbox_id from extended
union all
select o.outbox_id from messaging.outbox o join held on held.outbox_id = o.outbox_id where o.status = 'done'

-- depths --
-- Backlog by type, for metrics. A command that was put for later has no age before its time.
select type,
       count(*) filter (where status = 'pending') as pending,
       count(*) filter (where status = 'dead') as dead,
       coalesce(extract(epoch from now() - min(created_at) filter (
           where status = 'pending' and (attempts > 0 or next_attempt_at <= now()))), 0)::float8 as oldest_age_s
from messaging.outbox
-- Said so that the two partial indexes serve; the done ones are many.
where status = 'pending' or status = 'dead'
group by type
