"""Every operation against the specification: the request that it makes, its keywords, and what it reads.

The specification lies beside the repository where it is developed, and is not part of it; without it these
tests are skipped.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from keyword import iskeyword
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

import attrs
import pytest

from conversations_async import ConversationsClient, MediaFile, RetryPolicy
from conversations_async.chat import Channel
from conversations_async.converter import AwareDatetime, OpenEnum, decode
from conversations_async.repository import Repository

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import EXCLUSIVE, OPERATIONS, STREAMED, Keyword, Operation, Sent, given, sent, wire
from .servers import Scripted, answer
from .support import answer as arrived

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

SHARED = Path(__file__).parents[2] / "shared"
FILES = {"conversations-v1": "twilio_conversations_v1", "chat-v2": "twilio_chat_v2"}

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the specification is not here: there is no folder {SHARED}"
)

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)

#: Identifiers that mean something else in a path unless they are encoded, and how they are.
AWKWARD = {
    "a/b": "a%2Fb",
    "größe 1": "gr%C3%B6%C3%9Fe%201",
    "%2e%2E": "%252e%252E",
    "a?b=c&d": "a%3Fb%3Dc%26d",
    "a#b": "a%23b",
    "whatsapp:+1": "whatsapp%3A%2B1",
    "/../": "%2F..%2F",
    "\U0001f600;\\": "%F0%9F%98%80%3B%5C",
}

#: Parameters of the specification's own examples that it does not declare, by operation.
UNDECLARED = {
    "CreateConversationParticipant": {"MessagingBinding.ProxyAddressFallback": "in one example alone"},
    "CreateServiceConversationParticipant": {"MessagingBinding.ProxyAddressFallback": "in one example alone"},
    "UpdateChannel": {"Type": "a channel's type cannot be changed"},
}

#: Fields that a model reads otherwise than the specification has them, by model.
OTHERWISE = {
    ("Participant", "last_read_timestamp"): "a datetime, as it is in every example",
    ("Credential", "sandbox"): 'a boolean, which the API writes as the string "True" or "False"',
}

#: Fields of models that the specification does not have, by model.
UNSPECIFIED = {
    ("Channel", "messaging_service_sid"): "the answer of `migrate`, an operation of version 3, has it",
}

#: Keywords whose enum is spelt otherwise than the specification has it, which takes any case of a value.
ANY_CASE = {
    "auto_creation_webhook_method": "one enum serves both APIs, one of which writes capitals",
    "configuration_method": "one enum serves both APIs, one of which writes capitals",
}

#: What the client has beside the operations of the specification: scopes, and what is no request …
EXTRA_ACCESSORS = {"chat", "close", "from_env", "media", "service", "with_options"}
#: … and the verbs of repositories that are made of other operations, or of the API's unpublished ones.
EXTRA_VERBS = {"channel_metadata", "close", "create_once", "ensure", "migrate"}

HEADERS = ("Authorization", "Accept", "Content-Type", "X-Twilio-Webhook-Enabled")
CREDENTIALS = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()


# ----------------------------------------------------------------------------------------- the specification


@cache
def specification(api: str) -> Any:
    """Read the OpenAPI file of an API."""
    return json.loads((SHARED / "spec" / f"{FILES[api]}.json").read_text(encoding="utf-8"))


@cache
def rows() -> Any:
    """Read the table of operations."""
    return json.loads((SHARED / "reference" / "operations.json").read_text(encoding="utf-8"))


@cache
def older_answers() -> list[dict[str, Any]]:
    """Read the answers of older servers, as far as they differ from the specification's examples."""
    files = sorted((SHARED / "reference" / "payloads").glob("*.json"))
    found = [json.loads(file.read_text(encoding="utf-8")).get("examples") for file in files]
    older = [one for examples in found for one in examples or () if "holodeck_response_2022" in one]
    assert len(older) >= 34
    return older


def specified(operation: Operation) -> Any:
    """Give the specification of an operation."""
    return specification(operation.api)["paths"][operation.path][operation.method.lower()]


