"""What is wrong in what the emulator is given is said in one line that names it; nothing is half applied."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from conversations_async import ConversationsClient
from conversations_async.emulator import Carrier, Clock, Emulator, RequestError, create_app
from conversations_async.emulator.documents import decode
from conversations_async.emulator.webhooks import allowed_hosts

from .conftest import ACCOUNT_SID
from .support import is_one_line
from .test_cli import receiving

NAN = float("nan")
INFINITE = float("inf")
HALF = "\ud800"
PHONE, OURS = "+15558675310", "+15557122661"

#: What each argument is wrong with, and the beginning of what is said.
ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"carrier": True}, "carrier must be a Carrier, not True"),
    ({"carrier": {}}, "carrier must be a Carrier, not {}"),
    ({"host": 5}, "host must be a name or an address of this machine, not 5"),
    ({"host": ""}, "host must be a name or an address of this machine, not ''"),
    ({"host": "a..b"}, "host must be a name or an address of this machine, not 'a..b'"),
    ({"host": "a\0b"}, r"host must be a name or an address of this machine, not 'a\x00b'"),
    ({"port": True}, "port must be a whole number within 0..65535, not True"),
    ({"port": 65536}, "port must be a whole number within 0..65535, not 65536"),
    ({"on_request": 5}, "on_request must be a function or None, not 5"),
    ({"on_webhook": 5}, "on_webhook must be a function or None, not 5"),
    ({"fault_seed": "x"}, "fault_seed must be a whole number, not 'x'"),
    ({"fault_seed": True}, "fault_seed must be a whole number, not True"),
    ({"pre_webhooks_for_rest": "no"}, "pre_webhooks_for_rest must be True or False, not 'no'"),
    ({"clock": 5}, "clock must be a function, not 5"),
    ({"account_sid": 5, "auth_token": "secret"}, "account_sid must be AC and 32 hexadecimal digits"),
    (
        {"account_sid": ACCOUNT_SID, "auth_token": 5},
        "auth_token must be a text of printable characters, and not empty",
    ),
    (
        {"account_sid": ACCOUNT_SID, "auth_token": b"secret"},
        "auth_token must be a text of printable characters, and not empty",
    ),
    ({"webhook_url": 5}, "webhook_url must be an http or https URL, not 5"),
    ({"webhook_url": "localhost"}, "webhook_url must be an http or https URL, not 'localhost'"),
    ({"webhook_hosts": "*.internal"}, "webhook_hosts must be a list of hosts, not '*.internal'"),
    ({"webhook_hosts": None}, "webhook_hosts must be a list of hosts, not None"),
    ({"webhook_hosts": {"a.test": 1}}, "webhook_hosts must be a list of hosts, not {'a.test': 1}"),
    *(
        (
            {"webhook_hosts": ["*.test", host]},
            f"webhook_hosts[1] must be a host or a pattern such as '*.test', not {host!r}",
        )
        for host in ("http://x", "x:80", "me@x", "", 5)
    ),
    ({"database": None}, "database must be a path, not None"),
    ({"database": b"box.db"}, "database must be a path, not b'box.db'"),
    ({"database": ""}, "database must be a path, not ''"),
    ({"drain": "1"}, "drain must be a number of seconds, 0 or more, not '1'"),
    ({"latency": NAN}, "latency must be a number of seconds, 0 or more, not nan"),
    ({"limits": 30}, "limits must be Limits of the emulator, True or None, not 30"),
    ({"seed": 5}, "seed: must be an object, not a number"),
]


def refused(line: str, call: Callable[[], object]) -> None:
    """Expect an error that says exactly this."""
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        call()
    assert str(caught.value) == line


class TestArguments:
    """What an emulator is made with."""

    @pytest.mark.parametrize(("wrong", "line"), ARGUMENTS)
    def test_emulator(self, wrong: dict[str, Any], line: str) -> None:
        """A wrong argument is refused before anything starts, by its name, and no secret is told."""
        refused(line, lambda: Emulator(**wrong))
        if not wrong.keys() & {"host", "port", "on_request", "on_webhook"}:
            refused(line, lambda: create_app(**wrong))

    def test_hosts_in_any_case(self) -> None:
        """Patterns of hosts are compared without regard to upper and lower case."""
        assert allowed_hosts("http://Hooks.Example.test/x", ["*.Internal"]) == (
            "*.internal",
            "hooks.example.test",
        )
        assert allowed_hosts(None, {"A.test"}) == ("a.test",)

    async def test_capitals_in_a_webhook(self, emulator: Emulator) -> None:
        """A host that is spelled in capitals is called where its pattern is not."""
        courier = emulator._engine.courier
        courier._hosts = allowed_hosts(None, ["*.INTERNAL"])
        assert courier._may_call("http://Box.Internal/")
        assert courier._may_call("http://LOCALHOST/")
        assert not courier._may_call("http://internal.example.test/")

    async def test_database_that_cannot_be_named(self) -> None:
        """A path that the system cannot take is refused by its name."""
        with pytest.raises(ValueError, match=r"^database 'a\\x00b': embedded null"):
            await Emulator(database="a\0b").start()

    async def test_foreign_file(self, tmp_path: Path) -> None:
        """Whoever gives a file of another program is told what to do."""
        path = tmp_path / "box.db"
        async with Emulator(database=path):
            pass
        content = bytearray(path.read_bytes())
        content[68:72] = b"else"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"of this version: give another file, or delete it$"):
            await Emulator(database=path).start()


class TestListening:
    """Addresses that cannot be listened on."""

    async def test_taken(self, emulator: Emulator) -> None:
        """The address is named once, with the system's reason."""
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="cannot listen on") as caught:
            await Emulator(port=port).start()
        assert caught.value.strerror == (
            f"cannot listen on 127.0.0.1:{port}: {os.strerror(caught.value.errno or 0)}"
        )

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
            (OSError("x"), "x"),
        ],
    )
    async def test_unknown_name(self, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str) -> None:
        """A name that leads nowhere, whose code is none of the system's, keeps its own reason."""

        async def look_up(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        with pytest.raises(OSError, match=f"cannot listen on nowhere.test:0: {reason}$"):
            await Emulator(host="nowhere.test").start()


class TestNotRunning:
    """What is asked for before the start, and after the end."""

    async def test_says_how_to_start(self) -> None:
        """Whatever needs a running emulator says how it is started."""
        emulator = Emulator()

        async def read_all() -> None:
            for use in (
                lambda: emulator.url,
                lambda: emulator.is_new,
                emulator.snapshot,
                emulator.reset,
                lambda: emulator.restore(snapshot),
                lambda: emulator.seed({}),
            ):
                with pytest.raises(RuntimeError) as caught:
                    use()
                assert str(caught.value) == line
            for call in emulator.settled(), emulator.deliver(from_=PHONE, to=OURS, body="x"):
                with pytest.raises(RuntimeError) as caught:
                    await call
                assert str(caught.value) == line

        line = "the emulator is not running: start it with 'with', 'async with' or start()"
        async with Emulator() as other:
            snapshot = other.snapshot()
        await read_all()
        async with emulator:
            pass
        await read_all()


class TestClock:
    """How the clock is turned."""

    @pytest.mark.parametrize(
        ("by", "line"),
        [
            ({"hours": NAN}, "hours must be a number, not nan"),
            ({"hours": INFINITE}, "hours must be a number, not inf"),
            ({"seconds": "5"}, "seconds must be a number, not '5'"),
            ({"days": True}, "days must be a number, not True"),
            ({"minutes": None}, "minutes must be a number, not None"),
            ({"hours": -1}, "the clock goes forward only, by 100 years at most, and not by -1 hours"),
            (
                {"days": 40_000, "seconds": 0.5},
                "the clock goes forward only, by 100 years at most, and not by 40000 days, 0.5 seconds",
            ),
            ({"days": 1e300}, "the clock does not go that far"),
            ({"days": 10**400}, "the clock does not go that far"),
        ],
    )
    def test_mistakes(self, by: dict[str, Any], line: str) -> None:
        """What is no time to come is refused in the words in which it was asked for, and the clock stays."""
        clock = Clock(lambda: 7)
        refused(line, lambda: clock.advance(**by))
        assert clock.now() == 7


class TestCarrier:
    """Which messages are to fail."""

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            ({"address": 5}, "address must be an address or a pattern such as '+1555*', not 5"),
            ({"address": ""}, "address must be an address or a pattern such as '+1555*', not ''"),
            ({"status": ["failed"]}, "status must be failed or undelivered, not ['failed']"),
            ({"error_code": True}, "error_code must be within 0..99999, not True"),
            ({"error_code": 30003.0}, "error_code must be within 0..99999, not 30003.0"),
            ({"error_code": -1}, "error_code must be within 0..99999, not -1"),
            ({"times": "2"}, "times must be at least 1, not '2'"),
            ({"times": 0}, "times must be at least 1, not 0"),
        ],
    )
    def test_mistakes(self, wrong: dict[str, Any], line: str) -> None:
        """A wrong failure is refused, and no message fails."""
        carrier = Carrier()
        refused(line, lambda: carrier.fail(**wrong))
        assert carrier.outcome(PHONE) is None


