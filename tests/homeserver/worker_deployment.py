"""A homeserver of several processes on loopback: PostgreSQL, Redis, Synapse's main process and its workers.

See https://element-hq.github.io/synapse/latest/workers.html
"""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from development.synapse import Synapse
from tests.browser.engines import install_package
from tests.homeserver.conftest import QUICK
from tests.homeserver.support import listener, wait_for
from tests.homeserver.synapse_log import logged_errors
from tests.relay import free_port, is_open

_PACKAGES = Path(__file__).resolve().parents[2] / "homeserver"
_START_S = 60.0
_STOP_S = 10.0
_DATABASE_USER = "synapse"
# What a worker logs once changes in the other processes reach it, which is later than its first answer.
_SUBSCRIBED = "Successfully subscribed to redis stream"


def find_program(name: str, package: str, elsewhere: str = "") -> str:
    """Returns the path of a program, which is installed where that is possible; an empty string if there is none.

    :param package: the Debian package that contains it.
    :param elsewhere: a pattern of directories below `/usr` that `PATH` usually lacks.
    """
    for _ in range(2):
        directories = map(str, sorted(Path("/usr").glob(elsewhere), reverse=True)) if elsewhere else ()
        found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(directories))
        if found:
            return found
        install_package(package)
    return ""


def missing_requirement() -> str:
    """Returns what this machine lacks for a deployment with workers; an empty string if it lacks nothing."""
    try:
        import psycopg2  # noqa: F401
        import txredisapi  # noqa: F401
    except ImportError as error:
        return f"the Python package {error.name}"
    if not _find_postgres():
        return "PostgreSQL (Debian's package postgresql)"
    return "" if _find_redis() else "Redis (Debian's package redis-server)"


def _find_postgres() -> str:
    return find_program("postgres", "postgresql", "lib/postgresql/*/bin")


def _find_redis() -> str:
    return find_program("redis-server", "redis-server")


# --- the services -----------------------------------------------------------------------------------------------------


