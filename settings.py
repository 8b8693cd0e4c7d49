"""WHERE: typed settings, read once from the environment; everything missing or malformed is reported at once."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

DEVELOPMENT_SECRETS = {
    "STRIPE_SECRET_KEY": "sk_test_simulator",
    "STRIPE_WEBHOOK_SECRET": "whsec_c2ltdWxhdG9yLXN0cmlwZS1kZXZlbG9wbWVudA==",
    "RESEND_API_KEY": "re_simulator",
    "RESEND_WEBHOOK_SECRET": "whsec_c2ltdWxhdG9yLXJlc2VuZC1kZXZlbG9wbWVudA==",
    "SECRET_KEY": "development-only-secret-key",
    "API_TOKEN": "development-only-api-token",
    "FLOWER_BASIC_AUTH": "demo:demo",
}
REQUIRED_IN_PRODUCTION = ("DATABASE_URL", "REDIS_URL", "EMAIL_FROM", *DEVELOPMENT_SECRETS)


class SettingsError(SystemExit):
    """The environment is not usable; the message names every variable that is missing or malformed.

    It ends the process that asked, whichever it is: celery, granian and alembic would hide the message behind a traceback.
    """


class Settings(BaseModel):
    """One field per environment variable (upper case); ``.env.example`` documents each with its consequence."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    redrive_env: Literal["development", "production"] = "development"
    database_url: str
    redis_url: str
    port: int = Field(default=8000, ge=1, le=65535)

    stripe_secret_key: SecretStr
    stripe_webhook_secret: SecretStr
    stripe_api_url: str = "https://api.stripe.com"
    resend_api_key: SecretStr
    resend_api_url: str = "https://api.resend.com"
    resend_webhook_secret: SecretStr
    email_from: str = "Redrive Demo Shop <shop@example.com>"
    support_email: str = "support@example.com"
    shop_name: str = "Redrive Demo Shop"
    public_url: str = "http://127.0.0.1:8000"

    secret_key: SecretStr
    api_token: SecretStr
    flower_basic_auth: SecretStr

    simulator_url: str = "http://127.0.0.1:8025"
    slack_webhook_url: SecretStr | None = None
    pagerduty_routing_key: SecretStr | None = None
    pagerduty_api_url: str = "https://events.pagerduty.com"
    opsgenie_api_key: SecretStr | None = None
    opsgenie_api_url: str = "https://api.opsgenie.com"
    heartbeat_url: str | None = None

    recipient_limit_per_minute: int = Field(default=50, ge=0)
    email_batch_size: int = Field(default=100, ge=1, le=100)
    lease_seconds: float = Field(default=45, gt=0)
    sweep_seconds: float = Field(default=5, gt=0)
    publish_grace_seconds: float = Field(default=10, ge=0)
    retry_unit_seconds: float = Field(default=1, gt=0)
    visibility_timeout_seconds: int = Field(default=60, ge=1)
    canary_seconds: float = Field(default=15, ge=0)
    watch_seconds: float = Field(default=60, gt=0)
    worker_task_events: bool = True

    personal_data_days: int = Field(default=30, ge=1)
    row_days: int = Field(default=400, ge=1)

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: str) -> str:
        """Heroku still says ``postgres://``, which SQLAlchemy does not know; both become ``postgresql+psycopg://``."""
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
            raise ValueError("must be a postgres:// or postgresql:// URL")
        return f"postgresql+psycopg://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"redis", "rediss"}:
            raise ValueError("must be a redis:// or rediss:// URL")
        return url

    @field_validator("stripe_webhook_secret", "resend_webhook_secret")
    @classmethod
    def _at_least_one_secret(cls, secret: SecretStr) -> SecretStr:
        if not secrets_in(secret):
            raise ValueError("must hold at least one signing secret (several: separate them with commas)")
        return secret

    @field_validator("resend_webhook_secret")
    @classmethod
    def _decodable(cls, secret: SecretStr) -> SecretStr:
        for part in secrets_in(secret):
            standard_webhooks_key(part)
        return secret

    @property
    def production(self) -> bool:
        return self.redrive_env == "production"

    @property
    def livemode(self) -> bool:
        """Whether this deployment takes real money: the mode of ``STRIPE_SECRET_KEY`` decides which events get work."""
        return "_live_" in self.stripe_secret_key.get_secret_value()

    @property
    def postgres_dsn(self) -> str:
        """``DATABASE_URL`` as libpq and psycopg read it."""
        return self.database_url.replace("postgresql+psycopg://", "postgresql://", 1)

    @property
    def uses_simulator(self) -> bool:
        return not self.production and self.resend_api_url.startswith(self.simulator_url)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read ``environ``; raises ``SettingsError`` naming every variable that is missing, default or malformed."""
        values: dict[str, Any] = {name.lower(): text.strip() for name, text in environ.items() if text.strip()}
        problems = _production_problems(values) if values.get("redrive_env") == "production" else []
        if not problems:
            values = _development_defaults(values) if values.get("redrive_env") != "production" else values
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            known = {problem.split(" ", 1)[0] for problem in problems}
            problems += [line for line in _sentences(error) if line.split(" ", 1)[0] not in known]
        if problems:
            raise SettingsError("Redrive cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        return settings


def settings_without_servers() -> Settings:
    """The settings for what needs neither PostgreSQL nor Redis, so that no local server is started for it."""
    unused = {"DATABASE_URL": "postgresql://127.0.0.1/unused", "REDIS_URL": "redis://127.0.0.1/0"}
    return Settings.from_environment({**unused, **os.environ})


def secrets_in(value: SecretStr) -> list[str]:
    """The single secrets of a comma-separated setting, without blanks; empty ones are left out, never used."""
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()]


def standard_webhooks_key(secret: str) -> bytes:
    """The key that a ``whsec_…`` secret stands for; raises ``ValueError`` where a lenient decoder would make an empty key of it."""
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("must be whsec_ and base64, as the provider shows it")
    return key


@cache
def get_settings() -> Settings:
    """The settings of this process, from ``os.environ``; local servers start when none is configured."""
    return Settings.from_environment(_with_local_servers(os.environ))


def _production_problems(values: Mapping[str, str]) -> list[str]:
    problems = []
    for name in REQUIRED_IN_PRODUCTION:
        value = values.get(name.lower())
        if value is None:
            problems.append(f"{name} is missing; REDRIVE_ENV=production has no default for it")
        elif DEVELOPMENT_SECRETS.get(name) in {part.strip() for part in value.split(",")}:
            problems.append(f"{name} is the development default, which is public; set a secret of your own")
    return problems


def _development_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in the simulator for each provider whose key is not set, and the public development secrets."""
    simulator = values.get("simulator_url", Settings.model_fields["simulator_url"].default)
    defaults: dict[str, Any] = {name.lower(): secret for name, secret in DEVELOPMENT_SECRETS.items()}
    if "stripe_secret_key" not in values:
        defaults["stripe_api_url"] = f"{simulator}/stripe"
    if "resend_api_key" not in values:
        defaults["resend_api_url"] = f"{simulator}/resend"
    return defaults | values


def _with_local_servers(environ: Mapping[str, str]) -> Mapping[str, str]:
    """In development an unset ``DATABASE_URL`` or ``REDIS_URL`` means a real server on this machine, started if needed."""
    wanted = [name for name in ("DATABASE_URL", "REDIS_URL") if not environ.get(name, "").strip()]
    if not wanted or environ.get("REDRIVE_ENV", "").strip() == "production":
        return environ
    from local.servers import local_urls  # only here: production images do not have the local servers

    return {**environ, **local_urls(wanted)}


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"{str(item['loc'][0]).upper()} {'is missing' if item['type'] == 'missing' else item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False, include_input=False)
    ]
