"""Legacy Chat shows the rows of Conversations in its own words, over real sockets."""

import base64
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import frozen

from conversations_async.emulator import Emulator, Limits, create_app

ACCOUNT = "AC" + "a" * 32
ROLE = "RL" + "0" * 32
MESSAGING = "MG" + "1" * 32
FLOW = "FW" + "2" * 32
DEVICE = "BS" + "3" * 32
SERVICE = "IS" + "4" * 32
USER = "US" + "5" * 32
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
HEADERS = {
    "Authorization": "Basic " + base64.b64encode(f"{ACCOUNT}:not-a-real-token".encode()).decode(),
    "Content-Type": "application/x-www-form-urlencoded",
    "X-Twilio-Webhook-Enabled": "true",
}


@frozen
class Client:
    """Sends what it is told to send, with webhooks enabled; two underscores in a name stand for a dot."""

    session: aiohttp.ClientSession
    origin: str

    async def call(self, method: str, path: str, form: dict[str, Any]) -> tuple[int, Any]:
        """Send one request, and give the status and the body."""
        named = {name.replace("__", "."): value for name, value in form.items()}
        data = urlencode(named, doseq=True)
        async with self.session.request(method, self.origin + path, data=data, headers=HEADERS) as response:
            return response.status, None if response.status == 204 else await response.json()

    async def make(self, path: str, /, **form: Any) -> Any:
        """Create something that must come out."""
        status, body = await self.call("POST", path, form)
        assert status == 201, body
        return body

    async def change(self, path: str, /, **form: Any) -> Any:
        """Update something that must come out."""
        status, body = await self.call("POST", path, form)
        assert status == 200, body
        return body

    async def show(self, path: str) -> Any:
        """Fetch or list something that must be there."""
        status, body = await self.call("GET", path, {})
        assert status == 200, body
        return body

    async def drop(self, path: str) -> None:
        """Delete something that must then be gone."""
        assert await self.call("DELETE", path, {}) == (204, None)
        assert await self.refused("GET", path) == (404, 20404)

    async def refused(self, method: str, path: str, /, **form: Any) -> tuple[int, int]:
        """Send what must be refused, and give the status and the code."""
        status, body = await self.call(method, path, form)
        assert body["status"] == status
        return status, body["code"]

    async def sids(self, path: str) -> list[str]:
        """Give the SIDs of what is in a list."""
        page = await self.show(path)
        return [one["sid"] for one in page[page["meta"]["key"]]]


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Client]:
    """The client of the emulator."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Client(session, emulator.url)


@pytest.fixture
async def service(api: Client) -> str:
    """The SID of a service."""
    return str((await api.make("/v2/Services", FriendlyName="Ahoy"))["sid"])


@pytest.fixture
def chat(service: str) -> str:
    """The path of the service in Chat."""
    return f"/v2/Services/{service}"


@pytest.fixture
def ours(service: str) -> str:
    """The path of the service in Conversations."""
    return f"/v1/Services/{service}"


@pytest.fixture
async def channel(api: Client, chat: str) -> str:
    """The SID of a private channel."""
    return str((await api.make(f"{chat}/Channels", Type="private"))["sid"])


async def roles(api: Client, ours: str) -> dict[str, str]:
    """Give the SIDs of the roles that a service has from the start."""
    return {role["friendly_name"]: role["sid"] for role in (await api.show(f"{ours}/Roles"))["roles"]}


def without_dates(body: Any) -> Any:
    """Check the two dates of a row, and give the rest."""
    assert all(TIME.fullmatch(body[name]) for name in ("date_created", "date_updated"))
    return {name: value for name, value in body.items() if not name.startswith("date_")}


class TestServices:
    """Services, with all that can be configured."""

    async def test_shape(self, api: Client, ours: str) -> None:
        """A new service shows its roles, the documented defaults, and nothing of notifications."""
        made = await api.make("/v2/Services", FriendlyName="Smee")
        url = f"{api.origin}/v2/Services/{made['sid']}"
        default = await roles(api, f"/v1/Services/{made['sid']}")
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "friendly_name": "Smee",
            "default_service_role_sid": default["service user"],
            "default_channel_role_sid": default["channel user"],
            "default_channel_creator_role_sid": default["channel admin"],
            "read_status_enabled": True,
            "reachability_enabled": False,
            "typing_indicator_timeout": 5,
            "consumption_report_interval": 10,
            "limits": {"channel_members": 250, "user_channels": 100},
            "pre_webhook_url": None,
            "post_webhook_url": None,
            "webhook_method": None,
            "webhook_filters": None,
            "pre_webhook_retry_count": 0,
            "post_webhook_retry_count": 0,
            "notifications": {},
            "media": {"size_limit_mb": 150, "compatibility_message": None},
            "url": url,
            "links": {
                "channels": f"{url}/Channels",
                "users": f"{url}/Users",
                "roles": f"{url}/Roles",
                "bindings": f"{url}/Bindings",
            },
        }

    async def test_are_those_of_conversations(self, api: Client, chat: str, ours: str) -> None:
        """A service is listed, fetched and deleted in either API."""
        theirs = await api.make("/v1/Services", FriendlyName="Hook")
        assert await api.sids("/v2/Services") == await api.sids("/v1/Services")
        assert (await api.show(f"/v2/Services/{theirs['sid']}"))["friendly_name"] == "Hook"
        await api.drop(chat)
        assert await api.refused("GET", ours) == (404, 20404)

    async def test_default_stays(self, api: Client) -> None:
        """The default service cannot be deleted here, either."""
        default = (await api.sids("/v2/Services"))[0]
        assert await api.refused("DELETE", f"/v2/Services/{default}") == (403, 20403)

    async def test_update(self, api: Client, chat: str, ours: str) -> None:
        """An update changes what it names, and Conversations shows what it knows of that."""
        role = (await roles(api, ours))["channel admin"]
        changed = await api.change(
            chat,
            FriendlyName="Starkey",
            DefaultServiceRoleSid=(await roles(api, ours))["service admin"],
            DefaultChannelRoleSid=role,
            DefaultChannelCreatorRoleSid=role,
            ReadStatusEnabled="false",
            ReachabilityEnabled="true",
            TypingIndicatorTimeout="7",
            ConsumptionReportInterval="8",
            Limits__ChannelMembers="1000",
            Limits__UserChannels="20",
            PreWebhookUrl="https://example.org/pre",
            PostWebhookUrl="https://example.org/post",
            WebhookMethod="get",
            WebhookFilters=["onMessageSent", "onChannelAdded", "onMessageSent"],
            PreWebhookRetryCount="2",
            PostWebhookRetryCount="5",
            Media__CompatibilityMessage="A file",
        )
        assert await api.show(chat) == changed
        assert changed["friendly_name"] == "Starkey"
        assert not changed["read_status_enabled"]
        assert changed["reachability_enabled"]
        assert (changed["typing_indicator_timeout"], changed["consumption_report_interval"]) == (7, 8)
        assert changed["limits"] == {"channel_members": 1000, "user_channels": 20}
        assert changed["pre_webhook_url"] == "https://example.org/pre"
        assert changed["post_webhook_url"] == "https://example.org/post"
        assert changed["webhook_method"] == "GET"
        assert changed["webhook_filters"] == ["onMessageSent", "onChannelAdded"]
        assert (changed["pre_webhook_retry_count"], changed["post_webhook_retry_count"]) == (2, 3)
        assert changed["media"]["compatibility_message"] == "A file"
        seen = await api.show(f"{ours}/Configuration")
        assert seen["default_chat_service_role_sid"] == changed["default_service_role_sid"]
        assert seen["default_conversation_role_sid"] == changed["default_channel_role_sid"] == role
        assert seen["default_conversation_creator_role_sid"] == role
        assert seen["reachability_enabled"]

    async def test_webhooks_are_its_own(self, api: Client, chat: str, ours: str) -> None:
        """Chat's webhooks are no webhooks of Conversations."""
        await api.change(chat, PostWebhookUrl="https://example.org/post")
        assert (await api.show(f"{ours}/Configuration/Webhooks"))["post_webhook_url"] is None

    async def test_notifications(self, api: Client, chat: str, ours: str) -> None:
        """Notifications show the texts that were set, and are those of Conversations."""
        await api.change(f"{ours}/Configuration/Notifications", AddedToConversation__Sound="bell")
        changed = await api.change(
            chat,
            Notifications__LogEnabled="true",
            Notifications__NewMessage__Enabled="true",
            Notifications__NewMessage__BadgeCountEnabled="true",
            Notifications__AddedToChannel__Template="Welcome",
            Notifications__RemovedFromChannel__Enabled="true",
            Notifications__InvitedToChannel__Sound="whistle",
        )
        assert changed["notifications"] == {
            "log_enabled": True,
            "new_message": {"enabled": True, "badge_count_enabled": True},
            "added_to_channel": {"enabled": False, "template": "Welcome", "sound": "bell"},
            "removed_from_channel": {"enabled": True},
            "invited_to_channel": {"enabled": False, "sound": "whistle"},
        }
        seen = await api.show(f"{ours}/Configuration/Notifications")
        assert seen["added_to_conversation"]["template"] == "Welcome"
        assert seen["removed_from_conversation"]["enabled"]
        assert seen["log_enabled"]

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("FriendlyName", "x" * 257, 50003),
            ("DefaultServiceRoleSid", ROLE, 50102),
            ("DefaultChannelRoleSid", ROLE, 50101),
            ("DefaultChannelCreatorRoleSid", "nonsense", 50106),
            ("ReadStatusEnabled", "perhaps", 20001),
            ("TypingIndicatorTimeout", "-1", 50053),
            ("ConsumptionReportInterval", "soon", 50052),
            ("Limits.ChannelMembers", "1001", 50061),
            ("Limits.UserChannels", "many", 50060),
            ("PreWebhookUrl", "nonsense", 50054),
            ("WebhookMethod", "PUT", 50055),
            ("PostWebhookRetryCount", "x", 50065),
            ("Notifications.InvitedToChannel.Template", "x" * 2049, 50058),
            ("Notifications.NewMessage.Sound", "x" * 257, 50059),
        ],
    )
    async def test_bad_values(self, api: Client, chat: str, name: str, value: str, code: int) -> None:
        """What is no value of a parameter is refused with that parameter's code."""
        assert await api.refused("POST", chat, **{name: value}) == (400, code)

    async def test_roles_fit(self, api: Client, chat: str, ours: str) -> None:
        """A default role is one of the service, and of the type that it is for."""
        role = (await roles(api, ours))["service user"]
        assert await api.refused("POST", chat, DefaultChannelRoleSid=role) == (400, 50101)
        elsewhere = (await roles(api, "/v1"))["channel user"]
        assert await api.refused("POST", chat, DefaultChannelRoleSid=elsewhere) == (400, 50101)


