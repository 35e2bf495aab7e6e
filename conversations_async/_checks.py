"""Checks of what a caller gives; the message names the argument and what would do."""

from __future__ import annotations

import sys
from typing import Final

#: Bits of the greatest whole number that a message shows; Python refuses to write down one of any length.
_BITS: Final = 256


def check_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number from ``least`` to ``most``.

    Raises:
        ValueError: It is not.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and least <= value and (most is None or value <= most):
        return
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ValueError(f"{name} must be a whole number {bounds}, got {_shown(value)}")


def check_seconds(name: str, value: float, *, above_zero: bool = True) -> None:
    """Refuse what is no finite number of seconds.

    Raises:
        ValueError: It is not, or is negative, or is zero where that makes no sense.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # compared, because math.isfinite cannot take a whole number that is too great for a float
    if number and (0 < value <= sys.float_info.max or (value == 0 and not above_zero)):
        return
    bounds = "above 0" if above_zero else "of at least 0"
    raise ValueError(f"{name} must be a finite number of seconds {bounds}, got {_shown(value)}")


def _shown(value: object) -> str:
    """Show a number; of anything else the kind: who mixes up arguments may have given a secret."""
    if value is None or isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _BITS):
        return repr(value)
    return f"one of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got a {type(value).__name__}")  # noqa: TRY004  # the contract


def refuse_both(**given: object) -> None:
    """Refuse more than one of several arguments.

    Raises:
        ValueError: More than one is not None; the message names them.
    """
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)} must not be given together: one of them says who it is")
