"""How a request gets to the handlers of its event, and what is answered; and how a router begins and ends.

Where time matters, the tests run in a loop with a clock that jumps.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from attrs import evolve

from conversations_async import ConversationsClient
from conversations_async.webhooks.answers import Accept, Modify, Reject
from conversations_async.webhooks.deduplication import MemoryDeduplicator
from conversations_async.webhooks.events import (
    DeliveryUpdated,
    Event,
    MessageAdd,
    MessageAdded,
    MessageUpdated,
)
from conversations_async.webhooks.repair import Repair
from conversations_async.webhooks.router import Router

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE
from .test_deadlines import jumping, moment, now
from .test_secrets import HIDDEN, shown_by
from .test_webhooks_adapters import aiohttp_server, exchange, raw
from .test_webhooks_reception import URL, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conversations_async.webhooks.reception import Incoming, Reply

ADD = MessageAdd(conversation_sid=CONVERSATION, body="one", author="alice")
ADDED = MessageAdded(conversation_sid=CONVERSATION, message_sid=MESSAGE)


def request(kind: str = "onMessageAdded", token: str | None = None, **more: str) -> Incoming:
    """Make the request that tells of an event; it is the same event, unless ``more`` says otherwise."""
    usual = {"EventType": kind, "ConversationSid": CONVERSATION, "MessageSid": MESSAGE}
    tokens = [] if token is None else [("I-Twilio-Idempotency-Token", token)]
    return post(urlencode(usual | more).encode(), more=tokens)


def router_of(**options: Any) -> Router:
    """Make a router that knows the token of the tests."""
    return Router(AUTH_TOKEN, public_url=URL, **options)


def seen_by(router: Router, kind: type[Event] = Event, work: Any = None) -> list[Any]:
    """Register a handler, that may have to do something; give what it will have handled."""
    seen: list[Any] = []

    async def handler(event: Event) -> Any:
        answer = await work() if work else None
        seen.append(event)
        return answer

    router.on(kind)(handler)
    return seen


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.DEBUG) -> list[tuple[int, str]]:
    """Give what was logged, and check that it has no traceback."""
    records = [one for one in caplog.records if one.name.startswith("conversations_async")]
    assert not any(record.exc_info for record in records)
    return [(record.levelno, record.getMessage()) for record in records if record.levelno >= level]


def reply_of(reply: Reply) -> tuple[int, dict[str, str]]:
    """Give status and headers."""
    return reply.status, dict(reply.headers)


LATER = (503, {"Retry-After": "1"})
TAKEN: tuple[int, dict[str, str]] = (200, {})


async def settled() -> None:
    """Let happen what is about to."""
    for _ in range(20):
        await asyncio.sleep(0)


# -------------------------------------------------------------------------------------------------- arguments


async def coroutine(*_: object) -> Any:
    """Do nothing, later."""


class NoDeduplicator:
    """Does not wait."""

    def claim(self, key: str) -> bool:
        """Say what nobody awaits."""
        return bool(key)


NO_CLIENTS: list[Any] = [5, "AC1", coroutine]
NO_DEDUPLICATORS: list[Any] = [5, set(), NoDeduplicator()]

BAD: list[Any] = [
    *(
        ({"answer_within": value}, "answer_within must be a finite number of seconds above 0")
        for value in (0, -1, "4", None, float("inf"), True)
    ),
    *(
        ({"answer_within": value}, f"answer_within must be below the 5 s that the API waits, got {value}")
        for value in (5, 5.0, 60)
    ),
    *(
        ({"handle_within": value}, "handle_within must be a finite number of seconds above 0")
        for value in (0, -1, "4", float("nan"))
    ),
    *(
        ({"fallback": value}, r"fallback must be Accept\(\) or Reject\(\)")
        for value in (None, Accept, 403, Modify(body="b"))
    ),
    *(
        ({"concurrency": value}, "concurrency must be a whole number of at least 1")
        for value in (0, 1.5, None)
    ),
    *(({"queue_size": value}, "queue_size must be a whole number of at least 1") for value in (0, "5", None)),
    *(({"drain": value}, "drain must be a finite number of seconds of at least 0") for value in (-1, None)),
    *(
        ({"client": wrong}, "client must be a ConversationsClient, or a function that makes one")
        for wrong in NO_CLIENTS
    ),
    *(
        ({"deduplicator": wrong}, "deduplicator must have the coroutine function claim")
        for wrong in NO_DEDUPLICATORS
    ),
    *(({"repair": value, "client": ConversationsClient}, "repair must be a Repair") for value in (True, 0.5)),
    ({"repair": Repair()}, "repair needs a client, to read what is missing"),
    *(
        ({"max_body_size": value}, "max_body_size must be a whole number of at least 1")
        for value in (0, "5", None)
    ),
    *(
        ({"on_error": value}, "on_error must be a function of an error and an event, and not async")
        for value in (5, "log", coroutine)
    ),
    *(
        ({"public_url": value}, "public_url must be the webhook's URL")
        for value in ("/hooks", 5, "ftp://a/b")
    ),
    *(({"trusted_proxies": value}, "trusted_proxies must be") for value in ("10.0.0.0/8", ["proxy"], 5)),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=repr)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    """A wrong option is refused; the message names it and what would do, and nothing shows the token."""
    with pytest.raises(ValueError, match=message) as caught:
        Router(HIDDEN.token, **options)
    assert HIDDEN.found_in(shown_by(caught.value)) == set()


@pytest.mark.parametrize("tokens", [[], [""], [None], [5], ["good", ""], ["\udc00"]], ids=repr)
def test_wrong_tokens(tokens: list[Any]) -> None:
    """At least one token is needed, and each is checked; none is shown, not even where another is wrong."""
    with pytest.raises(ValueError, match="auth_tokens must be") as caught:
        Router(*(token and f"{HIDDEN.token}{token}" if token == "\udc00" else token for token in tokens))
    assert HIDDEN.found_in(shown_by(caught.value)) == set()


@pytest.mark.parametrize(
    "option", ["answer_within", "concurrency", "client", "fallback", "public_url", "drain"]
)
def test_a_token_in_the_wrong_place(option: str) -> None:
    """Who gives the token as something else is told so without it."""
    make: Any = Router
    with pytest.raises(ValueError, match=option) as caught:
        make("good", **{option: HIDDEN.token})
    assert HIDDEN.found_in(shown_by(caught.value)) == set()


def test_a_router_shows_no_token() -> None:
    """What it is made of is not in what is printed of it."""
    assert HIDDEN.token not in repr(Router(HIDDEN.token))


async def test_several_tokens() -> None:
    """During a rotation, either token will do."""
    for tokens in (AUTH_TOKEN, "new"), ("old", AUTH_TOKEN):
        async with Router(*tokens, public_url=URL) as router:
            assert (await router.receive(request())).status == 200


# ----------------------------------------------------------------------------------------------- registration


async def plain(event: MessageAdded) -> None:
    """Do nothing."""


async def with_client(event: MessageAdded, client: ConversationsClient) -> None:
    """Do nothing, with a client."""


@pytest.mark.parametrize(
    "event", [5, "MessageAdded", ADDED, plain, int, MessageAdded | MessageUpdated, [MessageAdded]], ids=repr
)
def test_what_is_no_event(event: Any) -> None:
    """Anything but the class of an event is refused with how it is written; so is ``on`` without brackets."""
    with pytest.raises(TypeError) as caught:
        router_of().on(event)
    assert str(caught.value) == "write @router.on(MessageAdded) or, where annotations say it, @router.on()"


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"author": 5}, "author must be a string or a list of at least one"),
        ({"participant": []}, "participant must be a string or a list of at least one"),
        ({"when": True}, "when must be a function of an event, and not async"),
        ({"when": coroutine}, "when must be a function of an event, and not async"),
    ],
    ids=repr,
)
def test_wrong_conditions(conditions: dict[str, Any], message: str) -> None:
    """A condition that cannot be met, or always would be, is refused."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        router_of().on(MessageAdded, **conditions)


