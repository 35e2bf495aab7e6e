"""The emulator serves configuration, webhooks, push and the views of participants, over real sockets."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from multidict import MultiDict

from conversations_async.emulator import Emulator
from conversations_async.emulator.acts import Act
from conversations_async.emulator.events import EVENTS
from conversations_async.emulator.handlers import make
from conversations_async.emulator.resources.bindings import BINDINGS
from conversations_async.emulator.store import Store

from .conftest import ACCOUNT_SID
from .raw import Answer, Api, sids

HOOK = "https://hook.example/told"
FLOW = "FW" + "f" * 32
NOBODY = "IS" + "0" * 32
PHONE, OURS = "+15558675310", "+15017122661"
WITHIN = [
    "onConversationRemoved",
    "onConversationUpdated",
    "onConversationStateUpdated",
    "onMessageAdded",
    "onMessageRemoved",
    "onMessageUpdated",
    "onParticipantAdded",
    "onParticipantRemoved",
    "onParticipantUpdated",
    "onDeliveryUpdated",
]


class Client(Api):
    """The client without any cleverness, but for lists: they repeat the name."""

    async def post(self, path: str, /, **form: Any) -> Answer:
        """Create or update; two underscores stand for a dot."""
        pairs: Any = MultiDict(
            (name.replace("__", "."), value)
            for name, given in form.items()
            for value in (given if isinstance(given, list) else [given])
        )
        return await self.call("POST", path, pairs)

    async def make(self, path: str, /, **form: Any) -> Any:
        """Create something that must come out."""
        return await super().make(path, **form)

    async def change(self, path: str, /, **form: Any) -> Any:
        """Update something that must come out."""
        return await super().change(path, **form)


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Client]:
    """The client of the emulator."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Client(session, emulator.url)


@pytest.fixture
async def service(api: Client) -> str:
    """The SID of the default service."""
    (service,) = sids(await api.show("/v1/Services"))
    return service


@pytest.fixture
async def room(api: Client) -> Any:
    """A conversation."""
    return await api.make("/v1/Conversations", UniqueName="room", FriendlyName="Room")


class TestConfiguration:
    """The configuration of the account."""

    async def test_shape(self, api: Client, service: str) -> None:
        """It shows the default service, and no defaults where none were set."""
        assert await api.show("/v1/Configuration") == {
            "account_sid": ACCOUNT_SID,
            "default_chat_service_sid": service,
            "default_messaging_service_sid": None,
            "default_inactive_timer": None,
            "default_closed_timer": None,
            "url": f"{api.origin}/v1/Configuration",
            "links": {
                "service": f"{api.origin}/v1/Services/{service}/Configuration",
                "webhooks": f"{api.origin}/v1/Configuration/Webhooks",
            },
        }

    async def test_defaults(self, api: Client) -> None:
        """What is set is kept as it was written, and new conversations take it."""
        messaging = "MG" + "e" * 32
        given = {"DefaultInactiveTimer": "PT1M", "DefaultClosedTimer": "PT600S"}
        shown = await api.change("/v1/Configuration", **given, DefaultMessagingServiceSid=messaging)
        assert (shown["default_inactive_timer"], shown["default_closed_timer"]) == ("PT1M", "PT600S")
        made = await api.make("/v1/Conversations")
        assert made["messaging_service_sid"] == messaging
        assert made["timers"].keys() == {"date_inactive", "date_closed"}
        shown = await api.change("/v1/Configuration", DefaultInactiveTimer="")
        assert (shown["default_inactive_timer"], shown["default_closed_timer"]) == (None, "PT600S")
        assert (await api.make("/v1/Conversations"))["timers"].keys() == {"date_closed"}

    async def test_default_service(self, api: Client, service: str, room: Any) -> None:
        """Another service becomes the default one: paths that name none lead to it."""
        other = (await api.make("/v1/Services", FriendlyName="Other"))["sid"]
        for _ in range(2):
            shown = await api.change("/v1/Configuration", DefaultChatServiceSid=other)
            assert shown["default_chat_service_sid"] == other
            assert shown["links"]["service"] == f"{api.origin}/v1/Services/{other}/Configuration"
        assert (await api.get("/v1/Conversations/room")).refusal == (404, 20404)
        assert (await api.make("/v1/Conversations"))["chat_service_sid"] == other
        assert (await api.delete(f"/v1/Services/{other}")).refusal == (403, 20403)
        assert (await api.delete(f"/v1/Services/{service}")).status == 204

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("DefaultChatServiceSid", NOBODY, 50050),
            ("DefaultChatServiceSid", "x", 20001),
            ("DefaultMessagingServiceSid", "x", 50341),
            ("DefaultInactiveTimer", "PT59S", 50375),
            ("DefaultInactiveTimer", "x", 50379),
            ("DefaultClosedTimer", "PT9M", 50376),
            ("DefaultClosedTimer", "x", 50380),
        ],
    )
    async def test_refused(self, api: Client, name: str, value: str, code: int) -> None:
        """A default that cannot be one is refused with its code, and nothing is changed."""
        before = await api.show("/v1/Configuration")
        assert (await api.post("/v1/Configuration", **{name: value})).refusal == (400, code)
        assert await api.show("/v1/Configuration") == before

    async def test_is_always_there(self, api: Client, service: str) -> None:
        """A configuration can be neither made nor deleted."""
        for path in ("/v1/Configuration", f"/v1/Services/{service}/Configuration"):
            for below in ("", "/Webhooks"):
                assert (await api.delete(path + below)).refusal == (405, 20004)


