"""The three-body problem against JPL's database and an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orbits.cr3bp import EARTH_MOON, jacobi, libration_points
from orbits.errors import InputError
from orbits.propagate import cr3bp_flow, cr3bp_path

MU, LU = EARTH_MOON.mu, EARTH_MOON.lu_km
JPL = "JPL Three-Body Periodic Orbits database"


def test_constants_and_libration_points(validation, evidence):
    case = validation("cr3bp_orbits.yaml", "constants")
    expected = case["expected"]
    points = libration_points(case["inputs"]["mu"])
    misses = [points[k, 0] - expected[f"L{k + 1}_x"] for k in range(3)]
    misses += [*(points[3] - expected["L4"]), *(points[4] - expected["L5"])]
    assert 2 * np.pi * EARTH_MOON.tu_days == pytest.approx(expected["two_pi_TU_days"], abs=1e-8)
    evidence(
        "libration points", JPL, 5, np.abs(misses).max(), case["tolerance"]["abs"], "LU",
        case["tolerance"]["reason"],
    )  # fmt: skip


def _orbits(validation):
    return [
        c for c in validation("cr3bp_orbits.yaml")["cases"] if "propagate_for_TU" in c["inputs"]
    ]


def _start(case):
    x, z, vy = (case[k] for k in ("x0", "z0", "vy0"))
    return np.array([x, 0.0, z, 0.0, vy, 0.0])


def _index(monodromy):
    largest = np.abs(np.linalg.eigvals(monodromy)).max()
    return (largest + 1 / largest) / 2


def _extremes(state, period):
    path = cr3bp_path(state, np.linspace(0.0, period, 20001))
    away = path[:, :3] - [1 - MU, 0, 0]
    distance = np.linalg.norm(away, axis=1) * LU
    return distance.min(), distance.max(), np.abs(path[:, 2]).max() * LU


def test_published_orbits_close(validation, evidence):
    cases = _orbits(validation)
    assert len(cases) >= 15
    closure = jacobi_miss = index_miss = distance_miss = 0.0
    for case in cases:
        state, period = _start(case["inputs"]), case["inputs"]["propagate_for_TU"]
        expected, allowed = case["expected"], case["tolerance"]
        ends, monodromy = cr3bp_flow(state, period)
        miss = np.abs(ends[0] - state).max() / expected["closure_TU_units_max"]
        closure = max(closure, miss)
        jacobi_miss = max(
            jacobi_miss, abs(float(jacobi(state)) - expected["jacobi_C"]) / allowed["jacobi_C"]
        )
        index = abs(_index(monodromy[0]) / expected["stability_index"] - 1)
        index_miss = max(index_miss, index / allowed.get("stability_index_relative", 1e-5))
        least, most, height = _extremes(state, period)
        for value, key in (
            (least, "r_min_moon_km"),
            (most, "r_max_moon_km"),
            (height, "z_abs_max_km"),
        ):
            miss = abs(value - expected[key])
            distance_miss = max(distance_miss, miss / allowed.get(key, 0.1))
    n = len(cases)
    why = "of each case's own tolerance; round-off grows with instability"
    evidence("CR3BP orbits close after a period", JPL, n, closure, 1.0, "tolerances", why)
    evidence("Jacobi constants", JPL, n, jacobi_miss, 1.0, "tolerances", why)
    evidence("stability indices", JPL, n, index_miss, 1.0, "tolerances", why)
    evidence(
        "least and greatest distances from the Moon", JPL, n, distance_miss, 1.0, "tolerances", why
    )


def test_halo_family_rows_close(validation, evidence):
    table = validation("jpl_l2s_halo_every25.json")
    rows, allowed = table["rows"], table["tolerance"]
    states = np.array([_start(r) for r in rows])
    periods = np.array([r["period_TU"] for r in rows])
    ends, monodromy = cr3bp_flow(states, periods)
    closure = np.abs(ends - states).max()
    miss = np.abs(jacobi(states) - [r["jacobi_C"] for r in rows]).max()
    assert miss <= allowed["jacobi_C"]
    index = max(
        abs(_index(m) / r["stability_index"] - 1) for m, r in zip(monodromy, rows, strict=True)
    )
    assert index <= allowed["stability_index_relative"]
    evidence(
        "L2 southern halo family closes after a period", JPL, len(rows), closure,
        allowed["closure_after_one_period"], "LU", allowed["reason"],
    )  # fmt: skip


def test_transition_matrix(validation, evidence):
    case = validation("cr3bp_orbits.yaml", "stm_planar_dro_like")
    given_, expected, allowed = case["inputs"], case["expected"], case["tolerance"]
    ends, phi = cr3bp_flow(given_["state0"], given_["t_TU"], given_["mu"])
    assert np.abs(ends[0] - expected["state_t"]).max() <= allowed["state_abs"]
    assert abs(np.linalg.det(phi[0]) - 1) <= allowed["det_abs"]
    evidence(
        "state-transition matrix", "variational equations, kshana fixture", 36,
        np.abs(phi[0] - expected["phi_rows"]).max(), allowed["phi_element_abs"], "nondimensional",
        allowed["reason"],
    )  # fmt: skip


near = st.floats(-0.3, 0.3)


@settings(max_examples=25, deadline=None)
@given(near, near, near, near, near, near, st.floats(0.1, 2.0))
def test_laws_hold(x, y, z, vx, vy, vz, t):
    state = np.array([0.7 + x, 0.35 + y, z, vx, vy, vz])
    times = np.linspace(-t, t, 9)
    path = cr3bp_path(state, times)
    primaries = ([-MU, 0, 0], [1 - MU, 0, 0])
    closest = min(np.linalg.norm(path[:, :3] - c, axis=1).min() for c in primaries)
    assume(closest > 0.03)  # in a close pass the constant is a difference of large numbers
    assert np.abs(jacobi(path) - jacobi(state)).max() < 1e-10  # Jacobi's integral
    ends, phi = cr3bp_flow(state, t)
    assert np.allclose(ends[0], path[-1], atol=1e-10)
    back, _ = cr3bp_flow(ends[0], -t, stm=False)
    assert np.abs(back[0] - state).max() < 1e-9 * max(1.0, np.abs(phi[0]).max())
    # symplectic in canonical momenta p = v + omega x r
    shift = np.eye(6)
    shift[3, 1], shift[4, 0] = -1.0, 1.0
    m = shift @ phi[0] @ np.linalg.inv(shift)
    j = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    assert np.abs(m.T @ j @ m - j).max() < 1e-8 * max(1.0, np.abs(m).max() ** 2)


def test_mirror_symmetry():
    state = np.array([0.85, 0.05, 0.02, 0.1, 0.3, -0.05])
    mirror = np.array([1, -1, 1, -1, 1, -1])
    ahead, _ = cr3bp_flow(state, 0.8, stm=False)
    behind, _ = cr3bp_flow(state * mirror, -0.8, stm=False)
    assert np.abs(ahead[0] - behind[0] * mirror).max() < 1e-11


def test_batches_and_units():
    state = np.array([0.80822556640782, 0, 0, 0, 0.5164575169597657, 0])
    states, times = np.tile(state, (20, 1)), np.linspace(0.1, 3.0, 20)
    ends, none = cr3bp_flow(states, times, stm=False)
    assert none is None
    assert np.abs(ends - cr3bp_path(state, times)).max() < 1e-11
    assert np.allclose(EARTH_MOON.to_nd(EARTH_MOON.to_km(states)), states)
    assert EARTH_MOON.vu_km_s == pytest.approx(1.0175517078536906, rel=1e-12)


def test_faults():
    with pytest.raises(InputError):
        cr3bp_path(np.zeros(6), [1.0, 0.5])
    with pytest.raises(InputError):
        cr3bp_flow([np.nan] * 6, 1.0)
