"""A running emulator is steered by JSON over its own port, and what is wrong is refused in one line."""

import asyncio
import json
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.emulator import Emulator, Limits

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .raw import Api, basic
from .support import deterministic
from .test_emulator import Clock

AUTHORIZATION = {"Authorization": basic(ACCOUNT_SID, AUTH_TOKEN)}


@frozen
class Control:
    """A client of the control path."""

    session: aiohttp.ClientSession
    origin: str
    authorization: dict[str, str] = field(default=AUTHORIZATION)

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Send one request, and give the status and what came back."""
        headers = self.authorization | more.pop("headers", {})
        async with self.session.request(
            method, f"{self.origin}/emulator/{path}", headers=headers, **more
        ) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        """Look at something that must be there."""
        status, body = await self.call("GET", path)
        assert status == 200, body
        return body

    async def post(self, path: str, data: Any = None) -> Any:
        """Do something that must succeed."""
        status, body = await self.call("POST", path, json={} if data is None else data)
        assert status == 200, body
        return body

    async def refusal(self, path: str, data: Any) -> str:
        """Do something that must fail, and give the reason."""
        status, body = await self.call("POST", path, json=data)
        assert (status, list(body)) == (400, ["error"])
        return str(body["error"])


@pytest.fixture
async def control(emulator: Emulator, session: aiohttp.ClientSession) -> Control:
    """The client of its control path."""
    return Control(session, emulator.url)


class TestFaults:
    """What goes wrong by script."""

    async def test_script(self, emulator: Emulator, api: Api, control: Control) -> None:
        """A script is added, hits, shows its hits, and ends."""
        added = await control.post("faults", [{"operation": "users.list", "status": 503, "times": 1}])
        assert added == [{"operation": "users.list", "status": 503, "times": 1, "hits": 0}]
        assert (await api.get("/v1/Users")).status == 503
        assert [each["hits"] for each in await control.get("faults")] == [1]
        assert await control.call("DELETE", "faults") == (200, [])
        assert list(emulator.faults) == []

    async def test_mistake_adds_nothing(self, emulator: Emulator, control: Control) -> None:
        """A script with a mistake in it leaves everything as it was."""
        error = await control.refusal("faults", [{"status": 503}, {"status": 503, "tmes": 1}])
        assert error == "faults[1].tmes: unknown; did you mean times?"
        assert (await control.refusal("faults", "x")).startswith("fault: must be an object")
        assert list(emulator.faults) == []

    async def test_does_not_touch_itself(
        self, emulator: Emulator, api: Api, session: aiohttp.ClientSession
    ) -> None:
        """Faults, latency and limits are for the API; and the log is, too."""
        emulator.faults.add(path="*", reset="before")
        async with Emulator(latency=3600, limits=Limits(concurrency=1)) as slow:
            control = Control(session, slow.url)
            assert await asyncio.gather(*(control.get("requests") for _ in range(4))) == [[]] * 4
        assert await Control(session, emulator.url).get("requests") == []
        assert (emulator.requests, emulator.requests_served) == ([], 0)


class TestLogs:
    """What was asked, and what was called."""

    async def test_requests(self, api: Api, control: Control) -> None:
        """The log of requests is there, without credentials, or its end."""
        await api.make("/v1/Users", Identity="smee")
        await api.get("/v1/Users/hook?a=1&a=2")
        first, second = await control.get("requests")
        assert (first["operation"], first["form"], first["status"]) == (
            "users.create",
            {"Identity": ["smee"]},
            201,
        )
        assert (second["path"], second["query"], second["status"]) == (
            "/v1/Users/hook",
            {"a": ["1", "2"]},
            404,
        )
        assert "Authorization" not in first["headers"]
        assert await control.get("requests?limit=1") == [second]
        assert await control.get("requests?limit=0") == []
        assert await control.get("requests?limit=7") == [first, second]

    async def test_webhooks(self, emulator: Emulator, api: Api, control: Control) -> None:
        """The log of webhooks is there."""
        await api.change("/v1/Configuration/Webhooks", PostWebhookUrl="http://example.com/")
        headers = {"X-Twilio-Webhook-Enabled": "true", **AUTHORIZATION}
        async with api.session.post(f"{api.origin}/v1/Conversations", headers=headers) as response:
            assert response.status == 201
        await emulator.settled()
        (call,) = await control.get("webhooks?limit=5")
        assert (call["event"], call["url"], call["attempts"]) == (
            "onConversationAdded",
            "http://example.com/",
            0,
        )

    @pytest.mark.parametrize("limit", ["-1", "x", ""])
    async def test_limit_is_a_number(self, control: Control, limit: str) -> None:
        """Any other limit is refused."""
        for log in ("requests", "webhooks"):
            answer = await control.call("GET", f"{log}?limit={limit}")
            assert answer == (400, {"error": "limit: must be a whole number"})


class TestClock:
    """What time it is."""

    async def test_timers_fire(self, api: Api, control: Control) -> None:
        """Turning the clock fires what ends on the way, before the answer."""
        conversation = await api.make("/v1/Conversations", Timers__Closed="PT48H")
        before = (await control.get("clock"))["now"]
        turned = await control.post("clock", {"days": 1, "hours": 24.5, "minutes": None})
        assert turned["now"] > before
        assert (await api.show(f"/v1/Conversations/{conversation['sid']}"))["state"] == "closed"

    @pytest.mark.parametrize(
        ("by", "error"),
        [
            ({"hours": "48"}, "hours: must be a number"),
            ({"hours": True}, "hours: must be a number"),
            ({"hour": 1}, "hour: unknown; did you mean hours?"),
            ({"weeks": 1}, "weeks: unknown; known are days, hours, minutes, seconds"),
            ({"hours": -1}, "the clock goes forward only, by 100 years at most, and not by -1 hours"),
            ({"days": 1e300}, "the clock does not go that far"),
            ([], "body: must be an object, not a list"),
            (1, "body: must be an object, not a number"),
        ],
    )
    async def test_mistakes(self, control: Control, by: Any, error: str) -> None:
        """A wrong time is refused, and the clock stays."""
        assert await control.refusal("clock", by) == error


class TestData:
    """What is there."""

    async def test_seed(self, api: Api, control: Control) -> None:
        """A seed is made, and the SIDs are told."""
        made = await control.post("seed", {"users": [{"identity": "smee"}]})
        assert (await api.show("/v1/Users/smee"))["sid"] == made["users[0]"]

    async def test_large_seed(self, api: Api, control: Control) -> None:
        """A seed may be larger than a request of the API."""
        messages = [{"body": "x" * 1500}] * 1000
        seed = json.dumps({"conversations": [{"unique_name": "x", "messages": messages}]}).encode()
        kind = {"Content-Type": "application/json"}
        status, made = await control.call("POST", "seed", data=BytesIO(seed), headers=kind)
        assert (status, len(made)) == (200, 1001)
        assert (await api.show("/v1/Conversations/x/Messages?Order=desc"))["messages"][0]["index"] == 999

    async def test_mistake_makes_nothing(self, api: Api, control: Control) -> None:
        """A seed with a mistake in it leaves everything as it was."""
        error = await control.refusal("seed", {"users": [{"identity": "smee"}, {"identity": "smee"}]})
        assert error == "users[1]: 50201: User already exists"
        assert (await api.show("/v1/Users"))["users"] == []

    async def test_no_file_is_read(self, control: Control) -> None:
        """A seed that is a text is no file's name."""
        assert await control.refusal("seed", __file__) == "seed: must be an object, not a text"

    async def test_snapshots(self, api: Api, control: Control) -> None:
        """What is kept comes back, as often as wanted."""
        await api.make("/v1/Users", Identity="smee")
        kept = (await control.post("snapshots"))["id"]
        for _ in range(2):
            await api.make("/v1/Users", Identity="hook")
            assert await control.post(f"snapshots/{kept}") == {}
            assert [user["identity"] for user in (await api.show("/v1/Users"))["users"]] == ["smee"]

    async def test_snapshots_are_few(self, control: Control) -> None:
        """The oldest of too many is dropped, and one that is not there is not found."""
        names = [(await control.post("snapshots"))["id"] for _ in range(17)]
        assert len(set(names)) == 17
        assert await control.call("POST", f"snapshots/{names[0]}", json={}) == (
            404,
            {"error": f"snapshot {names[0]}: not there, or no more"},
        )
        for name in names[1:]:
            await control.post(f"snapshots/{name}")

    async def test_reset(self, emulator: Emulator, api: Api, control: Control) -> None:
        """After a reset it is as if just started."""
        await api.make("/v1/Users", Identity="smee")
        emulator.faults.add(operation="users.create", status=503)
        emulator.clock.advance(hours=48)
        assert await control.post("reset") == {}
        assert (await control.get("requests"), await control.get("faults")) == ([], [])
        assert emulator.clock.now() == pytest.approx(Clock().now, abs=1e12)
        assert (await api.show("/v1/Users"))["users"] == []


