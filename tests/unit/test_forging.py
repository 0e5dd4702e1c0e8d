"""More than a hundred thousand ways of making a link out of links that one has: none of them is taken.

`test_signing.py` looks for the one bad case with Hypothesis; this goes through many of each kind, and counts them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from media_protocol.signing import SIGNED_PREFIX, Keyring, Link, LinkExpired, LinkRefused, Media, Thumbnail

NOW = 1_800_000_000_000
HOUR = 3_600_000
HERE = Keyring([("1", b"the secret of this homeserver...")])
ELSEWHERE = Keyring([("1", b"the secret of another homeserver")])
RETIRED = Keyring([("0", b"the secret that was retired here")])
EACH = 12_500

Forgery = Callable[[Random, list[str]], str | bytes]


def granted(chance: Random) -> list[Link]:
    """What somebody was given: whole media and thumbnails, of one session."""
    session = HERE.seal(b"a session")
    links = []
    for number in range(20):
        name = "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_", k=24))
        shape = Thumbnail(32 * (number + 1), 32, "crop", number % 3 == 0) if number % 2 else None
        media = Media(chance.choice(["localhost", "example.org:8448", "[2001:db8::7]"]), name, shape, number % 5 == 0)
        links.append(Link("1", media, NOW + HOUR, session))
    return links


def changed_byte(chance: Random, urls: list[str]) -> bytes:
    url = bytearray(chance.choice(urls), "ascii")
    url[chance.randrange(len(url))] ^= chance.randrange(1, 256)
    return bytes(url)


def cut(chance: Random, urls: list[str]) -> str:
    url = chance.choice(urls)
    return url[: chance.randrange(len(url))]


def cut_out(chance: Random, urls: list[str]) -> str:
    url = chance.choice(urls)
    start = chance.randrange(len(url))
    return url[:start] + url[start + chance.randrange(1, 40) :]


def inserted(chance: Random, urls: list[str]) -> bytes:
    url = chance.choice(urls).encode()
    place = chance.randrange(len(url) + 1)
    return url[:place] + chance.randbytes(chance.randrange(1, 9)) + url[place:]


def spliced(chance: Random, urls: list[str]) -> str:
    """The beginning of one link and the end of another: cross-media, cross-size, cross-server."""
    one, two = chance.sample(urls, 2)
    return one[: chance.randrange(len(one))] + two[chance.randrange(len(two)) :]


def reordered(chance: Random, urls: list[str]) -> str:
    path, _, query = chance.choice(urls).partition("?")
    parameters = query.split("&")
    return f"{path}?{'&'.join(chance.sample(parameters, len(parameters)))}"


def doubled(chance: Random, urls: list[str]) -> str:
    """A parameter twice: of this link or of another, before or behind."""
    path, _, query = chance.choice(urls).partition("?")
    parameters = query.split("&")
    parameters.insert(
        chance.randrange(len(parameters) + 1), chance.choice(chance.choice(urls).split("?")[1].split("&"))
    )
    return f"{path}?{'&'.join(parameters)}"


def encoded(chance: Random, urls: list[str]) -> str:
    """The same address to a careless reader: percent-encoded, in other letters, with dots and slashes."""
    url = chance.choice(urls)
    place = chance.randrange(1, len(url))
    tail = chance.choice([f"%{ord(url[place]):02x}", f"%25{ord(url[place]):02X}", f"/{url[place]}", f"/./{url[place]}"])
    return url[:place] + tail + url[place + 1 :] + chance.choice(["", "#", "&", "=", "%00", "\n", " "])


def another_time(chance: Random, urls: list[str]) -> str:
    """Later than it was given for, up to the far future, with the signature of the real one."""
    later = NOW + chance.choice([HOUR + 1, 10**12, 10**14]) + chance.randrange(10**9)
    return chance.choice(urls).replace(f"e={NOW + HOUR}", f"e={later}")


def another_media(chance: Random, urls: list[str]) -> str:
    one, two = chance.sample(urls, 2)
    return f"{one.partition('?')[0]}?{two.partition('?')[2]}"


def another_session(chance: Random, urls: list[str]) -> str:
    """The same media for the same time, granted to two: the session of one and the signature of the other."""
    url = chance.choice(urls)
    link = HERE.verify(url.encode(), NOW)
    theirs = HERE.sign(replace(link, session=HERE.seal(f"session {chance.randrange(10**9)}".encode())))
    mine, given = chance.sample([url, theirs], 2)
    return f"{mine.rpartition('&sig=')[0]}&sig={given.rpartition('&sig=')[2]}"


def made_up(chance: Random, urls: list[str]) -> str:
    """A signature of nobody's, in the right form."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{chance.choice(urls).rpartition('=')[0]}={''.join(chance.choices(letters, k=43))}"


KINDS: tuple[Forgery, ...] = (
    *(changed_byte, cut, cut_out, inserted, spliced, reordered),
    *(doubled, encoded, another_time, another_media, another_session, made_up),
)


def forgeries(seed: int, each: int) -> Iterator[tuple[str, bytes]]:
    """So many tries of each kind, each outcome once; one that happens to be a link that was granted is left out."""
    chance = Random(seed)
    urls = [HERE.sign(link) for link in granted(chance)]
    seen = {url.encode() for url in urls}
    for forge in KINDS:
        for _ in range(each):
            made = forge(chance, urls)
            forged = made if isinstance(made, bytes) else made.encode()
            if forged not in seen:
                seen.add(forged)
                yield forge.__name__, forged


def test_what_is_forged_is_refused() -> None:
    tried, distinct = Counter[str](), set[bytes]()
    for kind, forged in forgeries(seed=6, each=EACH):
        tried[kind] += 1
        distinct.add(forged)
        try:
            accepted = HERE.verify(forged, NOW)
        except LinkRefused:
            continue
        raise AssertionError(f"{kind}: {forged!r} was taken for {accepted}")
    assert set(tried) == {forge.__name__ for forge in KINDS}
    assert len(distinct) == tried.total() > 100_000


def test_what_was_granted_is_taken() -> None:
    """Else the test above could not fail."""
    for link in granted(Random(6)):
        assert HERE.verify(HERE.sign(link).encode(), NOW) == link


def test_links_of_others_of_yesterday_and_of_retired_secrets() -> None:
    for link in granted(Random(7)):
        for other in (ELSEWHERE.sign(link), RETIRED.sign(replace(link, key_id="0"))):
            for address in (None, "192.0.2.1"):
                assert is_refused(other.encode(), address)
        assert is_refused(HERE.sign(link).encode(), "192.0.2.1"), "bound to nobody, asked for by somebody"
        assert is_refused(HERE.sign(link, "192.0.2.1").encode(), "192.0.2.2")
        assert is_refused(HERE.sign(replace(link, expires_ms=NOW)).encode(), None)


def is_refused(uri: bytes, address: str | None) -> bool:
    try:
        HERE.verify(uri, NOW, address)
    except (LinkRefused, LinkExpired):
        return True
    return False


def test_every_link_begins_where_it_is_served() -> None:
    assert all(HERE.sign(link).startswith(SIGNED_PREFIX) for link in granted(Random(6)))
