"""Keeping craft on their orbits: against what was flown, another integrator, and theory."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from cislunar import catalog
from orbits import families
from orbits.constants import (
    DAY_S,
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_MOON_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
)
from orbits.correct import fly
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, InputError
from orbits.forces import ForceModel
from orbits.frames import rotation_and_rate
from orbits.frozen import frozen_inclination, place_elements
from orbits.keeping_control import (
    APSIS,
    TIME,
    Flight,
    correct_passage,
    correct_positions,
    find_passage,
    two_impulses,
)
from orbits.keeping_plan import plan_crossings, plan_drift, plan_targets
from orbits.propagate import propagate
from orbits.stationkeeping import KeepingErrors, compare_with_flown, keep

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 TDB")
POINTS, FIELD = ForceModel.point_mass(), ForceModel(degree=8)
GM = {
    "earth": GM_EARTH_KM3_S2, "sun": GM_SUN_KM3_S2, "jupiter": GM_JUPITER_KM3_S2,
    "venus": GM_VENUS_KM3_S2,
}  # fmt: skip


def noise(km: float, m_s: float, **more) -> KeepingErrors:
    """Errors given at three sigma, as papers on the matter do, at insertion and in navigation."""
    return KeepingErrors(
        insertion_km=km / 3, insertion_m_s=m_s / 3, navigation_km=km / 3, navigation_m_s=m_s / 3,
        **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def halo():
    """Queqiao-1's halo, as a point among points, for half a year and a revolution."""
    orbit = families.halo("L2", "southern", 13000.0)
    return fly(orbit, 0.0, START, 0.0, 225 * DAY_S, 1800.0, DE440, POINTS)


@pytest.fixture(scope="module")
def halo_plan(halo):
    return plan_crossings(halo, DE440, 182.6, at="crossing", revolutions_ahead=1.0)


@pytest.fixture(scope="module")
def short_plan(halo):
    return plan_crossings(halo, DE440, 75.0, at="crossing", revolutions_ahead=1.0)


@pytest.fixture(scope="module")
def nrho():
    orbit = families.nrho("L2", "southern", resonance="9:2")
    return fly(orbit, 0.0, START, 0.0, 215 * DAY_S, 600.0, DE440, FIELD)


@pytest.fixture(scope="module")
def dro():
    return fly(families.dro(70000.0), 0.0, START, 0.0, 480 * DAY_S, 3600.0, DE440, FIELD)


def flight(reference, model=POINTS):
    table = DE440.table(START, reference.start_s - DAY_S, reference.end_s + DAY_S)
    return Flight(START, DE440, table, model, {}, 1e-12)


# ---------------------------------------------------------------- each impulse does what it should


def scipy_flown(state, t0, t1):
    """scipy's path under point masses from DE440, by an acceleration written for this test."""

    def slope(t, y):
        r = y[:3]
        push = -GM_MOON_KM3_S2 * r / np.linalg.norm(r) ** 3
        for body, gm in GM.items():
            b = DE440.state(body, "moon", START, t)[:3]
            d = b - r
            push = push + gm * (d / np.linalg.norm(d) ** 3 - b / np.linalg.norm(b) ** 3)
        return np.concatenate([y[3:], push])

    return solve_ivp(slope, (t0, t1), state, "DOP853", rtol=1e-11, atol=1e-9, dense_output=True).sol


def rotating(state, t):
    turn, rate = rotation_and_rate("EARTH_MOON_ROTATING", START, np.array([t]), DE440)
    return turn[0] @ state[:3], turn[0] @ state[3:] + rate[0] @ state[:3]