class TestDeliveries:
    """How messages to phones fare."""

    @pytest.fixture
    async def path(self, api: Api) -> str:
        """The path of a conversation with a phone in it."""
        conversation = await api.make("/v1/Conversations")
        path = f"/v1/Conversations/{conversation['sid']}"
        binding = {
            "MessagingBinding.Address": "+15558675310",
            "MessagingBinding.ProxyAddress": "+15557122661",
        }
        await api.make(f"{path}/Participants", **binding)
        return path

    async def test_failures(self, api: Api, control: Control, path: str) -> None:
        """A failure that is asked for happens, until it is over."""
        failure = {"address": "+1555*", "status": "failed", "error_code": 30006, "times": None}
        assert await control.post("deliveries", failure) == {}
        seen = []
        for _ in range(2):
            message = await api.make(f"{path}/Messages", Body="Ahoy!")
            await control.post("clock", {"seconds": 2})
            receipts = await api.show(f"{path}/Messages/{message['sid']}/Receipts")
            seen += [(each["status"], each["error_code"]) for each in receipts["delivery_receipts"]]
            assert await control.call("DELETE", "deliveries") == (200, {})
        assert seen == [("failed", 30006), ("read", 0)]

    async def test_messages_from_outside(self, api: Api, control: Control, path: str) -> None:
        """A message is brought in as one from a phone, or a chat user, and what prevents it is said."""
        phone = {"from": "+15558675310", "to": "+15557122661"}
        text = {**phone, "body": "Ahoy!", "attributes": {"a": 1}, "channel_metadata": {"data": {}}}
        told = (await control.post("messages", text))["delivered"]
        message = await api.show(f"{path}/Messages/{told['message_sid']}")
        assert (told["index"], told["is_new"], message["body"]) == (0, False, "Ahoy!")
        picture = {**phone, "media": "R0lG", "content_type": "image/gif", "filename": "a.gif"}
        told = (await control.post("messages", picture))["delivered"]
        message = await api.show(f"{path}/Messages/{told['message_sid']}")
        assert (message["media"][0]["size"], message["media"][0]["filename"]) == (3, "a.gif")
        stranger = {"from": "alice", "conversation": told["conversation_sid"], "body": "x"}
        assert await control.call("POST", "messages", json=stranger) == (
            400,
            {"error": "50430: Participant is not a member of conversation"},
        )
        nowhere = {**phone, "to": "+1", "body": "x"}
        status, body = await control.call("POST", "messages", json=nowhere)
        assert (status, body["error"][:20]) == (404, "no open conversation")
        for wrong, error in (
            ({}, "from: is missing"),
            ({**phone, "media": "no Base64"}, "media: must be a file in Base64"),
            ({**phone}, "give body, media or both"),
            ({**phone, "body": 1}, "body: must be a text"),
        ):
            assert await control.refusal("messages", wrong) == error

    async def test_mistakes(self, control: Control) -> None:
        """A wrong failure is refused."""
        for failure, error in (
            ({"times": 0}, "times must be at least 1, not 0"),
            ({"times": 0.5}, "times: must be a whole number below 2^31"),
            ({"error_code": 1 << 31}, "error_code: must be a whole number below 2^31"),
            ({"error_code": 100_000}, "error_code must be within 0..99999, not 100000"),
            ({"address": 1}, "address: must be a text"),
            ({"status": "lost"}, "status must be failed or undelivered, not 'lost'"),
        ):
            assert await control.refusal("deliveries", failure) == error