def resolved(api: str, schema: Any) -> Any:
    """Follow the reference of a schema, if it is one."""
    reference = schema.get("$ref")
    return specification(api)["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def form_of(operation: Operation) -> Any:
    """Give the specification of the form of an operation: its schema and its examples."""
    contents = specified(operation).get("requestBody", {}).get("content", {})
    return contents.get("application/x-www-form-urlencoded", {"schema": {"properties": {}}})


class Example(NamedTuple):
    """An answer to an operation."""

    name: str
    status: int
    body: Any


def examples(operation: Operation) -> list[Example]:
    """Give every example of an answer to an operation."""
    found = [
        Example(name, int(status), example["value"])
        for status, response in specified(operation)["responses"].items()
        for content in response.get("content", {"": {"examples": {"nothing": {"value": b""}}}}).values()
        for name, example in content["examples"].items()
    ]
    return found + [
        Example(f"{older['example']} of 2022", older["status"], older["holodeck_response_2022"])
        for older in older_answers()
        if (older["method"], older["path"]) == (operation.method, operation.path)
    ]


def schema_of(operation: Operation) -> Any:
    """Give the schema of the item that an operation answers with; None where it answers with nothing."""
    for response in specified(operation)["responses"].values():
        for content in response.get("content", {}).values():
            schema = resolved(operation.api, content["schema"])
            lists = [one["items"] for one in schema["properties"].values() if one.get("type") == "array"]
            return resolved(operation.api, lists[0]) if operation.verb == "stream" else schema
    return None


# --------------------------------------------------------------------------------------------- the requests


@asynccontextmanager
async def answering(script: Iterable[bytes]) -> AsyncIterator[tuple[ConversationsClient, Scripted]]:
    """Run a server that follows a script, and a client of it that tries once."""
    async with (
        Scripted.of(script) as server,
        ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, retry=RetryPolicy(max_attempts=1)
        ) as client,
    ):
        yield client, server


def an_answer(operation: Operation) -> list[bytes]:
    """Give the script that answers an operation, as often as it is asked."""
    example = examples(operation)[0]
    meta = {"meta": example.body["meta"] | {"next_page_url": None}} if operation.verb == "stream" else {}
    return [answer(example.status, example.body | meta if meta else example.body)]


def identifiers(operation: Operation, shift: int = 0) -> tuple[list[str], list[str]]:
    """Give an awkward identifier for each place of a path, and the segments that they must become."""
    chosen = [list(AWKWARD.items())[(shift + place) % len(AWKWARD)] for place in range(len(operation.places))]
    return [identifier for identifier, _ in chosen], [segment for _, segment in chosen]


def expected(
    operation: Operation, segments: list[str], keywords: Iterable[Keyword], turn: int, page_size: int = 50
) -> Sent:
    """Say which request the specification wants for a call."""
    keywords = list(keywords)
    query = wire(keywords, turn, "query")
    if operation.verb == "stream":
        query = sorted([*query, ("PageSize", str(page_size))], key=lambda pair: pair[0])
    posted = operation.method == "POST"
    headers = {"Authorization": f"Basic {CREDENTIALS}", "Accept": "application/json"}
    return Sent(
        operation.method,
        operation.at(segments),
        query,
        wire(keywords, turn, "form") if posted else None,
        headers
        | ({"Content-Type": "application/x-www-form-urlencoded"} if posted else {})
        | dict(wire(keywords, turn, "header")),
    )


@every_operation
async def test_every_parameter_arrives(operation: Operation) -> None:
    """Method, path, query, form and headers are the specification's, for every parameter, and no more."""
    sids, segments = identifiers(operation)
    async with answering(an_answer(operation)) as (client, server):
        for turn, keywords in operation.turns():
            size = {"page_size": 7 + turn} if operation.verb == "stream" else {}
            await operation.call(client, sids, given(keywords, turn) | size)
            request = sent(server.requests.pop(), *HEADERS)
            assert request == expected(operation, segments, keywords, turn, **size)
            assert not server.requests


@every_operation
async def test_what_is_not_given_is_not_sent(operation: Operation) -> None:
    """A call without optional keywords sends what is required, a stream its page size, and no more."""
    sids, segments = identifiers(operation)
    async with answering(an_answer(operation)) as (client, server):
        await operation.call(client, sids, given(operation.required(), 0))
        (request,) = server.requests
        assert sent(request, *HEADERS) == expected(operation, segments, operation.required(), 0)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.places], ids=str)
