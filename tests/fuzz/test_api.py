"""Requests made from the API's own description, right and wrong ones: no 500, and every answer as the description says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from settings import Settings
from simulator.control import SimulatorClient
from tests.fixtures.processes import ProcfileProcessFactory
from tests.fuzz.conftest import EXAMPLES, LONGEST_GROWTH, memory

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
    negative_data_rejection,
]


@pytest.fixture
def app_environment(app_environment: dict[str, str], simulator: SimulatorClient) -> Mapping[str, str]:
    """A web process that makes checkouts at the simulator."""
    return app_environment | simulator.environment()


def test_every_operation_answers_as_described(
    procfile_process: ProcfileProcessFactory, app_settings: Settings, subtests: pytest.Subtests
) -> None:
    web = procfile_process("web", {"WEB_CONCURRENCY": "1"})
    schema = schemathesis.openapi.from_url(f"{app_settings.public_url}/api/openapi.json")
    headers = {"Authorization": f"Bearer {app_settings.api_token.get_secret_value()}"}
    before = memory(web)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            with subtests.test(operation.label, mode=mode.value):

                @given(operation.as_strategy(generation_mode=mode))
                @settings(max_examples=EXAMPLES // 3, deadline=None, suppress_health_check=list(HealthCheck))
                def answers(case: Case[Any]) -> None:
                    case.call_and_validate(base_url=app_settings.public_url, headers=headers, checks=CHECKS)

                answers()
    assert memory(web) - before < LONGEST_GROWTH
