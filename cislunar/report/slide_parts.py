"""What slides are made of: words set to fit, native tables over as many slides as they need."""

from __future__ import annotations

import io
from typing import Any

from cislunar.report import check_formats, pdf
from cislunar.report.cells import Row
from cislunar.text import Text

WIDE, HIGH, EDGE = 13.333, 7.5, 0.45  # inches of a 16:9 slide
TOP, FOOT = 1.3, 0.3  # where a slide's body begins; what stays free below it
DPI = 180
BLUE, INK, SOFT, WHITE = "0B3D66", "1B2430", "5C6672", "FFFFFF"
COLOURS = {"met": "D5EBE2", "part": "FBF3CF", "not-met": "F6D9C8"}
FACE = {"en": "Arial", "ja": "Yu Gothic"}
MOST_ROWS = 18
LEAST_PT = 7.0
LINE = 1.25  # of a font's size, from line to line, with air for faces that are wider than ours


class Deck:
    """A presentation in one language that grows slide by slide; all lengths are inches."""

    def __init__(self, text: Text):
        check_formats(("pptx",))
        from pptx import Presentation
        from pptx.util import Inches

        self.text = text
        self.show: Any = Presentation()
        self.show.slide_width, self.show.slide_height = Inches(WIDE), Inches(HIGH)

    def to_bytes(self) -> bytes:
        """The .pptx file."""
        stream = io.BytesIO()
        self.show.save(stream)
        return stream.getvalue()

    def slide(self, title: str, small: str = ""):
        """A new slide with a title and a line or two of small print below it."""
        from pptx.util import Inches

        slide = self.show.slides.add_slide(self.show.slide_layouts[5])  # title only
        head = slide.shapes.title
        head.left, head.top = Inches(EDGE), Inches(0.2)
        head.width, head.height = Inches(WIDE - 2 * EDGE), Inches(0.6)
        size = _fitting([title], WIDE - 2 * EDGE, 0.6, 24)
        _words(head.text_frame, [title], self.text, size, BLUE, bold=True)
        if small:
            self.say(slide, [small], EDGE, 0.78, WIDE - 2 * EDGE, 11, high=0.6, colour=SOFT)
        return slide

    def say(self, slide, items, left, top, width, size, *, high=None, colour=INK) -> None:
        """Paragraphs in a box, set smaller than ``size`` points where they would leave it."""
        from pptx.util import Inches

        high = HIGH - top - FOOT if high is None else high
        box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(high))
        _words(box.text_frame, items, self.text, _fitting(items, width, high, size), colour)

    def picture(self, slide, figure, left, top, width) -> None:
        """A matplotlib figure, as large as width and the slide's height allow."""
        from pptx.util import Inches

        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=DPI)
        stream.seek(0)
        wide, high = figure.get_size_inches()
        scale = min(width / wide, (HIGH - top - FOOT) / high)
        slide.shapes.add_picture(stream, Inches(left), Inches(top), Inches(wide * scale))

    def table(self, slide, head, rows, left, top, width=None, size=10.0):
        """A native table of words; its first column is the wide one."""
        first = 0.34 if len(head) > 2 else 0.6
        rest = (1 - first) / (len(head) - 1)
        shares = [first] + [rest] * (len(head) - 1)
        width = width or WIDE - left - EDGE
        return self._grid(slide, [head, *rows], shares, set(), left, top, width, size)

    def _grid(self, slide, lines, shares, right, left, top, width, size):
        from pptx.util import Inches

        frame = slide.shapes.add_table(
            len(lines), len(shares), Inches(left), Inches(top), Inches(width), Inches(0.3)
        )
        for column, share in zip(frame.table.columns, shares, strict=True):
            column.width = Inches(width * share / sum(shares))
        for i, line in enumerate(lines):
            for j, word in enumerate(line):
                cell = frame.table.cell(i, j)
                _cell(cell, str(word), self.text, size, BLUE if i == 0 else "", j in right)
        return frame.table

    def tables(self, title: str, lead: str, head, rows: list[Row]) -> None:
        """A table of the report on as many slides as it needs, its columns wide enough."""
        made = pdf.table(head, rows, "slide")
        size = made["size"]
        right = {j for j, column in enumerate(made["head"]) if column["n"]}
        lines = [_plain(row, len(head)) for row in made["rows"]]
        top = TOP
        if lead:
            top = 0.85 + 0.1 + _height([lead], WIDE - 2 * EDGE, 11)
        room = HIGH - top - FOOT
        heights = [_row_height(line, made["widths"], size) for line in lines]
        names = [column["text"] for column in made["head"]]
        first = _row_height(names, made["widths"], size)
        at = 0
        while at < len(lines):
            used, end = first, at
            while end < len(lines) and (end == at or used + heights[end] <= room):
                used += heights[end]
                end += 1
            slide = self.slide(title)
            if lead:
                self.say(slide, [lead], EDGE, 0.78, WIDE - 2 * EDGE, 11, high=top - 0.85,
                         colour=SOFT)  # fmt: skip
            self._grid(slide, [names, *lines[at:end]], made["widths"], right, EDGE, top,
                       WIDE - 2 * EDGE, size)  # fmt: skip
            at = end

    def origins(self, assumptions: dict[str, Any]) -> None:
        """A slide that names what is unverified, and says where every record stands."""
        text, names = self.text, assumptions["unverified"]
        if not assumptions["rows"]:
            return
        lines = [text("assumptions.lead"), assumptions["count"]]
        if names:
            named = text("list.joiner").join(dict.fromkeys(names))
            lines.append(text("assumptions.named", names=named))
        slide = self.slide(text("section.assumptions"))
        lines.append(text("assumptions.elsewhere"))
        self.say(slide, lines, EDGE, TOP, WIDE - 2 * EDGE, 13)

    def matrix(self, slide, head, rows) -> None:
        """Verdicts by place and service, each cell in the colour of its state."""
        body = [[f"{r['name']}  {r['small']}", *(_both(c) for c in r["cells"])] for r in rows]
        made = self.table(slide, ["", *head], body, EDGE, TOP, WIDE - 2 * EDGE)
        for i, row in enumerate(rows, start=1):
            for j, cell in enumerate(row["cells"], start=1):
                _fill(made.cell(i, j), COLOURS.get(cell["state"], WHITE))


