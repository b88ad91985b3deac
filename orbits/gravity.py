"""The Moon's spherical harmonics to degree 100: acceleration and its gradient, compiled.

Cunningham's functions (Cunningham 1970; Montenbruck and Gill, Satellite Orbits, 3.2), fully
normalised: no singularity at the poles, no overflow. Differentiating a potential
sum(C V + S W) of degree n gives sums over V and W of degree n + 1, so acceleration and gradient are
the same kind of sum with coefficients worked out once, eight orders at a time (``simd``).

Far from the Moon high degrees vanish: those whose sum is provably under 1e-16 of the central
attraction, half a unit in its last place, are left out. With sigma the root of the summed squares
of a degree's coefficients, its acceleration is at most

    GM / r^2 (R / r)^n sigma (2 n + 1) sqrt(n + 1)

by Cauchy's inequality and the addition theorem of vector harmonics (the squares of the normalised
gradients of one degree add up to (2 n + 1)^2 (n + 1) at every point of the unit sphere).

Coefficients: NASA GSFC GRGM360 to degree 100 (see the header of ``data/moon_gravity_grgm360.csv``),
principal axes, with the field's own GM and radius.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np

from orbits.compiled import njit
from orbits.errors import InputError
from orbits.simd import LANES, acceleration_orders, gradient_orders

GRAVITY_GM_KM3_S2 = 4902.800122445  # from the file's header, as is the radius
GRAVITY_RADIUS_KM = 1738.0
DEGREE_MAX = 100
ROWS = 19  # 3 of the recursion, 3 x 2 of acceleration, 5 x 2 of gradient
WIDTH = 112  # room for the orders of degree 100 by eights
NEGLECTED = 1e-16  # of the central attraction


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


def degree_bounds(c, s) -> np.ndarray:
    """Largest accelerations (N,) of each degree at r = R, in units of GM/R^2; see above.

    ``c`` and ``s`` (N, N) are normalised coefficients.
    """
    n = np.arange(c.shape[0])
    return np.sqrt((c**2 + s**2).sum(axis=1) * (n + 1)) * (2 * n + 1)


def _reach_km(c, s):
    """For each degree the distance (N,) beyond which higher ones may be left out."""
    bounds, n = degree_bounds(c, s), np.arange(c.shape[0])
    low, high = np.zeros(n.size), np.full(n.size, 20.0)  # log(r / R)
    for _ in range(60):
        mid = 0.5 * (low + high)
        terms = bounds * np.exp(-mid[:, None] * n) * (n > n[:, None])
        enough = terms.sum(axis=1) <= NEGLECTED
        low, high = np.where(enough, low, mid), np.where(enough, mid, high)
    return GRAVITY_RADIUS_KM * np.exp(high)


@lru_cache(maxsize=16)
def harmonics(degree: int, order: int | None = None) -> np.ndarray:
    """The constants (N, 19, 8) that :func:`harmonic_sums` reads.

    A row for each degree n of each eight orders: two factors of the recursion, the mask of its
    first term, six coefficients of the acceleration and ten of the gradient. At the end rows of
    single numbers: the factors of the first terms, the distances of :func:`degree_bounds`, and
    the degree. Degree 2 to 100; ``order`` cuts the field (0: zonal terms). Raises InputError.
    """
    if not 2 <= degree <= DEGREE_MAX:
        raise InputError(
            f"gravity degree {degree}", value=degree, allowed=f"0, or 2 to {DEGREE_MAX}"
        )
    c, s = (x[: degree + 1, : degree + 1].copy() for x in _field())
    if order is not None:
        c[:, order + 1 :] = s[:, order + 1 :] = 0.0
    size = degree + 3
    padded = -(-size // LANES) * LANES
    flat = np.zeros((size, ROWS, padded))  # by degree, kind and order
    n, m = np.mgrid[:size, :padded].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.sqrt((2 * n - 1) * (2 * n + 1) / ((n - m) * (n + m)))
        b = np.sqrt((2 * n + 1) * (n + m - 1) * (n - m - 1) / ((2 * n - 3) * (n + m) * (n - m)))
    flat[:, 0], flat[:, 1], flat[:, 2] = np.where(m < n, a, 0), np.where(m < n - 1, b, 0), m == n
    first = [_raise(c, s, axis) for axis in range(3)]
    for axis, pair in enumerate(first):
        for part in range(2):
            flat[: size - 1, 3 + 2 * axis + part, : size - 1] = pair[part]
    for place, (i, j) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))):
        pair = _raise(*first[i], j)
        for part in range(2):
            flat[:, 9 + 2 * place + part, :size] = pair[part]
    blocks = [flat[k:, :, k : k + LANES] for k in range(0, size, LANES)]
    single = np.zeros((3, ROWS * LANES))
    k = np.arange(1, size)
    single[0, 1:size] = np.where(k == 1, np.sqrt(3.0), np.sqrt((2.0 * k + 1) / (2.0 * k)))
    single[1, : degree + 1] = _reach_km(c, s)
    single[2, 0] = degree
    return np.concatenate([*blocks, single.reshape(3, ROWS, LANES)])


def second_degree(order: int | None = None) -> np.ndarray:
    """C20 and 6 C22 (2,), not normalised: what a distant mass feels of the Moon's figure.

    On principal axes the rest of the degree is 1e-4 of these. ``order`` cuts as in
    :func:`harmonics`.
    """
    c = _field()[0][2]
    sectoral = 6.0 * np.sqrt(5.0 / 12.0) * c[2]
    return np.array([np.sqrt(5.0) * c[0], sectoral if order is None or order >= 2 else 0.0])


def scratch() -> np.ndarray:
    """The work array (8, 112) of :func:`harmonic_sums` and of the right-hand sides on it."""
    return np.zeros((8, WIDTH))


@njit(cache=True, nogil=True)
def needed_degree(r, constants):
    """The degree that counts at ``r`` km: the neglected rest is under 1e-16 of GM/r^2."""
    last = constants.shape[0] - 1
    full, reach = int(constants[last, 0, 0]), constants[last - 1]
    degree = 2
    while degree < full and r < reach[degree // LANES, degree % LANES]:
        degree += 1
    return degree


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"}, error_model="numpy")
def harmonic_sums(x, y, z, radius, constants, gradient, work, out):
    """Writes GM-free sums of the harmonics at a body-fixed position (km) into ``out``.

    ``out[0:3]`` times GM/R^2 is the acceleration; with ``gradient``, ``out[3:8]`` times GM/R^3 are
    its derivatives xx, xy, xz, yy, yz. ``work`` is from :func:`scratch`; three rows are used.
    """
    r2 = x * x + y * y + z * z
    r = np.sqrt(r2)
    scale = radius / r2
    u, v, w = x * scale, y * scale, z * scale
    q = radius * scale
    last = constants.shape[0] - 1
    rows, diagonal = int(constants[last, 0, 0]) + 3, constants[last - 2]
    top = needed_degree(r, constants) + (3 if gradient else 2)
    lanes = work[2]
    for i in range(8 * LANES):
        lanes[i] = 0.0
    vm, wm = radius / r, 0.0  # of degree and order m
    first = 0
    for start in range(0, top, LANES):
        for m in range(start, start + LANES):
            if m > 0:
                f = diagonal[m // LANES, m % LANES]
                vm, wm = f * (u * vm - v * wm), f * (u * wm + v * vm)
            work[0, m], work[1, m] = vm, wm
        if gradient:
            gradient_orders(constants, first, top - start, w, q, work, start, lanes)
        else:
            acceleration_orders(constants, first, top - start, w, q, work, start, lanes)
        first += rows - start
    for i in range(8 if gradient else 3):
        out[i] = 0.0
        for k in range(LANES):
            out[i] += lanes[LANES * i + k]
