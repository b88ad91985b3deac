"""Flight in the force model against published arcs, other integrators and frozen-orbit tables."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from orbits.constants import (
    AU_KM,
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_MOON_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
)
from orbits.elements import (
    elements_from_state,
    on_frozen_axes,
    state_from_elements,
    to_frozen_axes,
)
from orbits.ephemeris import COLUMNS, EARTH, BodyTable, De440
from orbits.epoch import Epoch
from orbits.errors import EscapeError, ImpactError, InputError, SpanError
from orbits.forces import ForceModel
from orbits.frames import earth_moon_distance, rotation, transform
from orbits.gravity import (
    GRAVITY_GM_KM3_S2,
    GRAVITY_RADIUS_KM,
    harmonic_sums,
    harmonics,
    scratch,
)
from orbits.propagate import flow, propagate, propagate_many
from tests.quadrupoles import about_the_moon, earth_shape, moon_shape

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 UTC")
DAY = 86400.0
POINTS = ForceModel(degree=0, bodies=("earth", "sun"), srp=False)


def _scaled(state_nd):
    """A CR3BP state as the ephemeris has it at START: instantaneous distance and rate."""
    distance, rate = earth_moon_distance(START, 0.0, DE440)
    moon = DE440.state("moon", "earth", START, 0.0)
    turn = np.linalg.norm(np.cross(moon[:3], moon[3:])) / distance**2
    s = np.array(state_nd)
    km = np.r_[s[:3] * distance, s[3:] * distance * turn + s[:3] * rate]
    return transform(km, "EARTH_MOON_ROTATING", "MOON_ICRF", START, 0.0, DE440)


def _orbits():
    dro = _scaled([0.80822556640782, 0, 0, 0, 0.5164575169597657, 0])
    nrho = _scaled([1.0196625817475922, 0, -0.18041918731575562, 0, -0.09805982467069076, 0])
    frozen = state_from_elements(9750.73, 0.7, math.radians(57.0), 0.0, math.pi / 2, 0.0)
    elfo = on_frozen_axes(frozen, "MOON_OP", START, 0.0, DE440)
    return {"dro": dro, "nrho": nrho, "elfo": elfo}


def test_published_arc(validation, evidence):
    case = validation("ephemeris_nbody.yaml", "nbody_moon_earth_sun_7d")
    data = case["inputs"]
    scale = np.repeat([data["DU_km"], data["VU_km_s"]], 3)
    start = np.array([1.0, 0.0, 0.3, 0.5, 1.0, 0.0]) * scale
    epoch = Epoch.parse("2020-01-01T00:00:00 UTC")
    flown = propagate(start, epoch, [0.0, 7 * DAY], POINTS, DE440)
    canonical = np.array(case["expected"]["final_state_canonical"])
    assert (
        np.linalg.norm(flown.states[1] / scale - canonical) <= case["tolerance"]["canonical_norm"]
    )
    miss = np.linalg.norm(flown.states[1, :3] - (canonical * scale)[:3]) * 1e3
    evidence(
        "Moon, Earth and Sun, 7 days", "HighFidelityEphemerisModel.jl (SPICE, rtol 1e-12)", 1, miss,
        case["tolerance"]["position_m"], "m", case["tolerance"]["reason"],
    )  # fmt: skip


def _independent(start, days, rtol=1e-13, degree=0):
    """The same arc by scipy's DOP853 with its own right-hand side and splined DE440 positions."""
    from scipy.integrate import solve_ivp
    from scipy.interpolate import CubicHermiteSpline

    t = np.arange(-1800.0, days * DAY + 1801, 900.0)
    masses = {
        "earth": GM_EARTH_KM3_S2, "sun": GM_SUN_KM3_S2,
        "jupiter": GM_JUPITER_KM3_S2, "venus": GM_VENUS_KM3_S2,
    }  # fmt: skip
    states = [DE440.state(b, "moon", START, t) for b in masses]
    where = CubicHermiteSpline(
        t, np.stack([s[:, :3] for s in states], 1), np.stack([s[:, 3:] for s in states], 1)
    )
    gm = np.array(list(masses.values()))[:, None]
    turn = None
    if degree:
        axes = rotation("MOON_PA", START, t, DE440)
        turn = CubicHermiteSpline(t, axes, np.gradient(axes, t, axis=0, edge_order=2))

    def force(t, y):
        s = where(t)
        d = s - y[:3]
        pull = gm * (
            d / np.linalg.norm(d, axis=1, keepdims=True) ** 3
            - s / np.linalg.norm(s, axis=1, keepdims=True) ** 3
        )
        own = GM_MOON_KM3_S2 if not degree else GRAVITY_GM_KM3_S2
        a = -own * y[:3] / np.linalg.norm(y[:3]) ** 3 + pull.sum(axis=0)
        if turn is not None:
            m = turn(t)
            a = a + m.T @ _spherical_acceleration(m @ y[:3], degree)
            a = a + about_the_moon(y[:3], s[0], earth_shape(START), moon_shape(m))
        return np.r_[y[3:], a]

    done = solve_ivp(force, (0, days * DAY), start, method="DOP853", rtol=rtol, atol=1e-9)
    return done.y[:, -1]


