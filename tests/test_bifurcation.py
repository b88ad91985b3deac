"""Stability of periodic orbits, and where families meet, against JPL's table and each other."""

from __future__ import annotations

import numpy as np
import pytest

from orbits.bifurcation import find_bifurcations, is_stable, stability_indices
from orbits.continuation import full_state, monodromy, monodromy_index
from orbits.cr3bp import EARTH_MOON
from orbits.families import bifurcations, butterfly, dro, families, halo, lyapunov, members, nrho
from orbits.propagate import cr3bp_flow

MU = EARTH_MOON.mu
TU_DAYS = EARTH_MOON.tu_days


@pytest.mark.parametrize(
    "orbit",
    [
        dro(70000), halo("L2", "southern", 13000), nrho("L2", "southern", resonance="9:2"),
        lyapunov("L1", 20000), butterfly("northern", perilune_km=9000),
    ],
    ids=lambda o: o.family,
)  # fmt: skip
def test_indices_are_those_of_the_multipliers(orbit):
    u = np.append(orbit.state_nd[[0, 2, 4]], orbit.period_nd / 2)
    full = cr3bp_flow(full_state(u)[None], np.array([orbit.period_nd]), MU)[1][0]
    np.testing.assert_allclose(monodromy(u, MU), full, rtol=1e-5, atol=1e-5 * abs(full).max())
    roots = np.linalg.eigvals(full)
    both = stability_indices(u, MU)
    assert both == orbit.stability_indices
    for index in both:  # a multiplier l with (l + 1/l) / 2 = index
        assert np.abs((roots + 1 / roots) / 2 - index).min() < 1e-4
    largest = max(max(abs(complex(k)), 1.0) for k in both)
    assert largest == pytest.approx(monodromy_index(u, MU), rel=1e-6)


def test_halos_branch_off_where_jpl_has_the_flattest(validation, evidence):
    at = {
        name: next(b for b in bifurcations(name) if b.kind == "branching" and b.across)
        for name in ("lyapunov-l1", "lyapunov-l2")
    }
    rows = validation("jpl_l2s_halo_every25.json")["rows"]
    flat = sorted((r for r in rows), key=lambda r: r["z_abs_max_km"])[:2]
    # period and Jacobi constant are even in the height: straight in its square, down to the plane
    squares = [r["z_abs_max_km"] ** 2 for r in flat]
    share = squares[0] / (squares[1] - squares[0])
    found = at["lyapunov-l2"]
    for key, value, tolerance in (
        ("jacobi_C", found.jacobi_nd, 1e-5), ("period_TU", found.period_nd, 1e-5)
    ):  # fmt: skip
        planar = flat[0][key] - share * (flat[1][key] - flat[0][key])
        evidence(
            f"halo branching of the L2 Lyapunov family: {key}",
            "JPL Three-Body Periodic Orbits database", 2, abs(value - planar), tolerance, "nd",
            "two flattest rows of the table carried on to the plane",
        )  # fmt: skip
    assert at["lyapunov-l1"].u == pytest.approx(members("halo-l1")[0], abs=1e-5)
    # Gomez, Llibre, Martinez, Simo: Dynamics and Mission Design near Libration Points (2001)
    assert at["lyapunov-l1"].jacobi_nd == pytest.approx(3.1743, abs=1e-4)


def test_nrhos_are_stable_where_jpl_says(validation):
    # inside the Moon the multipliers are lost in the passage's own rounding
    rows = [
        row
        for row in validation("jpl_l2s_halo_every25.json")["rows"]
        if not row["below_lunar_surface"]
    ]
    stable = []
    for row in rows:
        u = np.array([row["x0"], row["z0"], row["vy0"], row["period_TU"] / 2])
        published = row["stability_index"] < 1 + 1e-6
        assert is_stable(u, MU) == published, row
        stable.append(published)
    assert 2 < sum(stable) < len(rows) - 5
    # the stability of the halos begins at a fold, and changes at each doubling of the period
    found = bifurcations("halo-l2")
    fold = next(b for b in found if b.kind == "fold")
    doublings = [b for b in found if b.kind == "period doubling" and b.period_nd < fold.period_nd]
    edges = [fold.period_nd, *(b.period_nd for b in doublings)]
    for row, is_it in zip(rows, stable, strict=True):
        passed = sum(row["period_TU"] < edge for edge in edges)
        assert is_it == (passed in (1, 3)), row


def test_butterflies_branch_off_the_lowest_doubling():
    doublings = [b for b in bifurcations("halo-l2") if b.kind == "period doubling"]
    first = members("butterfly")[0]
    assert doublings[-1].period_nd == pytest.approx(first[3], abs=2e-3)
    assert doublings[-1].jacobi_nd == pytest.approx(butterfly("northern", 1870).jacobi_nd, abs=1e-3)


def test_spatial_dros_branch_off_the_planar():
    found = [b for b in bifurcations("dro") if b.kind == "branching"]
    assert len(found) == 1
    assert found[0].across
    first = members("dro-spatial-1")[0]
    assert found[0].period_nd == pytest.approx(2 * first[3], abs=1e-4)


def test_indices_have_the_value_that_names_the_bifurcation():
    values = {"fold": 1, "branching": 1, "period doubling": -1, "period tripling": -0.5}
    for name in families():
        for at in bifurcations(name):
            if at.kind not in values:
                continue
            both = np.array(stability_indices(at.u, MU))
            assert np.abs(both - values[at.kind]).min() < 1e-5, (name, at)
    assert find_bifurcations(members("dro")[:5], MU) == []
