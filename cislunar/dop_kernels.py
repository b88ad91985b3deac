"""Many fixes at once: covariances of ranging fixes over tiles of epochs, compiled for SIMD.

The sums behind the normal matrix (``positioning.dop``) are kept for a tile of epochs that fits the
cache, one array a sum, and each source is added to all epochs of the tile in one loop without
branches, which the compiler turns into vector instructions. A source out of view has the weight
zero. The clock is eliminated from the sums and the rest is factored as in ``dop.covariance``; the
one pass over the sources costs up to a part in 1e7 where GDOP nears its limit, and nothing visible
elsewhere.
"""

from __future__ import annotations

import math

import numpy as np

from orbits.compiled import njit

GDOP_LIMIT = 1.0e4
MIN_SOURCES = 4
NEAREST_KM = 1e-3  # a source nearer than a metre has no direction: it is the user's own site
TILE = 256
SUMS = 10  # w, w e (3), w e e^T (6)
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
_NEAREST2 = NEAREST_KM * NEAREST_KM


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
def _squared_axes(acc, k, up, horizontal, out):
    """Variances along the principal axes of a fix's error, largest first, into ``out``.

    ``out[0:2]`` across the vertical (their sum is ``horizontal``), ``out[2:5]`` in space, from the
    sums of epoch ``k``. With M the information about position and P its inverse, the two across
    the vertical u have the product u^T M u / det M.
    """
    iw = 1.0 / acc[0, k]
    mx, my, mz = acc[1, k] * iw, acc[2, k] * iw, acc[3, k] * iw
    xx, xy, xz = acc[4, k] - acc[1, k] * mx, acc[5, k] - acc[1, k] * my, acc[6, k] - acc[1, k] * mz
    yy, yz, zz = acc[7, k] - acc[2, k] * my, acc[8, k] - acc[2, k] * mz, acc[9, k] - acc[3, k] * mz
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    inverse = 1.0 / (xx * a + xy * b + xz * c)
    u, v, w = up[0, k], up[1, k], up[2, k]
    form = xx * u * u + yy * v * v + zz * w * w + 2.0 * (xy * u * v + xz * u * w + yz * v * w)
    half = 0.5 * horizontal
    root = math.sqrt(max(half * half - form * inverse, 0.0))
    out[0] = half + root
    out[1] = max(horizontal - out[0], 0.0)
    # eigenvalues of P = adj(M) / det(M) by the angle of its characteristic cubic
    a, b, c, d, e, f = a * inverse, b * inverse, c * inverse, d * inverse, e * inverse, f * inverse
    third = (a + d + f) / 3.0
    off = b * b + c * c + e * e
    p = math.sqrt(((a - third) ** 2 + (d - third) ** 2 + (f - third) ** 2 + 2.0 * off) / 6.0)
    if p <= 1e-14 * third:
        out[2], out[3], out[4] = third, third, third
        return
    a, b, c = (a - third) / p, b / p, c / p
    d, e, f = (d - third) / p, e / p, (f - third) / p
    r = 0.5 * (a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c))
    angle = math.acos(min(max(r, -1.0), 1.0)) / 3.0
    out[2] = third + 2.0 * p * math.cos(angle)
    out[4] = max(third + 2.0 * p * math.cos(angle + 2.0943951023931953), 0.0)
    out[3] = max(3.0 * third - out[2] - out[4], 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def fix_series(user, x, y, z, gate, sise2, noise, reach2, least_sine, sin_step, dop, spread):
    """Fixes of one user over all epochs, its vertical being its own direction.

    ``user`` (3, K) and ``x, y, z`` (S, K) in km, in any axes centred on the Moon; ``gate`` (S, K) 1
    where a source counts, 0 where not; ``sise2`` (S, K) variance of the signal and multipath, m2;
    ``noise``, ``reach2`` (S, 2) as for ``add_weighted``; ``least_sine`` the sine of the elevation
    mask (-2 for none). Fills ``dop`` (5, K: G P H V T of equal weights) and ``spread`` (7, K):
    variances in m2 of the weighted fix, up, clock, the two principal ones across the vertical and
    the three in space; all zero where there is no fix. Returns the number of epochs solved.
    """
    count, epochs = x.shape
    acc, wacc = np.empty((SUMS, TILE)), np.empty((SUMS, TILE))
    plain, weighted = np.empty((3, TILE)), np.empty((3, TILE))
    here, up = np.empty((3, TILE)), np.empty((3, TILE))
    axes = np.empty(5)
    solved = 0
    for k0 in range(0, epochs, TILE):
        n = min(TILE, epochs - k0)
        for k in range(n):
            ux, uy, uz = user[0, k0 + k], user[1, k0 + k], user[2, k0 + k]
            r = math.sqrt(ux * ux + uy * uy + uz * uz)
            here[0, k], here[1, k], here[2, k] = ux, uy, uz
            up[0, k], up[1, k], up[2, k] = ux / r, uy / r, uz / r
        acc[:] = 0.0
        wacc[:] = 0.0
        for s in range(count):
            add_weighted(
                n, here, up, x[s, k0 : k0 + n], y[s, k0 : k0 + n], z[s, k0 : k0 + n],
                gate[s, k0 : k0 + n], least_sine, sise2[s, k0 : k0 + n], noise[s], reach2[s],
                sin_step, acc, wacc,
            )  # fmt: skip
        solve_tile(n, acc, up, MIN_SOURCES, plain)
        solve_tile(n, wacc, up, 0.0, weighted)
        for k in range(n):
            v, h, c = plain[0, k], plain[1, k], plain[2, k]
            at = k0 + k
            if v < 0.0 or v + h + c > _LIMIT2 or weighted[0, k] < 0.0:
                dop[:, at] = 0.0
                spread[:, at] = 0.0
                continue
            solved += 1
            dop[0, at] = math.sqrt(v + h + c)
            dop[1, at] = math.sqrt(v + h)
            dop[2, at] = math.sqrt(h)
            dop[3, at] = math.sqrt(v)
            dop[4, at] = math.sqrt(c)
            spread[0, at] = weighted[0, k]
            spread[1, at] = weighted[2, k]
            _squared_axes(wacc, k, up, weighted[1, k], axes)
            for i in range(5):
                spread[2 + i, at] = axes[i]
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
