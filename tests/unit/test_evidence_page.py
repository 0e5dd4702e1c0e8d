"""The page ``evidence.html`` as it is built: every cell, answers and charts from the runs, and how small it is."""

import csv
import gzip
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from tests.evidence import documents, run_conditions, run_history
from tests.evidence.compare import report, stored_runs
from tests.evidence.compare.results import GATEWAY, MEDIA, RANGES, REDIRECTING, Cell, Results, Setting
from web import site, strategy_order
from web.evidence import cited_tests, downloads, page, proofs
from web.evidence.costs import Bar, Chart
from web.evidence.drawing import draw
from web.evidence.matrix import Matrix
from web.evidence.page import Evidence
from web.evidence.worlds import DESCRIPTIONS, not_measured, title_of

MAX_GZIPPED = 150_000
#: What each strategy has to have a row for, before the first run that has it.
GAPS = ("delegated", "redirect", "gateway")
MODES = ("chromium", "firefox-private", "webkit-ephemeral")


class Page(HTMLParser):
    """Collects ids, links, texts of elements with ids, and the elements that load something."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.scripts = 0
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag in ("link", "script", "img") and (values.get("src") or values.get("href")):
            self.loaded.append(str(values.get("src") or values.get("href")))
        assert not [name for name in values if name.startswith("on") or name == "style"], "the page's policy forbids it"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    site.build(out)
    return out


@pytest.fixture(scope="module")
def evidence_page(built: Path) -> Page:
    return Page(built / "evidence.html")


# --- the page


def test_every_strategy_has_a_cell_in_every_window(evidence_page: Page) -> None:
    matrix = Evidence().matrix
    assert len(evidence_page.ids) == len(set(evidence_page.ids))
    for strategy in (*strategy_order.ALL, *GAPS):
        for world in matrix.worlds:
            assert f"cell-{strategy}-{world.mode}" in evidence_page.ids
    assert len(matrix.worlds) >= 6


def test_links_of_the_page_lead_somewhere(built: Path, evidence_page: Page) -> None:
    others = {
        name: Page(built / name) for name in ("evidence-tests.html", "docs/findings.html", "docs/comparison.html")
    }
    pages = {"": evidence_page, "evidence.html": evidence_page, **others}
    assert len(evidence_page.links) > 100
    for link in evidence_page.links:
        if link.startswith(("https://", "?")):
            continue
        name, _, anchor = link.partition("#")
        assert not name or (built / name).is_file(), link
        if anchor and name in pages:
            assert anchor in pages[name].ids, link


def test_page_is_small_and_loads_nothing_but_its_style(evidence_page: Page) -> None:
    assert len(gzip.compress(evidence_page.text.encode(), 9)) < MAX_GZIPPED
    kinds = {re.sub(r"\.[0-9a-f]{12}", "", url) for url in evidence_page.loaded}
    assert kinds == {f"./assets/{name}" for name in ("icon.svg", "styles.css", "evidence.css", "evidence.js")}
    assert "assets/pyscript" not in evidence_page.text
    assert 'data-state="done"' in evidence_page.text


def test_a_failing_cell_has_words_version_date_tests_and_source(evidence_page: Page) -> None:
    (cell,) = [cell for cell in Evidence().matrix.of_strategy("opfs") if cell.world.mode == "firefox-private"]
    start = evidence_page.text.index(f'<article id="{cell.anchor}"')
    text = evidence_page.text[start : evidence_page.text.index("</article>", start)]
    for expected in (
        "✗",
        "fails",
        "Security error when calling GetDirectory",
        cell.world.version,
        f'<time datetime="{cell.date}">',
        proofs.FIREFOX_OPFS.url,
        "evidence-tests.html#test-test_private_window_reports_unsupported_strategy",
    ):
        assert expected in text


def test_every_measured_cell_names_tests_that_exist(built: Path) -> None:
    listed = Page(built / "evidence-tests.html")
    for cell in Evidence().matrix.cells():
        assert bool(cell.tests) == (cell.kind != "not run")
        for test in cell.tests:
            starts = '"""' if test == proofs.COMPARISON else ("def ", "@")
            assert cited_tests.find(test).source.startswith(starts)
            assert cited_tests.anchor_of(test) in listed.ids
    with pytest.raises(LookupError):
        cited_tests.find("tests/browser/test_room.py::test_missing")


