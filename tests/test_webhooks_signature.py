"""Signatures: what the API has signed is accepted, and nothing that differs from it."""

from __future__ import annotations

import hmac
import json
import re
from pathlib import Path
from traceback import TracebackException
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import MultiDict, MultiDictProxy
from starlette.datastructures import FormData
from twilio.request_validator import (  # type: ignore[import-untyped]  # it has no types
    RequestValidator,
)

from conversations_async.emulator.webhooks import sign as sign_in_emulator
from conversations_async.webhooks.signature import SignatureValidator, sign, with_body_hash

from .support import deterministic

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
REPEATED = {"Sid": "CA123", "SidAccount": "AC123", "Digits": ["5678", "1234", "1234"]}
REPEATED_SIGNATURE = "IK+Dwps556ElfBT0I3Rgjkr1wJU="
BODY = '{"property": "value", "boolean": true}'
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
BODY_SIGNATURE = "a9nBmqA0ju/hNViExpshrM61xv4="

VECTORS = Path(__file__).parents[2] / "shared" / "reference" / "payloads" / "signature_vectors.json"

VALIDATOR = SignatureValidator(TOKEN)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = texts.filter(bool)
forms = st.dictionaries(names, texts | st.lists(texts, min_size=1, max_size=3), max_size=4)
hosts = st.sampled_from(["h", "MyCompany.com", "127.0.0.1", "[::1]", "a@b@h", "user:pass@h", "u:1@[::1]"])
ports = st.sampled_from(["", ":80", ":443", ":8443"])
schemes = st.sampled_from(["http", "https", "HTTP", "Https"])
paths = st.from_regex(r"(/[!-\"$->@-~]{0,8})?(\?[!-\"$-~]{0,12})?", fullmatch=True)
urls = st.builds("{}://{}{}{}".format, schemes, hosts, ports, paths)


def pairs_of(form: dict[str, Any]) -> list[tuple[str, str]]:
    """Give a form as a body has it: a pair for each value."""
    return [
        (name, value)
        for name, values in form.items()
        for value in ([values] if isinstance(values, str) else values)
    ]


def vectors(kind: str) -> list[Any]:
    """Give the vectors of the file, or one that says why there are none."""
    if not VECTORS.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(f"there is no file {VECTORS}"), id="none")]
    found = json.loads(VECTORS.read_text(encoding="utf-8"))[kind]
    assert found
    return [pytest.param(one, id=one["name"]) for one in found]


@pytest.mark.parametrize("vector", vectors("vectors"))
def test_every_vector_is_accepted(vector: dict[str, Any]) -> None:
    """What the official libraries accept is accepted, and signed alike."""
    params, token, signature = vector["params"], vector["auth_token"], vector["signature"]
    assert sign(vector["signed_url"], token, params=params) == signature
    for url in vector["presented_url"], vector["signed_url"]:
        assert SignatureValidator(token).is_valid(url, signature, params=params, body=vector.get("body"))
        assert not SignatureValidator("other").is_valid(
            url, signature, params=params, body=vector.get("body")
        )


@pytest.mark.parametrize("vector", vectors("negative"))
def test_every_negative_vector_is_refused(vector: dict[str, Any]) -> None:
    """What the official libraries refuse is refused."""
    assert not VALIDATOR.is_valid(
        vector["presented_url"],
        vector["signature"],
        params=vector.get("params"),
        body=vector.get("body"),
    )


def test_a_form_is_accepted() -> None:
    """The form of the documentation has its signature, with each kind of repeated value."""
    assert sign(URL, TOKEN, params=PARAMS) == SIGNATURE
    assert VALIDATOR.is_valid(URL, SIGNATURE, params=PARAMS)
    assert not VALIDATOR.is_valid(URL, SIGNATURE)
    assert not VALIDATOR.is_valid(URL, SIGNATURE, params={})
    assert sign(URL, TOKEN, params=REPEATED) == REPEATED_SIGNATURE


