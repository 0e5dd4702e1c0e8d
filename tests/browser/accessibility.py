"""Checks a page by axe."""

from typing import Any

from playwright.sync_api import Page

from web.site import WEB

_AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
_IMPACTS = ("minor", "moderate", "serious", "critical")


def violations(page: Page, *impacts: str) -> list[Any]:
    """Returns axe's violations, by default of any impact."""
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    return [
        (violation["id"], node["html"], node["failureSummary"])
        for violation in found["violations"]
        if violation["impact"] in (impacts or _IMPACTS)
        for node in violation["nodes"]
    ]
