"""Periodic orbits of the CR3BP against JPL's table and an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits import family_table
from orbits.continuation import extremes, full_state, jacobi_nd, monodromy_index
from orbits.cr3bp import EARTH_MOON
from orbits.errors import FamilyError, InputError
from orbits.families import (
    butterfly,
    dro,
    families,
    halo,
    lyapunov,
    members,
    nrho,
    resonance_days,
    spatial_dro,
)
from orbits.propagate import cr3bp_flow

MU, LU = EARTH_MOON.mu, EARTH_MOON.lu_km
JPL = "JPL Three-Body Periodic Orbits database"
INDEPENDENT = "independent computation, Taylor and Dormand-Prince"


def _relative(value, reference):
    return abs(value / reference - 1)


def _find(case) -> object:
    """The orbit of a validation case, asked for by its own defining figure."""
    given_, expected = case["inputs"], case["expected"]
    if case["family"] == "lyapunov L2":
        return lyapunov("L2", jacobi_nd=expected["jacobi_C"])
    if case["family"] == "butterfly":
        days = expected["period_TU"] * EARTH_MOON.tu_s / 86400
        return butterfly("northern", period_days=days)
    if case["family"] == "dro":
        if case["id"].startswith("dro_2to1"):
            days = expected["period_TU"] * EARTH_MOON.tu_s / 86400
            return dro(period_days=days)
        return dro(LU * (1 - MU - given_["x0"]))
    if case["id"].startswith("nrho"):
        days = expected["period_TU"] * EARTH_MOON.tu_s / 86400
        return nrho("L2", "southern", period_days=days)
    return halo("L2", "southern", -given_["z0"] * LU)


def test_members_match_published_and_independent_orbits(validation, evidence):
    cases = [
        c
        for c in validation("cr3bp_orbits.yaml")["cases"]
        if "family" in c and "propagate_for_TU" in c["inputs"]
    ]
    assert len(cases) >= 16
    worst = dict.fromkeys(("jacobi", "index", "distance", "state", "period"), 0.0)
    for case in cases:
        orbit = _find(case)
        given_, expected, allowed = case["inputs"], case["expected"], case["tolerance"]
        # a published state has 15 digits, so the member found by another figure may differ in C
        # by the rounding of that figure alone
        jacobi = abs(orbit.jacobi_nd - expected["jacobi_C"])
        assert jacobi <= allowed["jacobi_C"], case["id"]
        index = _relative(orbit.stability_index, expected["stability_index"])
        assert index <= allowed.get("stability_index_relative", 1e-5), case["id"]
        assert orbit.perilune_km == pytest.approx(
            expected["r_min_moon_km"], abs=allowed.get("r_min_moon_km", 0.1)
        )
        assert orbit.apolune_km == pytest.approx(
            expected["r_max_moon_km"], abs=allowed.get("r_max_moon_km", 0.1)
        )
        assert orbit.amplitude_z_km == pytest.approx(expected["z_abs_max_km"], abs=0.05)
        state = np.array([given_["x0"], 0, given_["z0"], 0, given_["vy0"], 0])
        if case["family"] == "butterfly":
            # published at the other crossing, half a revolution on
            off = np.abs(orbit.state_at_phase(180) - state).max()
        else:
            off = np.abs(orbit.state_nd - state).max()
        assert off <= 1e-8, case["id"]
        period = abs(orbit.period_nd - expected["period_TU"])
        assert period <= allowed.get("period_TU", 1e-8), case["id"]
        if allowed.get("z0") == 0.0:
            assert orbit.amplitude_z_km == pytest.approx(round(orbit.amplitude_z_km, -3), abs=1e-9)
        worst["jacobi"] = max(worst["jacobi"], jacobi)
        worst["index"] = max(worst["index"], index)
        worst["distance"] = max(
            worst["distance"],
            abs(orbit.perilune_km - expected["r_min_moon_km"]),
            abs(orbit.apolune_km - expected["r_max_moon_km"]),
        )
    names = "DRO, halo, NRHO, Lyapunov and butterfly members"
    source = f"{JPL}; {INDEPENDENT}"
    n = len(cases)
    why = "the loosest of the cases' own; each case is held to its own"
    evidence(f"{names}: Jacobi constant", source, n, worst["jacobi"], 1e-9, "nd", why)
    evidence(f"{names}: stability index", source, n, worst["index"], 1e-4, "relative", why)
    evidence(f"{names}: perilune, apolune", source, n, worst["distance"], 0.1, "km", why)


def test_long_table_of_jpl_halos(validation, evidence):
    table = validation("jpl_l2s_halo_every25.json")
    allowed = table["tolerance"]
    worst = dict.fromkeys(("jacobi", "index", "closure", "distance", "found"), 0.0)
    refused = 0
    for row in table["rows"]:
        u = np.array([row["x0"], row["z0"], row["vy0"], row["period_TU"] / 2])
        state = full_state(u)
        end = cr3bp_flow(state[None], np.array([2 * u[3]]), MU)[0][0]
        closure = np.abs(end - state).max()
        jacobi = abs(jacobi_nd(u, MU) - row["jacobi_C"])
        index = _relative(monodromy_index(u, MU), row["stability_index"])
        near, far, height = (v * LU for v in extremes(u, MU))
        assert height == pytest.approx(row["z_abs_max_km"], abs=0.05)
        distance = max(abs(near - row["r_min_moon_km"]), abs(far - row["r_max_moon_km"]))
        for key, value in (
            ("jacobi", jacobi), ("index", index), ("closure", closure), ("distance", distance)
        ):  # fmt: skip
            worst[key] = max(worst[key], value)
        # the same member by name: its height before the greatest |z|, its period after
        days = row["period_TU"] * EARTH_MOON.tu_s / 86400
        if row["below_lunar_surface"]:
            with pytest.raises(FamilyError):
                nrho("L2", "southern", period_days=days)
            refused += 1
            continue
        if row["period_TU"] > 2.35:
            found = halo("L2", "southern", -row["z0"] * LU)
        else:
            found = nrho("L2", "southern", period_days=days)
        worst["found"] = max(worst["found"], np.abs(found.state_nd - state).max())
    n = len(table["rows"])
    assert refused == sum(r["below_lunar_surface"] for r in table["rows"]) > 5
    name = "L2 southern halo family"
    why = "double precision from states of 15 to 16 digits"
    evidence(f"{name}: Jacobi constant", JPL, n, worst["jacobi"], allowed["jacobi_C"], "nd", why)
    evidence(
        f"{name}: closure after a period", JPL, n, worst["closure"],
        allowed["closure_after_one_period"], "nd", why,
    )  # fmt: skip
    evidence(
        f"{name}: stability index", JPL, n, worst["index"],
        allowed["stability_index_relative"], "relative", why,
    )  # fmt: skip
    evidence(f"{name}: perilune, apolune", JPL, n, worst["distance"], 0.05, "km", why)
    evidence(
        f"{name}: member found by name", JPL, n - refused, worst["found"], 2e-8, "nd",
        "a table state has 15 digits; at the greatest |z| the height fixes x0 to its square root",
    )  # fmt: skip


def test_branches_mirror_each_other():
    south = halo("L2", "southern", 13000)
    north = halo("L2", "northern", 13000)
    assert south.state_nd[2] < 0 < north.state_nd[2]
    np.testing.assert_allclose(south.state_nd * (1, 1, -1, 1, 1, 1), north.state_nd)
    assert south.period_nd == north.period_nd
    for orbit, sign in ((nrho("L2", "southern", resonance="9:2"), -1),
                        (nrho("L1", "northern", perilune_km=5000), 1)):  # fmt: skip
        _, path = orbit.sample(181)
        distance = np.linalg.norm(path[:, :3] - (1 - MU, 0, 0), axis=1)
        apolune = path[np.argmax(distance)]
        assert np.sign(apolune[2]) == sign
        assert distance.argmax() in (0, 180)
        # most of the time is spent on the apolune's side
        assert (np.sign(path[:, 2]) == sign).mean() > 0.9


def test_resonance_is_synodic():
    assert resonance_days("9:2") == pytest.approx(2 / 9 * 29.530589)
    orbit = nrho("L2", "southern", resonance="9:2")
    assert orbit.period_days == pytest.approx(6.562353, abs=1e-6)
    assert dro(resonance="2:1").period_days == pytest.approx(14.7652945, abs=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.floats(2500, 150000))
def test_a_dro_closes_and_starts_where_it_says(amplitude_km):
    orbit = dro(amplitude_km)
    near = (1 - MU - orbit.state_nd[0]) * LU
    assert near == pytest.approx(amplitude_km, abs=1e-7)
    end = cr3bp_flow(orbit.state_nd[None], np.array([orbit.period_nd]), MU)[0][0]
    np.testing.assert_allclose(end, orbit.state_nd, atol=1e-9)
    assert orbit.perilune_km <= near + 1e-6 <= orbit.apolune_km + 2e-6
    # retrograde: clockwise in the rotating frame
    quarter = orbit.state_at_phase(90)
    assert quarter[1] > 0


def test_state_at_phase_is_time_along_the_orbit():
    orbit = halo("L1", "southern", 20000)
    for phase in (30.0, 170.0, 200.0, 350.0):
        t = np.array([phase / 360 * orbit.period_nd])
        flown = cr3bp_flow(orbit.state_nd[None], t, MU)[0][0]
        np.testing.assert_allclose(orbit.state_at_phase(phase), flown, atol=3e-8)
    np.testing.assert_allclose(orbit.state_at_phase(-90), orbit.state_at_phase(270), atol=1e-14)


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (lambda: dro(500), "amplitude_km", "2000"),
        (lambda: dro(400000), "amplitude_km", "350000"),
        (lambda: dro(float("nan")), "amplitude_km", "2000"),
        (lambda: dro(period_days=30), "period_days", "days"),
        (lambda: dro(resonance="1:2"), "resonance", "days"),
        (lambda: halo("L2", "southern", 79000), "amplitude_z_km", "nrho"),
        (lambda: halo("L2", "southern", -5), "amplitude_z_km", "km"),
        (lambda: halo("L3", "southern", 5000), "libration_point", "L1, L2"),
        (lambda: halo("L2", "up", 5000), "branch", "northern, southern"),
        (lambda: nrho("L2", "southern", perilune_km=1500), "perilune_km", "halo"),
        (lambda: nrho("L2", "southern", perilune_km=30000), "perilune_km", "halo"),
        (lambda: nrho("L2", "southern", period_days=12), "period_days", "halo"),
        (lambda: lyapunov("L2", resonance="2:1"), "resonance", "14.953"),
        (lambda: lyapunov("L4", 5000), "libration_point", "L1, L2"),
        (lambda: lyapunov("L1", 1e6), "amplitude_km", "km"),
        (lambda: butterfly("northern", perilune_km=1800), "perilune_km", "1866"),
        (lambda: butterfly("upper", perilune_km=3000), "branch", "northern, southern"),
        (lambda: spatial_dro(3000, revolutions=2), "revolutions", "5, 1"),
        (lambda: spatial_dro(300000), "amplitude_z_km", "km"),
        (lambda: dro(jacobi_nd=1.0), "jacobi_nd", "to"),
    ],
)
def test_outside_the_family(make, key, said):
    with pytest.raises(FamilyError) as fault:
        make()
    assert fault.value.key == key
    assert said in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("text", ["9", "9:0", "0:2", "a:b", "-9:2", "9:2:1", 4.5])
def test_bad_resonance(text):
    with pytest.raises(InputError):
        resonance_days(text)


def test_one_parameter_only():
    with pytest.raises(InputError, match="exactly one"):
        dro(70000, period_days=14)
    with pytest.raises(InputError, match="exactly one"):
        nrho("L2", "southern")


@pytest.mark.parametrize("point", ["L1", "L2"])
@pytest.mark.parametrize("amplitude_km", [500.0, 20000.0, 60000.0, 110000.0])
def test_a_lyapunov_has_its_extent_and_begins_with_vy_positive(point, amplitude_km):
    orbit = lyapunov(point, amplitude_km)
    _, path = orbit.sample(20001)
    extent = (path[:, 0].max() - path[:, 0].min()) / 2 * LU
    assert extent == pytest.approx(amplitude_km, abs=0.01)
    assert np.abs(path[:, 2]).max() < 1e-15
    assert orbit.state_nd[1] == 0 < orbit.state_nd[4]
    end = cr3bp_flow(orbit.state_nd[None], np.array([orbit.period_nd / 2]), MU)[0][0]
    np.testing.assert_allclose(end[[1, 3, 5]], 0, atol=1e-10)


def test_a_butterfly_passes_the_moon_twice_and_begins_northernmost():
    orbit = butterfly("northern", resonance="9:5")
    assert orbit.period_days == pytest.approx(5 / 9 * 29.530589, abs=1e-9)
    _, path = orbit.sample(3601)
    distance = np.linalg.norm(path[:, :3] - (1 - MU, 0, 0), axis=1)
    low = (distance[1:-1] < distance[:-2]) & (distance[1:-1] < distance[2:])
    assert low.sum() == 2
    assert path[:, 2].argmax() in (0, 3600)
    south = butterfly("southern", resonance="9:5")
    np.testing.assert_allclose(south.state_nd, orbit.state_nd * (1, 1, -1, 1, 1, 1))


def test_butterflies_begin_at_the_nrho_whose_period_they_double():
    first = members("butterfly")[0]
    source = nrho("L2", "northern", period_days=first[3] * EARTH_MOON.tu_days)
    assert source.perilune_km == pytest.approx(1858, abs=10)
    assert source.state_nd[[0, 2, 4]] == pytest.approx(first[:3], abs=5e-3)


@pytest.mark.parametrize(("revolutions", "height"), [(5, 30000.0), (1, 100000.0)])
def test_spatial_dros_repeat_and_have_their_height(revolutions, height):
    orbit = spatial_dro(height, revolutions=revolutions)
    _, path = orbit.sample(4001 * revolutions)
    assert np.abs(path[:, 2]).max() * LU == pytest.approx(height, abs=1)
    end = cr3bp_flow(orbit.state_nd[None], np.array([orbit.period_nd]), MU)[0][0]
    np.testing.assert_allclose(end, orbit.state_nd, atol=1e-8)
    angle = np.unwrap(np.arctan2(path[:, 1], path[:, 0] - (1 - MU)))
    assert round((angle[-1] - angle[0]) / (2 * np.pi)) == -revolutions  # retrograde
    assert orbit.revolutions == revolutions
    near = np.hypot(1 - MU - orbit.state_nd[0], orbit.state_nd[2]) * LU
    again = dro(round(near), amplitude_z_km=height)
    np.testing.assert_allclose(again.state_nd, orbit.state_nd, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "limits"),
    [
        (lambda c: dro(jacobi_nd=c), (2.4, 3.3)),
        (lambda c: lyapunov("L1", jacobi_nd=c), (2.9, 3.18)),
        (lambda c: halo("L2", "northern", jacobi_nd=c), (3.02, 3.15)),
        (lambda c: nrho("L2", "southern", jacobi_nd=c), (3.02, 3.055)),
    ],
)
def test_a_jacobi_constant_finds_its_member(make, limits):
    for c in np.linspace(*limits, 4):
        orbit = make(c)
        assert orbit.jacobi_nd == pytest.approx(c, abs=1e-11)
        end = cr3bp_flow(orbit.state_nd[None], np.array([orbit.period_nd / 2]), MU)[0][0]
        np.testing.assert_allclose(end[[1, 3, 5]], 0, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: butterfly("northern", jacobi_nd=3.09),
        lambda: halo("L1", "southern", period_days=12.2),
        lambda: nrho("L1", "southern", jacobi_nd=3.0),
    ],
)
def test_a_figure_of_two_members_is_refused(make):
    with pytest.raises(FamilyError, match="belongs to 2 members, with periods near"):
        make()


def test_every_member_of_the_table_closes():
    for name in families():
        for u in members(name)[::5]:
            end = cr3bp_flow(full_state(u)[None], u[3:], MU)[0][0]
            assert np.abs(end[[1, 3, 5]]).max() < 1e-8, name


def test_the_table_is_what_its_builder_makes():
    from orbits.build_families import butterfly as build_butterfly
    from orbits.build_families import lyapunov as build_lyapunov

    for name, made in (("lyapunov-l2", build_lyapunov(1)), ("butterfly", build_butterfly())):
        np.testing.assert_allclose(made, members(name), atol=1e-8)


@pytest.mark.parametrize(
    ("table", "column", "unit", "make", "read"),
    [
        ("lyapunov-l1", "EXTENT", "km", lambda x: lyapunov("L1", x), "extent"),
        ("lyapunov-l2", "EXTENT", "km", lambda x: lyapunov("L2", x), "extent"),
        ("lyapunov-l2", "HALF", "days", lambda x: lyapunov("L2", period_days=x), "period_days"),
        ("halo-l1", "HALF", "days", lambda x: halo("L1", "southern", period_days=x), "period_days"),
        ("halo-l1", "JACOBI", "", lambda x: halo("L1", "southern", jacobi_nd=x), "jacobi_nd"),
        ("halo-l2", "AMPLITUDE_Z", "km", lambda x: halo("L2", "southern", x), "amplitude_z_km"),
        ("halo-l2", "JACOBI", "", lambda x: halo("L2", "southern", jacobi_nd=x), "jacobi_nd"),
        ("halo-l2", "JACOBI", "", lambda x: nrho("L2", "southern", jacobi_nd=x), "jacobi_nd"),
        ("halo-l1", "HALF", "days", lambda x: nrho("L1", "southern", period_days=x), "period_days"),
        ("butterfly", "PERILUNE", "km", lambda x: butterfly("northern", x), "perilune_km"),
        ("butterfly", "JACOBI", "", lambda x: butterfly("northern", jacobi_nd=x), "jacobi_nd"),
        ("dro", "JACOBI", "", lambda x: dro(jacobi_nd=x), "jacobi_nd"),
    ],
)
def test_a_lookup_at_and_beyond_folds_is_right_or_refused_with_what_is_allowed(
    table, column, unit, make, read
):
    scale = {"km": LU, "days": 2 * EARTH_MOON.tu_days, "": 1.0}[unit]
    column = {"HALF": 3, "PERILUNE": 5, "AMPLITUDE_Z": 6, "EXTENT": 7, "JACOBI": 8}[column]
    values = family_table.table(table, MU)[:, column] * scale
    low, high = values.min(), values.max()
    folds = values[np.flatnonzero(np.diff(np.sign(np.diff(values)))) + 1]
    asked = [0.9 * low, 1.02 * high, *np.linspace(low, high, 7)[1:-1]]
    asked += [v * (1 + e) for v in folds for e in (-1e-4, -1e-7, 1e-7, 1e-4)]
    found, refused = 0, []
    for value in map(float, asked):
        try:
            orbit = make(value)
        except FamilyError as fault:
            refused.append(fault.allowed)
            continue
        found += 1
        assert low <= value <= high
        x = orbit.sample(2001)[1][:, 0]
        got = 0.5 * (x.max() - x.min()) * LU if read == "extent" else getattr(orbit, read)
        assert got == pytest.approx(value, rel=2e-6)
    assert found
    assert all(refused)  # each says what would do
