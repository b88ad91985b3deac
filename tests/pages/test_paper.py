"""PDF and slides: complete, legible and the same every time, in both languages."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pypdfium2
import pytest
from pptx import Presentation

from cislunar.report import pdf, slide_parts, slides, tables, write_report
from cislunar.text import Text
from orbits.errors import InputError


@pytest.fixture(scope="module", params=["en", "ja"])
def document(request, results):
    made = pdf.document(results, Text(request.param))
    return Text(request.param), made, pypdfium2.PdfDocument(made)


def plain(text):
    return "".join(text.split()).replace("\ufffe", "").replace("-", "")


def words_of(document):
    return [plain(document[k].get_textpage().get_text_bounded()) for k in range(len(document))]


def test_first_page_is_one_landscape_summary(document):
    text, _, pages = document
    width, height = pages[0].get_size()
    assert (round(width), round(height)) == (842, 595)
    assert pages[1].get_size()[0] < pages[1].get_size()[1]
    said = words_of(pages)
    for key in ("state", "proposal", "effect", "conditions"):
        assert plain(text(f"paper.{key}")) in said[0]
    assert plain(text("report.contents")) in said[1]


def test_every_table_and_sentence_of_the_page_is_on_paper(document, results):
    text, _, pages = document
    said = "".join(words_of(pages))
    words = tables.context(results, text)
    for sentence in [*words["answer"], *words["limits"], *words["why"]]:
        assert plain(sentence) in said
    worth = [part["rows"] for part in words["worth"]]
    rows = [words[section]["rows"] for section in pdf.ANNEX if section != "worth"]
    assert len(worth) == 8
    for row in [row for part in (*rows, *worth) for row in part]:
        for cell in row.cells:
            if len(plain(cell.text)) < 12:  # longer cells may be broken over pages
                assert plain(cell.text) in said


def test_no_word_leaves_the_paper(document):
    """Every sign lies within the page, and none was drawn as a missing glyph."""
    _, _, pages = document
    for k in range(len(pages)):
        width, height = pages[k].get_size()
        page = pages[k].get_textpage()
        assert "\ufffd" not in page.get_text_bounded()
        for n in range(0, page.count_chars(), 7):
            left, bottom, right, top = page.get_charbox(n)
            assert 0 <= left <= right <= width + 0.5
            assert 0 <= bottom <= top <= height + 0.5


def test_same_results_same_bytes(document, results):
    text, made, _ = document
    if text.language == "en":
        assert pdf.document(results, text) == made


def test_a_run_without_options_has_its_paper(results):
    bare = SimpleNamespace(
        **{
            **vars(results),
            "fills": results.fills.iloc[:0],
            "portfolio": results.portfolio.iloc[:0],
            "sensitivity": results.sensitivity.iloc[:0],
        }
    )
    made = pypdfium2.PdfDocument(pdf.document(bare, Text("en")))
    assert plain("Positioning gathered over time") in "".join(words_of(made))


def test_input_is_words_and_never_markup(results):
    """A title that is typst code is printed as it stands."""
    title = '#panic("run") *not bold* <label> $x$ [a](b)'
    scenario = SimpleNamespace(**{**vars(results.scenario), "title": title})
    other = SimpleNamespace(**{**vars(results), "scenario": scenario})
    made = pypdfium2.PdfDocument(pdf.document(other, Text("en")))
    assert plain(title) in words_of(made)[1]


def test_columns_hold_their_longest_word():
    table = pdf.table(
        [("a", ""), ("b", "n")],
        [pdf.Row((pdf.Cell("x" * 90), pdf.Cell("1")))],
        "body",
    )
    total = sum(table["widths"])
    share = table["widths"][0] / total * pdf.WIDTH_PT["body"]
    assert share >= 90 * 1.12 * 0.5 * table["size"] * 0.999


def test_short_cells_are_not_broken(document, results):
    """No column is so narrow that 28.0日 or a heading falls into single signs."""
    text, _, pages = document
    found = "".join(pages[k].get_textpage().get_text_bounded() for k in range(len(pages)))
    words = tables.context(results, text)
    short = {
        cell.text
        for section in ("gaps", "fills", "demand", "supply", "scorecard")
        for row in words[section]["rows"] for cell in row.cells
        if cell.text and pdf._width(cell.text) <= pdf.WHOLE
    }  # fmt: skip
    lines = {"".join(line.split()) for line in found.splitlines()}
    whole = "\n".join(lines)
    assert short
    assert [s for s in short if "".join(s.split()) not in whole] == []


def test_a_crowded_summary_is_set_smaller_and_not_cut(made_of):
    """Every sign of thirty places, their figures and all limits stands above the lower margin."""
    crowded = made_of(assets=30, days=1.0, gaps_a_day=1)
    first = pypdfium2.PdfDocument(pdf.document(crowded, Text("en")))[0].get_textpage()
    boxes = [first.get_charbox(n) for n in range(first.count_chars())]
    boxes = [b for b in boxes if b[2] > b[0]]
    assert min(bottom for _, bottom, _, _ in boxes) > 24.0
    sizes = sorted(top - bottom for _, bottom, _, top in boxes)
    assert sizes[len(sizes) // 2] < 4.0  # it was set smaller


def test_slides_carry_the_tables(results):
    for language in ("en", "ja"):
        text = Text(language)
        show = Presentation(io.BytesIO(slides.deck(results, text)))
        cells, said, pictures = [], [], 0
        for slide in show.slides:
            for shape in slide.shapes:
                if shape.has_table:
                    cells += [c.text for row in shape.table.rows for c in row.cells]
                elif shape.has_text_frame:
                    said.append(shape.text_frame.text)
                else:
                    pictures += 1
                assert shape.left >= 0
                assert shape.left + shape.width <= show.slide_width
                assert shape.top + shape.height <= show.slide_height
        words = tables.context(results, text)
        assert words["title"] in said[0]
        assert any(words["answer"][0] in s for s in said)
        assert any(c.startswith(results.comm_scores["asset"][0]) for c in cells)
        worth = [row for part in words["worth"] for row in part["rows"]]
        assert len(worth) > 8
        assert [c.text for row in worth for c in row.cells if c.text not in cells] == []
        for row in words["fills"]["rows"]:
            assert row.cells[6].text in cells  # gap hours per 億円
        # causes, three timelines, accuracy, map, orbits, options, frontier
        assert pictures == 9


def test_the_frontier_is_on_paper(results):
    """One step for each set that no cheaper one beats, at the costs and hours of the product."""
    from cislunar.plots.frontier import static_frontier

    (ax,) = static_frontier(results, Text("en")).axes
    x, y = ax.lines[0].get_data()
    assert x.tolist() == results.frontier["cost_oku_jpy"].tolist()
    assert y.tolist() == results.frontier["gap_hours_filled"].tolist()
    assert ax.lines[1].get_xdata()[0] == results.scenario.budget_oku_jpy
    # the line of the budget is drawn and spoken of only where there is one
    free = SimpleNamespace(**{**vars(results.scenario), "budget_oku_jpy": None})
    bare = SimpleNamespace(**{**vars(results), "scenario": free})
    (ax,) = static_frontier(bare, Text("en")).axes
    assert len(ax.lines) == 1
    for run, said in ((results, True), (bare, False)):
        parts = {part["id"]: part for part in tables.context(run, Text("en"))["worth"]}
        assert ("dashed" in parts["frontier"]["lead"]) == said
    drawn = {}
    pdf._data(results, Text("en"), drawn)
    assert "frontier.svg" in drawn


def test_a_long_table_goes_over_several_slides():
    """Each with the head, none taller than the slide; no row is lost or cut."""
    text = Text("ja")
    made = slide_parts.Deck(text)
    rows = [pdf.Row((pdf.Cell(f"項目{k}"), pdf.Cell("長い説明" * (k % 7)), pdf.Cell(str(k), "n")))
            for k in range(60)]  # fmt: skip
    made.tables("題", "前文" * 60, [("名", ""), ("説明", ""), ("値", "n")], rows)
    show = Presentation(io.BytesIO(made.to_bytes()))
    found = [shape.table for s in show.slides for shape in s.shapes if shape.has_table]
    assert len(found) == len(show.slides) > 1
    body = [[c.text for c in row.cells] for t in found for row in list(t.rows)[1:]]
    assert body == [[c.text for c in row.cells] for row in rows]
    assert {tuple(c.text for c in t.rows[0].cells) for t in found} == {("名", "説明", "値")}


def test_words_that_would_leave_their_box_are_set_smaller():
    long = ["測位の要求を満たさない時間が残る。" * 40] * 3
    width, high = 6.0, 5.0
    size = slide_parts._fitting(long, width, high, 13)
    assert slide_parts.LEAST_PT <= size < 13
    assert slide_parts._height(long, width, size) <= high
    assert slide_parts._fitting(["短い"], width, high, 13) == 13


def test_slides_without_the_extra_are_refused_in_one_line(results, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pptx", None)
    with pytest.raises(InputError, match="python-pptx"):
        write_report(results, tmp_path, ("en",), ("pptx",))
    assert not list(tmp_path.iterdir())