class TestDeliver:
    """What comes from outside."""

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            ({"from_": 5}, "from_ must be a text of at least one character, not 5"),
            ({"from_": ""}, "from_ must be a text of at least one character, not ''"),
            ({"from_": None}, "from_ must be a text of at least one character, not None"),
            ({"to": ""}, "to must be a text of at least one character, not ''"),
            ({"conversation": 5}, "conversation must be a text of at least one character, not 5"),
            ({"service": ""}, "service must be a text of at least one character, not ''"),
            ({"body": 5}, "body must be a text of whole characters, not 5"),
            ({"body": HALF}, r"body must be a text of whole characters, not '\ud800'"),
            ({"filename": 5}, "filename must be a text of whole characters, not 5"),
            ({"media": "str"}, "media must be bytes, not 'str'"),
            (
                {"content_type": "nonsense"},
                "content_type must be a media type such as image/png, not 'nonsense'",
            ),
            ({"content_type": None}, "content_type must be a media type such as image/png, not None"),
            ({"attributes": 5}, "attributes must be an object of JSON, or its text, not 5"),
            (
                {"attributes": {"a": {1}}},
                "attributes must be an object of JSON, or its text, not {'a': {...}}",
            ),
            ({"channel_metadata": "{}"}, "channel_metadata must be an object of JSON, not '{}'"),
            ({"channel_metadata": {"a": NAN}}, "channel_metadata must be an object of JSON, not {'a': nan}"),
        ],
    )
    async def test_mistakes(self, emulator: Emulator, wrong: dict[str, Any], line: str) -> None:
        """A wrong argument is refused by its name, before anything is looked up or made."""
        before = emulator.snapshot()._image
        with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
            await emulator.deliver(**{"from_": PHONE, "to": OURS, "body": "x", **wrong})
        assert str(caught.value) == line
        assert emulator.snapshot()._image == before

    async def test_objects_of_any_kind(self, emulator: Emulator) -> None:
        """What can be written as an object of JSON is taken, and its text is judged by the rules."""
        emulator.seed({"conversations": [{"unique_name": "a", "participants": [{"identity": "smee"}]}]})
        told = MappingProxyType({"mood": "good", "more": MappingProxyType({})})
        smee: dict[str, Any] = {"from_": "smee", "conversation": "a"}
        delivered = await emulator.deliver(**smee, media=b"GIF", attributes=told, channel_metadata=told)
        assert delivered is not None
        with pytest.raises(RequestError, match="50304"):
            await emulator.deliver(**smee, body="x", attributes="{")


