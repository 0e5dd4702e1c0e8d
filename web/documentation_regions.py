"""Makes what scrolls in the documentation reachable by keyboard: tables, in regions that have names, and code.

https://dequeuniversity.com/rules/axe/4.11/scrollable-region-focusable
"""

import re
from collections import Counter
from html import escape, unescape
from pathlib import Path

# Headings with an id, and tables of Markdown, which have no class and no other table within.
_PARTS = re.compile(
    r'<h[1-6] id="(?P<id>[^"]*)"(?P<reference> class="doc doc-heading")?>(?P<heading>.*?)</h[1-6]>|<table>.*?</table>',
    re.DOTALL,
)
_CODE = re.compile(r"(<pre[^>]*>(?:<span></span>)?<code)(?=[ >])")
_HEADERLINK = re.compile(r"<a [^>]*headerlink.*?</a>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def add_regions(folder: Path) -> None:
    """Puts each table of all pages into a region, and has code take focus."""
    for page in folder.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        page.write_text(with_regions(html), encoding="utf-8")


def with_regions(html: str) -> str:
    """Returns a page whose code takes focus, as do its tables, in regions.

    Each has the name of its heading, and a number if that has several.
    """
    heading = "Page"
    used: Counter[str] = Counter()

    def replaced(part: re.Match[str]) -> str:
        nonlocal heading
        if part["id"] is not None:
            heading = part["id"].rpartition(".")[2] if part["reference"] else _text(part["heading"])
            return part[0]
        used[heading] += 1
        name = f"{heading}, table {used[heading]}" if used[heading] > 1 else f"{heading}, table"
        return f'<div class="table-region" role="region" tabindex="0" aria-label="{escape(name)}">{part[0]}</div>'

    return _CODE.sub(r'\1 tabindex="0"', _PARTS.sub(replaced, html))


def _text(html: str) -> str:
    return " ".join(unescape(_TAG.sub("", _HEADERLINK.sub("", html))).split())
