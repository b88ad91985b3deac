"""Solar pressure: its size, its shadows, the steps at their edges, its part in the matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from orbits.constants import AU_KM, EARTH_RADIUS_KM, GM_MOON_KM3_S2, GM_SUN_KM3_S2
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.forces import SUN_RADIUS_KM, ForceModel, add_lit_gradient, lit_fraction
from orbits.propagate import flow, propagate
from orbits.shadow import find_shadows

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 TDB")
DAY, MOON_KM = 86400.0, 1737.4
POINTS = ForceModel(degree=0, bodies=("sun",))
CRAFT = {"area_m2": 0.02, "mass_kg": 1.0, "cr": 1.5}
LOW = state_from_elements(1937.4, 0.01, 1.4, 0.5, 0.0, 0.0)


def _disc_overlap(sun, body, radius_km, count=2000):
    """The lit part of the disc by brute force: rings of the Sun's disc, each cut by the body's."""
    a = np.arcsin(SUN_RADIUS_KM / np.linalg.norm(sun))
    b = np.arcsin(radius_km / np.linalg.norm(body))
    apart = math.atan2(np.linalg.norm(np.cross(sun, body)), float(sun @ body))
    ring = a * np.sqrt((np.arange(count) + 0.5) / count)  # of equal area
    cosine = (ring**2 + apart**2 - b**2) / np.maximum(2 * ring * apart, 1e-300)
    return 1 - (np.arccos(np.clip(cosine, -1, 1)) / np.pi).mean()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 2.2), st.sampled_from([("moon", 2000), ("moon", 9e5), ("earth", 350000)]))
def test_lit_fraction_is_the_area_seen(place, case):
    """Flat discs, as on Montenbruck and Gill's page: whole, partial, ring and hidden."""
    name, distance = case
    radius = {"moon": MOON_KM, "earth": EARTH_RADIUS_KM}[name]
    apart = (math.asin(radius / distance) + 0.00465) * place
    sun = np.array([AU_KM, 0.0, 0.0])
    body = distance * np.array([math.cos(apart), math.sin(apart), 0.0])
    ours = lit_fraction(*sun, *body, radius)
    if place >= 1.01:
        assert ours == 1.0
    assert ours == pytest.approx(_disc_overlap(sun, body, radius), abs=2e-3)


def test_shadow_contacts_lie_on_the_tangent_cones():
    """The umbra's and the penumbra's cones, built from lines that touch both spheres."""
    sun = np.array([AU_KM, 0.0, 0.0])
    for radius, behind in ((MOON_KM, 3000.0), (EARTH_RADIUS_KM, 380000.0)):
        for sign, contact in ((-1, 0.0), (1, 1.0)):  # touched on one side, and across
            slope = math.asin((SUN_RADIUS_KM + sign * radius) / AU_KM)
            edge = (radius + sign * behind * math.sin(slope)) / math.cos(slope)
            lit = []
            for height in (edge - 1e-3, edge + 1e-3):
                craft = np.array([-behind, height, 0.0])
                lit.append(lit_fraction(*(sun - craft), *-craft, radius))
            assert lit[0] < lit[1]
            assert contact in lit


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 0.98), st.floats(0, 6.28),
    st.sampled_from([(MOON_KM, 2000.0), (MOON_KM, 9e5), (EARTH_RADIUS_KM, 350000.0)]),
)  # fmt: skip
def test_fading_is_the_derivative_of_the_light(part, turn, case):
    radius, distance = case
    sun = np.array([AU_KM, 0.0, 0.0])
    a, b = math.asin(SUN_RADIUS_KM / AU_KM), math.asin(radius / distance)
    apart = abs(b - a) + part * (a + b - abs(b - a))
    off = math.sin(apart) * np.array([0.0, math.cos(turn), math.sin(turn)])
    body = distance * (np.array([math.cos(apart), 0.0, 0.0]) + off)
    fade = np.zeros(3)
    add_lit_gradient(*sun, *body, radius, 1.0, fade)
    step = 1e-4 * radius * 0.005
    slope = [
        (lit_fraction(*(sun - e), *(body - e), radius) - lit_fraction(*(sun + e), *(body + e), radius))
        / (2 * step)
        for e in step * np.eye(3)
    ]  # fmt: skip
    assert np.linalg.norm(fade - slope) < 1e-4 * np.linalg.norm(fade)
    assert np.linalg.norm(fade) > 0