def _both(cell) -> str:
    return cell["text"] + (f"  ({cell['small']})" if "small" in cell else "")


def _plain(row, count) -> list[str]:
    if "group" in row:
        return [row["group"], *[""] * (count - 1)]
    return [
        "\n".join([c["text"], *(s if isinstance(s, str) else s["title"] for s in c["small"])])
        for c in row["cells"]
    ]


def _height(items, width: float, size: float) -> float:
    """The height (inches) of paragraphs in a box of a width (inches) at a font size (points)."""
    room = (width - 0.2) * 72.0 / (0.5 * size)
    lines = sum(pdf.line_count(item, room) for item in items)
    return (lines * LINE + 0.4 * len(items)) * size / 72.0 + 0.1


def _fitting(items, width: float, high: float, size: float) -> float:
    while size > LEAST_PT and _height(items, width, size) > high:
        size -= 0.5
    return size


def _row_height(words, widths, size: float) -> float:
    whole = (WIDE - 2 * EDGE) / sum(widths)
    counts = [
        sum(pdf.line_count(part, (whole * w - 0.16) * 72.0 / (0.5 * size))
            for part in str(word).split("\n"))
        for word, w in zip(words, widths, strict=True)
    ]  # fmt: skip
    return max(counts) * LINE * size / 72.0 + 0.06


def _words(frame, items, text, size, colour=INK, bold=False, right=False):
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.oxml.ns import qn
    from pptx.util import Pt

    frame.word_wrap = True
    for k, item in enumerate(items):
        paragraph = frame.paragraphs[0] if k == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.RIGHT if right else PP_ALIGN.LEFT
        paragraph.space_after = Pt(size * 0.4)
        run = paragraph.add_run()
        run.text = item
        run.font.size, run.font.bold = Pt(size), bold
        run.font.color.rgb = RGBColor.from_string(colour)
        run.font.name = FACE[text.language]
        face = run.font._element.makeelement(qn("a:ea"), {"typeface": FACE[text.language]})
        run.font._element.append(face)  # python-pptx names the Latin face only


def _cell(cell, word, text, size, fill="", right=False):
    from pptx.util import Inches

    _words(cell.text_frame, word.split("\n"), text, size, WHITE if fill else INK, right=right)
    for paragraph in cell.text_frame.paragraphs:
        paragraph.space_after = 0
    cell.margin_top = cell.margin_bottom = Inches(0.02)
    cell.margin_left = cell.margin_right = Inches(0.07)
    _fill(cell, fill or WHITE)


def _fill(cell, fill):
    from pptx.dml.color import RGBColor

    cell.fill.solid()
    cell.fill.fore_color.rgb = RGBColor.from_string(fill)
