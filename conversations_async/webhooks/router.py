"""How does a request get to the handlers of its event, and what is answered?"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar, Unpack, overload

from attrs import define

from .._checks import check_seconds, check_whole
from .._sealing import Sealed, sealed
from ..client import ConversationsClient
from ._cancelling import failure
from .answers import Accept, Answer, ConversationAnswer, MessageAnswer, Reject, Verdict, replaced
from .background import Background, first_come
from .deduplication import Deduplicator, MemoryDeduplicator
from .events import (
    ConversationAdd,
    ConversationUpdate,
    Event,
    MessageAdd,
    MessageUpdate,
    PreActionEvent,
)
from .handling import Handlers, OnError
from .reception import Incoming, Reception, Refused, Reply
from .registration import Filter, Middleware, Where, is_async, names, register
from .repair import ByIndex, Repair
from .signature import SignatureValidator

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp import web

    from .asgi_adapter import ASGIApp

log = logging.getLogger("conversations_async.webhooks")

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
M = TypeVar("M", bound=MessageAdd | MessageUpdate)
C = TypeVar("C", bound=ConversationAdd | ConversationUpdate)
P = TypeVar("P", bound=PreActionEvent)
E = TypeVar("E", bound=Event)
A = TypeVar("A")

#: What the API waits for an answer, in seconds.
_PATIENCE: Final = 5.0
#: More than the API's largest: 32 KB of text and some of attributes, each byte as three characters.
_MAX_BODY_SIZE: Final = 1 << 18
#: How long a deduplicator is waited for, in seconds.
_CLAIM_WITHIN: Final = 1.0
#: The API sends a UUID. What is longer is none, and not kept.
_LONGEST_TOKEN: Final = 100


class Registers(Protocol[E, A]):
    """A decorator of the coroutine functions that take an event, and the client if they want it."""

    @overload
    def __call__(
        self, handler: Callable[[E], Coroutine[Any, Any, A]], /
    ) -> Callable[[E], Coroutine[Any, Any, A]]: ...

    @overload
    def __call__(
        self, handler: Callable[[E, ConversationsClient], Coroutine[Any, Any, A]], /
    ) -> Callable[[E, ConversationsClient], Coroutine[Any, Any, A]]: ...


@define(kw_only=True, eq=False)
class _Running:
    """What a router has while it runs."""

    client: ConversationsClient | None
    background: Background
    is_ending: bool = False


class Router(Sealed):
    """Takes webhooks, checks and decodes them, and gives them to the handlers that were registered.

    ::

        router = Router(auth_token, client=ConversationsClient.from_env)

        @router.on(MessageAdded, when=lambda message: message.author != "bot")
        async def answer(event: MessageAdded, client: ConversationsClient) -> None:
            await client.messages(event.conversation_sid).create(author="bot", body="Ahoy!")

        web.run_app(router.aiohttp_app("/webhooks"))

    Whoever serves it in another way enters it for the time that it runs: ``async with router: …``. At any
    other time, what has happened is answered with 503, and what is about to happen with the ``fallback``.

    **What is about to happen** (``PreActionEvent``) waits for its handlers, one after the other: each sees
    what those before it replaced, and the first ``Reject`` ends it. The API repeats requests, so that a
    handler may be asked the same again: it should do nothing but answer.

    **What has happened** (all other events) is acknowledged at once and handled in the background: the events
    of a conversation one after the other as they arrive, those of different conversations at the same time.
    It is handled once, however often it is told. What fails is reported, and not tried again; what is lost
    with the process is lost.

    Args:
        auth_tokens: The account's auth token; during a rotation both of them. At least one.
        client: For the handlers that take one, and for ``repair``: a client, which is borrowed, or a function
            that makes one, such as ``ConversationsClient.from_env``. That one is made when the router is
            started, and closed after the last handler.
        public_url: The address that the API calls, as it is configured there. Needed where a proxy changes
            it: the address is signed. Without a path, only scheme and host are taken from it.
        trusted_proxies: Addresses or networks (``10.0.0.0/8``) of proxies whose ``X-Forwarded-…``
            headers say what was called. Without, nobody's do.
        answer_within: Seconds in which a request is answered: below the 5 s that the API waits.
        fallback: The answer to what is about to happen where a handler raised, or all together took longer
            than ``answer_within``, or there is one and the router is not running. What others had replaced
            until then is replaced.
        handle_within: Seconds that one handler of what has happened may take; then it is cancelled, and that
            reported. None sets no bound: one that hangs holds up its conversation until the end.
        concurrency: How many events are handled at a time.
        queue_size: How many may wait or be handled, besides what ``repair`` reads. Requests beyond that wait
            for ``answer_within``, and are then answered with 503, which the API repeats only where its URL
            says so (``#rc=3&rp=5xx``).
        drain: Seconds for which the end waits for what is left. Then handlers are cancelled, which may take
            them another second, and a warning says how many events were dropped.
        deduplicator: What remembers the events whose turn has come, and is asked for a second at most; by
            default a ``MemoryDeduplicator``.
        repair: Whether, and how, missing messages are read and handled as ``MessageAdded``, in the order of
            their indexes.
        max_body_size: The largest body of a request that is read, in bytes.
        on_error: Called with what went wrong and the event, instead of an error in the log; not async. Where
            it raises, both errors are logged.

    Raises:
        ValueError: An argument is wrong; the message names it and shows no secret.
    """

    def __init__(
        self,
        *auth_tokens: str,
        client: ConversationsClient | Callable[[], ConversationsClient] | None = None,
        public_url: str | None = None,
        trusted_proxies: Collection[str] = (),
        answer_within: float = 4.0,
        fallback: Accept | Reject = Accept(),  # noqa: B008  # a value
        handle_within: float | None = 60.0,
        concurrency: int = 100,
        queue_size: int = 10_000,
        drain: float = 10.0,
        deduplicator: Deduplicator | None = None,
        repair: Repair | None = None,
        max_body_size: int = _MAX_BODY_SIZE,
        on_error: OnError | None = None,
    ) -> None:
        check_seconds("answer_within", answer_within)
        if answer_within >= _PATIENCE:
            raise ValueError(
                f"answer_within must be below the {_PATIENCE:g} s that the API waits, got {answer_within}"
            )
        if handle_within is not None:
            check_seconds("handle_within", handle_within)
        if not isinstance(fallback, Accept | Reject):
            raise ValueError("fallback must be Accept() or Reject()")  # noqa: TRY004  # the contract
        check_whole("concurrency", concurrency, 1)
        check_whole("queue_size", queue_size, 1)
        check_seconds("drain", drain, above_zero=False)
        if not (client is None or isinstance(client, ConversationsClient) or _is_function(client)):
            raise ValueError("client must be a ConversationsClient, or a function that makes one")
        if deduplicator is not None and not is_async(getattr(deduplicator, "claim", None)):
            raise ValueError("deduplicator must have the coroutine function claim")
        if repair is not None and not isinstance(repair, Repair):
            raise ValueError("repair must be a Repair")
        if repair is not None and client is None:
            raise ValueError("repair needs a client, to read what is missing")
        if not (on_error is None or _is_function(on_error)):
            raise ValueError("on_error must be a function of an error and an event, and not async")
        self._reception = Reception(
            SignatureValidator(*auth_tokens),
            public_url=public_url,
            trusted_proxies=trusted_proxies,
            max_body_size=max_body_size,
        )
        self._given_client = client
        self._answer_within = answer_within
        self._handle_within = handle_within
        self._concurrency = concurrency
        self._queue_size = queue_size
        self._drain = drain
        self._deduplicator = MemoryDeduplicator() if deduplicator is None else deduplicator
        self._repair = repair
        self._handlers = Handlers(fallback, on_error)
        self._running: _Running | None = None
        self._stack = AsyncExitStack()

    # ------------------------------------------------------------------------------------------ registration

    @overload
    def on(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # special first
        self, event: type[M], /, **where: Unpack[Where[M]]
    ) -> Registers[M, MessageAnswer]: ...

    @overload
    def on(  # type: ignore[overload-overlap]  # special first
        self, event: type[C], /, **where: Unpack[Where[C]]
    ) -> Registers[C, ConversationAnswer]: ...

    @overload
    def on(  # type: ignore[overload-overlap]  # special first
        self, event: type[P], /, **where: Unpack[Where[P]]
    ) -> Registers[P, Verdict]: ...

    @overload
    def on(self, event: type[E], /, **where: Unpack[Where[E]]) -> Registers[E, None]: ...

    @overload
    def on(self, /, **where: Unpack[Where[Any]]) -> Callable[[F], F]: ...

    def on(
        self,
        event: type[Event] | None = None,
        /,
        *,
        author: str | Collection[str] | None = None,
        participant: str | Collection[str] | None = None,
        when: Callable[[Any], object] | None = None,
    ) -> Any:
        """Register a handler: a coroutine function that takes an event, and the client if it wants it.

        Handlers are called in the order in which they were registered, each for itself: one that raises keeps
        none of the others from being called.

        Args:
            event: The class of the events that it is for, or a base of several, such as ``PostActionEvent``.
                Without, the annotation of the handler's first parameter says so; there it may be a union.
            author: The author, or several, whose messages it is for.
            participant: The SID of the participant (``MB…``), or several, that it is for.
            when: Says whether it is for an event; called in the event loop, so it must be quick, and not
                async.

        Raises:
            TypeError: The handler does not fit: it is no coroutine function, takes another event or answers
                what the event does not allow, or wants a client that the router has not got; or the events
                have no author, or no participant.
            ValueError: A filter is none.
        """
        if event is not None and not (isinstance(event, type) and issubclass(event, Event)):
            raise TypeError("write @router.on(MessageAdded) or, where annotations say it, @router.on()")
        if not (when is None or _is_function(when)):
            raise ValueError("when must be a function of an event, and not async")
        wanted = Filter(
            author=names("author", author),
            participant=names("participant", participant, begins="MB"),
            when=when,
        )

        @sealed
        def decorate(function: F) -> F:
            handler = register(function, event, wanted)
            if handler.takes_client and self._given_client is None:
                raise TypeError(
                    f"{handler.name} takes a client, and the router has none: Router(…, client=…)"
                )
            self._handlers.handlers.append(handler)
            return function

        return decorate

    def middleware(self, function: Middleware) -> Middleware:
        """Register what stands around every call of a handler.

        ::

            @router.middleware
            async def timed(event: Event, call_next: Next) -> object:
                with timer(event.event_type):
                    return await call_next(event)

        It sees what the handler raises, and gives the answer: to give none is to accept. The first that was
        registered is the outermost.

        Raises:
            TypeError: It is no coroutine function.
        """
        if not is_async(function):
            raise TypeError("a middleware must be a coroutine function: async def (event, call_next)")
        self._handlers.middleware.append(function)
        return function

    # --------------------------------------------------------------------------------------------- running

    async def __aenter__(self) -> Self:
        """Start to handle events, in the running loop.

        Raises:
            RuntimeError: It runs already, or has not ended yet.
            Exception: What the function raises that makes the client.
        """
        if self._running is not None:
            raise RuntimeError(
                "the router runs already: enter it once, and let applications share its handler"
            )
        async with AsyncExitStack() as stack:
            client = self._given_client
            if client is not None and not isinstance(client, ConversationsClient):
                client = await stack.enter_async_context(client())
            sequence = (
                ByIndex(self._repair, client, self._handlers.report).next
                if self._repair is not None and client is not None
                else first_come
            )
            background = Background(
                partial(self._handle, client=client),
                concurrency=self._concurrency,
                queue_size=self._queue_size,
                sequence=sequence,
            )
            self._running = _Running(client=client, background=background)
            stack.push_async_callback(self._end, self._running)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take nothing more, and handle what is left, for as long as ``drain`` says."""
        await self._stack.aclose()

    async def _end(self, running: _Running) -> None:
        running.is_ending = True
        try:
            async with asyncio.TaskGroup() as ending:
                ending.create_task(running.background.drain(within=self._drain))
                ending.create_task(self._handlers.drain(within=self._drain))
        finally:
            self._running = None
            if dropped := running.background.left:
                log.warning("events dropped, as the router has ended: %d", len(dropped))

    async def settled(self, *, within: float = 10.0) -> None:
        """Wait until all that was acknowledged has been handled; for tests.

        Raises:
            TimeoutError: That took longer than ``within`` seconds.
            ValueError: ``within`` is no number of seconds.
        """
        check_seconds("within", within)
        if (running := self._running) is None:
            return
        try:
            async with asyncio.timeout(within):
                await running.background.settled()
        except TimeoutError:
            left = len(running.background.left)
            raise TimeoutError(f"events that are still to be handled after {within:g} s: {left}") from None

    # --------------------------------------------------------------------------------------------- requests

    async def receive(self, incoming: Incoming) -> Reply:
        """Answer one HTTP request, whatever it holds; for adapters to web frameworks."""
        until = asyncio.get_running_loop().time() + self._answer_within
        try:
            async with asyncio.timeout_at(until):
                event, token = await self._reception.read(incoming)
        except (Refused, TimeoutError) as error:
            refusal = error if isinstance(error, Refused) else Refused(408, "it took too long to arrive")
            log.debug(
                "webhook %.20r was refused with %d: %s", incoming.method, refusal.status, refusal.reason
            )
            return refusal.reply()
        running = self._running
        if running is None or running.is_ending:
            if running is None:
                log.error("a webhook found that the router does not run; enter it: async with router")
            if isinstance(event, PreActionEvent):
                return _to_reply(self._handlers.fallback if self._handlers.has(event) else Accept())
            return _later(event, "the router is not running")
        if isinstance(event, PreActionEvent):
            left = until - asyncio.get_running_loop().time()
            return _to_reply(await self._handlers.ask(event, running.client, within=left))
        if await running.background.offer(event, token, until=until):
            return Reply(status=200)
        return _later(event, "the router is not running" if running.is_ending else "too much is waiting")

    async def dispatch(self, event: Event) -> Answer:
        """Give an event to its handlers, wait for them, and give their answer; for tests of handlers.

        Nothing is isolated, remembered or bounded here: what a handler raises, this raises. To what has
        happened there is nothing to answer, and ``Accept()`` is given.

        Raises:
            RuntimeError: A handler of the event takes a client, which is made when the router is started, and
                it is not.
        """
        given = self._given_client if self._running is None else self._running.client
        return await self._handlers.dispatch(event, given if isinstance(given, ConversationsClient) else None)

    async def aiohttp_handler(self, request: web.Request) -> web.Response:
        """Answer a request of an aiohttp application, whose life the router must be entered for.

        ::

            app.router.add_route("*", "/webhooks", router.aiohttp_handler)
        """
        from .aiohttp_adapter import handler  # noqa: PLC0415  # a program needs one adapter, not both

        return await handler(self.receive)(request)

    def aiohttp_app(self, path: str = "/") -> web.Application:
        """Make an aiohttp application that answers at one path, and runs the router as long as it runs."""
        from .aiohttp_adapter import app  # noqa: PLC0415  # likewise

        return app(path, self.receive, lambda: self)

    def asgi_app(self, path: str | None = None) -> ASGIApp:
        """Make an ASGI application, for a server of its own or to be mounted.

        With a server of its own it runs the router. A framework that it is mounted in tells it nothing of
        the beginning and the end: there, the framework's own lifespan must enter the router.

        Args:
            path: The only path that is not answered with 404. None: every path.
        """
        from .asgi_adapter import ASGIApp  # noqa: PLC0415  # likewise

        return ASGIApp(self.receive, lambda: self, path)

    # ----------------------------------------------------------------------------------------------- memory

    async def _handle(self, event: Event, token: str | None, *, client: ConversationsClient | None) -> None:
        """Let the handlers deal with what has happened, unless they have done so already."""
        if await self._is_new(event, token):
            await self._handlers.handle(event, client, within=self._handle_within)
        else:
            log.debug("webhook %s was seen before", event.event_type)

    async def _is_new(self, event: Event, token: str | None) -> bool:
        """Say whether an event is new by what happened, and by the token of the request.

        The token is not signed. So it is remembered only with an event that is new by what is signed:
        otherwise, one request sent again and again with other tokens would crowd out all other keys.
        """
        keys = [event.natural_key, f"token {token}" if token and len(token) <= _LONGEST_TOKEN else None]
        try:
            async with asyncio.timeout(_CLAIM_WITHIN):
                for key in filter(None, keys):
                    if not await self._deduplicator.claim(key):
                        return False
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # whatever stands behind it
            self._handlers.report(failure(error), event)
        return True


def _is_function(value: object) -> bool:
    """Say whether something can be called and does what it should at once, with nobody to await it."""
    return callable(value) and not is_async(value)


def _later(event: Event, reason: str) -> Reply:
    log.warning("webhook %s was refused with 503: %s", event.event_type, reason)
    return Reply(status=503, headers={"Retry-After": "1"})


def _to_reply(answer: Answer) -> Reply:
    """Write an answer as the API reads it."""
    if isinstance(answer, Reject):
        return Reply(status=answer.status)
    fields = {} if isinstance(answer, Accept) else replaced(answer)
    return Reply(status=200, body=json.dumps(fields).encode(), content_type="application/json")
