"""How do messages fare that leave for a phone?"""

from fnmatch import fnmatchcase
from typing import Final, Literal

from attrs import define

from .documents import is_text, is_whole, require
from .wire import milliseconds

_STATUSES: Final = ("failed", "undelivered")
_CODES: Final = range(100_000)
_ADDRESS: Final = "an address or a pattern such as '+1555*'"


@define
class _Failure:
    address: str
    status: str
    error_code: int
    times: int | None


class Carrier:
    """Sends, delivers and reads what goes to participants that have an address; or fails, as it is told.

    Args:
        delivered_after: From sent to delivered, in seconds of the emulator's clock.
        read_after: From delivered to read, likewise.

    Raises:
        ValueError: A time is negative or no number.
    """

    def __init__(self, *, delivered_after: float = 1.0, read_after: float = 1.0) -> None:
        steps = {"delivered_after": delivered_after, "read_after": read_after}
        #: How long a receipt stays as it is, in milliseconds, and what it is next.
        self.steps: Final = {
            status: (milliseconds(name, steps[name]), following)
            for status, name, following in (
                ("sent", "delivered_after", "delivered"),
                ("delivered", "read_after", "read"),
            )
        }
        self._failures: list[_Failure] = []

    def fail(
        self,
        address: str = "*",
        *,
        status: Literal["failed", "undelivered"] = "undelivered",
        error_code: int = 30003,
        times: int | None = None,
    ) -> None:
        """Let the messages to an address fail where they would have been delivered.

        Args:
            address: The participant's address; ``*`` stands for any characters.
            status: What the receipts end as.
            error_code: The code that they then show; 30003 is "unreachable destination handset".
            times: How many messages fail; by default all that follow.

        Raises:
            ValueError: An argument is wrong.
        """
        is_code = is_whole(error_code) and error_code in _CODES
        require("address", address, _ADDRESS, fits=is_text(address) and address != "")
        require("status", status, "failed or undelivered", fits=status in _STATUSES)
        require("error_code", error_code, f"within 0..{_CODES[-1]}", fits=is_code)
        require("times", times, "at least 1", fits=times is None or (is_whole(times) and times >= 1))
        self._failures.append(_Failure(address, status, error_code, times))

    def reset(self) -> None:
        """Forget every failure that was asked for."""
        self._failures.clear()

    def outcome(self, address: str) -> tuple[str, int] | None:
        """Tell how a message to an address fails: the status and the error's code. None: it does not."""
        for failure in self._failures:
            if fnmatchcase(address, failure.address) and failure.times != 0:
                if failure.times is not None:
                    failure.times -= 1
                return failure.status, failure.error_code
        return None
