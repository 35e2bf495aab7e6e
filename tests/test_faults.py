"""Faults hit the requests they are meant for, and look on the wire as they say."""

import asyncio
import inspect
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from attrs import define, field, fields, frozen
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.emulator import breakage
from conversations_async.emulator.breakage import play
from conversations_async.emulator.faults import Fault, Faults

from .support import deterministic, is_one_line, json_values

PATH = "/v1/Conversations"
#: What the true answer says.
BODY = json.dumps({"sid": "CH" + "a" * 32}).encode()
#: What is asked for.
POST = {"operation": "conversations.create", "method": "POST", "path": PATH}


def seen(faults: Faults, requests: int = 1, **request: Any) -> list[Fault | None]:
    """Pick for a number of equal requests."""
    return [faults.pick(**POST | request) for _ in range(requests)]


class TestFault:
    """What a fault can say."""

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            ({}, "fault: does nothing; give latency, status, reset, body or drip"),
            ({"latency": 0}, "fault: does nothing; give latency, status, reset, body or drip"),
            (
                {"status": 503, "operation": ""},
                "fault.operation: must be a pattern such as messages.create or messages.*, not ''",
            ),
            (
                {"status": 503, "method": "psot"},
                "fault.method: must be DELETE, GET, HEAD, OPTIONS, PATCH, POST or PUT, not 'PSOT'",
            ),
            (
                {"status": 503, "method": 1},
                "fault.method: must be DELETE, GET, HEAD, OPTIONS, PATCH, POST or PUT, not 1",
            ),
            (
                {"status": 503, "path": "v1/Users"},
                "fault.path: must be a pattern that starts with / or *, not 'v1/Users'",
            ),
            ({"status": 503, "times": 0}, "fault.times: must be a whole number of at least 1, not 0"),
            ({"status": 503, "times": True}, "fault.times: must be a whole number of at least 1, not True"),
            ({"status": 503, "skip": -1}, "fault.skip: must be a whole number of at least 0, not -1"),
            ({"status": 503, "skip": None}, "fault.skip: must be a whole number of at least 0, not None"),
            ({"status": 503, "skip": 0.5}, "fault.skip: must be a whole number of at least 0, not 0.5"),
            (
                {"status": 503, "probability": 1.1},
                "fault.probability: must be a number within 0..1, not 1.1",
            ),
            ({"latency": float("nan")}, "fault.latency: must be seconds within 0..3600, not nan"),
            ({"latency": "1"}, "fault.latency: must be seconds within 0..3600, not '1'"),
            ({"status": 200}, "fault.status: must be a whole number within 400..599, not 200"),
            ({"status": 503, "code": 0}, "fault.code: must be a whole number of at least 1, not 0"),
            ({"status": 503, "retry_after": -1}, "fault.retry_after: must be seconds within 0..3600, not -1"),
            ({"status": 503, "after": 1}, "fault.after: must be true or false, not 1"),
            ({"reset": "later"}, "fault.reset: must be before, during or after, not 'later'"),
            ({"body": ["truncated"]}, "fault.body: must be truncated or malformed, not ['truncated']"),
            ({"drip": 3601}, "fault.drip: must be seconds within 0..3600, not 3601"),
            (
                {"status": 503, "reset": "after"},
                "fault.reset: cannot go with status; a fault has one of them",
            ),
            ({"drip": 1, "body": "malformed"}, "fault.drip: cannot go with body; a fault has one of them"),
            ({"latency": 1, "code": 20429}, "fault.code: goes with status only"),
            ({"latency": 1, "retry_after": 0}, "fault.retry_after: goes with status only"),
            (
                {"drip": 1, "after": True},
                "fault.after: goes with status or latency only, and never with reset before",
            ),
            (
                {"latency": 1, "reset": "before", "after": True},
                "fault.after: goes with status or latency only, and never with reset before",
            ),
        ],
    )
    def test_says_what_is_wrong(self, wrong: dict[str, Any], line: str) -> None:
        """A value that is not allowed is refused with one line that begins with its place."""
        with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
            Fault(**wrong)

    @pytest.mark.parametrize(
        ("fault", "does_match"),
        [
            ({}, True),
            ({"operation": "conversations.create"}, True),
            ({"operation": "conversations.*"}, True),
            ({"operation": "*.create"}, True),
            ({"operation": "Conversations.create"}, False),
            ({"operation": "messages.*"}, False),
            ({"method": "POST"}, True),
            ({"method": "post"}, True),
            ({"method": "GET"}, False),
            ({"path": PATH}, True),
            ({"path": "/v1/*"}, True),
            ({"path": "*"}, True),
            ({"path": "/v1/conversations"}, False),
            ({"path": "/v1/Conv"}, False),
            ({"operation": "*", "method": "POST", "path": "/v2/*"}, False),
            ({"operation": "*", "method": "GET", "path": PATH}, False),
        ],
    )
    def test_matches(self, fault: dict[str, Any], does_match: bool) -> None:
        """All that a fault says of a request must be so; what it does not say may be anything."""
        assert Fault(status=503, **fault).matches(**POST) is does_match

    def test_path_takes_slashes(self) -> None:
        """The * of a path stands for several segments as well as for one."""
        fault = Fault(status=503, path="/v1/Conversations/*/Messages")
        for path in ("/v1/Conversations/CH1/Messages", "/v1/Conversations/CH1/Participants/MB1/Messages"):
            assert fault.matches(operation=None, method="GET", path=path)

    def test_operation_of_nothing(self) -> None:
        """A request that is no operation is not met by its pattern."""
        assert not Fault(status=503, operation="*").matches(operation=None, method="GET", path="/")


