"""The emulator answers as the API does, over real sockets."""

import asyncio
import base64
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from attrs import evolve
from yarl import URL

from conversations_async.emulator import Emulator, create_app
from conversations_async.emulator.store import Store

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .raw import Answer, Api, basic, sids

KEY = "SK" + "b" * 32
MEDIA = "ME" + "c" * 32
CONTENT = "HX" + "d" * 32
NOON = 1_700_000_000_000  # 2023-11-14T22:13:20Z


@pytest.fixture
async def path(api: Api) -> str:
    """The path of a conversation."""
    conversation = await api.make("/v1/Conversations")
    return f"/v1/Conversations/{conversation['sid']}"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of `timed`."""
    return Clock()


@pytest.fixture
async def timed(clock: Clock, session: aiohttp.ClientSession) -> AsyncIterator[Api]:
    """The client of an emulator whose clock is the test's."""
    runner = web.AppRunner(create_app(clock=clock))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Api(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


def indexes(pages: list[Any]) -> list[int]:
    """The indexes of the messages on some pages."""
    return [message["index"] for page in pages for message in page["messages"]]


class TestServer:
    """Starting and stopping."""

    async def test_url_only_while_running(self) -> None:
        """The URL is there between start and close."""
        emulator = Emulator()
        with pytest.raises(RuntimeError, match="not running"):
            _ = emulator.url
        async with emulator:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", emulator.url)
        with pytest.raises(RuntimeError, match="not running"):
            _ = emulator.url

    async def test_starts_once(self, emulator: Emulator) -> None:
        """An emulator that was started does not start again."""
        with pytest.raises(RuntimeError, match="once"):
            await emulator.start()

    async def test_close_is_idempotent(self) -> None:
        """Closing twice, or before the start, does no harm."""
        emulator = Emulator()
        await emulator.close()
        await emulator.start()
        await emulator.close()
        await emulator.close()

    async def test_leaves_no_task(self) -> None:
        """After close no task of the emulator is left, even with a client still connected."""
        async with aiohttp.ClientSession() as session, Emulator() as emulator:
            await Api(session, emulator.url).show("/v1/Services")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_port_in_use(self, emulator: Emulator) -> None:
        """A port that is taken raises OSError and leaves nothing open."""
        with pytest.raises(OSError, match="cannot listen on"):
            await Emulator(port=int(emulator.url.rpartition(":")[2])).start()

    async def test_ipv6_url(self) -> None:
        """An IPv6 address is written in brackets."""
        try:
            async with Emulator(host="::1") as emulator:
                assert emulator.url.startswith("http://[::1]:")
        except OSError:  # pragma: no cover - where there is no IPv6
            pytest.skip("no IPv6 here")

    async def test_counts_requests(self, emulator: Emulator, api: Api) -> None:
        """Every request counts, refused ones included."""
        assert emulator.requests_served == 0
        await api.get("/v1/Services")
        await api.get("/nowhere")
        assert emulator.requests_served == 2

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"account_sid": ACCOUNT_SID}, "auth_token"),
            ({"auth_token": AUTH_TOKEN}, "account_sid"),
            ({"account_sid": "AC123", "auth_token": AUTH_TOKEN}, "account_sid"),
            ({"account_sid": KEY, "auth_token": AUTH_TOKEN}, "account_sid"),
            ({"account_sid": ACCOUNT_SID, "auth_token": ""}, "auth_token"),
            ({"account_sid": ACCOUNT_SID, "auth_token": "\udcff"}, "auth_token"),
            ({"host": ""}, "host"),
            ({"port": "80"}, "port must be a whole number"),
            ({"port": -1}, "port"),
            ({"port": 65536}, "port"),
            ({"database": ""}, "database"),
        ],
    )
    def test_bad_arguments(self, arguments: dict[str, Any], named: str) -> None:
        """A bad argument raises ValueError that names it and does not tell the token."""
        with pytest.raises(ValueError, match=named) as caught:
            Emulator(**arguments)
        assert AUTH_TOKEN not in str(caught.value)


