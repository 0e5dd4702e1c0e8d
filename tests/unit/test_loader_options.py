"""The options of `open_loader`: limits, retries, hooks and persistence; and what a wrong one is told."""

import asyncio
from typing import Any

import pytest

from authmedia import errors
from authmedia.elements.binding import SHOWN, Binding
from authmedia.errors import RateLimited, ServerFailure
from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.request_hooks import Exchange, RequestHooks, without_secrets
from authmedia.media import MediaRequest
from authmedia.support import backoff
from authmedia.support.limits import Limits
from authmedia.support.retry_policy import RetryPolicy
from development.attachments import encrypt
from tests.unit import fake_browser as fake
from tests.unit.support import MXC, PICTURE, Script, error, image, run, turns

MiB = 1024 * 1024


def wanted(count: int, **form: Any) -> list[MediaRequest]:
    return [MediaRequest(f"mxc://example.org/m{number}x", **form) for number in range(count)]


@pytest.fixture
def many(script: Script) -> Script:
    script.media = {f"example.org/m{number}x": bytes(1000) for number in range(9)}
    return script


# --- limits --------------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_without_limits(homeserver: Homeserver) -> None:
    limited, plain = open_loader("opfs", homeserver, limits=Limits()), open_loader("opfs", homeserver)
    for loader in (limited, plain):
        inner: Any = loader._strategy.inner  # type: ignore[attr-defined]
        assert inner._store.budget == 512 * MiB
        assert (loader._pipeline._idle_budget, loader._pipeline._semaphore._free) == (64 * MiB, 16)


def in_flight(browser: Any) -> int:
    return sum("/download/" in request.url or "/thumbnail/" in request.url for request in browser.requests)


def test_transfers_are_limited(many: Script, homeserver: Homeserver, browser: Any) -> None:
    gate = asyncio.Event()
    many.instead = lambda request: fake.Response(200, PICTURE, gate=gate)

    async def scenario() -> None:
        loader = open_loader("blob", homeserver, limits=Limits(transfers=3))
        loads = [asyncio.create_task(loader.load(request)) for request in wanted(8)]
        await turns(60)
        assert in_flight(browser) == 3
        gate.set()
        await asyncio.gather(*loads)
        loader.close()

    run(scenario())


def test_transfers_are_limited_by_all_strategies_of_auto_together(script: Script, homeserver: Homeserver) -> None:
    ciphertext, file = encrypt(PICTURE)
    gate = asyncio.Event()
    script.media = {"example.org/m0x": ciphertext}
    encrypted = EncryptedFile({**file, "url": "mxc://example.org/m0x"})
    script.instead = lambda request: fake.Response(200, ciphertext, gate=gate) if "/m0x?" in request.url else None

    async def scenario() -> None:
        loader = open_loader("auto", homeserver, limits=Limits(transfers=1))
        await loader.support()
        by_link = asyncio.create_task(loader.load(wanted(1, kind="video", encrypted=encrypted, cache="reload")[0]))
        await turns(60)
        by_bundle = asyncio.create_task(loader.load(wanted(1, size=20, encrypted=encrypted)[0]))
        await turns(60)
        assert script.bundles == [], "the one transfer is that of the link"
        gate.set()
        assert [(await load).strategy for load in (by_link, by_bundle)] == ["delegated", "bundle"]
        loader.close()

    run(scenario())


def test_bundles_are_limited(many: Script, homeserver: Homeserver) -> None:
    loader = open_loader("bundle", homeserver, limits=Limits(transfers=1))
    assert loader._strategy.inner._client.max_transfers == 1  # type: ignore[attr-defined]
    loader = open_loader("bundle", homeserver, limits=Limits(transfers=9))
    assert loader._strategy.inner._client.max_transfers == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["blob", "auto"])
