"""A page whose homeserver is under a path, behind a real nginx, and does not know of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.engines import Mode
from tests.browser.matrix_room import Room, picture
from tests.conftest import OpenTab
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.nginx_path import PATH, put_under_path
from web.demonstration import Demonstration


@pytest.mark.by_default("chromium")
def test_links_lead_to_the_path_that_the_page_asked(
    open_tab: OpenTab, site_for: Callable[..., str], demonstration: Demonstration, mode: Mode, tmp_path: Path
) -> None:
    nginx = find_nginx()
    if not nginx:
        pytest.skip("needs nginx")
    proxy = NginxProxy(nginx, tmp_path / "nginx", demonstration.synapse.port)
    put_under_path(proxy, tmp_path / "nginx", tls=False)
    room = Room(demonstration.synapse, f"under-a-path-{mode.name}")
    for number in (1, 2):
        room.send_media(f"{number}.png", room.upload(picture(number), "image/png"), mimetype="image/png", w=64, h=48)
    base_url = f"http://localhost:{proxy.port}{PATH}"
    with proxy:
        tab = open_tab(site_for({**room.account, "homeserver": base_url}))
        tab.open("link")
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        shown = tab.page.eval_on_selector_all(
            "#timeline img[data-mxc]", "(all) => all.map((element) => [element.dataset.state, element.src])"
        )
        assert len(shown) >= 2
        assert {(state, src.startswith(f"{base_url}/_matrix/")) for state, src in shown} == {("shown", True)}
        assert [url for url in tab.requests if "/_matrix/" in url and not url.startswith(base_url)] == []
        assert tab.report["support"]["link"]["words"].endswith("`base_url` lacks the path")
    room.close()
