"""Periodic orbits of the rotating problem placed at the real Earth and Moon, and read back.

The rotating frame pulsates: one CR3BP length unit is the Earth-Moon distance of the instant. Time
along the orbit is uniform, so that a revolution lasts what it is asked to last.
"""

from __future__ import annotations

import numpy as np

from orbits.cr3bp import System
from orbits.epoch import Epoch
from orbits.families import PeriodicOrbit
from orbits.frames import earth_moon_distance, rotation_and_rate


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
    return (turns % 1.0) * orbit.period_nd


def place(orbit: PeriodicOrbit, phase_deg: float, period_s: float, epoch: Epoch, t_s, ephemeris):
    """States (N, 6), km and km/s, MOON_ICRF, of the orbit scaled by the Earth-Moon distance.

    ``phase_deg`` holds at the epoch and a revolution takes ``period_s``.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    nd = moon_centred(orbit.at(phase_time_nd(orbit, phase_deg, period_s, t)), orbit.system.mu)
    matrix, rate = rotation_and_rate("EARTH_MOON_ROTATING", epoch, t, ephemeris)
    distance, distance_rate = earth_moon_distance(epoch, t, ephemeris)
    position = distance[:, None] * nd[:, :3]
    velocity = (
        distance_rate[:, None] * nd[:, :3]
        + (distance * orbit.period_nd / period_s)[:, None] * nd[:, 3:]
    )
    out = np.empty((t.size, 6))
    out[:, :3] = np.einsum("nji,nj->ni", matrix, position)
    out[:, 3:] = np.einsum("nji,nj->ni", matrix, velocity)
    out[:, 3:] += np.einsum("nji,nj->ni", rate, position)
    return out


def read_back(states, epoch: Epoch, t_s, ephemeris) -> np.ndarray:
    """Positions (N, 3) of Moon-centred ICRF states in the pulsating rotating axes.

    From the Moon's centre, in units of the Earth-Moon distance of the instant.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    matrix, _ = rotation_and_rate("EARTH_MOON_ROTATING", epoch, t, ephemeris)
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
