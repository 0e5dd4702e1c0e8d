"""Builds the static site: pages from templates, one Python archive per page and interpreter, precompressed files.

All URLs are relative, and every asset's name contains the hash of its content, so any static host can serve the site
under any path with immutable caching.
"""

import base64
import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from web import documentation, output_folder
from web.evidence.page import Evidence
from web.python_archive import bytecode, installed_files, modules_of, pack_romfs, pack_tar, sources
from web.strategy_order import GROUPS, WHEN_TO_USE, in_order
from web.worker_scripts import decryption_worker

WEB = Path(__file__).parent
PYAPP = WEB.parent / "pyapp"
NODE_MODULES = WEB / "node_modules"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class DemoPage:
    """One page of the site: its file name, its title, and the line about it in lists of pages.

    :param kind: ``strategy`` or ``baseline`` if it shows the room by the strategy that it is named after, else empty.
    :param packages: installed packages that its Python imports besides the project's own.
    :param short: its name in the bar, if it is no strategy's.
    """

    name: str
    title: str
    summary: str
    kind: str = ""
    packages: tuple[str, ...] = ()
    short: str = ""

    @property
    def module(self) -> str:
        """Name of the page's Python module, and of its strategy."""
        return self.name.replace("-", "_")


PAGES = (
    DemoPage("index", "Authenticated Matrix media, without a service worker", "What works in this browser."),
    DemoPage(
        "auto", "auto: what is best here", "For each media the best strategy that works, with its reason.", "strategy"
    ),
    DemoPage(
        "link", "link: short-lived links", "The homeserver mints links that go straight into the DOM.", "strategy"
    ),
    DemoPage(
        "delegated",
        "delegated: links that the page signs",
        "The page signs each link by itself, with a key that the homeserver gives it.",
        "strategy",
    ),
    DemoPage(
        "opfs",
        "opfs: a cache on disk",
        "Fetched once into the origin private file system, shown from there.",
        "strategy",
    ),
    DemoPage("blob", "blob: fetch and object URL", "Fetched with the header, shown from memory.", "strategy"),
    DemoPage(
        "redirect",
        "redirect: where the homeserver leads",
        "Addresses of the homeserver's storage, that its redirects lead to, go straight into the DOM.",
        "strategy",
    ),
    DemoPage("bundle", "bundle: many in one answer", "Small media together, cut apart as they arrive.", "strategy"),
    DemoPage(
        "service-worker", "service_worker: a worker adds the header", "What today's web clients ship.", "baseline"
    ),
    DemoPage("cookie", "cookie: the header becomes a cookie", "An endpoint sets it, elements send it.", "baseline"),
    DemoPage(
        "signed-query",
        "signed_query: a timed hash in the address",
        "The page proves its token to the server.",
        "baseline",
    ),
    DemoPage(
        "blocking",
        "blocking: urllib, and bytes in Python",
        "What a Python programmer writes first.",
        "baseline",
        ("pyodide_http",),
    ),
    DemoPage(
        "timeline",
        "A long room",
        "Thousands of messages, and what a loader does while you scroll through them.",
        short="Long room",
    ),
    DemoPage(
        "attic", "The attic", "One of each odd kind of media that people send, and what becomes of it.", short="Attic"
    ),
    DemoPage(
        "compare",
        "Every strategy, side by side",
        "Runs them all in this browser: who works, and at what cost.",
        short="Compare",
    ),
)
# Without Python and, but for a filter's address, without JavaScript.
STATIC_PAGES = (
    DemoPage(
        "evidence",
        "Evidence: what works where",
        "Which way to authenticated Matrix media works in which browser and window, and what each costs.",
    ),
    DemoPage("evidence-tests", "The tests behind the evidence", "Each test that the evidence names, with its source."),
)


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter for the browser: its npm package and the files of it that a page loads."""

    package: str
    main: str
    files: tuple[str, ...]
    script_type: str


INTERPRETERS = {
    "micropython": Interpreter(
        "@micropython/micropython-webassembly-pyscript",
        "micropython.mjs",
        ("micropython.mjs", "micropython.wasm"),
        "mpy",
    ),
    "pyodide": Interpreter(
        "pyodide",
        "pyodide.mjs",
        ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"),
        "py",
    ),
}


def build(out: Path, progress: Progress = lambda step: None, *, site_url: str = "") -> None:
    """Builds the whole site into a folder, after removing the files of an earlier build from it.

    :param progress: called with a short description of each step.
    :param site_url: where the site will be, with a slash at the end: pictures for link previews need whole addresses.
    :raises FileExistsError: if the folder holds something else.
    :raises DocumentationError: if the documentation has an error.
    """
    progress("documentation")
    documentation.generate()  # before anything is removed, since it may fail
    with output_folder.rebuilt(out):
        _write(out, progress, site_url)


def _write(out: Path, progress: Progress, site_url: str) -> None:
    """Writes all files of the site; for the parameters see `build`."""
    assets = out / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    progress("interpreters")
    core = _copy_pyscript(assets)
    runtime = {
        "core": f"{core}/core.js",
        "tar": _copy_folder(NODE_MODULES / "nanotar/dist", ["index.mjs"], assets, "nanotar") + "/index.mjs",
        "interpreters": {name: _copy_interpreter(entry, assets) for name, entry in INTERPRETERS.items()},
    }
    progress("pages")
    static = {source.name: _copy_hashed(source, assets) for source in sorted((WEB / "static").iterdir())}
    # A service worker's scope is its own folder, so it is at the top, under a name without a hash.
    for worker in sorted((WEB / "worker").iterdir()):
        shutil.copyfile(worker, out / worker.name)
    (out / "decryption-worker.js").write_text(decryption_worker(), encoding="utf-8")
    _render_pages(out, assets, runtime, static, core, site_url)
    # `build.py serve` answers this URL with the demonstration's account; on other hosts users sign in by the form.
    (out / "demo.json").write_text("{}\n", encoding="utf-8")
    documentation.build(out / "docs")
    progress("compressed twins")


def _render_pages(
    out: Path, assets: Path, runtime: dict[str, Any], static: dict[str, str], core: str, site_url: str
) -> None:
    """Writes every page's HTML and the archives of its Python.

    :param runtime: URLs of PyScript and the interpreters, for ``boot.js``.
    :param static: URLs of the static files by name.
    :param core: URL of the folder with PyScript's modules.
    :param site_url: where the site will be, with a slash at the end, or empty.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["integrity"] = _integrity
    scripts = [static["boot.js"], *(f"{core}/{path.name}" for path in sorted((out / core).iterdir()))]
    evidence = Evidence()
    evidence.write_downloads(out)
    modules = in_order(page.module for page in PAGES if page.kind)
    by_module = {page.module: page for page in PAGES}
    environment.globals.update(
        pages=sorted(PAGES, key=lambda page: modules.index(page.module) if page.kind else len(modules)),
        strategies=[by_module[name] for name in modules if by_module[name].kind == "strategy"],
        groups=GROUPS,
        when_to_use=WHEN_TO_USE,
        evidence=evidence,
        static=static,
        site_url=site_url,
    )
    for page in STATIC_PAGES:
        html = environment.get_template(f"{page.name}.html").render(page=page)
        (out / f"{page.name}.html").write_text(html, encoding="utf-8")
    for page in PAGES:
        own = {"module": f"pages.{page.module}", "archives": _copy_python(page, assets), "room": bool(page.kind)}
        boot = {**runtime, **own}
        html = environment.get_template(f"{page.name}.html").render(page=page, scripts=scripts, boot=boot)
        (out / f"{page.name}.html").write_text(html, encoding="utf-8")


