-- How people follow the notifications: what waits, how the last days went, what goes wrong and when somebody has to look.
-- Every view reads one range of one index, so that its cost is that of its window or its backlog and not that of the table.

CREATE INDEX notifications_finished_idx ON notifications (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX notifications_failed_idx ON notifications (finished_at) WHERE status = 'failed';
CREATE INDEX notification_event_logs_failures_idx ON notification_event_logs (occurred_at)
    WHERE event = 'attempted' AND detail ->> 'outcome' <> 'sent';
CREATE STATISTICS notification_event_logs_outcome ON (detail ->> 'outcome') FROM notification_event_logs;  -- that these are few

-- From the moment it could leave to the moment it did, in seconds; NULL while it has not.
CREATE FUNCTION processing_seconds(p_row notifications) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT extract(epoch FROM p_row.sent_at - greatest(p_row.created_at, p_row.send_at))::float8
$$;

-- What waits now, by kind.
CREATE VIEW notification_queue_status AS
SELECT notification_type,
       count(*) FILTER (WHERE state = 'due') AS due,
       count(*) FILTER (WHERE state = 'later') AS later,
       count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state <> 'running' AND attempts > 0) AS retrying,
       min(next_attempt_at) FILTER (WHERE state = 'due') AS oldest_due_at,
       coalesce(extract(epoch FROM now() - min(next_attempt_at) FILTER (WHERE state = 'due')), 0)::float8 AS oldest_due_seconds,
       min(next_attempt_at) FILTER (WHERE state = 'later') AS next_at
FROM (
    SELECT notification_type, next_attempt_at, attempts, CASE WHEN next_attempt_at <= now() THEN 'due' ELSE 'later' END AS state
    FROM notifications WHERE status = 'pending'
    UNION ALL
    SELECT notification_type, NULL, NULL, 'running' FROM notifications WHERE status = 'running'
) AS unfinished
GROUP BY notification_type;

-- What was queued in the last 24 hours and what became of it, by kind; the row ``all`` sums up.
CREATE VIEW notifications_dashboard_view AS
SELECT coalesce(notification_type, 'all') AS notification_type,
       count(*) AS queued,
       count(*) FILTER (WHERE status IN ('pending', 'running')) AS waiting,
       count(*) FILTER (WHERE status = 'sent') AS sent,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'suppressed') AS suppressed,
       count(*) FILTER (WHERE status IN ('cancelled', 'dropped')) AS cancelled,
       count(*) FILTER (WHERE delivery_status IN ('delivered', 'opened', 'clicked')) AS delivered,
       count(*) FILTER (WHERE delivery_status IN ('bounced', 'soft_bounced')) AS bounced,
       count(*) FILTER (WHERE delivery_status = 'complained') AS complained,
       round(100.0 * count(*) FILTER (WHERE status = 'sent') / nullif(count(*) FILTER (WHERE status IN ('sent', 'failed')), 0), 2)
           AS success_percent,
       avg(seconds) AS average_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95_seconds
FROM (
    SELECT notification_type, status, delivery_status, processing_seconds(n) AS seconds
    FROM notifications n WHERE created_at > now() - interval '24 hours'
) AS day
GROUP BY ROLLUP (notification_type);

-- The last 48 hours, one row for each, empty ones too: what came in, what left, and how long that took.
CREATE VIEW notification_processing_timeline AS
SELECT hours.hour, coalesce(queued, 0) AS queued, coalesce(sent, 0) AS sent, coalesce(failed, 0) AS failed,
       coalesce(suppressed, 0) AS suppressed, coalesce(cancelled, 0) AS cancelled, average_seconds, slowest_seconds