def test_steps_end_at_the_edges_of_shadow(evidence):
    """Three passes through the Moon's shadow against short steps of another integrator.

    Steps across the edges would cost 9 mm here. The equations are the test's own.
    """
    t = np.linspace(-600.0, DAY, 200)
    where = DE440.state("sun", "moon", START, t)[:, :3]
    sun = [np.polynomial.Polynomial.fit(t, column, 8) for column in where.T]
    push = 4.56e-6 * CRAFT["cr"] * CRAFT["area_m2"] / CRAFT["mass_kg"] * 1e-3 * AU_KM**2

    def force(t, y):
        s = np.array([p(t) for p in sun])
        d = s - y[:3]
        size = math.sqrt(d @ d)
        lit = lit_fraction(*d, *-y[:3], MOON_KM)
        pull = -GM_MOON_KM3_S2 * y[:3] / math.sqrt(y[:3] @ y[:3]) ** 3
        pull = pull + GM_SUN_KM3_S2 * (d / size**3 - s / math.sqrt(s @ s) ** 3)
        return np.r_[y[3:], pull - push * lit * d / size**3]

    span = 0.25 * DAY
    theirs = solve_ivp(
        force, (0, span), LOW, method="DOP853", rtol=1e-13, atol=1e-12, max_step=10.0
    ).y[:, -1]  # fmt: skip
    ours = propagate(LOW, START, [0.0, span], POINTS, DE440, **CRAFT)
    evidence(
        "solar pressure through shadow, low orbit 6 h", "scipy DOP853, 10 s steps, own equations",
        1, np.linalg.norm(ours.states[1, :3] - theirs[:3]) * 1e6, 2.0, "mm",
        "steps of 10 s across the edges; without stopping at them it is 9 mm",
    )  # fmt: skip
    free = propagate(LOW, START, [0.0, span], POINTS, DE440)
    shift = np.linalg.norm(ours.states[1, :3] - free.states[1, :3])
    assert shift > 1e-3  # km: the pressure is felt
    open_sky = ForceModel(degree=0, bodies=("sun",), shadow=False)
    bright = propagate(LOW, START, [0.0, span], open_sky, DE440, **CRAFT)
    assert np.linalg.norm(ours.states[1, :3] - bright.states[1, :3]) > 1e-4


def test_steps_end_at_the_edges_of_the_earths_shadow():
    """Lunar eclipse of 2025-03-14: long steps of a far craft behind the Earth, and short ones.

    A tolerance a hundred times finer finds the same place to 0.1 mm; steps across the edges are 3 mm off.
    """
    epoch = Epoch.parse("2025-03-14T06:58:00 UTC")
    moon = DE440.state("moon", "earth", epoch, 0.0)
    toward = -moon[:3] / np.linalg.norm(moon[:3])
    across = np.cross(moon[:3], moon[3:])
    across = np.cross(across, toward) / np.linalg.norm(across)
    dro = np.r_[70_000.0 * toward, 0.55 * across]  # near side of a retrograde orbit
    model, span = ForceModel(degree=0), np.array([-1.5 * DAY, 0.0, 1.5 * DAY])
    t = np.arange(span[0], span[2] + 1, 300.0)
    flown = propagate(dro, epoch, t, model, DE440, **CRAFT)
    eclipses = find_shadows(flown, DE440, ["earth"], light_time=False)
    assert len(eclipses.penumbra["earth"]) == 1
    assert len(eclipses.umbra["earth"]) == 1
    table = DE440.table(epoch, span[0], span[2])
    start = flown.states[0]
    ends = [
        flow(start, span[0], span[2], epoch, table, model, stm=False, rtol=rtol, **CRAFT)[0][0]
        for rtol in (1e-12, 1e-14)
    ]
    assert np.linalg.norm((ends[0] - ends[1])[:3]) < 1e-7
    dull = flow(
        start, span[0], span[2], epoch, table, ForceModel(degree=0, shadow=False), stm=False,
        **CRAFT,
    )[0][0]  # fmt: skip
    assert np.linalg.norm((ends[0] - dull)[:3]) > 1e-2  # the eclipse is felt


