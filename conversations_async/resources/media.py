"""Media: the files of a service, which messages show.

API page: media support, https://www.twilio.com/docs/conversations/media-support-conversations. That page
shows upload and fetch; that DELETE works, and that ``Filename`` names an upload, nobody has confirmed.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from .._sealing import forget
from ..converter import AwareDatetime, decode, encode_fields, encode_json, unreadable
from ..repository import Deletable, Fetchable, segment
from ..upload import Upload
from .messages import Media, Message, MessageRepository

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from yarl import URL

    from ..repository import WebhookFlag
    from ..upload import UploadSource

_TEMPORARY = "content_direct_temporary"
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+( *;[ -~]*)?", re.ASCII)


@frozen(kw_only=True)
class MediaFile(Media):
    """A file of a service, which is, or can be, attached to a message."""

    service_sid: str | None = None
    author: str | None = None
    #: ``media``, ``body`` or ``history``.
    category: str | None = None
    #: The message that it is attached to.
    message_sid: str | None = None
    channel_sid: str | None = None
    is_multipart_upstream: bool | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    date_upload_updated: AwareDatetime | None = None
    url: str | None = None
    #: Where its bytes are; ``content_direct_temporary`` asks for no credentials, and holds for some 300 s.
    links: dict[str, str] | None = field(default=None, hash=False)


class MediaRepository(Fetchable[MediaFile], Deletable[MediaFile]):
    """The media of one service, which has to be the one of the conversation that they are shown in."""

    model = MediaFile

    async def upload(
        self,
        source: UploadSource,
        *,
        content_type: str,
        filename: str | None = None,
        size: int | None = None,
    ) -> MediaFile:
        """Upload a file. ``messages.create(media_sid=…)`` attaches it, to one message only.

        The client's ``timeout`` bounds each time in which nothing moves, and not the whole; an
        ``asyncio.timeout`` around the call does that. An upload that was interrupted is not repeated.

        Args:
            source: Bytes, the path of a file, or an asynchronous iterable of bytes; the last two are never
                held whole. A generator is closed, however the upload ends, and has a second for it.
            content_type: The media type, such as ``image/jpeg``.
            filename: What the file is called.
            size: In bytes, for an iterable whose size is known: it is checked, and sent as the
                ``Content-Length``. Otherwise the body is sent in chunks.

        Raises:
            OSError: The file cannot be read; nothing was sent.
            PayloadTooLargeError: The file is larger than the API takes: 150 MB on chat, less elsewhere.
            UnsupportedMediaTypeError: The API does not take such files.
            UploadError: The source failed, or is not of the size that was stated.
            ValueError: The source or the media type is none, or the size is not that of the source; nothing
                was sent.
        """
        if not isinstance(content_type, str) or not _MEDIA_TYPE.fullmatch(content_type):
            raise ValueError("content_type must be a media type such as image/jpeg")
        upload = await Upload.of(source, size)
        query = encode_fields({"Filename": filename})
        url = self._url(f"{self._path}?{query}" if query else self._path)
        return decode(await self._session.upload(url, upload, content_type=content_type), MediaFile)

    @asynccontextmanager
    async def download(self, sid: str) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Read the bytes of a file, chunk by chunk, as they arrive.

        ::

            async with service.media.download("ME…") as chunks:
                async for chunk in chunks:
                    file.write(chunk)

        The temporary address of the file is asked for first; it is given no credentials. The client's
        ``timeout`` bounds each wait for a chunk, and not the whole.

        Args:
            sid: The file (``ME…``).

        Raises:
            DecodeError: The API gives no such address, or none that may be followed.
            NotFoundError: There is no such file.
            TransportError: Not all of it arrived.
        """
        try:
            async with self._session.download(*await self._find(sid)) as chunks:
                yield chunks
        except BaseException as error:
            forget(error)
            raise

    async def _find(self, sid: str) -> tuple[URL, str, int | None]:
        """Ask where a file is; what stands for that address in errors; and how many bytes there are."""
        path = self._item(sid)
        response = await self._session.request("GET", self._url(path))
        media = decode(response, MediaFile)
        link = self._session.hosts.temporary_link(self._product, (media.links or {}).get(_TEMPORARY))
        if link is None:
            raise unreadable(response, "MediaFile", f"links.{_TEMPORARY}", "missing, or not to be followed")
        return link, f"{path}/Content", media.size

    async def send(
        self,
        conversation: str,
        source: UploadSource,
        *,
        content_type: str,
        filename: str | None = None,
        size: int | None = None,
        author: str | None = None,
        body: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Message:
        """Upload a file, and add a message with it to a conversation of the service.

        The arguments are those of ``upload``, and the usual ones of ``messages.create``. If the message
        fails, a note on the error names the file, which ``messages.create(media_sid=…)`` takes.

        Args:
            conversation: The SID or unique name of the conversation.

        Raises:
            NotFoundError: There is no such conversation, or service.
            ValueError: As for ``upload`` and ``messages.create``; also where ``conversation`` is empty or
                dotted.
        """
        service, _, _ = self._path.rpartition("/")
        path = f"{service}/Conversations/{segment('conversation', conversation)}/Messages"
        messages = MessageRepository(self._session, "conversations", path)
        # what cannot be sent is better known before the upload
        form = {"Author": author, "Body": body, "Attributes": encode_json("attributes", attributes)}
        self._check(form, webhook_enabled=webhook_enabled)
        media = await self.upload(source, content_type=content_type, filename=filename, size=size)
        try:
            return await messages.create(
                media_sid=media.sid,
                author=author,
                body=body,
                attributes=attributes,
                webhook_enabled=webhook_enabled,
            )
        except BaseException as error:
            error.add_note(f"the file was uploaded: {media.sid}")
            raise