class TestAuthentication:
    """Who is let in."""

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Basic",
            "Basic ???",
            "Basic " + base64.b64encode(b"\xff").decode(),
            "Bearer " + base64.b64encode(f"{ACCOUNT_SID}:x".encode()).decode(),
            basic(ACCOUNT_SID, ""),
            basic("AC123", "x"),
            basic("somebody", "x"),
            basic("XX" + "a" * 32, "x"),
        ],
    )
    async def test_malformed(
        self, emulator: Emulator, session: aiohttp.ClientSession, authorization: str | None
    ) -> None:
        """Without well-formed credentials nothing is answered but 401/20003, on unknown paths too."""
        api = Api(session, emulator.url, authorization)
        assert (await api.get("/v1/Conversations")).refusal == (401, 20003)
        assert (await api.get("/nowhere")).refusal == (401, 20003)

    async def test_texts(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        """The texts are those that clients know."""
        nobody = await Api(session, emulator.url, None).get("/v1/Services")
        stranger = await Api(session, emulator.url, basic("me", "x")).get("/v1/Services")
        assert nobody.body == {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        }
        assert stranger.body["message"] == "Authentication Error - invalid username"

    async def test_account_in_payloads(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        """Payloads name the account of the caller, and one of the emulator's own for an API key."""
        other = "AC" + "0123456789abcdefABCDEF0123456789"
        for user, shown in ((ACCOUNT_SID, ACCOUNT_SID), (other, other), (KEY, "AC" + "0" * 32)):
            made = await Api(session, emulator.url, basic(user, "x")).make("/v1/Conversations")
            assert made["account_sid"] == shown

    async def test_only_the_given_account(self, session: aiohttp.ClientSession) -> None:
        """With an account given, exactly its user name and token are let in."""
        async with Emulator(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN) as emulator:
            for user, password, status in (
                (ACCOUNT_SID, AUTH_TOKEN, 200),
                (ACCOUNT_SID, "wrong", 401),
                (ACCOUNT_SID, "wröng", 401),
                ("AC" + "e" * 32, AUTH_TOKEN, 401),
                (KEY, AUTH_TOKEN, 401),
            ):
                answer = await Api(session, emulator.url, basic(user, password)).get("/v1/Services")
                assert answer.status == status

    async def test_token_may_hold_colons(self, session: aiohttp.ClientSession) -> None:
        """The user name ends at the first colon."""
        async with Emulator(account_sid=ACCOUNT_SID, auth_token="a:b:c") as emulator:
            assert (
                await Api(session, emulator.url, basic(ACCOUNT_SID, "a:b:c")).get("/v1/Services")
            ).status == 200


class TestTransport:
    """What holds for every request."""

    async def test_request_id(self, api: Api, path: str) -> None:
        """Every answer has an id of its own: made, found, deleted, refused."""
        answers = [
            await api.post("/v1/Conversations"),
            await api.get(path),
            await api.delete(path),
            await api.get(path),
            await api.get("/nowhere"),
            await api.call("PUT", path),
        ]
        assert [answer.status for answer in answers] == [201, 200, 204, 404, 404, 405]
        ids = {answer.headers["Twilio-Request-Id"] for answer in answers}
        assert len(ids) == len(answers)
        assert all(re.fullmatch("RQ[0-9a-f]{32}", each) for each in ids)

    @pytest.mark.parametrize(
        "unknown",
        ["/", "/v1", "/v1/", "/v1/Nothing", "/v1/Conversations/", "/v2/Conversations", "/v3/Services"],
    )
    async def test_unknown_path(self, api: Api, unknown: str) -> None:
        """An unknown path is 404/20404."""
        assert (await api.get(unknown)).refusal == (404, 20404)

    async def test_last_value_counts(self, api: Api) -> None:
        """Of several values for one name the last one counts, in a form and in a query."""
        form = b"FriendlyName=first&FriendlyName=last"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": api.authorization or "",
        }
        async with api.session.post(f"{api.origin}/v1/Conversations", data=form, headers=headers) as answer:
            assert (await answer.json())["friendly_name"] == "last"
        assert (await api.show("/v1/Conversations?PageSize=7&PageSize=8"))["meta"]["page_size"] == 8

    async def test_body_that_is_not_what_it_says(self, api: Api, caplog: pytest.LogCaptureFixture) -> None:
        """A body that cannot be unpacked is 400/20001, and no failure of the emulator."""
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
        headers["Authorization"] = api.authorization or ""
        async with api.session.post(
            f"{api.origin}/v1/Conversations", data=b"no gzip", headers=headers
        ) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, 20001)
        # aiohttp itself has something to say of the rest of such a body
        assert not [record for record in caplog.records if record.name.startswith("conversations_async")]

    async def test_client_that_goes_away(
        self, emulator: Emulator, api: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A client that leaves in the middle of a body is no failure of the emulator."""
        port = int(api.origin.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/Conversations HTTP/1.1\r\nHost: x\r\nAuthorization: {api.authorization}\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\nFriendlyName=".encode())
        await writer.drain()
        while emulator.requests_served == 0:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
        writer.close()
        await asyncio.sleep(0.05)
        assert (await api.show("/v1/Conversations"))["conversations"] == []
        assert caplog.text == ""

    async def test_not_found_text(self, api: Api) -> None:
        """The text of a 404 has the path without its version, and the collection for a create."""
        sid = "CH" + "0" * 32
        fetched = await api.get(f"/v1/Conversations/{sid}")
        made = await api.post(f"/v1/Conversations/{sid}/Participants", Identity="alice")
        chat = await api.get("/v2/Services/IS1/Channels/x/Messages")
        assert fetched.body["message"] == f"The requested resource /Conversations/{sid} was not found"
        assert (
            made.body["message"] == f"The requested resource /Conversations/{sid}/Participants was not found"
        )
        assert (
            chat.body["message"] == "The requested resource /Services/IS1/Channels/x/Messages was not found"
        )
        assert fetched.refusal == made.refusal == chat.refusal == (404, 20404)

    async def test_wrong_method(self, api: Api, path: str) -> None:
        """A known path with a method that it does not take is 405/20004."""
        message = await api.make(f"{path}/Messages", Body="x")
        service = sids(await api.show("/v1/Services"))[0]
        for method, target in (
            ("DELETE", "/v1/Conversations"),
            ("PUT", path),
            ("PATCH", path),
            ("POST", f"/v1/Services/{service}"),
            ("POST", f"{path}/Messages/{message['sid']}/Receipts"),
            ("DELETE", f"{path}/Messages/{message['sid']}/Receipts/DY{'0' * 32}"),
        ):
            assert (await api.call(method, target)).refusal == (405, 20004), (method, target)

    async def test_json_is_no_form(self, api: Api, path: str) -> None:
        """The parameters of a JSON body count as absent."""
        answer = await api.call("POST", f"{path}/Participants", json={"Identity": "alice"})
        assert answer.refusal == (400, 20001)
        assert answer.body["message"].startswith("Missing required parameter Identity")
        assert (await api.call("POST", path, json={"State": "closed"})).body["state"] == "active"

    async def test_form_must_be_utf8(self, api: Api) -> None:
        """A form that is not UTF-8 is 400/20001, raw or escaped."""
        form = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": basic(ACCOUNT_SID, AUTH_TOKEN),
        }
        for body in (b"FriendlyName=\xff", b"FriendlyName=%FF"):
            async with api.session.post(
                f"{api.origin}/v1/Conversations", data=body, headers=form
            ) as response:
                assert response.status == 400
                assert (await response.json())["code"] == 20001

    async def test_large_body(self, api: Api) -> None:
        """A body of more than a mebibyte is 413/20413."""
        form = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": basic(ACCOUNT_SID, AUTH_TOKEN),
        }
        body = BytesIO(b"x" * (1 << 20) + b"x")
        async with api.session.post(f"{api.origin}/v1/Conversations", data=body, headers=form) as response:
            assert response.status == 413
            assert (await response.json())["code"] == 20413

    async def test_unknown_parameters(self, api: Api) -> None:
        """Parameters that the API does not know are ignored."""
        assert (await api.make("/v1/Conversations", Nonsense="1"))["friendly_name"] is None

    async def test_failure(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A fault of the emulator itself is 500/20500, and its log tells where."""

        def fail(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(Store, "page", fail)
        answer = await api.get("/v1/Conversations")
        assert answer.refusal == (500, 20500)
        assert "ZeroDivisionError" in caplog.text

    async def test_refusal_changes_nothing(
        self, api: Api, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A write that fails half-way leaves no trace."""

        def fail(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(Store, "insert", fail)
            assert (await api.post(f"{path}/Messages", Body="lost")).status == 500
        assert (await api.make(f"{path}/Messages", Body="kept"))["index"] == 0


class TestServices:
    """Services."""

    async def test_shape(self, api: Api) -> None:
        """A service has the fields of the API, and links built from the host that was asked."""
        service = await api.make("/v1/Services", FriendlyName="Shop")
        url = f"{api.origin}/v1/Services/{service['sid']}"
        assert service == {
            "sid": service["sid"],
            "account_sid": ACCOUNT_SID,
            "friendly_name": "Shop",
            "date_created": service["date_created"],
            "date_updated": service["date_created"],
            "url": url,
            "links": {
                "conversations": f"{url}/Conversations",
                "users": f"{url}/Users",
                "roles": f"{url}/Roles",
                "bindings": f"{url}/Bindings",
                "configuration": f"{url}/Configuration",
                "participant_conversations": f"{url}/ParticipantConversations",
                "conversation_with_participants": f"{url}/ConversationWithParticipants",
            },
        }
        assert re.fullmatch("IS[0-9a-f]{32}", service["sid"])
        assert await api.show(f"/v1/Services/{service['sid']}") == service

    async def test_life(self, api: Api) -> None:
        """Services are listed in the order of their making, behind the default one, and can be deleted."""
        made = [(await api.make("/v1/Services", FriendlyName=name))["sid"] for name in "ab"]
        default, *rest = sids(await api.show("/v1/Services"))
        assert rest == made
        assert (await api.delete(f"/v1/Services/{made[0]}")).status == 204
        assert (await api.get(f"/v1/Services/{made[0]}")).refusal == (404, 20404)
        assert sids(await api.show("/v1/Services")) == [default, made[1]]

    async def test_name(self, api: Api) -> None:
        """FriendlyName is required and has at most 256 characters."""
        answer = await api.post("/v1/Services")
        assert answer.refusal == (400, 20001)
        assert answer.body["message"] == "Missing required parameter FriendlyName in the post body"
        assert (await api.post("/v1/Services", FriendlyName="x" * 257)).refusal == (400, 50003)

    async def test_default_service(self, api: Api, path: str) -> None:
        """The short path means the default service, which cannot be deleted."""
        (default,) = sids(await api.show("/v1/Services"))
        short = await api.show(path)
        long = await api.show(path.replace("/v1/", f"/v1/Services/{default}/"))
        assert short["chat_service_sid"] == long["chat_service_sid"] == default
        assert long["url"] == short["url"].replace("/v1/", f"/v1/Services/{default}/")
        assert short["sid"] == long["sid"]
        assert (await api.delete(f"/v1/Services/{default}")).refusal == (403, 20403)

    async def test_isolation(self, api: Api, path: str) -> None:
        """A service does not see another's conversations, and both may use the same unique name."""
        service = await api.make("/v1/Services", FriendlyName="Shop")
        inside = f"/v1/Services/{service['sid']}/Conversations"
        await api.change(path, UniqueName="room")
        room = await api.make(inside, UniqueName="room")
        assert sids(await api.show(inside)) == [room["sid"]]
        assert room["sid"] not in sids(await api.show("/v1/Conversations"))
        assert (await api.get(f"/v1/Conversations/{room['sid']}")).refusal == (404, 20404)
        assert (await api.get(f"{inside}/{path.rpartition('/')[2]}/Messages")).refusal == (404, 20404)

    async def test_cascade(self, api: Api) -> None:
        """With a service goes everything in it."""
        service = await api.make("/v1/Services", FriendlyName="Shop")
        inside = f"/v1/Services/{service['sid']}/Conversations"
        room = await api.make(inside)
        media = await api.media(service["sid"])
        await api.make(f"{inside}/{room['sid']}/Messages", MediaSid=media)
        await api.make(f"/v1/Services/{service['sid']}/Users", Identity="alice")
        assert (await api.delete(f"/v1/Services/{service['sid']}")).status == 204
        assert (await api.get(f"{inside}/{room['sid']}")).refusal == (404, 20404)
        assert (await api.get(f"/v1/Services/{service['sid']}/Media/{media}/Content")).refusal == (404, 20404)
        assert (await api.get(f"/v1/Services/{service['sid']}/Users/alice")).refusal == (404, 20404)


class TestConversations:
    """Conversations."""

    async def test_shape(self, timed: Api) -> None:
        """A conversation has the fields of the API."""
        made = await timed.make("/v1/Conversations")
        url = f"{timed.origin}/v1/Conversations/{made['sid']}"
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": made["chat_service_sid"],
            "messaging_service_sid": None,
            "friendly_name": None,
            "unique_name": None,
            "attributes": "{}",
            "date_created": "2023-11-14T22:13:20Z",
            "date_updated": "2023-11-14T22:13:20Z",
            "state": "active",
            "timers": {},
            "bindings": {},
            "url": url,
            "links": {
                "participants": f"{url}/Participants",
                "messages": f"{url}/Messages",
                "webhooks": f"{url}/Webhooks",
                "export": f"{url}/Export",
            },
        }
        assert re.fullmatch("CH[0-9a-f]{32}", made["sid"])
        assert re.fullmatch("IS[0-9a-f]{32}", made["chat_service_sid"])

    async def test_every_parameter(self, timed: Api) -> None:
        """What is given is kept, attributes to the letter, on create and on update; timers count from now."""
        given = {
            "FriendlyName": "Ahoy ☸",
            "UniqueName": "unique_name",
            "Attributes": '{ "topic":  "feedback" }',
            "DateCreated": "2015-12-16T22:18:37Z",
            "DateUpdated": "2015-12-16T23:18:38+01:00",
            "MessagingServiceSid": "MG" + "a" * 32,
            "State": "Inactive",
            "Timers.Inactive": "PT1M",
            "Timers.Closed": "PT10M",
            "Bindings.Email.Address": "example@example.com",
            "Bindings.Email.Name": "Example",
        }
        expected = {
            "friendly_name": "Ahoy ☸",
            "unique_name": "unique_name",
            "attributes": '{ "topic":  "feedback" }',
            "date_created": "2015-12-16T22:18:37Z",
            "date_updated": "2015-12-16T22:18:38Z",
            "messaging_service_sid": "MG" + "a" * 32,
            "state": "inactive",
            "timers": {"date_inactive": "2023-11-14T22:14:20Z", "date_closed": "2023-11-14T22:23:20Z"},
            "bindings": {"email": {"projected_address": "example@example.com", "name": "Example"}},
        }
        made = (await timed.call("POST", "/v1/Conversations", given)).body
        assert {name: made[name] for name in expected} == expected
        blank = await timed.make("/v1/Conversations")
        await timed.delete(f"/v1/Conversations/{made['sid']}")
        changed = (await timed.call("POST", f"/v1/Conversations/{blank['sid']}", given)).body
        assert {name: changed[name] for name in expected} == expected

    async def test_update_dates(self, timed: Api, clock: Clock) -> None:
        """An update moves date_updated only, and without parameters it moves nothing."""
        made = await timed.make("/v1/Conversations", DateCreated="2020-01-01T00:00:00")
        assert made["date_created"] == made["date_updated"] == "2020-01-01T00:00:00Z"
        assert await timed.change(made["url"]) == made
        clock.now += 1999
        changed = await timed.change(made["url"], FriendlyName="x")
        assert changed == {**made, "friendly_name": "x", "date_updated": "2023-11-14T22:13:21Z"}

    async def test_empty_text_clears(self, api: Api) -> None:
        """An empty name removes the name."""
        made = await api.make("/v1/Conversations", FriendlyName="a", UniqueName="b")
        changed = await api.change(made["url"], FriendlyName="", UniqueName="")
        assert (changed["friendly_name"], changed["unique_name"]) == (None, None)

    @pytest.mark.parametrize(
        "name", ["first_conversation", "a/b", "50% off", "%2F", "Ünïcode ☸", "?x=1#y", "CH1"]
    )
    async def test_unique_name_in_path(self, api: Api, name: str) -> None:
        """The unique name stands for the SID in every path; payloads spell URLs with the SID."""
        made = await api.make("/v1/Conversations", UniqueName=name)
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        spelled = URL(f"{api.origin}/v1/Conversations/{quoted}", encoded=True)
        assert (await api.call("GET", spelled)).body == made
        message = (await api.call("POST", spelled / "Messages", {"Body": "x"})).body
        assert message["url"].startswith(made["url"] + "/Messages/IM")
        page = (await api.call("GET", spelled / "Messages")).body
        assert sids(page) == [message["sid"]]
        again = await api.call("GET", URL(page["meta"]["url"], encoded=True))
        assert again.body == page
        chat = f"{api.origin}/v2/Services/{made['chat_service_sid']}/Channels/{quoted}/Messages"
        assert sids((await api.call("GET", URL(chat, encoded=True))).body) == [message["sid"]]

    async def test_unique_name_is_unique(self, api: Api) -> None:
        """A unique name is held by one conversation, which may be given it again, until that is deleted."""
        made = await api.make("/v1/Conversations", UniqueName="room")
        other = await api.make("/v1/Conversations")
        refused = await api.post("/v1/Conversations", UniqueName="room")
        assert refused.refusal == (409, 50353)
        assert refused.body["message"] == "Conversation with provided unique name already exists"
        assert (await api.post(other["url"], UniqueName="room")).refusal == (409, 50353)
        assert (await api.post(made["url"], UniqueName="room")).status == 200
        await api.delete(made["url"])
        assert (await api.post(other["url"], UniqueName="room")).status == 200

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("FriendlyName", "x" * 257, 50003),
            ("UniqueName", "CH" + "a" * 32, 50390),
            ("Attributes", "{", 50304),
            ("Attributes", "", 50304),
            ("Attributes", "NaN", 50304),
            ("Attributes", "[" * 10_000, 50304),
            ("Attributes", '"' + "ü" * 8192 + '"', 50303),
            ("DateCreated", "yesterday", 50308),
            ("DateCreated", "0001-01-01T00:00:00+01:00", 50308),
            ("DateUpdated", "2015-13-01T00:00:00Z", 50309),
            ("MessagingServiceSid", "MG1", 50341),
            ("State", "", 50374),
            ("State", "initializing", 50378),
            ("State", "open", 50378),
            ("Timers.Inactive", "PT59S", 50375),
            ("Timers.Closed", "PT9M59S", 50376),
            ("Timers.Inactive", "1 minute", 50379),
            ("Timers.Inactive", "P", 50379),
            ("Timers.Inactive", "PT", 50379),
            ("Timers.Closed", "P999999999D", 50380),
            ("Timers.Closed", "P1M", 50380),
            ("Bindings.Email.Name", "x" * 257, 20001),
        ],
    )
    async def test_bad_value(self, api: Api, path: str, name: str, value: str, code: int) -> None:
        """A bad value has its own code, on create and on update."""
        for target in ("/v1/Conversations", path):
            assert (await api.call("POST", target, {name: value})).refusal == (400, code)

    @pytest.mark.parametrize("value", ['{"a": 1}', "[]", "null", "1" * 5000, '"\\ud800"', " {} "])
    async def test_attributes_to_the_letter(self, api: Api, value: str) -> None:
        """Attributes are any JSON and come back as they were written."""
        assert (await api.make("/v1/Conversations", Attributes=value))["attributes"] == value

    async def test_states(self, api: Api) -> None:
        """A conversation begins active or inactive, goes to and fro, and closes for good."""
        assert (await api.post("/v1/Conversations", State="closed")).refusal == (400, 50384)
        made = await api.make("/v1/Conversations", State="inactive")
        for state in ("active", "inactive", "closed"):
            assert (await api.change(made["url"], State=state.upper()))["state"] == state
        assert (await api.post(made["url"], State="active")).refusal == (400, 50377)

    async def test_closed(self, api: Api, path: str) -> None:
        """Nothing is written into a closed conversation; it can be read and deleted."""
        message = await api.make(f"{path}/Messages", Body="x")
        participant = await api.make(f"{path}/Participants", Identity="alice")
        await api.change(path, State="closed")
        for target, form in (
            (path, {"FriendlyName": "x"}),
            (path, {}),
            (f"{path}/Messages", {"Body": "y"}),
            (message["url"], {}),
            (message["url"], {"Body": "y"}),
            (f"{path}/Participants", {"Identity": "bob"}),
            (participant["url"], {"Attributes": "{}"}),
        ):
            assert (await api.call("POST", target, form)).refusal == (400, 50377), target
        for target in (message["url"], participant["url"]):
            assert (await api.delete(target)).refusal == (400, 50377)
            assert (await api.get(target)).status == 200
        assert (await api.get(path)).body["state"] == "closed"
        assert (await api.delete(path)).status == 204

    async def test_timers(self, timed: Api, clock: Clock) -> None:
        """Timers count from the update that set them or the last message since; PT0S switches one off."""
        made = await timed.make("/v1/Conversations", **{"Timers.Closed": "P1DT2H"})
        assert made["timers"] == {"date_closed": "2023-11-16T00:13:20Z"}
        clock.now += 60_000
        changed = await timed.change(made["url"], FriendlyName="x")
        assert changed["timers"] == made["timers"]
        changed = await timed.change(made["url"], **{"Timers.Inactive": "PT90S", "Timers.Closed": "PT0S"})
        assert changed["timers"] == {"date_inactive": "2023-11-14T22:15:50Z"}
        clock.now += 30_000
        await timed.make(made["links"]["messages"], Body="x")
        assert (await timed.show(made["url"]))["timers"] == {"date_inactive": "2023-11-14T22:16:20Z"}

    async def test_timer_beyond_time(self, timed: Api, clock: Clock) -> None:
        """A timer that would end after the last year is shown with its last second."""
        clock.now = 253_402_300_799_999  # the last millisecond of 9999
        made = await timed.make("/v1/Conversations", **{"Timers.Closed": "PT10M"})
        assert made["timers"] == {"date_closed": "9999-12-31T23:59:59Z"}

    @pytest.mark.parametrize(
        ("what", "form"), [("Messages", {"Body": "x"}), ("Participants", {"Identity": "a"})]
    )
    async def test_wakes(self, timed: Api, clock: Clock, what: str, form: dict[str, str]) -> None:
        """A message or a participant makes an inactive conversation active again."""
        made = await timed.make("/v1/Conversations", State="inactive")
        clock.now += 1000
        await timed.make(f"{made['url']}/{what}", **form)
        assert await timed.show(made["url"]) == {
            **made,
            "state": "active",
            "date_updated": "2023-11-14T22:13:21Z",
        }

    async def test_cascade(self, api: Api, path: str) -> None:
        """With a conversation go its messages, participants and receipts."""
        await api.make(
            f"{path}/Participants",
            MessagingBinding__Address="+15551",
            MessagingBinding__ProxyAddress="+15552",
        )
        message = await api.make(f"{path}/Messages", Body="x")
        assert (await api.delete(path)).status == 204
        for target in (path, f"{path}/Participants", f"{path}/Messages", f"{message['url']}/Receipts"):
            assert (await api.get(target)).refusal == (404, 20404)
        assert (await api.delete(path)).refusal == (404, 20404)

    async def test_filters(self, api: Api) -> None:
        """State, StartDate and EndDate narrow the list, both ends included, and are repeated in the URLs."""
        for day in (1, 2, 3, 4):
            await api.make(
                "/v1/Conversations",
                FriendlyName=str(day),
                DateCreated=f"2024-01-0{day}T12:00:00Z",
                State="inactive" if day == 4 else "active",
            )

        async def days(query: str) -> str:
            page = await api.show(f"/v1/Conversations?{query}")
            return "".join(each["friendly_name"] for each in page["conversations"])

        assert await days("State=ACTIVE") == "123"
        assert await days("State=closed") == ""
        assert await days("StartDate=2024-01-02") == "234"
        assert await days("EndDate=2024-01-02") == "12"
        assert await days("StartDate=2024-01-02T12:00:00Z&EndDate=2024-01-03T12:00:00Z") == "23"
        assert await days("StartDate=2024-01-02T12:00:01Z&EndDate=2024-01-03T11:59:59Z") == ""
        assert await days("StartDate=2024-01-02&EndDate=2024-01-09&State=inactive") == "4"
        page = await api.show(
            "/v1/Conversations?PageSize=2&State=Active&StartDate=2024-01-01T00%3A00%3A00%2B00%3A00"
        )
        url = f"{api.origin}/v1/Conversations?StartDate=2024-01-01T00:00:00%2B00:00&State=active&PageSize=2"
        assert page["meta"]["url"] == f"{url}&Page=0"
        assert page["meta"]["next_page_url"].startswith(
            f"{url}&Page=1&PageToken=PTactive_2024-01-03T12:00:00.000Z_"
        )
        last = await api.show(page["meta"]["next_page_url"])
        assert [each["friendly_name"] for each in last["conversations"]] == ["3"]

    async def test_filter_of_a_passing_state(self, api: Api, path: str) -> None:
        """No conversation stays in the making here, but one may ask for those."""
        assert (await api.show("/v1/Conversations?State=initializing"))["conversations"] == []

    @pytest.mark.parametrize("query", ["State=somehow", "State=", "StartDate=now", "EndDate=2024-02-30"])
    async def test_bad_filter(self, api: Api, query: str) -> None:
        """A filter that cannot be read is 400/20001."""
        assert (await api.get(f"/v1/Conversations?{query}")).refusal == (400, 20001)


