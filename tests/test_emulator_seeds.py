"""A seed is made wholly or not at all, by the API's rules, and a mistake in it is one line with its place."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.emulator import Emulator, create_app
from conversations_async.emulator.seeds import RESOURCES, _Words, read

from .raw import Api
from .support import deterministic

CONVERSATION = "CH" + "1" * 32
SERVICE = "IS" + "2" * 32
ROLE = "RL" + "3" * 32
PHONE = {"messaging_binding_address": "+15558675310", "messaging_binding_proxy_address": "+15557122661"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    """An emulator for many examples."""
    with Emulator() as emulator:
        yield emulator


@contextmanager
def refused(line: str) -> Iterator[None]:
    """Expect an error that says exactly this."""
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        yield
    assert str(caught.value) == line


def dump(emulator: Emulator) -> str:
    """Everything that is in the database."""
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.deserialize(emulator.snapshot()._image)
        return "\n".join(copy.iterdump())


class TestWhatIsMade:
    """What a seed brings about."""

    async def test_conversation_with_all_below(self, emulator: Emulator, api: Api) -> None:
        """A conversation comes with its participants, messages and webhooks, in their order."""
        sids = emulator.seed(
            {
                "conversations": [
                    {
                        "unique_name": "support",
                        "timers_closed": "PT1H",
                        "attributes": {"mood": "gut gelaunt: é"},
                        "participants": [{"identity": "smee", "last_read_message_index": 0}, PHONE],
                        "messages": [
                            {"author": "smee", "body": "Ahoy!", "date_created": "2015-07-30T20:00:00Z"},
                            {"author": "+15558675310", "body": "42", "attributes": "[1]"},
                        ],
                        "webhooks": [
                            {
                                "target": "webhook",
                                "configuration_url": "http://127.0.0.1:9/",
                                "configuration_filters": ["onMessageAdded", "onMessageRemoved"],
                                "configuration_replay_after": 0,
                            }
                        ],
                    }
                ]
            }
        )
        path = "/v1/Conversations/support"
        conversation = await api.show(path)
        assert conversation["sid"] == sids["conversations[0]"]
        assert conversation["attributes"] == '{"mood": "gut gelaunt: é"}'
        assert conversation["timers"].keys() == {"date_closed"}
        messages = (await api.show(f"{path}/Messages"))["messages"]
        assert [(each["index"], each["body"], each["attributes"]) for each in messages] == [
            (0, "Ahoy!", "{}"),
            (1, "42", "[1]"),
        ]
        assert messages[0]["date_created"] == "2015-07-30T20:00:00Z"
        assert messages[0]["participant_sid"] == sids["conversations[0].participants[0]"]
        assert [each["sid"] for each in messages] == [sids[f"conversations[0].messages[{i}]"] for i in (0, 1)]
        smee = await api.show(f"{path}/Participants/smee")
        assert smee["last_read_message_index"] == 0
        hook = await api.show(f"{path}/Webhooks/{sids['conversations[0].webhooks[0]']}")
        assert hook["configuration"]["filters"] == ["onMessageAdded", "onMessageRemoved"]
        await emulator.settled()
        assert emulator.webhooks == []

    async def test_service_with_all_below(self, emulator: Emulator, api: Api) -> None:
        """A service gets its roles before its configuration, and both before what depends on them."""
        emulator.seed(
            {
                "services": [
                    {
                        "sid": SERVICE,
                        "friendly_name": "Ahoy",
                        "conversations": [{"unique_name": "support", "participants": [{"identity": "smee"}]}],
                        "users": [{"identity": "smee", "friendly_name": "Mr Smee"}],
                        "bindings": [{"identity": "smee", "endpoint": "e", "binding_type": "fcm"}],
                        "notifications": {"new_message_enabled": True},
                        "webhook_configuration": {"filters": ["onMessageAdded"], "method": "GET"},
                        "configuration": {"default_conversation_role_sid": ROLE},
                        "roles": [
                            {
                                "sid": ROLE,
                                "friendly_name": "guest",
                                "type": "conversation",
                                "permission": ["sendMessage"],
                            }
                        ],
                    }
                ]
            }
        )
        path = f"/v1/Services/{SERVICE}"
        participants = await api.show(f"{path}/Conversations/support/Participants")
        assert [each["role_sid"] for each in participants["participants"]] == [ROLE]
        users = (await api.show(f"{path}/Users"))["users"]
        assert [user["friendly_name"] for user in users] == ["Mr Smee"]
        assert len((await api.show(f"{path}/Bindings"))["bindings"]) == 1
        notifications = await api.show(f"{path}/Configuration/Notifications")
        assert notifications["new_message"]["enabled"] is True
        webhooks = await api.show(f"{path}/Configuration/Webhooks")
        assert (webhooks["method"], webhooks["filters"]) == ("GET", ["onMessageAdded"])
        assert (await api.show("/v1/Conversations"))["conversations"] == []

    async def test_account(self, emulator: Emulator, api: Api) -> None:
        """What belongs to the account is made, and its default service is the one of all that names none."""
        emulator.seed(
            {
                "conversations": [{"unique_name": "support"}],
                "credentials": [{"type": "fcm"}],
                "addresses": [{"type": "sms", "address": "+15557122661", "auto_creation_enabled": True}],
                "users": [{"identity": "smee"}],
                "roles": [{"friendly_name": "guest", "type": "service", "permission": ["joinConversation"]}],
                "configuration": {"default_chat_service_sid": SERVICE, "default_closed_timer": "PT1H"},
                "webhook_configuration": {"post_webhook_url": "http://127.0.0.1:9/"},
                "services": [{"sid": SERVICE, "friendly_name": "Ahoy"}],
            }
        )
        conversation = await api.show(f"/v1/Services/{SERVICE}/Conversations/support")
        assert conversation["timers"].keys() == {"date_closed"}
        for path, key, count in (
            ("/v1/Credentials", "credentials", 1),
            ("/v1/Configuration/Addresses", "address_configurations", 1),
            (f"/v1/Services/{SERVICE}/Users", "users", 1),
            (f"/v1/Services/{SERVICE}/Roles", "roles", 5),
        ):
            assert len((await api.show(path))[key]) == count
        webhooks = await api.show("/v1/Configuration/Webhooks")
        assert webhooks["post_webhook_url"] == "http://127.0.0.1:9/"

    @pytest.mark.parametrize("state", ["inactive", "closed"])
    async def test_state_comes_last(self, emulator: Emulator, api: Api, state: str) -> None:
        """A conversation of any state has its messages, and its date is the one that was given."""
        emulator.seed(
            {
                "conversations": [
                    {
                        "unique_name": "old",
                        "state": state,
                        "date_created": "2015-07-30T20:00:00Z",
                        "date_updated": "2016-07-30T20:00:00Z",
                        "messages": [{"body": "Ahoy!"}],
                        "participants": [
                            {
                                "identity": "smee",
                                "date_created": "2015-07-30T20:00:00Z",
                                "last_read_message_index": 0,
                            }
                        ],
                    }
                ]
            }
        )
        conversation = await api.show("/v1/Conversations/old")
        assert (conversation["state"], conversation["date_updated"]) == (state, "2016-07-30T20:00:00Z")
        assert len((await api.show("/v1/Conversations/old/Messages"))["messages"]) == 1
        smee = await api.show("/v1/Conversations/old/Participants/smee")
        assert smee["date_updated"] == "2015-07-30T20:00:00Z"

    async def test_sids_are_kept(self, emulator: Emulator, api: Api) -> None:
        """What is given a SID has it."""
        sids = emulator.seed({"conversations": [{"sid": CONVERSATION}]})
        assert sids == {"conversations[0]": CONVERSATION}
        assert (await api.show(f"/v1/Conversations/{CONVERSATION}"))["sid"] == CONVERSATION

    async def test_null_is_not_given(self, emulator: Emulator) -> None:
        """Null says nothing, wherever it stands, and so does an empty list."""
        nothing = dict.fromkeys(("sid", "unique_name", "participants", "state"))
        assert emulator.seed({"users": None, "configuration": None, "roles": []}) == {}
        assert emulator.seed({"conversations": [nothing]}).keys() == {"conversations[0]"}
        with refused("roles[0]: 20001: Missing required parameter Permission in the post body"):
            emulator.seed({"roles": [{"friendly_name": "r", "type": "service", "permission": []}]})

    async def test_limits_do_not_count(self) -> None:
        """A seed may be larger than what the API takes in a second."""
        async with Emulator(limits=True) as emulator:
            made = emulator.seed({"conversations": [{"messages": [{"body": "Ahoy!"}] * 40}] * 40})
        assert len(made) == 40 * 41

    async def test_from_another_thread(self) -> None:
        """An emulator in a thread of its own is seeded from here."""
        with Emulator() as emulator:
            assert emulator.seed({"users": [{"identity": "smee"}]}).keys() == {"users[0]"}
        with pytest.raises(RuntimeError, match="not running"):
            emulator.seed({})


class TestFromTheStart:
    """An emulator that starts with a seed."""

    async def test_reset_goes_back_to_it(self) -> None:
        """After a reset there is what there was at the start, with the same SIDs."""
        async with Emulator(seed={"users": [{"identity": "smee"}]}) as emulator:
            start = dump(emulator)
            emulator.seed({"users": [{"identity": "hook"}]})
            assert dump(emulator) != start
            emulator.reset()
            assert dump(emulator) == start

    async def test_file_that_is_new(self, tmp_path: Path) -> None:
        """A seed is for a new database; one that has been used stays as it is."""
        seed = tmp_path / "seed.json"
        seed.write_text('{"users": [{"identity": "smee"}]}')
        for _ in range(2):
            async with Emulator(database=tmp_path / "data", seed=seed) as emulator:
                assert dump(emulator).count("'smee'") == 1

    async def test_refused_seed_leaves_a_new_file_empty(self, tmp_path: Path) -> None:
        """Where the rules refuse the seed the emulator does not start, and can start with another."""
        emulator = Emulator(database=tmp_path / "data", seed={"users": [{}]})
        with refused("users[0]: 20001: Missing required parameter Identity in the post body"):
            await emulator.start()
        async with Emulator(database=tmp_path / "data", seed={"users": [{"identity": "x"}]}) as emulator:
            assert "'x'" in dump(emulator)

    def test_wrong_seed(self) -> None:
        """A seed that cannot be read is refused before anything starts."""
        with refused("user: unknown; did you mean users?"):
            Emulator(seed={"user": []})
        with refused("seed: must be an object, not a list"):
            create_app(seed=json.loads("[]"))


MISTAKES: dict[str, Any] = {
    "conversations[0].messages[2].bdy: unknown; did you mean body?": {
        "conversations": [{"messages": [{"body": "a"}, {"body": "b"}, {"bdy": "c"}]}]
    },
    "conversations[1].participants[1]: 50433: Participant already exists": {
        "conversations": [{}, {"participants": [{"identity": "smee"}, {"identity": "smee"}]}]
    },
    "conversations[0].messages[0].body: must be a text, not a list": {
        "conversations": [{"messages": [{"body": ["Ahoy!"]}]}]
    },
    "conversations[0].attributes: must be a text or an object, not a list": {
        "conversations": [{"attributes": []}]
    },
    "conversations[0].attributes: cannot be written as JSON": {"conversations": [{"attributes": {"a": {1}}}]},
    "conversations[0].unique_name: cannot be written as JSON": {"conversations": [{"unique_name": 10**5000}]},
    "conversations[0].attributes: 50304: Attributes not valid JSON": {"conversations": [{"attributes": "{"}]},
    "conversations[0].timers_closed: 50376: Timers.Closed must be at least 10 minutes": {
        "conversations": [{"timers_closed": "PT1M"}]
    },
    "conversations[0].friendly_name: holds half of a surrogate pair": {
        "conversations": [{"friendly_name": "\ud800"}]
    },
    "conversations[0].unique_name: must be a text, not a number": {"conversations": [{"unique_name": 5}]},
    "conversations[0].friendly_name: must be a text, not true or false": {
        "conversations": [{"friendly_name": True}]
    },
    "conversations[0].attributes: must be a text or an object, not a number": {
        "conversations": [{"attributes": 5}]
    },
    "conversations[0].participants[0].last_read_message_index: 50421: Invalid last read message index": {
        "conversations": [{"participants": [{"identity": "smee", "last_read_message_index": True}]}]
    },
    "conversations: must be a list, not an object": {"conversations": {}},
    "conversations[0]: must be an object, not null": {"conversations": [None]},
    "conversations[0].messages[0]: must be an object, not a text": {
        "conversations": [{"messages": ["Ahoy!"]}]
    },
    "conversations[0].messages[0].body: must be a text, not set": {
        "conversations": [{"messages": [{"body": {"Ahoy!"}}]}]
    },
    "configuration: must be an object, not true or false": {"configuration": True},
    "configuration.sid: unknown; known are default_chat_service_sid, default_messaging_service_sid, "
    "default_inactive_timer, default_closed_timer": {"configuration": {"sid": "AC"}},
    "webhook_configuration.filters[1]: must be a text, not an object": {
        "webhook_configuration": {"filters": ["onMessageAdded", {}]}
    },
    "users[0].sid: must be US and 32 hexadecimal digits": {
        "users": [{"identity": "smee", "sid": CONVERSATION}]
    },
    "users[0].identity: 50204: User identity not provided": {"users": [{"identity": ""}]},
    "users[1]: 50201: User already exists": {"users": [{"identity": "smee"}, {"identity": "smee"}]},
    f"conversations[1].sid: {CONVERSATION} is there already": {"conversations": [{"sid": CONVERSATION}] * 2},
    r"roles[0].a\nb: unknown; known are friendly_name, type, permission, sid": {"roles": [{"a\nb": 1}]},
    "roles[0].1: unknown; known are friendly_name, type, permission, sid": {"roles": [{1: 2}]},
}


class TestMistakes:
    """What is wrong in a seed, and what becomes of the rest."""

    @pytest.mark.parametrize(("line", "seed"), MISTAKES.items())
    async def test_one_line_with_the_place(self, emulator: Emulator, line: str, seed: Any) -> None:
        """The error names the place, and nothing of the seed is made."""
        before = dump(emulator)
        with refused(line):
            emulator.seed({"users": [{"identity": "before"}], **seed} if "users" not in seed else seed)
        assert dump(emulator) == before

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b'{\n  "users": [,]}', ":2:13: Expecting value"),
            (b'{"users":\n [{"identity": "\xff"}]}', ":2:17: not UTF-8"),
            (b"[" * 100_000, ": nested too deeply"),
            (b'{"users": ' + b"1" * 5_000 + b"}", ": a number has too many digits"),
            (b"", ": is empty"),
            (b'{"users": [], "users": []}', ": 'users' is given twice in one object"),
        ],
    )
    async def test_file_that_is_no_json(
        self, emulator: Emulator, tmp_path: Path, content: bytes, line: str
    ) -> None:
        """A file that cannot be read is named, with line and column where these are known."""
        path = tmp_path / "seed.json"
        path.write_bytes(content)
        with refused(f"{path}{line}"):
            emulator.seed(path)

    async def test_file_that_is_not_there(self, emulator: Emulator, tmp_path: Path) -> None:
        """A file that cannot be opened is named, with the reason."""
        with refused(f"{tmp_path / 'none'}: No such file or directory"):
            emulator.seed(str(tmp_path / "none"))
        with refused("a\0b: embedded null byte"):
            emulator.seed("a\0b")

    async def test_file_with_a_byte_order_mark(self, emulator: Emulator, tmp_path: Path) -> None:
        """A file as some editors write it is read."""
        path = tmp_path / "seed.json"
        path.write_bytes(b'\xef\xbb\xbf{"users": [{"identity": "smee"}]}')
        assert emulator.seed(path).keys() == {"users[0]"}


#: Values of every kind, right and wrong.
_VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["smee", "PT1H", "{}"])
)
_JSON = st.recursive(
    _VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=1)
)
_WORDS = [_Words.of(resource) for resource in (None, *RESOURCES)]
_NAMES = sorted(
    {"sid", "bdy", *(name for each in _WORDS for name in (*each.made_with, *each.changed_to, *each.below))}
)
_SEEDS = st.recursive(
    _JSON,
    lambda inner: st.dictionaries(st.sampled_from(_NAMES), inner | st.lists(inner, max_size=3), max_size=3),
    max_leaves=12,
)
_PEOPLE = st.lists(st.fixed_dictionaries({"identity": st.sampled_from("abc")}), max_size=3)
_LIKELY = st.fixed_dictionaries(
    {
        "users": _PEOPLE,
        "conversations": st.lists(
            st.fixed_dictionaries(
                {
                    "unique_name": st.sampled_from(["x", "y", "", None]),
                    "state": st.sampled_from(["active", "inactive", "closed", None]),
                    "participants": _PEOPLE,
                    "messages": st.lists(st.fixed_dictionaries({"body": st.text(max_size=3)}), max_size=2),
                }
            ),
            max_size=3,
        ),
    }
)


def places(seed: Any, place: str = "") -> Iterator[str]:
    """The place of everything in a list in a seed."""
    for name, value in seed.items():
        for index, item in enumerate(value if isinstance(value, list) else ()):
            here = f"{place}{name}[{index}]"
            yield here
            yield from places(item, f"{here}.")


class TestAnySeed:
    """What holds of every seed."""

    @deterministic
    @given(seed=_SEEDS | _LIKELY)
    def test_wholly_or_not_at_all(self, shared: Emulator, seed: Any) -> None:
        """Either everything in it is made, or there is one line, and everything is as it was."""
        shared.reset()
        before, line, sids = dump(shared), "", dict[str, str]()
        try:
            sids = shared._engine.plant(read(seed))
        except ValueError as error:
            line = str(error)
        after = dump(shared)
        if line:
            assert len(line.splitlines()) == 1
            assert after == before
        else:
            assert set(sids) == set(places(seed))
            assert all(sid in after for sid in sids.values())