async def test_every_identifier_is_one_segment(operation: Operation) -> None:
    """An identifier in any place of the path is one segment of it on the wire, whatever it holds."""
    async with answering(an_answer(operation)) as (client, server):
        for shift in range(len(AWKWARD)):
            sids, segments = identifiers(operation, shift)
            await operation.call(client, sids, given(operation.required(), 1))
            assert server.requests.pop().target.partition("?")[0] == operation.at(segments)


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if (one.accessor_name, one.verb) in EXCLUSIVE], ids=str
)
async def test_what_excludes_one_another_is_not_sent(operation: Operation) -> None:
    """Keywords that the API refuses together are a ValueError that names them, before any request."""
    sids, _ = identifiers(operation)
    names = EXCLUSIVE[operation.accessor_name, operation.verb]
    async with answering(an_answer(operation)) as (client, server):
        with pytest.raises(ValueError, match=" and ".join(names)):
            await operation.call(client, sids, given(operation.keywords, 1))
        assert not server.requests


def value_of(text: Any, kind: str) -> Any:
    """Give a parameter of an example as a caller would: datetimes as such."""
    return datetime.fromisoformat(text) if kind == "string:date-time" else text


def texts(value: Any) -> list[str]:
    """Give a parameter of an example as it is on the wire."""
    return [
        str(one).lower() if isinstance(one, bool) else str(one)
        for one in (value if isinstance(value, list) else [value])
    ]


def request_examples(operation: Operation) -> list[dict[str, Any]]:
    """Give the parameters of every example of a request, without those that are not declared."""
    named: dict[str, dict[str, Any]] = {}
    for parameter in specified(operation).get("parameters", ()):
        for name, example in parameter.get("examples", {}).items():
            named.setdefault(name, {})[parameter["name"]] = example["value"]
    for name, example in form_of(operation).get("examples", {}).items():
        named.setdefault(name, {}).update(example["value"])
    known = UNDECLARED.get(operation.name, {})
    return [{key: value for key, value in one.items() if key not in known} for one in named.values()]


@every_operation
async def test_every_example_of_a_request_can_be_sent(operation: Operation) -> None:
    """The parameters of each example of the specification arrive as the example has them."""
    keywords = {keyword.api: keyword for keyword in operation.keywords}
    sids, _ = identifiers(operation)
    async with answering(an_answer(operation)) as (client, server):
        for example in request_examples(operation):
            values = {
                keywords[key].name: value_of(value, keywords[key].kind) for key, value in example.items()
            }
            await operation.call(client, sids, values)
            request = sent(server.requests.pop())
            arrived = [pair for pair in request.form or request.query if pair[0] != "PageSize"]
            assert arrived == [(key, text) for key in sorted(example) for text in texts(example[key])]


# --------------------------------------------------------------------------------------------- the keywords


def unconnected() -> ConversationsClient:
    """Make a client that has opened nothing."""
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url="http://127.0.0.1:1")


