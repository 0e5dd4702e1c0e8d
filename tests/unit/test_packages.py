"""The packages: what is in them, that equal contents are equal bytes, and that they install and type-check."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path, PurePosixPath

import httpx
import pytest

from tests.homeserver.support import wait_for
from tests.relay import free_port, is_open
from tools.setup_environment import CommandError
from web import packages

VERSION = tomllib.loads((packages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
WHEELS = {
    "authmedia": f"authmedia-{VERSION}-py3-none-any.whl",
    "media_links": f"authmedia_media_links-{VERSION}-py3-none-any.whl",
    "gateway": f"authmedia_gateway-{VERSION}-py3-none-any.whl",
}
SDISTS = {name: wheel.replace("-py3-none-any.whl", ".tar.gz") for name, wheel in WHEELS.items()}
# What an application writes against the installed library.
APPLICATION = """
from authmedia import AuthMediaError, Homeserver, Media, MediaRequest, bind, document_element, open_loader


async def show(access_token: str) -> Media:
    loader = open_loader("auto", Homeserver("https://matrix.example.org", "@ana:example.org", access_token))
    binder = bind(document_element(), loader, near_px=None)
    try:
        return await loader.load(MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop"))
    except AuthMediaError as error:
        print(error.user_message, len(binder.bindings))
        raise
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packages") / "out"
    packages.build(out)
    return out


def names(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_the_folder_holds_the_packages_and_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    for _ in range(2):
        files = packages.build(out)
        assert {path.name for path in files} == {*WHEELS.values(), *SDISTS.values(), "authmedia.toml", "authmedia-js"}
        assert {path.name for path in out.iterdir()} >= {"notes.txt", *WHEELS.values(), *SDISTS.values()}
        assert not list(out.glob(".*"))
    assert (out / "notes.txt").read_text() == "mine"


def test_the_remote_configuration_names_the_wheel(built: Path) -> None:
    configuration = tomllib.loads((built / "authmedia.toml").read_text(encoding="utf-8"))
    assert configuration == {"name": "authmedia", "files": {f"./{WHEELS['authmedia']}": "./*"}}


def test_the_wheel_of_the_library_holds_the_library_alone(built: Path) -> None:
    library = packages.ROOT / "pyapp"
    modules = {path.relative_to(library).as_posix() for path in (library / "authmedia").rglob("*.py")}
    files = {name for name in names(built / WHEELS["authmedia"]) if ".dist-info/" not in name}
    browser = {"file-writer.js", "primitives.js", "decryption-worker.js", "sha256.js", "LICENSE-hash-wasm"}
    assert files == modules | {"authmedia/py.typed"} | {f"authmedia/browser/{name}" for name in browser}


def test_the_wheel_of_the_module_holds_nothing_of_the_development_homeserver(built: Path) -> None:
    found = names(built / WHEELS["media_links"]) | names(built / SDISTS["media_links"])
    assert {"media_links/endpoints.py", "media_links/py.typed", "media_protocol/signing.py"} <= found
    tops = {PurePosixPath(name).parts[0] for name in names(built / WHEELS["media_links"])}
    assert tops == {"media_links", "media_protocol", f"authmedia_media_links-{VERSION}.dist-info"}
    assert not [name for name in found if "development" in name]


def test_the_wheel_of_the_gateway_holds_no_synapse(built: Path) -> None:
    files = {name for name in names(built / WHEELS["gateway"]) if ".dist-info/" not in name}
    sources = packages.ROOT / "homeserver"
    modules = {f"authmedia_gateway/{path.name}" for path in (sources / "gateway").glob("*.py")}
    modules |= {f"media_protocol/{path.name}" for path in (sources / "media_protocol").glob("*.py")}
    assert files == modules | {"authmedia_gateway/py.typed", "media_protocol/py.typed"}
    found = names(built / SDISTS["gateway"])
    assert {"nginx/gateway.conf", "nginx/gateway-cache.conf", "systemd/authmedia-gateway@.service"} <= found
    needed = metadata(built / WHEELS["gateway"]).get_all("Requires-Dist") or []
    assert {re.split("[<>= ;]", one)[0] for one in needed} >= {"httpx", "starlette", "uvicorn", "cryptography"}
    assert not [one for one in needed if "synapse" in one]


@pytest.mark.parametrize("name", WHEELS)
def test_a_wheel_has_its_licence_and_a_readme_without_links_to_the_repository(built: Path, name: str) -> None:
    wheel = built / WHEELS[name]
    (licence,) = [entry for entry in names(wheel) if entry.endswith(".dist-info/licenses/LICENSE")]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licence) == (packages.ROOT / "LICENSE").read_bytes()
    about = metadata(wheel)
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Description-Content-Type"] == "text/markdown"
    readme = str(about.get_payload())
    assert "## " in readme
    assert not re.search(r"\]\((?!https?:)|!\[|<!--|\.\./", readme), "an index has no files of the repository"


def test_the_readme_of_the_library_has_its_ten_lines(built: Path) -> None:
    readme = str(metadata(built / WHEELS["authmedia"]).get_payload())
    repository = (packages.ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```(?:html|python)\n.*?```", repository, re.DOTALL):
        assert block in readme
    assert "build.py serve" not in readme


def test_the_library_depends_on_nothing_and_the_module_on_synapse(built: Path) -> None:
    assert metadata(built / WHEELS["authmedia"]).get_all("Requires-Dist") is None
    (dependency,) = metadata(built / WHEELS["media_links"]).get_all("Requires-Dist") or []
    assert dependency.startswith("matrix-synapse>=")
    for wheel in WHEELS.values():
        assert metadata(built / wheel)["Requires-Python"] == ">=3.11"


def test_equal_content_is_equal_bytes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the times, the permissions, the folder and the environment."""
    for number, (time_s, mode) in enumerate(((1_500_000_000, 0o600), (1_700_000_000, 0o664))):
        copy = copy_of_sources(tmp_path / f"copy {number}")
        for path in sorted(copy.rglob("*")):
            os.utime(path, (time_s, time_s))
            if path.is_file():
                path.chmod(mode)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(time_s))
        packages.build(tmp_path / f"out {number}", copy)
        for name in (*WHEELS.values(), *SDISTS.values()):
            assert (tmp_path / f"out {number}" / name).read_bytes() == (built / name).read_bytes(), name


def test_other_content_is_other_bytes(built: Path, tmp_path: Path) -> None:
    copy = copy_of_sources(tmp_path / "copy")
    with (copy / "pyapp" / "authmedia" / "media.py").open("a", encoding="utf-8") as module:
        module.write("# changed\n")
    packages.build(tmp_path / "out", copy)
    changed = {
        name for name in WHEELS.values() if (tmp_path / "out" / name).read_bytes() != (built / name).read_bytes()
    }
    assert changed == {WHEELS["authmedia"]}


@pytest.mark.parametrize("name", SDISTS)
def test_a_source_distribution_holds_no_links(built: Path, name: str) -> None:
    with tarfile.open(built / SDISTS[name]) as sdist:
        assert not [member.name for member in sdist.getmembers() if not member.isfile()]


def test_the_documentation_is_in_the_source_distribution(built: Path) -> None:
    docs = packages.ROOT / "docs"
    found = names(built / SDISTS["authmedia"])
    assert {f"docs/{path.relative_to(docs).as_posix()}" for path in docs.rglob("*.*") if path.is_file()} <= found


@pytest.mark.parametrize("name", SDISTS)
def test_a_source_distribution_builds_the_same_wheel(built: Path, tmp_path: Path, name: str) -> None:
    with tarfile.open(built / SDISTS[name]) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (project,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    assert (tmp_path / WHEELS[name]).read_bytes() == (built / WHEELS[name]).read_bytes()


def test_an_index_would_take_the_packages(built: Path) -> None:
    files = [str(built / name) for name in (*WHEELS.values(), *SDISTS.values())]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == len(files) == 6


def test_an_installed_wheel_is_type_checked_against(built: Path, tmp_path: Path) -> None:
    """By pip in a new environment, without a network."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--quiet"]
    subprocess.run([*pip, str(built / WHEELS["authmedia"])], check=True)
    application = tmp_path / "application.py"
    application.write_text(APPLICATION)
    run = subprocess.run([str(python), str(application)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert type_errors(python, application) == ""
    application.write_text(APPLICATION + "\nopen_loader(5)\n")
    assert 'Argument 1 to "open_loader" has incompatible type "int"' in type_errors(python, application)
    assert "Missing positional" in type_errors(python, application)


def test_an_installed_gateway_serves(built: Path, tmp_path: Path) -> None:
    """By pip in a new environment, without a network; what it depends on is that of this one."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", "--quiet"]
    subprocess.run([*pip, str(built / WHEELS["gateway"])], check=True)
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    installed = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    # Behind the environment's own packages.
    (installed / "dependencies.pth").write_text(str(Path(httpx.__file__).parents[1]))
    port = free_port()
    command = [
        str(environment / "bin" / "authmedia-gateway"),
        "--homeserver",
        "http://127.0.0.1:9",
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}
    ) as process:
        try:
            wait_for(lambda: is_open(port), 30, "the gateway")
            assert httpx.get(f"http://127.0.0.1:{port}/health").text == "OK"
        finally:
            process.terminate()
    assert (tmp_path / "gateway-state" / "secret").exists()
    assert (installed / "authmedia_gateway" / "application.py").exists()


def type_errors(python: Path, application: Path) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), application.name]
    environment = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(command, cwd=application.parent, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_an_error_says_what_is_wrong_and_leaves_the_earlier_packages(tmp_path: Path) -> None:
    copy = copy_of_sources(tmp_path / "copy")
    out = tmp_path / "out"
    packages.build(out, copy)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (copy / "homeserver" / "pyproject.toml").write_text("[project]\nname = 5\n")
    with pytest.raises(packages.PackageError, match=r"homeserver/pyproject\.toml cannot be built"):
        packages.build(out, copy)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_file_in_place_of_the_folder_is_an_error_of_the_command(tmp_path: Path) -> None:
    import build

    (tmp_path / "file").write_text("mine")
    options = build._parse(["package", "--out", str(tmp_path / "file")])
    with pytest.raises(CommandError, match=r"file cannot be written \(File exists\); name another folder with --out"):
        options.command(options)
    assert (tmp_path / "file").read_text() == "mine"


def copy_of_sources(target: Path) -> Path:
    """A copy of what the packages are made of, and of what must not get into them."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("pyapp", "homeserver", "docs", "web/static", "web/media", "web/node_modules/hash-wasm"):
        shutil.copytree(packages.ROOT / folder, target / folder, ignore=ignored, symlinks=True)
    for path in packages.ROOT.glob("*"):
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    shutil.copyfile(packages.ROOT / ".gitignore", target / ".gitignore")
    return target
