"""Where published sources differ: every value that the records keep, side by side."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.report.cells import Cell, Row, badge, head
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
        rows.append(Row(group=f"{names}: {found['field']}"))
        rows += [_row(value, text) for value in found["values"]]
    return {
        "head": head(text, "value", "told_by", "confidence", "remark"),
        "rows": rows,
        "lead": text("conflicts.lead", count=len(groups)),
    }


def _row(told: dict[str, Any], text: Text) -> Row:
    value = told["value"]
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return Row((
        Cell(str(value), "w"), Cell(str(told.get("source") or fmt.NONE)),
        badge(told.get("confidence"), text), Cell(str(told.get("note") or "")),
    ))  # fmt: skip
