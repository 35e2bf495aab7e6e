"""What does the outside world send? Messages from phones, and from chat users."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from .acts import Act
from .engine import Engine
from .errors import RequestError
from .handlers import make
from .resource import Param
from .resources.conversations import CONVERSATIONS
from .resources.media import MEDIA
from .resources.messages import MESSAGES
from .resources.participants import PARTICIPANTS
from .resources.webhooks import WEBHOOKS
from .store import Row
from .wire import channel, text

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

    Raises:
        LookupError: There is nowhere to bring it.
        RequestError: The rules refuse it.
    """
    # One after the other, so that two first messages from one phone do not make two conversations.
    async with engine.turns.setdefault((message.from_, message.to), asyncio.Lock()):
        try:
            return await _deliver(engine, message)
        except RequestError as error:
            if error.code != 50056:
                raise
            return None


async def _deliver(engine: Engine, message: Message) -> Delivered | None:
    named = {"source": message.source, "is_announced": True}
    if message.to is None:
        named["client_identity"] = message.from_
        conversation, is_new = engine.look(lambda act: _chat_room(act, message)), False
    else:
        found = engine.look(
            lambda act: act.store.conversation_with_pair(message.from_, message.to or "", ignore=None)
        )
        conversation, is_new = found or await _autocreate(engine, message, **named), found is None

    def write(act: Act, replaced: Mapping[str, str]) -> Delivered:
        above = _above(act, conversation)
        form = {"Author": message.from_, "Body": message.body, "Attributes": _json(message.attributes)}
        if message.media is not None:
            file = {"Content-Type": [message.content_type], "Filename": [message.filename or ""]}
            media = make(MEDIA, act, above, file, message.media)
            form["MediaSid"] = act.store.get("media", id=media.get("id"))["sid"]
        made = make(_MESSAGES, act, above, _form({**form, **replaced})).written
        if message.channel_metadata is not None:
            metadata = {"channel_metadata": json.dumps(dict(message.channel_metadata))}
            act.store.update("messages", made["id"], metadata)
        return Delivered(
            conversation_sid=conversation["sid"],
            message_sid=made["sid"],
            index=made["position"],
            is_new=is_new,
        )

    return await engine.perform(write, **named)


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


async def _autocreate(engine: Engine, message: Message, **named: Any) -> Row:
    """Make the conversation that the address says, and the participant, each as an act of its own."""
    to = message.to or ""
    address = engine.look(lambda act: act.store.find("addresses", address=to, auto_enabled=1))
    if address is None:
        raise LookupError(
            f"no open conversation has a participant with the addresses {message.from_!r} and {to!r}, "
            f"and no address configuration for {to!r} makes one"
        )
    binding = {"MessagingBinding.Address": message.from_, "MessagingBinding.ProxyAddress": to}

    def open_room(act: Act, replaced: Mapping[str, str]) -> Row:
        # Assumed: where the service that the address names has been deleted, the default one takes its place.
        service = address["auto_service_sid"] and act.store.find("services", sid=address["auto_service_sid"])
        above = {"services": service or act.store.get("services", is_default=1)}
        act.origin = {**binding, "MessagingBinding.AuthorAddress": message.from_, "MessageBody": message.body}
        room = make(CONVERSATIONS, act, above, _form(replaced)).written
        if address["auto_type"] in _HOOKS:
            told = {wire: address[column] for wire, column in _HOOKS[address["auto_type"]].items()}
            filters = json.loads(told.pop("Configuration.Filters", None) or "[]")
            hook = {**_form(told), "Target": [address["auto_type"]], "Configuration.Filters": filters}
            make(WEBHOOKS, act, {**above, "conversations": room}, {k: v for k, v in hook.items() if v})
        return room

    room = await engine.perform(open_room, **named)
    await engine.perform(lambda act, _: make(PARTICIPANTS, act, _above(act, room), _form(binding)), **named)
    return room


def _above(act: Act, conversation: Row) -> dict[str, Row]:
    room = act.store.find("conversations", id=conversation["id"])
    if room is None:
        raise LookupError("the conversation has been deleted meanwhile")
    return {"services": act.store.get("services", id=room["parent"]), "conversations": room}


def _form(values: Mapping[str, str | None]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items() if value is not None}


def _json(attributes: Mapping[str, Any] | str | None) -> str | None:
    return attributes if attributes is None or isinstance(attributes, str) else json.dumps(attributes)
