"""Periodic orbits of the rotating problem placed at the real Earth and Moon, and read back.

The rotating frame pulsates: one CR3BP length unit is the Earth-Moon distance of the instant. Time
along the orbit is uniform, so that a revolution lasts what it is asked to last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orbits.constants import DAY_S, EARTH_RADIUS_KM, MOON_RADIUS_KM
from orbits.cr3bp import System
from orbits.epoch import Epoch
from orbits.families import PeriodicOrbit
from orbits.forces import SUN_RADIUS_KM
from orbits.frames import earth_moon_distance, rotation, rotation_and_rate
from orbits.interpolate import hermite_many

MONTH_S = 27.321661 * DAY_S  # mean sidereal month (IERS Conventions 2010)
_GRID_S = 0.05 * DAY_S


def moon_centred(states_nd, mu: float) -> np.ndarray:
    """States (N, 6) nondimensional and rotating, from the Moon's centre instead of the barycentre.

    Axes are unchanged (x away from the Earth).
    """
    out = np.array(states_nd, dtype=float)
    out[..., 0] -= 1 - mu
    return out


def phase_time_nd(orbit: PeriodicOrbit, phase_deg: float, period_s: float, t_s) -> np.ndarray:
    """Nondimensional times after phase 0 (N,) at ``t_s``, when ``phase_deg`` holds at t_s = 0."""
    turns = np.asarray(t_s, dtype=float) / period_s + phase_deg / 360.0
    return (turns % 1.0 if orbit.torus is None else turns) * orbit.period_nd


def place(
    orbit: PeriodicOrbit, phase_deg: float, period_s: float, epoch: Epoch, t_s, ephemeris,
    *, by_angle: bool = False,
):  # fmt: skip
    """States (N, 6), km and km/s, MOON_ICRF, of the orbit scaled by the Earth-Moon distance.

    ``phase_deg`` holds at the epoch and a revolution takes ``period_s``; with ``by_angle`` in the
    mean, and the phase keeps step with the angle that the Moon has gone about the Earth.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    ahead_s, pace = moon_ahead(epoch, t, ephemeris) if by_angle else (0.0, 1.0)
    nd = moon_centred(
        orbit.at(phase_time_nd(orbit, phase_deg, period_s, t + ahead_s)), orbit.system.mu
    )
    matrix, rate = rotation_and_rate("EARTH_MOON_ROTATING", epoch, t, ephemeris)
    distance, distance_rate = earth_moon_distance(epoch, t, ephemeris)
    position = distance[:, None] * nd[:, :3]
    velocity = (
        distance_rate[:, None] * nd[:, :3]
        + (pace * distance * orbit.period_nd / period_s)[:, None] * nd[:, 3:]
    )
    out = np.empty((t.size, 6))
    out[:, :3] = np.einsum("nji,nj->ni", matrix, position)
    out[:, 3:] = np.einsum("nji,nj->ni", matrix, velocity)
    out[:, 3:] += np.einsum("nji,nj->ni", rate, position)
    return out


def moon_ahead(epoch, t, ephemeris):
    """How far in s (N,) the Moon is ahead of its mean motion since the epoch, and its pace (N,)."""
    from scipy.interpolate import CubicSpline

    grid = np.arange(min(t.min(), 0.0), max(t.max(), 0.0) + _GRID_S, _GRID_S)
    grid[-1] = max(t.max(), 0.0)
    grid = np.unique(grid)
    earth = ephemeris.state("earth", "moon", epoch, grid)
    turning = np.linalg.norm(np.cross(earth[:, :3], earth[:, 3:]), axis=1)
    rate = CubicSpline(grid, turning / (earth[:, :3] ** 2).sum(axis=1))
    angle, mean = rate.antiderivative(), 2 * np.pi / MONTH_S
    return (angle(t) - angle(0.0)) / mean - t, rate(t) / mean


