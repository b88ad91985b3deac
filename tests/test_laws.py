"""Laws that any flight keeps: energy, the symplectic form, time reversal, rigid axes."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orbits.constants import (
    AU_KM,
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
    SOLAR_PRESSURE_N_M2,
)
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.forces import ForceModel
from orbits.frames import FRAMES, rotation_and_rate
from orbits.gravity import (
    GRAVITY_GM_KM3_S2,
    GRAVITY_RADIUS_KM,
    harmonic_sums,
    harmonics,
    scratch,
)
from orbits.propagate import flow, propagate
from tests.quadrupoles import about_the_moon, earth_shape, moon_shape

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 UTC")
DAY = 86400.0
SAIL = {"area_m2": 5.0, "mass_kg": 1.0, "cr": 1.4}
MASSES = {
    "earth": GM_EARTH_KM3_S2, "sun": GM_SUN_KM3_S2,
    "jupiter": GM_JUPITER_KM3_S2, "venus": GM_VENUS_KM3_S2,
}  # fmt: skip
orbits = st.tuples(
    st.floats(2500, 40000), st.floats(0, 0.25), st.floats(0, 3.1), st.floats(0, 6.28),
    st.floats(0, 6.28), st.floats(0, 6.28),
)  # fmt: skip


def _norms(x):
    return np.linalg.norm(x, axis=1, keepdims=True)


def _perturbations(t, r, degree):
    """Accelerations (N, 3) in km/s2 on ICRF axes by all but the Moon as a point."""
    total = np.zeros_like(r)
    for body, gm in MASSES.items():
        s = DE440.state(body, "moon", START, t)[:, :3]
        d = s - r
        total += gm * (d / _norms(d) ** 3 - s / _norms(s) ** 3)
        if body == "sun":
            push = SOLAR_PRESSURE_N_M2 * SAIL["cr"] * SAIL["area_m2"] / SAIL["mass_kg"] * 1e-3
            total -= push * AU_KM**2 * d / _norms(d) ** 3
    axes, constants, out = (
        rotation_and_rate("MOON_PA", START, t, DE440)[0],
        harmonics(degree),
        np.zeros(8),
    )
    earth = DE440.state("earth", "moon", START, t)[:, :3]
    total += about_the_moon(r, earth, earth_shape(START), moon_shape(axes))
    for k, (x, y, z) in enumerate(np.einsum("nij,nj->ni", axes, r)):
        harmonic_sums(x, y, z, GRAVITY_RADIUS_KM, constants, False, scratch(), out)
        total[k] += axes[k].T @ out[:3] * GRAVITY_GM_KM3_S2 / GRAVITY_RADIUS_KM**2
    return total


@settings(max_examples=15, deadline=None)
@given(orbits, st.sampled_from([2, 8, 20]), st.floats(0.02, 0.5))
def test_energy_changes_by_the_work_of_the_perturbations(elements, degree, turns):
    """E = v^2/2 - GM/r, and dE/dt = v . a for all accelerations but the Moon's as a point."""
    start = state_from_elements(*elements)
    span = turns * 2 * np.pi * np.sqrt(elements[0] ** 3 / GRAVITY_GM_KM3_S2)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = np.concatenate([[0.0], 0.5 * span * (nodes + 1), [span]])
    model = ForceModel(degree=degree, shadow=False)
    flown = propagate(start, START, t, model, DE440, rtol=1e-13, **SAIL).states
    energy = 0.5 * _norms(flown[:, 3:]) ** 2 - GRAVITY_GM_KM3_S2 / _norms(flown[:, :3])
    inner = flown[1:-1]
    power = (_perturbations(t[1:-1], inner[:, :3], degree) * inner[:, 3:]).sum(axis=1)
    work = 0.5 * span * weights @ power
    change = float(energy[-1, 0] - energy[0, 0])
    scale = 0.5 * span * weights @ np.abs(power)
    assert abs(change - work) < 1e-8 * scale + 2e-13
    assert scale > 1e-7  # against which the law is tested: 1e6 times the tolerance


@settings(max_examples=15, deadline=None)
@given(orbits, st.floats(-3, 3), st.sampled_from([0, 2, 8, 30]), st.booleans())
def test_flight_is_reversible_and_symplectic(elements, days, degree, sail):
    """The pressure of whole sunlight has a potential too; momenta are canonical on ICRF axes."""
    assume(abs(days) > 0.01)
    start = state_from_elements(*elements)
    model = ForceModel(degree=degree, shadow=False)
    craft = SAIL if sail else {}
    table = DE440.table(START, -3 * DAY, 3 * DAY)
    end, phi = flow(start, 0.0, days * DAY, START, table, model, **craft)
    back, _ = flow(end, days * DAY, 0.0, START, table, model, stm=False, **craft)
    assert np.linalg.norm(back[0, :3] - start[:3]) < 1e-3
    j = np.block([[np.zeros((3, 3)), np.eye(3)], [-np.eye(3), np.zeros((3, 3))]])
    assert phi is not None
    m, scale = phi[0], np.repeat([1.0, 1e3], 3)  # lengths in km, speeds in m/s: equal sizes
    m = m * scale[:, None] / scale
    miss = np.abs(m.T @ j @ m - j).max()
    assert miss < 1e-9 * max(1.0, np.abs(m).max() ** 2)
    bent = m.copy()
    bent[3] += 1e-7 * np.abs(m).max() * np.array([0, 1, 0, 0, 0, 0])  # what breaks the law is seen
    assert np.abs(bent.T @ j @ bent - j).max() > miss


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FRAMES), st.floats(-3e9, 6e8))
def test_axes_stay_rigid(frame, t):
    """R R^T = 1, det R = 1, and R^T dR/dt is antisymmetric, at any instant of the data."""
    matrix, rate = rotation_and_rate(frame, START, np.array([t]), DE440)
    m, turning = matrix[0], matrix[0].T @ rate[0]
    assert np.abs(m @ m.T - np.eye(3)).max() < 1e-11
    assert abs(np.linalg.det(m) - 1) < 1e-11
    assert np.abs(turning + turning.T).max() < 1e-14
    assert (np.abs(turning).max() > 0) == (not frame.endswith("_ICRF"))
