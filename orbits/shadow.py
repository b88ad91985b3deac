"""Eclipses of a craft by the Earth and the Moon, and sunlight at a place on the Moon.

Conical shadows of spheres (Montenbruck and Gill, Satellite Orbits, 3.4.2): a body hides the Sun
where the angle between their centres is less than the sum of their apparent radii (penumbra) and
hides it whole where it is less than the difference (umbra). The sphere of the Earth is 6378.137 km
without its air, that of the Moon 1737.4 km, unless others are given: lunar eclipse tables enlarge
the Earth by some 75 km for its air (Danjon).

The light that a craft misses passed the hiding body a little earlier; since the Earth and the Moon
run at 30 km/s about the Sun, their shadows lag by 20.5 arcsec (40 s of the Moon's motion for the
Earth's shadow). ``light_time`` (the default) counts it; without it the shadow is geometric, as
force models have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from orbits.constants import C_KM_S, DAY_S, DEG, MOON_RADIUS_KM
from orbits.ephemeris import EARTH, SUN, Ephemeris
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.events import find_intervals
from orbits.forces import SUN_RADIUS_KM
from orbits.frames import rotation
from orbits.intervals import Intervals
from orbits.passages import RADII_KM, in_moon_icrf, sample_times
from orbits.show import Shown, html_table
from orbits.trajectory import Trajectory

YEAR_S = 365.25 * DAY_S
_EDGE_S = 1e-3
_SPEED_STEP_S = 3600.0  # the bodies' speeds change by 1e-5 of themselves meanwhile


@dataclass(frozen=True, eq=False)
class Shadows:
    """Eclipses over ``start_s`` to ``end_s``, by body: seconds past the trajectory's epoch.

    ``penumbra`` is when any part of the Sun's disc is hidden, the umbra included; ``umbra`` when
    all of it is. A ring-shaped eclipse is penumbra alone.
    """

    start_s: float
    end_s: float
    penumbra: Mapping[str, Intervals]
    umbra: Mapping[str, Intervals]

    def _repr_html_(self) -> str:
        counts = {f"eclipses by the {b}": len(self.penumbra[b]) for b in self.penumbra}
        return html_table({
            **counts, "longest_s": self.longest_s, "longest_dark_s": self.longest_dark_s,
            "lit_frac": self.lit_frac, "eclipsed_s_per_year": self.eclipsed_s_per_year,
            "dark_s_per_year": self.dark_s_per_year,
        })  # fmt: skip

    @property
    def eclipsed(self) -> Intervals:
        """When any body hides any part of the Sun."""
        return Intervals.union_of(self.penumbra.values())

    @property
    def dark(self) -> Intervals:
        """When a body hides all of the Sun."""
        return Intervals.union_of(self.umbra.values())

    @property
    def lit_frac(self) -> float:
        """The share of the span in which the whole disc is seen."""
        return 1.0 - self.eclipsed.total_s / (self.end_s - self.start_s)

    @property
    def eclipsed_s_per_year(self) -> float:
        """Eclipsed seconds (penumbra and umbra) in 365.25 days at the span's rate."""
        return self.eclipsed.total_s / (self.end_s - self.start_s) * YEAR_S

    @property
    def dark_s_per_year(self) -> float:
        """Umbral seconds in 365.25 days at the span's rate."""
        return self.dark.total_s / (self.end_s - self.start_s) * YEAR_S

    @property
    def longest_s(self) -> float:
        """The longest unbroken eclipse, penumbra included, in seconds."""
        return self.eclipsed.longest_s

    @property
    def longest_dark_s(self) -> float:
        """The longest unbroken umbra in seconds."""
        return self.dark.longest_s


class _Sky:
    """Sun, Earth and Moon from the Moon's centre over a span, with the lag of light."""

    def __init__(self, epoch: Epoch, start_s, end_s, ephemeris: Ephemeris, light_time: bool):
        self._table = ephemeris.table(epoch, start_s, end_s)
        self._t = None
        if light_time:
            count = max(int(np.ceil((end_s - start_s) / _SPEED_STEP_S)), 1) + 1
            self._t = np.linspace(start_s, end_s, count)
            self._speed = {
                body: ephemeris.state(body, "sun", epoch, self._t)[:, 3:]
                for body in ("earth", "moon")
            }

    def sun_and_body(self, t, craft, body):
        """Vectors (N, 3) in km from the craft to the Sun and to the body, as light has them."""
        columns = self._table.evaluate(t)
        sun = columns[:, SUN : SUN + 3] - craft
        where = columns[:, EARTH : EARTH + 3] - craft if body == "earth" else -craft
        if self._t is not None:
            where = where - self._speed_of(body, t) * _norm(where)[:, None] / C_KM_S
        return sun, where

    def sun_over(self, t, craft):
        """Vectors (N, 3) in km from a craft to the Sun as it stands over ground near by."""
        sun = self._table.evaluate(t)[:, SUN : SUN + 3] - craft
        if self._t is not None:
            sun = sun + self._speed_of("moon", t) * _norm(sun)[:, None] / C_KM_S
        return sun

    def _speed_of(self, body, t):
        assert self._t is not None
        table = self._speed[body]
        return np.stack([np.interp(t, self._t, table[:, k]) for k in range(3)], axis=1)


