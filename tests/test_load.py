"""Load: a budget of retries, so many requests at a time and in turn, and writes no faster than allowed."""

from __future__ import annotations

import asyncio
import re
import selectors
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import aiohttp
import pytest
from aioresponses.core import RequestMatch
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations_async import (
    APIError,
    ConversationsClient,
    ConversationsError,
    Limits,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    merge_streams,
)
from conversations_async.emulator import Emulator
from conversations_async.emulator import Limits as ApiLimits
from conversations_async.emulator.limits import NO_LIMITS
from conversations_async.emulator.resource import Verb
from conversations_async.emulator.resources import VERSIONS
from conversations_async.limits import Limiter, lane
from conversations_async.retry import RetryBudget

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE, MockedResponse
from .servers import DROP, Scripted, answer, page, read_body, read_head
from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

T = TypeVar("T")

FOUND = answer(200, {"sid": CONVERSATION})
BROKEN = answer(500)
REFUSED = answer(429)
#: Guards against hanging, and is no measure.
LONG = 30

OTHER_ACCOUNT = "AC" + "b" * 32


def connect(server: Scripted | str, **options: Any) -> ConversationsClient:
    """Make a client that does not wait between attempts."""
    url = server if isinstance(server, str) else server.url
    options = {"retry": RetryPolicy(base_delay=0), **options}
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, **options)


def fetch(client: ConversationsClient) -> Coroutine[Any, Any, object]:
    """Read something."""
    return client.conversations.fetch(CONVERSATION)


def create(client: ConversationsClient) -> Coroutine[Any, Any, object]:
    """Write something."""
    return client.conversations.create()


async def errors(calls: list[Coroutine[Any, Any, object]]) -> list[ConversationsError]:
    """Make all calls at once, each of which must fail, and give what they fail with."""
    async with asyncio.timeout(LONG):
        results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, ConversationsError)]
    assert len(failed) == len(results)
    return failed


# The budget


