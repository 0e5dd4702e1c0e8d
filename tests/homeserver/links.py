"""Links that are altered, and how the homeserver refuses them."""

from typing import Any

from tests.homeserver.support import send


def is_refused(url: str, errcode: str = "M_FORBIDDEN", **options: Any) -> bool:
    answer = send(url, **options)
    if answer.status == 200:
        return False
    assert (answer.status, answer.error) == (403, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    return True


def flip(text: str) -> str:
    """Replaces the letter in the middle."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def with_altered_signature(url: str) -> str:
    rest, _, signature = url.partition("&sig=")
    return f"{rest}&sig={flip(signature)}"