def read_back(states, epoch: Epoch, t_s, ephemeris) -> np.ndarray:
    """Positions (N, 3) of Moon-centred ICRF states in the pulsating rotating axes.

    From the Moon's centre, in units of the Earth-Moon distance of the instant.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    matrix = rotation("EARTH_MOON_ROTATING", epoch, t, ephemeris)
    distance, _ = earth_moon_distance(epoch, t, ephemeris)
    turned = np.einsum("nij,nj->ni", matrix, np.asarray(states)[:, :3])
    return turned / distance[:, None]


def closed_world(orbit: PeriodicOrbit, phase_deg: float, t_s) -> np.ndarray:
    """States (N, 6), km and km/s, from the Moon's centre on the rotating axes of the CR3BP.

    Velocities are relative to the rotating axes; lengths and times in the record's own LU and TU.
    """
    system: System = orbit.system
    period_s = orbit.period_nd * system.tu_s
    nd = moon_centred(orbit.at(phase_time_nd(orbit, phase_deg, period_s, t_s)), system.mu)
    nd[:, :3] *= system.lu_km
    nd[:, 3:] *= system.vu_km_s
    return nd


@dataclass(frozen=True, eq=False)
class Events:
    """What recurs in a flown orbit: instants of phase 0, perilunes, and height.

    ``heights_nd`` are the largest |z| of the revolutions, in Earth-Moon distances of the instant.
    """

    phase_zero_s: np.ndarray
    perilune_s: np.ndarray
    perilune_km: np.ndarray
    heights_nd: np.ndarray


SAMPLES_PER_REV = 240


def phase_events(orbit: PeriodicOrbit, states, epoch: Epoch, t_s, ephemeris) -> Events:
    """Phase-0 instants, perilunes and height of flown states (N, 6), MOON_ICRF, at ``t_s`` (N,).

    The times are uniform, ``SAMPLES_PER_REV`` in a revolution. Phase 0 is, for a DRO, the crossing
    of the x-z plane of the rotating axes between Earth and Moon; for a halo the crossing on
    its apolune's side, for a Lyapunov orbit that with vy > 0; for an NRHO the apolune itself; for
    a butterfly the greatest height on the far side of the Moon.
    """
    t = np.asarray(t_s, dtype=float)
    placed = read_back(states, epoch, t, ephemeris)
    closing = (states[:, :3] * states[:, 3:]).sum(axis=1)
    low = _rising(t, closing)
    at_low = hermite_many(t, np.ascontiguousarray(states), low)
    low_km = np.linalg.norm(at_low[:, :3], axis=1)
    if orbit.family == "nrho":
        zero = _rising(t, -closing)
    elif orbit.family == "butterfly":
        zero = _tops(t, placed, np.sign(orbit.state_nd[2]))
    else:
        y = placed[:, 1]
        cross = np.flatnonzero(y[:-1] * y[1:] < 0)
        if orbit.family == "dro":
            cross = cross[placed[cross, 0] < 0]
        else:  # vy has the sign it has at phase 0
            cross = cross[np.sign(y[cross + 1] - y[cross]) == np.sign(orbit.state_nd[4])]
        zero = _exact(t, y, cross)
    per_rev = SAMPLES_PER_REV
    rows = max(1, len(t) // per_rev)
    heights = np.abs(placed[: rows * per_rev, 2])
    heights = heights.reshape(rows, -1).max(axis=1)
    return Events(zero, low, low_km, heights)


def _tops(t, placed, side):
    """Instants of greatest height on the branch's side; of its two lobes, in the farther one."""
    climb = np.gradient(side * placed[:, 2], t)
    tops = np.flatnonzero((climb[:-1] > 0) & (climb[1:] <= 0))
    tops = tops[np.linalg.norm(placed[tops], axis=1) > 0.5 * np.linalg.norm(placed, axis=1).max()]
    if len(tops) > 1:  # every other one
        x = placed[tops, 0]
        tops = tops[0::2] if x[0::2].mean() > x[1::2].mean() else tops[1::2]
    return _exact(t, climb, tops)


def _rising(t, values):
    return _exact(t, values, np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0)))