@pytest.mark.parametrize(
    ("call", "failure", "callers", "options"),
    [
        (fetch, BROKEN, 1000, {}),
        (fetch, DROP, 100, {"budget": 10}),
        (fetch, REFUSED, 100, {"budget": 10}),
        (create, REFUSED, 1000, {}),
    ],
)
async def test_a_brown_out_is_no_storm(
    call: Any, failure: bytes, callers: int, options: dict[str, Any]
) -> None:
    """Where all fails, 1,000 callers at once make at most 1.2 requests for each call, not five."""
    retry = RetryPolicy(base_delay=0, **options)
    async with Scripted.of([failure]) as server, connect(server, retry=retry) as client:
        await errors([call(client) for _ in range(callers)])
        first = len(server.requests)
        await errors([call(client) for _ in range(callers // 5)])
    assert callers < first <= 1.2 * callers
    assert callers // 5 < len(server.requests) - first <= 1.2 * callers // 5


async def test_an_api_that_is_not_there_is_not_stormed() -> None:
    """Connections that are refused count like answers."""
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        retry = RetryPolicy(base_delay=0, budget=20)
        async with connect(f"http://127.0.0.1:{taken.getsockname()[1]}", retry=retry) as client:
            failed = await errors([create(client) for _ in range(200)])
    assert 200 < sum(error.attempts for error in failed) <= 240


async def test_callers_one_after_the_other() -> None:
    """Once the credit is spent, there is one retry for every five calls, and no fraction is lost."""
    retry = RetryPolicy(base_delay=0, budget=10)
    async with Scripted.of([BROKEN]) as server, connect(server, retry=retry) as client:
        for _ in range(20):
            await errors([fetch(client)])
        spent = len(server.requests)
        for _ in range(200):
            await errors([fetch(client)])
    assert 20 < spent <= 1.2 * 20 + 10
    assert len(server.requests) - spent == 1.2 * 200


async def test_without_a_budget() -> None:
    """None is no bound: every call has all its attempts."""
    retry = RetryPolicy(base_delay=0, budget=None)
    async with Scripted.of([BROKEN]) as server, connect(server, retry=retry) as client:
        await errors([fetch(client) for _ in range(40)])
    assert len(server.requests) == 5 * 40


async def test_a_budget_of_nothing() -> None:
    """With a budget of 0 nothing is tried again, however many calls were made."""
    retry = RetryPolicy(base_delay=0, budget=0)
    async with Scripted.of([BROKEN]) as server, connect(server, retry=retry) as client:
        await errors([fetch(client) for _ in range(20)])
    assert len(server.requests) == 20


async def test_a_quiet_client_has_all_its_retries() -> None:
    """Who rarely calls is not held back, from the first call on; and what is spent is earned again."""
    async with (
        Scripted.of([BROKEN, BROKEN, BROKEN, BROKEN, FOUND]) as server,
        connect(server, retry=RetryPolicy(base_delay=0, budget=4)) as client,
    ):
        await fetch(client)
        assert len(server.requests) == 5
        for _ in range(19):
            await fetch(client)
        # the next call earns the last part of the four that were spent
        server.script = deque([BROKEN, BROKEN, BROKEN, BROKEN, FOUND])
        await fetch(client)
        assert len(server.requests) == 5 + 19 + 5
        server.script = deque([BROKEN])
        (error,) = await errors([fetch(client)])
    assert error.attempts == 1
    assert isinstance(error, ServerError)


async def test_who_is_not_tried_again_says_why() -> None:
    """The error is that of the attempt, with a note; where the attempts are spent there is none."""
    async with (
        Scripted.of([BROKEN]) as server,
        connect(server, retry=RetryPolicy(base_delay=0, budget=4)) as client,
    ):
        (first,), (second,) = await errors([fetch(client)]), await errors([fetch(client)])
    assert (first.status, first.attempts, getattr(first, "__notes__", [])) == (500, 5, [])
    (note,) = second.__notes__
    assert (second.status, second.attempts) == (500, 1)
    assert "budget" in note


async def test_what_would_not_be_tried_again_costs_nothing() -> None:
    """A failure that is final takes no retry from the others."""
    async with (
        Scripted.of([BROKEN]) as server,
        connect(server, retry=RetryPolicy(base_delay=0, budget=4)) as client,
    ):
        await errors([create(client) for _ in range(50)])
        assert len(server.requests) == 50
        (error,) = await errors([fetch(client)])
    assert error.attempts == 5


async def test_views_share_a_budget() -> None:
    """What one view spends another one does not have, whatever its bound; without one, nothing is counted."""
    retry = RetryPolicy(base_delay=0, budget=8)
    async with Scripted.of([BROKEN]) as server, connect(server, retry=retry) as client:
        lower = client.with_options(retry=evolve(retry, budget=4))
        free = client.with_options(retry=evolve(retry, budget=None))
        views = [free, client, *[free] * 20, lower, client.with_options(timeout=9), free, lower]
        attempts = [(await errors([fetch(view)]))[0].attempts for view in views]
    # of eight, four are taken by the second call, and nearly four by the last but two
    assert attempts == [5, 5, *[5] * 20, 1, 5, 5, 1]


@pytest.mark.parametrize("budget", [None, 0])
async def test_a_view_has_a_budget_where_its_owner_has_none(budget: int | None) -> None:
    """A policy of a view brings its own credit."""
    async with (
        Scripted.of([BROKEN]) as server,
        connect(server, retry=RetryPolicy(budget=budget, max_attempts=1)) as client,
    ):
        (error,) = await errors([fetch(client.with_options(retry=RetryPolicy(base_delay=0)))])
    assert error.attempts == 5


def test_threads_share_a_budget() -> None:
    """A client that is used in two threads has one budget, not two."""
    calls, budget = 100, 10
    with Emulator() as emulator:
        emulator.faults.add(status=500)
        client = connect(emulator.url, retry=RetryPolicy(base_delay=0, budget=budget))

        async def work() -> None:
            for _ in range(calls):
                with suppress(ServerError):
                    await fetch(client)
            await client.close()

        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 2 * calls < len(emulator.requests) <= 1.2 * 2 * calls + budget


def test_no_retry_is_lost_between_threads() -> None:
    """What many threads take at once is counted to the last."""
    budget, taken = RetryBudget(), Counter[int]()

    def work(number: int) -> None:
        for _ in range(2000):
            budget.earn(1000)
            taken[number] += budget.spend(1000)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    # at the beginning, nothing can be earned
    assert 1000 + 8000 // 5 - 4 <= taken.total() <= 1000 + 8000 // 5


# So many at a time, and in turn


@define
class Crowd(Scripted):
    """Counts the requests that are under way at a time, and answers each when its path says.

    ``…-3`` is answered three turns of the loop later, ``hang`` never; a download stops half-way for as long.
    """

    under_way: int = 0
    most: int = 0
    seen: list[str] = field(factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_head(reader)
        for _ in range(3):  # those who have hung up before are seen first
            await asyncio.sleep(0)
        self.requests.append(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self._answer(request.target, request.headers, reader, writer)
        finally:
            self.under_way -= 1

    async def _answer(
        self,
        target: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        name = target.partition("?")[0].rpartition("/")[2]
        self.seen.append(name)
        if "hang" in name:
            await reader.read()
            return False
        await read_body(reader, headers)
        found = FOUND
        if target.startswith("/v1/Services"):  # media
            links = {"content_direct_temporary": f"{self.url}/file"}
            found = answer(200, {"sid": "ME" + "f" * 32, "size": 8, "links": links})
        elif target == "/file":
            writer.write(answer(200, b"12345678")[:-4])
            found = b"5678"
        elif "PageSize" in target:
            number = int((re.findall("PageToken=(.)", target) or "0")[0])
            items = [{"sid": CONVERSATION, "index": number}]
            following = f"{target.partition('&')[0]}&PageToken={number + 1}" if number < 3 else None
            link = following and self.url + following
            found = answer(200, page("messages", items, link))
        for _ in range(int((re.findall(r"-(\d+)$", name) or "4")[0])):
            await asyncio.sleep(0)
        # the answer counts as given before anybody can have it
        self.under_way -= 1
        writer.write(found)
        await writer.drain()
        self.under_way += 1
        return True


async def free_slots(client: ConversationsClient) -> int:
    """Say how many slots are free in the running loop."""
    return (await client._session._connections.pool()).slots._value


FILE = "ME" + "f" * 32


async def upload(client: ConversationsClient) -> None:
    """Send a file, slowly."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"x"

    await client.service(SERVICE).media.upload(chunks(), content_type="text/plain")


async def download(client: ConversationsClient) -> None:
    """Read a file."""
    async with client.service(SERVICE).media.download(FILE) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"12345678"


async def download_a_part(client: ConversationsClient) -> None:
    """Read a file, and stop before its end."""
    async with client.service(SERVICE).media.download(FILE) as chunks:
        await anext(chunks)


async def give_up(client: ConversationsClient) -> None:
    """Wait for what does not come, or not wait until a connection is free."""
    with pytest.raises(RequestTimeoutError):
        await client.with_options(timeout=0.02).conversations.fetch("hang")


async def wait_in_vain(client: ConversationsClient) -> None:
    """Wait for what does not come; somebody is to cancel this."""
    await client.conversations.fetch("hang")


async def wait_for_long(client: ConversationsClient) -> None:
    """Wait for what does come."""
    await client.conversations.fetch("x-20")


async def read_ahead(client: ConversationsClient) -> None:
    """Read a stream."""
    assert len(await client.messages("a").stream(page_size=1, read_ahead=3).list()) == 4


async def stop_early(client: ConversationsClient) -> None:
    """Leave a stream that reads ahead."""
    async for _ in client.messages("h").stream(page_size=1, read_ahead=3):
        break


async def merge(client: ConversationsClient) -> None:
    """Read many streams at once."""
    streams = [client.messages(name).stream(page_size=1, read_ahead=2) for name in "bcdefg"]
    assert len([message async for message in merge_streams(streams, concurrency=6)]) == 24


async def test_never_more_than_max_connections() -> None:
    """Whatever is called, cut off or given up: no more requests are under way than connections may be."""
    calls = (
        upload,
        download,
        download_a_part,
        give_up,
        wait_in_vain,
        wait_for_long,
        read_ahead,
        stop_early,
        merge,
        create,
    )
    async with (
        Crowd.of([]) as server,
        connect(server, max_connections=5, retry=RetryPolicy(max_attempts=1)) as client,
        asyncio.timeout(LONG),
    ):
        for turns in range(5, 8):
            tasks = [(call, asyncio.create_task(call(client))) for call in calls * 3]
            doomed = [task for call, task in tasks if call is wait_in_vain]
            for task in doomed:
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(*(task for _, task in tasks if task not in doomed))
            await asyncio.wait(doomed)
        assert server.most == 5
        assert await free_slots(client) == 5


async def test_no_more_at_once_than_the_api_allows() -> None:
    """An API that refuses more requests at once than ``max_connections`` never refuses any."""
    retry = RetryPolicy(max_attempts=1)
    async with Emulator(limits=evolve(NO_LIMITS, concurrency=4), latency=0.001) as emulator:
        async with connect(emulator.url, retry=retry, max_connections=4) as client:
            await asyncio.gather(*(create(client) for _ in range(50)))
        async with connect(emulator.url, retry=retry, max_connections=8) as client:
            answers = await asyncio.gather(*(create(client) for _ in range(50)), return_exceptions=True)
    assert any(isinstance(answer, RateLimitError) for answer in answers)


async def test_first_come_first_served() -> None:
    """Requests leave in the order of their calls, also when some are cancelled, or their time ends."""
    async with (
        Crowd.of([]) as server,
        connect(server, max_connections=1, retry=RetryPolicy(max_attempts=1)) as client,
        asyncio.timeout(LONG),
    ):
        hasty = client.with_options(timeout=0.001)
        tasks = []

        def come_late(name: str, _: object) -> None:
            tasks.append(asyncio.create_task(client.conversations.fetch(name)))

        for number in range(60):
            view = hasty if number % 5 == 4 else client
            tasks.append(asyncio.create_task(view.conversations.fetch(f"{number:03}")))
        # who calls in the moment in which a slot is given back is the last all the same
        for number in range(0, 60, 6):
            tasks[number].add_done_callback(partial(come_late, f"{60 + number:03}"))
        for turn in range(1, 60, 4):
            await asyncio.sleep(0)
            tasks[turn].cancel()
        while pending := [task for task in tasks if not task.done()]:
            await asyncio.wait(pending)
    patient = [name for name in server.seen if int(name) < 60]
    assert patient == sorted(patient)
    expected = {f"{n:03}" for n in range(60) if n % 5 != 4 and n % 4 != 1} | {
        f"{60 + n:03}" for n in range(0, 60, 6)
    }
    assert expected <= set(server.seen)
    late = [name for name in server.seen if int(name) >= 60]
    # whoever stood in the queue when they came was served before them
    assert late == server.seen[-len(late) :]


# Without a network, in a time of its own


class Waitless(asyncio.SelectorEventLoop):
    """A loop in which nobody waits: its time stands still, and jumps to when the next timer ends."""

    def __init__(self) -> None:
        self.now = 1000.0
        #: Called before each turn.
        self.on_turn: Callable[[], object] = lambda: None
        self._jump = _Jump(self)
        super().__init__(self._jump)

    def time(self) -> float:
        """Tell the time in this loop."""
        return self.now


class _Jump(selectors.SelectSelector):
    def __init__(self, loop: Waitless) -> None:
        super().__init__()
        self._waitless: Any = loop  # whose attributes are partly its own

    def select(self, timeout: float | None = None) -> Any:
        self._waitless.on_turn()
        if not self._waitless._ready:  # what is to be done in this turn
            assert timeout is not None, "all wait for ever"
            self._waitless.now += max(timeout, 0)
        return []


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop in which nobody waits."""
    with asyncio.Runner(loop_factory=Waitless) as runner:
        return runner.run(work)


@define
class Api:
    """Stands where the network begins: a coroutine is told of each request, and gives the status."""

    handle: Callable[[str, str], Coroutine[Any, Any, int]]
    #: The method, last name of the path and time of each request that came here.
    came: list[tuple[str, str, float]] = field(factory=list)
    under_way: int = 0
    most: int = 0

    async def request(self, method: str, url: Any, **_: Any) -> aiohttp.ClientResponse:
        """Take the place of ``aiohttp.ClientSession._request``."""
        name = url.raw_path.rpartition("/")[2]
        self.came.append((method, name, asyncio.get_running_loop().time()))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            status = await self.handle(method, url.raw_path)
            match = RequestMatch(url, method, status, b'{"sid": "CH"}', response_class=MockedResponse)
            answer = await match.build_response(url)
            assert isinstance(answer, aiohttp.ClientResponse)
            return answer
        finally:
            self.under_way -= 1

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Answer what any session asks."""
        with patch.object(aiohttp.ClientSession, "_request", self.request):
            yield


@asynccontextmanager
async def talking(api: Api, **options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client that talks to it."""
    with api.installed():
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, **options) as client:
            yield client


@define
class Game:
    """Callers in a queue, each of whom may be served, cut off or late at any moment."""

    client: ConversationsClient
    slots: int
    #: Requests that wait for their answer, in the order in which they came.
    waiting: list[asyncio.Future[int]]
    callers: list[asyncio.Task[Any]] = field(factory=list)
    #: The numbers of those that need not succeed.
    excused: set[int] = field(factory=set)

    async def call(self, _: int) -> None:
        """Let another one come."""
        self._come(self.client)

    async def call_in_haste(self, place: int) -> None:
        """Let one come who has little time."""
        self.excused.add(len(self.callers))
        self._come(self.client.with_options(timeout=0.1 * place + 0.1))

    def _come(self, client: ConversationsClient) -> None:
        name = f"{len(self.callers):03}"
        self.callers.append(asyncio.create_task(client.conversations.fetch(name)))

    async def answer(self, place: int) -> None:
        """Answer one who was sent."""
        waiting = [future for future in self.waiting if not future.done()]
        if waiting:
            waiting[place % len(waiting)].set_result(200)

    async def cancel(self, place: int) -> None:
        """Cut one off."""
        alive = [number for number, caller in enumerate(self.callers) if not caller.done()]
        if alive:
            self.excused.add(number := alive[place % len(alive)])
            self.callers[number].cancel()

    async def answer_and_cancel(self, place: int) -> None:
        """Cut off who is given a slot, about when that happens."""
        await self.answer(place)
        for _ in range(place):
            await asyncio.sleep(0)
        await self.cancel(self.slots - 1)

    async def let_pass(self, place: int) -> None:
        """Let some time pass."""
        await asyncio.sleep(0.05 * place)

    async def end(self) -> None:
        """Answer all who are left."""
        while not all(caller.done() for caller in self.callers):
            await self.answer(0)
            await asyncio.sleep(0)
        for number, caller in enumerate(self.callers):
            if caller.cancelled() or caller.exception():
                assert number in self.excused


async def play_queue(slots: int, plan: list[tuple[str, int]]) -> None:
    """Let a plan happen to so many slots."""
    waiting: list[asyncio.Future[int]] = []

    async def handle(_: str, __: str) -> int:
        future = asyncio.get_running_loop().create_future()
        waiting.append(future)
        try:
            return int(await future)
        finally:
            waiting.remove(future)

    api = Api(handle)
    retry = RetryPolicy(max_attempts=1, total_timeout=1e6)
    async with talking(api, max_connections=slots, retry=retry, timeout=1e5) as client:
        game = Game(client, slots, waiting)
        for act, place in plan:
            await getattr(game, act)(place)
        await game.end()
        assert await free_slots(client) == slots
    names = [name for _, name, _ in api.came]
    assert names == sorted(names)
    assert api.most <= slots


ACTS = ["call", "call", "call", "call_in_haste", "answer", "answer_and_cancel", "cancel", "let_pass"]


@settings(deterministic, max_examples=60)
@given(
    slots=st.integers(1, 3),
    plan=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 6)), min_size=10, max_size=40),
)
def test_slots_are_never_lost(slots: int, plan: list[tuple[str, int]]) -> None:
    """Whoever comes, is cut off or late, and when: all others are served in turn, and no slot is lost."""
    run(play_queue(slots, plan))


# The limiter

SID = "CH" + "1" * 32

#: What the API is not documented to count, and the client does: what changes who takes part.
CAREFUL = {"invites", "user_conversations"}


def test_what_counts_for_what() -> None:
    """Every write of both APIs is limited as the emulator counts it, by its conversation or its service."""
    checked = 0
    for endpoint in (endpoint for version in VERSIONS for endpoint in version.endpoints()):
        path = re.sub(r"\{(\w+):[^}]*\}", SID, endpoint.pattern)
        for method in ("GET", "POST", "DELETE"):
            if (verb := endpoint.verb(method)) is None:
                continue
            counted = None if verb in (Verb.LIST, Verb.FETCH) else endpoint.resource.limited(verb)
            if endpoint.resource.table in CAREFUL and method != "GET":
                counted = "conversations"
            service = "" if endpoint.shortcut or counted is None else SID
            expected = {
                None: None,
                "conversations": ("per_conversation", SID),
                "services": ("per_service", service),
            }
            assert lane(method, path) == expected[counted], (method, path)
            checked += 1
    assert checked > 150


def test_a_sid_is_one_in_all_services() -> None:
    """A conversation that its SID names is the same by each path, in both APIs; a unique name is another."""
    paths = [
        "/v1/Conversations/{}/Messages",
        "/v1/Services/IS1/Conversations/{}",
        "/v2/Services/IS1/Channels/{}",
    ]
    assert {lane("POST", path.format(SID)) for path in paths} == {("per_conversation", SID)}
    assert [lane("POST", path.format("support")) for path in paths] == [
        ("per_conversation", "/support"),
        ("per_conversation", "IS1/support"),
        ("per_conversation", "IS1/support"),
    ]


@pytest.mark.parametrize(
    "path", ["/v1/Services", "/v1/Services/IS1", "/v1", "/", "/v1/", "/v1/Configuration/Webhooks"]
)
def test_what_is_not_limited(path: str) -> None:
    """What no limit is documented for waits for nobody."""
    assert [lane(method, path) for method in ("GET", "POST", "DELETE")] == [None] * 3


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "30"])
@pytest.mark.parametrize("name", ["per_conversation", "per_service"])
def test_a_limit_that_is_none(name: str, value: Any) -> None:
    """A limit is a whole number of at least 1, or None."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name} must be a whole number of at least 1, got"):
        Limits(**options)
    assert Limits(per_conversation=None, per_service=None) == Limits(per_service=None, per_conversation=None)
    assert Limits() == Limits(per_conversation=30, per_service=30)


@pytest.mark.parametrize("value", [30, True, ApiLimits()])
def test_limits_that_are_none(value: Any) -> None:
    """A client takes its own limits, and not those of the emulator, which have the same name."""
    with pytest.raises(ValueError, match=r"^limits must be conversations_async\.Limits or None, got \w+"):
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, limits=value)


async def at_once(_: str, __: str) -> int:
    """Answer at once."""
    return 200


def most_in_a_second(times: list[float]) -> int:
    """Count what came within a second, at the most."""
    return max(sum(begin <= each < begin + 1 - 1e-6 for each in times) for begin in times)


moments = st.floats(0, 3, allow_subnormal=False)


@settings(deterministic, max_examples=40)
@given(
    allowed=st.integers(1, 4),
    writes=st.lists(
        st.tuples(moments, moments, moments, st.sampled_from([200, 200, 200, 429, 500])),
        min_size=1,
        max_size=25,
    ),
)
def test_never_more_than_allowed_in_a_second(
    allowed: int, writes: list[tuple[float, float, float, int]]
) -> None:
    """However long requests are on their way, whatever is answered: the API never counts more in a second."""
    counted: list[float] = []
    latencies = iter(writes * 10)

    async def handle(*_: str) -> int:
        __, there, back, status = next(latencies)
        await asyncio.sleep(there)
        counted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(back)
        return status

    async def write(messages: Any, start: float) -> None:
        await asyncio.sleep(start)
        with suppress(APIError):
            await messages.create(body="x")

    async def play() -> None:
        retry = RetryPolicy(total_timeout=1e6, max_attempts=3)
        limits = Limits(per_conversation=allowed)
        async with talking(Api(handle), limits=limits, retry=retry, timeout=1e5) as client:
            messages = client.messages(SID)
            await asyncio.gather(*(write(messages, start) for start, *_ in writes))

    run(play())
    assert len(counted) >= len(writes)
    assert most_in_a_second(counted) <= allowed


@settings(deterministic, max_examples=50)
@given(allowed=st.integers(1, 3), data=st.data())
def test_who_is_cut_off_blocks_nobody(allowed: int, data: st.DataObject) -> None:
    """Writes leave in the order of their calls, some of which are cancelled, or end: all others get there."""
    callers = data.draw(st.integers(1, 15), label="callers")
    fates = data.draw(
        st.lists(st.sampled_from(["go", "go", "cancel", "late"]), min_size=callers, max_size=callers)
    )
    whens = data.draw(
        st.lists(
            st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0]), min_size=callers, max_size=callers
        )
    )

    async def play() -> None:
        loop = asyncio.get_running_loop()
        api = Api(at_once)
        retry = RetryPolicy(total_timeout=1e6)
        async with talking(api, limits=Limits(per_service=allowed), retry=retry) as client:
            pool = await client._session._connections.pool()
            tasks = []
            for number, (fate, when) in enumerate(zip(fates, whens, strict=True)):
                view = client
                if fate == "late":
                    view = client.with_options(retry=RetryPolicy(total_timeout=when + 0.25))
                tasks.append(asyncio.create_task(view.conversations.delete(f"{number:02}")))
                if fate == "cancel":  # in the very moment in which places are given back, mostly
                    loop.call_later(when, tasks[-1].cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert pool.limiter is not None
            await asyncio.sleep(1.5)
            assert len(pool.limiter._lanes) == 0  # a lane in which nobody is left is forgotten
        for fate, result in zip(fates, results, strict=True):
            assert result is None or (fate, type(result)) in {
                ("cancel", asyncio.CancelledError),
                ("late", RequestTimeoutError),
            }
        came = [name for _, name, _ in api.came]
        assert came == sorted(came)
        assert len(came) == sum(result is None for result in results)
        # as many as can, in each second
        assert [round(when - 1000) for _, _, when in api.came] == [
            place // allowed for place in range(len(came))
        ]

    run(play())


def test_lanes_do_not_wait_for_each_other() -> None:
    """Conversations, services and accounts have a lane each, in which a second call waits a second."""

    async def play() -> None:
        api = Api(at_once)
        limits = Limits(per_conversation=1, per_service=1)
        async with talking(api, limits=limits) as client:
            view = client.with_options(account_sid=OTHER_ACCOUNT, auth_token="x")
            key = client.with_options(account_sid=ACCOUNT_SID, api_key="SK1", api_secret="x", timeout=9)
            calls: list[tuple[int, Callable[[], Coroutine[Any, Any, object]]]] = [
                (0, client.messages(SID).create),
                (1, client.participants(SID).create),
                (2, lambda: client.conversations.update(SID, friendly_name="x")),
                (3, lambda: key.service("IS1").messages(SID).delete("IM1")),
                (4, lambda: client.chat.service("IS1").messages(SID).create()),
                (0, client.messages("another").create),
                (0, view.messages(SID).create),
                (0, client.conversations.create),
                (1, lambda: client.users.create(identity="x")),
                (2, lambda: client.conversations.delete(SID)),
                (3, lambda: key.users.delete("x")),
                (0, view.conversations.create),
                (0, client.service("IS1").conversations.create),
                (1, lambda: client.chat.service("IS1").users.delete("x")),
                (0, lambda: client.webhooks(SID).delete("WH1")),
                (0, lambda: client.webhooks(SID).delete("WH1")),
                (0, lambda: client.conversations.fetch(SID)),
                (0, lambda: client.conversations.fetch(SID)),
            ]
            start = asyncio.get_running_loop().time()

            async def time(call: Callable[[], Coroutine[Any, Any, object]]) -> float:
                await call()
                return asyncio.get_running_loop().time() - start

            times = await asyncio.gather(*(time(call) for _, call in calls))
            assert [round(each, 6) for each in times] == [seconds for seconds, _ in calls]

    run(play())


@pytest.mark.parametrize("limits", [None, Limits(per_conversation=None, per_service=None)])
def test_without_limits(limits: Limits | None) -> None:
    """None is no limit, for the client or for a field."""

    async def play() -> None:
        async with talking(Api(at_once), limits=limits) as client:
            await asyncio.gather(*(client.messages(SID).create() for _ in range(100)))
            await asyncio.gather(*(client.conversations.create() for _ in range(100)))
            assert asyncio.get_running_loop().time() == 1000

    run(play())


def test_borrowed_sessions_are_limited() -> None:
    """Limits hold over a session of the caller's, too; ``from_env`` takes them."""

    async def play() -> None:
        api = Api(at_once)
        with api.installed(), pytest.MonkeyPatch.context() as environment:
            environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
            environment.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            async with aiohttp.ClientSession() as session:
                client = ConversationsClient.from_env(session=session, limits=Limits(per_service=2))
                await asyncio.gather(*(client.conversations.create() for _ in range(5)))
        assert [round(when - 1000) for *_, when in api.came] == [0, 0, 1, 1, 2]

    run(play())


