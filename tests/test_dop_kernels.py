"""Fixes by the tile: against plain linear algebra, best subsets by trying all, drawn errors."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cislunar.positioning.dop import (
    availability_frac,
    best_subset,
    dop,
    dop_of_sites,
    fix_covariance,
)
from cislunar.positioning.fixes import fix_variances
from cislunar.ranging import Ranging
from orbits.errors import InputError
from orbits.intervals import Intervals


def sky(rng, count, lowest_deg=5.0):
    el, az = np.radians(rng.uniform(lowest_deg, 90, count)), rng.uniform(0, 2 * math.pi, count)
    return np.stack([np.cos(el) * np.sin(az), np.cos(el) * np.cos(az), np.sin(el)], axis=-1)


def places(rng, count, epochs):
    p = rng.normal(size=(count, epochs, 3))
    return p * rng.uniform(4000, 12000, (count, epochs, 1)) / np.linalg.norm(p, axis=2)[..., None]


def test_sites_agree_with_numpy(evidence):
    rng = np.random.default_rng(4)
    p = places(rng, 9, 700)  # more than two tiles and a rest
    units = rng.normal(size=(7, 3))
    units /= np.linalg.norm(units, axis=1)[:, None]
    mask = math.radians(5.0)
    serving = rng.random((9, 700)) < 0.9
    found = dop_of_sites(1737.4 * units, p, mask, serving=serving)
    worst, solved = 0.0, 0
    for i, up in enumerate(units):
        d = p - 1737.4 * up
        e = d / np.linalg.norm(d, axis=2)[..., None]
        seen = (e @ up >= math.sin(mask)) & serving
        for k in range(700):
            rows = e[seen[:, k], k]
            if len(rows) < 4:
                assert found[i, k] == 0.0
                continue
            a = np.hstack([rows, np.ones((len(rows), 1))])
            gdop = math.sqrt(np.trace(np.linalg.inv(a.T @ a)))
            if gdop < 1000.0:
                worst = max(worst, abs(found[i, k] / gdop - 1.0))
                solved += 1
    assert solved > 500
    evidence("GDOP by the tile", "numpy, 4 x 4 inverses", solved, worst, 1e-7, "relative",
             "one pass over the sources, condition up to 1e6")  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(4, 7))
def test_the_best_subset_is_the_best_of_all(seed, size):
    rng = np.random.default_rng(seed)
    e, sigma = sky(rng, 8), rng.uniform(1, 10, 8)
    seen = rng.random(8) < 0.9
    assume(seen.sum() >= size)
    for sigma_m in (None, sigma):
        values, solved, chosen = best_subset(e[None], size, seen=seen, sigma_m=sigma_m)
        weights = 1.0 / (np.ones(8) if sigma_m is None else sigma) ** 2
        least = math.inf
        for rows in combinations(np.flatnonzero(seen), size):
            a = np.hstack([e[list(rows)], np.ones((size, 1))])
            q = np.linalg.inv(a.T @ np.diag(weights[list(rows)]) @ a)
            if np.trace(q) > 0 and np.trace(q) < least:
                least, best = np.trace(q), rows
        assume(least < 1e5)
        assert solved[0]
        assert chosen[0].sum() == size
        assert (chosen[0] <= seen).all()
        assert tuple(np.flatnonzero(chosen[0])) == best
        assert values[0] == pytest.approx(dop(e, seen=chosen)[0].ravel(), rel=1e-9)
    everything, ok = dop(e[None], seen=seen)
    assert ok[0]
    assert (everything[0] <= values[0] * (1 + 1e-8)).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_covariance_does_not_know_the_axes_and_more_is_never_worse(seed):
    rng = np.random.default_rng(seed)
    e, sigma = sky(rng, 6), rng.uniform(1, 10, 6)
    q, ok = fix_covariance(e[:5], sigma[:5])
    assume(ok and np.trace(q) < 1e6)
    turn = Rotation.random(rng=rng).as_matrix()
    turned, ok = fix_covariance(e[:5] @ turn.T, sigma[:5], turn @ [0.0, 0.0, 1.0])
    assert ok
    assert np.linalg.eigvalsh(turned[:2, :2]) == pytest.approx(
        np.linalg.eigvalsh(q[:2, :2]), rel=1e-6
    )
    assert turned[2, 2] == pytest.approx(q[2, 2], rel=1e-6)
    more, ok = fix_covariance(e, sigma)
    assert ok
    assert np.linalg.eigvalsh(q - more).min() > -1e-7 * np.trace(q)
    aided, ok = fix_covariance(e[:5], sigma[:5], height_sigma_m=3.0)
    assert ok
    assert aided[2, 2] <= min(q[2, 2], 9.0) * (1 + 1e-9)


def test_drawn_fixes_have_the_predicted_covariance(evidence):
    """20,000 nonlinear least-squares fixes by Gauss-Newton on noisy ranges."""
    rng = np.random.default_rng(11)
    user = np.array([0.0, 0.0, 1737.4e3])
    sources = user + sky(rng, 6, 10.0) * rng.uniform(3e6, 9e6, (6, 1))
    sigma = rng.uniform(2.0, 12.0, 6)
    q, ok = fix_covariance(sources - user, sigma)
    assert ok
    count = 20_000
    ranges = np.linalg.norm(sources - user, axis=1) + 40.0 + sigma * rng.normal(size=(count, 6))
    x = np.tile(np.append(user + np.array([300.0, -200.0, 100.0]), 0.0), (count, 1))
    for _ in range(5):
        d = sources - x[:, None, :3]
        rho = np.linalg.norm(d, axis=2)
        a = np.concatenate([-d / rho[..., None], np.ones((count, 6, 1))], axis=2)
        aw = a / sigma[:, None] ** 2
        x += np.linalg.solve(
            np.einsum("nsi,nsj->nij", aw, a),
            np.einsum("nsi,ns->ni", aw, ranges - rho - x[:, 3:])[..., None],
        )[..., 0]
    errors = x - np.append(user, 40.0)
    sample = errors.T @ errors / count
    # whitened, the sample covariance is the identity within sqrt(2 / N) on the diagonal
    root = np.linalg.inv(np.linalg.cholesky(q))
    apart = root @ sample @ root.T - np.eye(4)
    worst = max(np.abs(np.diag(apart)).max() / math.sqrt(2 / count),
                np.abs(apart - np.diag(np.diag(apart))).max() / math.sqrt(1 / count))  # fmt: skip
    evidence("Covariance of a weighted fix", "20,000 nonlinear least-squares fixes", 10, worst, 4.5,
             "standard deviations", "sampling")  # fmt: skip


def test_series_of_a_moving_user_agree_with_the_covariance():
    rng = np.random.default_rng(2)
    t = np.linspace(0.0, 6000.0, 301)
    p = places(rng, 7, t.size)
    user = np.zeros((t.size, 6))
    user[:, :3] = 1737.4 * np.stack([np.cos(t / 5e3), np.sin(t / 5e3), 0 * t], axis=1)
    half = Intervals([0.0], [3000.0])
    ranging = [Ranging(Intervals([0.0], [6000.0]), (2e-7, 1e-7)) for _ in range(6)]
    ranging.append(Ranging(half, (0.0, 0.0)))
    sise = [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.0]
    values, spread = fix_variances(
        t, user, np.concatenate([p, 0 * p], axis=2), ranging, sise, multipath_m=0.5,
        step_elevation_rad=0.2,
    )  # fmt: skip
    d = p.transpose(1, 0, 2) - user[:, None, :3]
    far = np.linalg.norm(d, axis=2)
    up = user[:, :3] / 1737.4
    high = np.einsum("tsi,ti->ts", d, up) / far >= math.sin(0.2)
    noise = np.where(high, 1e-7, 2e-7) * far**2
    noise[:, 6] = 0.0
    sigma = np.sqrt(np.array(sise) ** 2 + 0.25 + noise)
    seen = np.ones((t.size, 7), bool)
    seen[:, 6] = t < 3000.0
    plain, solved = dop(d, up, seen=seen)
    q, ok = fix_covariance(d, sigma, up, seen=seen)
    assert np.array_equal(solved, spread[0] > 0)
    assert solved.sum() > 250
    fixes = values[:, solved].T
    assert fixes == pytest.approx(plain[solved], rel=1e-7)
    q = q[solved]
    assert ok[solved].all()
    expected = np.column_stack([
        q[:, 2, 2], q[:, 3, 3], np.linalg.eigvalsh(q[:, :2, :2])[:, ::-1],
        np.linalg.eigvalsh(q[:, :3, :3])[:, ::-1],
    ])  # fmt: skip
    assert np.abs(spread[:, solved].T / expected - 1.0).max() < 1e-5


def test_bad_input_is_an_error_or_no_solution():
    rng = np.random.default_rng(0)
    e = sky(rng, 5)
    for bad in (
        lambda: best_subset(e, 3), lambda: best_subset(e, 6), lambda: dop(np.ones((5, 2))),
        lambda: dop([[math.nan, 0, 1]] * 4), lambda: fix_covariance(e, 0.0),
        lambda: fix_covariance(e, -1.0), lambda: availability_frac([[1] * 5], [True], 6.0, "xdop"),
        lambda: best_subset(sky(rng, 40), 12),
    ):  # fmt: skip
        with pytest.raises(InputError):
            bad()
    # fewer sources than unknowns, or all in one place: no solution, said by the mask
    for few in (e[:3], np.tile(e[0], (6, 1)), np.zeros((5, 3))):
        values, solved = dop(few)
        assert not solved
        assert (values == 0).all()
        q, solved = fix_covariance(few, 5.0)
        assert not solved
        assert (q == 0).all()
    # one of five sources in the user's own place counts for nothing
    values, solved = dop(np.vstack([e, [[0.0, 0.0, 0.0]]]))
    assert solved
    assert values == pytest.approx(dop(e)[0])
    values, solved = dop(sky(rng, 9)[None].repeat(3, 0), seen=np.arange(27).reshape(3, 9) < 9)
    assert solved.tolist() == [True, False, False]
    assert availability_frac(values, solved, 1e4) == pytest.approx(1 / 3)
