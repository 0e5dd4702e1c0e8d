"""The limits of a loader."""

from authmedia.support.options import is_whole, reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_OPTIONS = ("transfers", "idle_bytes", "disk_bytes", "original_bytes")


class Limits:
    """Limits what a loader transfers and keeps.

    >>> loader = open_loader("auto", homeserver, limits=Limits(transfers=4, disk_bytes=100_000_000))

    :param transfers: how many bodies are transferred at a time, by all strategies of `auto` together. Elements that
        transfer a link by themselves have the browser's own limit.
    :param idle_bytes: bytes of media that stay in memory although no element shows them.
    :param disk_bytes: bytes on disk, of all accounts of this origin together; the least recently used go first.
    :param original_bytes: a media is loaded itself, up to this size, where the server has no thumbnail of it; 0 for
        never.
    :raises ValueError: if one is no whole number, or is too small.
    """

    OPTION = "limits"
    __slots__ = ("disk_bytes", "idle_bytes", "original_bytes", "transfers")

    def __init__(
        self,
        *,
        transfers: int = 16,
        idle_bytes: int = 64 * 1024 * 1024,
        disk_bytes: int = 512 * 1024 * 1024,
        original_bytes: int = 8 * 1024 * 1024,
        **unknown: "Never",
    ) -> None:
        reject_unknown("Limits", unknown, _OPTIONS)
        for name, value, minimum in (
            ("transfers", transfers, 1),
            ("idle_bytes", idle_bytes, 0),
            ("disk_bytes", disk_bytes, 0),
            ("original_bytes", original_bytes, 0),
        ):
            require(is_whole(value, minimum), "Limits", name, value, f"a whole number, at least {minimum}")
        self.transfers = transfers
        self.idle_bytes = idle_bytes
        self.disk_bytes = disk_bytes
        self.original_bytes = original_bytes