@every_operation
def test_a_call_takes_the_parameters_of_the_specification(operation: Operation) -> None:
    """A method's keywords are the specification's parameters; the required ones have no default."""
    sids, _ = identifiers(operation)
    method = getattr(operation.repository(unconnected(), sids), operation.verb)
    parameters = inspect.signature(method).parameters.values()
    streamed = STREAMED if operation.verb == "stream" else set()
    keywords = {one.name: one.default is one.empty for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert keywords == {keyword.name: keyword.required for keyword in operation.keywords} | dict.fromkeys(
        streamed, False
    )
    positional = [(one.name, one.kind) for one in parameters if one.kind is not one.KEYWORD_ONLY]
    assert positional == [("sid", inspect.Parameter.POSITIONAL_OR_KEYWORD)] * operation.takes_sid


@every_operation
async def test_a_misspelt_keyword_is_a_type_error(operation: Operation) -> None:
    """A keyword that the operation does not have is a TypeError, before anything is sent."""
    sids, _ = identifiers(operation)
    with pytest.raises(TypeError, match="misspelt"):
        await operation.call(unconnected(), sids, given(operation.required(), 0) | {"misspelt": None})


@pytest.mark.parametrize(
    ("operation", "keyword"),
    [
        pytest.param(operation, keyword, id=f"{operation}-{keyword.name}")
        for operation in OPERATIONS
        for keyword in operation.required()
    ],
)
async def test_what_is_required_cannot_be_left_out(operation: Operation, keyword: Keyword) -> None:
    """A call without a keyword that the API requires is a TypeError that names it."""
    sids, _ = identifiers(operation)
    others = [one for one in operation.required() if one != keyword]
    with pytest.raises(TypeError, match=f"'{keyword.name}'"):
        await operation.call(unconnected(), sids, given(others, 0))


def enums_of(method: Any, name: str) -> list[type[OpenEnum]]:
    """Give the enums that the annotation of a keyword names."""
    annotation = inspect.signature(method).parameters[name].annotation
    named = [inspect.unwrap(method).__globals__.get(word) for word in re.findall(r"\w+", annotation)]
    return [one for one in named if isinstance(one, type) and issubclass(one, OpenEnum)]


@pytest.mark.parametrize(
    ("operation", "keyword"),
    [
        pytest.param(operation, keyword, id=f"{operation}-{keyword.name}")
        for operation in OPERATIONS
        for keyword in operation.keywords
        if keyword.members
    ],
)
def test_an_enum_has_the_values_of_the_specification(operation: Operation, keyword: Keyword) -> None:
    """A keyword of several values has an enum that knows them all, spelt as they are sent."""
    sids, _ = identifiers(operation)
    method = getattr(operation.repository(unconnected(), sids), operation.verb)
    (kind,) = enums_of(method, keyword.name)
    known = {member.value for member in kind}
    spelt = str.upper if keyword.name in ANY_CASE else str
    assert {spelt(member) for member in keyword.members} <= known


def public(thing: object) -> dict[str, Any]:
    """Give what a scope or a repository offers by name."""
    return {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_")}


def parameters_of(thing: Any) -> list[str]:
    """Name what a repository must be called for with; one that is an attribute needs nothing."""
    return [] if isinstance(thing, Repository) else list(inspect.signature(thing).parameters)


def reachable(client: ConversationsClient) -> Iterator[tuple[str, str, str]]:
    """Find every verb of every repository: the scope, the accessor with its arguments, and the verb."""
    scopes = {
        "client": client,
        "client.service(service_sid)": client.service("IS"),
        "client.chat": client.chat,
        "client.chat.service(service_sid)": client.chat.service("IS"),
    }
    for scope, has in scopes.items():
        for accessor, found in public(has).items():
            if accessor in EXTRA_ACCESSORS:
                continue
            names = parameters_of(found)
            repository = found(*names) if names else found
            called = f"({', '.join(names)})" if names else ""
            for verb, method in public(repository).items():
                if inspect.ismethod(method) and verb not in EXTRA_VERBS:
                    yield scope, f"{accessor}{called}", verb


def test_nothing_else_can_be_reached() -> None:
    """The client's repositories have the operations of the specification, and the named extras."""
    table = sorted((operation.scope, operation.accessor, operation.verb) for operation in OPERATIONS)
    assert sorted(reachable(unconnected())) == table


# ---------------------------------------------------------------------------------------------- the answers


def differences(wired: Any, value: Any, path: str) -> Iterator[str]:
    """Compare a value of a model with its JSON, field by field; say what is missing or not the same."""
    if isinstance(wired, dict) and attrs.has(type(value)):
        names = {f"{key}_" if iskeyword(key) else key: inner for key, inner in wired.items()}
        for name in names.keys() | attrs.fields_dict(type(value)).keys():
            if name not in attrs.fields_dict(type(value)):
                yield f"{path}.{name} is dropped"
            else:
                yield from differences(names.get(name), getattr(value, name), f"{path}.{name}")
    elif isinstance(wired, dict) and isinstance(value, dict):
        for key in wired.keys() | value.keys():
            yield from differences(wired.get(key), value.get(key), f"{path}[{key!r}]")
    elif isinstance(wired, list) and isinstance(value, tuple | list) and len(value) == len(wired):
        for index, inner in enumerate(wired):
            yield from differences(inner, value[index], f"{path}[{index}]")
    elif not same(wired, value, path):
        yield f"{path} is {value!r} instead of {wired!r}"


def same(wired: Any, value: Any, path: str) -> bool:
    """Compare a value that has no fields with its JSON."""
    if isinstance(value, datetime):
        form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in wired else "%Y-%m-%dT%H:%M:%S%z"
        return value == datetime.strptime(wired, form).astimezone(UTC)
    if isinstance(value, Enum):
        return bool(value.value.lower() == wired.lower())
    if path.endswith(".sandbox") and isinstance(value, bool):
        return bool(wired == str(value))
    return type(value) is type(wired) and bool(value == wired)


async def read(client: ConversationsClient, operation: Operation, sids: list[str]) -> list[Any]:
    """Make a call until nothing more is answered: the items of each page, or the one item of each answer."""
    if operation.verb == "stream":
        return [page async for page in operation.called(client, sids, {}).pages()]
    keywords = given(operation.required(), 1)
    return [await operation.call(client, sids, keywords) for _ in examples(operation)]


def chained(operation: Operation, bodies: list[Any]) -> list[Any]:
    """Make the example pages of a list follow one another."""
    host = "chat" if operation.api == "chat-v2" else "conversations"
    links = [
        f"https://{host}.twilio.com{operation.path}?PageToken=PT{page}" for page in range(1, len(bodies))
    ]
    return [
        body | {"meta": body["meta"] | {"next_page_url": link}}
        for body, link in zip(bodies, [*links, None], strict=True)
    ]


@every_operation
async def test_every_field_of_every_example_arrives(operation: Operation) -> None:
    """Every key of each example is a field of the model, equal to the JSON's; lists give all pages."""
    sids, _ = identifiers(operation)
    found = examples(operation)
    bodies = [example.body for example in found]
    if operation.verb == "stream":
        bodies = chained(operation, bodies)
    script = [answer(example.status, body) for example, body in zip(found, bodies, strict=True)]
    async with answering(script) as (client, server):
        results = await read(client, operation, sids)
    assert len(server.requests) == len(results) == len(found)
    for example, body, result in zip(found, bodies, results, strict=True):
        if operation.verb == "stream":
            wired = (body["meta"]["page"], body["meta"]["page_size"], body["meta"]["next_page_url"])
            assert (result.index, result.page_size, result.next_page_url) == wired
            assert list(differences(body[body["meta"]["key"]], result.items, example.name)) == []
        elif operation.verb == "delete":
            assert result is None
        else:
            assert list(differences(body, result, example.name)) == []


def model_of(operation: Operation) -> Any:
    """Give the model that an operation gives."""
    sids, _ = identifiers(operation)
    return attrs.resolve_types(operation.repository(unconnected(), sids).model)


def fits(kind: Any, schema: Any) -> bool:
    """Say whether the type of a field fits its schema; an enum must know every value."""
    declared = schema.get("type")
    if "enum" in schema:
        known = [member.value.lower() for member in kind]
        return issubclass(kind, OpenEnum) and all(value.lower() in known for value in schema["enum"])
    if schema.get("format") == "date-time":
        return bool(kind == AwareDatetime)
    if declared in ("integer", "boolean"):
        return kind is {"integer": int, "boolean": bool}[declared]
    if declared == "string":
        return isinstance(kind, type) and issubclass(kind, str)
    if declared == "array":
        return get_origin(kind) is tuple
    return attrs.has(kind) or get_origin(kind) is dict


def faults(operation: Operation, model: Any) -> Iterator[str]:
    """Compare the fields of a model with the properties of the schema; say what does not fit."""
    for name, schema in schema_of(operation)["properties"].items():
        field = attrs.fields_dict(model).get(f"{name}_" if iskeyword(name) else name)
        if field is None:
            yield f"{model.__name__} has no {name}"
        elif (model.__name__, name) not in OTHERWISE:
            kinds = [one for one in get_args(field.type) if one is not NoneType]
            if not fits(kinds[0] if len(kinds) == 1 else field.type, resolved(operation.api, schema)):
                yield f"{model.__name__}.{name} is a {field.type}"


@pytest.mark.parametrize(("name", "model"), [("chat_v3_channel", Channel), ("media_mcs", MediaFile)])
def test_every_field_of_what_has_no_specification_arrives(name: str, model: type[Any]) -> None:
    """The one answer of Chat v3, and those of the media service, lose no field either."""
    file = SHARED / "reference" / "payloads" / f"{name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))["examples"]
    assert found
    for example in found:
        value = decode(arrived(example["response"]), model)
        assert list(differences(example["response"], value, name)) == []


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.verb != "delete"], ids=str)
def test_a_model_has_the_fields_of_the_schema(operation: Operation) -> None:
    """Every property of the schema is a field of the model, of its type, and knows its enum's values."""
    assert list(faults(operation, model_of(operation))) == []


