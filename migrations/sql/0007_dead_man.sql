-- The dead-man's switch: tasks that are expected although they never ran, and the alerts that people were told.

ALTER TABLE heartbeats
    ALTER COLUMN last_success_at DROP NOT NULL,  -- NULL: expected since ``expected_since`` and never succeeded
    ADD COLUMN expected_since timestamptz NOT NULL DEFAULT now();

CREATE TABLE alerts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    key text NOT NULL,
    level text NOT NULL CHECK (level IN ('info', 'warning', 'error', 'critical')),
    summary text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    told jsonb NOT NULL DEFAULT '{}',  -- channel → what it was told last: opened or closed
    tries bigint NOT NULL DEFAULT 0,
    tell_at timestamptz DEFAULT now()  -- NULL: everybody knows
);
CREATE UNIQUE INDEX alerts_open_key ON alerts (key) WHERE closed_at IS NULL;
CREATE INDEX alerts_tell_idx ON alerts (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX alerts_opened_idx ON alerts (opened_at);