def _coefficients(degree):
    from importlib.resources import files

    lines = files("orbits").joinpath("data/moon_gravity_grgm360.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if line[0].isdigit()]
    return [(int(n), int(m), float(c), float(s)) for n, m, c, s in rows if int(n) <= degree]


def _spherical_acceleration(r, degree):
    """Harmonics by Legendre functions in latitude and longitude: another way round."""
    from scipy.special import assoc_legendre_p_all

    x, y, z = r
    distance, flat = np.linalg.norm(r), math.hypot(x, y)
    u = z / distance
    values, slopes = assoc_legendre_p_all(degree, degree, u, diff_n=1)
    by_r = by_lat = by_lon = 0.0
    lon = math.atan2(y, x)
    for n, m, c, s in _coefficients_cached(degree):
        k = (1 if m == 0 else 2) * (2 * n + 1) * math.factorial(n - m) / math.factorial(n + m)
        norm = math.sqrt(k) * (-1) ** m
        far = GRAVITY_GM_KM3_S2 / distance * (GRAVITY_RADIUS_KM / distance) ** n * norm
        wave = c * math.cos(m * lon) + s * math.sin(m * lon)
        by_r -= (n + 1) / distance * far * values[n, m] * wave
        by_lat += far * slopes[n, m] * wave * flat / distance
        by_lon += far * values[n, m] * m * (s * math.cos(m * lon) - c * math.sin(m * lon))
    up = r / distance
    north = np.array([-z * x / flat, -z * y / flat, flat]) / distance
    east = np.array([-y, x, 0.0]) / flat
    return by_r * up + by_lat / distance * north + by_lon / flat * east


_kept: dict = {}


def _coefficients_cached(degree):
    if degree not in _kept:
        _kept[degree] = _coefficients(degree)
    return _kept[degree]


def test_point_mass_arcs_match_another_integrator(evidence):
    worst = 0.0
    for name, days in (("dro", 30.0), ("nrho", 14.0), ("elfo", 7.0)):
        start = _orbits()[name]
        ours = propagate(start, START, [0.0, days * DAY], ForceModel.point_mass(), DE440)
        theirs = _independent(start, days)
        worst = max(worst, np.linalg.norm(ours.states[1, :3] - theirs[:3]) * 1e3)
    evidence(
        "DRO 30 d, NRHO 14 d, ELFO 7 d, point masses", "scipy DOP853, own equations, rtol 1e-13", 3,
        worst, 1.0, "m", "two integrators at 1e-12 and 1e-13",
    )  # fmt: skip


def test_harmonics_match_legendre_functions(evidence):
    rng = np.random.default_rng(3)
    degree, worst = 20, 0.0
    field = harmonics(degree)
    work, out = scratch(), np.zeros(8)
    for _ in range(20):
        r = rng.normal(size=3)
        r *= rng.uniform(1800, 4000) / np.linalg.norm(r)
        harmonic_sums(*r, GRAVITY_RADIUS_KM, field, True, work, out)
        ours = out[:3] * GRAVITY_GM_KM3_S2 / GRAVITY_RADIUS_KM**2
        theirs = _spherical_acceleration(r, degree)
        worst = max(worst, np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    evidence(
        "lunar gravity, degree and order 20", "Legendre functions of scipy in latitude and longitude",
        20, worst, 1e-11, "relative", "double precision of associated Legendre functions",
    )  # fmt: skip


@pytest.mark.parametrize("degree", [8, 100])
def test_gravity_gradient_and_poles(degree):
    field = harmonics(degree)
    work, out, other = scratch(), np.zeros(8), np.zeros(8)
    for r in ([900.0, -1200.0, 1100.0], [0.0, 0.0, -1850.0], [1e-9, 0.0, 1850.0]):
        harmonic_sums(*r, GRAVITY_RADIUS_KM, field, True, work, out)
        gradient = np.empty((3, 3))
        for axis in range(3):
            ends = []
            for sign in (1, -1):
                moved = np.array(r) + sign * 0.01 * np.eye(3)[axis]
                harmonic_sums(*moved, GRAVITY_RADIUS_KM, field, False, work, other)
                ends.append(other[:3].copy())
            gradient[axis] = (ends[0] - ends[1]) / 0.02 * GRAVITY_RADIUS_KM
        xx, xy, xz, yy, yz = out[3:8]
        exact = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, -xx - yy]])
        assert np.abs(gradient - exact).max() < 1e-6 * np.abs(exact).max()