@contextmanager
def running_postgres(directory: Path) -> Iterator[dict[str, Any]]:
    """Runs PostgreSQL on a Unix socket.

    :param directory: an empty one that nobody else can enter; PostgreSQL's user becomes its owner.
    :returns: the section `database` of `homeserver.yaml`.
    """
    programs = Path(_find_postgres()).resolve().parent
    user = _unprivileged_user()
    if user:
        shutil.chown(directory, user)
    own: dict[str, Any] = {"cwd": directory, "user": user, "stdin": subprocess.DEVNULL, "start_new_session": True}
    data = directory / "data"
    # Synapse insists on the locale C.
    initdb = [programs / "initdb", "-D", data, "-U", _DATABASE_USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*initdb, "--no-sync"], **own, check=True, capture_output=True)
    settings = {"listen_addresses": "", "unix_socket_directories": directory, "fsync": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (directory / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *options], **own, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        database = {"user": _DATABASE_USER, "dbname": "postgres", "host": str(directory)}
        wait_for(lambda: _accepts_connections(database), 30, "PostgreSQL")
        yield {"name": "psycopg2", "args": {**database, "cp_min": 1, "cp_max": 5}}
    finally:
        _stop(process, signal.SIGINT)  # ends its connections and does not wait for them


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


def _accepts_connections(database: dict[str, str]) -> bool:
    import psycopg2

    try:
        psycopg2.connect(**database).close()
    except psycopg2.OperationalError:
        return False
    return True


class Redis:
    """Redis on a Unix socket, without anything on disk.

    :param directory: an empty one.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "redis.sock"
        self._command = [_find_redis(), "--port", "0", "--unixsocket", str(self._path), "--save", ""]
        self._command += ["--dir", str(directory), "--logfile", str(directory / "redis.log")]
        #: The section `redis` of `homeserver.yaml`.
        self.config = {"enabled": True, "path": str(self._path)}

    def __enter__(self) -> "Redis":
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for(self._path.is_socket, 10, "Redis")
        return self

    def __exit__(self, *_exception: object) -> None:
        _stop(self._process)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps Redis from answering for the time of a `with` block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def _stop(process: subprocess.Popen[bytes], end: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(end)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- Synapse's processes ----------------------------------------------------------------------------------------------


class Worker:
    """A `synapse.app.generic_worker` beside a main process, whose configuration it shares.

    :param listeners: beside the one at `port`, which serves `resource`.
    :param own_config: what its own configuration file adds to the shared one, or replaces in it.
    """

    def __init__(
        self, main: Synapse, name: str, resource: str, listeners: Sequence[dict[str, Any]] = (), **own_config: Any
    ) -> None:
        self.name = name
        self.port = free_port()
        self.log_path = main.directory / f"{name}.log"
        self._main = main
        self._listeners = [listener(self.port, resource), *listeners]
        self._own_config = own_config
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Starts the process and does not wait for it."""
        directory = self._main.directory
        log_config, config = directory / f"{self.name}.log.yaml", directory / f"{self.name}.yaml"
        log_config.write_text(json.dumps(_log_config(self.log_path)))
        own = {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": self.name,
            "worker_listeners": self._listeners,
            "worker_log_config": str(log_config),
            **self._own_config,
        }
        config.write_text(json.dumps(own))
        command = [sys.executable, "-m", "synapse.app.generic_worker"]
        command += ["--config-path", str(directory / "homeserver.yaml"), "--config-path", str(config)]
        with (directory / f"{self.name}.output.log").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(_PACKAGES)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Returns once the process answers and knows of changes in the others."""
        wait_for(self._is_ready, _START_S, f"the worker {self.name}")

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            output = self._main.directory / f"{self.name}.output.log"
            raise AssertionError(f"the worker {self.name} stopped while starting: {output.read_text()[-2000:]}")
        return is_open(self.port) and _SUBSCRIBED in self.log_path.read_text()

    def stop(self) -> None:
        """Ends the process; does nothing if there is none."""
        process, self._process = self._process, None
        if process is not None:
            _stop(process)


class Deployment:
    """One homeserver: a main process without the media repository, a worker that mints links, two media workers.

    :param main: the main process.
    :param generic: a worker with the client endpoints, without the media repository.
    :param media: workers with the media repository: the first with a `media` listener, the second with a `client` one.
    :param rotated: a worker like `generic`, with another configuration of the module.
    """

    def __init__(
        self, directory: Path, database: dict[str, Any], redis: Redis, module: dict[str, Any], rotated: dict[str, Any]
    ) -> None:
        port = free_port()
        # Where processes call each other: the main one, and the media worker that writes down what is quarantined.
        called = {"main": free_port(), "media1": free_port()}
        config = {
            **QUICK,
            "database": database,
            "redis": redis.config,
            "listeners": [listener(port), listener(called["main"], "replication")],
            "instance_map": {name: {"host": "127.0.0.1", "port": own} for name, own in called.items()},
            "worker_replication_secret": "shared-by-all-processes",
            "enable_media_repo": False,
            "media_instance_running_background_jobs": "media1",
            "stream_writers": {"quarantined_media_changes": "media1"},
        }
        self.redis = redis
        self.main = Synapse(directory, port, module_config=module, extra_config=config)
        self.generic = Worker(self.main, "generic", "client")
        replication = [listener(called["media1"], "replication")]
        self.media = [
            Worker(self.main, "media1", "media", replication, enable_media_repo=True),
            Worker(self.main, "media2", "client", enable_media_repo=True),
        ]
        own_module = {"module": "media_links.MediaLinks", "config": {**module, **rotated}}
        self.rotated = Worker(self.main, "rotated", "client", modules=[own_module])

    @property
    def workers(self) -> list[Worker]:
        """All processes but the main one."""
        return [self.generic, *self.media, self.rotated]

    @property
    def minting(self) -> list[Synapse | Worker]:
        """The processes that share the whole configuration; each of them mints links."""
        return [self.main, self.generic, *self.media]


@contextmanager
def running_deployment(directory: Path, module: dict[str, Any], rotated: dict[str, Any]) -> Iterator[Deployment]:
    """Runs all processes of a homeserver; fails at the end if one of them logged an error.

    :param directory: for Synapse's files.
    :param module: the module's configuration in all processes.
    :param rotated: what differs in it in one of them.
    """
    with ExitStack() as stack:
        # Not below `directory`: the path of a Unix socket is short, and PostgreSQL's user has to get there.
        own, queue = (Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authmedia-"))) for _ in range(2))
        database = stack.enter_context(running_postgres(own))
        deployment = Deployment(directory, database, stack.enter_context(Redis(queue)), module, rotated)
        stack.enter_context(deployment.main)  # makes the tables that workers need to start
        for worker in deployment.workers:
            stack.callback(worker.stop)
            worker.launch()
        for worker in deployment.workers:
            worker.wait_until_ready()
        yield deployment
        # Before they are stopped: Synapse calls it an error if it is stopped while it speaks to Redis.
        logs = [process.log_path for process in (deployment.main, *deployment.workers)]
        assert [record for log in logs for record in logged_errors(log)] == []


def _log_config(path: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "formatter": "line", "filename": str(path)}},
        "root": {"level": "INFO", "handlers": ["file"]},
    }
