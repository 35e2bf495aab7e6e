"""What can go wrong with a request: the tree, and how an answer becomes an error."""

from __future__ import annotations

import inspect
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conversations_async
from conversations_async import errors
from conversations_async.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    ConversationsError,
    DecodeError,
    MergeError,
    NotFoundError,
    PaginationError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
    UnsupportedMediaTypeError,
    UploadError,
)

from .support import COPIES, MUTE_BODIES, REQUEST_ID, answer, deterministic, is_one_line, json_values

if TYPE_CHECKING:
    from collections.abc import Callable

TREE: dict[type[Exception], tuple[type[Exception], ...]] = {
    ConversationsError: (Exception,),
    APIError: (ConversationsError,),
    AuthenticationError: (APIError,),
    PermissionDeniedError: (APIError,),
    NotFoundError: (APIError,),
    ConflictError: (APIError,),
    PayloadTooLargeError: (APIError,),
    UnsupportedMediaTypeError: (APIError,),
    RateLimitError: (APIError,),
    ServerError: (APIError,),
    TransportError: (ConversationsError,),
    RequestTimeoutError: (TransportError, TimeoutError),
    ResponseTooLargeError: (TransportError,),
    UploadError: (TransportError,),
    DecodeError: (ConversationsError,),
    PaginationError: (ConversationsError,),
    MergeError: (ConversationsError, ExceptionGroup),
}

STATUSES = [
    *((status, APIError) for status in (302, 304, 400, 402, 405, 406, 410, 412, 422, 426, 499)),
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (409, ConflictError),
    (413, PayloadTooLargeError),
    (415, UnsupportedMediaTypeError),
    (429, RateLimitError),
    *((status, ServerError) for status in (500, 501, 502, 503, 504, 520, 599)),
]

LEGACY = {
    "code": 50353,
    "message": "Conversation with provided unique name already exists",
    "more_info": "https://www.twilio.com/docs/errors/50353",
    "status": 409,
}
RFC_9457 = {
    "type": "https://www.twilio.com/docs/api/errors/20001",
    "title": "Invalid parameter",
    "status": 400,
    "code": 20001,
    "detail": "PageSize is no number",
    "instance": "/v1/Conversations",
    "errors": [{"detail": "no number", "pointer": "#/PageSize"}],
}

#: One of each class but MergeError, which has errors in it, with a value in every field.
FULL: dict[type[ConversationsError], dict[str, Any]] = {
    cls: {
        "message": "it failed",
        "method": "POST",
        "path": "/v1/Conversations",
        "status": 418,
        "request_id": REQUEST_ID,
        "attempts": 3,
        "ambiguous": True,
    }
    | (
        {"code": 1, "more_info": "https://x.test/1", "details": {"a": [1, {"b": None}]}, "retry_after": 1.5}
        if issubclass(cls, APIError)
        else {"sent": False}
        if issubclass(cls, TransportError)
        else {"model": "Message", "field": "media[0].size"}
        if issubclass(cls, DecodeError)
        else {}
    )
    for cls in TREE
    if issubclass(cls, ConversationsError) and cls is not MergeError
}


def drawn_tree() -> dict[str, str]:
    """Read the drawing in the docstring of the module: each class and its parent."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for name in re.finditer(r"^[ │├└─]*?(\w+Error)\b", inspect.getdoc(errors) or "", re.MULTILINE):
        column = name.start(1) - name.start()
        above = [(place, cls) for place, cls in above if place < column]
        if above:
            parents[name[1]] = above[-1][1]
        above.append((column, name[1]))
    return parents


# --------------------------------------------------------------------------------------------------- the tree


@pytest.mark.parametrize(("cls", "bases"), TREE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_each_class_stands_where_the_tree_has_it(
    cls: type[Exception], bases: tuple[type[Exception], ...]
) -> None:
    """Each error class has the parents of the published tree, and can be imported from the package."""
    assert cls.__bases__ == bases
    assert getattr(conversations_async, cls.__name__) is cls
    assert cls.__name__ in conversations_async.__all__


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_has_the_arguments_too(how: str) -> None:
    """``args``, which logging and other tools read, survive a copy."""
    error = NotFoundError(message="no", status=404)
    assert COPIES[how](error).args == error.args != ()


def test_half_an_emoji_does_not_cost_the_code() -> None:
    """An error that quotes a text that was cut within an emoji is read all the same."""
    error = APIError.from_response(answer(rb'{"code": 50353, "message": "name \ud83d taken"}', 409))
    assert (error.code, error.message) == (50353, "name \ufffd taken")


def test_the_tree_is_complete() -> None:
    """The module defines the error classes of the tree and no other ones."""
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__ == errors.__name__
    }
    assert defined == set(TREE)


def test_the_tree_is_drawn() -> None:
    """The drawing in the module's docstring is the tree."""
    assert drawn_tree() == {
        cls.__name__: bases[0].__name__ for cls, bases in TREE.items() if bases != (Exception,)
    }


