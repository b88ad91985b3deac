"""Dilution of precision of map cells alone, for trades that ask for no accuracy.

The same fixes as ``grid.sweep_fixes`` has with equal weights, without the sums weighted by the
error budget: half of the work. A trade of a thousand constellations spends most of its time here.
"""

from __future__ import annotations

import math

import numpy as np

from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, NEAREST_KM, SUMS, TILE, solve_tile
from cislunar.grid import _nth
from orbits.compiled import njit

FIXES, SERVED, GDOP, PDOP, HDOP, VDOP, TDOP, GDOP_WORST = range(8)  # columns of ``sweep_dop``
FIGURES = {
    "positioning_availability_frac": FIXES, "positioning_served_frac": SERVED, "gdop_p50": GDOP,
    "pdop_p50": PDOP, "hdop_p50": HDOP, "vdop_p50": VDOP, "tdop_p50": TDOP,
    "gdop_worst": GDOP_WORST, "solution_count": FIXES,
}  # fmt: skip
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
_NEAREST2 = NEAREST_KM * NEAREST_KM


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add(n, user, up, x, y, z, gate, least_sine, reach2, sin_step, acc):
    """Adds one source to the unit-weight sums of ``n`` epochs for a user at rest; km."""
    ux, uy, uz = user[0], user[1], user[2]
    nx, ny, nz = up[0], up[1], up[2]
    a0, a1, a2, a3, a4 = acc[0], acc[1], acc[2], acc[3], acc[4]
    a5, a6, a7, a8, a9 = acc[5], acc[6], acc[7], acc[8], acc[9]
    low, high = reach2[0], reach2[1]
    for k in range(n):
        dx, dy, dz = x[k] - ux, y[k] - uy, z[k] - uz
        d2 = dx * dx + dy * dy + dz * dz
        inverse = 1.0 / math.sqrt(d2 + 1e-300)
        ex, ey, ez = dx * inverse, dy * inverse, dz * inverse
        sine = ex * nx + ey * ny + ez * nz
        w = gate[k] if sine >= least_sine else 0.0
        w = w if d2 >= _NEAREST2 else 0.0
        w = w if d2 <= (high if sine >= sin_step else low) else 0.0
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


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_dop(
    cells, site_km, px, py, pz, gate, reach2, least_sine, sin_step, limits, wanted, out
):  # fmt: skip
    """Fixes of each cell: arguments as ``grid.sweep_fixes``, ``limits`` (2) PDOP and GDOP.

    ``wanted`` (5) tells which medians are asked, in the order G P H V T. Fills ``out`` (C, 8).
    """
    count, epochs = px.shape
    acc = np.empty((SUMS, TILE))
    found = np.empty((3, TILE))
    up = np.empty((3, TILE))
    kept = np.empty((5, epochs))
    here = np.empty(3)
    for c in range(cells.shape[0]):
        for i in range(3):
            up[i] = cells[c, i]
            here[i] = site_km * cells[c, i]
        m, served, worst2 = 0, 0, 0.0
        for k0 in range(0, epochs, TILE):
            n = min(TILE, epochs - k0)
            acc[:] = 0.0
            for s in range(count):
                _add(
                    n, here, cells[c], px[s, k0 : k0 + n], py[s, k0 : k0 + n],
                    pz[s, k0 : k0 + n], gate[s, k0 : k0 + n], least_sine, reach2[s], sin_step, acc,
                )  # fmt: skip
            solve_tile(n, acc, up, MIN_SOURCES, found)
            for k in range(n):
                v, h, t = found[0, k], found[1, k], found[2, k]
                g2 = v + h + t
                if v < 0.0 or g2 > _LIMIT2:
                    continue
                kept[0, m], kept[1, m], kept[2, m], kept[3, m], kept[4, m] = g2, v + h, h, v, t
                worst2 = max(worst2, g2)
                if math.sqrt(v + h) <= limits[0] and math.sqrt(g2) <= limits[1]:
                    served += 1
                m += 1
        out[c, FIXES] = m
        out[c, SERVED] = served
        out[c, GDOP_WORST] = math.sqrt(worst2)
        for i in range(5):
            if m > 0 and wanted[i]:
                for k in range(m):
                    kept[i, k] = math.sqrt(kept[i, k])
                out[c, GDOP + i] = _nth(kept[i], m, 50.0)
