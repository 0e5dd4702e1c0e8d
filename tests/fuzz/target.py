"""Parsers that meet bytes of strangers, for a fuzzer that looks for its way into them by what each input reaches.

    PYTHONPATH=.:pyapp:homeserver .venv/bin/python -m tests.fuzz.target link -max_total_time=600

What follows the name is libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["authmedia", "media_links"]):
    from tests.unit import fake_browser as fake
    from tests.unit import support

    from authmedia import errors  # isort: skip
    from authmedia.blurhash import Blurhash  # isort: skip
    from authmedia.bundles import Bundler  # isort: skip
    from authmedia.encrypted import EncryptedFile  # isort: skip
    from authmedia.homeserver import Homeserver  # isort: skip
    from authmedia.media import MediaRequest  # isort: skip
    from authmedia.traffic import Traffic  # isort: skip
    from media_links import ranges, signing

KEYRING = signing.Keyring([("1", b"the secret of this homeserver...")])
NOW = 1_800_000_000_000
GRANTED = KEYRING.sign(
    signing.Link("1", signing.Media("localhost", "a" * 24, None), NOW + 3_600_000, KEYRING.seal(b"a session"))
)


def link(data: bytes) -> None:
    """Nothing but what was granted is taken."""
    try:
        KEYRING.verify(data, NOW)
    except signing.LinkRefused:
        return
    assert data == GRANTED.encode()


def span(data: bytes) -> None:
    """What a header asks for lies inside of the file."""
    size = int.from_bytes(data[:4], "big")
    header = data[4:].decode("latin-1")
    ranges.unchanged(header, '"tag"')
    ranges.continues(header, '"tag"')
    try:
        found = ranges.requested_span(header, size)
    except ranges.Unsatisfiable:
        return
    assert not found or (found.start >= 0 and found.length > 0 and found.start + found.length <= size)


def mxc(data: bytes) -> None:
    """Client and server are of one mind on what is an address."""
    text = data.decode("utf-8", "surrogateescape")
    there = signing.parse_mxc(text)
    try:
        MediaRequest(text)
    except errors.MalformedMxc:
        assert there is None, "the homeserver would take what the client refuses"
        return
    assert there is not None, "the homeserver would refuse what the client takes"


def encrypted_file(data: bytes) -> None:
    """What an event says of a key is right or refused."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        file = EncryptedFile(value)
    except errors.AuthMediaError:
        return
    assert len(file.sha256) == 32


def blurhash(data: bytes) -> None:
    """A blurhash is a picture or refused."""
    try:
        url = Blurhash(data.decode("utf-8", "replace")).data_url()
    except ValueError:
        return
    assert url.startswith("data:image/bmp;base64,")


def bundle(data: bytes) -> None:
    """Whatever a bundle's body is, each who waits gets a part or an error of ours."""
    state = fake.reset()
    state.server = lambda request: fake.Response(200, data)
    asyncio.run(_ask_for_two())


async def _ask_for_two() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    bundler = Bundler(Homeserver("http://home.test", "@ana:example.org", "token"))
    wanted = [bundler.part(MediaRequest(f"mxc://example.org/m{number}"), Traffic()) for number in range(2)]
    for outcome in await asyncio.wait_for(asyncio.gather(*wanted, return_exceptions=True), 5):
        assert not isinstance(outcome, Exception) or isinstance(outcome, errors.AuthMediaError), repr(outcome)
    bundler.close()
    await asyncio.sleep(0)
    assert unhandled == []


# What each begins with.
SEEDS: dict[str, list[bytes]] = {
    "link": [GRANTED.encode()],
    "span": [b"\0\0\1\0bytes=0-99", b"\0\0\1\0bytes=-5", b'\0\0\1\0W/"tag", "tag"'],
    "mxc": [b"mxc://example.org:8448/abc", b"mxc://[2001:db8::7]/abc"],
    "encrypted_file": [json.dumps(support.SPECIFIED).encode()],
    "blurhash": [b"LEHV6nWB2yk8pyo0adR*.7kCMdnj"],
    "bundle": [support.part(0, b"a picture") + support.part(1, b"{}", 404, "application/json")],
}
TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (link, span, mxc, encrypted_file, blurhash, bundle)
}


def main(name: str, options: list[str]) -> None:
    """Looks for an input that breaks a target, until the options say that it is enough; ends the process."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, f"-artifact_prefix={tempfile.gettempdir()}/", *options], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
