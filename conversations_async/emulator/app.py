"""How does the emulator speak HTTP?"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from attrs import frozen

from . import links
from .acts import Act
from .auth import Credentials
from .breakage import CODE, Lost, play
from .carrier import Carrier
from .clock import Clock, real_time
from .control import Control, add_routes, bypass
from .documents import path_of
from .engine import Engine
from .errors import RequestError
from .faults import Fault, Faults
from .handlers import Request, answer
from .limits import Limits, read_limits
from .records import Recorder, RequestRecord
from .resource import Endpoint, Verb
from .resources import MEDIA, OPERATIONS, VERSIONS
from .seeds import read_from
from .webhooks import Courier, allowed_hosts
from .wire import milliseconds

_logger: Final = logging.getLogger(__name__)

#: What aiohttp refuses by itself, in the API's words. Everything else of that kind is 20001.
_CODES: Final = {404: 20404, 405: 20004, 413: 20413}
#: The largest file that is taken: 150 MB, which is assumed to mean units of 2^20 bytes.
_LARGEST_FILE: Final = 150 << 20

#: The headers that no record has.
_SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-twilio-token"})

#: The name of the route that needs no credentials.
_OPEN: Final = "open"


CONTROL: Final = web.AppKey("control", Control)
ENGINE: Final = web.AppKey("engine", Engine)
FAULTS: Final = web.AppKey("faults", Faults)
RECORDER: Final = web.AppKey("recorder", Recorder)
_ACCOUNT: Final = web.RequestKey("account", str)
_ERA: Final = web.RequestKey("era", int)
_FAULT: Final = web.RequestKey("fault", Fault)
_FORM: Final = web.RequestKey("form", dict[str, list[str]])


def create_app(
    *,
    database: str | os.PathLike[str] = ":memory:",
    account_sid: str | None = None,
    auth_token: str | None = None,
    clock: Callable[[], int] = real_time,
    carrier: Carrier | None = None,
    limits: Limits | bool | None = None,
    latency: float = 0.0,
    webhook_url: str | None = None,
    webhook_hosts: Collection[str] = (),
    pre_webhooks_for_rest: bool = False,
    drain: float = 0.0,
    fault_seed: int = 0,
    seed: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    largest_file: int = _LARGEST_FILE,
) -> web.Application:
    """Make the emulator as an application for an aiohttp server of your own.

    The arguments are those of ``Emulator``, and:

    Args:
        largest_file: The size up to which media are taken, in bytes.

    Raises:
        ValueError: An argument is wrong. An unusable file raises it when the application starts.
    """
    credentials = Credentials(account_sid=account_sid, auth_token=auth_token)
    path = path_of("database", database)
    delay = milliseconds("latency", latency) / 1000
    patience = milliseconds("drain", drain) / 1000
    engine = Engine(
        database=path,
        clock=Clock(clock),
        courier=Courier(
            account_sid=account_sid, auth_token=auth_token, hosts=allowed_hosts(webhook_url, webhook_hosts)
        ),
        carrier=Carrier() if carrier is None else carrier,
        limits=read_limits(limits),
        asks_for_rest=pre_webhooks_for_rest,
        webhook_url=webhook_url,
        seed=None if seed is None else read_from(seed),
    )

    async def run(_: web.Application) -> AsyncIterator[None]:
        engine.courier.open()
        try:
            engine.open()
            try:
                yield
                await engine.courier.close(drain=patience)
            finally:
                engine.close()
        finally:
            await engine.courier.close(drain=0)

    gates = (_authenticate(credentials), _bound(engine.limits.concurrency))
    app = web.Application(middlewares=[bypass(credentials), _record, _spoil(delay), _refuse, *gates])
    app[ENGINE], app[FAULTS], app[RECORDER] = engine, Faults(fault_seed, operations=OPERATIONS), Recorder()
    app[CONTROL] = Control(engine, app[FAULTS], app[RECORDER])
    app.cleanup_ctx.append(run)
    add_routes(app, app[CONTROL])
    for version in VERSIONS:
        for endpoint in version.endpoints():
            app.router.add_route("*", endpoint.pattern, _Served(endpoint, largest_file).answer)
    media = Endpoint(version="/v1", resource=MEDIA, shortcut=False, item=True)
    app.router.add_get(f"{media.pattern}/Content", _serve_content)
    app.router.add_get(links.PATTERN, _follow_link, name=_OPEN)
    return app


@frozen
class _Served:
    """Serves one path of the API."""

    endpoint: Endpoint
    largest_file: int

    def operation(self, method: str) -> str | None:
        verb = self.endpoint.verb(method)
        return None if verb is None else self.endpoint.resource.operation(verb)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        verb = self.endpoint.verb(request.method)
        if verb is None:
            raise RequestError(20004)
        query, is_file = _by_name(request.query.items()), self.endpoint.resource.is_file
        request[_FORM] = form = {} if is_file else await _read_form(request)
        account_sid = request[_ACCOUNT]
        asked = Request(
            account_sid=account_sid,
            origin=f"{request.scheme}://{request.host}",
            raw_path=request.rel_url.raw_path,
            path=_unversioned(request.path),
            names=request.match_info,
            query=query,
            form=query | _media_type(request) if is_file else form,
            file=await _read_file(request, self.largest_file) if is_file else b"",
        )

        def do(act: Act) -> tuple[int, dict[str, Any] | None]:
            return answer(act, self.endpoint, verb, asked)

        engine, era = request.app[ENGINE], request[_ERA]
        if verb in _READS:
            status, body = engine.look(do, account_sid=account_sid)
        else:
            announced = request.headers.get("X-Twilio-Webhook-Enabled", "").lower() == "true"
            status, body = await engine.perform(do, era=era, account_sid=account_sid, is_announced=announced)
        return web.Response(status=status) if body is None else web.json_response(body, status=status)


_READS: Final = frozenset({Verb.LIST, Verb.FETCH})


async def _serve_content(request: web.Request) -> web.Response:
    names = request.match_info

    def find(act: Act) -> int | None:
        service = act.store.find("services", sid=names["services"])
        return None if service is None else int(service["id"])

    # A service that is not there leaves None, which is no file's parent.
    return _send_file(request, sid=names["media"], parent=request.app[ENGINE].look(find))


async def _follow_link(request: web.Request) -> web.Response:
    return _send_file(
        request, sid=links.read(request.match_info["token"], now=request.app[ENGINE].clock.now())
    )


def _send_file(request: web.Request, **match: Any) -> web.Response:
    def read(act: Act) -> tuple[str, bytes]:
        media = act.store.find("media", **match)
        if media is None:
            raise RequestError(20404, _unversioned(request.path))
        return media["content_type"], act.store.read_content(media["id"])

    kind, content = request.app[ENGINE].look(read)
    return web.Response(body=content, headers={"Content-Type": kind})


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
async def _record(request: web.Request, handler: Handler) -> web.StreamResponse:
    recorder, start, status, code = request.app[RECORDER], time.perf_counter(), None, None
    began = recorder.era
    request[_ERA] = request.app[ENGINE].era
    recorder.count += 1
    recorder.under_way += 1
    try:
        response = await handler(request)
        status, code = None if isinstance(response, Lost) else response.status, response.get(CODE)
        return response
    finally:
        recorder.under_way -= 1
        record = RequestRecord(
            operation=_operation(request),
            method=request.method,
            path=request.path,
            query=_by_name(request.query.items()),
            form=request.get(_FORM, {}),
            headers={name: text for name, text in request.headers.items() if name.lower() not in _SECRET},
            status=status,
            seconds=time.perf_counter() - start,
            code=code,
            fault=request.get(_FAULT),
        )
        # What came in before everything began anew does not show after that.
        if began == recorder.era:
            recorder.add(record)


def _operation(request: web.Request) -> str | None:
    served = getattr(request.match_info.handler, "__self__", None)
    return served.operation(request.method) if isinstance(served, _Served) else None


def _spoil(delay: float) -> Middleware:
    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if delay:
            await asyncio.sleep(delay)
        fault = request.app[FAULTS].pick(
            operation=_operation(request), method=request.method, path=request.path
        )
        if fault is None:
            response = await handler(request)
        else:
            request[_FAULT] = fault
            response = await play(fault, request, partial(handler, request))
        response.headers["Twilio-Request-Id"] = "RQ" + secrets.token_hex(16)
        response.headers["Twilio-Concurrent-Requests"] = str(request.app[RECORDER].under_way)
        return response

    return spoil


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
    response = web.json_response(refusal.body, status=refusal.status)
    response[CODE] = refusal.code
    return response


def _authenticate(credentials: Credentials) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.route.name != _OPEN:
            request[_ACCOUNT], password = credentials.admit(request.headers.get("Authorization"))
            if password is not None:
                request.app[ENGINE].courier.know(request[_ACCOUNT], password)
        return await handler(request)

    return authenticate


def _bound(requests: int | None) -> Middleware:
    @web.middleware
    async def bound(request: web.Request, handler: Handler) -> web.StreamResponse:
        if requests is not None and request.app[RECORDER].under_way > requests:
            raise RequestError(20429)
        return await handler(request)

    return bound


def _unversioned(path: str) -> str:
    """The path as error texts spell it: without its version."""
    for version in VERSIONS:
        if path.startswith(f"{version.prefix}/"):
            return path.removeprefix(version.prefix)
    return path
