"""Fuzz targets: the parsers of untrusted input, for coverage-guided fuzzing with atheris.

    PYTHONPATH=.:pyapp:homeserver .venv/bin/python -m tests.fuzz.fuzz_targets link -max_total_time=600

The options after the name are libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options
"""

import asyncio
import hmac
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import atheris
from twisted.web.http_headers import Headers

with atheris.instrument_imports(include=["authmedia", "demo", "gateway", "media_links", "media_protocol"]):
    from tests.unit import fake_browser as fake
    from tests.unit import support, test_malformed_events

    from authmedia import errors  # isort: skip
    from authmedia.elements.blurhash_decoding import Blurhash  # isort: skip
    from authmedia.transport.bundle_client import BundleClient  # isort: skip
    from authmedia.matrix.encrypted_file import EncryptedFile  # isort: skip
    from authmedia.transport.completeness import is_complete  # isort: skip
    from authmedia.matrix.homeserver import Homeserver  # isort: skip
    from authmedia.transport.link_cache import LinkCache  # isort: skip
    from authmedia.transport.link_signer import LinkKey  # isort: skip
    from authmedia.media import MediaRequest, safe_content_type  # isort: skip
    from authmedia.transport.file_store import FileStore  # isort: skip
    from authmedia.traffic import Traffic  # isort: skip
    from gateway.body_cache import Head  # isort: skip
    from gateway.media_response import content_disposition  # isort: skip
    from gateway.sessions import Session  # isort: skip
    from tests.fuzz import gateway_application  # isort: skip
    from media_links import cookie as cookies  # isort: skip
    from media_links import sessions  # isort: skip
    from media_protocol import delegation, media_requests, ranges, signing

KEYRING = signing.Keyring([("1", b"the secret of this homeserver...")])
NOW = 1_800_000_000_000
GRANTED = KEYRING.sign(
    signing.Link("1", signing.Media("localhost", "a" * 24, None), NOW + 3_600_000, KEYRING.seal(b"a session"))
)
DELEGATION = delegation.Delegation("1", KEYRING.seal(b"a session"), NOW + 3_600_000)
DELEGATED_KEY = DELEGATION.derive_key(KEYRING)
PAYLOAD = cookies.CookiePayload(
    sessions.Session("@ana:localhost", sessions.Anchor.DEVICE, "DEVICE", "1"),
    NOW,
    cookies.SameSite.LAX,
    "https://a.test",
)
SEALED = PAYLOAD.seal(KEYRING)


def link(data: bytes) -> None:
    """Nothing but what was granted is taken."""
    try:
        KEYRING.verify(data, NOW)
    except signing.InvalidLink:
        return
    assert data == GRANTED.encode()


def delegated(data: bytes) -> None:
    """Of what a page signs with its own key, nothing is taken but its session, its expiry, and one spelling."""
    signed = data + b"&dsig=" + hmac.digest(DELEGATED_KEY, data, "sha256").hex().encode()
    try:
        found = delegation.verify_delegated(KEYRING, signed, NOW)
    except signing.InvalidLink:
        return
    assert (found.link.session, found.link.expires_ms) == (DELEGATION.session, DELEGATION.expires_ms)
    assert delegation.sign_delegated(DELEGATED_KEY, found).encode() == signed


def issued(data: bytes) -> None:
    """A key that signs, or an error that the library knows."""
    try:
        answer = json.loads(data)
        key = LinkKey(answer, NOW) if isinstance(answer, dict) else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return
    assert not key or key.sign(MediaRequest("mxc://localhost/abc"), 0).startswith("http")


def span(data: bytes) -> None:
    """What a header asks for lies inside of the file."""
    size = int.from_bytes(data[:4], "big")
    header = data[4:].decode("latin-1")
    ranges.is_not_modified(header, '"tag"')
    ranges.if_range_matches(header, '"tag"')
    try:
        found = ranges.parse_range(header, size)
    except ranges.RangeNotSatisfiable:
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
    bundler = BundleClient(Homeserver("http://home.test", "@ana:example.org", "token"))
    wanted = [bundler.request_part(MediaRequest(f"mxc://example.org/m{number}"), Traffic()) for number in range(2)]
    for outcome in await asyncio.wait_for(asyncio.gather(*wanted, return_exceptions=True), 5):
        assert not isinstance(outcome, Exception) or isinstance(outcome, errors.AuthMediaError), repr(outcome)
    bundler.close()
    await asyncio.sleep(0)
    assert unhandled == []