@pytest.mark.parametrize(
    ("presented", "signed"),
    [
        ("https://h/p", "https://h:443/p"),
        ("http://h/p", "http://h:80/p"),
        ("HTTPS://H?q", "HTTPS://H:443?q"),
        ("https://h", "https://h:443"),
        ("https://h:443/p", "https://h/p"),
        ("https://h:8443/p?", "https://h/p?"),
        ("https://u:12@h/p", "https://u:12@h:443/p"),
        ("https://u:12@h:34/p", "https://u:12@h/p"),
        ("https://u:p@w:5@h:34/p", "https://u:p@w:5@h/p"),
        ("https://[::1]/p", "https://[::1]:443/p"),
        ("https://[::1]:8443/p", "https://[::1]/p"),
        ("https://h/it's?it's='", "https://h/it's?it%27s=%27"),
        ("https://h:1/p?it's", "https://h/p?it%27s"),
        ("http://h/p?it's", "http://h:80/p?it%27s"),
    ],
)
def test_a_url_may_be_signed_otherwise(presented: str, signed: str) -> None:
    """Without its port, with the standard one where it has none, with apostrophes encoded in its query."""
    assert VALIDATOR.is_valid(presented, sign(presented, TOKEN, params=PARAMS), params=PARAMS)
    assert VALIDATOR.is_valid(presented, sign(signed, TOKEN, params=PARAMS), params=PARAMS)


@pytest.mark.parametrize(
    ("presented", "signed"),
    [
        ("https://H/p", "https://h/p"),
        ("HTTPS://h/p", "https://h/p"),
        ("https://h/p?", "https://h/p"),
        ("https://h/p", "https://h/p/"),
        ("https://h/%7e", "https://h/~"),
        ("https://h/it's", "https://h/it%27s"),
        ("https://h/?it%27s", "https://h/?it's"),
        ("https://h/p", "https://h:80/p"),
        ("http://h/p", "http://h:443/p"),
        ("https://h:8443/p", "https://h:443/p"),
        ("https://h:443:1/p", "https://h:443/p"),
        ("https://h:/p", "https://h/p"),
        ("https://h:x/p", "https://h/p"),
        ("https://h:x/p", "https://h:443:x/p"),
        ("https://h:1x/p", "https://hx/p"),
        ("https://h:٤٤٣/p", "https://h/p"),
        ("http\u017f://h/p", "http\u017f://h:80/p"),
        ("https://u:1@h/p", "https://u@h/p"),
        ("https://u@h/p", "https://h/p"),
        ("https://::1/p", "https://:/p"),
        ("https://[::1/p", "https://[:/p"),
        ("ftp://h:1/p", "ftp://h/p"),
        ("https://h/p#f", "https://h/p"),
        ("https://h/a:1", "https://h/a"),
    ],
)
def test_all_else_of_a_url_stays_as_it_is(presented: str, signed: str) -> None:
    """Case, slash, encoding, password and fragment are as they were signed; what is no port is none."""
    assert VALIDATOR.is_valid(presented, sign(signed, TOKEN)) is False


def test_a_fragment_is_not_signed() -> None:
    """It is not sent, so that a configured URL can be signed as it is."""
    assert sign(f"{URL}#rc=3?'", TOKEN, params=PARAMS) == SIGNATURE


@given(url=urls, form=forms)
@deterministic
def test_the_official_client_signs_alike(url: str, form: dict[str, Any]) -> None:
    """URLs and forms have the signatures that the official validator computes."""
    official = RequestValidator(TOKEN).compute_signature(url, MultiDict(pairs_of(form)))
    assert sign(url, TOKEN, params=form) == official
    assert VALIDATOR.is_valid(url, official, params=form)


@given(url=urls, form=st.dictionaries(texts, texts, max_size=4))
@deterministic
def test_the_emulator_signs_alike(url: str, form: dict[str, str]) -> None:
    """What the emulator signs is accepted."""
    signature = sign_in_emulator(url, form, TOKEN)
    assert sign(url, TOKEN, params=form) == signature
    assert VALIDATOR.is_valid(url, signature, params=form)


