"""What time is it? The real time, or later, if somebody turned the clock forward."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_MILLISECOND: Final = timedelta(milliseconds=1)
_FURTHEST: Final = timedelta(days=36_525) // _MILLISECOND


def real_time() -> int:
    """The real time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Clock:
    """The emulator's time.

    Args:
        source: Tells the time that this clock shows until it is turned, in milliseconds since 1970.
    """

    def __init__(self, source: Callable[[], int] = real_time) -> None:
        self._source = source
        self._ahead = 0
        #: What is to be done when the clock has been turned.
        self.turned: Callable[[], None] = lambda: None

    def now(self) -> int:
        """The time, in milliseconds since 1970."""
        return self._source() + self._ahead

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Turn the clock forward. The timers that end on the way fire in their order before this returns.

        Raises:
            ValueError: The time would go backward, or too far.
        """
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        ahead = self._ahead + by // _MILLISECOND
        if not self._ahead <= ahead <= _FURTHEST:
            raise ValueError(f"the clock goes forward only, by 100 years at most, and not by {by}")
        self._ahead = ahead
        self.turned()

    def reset(self) -> None:
        """Show the source's time again."""
        self._ahead = 0
