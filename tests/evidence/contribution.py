"""Results that others measured with ``compare.html``: checks them, and keeps what is not about a person or a server."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.evidence import run_history
from tests.evidence.compare.results import FAILS, NOT_RUN, WORKS

SCHEMA = Path(__file__).with_name("compare-page.schema.json")
MAX_BYTES = 5_000_000
_MAX_WORDS = 300
_FIGURES = ("first_ms", "last_ms", "requests", "preflights", "bytes", "bytes_known")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# What names a person or a server in what a browser said: URLs, ids of Matrix, e-mail and IP addresses, and host names,
# which do not begin as expressions of JavaScript do.
_PRIVATE = re.compile(
    r"\b(?:https?|wss?|blob|mxc):\S+|[@!#$+][\w.=/+-]*:[\w.:-]+|\b[\w.+-]+@[\w-]+\.[\w.-]+|\b\d{1,3}(?:\.\d{1,3}){3}\b"
    r"|\[[0-9a-f:]{3,}\]|\blocalhost\b"
    r"|(?<![\w.])(?!(?:navigator|window|document|self|globalthis|crypto|performance|caches|indexeddb)\.)"
    r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?![\w(])",
    re.IGNORECASE,
)


class ContributionError(Exception):
    """A file cannot be added: a sentence that says why."""


def add(file: Path, *, by: str | None, on: str | None, folder: Path = run_history.FOLDER) -> Path:
    """Adds what ``compare.html`` has written to the history; returns the new file.

    :param by: who measured it; left out if None.
    :param on: the day on which it was measured, as ``2026-11-29``; left out if None.
    :raises ContributionError: if the file is no such result, or is in the history already.
    """
    if on is not None and not _DATE.fullmatch(on):
        raise ContributionError(f"{on} is no day; write it as 2026-11-29")
    report = _read(file)
    run = {**summary(report), "date": on, "by": by}
    digest = hashlib.sha256(json.dumps(run["worlds"], sort_keys=True).encode()).hexdigest()[:8]
    there = list(folder.glob(f"*-{digest}.json"))
    if there:
        raise ContributionError(f"{file} is in the history already, as {there[0].name}")
    world = run["worlds"][0]
    name = "-".join([on or "undated", _slug(world["browser"]), _slug(world["version"]) or "unknown", digest])
    return run_history.write(run, name, folder)


def problem_of(report: object) -> str:
    """Returns where and how a report differs from the schema; empty if it does not."""
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    wrong = best_match(validator.iter_errors(report))
    if wrong is None:
        return ""
    return f"{'.'.join(map(str, wrong.absolute_path)) or 'the whole file'}: {wrong.message[:200]}"


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Returns what the history keeps of a report: no address, no user agent, no media, no date."""
    browser = report["browser"]
    private = report["mode"]["guess"] == "private"
    version = ".".join(browser["version"].split(".")[:2])
    engine = re.sub(r"[^a-z]+", "-", browser["name"].lower()).strip("-")
    world = {
        "mode": f"{engine}-private" if private else engine,
        "browser": browser["name"],
        "version": version,
        "window": "private" if private else "",
        "homeserver": "",
        "strategies": {name: _outcome(found) for name, found in report["strategies"].items()},
    }
    return {
        "format": run_history.FORMAT,
        "source": run_history.PAGE_SOURCE,
        "date": None,
        "by": None,
        "versions": {"interpreter": report["interpreter"]},
        "worlds": [world],
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ContributionError(
                f"{file} has more than {MAX_BYTES // 10**6} MB; what compare.html writes is smaller"
            )
        report = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise ContributionError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ContributionError(f"{file} is no JSON: {error}") from error
    problem = problem_of(report)
    if problem:
        raise ContributionError(f"{file} is no result of compare.html: {problem}")
    if all(found["support"]["works"] is None for found in report["strategies"].values()):
        raise ContributionError(f"{file} has no strategy that was run")
    return dict(report)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _outcome(found: dict[str, Any]) -> dict[str, Any]:
    works, first = found["support"]["works"], found["first"]
    outcome = NOT_RUN if works is None else WORKS if works else FAILS
    words = str(found["support"]["words"])
    if outcome == WORKS and first and first["shown"] < first["media"]:
        outcome = f"{first['shown']} of {first['media']} media"
    elif outcome == WORKS and (found.get("video") or {}).get("right") is False:
        outcome = "no seeking"
    return {
        "verdict": outcome,
        "words": "" if outcome == WORKS else _PRIVATE.sub("…", words)[:_MAX_WORDS],
        "costs": {visit: _figures(found[visit]) for visit in ("first", "reload")},
    }


def _figures(visit: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: visit[name] for name in _FIGURES} if visit else None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
