"""The benchmarks run, and what they time is what they say."""

from __future__ import annotations

import gc
import json
import platform
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import aiohttp
import attrs
import pytest

from benchmarks import (
    chart,
    client,
    emulator,
    footprint,
    instructions,
    pages,
    portions,
    stopwatch,
    webhooks,
)
from benchmarks.implementations import (
    AUTHOR,
    BODY,
    DEPRECATED,
    KINDS,
    Bare,
    Implementation,
    Official,
    Ours,
    Tally,
)
from benchmarks.loopback import ACCOUNT_SID, AUTH_TOKEN, connected, saturate
from benchmarks.report import Result, machine
from conversations_async import Message, NotFoundError
from conversations_async.emulator import Emulator

from .servers import Scripted, answer, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: What the official client uses is no concern of this project.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{beginning}:DeprecationWarning") for beginning in DEPRECATED
]

TINY_EMULATOR = (
    *("--messages=23", "--page-size=5"),
    *("--clients=4", "--conversations=3", "--writes=5"),
    *("--requests=10", "--connections=2", "--rounds=2"),
    "--times=1",
)
TINY_CLIENT = (
    *("--rounds=1", "--messages=1000", "--calls=3", "--concurrent=5"),
    *("--slow-rounds=1", "--latency-pages=2", "--latency-ms=1"),
    *("--long=2000", "--imports=1", "--items=2000", "--streams=3", "--stream-pages=2"),
    *("--page-items=10", "--page-bytes=20000"),
)

TINY_INSTRUCTIONS = ("--calls=2", "--messages=100", "--operations=2")
TINY_WEBHOOKS = ("--rounds=2", "--events=120")

#: How many event loops there are to compare.
LOOPS = len(client.LOOPS)

#: What each benchmark must have counted at these sizes; in all rounds, also in the one that warms up.
EMULATOR = {
    "paging": {
        f"{order} {what}": count
        for order in ("asc", "desc")
        for what, count in {"messages": 23, "in their places": 23, "pages": 5}.items()
    },
    "crowd": {"sent": 20, "kept": 20, "different": 20, "conversations without gaps": 3},
    # the round that warms up, and two more
    "rate": {"messages": 30, "rounds": 2},
    "start": {"times": 1},
}
CLIENT = {
    # two rounds of four implementations, by 50, by 100 and by 1,000 a page
    "stream": {"pages": 2 * 4 * (20 + 10 + 1)},
    # and the bare GET
    "fetch": {"fetches": 2 * 5 * 3},
    "create": {"creates": 2 * 4 * 3},
    "crowd": {"fetches": 2 * 5 * 5},
    # six clients, each with two consumers
    "latency": {"pages": 2 * 6 * 2 * 2},
    # three ways to read them, in two rounds; slowly only one of the three streams where it is one at a time
    "fan_out": {"pages": 2 * 2 * (1 + 3 + 3) + 2 * 2 * 3 * 3},
    # and as many pages again before anything is measured
    "memory": {"messages": 2 * 2000, "pages": 2 * 2 * 2},
    "import": {"interpreters": 2 * 2},
    "generator": {"items": 2 * 4 * 2 * 2000},
    # sixteen kinds of answers in two rounds; four are refused, and the others have ten messages
    "steps": {"answers": 2 * 16, "messages": 2 * 12 * 10, "processes": 1},
    # two rounds of four implementations in each loop
    "loops": {"pages": 2 * 4 * 20 * LOOPS, "fetches": 2 * 4 * (3 + 5) * LOOPS},
}
#: Each portion is done, and once more twice as often.
INSTRUCTIONS = {
    "fetch": {"fetches": 5 * (2 + 4)},
    # by 50 and by 1,000 a page
    "stream": {"pages": 5 * (2 + 4) + 5 * (1 + 2)},
    "layers": {"fetches": 4 * (2 + 4)},
    "parts": {"parts": 12, "requests": 0},
}
#: The round that warms up, and two more.
WEBHOOKS = {"small": dict.fromkeys(webhooks.WORK, 3 * 120)}


