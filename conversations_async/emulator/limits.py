"""How much may be asked for in a second, and at once?"""

from collections import deque
from typing import Any, Final

from attrs import asdict, frozen

from .documents import is_whole, require
from .errors import RequestError

_SECOND_MS: Final = 1000
#: From how many conversations and services on those are forgotten that are quiet.
_REMEMBERED: Final = 1000


@frozen(kw_only=True)
class Limits:
    """What the API refuses with 429 when it is too much. None: no limit.

    Attributes:
        per_conversation: Writes a second to a conversation, its participants and its messages. Documented:
            30.
        per_service: In one service, conversations made and deleted, and writes to users and roles, a second.
            Documented: 30.
        concurrency: Requests at once. The API's own figure is not published; this one is assumed.
        participants: In one conversation. Documented: 1000.
        phones: Participants of one conversation that are not on chat. Documented: 50.
        conversations: Open ones that one identity takes part in. Documented: 1000.
    """

    per_conversation: int | None = 30
    per_service: int | None = 30
    concurrency: int | None = 100
    participants: int | None = 1000
    phones: int | None = 50
    conversations: int | None = 1000

    def __attrs_post_init__(self) -> None:
        for name, value in asdict(self).items():
            fits = value is None or (is_whole(value) and value >= 1)
            require(name, value, "a whole number of at least 1, or None", fits=fits)


#: Of everything as much as anybody likes.
NO_LIMITS: Final = Limits(
    per_conversation=None,
    per_service=None,
    concurrency=None,
    participants=None,
    phones=None,
    conversations=None,
)


class Meter:
    """Counts what has been written in the last second."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._allowed: dict[str, int | None] = {
            "conversations": limits.per_conversation,
            "services": limits.per_service,
        }
        self._writes: dict[tuple[str, int], deque[int]] = {}

    def count(self, table: str, row_id: int, now: int) -> None:
        """Count a write for the conversation or the service with an id.

        Raises:
            RequestError: 50063. One too many; it is not counted.
        """
        allowed = self._allowed[table]
        if allowed is None:
            return
        writes = self._writes.setdefault((table, row_id), deque(maxlen=allowed))
        if len(writes) == allowed and 0 <= now - writes[0] < _SECOND_MS:
            raise RequestError(50063)
        writes.append(now)
        if len(self._writes) > _REMEMBERED:
            self._forget(now)

    def _forget(self, now: int) -> None:
        """Forget those to whom nobody has written for a second."""
        for key in [key for key, writes in self._writes.items() if not 0 <= now - writes[-1] < _SECOND_MS]:
            del self._writes[key]


#: Lets everything pass.
UNLIMITED: Final = Meter(NO_LIMITS)


def read_limits(value: Any) -> Limits:
    """Take limits, True for the documented ones, or None for none."""
    if isinstance(value, Limits):
        return value
    if value is True:
        return Limits()
    if value is None or value is False:
        return NO_LIMITS
    raise ValueError(f"limits must be Limits of the emulator, True or None, not {value!r}")
