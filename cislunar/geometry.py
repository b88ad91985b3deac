"""Geometry between two nodes as scalar quantities of time.

Compiled: ``fill`` gives a quantity on every instant of a uniform grid, ``quantity_at`` at any
instant on the degree-7 Hermite interpolant of the same tables. Positions are Moon-centred on ICRF
axes, in km. Straight lines, no refraction and no light time: both ends at one instant.

Quantities, by code (a is the first node, b the second):

RANGE       |b - a|, km
ELEVATION   sine of the elevation of b above a's horizon plane
CLEARANCE   least distance of the segment a-b from a body's centre, minus its radius, km
LOSS_RANGE  range at which free space alone would lose what range and atmosphere lose together, km:
            range x 10^(L/20), L = A + 10 log10(1 + w (1 - 10^(-A/10))) dB; A (dB) linear in
            1/sin(elevation at a), given at 10, 20, 90 deg; w, how far opaque air warms the
            receiver at a, as a share of its temperature
OFF_MOON    seen from a: sine of the angle of b from the Moon's centre, minus that of the limb
SUN         minus the cosine of the angle at a between b and the Sun
TERRAIN     elevation of b at a, minus the horizon's elevation in its azimuth, rad
"""

from __future__ import annotations

import math

import numpy as np

from orbits.compiled import njit

RANGE, ELEVATION, CLEARANCE, LOSS_RANGE, OFF_MOON, SUN, TERRAIN = range(7)

TERRAIN_STEP_S = 5.0  # below half of the shortest spell that may not be missed (10 s)

# --- interpolation on the uniform grid -------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(t, step_s, n, w):
    """Fills ``w`` with the 8 Hermite weights at ``t`` and returns the first of the 4 nodes."""
    first = math.floor(t / step_s) - 1
    first = min(max(first, 0), n - 4)
    s = t / step_s - first
    a, b, c, d = s, s - 1.0, s - 2.0, s - 3.0
    l0, l1, l2, l3 = -b * c * d / 6.0, a * c * d / 2.0, -a * b * d / 2.0, a * b * c / 6.0
    l0, l1, l2, l3 = l0 * l0, l1 * l1, l2 * l2, l3 * l3
    # twice the slope of each Lagrange polynomial at its own node: -11/3, -1, 1, 11/3
    w[0], w[1] = l0 * (1.0 + a * 11.0 / 3.0), l1 * (1.0 + b)
    w[2], w[3] = l2 * (1.0 - c), l3 * (1.0 - d * 11.0 / 3.0)
    w[4], w[5], w[6], w[7] = l0 * a * step_s, l1 * b * step_s, l2 * c * step_s, l3 * d * step_s
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def _place(table, first, w):
    x = y = z = 0.0
    for k in range(4):
        row = table[first + k]
        x += w[k] * row[0] + w[4 + k] * row[3]
        y += w[k] * row[1] + w[4 + k] * row[4]
        z += w[k] * row[2] + w[4 + k] * row[5]
    return x, y, z


