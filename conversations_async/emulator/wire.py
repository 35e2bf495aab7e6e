"""How is a value written on the wire, and how is it read?

A parser takes the text of one parameter. It raises ``ValueError`` where there is one way of being wrong, for
which the parameter names the code, and ``RequestError`` where there are several.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypeVar

from yarl import URL

from .errors import RequestError

_T = TypeVar("_T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: The last second that has a notation. A timer that would fire later is shown with it.
_LATEST: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_DAY_MS: Final = 24 * 60 * 60 * 1000
_LARGEST_INTEGER: Final = 2**31 - 1
#: Longer timers are refused as malformed; no limit is documented, and this one keeps the arithmetic in range.
_LONGEST_TIMER: Final = timedelta(days=36_500)

_DURATION: Final = re.compile(
    r"P(?=.)(?:(?P<days>\d{1,9})D)?(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII,
)
_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9][\w!#$&^.+-]*/[a-z0-9][\w!#$&^.+-]*(?:[\t ]*;[\t -~]*)?", re.ASCII | re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"[a-z]{2,20}:\S+|[^@\s:]+@[^@\s:]+|\+[1-9]\d{1,14}|\d{3,8}", re.ASCII)


def timestamp(ms: int | None, *, timespec: str = "seconds", zone: str = "Z") -> str | None:
    """Write a time the way REST answers do: UTC, whole seconds, cut off and not rounded."""
    if ms is None:
        return None
    moment = _EPOCH + min(ms, _LATEST) * _MILLISECOND
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + zone


def webhook_time(ms: int) -> str | None:
    """Write a time the way webhooks do: with milliseconds."""
    return timestamp(ms, timespec="milliseconds")


def parse_timestamp(text: str) -> int:
    """Read an ISO 8601 time; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(text) from error
    return (moment - _EPOCH) // _MILLISECOND


def parse_last_moment(text: str) -> int:
    """Read a time to which everything up to its end belongs: a bare date means the day, a time the second."""
    unit = _DAY_MS if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else 1000
    return parse_timestamp(text) + unit - 1


def timer(*, minutes: int, too_short: int, malformed: int) -> Callable[[str], int | None]:
    """Read an ISO 8601 duration into milliseconds. Zero, which switches a timer off, gives None.

    Years and months have no fixed length and are not taken.
    """

    def parse(text: str) -> int | None:
        match = _DURATION.fullmatch(text)
        if match is None:
            raise RequestError(malformed)
        length = timedelta(**{unit: int(figure) for unit, figure in match.groupdict("0").items()})
        if length > _LONGEST_TIMER:
            raise RequestError(malformed)
        if length and length < timedelta(minutes=minutes):
            raise RequestError(too_short)
        return length // _MILLISECOND or None

    return parse


def text(limit: int) -> Callable[[str], str]:
    """Read a text of at most ``limit`` characters."""

    def parse(value: str) -> str:
        if len(value) > limit:
            raise ValueError(value)
        return value

    return parse


def name(limit: int) -> Callable[[str], str | None]:
    """Read a text that an empty value removes."""
    bounded = text(limit)
    return lambda value: bounded(value) or None


def identity(value: str) -> str:
    """Read an identity: 1 to 256 characters."""
    if not value:
        raise RequestError(50204)
    return text(256)(value)


def choice(*allowed: str) -> Callable[[str], str]:
    """Read one of a few words, as it is spelled here; upper and lower case are the same."""
    words = {word.lower(): word for word in allowed}

    def parse(value: str) -> str:
        word = words.get(value.lower())
        if word is None:
            raise ValueError(value)
        return word

    return parse


def flag(value: str) -> bool:
    """Read ``true`` or ``false``."""
    return choice("true", "false")(value) == "true"


def web_address(value: str) -> str | None:
    """Read an absolute URL that can be called; an empty text removes it."""
    url = URL(value)
    # Assumed: what is not escaped as it must be is refused, and not escaped here.
    is_sendable = value.isascii() and value.isprintable() and " " not in value
    if value and (url.scheme not in {"http", "https"} or not url.host or not is_sendable):
        raise ValueError(value)
    return value or None


def media_type(value: str) -> str:
    """Read a media type, such as ``image/png``, and keep it with its parameters as it was written."""
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError(value)
    return value


def is_sid(value: str, prefix: str) -> bool:
    """Tell whether a text is two letters, as given, and 32 hexadecimal digits."""
    return re.fullmatch(prefix + "[0-9a-fA-F]{32}", value) is not None


def sid(prefix: str) -> Callable[[str], str]:
    """Read a SID of one kind."""

    def parse(value: str) -> str:
        if not is_sid(value, prefix):
            raise ValueError(value)
        return value

    return parse


def integer(value: str) -> int:
    """Read a whole number that is not negative."""
    if not re.fullmatch(r"\d{1,10}", value, re.ASCII) or int(value) > _LARGEST_INTEGER:
        raise ValueError(value)
    return int(value)


def or_null(parse: Callable[[str], _T]) -> Callable[[str], _T | None]:
    """Read a value that the word ``null`` removes."""
    return lambda value: None if value == "null" else parse(value)


def address(*, empty: int, malformed: int) -> Callable[[str], str]:
    """Read an address: a phone number, a short code, an e-mail address, or one like ``whatsapp:…``."""

    def parse(value: str) -> str:
        if not value:
            raise RequestError(empty)
        if len(value) > 256 or not _ADDRESS.fullmatch(value):
            raise RequestError(malformed)
        return value

    return parse


def channel(value: str) -> str:
    """Tell which channel an address belongs to."""
    prefix, colon, _ = value.partition(":")
    if colon:
        return prefix
    return "email" if "@" in value else "sms"


def parse_json(value: str) -> Any:
    """Read JSON strictly: no NaN, no infinities."""
    try:
        # Integers are left as text, for no number is too long for JSON.
        return json.loads(value, parse_constant=_refuse, parse_int=str)
    except RecursionError as error:
        raise ValueError(value) from error


def json_text(*, limit: int) -> Callable[[str], str]:
    """Read JSON of at most ``limit`` bytes and keep it as it was written."""

    def parse(value: str) -> str:
        if len(value.encode()) > limit:
            raise RequestError(50303)
        try:
            parse_json(value)
        except ValueError as error:
            raise RequestError(50304) from error
        return value

    return parse


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def milliseconds(name: str, seconds: float) -> int:
    """Turn an argument that counts seconds into milliseconds.

    Raises:
        ValueError: It is negative or no number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < float("inf"):
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds!r}")
    return round(seconds * 1000)
