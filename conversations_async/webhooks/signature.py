"""Is this request from the API? Its ``X-Twilio-Signature`` says so to who knows the auth token.

The signature is an HMAC-SHA1 of the URL and of the form's parameters. A body that is no form is covered by
its hash, which stands in the URL as ``bodySHA256``.
https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from .._sealing import Sealed, sealed
from ._params import multi_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._params import Params

_BODY_HASH: Final = "bodySHA256"

#: The scheme and all else up to the port, which is none where nobody can tell it from the host. What stands
#: before the last @ is a name and a password; an address in brackets has colons of its own.
_AUTHORITY: Final = re.compile(
    r"(?P<head>(?P<scheme>https?)://(?:[^/?#]*@)?(?:\[[^]/?#@]+]|[^][:/?#@]+))(?P<port>:[0-9]+)?(?=[/?#]|\Z)",
    re.ASCII | re.IGNORECASE,
)


class SignatureValidator(Sealed):
    """Knows the requests of the API by their signatures. It can be used from any thread.

    The signature covers neither where a name ends and its value begins, nor how often a value is repeated.

    Args:
        auth_tokens: The account's auth token, or several while it is changed: each is good. An API key's
            secret signs nothing.

    Raises:
        ValueError: There is none, or one is no text; it is not shown.
    """

    def __init__(self, *auth_tokens: str) -> None:
        if not auth_tokens:
            raise ValueError("auth_tokens must be at least one: the account's; an API key signs nothing")
        self._keys = tuple(_key("auth_tokens", token) for token in auth_tokens)

    def is_valid(
        self, url: str, signature: str, *, params: Params | None = None, body: bytes | str | None = None
    ) -> bool:
        """Say whether a request was signed with one of the tokens. It raises nothing, whatever it is given.

        Args:
            url: As it was sent, from the scheme to the query: upper case, percent-encoding and a password are
                signed as they are. As in the official libraries, it may also have been signed without its
                port, or with the standard one where it has none, and with ``%27`` for ``'`` in its query.
            signature: The header ``X-Twilio-Signature``.
            params: The form in the body; none for a GET, whose parameters are in the URL.
            body: The raw body, where it is no form. Its hash must be in the URL, once; and a URL with a hash
                needs the body.
        """
        try:
            given = signature.encode("ascii")
            hashes = _body_hashes(url)
            if body is None:
                if hashes:
                    return False
            elif len(hashes) != 1 or not hmac.compare_digest(hashes[0], _body_hash(body)):
                return False
            form = _join(params).encode()
            return any(
                # As text: base64 has bits that mean nothing, so that several texts are the same digest.
                hmac.compare_digest(_signature(key, candidate.encode() + form), given)
                for candidate in _candidates(url)
                for key in self._keys
            )
        except Exception:  # noqa: BLE001  # what cannot be read was not signed
            return False


@sealed
def sign(url: str, auth_token: str, *, params: Params | None = None) -> str:
    """Make the ``X-Twilio-Signature`` of a request, for tests.

    Args:
        url: What is requested, signed as it is. A fragment is left out, because it is not sent.
        auth_token: The account's.
        params: The form in the body.

    Raises:
        ValueError: An argument is no text; the message names it.
    """
    key = _key("auth_token", auth_token)
    try:
        data = (url.partition("#")[0] + _join(params)).encode()
    except (AttributeError, TypeError, ValueError):
        pass  # it may hold the text: it must not become the context of what is raised
    else:
        return _signature(key, data).decode()
    raise ValueError("url and params must be strings without halves of surrogate pairs")


@sealed
def with_body_hash(url: str, body: bytes | str) -> str:
    """Put the hash of a raw body in the query of the URL to ``sign``, for tests.

    Args:
        url: What is requested.
        body: What is sent; a string as UTF-8.

    Raises:
        ValueError: The URL has a hash, or an argument is no text; the message names it.
    """
    try:
        hashes, made = _body_hashes(url), _body_hash(body)
    except (AttributeError, TypeError, ValueError):
        pass  # as above
    else:
        if not hashes:
            sent, mark, fragment = url.partition("#")
            return f"{sent}{'&' if '?' in sent else '?'}{_BODY_HASH}={made}{mark}{fragment}"
    raise ValueError(
        f"url must be a string without the parameter {_BODY_HASH}, and body bytes, or a string without halves"
        " of surrogate pairs"
    )


def _key(name: str, token: str) -> hmac.HMAC:
    """Begin what is copied for each signature, which is quicker than to begin anew."""
    try:
        if token:
            return hmac.new(token.encode(), digestmod="sha1")
    except (AttributeError, UnicodeEncodeError):
        pass  # it holds the token: it must not become the context of what is raised
    raise ValueError(f"{name} must be non-empty strings without halves of surrogate pairs")


def _signature(key: hmac.HMAC, data: bytes) -> bytes:
    signed = key.copy()
    signed.update(data)
    return b64encode(signed.digest())


def _join(params: Params | None) -> str:
    """Give what follows the URL in the text that is signed."""
    form = {} if params is None else multi_values(params)
    return "".join([name + value for name in sorted(form) for value in sorted(set(form[name]))])


def _candidates(url: str) -> Iterator[str]:
    """Give the URLs that may have been signed where this one came in, the likeliest first."""
    yield url
    urls = [url]
    if found := _AUTHORITY.match(url):
        port = "" if found["port"] else ":443" if found["scheme"].lower() == "https" else ":80"
        urls.append(found["head"] + port + url[found.end() :])
        yield urls[1]
    for candidate in urls:
        path, mark, query = candidate.partition("?")
        if "'" in query:
            yield path + mark + query.replace("'", "%27")


def _body_hashes(url: str) -> list[str]:
    query = url.partition("#")[0].partition("?")[2]
    return [value for name, value in parse_qsl(query, keep_blank_values=True) if name == _BODY_HASH]


def _body_hash(body: bytes | str) -> str:
    return sha256(body.encode() if isinstance(body, str) else body).hexdigest()
