"""When a trajectory passes something: apsides, planes, another body, a surface.

All times come from the interpolated states (degree 7), refined to 0.1 ms: they are as exact as
the trajectory between its rows. Times are TDB seconds past its epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orbits.constants import EARTH_RADIUS_KM, MOON_RADIUS_KM
from orbits.ephemeris import Ephemeris
from orbits.errors import ComputationError, InputError
from orbits.events import find_peaks, find_roots
from orbits.frames import CENTRES, rotation, transform
from orbits.show import html_table
from orbits.trajectory import Trajectory

RADII_KM = {"moon": MOON_RADIUS_KM, "earth": EARTH_RADIUS_KM}
_TOLERANCE_S = 1e-4
_SWEEP_RAD = 0.05  # what a sample of the path may turn about the Moon
_MOST_SAMPLES = 20_000_000


@dataclass(frozen=True, eq=False)
class Passages:
    """Instants (N,) in s, states (N, 6) then, and ``rising`` (N,): the quantity was increasing.

    For apsides the quantity is the range rate, so ``rising`` marks the periapses; for a plane it is
    the coordinate normal to it, so ``rising`` marks the ascending nodes.
    """

    t_s: np.ndarray
    states: np.ndarray
    rising: np.ndarray

    def __len__(self) -> int:
        return self.t_s.size

    def _repr_html_(self) -> str:
        first = {"first_s": float(self.t_s[0]), "last_s": float(self.t_s[-1])} if len(self) else {}
        return html_table({"passages": len(self), "rising": int(self.rising.sum()), **first})

    def where(self, keep) -> Passages:
        """Those passages for which the mask ``keep`` (N,) is true."""
        return Passages(self.t_s[keep], self.states[keep], self.rising[keep])


@dataclass(frozen=True)
class Perilunes:
    """Least, median and largest perilune radius in km, one perilune a revolution."""

    count: int
    least_km: float
    median_km: float
    largest_km: float


def sample_times(trajectory: Trajectory, sweep_rad: float = _SWEEP_RAD) -> np.ndarray:
    """Times (M,) in s: the trajectory's own, and more where it sweeps a large angle between them.

    The angle is that at the frame's centre. Raises ComputationError when it would take 2e7.
    """
    t = trajectory.t_s
    r = np.linalg.norm(trajectory.states[:, :3], axis=1)
    v = np.linalg.norm(trajectory.states[:, 3:], axis=1)
    rate = v / np.maximum(r, 1.0)
    count = np.ceil(np.diff(t) * np.maximum(rate[1:], rate[:-1]) / sweep_rad).astype(int)
    count = np.maximum(count, 1)
    if count.sum() > _MOST_SAMPLES:
        raise ComputationError(f"trajectory {trajectory.name!r} is too long to search")
    if (count == 1).all():
        return t.copy()
    part = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    step = np.diff(t) / count
    return np.append(np.repeat(t[:-1], count) + part * np.repeat(step, count), t[-1])


def _moon_centred(trajectory: Trajectory) -> None:
    if trajectory.frame != "MOON_ICRF":
        raise InputError(
            f"trajectory {trajectory.name!r} in {trajectory.frame}", value=trajectory.frame,
            allowed="MOON_ICRF (see in_moon_icrf)",
        )  # fmt: skip


def in_moon_icrf(trajectory: Trajectory, ephemeris: Ephemeris) -> Trajectory:
    """The same trajectory in MOON_ICRF, km and km/s, row by row."""
    if trajectory.frame == "MOON_ICRF":
        return trajectory
    states = transform(
        trajectory.states, trajectory.frame, "MOON_ICRF", trajectory.epoch, trajectory.t_s,
        ephemeris,
    )  # fmt: skip
    return Trajectory(
        trajectory.epoch, trajectory.t_s, states, "MOON_ICRF", trajectory.name, trajectory.notes
    )


def _roots(trajectory: Trajectory, value) -> Passages:
    """Sign changes of ``value(t_s) -> (N,)`` along the trajectory."""
    t = sample_times(trajectory)
    f = value(t)
    change = np.flatnonzero((f[1:] >= 0) != (f[:-1] >= 0))
    when = find_roots(value, t[change], t[change + 1], f[change], f[change + 1], _TOLERANCE_S)
    return Passages(when, trajectory.at(when), f[change + 1] >= 0)


def _relative(trajectory: Trajectory, body: str, ephemeris: Ephemeris | None):
    """A function giving states (N, 6) of the trajectory from ``body``."""
    _moon_centred(trajectory)
    if body == "moon":
        return trajectory.at
    if ephemeris is None:
        raise InputError(f"passages of {body!r} need an ephemeris", value=body)
    return lambda t: trajectory.at(t) - ephemeris.state(body, "moon", trajectory.epoch, t)


def find_apsides(
    trajectory: Trajectory, body: str = "moon", ephemeris: Ephemeris | None = None
) -> Passages:
    """Every instant (s) at which the distance from ``body`` is least (``rising``) or largest.

    States are those of the trajectory (MOON_ICRF). A body other than the Moon needs an ephemeris.

    >>> from orbits.constants import GM_MOON_KM3_S2
    >>> from orbits.elements import state_from_elements
    >>> from orbits.epoch import Epoch
    >>> from orbits.propagate import propagate_kepler
    >>> start = state_from_elements(6541.4, 0.6, 1.0, 0.0, 1.5, 3.0)
    >>> path = propagate_kepler(start, Epoch.parse("2030-01-01T00:00:00 TDB"),
    ...                         np.arange(0.0, 90000.0, 300.0), GM_MOON_KM3_S2)
    >>> apsides = find_apsides(path)
    >>> np.linalg.norm(apsides.states[:, :3], axis=1).round(3).tolist()
    [10466.24, 2616.56, 10466.24, 2616.56]
    """
    relative = _relative(trajectory, body, ephemeris)

    def range_rate(t):
        s = relative(t)
        return (s[:, :3] * s[:, 3:]).sum(axis=1)

    return _roots(trajectory, range_rate)


def find_perilunes(trajectory: Trajectory) -> Perilunes:
    """The perilunes of a MOON_ICRF trajectory: least, median and largest radius in km.

    Raises ComputationError when the trajectory passes no perilune.
    """
    apsides = find_apsides(trajectory)
    r = np.linalg.norm(apsides.states[apsides.rising, :3], axis=1)
    if not r.size:
        raise ComputationError(f"trajectory {trajectory.name!r} passes no perilune")
    return Perilunes(r.size, float(r.min()), float(np.median(r)), float(r.max()))


def find_plane_crossings(
    trajectory: Trajectory, frame: str, ephemeris: Ephemeris,
    axis: str | Sequence[float] | np.ndarray = "z", offset_km: float = 0.0,
) -> Passages:  # fmt: skip
    """Every instant (s) at which the coordinate ``axis`` in ``frame`` passes ``offset_km``.

    ``axis`` is x, y or z, or the normal (3,) of any plane on the frame's axes, of any length.
    ``frame`` is any of ``frames.FRAMES``: z of MOON_OP or MOON_ME gives the nodes, y of
    EARTH_MOON_ROTATING the crossings of the x-z plane. In EARTH_MOON_ROTATING the origin is the
    Moon and not the barycentre. States are in MOON_ICRF. Raises InputError.
    """
    _moon_centred(trajectory)
    if isinstance(axis, str):
        if axis not in ("x", "y", "z"):
            raise InputError(f"no axis {axis!r}", key="axis", value=axis, allowed="x, y, z")
        normal = np.eye(3)["xyz".index(axis)]
    else:
        normal = np.asarray(axis, dtype=float)
        size = np.linalg.norm(normal)
        if normal.shape != (3,) or not (np.isfinite(size) and size > 0):
            raise InputError(
                f"{axis!r} is no normal", key="axis", value=axis, allowed="(3,), not 0"
            )
        normal = normal / size
    centre = "moon" if frame == "EARTH_MOON_ROTATING" else CENTRES.get(frame, "moon")

    def coordinate(t):
        r = trajectory.at(t)[:, :3]
        if centre != "moon":
            r = r - ephemeris.state(centre, "moon", trajectory.epoch, t)[:, :3]
        turn = rotation(frame, trajectory.epoch, t, ephemeris)
        return np.einsum("i,nij,nj->n", normal, turn, r) - offset_km

    return _roots(trajectory, coordinate)


def closest_approach(trajectory: Trajectory, other: Trajectory) -> tuple[float, float]:
    """The instant (s past the first one's epoch) and distance (km) at which two craft are nearest.

    Over the span both cover, both in one frame. Raises InputError when they share no span.
    """
    if trajectory.frame != other.frame:
        raise InputError(f"frames {trajectory.frame} and {other.frame} differ")
    other = other.rebased(trajectory.epoch)
    start, end = max(trajectory.start_s, other.start_s), min(trajectory.end_s, other.end_s)
    if not end > start:
        raise InputError(f"{trajectory.name!r} and {other.name!r} share no span of time")
    t = np.unique(np.concatenate([sample_times(trajectory), sample_times(other), [start, end]]))
    t = t[(t >= start) & (t <= end)]

    def nearness(x):
        return -np.linalg.norm(trajectory.at(x)[..., :3] - other.at(x)[..., :3], axis=-1)

    value = nearness(t)
    before = np.append(-np.inf, value[:-1])
    after = np.append(value[1:], -np.inf)
    top = np.flatnonzero((value >= before) & (value >= after))
    when, best = find_peaks(
        nearness, t[np.maximum(top - 1, 0)], t[np.minimum(top + 1, t.size - 1)], _TOLERANCE_S
    )
    when, best = np.append(when, t[[0, -1]]), np.append(best, value[[0, -1]])
    first = int(np.argmax(best))
    return float(when[first]), float(-best[first])


def find_impact(
    trajectory: Trajectory, body: str = "moon", ephemeris: Ephemeris | None = None, *,
    radius_km: float | None = None,
) -> float | None:  # fmt: skip
    """The first instant (s) at which the path meets the sphere of ``body``, or None.

    Radii are 1737.4 km (Moon) and 6378.137 km (Earth) unless ``radius_km`` is given: for a
    trajectory read from a file, or flown with ``impact=False``.
    """
    if radius_km is None:
        if body not in RADII_KM:
            raise InputError(f"no radius of {body!r}", value=body, allowed=", ".join(RADII_KM))
        radius_km = RADII_KM[body]
    relative = _relative(trajectory, body, ephemeris)

    def depth(t):
        return radius_km - np.linalg.norm(relative(t)[:, :3], axis=1)

    apsides = find_apsides(trajectory, body, ephemeris)
    t = np.unique(np.concatenate([sample_times(trajectory), apsides.t_s]))
    inside = depth(t)
    hit = np.flatnonzero(inside > 0)
    if not hit.size:
        return None
    k = int(hit[0])
    if k == 0:
        return float(t[0])
    root = find_roots(
        depth, t[k - 1 : k], t[k : k + 1], inside[k - 1 : k], inside[k : k + 1], _TOLERANCE_S
    )
    return float(root[0])
