"""The package `media_protocol`, which a server without Synapse can import."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import media_protocol

MODULES = [f"media_protocol.{info.name}" for info in pkgutil.iter_modules(media_protocol.__path__)]
# Imports modules by name and prints the top-level packages that are loaded then.
SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def loaded_packages(*modules: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after it has imported these modules."""
    command = [sys.executable, "-c", SCRIPT, *modules]
    environment = {"PYTHONPATH": str(Path(media_protocol.__path__[0]).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_media_protocol_imports_no_server() -> None:
    assert len(MODULES) >= 3
    loaded = loaded_packages(*MODULES)
    assert "media_protocol" in loaded
    assert not loaded & {"synapse", "twisted", "media_links"}


def test_media_links_imports_synapse() -> None:
    """Otherwise the test above could not fail."""
    assert {"synapse", "twisted", "media_protocol"} <= loaded_packages("media_links")
