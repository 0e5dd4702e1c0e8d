"""Responses conform to ``homeserver/openapi.yaml`` for requests that Schemathesis generates."""

import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from development.synapse import Synapse
from tests.homeserver.support import PREFIX, Account, send

DESCRIPTION = Path(__file__).resolve().parents[2] / "homeserver" / "openapi.yaml"
MODULE = DESCRIPTION.parent / "media_links"
_FOUND: Any = schemathesis.openapi.from_path(str(DESCRIPTION)).get_all_operations()
OPERATIONS = [found.ok() for found in _FOUND]
EXAMPLES = 30
# Requests that conform to the description, and requests that violate it.
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="session")
def una(baselines: Synapse) -> Account:
    return Account.new(baselines)


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_responses_conform_to_the_description(operation: Any, kind: GenerationMode, una: Account) -> None:
    assert_conforming(operation, kind, una, EXAMPLES)


def assert_conforming(operation: Any, kind: GenerationMode, account: Account, examples: int) -> None:
    """Checks that there is no server error, and no status, type, header or body that is not described."""
    url, headers = account.synapse.base_url + PREFIX, {"Authorization": f"Bearer {account.token}"}

    @given(case=operation.as_strategy(generation_mode=kind))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        case.validate_response(case.call(base_url=url, headers=headers), checks=CHECKS)

    check()


@pytest.mark.parametrize(
    ("method", "headers", "name"),
    [
        ("GET", {}, "Whole"),
        ("HEAD", {}, "Head"),
        ("GET", {"Range": "bytes=0-0"}, "Part"),
        ("GET", {"Range": "bytes=9-"}, "NoSuchRange"),
        ("GET", {"If-None-Match": "*"}, "Unchanged"),
        ("HEAD", {"If-None-Match": "*"}, "Unchanged"),
    ],
)
def test_media_has_the_described_headers(una: Account, method: str, headers: dict[str, str | bytes], name: str) -> None:
    answer = send(una.link(una.upload(b"x", "text/plain")), method, headers)
    described = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["components"]["responses"][name]
    assert [header for header in described["headers"] if header.lower() not in answer.headers] == []


def test_every_endpoint_is_described() -> None:
    described = set(yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["paths"])
    there = set()
    for file in MODULE.glob("*.py"):
        for path in re.findall(
            r'PATTERNS = path_pattern\("([^"]*)"(?: \+ MEDIA_PATH)?\)', file.read_text(encoding="utf-8")
        ):
            there.add("/" + path + ("{serverName}/{mediaId}" if path.endswith("/") else ""))
    assert there == described