def test_cells_name_the_test_of_their_window_and_those_of_their_strategy() -> None:
    assert proofs.tests_of("link", "chromium-incognito", "fails") == [
        proofs.COMPARISON,
        "tests/evidence/compare/test_modes.py::"
        "test_incognito_tabs_are_in_another_profile_than_those_that_playwright_opens",
    ]
    assert [test.partition("::")[2] for test in proofs.tests_of("blob", "webkit-ephemeral", "no video")] == [
        "verify_media",
        "test_webkit_ends_each_kind_the_same_way",
        "test_webkit_shows_the_poster_and_transfers_the_video_once_it_is_played",
    ]
    worlds = {cell.world.mode for cell in Evidence().matrix.cells()}
    alone = {mode for mode in worlds if proofs.tests_of("auto", mode, "works") == [proofs.COMPARISON]}
    assert alone == {"chromium-off-the-record", "firefox-strict", "firefox-container", "webkit-ephemeral"}


@pytest.mark.parametrize(
    ("engine", "words", "sources"),
    [
        ("firefox", "SecurityError: Security error when calling GetDirectory", [proofs.FIREFOX_OPFS]),
        ("webkit", "UnknownError: … for an unknown transient reason", [proofs.SAFARI_OPFS]),
        ("chromium", "sought to 12.0 s, the video stands at 0.0 s", [proofs.CHROMIUM_SEEKING, proofs.SYNAPSE_RANGES]),
        ("firefox", "sought to 12.0 s, the video stands at 0.0 s", [proofs.SYNAPSE_RANGES]),
        ("webkit", "unexpected 200 HTTP status code for range request", [proofs.WEBKIT_RANGES, proofs.SYNAPSE_RANGES]),
        ("webkit", "the browser does not send the cookie back", [proofs.SAFARI_COOKIES]),
        ("firefox", "something else", []),
    ],
)
def test_sources_follow_the_words_of_a_failure(engine: str, words: str, sources: list[proofs.Source]) -> None:
    assert proofs.explanations_of(engine, words) == sources


def test_charts_have_a_table_with_the_same_values(evidence_page: Page) -> None:
    evidence = Evidence()
    assert {"cost-requests", "cost-reload-requests", "cost-distance-chromium", "cost-film-time", "cost-memory"} <= {
        chart.anchor for chart in evidence.charts
    }
    for chart in evidence.charts:
        assert f"{chart.anchor}-table" in evidence_page.ids
        for bar in chart.bars:
            assert evidence_page.text.count(f">{bar.text}<") >= 2, bar
    assert "Not measured yet:" in evidence_page.text


def test_distances_follow_the_benchmark() -> None:
    def row(what: str, *pairs: list[float]) -> dict[str, Any]:
        return {"engine": "firefox", "what": what, "pairs": list(pairs)}

    rows = [
        row("200 thumbnails by `delegated`, micropython, 20 ms round trip", [1500, 1], [1700, 1], [1600, 1]),
        row("200 thumbnails by `delegated`, pyodide, 20 ms round trip", [9, 9]),
        row("200 thumbnails by `link`, 100 ms, HTTP/2 behind nginx", [2000, 4000]),
        row("200 thumbnails by `link`, 0 ms round trip", [1000, 3000]),
    ]
    run = results(delegated="works", link="works", service_worker="works")
    (chart,) = Evidence(run, {"rows": rows, "about": {"date": ""}}, []).charts
    assert [(bar.label, bar.text) for bar in chart.bars] == [
        ("link, 100 ms, HTTP/2", "2.0 s"),
        ("delegated, 20 ms, HTTP/1.1", "1.6 s"),
        ("service_worker, 100 ms, HTTP/2", "4.0 s"),
        ("public files, 0 ms, HTTP/1.1", "3.0 s"),
    ]
    assert chart.missing == "what has no bar here."


