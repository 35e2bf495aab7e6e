"""What does the Media Content Service do with a file?"""

from typing import Any, Final

from .. import links
from ..resource import Change, Param, Place, Resource, Verb
from ..store import Row
from ..wire import media_type, name, timestamp
from .services import SERVICES


def _show(row: Row, place: Place) -> dict[str, Any]:
    url = f"{place.url.removeprefix(place.origin)}/{row['sid']}"
    date = timestamp(row["created"], timespec="microseconds", zone="+00:00")
    return {
        "sid": row["sid"],
        "service_sid": place.above["services"]["sid"],
        "date_created": date,
        # Assumed: being sent with a message changes the two SIDs below and no date.
        "date_upload_updated": date,
        "date_updated": date,
        "links": {"content": f"{url}/Content"},
        "size": row["size"],
        "content_type": row["content_type"],
        "filename": row["filename"],
        "author": "system",
        "category": "media",
        # Assumed: deleting the message makes the file free for another.
        "message_sid": row["message_sid"],
        "channel_sid": row["channel_sid"],
        "url": url,
        "is_multipart_upstream": False,
    }


def _show_fetched(row: Row, place: Place) -> dict[str, Any]:
    shown = _show(row, place)
    shown["links"]["content_direct_temporary"] = place.origin + links.write(row["sid"], now=place.now)
    return shown


def _measure(change: Change) -> None:
    # Assumed: a file may be empty.
    change.values["size"] = len(change.file)


def _keep_content(change: Change) -> None:
    change.store.write_content(change.get("id"), change.file)


MEDIA: Final = Resource(
    path="Media",
    table="media",
    key="media",
    prefix="ME",
    show=_show,
    fetched=_show_fetched,
    parent=SERVICES,
    # Unconfirmed: no documentation speaks of the deletion, nor of a list.
    verbs=frozenset({Verb.CREATE, Verb.FETCH, Verb.DELETE}),
    is_file=True,
    create=(
        # Assumed: 400 with this code, and not 415, for a header that is malformed or absent.
        Param("Content-Type", "content_type", media_type, 50511),
        # Unconfirmed: callers give it, and no documentation does. Its limit is assumed.
        Param("Filename", "filename", name(256)),
    ),
    rules={Verb.CREATE: (_measure,)},
    effects={Verb.CREATE: (_keep_content,)},
)
