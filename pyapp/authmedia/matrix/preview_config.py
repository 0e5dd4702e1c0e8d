"""The account's setting for media previews: ``m.media_preview_config``, for the account and for one room.

https://spec.matrix.org/v1.19/client-server-api/#media-preview-configuration
"""

from authmedia.support.untrusted import json_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The values of `MediaPreviewConfig.media_previews`; `ON` and `OFF` are those of ``invite_avatars``, too.
ON, PRIVATE, OFF = "on", "private", "off"
#: The types of the account data: the specification's, and the one that clients wrote before.
#: https://github.com/matrix-org/matrix-spec-proposals/pull/4278
CONFIG_TYPES = ("m.media_preview_config", "io.element.msc4278.media_preview_config")
# Rooms with any other join rule are public.
_PRIVATE_JOIN_RULES = ("invite", "knock", "restricted", "knock_restricted")


class MediaPreviewConfig:
    """Which media the user wants to see without being asked, in one room.

    >>> config = MediaPreviewConfig(account_data, room_account_data)
    >>> policy = MediaPolicy(
    ...     previews=config.allows_previews(join_rule), invite_avatars=config.invite_avatars == "on"
    ... )

    :param account: the contents of the account's data by their types; other types are ignored.
    :param room: the same of the room's account data, which goes first; ``None`` outside of joined rooms.
    """

    __slots__ = ("invite_avatars", "media_previews")

    def __init__(self, account: "Mapping[str, object]", room: "Mapping[str, object] | None" = None) -> None:
        contents = (config_content(room or {}), config_content(account))
        #: ``on``, ``off``, or ``private`` for rooms that are private.
        self.media_previews = _resolve(contents, "media_previews", (ON, PRIVATE, OFF))
        #: ``on`` or ``off``: whether invitations show avatars.
        self.invite_avatars = _resolve(contents, "invite_avatars", (ON, OFF))

    def __repr__(self) -> str:
        return f"MediaPreviewConfig(media_previews={self.media_previews!r}, invite_avatars={self.invite_avatars!r})"

    def allows_previews(self, join_rule: object) -> bool:
        """Returns whether media in the room may be shown without being asked for.

        :param join_rule: the ``join_rule`` of the room's ``m.room.join_rules``; ``None`` where it is not known.
        """
        return self.media_previews == ON or (self.media_previews == PRIVATE and join_rule in _PRIVATE_JOIN_RULES)


def config_content(account_data: "Mapping[str, object]") -> "dict[str, object]":
    """Returns the content of the setting in account data, of the specification's type if both are there."""
    for name in CONFIG_TYPES:
        content = json_object(account_data.get(name))
        if content:
            return content
    return {}


def _resolve(contents: "tuple[dict[str, object], ...]", name: str, known: "tuple[str, ...]") -> str:
    """Returns a property of the first content that has it; an unknown value counts as ``off``."""
    for content in contents:
        if name in content:
            value = content[name]
            return value if isinstance(value, str) and value in known else OFF
    return ON
