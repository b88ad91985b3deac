"""Two-body legs against textbook examples, and against the two-body flight between."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar import catalog
from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2
from orbits.elements import state_from_elements
from orbits.errors import ConvergenceError, InputError
from orbits.transfer import hohmann, insertion_costs, lambert


@pytest.mark.parametrize(
    ("start", "end", "duration_s", "gm", "first", "last", "source", "allowed"),
    [
        (
            [5000, 10000, 2100], [-14600, 2500, 7000], 3600.0, 398600.0,
            [-5.9925, 1.9254, 3.2456], [-3.3125, -4.1966, -0.38529],
            "Curtis, Orbital Mechanics for Engineering Students, example 5.2", 1e-4,
        ),
        (
            [15945.34, 0, 0], [12214.83899, 10249.46731, 0], 76 * 60.0, 398600.4418,
            [2.058913, 2.915965, 0], [-3.451565, 0.910315, 0],
            "Vallado, Fundamentals of Astrodynamics, example 7-5", 5e-6,
        ),
    ],
)  # fmt: skip
def test_lambert_textbooks(evidence, start, end, duration_s, gm, first, last, source, allowed):
    v1, v2 = lambert(start, end, duration_s, "earth", gm=gm)
    miss = max(np.abs(v1 - first).max(), np.abs(v2 - last).max())
    evidence("Lambert's problem", source, 1, miss, allowed, "km/s", "printed digits")


@settings(max_examples=30, deadline=None)
@given(
    st.floats(3000, 60000), st.floats(0, 0.7), st.floats(0.05, 1.5), st.floats(0, 6.2),
    st.floats(0.1, 0.9),
)  # fmt: skip
def test_lambert_gives_back_a_kepler_arc(a, e, i, mean, part):
    state = state_from_elements(a, e, i, 0.4, 0.8, np.array([mean, mean + 2 * np.pi * part]))
    sine = np.linalg.norm(np.cross(state[0, :3], state[1, :3]))
    if sine < 1e-3 * np.linalg.norm(state[0, :3]) * np.linalg.norm(state[1, :3]):
        return  # nearly on one line: any plane fits
    duration = part * 2 * np.pi * math.sqrt(a**3 / GM_MOON_KM3_S2)
    v1, v2 = lambert(state[0, :3], state[1, :3], duration)
    assert np.abs(v1 - state[0, 3:]).max() < 1e-6
    assert np.abs(v2 - state[1, 3:]).max() < 1e-6


def test_lambert_many_revolutions_and_refusals():
    r1, r2 = [8000.0, 0, 0], [0.0, 9000.0, 100.0]
    period = 2 * math.pi * math.sqrt(8500.0**3 / GM_MOON_KM3_S2)
    low, _ = lambert(r1, r2, 2.5 * period, revolutions=1)
    high, _ = lambert(r1, r2, 2.5 * period, revolutions=1, low_path=False)
    assert np.abs(low - high).max() > 0.01
    with pytest.raises(ConvergenceError, match="1 revolutions"):
        lambert(r1, r2, 0.3 * period, revolutions=1)
    with pytest.raises(InputError, match="one line"):
        lambert(r1, [-9000.0, 0, 0], period)
    with pytest.raises(InputError, match="duration"):
        lambert(r1, r2, -1.0)
    with pytest.raises(InputError, match="no centre"):
        lambert(r1, r2, period, "mars")
    with pytest.raises(InputError, match="two finite"):
        lambert(r1, [np.nan, 0, 0], period)


def test_hohmann_textbook(evidence):
    """Vallado, Fundamentals of Astrodynamics, example 6-1: 191.34411 to 35781.34857 km high."""
    earth = 6378.137
    found = hohmann(earth + 191.34411, earth + 35781.34857, gm=398600.4418)
    evidence(
        "Hohmann transfer, total impulse", "Vallado, example 6-1", 1,
        abs(found.total_km_s - 3.935224), 5e-6, "km/s", "printed digits",
    )  # fmt: skip
    assert found.duration_s / 3600 == pytest.approx(5.256713, abs=5e-6)


def test_hohmann_closed_form_and_way_back():
    out, back = hohmann(1837.4, 9750.7), hohmann(9750.7, 1837.4)
    k, r1, r2 = GM_MOON_KM3_S2, 1837.4, 9750.7
    assert out.first_km_s == pytest.approx(math.sqrt(k / r1) * (math.sqrt(2 * r2 / (r1 + r2)) - 1))
    assert out.second_km_s == pytest.approx(math.sqrt(k / r2) * (1 - math.sqrt(2 * r1 / (r1 + r2))))
    assert back.first_km_s == pytest.approx(-out.second_km_s)
    assert back.total_km_s == pytest.approx(out.total_km_s)
    assert hohmann(7000.0, 42164.0, "earth").duration_s == pytest.approx(
        math.pi * math.sqrt(((7000 + 42164) / 2) ** 3 / GM_EARTH_KM3_S2)
    )
    with pytest.raises(InputError, match="radius"):
        hohmann(-1.0, 100.0)


def test_insertion_costs_are_sourced_or_refused():
    found = insertion_costs({"there": {"low_m_s": 10, "high_m_s": 20.5, "sources": "a paper"}})
    assert found["there"].sources == ("a paper",)
    assert found["there"].high_m_s == 20.5
    for record, message in (
        ({"low_m_s": 10, "high_m_s": 20}, "names its source"),
        ({"sources": ["x"], "low_m_s": 10}, "range of numbers"),
        ({"sources": ["x"], "low_m_s": 30, "high_m_s": 20}, "30 to 20"),
    ):
        with pytest.raises(InputError, match=message):
            insertion_costs({"there": record})


def test_the_catalogue_has_an_insertion_cost_for_every_destination():
    found = insertion_costs(catalog.load("insertion-costs"))
    assert set(found) == {"llo", "elfo", "nrho", "dro", "l2-halo"}
    # Artemis I: 363 ft/s, and with the flyby of 580 mph before; KPLO's three burns
    assert found["dro"].low_m_s == pytest.approx(363 * 0.3048, abs=0.1)
    assert found["dro"].high_m_s == pytest.approx(363 * 0.3048 + 580 * 0.44704, abs=1.0)
    assert found["llo"].low_m_s == pytest.approx(364.980 + 250.534 + 247.550, abs=0.5)
    assert found["elfo"].high_m_s == pytest.approx(364.980 + 250.534, abs=0.5)
    assert found["elfo"].unverified
    for cost in found.values():
        assert cost.sources
        assert cost.includes