class TestServiceConfiguration:
    """The configuration of a service."""

    async def test_shape(self, api: Client, service: str) -> None:
        """It shows the roles that the service gives, and where to read on."""
        path = f"/v1/Services/{service}/Configuration"
        names = {role["sid"]: role["friendly_name"] for role in (await api.show("/v1/Roles"))["roles"]}
        shown = await api.show(path)
        assert shown == {
            "chat_service_sid": service,
            "default_conversation_creator_role_sid": shown["default_conversation_creator_role_sid"],
            "default_conversation_role_sid": shown["default_conversation_role_sid"],
            "default_chat_service_role_sid": shown["default_chat_service_role_sid"],
            "reachability_enabled": False,
            "url": f"{api.origin}{path}",
            "links": {
                "notifications": f"{api.origin}{path}/Notifications",
                "webhooks": f"{api.origin}{path}/Webhooks",
            },
        }
        assert names[shown["default_conversation_creator_role_sid"]] == "channel admin"
        assert names[shown["default_conversation_role_sid"]] == "channel user"
        assert names[shown["default_chat_service_role_sid"]] == "service user"

    async def test_roles(self, api: Client, service: str, room: Any) -> None:
        """Users and participants get the roles that were set."""
        ours, theirs = await api.role("conversation"), await api.role("service")
        shown = await api.change(
            f"/v1/Services/{service}/Configuration",
            DefaultConversationCreatorRoleSid=ours,
            DefaultConversationRoleSid=ours,
            DefaultChatServiceRoleSid=theirs,
            ReachabilityEnabled="TRUE",
        )
        assert shown["default_conversation_creator_role_sid"] == ours
        assert shown["reachability_enabled"] is True
        assert (await api.make(room["links"]["participants"], Identity="alice"))["role_sid"] == ours
        alice = await api.show("/v1/Users/alice")
        # Nobody was ever online, nor had a device.
        assert (alice["role_sid"], alice["is_online"], alice["is_notifiable"]) == (theirs, None, None)

    @pytest.mark.parametrize(
        ("name", "kind", "code"),
        [
            ("DefaultConversationCreatorRoleSid", "service", 50106),
            ("DefaultConversationRoleSid", "service", 50109),
            ("DefaultChatServiceRoleSid", "conversation", 50102),
        ],
    )
    async def test_no_such_role(self, api: Client, service: str, name: str, kind: str, code: int) -> None:
        """A role of another type, of another service, of none, and what is no SID, are refused alike."""
        other = (await api.make("/v1/Services", FriendlyName="Other"))["sid"]
        foreign = sids(await api.show(f"/v1/Services/{other}/Roles"))
        for sid in (await api.role(kind), *foreign, "RL" + "0" * 32, "x"):
            answer = await api.post(f"/v1/Services/{service}/Configuration", **{name: sid})
            assert answer.refusal == (400, code)

    async def test_no_flag(self, api: Client, service: str) -> None:
        """What is neither true nor false is refused."""
        answer = await api.post(f"/v1/Services/{service}/Configuration", ReachabilityEnabled="yes")
        assert answer.refusal == (400, 20001)


class TestWebhookConfiguration:
    """Where the account, and a service, send their webhooks."""

    async def test_account(self, api: Client) -> None:
        """The account shows what was set, and a target."""
        empty = {
            "account_sid": ACCOUNT_SID,
            "pre_webhook_url": None,
            "post_webhook_url": None,
            "method": None,
            "filters": None,
            "target": "webhook",
            "url": f"{api.origin}/v1/Configuration/Webhooks",
        }
        assert await api.show("/v1/Configuration/Webhooks") == empty
        shown = await api.change(
            "/v1/Configuration/Webhooks",
            Method="get",
            Filters=["ONMESSAGEADDED", "onUserUpdate", "onMessageAdded"],
            PreWebhookUrl=HOOK,
            PostWebhookUrl=HOOK + "#rc=2",
            Target="FLEX",
        )
        assert shown == {
            **empty,
            "pre_webhook_url": HOOK,
            "post_webhook_url": HOOK + "#rc=2",
            "method": "GET",
            "filters": ["onMessageAdded", "onUserUpdate"],
            "target": "flex",
        }
        assert await api.show("/v1/Configuration/Webhooks") == shown

    async def test_service(self, api: Client, service: str) -> None:
        """A service shows null for what was not set; an empty URL is none."""
        path = f"/v1/Services/{service}/Configuration/Webhooks"
        empty = {
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": service,
            "pre_webhook_url": None,
            "post_webhook_url": None,
            "method": None,
            "filters": None,
            "url": f"{api.origin}{path}",
        }
        assert await api.show(path) == empty
        shown = await api.change(path, PostWebhookUrl=HOOK, Method="POST", Filters=[*EVENTS], Target="flex")
        assert shown == {**empty, "post_webhook_url": HOOK, "method": "POST", "filters": [*EVENTS]}
        shown = await api.change(path, PostWebhookUrl="")
        assert shown == {**empty, "method": "POST", "filters": [*EVENTS]}
        assert (await api.show("/v1/Configuration/Webhooks"))["method"] is None

    async def test_is_called(self, api: Client, emulator: Emulator) -> None:
        """What was set here is what is called."""
        await api.change("/v1/Configuration/Webhooks", PostWebhookUrl=HOOK, Filters="onConversationAdded")
        headers = {"Authorization": api.authorization or "", "X-Twilio-Webhook-Enabled": "true"}
        async with api.session.post(f"{api.origin}/v1/Conversations", headers=headers) as answer:
            assert answer.status == 201
        assert [(call.event, call.url) for call in emulator.webhooks] == [("onConversationAdded", HOOK)]

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("Method", "PUT", 50055),
            ("Filters", "onMessageSent", 50054),
            ("Filters", "", 50054),
            ("PreWebhookUrl", "hook.example", 50054),
            ("PostWebhookUrl", "ftp://hook.example", 50054),
            ("PostWebhookUrl", "http://", 50054),
            ("PostWebhookUrl", "http://[", 50054),
        ],
    )
    async def test_refused(self, api: Client, service: str, name: str, value: str, code: int) -> None:
        """What cannot be called, or is no event, is refused with its code."""
        for path in ("/v1/Configuration/Webhooks", f"/v1/Services/{service}/Configuration/Webhooks"):
            assert (await api.post(path, **{name: value})).refusal == (400, code)

    async def test_no_such_target(self, api: Client) -> None:
        """There are two targets."""
        assert (await api.post("/v1/Configuration/Webhooks", Target="x")).refusal == (400, 20001)


