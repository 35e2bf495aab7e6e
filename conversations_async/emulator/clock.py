"""What time is it? The real time, or later, if somebody turned the clock forward."""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from .documents import is_whole, require

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
        require("clock", source, "a function", fits=callable(source))
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
            ValueError: The time would go backward, or too far; or something is no number.
        """
        by = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        for unit, count in by.items():
            is_number = is_whole(count) or (isinstance(count, float) and math.isfinite(count))
            require(unit, count, "a number", fits=is_number)
        try:
            ahead = self._ahead + timedelta(**by) // _MILLISECOND
        except OverflowError as error:
            raise ValueError("the clock does not go that far") from error
        if not self._ahead <= ahead <= _FURTHEST:
            asked = ", ".join(f"{count} {unit}" for unit, count in by.items() if count)
            raise ValueError(f"the clock goes forward only, by 100 years at most, and not by {asked}")
        self._ahead = ahead
        self.turned()

    def reset(self) -> None:
        """Show the source's time again. What was done in the meantime stays."""
        self._ahead = 0
        self.turned()
