"""One emulator, steered from anywhere: other threads, other loops, later runs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from conversations_async import ConversationsClient, NotFoundError, RetryPolicy, ServerError, TransportError
from conversations_async.emulator import Carrier, Emulator, breakage, create_app

from .conftest import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


def talk_to(emulator: Emulator) -> AbstractAsyncContextManager[ConversationsClient]:
    """Make a client."""
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url)


class TestThread:
    """An emulator in a thread of its own."""

    def test_without_a_loop(self) -> None:
        """It needs no loop of its user's, and serves several, one after another."""

        async def write(emulator: Emulator) -> int:
            async with talk_to(emulator) as client:
                await client.conversations.ensure("a")
                await client.participants("a").ensure(identity="alice")
                delivered = await emulator.deliver(from_="alice", conversation="a", body="Hi")
                await emulator.settled()
                assert delivered is not None
                return delivered.index

        before = threading.active_count()
        with Emulator() as emulator:
            assert [asyncio.run(write(emulator)) for _ in range(2)] == [0, 1]
            assert emulator.requests_served == len(emulator.requests)
        assert threading.active_count() == before
        with pytest.raises(RuntimeError, match="the emulator is not running"):
            _ = emulator.url

    def test_what_stops_it_from_starting(self, tmp_path: Path) -> None:
        """What goes wrong in its thread is raised where it was asked for."""
        (tmp_path / "db").write_text("no database" * 100)
        with pytest.raises(ValueError, match="database"), Emulator(database=tmp_path / "db"):
            pass
        with Emulator() as emulator:
            port = int(emulator.url.rpartition(":")[2])
            with pytest.raises(OSError, match="cannot listen on"), Emulator(port=port):
                pass
        with pytest.raises(RuntimeError, match="an emulator starts once"), emulator:
            pass

    def test_from_many_threads(self) -> None:
        """Controls may be called from any thread while requests are served."""

        async def write(emulator: Emulator) -> None:
            async with talk_to(emulator) as client:
                await asyncio.gather(
                    *(client.conversations.create(timers_inactive="PT1M") for _ in range(40))
                )

        def turn(emulator: Emulator) -> None:
            for _ in range(40):
                emulator.clock.advance(seconds=30)
                emulator.snapshot()

        with Emulator() as emulator:
            turning = [threading.Thread(target=turn, args=(emulator,)) for _ in range(2)]
            for thread in turning:
                thread.start()
            asyncio.run(write(emulator))
            for thread in turning:
                thread.join()
            emulator.clock.advance(minutes=1)

            async def states() -> set[object]:
                async with talk_to(emulator) as client:
                    return {room.state async for room in client.conversations.stream()}

            assert asyncio.run(states()) == {"inactive"}


