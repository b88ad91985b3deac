"""The bodies of a scenario's world: real, or the closed three-body world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orbits.constants import CR3BP_LU_KM, CR3BP_MU, CR3BP_TU_S
from orbits.epoch import Epoch
from orbits.frames import rotation, rotation_and_rate

if TYPE_CHECKING:
    from orbits.ephemeris import De440


@dataclass(frozen=True, eq=False)
class World:
    """The bodies at the grid instants: real, or the closed three-body world of ``cr3bp``.

    ``moon_axes`` and ``moon_rate`` (T, 3, 3) turn ICRF vectors into MOON_ME; ``earth_axes`` and
    ``earth_rate`` likewise into ITRF; ``earth`` and ``sun`` (T, 6) Moon-centred.
    """

    moon_axes: np.ndarray
    moon_rate: np.ndarray
    earth_axes: np.ndarray
    earth_rate: np.ndarray
    earth: np.ndarray
    sun: np.ndarray


def closed_world_axes(epoch: Epoch, t_s: np.ndarray, ephemeris: De440):
    """Axes (T, 3, 3) and rates of the three-body rotating frame, turning uniformly at 1 / TU.

    At the epoch they are the true Earth-Moon rotating axes, so that the Earth's real spin axis
    keeps its real attitude to the orbit plane.
    """
    at_epoch = rotation("EARTH_MOON_ROTATING", epoch, np.zeros(1), ephemeris)[0]
    angle, rate = t_s / CR3BP_TU_S, 1.0 / CR3BP_TU_S
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    turn = np.stack([c, s, zero, -s, c, zero, zero, zero, one], axis=1).reshape(-1, 3, 3)
    spin = rate * np.stack([-s, c, zero, -c, -s, zero, zero, zero, zero], axis=1).reshape(-1, 3, 3)
    return turn @ at_epoch, spin @ at_epoch


_FACING_EARTH = np.diag([-1.0, -1.0, 1.0])  # longitude 0 looks at the Earth, down -x


def closed_world_frame(frame: str, epoch: Epoch, t_s: float, ephemeris: De440):
    """A frame in the closed world: axes (3, 3) and rate from ICRF, and its centre (6,), km, km/s.

    There the Moon's own axes are the rotating axes, the Earth and the barycentre stand at their
    fixed distances, and MOON_OP is that of ``epoch``. ``t_s`` in s past it; the centre is
    Moon-centred.
    """
    turn, spin = (x[0] for x in closed_world_axes(epoch, np.array([t_s]), ephemeris))
    still, nowhere = np.zeros((3, 3)), np.zeros(6)
    to_earth = -CR3BP_LU_KM * np.concatenate([turn[0], spin[0]])
    to_centre = (1.0 - CR3BP_MU) * to_earth
    if frame in ("MOON_ME", "MOON_PA"):
        return _FACING_EARTH @ turn, _FACING_EARTH @ spin, nowhere
    if frame == "EARTH_MOON_ROTATING":
        return turn, spin, to_centre
    if frame == "MOON_OP":
        return rotation(frame, epoch, np.zeros(1), ephemeris)[0], still, nowhere
    if frame == "ITRF":
        axes, rate = rotation_and_rate(frame, epoch, np.array([t_s]), ephemeris)
        return axes[0], rate[0], to_earth
    return np.eye(3), still, {"EARTH_ICRF": to_earth, "EMB_ICRF": to_centre}.get(frame, nowhere)


def build_world(fidelity: str, epoch: Epoch, t_s: np.ndarray, ephemeris: De440) -> World:
    """The bodies' places and attitudes at ``t_s`` seconds past ``epoch`` for a fidelity."""
    earth_axes, earth_rate = rotation_and_rate("ITRF", epoch, t_s, ephemeris)
    sun = ephemeris.state("sun", "moon", epoch, t_s)
    if fidelity == "cr3bp":
        axes, rate = closed_world_axes(epoch, t_s, ephemeris)
        earth = np.concatenate([-CR3BP_LU_KM * axes[:, 0], -CR3BP_LU_KM * rate[:, 0]], axis=1)
        moon_axes, moon_rate = _FACING_EARTH @ axes, _FACING_EARTH @ rate
        return World(moon_axes, moon_rate, earth_axes, earth_rate, earth, sun)
    moon_axes, moon_rate = rotation_and_rate("MOON_ME", epoch, t_s, ephemeris)
    earth = ephemeris.state("earth", "moon", epoch, t_s)
    return World(moon_axes, moon_rate, earth_axes, earth_rate, earth, sun)
