"""Removes from ``mxc://`` URIs what is no part of them, and what other clients ignore."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCHEME = "mxc://"
# What is removed at both ends. https://infra.spec.whatwg.org/#ascii-whitespace
_SPACE = "\t\n\x0c\r "
_warned = False


def normalize_mxc(uri: "Any") -> str:
    """Returns a URI without surrounding space, query and fragment, and with its scheme in lower case.

    Of what is no such URI it returns what it was given.
    """
    global _warned
    text = uri.strip(_SPACE) if isinstance(uri, str) else ""
    if text[: len(_SCHEME)].lower() != _SCHEME:
        return uri  # type: ignore[no-any-return]
    path = text[len(_SCHEME) :].partition("#")[0].partition("?")[0]
    if not _warned:
        _warned = True
        print(
            "authmedia: an mxc:// URI has a query, a fragment, capitals in its scheme, or space around it, which are "
            "ignored; store it without them. (Others like it are not reported.)"
        )
    return _SCHEME + path