class TestNotifications:
    """The push notifications of a service."""

    async def test_shape(self, api: Client, service: str) -> None:
        """Nothing is on from the start; what is set shows, and an empty text is none."""
        path = f"/v1/Services/{service}/Configuration/Notifications"
        nothing: dict[str, Any] = {"enabled": False, "template": None, "sound": None}
        media = {"enabled": False, "template": None}
        assert await api.show(path) == {
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": service,
            "log_enabled": False,
            "new_message": {**nothing, "badge_count_enabled": False, "with_media": media},
            "added_to_conversation": nothing,
            "removed_from_conversation": nothing,
            "url": f"{api.origin}{path}",
        }
        shown = await api.change(
            path,
            LogEnabled="true",
            NewMessage__Enabled="true",
            NewMessage__Template="${PARTICIPANT}: ${MESSAGE}",
            NewMessage__Sound="ring",
            NewMessage__BadgeCountEnabled="true",
            NewMessage__WithMedia__Enabled="true",
            NewMessage__WithMedia__Template="${MEDIA}",
            AddedToConversation__Template="Welcome",
            RemovedFromConversation__Sound="bell",
        )
        assert shown["log_enabled"] is True
        assert shown["new_message"] == {
            "enabled": True,
            "template": "${PARTICIPANT}: ${MESSAGE}",
            "sound": "ring",
            "badge_count_enabled": True,
            "with_media": {"enabled": True, "template": "${MEDIA}"},
        }
        assert shown["added_to_conversation"] == {**nothing, "template": "Welcome"}
        assert shown["removed_from_conversation"] == {**nothing, "sound": "bell"}
        shown = await api.change(path, NewMessage__Sound="")
        assert shown["new_message"]["sound"] is None
        assert await api.show(path) == shown

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("LogEnabled", "1", 20001),
            ("NewMessage.Template", "x" * 2049, 50058),
            ("NewMessage.WithMedia.Template", "x" * 2049, 50058),
            ("AddedToConversation.Sound", "x" * 257, 50059),
        ],
    )
    async def test_refused(self, api: Client, service: str, name: str, value: str, code: int) -> None:
        """What is too long, or no flag, is refused with its code."""
        path = f"/v1/Services/{service}/Configuration/Notifications"
        assert (await api.post(path, **{name: value})).refusal == (400, code)

    async def test_has_no_shortcut(self, api: Client) -> None:
        """The path names the service."""
        for path in ("/v1/Configuration/Notifications", "/v1/Bindings"):
            assert (await api.get(path)).refusal == (404, 20404)


class TestCredentials:
    """Push credentials."""

    async def test_shape(self, api: Client) -> None:
        """A credential is shown without its secrets, with its sandbox as a text."""
        made = await api.make(
            "/v1/Credentials", Type="ApN", FriendlyName="Phones", PrivateKey="hush", Sandbox="true"
        )
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "friendly_name": "Phones",
            "type": "apn",
            "sandbox": "True",
            "date_created": made["date_created"],
            "date_updated": made["date_updated"],
            "url": f"{api.origin}/v1/Credentials/{made['sid']}",
        }
        assert made["sid"].startswith("CR")
        changed = await api.change(made["url"], Type="FCM", Secret="hush", Sandbox="false", FriendlyName="")
        assert (changed["type"], changed["sandbox"], changed["friendly_name"]) == ("fcm", "False", None)
        assert await api.show(made["url"]) == changed
        assert (await api.show("/v1/Credentials"))["credentials"] == [changed]
        assert (await api.delete(made["url"])).status == 204
        assert (await api.get(made["url"])).refusal == (404, 20404)

    async def test_type_alone(self, api: Client) -> None:
        """Nothing but the type is needed."""
        made = await api.make("/v1/Credentials", Type="gcm")
        assert (made["type"], made["sandbox"], made["friendly_name"]) == ("gcm", "False", None)

    async def test_refused(self, api: Client) -> None:
        """No type, another one, a long name and a sandbox that is no flag are refused."""
        for form, code in (
            ({}, 20001),
            ({"Type": "x"}, 20001),
            ({"Type": "apn", "Sandbox": "x"}, 20001),
            ({"Type": "apn", "FriendlyName": "x" * 65}, 50003),
        ):
            assert (await api.post("/v1/Credentials", **form)).refusal == (400, code)


