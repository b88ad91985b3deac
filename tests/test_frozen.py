"""Frozen orbits against Ely's closed form and tables; patterns against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.elements import elements_from_state
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, InputError
from orbits.forces import ForceModel
from orbits.frozen import (
    choose_frozen,
    design_frozen,
    frozen_eccentricity,
    frozen_inclination,
    measure_libration,
    place_elements,
    semi_major_axis_km,
    tune_phasing,
    walker,
)
from orbits.propagate import propagate

DE440 = De440.open()
DAY = 86400.0
YEAR = 365.25 * DAY
START = Epoch.parse("2030-01-01T00:00:00 TDB")


def test_closed_form(validation, evidence):
    case = validation("elfo.yaml", "critical_inclination")
    expected = case["expected"]
    worst = max(
        abs(math.degrees(frozen_inclination(float(e))) - i)
        for e, i in expected["i_op_deg_for_e"].items()
    )
    worst = max(worst, abs(math.degrees(frozen_inclination(0.0)) - expected["threshold_deg"]))
    evidence(
        "frozen pair of e and i", "Ely 2005, closed form", 4, worst, case["tolerance"]["i_deg"],
        "deg", case["tolerance"]["reason"],
    )  # fmt: skip
    assert frozen_eccentricity(frozen_inclination(0.63)) == pytest.approx(0.63)
    with pytest.raises(InputError, match=r"allowed: 39\.23"):
        frozen_eccentricity(math.radians(30))
    with pytest.raises(InputError, match="eccentricity"):
        frozen_inclination(1.0)


def test_libration_of_elys_orbit(validation, evidence):
    case = validation("elfo.yaml", "ely_case_5")
    computed, allowed = case["expected"]["computed_8x8"], case["tolerance"]
    epoch = Epoch.parse("2009-07-15T01:00:00 TDB")
    start = np.array([6541.4, 0.6, math.radians(56.2), 0.0, math.pi / 2, 0.0])
    found = measure_libration(
        place_elements(start, epoch, DE440), epoch, case["inputs"]["days"] * DAY, DE440,
        ForceModel(degree=8, bodies=("earth", "sun")),
    )  # fmt: skip
    assert found.librates
    worst = 0.0
    for ours, theirs, limit in (
        (found.a_km, computed["a_km"], "a_km"),
        (found.eccentricity, computed["e"], "e"),
        (found.inclination_deg, computed["i_op_deg"], "i_deg"),
        (found.argument_deg, computed["argp_op_deg"], "argp_deg"),
        (
            [found.node_rate_deg_per_day], [computed["node_rate_op_deg_per_day"]],
            "node_rate_deg_per_day",
        ),
        (
            [found.perilune_km - 1737.4], computed["osculating_periapsis_altitude_km"][:1],
            "periapsis_altitude_km",
        ),
    ):  # fmt: skip
        worst = max(worst, np.abs(np.array(ours) - theirs).max() / allowed[limit])
    evidence(
        "libration of a frozen orbit, two years", "independent computation of Ely's orbit", 1,
        worst, 1.0, "tolerances", allowed["reason"],
    )  # fmt: skip


def test_design_librates_less_than_the_closed_form():
    found = design_frozen(DAY, 0.65, START, 2 * YEAR, DE440)
    assert found.unrefined is not None
    for name, most in (("eccentricity", 0.85), ("argument_deg", 0.85)):
        before, after = getattr(found.unrefined, name), getattr(found.libration, name)
        assert after[1] - after[0] < most * (before[1] - before[0])
    assert np.mean(found.libration.eccentricity) == pytest.approx(0.65, abs=0.02)
    assert np.mean(found.libration.argument_deg) == pytest.approx(90.0, abs=1.5)
    assert found.elements[0] == pytest.approx(semi_major_axis_km(DAY))
    assert found.libration.librates
    # the state is the elements', and the report is the flight's
    t = np.arange(0.0, 2 * YEAR, 6 * 3600.0)
    flown = propagate(found.state, START, t, ForceModel(degree=8), DE440)
    e = elements_from_state(flown.states)[:, 1]
    assert found.libration.eccentricity[0] - 1e-9 <= e.min()
    assert e.max() <= found.libration.eccentricity[1] + 1e-9


def test_a_frozen_orbit_holds_for_ten_years():
    found = design_frozen(
        30 * 3600.0, 0.6, START, YEAR, DE440, argument=1.5 * math.pi, most_flights=3
    )
    ten = measure_libration(found.state, START, 10 * YEAR, DE440)
    assert ten.librates
    assert 225 < ten.argument_deg[0] < 270 < ten.argument_deg[1] < 315
    assert 0.45 < ten.eccentricity[0] < ten.eccentricity[1] < 0.75
    assert ten.eccentricity[0] <= found.libration.eccentricity[0]


def test_the_most_eccentric_orbit_clear_of_a_perilune():
    found = choose_frozen(DAY, 2500.0, START, YEAR, DE440, most_flights=3)
    assert 2500.0 <= found.libration.perilune_km <= 2520.0
    with pytest.raises(InputError, match="perilune"):
        choose_frozen(DAY, 1700.0, START, YEAR, DE440)


def test_tuned_members_keep_their_phases():
    pattern = walker(4, 2, 1, semi_major_axis_km(DAY), 0.6, frozen_inclination(0.6), math.pi / 2)
    tuned = tune_phasing(pattern, START, 100 * DAY, DE440)
    assert tuned.drift_before_deg > 10.0
    assert tuned.drift_after_deg < 0.1
    assert tuned.period_s == pytest.approx(DAY, rel=0.01)
    assert np.array_equal(tuned.elements[:, 1:], pattern[:, 1:])
    # by another reading: perilune passages at the start and the end keep their spacing
    from orbits.passages import find_apsides

    last = []
    for state in place_elements(tuned.elements, START, DE440)[:2]:
        t = np.arange(0.0, 100 * DAY, 1200.0)
        apsides = find_apsides(propagate(state, START, t, ForceModel(degree=8), DE440))
        last.append(apsides.t_s[apsides.rising])
    gap = last[1][-80:] - last[0][-80:]  # half a period within one plane
    assert np.abs(np.abs(gap) - tuned.period_s / 2).max() < 0.03 * tuned.period_s
    goal = tune_phasing(pattern, START, 30 * DAY, DE440, period_s=DAY, drift_deg=0.5)
    assert goal.period_s == pytest.approx(DAY, rel=1e-4)
    with pytest.raises(ConvergenceError, match="drift"):
        tune_phasing(pattern, START, 30 * DAY, DE440, most_rounds=1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 5), st.sampled_from(["delta", "star"]))
def test_walker_patterns(planes, per_plane, phasing, pattern):
    phasing %= planes
    count = planes * per_plane
    found = walker(count, planes, phasing, 9000.0, 0.1, 1.0, 0.3, pattern=pattern)
    nodes = found[::per_plane, 3]
    turn = 2 * np.pi if pattern == "delta" else np.pi
    assert np.allclose(np.diff(nodes), turn / planes)
    mean = found[:, 5].reshape(planes, per_plane)
    within = np.diff(mean, axis=1) % (2 * np.pi)
    assert np.allclose(within, 2 * np.pi / per_plane)
    between = np.exp(1j * np.diff(mean[:, 0]))
    assert np.allclose(between, np.exp(2j * np.pi * phasing / count))


def test_galileo_is_a_walker_pattern():
    """24/3/1 at 56 deg (Galileo OS SIS ICD, reference constellation): 120 deg, 45 deg, 15 deg."""
    found = np.degrees(walker(24, 3, 1, 29599.8, 0.0, math.radians(56.0)))
    assert found[[0, 8, 16], 3] == pytest.approx([0.0, 120.0, 240.0])
    assert found[1, 5] - found[0, 5] == pytest.approx(45.0)
    assert found[8, 5] - found[0, 5] == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: walker(5, 2, 0, 9000, 0, 1), "5 spacecraft in 2 planes"),
        (lambda: walker(4, 2, 2, 9000, 0, 1), "phasing 2"),
        (lambda: walker(4, 2, 1, 9000, 0, 1, pattern="rose"), "no pattern"),
        (lambda: semi_major_axis_km(-1), "period"),
        (lambda: design_frozen(DAY, 0.9, START, YEAR, DE440), "meets the Moon"),
        (lambda: design_frozen(DAY, 0.6, START, YEAR, DE440, argument=1.0), "90 or 270"),
        (lambda: tune_phasing(np.zeros(6), START, DAY, DE440), "two members"),
        (lambda: measure_libration(np.ones(6), START, -1.0, DE440), "span"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