def test_what_does_not_fit_says_why_and_shows_nothing() -> None:
    """The error of a handler keeps its message, and nothing of what it was registered with."""
    function: Any = plain
    with pytest.raises(TypeError, match="plain takes a MessageAdded, and is registered for Deliv") as caught:
        router_of().on(DeliveryUpdated, participant="MB1")(function)
    assert HIDDEN.found_in(shown_by(caught.value)) == set()
    with pytest.raises(TypeError) as caught:
        router_of().on()(with_client)
    assert str(caught.value) == "with_client takes a client, and the router has none: Router(…, client=…)"


async def test_a_handler_stays_what_it_is() -> None:
    """What is registered is given back as it is, and may be registered several times."""
    router = router_of()
    seen: list[Event] = []

    @router.on(MessageUpdated)
    @router.on(author="alice")
    async def handler(event: MessageAdded | MessageUpdated) -> None:
        seen.append(event)

    assert router.on()(plain) is plain
    assert handler.__name__ == "handler"
    router.on(when=lambda event: event.author == "alice")(handler)
    for event in ADDED, MessageUpdated(conversation_sid=CONVERSATION, message_sid=MESSAGE, author="alice"):
        await router.dispatch(event)
    assert [type(event) for event in seen] == [MessageUpdated] * 3