def test_site_names_the_three_first(built: Path) -> None:
    index = (built / "index.html").read_text(encoding="utf-8")
    order = re.findall(r'<h3><a href="([\w-]+)\.html"', index)
    assert order == [name.replace("_", "-") for name in strategy_order.in_order(n.replace("-", "_") for n in order)]
    assert order[:3] == list(strategy_order.COMPARED)
    for words in strategy_order.WHEN_TO_USE.values():
        assert words in index
    assert 'href="evidence.html#cell-opfs-firefox-private"' in index
    bar = re.findall(r'class="strategy" href="([\w-]+)\.html"', index)
    assert bar[:3] == list(strategy_order.COMPARED)


def test_pages_lead_to_their_evidence(built: Path, evidence_page: Page) -> None:
    for entry in site.PAGES:
        html = (built / f"{entry.name}.html").read_text(encoding="utf-8")
        assert 'href="evidence.html"' in html
        if entry.kind:
            assert f'href="evidence.html#strategy-{entry.module}"' in html
            assert f"strategy-{entry.module}" in evidence_page.ids
    assert 'id="published"' in (built / "compare.html").read_text(encoding="utf-8")


def test_pages_have_a_picture_for_link_previews(tmp_path: Path) -> None:
    site.build(tmp_path, site_url="https://site.example/demo/")
    for name in ("index", "evidence", "link"):
        html = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        found = re.search(r'<meta property="og:image" content="https://site.example/demo/(assets/preview[^"]+)">', html)
        assert found
        assert (tmp_path / found[1]).stat().st_size < 60_000


def test_cells_that_the_documentation_cites_are_in_the_matrix_or_planned() -> None:
    matrix = Evidence().matrix
    there = {cell.anchor for cell in matrix.cells()} | {
        f"cell-{strategy}-{mode}" for strategy in matrix.strategies for mode in DESCRIPTIONS
    }
    pages = [*(documents.ROOT / "docs").rglob("*.md"), documents.README]
    cited = {anchor for path in pages for anchor in re.findall(r"#(cell-[\w-]+)", path.read_text(encoding="utf-8"))}
    assert len(cited) > 10
    assert cited <= there, cited - there


# --- what it is made from


def results(**verdicts: str) -> Results:
    """A run with the given verdicts of ``strategy`` in Firefox's private windows, all media alike."""
    setting = Setting("firefox", "160.1.2", "firefox-private", "cross-site", "micropython", "")
    cells = [
        Cell(replace(setting, strategy=name), media, verdict, "" if verdict == "works" else f"words of {name}")
        for name, verdict in verdicts.items()
        for media in MEDIA
    ]
    return Results({"date": "2026-12-24T00:00:00", "versions": {}, "runs": 1, "seed": 1, "machine": {}}, cells)


def results_at(homeserver: str, **verdicts: str) -> Results:
    """A run with another homeserver."""
    run = results(**verdicts)
    run.cells = [replace(cell, setting=replace(cell.setting, homeserver=homeserver)) for cell in run.cells]
    return run


def test_cell_names_the_server_that_makes_a_difference() -> None:
    run = results(service_worker="works")
    run.cells = [replace(cell, verdict="fails") if cell.media == "video" else cell for cell in run.cells]
    run.add(results_at(RANGES, service_worker="works"))
    (cell,) = Matrix(run).of_strategy("service_worker")
    assert (cell.outcome, cell.deviations) == ("no video", ("Homeserver with ranges (native_ranges): works.",))
    table = report.table(run)
    assert "| `service_worker` | no video | - | - |" in table
    assert "| `service_worker`, Synapse with `native_ranges` | works | - | - |" in table
    assert "Synapse with ranges (native_ranges)" not in not_measured(run)


