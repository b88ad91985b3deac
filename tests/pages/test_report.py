"""The report pages: self-contained, complete in both languages, and true to the tables."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from types import SimpleNamespace

import pandas as pd
import pytest
from fontTools.ttLib import TTFont

import cislunar.report
from cislunar import display
from cislunar import text as words
from cislunar.plots import style
from cislunar.report import cells, figures, tables, write_report
from cislunar.report.answer import needs_table
from cislunar.text import Text

SOURCE = Path(cislunar.report.__file__).parent.parent


@pytest.fixture(scope="session")
def pages(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    paths = write_report(results, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["report.en.html", "report.ja.html"]
    return {p.name.split(".")[1]: p.read_text(encoding="utf-8") for p in paths}


class _Page(HTMLParser):
    """Elements that would load something, links, ids, and the visible words."""

    def __init__(self):
        super().__init__()
        self.loads, self.links, self.ids, self.words, self.skip = [], [], [], [], 0
        self.data, self._data, self.scripts = {}, None, 0

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        for name in ("src", "srcset", "poster", "data"):
            if name in attrs:
                self.loads.append((tag, attrs[name]))
        if tag in ("link", "base", "use", "image") and "href" in attrs:
            self.loads.append((tag, attrs["href"]))
        if tag == "a":
            self.links.append(attrs.get("href", ""))
        if tag in ("script", "style"):
            self.skip += 1
            self.scripts += tag == "script" and attrs.get("type") is None
            if attrs.get("type") == "application/json":
                self._data = attrs["id"]

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.skip -= 1
            self._data = None

    def handle_data(self, data):
        if self._data:
            self.data[self._data] = json.loads(data)
        elif not self.skip:
            self.words.append(data)


def read(page: str) -> tuple[_Page, str]:
    parser = _Page()
    parser.feed(page)
    return parser, re.sub(r"[ \n]+", " ", " ".join(parser.words))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_page_asks_nothing_of_the_network(pages, language):
    parser, _ = read(pages[language])
    assert [v for _, v in parser.loads if not v.startswith("data:")] == []
    assert "default-src 'none'" in pages[language]
    style_text = "".join(re.findall(r"<style>(.*?)</style>", pages[language], re.S))
    assert re.findall(r"url\((?!data:)", style_text) == []
    assert "@import" not in style_text


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_page_brings_its_japanese_signs(pages, language):
    code = re.search(r'"IPAexGothic";src:url\(data:font/woff;base64,([^)]+)\)', pages[language])[1]
    brought = TTFont(io.BytesIO(base64.b64decode(code))).getBestCmap()
    _, said = read(pages[language])
    asked = {c for c in said if ord(c) > 0x2FFF}
    assert asked
    assert {c for c in asked if ord(c) not in brought} == set()


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_plotly_stands_in_the_page_once(pages, language):
    parser, _ = read(pages[language])
    assert parser.scripts == 3  # the wait for the font, the library, and the page's own few lines
    assert pages[language].count("plotly.js v") == 1


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_figure_of_the_page_has_its_data(pages, language, results):
    parser, _ = read(pages[language])
    asked = set(re.findall(r'data-figure="([^"]+)"', pages[language]))
    assert {f"data-{name}" for name in asked} == set(parser.data)
    expected = {f"timeline-{s}" for s in ("relay", "direct", "forward", "positioning")}
    expected |= {f"gaps-{s}" for s in ("relay", "direct", "forward", "positioning")}
    expected |= {"orbits-flat", "orbits-solid", "fills", "portfolio", "network"}
    expected |= {"map-0-availability_frac", "map-0-longest_gap_s", "accumulation-asset-01"}
    assert asked == expected
    assert all(spec["data"] for spec in parser.data.values())
    assert len(parser.ids) == len(set(parser.ids))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_links_inside_the_page_lead_somewhere(pages, language):
    parser, _ = read(pages[language])
    inside = [href[1:] for href in parser.links if href.startswith("#")]
    assert inside
    assert set(inside) <= set(parser.ids)


def test_every_score_is_printed_as_the_table_has_it(pages, results):
    _, said = read(pages["en"])
    for row in results.comm_scores.itertuples():
        assert row.asset in said
        assert display.percent(row.availability_frac) in said
        assert display.duration(row.longest_gap_s, Text("en")) in said
    for row in results.fills.dropna(subset=["gap_hours_filled"]).itertuples():
        assert row.name_en in said
        assert display.number(row.gap_hours_filled) in said
    worst = results.gaps.sort_values("severity", ascending=False).iloc[0]
    assert worst["gap_id"] in said
    assert display.percent(worst["severity"], 2) in said


def test_the_answer_counts_the_verdicts(pages, results):
    _, said = read(pages["en"])
    count = needs_table(results)["verdict"].value_counts()
    assert (
        f"needs are stated for {count.sum()} pairs of asset and service: {count.get('met', 0)} "
        f"are met and {count.get('not-met', 0)} are not" in said
    )


def test_positioning_over_time_says_what_after_how_long_with_which_nodes(pages, results):
    said = {k: re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", v)))
            for k, v in pages.items()}  # fmt: skip
    assert "asset-01 reaches its 50 m (3D) within 60 min from 75.0" in said["en"]
    assert (
        "and within 40 min from half of all starts, with 2 sources (lnss-1, lnss-2)" in said["en"]
    )
    assert "asset-02 reaches its 50 m (3D) within 60 min from only 0.0" in said["en"]
    assert "SINGULAR: 2 of 4 directions undetermined" in said["en"]
    assert "特異：4方向中2方向が不定" in said["ja"]
    assert "半数では40分以内に、要求精度50 m" in said["ja"]
    drawn = figures.figures(results, Text("en"))
    assert [n for n in drawn if n.startswith("accumulation-")] == ["accumulation-asset-01"]


def test_cause_totals_sum_to_the_unserved_time(results):
    found = tables.context(results, Text("en"))["gaps"]["totals"]

    def column(k):
        return [float(row.cells[k].text.replace(",", "")) for row in found]

    *parts, total = column(-3)
    assert total == pytest.approx(results.gap_causes["duration_s"].sum() / 3600, abs=0.06)
    assert sum(parts) == pytest.approx(total, abs=0.06 * len(found))
    *parts, needed = column(-2)
    wanted = results.gaps[results.gaps["service"] != "direct"]  # nobody here needs it
    assert needed == pytest.approx(wanted["duration_s"].sum() / 3600, abs=0.06)
    assert sum(parts) == pytest.approx(needed, abs=0.06 * len(found))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_assumptions_say_how_sure_they_are(pages, language):
    _, said = read(pages[language])
    text = Text(language)
    assert text("confidence.unverified") in said
    assert text("assumptions.unverified", count=1, total=2) in said
    assert "Nobody published it." in said
    assert "relay-standard" in said


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_differing_sources_stand_side_by_side(pages, language):
    _, said = read(pages[language])
    text = Text(language)
    assert text("conflicts.lead", count=1) in said
    heading = text("conflicts.of", names="queqiao-2", field=text("field.orbit"))
    told = said[said.index(heading) :]
    for word in ("24 h", "press", "26.1, 26.2", text("confidence.derived"), "as tracked"):
        assert word in told


def test_text_from_the_scenario_is_escaped(pages):
    assert "<run>" not in pages["en"]
    assert html.escape("Hand-made <run>") in pages["en"]
    assert "a <place>" not in pages["en"]


def test_verdicts_are_told_by_word_and_sign_not_colour_alone(pages):
    _, said = read(pages["ja"])
    assert "✗ 未充足" in said or "✗未充足" in said


def test_one_month_is_said_to_be_one_sample(pages):
    assert "One span is one sample" in pages["en"]
    assert "標本" in pages["ja"]


def test_frozen_orbits_and_dros_are_called_what_they_are(pages):
    assert "elliptical lunar frozen orbit (ELFO)" in pages["en"]
    assert "distant retrograde orbit (DRO)" in pages["en"]
    assert "楕円凍結軌道" in pages["ja"]
    assert "遠方逆行軌道" in pages["ja"]


def test_flown_orbits_say_their_phase_and_perilunes(pages):
    assert "phase 10.0° at the epoch" in pages["en"]
    assert "flown perilune 3,291 / 3,302 / 3,404 km" in pages["en"]


def test_an_interrupted_write_leaves_no_page(results, tmp_path, monkeypatch):
    from cislunar.report import builder

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(builder, "page", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(results, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_empty_run_still_makes_a_page(results, tmp_path):
    from types import SimpleNamespace

    bare = SimpleNamespace(**vars(results))
    for name in ("comm_scores", "positioning_scores", "gaps", "gap_causes", "fills", "portfolio",
                 "contacts", "access", "accumulated_positioning", "accumulated_against_time",
                 "accumulated_availability"):  # fmt: skip
        setattr(bare, name, getattr(results, name).iloc[:0])
    bare.coverage, bare.assumptions, bare.sources = None, [], []
    bare.provenance = {"observations": []}
    bare.trajectories, bare.nodes = {}, ()
    for path in write_report(bare, tmp_path):
        assert path.stat().st_size > 1e6


# --- the words -----------------------------------------------------------------------------------


def _fields(phrase):
    return {name for _, name, _, _ in Formatter().parse(phrase) if name}


def test_both_languages_say_everything():
    for key, entry in words.keys().items():
        assert set(entry) == set(words.LANGUAGES), key
        assert _fields(entry["en"]) == _fields(entry["ja"]), key
        assert (entry["en"] == "") == (entry["ja"] == ""), key


def test_every_key_that_is_used_exists_and_every_key_is_used():
    known = set(words.keys())
    used, stems = set(), set()
    patterns = ("*.py", "plots/*.py", "report/*.py", "report/*.html", "sweep/*.py",
                "roadmap/*.py")  # fmt: skip
    files = [path for pattern in patterns for path in SOURCE.glob(pattern)]
    for path in files:
        code = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"""["']([a-z_0-9]+\.[a-z_0-9-]+)["']""", code)) & known
        asked = re.findall(r"""\b(?:t|text)\(\s*["']([a-z_]+\.[a-z_0-9-]+)["']""", code)
        missing = [key for key in asked if key not in known]
        assert not missing, f"{path.name}: {missing}"
        stems |= set(re.findall(r"""f?["']([a-z_]+\.)(?:\{|["'] ~)""", code))
        stems |= set(re.findall(r"""(?:startswith\(|f)["']([a-z_]+\.[a-z_]*)(?:\{|["']\))""", code))
    unused = {k for k in known - used if not any(k.startswith(s) for s in stems)}
    assert not unused


def test_every_cause_service_and_verdict_has_a_word_and_a_colour():
    from cislunar.gaps import CAUSES

    known = words.keys()
    assert set(style.CAUSES) == set(CAUSES)
    for cause in CAUSES:
        assert f"cause.{cause}" in known
    for service in style.SERVICES:
        assert f"service.{service}" in known
    for verdict in cells.ICONS:
        assert f"verdict.{verdict}" in known


def test_unknown_key_and_language_are_refused():
    with pytest.raises(KeyError):
        Text("en")("no.such_key")
    with pytest.raises(ValueError, match="fr"):
        Text("fr")


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frac", "shown"),
    [(0.934, "93.4 %"), (1.0, "100.0 %"), (0.99999, "99.9 %"), (0.0, "0.0 %"), (1e-5, "< 0.1 %"),
     (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_percent_never_rounds_a_shortfall_away(frac, shown):
    assert display.percent(frac).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (1.28, "1.3 s"), (5400, "90 min"), (40000, "11.1 h"), (864000, "10.0 d")],
)
def test_durations_take_the_unit_a_person_would(seconds, shown):
    assert display.duration(seconds, Text("en")).replace("\u00a0", " ") == shown


def test_rates_and_volumes_take_a_prefix():
    assert display.rate(2.048e6).replace("\u00a0", " ") == "2.0 Mbit/s"
    assert display.volume(8.64e10).replace("\u00a0", " ") == "86.4 Gbit"
    assert display.rate(1.25e9).replace("\u00a0", " ") == "1.2 Gbit/s"


def test_every_sign_of_the_catalogue_can_be_drawn():
    """Pages, paper and pictures have no others than those of the two packaged fonts."""
    from pathlib import Path

    import matplotlib
    import matplotlib_fontja
    from fontTools.ttLib import TTFont

    import cislunar

    files = (
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf",
        Path(matplotlib_fontja.__file__).parent / "fonts" / "ipaexg.ttf",
    )
    known = set().union(*(TTFont(file).getBestCmap() or () for file in files))
    home = Path(cislunar.__file__).parent
    found = {
        (path.name, sign)
        for path in [*home.rglob("*.yaml"), *(home.parent / "configs").rglob("*.yaml")]
        for sign in set(path.read_text(encoding="utf-8"))
        if ord(sign) >= 32 and ord(sign) not in known
    }
    assert found == set()


def test_the_scorecard_of_craft_alone_is_a_line():
    """A table without a row broke its own title into pieces of six letters."""
    from rich.console import Console

    from cislunar.report.scorecard import scorecard

    bare = SimpleNamespace(
        comm_scores=pd.DataFrame(), positioning_scores=pd.DataFrame(),
        scenario=SimpleNamespace(name="ephemerides-of-three-relays"),
    )  # fmt: skip
    for language, told in (("en", "no lunar assets to score"), ("ja", "月面資産がない")):
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(scorecard(bare, language))
        said = console.export_text().strip()
        assert said.count("\n") == 0
        assert said.startswith("ephemerides-of-three-relays")
        assert told in said