async def test_middleware() -> None:
    """Middleware stands around handlers that were registered before it, too, and stays what it is."""
    router = router_of()
    seen = seen_by(router)

    @router.middleware
    async def twice(event: Event, call_next: Any) -> None:
        await call_next(event)
        await call_next(event)

    assert router.middleware(twice) is twice
    await router.dispatch(ADDED)
    assert seen == [ADDED] * 4


# ------------------------------------------------------------------------------------------------------- life


class Noted(ConversationsClient):
    """A client that notes when it is opened and closed."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(ACCOUNT_SID, AUTH_TOKEN)
        self.steps = steps

    async def __aenter__(self) -> Any:
        """Note it."""
        self.steps.append("opened")
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        """Note it."""
        self.steps.append("closed")
        await self.close()


async def test_a_router_that_does_not_run(caplog: pytest.LogCaptureFixture) -> None:
    """Before and after its time it takes nothing and decides by its fallback; the log says what to do."""
    router = router_of(fallback=Reject(status=451))
    seen = seen_by(router)
    for _ in range(2):
        assert reply_of(await router.receive(request())) == LATER
        assert reply_of(await router.receive(request("onMessageAdd")))[0] == 451
        told = "a webhook found that the router does not run; enter it: async with router"
        refused = "webhook onMessageAdded was refused with 503: the router is not running"
        assert lines(caplog) == [(logging.ERROR, told), (logging.WARNING, refused), (logging.ERROR, told)]
        caplog.clear()
        async with router:
            assert reply_of(await router.receive(request(MessageSid=f"IM{len(seen)}"))) == TAKEN
    assert len(seen) == 2


async def test_a_router_runs_once_at_a_time() -> None:
    """Who enters it twice is told; it goes on, and can be entered again after its end."""
    router = router_of()
    seen = seen_by(router)
    async with router as entered:
        assert entered is router
        with pytest.raises(
            RuntimeError, match="the router runs already: enter it once, and let applications"
        ):
            await router.__aenter__()
        assert reply_of(await router.receive(request())) == TAKEN
    async with router:
        pass
    assert len(seen) == 1


@pytest.mark.parametrize("way", ["made", "borrowed"])
@jumping
async def test_the_client(way: str) -> None:
    """One that is made lives from the start to after the last handler; one that is lent stays open."""
    steps: list[str] = []
    made = Noted(steps)
    router = router_of(client=made if way == "borrowed" else lambda: made)

    @router.on(MessageAdded)
    async def handler(event: MessageAdded, client: ConversationsClient) -> None:
        assert client is made
        await asyncio.sleep(3)
        steps.append("handled")

    assert steps == []
    for number in range(2):
        async with router:
            await router.receive(request(MessageSid=f"IM{number}"))
    once = ["handled"] if way == "borrowed" else ["opened", "handled", "closed"]
    assert steps == once * 2
    await made.close()


@jumping
async def test_the_client_outlives_what_is_asked() -> None:
    """At the end, what is asked has its client until it answers; new requests are refused meanwhile."""
    steps: list[str] = []
    router = router_of(client=lambda: Noted(steps))

    @router.on(MessageAdd)
    async def handler(event: MessageAdd, client: ConversationsClient) -> Reject:
        await asyncio.sleep(3)
        steps.append("answered")
        return Reject()

    async with router:
        asked = asyncio.create_task(router.receive(request("onMessageAdd")))
        await settled()
    assert steps == ["opened", "answered", "closed"]
    assert (await asked).status == 403


async def test_a_client_that_cannot_be_made() -> None:
    """What a factory raises is raised at the start, and the router can be started when it can."""
    steps: list[str] = []
    errors = [KeyError("TWILIO_ACCOUNT_SID")]

    def make() -> ConversationsClient:
        if errors:
            raise errors.pop()
        return Noted(steps)

    router = router_of(client=make)
    with pytest.raises(KeyError, match="TWILIO_ACCOUNT_SID"):
        await router.__aenter__()
    assert (await router.receive(request())).status == 503
    assert len(asyncio.all_tasks()) == 1
    async with router:
        assert steps == ["opened"]
    assert steps == ["opened", "closed"]


@jumping
async def test_the_end_waits_for_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever was taken is handled before the end, if there is time; and nothing is left over."""
    router = router_of(drain=10)
    seen = seen_by(router, work=lambda: asyncio.sleep(3))
    async with router:
        for number in range(3):
            await router.receive(request(MessageSid=f"IM{number}"))
    assert len(seen) == 3
    assert now() == moment(9)
    assert lines(caplog, logging.INFO) == []
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("drain", [0, 4])
@jumping
async def test_the_end_drops_what_takes_too_long(caplog: pytest.LogCaptureFixture, drain: float) -> None:
    """What is left then is dropped with one warning; a repeat of what had not begun is new."""
    router = router_of(drain=drain)
    seen = seen_by(router, work=lambda: asyncio.sleep(3))
    told = [partial(request, token=f"t{number}", MessageSid=f"IM{number}") for number in range(3)]
    async with router:
        for tell in told:
            await router.receive(tell())
    handled = int(drain / 3)
    assert (len(seen), now()) == (handled, moment(drain))
    dropped = f"events dropped, as the router has ended: {3 - handled}"
    assert lines(caplog, logging.INFO) == [(logging.WARNING, dropped)]
    router._drain = 10
    async with router:
        for tell in told:
            assert reply_of(await router.receive(tell())) == TAKEN
    cut_off = f"IM{handled}"
    assert [event.message_sid for event in seen] == [sid for sid in ("IM0", "IM1", "IM2") if sid != cut_off]


