"""Which messages are missing? Puts those of a conversation in the order of their indexes, and reads gaps.

What is known of a conversation is one number: every message with a lower index was handed on or looked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .._checks import check_seconds, check_whole
from ..repository import Order
from ._cancelling import failure
from .background import Lane, Waiting
from .events import MessageAdded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import ConversationsClient
    from ..pagination import Stream
    from ..resources.messages import Message

log = logging.getLogger("conversations_async.webhooks")

#: Of how many conversations the place is known; of more, those that were silent for longest are forgotten.
_CONVERSATIONS: Final = 10_000
_PAGE_SIZE: Final = 100
#: How many gaps are read at a time: after a start, every conversation may have one.
_READS: Final = 10
#: Seconds in which a gap is read, or given up.
_READ_WITHIN: Final = 10.0
_SECOND: Final = timedelta(seconds=1)


@frozen(kw_only=True)
class Repair:
    """How gaps in the indexes of messages are repaired.

    Whatever was written and did not arrive counts as missing: also what was written without
    ``webhook_enabled``, such as the answers of a bot. It is waited for, read and handled like the rest, so
    handlers should look at its author. What was written before the router began counts as handled by another
    process; for that, the clock of this machine must be in step with the API's. So does what was imported
    with an earlier date.

    Args:
        wait: Seconds for which a message waits for an earlier one that has not arrived, before that is read.
        limit: How many of the newest messages are read for one gap, at most. What is farther back is lost,
            and a warning says so.

    Raises:
        ValueError: An argument is out of range.
    """

    wait: float = 0.5
    limit: int = 1000

    def __attrs_post_init__(self) -> None:
        check_seconds("wait", self.wait, above_zero=False)
        check_whole("limit", self.limit, 1)


@frozen
class _Known:
    #: Every message with a lower index was handed on, or was looked for.
    index: int
    #: When the last one that was handed on was written.
    latest: datetime


class ByIndex:
    """Hands on the messages of a lane by their indexes; everything else as it came.

    A conversation that is new to it is read back to the messages that were written before this began: they
    were another process's.

    Args:
        failed: Is told of what goes wrong in reading. The messages after the gap are handled all the same.
    """

    def __init__(
        self,
        repair: Repair,
        client: ConversationsClient,
        failed: Callable[[Exception, MessageAdded], None],
    ) -> None:
        self._repair = repair
        self._client = client
        self._failed = failed
        self._reads = asyncio.Semaphore(_READS)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        # in REST, a message was written at a whole second
        self._began = datetime.now(UTC).replace(microsecond=0)
        # from when on the messages of a conversation that is not known were handed on by nobody
        self._since = self._began

    async def next(self, lane: Lane) -> Waiting:
        """Choose the message with the lowest index, if none is missing before it; read those that are."""
        loop = asyncio.get_running_loop()
        while True:
            event = (first := lane.waiting[0]).event
            if not isinstance(event, MessageAdded) or (index := event.index) is None:
                return first
            known = self._known.get(event.conversation_sid)
            if index <= (known.index if known else 0):
                self._know(event, index + 1)
                return first
            # what is missing may have come after it
            _earlier_first(lane, index)
            if lane.waiting[0] is not first:
                continue
            # whatever is in the lane waits for what is missing, and some of it waited before this was first
            deadline = min(one.since for one in lane.waiting) + self._repair.wait
            if known and await _arrival(lane, deadline):
                continue
            missing = await self._read(event, index)
            # some may have come by themselves meanwhile; of two that tell the same, the first one counts
            lane.waiting += [Waiting(one, loop.time(), arrived=False) for one in missing]
            _earlier_first(lane, index)
            self._know(event, index)

    async def _read(self, event: MessageAdded, index: int) -> list[MessageAdded]:
        """Read the messages before one that were not handed on, as far as they can be had."""
        known = self._known.get(event.conversation_sid)
        lowest, since = (known.index, self._began) if known else (0, self._since)
        found: list[MessageAdded] = []
        read = 0
        try:
            async with (
                asyncio.timeout(_READ_WITHIN),
                self._reads,
                aclosing(aiter(self._newest_first(event))) as messages,
            ):
                async for message in messages:
                    read += 1
                    one = MessageAdded.of(message)
                    is_ours = (one.date_created or since) >= since
                    if not known and not is_ours:
                        break
                    at = index if one.index is None else one.index
                    if is_ours and lowest <= at < index:
                        found.append(one)
                    if at <= lowest:
                        break
                else:
                    if read == self._repair.limit:
                        log.warning(
                            "a gap before message %d of %s is too long: only %d messages were read",
                            index,
                            event.conversation_sid,
                            read,
                        )
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # what comes after it is handled
            self._failed(failure(error), event)
        return found

    def _newest_first(self, event: MessageAdded) -> Stream[Message]:
        client, service = self._client, event.chat_service_sid
        messages = (client.service(service) if service else client).messages(event.conversation_sid)
        # mostly, what is missing is on the first page
        return messages.stream(order=Order.DESC, page_size=_PAGE_SIZE, limit=self._repair.limit, read_ahead=0)

    def _know(self, event: MessageAdded, index: int) -> None:
        """Note that every message below an index was handed on, or looked for."""
        known = self._known.pop(event.conversation_sid, _Known(0, self._began))
        latest = max(known.latest, event.date_created or known.latest)
        self._known[event.conversation_sid] = _Known(max(known.index, index), latest)
        if len(self._known) > _CONVERSATIONS:
            _, forgotten = self._known.popitem(last=False)
            # what it had handed on must not be taken for missing when it speaks again
            until = min(forgotten.latest, datetime.now(UTC)).replace(microsecond=0)
            self._since = max(self._since, until + _SECOND)


def _earlier_first(lane: Lane, index: int) -> None:
    """Put the messages before an index in front, in their order; all else stays in the order of arrival."""

    def place(one: Waiting) -> int:
        at = one.event.index if isinstance(one.event, MessageAdded) else None
        return index if at is None else min(at, index)

    lane.waiting.sort(key=place)


async def _arrival(lane: Lane, deadline: float) -> bool:
    """Wait until something is added to a lane, or a time of the loop; say whether something was."""
    lane.arrival.clear()
    try:
        async with asyncio.timeout_at(deadline):
            await lane.arrival.wait()
    except TimeoutError:
        return False
    return True