def cookie(data: bytes) -> None:
    """Of all that a header says, nothing but what was sealed here is taken."""
    request = SimpleNamespace(requestHeaders=Headers({b"Cookie": [data]}))
    for value in cookies._cookie_values(request):
        try:
            assert cookies.CookiePayload.unseal(KEYRING, value) == PAYLOAD
        except signing.InvalidSignature:
            assert value != SEALED


def wish(data: bytes) -> None:
    """An entry of a batch is a media that can be linked to, or an error that becomes one of Matrix."""
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return
    (media,) = media_requests.parse_batch({"media": [entry]}, 1)
    if isinstance(media, media_requests.InvalidRequest):
        assert 400 <= media.status < 500
        return
    link = signing.Link("1", media, NOW + 1, KEYRING.seal(b"a session"))
    assert KEYRING.verify(KEYRING.sign(link).encode(), NOW) == link


def file(data: bytes) -> None:
    """A file on disk is taken whole, with a type that may be shown, or removed."""
    state = fake.reset()
    store = FileStore("@ana:example.org")
    name = store._name(support.MXC)
    state.files[name] = data
    stored = asyncio.run(store.read(support.MXC))
    if stored:
        assert stored.content_type == safe_content_type(stored.content_type)
        assert stored.body.content == data.partition(b"\n")[2]
    else:
        assert name not in state.files


def index(data: bytes) -> None:
    """Whatever the index of files is, a file is taken or removed, and the order of use has every name once."""
    state = fake.reset()
    asyncio.run(_read_with_index(state, data))


async def _read_with_index(state: fake.State, data: bytes) -> None:
    store = FileStore("@ana:example.org")
    name = store._name(support.MXC)
    state.files = {name: b"authmedia/1 image/png 7\npicture", "index.json": data.replace(b"NAME", name.encode())}
    assert sorted(await store._index.by_last_use(["other", name])) == sorted(["other", name])
    stored = await store.read(support.MXC)
    assert (stored is None) == (name not in state.files)


def kept_links(data: bytes) -> None:
    """Whatever a tab remembers, what is at hand is a text and has some life left, and can be remembered again."""
    state = fake.reset()
    state.remembered["links"] = data.decode("utf-8", "surrogateescape")
    asyncio.run(_recall())


async def _recall() -> None:
    kept = LinkCache("links")
    await kept.restore()
    for key in list(kept._links):
        link = kept.get(key)
        assert isinstance(key, str)
        assert link is None or (isinstance(link.url, str) and link.valid_until_ms > fake.epoch_ms())
    kept.store_soon()
    await asyncio.sleep(0)
    again = LinkCache("links")
    await again.restore()
    assert again._links.keys() == kept._links.keys()
    kept.close()


