-- ``erased_at``: when a finished row's personal data were removed. The partial indexes hold exactly what the nightly task still has to
-- look at, so that a night with nothing to do reads nothing.

ALTER TABLE notifications ADD COLUMN erased_at timestamptz;
ALTER TABLE webhook_events ADD COLUMN erased_at timestamptz;
ALTER TABLE failed_operations ADD COLUMN erased_at timestamptz;

CREATE INDEX notifications_erase_idx ON notifications (finished_at) WHERE finished_at IS NOT NULL AND erased_at IS NULL;
CREATE INDEX webhook_events_erase_idx ON webhook_events (finished_at) WHERE finished_at IS NOT NULL AND erased_at IS NULL;
CREATE INDEX failed_operations_erase_idx ON failed_operations (resolved_at) WHERE resolved_at IS NOT NULL AND erased_at IS NULL;
