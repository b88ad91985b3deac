"""Map projections of the Moon's sphere for the coverage maps.

Polar regions are stereographic, regions up to a hemisphere are Lambert azimuthal equal-area about
their own middle, and anything larger is plate carree. Azimuthal planes are in degrees of arc at
their centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAP_DEG = 55.0  # a region wholly beyond this latitude is drawn as a polar cap
HEMISPHERE_DEG = 105.0  # regions within this angle of their middle are drawn azimuthally


def unit_vectors(latitude_deg, longitude_deg):
    """Unit vectors (..., 3) of latitudes and longitudes in degrees."""
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def stereographic(latitude_deg, longitude_deg, south: bool):
    """Polar stereographic plane coordinates in degrees of colatitude at the pole.

    South caps have longitude 0 (the Earth) up, north caps down, so that the near side is always
    the half towards the other pole's map.

    >>> stereographic(-90.0, 0.0, True)
    (np.float64(0.0), np.float64(0.0))
    """
    colatitude = np.radians(90.0 + np.asarray(latitude_deg) * (1.0 if south else -1.0))
    radius = 2.0 * np.degrees(np.tan(colatitude / 2.0))
    angle = np.radians(np.asarray(longitude_deg))
    return radius * np.sin(angle), radius * np.cos(angle) * (1.0 if south else -1.0)


@dataclass(frozen=True)
class Cap:
    """A polar cap out to ``edge_deg`` of colatitude."""

    south: bool
    edge_deg: float

    def __call__(self, latitude_deg, longitude_deg, near_deg=None):
        return stereographic(latitude_deg, longitude_deg, self.south)

    @property
    def reach(self) -> tuple[float, float, float, float]:
        far = float(2.0 * np.degrees(np.tan(np.radians(self.edge_deg * 1.13) / 2.0)))
        return -far, far, -far, far

    def inside(self, latitude_deg, longitude_deg):
        lat = np.asarray(latitude_deg) * (-1.0 if self.south else 1.0)
        return 90.0 - lat <= self.edge_deg

    def graticule(self):
        """Lines as (latitudes, longitudes) and labels as (latitude, longitude, word, inside)."""
        sign = -1.0 if self.south else 1.0
        step = 5.0 if self.edge_deg > 8 else 2.0
        rings = np.arange(step, self.edge_deg + 1e-9, step)
        around = np.linspace(0.0, 360.0, 181)
        lines = [(np.full(181, sign * (90 - r)), around) for r in rings]
        labels = [(sign * (90 - r), 15.0, _latitude(sign * (90 - r)), True) for r in rings]
        for lon in range(0, 360, 30):
            radius = np.array([min(step, self.edge_deg), self.edge_deg])
            lines.append((sign * (90 - radius), np.full(2, float(lon))))
            labels.append((sign * (90 - self.edge_deg * 1.07), lon, _longitude(lon), False))
        return lines, labels


@dataclass(frozen=True)
class Azimuthal:
    """Lambert azimuthal equal-area about a middle, out to ``edge_deg`` from it."""

    latitude_deg: float
    longitude_deg: float
    edge_deg: float

    def __call__(self, latitude_deg, longitude_deg, near_deg=None):
        out = unit_vectors(latitude_deg, longitude_deg)
        middle = unit_vectors(self.latitude_deg, self.longitude_deg)
        east = unit_vectors(0.0, self.longitude_deg + 90.0)
        north = np.cross(middle, east)
        scale = np.degrees(np.sqrt(2.0 / np.maximum(1.0 + out @ middle, 1e-6)))
        return scale * (out @ east), scale * (out @ north)

    @property
    def reach(self) -> tuple[float, float, float, float]:
        far = float(np.degrees(2.0 * np.sin(np.radians(self.edge_deg) / 2.0))) * 1.12
        return -far, far, -far, far

    def inside(self, latitude_deg, longitude_deg):
        apart = unit_vectors(latitude_deg, longitude_deg) @ unit_vectors(
            self.latitude_deg, self.longitude_deg
        )
        return apart >= np.cos(np.radians(self.edge_deg))

    def graticule(self):
        step = 30.0 if self.edge_deg > 40 else 10.0 if self.edge_deg > 12 else 5.0
        lines, labels = [], []
        at = min(max(self.latitude_deg, -60.0), 60.0)  # where the meridians are named
        for lat in np.arange(-90.0 + step, 90.0, step):
            lines.append((np.full(361, lat), np.linspace(-180.0, 180.0, 361)))
            if self.inside(lat, self.longitude_deg) and abs(lat - at) > step / 4:
                labels.append((lat, self.longitude_deg, _latitude(lat), True))
        for lon in np.arange(0.0, 360.0, step):
            lines.append((np.linspace(-90.0, 90.0, 181), np.full(181, lon)))
            if self.inside(at, lon):
                labels.append((at, lon, _longitude(lon), True))
        return lines, labels


@dataclass(frozen=True)
class Plate:
    """The whole globe, longitudes -180 to 180 with the Earth's side in the middle."""

    def __call__(self, latitude_deg, longitude_deg, near_deg=None):
        lat = np.asarray(latitude_deg, dtype=float)
        lon = (np.asarray(longitude_deg, dtype=float) + 180.0) % 360.0 - 180.0
        if near_deg is not None:  # keep a cell's corners beside its centre across the date line
            near = (np.asarray(near_deg) + 180.0) % 360.0 - 180.0
            lon = near + (lon - near + 180.0) % 360.0 - 180.0
            lon = np.where(np.abs(lat) > 89.999, near, lon)  # at a pole any longitude is right
        return lon, lat

    @property
    def reach(self) -> tuple[float, float, float, float]:
        return -180.0, 180.0, -92.0, 92.0

    def inside(self, latitude_deg, longitude_deg):
        return np.ones(np.shape(latitude_deg), dtype=bool)

    def graticule(self):
        lines = [(np.array([-90.0, 90.0]), np.full(2, lon)) for lon in range(-150, 180, 30)]
        lines += [(np.full(2, lat), np.array([-180.0, 179.999])) for lat in range(-60, 90, 30)]
        return lines, []


