"""The worlds between the three-body problem and the real system, at both of their ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2
from orbits.correct import sample_kepler
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.families import lyapunov, nrho
from orbits.forces import ForceModel
from orbits.homotopy import circular_earth, earth_of, follow, pulsating_frames
from orbits.placing import MONTH_S, moon_centred
from orbits.propagate import cr3bp_path
from orbits.shooting import Arc, gap_size

DAY = 86400.0
START = Epoch.parse("2030-03-01T00:00:00 UTC")


@pytest.fixture(scope="module")
def arc():
    table = De440.open().table(START, 0.0, 120 * DAY)
    return Arc(START, table, ForceModel.point_mass(), {})


def test_the_first_world_is_the_three_body_problem(arc, evidence):
    """A flight there against the three-body equations, which share no code with it."""
    from dataclasses import replace

    world = replace(
        arc, table=replace(arc.table, coefficients=circular_earth(arc.table)), share=0.0
    )
    t = np.linspace(0.0, 20 * DAY, 41)
    pace = 2 * math.pi / MONTH_S
    frames = pulsating_frames(world.table, t, pace)
    mu = GM_MOON_KM3_S2 / (GM_EARTH_KM3_S2 + GM_MOON_KM3_S2)
    start = nrho("L2", "southern", resonance="9:2").state_nd
    path = moon_centred(cr3bp_path(start, t * pace, mu), mu)
    expected = np.einsum("nij,nj->ni", frames, path)
    flown = world.single(expected[0], t)
    worst_km = float(np.linalg.norm((flown - expected)[:, :3], axis=1).max())
    evidence(
        "homotopy's first world, NRHO over three revolutions", "CR3BP equations, scaled", len(t),
        worst_km * 1e3, 10.0, "m", "the Earth's circle is a Chebyshev series",
    )  # fmt: skip


def test_the_last_frame_is_the_real_one(arc):
    orbit = nrho("L2", "southern", resonance="9:2")
    t = np.linspace(1 * DAY, 100 * DAY, 57)
    period_s = orbit.period_days * DAY
    frames = pulsating_frames(arc.table, t, orbit.period_nd / period_s)
    here = moon_centred(orbit.at(t / period_s % 1.0 * orbit.period_nd), orbit.system.mu)
    placed = sample_kepler(orbit, 0.0, START, t, De440.open())
    states = np.einsum("nij,nj->ni", frames, here)
    np.testing.assert_allclose(states[:, :3], placed[:, :3], atol=1e-4)
    np.testing.assert_allclose(states[:, 3:], placed[:, 3:], atol=1e-7)


def test_accelerations_of_the_earth_are_those_of_its_velocity(arc):
    t = np.linspace(1 * DAY, 100 * DAY, 23)
    _, ahead, _ = earth_of(arc.table, t + 50.0)
    _, behind, _ = earth_of(arc.table, t - 50.0)
    _, speed, push = earth_of(arc.table, t)
    np.testing.assert_allclose((ahead - behind) / 100.0, push, atol=1e-12)
    truth = De440.open().state("earth", "moon", START, t)
    np.testing.assert_allclose(speed, truth[:, 3:], atol=1e-9)


def test_an_orbit_is_followed_to_the_real_system():
    orbit = lyapunov("L2", 45000)
    period_s = orbit.period_nd * MONTH_S / (2 * math.pi)
    t = np.arange(-8, 21 * 8 + 1) / 8 * period_s
    table = De440.open().table(START, t[0], t[-1])
    arc = Arc(START, table, ForceModel.point_mass(), {})
    weights = 1e8 * np.repeat([1.0, (2 * math.pi / period_s) ** 2], 3)
    states = follow(arc.rough(), orbit, 0.0, period_s, t, weights, De440.open())
    ends = arc.ends(states[:-1], t[:-1], t[1:])
    assert gap_size(ends - states[1:]) < 2e6  # 2 km: to be corrected further
    assert np.linalg.norm(states[:, :3], axis=1).max() < 1.2 * orbit.apolune_km
