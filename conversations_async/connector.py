"""aiohttp's connector, made to tell what it would hide: what has gone wrong where, and what came unasked."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler

from .failures import ConnectionLostError, UnconnectedError

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class Connector(aiohttp.TCPConnector):
    """Tells what goes wrong on the way to a connection from what goes wrong on it.

    To aiohttp, a proxy that breaks off before there is a tunnel is a server that has got the request. And
    what has arrived on a connection that nobody used is the answer to whatever is asked next.
    """

    def __init__(self, *, keepalive_timeout: float, ttl_dns_cache: int) -> None:
        # how many there are at a time is for others to say
        super().__init__(limit=0, keepalive_timeout=keepalive_timeout, ttl_dns_cache=ttl_dns_cache)
        self._used = WeakSet[ResponseHandler]()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own
    ) -> Connection:
        """Give a connection for a request: a new one, or one on which nothing has arrived since its last."""
        try:
            while True:
                connection = await super().connect(req, traces, timeout)
                if connection.protocol not in self._used or not _has_input(connection):
                    break
                connection.close()
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, TimeoutError):
            raise
        except (aiohttp.ClientError, OSError) as error:
            failure = UnconnectedError(type(error).__name__)
        else:
            self._used.add(cast("ResponseHandler", connection.protocol))  # it has one until it is released
            return connection
        # raised here: the error may hold what the proxy was told
        raise failure


def _has_input(connection: Connection) -> bool:
    """Say whether something has arrived: a second answer, or a 408 to one who is silent; or the end."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:  # the latter: aiohttp has read it
        return True
    return _is_readable(transport.get_extra_info("socket"))


def _is_readable(socket: TransportSocket) -> bool:
    """Ask the system, which is cheaper than a selector for each request."""
    if not hasattr(select, "poll"):
        return bool(select.select([socket], [], [], 0)[0])  # pragma: no cover  # on Windows, of any number
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


async def report_losses(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Tell of a lost connection in words that aiohttp does not take for its own.

    By itself it would send GET and DELETE once more, at once and unseen; the retry policy decides that here.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientOSError as error:
        # the words are those of the system, or of TLS: that the server demands a certificate, for example
        told = f": {error.strerror}" if error.strerror else ""
        what, cause = f"{type(error).__name__}{told}", error
    except aiohttp.ServerDisconnectedError as error:
        what, cause = type(error).__name__, None  # it holds what the server has said until then
    raise ConnectionLostError(what) from cause
