"""Kernels of a ranging fix: position and clock from one-way ranges, compiled.

The design matrix has a row ``[e, 1]`` for each source, ``e`` the unit vector from user to source
and the 1 the receiver's clock. With weights ``w`` (1 / range variance) the normal matrix is

    [ sum w e e^T   sum w e ]
    [ sum w e^T     sum w   ]

Eliminating the clock leaves ``M = sum w (e - m)(e - m)^T`` with ``m`` the weighted mean direction;
the position covariance is ``M^-1`` and the clock variance ``1 / sum w + m^T M^-1 m``. ``M`` is
factored as L D L^T, which keeps a variance positive however thin the geometry. A height
constraint adds a row ``[up, 0] / s``, which joins ``M`` alone.

DOP are those of equal weights: GDOP = sqrt(tr Q), PDOP = sqrt of its three position terms, VDOP
along the local vertical, HDOP across it, TDOP of the clock term (textbook definitions, as in
Langley, GPS World 10(5), 1999). A geometry with GDOP above ``GDOP_LIMIT`` is no solution: its
normal matrix has a condition number beyond 1e8, and half of a double's digits are gone.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np

from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, NEAREST_KM, gdop_sites
from orbits.compiled import njit
from orbits.errors import InputError

NAMES = ("gdop", "pdop", "hdop", "vdop", "tdop")
MOST_SUBSETS = 200_000  # of sources to choose from at one epoch
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT


@njit(cache=True, nogil=True)
def covariance(e, w, n, up, constraint_w, out):
    """Writes up, horizontal and clock variances of a fix into ``out`` (3); False if singular.

    ``e`` (>= n, 3) unit vectors, ``w`` (>= n) weights, ``up`` (3) the vertical, ``constraint_w``
    the weight of a height constraint (0 for none). Variances are in units of 1 / weight.
    """
    sw, mx, my, mz = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        sw += w[i]
        mx += w[i] * e[i, 0]
        my += w[i] * e[i, 1]
        mz += w[i] * e[i, 2]
    if sw <= 0.0:
        return False
    mx /= sw
    my /= sw
    mz /= sw
    xx = constraint_w * up[0] * up[0]
    xy = constraint_w * up[0] * up[1]
    xz = constraint_w * up[0] * up[2]
    yy = constraint_w * up[1] * up[1]
    yz = constraint_w * up[1] * up[2]
    zz = constraint_w * up[2] * up[2]
    for i in range(n):
        x, y, z = e[i, 0] - mx, e[i, 1] - my, e[i, 2] - mz
        xx += w[i] * x * x
        xy += w[i] * x * y
        xz += w[i] * x * z
        yy += w[i] * y * y
        yz += w[i] * y * z
        zz += w[i] * z * z
    # M = L D L^T with unit lower L; its inverse has the entries p, q, r below the diagonal
    if xx <= 0.0:
        return False
    i0 = 1.0 / xx
    l10, l20 = xy * i0, xz * i0
    d1 = yy - l10 * xy
    if d1 <= 0.0:
        return False
    i1 = 1.0 / d1
    l21 = (yz - l10 * xz) * i1
    d2 = zz - l20 * xz - l21 * l21 * d1
    if d2 <= 0.0:
        return False
    i2 = 1.0 / d2
    p, r = -l10, -l21
    q = l10 * l21 - l20
    total = i0 + (p * p + 1.0) * i1 + (q * q + r * r + 1.0) * i2
    v1 = p * up[0] + up[1]
    v2 = q * up[0] + r * up[1] + up[2]
    vertical = up[0] * up[0] * i0 + v1 * v1 * i1 + v2 * v2 * i2
    t1 = p * mx + my
    t2 = q * mx + r * my + mz
    clock = mx * mx * i0 + t1 * t1 * i1 + t2 * t2 * i2
    out[0] = vertical
    out[1] = total - vertical if total > vertical else 0.0
    out[2] = 1.0 / sw + clock
    return True


@njit(cache=True, nogil=True)
def _dop_many(e, seen, up, constraint_w, dop, solved):
    """DOP (N, 5: G P H V T) and solved flags (N) for directions (N, S, 3) where ``seen`` (N, S)."""
    count = e.shape[1]
    rows = np.empty((count, 3))
    ones = np.ones(count)
    out = np.empty(3)
    need = MIN_SOURCES - (1 if constraint_w > 0.0 else 0)
    for k in range(e.shape[0]):
        n = 0
        for s in range(count):
            if seen[k, s]:
                rows[n] = e[k, s]
                n += 1
        if n < need or not covariance(rows, ones, n, up[k], constraint_w, out):
            continue
        g2 = out[0] + out[1] + out[2]
        if g2 > _LIMIT2:
            continue
        solved[k] = True
        dop[k, 0] = math.sqrt(g2)
        dop[k, 1] = math.sqrt(out[0] + out[1])
        dop[k, 2] = math.sqrt(out[1])
        dop[k, 3] = math.sqrt(out[0])
        dop[k, 4] = math.sqrt(out[2])


@njit(cache=True, nogil=True)
def _between(t, j, w, states, out):
    """Position at the grid's instant ``j + w`` by cubic Hermite from states (T, 6)."""
    dt = t[j + 1] - t[j]
    w2 = w * w
    h01 = w2 * (3.0 - 2.0 * w)
    h10 = w * (1.0 - w) * (1.0 - w) * dt
    h11 = w2 * (w - 1.0) * dt
    for i in range(3):
        out[i] = (
            (1.0 - h01) * states[j, i]
            + h01 * states[j + 1, i]
            + h10 * states[j, i + 3]
            + h11 * states[j + 1, i + 3]
        )