class TestConversationWithParticipants:
    """A conversation and its participants in one call."""

    async def send(self, api: Api, *participants: str, path: str = "/v1", **form: str) -> Answer:
        """Create, with as many participants as one likes."""
        pairs = [*form.items(), *(("Participant", each) for each in participants)]
        url = f"{api.origin}{path}/ConversationWithParticipants"
        headers = {"Authorization": api.authorization or ""}
        async with api.session.post(url, data=aiohttp.FormData(pairs), headers=headers) as answer:
            return Answer(answer.status, await answer.json(), dict(answer.headers))

    async def test_without_participants(self, api: Api) -> None:
        """Without participants it is a conversation like any other, shown without its export."""
        made = await self.send(api, UniqueName="alone")
        assert (made.status, made.body["state"]) == (201, "active")
        whole = await api.show("/v1/Conversations/alone")
        assert made.body | {"links": whole["links"]} == whole
        assert whole["links"].keys() - made.body["links"].keys() == {"export"}
        assert (await self.send(api, UniqueName="alone")).refusal == (409, 50353)

    async def test_with_participants(self, api: Api) -> None:
        """With participants it is 202, and all of them are there, of every kind, in either scope."""
        service = (await api.make("/v1/Services", FriendlyName="another"))["sid"]
        for path in ("/v1", f"/v1/Services/{service}"):
            made = await self.send(
                api,
                '{"identity": "alice", "attributes": {"a": 1}, "unknown": true, "role_sid": null}',
                f'{{"messaging_binding": {{"address": "+1555{len(path)}", "proxy_address": "+15017122"}}}}',
                path=path,
                FriendlyName="all",
            )
            assert (made.status, made.body["friendly_name"], made.body["state"]) == (202, "all", "active")
            listed = (await api.show(made.body["links"]["participants"]))["participants"]
            assert [each["identity"] for each in listed] == ["alice", None]
            assert listed[0]["attributes"] == '{"a": 1}'
            assert listed[1]["messaging_binding"]["proxy_address"] == "+15017122"

    async def test_participant_that_cannot_be(self, api: Api) -> None:
        """Where one participant cannot be created, none is, and the conversation is closed."""
        made = await self.send(api, '{"identity": "alice"}', '{"identity": "alice"}')
        assert made.status == 202
        assert (await api.show(made.body["url"]))["state"] == "closed"
        assert (await api.show(made.body["links"]["participants"]))["participants"] == []

    @pytest.mark.parametrize(
        "participants",
        [
            ["{"],
            ["[]"],
            ['{"messaging_binding": [1]}'],
            ['{"identity": ["alice"]}'],
            [r'{"identity": "\ud83d"}'],
            ['"alice"'],
            ['{"messaging_binding": "sms"}'],
            [f'{{"identity": "{each}"}}' for each in range(11)],
        ],
    )
    async def test_malformed(self, api: Api, participants: list[str]) -> None:
        """What is no participant, or more than ten, is 400/20001, and nothing is created."""
        assert (await self.send(api, *participants)).refusal == (400, 20001)
        assert (await api.show("/v1/Conversations"))["conversations"] == []

    async def test_only_created(self, api: Api) -> None:
        """There is nothing to read at its path."""
        assert (await api.get("/v1/ConversationWithParticipants")).refusal == (405, 20004)
        assert (await api.get("/v1/ConversationWithParticipants/x")).refusal == (404, 20404)


