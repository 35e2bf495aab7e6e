"""What goes wrong, for which request, and how does it look on the wire?"""

import asyncio
import math
import os
import random
import reprlib
import socket
import struct
from asyncio import sleep as _sleep
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from http.client import responses
from threading import Lock
from typing import Any, Final, Literal, NoReturn, get_args

from aiohttp import web
from aiohttp.payload import Payload
from attrs import asdict, define, field, fields, frozen

from .documents import is_whole, require, unknown
from .errors import CATALOGUE

Reset = Literal["before", "during", "after"]
Body = Literal["truncated", "malformed"]

#: Under which a refusal carries its code.
CODE: Final = web.ResponseKey("code", int)
#: Into how many pieces a slow answer is cut at most.
_PIECES: Final = 50
#: How long half an answer gets to arrive, in seconds, for a reset may discard what is still on its way.
_HEAD_START: Final = 0.02
#: SO_LINGER, on and with no time: closing the socket sends a reset.
_RESET: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_NO_JSON: Final = b'{"sid": this is no JSON'
#: The codes of the statuses whose code is not 20000 more.
_CODES: Final = {400: 20001, 401: 20003, 405: 20004}

#: Shows a wrong value, or as much of it as goes on a line.
_repr: Final = reprlib.Repr()
_repr.maxlevel = 1

_Rule = tuple[str, Callable[[Any], bool]]


def _number(text: str, lowest: float, highest: float = math.inf, *, kind: type[float] = int) -> _Rule:
    def is_right(value: Any) -> bool:
        return isinstance(value, (int, kind)) and not isinstance(value, bool) and lowest <= value <= highest

    return text, is_right


def _word(*allowed: str) -> _Rule:
    return f"{', '.join(allowed[:-1])} or {allowed[-1]}", lambda value: value in allowed


def _pattern(text: str, *starts: str) -> _Rule:
    return text, lambda value: isinstance(value, str) and value != "" and value.startswith(starts)


_COUNT: Final = _number("a whole number of at least 1", 1)
_SECONDS: Final = _number("seconds within 0..3600", 0, 3600, kind=float)