class TestFaults:
    """Which requests are hit."""

    def test_add_takes_what_a_fault_says(self) -> None:
        """What can be added is what a fault can say, with the same defaults, and comes out as it went in."""
        _, *parameters = inspect.signature(Faults.add).parameters.values()
        expected = [(attribute.name, attribute.default) for attribute in fields(Fault)]
        assert [(parameter.name, parameter.default) for parameter in parameters] == expected
        said: dict[str, Any] = {
            "operation": "*",
            "method": "GET",
            "path": "/*",
            "times": 1,
            "skip": 2,
            "probability": 0.5,
            "latency": 3.0,
            "status": 429,
            "code": 4,
            "retry_after": 5.0,
            "after": True,
        }
        faults = Faults()
        assert faults.add(**said) == Fault(**said)
        assert faults.add(reset="before") == Fault(reset="before")
        assert faults.add(body="malformed") == Fault(body="malformed")
        assert faults.add(drip=0.5) == Fault(drip=0.5)

    def test_adds_nothing_wrong(self) -> None:
        """What is refused is not added."""
        faults = Faults()
        with pytest.raises(ValueError, match=r"^fault\.times: "):
            faults.add(status=503, times=0)
        assert list(faults) == []

    def test_knows_its_operations(self) -> None:
        """An operation must be one of those that are known, if any are, and all or nothing is added."""
        faults = Faults(operations=("messages.create", "messages.list"))
        for operation in ("messages.create", "messages.*", "*", None):
            faults.add(operation=operation, status=503)
        before = faults.dump()
        for operation, hint in {
            "Messages.create": "did you mean messages.create?",
            "users.*": "names are such as messages.create",
            "a\n" * 99: "names are such as messages.create",
        }.items():
            with pytest.raises(
                ValueError, match=r"^faults\[1\]\.operation: no operation is called "
            ) as raised:
                faults.load([{"status": 503}, {"operation": operation, "status": 503}])
            assert is_one_line(str(raised.value))
            assert str(raised.value).endswith(f"; {hint}")
        assert faults.dump() == before

    def test_seed_is_a_number(self) -> None:
        """What is no whole number is no seed."""
        wrong: Any = "x"
        with pytest.raises(ValueError, match=r"^fault_seed must be a whole number, not 'x'$"):
            Faults(wrong)

    def test_first_added_hits_first(self) -> None:
        """Faults hit in the order in which they were added; one that is used up leaves room for the next."""
        faults = Faults()
        first, second = faults.add(status=503, times=2), faults.add(status=429)
        assert seen(faults, 4) == [first, first, second, second]
        assert list(faults) == [first, second]

    def test_others_pass(self) -> None:
        """A request that no fault is meant for is let through, and is not counted."""
        faults = Faults()
        fault = faults.add(status=503, method="GET", times=1)
        assert seen(faults, 3) == [None] * 3
        assert faults.count(fault) == 0
        assert seen(faults, 2, method="GET") == [fault, None]

    @given(times=st.none() | st.integers(1, 5), skip=st.integers(0, 5), requests=st.integers(0, 12))
    @deterministic
    def test_hits_are_counted(self, times: int | None, skip: int, requests: int) -> None:
        """A fault lets as many requests through as it should, and then hits as many as it may."""
        faults = Faults()
        fault = faults.add(status=503, times=times, skip=skip)
        hits = [
            number > skip and (times is None or number <= skip + times) for number in range(1, requests + 1)
        ]
        assert [picked is fault for picked in seen(faults, requests)] == hits
        assert faults.count(fault) == sum(hits)

    def test_equal_faults_are_two(self) -> None:
        """Faults that say the same are counted and removed apart."""
        faults = Faults()
        first, second = faults.add(status=503, times=1), faults.add(status=503, times=1)
        assert first == second
        assert seen(faults, 1) == [first]
        assert (faults.count(first), faults.count(second)) == (1, 0)
        faults.remove(first)
        assert [fault is second for fault in faults] == [True]

    @pytest.mark.parametrize("act", [Faults.count, Faults.remove])
    def test_knows_its_own_only(self, act: Callable[[Faults, Fault], object]) -> None:
        """A fault that is gone, or was never added, is neither counted nor removed."""
        faults = Faults()
        fault = faults.add(status=503)
        faults.remove(fault)
        for stranger in (fault, Fault(status=503)):
            with pytest.raises(ValueError, match=r"^the fault is not here: "):
                act(faults, stranger)

    def test_clear(self) -> None:
        """After clear nothing goes wrong."""
        faults = Faults()
        faults.add(status=503)
        faults.clear()
        assert seen(faults) == [None]
        assert faults.dump() == []

    @given(st.integers(), st.floats(0.1, 0.9))
    @deterministic
    def test_seed_decides(self, seed: int, probability: float) -> None:
        """The same seed hits the same requests, here and elsewhere, whatever certain faults are around."""
        faults, others = Faults(seed), Faults(seed)
        faults.add(status=503, probability=probability)
        hits = [fault is not None for fault in seen(faults, 50)]
        faults.reset()
        assert list(faults) == []
        for again in (faults, others):
            again.add(status=503, operation="conversations.*", times=1)
            again.add(status=503, probability=probability)
            assert seen(again)
            assert [fault is not None for fault in seen(again, 50)] == hits

    def test_probability(self) -> None:
        """A likely fault hits some requests and spares others, and those that it spares are not counted."""
        faults = Faults()
        fault = faults.add(status=503, probability=0.5, times=20)
        never = faults.add(status=429, probability=0)
        hits = seen(faults, 200)
        assert faults.count(fault) == hits.count(fault) == 20
        assert None in hits[:40]
        assert faults.count(never) == 0

    def test_threads(self) -> None:
        """Any thread may pick and add: no hit is lost, and none is counted twice."""
        faults = Faults()
        fault = faults.add(status=503, times=500)

        def use(_: int) -> list[Fault | None]:
            faults.add(status=503, method="GET")
            return seen(faults, 250)

        with ThreadPoolExecutor(4) as pool:
            picked = [hit for hits in pool.map(use, range(4)) for hit in hits]
        assert picked.count(fault) == faults.count(fault) == 500
        assert len(list(faults)) == 5


