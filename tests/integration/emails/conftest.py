"""A provider for mails that leave in batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settings import Settings, get_settings
from simulator.control import SimulatorClient

SetTo = Callable[..., None]


@pytest.fixture
def set_to(app_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> SetTo:
    """``set_to(EMAIL_BATCH_SIZE=4)``: other settings from here on."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))
        get_settings.cache_clear()

    return change


@pytest.fixture
def provider(mail_server: SimulatorClient, set_to: SetTo, monkeypatch: pytest.MonkeyPatch) -> SimulatorClient:
    """The simulated Resend, for batches of four; a pause ends by ``time_passes()``, and its silence is too short to wait for."""
    set_to(EMAIL_BATCH_SIZE=4, RETRY_UNIT_SECONDS=10)
    monkeypatch.setattr("tasks.mail.resend_client.TIMEOUT_SECONDS", (3.05, 1))
    return mail_server
