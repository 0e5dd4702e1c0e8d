"""Real homeservers, each started for the first test that uses it and stopped at the end of the session."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from development.synapse import Federation, Synapse
from tests.homeserver.support import Account, Mxc, certificate_files, listener, noise, picture
from tests.homeserver.synapse_log import logged_errors
from tests.relay import free_port

FILM = noise(300_000, "film")
QUICK = {"bcrypt_rounds": 4}  # the tests register many accounts, and slow password hashes protect nothing here
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
    """Starts and stops homeservers. Fails at the end if one of them has logged an error."""
    with ExitStack() as stack:
        for homeserver in homeservers:
            stack.enter_context(homeserver)
        yield
    assert [record for homeserver in homeservers for record in logged_errors(homeserver.log_path)] == []


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """The demonstration's configuration, with a storage provider and an application service."""
    directory = tmp_path_factory.mktemp("synapse")
    storage = {
        "module": "file_system",
        "store_local": True,
        "store_remote": True,
        "store_synchronous": True,
        "config": {"directory": str(directory / "provider")},
    }
    extra = {
        **QUICK,
        "media_storage_providers": [storage],
        "app_service_config_files": [bridge_registration(directory)],
    }
    synapse = Synapse(directory, free_port(), extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """Its links expire after two or three seconds. It has fixed thumbnail sizes, and its log level is DEBUG."""
    module = {"lifetime": "2s", "bucket": "1s", "cookie": True, "signed_query": True, "native_ranges": True}
    directory = tmp_path_factory.mktemp("short_lived")
    log_config = directory / "debug.yaml"
    log_config.write_text(json.dumps(_debug_log_config(directory)))
    extra = {**QUICK, "dynamic_thumbnails": False, "thumbnail_sizes": FIXED_SIZES, "log_config": str(log_config)}
    synapse = Synapse(directory, free_port(), module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def baselines(tmp_path_factory: pytest.TempPathFactory, secure_port: int, metrics_port: int) -> Iterator[Synapse]:
    """It has the baselines enabled, and two secrets that the tests know, as during a rotation; it shows its metrics."""
    port = free_port()
    secrets = [{"id": key_id, "secret": secret} for key_id, secret in BASELINE_SECRETS.items()]
    module = {"secrets": secrets, "cookie": True, "signed_query": True, "signed_query_window": "1m"}
    directory = tmp_path_factory.mktemp("baselines")
    metrics = {"type": "metrics", "port": metrics_port, "bind_addresses": ["127.0.0.1"]}
    listeners = [listener(port), listener(secure_port, x_forwarded=True), metrics]
    extra = {**QUICK, "listeners": listeners, "app_service_config_files": [bridge_registration(directory)]}
    extra["enable_metrics"] = True
    synapse = Synapse(directory, port, module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def secure_port() -> int:
    """The port on which `baselines` trusts the `X-Forwarded-Proto` of a reverse proxy."""
    return free_port()


@pytest.fixture(scope="session")
def metrics_port() -> int:
    """The port on which `baselines` shows its metrics."""
    return free_port()


@pytest.fixture(scope="session")
def proxy_port() -> int:
    """The port on which `address_bound` trusts the `X-Forwarded-For` of a reverse proxy."""
    return free_port()


@pytest.fixture(scope="session")
def media_port() -> int:
    """The port on which `address_bound` has the resource `media` only, as a media worker does."""
    return free_port()


@pytest.fixture(scope="session")
def compressing_port() -> int:
    """The port on which `address_bound` compresses its responses."""
    return free_port()


@pytest.fixture(scope="session")
def address_bound(
    tmp_path_factory: pytest.TempPathFactory, proxy_port: int, media_port: int, compressing_port: int
) -> Iterator[Synapse]:
    """Its links are bound to the client's address, its limits are low, and its own downloads have ranges."""
    port = free_port()
    module = {"bind_ip": True, "batch_limit": 3, "rc_links": {"per_second": 0.01, "burst_count": 4}, "cookie": True}
    module["native_ranges"] = True
    listeners = [
        listener(port),
        listener(proxy_port, x_forwarded=True),
        listener(media_port, "media"),
        {**listener(compressing_port), "resources": [{"names": ["client"], "compress": True}]},
    ]
    extra = {**QUICK, "listeners": listeners}
    directory = tmp_path_factory.mktemp("address_bound")
    synapse = Synapse(directory, port, module_config=module, extra_config=extra)
    with running(synapse):
        yield synapse


@pytest.fixture(scope="session")
def short_timeouts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """It has short timeouts for clients that do not read and for files that are incomplete."""
    secrets = [{"id": "1", "secret": "a secret of thirty-two bytes or more"}]
    modules = [{"module": "tests.homeserver.short_timeouts.MediaLinks", "config": {"secrets": secrets}}]
    extra = {**QUICK, "modules": modules}
    root = str(Path(__file__).parent.parent.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", root)
        with Synapse(tmp_path_factory.mktemp("short_timeouts"), free_port(), extra_config=extra) as synapse:
            yield synapse


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Synapse, Synapse]]:
    """Two homeservers that federate with each other: the local one mints the links, the remote one has the media."""
    directory = tmp_path_factory.mktemp("federation")
    files = certificate_files(directory)
    extra = {**QUICK, "federation": {"max_short_retries": 0}}

    def make(name: str) -> Synapse:
        own: dict[str, Any] = {"extra_config": extra, "federation": Federation(free_port(), *files)}
        return Synapse(directory / name, free_port(), module_config={"native_ranges": True}, **own)

    local, remote = make("local"), make("remote")
    with running(local, remote):
        yield local, remote


@pytest.fixture(scope="session")
def ana(synapse: Synapse) -> Account:
    """An account on `synapse`, for tests that do not end its session."""
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


def _debug_log_config(directory: Path) -> dict[str, Any]:
    """A log configuration of level DEBUG that writes to Synapse's usual log file."""
    file = {"class": "logging.FileHandler", "formatter": "line", "filename": str(directory / "homeserver.log")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"}},
        "handlers": {"file": file},
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }


def bridge_registration(directory: Path) -> str:
    """An application service, whose token is `bridge-token`."""
    path = directory / "bridge.yaml"
    path.write_text(
        '{"id": "bridge", "as_token": "bridge-token", "hs_token": "unused", "sender_localpart": "bridge", "url": null,'
        ' "rate_limited": false, "namespaces": {"users": [{"regex": "@bridged_.*", "exclusive": true}]}}'
    )
    return str(path)