class TestChannels:
    """Channels: conversations, some of them public."""

    async def test_shape(self, api: Client, service: str, chat: str) -> None:
        """A channel is public, made by the system, and counts what is in it."""
        made = await api.make(
            f"{chat}/Channels", FriendlyName="Ahoy", UniqueName="ahoy", Attributes='{"a":1}'
        )
        url = f"{api.origin}{chat}/Channels/{made['sid']}"
        expected = {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "friendly_name": "Ahoy",
            "unique_name": "ahoy",
            "attributes": '{"a":1}',
            "type": "public",
            "created_by": "system",
            "members_count": 0,
            "messages_count": 0,
            "url": url,
            "links": {
                "members": f"{url}/Members",
                "messages": f"{url}/Messages",
                "invites": f"{url}/Invites",
                "webhooks": f"{url}/Webhooks",
                "last_message": None,
            },
        }
        assert without_dates(made) == expected
        await api.make(f"{chat}/Channels/ahoy/Members", Identity="smee")
        await api.make(f"{chat}/Channels/ahoy/Messages", Body="one")
        second = await api.make(f"{chat}/Channels/ahoy/Messages", Body="two")
        await api.drop(f"{chat}/Channels/ahoy/Messages/{second['sid']}")
        assert without_dates(await api.show(f"{chat}/Channels/ahoy")) == {
            **expected,
            "members_count": 1,
            "messages_count": 1,
        }

    async def test_members_are_counted_alone(self, api: Client, chat: str, ours: str, channel: str) -> None:
        """A participant without an identity is no member."""
        await api.make(
            f"{ours}/Conversations/{channel}/Participants",
            MessagingBinding__Address="+15558675310",
            MessagingBinding__ProxyAddress="+15017122661",
        )
        assert (await api.show(f"{chat}/Channels/{channel}"))["members_count"] == 0
        assert await api.sids(f"{chat}/Channels/{channel}/Members") == []

    async def test_public_ones_are_chats_alone(self, api: Client, chat: str, ours: str) -> None:
        """Conversations shows private channels only, and all that it makes is private."""
        public = await api.make(f"{chat}/Channels", Type="PUBLIC")
        private = await api.make(f"{chat}/Channels", Type="private")
        theirs = await api.make(f"{ours}/Conversations")
        assert await api.sids(f"{ours}/Conversations") == [private["sid"], theirs["sid"]]
        assert await api.refused("GET", f"{ours}/Conversations/{public['sid']}") == (404, 20404)
        assert (await api.show(f"{ours}/Conversations/{private['sid']}"))["state"] == "active"
        assert (await api.show(f"{chat}/Channels/{theirs['sid']}"))["type"] == "private"

    async def test_list(self, api: Client, chat: str) -> None:
        """A list has the public channels, unless it says which."""
        public = (await api.make(f"{chat}/Channels"))["sid"]
        private = (await api.make(f"{chat}/Channels", Type="private"))["sid"]
        assert await api.sids(f"{chat}/Channels") == [public]
        assert await api.sids(f"{chat}/Channels?Type=private") == [private]
        both = f"{chat}/Channels?Type=private&Type=public"
        assert await api.sids(both) == [public, private]
        page = await api.show(f"{both}&PageSize=1")
        following = page["meta"]["next_page_url"]
        assert following.startswith(f"{api.origin}{both}&PageSize=1&Page=1&PageToken=")
        assert await api.sids(following.removeprefix(api.origin)) == [private]
        assert await api.refused("GET", f"{chat}/Channels?Type=secret") == (400, 20001)

    async def test_update(self, api: Client, chat: str, ours: str, channel: str) -> None:
        """Everything but the type may be changed, and names may be longer than at first."""
        name = "x" * 256
        when = "2015-12-16T22:18:37Z"
        changed = await api.change(
            f"{chat}/Channels/{channel}",
            Type="public",
            FriendlyName=name,
            UniqueName=name,
            Attributes="{}",
            CreatedBy="smee",
            DateCreated=when,
            DateUpdated=when,
        )
        assert (changed["friendly_name"], changed["unique_name"]) == (name, name)
        assert (changed["type"], changed["created_by"]) == ("private", "smee")
        assert changed["date_created"] == changed["date_updated"] == when
        assert (await api.show(f"{ours}/Conversations/{name}"))["sid"] == channel

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("FriendlyName", "x" * 65, 50003),
            ("UniqueName", "x" * 65, 50004),
            ("UniqueName", "CH" + "a" * 32, 50306),
            ("Type", "secret", 20001),
            ("CreatedBy", "x" * 257, 50207),
            ("Attributes", "{", 50304),
            ("DateCreated", "yesterday", 50308),
        ],
    )
    async def test_bad_values(self, api: Client, chat: str, name: str, value: str, code: int) -> None:
        """What is no value of a parameter is refused with that parameter's code."""
        assert await api.refused("POST", f"{chat}/Channels", **{name: value}) == (400, code)

    async def test_unique_names(self, api: Client, chat: str, ours: str, channel: str) -> None:
        """A unique name is unique among channels and conversations; each API has its own code."""
        await api.make(f"{ours}/Conversations", UniqueName="ahoy")
        assert await api.refused("POST", f"{chat}/Channels", UniqueName="ahoy") == (409, 50307)
        assert await api.refused("POST", f"{chat}/Channels/{channel}", UniqueName="ahoy") == (409, 50307)
        await api.make(f"{chat}/Channels", UniqueName="hidden")
        assert await api.refused("POST", f"{ours}/Conversations", UniqueName="hidden") == (409, 50353)

    async def test_delete(self, api: Client, chat: str, ours: str, channel: str) -> None:
        """A channel goes with all that is in it, in both APIs."""
        member = await api.make(f"{chat}/Channels/{channel}/Members", Identity="smee")
        await api.drop(f"{chat}/Channels/{channel}")
        assert await api.refused("GET", f"{ours}/Conversations/{channel}") == (404, 20404)
        assert (await api.show(f"{chat}/Users/smee"))["joined_channels_count"] == 0
        assert await api.refused("GET", f"{chat}/Channels/{channel}/Members/{member['sid']}") == (404, 20404)

    async def test_closed(self, api: Client, chat: str, ours: str, channel: str) -> None:
        """What is closed in Conversations takes nothing here."""
        path = f"{chat}/Channels/{channel}"
        await api.make(f"{chat}/Users", Identity="smee")
        await api.change(f"{ours}/Conversations/{channel}", State="closed")
        assert await api.refused("POST", path, FriendlyName="x") == (400, 50377)
        for below in ("Members", "Invites", "Messages"):
            form = {"Body": "x"} if below == "Messages" else {"Identity": "smee"}
            assert await api.refused("POST", f"{path}/{below}", **form) == (400, 50377)
        await api.drop(path)

    async def test_migration(self, api: Client, service: str, chat: str, ours: str) -> None:
        """Version 3 makes a public channel private, and so a conversation with all its messages."""
        made = await api.make(f"{chat}/Channels", UniqueName="old")
        await api.make(f"{chat}/Channels/old/Messages", Body="Ahoy")
        path = f"/v3/Services/{service}/Channels/{made['sid']}"
        assert await api.refused("POST", path, Type="public") == (400, 50393)
        assert await api.refused("POST", path, MessagingServiceSid="nonsense") == (400, 50341)
        moved = await api.change(path, Type="private", MessagingServiceSid=MESSAGING)
        del made["links"]
        assert without_dates(moved) == {
            **without_dates(made),
            "type": "private",
            "messages_count": 1,
            "messaging_service_sid": MESSAGING,
            "url": api.origin + path,
        }
        seen = await api.show(f"{ours}/Conversations/old")
        assert (seen["sid"], seen["messaging_service_sid"]) == (made["sid"], MESSAGING)
        assert [
            one["body"] for one in (await api.show(f"{ours}/Conversations/old/Messages"))["messages"]
        ] == ["Ahoy"]
        assert await api.refused("GET", path) == (405, 20004)


