"""All that can go wrong with a request.

::

    ConversationsError                    anything the library raises about a request
     ├── APIError                         the API answered, and the answer is no success
     │    ├── AuthenticationError         401
     │    ├── PermissionDeniedError       403
     │    ├── NotFoundError               404
     │    ├── ConflictError               409
     │    ├── PayloadTooLargeError        413, or code 50512
     │    ├── UnsupportedMediaTypeError   415, or code 50511
     │    ├── RateLimitError              429
     │    └── ServerError                 5xx
     ├── TransportError                   no answer, or not a whole one
     │    ├── RequestTimeoutError         … within the time allowed (also a TimeoutError)
     │    ├── ResponseTooLargeError       … because it is larger than max_response_size
     │    └── UploadError                 … because what was to be uploaded failed
     ├── DecodeError                      an answer that cannot be read
     ├── PaginationError                  a list that must not be followed any further
     └── MergeError                       what failed of a merge (also an ExceptionGroup)

Bad arguments are no request: they raise ``ValueError`` before anything is sent.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attrs import define, field
from attrs.converters import optional

from ._json import loads
from ._masking import mask_path, mask_text
from .retry import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from .response import Response

_MESSAGE_LIMIT = 300
_ID_LIMIT = 100
#: The API's codes have five digits; a number of thousands of digits would make a line of them.
_CODE_LIMIT = 10**9
#: An error that the API wrote has less than a kilobyte; more is not looked into.
_BODY_LIMIT = 64 * 1024


def _plain(text: object, limit: int = _MESSAGE_LIMIT) -> str:
    """One printable line of at most ``limit`` characters, without telephone numbers."""
    line = " ".join("".join(char if char.isprintable() else " " for char in str(text)[: 4 * limit]).split())
    line = mask_text(line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def visible(text: str | None) -> str | None:
    """Give what of an id may be shown, whoever made it: at most a hundred characters, all visible ASCII."""
    return None if text is None else re.sub(r"[^!-~]", "?", text[:_ID_LIMIT])


@define(kw_only=True, slots=False, repr=False)
class ConversationsError(Exception):
    """The root of all that the library raises about a request."""

    #: What went wrong: one line, never longer than a few hundred characters.
    message: str = field(converter=_plain)
    #: The HTTP method of the request.
    method: str | None = None
    #: Its path, without origin and query, and with ``…`` for what looks like a telephone number.
    path: str | None = field(default=None, converter=optional(mask_path))
    #: The HTTP status of the answer; None where there was none. In a ``TransportError`` it is that of an
    #: answer that is not whole or, where nothing was sent, of a proxy that makes no tunnel.
    status: int | None = None
    #: The API's id of the request, in visible ASCII; None where there was none.
    request_id: str | None = field(default=None, converter=visible)
    #: How many requests were made for the call.
    attempts: int = 1
    #: Whether a write may have been carried out all the same: it was sent, and no answer says that it was
    #: refused. Whoever repeats it may then have it twice. Always False for what only reads.
    ambiguous: bool = False

    def _reason(self) -> str:
        return self.message

    def __str__(self) -> str:
        """One line: ``POST /v1/Conversations: HTTP 409, 50353: …``."""
        where = f"{self.method} {_plain(self.path, 200)}: " if self.method else ""
        unsure = "; it may have been carried out all the same" if self.ambiguous else ""
        tries = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        return f"{where}{self._reason()}{unsure}{tries}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    cls: type[ConversationsError], args: tuple[Any, ...], fields: dict[str, Any]
) -> ConversationsError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(fields)
    return error


@define(kw_only=True, slots=False, repr=False)
class APIError(ConversationsError):
    """The API answered, and the answer is no success."""

    status: int  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]  # there is one
    #: The API's own error code, such as 50433; None where the body had none.
    code: int | None = None
    #: The address of the page about the code.
    more_info: str | None = None
    #: What else the API said.
    details: dict[str, Any] | None = None
    #: The seconds that the API asked to wait before the next attempt.
    retry_after: float | None = None

    def _reason(self) -> str:
        code = f", {self.code}" if self.code is not None else ""
        return f"HTTP {self.status}{code}: {self.message}"

    @classmethod
    def from_response(cls, response: Response) -> APIError:
        """Read the error out of an answer, whatever its body: either of the API's shapes, or no JSON at all.

        A body of more than 64 KiB is not read.

        The legacy shape has ``code``, ``message``, ``more_info`` and perhaps ``details``; the other one is
        RFC 9457's, with ``title``, ``detail``, ``type`` and ``errors``.
        """
        body = _json_object(response.body)
        code = body.get("code")
        details = body.get("details")
        if not isinstance(details, dict):
            details = {"errors": body["errors"]} if "errors" in body else None
        texts = (body.get(name) for name in ("message", "title", "detail"))
        described = [text for text in texts if isinstance(text, str) and text.strip()]
        more_info = body.get("more_info", body.get("type"))
        code = code if type(code) is int and abs(code) < _CODE_LIMIT else None
        usual = ServerError if 500 <= response.status < 600 else _CODE_ERRORS.get(code, APIError)
        return _STATUS_ERRORS.get(response.status, usual)(
            message=": ".join(described) or _phrase(response),
            status=response.status,
            code=code,
            more_info=more_info if isinstance(more_info, str) else None,
            details=details,
            retry_after=parse_retry_after(response.headers.get("Retry-After")),
            method=response.method,
            path=response.path,
            request_id=response.request_id,
            attempts=response.attempts,
        )


def _json_object(body: bytes) -> dict[str, Any]:
    if len(body) > _BODY_LIMIT:
        return {}
    try:
        value = loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _phrase(response: Response) -> str:
    """What a status means, for a body that does not say it; the body itself may hold anything."""
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "unknown status"
    kind = response.headers.get("Content-Type", "no content type")
    return f"{phrase} (the body, {len(response.body)} bytes of {_plain(kind, 60)}, does not say why)"


class AuthenticationError(APIError):
    """401: the credentials are wrong, or are no longer valid."""


class PermissionDeniedError(APIError):
    """403: the credentials are good, but do not allow this."""


class NotFoundError(APIError):
    """404: no such resource; for a creation, no such parent."""


class ConflictError(APIError):
    """409: it exists already, or somebody else is changing it."""


class PayloadTooLargeError(APIError):
    """413, or the code 50512: what was sent, such as media, is larger than the API allows."""


class UnsupportedMediaTypeError(APIError):
    """415, or the code 50511: the API does not take media of this type."""


class RateLimitError(APIError):
    """429: too many requests; nothing was done."""


class ServerError(APIError):
    """5xx: the API failed; whether a write took place is unknown."""


_STATUS_ERRORS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
    429: RateLimitError,
}

#: What a status that has no class of its own is, by the code that it comes with: no documentation tells which
#: status these have.
_CODE_ERRORS: dict[int | None, type[APIError]] = {
    50511: UnsupportedMediaTypeError,
    50512: PayloadTooLargeError,
}


@define(kw_only=True, slots=False, repr=False)
class TransportError(ConversationsError):
    """No answer arrived, or not a whole one."""

    #: False where it is known that no attempt of the call ever had a connection: the API cannot have acted.
    sent: bool = True


class RequestTimeoutError(TransportError, TimeoutError):
    """No whole answer arrived within the time allowed."""


class ResponseTooLargeError(TransportError):
    """The answer is larger than the client's ``max_response_size`` allows; the rest of it was not read."""


