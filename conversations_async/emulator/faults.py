"""What goes wrong, and for which request? How that looks on the wire is for ``breakage``."""

import math
import random
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Final, Literal, get_args

from attrs import asdict, define, field, fields, frozen

from .documents import is_whole, require, unknown

Reset = Literal["before", "during", "after"]
Body = Literal["truncated", "malformed"]


#: Shows a wrong value, or as much of it as goes on a line.
_repr: Final = reprlib.Repr()
_repr.maxlevel = 1

_Rule = tuple[str, Callable[[Any], bool]]


def _number(text: str, lowest: float, highest: float = math.inf, *, kind: type[float] = int) -> _Rule:
    def is_right(value: Any) -> bool:
        return isinstance(value, (int, kind)) and not isinstance(value, bool) and lowest <= value <= highest

    return text, is_right


def _word(*allowed: str) -> _Rule:
    return f"{', '.join(allowed[:-1])} or {allowed[-1]}", lambda value: value in allowed


def _pattern(text: str, *starts: str) -> _Rule:
    return text, lambda value: isinstance(value, str) and value != "" and value.startswith(starts)


_COUNT: Final = _number("a whole number of at least 1", 1)
_SECONDS: Final = _number("seconds within 0..3600", 0, 3600, kind=float)

#: What each field must be, in words and as a test. Its default is right in any case.
_RULES: Final[Mapping[str, _Rule]] = {
    "operation": _pattern("a pattern such as messages.create or messages.*", ""),
    "method": _word("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
    "path": _pattern("a pattern that starts with / or *", "/", "*"),
    "times": _COUNT,
    "skip": _number("a whole number of at least 0", 0),
    "probability": _number("a number within 0..1", 0, 1, kind=float),
    "latency": _SECONDS,
    "status": _number("a whole number within 400..599", 400, 599),
    "code": _COUNT,
    "retry_after": _SECONDS,
    "after": ("true or false", lambda value: isinstance(value, bool)),
    "reset": _word(*get_args(Reset)),
    "body": _word(*get_args(Body)),
    "drip": _SECONDS,
}


def _upper(value: str | None) -> str | None:
    return value.upper() if isinstance(value, str) else value


@frozen(kw_only=True)
class Fault:
    """What goes wrong, and with which requests.

    It is for the requests that fit all of ``operation``, ``method`` and ``path`` that are given; without any,
    for every one. It has one of ``status``, ``reset``, ``body`` and ``drip``, or none of them and a latency.

    Raises:
        ValueError: A value is wrong. The line begins with its place, such as ``fault.times``.
    """

    #: Such as ``messages.create``. ``*``, ``?`` and ``[…]`` stand for what they do in file names.
    operation: str | None = None
    #: Upper and lower case are the same.
    method: str | None = field(default=None, converter=_upper)
    #: Such as ``/v1/Conversations/*``: a pattern for the whole path, decoded. Its ``*`` takes slashes, too.
    path: str | None = None
    #: How many requests it hits; None: all, until it is removed.
    times: int | None = None
    #: How many it lets through before the first that it may hit.
    skip: int = 0
    #: How likely it hits one. Those that it spares do not count as hit.
    probability: float = 1.0
    #: Seconds before the request is handled, whatever else happens. A client that leaves may not get it done.
    latency: float = 0.0
    #: Refuses with this status, in the API's words.
    status: int | None = None
    #: The code of the refusal; None: the one that goes with the status, such as 20429.
    code: int | None = None
    #: The seconds in the ``Retry-After`` header of the refusal; None: no header.
    retry_after: float | None = None
    #: Whether the request is handled before ``latency`` and ``status``: what it writes is written, whatever
    #: becomes of its answer.
    after: bool = False
    #: Resets the connection: before the request is handled, so that nothing is written; after it is handled,
    #: without a byte of its answer; or in between, with the head and half the body of the answer.
    reset: Reset | None = None
    #: Handles the request, and its answer ends in the middle, or arrives whole and is no JSON.
    body: Body | None = None
    #: Seconds between the pieces of the answer's body. Of these there are 50 at most.
    drip: float | None = None

    def __attrs_post_init__(self) -> None:
        for attribute in fields(Fault):
            value, (text, is_right) = getattr(self, attribute.name), _RULES[attribute.name]
            if value is not attribute.default and not is_right(value):
                raise ValueError(f"fault.{attribute.name}: must be {text}, not {_repr.repr(value)}")
        kinds = [name for name in ("status", "reset", "body", "drip") if getattr(self, name) is not None]
        if not kinds and not self.latency:
            raise ValueError("fault: does nothing; give latency, status, reset, body or drip")
        if len(kinds) > 1:
            raise ValueError(f"fault.{kinds[1]}: cannot go with {kinds[0]}; a fault has one of them")
        for name in ("code", "retry_after"):
            if getattr(self, name) is not None and self.status is None:
                raise ValueError(f"fault.{name}: goes with status only")
        if self.after and (self.reset == "before" or (self.status is None and not self.latency)):
            raise ValueError("fault.after: goes with status or latency only, and never with reset before")

    def matches(self, *, operation: str | None, method: str, path: str) -> bool:
        """Tell whether a request is one of those it is for."""
        return (
            (self.operation is None or (operation is not None and fnmatchcase(operation, self.operation)))
            and self.method in {None, method.upper()}
            and (self.path is None or fnmatchcase(path, self.path))
        )


@define
class _Entry:
    fault: Fault
    matched: int = 0
    hits: int = 0

    def wants(self, generator: random.Random) -> bool:
        if self.hits == self.fault.times or self.matched <= self.fault.skip:
            return False
        # What is certain is not drawn, and so does not change which requests the other faults hit.
        return self.fault.probability == 1 or generator.random() < self.fault.probability


class Faults:
    """The faults of an emulator, in the order in which they were added. Any thread may call it.

    Args:
        seed: Decides which requests the faults with a probability hit.
        operations: What can be meant; by default whatever a fault says.

    Raises:
        ValueError: The seed is no whole number.
    """

    def __init__(self, seed: int = 0, *, operations: Collection[str] = ()) -> None:
        require("fault_seed", seed, "a whole number", fits=is_whole(seed))
        self._seed = seed
        self._operations = operations
        self._random = random.Random(seed)  # noqa: S311  # it is to be repeatable, and keeps no secret
        self._entries: list[_Entry] = []
        self._lock = Lock()

    def add(
        self,
        *,
        operation: str | None = None,
        method: str | None = None,
        path: str | None = None,
        times: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        latency: float = 0.0,
        status: int | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        after: bool = False,
        reset: Reset | None = None,
        body: Body | None = None,
        drip: float | None = None,
    ) -> Fault:
        """Let something go wrong from now on: the arguments are those of ``Fault``.

        Returns:
            The fault, with which it is counted and removed.

        Raises:
            ValueError: As ``Fault`` says; or no operation is called so.
        """
        fault = Fault(
            operation=operation,
            method=method,
            path=path,
            times=times,
            skip=skip,
            probability=probability,
            latency=latency,
            status=status,
            code=code,
            retry_after=retry_after,
            after=after,
            reset=reset,
            body=body,
            drip=drip,
        )
        self._extend({"fault": fault})
        return fault

    def load(self, script: Any) -> list[Fault]:
        """Add the faults of a script: a list of objects, or one, whose names are those of ``Fault``.

        Raises:
            ValueError: Something in it is wrong, and nothing has been added. The line begins with the place,
                such as ``faults[2].times``.
        """
        if isinstance(script, list):
            items = {f"faults[{index}]": item for index, item in enumerate(script)}
        else:
            items = {"fault": script}
        faults = {place: _read(item, place) for place, item in items.items()}
        self._extend(faults)
        return list(faults.values())

    def dump(self) -> list[dict[str, Any]]:
        """What there is, as JSON: the fields of each fault, and its ``hits``."""
        with self._lock:
            return [_write(entry.fault) | {"hits": entry.hits} for entry in self._entries]

    def count(self, fault: Fault) -> int:
        """How many requests a fault has hit.

        Raises:
            ValueError: It is not here.
        """
        with self._lock:
            return self._find(fault).hits

    def remove(self, fault: Fault) -> None:
        """End one fault.

        Raises:
            ValueError: It is not here.
        """
        with self._lock:
            found = self._find(fault)
            self._entries = [entry for entry in self._entries if entry is not found]

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._entries = []

    def reset(self) -> None:
        """End all faults and draw as from the start."""
        with self._lock:
            self._random.seed(self._seed)
            self._entries = []

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter([entry.fault for entry in self._entries])

    def pick(self, *, operation: str | None, method: str, path: str) -> Fault | None:
        """Choose the fault of a request, and count it.

        The first one hits that matches and is not used up; a request that it lets through, or spares, is for
        the next. A fault that is used up stays here, with its count, until it is removed.
        """
        with self._lock:
            for entry in self._entries:
                if entry.fault.matches(operation=operation, method=method, path=path):
                    entry.matched += 1
                    if entry.wants(self._random):
                        entry.hits += 1
                        return entry.fault
        return None

    def _extend(self, faults: Mapping[str, Fault]) -> None:
        for place, fault in faults.items():
            self._see_that_it_can_hit(fault, place)
        with self._lock:
            self._entries.extend(map(_Entry, faults.values()))

    def _see_that_it_can_hit(self, fault: Fault, place: str) -> None:
        name = fault.operation
        if name is None or not self._operations or any(fnmatchcase(each, name) for each in self._operations):
            return
        close = get_close_matches(name, self._operations, n=1)
        hint = f"did you mean {close[0]}?" if close else "names are such as messages.create"
        shown = _repr.repr(name)[1:-1]
        raise ValueError(f"{place}.operation: no operation is called {shown}; {hint}")

    def _find(self, fault: Fault) -> _Entry:
        # Faults that say the same are counted apart.
        for entry in self._entries:
            if entry.fault is fault:
                return entry
        raise ValueError("the fault is not here: it has been removed, or was added elsewhere")


def _read(item: Any, place: str) -> Fault:
    if not isinstance(item, dict):
        raise ValueError(f"{place}: must be an object, not {_repr.repr(item)}")  # noqa: TRY004  # a script is text
    for name in map(str, item):
        if name not in _RULES:
            raise unknown(place, name, _RULES)
    try:
        return Fault(**item)
    except ValueError as error:
        raise ValueError(place + str(error).removeprefix("fault")) from error


def _write(fault: Fault) -> dict[str, Any]:
    return asdict(fault, filter=lambda attribute, value: value != attribute.default)
