"""What does the API do with a service?"""

from typing import Any, Final

from ..errors import RequestError
from ..resource import ALL_VERBS, Change, Param, Place, Resource, Verb
from ..store import Row
from ..wire import text
from .permissions import make_roles

_LINKS: Final = {
    "conversations": "Conversations",
    "users": "Users",
    "roles": "Roles",
    "bindings": "Bindings",
    "configuration": "Configuration",
    "participant_conversations": "ParticipantConversations",
    "conversation_with_participants": "ConversationWithParticipants",
}


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row, **_LINKS),
        "friendly_name": row["friendly_name"],
    }


def _keep_default(change: Change) -> None:
    # Assumed: what becomes of an account without a default service is documented nowhere.
    if change.get("is_default"):
        raise RequestError(20403, "The default service cannot be deleted")


SERVICES: Final = Resource(
    path="Services",
    table="services",
    key="services",
    prefix="IS",
    show=_show,
    verbs=ALL_VERBS - {Verb.UPDATE},
    create=(Param("FriendlyName", "friendly_name", text(256), 50003, required=True),),
    rules={Verb.DELETE: (_keep_default,)},
    effects={Verb.CREATE: (make_roles,)},
)
