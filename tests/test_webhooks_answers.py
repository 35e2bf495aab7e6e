"""What a pre-action handler may say: which answers there are, to which events, and how the API reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.webhooks.answers import (
    Accept,
    Modify,
    ModifyConversation,
    Reject,
    allowed,
    changed,
    merged,
)
from conversations_async.webhooks.events import (
    EVENTS,
    ConversationAdd,
    ConversationUpdate,
    Event,
    MessageAdd,
    MessageUpdate,
    PostActionEvent,
    PreActionEvent,
    UnknownEvent,
)
from conversations_async.webhooks.router import _to_reply as to_reply

from .conftest import CONVERSATION
from .support import deterministic

texts = st.none() | st.text(max_size=3)
messages = st.builds(
    lambda body, author, attributes, always: Modify(
        body=body or always, author=author, attributes=attributes
    ),
    texts,
    texts,
    st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.text(max_size=3),
)
conversations = st.builds(ModifyConversation, friendly_name=st.text(max_size=3), attributes=st.just("{}"))


def test_what_each_event_takes() -> None:
    """Messages and conversations can be changed before they are written, all else only refused."""
    changes: dict[type[Event], Any] = {
        MessageAdd: Modify,
        MessageUpdate: Modify,
        ConversationAdd: ModifyConversation,
        ConversationUpdate: ModifyConversation,
    }
    before = [event for event in EVENTS.values() if issubclass(event, PreActionEvent)]
    assert len(before) == 10
    for event in before:
        assert set(allowed(event)) == {Accept, Reject, *([changes[event]] if event in changes else [])}
    for other in (*(set(EVENTS.values()) - set(before)), UnknownEvent, PostActionEvent, Event):
        assert allowed(other) == ()
    assert allowed(PreActionEvent) == (Accept, Reject)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (Accept(), {}),
        (Modify(body=""), {"body": ""}),
        (Modify(author="smee"), {"author": "smee"}),
        (Modify(attributes={"mood": "ä 👋"}), {"attributes": '{"mood": "ä 👋"}'}),
        (Modify(attributes=' {"a": 1}'), {"attributes": ' {"a": 1}'}),
        (
            Modify(body="a", author="b", attributes={}),
            {"body": "a", "author": "b", "attributes": "{}"},
        ),
        (ModifyConversation(friendly_name="Ship"), {"friendly_name": "Ship"}),
        (ModifyConversation(attributes={"a": None}), {"attributes": '{"a": null}'}),
    ],
    ids=repr,
)
def test_what_lets_it_happen_is_json(answer: Any, body: dict[str, str]) -> None:
    """Whatever is to be replaced is there by its name on the wire as text, and nothing else is."""
    reply = to_reply(answer)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body) == body


@pytest.mark.parametrize("status", [400, 403, 451, 500, 599])
def test_a_refusal_is_its_status(status: int) -> None:
    """A refusal has no body; without a status it is 403."""
    assert to_reply(Reject(status)).status == Reject(status=status).status == status
    assert to_reply(Reject()).status == 403
    assert to_reply(Reject()).body == b""


NO_JSON = "attributes must be a mapping or a string of JSON"
BAD: list[Any] = [
    *(
        (Reject, {"status": status}, "status must be a whole number from 400 to 599")
        for status in (200, 399, 600, 403.0, True, "403", None)
    ),
    (Modify, {}, r"Modify\(\) replaces nothing; to let it happen, answer Accept\(\)"),
    (ModifyConversation, {}, r"ModifyConversation\(\) replaces nothing"),
    (Modify, {"body": 5}, "body must be a string or None, got a int"),
    (Modify, {"author": b"secret"}, "author must be a string or None, got a bytes"),
    (Modify, {"body": "secret\udc00"}, "body holds half of a surrogate pair"),
    (Modify, {"attributes": {"secret": "\udc00"}}, "attributes holds half of a surrogate pair"),
    (Modify, {"attributes": "{secret"}, NO_JSON),
    (Modify, {"attributes": {"a": {"secret"}}}, NO_JSON),
    (Modify, {"attributes": ["secret"]}, NO_JSON),
    (ModifyConversation, {"friendly_name": 5}, "friendly_name must be a string or None"),
]


@pytest.mark.parametrize(("answer", "arguments", "message"), BAD)
def test_what_is_no_answer_is_refused(answer: Any, arguments: dict[str, object], message: str) -> None:
    """A wrong value raises when the answer is made; the message names the argument, and shows no text."""
    with pytest.raises(ValueError, match=message) as caught:
        answer(**arguments)
    assert "secret" not in str(caught.value)


@given(st.lists(messages, min_size=1, max_size=4))
@deterministic
def test_several_changes_are_one(answers: list[Modify]) -> None:
    """Changes that are put together do what they do one after the other; the later one counts."""
    event = one_by_one = MessageAdd(conversation_sid=CONVERSATION, body="a", author="b", attributes="{}")
    together: Any = Accept()
    for answer in answers:
        one_by_one = changed(one_by_one, answer)
        together = merged(together, answer)
    assert changed(event, together) == one_by_one
    assert (
        json.loads(to_reply(together).body).items()
        <= {
            "body": one_by_one.body,
            "author": one_by_one.author,
            "attributes": one_by_one.attributes,
        }.items()
    )


@given(conversations)
@deterministic
def test_a_changed_conversation_is_seen_as_it_will_be(answer: ModifyConversation) -> None:
    """What is replaced is replaced in the event, and all else stays, attributes as parsed among it."""
    event = ConversationAdd(unique_name="u", friendly_name="f", attributes='{"a": 1}')
    assert event.parsed_attributes == {"a": 1}
    after = changed(event, answer)
    assert (after.unique_name, after.friendly_name, after.parsed_attributes) == (
        "u",
        answer.friendly_name,
        {},
    )
