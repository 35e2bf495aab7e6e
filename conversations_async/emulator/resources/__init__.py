"""Which resources are there? The table that the handlers walk."""

from typing import Final

from ..resource import Version
from .chat import CHAT_MESSAGES
from .conversations import CONVERSATIONS
from .messages import MESSAGES
from .participants import PARTICIPANTS
from .receipts import RECEIPTS
from .services import SERVICES
from .with_participants import WITH_PARTICIPANTS

VERSIONS: Final = (
    Version(
        prefix="/v1",
        resources=(SERVICES, CONVERSATIONS, WITH_PARTICIPANTS, MESSAGES, PARTICIPANTS, RECEIPTS),
        has_shortcuts=True,
    ),
    Version(prefix="/v2", resources=(CHAT_MESSAGES,), has_shortcuts=False),
)
