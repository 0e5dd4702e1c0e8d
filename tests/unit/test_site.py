"""Where the site is built, and where not."""

from pathlib import Path

import pytest

from web import site


@pytest.mark.parametrize("name", ["notes.txt", "assets/mine.js"])
def test_what_is_no_earlier_build_is_left_alone(tmp_path: Path, name: str) -> None:
    kept = tmp_path / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    for out in (tmp_path, kept):
        with pytest.raises(FileExistsError, match="is no earlier build"):
            site.build(out)
    assert kept.read_text() == "mine"


def test_an_earlier_build_is_replaced(tmp_path: Path) -> None:
    old = tmp_path / "assets" / "boot.0123.js"
    old.parent.mkdir()
    old.write_text("of an earlier version")
    site.build(tmp_path)
    assert (tmp_path / "index.html").exists()
    assert not old.exists()
