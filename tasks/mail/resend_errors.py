"""What may become of a mail at the provider, as errors with names.

A ``NotTaken`` error says that this request did not make the provider send anything; after every other error the mail may be on its
way, and only the same idempotency key makes another try safe.
"""

from __future__ import annotations

from tasks.errors import Deferred, OutcomeUnknown, PermanentFailure, RetryLater


class NotTaken:
    """A mixin: the provider has not taken the mail, and will not because of this request."""


class RefusedByProvider(NotTaken, PermanentFailure):
    """The provider will never take this mail as it is."""

    reason = "refused_by_provider"


class InvalidMail(RefusedByProvider):
    """A part of the mail is missing or malformed."""

    reason = "invalid_mail"


class InvalidRecipient(RefusedByProvider):
    """The address is not one that mail can be sent to."""

    reason = "invalid_recipient"


class InvalidSender(RefusedByProvider):
    """``EMAIL_FROM`` is not an address that the provider takes."""

    reason = "invalid_sender"


class DomainNotVerified(RefusedByProvider):
    """The domain of ``EMAIL_FROM`` is not verified with the provider, so no mail leaves at all."""

    reason = "domain_not_verified"


class InvalidApiKey(RefusedByProvider):
    """The provider does not accept ``RESEND_API_KEY``, so no mail leaves at all."""

    reason = "invalid_api_key"


class WrongAddressOfProvider(RefusedByProvider):
    """``RESEND_API_URL`` does not lead to the Resend API."""

    reason = "wrong_provider_address"


class HeldBySecurityCheck(RefusedByProvider):
    """The provider held the mail back because of what it says."""

    reason = "security_error"


class IdempotencyConflict(OutcomeUnknown):
    """The provider took another body under this key: a mail may already have been sent."""

    reason = "idempotency_conflict"


class RateLimited(NotTaken, Deferred):
    """Too many requests in this second."""


class QuotaExceeded(NotTaken, Deferred):
    """The day's or the month's quota of mails is used up."""


class NotReached(NotTaken, RetryLater):
    """There was no connection to the provider."""


class Unrecognised(NotTaken, RetryLater):
    """A refusal that the table does not know."""


class NoClearAnswer(RetryLater):
    """The provider failed or fell silent; the mail may have been taken."""


# Reasons that every other mail fails for too, until a person repairs the settings.
NO_MAIL_LEAVES = frozenset({InvalidApiKey.reason, DomainNotVerified.reason, WrongAddressOfProvider.reason})
