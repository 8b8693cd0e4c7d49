"""What a test may ask of the simulated providers: rules, faults, limits and how webhooks are delivered."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

Model = TypeVar("Model", bound=BaseModel)
ActionKind = Literal["error", "html", "slow", "cut", "hang", "no_id", "not_json"]
BuyerAction = Literal["pay", "pay_later", "payment_arrives", "payment_fails", "decline", "expire"]
BUYER_ACTIONS: tuple[BuyerAction, ...] = get_args(BuyerAction)
NoticeType = Literal[
    "email.sent",
    "email.delivered",
    "email.delivery_delayed",
    "email.bounced",
    "email.complained",
    "email.suppressed",
    "email.failed",
    "email.opened",
    "email.clicked",
]
NOTICE_TYPES: tuple[NoticeType, ...] = get_args(NoticeType)


class _Strict(BaseModel):
    """A misspelt field is an error, not a rule that never fires."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Action(_Strict):
    """What happens to a request; with ``taken`` the provider does the work first, and only the answer goes wrong."""

    kind: ActionKind
    taken: bool = False
    error: str = "application_error"
    status: int | None = Field(default=None, ge=200, le=599)
    message: str | None = None
    retry_after: int | None = Field(default=None, ge=0)
    headers: dict[str, str] = Field(default_factory=dict)
    delay_ms: int = Field(default=0, ge=0)
    body: str = Field(default="{}", description="what a no_id answer says")


class Rule(_Strict):
    """``action`` for the requests that match everything that is given; the first rule that fires decides.

    ``nth`` counts, from 1, the requests that match ``to``, ``path`` and ``method``. ``times`` is how often the rule fires before
    it is spent. ``probability`` draws from a generator of its own, seeded with ``seed``.
    """

    action: Action
    name: str = ""
    to: str | None = Field(default=None, description="a recipient, or a pattern such as *@broken.example")
    path: str | None = Field(default=None, description="the path behind /resend or /stripe, or a pattern such as /v1/checkout/*")
    method: str | None = None
    nth: tuple[int, ...] = ()
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0


class DeliveryScript(_Strict):
    """How events travel to the receiver; what is left out of a script stays as it is."""

    enabled: bool = Field(default=True, description="False: events are kept but never sent, which leaves a gap to reconcile")
    gap_next: int = Field(default=0, ge=0, description="how many of the next events are never sent")
    gap_probability: float = Field(default=0.0, ge=0, le=1)
    duplicate_probability: float = Field(default=0.0, ge=0, le=1)
    delay_ms: int = Field(default=0, ge=0)
    disorder_ms: int = Field(default=0, ge=0, description="each delivery waits a random time up to this, so they overtake each other")
    retry_seconds: tuple[float, ...] = (0.5, 1, 2, 5, 10, 20, 30, 60, 120)
    timeout_seconds: float = Field(default=10.0, gt=0)
    seed: int = 0


class ResendScript(_Strict):
    """The state of the Resend side that a script may set; a field that is left out of a request stays as it is."""

    rules: tuple[Rule, ...] = ()
    latency_ms: int = Field(default=0, ge=0)
    rate_limit_per_second: int = Field(default=0, ge=0, description="0: no limit, and no ratelimit headers")
    daily_quota: int = Field(default=0, ge=0, description="0: none")
    monthly_quota: int = Field(default=0, ge=0, description="0: none")
    invalid_keys: tuple[str, ...] = ()
    restricted_keys: tuple[str, ...] = ()
    unverified_domains: tuple[str, ...] = ()
    keep_bodies: bool = True
    dedupe_header: str = "X-Entity-Ref-ID"
    automatic_events: bool = Field(default=False, description="send email.sent and email.delivered after each accepted mail")
    delivery: DeliveryScript = DeliveryScript()


class StripeScript(_Strict):
    """The state of the Stripe side that a script may set; a field that is left out of a request stays as it is."""

    rules: tuple[Rule, ...] = ()
    latency_ms: int = Field(default=0, ge=0)
    invalid_keys: tuple[str, ...] = ()
    delivery: DeliveryScript = DeliveryScript()


class Receiver(_Strict):
    """Where webhooks go and what signs them."""

    web_url: str
    stripe_secrets: tuple[str, ...]
    resend_secrets: tuple[str, ...]


class Trigger(_Strict):
    """An event to make by hand, about a session of the simulator if one is named, else about a sale made up on the spot."""

    type: str = Field(min_length=1, max_length=200)
    session_id: str | None = None
    purchase_id: str | None = None
    email: str = "ada@example.com"
    amount_cents: int = Field(default=2500, ge=0)
    currency: str = Field(default="usd", pattern="^[a-z]{3}$")
    description: str = "Leads"
    metadata: dict[str, str] = Field(default_factory=dict)
    payment_status: Literal["paid", "unpaid", "no_payment_required"] = "paid"
    refund_cents: int | None = Field(default=None, gt=0)
    refunded_before_cents: int = Field(default=0, ge=0)
    dispute_status: str | None = None
    livemode: bool = False
    override: dict[str, Any] = Field(default_factory=dict)
    times: int = Field(default=1, ge=1, le=100, description="how often the same event is delivered")
    deliver: bool = True


def changed(current: Model, request: dict[str, Any]) -> Model:
    """``current`` with the fields of ``request`` replaced, also inside ``delivery``; raises ``ValidationError``."""
    merged = current.model_dump()
    for name, value in request.items():
        merged[name] = {**merged[name], **value} if isinstance(merged.get(name), dict) and isinstance(value, dict) else value
    return type(current).model_validate(merged)


def fails(error: str, *, retry_after: int | None = None, taken: bool = False, message: str | None = None) -> Action:
    """An error by its API name, such as ``application_error`` or ``daily_quota_exceeded``; its status follows from the name."""
    return Action(kind="error", error=error, retry_after=retry_after, taken=taken, message=message)


def bad_gateway() -> Action:
    """The 502 page of a proxy, in HTML."""
    return Action(kind="html", status=502)


def slow(milliseconds: int) -> Action:
    return Action(kind="slow", delay_ms=milliseconds)


def cut_before() -> Action:
    """The connection ends before the provider has done anything."""
    return Action(kind="cut")


def cut_after() -> Action:
    """The provider does the work, and the connection ends before it can say so."""
    return Action(kind="cut", taken=True)


def hang_after(seconds: float) -> Action:
    """The provider does the work and then says nothing for so long that the client gives up."""
    return Action(kind="hang", taken=True, delay_ms=int(seconds * 1000))


def without_id(body: str = "{}") -> Action:
    """The provider does the work and answers 200, but ``body`` does not name all that it took."""
    return Action(kind="no_id", taken=True, body=body)


def not_json() -> Action:
    return Action(kind="not_json", taken=True)
