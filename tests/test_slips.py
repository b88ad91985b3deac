"""Programmes that come later."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cislunar.nodes import expand_nodes
from cislunar.roadmap.slips import later, with_slip
from cislunar.scenario import scenario_from
from orbits.errors import InputError


def serving(epoch, slips=(), **more):
    scenario = scenario_from(
        {
            "name": "x", "epoch": f"{epoch}T00:00:00 UTC", "duration_days": 10, "options": [],
            "include": ["moonlight", "lcrns", "moonlight-stations"], **more,
        }
    )  # fmt: skip
    for names, months in slips:
        scenario = with_slip(scenario, names, months)
    return {n.name: n.service for n in expand_nodes(scenario) if len(n.service)}


def test_two_years_of_moonlight():
    # COMSAT and NAVSAT-1 are planned for 2029-06-01, to 2037-06-01
    assert "moonlight-comsat" in serving("2029-06-01")
    slip = [(["moonlight"], 24)]
    assert "moonlight-comsat" not in serving("2031-05-21", slip)
    assert "moonlight-comsat" in serving("2031-06-01", slip)
    assert "moonlight-comsat" not in serving("2037-06-01")
    assert "moonlight-comsat" in serving("2039-05-31", slip)
    assert "moonlight-comsat" not in serving("2039-06-01", slip)
    # only what was named moves, and dates of every case do
    assert "im-sat-2" in serving("2029-06-01", slip)
    assert "moonlight-ground-1" in serving("2029-06-01", slip)
    assert "moonlight-comsat" in serving("2030-12-01", slip, service_date_case="early")
    assert "moonlight-comsat" not in serving("2030-11-01", slip, service_date_case="early")


def test_a_start_within_the_run_is_cut_there():
    found = serving("2031-05-27", [(["moonlight-comsat"], 24)])["moonlight-comsat"]
    assert found.start_s[0] == pytest.approx(5 * 86400.0, abs=1e-3)


def test_slips_that_cannot_be():
    with pytest.raises(InputError, match="no node"):
        serving("2029-06-01", [(["lunar-pathfinder"], 24)])
    with pytest.raises(InputError, match="no service_start"):
        serving(
            "2029-06-01", [(["dsn-madrid"], 12)], ground_stations=[{"from": "dsn-madrid"}]
        )  # fmt: skip


@given(
    st.dates(date(1990, 1, 1), date(2040, 12, 31)),
    st.integers(0, 100),
)  # fmt: skip
def test_later_is_so_many_calendar_months(day, months):
    moved = later(day.isoformat(), months)
    year, month, dom = (int(x) for x in moved.split("-"))
    assert (year - day.year) * 12 + month - day.month == months
    assert dom == day.day or (dom < day.day and dom >= 28)
    assert later(f"{day.year}-{day.month:02d}", months) == moved[:7]
