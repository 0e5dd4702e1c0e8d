"""What the templates of the evidence show, and the files to download, from the latest stored runs."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from tests.evidence import documents, run_history
from tests.evidence.compare import stored_runs
from tests.evidence.compare.results import Results
from web.evidence import cited_tests, downloads
from web.evidence.answers import FILTERS, Answers
from web.evidence.costs import Chart, charts
from web.evidence.drawing import draw
from web.evidence.matrix import Matrix
from web.evidence.worlds import not_measured, title_of

BENCHMARK = documents.ROOT / "tests" / "evidence" / "bench" / "latest.json"
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_BOLD, _EMPHASIS = re.compile(r"\*\*([^*]+)\*\*"), re.compile(r"\*([^*]+)\*")
_DOCUMENT = re.compile(r"^([\w-]+)\.md")


@dataclass(frozen=True)
class Finding:
    """A section of ``docs/findings.md``: its heading, and its first paragraph as HTML."""

    title: str
    anchor: str
    summary: Markup


class Evidence:
    """The latest runs and what is made of them.

    :param results: the comparison; by default the latest one that is stored.
    :param benchmark: the figures of the benchmark; by default the latest ones.
    :param runs: the history; by default what is stored.
    """

    def __init__(
        self,
        results: Results | None = None,
        benchmark: dict[str, Any] | None = None,
        runs: list[dict[str, Any]] | None = None,
    ) -> None:
        self.results = stored_runs.published() if results is None else results
        self.benchmark = documents.read_figures(BENCHMARK) if benchmark is None else benchmark
        self.runs = run_history.read() if runs is None else runs
        self.matrix = Matrix(self.results)
        self.answers = Answers(self.matrix, self.results, self.benchmark)

    filters = FILTERS
    draw = staticmethod(draw)
    title_of = staticmethod(title_of)
    test_anchor = staticmethod(cited_tests.anchor_of)
    files = (downloads.JSON, downloads.CSV, downloads.COMPAT_DATA)

    @cached_property
    def charts(self) -> list[Chart]:
        """The pictures of what each strategy costs."""
        return charts(self.results, self.benchmark, self.matrix.strategies)

    @property
    def browsers(self) -> list[str]:
        """The browsers of the run, with their versions."""
        return list(dict.fromkeys(f"{world.browser} {world.version}" for world in self.matrix.worlds))

    @property
    def missing(self) -> list[str]:
        """What no stored run has."""
        return not_measured(self.results)

    def gaps(self, *modes: str) -> str:
        """Returns those of some worlds that no stored run has, in words; empty if there are none."""
        return "; ".join(not_measured(self.results, modes))

    @property
    def benchmark_date(self) -> str:
        """The day of the benchmark."""
        return str(self.benchmark["about"]["date"])[:10]

    @property
    def circumstances(self) -> str:
        """The commit of the run, and how much of the machine other programs took."""
        return _circumstances(self.results.about)

    @property
    def quick_run(self) -> str:
        """The day and the circumstances of the quick run that has verdicts of these results; empty if there is none."""
        about = self.results.about.get("quick_run")
        return f"of {self.quick_run_date}. {_circumstances(about)}" if about else ""

    @property
    def quick_run_date(self) -> str:
        """The day of that run; empty if there is none."""
        return str(self.results.about.get("quick_run", {}).get("date", ""))[:10]

    @property
    def gaps_by_strategy(self) -> list[tuple[str, int]]:
        """The strategies that no stored run has in some windows, and in how many."""
        gaps = [(name, sum(cell.is_gap for cell in self.matrix.of_strategy(name))) for name in self.matrix.strategies]
        return [(name, windows) for name, windows in gaps if windows]

    @property
    def changes(self) -> list[run_history.Change]:
        """Verdicts that changed between the project's own runs."""
        return run_history.changes(self.runs)

    @property
    def additions(self) -> list[run_history.Addition]:
        """How many verdicts the project's own runs have added."""
        return run_history.additions(self.runs)

    @property
    def own_runs(self) -> list[dict[str, Any]]:
        """The project's own runs."""
        return [run for run in self.runs if run["source"] == run_history.OWN_SOURCE]

    @property
    def contributions(self) -> list[dict[str, Any]]:
        """Runs of `compare.html` that others measured."""
        return [run for run in self.runs if run["source"] == run_history.PAGE_SOURCE]

    @property
    def findings(self) -> list[Finding]:
        """What moved, from the documentation."""
        return findings(documents.FINDINGS.read_text(encoding="utf-8"))

    @property
    def tests(self) -> list[cited_tests.CitedTest]:
        """The tests that the matrix names, in the order of their files."""
        named = dict.fromkeys(test for cell in self.matrix.cells() for test in cell.tests)
        return sorted(map(cited_tests.find, named), key=lambda test: (test.path, test.name))

    def write_downloads(self, out: Path) -> None:
        """Writes the files to download into a folder."""
        contents = (
            downloads.as_json(self.matrix, self.results, self.charts, self.missing),
            downloads.as_csv(self.matrix),
            downloads.as_compat_data(self.matrix),
        )
        for name, content in zip(self.files, contents, strict=True):
            (out / name).write_text(content, encoding="utf-8", newline="")


def _circumstances(about: dict[str, Any]) -> str:
    commit = f"Commit {about['commit']}." if about.get("commit") else "The commit was not noted."
    if "alone" not in about:
        return f"{commit} Whether it was alone on the machine was not noted."
    others = f"other programs took at most {about['others_load']:.0%} of the machine"
    return f"{commit} It was {'' if about['alone'] else 'not '}alone: {others}."


def findings(text: str) -> list[Finding]:
    """Returns the dated sections of a page of findings: those whose heading begins with a number."""
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        paragraph = body.strip().partition("\n\n")[0]
        if re.match(r"\d+\. ", heading):
            found.append(Finding(heading.partition(" ")[2].strip(), _slug(heading), inline(paragraph)))
    return found


def inline(text: str) -> Markup:
    """Returns a paragraph of Markdown as HTML: links, code and bold; links to pages of the documentation lead there."""
    html = str(escape(" ".join(text.split())))
    html = _CODE.sub(r"<code>\1</code>", html)
    html = _EMPHASIS.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", html))
    return Markup(_LINK.sub(lambda found: f'<a href="{_target(found[2])}">{found[1]}</a>', html))


def _target(target: str) -> str:
    return target if "://" in target else "docs/" + _DOCUMENT.sub(r"\1.html", target)


def _slug(heading: str) -> str:
    """Returns a heading's anchor, as the documentation's generator makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", re.sub(r"`", "", heading)).strip().lower())