@pytest.mark.parametrize("kind", ["onMessageAdd", "onMessageAdded"])
@jumping
async def test_a_request_during_the_end(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """While what is left is handled nothing is taken, nor asked but of the fallback; a repeat is new."""
    router = router_of(fallback=Reject(status=451))
    expected = (451, {}) if kind == "onMessageAdd" else LATER
    seen = seen_by(router, work=lambda: asyncio.sleep(3))
    await router.__aenter__()
    await router.receive(request())
    arriving = asyncio.create_task(router.receive(slowly(request(kind, MessageSid="IM1"), 1)))
    await settled()
    ending = asyncio.create_task(router.__aexit__(None, None, None))
    await settled()
    assert reply_of(await router.receive(request(kind, MessageSid="IM1"))) == expected
    with pytest.raises(RuntimeError, match="the router runs already"):
        await router.__aenter__()
    assert reply_of(await arriving) == expected
    await ending
    warning = (logging.WARNING, f"webhook {kind} was refused with 503: the router is not running")
    assert lines(caplog, logging.INFO) == [warning] * (2 if expected == LATER else 0)
    assert len(seen) == 1
    async with router:
        assert reply_of(await router.receive(request(kind, MessageSid="IM1"))) == TAKEN
    assert len(seen) == 2


# --------------------------------------------------------------------------------------------------- requests


def slowly(incoming: Incoming, seconds: float) -> Incoming:
    """Let the body of a request take its time."""
    chunks = incoming.chunks

    async def late() -> AsyncIterator[bytes]:
        await asyncio.sleep(seconds)
        async for chunk in chunks:
            yield chunk

    return evolve(incoming, chunks=late())


BODY = urlencode({"EventType": "onMessageAdded"}).encode()
REFUSALS: list[tuple[Callable[[], Incoming], int, str]] = [
    (lambda: post(BODY, method="PUT"), 405, "'PUT' was refused with 405: a webhook is sent with GET or POST"),
    (lambda: post(BODY, method="\udcff\n"), 405, r"'\udcff\n' was refused with 405: a webhook"),
    (lambda: post(BODY, method="A" * 9999), 405, f"'{'A' * 19} was refused with 405: a webhook"),
    (lambda: post(BODY, without="Content-Type"), 415, "'POST' was refused with 415: the body must be"),
    (lambda: post(BODY, without="X-Twilio-Signature"), 400, "'POST' was refused with 400: no X-Twilio-Sig"),
    (lambda: post(BODY, signed=URL + "/"), 403, "'POST' was refused with 403: wrong signature"),
    (lambda: post(BODY), 400, "'POST' was refused with 400: "),
    (lambda: post(b"EventType=%FF"), 400, "'POST' was refused with 400: the parameters are not UTF-8"),
    (lambda: post(b"a" * 1001), 413, "'POST' was refused with 413: the body is larger than 1000 bytes"),
]


@pytest.mark.parametrize(("make", "status", "line"), REFUSALS, ids=[line for _, _, line in REFUSALS])
async def test_refusals(make: Any, status: int, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """What tells of no event gets its status and one debug line; no handler is called, nothing reported."""
    caplog.set_level(logging.DEBUG)
    errors: list[Any] = []
    router = router_of(max_body_size=1000, on_error=lambda *told: errors.append(told))
    seen = seen_by(router)
    async with router:
        assert (await router.receive(make())).status == status
    ((level, text),) = lines(caplog)
    assert level == logging.DEBUG
    assert text.startswith(f"webhook {line}")
    assert text.isprintable()
    assert seen == errors == []


@jumping
async def test_a_body_that_comes_too_slowly(caplog: pytest.LogCaptureFixture) -> None:
    """A body that is not there within the time for the answer is refused with 408."""
    caplog.set_level(logging.DEBUG)
    router = router_of(answer_within=2)
    seen = seen_by(router)
    async with router:
        reply = await router.receive(slowly(request(), 3))
        assert (reply.status, reply.body, now()) == (408, b"it took too long to arrive", moment(2))
        assert reply_of(await router.receive(slowly(request(), 1))) == TAKEN
    refused = (logging.DEBUG, "webhook 'POST' was refused with 408: it took too long to arrive")
    assert lines(caplog) == [refused]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (None, 200, b"{}"),
        (Accept(), 200, b"{}"),
        (Modify(body="two"), 200, b'{"body": "two"}'),
        (Reject(451), 451, b""),
        (Modify, 500, b""),
    ],
    ids=repr,
)
async def test_what_is_about_to_happen_is_answered(said: Any, status: int, body: bytes) -> None:
    """The handlers' answer is the reply, and a failure the fallback; who asks again is answered again."""
    errors: list[Any] = []
    router = router_of(fallback=Reject(500), on_error=lambda *told: errors.append(told))
    seen = seen_by(router, MessageAdd, partial(asyncio.sleep, 0, said))
    async with router:
        for _ in range(2):
            reply = await router.receive(request("onMessageAdd", token="same"))
            assert (reply.status, reply.body) == (status, body)
    assert len(seen) == 2
    assert len(errors) == (2 if said is Modify else 0)


