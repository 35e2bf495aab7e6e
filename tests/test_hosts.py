"""Where requests go: the vendor's hosts, and the base URL in their place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conversations_async import ConversationsClient
from conversations_async.hosts import Hosts

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .support import deterministic


@pytest.mark.parametrize(
    ("region", "edge", "host"),
    [
        (None, None, "conversations.twilio.com"),
        (None, "dublin", "conversations.dublin.us1.twilio.com"),
        ("ie1", None, "conversations.dublin.ie1.twilio.com"),
        ("au1", None, "conversations.sydney.au1.twilio.com"),
        ("jp1", None, "conversations.tokyo.jp1.twilio.com"),
        ("us1", None, "conversations.twilio.com"),
        ("ie1", "ashburn", "conversations.ashburn.ie1.twilio.com"),
    ],
)
def test_hosts(region: str | None, edge: str | None, host: str) -> None:
    """Region and edge make the vendor's host; a region alone brings its own edge."""
    assert Hosts(region=region, edge=edge).origin("conversations") == f"https://{host}"


@pytest.mark.parametrize("value", ["a" * 64, "", "IE1", "evil.example", "ie1/", "a b", "@", "-", "ie1\n"])
@pytest.mark.parametrize("name", ["region", "edge"])
def test_region_and_edge_are_names(name: str, value: str) -> None:
    """What would lead a request to another host is refused, and the argument named."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"^{name} \(TWILIO_{name.upper()}\)"):
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, **options)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://user@127.0.0.1",
        "http://:hunter2@127.0.0.1",
        "http://127.0.0.1/path",
        "http://127.0.0.1?a=b",
        "http://127.0.0.1#x",
        "http://127.0.0.1:99999",
        "http://host\n",
        " http://host",
        "http://host\x00",
        "http://a..b",
        "http://" + "a" * 64,
    ],
)
def test_the_base_url_is_an_origin(value: str) -> None:
    """A base URL with anything but an origin is refused, and not shown."""
    with pytest.raises(ValueError, match=r"^base_url \(CONVERSATIONS_BASE_URL\)") as caught:
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=value)
    assert "hunter2" not in str(caught.value)


def test_the_base_url_is_normalised() -> None:
    """Case, a default port and a slash at the end make no other origin."""
    for text in "http://LOCALHOST:80/", "http://localhost", "HTTP://localhost:80":
        assert Hosts(base_url=text).origin("chat") == "http://localhost"


@pytest.mark.parametrize("value", [5, b"http://localhost"])
def test_the_base_url_is_a_text(value: Any) -> None:
    """What is no text is refused like any other base URL that is none."""
    with pytest.raises(ValueError, match=r"^base_url "):
        Hosts(base_url=value)


@pytest.mark.parametrize(
    "hosts",
    [Hosts(region="ie1"), Hosts(edge="sydney"), Hosts(base_url="http://127.0.0.1:1", region="jp1")],
)
def test_links_to_the_public_host_are_followed(hosts: Hosts) -> None:
    """The API may name its public host to a client that came in by another one; the path is what counts."""
    assert hosts.own_link("conversations", "https://conversations.twilio.com/v1/x?a=b:c") == "/v1/x?a=b:c"
    assert hosts.own_link("conversations", f"{hosts.origin('conversations')}/v1/x") == "/v1/x"
    assert hosts.own_link("conversations", "https://chat.twilio.com/v1/x") is None
    assert hosts.own_link("conversations", "https://conversations.ashburn.us2.twilio.com/v1/x") is None


@given(rest=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), max_size=20) | st.text(max_size=5))
@example(rest="/")
@example(rest="/a?")
@example(rest="/a?b#c")
@example(rest="//evil.test/?@")
@example(rest=".evil.test/")
@example(rest=":80/")
@example(rest="@evil.test/")
@example(rest="/%2e%2e/%zz?%")
@deterministic
def test_the_short_way_to_read_a_link_is_the_long_way(rest: str) -> None:
    """What follows the origin of an own link is taken as it is where the careful way would take it so."""
    hosts = Hosts()
    link = f"{hosts.origin('conversations')}{rest}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conversations_async.hosts._PATH", re.compile("(?!)"))
        careful = hosts.own_link("conversations", link)
    assert hosts.own_link("conversations", link) == careful
