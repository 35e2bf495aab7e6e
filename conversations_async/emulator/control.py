"""How is a running emulator steered from outside?

By JSON in and out, with the credentials of the API, on paths that no version of the API has. Faults, latency
and limits do not touch them, and the log of requests has none of them::

    POST   /emulator/faults            a script: one fault, or a list; see ``Fault``
    GET    /emulator/faults            the script, with the hits of each
    DELETE /emulator/faults            ends all
    GET    /emulator/requests          the log; ``?limit=`` takes the last ones
    GET    /emulator/webhooks          likewise
    GET    /emulator/clock             the time
    POST   /emulator/clock             turns it forward: ``{"hours": 48}``
    POST   /emulator/seed              makes everything in a seed, and gives the SIDs by place
    POST   /emulator/messages          brings a message in: ``{"from": "+1…", "to": "+1…", "body": "Hi"}``
    POST   /emulator/deliveries        lets messages to phones fail: ``{"address": "+1555*", "times": 1}``
    DELETE /emulator/deliveries        ends that
    POST   /emulator/snapshots         keeps all data, and gives the ``id`` with which to bring them back
    POST   /emulator/snapshots/{id}    brings them back
    POST   /emulator/reset             begins anew

What is wrong with a request is said in one line: ``{"error": "hours: must be a number"}``.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from attrs import asdict, define, field, frozen

from .auth import Credentials
from .documents import decode, unknown, wrong
from .engine import Engine
from .errors import RequestError
from .faults import Faults
from .inbound import Message, deliver
from .records import Recorder
from .seeds import read
from .wire import integer, webhook_time

_PREFIX: Final = "/emulator/"
#: The size up to which a body is taken, in bytes; a seed may be long.
_LARGEST: Final = 64 << 20
#: How many snapshots are kept; then the oldest is dropped.
_SNAPSHOTS: Final = 16

#: What a value must be, in words and as a test.
_Kind = tuple[str, Callable[[Any], bool]]
_NUMBER: Final[_Kind] = ("a number", lambda value: type(value) in {int, float})
_WHOLE: Final[_Kind] = (
    "a whole number below 2^31",
    lambda value: type(value) is int and abs(value) < 1 << 31,
)
_TEXT: Final[_Kind] = ("a text", lambda value: isinstance(value, str))


@define(eq=False)
class Control:
    """All that can be steered."""

    engine: Engine
    faults: Faults
    recorder: Recorder
    _images: dict[str, bytes] = field(factory=dict, init=False)
    _kept: int = field(default=0, init=False)

    def reset(self) -> None:
        """Be as if just started.

        Raises:
            ValueError: The database held data already when this started.
        """
        self.engine.reset()
        self.recorder.forget()
        self.faults.reset()

    def keep(self) -> str:
        """Keep all data as they are now, and give the name by which to bring them back."""
        self._kept += 1
        name = str(self._kept)
        self._images[name] = self.engine.image()
        if len(self._images) > _SNAPSHOTS:
            del self._images[next(iter(self._images))]
        return name

    def bring_back(self, name: str) -> None:
        """Bring all data back.

        Raises:
            LookupError: There is no such snapshot, or no more.
        """
        if name not in self._images:
            raise LookupError(f"snapshot {name}: not there, or no more")
        self.engine.restore(self._images[name])


@frozen
class _Asked:
    control: Control
    request: web.Request
    #: What was sent.
    data: Any

    def named(self, **kinds: _Kind) -> dict[str, Any]:
        """Give what was sent as an object whose members are of some kinds; null is not given."""
        if not isinstance(self.data, dict):
            raise wrong("body", "an object", self.data)
        for name, value in self.data.items():
            if name not in kinds:
                raise unknown("", name, kinds)
            words, is_right = kinds[name]
            if value is not None and not is_right(value):
                raise ValueError(f"{name}: must be {words}")
        return {name: value for name, value in self.data.items() if value is not None}

    def tail(self, records: Sequence[Any]) -> list[dict[str, Any]]:
        """Give the last records, as many as the query says, or all."""
        limit = self.request.query.get("limit")
        try:
            start = 0 if limit is None else max(len(records) - integer(limit), 0)
        except ValueError as error:
            raise ValueError("limit: must be a whole number") from error
        return [asdict(record) for record in records[start:]]


def _add_faults(asked: _Asked) -> Any:
    asked.control.faults.load(asked.data)
    return asked.control.faults.dump()


def _end_faults(asked: _Asked) -> Any:
    asked.control.faults.clear()
    return asked.control.faults.dump()


def _show_clock(asked: _Asked) -> Any:
    return {"now": webhook_time(asked.control.engine.clock.now())}


def _turn_clock(asked: _Asked) -> Any:
    by = asked.named(days=_NUMBER, hours=_NUMBER, minutes=_NUMBER, seconds=_NUMBER)
    asked.control.engine.clock.advance(**by)
    return _show_clock(asked)


def _let_fail(asked: _Asked) -> None:
    failure = asked.named(address=_TEXT, status=_TEXT, error_code=_WHOLE, times=_WHOLE)
    asked.control.engine.carrier.fail(**failure)


async def _deliver(asked: _Asked) -> Any:
    told = asked.named(
        **dict.fromkeys(("from", "to", "conversation", "service", "body", "content_type", "filename"), _TEXT),
        attributes=("an object or a text", lambda value: isinstance(value, (dict, str))),
        channel_metadata=("an object", lambda value: isinstance(value, dict)),
        media=("a file in Base64", lambda value: isinstance(value, str)),
    )
    if not told.get("from"):
        raise ValueError("from: is missing")
    if "media" in told:
        try:
            told["media"] = b64decode(told["media"], validate=True)
        except ValueError as error:
            raise ValueError("media: must be a file in Base64") from error
    delivered = await deliver(asked.control.engine, Message(from_=told.pop("from"), **told))
    return {"delivered": delivered and asdict(delivered)}


def _keep(asked: _Asked) -> Any:
    asked.named()
    return {"id": asked.control.keep()}


def _bring_back(asked: _Asked) -> None:
    asked.named()
    asked.control.bring_back(asked.request.match_info["id"])


def _reset(asked: _Asked) -> None:
    asked.named()
    asked.control.reset()


#: What is done gives what is answered, or promises it.
_ROUTES: Final[Mapping[tuple[str, str], Callable[[_Asked], Any]]] = {
    ("GET", "faults"): lambda asked: asked.control.faults.dump(),
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _end_faults,
    ("GET", "requests"): lambda asked: asked.tail(list(asked.control.recorder.records)),
    ("GET", "webhooks"): lambda asked: asked.tail(asked.control.engine.courier.log),
    ("GET", "clock"): _show_clock,
    ("POST", "clock"): _turn_clock,
    ("POST", "seed"): lambda asked: asked.control.engine.plant(read(asked.data)),
    ("POST", "messages"): _deliver,
    ("POST", "deliveries"): _let_fail,
    ("DELETE", "deliveries"): lambda asked: asked.control.engine.carrier.reset(),
    ("POST", "snapshots"): _keep,
    ("POST", "snapshots/{id}"): _bring_back,
    ("POST", "reset"): _reset,
}


def add_routes(app: web.Application, control: Control) -> None:
    """Serve the paths, but for what ``bypass`` does."""

    def serve(do: Callable[[_Asked], Any]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            data = await _read_body(request) if request.method == "POST" else None
            answer = do(_Asked(control, request, data))
            answer = await answer if isawaitable(answer) else answer
            return web.json_response({} if answer is None else answer)

        return answer

    for (method, path), do in _ROUTES.items():
        app.router.add_route(method, _PREFIX + path, serve(do))


def bypass(credentials: Credentials) -> Middleware:
    """Make the outermost middleware: what is for these paths goes past all others."""

    @web.middleware
    async def past(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_PREFIX):
            return await handler(request)
        try:
            credentials.admit(request.headers.get("Authorization"))
            return await request.match_info.handler(request)
        except RequestError as error:
            status, text = error.status, f"{error.code}: {error.message}"
        except web.HTTPException as error:
            status, text = error.status, f"{request.method} {request.path}: {error.text}"
        except LookupError as error:
            status, text = 404, str(error)
        except ValueError as error:
            status, text = 400, str(error)
        except (ConnectionError, web.RequestPayloadError):
            status, text = 400, "the body did not arrive whole"
        return web.json_response({"error": text}, status=status)

    return past


async def _read_body(request: web.Request) -> Any:
    body = await request.clone(client_max_size=_LARGEST).read()
    # No web page can send this type to another origin without asking first, and nobody here says yes.
    if body and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the Content-Type must be application/json")
    return decode(body, "body") if body else {}
