"""README and documentation: tables match the latest figures, and links lead somewhere."""

import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.evidence import documents, figures
from tests.evidence.bench import command as bench_command
from tests.evidence.bench import goal_chart
from tests.evidence.bench import report as bench
from tests.evidence.compare import modes, report, stored_runs
from tests.evidence.compare.results import STRATEGIES, Cell, Results, Setting, verdict
from tests.evidence.faults import malformed_inputs as inputs
from tests.evidence.faults import report as faults
from tests.evidence.load import command as load
from web.evidence import finding_tables
from web.evidence.page import Evidence

ROOT = Path(__file__).resolve().parents[2]
SETTING = Setting("firefox", "153", "firefox", "cross-site", "micropython", "link")


def test_tables_of_the_comparison_match_the_latest_results() -> None:
    latest = Results.read(report.LATEST)
    assert documents.read_between(report.PART, documents.COMPARISON) == report.table(latest)
    assert documents.read_between(report.PART, documents.README) == report.readme_table(latest)


def test_findings_match_the_published_results() -> None:
    for part, table in finding_tables.tables(stored_runs.published()).items():
        assert documents.read_between(part, documents.FINDINGS) == table
    anchors = {cell.anchor for cell in Evidence().matrix.cells()}
    planned = {f"cell-{name}-{mode.name}" for name in STRATEGIES for mode in modes.MODES}
    for anchor in re.findall(r"`#(cell-[\w-]+)`", documents.FINDINGS.read_text(encoding="utf-8")):
        assert anchor in anchors | planned, anchor


def test_a_finding_has_verdicts_words_days_and_addresses() -> None:
    frame = replace(SETTING, mode="firefox-iframe", strategy="opfs")
    window = replace(SETTING, strategy="cookie")
    words = "a|b <c> //localhost:46815/"
    cells = [Cell(frame, "image", "fails", words, date="2026-12-25"), Cell(window, "image", "works")]
    found = Results({"date": "2026-12-24T00:00:00", "worlds": {"firefox": {"cookies": "own=1"}}}, cells)
    made = finding_tables.tables(found)
    assert made[finding_tables.FRAMES].splitlines()[2:] == [
        "| `opfs` | Firefox | fails: a\\|b &lt;c> //localhost/ | 2026-12-25 | `#cell-opfs-firefox-iframe` |"
    ]
    assert made[finding_tables.COOKIES].splitlines()[2:] == [
        "| Firefox | partitioned ones | works | 2026-12-24 | `#cell-cookie-firefox` |"
    ]
    nothing = finding_tables.tables(Results({"date": "2026-12-24"}))
    assert set(nothing.values()) == {"No stored run has it yet.\n"}


def test_a_quick_run_is_history_and_leaves_the_tables_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(stored_runs, "QUICK", tmp_path / "quick.json")
    monkeypatch.setattr(figures, "write_tables", lambda: None)
    added: list[Results] = []
    monkeypatch.setattr(figures.run_history, "add", added.append)
    for quick in (True, False):
        found = Results({"date": "2026-12-24", "versions": {}, "quick": quick}, [Cell(SETTING, "image", "works")])
        found.write(tmp_path / "results.json")
        assert figures.take(tmp_path) == ["results.json"]
        assert (tmp_path / "quick.json").exists()
        assert (tmp_path / "latest.json").exists() is not quick
    assert [run.is_quick for run in added] == [True, False]


def test_the_readmes_table_has_engines_and_modes_and_one_column_of_cost() -> None:
    heading = report.readme_table(Results.read(report.LATEST)).splitlines()[0]
    assert heading.endswith("| Firefox, private, no service worker | WebKit, private | first visit |")


def test_tables_of_performance_and_cost_match_the_latest_benchmark() -> None:
    latest = documents.read_figures(bench.LATEST)
    assert documents.read_between(bench.PART, documents.PERFORMANCE) == bench.tables(latest)
    assert goal_chart.PICTURE.read_text(encoding="utf-8") == goal_chart.draw(latest)
    costs = documents.read_between(bench.COST_MODEL_PART, documents.ADMINISTRATORS)
    assert costs == bench.cost_model.table(latest["about"]["costs"])


def test_the_picture_of_goals_has_a_dot_for_each_row_on_its_side() -> None:
    def row(ratio: float, goal: float | None, engine: str = "chromium") -> dict[str, object]:
        return {"group": "single", "ratios": [ratio], "goal": goal, "engine": engine}

    rows = [row(0.5, 1.0), row(0.5, 1.0, "firefox"), row(3.0, 1.0), row(0.0, 0.0), row(900.0, 1.0), row(2.0, None)]
    drawing = ElementTree.fromstring(goal_chart.draw({"rows": rows}))
    circles = [element.attrib for element in drawing.iter("{http://www.w3.org/2000/svg}circle")][2:]  # but the legend's
    goal_x = max(float(circle["cx"]) for circle in circles if circle["class"] == "good")
    assert [(circle["class"], float(circle["cx"]) > goal_x) for circle in circles] == [
        ("good", False),
        ("good firefox", False),
        ("good", False),
        ("bad", True),
        ("bad", True),
    ]
    assert len({(circle["cx"], circle["cy"]) for circle in circles}) == len(circles), "none covers another"
    assert float(circles[-1]["cx"]) < float(drawing.attrib["viewBox"].split()[2])
    assert "One picture more: 3 of 5 goals reached." in "".join(drawing.itertext())


