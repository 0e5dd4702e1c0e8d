"""Which strategies `auto` leaves out: for one media after one refusal, for the session after several in a row."""

from authmedia.errors import AuthMediaError, StrategyUnsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# So many refusals in a row leave a strategy out for the session. Those within this time count as one: they are of one
# batch, or of one moment without a disk.
_MAX_REFUSALS = 3
_ONE_REFUSAL_MS = 500.0
# By this error code, a homeserver says that it has no such endpoint at all.
_LACKS_ENDPOINT = "M_UNRECOGNIZED"


class Refusals:
    """Counts how often strategies refused in a row, and for which media.

    :param refused: the strategies that are left out for the session, by name, with the words of their refusals.
    :param now_ms: the clock, in milliseconds.
    """

    __slots__ = ("_by_media", "_counts", "_doubted", "_now_ms", "_refused", "_shown")

    def __init__(self, refused: "dict[str, str]", now_ms: "Callable[[], float]") -> None:
        self._refused = refused
        self._now_ms = now_ms
        # By name, how many refusals there were without a success, and when the last one was.
        self._counts: dict[str, tuple[int, float]] = {}
        # By the key of a request, the strategies that refused it.
        self._by_media: dict[str, dict[str, str]] = {}
        # By name, the `src` of a media that was shown since a refusal.
        self._shown: dict[str, str] = {}
        # The keys of media whose link was refused once.
        self._doubted: set[str] = set()

    def of(self, key: str) -> "dict[str, str]":
        """Returns the strategies that are left out for one media, and the words of their refusals."""
        refused = self._refused.copy()
        refused.update(self._by_media.get(key, {}))
        return refused

    def add(self, name: str, key: str, failure: AuthMediaError) -> str:
        """Counts a refusal; returns its words.

        :param key: of the request that is not given to this strategy again; empty for none.
        """
        words = failure.words or failure.summary
        if key:
            self._by_media.setdefault(key, {})[name] = words
        now_ms = self._now_ms()
        count, last_ms = self._counts.get(name, (0, now_ms - 2 * _ONE_REFUSAL_MS))
        if self._shown.pop(name, ""):
            count = 0
        if now_ms - last_ms > _ONE_REFUSAL_MS:
            count += 1
            self._counts[name] = (count, now_ms)
        if count >= _MAX_REFUSALS or isinstance(failure, StrategyUnsupported) or _LACKS_ENDPOINT in words:
            self._refused[name] = words
        return words

    def is_second(self, key: str) -> bool:
        """Records the refusal of a media's link; returns whether another one was refused before."""
        if key in self._doubted:
            return True
        self._doubted.add(key)
        return False

    def on_success(self, name: str, src: str) -> None:
        """Records that a strategy works, where it had refused something before."""
        if name in self._counts and name not in self._shown:
            self._shown[name] = src

    def on_failure(self, src: str) -> None:
        """Takes back the last success, if an element turns out not to show that media."""
        for name, shown in list(self._shown.items()):
            if shown == src:
                self._shown.pop(name)

    def clear(self, name: str) -> None:
        """Has a strategy tried again."""
        self._refused.pop(name, None)
        self._counts.pop(name, None)
        self._by_media = {}