@njit(cache=True, nogil=True)
def variances_of_fix(user, places, n, sise2, quiet, e, w, out, unit_out, weighted):
    """Unit-weight and weighted variances of one fix; False where there is none.

    ``places`` (n, 3) km, ``sise2`` (n) signal variance m2, ``quiet`` (n, 2) receiver variance per
    km2 of range below and above the antenna's step in elevation.
    """
    r = math.sqrt(user[0] * user[0] + user[1] * user[1] + user[2] * user[2])
    up = out[4:7]
    for i in range(3):
        up[i] = user[i] / r
    step = out[7]
    m = 0
    for s in range(n):
        x, y, z = places[s, 0] - user[0], places[s, 1] - user[1], places[s, 2] - user[2]
        d2 = x * x + y * y + z * z
        d = math.sqrt(d2)
        if d < NEAREST_KM:
            continue
        inverse = 1.0 / d
        e[m, 0] = x * inverse
        e[m, 1] = y * inverse
        e[m, 2] = z * inverse
        high = e[m, 0] * up[0] + e[m, 1] * up[1] + e[m, 2] * up[2] >= step
        w[0, m] = 1.0
        w[1, m] = 1.0 / (sise2[s] + (quiet[s, 1] if high else quiet[s, 0]) * d2)
        m += 1
    if m < MIN_SOURCES or not covariance(e, w[0], m, up, 0.0, unit_out):
        return False
    if unit_out[0] + unit_out[1] + unit_out[2] > _LIMIT2:
        return False
    return covariance(e, w[1], m, up, 0.0, weighted)


@njit(cache=True, nogil=True)
def passes(unit_out, weighted, limits, horizontal):
    """True where a fix is within limits: (RMS m, PDOP, GDOP); an absent limit is infinite."""
    if math.sqrt(unit_out[0] + unit_out[1]) > limits[1]:
        return False
    if math.sqrt(unit_out[0] + unit_out[1] + unit_out[2]) > limits[2]:
        return False
    variance = weighted[1] if horizontal else weighted[0] + weighted[1]
    return math.sqrt(variance) <= limits[0]


