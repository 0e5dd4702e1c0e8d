"""Names of a package that are imported when they are first used. https://peps.python.org/pep-0562/"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def lazy_getattr(package: str, modules: "dict[str, str]", namespace: "dict[str, Any]") -> "Callable[[str], Any]":
    """Returns the ``__getattr__`` of a package.

    :param modules: the module of each name.
    :param namespace: the package's ``globals()``, which keeps what was imported.
    """

    def getattr_of_package(name: str) -> "Any":
        if name in modules:
            value = namespace[name] = getattr(__import__(modules[name], None, None, (name,)), name)
            return value
        if sys.implementation.name == "micropython":
            # Called for submodules, too, which CPython finds by itself: `from authmedia import browser`.
            __import__(package + "." + name)
            return sys.modules[package + "." + name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return getattr_of_package
