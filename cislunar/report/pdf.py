"""The report on paper: the page's own words and tables, typeset by typst with packaged fonts."""

from __future__ import annotations

import io
import json
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from cislunar.plots import frontier, gathered, maps, still, still_bars, timeline
from cislunar.report import summary, tables
from cislunar.report.answer import needs_table
from cislunar.report.builder import HERE
from cislunar.report.cells import Cell, Row
from cislunar.text import Text

PAPER_MAPS = ("availability_frac", "positioning_availability_frac")
# sections of wide tables, set landscape after the body; the body takes the others
ANNEX = ("scorecard", "positioning", "gathered", "within", "traverse", "signals", "gaps", "fills",
         "worth", "demand", "needs", "supply", "assumptions", "conflicts", "sources")  # fmt: skip
PAPER_CURVES = 4  # assets whose accuracy against time is drawn
WIDTH_PT = {"body": 481.0, "annex": 728.0, "slide": 895.0}
LARGEST_PT = {"body": 7.5, "annex": 7.5, "slide": 10.5}
SMALLEST_PT = 4.0
AIR = {"body": 1.6, "annex": 1.6, "slide": 3.4}  # half ems beside the words of a cell
WHOLE = 15.0  # half ems: seven Japanese signs, twelve Latin
WORDS = re.compile("[\u2e80-\uffff]|[^\u2e80-\uffff /-]+[ /-]?|[ /-]")


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
        "sensitivity": {
            "lead": words["sensitivity"]["lead"],
            **table(words["sensitivity"]["head"], words["sensitivity"]["rows"], "body"),
        },
        "portfolio": {
            "lead": words["portfolio"]["lead"], "cautions": words["portfolio"]["cautions"],
            **table(words["portfolio"]["head"], words["portfolio"]["rows"], "body"),
        },
        "sections": {k: text(f"section.{k}") for k in (
            "answer", "scenario", "method", "scorecard", "timeline", "accumulation", "map",
            "orbits", "gaps", "why", "sensitivity", "fills", "portfolio", "repro",
        )},
        "annex_title": text("paper.annex"), "contents": text("report.contents"),
        "page": text("paper.page"),
        "annex": [part for k in ANNEX for part in _annex(k, words, text)],
    }  # fmt: skip
    data["pictures"] = _pictures(results, text, pairs, pictures)
    data["summary"] = summary.summary(results, text, words)
    return data


def _annex(key, words, text):
    """The tables of one section, none where it has no rows."""
    if key == "worth":
        return [
            {"title": p["title"], "lead": p["lead"], **table(p["head"], p["rows"], "annex")}
            for p in words["worth"]
        ]
    own = words[key]
    if not own["rows"]:
        return []
    lead = own.get("lead", "")
    if key in ("assumptions", "sources"):
        lead = text(f"{key}.lead") + " " + own["count"]
    title = text("demand.needs") if key == "needs" else text(f"section.{key}")
    return [{"title": title, "lead": lead, **table(own["head"], own["rows"], "annex")}]


def _pictures(results, text, pairs, pictures):
    """The figures of the body by section, drawn into ``pictures``."""
    sections = ("timeline", "accumulation", "map", "orbits", "gaps", "fills", "portfolio")
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
                    if is_mapped(coverage, variable):
                        figure = still.static_map(results, variable, region, text)
                        keep("map", f"map-{k}-{variable}", figure)
        if pairs and len(results.gaps):
            keep("gaps", "causes", still_bars.static_causes(results, text, pairs))
        if len(results.fills) and results.fills["gap_hours_filled"].notna().any():
            keep("fills", "fills", still_bars.static_fills(results, text, most=12))
        if len(results.frontier) > 1:
            figure = frontier.static_frontier(results, text)
            keep("portfolio", "frontier", figure, text("worth.frontier"))
    return out


def is_mapped(coverage, variable: str) -> bool:
    """True where some cell of a coverage dataset has a value of a variable."""
    return variable in coverage and bool(coverage[variable].notnull().any())


def table(head, rows, where) -> dict[str, Any]:
    """A table for the template: headings, rows, relative column widths and a font size.

    Widths hold the longest word of every column, so that nothing leaves its cell. A table without
    a heading, which the run does not have, has no columns.
    """
    if not head:
        return {"head": [], "rows": [], "widths": [], "size": SMALLEST_PT}
    body = [_row(row) for row in rows]
    columns = [[name] for name, _ in head]
    for row in body:
        if "cells" in row:
            for column, cell in zip(columns, row["cells"], strict=True):
                column.append(cell["text"])
                column += [s if isinstance(s, str) else s["title"] for s in cell["small"]]
    numbers = ["n" in kind.split() for _, kind in head]
    # a column of words keeps off the numbers that end beside it
    beside = [k > 0 and numbers[k - 1] and not numbers[k] for k in range(len(head))]
    least = [
        max((_longest_word(t) for t in column), default=1.0) + AIR[where] + (1.8 if apart else 0.0)
        for column, apart in zip(columns, beside, strict=True)
    ]
    wanted = [_wanted(column, low) for column, low in zip(columns, least, strict=True)]
    size = min(LARGEST_PT[where], WIDTH_PT[where] / (sum(least) * 0.5))
    room = max(WIDTH_PT[where] / (0.5 * size) - sum(least), 0.0)
    asked = sum(wanted) - sum(least)
    given = min(room / asked, 1.0) if asked else 0.0
    even = max(room - asked, 0.0) / len(least)  # what nobody asks for, for all alike
    share = [low + given * (w - low) + even for w, low in zip(wanted, least, strict=True)]
    return {
        "head": [
            {"text": name, "n": n, "apart": apart}
            for (name, _), n, apart in zip(head, numbers, beside, strict=True)
        ],
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


def line_count(text: str, room: float) -> int:
    """How many lines of a width (half ems) a text takes; too long a word goes over several."""
    lines, used = 1, 0.0
    for word in WORDS.findall(text):
        width = sum(map(_sign, word))
        if used and used + width > room:
            lines, used = lines + 1, 0.0
        lines += int(width // room)
        used += width % room
    return lines


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
    # most cells in one line; the longest in four
    typical = max(lengths[int(0.9 * (len(lengths) - 1))], 0.25 * lengths[-1])
    return max(least, min(typical, 60.0))
