"""Horizon profiles: the elevation that terrain reaches, azimuth by azimuth, from elevation models.

Rays of a great circle leave the site; at central angle ``a`` ground of radius ``r`` stands at
``atan((r cos a - r0) / (r sin a))`` over the horizontal plane of an eye at radius ``r0``, exactly,
without a flat Moon. Within 1024 pixels of the site heights are bilinear between pixels. Further
out, where pixels are narrower than the space between rays, a ray sees the highest ground of squares
that are 0.06 to 0.11 deg wide from the site and wider than that space, so that no peak slips
between rays.

Each azimuth of a profile has five such rays or more within its step and keeps the highest: the
horizon is never lower than along the azimuth itself, and may be higher by what its neighbours see.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cislunar.terrain.dem import COARSE_M, RADIUS_M, Dem, basis, height_m
from cislunar.terrain.horizon_file import Horizon
from orbits.compiled import njit
from orbits.constants import DEG
from orbits.errors import InputError
from orbits.show import html_table

if TYPE_CHECKING:
    from orbits.ephemeris import Ephemeris
    from orbits.epoch import Epoch
    from orbits.shadow import Sunlight

AZIMUTH_STEP_DEG = 0.25
# 194 km away the Moon's highest ground (10.8 km) is below the horizontal of a point of the sphere
MAX_RANGE_KM = 200.0
_FEWEST_RAYS = 5  # in each step of azimuth
_NEAR_PIXELS = (
    1024.0  # the range where squares begin to grow; rays are closer than its inverse, rad
)
_LARGEST_WINDOW = 100_000_000  # cells of one level


@dataclass(frozen=True, eq=False)
class HorizonProfile:
    """The horizon of a place: ``elevation_deg`` (N,) at ``azimuth_deg`` (N,), from north eastward.

    Elevations are over the horizontal plane of an eye ``height_above_ground_m`` above the ground,
    below zero where the ground falls away (a smooth Moon gives ``-acos(R / (R + h))``).
    ``range_km`` is how far away the ground is that makes the horizon, ``reach_km`` how far the
    files tell of ground, ``gap_km`` from where on data are missing within them (inf: nowhere).
    ``source`` is provenance, ``remarks`` what limits the profile.
    """

    latitude_deg: float
    longitude_deg: float
    ground_m: float
    height_above_ground_m: float
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    range_km: np.ndarray
    reach_km: np.ndarray
    gap_km: np.ndarray
    pixel_m: float
    dems: tuple[Dem, ...]
    remarks: tuple[str, ...]

    def _repr_html_(self) -> str:
        return html_table({
            "latitude_deg": self.latitude_deg, "longitude_deg": self.longitude_deg,
            "ground_m": self.ground_m, "height_above_ground_m": self.height_above_ground_m,
            "lowest_deg": float(self.elevation_deg.min()),
            "highest_deg": float(self.elevation_deg.max()), "pixel_m": self.pixel_m,
            "files": ", ".join(d.path.name for d in self.dems), "remarks": "; ".join(self.remarks),
        })  # fmt: skip

    @property
    def source(self) -> tuple[tuple[str, str], ...]:
        """Where the profile is from, as pairs of a key and its words; hashes the files."""
        pairs = [
            ("latitude_deg", f"{self.latitude_deg:.9g}"),
            ("longitude_deg", f"{self.longitude_deg:.9g}"),
            ("frame", "MOON_ME, heights above 1737.4 km"),
            ("ground_m", f"{self.ground_m:.3f}"),
            ("height_above_ground_m", f"{self.height_above_ground_m:g}"),
            ("pixel_m", f"{self.pixel_m:.6g}"),
            ("reach_km", f"{self.reach_km.min():.3f}"),
            ("interpolation", "linear in azimuth"),
        ]
        for dem in self.dems:
            pairs.append(("dem", Path(dem.source["file"]).name))
            pairs += [
                (f"dem_{k}", dem.source[k]) for k in ("product", "version", "date", "axes")
                if k in dem.source
            ]  # fmt: skip
            pairs += [("dem_pixel_m", f"{dem.pixel_m:.6g}"), ("dem_sha256", dem.sha256)]
        return (*pairs, *(("remark", r) for r in self.remarks))

    def horizon(self) -> Horizon:
        """The profile as a node's horizon: closed from 0 to 360 deg, with its source, dated now."""
        written = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Horizon(
            np.append(self.azimuth_deg, 360.0),
            np.append(self.elevation_deg, self.elevation_deg[0]),
            (*self.source, ("written", written)),
        )


