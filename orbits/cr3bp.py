"""The circular restricted three-body problem: units, equations, Jacobi constant, libration points.

Nondimensional (``_nd``), rotating, barycentric: x from Earth to Moon, z along the orbital angular
velocity; Earth at (-mu, 0, 0), Moon at (1 - mu, 0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orbits.compiled import njit
from orbits.constants import CR3BP_LU_KM, CR3BP_MU, CR3BP_TU_S, DAY_S


@dataclass(frozen=True)
class System:
    """A record of mass ratio and units: they travel together, since a resonance needs its TU."""

    mu: float
    lu_km: float
    tu_s: float

    @property
    def vu_km_s(self) -> float:
        """The unit of speed in km/s."""
        return self.lu_km / self.tu_s

    @property
    def tu_days(self) -> float:
        """The unit of time in days."""
        return self.tu_s / DAY_S

    def to_km(self, states_nd) -> np.ndarray:
        """States (..., 6) in km and km/s, still rotating and barycentric."""
        return np.asarray(states_nd, dtype=float) * self._scale

    def to_nd(self, states_km) -> np.ndarray:
        """States (..., 6) in LU and LU/TU of states in km and km/s."""
        return np.asarray(states_km, dtype=float) / self._scale

    @property
    def _scale(self):
        return np.repeat([self.lu_km, self.vu_km_s], 3)


# NASA/JPL Three-Body Periodic Orbits database, Earth-Moon
EARTH_MOON = System(CR3BP_MU, CR3BP_LU_KM, CR3BP_TU_S)


@njit(cache=True, nogil=True)
def cr3bp_rhs(y, mu, n, dy):
    """Writes the derivative of ``y`` (n = 6, or 42 with the state-transition matrix) into ``dy``.

    The matrix is stored row by row in ``y[6:42]``. Equations: Szebehely, Theory of Orbits (1967).
    """
    x, yy, z = y[0], y[1], y[2]
    xe, xm = x + mu, x - 1.0 + mu
    plane = yy * yy + z * z
    e2, m2 = xe * xe + plane, xm * xm + plane
    e3 = (1.0 - mu) / (e2 * math.sqrt(e2))
    m3 = mu / (m2 * math.sqrt(m2))
    dy[0], dy[1], dy[2] = y[3], y[4], y[5]
    both = e3 + m3
    dy[3] = 2.0 * y[4] + x - e3 * xe - m3 * xm
    dy[4] = -2.0 * y[3] + yy - both * yy
    dy[5] = -both * z
    if n == 42:
        e5, m5 = 3.0 * e3 / e2, 3.0 * m3 / m2
        five, cross = e5 + m5, e5 * xe + m5 * xm
        uxx = 1.0 - both + e5 * xe * xe + m5 * xm * xm
        uyy = 1.0 - both + five * yy * yy
        uzz = -both + five * z * z
        uxy, uxz, uyz = cross * yy, cross * z, five * yy * z
        for j in range(6):
            a, b, c = y[6 + j], y[12 + j], y[18 + j]
            d, e, f = y[24 + j], y[30 + j], y[36 + j]
            dy[6 + j], dy[12 + j], dy[18 + j] = d, e, f
            dy[24 + j] = uxx * a + uxy * b + uxz * c + 2.0 * e
            dy[30 + j] = uxy * a + uyy * b + uyz * c - 2.0 * d
            dy[36 + j] = uxz * a + uyz * b + uzz * c


def jacobi(states_nd, mu: float = CR3BP_MU) -> np.ndarray:
    """Jacobi constants (...,) of states (..., 6): x^2 + y^2 + 2(1-mu)/r1 + 2 mu/r2 - v^2.

    >>> float(round(jacobi([1.0196625817475922, 0, -0.18041918731575562, 0,
    ...                     -0.09805982467069076, 0]), 10))
    3.0489085893
    """
    x, y, z, vx, vy, vz = np.moveaxis(np.asarray(states_nd, dtype=float), -1, 0)
    r1 = np.sqrt((x + mu) ** 2 + y**2 + z**2)
    r2 = np.sqrt((x - 1 + mu) ** 2 + y**2 + z**2)
    return x**2 + y**2 + 2 * (1 - mu) / r1 + 2 * mu / r2 - vx**2 - vy**2 - vz**2


def libration_points(mu: float = CR3BP_MU) -> np.ndarray:
    """Positions (5, 3) of L1 to L5, nondimensional: Newton's method on the collinear equation."""
    points = np.zeros((5, 3))
    hill = (mu / 3) ** (1 / 3)
    for k, start in enumerate((1 - mu - hill, 1 - mu + hill, -1 - 5 * mu / 12)):
        x = start
        for _ in range(50):
            e, m = x + mu, x - 1 + mu
            slope = 1 + 2 * (1 - mu) / abs(e) ** 3 + 2 * mu / abs(m) ** 3
            step = (x - (1 - mu) * e / abs(e) ** 3 - mu * m / abs(m) ** 3) / slope
            x -= step
            if abs(step) < 1e-15:
                break
        points[k, 0] = x
    points[3:, 0] = 0.5 - mu
    points[3, 1], points[4, 1] = math.sqrt(3) / 2, -math.sqrt(3) / 2
    return points