class TestAddresses:
    """Address configurations."""

    async def test_webhook(self, api: Client, service: str) -> None:
        """An address that adds a webhook shows it, with the method in capitals."""
        made = await api.make(
            "/v1/Configuration/Addresses",
            Address=OURS,
            Type="sMs",
            FriendlyName="Ours",
            AutoCreation__Enabled="true",
            AutoCreation__Type="webhook",
            AutoCreation__ConversationServiceSid=service,
            AutoCreation__WebhookUrl=HOOK,
            AutoCreation__WebhookMethod="post",
            AutoCreation__WebhookFilters=["onParticipantAdded", "onMessageAdded", "onMessageAdded"],
            AddressCountry="ca",
        )
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "address": OURS,
            "type": "sms",
            "friendly_name": "Ours",
            "address_country": "CA",
            "auto_creation": {
                "enabled": True,
                "type": "webhook",
                "conversation_service_sid": service,
                "webhook_url": HOOK,
                "webhook_method": "POST",
                "webhook_filters": ["onParticipantAdded", "onMessageAdded"],
            },
            "date_created": made["date_created"],
            "date_updated": made["date_updated"],
            "url": f"{api.origin}/v1/Configuration/Addresses/{made['sid']}",
        }
        assert made["sid"].startswith("IG")
        assert await api.show(f"/v1/Configuration/Addresses/{OURS}") == made
        assert await api.show(made["url"]) == made

    async def test_default(self, api: Client) -> None:
        """An address that adds nothing shows just that."""
        path = "/v1/Configuration/Addresses"
        made = await api.make(path, Address="a@hook.example", Type="email")
        assert made["auto_creation"] == {"enabled": False, "type": "default"}
        assert (made["friendly_name"], made["address_country"]) == (None, None)

    async def test_update(self, api: Client) -> None:
        """What an address adds may be changed; what the old type had is no longer shown."""
        path = "/v1/Configuration/Addresses"
        made = await api.make(
            path, Address=OURS, Type="sms", AutoCreation__Type="webhook", AutoCreation__WebhookUrl=HOOK
        )
        assert made["auto_creation"] == {
            "enabled": False,
            "type": "webhook",
            "webhook_url": HOOK,
            "webhook_method": "POST",
            "webhook_filters": WITHIN,
        }
        kept = await api.change(made["url"], FriendlyName="Ours", Address="+1", Type="rcs")
        assert kept["auto_creation"] == made["auto_creation"]
        assert (kept["address"], kept["type"], kept["friendly_name"]) == (OURS, "sms", "Ours")
        changed = await api.change(made["url"], AutoCreation__Type="STUDIO", AutoCreation__StudioFlowSid=FLOW)
        shown = {"enabled": False, "type": "studio", "studio_flow_sid": FLOW, "studio_retry_count": 0}
        assert changed["auto_creation"] == shown
        changed = await api.change(made["url"], AutoCreation__StudioRetryCount="3")
        assert changed["auto_creation"] == {**shown, "studio_retry_count": 3}
        assert (await api.delete(made["url"])).status == 204
        assert (await api.show(path))["address_configurations"] == []

    async def test_list(self, api: Client) -> None:
        """The list can be narrowed to one type, in any case."""
        path = "/v1/Configuration/Addresses"
        made = [
            (await api.make(path, Address=f"a{number}", Type=kind))["sid"]
            for number, kind in enumerate(["chat", "whatsapp", "chat"])
        ]
        assert sids(await api.show(path)) == made
        page = await api.show(f"{path}?Type=Chat&PageSize=1")
        assert sids(page) == made[:1]
        assert page["meta"]["url"] == f"{api.origin}{path}?Type=chat&PageSize=1&Page=0"
        assert sids(await api.show(page["meta"]["next_page_url"])) == made[2:]
        assert (await api.get(f"{path}?Type=x")).refusal == (400, 20001)

    async def test_is_unique(self, api: Client) -> None:
        """An address is configured once."""
        await api.make("/v1/Configuration/Addresses", Address=OURS, Type="sms")
        answer = await api.post("/v1/Configuration/Addresses", Address=OURS, Type="rcs")
        assert answer.refusal == (409, 20409)

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"Type": "fax"}, 20001),
            ({"Address": ""}, 20001),
            ({"Address": "x" * 257}, 20001),
            ({"FriendlyName": "x" * 257}, 50003),
            ({"AddressCountry": "USA"}, 20001),
            ({"AutoCreation__Enabled": "x"}, 20001),
            ({"AutoCreation__Type": "x"}, 20001),
            ({"AutoCreation__Type": "webhook"}, 20001),
            ({"AutoCreation__Type": "studio"}, 20001),
            ({"AutoCreation__ConversationServiceSid": "x"}, 20001),
            ({"AutoCreation__ConversationServiceSid": NOBODY}, 50050),
            ({"AutoCreation__WebhookUrl": "x"}, 20001),
            ({"AutoCreation__WebhookMethod": "PUT"}, 20001),
            ({"AutoCreation__WebhookFilters": "onMessageAdd"}, 20001),
            ({"AutoCreation__StudioFlowSid": "x"}, 20001),
            ({"AutoCreation__StudioRetryCount": "4"}, 20001),
        ],
    )
    async def test_refused(self, api: Client, more: dict[str, str], code: int) -> None:
        """What is missing, or cannot be, is refused with its code."""
        form = {"Address": OURS, "Type": "sms", **more}
        assert (await api.post("/v1/Configuration/Addresses", **form)).refusal == (400, code)
        assert (await api.post("/v1/Configuration/Addresses", Type="sms")).refusal == (400, 20001)


