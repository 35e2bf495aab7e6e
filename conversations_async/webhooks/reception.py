"""What does an HTTP request say? Whether it is of the API, by the URL that was signed, and which event."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote_plus, urlsplit

from attrs import define, field, frozen
from multidict import MultiMapping

from .._checks import check_whole
from ..errors import DecodeError
from ._params import Values, multi_values
from .parsing import parse_event

if TYPE_CHECKING:
    from .events import Event
    from .signature import SignatureValidator

_FORM: Final = "application/x-www-form-urlencoded"
#: An event has about twenty; of what repeats, such as a group's addresses, there are at most a few dozen.
_MOST_FIELDS: Final = 1000

#: An http or https URL, up to its query: the origin, with user and password, and the path.
_URL: Final = re.compile(r"(https?://[!-~]+?)(/[!-~]*)?", re.IGNORECASE)
#: What a request line may have before the path.
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")

#: What no URL holds. A POST is signed by its URL and its form, with nothing between; who knows its signature
#: could send the same text as the URL of a GET, and would send the braces of the form's attributes with it.
_NO_URL: Final = re.compile(r'[^!-~]|["<>\\^`{|}]')

_PORTS: Final = {"http": "80", "https": "443"}


@frozen
class Chunks:
    """A body piece by piece, as a function reads it that gives ``b""`` at the end."""

    _read: Callable[[], Awaitable[bytes]]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._read()
        if not chunk:
            raise StopAsyncIteration
        return chunk


@frozen(kw_only=True)
class Incoming:
    """An HTTP request, as an adapter tells of it. None of its values is shown."""

    method: str = field(repr=False)
    #: Of the connection, whatever headers say: ``http`` or ``https``.
    scheme: str = field(repr=False)
    #: Path and query, exactly as on the wire: ``/hooks?a=%27``.
    target: str = field(repr=False)
    #: Looked up without regard to case; those that repeat are all there.
    headers: MultiMapping[str] = field(repr=False)
    #: The address of who is connected; None if it is unknown, as it is behind a Unix socket.
    peer: str | None = field(repr=False)
    #: The body; no more of it is read than is needed.
    chunks: AsyncIterable[bytes] = field(repr=False)


@frozen(kw_only=True)
class Reply:
    """What to answer."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: Mapping[str, str] = field(factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, the one of the content type among them."""
        kind = {} if self.content_type is None else {"Content-Type": self.content_type}
        return {**self.headers, **kind}


#: What an adapter hands its requests to.
Receiver: TypeAlias = Callable[[Incoming], Awaitable[Reply]]
#: Gives what is entered for as long as requests are received.
Running: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]


@define(slots=False)
class Refused(Exception):  # noqa: N818  # it is an answer, and goes no further than this package
    """A request that tells of no event; the reason holds nothing of it."""

    status: int
    reason: str

    def reply(self) -> Reply:
        """Give the answer, which says the reason."""
        return Reply(
            status=self.status,
            body=self.reason.encode(),
            content_type="text/plain; charset=utf-8",
            headers={"Allow": "GET, POST"} if self.status == 405 else {},
        )


