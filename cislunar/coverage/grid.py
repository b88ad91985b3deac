"""Compiled sweeps of a map: many cells against spacecraft over all epochs.

A spacecraft at distance r stands at least at elevation m over a site at distance R from the Moon's
centre when the angle at the centre between the two is at most ``acos(R cos m / r) - m``. So for
each spacecraft and epoch one cosine decides every cell: one dot product and one comparison a test.
Who is in view of a cell is kept as one number, the sum of a power of two for each spacecraft, in a
float because integer accumulators keep the loop from being vectorised. Tiles of epochs small
enough for the cache are worked for all cells in turn, four cells at a time so that a spacecraft's
direction is loaded once for four tests. Figures are taken from the runs of epochs over which that
number stays; nothing of size cells x epochs is kept.
"""

from __future__ import annotations

import math

import numpy as np

from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, SUMS, add_weighted, solve_tile
from cislunar.dop_kernels import TILE as FIX_TILE
from orbits.compiled import njit

TILE = 1024
WORD = 52  # whole numbers a double holds exactly: spacecraft to a word
NEVER = 2.0  # a threshold no cosine reaches
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT

# columns of a sweep's figures, all in epochs
UP, JOINT, SEEN, ACCESSES = range(4)
GAPS, JOINT_GAPS = 4, 10  # blocks of: longest, sum, squares, number (inside), first, last (edges)
LONGEST, SUM, SQUARES, NUMBER, FIRST, LAST = range(6)
FIGURES = 16
MOST_ASSETS = 8  # the histogram of assets in view ends here
BUCKETS = 2048  # of a percentile's search


def cosine_thresholds(radius_km, min_elevation_rad, site_radius_km, body_radius_km=None):
    """Least cosine of the central angle (any shape) at which a spacecraft is above the mask.

    ``body_radius_km``: a sphere that must not stand between (default: none but the mask, which at
    an elevation of 0 or more is enough for sites on that sphere). Sites above the body may look
    below their horizontal with a negative mask. A spacecraft lower than a site is out of view at
    masks of 0 or more; at negative ones it is refused (ValueError), unless the mask is -90 deg.

    >>> round(float(cosine_thresholds(3474.8, 0.0, 1737.4)), 6)
    0.5
    """
    r = np.asarray(radius_km, dtype=float)
    ratio = site_radius_km * math.cos(min_elevation_rad) / r
    if min_elevation_rad <= -0.5 * math.pi:
        angle = np.full(r.shape, math.pi)
    else:
        angle = np.arccos(np.clip(ratio, -1.0, 1.0)) - min_elevation_rad
    if body_radius_km is not None:
        below = r < site_radius_km
        if min_elevation_rad > -0.5 * math.pi and below.any():
            if min_elevation_rad < 0.0:
                raise ValueError("a spacecraft passes below cells that look below their horizontal")
            angle = np.where(below, -1.0, angle)
        site = math.acos(min(1.0, body_radius_km / site_radius_km))
        limb = site + np.arccos(np.clip(body_radius_km / r, -1.0, 1.0))
        angle = np.minimum(angle, limb)
    return np.where(angle < 0.0, NEVER, np.cos(np.minimum(angle, math.pi)))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _see_four(n, u, x, y, z, least, power, b0, b1, b2, b3):
    """Adds ``power`` for each of ``n`` epochs at which four cells ``u`` (4, 3) see a spacecraft."""
    x0, y0, z0 = u[0, 0], u[0, 1], u[0, 2]
    x1, y1, z1 = u[1, 0], u[1, 1], u[1, 2]
    x2, y2, z2 = u[2, 0], u[2, 1], u[2, 2]
    x3, y3, z3 = u[3, 0], u[3, 1], u[3, 2]
    for k in range(n):
        ax, ay, az, lim = x[k], y[k], z[k], least[k]
        b0[k] += power if x0 * ax + y0 * ay + z0 * az >= lim else 0.0
        b1[k] += power if x1 * ax + y1 * ay + z1 * az >= lim else 0.0
        b2[k] += power if x2 * ax + y2 * ay + z2 * az >= lim else 0.0
        b3[k] += power if x3 * ax + y3 * ay + z3 * az >= lim else 0.0


@njit(cache=True, nogil=True)
def _bits(word):
    """Number of ones."""
    count = 0
    while word:
        word &= word - 1
        count += 1
    return count


@njit(cache=True, nogil=True)
def _gap(row, block, length, at_start, at_end):
    """Counts a finished gap of ``length`` epochs."""
    if at_start:
        row[block + FIRST] = length
    elif at_end:
        row[block + LAST] = length
    else:
        row[block + LONGEST] = max(row[block + LONGEST], float(length))
        row[block + SUM] += length
        row[block + SQUARES] += float(length) * length
        row[block + NUMBER] += 1.0


