"""What the README says of the comparison is what the comparison found."""

import re
from pathlib import Path

import pytest

from tests.evidence import figures, readme
from tests.evidence.bench import report as bench
from tests.evidence.compare import report
from tests.evidence.compare.results import Cell, Results, Setting, verdict
from tests.evidence.faults import malformed_inputs as inputs
from tests.evidence.faults import report as faults
from tests.evidence.load import command as load

ROOT = Path(__file__).resolve().parents[2]
SETTING = Setting("firefox", "153", "firefox", "cross-site", "micropython", "link")


def test_the_readmes_table_is_that_of_the_latest_results() -> None:
    assert readme.read_between(report.PART) == report.readme_table(Results.read(report.LATEST))


def test_the_tables_of_speed_and_cost_are_those_of_the_latest_benchmark() -> None:
    latest = readme.read_figures(bench.LATEST)
    assert readme.read_between(bench.PART) == bench.table(latest)
    on_paper = readme.read_between(bench.COST_MODEL_PART, readme.OF_THE_HOMESERVER)
    assert on_paper == bench.cost_model.table(latest["about"]["costs"])


def test_the_tables_of_what_goes_wrong_are_those_of_the_latest_runs_and_of_the_tests() -> None:
    assert readme.read_between(faults.PART) == faults.table(readme.read_figures(faults.LATEST))
    assert readme.read_between(load.PART) == load.table(readme.read_figures(load.LATEST))
    assert readme.read_between(inputs.PART) == inputs.table()


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ({"image": "works", "video": "works"}, ("works", "")),
        ({"image": "works", "video": "fails"}, ("no video", "video's words")),
        ({"image": "fails", "video": "fails"}, ("fails", "image's words")),
        ({"image": "not run", "video": "not run"}, ("not run", "image's words")),
        ({}, ("not run", "")),
    ],
)
def test_a_verdict_on_all_media_names_those_that_fail(verdicts: dict[str, str], expected: tuple[str, str]) -> None:
    cells = [
        Cell(SETTING, media, outcome, "" if outcome == "works" else f"{media}'s words")
        for media, outcome in verdicts.items()
    ]
    assert verdict(cells) == expected


def test_figures_that_are_taken_replace_those_that_are_about_the_same() -> None:
    latest = {"about": {"runs": 1, "costs": 5}, "rows": [{"what": "a", "ratio": 1}, {"what": "b", "ratio": 2}]}
    new = {"about": {"runs": 3}, "rows": [{"what": "c", "ratio": 3}, {"what": "a", "ratio": 4}]}
    assert figures.merged(latest, new, ("what",)) == {
        "about": {"runs": 3, "costs": 5},
        "rows": [{"what": "a", "ratio": 4}, {"what": "b", "ratio": 2}, {"what": "c", "ratio": 3}],
    }


def test_the_readme_names_what_a_stranger_types() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("python3 build.py serve", "python3 build.py test", "python3 build.py compare"):
        assert command in text


def test_every_line_of_the_threat_model_has_tests_and_they_are_there() -> None:
    text = readme.OF_THE_HOMESERVER.read_text(encoding="utf-8")
    _, _, rest = text.partition("## Threat model\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 15
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert named, line
        assert set(named) <= there, line
