"""How does the emulator speak HTTP?"""

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from attrs import define

from . import links, wire
from .auth import Credentials
from .errors import RequestError
from .handlers import Request, answer
from .resource import Endpoint
from .resources import MEDIA, VERSIONS
from .store import Store

_logger: Final = logging.getLogger(__name__)

#: What aiohttp refuses by itself, in the API's words. Everything else of that kind is 20001.
_CODES: Final = {404: 20404, 405: 20004, 413: 20413}
#: The largest file that is taken: 150 MB, which is assumed to mean units of 2^20 bytes.
_LARGEST_FILE: Final = 150 << 20

#: The name of the route that needs no credentials.
_OPEN: Final = "open"

Clock = Callable[[], int]


@define
class Counter:
    """How many requests have been answered, refusals included."""

    requests: int = 0


COUNTER: Final = web.AppKey("counter", Counter)
_STORE: Final = web.AppKey("store", Store)
_ACCOUNT: Final = web.RequestKey("account", str)


def create_app(
    *,
    database: str | os.PathLike[str] = ":memory:",
    account_sid: str | None = None,
    auth_token: str | None = None,
    clock: Clock = wire.now,
    largest_file: int = _LARGEST_FILE,
) -> web.Application:
    """Make the emulator as an application for an aiohttp server of your own.

    Args:
        database: A file to keep the data in; the default forgets it at the end.
        account_sid: With ``auth_token`` the only account that is let in. Without, any well-formed one is.
        auth_token: Goes with ``account_sid``.
        clock: Tells the time, in milliseconds since 1970.
        largest_file: The size up to which media are taken, in bytes.

    Raises:
        ValueError: The credentials are incomplete or malformed, or ``database`` is empty. An unusable file
            raises it when the application starts.
    """
    credentials = Credentials(account_sid=account_sid, auth_token=auth_token)
    path = os.fspath(database)
    if not path:
        raise ValueError("database must not be empty")

    async def keep_store(app: web.Application) -> AsyncIterator[None]:
        app[_STORE] = Store(path, now=clock())
        yield
        app[_STORE].close()

    app = web.Application(middlewares=[_identify, _refuse, _authenticate(credentials)])
    app[COUNTER] = Counter()
    app.cleanup_ctx.append(keep_store)
    for version in VERSIONS:
        for endpoint in version.endpoints():
            app.router.add_route("*", endpoint.pattern, _serve(endpoint, clock, largest_file))
    media = Endpoint(version="/v1", resource=MEDIA, shortcut=False, item=True)
    app.router.add_get(f"{media.pattern}/Content", _serve_content)
    app.router.add_get(links.PATTERN, _follow_link(clock), name=_OPEN)
    return app


def _serve(endpoint: Endpoint, clock: Clock, largest_file: int) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        verb = endpoint.verb(request.method)
        if verb is None:
            raise RequestError(20004)
        query, is_file = _by_name(request.query.items()), endpoint.resource.is_file
        asked = Request(
            account_sid=request[_ACCOUNT],
            origin=f"{request.scheme}://{request.host}",
            raw_path=request.rel_url.raw_path,
            path=_unversioned(request.path),
            names=request.match_info,
            query=query,
            form=query | _media_type(request) if is_file else await _read_form(request),
            file=await _read_file(request, largest_file) if is_file else b"",
        )
        # From here on nothing waits: requests are served one by one and see each other's writes whole.
        status, body = answer(request.app[_STORE], clock(), endpoint, verb, asked)
        return web.Response(status=status) if body is None else web.json_response(body, status=status)

    return serve


async def _serve_content(request: web.Request) -> web.Response:
    names = request.match_info
    service = request.app[_STORE].find("services", sid=names["services"])
    # A service that is not there leaves None, which is no file's parent.
    return _send_file(request, sid=names["media"], parent=service and service["id"])


def _follow_link(clock: Clock) -> Handler:
    async def follow(request: web.Request) -> web.Response:
        return _send_file(request, sid=links.read(request.match_info["token"], now=clock()))

    return follow


def _send_file(request: web.Request, **match: Any) -> web.Response:
    store = request.app[_STORE]
    media = store.find("media", **match)
    if media is None:
        raise RequestError(20404, _unversioned(request.path))
    content = store.read_content(media["id"])
    return web.Response(body=content, headers={"Content-Type": media["content_type"]})


def _media_type(request: web.Request) -> dict[str, list[str]]:
    return {"Content-Type": [request.headers.get("Content-Type", "")]}


async def _read_file(request: web.Request, limit: int) -> bytearray:
    # Kept here until it is whole: so it is stored at once or, where the client goes away, not at all.
    file = bytearray()
    async for chunk in request.content.iter_any():
        file += chunk
        if max(len(file), request.content_length or 0) > limit:
            raise RequestError(20413)
    return file


async def _read_form(request: web.Request) -> dict[str, list[str]]:
    body = await request.read()
    # The API does not understand JSON, nor anything else that is no form: the parameters count as absent.
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        return _by_name(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError as error:
        raise RequestError(20001, "The post body is not a form in UTF-8") from error


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


@web.middleware
async def _identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[COUNTER].requests += 1
    response = await handler(request)
    response.headers["Twilio-Request-Id"] = "RQ" + secrets.token_hex(16)
    return response


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RequestError as error:
        refusal = error
    except web.HTTPException as error:
        refusal = RequestError(_CODES.get(error.status, 20001), _unversioned(request.path))
    except (ConnectionError, web.RequestPayloadError):
        refusal = RequestError(20001, "The post body did not arrive whole")
    except Exception:
        _logger.exception("the emulator failed at %s %s", request.method, request.path)
        refusal = RequestError(20500)
    return web.json_response(refusal.body, status=refusal.status)


def _authenticate(credentials: Credentials) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name != _OPEN:
            request[_ACCOUNT] = credentials.admit(request.headers.get("Authorization"))
        return await handler(request)

    return authenticate


def _unversioned(path: str) -> str:
    """The path as error texts spell it: without its version."""
    for version in VERSIONS:
        if path.startswith(f"{version.prefix}/"):
            return path.removeprefix(version.prefix)
    return path
