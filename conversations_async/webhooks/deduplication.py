"""Was this seen before?"""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from typing import Protocol

from .._checks import check_seconds, check_whole


class Deduplicator(Protocol):
    """Remembers what was seen, by keys of up to some 150 characters.

    Several processes that serve the same webhooks need one that they share. With Redis, ``claim`` is
    ``SET my-bot:KEY 1 NX EX 3600``. Where it raises, the error is reported, and the event is handled: rather
    twice than never.
    """

    async def claim(self, key: str) -> bool:
        """Remember a key, and say whether it is new; of several that claim it at once, it is new to one."""
        ...


class MemoryDeduplicator:
    """Remembers keys in this process.

    Args:
        max_keys: How many, at least 1; of more, the oldest are forgotten. An event has up to two keys, which
            take some 500 bytes together.
        expiry: Seconds for which a key is remembered. The API repeats a request within 15 s, five times at
            the most; an hour leaves room for those who replay events by hand.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, *, max_keys: int = 100_000, expiry: float = 3600.0) -> None:
        check_whole("max_keys", max_keys, 1)
        check_seconds("expiry", expiry)
        self._max_keys = max_keys
        self._expiry = expiry
        #: When each expires, in the order in which they were claimed, which is that of their expiry, too.
        self._keys: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    async def claim(self, key: str) -> bool:
        """Remember a key, and say whether it is new."""
        now = monotonic()
        while self._keys and next(iter(self._keys.values())) <= now:
            self._keys.popitem(last=False)
        if key in self._keys:
            return False
        self._keys[key] = now + self._expiry
        if len(self._keys) > self._max_keys:
            self._keys.popitem(last=False)
        return True
