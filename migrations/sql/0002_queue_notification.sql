-- The one way in for every email: any language can promise one in its own transaction, idempotent by ``p_dedupe_key``.

CREATE FUNCTION queue_notification(
    p_type text,
    p_recipient_email text,
    p_payload jsonb DEFAULT '{}',
    p_dedupe_key text DEFAULT NULL,
    p_user_id uuid DEFAULT NULL,
    p_send_at timestamptz DEFAULT NULL,
    p_publish_grace interval DEFAULT '0'  -- how long the sweep leaves the row to a caller who publishes a message himself
) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    v_recipient text := btrim(p_recipient_email);
    v_payload jsonb := coalesce(p_payload, '{}');
    v_due timestamptz := coalesce(p_send_at, now());
    v_fingerprint text;
    v_known record;
    v_id uuid;
BEGIN
    IF coalesce(p_type, '') !~ '^[a-z][a-z0-9_]{0,59}$' THEN
        RAISE EXCEPTION 'p_type does not name a kind of email, for example ''welcome''' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF v_recipient IS NULL OR length(v_recipient) > 320 OR v_recipient !~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;]+$' THEN
        RAISE EXCEPTION 'p_recipient_email is not an email address' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(v_payload) <> 'object' THEN
        RAISE EXCEPTION 'p_payload must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF btrim(p_dedupe_key) = '' OR length(p_dedupe_key) > 255 THEN
        RAISE EXCEPTION 'p_dedupe_key has 1 to 255 characters, or is NULL' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT isfinite(v_due) THEN
        RAISE EXCEPTION 'p_send_at is not a moment' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_fingerprint := md5(jsonb_build_array(p_type, v_recipient, v_payload, p_user_id, extract(epoch FROM p_send_at))::text);

    LOOP
        INSERT INTO notifications
            (notification_type, recipient_email, payload, dedupe_key, fingerprint, user_id, send_at, next_attempt_at, sweep_at)
        VALUES (p_type, v_recipient, v_payload, coalesce(p_dedupe_key, 'auto/' || gen_random_uuid()), v_fingerprint, p_user_id, p_send_at,
                v_due, v_due + p_publish_grace)
        ON CONFLICT (dedupe_key) DO NOTHING
        RETURNING id INTO v_id;
        EXIT WHEN v_id IS NOT NULL;

        SELECT id, fingerprint INTO v_known FROM notifications WHERE dedupe_key = p_dedupe_key;
        CONTINUE WHEN NOT FOUND;  -- it was removed between the two statements, so the key is free again
        IF v_known.fingerprint <> v_fingerprint AND v_known.fingerprint <> '' THEN  -- empty: its personal data were removed since
            RAISE EXCEPTION 'dedupe_key % was used before for another notification', quote_literal(p_dedupe_key)
                USING ERRCODE = 'unique_violation', HINT = 'Use a new key for a new email, or send exactly the same one again.';
        END IF;
        RETURN v_known.id;
    END LOOP;

    INSERT INTO notification_event_logs (notification_id, event, detail)
    VALUES (v_id, 'queued', jsonb_strip_nulls(jsonb_build_object('send_at', p_send_at)));
    -- Not for a caller who publishes himself, nor for later: commits that notify wait for each other.
    IF p_publish_grace <= interval '0' AND v_due <= now() THEN
        PERFORM pg_notify('redrive_notifications', '');
    END IF;
    RETURN v_id;
END $$;
