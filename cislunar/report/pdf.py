"""The report on paper: the page's own words and tables, typeset by typst with packaged fonts."""

from __future__ import annotations

import io
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from cislunar.plots import gathered, maps, still, still_bars, timeline
from cislunar.report import summary, tables
from cislunar.report.answer import needs_table
from cislunar.report.builder import HERE
from cislunar.report.cells import Cell, Row
from cislunar.text import Text

PAPER_MAPS = ("availability_frac", "positioning_availability_frac")
# sections of wide tables, set landscape after the body; the body takes the others
ANNEX = ("scorecard", "positioning", "gathered", "within", "traverse", "signals", "gaps", "fills",
         "demand", "needs", "supply", "assumptions", "sources")  # fmt: skip
PAPER_CURVES = 4  # assets whose accuracy against time is drawn
WIDTH_PT = {"body": 481.0, "annex": 728.0}
LARGEST_PT, SMALLEST_PT = 7.5, 4.0
WHOLE = 15.0  # half ems: seven Japanese signs, twelve Latin


def document(results, text: Text) -> bytes:
    """The PDF of one language; the same results give the same bytes but for nothing."""
    pictures: dict[str, bytes] = {}
    return typeset("report.typ", _data(results, text, pictures), pictures)


def typeset(template: str, data: dict[str, Any], pictures: dict[str, bytes]) -> bytes:
    """The PDF of a typst template beside this file, of its ``data.json`` and pictures by name."""
    import typst

    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        for file, body in pictures.items():
            (room / file).write_bytes(body)
        (room / "data.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        for file in ("common.typ", template):
            (room / file).write_bytes((HERE / file).read_bytes())
        # words reach the page as data, never as markup: nothing in a scenario can be run here
        made: Any = typst.compile(
            str(room / template), root=str(room), font_paths=fonts(), ignore_system_fonts=True,
            format="pdf", timestamp=0,
        )  # fmt: skip
    return made


def fonts() -> list[str]:
    """Folders of the packaged fonts: DejaVu Sans of matplotlib, IPAex Gothic for Japanese."""
    import matplotlib
    import matplotlib_fontja

    return [
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf"),
        str(Path(matplotlib_fontja.__file__).parent / "fonts"),
    ]


def _data(results, text, pictures):
    """Everything on the pages, as plain words and numbers for the template."""
    words = tables.context(results, text)
    judged = needs_table(results)
    pairs = set(zip(judged["asset"], judged["service"], strict=True))
    data: dict[str, Any] = {
        "lang": text.language, "title": words["title"], "subtitle": words["subtitle"],
        "kicker": text("report.kicker"), "footer": words["footer"],
        "answer": words["answer"], "limits": words["limits"], "limits_title":
        text("section.limits"), "scenario": words["scenario_rows"], "notes": words["notes"],
        "method": words["method"],
        "notes_title": text("scenario.notes"), "why": words["why"], "repro": words["repro"],
        "overview": {
            "lead": words["overview"]["lead"],
            **table(words["overview"]["head"], words["overview"]["rows"], "body"),
        },
        "totals": table(words["gaps"]["totals_head"], words["gaps"]["totals"], "body"),
        "portfolio": {
            "lead": words["portfolio"]["lead"], "cautions": words["portfolio"]["cautions"],
            **table(words["portfolio"]["head"], words["portfolio"]["rows"], "body"),
        },
        "sections": {k: text(f"section.{k}") for k in (
            "answer", "scenario", "method", "scorecard", "timeline", "accumulation", "map",
            "orbits", "gaps", "why", "fills", "portfolio", "repro",
        )},
        "annex_title": text("paper.annex"), "contents": text("report.contents"),
        "page": text("paper.page"),
        "annex": [
            {
                "title": text(f"section.{k}") if k != "needs" else text("demand.needs"),
                "lead": words[k].get("lead", ""),
                **table(words[k]["head"], words[k]["rows"], "annex"),
            }
            for k in ANNEX if words[k]["rows"]
        ] + [
            {
                "title": part["title"], "lead": part["lead"],
                **table(part["head"], part["rows"], "annex"),
            }
            for part in words["worth"]
        ],
    }  # fmt: skip
    for k in ("assumptions", "sources"):
        for part in data["annex"]:
            if part["title"] == text(f"section.{k}"):
                part["lead"] = text(f"{k}.lead") + " " + words[k]["count"]
    data["pictures"] = _pictures(results, text, pairs, pictures)
    data["summary"] = summary.summary(results, text, words)
    return data


def _pictures(results, text, pairs, pictures):
    """The figures of the body by section, drawn into ``pictures``."""
    sections = ("timeline", "accumulation", "map", "orbits", "gaps", "fills")
    out: dict[str, list[dict[str, str]]] = {name: [] for name in sections}

    def keep(section, name, figure, caption=""):
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        pictures[f"{name}.svg"] = stream.getvalue()
        out[section].append({"file": f"{name}.svg", "caption": caption})

    with still.fixed_ids():
        if results.trajectories:
            keep("orbits", "orbits", still.static_orbits(results, text))
        for service in timeline.services(results):
            if any(place_service[1] == service for place_service in pairs):
                figure = still.static_timeline(results, service, text)
                keep("timeline", f"timeline-{service}", figure)
        for asset in gathered.distinct(results, PAPER_CURVES):
            figure = gathered.static_accumulation(results, asset, text)
            keep("accumulation", f"accumulation-{asset}", figure)
        coverage = results.coverage
        if coverage is not None and coverage.sizes.get("cell", 0):
            for k, region in enumerate(maps.regions(coverage)):
                for variable in PAPER_MAPS:
                    if variable in coverage and coverage[variable].notnull().any():
                        figure = still.static_map(results, variable, region, text)
                        keep("map", f"map-{k}-{variable}", figure)
        if pairs and len(results.gaps):
            keep("gaps", "causes", still_bars.static_causes(results, text, pairs))
        if len(results.fills) and results.fills["gap_hours_filled"].notna().any():
            keep("fills", "fills", still_bars.static_fills(results, text, most=12))
    return out


def table(head, rows, where) -> dict[str, Any]:
    """A table for the template: headings, rows, relative column widths and a font size.

    Widths hold the longest word of every column, so that nothing leaves its cell.
    """
    body = [_row(row) for row in rows]
    columns = [[name] for name, _ in head]
    for row in body:
        if "cells" in row:
            for column, cell in zip(columns, row["cells"], strict=True):
                column.append(cell["text"])
                column += [s if isinstance(s, str) else s["title"] for s in cell["small"]]
    least = [max((_longest_word(t) for t in column), default=1.0) + 1.6 for column in columns]
    wanted = [_wanted(column, low) for column, low in zip(columns, least, strict=True)]
    size = min(LARGEST_PT, WIDTH_PT[where] / (sum(least) * 0.5))
    room = max(WIDTH_PT[where] / (0.5 * size) - sum(least), 0.0)
    asked = sum(wanted) - sum(least)
    given = min(room / asked, 1.0) if asked else 0.0
    even = max(room - asked, 0.0) / len(least)  # what nobody asks for, for all alike
    share = [low + given * (w - low) + even for w, low in zip(wanted, least, strict=True)]
    return {
        "head": [{"text": name, "n": "n" in kind.split()} for name, kind in head],
        "rows": body, "widths": share, "size": max(size, SMALLEST_PT),
    }  # fmt: skip


def _row(row: Row) -> dict[str, Any]:
    if row.group:
        return {"group": row.group}
    return {"total": row.total, "cells": [_cell(c) for c in row.cells]}


def _cell(cell: Cell) -> dict[str, Any]:
    small = [
        s if isinstance(s, str)
        else {"title": s["title"] + (f" ({s['date']})" if s["date"] else ""), "url": s["url"],
              "host": s["host"]}
        for s in cell.entries
    ]  # fmt: skip
    icon = cell.icon if cell.kind in ("verdict", "score") else ""
    body = f"{icon} {cell.text}" if cell.kind == "verdict" else f"{cell.text} {icon}"
    return {
        "text": body.strip(), "n": cell.kind in ("n", "score"), "small": small,
        "colour": cell.code if cell.kind == "cause" else "",
        "bad": cell.kind in ("verdict", "score") and cell.code == "not-met",
        "badge": cell.code if cell.kind == "badge" else "",
    }  # fmt: skip


def _width(text: str) -> float:
    """Width in half ems, with the air that typst puts between Japanese and Latin signs."""
    borders = sum((ord(a) > 0x2E7F) != (ord(b) > 0x2E7F) for a, b in pairwise(text))
    return sum(map(_sign, text)) + 0.5 * borders


def _sign(c: str) -> float:
    return 2.0 if ord(c) > 0x2E7F or c in "%✓✗" else 1.28 if c.isdigit() else 1.12


def _longest_word(text: str) -> float:
    """The widest stretch that is not broken: a word, or a short text as a whole.

    Japanese can break anywhere, and would stand in columns of single signs if it did.
    """
    longest = word = 0.0
    if _width(text) <= WHOLE:
        return _width(text)
    for c in text:
        if ord(c) > 0x2E7F:
            longest, word = max(longest, word, WHOLE), 0.0
        elif c in " -/\u200b":
            longest, word = max(longest, word + 1.0), 0.0
        else:
            word += _sign(c)
    return max(longest, word)


def _wanted(column, least) -> float:
    lengths = sorted(_width(t) for t in column)
    typical = lengths[int(0.9 * (len(lengths) - 1))]
    return max(least, min(typical, 60.0))
