"""One client in many loops, one after the other and at the same time, of every make; nothing is left open."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import uvloop

from conversations_async import (
    ConversationsClient,
    Limits,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from conversations_async.connections import OwnConnections

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE
from .servers import HANG, Played, Scripted, answer, page

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

FOUND = answer(200, {"sid": CONVERSATION})
ONCE = RetryPolicy(max_attempts=1)
NOT_CLOSED = "a client was not closed: use 'async with', or await client.close()"


@contextmanager
def aside(server: Scripted) -> Iterator[Scripted]:
    """Run a server in a thread of its own, so that it outlives the loops of a test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        wait_for(server.__aenter__())
        try:
            yield server
        finally:
            wait_for(server.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    """Run a server that finds whatever is asked for."""
    with aside(Scripted.of([FOUND])) as running:
        yield running


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is bound to do."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def make(server: Scripted, **options: Any) -> ConversationsClient:
    """Make a client of a server."""
    given: dict[str, Any] = {"retry": ONCE} | options
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, **given)


async def fetch(client: ConversationsClient, *, close: bool = False) -> None:
    """Make one call."""
    assert (await client.conversations.fetch(CONVERSATION)).sid == CONVERSATION
    if close:
        await client.close()


async def fetch_within(client: ConversationsClient) -> None:
    """Make one call of a client that is entered."""
    async with client:
        await fetch(client)


def runner_of(factory: Callable[[], asyncio.AbstractEventLoop] | None) -> Callable[..., Any]:
    """Give what runs a coroutine in a loop of a kind."""

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(work)

    return run