class TestMembers:
    """Members: participants that have an identity."""

    @pytest.fixture
    def path(self, chat: str, channel: str) -> str:
        """The path of the channel's members."""
        return f"{chat}/Channels/{channel}/Members"

    @pytest.fixture
    def participants(self, ours: str, channel: str) -> str:
        """The same in Conversations."""
        return f"{ours}/Conversations/{channel}/Participants"

    async def test_shape(self, api: Client, service: str, ours: str, channel: str, path: str) -> None:
        """A member shows its role and how far it has read."""
        made = await api.make(path, Identity="smee", Attributes='{"a":1}')
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "channel_sid": channel,
            "identity": "smee",
            "role_sid": (await roles(api, ours))["channel user"],
            "last_consumed_message_index": None,
            "last_consumption_timestamp": None,
            "attributes": '{"a":1}',
            "url": f"{api.origin}{path}/{made['sid']}",
        }
        assert re.fullmatch("MB[0-9a-f]{32}", made["sid"])
        assert await api.show(f"{path}/smee") == made

    async def test_are_participants(self, api: Client, chat: str, path: str, participants: str) -> None:
        """A member is a participant with the same SID, and the other way around."""
        member = await api.make(path, Identity="smee", LastConsumedMessageIndex="3")
        participant = await api.show(f"{participants}/{member['sid']}")
        assert (participant["identity"], participant["last_read_message_index"]) == ("smee", 3)
        assert participant["last_read_timestamp"] == member["last_consumption_timestamp"] is not None
        theirs = await api.make(participants, Identity="hook")
        await api.change(f"{participants}/hook", LastReadMessageIndex="1")
        assert (await api.show(f"{path}/{theirs['sid']}"))["last_consumed_message_index"] == 1
        assert await api.sids(path) == await api.sids(participants) == [member["sid"], theirs["sid"]]
        assert await api.sids(f"{chat}/Users") == await api.sids(f"/v1{chat[3:]}/Users")
        await api.drop(f"{path}/hook")
        assert await api.sids(participants) == [member["sid"]]

    async def test_filter(self, api: Client, path: str) -> None:
        """A list may name the identities, each in a parameter of its own."""
        made = [(await api.make(path, Identity=who))["sid"] for who in ("a", "b", "c")]
        assert await api.sids(f"{path}?Identity=a&Identity=c") == [made[0], made[2]]
        page = await api.show(f"{path}?Identity=a&Identity=c&PageSize=1")
        assert "?Identity=a&Identity=c&PageSize=1&Page=1&PageToken=" in page["meta"]["next_page_url"]

    async def test_update(self, api: Client, ours: str, path: str) -> None:
        """All but the identity may be changed."""
        await api.make(path, Identity="smee")
        when = "2016-03-24T21:05:52Z"
        role = (await roles(api, ours))["channel admin"]
        changed = await api.change(
            f"{path}/smee",
            Identity="hook",
            RoleSid=role,
            LastConsumedMessageIndex="20",
            LastConsumptionTimestamp=when,
            Attributes='{"b":2}',
            DateCreated=when,
            DateUpdated=when,
        )
        assert (changed["identity"], changed["role_sid"]) == ("smee", role)
        assert (changed["last_consumed_message_index"], changed["last_consumption_timestamp"]) == (20, when)
        assert (changed["attributes"], changed["date_created"], changed["date_updated"]) == (
            '{"b":2}',
            when,
            when,
        )

    async def test_refusals(self, api: Client, ours: str, path: str) -> None:
        """What is wrong with a member is said with Chat's codes."""
        await api.make(path, Identity="smee")
        assert await api.refused("POST", path, Identity="smee") == (409, 50404)
        assert await api.refused("POST", path) == (400, 20001)
        assert await api.refused("POST", path, Identity="x" * 257) == (400, 50207)
        assert await api.refused("POST", path, Identity="hook", RoleSid=ROLE) == (400, 50100)
        wrong = (await roles(api, ours))["service user"]
        assert await api.refused("POST", path, Identity="hook", RoleSid=wrong) == (400, 50101)
        assert await api.refused("POST", f"{path}/smee", RoleSid=wrong) == (400, 50101)
        assert await api.refused("POST", f"{path}/smee", LastConsumedMessageIndex="x") == (400, 50406)
        assert await api.refused("POST", f"{path}/smee", LastConsumptionTimestamp="x") == (400, 50405)
        assert await api.refused("GET", f"{path}?Identity={'x' * 257}") == (400, 50207)


