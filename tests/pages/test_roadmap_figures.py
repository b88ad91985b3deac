"""A hostile read of a roadmap's report: what it prints is what its product files hold."""

from __future__ import annotations

import pandas as pd
import pytest

from cislunar.roadmap.report import _figures
from cislunar.roadmap.story import answers, heat_map, limits
from cislunar.roadmap.tables import tables
from cislunar.text import LANGUAGES, Text
from tests.figures_said import SAID, constants, unknown

NAMES = ("Small", "小", "far side", "裏側", "relays late", "中継の遅延", "SCaN phase 2")


def product(roadmap, name):
    """A table file of the run, as it was written."""
    return pd.read_csv(roadmap[1] / f"{name}.csv", keep_default_na=False)


def printed(years, language):
    """Years of a file as a table has them."""
    dash, comma = {"en": ("–", ", "), "ja": ("～", "、")}[language]
    return str(years).replace("-", dash).replace(", ", comma) or "–"


def shares(roadmap):
    """Mean and least availability (per cent) and whether all is met, by case, service, place and
    year; and the means over the places of the question, added up one by one."""
    rows = product(roadmap, "roadmap_scores").to_dict("records")
    found: dict = {}
    for r in rows:
        key = r["case"], r["service"], r["place"], r["year"]
        found.setdefault(key, []).append((100 * r["availability_frac"], r["verdict"] == "met"))
    return {
        k: (sum(s for s, _ in v) / len(v), min(s for s, _ in v), all(m for _, m in v))
        for k, v in found.items()
    }


def whole(share):
    """Per cent as printed: nothing short of all is 100, nothing beyond none is 0."""
    return "<\u00a01" if 0.0 < share < 0.5 else f"{min(round(share), 99 if share < 100.0 else 100)}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("service", ["relay", "positioning"])
def test_every_cell_of_a_heat_map_is_the_scores_of_its_year(roadmap, language, service):
    wanted = []
    for (case, of, _, _), (mean, least, met) in shares(roadmap).items():
        if (case, of) == ("nominal", service):
            spread = f" ({whole(least)})" if whole(mean) != whole(least) else ""
            wanted.append(f"{whole(mean)}{spread}" + (" ●" if met else ""))
    figure = heat_map(roadmap[0], service, Text(language))
    assert sorted(t.get_text() for t in figure.axes[0].texts) == sorted(wanted)
    assert len(wanted) == 4  # two places, two years


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_a_table_stands_in_its_file(roadmap, language):
    text = Text(language)
    milestones, gaps, supply = (rows for _, _, _, rows in tables(roadmap[0], text))
    cases = roadmap[0].roadmap.record.cases
    services = {text(f"service.{s}"): s for s in ("relay", "positioning")}
    services[text("roadmap.both")] = "all"
    table = product(roadmap, "milestones").set_index(["case", "service"])["years_met"]
    for row in milestones:
        _, service, *years = (c.text for c in row.cells)
        for case, shown in zip(cases, years, strict=True):
            assert shown == printed(table[case, services[service]], language)
    yearly = product(roadmap, "roadmap_gaps")
    yearly = yearly[yearly["case"] == "nominal"].set_index([f"name_{language}", "year"])
    seen = 0
    for row in gaps:
        name, *cells = (c.text for c in row.cells)
        for year, shown in zip((2028, 2029), cells, strict=True):
            if (name, year) not in yearly.index:
                assert shown == ""
                continue
            record = yearly.loc[(name, year)]
            word = text(f"roadmap.state.{record['state']}")
            hours = f"{record['hours_per_month']:.0f}"
            hours = "<\u00a01" if record["place_hours"] > 0.0 and hours == "0" else hours
            assert shown == f"{hours} {word}".strip()
            seen += 1
    assert seen == len(yearly)
    years = product(roadmap, "supply")
    years = years[years["case"] == "nominal"].set_index("node")["years"]
    wanted = {node: printed(said, language) for node, said in years.items()}
    assert {r.cells[0].text: r.cells[3].text for r in supply} == wanted
    sure = {r["id"]: text(f"confidence.{r['confidence']}") for r in roadmap[0].sources}
    assert {r.cells[4].text for r in supply} == {sure[node] for node in years.index}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_the_answers_stands_in_a_file(roadmap, language):
    """Years in milestones.csv or the question itself; per cents in the scores of that case."""
    record = roadmap[0].roadmap.record
    known = shares(roadmap)
    told = product(roadmap, "milestones")
    titles = {roadmap[0].roadmap.case_title(c, language): c for c in record.cases}
    fixed = constants(language, "roadmap.answer", "roadmap.case_answer", "roadmap.loss")
    for line in answers(roadmap[0], language):
        case = next((c for t, c in titles.items() if t in line), "nominal")
        mine = told[told["case"].isin(["nominal", case])]
        allowed = fixed | {str(y) for y in record.years}
        for column in ("first_year", "lasting_from", "years_met"):
            allowed |= {y for v in mine[column] for y in SAID.findall(str(v))}
        for (of_case, _, place, year), (mean, _, _) in known.items():
            if of_case in ("nominal", case) and place == "far":
                allowed |= {whole(mean).strip("<\u00a0"), str(year)}
        assert unknown(line, NAMES, allowed) == [], line
        wrong = {str(int(n) + 1) for n in allowed if n.isdigit()} - allowed
        assert not wrong & set(SAID.findall(line))
    days = {f"{record.days:g}", str(record.starts_per_year)}
    dated = [a for a in roadmap[0].roadmap.base.assets if a.service_start]
    days |= {str(len(dated)), str(sum(a.service_end is None for a in dated))}
    kinds = product(roadmap, "supply").drop_duplicates("node")["kind"]
    days |= {str((kinds == "spacecraft").sum())}
    days |= set(" ".join(roadmap[0].roadmap.start_text(2028, k + 1)[5:10].replace("-", " ")
                         for k in range(record.starts_per_year)).split())  # fmt: skip
    for line in limits(roadmap[0], Text(language)):
        said = constants(language, "roadmap.limit.")
        assert unknown(line, (), days | said) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_says_where_and_what_it_asks(roadmap, language):
    _, lead, _, _ = tables(roadmap[0], Text(language))[0]
    place, share = {
        "en": ("80.00° S, 180.00° E", "relay 1.0 Mbit/s at least, available 5.0 % of the span"),
        "ja": ("南緯80.00°、東経180.00°", "中継は1.0 Mbit/s以上、稼働率5.0 %（期間全体）"),
    }[language]
    assert place in lead
    assert share in lead.replace("\u00a0", " ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_of_the_page_is_named_and_drawn(roadmap, language):
    drawn = _figures(roadmap[0], Text(language))
    assert len(drawn) == 4
    for _, caption, note, draw in drawn:
        figure = draw()
        assert caption
        assert note
        figure.canvas.draw()
        for ax in figure.axes:
            for words in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.title):
                assert "\ufffd" not in words.get_text()