def horizon_profile(
    dem: Dem | Sequence[Dem], latitude_deg: float, longitude_deg: float, *,
    height_above_ground_m: float = 0.0, azimuth_step_deg: float = AZIMUTH_STEP_DEG,
    max_range_km: float = MAX_RANGE_KM, workers: int | None = None,
) -> HorizonProfile:  # fmt: skip
    """The horizon of one place (deg, MOON_ME) at azimuths 0, step, ... below 360 deg.

    Several models are taken in their order: ground comes from the first, and where it ends, from
    the next; the place must lie in the first. Ground nearer than a pixel is not looked at.

    Raises
    ------
    InputError
        A place outside the (first) file or without data, a negative height, a step that does not
        divide 360 deg or is not within 0.01 to 45 deg, a range that is not within a pixel and a
        quarter of the Moon, heights that cannot be.
    """
    dems = (dem,) if isinstance(dem, Dem) else tuple(dem)
    if not dems:
        raise InputError("no elevation model", key="dem", allowed="one or more")
    if not (math.isfinite(height_above_ground_m) and height_above_ground_m >= 0):
        raise InputError(
            f"is {height_above_ground_m:g}", key="height_above_ground_m", allowed="0 m or more"
        )
    count = round(360.0 / azimuth_step_deg) if 0.01 <= azimuth_step_deg <= 45 else 0
    if not count or abs(count * azimuth_step_deg - 360.0) > 1e-9:
        raise InputError(
            f"is {azimuth_step_deg:g}", key="azimuth_step_deg", value=azimuth_step_deg,
            allowed="0.01 to 45 deg, a divisor of 360",
        )  # fmt: skip
    ground_m = height_m(dems[0], latitude_deg, longitude_deg)
    pixel_m = dems[0].pixel_at_m(latitude_deg)
    max_range_m = max_range_km * 1e3
    if not pixel_m < max_range_m < 0.5 * math.pi * RADIUS_M:
        raise InputError(
            f"is {max_range_km:g}", key="max_range_km", value=max_range_km,
            allowed=f"{pixel_m / 1e3:.3g} (a pixel) to {0.5 * math.pi * RADIUS_M / 1e3:.0f} km",
        )  # fmt: skip
    azimuth = np.arange(count) * azimuth_step_deg
    fan = max(_FEWEST_RAYS, math.ceil(azimuth_step_deg * DEG * _NEAR_PIXELS)) | 1  # odd
    rays = ((azimuth[:, None] + (np.arange(fan) / fan - 0.5 * (fan - 1) / fan) * azimuth_step_deg)
            * DEG).ravel()  # fmt: skip
    best = np.full(rays.size, -np.inf)  # tangent of the elevation
    at = np.zeros(rays.size)
    reach = np.full(rays.size, pixel_m)
    gap = np.full(rays.size, np.inf)
    for one in dems:
        _look(
            one, latitude_deg, longitude_deg, RADIUS_M + ground_m + height_above_ground_m,
            rays, max_range_m, best, at, reach, gap, workers,
        )  # fmt: skip
    if np.isinf(best).any():
        raise InputError(
            f"no ground around {latitude_deg:g}, {longitude_deg:g} deg", file=str(dems[0].path),
            key="latitude, longitude", allowed="a place a pixel or more inside the file's data",
        )  # fmt: skip
    best, at, reach, gap = (x.reshape(count, fan) for x in (best, at, reach, gap))
    top = np.arange(count), best.argmax(axis=1)
    reach_km, gap_km = reach.min(axis=1) / 1e3, gap.min(axis=1) / 1e3
    return HorizonProfile(
        float(latitude_deg), float(longitude_deg), float(ground_m), float(height_above_ground_m),
        azimuth, np.degrees(np.arctan(best[top])), at[top] / 1e3, reach_km, gap_km, pixel_m, dems,
        _remarks(dems, pixel_m, reach_km, gap_km, max_range_km),
    )  # fmt: skip


def horizon_profiles(
    dem: Dem | Sequence[Dem], latitude_deg: Sequence[float], longitude_deg: Sequence[float],
    **options,
) -> list[HorizonProfile]:  # fmt: skip
    """The horizons of several places, in their order; options as of ``horizon_profile``.

    One place after the other, each over all cores, so that only one place's windows are held.
    """
    places = np.broadcast_arrays(
        np.atleast_1d(np.asarray(latitude_deg, dtype=float)),
        np.atleast_1d(np.asarray(longitude_deg, dtype=float)),
    )
    return [
        horizon_profile(dem, lat, lon, **options)
        for lat, lon in zip(*(p.ravel().tolist() for p in places), strict=True)
    ]