def test_a_model_has_no_other_fields() -> None:
    """No model has a field that the specification does not know."""
    known: dict[Any, set[str]] = {}
    for operation in OPERATIONS:
        if operation.verb != "delete":
            known.setdefault(model_of(operation), set()).update(schema_of(operation)["properties"])
    invented = [
        f"{model.__name__}.{name}"
        for model, names in known.items()
        for name in attrs.fields_dict(model)
        if name.removesuffix("_") not in names and (model.__name__, name) not in UNSPECIFIED
    ]
    assert invented == []


# ------------------------------------------------------------------------------------------------ the table


def in_order(kind: str) -> str:
    """Write a type with the members of its enum in alphabetical order."""
    before, bracket, members = kind.partition("(")
    names, closing, after = members.partition(")")
    return before + bracket + "|".join(sorted(names.split("|"))) + closing + after


def row_of(operation: Operation) -> dict[str, Any]:
    """Write an operation as a row of the table."""
    return {
        "operation": operation.name,
        "api": operation.api,
        "method": operation.method,
        "path": operation.path,
        "call": f"{operation.scope}.{operation.accessor}.{operation.verb}",
        "scope": operation.scope,
        "accessor": operation.accessor,
        "verb": operation.verb,
        "instance": operation.takes_sid,
        "params": sorted(
            (keyword.api, keyword.name, keyword.where, keyword.required, keyword.kind)
            for keyword in operation.keywords
        ),
    }


