"""Every operation of both APIs: where it is, the call that reaches it, its keywords, and values for them.

The table below is written by resource: a verb and its keywords, ``*`` for those that must be given. A keyword
has the type that its name has in `TYPES`, or its own behind ``=``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .servers import Request

METHODS = {"stream": "GET", "create": "POST", "fetch": "GET", "update": "POST", "delete": "DELETE"}
PREFIXES = {"stream": "List", "create": "Create", "fetch": "Fetch", "update": "Update", "delete": "Delete"}

#: The API's name of each parameter, under the type that it has wherever a keyword does not say otherwise.
TYPES = {
    "boolean": """
        AddedToConversation.Enabled AutoCreation.Enabled LogEnabled NewMessage.BadgeCountEnabled
        NewMessage.Enabled NewMessage.WithMedia.Enabled Notifications.AddedToChannel.Enabled
        Notifications.InvitedToChannel.Enabled Notifications.LogEnabled
        Notifications.NewMessage.BadgeCountEnabled Notifications.NewMessage.Enabled
        Notifications.RemovedFromChannel.Enabled ReachabilityEnabled ReadStatusEnabled
        RemovedFromConversation.Enabled Sandbox X-Twilio-Webhook-Enabled
    """,
    "integer": """
        AutoCreation.StudioRetryCount Configuration.ReplayAfter Configuration.RetryCount
        ConsumptionReportInterval LastConsumedMessageIndex LastReadMessageIndex Limits.ChannelMembers
        Limits.UserChannels PostWebhookRetryCount PreWebhookRetryCount TypingIndicatorTimeout
    """,
    "string:date-time": "DateCreated DateUpdated LastConsumptionTimestamp LastReadTimestamp",
    "string:uri": "PostWebhookUrl PreWebhookUrl",
    "list[string]": """
        AutoCreation.WebhookFilters Configuration.Filters Configuration.Triggers Filters Participant
        Permission WebhookFilters
    """,
    "list[enum(apn|fcm|gcm)]": "BindingType",
    "enum(active|closed|inactive|initializing)": "State",
    "enum(apn|fcm|gcm)": "Type",
    "enum(asc|desc)": "Order",
    "enum(default|muted)": "NotificationLevel",
    "enum(default|studio|webhook)": "AutoCreation.Type",
    "enum(get|post)": "AutoCreation.WebhookMethod Configuration.Method",
    "enum(GET|POST)": "WebhookMethod",
    "enum(studio|trigger|webhook)": "Target",
    "string": """
        AddedToConversation.Sound AddedToConversation.Template Address AddressCountry ApiKey Attributes Author
        AutoCreation.ConversationServiceSid AutoCreation.StudioFlowSid AutoCreation.WebhookUrl
        Bindings.Email.Address Bindings.Email.Name Body Certificate Configuration.FlowSid Configuration.Url
        ContentSid ContentVariables CreatedBy DefaultChannelCreatorRoleSid DefaultChannelRoleSid
        DefaultChatServiceRoleSid DefaultChatServiceSid DefaultClosedTimer DefaultConversationCreatorRoleSid
        DefaultConversationRoleSid DefaultInactiveTimer DefaultMessagingServiceSid DefaultServiceRoleSid
        EndDate FriendlyName From Identity LastUpdatedBy Media.CompatibilityMessage MediaSid
        MessagingBinding.Address MessagingBinding.ProjectedAddress MessagingBinding.ProxyAddress
        MessagingServiceSid Method NewMessage.Sound NewMessage.Template NewMessage.WithMedia.Template
        Notifications.AddedToChannel.Sound Notifications.AddedToChannel.Template
        Notifications.InvitedToChannel.Sound Notifications.InvitedToChannel.Template
        Notifications.NewMessage.Sound Notifications.NewMessage.Template
        Notifications.RemovedFromChannel.Sound Notifications.RemovedFromChannel.Template PrivateKey
        RemovedFromConversation.Sound RemovedFromConversation.Template RoleSid Secret StartDate Subject
        Timers.Closed Timers.Inactive UniqueName
    """,
}


def python_name(api: str) -> str:
    """Give the keyword of a parameter: ``Timers.Inactive`` is ``timers_inactive``, ``From`` is ``from_``."""
    plain = re.sub(r"[.-]|(?<=[a-z])(?=[A-Z])", "_", api.removeprefix("X-Twilio-")).lower()
    return plain + "_" * iskeyword(plain)


#: Each keyword's parameter and its usual type.
_NAMES = {python_name(api): (api, kind) for kind, names in TYPES.items() for api in names.split()}

#: Keywords that exclude one another, by accessor and verb: such a call is made without each of them in turn.
EXCLUSIVE = {
    ("participants", "create"): ("identity", "messaging_binding_address"),
    ("participant_conversations", "stream"): ("identity", "address"),
}

#: What every stream takes besides its filters.
STREAMED = {"page_size", "limit", "read_ahead", "cursor"}

MOMENT = datetime(2015, 12, 16, 22, 18, 37, tzinfo=UTC)
#: The moment as the calls of the first turn give it, in another zone and with a fraction, and of the second …
MOMENTS = (MOMENT.replace(microsecond=999_999).astimezone(timezone(timedelta(hours=1))), MOMENT)
#: … and likewise a mapping, and JSON text; with what is sent for them.
JSON = ({"größe": [1, None, {"a": "b & c"}]}, '{ "a":\t"größe & +1" }')
JSON_SENT = ('{"größe": [1, null, {"a": "b & c"}]}', JSON[1])


@frozen
class Keyword:
    """A keyword of a call, and the parameter that it becomes."""

    name: str
    api: str
    where: str
    kind: str
    required: bool

    @property
    def members(self) -> list[str]:
        """The values that the specification lists; empty where it lists none."""
        found = re.search(r"\((.*)\)", self.kind)
        return found[1].split("|") if found else []

    def value(self, turn: int) -> tuple[Any, list[str]]:
        """Give a value of its type for turn 0 or 1, and the texts that it becomes on the wire."""
        value: Any
        texts: list[str]
        if self.kind == "boolean":
            value, texts = bool(turn), ["true" if turn else "false"]
        elif self.kind == "integer":
            value, texts = turn * 3, [str(turn * 3)]
        elif self.kind == "string:date-time" or self.name == "last_read_timestamp":
            value, texts = MOMENTS[turn], ["2015-12-16T22:18:37Z"]
        elif self.name == "participant":
            value, texts = list(JSON), list(JSON_SENT)
        elif self.name in ("attributes", "content_variables"):
            value, texts = JSON[turn], [JSON_SENT[turn]]
        elif self.kind.startswith("list"):
            value = texts = self.members or [
                f"{self.name}: größe & co,\n#{number} + 100%" for number in (2, 1)
            ]
        else:
            value = self.members[turn] if self.members else f"{self.name}={turn} & größe\n+ 1%?#;"
            texts = [value]
        return value, texts


@frozen
class Operation:
    """One operation of an API."""

    name: str
    #: The expression that gives the scope in which its repository is.
    scope: str
    #: The name of the repository, with what it is called with, if anything.
    accessor: str
    verb: str
    path: str
    keywords: tuple[Keyword, ...]

    def __str__(self) -> str:
        return f"{self.name}-{self.api}"

    @property
    def api(self) -> str:
        """The API, and its version."""
        return "chat-v2" if self.path.startswith("/v2/") else "conversations-v1"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return METHODS[self.verb.partition("_")[0]]

    @property
    def accessor_name(self) -> str:
        """The accessor without its arguments."""
        return self.accessor.partition("(")[0]

    @property
    def takes_sid(self) -> bool:
        """Whether the call names one item."""
        return self.path.endswith("}")

    @property
    def places(self) -> list[str]:
        """What identifiers its path has."""
        return re.findall(r"\{(\w+)\}", self.path)

    def at(self, segments: Sequence[str]) -> str:
        """Give the path, with segments in its places."""
        return re.sub(r"\{\w+\}", "{}", self.path).format(*segments)

    def repository(self, client: Any, identifiers: Sequence[str]) -> Any:
        """Find the repository, by the identifiers of the path."""
        within = list(identifiers[: -1 if self.takes_sid else None])
        scope = client.chat if self.api == "chat-v2" else client
        if self.scope.endswith("service(service_sid)"):
            scope = scope.service(within.pop(0))
        found = getattr(scope, self.accessor_name)
        return found(*within) if within else found

    def called(self, client: Any, identifiers: Sequence[str], keywords: dict[str, Any]) -> Any:
        """Make the call; what it gives is still to be awaited or read."""
        method = getattr(self.repository(client, identifiers), self.verb)
        return method(*identifiers[-1:] if self.takes_sid else (), **keywords)

    async def call(self, client: Any, identifiers: Sequence[str], keywords: dict[str, Any]) -> Any:
        """Make the call, and wait for what it gives; a stream is read to its end."""
        called = self.called(client, identifiers, keywords)
        return await (called.list() if self.verb == "stream" else called)

    def required(self) -> list[Keyword]:
        """Give the keywords that it cannot do without."""
        return [keyword for keyword in self.keywords if keyword.required]

    def turns(self) -> Iterator[tuple[int, list[Keyword]]]:
        """Give the turn and the keywords of each call that, together, use every keyword with two values."""
        for turn in 0, 1:
            for excluded in EXCLUSIVE.get((self.accessor_name, self.verb), (None,)):
                yield turn, [keyword for keyword in self.keywords if keyword.name != excluded]


def given(keywords: Iterable[Keyword], turn: int) -> dict[str, Any]:
    """Give each keyword its value."""
    return {keyword.name: keyword.value(turn)[0] for keyword in keywords}


class Sent(NamedTuple):
    """A request, as far as an operation determines it; its fields are sorted by name."""

    method: str
    path: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]] | None
    headers: dict[str, str]


def fields(encoded: str) -> list[tuple[str, str]]:
    """Read a query or form, sorted by name."""
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    return sorted(pairs, key=lambda pair: pair[0])


def sent(request: Request, *names: str) -> Sent:
    """Read a request that arrived, with the headers of these names."""
    place = urlsplit(request.target)
    assert request.method == "POST" or not request.body
    return Sent(
        request.method,
        place.path,
        fields(place.query),
        fields(request.body.decode("ascii")) if request.method == "POST" else None,
        {name: request.headers[name] for name in names if name in request.headers},
    )


def wire(keywords: Iterable[Keyword], turn: int, where: str) -> list[tuple[str, str]]:
    """Give the fields that keywords become in one part of the request, sorted by name."""
    found = [keyword for keyword in keywords if keyword.where == where]
    return [
        (keyword.api, text)
        for keyword in sorted(found, key=lambda keyword: keyword.api)
        for text in keyword.value(turn)[1]
    ]


# ------------------------------------------------------------------------------------------------- the table


@frozen
class _Resource:
    """What can be done with one resource: its name in the operations, its repository, its path."""

    name: str
    accessor: str
    path: str
    verbs: dict[str, str]
    #: How the path of one item goes on.
    item: str = "/{Sid}"

    def operations(self, scope: str, root: str) -> Iterator[Operation]:
        inner = scope == "client.service(service_sid)" and "Service" not in self.name
        for verb, keywords in self.verbs.items():
            action = verb.partition("_")[0]
            yield Operation(
                name=f"{PREFIXES[action]}{'Service' * inner}{self.name}",
                scope=scope,
                accessor=self.accessor,
                verb=verb,
                path=f"{root}{self.path}{'' if action in ('stream', 'create') else self.item}",
                keywords=tuple(_keyword(text, verb) for text in keywords.split()),
            )


def _keyword(text: str, verb: str) -> Keyword:
    declared, _, kind = text.partition("=")
    name = declared.removesuffix("*")
    api, usual = _NAMES[name]
    where = "header" if api.startswith("X-") else "query" if verb == "stream" else "form"
    return Keyword(name, api, where, kind or usual, declared.endswith("*"))


_FLAG = "webhook_enabled"
_DATES = "date_created date_updated"
_CONVERSATION = f"""{_FLAG} {_DATES} friendly_name unique_name messaging_service_sid attributes state
    timers_inactive timers_closed bindings_email_address bindings_email_name"""
_MESSAGE = f"{_FLAG} {_DATES} author body attributes subject"
_PARTICIPANT = f"""{_FLAG} {_DATES} identity attributes role_sid messaging_binding_proxy_address
    messaging_binding_projected_address"""
_SCOPED = """configuration_url configuration_method configuration_filters configuration_triggers
    configuration_flow_sid"""
_CHAT_SCOPED = f"""{_SCOPED.replace("_method", "_method=enum(GET|POST)")} configuration_retry_count"""
_ADDRESS = """friendly_name auto_creation_enabled auto_creation_type auto_creation_conversation_service_sid
    auto_creation_webhook_url auto_creation_webhook_method auto_creation_webhook_filters
    auto_creation_studio_flow_sid auto_creation_studio_retry_count"""
_CREDENTIAL = "friendly_name certificate private_key sandbox api_key secret"
_HORIZON = "last_consumed_message_index last_consumption_timestamp"
_MEMBER = f"{_FLAG} {_DATES} role_sid {_HORIZON} attributes"
_CHANNEL = f"{_FLAG} {_DATES} friendly_name unique_name attributes created_by"
_CHAT_MESSAGE = f"{_FLAG} {_DATES} from_ body attributes last_updated_by"
_USER = f"{_FLAG} friendly_name attributes role_sid"


def _roles(kinds: str) -> _Resource:
    create = f"friendly_name* permission* type*=enum({kinds})"
    verbs = {"stream": "", "create": create, "fetch": "", "update": "permission*", "delete": ""}
    return _Resource("Role", "roles", "/Roles", verbs)


def _services(**update: str) -> _Resource:
    verbs = {"stream": "", "create": "friendly_name*", "fetch": "", "delete": ""} | update
    return _Resource("Service", "services", "/Services", verbs)


def _credentials(update: str) -> _Resource:
    verbs = {"stream": "", "create": f"type* {_CREDENTIAL}", "fetch": "", "update": update, "delete": ""}
    return _Resource("Credential", "credentials", "/Credentials", verbs)


def _bindings(name: str, accessor: str, path: str, filters: str) -> _Resource:
    return _Resource(name, accessor, path, {"stream": filters, "fetch": "", "delete": ""})


#: What the account's default service has as every other service.
_ANYWHERE = [
    _Resource(
        "Conversation",
        "conversations",
        "/Conversations",
        {
            "stream": "start_date end_date state",
            "create": _CONVERSATION,
            "fetch": "",
            "update": _CONVERSATION,
            "delete": _FLAG,
        },
    ),
    _Resource(
        "ConversationWithParticipants",
        "conversations",
        "/ConversationWithParticipants",
        {"create_with_participants": f"{_CONVERSATION} participant"},
    ),
    _Resource(
        "ConversationMessage",
        "messages(conversation)",
        "/Conversations/{ConversationSid}/Messages",
        {
            "stream": "order",
            "create": f"{_MESSAGE} media_sid content_sid content_variables",
            "fetch": "",
            "update": _MESSAGE,
            "delete": _FLAG,
        },
    ),
    _Resource(
        "ConversationMessageReceipt",
        "receipts(conversation, message)",
        "/Conversations/{ConversationSid}/Messages/{MessageSid}/Receipts",
        {"stream": "", "fetch": ""},
    ),
    _Resource(
        "ConversationParticipant",
        "participants(conversation)",
        "/Conversations/{ConversationSid}/Participants",
        {
            "stream": "",
            "create": f"{_PARTICIPANT} messaging_binding_address",
            "fetch": "",
            "update": f"{_PARTICIPANT} last_read_message_index last_read_timestamp=string",
            "delete": _FLAG,
        },
    ),
    _Resource(
        "ConversationScopedWebhook",
        "webhooks(conversation)",
        "/Conversations/{ConversationSid}/Webhooks",
        {
            "stream": "",
            "create": f"target* {_SCOPED} configuration_replay_after",
            "fetch": "",
            "update": _SCOPED,
            "delete": "",
        },
    ),
    _Resource(
        "ParticipantConversation",
        "participant_conversations",
        "/ParticipantConversations",
        {"stream": "identity address"},
    ),
    _roles("conversation|service"),
    _Resource(
        "User",
        "users",
        "/Users",
        {"stream": "", "create": f"identity* {_USER}", "fetch": "", "update": _USER, "delete": _FLAG},
    ),
    _Resource(
        "UserConversation",
        "user_conversations(user)",
        "/Users/{UserSid}/Conversations",
        {
            "stream": "",
            "fetch": "",
            "update": "notification_level last_read_timestamp last_read_message_index",
            "delete": "",
        },
        item="/{ConversationSid}",
    ),
]

_ACCOUNT = [
    _Resource(
        "Configuration",
        "configuration",
        "/Configuration",
        {
            "fetch": "",
            "update": """default_chat_service_sid default_messaging_service_sid default_inactive_timer
                default_closed_timer""",
        },
        item="",
    ),
    _Resource(
        "ConfigurationWebhook",
        "webhook_configuration",
        "/Configuration/Webhooks",
        {
            "fetch": "",
            "update": """method filters pre_webhook_url=string post_webhook_url=string
                target=enum(flex|webhook)""",
        },
        item="",
    ),
    _Resource(
        "ConfigurationAddress",
        "addresses",
        "/Configuration/Addresses",
        {
            "stream": "type=string",
            "create": f"""type*=enum(apple|chat|email|gbm|messenger|rcs|sms|whatsapp) address*
                address_country {_ADDRESS}""",
            "fetch": "",
            "update": _ADDRESS,
            "delete": "",
        },
    ),
    _credentials(f"type {_CREDENTIAL}"),
    _services(),
]

_SERVICE = [
    _Resource(
        "Configuration",
        "configuration",
        "/Configuration",
        {
            "fetch": "",
            "update": """default_conversation_creator_role_sid default_conversation_role_sid
                default_chat_service_role_sid reachability_enabled""",
        },
        item="",
    ),
    _Resource(
        "ServiceWebhookConfiguration",
        "webhook_configuration",
        "/Configuration/Webhooks",
        {"fetch": "", "update": "pre_webhook_url post_webhook_url filters method"},
        item="",
    ),
    _Resource(
        "Notification",
        "notifications",
        "/Configuration/Notifications",
        {
            "fetch": "",
            "update": """log_enabled new_message_enabled new_message_template new_message_sound
                new_message_badge_count_enabled new_message_with_media_enabled new_message_with_media_template
                added_to_conversation_enabled added_to_conversation_template added_to_conversation_sound
                removed_from_conversation_enabled removed_from_conversation_template
                removed_from_conversation_sound""",
        },
        item="",
    ),
    _bindings(
        "Binding",
        "bindings",
        "/Bindings",
        "binding_type=list[enum(apn|fcm|gcm|twilsock)] identity=list[string]",
    ),
]

_CHAT = [
    _credentials(_CREDENTIAL),
    _services(
        update="""friendly_name default_service_role_sid default_channel_role_sid
            default_channel_creator_role_sid read_status_enabled reachability_enabled
            typing_indicator_timeout consumption_report_interval notifications_log_enabled
            notifications_new_message_enabled notifications_new_message_template
            notifications_new_message_sound notifications_new_message_badge_count_enabled
            notifications_added_to_channel_enabled notifications_added_to_channel_template
            notifications_added_to_channel_sound notifications_removed_from_channel_enabled
            notifications_removed_from_channel_template notifications_removed_from_channel_sound
            notifications_invited_to_channel_enabled notifications_invited_to_channel_template
            notifications_invited_to_channel_sound pre_webhook_url post_webhook_url webhook_method
            webhook_filters limits_channel_members limits_user_channels media_compatibility_message
            pre_webhook_retry_count post_webhook_retry_count"""
    ),
]

_CHAT_SERVICE = [
    _Resource(
        "Channel",
        "channels",
        "/Channels",
        {
            "stream": "type=list[enum(private|public)]",
            "create": f"{_CHANNEL} type=enum(private|public)",
            "fetch": "",
            "update": _CHANNEL,
            "delete": _FLAG,
        },
    ),
    _Resource(
        "Member",
        "members(channel)",
        "/Channels/{ChannelSid}/Members",
        {
            "stream": "identity=list[string]",
            "create": f"identity* {_MEMBER}",
            "fetch": "",
            "update": _MEMBER,
            "delete": _FLAG,
        },
    ),
    _Resource(
        "Message",
        "messages(channel)",
        "/Channels/{ChannelSid}/Messages",
        {
            "stream": "order",
            "create": f"{_CHAT_MESSAGE} media_sid",
            "fetch": "",
            "update": _CHAT_MESSAGE,
            "delete": _FLAG,
        },
    ),
    _Resource(
        "Invite",
        "invites(channel)",
        "/Channels/{ChannelSid}/Invites",
        {"stream": "identity=list[string]", "create": "identity* role_sid", "fetch": "", "delete": ""},
    ),
    _Resource(
        "ChannelWebhook",
        "webhooks(channel)",
        "/Channels/{ChannelSid}/Webhooks",
        {
            "stream": "",
            "create": f"type*=enum(studio|trigger|webhook) {_CHAT_SCOPED}",
            "fetch": "",
            "update": _CHAT_SCOPED,
            "delete": "",
        },
    ),
    _roles("channel|deployment"),
    _Resource(
        "User",
        "users",
        "/Users",
        {"stream": "", "create": f"identity* {_USER}", "fetch": "", "update": _USER, "delete": ""},
    ),
    _Resource(
        "UserChannel",
        "user_channels(user)",
        "/Users/{UserSid}/Channels",
        {"stream": "", "fetch": "", "update": f"notification_level {_HORIZON}", "delete": _FLAG},
        item="/{ChannelSid}",
    ),
    _bindings("UserBinding", "user_bindings(user)", "/Users/{UserSid}/Bindings", "binding_type"),
    _bindings("Binding", "bindings", "/Bindings", "binding_type identity=list[string]"),
]

#: Each group of resources, the scope that has it, and the path where that begins.
_GROUPS = [
    ([*_ANYWHERE, *_ACCOUNT], "client", "/v1"),
    ([*_ANYWHERE, *_SERVICE], "client.service(service_sid)", "/v1/Services/{ChatServiceSid}"),
    (_CHAT, "client.chat", "/v2"),
    (_CHAT_SERVICE, "client.chat.service(service_sid)", "/v2/Services/{ServiceSid}"),
]

OPERATIONS = [
    operation
    for resources, scope, root in _GROUPS
    for resource in resources
    for operation in resource.operations(scope, root)
]