def test_a_row_appears_as_soon_as_a_run_has_it() -> None:
    run = results(blob="works", zebra="works")
    run.add(results_at(REDIRECTING, redirect="works"))
    run.add(results_at(GATEWAY, link="fails"))
    matrix = Matrix(run)
    assert [name for name in matrix.strategies if matrix.is_measured(name)] == ["blob", "redirect", "zebra", "gateway"]
    (cell,) = matrix.of_strategy("gateway")
    assert (cell.outcome, cell.words, cell.anchor) == ("fails", "words of link", "cell-gateway-firefox-private")
    (cell,) = matrix.of_strategy("link")
    assert (cell.outcome, cell.kind, cell.tests) == ("not measured yet", "not run", [])


def test_answers_follow_the_run() -> None:
    evidence = Evidence(results(blob="works", opfs="fails"), {"rows": [], "about": {"date": ""}}, [])
    sentences = " ".join(evidence.answers.in_worlds("private"))
    assert "Works:</strong> <code>blob</code>." in sentences
    assert "<code>opfs</code>: fails in" in sentences
    assert "<q>words of opfs</q>" in sentences
    assert evidence.answers.in_worlds("no-worker") == ["Not measured yet."]
    assert evidence.answers.film_seconds("link") == "not measured yet"
    assert evidence.charts == []


def test_a_world_without_python_says_so_and_counts_for_no_strategy() -> None:
    run = results(blob="works")
    setting = replace(run.cells[0].setting, mode="firefox-tor-like-no-webassembly")
    run.cells += [Cell(setting, media, "not run", "WebAssembly is missing") for media in MEDIA]
    evidence = Evidence(run, {"rows": [], "about": {"date": ""}}, [])
    cell = evidence.matrix.of_strategy("blob")[1]
    assert (cell.kind, cell.words, cell.tests) == ("not run", "WebAssembly is missing", [])
    assert cell.of_media("video")[2] == "not run", "and not that it was not measured"
    assert "blob" not in dict(evidence.gaps_by_strategy)
    assert "Works:</strong> <code>blob</code>." in " ".join(evidence.answers.in_worlds("private"))


def test_every_window_is_explained(evidence_page: Page) -> None:
    for world in Evidence().matrix.worlds:
        assert world.description, world.mode
        assert f"<dd>{escape(world.description)} Again: <code>" in evidence_page.text
        assert f"compare --quick --mode {world.mode}</code></dd>" in evidence_page.text


def test_windows_of_a_later_run_have_their_titles(evidence_page: Page) -> None:
    for addition in Evidence().additions:
        assert "; ".join(map(title_of, addition.modes)) in evidence_page.text


def test_windows_that_were_not_measured_have_their_titles() -> None:
    missing = not_measured(results(blob="works"))
    assert {"Chromium", "Firefox, Tor-like", "Synapse with ranges (native_ranges)"} <= set(missing)
    assert title_of("firefox-private") not in missing


def test_what_a_strategy_was_not_measured_in_is_counted() -> None:
    run = results(blob="works")
    other = replace(run.cells[0].setting, mode="firefox", strategy="link")
    run.cells.append(Cell(other, "image", "works"))
    evidence = Evidence(run, {"rows": [], "about": {"date": ""}}, [])
    gaps = dict(evidence.gaps_by_strategy)
    assert (gaps["blob"], gaps["link"], gaps["opfs"]) == (1, 1, 2)


def test_other_places_and_interpreters_are_told_where_they_differ() -> None:
    run = results(blob="works")
    other = replace(run.cells[0].setting, homeserver="same-origin")
    run.cells += [Cell(other, "image", "fails", "no"), Cell(replace(other, homeserver="same-site"), "image", "works")]
    run.cells.append(Cell(replace(run.cells[0].setting, interpreter="pyodide"), "image", "fails", "no"))
    (cell,) = Matrix(run).of_strategy("blob")
    assert cell.deviations == ("With Pyodide: fails (no).", "Homeserver on the same origin: fails (no).")


