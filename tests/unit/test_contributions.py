"""``build.py evidence --add``: results of `compare.html` are checked, and lose what names a person or a server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.evidence import contribution, run_history
from tests.evidence.contribution import ContributionError, add

VISIT = {
    "media": 39,
    "shown": 39,
    "first_ms": 120.5,
    "last_ms": 900.1,
    "requests": 39,
    "preflights": 39,
    "bytes": 8540665,
    "bytes_known": "all",
    "video": None,
    "chosen": {"blob": 39},
}
REFUSED = {
    "support": {"works": False, "words": "SecurityError: Security error when calling GetDirectory"},
    "note": "",
    "first": None,
    "reload": None,
    "video": None,
    "media": [],
}


def report() -> dict[str, Any]:
    """What *Download JSON* writes, shortened."""
    blob = {
        "support": {"works": True, "words": ""},
        "note": "",
        "first": VISIT,
        "reload": {**VISIT, "bytes_known": "part"},
        "video": {"first_frame_ms": 5.0, "right": True},
        "media": [{"name": "Ana's cat.jpg", "state": "shown", "words": "", "strategy": "blob", "source": "network"}],
    }
    return {
        "browser": {"name": "Firefox", "version": "153.7.1", "user_agent": "Mozilla/5.0 (X11; Linux) Firefox/153.7.1"},
        "interpreter": "micropython",
        "service_worker": True,
        "page": "compare",
        "strategy": "compare",
        "support": {"opfs": REFUSED["support"]},
        "mode": {"guess": "private", "because": "the private file system is refused"},
        "homeserver": "https://matrix.secret.example",
        "seed": 7,
        "order": ["blob", "opfs"],
        "date": "2026-11-29T02:00:00Z",
        "strategies": {"blob": blob, "opfs": REFUSED},
        "media": [],
    }


def write(folder: Path, whole: object) -> Path:
    path = folder / "authmedia-comparison.json"
    path.write_text(whole if isinstance(whole, str) else json.dumps(whole), encoding="utf-8")
    return path


def test_a_result_is_kept_without_who_when_and_where(tmp_path: Path) -> None:
    path = add(write(tmp_path, report()), by=None, on=None, folder=tmp_path / "history")
    assert path.name.startswith("undated-firefox-153.7-")
    text = path.read_text(encoding="utf-8")
    for left_out in ("secret.example", "2026-11-29", "Mozilla", "cat.jpg", "Ana"):
        assert left_out not in text
    (run,) = run_history.read(tmp_path / "history")
    assert (run["source"], run["date"], run["by"]) == (run_history.PAGE_SOURCE, None, None)
    (world,) = run["worlds"]
    assert (world["mode"], world["version"], world["window"]) == ("firefox-private", "153.7", "private")
    assert world["strategies"]["blob"]["verdict"] == "works"
    assert world["strategies"]["blob"]["costs"]["reload"]["bytes_known"] == "part"
    assert world["strategies"]["opfs"]["words"] == "SecurityError: Security error when calling GetDirectory"
    assert path.stat().st_size < 5_000


def test_who_and_when_are_kept_if_they_are_given(tmp_path: Path) -> None:
    path = add(write(tmp_path, report()), by="Ana", on="2026-11-28", folder=tmp_path / "history")
    assert path.name.startswith("2026-11-28-firefox-153.7-")
    (run,) = run_history.read(tmp_path / "history")
    assert (run["by"], run["date"]) == ("Ana", "2026-11-28")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("TypeError: https://matrix.secret.example/_matrix/x?y failed", "TypeError: … failed"),
        ("@ana:secret.example may not, says !room:secret.example", "… may not, says …"),
        ("matrix.secret.example does not answer in time", "… does not answer in time"),
        ("refused by 192.0.2.7 and [2001:db8::1] for ana@secret.example", "refused by … and … for …"),
        (
            "NotSupportedError: navigator.storage.getDirectory is missing in this window",
            "NotSupportedError: navigator.storage.getDirectory is missing in this window",
        ),
        ("sought to 12.0 s, the video stands at 0.0 s", "sought to 12.0 s, the video stands at 0.0 s"),
    ],
)
def test_words_name_no_server_and_no_person(words: str, kept: str) -> None:
    whole = report()
    whole["strategies"]["opfs"] = {**REFUSED, "support": {"works": False, "words": words}}
    assert contribution.summary(whole)["worlds"][0]["strategies"]["opfs"]["words"] == kept


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"first": {**VISIT, "shown": 30}}, "30 of 39 media"),
        ({"video": {"right": False}}, "no seeking"),
        ({"support": {"works": None, "words": "stopped"}}, "not run"),
    ],
)
def test_verdicts_say_what_is_missing(change: dict[str, Any], verdict: str) -> None:
    whole = report()
    whole["strategies"]["blob"].update(change)
    assert contribution.summary(whole)["worlds"][0]["strategies"]["blob"]["verdict"] == verdict


def altered(*path: str, value: object) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        whole = report()
        at = whole
        for name in path[:-1]:
            at[name] = dict(at[name])
            at = at[name]
        at[path[-1]] = value
        return whole

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "[1", "is no JSON"),
        (lambda: '{"page": NaN}', "NaN is no number"),
        (lambda: "[" * 100_000, "is no JSON"),
        (list, "the whole file: .* is not of type 'object'"),
        (dict, "is a required property"),
        (altered("page", value="link"), "page: 'compare' was expected"),
        (altered("strategies", value={}), "strategies"),
        (altered("strategies", "../x", value=REFUSED), "strategies"),
        (altered("strategies", "blob", "first", "requests", value="many"), "strategies.blob.first"),
        (altered("strategies", "blob", "first", "bytes", value=-1), "strategies.blob.first"),
        (altered("strategies", "opfs", "support", "works", value="yes"), "strategies.opfs.support.works: 'yes'"),
        (altered("browser", "version", value="<script>"), "browser.version"),
        (altered("strategies", value={"blob": {**REFUSED, "support": {"works": None, "words": ""}}}), "no strategy"),
        (lambda: " " * (contribution.MAX_BYTES + 1), "has more than 5 MB"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(tmp_path: Path, make: Callable[[], object], message: str) -> None:
    file = write(tmp_path, make())
    with pytest.raises(ContributionError, match=message) as caught:
        add(file, by=None, on=None, folder=tmp_path / "history")
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 600
    assert not (tmp_path / "history").exists()


def test_what_is_there_already_or_missing_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, report())
    add(file, by=None, on=None, folder=tmp_path / "history")
    with pytest.raises(ContributionError, match="is in the history already, as undated-firefox"):
        add(file, by="Ana", on="2026-11-28", folder=tmp_path / "history")
    with pytest.raises(ContributionError, match="cannot be read"):
        add(tmp_path / "missing.json", by=None, on=None, folder=tmp_path / "history")
    with pytest.raises(ContributionError, match="yesterday is no day"):
        add(file, by=None, on="yesterday", folder=tmp_path / "history")
