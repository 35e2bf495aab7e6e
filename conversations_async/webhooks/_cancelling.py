"""Who cancelled: somebody this task, or something else what it waited for?"""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Say whether somebody wants the running task to end, other than a time-out of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def failure(error: BaseException) -> Exception:
    """Give the error to report, where something else was cancelled; where this task was, raise that."""
    if isinstance(error, Exception):
        return error
    if is_cancelled():
        raise error
    failed = RuntimeError("what it waited for was cancelled")
    failed.__cause__ = error
    return failed