class TestMessages:
    """Messages."""

    async def test_shape(self, timed: Api) -> None:
        """A message has the fields of the API; the system is the author that nobody names."""
        conversation = await timed.make("/v1/Conversations")
        made = await timed.make(conversation["links"]["messages"], Body="Hello", Subject="not shown")
        url = f"{conversation['url']}/Messages/{made['sid']}"
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "conversation_sid": conversation["sid"],
            "body": "Hello",
            "media": None,
            "author": "system",
            "participant_sid": None,
            "attributes": "{}",
            "date_created": "2023-11-14T22:13:20Z",
            "date_updated": "2023-11-14T22:13:20Z",
            "index": 0,
            "delivery": None,
            "content_sid": None,
            "url": url,
            "links": {"delivery_receipts": f"{url}/Receipts", "channel_metadata": f"{url}/ChannelMetadata"},
        }
        assert re.fullmatch("IM[0-9a-f]{32}", made["sid"])
        assert await timed.show(url) == made

    async def test_update(self, api: Api, path: str) -> None:
        """Body, author, attributes and dates can be changed; the rest stays."""
        made = await api.make(f"{path}/Messages", Body="Hello")
        changed = await api.change(
            made["url"],
            Body="",
            Author="bob",
            Attributes="[ ]",
            DateCreated="2015-12-16T22:18:37Z",
            DateUpdated="2015-12-16T22:18:38Z",
            Subject="x",
        )
        assert changed == {
            **made,
            "body": "",
            "author": "bob",
            "attributes": "[ ]",
            "date_created": "2015-12-16T22:18:37Z",
            "date_updated": "2015-12-16T22:18:38Z",
        }
        assert await api.show(made["url"]) == changed

    async def test_indexes_are_not_reused(self, api: Api, path: str) -> None:
        """Indexes count up within a conversation, whatever is deleted."""
        first, second, third = [await api.make(f"{path}/Messages", Body=body) for body in "abc"]
        assert [first["index"], second["index"], third["index"]] == [0, 1, 2]
        for message in (second, third):
            assert (await api.delete(message["url"])).status == 204
        assert (await api.get(third["url"])).refusal == (404, 20404)
        assert (await api.make(f"{path}/Messages", Body="d"))["index"] == 3
        assert indexes(await api.pages(f"{path}/Messages")) == [0, 3]
        other = await api.make("/v1/Conversations")
        assert (await api.make(other["links"]["messages"], Body="e"))["index"] == 0

    async def test_author(self, api: Api, path: str) -> None:
        """An author who takes part, by identity or address, is known by SID; so is a changed author."""
        alice = await api.make(f"{path}/Participants", Identity="alice")
        phone = await api.make(
            f"{path}/Participants",
            MessagingBinding__Address="+15551",
            MessagingBinding__ProxyAddress="+15552",
        )
        made = await api.make(f"{path}/Messages", Body="x", Author="alice")
        assert (made["author"], made["participant_sid"]) == ("alice", alice["sid"])
        assert (await api.change(made["url"], Author="+15551"))["participant_sid"] == phone["sid"]
        assert (await api.change(made["url"], Body="y"))["participant_sid"] == phone["sid"]
        assert (await api.change(made["url"], Author="stranger"))["participant_sid"] is None

    async def test_group_mms_author(self, api: Api, path: str) -> None:
        """In a group MMS conversation only participants write."""
        await api.make(f"{path}/Participants", MessagingBinding__Address="+15551")
        await api.make(f"{path}/Participants", Identity="alice", MessagingBinding__ProjectedAddress="+15553")
        assert (await api.post(f"{path}/Messages", Body="x")).refusal == (400, 50513)
        assert (await api.make(f"{path}/Messages", Body="x", Author="alice"))["delivery"]["total"] == 1

    async def test_media(self, api: Api, path: str) -> None:
        """A media message lists one file, may lack a body, and keeps the file for itself."""
        room = await api.show(path)
        media = await api.media(room["chat_service_sid"])
        made = await api.make(f"{path}/Messages", MediaSid=media)
        assert made["body"] is None
        assert made["media"] == [{"sid": media, "size": 4, "content_type": "text/plain", "filename": "a.txt"}]
        assert (await api.post(f"{path}/Messages", MediaSid=media)).refusal == (409, 50508)
        assert (await api.post(made["url"], Body="x")).refusal == (400, 50509)
        assert (await api.change(made["url"], Author="bob"))["author"] == "bob"

    async def test_media_knows_its_message(self, api: Api, path: str) -> None:
        """The file names message and conversation as long as the message is there, then it is free again."""
        room = await api.show(path)
        media = await api.media(room["chat_service_sid"])
        message = await api.make(f"{path}/Messages", MediaSid=media, Body="see")
        assert message["body"] == "see"
        place = f"/v1/Services/{room['chat_service_sid']}/Media/{media}"
        shown = await api.show(place)
        assert (shown["message_sid"], shown["channel_sid"]) == (message["sid"], room["sid"])
        await api.delete(message["url"])
        shown = await api.show(place)
        assert (shown["message_sid"], shown["channel_sid"]) == (None, None)
        again = await api.make(f"{path}/Messages", MediaSid=media)
        assert (await api.delete(place)).status == 204
        assert await api.show(again["url"]) == again

    async def test_unknown_media(self, api: Api, path: str) -> None:
        """Only what was uploaded to the same service can be sent, and a refusal costs no index."""
        service = await api.make("/v1/Services", FriendlyName="Shop")
        for media in (MEDIA, await api.media(service["sid"])):
            assert (await api.post(f"{path}/Messages", MediaSid=media)).refusal == (400, 50507)
        assert (await api.make(f"{path}/Messages", Body="x"))["index"] == 0

    async def test_content(self, api: Api, path: str) -> None:
        """A content template takes the place of body and media."""
        made = await api.make(
            f"{path}/Messages", Body="x", MediaSid=MEDIA, ContentSid=CONTENT, ContentVariables='{"1": "John"}'
        )
        assert (made["content_sid"], made["body"], made["media"]) == (CONTENT, None, None)

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, 20001),
            ({"Body": "x" * 1601}, 50504),
            ({"Body": "x", "Author": "x" * 257}, 50310),
            ({"Body": "x", "Subject": "x" * 257}, 20001),
            ({"Body": "x", "Attributes": "x"}, 50304),
            ({"Body": "x", "Attributes": f'"{"x" * 4095}"'}, 50303),
            ({"Body": "x", "DateCreated": "x"}, 50308),
            ({"MediaSid": "ME1"}, 50510),
            ({"ContentSid": "HX1"}, 50526),
            ({"ContentSid": CONTENT, "ContentVariables": "["}, 50527),
            ({"ContentSid": CONTENT, "ContentVariables": "[]"}, 50527),
            ({"ContentSid": CONTENT, "ContentVariables": json.dumps(dict.fromkeys(range(101), "x"))}, 50529),
            ({"ContentSid": CONTENT, "ContentVariables": json.dumps({"k" * 17: "x"})}, 50540),
            ({"ContentSid": CONTENT, "ContentVariables": json.dumps({"k": "x" * 257})}, 50541),
            ({"Body": "x", "ContentVariables": "{}"}, 50528),
        ],
    )
    async def test_bad_value(self, api: Api, path: str, form: dict[str, str], code: int) -> None:
        """A bad or missing value has its own code and costs no index."""
        assert (await api.call("POST", f"{path}/Messages", form)).refusal == (400, code)
        assert (await api.make(f"{path}/Messages", Body="x" * 1600))["index"] == 0

    async def test_of_another_conversation(self, api: Api, path: str) -> None:
        """A message is found in its own conversation only, and by SID only."""
        made = await api.make(f"{path}/Messages", Body="x")
        other = await api.make("/v1/Conversations")
        assert (await api.get(f"{other['url']}/Messages/{made['sid']}")).refusal == (404, 20404)
        assert (await api.get(f"{path}/Messages/0")).refusal == (404, 20404)


class TestReceipts:
    """Delivery receipts."""

    async def test_one_per_reached_participant(self, timed: Api) -> None:
        """Every participant with an address but the author gets a receipt; the message sums them up."""
        room = await timed.make("/v1/Conversations")
        await timed.make(room["links"]["participants"], Identity="alice")
        first, second, author = [
            await timed.make(
                room["links"]["participants"],
                MessagingBinding__Address=f"+1555{number}",
                MessagingBinding__ProxyAddress="+15550",
            )
            for number in (1, 2, 3)
        ]
        message = await timed.make(room["links"]["messages"], Body="x", Author="+15553")
        assert message["participant_sid"] == author["sid"]
        assert message["delivery"] == {
            "total": 2,
            "sent": "all",
            "delivered": "none",
            "read": "none",
            "failed": "none",
            "undelivered": "none",
        }
        page = await timed.show(message["links"]["delivery_receipts"])
        assert page["meta"]["key"] == "delivery_receipts"
        one, two = page["delivery_receipts"]
        assert one == {
            "sid": one["sid"],
            "account_sid": ACCOUNT_SID,
            "conversation_sid": room["sid"],
            "message_sid": message["sid"],
            "channel_message_sid": one["channel_message_sid"],
            "participant_sid": first["sid"],
            "status": "sent",
            "error_code": 0,
            "date_created": "2023-11-14T22:13:20Z",
            "date_updated": "2023-11-14T22:13:20Z",
            "url": f"{message['url']}/Receipts/{one['sid']}",
        }
        assert two["participant_sid"] == second["sid"]
        assert re.fullmatch("DY[0-9a-f]{32}", one["sid"])
        assert re.fullmatch("SM[0-9a-f]{32}", one["channel_message_sid"])
        assert await timed.show(one["url"]) == one
        assert (await timed.show(room["links"]["messages"]))["messages"] == [message]

    async def test_summary(self, tmp_path: Path, session: aiohttp.ClientSession) -> None:
        """What was delivered counts as sent, what was read as delivered; some is neither all nor none."""
        database = tmp_path / "box.db"
        async with Emulator(database=database) as emulator:
            api = Api(session, emulator.url)
            room = await api.make("/v1/Conversations")
            for number in (1, 2):
                await api.make(
                    room["links"]["participants"],
                    MessagingBinding__Address=f"whatsapp:+1555{number}",
                    MessagingBinding__ProxyAddress="whatsapp:+15550",
                )
            media = await api.media(room["chat_service_sid"])
            message = await api.make(room["links"]["messages"], MediaSid=media)
            receipts = await api.show(message["links"]["delivery_receipts"])
            assert receipts["delivery_receipts"][0]["channel_message_sid"].startswith("MM")
            for statuses, expected in (
                (("delivered", "sent"), ("all", "some", "none", "none", "none")),
                (("read", "delivered"), ("all", "all", "some", "none", "none")),
                (("failed", "undelivered"), ("none", "none", "none", "some", "some")),
            ):
                for row, status in enumerate(statuses, start=1):
                    with sqlite3.connect(database) as db:
                        db.execute("UPDATE receipts SET status = ? WHERE id = ?", (status, row))
                    db.close()
                delivery = (await api.show(message["url"]))["delivery"]
                assert tuple(delivery.values()) == (2, *expected)

    async def test_chat_alone_has_none(self, api: Api, path: str) -> None:
        """Among chat participants there are no receipts and no summary."""
        await api.make(f"{path}/Participants", Identity="alice")
        message = await api.make(f"{path}/Messages", Body="x")
        assert message["delivery"] is None
        page = await api.show(message["links"]["delivery_receipts"])
        assert page["delivery_receipts"] == []
        assert page["meta"]["next_page_url"] is page["meta"]["previous_page_url"] is None


