"""Which messages of a conversation are new? It is asked again and again, and each message is given once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from ._checks import check_seconds
from .errors import RateLimitError, ServerError, TransportError
from .repository import PAGE_SIZE_MAX, Order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .errors import ConversationsError
    from .resources.messages import Message, MessageRepository

_PASSING: Final = (TransportError, ServerError, RateLimitError)


async def follow(
    messages: MessageRepository,
    *,
    lines: int,
    interval: float | None,
    on_failure: Callable[[ConversationsError], None],
) -> AsyncGenerator[Message]:
    """Yield the newest messages, oldest first, and then those that come, in the order of their indexes.

    It is assumed that a message never appears below an index that was seen already.

    Args:
        messages: Those of one conversation.
        lines: How many to begin with; 0 begins with what comes.
        interval: The seconds from what was read to the next look; None ends instead.
        on_failure: Hears of a look that failed in passing; not of those that fail right after it, too. What
            it missed is found by the next one.

    Raises:
        ConversationsError: The first look failed, or a later one for good: not in transport, and neither
            with 429 nor with 5xx.
        ValueError: ``interval`` is no number of seconds.
    """
    if interval is not None:
        check_seconds("interval", interval)
    # one is read in any case: it says what is new
    found = await _read(messages, page_size=max(lines, 1), limit=max(lines, 1))
    for message in [*found.values()][max(len(found) - lines, 0) :]:
        yield message
    seen, failing = max(found, default=-1), False
    while interval is not None:
        await asyncio.sleep(interval)
        try:
            found = await _above(messages, seen)
        except _PASSING as error:
            if not failing:
                on_failure(error)
            failing = True
            continue
        failing = False
        for seen, message in found.items():  # noqa: B007  # the last one is where the next look ends
            yield message


async def _above(messages: MessageRepository, seen: int) -> dict[int, Message]:
    """Read what is above an index: nothing but the newest message, where that is all or is not new."""
    found = await _read(messages, page_size=1, limit=1, above=seen)
    most = max(found, default=seen) - seen
    # without a limit, because more may have come since
    return found if most <= 1 else await _read(messages, page_size=most, above=seen)


async def _read(
    messages: MessageRepository, *, page_size: int, limit: int | None = None, above: int = -1
) -> dict[int, Message]:
    """Read from the newest message down, and give what was read by its index, ascending."""
    found: dict[int, Message] = {}
    stream = messages.stream(
        order=Order.DESC, page_size=min(page_size, PAGE_SIZE_MAX), limit=limit, read_ahead=0
    )
    async with aclosing(aiter(stream)) as items:
        async for message in items:
            index = -1 if message.index is None else message.index
            if index > above:
                found[index] = message
            if index <= above + 1:
                break
    return dict(sorted(found.items()))