@jumping
async def test_body_and_answer_share_the_time() -> None:
    """What the body took is no longer there for the handlers."""
    errors: list[Any] = []
    router = router_of(answer_within=4, fallback=Reject(), on_error=lambda *told: errors.append(told))
    seen_by(router, MessageAdd, asyncio.Event().wait)
    async with router:
        reply = await router.receive(slowly(request("onMessageAdd"), 3))
        assert (reply.status, now()) == (403, moment(4))
    assert [type(error) for error, _ in errors] == [TimeoutError]


@jumping
async def test_what_has_happened_is_acknowledged_at_once() -> None:
    """Nobody waits for a handler; and one that hangs holds up only its conversation, for a time."""
    errors: list[Any] = []
    router = router_of(handle_within=30, on_error=lambda *told: errors.append(told))

    @router.on(when=lambda event: event.message_sid == MESSAGE)
    async def hang(event: MessageAdded) -> None:
        await asyncio.Event().wait()

    seen = seen_by(router)
    async with router:
        for more in {}, {"MessageSid": "IM1"}, {"MessageSid": "IM2", "ConversationSid": "CH2"}:
            reply = await router.receive(request(**more))
            assert (reply_of(reply), reply.body, now()) == (TAKEN, b"", 0)
        await settled()
        assert [event.message_sid for event in seen] == ["IM2"]
        await asyncio.sleep(31)
        assert [event.message_sid for event in seen] == ["IM2", MESSAGE, "IM1"]
    assert [str(error) for error, _ in errors] == ["it took longer than 30 s"]


