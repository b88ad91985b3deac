"""Where published sources differ: every value that the records keep, side by side."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.report.cells import Cell, Row, badge, head, key_word, said
from cislunar.text import Text


def conflicts(results, text: Text) -> dict[str, Any]:
    """The table of differing values: a heading for each field of the records that share it."""
    groups: dict[str, tuple[dict, list[str]]] = {}
    for record in results.sources:
        for found in record.get("conflicts") or ():
            groups.setdefault(repr(found), (found, []))[1].append(str(record["id"]))
    rows: list[Row] = []
    for found, ids in groups.values():
        names = text("list.joiner").join(dict.fromkeys(ids))
        rows.append(
            Row(group=text("conflicts.of", names=names, field=key_word(found["field"], text)))
        )
        rows += [_row(value, text) for value in found["values"]]
    return {
        "head": head(text, "value", "told_by", "confidence", "remark"),
        "rows": rows,
        "lead": text("conflicts.lead", count=len(groups)),
    }


def _row(told: dict[str, Any], text: Text) -> Row:
    sure = told.get("confidence")
    return Row((
        Cell(said(told, text, "value"), "w"), Cell(said(told, text, "source") or fmt.NONE),
        badge(sure, text), Cell(said(told, text, "note")),
    ))  # fmt: skip