@njit(cache=True, nogil=True)
def walk(
    t,
    user,
    sources,
    edges,
    sise2,
    quiet,
    sin_step,
    limits,
    horizontal,
    tol_s,
    dop,
    error,
    solved,
    fix_edges,
    good_edges,
):
    """Follows one user through its segments of constant visibility.

    ``t`` (T,) the grid; ``user`` (T, 6) and ``sources`` (S, T, 6) states, km; ``edges`` (J + 1) the
    instants where the set in view changes, first 0 and last the end; ``sise2`` (J, S) variances
    of the signals in each segment, m2, negative where not in view.

    Fills ``dop`` (T, 5), ``error`` (T, 2: 3D and horizontal RMS m) and ``solved`` (T) at the grid
    instants, and into ``fix_edges`` and ``good_edges`` (room, 2) the spans with a fix and with a
    fix within ``limits``; returns their counts, (-1, -1) if the room is too small. Inside a
    segment the states of a fix are tested at the grid instants and at both ends, and where they
    differ the instant between is bisected to ``tol_s`` on the interpolated states.
    """  # fmt: skip
    count = sources.shape[0]
    places = np.empty((count, 3))
    e = np.empty((count, 3))
    w = np.empty((2, count))
    var = np.empty(count)
    noise = np.empty((count, 2))
    index = np.empty(count, np.int64)
    here = np.empty(3)
    out = np.empty(8)
    out[7] = sin_step
    unit_out, weighted = np.empty(3), np.empty(3)
    last = t.size - 1
    dt = (t[last] - t[0]) / last
    n_fix, n_good = 0, 0
    for j in range(edges.size - 1):
        start, end = edges[j], edges[j + 1]
        n = 0
        for s in range(count):
            if sise2[j, s] >= 0.0:
                index[n] = s
                var[n] = sise2[j, s]
                noise[n, 0] = quiet[s, 0]
                noise[n, 1] = quiet[s, 1]
                n += 1
        final = end >= t[last]  # the grid's last instant belongs to the last segment
        k = math.ceil((start - t[0]) / dt - 1e-9)
        if k < 0:
            k = 0
        while k <= last and t[k] < start:
            k += 1
        if n < MIN_SOURCES:
            continue
        had_fix, had_good = False, False
        fix_from, good_from = start, start
        before = start
        at_start = True
        while True:
            # next instant to test: the segment's start, then grid instants, then its end
            if at_start:
                now = start
            elif k <= last and (t[k] < end or (final and k == last)):
                now = t[k]
            else:
                now = end
            on_grid = k <= last and now == t[k] and (now < end or final)
            place_sources(t, now, dt, last, user, sources, index, n, here, places)
            fix = variances_of_fix(here, places, n, var, noise, e, w, out, unit_out, weighted)
            good = fix and passes(unit_out, weighted, limits, horizontal)
            if on_grid:
                if fix:
                    solved[k] = True
                    dop[k, 0] = math.sqrt(unit_out[0] + unit_out[1] + unit_out[2])
                    dop[k, 1] = math.sqrt(unit_out[0] + unit_out[1])
                    dop[k, 2] = math.sqrt(unit_out[1])
                    dop[k, 3] = math.sqrt(unit_out[0])
                    dop[k, 4] = math.sqrt(unit_out[2])
                    error[k, 0] = math.sqrt(weighted[0] + weighted[1])
                    error[k, 1] = math.sqrt(weighted[1])
                k += 1
            for which in range(2):
                had = had_fix if which == 0 else had_good
                has = fix if which == 0 else good
                if had == has:
                    continue
                low, high = before, now  # at the segment's start both are the start
                while high - low > tol_s:
                    middle = 0.5 * (low + high)
                    place_sources(t, middle, dt, last, user, sources, index, n, here, places)
                    state = variances_of_fix(
                        here, places, n, var, noise, e, w, out, unit_out, weighted
                    )
                    if which == 1:
                        state = state and passes(unit_out, weighted, limits, horizontal)
                    if state == has:
                        high = middle
                    else:
                        low = middle
                if has:
                    if which == 0:
                        fix_from = high
                    else:
                        good_from = high
                elif which == 0:
                    if n_fix == fix_edges.shape[0]:
                        return -1, -1
                    fix_edges[n_fix, 0] = fix_from
                    fix_edges[n_fix, 1] = high
                    n_fix += 1
                else:
                    if n_good == good_edges.shape[0]:
                        return -1, -1
                    good_edges[n_good, 0] = good_from
                    good_edges[n_good, 1] = high
                    n_good += 1
            had_fix, had_good = fix, good
            before = now
            if now >= end and not at_start:
                break
            at_start = False
        if had_fix:
            if n_fix == fix_edges.shape[0]:
                return -1, -1
            fix_edges[n_fix, 0] = fix_from
            fix_edges[n_fix, 1] = end
            n_fix += 1
        if had_good:
            if n_good == good_edges.shape[0]:
                return -1, -1
            good_edges[n_good, 0] = good_from
            good_edges[n_good, 1] = end
            n_good += 1
    return n_fix, n_good