def test_a_corrected_state_meets_its_crossing_in_another_integrator(halo, halo_plan, evidence):
    """Crossing control: scipy finds the crossing by a root search, with vx as on the reference."""
    generator = np.random.default_rng(3)
    t0, targets = halo_plan.t_s[4], halo_plan.target_s[4]
    unit = np.repeat([1.0, 1e-5], 3)
    states = halo.at(t0) + generator.normal(size=(2, 6)) * unit
    dv, found = halo_plan.decide(flight(halo), states, 4, {})
    assert found.all()
    goal = rotating(halo.at(targets[-1]), targets[-1])[1][0]
    worst = before = 0.0
    for state, change in zip(states, dv, strict=True):
        for impulse in (change, 0 * change):
            path = scipy_flown(np.r_[state[:3], state[3:] + impulse], t0, targets[-1] + DAY_S)
            when = brentq(
                lambda t, p=path: rotating(p(t), t)[0][1], targets[-1] - DAY_S, targets[-1] + DAY_S
            )
            miss = abs(rotating(path(when), when)[1][0] - goal) * 1e6
            worst = max(worst, miss) if impulse.any() else worst
            before = before if impulse.any() else max(before, miss)
    assert before > 1000.0  # mm/s, without the impulses
    evidence(
        "crossing control: vx where the corrected halo next crosses, a revolution on",
        "scipy DOP853 with its own point masses and root search", 2, worst, 1.0, "mm/s",
        "solved to 0.1 mm/s; the two integrators over 15 unstable days",
    )  # fmt: skip


def test_a_targeted_state_arrives_in_another_integrator(halo, evidence):
    t0, t1 = 50 * DAY_S, 57 * DAY_S
    state = halo.at(t0) + np.repeat([20.0, 2e-4], 3)
    goal = halo.at(t1)
    dv, done, _ = correct_positions(flight(halo), state, t0, [t1], goal[None, :3])
    assert done[0]
    end = scipy_flown(np.r_[state[:3], state[3:] + dv[0]], t0, t1)(t1)
    miss = np.linalg.norm(end[:3] - goal[:3])
    evidence(
        "targeting: position a week on, along an L2 halo", "scipy DOP853, own point masses", 1,
        miss, 0.01, "km", "solved to 1 m",
    )  # fmt: skip
    first, second = two_impulses(flight(halo), state, t0, t1, goal)
    assert np.allclose(first, dv[0], atol=1e-9)
    assert np.allclose(end[3:] + second, goal[3:], atol=1e-7)


def test_two_impulses_turn_to_lambert_when_the_own_path_is_no_guide():
    """From one side of an orbit about the Moon to the other: Newton from the own path fails."""
    state = state_from_elements(6000.0, 0.1, 0.5, 0.2, 0.3, 0.0)
    goal = state_from_elements(9000.0, 0.2, 0.9, 0.5, 0.3, 2.2)
    table = DE440.table(START, -DAY_S, 3 * DAY_S)
    setting = Flight(START, DE440, table, POINTS, {}, 1e-12)
    first, second = two_impulses(setting, state, 0.0, 6 * 3600.0, goal)
    start = np.r_[state[:3], state[3:] + first]
    end = propagate(start, START, [0.0, 6 * 3600.0], POINTS, DE440, impact=False).states[1]
    assert np.linalg.norm(end[:3] - goal[:3]) < 0.01
    assert np.linalg.norm(end[3:] + second - goal[3:]) < 1e-5


def test_several_targets_are_approached_in_the_least_squares_sense(halo):
    """At the answer no small change of the impulse brings the path nearer."""
    setting, t0, later = flight(halo), 50 * DAY_S, np.array([53.0, 57.0]) * DAY_S
    state, aim = halo.at(t0) + np.repeat([5.0, 5e-5], 3), halo.at(later)[:, :3]
    dv, done, _ = correct_positions(setting, state, t0, later, aim)
    assert done[0]

    def distance2(impulse):
        start = np.r_[state[:3], state[3:] + impulse]
        flown = propagate(start, START, later, POINTS, DE440, t0_s=t0, rtol=1e-13).states[:, :3]
        return float(((flown - aim) ** 2).sum())

    least = distance2(dv[0])
    for axis in np.eye(3):
        assert distance2(dv[0] + 2e-7 * axis) > least
        assert distance2(dv[0] - 2e-7 * axis) > least


