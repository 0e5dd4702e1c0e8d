"""Authorization servers of browser tests, and what a user does on their pages."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from development.authorization_server import AuthorizationServer
from tests.browser.matrix_room import PASSWORD
from tests.relay import free_port
from web.server import Server


@contextmanager
def authorization_server(homeserver_url: str = "", lifetime_s: int = 300) -> Iterator[AuthorizationServer]:
    """Serves an authorization server; for the parameters see `AuthorizationServer`."""
    port = free_port()
    server = AuthorizationServer(f"http://localhost:{port}/", homeserver_url, "s" * 32, lifetime_s)
    site = Server(server.application, port)
    site.start()
    try:
        yield server
    finally:
        site.stop()
        server.close()


def decide(page: Page, user: str, decision: str = "Allow") -> None:
    """Signs in on the server's page, unless the browser is signed in, and presses a button of the page for consent."""
    page.locator("[name=username], [name=decision]").first.wait_for()
    if page.locator("[name=username]").count():
        page.fill("[name=username]", user)
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=decision, exact=True).click()
