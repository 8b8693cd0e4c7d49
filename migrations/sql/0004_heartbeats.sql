-- When each scheduled task last succeeded: the dead-man's switch looks here, and the reconciler continues from here.

CREATE TABLE heartbeats (
    name text PRIMARY KEY,
    last_success_at timestamptz NOT NULL DEFAULT now(),
    detail jsonb NOT NULL DEFAULT '{}'
);