#: What each field must be, in words and as a test. Its default is right in any case.
_RULES: Final[Mapping[str, _Rule]] = {
    "operation": _pattern("a pattern such as messages.create or messages.*", ""),
    "method": _word("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
    "path": _pattern("a pattern that starts with / or *", "/", "*"),
    "times": _COUNT,
    "skip": _number("a whole number of at least 0", 0),
    "probability": _number("a number within 0..1", 0, 1, kind=float),
    "latency": _SECONDS,
    "status": _number("a whole number within 400..599", 400, 599),
    "code": _COUNT,
    "retry_after": _SECONDS,
    "after": ("true or false", lambda value: isinstance(value, bool)),
    "reset": _word(*get_args(Reset)),
    "body": _word(*get_args(Body)),
    "drip": _SECONDS,
}


def _upper(value: str | None) -> str | None:
    return value.upper() if isinstance(value, str) else value


@frozen(kw_only=True)
class Fault:
    """What goes wrong, and with which requests.

    It is for the requests that fit all of ``operation``, ``method`` and ``path`` that are given; without any,
    for every one. It has one of ``status``, ``reset``, ``body`` and ``drip``, or none of them and a latency.

    Raises:
        ValueError: A value is wrong. The line begins with its place, such as ``fault.times``.
    """

    #: Such as ``messages.create``. ``*``, ``?`` and ``[…]`` stand for what they do in file names.
    operation: str | None = None
    #: Upper and lower case are the same.
    method: str | None = field(default=None, converter=_upper)
    #: Such as ``/v1/Conversations/*``: a pattern for the whole path, decoded. Its ``*`` takes slashes, too.
    path: str | None = None
    #: How many requests it hits; None: all, until it is removed.
    times: int | None = None
    #: How many it lets through before the first that it may hit.
    skip: int = 0
    #: How likely it hits one. Those that it spares do not count as hit.
    probability: float = 1.0
    #: Seconds before the request is handled, whatever else happens. A client that leaves may not get it done.
    latency: float = 0.0
    #: Refuses with this status, in the API's words.
    status: int | None = None
    #: The code of the refusal; None: the one that goes with the status, such as 20429.
    code: int | None = None
    #: The seconds in the ``Retry-After`` header of the refusal; None: no header.
    retry_after: float | None = None
    #: Whether the request is handled before ``latency`` and ``status``: what it writes is written, whatever
    #: becomes of its answer.
    after: bool = False
    #: Resets the connection: before the request is handled, so that nothing is written; after it is handled,
    #: without a byte of its answer; or in between, with the head and half the body of the answer.
    reset: Reset | None = None
    #: Handles the request, and its answer ends in the middle, or arrives whole and is no JSON.
    body: Body | None = None
    #: Seconds between the pieces of the answer's body. Of these there are 50 at most.
    drip: float | None = None

    def __attrs_post_init__(self) -> None:
        for attribute in fields(Fault):
            value, (text, is_right) = getattr(self, attribute.name), _RULES[attribute.name]
            if value is not attribute.default and not is_right(value):
                raise ValueError(f"fault.{attribute.name}: must be {text}, not {_repr.repr(value)}")
        kinds = [name for name in ("status", "reset", "body", "drip") if getattr(self, name) is not None]
        if not kinds and not self.latency:
            raise ValueError("fault: does nothing; give latency, status, reset, body or drip")
        if len(kinds) > 1:
            raise ValueError(f"fault.{kinds[1]}: cannot go with {kinds[0]}; a fault has one of them")
        for name in ("code", "retry_after"):
            if getattr(self, name) is not None and self.status is None:
                raise ValueError(f"fault.{name}: goes with status only")
        if self.after and (self.reset == "before" or (self.status is None and not self.latency)):
            raise ValueError("fault.after: goes with status or latency only, and never with reset before")

    def matches(self, *, operation: str | None, method: str, path: str) -> bool:
        """Tell whether a request is one of those it is for."""
        return (
            (self.operation is None or (operation is not None and fnmatchcase(operation, self.operation)))
            and self.method in {None, method.upper()}
            and (self.path is None or fnmatchcase(path, self.path))
        )


@define
class _Entry:
    fault: Fault
    matched: int = 0
    hits: int = 0

    def wants(self, generator: random.Random) -> bool:
        if self.hits == self.fault.times or self.matched <= self.fault.skip:
            return False
        # What is certain is not drawn, and so does not change which requests the other faults hit.
        return self.fault.probability == 1 or generator.random() < self.fault.probability


class Faults:
    """The faults of an emulator, in the order in which they were added. Any thread may call it.

    Args:
        seed: Decides which requests the faults with a probability hit.
        operations: What can be meant; by default whatever a fault says.

    Raises:
        ValueError: The seed is no whole number.
    """

    def __init__(self, seed: int = 0, *, operations: Collection[str] = ()) -> None:
        require("fault_seed", seed, "a whole number", fits=is_whole(seed))
        self._seed = seed
        self._operations = operations
        self._random = random.Random(seed)  # noqa: S311  # it is to be repeatable, and keeps no secret
        self._entries: list[_Entry] = []
        self._lock = Lock()

    def add(
        self,
        *,
        operation: str | None = None,
        method: str | None = None,
        path: str | None = None,
        times: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        latency: float = 0.0,
        status: int | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        after: bool = False,
        reset: Reset | None = None,
        body: Body | None = None,
        drip: float | None = None,
    ) -> Fault:
        """Let something go wrong from now on: the arguments are those of ``Fault``.

        Returns:
            The fault, with which it is counted and removed.

        Raises:
            ValueError: As ``Fault`` says; or no operation is called so.
        """
        fault = Fault(
            operation=operation,
            method=method,
            path=path,
            times=times,
            skip=skip,
            probability=probability,
            latency=latency,
            status=status,
            code=code,
            retry_after=retry_after,
            after=after,
            reset=reset,
            body=body,
            drip=drip,
        )
        self._extend({"fault": fault})
        return fault

    def load(self, script: Any) -> list[Fault]:
        """Add the faults of a script: a list of objects, or one, whose names are those of ``Fault``.

        Raises:
            ValueError: Something in it is wrong, and nothing has been added. The line begins with the place,
                such as ``faults[2].times``.
        """
        if isinstance(script, list):
            items = {f"faults[{index}]": item for index, item in enumerate(script)}
        else:
            items = {"fault": script}
        faults = {place: _read(item, place) for place, item in items.items()}
        self._extend(faults)
        return list(faults.values())

    def dump(self) -> list[dict[str, Any]]:
        """What there is, as JSON: a script, and with each fault its ``hits``."""
        with self._lock:
            return [_write(entry.fault) | {"hits": entry.hits} for entry in self._entries]

    def count(self, fault: Fault) -> int:
        """How many requests a fault has hit.

        Raises:
            ValueError: It is not here.
        """
        with self._lock:
            return self._find(fault).hits

    def remove(self, fault: Fault) -> None:
        """End one fault.

        Raises:
            ValueError: It is not here.
        """
        with self._lock:
            found = self._find(fault)
            self._entries = [entry for entry in self._entries if entry is not found]

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._entries = []

    def reset(self, seed: int | None = None) -> None:
        """End all faults and draw as from the start, by another seed if one is given."""
        with self._lock:
            self._seed = self._seed if seed is None else seed
            self._random.seed(self._seed)
            self._entries = []

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter([entry.fault for entry in self._entries])

    def pick(self, *, operation: str | None, method: str, path: str) -> Fault | None:
        """Choose the fault of a request, and count it.

        The first one hits that matches and is not used up; a request that it lets through, or spares, is for
        the next. A fault that is used up stays here, with its count, until it is removed.
        """
        with self._lock:
            for entry in self._entries:
                if entry.fault.matches(operation=operation, method=method, path=path):
                    entry.matched += 1
                    if entry.wants(self._random):
                        entry.hits += 1
                        return entry.fault
        return None

    def _extend(self, faults: Mapping[str, Fault]) -> None:
        for place, fault in faults.items():
            self._see_that_it_can_hit(fault, place)
        with self._lock:
            self._entries.extend(map(_Entry, faults.values()))

    def _see_that_it_can_hit(self, fault: Fault, place: str) -> None:
        name = fault.operation
        if name is None or not self._operations or any(fnmatchcase(each, name) for each in self._operations):
            return
        close = get_close_matches(name, self._operations, n=1)
        hint = f"did you mean {close[0]}?" if close else "names are such as messages.create"
        shown = _repr.repr(name)[1:-1]
        raise ValueError(f"{place}.operation: no operation is called {shown}; {hint}")

    def _find(self, fault: Fault) -> _Entry:
        # Faults that say the same are counted apart.
        for entry in self._entries:
            if entry.fault is fault:
                return entry
        raise ValueError("the fault is not here: it has been removed, or was added elsewhere")


def _read(item: Any, place: str) -> Fault:
    if not isinstance(item, dict):
        raise ValueError(f"{place}: must be an object, not {_repr.repr(item)}")  # noqa: TRY004  # a script is text
    for name in map(str, item):
        if name not in _RULES:
            raise unknown(place, name, _RULES)
    try:
        return Fault(**item)
    except ValueError as error:
        raise ValueError(place + str(error).removeprefix("fault")) from error


def _write(fault: Fault) -> dict[str, Any]:
    return asdict(fault, filter=lambda attribute, value: value != attribute.default)


async def play(
    fault: Fault, request: web.Request, handle: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Carry a fault out.

    Connections end, and answers drip, when aiohttp sends the response: until then it can be given headers.
    Of an answer without a body nothing at all is sent where others are cut; it is never malformed, nor slow.

    Args:
        fault: As it was picked.
        request: The request that it was picked for.
        handle: Handles the request truly. What it raises passes through.

    Raises:
        TypeError: The answer's body is to be spoilt and is not in memory.
    """
    if not fault.after:
        await _sleep(fault.latency)
    is_handled = fault.after or (fault.status is None and fault.reset != "before")
    answer = await handle() if is_handled else None
    if fault.after:
        await _sleep(fault.latency)
    if fault.status is not None:
        return _refusal(fault, fault.status)
    if answer is None or fault.reset == "after":
        return _Lost(is_reset=True)
    if fault.reset is None and fault.body is None and fault.drip is None:
        return answer
    return _spoil(fault, answer, is_bare=request.method == "HEAD")


def _refusal(fault: Fault, status: int) -> web.Response:
    code = fault.code or _CODES.get(status, 20000 + status)
    _, text = CATALOGUE.get(code, (status, "{}"))
    body = {
        "code": code,
        "message": responses.get(status, "Refused") if "{}" in text else text,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    response = web.json_response(body, status=status, headers=headers)
    response[CODE] = code
    return response


def _spoil(fault: Fault, answer: web.StreamResponse, *, is_bare: bool) -> web.StreamResponse:
    if not isinstance(answer, web.Response) or isinstance(answer.body, Payload):
        raise TypeError("only an answer whose body is in memory can be spoilt")
    is_cut = fault.reset == "during" or fault.body == "truncated"
    if is_bare or not answer.body:
        return _Lost(is_reset=fault.reset is not None) if is_cut else answer
    if is_cut:
        return _Half(answer, answer.body, is_reset=fault.reset is not None)
    if fault.drip is not None:
        return _Slow(answer, answer.body, pause=fault.drip)
    answer.body = _NO_JSON
    return answer


class _Lost(web.StreamResponse):
    """Nothing, and then the end of the connection."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self._is_reset = is_reset

    async def prepare(self, request: web.BaseRequest) -> NoReturn:
        _hang_up(request.transport, is_reset=self._is_reset)


class _Half(web.StreamResponse):
    """The head of an answer, half of its body, and then the end of the connection."""

    def __init__(self, answer: web.Response, body: bytes | bytearray, *, is_reset: bool) -> None:
        super().__init__(status=answer.status, reason=answer.reason, headers=answer.headers)
        self.content_length = len(body)
        self._half = body[: len(body) // 2]
        self._is_reset = is_reset

    async def prepare(self, request: web.BaseRequest) -> NoReturn:
        await super().prepare(request)
        await self.write(self._half)
        if self._is_reset:
            await _sleep(_HEAD_START)
        _hang_up(request.transport, is_reset=self._is_reset)


class _Slow(web.StreamResponse):
    """An answer whose body is sent in pieces, with a pause between them."""

    def __init__(self, answer: web.Response, body: bytes | bytearray, *, pause: float) -> None:
        super().__init__(status=answer.status, reason=answer.reason, headers=answer.headers)
        self.content_length = len(body)
        self._whole = body
        self._pause = pause

    async def write_eof(self, data: bytes = b"") -> None:
        size = -(-len(self._whole) // _PIECES)
        for start in range(0, len(self._whole), size):
            if start:
                await _sleep(self._pause)
            await self.write(self._whole[start : start + size])
        await super().write_eof(data)


def _hang_up(transport: asyncio.Transport | None, *, is_reset: bool) -> NoReturn:
    # Without a transport the client has left, and there is nothing to end.
    if transport is not None and is_reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    elif transport is not None:
        transport.close()
    # aiohttp takes it for a client that has left: it sends nothing more, and logs nothing.
    raise ConnectionResetError("the connection has ended as the fault says")