class TestBindings:
    """Push bindings, which mobile devices make."""

    @pytest.fixture
    def path(self, emulator: Emulator, service: str) -> str:
        """The path of the bindings of a service, which has three."""

        def bind(act: Act) -> None:
            above = {"services": act.store.get("services", is_default=1)}
            for identity, kind in (("alice", "APN"), ("alice", "fcm"), ("bob", "gcm")):
                form = {"Identity": [identity], "Endpoint": [f"{identity}-{kind}"], "BindingType": [kind]}
                if identity == "bob":
                    form |= {"CredentialSid": ["CR" + "a" * 32], "MessageTypes": ["NEW_MESSAGE"]}
                make(BINDINGS, act, above, form)

        emulator._engine.perform_now(bind)
        return f"/v1/Services/{service}/Bindings"

    async def test_shape(self, api: Client, path: str, service: str) -> None:
        """A binding shows whose it is and what it hears of, in the words of Conversations."""
        alice, _, bob = (await api.show(path))["bindings"]
        assert bob == {
            "sid": bob["sid"],
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": service,
            "date_created": bob["date_created"],
            "date_updated": bob["date_updated"],
            "endpoint": "bob-gcm",
            "identity": "bob",
            "binding_type": "gcm",
            "credential_sid": "CR" + "a" * 32,
            "message_types": ["new_message"],
            "url": f"{api.origin}{path}/{bob['sid']}",
        }
        assert (alice["binding_type"], alice["credential_sid"]) == ("apn", None)
        assert alice["message_types"] == ["removed_from_conversation", "new_message", "added_to_conversation"]
        assert await api.show(bob["url"]) == bob
        assert (await api.delete(bob["url"])).status == 204
        assert (await api.get(bob["url"])).refusal == (404, 20404)

    async def test_filters(self, api: Client, path: str) -> None:
        """Each filter takes several values, and both must hold."""

        async def endpoints(query: str) -> list[str]:
            return [binding["endpoint"] for binding in (await api.show(path + query))["bindings"]]

        assert await endpoints("?BindingType=apn&BindingType=GCM") == ["alice-APN", "bob-gcm"]
        assert await endpoints("?Identity=alice") == ["alice-APN", "alice-fcm"]
        assert await endpoints("?Identity=alice&Identity=bob&BindingType=fcm") == ["alice-fcm"]
        assert await endpoints("?Identity=carol") == []
        page = await api.show(f"{path}?Identity=alice&Identity=bob&PageSize=2")
        assert len(sids(await api.show(page["meta"]["next_page_url"]))) == 1
        assert (await api.get(f"{path}?BindingType=fax")).refusal == (400, 50209)

    async def test_cannot_be_made(self, api: Client, path: str) -> None:
        """No request makes or changes a binding."""
        assert (await api.post(path, Identity="a", Endpoint="b", BindingType="fcm")).refusal == (405, 20004)
        (first, *_) = (await api.show(path))["bindings"]
        assert (await api.post(first["url"], Identity="a")).refusal == (405, 20004)


