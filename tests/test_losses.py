"""What losses cost: by hand, by brute force and against the theory of renewal."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cislunar.cli import app
from cislunar.contact_table import ContactTable
from cislunar.losses import (
    FailureRate,
    Supply,
    draw_outages,
    during_outages,
    nation_members,
    operator_nations,
    read_failure_rates,
    resilience,
)
from cislunar.nodes import Node
from cislunar.schema import Need
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.intervals import Intervals

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
SPAN_S = 36000.0
NODES = (
    Node("rim", "asset", "jaxa", terminals=("x",), needs=(Need(service="forward"),), weight=2.0),
    Node("cave", "asset", "nasa", terminals=("x",)),
    Node("east", "spacecraft", "jaxa", terminals=("x",)),
    Node("west", "spacecraft", "sstl", terminals=("x",)),
    Node("usuda", "station", "jaxa", terminals=("x",)),
    Node("goldstone", "station", "nasa", terminals=("x",)),
)
ROWS = [
    ("1", "rim", "east", 0, 20000, 1e6, 0.0), ("2", "rim", "west", 18000, 36000, 1e6, 0.0),
    ("3", "cave", "west", 0, 36000, 1e6, 0.0),
    ("4", "east", "usuda", 0, 36000, 1e6, 0.0), ("5", "west", "usuda", 0, 18000, 1e6, 0.0),
    ("6", "west", "goldstone", 9000, 36000, 1e6, 0.0),
    ("7", "goldstone", "west", 0, 36000, 1e6, 0.0), ("8", "west", "rim", 18000, 36000, 1e6, 0.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def results():
    records = {"east": "JP", "west": "GB/EU", "usuda": "JP", "goldstone": None}
    scenario = SimpleNamespace(
        spacecraft=[SimpleNamespace(name=n, nation=records[n]) for n in ("east", "west")],
        constellations=[],
        ground_stations=[
            SimpleNamespace(name=n, nation=records[n]) for n in ("usuda", "goldstone")
        ],
    )
    plan = ContactTable.of_rows(ROWS, names=[n.name for n in NODES], span_s=SPAN_S, epoch=EPOCH)
    return SimpleNamespace(plan=plan, nodes=NODES, scenario=scenario)


def test_what_each_loss_leaves(results):
    found = resilience(results)
    table = found.losses.set_index(["case", "lost", "asset", "service"])

    def left(case, lost, asset, service):
        row = table.loc[(case, lost, asset, service)]
        return row.availability_frac * SPAN_S, row.longest_gap_s

    assert left("node", "east", "rim", "relay") == (18000, 18000)
    assert left("node", "west", "rim", "relay") == (20000, 16000)
    assert left("node", "usuda", "cave", "relay") == (27000, 9000)
    assert left("node", "goldstone", "rim", "relay") == (20000, 16000)
    assert left("node", "goldstone", "rim", "forward") == (0, 36000)
    assert left("nation", "JP", "rim", "relay") == (18000, 18000)
    assert left("nation", "Europe", "cave", "relay") == (0, 36000)
    assert left("operator", "jaxa", "cave", "relay") == (27000, 9000)
    assert table["lost_h"].min() >= 0
    row = table.loc[("node", "east", "cave", "relay")]
    assert row.lost_h == 0
    assert row.base_availability_frac == 1.0


def test_a_tower_that_serves_others_can_be_lost_and_is_then_not_asked():
    nodes = (
        Node("rover", "asset", "jaxa", terminals=("x",)),
        Node("tower", "asset", "nasa", terminals=("x",), serves_radius_km=20.0),
        Node("usuda", "station", "jaxa", terminals=("x",)),
    )
    rows = [
        ("1", "rover", "tower", 0, 36000, 1e6, 0.0), ("2", "tower", "usuda", 0, 36000, 1e6, 0.0),
        ("3", "rover", "usuda", 0, 9000, 1e6, 0.0),
    ]  # fmt: skip
    plan = ContactTable.of_rows(rows, span_s=SPAN_S, epoch=EPOCH)
    scenario = SimpleNamespace(assets=[SimpleNamespace(name="tower", nation="US")])
    found = resilience(SimpleNamespace(plan=plan, nodes=nodes, scenario=scenario))
    table = found.losses.set_index(["case", "lost", "asset", "service"])
    for case, lost in (("node", "tower"), ("nation", "US"), ("operator", "nasa")):
        row = table.loc[(case, lost, "rover", "relay")]
        assert row.availability_frac * SPAN_S == 9000
        assert row.lost_h == pytest.approx(7.5)
        assert (case, lost, "tower", "relay") not in table.index
    assert table.loc[("node", "usuda", "tower", "relay")].availability_frac == 0
    assert ("node", "rover", "tower", "relay") not in table.index  # nobody rests on a rover
    rates = {"tower": FailureRate(100.0, 10.0)}
    assert (
        resilience(
            SimpleNamespace(plan=plan, nodes=nodes, scenario=scenario), rates, draws=3
        ).failures
        is not None
    )


def test_the_dearest_loss_comes_first_by_weight(results):
    critical = resilience(results).critical
    nodes = critical[critical["case"] == "node"]
    assert nodes["lost"].tolist()[:2] == ["west", "goldstone"]
    second = nodes.iloc[1]
    # rim: 16,000 s of relay and 18,000 s of forward, at weight 2; cave: 18,000 s of relay
    assert second["lost_h"] == pytest.approx((16000 + 18000 + 18000) / 3600)
    assert second["weighted_lost_h"] == pytest.approx(2 * 34000 / 3600)  # cave has no weight
    assert second["places"] == 2
    assert second["longest_gap_s"] == 36000
    assert nodes["weighted_lost_h"].is_monotonic_decreasing
    assert "<table" in resilience(results)._repr_html_()


def test_nations_come_from_the_record_else_from_the_operator(results):
    assert nation_members(results) == {
        "Europe": ["west"], "JP": ["east", "usuda"], "US": ["goldstone"],
    }  # fmt: skip
    nations = operator_nations()
    assert (nations["nasa"], nations["cnsa"], nations["sstl"]) == ("US", "CN", "GB")


def test_a_chain_is_up_as_often_as_all_of_its_parts(evidence):
    """One relay and one station always in view: availability is the product of MTBF/(MTBF+MTTR)."""
    rows = [("1", "rim", "east", 0, 4e6, 1e6, 0.0), ("2", "east", "usuda", 0, 4e6, 1e6, 0.0)]
    plan = ContactTable.of_rows(rows, span_s=4e6, epoch=EPOCH)
    nodes = [NODES[0].__class__("rim", "asset", terminals=("x",)), NODES[2], NODES[4]]
    rates = {"spacecraft": FailureRate(40.0, 10.0), "usuda": FailureRate(20.0, 5.0)}
    found = Supply(plan, nodes).random_failures(rates, draws=150, seed=7).iloc[0]
    assert 0.001 < found.standard_error_frac < 0.01
    off = abs(found.availability_frac - 0.8 * 0.8)
    evidence("random failures", "renewal theory: product of MTBF / (MTBF + MTTR)", 150, off,
             4 * found.standard_error_frac, "of the span", "four standard errors of the mean")  # fmt: skip
    assert found.base_availability_frac == 1.0
    again = Supply(plan, nodes).random_failures(rates, draws=150, seed=7).iloc[0]
    assert again.availability_frac == found.availability_frac


def test_outages_are_in_steady_state_from_the_start():
    rng = np.random.default_rng(1)
    rate = FailureRate(30.0, 10.0)
    down = np.array([
        [bool(i.contains(t)) for t in (0.0, 5e5)] for i in (draw_outages(rng, rate, 1e6) for _ in range(3000))
    ])  # fmt: skip
    assert down.mean(axis=0) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 3000))


spans = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(spans, spans, st.lists(st.tuples(st.integers(0, 80), st.integers(1, 40), st.integers(0, 6)),
                              min_size=1, max_size=5))  # fmt: skip
def test_contacts_are_cut_where_either_end_is_out(sender, receiver, contacts):
    rows = [(str(i), "a", "b", s, s + d, 1, o) for i, (s, d, o) in enumerate(contacts)]
    plan = ContactTable.of_rows(rows)
    outages = {
        0: Intervals.from_pairs([(s, s + d) for s, d in sender]),
        1: Intervals.from_pairs([(s, s + d) for s, d in receiver]),
    }
    left = during_outages(plan, outages)
    for t in np.arange(0.5, 130):
        for name in plan.contact_id:
            c = plan.contact_id == name
            up = (plan.start_s[c] <= t) & (t < plan.end_s[c])
            wanted = (
                up[0]
                and not outages[0].contains(t)
                and not outages[1].contains(t + plan.owlt_s[c][0])
            )
            k = left.contact_id == name
            assert ((left.start_s[k] <= t) & (t < left.end_s[k])).sum() == wanted


def test_rates_are_stated_and_read(results, tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text("east: {mtbf_h: 2000, mttr_h: 48}\nstation: {mtbf_h: 500, mttr_h: 6}\n")
    rates = read_failure_rates(path)
    assert rates == {"east": FailureRate(2000, 48), "station": FailureRate(500, 6)}
    found = resilience(results, rates, draws=3)
    assert found.failures is not None
    assert len(found.failures) == 3
    assert resilience(results).failures is None  # none is assumed
    for text, says in (
        ("east: 3\n", "not a failure rate"),
        ("east: {mtbf_h: 3}\n", "not a failure"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            read_failure_rates(path)
    supply = Supply(results.plan, results.nodes)
    for bad in ({"nobody": FailureRate(1, 1)}, {"east": FailureRate(0, 1)}):
        with pytest.raises(InputError):
            supply.random_failures(bad)


def test_the_command_writes_what_the_function_finds(results, tmp_path, monkeypatch):
    monkeypatch.setattr("cislunar.results.load_results", lambda folder: results)
    rates = tmp_path / "rates.yaml"
    rates.write_text("station: {mtbf_h: 500, mttr_h: 6}\n")
    done = CliRunner().invoke(
        app, ["resilience", str(tmp_path), "--failures", str(rates), "--draws", "2"]
    )
    assert done.exit_code == 0, done.output
    assert "west" in done.stdout
    found = resilience(results)
    table = pd.read_csv(tmp_path / "resilience.csv")
    assert list(table.columns) == list(found.losses.columns)
    assert len(table) == len(found.losses)
    np.testing.assert_allclose(table["lost_h"], found.losses["lost_h"], atol=1e-6)
    assert len(pd.read_csv(tmp_path / "resilience_failures.csv")) == 3
