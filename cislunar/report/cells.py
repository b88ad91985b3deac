"""Cells and rows of the report's tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.text import Text

ICONS = {"met": "✓", "not-met": "✗", "no-need": "–", "not-computable": "?"}
PATTERNS = {"/": "slash", "\\": "back", ".": "dot", "x": "cross", "+": "grid", "-": "bar",
            "|": "pipe"}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One cell of a table; ``kind`` is how the template draws it, ``entries`` its small lines."""

    text: str = ""
    kind: str = ""
    code: str = ""
    icon: str = ""
    entries: tuple = ()


@dataclass(frozen=True)
class Row:
    """One row; with ``group`` a heading over the rows that follow, and no cells."""

    cells: tuple[Cell, ...] = ()
    data: dict[str, str] = field(default_factory=dict)
    total: bool = False
    group: str = ""


def number(text: str, *small: str) -> Cell:
    return Cell(text, "n", entries=tuple(s for s in small if s))


def verdict(code: Any, text: Text, *small: str) -> Cell:
    code = str(code)
    word = text.either(f"verdict.{code}", code)
    return Cell(word, "verdict", code, ICONS.get(code, ""), tuple(s for s in small if s))


def badge(confidence, text: Text, *loose: str) -> Cell:
    if not confidence:
        return Cell(fmt.NONE)
    word = text.either(f"confidence.{confidence}", confidence)
    return Cell(word, "badge", confidence, entries=tuple(s for s in loose if s))


def cause(code: Any, text: Text) -> Cell:
    """A cause with the colour and pattern that it has in the figures."""
    code = str(code)
    return Cell(
        text.either(f"cause.{code}", code), "cause", style.colour_of(code),
        PATTERNS.get(style.pattern_of(code), ""),
    )  # fmt: skip


def head(text: Text, *names: str, numbers=()) -> list[tuple[str, str]]:
    """Column headings: the word of each name, and ``n`` where numbers stand below."""
    wide = {"share_of_time": "n wide"}
    return [(text(f"col.{n}"), wide.get(n, "n") if n in numbers else "") for n in names]


def service(name: Any, text: Text) -> str:
    return text.either(f"service.{name}", str(name))


def said(record: dict[str, Any], text: Text, *keys: str) -> str:
    """The first of a record's keys that says something, in the language where there is one."""
    for key in keys:
        for name in (f"{key}_{text.language}", key):
            value = record.get(name)
            if isinstance(value, dict):
                value = value.get(text.language) or "; ".join(f"{k} {v}" for k, v in value.items())
            if isinstance(value, (list, tuple)):
                value = ", ".join(map(str, value))
            if not fmt.missing(value):
                return str(value)
    return ""


def key_word(name: str, text: Text) -> str:
    """What a key of a record is called: its word, or the key itself."""
    return text.either(f"field.{name}", name)


def loose_fields(record: dict, word: str = "unverified") -> list[str]:
    """The fields of a record that nothing at hand verifies (or of another confidence ``word``)."""
    fields = record.get("field_confidence") or {}
    return sorted(name for name, found in fields.items() if found == word)


def unsure(record: dict, text: Text) -> str:
    """The unverified fields of a record in words, empty if there are none."""
    fields = [key_word(name, text) for name in loose_fields(record)]
    return text("assumptions.fields", fields=text("list.joiner").join(fields)) if fields else ""


def span_of(low: str, high: str, text: Text) -> str:
    """``low to high``, or the one value if they print alike."""
    return low if low == high else text("answer.range", low=low, high=high)