@njit(cache=True, nogil=True)
def place_sources(t, now, dt, last, user, sources, index, n, here, places):
    """Positions of the user and of the ``n`` sources in ``index`` at the instant ``now``."""
    j = int((now - t[0]) / dt)
    if j > last - 1:
        j = last - 1
    if j < 0:
        j = 0
    if now < t[j] and j > 0:
        j -= 1
    elif now >= t[j + 1] and j < last - 1:
        j += 1
    w = (now - t[j]) / (t[j + 1] - t[j])
    if w == 0.0:
        for i in range(3):
            here[i] = user[j, i]
        for m in range(n):
            s = index[m]
            for i in range(3):
                places[m, i] = sources[s, j, i]
    else:
        _between(t, j, w, user, here)
        for m in range(n):
            _between(t, j, w, sources[index[m]], places[m])


@njit(cache=True, nogil=True)
def _best_many(e, w, seen, subsets, up, chosen, dop, solved):
    """The subset of sources in view with the least GDOP (weights ``w``) at each epoch."""
    size = subsets.shape[1]
    rows, weights = np.empty((size, 3)), np.empty(size)
    out = np.empty(3)
    for k in range(e.shape[0]):
        least = np.inf
        best = -1
        for c in range(subsets.shape[0]):
            usable = True
            for i in range(size):
                s = subsets[c, i]
                if not seen[k, s]:
                    usable = False
                    break
                rows[i] = e[k, s]
                weights[i] = w[k, s]
            if not usable or not covariance(rows, weights, size, up[k], 0.0, out):
                continue
            total = out[0] + out[1] + out[2]
            if total < least:
                least, best = total, c
        if best < 0:
            continue
        for i in range(size):
            rows[i] = e[k, subsets[best, i]]
            weights[i] = 1.0
            chosen[k, subsets[best, i]] = True
        if not covariance(rows, weights, size, up[k], 0.0, out):
            continue
        g2 = out[0] + out[1] + out[2]
        if g2 > _LIMIT2:
            chosen[k] = False
            continue
        solved[k] = True
        dop[k, 0] = math.sqrt(g2)
        dop[k, 1] = math.sqrt(out[0] + out[1])
        dop[k, 2] = math.sqrt(out[1])
        dop[k, 3] = math.sqrt(out[0])
        dop[k, 4] = math.sqrt(out[2])


def _unit_directions(directions, up, seen):
    """Unit vectors (N, S, 3), verticals (N, 3), mask (N, S), and whether one epoch was given.

    A source in the user's own place has no direction and is masked out.
    """
    e = np.asarray(directions, dtype=float)
    single = e.ndim == 2
    if single:
        e = e[None]
    if e.ndim != 3 or e.shape[2] != 3 or not np.isfinite(e).all():
        raise InputError("not directions to sources", key="directions", value=e.shape,
                         allowed="finite numbers (N, S, 3) or (S, 3)")  # fmt: skip
    count = e.shape[0]
    mask = np.ones(e.shape[:2], bool) if seen is None else np.asarray(seen, bool).reshape(count, -1)
    length = np.linalg.norm(e, axis=2, keepdims=True)
    mask = np.ascontiguousarray(mask & (length[..., 0] > 0.0))
    e = np.ascontiguousarray(e / np.where(length > 0.0, length, 1.0))
    vertical = np.broadcast_to([0.0, 0.0, 1.0] if up is None else up, (count, 3))
    vertical = np.ascontiguousarray(vertical / np.linalg.norm(vertical, axis=1, keepdims=True))
    return e, vertical, mask, single


