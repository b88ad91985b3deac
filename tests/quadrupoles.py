"""The figures of the Earth and the Moon as tensors: another way round than the force model's.

The potential of a body's second degree is GM r.S r / |r|^5, with a symmetric, traceless S in km2.
"""

from __future__ import annotations

import erfa
import numpy as np

from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2


def pull(gm, shape, r):
    """Accelerations (..., 3), km/s2, at ``r`` (..., 3) from a body of ``shape`` (..., 3, 3)."""
    along = np.einsum("...ij,...j->...i", shape, r)
    d2 = (r * r).sum(axis=-1, keepdims=True)
    return gm * (2 * along - 5 * (r * along).sum(axis=-1, keepdims=True) * r / d2) / d2**2.5


def earth_shape(epoch) -> np.ndarray:
    """S of the Earth (3, 3) on ICRF axes: J2 and radius of DE440's header, ERFA's pole."""
    pole = erfa.pmat06(*epoch.jd_tdb)[2]
    return -0.5 * 1.08262539e-3 * 6378.1366**2 * (3 * np.outer(pole, pole) - np.eye(3))


def moon_shape(axes) -> np.ndarray:
    """S of the Moon (..., 3, 3) on ICRF axes, by its principal axes: values of DE440's header."""
    j2, c22 = 2.0321436e-4, 2.2380845e-5
    own = np.diag([0.5 * j2 + 3 * c22, 0.5 * j2 - 3 * c22, -j2]) * 1738.0**2
    return np.swapaxes(axes, -1, -2) @ own @ axes


def about_the_moon(r, earth, bulge, moon) -> np.ndarray:
    """What both figures add (..., 3) at ``r`` about the Moon, beside the Moon's own pull there.

    ``earth`` is the Earth's place about the Moon, ``bulge`` and ``moon`` the two shapes.
    """
    of_moon = pull(GM_EARTH_KM3_S2, bulge, -earth) - pull(GM_EARTH_KM3_S2, moon, earth)
    return pull(GM_EARTH_KM3_S2, bulge, r - earth) - of_moon


def about_the_earth(r, moon, bulge, shape) -> np.ndarray:
    """What both figures add (..., 3) at ``r`` about the Earth, with the Moon at ``moon`` there."""
    of_earth = pull(GM_MOON_KM3_S2, shape, -moon) - pull(GM_MOON_KM3_S2, bulge, moon)
    here = pull(GM_EARTH_KM3_S2, bulge, r) + pull(GM_MOON_KM3_S2, shape, r - moon)
    return here - of_earth
