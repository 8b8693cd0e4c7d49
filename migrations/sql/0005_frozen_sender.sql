-- Who a mail is from is part of what the provider compares under an idempotency key, so it is frozen with the body.
ALTER TABLE notifications ADD COLUMN sender text, ADD COLUMN reply_to text;
