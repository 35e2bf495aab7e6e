"""Which resources are there? The table that the handlers walk."""

from typing import Final

from ..resource import Version
from .chat import CHAT_MESSAGES
from .conversations import CONVERSATIONS
from .media import MEDIA
from .messages import MESSAGES
from .participants import PARTICIPANTS
from .receipts import RECEIPTS
from .services import SERVICES
from .users import USERS
from .with_participants import WITH_PARTICIPANTS

__all__ = ["MEDIA", "VERSIONS"]

VERSIONS: Final = (
    Version(
        prefix="/v1",
        resources=(SERVICES, CONVERSATIONS, WITH_PARTICIPANTS, MESSAGES, PARTICIPANTS, RECEIPTS, USERS),
        has_shortcuts=True,
    ),
    # The Media Content Service has a host of its own, and every path names the service.
    Version(prefix="/v1", resources=(MEDIA,), has_shortcuts=False),
    Version(prefix="/v2", resources=(CHAT_MESSAGES,), has_shortcuts=False),
)
