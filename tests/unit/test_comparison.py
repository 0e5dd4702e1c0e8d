"""The pure part of the comparison: outcomes from reports, figures, words, Markdown, and where bars stand."""

import itertools
from collections import OrderedDict
from typing import Any

import pytest

import tests.unit.support  # noqa: F401  (puts the fake browser in place)
from demo import comparison
from demo.comparison import COLUMNS, FAILS, NOT_RUN, WORKS
from demo.geometry import Line, Scale, longest_line_ms, longest_visit_ms, ticks, waterfall


def media(name: str = "lake.jpg", **more: Any) -> dict[str, Any]:
    """One media as a strategy's page reports it."""
    usual = {"name": name, "kind": "image", "state": "shown", "words": "", "strategy": "link", "source": "network"}
    figures = {"start": 0.0, "milliseconds": 100.0, "requests": 1, "preflights": 1, "bytes": 1000}
    return {"mxc": "mxc://example.org/abc", **usual, **figures, **more}


def report(*shown: dict[str, Any], works: bool = True, words: str = "", **more: Any) -> dict[str, Any]:
    """What the page of `link` reports."""
    return {"support": {"link": {"works": works, "words": words}}, "media": list(shown), **more}


def outcome(*shown: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = comparison.outcome("link", "done", report(*shown, **more))
    found["reload"] = comparison.visit(report(*shown))
    return found


def column(group: str, title: str) -> comparison.Column:
    (found,) = [column for column in COLUMNS if (column.group, column.title) == (group, title)]
    return found


# --- order


def test_every_order_has_all_and_depends_on_the_seed_alone() -> None:
    names = tuple("abcdefgh")
    orders = [comparison.shuffled(names, seed) for seed in range(400)]
    assert all(sorted(order) == list(names) for order in orders)
    assert comparison.shuffled(names, 7) == comparison.shuffled(names, 7)
    assert {order[0] for order in orders} == {order[-1] for order in orders} == set(names)


# --- outcomes


def test_a_visit_is_from_the_first_to_the_last_media_on_show() -> None:
    film = media("film.mp4", kind="video", start=20.0, milliseconds=480.0, bytes=2000)
    visit = comparison.visit(report(media(), media(state="failed", milliseconds=900.0), film))
    assert (visit["media"], visit["shown"]) == (3, 2)
    assert (visit["first_ms"], visit["last_ms"]) == (100.0, 500.0)
    assert (visit["requests"], visit["preflights"], visit["bytes"]) == (3, 3, 4000)
    assert visit["video"] == {"first_frame_ms": 500.0}


@pytest.mark.parametrize(("position", "right"), [(12.0, True), (12.4, True), (0.0, False)])
def test_a_seek_is_right_when_it_leads_there(position: float, right: bool) -> None:
    seek = {"seek_ms": 30.0, "done": True, "target": 12.0, "position": position}
    found = outcome(media(kind="video"), video=seek)
    assert found["video"]["right"] is right
    text = column(comparison.VIDEO, "seek").text(found)
    assert text == ("30 ms" if right else "fails: led to 0.0 s, not 12.0 s")


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (comparison.not_run("stopped"), NOT_RUN, "stopped"),
        (
            comparison.outcome("link", "failed", report(works=False, words="SecurityError: no")),
            FAILS,
            "SecurityError: no",
        ),
        (
            comparison.outcome("link", "failed", {"problem": "HomeserverUnreachable: no"}),
            FAILS,
            "HomeserverUnreachable: no",
        ),
        (comparison.outcome("link", "", report()), FAILS, "its page did not come to an end in time"),
        (comparison.outcome("link", "done", report(media(state="failed", words="refused"))), FAILS, "refused"),
        (outcome(media(), media(state="failed", words="refused")), WORKS, "1 of 2 media not shown: refused"),
        (outcome(media()), WORKS, ""),
    ],
)
def test_a_verdict_comes_with_words(found: dict[str, Any], verdict: str, words: str) -> None:
    assert (comparison.verdict(found), comparison.verdict_words(found)) == (verdict, words)


def test_avatars_are_told_from_pictures_and_nothing_else_is_kept() -> None:
    found = outcome(media("Avatar of Ana"), media())
    assert [each["kind"] for each in found["media"]] == ["avatar", "image"]
    assert "mxc" not in found["media"][0]


# --- figures


@pytest.mark.parametrize(
    ("shown", "text", "whole"),
    [
        ([media(), media()], "2 kB", 2000.0),
        ([media(), media(bytes=0)], "≥ 1 kB", None),
        ([media(bytes=0)], "not told", None),
        ([media(bytes=0, source="disk", requests=0)], "0 B", 0.0),
    ],
)
def test_bytes_that_the_browser_hides_are_not_taken_for_none(
    shown: list[dict[str, Any]], text: str, whole: float | None
) -> None:
    found = outcome(*shown)
    assert column(comparison.FIRST, "bytes").text(found) == text
    assert column(comparison.FIRST, "bytes").value(found) == whole


