-- A follower of a command that waits long is set aside, so that claims don't look at it again and again. Only a hint: what
-- may be claimed is still asked of the earlier commands themselves.
ALTER TABLE messaging.outbox ADD COLUMN parked boolean NOT NULL DEFAULT false;
CREATE INDEX outbox_claimable_idx ON messaging.outbox (type, next_attempt_at, outbox_id)
    WHERE status = 'pending' AND NOT parked;
CREATE INDEX outbox_parked_idx ON messaging.outbox (outbox_id) WHERE status = 'pending' AND parked;
-- Its part is the new index's.
DROP INDEX messaging.outbox_due_idx;

-- What is old is deleted in the order of its age.
CREATE INDEX inbox_created_idx ON messaging.inbox (created_at);
CREATE INDEX answered_requests_created_idx ON knowledge.answered_requests (created_at);
GRANT SELECT, DELETE ON knowledge.answered_requests TO groundline_workers;