def test_words_of_browsers_are_escaped() -> None:
    run = results(opfs="fails")
    run.cells = [replace(cell, words="<img src=x>") for cell in run.cells]
    evidence = Evidence(run, {"rows": [], "about": {"date": ""}}, [])
    assert "&lt;img src=x&gt;" in str(evidence.answers.failures_of("opfs"))
    bars = draw(Chart("a", "t", ("s",), "c", [Bar("<b>", (1,), "<1>"), Bar("none", (0,), "0")]))
    assert "&lt;b&gt;" in bars
    assert bars.count("<rect") == 1


def test_findings_are_the_numbered_sections_of_the_documentation(built: Path) -> None:
    found = Evidence().findings
    assert len(found) >= 10
    headings = Page(built / "docs" / "findings.html").ids
    for finding in found:
        assert finding.anchor in headings
        assert "**" not in finding.summary
    assert page.inline("a *b* `b` [c](findings.md#d) & [e](https://e.example)") == (
        'a <em>b</em> <code>b</code> <a href="docs/findings.html#d">c</a> &amp; <a href="https://e.example">e</a>'
    )


# --- files to download


def test_json_has_every_cell(built: Path) -> None:
    whole = json.loads((built / downloads.JSON).read_text(encoding="utf-8"))
    cells = {cell["address"]: cell for cell in whole["cells"]}
    cell = cells["evidence.html#cell-opfs-firefox-private"]
    assert (cell["verdict"], cell["browser"], cell["window"]) == ("fails", "Firefox", "private")
    assert cell["media"] == dict.fromkeys(MEDIA, "fails")
    assert cell["sources"] == [proofs.FIREFOX_OPFS.url]
    assert whole["costs"][0]["rows"][0]["what"] == "blob"


def test_csv_has_a_row_for_each_measured_cell(built: Path) -> None:
    text = (built / downloads.CSV).read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(Evidence().results.cells)
    assert {row["homeserver"] for row in rows} == {cell.setting.homeserver for cell in Evidence().results.cells}
    assert downloads._harmless("=1+1") == "'=1+1"


def test_compat_data_has_the_shape_of_browser_compat_data(built: Path) -> None:
    whole: dict[str, Any] = json.loads((built / downloads.COMPAT_DATA).read_text(encoding="utf-8"))
    opfs = whole["authmedia"]["opfs"]
    (major,) = whole["browsers"]["firefox"]["releases"]
    assert opfs["__compat"]["support"]["firefox"] == {"version_added": f"≤{major}"}
    refused = opfs["private_windows"]["__compat"]["support"]["firefox"]
    assert refused["version_added"] is False
    assert "GetDirectory" in refused["notes"][0]
    assert proofs.FIREFOX_OPFS.url in refused["notes"][1]
    partly = whole["authmedia"]["service_worker"]["__compat"]["support"]["chromium"]
    assert partly["partial_implementation"] is True
    assert partly["impl_url"] == "https://crbug.com/1018533"
    assert proofs.SYNAPSE_RANGES.url in partly["notes"][1]
    measured = {cell.strategy for cell in Evidence().matrix.cells() if cell.kind != "not run"}
    assert set(whole["authmedia"]) - {"__compat"} == measured, "what was not measured is left out"


