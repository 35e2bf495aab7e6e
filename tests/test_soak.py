"""Many calls at a time while all goes wrong that can: nothing stays behind, and nothing is lost.

``pytest tests/test_soak.py --soak 100000`` makes so many calls, and a quarter more requests. The emulator is
a process of its own, so that what grows in this one is the client's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import signal
import subprocess
import sys
import threading
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from enum import IntEnum
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest
from attrs import define, field, frozen

from conversations_async import (
    ConversationsClient,
    ConversationsError,
    MergeError,
    NotFoundError,
    Order,
    RetryPolicy,
    merge_streams,
)

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .raw import Api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import aiohttp

    from conversations_async.resources.messages import MessageRepository

#: Each hits one request in so many; the first that does is the only one.
FAULTS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "refused": (100, {"status": 429}),
    "refused for a time": (100, {"status": 429, "retry_after": 0.02}),
    "failed before": (150, {"status": 500}),
    "failed after": (150, {"status": 503, "after": True}),
    "reset before": (150, {"reset": "before"}),
    "reset during": (150, {"reset": "during"}),
    "reset after": (150, {"reset": "after"}),
    "truncated": (150, {"body": "truncated"}),
    "malformed": (150, {"body": "malformed"}),
    "drip": (200, {"drip": 0.001}),
    "late": (100, {"latency": 0.03}),
    "late answer": (100, {"latency": 0.03, "after": True}),
}
ROOMS: Final = tuple(f"room-{number}" for number in range(8))
#: How many calls are under way at a time, and over how many connections.
WORKERS, CONNECTIONS = 60, 20
#: Seconds that no call takes, whatever the machine: they are there to end a test that hangs.
HANGING: Final = 60
#: How many bytes, and how many of Python's blocks, the process may have more at the end, however many calls
#: were made: a heap is never quite what it was. A leak of 100 bytes a call is 10 MB after 100,000, and one of
#: an object a call is 3,000 blocks after 3,000.
GROWTH, BLOCKS = 5_000_000, 2_000


class Fate(IntEnum):
    """What a message must have come to on the server."""

    UNUSED = 0
    #: It may be there, and may not: the call was cancelled, or its failure is ambiguous.
    UNSURE = 1
    #: It is there, as the last update left it.
    KEPT = 2
    #: It is there, and the last update may have been carried out.
    ALTERED = 3
    ABSENT = 4


@frozen
class Level:
    """What the process has at a time when nothing is under way."""

    memory: int
    blocks: int
    files: int
    threads: int

    @classmethod
    async def measure(cls) -> Level:
        """Wait until all tasks have ended, collect garbage, and look."""
        async with asyncio.timeout(HANGING):
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)  # for what garbage has left to the loop
        process = psutil.Process()
        return cls(
            memory=process.memory_info().rss,
            blocks=sys.getallocatedblocks(),
            files=process.num_fds(),
            threads=threading.active_count(),
        )


@define
class Soak:
    """Calls at random, and what each must have led to. It takes no memory that grows with them."""

    url: str
    #: Calls that will be made at the most.
    size: int
    random: random.Random = field(factory=partial(random.Random, 7))
    #: Of each message, by its number.
    fates: bytearray = field(init=False)
    versions: array[int] = field(init=False)
    #: Messages to read and change; what is being changed is not among them.
    known: deque[tuple[int, str]] = field(factory=partial(deque[tuple[int, str]], maxlen=200))
    #: What has happened how often.
    seen: Counter[str] = field(factory=Counter)
    _numbers: Iterator[int] = field(factory=count)

    def __attrs_post_init__(self) -> None:
        self.fates = bytearray(b"\xff" * self.size)  # written, so that the memory is there from the start
        self.fates[:] = bytes(self.size)
        self.versions = array("H", self.fates + self.fates)

    def client(self) -> ConversationsClient:
        """Make a client."""
        retry = RetryPolicy(max_attempts=3, base_delay=0.002, max_delay=0.02, total_timeout=20)
        return ConversationsClient(
            ACCOUNT_SID,
            AUTH_TOKEN,
            base_url=self.url,
            retry=retry,
            timeout=10,
            max_connections=CONNECTIONS,
        )

    async def run(self, calls: int) -> None:
        """Make so many calls with a client that is new, and closed at the end."""
        left = iter(range(calls))

        async def work(client: ConversationsClient) -> None:
            for _ in left:
                async with asyncio.timeout(HANGING):
                    await self._call(client)

        async with self.client() as client, asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work(client))

    async def _call(self, client: ConversationsClient) -> None:
        acts: dict[Callable[[ConversationsClient], Awaitable[None]], int] = {
            self.create: 30,
            self.fetch: 25,
            self.update: 8,
            self.delete: 6,
            self.read: 8,
            self.abandon: 8,
            self.merge: 2,
            self.miss: 2,
            self.reopen: 1,
        }
        (act,) = self.random.choices(tuple(acts), tuple(acts.values()))
        if self.random.random() < 0.05:
            client = client.with_options(timeout=self.random.uniform(0.001, 0.02))
        call = act(client)
        failure = await settled(self.cancel(call) if self.random.random() < 0.1 else call)
        if failure is not None:
            self.seen[type(failure).__name__] += 1
            assert act in {self.create, self.update, self.delete} or not failure.ambiguous
            if isinstance(failure, MergeError):
                assert all(isinstance(one, ConversationsError) for one in failure.exceptions)

    def _somewhere(self, client: ConversationsClient) -> MessageRepository:
        return client.messages(self.random.choice(ROOMS))

    async def create(self, client: ConversationsClient) -> None:
        """Add a message."""
        number = next(self._numbers)
        self.fates[number] = Fate.UNSURE  # for ever, if the call is cancelled
        try:
            message = await client.messages(room(number)).create(
                author="smee", body=f"{number} 0", attributes={"number": number}
            )
        except ConversationsError as error:
            if not error.ambiguous:
                self.fates[number] = Fate.ABSENT
            raise
        assert message.body == f"{number} 0"
        self.fates[number] = Fate.KEPT
        self.known.append((number, message.sid))

    async def fetch(self, client: ConversationsClient) -> None:
        """Read a message; it may be deleted meanwhile."""
        if not self.known:
            return
        number, sid = self.random.choice(self.known)
        try:
            message = await client.messages(room(number)).fetch(sid)
        except NotFoundError:
            assert self.fates[number] in {Fate.UNSURE, Fate.ABSENT}
            raise
        assert message.body is not None
        assert message.body.startswith(f"{number} ")

    async def miss(self, client: ConversationsClient) -> None:
        """Read a message that never was."""
        await self._somewhere(client).fetch("IM" + "0" * 32)
        raise AssertionError

    async def update(self, client: ConversationsClient) -> None:
        """Change a message that nobody else changes now, and count its versions."""
        if not self.known:
            return
        number, sid = self.known.popleft()
        version = self.versions[number] + 1
        self.fates[number] = Fate.ALTERED
        try:
            message = await client.messages(room(number)).update(sid, body=f"{number} {version}")
        except ConversationsError as error:
            if not error.ambiguous:
                self.fates[number] = Fate.KEPT
                self.known.append((number, sid))
            raise
        assert message.body == f"{number} {version}"
        self.fates[number] = Fate.KEPT
        self.versions[number] = version
        self.known.append((number, sid))

    async def delete(self, client: ConversationsClient) -> None:
        """Delete a message that nobody else changes now."""
        if not self.known:
            return
        number, sid = self.known.popleft()
        self.fates[number] = Fate.UNSURE
        try:
            await client.messages(room(number)).delete(sid)
        except ConversationsError as error:
            if not error.ambiguous:
                self.fates[number] = Fate.KEPT
                self.known.append((number, sid))
            raise
        self.fates[number] = Fate.ABSENT

    async def read(self, client: ConversationsClient) -> None:
        """Read a few pages; every message of them comes once, in its order."""
        order = self.random.choice(tuple(Order))
        stream = self._somewhere(client).stream(
            order=order, page_size=10, limit=self.random.randrange(1, 60), read_ahead=self.random.randrange(5)
        )
        indexes = [message.index or 0 async for message in stream]
        assert indexes == sorted(set(indexes), reverse=order is Order.DESC)

    async def abandon(self, client: ConversationsClient) -> None:
        """Read a few messages, and leave the rest, in one of the ways that there are."""
        stream = self._somewhere(client).stream(page_size=5, read_ahead=self.random.randrange(5))
        few = self.random.randrange(12)
        match self.random.randrange(4):
            case 0:
                await some(aiter(stream), few)  # the rest is garbage
            case 1:
                async with aclosing(aiter(stream)) as messages:
                    await some(messages, few)
            case 2:
                await some(messages := aiter(stream), few)
                await stream.aclose()
            case _:
                await anext(stream.pages(), None)
        self.seen["abandoned"] += 1

    async def merge(self, client: ConversationsClient) -> None:
        """Read several lists at once, and perhaps not to their ends."""
        streams = [self._somewhere(client).stream(page_size=10, limit=20) for _ in range(4)]
        await some(aiter(merge_streams(streams, concurrency=3)), self.random.choice((5, 100)))

    async def reopen(self, _: ConversationsClient) -> None:
        """Open a client, close it while it is busy, and open it again."""
        client = self.client()
        async with client:
            busy = asyncio.create_task(settled(self.fetch(client)))
            await asyncio.sleep(self.random.choice((0, 0.002)))
        async with client:
            failure = await busy
            await self.fetch(client)
        self.seen["closed while busy"] += failure is not None and "closed" in str(failure)

    async def cancel(self, act: Awaitable[None]) -> None:
        """Cancel a call after a moment, unless it is done by then."""
        task = asyncio.ensure_future(act)
        await asyncio.sleep(self.random.choice((0, 0.001, 0.005, 0.02)) * self.random.random())
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            self.seen["cancelled"] += 1
        else:
            task.result()


def room(number: int) -> str:
    """Say which conversation a message is in."""
    return ROOMS[number % len(ROOMS)]


async def some(messages: Any, few: int) -> None:
    """Read so many."""
    left = few
    async for _ in messages:
        left -= 1
        if left < 0:
            break


async def settled(call: Awaitable[None]) -> ConversationsError | None:
    """Wait for a call, and give the error that it may have raised."""
    try:
        await call
    except ConversationsError as error:
        return error
    return None


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """Run an emulator in a process of its own, with rooms and faults; give its origin."""
    faults = [{**fault, "probability": 1 / often} for often, fault in FAULTS.values()]
    (folder / "faults.json").write_text(json.dumps(faults), encoding="utf-8")
    seed = {"conversations": [{"unique_name": name} for name in ROOMS]}
    (folder / "seed.json").write_text(json.dumps(seed), encoding="utf-8")
    files = ("--seed", str(folder / "seed.json"), "--faults", str(folder / "faults.json"))
    command = (sys.executable, "-m", "conversations_async", "emulator", "--port", "0", *files)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # it is ours
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(HANGING) == 0


async def listed(url: str) -> dict[int, list[int]]:
    """Read what is there: the versions of each message, by its number."""
    found: dict[int, list[int]] = {}
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url) as client:
        for name in ROOMS:
            async for message in client.messages(name).stream(page_size=1000):
                number, version = map(int, (message.body or "").split())
                assert room(number) == name
                found.setdefault(number, []).append(version)
    return found


def allowed(fate: Fate, version: int) -> tuple[list[int], ...]:
    """Say what may be there of a message: its version, once, or nothing."""
    nothing: list[int] = []
    ways: dict[Fate, tuple[list[int], ...]] = {
        Fate.UNUSED: (nothing,),
        Fate.UNSURE: (nothing, [version]),
        Fate.KEPT: ([version],),
        Fate.ALTERED: ([version], [version + 1]),
        Fate.ABSENT: (nothing,),
    }
    return ways[fate]


@pytest.mark.skipif(sys.platform == "win32", reason="there are neither file descriptors nor SIGTERM")
async def test_nothing_grows_and_nothing_is_lost(
    tmp_path: Path,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    pytestconfig: pytest.Config,
) -> None:
    """After many calls, memory, files, threads and tasks are as before, and the data is what was told."""
    # pytest would keep what is logged
    caplog.set_level(logging.CRITICAL, logger="conversations_async")
    calls: int = pytestconfig.option.soak
    warming = min(1000 + calls // 10, 10_000)
    with emulator(tmp_path) as url:
        soak = Soak(url, warming + calls)
        await soak.run(warming)
        before = await Level.measure()
        await soak.run(calls)
        after = await Level.measure()
        assert after.memory - before.memory < GROWTH
        assert after.blocks - before.blocks < BLOCKS
        assert after.files <= before.files
        assert after.threads <= before.threads

        api = Api(session, url)
        faults = (await api.get("/emulator/faults")).body
        await api.delete("/emulator/faults")
        found = await listed(url)
    for number, fate in enumerate(map(Fate, soak.fates)):
        assert found.get(number, []) in allowed(fate, soak.versions[number]), (number, fate)
    # all of it has happened
    assert all(fault["hits"] for fault in faults)
    assert set(soak.fates) == set(Fate)
    assert soak.seen.keys() >= {
        *("cancelled", "abandoned", "closed while busy"),
        *("RequestTimeoutError", "TransportError", "ServerError", "DecodeError", "NotFoundError"),
    }
