"""The page `compare.html`: it completes in every mode and reports right figures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from demo.sharing import FIGURES
from tests.browser.accessibility import violations
from tests.browser.engines import Mode
from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab, only_chromium
from tests.evidence import contribution
from web.demonstration import Demonstration

STRATEGIES = [
    "link",
    "delegated",
    "opfs",
    "blob",
    "bundle",
    "auto",
    "service_worker",
    "cookie",
    "signed_query",
    "blocking",
]
# The strategies that differ between browsers; Chromium runs all of them.
SOME = ["link", "opfs", "blob", "auto"]
# These depend on the homeserver's configuration and on the browser's notion of a site.
BY_THE_HOMESERVER = ("cookie", "signed_query")
RUN_S = 150
REFUSED = "() => { navigator.clipboard.writeText = async () => { throw new DOMException('no', 'NotAllowedError'); }; }"

pytestmark = pytest.mark.timeout(240)


def compared(tab: SiteTab, **query: str) -> dict[str, Any]:
    """Returns the page's report after a run of all strategies."""
    parameters = "".join(f"&{name}={value}" for name, value in query.items())
    tab.page.goto(f"{tab.origin}/compare.html?run=1{parameters}")
    tab.wait_until_settled(RUN_S)
    assert tab.state == "done", tab.report.get("problem")
    return tab.report


@pytest.mark.by_default("firefox-private")
def test_every_strategy_has_verdict_and_cost(open_tab: OpenTab, mode: Mode) -> None:
    tab = open_tab()
    every = mode.browser == "chromium"
    report = compared(tab, seed="7") if every else compared(tab, seed="7", only=",".join(SOME))
    outcomes = report["strategies"]
    assert sorted(outcomes) == sorted(STRATEGIES if every else SOME) == sorted(report["order"])
    assert report["media"] == []
    assert abs(datetime.fromisoformat(report["date"]) - datetime.now(UTC)) < timedelta(minutes=5)
    for name, found in outcomes.items():
        assert found["support"]["works"] in (True, False)
        assert found["support"]["works"] or found["support"]["words"]
        if name not in BY_THE_HOMESERVER:
            assert found["support"]["works"] is not (mode.private and name == "opfs"), name
        if found["support"]["works"]:
            check_figures(found)
    assert contribution.problem_of(report) == "", "what is downloaded can be added to the evidence"
    assert not tab.page.locator("#published").is_visible(), "the published result makes room for that of this window"
    check_costs(outcomes, mode)
    check_page(tab, outcomes)
    check_nothing_is_left(tab)


def check_figures(found: dict[str, Any]) -> None:
    for visit in (found["first"], found["reload"]):
        assert visit["shown"] == visit["media"] > 30
        assert 0 < visit["first_ms"] <= visit["last_ms"]
    assert len(found["media"]) == found["first"]["media"]
    assert {media["kind"] for media in found["media"]} == {"avatar", "image", "video", "audio"}
    assert found["video"]["first_frame_ms"] > 0
    assert found["video"]["seek_ms"] > 0
    assert found["video"]["target"] > 1


def check_costs(outcomes: dict[str, dict[str, Any]], mode: Mode) -> None:
    link, blob = outcomes["link"], outcomes["blob"]
    assert link["first"]["preflights"] == 0, "the only one was made when the strategy was tried"
    assert blob["first"]["preflights"] == blob["first"]["media"]
    assert link["reload"]["bytes"] < link["first"]["bytes"] / 2, "the browser's cache answers after a reload"
    assert blob["reload"]["bytes"] == blob["first"]["bytes"]
    assert all(found["video"]["right"] for found in (link, blob, outcomes["auto"]))
    chosen = outcomes["auto"]["first"]["chosen"]
    assert sorted(chosen) == ["bundle", "delegated"]
    assert sum(chosen.values()) == link["first"]["media"]
    if "blocking" in outcomes:
        assert "Pyodide" in outcomes["blocking"]["note"]
        bundle = outcomes["bundle"]["first"]
        assert bundle["requests"] == 2 + chosen["delegated"], (
            "what is seen first, all else that is small, each of the rest"
        )
        assert bundle["preflights"] == chosen["delegated"], "that of the bundles was made when the strategy was tried"
    if mode.private:
        assert outcomes["opfs"]["support"]["words"].startswith("SecurityError")
    else:
        assert outcomes["opfs"]["first"]["requests"] > 30
        assert (outcomes["opfs"]["reload"]["requests"], outcomes["opfs"]["reload"]["bytes"]) == (0, 0)


def check_page(tab: SiteTab, outcomes: dict[str, dict[str, Any]]) -> None:
    page = tab.page
    names = [name for name in STRATEGIES if name in outcomes]
    working = [name for name in names if outcomes[name]["support"]["works"]]
    assert page.locator("#outcomes tr .name").all_inner_texts() == names
    assert page.locator("#outcomes tr[data-works=yes]").count() == len(working)
    assert page.locator("#outcomes td[data-best]").count() >= 5
    assert page.locator("#costs li").count() == len(names)
    assert page.locator("#bars .visit").count() == 2 * len(working)
    assert page.locator("#waterfalls svg").count() == len(working)
    lines = sum(len(found["media"]) for found in outcomes.values())
    assert page.locator("#waterfalls .media-line").count() == lines
    assert page.locator("iframe").count() == 0


def check_nothing_is_left(tab: SiteTab) -> None:
    registrations = "async () => (await navigator.serviceWorker.getRegistrations()).length"
    assert tab.page.evaluate(registrations) == 0
    tab.open("link")
    assert tab.state == "done", "the tab has its own session again"


