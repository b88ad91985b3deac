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
from cislunar.report import tables
from cislunar.report.cells import key_word, loose_fields
from cislunar.scenario import load_scenario
from cislunar.text import LANGUAGES, Text

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
    for row in tables._assumptions(run, text)["rows"]:
        rows.setdefault(row.cells[0].text, []).append(row.cells[2])
    listed = {row.cells[0].text: row.cells[2].text for row in tables._sources(run, text)["rows"]}
    for record in known["sources"]:
        sure, name = record["confidence"], record["id"]
        assert name in listed
        unverified, assumed = loose_fields(record), loose_fields(record, "assumption")
        if sure in ("assumption", "unverified"):
            assert text(f"confidence.{sure}") in [c.text for c in rows[name]]
        told = " ".join(e for c in rows.get(name, []) for e in c.entries)
        for key in unverified + (assumed if sure != "assumption" else []):
            assert key_word(key, text) in told, (name, key)