@given(form=forms, data=st.data())
@deterministic
def test_every_kind_of_form_is_the_same(form: dict[str, Any], data: st.DataObject) -> None:
    """A mapping, pairs in any order and the multi-dicts of the frameworks have one signature."""
    pairs = list[Any](data.draw(st.permutations(pairs_of(form))))
    signature = sign(URL, TOKEN, params=form)
    multi = MultiDict(pairs)
    kinds: list[Any] = [pairs, iter(pairs), multi, MultiDictProxy(multi), FormData(pairs)]
    for params in kinds:
        assert VALIDATOR.is_valid(URL, signature, params=params)


def without_port(url: str) -> str:
    """Leave out the port, if there is one."""
    return re.sub(r"^([^/]*//[^/?]*):[0-9]+(?=[/?]|\Z)", r"\1", url)


def signed_for(url: str) -> st.SearchStrategy[str]:
    """Give what may have been signed where a URL comes in."""
    bare = without_port(url)
    other = re.sub(r"^([^/]*//[^/?]*)", r"\1:443" if url.lower().startswith("https") else r"\1:80", url)
    either = st.sampled_from([url, other if bare == url else bare])
    encoded = either.map(lambda one: re.sub(r"(?<=\?).*", lambda query: query[0].replace("'", "%27"), one))
    return either | encoded


class TestOneChange:
    """A single character that is replaced, put in or left out makes a signature wrong."""

    @staticmethod
    def change(data: st.DataObject, text: str) -> str:
        """Make one change to a text."""
        kind = data.draw(st.sampled_from(["put in", "left out", "replaced"] if text else ["put in"]))
        place = data.draw(st.integers(0, len(text) - (kind != "put in")))
        new = "" if kind == "left out" else data.draw(st.characters(exclude_categories=["Cs"]))
        changed = text[:place] + new + text[place + (kind != "put in") :]
        assume(changed != text)
        return changed

    @given(url=urls, form=forms, data=st.data())
    @deterministic
    def test_of_the_url(self, url: str, form: dict[str, Any], data: st.DataObject) -> None:
        """Whether it was signed as it is or otherwise."""
        signed = data.draw(signed_for(url))
        signature = sign(signed, TOKEN, params=form)
        assert VALIDATOR.is_valid(url, signature, params=form)
        changed = self.change(data, url)
        if without_port(signed) == signed and without_port(url) != url:
            # The port was not signed, and any is removed: its digits do not matter.
            assume(without_port(changed) != without_port(url))
        assert not VALIDATOR.is_valid(changed, signature, params=form)

    @given(form=forms.filter(bool), data=st.data())
    @deterministic
    def test_of_a_parameter(self, form: dict[str, Any], data: st.DataObject) -> None:
        """Of its name or its value, also where there are several of the name."""
        pairs = pairs_of(form)
        signature = sign(URL, TOKEN, params=pairs)
        assert VALIDATOR.is_valid(URL, signature, params=pairs)
        place = data.draw(st.integers(0, len(pairs) - 1))
        name, value = pairs[place]
        if data.draw(st.booleans()):
            name = self.change(data, name)
            assume(name)  # a repeated value of no name can change unseen, and a form has no such name
        else:
            value = self.change(data, value)
        pairs[place] = name, value
        assert not VALIDATOR.is_valid(URL, signature, params=pairs)

    @given(body=st.binary(), data=st.data())
    @deterministic
    def test_of_a_body_or_its_url(self, body: bytes, data: st.DataObject) -> None:
        """A raw body is held by its hash, and the hash by the signature."""
        url = with_body_hash(URL, body)
        signature = sign(url, TOKEN)
        assert VALIDATOR.is_valid(url, signature, body=body)
        changed = self.change(data, body.decode("latin-1")).encode("utf-8")
        assert not VALIDATOR.is_valid(url, signature, body=changed)
        assert not VALIDATOR.is_valid(with_body_hash(URL, changed), signature, body=changed)
        assert not VALIDATOR.is_valid(self.change(data, url), signature, body=body)

    @given(data=st.data())
    @deterministic
    def test_of_the_signature(self, data: st.DataObject) -> None:
        """It is compared as it is written."""
        assert not VALIDATOR.is_valid(URL, self.change(data, SIGNATURE), params=PARAMS)

    @pytest.mark.parametrize("written", ["{}9=", "{}8", "{}8=\n", " {}8=", "{}8==", "{}8=\u0663"])
    def test_of_how_the_signature_is_written(self, written: str) -> None:
        """What base64 reads as the same digest is another text."""
        signature = written.format(SIGNATURE.removesuffix("8="))
        assert not VALIDATOR.is_valid(URL, signature, params=PARAMS)


