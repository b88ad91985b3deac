"""How far an error reaches: the radius that holds a share of a Gaussian error, exactly.

The error of a fix is Gaussian with a covariance, and its length, over one, two or three
directions, is the root of a quadratic form: a sum of squares of independent normals with the
standard deviations of the principal axes. Its 95 % radius is 1.96 standard deviations in one
direction, 2.45 in two equal ones, 2.80 in three, and in between for unequal ones; no one factor
on the RMS gives it (twice the RMS holds 95.4 to 98.2 % in two directions). Along the largest axis
the probability is an integral of the same probability with one direction less, down to the error
function; Gauss-Legendre points after a change to the sine of an angle give it to 1e-9.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from orbits.compiled import njit
from orbits.errors import InputError

THREE_SIGMA_FRAC = 0.9973002039367398  # the share within 3 standard deviations of one normal
_POINTS = 40  # half of them: the integrand is the same on both sides
_FAR = 8.5  # standard deviations beyond which nothing is left
_DEGREE = 18  # Chebyshev series of the radius over the ratios of the variances


def _share(radius, s1, s2, s3):
    """Probability that the error is within ``radius``; any equal shapes, ``s1`` the largest."""
    from scipy.special import erf

    nodes, weights = (x[_POINTS // 2 :] for x in np.polynomial.legendre.leggauss(_POINTS))
    turn, weights = 0.5 * math.pi * nodes, math.pi * weights
    sine, cosine = np.sin(turn), np.cos(turn)

    def line(reach, sigma):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sigma > 0.0, erf(reach / (math.sqrt(2.0) * sigma)), 1.0)

    def beyond(reach, sigma, rest):
        """The integral along the axis of ``sigma`` of the probability ``rest`` across it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.minimum(reach / sigma, _FAR)[..., None]
            z = most * sine
            across = np.sqrt(np.maximum(reach[..., None] ** 2 - (sigma[..., None] * z) ** 2, 0.0))
            density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
            inside = (density * rest(across) * most * cosine) @ weights
        return np.where(sigma > 0.0, inside, 1.0)

    def plane(reach, a, b):
        return beyond(reach, a, lambda across: line(across, b[..., None]))

    if s2 is None:
        return line(radius, s1)
    if s3 is None:
        return plane(radius, s1, s2)

    def cross(across):
        return plane(across, *(np.broadcast_to(s[..., None], across.shape) for s in (s2, s3)))

    return beyond(radius, s1, cross)


def _axes(sigmas):
    sigmas = np.sort(np.asarray(sigmas, dtype=float), axis=-1)[..., ::-1]
    if sigmas.shape[-1] not in (1, 2, 3) or not np.isfinite(sigmas).all() or (sigmas < 0).any():
        raise InputError("not standard deviations", key="sigmas", value=sigmas.shape,
                         allowed="1 to 3 finite numbers >= 0 along the last axis")  # fmt: skip
    return [sigmas[..., i] if i < sigmas.shape[-1] else None for i in range(3)]


def containment_frac(radius, sigmas) -> np.ndarray:
    """The probability that an error is no longer than ``radius`` (any shape), exact to 1e-9.

    ``sigmas`` (..., 1 to 3): standard deviations along the principal axes, in the unit of
    ``radius``.

    >>> [round(float(containment_frac(2.0, [1.0] * n)), 6) for n in (1, 2)]
    [0.9545, 0.864665]
    """
    s1, s2, s3 = _axes(sigmas)
    assert s1 is not None
    radius, s1 = np.broadcast_arrays(np.asarray(radius, dtype=float), s1)
    rest = [None if s is None else np.broadcast_to(s, radius.shape) for s in (s2, s3)]
    return _share(radius, s1, *rest)


def _solve(share: float, s1, s2, s3) -> np.ndarray:
    """Radii by bisection and secants, between those of one direction and of three equal ones."""
    from scipy.special import erfinv, gammaincinv

    low, high = math.sqrt(2.0) * erfinv(share) * s1, math.sqrt(2.0 * gammaincinv(1.5, share)) * s1
    for _ in range(5):
        middle = 0.5 * (low + high)
        inside = _share(middle, s1, s2, s3) < share
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    # close enough for secants, which double the digits and more at each step
    before, now = low, high
    short, past = (_share(r, s1, s2, s3) - share for r in (before, now))
    for _ in range(5):
        slope = (past - short) / np.where(now != before, now - before, 1.0)
        step = np.where(slope != 0.0, past / np.where(slope != 0.0, slope, 1.0), 0.0)
        before, short, now = now, past, now - step
        past = _share(now, s1, s2, s3) - share
    return now


