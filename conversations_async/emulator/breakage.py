"""How does a fault look on the wire?"""

import asyncio
import os
import socket
import struct
from asyncio import sleep as _sleep
from collections.abc import Awaitable, Callable
from http.client import responses
from typing import Final, NoReturn

from aiohttp import web
from aiohttp.payload import Payload

from .errors import CATALOGUE
from .faults import Fault

#: Under which a refusal carries its code.
CODE: Final = web.ResponseKey[int | None]("code")
#: Into how many pieces a slow answer is cut at most.
_PIECES: Final = 50
#: How long half an answer gets to arrive, in seconds, for a reset may discard what is still on its way.
_HEAD_START: Final = 0.02
#: SO_LINGER, on and with no time: closing the socket sends a reset.
_RESET: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_NO_JSON: Final = b'{"sid": this is no JSON'
#: The codes of the statuses whose code is not 20000 more.
_CODES: Final = {400: 20001, 401: 20003, 405: 20004}


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
        return Lost(is_reset=True)
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
        return Lost(is_reset=fault.reset is not None) if is_cut else answer
    if is_cut:
        return _Half(answer, answer.body, is_reset=fault.reset is not None)
    if fault.drip is not None:
        return _Slow(answer, answer.body, pause=fault.drip)
    answer.body = _NO_JSON
    return answer


class Lost(web.StreamResponse):
    """Nothing, and then the end of the connection."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self._is_reset = is_reset

    async def prepare(self, request: web.BaseRequest) -> NoReturn:
        """End the connection instead of sending anything."""
        _hang_up(request.transport, is_reset=self._is_reset)


class _Half(web.StreamResponse):
    """The head of an answer, half of its body, and then the end of the connection."""

    def __init__(self, answer: web.Response, body: bytes | bytearray, *, is_reset: bool) -> None:
        super().__init__(status=answer.status, reason=answer.reason, headers=answer.headers)
        self[CODE] = answer.get(CODE)
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
        self[CODE] = answer.get(CODE)
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