def choose(latitude_deg, longitude_deg):
    """The projection that suits a region with these cell centres, degrees."""
    latitude = np.asarray(latitude_deg, dtype=float)
    if np.abs(latitude).min() > CAP_DEG and np.ptp(np.sign(latitude)) == 0:
        edge = 90.0 - np.floor(np.abs(latitude).min() - 0.5)
        return Cap(bool(latitude.mean() < 0), float(edge))
    cells = unit_vectors(latitude, longitude_deg)
    middle = cells.mean(axis=0)
    length = np.linalg.norm(middle)
    if length > 0.05:
        middle = middle / length
        apart = np.degrees(np.arccos(np.clip((cells @ middle).min(), -1.0, 1.0)))
        if apart <= HEMISPHERE_DEG:
            lat = float(np.degrees(np.arcsin(middle[2])))
            lon = float(np.degrees(np.arctan2(middle[1], middle[0])) % 360.0)
            return Azimuthal(_tidy(lat), _tidy(lon), float(apart + 1.0))
    return Plate()


def _tidy(angle: float) -> float:
    """An angle within a degree of a multiple of ten is that multiple: maps sit straight."""
    nearest = 10.0 * round(angle / 10.0)
    return nearest if abs(angle - nearest) < 1.0 else angle


def _latitude(lat: float) -> str:
    return f"{abs(lat):.0f}°{'S' if lat < 0 else 'N' if lat > 0 else ''}"


def _longitude(lon: float) -> str:
    signed = (lon + 180.0) % 360.0 - 180.0
    if abs(signed) in (0.0, 180.0):
        return f"{abs(signed):.0f}°"
    return f"{abs(signed):.0f}°{'E' if signed > 0 else 'W'}"
