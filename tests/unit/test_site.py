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