class TestInvites:
    """Invites, which Conversations does not know."""

    @pytest.fixture
    async def path(self, api: Client, chat: str, channel: str) -> str:
        """The path of the channel's invites, to which two users may come."""
        for who in ("smee", "hook"):
            await api.make(f"{chat}/Users", Identity=who)
        return f"{chat}/Channels/{channel}/Invites"

    async def test_shape(self, api: Client, service: str, ours: str, channel: str, path: str) -> None:
        """An invite shows the role that the member will have."""
        made = await api.make(path, Identity="smee")
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "channel_sid": channel,
            "identity": "smee",
            "role_sid": (await roles(api, ours))["channel user"],
            "created_by": "system",
            "url": f"{api.origin}{path}/{made['sid']}",
        }
        assert re.fullmatch("IN[0-9a-f]{32}", made["sid"])
        assert await api.show(f"{path}/{made['sid']}") == made

    async def test_list_and_delete(self, api: Client, path: str) -> None:
        """Invites are listed, all or those of some identities, and taken back."""
        smee, hook = [(await api.make(path, Identity=who))["sid"] for who in ("smee", "hook")]
        assert await api.sids(path) == [smee, hook]
        assert await api.sids(f"{path}?Identity=hook&Identity=nobody") == [hook]
        assert await api.refused("POST", f"{path}/{hook}") == (405, 20004)
        await api.drop(f"{path}/{hook}")

    async def test_is_used_up(self, api: Client, ours: str, path: str) -> None:
        """Who becomes a member has the role of the invite, which is gone."""
        role = (await roles(api, ours))["channel admin"]
        await api.make(path, Identity="smee", RoleSid=role)
        member = await api.make(path.replace("Invites", "Members"), Identity="smee")
        assert member["role_sid"] == role
        assert await api.sids(path) == []

    async def test_refusals(self, api: Client, ours: str, path: str) -> None:
        """An invite is for a user that there is, that has none, and that is no member."""
        await api.make(path, Identity="smee")
        assert await api.refused("POST", path, Identity="smee") == (409, 50212)
        assert await api.refused("POST", path, Identity="nobody") == (404, 50200)
        assert await api.refused("POST", path) == (400, 20001)
        await api.make(path.replace("Invites", "Members"), Identity="hook")
        assert await api.refused("POST", path, Identity="hook") == (409, 50404)
        await api.drop(f"{path.replace('Invites', 'Members')}/hook")
        wrong = (await roles(api, ours))["service user"]
        assert await api.refused("POST", path, Identity="hook", RoleSid=wrong) == (400, 50101)


