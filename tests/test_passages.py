"""Passages against two-body closed forms and the integrator's own surfaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.constants import GM_MOON_KM3_S2
from orbits.elements import on_frozen_axes, state_from_elements, true_to_mean
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import ComputationError, ImpactError, InputError
from orbits.forces import ForceModel
from orbits.frames import transform
from orbits.passages import (
    closest_approach,
    find_apsides,
    find_impact,
    find_perilunes,
    find_plane_crossings,
    in_moon_icrf,
)
from orbits.propagate import propagate, propagate_kepler
from orbits.trajectory import Trajectory

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 TDB")


def _kepler(a, e, i, raan, argp, mean, end_s=2e5, step_s=60.0):
    state = state_from_elements(a, e, i, raan, argp, mean)
    return propagate_kepler(state, START, np.arange(0.0, end_s, step_s), GM_MOON_KM3_S2)


@settings(max_examples=20, deadline=None)
@given(st.floats(3000, 12000), st.floats(0.02, 0.75), st.floats(0.1, 3.0), st.floats(0.1, 6.1))
def test_apsides_are_where_kepler_has_them(a, e, i, mean):
    apsides = find_apsides(_kepler(a, e, i, 1.0, 2.0, mean))
    rate = math.sqrt(GM_MOON_KM3_S2 / a**3)
    turns = (mean + rate * apsides.t_s) / math.pi
    assert np.abs(turns - np.round(turns)).max() < 1e-6
    assert np.array_equal(np.round(turns) % 2 == 0, apsides.rising)
    radius = np.linalg.norm(apsides.states[:, :3], axis=1)
    assert np.allclose(radius, np.where(apsides.rising, a * (1 - e), a * (1 + e)), atol=1e-5)
    assert len(apsides) == (mean + rate * 199980.0) // math.pi - mean // math.pi


def test_nodes_are_where_kepler_has_them():
    a, e, argp = 6541.4, 0.6, 1.2
    nodes = find_plane_crossings(_kepler(a, e, 0.9, 0.7, argp, 0.0), "MOON_ICRF", DE440)
    rate = math.sqrt(GM_MOON_KM3_S2 / a**3)
    true = np.where(nodes.rising, -argp, math.pi - argp)
    turns = (rate * nodes.t_s - true_to_mean(true, e)) / (2 * math.pi)
    assert np.abs(turns - np.round(turns)).max() < 1e-8
    up = nodes.where(nodes.rising)
    assert len(up) >= 4
    assert np.abs(up.states[:, 2]).max() < 1e-4
    assert (up.states[:, 5] > 0).all()


def test_plane_crossings_in_turning_frames():
    path = _kepler(9000.0, 0.3, 1.0, 0.5, 1.0, 0.0)
    for frame, axis, row in (("MOON_OP", "z", 2), ("MOON_ME", "y", 1)):
        found = find_plane_crossings(path, frame, DE440, axis)
        moved = transform(found.states, "MOON_ICRF", frame, START, found.t_s, DE440)
        assert len(found) > 4
        assert np.abs(moved[:, row]).max() < 1e-3
    found = find_plane_crossings(path, "EARTH_MOON_ROTATING", DE440, "y")
    moved = transform(found.states, "MOON_ICRF", "EARTH_MOON_ROTATING", START, found.t_s, DE440)
    assert np.abs(moved[:, 1]).max() < 1e-3
    wide = _kepler(60000.0, 0.1, 1.0, 0.5, 1.0, 0.0, end_s=25 * 86400.0, step_s=3600.0)
    for frame in ("EMB_ICRF", "EARTH_ICRF"):  # about another centre
        found = find_plane_crossings(wide, frame, DE440)
        moved = transform(found.states, "MOON_ICRF", frame, START, found.t_s, DE440)
        assert len(found) > 0
        assert np.abs(moved[:, 2]).max() < 1e-3
    with pytest.raises(InputError, match="no frame"):
        find_plane_crossings(path, "MOON_XX", DE440)
    with pytest.raises(InputError, match="no axis"):
        find_plane_crossings(path, "MOON_OP", DE440, "w")


def test_crossings_of_any_plane():
    """A plane through the Moon is crossed where Kepler has it; one aside of it where it lies."""
    a, e, i, raan, argp = 9000.0, 0.3, 1.0, 0.5, 1.0
    path = _kepler(a, e, i, raan, argp, 0.0)
    line = np.array([math.cos(raan), math.sin(raan), 0.0])  # of nodes
    found = find_plane_crossings(path, "MOON_ICRF", DE440, 5.0 * line)
    rate = math.sqrt(GM_MOON_KM3_S2 / a**3)
    true = np.where(found.rising, -math.pi / 2 - argp, math.pi / 2 - argp)  # across the nodes' line
    turns = (rate * found.t_s - true_to_mean(true, e)) / (2 * math.pi)
    assert len(found) == 5  # in 2.6 revolutions
    assert np.abs(turns - np.round(turns)).max() < 1e-8
    beside = find_plane_crossings(path, "MOON_ME", DE440, (1.0, 2.0, -0.5), offset_km=3000.0)
    fixed = transform(beside.states, "MOON_ICRF", "MOON_ME", START, beside.t_s, DE440)
    assert len(beside) >= 4
    along = fixed[:, :3] @ np.array([1.0, 2.0, -0.5]) / math.sqrt(5.25)
    assert np.abs(along - 3000.0).max() < 1e-3
    assert not len(find_plane_crossings(path, "MOON_ME", DE440, "z", offset_km=20000.0))
    with pytest.raises(InputError, match="no normal"):
        find_plane_crossings(path, "MOON_ME", DE440, (0.0, 0.0, 0.0))


def test_perilunes_of_a_flown_orbit():
    state = on_frozen_axes(
        state_from_elements(6541.4, 0.6, math.radians(56.2), 0.0, math.pi / 2, 0.3),
        "MOON_OP", START, 0.0, DE440,
    )  # fmt: skip
    flown = propagate(state, START, np.arange(0.0, 30 * 86400.0, 600.0), ForceModel(8), DE440)
    found = find_perilunes(flown)
    assert found.count == 54  # 30 days of 13.19 h, begun after a perilune
    assert 1737.4 < found.least_km <= found.median_km <= found.largest_km
    assert found.median_km == pytest.approx(6541.4 * 0.4, rel=0.1)
    radius = np.linalg.norm(flown.states[:, :3], axis=1)
    assert found.least_km <= radius.min() + 1e-6
    with pytest.raises(ComputationError, match="no perilune"):
        find_perilunes(_kepler(6000.0, 0.5, 1.0, 0, 0, 1.0, end_s=1000.0))


def test_earth_perigee_of_the_moon():
    """The Moon's own perigee of 2030-03: a trajectory fixed at the Moon, seen from the Earth."""
    t = np.arange(0.0, 28 * 86400.0, 3600.0)
    still = Trajectory(START, t, np.zeros((t.size, 6)) + 1e-9)
    apsides = find_apsides(still, "earth", DE440)
    distance = np.linalg.norm(DE440.state("moon", "earth", START, apsides.t_s)[:, :3], axis=1)
    assert sorted(apsides.rising.tolist()) == [False, True]
    assert (distance[apsides.rising] < 371000).all()
    assert (distance[~apsides.rising] > 403000).all()


