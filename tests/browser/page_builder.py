"""Pages that only tests have: the built site, with one page more whose Python is a test's own."""

import json
import re
import shutil
from pathlib import Path

from web.archive import pack, sources
from web.site import PYAPP

_PAGES = Path(__file__).parent / "pages"


def build_site_with_page(site: Path, out: Path, name: str, source: str = "") -> Path:
    """Copies a built site and adds a page to it, which has all of the Python that there is.

    :param name: the page's, without ``.html``.
    :param source: the module that it runs; that of its name beside this one, if none is given.
    """
    source = source or (_PAGES / f"{name}.py").read_text(encoding="utf-8")
    shutil.copytree(site, out)
    files = {path.relative_to(PYAPP).as_posix(): path for path in PYAPP.rglob("*.py")}
    own = out / f"{name}.py"
    own.write_text(source, encoding="utf-8")
    (out / "assets" / f"{name}.tar.gz").write_bytes(pack(sources({**files, own.name: own})))
    own.unlink()
    page = (out / "blob.html").read_text(encoding="utf-8")
    found = re.search(r'id="boot">(.*?)</script>', page)
    assert found
    boot = json.loads(found[1])
    boot.update(module=name, archives=dict.fromkeys(boot["archives"], f"./assets/{name}.tar.gz"))
    (out / f"{name}.html").write_text(page.replace(found[1], json.dumps(boot)), encoding="utf-8")
    return out