class TestMessages:
    """Messages."""

    async def test_all_verbs(self, api: Client, service: str, chat: str, ours: str, channel: str) -> None:
        """A message has its index and SID in both APIs."""
        path = f"{chat}/Channels/{channel}/Messages"
        made = await api.make(path, Body="Hello", From="smee")
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "to": channel,
            "channel_sid": channel,
            "last_updated_by": None,
            "was_edited": False,
            "from": "smee",
            "attributes": "{}",
            "body": "Hello",
            "index": 0,
            "type": "text",
            "media": None,
            "url": f"{api.origin}{path}/{made['sid']}",
        }
        theirs = await api.make(f"{ours}/Conversations/{channel}/Messages", Body="Ahoy")
        assert (await api.show(f"{path}/{theirs['sid']}"))["index"] == theirs["index"] == 1
        assert await api.sids(f"{path}?Order=desc") == [theirs["sid"], made["sid"]]
        edited = await api.change(f"{path}/{made['sid']}", Body="Bye", LastUpdatedBy="hook")
        assert (edited["was_edited"], edited["last_updated_by"]) == (True, "hook")
        assert (await api.show(f"{ours}/Conversations/{channel}/Messages/{made['sid']}"))["body"] == "Bye"
        assert await api.refused("POST", path, Body="x", LastUpdatedBy="x" * 257) == (400, 50505)
        await api.drop(f"{path}/{made['sid']}")