# --- the quantities at one instant -----------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def _attenuation_db(sine, a10, a20, a90):
    """dB at an elevation, linear in its cosecant through the values at 10, 20 and 90 deg."""
    c10, c20 = 5.758770483143634, 2.9238044001630872
    cosecant = 1.0 / max(sine, 0.008726535498373935)
    if cosecant >= c20:
        return a20 + (a10 - a20) * (cosecant - c20) / (c10 - c20)
    return a90 + (a20 - a90) * (cosecant - 1.0) / (c20 - 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def air_db(sine, par):
    """dB lost by air: its attenuation, and the noise by which it warms a receiver (par[3])."""
    taken = _attenuation_db(sine, par[0], par[1], par[2])
    return taken + 10.0 * math.log10(1.0 + par[3] * (1.0 - 10.0 ** (-0.1 * taken)))


@njit(cache=True, nogil=True, error_model="numpy")
def _clearance(ax, ay, az, bx, by, bz, radius):
    """Distance of the segment from the origin, minus a radius."""
    dx, dy, dz = bx - ax, by - ay, bz - az
    dd = dx * dx + dy * dy + dz * dz
    f = -(ax * dx + ay * dy + az * dz) / max(
        dd, 1e-30
    )  # two nodes may share a place if dd > 0.0 else 0.0  # two craft in one place
    f = min(max(f, 0.0), 1.0)
    px, py, pz = ax + f * dx, ay + f * dy, az + f * dz
    return math.sqrt(px * px + py * py + pz * pz) - radius


@njit(cache=True, nogil=True, error_model="numpy")
def _off_moon(ax, ay, az, dx, dy, dz, rho):
    aa = math.sqrt(ax * ax + ay * ay + az * az)
    if ax * dx + ay * dy + az * dz >= 0.0:  # looking away from the Moon
        return 1.0
    cx, cy, cz = ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx
    miss = math.sqrt(cx * cx + cy * cy + cz * cz) / rho
    return (miss - 1737.4) / aa


@njit(cache=True, nogil=True, error_model="numpy")
def _horizon_at(azimuth, horizon_az, horizon_el):
    """Horizon elevation (rad) at an azimuth (rad), linear between its points, cyclic."""
    n = horizon_az.size
    turn = 2.0 * math.pi
    azimuth = azimuth - turn * math.floor((azimuth - horizon_az[0]) / turn)
    low = np.searchsorted(horizon_az, azimuth, side="right") - 1
    if low >= n - 1:
        width = horizon_az[0] + turn - horizon_az[n - 1]
        left, right = horizon_el[n - 1], horizon_el[0]
        low = n - 1
    else:
        width = horizon_az[low + 1] - horizon_az[low]
        left, right = horizon_el[low], horizon_el[low + 1]
    if width <= 0.0:
        return max(left, right)
    return left + (right - left) * (azimuth - horizon_az[low]) / width


@njit(cache=True, nogil=True, error_model="numpy")
def _look(ax, ay, az, nx, ny, nz, dx, dy, dz, rho):
    """Elevation and azimuth (rad) of direction d at a, whose vertical is along a and north is n."""
    aa = math.sqrt(ax * ax + ay * ay + az * az)
    ux, uy, uz = ax / aa, ay / aa, az / aa
    ex, ey, ez = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux  # east = north x up
    sine = (dx * ux + dy * uy + dz * uz) / rho
    sine = min(max(sine, -1.0), 1.0)
    azimuth = math.atan2(dx * ex + dy * ey + dz * ez, dx * nx + dy * ny + dz * nz)
    return math.asin(sine), azimuth


@njit(cache=True, nogil=True, error_model="numpy")
def quantity_at(code, t, step_s, a, b, u, c, par, horizon_az, horizon_el, w):
    """One quantity at ``t`` seconds into the grid; tables (T, 6), ``w`` is workspace (8,).

    ``u`` is a's vertical (a itself for assets); ``c`` is the body, the Sun or a's north.
    """
    n = a.shape[0]
    first = _weights(t, step_s, n, w)
    ax, ay, az = _place(a, first, w)
    bx, by, bz = _place(b, first, w)
    if code == CLEARANCE:
        if par[1] > 0.0:
            cx, cy, cz = _place(c, first, w)
            ax, ay, az, bx, by, bz = ax - cx, ay - cy, az - cz, bx - cx, by - cy, bz - cz
        return _clearance(ax, ay, az, bx, by, bz, par[0])
    dx, dy, dz = bx - ax, by - ay, bz - az
    rho = math.sqrt(dx * dx + dy * dy + dz * dz)
    if code == RANGE:
        return rho
    if code == OFF_MOON:
        return _off_moon(ax, ay, az, dx, dy, dz, rho)
    if code == SUN:
        cx, cy, cz = _place(c, first, w)
        cx, cy, cz = cx - ax, cy - ay, cz - az
        far = math.sqrt(cx * cx + cy * cy + cz * cz)
        return -(cx * dx + cy * dy + cz * dz) / (far * rho)
    if code == TERRAIN:
        cx, cy, cz = _place(c, first, w)
        elevation, azimuth = _look(ax, ay, az, cx, cy, cz, dx, dy, dz, rho)
        return elevation - _horizon_at(azimuth, horizon_az, horizon_el)
    ux, uy, uz = _place(u, first, w)
    sine = (dx * ux + dy * uy + dz * uz) / (rho * math.sqrt(ux * ux + uy * uy + uz * uz))
    if code == ELEVATION:
        return sine
    return rho * 10.0 ** (air_db(sine, par) / 20.0)


@njit(cache=True, nogil=True, error_model="numpy")
def quantity_many(code, t_s, step_s, a, b, u, c, par, horizon_az, horizon_el):
    """A quantity at each of ``t_s`` (N,), seconds into the grid."""
    out, w = np.empty(t_s.size), np.empty(8)
    for i in range(t_s.size):
        out[i] = quantity_at(code, t_s[i], step_s, a, b, u, c, par, horizon_az, horizon_el, w)
    return out


# --- the quantities on the grid --------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def fill(code, a, b, u, c, par):
    """A quantity on every grid instant, from (3, T) component tables."""
    n = a.shape[1]
    q = np.empty(n)
    ax, ay, az = a[0], a[1], a[2]
    bx, by, bz = b[0], b[1], b[2]
    if code == RANGE:
        for i in range(n):
            dx, dy, dz = bx[i] - ax[i], by[i] - ay[i], bz[i] - az[i]
            q[i] = math.sqrt(dx * dx + dy * dy + dz * dz)
    elif code in (ELEVATION, LOSS_RANGE):
        ux, uy, uz = u[0], u[1], u[2]
        for i in range(n):
            dx, dy, dz = bx[i] - ax[i], by[i] - ay[i], bz[i] - az[i]
            rr = dx * dx + dy * dy + dz * dz
            uu = ux[i] * ux[i] + uy[i] * uy[i] + uz[i] * uz[i]
            q[i] = (dx * ux[i] + dy * uy[i] + dz * uz[i]) / math.sqrt(rr * uu)
        if code == LOSS_RANGE:
            for i in range(n):
                dx, dy, dz = bx[i] - ax[i], by[i] - ay[i], bz[i] - az[i]
                loss = air_db(q[i], par)
                rho = math.sqrt(dx * dx + dy * dy + dz * dz)
                q[i] = rho * math.exp(loss * 0.11512925464970228)
    elif code == CLEARANCE:
        if par[1] > 0.0:
            for i in range(n):
                q[i] = _clearance(
                    ax[i] - c[0, i], ay[i] - c[1, i], az[i] - c[2, i],
                    bx[i] - c[0, i], by[i] - c[1, i], bz[i] - c[2, i], par[0],
                )  # fmt: skip
        else:
            for i in range(n):
                q[i] = _clearance(ax[i], ay[i], az[i], bx[i], by[i], bz[i], par[0])
    elif code == OFF_MOON:
        for i in range(n):
            dx, dy, dz = bx[i] - ax[i], by[i] - ay[i], bz[i] - az[i]
            rho = math.sqrt(dx * dx + dy * dy + dz * dz)
            q[i] = _off_moon(ax[i], ay[i], az[i], dx, dy, dz, rho)
    else:  # SUN
        for i in range(n):
            dx, dy, dz = bx[i] - ax[i], by[i] - ay[i], bz[i] - az[i]
            sx, sy, sz = c[0, i] - ax[i], c[1, i] - ay[i], c[2, i] - az[i]
            product = (dx * dx + dy * dy + dz * dz) * (sx * sx + sy * sy + sz * sz)
            q[i] = -(dx * sx + dy * sy + dz * sz) / math.sqrt(product)
    return q


@njit(cache=True, nogil=True, error_model="numpy")
def terrain_samples(step_s, a, b, north, horizon_az, horizon_el, par):
    """Times and values that no spell of 10 s above or below the horizon can slip between.

    A step is divided only where the elevations it sweeps meet those of the horizon over the
    azimuths it sweeps.
    """
    n = a.shape[0]
    cap = 2 * n
    t, q, w = np.empty(cap), np.empty(cap), np.empty(8)
    parts = max(1, math.ceil(step_s / TERRAIN_STEP_S))
    peak = horizon_el.max()
    floor = horizon_el.min()
    m = horizon_az.size
    used = 0
    el0 = az0 = 0.0
    for i in range(n):
        dx, dy, dz = b[i, 0] - a[i, 0], b[i, 1] - a[i, 1], b[i, 2] - a[i, 2]
        rho = math.sqrt(dx * dx + dy * dy + dz * dz)
        vx, vy, vz = b[i, 3] - a[i, 3], b[i, 4] - a[i, 4], b[i, 5] - a[i, 5]
        swing = 1.5 * math.sqrt(vx * vx + vy * vy + vz * vz) / rho * step_s + 1e-4
        el, az = _look(
            a[i, 0], a[i, 1], a[i, 2], north[i, 0], north[i, 1], north[i, 2], dx, dy, dz, rho
        )
        if i > 0:
            low, high = min(el, el0) - swing, max(el, el0) + swing
            split = low <= peak and high >= floor
            if split and high < 1.3 and swing < 0.5:
                reach = swing / math.cos(high) if high > 0.0 else swing / math.cos(low)
                turn = (az - az0 + math.pi) % (2.0 * math.pi) - math.pi
                left, right = min(0.0, turn) - reach, max(0.0, turn) + reach
                if right - left < 2.0 * math.pi:
                    h_low = _horizon_at(az0 + left, horizon_az, horizon_el)
                    h_high = h_low
                    h = _horizon_at(az0 + right, horizon_az, horizon_el)
                    h_low, h_high = min(h_low, h), max(h_high, h)
                    for k in range(m):
                        offset = (horizon_az[k] - az0 - left) % (2.0 * math.pi)
                        if offset <= right - left:
                            h_low = min(h_low, horizon_el[k])
                            h_high = max(h_high, horizon_el[k])
                    split = low <= h_high and high >= h_low
            if split:
                if used + parts + 2 > cap:
                    cap = 2 * cap + parts
                    t_new, q_new = np.empty(cap), np.empty(cap)
                    t_new[:used], q_new[:used] = t[:used], q[:used]
                    t, q = t_new, q_new
                for k in range(1, parts):
                    when = (i - 1 + k / parts) * step_s
                    t[used] = when
                    q[used] = quantity_at(
                        TERRAIN, when, step_s, a, b, a, north, par, horizon_az, horizon_el, w
                    )
                    used += 1
        if used + 2 > cap:
            cap = 2 * cap
            t_new, q_new = np.empty(cap), np.empty(cap)
            t_new[:used], q_new[:used] = t[:used], q[:used]
            t, q = t_new, q_new
        t[used], q[used] = i * step_s, el - _horizon_at(az, horizon_az, horizon_el)
        used += 1
        el0, az0 = el, az
    return t[:used].copy(), q[:used].copy()