@pytest.mark.filterwarnings("ignore")
def test_month_long_arcs_match_heyoka(evidence):
    """Taylor series at machine precision, with the forces written as heyoka's own expressions."""
    pytest.importorskip("heyoka")
    path = Path(__file__).parents[1] / "benchmarks" / "bench_propagate.py"
    bench = SimpleNamespace(**runpy.run_path(str(path)))
    model = ForceModel(degree=20, srp=False)
    states, t = bench.start_states(), bench.T
    exact, lanes = bench.heyoka_flight(model, 0.0)
    many = np.array(list(states.values()))[np.arange(lanes) % 3]
    theirs = np.moveaxis(exact(many.T), 2, 0)
    assert t[-1] == 30 * DAY
    worst = 0.0
    for k, state in enumerate(states.values()):
        ours = propagate(state, bench.START, t, model, DE440).states
        worst = max(worst, np.linalg.norm((ours - theirs[k])[:, :3], axis=1).max() * 1e3)
    evidence(
        "DRO, NRHO, ELFO 30 d each minute, degree 20, four bodies", "heyoka at machine precision", 3,
        worst, 1.0, "m", "the default tolerance of 1e-12; at 1e-13 it is 1 cm",
    )  # fmt: skip


def _near_the_earth():
    """A circle of 80,000 km about the Earth, seen from the Moon, where the Earth's bulge counts."""
    state = state_from_elements(80000.0, 0.0, math.radians(55.0), 0.3, 0.0, 0.5, GM_EARTH_KM3_S2)
    return state + DE440.state("earth", "moon", START, 0.0)


def test_full_field_arc_matches_another_integrator(evidence):
    start = state_from_elements(3000.0, 0.1, 1.2, 0.4, 0.2, 0.0)
    worst = 0.0
    arcs = ((start, 1.0, 5), (_orbits()["dro"], 30.0, 2), (_near_the_earth(), 1.0, 2))
    for state, days, degree in arcs:
        ours = propagate(state, START, [0.0, days * DAY], ForceModel(degree=degree), DE440)
        theirs = _independent(state, days, 1e-12, degree)
        worst = max(worst, np.linalg.norm(ours.states[1, :3] - theirs[:3]) * 1e3)
    evidence(
        "low orbit 1 d, DRO 30 d, 80,000 km about the Earth 1 d; harmonics, bodies, Earth's J2",
        "scipy DOP853, Legendre functions, own equations", 3, worst, 0.1, "m", "splined body axes",
    )  # fmt: skip


def _frozen_elements(states, epoch, t, frame):
    return elements_from_state(to_frozen_axes(states, frame, epoch, t, DE440))


