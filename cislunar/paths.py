"""A place on the Moon that moves: waypoints with times, joined by great circles.

Between two waypoints the direction from the Moon's centre turns at a constant rate along the great
circle, and the height changes linearly. Before the first and after the last waypoint it rests.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as File

import numpy as np

from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.epoch import Epoch
from orbits.errors import InputError

MOST_BYTES = 4_000_000  # of a waypoint file
COLUMNS = ("utc", "latitude_deg", "longitude_deg", "height_m")


@dataclass(frozen=True, eq=False)
class Path:
    """Waypoints: ``t_s`` (W,) past the scenario's epoch, MOON_ME latitude and longitude in deg,
    height above the 1737.4 km sphere in m."""

    t_s: np.ndarray
    latitude_deg: np.ndarray
    longitude_deg: np.ndarray
    height_m: np.ndarray

    @property
    def waypoints(self) -> tuple[np.ndarray, ...]:
        """Instants, latitudes, longitudes and heights: four arrays (W,)."""
        return self.t_s, self.latitude_deg, self.longitude_deg, self.height_m

    @cached_property
    def directions(self) -> np.ndarray:
        """Unit vectors (W, 3) to the waypoints, MOON_ME."""
        lat, lon = self.latitude_deg * DEG, self.longitude_deg * DEG
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)

    @cached_property
    def turns_rad(self) -> np.ndarray:
        """Angle of every leg at the Moon's centre (W - 1,)."""
        a, b = self.directions[:-1], self.directions[1:]
        return np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), np.einsum("ij,ij->i", a, b))

    @property
    def lengths_km(self) -> np.ndarray:
        """Length of every leg along the 1737.4 km sphere (W - 1,)."""
        return MOON_RADIUS_KM * self.turns_rad

    def at(self, t_s) -> np.ndarray:
        """Position and velocity in MOON_ME (T, 6), km and km/s, at instants (T,) in s."""
        t = np.asarray(t_s, dtype=float)
        leg = np.clip(np.searchsorted(self.t_s, t, side="right") - 1, 0, self.t_s.size - 2)
        lasts = np.diff(self.t_s)[leg]
        moving = (t >= self.t_s[0]) & (t < self.t_s[-1])
        share = np.clip((t - self.t_s[leg]) / lasts, 0.0, 1.0)
        a, b, turn = self.directions[leg], self.directions[leg + 1], self.turns_rad[leg]
        across = b - np.cos(turn)[:, None] * a  # the second axis of the great circle, unscaled
        size = np.linalg.norm(across, axis=1)
        across = np.where(size[:, None] > 0.0, across / np.where(size > 0.0, size, 1.0)[:, None], 0)
        angle = share * turn
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        along, ahead = c * a + s * across, c * across - s * a
        height_km = 1e-3 * self.height_m
        rise = np.diff(height_km)[leg]
        radius = MOON_RADIUS_KM + height_km[leg] + share * rise
        pace = np.where(moving, 1.0 / lasts, 0.0)
        velocity = (pace * rise)[:, None] * along + (pace * turn * radius)[:, None] * ahead
        return np.hstack([radius[:, None] * along, velocity])

    def north_at(self, t_s) -> np.ndarray:
        """The unit vector to local north and its rate in MOON_ME (T, 6), per s."""
        state = self.at(t_s)
        pole = np.array([0.0, 0.0, 1.0])
        radius = np.linalg.norm(state[:, :3], axis=1)[:, None]
        up = state[:, :3] / radius
        turn = (state[:, 3:] - up * np.einsum("ij,ij->i", up, state[:, 3:])[:, None]) / radius
        east = np.cross(pole, up)
        size = np.linalg.norm(east, axis=1)[:, None]
        rate = np.cross(pole, turn)
        east = east / size
        rate = (rate - east * np.einsum("ij,ij->i", east, rate)[:, None]) / size
        return np.hstack([np.cross(up, east), np.cross(turn, east) + np.cross(up, rate)])


