"""The emulator refuses what is too much, if it is told to, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from conversations_async import APIError, ConversationsClient, RateLimitError, RetryPolicy
from conversations_async.emulator import Emulator, Limits, RequestError
from conversations_async.emulator.limits import NO_LIMITS, Meter

from .conftest import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager


def stand() -> int:
    """Tell the same time always, so that a second is as long as the test wants."""
    return 1_700_000_000_000


def talk_to(emulator: Emulator) -> AbstractAsyncContextManager[ConversationsClient]:
    """Make a client for which a refusal is final."""
    return ConversationsClient(
        ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url, retry=RetryPolicy(max_attempts=1)
    )


async def running(**limits: int | None) -> AsyncIterator[tuple[Emulator, ConversationsClient]]:
    """Run an emulator with some limits, and none else."""
    async with (
        Emulator(limits=evolve(NO_LIMITS, **limits), clock=stand) as emulator,
        talk_to(emulator) as client,
    ):
        yield emulator, client


async def test_writes_to_a_conversation() -> None:
    """So many writes a second reach a conversation, whatever they write; reading is free."""
    async for emulator, client in running(per_conversation=3):
        for name in "ab":
            await client.conversations.create(unique_name=name)
        await client.conversations.update("a", friendly_name="A")
        await client.participants("a").create(identity="alice")
        await client.messages("a").create(body="Hi")
        with pytest.raises(RateLimitError) as refused:
            await client.messages("a").create(body="Ho")
        assert (refused.value.status, refused.value.code) == (429, 50063)
        assert len(await client.messages("a").stream().list()) == 1
        await client.messages("b").create(body="another conversation")
        emulator.clock.advance(seconds=1)
        await client.messages("a").create(body="Ho")


async def test_writes_to_a_service() -> None:
    """Conversations made and deleted, users and roles count for their service."""
    async for _, client in running(per_service=3):
        other = client.service((await client.services.create(friendly_name="x")).sid)
        await client.conversations.create(unique_name="a")
        await client.users.create(identity="alice")
        await client.conversations.delete("a")
        for refused in (
            client.roles.create(friendly_name="x", type="service", permission=["joinConversation"]),
            client.users.update("alice", friendly_name="x"),
            client.conversations.create(),
        ):
            with pytest.raises(RateLimitError):
                await refused
        await other.conversations.create()


async def test_requests_at_once() -> None:
    """More requests at once than allowed are 20429; each answer tells how many there were."""
    emulator = Emulator(limits=Limits(concurrency=2), latency=0.02)
    async with emulator, talk_to(emulator) as client:
        answers = await asyncio.gather(
            *(client.conversations.create() for _ in range(5)), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, RateLimitError)]
        assert {(error.status, error.code) for error in refused} == {(429, 20429)}
        assert len(refused) == 3
        assert len(await client.conversations.stream().list()) == 2


async def test_crowds() -> None:
    """A conversation has so many participants, so many of them phones; a user so many conversations."""
    async for _, client in running(participants=3, phones=1, conversations=2):
        for name in "abc":
            await client.conversations.create(unique_name=name)
        participants = client.participants("a")
        await participants.create(identity="alice")
        await participants.create(
            messaging_binding_address="+15550001", messaging_binding_proxy_address="+15550002"
        )
        with pytest.raises(APIError, match="50418"):
            await participants.create(
                messaging_binding_address="+15550003", messaging_binding_proxy_address="+15550002"
            )
        await participants.create(identity="bob")
        with pytest.raises(APIError, match="50417"):
            await participants.create(identity="carol")
        await client.participants("b").create(identity="alice")
        with pytest.raises(APIError, match="50214"):
            await client.participants("c").create(identity="alice")
        await client.conversations.close("a")
        await client.participants("c").create(identity="alice")


async def test_none_by_default() -> None:
    """Without limits, nothing is too much; True means the documented ones."""
    async with Emulator(clock=stand) as emulator, talk_to(emulator) as client:
        await client.conversations.create(unique_name="a")
        await asyncio.gather(*(client.messages("a").create(body="x") for _ in range(40)))
    async with Emulator(limits=True, clock=stand) as emulator, talk_to(emulator) as client:
        await client.conversations.create(unique_name="a")
        answers = await asyncio.gather(
            *(client.messages("a").create(body="x") for _ in range(40)), return_exceptions=True
        )
        assert sum(isinstance(answer, RateLimitError) for answer in answers) == 10


def test_who_is_quiet_is_forgotten() -> None:
    """The counts of those to whom nobody writes any more do not grow for ever."""
    meter = Meter(Limits(per_conversation=1))
    for row_id in range(3000):
        meter.count("conversations", row_id, now=row_id)
    assert len(meter._writes) <= 1001
    with pytest.raises(RequestError, match="50063"):
        meter.count("conversations", 2999, now=3998)
    meter.count("conversations", 2999, now=3999)
    meter.count("conversations", 2999, now=0)  # the clock was set back


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "30"])
def test_a_limit_that_is_none(value: Any) -> None:
    """A limit is a whole number of at least 1."""
    thirty: Any = 30
    with pytest.raises(ValueError, match=r"^per_service must be a whole number of at least 1, or None, not"):
        Limits(per_service=value)
    with pytest.raises(ValueError, match=r"^limits must be Limits of the emulator, True or None, not 30$"):
        Emulator(limits=thirty)
