"""The SQL around ``benchmarks.reminder_sweep``: the made-up people and meetings, and the bare way into the same tables."""

from __future__ import annotations

FILL = (
    b"""INSERT INTO users (email, name, time_zone)
    SELECT 'person' || n || '@example.com', 'Person ' || n, 'Europe/Berlin' FROM generate_series(1, %(rows)s) n""",
    # Due within the two hours around now, at whole minutes, so that thousands share each instant.
    b"""INSERT INTO meetings (user_id, title, scheduled_at, join_url)
    SELECT id, 'Quarterly review', date_trunc('minute', now()) + interval '24 hours' + (floor(random() * 100) - 50) * interval '1 minute',
        'https://meet.example.com/' || id
    FROM users""",
    b"""INSERT INTO meetings (user_id, title, scheduled_at)
    SELECT id, 'Another day', now() + interval '3 days' + random() * interval '300 days' FROM users""",
)

TIDY = (
    b"TRUNCATE notifications, notification_event_logs, reminders_sent, heartbeats",
    b"VACUUM ANALYZE",
)

_DUE = b"""FROM meetings m JOIN users u ON u.id = m.user_id
    WHERE m.status = 'scheduled' AND m.scheduled_at > now() + interval '12 hours' AND m.scheduled_at <= now() + interval '25 hours'"""

CLAIMS_ALONE = (
    b"""INSERT INTO reminders_sent (entity_type, entity_id, reminder_type, user_id, occurrence)
    SELECT 'MEETING', m.id, '24h', m.user_id, m.scheduled_at """
    + _DUE,
)

BARE = (
    *CLAIMS_ALONE,
    b"""INSERT INTO notifications (notification_type, recipient_email, user_id, payload, dedupe_key, fingerprint, next_attempt_at, sweep_at)
    SELECT 'meeting_reminder', u.email, m.user_id,
        jsonb_build_object('name', u.name, 'title', m.title, 'starts_at', m.scheduled_at, 'time_zone', u.time_zone, 'join_url', m.join_url),
        'reminder/' || m.id, '', m.scheduled_at - interval '24 hours', m.scheduled_at - interval '24 hours' """
    + _DUE,
    b"INSERT INTO notification_event_logs (notification_id, event) SELECT id, 'queued' FROM notifications",
)

COUNTS = (
    b"SELECT count(*) FROM reminders_sent",
    b"SELECT count(*) FROM notifications",
    b"SELECT count(*) FROM notifications JOIN reminders_sent USING (id)",
    b"SELECT count(DISTINCT user_id) FROM notifications",
    b"SELECT count(DISTINCT notification_id) FROM notification_event_logs",
)