def test_the_table_is_complete() -> None:
    """There are 157 operations, 103 of Conversations and 54 of Chat, and they are the reference's."""
    read_rows = [
        {key: row[key] for key in row if key not in ("schema", "status")}
        | {
            "params": sorted(
                (one["api"], one["py"], one["where"], one["required"], in_order(one["type"]))
                for one in row["params"]
            )
        }
        for row in rows()
    ]
    place = lambda row: (row["path"], row["method"])  # noqa: E731  # a key for two sorts
    assert sorted(map(row_of, OPERATIONS), key=place) == sorted(read_rows, key=place)
    apis = [operation.api for operation in OPERATIONS]
    assert (len(apis), apis.count("conversations-v1"), apis.count("chat-v2")) == (157, 103, 54)


@pytest.mark.parametrize("api", FILES)
def test_the_table_is_the_specification(api: str) -> None:
    """Every method of every path of the OpenAPI file is in the table, under its operation's name."""
    assert {
        (path, method.upper(), operation["operationId"])
        for path, methods in specification(api)["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    } == {(one.path, one.method, one.name) for one in OPERATIONS if one.api == api}


@every_operation
def test_the_table_has_the_parameters_of_the_specification(operation: Operation) -> None:
    """The table has every parameter of the OpenAPI file, with its place, and those that are required."""
    form = resolved(operation.api, form_of(operation)["schema"])
    declared = {(name, "form", name in form.get("required", ())) for name in form["properties"]} | {
        (one["name"], one["in"], one.get("required", False))
        for one in specified(operation).get("parameters", ())
        if one["in"] != "path" and one["name"] not in ("PageSize", "Page", "PageToken")
    }
    assert {(keyword.api, keyword.where, keyword.required) for keyword in operation.keywords} == declared


@every_operation
def test_every_operation_has_examples(operation: Operation) -> None:
    """No operation is proved with nothing: each has an example of every status that it answers with."""
    assert {example.status for example in examples(operation)} == {
        int(status) for status in specified(operation)["responses"]
    }
