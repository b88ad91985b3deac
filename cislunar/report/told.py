"""What a record says, in words: its values by key, each with the key's word and its unit."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.report.cells import key_word, said
from cislunar.text import Text


def told(record: dict[str, Any], text: Text) -> str:
    """The values of an entry of the provenance in one line; its summary where it has none."""
    values = record.get("values")
    return _pairs(values, text) if values else said(record, text, "summary", "value")


def _pairs(values: dict[str, Any], text: Text) -> str:
    """``word: value`` of every key; a Japanese twin is told in place of the English text."""
    parts = []
    for key, value in values.items():
        if key == "note" or key.endswith("_ja") or fmt.missing(value) or value in ({}, []):
            continue
        twin = values.get(f"{key}_{text.language}")
        value = _value(value, text) if twin is None else twin.removesuffix("。")
        parts.append(text("told.pair", word=key_word(key, text), value=value))
    return text("told.joiner").join(parts)


def _value(value: Any, text: Text) -> str:
    if isinstance(value, dict):
        return text("told.group", inside=_pairs(value, text))
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(v, text) for v in value)
    if isinstance(value, bool):
        return text(f"told.{str(value).lower()}")
    if isinstance(value, float):
        return f"{value:,.12g}"
    if isinstance(value, int):
        return f"{value:,}"
    return text.either(f"word.{value}", str(value))
