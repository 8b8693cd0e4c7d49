"""A new Checkout session from the parameters of the shop, refusing what the real API would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.payments.errors import StripeError
from simulator.payments.form import whole_number
from simulator.stripe_ids import session_id, stripe_id
from simulator.stripe_objects import DAY_SECONDS, StripeJson, checkout_session, nulls
from simulator.stripe_sale import Sale

HALF_HOUR_SECONDS = 30 * 60
PARAMETERS = frozenset(
    nulls(
        "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax billing_address_collection"
        " branding_settings cancel_url client_reference_id consent_collection currency custom_fields custom_text customer"
        " customer_account customer_creation customer_email customer_update discounts excluded_payment_method_types expand expires_at"
        " integration_identifier invoice_creation line_items locale managed_payments metadata mode name_collection optional_items"
        " origin_context payment_intent_data payment_method_collection payment_method_configuration payment_method_data"
        " payment_method_options payment_method_types permissions phone_number_collection redirect_on_completion return_url"
        " saved_payment_method_options setup_intent_data shipping_address_collection shipping_options submit_type subscription_data"
        " success_url tax_id_collection ui_mode wallet_options"
    )
)
KEPT_AS_GIVEN = ("cancel_url", "client_reference_id", "customer", "customer_email", "locale", "submit_type", "success_url")


@dataclass(frozen=True)
class NewSession:
    """The session, and what belongs to it without standing in it: its line items and the metadata of its payment."""

    session: StripeJson
    line_items: list[StripeJson]
    payment_metadata: dict[str, str]


def new_session(params: dict[str, Any], *, created: int, seed: str, base_url: str, livemode: bool) -> NewSession:
    """``seed`` decides the id; ``base_url`` is where the checkout page of this simulator is."""
    _check(params)
    identity = session_id(seed, livemode=livemode)
    line_items = [_line_item(item, index, identity, created) for index, item in enumerate(params["line_items"])]
    total = sum(item["amount_total"] for item in line_items)
    sale = Sale(
        purchase_id=seed, amount_cents=total, currency=line_items[0]["currency"], created=created, livemode=livemode, session_id=identity
    )
    session = checkout_session(sale, status="open", payment_status="unpaid" if total else "no_payment_required")
    session |= {name: params.get(name) for name in KEPT_AS_GIVEN}
    session |= {
        "expires_at": _expiry(params.get("expires_at"), created),
        "metadata": _metadata(params.get("metadata"), "metadata"),
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "url": f"{base_url}/stripe/checkout/{identity}",
    }
    payment = params.get("payment_intent_data") or {}
    return NewSession(session, line_items, _metadata(payment.get("metadata"), "payment_intent_data[metadata]"))


def _check(params: dict[str, Any]) -> None:
    for name in params:
        if name not in PARAMETERS:
            raise StripeError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    if params.get("mode") != "payment":
        raise StripeError("The simulator knows the mode payment only.", param="mode")
    if not isinstance(params.get("line_items"), list):
        raise StripeError("A session in the mode payment needs line_items.", code="parameter_missing", param="line_items")
    if not params.get("success_url") and params.get("ui_mode", "hosted_page") == "hosted_page":
        raise StripeError("A hosted session needs a success_url.", code="parameter_missing", param="success_url")


def _line_item(item: Any, index: int, identity: str, created: int) -> StripeJson:
    where = f"line_items[{index}]"
    price = item.get("price_data") if isinstance(item, dict) else None
    if not isinstance(price, dict):
        raise StripeError("The simulator has no stored prices: give price_data.", param=f"{where}[price]")
    unit = whole_number(price.get("unit_amount"), f"{where}[price_data][unit_amount]")
    quantity = whole_number(item.get("quantity", 1), f"{where}[quantity]")
    name = (price.get("product_data") or {}).get("name")
    currency = str(price.get("currency", "")).lower()
    if unit < 0 or quantity < 1 or not name or len(currency) != 3:  # noqa: PLR2004 - ISO 4217
        raise StripeError("A line item needs a name, a currency, an amount of 0 or more and a quantity.", param=where)
    amount = unit * quantity
    return {
        "id": stripe_id("li_1", f"{identity}:{index}"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": name,
        "metadata": {},
        "price": {
            "id": stripe_id("price_1", f"{identity}:{index}"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": created,
            "currency": currency,
            "product": stripe_id("prod_", f"{identity}:{index}", length=14),
            "type": "one_time",
            "unit_amount": unit,
            "unit_amount_decimal": str(unit),
        },
        "quantity": quantity,
    }


def _expiry(value: object, created: int) -> int:
    if value is None:
        return created + DAY_SECONDS
    expires_at = whole_number(value, "expires_at")
    if not created + HALF_HOUR_SECONDS - 60 <= expires_at <= created + DAY_SECONDS + 60:
        raise StripeError("A session expires 30 minutes to 24 hours after it was made.", param="expires_at")
    return expires_at


def _metadata(value: object, param: str) -> dict[str, str]:
    if not value:
        return {}
    if not isinstance(value, dict) or len(value) > 50:  # noqa: PLR2004 - Stripe's limits: 50 keys of 40 characters, values of 500
        raise StripeError("Metadata is an object of at most 50 keys.", param=param)
    for key, text in value.items():
        if len(key) > 40 or len(text) > 500:  # noqa: PLR2004
            raise StripeError("Metadata has keys of at most 40 and values of at most 500 characters.", param=f"{param}[{key}]")
    return value