@jumping
async def test_so_many_at_a_time() -> None:
    """Of several conversations, no more events than ``concurrency`` says are handled at a time."""
    router = router_of(concurrency=2)
    seen = seen_by(router, work=lambda: asyncio.sleep(1))
    async with router:
        for number in range(5):
            await router.receive(request(ConversationSid=f"CH{number}", MessageSid=f"IM{number}"))
    assert (len(seen), now()) == (5, moment(3))


@jumping
async def test_the_queue_is_full(caplog: pytest.LogCaptureFixture) -> None:
    """A request waits for room as long as it may, and is then refused; a repeat, by its token too, is new."""
    router = router_of(queue_size=1, answer_within=4)
    seen = seen_by(router, work=lambda: asyncio.sleep(7))
    async with router:
        assert reply_of(await router.receive(request())) == TAKEN
        second = partial(request, token="second", MessageSid="IM2")
        assert (reply_of(await router.receive(second())), now()) == (LATER, moment(4))
        warning = "webhook onMessageAdded was refused with 503: too much is waiting"
        assert lines(caplog, logging.INFO) == [(logging.WARNING, warning)]
        assert (reply_of(await router.receive(second())), now()) == (TAKEN, moment(7))
    assert [event.message_sid for event in seen] == [MESSAGE, "IM2"]


@jumping
async def test_the_end_while_a_request_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Who waits for room when the router ends is refused, and a repeat is new."""
    router = router_of(queue_size=1)
    seen = seen_by(router, work=lambda: asyncio.sleep(3))
    async with router:
        await router.receive(request())
        waiting = asyncio.create_task(router.receive(request(token="t", MessageSid="IM2")))
        await settled()
    assert (reply_of(await waiting), now()) == (LATER, moment(3))
    warning = "webhook onMessageAdded was refused with 503: the router is not running"
    assert lines(caplog, logging.INFO) == [(logging.WARNING, warning)]
    async with router:
        assert reply_of(await router.receive(request(token="t", MessageSid="IM2"))) == TAKEN
    assert len(seen) == 2


@jumping
async def test_a_request_that_is_cancelled_while_it_waits() -> None:
    """Where the request ends before there is room, its event is not remembered: a repeat is new."""
    router = router_of(queue_size=1)
    seen = seen_by(router, work=lambda: asyncio.sleep(1))
    async with router:
        await router.receive(request())
        waiting = asyncio.create_task(router.receive(request(token="t", MessageSid="IM2")))
        await settled()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert reply_of(await router.receive(request(token="t", MessageSid="IM2"))) == TAKEN
    assert len(seen) == 2


@jumping
async def test_repair() -> None:
    """With ``repair``, messages are handled in the order of their indexes."""
    router = router_of(repair=Repair(wait=1), client=lambda: Noted([]))
    seen = seen_by(router)
    async with router:
        for index in "0", "2", "1":
            await router.receive(request(Index=index, MessageSid=f"IM{index}"))
            await settled()
    assert [event.index for event in seen] == [0, 1, 2]


# ------------------------------------------------------------------------------------------------- duplicates


@pytest.mark.parametrize(
    ("first", "again", "times"),
    [
        ({}, {}, 1),
        ({"token": "a"}, {"token": "a"}, 1),
        ({"token": "a"}, {"token": "b"}, 1),
        ({"token": "a"}, {"RetryCount": "1"}, 1),
        ({"token": "a"}, {"token": "a", "MessageSid": "IM2"}, 1),
        ({"token": "a"}, {"token": "b", "MessageSid": "IM2"}, 2),
        ({}, {"MessageSid": "IM2"}, 2),
        ({"token": ""}, {"token": "", "MessageSid": "IM2"}, 2),
        ({"token": "a" * 100}, {"token": "a" * 100, "MessageSid": "IM2"}, 1),
        ({"token": "a" * 101}, {"token": "a" * 101, "MessageSid": "IM2"}, 2),
        ({}, {"kind": "onMessageRemoved"}, 2),
        ({"kind": "onTomorrow"}, {"kind": "onTomorrow"}, 2),
        ({"kind": "onTomorrow", "token": "a"}, {"kind": "onTomorrow", "token": "a"}, 1),
        ({"kind": "onTomorrow", "token": "a"}, {"kind": "onTomorrow", "token": "b"}, 2),
    ],
    ids=repr,
)
async def test_what_is_told_twice(
    first: Any, again: Any, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is handled once, by what happened and by the token; the repeat is acknowledged as well."""
    caplog.set_level(logging.DEBUG, "conversations_async")
    router = router_of()
    seen = seen_by(router)
    async with router:
        for told in first, again:
            assert reply_of(await router.receive(request(**told))) == TAKEN
    assert len(seen) == times
    seen_before = (logging.DEBUG, f"webhook {first.get('kind', 'onMessageAdded')} was seen before")
    assert lines(caplog) == ([seen_before] if times == 1 else [])