class TestParticipants:
    """Participants."""

    async def test_identity_like_a_sid(self, api: Api, path: str) -> None:
        """An identity is found by itself, even where it looks like a SID."""
        identity = "MB" + "f" * 32
        made = await api.make(f"{path}/Participants", Identity=identity)
        assert await api.show(f"{path}/Participants/{identity}") == made

    async def test_shape(self, timed: Api) -> None:
        """A participant has the fields of the API."""
        room = await timed.make("/v1/Conversations")
        role = await timed.role("conversation")
        made = await timed.make(
            room["links"]["participants"], Identity="alice", RoleSid=role, Attributes='{"a":1}'
        )
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "conversation_sid": room["sid"],
            "identity": "alice",
            "attributes": '{"a":1}',
            "messaging_binding": None,
            "role_sid": role,
            "date_created": "2023-11-14T22:13:20Z",
            "date_updated": "2023-11-14T22:13:20Z",
            "url": f"{room['links']['participants']}/{made['sid']}",
            "last_read_message_index": None,
            "last_read_timestamp": None,
        }
        assert re.fullmatch("MB[0-9a-f]{32}", made["sid"])

    @pytest.mark.parametrize(
        ("form", "binding"),
        [
            (
                {"Address": "+15551", "ProxyAddress": "+15552"},
                {"type": "sms", "address": "+15551", "proxy_address": "+15552"},
            ),
            (
                {"Address": "whatsapp:+15551", "ProxyAddress": "whatsapp:+15552"},
                {"type": "whatsapp", "address": "whatsapp:+15551", "proxy_address": "whatsapp:+15552"},
            ),
            (
                {"Address": "a@example.com", "ProxyAddress": "b@example.com"},
                {"type": "email", "address": "a@example.com", "proxy_address": "b@example.com"},
            ),
            ({"Address": "+15551"}, {"type": "sms", "address": "+15551"}),
            ({"ProjectedAddress": "+15553"}, {"type": "sms", "projected_address": "+15553"}),
        ],
    )
    async def test_bindings(self, api: Api, path: str, form: dict[str, str], binding: dict[str, str]) -> None:
        """A binding shows its type and the addresses it has, and no others."""
        form = {f"MessagingBinding.{part}": value for part, value in form.items()}
        assert (await api.make(f"{path}/Participants", **form))["messaging_binding"] == binding

    async def test_group_mms_identity(self, api: Api, path: str) -> None:
        """An identity may have a projected address."""
        made = await api.make(
            f"{path}/Participants", Identity="alice", MessagingBinding__ProjectedAddress="+15553"
        )
        assert made["identity"] == "alice"
        assert made["messaging_binding"] == {"type": "sms", "projected_address": "+15553"}

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, 20001),
            ({"Identity": ""}, 50204),
            ({"Identity": "x" * 257}, 50207),
            ({"Identity": "a", "MessagingBinding.Address": "+15551"}, 50451),
            ({"Identity": "a", "MessagingBinding.ProxyAddress": "+15551"}, 50451),
            ({"MessagingBinding.ProxyAddress": "+15551"}, 50411),
            ({"MessagingBinding.Address": "", "MessagingBinding.ProxyAddress": "+15551"}, 50411),
            ({"MessagingBinding.Address": "+15551", "MessagingBinding.ProxyAddress": ""}, 50412),
            ({"MessagingBinding.Address": "whatsapp:+15551"}, 50412),
            ({"MessagingBinding.Address": "my phone", "MessagingBinding.ProxyAddress": "+15551"}, 50407),
            ({"MessagingBinding.Address": "whatsapp:" + "1" * 256}, 50407),
            ({"MessagingBinding.Address": "+15551", "MessagingBinding.ProxyAddress": "x"}, 50408),
            ({"MessagingBinding.Address": "+15551", "MessagingBinding.ProxyAddress": "+15551"}, 50409),
            ({"MessagingBinding.Address": "+15551", "MessagingBinding.ProxyAddress": "whatsapp:+1"}, 50414),
            ({"MessagingBinding.Address": "+15551", "MessagingBinding.ProjectedAddress": "+15552"}, 50407),
            ({"Identity": "a", "MessagingBinding.ProjectedAddress": ""}, 50434),
            ({"Identity": "a", "Attributes": "{"}, 50304),
            ({"Identity": "a", "Attributes": f'"{"x" * 4095}"'}, 50303),
            ({"Identity": "a", "DateUpdated": "x"}, 50309),
            ({"Identity": "a", "RoleSid": "RL1"}, 20001),
        ],
    )
    async def test_bad_value(self, api: Api, path: str, form: dict[str, str], code: int) -> None:
        """What is no participant of a known kind is refused with its code."""
        assert (await api.call("POST", f"{path}/Participants", form)).refusal == (400, code)

    async def test_identity_once(self, api: Api, path: str) -> None:
        """An identity takes part once in a conversation, and again after it has left."""
        await api.make(f"{path}/Participants", Identity="alice")
        bob = await api.make(f"{path}/Participants", Identity="bob")
        refused = await api.post(f"{path}/Participants", Identity="alice")
        assert refused.refusal == (409, 50433)
        assert refused.body["message"] == "Participant already exists"
        assert (await api.post(bob["url"], Identity="alice")).refusal == (409, 50433)
        assert (await api.post(bob["url"], Identity="bob")).status == 200
        other = await api.make("/v1/Conversations")
        await api.make(other["links"]["participants"], Identity="alice")
        await api.delete(f"{path}/Participants/alice")
        await api.make(f"{path}/Participants", Identity="alice")

    async def test_pair_once(self, api: Api, path: str) -> None:
        """A pair of address and proxy is in one conversation that is not closed, over all services."""
        pair = {"MessagingBinding.Address": "+15551", "MessagingBinding.ProxyAddress": "+15552"}
        made = await api.make(f"{path}/Participants", **pair)
        service = await api.make("/v1/Services", FriendlyName="Shop")
        other = await api.make(f"/v1/Services/{service['sid']}/Conversations")
        refused = await api.post(other["links"]["participants"], **pair)
        assert refused.refusal == (409, 50416)
        assert refused.body["message"] == (
            "A binding for this participant and proxy address already exists in Conversation "
            + path.rpartition("/")[2]
        )
        assert (await api.post(made["url"], **{"MessagingBinding.ProxyAddress": "+15552"})).status == 200
        await api.change(path, State="closed")
        await api.make(other["links"]["participants"], **pair)

    async def test_by_identity(self, api: Api, path: str) -> None:
        """The identity stands for the SID in fetch, update and delete."""
        made = await api.make(f"{path}/Participants", Identity="alice/☸")
        by_identity = f"{path}/Participants/alice%2F%E2%98%B8"
        assert await api.show(by_identity) == made
        assert (await api.change(by_identity, Attributes="[]"))["attributes"] == "[]"
        assert (await api.delete(by_identity)).status == 204
        assert (await api.get(made["url"])).refusal == (404, 20404)

    async def test_read_horizon(self, timed: Api, clock: Clock) -> None:
        """The read horizon is kept, dated by the clock where the caller does not, and removed by null."""
        room = await timed.make("/v1/Conversations")
        made = await timed.make(room["links"]["participants"], Identity="alice")
        clock.now += 1000
        read = await timed.change(made["url"], LastReadMessageIndex="7")
        assert (read["last_read_message_index"], read["last_read_timestamp"]) == (7, "2023-11-14T22:13:21Z")
        dated = await timed.change(
            made["url"], LastReadMessageIndex="8", LastReadTimestamp="2020-01-01T00:00:00Z"
        )
        assert (dated["last_read_message_index"], dated["last_read_timestamp"]) == (8, "2020-01-01T00:00:00Z")
        unread = await timed.change(made["url"], LastReadMessageIndex="null")
        assert (unread["last_read_message_index"], unread["last_read_timestamp"]) == (None, None)
        for value in ("x", "-1", "²", str(2**31), ""):
            assert (await timed.post(made["url"], LastReadMessageIndex=value)).refusal == (400, 50421)
        assert (await timed.post(made["url"], LastReadTimestamp="x")).refusal == (400, 50405)

    async def test_binding_changes(self, api: Api, path: str) -> None:
        """The literal null removes a proxy or projected address; what fits no kind has the update's code."""
        phone = await api.make(
            f"{path}/Participants",
            MessagingBinding__Address="+15551",
            MessagingBinding__ProxyAddress="+15552",
        )
        bare = await api.change(phone["url"], MessagingBinding__ProxyAddress="null")
        assert bare["messaging_binding"] == {"type": "sms", "address": "+15551"}
        again = await api.change(phone["url"], MessagingBinding__ProxyAddress="+15554")
        assert again["messaging_binding"] == {"type": "sms", "address": "+15551", "proxy_address": "+15554"}
        assert (await api.post(phone["url"], Identity="alice")).refusal == (400, 50444)
        answer = await api.post(phone["url"], MessagingBinding__ProjectedAddress="+15553")
        assert answer.refusal == (400, 50443)
        alice = await api.make(f"{path}/Participants", Identity="alice")
        answer = await api.post(alice["url"], MessagingBinding__ProxyAddress="+15553")
        assert answer.refusal == (400, 50441)
        masked = await api.change(alice["url"], MessagingBinding__ProjectedAddress="+15553")
        assert masked["messaging_binding"] == {"type": "sms", "projected_address": "+15553"}
        plain = await api.change(alice["url"], MessagingBinding__ProjectedAddress="null")
        assert plain["messaging_binding"] is None
        mask = await api.make(f"{path}/Participants", MessagingBinding__ProjectedAddress="+15553")
        answer = await api.post(mask["url"], MessagingBinding__ProjectedAddress="null")
        assert answer.refusal == (400, 50442)
        whatsapp = await api.make(
            f"{path}/Participants",
            MessagingBinding__Address="whatsapp:+15551",
            MessagingBinding__ProxyAddress="whatsapp:+15552",
        )
        answer = await api.post(whatsapp["url"], MessagingBinding__ProxyAddress="null")
        assert answer.refusal == (400, 50440)


