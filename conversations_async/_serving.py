"""How does a command run until it is told to end?"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


def listening(url: str) -> asyncio.Event:
    """Say where a command listens, and give what SIGINT or SIGTERM sets; a second one cancels this task."""
    stop, loop, serving = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if stop.is_set() and serving is not None:
            serving.cancel()
        stop.set()

    with suppress(NotImplementedError):  # Windows has none; there, Ctrl-C is a KeyboardInterrupt
        for number in signal.SIGINT, signal.SIGTERM:
            loop.add_signal_handler(number, end)
    # whoever starts it waits for this line
    print(f"listening on {url}", flush=True)  # noqa: T201  # rich would wrap it
    return stop
