"""Responses of the gateway conform to the description that module and gateway share."""

from typing import Any

import httpx
import pytest
from schemathesis import GenerationMode

from tests.homeserver.support import PREFIX, Account
from tests.homeserver.test_openapi import MODES, OPERATIONS, assert_conforming

BASELINES = ("/query/", "/cookie")
EXAMPLES, EXAMPLES_OF_FULL_MATRIX = 5, 200


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_gateway_conforms_to_the_description(
    operation: Any, kind: GenerationMode, ana: Account, request: pytest.FixtureRequest
) -> None:
    if operation.path.startswith(BASELINES):
        answer = httpx.request(operation.method, ana.synapse.base_url + PREFIX + operation.path)
        assert answer.status_code == 404
        assert operation.method == "head" or answer.json()["errcode"] == "M_UNRECOGNIZED"
        return
    is_full = request.config.getoption("--full-matrix")
    assert_conforming(operation, kind, ana, EXAMPLES_OF_FULL_MATRIX if is_full else EXAMPLES)