class TestWebhooks:
    """The webhooks of one conversation."""

    @pytest.fixture
    def path(self, room: Any) -> str:
        """Their path."""
        return str(room["links"]["webhooks"])

    async def test_webhook(self, api: Client, room: Any, path: str) -> None:
        """A webhook shows its URL, its method in small letters, and what it listens to."""
        made = await api.make(
            path,
            Target="Webhook",
            Configuration__Url=HOOK,
            Configuration__Method="GET",
            Configuration__Filters=["onmessageadded", *WITHIN],
        )
        shown = {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "conversation_sid": room["sid"],
            "target": "webhook",
            "configuration": {
                "url": HOOK,
                "method": "get",
                "filters": ["onMessageAdded", *(name for name in WITHIN if name != "onMessageAdded")],
            },
            "date_created": made["date_created"],
            "date_updated": made["date_updated"],
            "url": f"{path}/{made['sid']}",
        }
        assert made == shown
        assert made["sid"].startswith("WH")
        assert await api.show(made["url"]) == made
        service = room["chat_service_sid"]
        path = f"{api.origin}/v1/Services/{service}/Conversations/room/Webhooks/{made['sid']}"
        url = path.replace("/room/", f"/{room['sid']}/")
        assert await api.show(path) == {**shown, "chat_service_sid": service, "url": url}

    async def test_trigger_and_studio(self, api: Client, path: str) -> None:
        """A trigger shows its keywords as filters, and a flow shows nothing but itself."""
        trigger = await api.make(
            path, Target="trigger", Configuration__Url=HOOK, Configuration__Triggers=["help", "stop"]
        )
        assert trigger["configuration"] == {"url": HOOK, "method": "post", "filters": ["help", "stop"]}
        studio = await api.make(path, Target="studio", Configuration__FlowSid=FLOW)
        assert studio["configuration"] == {"flow_sid": FLOW}
        page = await api.show(path)
        assert page["webhooks"] == [trigger, studio]
        assert page["meta"]["url"] == f"{path}?PageSize=5&Page=0"

    async def test_update(self, api: Client, path: str) -> None:
        """All but the target and the replay may be changed; what is needed cannot be taken away."""
        made = await api.make(path, Target="trigger", Configuration__Url=HOOK, Configuration__Triggers="help")
        changed = await api.change(
            made["url"],
            Target="studio",
            Configuration__Method="get",
            Configuration__Triggers=["stop"],
            Configuration__ReplayAfter="0",
        )
        assert changed["target"] == "trigger"
        assert changed["configuration"] == {"url": HOOK, "method": "get", "filters": ["stop"]}
        assert (await api.post(made["url"], Configuration__Url="")).refusal == (400, 50369)
        answer = await api.post(made["url"], Configuration__Triggers=[str(n) for n in range(6)])
        assert answer.refusal == (400, 50362)
        assert await api.show(made["url"]) == changed
        assert (await api.delete(made["url"])).status == 204
        assert (await api.get(made["url"])).refusal == (404, 20404)

    async def test_five_at_most(self, api: Client, path: str) -> None:
        """A conversation has five webhooks at the most."""
        made = [
            await api.make(path, Target="studio", Configuration__FlowSid=FLOW, Configuration__Url=HOOK)
            for _ in range(5)
        ]
        answer = await api.post(path, Target="studio", Configuration__FlowSid=FLOW)
        assert answer.refusal == (400, 50361)
        await api.delete(made[0]["url"])
        await api.make(path, Target="studio", Configuration__FlowSid=FLOW)

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, 50368),
            ({"Target": "x"}, 50364),
            ({"Target": "webhook", "Filters": "onMessageAdded"}, 50369),
            ({"Target": "webhook", "Url": HOOK}, 50370),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onMessageSent"}, 50365),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onMessageAdd"}, 50365),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onConversationAdded"}, 50365),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onUserAdded"}, 50365),
            ({"Target": "webhook", "Url": HOOK + "x" * 2048, "Filters": "onMessageAdded"}, 50372),
            ({"Target": "webhook", "Url": "x", "Filters": "onMessageAdded"}, 20001),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onMessageAdded", "Method": "PUT"}, 50055),
            ({"Target": "webhook", "Url": HOOK, "Filters": "onMessageAdded", "ReplayAfter": "x"}, 20001),
            ({"Target": "trigger", "Triggers": "help"}, 50369),
            ({"Target": "trigger", "Url": HOOK}, 50371),
            ({"Target": "trigger", "Url": HOOK, "Triggers": ""}, 50366),
            ({"Target": "trigger", "Url": HOOK, "Triggers": list("abcdef")}, 50362),
            ({"Target": "studio"}, 50367),
            ({"Target": "studio", "FlowSid": "x"}, 50367),
        ],
    )
    async def test_refused(self, api: Client, path: str, form: dict[str, Any], code: int) -> None:
        """What is missing, or cannot be, is refused with its code."""
        form = {name if name == "Target" else f"Configuration__{name}": form[name] for name in form}
        assert (await api.post(path, **form)).refusal == (400, code)

    async def test_closed_conversation(self, api: Client, room: Any, path: str) -> None:
        """The webhooks of a closed conversation are shown and cannot be changed."""
        made = await api.make(path, Target="studio", Configuration__FlowSid=FLOW)
        await api.change(room["url"], State="closed")
        for answer in (
            await api.post(path, Target="studio", Configuration__FlowSid=FLOW),
            await api.post(made["url"], Configuration__FlowSid=FLOW),
            await api.delete(made["url"]),
        ):
            assert answer.refusal == (400, 50377)
        assert await api.show(made["url"]) == made

    async def test_replay(self, api: Client, emulator: Emulator, room: Any, path: str) -> None:
        """A new webhook hears of the messages that are there, from an index on."""
        made = [await api.make(room["links"]["messages"], Body=body) for body in ("a", "help", "c", "help")]
        hook = {"Configuration__Url": HOOK, "Configuration__ReplayAfter": "1"}
        await api.make(path, Target="webhook", Configuration__Filters="onMessageAdded", **hook)
        shown = await api.make(path, Target="trigger", Configuration__Triggers="help", **hook)
        assert shown["configuration"]["replay_after"] == 1
        await api.make(path, Target="webhook", Configuration__Filters="onMessageUpdated", **hook)
        assert [call.form["Index"] for call in emulator.webhooks] == ["1", "2", "3", "1", "3"]
        first = emulator.webhooks[0]
        assert (first.event, first.form["MessageSid"]) == ("onMessageAdded", made[1]["sid"])
        assert first.form["DateCreated"].startswith(made[1]["date_created"][:-1])
        assert "DateRemoved" not in first.form

    async def test_replay_of_nothing(self, api: Client, emulator: Emulator, path: str) -> None:
        """Where there are no messages, nothing is replayed."""
        form = {"Configuration__FlowSid": FLOW, "Configuration__ReplayAfter": "0"}
        await api.make(path, Target="studio", **form)
        assert emulator.webhooks == []


