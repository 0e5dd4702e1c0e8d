"""Puts the fake browser in the place of the real one, and a scripted homeserver behind it."""

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.unit import fake_browser as fake

sys.modules["authmedia.browser"] = fake

from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX, PROBE_ID  # noqa: E402  (after the fake is in place)
from media_protocol.delegation import Delegation, verify_delegated  # noqa: E402
from media_protocol.signing import InvalidLink, Keyring  # noqa: E402

PROBE = "http://home.test/probe"
MXC = "mxc://example.org/abc"
PICTURE = b"\x89PNG picture"
# When a coroutine is taken to hang: far more than the slowest takes on a busy machine.
_HUNG_S = 60
# An encrypted file, https://spec.matrix.org/latest/client-server-api/#extensions-to-mroommessage-msgtypes
SPECIFIED = {
    "url": "mxc://example.org/FHyPlCeYUSFFxlgbQYZmoEoe",
    "v": "v2",
    "key": {
        "alg": "A256CTR",
        "ext": True,
        "k": "aWF6-32KGYaC3A_FEUCk1Bt0JA37zP0wrStgmdCaW-0",
        "key_ops": ["encrypt", "decrypt"],
        "kty": "oct",
    },
    "iv": "w+sE15fzSc0AAAAAAAAAAA",
    "hashes": {"sha256": "fdSLu/YkRx3Wyh3KQabP3rd6+SFiKg5lsJZQHtkSAYA"},
}