def test_idle_bytes_are_limited(name: str, many: Script, homeserver: Homeserver, browser: Any) -> None:
    many.instead = lambda request: error(404, "M_UNRECOGNIZED", "No") if "authmedia" in request.url else None
    browser.storage_refusal = fake.BrowserError("SecurityError", "refused")

    async def scenario() -> None:
        loader = open_loader(name, homeserver, limits=Limits(idle_bytes=2500))
        await loader.support()
        for request in wanted(5):
            loader.release(await loader.load(request))
        assert len(browser.object_urls) == 2
        loader.close()

    run(scenario())


def test_disk_bytes_are_limited(many: Script, homeserver: Homeserver, browser: Any) -> None:
    async def scenario() -> None:
        loader = open_loader("opfs", homeserver, limits=Limits(idle_bytes=0, disk_bytes=3300))
        for request in wanted(5):
            loader.release(await loader.load(request))
        assert sum(name.startswith("2.") for name in browser.files) == 3

    run(scenario())


# --- retries -------------------------------------------------------------------------------------------------------


def attempts_of(script: Script, browser: Any, homeserver: Homeserver, refusal: Any, policy: RetryPolicy | None) -> int:
    """How often a media is requested that the server always refuses."""
    script.instead = lambda request: refusal()

    async def scenario() -> None:
        with pytest.raises(errors.AuthMediaError):
            await open_loader("blob", homeserver, retry=policy).load(MediaRequest(MXC))

    browser.requests.clear()
    run(scenario())
    return len(browser.requests)


@pytest.mark.parametrize(
    ("policy", "busy", "missing"),
    [
        (RetryPolicy(first_delay_s=0, max_delay_s=0), 4, 1),
        (RetryPolicy(first_delay_s=0, max_delay_s=0, attempts=2), 2, 1),
        (RetryPolicy(attempts=1), 1, 1),
        (RetryPolicy(first_delay_s=0, errors=("MediaNotFound",), attempts=3), 1, 3),
        (RetryPolicy(max_delay_s=0, errors=(RateLimited, ServerFailure), attempts=6), 6, 1),
        (RetryPolicy(errors=()), 1, 1),
    ],
)
def test_a_policy_says_what_is_retried_and_how_often(
    policy: RetryPolicy, busy: int, missing: int, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    def rate_limit() -> Any:
        return error(429, "M_LIMIT_EXCEEDED", "Slow down", retry_after_ms=60_000)

    assert attempts_of(script, browser, homeserver, rate_limit, policy) == busy
    assert attempts_of(script, browser, homeserver, lambda: error(404, "M_NOT_FOUND", "No"), policy) == missing


def test_delays_double_and_are_cut() -> None:
    policy = RetryPolicy(attempts=9, first_delay_s=1, max_delay_s=5)
    unreachable = errors.HomeserverUnreachable("No answer")
    delays = [policy.next_delay_s(unreachable, failed) or 0 for failed in range(1, 9)]
    assert 0.5 <= delays[0] <= 1.5
    assert 1 <= delays[1] <= 3
    assert delays[5:] == [5, 5, 5]
    busy = RateLimited("Slow down", retry_after_s=60)
    assert 5 <= (policy.next_delay_s(busy, 1) or 0) <= 5.5
    assert policy.next_delay_s(busy, 9) is None


def test_the_default_policy_is_that_of_no_policy() -> None:
    policy = RetryPolicy()
    for failure in (errors.MediaNotFound("x"), RateLimited("x", retry_after_s=0)):
        for failed in (1, 2, 3, 4, 5):
            assert policy.next_delay_s(failure, failed) == backoff.next_delay_s(failure, failed)


def test_elements_follow_the_policy(script: Script, homeserver: Homeserver, browser: Any) -> None:
    shown: list[str] = []

    async def show(src: str) -> bool:
        shown.append(src)
        return len(shown) > 5

    async def scenario() -> None:
        broken = fake.BrowserError("TypeError", "Failed to fetch")
        script.instead = lambda request: broken if "/signed/" in request.url else None
        element = image()
        element.shows = show
        loader = open_loader("link", homeserver, retry=RetryPolicy(attempts=6, first_delay_s=0))
        binding = Binding(element, loader)
        binding.start()
        await binding.settled()
        assert binding.state == SHOWN

    run(scenario())
    assert len(shown) == 6


def test_batches_wait_no_longer_than_the_policy_says(homeserver: Homeserver) -> None:
    for name in ("link", "bundle"):
        loader = open_loader(name, homeserver, retry=RetryPolicy(max_delay_s=3))
        assert loader._strategy.inner._client.backoff.max_delay_s == 3  # type: ignore[attr-defined]


# --- hooks ---------------------------------------------------------------------------------------------------------


class Seen:
    """Collects what the hooks are called with."""

    def __init__(self) -> None:
        self.sent: list[Exchange] = []
        self.ended: list[Exchange] = []
        self.hooks = RequestHooks(on_request=self.on_request, on_response=self.ended.append)

    def on_request(self, exchange: Exchange) -> None:
        assert (exchange.status, exchange.ms) == (None, None)
        self.sent.append(exchange)

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (found.method, found.url.rpartition("/media/")[2], found.status, found.bytes, found.error)
            for found in self.ended
        ]


