"""Slides for pasting into a proposal: native tables, and the figures as pictures."""

from __future__ import annotations

import io
from typing import Any

from cislunar.plots import still, still_bars, timeline
from cislunar.report import summary, tables
from cislunar.report.answer import needs_table
from cislunar.text import Text
from orbits.errors import InputError

WIDE, HIGH, EDGE = 13.333, 7.5, 0.45  # inches of a 16:9 slide
TOP = 1.15  # where a slide's body begins
DPI = 180
COLOURS = {"met": "D5EBE2", "part": "FBF3CF", "not-met": "F6D9C8"}
FACE = {"en": "Arial", "ja": "Yu Gothic"}
MOST_ROWS = 18


def deck(results, text: Text) -> bytes:
    """The slides of one language as the bytes of a .pptx file.

    Raises InputError where python-pptx (the extra ``office``) is not installed.
    """
    try:
        from pptx import Presentation
        from pptx.util import Inches
    except ImportError:
        raise InputError(
            "slides need python-pptx", key="formats", value="pptx",
            allowed="html, pdf, or pip install 'cislunar-planner[office]'",
        ) from None  # fmt: skip

    show: Any = Presentation()
    show.slide_width, show.slide_height = Inches(WIDE), Inches(HIGH)
    words = tables.context(results, text)
    brief = summary.summary(results, text, words)
    judged = needs_table(results)
    pairs = set(zip(judged["asset"], judged["service"], strict=True))

    slide = _slide(show, words["title"], words["subtitle"], text)
    _say(slide, words["answer"], text, EDGE, TOP, WIDE - 2 * EDGE, 13)
    for k in range(0, len(brief["matrix"]["rows"]), MOST_ROWS):
        slide = _slide(show, brief["state"], brief["matrix"]["note"], text)
        _matrix(slide, brief["matrix"]["head"], brief["matrix"]["rows"][k : k + MOST_ROWS], text)
    if pairs and len(results.gaps):
        slide = _slide(show, brief["causes"], "", text)
        _picture(slide, still_bars.static_causes(results, text, pairs), EDGE, TOP, 7.6)
        _say(slide, brief["said"], text, 8.3, TOP, WIDE - 8.3 - EDGE, 12)
    for service in timeline.services(results):
        if any(s == service for _, s in pairs):
            title = text("timeline.title", service=text.either(f"service.{service}", service))
            _picture(_slide(show, title, "", text), still.static_timeline(results, service, text),
                     EDGE, TOP, WIDE - 2 * EDGE)  # fmt: skip
    if results.trajectories:
        slide = _slide(show, brief["orbits"], "", text)
        _picture(slide, still.static_orbits(results, text), EDGE, TOP, WIDE - 2 * EDGE)
    if brief["options"]["rows"]:
        slide = _slide(show, brief["proposal"], words["fills"]["lead"], text)
        _picture(slide, still_bars.static_fills(results, text, most=12), EDGE, TOP + 0.5, 6.2)
        _table(slide, brief["options"]["head"], brief["options"]["rows"], text, 6.9, TOP + 0.5)
    if brief["chosen"]["rows"]:
        slide = _slide(show, brief["effect"], brief["chosen_lead"], text)
        _table(slide, brief["chosen"]["head"], brief["chosen"]["rows"], text, EDGE, TOP + 0.4,
               WIDE - 2 * EDGE)  # fmt: skip
        below = TOP + 1.1 + 0.36 * len(brief["chosen"]["rows"])
        _say(slide, brief["cautions"], text, EDGE, below, WIDE - 2 * EDGE, 12)
    slide = _slide(show, brief["conditions"], "", text)
    _say(slide, words["limits"], text, EDGE, TOP, WIDE - 2 * EDGE, 12)
    stream = io.BytesIO()
    show.save(stream)
    return stream.getvalue()


def _slide(show, title, small, text):
    slide = show.slides.add_slide(show.slide_layouts[5])  # title only
    from pptx.util import Inches, Pt

    head = slide.shapes.title
    head.left, head.top = Inches(EDGE), Inches(0.2)
    head.width, head.height = Inches(WIDE - 2 * EDGE), Inches(0.65)
    _words(head.text_frame, [title], text, 24, "0B3D66", bold=True)
    if small:
        box = slide.shapes.add_textbox(Inches(EDGE), Inches(0.8), Inches(WIDE - 2 * EDGE), Pt(24))
        _words(box.text_frame, [small], text, 11, "5C6672")
    return slide


def _words(frame, items, text, size, colour="1B2430", bold=False):
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.oxml.ns import qn
    from pptx.util import Pt

    frame.word_wrap = True
    for k, item in enumerate(items):
        paragraph = frame.paragraphs[0] if k == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.LEFT
        paragraph.space_after = Pt(size * 0.4)
        run = paragraph.add_run()
        run.text = item
        run.font.size, run.font.bold = Pt(size), bold
        run.font.color.rgb = RGBColor.from_string(colour)
        run.font.name = FACE[text.language]
        face = run.font._element.makeelement(qn("a:ea"), {"typeface": FACE[text.language]})
        run.font._element.append(face)  # python-pptx names the Latin face only


def _say(slide, items, text, left, top, width, size):
    from pptx.util import Inches

    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(HIGH - top))
    _words(box.text_frame, items, text, size)


def _picture(slide, figure, left, top, width):
    """A figure as a picture, as large as width and the slide's height allow."""
    from pptx.util import Inches

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    stream.seek(0)
    wide, high = figure.get_size_inches()
    scale = min(width / wide, (HIGH - top - 0.25) / high)
    slide.shapes.add_picture(stream, Inches(left), Inches(top), Inches(wide * scale))


def _table(slide, head, rows, text, left, top, width=None):
    from pptx.util import Inches

    width = width or WIDE - left - EDGE
    frame = slide.shapes.add_table(
        len(rows) + 1, len(head), Inches(left), Inches(top), Inches(width), Inches(0.3)
    )
    first = 0.34 if len(head) > 2 else 0.6
    for k, column in enumerate(frame.table.columns):
        share = first if k == 0 else (1 - first) / (len(head) - 1)
        column.width = Inches(width * share)
    for i, row in enumerate([head, *rows]):
        for j, word in enumerate(row):
            _cell(frame.table.cell(i, j), str(word), text, 10, "0B3D66" if i == 0 else "")
    return frame.table


def _cell(cell, word, text, size, fill=""):
    from pptx.dml.color import RGBColor
    from pptx.util import Inches

    _words(cell.text_frame, [word], text, size, "FFFFFF" if fill == "0B3D66" else "1B2430")
    cell.text_frame.paragraphs[0].space_after = 0
    cell.margin_top = cell.margin_bottom = Inches(0.02)
    cell.fill.solid()
    cell.fill.fore_color.rgb = RGBColor.from_string(fill or "FFFFFF")


def _matrix(slide, head, rows, text):
    body = [[f"{r['name']}  {r['small']}", *(_both(c) for c in r["cells"])] for r in rows]
    made = _table(slide, ["", *head], body, text, EDGE, TOP, WIDE - 2 * EDGE)
    for i, row in enumerate(rows, start=1):
        for j, cell in enumerate(row["cells"], start=1):
            _cell_fill(made.cell(i, j), COLOURS.get(cell["state"], "FFFFFF"))


def _both(cell) -> str:
    return cell["text"] + (f"  ({cell['small']})" if "small" in cell else "")


def _cell_fill(cell, fill):
    from pptx.dml.color import RGBColor

    cell.fill.solid()
    cell.fill.fore_color.rgb = RGBColor.from_string(fill)