@njit(cache=True, nogil=True)
def _run(start, end, now, path, relay, least_assets, row, tally, low_high, gap_from):
    """Counts the epochs ``start`` to ``end`` over which words ``now`` are in view."""
    length = end - start
    everyone, relays, lives = 0, 0, 0
    for w in range(now.size):
        everyone += _bits(now[w])
        relays += _bits(now[w] & relay[w])
        lives += _bits(now[w] & relay[w] & path[w])
    row[SEEN] += float(everyone) * length
    tally[min(everyone, tally.size - 1)] += length
    low_high[0] = min(low_high[0], everyone)
    low_high[1] = max(low_high[1], everyone)
    up, joint = relays >= least_assets, lives >= least_assets
    if up:
        row[UP] += length
    if joint:
        row[JOINT] += length
    for which in range(2):
        on = up if which == 0 else joint
        block = GAPS if which == 0 else JOINT_GAPS
        if on:
            if gap_from[which] >= 0:
                _gap(row, block, start - gap_from[which], gap_from[which] == 0, False)
                gap_from[which] = -1
        elif gap_from[which] < 0:
            gap_from[which] = start


@njit(cache=True, nogil=True)
def sweep(cells, px, py, pz, least, relay, live, changes, least_assets, out, tally, low_high):
    """Visibility figures of each cell, in epochs.

    ``cells`` (C, 3) unit vectors, C a multiple of four; ``px, py, pz, least`` (S, K): unit vectors
    to the spacecraft in the same axes and the least cosine; ``relay`` (W,) words of the bits of
    relays and ``live`` (K, W) of those with a live path to Earth, spacecraft s being bit s % 52 of
    word s // 52; ``changes`` (K,) where ``live`` differs from the epoch before; ``least_assets``
    how many relays make coverage. Fills ``out`` (C, 16) with the columns named above (accesses are
    counted one a relay), ``tally`` (C, 9) with the epochs with 0, 1, ... 8 or more spacecraft in
    view, and ``low_high`` (C, 2) with the least and the largest number in view.
    """
    count, epochs = px.shape
    words = relay.size
    seen = np.empty((words, 4, TILE))
    now = np.zeros((cells.shape[0], words), np.int64)
    path = np.zeros((cells.shape[0], words), np.int64)
    since = np.zeros(cells.shape[0], np.int64)
    gap_from = np.full((cells.shape[0], 2), -1, np.int64)
    out[:] = 0.0
    tally[:] = 0
    low_high[:, 0] = count
    low_high[:, 1] = 0
    for k0 in range(0, epochs, TILE):
        n = min(TILE, epochs - k0)
        for c0 in range(0, cells.shape[0], 4):
            seen[:, :, :n] = 0.0
            for s in range(count):
                w = s // WORD
                _see_four(
                    n, cells[c0 : c0 + 4], px[s, k0 : k0 + n], py[s, k0 : k0 + n],
                    pz[s, k0 : k0 + n], least[s, k0 : k0 + n], float(1 << (s - w * WORD)),
                    seen[w, 0], seen[w, 1], seen[w, 2], seen[w, 3],
                )  # fmt: skip
            for i in range(4):
                c = c0 + i
                last = -1.0 if k0 == 0 else float(now[c, 0])
                row = seen[0, i]
                for k in range(n):
                    same = row[k] == last and not changes[k0 + k]
                    for w in range(1, words):
                        same = same and seen[w, i, k] == float(now[c, w])
                    if same:
                        continue
                    here = k0 + k
                    if here > 0:
                        _run(
                            since[c], here, now[c], path[c], relay, least_assets, out[c],
                            tally[c], low_high[c], gap_from[c],
                        )  # fmt: skip
                    for w in range(words):
                        new = np.int64(seen[w, i, k])
                        out[c, ACCESSES] += _bits(new & ~now[c, w] & relay[w])
                        now[c, w] = new
                        path[c, w] = live[here, w]
                    since[c] = here
                    last = row[k]
    for c in range(cells.shape[0]):
        if epochs == 0:
            continue
        _run(
            since[c], epochs, now[c], path[c], relay, least_assets, out[c], tally[c],
            low_high[c], gap_from[c],
        )  # fmt: skip
        for which in range(2):
            if gap_from[c, which] >= 0:
                length = epochs - gap_from[c, which]
                block = GAPS if which == 0 else JOINT_GAPS
                _gap(out[c], block, length, gap_from[c, which] == 0, True)


