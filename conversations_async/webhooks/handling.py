"""What do the handlers say to an event? They are called one after the other; what fails is reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from ._cancelling import failure, is_cancelled
from .answers import Accept, Answer, Modify, ModifyConversation, Reject, allowed, changed, merged
from .events import Event, PreActionEvent
from .registration import ANSWERS, Handler, Middleware, Next

if TYPE_CHECKING:
    from ..client import ConversationsClient

log = logging.getLogger("conversations_async.webhooks")

#: Is told what went wrong, with which event.
OnError: TypeAlias = Callable[[Exception, Event], None]


@define
class _Question:
    """An event on its way through the handlers: as it is now, and what was said to it until now."""

    event: Event
    answer: Answer = field(factory=Accept)
    #: The name of the handler that has it now.
    at: str = ""

    def take(self, answer: Answer) -> None:
        """Take what a handler says, after what others have said."""
        if isinstance(answer, Modify | ModifyConversation):
            self.event = changed(self.event, answer)
            self.answer = merged(self.answer, answer)
        elif isinstance(answer, Reject):
            self.answer = answer


@frozen(eq=False)
class Handlers:
    """The handlers, in the order in which they were registered, and what stands around each.

    Args:
        fallback: What a handler of what is about to happen says by failing.
        on_error: Is told of what fails; None writes it to the log.
    """

    fallback: Accept | Reject
    _on_error: OnError | None
    handlers: list[Handler] = field(init=False, factory=list)
    #: The outermost first.
    middleware: list[Middleware] = field(init=False, factory=list)
    #: What is asked just now, or was too slow to answer and has not ended: the loop itself would forget it.
    _asked: set[asyncio.Task[None]] = field(init=False, factory=set)

    async def ask(
        self, event: PreActionEvent, client: ConversationsClient | None, *, within: float
    ) -> Answer:
        """Give the answer to what is about to happen, after some seconds at most."""
        question = _Question(event)
        call = partial(self._isolated, fallback=self.fallback, within=None)
        task = asyncio.create_task(self._each(question, client, call))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        try:
            await asyncio.wait([task], timeout=within)
            if task.done() and not task.cancelled():
                task.result()  # raises what no handler should, such as SystemExit
            else:
                question.take(self.fallback)
                late = TimeoutError("there was no answer in time (answer_within): the fallback counts")
                self._failed(late, question.at, event)
            # a handler that does not mind being cancelled keeps nobody waiting
            return question.answer
        finally:
            task.cancel()

    async def drain(self, *, within: float) -> None:
        """Wait for those that are asked, and cancel them after some seconds."""
        try:
            if self._asked:
                await asyncio.wait(self._asked, timeout=within)
        finally:
            for task in tuple(self._asked):
                task.cancel()
            await asyncio.sleep(0)  # so that they hear of it

    def has(self, event: Event) -> bool:
        """Say whether there is a handler for events of this kind."""
        return any(isinstance(event, handler.events) for handler in self.handlers)

    async def handle(self, event: Event, client: ConversationsClient | None, *, within: float | None) -> None:
        """Let the handlers deal with what has happened, each for some seconds at most."""
        await self._each(_Question(event), client, partial(self._isolated, fallback=None, within=within))

    async def dispatch(self, event: Event, client: ConversationsClient | None) -> Answer:
        """Give the answer; what a handler raises, this raises."""
        question = _Question(event)
        await self._each(question, client, self._call)
        return question.answer

    def report(self, error: Exception, event: Event) -> None:
        """Tell of what went wrong."""
        if self._on_error is not None:
            try:
                self._on_error(error, event)
            except Exception:
                log.exception("on_error failed")
            else:
                return
        log.error("webhook %s failed", _named(event), exc_info=error)

    def _failed(self, error: Exception, name: str, event: Event) -> None:
        with suppress(Exception):  # an error may refuse notes, as one that is frozen does
            error.add_note(f"in {name}, a handler of {event.event_type}")
        self.report(error, event)

    async def _each(
        self,
        question: _Question,
        client: ConversationsClient | None,
        call: Callable[[Handler, Event, ConversationsClient | None], Awaitable[Answer | None]],
    ) -> None:
        for handler in self.handlers:
            question.at = handler.name
            question.take(await call(handler, question.event, client) or Accept())
            if isinstance(question.answer, Reject):
                break

    async def _isolated(
        self,
        handler: Handler,
        event: Event,
        client: ConversationsClient | None,
        *,
        fallback: Answer | None,
        within: float | None,
    ) -> Answer | None:
        answer: Answer | None = None
        error: Exception | None = None
        limit = asyncio.timeout(within)
        try:
            async with limit:
                answer = await self._call(handler, event, client)
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  # a handler may raise anything
            error = failure(raised)
        if limit.expired():
            late = TimeoutError(f"it took longer than {within:g} s")
            late.__cause__, error = error, late
        if error is not None:
            self._failed(error, handler.name, event)
        if is_cancelled():
            # the handler may have kept that to itself; whoever comes after it is not to be called
            raise asyncio.CancelledError
        return answer if error is None else fallback

    async def _call(
        self, handler: Handler, event: Event, client: ConversationsClient | None
    ) -> Answer | None:
        if not handler.is_for(event):
            return None
        call: Next = partial(handler, client=client)
        for middleware in reversed(self.middleware):
            call = _around(middleware, call)
        answer = await call(event)
        takes = allowed(type(event))
        if isinstance(answer, takes):
            return answer
        # what has happened takes no answer; a handler of it may give whatever it likes but one
        if answer is not None and (takes or isinstance(answer, ANSWERS)):
            raise TypeError(f"{event.event_type} does not take the answer {type(answer).__name__}")
        return None


def _named(event: Event) -> str:
    """Name an event by what it is, and the SIDs of what it is about."""
    sids = (getattr(event, name, None) for name in ("conversation_sid", "message_sid", "user_sid"))
    return " ".join([event.event_type, *filter(None, sids)])


def _around(middleware: Middleware, call: Next) -> Next:
    return lambda event: middleware(event, call)
