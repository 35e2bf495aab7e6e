"""The pytest plugin: in this process, and in processes of pytest with each way of running coroutines."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp
import pytest

from conversations_async import AuthenticationError, ConversationsClient, NotFoundError, ServerError
from conversations_async.pytest_plugin import ACCOUNT_SID, AUTH_TOKEN, _with_account

from . import conftest
from .test_cli import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conversations_async.emulator import Emulator

#: A gate that nobody is held up at.
OPEN = asyncio.Event()
OPEN.set()
#: What each of the tests below does: it leaves everything behind that the next one must not see.
LEFTOVERS = """
import asyncio
import pytest
from conversations_async import ConversationsClient, ConversationsError, RetryPolicy

async def leave(client, emulator):
    assert emulator.requests == [] and emulator.webhooks == [] and list(emulator.faults) == []
    assert await client.conversations.stream().list() == []
    await client.conversations.create(unique_name="room", webhook_enabled=True)
    await client.webhook_configuration.update(post_webhook_url="http://127.0.0.1:9/")
    await client.conversations.create(webhook_enabled=True)
    assert (await client.conversations.fetch("room")).date_created.year < 2100
    assert emulator.requests[-1].operation == "conversations.fetch"
    emulator.clock.advance(days=365 * 90)
    emulator.faults.add(status=503)
    with pytest.raises(ConversationsError):
        await client.conversations.fetch("room")
"""
#: With pytest-asyncio in its strict mode, anyio's plugin, and without either.
STRICT = """
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

class ToEmulator(TwilioHttpClient):
    def __init__(self, url):
        super().__init__()
        self.url = url

    def request(self, method, url, *args, **kwargs):
        url = url.replace("https://conversations.twilio.com", self.url)
        return super().request(method, url, *args, **kwargs)

@pytest.mark.parametrize("again", [1, 2])
class TestEach:
    @pytest.mark.asyncio
    async def test_asyncio(self, conversations_client, conversations_emulator, again):
        await leave(conversations_client, conversations_emulator)

    @pytest.mark.asyncio(loop_scope="session")
    async def test_asyncio_in_one_loop(self, conversations_client, conversations_emulator, again):
        await leave(conversations_client, conversations_emulator)

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_anyio(self, conversations_client, conversations_emulator, again):
        await leave(conversations_client, conversations_emulator)

    def test_own_loop(self, conversations_client, conversations_emulator, again):
        asyncio.run(leave(conversations_client, conversations_emulator))
        with asyncio.Runner() as runner:
            conversations_emulator.reset()
            runner.run(leave(conversations_client, conversations_emulator))

    def test_no_loop(self, conversations_emulator, again):
        http = ToEmulator(conversations_emulator.url)
        official = Client("AC" + "0" * 32, "not-a-real-token", http_client=http)
        assert official.conversations.v1.conversations.list() == []
        official.conversations.v1.conversations.create(unique_name="room")
        assert conversations_emulator.requests[-1].form == {"UniqueName": ["room"]}
        http.session.close()

    def test_unused(self, conversations_client, again):
        pass

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def higher(anyio_backend):
    yield

@pytest.mark.anyio
@pytest.mark.parametrize("again", [1, 2])
async def test_anyio_in_one_loop(higher, conversations_client, conversations_emulator, again):
    await leave(conversations_client, conversations_emulator)
"""
#: With pytest-asyncio in its auto mode, where an application of its own is under test.
AUTO = """
import pytest_asyncio

@pytest.fixture(scope="session")
def conversations_emulator_options():
    return {"latency": 0.001, "account_sid": None, "auth_token": None}

@pytest_asyncio.fixture
async def seeded(conversations_client, conversations_emulator):
    conversations_emulator.seed({"conversations": [{"unique_name": "seeded"}]})
    yield conversations_client

async def test_seeded(seeded, conversations_emulator):
    assert (await seeded.conversations.fetch("seeded")).unique_name == "seeded"
    before = conversations_emulator.snapshot()
    await seeded.conversations.delete("seeded")
    conversations_emulator.restore(before)
    await seeded.conversations.fetch("seeded")

async def test_any_account(conversations_emulator):
    async with ConversationsClient("AC" + "1" * 32, "other", base_url=conversations_emulator.url) as client:
        assert await client.conversations.stream().list() == []

