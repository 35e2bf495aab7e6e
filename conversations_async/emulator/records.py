"""What was asked, how was it answered, and who is told?"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from attrs import define, field, frozen

from .faults import Fault

_T = TypeVar("_T")

_logger: Final = logging.getLogger(__name__)
_REMEMBERED: Final = 10_000


def notify(listener: Callable[[_T], object] | None, happened: _T) -> None:
    """Tell somebody, whose failure is no failure of what happened."""
    if listener is None:
        return
    try:
        listener(happened)
    except Exception:
        _logger.exception("the listener %r failed", listener)


@frozen(kw_only=True)
class RequestRecord:
    """A request that came in, and how it was answered.

    Attributes:
        operation: Such as ``messages.create`` or ``chat.channels.list``; None where the path leads nowhere.
        path: The path, decoded.
        query: Every value of each name, in its order.
        form: The same of the body; empty where it is no form, or was not read.
        headers: What the client sent, but for its credentials.
        status: The HTTP status; None where the connection ended before there was one.
        seconds: How long it took.
        code: The code of the error, such as 20404, where it was refused.
        fault: What went wrong, where something did.
    """

    operation: str | None
    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    form: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    status: int | None
    seconds: float
    code: int | None
    fault: Fault | None = None


@define
class Recorder:
    """Remembers the last 10,000 requests, and how many there were."""

    count: int = 0
    #: How often everything began anew.
    era: int = 0
    under_way: int = 0
    records: deque[RequestRecord] = field(factory=lambda: deque(maxlen=_REMEMBERED))
    #: Is told of each.
    listener: Callable[[RequestRecord], None] | None = None

    def add(self, record: RequestRecord) -> None:
        """Remember a request."""
        self.records.append(record)
        notify(self.listener, record)

    def forget(self) -> None:
        """Begin anew."""
        self.era += 1
        self.count = 0
        self.records.clear()
