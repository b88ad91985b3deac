"""Digital elevation models of the Moon: heights and slopes.

Heights are metres above the sphere of 1737.4 km, places MOON_ME, latitudes planetocentric,
longitudes east. Nothing is read before it is asked for, and only the window that is asked for.

Projections, of a sphere (Snyder, USGS Professional Paper 1395, equations 12-1, 12-2 and 21-5 to
21-12), in units of its radius: simple cylindrical ``u = longitude - centre, v = latitude``; polar
stereographic ``u, v = 2 tan(colatitude / 2) x (sin, -cos)`` of the longitude past the centre's, at
the south pole ``(sin, cos)``. A line counts downward from zero at the middle of the first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from orbits.compiled import njit
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.errors import InputError
from orbits.show import html_table

RADIUS_M = MOON_RADIUS_KM * 1e3
COARSE_M = 100.0  # pixels larger than this are too coarse for horizons
HIGHEST_M = 12_000.0  # the Moon's heights lie within -9.2 and 10.8 km: beyond it is no height
_STRIP_CELLS = 4_000_000  # read at once
_BOX_CELLS = 4_000_000  # points within a box so large are read as one window


@dataclass(frozen=True, eq=False)
class Dem:
    """An elevation model in a file: where its pixels lie, and how to read them.

    ``pole`` is 0 for simple cylindrical, -1 or 1 for polar stereographic. Pixel centres are at
    ``line = line_0 - v lines_per_unit``, ``sample = sample_0 + u samples_per_unit``. ``source``
    says what the file says of itself; ``remarks`` what a user must know of it.
    """

    path: Path
    lines: int
    samples: int
    pole: int
    centre_longitude_deg: float
    line_0: float
    sample_0: float
    lines_per_unit: float
    samples_per_unit: float
    source: dict[str, str]
    remarks: tuple[str, ...] = ()
    # heights in m of lines a to b and samples c to d within the file, NaN where there are none
    _heights: Callable[[int, int, int, int], np.ndarray] = field(repr=False, kw_only=True)

    @property
    def projection(self) -> str:
        """``simple-cylindrical`` or ``polar-stereographic``."""
        return "polar-stereographic" if self.pole else "simple-cylindrical"

    @property
    def pixel_m(self) -> float:
        """The side of a pixel along a meridian where the map is true to scale, m."""
        return RADIUS_M / abs(self.lines_per_unit)

    def pixel_at_m(self, latitude_deg: float) -> float:
        """The side of a pixel on the ground at a latitude, along the meridian, m."""
        colatitude = (90.0 - self.pole * latitude_deg) * DEG if self.pole else 0.0
        return self.pixel_m * math.cos(0.5 * colatitude) ** 2

    @property
    def round(self) -> bool:
        """Whether it goes once around in longitude."""
        turn = 2.0 * math.pi * self.samples_per_unit
        return self.pole == 0 and abs(turn - self.samples) < 0.5

    @property
    def over_poles(self) -> tuple[bool, bool]:
        """Whether its first and its last line end at a pole (simple cylindrical, all around)."""
        edges = (self.line_0 + 0.5, self.line_0 - self.lines + 0.5)
        ends = [abs(abs(e / self.lines_per_unit) - 0.5 * math.pi) for e in edges]
        limit = 0.25 / abs(self.lines_per_unit)
        return self.round and ends[0] < limit, self.round and ends[1] < limit

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file that holds the heights, hexadecimal."""
        with open(self.source["file"], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _repr_html_(self) -> str:
        return html_table({
            "file": self.path.name, "projection": self.projection, "lines": self.lines,
            "samples": self.samples, "pixel_m": self.pixel_m, **self.source,
            "remarks": "; ".join(self.remarks),
        })  # fmt: skip

    def locate(self, latitude_deg, longitude_deg):
        """Line and sample (fractions, any shape) of places in deg; not bounded to the file."""
        lat = np.asarray(latitude_deg, dtype=float) * DEG
        lon = np.asarray(longitude_deg, dtype=float) - self.centre_longitude_deg
        if self.pole:
            lon = lon * DEG
            rho = 2.0 * np.tan(0.25 * math.pi - 0.5 * self.pole * lat)
            u, v = rho * np.sin(lon), -self.pole * rho * np.cos(lon)
            return self.line_0 - v * self.lines_per_unit, self.sample_0 + u * self.samples_per_unit
        turn = 2.0 * math.pi * self.samples_per_unit
        sample = self.sample_0 + lon * DEG * self.samples_per_unit
        middle = 0.5 * (self.samples - 1)
        sample = middle + np.mod(sample - middle + 0.5 * turn, turn) - 0.5 * turn
        return self.line_0 - lat * self.lines_per_unit, sample

    def window(self, line_a: int, line_b: int, sample_a: int, sample_b: int) -> np.ndarray:
        """Heights in m (float32) of a window that may run on around the Moon and over its poles.

        NaN outside the file and where it has no data. Raises InputError for what cannot be heights.
        """
        top, bottom = self.over_poles
        parts = [(max(line_a, 0), min(line_b, self.lines), False)]
        if top and line_a < 0:
            parts.append((max(line_a, -self.lines), min(line_b, 0), True))
        if bottom and line_b > self.lines:
            parts.append((max(line_a, self.lines), min(line_b, 2 * self.lines), True))
        if line_a >= 0 and line_b <= self.lines and sample_a >= 0 and sample_b <= self.samples:
            return self._checked(line_a, line_b, sample_a, sample_b)
        out = np.full((line_b - line_a, sample_b - sample_a), np.nan, dtype=np.float32)
        for first, last, beyond in parts:
            if first >= last:
                continue
            rows, shift = (first, last), 0
            if beyond:  # the lines of the other side, from the pole on
                edge = 0 if first < 0 else 2 * self.lines
                rows, shift = (edge - last, edge - first), self.samples // 2
            for start, stop, at in self._runs(sample_a, sample_b, shift):
                block = self._checked(*rows, start, stop)
                into = slice(at - sample_a, at - sample_a + stop - start)
                out[first - line_a : last - line_a, into] = block[::-1] if beyond else block
        return out

    def _runs(self, a, b, shift):
        """Samples of the file (from, to) that fill samples a to b, and where each begins."""
        if not self.round:
            first, last = max(a, 0), min(b, self.samples)
            if first < last:
                yield first, last, first
            return
        at = a
        while at < b:
            start = (at + shift) % self.samples
            length = min(self.samples - start, b - at)
            yield start, start + length, at
            at += length

    def _checked(self, a, b, c, d):
        heights = self._heights(a, b, c, d)
        worst = _largest(heights)
        if worst > HIGHEST_M:
            raise InputError(
                f"has a height of {worst:.6g} m", file=str(self.path), value=float(worst),
                allowed=f"heights in m above {RADIUS_M / 1e3:g} km, up to {HIGHEST_M / 1e3:g} km "
                "(a wrong unit, scale or missing value?)",
            )  # fmt: skip
        return heights

    def blocks(self, level: int, line_a: int, line_b: int, sample_a: int, sample_b: int):
        """The highest height in squares of ``2**level`` pixels, and where data are missing in them.

        Returns float32 heights in m (NaN where there are none) and flags (uint8), both of one cell
        a square, from ``line_a``, ``sample_a`` on; the window is widened to whole squares. Read in
        strips, so that memory stays that of the answer.
        """
        side = 1 << level
        rows, columns = -(-(line_b - line_a) // side), -(-(sample_b - sample_a) // side)
        highest = np.empty((rows, columns), dtype=np.float32)
        holes = np.empty((rows, columns), dtype=np.uint8)
        strip = max(1, _STRIP_CELLS // max(columns * side * side, 1))
        for first in range(0, rows, strip):
            last = min(first + strip, rows)
            cells = self.window(
                line_a + first * side, line_a + last * side, sample_a, sample_a + columns * side
            )
            _gather(cells, side, highest[first:last], holes[first:last])
        return highest, holes

    def inside(self, line, sample):
        """Whether fractions of lines and samples (any shape) lie on the pixels of the file."""
        top, bottom = self.over_poles
        low, high = (-0.5 if top else 0.0), self.lines - (0.5 if bottom else 1.0)
        good = (line >= low - 1e-6) & (line <= high + 1e-6)
        if not self.round:
            good &= (sample >= -1e-6) & (sample <= self.samples - 1 + 1e-6)
        return good


@njit(cache=True, nogil=True)
def _largest(heights):
    """The largest size of a height (m), 0 where there is none."""
    worst = 0.0
    for i in range(heights.shape[0]):
        for j in range(heights.shape[1]):
            size = abs(heights[i, j])
            if size > worst:  # false for NaN
                worst = size
    return worst


@njit(cache=True, nogil=True)
def _gather(cells, side, highest, holes):
    """The highest of each square of cells into ``highest``, and whether one is NaN in ``holes``."""
    for row in range(highest.shape[0]):
        for column in range(highest.shape[1]):
            highest[row, column] = -np.inf
            holes[row, column] = 0
        for i in range(row * side, (row + 1) * side):
            for column in range(highest.shape[1]):
                peak = highest[row, column]
                for j in range(column * side, (column + 1) * side):
                    height = cells[i, j]
                    if height > peak:
                        peak = height
                    elif math.isnan(height):
                        holes[row, column] = 1
                highest[row, column] = peak
        for column in range(highest.shape[1]):
            if highest[row, column] == -np.inf:
                highest[row, column] = np.nan


def height_m(dem: Dem, latitude_deg, longitude_deg) -> Any:
    """Height in m above the 1737.4 km sphere at places in deg (MOON_ME), bilinear; any shape.

    Raises InputError for a place outside the file or without data.
    """
    lat, lon = np.broadcast_arrays(
        np.asarray(latitude_deg, dtype=float), np.asarray(longitude_deg, dtype=float)
    )
    flat_lat, flat_lon = lat.ravel(), lon.ravel()
    bad = ~((np.abs(flat_lat) <= 90) & np.isfinite(flat_lon))
    if bad.any():
        raise InputError(
            f"place at {flat_lat[bad][0]}, {flat_lon[bad][0]}", key="latitude_deg",
            allowed="latitude -90 to 90",
        )  # fmt: skip
    line, sample = dem.locate(flat_lat, flat_lon)
    out = ~dem.inside(line, sample)
    if out.any():
        _refuse(dem, "is not covered", flat_lat[out][0], flat_lon[out][0])
    line_a, sample_a = np.floor(line).astype(int), np.floor(sample).astype(int)
    if not dem.round:  # the last pixel's middle still counts as inside
        sample_a = np.clip(sample_a, 0, dem.samples - 2)
    top, bottom = dem.over_poles
    line_a = np.clip(line_a, -1 if top else 0, dem.lines - (1 if bottom else 2))
    corners = _corners(dem, line_a, sample_a)
    down, across = line - line_a, sample - sample_a
    weights = ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
    # a missing corner that has no weight is not asked for
    found = np.zeros(line.shape)
    for weight, corner in zip(weights, corners.T, strict=True):
        found += np.where(weight > 1e-9, weight * corner, 0.0)
    lost = np.isnan(found)
    if lost.any():
        _refuse(dem, "has no data", flat_lat[lost][0], flat_lon[lost][0])
    return float(found[0]) if lat.ndim == 0 else found.reshape(lat.shape)


def _refuse(dem, what, latitude_deg, longitude_deg):
    raise InputError(
        f"{latitude_deg:g}, {longitude_deg:g} deg {what}", file=str(dem.path),
        key="latitude, longitude", allowed="a place that the file covers",
    )  # fmt: skip


def _corners(dem, line, sample):
    """Heights (N, 4) of the pixels at ``line, sample`` and next to them; one window if small."""
    height, width = np.ptp(line) + 2, np.ptp(sample) + 2
    if line.size and height * width <= _BOX_CELLS:
        a, c = int(line.min()), int(sample.min())
        box = dem.window(a, a + int(height), c, c + int(width))
        i, j = line - a, sample - c
        return np.stack([box[i, j], box[i, j + 1], box[i + 1, j], box[i + 1, j + 1]], 1)
    pairs = zip(line.tolist(), sample.tolist(), strict=True)
    return np.array([dem.window(i, i + 2, j, j + 2).ravel() for i, j in pairs]).reshape(-1, 4)


def slope_deg(dem: Dem, latitude_deg: float, longitude_deg: float, *, baseline_m=None) -> float:
    """The steepest slope in deg at a place in deg, from heights half a baseline away to each side.

    ``baseline_m`` is two pixels unless given: a slope belongs to its baseline. Raises InputError
    where a height is missing, and for a baseline that is not above 0.
    """
    base = 2.0 * dem.pixel_at_m(latitude_deg) if baseline_m is None else float(baseline_m)
    if not 0 < base < 0.1 * RADIUS_M:
        raise InputError(
            f"is {base:g}", key="baseline_m", value=base, allowed="above 0, to a tenth of a radius"
        )
    up, north, east = basis(latitude_deg, longitude_deg)
    angle = 0.5 * base / RADIUS_M
    sides = np.array([north, -north, east, -east])
    points = math.cos(angle) * up + math.sin(angle) * sides
    heights = height_m(dem, *degrees(points))
    rise = np.hypot(heights[0] - heights[1], heights[2] - heights[3])
    return math.degrees(math.atan(rise / base))


def basis(latitude_deg: float, longitude_deg: float):
    """Unit vectors up, north and east (MOON_ME) at a place; at a pole by its longitude."""
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    up = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    return up, np.cross(up, east), east


def degrees(points):
    """Latitudes and longitudes in deg of unit vectors (..., 3)."""
    lat = np.degrees(np.arctan2(points[..., 2], np.hypot(points[..., 0], points[..., 1])))
    return lat, np.degrees(np.arctan2(points[..., 1], points[..., 0]))
