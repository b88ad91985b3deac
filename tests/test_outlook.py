"""Drawn slips, losses and overruns of a set, against laws and cases worked out by hand."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from cislunar import catalog
from cislunar.options.economics import cash_frame
from cislunar.options.option import read_option
from cislunar.options.outlook import Risks, catalogue_risks, outlook_frame

NONE = Risks((0.0, 0.0, 0.0), {"spacecraft": 0.0, "assets": 0.0, "ground_stations": 0.0})


def option(name, start="2030-04-01", life=5, low=10.0, mid=10.0, high=10.0):
    return read_option(
        {
            "id": name, "cost_oku_jpy": {"low": low, "mid": mid, "high": high},
            "available_from": start, "lifetime_years": life,
            "adds": {"spacecraft": [{"name": f"{name}-1"}]},
        }
    )  # fmt: skip


def filled(state):
    """28 h of a span of 28 days for each craft left; the group of four needs all or half."""
    size = {"single": 1, "four": 4}
    return 28.0 * sum(size[i] - lost for i, lost in state)


SET = [option("single"), option("four", start="2032-10-01", low=20.0, mid=40.0, high=100.0)]
CRAFT = {"single": ["spacecraft"], "four": ["spacecraft"] * 4}


def drawn(risks=NONE, chosen=SET, **more):
    frame, notes = outlook_frame(chosen, filled, CRAFT, 280.0, 28.0, risks, **more)
    return frame.set_index("quantity"), notes


def test_without_risks_everything_is_as_planned_and_as_the_cash_table():
    frame, notes = drawn(chosen=SET[:1])
    for column in ("p05", "p50", "p95", "mean"):
        np.testing.assert_allclose(frame[column].astype(float), frame["planned"].astype(float))
    years = drawn()[0].loc["gap_hours_filled_in_year"].set_index("fiscal_year")["planned"]
    cash: Any = cash_frame(
        SET, lambda ids: filled(frozenset((i, 0) for i in ids)), 280.0, 28.0
    ).set_index("fiscal_year")["gap_hours_filled"]
    assert len(years) == 8
    for year, hours in years.items():
        assert float(hours) == pytest.approx(float(cash[year]), rel=1e-9)
    assert float(frame.loc["gap_hours_filled", "planned"]) == 28.0
    assert notes["not_run_hours_frac"] == 0.0


def test_costs_slips_and_losses_follow_their_laws():
    risks = Risks((0.0, 0.0, 3.0), {"spacecraft": 0.2, "assets": 0.0, "ground_stations": 0.0})
    frame, _ = drawn(risks, draws=20_000, seed=3)
    law = stats.triang(c=20 / 80, loc=30.0, scale=80.0)  # ten for sure beside the drawn one
    for column, share in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        assert float(frame.loc["cost_oku_jpy", column]) == pytest.approx(law.ppf(share), abs=1.0)
    # each craft fills 28 h and is there with a chance of 0.8
    assert float(frame.loc["gap_hours_filled", "mean"]) == pytest.approx(28 * 5 * 0.8, rel=0.01)
    count = stats.binom(5, 0.8)
    assert float(frame.loc["gap_hours_filled", "p05"]) == 28.0 * count.ppf(0.05)
    assert float(frame.loc["gap_hours_filled", "p50"]) == 28.0 * count.ppf(0.5)
    # the second starts 2.5 years after the first: the later of two slips rarely is the first's
    slip = stats.triang(c=0.0, loc=0.0, scale=3.0)
    start = float(frame.loc["in_service", "planned"])
    assert start == pytest.approx(2032.75, abs=0.01)
    assert float(frame.loc["in_service", "p95"]) == pytest.approx(start + slip.ppf(0.95), abs=0.05)
    # slips move hours to later years and lose none; losses take a fifth of all
    years = frame.loc["gap_hours_filled_in_year"]
    assert float(years["mean"].sum()) == pytest.approx(
        0.8 * float(years["planned"].sum()), rel=0.01
    )
    again, _ = drawn(risks, draws=20_000, seed=3)
    assert again.equals(frame)


def test_states_that_are_not_run_count_too_little_and_say_how_much():
    chosen = [option(f"g{k}") for k in range(3)]
    craft = {o.id: ["spacecraft"] * 6 for o in chosen}
    ran = []

    def hours(state):
        ran.append(state)
        return float(sum(6 - lost for _, lost in state))

    def least(state):
        return float(sum(6 for _, lost in state if not lost))

    risks = Risks((0.0, 0.0, 0.0), {"spacecraft": 0.3})
    frame, notes = outlook_frame(chosen, hours, craft, 36.0, 28.0, risks, least=least)
    hurt = {s for s in ran if any(n for _, n in s)}
    assert len(hurt) == 12
    assert 0.0 < notes["not_run_hours_frac"] < 1.0
    mean = float(frame.set_index("quantity").loc["gap_hours_filled", "mean"])
    assert mean < 18 * 0.7
    # what may be missing closes the gap to the truth
    assert mean + notes["not_run_hours_frac"] * 18.0 >= 18 * 0.7 - 0.2


def test_the_catalogue_s_risks_are_what_their_records_count():
    found = catalogue_risks()
    landing, craft = catalog.find("loss-landing"), catalog.find("loss-craft")
    assert set(landing["lost"]) <= set(landing["flown"])
    assert found.loss_frac["assets"] == len(landing["lost"]) / len(landing["flown"])
    assert found.loss_frac["spacecraft"] == (len(craft["lost"]) + 1) / (len(craft["flown"]) + 2)
    assert set(craft["flown"]) <= set(catalog.names("relays"))
    sites = catalog.load("sites")
    for name in ("ispace-m1-atlas", "ispace-m2-frigoris"):
        assert "landing failed" in sites[name]["note"]
    assert sum(found.slip_years) / 3 == 1.0  # the mean of the triangular law, years
    for name in ("option-slip", "loss-craft", "loss-landing", "loss-station"):
        record = catalog.find(name)
        assert record["confidence"] == "assumption"
        assert record["reason"]
    assert catalog.find("option-slip")["sources"]


def test_nothing_chosen_and_no_hours():
    frame, notes = outlook_frame([], filled, {}, 1.0, 28.0, NONE)
    assert frame.empty
    assert notes == {}
    costs, notes = outlook_frame(SET, None, {"single": (), "four": ()}, 1.0, 28.0, NONE)
    assert costs["quantity"].tolist() == ["cost_oku_jpy", "in_service"]
    assert "not_run_hours_frac" not in notes
