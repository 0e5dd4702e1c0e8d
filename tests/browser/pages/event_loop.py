"""The test page ``event_loop``: what asyncio promises, while the clock is read as seldom as the library has it.

The report has what was measured, by name.
"""

import asyncio
import json

from pyscript import ffi, window

from authmedia.browser import create_task, document_element, now_ms


def block(milliseconds):
    """Keeps the page busy."""
    until_ms = now_ms() + milliseconds
    while now_ms() < until_ms:
        pass


async def sleep_after_another_blocked():
    """Returns for how long a task sleeps that was ready before another one kept the page busy."""
    slept = []

    async def sleep():
        started_ms = now_ms()
        await asyncio.sleep(0.05)
        slept.append(now_ms() - started_ms)

    async def block_first():
        block(100)

    await asyncio.gather(block_first(), sleep())
    return slept[0]


async def time_out_beside_busy_tasks():
    """Returns after how long a timeout ends two tasks that wake each other without a pause."""
    started_ms, events, timed_out = now_ms(), [asyncio.Event(), asyncio.Event()], []

    async def wake_the_other(own, other):
        while not timed_out and now_ms() - started_ms < 2000:
            other.set()
            own.clear()
            await own.wait()
        other.set()

    tasks = [create_task(wake_the_other(*pair)) for pair in (events, events[::-1])]
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.05)
    except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
        timed_out.append(now_ms() - started_ms)
    for event in events:
        event.set()
    for task in tasks:
        await task
    return timed_out[0]


async def order():
    """Returns the order in which tasks run: as they became ready, and what yields to the others is the last."""
    ran, event = [], asyncio.Event()

    async def run(name):
        ran.append(name)
        block(3)
        event.set()

    async def wait(name):
        await event.wait()
        ran.append(name)

    tasks = [create_task(wait("waiting 1")), create_task(wait("waiting 2"))]
    await asyncio.sleep(0)
    tasks += [create_task(run("new 1")), create_task(run("new 2"))]
    await asyncio.sleep(0)
    ran.append("yielded")
    await asyncio.gather(*tasks)
    return ran


async def cancel():
    """Returns which tasks were cancelled: one that waits, and one that sleeps."""
    cancelled = []

    async def wait():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("waits")

    async def sleep():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append("sleeps")

    tasks = [create_task(wait()), create_task(sleep())]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks)
    return cancelled


async def lock():
    """Returns the order in which tasks get a lock."""
    shared, got = asyncio.Lock(), []

    async def hold(name):
        async with shared:
            block(2)
            await asyncio.sleep(0)
            got.append(name)

    await asyncio.gather(*[hold(number) for number in range(4)])
    return got


async def sleep_beside_longer_sleep():
    """Returns for how long a task sleeps, while another one sleeps for longer, and the browser calls all the time."""
    longer = create_task(asyncio.wait_for(asyncio.Event().wait(), 60))
    await asyncio.sleep(0.01)
    woken, calls = asyncio.Event(), []

    def on_call(*_event):
        calls.append(1)
        woken.set()
        woken.clear()

    async def wait():
        while True:
            await woken.wait()

    waiting = create_task(wait())
    proxy = ffi.create_proxy(on_call)
    timer = window.setInterval(proxy, 1)
    started_ms = now_ms()
    await asyncio.sleep(0.1)
    slept_ms = now_ms() - started_ms
    window.clearInterval(timer)
    for task in (longer, waiting):
        task.cancel()
    return [slept_ms, len(calls)]


async def wake_after_idling():
    """Returns how late a task is woken by the browser, after half a second in which nothing ran."""
    event, called = asyncio.Event(), []

    def on_call():
        called.append(now_ms())
        event.set()

    window.setTimeout(ffi.create_proxy(on_call), 500)
    await event.wait()
    return now_ms() - called[0]


async def main():
    """Writes the report."""
    report = {}
    for measure in (
        sleep_after_another_blocked,
        time_out_beside_busy_tasks,
        order,
        cancel,
        lock,
        sleep_beside_longer_sleep,
        wake_after_idling,
    ):
        report[measure.__name__] = await measure()
    page = document_element()
    page.query("#report").text = json.dumps(report)
    page.set_attribute("data-state", "done")


create_task(main())