class TestUsers:
    """Users."""

    @pytest.mark.parametrize("in_service", [False, True])
    async def test_shape(self, timed: Api, *, in_service: bool) -> None:
        """A user has the fields of the API, with and without a service in the path."""
        service = sids(await timed.show("/v1/Services"))[0]
        users = f"/v1/Services/{service}/Users" if in_service else "/v1/Users"
        role = await timed.role("service")
        given = {"FriendlyName": "Al", "Attributes": '{ "duty":  1 }', "RoleSid": role}
        made = await timed.make(users, Identity="alice", **given)
        url = f"{timed.origin}{users}/{made['sid']}"
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "chat_service_sid": service,
            "role_sid": role,
            "identity": "alice",
            "friendly_name": "Al",
            "attributes": '{ "duty":  1 }',
            "is_online": None,
            "is_notifiable": None,
            "date_created": "2023-11-14T22:13:20Z",
            "date_updated": "2023-11-14T22:13:20Z",
            "url": url,
            "links": {"user_conversations": f"{url}/Conversations"},
        }
        assert re.fullmatch("US[0-9a-f]{32}", made["sid"])

    async def test_life(self, timed: Api, clock: Clock) -> None:
        """A user is fetched, updated and deleted by SID or identity; the identity stays."""
        made = await timed.make("/v1/Users", Identity="a/b")
        assert (made["friendly_name"], made["attributes"]) == (None, "{}")
        by_identity = URL(f"{timed.origin}/v1/Users/a%2Fb", encoded=True)
        assert (await timed.call("GET", by_identity)).body == await timed.show(made["url"]) == made
        clock.now += 1000
        changed = (await timed.call("POST", by_identity, {"FriendlyName": "Al", "Identity": "bob"})).body
        assert changed == {**made, "friendly_name": "Al", "date_updated": "2023-11-14T22:13:21Z"}
        assert (await timed.call("DELETE", by_identity)).status == 204
        assert (await timed.get(made["url"])).refusal == (404, 20404)
        assert sids(await timed.show("/v1/Users")) == []

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, 20001),
            ({"Identity": ""}, 50204),
            ({"Identity": "x" * 257}, 50207),
            ({"Identity": "US" + "a" * 32}, 50206),
            ({"Identity": "a", "FriendlyName": "x" * 257}, 50003),
            ({"Identity": "a", "Attributes": "x"}, 50304),
            ({"Identity": "a", "Attributes": f'"{"x" * 4095}"'}, 50303),
            ({"Identity": "a", "RoleSid": "RL1"}, 20001),
        ],
    )
    async def test_bad_value(self, api: Api, form: dict[str, str], code: int) -> None:
        """A bad or missing value has its own code."""
        assert (await api.call("POST", "/v1/Users", form)).refusal == (400, code)

    async def test_identity_once(self, api: Api) -> None:
        """An identity is one user of a service, and another one of another service."""
        service = await api.make("/v1/Services", FriendlyName="Shop")
        made = await api.make("/v1/Users", Identity="alice")
        again = await api.post("/v1/Users", Identity="alice")
        assert again.refusal == (409, 50201)
        assert again.body["message"] == "User already exists"
        assert (await api.get(f"/v1/Services/{service['sid']}/Users/alice")).refusal == (404, 20404)
        other = await api.make(f"/v1/Services/{service['sid']}/Users", Identity="alice")
        assert other["sid"] != made["sid"]

    async def test_participants_are_users(self, api: Api, path: str) -> None:
        """Whoever joins a conversation is a user from then on, and stays the user that there was."""
        made = await api.make("/v1/Users", Identity="alice")
        for identity in ("alice", "bob"):
            await api.make(f"{path}/Participants", Identity=identity)
        member = await api.make(f"{path}/Participants", MessagingBinding__ProjectedAddress="+15553")
        await api.change(member["url"], Attributes="{}")
        await api.change(member["url"], Identity="carol")
        users = (await api.show("/v1/Users"))["users"]
        assert [user["identity"] for user in users] == ["alice", "bob", "carol"]
        assert users[0] == made

    async def test_participant_that_cannot_be(self, api: Api, path: str) -> None:
        """A participant who is refused has made no user, and neither has the like of a user's SID."""
        await api.change(path, State="closed")
        assert (await api.post(f"{path}/Participants", Identity="alice")).refusal == (400, 50377)
        room = await api.make("/v1/Conversations")
        like = await api.post(room["links"]["participants"], Identity="US" + "a" * 32)
        assert like.refusal == (400, 50206)
        assert sids(await api.show(room["links"]["participants"])) == []
        assert sids(await api.show("/v1/Users")) == []