def find_site_sunlight(
    profile: HorizonProfile, epoch: Epoch, start_s: float, end_s: float, ephemeris: Ephemeris,
    *, step_s: float = 1800.0,
) -> Sunlight:  # fmt: skip
    """When the Sun shines on an eye at a profile's place, behind its horizon.

    Seconds past ``epoch``. Raises InputError, SpanError as ``orbits.shadow.find_sunlight`` does.
    """
    from orbits.shadow import find_sunlight

    azimuth_deg = np.append(profile.azimuth_deg, 360.0)
    elevation_deg = np.append(profile.elevation_deg, profile.elevation_deg[0])
    return find_sunlight(
        profile.latitude_deg, profile.longitude_deg, epoch, start_s, end_s, ephemeris,
        height_m=profile.ground_m + profile.height_above_ground_m,
        horizon_deg=(azimuth_deg, elevation_deg), step_s=step_s,
    )  # fmt: skip


def _remarks(dems, pixel_m, reach_km, gap_km, max_range_km) -> tuple[str, ...]:
    found = [r for dem in dems for r in dem.remarks]
    if pixel_m > COARSE_M:
        found.append(
            f"too coarse for horizons: pixels of {pixel_m:.0f} m at the site, where at most "
            f"{COARSE_M:.0f} m are needed"
        )
    short = reach_km < max_range_km * (1 - 1e-6)
    if short.any():
        found.append(
            f"the files end {reach_km.min():.1f} km away, before {max_range_km:g} km, at "
            f"{np.count_nonzero(short)} of {short.size} azimuths; ground beyond is not seen"
        )
    holes = np.isfinite(gap_km)
    if holes.any():
        found.append(
            f"data are missing from {gap_km.min():.1f} km on, at {np.count_nonzero(holes)} of "
            f"{holes.size} azimuths; what stands there is not seen"
        )
    return tuple(dict.fromkeys(found))


def _look(dem, latitude, longitude, eye_m, rays, max_m, best, at, reach, gap, workers):
    """Carries the rays on through one model, from where they have reached; fills the last four."""
    pixel = dem.pixel_at_m(latitude)
    near = pixel * _NEAR_PIXELS
    line, sample = (float(x) for x in dem.locate(latitude, longitude))
    levels = max(0, math.ceil(math.log2(max_m / near))) + 1
    first = 0
    while near * 2.0**first < reach.min() and first < levels - 1:
        first += 1  # what an earlier model has covered is not read again
    cells, holes, meta = [], [], np.zeros((levels, 5), dtype=np.int64)
    offset = 0
    for level in range(first, levels):
        window = _window(dem, latitude, line, sample, min(near * 2.0**level, max_m), level)
        if window is None:
            continue  # no rows: the kernel takes it as outside
        high, hole = dem.blocks(level, *window)
        meta[level] = offset, high.shape[0], high.shape[1], window[0], window[2]
        cells.append(high.ravel())
        holes.append(hole.ravel())
        offset += high.size
    if not cells:
        return
    frame = np.array(basis(latitude, longitude))
    origin = sample if dem.pole == 0 else dem.sample_0
    middle = (longitude if dem.pole == 0 else dem.centre_longitude_deg) * DEG
    flat, missing = np.concatenate(cells), np.concatenate(holes)
    edges = np.array([-0.5, dem.lines - 0.5, -0.5, dem.samples - 0.5])
    if dem.round:
        edges[2:] = -np.inf, np.inf
    parts = np.array_split(np.arange(rays.size), (workers or os.cpu_count() or 1) * 4)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        jobs = [
            pool.submit(
                _rays, rays, p[0], p[-1] + 1, frame, eye_m, RADIUS_M, dem.pole, math.cos(middle),
                math.sin(middle), dem.line_0, origin, dem.lines_per_unit, dem.samples_per_unit,
                edges, pixel, near, max_m, flat, missing, meta, best, at, reach, gap,
            )
            for p in parts if p.size
        ]  # fmt: skip
        for job in jobs:
            job.result()


