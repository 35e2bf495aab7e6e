"""Which proxy a request goes through: one for all, the environment's, or none. Pure; it sends nothing."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies_environment

from attrs import field, frozen
from yarl import URL

from ._checks import check_flag


@frozen
class Proxy:
    """The proxy that a request goes through, and what it is told of who asks."""

    #: Without user and password.
    url: URL
    #: The ``Proxy-Authorization`` header; None where there is no user and no password.
    authorization: str | None = field(repr=False)

    @classmethod
    def of(cls, name: str, address: str) -> Proxy:
        """Read the address of a proxy, which may hold user and password.

        Raises:
            ValueError: It is none; the message names where it was given, and does not show it.
        """
        proxy = _read(address)
        if proxy is None:
            raise ValueError(
                f"{name} must be the address of an http or https proxy, such as http://127.0.0.1:3128,"
                " without path or query; what is special in its user and password is percent-encoded"
            )
        return proxy


def _read(address: str) -> Proxy | None:
    try:
        # what is no visible ASCII has no place in an address, and might be read differently further down
        if not re.fullmatch(r"[!-~]+", address):
            return None
        url = URL(address)
        origin = url.origin()
        (url.host or "").encode("idna")  # a label too long, or empty, is found only when it is looked up
    except (TypeError, ValueError):
        return None
    # bytes: whoever runs the proxy says in which charset it reads them
    user, password = (unquote_to_bytes(part or "") for part in (url.raw_user, url.raw_password))
    # a path, query or fragment may be the end of a password whose special characters were not encoded
    if url.scheme not in ("http", "https") or url.with_user(None) != origin or b":" in user:
        return None
    basic = b64encode(user + b":" + password).decode()
    return Proxy(origin, f"Basic {basic}" if user or password else None)


@frozen
class Proxies:
    """The proxy of each scheme, and which hosts need none."""

    _by_scheme: Mapping[str, Proxy]
    #: The entries of ``NO_PROXY``: host, or suffix of hosts, with a port or without; ``*`` for all.
    _direct: Sequence[str] = ()

    @classmethod
    def of(cls, proxy: str | None, *, trust_env: bool) -> Proxies:
        """Take the proxy that was given, or, if asked, those that the environment names now.

        As everywhere, a variable in lower case wins, an empty one names none, and ``HTTP_PROXY`` in upper
        case is ignored in a CGI script, where whoever sends a request can set it.

        Raises:
            ValueError: What was given, or is in the environment, is none; the message names it.
        """
        check_flag("trust_env", trust_env)
        if proxy is not None:
            found = Proxy.of("proxy", proxy)
            return cls({"http": found, "https": found})
        environment = getproxies_environment() if trust_env else {}
        by_scheme = {}
        for scheme in ("http", "https"):
            name = scheme if scheme in environment else "all"
            if name in environment:
                address = environment[name]
                url = address if "://" in address else f"http://{address}"
                by_scheme[scheme] = Proxy.of(f"{name.upper()}_PROXY", url)
        # suffixes have a leading dot, or a star and a dot, or neither; IPv6 addresses have brackets or not
        entries = re.sub(r"[\[\]]", "", environment.get("no", "")).lower()
        direct = [entry if entry == "*" else entry.lstrip("*.") for entry in re.split(r"[\s,]+", entries)]
        return cls(by_scheme, tuple(entry for entry in direct if entry))

    def find(self, url: URL) -> Proxy | None:
        """Give the proxy for an address; None where the request goes straight."""
        found = self._by_scheme.get(url.scheme)
        if found is None or not self._direct:
            return found
        host = f".{url.host}".lower()
        ends = (host, f"{host}:{url.port}")
        direct = any(entry == "*" or end.endswith(f".{entry}") for entry in self._direct for end in ends)
        return None if direct else found


NO_PROXIES: Final = Proxies({})
