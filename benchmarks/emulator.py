"""How fast is the emulator?

``python -m benchmarks.emulator`` runs everything and prints tables; ``--help`` lists the sizes. Times are the
client's, over sockets on loopback.
"""

import asyncio
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from conversations_async import ConversationsClient
from conversations_async.emulator import Emulator
from conversations_async.emulator.acts import Act
from conversations_async.emulator.store import new_sid

from .loopback import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Line,
    connected,
    process,
    saturate,
    serve_constant,
    serve_emulator,
    spare_core,
)
from .report import Benchmark, Result, command, machine, run


def paging(*, messages: int, page_size: int) -> Result:
    """List one conversation to its end by pages, in both orders."""
    rows: list[tuple[str, ...]] = [
        ("order", "first page", "in the middle", "last", "last / first", "all pages")
    ]
    counts: dict[str, int] = {}
    walks: dict[str, float] = {}
    chosen: list[str] = []
    with Emulator() as emulator, connected(emulator.url) as (line,):
        made = msgspec.json.decode(line.ask(line.request("POST", "/v1/Conversations")))
        began = time.perf_counter()
        # What the API would take a quarter of an hour for goes straight into the tables, in one transaction.
        emulator._engine.perform_now(lambda act: _fill(act, made["sid"], messages))  # noqa: SLF001
        filled = time.perf_counter() - began
        for order in ("asc", "desc"):
            target = f"/v1/Conversations/{made['sid']}/Messages?PageSize={page_size}&Order={order}"
            began = time.perf_counter()
            targets, indexes = _walk(line, target, emulator.url)
            seconds = time.perf_counter() - began
            expected = range(messages)
            counts[f"{order} messages"] = len(indexes)
            counts[f"{order} in their places"] = sum(
                map(int.__eq__, indexes, expected if order == "asc" else reversed(expected))
            )
            counts[f"{order} pages"] = len(targets)
            walks[order] = seconds
            # The last page may be a short one.
            chosen += [targets[0], targets[len(targets) // 2], targets[max(len(targets) - 2, 0)]]
        medians = iter(_alternate(line, chosen))
        for order, seconds in walks.items():
            first, middle, last = (next(medians) for _ in range(3))
            shown = (f"{median * 1000:.2f} ms" for median in (first, middle, last))
            rows.append((order, *shown, f"{last / first:.2f}", f"{seconds:.1f} s"))
    title = f"{messages:,} messages of one conversation by pages of {page_size:,} (filled in {filled:.1f} s)"
    return Result(title, rows, counts)


def _fill(act: Act, conversation: str, messages: int) -> None:
    parent = act.store.get("conversations", sid=conversation)["id"]
    act.store._db.executemany(  # noqa: SLF001  # in one go
        "INSERT INTO messages (sid, parent, created, updated, position, author, body)"
        " VALUES (?, ?, ?, ?, ?, 'system', ?)",
        ((new_sid("IM"), parent, act.now, act.now, i, f"Message {i}") for i in range(messages)),
    )
    act.store.update("conversations", parent, {"next_position": messages})


def _walk(line: Line, target: str | None, origin: str) -> tuple[list[str], list[int]]:
    targets, indexes = [], []
    while target is not None:
        page = msgspec.json.decode(line.ask(line.request("GET", target)))
        targets.append(target)
        indexes += [message["index"] for message in page["messages"]]
        following = page["meta"]["next_page_url"]
        target = following and following.removeprefix(origin)
    return targets, indexes


def _alternate(line: Line, targets: Sequence[str], rounds: int = 31) -> list[float]:
    """Fetch a few pages in turn, so that what else the machine does slows all of them; give the medians."""
    times: dict[str, list[float]] = {target: [] for target in targets}
    for _ in range(rounds):
        for target, each in times.items():
            began = time.perf_counter()
            line.ask(line.request("GET", target))
            each.append(time.perf_counter() - began)
    return [statistics.median(each) for each in times.values()]


def crowd(*, clients: int, conversations: int, writes: int) -> Result:
    """Let many clients write at once, and look whether everything was kept once."""
    with process(serve_emulator) as origin:
        return asyncio.run(_crowd(origin, clients, conversations, writes))


async def _crowd(origin: str, clients: int, conversations: int, writes: int) -> Result:
    async with AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=origin))
            for _ in range(clients)
        ]
        made = [await crowd[0].conversations.create() for _ in range(conversations)]

        async def write(number: int, client: ConversationsClient) -> None:
            for nth in range(writes):
                # each goes round, from a conversation of its own
                conversation = made[(number + nth) % conversations]
                await client.messages(conversation.sid).create(author=f"{number}", body=f"{number}/{nth}")

        start = time.perf_counter()
        await asyncio.gather(*(write(number, client) for number, client in enumerate(crowd)))
        seconds = time.perf_counter() - start
        kept = [await crowd[0].messages(c.sid).stream(page_size=1000).list() for c in made]
    sent = clients * writes
    counts = {
        "sent": sent,
        "kept": sum(map(len, kept)),
        "different": len({message.body for messages in kept for message in messages}),
        "conversations without gaps": sum(
            [message.index for message in messages] == list(range(len(messages))) for messages in kept
        ),
    }
    table = (
        ("clients", "conversations", "messages", "all", "a second"),
        (f"{clients}", f"{conversations}", f"{sent:,}", f"{seconds:.2f} s", f"{sent / seconds:,.0f}"),
    )
    checked = (
        f"kept {counts['kept']:,}, of them different {counts['different']:,}; "
        f"conversations whose indexes have no gaps: {counts['conversations without gaps']}"
    )
    return Result(f"Concurrent clients of this library, in one process ({checked})", table, counts)


