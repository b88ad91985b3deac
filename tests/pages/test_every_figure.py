"""A hostile read: what the tables print is what the products hold; what is assumed is marked."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from cislunar import catalog
from cislunar.nodes import expand_nodes
from cislunar.plots.bars import option_label
from cislunar.provenance import collect
from cislunar.report import origins, tables
from cislunar.report.answer import answer_sentences
from cislunar.report.cells import key_word, loose_fields
from cislunar.scenario import load_scenario
from cislunar.text import LANGUAGES, Text
from tests.figures_said import SAID, constants, unknown

CONFIGS = Path(__file__).parents[2] / "configs"
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
# per cent; seconds as minutes, hours, days; bits with a prefix; RMS of a 3-sigma need
SCALES = (1.0, 100.0, 1 / 60, 1 / 3600, 1 / 86400, 1e-3, 1e-6, 1e-9, 1e-12, 1 / 3)


def printed(record: dict) -> set[str]:
    """Every way in which a report may print the values of one product row."""
    out: set[str] = set()
    for value in record.values():
        if isinstance(value, str) or value is None:
            out |= set(re.findall(r"\d[\d,]*(?:\.\d+)?", value or ""))  # of dates, too
            continue
        if not math.isfinite(float(value)):
            continue
        for scale in SCALES:
            for digits in range(4):
                shown = float(value) * scale
                down = math.floor(shown * 10**digits) / 10**digits
                out |= {f"{shown:,.{digits}f}", f"{down:,.{digits}f}", f"{shown:.{digits}f}"}
    return out


def figures(row) -> list[str]:
    # names are not figures
    first, *cells = (c for c in row.cells if c.kind not in ("cause", "badge"))
    told = [first.text] if first.kind == "n" else []
    told += [part for c in cells for part in (c.text, *map(str, c.entries))]
    return [n for part in told for n in NUMBER.findall(part)]


def strange(row, *records: dict) -> list[str]:
    """The figures of a row that none of its product rows holds."""
    known = set().union(*map(printed, records))
    return [n for n in figures(row) if n not in known]


def one(frame, **match) -> dict:
    for column, value in match.items():
        frame = frame[frame[column].astype(str) == str(value)]
    assert len(frame) == 1, match
    return frame.iloc[0].to_dict()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_a_table_stands_in_the_row_of_its_product(results, language):
    text = Text(language)
    words = tables.context(results, text)
    services = {text(f"service.{s}"): s for s in ("relay", "direct", "forward", "positioning")}
    label = {option_label(r, language): r for r in results.fills.to_dict("records")}
    found = []
    for row in words["gaps"]["rows"]:
        gap = one(results.gaps, gap_id=row.cells[0].text)
        assert (gap["place"], services[row.cells[2].text]) == (row.cells[1].text, gap["service"])
        found.append(strange(row, gap))
    for row in words["scorecard"]["rows"]:
        for asset in row.cells[0].text.split(text("list.joiner")):
            service = services[row.cells[1].text]
            found.append(strange(row, one(results.comm_scores, asset=asset, service=service)))
    for row in words["positioning"]["rows"]:
        for asset in row.cells[0].text.split(text("list.joiner")):
            found.append(strange(row, one(results.positioning_scores, asset=asset)))
    for rank, row in enumerate(words["fills"]["rows"], 1):
        found.append(strange(row, label[row.cells[1].text], {"rank": rank}))
    for row in words["portfolio"]["rows"]:
        option = label[row.cells[0].text]
        chosen = one(results.portfolio, option=option["option"])
        found.append(strange(row, option, chosen))
    worth = {part["id"]: part["rows"] for part in words["worth"]}
    for row in worth["shares"]:
        if not row.total:
            option = label[row.cells[0].text]["option"]
            own = results.attribution[results.attribution["option"] == option]
            found.append(strange(row, *own.to_dict("records")))
    for row in worth["money"]:
        option = label[row.cells[0].text]["option"]
        found.append(strange(row, one(results.economics, option=option)))
    bought = results.frontier[results.frontier["options"] != ""].to_dict("records")
    for row, record in zip(worth["frontier"], bought, strict=True):
        found.append(strange(row, record))
    cash = results.cash_by_fiscal_year.to_dict("records")
    for row, record in zip(worth["cash"], cash, strict=True):
        found.append(strange(row, record))
    assert len(found) > 40
    assert [f for f in found if f] == []


def test_a_figure_of_another_row_is_strange(results):
    """The test above can fail: each row is asked against its neighbour's product row."""
    rows = tables.context(results, Text("en"))["gaps"]["rows"]
    missed = [
        strange(row, one(results.gaps, gap_id=other.cells[0].text)) for row, other in pairwise(rows)
    ]
    assert all(missed)


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_of_risks_independence_and_years_stand_in_their_products(results, language):
    """Rows of one record as they stand; means, sums and shares made again from the records."""
    words = tables.context(results, Text(language))
    worth = {part["id"]: part["rows"] for part in words["worth"]}
    found = []
    risks = results.robustness.to_dict("records")
    for row, record in zip(worth["robustness"], risks, strict=True):
        found.append(strange(row, record))
    records = results.independence.to_dict("records")
    cases = list(dict.fromkeys(r["case"] for r in records))
    for row, case in zip(worth["independence"], cases, strict=True):
        made = []
        for name in ("base", "portfolio"):
            mine = [r for r in records if (r["case"], r["set"]) == (case, name)]
            made.append({"lost_h": sum(r["lost_h"] for r in mine)})
            for service in {r["service"] for r in mine}:
                own = [r["availability_frac"] for r in mine if r["service"] == service]
                made.append({"availability_frac": sum(own) / len(own)})
        found.append(strange(row, *made))
    alone = [r for r in results.independence_options.to_dict("records")
             if not r["option"] or r["gained_h"] >= 0.05]  # fmt: skip
    for row, record in zip(worth["alone"], alone, strict=True):
        found.append(strange(row, record))
    years = results.attribution_by_year.to_dict("records")
    for row in worth["by_year"]:
        mine = [r for r in years if str(r["fiscal_year"]) in row.cells[0].text]
        assert mine, row.cells[0].text
        found.append(strange(row, *mine, {"sum": sum(r["shapley_h"] for r in mine)}))
    for row, case in zip(words["sensitivity"]["rows"],
                         dict.fromkeys(results.sensitivity["case"]), strict=True):  # fmt: skip
        mine = results.sensitivity[results.sensitivity["case"] == case]
        found.append(strange(row, *mine.to_dict("records")))
    assert len(found) >= 10
    assert [f for f in found if f] == []
    # each row against the records of another: the test can fail
    assert strange(worth["robustness"][0], risks[1])
    assert strange(worth["independence"][1], {"lost_h": 0.0, "availability_frac": 1.0})