def test_compat_data_has_what_the_schema_of_browser_compat_data_requires(built: Path) -> None:
    """But for the names of browsers, which are our own, and their being in one file.

    https://github.com/mdn/browser-compat-data/tree/main/schemas, as of August 2026
    """
    whole: dict[str, Any] = json.loads((built / downloads.COMPAT_DATA).read_text(encoding="utf-8"))
    for browser in whole["browsers"].values():
        assert set(browser) == {"name", "type", "accepts_flags", "accepts_webextensions", "releases"}
        for release in browser["releases"].values():
            assert set(release) == {"engine", "engine_version", "status"}
    features = [("authmedia", whole["authmedia"])]
    for name, feature in features:
        assert re.fullmatch(r"[\w$@-]+", name)
        features += [(key, value) for key, value in feature.items() if key != "__compat"]
    compats = [feature["__compat"] for _, feature in features if "__compat" in feature]
    assert len(compats) > 20
    for compat in compats:
        assert set(compat) == {"description", "support", "status"}
        assert set(compat["status"]) == {"experimental", "standard_track", "deprecated"}
        for browser, support in compat["support"].items():
            assert browser in whole["browsers"]
            assert set(support) <= {"version_added", "notes", "impl_url", "partial_implementation"}
            assert support["version_added"] is False or re.fullmatch(r"≤\d+", support["version_added"])
            for name in ("notes", "impl_url"):
                assert not isinstance(support.get(name), list) or len(support[name]) > 1
            assert "notes" in support or "partial_implementation" not in support
            assert re.fullmatch(r"https://(crbug\.com|bugzil\.la)/\d+", support.get("impl_url", "https://crbug.com/1"))


# --- history


def test_the_stored_runs_are_in_the_history() -> None:
    stored = [run for run in run_history.read() if run["source"] == run_history.OWN_SOURCE]
    for path in (stored_runs.WHOLE, stored_runs.QUICK):
        assert not path.exists() or run_history.of_results(Results.read(path)) in stored


# --- a quick run on a whole one


def quick_results(**verdicts: str) -> Results:
    """A run of one round on the next day, in a later version."""
    run = results(**verdicts)
    run.about.update(date="2026-12-25T00:00:00", quick=True, commit="abc", alone=True, others_load=0.01)
    run.cells = [replace(cell, setting=replace(cell.setting, version="161.0")) for cell in run.cells]
    return run


def test_a_later_quick_run_has_the_verdicts_and_not_the_costs() -> None:
    whole, quick = results(blob="works", opfs="fails"), quick_results(opfs="works", link="works", blob="not run")
    for run, value in ((whole, 39), (quick, 40)):
        for strategy in ("opfs", "blob") if run is whole else ("opfs", "link"):
            setting = replace(run.cells[0].setting, strategy=strategy)
            for name in ("requests", "preflights", "bytes"):
                run.measure(setting, "all", f"after a reload: {name}", "requests", value)
    both = stored_runs.with_quick_run(whole, quick)
    evidence = Evidence(both, {"rows": [], "about": {"date": ""}}, [])
    cells = {name: evidence.matrix.of_strategy(name)[0] for name in ("blob", "opfs", "link")}
    assert [(cell.outcome, cell.date, cell.version) for cell in cells.values()] == [
        ("works", "2026-12-24", "160.1.2"),
        ("works", "2026-12-25", "161.0"),
        ("works", "2026-12-25", "161.0"),
    ]
    assert {row["strategy"]: row["cost"].partition(",")[0] for row in evidence.answers.reloads()} == {
        "blob": "39 + 39",
        "opfs": "39 + 39",
        "link": "40 + 40",
    }
    assert "of 2026-12-25. Commit abc. It was alone" in evidence.quick_run
    assert {row["date"] for row in evidence.matrix.all_places()} == {"2026-12-24", "2026-12-25"}


def test_an_earlier_quick_run_changes_nothing() -> None:
    whole, quick = results(opfs="fails"), quick_results(opfs="works")
    quick.about["date"] = whole.about["date"]
    assert stored_runs.with_quick_run(whole, quick) is whole
    assert Evidence(whole, {"rows": []}, []).quick_run == ""


