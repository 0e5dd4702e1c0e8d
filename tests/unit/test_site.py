"""Where the site is built and served, and where not."""

import argparse
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import build
from web import demonstration, output_folder, server, site


@pytest.mark.parametrize("name", ["notes.txt", "assets/mine.js"])
def test_what_is_no_earlier_build_is_left_alone(tmp_path: Path, name: str) -> None:
    kept = tmp_path / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    for out in (tmp_path, kept):
        with pytest.raises(FileExistsError, match="is no earlier build"):
            site.build(out)
    assert kept.read_text() == "mine"


def test_of_an_earlier_build_nothing_is_removed_but_what_it_had_made(tmp_path: Path) -> None:
    out, outside = tmp_path / "site", tmp_path / "mine.txt"
    old, beside, package = out / "assets" / "boot.0123.js", out / "CNAME", out / "packages" / "authmedia.whl"
    for path in (old, beside, outside, package):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("written before")
    (out / "authmedia-build.txt").write_text("assets/boot.0123.js\n../mine.txt\nassets/../../mine.txt\ngone.html\n")
    for _ in range(2):
        site.build(out)
        assert (out / "index.html").exists()
        assert not old.exists()
        assert {path.read_text() for path in (beside, outside, package)} == {"written before"}


def test_what_an_interrupted_build_has_written_is_removed_by_the_next(tmp_path: Path) -> None:
    def write(name: str, *, interrupted: bool = False) -> None:
        with output_folder.rebuilt(tmp_path):
            (tmp_path / name).write_text("a page")
            if interrupted:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write("old.html", interrupted=True)
    write("new.html")
    assert {path.name for path in tmp_path.glob("*.html")} == {"new.html"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("written before")
    with pytest.raises(FileExistsError):
        output_folder.rebuilt(tmp_path / "mine").__enter__()


def test_a_port_that_somebody_has_on_the_other_loopback_address_is_taken() -> None:
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with other, pytest.raises(OSError, match="in use"):
        server._loopback_sockets(other.getsockname()[1])
    for listener in server._loopback_sockets(0):
        listener.close()


def test_a_second_demonstration_leaves_the_first_ones_folder_alone(tmp_path: Path) -> None:
    assert demonstration._is_alone(tmp_path / "state")
    assert not demonstration._is_alone(tmp_path / "state")


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", ""])
def test_what_is_no_port_is_told_before_anything_starts(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no port"):
        build._port(text)
    assert build._port("8000") == 8000


DEMO = {"user": "@ana:localhost", "password": "of the demonstration"}


@pytest.fixture(scope="module")
def site_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """What asks a server of the site, by an address of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "blob.html").write_text("<h1>blob</h1>")
    started = server.SiteServer(folder, 0, DEMO)
    started.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{started.port}") as client:
        yield client
    started.stop()


def get(site_server: httpx.Client, path: str, host: str) -> httpx.Response:
    return site_server.get(path, headers={"Host": host.replace("PORT", str(site_server.base_url.port))})


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:PORT", "LOCALHOST:PORT", "127.0.0.1:PORT", "[::1]:PORT", "[::1]", "w1.localhost:PORT"],
)
def test_the_site_is_served_by_the_names_of_this_machine(site_server: httpx.Client, host: str) -> None:
    assert get(site_server, "/demo.json", host).json() == DEMO
    assert get(site_server, "/blob.html", host).text == "<h1>blob</h1>"


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:PORT",
            "localhost.evil.example:PORT",
            "evil-localhost",
            "127.0.0.1.evil.example",
        ),
        *("localhost@evil.example", "evil.example#localhost", "evil.example, localhost", "localhost:80:90", "[::1"),
        *("", "192.0.2.7:PORT", "0.0.0.0:PORT", "[::2]:PORT", "localhost.:PORT", ".localhost.evil.example"),
    ],
)
def test_a_name_that_can_be_rebound_to_this_machine_reads_nothing(site_server: httpx.Client, host: str) -> None:
    for path in ("/demo.json", "/demo%2Ejson", "/./demo.json", "/blob.html", "/missing"):
        answer = get(site_server, path, host)
        assert answer.status_code == 400
        assert not [told for told in (DEMO["password"], "blob") if told in answer.text]


def test_a_room_page_has_no_baseline_but_its_own(tmp_path: Path) -> None:
    for name in ("link", "signed-query", "timeline"):
        page = next(page for page in site.PAGES if page.name == name)
        archive = tmp_path / Path(site._copy_python(page, tmp_path)["pyodide"]).name
        with tarfile.open(archive) as opened:
            packed = {Path(entry).stem for entry in opened.getnames() if entry.startswith("authmedia/strategies/")}
        baselines = packed & {"service_worker", "cookie", "signed_query", "blocking"}
        own = {page.module} if page.kind == "baseline" else set()
        assert baselines == (own if page.kind else {"service_worker", "cookie", "signed_query", "blocking"})
        assert {"link", "opfs", "blob", "bundle", "plain", "auto"} <= packed
