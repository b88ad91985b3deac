"""Where the figures come from: the records that results rest on, with confidence and sources.

Results are those of a run or of a roadmap: whatever has ``assumptions`` and ``sources``, lists of
entries of the provenance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlparse

from cislunar import display as fmt
from cislunar.report.cells import Cell, Row, badge, head, key_word, loose_fields, said, unsure
from cislunar.report.told import told
from cislunar.text import Text

ORDER = ("unverified", "assumption", "derived", "transcription", "press", "primary")


def assumptions(results, text: Text) -> dict[str, Any]:
    """Every record that is not primary, wholly or in a field: the unverified ones first."""

    def place(record):
        sure = record.get("confidence")
        rank = ORDER.index(sure) if sure in ORDER else len(ORDER)
        return (rank > 0, not loose_fields(record), rank, str(record["kind"]), str(record["id"]))

    # a primary record belongs here too if one of its fields is assumed or unverified
    known = {(r["kind"], r["id"]) for r in results.assumptions}
    partly = [
        r
        for r in results.sources
        if (r["kind"], r["id"]) not in known and (loose_fields(r) or loose_fields(r, "assumption"))
    ]
    records = sorted([*results.assumptions, *partly], key=place)
    rows, shaky = [], []
    for r in records:
        if loose_fields(r) or r.get("confidence") == "unverified":
            shaky.append(str(r["id"]))
        name, summary = said(r, text, "name"), told(r, text)
        marked = badge(r.get("confidence"), text, unsure(r, text))
        assumed = loose_fields(r, "assumption")
        if assumed and r.get("confidence") != "assumption":
            fields = text("list.joiner").join(key_word(name, text) for name in assumed)
            marked = replace(
                marked, entries=(*marked.entries, text("assumptions.assumed", fields=fields))
            )
        rows.append(
            Row((
                Cell(str(r.get("id", "")), "code"),
                Cell(name or summary, "named", entries=(summary,) if name and summary else ()),
                marked, Cell(said(r, text, "reason") or fmt.NONE, "w"),
                _source_cells(r.get("sources"), text),
            ))
        )  # fmt: skip
    return {
        "head": head(text, "record", "what", "confidence", "reason", "sources"),
        "rows": rows,
        "count": text("assumptions.unverified", count=len(shaky), total=len(records)),
        "unverified": shaky,
    }


def sources(results, text: Text) -> dict[str, Any]:
    """Every record with its confidence and sources."""
    records = sorted(results.sources, key=lambda r: (str(r.get("kind")), str(r.get("id"))))
    rows = [
        Row((
            Cell(str(r.get("id", "")), "code"),
            Cell(text.either(f"kind.{r.get('kind')}", str(r.get("kind") or fmt.NONE)), "k"),
            badge(r.get("confidence"), text), _source_cells(r.get("sources"), text),
        ))
        for r in records
    ]  # fmt: skip
    return {
        "head": head(text, "record", "kind", "confidence", "sources"),
        "rows": rows,
        "count": text("sources.count", count=len(rows)),
    }


def _source_cells(found, text: Text) -> Cell:
    out = []
    for s in found or ():
        s = {"title": s} if isinstance(s, str) else dict(s)
        url = s.get("url") if str(s.get("url") or "").startswith(("http://", "https://")) else None
        date = s.get("date")
        out.append(
            {
                "title": s.get("title") or url or fmt.NONE, "url": url,
                "date": None if fmt.missing(date) else str(date),
                "host": urlparse(url).hostname if url else None,
            }
        )  # fmt: skip
    return Cell("" if out else text("sources.none"), "sources", entries=tuple(out))
