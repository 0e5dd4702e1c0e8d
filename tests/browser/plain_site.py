"""Plain PyScript pages as applications have them: PyScript, interpreters and wheel in one folder, without `boot.js`."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.browser.response_headers import with_headers
from web import packages
from web.server import Server, site_application
from web.site import INTERPRETERS, NODE_MODULES

ROOT = Path(__file__).resolve().parents[2]
#: The types of PyScript's scripts, by the interpreter.
SCRIPT_TYPES = {name: interpreter.script_type for name, interpreter in INTERPRETERS.items()}


def make_folder(out: Path) -> Path:
    """Puts into a folder what `docs/installation.md` says; returns the wheel."""
    packages.build(out)
    dist = NODE_MODULES / "@pyscript/core/dist"
    shutil.copytree(dist, out / "pyscript", ignore=shutil.ignore_patterns("*.map"))
    for name, interpreter in INTERPRETERS.items():
        (out / name).mkdir()
        for file in interpreter.files:
            shutil.copyfile(NODE_MODULES / interpreter.package / file, out / name / file)
    (wheel,) = out.glob("authmedia-*.whl")
    return wheel


def write_page(
    path: Path, interpreter: str, scripts: list[str], *, config: str = "", body: str = "", head: str = ""
) -> None:
    """Writes a page.

    :param scripts: its Python.
    :param config: entries of PyScript's configuration besides the interpreter, as JSON.
    """
    kind = SCRIPT_TYPES[interpreter]
    main = f'"interpreter": "./{interpreter}/{INTERPRETERS[interpreter].main}"'
    written = "\n".join(f'<script type="{kind}">\n{script}\n</script>' for script in scripts)
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A plain page</title>
<link rel="icon" href="data:,">
{head}
<script type="module" src="./pyscript/core.js"></script>
</head>
<body>
{body}
<{kind}-config>{{{", ".join(filter(None, (main, config)))}}}</{kind}-config>
{written}
</body>
</html>
""",
        encoding="utf-8",
    )


def code_blocks(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language, without their indentation."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in block.splitlines(True)) for indent, block in found]


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Replaces texts, each of which has to occur."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


class PlainServer(Server):
    """Serves the files that are in a folder by now.

    :param headers: are added to each response.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(with_headers(site_application(folder, {}), headers or {}), 0)
