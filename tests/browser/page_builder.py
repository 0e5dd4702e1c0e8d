"""Builds pages for tests: the site with an additional page that runs a test's own Python module."""

import json
import re
import shutil
from pathlib import Path

from web.python_archive import installed_files, pack_romfs, pack_tar, sources
from web.site import PYAPP

_PAGES = Path(__file__).parent / "pages"


def build_site_with_page(site: Path, out: Path, name: str, source: str = "", packages: tuple[str, ...] = ()) -> Path:
    """Copies a built site and adds a page whose archive contains all modules.

    :param name: name of the page, without ``.html``.
    :param source: source of the module that it runs; by default ``pages/NAME.py`` beside this module.
    :param packages: installed packages that it imports, too.
    """
    source = source or (_PAGES / f"{name}.py").read_text(encoding="utf-8")
    shutil.copytree(site, out)
    files = {path.relative_to(PYAPP).as_posix(): path for path in PYAPP.rglob("*.*") if path.suffix in (".py", ".js")}
    for package in packages:
        files |= installed_files(package)
    own = out / f"{name}.py"
    own.write_text(source, encoding="utf-8")
    modules = sources({**files, own.name: own})
    own.unlink()
    archives = {"micropython": f"./assets/{name}.romfs.gz", "pyodide": f"./assets/{name}.tar.gz"}
    (out / archives["micropython"]).write_bytes(pack_romfs(modules))
    (out / archives["pyodide"]).write_bytes(pack_tar(modules))
    page = (out / "blob.html").read_text(encoding="utf-8")
    found = re.search(r'id="boot">(.*?)</script>', page)
    assert found
    boot = json.loads(found[1])
    boot.update(module=name, archives=archives)
    (out / f"{name}.html").write_text(page.replace(found[1], json.dumps(boot)), encoding="utf-8")
    return out
