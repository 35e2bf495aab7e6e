"""In what order are events handled, and how many at a time?

Events of one conversation wait in a lane, and are handled one after the other; lanes do not wait for each
other, except for one of the places at which something can be handled.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field, frozen

from ._cancelling import is_cancelled
from .events import Event, first_told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

log = logging.getLogger("conversations_async.webhooks")

#: What ends the program.
_ENDS: Final = (KeyboardInterrupt, SystemExit)
#: Seconds in which a handler that is cancelled at the end has to have ended.
_GRACE: Final = 1.0


@frozen(eq=False)
class Waiting:
    """An event that waits in a lane."""

    event: Event
    #: The time of the loop.
    since: float
    #: The token of the request that told of it.
    token: str | None = None
    #: Whether it came from the API by itself, and takes one of the places in the queue.
    arrived: bool = True


@define(eq=False)
class Lane:
    """What waits to be handled of one conversation, or of one user, in the order of arrival."""

    waiting: list[Waiting] = field(factory=list)
    #: Set whenever something is added.
    arrival: asyncio.Event = field(factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


#: Chooses what is next in a lane in which something waits; it stays there until it is handled.
Sequence: TypeAlias = "Callable[[Lane], Awaitable[Waiting]]"


async def first_come(lane: Lane) -> Waiting:
    """Choose what has waited for longest."""
    return lane.waiting[0]


class Background:
    """Handles events after they were acknowledged.

    Args:
        handle: Handles one, which the request with a token told of. What it raises is logged, and the event
            counts as handled.
        concurrency: How many are handled at a time.
        queue_size: How many wait or are handled.
        sequence: Chooses what is next in a lane.
    """

    def __init__(
        self,
        handle: Callable[[Event, str | None], Coroutine[Any, Any, None]],
        *,
        concurrency: int,
        queue_size: int,
        sequence: Sequence,
    ) -> None:
        self._handle = handle
        self._sequence = sequence
        self._turns = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(queue_size)
        self._lanes: dict[Hashable, Lane] = {}
        self._context = copy_context()
        self._is_open = True
        self._handling: set[asyncio.Task[Any]] = set()

    async def offer(self, event: Event, token: str | None = None, *, until: float) -> bool:
        """Take an event, or say that there is no room for it until a time of the loop."""
        if self._room.locked():
            try:
                async with asyncio.timeout_at(until):
                    await self._room.acquire()
            except TimeoutError:
                return False
        else:
            await self._room.acquire()
        if not self._is_open:
            self._room.release()
            return False
        key = _key(event)
        one = Waiting(event, asyncio.get_running_loop().time(), token)
        if (lane := self._lanes.get(key)) is None:
            lane = self._lanes[key] = Lane([one])
            lane.task = asyncio.create_task(self._work(key, lane))
        else:
            lane.waiting.append(one)
            lane.arrival.set()
        return True

    async def settled(self) -> None:
        """Wait until nothing waits or is handled."""
        while tasks := self._tasks:
            await asyncio.wait(tasks)

    @property
    def left(self) -> list[Event]:
        """What waits or is handled; after the end, what was not handled to its end."""
        return [one.event for lane in self._lanes.values() for one in lane.waiting]

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of the lanes that have not ended."""
        return [lane.task for lane in self._lanes.values() if lane.task and not lane.task.done()]

    async def drain(self, *, within: float) -> None:
        """Take nothing more, and handle what is left for some seconds.

        Then what is being handled is cancelled, and waited for until it has ended, but not for long; the same
        goes for whoever cancels this.
        """
        self._is_open = False
        # of those who wait for room, one is let in, is refused, and so lets in the next
        self._room.release()
        lanes = self._tasks
        try:
            if lanes:
                await asyncio.wait(lanes, timeout=within)
        finally:
            tasks = [*lanes, *self._handling]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_GRACE)

    async def _work(self, key: Hashable, lane: Lane) -> None:
        while lane.waiting:
            try:
                one = await self._sequence(lane)
            except Exception:
                log.exception("the order of webhooks is lost")
                one = lane.waiting[0]
            async with self._turns:
                await self._finish(one, lane)
        del self._lanes[key]

    async def _finish(self, one: Waiting, lane: Lane) -> None:
        """Handle an event in a task and a context of its own, which its handlers may do to what they like."""
        task = asyncio.create_task(self._handled(one), context=self._context.copy())
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)
        error: BaseException | None = None
        try:
            error = await task
        except GeneratorExit:
            raise  # the lane itself is thrown away
        except BaseException as raised:  # noqa: BLE001  # whatever it is, it is about one event
            error = raised
        if is_cancelled() or isinstance(error, _ENDS):
            if task.done() and not task.cancelled() and task.exception() is None:
                self._remove(one, lane)  # both ended at the same moment
            raise asyncio.CancelledError  # nothing more is to begin
        self._remove(one, lane)
        if task.cancelled():
            log.error("webhook %s failed: a handler cancelled itself", one.event.event_type)
        elif error is not None:
            log.error("webhook %s failed", one.event.event_type, exc_info=error)

    async def _handled(self, one: Waiting) -> GeneratorExit | None:
        """Handle an event, and give back the one error that would throw the lane itself away."""
        try:
            await self._handle(one.event, one.token)
        except GeneratorExit as error:
            return error
        return None

    def _remove(self, one: Waiting, lane: Lane) -> None:
        lane.waiting.remove(one)
        if one.arrived:
            self._room.release()


def _key(event: Event) -> Hashable:
    """Say what an event is about; what is about nothing known has a lane of its own."""
    key: Hashable = first_told(event, "conversation_sid", "user_sid")
    return key or object()