class TestUsers:
    """Users, and what they have."""

    async def test_all_verbs(self, api: Client, service: str, chat: str, ours: str, channel: str) -> None:
        """A user is one in both APIs, and counts its channels here."""
        path = f"{chat}/Users"
        made = await api.make(path, Identity="smee", FriendlyName="Smee", Attributes='{"a":1}')
        url = f"{api.origin}{path}/{made['sid']}"
        expected = {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "role_sid": (await roles(api, ours))["service user"],
            "identity": "smee",
            "friendly_name": "Smee",
            "attributes": '{"a":1}',
            "is_online": None,
            "is_notifiable": None,
            "joined_channels_count": 0,
            "url": url,
            "links": {"user_channels": f"{url}/Channels", "user_bindings": f"{url}/Bindings"},
        }
        assert without_dates(made) == expected
        assert await api.refused("POST", path, Identity="smee") == (409, 50201)
        public = await api.make(f"{chat}/Channels")
        for joined in (channel, public["sid"]):
            await api.make(f"{chat}/Channels/{joined}/Members", Identity="smee")
        assert without_dates(await api.show(f"{path}/smee")) == {**expected, "joined_channels_count": 2}
        admin = (await roles(api, ours))["service admin"]
        changed = await api.change(f"{path}/smee", FriendlyName="Mr Smee", RoleSid=admin, Attributes="{}")
        assert (changed["friendly_name"], changed["role_sid"]) == ("Mr Smee", admin)
        assert (await api.show(f"{ours}/Users/smee"))["friendly_name"] == "Mr Smee"
        assert await api.sids(path) == await api.sids(f"{ours}/Users") == [made["sid"]]
        await api.drop(f"{path}/smee")
        assert await api.sids(f"{ours}/Users") == []

    async def test_channels(self, api: Client, service: str, chat: str, ours: str, channel: str) -> None:
        """A user's channels show how far it has read, can be changed, and be left."""
        member = await api.make(f"{chat}/Channels/{channel}/Members", Identity="smee")
        await api.make(f"{chat}/Channels/{channel}/Messages", Body="one")
        await api.make(f"{chat}/Channels/{channel}/Messages", Body="two")
        user = await api.show(f"{chat}/Users/smee")
        path = f"{chat}/Users/{user['sid']}/Channels"
        room = f"{api.origin}{chat}/Channels/{channel}"
        expected = {
            "account_sid": ACCOUNT,
            "service_sid": service,
            "channel_sid": channel,
            "user_sid": user["sid"],
            "member_sid": member["sid"],
            "status": "joined",
            "last_consumed_message_index": None,
            "unread_messages_count": None,
            "notification_level": "default",
            "url": f"{api.origin}{path}/{channel}",
            "links": {"channel": room, "member": f"{room}/Members/{member['sid']}"},
        }
        assert (await api.show(path))["channels"] == [expected]
        changed = await api.change(
            f"{path}/{channel}",
            NotificationLevel="muted",
            LastConsumedMessageIndex="0",
            LastConsumptionTimestamp="2016-03-24T21:05:52Z",
        )
        assert changed == await api.show(f"{path}/{channel}")
        assert changed == {
            **expected,
            "last_consumed_message_index": 0,
            "unread_messages_count": 1,
            "notification_level": "muted",
        }
        seen = await api.show(f"{ours}/Users/smee/Conversations/{channel}")
        assert (seen["notification_level"], seen["unread_messages_count"]) == ("muted", 1)
        assert seen["last_read_message_index"] == 0
        await api.drop(f"{path}/{channel}")
        assert await api.sids(f"{chat}/Channels/{channel}/Members") == []

    async def test_public_channels(self, api: Client, chat: str, ours: str) -> None:
        """A public channel is one of a user's here, and no conversation of it."""
        public = (await api.make(f"{chat}/Channels"))["sid"]
        await api.make(f"{chat}/Channels/{public}/Members", Identity="smee")
        assert [
            one["channel_sid"] for one in (await api.show(f"{chat}/Users/smee/Channels"))["channels"]
        ] == [public]
        assert (await api.show(f"{ours}/Users/smee/Conversations"))["conversations"] == []

    async def test_bad_values(self, api: Client, chat: str, channel: str) -> None:
        """What is no value of a user's channel is refused."""
        await api.make(f"{chat}/Channels/{channel}/Members", Identity="smee")
        path = f"{chat}/Users/smee/Channels/{channel}"
        assert await api.refused("POST", path, NotificationLevel="loud") == (400, 50210)
        assert await api.refused("POST", path, LastConsumedMessageIndex="x") == (400, 50406)


class TestBindings:
    """Bindings, of a service and of a user."""

    @pytest.fixture
    def service(self, emulator: Emulator) -> str:
        """The SID of a service with a device of a user."""
        device = {"sid": DEVICE, "identity": "mr smee", "endpoint": "a phone", "binding_type": "fcm"}
        seeded = {"sid": SERVICE, "friendly_name": "Ahoy", "bindings": [device]}
        emulator.seed({"services": [{**seeded, "users": [{"sid": USER, "identity": "mr smee"}]}]})
        return SERVICE

    async def test_of_a_service(self, api: Client, service: str, chat: str, ours: str) -> None:
        """A binding speaks of channels here, links to its user, and is that of Conversations."""
        path = f"{chat}/Bindings"
        fetched = await api.show(f"{path}/{DEVICE}")
        assert without_dates(fetched) == {
            "sid": DEVICE,
            "account_sid": ACCOUNT,
            "service_sid": service,
            "endpoint": "a phone",
            "identity": "mr smee",
            "binding_type": "fcm",
            "credential_sid": None,
            "message_types": [
                "removed_from_channel",
                "new_message",
                "added_to_channel",
                "invited_to_channel",
            ],
            "url": f"{api.origin}{path}/{DEVICE}",
            "links": {"user": f"{api.origin}{chat}/Users/mr%20smee"},
        }
        assert (await api.show(path))["bindings"] == [fetched]
        assert await api.sids(f"{path}?BindingType=apn&BindingType=fcm&Identity=mr%20smee") == [DEVICE]
        assert await api.sids(f"{path}?BindingType=apn") == []
        await api.drop(f"{path}/{DEVICE}")
        assert await api.sids(f"{ours}/Bindings") == []

    async def test_of_a_user(self, api: Client, service: str, chat: str) -> None:
        """A user's bindings are those of its identity."""
        path = f"{chat}/Users/{USER}/Bindings"
        fetched = await api.show(f"{path}/{DEVICE}")
        assert (fetched["user_sid"], fetched["service_sid"]) == (USER, service)
        assert fetched["url"] == f"{api.origin}{path}/{DEVICE}"
        assert (await api.show(path))["bindings"] == [fetched]
        assert await api.sids(f"{path}?BindingType=apn&BindingType=fcm") == [DEVICE]
        await api.make(f"{chat}/Users", Identity="hook")
        assert await api.sids(f"{chat}/Users/hook/Bindings") == []
        await api.drop(f"{path}/{DEVICE}")
        assert await api.sids(f"{chat}/Bindings") == []


