"""What stops a task at its n-th step: where it, or a task that it has started, begins to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

#: Told the number of a step, and what is waited for: a future, or None, which is the next turn of the loop.
OnStep = Callable[[int, asyncio.Future[Any] | None], None]

# a variable, because a task hands it on to those that it starts; servers in the same loop have none
_steps: ContextVar[Steps] = ContextVar("_steps")


class _Stepped(Coroutine[Any, Any, T]):
    """A coroutine that tells when it begins to wait, and by itself is as the one that it drives."""

    def __init__(self, driven: Coroutine[Any, Any, T], steps: Steps) -> None:
        self._driven = driven
        self._steps = steps

    def send(self, value: Any) -> Any:
        """Let it go on."""
        return self._waits(self._driven.send(value))

    def throw(self, *error: Any) -> Any:
        """Let it meet an exception."""
        return self._waits(self._driven.throw(*error))

    def close(self) -> None:
        """Let it end."""
        self._driven.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._driven.__await__()

    def _waits(self, future: Any) -> Any:
        self._steps.step(future)
        return future


class Steps:
    """Counts the steps of one task and of all that it starts.

    A step is counted just before the loop learns what is waited for. So to cancel a task there is to cancel
    it in the moment in which it begins to wait, and a callback of the future comes before the task's own.

    Args:
        on_step: Told the number of each step, from 1, and what is waited for there.
    """

    def __init__(self, on_step: OnStep) -> None:
        self.count = 0
        #: What was started.
        self.tasks = set[asyncio.Task[Any]]()
        self._on_step = on_step

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start the task."""
        context = copy_context()
        context.run(_steps.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def step(self, future: asyncio.Future[Any] | None) -> None:
        """Count one."""
        self.count += 1
        self._on_step(self.count, future)


@contextmanager
def counted() -> Iterator[None]:
    """Let tasks of the running loop be counted, if they are started by `Steps`, or by a task that was."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(_make)
    try:
        yield
    finally:
        loop.set_task_factory(before)


def _make(
    loop: asyncio.AbstractEventLoop, work: Any, *, context: Context | None = None, **options: Any
) -> asyncio.Task[Any]:
    steps = _steps.get(None) if context is None else context.get(_steps)
    task: asyncio.Task[Any]
    if steps is None:
        return asyncio.Task(work, loop=loop, context=context, **options)
    task = asyncio.Task(_Stepped(work, steps), loop=loop, context=context, **options)
    steps.tasks.add(task)
    return task