def _exact(t, values, index):
    """Roots near the samples ``index``: inverse cubic through four neighbours."""
    roots = []
    for i in index:
        first = min(max(i - 1, 0), len(t) - 4)
        y, x = values[first : first + 4], t[first : first + 4] - t[i]
        if (np.diff(y) > 0).all() or (np.diff(y) < 0).all():
            weights = [
                np.prod([y[k] / (y[k] - y[j]) for k in range(4) if k != j]) for j in range(4)
            ]
            roots.append(t[i] + float(np.dot(weights, x)))
        else:
            roots.append(t[i] - values[i] * (t[i + 1] - t[i]) / (values[i + 1] - values[i]))
    return np.array(roots)


def stray_km(orbit: PeriodicOrbit, states, epoch: Epoch, t_s, ephemeris) -> float:
    """Largest distance in km of the flown states (N, 6) from the CR3BP orbit scaled at each time.

    From the orbit as a curve, whatever the place along it.
    """
    from scipy.spatial import KDTree

    keep = slice(None, None, max(1, len(t_s) // 20000))
    placed = read_back(np.asarray(states)[keep], epoch, np.asarray(t_s)[keep], ephemeris)
    if orbit.torus is None:
        _, path = orbit.sample(4001)
    else:  # as many revolutions as fill the torus
        path = orbit.at(np.linspace(0.0, 120 * orbit.period_nd, 28_801))
    curve = moon_centred(path, orbit.system.mu)[:, :3]
    distance, _ = earth_moon_distance(epoch, np.asarray(t_s)[keep], ephemeris)
    gap, _ = KDTree(curve).query(placed)
    return float((gap * distance).max())


def shadow_fraction(states, sun, bodies) -> np.ndarray:
    """Which instants (N,) find a craft at least partly in shadow of one of the spheres.

    ``states`` (N, 6) and ``sun`` (N, 3) Moon-centred, km; ``bodies`` pairs of centre (N, 3) or 0
    and radius in km. Penumbra counts.
    """
    to_sun = sun - states[:, :3]
    sun_km = np.linalg.norm(to_sun, axis=1)
    dark = np.zeros(len(states), dtype=bool)
    for centre, radius in bodies:
        to_body = centre - states[:, :3]
        body_km = np.linalg.norm(to_body, axis=1)
        apart = np.arccos(np.clip((to_body * to_sun).sum(axis=1) / (body_km * sun_km), -1.0, 1.0))
        dark |= apart < np.arcsin(np.minimum(radius / body_km, 1.0)) + np.arcsin(
            SUN_RADIUS_KM / sun_km
        )
    return dark


def choose_bright_phase(orbit, period_s, epoch, start_s, end_s, ephemeris):
    """Phase (degrees, whole fives) with least time in shadow, and that time in h.

    Judged on the orbit placed in the real system, not flown; among equals the middle of the
    widest run is taken.
    """
    t = np.linspace(start_s, end_s, max(2, int((end_s - start_s) / 600.0)))
    phases = np.arange(0.0, 360.0, 5.0)
    sun = ephemeris.state("sun", "moon", epoch, t)[:, :3]
    earth = ephemeris.state("earth", "moon", epoch, t)[:, :3]
    bodies = ((earth, EARTH_RADIUS_KM), (0.0, MOON_RADIUS_KM))
    hours = np.array(
        [
            shadow_fraction(place(orbit, p, period_s, epoch, t, ephemeris), sun, bodies).mean()
            for p in phases
        ]
    ) * (end_s - start_s) / 3600.0  # fmt: skip
    least = hours <= hours.min() + 1e-9
    if least.all():
        return 0.0, float(hours[0])
    turn = int(np.argmin(least))  # begin counting runs at a phase that is not the best
    run = best = middle = 0
    for k in range(len(phases)):
        run = run + 1 if least[(turn + k) % len(phases)] else 0
        if run > best:
            best, middle = run, (turn + k - (run - 1) // 2) % len(phases)
    return float(phases[middle]), float(hours.min())
