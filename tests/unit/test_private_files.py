"""Folders and files with access tokens: for their owner alone, from their first moment."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from development.private_files import make_private_folder, open_private, write_private
from development.seed import SeedError, seed
from development.synapse import Synapse
from tests.relay import free_port
from web import demonstration


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    """What makes everything as open as it was asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def seed_into(folder: Path) -> None:
    with pytest.raises(SeedError):
        seed(f"http://localhost:{free_port()}", lambda user, password: {}, directory=folder)


def configure(folder: Path) -> None:
    Synapse(folder, free_port())._write_configuration([])


MAKERS = [make_private_folder, demonstration._is_alone, seed_into, configure]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("existing", [None, 0o777, 0o755, 0o710])
def test_a_folder_is_its_owners_alone(tmp_path: Path, make: Callable[[Path], object], existing: int | None) -> None:
    folder = tmp_path / "above" / "state"
    if existing is not None:
        folder.mkdir(existing, parents=True)
        folder.chmod(existing)
    make(folder)
    assert mode(folder) == 0o700
    assert mode(folder.parent) == (0o777 if existing is not None else 0o700), "what was there above it stays"


def test_a_new_folder_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Path, "chmod")
    make_private_folder(tmp_path / "state")
    assert mode(tmp_path / "state") == 0o700


@pytest.mark.parametrize("write", [lambda path: write_private(path, "new"), lambda path: open_private(path).close()])
@pytest.mark.parametrize("existed", [False, True])
def test_a_file_is_its_owners_alone(tmp_path: Path, write: Callable[[Path], object], existed: bool) -> None:
    path = tmp_path / "record.json"
    if existed:
        path.write_text("old")
        path.chmod(0o644)
    write(path)
    assert mode(path) == 0o600
    assert path.read_text() in ("new", "")
