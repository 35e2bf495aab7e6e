"""How fast is the client, and how fast are others?

``python -m benchmarks.client`` runs everything, prints tables, and draws a chart; ``--help`` lists the sizes.
All clients speak to a page server in another process, over sockets on loopback.
"""

import asyncio
import math
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from . import chart
from .fan_out import fan_out
from .footprint import generator, imports, memory
from .implementations import KINDS, NAMES, Bare, Implementation, Ours, Tally
from .pages import conversation, expect, page_server, seen
from .report import Benchmark, Result, command, machine, run
from .steps import steps
from .stopwatch import Stopwatch, Unit, ratio, side_by_side

LIBRARIES: Final = ("aiohttp", "attrs", "cattrs", "msgspec", "orjson", "twilio", "uvloop", "aiodns", "brotli")
PAGE_SIZES: Final = (50, 100, 1000)
#: The event loops that there are.
LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {"asyncio": asyncio.new_event_loop}
with suppress(ImportError):  # it is for CPython on Unix
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

Work = Callable[[Implementation], Awaitable[None]]


@asynccontextmanager
async def opened(*clients: Implementation) -> AsyncIterator[dict[str, Implementation]]:
    """Open implementations, and close them at the end; they go by their names."""
    async with AsyncExitStack() as stack:
        yield {client.name: await stack.enter_async_context(client) for client in clients}


# ---------------------------------------------------------------------------------------- what they are to do


async def read(
    client: Implementation, *, pages: int, page_size: int, latency: int = 0, pause: float = 0
) -> None:
    """Read a list to its end."""
    tally = await client.stream(conversation(pages, latency=latency), page_size, pause=pause)
    expect(tally, Tally(pages * page_size, pages * sum(range(page_size))))


async def fetch_each(client: Implementation, *, calls: int) -> None:
    """Read messages, one after the other."""
    for sid in _sids(calls):
        expect(await client.fetch(sid), client.fetched)


async def fetch_all(client: Implementation, *, calls: int) -> None:
    """Read messages, all at once."""
    expect(await client.crowd(_sids(calls)), [client.fetched] * calls)


async def create_each(client: Implementation, *, calls: int) -> None:
    """Create messages, one after the other."""
    for _ in range(calls):
        expect(await client.create(), client.fetched)


def _sids(count: int) -> list[str]:
    # all different, as they are in life: addresses that come again are parsed but once
    return [f"IM{number:032x}" for number in range(count)]


async def take_turns(
    origin: str, kinds: Sequence[type[Implementation]], rounds: int, work: Work
) -> Stopwatch:
    """Let each implementation do the same, once in a round."""
    watch = Stopwatch()
    async with opened(*(kind(origin) for kind in kinds)) as clients:
        for name in watch.turns(tuple(clients), rounds):
            await work(clients[name])
    return watch


# --------------------------------------------------------------------------------------------- the benchmarks


def stream(*, rounds: int, messages: int) -> Result:
    """Read a long list, by pages of several sizes."""
    table: list[list[str]] = []
    figures = {}
    with page_server() as (origin, line):
        for page_size in PAGE_SIZES:
            pages = math.ceil(messages / page_size)
            work = partial(read, pages=pages, page_size=page_size)
            watch = asyncio.run(take_turns(origin, KINDS, rounds, work))
            unit = Unit(1e6 / (pages * page_size), "µs", 2)
            rows = side_by_side(
                [["", "messages a page"], *([name, f"{page_size:,}"] for name in NAMES)],
                unit.columns(watch.cpu, "CPU a message", "official", "dicts"),
                unit.columns(watch.wall, "wall a message", "official", "dicts"),
            )
            table += rows[1:] if table else rows
            for name, times in watch.cpu.items():
                figures[f"{name} {page_size}"] = statistics.median(times) * unit.scale
        counts = {"pages": seen(line)["pages"]}
    return Result(f"stream: {messages:,} messages, {rounds} rounds", table, counts, figures)


