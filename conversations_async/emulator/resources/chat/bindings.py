"""What does Chat do with a push binding, as one of the service or of a user?"""

import json
from typing import Any, Final
from urllib.parse import quote

from attrs import evolve

from ...resource import Place, Resource
from ...store import Row
from ..bindings import BINDINGS
from ..users import USERS
from .shared import frame


def _show_bare(row: Row, place: Place) -> dict[str, Any]:
    return {
        **frame(row, place),
        "endpoint": row["endpoint"],
        "identity": row["identity"],
        "binding_type": row["binding_type"],
        "credential_sid": row["credential_sid"],
        "message_types": [
            kind.replace("_conversation", "_channel") for kind in json.loads(row["message_types"])
        ],
    }


def _show(row: Row, place: Place) -> dict[str, Any]:
    # The link names the user by its identity, as the API's example does.
    user = f"{place.scope}/Users/{quote(row['identity'], safe='')}"
    return {**_show_bare(row, place), "links": {"user": user}}


def _show_users(row: Row, place: Place) -> dict[str, Any]:
    return {**_show_bare(row, place), "user_sid": row["user_sid"]}


CHAT_BINDINGS: Final[Resource] = evolve(BINDINGS, name="chat.bindings", show=_show)

USER_BINDINGS: Final[Resource] = evolve(
    BINDINGS,
    table="user_bindings",
    stored="bindings",
    name="chat.user_bindings",
    parent=USERS,
    show=_show_users,
    filters=BINDINGS.filters[:1],
)