def _norm(x):
    return np.sqrt((x * x).sum(axis=1))


def _margins(sun, body, radius_km):
    """How deep in penumbra and umbra (rad, both positive inside), arrays (N,)."""
    far, near = _norm(sun), _norm(body)
    disc = np.arcsin(SUN_RADIUS_KM / far)
    hider = np.arcsin(np.minimum(radius_km / near, 1.0))
    apart = np.arctan2(_norm(np.cross(sun, body)), (sun * body).sum(axis=1))
    return disc + hider - apart, hider - disc - apart


def _eclipses(position, t, sky, body, radius_km):
    """Penumbra and umbra (Intervals) of ``body`` at ``position(t) -> (N, 3)``, sampled at ``t``."""

    def penumbra(x):
        sun, where = sky.sun_and_body(x, position(x), body)
        return _margins(sun, where, radius_km)[0]

    def umbra(x):
        sun, where = sky.sun_and_body(x, position(x), body)
        return _margins(sun, where, radius_km)[1]

    partial = find_intervals(penumbra, t, tolerance_s=_EDGE_S)
    if not len(partial):
        return partial, Intervals()
    # the umbra lies inside: look there alone, finely
    inside = np.linspace(partial.start_s, partial.end_s, 33, axis=1).ravel()
    return partial, find_intervals(umbra, inside, tolerance_s=_EDGE_S)


def find_shadows(
    trajectory: Trajectory, ephemeris: Ephemeris, bodies: Iterable[str] = ("earth", "moon"), *,
    radii_km: Mapping[str, float] | None = None, light_time: bool = True,
) -> Shadows:  # fmt: skip
    """The eclipses of a craft over its whole trajectory, edges to 1 ms of the interpolated path.

    ``radii_km`` replaces the radius of a body. Raises InputError for bodies other than these two.

    >>> from orbits.elements import state_from_elements
    >>> from orbits.ephemeris import De440
    >>> from orbits.propagate import propagate_kepler
    >>> start = Epoch.parse("2030-01-01T00:00:00 TDB")
    >>> path = propagate_kepler(state_from_elements(1837.4, 0, 0, 0, 0, 0), start,
    ...                         np.arange(0.0, 86401.0, 60.0), 4902.8)
    >>> found = find_shadows(path, De440.open())
    >>> len(found.umbra["moon"]), round(found.longest_s / 60)
    (13, 46)
    """
    sizes = {**RADII_KM, **(radii_km or {})}
    bodies = tuple(bodies)
    unknown = [b for b in bodies if b not in RADII_KM]
    if unknown:
        raise InputError(f"no shadow of {unknown[0]!r}", value=unknown[0], allowed="earth, moon")
    path = in_moon_icrf(trajectory, ephemeris)
    t = sample_times(path)
    sky = _Sky(path.epoch, path.start_s, path.end_s, ephemeris, light_time)

    def position(x):
        return path.at(x)[:, :3]

    penumbra, umbra = {}, {}
    for body in bodies:
        penumbra[body], umbra[body] = _eclipses(position, t, sky, body, sizes[body])
    return Shadows(path.start_s, path.end_s, penumbra, umbra)


@dataclass(frozen=True, eq=False, repr=False)
class Sunlight(Shown):
    """Sun at a lunar site over a span of seconds past ``epoch``.

    ``any_part``: some of the disc is over the horizon; ``whole``: all of it. Earth eclipses are in
    ``earth_shadow`` and not taken off. ``t_s`` (N,), ``elevation_deg`` (N,) of the disc's centre,
    ``azimuth_deg`` (N,) from north through east, and ``disc_frac`` (N,), the part of the disc over
    the horizon, are samples.
    """

    epoch: Epoch
    start_s: float
    end_s: float
    any_part: Intervals
    whole: Intervals
    earth_shadow: Intervals
    t_s: np.ndarray
    elevation_deg: np.ndarray
    azimuth_deg: np.ndarray
    disc_frac: np.ndarray

    SHOWN = ("epoch", "start_s", "end_s", "lit_frac", "mean_disc_frac", "longest_night_s")

    @property
    def lit(self) -> Intervals:
        """When some of the disc is over the horizon and the Earth hides none of it."""
        return self.any_part - self.earth_shadow

    @property
    def lit_frac(self) -> float:
        """The share of the span that is ``lit``."""
        return self.lit.total_s / (self.end_s - self.start_s)

    @property
    def mean_disc_frac(self) -> float:
        """The mean part of the Sun's disc over the horizon."""
        step = np.diff(self.t_s)
        middle = 0.5 * (self.disc_frac[1:] + self.disc_frac[:-1])
        return float((middle * step).sum() / step.sum())

    @property
    def longest_night_s(self) -> float:
        """The longest time with no part of the disc over the horizon, in seconds."""
        return self.any_part.complement(self.start_s, self.end_s).longest_s