def test_the_impulse_is_the_least_that_does_it(halo, halo_plan):
    """Moved across its gradient, an impulse still does, and is longer."""
    setting, k = flight(halo), 2
    state = halo.at(halo_plan.t_s[k]) + np.repeat([0.5, 5e-6], 3)
    dv, _ = halo_plan.decide(setting, state[None], k, {})
    start = np.r_[state[:3], state[3:] + dv[0]]
    passed = find_passage(
        setting, start, halo_plan.t_s[k], halo_plan.target_s[k, -1], gradient=True
    )
    slope = passed.gradient[0, 3:]
    cosine = abs(slope @ dv[0]) / np.linalg.norm(slope) / np.linalg.norm(dv[0])
    assert cosine > 1 - 1e-3
    step = 1e-6 * slope / np.linalg.norm(slope)  # and the gradient is that of the flight
    moved = [
        find_passage(
            setting, np.r_[start[:3], start[3:] + s * step], halo_plan.t_s[k],
            halo_plan.target_s[k, -1],
        ).value[0]
        for s in (1, -1)
    ]  # fmt: skip
    assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(np.linalg.norm(slope), rel=1e-3)


def test_the_instant_of_a_passage_can_be_asked_for(dro):
    setting = flight(dro, FIELD)
    plan = plan_drift(dro, DE440, 100.0, box_deg=1.0, hold="period")
    t0, t1 = plan.t_s[0], plan.target_s[0]
    dv, found = correct_passage(setting, dro.at(t0), t0, t1, t1 + 3600.0, "plane", TIME)
    assert found[0]
    assert 0 < np.linalg.norm(dv) < 0.01
    late = find_passage(
        setting, np.r_[dro.at(t0)[:3], dro.at(t0)[3:] + dv[0]], t0, t1, "plane", TIME
    )
    assert late.value[0] == pytest.approx(t1 + 3600.0, abs=2.0)


# ---------------------------------------------------------------- what it costs


def test_without_errors_nothing_is_paid(nrho, halo, halo_plan, dro):
    nothing = KeepingErrors()
    plan = plan_crossings(nrho, DE440, 30.0)
    assert keep(plan, DE440, FIELD, nothing, count=1, seed=0).annual_m_s[0] < 1e-3
    assert keep(halo_plan, DE440, POINTS, nothing, count=1, seed=0).annual_m_s[0] < 1e-2
    drift = plan_drift(dro, DE440, 365.25, box_deg=0.1)
    assert keep(drift, DE440, FIELD, nothing, count=1, seed=0).annual_m_s[0] == 0.0
    aims = plan_targets(halo, DE440, 60.0, at="crossing")
    assert keep(aims, DE440, POINTS, nothing, count=1, seed=0).annual_m_s[0] < 1e-2


def test_the_first_impulse_follows_linear_theory(halo, halo_plan, evidence):
    """Its size is half-normal: sigma^2 = g P g' / |g_v|^2, g by differences of whole flights."""
    plan = plan_crossings(halo, DE440, 20.0, at="crossing", revolutions_ahead=0.5)
    errors, count = noise(0.1, 0.001), 400
    begin, setting = halo.start_s, flight(halo)
    t0, t1 = plan.t_s[0], plan.target_s[0, -1]

    def vx(change, since):
        start = halo.at(since) + change
        return find_passage(setting, start, since, t1).value[0]

    def gradient(since):
        steps = np.diag(np.repeat([0.01, 1e-7], 3))
        return np.array([(vx(s, since) - vx(-s, since)) / (2 * s.sum()) for s in steps])

    p = np.repeat([errors.navigation_km**2, (errors.navigation_m_s * 1e-3) ** 2], 3)
    there, inserted = gradient(t0), gradient(begin)
    sigma = math.sqrt((there**2 * p).sum() + (inserted**2 * p).sum())
    expected = sigma / np.linalg.norm(there[3:]) * math.sqrt(2 / math.pi) * 1e3
    flown = keep(plan, DE440, POINTS, errors, count=count, seed=8)
    ours = flown.sizes_m_s[:, 0].mean()
    spread = math.sqrt((math.pi / 2 - 1) / count)
    evidence(
        "station-keeping: mean size of the first impulse of a halo", "linear covariance by "
        "differences", count, abs(ours / expected - 1) / spread, 4.0, "sigma", "sampling",
    )  # fmt: skip