def fetch(*, rounds: int, calls: int) -> Result:
    """Read single messages, one after the other."""
    with page_server() as (origin, line):
        watch = asyncio.run(take_turns(origin, (Bare, *KINDS), rounds, partial(fetch_each, calls=calls)))
        counts = {"fetches": seen(line)["fetches"]}
    columns = Unit(1e6 / calls, "µs").columns(watch.cpu, "CPU a call", "official", "dicts", Bare.name)
    table = side_by_side([[""], *([name] for name in watch.cpu)], columns)
    return Result(f"fetch: {calls:,} calls one after the other, {rounds} rounds", table, counts)


def create(*, rounds: int, calls: int) -> Result:
    """Create messages, one after the other."""
    with page_server() as (origin, line):
        watch = asyncio.run(take_turns(origin, KINDS, rounds, partial(create_each, calls=calls)))
        counts = {"creates": seen(line)["creates"]}
    columns = Unit(1e6 / calls, "µs").columns(watch.cpu, "CPU a call", "official", "dicts")
    table = side_by_side([[""], *([name] for name in NAMES)], columns)
    return Result(f"create: {calls:,} calls one after the other, {rounds} rounds", table, counts)


def crowd(*, rounds: int, concurrent: int) -> Result:
    """Read many messages at once."""
    with page_server() as (origin, line):
        watch = asyncio.run(take_turns(origin, (Bare, *KINDS), rounds, partial(fetch_all, calls=concurrent)))
        counts = {"fetches": seen(line)["fetches"]}
    unit = Unit(1000, "ms")
    table = side_by_side(
        [[""], *([name] for name in watch.wall)],
        unit.columns(watch.wall, "wall", "official", "dicts"),
        unit.columns(watch.cpu, "CPU", "official", "dicts"),
    )
    title = f"crowd: {concurrent:,} fetches at once over 100 connections, {rounds} rounds"
    return Result(title, table, counts)


def latency(*, slow_rounds: int, latency_pages: int, latency_ms: int) -> Result:
    """Read a list over a slow network, and take little time for its pages, or much."""
    page_size = 50
    watches: dict[str, Stopwatch] = {}

    async def measure(origin: str) -> None:
        ours = {f"ours, read_ahead={depth}": Ours(origin, depth) for depth in (0, 1, 2)}
        clients = {name: kind(origin) for name, kind in zip(NAMES[:-1], KINDS[:-1], strict=True)} | ours
        async with opened(*clients.values()):
            for consumer, pause in (("fast", 0.0), ("slow", latency_ms / 1000)):
                watches[consumer] = Stopwatch()
                for name in watches[consumer].turns(tuple(clients), slow_rounds):
                    size = {"pages": latency_pages, "page_size": page_size}
                    await read(clients[name], **size, latency=latency_ms, pause=pause)

    with page_server() as (origin, line):
        asyncio.run(measure(origin))
        counts = {"pages": seen(line)["pages"]}
    unit, bases = Unit(1, "s", 2), ("official", "ours, read_ahead=0")
    table = side_by_side(
        [[""], *([name] for name in watches["fast"].wall)],
        unit.columns(watches["fast"].wall, "consumer that takes no time", *bases),
        unit.columns(watches["slow"].wall, f"consumer that takes {latency_ms} ms a page", *bases),
    )
    title = f"latency: {latency_pages} pages of {page_size}, each {latency_ms} ms late"
    return Result(f"{title}; wall, {slow_rounds} rounds", table, counts)