def test_a_turn_that_does_not_come() -> None:
    """The wait ends with the total time, in an error that says what it was; nothing was sent."""

    async def play() -> None:
        api = Api(at_once)
        retry = RetryPolicy(total_timeout=60)
        async with talking(api, limits=Limits(per_service=1), retry=retry, timeout=5) as client:
            results = await asyncio.gather(
                *(client.conversations.create() for _ in range(70)), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, Exception)]
            assert results[-len(failed) :] == failed
            assert len(api.came) == 70 - len(failed) == 60
            error = failed[0]
            assert isinstance(error, RequestTimeoutError)
            assert (error.sent, error.ambiguous, error.attempts) == (False, False, 0)
            assert (error.method, error.path) == ("POST", "/v1/Conversations")
            assert "its turn did not come within 60 s: more writes than limits allow" in str(error)
            # the time of an attempt is for the attempt
            assert asyncio.get_running_loop().time() == pytest.approx(1060)

    run(play())


@pytest.mark.parametrize("status", [429, 503])
def test_each_attempt_waits_for_its_turn(status: int) -> None:
    """A retry leaves in its turn, and one whose turn does not come tells what is known of those before."""

    async def play() -> None:
        statuses = iter([status, 200, 200, status])

        async def handle(_: str, __: str) -> int:
            return next(statuses)

        api = Api(handle)
        retry = RetryPolicy(total_timeout=2.5, base_delay=0)
        async with talking(api, limits=Limits(per_service=1), retry=retry) as client:
            await asyncio.gather(client.conversations.delete("a"), client.conversations.delete("b"))
            assert [(name, round(when - 1000)) for _, name, when in api.came] == [
                ("a", 0),
                ("b", 1),
                ("a", 2),
            ]
            hasty = client.with_options(retry=RetryPolicy(total_timeout=1.5, base_delay=0))
            with pytest.raises(RequestTimeoutError) as caught:
                await hasty.conversations.delete("c")
        error = caught.value
        assert (error.sent, error.ambiguous, error.attempts) == (True, status == 503, 1)
        assert isinstance(error.__cause__, APIError)
        assert error.__cause__.status == status

    run(play())


