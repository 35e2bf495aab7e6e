"""Models as values: several changes to one answer, and what a model shares with no other value."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations_async import DecodeError

from .support import deterministic
from .test_converter import (
    MODELS,
    WIRE_VALUES,
    accepts,
    outcome,
    place,
    read,
    required,
    sample,
)

every_model = pytest.mark.parametrize("model", MODELS)

#: What stands for a field that is left out.
DROPPED = object()


def changes(model: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Give several fields of an answer another value each, or none."""
    return st.dictionaries(st.sampled_from(list(sample(model))), st.sampled_from([DROPPED, *WIRE_VALUES]))


def bears(model: type[Any], name: str, wire: Any) -> bool:
    """Say whether a model can still be read after one field was changed."""
    if wire is DROPPED:
        return not required(model, (name,))
    return accepts(place(model, (name,))[0], wire)


@every_model
@given(data=st.data())
@settings(deterministic, max_examples=40)
def test_several_changes_are_read_or_refused_together(model: type[Any], data: st.DataObject) -> None:
    """An answer of which several fields changed is read if each change alone would be, or refused."""
    changed = data.draw(changes(model))
    body = {name: wire for name, wire in (sample(model) | changed).items() if wire is not DROPPED}
    result = outcome(lambda: read(body, model))
    if all(bears(model, name, wire) for name, wire in changed.items()):
        full = read(sample(model), model)
        kept = [name for name in attrs.fields_dict(model) if name.rstrip("_") not in changed]
        assert [getattr(result, name) for name in kept] == [getattr(full, name) for name in kept]
    else:
        assert isinstance(result, DecodeError)


@every_model
def test_an_evolved_model_differs_in_that_field_alone(model: type[Any]) -> None:
    """A copy with one field changed is another value, whose other fields are the same; the original stays."""
    value, again = read(sample(model), model), read(sample(model), model)
    for name in attrs.fields_dict(model):
        other = attrs.evolve(value, **{name: None})
        assert other != value
        assert attrs.evolve(other, **{name: getattr(value, name)}) == value
        assert value == again


@every_model
def test_a_model_is_no_other_models_equal(model: type[Any]) -> None:
    """A model equals nothing but its own kind: no mapping of its fields, and no subclass."""
    value = read(sample(model), model)
    other = attrs.make_class("Other", [], bases=(model,), frozen=True, slots=True, kw_only=True)
    assert value != attrs.asdict(value, recurse=False)
    assert value != other(**attrs.asdict(value, recurse=False))


@every_model
def test_a_model_has_its_fields_and_nothing_else(model: type[Any]) -> None:
    """A model is made by keywords alone, and has no place for anything but its fields."""
    value = read(sample(model), model)
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError, match="positional"):
        model(*attrs.astuple(value, recurse=False))
    with pytest.raises(TypeError, match="tomorrow"):
        model(**attrs.asdict(value, recurse=False), tomorrow=None)
