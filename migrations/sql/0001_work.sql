-- People, the ledger of work (webhook events and notifications), the dead letters, and the log of what operators did.

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL,
    name text,
    time_zone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

CREATE TABLE webhook_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider text NOT NULL CHECK (provider IN ('stripe', 'resend')),
    provider_event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    livemode boolean,
    account text,
    api_version text,
    verified_by text,
    duplicates bigint NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'processed', 'ignored', 'failed')),
    attempts bigint NOT NULL DEFAULT 0,
    crashes bigint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sweep_at timestamptz NOT NULL DEFAULT now(),
    redrives bigint NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    lease_holder text,
    last_error text,
    finished_at timestamptz
);
ALTER TABLE webhook_events ALTER COLUMN body SET STORAGE EXTERNAL;  -- no compression: bodies of 3 kB are not worth the CPU at intake
CREATE UNIQUE INDEX webhook_events_provider_event_key ON webhook_events (provider, provider_event_id);
CREATE INDEX webhook_events_sweep_idx ON webhook_events (sweep_at) WHERE status IN ('pending', 'running');
CREATE INDEX webhook_events_received_idx ON webhook_events (received_at);

CREATE TABLE notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    notification_type text NOT NULL,
    recipient_email text NOT NULL,
    user_id uuid REFERENCES users (id),
    payload jsonb NOT NULL DEFAULT '{}',
    dedupe_key text NOT NULL,
    fingerprint text NOT NULL,
    send_at timestamptz,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'sent', 'suppressed', 'cancelled', 'dropped', 'failed')),
    attempts bigint NOT NULL DEFAULT 0,
    crashes bigint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    next_retry_at timestamptz GENERATED ALWAYS AS (next_attempt_at) STORED,  -- the mission's name for the same instant
    sweep_at timestamptz NOT NULL DEFAULT now(),
    redrives bigint NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    lease_holder text,
    last_error text,
    finished_at timestamptz,
    subject text,
    html_body text,
    text_body text,
    send_generation bigint NOT NULL DEFAULT 1,
    first_attempt_at timestamptz,
    outcome_unknown_at timestamptz,
    provider_message_id text,
    sent_at timestamptz,
    delivery_status text,
    delivery_status_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notifications_dedupe_key_key UNIQUE (dedupe_key)
);
CREATE INDEX notifications_sweep_idx ON notifications (sweep_at) WHERE status IN ('pending', 'running');
CREATE INDEX notifications_provider_message_idx ON notifications (provider_message_id) WHERE provider_message_id IS NOT NULL;
CREATE INDEX notifications_recipient_idx ON notifications (lower(recipient_email), created_at);
CREATE INDEX notifications_created_idx ON notifications (created_at);

CREATE TABLE notification_event_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    notification_id uuid NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    event text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempt bigint,
    duration_ms bigint,
    actor text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX notification_event_logs_timeline_idx ON notification_event_logs (notification_id, occurred_at);

CREATE TABLE suppressions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL CHECK (email = lower(email)),
    reason text NOT NULL,
    webhook_event_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    lifted_at timestamptz,
    lifted_by text,
    CONSTRAINT suppressions_email_key UNIQUE (email)
);

CREATE TABLE failed_operations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    operation_type text NOT NULL CHECK (operation_type IN ('email', 'webhook', 'job')),
    operation_id uuid NOT NULL,
    operation_name text NOT NULL,
    reason text NOT NULL,
    task_id text,
    event_data jsonb NOT NULL DEFAULT '{}',
    error_type text NOT NULL,
    error_message text NOT NULL,
    error_stack text,
    attempts bigint NOT NULL DEFAULT 0,
    occurrences bigint NOT NULL DEFAULT 1,
    needs_confirmation boolean NOT NULL DEFAULT false,
    retry_count bigint NOT NULL DEFAULT 0,
    last_retry_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_failed_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,
    resolution_note text
);
CREATE UNIQUE INDEX failed_operations_unresolved_key ON failed_operations (operation_type, operation_id) WHERE resolved_at IS NULL;
CREATE INDEX failed_operations_unresolved_idx ON failed_operations (created_at) WHERE resolved_at IS NULL;
CREATE INDEX failed_operations_type_idx ON failed_operations (operation_type, created_at);
CREATE INDEX failed_operations_operation_idx ON failed_operations (operation_id);

-- Rows hold the original event, which may name a person. A connection says which role it plays (``redrive.role``): Redrive's own
-- processes say ``service``, an operator's session ``admin``; a connection that says nothing sees no row and can change none.
ALTER TABLE failed_operations ENABLE ROW LEVEL SECURITY;
ALTER TABLE failed_operations FORCE ROW LEVEL SECURITY;
CREATE POLICY failed_operations_admins_only ON failed_operations
    USING (current_setting('redrive.role', true) IN ('admin', 'service'))
    WITH CHECK (current_setting('redrive.role', true) IN ('admin', 'service'));

CREATE TABLE audit_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    actor text NOT NULL,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_subject_idx ON audit_log (subject_id, created_at);