class TestUserConversations:
    """The conversations of a user."""

    @pytest.fixture
    async def alice(self, api: Client, room: Any) -> Any:
        """A participant."""
        return await api.make(room["links"]["participants"], Identity="alice")

    async def test_shape(self, api: Client, room: Any, alice: Any) -> None:
        """It shows the conversation and what the user has read of it, by SIDs and by names."""
        user = await api.show("/v1/Users/alice")
        shown = {
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": room["chat_service_sid"],
            "conversation_sid": room["sid"],
            "unread_messages_count": None,
            "last_read_message_index": None,
            "participant_sid": alice["sid"],
            "user_sid": user["sid"],
            "friendly_name": "Room",
            "conversation_state": "active",
            "timers": {},
            "attributes": "{}",
            "date_created": room["date_created"],
            "date_updated": room["date_updated"],
            "created_by": "system",
            "notification_level": "default",
            "unique_name": "room",
            "url": f"{user['url']}/Conversations/{room['sid']}",
            "links": {"participant": alice["url"], "conversation": room["url"]},
        }
        assert await api.show(f"/v1/Users/alice/Conversations/{room['sid']}") == shown
        page = await api.show(user["links"]["user_conversations"])
        assert (page["meta"]["key"], page["conversations"]) == ("conversations", [shown])
        service = f"/v1/Services/{room['chat_service_sid']}"
        assert await api.show(f"{service}/Users/{user['sid']}/Conversations/room") == {
            **shown,
            "url": shown["url"].replace("/v1", service),
            "links": {name: url.replace("/v1", service) for name, url in shown["links"].items()},
        }

    async def test_reading(self, api: Client, room: Any, alice: Any) -> None:
        """What the user has read counts, and is the participant's."""
        for body in "abc":
            await api.make(room["links"]["messages"], Body=body)
        path = "/v1/Users/alice/Conversations/room"
        shown = await api.change(path, LastReadMessageIndex="0", NotificationLevel="MUTED")
        assert (shown["last_read_message_index"], shown["unread_messages_count"]) == (0, 2)
        assert shown["notification_level"] == "muted"
        read = await api.show(alice["url"])
        assert (read["last_read_message_index"], read["last_read_timestamp"] is None) == (0, False)
        await api.change(path, LastReadTimestamp="2015-07-30T20:00:00Z")
        assert (await api.show(alice["url"]))["last_read_timestamp"] == "2015-07-30T20:00:00Z"
        shown = await api.change(path, LastReadMessageIndex="null")
        assert (shown["last_read_message_index"], shown["unread_messages_count"]) == (None, None)
        assert (await api.show(alice["url"]))["last_read_timestamp"] is None

    async def test_leave(self, api: Client, room: Any, alice: Any, emulator: Emulator) -> None:
        """To delete it is to leave: the participant is gone, and webhooks may hear of it."""
        await api.change("/v1/Configuration/Webhooks", PostWebhookUrl=HOOK)
        headers = {"Authorization": api.authorization or "", "X-Twilio-Webhook-Enabled": "true"}
        url = f"{api.origin}/v1/Users/alice/Conversations/room"
        async with api.session.delete(url, headers=headers) as answer:
            assert answer.status == 204
        assert (await api.get(alice["url"])).refusal == (404, 20404)
        assert (await api.get(url)).refusal == (404, 20404)
        assert (await api.show(room["url"]))["sid"] == room["sid"]
        (call,) = emulator.webhooks
        assert (call.event, call.form["ParticipantSid"]) == ("onParticipantRemoved", alice["sid"])

    async def test_refused(self, api: Client, room: Any, alice: Any) -> None:
        """What cannot be is refused with its code, and a closed conversation stays as it is."""
        path = "/v1/Users/alice/Conversations/room"
        for name, code in (
            ("NotificationLevel", 50210),
            ("LastReadMessageIndex", 50421),
            ("LastReadTimestamp", 50405),
        ):
            assert (await api.post(path, **{name: "x"})).refusal == (400, code)
        await api.change(room["url"], State="closed")
        assert (await api.post(path, NotificationLevel="muted")).refusal == (400, 50377)
        assert (await api.delete(path)).refusal == (400, 50377)
        assert (await api.show(path))["conversation_state"] == "closed"

    async def test_of_others(self, api: Client, room: Any, alice: Any) -> None:
        """A user sees the own conversations alone, page by page, and cannot make one this way."""
        await api.make("/v1/Users", Identity="bob")
        assert (await api.get("/v1/Users/bob/Conversations/room")).refusal == (404, 20404)
        assert (await api.get("/v1/Users/carol/Conversations")).refusal == (404, 20404)
        assert (await api.show("/v1/Users/bob/Conversations"))["conversations"] == []
        assert (await api.post("/v1/Users/alice/Conversations")).refusal == (405, 20004)
        rooms = [room["sid"]]
        for _ in range(2):
            made = await api.make("/v1/Conversations")
            await api.make(made["links"]["participants"], Identity="alice")
            rooms.append(made["sid"])
        pages = await api.pages("/v1/Users/alice/Conversations?PageSize=1")
        assert [each["conversation_sid"] for page in pages for each in page["conversations"]] == rooms


