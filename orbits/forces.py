"""The forces on a spacecraft near the Moon, and the one right-hand side that integrators call.

Compiled kernels are cached on disk by the file they stand in: after a change here, or in what is
called from here, Numba does not notice that ``dop853.py`` and ``integrator.py`` hold an older copy.
Touch those files, or delete their caches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orbits.compiled import njit
from orbits.constants import (
    AU_KM,
    EARTH_J2,
    EARTH_J2_RADIUS_KM,
    EARTH_POLE_X_RAD_S,
    EARTH_RADIUS_KM,
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_MOON_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
    MOON_RADIUS_KM,
    SOLAR_PRESSURE_N_M2,
)
from orbits.cr3bp import cr3bp_rhs
from orbits.ephemeris import ANGLES, COEFFICIENTS, COLUMNS, EARTH, GRANULE_S, SUN, BodyTable
from orbits.errors import InputError
from orbits.gravity import (
    DEGREE_MAX,
    GRAVITY_GM_KM3_S2,
    GRAVITY_RADIUS_KM,
    harmonic_sums,
    harmonics,
    second_degree,
)
from orbits.simd import chebyshev

SUN_RADIUS_KM = 695700.0  # IAU 2015 nominal
CR3BP, EPHEMERIS = 0, 1  # model codes

# places in the vector of constants
MU, FIRST, RATE, GM, GM_BODIES, GM_FIELD, RADIUS, PRESSURE, HIT_MOON, HIT_EARTH, SHADOW = (
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13,
)  # fmt: skip
BULGE, POLE, FIGURE, SIZE = 14, 15, 16, 18
_BODIES = {
    "earth": GM_EARTH_KM3_S2, "sun": GM_SUN_KM3_S2,
    "jupiter": GM_JUPITER_KM3_S2, "venus": GM_VENUS_KM3_S2,
}  # fmt: skip
NO_FIELD = np.zeros((1, 1, 1))
NO_TABLE = np.zeros((1, COEFFICIENTS, COLUMNS))
BODY_ROW, SUM_ROW, LIGHT_ROW = 3, 4, 5  # rows of the scratch array; 0 to 2 are the harmonics'
_series = chebyshev(COEFFICIENTS)


@dataclass(frozen=True)
class ForceModel:
    """What acts on a craft: the Moon's harmonics, point masses, and solar pressure if it is known.

    ``degree`` 0 is the Moon as a point with DE440's GM; from 2 to 100 its harmonics, about the
    gravity field's own GM (4e-6 km3/s2 from DE440's) and radius. ``order`` cuts the field (0: zonal
    terms alone). Where the Moon has a figure the Earth has one too: its J2 pulls the craft and the
    Moon, and the Moon's second degree feels the Earth, as in DE440. Solar pressure acts only where
    a craft's area and mass are given.
    """

    degree: int = 20
    bodies: tuple[str, ...] = ("earth", "sun", "jupiter", "venus")
    srp: bool = True
    order: int | None = None
    shadow: bool = True  # of the Moon and the Earth, on solar pressure

    def __post_init__(self):
        if self.degree != 0 and not 2 <= self.degree <= DEGREE_MAX:
            raise InputError(
                f"gravity degree {self.degree}", key="moon_degree", value=self.degree,
                allowed=f"0, or 2 to {DEGREE_MAX}",
            )  # fmt: skip
        unknown = [b for b in self.bodies if b not in _BODIES]
        if unknown:
            raise InputError(
                f"no force from {unknown[0]!r}", key="bodies", value=unknown[0],
                allowed=", ".join(_BODIES),
            )  # fmt: skip
        object.__setattr__(self, "bodies", tuple(self.bodies))

    @classmethod
    def standard(cls) -> ForceModel:
        """Degree 20, Earth, Sun, Jupiter, Venus, solar pressure: the project's default."""
        return cls()

    @classmethod
    def point_mass(cls) -> ForceModel:
        """Point masses alone: Moon, Earth, Sun, Jupiter, Venus."""
        return cls(degree=0, srp=False)


