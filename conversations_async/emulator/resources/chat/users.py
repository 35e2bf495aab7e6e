"""What does Chat do with a user?"""

from typing import Any, Final

from attrs import evolve

from ...resource import Place, Resource
from ...store import Row
from ..users import USERS
from .shared import frame

_LINKS: Final = {"user_channels": "Channels", "user_bindings": "Bindings"}


def _show(row: Row, place: Place) -> dict[str, Any]:
    shown = USERS.show(row, place)
    del shown["chat_service_sid"]
    return {
        **shown,
        **frame(row, place, **_LINKS),
        "joined_channels_count": row["joined_channels_count"],
    }


CHAT_USERS: Final[Resource] = evolve(USERS, table="chat_users", stored="users", name="chat.users", show=_show)