class TestMedia:
    """The Media Content Service."""

    @pytest.fixture
    async def media(self, timed: Api) -> str:
        """The path of the default service's files."""
        return f"/v1/Services/{sids(await timed.show('/v1/Services'))[0]}/Media"

    @staticmethod
    def rows(database: Path) -> int:
        """Count what is kept of files."""
        with sqlite3.connect(database) as db:
            (rows,) = db.execute(
                "SELECT (SELECT count(*) FROM media) + (SELECT count(*) FROM contents)"
            ).fetchone()
        db.close()
        return int(rows)

    async def test_shape(self, timed: Api, clock: Clock, media: str) -> None:
        """A file has the fields of the API; a fetch adds a temporary link on the host that was asked."""
        made = await timed.upload(media, b"\0\xff", "image/png")
        url = f"{media}/{made.body['sid']}"
        assert made.status == 201
        assert made.body == {
            "sid": made.body["sid"],
            "service_sid": media.split("/")[3],
            "date_created": "2023-11-14T22:13:20.000000+00:00",
            "date_upload_updated": "2023-11-14T22:13:20.000000+00:00",
            "date_updated": "2023-11-14T22:13:20.000000+00:00",
            "links": {"content": f"{url}/Content"},
            "size": 2,
            "content_type": "image/png",
            "filename": None,
            "author": "system",
            "category": "media",
            "message_sid": None,
            "channel_sid": None,
            "url": url,
            "is_multipart_upstream": False,
        }
        assert re.fullmatch("ME[0-9a-f]{32}", made.body["sid"])
        clock.now += 1000
        shown = await timed.show(url)
        assert shown["links"].pop("content_direct_temporary").startswith(f"{timed.origin}/")
        assert shown == made.body

    async def test_filename(self, timed: Api, media: str) -> None:
        """The query may name the file."""
        for query, filename in (("Filename=a%20%E2%98%B8.png", "a ☸.png"), ("Filename=", None)):
            assert (await timed.upload(f"{media}?{query}")).body["filename"] == filename
        assert (await timed.upload(f"{media}?Filename={'x' * 257}")).refusal == (400, 20001)

    async def test_content(self, timed: Api, media: str) -> None:
        """Whoever has credentials gets the bytes as they were sent, and nobody else."""
        content = bytes(range(256))
        made = (await timed.upload(media, content, "image/png")).body
        url = timed.origin + made["links"]["content"]
        async with timed.session.get(
            url, headers={"Authorization": basic(ACCOUNT_SID, AUTH_TOKEN)}
        ) as answer:
            assert (answer.status, await answer.read()) == (200, content)
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.headers["Content-Length"] == "256"
        assert (await evolve(timed, authorization=None).get(made["links"]["content"])).refusal == (401, 20003)

    @pytest.mark.parametrize("authorization", [None, "Bearer x", basic(ACCOUNT_SID, AUTH_TOKEN)])
    async def test_link(self, timed: Api, clock: Clock, media: str, authorization: str | None) -> None:
        """The link needs no credentials, minds none, and holds for 300 seconds."""
        made = (await timed.upload(media)).body
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        headers = {} if authorization is None else {"Authorization": authorization}
        clock.now += 299_999
        async with timed.session.get(link, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, b"Ahoy")
            assert answer.content_type == "text/plain"
            assert answer.headers["Content-Length"] == "4"
        clock.now += 1
        assert (await timed.get(link)).refusal == (403, 20403)

    async def test_forged_link(self, timed: Api, media: str) -> None:
        """A link that was not given leads nowhere."""
        made = (await timed.upload(media)).body
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        base, _, token = link.rpartition("/")
        sid, end, seal = token.split("-")
        for forged in (
            f"{sid}-{int(end) + 1}-{seal}",
            f"ME{'0' * 32}-{end}-{seal}",
            f"{token}0",
            f"{sid}-{end}",
            sid,
            "-",
            "%C3%A9",
        ):
            assert (await timed.get(f"{base}/{forged}")).refusal == (403, 20403), forged

    async def test_delete(self, timed: Api, media: str) -> None:
        """A file that was deleted is gone, for old links too."""
        made = (await timed.upload(media)).body
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        assert (await timed.delete(made["url"])).status == 204
        for gone in (made["url"], made["links"]["content"], link):
            assert (await timed.get(gone)).refusal == (404, 20404)
        assert (await timed.delete(made["url"])).refusal == (404, 20404)

    async def test_unknown(self, timed: Api, media: str) -> None:
        """Files are found in their own service only, and the refusal names the path."""
        made = (await timed.upload(media)).body
        other = await timed.make("/v1/Services", FriendlyName="Shop")
        for service in (other["sid"], "IS" + "0" * 32):
            for path in ("", "/Content"):
                url = f"/Services/{service}/Media/{made['sid']}{path}"
                answer = await timed.get(f"/v1{url}")
                assert answer.refusal == (404, 20404)
                assert answer.body["message"] == f"The requested resource {url} was not found"
        assert (await timed.upload(f"/v1/Services/IS{'0' * 32}/Media")).refusal == (404, 20404)
        assert (await timed.get(f"{media}/{MEDIA}/Content")).refusal == (404, 20404)
        assert (await timed.get("/v1/Media")).refusal == (404, 20404)

    async def test_wrong_method(self, timed: Api, media: str) -> None:
        """There is no list and no update, and content is only read."""
        made = (await timed.upload(media)).body
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        for method, path in (
            ("GET", media),
            ("POST", made["url"]),
            ("POST", made["links"]["content"]),
            ("DELETE", made["links"]["content"]),
            ("POST", link),
        ):
            assert (await timed.call(method, path)).refusal == (405, 20004), (method, path)

    @pytest.mark.parametrize(
        "kind",
        [
            "image/png",
            "IMAGE/svg+xml",
            'text/plain; charset="utf-8" ;x=y',
            "application/x-www-form-urlencoded",
        ],
    )
    async def test_type(self, timed: Api, media: str, kind: str) -> None:
        """The media type is kept to the letter, and whatever it is, the body is kept as it is."""
        made = (await timed.upload(media, b"a=%41", kind)).body
        assert (made["content_type"], made["size"]) == (kind, 5)
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        async with timed.session.get(link) as answer:
            assert (answer.headers["Content-Type"], await answer.read()) == (kind, b"a=%41")

    @pytest.mark.parametrize(
        "kind", ["", "image", "image/", "/png", "a/b/c", "image/png x", "ïmage/png", "image/*", "a/b;ï"]
    )
    async def test_bad_type(self, timed: Api, media: str, kind: str) -> None:
        """A media type that is none is 400/50511."""
        assert (await timed.upload(media, kind=kind)).refusal == (400, 50511)

    async def test_no_type(self, timed: Api, media: str) -> None:
        """So is one that is absent."""
        answer = await timed.call("POST", media, skip_auto_headers=["Content-Type"])
        assert answer.refusal == (400, 50511)

    async def test_large(self, timed: Api, media: str) -> None:
        """A file may be larger than a form, and come in pieces of no announced number."""
        content = bytes(range(256)) * (3 << 12)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 1 << 18):
                yield content[start : start + (1 << 18)]

        made = (await timed.upload(media, pieces())).body
        assert made["size"] == len(content) == 3 << 20
        link = (await timed.show(made["url"]))["links"]["content_direct_temporary"]
        async with timed.session.get(link) as answer:
            assert await answer.read() == content

    async def test_too_large(self, session: aiohttp.ClientSession, tmp_path: Path) -> None:
        """What exceeds the limit, announced or not, is 413/20413; it leaves nothing, nor does a deletion."""

        async def pieces() -> AsyncIterator[bytes]:
            yield b"12345"
            yield b"678901"

        database = tmp_path / "box.db"
        runner = web.AppRunner(create_app(database=database, largest_file=10))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api = Api(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
        media = f"/v1/Services/{sids(await api.show('/v1/Services'))[0]}/Media"
        assert (await api.upload(media, b"12345678901")).refusal == (413, 20413)
        assert (await api.upload(media, pieces())).refusal == (413, 20413)
        assert self.rows(database) == 0
        for content in (b"1234567890", b""):
            made = (await api.upload(media, content)).body
            assert made["size"] == len(content)
            link = (await api.show(made["url"]))["links"]["content_direct_temporary"]
            async with session.get(link) as answer:
                assert await answer.read() == content
            assert self.rows(database) == 2
            await api.delete(made["url"])
            assert self.rows(database) == 0
        await runner.cleanup()

    @pytest.mark.parametrize(
        "start",
        [
            "Content-Length: 100\r\n\r\nAhoy",
            "Transfer-Encoding: chunked\r\n\r\n4\r\nAhoy\r\n",
            "Transfer-Encoding: chunked\r\n\r\n9\r\nAhoy",
        ],
    )
    async def test_cut_off(
        self, session: aiohttp.ClientSession, tmp_path: Path, caplog: pytest.LogCaptureFixture, start: str
    ) -> None:
        """An upload that breaks off leaves nothing, and is no failure of the emulator."""
        database = tmp_path / "box.db"
        async with Emulator(database=database) as emulator:
            api = Api(session, emulator.url)
            media = f"/v1/Services/{sids(await api.show('/v1/Services'))[0]}/Media"
            _, writer = await asyncio.open_connection("127.0.0.1", int(api.origin.rpartition(":")[2]))
            head = f"POST {media} HTTP/1.1\r\nHost: x\r\nAuthorization: {api.authorization}\r\n"
            writer.write(f"{head}Content-Type: text/plain\r\n{start}".encode())
            await writer.drain()
            while emulator.requests_served < 2:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
        assert self.rows(database) == 0
        assert caplog.text == ""


class TestPagination:
    """Pages."""

    async def test_envelope(self, api: Api, path: str) -> None:
        """The first of several pages has all its URLs, built from the host that was asked."""
        for body in "abc":
            await api.make(f"{path}/Messages", Body=body)
        first = await api.show(f"{path}/Messages?Order=DESC&PageSize=2")
        url = f"{api.origin}{path}/Messages?Order=desc&PageSize=2"
        assert first["meta"] == {
            "page": 0,
            "page_size": 2,
            "first_page_url": f"{url}&Page=0",
            "previous_page_url": None,
            "url": f"{url}&Page=0",
            "next_page_url": f"{url}&Page=1&PageToken=PT0",
            "key": "messages",
        }
        last = await api.show(first["meta"]["next_page_url"])
        assert last["meta"] == {
            "page": 1,
            "page_size": 2,
            "first_page_url": f"{url}&Page=0",
            "previous_page_url": f"{url}&Page=0&PageToken=PB0",
            "url": f"{url}&Page=1&PageToken=PT0",
            "next_page_url": None,
            "key": "messages",
        }
        assert indexes([first, last]) == [2, 1, 0]

    async def test_defaults(self, api: Api, path: str) -> None:
        """The default page size is 50 and is written out; an empty list has no neighbours."""
        page = await api.show(f"{path}/Messages")
        url = f"{api.origin}{path}/Messages?PageSize=50&Page=0"
        assert page["messages"] == []
        assert page["meta"]["first_page_url"] == page["meta"]["url"] == url
        assert page["meta"]["next_page_url"] is page["meta"]["previous_page_url"] is None

    async def test_host(self, api: Api) -> None:
        """URLs name the host that the client asked for."""
        headers = {"Authorization": basic(ACCOUNT_SID, AUTH_TOKEN), "Host": "api.example:8080"}
        async with api.session.get(f"{api.origin}/v1/Conversations", headers=headers) as response:
            page = await response.json()
        assert page["meta"]["url"] == "http://api.example:8080/v1/Conversations?PageSize=50&Page=0"

    @pytest.mark.parametrize("what", ["Services", "Conversations", "Users", "Participants", "Receipts"])
    async def test_every_list(self, api: Api, path: str, what: str) -> None:
        """Every list is walked in the order of making, and back again."""
        base = "/v1" if what in {"Services", "Conversations", "Users"} else path
        if what == "Receipts":
            for number in range(5):
                await api.make(
                    f"{path}/Participants",
                    MessagingBinding__Address=f"+1555{number}",
                    MessagingBinding__ProxyAddress="+1666",
                )
            base = f"{path}/Messages/{(await api.make(f'{path}/Messages', Body='x'))['sid']}"
        else:
            for number in range(5):
                name = "Identity" if what in {"Participants", "Users"} else "FriendlyName"
                await api.make(f"{base}/{what}", **{name: f"n{number}"})
        everything = sids(await api.show(f"{base}/{what}"))
        forward = await api.pages(f"{base}/{what}?PageSize=2")
        assert [sid for page in forward for sid in sids(page)] == everything
        assert [page["meta"]["page"] for page in forward] == list(range(len(forward)))
        page, backward = forward[-1], [forward[-1]]
        while page["meta"]["previous_page_url"] is not None:
            page = await api.show(page["meta"]["previous_page_url"])
            backward.append(page)
        assert [sids(page) for page in reversed(backward)] == [sids(page) for page in forward]
        assert sids(await api.show(page["meta"]["next_page_url"])) == sids(forward[1])

    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_walk_while_rows_come_and_go(self, api: Api, path: str, order: str) -> None:
        """A walk sees every message that was there throughout exactly once, whatever is added or deleted."""
        urls = [(await api.make(f"{path}/Messages", Body="x"))["url"] for _ in range(12)]
        page = await api.show(f"{path}/Messages?Order={order}&PageSize=3")
        seen = indexes([page])
        following = page["meta"]["next_page_url"]
        # The next page's first message goes, one that was seen goes, and new ones come.
        starts_at = 3 if order == "asc" else 8
        for index in (starts_at, seen[0]):
            assert (await api.delete(urls[index])).status == 204
        for _ in range(2):
            await api.make(f"{path}/Messages", Body="new")
        seen += indexes(await api.pages(following))
        old = [index for index in range(12) if index != starts_at]
        expected = [*old, 12, 13] if order == "asc" else old[::-1]
        assert seen == expected

    async def test_page_that_emptied(self, api: Api, path: str) -> None:
        """A token whose rows are all gone gives an empty page that knows the way back."""
        urls = [(await api.make(f"{path}/Messages", Body="x"))["url"] for _ in range(4)]
        first = await api.show(f"{path}/Messages?PageSize=2")
        for url in urls[2:]:
            await api.delete(url)
        empty = await api.show(first["meta"]["next_page_url"])
        assert empty["messages"] == []
        assert empty["meta"]["next_page_url"] is None
        assert indexes([await api.show(empty["meta"]["previous_page_url"])]) == [0, 1]

    async def test_conversations_of_one_moment(self, timed: Api) -> None:
        """Conversations are listed by state, time and making, even if all were made at once."""
        made = [(await timed.make("/v1/Conversations"))["sid"] for _ in range(5)]
        await timed.change(f"/v1/Conversations/{made[1]}", State="closed")
        early = await timed.make("/v1/Conversations", DateCreated="2020-01-01T00:00:00.123Z")
        pages = await timed.pages("/v1/Conversations?PageSize=1")
        assert [sid for page in pages for sid in sids(page)] == [
            early["sid"],
            made[0],
            *made[2:],
            made[1],
        ]
        assert "PageToken=PTactive_2023-11-14T22:13:20.000Z_" in pages[0]["meta"]["next_page_url"]

    async def test_size(self, api: Api, path: str) -> None:
        """Up to a thousand rows come on a page, as asked."""
        assert (await api.show(f"{path}/Messages?PageSize=1000"))["meta"]["page_size"] == 1000
        assert (await api.show(f"{path}/Messages?PageSize=1"))["meta"]["page_size"] == 1

    async def test_page_does_not_jump(self, api: Api, path: str) -> None:
        """Page is repeated and leads nowhere without a token."""
        await api.make(f"{path}/Messages", Body="x")
        page = await api.show(f"{path}/Messages?Page=7")
        assert (page["meta"]["page"], indexes([page])) == (7, [0])

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("PageSize=1001", 20007),
            ("PageSize=0", 20001),
            ("PageSize=-1", 20001),
            ("PageSize=ten", 20001),
            ("PageSize=", 20001),
            ("PageSize=" + "9" * 5000, 20001),
            ("Page=-1", 20001),
            ("Page=x", 20001),
            ("Order=up", 20001),
            ("PageToken=", 21481),
            ("PageToken=x", 21481),
            ("PageToken=15", 21481),
            ("PageToken=PT-1", 21481),
            ("PageToken=PT1_2", 21481),
            ("PageToken=PT" + "9" * 19, 21481),
        ],
    )
    async def test_bad_query(self, api: Api, path: str, query: str, code: int) -> None:
        """A page that cannot be asked for is refused with its code."""
        assert (await api.get(f"{path}/Messages?{query}")).refusal == (400, code)

    @pytest.mark.parametrize("token", ["PT1", "PTactive_2024-02-30T00:00:00.000Z_1", "PT'; DROP TABLE x_1_1"])
    async def test_bad_conversation_token(self, api: Api, token: str) -> None:
        """A token of another list, or one that names no time, is 400/21481."""
        assert (await api.get(f"/v1/Conversations?PageToken={token}")).refusal == (400, 21481)

    def test_depth_costs_nothing(self) -> None:
        """No page is found by sorting or by counting off the rows before it."""
        store = Store(":memory:")
        queries: list[str] = []
        store._db.set_trace_callback(queries.append)
        for table, order, key in (
            ("services", ("id",), (5,)),
            ("conversations", ("state", "created", "id"), ("active", NOON, 5)),
            ("messages", ("position",), (5,)),
            ("participants", ("id",), (5,)),
            ("receipts", ("id",), (5,)),
        ):
            for comparison, descending in ((">=", False), ("<", True)):
                store.page(
                    table,
                    parent=None if table == "services" else 1,
                    tests=[],
                    order=order,
                    start=(comparison, key),
                    descending=descending,
                    limit=3,
                )
        store._db.set_trace_callback(None)
        assert len(queries) == 10
        for query in queries:
            plan = " / ".join(step[3] for step in store._db.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "TEMP B-TREE" not in plan, query
            assert "SCAN" not in plan, query
            assert re.search(r"[<>]\(?\?", plan), query
        store.close()


class TestChat:
    """The view of legacy Chat v2."""

    @pytest.fixture
    async def room(self, api: Api) -> Any:
        """A conversation."""
        return await api.make("/v1/Conversations", UniqueName="room")

    @pytest.fixture
    def chat(self, room: Any) -> str:
        """The path of its messages in Chat."""
        return f"/v2/Services/{room['chat_service_sid']}/Channels/{room['sid']}/Messages"

    async def test_longer_bodies(self, api: Api, chat: str) -> None:
        """Chat takes texts of up to 32 KB."""
        assert (await api.post(chat, Body="x" * 32768)).status == 201
        assert (await api.post(chat, Body="x" * 32769)).refusal == (400, 50504)

    async def test_shape(self, api: Api, room: Any, chat: str) -> None:
        """A message has the fields of Chat."""
        made = await api.make(chat, Body="Hello")
        assert made == {
            "sid": made["sid"],
            "account_sid": ACCOUNT_SID,
            "service_sid": room["chat_service_sid"],
            "to": room["sid"],
            "channel_sid": room["sid"],
            "date_created": made["date_created"],
            "date_updated": made["date_created"],
            "last_updated_by": None,
            "was_edited": False,
            "from": "system",
            "attributes": "{}",
            "body": "Hello",
            "index": 0,
            "type": "text",
            "media": None,
            "url": f"{api.origin}{chat}/{made['sid']}",
        }

    async def test_shares_rows(self, api: Api, room: Any, chat: str) -> None:
        """Both versions see, change and delete the same messages, whose indexes count on."""
        ours = await api.make(room["links"]["messages"], Body="one", Author="alice")
        media = await api.media(room["chat_service_sid"])
        theirs = await api.make(chat, Body="two", From="bob", Attributes='{"a":1}', MediaSid=media)
        assert (ours["index"], theirs["index"]) == (0, 1)
        assert theirs["type"] == "media"
        assert theirs["media"] == {
            "sid": media,
            "size": 4,
            "content_type": "text/plain",
            "filename": "a.txt",
        }
        seen = await api.show(f"{chat}/{ours['sid']}")
        assert (seen["from"], seen["body"], seen["was_edited"]) == ("alice", "one", False)
        seen = await api.show(f"{room['url']}/Messages/{theirs['sid']}")
        assert (seen["author"], seen["body"], seen["attributes"]) == ("bob", "two", '{"a":1}')
        assert seen["media"] == [theirs["media"]]
        page = await api.show(f"{chat}?Order=desc&PageSize=1")
        assert sids(page) == [theirs["sid"]]
        assert sids(await api.show(page["meta"]["next_page_url"])) == [ours["sid"]]
        assert (await api.delete(f"{chat}/{ours['sid']}")).status == 204
        assert (await api.get(ours["url"])).refusal == (404, 20404)

    async def test_edits(self, api: Api, room: Any, chat: str) -> None:
        """An edit shows, through either version, with who made it where that is told."""
        made = await api.make(chat, Body="one")
        edited = await api.change(f"{chat}/{made['sid']}", Body="two", From="bob", LastUpdatedBy="carol")
        assert (edited["body"], edited["from"]) == ("two", "bob")
        assert (edited["last_updated_by"], edited["was_edited"]) == ("carol", True)
        await api.change(f"{room['url']}/Messages/{made['sid']}", Body="three")
        edited = await api.show(f"{chat}/{made['sid']}")
        assert (edited["last_updated_by"], edited["was_edited"]) == ("system", True)
        imported = await api.make(chat, Body="x", LastUpdatedBy="carol")
        assert (imported["last_updated_by"], imported["was_edited"]) == ("carol", True)

    async def test_same_rules(self, api: Api, room: Any, chat: str) -> None:
        """The rules are those of Conversations."""
        assert (await api.post(chat)).refusal == (400, 20001)
        assert (await api.post(chat, Body="x", Attributes="{")).refusal == (400, 50304)
        assert (await api.post(chat, MediaSid=MEDIA)).refusal == (400, 50507)
        assert (await api.post(chat, Body="x", From="x" * 257)).refusal == (400, 50310)
        await api.change(room["url"], State="closed")
        assert (await api.post(chat, Body="x")).refusal == (400, 50377)

    async def test_own_parameters(self, api: Api, chat: str) -> None:
        """Chat does not know the parameters of Conversations, nor a path without the service."""
        made = await api.make(chat, Body="x", Author="alice", ContentSid="nonsense")
        assert made["from"] == "system"
        short = "/v2" + chat[chat.index("/Channels") :]
        assert (await api.get(short)).refusal == (404, 20404)


class TestFile:
    """A database that is kept."""

    async def test_outlives_the_emulator(self, tmp_path: Path, session: aiohttp.ClientSession) -> None:
        """What was acknowledged is there for the next emulator, and counting goes on where it was."""
        database = tmp_path / "box.db"
        async with Emulator(database=database) as emulator:
            api = Api(session, emulator.url)
            room = await api.make("/v1/Conversations", UniqueName="room")
            message = await api.make(room["links"]["messages"], Body="x")
            await api.delete(message["url"])
            media = (
                f"/v1/Services/{room['chat_service_sid']}/Media/{await api.media(room['chat_service_sid'])}"
            )
            await api.make("/v1/Users", Identity="alice")
            services = await api.show("/v1/Services")
        async with Emulator(database=str(database)) as emulator:
            api = Api(session, emulator.url)
            found = await api.show("/v1/Conversations/room")
            assert found["sid"] == room["sid"]
            assert (await api.make(found["links"]["messages"], Body="y"))["index"] == 1
            assert sids(await api.show("/v1/Services")) == sids(services)
            async with session.get((await api.show(media))["links"]["content_direct_temporary"]) as answer:
                assert await answer.read() == b"Ahoy"
            assert (await api.show("/v1/Users/alice"))["identity"] == "alice"

    async def test_memory_forgets(self, session: aiohttp.ClientSession) -> None:
        """Two emulators in memory share nothing."""
        async with Emulator() as one, Emulator() as two:
            await Api(session, one.url).make("/v1/Conversations")
            assert sids(await Api(session, two.url).show("/v1/Conversations")) == []

    async def test_empty_file(self, tmp_path: Path) -> None:
        """An empty file is taken as a new one."""
        database = tmp_path / "box.db"
        database.touch()
        async with Emulator(database=database):
            assert database.stat().st_size > 0

    @pytest.mark.parametrize(
        "layout",
        [
            ["CREATE TABLE notes (text)"],
            ["PRAGMA user_version = 1", "CREATE TABLE notes (text)"],
            ["PRAGMA user_version = 7"],
            ["PRAGMA application_id = 1131376246", "PRAGMA user_version = 99", "CREATE TABLE services (id)"],
        ],
    )
    async def test_foreign_database(self, tmp_path: Path, layout: list[str]) -> None:
        """A database of something else, or of another version, is refused and left as it was."""
        database = tmp_path / "other.db"
        with sqlite3.connect(database) as db:
            for statement in layout:
                db.execute(statement)
        db.close()
        before = database.read_bytes()
        with pytest.raises(ValueError, match="not an emulator's file of this version"):
            await Emulator(database=database).start()
        assert database.read_bytes() == before

    async def test_no_database(self, tmp_path: Path) -> None:
        """A file that is no database is refused and left as it was."""
        database = tmp_path / "letter.txt"
        database.write_text("Dear reader,\n" * 100)
        with pytest.raises(ValueError, match="not a database"):
            await Emulator(database=database).start()
        assert database.read_text() == "Dear reader,\n" * 100

    async def test_no_place(self, tmp_path: Path) -> None:
        """A path that cannot be opened raises ValueError that names it."""
        with pytest.raises(ValueError, match="missing"):
            await Emulator(database=tmp_path / "missing" / "box.db").start()

    def test_missing_row(self) -> None:
        """Asking the store for a row by an id that it never gave is an error, not a None."""
        store = Store(":memory:")
        with pytest.raises(LookupError, match="messages has no row"):
            store.get("messages", id=1)
        store.close()


async def test_times_are_real(api: Api) -> None:
    """Without a clock of its own the emulator shows the real time, in whole seconds."""
    made = await api.make("/v1/Conversations")
    shown = datetime.fromisoformat(made["date_created"])
    assert abs(datetime.now(tz=shown.tzinfo) - shown) < timedelta(seconds=5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["date_created"])


async def test_concurrent_writers(api: Api, path: str) -> None:
    """Writers at the same time get different indexes, with none left out."""
    made = await asyncio.gather(*(api.make(f"{path}/Messages", Body=str(each)) for each in range(100)))
    assert sorted(message["index"] for message in made) == list(range(100))
