"""What does the outside world send? Messages from phones, and from chat users."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from .acts import Act
from .documents import is_text, require
from .engine import Engine
from .errors import RequestError
from .handlers import make
from .resource import Param, spell
from .resources.conversations import CONVERSATIONS
from .resources.media import MEDIA
from .resources.messages import MESSAGES
from .resources.participants import PARTICIPANTS
from .resources.webhooks import WEBHOOKS
from .store import Row
from .wire import channel, media_type, text

#: What arrives may be longer than what REST takes.
_MESSAGES: Final = evolve(
    MESSAGES,
    create=tuple(
        Param("Body", "body", text(32 * 1024), 50504) if parameter.wire == "Body" else parameter
        for parameter in MESSAGES.create
    ),
)
#: How an address configuration names what it adds to the conversations that it makes, by type.
_HOOKS: Final = {
    "webhook": {
        "Configuration.Url": "auto_url",
        "Configuration.Method": "auto_method",
        "Configuration.Filters": "auto_filters",
    },
    "studio": {"Configuration.FlowSid": "auto_flow_sid"},
}


def _is_object(value: Any) -> bool:
    try:
        return isinstance(value, Mapping) and _json(value) is not None
    except (TypeError, ValueError, RecursionError):
        return False


def _is_media_type(value: Any) -> bool:
    try:
        return is_text(value) and media_type(value) == value
    except ValueError:
        return False


_NAME: Final = ("a text of at least one character", lambda value: is_text(value) and value != "")
_TEXT: Final = ("a text of whole characters", is_text)

#: What each field of a message must be, in words and as a test. None is right where it is the default.
_RULES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "from_": _NAME,
    "to": _NAME,
    "conversation": _NAME,
    "service": _NAME,
    "body": _TEXT,
    "attributes": ("an object of JSON, or its text", lambda value: is_text(value) or _is_object(value)),
    "channel_metadata": ("an object of JSON", _is_object),
    "media": ("bytes", lambda value: isinstance(value, bytes)),
    "content_type": ("a media type such as image/png", _is_media_type),
    "filename": _TEXT,
}


@frozen(kw_only=True)
class Delivered:
    """Where a message has arrived."""

    conversation_sid: str
    message_sid: str
    index: int
    #: Whether the conversation was made for it.
    is_new: bool


@frozen(kw_only=True)
class Message:
    """A message from outside.

    Attributes:
        from_: The phone's address; or the identity of a chat user.
        to: The address it was sent to.
        conversation: The SID or unique name of the conversation that a chat user writes in.
        service: The SID of that conversation's service; None: the default one.
        media: A file that comes with it, or instead of a body.
        channel_metadata: What the channel adds, which ``ChannelMetadata`` of the message shows.
    """

    from_: str
    to: str | None = None
    conversation: str | None = None
    service: str | None = None
    body: str | None = None
    attributes: Mapping[str, Any] | str | None = None
    channel_metadata: Mapping[str, Any] | None = None
    media: bytes | None = field(default=None, repr=False)
    content_type: str = "image/jpeg"
    filename: str | None = None

    def __attrs_post_init__(self) -> None:
        for name, (wanted, is_right) in _RULES.items():
            value = getattr(self, name)
            is_absent = value is None and getattr(fields(Message), name).default is None
            require(name, value, wanted, fits=is_absent or is_right(value))
        if (self.to is None) == (self.conversation is None):
            raise ValueError("give either to, an address, or conversation, in which a chat user writes")
        if self.service is not None and self.to is not None:
            raise ValueError("service goes with conversation; an address knows its own")
        if self.body is None and self.media is None:
            raise ValueError("give body, media or both")

    @property
    def source(self) -> str:
        """The ``Source`` in webhooks: seen in capitals for SMS, and in small letters for others."""
        kind = channel(self.from_)
        return "SDK" if self.to is None else "SMS" if kind == "sms" else kind


async def deliver(engine: Engine, message: Message) -> Delivered | None:
    """Bring a message in as the API does, webhooks included; None where a pre-action hook refuses it.

    What the rules refuse leaves nothing. Where a hook refuses, or replaces something by what they refuse,
    what was made for the message before stays.

    Raises:
        LookupError: There is nowhere to bring it.
        RequestError: The rules refuse it.
    """
    # One after the other, so that two first messages from one phone do not make two conversations.
    async with engine.turns.setdefault((message.from_, message.to or message.conversation), asyncio.Lock()):
        try:
            return await _deliver(engine, message)
        except RequestError as error:
            if error.code != 50056:
                raise
            return None


async def _deliver(engine: Engine, message: Message) -> Delivered | None:
    named: dict[str, Any] = {"era": engine.era, "source": message.source, "is_announced": True}
    if message.to is None:
        named["client_identity"] = message.from_
    room = engine.look(lambda act: _find_room(act, message))
    is_new = room is None
    if room is None:
        address = engine.look(lambda act: _address(act, message))
        with suppress(_Rehearsed):
            engine.perform_now(lambda act: _rehearse(act, message, address))
        room = made = await engine.perform(lambda act: _open_room(act, message, address), **named)
        await engine.perform(lambda act: _join(act, message, made), **named)
    there = room
    written = await engine.perform(lambda act: _write(act, message, there), **named)
    return Delivered(
        conversation_sid=room["sid"],
        message_sid=written["sid"],
        index=written["position"],
        is_new=is_new,
    )


def _find_room(act: Act, message: Message) -> Row | None:
    if message.to is None:
        return _chat_room(act, message)
    return act.store.conversation_with_pair(message.from_, message.to, ignore=None)


def _chat_room(act: Act, message: Message) -> Row:
    service = act.store.find(
        "services", **({"sid": message.service} if message.service else {"is_default": 1})
    )
    for name in ("sid", "unique_name"):
        room = service and act.store.find(
            "conversations", parent=service["id"], **{name: message.conversation}
        )
        if room is not None:
            if act.store.find("participants", parent=room["id"], identity=message.from_) is None:
                raise RequestError(50430)
            return room
    raise LookupError(f"there is no conversation {message.conversation!r}")


def _address(act: Act, message: Message) -> Row:
    address = act.store.find("addresses", address=message.to, auto_enabled=1)
    if address is None:
        raise LookupError(
            "no open conversation has a participant with the addresses "
            f"{message.from_!r} and {message.to!r}, and no address configuration for {message.to!r} makes one"
        )
    return address


class _Rehearsed(Exception):  # noqa: N818 - it is no error
    """The rules let all of it pass; nothing of it is kept."""


def _rehearse(act: Act, message: Message, address: Row) -> None:
    room = _open_room(act, message, address)
    _join(act, message, room)
    _write(act, message, room)
    raise _Rehearsed


def _open_room(act: Act, message: Message, address: Row) -> Row:
    # Assumed: where the service that the address names has been deleted, the default one takes its place.
    service = address["auto_service_sid"] and act.store.find("services", sid=address["auto_service_sid"])
    above = {"services": service or act.store.get("services", is_default=1)}
    author = {"MessagingBinding.AuthorAddress": message.from_, "MessageBody": message.body}
    act.origin = {**_binding(message), **author}
    room = make(CONVERSATIONS, act, above, spell(CONVERSATIONS.create, act.replaced)).written
    if address["auto_type"] in _HOOKS:
        told = {wire: address[column] for wire, column in _HOOKS[address["auto_type"]].items()}
        filters = json.loads(told.pop("Configuration.Filters", None) or "[]")
        hook = {**_form(told), "Target": [address["auto_type"]], "Configuration.Filters": filters}
        make(WEBHOOKS, act, {**above, "conversations": room}, {k: v for k, v in hook.items() if v})
    return room


def _join(act: Act, message: Message, room: Row) -> None:
    make(PARTICIPANTS, act, _above(act, room), _form(_binding(message)))


def _write(act: Act, message: Message, room: Row) -> Row:
    above = _above(act, room)
    told = {"Author": message.from_, "Body": message.body, "Attributes": _json(message.attributes)}
    if message.media is not None:
        file = {"Content-Type": [message.content_type], "Filename": [message.filename or ""]}
        told["MediaSid"] = make(MEDIA, act, above, file, message.media).written["sid"]
    form = {**_form(told), **spell(_MESSAGES.create, act.replaced)}
    written = make(_MESSAGES, act, above, form).written
    if message.channel_metadata is not None:
        metadata = {"channel_metadata": _json(message.channel_metadata)}
        act.store.update("messages", written["id"], metadata)
    return written


def _binding(message: Message) -> dict[str, str | None]:
    return {"MessagingBinding.Address": message.from_, "MessagingBinding.ProxyAddress": message.to}


def _above(act: Act, conversation: Row) -> dict[str, Row]:
    room = act.store.find("conversations", id=conversation["id"])
    if room is None:
        raise LookupError("the conversation has been deleted meanwhile")
    return {"services": act.store.get("services", id=room["parent"]), "conversations": room}


def _form(values: Mapping[str, str | None]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items() if value is not None}


def _json(value: Mapping[str, Any] | str | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=dict, allow_nan=False)