def test_hooks_see_each_request_without_secrets(script: Script, homeserver: Homeserver, browser: Any) -> None:
    seen = Seen()

    async def scenario() -> None:
        loader = open_loader("auto", homeserver, hooks=seen.hooks)
        await loader.support()
        await loader.load(MediaRequest(MXC, width=32, height=24, method="crop"))
        media = await loader.load(MediaRequest(MXC, kind="video"))
        browser.loads[media.src] = fake.ResourceTimings(1, 1, 500)
        await loader.observe(media)
        await loader.observe(media)
        await loader.examine(media)
        await open_loader("blob", homeserver).load(MediaRequest(MXC, width=32, height=24))
        loader.close()
        await open_loader("blob", homeserver).load(MediaRequest(MXC))

    run(scenario())
    assert seen.sent == [found for found in seen.ended if found.initiator == "fetch"]
    assert sorted(seen.rows(), key=str) == [
        ("GET", "config", 200, None, ""),
        ("GET", "signed/example.org/abc", 200, len(PICTURE), ""),
        ("GET", "signed/example.org/abc", None, 500, ""),
        ("GET", "signed/example.org/dev_authmedia_probe", 204, None, ""),
        ("GET", "thumbnail/example.org/abc?width=32&height=24&method=scale&animated=false", 200, len(PICTURE), ""),
        ("POST", "bundle", 200, None, ""),
        ("POST", "bundle", 200, None, ""),
    ]
    assert [found.initiator for found in seen.ended if found.ms is None] == ["element"]
    assert not [found for found in seen.ended if "dsig=" in repr(found) or "secret-token" in repr(found)]
    assert homeserver.hooks == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ana:secret@home.test/a/b?width=9&sig=secret#secret", "https://home.test/a/b?width=9"),
        ("https://home.test/a?access_token=secret", "https://home.test/a"),
        ("https://home.test/a?secret&height=1&animated=true", "https://home.test/a?height=1&animated=true"),
        ("https://home.test/a#?width=secret", "https://home.test/a"),
        ("https://[", ""),
    ],
)
def test_a_url_loses_all_but_the_parameters_of_a_thumbnail(url: str, expected: str) -> None:
    assert without_secrets(url) == expected


