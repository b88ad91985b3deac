"""Yen an hour, and cash by Japanese fiscal year, worked out by hand."""

import pytest

from cislunar import catalog
from cislunar.nodes import service_window
from cislunar.options.economics import (
    COMPARED,
    PROJECT_YEARS,
    cash_frame,
    economics_frame,
    fiscal_year,
    shares_by_year_frame,
    years_of,
)
from cislunar.options.option import read_option
from cislunar.schema import GroundStation
from orbits.epoch import Epoch


def station(name="s", start="2030-04-01", life=2, **more):
    return read_option(
        {
            "id": name, "cost_oku_jpy": {"low": 8.0, "mid": 10.0, "high": 16.0},
            "annual_operations_oku_jpy": 1.0, "available_from": start, "lifetime_years": life,
            "adds": {"ground_stations": [{"name": f"{name}-node"}]}, **more,
        }
    )  # fmt: skip


def test_fiscal_years_begin_in_april():
    assert fiscal_year("2030-04-01") == 2030
    assert fiscal_year("2030-03-31") == 2029
    assert fiscal_year("2030") == 2030  # a year alone counts from its end
    assert fiscal_year("2030-03") == 2030  # and so does a month: its end is the first of April


def test_service_counts_from_the_day_from_which_the_scenario_lets_it_serve():
    """A year alone: nodes of it serve from 1 January of the next, 90 days of that fiscal year."""
    start = Epoch.parse("2030-04-01T00:00:00 UTC")
    year_s = Epoch.parse("2031-04-01T00:00:00 UTC") - start
    record = GroundStation.model_validate(
        {"name": "s", "latitude_deg": 0.0, "longitude_deg": 0.0, "service_start": "2030"}
    )
    served_days = service_window(record, start, year_s, "nominal").total_s / 86400.0
    rows = cash_frame([station(start="2030")], lambda ids: 28.0 * len(ids), 56.0, 28.0)
    hours = rows.set_index("fiscal_year").gap_hours_filled
    assert hours[2030] == pytest.approx(served_days) == pytest.approx(90.0)  # an hour a day


def test_cash_is_spent_before_service_and_adds_up():
    frame = cash_frame([station()], lambda ids: 28.0 * len(ids), 56.0, 28.0)
    rows = frame.set_index("fiscal_year")
    assert rows.index.tolist() == [2028, 2029, 2030, 2031]
    assert rows.development_oku_jpy.tolist() == [5.0, 5.0, 0.0, 0.0]  # two years, as Awara took
    assert rows.operations_oku_jpy.sum() == pytest.approx(2.0)
    assert rows.total_oku_jpy.sum() == pytest.approx(12.0)
    assert rows.total_low_oku_jpy.sum() == pytest.approx(10.0)
    assert rows.total_high_oku_jpy.sum() == pytest.approx(18.0)
    assert rows.cumulative_oku_jpy.iloc[-1] == pytest.approx(12.0)
    assert rows.gap_hours_filled[2030] == pytest.approx(365.0)  # an hour a day
    assert rows.gap_hours_filled.sum() == pytest.approx(2 * 365.25)
    assert rows.share_filled_frac[2030] == pytest.approx(0.5)
    assert rows.options_in_service.tolist() == ["", "", "s", "s"]
    assert cash_frame([], lambda ids: 0.0, 1.0, 28.0).empty


def test_development_years_come_from_the_record_or_a_published_project():
    assert years_of(station(development_years=7)) == (7, "record")
    assert years_of(station()) == PROJECT_YEARS["station"]
    assert years_of(station(date="2028-05-01"))[0] == 1  # FY2029 alone lies between
    for years, record in PROJECT_YEARS.values():
        found = catalog.find(record)
        assert found["sources"]
        said = f"{found.get('covers', '')} {found.get('note', '')} {found.get('milestones', '')}"
        word = {2: "two years", 4: "up to four years", 5: "up to 5 years"}[years]
        assert word in said


def test_an_hour_costs_life_cost_over_life_hours():
    row = economics_frame([station()], {"s": 28.0}, 28.0).iloc[0]
    assert row.life_cost_oku_jpy == 12.0
    assert row.gap_hours_a_year == pytest.approx(365.25)
    assert row.man_jpy_per_gap_hour == pytest.approx(120_000.0 / 730.5)
    assert row.man_jpy_per_asset_day == pytest.approx(24 * 120_000.0 / 730.5)
    assert row.regular_flights == pytest.approx(0.1)  # 100 oku yen a flight
    for column, record in COMPARED.items():
        assert row[column] == pytest.approx(10.0 / catalog.find(record)["jpy_oku"])
    none = economics_frame([station()], {"s": 0.0}, 28.0).iloc[0]
    assert none.isna()["man_jpy_per_gap_hour"]  # no hour, no price of it


def test_shares_of_a_year_add_up_to_its_hours():
    """Two options that overlap: alone 30 and 20 h, together 40; the second comes a year later."""
    worth = {(): 0.0, ("a",): 30.0, ("b",): 20.0, ("a", "b"): 40.0}
    chosen = [station("a", "2029-04-01", 3), station("b", "2030-04-01", 3)]

    def filled_h(ids):
        return worth[tuple(sorted(ids))]

    by_year = shares_by_year_frame(chosen, filled_h, 28.0)
    cash = cash_frame(chosen, filled_h, 100.0, 28.0).set_index("fiscal_year")["gap_hours_filled"]
    totals = by_year.groupby("fiscal_year")["shapley_h"].sum()
    assert {y: float(h) for y, h in totals.items()} == pytest.approx(
        {y: float(h) for y, h in cash.items() if h > 0}
    )
    both = by_year[by_year["fiscal_year"] == 2030].set_index("option")["shapley_h"]
    # (30 + 20) / 2 and (20 + 10) / 2 hours a span, over the 365 days of the fiscal year
    assert float(both["a"]) == pytest.approx(25.0 * 365 / 28)
    assert float(both["b"]) == pytest.approx(15.0 * 365 / 28)
