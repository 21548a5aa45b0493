-- receive_once --
-- Remembers a delivery; returns no row if it was remembered before.
insert into messaging.inbox (consumer, key)
values ($1, $2)
on conflict do nothing
returning key
