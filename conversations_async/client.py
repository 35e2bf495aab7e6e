"""The client: which repositories exist, and where they stand. It knows paths, and nothing about requests."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, Self

from ._checks import check_whole
from .connections import BorrowedConnections, OwnConnections
from .credentials import choose_credentials
from .hosts import Hosts
from .limits import check_limits
from .options import MAX_RESPONSE_SIZE, Options
from .place import Place
from .proxies import Proxies
from .repository import segment
from .resources.addresses import AddressRepository
from .resources.bindings import BindingRepository
from .resources.configuration import ConfigurationRepository, ServiceConfigurationRepository
from .resources.conversations import ConversationRepository
from .resources.credentials import CredentialRepository
from .resources.media import MediaRepository
from .resources.messages import MessageRepository
from .resources.notifications import NotificationRepository
from .resources.participant_conversations import ParticipantConversationRepository
from .resources.participants import ParticipantRepository
from .resources.receipts import ReceiptRepository
from .resources.roles import RoleRepository
from .resources.services import ServiceRepository
from .resources.user_conversations import UserConversationRepository
from .resources.users import UserRepository
from .resources.webhook_configuration import (
    ServiceWebhookConfigurationRepository,
    WebhookConfigurationRepository,
)
from .resources.webhooks import WebhookRepository
from .retry import RetryPolicy
from .session import SessionManager

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

    import aiohttp

    from .chat import Chat
    from .limits import Limits


class Scope(Place):
    """The repositories that every service has, in one of them.

    Whoever names a conversation, message or user by an identifier that is empty or dotted gets a
    ``ValueError``, here and everywhere.

    Attributes:
        conversations: The conversations.
        users: Those who use chat.
        roles: What they may do.
        participant_conversations: The conversations of an identity or an address.
    """

    _product = "conversations"

    def __init__(self, session: SessionManager, root: str) -> None:
        super().__init__(session, root)
        self.conversations = self._at(ConversationRepository, "Conversations")
        self.users = self._at(UserRepository, "Users")
        self.roles = self._at(RoleRepository, "Roles")
        self.participant_conversations = self._at(
            ParticipantConversationRepository, "ParticipantConversations"
        )

    def messages(self, conversation: str) -> MessageRepository:
        """Give the messages of a conversation, by its SID or unique name."""
        return self._at(MessageRepository, f"{_conversation(conversation)}/Messages")

    def receipts(self, conversation: str, message: str) -> ReceiptRepository:
        """Give the receipts of a message, by the SID or unique name of its conversation and its own SID."""
        path = f"{_conversation(conversation)}/Messages/{segment('message', message)}/Receipts"
        return self._at(ReceiptRepository, path)

    def participants(self, conversation: str) -> ParticipantRepository:
        """Give the participants of a conversation, by its SID or unique name."""
        return self._at(ParticipantRepository, f"{_conversation(conversation)}/Participants")

    def webhooks(self, conversation: str) -> WebhookRepository:
        """Give the webhooks of a conversation, by its SID or unique name."""
        return self._at(WebhookRepository, f"{_conversation(conversation)}/Webhooks")

    def user_conversations(self, user: str) -> UserConversationRepository:
        """Give the conversations of a user, by SID or identity."""
        return self._at(UserConversationRepository, f"Users/{segment('user', user)}/Conversations")


def _conversation(sid: str) -> str:
    return f"Conversations/{segment('conversation', sid)}"


class ServiceScope(Scope):
    """The repositories of one service: those of every ``Scope``, and more.

    Attributes:
        media: Its files: upload, download, and send.
        configuration: Its defaults.
        webhook_configuration: What is called for everything that happens in it.
        notifications: Its push notifications.
        bindings: The devices that they go to.
    """

    def __init__(self, session: SessionManager, root: str) -> None:
        super().__init__(session, root)
        self.bindings = self._at(BindingRepository, "Bindings")
        self.configuration = self._at(ServiceConfigurationRepository, "Configuration")
        self.notifications = self._at(NotificationRepository, "Configuration/Notifications")
        self.webhook_configuration = self._at(ServiceWebhookConfigurationRepository, "Configuration/Webhooks")
        self.media = MediaRepository(session, "mcs", f"{root}/Media")


class ConversationsClient(Scope):
    """A client of the Conversations API; make one for the life of the application.

    It is cheap to make: connections are opened by the first request, and closed by ``async with`` or by
    ``close()``. Its own attributes are the repositories of the account's default service.

    Args:
        account_sid: The account (``AC`` and 32 hex digits).
        auth_token: The account's auth token. Not needed with an API key, which wins where both are given.
        api_key: The SID of an API key (``SK…``).
        api_secret: The key's secret.
        region: The region that serves the account, such as ``ie1``; the vendor's default is ``us1``.
        edge: The edge location to enter by, such as ``dublin``.
        base_url: An origin that every request is sent to instead of the vendor's: an emulator, or a gateway.
        timeout: Seconds that one attempt may take, the wait for a free connection included.
        retry: What is tried again, and when.
        max_connections: Requests that are on their way at a time, at the most, each on a connection of its
            own; further ones wait for their turn, first come, first served.
        session: An ``aiohttp.ClientSession`` to borrow. It is never closed by the client. What its own
            connector allows, if that is less than ``max_connections``, is the bound.
        limits: How many writes may leave in a second; see ``Limits``. None: as many as there are.
        max_response_size: Bytes that one answer may have, decompressed; a larger one is a
            ``ResponseTooLargeError``. Media that are downloaded may be of any size.
        ssl: The ``ssl.SSLContext`` of every https connection, that to an https proxy included: whose
            certificates are trusted, and which one is shown. The default is aiohttp's, which trusts those
            that the system does; that of a borrowed session is its connector's.
        proxy: The address of an http or https proxy, such as ``http://user:password@127.0.0.1:3128``, for all
            requests, whatever ``NO_PROXY`` says. What is special in user and password is percent-encoded.
            Requests to https go through a tunnel (CONNECT), in which the proxy sees the host alone.
        trust_env: Use the proxies that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name
            when the client is made, unless ``proxy`` is given. A netrc file is never read. A borrowed session
            has a ``trust_env`` of its own.

    Attributes, besides those of ``Scope``:
        services: The services of the account.
        credentials: Its push credentials.
        addresses: Its numbers and senders whose inbound messages create conversations.
        configuration: Its defaults.
        webhook_configuration: What is called for everything that happens in it.

    Raises:
        ValueError: Credentials are missing, half or malformed, or another argument is; the message names
            the argument, and its environment variable, and never shows a secret.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str | None = None,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        region: str | None = None,
        edge: str | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # it is frozen
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
        limits: Limits | None = None,
        max_response_size: int = MAX_RESPONSE_SIZE,
        ssl: SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        check_whole("max_connections", max_connections, 1)
        check_limits(limits)
        proxies = Proxies.of(proxy, trust_env=trust_env)
        if session is not None and trust_env:
            raise ValueError("trust_env is for a session of the client's own; a borrowed session has its own")
        username, password = choose_credentials(account_sid, auth_token, api_key, api_secret)
        manager = SessionManager(
            username,
            password,
            account=account_sid,
            hosts=Hosts(base_url=base_url, region=region, edge=edge),
            connections=(
                OwnConnections(max_connections, limits)
                if session is None
                else BorrowedConnections(session, max_connections, limits, proxied=proxy is not None)
            ),
            options=Options(
                timeout=timeout,
                retry=retry,
                max_response_size=max_response_size,
                ssl=ssl,
                proxies=proxies,
            ),
        )
        self._use(account_sid, manager)

    def _use(self, account_sid: str, session: SessionManager) -> None:
        super().__init__(session, "/v1")
        self._account_sid = account_sid
        self.services = self._at(ServiceRepository, "Services")
        self.credentials = self._at(CredentialRepository, "Credentials")
        self.addresses = self._at(AddressRepository, "Configuration/Addresses")
        self.configuration = self._at(ConfigurationRepository, "Configuration")
        self.webhook_configuration = self._at(WebhookConfigurationRepository, "Configuration/Webhooks")

    @classmethod
    def from_env(
        cls,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # it is frozen
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
        limits: Limits | None = None,
        max_response_size: int = MAX_RESPONSE_SIZE,
        ssl: SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> Self:
        """Make a client from the environment; the arguments are those of the constructor.

        It reads TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN or TWILIO_API_KEY and TWILIO_API_SECRET,
        TWILIO_REGION, TWILIO_EDGE, and CONVERSATIONS_BASE_URL. An empty variable counts as absent.

        Raises:
            ValueError: What is missing or malformed is named.
        """

        def read(name: str) -> str | None:
            return os.environ.get(name) or None

        return cls(
            read("TWILIO_ACCOUNT_SID") or "",
            read("TWILIO_AUTH_TOKEN"),
            api_key=read("TWILIO_API_KEY"),
            api_secret=read("TWILIO_API_SECRET"),
            region=read("TWILIO_REGION"),
            edge=read("TWILIO_EDGE"),
            base_url=read("CONVERSATIONS_BASE_URL"),
            timeout=timeout,
            retry=retry,
            max_connections=max_connections,
            session=session,
            limits=limits,
            max_response_size=max_response_size,
            ssl=ssl,
            proxy=proxy,
            trust_env=trust_env,
        )

    @cached_property
    def chat(self) -> Chat:
        """The legacy Chat API.

        Its modules are imported when this is first asked for, unless the program imports
        ``conversations_async.chat`` itself.
        """
        from .chat import Chat  # noqa: PLC0415  # importing the client would take a quarter longer

        return Chat(self._session)

    def service(self, sid: str) -> ServiceScope:
        """Give the repositories of a service (``IS…``)."""
        return ServiceScope(self._session, f"{self._root}/Services/{segment('service', sid)}")

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        account_sid: str | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
    ) -> Self:
        """Give a client like this one with other options, which shares its connections and never closes them.

        It opens nothing, so that there can be one for each request, of one subaccount for example. What is
        None stays as it is; but where any of the last four is given, none of the old secrets is used: they
        name an account, or keep this one, and bring its auth token or an API key of its own. It is of the
        same class, without what a subclass has set.

        Raises:
            ValueError: As for the constructor.
        """
        given = (account_sid, auth_token, api_key, api_secret)
        account = self._account_sid if account_sid is None else account_sid
        credentials = (
            None if given == (None,) * 4 else choose_credentials(account, auth_token, api_key, api_secret)
        )
        # not a copy: what a subclass has made of the old credentials must not be used with the new ones
        other = object.__new__(type(self))
        other._use(account, self._session.view(account, credentials, retry, timeout))
        return other

    async def close(self) -> None:
        """Close the connections of the running loop; those that were borrowed, or are shared, stay in use.

        A request that is under way fails; a later one in the same loop is a ``RuntimeError``, until the
        client is entered with ``async with`` again.
        """
        await self._session.close()

    async def __aenter__(self) -> Self:
        self._session.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.leave()

    def __reduce__(self) -> NoReturn:
        # it holds credentials, and connections that belong to this process
        raise TypeError(
            "a client cannot be copied or pickled: make one in each process, and use with_options for another"
        )

    def __repr__(self) -> str:
        # a traceback may show a client whose constructor failed
        session = getattr(self, "_session", None)
        return f"<{type(self).__name__} at {session and session.hosts.origin('conversations')}>"