class CircularEarth:
    """The Earth on a circle of 384,400 km in the orbit plane of an epoch, on its x axis then."""

    def __init__(self, epoch):
        self.axes = rotation("MOON_OP", epoch, 0.0, DE440)
        self.rate = math.sqrt((GM_EARTH_KM3_S2 + GM_MOON_KM3_S2) / 384400.0**3)

    def table(self, epoch, start_s, end_s):
        def columns(t):
            out = np.zeros((t.size, COLUMNS))
            turn = np.stack([np.cos(self.rate * t), np.sin(self.rate * t), 0 * t], axis=1)
            out[:, EARTH : EARTH + 3] = 384400.0 * turn @ self.axes
            out[:, 3] = AU_KM
            return out

        return BodyTable.fit(epoch, start_s, end_s, columns)


_ELY = {
    "ely_case_1": ForceModel(degree=0, bodies=("earth",)),
    "ely_case_2": ForceModel(degree=0, bodies=("earth",)),
    "ely_case_3": ForceModel(degree=7, order=0, bodies=("earth", "sun")),
    "ely_case_5": ForceModel(degree=8, bodies=("earth", "sun")),
    "ely_case_6": ForceModel(degree=8, bodies=("earth", "sun")),
}


def _fly_ely(case, step=1800.0):
    epoch = Epoch.parse("2009-07-15T01:00:00 TDB")
    orbit = state_from_elements(6541.4, 0.6, math.radians(56.2), 0.0, math.pi / 2, 0.0)
    start = on_frozen_axes(orbit, "MOON_OP", epoch, 0.0, DE440)
    t = np.arange(0.0, case["inputs"]["days"] * DAY + 1, step)
    source = CircularEarth(epoch) if case["id"] == "ely_case_1" else DE440
    flown = propagate(start, epoch, t, _ELY[case["id"]], source)
    return epoch, t, flown.states


def _check_ely(case, evidence):
    epoch, t, states = _fly_ely(case)
    computed = next(v for k, v in case["expected"].items() if k.startswith("computed"))
    allowed = case["tolerance"]
    circular = case["id"] == "ely_case_1"
    if circular:  # the plane of the circle does not drift
        axes = rotation("MOON_OP", epoch, 0.0, DE440)
        plane = np.concatenate([states[:, :3] @ axes.T, states[:, 3:] @ axes.T], axis=1)
        op = elements_from_state(plane)
    else:
        op = _frozen_elements(states, epoch, t, "MOON_OP")
    ep = _frozen_elements(states, epoch, t, "MOON_ME")
    deg = np.degrees
    ranges = {
        "a_km": (op[:, 0], "a_km"), "e": (op[:, 1], "e"), "i_op_deg": (deg(op[:, 2]), "i_deg"),
        "argp_op_deg": (deg(op[:, 4]), "argp_deg"), "i_ep_deg": (deg(ep[:, 2]), "i_deg"),
        "argp_ep_deg": (deg(ep[:, 4]), "argp_deg"),
        "osculating_periapsis_altitude_km": (
            op[:, 0] * (1 - op[:, 1]) - 1737.4, "periapsis_altitude_km",
        ),
    }  # fmt: skip
    worst = 0.0
    for key, (values, limit) in ranges.items():
        if key in computed:
            miss = np.abs([values.min(), values.max()] - np.array(computed[key])).max()
            worst = max(worst, miss / allowed[limit])
    published = case["expected"]["published"]
    if isinstance(published, dict) and isinstance(published.get("e"), list):
        miss = np.abs([op[:, 1].min(), op[:, 1].max()] - np.array(published["e"])).max()
        worst = max(worst, miss / allowed["e"])
    if "node_rate_op_deg_per_day" in computed:
        slope = np.polyfit(t / DAY, deg(np.unwrap(op[:, 3])), 1)[0]
        miss = abs(slope - computed["node_rate_op_deg_per_day"])
        worst = max(worst, miss / allowed["node_rate_deg_per_day"])
    evidence(
        f"frozen orbit: {case['name']}", "Ely 2005, and an independent computation", 1, worst, 1.0,
        "tolerances", allowed["reason"],
    )  # fmt: skip
    return t, ep