def failed() -> MergeError:
    """Make the error of a merge of which two streams failed."""
    errors = [NotFoundError(message="none", status=404), ServerError(message="oh", status=500, attempts=2)]
    return MergeError(message="2 of 3 streams failed", exceptions=errors)


def test_the_error_of_a_merge_is_an_exception_group() -> None:
    """``except*`` tells the errors apart, and what is not caught goes on in the same form."""
    error = failed()
    found: list[Exception] = []
    with pytest.raises(MergeError) as caught:
        try:
            raise error
        except* NotFoundError as group:
            found.extend(group.exceptions)
    assert found == [error.exceptions[0]]
    assert type(caught.value) is MergeError
    assert caught.value.exceptions == error.exceptions[1:]
    assert str(caught.value) == str(error) == "2 of 3 streams failed"


def test_the_error_of_a_merge_is_one_error_too() -> None:
    """For ``except ConversationsError``, and for ``except*``, a merge's error is one of the library's."""
    error = failed()
    with pytest.raises(ConversationsError) as caught:
        raise error
    assert caught.value is error
    assert error.split(ConversationsError) == (error, None)
    assert error.subgroup(KeyError) is None


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_a_copy_of_the_error_of_a_merge_has_its_errors(duplicate: Callable[[Any], Any]) -> None:
    """The errors within, their fields, notes and the text survive the way to another process."""
    error = failed()
    error.add_note("while exporting")
    error.request_id = REQUEST_ID
    again = duplicate(error)
    assert (type(again), repr(again), vars(again)) == (MergeError, repr(error), vars(error))
    assert [(type(one), vars(one)) for one in again.exceptions] == [
        (type(one), vars(one)) for one in error.exceptions
    ]
    assert (again.args, again.__notes__) == (error.args, ["while exporting"])


def test_a_merge_that_did_not_fail_has_no_error() -> None:
    """A MergeError without errors in it cannot be made."""
    with pytest.raises(ValueError, match="non-empty"):
        MergeError(message="0 of 3 streams failed", exceptions=[])


def test_a_time_out_is_a_timeout_error() -> None:
    """Who catches TimeoutError catches the library's own time-out, and it prints as the others do."""
    with pytest.raises(TimeoutError) as caught:
        raise RequestTimeoutError(
            message="no whole answer within 30 s", method="GET", path="/v1/Conversations"
        )
    assert isinstance(caught.value, TransportError)
    assert str(caught.value) == "GET /v1/Conversations: no whole answer within 30 s"


# --------------------------------------------------------------------------------------------- answer → error


@pytest.mark.parametrize(
    ("status", "code", "cls"),
    [
        (400, 50511, UnsupportedMediaTypeError),
        (400, 50512, PayloadTooLargeError),
        (422, 50512, PayloadTooLargeError),
        (400, 50513, APIError),
        (413, 50511, PayloadTooLargeError),
        (429, 50512, RateLimitError),
        (503, 50511, ServerError),
    ],
)
def test_a_code_tells_what_the_status_does_not(status: int, code: int, cls: type[APIError]) -> None:
    """Media that are too large, or of a type that is not taken, are told by the code if not by the status."""
    error = APIError.from_response(answer({"code": code, "message": "No"}, status))
    assert (type(error), error.status, error.code) == (cls, status, code)


@pytest.mark.parametrize(("status", "cls"), STATUSES)
@pytest.mark.parametrize("body", [LEGACY, RFC_9457, b""], ids=["legacy", "rfc-9457", "empty"])
def test_the_status_picks_the_class(status: int, cls: type[APIError], body: object) -> None:
    """The HTTP status picks the class, whatever the body is; the status in the body does not count."""
    error = APIError.from_response(answer(body, status))
    assert type(error) is cls
    assert error.status == status


def test_the_legacy_shape_is_read() -> None:
    """A legacy body gives code, message, more_info and details."""
    error = APIError.from_response(answer(LEGACY | {"details": {"unique_name": "taken"}}, 409))
    assert (error.code, error.message, error.more_info, error.details) == (
        50353,
        "Conversation with provided unique name already exists",
        "https://www.twilio.com/docs/errors/50353",
        {"unique_name": "taken"},
    )