@lru_cache(maxsize=16)
def _series(share: float, dimensions: int) -> np.ndarray:
    """Chebyshev series of radius / largest sigma over the ratios of neighbouring variances."""
    nodes = np.cos(math.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    ratio = 0.5 * (nodes + 1.0)
    back = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, _DEGREE))
    one = np.ones(ratio.size)
    if dimensions == 2:
        return back @ _solve(share, one, np.sqrt(ratio), None)
    u, w = (x.ravel() for x in np.meshgrid(ratio, ratio, indexing="ij"))
    found = _solve(share, np.ones(u.size), np.sqrt(u), np.sqrt(u * w))
    return back @ found.reshape(ratio.size, ratio.size) @ back.T


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _clenshaw(n, twice, term, c1, c2):
    """One step of Clenshaw's recurrence for ``n`` points; ``c1`` and ``c2`` change places after."""
    for k in range(n):
        c2[k] = twice[k] * c1[k] - c2[k] + term[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(series, x, y, out):
    """A double Chebyshev series at points ``x, y`` (N,), 256 at a time."""
    rows, columns = series.shape
    tile = 256
    twice_x, twice_y, term = np.empty(tile), np.empty(tile), np.empty(tile)
    b1, b2, c1, c2 = np.empty(tile), np.empty(tile), np.empty(tile), np.empty(tile)
    for k0 in range(0, x.size, tile):
        n = min(tile, x.size - k0)
        for k in range(n):
            twice_x[k], twice_y[k] = 2.0 * x[k0 + k], 2.0 * y[k0 + k]
        b1[:], b2[:] = 0.0, 0.0
        for i in range(rows - 1, -1, -1):
            c1[:], c2[:] = 0.0, 0.0
            for j in range(columns - 1, 0, -1):
                term[:] = series[i, j]
                _clenshaw(n, twice_y, term, c1, c2)
                c1, c2 = c2, c1
            for k in range(n):
                term[k] = 0.5 * twice_y[k] * c1[k] - c2[k] + series[i, 0]
            if i > 0:
                _clenshaw(n, twice_x, term, b1, b2)
                b1, b2 = b2, b1
        for k in range(n):
            out[k0 + k] = 0.5 * twice_x[k] * b1[k] - b2[k] + term[k]


def containment_radius(sigmas, share: float = 0.95) -> np.ndarray:
    """The radius that holds ``share`` of an error, in the unit of ``sigmas`` (..., 1 to 3).

    ``sigmas`` are the standard deviations along the principal axes. From a series of the exact
    radius, to a part in 1e5 for shares of 0.9 and more, and 2e-4 at one half. Raises InputError for
    a share outside (0, 1).

    >>> [round(float(containment_radius([1.0] * n)), 3) for n in (1, 2, 3)]
    [1.96, 2.448, 2.795]
    """
    if not 0.0 < share < 1.0:
        raise InputError("no such share of errors", key="share", value=share, allowed="0 to 1")
    s1, s2, s3 = _axes(sigmas)
    assert s1 is not None
    if s2 is None:
        from scipy.special import erfinv

        return math.sqrt(2.0) * float(erfinv(share)) * s1
    v1 = np.where(s1 > 0.0, s1, 1.0) ** 2
    u = s2**2 / v1
    if s3 is None:
        return s1 * np.polynomial.chebyshev.chebval(2.0 * u - 1.0, _series(share, 2))
    w = np.where(s2 > 0.0, s3**2 / np.where(s2 > 0.0, s2, 1.0) ** 2, 0.0)
    factor = np.empty(u.size)
    _evaluate(_series(share, 3), 2.0 * u.ravel() - 1.0, 2.0 * w.ravel() - 1.0, factor)
    return s1 * factor.reshape(u.shape)


def accuracy(covariance, share: float | None = None) -> dict[str, np.ndarray]:
    """Errors of fixes as ``horizontal``, ``vertical``, ``3d`` and ``time``, in the root of the
    covariance's unit.

    ``covariance`` (..., 4, 4) of east, north, up and clock (as a distance). Without ``share`` the
    RMS (root of the summed variances); with it, the radius that holds that share of the errors:
    0.95, or ``THREE_SIGMA_FRAC`` for what is called 3-sigma.

    >>> q = np.diag([9.0, 16.0, 144.0, 1.0])
    >>> {k: float(v) for k, v in accuracy(q).items()}
    {'horizontal': 5.0, 'vertical': 12.0, '3d': 13.0, 'time': 1.0}
    """
    q = np.asarray(covariance, dtype=float)
    if q.shape[-2:] != (4, 4):
        raise InputError("not a covariance of a fix", key="covariance", value=q.shape,
                         allowed="(..., 4, 4): east, north, up, clock")  # fmt: skip
    variances = {
        "horizontal": np.linalg.eigvalsh(q[..., :2, :2]),
        "vertical": q[..., 2, 2, None],
        "3d": np.linalg.eigvalsh(q[..., :3, :3]),
        "time": q[..., 3, 3, None],
    }
    variances = {name: np.maximum(v, 0.0) for name, v in variances.items()}
    if share is None:
        return {name: np.sqrt(v.sum(axis=-1)) for name, v in variances.items()}
    return {name: containment_radius(np.sqrt(v), share) for name, v in variances.items()}