@pytest.mark.parametrize("again", [1, 2])
async def test_auto(conversations_client, conversations_emulator, again):
    await leave(conversations_client, conversations_emulator)
"""


@pytest.mark.parametrize(("mode", "tests", "count"), [("strict", STRICT, 14), ("auto", AUTO, 4)])
def test_each_way_of_running_coroutines(tmp_path: Path, mode: str, tests: str, count: int) -> None:
    """Whoever runs the loop, each test begins anew, and none leaves a socket or a warning behind."""
    (tmp_path / "test_it.py").write_text(LEFTOVERS + tests)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nasyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
        # in this mode of Python, aiohttp 3.14.0 warns of what its own server does
        "filterwarnings =\n    error\n    ignore:Setting custom Request:DeprecationWarning\n"
    )
    run = subprocess.run(
        (sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    assert f"{count} passed" in run.stdout


def test_who_does_not_use_it_does_not_start_it(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """The plugin is there without being asked for, and loads no server where no test uses its fixtures."""
    assert pytestconfig.pluginmanager.has_plugin("conversations_async")
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it(conversations_emulator_options):\n"
        "    assert conversations_emulator_options == {}\n"
        "    assert 'conversations_async.emulator' not in sys.modules\n"
    )
    run = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.fixture
def after() -> Iterator[list[Emulator]]:
    """Look at emulators when their fixtures have ended."""
    used: list[Emulator] = []
    yield used
    for emulator in used:
        asyncio.run(emulator.settled())
        assert (emulator.requests, emulator.webhooks, list(emulator.faults)) == ([], [], [])


class TestHere:
    """In this process."""

    async def test_the_client_is_let_in_and_no_other(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """By default there is one account, which the module names."""
        await conversations_client.conversations.create(unique_name="room")
        other = conversations_client.with_options(account_sid=conftest.ACCOUNT_SID, auth_token="other")
        with pytest.raises(AuthenticationError):
            await other.conversations.fetch("room")
        async with ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, base_url=conversations_emulator.url
        ) as client:
            assert (await client.conversations.fetch("room")).account_sid == ACCOUNT_SID

    async def test_a_failure_is_repeated_at_once(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """The client repeats what clients repeat, and does not wait before it does."""
        fault = conversations_emulator.faults.add(method="GET", status=503)
        with pytest.raises(ServerError):
            await conversations_client.conversations.stream().list()
        assert conversations_emulator.faults.count(fault) == 5
        assert {record.code for record in conversations_emulator.requests} == {20503}

    async def test_webhooks_arrive_in_the_loop_of_the_test(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """The emulator works in a thread of its own, calls a server of the test, and can be waited for."""
        async with receiving(OPEN) as (url, heard):
            await conversations_client.webhook_configuration.update(post_webhook_url=url)
            await conversations_client.conversations.create(webhook_enabled=True)
            await conversations_emulator.settled()
        assert heard == ["onConversationAdded"]
        assert [call.status for call in conversations_emulator.webhooks] == [200]

    async def test_nothing_is_left_behind(
        self,
        after: list[Emulator],
        conversations_client: ConversationsClient,
        conversations_emulator: Emulator,
    ) -> None:
        """As soon as a test has ended, what it caused is called no more."""
        gate = asyncio.Event()
        async with receiving(gate) as (url, heard):
            await conversations_client.webhook_configuration.update(post_webhook_url=url)
            await conversations_client.conversations.create(webhook_enabled=True)
            while not heard:  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.001)
            conversations_emulator.faults.add(status=503)
            after.append(conversations_emulator)

    async def test_a_late_request_does_not_reach_the_next_test(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """A request that is still under way at a reset writes nothing, and is in no list, after it."""
        conversations_emulator.faults.add(latency=0.05, times=1)
        late = asyncio.create_task(conversations_client.conversations.create(unique_name="late"))
        while conversations_emulator.requests_served == 0:  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0)
        conversations_emulator.reset()
        with pytest.raises(ServerError):
            await late
        assert conversations_emulator.requests == []
        with pytest.raises(NotFoundError):
            await conversations_client.conversations.fetch("late")


class TestHooksBeforeRest:
    """With pre-action hooks, which can hold a request up."""

    @pytest.fixture
    def conversations_emulator_options(self) -> dict[str, Any]:
        """Let them be asked, and let any account in."""
        return {"pre_webhooks_for_rest": True, "account_sid": None, "auth_token": None}

    async def test_a_late_answer_does_not_reach_the_next_test(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """What a hook answers after a reset is for nobody."""
        gate = asyncio.Event()
        async with receiving(gate) as (url, heard):
            await conversations_client.webhook_configuration.update(pre_webhook_url=url)
            late = asyncio.create_task(conversations_client.conversations.create(webhook_enabled=True))
            while not heard:  # noqa: ASYNC110  # there is no event to wait for
                await asyncio.sleep(0.001)
            conversations_emulator.reset()
            gate.set()
            with pytest.raises(ServerError):
                await late
        assert conversations_emulator.webhooks == []
        assert await conversations_client.conversations.stream().list() == []

    async def test_an_account_does_not_reach_the_next_test(
        self, conversations_client: ConversationsClient, conversations_emulator: Emulator
    ) -> None:
        """Webhooks speak for the account that has called since the reset, and for nobody before that."""
        seed = {
            "webhook_configuration": {"post_webhook_url": "http://not.called.test/"},
            "conversations": [{"timers_closed": "PT10M"}],
        }
        for sid in ACCOUNT_SID, "AC" + "1" * 32:
            conversations_emulator.reset()
            conversations_emulator.seed(seed)
            conversations_emulator.clock.advance(hours=1)
            client = conversations_client.with_options(account_sid=sid, auth_token="token")
            await client.conversations.create(webhook_enabled=True)
            told = [call.form["AccountSid"] for call in conversations_emulator.webhooks]
            assert told == ["AC" + "0" * 32, sid]


class TestOptions:
    """They are overridden as fixtures are."""

    urls: ClassVar[dict[str, str]] = {}

    @pytest.fixture(params=["one", "two"])
    def conversations_emulator_options(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Give another account."""
        return {"auth_token": request.param}

    @pytest.mark.parametrize("again", [1, 2])
    async def test_one_emulator_for_the_same_options(
        self,
        conversations_client: ConversationsClient,
        conversations_emulator: Emulator,
        conversations_emulator_options: dict[str, Any],
        again: int,
    ) -> None:
        """Each set of options has its own emulator, which starts once, and the client knows its account."""
        assert await conversations_client.conversations.stream().list() == []
        token = conversations_emulator_options["auth_token"]
        assert self.urls.setdefault(token, conversations_emulator.url) == conversations_emulator.url
        assert len(set(self.urls.values())) == len(self.urls)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (None, "conversations_emulator_options must be a dict of Emulator's arguments, not None"),
        (5, "conversations_emulator_options must be a dict of Emulator's arguments, not 5"),
        (
            ["latency"],
            "conversations_emulator_options must be a dict of Emulator's arguments, not ['latency']",
        ),
        ({"latencyy": 1}, "conversations_emulator_options.latencyy: unknown; did you mean latency?"),
        ({5: 1}, "conversations_emulator_options.5: unknown; known are database, host, port, "),
    ],
)
def test_wrong_options(options: Any, line: str) -> None:
    """Options that are none are refused by the name of their fixture."""
    with pytest.raises(ValueError, match=f"^{re.escape(line)}"):
        _with_account(options)


@pytest.fixture
def borrowing(conversations_emulator: Emulator) -> Iterator[asyncio.Runner]:
    """Give a loop that runs only when it is told to."""
    with asyncio.Runner() as runner:
        yield runner


def test_a_client_is_closed_where_it_is_open(
    borrowing: asyncio.Runner, conversations_emulator: Emulator
) -> None:
    """What is closed between tests is what the client opened, in loops that do not run, and nothing else."""

    async def use(**options: Any) -> ConversationsClient:
        client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=conversations_emulator.url, **options)
        await client.conversations.stream().list()
        client._session.close_idle()
        await client.conversations.stream().list()
        return client

    own = borrowing.run(use())
    own._session.close_idle()

    async def borrow() -> None:
        async with aiohttp.ClientSession() as session:
            await use(session=session)
            assert not session.closed

    borrowing.run(borrow())
    with pytest.raises(RuntimeError, match="the client is closed"):
        borrowing.run(own.conversations.stream().list())
