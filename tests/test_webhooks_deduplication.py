"""What was seen before: each key once, for a time, and no more of them than there is room for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.webhooks import Deduplicator, MemoryDeduplicator, deduplication

from .support import deterministic

EXPIRY = 10.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(deduplication, "monotonic", lambda: self.now)


class Foreign:
    """What somebody else may write."""

    async def claim(self, key: str) -> bool:
        """Know nothing."""
        return bool(key)


DEDUPLICATORS: list[Deduplicator] = [MemoryDeduplicator(), Foreign()]


@pytest.mark.parametrize("deduplicator", DEDUPLICATORS, ids=["memory", "foreign"])
async def test_a_deduplicator_of_anybody(deduplicator: Deduplicator) -> None:
    """Whatever has the method is one."""
    assert await deduplicator.claim("a")


async def test_a_key_is_new_once() -> None:
    """Of all who claim a key at the same time, it is new to one; another key is new."""
    memory = MemoryDeduplicator()
    assert sorted(await asyncio.gather(*(memory.claim("a") for _ in range(5)))) == [False] * 4 + [True]
    assert await memory.claim("b")


async def test_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is remembered for the time that was given since it was new, however often it was claimed."""
    clock = Clock(monkeypatch)
    memory = MemoryDeduplicator(expiry=EXPIRY)
    assert await memory.claim("a")
    clock.now += EXPIRY - 0.001
    assert not await memory.claim("a")
    clock.now += 0.001
    assert await memory.claim("a")
    clock.now += EXPIRY - 0.001
    assert not await memory.claim("a")


async def test_what_has_expired_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is claimed frees the memory of all that has expired, and of nothing else."""
    clock = Clock(monkeypatch)
    memory = MemoryDeduplicator(expiry=EXPIRY)
    for key in "abc":
        await memory.claim(key)
        clock.now += EXPIRY / 3
    clock.now += 0.001
    await memory.claim("d")
    assert len(memory) == 3
    assert [await memory.claim(key) for key in "bcd"] == [False] * 3


async def test_the_bound() -> None:
    """Beyond the bound the oldest key is forgotten; to claim one again makes it no younger."""
    memory = MemoryDeduplicator(max_keys=2)
    assert await memory.claim("a")
    assert await memory.claim("b")
    assert not await memory.claim("a")
    assert await memory.claim("c")
    assert len(memory) == 2
    assert not await memory.claim("b")
    assert await memory.claim("a")


async def test_one_key() -> None:
    """With room for one key the last one is remembered."""
    memory = MemoryDeduplicator(max_keys=1)
    assert [await memory.claim(key) for key in "aabba"] == [True, False, True, False, True]


@deterministic
@given(
    steps=st.lists(st.tuples(st.sampled_from(["claim", "wait"]), st.integers(0, 5)), max_size=60),
    bound=st.integers(1, 4),
)
def test_any_use(steps: list[tuple[str, int]], bound: int) -> None:
    """It answers as a list does of what was new, and when, that is searched from its end."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        memory = MemoryDeduplicator(max_keys=bound, expiry=EXPIRY)
        seen: list[tuple[str, float]] = []

        async def play() -> None:
            nonlocal seen
            for what, number in steps:
                key = str(number)
                if what == "wait":
                    clock.now += number
                else:
                    seen = [one for one in seen if clock.now < one[1] + EXPIRY]
                    is_new = key not in dict(seen)
                    assert await memory.claim(key) == is_new
                    seen = [*seen, *([(key, clock.now)] if is_new else [])][-bound:]
                    assert len(memory) == len(seen)

        asyncio.run(play())


@pytest.mark.parametrize(
    ("options", "name"),
    [({"max_keys": 0}, "max_keys"), ({"max_keys": 1.0}, "max_keys"), ({"expiry": 0}, "expiry")],
)
def test_wrong_arguments(options: dict[str, Any], name: str) -> None:
    """What would remember nothing is refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be "):
        MemoryDeduplicator(**options)