async def test_a_known_token() -> None:
    """What comes with the token of another event is not handled."""
    router = router_of()
    seen = seen_by(router)
    async with router:
        for token, sid in ("a", "IM1"), ("a", "IM2"), ("b", "IM3"):
            await router.receive(request(token=token, MessageSid=sid))
    assert [event.message_sid for event in seen] == ["IM1", "IM3"]


async def test_one_request_with_many_tokens() -> None:
    """Tokens are not signed: one request with ever other ones takes no room for more keys."""
    memory = MemoryDeduplicator()
    async with router_of(deduplicator=memory) as router:
        for number in range(10):
            await router.receive(request(token=f"t{number}"))
    assert len(memory) == 2


class Broken:
    """A deduplicator that is out of order: it fails, or never answers."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def claim(self, key: str) -> bool:
        """Fail."""
        if self.hangs:
            await asyncio.Event().wait()
        raise ConnectionError("claim")


@pytest.mark.parametrize("hangs", [False, True])
@jumping
async def test_a_deduplicator_that_fails(hangs: bool) -> None:
    """That is reported, and the event acknowledged and handled: rather twice than never."""
    errors: list[Any] = []
    router = router_of(deduplicator=Broken(hangs=hangs), on_error=lambda *told: errors.append(told))
    seen = seen_by(router)
    async with router:
        for _ in range(2):
            assert reply_of(await router.receive(request(token="a"))) == TAKEN
        assert now() == moment(0)
    kind = TimeoutError if hangs else ConnectionError
    assert [(type(error), type(event)) for error, event in errors] == [(kind, MessageAdded)] * 2
    assert len(seen) == 2


class Cut:
    """A deduplicator whose connections are cancelled."""

    async def claim(self, key: str) -> bool:
        """Be cancelled by somebody else."""
        raise asyncio.CancelledError


async def test_a_deduplicator_that_is_cut_off() -> None:
    """Where something else is cancelled, which is reported, the event is handled."""
    errors: list[Exception] = []
    router = router_of(deduplicator=Cut(), on_error=lambda error, _: errors.append(error))
    seen = seen_by(router)
    async with router:
        assert reply_of(await router.receive(request())) == TAKEN
    assert len(seen) == 1
    assert [str(error) for error in errors] == ["what it waited for was cancelled"]


@jumping
async def test_the_end_while_a_deduplicator_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody has begun to handle is dropped."""
    router = router_of(deduplicator=Broken(hangs=True), drain=0.5)
    seen = seen_by(router)
    async with router:
        await router.receive(request())
    assert (seen, now()) == ([], moment(0.5))
    assert lines(caplog, logging.INFO) == [(logging.WARNING, "events dropped, as the router has ended: 1")]


async def test_a_token_is_no_key() -> None:
    """A token, which is not signed, cannot be taken for what happened."""
    router = router_of()
    seen = seen_by(router)
    key = MessageAdded(conversation_sid="CH1", message_sid="IM2").natural_key
    async with router:
        await router.receive(request(token=key, MessageSid="IM1"))
        await router.receive(request(MessageSid="IM2"))
    assert len(seen) == 2