def pack(model: ForceModel, table: BodyTable, *, area_m2=None, mass_kg=None, cr=1.3, impact=True):
    """The arrays a kernel needs: constants (18,), body table and harmonics.

    Raises InputError for an area without a mass (or the reverse), or one that is not positive.
    """
    given = [x for x in (area_m2, mass_kg) if x is not None]
    if len(given) == 1 or any(not (x > 0 and math.isfinite(x)) for x in (*given, cr)):
        raise InputError("solar pressure wants area_m2, mass_kg and cr, all positive")
    c = np.zeros(SIZE)
    c[FIRST], c[RATE] = table.first_s, 1.0 / GRANULE_S
    c[GM] = GRAVITY_GM_KM3_S2 if model.degree else GM_MOON_KM3_S2
    for k, (name, gm) in enumerate(_BODIES.items()):
        c[GM_BODIES + k] = gm if name in model.bodies else 0.0
    c[GM_FIELD], c[RADIUS] = GRAVITY_GM_KM3_S2, GRAVITY_RADIUS_KM
    if model.degree:
        c[BULGE] = 1.5 * EARTH_J2 * EARTH_J2_RADIUS_KM**2
        c[POLE] = EARTH_POLE_X_RAD_S * (table.epoch.tdb_s + table.first_s)
        c[FIGURE : FIGURE + 2] = GRAVITY_RADIUS_KM**2 * second_degree(model.order)
    if model.srp and area_m2 is not None and mass_kg is not None:
        c[PRESSURE] = SOLAR_PRESSURE_N_M2 * cr * area_m2 / mass_kg * 1e-3 * AU_KM**2
    c[SHADOW] = float(model.shadow)
    if impact:
        c[HIT_MOON], c[HIT_EARTH] = MOON_RADIUS_KM, EARTH_RADIUS_KM
    field = harmonics(model.degree, model.order) if model.degree else NO_FIELD
    return c, table.coefficients, field


@njit(cache=True, nogil=True, fastmath={"contract"})
def bodies_at(t, c, table, out):
    """Writes the table's 16 columns at ``t`` into ``out``."""
    place = (t - c[FIRST]) * c[RATE]
    g = min(max(int(place), 0), table.shape[0] - 1)
    _series(table, g, 2.0 * (place - g) - 1.0, out)


@njit(cache=True, nogil=True)
def discs(sx, sy, sz, bx, by, bz, radius):
    """Apparent radii of the Sun and of a sphere of ``radius`` km, and their distance apart, rad.

    Vectors from the craft to the Sun and to the body, km, from outside the sphere.
    """
    ds = math.sqrt(sx * sx + sy * sy + sz * sz)
    db = math.sqrt(bx * bx + by * by + bz * bz)
    px, py, pz = sy * bz - sz * by, sz * bx - sx * bz, sx * by - sy * bx
    apart = math.atan2(math.sqrt(px * px + py * py + pz * pz), sx * bx + sy * by + sz * bz)
    return math.asin(SUN_RADIUS_KM / ds), math.asin(min(radius / db, 1.0)), apart


@njit(cache=True, nogil=True)
def lit_fraction(sx, sy, sz, bx, by, bz, radius):
    """The part of the Sun's disc (0 to 1) seen at a craft, past a sphere of ``radius`` km.

    Vectors from the craft to the Sun and to the body, km; overlapping discs as in Montenbruck and
    Gill, Satellite Orbits, 3.4.2.
    """
    if bx * bx + by * by + bz * bz <= radius * radius:
        return 0.0
    if sx * bx + sy * by + sz * bz <= 0.0:
        return 1.0
    a, b, apart = discs(sx, sy, sz, bx, by, bz, radius)
    if apart >= a + b:
        return 1.0
    if apart <= b - a:
        return 0.0
    if apart <= a - b:
        return 1.0 - (b / a) ** 2
    x = (apart * apart + a * a - b * b) / (2.0 * apart)
    y = math.sqrt(max(a * a - x * x, 0.0))
    area = (
        a * a * math.acos(min(max(x / a, -1.0), 1.0))
        + b * b * math.acos(min(max((apart - x) / b, -1.0), 1.0))
        - apart * y
    )
    return 1.0 - area / (math.pi * a * a)