def test_closing_ends_the_wait() -> None:
    """Whoever waits for a turn when the client is closed hears of it at once."""

    async def play() -> None:
        api = Api(at_once)
        async with talking(api, limits=Limits(per_service=1)) as client:
            tasks = [asyncio.create_task(client.conversations.create()) for _ in range(3)]
            await asyncio.sleep(0.5)
            await client.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(api.came) == 1
        closed = [result for result in results[1:] if type(result) is TransportError]
        assert len(closed) == 2
        assert not any(error.sent for error in closed)
        assert all("closed" in str(error) for error in closed)
        assert asyncio.get_running_loop().time() == 1000.5

    run(play())


@pytest.mark.parametrize("steps", range(6))
def test_closing_in_the_moment_of_a_turn(steps: int) -> None:
    """Whose turn comes while the client is closed sends nothing more, or succeeds."""

    async def play() -> None:
        api = Api(at_once)
        async with talking(api, limits=Limits(per_service=1)) as client:
            lane = (await client._session._connections.pool()).limiter
            assert lane is not None
            places = lane.lane(ACCOUNT_SID, "POST", "/v1/Conversations")
            assert places is not None
            await places.acquire()
            task = asyncio.create_task(client.conversations.create())
            await asyncio.sleep(0.5)
            places.release()
            for _ in range(steps):
                await asyncio.sleep(0)
            await client.close()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(result, BaseException):
                assert isinstance(result, TransportError)
                assert not api.came
                assert not places.locked()
            else:
                assert len(api.came) == 1
            assert steps or isinstance(result, TransportError)

    run(play())