def find_sunlight(
    latitude_deg: float, longitude_deg: float, epoch: Epoch, start_s: float, end_s: float,
    ephemeris: Ephemeris, *, height_m: float = 0.0,
    horizon_deg: tuple[np.ndarray, np.ndarray] | None = None, step_s: float = 1800.0,
) -> Sunlight:  # fmt: skip
    """When the Sun shines on a site (MOON_ME, east-positive) from ``start_s`` to ``end_s``.

    ``horizon_deg`` is azimuths (increasing, 0 to 360 closed, from north through east) and the
    horizon's elevation at each, linear between; without one it is flat at 0, where a site at a
    height sees no further than one at none. The horizon under the disc is taken level at the
    azimuth of its centre. Raises InputError, SpanError.

    >>> from orbits.ephemeris import De440
    >>> begin = Epoch.parse("2030-01-01T00:00:00 TDB")
    >>> found = find_sunlight(0.0, 0.0, begin, 0.0, 295 * 86400.0, De440.open())
    >>> len(found.any_part), round(found.lit_frac, 2)
    (10, 0.5)
    """
    if not (-90 <= latitude_deg <= 90 and np.isfinite([longitude_deg, height_m]).all()):
        raise InputError(
            f"site at {latitude_deg}, {longitude_deg}", key="latitude_deg", value=latitude_deg,
            allowed="-90 to 90",
        )  # fmt: skip
    if not (end_s > start_s and step_s > 0):
        raise InputError("a span wants an end after its start and a positive step")
    bearing, skyline = _horizon(horizon_deg)
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    basis = np.stack([np.cross(up, east), east, up])  # north, east, up
    radius = MOON_RADIUS_KM + height_m * 1e-3
    sky = _Sky(epoch, start_s, end_s, ephemeris, True)

    def look(t):
        turn = basis @ rotation("MOON_ME", epoch, t, ephemeris)
        sun = sky.sun_over(t, radius * turn[:, 2])
        far = _norm(sun)
        north, east_, high = np.einsum("nij,nj->in", turn, sun / far[:, None])
        elevation = np.degrees(np.arcsin(np.clip(high, -1.0, 1.0)))
        azimuth = np.degrees(np.arctan2(east_, north)) % 360.0
        return elevation, azimuth, np.degrees(np.arcsin(SUN_RADIUS_KM / far))

    def over(t, part):  # height in degrees of the top (+1) or the foot (-1) of the disc
        elevation, azimuth, half = look(t)
        return elevation + part * half - np.interp(azimuth, bearing, skyline)

    count = max(int(np.ceil((end_s - start_s) / step_s)), 2)
    t = np.linspace(start_s, end_s, count + 1)
    any_part, whole = (
        find_intervals(lambda x, p=part: over(x, p), t, tolerance_s=0.01) for part in (1.0, -1.0)
    )

    def position(x):
        return radius * (up @ rotation("MOON_ME", epoch, x, ephemeris))

    shadow, _ = _eclipses(position, t, sky, "earth", RADII_KM["earth"])
    elevation, azimuth, half = look(t)
    x = np.clip((np.interp(azimuth, bearing, skyline) - elevation) / half, -1.0, 1.0)
    seen = (np.arccos(x) - x * np.sqrt(1 - x * x)) / np.pi  # a disc cut by a straight horizon
    return Sunlight(
        epoch, start_s, end_s, any_part, whole, shadow, t, elevation, azimuth, seen
    )  # fmt: skip


def _horizon(horizon_deg):
    if horizon_deg is None:
        return np.array([0.0, 360.0]), np.zeros(2)
    bearing, skyline = (np.asarray(x, dtype=float) for x in horizon_deg)
    if (
        bearing.ndim != 1 or bearing.shape != skyline.shape or bearing.size < 2
        or not (np.diff(bearing) > 0).all() or bearing[0] > 0 or bearing[-1] < 360
        or not np.isfinite(skyline).all()
    ):  # fmt: skip
        raise InputError(
            "a horizon wants increasing azimuths from 0 to 360 and an elevation at each",
            key="horizon_deg",
        )
    return bearing, skyline
