"""What a user wrote is shown as words: no page, paper, slide, notebook or table runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cislunar.scenario import Scenario, load_scenario
from orbits.errors import InputError

MINIMAL = Path(__file__).parent.parent / "configs" / "minimal.yaml"
HEAD = "name: x\nepoch: '2030-03-01T00:00:00 UTC'\nduration_days: 0.1\noptions: []\n"
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = (
    "\"'`]]>--></style></title></script>{{7*7}}{%raw%}${7*7}#sys.inputs #panic(1) $x$ *b* _i_ @cite "
    "\\ \u202eevil\u202c \u2066x\u2069 \u2028\x1b[31m\x0b\ttab\nline =1+1 " + "long" * 500
)


def hostile_scenario(path):
    """A small scenario with markup, steering signs and a very long text wherever words may stand."""
    words = NASTY + HOSTILE
    path.write_text(
        f"{HEAD}fidelity: kepler\ntitle: {{en: {json.dumps(words)}, ja: {json.dumps(words)}}}\n"
        f"note: {json.dumps(words)}\noutputs: {{formats: [html, pdf, pptx]}}\n"
        f"spacecraft: [{{name: d, name_en: {json.dumps(words)}, name_ja: {json.dumps(words)}, "
        f"note: {json.dumps(words)}, reason: {json.dumps(words)}, confidence: assumption, "
        "orbit: {kind: state, frame: MOON_ICRF, state_km_km_s: [6000, 0, 0, 0, 0.9, 0]}, "
        "terminals: [relay-standard]}]\n"
        f"assets: [{{name: a, name_en: {json.dumps(words)}, latitude_deg: 5, longitude_deg: 0, "
        f"note: {json.dumps(words)}, terminals: [science-rover]}}]\n"
    )
    return path


def test_what_a_user_wrote_reaches_the_pages_as_words(tmp_path):
    """Titles, notes and reasons with markup are shown, never run: page, paper, slides, notebook."""
    import zipfile
    from html.parser import HTMLParser

    import cislunar
    from cislunar.report import write_report

    results = cislunar.run(
        cislunar.load_scenario(hostile_scenario(tmp_path / "s.yaml")), quiet=True
    )
    results.save(tmp_path / "out", report=False)
    write_report(results, tmp_path / "out", ("en", "ja"), ("html", "pdf", "pptx"))

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.bad, self.shown = 0, ""

        def handle_starttag(self, tag, attrs):
            self.bad += tag == "img" and ("src", "x") in attrs
            self.bad += any(name.startswith("onerror") for name, _ in attrs)

        def handle_data(self, data):
            self.shown += data

    pages = sorted((tmp_path / "out").glob("report.*.html"))
    assert len(pages) == 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script>alert(1)" not in text
        reader = Reader()
        reader.feed(text)
        assert reader.bad == 0
        assert NASTY in reader.shown
        assert "{{7*7}}{%raw%}${7*7}#sys.inputs" in reader.shown
    assert "<script>" not in results._repr_html_()

    import pypdfium2

    for paper in (tmp_path / "out").glob("report.*.pdf"):
        with pypdfium2.PdfDocument(paper) as opened:
            said = "".join(page.get_textpage().get_text_range() for page in opened)
        assert "alert(1)" in said
        assert "{{7*7}}" in said.replace("\r\n", "")
    for slides in (tmp_path / "out").glob("report.*.pptx"):
        with zipfile.ZipFile(slides) as parts:
            xml = b"".join(parts.read(n) for n in parts.namelist() if n.endswith(".xml"))
        assert b"<script" not in xml
        assert b"&lt;script&gt;alert(1)" in xml


def test_what_shows_itself_in_a_notebook_escapes_names_of_a_foreign_plan():
    from cislunar.contact_table import ContactTable
    from cislunar.error_budget import ErrorBudget
    from cislunar.flow import deliverable_volume

    plan = ContactTable.of_rows([(NASTY, NASTY, "b" + NASTY, 0.0, 9.0, 1e3, 1.5)])
    volume = deliverable_volume(plan, NASTY, ["b" + NASTY], 0.0, 20.0)
    for shown in (volume, ErrorBudget(1.0, 1.0, 1.0, 0.0, source=NASTY)):
        told = shown._repr_html_()
        assert "alert(1)" in told
        assert "<script" not in told
        assert "<img" not in told


def test_no_cell_of_a_table_begins_a_formula(tmp_path):
    """What a user may name begins with a letter or digit, for tables are opened in spreadsheets."""
    for key, value in (("name", "=1+1"), ("name", "+1"), ("name", "@x"), ("name", "-x"),
                       ("operator", "=1"), ("nation", "=1+1"), ("nation", "\t=1")):  # fmt: skip
        asset = {"name": "a", "latitude_deg": 0, "longitude_deg": 0, key: value}
        with pytest.raises(InputError, match=f"assets.0.{key}"):
            Scenario(name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[],
                     assets=[asset])  # fmt: skip
    craft = load_scenario(MINIMAL).terminals
    terminal = next(t for t in craft.values() if t.transmit).model_dump(exclude_none=True)
    terminal["transmit"] |= {"band": "=1+1"}
    for key, value in (("terminals", {"=1": terminal | {"id": "a"}}), ("terminals", {"a": terminal}),
                       ("needs", {"=1": [{"service": "relay"}]})):  # fmt: skip
        with pytest.raises(InputError, match=rf"{key}\..*=1.* is not accepted"):
            Scenario(name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[],
                     **{key: value})  # fmt: skip