def loops(*, rounds: int, messages: int, calls: int, concurrent: int) -> Result:
    """Do the same in asyncio's event loop and in uvloop's."""
    pages = math.ceil(messages / 50)
    works: dict[str, tuple[Callable[[Implementation], Any], int]] = {
        "stream, a message": (partial(read, pages=pages, page_size=50), pages * 50),
        "fetch, a call": (partial(fetch_each, calls=calls), calls),
        "crowd, a call": (partial(fetch_all, calls=concurrent), concurrent),
    }
    tables = [[[""], *([name] for name in NAMES)]]
    with page_server() as (origin, line), ExitStack() as stack:
        clients: dict[str, tuple[asyncio.Runner, Implementation]] = {}
        for loop, factory in LOOPS.items():
            runner = stack.enter_context(asyncio.Runner(loop_factory=factory))
            for kind in KINDS:
                client: Implementation = kind(origin)
                runner.run(client.open())
                stack.callback(_close, runner, client)
                clients[f"{kind.name} {loop}"] = runner, client
        for what, (work, count) in works.items():
            watch, unit = Stopwatch(), Unit(1e6 / count, "µs")
            for subject in watch.turns(tuple(clients), rounds):
                runner, client = clients[subject]
                runner.run(work(client))
            tables.append([[f"{what}: {loop}" for loop in LOOPS] + ["ratio"] * (len(LOOPS) - 1)])
            for name in NAMES:
                row = [unit.median(watch.cpu, f"{name} {loop}") for loop in LOOPS]
                others = [loop for loop in LOOPS if loop != "asyncio"]
                row += [ratio(watch.cpu, f"{name} {loop}", f"{name} asyncio") for loop in others]
                tables[-1].append(row)
        asked = seen(line)
    counts = {kind: asked[kind] for kind in ("pages", "fetches")}
    return Result(f"loops: CPU with {' and '.join(LOOPS)}, {rounds} rounds", side_by_side(*tables), counts)


def _close(runner: asyncio.Runner, client: Implementation) -> None:
    runner.run(client.close())


BENCHMARKS: Final = {
    "stream": Benchmark(stream, ("rounds", "messages")),
    "fetch": Benchmark(fetch, ("rounds", "calls")),
    "create": Benchmark(create, ("rounds", "calls")),
    "crowd": Benchmark(crowd, ("rounds", "concurrent")),
    "latency": Benchmark(latency, ("slow_rounds", "latency_pages", "latency_ms")),
    "fan_out": Benchmark(fan_out, ("rounds", "slow_rounds", "streams", "stream_pages", "latency_ms")),
    "memory": Benchmark(memory, ("long",)),
    "import": Benchmark(imports, ("imports",)),
    "generator": Benchmark(generator, ("rounds", "items")),
    "steps": Benchmark(steps, ("rounds", "page_items", "page_bytes")),
    "loops": Benchmark(loops, ("rounds", "messages", "calls", "concurrent")),
}
SIZES: Final = {
    "rounds": 15,
    "messages": 20_000,
    "calls": 500,
    "concurrent": 1000,
    "slow_rounds": 3,
    "latency_pages": 10,
    "latency_ms": 100,
    "streams": 100,
    "stream_pages": 3,
    "long": 1_000_000,
    "imports": 21,
    "items": 200_000,
    "page_items": 1000,
    "page_bytes": 5_000_000,
}


def main(arguments: Sequence[str]) -> dict[str, Result]:
    """Run the benchmarks that the arguments name, or all, and draw what was measured of ``stream``."""
    parser = command("client", str(__doc__), BENCHMARKS, SIZES)
    usual = Path(__file__).with_name("chart.svg")
    parser.add_argument(
        "--chart", type=Path, help="where the chart of 'stream' goes; if all is run, benchmarks/chart.svg"
    )
    chosen = parser.parse_args(arguments)
    if chosen.chart and chosen.which and "stream" not in chosen.which:
        parser.error("--chart needs stream")
    target = chosen.chart or (None if chosen.which else usual)
    if target and (target.is_dir() or not target.parent.is_dir()):
        parser.error(f"--chart must name a file in a folder that is there, and is {target}")
    ran_on = machine(*LIBRARIES)
    results = run(parser, chosen, BENCHMARKS, ran_on)
    if target and "stream" in results:
        drawn = chart.draw(results["stream"].figures, NAMES, PAGE_SIZES, ran_on)
        target.write_text(drawn, encoding="utf-8")
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