def test_output_rows_do_not_move_the_path():
    """Steps cut at edges give the same states with rows each minute as with two."""
    t = np.arange(0.0, DAY + 1, 60.0)
    fine = propagate(LOW, START, t, POINTS, DE440, **CRAFT)
    ends = propagate(LOW, START, t[[0, -1]], POINTS, DE440, **CRAFT)
    assert np.array_equal(fine.states[-1], ends.states[-1])
    back = propagate(ends.states[-1], START, t[[0, -1]], POINTS, DE440, t0_s=t[-1], **CRAFT)
    assert np.linalg.norm(back.states[0, :3] - LOW[:3]) < 1e-5
    assert len(find_shadows(fine, DE440, ["moon"], light_time=False).penumbra["moon"]) >= 10


@pytest.mark.parametrize("degree", [0, 20])
def test_transition_matrix_holds_the_pressure(degree):
    """Against differences of whole flights, with light that fades in penumbra and without."""
    model = ForceModel(degree=degree)
    sail = {"area_m2": 20.0, "mass_kg": 1.0, "cr": 1.5}
    table = DE440.table(START, 0.0, DAY)
    lit = find_shadows(
        propagate(LOW, START, np.arange(0.0, 9000.0, 30.0), model, DE440, **sail), DE440, ["moon"],
        light_time=False,
    )  # fmt: skip
    begin, inner = lit.penumbra["moon"].pairs()[0][0], lit.umbra["moon"].pairs()[0][0]
    step = np.repeat([3e-4, 3e-7], 3)
    for span in (0.5 * (begin + inner), inner + 300.0):  # within the penumbra, and past it
        _, phi = flow(LOW, 0.0, span, START, table, model, **sail)
        _, dull = flow(LOW, 0.0, span, START, table, model)
        moved = np.concatenate([LOW + np.diag(step), LOW - np.diag(step)])
        ends, _ = flow(moved, 0.0, span, START, table, model, stm=False, rtol=1e-14, **sail)
        slope = ((ends[:6] - ends[6:]) / (2 * step[:, None])).T
        assert phi is not None
        assert dull is not None
        assert np.abs(slope - phi[0]).max() < 1e-6 * np.abs(slope).max()
        unit = np.repeat([1.0, 1e3], 3)  # km and m/s
        miss = np.abs((slope - phi[0]) * unit[:, None] / unit).max()
        share = np.abs((slope - dull[0]) * unit[:, None] / unit).max()
        assert share > 20 * miss  # what the pressure does to the matrix is seen, and is right


def test_solar_pressure_pushes_from_the_sun():
    start, t, model = np.array([7e4, 0, 0, 0, -0.3, 0.1]), np.array([0.0, 600.0]), POINTS
    free = propagate(start, START, t, model, DE440)
    pushed = propagate(start, START, t, model, DE440, area_m2=20.0, mass_kg=1.0, cr=1.5)
    sun = DE440.state("sun", "moon", START, 300.0)[:3] - start[:3]
    size = 4.56e-6 * 1.5 * 20.0 * (AU_KM / np.linalg.norm(sun)) ** 2 * 1e-3
    change = (pushed.states - free.states)[1, 3:] / 600.0
    assert np.allclose(change, -size * sun / np.linalg.norm(sun), atol=1e-4 * size)
    with pytest.raises(InputError, match="mass_kg"):
        propagate(start, START, t, model, DE440, area_m2=20.0)


def test_shadow_at_known_places():
    sun, moon = np.array([AU_KM, 0.0, 0.0]), 1737.4
    assert lit_fraction(*sun, -5000.0, 0.0, 0.0, moon) == 1.0  # body behind
    assert lit_fraction(*sun, 5000.0, 0.0, 0.0, moon) == 0.0  # umbra
    assert lit_fraction(*sun, 5000.0, 3000.0, 0.0, moon) == 1.0
    far = lit_fraction(*sun, 800000.0, 0.0, 0.0, moon)  # antumbra: ring of Sun left
    apparent = (moon / 800000.0) / (SUN_RADIUS_KM / AU_KM)
    assert far == pytest.approx(1 - apparent**2, rel=1e-4)
    limb = 5000.0 * math.tan(math.asin(moon / 5000.0))  # limb of the body through the Sun's centre
    angles = math.asin(moon / 5000.0)
    half = lit_fraction(*sun, 5000.0 * math.cos(angles), 5000.0 * math.sin(angles), 0.0, moon)
    assert limb > 0
    assert half == pytest.approx(0.5, abs=0.01)
    edge = [lit_fraction(*sun, 5000.0, y, 0.0, moon) for y in np.linspace(1800, 1900, 400)]
    assert (np.diff(edge) >= 0).all()
    assert max(np.diff(edge)) < 0.05
