"""What all resources share: a collection bound to a path, which does not know what service it is in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, Literal, TypeVar
from urllib.parse import quote, unquote

from yarl import URL

from ._checks import check_whole
from ._masking import mask_path
from ._sealing import Sealed
from .converter import OpenEnum, check_characters, decode, decode_page, encode_fields, encode_flag
from .errors import ConflictError, ConversationsError, NotFoundError
from .pagination import Page, Stream, split_cursor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .session import SessionManager

T = TypeVar("T")
M = TypeVar("M")

PAGE_SIZE_DEFAULT = 50
#: As the API pages have it; the specification says 100 or 50 for most lists, and the API may send fewer.
PAGE_SIZE_MAX = 1000

WebhookFlag = Literal["true", "false"]

_CURSOR = re.compile(r"/[!\"$->@-~]+(\?[!\"$-~]*)?(#[0-9]{1,4}(,[0-9A-Za-z]*)?)?")
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


def segment(name: str, value: str) -> str:
    """Encode an identifier as one segment of a path; every path of the package is made of these.

    Raises:
        ValueError: It is empty, ``.`` or ``..``, or holds half of a surrogate pair; the message names it.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got a {type(value).__name__}")  # noqa: TRY004  # the contract
    if value in ("", ".", ".."):
        raise ValueError(f'{name} must not be empty, "." or ".."')
    return quote(check_characters(name, value), safe="")


def check_name(argument: str, name: str, prefix: str) -> None:
    """Refuse a name that cannot be an identifier, or that the API would take for a SID.

    Raises:
        ValueError: It is one; the message names the argument.
    """
    segment(argument, name)
    if name.startswith(prefix) and _SID.fullmatch(name):
        raise ValueError(f"{argument} must be a name, and {name} is a SID")


class Repository(Sealed, Generic[T]):
    """A collection of the API, bound to the path where it stands.

    Attributes:
        model: The class that the collection's items are read into: an attrs class of plain fields, without
            converters.
        key: The field that tells one item of the collection from another.
        member: The member of a page that holds the items; where there is none, the end of the path says so.
    """

    model: type[T]
    key: str = "sid"
    member: str | None = None

    def __init__(self, session: SessionManager, product: str, path: str) -> None:
        self._session = session
        self._product = product
        self._origin = URL(session.hosts.origin(product))
        self._path = path
        self._member = self.member or path.rpartition("/")[2].lower()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {mask_path(self._path)}>"

    def _url(self, link: str) -> URL:
        path, _, query = link.partition("?")
        return URL.build(
            scheme=self._origin.scheme,
            authority=self._origin.raw_authority,
            path=path,
            query_string=query,
            encoded=True,
        )

    def _item(self, sid: str) -> str:
        return f"{self._path}/{segment('sid', sid)}"

    def _check(self, form: Mapping[str, object], *, webhook_enabled: bool | str | None) -> None:
        """Refuse what ``_post`` could not send, before something else is sent."""
        encode_fields(form)
        encode_flag("webhook_enabled", webhook_enabled)

    async def _post(
        self, path: str, form: Mapping[str, object], *, webhook_enabled: bool | str | None = None
    ) -> T:
        response = await self._session.request(
            "POST", self._url(path), form=form, webhook_enabled=webhook_enabled
        )
        return decode(response, self.model)

    async def _get(self, path: str, model: type[M]) -> M:
        return decode(await self._session.request("GET", self._url(path)), model)

    async def _ensure(
        self, name: str, form: Mapping[str, object], *, taken: int, webhook_enabled: bool | str | None
    ) -> T:
        """Read the item of this name, or create it; ``taken`` is the code for one that somebody else made."""
        self._check(form, webhook_enabled=webhook_enabled)
        path = self._item(name)
        try:
            return await self._get(path, self.model)
        except NotFoundError:
            pass
        try:
            return await self._post(self._path, form, webhook_enabled=webhook_enabled)
        except ConflictError as error:
            if error.code != taken:
                raise
            unsure = error.ambiguous
        try:
            return await self._get(path, self.model)  # somebody else was faster
        except ConversationsError as error:
            error.ambiguous = unsure
            raise

    async def _delete(self, sid: str, *, webhook_enabled: bool | str | None = None) -> None:
        await self._session.request("DELETE", self._url(self._item(sid)), webhook_enabled=webhook_enabled)

    def _stream(
        self,
        filters: Mapping[str, object],
        *,
        page_size: int,
        limit: int | None,
        read_ahead: int,
        cursor: str | None,
    ) -> Stream[T]:
        check_whole("page_size", page_size, 1, PAGE_SIZE_MAX)
        check_whole("limit", 1 if limit is None else limit, 1)
        check_whole("read_ahead", read_ahead, 0)
        link = f"{self._path}?{encode_fields({**filters, 'PageSize': page_size})}"
        if cursor is not None:
            link = self._checked_cursor(cursor)
        return Stream(self._read, link, limit=limit, read_ahead=read_ahead, key=self.key)

    def _checked_cursor(self, cursor: str) -> str:
        if not isinstance(cursor, str) or not _CURSOR.fullmatch(cursor):
            raise ValueError("cursor must be the cursor of a page")
        place, _, _ = split_cursor(cursor)
        ours, theirs = self._path.split("/"), place.partition("?")[0].split("/")
        # a SID and a unique name may mean the same: which of the two the API writes is not ours to say
        if len(ours) != len(theirs) or not all(
            unquote(one) == unquote(other) or bool(_SID.fullmatch(one)) != bool(_SID.fullmatch(other))
            for one, other in zip(ours, theirs, strict=True)
        ):
            raise ValueError("cursor must be the cursor of a page of this list, not of another one")
        return cursor

    async def _read(self, link: str) -> Page[T]:
        place, consumed, last = split_cursor(link)
        response = await self._session.request("GET", self._url(place))
        items, meta = await decode_page(response, self.model, self._member)
        # what was deleted or added since then may have moved the last item; if it is gone, the count must do
        sids = [getattr(item, self.key) for item in items] if last else []
        return Page(
            items=items[sids.index(last) + 1 if last in sids else consumed :],
            index=meta.page,
            page_size=meta.page_size,
            cursor=self._session.hosts.own_link(self._product, meta.next_page_url),
            next_page_url=meta.next_page_url,
        )


