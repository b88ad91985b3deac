"""The notebook edge: astropy ``Time`` and ``Quantity``, and ``Orbit`` and ``Ephem`` objects.

Other packages' objects are known by what they can do, so that those of boinor, hapsira and
poliastro all serve and none is imported to be read. Converted once, here; inside all is km, s, rad
and ``Epoch``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orbits.constants import DAY_S
from orbits.elements import from_orbit, to_boinor
from orbits.ephemeris import Ephemeris
from orbits.epoch import J2000_JD, Epoch, in_unit, seconds_past
from orbits.errors import InputError
from orbits.forces import ForceModel
from orbits.propagate import propagate
from orbits.trajectory import Trajectory


def epoch_from_astropy(time: Any) -> Epoch:
    """The Epoch of a scalar astropy ``Time`` of any scale, to the bits of a double's second.

    Raises InputError for an array, or something without a ``tdb``.
    """
    if not hasattr(time, "tdb") or not getattr(time, "isscalar", False):
        raise InputError(
            f"{time!r} is not one instant", value=time, allowed="a scalar astropy Time"
        )
    tdb = time.tdb
    whole = int(np.floor(float(tdb.jd1) - J2000_JD))
    rest = ((float(tdb.jd1) - J2000_JD - whole) + float(tdb.jd2)) * DAY_S
    return Epoch(whole, 0.0) + rest


def as_epoch(when: Any) -> Epoch:
    """The Epoch of an Epoch, a text such as ``2030-01-01T00:00:00 UTC``, or an astropy ``Time``."""
    if isinstance(when, Epoch):
        return when
    return Epoch.parse(when) if isinstance(when, str) else epoch_from_astropy(when)


def to_astropy(epoch: Epoch, t_s: Any = 0.0):
    """The astropy ``Time`` (TDB) of ``t_s`` seconds (number, array, Quantity) past an epoch."""
    from astropy.time import Time

    jd1, jd2 = epoch.jd_tdb
    return Time(
        jd1, jd2 + np.asarray(in_unit(t_s, "s"), dtype=float) / DAY_S, format="jd", scale="tdb"
    )


def states_at(trajectory: Trajectory, when: Any) -> np.ndarray:
    """States (..., 6), km and km/s in the trajectory's frame, at a Time, Quantity or seconds."""
    return trajectory.at(when)


def _centre_of(thing) -> str:
    attractor = getattr(thing, "attractor", None)
    name = str(getattr(attractor, "name", attractor)).lower()
    if name not in ("moon", "earth"):
        raise InputError(f"about {name!r}", key="attractor", value=name, allowed="Moon, Earth")
    return name


def _check_plane(thing) -> None:
    plane = getattr(thing, "plane", None)
    name = str(getattr(plane, "name", plane or "EARTH_EQUATOR")).upper()
    if name != "EARTH_EQUATOR":
        raise InputError(
            f"an orbit referred to {name}", key="plane", value=name,
            allowed="EARTH_EQUATOR (ICRF axes)",
        )  # fmt: skip


def state_from_orbit(orbit: Any, ephemeris: Ephemeris) -> tuple[Epoch, np.ndarray]:
    """The epoch and MOON_ICRF state (6,), km and km/s, of an ``Orbit`` about the Moon or Earth.

    Of boinor, hapsira or poliastro: anything with ``rv()``, ``epoch`` and ``attractor``. Raises
    InputError for another attractor or plane.
    """
    if not (hasattr(orbit, "rv") and hasattr(orbit, "epoch")):
        raise InputError("not an Orbit", value=orbit, allowed="an object with rv() and epoch")
    _check_plane(orbit)
    centre, epoch, state = _centre_of(orbit), epoch_from_astropy(orbit.epoch), from_orbit(orbit)
    if centre == "earth":
        state = state + ephemeris.state("earth", "moon", epoch, 0.0)
    return epoch, state


def fly_orbit(
    orbit: Any, t_out_s: Any, ephemeris: Ephemeris, model: ForceModel | None = None, **craft
) -> Trajectory:
    """The MOON_ICRF trajectory of an ``Orbit``, flown in the force model from its own epoch.

    ``t_out_s`` (N,) are seconds past the orbit's epoch, or a Quantity or Time. Degree 20 unless a
    model is given; ``craft`` as in :func:`orbits.propagate.propagate`.
    """
    epoch, state = state_from_orbit(orbit, ephemeris)
    return propagate(
        state,
        epoch,
        seconds_past(epoch, t_out_s),
        model or ForceModel.standard(),
        ephemeris,
        **craft,
    )


def orbit_at(trajectory: Trajectory, when: Any = 0.0):
    """The osculating ``boinor.twobody.Orbit`` about the Moon at a Time, Quantity or seconds."""
    if trajectory.frame != "MOON_ICRF":
        raise InputError(
            f"trajectory in {trajectory.frame}", value=trajectory.frame, allowed="MOON_ICRF"
        )
    t = float(seconds_past(trajectory.epoch, when))
    return to_boinor(trajectory.at(t), trajectory.epoch + t)


def trajectory_from_ephem(
    ephem: Any, centre: str, ephemeris: Ephemeris, name: str = ""
) -> Trajectory:
    """The MOON_ICRF trajectory of an ``Ephem`` of the same family, whose centre it does not tell.

    ``centre`` is "moon" or "earth": that of the states in it. Anything with ``epochs`` (a Time) and
    ``rv()``.
    """
    if centre not in ("moon", "earth"):
        raise InputError(f"about {centre!r}", key="centre", value=centre, allowed="moon, earth")
    _check_plane(ephem)
    epoch = epoch_from_astropy(ephem.epochs[0])
    t = np.asarray(seconds_past(epoch, ephem.epochs), dtype=float)
    position, velocity = ephem.rv()
    states = np.hstack([in_unit(position, "km"), in_unit(velocity, "km/s")])
    if centre == "earth":
        states = states + ephemeris.state("earth", "moon", epoch, t)
    return Trajectory(epoch, t, states, "MOON_ICRF", name)
