"""What the emulator's own README says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import fields
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

from conversations_async.emulator import Fault
from conversations_async.emulator.errors import CATALOGUE

from .test_readme import evaluate, run

if TYPE_CHECKING:
    from sybil import Example

README = Path(__file__).parent.parent / "conversations_async" / "emulator" / "README.md"
TEXT = README.read_text()


def examples() -> list[Example]:
    """Give its Python blocks."""
    return list(Document.parse(str(README), CodeBlockParser(language="python", evaluator=run)))


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"line {example.line}")
async def test_each_example_runs(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example stands for itself, and runs."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    await evaluate(example, namespace)
    capsys.readouterr()


def codes(text: str) -> set[int]:
    """Read the codes, and the ranges of codes, in a cell."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d{5})(?:\u2013(\d{5}))?", text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_rule_has_its_source() -> None:
    """Each code of a refusal has a row that says where the rule comes from, and no row has another."""
    table = TEXT.partition("| rule | code | from |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rules = [tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in table.splitlines()]
    named: set[int] = set()
    for rule, cell, source in rules:
        named |= codes(cell)
        if not rule.startswith("**"):
            assert re.search(r"documented|specified|observed|assumed", source), rule
    assert set(CATALOGUE) - named == set()
    # within a range there may be codes that nothing is refused with
    assert {code for code in named if code not in CATALOGUE} <= {50323, 50331}


def test_every_field_of_a_fault_is_named() -> None:
    """The section on faults names all that a fault has."""
    section = TEXT.partition("## Faults")[2].partition("\n## ")[0]
    for field in fields(Fault):
        assert f"`{field.name}`" in section, field.name
