"""Checkout sessions, payment intents and charges with the fields that API version 2026-10-28.endive gives them."""

from __future__ import annotations

from typing import Any, Literal

from simulator.stripe_sale import PaymentStatus, Sale

StripeJson = dict[str, Any]
SessionStatus = Literal["open", "complete", "expired"]
DAY_SECONDS = 86_400


def nulls(names: str) -> StripeJson:
    """Stripe names every field of an object, also the empty ones: ``nulls("a b")`` is ``{"a": None, "b": None}``."""
    return dict.fromkeys(names.split())


def checkout_session(sale: Sale, *, status: SessionStatus = "complete", payment_status: PaymentStatus = "paid") -> StripeJson:
    """A Checkout session; one that is open or expired has no customer details and no payment intent yet."""
    done = status == "complete"
    charged = done and payment_status != "no_payment_required"
    return {
        "id": sale.session_id,
        "object": "checkout.session",
        **_session_defaults(),
        "amount_subtotal": sale.amount_cents,
        "amount_total": sale.amount_cents,
        "cancel_url": f"{sale.shop_url}/cancelled",
        "client_reference_id": sale.purchase_id,
        "created": sale.created,
        "currency": sale.currency,
        "customer_details": _customer_details(sale) if done else None,
        "customer_email": sale.email,
        "expires_at": sale.created + DAY_SECONDS,
        "livemode": sale.livemode,
        "metadata": sale.all_metadata,
        "payment_intent": sale.payment_intent_id if charged else None,
        "payment_method_types": [sale.payment_method],
        "payment_status": payment_status,
        "status": status,
        "success_url": f"{sale.shop_url}/thanks?session_id={{CHECKOUT_SESSION_ID}}",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": None,
    }


def payment_intent(sale: Sale, *, status: str = "succeeded") -> StripeJson:
    """A payment intent; only a succeeded one has received its amount."""
    return {
        "id": sale.payment_intent_id,
        "object": "payment_intent",
        **nulls(
            "application application_fee_amount canceled_at cancellation_reason customer customer_account description"
            " excluded_payment_method_types last_payment_error next_action on_behalf_of payment_method_configuration_details"
            " processing receipt_email review setup_future_usage shipping source statement_descriptor"
            " statement_descriptor_suffix transfer_data transfer_group automatic_payment_methods"
        ),
        "amount": sale.amount_cents,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": sale.amount_cents if status == "succeeded" else 0,
        "capture_method": "automatic_async",
        "client_secret": f"{sale.payment_intent_id}_secret_{sale.other_id('')}",
        "confirmation_method": "automatic",
        "created": sale.created,
        "currency": sale.currency,
        "latest_charge": sale.charge_id if status == "succeeded" else None,
        "livemode": sale.livemode,
        "metadata": sale.metadata_of_payment,
        "payment_method": sale.other_id("pm_1"),
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": [sale.payment_method],
        "status": status,
    }


def charge(sale: Sale, *, refunded_cents: int = 0, disputed: bool = False) -> StripeJson:
    """A paid charge; ``refunded`` turns true only when all of it went back."""
    return {
        "id": sale.charge_id,
        "object": "charge",
        **nulls(
            "application application_fee application_fee_amount customer description destination dispute"
            " failure_balance_transaction failure_code failure_message on_behalf_of order receipt_email receipt_number review"
            " shipping source source_transfer statement_descriptor statement_descriptor_suffix transfer_data transfer_group"
        ),
        "amount": sale.amount_cents,
        "amount_captured": sale.amount_cents,
        "amount_refunded": refunded_cents,
        "balance_transaction": sale.other_id("txn_3"),
        "billing_details": {"address": _address(), "email": sale.email, "name": sale.name, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "REDRIVE DEMO SHOP",
        "captured": True,
        "created": sale.created,
        "currency": sale.currency,
        "disputed": disputed,
        "fraud_details": {},
        "livemode": sale.livemode,
        "metadata": sale.metadata_of_payment,
        "outcome": _outcome(),
        "paid": True,
        "payment_intent": sale.payment_intent_id,
        "payment_method": sale.other_id("pm_1"),
        "payment_method_details": {"card": _card(sale), "type": "card"},
        "radar_options": {},
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{sale.other_id('CAcaFwoVYWNjdF8x')}",
        "refunded": refunded_cents >= sale.amount_cents,
        "status": "succeeded",
    }


def _session_defaults() -> StripeJson:
    invoice_data = nulls("account_tax_ids custom_fields description footer issuer rendering_options") | {"metadata": {}}
    return {
        **nulls(
            "after_expiration allow_promotion_codes billing_address_collection client_secret consent consent_collection"
            " currency_conversion customer customer_account integration_identifier invoice locale origin_context payment_link"
            " payment_method_configuration_details permissions recovered_from setup_intent shipping_address_collection"
            " shipping_cost submit_type subscription wallet_options"
        ),
        "adaptive_pricing": {"enabled": True},
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "branding_settings": {
            "background_color": "#ffffff",
            "border_style": "rounded",
            "button_color": "#0074d4",
            "display_name": "Redrive Demo Shop",
            "font_family": "default",
            "icon": None,
            "logo": None,
        },
        "collected_information": nulls("business_name individual_name shipping_details"),
        "custom_fields": [],
        "custom_text": nulls("after_submit shipping_address submit terms_of_service_acceptance"),
        "customer_creation": "if_required",
        "discounts": [],
        "invoice_creation": {"enabled": False, "invoice_data": invoice_data},
        "managed_payments": {"enabled": False},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": None,
        "shipping_options": [],
        "ui_mode": "hosted_page",
    }


def _customer_details(sale: Sale) -> StripeJson:
    return {
        "address": _address(),
        "business_name": None,
        "email": sale.email,
        "individual_name": None,
        "name": sale.name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _address() -> StripeJson:
    return nulls("city line1 line2 state") | {"country": "US", "postal_code": "94080"}


def _outcome() -> StripeJson:
    return nulls("advice_code network_advice_code network_decline_code reason") | {
        "network_status": "approved_by_network",
        "risk_level": "normal",
        "risk_score": 24,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _card(sale: Sale) -> StripeJson:
    return nulls("extended_authorization installments mandate network_token three_d_secure wallet") | {
        "amount_authorized": sale.amount_cents,
        "authorization_code": "123456",
        "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": "pass", "cvc_check": "pass"},
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": "Xt5EWLLDS7FJjR1c",
        "funding": "credit",
        "last4": "4242",
        "network": "visa",
        "network_transaction_id": "109991102101113",
        "regulated_status": "unregulated",
    }