def dop(directions, up=None, *, seen=None, height_sigma=None):
    """DOP vectors (N, 5: GDOP, PDOP, HDOP, VDOP, TDOP; no unit) and a mask of those solved (N,).

    ``directions`` (N, S, 3) or (S, 3): vectors user to source, of any length, in any axes; ``up``
    (N, 3) or (3,) the vertical in the same axes (default: the third axis); ``seen`` (N, S) which
    count. ``height_sigma`` adds the row ``[up, 0] / height_sigma``, the sigma of a known height in
    units of the range sigma; three sources then suffice. Rows that have no solution (too few
    sources, or GDOP beyond 1e4) are 0 and masked False.

    >>> import numpy as np
    >>> ring = [(np.cos(a), np.sin(a), -1 / np.sqrt(8)) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    >>> values, solved = dop([(0.0, 0.0, 1.0), *ring])
    >>> values.round(6).tolist(), bool(solved)
    ([1.581139, 1.5, 1.224745, 0.866025, 0.5], True)
    """
    e, vertical, mask, single = _unit_directions(directions, up, seen)
    count = e.shape[0]
    values, solved = np.zeros((count, 5)), np.zeros(count, bool)
    weight = 0.0 if height_sigma is None else 1.0 / height_sigma**2
    _dop_many(e, mask, vertical, weight, values, solved)
    return (values[0], solved[0]) if single else (values, solved)


def best_subset(directions, size, up=None, *, seen=None, sigma_m=None):
    """DOP (N, 5) of the best ``size`` sources, epochs solved (N,), and the sources chosen (N, S).

    Every subset of the sources in view is tried, so the choice is exact: the least GDOP, or with
    ``sigma_m`` (S,) or (N, S), the 1-sigma error of each source in m, the least weighted one (root
    of the summed variances of position and clock). The DOP given are those of equal weights of the
    sources chosen. Arguments and shapes otherwise as for ``dop``. Raises InputError for fewer than
    four sources asked for, more than there are, or more than 200,000 subsets.

    >>> ring = [(np.cos(a), np.sin(a), 0.1) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    >>> values, solved, chosen = best_subset([(0.0, 0.1, 1.0), (0.0, 0.0, 1.0), *ring], 4)
    >>> bool(solved), chosen.tolist()
    (True, [False, True, True, True, True])
    """
    e, vertical, mask, single = _unit_directions(directions, up, seen)
    count, sources = mask.shape
    if not MIN_SOURCES <= size <= sources:
        raise InputError("no such number of sources", key="size", value=size,
                         allowed=f"{MIN_SOURCES} to the number of sources, {sources}")  # fmt: skip
    if math.comb(sources, size) > MOST_SUBSETS:
        raise InputError(
            "too many subsets to try", key="size", value=f"{size} of {sources}",
            allowed=f"{MOST_SUBSETS} subsets: fewer sources, or a size nearer to 4 or to all",
        )  # fmt: skip
    sigma = np.broadcast_to(1.0 if sigma_m is None else sigma_m, mask.shape)
    weights = np.ascontiguousarray(_weights(sigma))
    subsets = np.array(list(combinations(range(sources), size)), dtype=np.int64)
    values, solved = np.zeros((count, 5)), np.zeros(count, bool)
    chosen = np.zeros(mask.shape, bool)
    _best_many(e, weights, mask, subsets, vertical, chosen, values, solved)
    return (values[0], solved[0], chosen[0]) if single else (values, solved, chosen)


def _weights(sigma_m) -> np.ndarray:
    sigma = np.asarray(sigma_m, dtype=float)
    if not (np.isfinite(sigma).all() and (sigma > 0.0).all()):
        raise InputError("not errors of sources", key="sigma_m", allowed="finite, more than 0 m")
    return 1.0 / sigma**2


