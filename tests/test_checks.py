"""The checks of figures that a caller gives."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async._checks import check_seconds, check_whole

from .support import deterministic

NO_FIGURES: list[object] = [True, False, "5", "", None, [5], {}, 1 + 0j, Decimal(5), b"5"]


@given(least=st.integers(), above=st.integers(0), room=st.integers(0))
@deterministic
def test_a_whole_number_within_its_bounds_passes(least: int, above: int, room: int) -> None:
    """Both bounds belong to the range, and without an upper one there is none."""
    check_whole("figure", least + above, least)
    check_whole("figure", least + above, least, least + above + room)


@given(least=st.integers(), width=st.integers(0), beyond=st.integers(1))
@deterministic
def test_a_whole_number_out_of_its_bounds_is_refused(least: int, width: int, beyond: int) -> None:
    """What is beyond a bound raises, and the message gives name, bounds and value."""
    for value in least - beyond, least + width + beyond:
        with pytest.raises(ValueError, match="figure must be a whole number from") as caught:
            check_whole("figure", value, least, least + width)
        assert str(caught.value) == (
            f"figure must be a whole number from {least} to {least + width}, got {value!r}"
        )
    with pytest.raises(ValueError, match="figure must be a whole number of at least"):
        check_whole("figure", least - beyond, least)


@pytest.mark.parametrize("value", [*NO_FIGURES, 5.0, 5.5, math.nan, math.inf], ids=repr)
@pytest.mark.parametrize("most", [None, 10])
def test_what_is_no_whole_number_is_refused(value: int, most: int | None) -> None:
    """A boolean, a float or a string of digits is no whole number, even where its value would do."""
    with pytest.raises(ValueError, match="figure must be a whole number"):
        check_whole("figure", value, 0, most)


@pytest.mark.parametrize("value", [1, 30, 0.001, 1.5, 5e-324, 1.7e308, 10**300])
@pytest.mark.parametrize("above_zero", [True, False])
def test_a_finite_number_of_seconds_passes(value: float, *, above_zero: bool) -> None:
    """Any finite number above zero is a number of seconds, whole or not."""
    check_seconds("figure", value, above_zero=above_zero)


@pytest.mark.parametrize("value", [0, 0.0, -0.0])
def test_zero_seconds_pass_where_they_make_sense(value: float) -> None:
    """Zero is refused, unless the figure may be zero."""
    check_seconds("figure", value, above_zero=False)
    with pytest.raises(ValueError, match=r"figure must be a finite number of seconds above 0, got -?0"):
        check_seconds("figure", value)


@pytest.mark.parametrize(
    "value",
    [*NO_FIGURES, -1, -0.001, math.nan, math.inf, -math.inf, 10**400],
    ids=lambda value: repr(value)[:9],
)
@pytest.mark.parametrize(
    ("above_zero", "bounds"), [(True, "above 0"), (False, "of at least 0")], ids=["above", "least"]
)
def test_what_is_no_number_of_seconds_is_refused(value: float, bounds: str, *, above_zero: bool) -> None:
    """What is negative, not finite, or no number at all raises, and the message gives name and bounds."""
    with pytest.raises(ValueError, match=f"figure must be a finite number of seconds {bounds}, got "):
        check_seconds("figure", value, above_zero=above_zero)