def hours_by_cause(results):
    """Unserved hours by (cause, service), and by cause of needed services, added up one by one."""
    gaps = {g["gap_id"]: g for g in results.gaps.to_dict("records")}
    judged = {(r["asset"], r["service"]) for r in needed_rows(results)}
    every, needed = {}, {}
    for piece in results.gap_causes.to_dict("records"):
        gap, hours = gaps[piece["gap_id"]], piece["duration_s"] / 3600.0
        key = piece["cause"], gap["service"]
        every[key] = every.get(key, 0.0) + hours
        if (gap["place"], gap["service"]) in judged:
            needed[piece["cause"]] = needed.get(piece["cause"], 0.0) + hours
    return every, needed


def needed_rows(results):
    """The rows of both score tables that judge a need."""
    fixes = [r | {"service": "positioning"} for r in results.positioning_scores.to_dict("records")]
    rows = results.comm_scores.to_dict("records") + fixes
    return [r for r in rows if r["verdict"] != "no-need"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_totals_by_cause_are_the_sums_of_the_pieces(results, language):
    text = Text(language)
    every, needed = hours_by_cause(results)
    rows = tables.context(results, text)["gaps"]["totals"]
    cause_of = {text(f"cause.{c}"): c for c in {cause for cause, _ in every}}
    *causes, last = rows
    assert {row.cells[0].text for row in causes} == set(cause_of)
    for row in (*causes, last):
        mine = {
            s: sum(h for (c, t), h in every.items()
                   if t == s and c in (cause_of.get(row.cells[0].text, c),))
            for s in {s for _, s in every}
        }  # fmt: skip
        cause = cause_of.get(row.cells[0].text)
        wanted = sum(needed.values()) if cause is None else needed.get(cause, 0.0)
        share = {"frac": wanted / sum(needed.values())}
        whole = {"all": sum(mine.values()), "needed": wanted}
        assert strange(row, mine, whole, share) == [], row.cells[0].text
        assert {f"{h:,.1f}" for h in (*mine.values(), *whole.values())} <= set(figures(row))


def behind_the_answer(results):
    """What each paragraph of the answer may tell, made again from the products."""
    rows = needed_rows(results)
    counted = {"days": results.scenario.duration_days, "all": len(rows)}
    missed = {}
    for service in {r["service"] for r in rows}:
        mine = [r for r in rows if r["service"] == service]
        short = [r for r in mine if r["verdict"] == "not-met"]
        counted |= {f"{service}": len(mine), f"{service} met": sum(
            r["verdict"] == "met" for r in mine)}  # fmt: skip
        if short:
            got = [float(r["availability_frac"]) for r in short]
            missed |= {f"{service} {k}": v for k, v in (
                ("n", len(short)), ("min", min(got)), ("max", max(got)),
                ("asked", max(float(r["need_availability_frac"]) for r in short)))}  # fmt: skip
    for verdict in ("met", "not-met", "not-computable"):
        counted[verdict] = sum(r["verdict"] == verdict for r in rows)
    judged = {(r["asset"], r["service"]) for r in rows}
    gaps = [g for g in results.gaps.to_dict("records") if (g["place"], g["service"]) in judged]
    longest = max(g["duration_s"] for g in gaps)
    missed |= {"longest": longest, "ties": sum(g["duration_s"] >= longest - 1.0 for g in gaps),
               "full": sum(r["availability_frac"] >= r["need_availability_frac"] for r in rows
                           if r["verdict"] == "not-met")}  # fmt: skip
    _, needed = hours_by_cause(results)
    total = sum(needed.values())
    causes = {"all": total} | {c: h / total for c, h in needed.items()}
    gathered = [r for r in results.accumulated_positioning.to_dict("records")]
    fills = results.fills.dropna(subset=["gap_hours_filled"]).to_dict("records")
    return [[counted], [missed], [causes], *([r] for r in gathered), fills]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_the_answer_stands_in_a_product(results, language):
    said = answer_sentences(results, Text(language))
    names = {n.name for n in results.nodes} | {
        option_label(r, language) for r in results.fills.to_dict("records")
    }
    names |= {n for r in results.accumulated_positioning["source_names"] for n in r.split()}
    names.add(Text(language)("axes.3d"))
    fixed = constants(language, "answer.", "fills.differential")
    for sentence, records in zip(said, behind_the_answer(results), strict=True):
        known = fixed.union(*map(printed, records))
        assert unknown(sentence, names, known) == [], sentence
        assert len(SAID.findall(sentence)) >= 2


def test_a_figure_of_the_answer_that_no_product_holds_is_found(results):
    """Each product changed by a few per cent: what was said of it before is unknown now."""
    changed = {
        "comm_scores": results.comm_scores.assign(
            availability_frac=results.comm_scores["availability_frac"] * 0.963
        ),
        "gap_causes": results.gap_causes.assign(
            duration_s=results.gap_causes["duration_s"] * 1.037
        ),
        "fills": results.fills.assign(gap_hours_filled=results.fills["gap_hours_filled"] * 1.037),
    }
    names = {n.name for n in results.nodes} | set(results.fills["name_en"])
    said = answer_sentences(results, Text("en"))
    for k, (name, frame) in zip((1, 2, -1), changed.items(), strict=True):
        records = behind_the_answer(SimpleNamespace(**{**vars(results), name: frame}))[k]
        assert unknown(said[k], names, set().union(*map(printed, records))), name


@pytest.fixture(scope="module", params=["japan_2030.yaml", "queqiao_tiandu_2024.yaml"])
def known(request):
    scenario = load_scenario(CONFIGS / request.param)
    return collect(scenario, [node.name for node in expand_nodes(scenario)])


def test_every_source_comes_from_a_catalogue_record(known):
    """Each record that names the catalogue is there, and says of itself what the report says."""
    asked = [r for r in known["sources"] if r["catalog_id"]]
    assert len(asked) > 5
    for record in asked:
        own = catalog.find(record["catalog_id"])
        titles = [s["title"] if isinstance(s, dict) else s for s in record["sources"]]
        assert titles == [s["title"] for s in own.get("sources") or []], record["id"]
        if "confidence" not in record["overridden"] and record["kind"] != "need":
            # a profile's needs are each as sure as they say themselves
            assert record["confidence"] == (own.get("confidence") or "unverified"), record["id"]
    # what names no record has no source either, and is called an assumption or unverified
    for record in known["sources"]:
        if not record["catalog_id"] and record["kind"] not in ("need", "option", "terminal"):
            assert record["confidence"] in ("assumption", "unverified"), record["id"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_assumed_or_unverified_is_marked(known, language):
    text = Text(language)
    run = SimpleNamespace(**known)
    rows = {}
    for row in origins.assumptions(run, text)["rows"]:
        rows.setdefault(row.cells[0].text, []).append(row.cells[2])
    listed = {row.cells[0].text: row.cells[2].text for row in origins.sources(run, text)["rows"]}
    for record in known["sources"]:
        sure, name = record["confidence"], record["id"]
        assert name in listed
        unverified, assumed = loose_fields(record), loose_fields(record, "assumption")
        if sure in ("assumption", "unverified"):
            assert text(f"confidence.{sure}") in [c.text for c in rows[name]]
        told = " ".join(e for c in rows.get(name, []) for e in c.entries)
        for key in unverified + (assumed if sure != "assumption" else []):
            assert key_word(key, text) in told, (name, key)