def test_kept_craft_stay_and_others_leave(halo_plan, nrho, evidence):
    """A halo multiplies an error some thousandfold in a revolution; kept, it stays in a tube."""
    errors = noise(1.0, 0.01)
    kept = keep(halo_plan, DE440, POINTS, errors, count=4, seed=2)
    assert not kept.lost.any()
    loose = keep(halo_plan, DE440, POINTS, errors, count=4, seed=2, control=False)
    assert loose.sizes_m_s.max() == 0.0
    assert np.min(loose.departure_km.max(axis=1)) > 20_000.0
    evidence(
        "a halo kept with 1 km, 1 cm/s (3 sigma) for half a year", "tube of 1,000 km", 4,
        kept.departure_km.max(), 1000.0, "km", "the orbit is 60,000 km across",
    )  # fmt: skip
    plan = plan_crossings(nrho, DE440, 100.0)
    free = keep(plan, DE440, FIELD, errors, count=4, seed=2, control=False)
    held = keep(plan, DE440, FIELD, errors, count=4, seed=2)
    assert free.departure_km.max() > 3 * held.departure_km.max()
    assert held.departure_km.max() < 500.0


def test_cost_grows_with_the_errors(short_plan):
    """In proportion while all is linear, and with each kind of error."""

    def cost(errors):
        flown = keep(short_plan, DE440, POINTS, errors, count=4, seed=4)
        assert not flown.lost.any()
        return flown.mean_m_s

    small, double = cost(noise(0.5, 0.005)), cost(noise(1.0, 0.01))
    assert double / small == pytest.approx(2.0, rel=0.05)
    base = {"navigation_km": 1 / 6, "navigation_m_s": 0.01 / 6}
    least = cost(KeepingErrors(**base))
    assert cost(KeepingErrors(**base, desaturation_m_s=0.02)) > 1.5 * least
    assert cost(KeepingErrors(**base, execution_fixed_m_s=0.005)) > 1.5 * least


def test_an_error_in_proportion_feeds_itself_in_an_unstable_orbit(short_plan):
    """A half revolution multiplies what an impulse misses some thirtyfold, and that is the next.

    So one percent of the impulses is harmless and a third of them is the end of the orbit.
    """
    errors = {"navigation_km": 1 / 6, "navigation_m_s": 0.01 / 6}
    fine = keep(
        short_plan, DE440, POINTS, KeepingErrors(**errors, execution_frac=0.01), count=4, seed=4
    )
    none = keep(short_plan, DE440, POINTS, KeepingErrors(**errors), count=4, seed=4)
    assert fine.mean_m_s < 1.5 * none.mean_m_s
    try:
        bad = keep(
            short_plan, DE440, POINTS, KeepingErrors(**errors, execution_frac=0.33), count=4, seed=4
        )
    except ConvergenceError:
        return
    assert bad.lost.any() or bad.mean_m_s > 20 * none.mean_m_s


def test_the_flown_halo_lies_between_good_and_poor_navigation(halo_plan, evidence):
    """Queqiao-1: 80 g every nine days, 14.9 to 19.5 m/s a year; its navigation is not published.

    The cost is proportional to the errors, so ours at 1 km and 1 cm/s and at 10 km and 10 cm/s
    (3 sigma, the pair that papers take) must hold it between them.
    """
    record = catalog.load("stationkeeping")["queqiao-1-halo"]
    speed = 550.0 / math.log(448.7 / (448.7 - 105.0))
    per_year = 365.25 / 9 * 0.08 * speed
    assert record["annual_cost_m_s"]["low"] == pytest.approx(per_year / 448.7, abs=0.1)
    assert record["annual_cost_m_s"]["high"] == pytest.approx(per_year / 343.7, abs=0.1)
    good = keep(halo_plan, DE440, POINTS, noise(1.0, 0.01), count=8, seed=1)
    poor = keep(halo_plan, DE440, POINTS, noise(10.0, 0.1), count=8, seed=1)
    assert not poor.lost.any()
    assert good.percentile_m_s(95) < 14.9
    assert poor.percentile_m_s(5) > 19.5
    middle = math.sqrt(good.mean_m_s * poor.mean_m_s)
    evidence(
        "annual cost of an L2 halo, geometric middle of good and poor navigation",
        "Queqiao-1 as flown, 14.9 to 19.5 m/s", 16, abs(math.log(middle / 17.2)), math.log(1.5),
        "ln", "its navigation and momentum dumps are not published",
    )  # fmt: skip