def test_closest_approach_of_two_craft():
    a = _kepler(5000.0, 0.1, 1.0, 0.0, 0.0, 0.0)
    b = _kepler(5000.0, 0.1, 1.0, 0.6, 0.0, 0.0, step_s=431.0)
    when, distance = closest_approach(a, b.rebased(START + 77.0))
    fine = np.arange(0.0, 199000.0, 1.0)
    brute = np.linalg.norm(a.position_km(fine) - b.position_km(fine), axis=1)
    assert distance == pytest.approx(brute.min(), abs=1e-3)
    assert distance <= brute.min() + 1e-9
    assert np.linalg.norm(a.position_km(when) - b.position_km(when)) == pytest.approx(distance)
    with pytest.raises(InputError, match="share no span"):
        closest_approach(a, Trajectory(START + 1e7, b.t_s, b.states))


def test_impact_agrees_with_the_integrator():
    start = state_from_elements(3000.0, 0.5, 1.0, 0.0, 0.0, np.pi)
    model, t = ForceModel(degree=0, bodies=("earth", "sun"), srp=False), np.arange(0, 3e4, 60.0)
    with pytest.raises(ImpactError) as fault:
        propagate(start, START, t, model, DE440)
    through = propagate(start, START, t, model, DE440, impact=False)
    assert find_impact(through) == pytest.approx(fault.value.t_s, abs=1e-3)
    assert find_impact(through, radius_km=100.0) is None
    assert find_impact(_kepler(5000.0, 0.1, 1.0, 0, 0, 0)) is None
    assert find_impact(_kepler(5000.0, 0.1, 1.0, 0, 0, 0), "earth", DE440) is None
    with pytest.raises(InputError, match="no radius"):
        find_impact(through, "sun", DE440)


def test_frames_are_asked_for():
    path = _kepler(5000.0, 0.1, 1.0, 0, 0, 0)
    turned = Trajectory(
        START, path.t_s, transform(path.states, "MOON_ICRF", "MOON_ME", START, path.t_s, DE440),
        "MOON_ME",
    )  # fmt: skip
    with pytest.raises(InputError, match="in_moon_icrf"):
        find_apsides(turned)
    back = in_moon_icrf(turned, DE440)
    assert np.abs(back.states - path.states).max() < 1e-8
