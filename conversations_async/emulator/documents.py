"""How is read what people wrote, JSON and arguments, and what is said of a mistake in it?"""

import json
import os
import re
import reprlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

from .errors import RequestError

_KINDS: Final[Mapping[type, str]] = {
    Mapping: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_HALF: Final = re.compile("[\ud800-\udfff]")
#: Shows a wrong name or value, or as much of it as goes on a line.
_repr: Final = reprlib.Repr()
_repr.maxlevel = 1


def load(path: str | os.PathLike[str]) -> Any:
    """Read a file of JSON.

    Raises:
        ValueError: It cannot be read, or is none. The line begins with its name.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - the name may be of any kind that the system takes
            content = file.read()
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {getattr(error, 'strerror', error)}") from error
    return decode(content, name)


def decode(content: bytes, name: str) -> Any:
    """Read JSON in UTF-8.

    Raises:
        ValueError: It is none, or an object in it has a member twice. The line begins with the name and,
            where they are known, line and column.
    """
    if not content.removeprefix(BOM_UTF8).strip():
        raise ValueError(f"{name}: is empty")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        line, start = content.count(b"\n", 0, error.start), content.rfind(b"\n", 0, error.start)
        raise ValueError(f"{name}:{line + 1}:{error.start - start}: not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{name}: nested too deeply") from error
    except _TwiceError as error:
        raise ValueError(f"{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: a number has too many digits") from error


class _TwiceError(Exception):
    """An object has a member twice."""


def _once(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) < len(members):
        ((name, _),) = Counter(name for name, _ in members).most_common(1)
        raise _TwiceError(f"{_repr.repr(name)} is given twice in one object")
    return value


def path_of(name: str, value: Any) -> str:
    """Read an argument that is the path of a file.

    Raises:
        ValueError: It is none, or one of bytes.
    """
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    require(name, value, "a path", fits=isinstance(path, str) and path != "")
    return str(path)


def require(name: str, value: object, wanted: str, *, fits: bool) -> None:
    """See that an argument is what it must be.

    Raises:
        ValueError: It is not.
    """
    if not fits:
        raise ValueError(f"{name} must be {wanted}, not {_repr.repr(value)}")


def is_text(value: object) -> bool:
    """Tell whether a value is a text that can be sent: no half of a surrogate pair is in it."""
    return isinstance(value, str) and not _HALF.search(value)


def is_whole(value: object) -> bool:
    """Tell whether a value is a whole number, as True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def join(place: str, name: object) -> str:
    """The place of a member."""
    shown = _repr.repr(str(name))[1:-1]
    return f"{place}.{shown}" if place else shown


def unknown(place: str, name: object, known: Collection[str]) -> ValueError:
    """Make the error of a name that means nothing."""
    close = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return ValueError(f"{join(place, name)}: unknown; {hint}")


def wrong(place: str, wanted: str, value: object) -> ValueError:
    """Make the error of a value of another kind."""
    kind = next((words for kind, words in _KINDS.items() if isinstance(value, kind)), type(value).__name__)
    return ValueError(f"{place}: must be {wanted}, not {kind}")


@contextmanager
def inside(file: str | None) -> Iterator[None]:
    """Let a mistake begin with the name of the file that it is in, if it is in one."""
    try:
        yield
    except ValueError as error:
        if file is None:
            raise
        raise ValueError(f"{file}: {error}") from error


@contextmanager
def at(place: str) -> Iterator[None]:
    """Let what the API refuses be the error of a place."""
    try:
        yield
    except RequestError as error:
        raise ValueError(f"{place}: {error.code}: {error.message}") from error
