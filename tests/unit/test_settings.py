"""The environment: everything that is wrong with it is said at once, and production runs on no public secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from settings import DEVELOPMENT_SECRETS, REQUIRED_IN_PRODUCTION, Settings, SettingsError, secrets_in, standard_webhooks_key

SERVERS = {"DATABASE_URL": "postgres://redrive:pw@127.0.0.1/redrive", "REDIS_URL": "redis://127.0.0.1"}
PRODUCTION = (
    SERVERS
    | {"REDRIVE_ENV": "production", "EMAIL_FROM": "Shop <shop@example.com>"}
    | {name: f"own-{name.lower()}" for name in DEVELOPMENT_SECRETS}
    | {"STRIPE_SECRET_KEY": "sk_live_own", "RESEND_WEBHOOK_SECRET": "whsec_b3du"}
)


def problems(environ: dict[str, str]) -> list[str]:
    """The lines after the first one, without their dashes."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    first, *lines = str(caught.value).splitlines()
    assert first == "Redrive cannot start:"
    return [line.removeprefix("  - ") for line in lines]


def test_development_needs_no_setting_but_its_servers() -> None:
    settings = Settings.from_environment(SERVERS)
    assert (settings.redrive_env, settings.port, settings.uses_simulator) == ("development", 8000, True)
    assert settings.resend_api_url == "http://127.0.0.1:8025/resend"
    assert settings.stripe_api_url == "http://127.0.0.1:8025/stripe"
    assert settings.livemode is False


def test_a_provider_whose_key_is_set_is_the_real_one() -> None:
    settings = Settings.from_environment(SERVERS | {"RESEND_API_KEY": "re_own"})
    assert settings.resend_api_url == "https://api.resend.com"
    assert settings.stripe_api_url == "http://127.0.0.1:8025/stripe"
    assert settings.uses_simulator is False


def test_production_with_secrets_of_its_own_starts_and_uses_no_simulator() -> None:
    settings = Settings.from_environment(PRODUCTION)
    assert (settings.production, settings.livemode, settings.uses_simulator) == (True, True, False)
    assert settings.resend_api_url == "https://api.resend.com"


def test_production_names_every_variable_that_is_missing_at_once() -> None:
    found = problems({"REDRIVE_ENV": "production"})
    assert [line.split()[0] for line in found] == list(REQUIRED_IN_PRODUCTION)
    assert all("is missing" in line for line in found)


def test_production_refuses_every_public_secret_also_among_others_while_rotating() -> None:
    both = {name: f"own-secret,{secret}" for name, secret in DEVELOPMENT_SECRETS.items()}
    for public in (dict(DEVELOPMENT_SECRETS), both):
        found = problems(PRODUCTION | public)
        assert {line.split()[0] for line in found if "which is public" in line} == set(DEVELOPMENT_SECRETS)


def test_what_is_malformed_is_named_together_with_what_is_missing() -> None:
    environ = PRODUCTION | {"PORT": "http", "DATABASE_URL": "mysql://x", "LEASE_SECONDS": "0", "API_TOKEN": ""}
    assert {line.split()[0] for line in problems(environ)} == {"PORT", "DATABASE_URL", "LEASE_SECONDS", "API_TOKEN"}


def test_a_blank_variable_is_one_that_is_not_set() -> None:
    assert Settings.from_environment(SERVERS | {"PORT": "  ", "SLACK_WEBHOOK_URL": ""}).port == 8000


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_name_of_postgresql_leads_to_the_same_driver(scheme: str) -> None:
    settings = Settings.from_environment(SERVERS | {"DATABASE_URL": f"{scheme}://u:p@h/d"})
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"
    assert settings.postgres_dsn == "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "redrive", "DATABASE_URL must be a postgres:// or postgresql:// URL"),
        ("REDIS_URL", "http://127.0.0.1", "REDIS_URL must be a redis:// or rediss:// URL"),
        ("STRIPE_WEBHOOK_SECRET", ",", "STRIPE_WEBHOOK_SECRET must hold at least one signing secret"),
        ("RESEND_WEBHOOK_SECRET", "whsec_ä", "RESEND_WEBHOOK_SECRET must be whsec_ and base64"),
        ("REDRIVE_ENV", "staging", "REDRIVE_ENV Input should be 'development' or 'production'"),
    ],
)
def test_what_is_malformed_is_said_in_a_sentence(name: str, value: str, sentence: str) -> None:
    [found] = problems(SERVERS | {name: value})
    assert found.startswith(sentence)


@given(secret=st.text(st.characters(codec="ascii", exclude_characters=",\0 \n"), min_size=8, max_size=30).filter(str.strip))
def test_no_secret_is_ever_shown_by_an_error_or_by_the_settings_themselves(secret: str) -> None:
    settings = Settings.from_environment(SERVERS | {"API_TOKEN": f"!{secret}!"})
    assert f"!{secret}!" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(SERVERS | {"API_TOKEN": f"!{secret}!", "PORT": "0", "RESEND_WEBHOOK_SECRET": f"!{secret}!"})
    assert f"!{secret}!" not in str(caught.value)


def test_several_secrets_may_be_active_and_an_empty_one_never_is() -> None:
    assert secrets_in(SecretStr(" one, ,two,, ")) == ["one", "two"]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_====", "whsec_%%%", ""])
def test_a_secret_that_stands_for_no_key_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        standard_webhooks_key(secret)


def test_settings_cannot_be_changed_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.from_environment(SERVERS).port = 1
