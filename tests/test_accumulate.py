"""Accumulated positioning: against a dense stacked problem, Monte Carlo, closed forms and laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, lstsq

from cislunar.clocks import Clock, clock
from cislunar.positioning.accumulate import Gathering, run_kernel
from cislunar.positioning.accumulate_kernels import reduce_rows
from cislunar.positioning.dop import dop
from orbits.constants import C_KM_S

C_M_S = C_KM_S * 1e3
STILL = Clock("still", 0.0, 0.0)  # unknown time and frequency, but no noise
STEP_S = 60.0


def arcs(count, epochs, seed=0, speed_km_s=1.0):
    """Sources on straight, distinct, bent paths over the user: place and speed (S, T, 3)."""
    rng = np.random.default_rng(seed)
    t = STEP_S * np.arange(epochs)
    place, speed = np.empty((count, epochs, 3)), np.empty((count, epochs, 3))
    for s in range(count):
        az, el = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.3)
        far = rng.uniform(3000.0, 9000.0)
        begin = far * np.array([np.cos(el) * np.sin(az), np.cos(el) * np.cos(az), np.sin(el)])
        v, a = speed_km_s * rng.normal(size=3), 1e-4 * rng.normal(size=3)
        place[s] = begin + t[:, None] * v + 0.5 * t[:, None] ** 2 * a
        speed[s] = v + t[:, None] * a
    return place, speed


def problem(count=3, epochs=11, seed=0, **over):
    place, speed = arcs(count, epochs, seed)
    rng = np.random.default_rng(seed + 1)
    found = {
        "place": place, "speed": speed, "one_way": np.ones((count, epochs), np.int8),
        "two_way": np.zeros((count, epochs), np.int8),
        "sigma": np.full((count, epochs), 5.0), "rates": np.full(count, 1e-4),
        "noise2": rng.uniform(0.04, 0.5, (count, epochs)), "two_way2": np.full(count, 9.0),
        "doppler2": 1e-3**2, "own": clock("ocxo"), "how": Gathering(step_s=STEP_S),
        "starts": np.array([0]), "epochs": epochs,
    }  # fmt: skip
    return found | over


def solve(p):
    covariance, solved, timed, root = run_kernel(**p)
    assert (timed <= solved).all()
    return covariance, solved, root


def dense(p):
    """The same problem stacked whole: rows over the states of every epoch, and their blocks.

    Transition and noise of a signal from the matrix exponential of its equation.
    """
    place, speed, how, own = p["place"], p["speed"], p["how"], p["own"]
    count, epochs = place.shape[0], p["epochs"]
    n = 2 * count + 5
    columns = n * epochs
    rows = []

    nodes, weights = np.polynomial.legendre.leggauss(80)

    def noise_of(drift, spread, t):
        turns = expm(0.5 * t * (1.0 + nodes)[:, None, None] * drift)
        q = np.einsum("n,nij,jk,nlk->il", 0.5 * t * weights, turns, spread, turns)
        return expm(drift * t), q

    def add(entries):
        row = np.zeros(columns)
        for c, v in entries.items():
            row[c] += v
        rows.append(row)

    for i in range(count):
        for part in range(2):
            add({2 * i + part: 1.0})
    if how.height_sigma_m is not None:
        add({2 * count + 4: 1.0 / how.height_sigma_m})
    c2 = C_M_S**2
    walk = how.wander_1h_m**2 / 3600.0
    blocks = []
    for i in range(count):
        lam = p["rates"][i]
        drift = np.array([[0.0, lam], [-lam, -2.0 * lam]])
        blocks.append((2 * i, drift, np.diag([0.0, 4.0 * lam])))
    drift = np.array([[0.0, 0.0], [1.0, 0.0]])  # frequency, time
    blocks.append((2 * count, drift, np.diag([c2 * own.q2_per_s, c2 * own.q1_s])))
    moves = []
    for first, drift, spread in blocks:
        phi, q = noise_of(drift, spread, how.step_s)
        moves.append((first, phi, np.linalg.inv(np.linalg.cholesky(0.5 * (q + q.T)))))
    still = [walk == 0.0] * 2 + [walk == 0.0 or how.height_sigma_m is not None]
    for k in range(epochs):
        at = n * k
        if k:
            before = n * (k - 1)
            for first, phi, root in moves:
                for i in range(2):
                    entries = {at + first + j: root[i, j] for j in range(2)}
                    for j in range(2):
                        entries[before + first + j] = -(root[i] @ phi[:, j])
                    add(entries)
            for axis in range(3):
                if not still[axis]:
                    w = 1.0 / math.sqrt(walk * how.step_s)
                    add({at + 2 * count + 2 + axis: w, before + 2 * count + 2 + axis: -w})
        for i in range(count):
            d = np.linalg.norm(place[i, k])
            e = place[i, k] / d
            sigma = p["sigma"][i, k]
            frequency, time, east = at + 2 * count, at + 2 * count + 1, at + 2 * count + 2
            if p["one_way"][i, k] and how.ranges:
                w = 1.0 / math.sqrt(p["noise2"][i, k])
                add({at + 2 * i: sigma * w, time: w} | {east + j: -e[j] * w for j in range(3)})
            if p["one_way"][i, k] and how.doppler:
                w = 1.0 / math.sqrt(p["doppler2"])
                partial = -(np.eye(3) - np.outer(e, e)) @ speed[i, k] / d
                add(
                    {at + 2 * i + 1: sigma * p["rates"][i] * w, frequency: w}
                    | {east + j: partial[j] * w for j in range(3)}
                )
            if p["two_way"][i, k]:
                w = 1.0 / math.sqrt(p["two_way2"][i])
                add({at + 2 * i: sigma * w} | {east + j: -e[j] * w for j in range(3)})
    whole = np.array(rows)
    last = n * (epochs - 1) + 2 * count + 2
    for axis in range(3):
        if still[axis]:  # one column for a place that does not move
            same = [n * k + 2 * count + 2 + axis for k in range(epochs)]
            total = whole[:, same].sum(axis=1)
            whole[:, same] = 0.0
            whole[:, last + axis] = total
    keep = (whole != 0.0).any(axis=0)
    return whole[:, keep], int(keep.sum())


def dense_covariance(p, axes=(2, 3, 4, 1)):
    """Covariance (4, 4: east, north, up, time) at the last epoch, of the stacked problem."""
    rows, n = dense(p)
    # columns to unit length: the stack mixes metres, m/s and unit variances
    scale = np.linalg.norm(rows, axis=0)
    wanted = np.zeros((rows.shape[1], 4))
    last = n - 5  # frequency, time, east, north, up of the last epoch
    for i, a in enumerate(axes):
        wanted[last + a, i] = 1.0 / scale[last + a]
    _q, r = np.linalg.qr(rows / scale)
    half = np.linalg.solve(r.T, wanted)
    return half.T @ half


# --- against independent computations -----------------------------------------------------------


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"how": Gathering(step_s=STEP_S, height_sigma_m=10.0)},
        {"how": Gathering(step_s=STEP_S, wander_1h_m=30.0)},
        {"how": Gathering(step_s=STEP_S, wander_1h_m=30.0, height_sigma_m=10.0)},
        {"own": clock("csac")},
        {"own": clock("tcxo"), "rates": np.array([1e-5, 1e-3, 1.0])},
        {"how": Gathering(step_s=STEP_S, doppler=False), "count": 4},
        {"count": 1, "epochs": 40, "own": clock("rafs")},
        {"count": 2, "epochs": 25, "two_way": np.ones((2, 25), np.int8)},
    ],
)
def test_dense_stacked_problem(evidence, over):
    size = {k: over[k] for k in ("count", "epochs") if k in over}
    p = problem(**size, **{k: v for k, v in over.items() if k not in size})
    covariance, solved, _ = solve(p)
    assert solved[0, -1]
    want = dense_covariance(p)
    error = np.abs(covariance[0, -1] - want).max() / np.abs(want).max()
    evidence("accumulated positioning", "dense stacked least squares", 1, error, 1e-9, "",
             "the same model, every epoch's states at once")  # fmt: skip


def test_partial_visibility_and_several_starts():
    gate = np.ones((3, 30), np.int8)
    gate[0, :12], gate[1, 8:20], gate[2, 5:] = 0, 0, 0
    p = problem(3, 30, one_way=gate, starts=np.array([0, 7, 15])) | {"epochs": 15}
    covariance, solved, _ = solve(p)
    for a, first in enumerate(p["starts"]):
        cut = slice(first, first + 15)
        part = p | {
            k: p[k][:, cut] for k in ("place", "speed", "one_way", "two_way", "sigma", "noise2")
        }
        seen = part["one_way"].any(axis=1)
        for k in ("place", "speed", "one_way", "two_way", "sigma", "noise2", "two_way2", "rates"):
            part[k] = part[k][seen]
        assert solved[a, -1]
        want = dense_covariance(part)
        assert np.abs(covariance[a, -1] - want).max() <= 1e-9 * np.abs(want).max()


def test_least_squares_of_drawn_errors_has_the_predicted_covariance(evidence):
    p = problem(2, 16, own=clock("ocxo"), how=Gathering(step_s=STEP_S, height_sigma_m=5.0))
    covariance, solved, _ = solve(p)
    assert solved[0, -1]
    rows, n = dense(p)
    draws = 2000
    noise = np.random.default_rng(5).normal(size=(rows.shape[0], draws))
    # every row is whitened, so the estimate of a true state of zero is the error itself
    scale = np.linalg.norm(rows, axis=0)
    found, *_ = lstsq(rows / scale, noise)
    last = n - 5
    error = (found / scale[:, None])[[last + 2, last + 3, last + 4, last + 1]]
    sample = error @ error.T / draws
    root = np.linalg.inv(np.linalg.cholesky(covariance[0, -1]))
    off = np.abs(root @ sample @ root.T - np.eye(4)).max()
    evidence("accumulated positioning", "Monte Carlo least squares", draws, off,
             5.0 * math.sqrt(2.0 / draws), "", "five standard deviations of a sample variance")  # fmt: skip


# --- the law of the first fix, and closed forms --------------------------------------------------


@pytest.mark.parametrize("sources", [4, 6])
def test_it_starts_at_the_dop_solution(sources):
    p = problem(sources, 3, own=STILL, how=Gathering(step_s=STEP_S, doppler=False),
                noise2=np.full((sources, 3), 0.7**2))  # fmt: skip
    covariance, solved, _ = solve(p)
    assert solved[0, 0]
    e = p["place"][:, 0] / np.linalg.norm(p["place"][:, 0], axis=1)[:, None]
    uere = math.hypot(5.0, 0.7)
    (g, pd, *_), there = dop(e)
    assert there
    first = covariance[0, 0]
    assert math.sqrt(np.trace(first)) == pytest.approx(g * uere, rel=1e-9)
    assert math.sqrt(np.trace(first[:3, :3])) == pytest.approx(pd * uere, rel=1e-9)


def test_static_source_two_way_knows_its_line_alone():
    place = np.tile([0.6 * 5000.0, 0.0, 0.8 * 5000.0], (1, 20, 1))
    p = problem(1, 20, place=place, speed=np.zeros((1, 20, 3)), own=STILL, rates=np.zeros(1),
                one_way=np.zeros((1, 20), np.int8), two_way=np.ones((1, 20), np.int8))  # fmt: skip
    _, solved, root = solve(p)
    assert not solved.any()
    _, values, rows = np.linalg.svd(root[0])
    assert (values > 1e-6).sum() == 1
    line = rows[0] * np.sign(rows[0, 0])
    assert line == pytest.approx([0.6, 0.0, 0.8, 0.0], abs=1e-12)
    # twenty ranges of 3 m over a constant 5 m
    assert 1.0 / values[0] == pytest.approx(math.sqrt(25.0 + 9.0 / 20.0), rel=1e-12)


def test_static_source_one_way_mixes_its_line_with_the_clock():
    place = np.tile([0.0, 0.0, 5000.0], (1, 20, 1))
    p = problem(1, 20, place=place, speed=np.zeros((1, 20, 3)), own=STILL, rates=np.zeros(1))
    _, solved, root = solve(p)
    assert not solved.any()
    sigma, rows = np.linalg.svd(root[0])[1:]
    assert (sigma > 1e-6).sum() == 1
    assert np.abs(rows[0]) == pytest.approx([0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5)], abs=1e-9)
    assert rows[0, 2] * rows[0, 3] < 0.0  # what it knows is time less height


def test_noise_averages_and_a_constant_signal_error_does_not():
    """Straight up, two-way: sigma^2 (white / n + constant); a drifting one lies between."""
    place = np.tile([0.0, 0.0, 5000.0], (1, 101, 1))
    gates = {"one_way": np.zeros((1, 101), np.int8), "two_way": np.ones((1, 101), np.int8)}
    ends = {}
    for rate in (0.0, 1e-4, 1e-2):
        p = problem(
            1, 101, place=place, speed=np.zeros((1, 101, 3)), rates=np.array([rate]), **gates
        )
        values = np.linalg.svd(solve(p)[2][0])[1]
        ends[rate] = 1.0 / values[0]
    assert ends[0.0] == pytest.approx(math.sqrt(25.0 + 9.0 / 101.0), rel=1e-12)
    assert ends[1e-2] < ends[1e-4] < ends[0.0]
    assert ends[1e-2] > math.sqrt(25.0 / 101.0)


def test_coincident_sources_are_one():
    p = problem(4, 1, own=STILL, how=Gathering(step_s=STEP_S, window_min=1.0, doppler=False))
    for key in ("place", "speed"):
        p[key][:] = p[key][:1]
    covariance, solved, root = solve(p)
    assert not solved.any()
    assert not covariance.any()
    assert (np.linalg.svd(root[0])[1] > 1e-6).sum() == 1


# --- laws ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 5), seed=st.integers(0, 10_000),
    kind=st.sampled_from(["tcxo", "ocxo", "csac", "uso", "rafs"]),
    height=st.sampled_from([None, 10.0]), doppler=st.booleans(),
)  # fmt: skip
def test_information_on_a_static_place_never_decreases(count, seed, kind, height, doppler):
    p = problem(count, 16, seed, own=clock(kind), how=Gathering(
        step_s=STEP_S, height_sigma_m=height, doppler=doppler))  # fmt: skip
    covariance, solved, _ = solve(p)
    got = np.flatnonzero(solved[0])
    if not got.size:
        return
    assert (np.diff(got) == 1).all()  # once known, always known
    assert got[-1] == 15
    for a, b in itertools.pairwise(got):
        less = covariance[0, a, :3, :3] - covariance[0, b, :3, :3]
        assert np.linalg.eigvalsh(less).min() >= -1e-9 * np.trace(covariance[0, a, :3, :3])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), extra=st.sampled_from(["source", "height", "two_way", "clock"]))
def test_knowing_more_never_hurts(seed, extra):
    p = problem(4, 12, seed, own=clock("csac"))
    base = p | {"one_way": p["one_way"].copy()}
    base["one_way"][3] = 0
    more = {
        "source": p,
        "height": base | {"how": Gathering(step_s=STEP_S, height_sigma_m=10.0)},
        "two_way": base | {"two_way": np.ones((4, 12), np.int8)},
        "clock": base | {"own": clock("uso")},
    }[extra]
    (a, known, _), (b, both, _) = solve(base), solve(more)
    assert both[0, -1] >= known[0, -1]
    if known[0, -1]:
        assert np.linalg.eigvalsh(a[0, -1] - b[0, -1]).min() >= -1e-9 * np.trace(a[0, -1])


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 8),
    seed=st.integers(0, 1000),
    zero=st.integers(0, 7),
)
def test_reduction_keeps_the_normal_matrix(rows, columns, seed, zero):
    a = np.random.default_rng(seed).normal(size=(rows, columns))
    if zero < columns:
        a[:, zero] = 0.0
    out = np.full((columns, columns), 7.0)
    reduce_rows(np.ascontiguousarray(a.T.copy()), rows, columns, out)
    assert out == pytest.approx(np.triu(out))
    assert out.T @ out == pytest.approx(a.T @ a, abs=1e-12 * max(1.0, np.abs(a.T @ a).max()))
