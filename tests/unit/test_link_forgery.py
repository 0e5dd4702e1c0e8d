"""More than a hundred thousand links forged from valid ones: all of them are invalid.

`test_signing.py` searches for a counterexample with Hypothesis. This module tries many forgeries of each kind and
counts them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from media_protocol.signing import SIGNED_PREFIX, ExpiredLink, InvalidLink, Keyring, Link, Media, Thumbnail

NOW = 1_800_000_000_000
HOUR = 3_600_000
HERE = Keyring([("1", b"the secret of this homeserver...")])
ELSEWHERE = Keyring([("1", b"the secret of another homeserver")])
RETIRED = Keyring([("0", b"the secret that was retired here")])
EACH = 12_500

Forgery = Callable[[Random, list[str]], str | bytes]


def granted(random: Random) -> list[Link]:
    """Links that one session was granted, to whole media and to thumbnails."""
    session = HERE.seal(b"a session")
    links = []
    for number in range(20):
        name = "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_", k=24))
        shape = Thumbnail(32 * (number + 1), 32, "crop", number % 3 == 0) if number % 2 else None
        media = Media(random.choice(["localhost", "example.org:8448", "[2001:db8::7]"]), name, shape, number % 5 == 0)
        links.append(Link("1", media, NOW + HOUR, session))
    return links


def changed_byte(random: Random, urls: list[str]) -> bytes:
    url = bytearray(random.choice(urls), "ascii")
    url[random.randrange(len(url))] ^= random.randrange(1, 256)
    return bytes(url)


def truncated(random: Random, urls: list[str]) -> str:
    url = random.choice(urls)
    return url[: random.randrange(len(url))]


def shortened(random: Random, urls: list[str]) -> str:
    url = random.choice(urls)
    start = random.randrange(len(url))
    return url[:start] + url[start + random.randrange(1, 40) :]


def inserted(random: Random, urls: list[str]) -> bytes:
    url = random.choice(urls).encode()
    place = random.randrange(len(url) + 1)
    return url[:place] + random.randbytes(random.randrange(1, 9)) + url[place:]


def spliced(random: Random, urls: list[str]) -> str:
    """The beginning of one link and the end of another: of another media, size or server."""
    one, two = random.sample(urls, 2)
    return one[: random.randrange(len(one))] + two[random.randrange(len(two)) :]


def reordered(random: Random, urls: list[str]) -> str:
    path, _, query = random.choice(urls).partition("?")
    parameters = query.split("&")
    return f"{path}?{'&'.join(random.sample(parameters, len(parameters)))}"


def repeated(random: Random, urls: list[str]) -> str:
    """A parameter twice, with the value of this link or of another, at any position."""
    path, _, query = random.choice(urls).partition("?")
    parameters = query.split("&")
    parameters.insert(
        random.randrange(len(parameters) + 1), random.choice(random.choice(urls).split("?")[1].split("&"))
    )
    return f"{path}?{'&'.join(parameters)}"


def encoded(random: Random, urls: list[str]) -> str:
    """A URI that a lenient parser would take for the same: percent-encoded, with dots, slashes or a suffix."""
    url = random.choice(urls)
    place = random.randrange(1, len(url))
    tail = random.choice([f"%{ord(url[place]):02x}", f"%25{ord(url[place]):02X}", f"/{url[place]}", f"/./{url[place]}"])
    return url[:place] + tail + url[place + 1 :] + random.choice(["", "#", "&", "=", "%00", "\n", " "])


def another_time(random: Random, urls: list[str]) -> str:
    """A later expiry, up to the far future, with the original signature."""
    later = NOW + random.choice([HOUR + 1, 10**12, 10**14]) + random.randrange(10**9)
    return random.choice(urls).replace(f"e={NOW + HOUR}", f"e={later}")


def another_media(random: Random, urls: list[str]) -> str:
    one, two = random.sample(urls, 2)
    return f"{one.partition('?')[0]}?{two.partition('?')[2]}"


def another_session(random: Random, urls: list[str]) -> str:
    """The same media and expiry for two sessions: the handle of one and the signature of the other."""
    url = random.choice(urls)
    link = HERE.verify(url.encode(), NOW)
    theirs = HERE.sign(replace(link, session=HERE.seal(f"session {random.randrange(10**9)}".encode())))
    mine, given = random.sample([url, theirs], 2)
    return f"{mine.rpartition('&sig=')[0]}&sig={given.rpartition('&sig=')[2]}"


def random_signature(random: Random, urls: list[str]) -> str:
    """A random signature of the right form."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{random.choice(urls).rpartition('=')[0]}={''.join(random.choices(letters, k=43))}"


KINDS: tuple[Forgery, ...] = (
    *(changed_byte, truncated, shortened, inserted, spliced, reordered),
    *(repeated, encoded, another_time, another_media, another_session, random_signature),
)


def forgeries(seed: int, each: int) -> Iterator[tuple[str, bytes]]:
    """Yields forgeries, ``each`` attempts of each kind, without duplicates and without links that were granted."""
    random = Random(seed)
    urls = [HERE.sign(link) for link in granted(random)]
    seen = {url.encode() for url in urls}
    for forge in KINDS:
        for _ in range(each):
            made = forge(random, urls)
            forged = made if isinstance(made, bytes) else made.encode()
            if forged not in seen:
                seen.add(forged)
                yield forge.__name__, forged


def test_forged_links_are_invalid() -> None:
    tried, distinct = Counter[str](), set[bytes]()
    for kind, forged in forgeries(seed=6, each=EACH):
        tried[kind] += 1
        distinct.add(forged)
        try:
            accepted = HERE.verify(forged, NOW)
        except InvalidLink:
            continue
        raise AssertionError(f"{kind}: {forged!r} was verified as {accepted}")
    assert set(tried) == {forge.__name__ for forge in KINDS}
    assert len(distinct) == tried.total() > 100_000


def test_granted_links_are_valid() -> None:
    """Otherwise the test above could not fail."""
    for link in granted(Random(6)):
        assert HERE.verify(HERE.sign(link).encode(), NOW) == link


def test_links_of_other_servers_addresses_and_retired_secrets_are_invalid() -> None:
    for link in granted(Random(7)):
        for other in (ELSEWHERE.sign(link), RETIRED.sign(replace(link, key_id="0"))):
            for address in (None, "192.0.2.1"):
                assert is_invalid(other.encode(), address)
        assert is_invalid(HERE.sign(link).encode(), "192.0.2.1"), "a link without an address, for a client with one"
        assert is_invalid(HERE.sign(link, "192.0.2.1").encode(), "192.0.2.2")
        assert is_invalid(HERE.sign(replace(link, expires_ms=NOW)).encode(), None)


def is_invalid(uri: bytes, address: str | None) -> bool:
    try:
        HERE.verify(uri, NOW, address)
    except (InvalidLink, ExpiredLink):
        return True
    return False


def test_every_link_starts_with_the_signed_prefix() -> None:
    assert all(HERE.sign(link).startswith(SIGNED_PREFIX) for link in granted(Random(6)))