class TestBodies:
    """A raw body is valid where its hash is signed."""

    def test_it_is_accepted(self) -> None:
        """As bytes or as text, with the hash where ``with_body_hash`` puts it, or elsewhere."""
        url = with_body_hash(URL, BODY)
        assert url == f"{URL}&bodySHA256={HASH}"
        assert with_body_hash("https://h/p#f", BODY.encode()) == f"https://h/p?bodySHA256={HASH}#f"
        assert sign(url, TOKEN) == BODY_SIGNATURE
        assert VALIDATOR.is_valid(url, BODY_SIGNATURE, body=BODY)
        assert VALIDATOR.is_valid(url, BODY_SIGNATURE, body=BODY.encode())
        assert VALIDATOR.is_valid(url, BODY_SIGNATURE, params={}, body=BODY)
        assert VALIDATOR.is_valid(url, sign(url, TOKEN, params=PARAMS), params=PARAMS, body=BODY)
        first = f"https://h/p?bodySHA256={HASH}&a=b"
        assert VALIDATOR.is_valid(first, sign(first, TOKEN), body=BODY)

    def test_of_no_bytes_has_a_hash(self) -> None:
        """An empty body is one."""
        url = with_body_hash(URL, "")
        assert VALIDATOR.is_valid(url, sign(url, TOKEN), body=b"")
        assert not VALIDATOR.is_valid(URL, sign(URL, TOKEN), body=b"")

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "?",
            "?a=b",
            "?bodySHA256",
            "?bodySHA256=",
            f"?bodySHA256={HASH.upper()}",
            f"?bodySHA256={HASH[:-1]}",
            "?bodySHA256=é",
            f"?bodysha256={HASH}",
            f"?bodySHA256={HASH}&bodySHA256={HASH}",
            f"?bodySHA256={HASH}&body%53HA256={HASH}",
            f"?bodySHA256={HASH}&bodySHA256=",
            f"?bodySHA256={HASH}&bodySHA256",
            f"#?bodySHA256={HASH}",
            f"/bodySHA256={HASH}",
        ],
    )
    def test_it_needs_its_hash_once(self, query: str) -> None:
        """Without it, with another one or with two, a body is refused, however it was signed."""
        url = f"https://h/p{query}"
        signature = sign_in_emulator(url, {}, TOKEN)
        assert VALIDATOR.is_valid(url, signature, body=BODY) is False

    @pytest.mark.parametrize("named", [f"bodySHA256={HASH}", "bodySHA256", "body%53HA256=", "a&bodySHA256=b"])
    def test_a_hash_needs_its_body(self, named: str) -> None:
        """A URL with a hash is refused where nobody has seen the body."""
        url = f"https://h/p?{named}"
        assert VALIDATOR.is_valid(url, sign(url, TOKEN, params=PARAMS), params=PARAMS) is False
        with pytest.raises(ValueError, match="url must be a string without the parameter bodySHA256"):
            with_body_hash(url, BODY)