def make_path(waypoints, start: Epoch, duration_s: float, *, mast_m: float = 0.0) -> Path:
    """The ``Path`` of waypoints ``(utc, latitude_deg, longitude_deg, height_m)``.

    Raises InputError for fewer than two, times out of order or outside the span that begins at
    ``start``, and a leg between opposite points, which has no one great circle.

    >>> start = Epoch.parse("2030-03-01T00:00:00 UTC")
    >>> there = [("2030-03-01T00:00:00 UTC", -89.0, 0.0, 0.0),
    ...          ("2030-03-01T10:00:00 UTC", -89.5, 0.0, 100.0)]
    >>> make_path(there, start, 86400.0).lengths_km.round(2).tolist()
    [15.16]
    """
    rows = [tuple(w) for w in waypoints]
    if len(rows) < 2:
        raise InputError("fewer than two waypoints", key="path", value=len(rows),
                         allowed="two or more")  # fmt: skip
    t_s = np.array([Epoch.parse(w[0]) - start for w in rows])
    for k, (t, row) in enumerate(zip(t_s, rows, strict=True)):
        if k and t <= t_s[k - 1]:
            raise InputError(f"waypoint {k + 1} ({row[0]}) is not later than the one before",
                             key="path", value=row[0], allowed="times that increase")  # fmt: skip
        if not -1e-6 <= t <= duration_s + 1e-6:
            raise InputError(f"waypoint {k + 1} ({row[0]}) is outside the analysis", key="path",
                             value=row[0], allowed=f"{start.utc_text()} to "
                             f"{start.utc_text(duration_s)}")  # fmt: skip
    numbers = np.array([[float(x) for x in w[1:]] for w in rows])
    path = Path(t_s, numbers[:, 0], numbers[:, 1], numbers[:, 2] + mast_m)
    opposite = np.flatnonzero(path.turns_rad > math.pi - 1e-6)
    if opposite.size:
        raise InputError(f"waypoints {opposite[0] + 1} and {opposite[0] + 2} are opposite points",
                         key="path", allowed="a waypoint between")  # fmt: skip
    return path


def read_waypoints(file: str | File) -> list[list]:
    """Waypoints ``[utc, latitude_deg, longitude_deg, height_m]`` of a CSV file with a header.

    Columns ``utc, latitude_deg, longitude_deg`` and, if wanted, ``height_m`` (m, else 0), in any
    order. Raises InputError for a file or line that cannot be read, in one line.
    """
    file = File(file)
    try:
        if file.exists() and not file.is_file():
            raise InputError("not a file", file=str(file), allowed="a CSV of waypoints")
        if file.stat().st_size > MOST_BYTES:
            raise InputError("too large", file=str(file), allowed=f"{MOST_BYTES} bytes")
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = [r for r in csv.reader(opened) if any(c.strip() for c in r)]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        what = "no such file" if isinstance(fault, FileNotFoundError) else "cannot be read"
        raise InputError(what, file=str(file), allowed="a CSV of waypoints") from fault
    header = [c.strip() for c in rows[0]] if rows else []
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            raise InputError(f"unknown or repeated column {name!r}", file=str(file),
                             allowed=", ".join(COLUMNS))  # fmt: skip
    for name in COLUMNS[:3]:
        if name not in header:
            raise InputError(f"no column {name!r}", file=str(file), allowed=", ".join(COLUMNS))
    out = []
    for number, row in enumerate(rows[1:], 2):
        cells = dict(zip(header, (c.strip() for c in row), strict=False))
        try:
            if len(row) != len(header):
                raise ValueError
            out.append([cells["utc"], *(float(cells.get(c, 0.0)) for c in COLUMNS[1:])])
        except ValueError:
            raise InputError(f"row {number} is not a waypoint", file=str(file),
                             allowed=", ".join(header)) from None  # fmt: skip
    return out
