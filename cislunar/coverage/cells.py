"""The cells of a map: equal-area HEALPix cells whose centres lie in a region of the Moon."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cislunar.coverage.healpix import centres_deg
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.schema import Region

MAX_NSIDE = 1024
_SHAPE = (  # what decides a region's cells
    "name", "latitude_min_deg", "latitude_max_deg", "longitude_min_deg", "longitude_max_deg",
    "polygon_lon_lat_deg", "centre_lon_lat_deg", "radius_deg", "cell_count",
)  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """Cells of one region: centres in deg (MOON_ME), HEALPix ring indices and their nside."""

    latitude_deg: np.ndarray
    longitude_deg: np.ndarray
    index: np.ndarray
    nside: int

    def __len__(self) -> int:
        return self.index.size

    @property
    def units(self) -> np.ndarray:
        """Unit vectors (C, 3) to the centres, MOON_ME."""
        return unit_vectors(self.latitude_deg, self.longitude_deg)

    @property
    def cell_area_km2(self) -> float:
        """The area of each cell on the sphere of 1737.4 km."""
        return 4.0 * math.pi * MOON_RADIUS_KM**2 / (12 * self.nside**2)


def unit_vectors(latitude_deg, longitude_deg) -> np.ndarray:
    """Unit vectors (..., 3) of latitudes and east longitudes in deg."""
    lat, lon = np.asarray(latitude_deg) * DEG, np.asarray(longitude_deg) * DEG
    return np.stack(
        [
            np.cos(lat) * np.cos(lon),
            np.cos(lat) * np.sin(lon),
            np.broadcast_to(np.sin(lat), lon.shape),
        ],
        axis=-1,
    )


def _in_polygon(units: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """True for directions inside a spherical polygon (less than a hemisphere, great-circle sides).

    Seen from the Moon's centre on the plane that touches the sphere at the polygon's middle, great
    circles are straight lines: an even-odd test there knows no pole and no date line.
    """
    middle = corners.mean(axis=0)
    length = np.linalg.norm(middle)
    if length < 1e-9 or (corners @ middle).min() < 1e-3 * length:
        raise InputError(
            "the polygon reaches around half of the Moon", key="polygon_lon_lat_deg",
            allowed="corners within 89.9 deg of their middle; or bounds in latitude and longitude",
        )  # fmt: skip
    middle = middle / length
    x = np.cross([0.0, 0.0, 1.0] if abs(middle[2]) < 0.9 else [1.0, 0.0, 0.0], middle)
    x /= np.linalg.norm(x)
    axes = np.stack([x, np.cross(middle, x)], axis=1)
    front = units @ middle
    ahead = front > 1e-6
    px, py = ((units @ axes) / np.where(ahead, front, 1.0)[:, None]).T
    cx, cy = ((corners @ axes) / (corners @ middle)[:, None]).T
    inside = np.zeros(len(units), bool)
    for i in range(cx.size):
        j = i - 1
        crosses = (cy[i] > py) != (cy[j] > py)
        if not crosses.any():
            continue
        at = cx[i] + (py - cy[i]) / np.where(crosses, cy[j] - cy[i], 1.0) * (cx[j] - cx[i])
        inside ^= crosses & (px < at)
    return inside & ahead


def region_mask(region: Region, latitude_deg, longitude_deg) -> np.ndarray:
    """True for the points (deg, any equal shapes) that lie in a region's bounds, cap and polygon.

    A western bound east of the eastern one spans the date line. A polygon's sides are great
    circles; it may hold a pole or cross the date line, but not reach around half of the Moon.
    """
    lat, lon = np.asarray(latitude_deg, float), np.asarray(longitude_deg, float)
    inside = (lat >= region.latitude_min_deg) & (lat <= region.latitude_max_deg)
    west, east = region.longitude_min_deg, region.longitude_max_deg
    if east - west < 360.0:
        inside &= (lon - west) % 360.0 <= (east - west) % 360.0
    if region.centre_lon_lat_deg is not None and region.radius_deg is not None:
        centre_lon, centre_lat = region.centre_lon_lat_deg
        towards = unit_vectors(centre_lat, centre_lon)
        apart = unit_vectors(lat, lon) @ towards
        inside &= apart >= math.cos(region.radius_deg * DEG)
    if region.polygon_lon_lat_deg is not None:
        corners = np.array(region.polygon_lon_lat_deg, dtype=float)
        vectors = unit_vectors(corners[:, 1], corners[:, 0])
        inside &= _in_polygon(unit_vectors(lat, lon).reshape(-1, 3), vectors).reshape(lat.shape)
    return inside


def region_cells(region: Region) -> Cells:
    """The HEALPix cells (ring order) whose centres lie in a region, MOON_ME.

    nside is a power of two: the one that comes nearest in ratio to the region's ``cell_count``,
    and never one that leaves the region empty. Raises InputError for a region that holds no cell
    at the finest, or a polygon around half of the Moon.
    """
    bounds = {n: v for n, v in vars(region).items() if n in _SHAPE}
    return _cells_of(type(region), json.dumps(bounds, sort_keys=True))


@lru_cache(maxsize=64)
def _cells_of(kind: type, bounds: str) -> Cells:
    region = kind(**json.loads(bounds))
    best: Cells | None = None
    miss = math.inf
    nside = 1
    while nside <= MAX_NSIDE:
        index = np.arange(12 * nside * nside)
        lon_deg, lat_deg = centres_deg(nside, index)
        lon_deg = (lon_deg + 180.0) % 360.0 - 180.0
        keep = region_mask(region, lat_deg, lon_deg)
        count = int(keep.sum())
        if count:
            now = abs(math.log(count / region.cell_count))
            if now < miss:
                best, miss = Cells(lat_deg[keep], lon_deg[keep], index[keep], nside), now
            elif count > region.cell_count:
                break
        nside *= 2
    if best is None:
        raise InputError(
            f"the region {region.name!r} holds no map cell", key="regions", value=region.name,
            allowed=f"regions wider than {60.0 / MAX_NSIDE:.2f} deg",
        )  # fmt: skip
    return best
