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
def test_responses_conform_to_the_description(
    operation: Any, kind: GenerationMode, baselines: Synapse, una: Account
) -> None:
    """No server error, and no status, type, header or body that is not described."""

    @given(case=operation.as_strategy(generation_mode=kind))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        answer = case.call(base_url=baselines.base_url + PREFIX, headers={"Authorization": f"Bearer {una.token}"})
        case.validate_response(answer, checks=CHECKS)

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
