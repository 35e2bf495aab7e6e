"""What an exception of aiohttp means: which error it is here, and which option is about it. Pure."""

from __future__ import annotations

from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING, Final

import aiohttp

from .errors import RequestTimeoutError, ResponseTooLargeError, TransportError, UploadError
from .response import REQUEST_ID
from .upload import SourceError, Upload

if TYPE_CHECKING:
    from .errors import ConversationsError
    from .proxies import Proxy
    from .transport import Attempt

#: What is about an answer, be it the API's or a proxy's, holds the request with its credentials; and what is
#: about the wait for a connection holds the address. A server that broke off may have begun to answer.
_TELLING: Final = (
    aiohttp.ClientResponseError
    | aiohttp.ClientPayloadError
    | aiohttp.ConnectionTimeoutError
    | aiohttp.ServerDisconnectedError
)


class ConnectionLostError(aiohttp.ClientConnectionError):
    """The connection broke after the request had, or may have, left."""


class UnconnectedError(aiohttp.ClientConnectionError):
    """No connection came about, and so the request has not left."""


class TooLargeError(aiohttp.ClientError):
    """The body is larger than it may be."""


def failure_of(error: Exception, attempt: Attempt) -> TransportError:
    """Say what an exception means; aiohttp's text may hold the address, or parts of the answer."""
    if isinstance(error, TimeoutError) and attempt.pool.closed:
        return closed(attempt)
    upload = attempt.call.data
    if isinstance(upload, Upload) and upload.fault is not None:
        what = str(upload.fault) if isinstance(upload.fault, SourceError) else None
        what = what or f"it failed with {type(upload.fault).__name__}"
        failure = _failure(attempt, UploadError, f"the source of the upload is at fault: {what}")
        failure.__cause__ = upload.fault
        return failure
    kind: type[TransportError] = TransportError
    sent, status = attempt.placed, None
    proxy = attempt.options.proxies.find(attempt.call.url)
    limit = "timeout" if attempt.seconds >= attempt.options.timeout else "what total_timeout left"
    unconnected = (
        f"no connection{'' if proxy is None else ' through the proxy'} within {attempt.connect:.3g} s"
    )
    match error:
        case TooLargeError():
            kind = ResponseTooLargeError
            reason = (
                f"the answer is larger than {attempt.options.max_response_size} bytes (max_response_size)"
            )
        case TimeoutError() if not attempt.placed:
            kind, reason = RequestTimeoutError, f"{unconnected}: all were in use (max_connections)"
        case aiohttp.ConnectionTimeoutError():
            kind, sent, reason = RequestTimeoutError, False, f"{unconnected} ({limit})"
        case TimeoutError():
            missing = "nothing moved for" if attempt.call.streamed else "no whole answer within"
            kind, reason = RequestTimeoutError, f"{missing} {attempt.seconds:.3g} s ({limit})"
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError() | UnconnectedError():
            sent, reason = False, _why_unconnected(error, proxy)
            status = error.status if isinstance(error, aiohttp.ClientHttpProxyError) else None
        case ConnectionLostError():
            reason = f"the connection was lost ({error})"
        case _:
            reason = f"the connection was lost, or the answer is no HTTP ({type(error).__name__})"
    failure = _failure(attempt, kind, reason, sent=sent, status=status)
    failure.__cause__ = None if isinstance(error, _TELLING | TooLargeError) else error
    return failure


def closed(attempt: Attempt, what: str = "client") -> TransportError:
    """Say that somebody closed the client, or the borrowed session."""
    return _failure(attempt, TransportError, f"the {what} was closed meanwhile")


def was_sent(failure: ConversationsError) -> bool:
    """Say whether any attempt of a call that failed so had a connection."""
    return failure.sent if isinstance(failure, TransportError) else True


def _failure(
    attempt: Attempt,
    kind: type[TransportError],
    reason: str,
    *,
    sent: bool | None = None,
    status: int | None = None,
) -> TransportError:
    answer = attempt.answer
    return kind(
        message=reason,
        sent=attempt.placed if sent is None else sent,
        method=attempt.call.method,
        path=attempt.call.path,
        status=answer.status if answer else status,
        request_id=answer.headers.get(REQUEST_ID) if answer else None,
        attempts=attempt.number,
    )


def _why_unconnected(
    error: aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | UnconnectedError,
    proxy: Proxy | None,
) -> str:
    """Say what failed; aiohttp would show the ssl context, and call the proxy a host like any other."""
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return "the proxy asks for other credentials than its address has (proxy; HTTP 407)"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refuses to connect to the server (HTTP {error.status})"
        case aiohttp.ClientConnectorError():
            return _why_refused(error, proxy)
        case _:
            where = "the server" if proxy is None else "the proxy"
            return f"{where} broke off the connection while it was made, or speaks no HTTP ({error})"


def _why_refused(error: aiohttp.ClientConnectorError, proxy: Proxy | None) -> str:
    where = f"{error.host}:{error.port}"
    if proxy is not None and (error.host, error.port) == (proxy.url.raw_host, proxy.url.port):
        where = f"the proxy {where}"
    fault = error.os_error
    match fault:
        case SSLCertVerificationError():
            return f"the certificate of {where} is not accepted: {fault.verify_message} (ssl)"
        case SSLError():
            return f"no TLS connection to {where}: {fault.reason} (ssl)"
        case _:
            return f"no connection to {where}: {fault.strerror or type(fault).__name__}"