def test_a_timeout_around_a_wait() -> None:
    """``asyncio.timeout`` around a call ends its wait for a turn as it ends anything else."""

    async def play() -> None:
        api = Api(at_once)
        async with talking(api, limits=Limits(per_service=1)) as client:
            await client.conversations.create()
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.5):
                    await client.conversations.create()
            assert not isinstance(caught.value, ConversationsError)
            await client.conversations.create()
            assert [round(when - 1000, 6) for *_, when in api.came] == [0, 1]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(play())


async def cancel_at(turn: int) -> bool:
    """Cancel a write in a turn of the loop, and say whether it took so many; the next must get a place."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Waitless)
    turns = count(1)
    api = Api(at_once)
    async with talking(api, limits=Limits(per_service=1), max_connections=1) as client:
        await client.conversations.create()
        task = asyncio.create_task(client.conversations.create())
        loop.on_turn = lambda: next(turns) == turn and task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        loop.on_turn = lambda: None
        cancelled = isinstance(result, asyncio.CancelledError)
        # a second after the first one, or, if the other has left, after that
        await client.conversations.create()
        assert [round(when - 1000, 6) for *_, when in api.came] == list(range(len(api.came)))
        assert len(api.came) in ((2, 3) if cancelled else (3,))
        assert await free_slots(client) == 1
        await asyncio.sleep(1.5)
        limiter = (await client._session._connections.pool()).limiter
        assert limiter is not None
        assert len(limiter._lanes) == 0
        return cancelled


def test_cancelled_at_any_time() -> None:
    """Wherever a write that waits for its turn is cancelled, the next one gets the place."""
    turns = 1
    while run(cancel_at(turns)):
        turns += 1
    assert turns > 3  # before it waits, while it waits, and when it has got its place


def test_an_attempt_that_is_given_up_counts() -> None:
    """Who cancels a write, or loses it, gives its place back a second after: the API may have counted it."""

    async def play() -> None:
        async def handle(_: str, name: str) -> int:
            if name.endswith("hang"):
                await asyncio.sleep(1e6)
            raise aiohttp.ServerDisconnectedError

        api = Api(handle)
        async with talking(api, limits=Limits(per_service=1), timeout=0.25) as client:
            task = asyncio.create_task(client.conversations.delete("hang"))
            await asyncio.sleep(0.125)
            task.cancel()
            for _ in range(2):
                with pytest.raises(TransportError):
                    await client.conversations.create()
        assert [round(when - 1000, 3) for *_, when in api.came] == [0, 1.125, 2.125]

    run(play())


def test_lanes_are_forgotten() -> None:
    """A client that has written to many conversations remembers none of them a second later."""

    async def play() -> None:
        async with talking(Api(at_once), limits=Limits()) as client:
            for number in range(200):
                await client.messages(f"{number}").create(body="x")
            limiter = (await client._session._connections.pool()).limiter
            assert limiter is not None
            assert len(limiter._lanes) == 200
            await asyncio.sleep(1.01)
            assert len(limiter._lanes) == 0

    run(play())


class Hasty(asyncio.SelectorEventLoop):
    """A loop whose time goes twenty times as fast, so that a second is soon over."""

    def __init__(self) -> None:
        super().__init__(_Hurry())

    def time(self) -> float:
        """Tell the time in this loop."""
        return time.monotonic() * 20


class _Hurry(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout if timeout is None else timeout / 20)


async def write_much(emulator: Emulator, limits: Limits | None) -> list[object]:
    """Write more than the API takes in a second to a conversation and a service, and give what came of it."""
    options: dict[str, Any] = {
        "timeout": 1e5,
        "retry": RetryPolicy(total_timeout=1e6, max_attempts=1),
        "limits": limits,
    }
    async with connect(emulator.url, **options) as client, asyncio.timeout(20 * LONG):
        sid = (await client.conversations.create()).sid
        messages = client.messages(sid)
        return await asyncio.gather(
            *(messages.create(body="x") for _ in range(40)),
            *(client.participants(sid).create(identity=f"user {number}") for number in range(30)),
            *(client.conversations.create() for _ in range(40)),
            *(client.users.create(identity=f"somebody {number}") for number in range(30)),
            return_exceptions=True,
        )


def test_the_api_never_refuses() -> None:
    """With ``Limits``, an API with the documented limits refuses nothing, in each second of its own clock."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        async with Emulator(limits=True, clock=lambda: int(loop.time() * 1000)) as emulator:
            results = await write_much(emulator, Limits())
        assert [result for result in results if isinstance(result, Exception)] == []

    with asyncio.Runner(loop_factory=Hasty) as runner:
        runner.run(play())


async def test_the_api_refuses_otherwise() -> None:
    """Without them, the same writes are too many: 30 of each kind get through in a second."""
    async with Emulator(limits=True, clock=lambda: 1_700_000_000_000) as emulator:
        results = await write_much(emulator, None)
    refused = [result for result in results if isinstance(result, RateLimitError)]
    assert len(refused) == 140 - 30 - 29  # the conversation itself was one
    assert {error.code for error in refused} == {50063}


def test_limiters_know_only_their_own() -> None:
    """The lane of a name is one as long as somebody has it, and another one after."""
    limiter = Limiter(Limits(per_conversation=2))
    first = limiter.lane(ACCOUNT_SID, "POST", f"/v1/Conversations/{SID}")
    assert first is limiter.lane(ACCOUNT_SID, "DELETE", f"/v1/Conversations/{SID}/Messages/IM1")
    assert first is not limiter.lane(OTHER_ACCOUNT, "POST", f"/v1/Conversations/{SID}")
    assert len(limiter._lanes) == 1
    del first
    assert len(limiter._lanes) == 0
