"""WebKitGTK for the comparison: the driver is looked for when a browser is started."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.webkitgtk.service import Service

from tests.evidence.compare import webkit


class _Driver:
    def __init__(self, service: Service) -> None:
        self.path = service.path

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: None


def test_a_driver_installed_after_the_import_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver = tmp_path / "WebKitWebDriver"
    driver.write_text("#!/bin/sh\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    started: list[_Driver] = []

    def start(options: object, service: Service) -> _Driver:
        started.append(_Driver(service))
        return started[-1]

    monkeypatch.setattr(webdriver, "WebKitGTK", start)
    with webkit.webkit_tab("/usr/bin/browser", ":1"):
        pass
    assert [one.path for one in started] == [str(driver)]
