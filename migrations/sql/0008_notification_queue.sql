-- The queue for workers of any language: when to try again, claiming what is due, reporting what became of it, cancelling.
-- Each function does to ``notifications`` what ``models/work.py`` does, so that both may work on the same rows at the same time.

CREATE INDEX notifications_due_idx ON notifications (next_attempt_at) INCLUDE (notification_type, attempts) WHERE status = 'pending';
CREATE INDEX notifications_running_idx ON notifications (lease_expires_at) INCLUDE (notification_type) WHERE status = 'running';

-- After failed attempt 1, 2, 3, ...: 2, 4, 8, ... units from now and up to a quarter more, like ``tasks/backoff.py``.
CREATE FUNCTION calculate_next_retry(p_attempt bigint, p_unit interval DEFAULT '1 second', p_cap interval DEFAULT '1 hour')
RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    IF p_attempt IS NULL OR p_attempt < 1 THEN
        RAISE EXCEPTION 'p_attempt counts from 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN now() + make_interval(secs => (1 + 0.25 * random()) * least(
        extract(epoch FROM p_unit)::float8 * 2.0::float8 ^ least(p_attempt, 60), extract(epoch FROM p_cap)::float8));
END $$;

-- Under which names an address may stand in ``suppressions``: as it is, or as a hash, where its owner asked to be forgotten.
CREATE FUNCTION suppression_keys(p_email text) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY[lower(btrim(p_email)), 'sha256:' || encode(sha256(convert_to(lower(btrim(p_email)), 'UTF8')), 'hex')]
$$;

-- Whether mail to this address must not be sent.
CREATE FUNCTION is_suppressed(p_email text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM suppressions WHERE email = ANY (suppression_keys(p_email)) AND lifted_at IS NULL)
$$;

-- What the provider reports belongs to one of its mails: another mail for the same notification starts without reports.
CREATE FUNCTION forget_reports_of_earlier_mail() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.delivery_status := NULL;
    NEW.delivery_status_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER notifications_another_mail BEFORE UPDATE OF provider_message_id ON notifications
    FOR EACH ROW WHEN (OLD.provider_message_id <> NEW.provider_message_id) EXECUTE FUNCTION forget_reports_of_earlier_mail();

-- Claim up to ``p_limit`` due emails for ``p_lease``. The token fences each claim: only the newest one can end the attempt. A row
-- whose holder died is claimed again when its lease has run out. Two kinds of rows are left to Redrive's own worker, which buries
-- them: those claimed five times without an outcome, and those that the provider may have taken longer ago than it remembers keys.
CREATE FUNCTION get_queued_notifications(
    p_limit integer DEFAULT 10,
    p_lease interval DEFAULT '45 seconds',
    p_worker text DEFAULT 'sql'
) RETURNS TABLE (
    id uuid, token bigint, attempt bigint, crashes bigint, redrives bigint, notification_type text, recipient_email text, payload jsonb,
    user_id uuid, subject text, html_body text, text_body text, sender text, reply_to text, idempotency_key text,
    lease_expires_at timestamptz
)
LANGUAGE sql AS $$
    WITH expired AS (
        SELECT n.id, n.recipient_email FROM notifications n
        WHERE n.status = 'running' AND n.lease_expires_at <= now() AND n.crashes < 5
          AND (n.outcome_unknown_at IS NULL OR n.outcome_unknown_at > now() - interval '23 hours 50 minutes')
        ORDER BY n.lease_expires_at LIMIT greatest(p_limit, 0) FOR UPDATE SKIP LOCKED
    ), waiting AS (
        SELECT n.id, n.recipient_email FROM notifications n
        WHERE n.status = 'pending' AND n.next_attempt_at <= now() AND n.crashes < 5
          AND (n.outcome_unknown_at IS NULL OR n.outcome_unknown_at > now() - interval '23 hours 50 minutes')
        ORDER BY n.next_attempt_at LIMIT greatest(p_limit, 0) - (SELECT count(*) FROM expired) FOR UPDATE SKIP LOCKED
    ), due AS (
        SELECT found.id, is_suppressed(found.recipient_email) AS suppressed
        FROM (SELECT * FROM expired UNION ALL SELECT * FROM waiting) AS found
    ), stopped AS (
        UPDATE notifications n
        SET status = 'suppressed', finished_at = now(), crashes = 0, lease_expires_at = NULL, lease_holder = NULL,
            lease_token = n.lease_token + 1, last_error = 'not sent: the address bounced for good or complained'
        FROM due WHERE n.id = due.id AND due.suppressed
        RETURNING n.id
    ), logged AS (
        INSERT INTO notification_event_logs (notification_id, event, actor) SELECT stopped.id, 'suppressed', p_worker FROM stopped
    )
    UPDATE notifications n
    SET status = 'running', attempts = n.attempts + 1, crashes = n.crashes + 1, lease_token = n.lease_token + 1,
        lease_holder = coalesce(p_worker, 'sql'), lease_expires_at = now() + p_lease, sweep_at = now() + p_lease,
        first_attempt_at = coalesce(n.first_attempt_at, now()), outcome_unknown_at = coalesce(n.outcome_unknown_at, now())
    FROM due WHERE n.id = due.id AND NOT due.suppressed
    RETURNING n.id, n.lease_token, n.attempts, n.crashes - 1, n.redrives, n.notification_type, n.recipient_email, n.payload,
        n.user_id, n.subject, n.html_body, n.text_body, n.sender, n.reply_to, 'redrive/' || n.id || '/' || n.send_generation,
        n.lease_expires_at