class TestRoles:
    """Roles, whose types and permissions have older names."""

    async def test_all_verbs(self, api: Client, service: str, chat: str, ours: str) -> None:
        """A role that is made here shows in Conversations, in its words."""
        path = f"{chat}/Roles"
        made = await api.make(
            path, FriendlyName="mate", Type="channel", Permission=["addMember", "sendMessage"]
        )
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "friendly_name": "mate",
            "type": "channel",
            "permissions": ["addMember", "sendMessage"],
            "url": f"{api.origin}{path}/{made['sid']}",
        }
        seen = await api.show(f"{ours}/Roles/{made['sid']}")
        assert (seen["type"], seen["permissions"]) == ("conversation", ["addParticipant", "sendMessage"])
        changed = await api.change(f"{path}/{made['sid']}", Permission="destroyChannel")
        assert changed["permissions"] == ["destroyChannel"]
        assert await api.show(f"{path}/{made['sid']}") == changed
        assert await api.sids(path) == await api.sids(f"{ours}/Roles")
        await api.drop(f"{path}/{made['sid']}")

    async def test_of_conversations(self, api: Client, chat: str, ours: str) -> None:
        """A role that is made in Conversations shows here, in Chat's words."""
        made = await api.make(
            f"{ours}/Roles", FriendlyName="x", Type="service", Permission="createConversation"
        )
        seen = await api.show(f"{chat}/Roles/{made['sid']}")
        assert (seen["type"], seen["permissions"]) == ("deployment", ["createChannel"])

    async def test_refusals(self, api: Client, chat: str) -> None:
        """The words of Conversations are none of Chat's."""
        form: dict[str, Any] = {"FriendlyName": "x", "Type": "channel", "Permission": "addMember"}
        path = f"{chat}/Roles"
        assert await api.refused("POST", path, **{**form, "Type": "conversation"}) == (400, 50105)
        assert await api.refused("POST", path, **{**form, "Permission": "addParticipant"}) == (400, 50104)
        assert await api.refused("POST", path, **{**form, "Permission": "createChannel"}) == (400, 50104)
        assert await api.refused("POST", path, FriendlyName="x", Type="channel") == (400, 20001)
        default = (await api.show(chat))["default_channel_role_sid"]
        assert await api.refused("DELETE", f"{path}/{default}") == (403, 20403)


class TestCredentials:
    """Credentials, which are the account's."""

    async def test_all_verbs(self, api: Client) -> None:
        """A credential is one in both APIs."""
        made = await api.make("/v2/Credentials", Type="fcm", FriendlyName="push", Secret="hush")
        assert without_dates(made).items() >= {"friendly_name": "push", "type": "fcm"}.items()
        assert made["url"] == f"{api.origin}/v2/Credentials/{made['sid']}"
        assert "hush" not in str(made)
        changed = await api.change(f"/v2/Credentials/{made['sid']}", FriendlyName="pull")
        assert changed == await api.show(f"/v2/Credentials/{made['sid']}")
        assert (await api.show(f"/v1/Credentials/{made['sid']}"))["friendly_name"] == "pull"
        assert await api.sids("/v2/Credentials") == [made["sid"]]
        await api.drop(f"/v2/Credentials/{made['sid']}")
        assert await api.sids("/v1/Credentials") == []