def test_the_flown_nrho_costs_what_it_does_here(nrho, evidence):
    """CAPSTONE: 1.8 m/s in 154 days, 4.27 m/s a year. Ours with 10 km and 10 cm/s (3 sigma)."""
    record = catalog.load("stationkeeping")["capstone-nrho"]
    flown = record["annual_cost_m_s"]["low"]
    assert flown == pytest.approx(1.8 * 365.25 / 154, abs=0.01)
    plan = plan_crossings(nrho, DE440, 154.0)
    ours = keep(plan, DE440, FIELD, noise(10.0, 0.1), count=8, seed=1, days=154.0)
    assert not ours.lost.any()
    evidence(
        "annual cost of the 9:2 NRHO with 10 km, 10 cm/s (3 sigma)", "CAPSTONE as flown", 8,
        abs(math.log(ours.mean_m_s / flown)), math.log(2.0), "ln",
        "its errors and least burns are not published",
    )  # fmt: skip
    rows = compare_with_flown({"nrho": ours}, list(catalog.load("stationkeeping").values()))
    assert {r["id"] for r in rows} == {"capstone-nrho", "sliding-mode-nrho"}
    assert all(r["sources"] for r in rows)


def test_a_dro_asks_for_no_more_than_was_flown(dro, validation, evidence):
    """DRO-A: five burns and a change of orbit. Ours is a floor: errors alone ask for less.

    The craft here enters a metre per second (3 sigma) off, is known to 10 km and 10 cm/s, and is
    held within a degree of phase.
    """
    burns = validation("flight_dro.yaml")["manoeuvres"]["DRO_A"]
    sizes = np.array([np.linalg.norm(b["dv_m_s"]) for b in burns])
    record = catalog.load("stationkeeping")["dro-a"]["annual_cost_m_s"]
    assert record["high"] == pytest.approx(sizes.sum() * 365.25 / 328, abs=0.1)
    assert record["low"] == pytest.approx((sizes.sum() - sizes.max()) * 365.25 / 328, abs=0.1)
    errors = KeepingErrors(
        navigation_km=10 / 3, navigation_m_s=0.1 / 3, insertion_km=10 / 3, insertion_m_s=1 / 3,
        execution_frac=0.01,
    )  # fmt: skip
    costs = {}
    for hold in ("phase", "period", "transfer"):
        plan = plan_drift(dro, DE440, 365.25, box_deg=1.0, hold=hold)
        costs[hold] = keep(plan, DE440, FIELD, errors, count=24, seed=1)
        assert not costs[hold].lost.any()
        assert (costs[hold].sizes_m_s > 0).any()
    assert costs["phase"].mean_m_s < costs["transfer"].mean_m_s
    evidence(
        "annual cost of a 70,000 km DRO held to a degree of phase, 95th percentile",
        "DRO-A as tracked, 4.2 m/s without its change of orbit", 24,
        costs["phase"].percentile_m_s(95), record["low"], "m/s a year", "a floor: errors alone",
    )  # fmt: skip


def test_a_box_bounds_the_drift_of_a_dro(dro):
    errors = KeepingErrors(
        navigation_km=1 / 3, navigation_m_s=0.01 / 3, insertion_km=1 / 3, insertion_m_s=0.2
    )
    for hold in ("phase", "transfer"):
        plan = plan_drift(dro, DE440, 365.25, box_deg=2.0, hold=hold)
        kept = keep(plan, DE440, FIELD, errors, count=12, seed=5)
        free = keep(plan, DE440, FIELD, errors, count=12, seed=5, control=False)
        last = plan.t_s > 250 * DAY_S
        assert np.median(free.departure_km[:, last]) > 2 * np.median(kept.departure_km[:, last])
        assert 2 <= (kept.sizes_m_s > 0).sum(axis=1).max() <= 16


