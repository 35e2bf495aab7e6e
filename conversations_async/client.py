"""The client: which repositories exist, and where they stand. It knows paths, and nothing about requests."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Self

from .chat import ChatMessageRepository
from .hosts import Hosts
from .repository import segment
from .resources.conversations import ConversationRepository
from .resources.messages import MessageRepository
from .resources.participants import ParticipantRepository
from .resources.receipts import ReceiptRepository
from .retry import RetryPolicy
from .session import SessionManager

if TYPE_CHECKING:
    from types import TracebackType

    import aiohttp


class Scope:
    """The repositories of the Conversations API in one service, or in the account's default one."""

    def __init__(self, session: SessionManager, root: str) -> None:
        self._session = session
        self._root = root
        self.conversations = ConversationRepository(session, "conversations", f"{root}/Conversations")

    def messages(self, conversation: str) -> MessageRepository:
        """Give the messages of a conversation, by its SID or unique name.

        Raises:
            ValueError: The identifier is empty or dotted.
        """
        return MessageRepository(self._session, "conversations", f"{self._within(conversation)}/Messages")

    def participants(self, conversation: str) -> ParticipantRepository:
        """Give the participants of a conversation, by its SID or unique name.

        Raises:
            ValueError: The identifier is empty or dotted.
        """
        path = f"{self._within(conversation)}/Participants"
        return ParticipantRepository(self._session, "conversations", path)

    def receipts(self, conversation: str, message: str) -> ReceiptRepository:
        """Give the receipts of a message, by the SID or unique name of its conversation and its own SID.

        Raises:
            ValueError: An identifier is empty or dotted.
        """
        path = f"{self._within(conversation)}/Messages/{segment('message', message)}/Receipts"
        return ReceiptRepository(self._session, "conversations", path)

    def _within(self, conversation: str) -> str:
        return f"{self._root}/Conversations/{segment('conversation', conversation)}"


class ChatScope:
    """The repositories of the legacy Chat API in one service."""

    def __init__(self, session: SessionManager, root: str) -> None:
        self._session = session
        self._root = root

    def messages(self, channel: str) -> ChatMessageRepository:
        """Give the messages of a channel, by its SID or unique name.

        Raises:
            ValueError: The identifier is empty or dotted.
        """
        path = f"{self._root}/Channels/{segment('channel', channel)}/Messages"
        return ChatMessageRepository(self._session, "chat", path)


class Chat:
    """The legacy Chat API, all of whose resources belong to a service."""

    def __init__(self, session: SessionManager) -> None:
        self._session = session

    def service(self, sid: str) -> ChatScope:
        """Give the repositories of a service.

        Raises:
            ValueError: The identifier is empty or dotted.
        """
        return ChatScope(self._session, f"/v2/Services/{segment('service', sid)}")


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
        base_url: An origin that every request is sent to instead of the vendor's: an emulator, or a proxy.
        timeout: Seconds that one attempt may take, the wait for a free connection included.
        retry: What is tried again, and when.
        max_connections: Connections that are open at a time, at the most; further requests wait.
        session: An ``aiohttp.ClientSession`` to borrow. It is never closed by the client, and its own
            connector decides how many connections there are.

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
    ) -> None:
        username, password = _credentials(account_sid, auth_token, api_key, api_secret)
        manager = SessionManager(
            username,
            password,
            hosts=Hosts(base_url=base_url, region=region, edge=edge),
            retry=retry,
            timeout=timeout,
            max_connections=max_connections,
            session=session,
        )
        super().__init__(manager, "/v1")
        self.chat = Chat(manager)

    @classmethod
    def from_env(
        cls,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # it is frozen
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
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
        )

    def service(self, sid: str) -> Scope:
        """Give the repositories of a service (``IS…``).

        Raises:
            ValueError: The identifier is empty or dotted.
        """
        return Scope(self._session, f"/v1/Services/{segment('service', sid)}")

    async def close(self) -> None:
        """Close the connections of the running loop; a borrowed session stays open.

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

    def __repr__(self) -> str:
        # a traceback may show a client whose constructor failed
        session = getattr(self, "_session", None)
        return f"<{type(self).__name__} at {session and session.hosts.origin('conversations')}>"


def _credentials(
    account_sid: str, auth_token: str | None, api_key: str | None, api_secret: str | None
) -> tuple[str, str]:
    """Choose user name and password for Basic auth."""
    given = {
        "account_sid (TWILIO_ACCOUNT_SID)": account_sid,
        "auth_token (TWILIO_AUTH_TOKEN)": auth_token,
        "api_key (TWILIO_API_KEY)": api_key,
        "api_secret (TWILIO_API_SECRET)": api_secret,
    }
    for name, value in given.items():
        if value is not None and not (isinstance(value, str) and re.fullmatch(r"[!-~]*", value)):
            raise ValueError(f"{name} must be a string of visible ASCII, without white space")
    account_name, token_name, key_name, secret_name = given
    if not account_sid:
        raise ValueError(f"{account_name} is missing")
    if not re.fullmatch(r"AC[0-9a-fA-F]{32}", account_sid):
        raise ValueError(f"{account_name} must be AC and 32 hex digits")
    if api_key and not api_secret:
        raise ValueError(f"{key_name} is given, but its {secret_name} is missing")
    if api_secret and not api_key:
        raise ValueError(f"{secret_name} is given, but its {key_name} is missing")
    if api_key and api_secret:
        if ":" in api_key:
            raise ValueError(f"{key_name} must not contain a colon")
        return api_key, api_secret
    if not auth_token:
        raise ValueError(f"{token_name} is missing; {key_name} and {secret_name} would do as well")
    return account_sid, auth_token
