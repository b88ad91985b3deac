"""The Japanese report speaks Japanese: reasons, values and differing sources of every shipped run."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from cislunar import catalog
from cislunar.nodes import expand_nodes
from cislunar.provenance import collect
from cislunar.ranging import signal_rows
from cislunar.report import demand, fixes, origins
from cislunar.report.conflicts import conflicts
from cislunar.roadmap.file import is_roadmap, load_roadmap
from cislunar.scenario import load_scenario
from cislunar.text import Text

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(p.name for p in CONFIGS.glob("*.yaml"))
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
KEY = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+[：:]")  # a key of a record printed as it is
PROPER = re.compile(r"[A-Z]")  # names of agencies, papers and programs keep their own spelling
TEXT = Text("ja")


@pytest.fixture(scope="module", params=SHIPPED)
def run(request):
    """What the report's tables of records are made of, for a scenario or the base of a roadmap."""
    path = CONFIGS / request.param
    scenario = load_roadmap(path).base if is_roadmap(path) else load_scenario(path)
    nodes = expand_nodes(scenario)
    found = collect(scenario, [n.name for n in nodes])
    signals = signal_rows(nodes, catalog.find("uere"), scenario.policy)
    return SimpleNamespace(
        **found, nodes=nodes, scenario=scenario, provenance={"signal_errors": signals}
    )


def test_no_reason_of_an_assumption_is_told_in_english(run):
    rows = origins.assumptions(run, TEXT)["rows"]
    assert rows
    known = {r["id"]: r for r in run.sources}
    for row in rows:
        reason = row.cells[3].text
        if known[row.cells[0].text].get("reason"):
            assert JAPANESE.search(reason), (row.cells[0].text, reason)
        if known[row.cells[0].text]["confidence"] == "assumption":
            assert JAPANESE.search(reason), row.cells[0].text


def test_what_a_record_says_is_told_in_words(run):
    for row in origins.assumptions(run, TEXT)["rows"]:
        for said in (row.cells[1].text, *row.cells[1].entries, *row.cells[2].entries):
            assert not KEY.search(said), said
            assert not re.search(r"\b(?:None|True|False|nan)\b|[{}\[\]]", said), said


def test_needs_and_signals_give_their_reason_in_japanese(run):
    for table, column in ((demand.needs_table(run, TEXT), 4), (fixes.signals(run, TEXT), 4)):
        for row in table["rows"]:
            assert JAPANESE.search(row.cells[column].text) or row.cells[column].text == "–", row


def test_differing_values_are_told_in_japanese(run):
    for row in conflicts(run, TEXT)["rows"]:
        if row.group:
            assert JAPANESE.search(row.group), row.group
            continue
        for cell in (row.cells[0], row.cells[1], row.cells[3]):
            words = re.findall(r"[A-Za-z][A-Za-z.-]{3,}", cell.text)
            assert JAPANESE.search(cell.text) or all(map(PROPER.search, words)), cell.text