def rate(*, requests: int, connections: int, rounds: int) -> Result:
    """Count the simple requests a second that the emulator serves on one core, and a bare aiohttp server."""
    core = spare_core()
    figures: dict[str, list[float]] = {}
    with (
        process(serve_emulator, core) as emulator,
        process(serve_constant, core) as bare,
        connected(emulator, connections) as ours,
        connected(bare, connections) as theirs,
    ):
        one = ours[0]
        made = msgspec.json.decode(one.ask(one.request("POST", "/v1/Conversations")))
        path = f"/v1/Conversations/{made['sid']}"
        form = b"Author=smee&Body=Ahoy"
        kinds = {
            "bare aiohttp: GET": (theirs, theirs[0].request("GET", path)),
            "bare aiohttp: POST": (theirs, theirs[0].request("POST", path, form)),
            "emulator: GET a conversation": (ours, one.request("GET", path)),
            "emulator: POST a message": (ours, one.request("POST", f"{path}/Messages", form)),
        }
        for number in range(rounds + 1):
            for name, (lines, request) in kinds.items():
                figure = saturate(lines, request, requests)
                if number:  # the first round warms up
                    figures.setdefault(name, []).append(figure)
        listed = msgspec.json.decode(one.ask(one.request("GET", f"{path}/Messages?PageSize=1&Order=desc")))
    medians = {name: statistics.median(each) for name, each in figures.items()}
    table = [("one core", "requests a second", "slowest and fastest round", "of bare aiohttp")]
    for name, median in medians.items():
        base = medians["bare aiohttp: " + ("GET" if "GET" in name else "POST")]
        spread = f"{min(figures[name]):,.0f} to {max(figures[name]):,.0f}"
        table.append((name, f"{median:,.0f}", spread, f"{median / base:.2f}"))
    where = "any core" if core is None else "one core"
    title = f"Simple requests: {connections} connections, {rounds} rounds of {requests:,}, server on {where}"
    return Result(title, table, {"messages": listed["messages"][0]["index"] + 1, "rounds": rounds})


def start(*, times: int) -> Result:
    """Start an emulator and end it; and, between the two, reset it."""
    figures: dict[str, list[float]] = {"start": [], "reset": [], "close": []}
    for _ in range(times):
        moments = [time.perf_counter()]
        with Emulator() as emulator:
            moments.append(time.perf_counter())
            emulator.reset()
            moments.append(time.perf_counter())
        moments.append(time.perf_counter())
        for each, before, after in zip(figures.values(), moments, moments[1:], strict=False):
            each.append((after - before) * 1000)
    table: list[tuple[str, ...]] = [("", "median", "slowest")]
    table += [
        (name, f"{statistics.median(each):.1f} ms", f"{max(each):.1f} ms") for name, each in figures.items()
    ]
    title = f"An emulator in a thread of its own, {times} times"
    return Result(title, table, {"times": len(figures["close"])})


BENCHMARKS: Final = {
    "paging": Benchmark(paging, ("messages", "page_size")),
    "crowd": Benchmark(crowd, ("clients", "conversations", "writes")),
    "rate": Benchmark(rate, ("requests", "connections", "rounds")),
    "start": Benchmark(start, ("times",)),
}
SIZES: Final = {
    "messages": 1_000_000,
    "page_size": 1000,
    "clients": 200,
    "conversations": 50,
    "writes": 25,
    "requests": 5000,
    "connections": 8,
    "rounds": 5,
    "times": 20,
}


def main(arguments: Sequence[str]) -> dict[str, Result]:
    """Run the benchmarks that the arguments name, or all."""
    ran_on = f"{machine('aiohttp', 'attrs', 'msgspec')}, SQLite {sqlite3.sqlite_version}"
    parser = command("emulator", str(__doc__), BENCHMARKS, SIZES)
    return run(parser, parser.parse_args(arguments), BENCHMARKS, ran_on)


if __name__ == "__main__":
    main(sys.argv[1:])