def test_the_detail_of_the_legacy_shape_is_read() -> None:
    """A legacy body's further ``detail`` is part of the message."""
    error = APIError.from_response(answer(LEGACY | {"detail": "named support"}, 409))
    assert error.message == "Conversation with provided unique name already exists: named support"


def test_the_rfc_9457_shape_is_read() -> None:
    """An RFC 9457 body gives the same fields: title and detail, type, errors."""
    error = APIError.from_response(answer(RFC_9457, 400))
    assert (error.code, error.message, error.more_info, error.details) == (
        20001,
        "Invalid parameter: PageSize is no number",
        "https://www.twilio.com/docs/api/errors/20001",
        {"errors": [{"detail": "no number", "pointer": "#/PageSize"}]},
    )


def test_the_place_of_the_request_is_kept() -> None:
    """Method, path, request id, attempts and the wait that was asked for come with the error."""
    error = APIError.from_response(
        answer(
            LEGACY,
            409,
            method="POST",
            path="/v1/Conversations",
            headers={"twilio-request-id": REQUEST_ID, "RETRY-AFTER": "7"},
            attempts=4,
        )
    )
    assert (error.method, error.path, error.request_id, error.attempts, error.retry_after) == (
        "POST",
        "/v1/Conversations",
        REQUEST_ID,
        4,
        7.0,
    )


def test_what_an_answer_lacks_is_none() -> None:
    """An answer without body and headers leaves code, more_info, details, request_id and retry_after None."""
    error = APIError.from_response(answer(b"", 500))
    assert [error.code, error.more_info, error.details, error.request_id, error.retry_after] == [None] * 5
    assert error.attempts == 1


@pytest.mark.parametrize("body", MUTE_BODIES.values(), ids=MUTE_BODIES)
@pytest.mark.parametrize(
    ("status", "phrase"), [(404, "Not Found"), (503, "Service Unavailable"), (599, "unknown")]
)
def test_a_body_that_says_nothing_is_not_shown(status: int, phrase: str, body: bytes) -> None:
    """Where the body says nothing, the status does, with the body's size and type, and not its content."""
    error = APIError.from_response(answer(body, status, headers={"Content-Type": "text/html"}))
    assert (error.code, error.more_info, error.details) == (None, None, None)
    assert error.message.startswith(phrase)
    assert f"{len(body)} bytes of text/html" in error.message
    assert "html>" not in error.message
    assert is_one_line(str(error))


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        *(("code", value, "code") for value in ("50353", 50353.5, True, None, [50353], {"code": 1})),
        *(("more_info", value, "more_info") for value in (5, None, ["x"], {"url": "x"}, False)),
        *(("details", value, "details") for value in ("text", 5, ["x"], None, True)),
    ],
)
def test_a_field_of_another_type_counts_as_absent(field: str, value: object, attribute: str) -> None:
    """An odd value in one field of the body leaves that field None and the others as they are."""
    error = APIError.from_response(answer(LEGACY | {"details": {"a": 1}} | {field: value}, 409))
    assert getattr(error, attribute) is None
    assert error.message == "Conversation with provided unique name already exists"
    assert type(error) is ConflictError


@pytest.mark.parametrize("message", [None, 5, True, ["x"], {"text": "x"}])
def test_a_message_of_another_type_counts_as_absent(message: object) -> None:
    """Where the message is no string, the status says what went wrong; the code stays."""
    error = APIError.from_response(answer(LEGACY | {"message": message}, 409))
    assert error.message.startswith("Conflict")
    assert error.code == 50353


def test_a_missing_message_leaves_the_code() -> None:
    """A body with a code and no message still gives the code."""
    error = APIError.from_response(answer({"code": 20429}, 429))
    assert (error.code, error.message.split(" (")[0]) == (20429, "Too Many Requests")