@pytest.mark.parametrize("name", ["ely_case_1", "ely_case_2", "ely_case_3", "ely_case_5"])
def test_frozen_orbit_two_years(validation, evidence, name):
    t, ep = _check_ely(validation("elfo.yaml", name), evidence)
    if name == "ely_case_3":  # case 4 reads the same flight in the lunar equator
        other = validation("elfo.yaml", "ely_case_4")
        low = np.degrees(ep[:, 2].min())
        assert low == pytest.approx(
            other["expected"]["published"]["i_ep_min_deg"], abs=other["tolerance"]["i_ep_min_deg"]
        )
        day = t[np.argmin(ep[:, 2])] / DAY
        expected = other["expected"]["computed"]["i_ep_min_day"]
        assert day == pytest.approx(expected, abs=other["tolerance"]["date_days"])


@pytest.mark.slow
def test_frozen_orbit_ten_years(validation, evidence):
    _check_ely(validation("elfo.yaml", "ely_case_6"), evidence)


@pytest.mark.parametrize("degree", [0, 20])
def test_transition_matrix_is_the_derivative(degree):
    model = ForceModel(degree=degree)
    table = DE440.table(START, 0.0, 3 * DAY)
    step = np.repeat([1e-3, 1e-6], 3)
    for start in (*_orbits().values(), _near_the_earth()):
        _, phi = flow(start, 0.0, 3 * DAY, START, table, model)
        moved = np.concatenate([start + np.diag(step), start - np.diag(step)])
        ends, none = flow(moved, 0.0, 3 * DAY, START, table, model, stm=False, rtol=1e-13)
        assert none is None
        slope = ((ends[:6] - ends[6:]) / (2 * step[:, None])).T
        assert np.abs(slope - phi[0]).max() < 2e-6 * np.abs(slope).max()
        assert np.linalg.det(phi[0]) == pytest.approx(1.0, abs=1e-8)


def test_output_straddles_and_agrees_with_flow():
    start = _orbits()["elfo"]
    t = np.arange(-5 * DAY, 5 * DAY + 1, 120.0)
    both = propagate(start, START, t, ForceModel.standard(), DE440)
    assert np.array_equal(both.states[t == 0.0][0], start)
    table = DE440.table(START, -6 * DAY, 6 * DAY)
    ends, _ = flow(
        np.tile(start, (40, 1)), 0.0, np.linspace(t[0], t[-1], 40), START, table,
        ForceModel.standard(), stm=False, rtol=1e-13,
    )  # fmt: skip
    here = both.at(np.linspace(t[0], t[-1], 40))
    assert np.linalg.norm((ends - here)[:, :3], axis=1).max() < 1e-5  # dense output at 120 s
    assert np.linalg.norm((ends - here)[:, 3:], axis=1).max() < 1e-8
    late = propagate(both.states[100], START, t[100:], ForceModel.standard(), DE440, t0_s=t[100])
    assert np.linalg.norm((late.states - both.states[100:])[:, :3], axis=1).max() < 1e-3


def test_many_at_once_are_the_same_flights():
    orbits = _orbits()
    t = np.arange(0.0, DAY + 1, 600.0)
    areas = [None, 10.0, 20.0]
    masses = [None, 500.0, 400.0]
    many = propagate_many(
        list(orbits.values()), START, t, ForceModel.standard(), DE440, names=list(orbits),
        area_m2=areas, mass_kg=masses,
    )  # fmt: skip
    for path, (name, state), area, mass in zip(many, orbits.items(), areas, masses, strict=True):
        alone = propagate(
            state, START, t, ForceModel.standard(), DE440, area_m2=area, mass_kg=mass, name=name
        )
        assert path.name == name
        assert np.array_equal(path.states, alone.states)
    assert propagate_many(np.empty((0, 6)), START, t, POINTS, DE440) == []
    begun = propagate_many(
        [many[0].states[5], many[2].states[9]], START, t, ForceModel(srp=False), DE440,
        t0_s=[t[5], t[9]],
    )  # fmt: skip
    assert np.linalg.norm((begun[0].states - many[0].states)[:, :3], axis=1).max() < 1e-5
    with pytest.raises(InputError, match="2 names for 3 craft"):
        propagate_many(list(orbits.values()), START, t, POINTS, DE440, names=["a", "b"])
    falling = state_from_elements(3000.0, 0.5, 1.0, 0.0, 0.0, np.pi)
    with pytest.raises(ImpactError, match="second"):
        propagate_many([orbits["dro"], falling], START, t, POINTS, DE440, names=["first", "second"])