@njit(cache=True, nogil=True)
def add_lit_gradient(sx, sy, sz, bx, by, bz, radius, factor, out):
    """Adds ``factor`` x the derivative of :func:`lit_fraction` by the craft's position (1/km).

    Zero where the disc is whole or hidden. The overlap's derivatives are closed: by the distance
    apart minus the common chord, by a radius the arc of that circle inside the other.
    """
    d2, s2 = bx * bx + by * by + bz * bz, sx * sx + sy * sy + sz * sz
    along = sx * bx + sy * by + sz * bz
    if d2 <= radius * radius or along <= 0.0:
        return
    a, b, apart = discs(sx, sy, sz, bx, by, bz, radius)
    if apart >= a + b or apart <= b - a:
        return
    ds, db = math.sqrt(s2), math.sqrt(d2)
    if apart <= a - b:  # a ring: 1 - (b / a)^2
        by_a, by_b, by_apart = 2.0 * b * b / a**3, -2.0 * b / (a * a), 0.0
    else:
        x = (apart * apart + a * a - b * b) / (2.0 * apart)
        y = math.sqrt(max(a * a - x * x, 0.0))
        turn_a = math.acos(min(max(x / a, -1.0), 1.0))
        turn_b = math.acos(min(max((apart - x) / b, -1.0), 1.0))
        disc = math.pi * a * a
        area = a * a * turn_a + b * b * turn_b - apart * y
        by_a = (2.0 * area / a - 2.0 * a * turn_a) / disc
        by_b, by_apart = -2.0 * b * turn_b / disc, 2.0 * y / disc
    # radii grow towards what is seen; the distance apart turns about both lines of sight
    of_sun, of_body = by_a * math.tan(a) / s2, by_b * math.tan(b) / d2
    if by_apart != 0.0:
        cosine, sine = math.cos(apart), math.sin(apart)
        of_sun += by_apart / sine * (1.0 / (ds * db) - cosine / s2)
        of_body += by_apart / sine * (1.0 / (ds * db) - cosine / d2)
    out[0] += factor * (of_sun * sx + of_body * bx)
    out[1] += factor * (of_sun * sy + of_body * by)
    out[2] += factor * (of_sun * sz + of_body * bz)


@njit(cache=True, nogil=True)
def _add_gradient(g, gm, dx, dy, dz, d2):
    """Adds a point mass's tidal matrix (xx, xy, xz, yy, yz, zz) to ``g``."""
    cube = gm / (d2 * math.sqrt(d2))
    five = 3.0 * cube / d2
    g[0] += five * dx * dx - cube
    g[1] += five * dx * dy
    g[2] += five * dx * dz
    g[3] += five * dy * dy - cube
    g[4] += five * dy * dz
    g[5] += five * dz * dz - cube


@njit(cache=True, nogil=True)
def _bulge(w, near, px, pz, x, y, z):
    """The pull (3) of an oblate body's J2 at x, y, z (km) from it, with its pole (px, 0, pz).

    ``w`` is 3/2 GM J2 R^2 / r^5 and ``near`` 1 / r^2.
    """
    u = px * x + pz * z
    along, down = w * (5.0 * u * u * near - 1.0), 2.0 * w * u
    return along * x - down * px, along * y, along * z - down * pz


@njit(cache=True, nogil=True)
def _add_bulge_gradient(g, w, near, px, pz, x, y, z):
    """Adds the derivative of :func:`_bulge` (xx, xy, xz, yy, yz, zz) to ``g``."""
    u = px * x + pz * z
    flat = u * u * near
    whole, far, mixed = w * (5.0 * flat - 1.0), 5.0 * w * near * (1.0 - 7.0 * flat), 10.0 * w * u
    mixed, w = mixed * near, 2.0 * w
    g[0] += whole + far * x * x + 2.0 * mixed * px * x - w * px * px
    g[1] += far * x * y + mixed * px * y
    g[2] += far * x * z + mixed * (px * z + pz * x) - w * px * pz
    g[3] += whole + far * y * y
    g[4] += far * y * z + mixed * pz * y
    g[5] += whole + far * z * z + 2.0 * mixed * pz * z - w * pz * pz