class TestEmulator:
    """Whatever else it is asked for."""

    @pytest.mark.parametrize("wrong", [None, "x", b""])
    async def test_restore(self, emulator: Emulator, wrong: Any) -> None:
        """Only what ``snapshot`` gave is restored."""
        refused(f"snapshot must be what snapshot() gave, not {wrong!r}", lambda: emulator.restore(wrong))

    @pytest.mark.parametrize("wrong", [None, "1", NAN, -1])
    async def test_settled(self, emulator: Emulator, wrong: Any) -> None:
        """Patience is a number of seconds."""
        with pytest.raises(
            ValueError, match=f"^within must be a number of seconds, 0 or more, not {wrong!r}$"
        ):
            await emulator.settled(within=wrong)

    async def test_not_settled(self, emulator: Emulator, client: ConversationsClient) -> None:
        """When patience ends, the line tells for how long it has lasted, and how much is left to do."""
        gate = asyncio.Event()
        async with receiving(gate) as (url, _):
            emulator.seed({"webhook_configuration": {"post_webhook_url": url}})
            for _ in range(2):
                await client.conversations.create(webhook_enabled=True)
            with pytest.raises(TimeoutError) as caught:
                await emulator.settled(within=0.02)
            gate.set()
            await emulator.settled()
        assert str(caught.value) == "webhooks that are still on their way after 0.02 seconds: 2"


class TestFaults:
    """Faults of an emulator, which knows its operations."""

    async def test_operation_that_is_none(self, emulator: Emulator) -> None:
        """A misspelt operation is refused, with what was meant, and nothing is added."""
        refused(
            "fault.operation: no operation is called messages.creat; did you mean messages.create?",
            lambda: emulator.faults.add(operation="messages.creat", status=503),
        )
        script = [{"status": 503}, {"operation": "*.found", "status": 503}]
        refused(
            "faults[1].operation: no operation is called *.found; names are such as messages.create",
            lambda: emulator.faults.load(script),
        )
        assert list(emulator.faults) == []
        for operation in ("messages.*", "chat.channels.list", "*"):
            emulator.faults.add(operation=operation, status=503)


class TestFiles:
    """JSON that people wrote."""

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"", "box.json: is empty"),
            (b"\xef\xbb\xbf\n \n", "box.json: is empty"),
            (b'{"a": {"b": 1, "c": 2, "b": 1}}', "box.json: 'b' is given twice in one object"),
            (b'{"a\\n": 1, "a\\n": 2}', r"box.json: 'a\n' is given twice in one object"),
        ],
    )
    def test_mistakes(self, content: bytes, line: str) -> None:
        """What holds nothing, or one thing twice, is refused by the name of the file."""
        refused(line, lambda: decode(content, "box.json"))

    def test_same_name_in_two_objects(self) -> None:
        """One name may be in several objects."""
        assert decode(b'[{"a": 1}, {"a": {"a": 2}}]', "box.json") == [{"a": 1}, {"a": {"a": 2}}]

    @pytest.mark.parametrize("start", [True, False])
    async def test_rules_name_the_file(self, tmp_path: Path, start: bool) -> None:
        """What the rules refuse in a file is told with its name, at the start and later."""
        path = tmp_path / "seed.json"
        path.write_text(json.dumps({"users": [{"identity": "a"}, {"identity": "a"}]}))
        with pytest.raises(ValueError, match="50201") as caught:
            if start:
                await Emulator(seed=path).start()
            async with Emulator() as emulator:
                emulator.seed(str(path))
        assert str(caught.value) == f"{path}: users[1]: 50201: User already exists"
        assert is_one_line(str(caught.value))