def test_the_least_is_best_as_people_read_it() -> None:
    slow, quick, alike = (outcome(media(milliseconds=ms)) for ms in (900.0, 100.2, 100.4))
    last = column(comparison.FIRST, "last media")
    assert last.best({"a": slow, "b": quick, "c": alike}) == ["b", "c"]
    assert last.best({"b": quick, "c": alike}) == [], "there is no best where all are alike"
    assert last.best({"a": comparison.not_run("stopped")}) == []


@pytest.mark.parametrize(("milliseconds", "text"), [(0.4, "0 ms"), (999.4, "999 ms"), (1234.0, "1.23 s")])
def test_durations_are_readable(milliseconds: float, text: str) -> None:
    assert comparison.format_ms(milliseconds) == text


# --- words


def everything() -> "OrderedDict[str, dict[str, Any]]":
    return OrderedDict(
        link=outcome(media()),
        opfs=comparison.outcome(
            "opfs", "failed", {"support": {"opfs": {"works": False, "words": "SecurityError: a|b"}}}
        ),
        auto=outcome(media(), media(source="disk", bytes=0, requests=0)),
        cookie=comparison.not_run("stopped before its turn"),
    )


def test_the_headline_names_what_works() -> None:
    found = everything()
    assert comparison.headline(found) == "2 of 3 strategies work in this window: link and auto."
    assert comparison.headline(OrderedDict(link=found["link"])).startswith("link, the one strategy")
    assert comparison.headline(OrderedDict(cookie=found["cookie"])) == "No strategy was run."
    assert comparison.headline(OrderedDict(link=found["link"], auto=found["auto"])).startswith("All 2 strategies")


def test_each_strategy_has_a_sentence() -> None:
    found = everything()
    assert comparison.cost("link", found["link"]) == (
        "link works: all 1 media on show after 100 ms, for 1 request, 1 preflight and 1 kB; "
        "after a reload 100 ms, 1 request and 1 kB."
    )
    assert "auto works, having chosen link for 2: all 2" in comparison.cost("auto", found["auto"])
    assert comparison.cost("opfs", found["opfs"]) == "opfs does not work here: SecurityError: a|b"
    assert comparison.cost("cookie", found["cookie"]) == "cookie was not run: stopped before its turn"


def test_markdown_has_a_row_for_each_and_keeps_its_columns() -> None:
    about = {
        "browser": {"name": "Firefox", "version": "153.0"},
        "mode": {"guess": "private"},
        "interpreter": "micropython",
        "homeserver": "http://home.test",
        "date": "2026-11-24T08:00:00.000Z",
        "order": ["link", "opfs", "auto", "cookie"],
        "seed": 7,
    }
    lines = comparison.markdown({**about, "strategies": everything()}).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert {row.replace("\\|", "").count("|") for row in rows} == {len(COLUMNS) + 3}
    assert [row.split("`")[1] for row in rows[2:]] == ["link", "opfs", "auto", "cookie"]
    assert "SecurityError: a\\|b" in rows[3]
    assert "Firefox 153.0, in a private window" in lines[2]
    assert "(seed 7)" in lines[2]


# --- pictures


@pytest.mark.parametrize("longest", [0.0, 0.3, 1.0, 7.0, 99.0, 248.0, 1020.0, 5000.0, 61_234.0])
def test_an_axis_reaches_just_beyond_the_longest(longest: float) -> None:
    marks = ticks(longest)
    assert marks[0] == 0
    assert marks[-1] >= longest
    assert 2 <= len(marks) <= 6
    assert len(marks) == 2 or marks[-2] < longest
    assert {round(b - a, 6) for a, b in itertools.pairwise(marks)} == {marks[1]}


def test_a_scale_ends_where_it_is_told_to() -> None:
    scale = Scale(1000.0, 72.0)
    assert (scale.at(0.0), scale.at(scale.ticks[-1])) == (0.0, 72.0)
    assert scale.at(500.0) == pytest.approx(36.0)


def test_a_waterfall_is_in_the_order_in_which_media_came() -> None:
    lines = waterfall([{**media("late", start=10.0), "kind": "video"}, media("soon", milliseconds=30.0)])
    assert [line.name for line in lines] == ["soon", "late"]
    assert (lines[1].kind, lines[1].start_ms, lines[1].end_ms) == ("video", 10.0, 110.0)
    assert Line(media()).duration_ms == 100.0


def test_the_longest_of_all_is_on_the_axis() -> None:
    found = everything()
    found["link"]["reload"]["last_ms"] = 700.0
    assert longest_visit_ms(found) == 700.0
    assert longest_line_ms(found) == 100.0
    assert longest_visit_ms({}) == longest_line_ms({}) == 0.0