@pytest.mark.full_matrix
@only_chromium
def test_strategies_do_not_share_cached_media(open_tab: OpenTab) -> None:
    """Both ask for the same addresses, and Synapse, which knows no ranges, lets browsers keep what they get.

    In Chromium a film from the network then cannot be sought, and one from the browser's cache can.
    """
    report = compared(open_tab(), seed="0", only="service_worker,blocking")
    assert report["order"] == ["blocking", "service_worker"]
    assert report["strategies"]["service_worker"]["video"]["right"] is False


@pytest.mark.full_matrix
@only_chromium
def test_comparison_runs_on_pyodide(open_tab: OpenTab) -> None:
    report = compared(open_tab(), interpreter="pyodide", only="blocking")
    assert report["interpreter"] == "cpython"
    assert report["strategies"]["blocking"]["first"]["shown"] > 30
    assert report["strategies"]["blocking"]["note"] == ""


@pytest.mark.full_matrix
@only_chromium
def test_run_starts_and_stops_by_buttons(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.open("compare")
    assert tab.state == "done"
    assert "strategies" not in tab.report
    tab.page.click("#start")
    tab.page.wait_for_selector("#outcomes tr", timeout=60_000)
    tab.page.click("#stop")
    tab.wait_until_settled()
    outcomes = tab.report["strategies"]
    states = [found["support"]["works"] for found in outcomes.values()]
    assert sum(state is not None for state in states) in (1, 2), "what is there is kept"
    assert (
        "stopped" in next(found for found in outcomes.values() if found["support"]["works"] is None)["support"]["words"]
    )
    assert tab.page.locator("#start").is_visible()
    assert tab.page.locator("iframe").count() == 0
    downloaded(tab)
    copied_by_hand(tab)


def downloaded(tab: SiteTab) -> None:
    """The file says what the page does."""
    with tab.page.expect_download() as caught:
        tab.page.click("#download")
    assert caught.value.suggested_filename == "authmedia-comparison.json"
    assert json.loads(caught.value.path().read_bytes()) == tab.report


def copied_by_hand(tab: SiteTab) -> None:
    """Where the clipboard is refused, the Markdown is there to be copied, with a row for each strategy."""
    page = tab.page
    page.evaluate(REFUSED)
    page.click("#copy")
    page.wait_for_selector("#markdown:visible")
    assert "NotAllowedError" in page.locator("#copied").inner_text()
    rows = [line for line in page.locator("#markdown").input_value().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == STRATEGIES


@only_chromium
def test_compare_page_is_accessible_after_run(open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.page.emulate_media(reduced_motion="reduce")
    compared(tab, only="link")
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (360, 1280):
            tab.page.set_viewport_size({"width": width, "height": 900})
            assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= width
            assert violations(tab.page) == []


# --- sharing


@contextmanager
def rooms_of_demo(
    demonstration: Demonstration, **rooms: dict[str, Any]
) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """Creates rooms of the demonstration's account by name; yields a client of it, and their ids."""
    demo = demonstration.demo
    assert demo
    client = httpx.Client(base_url=demonstration.synapse.base_url + "/_matrix/client/v3")
    user = {"type": "m.id.user", "user": demo.user_id}
    login = client.post("/login", json={"type": "m.login.password", "identifier": user, "password": demo.password})
    client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    ids = {
        name: client.post("/createRoom", json={"name": name, **more}).json()["room_id"] for name, more in rooms.items()
    }
    try:
        yield client, ids
    finally:
        for room_id in ids.values():
            client.post(f"/rooms/{room_id}/leave", json={})
            client.post(f"/rooms/{room_id}/forget", json={})
        client.post("/logout", json={})
        client.close()


@only_chromium
def test_result_is_sent_to_the_room_that_is_chosen(open_tab: OpenTab, demonstration: Demonstration) -> None:
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    # From version 12 on, nothing limits those who have created a room.
    read_only = {"room_version": "11", "power_level_content_override": {"events": {"m.room.message": 101}}}
    with rooms_of_demo(demonstration, Figures={}, Secret={"initial_state": [encryption]}, Silent=read_only) as (
        client,
        ids,
    ):
        tab = open_tab()
        compared(tab, only="link")
        dialog = tab.page.locator("#share-dialog")
        send, said = dialog.locator(".send:enabled"), dialog.locator(".status")
        tab.page.click("#share")
        send.wait_for()
        assert violations(tab.page) == []
        body = dialog.locator(".body").inner_text()
        assert "link works: all" in body
        dialog.get_by_role("button", name="Close").click()
        dialog.wait_for(state="hidden")
        tab.page.click("#share")
        send.wait_for()
        dialog.locator("select").select_option(ids["Secret"])
        dialog.get_by_text("This room is encrypted").wait_for()
        assert send.count() == 0
        dialog.locator("select").select_option(ids["Silent"])
        send.click()
        dialog.get_by_text("It was not sent to Silent.").wait_for()
        assert "permission" in dialog.locator(".problem .developers").inner_text()
        dialog.locator("select").select_option(ids["Figures"])
        send.click()
        said.get_by_text("Sent to Figures.").wait_for()
        sent = {name: messages(client, room_id) for name, room_id in ids.items()}
    assert [sent["Secret"], sent["Silent"]] == [[], []]
    (content,) = sent["Figures"]
    assert content["body"] == body
    assert "<td><code>link</code></td><td>works</td>" in content["formatted_body"]
    assert contribution.problem_of(content[FIGURES]) == ""
    assert demonstration.synapse.base_url not in json.dumps(content)


def messages(client: httpx.Client, room_id: str) -> list[dict[str, Any]]:
    """Returns the contents of a room's messages."""
    chunk = client.get(f"/rooms/{room_id}/messages", params={"dir": "b"}).json()["chunk"]
    return [event["content"] for event in chunk if event["type"] == "m.room.message"]