def run_in_anyio(work: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """Run a coroutine by anyio."""

    async def main() -> Any:
        return await work

    return anyio.run(main, backend_options=options)


def run_by_hand(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as programs did before there was ``asyncio.run``."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def eager_loop() -> asyncio.AbstractEventLoop:
    """Make a loop whose tasks run before they are waited for."""
    loop = asyncio.new_event_loop()
    factory: Any = vars(asyncio)["eager_task_factory"]  # since 3.12
    loop.set_task_factory(factory)
    return loop


RUNNERS: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {
    "asyncio": asyncio.run,
    "debug": partial(asyncio.run, debug=True),
    "uvloop": runner_of(uvloop.new_event_loop),
    "uvloop.run": uvloop.run,
    "by hand": run_by_hand,
    "anyio": run_in_anyio,
    "anyio uvloop": partial(run_in_anyio, use_uvloop=True),
}
if sys.version_info >= (3, 12):
    RUNNERS["eager"] = runner_of(eager_loop)


def nothing_is_open(client: ConversationsClient, server: Scripted) -> None:
    """Check that neither side has a connection; one that was forgotten warns when it is collected."""
    until(lambda: not server.connections)
    connections = client._session._connections
    assert isinstance(connections, OwnConnections)
    assert all(loop.is_closed() and pool.session.closed for loop, (_, pool) in connections._pools.items())
    # what has ended is forgotten as soon as another one begins, however many there were
    assert len(connections._pools) <= 1
    del client, connections
    gc.collect()


# ---------------------------------------------------------------------------------------- one after the other


@pytest.mark.parametrize(
    ("how", "run"),
    [
        pytest.param(how, run, id=f"{how}-{name}")
        for how in ("closed", "left", "forgotten", "mixed")
        for name, run in RUNNERS.items()
        if how in ("closed", "forgotten") or name in ("asyncio", "uvloop")
    ],
)
def test_three_runs(how: str, run: Callable[..., Any], server: Scripted) -> None:
    """A client works in one loop after the other, closed or not in between; none of them leaves a trace."""
    client = make(server, max_connections=1)
    for number in range(3):
        if how == "left":
            run(fetch_within(client))
        else:
            run(fetch(client, close=how == "closed" or (how == "mixed" and number == 1)))
        until(lambda: not server.connections)
    assert (len(server.requests), server.most_connections) == (3, 1)
    nothing_is_open(client, server)


def test_loops_of_every_kind(server: Scripted) -> None:
    """One client goes through all kinds of loops, forth and back."""
    client = make(server)
    kinds = [*RUNNERS.values()]
    for run in kinds + kinds[::-1]:
        run(fetch(client))
    assert len(server.requests) == 2 * len(RUNNERS)
    nothing_is_open(client, server)


async def work(client: ConversationsClient) -> list[object]:
    """Do what a program does: reads, writes, lists, uploads, and gives up."""
    seen: list[object] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(fetch(client))
    async for item in client.conversations.stream():
        seen.append(item.sid)
        break
    upload = await client.service(SERVICE).media.upload(b"x" * 300_000, content_type="a/b")
    seen.append(upload.sid)
    call = asyncio.create_task(client.users.fetch("hang"))
    await asyncio.sleep(0.01)
    call.cancel()
    seen.append(type((await asyncio.gather(call, return_exceptions=True))[0]))
    with anyio.move_on_after(0.01) as scope:
        await client.users.fetch("hang")
    seen.append(scope.cancelled_caught)
    with pytest.raises(RequestTimeoutError) as caught:
        await client.with_options(timeout=0.02).users.fetch("hang")
    seen.append(caught.value.sent)
    call = asyncio.create_task(client.users.fetch("hang"))
    await asyncio.sleep(0.01)
    await client.close()
    seen.append(type((await asyncio.gather(call, return_exceptions=True))[0]))
    return seen


@pytest.fixture
def ordinary() -> Iterator[Scripted]:
    """Run a server that answers by what is asked for: users hang, lists have pages."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = running.requests[-1]
        if "Users" in request.target:
            await reader.read()  # until the client gives up
            return
        await reader.readexactly(int(request.headers.get("Content-Length", 0)))
        follow = f"{running.url}/v1/Conversations?Page=1"
        listed = page("conversations", [{"sid": "CH1"}, {"sid": "CH2"}], follow)
        body = listed if "?" in request.target else {"sid": CONVERSATION}
        writer.write(answer(200, body, headers={"Connection": "close"}))

    running = Played(play=play)
    with aside(running):
        yield running


@pytest.mark.parametrize("run", RUNNERS.values(), ids=RUNNERS)
def test_all_works_in_every_kind_of_loop(run: Callable[..., Any], ordinary: Scripted) -> None:
    """Calls, lists, uploads, cancellation, time-outs and closing are the same in each, and in the next."""
    client = make(ordinary)
    for _ in range(2):
        assert run(work(client)) == [
            "CH1",
            CONVERSATION,
            asyncio.CancelledError,
            True,
            True,
            TransportError,
        ]
    nothing_is_open(client, ordinary)


def test_what_one_loop_left_waiting_does_not_hold_up_the_next() -> None:
    """Connections, turns and slots are a loop's own: who did not come to an end has taken none of another."""
    with aside(Scripted.of([HANG, FOUND])) as server:
        client = make(server, max_connections=1, limits=Limits(per_service=1), timeout=60)

        async def abandon() -> None:
            calls = [asyncio.create_task(client.conversations.create()) for _ in range(3)]
            await asyncio.to_thread(until, lambda: len(server.requests) == 1)
            assert not any(call.done() for call in calls)

        async def create() -> None:
            async with asyncio.timeout(10):
                await client.conversations.create()

        asyncio.run(abandon())
        uvloop.run(create())
        asyncio.run(create())
        assert len(server.requests) == 3
        nothing_is_open(client, server)


def test_a_loop_that_stands_still_holds_up_no_other() -> None:
    """A loop that is stopped with calls on their way keeps its connections, and goes on later."""
    with aside(Scripted.of([HANG, FOUND])) as server:
        client = make(server, max_connections=1, timeout=60)
        loop = asyncio.new_event_loop()
        call = loop.create_task(client.conversations.fetch(CONVERSATION))
        while not server.requests:
            loop.run_until_complete(asyncio.sleep(0.001))
        asyncio.run(fetch(client))
        assert not call.done()
        loop.run_until_complete(client.close())
        with pytest.raises(TransportError, match="closed meanwhile"):
            loop.run_until_complete(call)
        loop.close()
        nothing_is_open(client, server)


def test_a_loop_that_was_closed_badly_does_not_matter(server: Scripted) -> None:
    """After a loop that never shut down, the client works in the next one; Python reports the sockets."""
    program = """
import asyncio, sys
from tests.conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from conversations_async import ConversationsClient
client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=sys.argv[1])
loop = asyncio.new_event_loop()
loop.run_until_complete(client.conversations.fetch(CONVERSATION))
loop.close()
async def main():
    await client.conversations.fetch(CONVERSATION)
    await client.close()
asyncio.run(main())
print("done")
"""
    # in a process of its own, for the sake of the warnings that are due when it ends
    ended = run_program(program, server.url)
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert len(server.requests) == 2


def run_program(program: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    command = [sys.executable, *options, "-c", program, url]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # our own program


# ------------------------------------------------------------------------------------------- at the same time


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread, and give what they give; an error of one is raised."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(work) for work in works]]


@pytest.mark.parametrize("runs", [("asyncio", "asyncio"), ("asyncio", "uvloop"), ("uvloop", "uvloop")])
def test_two_loops_at_the_same_time(runs: tuple[str, str]) -> None:
    """Each loop has connections and slots of its own: both have a call on its way, and may have one."""
    both = threading.Barrier(2, timeout=10)

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(both.wait)
        writer.write(FOUND)

    with aside(Played(play=play)) as server:
        client = make(server, max_connections=1, timeout=30)
        in_threads(*(partial(RUNNERS[run], fetch_within(client)) for run in runs))
        assert server.most_connections == len(server.requests) == 2
        nothing_is_open(client, server)


@pytest.mark.parametrize("other", ["asyncio", "uvloop"])
def test_closing_in_one_loop_leaves_the_other_alone(other: str, server: Scripted) -> None:
    """While one thread opens and closes, and its loops come and go, the calls of another all succeed."""
    client = make(server, max_connections=2)
    ended = threading.Event()

    async def call() -> int:
        calls = 0
        async with client:
            while not ended.is_set() or calls < 50:
                await asyncio.gather(*(fetch(client) for _ in range(4)))
                calls += 4
        return calls

    def come_and_go() -> None:
        try:
            for number in range(12):
                RUNNERS[other](fetch(client, close=number % 2 == 0))
        finally:
            ended.set()

    calls, _ = in_threads(lambda: asyncio.run(call()), come_and_go)
    assert len(server.requests) == calls + 12
    nothing_is_open(client, server)


def test_all_threads_share_the_budget() -> None:
    """Retries on credit are those of the client: in four loops there are no more of them than in one."""
    with aside(Scripted.of([answer(503)])) as server:
        client = make(server, retry=RetryPolicy(max_attempts=5, base_delay=0, budget=10))

        async def fail() -> None:
            async with client:
                for _ in range(25):
                    with pytest.raises(ServerError):
                        await fetch(client)

        in_threads(*[lambda: asyncio.run(fail())] * 4)
        assert 110 <= len(server.requests) <= 100 + 10 + 100 / 5
        nothing_is_open(client, server)


def test_a_view_in_another_loop(server: Scripted) -> None:
    """A view uses the connections that its client has in the loop that runs."""
    client = make(server)
    view = client.with_options(timeout=3)

    async def both() -> None:
        await fetch(view)
        await fetch(client, close=True)

    in_threads(*[lambda: asyncio.run(both())] * 2)
    assert len(server.requests) == 4
    assert server.most_connections <= 2
    nothing_is_open(client, server)


# ------------------------------------------------------------------------------------------ what is forgotten


async def test_a_forgotten_client_warns() -> None:
    """A client that is collected while its connections are open says so, and they are closed."""
    async with Scripted.of([FOUND]) as server:
        client = make(server)
        await fetch(client)
        clients = [client]
        del client
        with pytest.warns(ResourceWarning, match=re.escape(NOT_CLOSED)):
            clients.clear()
        async with asyncio.timeout(10):
            while server.connections:  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0.001)


async def test_who_opened_nothing_forgets_nothing() -> None:
    """A client that was never used, or that was closed, is collected in silence; so is a view."""
    async with Scripted.of([FOUND]) as server:
        client = make(server)
        await fetch(client, close=True)
        view: Any = client.with_options(timeout=1)
        del client
        del view
        make(server)
        gc.collect()


def test_the_warning_says_where_the_client_was_made(server: Scripted) -> None:
    """With ``-X tracemalloc``, the line that made the forgotten client is shown."""
    program = """
import asyncio, sys, tracemalloc
from conversations_async import ConversationsClient

tracemalloc.start(20)  # as -X tracemalloc=20 does, but only now: to import all that with it takes long

def make_the_client():
    return ConversationsClient("AC" + "a" * 32, "not-a-real-" + "token", base_url=sys.argv[1])

async def main():
    client = make_the_client()
    await client.conversations.fetch("CH1")
    del client

asyncio.run(main())
"""
    ended = run_program(program, server.url, "-W", "always")
    assert ended.returncode == 0, ended.stderr
    assert f"ResourceWarning: {NOT_CLOSED}" in ended.stderr
    assert 'File "<string>", lineno 8' in ended.stderr
    assert 'File "<string>", lineno 11' in ended.stderr
    assert "not-a-real-token" not in ended.stderr


# --------------------------------------------------------------------------------------- copies and processes


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_has_no_copies(duplicate: Callable[[Any], Any], server: Scripted) -> None:
    """Neither pickling nor copying takes credentials elsewhere; the error says what to do."""
    client = make(server)
    for each in client, client.with_options(timeout=1):
        with pytest.raises(TypeError, match=r"cannot be copied or pickled.*with_options") as caught:
            duplicate(each)
        assert AUTH_TOKEN not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_has_connections_of_its_own(server: Scripted) -> None:
    """After ``os.fork``, a new loop in the child opens its own; the parent's stay as they are."""
    program = """
import asyncio, os, sys
from tests.conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from conversations_async import ConversationsClient
client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=sys.argv[1], max_connections=1)

async def work():
    async with client:
        await client.conversations.fetch(CONVERSATION)

loop = asyncio.new_event_loop()
loop.run_until_complete(client.conversations.fetch(CONVERSATION))
child = os.fork()
if not child:
    code = 1
    try:
        asyncio.run(work())
        asyncio.run(work())
        code = 0
    finally:
        os._exit(code)
_, status = os.waitpid(child, 0)
loop.run_until_complete(client.conversations.fetch(CONVERSATION))
loop.run_until_complete(client.close())
loop.close()
print(status)
"""
    ended = run_program(program, server.url, "-W", "error")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")
    assert (len(server.requests), server.most_connections) == (4, 2)
    until(lambda: not server.connections)
