"""Compiled sweep of a map: many surface cells against spacecraft over all epochs.

A spacecraft at distance r stands at least at elevation m over a site of the sphere R when the
angle at the Moon's centre between the two is at most ``acos(R cos m / r) - m``. So for each
spacecraft and epoch one cosine decides every cell: one dot product and one comparison a test.
Tiles of epochs small enough for the cache are worked for all cells in turn; counts are floats
because integer accumulators keep the loop from being vectorised. Nothing of size cells x epochs
is kept.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from cislunar.dop import MIN_SOURCES, covariance

TILE = 1024
NEVER = 2.0  # a threshold no cosine reaches
_LIMIT2 = 1.0e8  # GDOP limit of cislunar.dop, squared


def cosine_thresholds(radius_km, min_elevation_rad, site_radius_km):
    """Least cosine of the central angle (any shape) at which a spacecraft is above the mask.

    >>> round(float(cosine_thresholds(3474.8, 0.0, 1737.4)), 6)
    0.5
    """
    r = np.asarray(radius_km, dtype=float)
    inner = np.clip(site_radius_km * math.cos(min_elevation_rad) / r, -1.0, 1.0)
    return np.cos(np.arccos(inner) - min_elevation_rad)


@njit(cache=True, nogil=True)
def sweep(cells, px, py, pz, least, relay, live, out):
    """Visibility figures of each cell, in epochs.

    ``cells`` (C, 3) unit vectors; ``px, py, pz, least`` (S, K): unit vectors to the spacecraft in
    the same axes and the least cosine; ``relay`` (S,): 1 for relays; ``live`` (S, K): 1 where a
    relay has a live path to Earth. Fills ``out`` (C, 7): epochs with a relay in view, with a live
    relay in view, longest gap, sum of gaps, sum of squared gaps, number of gaps (of relay view),
    and the sum over epochs of the spacecraft in view; returns the least number in view (C,).
    """
    count, epochs = px.shape
    one, zero = np.float32(1.0), np.float32(0.0)
    others = np.empty(TILE, np.float32)
    relays = np.empty(TILE, np.float32)
    lives = np.empty(TILE, np.float32)
    fewest = np.full(cells.shape[0], count)
    gaps = np.zeros(cells.shape[0], np.int64)
    out[:] = 0.0
    for k0 in range(0, epochs, TILE):
        n = min(TILE, epochs - k0)
        for c in range(cells.shape[0]):
            ux, uy, uz = cells[c, 0], cells[c, 1], cells[c, 2]
            others[:n] = zero
            relays[:n] = zero
            lives[:n] = zero
            for s in range(count):
                ax, ay, az = px[s, k0 : k0 + n], py[s, k0 : k0 + n], pz[s, k0 : k0 + n]
                lim, path = least[s, k0 : k0 + n], live[s, k0 : k0 + n]
                if relay[s] > zero:
                    for k in range(n):
                        v = one if ux * ax[k] + uy * ay[k] + uz * az[k] >= lim[k] else zero
                        relays[k] += v
                        lives[k] += v * path[k]
                else:
                    for k in range(n):
                        v = one if ux * ax[k] + uy * ay[k] + uz * az[k] >= lim[k] else zero
                        others[k] += v
            gap, low = gaps[c], np.int64(fewest[c])
            seen, up, through, longest = 0, 0, 0, out[c, 2]
            for k in range(n):
                total = np.int64(others[k] + relays[k])
                seen += total
                low = min(low, total)
                through += lives[k] > zero
                if relays[k] > zero:
                    up += 1
                    if gap > 0:
                        longest = max(longest, float(gap))
                        out[c, 3] += gap
                        out[c, 4] += float(gap) * gap
                        out[c, 5] += 1.0
                        gap = 0
                else:
                    gap += 1
            out[c, 0] += up
            out[c, 1] += through
            out[c, 2] = longest
            out[c, 6] += seen
            gaps[c] = gap
            fewest[c] = low
    for c in range(cells.shape[0]):
        gap = gaps[c]
        if gap > 0:
            out[c, 2] = max(out[c, 2], float(gap))
            out[c, 3] += gap
            out[c, 4] += float(gap) * gap
            out[c, 5] += 1.0
    return fewest


@njit(cache=True, nogil=True)
def _nth(values, n, percent):
    """Percentile of ``values[:n]``, linear between order statistics; the part is reordered."""
    part = np.sort(values[:n])
    place = (n - 1) * percent / 100.0
    low = int(place)
    high = min(low + 1, n - 1)
    return part[low] + (part[high] - part[low]) * (place - low)


@njit(cache=True, nogil=True)
def sweep_fixes(cells, site_km, p, sise2, noise, reach2, sin_step, out):
    """Fixes at each cell from navigation sources.

    ``cells`` (C, 3) unit vectors of sites at ``site_km`` from the centre; ``p`` (K, S, 4) positions
    in km and their least projection on the cell's direction (radius x least cosine), km;
    ``sise2`` (S,) signal and multipath variance m2; ``noise`` (S, 2) receiver variance over range
    squared and ``reach2`` (S, 2) the largest squared range (km2), below and above the elevation
    of sine ``sin_step``. Fills ``out`` (C, 4): number of epochs with a fix, median GDOP, worst
    GDOP and 95th percentile of the 3D RMS error in m; the last three stay 0 without a fix.
    """
    epochs, count = p.shape[0], p.shape[1]
    e, w = np.empty((count, 3)), np.empty((2, count))
    gdop, error = np.empty(epochs), np.empty(epochs)
    plain, weighted = np.empty(3), np.empty(3)
    u, user = np.empty(3), np.empty(3)
    for c in range(cells.shape[0]):
        for i in range(3):
            u[i] = cells[c, i]
            user[i] = site_km * u[i]
        n = 0
        worst = 0.0
        for k in range(epochs):
            m = 0
            for s in range(count):
                x, y, z = p[k, s, 0], p[k, s, 1], p[k, s, 2]
                along = u[0] * x + u[1] * y + u[2] * z
                if along < p[k, s, 3]:
                    continue
                x -= user[0]
                y -= user[1]
                z -= user[2]
                d2 = x * x + y * y + z * z
                d = math.sqrt(d2)
                high = 1 if along - site_km >= sin_step * d else 0
                if d2 > reach2[s, high]:
                    continue
                inverse = 1.0 / d
                e[m, 0] = x * inverse
                e[m, 1] = y * inverse
                e[m, 2] = z * inverse
                w[0, m] = 1.0
                w[1, m] = 1.0 / (sise2[s] + noise[s, high] * d2)
                m += 1
            if m < MIN_SOURCES or not covariance(e, w[0], m, u, 0.0, plain):
                continue
            g2 = plain[0] + plain[1] + plain[2]
            if g2 > _LIMIT2 or not covariance(e, w[1], m, u, 0.0, weighted):
                continue
            gdop[n] = math.sqrt(g2)
            error[n] = math.sqrt(weighted[0] + weighted[1])
            if gdop[n] > worst:
                worst = gdop[n]
            n += 1
        out[c, 0] = n
        if n > 0:
            out[c, 1] = _nth(gdop, n, 50.0)
            out[c, 2] = worst
            out[c, 3] = _nth(error, n, 95.0)
