"""Measures the longest task of a page's main thread with Chromium's tracing."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import CDPSession, Page

_CATEGORIES = ["toplevel", "__metadata"]
_TASK = "ThreadControllerImpl::RunTask"
_MAIN_THREAD = "CrRendererMain"


def longest_task_ms(page: Page, action: Callable[[], None]) -> float:
    """Performs an action; returns the CPU time of the longest main-thread task during it, in milliseconds.

    Unlike the wall-clock durations of the Long Tasks API (https://www.w3.org/TR/longtasks-1/), CPU time does not grow
    with the load of the machine.
    """
    session = page.context.new_cdp_session(page)
    done: list[dict[str, Any]] = []
    session.on("Tracing.tracingComplete", lambda told: done.append(told))
    session.send(
        "Tracing.start", {"transferMode": "ReturnAsStream", "traceConfig": {"includedCategories": _CATEGORIES}}
    )
    action()
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(10)
    events = json.loads(_read(session, done[0]["stream"]))["traceEvents"]
    session.detach()
    return max((event.get("tdur", 0) / 1000 for event in _tasks(events)), default=0.0)


def _tasks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == _MAIN_THREAD
    }
    return [event for event in events if event["name"] == _TASK and (event["pid"], event["tid"]) in threads]


def _read(session: CDPSession, stream: str) -> str:
    parts = []
    while True:
        piece = session.send("IO.read", {"handle": stream})
        parts.append(piece["data"])
        if piece["eof"]:
            return "".join(parts)
