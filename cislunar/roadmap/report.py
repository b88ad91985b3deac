"""The report of a roadmap: what it says on a page, on paper and on slides."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cislunar.products import write_whole
from cislunar.report import pdf
from cislunar.report.builder import filled
from cislunar.report.origins import assumptions
from cislunar.report.webfont import POLICY
from cislunar.roadmap.run import RoadmapResults
from cislunar.roadmap.story import (
    SHOWN_SERVICES,
    answers,
    case_curves,
    curves_title,
    heat_map,
    heat_title,
    limits,
    milestones_title,
    picture,
    repro,
)
from cislunar.roadmap.tables import origins, tables
from cislunar.text import Text

MOST_LINES = 10  # cases in words on a slide


def write_report(
    results: RoadmapResults,
    folder: str | os.PathLike,
    languages: Sequence[str] | None = None,
    formats: Sequence[str] | None = None,
) -> list[Path]:
    """The paths of ``roadmap.<language>.<format>`` and of the heat maps (PNG) they show.

    Languages and formats are the roadmap's own unless given. A PDF opens with a summary on one A4
    page; slides (``pptx``) need the extra ``office`` (InputError without it).
    """
    folder, out = Path(folder), []
    languages = languages or results.roadmap.record.report

    for language in languages:
        text = Text(language)
        drawn = {
            f"heat_map_{service}": picture(heat_map(results, service, text), "png")
            for service in SHOWN_SERVICES
        }
        page = partial(_page, languages=languages, drawn=drawn)
        make = {"html": page, "pdf": _paper, "pptx": _slides}
        for name, png in drawn.items():
            out.append(folder / f"{name}.{language}.png")
            write_whole(out[-1], png)
        for form in formats or results.roadmap.formats:
            out.append(folder / f"roadmap.{language}.{form}")
            write_whole(out[-1], make[form](results, text))
    return out


def _figures(
    results: RoadmapResults, text: Text, brief: bool = False
) -> list[tuple[str, str, str, Callable[[], Any]]]:
    """Name, caption, note and what draws each picture; with ``brief`` of milestones alone."""
    asked = bool(results.roadmap.record.milestones)
    heat = [
        (f"heat_map_{service}", heat_title(service, text), text("roadmap.heat_note"),
         partial(heat_map, results, service, text, brief=brief and asked))
        for service in SHOWN_SERVICES
    ]  # fmt: skip
    curves = [
        (f"case_curves_{service}", curves_title(service, text), text("roadmap.curves_note"),
         partial(case_curves, results, service, text))
        for service in SHOWN_SERVICES if asked
    ]  # fmt: skip
    return heat + curves


def _said(results: RoadmapResults, text: Text) -> tuple[list[str], list[str]]:
    """The answers as planned, and how each case changes them."""
    planned = answers(results, text.language, cases=False)
    return planned, [x for x in answers(results, text.language) if x not in planned]


def _page(
    results: RoadmapResults, text: Text, languages: Sequence[str], drawn: Mapping[str, bytes]
) -> bytes:
    """The HTML page; pictures that are ``drawn`` already (PNG by name) are not drawn again."""
    figures = []
    for name, caption, note, draw in _figures(results, text):
        png = drawn[name] if name in drawn else picture(draw(), "png")
        figures.append((caption, note, base64.b64encode(png).decode("ascii")))
    planned, changed = _said(results, text)
    return filled(
        "roadmap.html", text, languages, policy=POLICY, figures=figures, changed=changed,
        title=results.roadmap.title_in(text.language), answers=planned,
        limits=limits(results, text), tables=tables(results, text) + origins(results, text),
        repro=repro(results, text),
    ).encode()  # fmt: skip


def _paper(results: RoadmapResults, text: Text) -> bytes:
    pictures: dict[str, bytes] = {}
    brief, drawn = [], []
    for service in SHOWN_SERVICES:
        name = f"brief-{service}.svg"
        pictures[name] = picture(heat_map(results, service, text, brief=True), "svg")
        brief.append({"file": name, "caption": heat_title(service, text)})
    for name, caption, note, draw in _figures(results, text):
        pictures[f"{name}.svg"] = picture(draw(), "svg")
        drawn.append({"file": f"{name}.svg", "caption": caption, "note": note})
    planned, changed = _said(results, text)
    parts = tables(results, text)
    _, lead, head, rows = parts[0]
    data = {
        "lang": text.language, "title": results.roadmap.title_in(text.language),
        "kicker": text("report.kicker"), "contents": text("report.contents"),
        "footer": text(
            "footer.note", version=results.manifest.get("versions", {}).get(
                "cislunar-planner", "")),
        "sections": {
            "answers": text("roadmap.answers"), "limits": text("roadmap.limits"),
            "changed": text("roadmap.if"),
            "milestones": milestones_title(results, text), "repro": text("section.repro"),
        },
        "answers": planned, "changed": changed, "limits": limits(results, text),
        "summary": {
            "title": text("paper.summary"), "lead": planned,
            "milestones": {"lead": lead, "head": [name for name, _ in head],
                           "rows": [[c.text for c in row.cells] for row in rows]},
            "heat": brief if results.roadmap.record.milestones else [],
        },
        "figures": drawn, "repro": repro(results, text),
        "annex": [
            {"title": title, "lead": lead, **pdf.table(head, rows, "annex")}
            for title, lead, head, rows in parts + origins(results, text)
        ],
    }  # fmt: skip
    return pdf.typeset("roadmap.typ", data, pictures)


def _slides(results: RoadmapResults, text: Text) -> bytes:
    """The .pptx file: answers, when needs are met, pictures, cases, gaps, supply and limits."""
    from cislunar.report.slide_parts import EDGE, TOP, WIDE, Deck

    made, wide = Deck(text), WIDE - 2 * EDGE
    title = results.roadmap.title_in(text.language)
    slide = made.slide(title, text("roadmap.answers"))
    planned, changed = _said(results, text)
    made.say(slide, planned, EDGE, TOP, wide, 14)
    milestones, *others = tables(results, text)
    made.tables(*milestones)
    for _, caption, note, draw in _figures(results, text, brief=True):
        made.picture(made.slide(caption, note), draw(), EDGE, TOP, wide)
    for at in range(0, len(changed), MOST_LINES):
        slide = made.slide(text("roadmap.if"))
        made.say(slide, changed[at : at + MOST_LINES], EDGE, TOP, wide, 13)
    for part in others:
        made.tables(*part)
    made.say(made.slide(text("roadmap.limits")), limits(results, text), EDGE, TOP, wide, 13)
    made.origins(assumptions(results, text))
    return made.to_bytes()
