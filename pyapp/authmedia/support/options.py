"""Checks of the options that an application gives: a wrong one is named, with what is allowed."""

from authmedia import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_LOADER_OPTIONS = ("limits", "retry", "hooks", "persist")
_BIND_OPTIONS = ("on_change", "on_state_change", "keyring", "near_px", "css_pixels", "shadow_roots") + (
    "placeholder",
    "failure_view",
    "messages",
    "cache",
    "policy",
)


def check_loader_options(
    limits: object, retry: object, hooks: object, persist: object, unknown: "dict[str, Any]"
) -> None:
    """Raises an error for an option of `open_loader` that is wrong or unknown."""
    reject_unknown("open_loader", unknown, _LOADER_OPTIONS)
    require_kind("open_loader", "limits", limits, "Limits")
    require_kind("open_loader", "retry", retry, "RetryPolicy")
    require_kind("open_loader", "hooks", hooks, "RequestHooks")
    require(isinstance(persist, bool), "open_loader", "persist", persist, "True or False")


def check_bind_options(near_px: object, unknown: "dict[str, Any]") -> None:
    """Raises an error for an option of `bind` that is wrong or unknown, but those of `ElementOptions`."""
    reject_unknown("bind", unknown, _BIND_OPTIONS)
    require(near_px is None or is_whole(near_px, 0), "bind", "near_px", near_px, "None, or a whole number from 0")


def reject_unknown(owner: str, unknown: "dict[str, Any]", allowed: "tuple[str, ...]") -> None:
    """Raises an error for keyword arguments that are no options.

    :param owner: the function or class that was called.
    :raises TypeError: if there is one.
    """
    for name in unknown:
        raise TypeError(f"{owner} has no option {name!r}; its options are: {', '.join(allowed)}")


def require(condition: bool, owner: str, name: str, value: object, allowed: str) -> None:
    """Raises an error unless the value of an option is allowed.

    :param allowed: what is allowed, such as "a whole number, at least 1".
    :raises ValueError: if it is not.
    """
    if not condition:
        raise ValueError(f"{owner}: {name} is {value!r}; it must be {allowed}")


def require_kind(owner: str, name: str, value: "Any", kind: str) -> None:
    """Raises an error unless the value of an option is an object for it, or ``None``.

    :param kind: the name of the class, whose ``OPTION`` names the option: this module imports none of them.
    :raises ValueError: if it is not.
    """
    require(value is None or getattr(value, "OPTION", "") == name, owner, name, value, f"a {kind} or None")


def is_whole(value: object, minimum: int) -> bool:
    """Returns whether a value is a whole number, and not less than a minimum."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def error_class(owner: str, name: "str | type[errors.AuthMediaError]") -> "type[errors.AuthMediaError]":
    """Returns a class of `authmedia.errors` by its name, or the class itself.

    :raises ValueError: if there is none of that name.
    """
    found: Any = getattr(errors, name, None) if isinstance(name, str) else name
    if _is_error_class(found):
        known: type[errors.AuthMediaError] = found
        return known
    names = [other for other in dir(errors) if _is_error_class(getattr(errors, other))]
    raise ValueError(f"{owner}: {name!r} is no error of this library; there are: {', '.join(sorted(names))}")


def _is_error_class(value: "Any") -> bool:
    return isinstance(value, type) and issubclass(value, errors.AuthMediaError)
