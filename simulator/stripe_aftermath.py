"""What can follow a payment: refunds, disputes and invoices, as Stripe's API writes them."""

from __future__ import annotations

from simulator.stripe_objects import DAY_SECONDS, StripeJson, nulls
from simulator.stripe_sale import ACCOUNT, Sale


def refund(sale: Sale, *, refund_id: str, amount_cents: int, created: int, status: str = "succeeded") -> StripeJson:
    """One refund of all or part of a charge; a failed one says why. It does not inherit the metadata of the payment."""
    body: StripeJson = {
        "id": refund_id,
        "object": "refund",
        "amount": amount_cents,
        "balance_transaction": sale.other_id("txn_r"),
        "charge": sale.charge_id,
        "created": created,
        "currency": sale.currency,
        "destination_details": {
            "card": {"reference": "7104291523", "reference_status": "available", "reference_type": "acquirer_reference_number"},
            "type": "card",
        },
        "metadata": {},
        "payment_intent": sale.payment_intent_id,
        "payment_method": sale.other_id("pm_1"),
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "failed":
        body |= {"failure_balance_transaction": sale.other_id("txn_f"), "failure_reason": "expired_or_canceled_card"}
    return body


def dispute(sale: Sale, *, status: str, created: int) -> StripeJson:
    """A dispute over the whole charge; ``warning_*`` statuses are inquiries, for which no money has moved."""
    return {
        "id": sale.other_id("du_1"),
        "object": "dispute",
        "amount": sale.amount_cents,
        "balance_transactions": [],
        "charge": sale.charge_id,
        "created": created,
        "currency": sale.currency,
        "enhanced_eligibility_types": [],
        "evidence": _evidence(sale),
        "evidence_details": {
            "due_by": created + 7 * DAY_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": status.startswith("warning"),
        "livemode": sale.livemode,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": sale.payment_intent_id,
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": "fraudulent",
        "status": status,
    }


def invoice(sale: Sale) -> StripeJson:
    """A paid invoice of a subscription, in the shape since 2025-03-31.basil: the subscription hangs under ``parent``."""
    subscription = sale.other_id("sub_1")
    lines = {"object": "list", "data": [_invoice_line(sale, subscription)], "has_more": False, "total_count": 1, "url": "/v1/invoices"}
    return {
        "id": sale.other_id("in_1"),
        "object": "invoice",
        **_invoice_defaults(),
        **dict.fromkeys(("amount_due", "amount_paid", "subtotal", "subtotal_excluding_tax", "total"), sale.amount_cents),
        "created": sale.created,
        "currency": sale.currency,
        "customer": sale.other_id("cus_"),
        "customer_email": sale.email,
        "customer_name": sale.name,
        "lines": lines,
        "livemode": sale.livemode,
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": sale.all_metadata, "subscription": subscription},
            "type": "subscription_details",
        },
        "period_end": sale.created,
        "period_start": sale.created,
        "status_transitions": nulls("marked_uncollectible_at voided_at") | {"finalized_at": sale.created, "paid_at": sale.created},
    }


def _invoice_defaults() -> StripeJson:
    zeros = ("amount_remaining", "amount_overpaid", "amount_shipping", "starting_balance", "ending_balance", "attempt_count")
    return {
        **nulls(
            "account_tax_ids application automatically_finalizes_at custom_fields customer_address customer_phone"
            " customer_shipping default_payment_method default_source description due_date footer from_invoice"
            " last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering shipping_cost"
            " shipping_details statement_descriptor test_clock"
        ),
        **dict.fromkeys(zeros, 0),
        "account_country": "US",
        "account_name": "Redrive Demo Shop",
        "attempted": True,
        "automatic_tax": nulls("disabled_reason liability provider status") | {"enabled": False},
        "billing_reason": "subscription_create",
        "collection_method": "charge_automatically",
        "customer_tax_exempt": "none",
        "hosted_invoice_url": f"https://invoice.stripe.com/i/{ACCOUNT}/test",
        "issuer": {"type": "self"},
        "metadata": {},
        "number": "RDRV-0001",
        "payment_settings": nulls("default_mandate payment_method_options payment_method_types"),
        "status": "paid",
    }


def _invoice_line(sale: Sale, subscription: str) -> StripeJson:
    return {
        "id": sale.other_id("il_1"),
        "object": "line_item",
        "amount": sale.amount_cents,
        "currency": sale.currency,
        "description": sale.description,
        "livemode": sale.livemode,
        "metadata": sale.all_metadata,
        "parent": {"subscription_item_details": {"subscription": subscription}, "type": "subscription_item_details"},
        "period": {"end": sale.created + 30 * DAY_SECONDS, "start": sale.created},
        "quantity": 1,
    }


def _evidence(sale: Sale) -> StripeJson:
    return nulls(
        "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal"
        " customer_communication customer_signature duplicate_charge_documentation duplicate_charge_explanation"
        " duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation"
        " service_date service_documentation shipping_address shipping_carrier shipping_date shipping_documentation"
        " shipping_tracking_number uncategorized_file uncategorized_text"
    ) | {"customer_email_address": sale.email, "customer_name": sale.name, "customer_purchase_ip": None}
