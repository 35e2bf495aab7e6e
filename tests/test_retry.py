"""When to try again, and how long to wait before."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async import RetryPolicy, retry
from conversations_async.retry import may_have_acted, parse_retry_after

from .support import deterministic

NOW = datetime(2026, 4, 14, 12, 0, 0, tzinfo=UTC)

#: What may pass if one waits; None stands for a connection that was lost, or an answer that came too late.
PASSING = {429, 500, 502, 503, 504, None}
FINAL = {302, 304, 400, 401, 403, 404, 405, 409, 410, 413, 422, 501, 505, 520}


class Frozen(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        """Give the one moment there is."""
        return NOW.astimezone(tz)


def repeated(method: str, status: int | None, *, sent: bool = True, retry_posts: bool = False) -> bool:
    """Say whether a policy that allows it repeats a request."""
    policy = RetryPolicy(max_attempts=2, retry_posts=retry_posts)
    return policy.delay(1, method=method, status=status, sent=sent) is not None


# ------------------------------------------------------------------------------------------- what is repeated


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("status", sorted(PASSING | FINAL, key=str))
def test_get_and_delete_are_repeated_after_what_passes(method: str, status: int | None) -> None:
    """GET and DELETE are repeated after 429, 500, 502, 503, 504 and a lost connection; not otherwise."""
    assert repeated(method, status) is (status in PASSING)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("status", sorted(PASSING | FINAL, key=str))
def test_post_is_repeated_only_where_nothing_was_created(method: str, status: int | None) -> None:
    """POST is repeated after 429 alone, unless the caller says that it may be repeated like GET."""
    assert repeated(method, status) is (status == 429)
    assert repeated(method, status, retry_posts=True) is (status in PASSING)


@pytest.mark.parametrize(("method", "retry_posts"), [*product(["GET", "DELETE", "POST"], [True, False])])
def test_what_was_never_sent_is_repeated(method: str, *, retry_posts: bool) -> None:
    """Where the connection was never made, every method is repeated."""
    assert repeated(method, None, sent=False, retry_posts=retry_posts)


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False), (10**6, False)])
@pytest.mark.parametrize(
    "failure", [{"status": 429}, {"status": 503}, {"status": None}, {"sent": False}], ids=str
)
def test_attempts_are_counted(attempt: int, failure: dict[str, Any], *, again: bool) -> None:
    """No more requests are made than ``max_attempts``, whatever the reason to repeat them."""
    delay = RetryPolicy(max_attempts=3).delay(attempt, method="GET", **failure)
    assert (delay is not None) is again


def test_one_attempt_is_final() -> None:
    """A policy of one attempt never tries again, not even where a wait is asked for."""
    assert RetryPolicy(max_attempts=1).delay(1, method="GET", status=429, retry_after=0) is None


@pytest.mark.parametrize(
    ("status", "acted"),
    [(None, True), (400, False), (404, False), (408, True), (409, False), (429, False), (499, False)]
    + [(status, True) for status in (301, 500, 502, 503, 504, 599)],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_write_that_was_not_refused_may_have_been_carried_out(
    method: str, status: int | None, *, acted: bool
) -> None:
    """An answer of 4xx refuses, but for 408; what was never sent did nothing, and what reads never does."""
    assert may_have_acted(method, status, sent=True) is acted
    assert not may_have_acted("GET", status, sent=True)
    assert not may_have_acted(method, None, sent=False)


# ----------------------------------------------------------------------------------------- how long one waits


@pytest.mark.parametrize(
    ("attempt", "longest"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 7.0), (6, 7.0), (2000, 7.0), (10**9, 7.0)],
)
@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5, 0.999])
def test_the_wait_doubles_with_full_jitter_up_to_a_cap(attempt: int, longest: float, chance: float) -> None:
    """A wait is a random part of a figure that doubles with every attempt until ``max_delay``."""
    policy = RetryPolicy(max_attempts=10**10, base_delay=0.5, max_delay=7.0)
    assert policy.delay(attempt, method="GET", status=503, random=lambda: chance) == chance * longest


@given(
    attempt=st.integers(1, 10**6),
    base=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
    chance=st.floats(0, 1, exclude_max=True),
)
@deterministic
def test_a_wait_is_never_beyond_the_cap(attempt: int, base: float, cap: float, chance: float) -> None:
    """Whatever the figures, a wait of backoff is neither negative nor longer than ``max_delay``."""
    policy = RetryPolicy(max_attempts=10**7, base_delay=base, max_delay=cap, total_timeout=1e7)
    wait = policy.delay(attempt, method="GET", status=503, random=lambda: chance)
    assert wait is not None
    assert 0 <= wait <= cap


def test_waits_are_random_by_default() -> None:
    """Without a source of chance of one's own, two waits differ, and stay within the bounds."""
    policy = RetryPolicy(base_delay=4.0)
    waits = {policy.delay(1, method="GET", status=503) for _ in range(20)}
    assert len(waits) > 1
    assert all(wait is not None and 0 <= wait < 4.0 for wait in waits)


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [(None, 0.5), (0.0, 0.5), (0.25, 0.5), (0.5, 0.5), (0.75, 0.75), (20.0, 20.0), (59.99, 59.99)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(status: int, retry_after: float | None, wait: float) -> None:
    """No attempt comes before ``Retry-After``, even where it is longer than ``max_delay``."""
    policy = RetryPolicy(base_delay=1.0, max_delay=1.0)
    assert wait == policy.delay(1, method="GET", status=status, retry_after=retry_after, random=lambda: 0.5)


@pytest.mark.parametrize(
    ("elapsed", "retry_after", "wait"),
    [
        (0.0, 60.0, None),
        (0.0, 1e300, None),
        (30.0, 29.0, 29.0),
        (30.0, 30.0, None),
        (59.0, None, 0.5),
        (59.5, None, None),
        (60.0, None, None),
        (61.0, 0.0, None),
    ],
)
def test_a_wait_beyond_the_total_time_is_not_begun(
    elapsed: float, retry_after: float | None, wait: float | None
) -> None:
    """Where the wait would end after the total time, the policy gives up at once."""
    policy = RetryPolicy(base_delay=1.0, total_timeout=60.0)
    assert wait == policy.delay(
        1, method="GET", status=429, retry_after=retry_after, elapsed=elapsed, random=lambda: 0.5
    )


@given(
    elapsed=st.floats(0, 1e6),
    retry_after=st.none() | st.floats(0, 1e6),
    total=st.floats(0, 1e6, exclude_min=True),
    attempt=st.integers(1, 10),
)
@deterministic
def test_no_wait_ends_after_the_total_time(
    elapsed: float, retry_after: float | None, total: float, attempt: int
) -> None:
    """A wait obeys ``Retry-After`` in full and ends within the total time, or there is none."""
    policy = RetryPolicy(total_timeout=total, max_attempts=8)
    wait = policy.delay(
        attempt, method="GET", status=503, retry_after=retry_after, elapsed=elapsed, random=lambda: 0.5
    )
    if wait is not None:
        assert elapsed + wait < total
        assert wait >= (retry_after or 0)


# ------------------------------------------------------------------------------------------- the value itself


def test_the_defaults_are_the_published_ones() -> None:
    """A policy without arguments makes five attempts and repeats no POST."""
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.retry_posts, policy.budget) == (5, False, 100)
    assert 0 < policy.base_delay <= policy.max_delay < policy.total_timeout