def _window(dem, latitude, line, sample, range_m, level):
    """Lines and samples (from, to) that hold a circle about the site, or None if none is there."""
    angle = range_m / RADIUS_M
    if dem.pole:
        colatitude = (90.0 - dem.pole * latitude) * DEG
        wide = 1.0 / math.cos(0.5 * min(colatitude + angle, 0.9 * math.pi)) ** 2
        tall, wide = angle * wide, angle * wide
    else:
        shrunk = math.cos(latitude * DEG)
        over = abs(latitude) * DEG + angle >= 0.5 * math.pi or math.sin(angle) >= shrunk
        tall, wide = angle, math.pi if over else math.asin(math.sin(angle) / shrunk)
    margin = 3 << level
    rows = abs(tall * dem.lines_per_unit) + margin
    columns = abs(wide * dem.samples_per_unit) + margin
    a, b = math.floor(line - rows), math.ceil(line + rows)
    c, d = math.floor(sample - columns), math.ceil(sample + columns)
    top, bottom = dem.over_poles
    a, b = max(a, -margin if top else 0), min(b, dem.lines + (margin if bottom else 0))
    if not dem.round:
        c, d = max(c, 0), min(d, dem.samples)
    if a >= b or c >= d:
        return None
    if (b - a) * (d - c) / 4**level > _LARGEST_WINDOW:
        raise InputError(
            f"so near to a pole takes {d - c} samples of a simple cylindrical map",
            file=str(dem.path), key="latitude, longitude", allowed="a polar stereographic file",
        )  # fmt: skip
    return a, b, c, d


@njit(cache=True, nogil=True)
def _rays(rays, first, last, frame, eye, radius, pole, cos_mid, sin_mid, line_0, sample_0, lines,
          samples, edges, pixel, near, far, flat, missing, meta, best, at, reach, gap):  # fmt: skip
    """Highest tangent of elevation along rays ``first`` to ``last`` (rad), in place.

    ``meta`` (levels, 5): where a level begins in ``flat``, its rows and columns, and the line and
    sample of its first pixel. A ray goes on from ``reach`` until ``far`` or the file's edge.
    """
    for i in range(first, last):
        cos_az, sin_az = math.cos(rays[i]), math.sin(rays[i])
        tx = cos_az * frame[1, 0] + sin_az * frame[2, 0]
        ty = cos_az * frame[1, 1] + sin_az * frame[2, 1]
        tz = cos_az * frame[1, 2] + sin_az * frame[2, 2]
        r = reach[i]
        level = 0
        side = 1.0
        while True:
            while r > near * side and level < meta.shape[0] - 1:
                level += 1
                side *= 2.0
            ca, sa = math.cos(r / radius), math.sin(r / radius)
            x = ca * frame[0, 0] + sa * tx
            y = ca * frame[0, 1] + sa * ty
            z = ca * frame[0, 2] + sa * tz
            along = x * cos_mid + y * sin_mid
            aside = y * cos_mid - x * sin_mid
            if pole == 0:
                u, v = math.atan2(aside, along), math.atan2(z, math.hypot(x, y))
            else:
                scale = 2.0 / (1.0 + pole * z)
                u, v = scale * aside, -pole * scale * along
            line, sample = line_0 - v * lines, sample_0 + u * samples
            if not (edges[0] <= line <= edges[1] and edges[2] <= sample <= edges[3]):
                break
            rows, columns = meta[level, 1], meta[level, 2]
            if rows == 0:
                break
            # in squares of this level, counted from the middle of the first
            p = (line - meta[level, 3] + 0.5) / side - 0.5
            q = (sample - meta[level, 4] + 0.5) / side - 0.5
            j, k = math.floor(p), math.floor(q)
            total, weight, peak, hole = 0.0, 0.0, -math.inf, False
            for dj in range(2):
                for dk in range(2):
                    jj = min(max(j + dj, 0), rows - 1)
                    kk = min(max(k + dk, 0), columns - 1)
                    cell = meta[level, 0] + jj * columns + kk
                    h = flat[cell]
                    w = (p - j if dj else 1.0 - (p - j)) * (q - k if dk else 1.0 - (q - k))
                    if missing[cell] and (level > 0 or w > 1e-9):
                        hole = True
                    if not math.isnan(h):
                        total += w * h
                        weight += w
                        peak = max(peak, h)
            if hole and r < gap[i]:
                gap[i] = r
            height = math.nan
            if level > 0:
                height = peak
            elif weight > 1.0 - 1e-6:
                height = total
            if height > -math.inf:  # there is ground
                tangent = ((radius + height) * ca - eye) / ((radius + height) * sa)
                if tangent > best[i]:
                    best[i] = tangent
                    at[i] = r
            reach[i] = r
            if r >= far:
                break
            r = min(far, r + (0.5 * pixel if level == 0 else side * pixel))