#: Values that are right in some field, so that scripts are not refused at once.
values: st.SearchStrategy[Any] = json_values | st.sampled_from(
    ["*", "GET", "/v1/*", "before", "during", "after", "truncated", "malformed", 0, 1, 0.5, 429, 503, True]
)
names = st.sampled_from([attribute.name for attribute in fields(Fault)]) | st.text(max_size=8)
items = st.dictionaries(names, values, max_size=4) | json_values

#: What a right fault does, and whom to.
deeds: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"status": st.integers(400, 599)},
        optional={"code": st.integers(1, 99999), "retry_after": st.floats(0, 3600), "after": st.booleans()},
    ),
    st.fixed_dictionaries({"reset": st.sampled_from(["before", "during", "after"])}),
    st.fixed_dictionaries({"body": st.sampled_from(["truncated", "malformed"])}),
    st.fixed_dictionaries({"drip": st.floats(0, 3600)}),
    st.fixed_dictionaries({"latency": st.floats(0.001, 3600)}, optional={"after": st.booleans()}),
)
targets = st.fixed_dictionaries(
    {},
    optional={
        "operation": st.text(min_size=1) | st.none(),
        "method": st.sampled_from(["get", "POST", None]),
        "path": st.text().map("/{}".format),
        "times": st.integers(1),
        "skip": st.integers(0),
        "probability": st.floats(0, 1),
    },
)
scripts = st.lists(st.builds(dict.__or__, deeds, targets), max_size=4)