def fix_covariance(directions, sigma_m, up=None, *, seen=None, height_sigma_m=None):
    """Covariance (N, 4, 4) in m2 of weighted fixes, and a mask of those solved (N,).

    Rows and columns are two horizontal axes, up, and the receiver's clock as a distance.
    ``sigma_m`` (S,) or (N, S): the 1-sigma range error of each source; sources weigh 1 / sigma^2.
    Directions, ``up`` and ``seen`` as for ``dop``; ``height_sigma_m`` the error of a known
    height. The first horizontal axis is the one nearest to the first axis of ``directions`` (east,
    where those are east, north, up). Rows without a solution are 0 and masked False.

    >>> ring = [(np.cos(a), np.sin(a), -1 / np.sqrt(8)) for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    >>> q, solved = fix_covariance([(0.0, 0.0, 1.0), *ring], 2.0)
    >>> np.sqrt(np.diag(q)).round(6).tolist()
    [1.732051, 1.732051, 1.732051, 1.0]
    """
    e, vertical, mask, single = _unit_directions(directions, up, seen)
    count = e.shape[0]
    weights = _weights(np.broadcast_to(sigma_m, mask.shape)) * mask
    values, solved = np.zeros((count, 5)), np.zeros(count, bool)
    height = 0.0
    if height_sigma_m is not None:
        height = float(_weights(height_sigma_m))
    # an aid counts as a row of the mean weight when asking whether there is a solution at all
    mean = weights.sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    relative = height / float(mean.max(initial=0.0)) if height and mean.max(initial=0.0) else 0.0
    _dop_many(e, mask, vertical, relative, values, solved)
    first = np.where(np.abs(vertical[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    east = first - np.einsum("ni,ni->n", first, vertical)[:, None] * vertical
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    axes = np.stack([east, np.cross(vertical, east), vertical], axis=1)
    local = np.einsum("nij,nsj->nsi", axes, e)
    rows = np.concatenate([-local, np.ones((*mask.shape, 1))], axis=2)  # a range falls along e
    normal = np.einsum("ns,nsi,nsj->nij", weights, rows, rows)
    normal[:, 2, 2] += height
    out = np.zeros((count, 4, 4))
    if solved.any():
        # scaled to ones on the diagonal, so that unequal weights cost no digits
        scale = 1.0 / np.sqrt(np.einsum("nii->ni", normal[solved]))
        both = scale[:, :, None] * scale[:, None, :]
        out[solved] = np.linalg.inv(normal[solved] * both) * both
    return (out[0], solved[0]) if single else (out, solved)


def availability_frac(values, solved, limit: float, name: str = "gdop") -> float:
    """The share of epochs with a solution whose DOP is at most ``limit``; values as from ``dop``.

    ``name``: gdop, pdop, hdop, vdop or tdop.

    >>> availability_frac([[2.0, 1, 1, 1, 1], [9.0, 8, 7, 1, 1]], [True, True], 6.0)
    0.5
    """
    if name not in NAMES:
        raise InputError("no such DOP", key="name", value=name, allowed=f"one of {NAMES}")
    values, solved = np.atleast_2d(values), np.atleast_1d(solved)
    if not solved.size:
        raise InputError("no epoch", key="values", allowed="at least one epoch")
    return float((solved & (values[:, NAMES.index(name)] <= limit)).mean())


def dop_of_sites(sites_km, positions_km, min_elevation_rad: float, up=None, *, serving=None):
    """GDOP (U, K) of places from spacecraft above the mask, 0 where there is no solution.

    ``sites_km`` (U, 3) and ``positions_km`` (S, K, 3) in axes in which the sites rest; ``up``
    (U, 3) their verticals (their own directions); ``serving`` (S, K) who counts (all). Works on
    every processor; agrees with ``dop`` to a part in 1e6 wherever GDOP is below 1,000.
    """
    sites = np.ascontiguousarray(sites_km, dtype=float)
    vertical = sites if up is None else np.asarray(up, dtype=float)
    vertical = np.ascontiguousarray(vertical / np.linalg.norm(vertical, axis=1, keepdims=True))
    x, y, z = (
        np.ascontiguousarray(np.asarray(positions_km)[:, :, i], dtype=float) for i in range(3)
    )
    gate = np.ones(x.shape) if serving is None else np.ascontiguousarray(serving, dtype=float)
    out = np.zeros((len(sites), x.shape[1]))
    parts = np.array_split(np.arange(len(sites)), max(1, min(os.cpu_count() or 1, 8, len(sites))))

    def work(part: np.ndarray) -> None:
        if part.size:
            rows = slice(int(part[0]), int(part[-1]) + 1)
            gdop_sites(
                sites[rows], vertical[rows], x, y, z, gate, math.sin(min_elevation_rad),
                float(MIN_SOURCES), out[rows],
            )  # fmt: skip

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(work, parts))
    return out