@pytest.mark.parametrize("value", ["soon", "", "nan", "1 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_retry_after_that_cannot_be_read_is_none(value: str) -> None:
    """A Retry-After that nobody can read does not hide the error."""
    error = APIError.from_response(answer(LEGACY, 429, headers={"Retry-After": value}))
    assert isinstance(error, RateLimitError)
    assert error.retry_after is None


@given(body=json_values | st.dictionaries(st.sampled_from([*LEGACY, *RFC_9457, "details"]), json_values))
@deterministic
def test_any_json_is_an_error_of_one_line(body: object) -> None:
    """Whatever JSON an answer holds, it becomes an APIError that prints as one short line."""
    error = APIError.from_response(answer(body, 400))
    assert type(error) is APIError
    assert is_one_line(str(error))


@given(body=st.binary(), status=st.integers(300, 599))
@deterministic
def test_any_bytes_are_an_error_of_one_line(body: bytes, status: int) -> None:
    """Whatever bytes an answer holds, it becomes an APIError that prints as one short line."""
    error = APIError.from_response(answer(body, status))
    assert error.status == status
    assert is_one_line(str(error))


# ----------------------------------------------------------------------------------------------- how it reads


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConversationsError(message="it failed"), "it failed"),
        (
            APIError.from_response(answer(LEGACY, 409, method="POST")),
            "POST /v1/Conversations: HTTP 409, 50353: Conversation with provided unique name already exists",
        ),
        (
            APIError(message="Not Found", status=404, method="GET", path="/v1/Conversations/CH1", attempts=5),
            "GET /v1/Conversations/CH1: HTTP 404: Not Found (after 5 attempts)",
        ),
        (
            TransportError(
                message="no route", method="GET", path="/v1/Conversations", attempts=2, sent=False
            ),
            "GET /v1/Conversations: no route (after 2 attempts)",
        ),
        (
            TransportError(message="lost", method="POST", path="/v1/M", attempts=2, ambiguous=True),
            "POST /v1/M: lost; it may have been carried out all the same (after 2 attempts)",
        ),
        (
            ResponseTooLargeError(message="more than 5 bytes", method="GET", path="/v1/M"),
            "GET /v1/M: more than 5 bytes",
        ),
        (
            DecodeError(message="missing", model="Message", field="media[0].sid", method="GET", path="/v1/M"),
            "GET /v1/M: cannot read Message.media[0].sid: missing",
        ),
        (
            DecodeError(message="missing", model="Message", field="[3].index"),
            "cannot read Message[3].index: missing",
        ),
        (DecodeError(message="no JSON", model="Message"), "cannot read Message: no JSON"),
        (PaginationError(message="another origin", method="GET", path="/v1/M"), "GET /v1/M: another origin"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_plain_line(error: ConversationsError, text: str) -> None:
    """An error prints as request, status, code and message; its repr adds the name of the class."""
    assert str(error) == text
    assert repr(error) == f"<{type(error).__name__} {text}>"


@pytest.mark.parametrize("cls", FULL, ids=lambda cls: cls.__name__)
def test_a_long_message_is_cut(cls: type[ConversationsError]) -> None:
    """A message has 300 characters at the most, and a cut one says so; the whole line is bounded as well."""
    long = "x" * 100_000
    fields: dict[str, Any] = {**FULL[cls], "message": long, "path": "/" + long}
    error = cls(**fields)
    assert error.message == "x" * 299 + "…"
    assert is_one_line(str(error))
    fields["message"] = "x" * 300
    assert cls(**fields).message == "x" * 300


@pytest.mark.parametrize(
    "message",
    [
        "a\nb",
        "a\r\nb",
        "a\tb",
        "a\x00b",
        "a\x1bb",
        "a\u2028b",
        "a\x85b",
        "a\u202eb",
        "a\u200bb",
        " a \n\n b\ud800",
    ],
)
def test_a_message_is_printable(message: str) -> None:
    """Line ends, controls, and what turns text around have no place in a message."""
    error = APIError(message=message, status=400, method="GET", path=f"/{message}")
    assert error.message == "a b"
    assert is_one_line(str(error))


# -------------------------------------------------------------------------------------------------- as values


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("cls", FULL, ids=lambda cls: cls.__name__)
def test_a_copy_keeps_every_field(cls: type[ConversationsError], duplicate: Callable[[Any], Any]) -> None:
    """An error that is pickled or copied keeps its class, its fields, and its text."""
    error = cls(**FULL[cls])
    again = duplicate(error)
    assert type(again) is cls
    assert {name: getattr(again, name) for name in FULL[cls]} == FULL[cls]
    assert (str(again), repr(again)) == (str(error), repr(error))


def test_the_samples_name_every_field() -> None:
    """No field of an error class is left out by the tests of copies."""
    for cls, fields in FULL.items():
        assert set(vars(cls(**fields))) == set(fields)


def test_a_pickled_answer_is_the_same_error() -> None:
    """An error that was read from an answer survives the way to another process."""
    error = APIError.from_response(answer(RFC_9457, 503, headers={"Retry-After": "3"}, attempts=2))
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301  # it is our own


@pytest.mark.parametrize(
    ("cls", "given_fields", "missing"),
    [
        (ConversationsError, {}, "message"),
        (APIError, {"message": "x"}, "status"),
        (DecodeError, {"message": "x"}, "model"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_makes_an_error_must_be_given(
    cls: type[ConversationsError], given_fields: dict[str, Any], missing: str
) -> None:
    """An error cannot be made without its message, an APIError not without its status."""
    with pytest.raises(TypeError, match=missing):
        cls(**given_fields)