def test_a_frozen_orbit_is_kept_in_its_box():
    elements = np.array([9750.7, 0.6, frozen_inclination(0.6), 0.0, math.pi / 2, 0.0])
    state = np.ravel(place_elements(elements, START, DE440))
    reference = propagate(state, START, np.arange(0.0, 130 * DAY_S, 300.0), FIELD, DE440)
    errors = KeepingErrors(navigation_km=0.033, navigation_m_s=0.00033, insertion_m_s=0.1)
    ends, costs = {}, {}
    for hold in ("phase", "period", "transfer"):
        plan = plan_drift(
            reference, DE440, 100.0, kind=APSIS, box_deg=3.0, hold=hold, every=7,
            eccentricity=0.01, argument_deg=5.0,
        )  # fmt: skip
        flown = keep(plan, DE440, FIELD, errors, count=6, seed=3)
        ends[hold], costs[hold] = flown.departure_km[:, -1], flown.mean_m_s
    free = keep(plan, DE440, FIELD, errors, count=6, seed=3, control=False)
    assert np.median(ends["transfer"]) < 0.05 * np.median(free.departure_km[:, -1])
    assert np.median(ends["phase"]) < 0.1 * np.median(free.departure_km[:, -1])
    assert np.median(ends["period"]) < 0.5 * np.median(free.departure_km[:, -1])
    assert 0 < costs["period"] < costs["phase"] < 40.0


# ---------------------------------------------------------------- campaigns as such


def test_a_seed_gives_the_same_craft_on_any_number_of_threads(short_plan, monkeypatch):
    errors = noise(1.0, 0.01, execution_frac=0.01, pointing_deg=1.0, minimum_m_s=0.01)
    two = keep(short_plan, DE440, POINTS, errors, count=8, seed=6)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = keep(short_plan, DE440, POINTS, errors, count=8, seed=6)
    assert np.array_equal(one.dv_m_s, two.dv_m_s)
    assert not np.array_equal(
        one.dv_m_s, keep(short_plan, DE440, POINTS, errors, count=8, seed=7).dv_m_s
    )
    fewer = keep(short_plan, DE440, POINTS, errors, count=4, seed=6)
    assert np.allclose(fewer.dv_m_s, one.dv_m_s[:4], atol=1e-6)
    fired = one.sizes_m_s[one.sizes_m_s > 0]
    assert fired.min() > 0.009  # the least burn, less what its execution is off


def test_solar_pressure_that_is_not_as_planned_is_paid_for(halo):
    plan = plan_crossings(halo, DE440, 60.0, at="crossing", revolutions_ahead=1.0)
    model, craft = ForceModel(degree=0), {"mass_kg": 400.0, "area_m2": 8.0}
    as_planned = keep(plan, DE440, model, KeepingErrors(), count=3, seed=1, **craft)
    off = keep(plan, DE440, model, KeepingErrors(solar_pressure_frac=0.5), count=3, seed=1, **craft)
    assert off.annual_m_s.std() > 0.01
    assert as_planned.annual_m_s.std() < 1e-6
    with pytest.raises(InputError, match="solar pressure"):
        keep(plan, DE440, model, KeepingErrors(solar_pressure_frac=0.5), count=3, seed=1)


def test_figures_and_refusals(halo, halo_plan):
    flown = keep(halo_plan, DE440, POINTS, noise(1.0, 0.01), count=4, seed=1)
    figures = flown.summary()
    assert figures["annual_cost_mean_m_s"] == pytest.approx(
        flown.sizes_m_s.sum(axis=1).mean() * 365.25 / flown.days
    )
    assert figures["annual_cost_p5_m_s"] <= figures["annual_cost_p95_m_s"]
    assert figures["manoeuvres_per_year"] == pytest.approx(halo_plan.t_s.size * 365.25 / flown.days)
    assert "annual_cost_mean_m_s" in flown._repr_html_()
    for bad in (
        lambda: KeepingErrors(navigation_km=-1.0),
        lambda: KeepingErrors(pointing_deg=math.nan),
        lambda: keep(halo_plan, DE440, POINTS, KeepingErrors(), count=0, seed=1),
        lambda: plan_crossings(halo, DE440, 800.0, at="crossing", revolutions_ahead=1.0),
        lambda: plan_crossings(halo, DE440, 20.0, at="node"),
        lambda: plan_drift(halo, DE440, 20.0, box_deg=0.0),
        lambda: plan_drift(halo, DE440, 20.0, box_deg=1.0, hold="nothing"),
        lambda: find_passage(flight(halo), halo.at(0.0), 0.0, DAY_S, "node"),
    ):
        with pytest.raises(InputError):
            bad()
    huge = noise(30_000.0, 500.0)
    with pytest.raises(ConvergenceError, match="none of"):
        keep(halo_plan, DE440, POINTS, huge, count=2, seed=1)
