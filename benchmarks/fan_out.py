"""Many lists read as one, over a slow network and over one that answers at once."""

import asyncio
from collections.abc import Sequence
from typing import Final

from conversations_async import ConversationsClient, merge_streams

from .implementations import Tally
from .loopback import ACCOUNT_SID, AUTH_TOKEN, Line
from .pages import conversation, expect, page_server, seen
from .report import Result
from .stopwatch import Stopwatch, Unit, ratio

_PAGE_SIZE: Final = 50
#: Streams that are read at a time; 0 is one after the other, and 100 as many as there are connections.
_CONCURRENCIES: Final = {"one after the other": 0, "10 at a time": 10, "100 at a time": 100}


def fan_out(*, rounds: int, slow_rounds: int, streams: int, stream_pages: int, latency_ms: int) -> Result:
    """Read many lists: one after the other, and merged."""
    table = [["answers", "streams", "requests at once", "wall", "fastest and slowest", "CPU of wall"]]
    table[0] += ["messages a second", "of one after the other"]
    counts, figures = {"pages": 0}, {}
    with page_server() as (origin, line):
        for late, turns in ((latency_ms, slow_rounds), (0, rounds)):
            names = [conversation(stream_pages, latency=late, number=number) for number in range(streams)]
            # one after the other, a tenth of them takes long enough
            lists = {way: names if many or not late else names[::10] for way, many in _CONCURRENCIES.items()}
            watch = Stopwatch()
            at_once = asyncio.run(_measure(origin, line, watch, lists, stream_pages, turns))
            rates = {
                way: [len(lists[way]) * stream_pages * _PAGE_SIZE / seconds for seconds in times]
                for way, times in watch.wall.items()
            }
            for way in lists:
                shares = {"CPU": watch.cpu[way], "wall": watch.wall[way]}
                table.append(
                    [
                        f"{late} ms late" if late else "at once",
                        way,
                        # what is answered as it arrives is never there with another one
                        f"{at_once[way]['at once']}" if late else "",
                        Unit(1, "s", 2).median(watch.wall, way),
                        Unit(1, "s", 2).spread(watch.wall, way),
                        ratio(shares, "CPU", "wall"),
                        Unit(1, "", 0).median(rates, way).strip(),
                        ratio(rates, way, next(iter(lists))),
                    ]
                )
                counts["pages"] += at_once[way]["pages"]
                if late:
                    figures[way] = float(at_once[way]["at once"])
    title = f"fan_out: {streams} lists of {stream_pages} pages of {_PAGE_SIZE}, {rounds} rounds"
    return Result(f"{title}; {slow_rounds} where answers are late", table, counts, figures)


async def _measure(
    origin: str, line: Line, watch: Stopwatch, lists: dict[str, list[str]], pages: int, rounds: int
) -> dict[str, dict[str, int]]:
    """Read all lists, each way in turn; give what the server saw."""
    saw = {way: {"pages": 0, "at once": 0} for way in lists}
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=origin) as client:
        for way in watch.turns(tuple(lists), rounds):
            count = len(lists[way]) * pages
            tally = await _read(client, lists[way], _CONCURRENCIES[way])
            expect(tally, Tally(count * _PAGE_SIZE, count * sum(range(_PAGE_SIZE))))
            asked = seen(line)
            saw[way]["pages"] += asked["pages"]
            saw[way]["at once"] = max(saw[way]["at once"], asked["at once"])
    return saw


async def _read(client: ConversationsClient, lists: Sequence[str], concurrency: int) -> Tally:
    streams = [client.messages(name).stream(page_size=_PAGE_SIZE) for name in lists]
    tally = Tally()
    if concurrency:
        async for message in merge_streams(streams, concurrency=concurrency):
            tally.count += 1
            tally.total += message.index or 0
        return tally
    for stream in streams:
        async for message in stream:
            tally.count += 1
            tally.total += message.index or 0
    return tally