$$;

-- End the attempt that ``p_token`` names, as ``sent`` (with the provider's id), ``retry`` (``failed`` when the attempts are used up),
-- ``deferred`` (not tried, not counted), ``failed``, ``suppressed``, ``cancelled`` or ``dropped``; returns the row's status.
-- SQLSTATE RD001: the claim is no longer the newest, so nothing of this attempt may be stored.
CREATE FUNCTION update_notification_status(
    p_id uuid,
    p_token bigint,
    p_status text,
    p_provider_message_id text DEFAULT NULL,
    p_error text DEFAULT NULL,
    p_retry_in interval DEFAULT NULL,
    p_max_attempts bigint DEFAULT 4,
    p_duration_ms bigint DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_row notifications;
    v_status text;
    v_error text := left(p_error, 1000);
    v_logged text := regexp_replace(v_error, '[^\s<>]+@[^\s<>]+', '(address)', 'g');
    v_due timestamptz;
BEGIN
    SELECT * INTO v_row FROM notifications WHERE id = p_id AND status = 'running' AND lease_token = p_token FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'notification %: lease % was lost', p_id, p_token USING ERRCODE = 'RD001';
    END IF;
    v_status := CASE
        WHEN p_status = 'deferred' OR (p_status = 'retry' AND v_row.attempts < p_max_attempts) THEN 'pending'
        WHEN p_status = 'retry' THEN 'failed'
        WHEN p_status IN ('sent', 'failed', 'suppressed', 'cancelled', 'dropped') THEN p_status
    END;
    IF v_status IS NULL THEN
        RAISE EXCEPTION 'p_status is not one of sent, retry, deferred, failed, suppressed, cancelled, dropped'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF v_status = 'sent' AND coalesce(btrim(p_provider_message_id), '') = '' THEN
        RAISE EXCEPTION 'p_provider_message_id is empty: what was sent has an id' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF v_status = 'pending' THEN
        v_due := coalesce(now() + p_retry_in,
            CASE p_status WHEN 'deferred' THEN now() + interval '1 minute' ELSE calculate_next_retry(v_row.attempts) END);
    END IF;

    UPDATE notifications
    SET status = v_status, crashes = 0, lease_expires_at = NULL, lease_holder = NULL,
        attempts = CASE p_status WHEN 'deferred' THEN attempts - 1 ELSE attempts END,
        next_attempt_at = coalesce(v_due, next_attempt_at), sweep_at = coalesce(v_due, sweep_at),
        finished_at = CASE WHEN v_status <> 'pending' THEN now() END,
        last_error = CASE WHEN v_status <> 'sent' THEN v_error END,
        outcome_unknown_at = CASE WHEN v_status <> 'sent' AND NOT (p_status = 'deferred' AND attempts = 1) THEN outcome_unknown_at END,
        sent_at = CASE v_status WHEN 'sent' THEN now() ELSE sent_at END,
        provider_message_id = CASE v_status WHEN 'sent' THEN p_provider_message_id ELSE provider_message_id END
    WHERE id = p_id;

    IF p_status IN ('sent', 'retry', 'failed') THEN
        PERFORM log_notification_event(v_row, 'attempted', p_duration_ms,
            jsonb_build_object('outcome', CASE v_status WHEN 'sent' THEN 'sent' ELSE 'failed' END, 'error', v_logged));
    ELSE
        PERFORM log_notification_event(v_row, p_status, p_duration_ms, jsonb_build_object('why', v_logged));
    END IF;
    IF v_status = 'sent' THEN
        PERFORM log_notification_event(v_row, 'sent', NULL, jsonb_build_object('provider_message_id', p_provider_message_id));
    ELSIF v_status = 'failed' THEN
        PERFORM log_notification_event(v_row, 'dead', NULL, jsonb_build_object('error', v_logged));
        PERFORM record_notification_failure(v_row, CASE p_status WHEN 'retry' THEN 'retries_exhausted' ELSE 'permanent' END, v_error);
    END IF;
    IF v_status NOT IN ('pending', 'failed') AND v_row.redrives > 0 THEN
        PERFORM resolve_notification_failure(v_row);
    END IF;
    RETURN v_status;
END $$;

CREATE FUNCTION log_notification_event(p_row notifications, p_event text, p_duration_ms bigint, p_detail jsonb) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO notification_event_logs (notification_id, event, attempt, duration_ms, actor, detail)
    VALUES (p_row.id, p_event, p_row.attempts, p_duration_ms, p_row.lease_holder, jsonb_strip_nulls(p_detail))
$$;

-- The same row that ``tasks/dead_letters.py`` writes: at most one unresolved one for each email. Row-level security lets only Redrive's
-- own connections and admins write it, so this function plays that role while it does.
CREATE FUNCTION record_notification_failure(p_row notifications, p_reason text, p_error text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_role text := coalesce(current_setting('redrive.role', true), '');
BEGIN
    PERFORM set_config('redrive.role', 'service', true);
    INSERT INTO failed_operations
        (operation_type, operation_id, operation_name, reason, event_data, error_type, error_message, attempts)
    VALUES ('email', p_row.id, 'tasks.send_' || p_row.notification_type || '_email', p_reason,
            jsonb_build_object('notification_type', p_row.notification_type, 'recipient_email', p_row.recipient_email,
                'payload', p_row.payload, 'dedupe_key', p_row.dedupe_key, 'send_at', p_row.send_at, 'subject', p_row.subject),
            'ReportedBySql', coalesce(p_error, 'no error was given'), p_row.attempts)
    ON CONFLICT (operation_type, operation_id) WHERE resolved_at IS NULL DO UPDATE
    SET occurrences = failed_operations.occurrences + 1, last_failed_at = now(), reason = excluded.reason, task_id = NULL,
        error_type = excluded.error_type, error_message = excluded.error_message, attempts = excluded.attempts;
    PERFORM set_config('redrive.role', v_role, true);
END $$;

CREATE FUNCTION resolve_notification_failure(p_row notifications) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_role text := coalesce(current_setting('redrive.role', true), '');
BEGIN
    PERFORM set_config('redrive.role', 'service', true);
    UPDATE failed_operations
    SET resolved_at = now(), resolved_by = 'redrive', resolution_note = 'succeeded after redrive ' || p_row.redrives
    WHERE operation_type = 'email' AND operation_id = p_row.id AND resolved_at IS NULL;
    PERFORM set_config('redrive.role', v_role, true);
END $$;

-- Cancel an email that has not left; false if it has left, may have left, or has ended otherwise; NULL if there is none.
CREATE FUNCTION cancel_notification(p_id uuid, p_actor text DEFAULT 'sql') RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_status text;
BEGIN
    UPDATE notifications SET status = 'cancelled', finished_at = now(), lease_token = lease_token + 1
    WHERE id = p_id AND status = 'pending' AND outcome_unknown_at IS NULL;
    IF FOUND THEN
        INSERT INTO notification_event_logs (notification_id, event, actor) VALUES (p_id, 'cancelled', p_actor);
        RETURN true;
    END IF;
    SELECT status INTO v_status FROM notifications WHERE id = p_id;
    RETURN v_status = 'cancelled';
END $$;
