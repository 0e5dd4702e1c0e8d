"""Where the site is built and served, and where not."""

import argparse
import socket
from pathlib import Path

import pytest

import build
from web import demonstration, server, site


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
    old, beside = out / "assets" / "boot.0123.js", out / "CNAME"
    old.parent.mkdir(parents=True)
    for path in (old, beside, outside):
        path.write_text("written before")
    (out / "authmedia-build.txt").write_text("assets/boot.0123.js\n../mine.txt\nassets/../../mine.txt\ngone.html\n")
    for _ in range(2):
        site.build(out)
        assert (out / "index.html").exists()
        assert not old.exists()
        assert beside.read_text() == outside.read_text() == "written before"


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
