"""Spatial DROs that never repeat: in the three-body problem, in the ephemeris, and as an option."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import cislunar
from cislunar import catalog
from cislunar.checks import check_scenario
from cislunar.nodes import expand_nodes
from cislunar.options.option import add_option
from cislunar.trajectories import build_trajectories
from orbits.correct import fly
from orbits.cr3bp import EARTH_MOON
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import FamilyError, InputError
from orbits.families import dro, spatial_dro
from orbits.forces import ForceModel
from orbits.propagate import propagate
from orbits.torus import find_torus

MU, LU = EARTH_MOON.mu, EARTH_MOON.lu_km
DAY = 86400.0


def right_hand_side(t, s):
    x, y, z, vx, vy, vz = s
    earth = (1 - MU) / ((x + MU) ** 2 + y * y + z * z) ** 1.5
    moon = MU / ((x - 1 + MU) ** 2 + y * y + z * z) ** 1.5
    return [
        vx, vy, vz, 2 * vy + x - earth * (x + MU) - moon * (x - 1 + MU),
        -2 * vx + y - (earth + moon) * y, -(earth + moon) * z,
    ]  # fmt: skip


def near_crossing(t, s):
    return s[1] if s[0] < 1 - MU else 1.0


def test_scipy_finds_the_amplitudes_and_periods_that_were_asked_for(evidence):
    orbit = dro(70000, amplitude_z_km=20000, vertical_phase_deg=40)
    span = 60 * orbit.period_nd
    t = np.linspace(0.0, span, 60 * 200 + 1)
    flown = solve_ivp(
        right_hand_side, (0.0, span), orbit.state_nd, "DOP853", t, rtol=1e-12, atol=1e-13,
        dense_output=False,
    ).y  # fmt: skip
    y, x, z = flown[1], flown[0], flown[2]
    at = np.flatnonzero((y[:-1] * y[1:] < 0) & (x[:-1] < 1 - MU))
    share = y[at] / (y[at] - y[at + 1])
    near_km = (1 - MU - (x[at] + share * (x[at + 1] - x[at]))) * LU
    crossings = t[at] + share * (t[at + 1] - t[at])
    ups = np.flatnonzero((z[:-1] < 0) & (z[1:] >= 0))
    rises = t[ups] - z[ups] * (t[ups + 1] - t[ups]) / (z[ups + 1] - z[ups])
    off_km = max(abs(near_km.mean() - 70000), abs(np.abs(z).max() * LU - 20000))
    assert near_km.std() > 500  # it is no periodic orbit
    evidence(
        "spatial DRO of 70,000 and 20,000 km, 60 revolutions: its mean crossing and height",
        "scipy's DOP853 on its own equations", 60, off_km, 150.0, "km",
        "60 revolutions are a sample of the torus",
    )  # fmt: skip
    mean = np.polyfit(np.arange(len(crossings)), crossings, 1)[0]
    vertical = np.polyfit(np.arange(len(rises)), rises, 1)[0]
    assert mean == pytest.approx(orbit.period_nd, rel=1e-3)
    assert vertical == pytest.approx(orbit.vertical_period_nd, rel=2e-3)
    # ours beside theirs, at the end
    assert np.abs(orbit.at(span)[0] - flown[:, -1]).max() < 1e-6


def test_low_ones_oscillate_as_the_planar_orbit_says():
    planar = dro(70000)
    orbit = dro(70000, amplitude_z_km=500)
    turn = 2 * np.pi * orbit.period_nd / orbit.vertical_period_nd
    indices = [complex(v).real for v in planar.stability_indices]
    assert min(abs(np.cos(turn) - v) for v in indices) < 2e-3
    assert orbit.period_nd == pytest.approx(planar.period_nd, rel=1e-4)


def test_a_torus_is_carried_onto_itself():
    planar = dro(60000)
    torus = find_torus(tuple(planar.state_nd), planar.period_nd, 15000 / LU, MU, 60000 / LU)
    vertical = np.linspace(0.0, 2 * np.pi, 7)
    before = torus.states(np.zeros(7), vertical)
    for state, angle in zip(before, vertical, strict=True):
        flown = solve_ivp(
            right_hand_side, (0.0, torus.period), state, "DOP853", rtol=1e-12, atol=1e-13
        ).y[:, -1]
        after = torus.states(0.0, np.array([angle + torus.turn]))[0]
        assert np.abs(flown - after).max() < 1e-7


def test_what_has_no_lasting_spatial_dro_is_refused_with_what_has():
    with pytest.raises(FamilyError, match=r"up to about \d+ km") as fault:
        dro(60000, amplitude_z_km=90000)
    assert fault.value.key == "amplitude_z_km"
    with pytest.raises(FamilyError, match="amplitude_km, period_days or resonance"):
        dro(jacobi_nd=2.93, amplitude_z_km=10000)
    with pytest.raises(InputError, match="planar DRO has no vertical phase"):
        dro(70000, vertical_phase_deg=90)


def test_a_periodic_one_is_taken_where_it_has_both_amplitudes():
    periodic = spatial_dro(10000)
    crossing_km = np.hypot(1 - MU - periodic.state_nd[0], periodic.state_nd[2]) * LU
    assert dro(crossing_km, amplitude_z_km=10000).revolutions == 5


def test_a_periodic_one_is_flown_too():
    orbit, start = spatial_dro(30000), Epoch.parse("2030-03-01T00:00:00 UTC")
    flown = fly(orbit, 0.0, start, 0.0, 28 * DAY, 3600.0, De440.open(), ForceModel.point_mass())
    assert flown.notes["height_flown_km"] == pytest.approx(30000, rel=0.1)
    assert flown.notes["mean_period_days"] == pytest.approx(orbit.period_days / 5, abs=0.01)


@pytest.fixture(scope="module")
def added():
    base = cislunar.Scenario(
        name="x", epoch="2030-01-01T00:00:00 UTC", duration_days=28.0, step_s=600, options="japan"
    )
    option = catalog.load("options")["dro-spatial-jp"]
    assert "not_computable" not in option
    scenario = add_option(base, "dro-spatial-jp")
    check_scenario(scenario)
    return scenario, build_trajectories(scenario, expand_nodes(scenario), De440.open())


def test_the_japanese_option_is_flown_at_its_height(added, evidence):
    _, flown = added
    craft = flown["dro-spatial-1"]
    notes = craft.notes
    evidence(
        "the Japanese spatial DRO relay in the ephemeris, 28 days: largest |z|",
        "the amplitude in its record", 1, abs(notes["height_flown_km"] - 30000), 900.0, "km",
        "the torus comes within 0.5 % and the flight within 2 % of it",
    )  # fmt: skip
    assert notes["mean_period_days"] == pytest.approx(notes["locked_period_days"], abs=0.01)
    assert any("never repeats" in remark for remark in notes["remarks"])


def test_it_stays_a_dro_for_a_year_from_its_one_state(added):
    scenario, flown = added
    t = np.arange(0.0, 365.25 * DAY, 3600.0)
    state = flown["dro-spatial-1"].notes["state_km_km_s"]
    year = propagate(state, scenario.start, t, ForceModel(degree=4), De440.open())
    distance = np.linalg.norm(year.states[:, :3], axis=1)
    assert 55_000 < distance.min() < distance.max() < 150_000
    # retrograde about the Moon all the time, seen from the turning axes
    from orbits.placing import read_back

    x, y, _ = read_back(year.states, scenario.start, t, De440.open()).T
    angle = np.unwrap(np.arctan2(y, x))
    assert angle[-1] - angle[0] == pytest.approx(-2 * np.pi * 365.25 / 14.35, rel=0.03)