class Fetchable(Repository[T]):
    """One item can be read."""

    async def fetch(self, sid: str) -> T:
        """Read one item.

        Args:
            sid: Its SID, or what the API takes in its place.

        Raises:
            NotFoundError: There is no such item.
            ValueError: The identifier is empty or dotted.
        """
        return await self._get(self._item(sid), self.model)


class Singleton(Repository[T]):
    """There is one item only, which stands where a collection would."""

    async def fetch(self) -> T:
        """Read the one item that there is."""
        return await self._get(self._path, self.model)


class Deletable(Repository[T]):
    """One item can be deleted."""

    async def delete(self, sid: str) -> None:
        """Delete one item.

        Args:
            sid: Its SID, or what the API takes in its place.

        Raises:
            NotFoundError: There is no such item. One that is gone after an attempt whose outcome was
                unknown counts as deleted.
            ValueError: The identifier is empty or dotted.
        """
        await self._delete(sid)


class DeletableWithWebhooks(Repository[T]):
    """One item can be deleted, and the API can be asked to tell the webhooks."""

    async def delete(self, sid: str, *, webhook_enabled: bool | WebhookFlag | None = None) -> None:
        """Delete one item.

        Args:
            sid: Its SID, or what the API takes in its place.
            webhook_enabled: Whether webhooks are called for it (``X-Twilio-Webhook-Enabled``); the API's
                default is no.

        Raises:
            NotFoundError: As for ``Deletable``.
            ValueError: The identifier is empty or dotted.
        """
        await self._delete(sid, webhook_enabled=webhook_enabled)


class Streamable(Repository[T]):
    """The collection can be read as a stream."""

    def stream(
        self,
        *,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[T]:
        """Read the collection, page after page, in the API's order.

        Args:
            page_size: Items a page, from 1 to 1000.
            limit: Items in all at the most; no page beyond is requested. None reads to the end.
            read_ahead: Pages that are fetched before they are asked for; 0 never sends a request early.
            cursor: Go on after the page that had this cursor; None begins at the first page. It carries the
                page size and the filters of the stream that it came from; those given here do not count. Of
                a page that ``limit`` cut, it goes on after the last item, wherever that is on the page now.

        Raises:
            ValueError: A figure is out of range, or the cursor is none of such a list.
        """
        return self._stream({}, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)


class Order(OpenEnum):
    """The order of a list of messages, by their index."""

    ASC = "asc"
    DESC = "desc"


class StreamableInOrder(Repository[T]):
    """The collection can be read as a stream, in both orders."""

    def stream(
        self,
        *,
        order: Order | str | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[T]:
        """Read the collection, page after page.

        Args:
            order: By ascending or descending index; the API's default is ascending.
            page_size: Items a page, from 1 to 1000.
            limit: Items in all at the most; no page beyond is requested. None reads to the end.
            read_ahead: Pages that are fetched before they are asked for; 0 never sends a request early.
            cursor: Go on after the page that had this cursor, with its page size and order; None begins at
                the first page. Of a page that ``limit`` cut, it goes on after the last item.

        Raises:
            ValueError: A figure is out of range, or the cursor is none of such a list.
        """
        return self._stream(
            {"Order": order}, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor
        )