def test_a_policy_is_a_value() -> None:
    """A policy is made of keywords, equal to one of the same figures, hashable, and does not change."""
    policy = RetryPolicy(max_attempts=3)
    assert policy == attrs.evolve(RetryPolicy(), max_attempts=3)
    assert len({policy, RetryPolicy(max_attempts=3), RetryPolicy()}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.max_attempts = 4  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # the point


# ------------------------------------------------------------------------------------------------ Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("-0.0", 0.0),
        ("86400000000", 86400000000.0),
        ("9" * 300, float("9" * 300)),
    ],
)
def test_seconds_are_read(value: str, seconds: float) -> None:
    """Seconds are read as they are; what lies in the past is no wait."""
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Tue, 14 Apr 2026 12:00:30 GMT", 30.0),
        ("Tuesday, 14-Apr-26 12:00:30 GMT", 30.0),
        ("Tue Apr 14 12:00:30 2026", 30.0),
        ("Tue, 14 Apr 2026 12:00:30", 30.0),
        ("Tue, 14 Apr 2026 12:00:30 -0000", 30.0),
        ("Tue, 14 Apr 2026 14:00:30 +0200", 30.0),
        ("Tue, 14 Apr 2026 12:00:00 GMT", 0.0),
        ("Tue, 14 Apr 2026 11:59:59 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0),
        ("Tue, 15 Apr 2036 12:00:00 GMT", 3654 * 86400.0),
        (
            "Fri, 31 Dec 9999 23:59:59 GMT",
            (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds(),
        ),
    ],
)
def test_an_http_date_is_read(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float) -> None:
    """A date in any of the forms of HTTP is read, in GMT where it has no zone; one in the past is no wait."""
    monkeypatch.setattr(retry, "datetime", Frozen)
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "soon",
        "1h",
        "0x10",
        "1 2",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
        "Wed",
        "Wed, 21 Oct",
        "Wed, 32 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 99:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999",
        "2015-10-21T07:28:00Z",
        "1 Jan 99999999999999999999 00:00:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +999999999999999999",
        "\x00",
        "é",
    ],
)
def test_what_cannot_be_read_counts_as_absent(value: str | None) -> None:
    """Garbage, numbers that are none, and dates that there are not, are no ``Retry-After``."""
    assert parse_retry_after(value) is None


@given(
    value=st.text()
    | st.from_regex(r"(\w{3}, )?\d{1,2} (Jan|Dec) \d{1,5} \d\d:\d\d:\d\d [+-]?\d{0,6}", fullmatch=True)
)
@deterministic
def test_any_header_is_seconds_or_nothing(value: str) -> None:
    """Whatever a header holds, it is read as a finite number that is not negative, or as nothing."""
    seconds = parse_retry_after(value)
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
