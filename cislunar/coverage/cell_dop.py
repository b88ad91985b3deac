"""Dilution of precision of map cells alone, for trades that ask for no accuracy.

The same fixes as ``grid.sweep_fixes`` has with equal weights, without the sums weighted by the
error budget. A trade of a thousand constellations spends most of its time here, so the sky of a
cell is settled for many epochs at once: a source's directions over a short part of the time lie in
a cone, and a cell far enough inside or outside of what that cone sees has it in view at all of
these epochs or at none. Only near the rim is each epoch tested. What is left out would have added
zeros, so the sums are those of testing every one, to the bit.
"""

from __future__ import annotations

import math

import numpy as np

from cislunar.coverage.grid import around
from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, NEAREST_KM, SUMS, TILE, solve_tile
from orbits.compiled import njit

FIXES, SERVED, GDOP, PDOP, HDOP, VDOP, TDOP, GDOP_WORST = range(8)  # columns of ``sweep_dop``
FIGURES = {
    "positioning_availability_frac": FIXES, "positioning_served_frac": SERVED, "gdop_p50": GDOP,
    "pdop_p50": PDOP, "hdop_p50": HDOP, "vdop_p50": VDOP, "tdop_p50": TDOP,
    "gdop_worst": GDOP_WORST, "solution_count": FIXES,
}  # fmt: skip
PART = 32  # epochs that are settled together
PARTS = TILE // PART
CELLS = 8  # that share a reading of the sources
X, Y, Z, GATE, ROWS = 0, TILE, 2 * TILE, 3 * TILE, 4 * TILE  # of a source in a packed tile
NEVER, ALWAYS, UNSURE = range(3)
_MARGIN = 1e-6  # rad: more than rounding of the angles that settle a part
_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
_NEAREST2 = NEAREST_KM * NEAREST_KM