class Script:
    """A homeserver of a few lines: media by their path, links when asked for, and whatever a test sets instead."""

    def __init__(self) -> None:
        self.media: dict[str, bytes] = {"example.org/abc": PICTURE}
        self.batches: list[list[dict[str, Any]]] = []
        #: Those of whom links were asked for that no cache knows.
        self.fresh: list[str] = []
        self.bundles: list[list[dict[str, Any]]] = []
        self.bundle_limit = 200
        self.lifetime_ms = 600_000.0
        #: Whether the homeserver issues keys, with which pages sign links; and those that it verifies them by.
        self.delegates = True
        self.keyring = Keyring([("1", b"the secret of this homeserver...")])
        self.bucket_ms = 3_600_000.0
        #: How many keys were requested by themselves.
        self.keys = 0
        #: Whether the homeserver knows the session no more.
        self.signed_out = False
        self.instead: Callable[[Any], Any] | None = None

    def __call__(self, request: Any) -> Any:
        special = self.instead(request) if self.instead else None
        return special or self._usual(request)

    def _usual(self, request: Any) -> Any:
        if request.url.endswith("/account/whoami"):
            signed_out = error(401, "M_UNKNOWN_TOKEN", "Token is not active")
            return signed_out if self.signed_out else answer({"user_id": "@ana:example.org"})
        if request.url.endswith(AUTHMEDIA_PREFIX + "/config"):
            config = {"batch_limit": 100, "bundle": {"limit": self.bundle_limit, "part_bytes": 1000}}
            return answer({**config, "delegated": self.key()} if self.delegates else config)
        if request.url.endswith(AUTHMEDIA_PREFIX + "/key"):
            self.keys += 1
            return answer(self.key()) if self.delegates else error(404, "M_UNRECOGNIZED", "Unrecognized request")
        if f"/{PROBE_ID}?" in request.url and self.grants(request.url):
            return fake.Response(204)
        if "&dsig=" in request.url and not self.grants(request.url):
            return error(403, "M_FORBIDDEN", "This is not a link that can be used here")
        if request.url.endswith(AUTHMEDIA_PREFIX + "/bundle"):
            wanted = json.loads(request.body)["media"]
            self.bundles += [wanted] if wanted else []  # one that is empty only warms up
            return fake.Response(200, b"".join(self.part(number, entry) for number, entry in enumerate(wanted)))
        if request.url.endswith(AUTHMEDIA_PREFIX + "/links"):
            body = json.loads(request.body)
            self.fresh += [entry["mxc"] for entry in body["media"]] if body.get("fresh") else []
            if body.get("probe"):
                return answer({"links": [], "probe": {"url": PROBE, "expires_ts": 0}})
            return self._links(body["media"])
        if request.url == PROBE:
            return fake.Response(204)
        for path, content in self.media.items():
            if path in request.url:
                headers = {"Content-Type": "image/png", "Content-Length": str(len(content))}
                return fake.Response(200, content, headers)
        return error(404, "M_NOT_FOUND", "Not found")

    def key(self) -> dict[str, Any]:
        """The key of this session for the present bucket, as the module issues it."""
        now_ms = fake.epoch_ms()
        bucket_end_ms = int((now_ms // self.bucket_ms + 1) * self.bucket_ms)
        expires_ms = int(bucket_end_ms + self.lifetime_ms)
        session = self.keyring.seal(b"a session")
        return {
            "key": Delegation("1", session, expires_ms).derive_key(self.keyring).hex(),
            "key_id": "1",
            "session": session,
            "expires_ts": expires_ms,
            "expires_in_ms": expires_ms - now_ms,
            "renew_in_ms": bucket_end_ms - now_ms,
            "now_ts": int(now_ms),
            "base_url": "http://home.test",
        }

    def grants(self, url: str) -> bool:
        """Whether the module accepts a link that a page has signed."""
        try:
            verify_delegated(self.keyring, url.removeprefix("http://home.test").encode(), int(fake.epoch_ms()))
        except InvalidLink:
            return False
        return True

    def part(self, number: int, entry: dict[str, Any]) -> bytes:
        """The answer to one entry of a bundle."""
        content = self.media.get(entry["mxc"][6:])
        if content is None:
            return part(number, b'{"errcode": "M_NOT_FOUND", "error": "Unknown media"}', 404, "application/json")
        return part(number, content)

    def _links(self, wanted: list[dict[str, Any]]) -> Any:
        self.batches += [wanted] if wanted else []
        expires = fake.epoch_ms() + self.lifetime_ms
        links = [
            {"url": f"http://home.test/signed/{entry['mxc'][6:]}?batch={len(self.batches)}", "expires_ts": expires}
            if entry["mxc"][6:] in self.media
            else {"errcode": "M_NOT_FOUND", "error": "Unknown media"}
            for entry in wanted
        ]
        return answer({"links": links})


def part(number: int, content: bytes, status: int = 200, content_type: str = "image/png") -> bytes:
    """A part of a bundle."""
    head = {"part": number, "status": status, "type": content_type, "length": len(content)}
    return json.dumps(head).encode() + b"\n" + content


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    """A JSON answer of the scripted homeserver."""
    return fake.Response(status, json.dumps(body).encode(), headers)


def error(status: int, errcode: str, words: str, **more: object) -> Any:
    """A Matrix error of the scripted homeserver."""
    return answer({"errcode": errcode, "error": words, **more}, status)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end; what a task raises meanwhile, and no other task awaits, is a failure.

    In a thread of its own, since Playwright, in the same run of pytest, keeps an event loop in this one.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _watched(work)).result()


async def _watched(work: Coroutine[Any, Any, Any]) -> Any:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
    result = await asyncio.wait_for(work, _HUNG_S)
    gc.collect()  # which is when a task that ended so reports it
    assert unheard == []
    return result


async def turns(count: int = 20) -> None:
    """Lets everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def image(mxc: str = MXC, **attributes: str) -> Any:
    """An ``<img>`` with a media."""
    return fake.Element("img", data_mxc=mxc, **attributes)


def state_of(element: Any) -> str:
    """What stands on an element about its load."""
    return str(element.get_attribute("data-state"))


def shown_in(element: Any, browser: Any) -> bytes:
    """The body that an element shows by an object URL."""
    return bytes(browser.object_urls[element.src].content)
