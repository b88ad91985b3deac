"""Where a fix is within limits, found quickly: grid instants in tiles, edges one by one.

What ``cislunar.dop.walk`` finds of fixes within limits, to the bit. Nearly all instants of the grid
lie clear of every limit, and for those the sums over a tile of instants (``cislunar.dop_kernels``)
tell; where a value comes near a limit, and at all edges, the fix itself is asked as ``walk`` does.
"""

from __future__ import annotations

import math

import numpy as np

from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, SUMS, TILE, add_weighted, solve_tile
from cislunar.positioning.dop import passes, place_sources, variances_of_fix
from orbits.compiled import njit

_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
_NEAR = 1e-5  # of a squared limit; sums over tiles are good to a part in 1e7 at the worst
_NO, _YES, _ASK = 0, 1, 2


@njit(cache=True, nogil=True)
def _within(value, limit2):
    """Whether a variance is within a squared limit: _YES, _NO, or too near to tell (_ASK)."""
    if value <= limit2 * (1.0 - _NEAR):
        return _YES
    return _NO if value > limit2 * (1.0 + _NEAR) else _ASK


@njit(cache=True, nogil=True)
def _judge(plain, weighted, k, limits, horizontal):
    """Whether the fix of instant ``k`` of a tile is within limits: _YES, _NO or _ASK."""
    v, h, c = plain[0, k], plain[1, k], plain[2, k]
    wv, wh = weighted[0, k], weighted[1, k]
    if v < 0.0 or wv < 0.0:
        return _ASK
    answer = _YES
    for value, limit2 in (
        (v + h + c, _LIMIT2),
        (v + h, limits[1] * limits[1]),
        (v + h + c, limits[2] * limits[2]),
        (wh if horizontal else wv + wh, limits[0] * limits[0]),
    ):
        one = _within(value, limit2)
        if one == _NO:
            return _NO
        if one == _ASK:
            answer = _ASK
    return answer


@njit(cache=True, nogil=True)
def good_spans(
    t, user, sources, starts, ends, sise2, quiet, sin_step, limits, horizontal, tol_s, good_edges
):  # fmt: skip
    """Spans with a fix within limits into ``good_edges`` (room, 2): how many, -1 without room.

    Arguments as for ``cislunar.dop.walk``, the segments by their ``starts`` and ``ends`` (J,).
    """
    count = sources.shape[0]
    places, e = np.empty((count, 3)), np.empty((count, 3))
    w, var, noise = np.empty((2, count)), np.empty(count), np.empty((count, 2))
    index = np.empty(count, np.int64)
    here, out = np.empty(3), np.empty(8)
    out[7] = sin_step
    unit_out, one = np.empty(3), np.empty(3)
    acc, wacc = np.empty((SUMS, TILE)), np.empty((SUMS, TILE))
    plain, weighted = np.empty((3, TILE)), np.empty((3, TILE))
    x, y, z = np.empty(TILE), np.empty(TILE), np.empty(TILE)
    ground, up = np.empty((3, TILE)), np.empty((3, TILE))
    gate, signal = np.ones(TILE), np.empty(TILE)
    reach2 = np.full(2, np.inf)  # visibility has been settled
    last = t.size - 1
    dt = (t[last] - t[0]) / last
    used = 0
    for j in range(starts.size):
        start, end = starts[j], ends[j]
        n = 0
        for s in range(count):
            if sise2[j, s] >= 0.0:
                index[n], var[n] = s, sise2[j, s]
                noise[n, 0], noise[n, 1] = quiet[s, 0], quiet[s, 1]
                n += 1
        if n < MIN_SOURCES:
            continue
        final = end >= t[last]  # the grid's last instant belongs to the last segment
        k = max(math.ceil((start - t[0]) / dt - 1e-9), 0)
        while k <= last and t[k] < start:
            k += 1
        stop = k  # the first grid instant past the segment
        while stop <= last and (t[stop] < end or (final and stop == last)):
            stop += 1
        if k < stop and t[k] == start:
            k += 1
        had, since, before = False, start, start
        tile_at, tile_end = k, k
        now, at_start = start, True
        while True:
            answer = _ASK
            if not at_start and k < stop:
                if k == tile_end:
                    tile_at, tile_end = k, min(k + TILE, stop)
                    size = tile_end - tile_at
                    for q in range(size):
                        row = user[tile_at + q]
                        gx, gy, gz = row[0], row[1], row[2]
                        r = math.sqrt(gx * gx + gy * gy + gz * gz)
                        ground[0, q], ground[1, q], ground[2, q] = gx, gy, gz
                        up[0, q], up[1, q], up[2, q] = gx / r, gy / r, gz / r
                    for i in range(SUMS):  # segments are short, and there are many
                        for q in range(size):
                            acc[i, q], wacc[i, q] = 0.0, 0.0
                    for m in range(n):
                        s = index[m]
                        for q in range(size):
                            x[q] = sources[s, tile_at + q, 0]
                            y[q] = sources[s, tile_at + q, 1]
                            z[q] = sources[s, tile_at + q, 2]
                            signal[q] = var[m]
                        add_weighted(
                            size, ground, up, x, y, z, gate, -2.0, signal, noise[m], reach2,
                            sin_step, acc, wacc,
                        )  # fmt: skip
                    solve_tile(size, acc, up, MIN_SOURCES, plain)
                    solve_tile(size, wacc, up, 0.0, weighted)
                now = t[k]
                answer = _judge(plain, weighted, k - tile_at, limits, horizontal)
                k += 1
            elif not at_start:
                now = end
            if answer == _ASK:
                place_sources(t, now, dt, last, user, sources, index, n, here, places)
                has = variances_of_fix(here, places, n, var, noise, e, w, out, unit_out, one)
                has = has and passes(unit_out, one, limits, horizontal)
            else:
                has = answer == _YES
            if had != has:
                low, high = before, now  # at the segment's start both are the start
                while high - low > tol_s:
                    middle = 0.5 * (low + high)
                    place_sources(t, middle, dt, last, user, sources, index, n, here, places)
                    state = variances_of_fix(here, places, n, var, noise, e, w, out, unit_out, one)
                    state = state and passes(unit_out, one, limits, horizontal)
                    if state == has:
                        high = middle
                    else:
                        low = middle
                if has:
                    since = high
                else:
                    if used == good_edges.shape[0]:
                        return -1
                    good_edges[used, 0], good_edges[used, 1] = since, high
                    used += 1
            had, before = has, now
            if now >= end and not at_start:
                break
            at_start = False
        if had:
            if used == good_edges.shape[0]:
                return -1
            good_edges[used, 0], good_edges[used, 1] = since, end
            used += 1
    return used