class TestState:
    """Going back, and going on."""

    async def test_snapshot_and_restore(self, emulator: Emulator, client: ConversationsClient) -> None:
        """What was restored is as it was, SIDs and indexes included; what came later is gone."""
        await client.conversations.create(unique_name="a")
        await client.messages("a").create(body="one")
        snapshot = emulator.snapshot()
        two = await client.messages("a").create(body="two")
        await client.conversations.create(unique_name="b")
        later = emulator.snapshot()
        emulator.restore(snapshot)
        assert [message.body async for message in client.messages("a").stream()] == ["one"]
        with pytest.raises(NotFoundError):
            await client.conversations.fetch("b")
        assert (await client.messages("a").create(body="three")).index == two.index
        emulator.restore(later)
        assert await client.messages("a").fetch(two.sid) == two
        assert repr(snapshot) == "Snapshot()"

    async def test_restored_timers_fire(self, emulator: Emulator, client: ConversationsClient) -> None:
        """Timers that come back with a snapshot fire as they would have."""
        room = await client.conversations.create(timers_closed="PT1H")
        snapshot = emulator.snapshot()
        await client.conversations.delete(room.sid)
        emulator.restore(snapshot)
        emulator.clock.advance(hours=1)
        assert (await client.conversations.fetch(room.sid)).state == "closed"

    async def test_reset(self, emulator: Emulator, client: ConversationsClient) -> None:
        """After a reset everything is as at the start: data, time, faults and logs."""
        service = [service.sid async for service in client.services.stream()]
        await client.services.create(friendly_name="x")
        await client.conversations.create(unique_name="a")
        emulator.clock.advance(days=1)
        emulator.faults.add(status=503)
        ahead = emulator.clock.now()
        emulator.reset()
        assert (emulator.requests_served, emulator.requests, emulator.webhooks) == (0, [], [])
        assert list(emulator.faults) == []
        assert ahead - emulator.clock.now() > 23 * 3600 * 1000
        assert [service.sid async for service in client.services.stream()] == service
        assert await client.conversations.stream().list() == []

    async def test_a_reset_is_a_new_start(self) -> None:
        """Timers and phones of the seed have their whole time after a reset, however late it is."""
        phone = {"messaging_binding_address": "+15550001", "messaging_binding_proxy_address": "+15550002"}
        timers = {"timers_inactive": "PT1M", "timers_closed": "PT10M"}
        room = {"unique_name": "a", **timers, "participants": [phone], "messages": [{"body": "Hi"}]}
        now = [1_700_000_000_000]
        carrier = Carrier(delivered_after=30)
        emulator = Emulator(seed={"conversations": [room]}, clock=lambda: now[0], carrier=carrier)
        async with emulator, talk_to(emulator) as client:
            now[0] += 3_600_000
            assert (await client.conversations.fetch("a")).state == "closed"
            emulator.reset()
            states = []
            for _ in range(3):
                (message,) = await client.messages("a").stream().list()
                delivery = message.delivery and message.delivery.delivered
                states.append(((await client.conversations.fetch("a")).state, delivery))
                emulator.clock.advance(seconds=31)
            assert states == [("active", "none"), ("active", "all"), ("inactive", "all")]

    async def test_a_restore_keeps_the_log(
        self, emulator: Emulator, client: ConversationsClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A request that a restore ends is refused, and is in the log."""
        arrived, go = asyncio.Event(), asyncio.Event()

        async def hold(_: float) -> None:
            arrived.set()
            await go.wait()

        monkeypatch.setattr(breakage, "_sleep", hold)
        emulator.faults.add(latency=0.05, times=1)
        snapshot = emulator.snapshot()
        writing = asyncio.create_task(client.conversations.create())
        await arrived.wait()
        emulator.restore(snapshot)
        go.set()
        with pytest.raises(ServerError):
            await writing
        assert [record.status for record in emulator.requests] == [500]
        await emulator.settled(within=0)

    async def test_a_later_run_catches_up(self, tmp_path: Path) -> None:
        """Timers that ended while nothing ran fire at the next start, and the default service is the same."""
        path = tmp_path / "db"
        async with Emulator(database=path) as emulator, talk_to(emulator) as client:
            room = await client.conversations.create(timers_closed="PT10M")
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE conversations SET last_activity = last_activity - 600000")
            db.commit()
        async with Emulator(database=path) as emulator, talk_to(emulator) as client:
            again = await client.conversations.fetch(room.sid)
        assert (again.state, again.chat_service_sid) == ("closed", room.chat_service_sid)

    async def test_what_an_earlier_run_wrote_is_not_reset(self, tmp_path: Path) -> None:
        """A file that held data already is not emptied by a reset; snapshots go back."""
        path = tmp_path / "db"
        async with Emulator(database=path) as emulator, talk_to(emulator) as client:
            await client.conversations.create(unique_name="a")
            emulator.reset()
            await client.conversations.create(unique_name="a")
        async with Emulator(database=path) as emulator, talk_to(emulator) as client:
            with pytest.raises(ValueError, match="the database held data already"):
                emulator.reset()
            assert emulator.requests == []
            snapshot = emulator.snapshot()
            await client.conversations.delete("a")
            emulator.restore(snapshot)
            assert (await client.conversations.fetch("a")).state == "active"
        async with Emulator(database=path) as emulator, talk_to(emulator) as client:
            assert (await client.conversations.fetch("a")).state == "active"

    async def test_what_was_asked(self, emulator: Emulator, client: ConversationsClient) -> None:
        """Each request is kept with its operation and form, and without its credentials."""
        await client.conversations.create(unique_name="a", webhook_enabled=True)
        await client.messages("a").stream(page_size=7, limit=1).list()
        with pytest.raises(NotFoundError):
            await client.users.fetch("nobody")
        created, listed, missing = emulator.requests
        assert (created.operation, created.method, created.path, created.status) == (
            "conversations.create",
            "POST",
            "/v1/Conversations",
            201,
        )
        assert created.form == {"UniqueName": ["a"]}
        assert created.headers["X-Twilio-Webhook-Enabled"] == "true"
        assert (listed.operation, listed.query) == ("messages.list", {"PageSize": ["7"]})
        assert (missing.operation, missing.status) == ("users.fetch", 404)
        assert AUTH_TOKEN not in repr(emulator.requests)
        assert "Authorization" not in repr(emulator.requests)

    async def test_faults(self, emulator: Emulator, client: ConversationsClient) -> None:
        """A fault hits the operation that it names, and what it lost was written all the same."""
        fault = emulator.faults.add(operation="conversations.fetch", status=503, times=2)
        room = await client.conversations.create()
        assert (
            await client.with_options(retry=RetryPolicy(base_delay=0)).conversations.fetch(room.sid) == room
        )
        assert emulator.faults.count(fault) == 2


async def test_as_an_application(tmp_path: Path) -> None:
    """The emulator is an aiohttp application, whose end closes its database."""
    app = create_app(database=tmp_path / "db")
    app.freeze()
    await app.startup()
    await app.cleanup()
    assert not (tmp_path / "db-wal").exists()


async def test_what_went_wrong_is_kept(emulator: Emulator) -> None:
    """A request that a fault hit is kept with the fault, and without a status where its connection ended."""
    reset = emulator.faults.add(reset="after", method="POST", times=1)
    refused = emulator.faults.add(status=503, times=1)
    async with talk_to(emulator) as patient:
        client = patient.with_options(retry=RetryPolicy(max_attempts=1))
        with pytest.raises(TransportError):
            await client.conversations.create(unique_name="a")
        assert await client.with_options(retry=RetryPolicy(base_delay=0)).conversations.fetch("a")
        emulator.faults.add(reset="during", method="DELETE", times=1)
        with pytest.raises(TransportError):
            await client.conversations.delete("a")
        emulator.faults.add(body="truncated", times=1)
        with pytest.raises(TransportError):
            await client.conversations.fetch("a")
    lost, failed, fetched, unsent, cut = emulator.requests
    assert (unsent.status, cut.status, cut.code) == (None, 404, 20404)
    assert (lost.status, lost.fault, lost.form) == (None, reset, {"UniqueName": ["a"]})
    assert (failed.status, failed.code, failed.fault) == (503, 20503, refused)
    assert "Authorization" not in failed.headers
    assert (fetched.status, fetched.code, fetched.fault) == (200, None, None)
