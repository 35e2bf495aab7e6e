"""When to try again, and how long to wait before: a value and a pure decision, without I/O."""

from __future__ import annotations

import random as _random
import re
import sys
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from attrs import frozen

from ._checks import check_flag, check_seconds, check_whole

if TYPE_CHECKING:
    from collections.abc import Callable

_IDEMPOTENT = frozenset({"GET", "DELETE"})
_PASSING = frozenset({500, 502, 503, 504})
#: The status of what was refused unseen, and may always be tried again.
RATE_LIMITED = 429
#: How many calls earn a retry.
_CALLS_PER_RETRY = 5


@frozen(kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter, within a total time.

    GET and DELETE are repeated after 429, after 500, 502, 503 and 504, and after a connection that was lost
    or timed out. POST is repeated only where nothing can have been created: after 429, and where no
    connection was ever made.

    Attributes:
        max_attempts: Requests made for one call at the most, the first included; 1 never tries again.
        base_delay: The first wait, in seconds, before jitter; it doubles with every attempt.
        max_delay: The longest wait that backoff arrives at, in seconds. A ``Retry-After`` may be longer.
        total_timeout: The time that a call may take, in seconds, with its attempts and its waits. A wait
            that would end later is not begun: the error is raised at once. An upload of which something
            has moved, and a download that has begun, may take longer.
        retry_posts: Repeat POST like GET. What it creates may then exist twice.
        budget: Retries that all calls of a client together have on credit, so that an API that fails is not
            asked five times as much. Each call earns a fifth of one, up to this number, and each retry costs
            one: where all fails, there is one retry for every five calls once the credit is spent, and the
            others fail with their first error. None: no such bound.

    Raises:
        ValueError: A figure is out of range; the message names it.
    """

    max_attempts: int = 5
    base_delay: float = 0.25
    max_delay: float = 10.0
    total_timeout: float = 60.0
    retry_posts: bool = False
    budget: int | None = 100

    def __attrs_post_init__(self) -> None:
        check_whole("max_attempts", self.max_attempts, 1)
        check_seconds("base_delay", self.base_delay, above_zero=False)
        check_seconds("max_delay", self.max_delay, above_zero=False)
        check_seconds("total_timeout", self.total_timeout)
        check_flag("retry_posts", self.retry_posts)
        if self.budget is not None:
            check_whole("budget", self.budget, 0)

    def delay(
        self,
        attempt: int,
        *,
        method: str,
        status: int | None = None,
        sent: bool = True,
        retry_after: float | None = None,
        elapsed: float = 0.0,
        random: Callable[[], float] = _random.random,
    ) -> float | None:
        """Say how many seconds to wait before the next attempt, or None to give up.

        Args:
            attempt: How many attempts have failed, from 1.
            method: The HTTP method.
            status: The HTTP status of the answer, or None where no whole answer came.
            sent: False where no connection was made, so that the API cannot have acted.
            retry_after: What the answer's ``Retry-After`` asks for, in seconds. It is obeyed in full, or,
                where the total time does not allow that, not at all.
            elapsed: The seconds since the call began.
            random: Where jitter comes from: a number from 0 up to 1.
        """
        if attempt >= self.max_attempts or not self._may_repeat(method, status, sent=sent):
            return None
        # 2.0 ** 1024 overflows; long before that the cap decides
        wait = random() * min(self.max_delay, self.base_delay * 2.0 ** min(attempt - 1, 64))
        if retry_after is not None:
            wait = max(wait, retry_after)
        return wait if elapsed + wait < self.total_timeout else None

    def _may_repeat(self, method: str, status: int | None, *, sent: bool) -> bool:
        if status == RATE_LIMITED or not sent:
            return True
        if method not in _IDEMPOTENT and not self.retry_posts:
            return False
        return status is None or status in _PASSING


def is_refusal(status: int | None) -> bool:
    """Say whether a status means that nothing was done: any 4xx but 408, by which something gives up."""
    return status is not None and 400 <= status < 500 and status != 408


def may_have_acted(method: str, status: int | None, *, sent: bool) -> bool:
    """Say whether an attempt that failed may have changed something: it was sent, and was not refused."""
    return method != "GET" and sent and not is_refusal(status)


class RetryBudget:
    """The retries that the calls of one client have on credit (a token bucket), in all its loops and threads.

    What is counted is what is owed, so that clients that share it may each have a bound of its own.
    """

    def __init__(self) -> None:
        self._owed = 0  # in calls: whole numbers, which lose nothing
        self._lock = threading.Lock()

    def earn(self, most: int | None) -> None:
        """Count a call; without a bound, nothing is counted."""
        if most is not None:
            with self._lock:
                self._owed = max(0, self._owed - 1)

    def spend(self, most: int | None) -> bool:
        """Take one retry, or say that so many are taken; without a bound, nothing is counted."""
        if most is None:
            return True
        with self._lock:
            if self._owed + _CALLS_PER_RETRY > most * _CALLS_PER_RETRY:
                return False
            self._owed += _CALLS_PER_RETRY
            return True


def parse_retry_after(value: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds, or an HTTP date. What cannot be read counts as absent."""
    if value is None:
        return None
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value.strip()):
        return min(max(0.0, float(value)), sys.float_info.max)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # a date without a zone is GMT (RFC 9110)
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