@pytest.fixture(autouse=True)
def no_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the benchmarks that run in this process from the collector: they would unfreeze all tests."""
    for name in "collect", "freeze", "unfreeze":
        monkeypatch.setattr(gc, name, lambda: None)


@pytest.fixture(autouse=True)
def few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes for two implementations and two imports, not for all: it is the same work again."""
    monkeypatch.setattr(footprint, "KINDS", (Ours, Official))
    monkeypatch.setattr(footprint, "_IMPORTS", dict([*footprint._IMPORTS.items()][:2]))


def looks_right(result: Result, printed: str) -> None:
    """Check a table: it was printed, and all its rows are as long as the first."""
    assert str(result) in printed
    assert len({len(row) for row in result.table}) == 1


@pytest.mark.parametrize("name", EMULATOR)
def test_a_benchmark_of_the_emulator_counts_what_it_did(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A benchmark of the emulator runs at any size, counts what came out, and prints a table."""
    results = emulator.main((name, *TINY_EMULATOR))
    assert {name: result.counts for name, result in results.items()} == {name: EMULATOR[name]}
    looks_right(results[name], capsys.readouterr().out)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_benchmark_of_webhooks_counts_what_it_did(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark of webhooks counts each event that every implementation took, and prints a table."""
    results = webhooks.main((name, *TINY_WEBHOOKS))
    assert {name: result.counts for name, result in results.items()} == {name: WEBHOOKS[name]}
    looks_right(results[name], capsys.readouterr().out)


def test_a_webhook_that_fails_is_not_counted() -> None:
    """A request that is refused, or not handled, ends a measurement."""
    one = webhooks.make(0)
    forged = attrs.evolve(one, form={**one.form, "Body": "Ho"}, body=one.body.replace(b"=Hi", b"=Ho"))
    assert [work([one]) for work in webhooks.WORK.values()] == [1] * len(webhooks.WORK)
    assert [work([forged]) for work in (webhooks.official, webhooks.verify, webhooks.decode)] == [0, 0, 0]
    with pytest.raises(RuntimeError, match="403 came, and 200 was sent"):
        webhooks.receive([forged])


@pytest.mark.parametrize("name", CLIENT)
def test_a_benchmark_of_the_client_counts_what_it_did(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A benchmark of the client makes the requests that it says it makes, and prints a table."""
    drawn = (f"--chart={tmp_path / 'chart.svg'}",) if name == "stream" else ()
    results = client.main((name, *TINY_CLIENT, *drawn))
    assert {name: result.counts for name, result in results.items()} == {name: CLIENT[name]}
    looks_right(results[name], capsys.readouterr().out)
    assert (tmp_path / "chart.svg").exists() == (name == "stream")


def test_fan_out_counts_requests_at_once() -> None:
    """One stream after the other has one request on its way, and merged ones at most one for each stream."""
    figures = client.main(("fan_out", *TINY_CLIENT))["fan_out"].figures
    assert figures["one after the other"] == 1
    assert all(1 <= figure <= 3 for figure in figures.values())


def test_no_benchmark_is_left_out() -> None:
    """Every benchmark that there is runs here."""
    assert set(client.BENCHMARKS) == set(CLIENT)
    assert set(emulator.BENCHMARKS) == set(EMULATOR)
    assert set(instructions.BENCHMARKS) == set(INSTRUCTIONS)
    assert set(webhooks.BENCHMARKS) == set(WEBHOOKS)


@pytest.mark.parametrize("module", [client, emulator, instructions, webhooks])
def test_a_benchmark_that_is_not_there(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark that there is not is refused with the names of those that there are."""
    with pytest.raises(SystemExit):
        module.main(("speed",))
    assert f"there is no speed; there are {', '.join(module.BENCHMARKS)}" in capsys.readouterr().err


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_are_the_difference_of_two_counts(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion is done so often, and twice as often; what both have in common is in no figure."""

    def count(program: Sequence[str], _: float) -> int:
        assert program[:2] == ("-m", "benchmarks.portions")
        portions.main(program[2:])
        return 1_000_000 + 7000 * int(program[4])

    monkeypatch.setattr(instructions, "valgrind", lambda: "valgrind")
    monkeypatch.setattr(instructions, "count", count)
    results = instructions.main((name, *TINY_INSTRUCTIONS))
    assert {name: result.counts for name, result in results.items()} == {name: INSTRUCTIONS[name]}
    # of a stream, those of a page are shown for each of its messages
    assert set(results[name].figures.values()) == ({140, 7} if name == "stream" else {7000})
    looks_right(results[name], capsys.readouterr().out)


def test_layers_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each layer it is said how much it adds to the one inside it."""
    figures = dict(zip(portions.TABLES["layers"], (300_000.0, 360_000.0, 380_000.0, 379_000.0), strict=True))
    monkeypatch.setattr(instructions, "measure", lambda *_: (figures, {"fetches": 0}))
    table = instructions.layers(calls=1, seconds=1).table
    assert [row[1:] for row in table[1:]] == [
        ["300,000", ""],
        ["360,000", "+60,000"],
        ["380,000", "+20,000"],
        ["379,000", "-1,000"],
    ]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--rounds=0", "argument --rounds: must be a whole number of at least 1, and is 0"),
        ("--messages=-5", "argument --messages: must be a whole number of at least 1, and is -5"),
        ("--chart=/nowhere/chart.svg", "--chart must name a file in a folder that is there"),
        ("--chart=/", "--chart must name a file in a folder that is there"),
        ("--rounds=some", "argument --rounds: must be a whole number of at least 1, and is some"),
    ],
)
def test_a_size_or_place_that_makes_no_sense(
    argument: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before anything is measured."""
    with pytest.raises(SystemExit):
        client.main(("stream", argument))
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_instructions_need_valgrind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no valgrind, the command says so and fails, and prints no table."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="there is no such program here: install valgrind"):
        instructions.main(("parts", *TINY_INSTRUCTIONS))
    assert "###" not in capsys.readouterr().out


def test_a_count_is_read_from_what_callgrind_prints() -> None:
    """The count is the one that callgrind has collected; where there is none, what it said is shown."""
    said = "==7== Events    : Ir\n==7== Collected : 134202375\n==7==\n==7== I   refs:      134,202,375\n"
    assert instructions.collected(said) == 134_202_375
    with pytest.raises(RuntimeError, match=r"no count:\n==7== Events    : Ir$"):
        instructions.collected(said.partition("\n")[0])


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in the place of valgrind: it takes the same options, and does not count."""
    program = tmp_path / "valgrind"
    program.write_text(
        "#!/bin/sh\nshift 2\necho '==7== Collected : 12345' >&2\nexec \"$@\"\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_a_process_that_fails_is_no_figure(counter: None) -> None:
    """A process that fails, or is not done in time, is an error that says what it said last."""
    assert instructions.count(("-m", "benchmarks.portions", "parts", "`Call`", "2", ""), 60) == 12345
    with pytest.raises(
        RuntimeError, match=r"(?s)^-m benchmarks.portions parts speed 2 .* status 1:\n.*KeyError"
    ):
        instructions.count(("-m", "benchmarks.portions", "parts", "speed", "2", ""), 60)
    with pytest.raises(RuntimeError, match=r"sleep\(60\) was not done within 0.1 s"):
        instructions.count(("-c", "import time; time.sleep(60)"), 0.1)


def test_processes_are_alike(counter: None) -> None:
    """What is counted hashes strings as any other does, and leaves no byte code behind."""
    check = "import os, sys; assert os.environ['PYTHONHASHSEED'] == '0' and sys.dont_write_bytecode"
    assert instructions.count(("-c", check), 60) == 12345


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="there is no valgrind here")
def test_valgrind_counts() -> None:
    """Under valgrind, start-up drops out, and an empty loop takes a few instructions each time."""
    size = 100_000

    def count(size: int) -> int:
        return instructions.count(("-S", "-c", f"for _ in range({size}): pass"), 60)

    with ThreadPoolExecutor() as executor:
        once, twice = executor.map(count, (size, 2 * size))
    assert 1 < instructions.each(once, twice, size) < 10_000


def test_the_machine_is_named() -> None:
    """What ran the benchmarks is named with the versions of libraries, also of one that is not there."""
    ran_on = machine("aiohttp", "no-such-library")
    assert f", aiohttp {version('aiohttp')}, no-such-library (not installed)" in ran_on
    assert f"{platform.python_implementation()} {platform.python_version()}" in ran_on


def test_the_chart_holds_the_figures() -> None:
    """The chart is well-formed XML, with every figure, implementation and page size, and what it ran on."""
    figures = {"theirs 50": 12.34, "ours <&> 50": 6.17, "theirs 1000": 9.99, "ours <&> 1000": 1.0}
    root = ET.fromstring(chart.draw(figures, ("theirs", "ours <&>"), (50, 1000), "a & b, c"))  # noqa: S314  # ours
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for shown in (
        "12.3",
        "6.2",
        "10.0",
        "1.0",
        "theirs",
        "ours <&>",
        "50 messages a page",
        "1,000 messages a page",
    ):
        assert shown in texts
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    widths = [float(bar.attrib["width"]) for bar in bars]
    # shown to a tenth of a unit
    assert [width / widths[0] for width in widths] == pytest.approx(
        [figure / 12.34 for figure in figures.values()], abs=0.001
    )
    assert [bar.attrib["class"] for bar in bars] == ["bar", "ours", "bar", "ours"]
    assert all(float(bar.attrib["x"]) + width < 720 for bar, width in zip(bars, widths, strict=True))


def test_rounds_take_turns() -> None:
    """All have a turn in every round, in many orders, and the round that warms up does not count."""
    watch = stopwatch.Stopwatch()
    turns = list(watch.turns("abc", 19))
    orders = ["".join(turns[start : start + 3]) for start in range(0, len(turns), 3)]
    assert len(orders) == 20
    assert {"".join(sorted(order)) for order in orders} == {"abc"}
    assert len(set(orders)) == 6
    assert {name: len(times) for name, times in watch.cpu.items()} == dict.fromkeys("abc", 19)
    assert {name: len(times) for name, times in watch.wall.items()} == dict.fromkeys("abc", 19)


def test_a_ratio_is_one_of_neighbours() -> None:
    """Rounds are compared with the same round of the other, so that a slow minute does not count."""
    times = {"ours": [1.0, 20.0, 3.0], "theirs": [2.0, 40.0, 1.0]}
    assert stopwatch.ratio(times, "ours", "theirs") == "0.50"
    unit = stopwatch.Unit(1000, "ms", 0)
    assert unit.columns(times, "wall", "theirs") == [
        ["wall", "fastest and slowest", "of theirs"],
        ["3,000 ms", "1,000 to 20,000", "0.50"],
        ["2,000 ms", "1,000 to 40,000", "1.00"],
    ]


def scripted_list(origin: str) -> list[bytes]:
    """Make the answers to whoever reads a list of three messages, in two pages."""
    link = f"{origin}/v1/Conversations/two-pages/Messages?PageSize=2&Page=1&PageToken=PT1"
    first = page("messages", [pages.message(0), pages.message(1)], link)
    return [answer(200, first), answer(200, page("messages", [pages.message(2)]))]


@pytest.mark.parametrize("kind", KINDS)
async def test_implementations_do_the_same(kind: type[Implementation]) -> None:
    """Every implementation makes the same requests, with credentials, and reads every message once."""
    async with (
        Scripted.of([answer(200, pages.ONE), answer(201, pages.ONE)]) as server,
        kind(server.url) as one,
    ):
        server.script += scripted_list(server.url)
        assert await one.fetch("IM1") == one.fetched
        assert await one.create() == one.fetched
        assert await one.stream("two-pages", 2) == Tally(count=3, total=0 + 1 + 2)
    fetched, created, *listed = server.requests
    place = f"/v1/Conversations/{pages.conversation()}/Messages"
    assert (fetched.method, fetched.target) == ("GET", f"{place}/IM1")
    assert (created.method, created.target) == ("POST", place)
    form = dict(parse_qsl(created.body.decode()))
    assert json.loads(form.pop("Attributes")) == {"importance": "high"}
    assert form == {"Author": AUTHOR, "Body": BODY}
    place = "/v1/Conversations/two-pages/Messages?PageSize=2"
    assert [request.target for request in listed] == [place, f"{place}&Page=1&PageToken=PT1"]
    credentials = aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)
    assert {request.headers["Authorization"] for request in server.requests} == {credentials}


async def test_the_bare_get_is_the_same_request() -> None:
    """The bare GET sends the headers of our own fetch but for the client's name, and reads the same bytes."""
    async with (
        Scripted.of([answer(200, pages.ONE)]) as server,
        Bare(server.url) as bare,
        Ours(server.url) as ours,
    ):
        assert await bare.fetch("IM1") == bare.fetched == len(pages.ONE)
        assert await ours.fetch("IM1") == pages.INDEX
    theirs, own = server.requests
    assert theirs.target == own.target
    assert set(theirs.headers) == set(own.headers)
    assert {name for name, value in theirs.headers.items() if own.headers[name] != value} == {"User-Agent"}


async def test_the_page_server_serves_lists_of_any_length() -> None:
    """A list has as many pages as its name says, each answer as many messages as were asked for."""
    with pages.page_server() as (origin, line):
        async with Ours(origin) as ours:
            listed = [
                each async for each in ours.client.messages(pages.conversation(3)).stream(page_size=7).pages()
            ]
            assert [len(each.items) for each in listed] == [7, 7, 7]
            assert [each.index for each in listed] == [0, 1, 2]
            assert [each.page_size for each in listed] == [7, 7, 7]
            assert listed[-1].next_page_url is None
            with pytest.raises(NotFoundError):
                await ours.client.conversations.fetch("CH1")
        seen = {"pages": 3, "fetches": 0, "creates": 0, "others": 1, "at once": 1}
        assert pages.seen(line) == seen
        assert pages.seen(line) == dict.fromkeys(seen, 0)


async def test_messages_are_like_those_of_the_api() -> None:
    """The page server's messages have every field that the library knows, but for one, and no other."""
    known = {field.name for field in attrs.fields(Message)} - {"chat_service_sid"}
    sent = [pages.message(index) for index in range(20)]
    async with Scripted.of([answer(200, page("messages", sent))]) as server, Ours(server.url) as ours:
        read = await ours.client.messages("CH1").stream().list()
    for index, (theirs, message) in enumerate(zip(sent, read, strict=True)):
        assert set(theirs) == known
        assert message.index == index
        assert (message.delivery is not None) == (index % 5 == 4)
        assert (message.media is not None) == (index % 10 == 9)
        assert 700 < len(pages.encoded(theirs)) < 1100


def test_what_is_not_what_was_sent() -> None:
    """Messages that are missing, or came twice, end a measurement."""
    pages.expect(Tally(3, 3), Tally(3, 3))
    with pytest.raises(RuntimeError, match=r"count=2.* came, and .*count=3.* was sent"):
        pages.expect(Tally(2, 1), Tally(3, 3))


def test_a_request_that_fails_is_not_counted() -> None:
    """An answer other than the hoped-for one ends a measurement."""
    with Emulator() as server, connected(server.url) as lines:
        request = lines[0].request("GET", "/v1/Nowhere")
        with pytest.raises(RuntimeError, match="unexpected answer"):
            saturate(lines, request, 2)