def test_each_group_of_the_benchmark_has_a_title() -> None:
    assert set(bench.TITLES) == set(bench_command.GROUPS)
    assert {row["group"] for row in documents.read_figures(bench.LATEST)["rows"]} <= set(bench.TITLES)


def test_tables_of_reliability_match_the_latest_runs_and_the_tests() -> None:
    page = documents.RELIABILITY
    assert documents.read_between(faults.PART, page) == faults.table(documents.read_figures(faults.LATEST))
    assert documents.read_between(load.PART, page) == load.table(documents.read_figures(load.LATEST))
    assert documents.read_between(inputs.PART, page) == inputs.table()


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


def test_the_readme_fits_and_names_the_commands() -> None:
    text = documents.README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for command in ("serve", "build", "package", "test", "docs", "compare"):
        assert f"python3 build.py {command}" in text


def test_every_row_of_the_threat_model_names_tests_that_exist() -> None:
    text = documents.THREAT_MODEL.read_text(encoding="utf-8")
    _, _, rest = text.partition("## Who gets what\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 15
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line)
        assert named, line
        assert set(named) <= there, line


def test_proposals_and_findings_name_tests_that_exist() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    pages = [*(ROOT / "docs" / "proposals").glob("*.md"), ROOT / "docs" / "findings.md"]
    assert pages
    for page in pages:
        named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
        assert named
        assert named <= there, named - there


#: The points of the discussion that are about a strategy of the comparison.
_STRATEGY_OF_POINT = {
    "T1": "service_worker",
    "T2": "blob",
    "T3": "opfs",
    "T4": "link",
    "T7": "cookie",
    "T8": "signed_query",
}


def test_alternatives_of_the_proposal_have_all_points_and_the_figures_of_the_comparison() -> None:
    text = (ROOT / "docs" / "proposals" / "pre-authed-media-links.md").read_text(encoding="utf-8")
    rows = {found[1]: found[0] for found in re.finditer(r"^\| (T\d+) \|.*$", text, re.MULTILINE)}
    assert list(rows) == [f"T{number}" for number in range(1, 19)]
    table = documents.read_between(report.PART, documents.COMPARISON).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    as_shipped = [line for line in table if re.match(r"\| `\w+` \|", line)]
    published = {line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]] for line in as_shipped}
    for point, strategy in _STRATEGY_OF_POINT.items():
        *windows, first, reload = published[strategy]
        costs = ", then ".join(cost.partition(",")[0] for cost in (first, reload))
        assert costs in rows[point], point
        said = re.search(r"works in (?:all )?(\d)(?: of 6)?", rows[point])
        assert said, point
        assert int(said[1]) == windows.count("works"), point


def test_the_kinds_of_reliability_name_tests_that_exist_in_the_engines_that_they_name() -> None:
    """In `WebKit` each test is one of its own, because another driver opens it."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    text = documents.RELIABILITY.read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 60
    assert named <= there, named - there
    _, _, rest = text.partition("## The kinds by engine\n")
    rows = [line.split(" | ") for line in rest.partition("\n## ")[0].splitlines() if re.match(r"\| \d", line)]
    assert [int(row[0].removeprefix("| ")) for row in rows] == list(range(1, 20))
    for row in rows:
        tests = re.findall(r"`(test_\w+)`", row[3])
        assert tests, row[1]
        assert any("webkit" in test for test in tests) == row[7].startswith(("yes", "up to")), row[1]


PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "homeserver").glob("*.md"), *(ROOT / "docs").rglob("*.md")],
    key=lambda page: str(page),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_to_files_and_headings(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        other = Path(os.path.normpath(page.parent / name)) if name else page
        assert other.is_file(), target
        assert ROOT in other.parents, target
        if ROOT / "docs" in page.parents and name:
            assert ROOT / "docs" in other.parents, f"{target} is no page of the documentation"
        if anchor:
            assert anchor in anchors(other), target


def test_files_and_folders_that_pages_name_exist() -> None:
    """Such as `tests/unit/test_documents.py`, in commands too; what is in capitals stands for another name."""
    first = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # which may name what was there once
            continue
        for code in re.findall(
            r"`[^`\n]+`|^ *[^|`\n]*python3 build.py .*$", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            for name in re.findall(rf"(?<![\w./-])(?:{first})/[\w./-]*", code):
                assert (ROOT / name).exists() or "NAME" in name or name.startswith("dist/"), f"{page.name}: {name}"


def links(page: Path) -> list[str]:
    """The targets of a page's links and images that are on this machine."""
    prose = without_code(page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [target for target in found if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the generator and code hosts make them."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r'^--8<-- "([\w.]+):\w+"$', text, re.MULTILINE):  # included from the repository's root
        text += (ROOT / name).read_text(encoding="utf-8")
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    names = [slug(heading) for heading in headings]
    return {name for name in names if names.count(name) == 1}


def slug(heading: str) -> str:
    """A heading's anchor."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower())


def without_code(text: str) -> str:
    """A page without its blocks and spans of code."""
    text = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`code`", text)
