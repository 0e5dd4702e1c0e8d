"""More than a hundred thousand links forged from ones that pages have signed: all of them are invalid.

The forger has what a page has: its key, and links of other sessions, other buckets and other servers. The kinds of
`test_link_forgery` are tried on delegated links too.
"""

import hmac
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from media_protocol.delegation import DelegatedLink, Delegation, is_delegated, sign_delegated, verify_delegated
from media_protocol.signing import ExpiredLink, InvalidLink, InvalidSignature, Keyring, Link, base64url_encode
from tests.unit import test_link_forgery as forgery
from tests.unit.test_link_forgery import ELSEWHERE, HERE, HOUR, NOW, RETIRED

EACH = 6_000
EXPIRES = NOW + HOUR
MINE = HERE.seal(b"a session")
THEIRS = HERE.seal(b"another session")
KEY = Delegation("1", MINE, EXPIRES).derive_key(HERE)


def granted(random: Random) -> list[DelegatedLink]:
    """Links that a page signs with its key: those of the other test, some with a file name or a revision."""
    links = []
    for number, link in enumerate(forgery.granted(random)):
        name = random.choice(["walk.gpx", "a b&c=d", "ключ%.txt"]) if link.media.download else None
        named = replace(link, media=replace(link.media, file_name=name))
        links.append(DelegatedLink(named, number if number % 3 == 0 else 0))
    return links


def signed(link: DelegatedLink, key: bytes = KEY) -> str:
    return sign_delegated(key, link)


def resigned(random: Random, urls: list[str], key: bytes, change: Callable[[Link], Link]) -> str:
    """A granted link, changed, and signed with a key that is not the one for what it says then."""
    link = verify_delegated(HERE, random.choice(urls).encode(), NOW)
    return signed(replace(link, link=change(link.link), revision=random.randrange(1, 10**9)), key)


def handle_of_another_session(random: Random, urls: list[str]) -> str:
    """One's own key, and the handle of another session."""
    return resigned(random, urls, KEY, lambda link: replace(link, session=THEIRS))


def random_handle(random: Random, urls: list[str]) -> str:
    return resigned(random, urls, KEY, lambda link: replace(link, session=base64url_encode(random.randbytes(80))))


def another_bucket(random: Random, urls: list[str]) -> str:
    """The key of this bucket for a later or an earlier one."""
    moved = EXPIRES + random.choice([-1, 1]) * random.randrange(1, HOUR)
    return resigned(random, urls, KEY, lambda link: replace(link, expires_ms=moved))


def key_of_an_old_bucket(random: Random, urls: list[str]) -> str:
    old = Delegation("1", MINE, EXPIRES - random.randrange(1, 100 * HOUR)).derive_key(HERE)
    return resigned(random, urls, old, lambda link: link)


def key_of_another_session(random: Random, urls: list[str]) -> str:
    session = HERE.seal(random.randbytes(24))
    return resigned(random, urls, Delegation("1", session, EXPIRES).derive_key(HERE), lambda link: link)


def key_of_another_secret(random: Random, urls: list[str]) -> str:
    keyring, key_id = random.choice([(ELSEWHERE, "1"), (RETIRED, "0")])
    key = Delegation(key_id, MINE, EXPIRES).derive_key(keyring)
    return resigned(random, urls, key, lambda link: replace(link, key_id=random.choice(["1", key_id])))


def key_of_another_address(random: Random, urls: list[str]) -> str:
    address = f"192.0.2.{random.randrange(256)}"
    return resigned(random, urls, Delegation("1", MINE, EXPIRES, address).derive_key(HERE), lambda link: link)


def random_key(random: Random, urls: list[str]) -> str:
    return resigned(random, urls, random.randbytes(32), lambda link: link)