class TestWebhooks:
    """Webhooks of one channel."""

    URL = "http://127.0.0.1:9/hook"

    @pytest.fixture
    def path(self, chat: str, channel: str) -> str:
        """The path of the channel's webhooks."""
        return f"{chat}/Channels/{channel}/Webhooks"

    def form(self, **more: Any) -> dict[str, Any]:
        """What makes a webhook, with something else in it."""
        given = {"Type": "webhook", "Configuration.Url": self.URL, "Configuration.Filters": "onMessageSent"}
        return given | {name.replace("__", "."): value for name, value in more.items()}

    async def test_all_verbs(self, api: Client, service: str, ours: str, channel: str, path: str) -> None:
        """A webhook keeps the events of either API, and is one in both."""
        events = ["onMessageSent", "onChannelDestroyed", "onParticipantAdded"]
        made = await api.make(path, **self.form(Configuration__Filters=events, Configuration__RetryCount="2"))
        assert without_dates(made) == {
            "sid": made["sid"],
            "account_sid": ACCOUNT,
            "service_sid": service,
            "channel_sid": channel,
            "type": "webhook",
            "configuration": {"url": self.URL, "method": "POST", "filters": events, "retry_count": 2},
            "url": f"{api.origin}{path}/{made['sid']}",
        }
        changed = await api.change(
            f"{path}/{made['sid']}", Configuration__Method="GET", Configuration__RetryCount="5"
        )
        assert (changed["configuration"]["method"], changed["configuration"]["retry_count"]) == ("GET", 3)
        assert await api.show(f"{path}/{made['sid']}") == changed
        seen = await api.show(f"{ours}/Conversations/{channel}/Webhooks/{made['sid']}")
        assert (seen["target"], seen["configuration"]["url"]) == ("webhook", self.URL)
        page = await api.show(path)
        assert (page["webhooks"], page["meta"]["page_size"]) == ([changed], 5)
        await api.drop(f"{path}/{made['sid']}")

    async def test_other_types(self, api: Client, ours: str, channel: str, path: str) -> None:
        """A trigger shows its keywords, a flow its SID, and no webhook its replay."""
        trigger = self.form(Type="trigger", Configuration__Triggers=["ahoy", "avast"])
        shown = (await api.make(path, **trigger))["configuration"]
        assert (shown["filters"], shown["retry_count"]) == (["ahoy", "avast"], 0)
        flow = await api.make(path, Type="studio", Configuration__FlowSid=FLOW)
        assert (flow["type"], flow["configuration"]) == ("studio", {"flow_sid": FLOW})
        theirs = await api.make(
            f"{ours}/Conversations/{channel}/Webhooks",
            Target="webhook",
            Configuration__Url=self.URL,
            Configuration__Filters="onMessageAdded",
            Configuration__ReplayAfter="0",
        )
        shown = (await api.show(f"{path}/{theirs['sid']}"))["configuration"]
        assert shown == {"url": self.URL, "method": "POST", "filters": ["onMessageAdded"], "retry_count": 0}

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({"Type": "nonsense"}, 50324),
            ({"Type": []}, 50328),
            ({"Configuration.Url": []}, 50329),
            ({"Configuration.Url": "http://127.0.0.1/" + "x" * 2048}, 50332),
            ({"Configuration.Url": "nonsense"}, 20001),
            ({"Configuration.Method": "PUT"}, 50055),
            ({"Configuration.Filters": "nonsense"}, 50325),
            ({"Configuration.Filters": []}, 50330),
            ({"Configuration.RetryCount": "x"}, 50065),
            ({"Type": "trigger"}, 50331),
            ({"Type": "trigger", "Configuration.Triggers": ""}, 50326),
            ({"Type": "trigger", "Configuration.Triggers": list("abcdef")}, 50322),
            ({"Type": "studio", "Configuration.FlowSid": "nonsense"}, 50327),
        ],
    )
    async def test_refusals(self, api: Client, path: str, form: dict[str, Any], code: int) -> None:
        """What is wrong with a webhook is said with Chat's codes."""
        assert await api.refused("POST", path, **self.form(**form)) == (400, code)

    async def test_most(self, api: Client, ours: str, channel: str, path: str) -> None:
        """A channel has five webhooks at most, and a closed one takes none."""
        for _ in range(5):
            await api.make(path, **self.form())
        assert await api.refused("POST", path, **self.form()) == (400, 50321)
        await api.change(f"{ours}/Conversations/{channel}", State="closed")
        assert await api.refused("POST", path, **self.form()) == (400, 50377)


async def test_webhooks_tell_in_the_words_of_conversations(
    emulator: Emulator, api: Client, chat: str, ours: str
) -> None:
    """What happens in Chat is told to the webhooks of Conversations, and to those of the channel."""

    async def hear(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/{layer}", hear)
    async with TestServer(app) as ear:
        await api.change(f"{ours}/Configuration/Webhooks", PostWebhookUrl=str(ear.make_url("/service")))
        made = await api.make(f"{chat}/Channels", UniqueName="a")
        await api.make(
            f"{chat}/Channels/a/Webhooks",
            Type="webhook",
            Configuration__Url=str(ear.make_url("/channel")),
            Configuration__Filters=["onParticipantRemoved", "onMessageSent"],
        )
        await api.make(f"{chat}/Channels/a/Members", Identity="smee")
        await api.make(f"{chat}/Channels/a/Messages", Body="Ahoy")
        await api.change(f"{chat}/Channels/a", FriendlyName="A")
        await api.change(f"{chat}/Users/smee", FriendlyName="Smee")
        await api.drop(f"{chat}/Users/smee/Channels/a")
        await api.drop(f"{chat}/Channels/a")
        await emulator.settled()
    told = {
        layer: [call for call in emulator.webhooks if layer in str(call.url)]
        for layer in ("service", "channel")
    }
    assert sorted(call.event for call in told["service"]) == [
        "onConversationAdded",
        "onConversationRemoved",
        "onConversationUpdated",
        "onMessageAdded",
        "onParticipantAdded",
        "onParticipantRemoved",
        "onUserAdded",
        "onUserUpdated",
    ]
    assert {call.form["ConversationSid"] for call in told["service"] if "User" not in call.event} == {
        made["sid"]
    }
    assert [call.event for call in told["channel"]] == ["onParticipantRemoved"]


async def test_operations_have_names(emulator: Emulator, api: Client, chat: str, channel: str) -> None:
    """Operations of Chat are told from those of Conversations by their names."""
    await api.show(f"{chat}/Channels/{channel}")
    await api.make(f"{chat}/Channels/{channel}/Members", Identity="smee")
    await api.show(f"{chat}/Users/smee/Channels")
    await api.change(f"{chat.replace('v2', 'v3')}/Channels/{channel}", Type="private")
    assert [request.operation for request in emulator.requests][-4:] == [
        "chat.channels.fetch",
        "chat.members.create",
        "chat.user_channels.list",
        "chat.v3.channels.update",
    ]


async def test_writes_count_as_in_conversations() -> None:
    """Where writes are limited, those to a service's channels and users count for it."""
    app = create_app(clock=lambda: 1_700_000_000_000, limits=Limits(per_service=2, per_conversation=1))
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        api = Client(session, str(server.make_url("")).rstrip("/"))
        chat = f"/v2/Services/{(await api.sids('/v2/Services'))[0]}"
        await api.make(f"{chat}/Channels", UniqueName="a")
        await api.make(f"{chat}/Users", Identity="smee")
        assert await api.refused("POST", f"{chat}/Channels") == (429, 50063)
        assert await api.refused("DELETE", f"{chat}/Users/smee") == (429, 50063)
        await api.make(f"{chat}/Channels/a/Members", Identity="smee")
        assert await api.refused("POST", f"{chat}/Channels/a") == (429, 50063)
