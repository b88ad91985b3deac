"""Many fixes at once: covariances of ranging fixes over tiles of epochs, compiled for SIMD.

The sums behind the normal matrix (``cislunar.dop``) are kept for a tile of epochs that fits the
cache, one array a sum, and each source is added to all epochs of the tile in one loop without
branches, which the compiler turns into vector instructions. A source out of view has the weight
zero. The clock is eliminated from the sums and the rest is factored as in ``dop.covariance``; the
one pass over the sources costs up to a part in 1e7 where GDOP nears its limit, and nothing visible
elsewhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from cislunar.dop import GDOP_LIMIT, MIN_SOURCES

TILE = 256
SUMS = 10  # w, w e (3), w e e^T (6)
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
_NEAREST2 = 1e-6  # km2: nearer than a metre a source has no direction (dop.NEAREST_KM)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_unit(n, user, up, x, y, z, gate, least_sine, acc):
    """Adds one source to the unit-weight sums of ``n`` epochs; km, ``acc`` (10, >= n)."""
    ux, uy, uz = user[0], user[1], user[2]
    nx, ny, nz = up[0], up[1], up[2]
    a0, a1, a2, a3, a4 = acc[0], acc[1], acc[2], acc[3], acc[4]
    a5, a6, a7, a8, a9 = acc[5], acc[6], acc[7], acc[8], acc[9]
    for k in range(n):
        dx, dy, dz = x[k] - ux[k], y[k] - uy[k], z[k] - uz[k]
        d2 = dx * dx + dy * dy + dz * dz
        inverse = 1.0 / math.sqrt(d2 + 1e-300)
        ex, ey, ez = dx * inverse, dy * inverse, dz * inverse
        sine = ex * nx[k] + ey * ny[k] + ez * nz[k]
        w = gate[k] if sine >= least_sine else 0.0
        w = w if d2 >= _NEAREST2 else 0.0
        wx, wy, wz = w * ex, w * ey, w * ez
        a0[k] += w
        a1[k] += wx
        a2[k] += wy
        a3[k] += wz
        a4[k] += wx * ex
        a5[k] += wx * ey
        a6[k] += wx * ez
        a7[k] += wy * ey
        a8[k] += wy * ez
        a9[k] += wz * ez


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_weighted(n, user, up, x, y, z, gate, least_sine, sise2, noise, reach2, sin_step, acc, wacc):
    """As ``add_unit``, and into ``wacc`` the sums weighted by 1 / UERE^2 (m2).

    ``noise`` (2) receiver variance over range squared, m2/km2, and ``reach2`` (2) the largest
    squared range, km2, below and above the elevation of sine ``sin_step``.
    """
    ux, uy, uz = user[0], user[1], user[2]
    nx, ny, nz = up[0], up[1], up[2]
    a0, a1, a2, a3, a4 = acc[0], acc[1], acc[2], acc[3], acc[4]
    a5, a6, a7, a8, a9 = acc[5], acc[6], acc[7], acc[8], acc[9]
    b0, b1, b2, b3, b4 = wacc[0], wacc[1], wacc[2], wacc[3], wacc[4]
    b5, b6, b7, b8, b9 = wacc[5], wacc[6], wacc[7], wacc[8], wacc[9]
    noise_low, noise_high, reach_low, reach_high = noise[0], noise[1], reach2[0], reach2[1]
    for k in range(n):
        dx, dy, dz = x[k] - ux[k], y[k] - uy[k], z[k] - uz[k]
        d2 = dx * dx + dy * dy + dz * dz
        inverse = 1.0 / math.sqrt(d2 + 1e-300)
        ex, ey, ez = dx * inverse, dy * inverse, dz * inverse
        sine = ex * nx[k] + ey * ny[k] + ez * nz[k]
        high = sine >= sin_step
        reach = reach_high if high else reach_low
        g = gate[k] if sine >= least_sine else 0.0
        g = g if d2 >= _NEAREST2 else 0.0
        g = g if d2 <= reach else 0.0
        w = g / (sise2[k] + (noise_high if high else noise_low) * d2)
        gx, gy, gz = g * ex, g * ey, g * ez
        a0[k] += g
        a1[k] += gx
        a2[k] += gy
        a3[k] += gz
        a4[k] += gx * ex
        a5[k] += gx * ey
        a6[k] += gx * ez
        a7[k] += gy * ey
        a8[k] += gy * ez
        a9[k] += gz * ez
        wx, wy, wz = w * ex, w * ey, w * ez
        b0[k] += w
        b1[k] += wx
        b2[k] += wy
        b3[k] += wz
        b4[k] += wx * ex
        b5[k] += wx * ey
        b6[k] += wx * ez
        b7[k] += wy * ey
        b8[k] += wy * ez
        b9[k] += wz * ez


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def solve_tile(n, acc, up, need, out):
    """Up, horizontal and clock variances from the sums of ``n`` epochs, into ``out`` (3, >= n).

    An epoch with fewer than ``need`` sources (unit weights only: 0 for weighted sums) or with a
    singular geometry gets a negative first variance.
    """
    s0, s1, s2, s3, s4 = acc[0], acc[1], acc[2], acc[3], acc[4]
    s5, s6, s7, s8, s9 = acc[5], acc[6], acc[7], acc[8], acc[9]
    nx, ny, nz = up[0], up[1], up[2]
    v, h, c = out[0], out[1], out[2]
    for k in range(n):
        sw = s0[k]
        iw = 1.0 / (sw if sw > 0.0 else 1.0)
        mx, my, mz = s1[k] * iw, s2[k] * iw, s3[k] * iw
        xx = s4[k] - s1[k] * mx
        xy = s5[k] - s1[k] * my
        xz = s6[k] - s1[k] * mz
        yy = s7[k] - s2[k] * my
        yz = s8[k] - s2[k] * mz
        zz = s9[k] - s3[k] * mz
        # what is left of rounding counts as nothing: a pivot below it is a singular geometry
        tiny = 1e-15 * sw
        good = (sw >= need) & (xx > tiny)
        i0 = 1.0 / (xx if xx > tiny else 1.0)
        l10, l20 = xy * i0, xz * i0
        d1 = yy - l10 * xy
        good &= d1 > tiny
        i1 = 1.0 / (d1 if d1 > tiny else 1.0)
        l21 = (yz - l10 * xz) * i1
        d2 = zz - l20 * xz - l21 * l21 * d1
        good &= d2 > tiny
        i2 = 1.0 / (d2 if d2 > tiny else 1.0)
        p, r = -l10, -l21
        q = l10 * l21 - l20
        total = i0 + (p * p + 1.0) * i1 + (q * q + r * r + 1.0) * i2
        v1 = p * nx[k] + ny[k]
        v2 = q * nx[k] + r * ny[k] + nz[k]
        vertical = nx[k] * nx[k] * i0 + v1 * v1 * i1 + v2 * v2 * i2
        t1 = p * mx + my
        t2 = q * mx + r * my + mz
        rest = total - vertical
        v[k] = vertical if good else -1.0
        h[k] = rest if rest > 0.0 else 0.0
        c[k] = iw + mx * mx * i0 + t1 * t1 * i1 + t2 * t2 * i2


@njit(cache=True, nogil=True, error_model="numpy")
def dop_series(user, up, x, y, z, gate, least_sine, need, dop):
    """DOP of one user over all epochs into ``dop`` (5, K: G P H V T), zero where unsolved.

    ``user`` and ``up`` (3, K) or (3, 1) for a user at rest in the axes of the sources; ``x, y, z``
    (S, K), km; ``gate`` (S, K) 1 where a source counts, 0 where not; ``least_sine`` the sine of
    the elevation mask (-2 for none); ``need`` the least number of sources. Returns the number of
    epochs solved.
    """
    count, epochs = x.shape
    acc = np.empty((SUMS, TILE))
    out = np.empty((3, TILE))
    here, vertical = np.empty((3, TILE)), np.empty((3, TILE))
    still = user.shape[1] == 1
    if still:
        for i in range(3):
            here[i] = user[i, 0]
            vertical[i] = up[i, 0]
    solved = 0
    for k0 in range(0, epochs, TILE):
        n = min(TILE, epochs - k0)
        if not still:
            here[:, :n] = user[:, k0 : k0 + n]
            vertical[:, :n] = up[:, k0 : k0 + n]
        acc[:] = 0.0
        for s in range(count):
            add_unit(
                n, here, vertical, x[s, k0 : k0 + n], y[s, k0 : k0 + n], z[s, k0 : k0 + n],
                gate[s, k0 : k0 + n], least_sine, acc,
            )  # fmt: skip
        solve_tile(n, acc, vertical, need, out)
        v, h, c = out[0], out[1], out[2]
        g5, p5, h5, v5, t5 = dop[0], dop[1], dop[2], dop[3], dop[4]
        for k in range(n):
            g2 = v[k] + h[k] + c[k]
            keep = 1.0 if (v[k] >= 0.0) & (g2 <= _LIMIT2) else 0.0
            g5[k0 + k] = keep * math.sqrt(g2 if keep > 0.0 else 0.0)
            p5[k0 + k] = keep * math.sqrt(v[k] + h[k] if keep > 0.0 else 0.0)
            h5[k0 + k] = keep * math.sqrt(h[k] if keep > 0.0 else 0.0)
            v5[k0 + k] = keep * math.sqrt(v[k] if keep > 0.0 else 0.0)
            t5[k0 + k] = keep * math.sqrt(c[k] if keep > 0.0 else 0.0)
        for k in range(n):
            solved += g5[k0 + k] > 0.0
    return solved


@njit(cache=True, nogil=True, error_model="numpy")
def gdop_sites(sites, up, x, y, z, gate, least_sine, need, gdop):
    """GDOP of users at rest over all epochs into ``gdop`` (U, K), zero where there is no fix.

    ``sites`` and ``up`` (U, 3): places in km and verticals in the axes of the sources; the rest as
    for ``dop_series``. Returns the number of fixes.
    """
    count, epochs = x.shape
    acc = np.empty((SUMS, TILE))
    out = np.empty((3, TILE))
    here, vertical = np.empty((3, TILE)), np.empty((3, TILE))
    solved = 0
    for k0 in range(0, epochs, TILE):
        n = min(TILE, epochs - k0)
        for c in range(sites.shape[0]):
            for i in range(3):
                here[i] = sites[c, i]
                vertical[i] = up[c, i]
            acc[:] = 0.0
            for s in range(count):
                add_unit(
                    n, here, vertical, x[s, k0 : k0 + n], y[s, k0 : k0 + n], z[s, k0 : k0 + n],
                    gate[s, k0 : k0 + n], least_sine, acc,
                )  # fmt: skip
            solve_tile(n, acc, vertical, need, out)
            row = gdop[c, k0 : k0 + n]
            v, h, t = out[0], out[1], out[2]
            for k in range(n):
                g2 = v[k] + h[k] + t[k]
                good = (v[k] >= 0.0) & (g2 <= _LIMIT2)
                row[k] = math.sqrt(g2 if good else 0.0)
            for k in range(n):
                solved += row[k] > 0.0
    return solved
