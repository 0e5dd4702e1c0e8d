"""The sign-in form: finds the homeserver, and offers what it offers: OAuth 2.0, single sign-on, or a password."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, LinksUnsupported, MediaNotFound
from authmedia.matrix.discovery import discover_homeserver
from authmedia.matrix.login import log_in
from authmedia.matrix.login_flows import LoginFlows, request_login_flows
from authmedia.matrix.oauth import request_oauth_server
from demo.notices import Notices
from demo.sign_in_redirect import leave_for_oauth, leave_for_sign_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from authmedia.matrix.login import Login
    from authmedia.matrix.login_flows import IdentityProvider
    from authmedia.matrix.oauth import OAuthServer

    Adopt = Callable[[str, Login, str], Awaitable[Any]]

_UNKNOWN_FLOWS = "This homeserver offers no way to sign in that this page knows."


class SignInForm:
    """The form in its two steps: which homeserver, then how to sign in there.

    :param adopt: makes a session of a login, its homeserver and the room that was entered.
    """

    def __init__(self, adopt: "Adopt") -> None:
        self._adopt = adopt
        self._form = browser.document_element().query("#sign-in")
        self._notices = Notices(self._form)
        self._find = self._form.query(".find")
        self._offers = self._form.query(".offers")
        self._password = self._form.query(".password")
        self._providers = self._form.query(".providers")
        names = ("homeserver", "user", "password", "room")
        self._fields = {name: self._form.query(f"[name={name}]") for name in names}
        self._flows: LoginFlows | None = None
        self._pressed = asyncio.Event()
        self._action: Callable[[], Awaitable[Any]] = self._submit
        # The action of the last button that leaves the page.
        self._leave: Callable[[], Awaitable[Any]] = self._submit
        self._listeners: list[browser.EventListener] = []
        self._provider_listeners: list[browser.EventListener] = []

    async def run(self, address: str, room: str, problem: "AuthMediaError | None") -> "Any":
        """Shows the form until a sign-in succeeds, and returns what `adopt` returned.

        :param address: the homeserver that is entered already; empty for none.
        :param room: the room that is entered already.
        :param problem: why the sign-in before failed.
        """
        self._fields["homeserver"].value = address
        self._fields["room"].value = room
        self._show_find()
        self._form.hidden = False
        self._listen(self._listeners, self._form, "submit", self._submit)
        self._listen(self._listeners, self._form.query(".change"), "click", self._change)
        try:
            if address:
                await self._act()  # looks at what the homeserver offers
            if problem:
                self._show_error(problem)
            while True:
                await self._pressed.wait()
                self._pressed.clear()
                session = await self._act()
                if session:
                    return session
        finally:
            for listener in self._listeners + self._provider_listeners:
                listener.close()
            self._fields["password"].value = ""
            self._form.hidden = True

    def _listen(
        self,
        listeners: "list[browser.EventListener]",
        element: browser.Element,
        event: str,
        action: "Callable[[], Awaitable[Any]]",
    ) -> None:
        def press() -> None:
            self._action = action
            self._pressed.set()

        listeners.append(element.listen(event, press))

    async def _act(self) -> "Any":
        self._notices.show_problem("")
        self._form.set_attribute("aria-busy", "true")
        try:
            return await self._action()
        except AuthMediaError as error:
            self._show_error(error)
            return None
        finally:
            self._form.remove_attribute("aria-busy")
            self._notices.say("")

    async def _submit(self) -> "Any":
        return await (self._sign_in(self._flows) if self._flows else self._find_homeserver())

    async def _find_homeserver(self) -> None:
        entered = self._fields["homeserver"].value.strip()
        self._notices.say("Looking for the homeserver\u2026")
        server = await discover_homeserver(entered)
        oauth = await request_oauth_server(server.base_url)
        flows = await _request_flows(server.base_url, oauth)
        if not oauth and not flows.password and not flows.providers:
            self._notices.show_problem(_UNKNOWN_FLOWS, server.base_url)
            return
        if entered.startswith("@"):
            self._fields["user"].value = entered
        self._show_offers(flows, oauth)

    async def _sign_in(self, flows: LoginFlows) -> "Any":
        if not flows.password:
            return await self._leave()  # by the Enter key
        self._notices.say("Signing in\u2026")
        user, password, room = (self._fields[name].value for name in ("user", "password", "room"))
        login = await log_in(flows.base_url, user.strip(), password, renewable=True)
        return await self._adopt(flows.base_url, login, room.strip())

    async def _change(self) -> None:
        self._show_find()
        self._fields["homeserver"].focus()

    def _show_find(self) -> None:
        self._flows = None
        _set_shown(self._find, True)
        _set_shown(self._offers, False)
        _set_shown(self._password, False)

    def _show_offers(self, flows: LoginFlows, oauth: "OAuthServer | None") -> None:
        self._flows = flows
        self._form.query(".server").text = flows.base_url
        for listener in self._provider_listeners:
            listener.close()
        self._provider_listeners = []
        self._providers.remove_children()
        if oauth:  # its single sign-on, if any, is for clients that lack OAuth, and leads to the same pages
            buttons = [self._oauth_button(oauth)]
        else:
            buttons = [self._provider_button(flows, provider) for provider in flows.providers]
        self._providers.append(*buttons)
        self._form.query(".or").hidden = not (flows.password and buttons)
        _set_shown(self._find, False)
        _set_shown(self._offers, True)
        _set_shown(self._password, flows.password)
        if not flows.password:
            buttons[0].focus()
        else:
            self._fields["password" if self._fields["user"].value else "user"].focus()

    def _oauth_button(self, server: "OAuthServer") -> browser.Element:
        url = browser.parse_url(server.endpoints["authorization_endpoint"])
        assert url
        return self._button(f"Continue at {url.origin.split('//')[1]}", lambda room: leave_for_oauth(server, room))

    def _provider_button(self, flows: LoginFlows, provider: "IdentityProvider") -> browser.Element:
        text = f"Continue with {provider.name}" if provider.name else "Continue on the homeserver\u2019s page"
        return self._button(text, lambda room: leave_for_sign_on(flows, provider, room))

    def _button(self, text: str, leave_with: "Callable[[str], Awaitable[None]]") -> browser.Element:
        button = browser.create_element("button", type="button")
        button.text = text

        async def leave() -> None:
            self._notices.say("Going to the sign-in\u2026")
            await leave_with(self._fields["room"].value.strip())

        self._listen(self._provider_listeners, button, "click", leave)
        self._leave = leave
        return button

    def _show_error(self, error: AuthMediaError) -> None:
        # Most sentences are about a media, which a sign-in has not; the error's own text says the rest.
        self._notices.show_error("" if "media" in error.user_message else error.user_message, error)


async def _request_flows(base_url: str, oauth: "OAuthServer | None") -> LoginFlows:
    """Requests the ways to sign in at the homeserver itself, which one with an authorization server may lack."""
    try:
        return await request_login_flows(base_url)
    except (LinksUnsupported, MediaNotFound):
        if not oauth:
            raise
    return LoginFlows(base_url, {})


def _set_shown(part: browser.Element, shown: bool) -> None:
    """Shows or hides a part of the form; fields that are hidden must not be required.

    The Enter key presses the form's first button that submits, and does nothing if that one is disabled.
    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#implicit-submission
    """
    part.hidden = not shown
    for button in part.query_all(f"button[type={'button' if shown else 'submit'}]:not([class])"):
        button.set_attribute("type", "submit" if shown else "button")
    if shown:
        part.remove_attribute("disabled")
    else:
        part.set_attribute("disabled", "")
