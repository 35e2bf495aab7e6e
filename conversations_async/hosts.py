"""Where requests go: the vendor's host of a product, or one origin for all. Pure; it sends nothing.

Whether a link leads to the client's own origin is decided here, and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen
from yarl import URL

#: The edge that serves a region. A host that names a region without an edge has not been supported since
#: 2026-04-28, so a region alone gets its own edge; us1 is where the public host leads anyway.
_EDGES: Final = {"ie1": "dublin", "au1": "sydney", "jp1": "tokyo"}

#: Path and query as nearly all links have them: visible ASCII, no fragment; passed on as they are.
_PATH: Final = re.compile(r"/[!\"$->@-~]*(\?[!\"$-~]+)?")


@frozen(kw_only=True)
class Hosts:
    """Region, edge and base URL of a client.

    Raises:
        ValueError: One of them is malformed; the message names it.
    """

    base_url: str | None = None
    region: str | None = None
    edge: str | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in ("region", self.region), ("edge", self.edge):
            known = value is None or (
                isinstance(value, str) and re.fullmatch(r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*", value)
            )
            if not known:
                raise ValueError(f"{name} (TWILIO_{name.upper()}) must be a name such as ie1 or dublin")
        if self.base_url is not None and not _is_origin(self.base_url):
            # the value is not shown: it may hold a password
            raise ValueError(
                "base_url (CONVERSATIONS_BASE_URL) must be an origin such as http://127.0.0.1:8080,"
                " without credentials, path or query"
            )

    def origin(self, product: str) -> str:
        """Give the origin that requests for a product are sent to."""
        return self._vendor(product) if self.base_url is None else str(URL(self.base_url).origin())

    def own_link(self, product: str, link: str | None) -> str | None:
        """Return path and query of a link of the API to itself, byte for byte; None for any other link.

        The vendor's public host counts as the client's own: the API may name it to a client that came in by
        a region's host, or through a proxy. Whatever the link says, the request goes to the client's origin.
        """
        own = self.origin(product)
        if link and link.startswith(own) and _PATH.fullmatch(link, len(own)):
            return link[len(own) :]  # as nearly all are; any other is taken apart
        found = _read(link)
        if found is None:
            return None
        url, origin = found
        ours = (own, self._vendor(product), f"https://{product}.twilio.com")
        return url.raw_path_qs if origin in ours else None

    def temporary_link(self, product: str, link: str | None) -> URL | None:
        """Return a link that is followed without credentials; None for one that must not be.

        It leads out over https, to wherever the API says, or to the client's own origin.
        """
        found = _read(link)
        if found is None:
            return None
        url, origin = found
        return (
            url if origin == self.origin(product) or (url.scheme == "https" and _is_origin(origin)) else None
        )

    def _vendor(self, product: str) -> str:
        region, edge = self.region, self.edge
        if product == "mcs":  # it has no edges, and no host without a region
            region, edge = region or "us1", None
        elif edge is not None:
            region = region or "us1"
        elif region == "us1":
            region = None
        elif region is not None:
            edge = _EDGES.get(region)
        return "https://" + ".".join(part for part in (product, edge, region, "twilio.com") if part)


def _read(link: str | None) -> tuple[URL, str] | None:
    """Read an absolute link, and its origin; None where there is none, or one with a user or password."""
    # what is no visible ASCII has no place in a link, and might be read differently further down
    if not link or not re.fullmatch(r"[!-~]+", link):
        return None
    try:
        url = URL(link, encoded=True)
        origin = str(url.origin()).lower()
    except ValueError:
        return None
    return (url, origin) if url.raw_user is url.raw_password is None else None


def _is_origin(text: str) -> bool:
    try:
        if not re.fullmatch(r"[!-~]+", text):
            return False
        url = URL(text)
        (url.host or "").encode("idna")  # a label too long, or empty, is found only when it is looked up
        # with user, password, path, query or fragment, the URL is more than its origin
        return url.scheme in ("http", "https") and url == url.origin()
    except (TypeError, ValueError):
        return False
