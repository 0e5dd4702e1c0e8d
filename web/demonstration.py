"""The demonstration, ``build.py serve``: a real homeserver with a sample room, and the site."""

import errno
import fcntl
import os
import secrets
import signal
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from development import attic, long_room
from development.authorization_server import AuthorizationServer
from development.conversation import DEMO
from development.private_files import make_private_folder
from development.seed import Demo, SeedError, renew_sessions, seed
from development.synapse import HomeserverError, Synapse
from web import site
from web.server import Server, SiteServer

Step = Callable[[str, int, int], None]

# How long access tokens are valid by default: a page that is measured renews none.
_TOKEN_LIFETIME_S = 24 * 60 * 60

# Errors of binding to a port: it is in use, privileged, or not of this machine.
_OF_A_PORT = (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL)


class Demonstration:
    """Homeserver, sample room and site, started and stopped together.

    :param state: the folder that keeps the homeserver's data between runs.
    :param port: the site's port; 0 for a free one.
    :param homeserver_port: the homeserver's port.
    :param token_lifetime_s: how long the access tokens of the pages are valid, in seconds.
    :param oauth_port: the port of an authorization server to which the homeserver delegates sign-ins; with ``None``,
        it signs users in itself. Each way has a homeserver of its own.
    """

    def __init__(
        self,
        state: Path,
        port: int,
        homeserver_port: int,
        *,
        token_lifetime_s: int = _TOKEN_LIFETIME_S,
        oauth_port: int | None = None,
    ) -> None:
        self._state = state
        self._port = port
        self._own_state = state / "oauth" if oauth_port else state
        self._authorization_site: Server | None = None
        #: What the homeserver delegates sign-ins to, if it does.
        self.authorization: AuthorizationServer | None = None
        config: dict[str, Any] = {"refreshable_access_token_lifetime": f"{token_lifetime_s}s"}
        if oauth_port:
            issuer, homeserver_url = f"http://localhost:{oauth_port}/", f"http://localhost:{homeserver_port}"
            self.authorization = AuthorizationServer(
                issuer, homeserver_url, secrets.token_urlsafe(32), token_lifetime_s
            )
            config = self.authorization.synapse_config
        baselines = {"cookie": True, "signed_query": True}  # off by default; here they are to be compared with
        self.synapse = Synapse(
            self._own_state / "homeserver", homeserver_port, module_config=baselines, extra_config=config
        )
        self.site: SiteServer | None = None
        self.demo: Demo | None = None

    def start(self, step: Step) -> str:
        """Builds the site, starts and seeds the homeserver, and serves the site; returns its URL.

        :param step: called before each step with its description, the number of its parts done, and their total.
        :raises HomeserverError, SeedError, OSError: with a message that says what to do.
        """
        make_private_folder(self._state)
        step("Building the site", 0, 1)
        site.build(self._state / "site")
        if self.authorization:
            self._authorization_site = _open_server(self.authorization)
            self._authorization_site.start()
        step("Starting Synapse", 0, 1)
        self.synapse.start()
        self.demo = self._seed(step)
        account = {"homeserver": self.synapse.base_url, "room": self.demo.room_id}
        if not self.authorization:
            account.update(user=self.demo.user_id, password=self.demo.password)
        self.site = SiteServer(self._state / "site", self._port, account)
        self.site.start()
        return self.site.url

    def _seed(self, step: Step) -> Demo:
        base_url, directory = self.synapse.base_url, self._own_state / "seed"
        if not self.authorization:
            return seed(base_url, self.synapse.register, directory=directory, progress=step)
        self._share_drawings(directory)
        renew_sessions(self.authorization.sign_up, directory)
        demo = seed(base_url, self.authorization.sign_up, directory=directory, progress=step)
        self.authorization.sample_account = (DEMO, demo.password)
        return demo

    def _share_drawings(self, directory: Path) -> None:
        """Has both ways to sign in use the same drawings, which take the longest part of the first start."""
        drawings = self._state / "seed" / "media"
        drawings.mkdir(parents=True, exist_ok=True)
        make_private_folder(directory)
        if not (directory / "media").exists():
            (directory / "media").symlink_to(drawings.resolve())

    def fill_archive(self, events: int = long_room.EVENTS, pictures: int = long_room.PICTURES) -> long_room.ArchiveRoom:
        """Creates the long room, or what is missing of it; the first time takes a minute.

        :raises SeedError: with a message that says what to do; the demonstration works without that room.
        """
        return long_room.fill(self.synapse.base_url, self._own_state / "seed", events=events, pictures=pictures)

    def fill_attic(self) -> attic.Attic:
        """Creates the attic, or what is missing of it.

        :raises SeedError: with a message that says what to do; the demonstration works without that room.
        """
        return attic.fill(self.synapse.base_url, self._own_state / "seed")

    @contextmanager
    def running(self, step: Step = lambda words, done, total: None) -> Iterator[str]:
        """Starts it, yields the site's URL, and stops it; see `start`."""
        try:
            yield self.start(step)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stops site and homeserver, also after a failed start."""
        for server in (self.site, self._authorization_site):
            if server:
                server.stop()
        self.synapse.stop()
        if self.authorization:
            self.authorization.close()


def run(
    state: Path,
    port: int,
    homeserver_port: int,
    *,
    token_lifetime_s: int | None = None,
    oauth_port: int | None = None,
    open_browser: bool,
) -> int:
    """Serves the demonstration until Ctrl-C or SIGTERM; returns the exit status. For the others see `Demonstration`.

    :param token_lifetime_s: ``None`` for a day.
    """
    console = Console()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    lifetime_s = token_lifetime_s or _TOKEN_LIFETIME_S
    demonstration = Demonstration(state, port, homeserver_port, token_lifetime_s=lifetime_s, oauth_port=oauth_port)
    try:
        if not _is_alone(state):
            words = "authmedia: another `build.py serve` runs here; end it first, or look at the pages that it serves."
            console.print(words, style="red", highlight=False, soft_wrap=True)
            return 1
        url = _start(demonstration, console)
        print(f"authmedia: {url}", flush=True)
        # In the background: only two pages need these rooms. If interrupted, the next run continues.
        threading.Thread(target=_fill_rooms, args=[demonstration, console, ended], daemon=True).start()
        if open_browser:
            webbrowser.open(url)
        ended.wait()
    except (HomeserverError, SeedError) as error:
        console.print(f"authmedia: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    except OSError as error:
        words = f"authmedia: {error}; see that there is room on the disk, and that {state} may be written to."
        if error.errno in _OF_A_PORT and not error.filename:
            words = f"authmedia: port {port} cannot be used ({error.strerror}); choose another with --port."
        console.print(words, style="red", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        ended.set()
        demonstration.stop()
    return 0


def _open_server(authorization: AuthorizationServer) -> Server:
    port = urlsplit(authorization.issuer).port
    assert port
    try:
        return Server(authorization.application, port)
    except OSError as error:
        words = f"Port {port} cannot be used for the authorization server ({error.strerror})."
        raise HomeserverError(f"{words} Choose another with --oauth-port.") from error


def _is_alone(state: Path) -> bool:
    """Locks the folder for the lifetime of this process; returns whether no other process holds it."""
    make_private_folder(state)
    held = os.open(state / "serving", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return False
    return True


def _fill_rooms(demonstration: Demonstration, console: Console, ended: threading.Event) -> None:
    try:
        demonstration.fill_attic()
        demonstration.fill_archive()
    except SeedError as error:
        if ended.is_set():  # the homeserver is being stopped
            return
        console.print(
            f"authmedia: attic.html or timeline.html will have less to show. {error}", style="yellow", soft_wrap=True
        )


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _start(demonstration: Demonstration, console: Console) -> str:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Starting")

        def step(words: str, done: int, total: int) -> None:
            progress.update(task, description=words, completed=done, total=total)

        return demonstration.start(step)
