"""What the client costs where no request is made: memory, import, and the machinery of streams."""

import asyncio
import gc
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from attrs import frozen

from conversations_async import Message, Page, Stream

from .implementations import DEPRECATED, KINDS, Implementation
from .pages import conversation, page_server, seen
from .report import Result
from .stopwatch import Stopwatch, Times, Unit, side_by_side


def memory(*, long: int) -> Result:
    """Read a very long list, with each implementation in a process of its own."""
    page_size = 1000
    pages = math.ceil(long / page_size)
    table = [["", "at the end", "at the highest"]]
    counts = {"messages": 0}
    with page_server() as (origin, line):
        for kind in KINDS:
            grown = _grow(kind, origin, pages, page_size)
            counts["messages"] += grown.messages
            table.append([kind.name, f"{grown.end:+.1f} MB", f"{grown.peak:+.1f} MB"])
        counts["pages"] = seen(line)["pages"]
    title = f"memory: how much a process grows while it reads {pages * page_size:,} messages"
    return Result(f"{title}, {page_size:,} a page", table, counts)


@frozen
class _Growth:
    """How many megabytes a process has grown while it read so many messages."""

    messages: int
    end: float
    peak: float


def _grow(implementation: type[Implementation], origin: str, pages: int, page_size: int) -> _Growth:
    """Read a list in a process of its own, and measure how that grows.

    What counts is memory that is resident, as the system sees it; nothing is traced meanwhile. It is compared
    with what it was after twenty pages, when all code is loaded and the first garbage collected.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_read, args=(there, implementation, origin, pages, page_size), daemon=True)
    child.start()
    there.close()
    try:
        growth: _Growth = here.recv()
    finally:
        child.join()
    return growth


def _read(
    pipe: Connection, implementation: type[Implementation], origin: str, pages: int, page_size: int
) -> None:
    async def read() -> _Growth:
        async with implementation(origin) as client:
            await client.stream(conversation(min(pages, 20)), page_size)
            gc.collect()
            before, _ = _resident()
            tally = await client.stream(conversation(pages), page_size)
            end, peak = _resident()
        return _Growth(tally.count, end - before, peak - before)

    # a parent that takes warnings for errors hands that down to this process
    for beginning in DEPRECATED:
        warnings.filterwarnings("ignore", beginning, DeprecationWarning)
    pipe.send(asyncio.run(read()))


def _resident() -> tuple[float, float]:
    """Give the megabytes of this process that are resident, and their highest; nan but on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan"), float("nan")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1000, int(lines["VmHWM"].split()[0]) / 1000


#: Each is run in an interpreter that has imported aiohttp, but for the first.
_IMPORTS: Final = {
    "import aiohttp": ("", "import aiohttp"),
    "import conversations_async": ("import aiohttp", "import conversations_async"),
    "from conversations_async import ConversationsClient": (
        "import aiohttp",
        "from conversations_async import ConversationsClient",
    ),
    "from twilio.rest import Client": ("import aiohttp", "from twilio.rest import Client"),
}


def imports(*, imports: int) -> Result:
    """Import the client, and others, in interpreters of their own whose byte code is cached."""
    times: Times = {name: [] for name in _IMPORTS}
    with tempfile.TemporaryDirectory() as cache:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for number in range(imports + 1):
            for name, (before, statement) in _IMPORTS.items():
                code = f"{before}\nimport time; start = time.process_time()\n{statement}\n"
                code += "print(time.process_time() - start)"
                done = subprocess.run(  # noqa: S603  # the code is that above
                    (sys.executable, "-c", code), env=environment, check=True, capture_output=True, text=True
                )
                if number:  # the first time fills the cache
                    times[name].append(float(done.stdout))
    names = [[f"`{name}`" + (", after aiohttp" if before else "")] for name, (before, _) in _IMPORTS.items()]
    table = side_by_side([[""], *names], Unit(1000, "ms").columns(times, "CPU", "import aiohttp"))
    counts = {"interpreters": (imports + 1) * len(_IMPORTS)}
    return Result(f"import: byte code cached, {imports} interpreters each, in turn", table, counts)


def generator(*, rounds: int, items: int) -> Result:
    """Iterate over pages that are in memory: what a stream adds to a plain loop."""
    table = [["", "items a page", "an item", "over the plain loop", "least and most"]]
    counts = {"items": 0}
    for page_size in (50, 1000):
        pages = max(items // page_size, 1)
        messages = [Message(sid=f"IM{index:032x}", index=index) for index in range(page_size)]
        ready = [
            Page(
                items=messages,
                index=number,
                page_size=page_size,
                cursor=f"/v1/x?Page={number + 1}" if number + 1 < pages else None,
                next_page_url="there is one" if number + 1 < pages else None,
            )
            for number in range(pages)
        ]
        watch = Stopwatch()
        names = ("plain loop", "bare asynchronous generator", "stream, read_ahead=0", "stream, read_ahead=1")
        expected = pages * sum(range(page_size))
        with asyncio.Runner() as runner:
            for name in watch.turns(names, rounds):
                total = runner.run(_walk(name, ready))
                if total != expected:
                    raise RuntimeError(f"not all items came from {name}: {total}")
                counts["items"] += pages * page_size
        unit = Unit(1e9 / (pages * page_size), "ns", 0)
        over = {
            name: [one - plain for one, plain in zip(watch.cpu[name], watch.cpu[names[0]], strict=True)]
            for name in names
        }
        table += [
            [
                name,
                f"{page_size:,}",
                unit.median(watch.cpu, name),
                unit.median(over, name),
                unit.spread(over, name),
            ]
            for name in names
        ]
    return Result(f"generator: {items:,} items of pages in memory, {rounds} rounds", table, counts)


async def _walk(name: str, pages: Sequence[Page[Message]]) -> int:
    total = 0
    if name == "plain loop":
        for page in pages:
            for message in page.items:
                total += message.index or 0
        return total
    items: AsyncIterator[Message] | Stream[Message] = _items(pages)
    if name.startswith("stream"):
        left = iter(pages)

        async def read(_: str) -> Page[Message]:
            return next(left)

        items = Stream(read, "/v1/x", read_ahead=int(name[-1]), key="sid")
    async for message in items:
        total += message.index or 0
    return total


async def _items(pages: Sequence[Page[Message]]) -> AsyncIterator[Message]:
    for page in pages:
        for message in page.items:
            yield message
