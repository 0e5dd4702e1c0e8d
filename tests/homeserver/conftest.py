"""Homeservers for the tests: real ones, each started when the first test needs it, and kept for the session."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from development.synapse import Federation, Synapse
from tests.homeserver.support import Account, Mxc, certificate_files, listener, noise, picture
from tests.relay import free_port

FILM = noise(300_000, "film")
QUICK = {"bcrypt_rounds": 4}  # the tests make many accounts, and nobody wants their passwords
BASELINE_SECRETS = {
    "new": "a new secret, of thirty-two bytes or more",
    "old": "an old secret, of thirty-two bytes or more",
}
# Synapse's own list.
FIXED_SIZES = [
    {"width": 32, "height": 32, "method": "crop"},
    {"width": 96, "height": 96, "method": "crop"},
    {"width": 320, "height": 240, "method": "scale"},
    {"width": 640, "height": 480, "method": "scale"},
    {"width": 800, "height": 600, "method": "scale"},
]


@contextmanager
def running(*homeservers: Synapse) -> Iterator[None]:
    """Starts and stops homeservers; what went wrong in them, whatever the tests saw of it, fails here at the end."""
    with ExitStack() as stack:
        for homeserver in homeservers:
            stack.enter_context(homeserver)
        yield
    assert [line for homeserver in homeservers for line in logged_errors(homeserver.log_path)] == []


def logged_errors(log_path: Path) -> list[str]:
    """What a process of Synapse has logged as an error."""
    lines = log_path.read_text().splitlines()
    bad = [line for line in lines if " ERROR " in line or " CRITICAL " in line or "Traceback" in line]
    # Synapse says so wherever two of its listeners serve clients.
    return [line for line in bad if "already registered" not in line]


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """As the demonstration has it, but with a storage provider behind its store, and an application service."""
    directory = tmp_path_factory.mktemp("synapse")
    storage = {
        "module": "file_system",
        "store_local": True,
        "store_remote": True,
        "store_synchronous": True,
        "config": {"directory": str(directory / "provider")},
    }
    extra = {**QUICK, "media_storage_providers": [storage], "app_service_config_files": [_bridge(directory)]}
    synapse = Synapse(directory, free_port(), extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """Its links live for two or three seconds; its thumbnails come from a fixed list of sizes; its log tells all."""
    module = {"lifetime": "2s", "bucket": "1s", "cookie": True, "signed_query": True}
    directory = tmp_path_factory.mktemp("brief")
    log_config = directory / "debug.yaml"
    log_config.write_text(json.dumps(_log_of_debugging(directory)))
    extra = {**QUICK, "dynamic_thumbnails": False, "thumbnail_sizes": FIXED_SIZES, "log_config": str(log_config)}
    synapse = Synapse(directory, free_port(), module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def baselines(tmp_path_factory: pytest.TempPathFactory, secure_port: int) -> Iterator[Synapse]:
    """It has the baselines too, and secrets that the tests know, in the middle of changing them."""
    port = free_port()
    secrets = [{"id": key_id, "secret": secret} for key_id, secret in BASELINE_SECRETS.items()]
    module = {"secrets": secrets, "cookie": True, "signed_query": True, "signed_query_window": "1m"}
    directory = tmp_path_factory.mktemp("baselines")
    listeners = [listener(port), listener(secure_port, x_forwarded=True)]
    extra = {**QUICK, "listeners": listeners, "app_service_config_files": [_bridge(directory)]}
    synapse = Synapse(directory, port, module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def secure_port() -> int:
    """Where `baselines` believes a reverse proxy that says it has spoken TLS with its client."""
    return free_port()


@pytest.fixture(scope="session")
def proxy_port() -> int:
    """Where `bound` believes what a reverse proxy says of its clients."""
    return free_port()


@pytest.fixture(scope="session")
def media_port() -> int:
    """Where `bound` serves media alone, as a media worker does."""
    return free_port()


@pytest.fixture(scope="session")
def bound(tmp_path_factory: pytest.TempPathFactory, proxy_port: int, media_port: int) -> Iterator[Synapse]:
    """Its links are bound to the client's address, and few can be asked for."""
    port = free_port()
    module = {"bind_ip": True, "batch_limit": 3, "rc_links": {"per_second": 0.01, "burst_count": 4}, "cookie": True}
    listeners = [
        listener(port),
        listener(proxy_port, x_forwarded=True),
        listener(media_port, "media"),
    ]
    extra = {**QUICK, "listeners": listeners}
    directory = tmp_path_factory.mktemp("bound")
    synapse = Synapse(directory, port, module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """It gives up soon on clients that take nothing, and on files that are incomplete."""
    secrets = [{"id": "1", "secret": "a secret of thirty-two bytes or more"}]
    modules = [{"module": "tests.homeserver.impatient.MediaLinks", "config": {"secrets": secrets}}]
    extra = {**QUICK, "modules": modules}
    root = str(Path(__file__).parent.parent.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", root)
        with Synapse(tmp_path_factory.mktemp("impatient"), free_port(), extra_config=extra) as synapse:
            yield synapse


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Synapse, Synapse]]:
    """Two homeservers that speak to each other: one near, whose links are asked for, and one far."""
    directory = tmp_path_factory.mktemp("federation")
    files = certificate_files(directory)
    extra = {**QUICK, "federation": {"max_short_retries": 0}}

    def make(name: str) -> Synapse:
        return Synapse(directory / name, free_port(), extra_config=extra, federation=Federation(free_port(), *files))

    near, far = make("near"), make("far")
    with running(near, far):
        yield near, far


@pytest.fixture(scope="session")
def ana(synapse: Synapse) -> Account:
    """Somebody for the tests that leave a session as it is."""
    return Account.new(synapse)


@pytest.fixture(scope="module")
def mia(baselines: Synapse) -> Account:
    """An account on `baselines`, for tests that do not end its session."""
    return Account.new(baselines)


@pytest.fixture(scope="module")
def video(mia: Account) -> Mxc:
    return mia.upload(FILM, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def still(mia: Account) -> Mxc:
    return mia.upload(picture(), "image/png", "still.png")


@pytest.fixture(scope="session")
def admin(synapse: Synapse) -> Account:
    return Account.new(synapse, admin=True)


@pytest.fixture(scope="session")
def photo(ana: Account) -> Mxc:
    return ana.upload(picture(), "image/png", "a photo.png")


def _log_of_debugging(directory: Path) -> dict[str, Any]:
    """All that Synapse says, in the files in which it says the rest."""
    file = {"class": "logging.FileHandler", "formatter": "line", "filename": str(directory / "homeserver.log")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"}},
        "handlers": {"file": file},
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }


def _bridge(directory: Path) -> str:
    """An application service, whose token is `bridge-token`."""
    path = directory / "bridge.yaml"
    path.write_text(
        '{"id": "bridge", "as_token": "bridge-token", "hs_token": "unused", "sender_localpart": "bridge", "url": null,'
        ' "rate_limited": false, "namespaces": {"users": [{"regex": "@bridged_.*", "exclusive": true}]}}'
    )
    return str(path)