def test_hooks_see_failures_and_cancelled_requests(script: Script, homeserver: Homeserver) -> None:
    seen = Seen()

    async def scenario() -> None:
        loader = open_loader("blob", homeserver, hooks=seen.hooks, retry=RetryPolicy(attempts=1))
        for answer in (fake.BrowserError("TypeError", "Failed to fetch"), error(404, "M_NOT_FOUND", "No")):
            script.instead = lambda request, answer=answer: answer
            with pytest.raises(errors.AuthMediaError):
                await loader.load(MediaRequest(MXC))

    async def fetch(url: str, **options: Any) -> Any:
        await asyncio.Event().wait()

    async def cancelled() -> None:
        task = asyncio.ensure_future(seen.hooks.observing(fetch)("http://home.test/a"))
        await turns()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
    run(cancelled())
    assert [(found.status, found.error) for found in seen.ended] == [
        (None, "TypeError"),
        (404, ""),
        (None, "AbortError"),
    ]


def test_an_error_in_a_hook_changes_nothing(script: Script, homeserver: Homeserver, browser: Any) -> None:
    def fail(_exchange: Exchange) -> None:
        raise ValueError("a bug of the application")

    async def scenario() -> None:
        loader = open_loader("blob", homeserver, hooks=RequestHooks(on_request=fail, on_response=fail))
        media = await loader.load(MediaRequest(MXC))
        assert browser.object_urls[media.src].content == PICTURE

    run(scenario())
    assert len(browser.hook_errors) == 2


# --- persistence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (True, (True, "")),
        (False, (False, "The browser may evict this site's files")),
        (fake.BrowserError("TypeError", "no"), (False, "TypeError: no")),
    ],
)
def test_the_browsers_answer_about_persistence_is_visible(
    answer: Any, expected: tuple[bool, str], homeserver: Homeserver, browser: Any
) -> None:
    browser.persists = answer

    async def scenario() -> None:
        loader = open_loader("opfs", homeserver)
        await turns()
        assert loader.persistence is None, "only on request"
        found = await loader.persist()
        assert (found.works, found.words) == expected
        assert loader.persistence is found
        asked = open_loader("auto", homeserver, persist=True)
        await turns()
        assert asked.persistence
        assert asked.persistence.works == expected[0]
        closed = open_loader("opfs", homeserver, persist=True)
        closed.close()
        await turns()
        assert closed.persistence is None

    run(scenario())


# --- wrong options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda home: open_loader("blob", home, limit=Limits()),
            "open_loader has no option 'limit'; its options are: ",
        ),
        (
            lambda home: open_loader("blob", home, limits={"transfers": 2}),
            "limits is {'transfers': 2}; it must be a Li",
        ),
        (lambda home: open_loader("blob", home, retry=Limits()), "it must be a RetryPolicy or None"),
        (lambda home: open_loader("blob", home, persist=1), "persist is 1; it must be True or False"),
        (lambda home: Limits(transfer=1), "Limits has no option 'transfer'; its options are: transfers, idle_bytes, "),
        (lambda home: Limits(transfers=0), "transfers is 0; it must be a whole number, at least 1"),
        (lambda home: Limits(idle_bytes=1.5), "idle_bytes is 1.5; it must be a whole number, at least 0"),
        (lambda home: Limits(disk_bytes=True), "disk_bytes is True"),
        (lambda home: RetryPolicy(attempts=0), "RetryPolicy: attempts is 0; it must be a whole number, at least 1"),
        (lambda home: RetryPolicy(max_delay_s="3"), "max_delay_s is '3'; it must be seconds, at least 0"),
        (lambda home: RetryPolicy(errors="RateLimited"), "it must be a tuple of errors or None"),
        (
            lambda home: RetryPolicy(errors=("RateLimit",)),
            "'RateLimit' is no error of this library; there are: ActivationEnded, AuthM",
        ),
        (lambda home: RetryPolicy(errors=(ValueError,)), "is no error of this library"),
        (lambda home: RequestHooks(on_error=print), "RequestHooks has no option 'on_error'; its options are: on_reque"),
        (lambda home: RequestHooks(on_request="print"), "on_request is 'print'; it must be a function or None"),
        (lambda home: RetryPolicy(delays=1), "RetryPolicy has no option 'delays'"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(make: Any, words: str, homeserver: Homeserver) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        make(homeserver)
    assert words in str(raised.value)
