"""What does Chat do with a push credential? What Conversations does."""

from typing import Final

from attrs import evolve

from ...resource import Resource
from ..credentials import CREDENTIALS

CHAT_CREDENTIALS: Final[Resource] = evolve(CREDENTIALS, name="chat.credentials")