class TestScripts:
    """Faults as JSON."""

    def test_list(self) -> None:
        """A script is a list of faults, and what it brings follows what is there."""
        faults = Faults()
        first = faults.add(status=503, times=1)
        loaded = faults.load([{"status": 429, "retry_after": 1, "times": None}, {"reset": "after"}])
        assert loaded == [Fault(status=429, retry_after=1), Fault(reset="after")]
        assert list(faults) == [first, *loaded]

    def test_single(self) -> None:
        """One fault is a script, too."""
        faults = Faults()
        assert faults.load({"status": 429}) == list(faults) == [Fault(status=429)]

    def test_empty(self) -> None:
        """A script may hold nothing."""
        assert Faults().load([]) == []

    @pytest.mark.parametrize(
        ("script", "line"),
        [
            (7, "fault: must be an object, not 7"),
            ([{"status": 503}, "503"], "faults[1]: must be an object, not '503'"),
            (
                [{"status": 503}] * 2 + [{"status": 503, "times": 0}],
                "faults[2].times: must be a whole number of at",
            ),
            ({"status": 503, "times": 0}, "fault.times: must be a whole number of at least 1, not 0"),
            ([{}], "faults[0]: does nothing; give latency, status, reset, body or drip"),
            ([{"lattency": 1}], "faults[0].lattency: unknown; did you mean latency?"),
            ([{"hits": 1}], "faults[0].hits: unknown; known are operation, method, path, times, skip, "),
            ([{"a\nb" * 99: 1}], r"faults[0].a\nba\nba\nb...ba\nba\nba\nb: unknown; known are "),
            (
                [{"status": {"a": [{}] * 99}}],
                "faults[0].status: must be a whole number within 400..599, not {",
            ),
        ],
    )
    def test_says_where_it_is_wrong(self, script: Any, line: str) -> None:
        """A wrong script is refused with one line that begins with the place, and nothing is added."""
        faults = Faults()
        with pytest.raises(ValueError, match=f"^{re.escape(line)}") as raised:
            faults.load(script)
        assert is_one_line(str(raised.value))
        assert faults.dump() == []

    @given(script=st.lists(items, max_size=4) | items)
    @deterministic
    def test_all_or_nothing(self, script: Any) -> None:
        """Whatever a script holds, either all of it is added, or one line says where it is wrong."""
        faults = Faults()
        faults.add(status=503)
        before = faults.dump()
        try:
            loaded, refusal = faults.load(script), "faults[0]: none"
        except ValueError as error:
            loaded, refusal = [], str(error)
        else:
            assert len(loaded) == (len(script) if isinstance(script, list) else 1)
        assert is_one_line(refusal)
        assert re.match(r"fault(s\[[0-3]\])?(\.[^:]*)?: ", refusal)
        assert faults.dump()[:1] == before
        assert list(faults)[1:] == loaded
        # Whatever is taken can be matched.
        assert all(isinstance(fault.matches(**POST), bool) for fault in loaded)

    @given(scripts)
    @deterministic
    def test_dump_is_a_script(self, script: list[dict[str, Any]]) -> None:
        """What is there is shown as JSON that loads again, with the hits of each."""
        faults, again = Faults(), Faults()
        faults.load(script)
        seen(faults, 3)
        dumped = json.loads(json.dumps(faults.dump()))
        assert [fault.pop("hits") for fault in dumped] == [faults.count(fault) for fault in faults]
        again.load(dumped)
        assert list(again) == list(faults)
        assert all(None not in fault.values() for fault in dumped)