def test_table_of_another_epoch():
    start, model = _orbits()["nrho"], ForceModel.standard()
    here, _ = flow(start, 0.0, DAY, START, DE440.table(START, 0.0, DAY), model, stm=False)
    early = DE440.table(START + (-50 * DAY), 0.0, 60 * DAY)
    there, _ = flow(start, 0.0, DAY, START, early, model, stm=False)
    assert np.abs(here - there).max() < 1e-8
    with pytest.raises(InputError, match="outside their body table"):
        flow(start, 0.0, 20 * DAY, START, early, model)


def test_impacts_are_found_where_they_happen():
    start = state_from_elements(3000.0, 0.5, 1.0, 0.0, 0.0, np.pi)  # perilune 1500 km
    with pytest.raises(ImpactError) as fault:
        propagate(start, START, np.arange(0, 3e4, 60.0), POINTS, DE440, name="lander")
    assert fault.value.body == "Moon"
    assert "lander" in str(fault.value)
    through = propagate(
        start, START, [0.0, fault.value.t_s], POINTS, DE440, impact=False
    )  # fmt: skip
    assert np.linalg.norm(through.states[1, :3]) == pytest.approx(1737.4, abs=1e-6)
    # a graze: 1 km deep for half a minute, well inside one step
    graze = state_from_elements(1737.4 - 1.0 + 30000.0, 30000.0 / 31736.4, 1.0, 0.0, 0.0, -0.05)
    with pytest.raises(ImpactError):
        propagate(graze, START, [0.0, 4 * DAY], POINTS, DE440)
    clear = state_from_elements(1737.4 + 30.0 + 30000.0, 30000.0 / 31767.4, 1.0, 0.0, 0.0, -0.05)
    propagate(clear, START, [0.0, 0.5 * DAY], POINTS, DE440)


def test_earth_impact():
    earth = DE440.state("earth", "moon", START, 0.0)
    falling = np.r_[earth[:3] * 0.5, earth[3:]]
    with pytest.raises(ImpactError) as fault:
        propagate(falling, START, [0.0, 5 * DAY], POINTS, DE440)
    assert fault.value.body == "Earth"


def test_an_escape_is_said_with_its_time_and_distance():
    start, t = np.array([3000.0, 0, 0, 0, 3.0, 0]), np.arange(0.0, 200 * DAY, DAY)
    with pytest.raises(EscapeError, match="probe: leaves the Earth-Moon system") as fault:
        propagate(start, START, t, POINTS, DE440, name="probe")
    free = propagate(start, START, t, POINTS, DE440, escape_km=math.inf)
    away = np.linalg.norm(free.states[:, :3], axis=1)
    first = int(np.argmax(away > 3e6))
    assert fault.value.t_s == t[first]
    assert fault.value.distance_km == pytest.approx(away[first])
    with pytest.raises(EscapeError, match="second"):
        propagate_many(
            [_orbits()["dro"], start], START, t, POINTS, DE440, names=["first", "second"]
        )
    turned = start * np.repeat([1.0, -1.0], 3)  # the same way back in time
    with pytest.raises(EscapeError) as back:
        propagate(turned, START, t - t[-1], POINTS, DE440)
    assert back.value.t_s < 0


def test_faults():
    with pytest.raises(InputError, match="degree"):
        ForceModel(degree=101)
    with pytest.raises(InputError, match="mars"):
        ForceModel(bodies=("mars",))
    with pytest.raises(InputError, match="increase"):
        propagate(_orbits()["dro"], START, [1.0, 0.0], POINTS, DE440)
    with pytest.raises(SpanError):
        propagate(_orbits()["dro"], START, [0.0, 1e12], POINTS, DE440)
    with pytest.raises(InputError, match="two output times"):
        propagate(_orbits()["dro"], START, [0.0], POINTS, DE440)
    with pytest.raises(InputError, match="finite"):
        propagate([np.nan] * 6, START, [0.0, 1.0], POINTS, DE440)