def packed(positions_km: np.ndarray, gate: np.ndarray) -> np.ndarray:
    """Sources (S, K, 3) km and who counts (S, K) in tiles: (S, tiles, 4 x TILE), flat.

    In a tile x, y, z and the gate of a source are runs of one array, which the compiler then knows
    not to overlap.
    """
    count, epochs = gate.shape
    tiles = -(-epochs // TILE)
    out = np.zeros((count, tiles * TILE, 4))
    out[:, :epochs, :3], out[:, :epochs, 3] = positions_km, gate
    parted = out.reshape(count, tiles, TILE, 4).transpose(0, 1, 3, 2)
    return np.ascontiguousarray(parted).reshape(-1)


@njit(cache=True, nogil=True, error_model="numpy")
def cones(tiles, count, epochs, site_km, reach2, least_sine):
    """What settles each source's parts (S x parts, 5): direction, and two cosines.

    A cell whose direction has a cosine with the first three below the fourth has the source never
    in view in that part, one above the fifth always; -2 and 2 where neither can be told.
    """
    parts = tiles.size // (count * ROWS) * PARTS
    out = np.zeros((count * parts, 5))
    mask = math.asin(min(max(least_sine, -1.0), 1.0))
    for s in range(count):
        for b in range(parts):
            row = out[s * parts + b]
            row[3], row[4] = 2.0, 2.0
            at = (s * parts + b) // PARTS * ROWS + b % PARTS * PART
            n = min(PART, epochs - b * PART)
            cx, cy, cz, near, far, used, some = 0.0, 0.0, 0.0, math.inf, 0.0, 0, False
            for k in range(n):
                x, y, z = tiles[at + X + k], tiles[at + Y + k], tiles[at + Z + k]
                r = math.sqrt(x * x + y * y + z * z)
                near, far = min(near, r), max(far, r)
                used += tiles[at + GATE + k] == 1.0
                some = some or tiles[at + GATE + k] != 0.0
                if r > 0.0:
                    cx += x / r
                    cy += y / r
                    cz += z / r
            if not some:
                continue
            row[3] = -2.0
            size = math.sqrt(cx * cx + cy * cy + cz * cz)
            if near <= site_km + NEAREST_KM or size < 0.5 * n:
                continue
            row[0], row[1], row[2] = cx / size, cy / size, cz / size
            least = 1.0
            for k in range(n):
                x, y, z = tiles[at + X + k], tiles[at + Y + k], tiles[at + Z + k]
                dot = x * row[0] + y * row[1] + z * row[2]
                least = min(least, dot / math.sqrt(x * x + y * y + z * z))
            wide = math.acos(max(-1.0, least)) + _MARGIN
            ratio = site_km * math.cos(mask)
            outer = math.acos(ratio / far) - mask + wide
            inner = math.acos(ratio / near) - mask - wide
            if outer < 0.0:
                row[3] = 2.0
            elif outer < math.pi:
                row[3] = math.cos(outer)
            if inner > 0.0 and used == n and (far + site_km) ** 2 < min(reach2[s, 0], reach2[s, 1]):
                row[4] = math.cos(min(inner, math.pi))
    return out


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_all(n, p, ux, uy, uz, a):
    """Adds one source, in view throughout, to the unit-weight sums of ``n`` epochs; km."""
    for k in range(n):
        dx, dy, dz = p[k + X] - ux, p[k + Y] - uy, p[k + Z] - uz
        inverse = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
        ex, ey, ez = dx * inverse, dy * inverse, dz * inverse
        a[k] += 1.0
        a[k + TILE] += ex
        a[k + 2 * TILE] += ey
        a[k + 3 * TILE] += ez
        a[k + 4 * TILE] += ex * ex
        a[k + 5 * TILE] += ex * ey
        a[k + 6 * TILE] += ex * ez
        a[k + 7 * TILE] += ey * ey
        a[k + 8 * TILE] += ey * ez
        a[k + 9 * TILE] += ez * ez


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_seen(n, p, ux, uy, uz, nx, ny, nz, least_sine, low, high, sin_step, a):
    """As ``_add_all`` at those epochs at which the source is in view, in reach and to be used."""
    for k in range(n):
        dx, dy, dz = p[k + X] - ux, p[k + Y] - uy, p[k + Z] - uz
        d2 = dx * dx + dy * dy + dz * dz
        inverse = 1.0 / math.sqrt(d2 + 1e-300)
        ex, ey, ez = dx * inverse, dy * inverse, dz * inverse
        sine = ex * nx + ey * ny + ez * nz
        gate = p[k + GATE]
        w = gate if sine >= least_sine else 0.0
        w = w if d2 >= _NEAREST2 else 0.0
        w = w if d2 <= (high if sine >= sin_step else low) else 0.0
        wx, wy, wz = w * ex, w * ey, w * ez
        a[k] += w
        a[k + TILE] += wx
        a[k + 2 * TILE] += wy
        a[k + 3 * TILE] += wz
        a[k + 4 * TILE] += wx * ex
        a[k + 5 * TILE] += wx * ey
        a[k + 6 * TILE] += wx * ez
        a[k + 7 * TILE] += wy * ey
        a[k + 8 * TILE] += wy * ez
        a[k + 9 * TILE] += wz * ez


@njit(cache=True, nogil=True, error_model="numpy")
def _add_sources(cell, site_km, j, n, tiles, cone, reach2, least_sine, sin_step, sums):
    """Sums of the ``n`` epochs of tile ``j`` for a cell; gives how many sources may be in view."""
    count = reach2.shape[0]
    number = tiles.size // (count * ROWS)
    nx, ny, nz = cell[0], cell[1], cell[2]
    ux, uy, uz = site_km * nx, site_km * ny, site_km * nz
    used = 0
    for s in range(count):
        tile = s * number + j
        first, state, seen = 0, NEVER, 0
        for b in range(PARTS + 1):
            now = NEVER
            if b < PARTS and b * PART < n:
                row = cone[tile * PARTS + b]
                dot = row[0] * nx + row[1] * ny + row[2] * nz
                if dot >= row[3]:
                    now = ALWAYS if dot > row[4] else UNSURE
            if now == state:
                continue
            if state != NEVER:
                at, length = tile * ROWS + first, min(b * PART, n) - first
                if state == ALWAYS:
                    _add_all(length, tiles[at:], ux, uy, uz, sums[first:])
                else:
                    _add_seen(
                        length, tiles[at:], ux, uy, uz, nx, ny, nz, least_sine, reach2[s, 0],
                        reach2[s, 1], sin_step, sums[first:],
                    )  # fmt: skip
                seen = 1
            first, state = b * PART, now
        used += seen
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(n, found, limits, wanted, m, kept, row):
    """Adds a tile's fixes to a cell's row, and the wanted squares to ``kept`` from ``m`` on."""
    v, h, t = found[0], found[1], found[2]
    bounded = limits[0] < math.inf or limits[1] < math.inf
    worst, served = row[GDOP_WORST], 0
    for k in range(n):
        g2 = v[k] + h[k] + t[k]
        if v[k] < 0.0 or g2 > _LIMIT2:
            continue
        if wanted[0]:
            kept[0, m] = g2
        if wanted[1]:
            kept[1, m] = v[k] + h[k]
        if wanted[2]:
            kept[2, m] = h[k]
        if wanted[3]:
            kept[3, m] = v[k]
        if wanted[4]:
            kept[4, m] = t[k]
        m += 1
        worst = max(worst, g2)
        if not bounded or (math.sqrt(v[k] + h[k]) <= limits[0] and math.sqrt(g2) <= limits[1]):
            served += 1
    row[GDOP_WORST] = worst
    row[SERVED] += served
    return m


@njit(cache=True, nogil=True, error_model="numpy")
def sweep_dop(
    cells, site_km, tiles, cone, epochs, reach2, least_sine, sin_step, limits, wanted, out
):  # fmt: skip
    """Fixes of each cell over ``epochs`` epochs, from sources as ``packed`` with their ``cones``.

    The rest as for ``grid.sweep_fixes``; ``limits`` (2) PDOP and GDOP. ``wanted`` (5) tells which
    medians are asked, in the order G P H V T. Fills ``out`` (C, 8). A tile of the sources is read
    once for a few cells: reading it for each would cost as much as the arithmetic.
    """
    acc = np.empty((SUMS, TILE))
    sums = acc.reshape(-1)
    found = np.empty((3, TILE))
    up = np.empty((3, TILE))
    kept = np.empty((CELLS, 5, epochs))
    number = np.empty(CELLS, np.int64)
    out[:] = 0.0
    for c0 in range(0, cells.shape[0], CELLS):
        some = min(CELLS, cells.shape[0] - c0)
        number[:] = 0
        for j in range(-(-epochs // TILE)):
            n = min(TILE, epochs - j * TILE)
            for i in range(some):
                cell = cells[c0 + i]
                acc[:] = 0.0
                if (
                    _add_sources(
                        cell, site_km, j, n, tiles, cone, reach2, least_sine, sin_step, sums
                    )
                    >= MIN_SOURCES
                ):
                    for axis in range(3):
                        up[axis] = cell[axis]
                    solve_tile(n, acc, up, MIN_SOURCES, found)
                    number[i] = _keep(
                        n, found, limits, wanted, number[i], kept[i], out[c0 + i]
                    )  # fmt: skip
        for i in range(some):
            row, m = out[c0 + i], number[i]
            row[FIXES] = m
            row[GDOP_WORST] = math.sqrt(row[GDOP_WORST])
            for d in range(5):
                if m > 0 and wanted[d]:
                    low, high, share = around(kept[i, d], m, 50.0)
                    low, high = math.sqrt(low), math.sqrt(high)
                    row[GDOP + d] = low + (high - low) * share
