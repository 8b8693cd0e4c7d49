-- Reminders: what can be reminded of (meetings, and one table for everything else that has a date), and who was claimed for what.

CREATE TABLE meetings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 250),
    scheduled_at timestamptz NOT NULL CHECK (isfinite(scheduled_at)),
    status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'completed', 'cancelled')),
    join_url text,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The id comes last so that the sweep can walk through thousands of meetings of one instant without reading any of them twice.
CREATE INDEX meetings_scheduled_at_status_idx ON meetings (scheduled_at, status, id);
CREATE INDEX meetings_user_idx ON meetings (user_id, scheduled_at);

CREATE TABLE dated_entities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text NOT NULL CHECK (entity_type ~ '^[A-Z][A-Z0-9_]{0,59}$'),
    user_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 250),
    scheduled_at timestamptz NOT NULL CHECK (isfinite(scheduled_at)),
    status text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'completed', 'cancelled')),
    weekly boolean NOT NULL DEFAULT false,
    link_url text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dated_entities_scheduled_at_status_idx ON dated_entities (entity_type, scheduled_at, status, id);
CREATE INDEX dated_entities_user_idx ON dated_entities (user_id, scheduled_at);

-- A claim on one reminder. ``occurrence`` is the instant of the event, so that one which was moved can be reminded of again;
-- ``id`` is also the id of the notification that was queued with it. Entities and people may live in tables of the shop's own.
CREATE TABLE reminders_sent (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text NOT NULL CHECK (entity_type ~ '^[A-Z][A-Z0-9_]{0,59}$'),
    entity_id uuid NOT NULL,
    reminder_type text NOT NULL CHECK (length(reminder_type) BETWEEN 1 AND 60),
    user_id uuid NOT NULL,
    occurrence timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reminders_sent_key UNIQUE (entity_type, entity_id, reminder_type, user_id, occurrence)
);
CREATE INDEX reminders_sent_claimed_idx ON reminders_sent (claimed_at);

-- How long something is still away, as people say it: 45 minutes, 1 hour, 24 hours, 3 days, 1 week.
-- Not in the language SQL: what cannot be inlined there costs fifty times as much as this for each row.
CREATE FUNCTION time_left_in_words(p_left interval) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    minutes bigint := round(extract(epoch FROM p_left) / 60);
BEGIN
    RETURN CASE
        WHEN minutes <= 1 THEN '1 minute'
        WHEN minutes = 60 THEN '1 hour'
        WHEN minutes < 120 THEN minutes || ' minutes'
        WHEN minutes < 2 * 1440 THEN round(minutes / 60.0) || ' hours'
        WHEN minutes = 7 * 1440 THEN '1 week'
        WHEN minutes % (7 * 1440) = 0 THEN minutes / (7 * 1440) || ' weeks'
        ELSE round(minutes / 1440.0) || ' days'
    END;
END $$;
