"""The Moon's harmonics against pyshtools and closed forms, and the degrees left out far away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.gravity import (
    GRAVITY_GM_KM3_S2,
    GRAVITY_RADIUS_KM,
    NEGLECTED,
    _field,
    degree_bounds,
    harmonic_sums,
    harmonics,
    needed_degree,
    scratch,
)

UNIT = GRAVITY_GM_KM3_S2 / GRAVITY_RADIUS_KM**2


def _acceleration(place, constants):
    """Acceleration (3,) in km/s2 by the harmonics alone at a body-fixed ``place`` in km."""
    out = np.zeros(8)
    x, y, z = place
    harmonic_sums(x, y, z, GRAVITY_RADIUS_KM, constants, False, scratch(), out)
    return out[:3] * UNIT


def _whole(constants):
    """The same constants with no degree left out at any distance."""
    whole = constants.copy()
    whole[-2] = np.inf
    return whole


def _places(lowest_km, highest_km, count, seed=5):
    rng = np.random.default_rng(seed)
    away = rng.normal(size=(count, 3))
    size = np.exp(rng.uniform(np.log(lowest_km), np.log(highest_km), count))
    return away * (size / np.linalg.norm(away, axis=1))[:, None]


@pytest.mark.parametrize("degree", [20, 60, 100])
def test_acceleration_matches_pyshtools(degree, evidence):
    """Everywhere, the poles included: where pyshtools cannot go, it turns the field by 90 deg."""
    shtools = pytest.importorskip("pyshtools")
    c, s = _field()
    field = np.zeros((2, degree + 1, degree + 1))
    field[0], field[1] = c[: degree + 1, : degree + 1], s[: degree + 1, : degree + 1]
    field[0, 0, 0] = 1.0
    turn = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    turned = shtools.SHCoeffs.from_array(field).rotate(0, 90, 0, degrees=True).coeffs

    def theirs(place, coefficients):
        r, flat = np.linalg.norm(place), np.hypot(place[0], place[1])
        up, east = place / r, np.array([-place[1], place[0], 0.0]) / flat
        inward, south, along = shtools.gravmag.MakeGravGridPoint(
            coefficients, GRAVITY_GM_KM3_S2, GRAVITY_RADIUS_KM, r,
            np.degrees(np.arctan2(place[2], flat)), np.degrees(np.arctan2(place[1], place[0])),
        )  # fmt: skip
        return inward * up + south * np.cross(east, up) + along * east

    constants = harmonics(degree)
    poles = np.array([[0, 0, 1750], [0, 0, -1750], [0, 0, 1e4], [1e-3, -2e-3, 1800]], dtype=float)
    worst = 0.0
    for place in np.concatenate([_places(1740, 60000, 60), poles]):
        central = -GRAVITY_GM_KM3_S2 / np.linalg.norm(place) ** 3 * place
        ours = central + _acceleration(place, constants)
        if np.hypot(*place[:2]) > 0.1 * abs(place[2]):
            there = theirs(place, field)
        else:
            there = turn.T @ theirs(turn @ place, turned)
        worst = max(worst, np.linalg.norm(ours - there) / np.linalg.norm(there))
    evidence(
        f"lunar gravity to degree {degree}, the poles included", "pyshtools MakeGravGridPoint", 64,
        worst, 1e-12, "relative", "rounding",
    )  # fmt: skip


def test_harmonics_alone_at_the_poles(evidence):
    """At a pole only orders 0 and 1 pull, in closed form; the harmonics without the central term.

    Slopes of the normalised functions there: sqrt(n (n + 1) (2 n + 1) / 2) for order 1.
    """
    c, s = _field()
    n = np.arange(101.0)
    worst = 0.0
    for z in (1740.0, -1740.0, 1850.0, -5000.0):
        side = np.sign(z)
        far = (GRAVITY_RADIUS_KM / abs(z)) ** n * GRAVITY_GM_KM3_S2 / z**2
        slope = np.sqrt(n * (n + 1) * (2 * n + 1) / 2) * side ** (n + 1)
        exact = np.array([
            (far * slope * c[:, 1]).sum(), (far * slope * s[:, 1]).sum(),
            -side * (far * (n + 1) * np.sqrt(2 * n + 1) * side**n * c[:, 0]).sum(),
        ])  # fmt: skip
        ours = _acceleration((0.0, 0.0, z), _whole(harmonics(100)))
        worst = max(worst, np.linalg.norm(ours - exact) / np.linalg.norm(exact))
    evidence(
        "lunar harmonics to degree 100 on the poles", "closed form of orders 0 and 1", 4, worst,
        1e-12, "relative", "rounding",
    )  # fmt: skip


def test_no_degree_exceeds_its_bound():
    """A single degree anywhere on the sphere pulls no more than its bound, and comes near it."""
    c, s = _field()
    bounds = degree_bounds(c, s)
    nearest = []
    for n in (3, 6, 20, 57, 100):
        upper, lower = _whole(harmonics(n)), _whole(harmonics(n - 1))
        pull = [
            np.linalg.norm(_acceleration(p, upper) - _acceleration(p, lower)) / UNIT
            for p in _places(GRAVITY_RADIUS_KM, GRAVITY_RADIUS_KM, 150)
        ]
        assert max(pull) <= bounds[n]
        nearest.append(max(pull) / bounds[n])
    assert min(nearest) > 0.1  # no bound is idle


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1740, 2e5), st.floats(-1, 1), st.floats(0, 6.28), st.sampled_from([8, 20, 60, 100])
)
def test_degrees_left_out_do_not_count(r, height, longitude, degree):
    constants = harmonics(degree)
    flat = np.sqrt(1 - height**2)
    place = r * np.array([flat * np.cos(longitude), flat * np.sin(longitude), height])
    some, all_of_them = _acceleration(place, constants), _acceleration(place, _whole(constants))
    central = GRAVITY_GM_KM3_S2 / r**2
    size = np.linalg.norm(all_of_them)
    assert np.linalg.norm(some - all_of_them) <= NEGLECTED * central + 1e-15 * size
    assert 2 <= needed_degree(r, constants) <= degree


def test_few_degrees_are_needed_far_away():
    constants = harmonics(20)
    needed = [needed_degree(r, constants) for r in (1800.0, 10_000.0, 70_000.0, 400_000.0)]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] == 20
    assert needed[2] <= 8
    assert needed_degree(70_000.0, harmonics(100)) == needed[2]  # what a DRO pays for degree 100
