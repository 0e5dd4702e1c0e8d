"""What a homeserver says of itself: the versions of the specification that it has, and where its media are by them."""

from authmedia.errors import ServerFailure
from authmedia.matrix.endpoints import MEDIA_PREFIX
from authmedia.matrix.http import read_json_object, request_url
from authmedia.support.untrusted import json_object, parse_digits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.matrix.request_hooks import RequestHooks

VERSIONS_PATH = "/_matrix/client/versions"
# The first version whose media need an access token, and the feature by which older servers announced the same.
_AUTHENTICATED_MEDIA = (1, 11)
_AUTHENTICATED_FEATURE = "org.matrix.msc3916.stable"


class ServerVersions:
    """The versions of the specification that a homeserver has.

    https://spec.matrix.org/latest/client-server-api/#get_matrixclientversions

    :param names: as the server lists them: ``r0.6.1``, ``v1.11``.
    :param features: its unstable features, by name.
    """

    __slots__ = ("features", "names")

    def __init__(self, names: "list[str]", features: "dict[str, Any]") -> None:
        self.names = names
        self.features = features

    @property
    def newest(self) -> str:
        """The newest version, as people write it: ``Matrix 1.11``; empty if the server lists none that is known."""
        major, minor = self._newest()
        return f"Matrix {major}.{minor}" if major else "Matrix r0" if self._has_r0() else ""

    @property
    def media_prefix(self) -> str:
        """The path of its media: with a token from Matrix 1.11 on, open to everyone before; empty if it has neither.

        A server that only has versions from before 1.1 has the media of ``r0``.
        https://spec.matrix.org/v1.11/client-server-api/#content-repository
        """
        if self.authenticates_media:
            return MEDIA_PREFIX
        if self._newest() >= (1, 1):
            return "/_matrix/media/v3"
        return "/_matrix/media/r0" if self._has_r0() else ""

    @property
    def authenticates_media(self) -> bool:
        """Whether its media are to be requested with an access token."""
        return self._newest() >= _AUTHENTICATED_MEDIA or self.features.get(_AUTHENTICATED_FEATURE) is True

    def _has_r0(self) -> bool:
        return any(name.startswith("r0.") for name in self.names)

    def _newest(self) -> "tuple[int, int]":
        return max([_parse(name) for name in self.names] + [(0, 0)])


async def request_versions(base_url: str, hooks: "tuple[RequestHooks, ...]" = ()) -> ServerVersions:
    """Requests the versions of the homeserver at a base URL.

    :raises ServerFailure: if what answers is no homeserver.
    :raises AuthMediaError: of the class that fits what happened.
    """
    body = await read_json_object(await request_url(base_url + VERSIONS_PATH, hooks=hooks))
    names = body.get("versions")
    if not isinstance(names, list):
        raise ServerFailure("The answer lists no versions; is this the address of a Matrix homeserver?")
    known = [name for name in names if isinstance(name, str)]
    return ServerVersions(known, json_object(body.get("unstable_features")))


def _parse(name: str) -> "tuple[int, int]":
    """Returns the numbers of a version from Matrix 1.1 on; zeros for every other name."""
    major, _, minor = name[1:].partition(".")
    numbers = parse_digits(major), parse_digits(minor)
    if not name.startswith("v") or numbers[0] is None or numbers[1] is None:
        return (0, 0)
    return (numbers[0], numbers[1])