@frozen
class Wire:
    """What came back on a connection, and how it ended."""

    head: bytes
    body: bytes
    is_reset: bool

    @property
    def status(self) -> int:
        """The status, where there is one."""
        return int(self.head.split(b" ")[1])

    def header(self, name: str) -> str | None:
        """The value of a header."""
        found = re.search(rf"\r\n{name}: (.*)\r\n", self.head.decode() + "\r\n", re.IGNORECASE)
        return found and found[1]


#: A connection that ended without a byte.
NOTHING = (b"", b"")


def exchange(port: int, method: str, keep: bool) -> Wire:
    """Send a request on a connection of its own and read to the end, as a client without manners does."""
    persistence = "keep-alive" if keep else "close"
    request = f"{method} {PATH} HTTP/1.1\r\nHost: box\r\nConnection: {persistence}\r\n\r\n"
    received, is_reset = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            is_reset = True
    head, _, body = received.partition(b"\r\n\r\n")
    return Wire(head, body, is_reset)


@define
class Box:
    """A server with a handler that counts, and faults around it."""

    faults: Faults = field(factory=Faults)
    body: bytes | bytearray = BODY
    port: int = 0
    #: What happened, in its order.
    events: list[object] = field(factory=list)
    requests: list[web.Request] = field(factory=list)
    has_left: asyncio.Event = field(factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where the handler is."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def writes(self) -> int:
        """How many requests have been handled."""
        return self.events.count("handled")

    async def send(self, method: str = "POST", *, keep: bool = False) -> Wire:
        """Send one request."""
        return await asyncio.to_thread(exchange, self.port, method, keep)

    async def sleep(self, delay: float) -> None:
        """Note that a pause was asked for, and take none."""
        self.events.append(delay)

    async def wait_for_the_end(self, delay: float) -> None:
        """Pause until the client has left."""
        if delay:
            while self.requests[-1].transport is not None:  # noqa: ASYNC110  # aiohttp has no event for it
                await asyncio.sleep(0)
            self.has_left.set()

    async def ask(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request and leave its answer to the caller."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: box\r\n\r\n".encode())
        return reader, writer

    async def handle(self, request: web.Request) -> web.Response:
        """Handle a request truly."""
        self.events.append("handled")
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.Response(body=self.body, status=201, content_type="application/json")

    def app(self) -> web.Application:
        """Build the server; the headers of an answer are completed outside of the faults."""

        @web.middleware
        async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            response.headers["Twilio-Request-Id"] = "RQ1"
            return response

        @web.middleware
        async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.requests.append(request)
            fault = self.faults.pick(operation=None, method=request.method, path=request.path)
            return await (
                handler(request) if fault is None else play(fault, request, lambda: handler(request))
            )

        app = web.Application(middlewares=[identify, fail])
        app.router.add_route("*", PATH, self.handle)
        return app


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    """A server on loopback, with its access log."""
    box = Box()
    runner = web.AppRunner(box.app(), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    box.port = runner.addresses[0][1]
    yield box
    await runner.cleanup()


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No fault makes the server complain."""
    caplog.set_level(logging.INFO)
    yield
    assert [record for record in caplog.get_records("call") if record.levelno > logging.INFO] == []


@pytest.fixture
def paused(box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """The server, whose pauses are noted and not taken."""
    monkeypatch.setattr(breakage, "_sleep", box.sleep)
    return box


@pytest.fixture
def left(box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """The server, whose pauses last until the client has left."""
    monkeypatch.setattr(breakage, "_sleep", box.wait_for_the_end)
    return box


class TestWire:
    """How it looks to the client."""

    @pytest.mark.parametrize(
        ("fault", "code", "message"),
        [
            ({"status": 429}, 20429, "Too many requests"),
            ({"status": 500}, 20500, "Internal server error"),
            ({"status": 503}, 20503, "Service unavailable"),
            ({"status": 400}, 20001, "Bad Request"),
            ({"status": 401}, 20003, "Unauthorized"),
            ({"status": 404}, 20404, "Not Found"),
            ({"status": 405}, 20004, "Method not allowed"),
            ({"status": 599}, 20599, "Refused"),
            ({"status": 409, "code": 50433}, 50433, "Participant already exists"),
        ],
    )
    @pytest.mark.parametrize("after", [False, True])
    async def test_status(
        self, box: Box, fault: dict[str, Any], code: int, message: str, after: bool
    ) -> None:
        """A refusal reads as the API's do; what the request writes is written if the fault says so."""
        box.faults.add(**fault, after=after)
        wire = await box.send()
        assert wire.status == fault["status"]
        assert json.loads(wire.body) == {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": fault["status"],
        }
        assert wire.header("Content-Type") == "application/json; charset=utf-8"
        assert wire.header("Retry-After") is None
        assert wire.header("Twilio-Request-Id") == "RQ1"
        assert box.writes == after

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0, "0"), (2, "2"), (2.0, "2"), (0.5, "0.5"), (3600, "3600")]
    )
    async def test_retry_after(self, box: Box, seconds: float, text: str) -> None:
        """A refusal says when to come back, if the fault says so."""
        box.faults.add(status=429, retry_after=seconds)
        assert (await box.send()).header("Retry-After") == text

    async def test_recovers(self, box: Box) -> None:
        """When a fault is used up the server works as before, on the same connection."""
        box.faults.add(status=503, times=1)
        box.faults.add(body="malformed", times=1)
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            for status in (503, 201, 201):
                async with session.post(box.url) as response:
                    body = await response.read()
                assert response.status == status
        assert body == BODY
        assert len({request.remote for request in box.requests}) == 1
        assert len({id(request.protocol) for request in box.requests}) == 1

    @pytest.mark.parametrize("keep", [False, True])
    @pytest.mark.parametrize(("reset", "writes"), [("before", 0), ("after", 1)])
    async def test_reset_without_answer(self, box: Box, reset: Any, writes: int, keep: bool) -> None:
        """The connection is reset without a byte, before or after the request is handled."""
        box.faults.add(reset=reset)
        assert await box.send(keep=keep) == Wire(*NOTHING, is_reset=True)
        assert box.writes == writes

    @pytest.mark.parametrize("keep", [False, True])
    async def test_reset_during_the_body(self, box: Box, keep: bool) -> None:
        """The head and half the body arrive, and then the connection is reset."""
        box.faults.add(reset="during")
        wire = await box.send(keep=keep)
        assert wire.is_reset
        assert wire.status == 201
        assert wire.header("Content-Length") == str(len(BODY))
        assert wire.header("Content-Type") == "application/json"
        assert wire.header("Twilio-Request-Id") == "RQ1"
        assert wire.body == BODY[: len(BODY) // 2]
        assert box.writes == 1

    @pytest.mark.parametrize("keep", [False, True])
    @pytest.mark.parametrize("body", [BODY, b"1", bytearray(b"12345" * 100_000)])
    async def test_truncated(self, box: Box, body: bytes | bytearray, keep: bool) -> None:
        """Half of the promised body arrives, and then the connection ends as if that were all."""
        box.body = body
        box.faults.add(body="truncated")
        wire = await box.send(keep=keep)
        assert not wire.is_reset
        assert wire.status == 201
        assert wire.header("Content-Length") == str(len(body))
        assert wire.header("Twilio-Request-Id") == "RQ1"
        assert wire.body == body[: len(body) // 2]
        assert box.writes == 1

    async def test_malformed(self, box: Box) -> None:
        """The answer arrives whole, with its status, and its body is no JSON."""
        box.faults.add(body="malformed")
        wire = await box.send()
        assert not wire.is_reset
        assert wire.status == 201
        assert wire.header("Content-Length") == str(len(wire.body))
        assert wire.header("Content-Type") == "application/json"
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(wire.body)
        assert box.writes == 1

    @pytest.mark.parametrize(
        ("length", "pauses"), [(1, 0), (2, 1), (50, 49), (51, 25), (1000, 49), (1001, 47), (100_000, 49)]
    )
    async def test_drip(self, paused: Box, length: int, pauses: int) -> None:
        """The answer arrives whole and in pieces: never more than 50, however long it is."""
        paused.body = b"x" * length
        paused.faults.add(drip=0.25)
        wire = await paused.send()
        assert wire == Wire(wire.head, paused.body, is_reset=False)
        assert wire.status == 201
        assert wire.header("Content-Length") == str(length)
        assert wire.header("Twilio-Request-Id") == "RQ1"
        assert paused.events == [0.0, "handled", *[0.25] * pauses]

    @pytest.mark.parametrize("fault", [{"reset": "during"}, {"body": "truncated"}])
    @pytest.mark.parametrize("method", ["DELETE", "HEAD"])
    async def test_cuts_what_has_no_body(self, box: Box, fault: dict[str, Any], method: str) -> None:
        """Of an answer without a body nothing arrives where others are cut."""
        box.faults.add(**fault)
        assert await box.send(method) == Wire(*NOTHING, is_reset="reset" in fault)
        assert box.writes == 1

    @pytest.mark.parametrize("fault", [{"drip": 1}, {"body": "malformed"}])
    @pytest.mark.parametrize(("method", "status"), [("DELETE", 204), ("HEAD", 201)])
    async def test_spares_what_has_no_body(
        self, box: Box, fault: dict[str, Any], method: str, status: int
    ) -> None:
        """An answer without a body is neither malformed nor slow."""
        box.faults.add(**fault)
        wire = await box.send(method)
        assert (wire.status, wire.body, wire.is_reset) == (status, b"", False)

    @pytest.mark.parametrize(
        ("fault", "events"),
        [
            ({}, [9, "handled"]),
            ({"after": True}, ["handled", 9]),
            ({"status": 503}, [9]),
            ({"status": 503, "after": True}, ["handled", 9]),
            ({"reset": "before"}, [9]),
            ({"reset": "after"}, [9, "handled"]),
            ({"reset": "after", "after": True}, ["handled", 9]),
            ({"body": "truncated", "after": True}, ["handled", 9]),
        ],
    )
    async def test_latency(self, paused: Box, fault: dict[str, Any], events: list[object]) -> None:
        """A pause is taken before the request is handled, or after it if the fault says so."""
        paused.faults.add(latency=9, **fault)
        wire = await paused.send()
        assert paused.events == events
        if fault in ({}, {"after": True}):
            assert wire == Wire(wire.head, BODY, is_reset=False)

    @pytest.mark.parametrize(
        "fault",
        [{"reset": "before"}, {"reset": "during"}, {"body": "truncated"}, {"body": "malformed"}, {"drip": 1}],
    )
    async def test_client_leaves(self, left: Box, fault: dict[str, Any]) -> None:
        """A client that does not wait for what goes wrong does no harm."""
        left.faults.add(**fault, latency=1)
        _, writer = await left.ask()
        writer.close()
        await writer.wait_closed()
        await left.has_left.wait()
        assert left.faults.dump()[0]["hits"] == 1

    async def test_client_leaves_with_half(self, left: Box) -> None:
        """A client that leaves when half of an answer is there is not reset any more."""
        left.faults.add(reset="during")
        reader, writer = await left.ask()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 Created")
        writer.close()
        await writer.wait_closed()
        await left.has_left.wait()

    @pytest.mark.parametrize("answer", [web.StreamResponse, lambda: web.Response(body="a text's payload")])
    async def test_spoils_what_is_in_memory(self, answer: Callable[[], web.StreamResponse]) -> None:
        """An answer whose body is not at hand is not spoilt, and whoever handles that way is told."""

        async def handle() -> web.StreamResponse:
            return answer()

        with pytest.raises(TypeError, match=r"^only an answer whose body is in memory can be spoilt$"):
            await play(Fault(drip=0), make_mocked_request("GET", PATH), handle)