def test_each_of_several_tokens_is_good() -> None:
    """While the token is changed, the old and the new one sign."""
    rotating = SignatureValidator("new", "old")
    for token in "new", "old":
        assert rotating.is_valid(URL, sign(URL, token, params=PARAMS), params=PARAMS)
        assert rotating.is_valid(f"{URL}&'", sign(f"{URL}&%27", token))
    for token in "newold", "ol", "\0":
        assert not rotating.is_valid(URL, sign(URL, token, params=PARAMS), params=PARAMS)


def test_nothing_is_kept_of_a_request() -> None:
    """What was valid before does not help what comes after."""
    for _ in range(2):
        assert VALIDATOR.is_valid(URL, SIGNATURE, params=PARAMS)
        assert not VALIDATOR.is_valid(URL, SIGNATURE, params={**PARAMS, "To": "+18005551213"})


@pytest.mark.parametrize("verdict", [True, False])
def test_the_comparison_takes_the_same_time(verdict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``compare_digest`` alone decides, on whole signatures."""
    compared = list[tuple[bytes, bytes]]()

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return verdict

    monkeypatch.setattr(hmac, "compare_digest", compare)
    wrong = "A" * 27 + "="
    assert VALIDATOR.is_valid(URL, wrong, params=PARAMS) is verdict
    assert compared[0] == (SIGNATURE.encode(), wrong.encode())
    assert VALIDATOR.is_valid(URL, SIGNATURE, params=PARAMS) is verdict


class Raising:
    """Fails at all that is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __iter__(self) -> Any:
        raise ZeroDivisionError

    def __bool__(self) -> bool:
        raise ZeroDivisionError


class RaisingForm(dict[str, str]):
    """Fails where its values are read."""

    def getlist(self, name: str) -> list[str]:
        """Give no values."""
        raise KeyError(name)


NO_TEXTS: list[Any] = [
    None,
    b"",
    b"x",
    5,
    -1.5,
    True,
    [],
    ["x"],
    {},
    object(),
    Raising(),
    "\ud800",
    "x\udfff",
]

NO_URLS = [
    "",
    "\0",
    "https://",
    "https://[",
    "https://]",
    "https://[]:443/",
    "https://[::1",
    "https://h:/?'",
    "://?bodySHA256",
    "?",
    "#",
    "@:@:@",
    "https://" + "a@" * 100_000,
    "https://" + "[" * 100_000,
    "https://h/?" + "'" * 100_000,
    "https://h:" + "9" * 100_000,
    "https://h/?" + "a=%ff&" * 10_000,
]


def ids(value: object) -> str:
    """Name a case, not by its whole."""
    return type(value).__name__ if isinstance(value, Raising) else ascii(value)[:20]


class TestHostile:
    """Whatever comes in, the answer is no."""

    @pytest.mark.parametrize("url", [*NO_TEXTS, *NO_URLS], ids=ids)
    def test_urls(self, url: Any) -> None:
        """With a form, with a body, or with neither."""
        assert VALIDATOR.is_valid(url, SIGNATURE) is False
        assert VALIDATOR.is_valid(url, SIGNATURE, params=PARAMS) is False
        assert VALIDATOR.is_valid(url, SIGNATURE, body=BODY) is False

    @pytest.mark.parametrize("url", [None, b"https://h/p", 5], ids=ids)
    def test_urls_that_are_to_be_signed(self, url: Any) -> None:
        """Who signs is told what is wrong."""
        with pytest.raises(ValueError, match="url and params must be"):
            sign(url, TOKEN)
        with pytest.raises(ValueError, match="url must be a string"):
            with_body_hash(url, BODY)

    @pytest.mark.parametrize(
        "signature", [*NO_TEXTS, "", "\0", "é", "A" * 10**6, SIGNATURE.encode()], ids=ids
    )
    def test_signatures(self, signature: Any) -> None:
        """Also one that cannot be compared."""
        assert VALIDATOR.is_valid(URL, signature, params=PARAMS) is False

    @pytest.mark.parametrize(
        "params",
        [
            b"",
            b"x=y",
            bytearray(),
            "",
            "x=y",
            5,
            True,
            object(),
            [None],
            ["xy"],
            ["xyz"],
            [("x",)],
            [("x", 5)],
            [(b"x", b"y")],
            {"x": None},
            {"x": 5},
            {"x": b""},
            {"x": bytearray()},
            {"x": b"y"},
            {"x": ["y", 5]},
            {"x": [b"y"]},
            {"x": [["y"]]},
            {5: "y"},
            {None: "y", "x": "y"},
            {"\ud800": "y"},
            {"x": "\udfff"},
            MultiDict({"x": b"y"}),
        ],
        ids=ids,
    )
    def test_forms(self, params: Any) -> None:
        """What is no form is not taken for an empty one."""
        assert VALIDATOR.is_valid(URL, sign(URL, TOKEN), params=params) is False
        with pytest.raises(ValueError, match="url and params must be"):
            sign(URL, TOKEN, params=params)

    @pytest.mark.parametrize("params", [Raising(), RaisingForm(x="y")], ids=ids)
    def test_forms_that_fail(self, params: Any) -> None:
        """What cannot be read, for whatever reason."""
        assert VALIDATOR.is_valid(URL, sign(URL, TOKEN), params=params) is False

    @pytest.mark.parametrize(
        "body", [one for one in NO_TEXTS if one is not None and not isinstance(one, bytes)], ids=ids
    )
    def test_bodies(self, body: Any) -> None:
        """What has no hash."""
        url = with_body_hash(URL, b"")
        assert VALIDATOR.is_valid(url, sign(url, TOKEN), body=body) is False
        with pytest.raises(ValueError, match="body bytes, or a string"):
            with_body_hash(URL, body)

    def test_a_great_form(self) -> None:
        """A form of megabytes is signed like any other."""
        form = {"x" * 10**6: ["y" * 10**6, "\0"]}
        assert VALIDATOR.is_valid(URL, sign(URL, TOKEN, params=form), params=form)
        assert not VALIDATOR.is_valid(URL, SIGNATURE, params=form)


SECRET = "top-secret"
#: Of a kind that no argument may be; what is refused is out of sight of the tests' own frames.
WRONG_TOKENS: dict[str, list[Any]] = {
    "none": [],
    "empty": [SECRET, ""],
    "bytes": [SECRET.encode()],
    "list": [[SECRET]],
    "nothing": [None],
    "surrogate": [SECRET + "\ud800"],
}


class TestSecrets:
    """A token is shown by nothing."""

    @pytest.mark.parametrize("kind", WRONG_TOKENS)
    def test_wrong_tokens_are_refused(self, kind: str) -> None:
        """The error names the argument, and has the token in no frame."""
        with pytest.raises(ValueError, match=r"^auth_tokens must be ") as caught:
            SignatureValidator(*WRONG_TOKENS[kind])
        self.check(caught.value)

    def test_a_token_cannot_be_signed_with(self) -> None:
        """Neither a wrong token nor another wrong argument shows what is signed, or with what."""
        with pytest.raises(ValueError, match=r"^auth_token must be ") as caught:
            sign(URL, WRONG_TOKENS["surrogate"][0])
        self.check(caught.value)
        with pytest.raises(ValueError, match=r"^url and params must be ") as caught:
            sign("\ud800" + WRONG_TOKENS["empty"][0], SECRET)
        self.check(caught.value)

    @staticmethod
    def check(error: ValueError) -> None:
        """Look for the token in all that an error shows."""
        assert error.__context__ is None
        shown = TracebackException.from_exception(error, capture_locals=True).format()
        assert SECRET not in "".join(shown) + repr(error.args)

    def test_a_validator_shows_none(self) -> None:
        """Neither do its attributes."""
        validator = SignatureValidator(SECRET)
        assert SECRET not in f"{validator!r}{validator}{vars(validator)}"