@jumping
async def test_settled() -> None:
    """It waits until all that was acknowledged is handled, but not for ever, nor for a router that rests."""
    router = router_of()
    await router.settled()
    seen = seen_by(router, work=lambda: asyncio.sleep(3))
    async with router:
        await router.receive(request())
        with pytest.raises(TimeoutError):
            await router.settled(within=2)
        assert not seen
        await router.settled()
        assert (len(seen), now()) == (1, moment(3))
    with pytest.raises(ValueError, match="within must be a finite number of seconds above 0, got 0"):
        await router.settled(within=0)


@pytest.mark.parametrize("function", [lambda event, call_next: None, 5])
def test_what_is_no_middleware(function: Any) -> None:
    """What nobody could await is refused."""
    with pytest.raises(TypeError, match="a middleware must be a coroutine function"):
        router_of().middleware(function)


# --------------------------------------------------------------------------------------------------- dispatch


async def test_dispatch() -> None:
    """An event is given to its handlers, whose answer is given, and whose error is raised as it is."""
    router = router_of(handle_within=None)
    assert await router.dispatch(ADD) == Accept()

    @router.on()
    async def handler(event: MessageAdd) -> Modify:
        local = f"{event.body}!"
        if event.author is None:
            raise ValueError(local)
        return Modify(body=local)

    assert await router.dispatch(ADD) == Modify(body="one!")
    assert await router.dispatch(ADDED) == Accept()
    with pytest.raises(ValueError, match="two!") as caught:
        await router.dispatch(MessageAdd(conversation_sid=CONVERSATION, body="two"))
    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__)]
    assert frames[-1].f_locals["local"] == "two!"  # a test that fails can show why


async def test_dispatch_with_a_client() -> None:
    """A handler gets the client that was lent, at any time, or the one that was made, while there is one."""
    lent = Noted([])
    clients: list[object] = []

    async def handler(event: MessageAdd, client: ConversationsClient) -> None:
        clients.append(client)

    router = router_of(client=lent)
    router.on()(handler)
    await router.dispatch(ADD)
    router = router_of(client=lambda: lent)
    router.on()(handler)
    assert await router.dispatch(ADDED) == Accept()  # nobody needs a client
    message = (
        "handler takes a client, and the router makes it when it is started: enter it, or give it a client"
    )
    with pytest.raises(RuntimeError, match=message):
        await router.dispatch(ADD)
    async with router:
        await router.dispatch(ADD)
    assert clients == [lent, lent]


# ------------------------------------------------------------------------------------------------- frameworks


async def test_in_aiohttp() -> None:
    """The handler answers in an application of one's own, and an application of its own runs the router."""
    router = router_of()
    app = web.Application()
    app.router.add_route("*", "/hooks", router.aiohttp_handler)
    async with aiohttp_server(app) as port, router:
        assert (await exchange(port, raw("/hooks", method="PUT"))).startswith(b"HTTP/1.1 405")
    async with aiohttp_server(router.aiohttp_app("/hooks")) as port:
        assert (await exchange(port, raw("/hooks", method="PUT"))).startswith(b"HTTP/1.1 405")
        assert (await exchange(port, raw("/"))).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(("path", "status"), [("/hooks", 405), (None, 405), ("/other", 404)])
async def test_in_asgi(path: str | None, status: int) -> None:
    """The application runs the router while the server runs, and answers at its path, or at all."""
    router = router_of()
    app = router.asgi_app(path)
    sent: list[Any] = []
    events: asyncio.Queue[Any] = asyncio.Queue()

    async def send(message: Any) -> None:
        sent.append(message)

    life = asyncio.create_task(app({"type": "lifespan"}, events.get, send))
    await events.put({"type": "lifespan.startup"})
    await settled()
    scope = {"type": "http", "method": "PUT", "path": "/hooks", "headers": []}
    await app(scope, events.get, send)
    await events.put({"type": "lifespan.shutdown"})
    await life
    types = ["startup.complete", "response.start", "response.body", "shutdown.complete"]
    assert [message["type"].partition(".")[2] for message in sent] == types
    assert sent[1]["status"] == status
    assert (await router.receive(request())).status == 503
