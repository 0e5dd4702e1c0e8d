"""HTTP requests whose failures are errors of this library, whatever the interpreter."""

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, PolicyRefused, ServerFailure
from authmedia.matrix.error_responses import error_from_response
from authmedia.support.untrusted import parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.request_hooks import Fetch, RequestHooks


def bearer_headers(access_token: str) -> dict[str, str]:
    """Returns the header of an authenticated request. https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""
    return {"Authorization": f"Bearer {access_token}"}


async def request_url(
    url: str,
    *,
    method: str = "GET",
    headers: "dict[str, str] | None" = None,
    body: str | None = None,
    credentials: str = "omit",
    cache: str = "no-store",
    priority: str = "auto",
    hooks: "tuple[RequestHooks, ...]" = (),
    check: bool = True,
) -> browser.Response:
    """Requests a URL; the body of the response is still arriving. For the other parameters see `browser.fetch`.

    :param hooks: see the request and its response.
    :param check: whether a status of 400 or more is raised as an error, rather than returned.
    :raises AuthMediaError: `HomeserverUnreachable` if no response arrives, `PolicyRefused` if the page's policy forbids
        the request, else by status and Matrix error code.
    """
    failure: AuthMediaError
    fetch: Fetch = browser.fetch
    for observer in hooks:
        fetch = observer.observing(fetch)
    try:
        response = await fetch(
            url, method=method, headers=headers, body=body, credentials=credentials, cache=cache, priority=priority
        )
        if response.status < 400 or not check:
            return response
        failure = await error_from_response(response)
    except browser.BrowserError as error:
        failure = await _without_answer(url, error)
    raise failure


async def _without_answer(url: str, error: browser.BrowserError) -> AuthMediaError:
    """Returns why no response arrived, as far as a page can tell.

    :param error: what the browser says.
    """
    parsed = browser.parse_url(url)
    # Not the URL itself, which may be a link: that is a secret while it is valid.
    place = parsed.origin if parsed else "that URL"
    if error.name == "TypeError":  # no response, rather than a late one
        from authmedia.browser import refused_request  # most requests are answered

        directive = await refused_request(url)
        if directive:
            return PolicyRefused(f"The page's policy forbids requests to {place}", words=directive)
    return HomeserverUnreachable(f"No answer from {place}", words=error.words)


async def read_text(response: browser.Response) -> str:
    """Returns a response's body as text.

    :raises HomeserverUnreachable: if it breaks off.
    """
    try:
        return await response.text()
    except browser.BrowserError as error:
        failure = HomeserverUnreachable("The answer broke off", words=error.words)
    raise failure


async def read_json_object(response: browser.Response) -> "dict[str, Any]":
    """Returns a response's body as a JSON object.

    :raises HomeserverUnreachable: if it breaks off.
    :raises ServerFailure: if it is anything else.
    """
    body = parse_json(await read_text(response))
    if not isinstance(body, dict):
        raise ServerFailure("The homeserver's answer is not JSON; is this the address of a Matrix homeserver?")
    return body
