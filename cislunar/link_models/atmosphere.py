"""Attenuation of radio by the air over an Earth station: ITU-R P.676, P.618 and P.840.

Through the optional package ``itur`` (``pip install cislunar-planner[atmosphere]``): gases, cloud,
rain and scintillation combined as P.618 asks. Links take it at three elevations and interpolate
linearly in the cosecant, as they do with the catalogue's figures.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from orbits.errors import InputError

POINTS_DEG = (10.0, 20.0, 90.0)
HIGHEST_DEG = 89.9  # the recommendation's approximation ends at 90 and itur warns there


def slant_attenuation_db(
    latitude_deg: float,
    longitude_deg: float,
    height_m: float,
    frequency_mhz: float,
    elevation_deg,
    availability_percent: float,
    diameter_m: float = 1.0,
) -> np.ndarray:
    """Attenuation in dB not exceeded for ``availability_percent`` of an average year.

    ``elevation_deg`` of any shape, 5 to 90; the station is WGS84. One row each of gases, cloud,
    rain, scintillation and total: shape (5, ...). Raises InputError where ``itur`` is absent.
    """
    try:
        import itur
    except ImportError:
        raise InputError(
            "the ITU-R atmosphere needs the optional package itur", key="atmosphere.model",
            value="itu-r", allowed="pip install 'cislunar-planner[atmosphere]', or catalogue",
        ) from None  # fmt: skip
    angles = np.minimum(np.atleast_1d(np.asarray(elevation_deg, dtype=float)), HIGHEST_DEG)
    exceeded = 100.0 - availability_percent
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own notes on validity, which the bounds above keep
        for angle in angles.ravel():
            parts: Any = itur.atmospheric_attenuation_slant_path(
                latitude_deg, longitude_deg, frequency_mhz * 1e-3, float(angle), exceeded,
                diameter_m * itur.u.m, hs=max(height_m, 0.0) * 1e-3, return_contributions=True,
            )  # fmt: skip
            out.append([float(np.squeeze(x.value)) for x in parts])
    return np.array(out).T.reshape(5, *angles.shape)


@lru_cache(maxsize=1024)
def attenuation_points_db(
    latitude_deg: float,
    longitude_deg: float,
    height_m: float,
    frequency_mhz: float,
    availability_percent: float,
    diameter_m: float = 1.0,
) -> tuple[float, float, float]:
    """Total attenuation in dB at 10, 20 and 90 deg of elevation; see ``slant_attenuation_db``."""
    total = slant_attenuation_db(
        latitude_deg, longitude_deg, height_m, frequency_mhz, POINTS_DEG, availability_percent,
        diameter_m,
    )[4]  # fmt: skip
    return float(total[0]), float(total[1]), float(total[2])