@njit(cache=True, nogil=True)
def _figure(w, near, zonal, sectoral, x, y, z):
    """Minus the acceleration (3) of a body by a mass at x, y, z (km) on its principal axes.

    ``zonal`` and ``sectoral`` are R^2 times C20 and 6 C22; ``w`` is GM / r^5 with the mass's GM,
    ``near`` 1 / r^2.
    """
    q = 2.5 * (zonal * (3.0 * z * z * near - 1.0) + sectoral * (x * x - y * y) * near)
    return (
        w * (sectoral - zonal - q) * x, w * (-sectoral - zonal - q) * y, w * (2.0 * zonal - q) * z,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def rhs(model, n, t, y, c, table, field, work, dy):
    """Writes the derivative of ``y`` (n = 6, or 42 with the transition matrix) into ``dy``.

    Model CR3BP: nondimensional, ``c[MU]``. Model EPHEMERIS: km and km/s about the Moon on ICRF
    axes. The transition matrix takes the gradients of every term: harmonics, point masses, and
    solar pressure with its fading in penumbra.
    """
    if model == CR3BP:
        cr3bp_rhs(y, c[MU], n, dy)
        return
    x, yy, z = y[0], y[1], y[2]
    body = work[BODY_ROW]
    bodies_at(t, c, table, body)
    g = work[SUM_ROW, 8:14]
    r2 = x * x + yy * yy + z * z
    pull = -c[GM] / (r2 * math.sqrt(r2))
    ax, ay, az = pull * x, pull * yy, pull * z
    if n == 42:
        for i in range(6):
            g[i] = 0.0
        _add_gradient(g, c[GM], x, yy, z, r2)
    far = near = far5 = near5 = 0.0  # of the Earth from Moon and craft: 1 / r^2 and GM / r^5
    for k in range(4):
        gm = c[GM_BODIES + k]
        if gm == 0.0:
            continue
        sx, sy, sz = body[3 * k], body[3 * k + 1], body[3 * k + 2]
        dx, dyy, dz = sx - x, sy - yy, sz - z
        s2, d2 = sx * sx + sy * sy + sz * sz, dx * dx + dyy * dyy + dz * dz
        s3, d3 = gm / (s2 * math.sqrt(s2)), gm / (d2 * math.sqrt(d2))
        if k == 0:
            far, near = 1.0 / s2, 1.0 / d2
            far5, near5 = s3 * far, d3 * near
        ax += d3 * dx - s3 * sx
        ay += d3 * dyy - s3 * sy
        az += d3 * dz - s3 * sz
        if n == 42:
            _add_gradient(g, gm, dx, dyy, dz, d2)
    ex, ey, ez = body[EARTH], body[EARTH + 1], body[EARTH + 2]
    bulge = c[BULGE]
    if bulge != 0.0:
        px = c[POLE] + EARTH_POLE_X_RAD_S * (t - c[FIRST])
        pz = 1.0 - 0.5 * px * px
        dx, dyy, dz = _bulge(bulge * near5, near, px, pz, x - ex, yy - ey, z - ez)
        sx, sy, sz = _bulge(bulge * far5, far, px, pz, -ex, -ey, -ez)  # the Moon's own
        ax += dx - sx
        ay += dyy - sy
        az += dz - sz
        if n == 42:
            _add_bulge_gradient(g, bulge * near5, near, px, pz, x - ex, yy - ey, z - ez)
    light = work[LIGHT_ROW]  # solar pressure's push, and how it fades from place to place
    if n == 42:
        for i in range(6):
            light[i] = 0.0
    if c[PRESSURE] != 0.0:
        sx, sy, sz = body[SUN] - x, body[SUN + 1] - yy, body[SUN + 2] - z
        d2 = sx * sx + sy * sy + sz * sz
        push = -c[PRESSURE] / (d2 * math.sqrt(d2))
        lit = 1.0
        if c[SHADOW] != 0.0:
            dx, dyy, dz = ex - x, ey - yy, ez - z
            by_moon = lit_fraction(sx, sy, sz, -x, -yy, -z, MOON_RADIUS_KM)
            by_earth = lit_fraction(sx, sy, sz, dx, dyy, dz, EARTH_RADIUS_KM)
            lit = by_moon * by_earth
            if n == 42 and 0.0 < lit < 1.0:
                light[0], light[1], light[2] = push * sx, push * sy, push * sz
                fade = light[3:6]
                add_lit_gradient(sx, sy, sz, -x, -yy, -z, MOON_RADIUS_KM, by_earth, fade)
                add_lit_gradient(sx, sy, sz, dx, dyy, dz, EARTH_RADIUS_KM, by_moon, fade)
        push *= lit
        ax += push * sx
        ay += push * sy
        az += push * sz
        if n == 42:
            _add_gradient(g, -lit * c[PRESSURE], sx, sy, sz, d2)
    if field.shape[0] > 1:
        # principal axes: R3(psi) R1(theta) R3(phi)
        phi, theta, psi = body[ANGLES], body[ANGLES + 1], body[ANGLES + 2]
        c1, s1 = math.cos(phi), math.sin(phi)
        c2, s2 = math.cos(theta), math.sin(theta)
        c3, s3 = math.cos(psi), math.sin(psi)
        m00, m01, m02 = c3 * c1 - s3 * c2 * s1, c3 * s1 + s3 * c2 * c1, s3 * s2
        m10, m11, m12 = -s3 * c1 - c3 * c2 * s1, -s3 * s1 + c3 * c2 * c1, c3 * s2
        m20, m21, m22 = s2 * s1, -s2 * c1, c2
        sums = work[SUM_ROW]
        harmonic_sums(
            m00 * x + m01 * yy + m02 * z,
            m10 * x + m11 * yy + m12 * z,
            m20 * x + m21 * yy + m22 * z,
            c[RADIUS], field, n == 42, work, sums,
        )  # fmt: skip
        f = c[GM_FIELD] / (c[RADIUS] * c[RADIUS])
        bx, by, bz = f * sums[0], f * sums[1], f * sums[2]
        if bulge != 0.0:  # the Moon moves, and the axes with it, as the Earth pulls its figure
            dx, dyy, dz = _figure(
                far5, far, c[FIGURE], c[FIGURE + 1],
                m00 * ex + m01 * ey + m02 * ez,
                m10 * ex + m11 * ey + m12 * ez,
                m20 * ex + m21 * ey + m22 * ez,
            )  # fmt: skip
            bx, by, bz = bx + dx, by + dyy, bz + dz
        ax += m00 * bx + m10 * by + m20 * bz
        ay += m01 * bx + m11 * by + m21 * bz
        az += m02 * bx + m12 * by + m22 * bz
        if n == 42:
            f /= c[RADIUS]
            gxx, gxy, gxz, gyy, gyz = (
                f * sums[3], f * sums[4], f * sums[5], f * sums[6], f * sums[7],
            )  # fmt: skip
            gzz = -gxx - gyy  # harmonic
            h00 = gxx * m00 + gxy * m10 + gxz * m20
            h10 = gxy * m00 + gyy * m10 + gyz * m20
            h20 = gxz * m00 + gyz * m10 + gzz * m20
            h01 = gxx * m01 + gxy * m11 + gxz * m21
            h11 = gxy * m01 + gyy * m11 + gyz * m21
            h21 = gxz * m01 + gyz * m11 + gzz * m21
            h02 = gxx * m02 + gxy * m12 + gxz * m22
            h12 = gxy * m02 + gyy * m12 + gyz * m22
            h22 = gxz * m02 + gyz * m12 + gzz * m22
            g[0] += m00 * h00 + m10 * h10 + m20 * h20
            g[1] += m00 * h01 + m10 * h11 + m20 * h21
            g[2] += m00 * h02 + m10 * h12 + m20 * h22
            g[3] += m01 * h01 + m11 * h11 + m21 * h21
            g[4] += m01 * h02 + m11 * h12 + m21 * h22
            g[5] += m02 * h02 + m12 * h12 + m22 * h22
    dy[0], dy[1], dy[2] = y[3], y[4], y[5]
    dy[3], dy[4], dy[5] = ax, ay, az
    if n == 42:
        for j in range(6):
            a, b, e = y[6 + j], y[12 + j], y[18 + j]
            dy[6 + j], dy[12 + j], dy[18 + j] = y[24 + j], y[30 + j], y[36 + j]
            fade = light[3] * a + light[4] * b + light[5] * e
            dy[24 + j] = g[0] * a + g[1] * b + g[2] * e + light[0] * fade
            dy[30 + j] = g[1] * a + g[3] * b + g[4] * e + light[1] * fade
            dy[36 + j] = g[2] * a + g[4] * b + g[5] * e + light[2] * fade
