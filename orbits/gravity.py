"""The Moon's spherical harmonics to degree 100: acceleration and its gradient, compiled.

Cunningham's functions (Cunningham 1970; Montenbruck and Gill, Satellite Orbits, 3.2), fully
normalised: no singularity at the poles, no overflow. Differentiating a potential
sum(C V + S W) of degree n gives sums over V and W of degree n + 1, so acceleration and gradient are
the same kind of sum with coefficients worked out once: a row of the recursion is summed as it is
made, all of it in loops that vectorise.

Coefficients: NASA GSFC GRGM360 to degree 100 (see the header of ``data/moon_gravity_grgm360.csv``),
principal axes, with the field's own GM and radius.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
from numba import njit

from orbits.errors import InputError

GRAVITY_GM_KM3_S2 = 4902.800122445  # from the file's header, as is the radius
GRAVITY_RADIUS_KM = 1738.0
DEGREE_MAX = 100
ROWS = 18  # 2 of the recursion, 3 x 2 of acceleration, 5 x 2 of gradient


@lru_cache(maxsize=1)
def _field():
    """Normalised C and S (101, 101), zero below degree 2."""
    path = files("orbits").joinpath("data", "moon_gravity_grgm360.csv")
    text = path.read_text(encoding="ascii").splitlines()
    body = [line for line in text if line and not line.startswith(("#", "degree"))]
    table = np.array([line.split(",") for line in body], dtype=float)
    n, m = table[:, 0].astype(int), table[:, 1].astype(int)
    c = np.zeros((DEGREE_MAX + 1, DEGREE_MAX + 1))
    s = np.zeros_like(c)
    c[n, m], s[n, m] = table[:, 2], table[:, 3]
    return c, s


def _raise(c, s, axis):
    """Coefficients of the derivative along ``axis`` of sum(c V + s W), one degree higher, times R.

    Normalised form of Montenbruck and Gill 3.33.
    """
    top = c.shape[0]
    n, m = np.mgrid[:top, :top].astype(float)
    inside = m <= n
    base = (2 * n + 1) / (2 * n + 3)
    first = m == 0
    up = np.sqrt(base * (n + m + 2) * (n + m + 1)) * np.where(first, np.sqrt(0.5), 0.5)
    room = np.where(inside, (n - m + 2) * (n - m + 1), 0.0)
    down = 0.5 * np.sqrt(np.where(m == 1, 2.0, 1.0) * base * room) * ~first
    level = np.sqrt(np.where(inside, base * (n + m + 1) * (n - m + 1), 0.0))
    out_c = np.zeros((top + 1, top + 1))
    out_s = np.zeros_like(out_c)
    c, s = c * inside, s * inside * ~first
    if axis == 2:
        out_c[1:, :-1], out_s[1:, :-1] = -level * c, -level * s
    elif axis == 0:
        out_c[1:, 1:] -= up * c
        out_s[1:, 1:] -= up * s
        out_c[1:, :-2] += (down * c)[:, 1:]
        out_s[1:, :-2] += (down * s)[:, 1:]
    else:
        out_s[1:, 1:] -= up * c
        out_c[1:, 1:] += up * s
        out_s[1:, :-2] -= (down * c)[:, 1:]
        out_c[1:, :-2] += (down * s)[:, 1:]
    out_s[:, 0] = 0.0  # W of order 0 is zero
    return out_c, out_s


@lru_cache(maxsize=16)
def harmonics(degree: int, order: int | None = None) -> np.ndarray:
    """The constants (degree + 3, ROWS, degree + 3) that :func:`harmonic_sums` reads.

    Degree 2 to 100; ``order`` cuts the field (0 keeps the zonal terms). Raises InputError.
    """
    if not 2 <= degree <= DEGREE_MAX:
        raise InputError(
            f"gravity degree {degree}", value=degree, allowed=f"0, or 2 to {DEGREE_MAX}"
        )
    top = degree + 1
    c, s = (x[:top, :top].copy() for x in _field())
    if order is not None:
        c[:, order + 1 :] = s[:, order + 1 :] = 0.0
    size = degree + 3
    out = np.zeros((size, ROWS, size))
    n, m = np.mgrid[:size, :size].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.sqrt((2 * n - 1) * (2 * n + 1) / ((n - m) * (n + m)))
        b = np.sqrt((2 * n + 1) * (n + m - 1) * (n - m - 1) / ((2 * n - 3) * (n + m) * (n - m)))
    out[:, 0] = np.where(m < n, a, 0.0)
    out[:, 1] = np.where(m < n - 1, b, 0.0)
    k = np.arange(1, size)
    out[k, 0, k] = np.where(k == 1, np.sqrt(3.0), np.sqrt((2.0 * k + 1) / (2.0 * k)))  # diagonal
    first = [_raise(c, s, axis) for axis in range(3)]
    for axis, pair in enumerate(first):
        for part in range(2):
            out[: size - 1, 2 + 2 * axis + part, : size - 1] = pair[part]
    for place, (i, j) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))):
        pair = _raise(*first[i], j)
        for part in range(2):
            out[:, 8 + 2 * place + part] = pair[part]
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
def harmonic_sums(x, y, z, radius, constants, gradient, work, out):
    """Writes GM-free sums of the harmonics at a body-fixed position (km) into ``out``.

    ``out[0:3]`` times GM/R^2 is the acceleration; with ``gradient``, ``out[3:8]`` times GM/R^3 are
    its derivatives xx, xy, xz, yy, yz. ``work`` is (6, size) of scratch.
    """
    size = constants.shape[2]
    top = size if gradient else size - 1
    r2 = x * x + y * y + z * z
    scale = radius / r2
    u, v, w = x * scale, y * scale, z * scale
    q = radius * scale
    for i in range(6):
        for m in range(size):
            work[i, m] = 0.0
    work[0, 0] = radius / np.sqrt(r2)
    for i in range(8):
        out[i] = 0.0
    now, before, spare = 0, 2, 4
    for n in range(1, top):
        row = constants[n]
        v1, w1 = work[now], work[now + 1]
        v2, w2 = work[before], work[before + 1]
        vn, wn = work[spare], work[spare + 1]
        for m in range(n):
            a = row[0, m] * w
            b = row[1, m] * q
            vn[m] = a * v1[m] - b * v2[m]
            wn[m] = a * w1[m] - b * w2[m]
        f = row[0, n]
        vn[n] = f * (u * v1[n - 1] - v * w1[n - 1])
        wn[n] = f * (u * w1[n - 1] + v * v1[n - 1])
        ax = ay = az = 0.0
        if 3 <= n < size - 1:
            for m in range(n + 1):
                ax += row[2, m] * vn[m] + row[3, m] * wn[m]
                ay += row[4, m] * vn[m] + row[5, m] * wn[m]
                az += row[6, m] * vn[m] + row[7, m] * wn[m]
            out[0] += ax
            out[1] += ay
            out[2] += az
        if gradient and n >= 4:
            xx = xy = xz = yy = yz = 0.0
            for m in range(n + 1):
                xx += row[8, m] * vn[m] + row[9, m] * wn[m]
                xy += row[10, m] * vn[m] + row[11, m] * wn[m]
                xz += row[12, m] * vn[m] + row[13, m] * wn[m]
                yy += row[14, m] * vn[m] + row[15, m] * wn[m]
                yz += row[16, m] * vn[m] + row[17, m] * wn[m]
            out[3] += xx
            out[4] += xy
            out[5] += xz
            out[6] += yy
            out[7] += yz
        now, before, spare = spare, now, before
