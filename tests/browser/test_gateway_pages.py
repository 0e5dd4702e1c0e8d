"""The pages through a gateway, in front of a Synapse without the module."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from authmedia.strategies import NAMES
from development.attic import Attic
from development.long_room import ArchiveRoom
from development.sample_media.catalogue import Sample
from development.synapse import Synapse
from tests.browser.authorization import authorization_server, decide
from tests.browser.engines import Mode
from tests.browser.matrix_room import Account, Room, picture
from tests.browser.site_tab import SiteTab
from tests.browser.test_attic import assert_presented, attic, unexpected_ends  # noqa: F401
from tests.browser.test_compare_page import BY_THE_HOMESERVER, check_figures, compared
from tests.browser.test_compare_page import STRATEGIES as COMPARED
from tests.browser.test_redirect_page import room as redirecting_room  # noqa: F401
from tests.browser.test_redirect_page import storage  # noqa: F401
from tests.browser.test_timeline import SHOWN, archive, events, scroll_through  # noqa: F401
from tests.conftest import OpenTab, only_chromium
from tests.evidence.compare.servers import copied_homeserver
from tests.gateway.process import Gateway
from tests.homeserver.s3_storage import S3Storage
from tests.homeserver.support import wait_for
from tests.relay import free_port
from web.demonstration import Demonstration

# The strategies that show the media of a page, where they are not the page's own.
SHOWN_BY = {"auto": {"bundle", "delegated"}}
WHOAMI = "/_matrix/client/v3/account/whoami"
STRATEGIES = ("auto", "link", "delegated", "bundle", "blob", "opfs", "service_worker", "blocking")
STRATEGIES_IN = {"chromium": ("auto",), "firefox-private": ("link",)}

pytestmark = pytest.mark.timeout(240)


# ruff: noqa: F811
@pytest.fixture(scope="session")
def plain_synapse(
    demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Synapse]:
    """A Synapse without the module, with a copy of the demonstration's accounts, rooms and media."""
    if request.config.getoption("--full-matrix"):
        for room in ("attic", "archive"):
            request.getfixturevalue(room)
    directory = tmp_path_factory.mktemp("plain") / "homeserver"
    with copied_homeserver(demonstration.synapse, directory, None) as synapse:
        yield synapse


@pytest.fixture(scope="session")
def gateway(plain_synapse: Synapse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), f"http://127.0.0.1:{plain_synapse.port}") as gateway:
        yield gateway
    log = gateway.log_path.read_text()
    assert "Traceback" not in log
    assert " ERROR " not in log


def assert_only_by(tab: SiteTab, gateway: Gateway) -> None:
    """Checks that the tab has sent no request to another origin than the site and the gateway."""
    assert tab.requested_origins() == {tab.origin, gateway.url}


def assert_all_shown(tab: SiteTab, strategies: set[str]) -> None:
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    elements = tab.media_elements()
    assert {element["tag"] for element in elements} == {"img", "video", "audio"}
    assert len(elements) > 30
    for element in elements:
        assert element["state"] == "shown", element["words"]
    assert {element["strategy"] for element in elements} == strategies


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_page_through_gateway(open_tab: OpenTab, gateway: Gateway, samples: dict[str, Sample], strategy: str) -> None:
    """Each page signs in by the password, and shows all media of the room, after a reload too."""
    tab = open_tab("")
    interpreter = "pyodide" if strategy == "blocking" else "micropython"
    tab.open(strategy.replace("_", "-"), homeserver=gateway.url, interpreter=interpreter)
    assert_all_shown(tab, SHOWN_BY.get(strategy, {strategy}))
    mxc = tab.page.locator("#timeline video").first.get_attribute("data-mxc") or ""
    assert tab.sha256(f'#timeline video[data-mxc="{mxc}"]') == samples[mxc].sha256
    tab.reload()
    assert_all_shown(tab, SHOWN_BY.get(strategy, {strategy}))
    assert_only_by(tab, gateway)


@pytest.mark.full_matrix
def test_start_page_tries_the_strategies_through_gateway(open_tab: OpenTab, gateway: Gateway, mode: Mode) -> None:
    tab = open_tab("")
    tab.open("index", homeserver=gateway.url)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    works = tab.page.eval_on_selector_all(
        "[data-support][data-works]", "(tried) => tried.map(({ dataset }) => [dataset.support, dataset.works])"
    )
    assert dict(works) == {name: "no" if mode.private and name == "opfs" else "yes" for name in NAMES}
    assert_only_by(tab, gateway)


@pytest.mark.full_matrix
@pytest.mark.parametrize("strategy", ["cookie", "signed_query"])
def test_baseline_is_not_offered(open_tab: OpenTab, gateway: Gateway, strategy: str) -> None:
    tab = open_tab("")
    tab.open(strategy.replace("_", "-"), homeserver=gateway.url)
    assert tab.state == "failed"
    assert f'"{strategy} is off"' in tab.page.locator("#problem").inner_text()
    tab.click_and_settle("#others button:has-text('link')")
    assert_all_shown(tab, {"link"})


@pytest.mark.full_matrix
def test_redirects_pass_through_gateway(
    open_tab: OpenTab, site_for: Callable[..., str], redirecting_room: Room, storage: S3Storage, tmp_path: Path
) -> None:
    """The browser follows the homeserver's redirects by itself, so that no body passes through the gateway."""
    account = redirecting_room.account
    with Gateway(tmp_path / "gateway", account["homeserver"]) as gateway:
        tab = open_tab(site_for({**account, "homeserver": gateway.url}))
        tab.open("redirect", measure="video")
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        elements = tab.media_elements()
        assert {element["state"] for element in elements} == {"shown"}
        kinds = {(element["tag"], element["src"].startswith(storage.url)) for element in elements}
        assert {("video", True), ("img", True), ("img", False)} <= kinds, "the small picture is not redirected"
        assert tab.report["video"]["done"], "it seeks by ranges of the storage"
        assert tab.requested_origins() == {tab.origin, gateway.url, storage.url}
        assert gateway.metric("responses_total", endpoint="proxy", status="307") > 0
    for _, headers, _ in storage.presigned_requests:
        assert not {"authorization", "cookie", "referer"} & set(headers)