class Reception:
    """Reads events out of requests, and refuses all others.

    The signature is over the URL that the API called, which a server behind a proxy does not see. It is

    - ``public_url`` and the query of the request; where ``public_url`` has no path, the request's path, too;
    - without it, scheme and ``Host`` header of the request, and its path and query. Of a peer within
      ``trusted_proxies``, what ``X-Forwarded-Proto``, ``X-Forwarded-Host`` and, for a host without a port,
      ``X-Forwarded-Port`` say goes first. Of several values the last one counts: that is the one which the
      neighbour wrote. What cannot be read counts as absent, and from any other peer all these headers do.

    A URL with user and password can only be given as ``public_url``: they are not in the request's URL.

    Args:
        validator: Knows the account's auth tokens.
        public_url: The webhook's URL as it is configured at the API, or its origin alone. A fragment, such as
            ``#rc=2``, is neither sent nor signed.
        trusted_proxies: Addresses and networks, such as ``10.0.0.0/8``. An IPv4 address that arrives as an
            IPv6 one (``::ffff:10.0.0.1``) counts as IPv4. A Unix socket has no address, and is never trusted.
        max_body_size: In bytes.

    Raises:
        ValueError: An argument is wrong; the message names it, and does not show the URL.
    """

    def __init__(
        self,
        validator: SignatureValidator,
        *,
        public_url: str | None,
        trusted_proxies: Collection[str],
        max_body_size: int,
    ) -> None:
        check_whole("max_body_size", max_body_size, 1)
        self._validator = validator
        self._public = None if public_url is None else _split(public_url)
        self._trusted = _networks(trusted_proxies)
        self._max_body_size = max_body_size

    async def read(self, incoming: Incoming) -> tuple[Event, str | None]:
        """Give the event, and the token that is the same whenever it is sent again (it is not signed).

        Raises:
            Refused: The method is neither GET nor POST (405), the body is no form (415) or too large (413),
                there is no signature (400) or no right one (403), or the request cannot be read (400).
        """
        headers = incoming.headers
        is_form = self._check(incoming.method, headers)
        signature = _only(headers, "X-Twilio-Signature", missing=400, repeated=403)
        # a request line may hold a whole URL, or an asterisk; the path is never empty
        found = _ORIGIN.match(incoming.target)
        target = incoming.target[found.end() :] if found else incoming.target
        target = target if target.startswith("/") else f"/{target}"
        url = self._signed_url(incoming, target)
        if is_form:
            params = signed = _parse(await self._read_body(incoming.chunks))
        elif _NO_URL.search(target):
            raise Refused(403, "the target is no URL")
        else:
            params, signed = _parse(target.partition("?")[2]), None
        if not self._validator.is_valid(url, signature, params=signed):
            raise Refused(403, "wrong signature")
        try:
            event = parse_event(params)
        except DecodeError as error:
            raise Refused(400, f"{error.field}: {error.message}") from None
        return event, headers.get("I-Twilio-Idempotency-Token")

    def _check(self, method: str, headers: MultiMapping[str]) -> bool:
        """Refuse by method and headers alone; say whether a form follows."""
        if method not in ("GET", "POST"):
            raise Refused(405, "a webhook is sent with GET or POST")
        if method == "POST" and not _is_form(headers.getall("Content-Type", [])):
            raise Refused(415, f"the body must be {_FORM} in UTF-8")
        with suppress(ValueError):  # no number: the bytes are counted anyway
            if int(headers.get("Content-Length", "0")) > self._max_body_size:
                raise self._too_large()
        return method == "POST"

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is larger than {self._max_body_size} bytes")

    async def _read_body(self, chunks: AsyncIterable[bytes]) -> str:
        body = bytearray()
        async for chunk in chunks:
            if len(body) + len(chunk) > self._max_body_size:
                raise self._too_large()
            body += chunk
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise Refused(400, "the form is not UTF-8") from None

    def _signed_url(self, incoming: Incoming, target: str) -> str:
        if self._public is not None:
            origin, path = self._public
            own, mark, query = target.partition("?")
            return f"{origin}{path or own}{mark}{query}"
        scheme, headers = incoming.scheme, incoming.headers
        host = _only(headers, "Host", missing=400, repeated=400)
        if self._trusted and self._is_trusted(incoming.peer):
            proto = _last(headers, "X-Forwarded-Proto").lower()
            scheme = proto if proto in _PORTS else scheme
            host = _last(headers, "X-Forwarded-Host") or host
            port = _last(headers, "X-Forwarded-Port")
            has_port = ":" in host.rpartition("]")[2]  # an IPv6 address has colons of its own
            if re.fullmatch(r"[0-9]{1,5}", port) and not has_port and port != _PORTS.get(scheme):
                host += f":{port}"
        return f"{scheme}://{host}{target}"

    def _is_trusted(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self._trusted)


def _split(url: str) -> tuple[str, str]:
    """Take the origin and the path of the public URL apart; the path is empty where it has none."""
    with suppress(AttributeError, TypeError, ValueError):
        found = _URL.fullmatch(url.partition("#")[0])
        parts = urlsplit(url)
        if found and "?" not in found[0] and parts.hostname and parts.port != 0:
            return found[1], "" if found[2] in (None, "/") else found[2]
    raise ValueError(
        "public_url must be the webhook's URL, such as https://example.com/hooks, in visible ASCII and"
        " without a query: that comes with each request"
    )


def _networks(trusted: Collection[str]) -> list[IPv4Network | IPv6Network]:
    if not isinstance(trusted, str):
        with suppress(TypeError, ValueError):
            return [
                ip_network(str.strip(entry)) for entry in trusted
            ]  # a number is an address, too, elsewhere
    raise ValueError("trusted_proxies must be addresses or networks, such as ['10.0.0.0/8', '::1']")


def _only(headers: MultiMapping[str], name: str, *, missing: int, repeated: int) -> str:
    values = headers.getall(name, [])
    if len(values) == 1 and values[0]:
        return values[0]
    if len(values) > 1:
        raise Refused(repeated, f"more than one {name} header")
    raise Refused(missing, f"no {name} header")


def _is_form(types: list[str]) -> bool:
    if len(types) != 1:
        return False
    kind, *parameters = types[0].lower().split(";")
    if kind.strip() != _FORM:
        return False
    named = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip(' "') for name, _, value in named if name.strip() == "charset"]
    return all(charset in ("utf-8", "utf8") for charset in charsets)


def _parse(text: str) -> Values:
    """Read a form or a query, as ``urllib.parse.parse_qsl`` does, which takes twice the time."""
    parts = text.split("&")
    if len(parts) > _MOST_FIELDS:
        raise Refused(400, f"there are more than {_MOST_FIELDS} parameters")
    try:
        return multi_values(
            [
                (_decoded(name), _decoded(value))
                for name, _, value in [part.partition("=") for part in parts if part]
            ]
        )
    except UnicodeDecodeError:
        raise Refused(400, "the parameters are not UTF-8") from None


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def _last(headers: MultiMapping[str], name: str) -> str:
    """Give the last value of a header that lists values; empty where there is none."""
    return headers.getall(name, [""])[-1].rpartition(",")[2].strip()