class UploadError(TransportError):
    """The source of an upload ended early, went on for too long, or failed; its own error is the cause."""


@define(kw_only=True, slots=False, repr=False)
class DecodeError(ConversationsError):
    """An answer that cannot be read."""

    #: The name of the class that the answer was to become.
    model: str
    #: The path of the offending value in it, such as ``media[0].size``; empty for the whole.
    field: str = ""

    def _reason(self) -> str:
        dot = "." if self.field and not self.field.startswith("[") else ""
        return f"cannot read {self.model}{dot}{_plain(self.field, 120)}: {self.message}"


class PaginationError(ConversationsError):
    """A list that must not be followed: to another origin, in a circle, or over 100 empty pages in a row."""


class MergeError(ConversationsError, ExceptionGroup[Exception]):
    """Streams of a merge failed; ``exceptions`` has the error of each one, in the order in which they failed.

    ``except*`` tells them apart by their classes; for ``except ConversationsError`` they are one.
    """

    message: str = ""  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride]  # hides the read-only one of ExceptionGroup

    def __new__(cls, *, message: str, exceptions: Sequence[Exception]) -> Self:
        """Give ``ExceptionGroup`` what it demands at this early time."""
        return super().__new__(cls, message, exceptions)

    def __init__(self, *, message: str, exceptions: Sequence[Exception]) -> None:  # noqa: ARG002  # as __new__ has it
        super().__init__(message=message)

    def derive(self, excs: Sequence[Any], /) -> MergeError:  # type: ignore[override]  # of these errors only
        """Make one of some of the errors, for ``split`` and ``except*``; its text stays that of the whole."""
        return MergeError(message=self.message, exceptions=excs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _regroup, (type(self), self.message, self.exceptions), self.__dict__


def _regroup(cls: type[MergeError], message: str, exceptions: Sequence[Exception]) -> MergeError:
    return cls(message=message, exceptions=exceptions)
