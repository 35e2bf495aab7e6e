"""What does a message, or a conversation, look like as a line of a terminal?"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from rich.text import Text

from ._terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from .resources.conversations import Conversation
    from .resources.messages import Media, Message


def message_line(message: Message) -> Text:
    """Show when, the index, the author, what is said, and the files; further lines of it are indented."""
    line = Text.assemble(
        (f"{_when(message.date_created)}  ", "dim"),
        (f"#{message.index}  ", "dim"),
        (f"{visible(message.author or '?')}: ", "bold"),
        visible(message.body or "").replace("\n", "\n    "),
    )
    return line.append(visible(files(message.media or ())), "cyan")


def files(media: Iterable[Media]) -> str:
    """Name files by type, name and size, each after a space."""
    return "".join(f" [{each.content_type} {each.filename or each.sid}, {each.size} bytes]" for each in media)


def conversation_line(conversation: Conversation) -> Text:
    """Show when, the SID, the state, and the names."""
    names = (conversation.unique_name, conversation.friendly_name)
    return Text.assemble(
        (f"{_when(conversation.date_created)}  ", "dim"),
        f"{conversation.sid}  ",
        (f"{conversation.state or '?'}  ", "bold"),
        visible("  ".join(name for name in names if name)),
    )


def _when(moment: datetime | None) -> str:
    return "?" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