@pytest.mark.full_matrix
def test_page_says_that_nothing_is_redirected(open_tab: OpenTab, gateway: Gateway) -> None:
    tab = open_tab("")
    tab.open("redirect", homeserver=gateway.url)
    assert tab.state == "failed"
    assert "itself, and redirects to no storage" in tab.page.locator("#problem").inner_text()
    tab.click_and_settle("#others button:has-text('delegated')")
    assert_all_shown(tab, {"delegated"})
    assert_only_by(tab, gateway)


@pytest.mark.full_matrix
def test_comparison_through_gateway(open_tab: OpenTab, gateway: Gateway, mode: Mode) -> None:
    """All strategies have their figures, but for the baselines that a gateway does not offer."""
    tab = open_tab("")
    report = compared(tab, seed="7", homeserver=gateway.url)
    outcomes = report["strategies"]
    assert sorted(outcomes) == sorted(COMPARED)
    for name, found in outcomes.items():
        if name in BY_THE_HOMESERVER:
            assert f"{name} is off" in found["support"]["words"]
        assert found["support"]["works"] is not (name in BY_THE_HOMESERVER or (mode.private and name == "opfs")), name
        if found["support"]["works"]:
            check_figures(found)
    for name in ("link", "delegated", "auto"):
        assert outcomes[name]["video"]["right"], "the gateway has ranges"
    link = outcomes["link"]
    assert link["reload"]["bytes"] < link["first"]["bytes"] / 2, "the browser's cache answers after a reload"
    assert_only_by(tab, gateway)


@pytest.mark.full_matrix
def test_timeline_through_gateway(open_tab: OpenTab, gateway: Gateway, archive: ArchiveRoom) -> None:
    tab = open_tab("")
    tab.page.set_viewport_size({"width": 600, "height": 900})
    tab.open("timeline", strategy="auto", homeserver=gateway.url)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    scroll_through(tab)
    for mxc in tab.page.evaluate(SHOWN)[:3]:
        assert tab.sha256(f'figure img[data-mxc="{mxc}"]') == archive.pictures[mxc]
    assert_only_by(tab, gateway)


@pytest.mark.full_matrix
def test_attic_through_gateway(open_tab: OpenTab, gateway: Gateway, attic: Attic) -> None:
    tab = open_tab("")
    tab.open("attic", strategy="auto", homeserver=gateway.url)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    assert unexpected_ends(tab.media_elements(), attic, by_themselves=[]) == {}
    assert_presented(tab)


@only_chromium
def test_user_signs_in_by_the_form(
    open_tab: OpenTab, demonstration: Demonstration, gateway: Gateway, site_without_account: str
) -> None:
    """The form finds the gateway by its address, as it finds a homeserver."""
    tab, demo = open_tab(site_without_account), demonstration.demo
    assert demo
    page = tab.page
    page.goto(f"{tab.origin}/delegated.html")
    page.wait_for_selector("#sign-in:not([hidden])")
    page.fill("[name=homeserver]", gateway.url)
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=password]:visible")
    page.fill("[name=user]", demo.user_id)
    page.fill("[name=password]", demo.password)
    page.fill("[name=room]", demo.room_id)
    page.keyboard.press("Enter")
    page.wait_for_selector("#account:not([hidden])")
    tab.wait_until_settled()
    assert_all_shown(tab, {"delegated"})
    assert_only_by(tab, gateway)
    page.click("#account button")
    page.wait_for_selector("#sign-in:not([hidden])")


@only_chromium
@pytest.mark.full_matrix
def test_user_signs_in_with_oauth(open_tab: OpenTab, site_for: Callable[[Account], str], tmp_path: Path) -> None:
    """The gateway passes the authorization server's metadata on, and keeps up with tokens that end."""
    port = free_port()
    with (
        authorization_server(f"http://localhost:{port}", 5) as server,
        Synapse(tmp_path / "synapse", port, extra_config={**server.synapse_config, "modules": []}) as synapse,
        Gateway(tmp_path / "gateway", f"http://127.0.0.1:{port}", tokens="stored") as gateway,
    ):
        room = Room(synapse, "ana", server.sign_up)
        for red in (20, 80, 210):
            room.send_media(f"picture-{red}.png", room.upload(picture(red), "image/png"), w=64, h=48)
        tab = open_tab(site_for({"homeserver": gateway.url, "room": room.account["room"]}))
        page = tab.page
        page.goto(f"{tab.origin}/link.html")
        page.get_by_role("button", name=f"Continue at {server.issuer.split('/')[2]}").click()
        decide(page, "ana")
        page.wait_for_selector("#account:not([hidden])")
        tab.wait_until_settled()
        assert tab.state == "done", page.locator("#problem").inner_text()
        assert {media["state"] for media in tab.media} == {"shown"}
        linked = tab.media_elements()[0]["src"]
        assert linked.startswith(gateway.url)
        token = tab.access_token()
        wait_for(lambda: httpx.get(synapse.base_url + WHOAMI, headers=bearer(token)).status_code == 401, 15, "its end")
        tab.click_and_settle("#clear")
        assert tab.access_token() != token
        assert {media["state"] for media in tab.media} == {"shown"}
        # The same link, by the newer token.
        assert httpx.get(linked).status_code == 200
        room.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
