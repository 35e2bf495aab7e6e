"""For how long does a page keep the event loop from everything else? The longest step in which it is read."""

import asyncio
import gzip
import json
import math
import multiprocessing
import statistics
import time
from asyncio.events import Handle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final
from unittest.mock import patch

from attrs import field, frozen

from conversations_async import ConversationsClient, ConversationsError, RetryPolicy

from .loopback import ACCOUNT_SID, AUTH_TOKEN, beside, pin, process, spare_core
from .pages import encoded, expect, message
from .report import Result
from .stopwatch import Stopwatch, Times, Unit

#: What makes the text of a large message: quotes, a line break, and letters beyond ASCII.
_TEXT: Final = 'He said: "Ahoy, Zoë!"\n\tAnd then he said it again, for the whole of the crew 🙂. '
_SERVICE: Final = "IS" + "e" * 32


@frozen
class Case:
    """An answer, and how many messages are read out of it: none, if it is refused."""

    name: str
    body: bytes
    messages: int
    status: int = 200
    legacy: bool = False
    packed: bytes | None = field(default=None)

    def answer(self) -> bytes:
        """Write it."""
        body = self.packed or self.body
        encoding = "Content-Encoding: gzip\r\n" if self.packed else ""
        head = f"HTTP/1.1 {self.status} Whatever\r\nContent-Type: application/json\r\n{encoding}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def cases(items: int, size: int) -> list[Case]:
    """Make pages of so many messages: usual ones, and such as are so many bytes together."""
    usual = [message(index) for index in range(items)]
    share = max(size // items, 1)
    large = [_filled(each, "body", _TEXT, share) for each in usual]
    attributes = [_filled(each, "attributes", '{"mood": "good"}, ', share) for each in usual]
    legacy = [_legacy(each) for each in usual]
    legacy_large = [_filled(each, "body", _TEXT, share) for each in legacy]
    page = _page(large)
    refused = b'{"code": 20500, "message": "%s"}' % (b"Ahoy! " * (size // 6))
    return [
        Case("usual messages", _page(usual), items),
        Case("one of them is odd", _page([*usual[:-1], _odd(usual[-1])]), items),
        Case("all of them are odd", _page(list(map(_odd, usual))), items),
        Case("one of them cannot be read", _page([*usual[:-1], usual[-1] | {"index": "7"}]), 0),
        Case("usual messages of the legacy API", _page(legacy), items, legacy=True),
        Case("large messages", page, items),
        Case("… packed with gzip", page, items, packed=gzip.compress(page, 6)),
        Case("… all but ASCII escaped", json.dumps(json.loads(page)).encode(), items),
        Case("… with half an emoji", page.replace("🙂".encode(), rb"\ud83d", 1), items),
        Case("… of the legacy API", _page(legacy_large), items, legacy=True),
        Case("… one of them is odd", _page([*large[:-1], _odd(large[-1])]), items),
        Case("… all of them are odd", _page(list(map(_odd, large))), items),
        Case("… cut off", page[:-1], 0),
        Case("large attributes", _page(attributes), items),
        Case("an error as large", refused, 0, status=500),
        Case("a web page as large", b"<html>" + b"Ahoy! " * (size // 6), 0),
    ]


def _page(messages: list[dict[str, Any]]) -> bytes:
    return encoded({"messages": messages, "meta": {"key": "messages", "page": 0, "page_size": len(messages)}})


def _filled(each: dict[str, Any], name: str, text: str, size: int) -> dict[str, Any]:
    """Let a message be of about so many bytes."""
    missing = max(size - len(encoded(each)), 0)
    times = math.ceil(missing / (len(encoded(text)) - 2))
    return each | {name: f"[{(text * times).rstrip(', ')}]" if name == "attributes" else text * times}


def _odd(each: dict[str, Any]) -> dict[str, Any]:
    """Put in what msgspec does not take: null in a mapping."""
    return each | {"links": {**(each["links"] or {}), "tomorrow": None}}


def _legacy(each: dict[str, Any]) -> dict[str, Any]:
    """Make a message of the legacy API: ``from`` is a word of Python's, and cannot be a field's name."""
    common = {
        name: each[name] for name in ("sid", "account_sid", "attributes", "index", "date_created", "url")
    }
    more = {
        "service_sid": _SERVICE,
        "to": "CH1",
        "channel_sid": "CH1",
        "from": each["author"],
        "type": "text",
    }
    return common | more | {"body": each["body"] or "", "was_edited": False, "media": None, "links": None}


def serve_cases(pipe: Connection, core: int | None, *, items: int, size: int) -> None:
    """Serve the answers until the pipe brings a word."""
    pin(core)
    answers = [case.answer() for case in cases(items, size)]

    async def serve() -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    number = head.partition(b"?")[0].split(b"/")[-2]
                    writer.write(answers[int(number)])
                    await writer.drain()
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.to_thread(pipe.recv)
        server.close()

    asyncio.run(serve())


@contextmanager
def watched() -> Iterator[list[tuple[float, float]]]:
    """Note the CPU and the wall-clock seconds of every step of every event loop meanwhile."""
    found: list[tuple[float, float]] = []
    run = Handle._run  # noqa: SLF001  # there is no other place to stand

    def timed(self: Handle) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            run(self)
        finally:
            found.append((time.thread_time() - cpu, time.perf_counter() - wall))

    with patch.object(Handle, "_run", timed):
        yield found


async def _read(client: ConversationsClient, case: Case, number: int) -> int:
    """Read an answer; give how many messages came of it."""
    scope = client.chat.service(_SERVICE) if case.legacy else client
    try:
        return len(await scope.messages(str(number)).stream(page_size=1000, read_ahead=0).list())
    except ConversationsError:
        return 0


def _connected(origin: str) -> ConversationsClient:
    return ConversationsClient(
        ACCOUNT_SID, AUTH_TOKEN, base_url=origin, retry=RetryPolicy(max_attempts=1, budget=None)
    )


def _first(pipe: Connection, origin: str, count: int) -> None:
    """Read the first page of a process, and tell the longest step."""

    async def read() -> tuple[float, float]:
        async with _connected(origin) as client:
            with watched() as steps:
                messages = await client.messages("0").stream(page_size=1000).list()
        expect(len(messages), count)
        return max(steps)

    pipe.send(asyncio.run(read()))


def _beginnings(origin: str, count: int, rounds: int) -> Iterator[tuple[float, float]]:
    context = multiprocessing.get_context("spawn")
    for _ in range(rounds):
        here, there = context.Pipe()
        child = context.Process(target=_first, args=(there, origin, count), daemon=True)
        child.start()
        there.close()
        try:
            yield here.recv()
        finally:
            child.join()


async def _measure(
    origin: str, subjects: Sequence[Case], rounds: int, counts: dict[str, int]
) -> tuple[Stopwatch, Times, Times]:
    """Read each answer once in a round; give the time of it all, and of its longest step."""
    watch = Stopwatch()
    cpu: Times = {case.name: [] for case in subjects}
    wall: Times = {case.name: [] for case in subjects}
    numbers = {case.name: number for number, case in enumerate(subjects)}
    async with _connected(origin) as client:
        for name in watch.turns(tuple(numbers), rounds):
            case = subjects[numbers[name]]
            with watched() as steps:
                found = await asyncio.create_task(_read(client, case, numbers[name]))
                await asyncio.sleep(0)
            expect(found, case.messages)
            counts["answers"] += 1
            counts["messages"] += found
            cpu[name].append(max(step[0] for step in steps))
            wall[name].append(max(step[1] for step in steps))
    for times in (*cpu.values(), *wall.values()):
        del times[0]  # of the round that warms up
    return watch, cpu, wall


def steps(*, rounds: int, page_items: int, page_bytes: int) -> Result:
    """Read pages of many kinds, and time each step of the event loop."""
    counts = {"answers": 0, "messages": 0}
    subjects = cases(page_items, page_bytes)
    core = spare_core()
    with process(partial(serve_cases, items=page_items, size=page_bytes), core) as origin, beside(core):
        watch, cpu, wall = asyncio.run(_measure(origin, subjects, rounds, counts))
        first = "the first page of a process"
        begun = list(_beginnings(origin, page_items, rounds))
    cpu[first], wall[first] = ([step[part] for step in begun] for part in range(2))
    counts |= {"processes": len(begun)}
    unit = Unit(1000, "ms")
    table = [["", "MB", "longest step, CPU", "fastest and slowest", "wall", "all CPU"]]
    for case in (Case(first, subjects[0].body, 0), *subjects):
        name = case.name
        whole = unit.median(watch.cpu, name) if name in watch.cpu else ""
        size = f"{len(case.body) / 1e6:.2f}"
        table.append(
            [name, size, unit.median(cpu, name), unit.spread(cpu, name), unit.median(wall, name), whole]
        )
    figures = {name: statistics.median(times) * 1000 for name, times in cpu.items()}
    title = f"steps: pages of {page_items:,} messages; large ones have {page_bytes / 1e6:g} MB"
    return Result(f"{title}; {rounds} rounds", table, counts, figures)