def _copy_pyscript(assets: Path) -> str:
    """Copies the modules that PyScript's core imports statically, without editor and terminal; returns their folder."""
    dist = NODE_MODULES / "@pyscript/core/dist"
    wanted, found = ["core.js", _only(dist, "error-*.js")], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += re.findall(r'from\s*"\./([^"]+)"', (dist / name).read_text(encoding="utf-8"))
    return _copy_folder(dist, sorted(found), assets, "pyscript")


def _copy_interpreter(interpreter: Interpreter, assets: Path) -> dict[str, str]:
    source = NODE_MODULES / interpreter.package
    folder = _copy_folder(source, interpreter.files, assets, interpreter.main.split(".")[0])
    return {"type": interpreter.script_type, "url": f"{folder}/{interpreter.main}"}


def _copy_python(page: DemoPage, assets: Path) -> dict[str, str]:
    """Writes an archive of a page's modules for each interpreter; returns their URLs."""
    files = {path.relative_to(PYAPP).as_posix(): path for path in modules_of(PYAPP, f"pages.{page.module}")}
    if page.kind:  # a room is never shown by another page's baseline
        for other in PAGES:
            if other.kind == "baseline" and other != page:
                files.pop(f"authmedia/strategies/{other.module}.py", None)
    installed = {name: path for package in page.packages for name, path in installed_files(package).items()}
    # Installed packages run on CPython alone.
    archives = {
        "micropython": ("romfs.gz", pack_romfs(bytecode(files))),
        "pyodide": ("tar.gz", pack_tar(sources(files | installed))),
    }
    urls = {}
    for interpreter, (suffix, archive) in archives.items():
        name = f"{page.name}-{interpreter}.{_hash(archive)}.{suffix}"
        (assets / name).write_bytes(archive)
        urls[interpreter] = f"./assets/{name}"
    return urls


def _copy_hashed(source: Path, assets: Path) -> str:
    content = source.read_bytes()
    name = f"{source.stem}.{_hash(content)}{source.suffix}"
    (assets / name).write_bytes(content)
    return f"./assets/{name}"


def _copy_folder(source: Path, names: tuple[str, ...] | list[str], assets: Path, folder: str) -> str:
    """Copies files that refer to each other into a folder whose name contains the hash of them all."""
    contents = {name: (source / name).read_bytes() for name in names}
    # Source maps are not shipped, so no file may refer to one.
    contents = {name: re.sub(rb"\n//# sourceMappingURL=\S+\s*$", b"\n", content) for name, content in contents.items()}
    target = assets / f"{folder}.{_hash(b''.join(contents.values()))}"
    target.mkdir()
    for name, content in contents.items():
        (target / name).write_bytes(content)
    return f"./assets/{target.name}"


def _only(folder: Path, pattern: str) -> str:
    (found,) = folder.glob(pattern)
    return found.name


def _integrity(script: str) -> str:
    """Returns what names a script in a Content-Security-Policy. https://www.w3.org/TR/SRI/#integrity-metadata"""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