def event(data: bytes) -> None:
    """Whatever a room's event is, it raises nothing on its way to its elements, and its neighbours show their media."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    fake.clone_template = test_malformed_events.Template  # type: ignore[attr-defined]
    test_malformed_events.follow("blob", [], value)


def ending(data: bytes) -> None:
    """Whatever a media is, it has its end or has not."""
    assert asyncio.run(is_complete(fake.Blob(data))) in (True, False)


_gateways: list[gateway_application.FuzzedGateway] = []


def _gateway() -> gateway_application.FuzzedGateway:
    """Returns the gateway of this process, which is a fork of the one that has imported all targets."""
    if not _gateways:
        _gateways.append(gateway_application.FuzzedGateway())
    return _gateways[0]


def gateway_request(data: bytes) -> None:
    """Whatever a client requests of the gateway, it gets what it may have, or an error that tells nothing."""
    line, _, rest = data.partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    method, _, target = line.partition(b" ")
    # As uvicorn lets it through.
    if not re.fullmatch(rb"[!-~]+", target) or not re.fullmatch(rb"[A-Z]{1,9}", method):
        return
    pairs = [pair.partition(b": ") for pair in head.split(b"\n")]
    headers = [
        (name.lower(), value)
        for name, _, value in pairs
        if re.fullmatch(rb"[A-Za-z-]+", name) and re.fullmatch(rb"[ -~\x80-\xff]*", value)
    ]
    if all(name != b"host" for name, _ in headers):
        headers.append((b"host", b"gateway.test"))
    status, answer = _gateway().request(method.decode(), target, headers, body)
    assert status < 500, (status, data)
    if status >= 400 and method != b"HEAD" and answer and not answer.startswith(b"<!DOCTYPE html>"):
        secrets = (gateway_application.TOKEN, gateway_application.SECRET, "Traceback")
        assert status == 416 or gateway_application.is_error_that_tells_nothing(answer, *secrets), (status, answer)


def gateway_session(data: bytes) -> None:
    """A sealed text is a session that seals to an equal handle, or refused; and what is not sealed is refused."""
    for text, handle in ((data, KEYRING.seal(data)), (b"", data.decode("latin-1"))):
        try:
            found = Session.unseal(KEYRING, "1", handle)
        except signing.InvalidSignature:
            continue
        assert text
        assert Session.unseal(KEYRING, "1", found.seal(KEYRING)) == found


def gateway_answer(data: bytes) -> None:
    """Whatever a homeserver answers, the client gets a response that has no header of its making."""
    line, _, rest = data.partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    if not re.fullmatch(rb"[1-5][0-9][0-9]", line):
        return
    pairs = [pair.partition(b": ") for pair in head.split(b"\n")]
    headers = [(name, value) for name, _, value in pairs if re.fullmatch(rb"[A-Za-z-]+", name)]
    gateway = _gateway()
    gateway.transport = lambda request: gateway_application.response(int(line), headers, body)
    authorization = (b"authorization", b"Bearer " + os.urandom(8).hex().encode())
    target = signing.PREFIX.encode() + b"/config"
    status, answer = gateway.request("GET", target, [authorization, (b"host", b"a.test")], b"")
    assert status in (200, 401, 403, 429, 502), status
    assert status == 200 or gateway_application.is_error_that_tells_nothing(answer)


def gateway_file_name(data: bytes) -> None:
    """Whatever a homeserver says of a body, browsers display what the specification lets them."""
    first, _, second = data.decode("latin-1").partition("\n")
    for download in (False, True):
        value = content_disposition(Head(first, second, 1), download)
        assert re.fullmatch(r"(inline|attachment)(; filename(\*=utf-8'')?=?[!-~]+)?", value), value
        assert not (download and value.startswith("inline"))
        assert not (value.startswith("inline") and "html" in first.partition(";")[0].lower())


# What each begins with.
SEEDS: dict[str, list[bytes]] = {
    "link": [GRANTED.encode()],
    "delegated": [
        delegation.sign_delegated(
            DELEGATED_KEY,
            delegation.DelegatedLink(signing.Link("1", media, NOW + 3_600_000, DELEGATION.session), revision),
        )
        .partition("&dsig=")[0]
        .encode()
        for media, revision in (
            (signing.Media("localhost", "abc"), 0),
            (signing.Media("[::1]:80", "a", signing.Thumbnail(9, 9, "crop", True), True, "a b.txt"), 7),
        )
    ],
    "issued": [json.dumps(support.Script().key()).encode(), b'{"key": 7, "expires_ts": 1e999}'],
    "span": [b"\0\0\1\0bytes=0-99", b"\0\0\1\0bytes=-5", b'\0\0\1\0W/"tag", "tag"'],
    "mxc": [
        *(b"mxc://example.org:8448/abc", b"mxc://[2001:db8::7]/abc", b"mxc://[::ffff:192.0.2.7]:8448/abc"),
        *(b"mxc://../abc", b"mxc://example..org/abc", b"mxc://example.org./abc", b"mxc://[..]/abc", b"mxc://[:::]/abc"),
    ],
    "encrypted_file": [json.dumps(support.SPECIFIED).encode()],
    "blurhash": [b"LEHV6nWB2yk8pyo0adR*.7kCMdnj"],
    "cookie": [
        f"other=1; media_links={SEALED}".encode(),
        b"media_links=1.; media_links=" + KEYRING.seal_token(b"[]", "cookie").encode(),
    ],
    "wish": [
        b'{"mxc": "mxc://example.org:8448/abc", "download": true}',
        b'{"mxc": "mxc://a/b", "thumbnail": {"width": 0, "height": 2048}}',
        b'{"mxc": "mxc://a/b", "thumbnail": {"width": 96, "height": 96, "method": "crop", "animated": false}}',
    ],
    "file": [b"authmedia/1 image/png 7\npicture", b"authmedia/1 video/mp4 -1\nfilm", b"authmedia/1 text/html 4\npage"],
    "index": [b'{"NAME": [1800000000000.0, 0], "other": [1e3, 7]}', b'{"NAME": [0, -1]}', b'{"NAME": [1e999, NaN]}'],
    "kept_links": [
        b'[["key", "http://home.test/signed/a", 1800000600000.0], ["other", "url", 1e999]]',
        b'[["key", "url", 1%s]]' % (b"0" * 400),
    ],
    "event": [
        json.dumps(
            {"type": "m.sticker", "sender": "@a:b", "content": {"body": "a", "file": support.SPECIFIED}}
        ).encode(),
        b'{"type": "m.room.message", "content": {"msgtype": "m.image", "url": "mxc://a/b", "info": {"w": 1e999}}}',
        b'{"type": "m.room.message", "content": {"format": "org.matrix.custom.html", "formatted_body": "<b>a&#9;</b"}}',
    ],
    "ending": [
        b"\x89PNG\r\n\x1a\n....IHDR....IEND....",
        b"\xff\xd8\xff\xe1\x00\x02\xff\xff\xda....\xff\xd9",
        b"RIFF\x04\x00\x00\x00WEBP",
        b"\x00\x00\x00\x08ftyp\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x10",
        b"\x1a\x45\xdf\xa3\x81.\x18\x53\x80\x67\x10\x00\x00\x04....",
    ],
    "gateway_request": [
        b"%s %s%s\nAuthorization: Bearer %s\nRange: bytes=0-3\nX-Forwarded-For: 192.0.2.7\n\n%s"
        % (method, signing.PREFIX.encode(), path, gateway_application.TOKEN.encode(), body)
        for method, path, body in (
            (b"GET", b"/config", b""),
            (b"POST", b"/links", b'{"media": [{"mxc": "mxc://localhost/%s"}], "probe": true}' % (b"a" * 24)),
            (b"POST", b"/bundle", b'{"media": [{"mxc": "mxc://localhost/%s"}]}' % (b"a" * 24)),
            (b"POST", b"/key", b""),
            (b"GET", b"/link/thumbnail/localhost/%s?width=9&height=9" % (b"a" * 24), b""),
            (b"GET", b"/signed/localhost/%s?k=1&e=1800000000000&s=a&sig=b" % (b"a" * 24), b""),
        )
    ]
    + [b"GET /_matrix/client/v3/sync?since=a%20b\n\n", b"GET /check/_matrix/client/x/..%2F\nAccept: text/html\n\n"],
    "gateway_session": [b'["t","@ana:localhost","a token"]   ', KEYRING.seal(b"[]").encode()],
    "gateway_answer": [
        b'200\nContent-Type: application/json\n\n{"user_id": "@ana:localhost", "device_id": "A"}',
        b'401\n\n{"errcode": "M_UNKNOWN_TOKEN", "soft_logout": true}',
        b'429\n\n{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 5000}',
        b"307\nLocation: //evil.test/a\n\n",
    ],
    "gateway_file_name": [b"image/png\ninline; filename*=utf-8''a%20b.png", b'text/html\ninline; filename="a.html"'],
    "bundle": [support.part(0, b"a picture") + support.part(1, b"{}", 404, "application/json")],
}
TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        link,
        delegated,
        issued,
        span,
        mxc,
        encrypted_file,
        blurhash,
        bundle,
        cookie,
        wish,
        file,
        index,
        kept_links,
        event,
        ending,
        gateway_request,
        gateway_session,
        gateway_answer,
        gateway_file_name,
    )
}


def main(name: str, options: list[str]) -> None:
    """Fuzzes a target until libFuzzer's options end it; ends the process."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, f"-artifact_prefix={tempfile.gettempdir()}/", *options], TARGETS[name])
        atheris.Fuzz()


def fuzz_in_turn(names: list[str], folder: Path, options: list[str]) -> None:
    """Fuzzes targets one after another, each in a fork of this process: importing all of them takes seconds.

    :param folder: gets ``NAME.log``, what a target printed, and ``NAME.status``, its exit status.
    """
    for name in names:
        child = os.fork()
        if not child:
            log = os.open(folder / f"{name}.log", os.O_CREAT | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            main(name, options)
        _, status = os.waitpid(child, 0)
        (folder / f"{name}.status").write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")


if __name__ == "__main__":
    if sys.argv[1] == "--in-turn":
        fuzz_in_turn(sys.argv[2].split(","), Path(sys.argv[3]), sys.argv[4:])
    else:
        main(sys.argv[1], sys.argv[2:])