def noncanonical(random: Random, urls: list[str]) -> str:
    """One's own key, and a URL with another spelling of the same: the server has to sign none but its own."""
    url = random.choice(urls).partition("&dsig=")[0]
    place = random.randrange(60, len(url))
    changes = [
        url[:place] + f"%{ord(url[place]):02x}" + url[place + 1 :],
        url.replace("/signed/", "/signed//"),
        url.replace("&e=", "&e=0"),
        url + random.choice(["&d=0", "&r=0", "&n=", "&n=%", "&n=%ff", "&n=%2f", "&n=a%20", "&w=0", "&x=1", "&", "#"]),
        url + f"&r={random.randrange(10**9)}&d=1",
        "&".join([url.partition("&")[0], *random.sample(url.split("&")[1:], url.count("&"))]),
    ]
    forged = random.choice(changes)
    return f"{forged}&dsig={hmac.digest(KEY, forged.encode(), 'sha256').hex()}"


def server_signature(random: Random, urls: list[str]) -> str:
    """A signature of the other kind: of the server on a delegated link, and of a page on one of the server's."""
    link = verify_delegated(HERE, random.choice(urls).encode(), NOW).link
    minted, delegated = HERE.sign(link), signed(DelegatedLink(link, revision=random.randrange(1, 10**9)))
    if random.random() < 0.5:
        signature = urlsafe_b64decode(minted.partition("&sig=")[2] + "=")
        return f"{delegated.partition('&dsig=')[0]}&dsig={signature.hex()}"
    return f"{minted.partition('&sig=')[0]}&sig={base64url_encode(bytes.fromhex(delegated.partition('&dsig=')[2]))}"


def random_digits(random: Random, urls: list[str]) -> str:
    """A random signature of the form of a page's."""
    return f"{random.choice(urls).partition('&dsig=')[0]}&dsig={random.randbytes(32).hex()}"


KINDS = (
    *[kind for kind in forgery.KINDS if kind is not forgery.another_session],
    *(handle_of_another_session, random_handle, another_bucket, key_of_an_old_bucket, key_of_another_session),
    *(key_of_another_secret, key_of_another_address, random_key, random_digits, noncanonical, server_signature),
)


def verify(uri: bytes, keyring: Keyring = HERE, now_ms: int = NOW, address: str | None = None) -> object:
    """Verifies a link as the server does, whichever kind it is of."""
    if is_delegated(uri):
        return verify_delegated(keyring, uri, now_ms, address)
    return keyring.verify(uri, now_ms, address)


def test_forged_delegated_links_are_invalid() -> None:
    random = Random(25)
    urls = [signed(link) for link in granted(random)]
    tried, seen = Counter[str](), {url.encode() for url in urls}
    for forge in KINDS:
        for _ in range(EACH):
            made = forge(random, urls)
            forged = made if isinstance(made, bytes) else made.encode()
            if forged in seen or (forge is noncanonical and _is_own(forged)):
                continue
            seen.add(forged)
            tried[forge.__name__] += 1
            try:
                accepted = verify(forged)
            except InvalidLink:
                continue
            raise AssertionError(f"{forge.__name__}: {forged!r} was verified as {accepted}")
    assert set(tried) == {forge.__name__ for forge in KINDS}
    assert min(tried.values()) > 5, tried
    assert tried.total() > 100_000


def _is_own(uri: bytes) -> bool:
    """Whether a URL has the one spelling of what it says: the page may grant that."""
    try:
        return signed(verify_delegated(HERE, uri, NOW)).encode() == uri
    except InvalidLink:
        return False


def test_granted_delegated_links_are_valid() -> None:
    """Otherwise the test above could not fail."""
    for link in granted(Random(6)):
        assert verify(signed(link).encode()) == link


def test_delegated_links_of_other_servers_addresses_and_retired_secrets_are_invalid() -> None:
    bound = Delegation("1", MINE, EXPIRES, "192.0.2.1").derive_key(HERE)
    for link in granted(Random(7)):
        url = signed(link).encode()
        for keyring, address in ((ELSEWHERE, None), (RETIRED, None), (HERE, "192.0.2.1")):
            with pytest.raises(InvalidSignature):
                verify(url, keyring, address=address)
        url = signed(link, bound).encode()
        assert verify(url, address="192.0.2.1") == link
        for other in (None, "192.0.2.2"):
            with pytest.raises(InvalidSignature):
                verify(url, address=other)
        with pytest.raises(ExpiredLink):
            verify(signed(link).encode(), now_ms=EXPIRES)