class TestParticipantConversations:
    """The conversations of a participant, by identity or by address."""

    async def test_identity(self, api: Client, room: Any) -> None:
        """A chat user is found by identity, with the SID of the user."""
        alice = await api.make(room["links"]["participants"], Identity="alice")
        await api.make(room["links"]["participants"], Identity="bob")
        page = await api.show("/v1/ParticipantConversations?Identity=alice")
        assert page["meta"]["key"] == "conversations"
        shown = {
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": room["chat_service_sid"],
            "participant_sid": alice["sid"],
            "participant_user_sid": (await api.show("/v1/Users/alice"))["sid"],
            "participant_identity": "alice",
            "participant_messaging_binding": None,
            "conversation_sid": room["sid"],
            "conversation_unique_name": "room",
            "conversation_friendly_name": "Room",
            "conversation_attributes": "{}",
            "conversation_date_created": room["date_created"],
            "conversation_date_updated": room["date_updated"],
            "conversation_created_by": "system",
            "conversation_state": "active",
            "conversation_timers": {},
            "links": {"participant": alice["url"], "conversation": room["url"]},
        }
        assert page["conversations"] == [shown]
        service = f"/v1/Services/{room['chat_service_sid']}"
        page = await api.show(f"{service}/ParticipantConversations?Identity=alice")
        links = {name: url.replace("/v1", service) for name, url in shown["links"].items()}
        assert page["conversations"] == [{**shown, "links": links}]

    async def test_address(self, api: Client, room: Any) -> None:
        """A phone is found by address, with all that a binding could have."""
        form = {"MessagingBinding__Address": PHONE, "MessagingBinding__ProxyAddress": OURS}
        await api.make(room["links"]["participants"], **form)
        page = await api.show("/v1/ParticipantConversations?Address=%2B15558675310")
        (found,) = page["conversations"]
        assert found["participant_messaging_binding"] == {
            "type": "sms",
            "address": PHONE,
            "proxy_address": OURS,
            "projected_address": None,
            "name": None,
            "level": None,
        }
        assert (found["participant_identity"], found["participant_user_sid"]) == (None, None)
        query = "?Address=%2B15558675310&PageSize=50&Page=0"
        assert page["meta"]["url"] == f"{api.origin}/v1/ParticipantConversations{query}"

    async def test_pages(self, api: Client) -> None:
        """Many conversations come page by page, closed ones included."""
        rooms = []
        for _ in range(3):
            room = await api.make("/v1/Conversations")
            await api.make(room["links"]["participants"], Identity="alice")
            rooms.append(room["sid"])
        await api.change(f"/v1/Conversations/{rooms[1]}", State="closed")
        pages = await api.pages("/v1/ParticipantConversations?Identity=alice&PageSize=2")
        assert [each["conversation_sid"] for page in pages for each in page["conversations"]] == rooms

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("?Identity=alice&Address=x", 50451),
            ("", 20001),
            ("?Identity=", 50204),
            ("?Identity=" + "x" * 257, 50207),
            ("?Address=" + "x" * 257, 20001),
        ],
    )
    async def test_refused(self, api: Client, query: str, code: int) -> None:
        """One of both is asked for, and no more."""
        assert (await api.get(f"/v1/ParticipantConversations{query}")).refusal == (400, code)


class TestChannelMetadata:
    """What the channel of a message adds to it."""

    async def test_none(self, api: Client, room: Any) -> None:
        """A message of chat has none."""
        message = await api.make(room["links"]["messages"], Body="x")
        assert (await api.get(message["links"]["channel_metadata"])).refusal == (404, 50530)
        assert (await api.post(message["links"]["channel_metadata"])).refusal == (405, 20004)
        missing = message["links"]["channel_metadata"].replace("/IM", "/IMx")
        assert (await api.get(missing)).refusal == (404, 20404)

    async def test_some(self, api: Client, room: Any, emulator: Emulator) -> None:
        """What a channel added is shown beside what it belongs to."""
        message = await api.make(room["links"]["messages"], Body="x")
        added = json.dumps({"type": "whatsapp", "data": {"forwarded": True}})

        def add(act: Act) -> None:
            row = act.store.get("messages", sid=message["sid"])
            act.store.update("messages", row["id"], {"channel_metadata": added})

        emulator._engine.perform_now(add)
        url = message["links"]["channel_metadata"]
        assert await api.show(url) == {
            "type": "whatsapp",
            "data": {"forwarded": True},
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": room["chat_service_sid"],
            "conversation_sid": room["sid"],
            "message_sid": message["sid"],
            "url": url,
        }
        service = f"/v1/Services/{room['chat_service_sid']}"
        assert (await api.show(url.replace("/v1", service)))["url"] == url.replace("/v1", service)


def test_depth_costs_nothing() -> None:
    """No page of these lists is found by sorting, nor by counting off the rows before it."""
    store = Store(":memory:")
    queries: list[str] = []
    store._db.set_trace_callback(queries.append)
    for table, column in (
        ("webhooks", "target"),
        ("bindings", "binding_type"),
        ("credentials", "type"),
        ("addresses", "type"),
        ("user_conversations", "type"),
        ("participant_conversations", "identity"),
        ("participant_conversations", "address"),
    ):
        for comparison, descending in ((">=", False), ("<", True)):
            store.page(
                table,
                parent=None if table in {"credentials", "addresses"} else 1,
                tests=[(column, "=", "x")],
                order=("id",),
                start=(comparison, (5,)),
                descending=descending,
                limit=3,
            )
    store._db.set_trace_callback(None)
    assert len(queries) == 14
    for query in queries:
        plan = " / ".join(step[3] for step in store._db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "TEMP B-TREE" not in plan, query
        assert "SCAN" not in plan, query
    store.close()
