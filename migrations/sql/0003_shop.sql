-- The shop: leads, purchases with their items, credits as a ledger, and what Stripe reported about money that moved after a payment.

CREATE TABLE purchases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('leads', 'credits', 'products')),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'awaiting_payment', 'completed', 'cancelled')),
    buyer_email text NOT NULL CHECK (buyer_email ~ '^[^@[:space:]<>,;]+@[^@[:space:]<>,;]+$'),
    buyer_name text,
    user_id uuid REFERENCES users (id),
    currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    refunded_cents bigint NOT NULL DEFAULT 0 CHECK (refunded_cents BETWEEN 0 AND amount_cents),
    refunds_announced_cents bigint NOT NULL DEFAULT 0 CHECK (refunds_announced_cents >= 0),
    stripe_checkout_session_id text,
    stripe_payment_intent_id text,
    checkout_url text,
    idempotency_key text,
    request_fingerprint text,
    completed_at timestamptz,
    fulfilled_at timestamptz,
    refunded_at timestamptz,
    cancelled_at timestamptz,
    disputed_at timestamptz,
    dispute_status text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT purchases_stripe_checkout_session_key UNIQUE (stripe_checkout_session_id),
    CONSTRAINT purchases_stripe_payment_intent_key UNIQUE (stripe_payment_intent_id),
    CONSTRAINT purchases_idempotency_key_key UNIQUE (idempotency_key),
    CONSTRAINT purchases_completed_check CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT purchases_cancelled_check CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT purchases_fulfilled_check CHECK (fulfilled_at IS NULL OR status = 'completed'),
    CONSTRAINT purchases_refunded_check CHECK ((refunded_cents > 0) = (refunded_at IS NOT NULL)),
    CONSTRAINT purchases_disputed_check CHECK ((dispute_status IS NULL) = (disputed_at IS NULL)),
    CONSTRAINT purchases_request_check CHECK ((idempotency_key IS NULL) = (request_fingerprint IS NULL))
);
CREATE INDEX purchases_buyer_idx ON purchases (lower(buyer_email), created_at);
CREATE INDEX purchases_user_idx ON purchases (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX purchases_created_idx ON purchases (created_at);

CREATE TABLE leads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 250),
    summary text,
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    currency text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    sold_at timestamptz,
    sold_to_purchase_id uuid REFERENCES purchases (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT leads_sold_check CHECK ((sold_at IS NULL) = (sold_to_purchase_id IS NULL))
);
CREATE INDEX leads_sold_to_purchase_idx ON leads (sold_to_purchase_id) WHERE sold_to_purchase_id IS NOT NULL;
CREATE INDEX leads_for_sale_idx ON leads (created_at) WHERE sold_at IS NULL;

CREATE TABLE purchase_items (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    purchase_id uuid NOT NULL REFERENCES purchases (id) ON DELETE CASCADE,
    position bigint NOT NULL CHECK (position >= 1),
    lead_id uuid REFERENCES leads (id),
    description text NOT NULL CHECK (length(description) BETWEEN 1 AND 250),
    quantity bigint NOT NULL CHECK (quantity >= 1),
    unit_amount_cents bigint NOT NULL CHECK (unit_amount_cents >= 0),
    credits bigint CHECK (credits >= 1),
    CONSTRAINT purchase_items_position_key UNIQUE (purchase_id, position),
    CONSTRAINT purchase_items_lead_key UNIQUE (purchase_id, lead_id),
    CONSTRAINT purchase_items_grant_check CHECK (num_nonnulls(lead_id, credits) <= 1)
);
CREATE INDEX purchase_items_lead_idx ON purchase_items (lead_id) WHERE lead_id IS NOT NULL;

-- A balance is the sum of its entries; ``cause`` names what an entry came from, so that doing it twice adds nothing.
CREATE TABLE credit_entries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    purchase_id uuid REFERENCES purchases (id),
    amount bigint NOT NULL CHECK (amount <> 0),
    reason text NOT NULL CHECK (reason IN ('purchase', 'refund', 'refund_failed', 'adjustment')),
    cause text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT credit_entries_cause_key UNIQUE (cause)
);
CREATE INDEX credit_entries_user_idx ON credit_entries (user_id, created_at) INCLUDE (amount);
CREATE INDEX credit_entries_purchase_idx ON credit_entries (purchase_id) WHERE purchase_id IS NOT NULL;

-- A report may arrive before the purchase knows its payment, so it belongs to a payment intent (in rare old shapes to a charge) and
-- waits with ``applied_at`` NULL. The purchase's refunded and disputed marks follow from all reports of its payment, in any order.
CREATE TABLE payment_reports (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    stripe_event_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('refund', 'refund_failure', 'dispute_opened', 'dispute_closed')),
    stripe_payment_intent_id text,
    stripe_charge_id text,
    stripe_object_id text NOT NULL,
    amount_cents bigint CHECK (amount_cents >= 0),
    cumulative_cents bigint CHECK (cumulative_cents >= 0),
    dispute_status text,
    occurred_at timestamptz NOT NULL,
    applied_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payment_reports_stripe_event_key UNIQUE (stripe_event_id),
    CONSTRAINT payment_reports_payment_check CHECK (num_nonnulls(stripe_payment_intent_id, stripe_charge_id) >= 1),
    CONSTRAINT payment_reports_refund_check CHECK (kind <> 'refund' OR cumulative_cents IS NOT NULL),
    CONSTRAINT payment_reports_failure_check CHECK (kind <> 'refund_failure' OR amount_cents IS NOT NULL),
    CONSTRAINT payment_reports_dispute_check CHECK ((kind LIKE 'dispute%') = (dispute_status IS NOT NULL))
);
CREATE INDEX payment_reports_payment_intent_idx ON payment_reports (stripe_payment_intent_id);
CREATE INDEX payment_reports_charge_idx ON payment_reports (stripe_charge_id);