FROM (
    SELECT generate_series(newest - interval '47 hours', newest, interval '1 hour') AS hour
    FROM date_trunc('hour', now(), 'UTC') AS newest
) AS hours
LEFT JOIN (
    SELECT date_trunc('hour', created_at, 'UTC') AS hour, count(*) AS queued
    FROM notifications WHERE created_at >= date_trunc('hour', now(), 'UTC') - interval '47 hours' GROUP BY 1
) AS arrivals USING (hour)
LEFT JOIN (
    SELECT date_trunc('hour', finished_at, 'UTC') AS hour,
           count(*) FILTER (WHERE status = 'sent') AS sent,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'suppressed') AS suppressed,
           count(*) FILTER (WHERE status IN ('cancelled', 'dropped')) AS cancelled,
           avg(processing_seconds(n)) AS average_seconds,
           max(processing_seconds(n)) AS slowest_seconds
    FROM notifications n WHERE finished_at >= date_trunc('hour', now(), 'UTC') - interval '47 hours' GROUP BY 1
) AS endings USING (hour)
ORDER BY hours.hour;

-- What went wrong in the last 7 days, also where a later attempt succeeded: the commonest error first.
CREATE VIEW notification_error_summary AS
SELECT n.notification_type, split_part(coalesce(l.detail ->> 'error', 'unknown'), ':', 1) AS error,
       count(*) AS attempts,
       count(DISTINCT n.id) AS notifications,
       count(DISTINCT n.id) FILTER (WHERE n.status = 'failed') AS failed,
       count(DISTINCT n.id) FILTER (WHERE n.status IN ('pending', 'running')) AS still_trying,
       min(l.occurred_at) AS first_at,
       max(l.occurred_at) AS last_at,
       (array_agg(n.id ORDER BY l.occurred_at DESC))[1] AS newest_notification_id
FROM notification_event_logs l JOIN notifications n ON n.id = l.notification_id
WHERE l.event = 'attempted' AND l.detail ->> 'outcome' <> 'sent' AND l.occurred_at > now() - interval '7 days'
GROUP BY 1, 2
ORDER BY attempts DESC;

-- Every email that ended as ``failed``, the newest first, with its failed operation (whose columns only an admin's connection sees).
CREATE VIEW failed_notifications_report AS
SELECT n.id, n.notification_type, n.recipient_email, n.user_id, n.dedupe_key, n.attempts, n.redrives, n.created_at,
       n.finished_at AS failed_at, n.last_error, n.outcome_unknown_at IS NOT NULL AS may_have_been_sent, n.provider_message_id,
       operation.id AS failed_operation_id, operation.reason, operation.error_type, operation.needs_confirmation,
       operation.occurrences, operation.resolved_at, operation.resolved_by
FROM notifications n
LEFT JOIN LATERAL (
    SELECT * FROM failed_operations f WHERE f.operation_id = n.id AND f.operation_type = 'email' ORDER BY f.created_at DESC LIMIT 1
) AS operation ON true
WHERE n.status = 'failed'
ORDER BY n.finished_at DESC;

-- The four conditions under which somebody has to look; ``value`` is NULL where nothing was measured.
CREATE FUNCTION notification_alerts(
    p_backlog double precision DEFAULT 100,
    p_failures_an_hour double precision DEFAULT 10,
    p_average_seconds double precision DEFAULT 120,
    p_scheduler_silent_seconds double precision DEFAULT 300
) RETURNS TABLE (alert text, firing boolean, value double precision, threshold double precision, unit text)
LANGUAGE sql STABLE AS $$
    SELECT rule.alert, coalesce(rule.value > rule.threshold, rule.alert = 'scheduler_silent'), rule.value, rule.threshold, rule.unit
    FROM (VALUES
        ('backlog', (SELECT count(*) FROM notifications WHERE status = 'pending' AND next_attempt_at <= now())::float8,
            p_backlog, 'emails due'),
        ('permanent_failures', (SELECT count(*) FROM notifications WHERE status = 'failed' AND finished_at > now() - interval '1 hour')::float8,
            p_failures_an_hour, 'emails failed in an hour'),
        ('slow_processing', (SELECT avg(processing_seconds(n)) FROM notifications n
                             WHERE finished_at > now() - interval '1 hour' AND status = 'sent'),
            p_average_seconds, 'seconds on average, in an hour'),
        ('scheduler_silent', (SELECT extract(epoch FROM now() - coalesce(last_success_at, expected_since))::float8 FROM heartbeats
                              WHERE name = 'tasks.publish_waiting_work'),
            p_scheduler_silent_seconds, 'seconds since the last sweep')
    ) AS rule (alert, value, threshold, unit)
$$;
