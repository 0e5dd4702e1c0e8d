"""Writes the folder ``authmedia-js``: the library for pages in JavaScript, with the interpreter that runs it.

The folder needs nothing from elsewhere: no build step, no other host, no file beside it.
"""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

from web.python_archive import bytecode, pack_romfs
from web.site import INTERPRETERS, NODE_MODULES, PYAPP, WEB
from web.worker_scripts import decryption_worker

_SOURCES = WEB / "javascript"
# The Python side of `authmedia.js`.
_OWN = "javascript_*.py"
# What MicroPython's module keeps in the global object, where a second MicroPython, or a script compiled by Emscripten,
# overwrites it.
_GLOBALS = (
    "proxy_js_existing",
    "proxy_js_map",
    "proxy_js_ref",
    "proxy_js_ref_map",
    "proxy_js_ref_next",
    "pyProxyFinalizationRegistry",
)
# For comparison alone, and with needs that the folder does not meet: see `strategies.BASELINES`. And what signs a user
# in, which is the application's own matter there.
_LEFT_OUT = {f"authmedia/strategies/{name}.py" for name in ("blocking", "cookie", "service_worker", "signed_query")} | {
    "authmedia/matrix/oauth.py"
}
#: The files that a page downloads; `file-writer.js` and `decryption-worker.js` only where something needs them.
DOWNLOADS = ("authmedia.js", "micropython.mjs", "micropython.wasm", "library.romfs.gz", "primitives.js")


def write(out: Path) -> None:
    """Writes the folder, in place of what is in it; equal sources give equal bytes.

    :raises ValueError: if the interpreter's module is not as `isolated` expects it.
    """
    interpreter = NODE_MODULES / INTERPRETERS["micropython"].package
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in sorted(_SOURCES.iterdir()):
        shutil.copyfile(path, out / path.name)
    shutil.copyfile(WEB.parent / "LICENSE", out / "LICENSE")
    for name in ("file-writer.js", "primitives.js"):
        shutil.copyfile(PYAPP / "authmedia/browser" / name, out / name)
    (out / "decryption-worker.js").write_text(decryption_worker(), encoding="utf-8")
    shutil.copyfile(interpreter / "micropython.wasm", out / "micropython.wasm")
    source = (interpreter / "micropython.mjs").read_text(encoding="utf-8")
    (out / "micropython.mjs").write_text(isolated(source), encoding="utf-8")
    (out / "library.romfs.gz").write_bytes(_library())
    package = json.dumps(_package(interpreter), indent=2, ensure_ascii=False)
    (out / "package.json").write_text(package + "\n", encoding="utf-8")


def isolated(source: str) -> str:
    """Returns MicroPython's module with its state in itself rather than in the page's global object.

    Without it, two of them in one page, this one and PyScript's, read each other's memory: ``memory access out of
    bounds``. Its clock becomes the monotonic one: with ``Date.now``, what waits while the user sets the clock back
    waits as much longer.

    :raises ValueError: if it does not hold the expected statements.
    """
    for name in _GLOBALS:
        source = _replaced(source, rf"globalThis\.{name}\b", name)
    source = _replaced(source, r"globalThis\.Module=Module\b", "setModule(Module)")
    source = _replaced(source, r"globalThis\.loadMicroPython=loadMicroPython\b", "0")
    source = _replaced(
        source, r"mp_js_ticks_ms:\(\)=>Date\.now\(\)-MP_JS_EPOCH\b", "mp_js_ticks_ms:()=>performance.now()"
    )
    header = f"let Module,{','.join(_GLOBALS)};const setModule=(module)=>{{Module=module}};\n"
    return (
        "// MicroPython, MIT licence, https://micropython.org/; its state was moved out of globalThis.\n"
        + header
        + source
    )


def _replaced(source: str, pattern: str, replacement: str) -> str:
    source, count = re.subn(pattern, replacement, source)
    if not count:
        raise ValueError(f"MicroPython's module has no {pattern} any more: adapt web/javascript_package.py")
    return source


def _library() -> bytes:
    """Returns the image of all modules: an application's elements and options decide which of them it imports.

    Without line numbers, since pages in JavaScript get errors in words, and rarely a traceback.
    """
    library = [path.relative_to(PYAPP).as_posix() for path in sorted((PYAPP / "authmedia").rglob("*.py"))]
    own = [path.name for path in sorted(PYAPP.glob(_OWN))]
    names = [*own, *(name for name in library if name not in _LEFT_OUT)]
    return pack_romfs(bytecode({name: PYAPP / name for name in names}, line_numbers=False))


def _package(interpreter: Path) -> dict[str, Any]:
    """Returns the content of ``package.json``; name and version are the project's."""
    project = tomllib.loads((WEB.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    micropython = json.loads((interpreter / "package.json").read_text(encoding="utf-8"))
    return {
        "name": "authmedia-js",
        "version": project["version"],
        "description": "Authenticated Matrix media in a browser, without a service worker.",
        "license": f"{project['license']} AND {micropython['license']}",
        "type": "module",
        "exports": {
            ".": {"types": "./authmedia.d.ts", "default": "./authmedia.js"},
            "./*": "./*",
        },
        "types": "./authmedia.d.ts",
        "sideEffects": False,
        "micropython": micropython["version"],
    }