class TestRequests:
    """What is asked in the right way, and what is not."""

    async def test_credentials(self, session: aiohttp.ClientSession) -> None:
        """Whom the API does not let in steers nothing."""
        async with Emulator(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN) as emulator:
            for header in ({}, {"Authorization": basic(ACCOUNT_SID, "wrong")}):
                stranger = Control(session, emulator.url, header)
                assert await stranger.call("POST", "reset", json={}) == (
                    401,
                    {"error": "20003: Authenticate"},
                )
                assert (await stranger.call("GET", "nowhere"))[0] == 401
            assert await Control(session, emulator.url).post("reset") == {}

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
    async def test_content_type(self, control: Control, kind: str) -> None:
        """A type that any web page can send is not taken."""
        answer = await control.call("POST", "reset", data=b"{}", headers={"Content-Type": kind})
        assert answer == (
            415,
            {"error": "POST /emulator/reset: the Content-Type must be application/json"},
        )

    async def test_no_body(self, control: Control) -> None:
        """No body is an empty object."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        assert await control.call("POST", "reset", headers=headers) == (200, {})

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"{", "body:1:2: Expecting property name enclosed in double quotes"),
            (b"\xff", "body:1:1: not UTF-8"),
            (b"[" * 100_000, "body: nested too deeply"),
        ],
    )
    async def test_no_json(self, control: Control, body: bytes, error: str) -> None:
        """What is no JSON is refused with the place."""
        for path in ("clock", "seed", "faults", "reset", "snapshots", "deliveries"):
            answer = await control.call("POST", path, data=body, headers={"Content-Type": "application/json"})
            assert answer == (400, {"error": error})

    async def test_unknown_path_or_method(self, control: Control) -> None:
        """What leads nowhere is refused in the same shape."""
        assert await control.call("GET", "nowhere") == (
            404,
            {"error": "GET /emulator/nowhere: 404: Not Found"},
        )
        assert await control.call("GET", "") == (404, {"error": "GET /emulator/: 404: Not Found"})
        status, body = await control.call("PUT", "clock")
        assert (status, body) == (405, {"error": "PUT /emulator/clock: 405: Method Not Allowed"})

    async def test_too_large(self, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body beyond all measure is refused."""
        monkeypatch.setattr("conversations_async.emulator.control._LARGEST", 10)
        status, body = await control.call("POST", "seed", json={"users": []}, skip_auto_headers=())
        assert (status, list(body)) == (413, ["error"])

    async def test_client_that_leaves(self, emulator: Emulator, control: Control) -> None:
        """A body that ends too early does nothing."""
        host, port = emulator.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        headers = {**AUTHORIZATION, "Host": host, "Content-Type": "application/json", "Content-Length": "9"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /emulator/reset HTTP/1.1\r\n{lines}\r\n{{".encode())
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        assert (await control.get("clock")).keys() == {"now"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["hours", "days", "times", "status", "address", "users", "latency"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=5,
)


class TestAnything:
    """What holds of everything that is sent."""

    @deterministic
    @given(bodies=st.lists(_JSON, min_size=7, max_size=7))
    async def test_done_or_refused(self, bodies: list[Any]) -> None:
        """Any JSON is taken or refused in one line, and the server goes on."""
        paths = ("clock", "seed", "faults", "reset", "snapshots", "snapshots/1", "deliveries")
        async with Emulator() as emulator, aiohttp.ClientSession() as session:
            control = Control(session, emulator.url)
            for path, body in zip(paths, bodies, strict=True):
                headers = {"Content-Type": "application/json"}
                status, answer = await control.call("POST", path, data=json.dumps(body), headers=headers)
                assert status in {200, 400, 404}
                assert status == 200 or len(answer["error"].splitlines()) == 1