def test_changes_between_runs() -> None:
    earlier = run_history.of_results(results(blob="works", opfs="fails"))
    later = run_history.of_results(results(blob="works", opfs="works", link="works", cookie="not run"))
    later["date"], later["worlds"][0]["version"] = "2027-01-01", "161"
    runs = [earlier, later]
    assert [(change.strategy, change.before, change.after) for change in run_history.changes(runs)] == [
        ("opfs", "fails", "works"),
    ]
    assert run_history.additions(runs) == [run_history.Addition("2027-01-01", 1, (), ("link",))]
    assert run_history.changes([earlier]) == run_history.changes([earlier, earlier]) == []
    assert run_history.additions([]) == run_history.additions([earlier]) == run_history.additions([earlier] * 2) == []
    page_run = {**later, "source": run_history.PAGE_SOURCE}
    assert run_history.changes([earlier, page_run]) == run_history.additions([earlier, page_run]) == []


def test_a_verdict_is_compared_with_the_latest_run_that_has_it() -> None:
    first, partial, last = (
        run_history.of_results(run) for run in (results(opfs="fails"), results(blob="works"), results(opfs="works"))
    )
    partial["date"], last["date"] = "2027-01-01", "2027-01-02"
    changes = run_history.changes([first, partial, last])
    assert [(change.strategy, change.before, change.after, change.dates) for change in changes] == [
        ("opfs", "fails", "works", ("2026-12-24", "2027-01-02")),
    ]
    assert [(each.date, each.verdicts, each.strategies) for each in run_history.additions([first, partial, last])] == [
        ("2027-01-01", 1, ("blob",)),
    ]


def test_new_windows_and_homeservers_are_one_line_each_run() -> None:
    first = run_history.of_results(results(blob="works"))
    wider = results(blob="works")
    wider.cells += [replace(cell, setting=replace(cell.setting, mode="firefox-iframe")) for cell in wider.cells]
    wider.add(results_at(RANGES, blob="fails"))
    second = {**run_history.of_results(wider), "date": "2027-01-01"}
    assert [world["homeserver"] for world in second["worlds"]] == ["cross-site", "cross-site", RANGES]
    assert run_history.changes([first, second]) == [], "another homeserver is another cell"
    assert run_history.additions([first, second]) == [
        run_history.Addition("2027-01-01", 2, ("firefox-iframe",), ()),
    ]
    last = {**run_history.of_results(results_at(RANGES, blob="works")), "date": "2027-01-02"}
    (change,) = run_history.changes([first, second, last])
    assert (change.homeserver, change.before, change.after) == (RANGES, "fails", "works")


def test_runs_of_one_day_are_kept_apart_and_their_circumstances_with_them(tmp_path: Path) -> None:
    run = results(blob="works")
    run.about.update(quick=True, commit="abc", alone=False, others_load=0.4)
    names = [run_history.add(run, tmp_path).name for _ in range(2)]
    run.about["others_load"] = 0.5
    names.append(run_history.add(run, tmp_path).name)
    assert names == ["2026-12-24-quick.json", "2026-12-24-quick.json", "2026-12-24-quick-2.json"]
    stored = run_history.read(tmp_path)
    assert [(kept["commit"], kept["alone"], kept["others_load"], kept["quick"]) for kept in stored] == [
        ("abc", False, 0.5, True),
        ("abc", False, 0.4, True),
    ]


def test_a_run_says_what_other_programs_took() -> None:
    load = run_conditions.OtherLoad()
    sum(range(3_000_000))  # its own work does not count
    share = load.share()
    assert share is None or 0 <= share <= 1
    said: dict[str, Any] = {}
    for part in (0.01, 0.3, 0.02, None):
        run_conditions.note_load(said, part)
    assert said == {"others_load": 0.3, "alone": False}
    evidence = Evidence(
        replace(results(blob="works"), about={**results().about, **said, "commit": "abc"}), {"rows": []}, []
    )
    assert evidence.circumstances == "Commit abc. It was not alone: other programs took at most 30% of the machine."
    assert re.fullmatch(r"([0-9a-f]{12}\+?)?", run_conditions.about(1, 1)["commit"])
