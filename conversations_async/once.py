"""How to write what must not be there twice, where the API knows no idempotency keys.

What is written carries a key, by which it is recognised when the newest items are read back. So a write whose
outcome is unknown is looked for before it is tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from attrs import evolve, frozen

from ._checks import check_whole
from ._json import loads
from ._masking import mask_path
from .converter import check_characters, encode_fields, encode_json
from .errors import ConversationsError
from .pagination import Page, Stream
from .repository import PAGE_SIZE_MAX, Order, Repository
from .session import SessionManager

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

log = logging.getLogger("conversations_async")

#: The member of an item's attributes that holds the key.
IDEMPOTENCY_KEY: Final = "idempotency_key"
#: In characters.
_LONGEST: Final = 64
#: How many items a page has where few are expected.
_FEW: Final = 100


class Keyed(Protocol):
    """What a model must have to be recognised."""

    @property
    def index(self) -> int | None:
        """The place in the list, ascending."""

    @property
    def attributes(self) -> str | None:
        """JSON text, which may hold a key."""


K = TypeVar("K", bound=Keyed)


def with_key(key: str, attributes: str | Mapping[str, Any] | None) -> str:
    """Add the key to attributes, whose text otherwise stays as it is.

    Raises:
        ValueError: The key is none, or the attributes are no JSON object, or hold one; the message names it.
    """
    if not (isinstance(key, str) and 0 < len(key) <= _LONGEST and key.isprintable()):
        raise ValueError(f"key must be a string of 1 to {_LONGEST} printable characters")
    text = check_characters(
        "attributes", encode_json("attributes", {} if attributes is None else attributes) or ""
    )
    members = loads(text)
    if not isinstance(members, dict):
        raise ValueError("attributes must be an object where there is a key: it becomes one of its members")  # noqa: TRY004  # the contract
    if IDEMPOTENCY_KEY in members:
        raise ValueError(f"attributes must not have the member {IDEMPOTENCY_KEY}: it is for the key")
    member = json.dumps({IDEMPOTENCY_KEY: key}, ensure_ascii=False)[1:]
    return text.rstrip()[:-1] + (", " if members else "") + member


def has_key(attributes: str | None, key: str) -> bool:
    """Say whether attributes hold this key; what is no JSON object holds none."""
    try:
        members = loads(attributes or "{}")
    except ValueError:
        return False
    return isinstance(members, dict) and members.get(IDEMPOTENCY_KEY) == key


@frozen
class _Deadline:
    """The end of a call of several requests, by the policy of its session."""

    session: SessionManager
    start: float

    @property
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.start

    def rest(self, *, writes: int = 0, again: bool = False) -> SessionManager:
        """Give a session for one more request, with what is left of the time.

        Args:
            writes: How many attempts to write were made, which are none of the policy's any more.
            again: Whether the request is there because another one failed: it earns no retry then.
        """
        policy = self.session.options.retry
        return self.session.retrying(
            evolve(
                policy,
                total_timeout=max(policy.total_timeout - self.elapsed, 0.001),
                max_attempts=policy.max_attempts - writes,
                retry_posts=False,  # not without a look in between
            ),
            again=again,
        )


class OnceCreatable(Repository[K]):
    """An item can be added to an ordered list once, however often that is tried."""

    async def _post_once(
        self, form: Mapping[str, object], *, key: str, look_back: int, webhook_enabled: bool | str | None
    ) -> K:
        """Add an item that carries a key, unless it is found.

        Args:
            form: What to post; its attributes have the key.
            key: By which it is found.
            look_back: How many of the newest items are searched before the first attempt.
            webhook_enabled: As for ``_post``.

        Raises:
            ConversationsError: What the last write failed with, or the search before the first one.
            ValueError: An argument cannot be sent; nothing was.
        """
        check_whole("look_back", look_back, 0)
        self._check(form, webhook_enabled=webhook_enabled)
        session, policy = self._session, self._session.options.retry
        deadline = _Deadline(session, asyncio.get_running_loop().time())
        newest = None
        if look_back:
            found, newest = await self._find(key, deadline, most=look_back)
            if found is not None:
                return found
        writes, unsure = 0, False
        while True:
            place = self._through(deadline.rest(writes=writes, again=writes > 0))
            try:
                return await place._post(self._path, form, webhook_enabled=webhook_enabled)  # noqa: SLF001  # of its own kind
            except ConversationsError as error:
                failure = error
            writes += failure.attempts
            failure.attempts = writes
            failure.ambiguous = unsure = unsure or failure.ambiguous
            if not unsure or deadline.elapsed >= policy.total_timeout:
                raise failure
            # what was answered with a success is not written again, even if it is not found
            wait = policy.delay(
                writes,
                method="GET",
                status=failure.status,
                retry_after=getattr(failure, "retry_after", None),
                elapsed=deadline.elapsed,
            )
            session.spend_retry(failure)
            reason = failure.status or type(failure).__name__
            log.warning("POST %s: %s; a look follows in %.2f s", mask_path(self._path), reason, wait or 0)
            try:
                if wait is not None:
                    await session.pause(wait)  # before the look: what is late may arrive meanwhile
                found, _ = await self._find(key, deadline, above=newest)
            except Exception as error:
                raise failure from error
            if found is not None:
                return found
            if wait is None:
                raise failure
            session.spend_retry(failure)

    def _through(self, session: SessionManager) -> Self:
        return type(self)(session, self._product, self._path)

    async def _find(
        self, key: str, deadline: _Deadline, *, most: int | None = None, above: int | None = None
    ) -> tuple[K | None, int | None]:
        """Search the newest items for a key, and give the index of the newest of all; -1 where there is none.

        Args:
            key: What the item is to hold.
            deadline: The end of the call.
            most: How many items are searched before anything is written; None: it is for a write that failed.
            above: The newest index that cannot be its; None: nobody knows it, and a page has to do.
        """
        again = most is None
        if again and above is None:
            most = PAGE_SIZE_MAX

        async def read(link: str) -> Page[K]:
            return await self._through(deadline.rest(again=again))._read(link)  # noqa: SLF001  # of its own kind

        query = encode_fields({"Order": Order.DESC, "PageSize": min(most or _FEW, PAGE_SIZE_MAX)})
        newest = None
        stream = Stream(read, f"{self._path}?{query}", limit=most, read_ahead=0, key=self.key)
        async with aclosing(aiter(stream)) as items:
            async for item in items:
                newest = newest or item
                if above is not None and item.index is not None and item.index <= above:
                    break
                if has_key(item.attributes, key):
                    return item, newest.index
        return None, newest.index if newest else -1