@njit(cache=True, nogil=True)
def around(values, n, percent):
    """The two order statistics about a percentile of ``values[:n]``, and the place between them.

    For values of 0 or more, whose bits read as whole numbers are in the same order: counted in
    buckets of those, all but the few that share a bucket with the percentile are never sorted.
    """
    place = (n - 1) * percent / 100.0
    low = int(place)
    high = min(low + 1, n - 1)
    bits = values[:n].view(np.int64)
    least, most = bits[0], bits[0]
    for i in range(n):
        least = min(least, bits[i])
        most = max(most, bits[i])
    shift = 0
    while (most - least) >> shift >= BUCKETS:
        shift += 1
    tally = np.zeros(BUCKETS, np.int64)
    for i in range(n):
        tally[(bits[i] - least) >> shift] += 1
    start, below = 0, 0  # the bucket of ``low``, and how many values are in those before it
    while below + tally[start] <= low:
        below += tally[start]
        start += 1
    end, within = start, tally[start]
    while below + within <= high:
        end += 1
        within += tally[end]
    near = np.empty(within)
    k = 0
    for i in range(n):
        bucket = (bits[i] - least) >> shift
        if start <= bucket <= end:
            near[k] = values[i]
            k += 1
    near.sort()
    return near[low - below], near[high - below], place - low


@njit(cache=True, nogil=True)
def _nth(values, n, percent):
    """Percentile of ``values[:n]``, each 0 or more, linear between order statistics."""
    first, second, share = around(values, n, percent)
    return first + (second - first) * share


# columns of ``sweep_fixes``
FIXES, SERVED, GDOP_P50, PDOP_P50, HDOP_P50, VDOP_P50, TDOP_P50, GDOP_WORST = range(8)
ERROR_P95, HORIZONTAL_P95, VERTICAL_P95, TIME_P95 = range(8, 12)
FIX_FIGURES = 12


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_fixes(
    cells, site_km, px, py, pz, gate, sise2, noise, reach2, least_sine, sin_step, limits, out
):
    """Fixes at each cell from navigation sources.

    ``cells`` (C, 3) unit vectors of sites at ``site_km`` from the centre; ``px, py, pz`` (S, K)
    positions in km; ``gate`` (S, K) 1 where a source may be used; ``sise2`` (S, K) signal and
    multipath variance, m2; ``noise`` (S, 2) receiver variance over range squared and ``reach2``
    (S, 2) the largest squared range (km2), below and above the elevation of sine ``sin_step``;
    ``least_sine`` of the elevation at which a source comes into view; ``limits`` (3) the largest 3D
    RMS error in m, PDOP and GDOP of a fix that serves. Fills ``out`` (C, 12), columns
    as named above; all but the first two stay 0 without a fix. Errors are in m, time too.
    """
    count, epochs = px.shape
    acc, wacc = np.empty((SUMS, FIX_TILE)), np.empty((SUMS, FIX_TILE))
    plain, weighted = np.empty((3, FIX_TILE)), np.empty((3, FIX_TILE))
    here, up = np.empty((3, FIX_TILE)), np.empty((3, FIX_TILE))
    kept = np.empty((9, epochs))
    for c in range(cells.shape[0]):
        for i in range(3):
            up[i] = cells[c, i]
            here[i] = site_km * cells[c, i]
        m = 0
        served = 0
        worst = 0.0
        for k0 in range(0, epochs, FIX_TILE):
            n = min(FIX_TILE, epochs - k0)
            acc[:] = 0.0
            wacc[:] = 0.0
            for s in range(count):
                add_weighted(
                    n, here, up, px[s, k0 : k0 + n], py[s, k0 : k0 + n], pz[s, k0 : k0 + n],
                    gate[s, k0 : k0 + n], least_sine, sise2[s, k0 : k0 + n], noise[s], reach2[s],
                    sin_step, acc, wacc,
                )  # fmt: skip
            solve_tile(n, acc, up, MIN_SOURCES, plain)
            solve_tile(n, wacc, up, 0.0, weighted)
            for k in range(n):
                v, h, t = plain[0, k], plain[1, k], plain[2, k]
                wv, wh, wt = weighted[0, k], weighted[1, k], weighted[2, k]
                if v < 0.0 or v + h + t > _LIMIT2 or wv < 0.0:
                    continue
                kept[0, m] = math.sqrt(v + h + t)
                kept[1, m] = math.sqrt(v + h)
                kept[2, m] = math.sqrt(h)
                kept[3, m] = math.sqrt(v)
                kept[4, m] = math.sqrt(t)
                kept[5, m] = math.sqrt(wv + wh)
                kept[6, m] = math.sqrt(wh)
                kept[7, m] = math.sqrt(wv)
                kept[8, m] = math.sqrt(wt)
                worst = max(worst, kept[0, m])
                if kept[5, m] <= limits[0] and kept[1, m] <= limits[1] and kept[0, m] <= limits[2]:
                    served += 1
                m += 1
        out[c, FIXES] = m
        out[c, SERVED] = served
        if m > 0:
            out[c, GDOP_WORST] = worst
            for i in range(5):
                out[c, GDOP_P50 + i] = _nth(kept[i], m, 50.0)
            for i in range(4):
                out[c, ERROR_P95 + i] = _nth(kept[5 + i], m, 95.0)
