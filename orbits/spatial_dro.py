"""Spatial DROs flown in the real Earth-Moon system.

One state is chosen, as for a planar DRO, so that the flight stays nearest an orbit on the torus.
The real Moon's month, its ellipse and the Sun move both frequencies, so that the reference keeps
the two angles of the torus at paces of its own: around the Moon as locked, through the plane as
the flight itself shows. The height is brought to the wanted one by lifting the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from orbits import families
from orbits.constants import DAY_S
from orbits.cr3bp import System
from orbits.errors import ConvergenceError, FamilyError
from orbits.families import PeriodicOrbit
from orbits.fitting import fit_state
from orbits.placing import SAMPLES_PER_REV, phase_events, read_back
from orbits.shooting import Arc
from orbits.torus import NoTorus, Torus, find_torus

FIT_DAYS = 366.0
LOCK_DAYS, PHASE_DEG = 0.01, 3.0  # how near the mean revolution and the phase must come
HEIGHT = 0.02  # how near the largest |z| of a year must come, a share
_AIM_DAYS, _AIM_DEG = 0.006, 2.0
_RETRIES = 12


@dataclass(frozen=True, eq=False)
class _Reference:
    """An orbit on a torus, or a periodic one, counted by its revolutions about the Moon.

    Made for ``placing.place``: ``torus`` tells it that revolutions are not alike.
    """

    orbit: PeriodicOrbit
    torus: Torus | None
    system: System
    pace: float = 1.0  # of the vertical oscillation, beside the torus's own
    lift: float = 1.0  # of the height

    @property
    def period_nd(self) -> float:
        if self.torus is not None:
            return self.torus.period
        return self.orbit.period_nd / self.orbit.revolutions

    def at(self, t_nd) -> np.ndarray:
        turns = np.asarray(t_nd, dtype=float) / self.period_nd
        if self.torus is None:
            states = self.orbit.at(t_nd)
        else:
            begin = math.radians(self.orbit.vertical_phase_deg or 0.0)
            angle = begin + self.pace * self.torus.turn * turns
            states = self.torus.states(2 * math.pi * turns, angle)
        states[:, [2, 5]] *= self.lift
        return states


@dataclass(frozen=True, eq=False)
class Flight:
    """A chosen state (6), km and km/s, MOON_ICRF, at the epoch, and what its flight shows.

    ``mean_s`` and ``vertical_s`` are the mean revolution and vertical oscillation, ``height_nd``
    the largest |z| in Earth-Moon distances of the instant, ``perilune_s`` and ``perilune_km`` the
    perilunes; all over the ``fitted_s`` that the choice looked at.
    """

    state: np.ndarray
    mean_s: float
    vertical_s: float
    height_nd: float
    perilune_s: np.ndarray
    perilune_km: np.ndarray
    fitted_s: float


def revolution_s(orbit: PeriodicOrbit) -> float:
    """The mean revolution in s, in the orbit's own units."""
    return orbit.period_nd / orbit.revolutions * orbit.system.tu_s


def choose_state(
    orbit: PeriodicOrbit, phase_deg: float, arc: Arc, span: tuple[float, float], needed_s: float,
    ephemeris, real: System,
) -> Flight:  # fmt: skip
    """The state at the epoch whose flight in ``arc`` is nearest the spatial DRO, over ``span``.

    ``phase_deg`` holds at the epoch, the mean revolution is the orbit's own within 0.01 day, and
    the largest |z| over the year, in Earth-Moon distances, that of the orbit within 2 %. ``real``
    are the units of the real month. Raises ConvergenceError where no flight lasts ``needed_s``.
    """
    wanted_nd = orbit.amplitude_z_km / orbit.system.lu_km
    period_s = revolution_s(orbit)
    phase_deg = phase_deg * orbit.revolutions
    failed: ConvergenceError | None = None
    for reference in _references(orbit, wanted_nd, real):
        try:
            return _fitted(
                reference, phase_deg, period_s, wanted_nd, arc, span, needed_s, ephemeris
            )
        except ConvergenceError as fault:
            failed = failed or fault
    assert failed is not None
    raise failed


def _references(orbit, wanted_nd, real):
    """Orbits of the wanted period and height in the real month, and in the record's."""
    days = revolution_s(orbit) / DAY_S
    if orbit.torus is None:
        yield _Reference(orbit, None, orbit.system)
        return
    try:
        planar = families.dro(period_days=days, system=real)
        torus = find_torus(tuple(planar.state_nd), planar.period_nd, wanted_nd, real.mu, None)
        yield _Reference(orbit, torus, real)
    except (NoTorus, ConvergenceError, FamilyError):
        pass
    yield _Reference(orbit, orbit.torus, orbit.system)


def _fitted(reference, phase_deg, period_s, wanted_nd, arc, span, needed_s, ephemeris):
    low, high = span
    end_s = min(max(FIT_DAYS * DAY_S, needed_s), high) if high > -low else low
    phase, length, hint = phase_deg, period_s, None
    best, least = None, math.inf
    for _ in range(_RETRIES):
        state, reached, hint = fit_state(
            arc, reference, phase, length, end_s, ephemeris, needed_s=needed_s, hint=hint
        )
        dense = np.arange(
            max(low, min(reached, -1.2 * period_s)), min(high, max(reached, 1.2 * period_s)),
            period_s / SAMPLES_PER_REV,
        )  # fmt: skip
        path = arc.both_ways(state, dense)
        events = phase_events(reference.orbit, path, arc.epoch, dense, ephemeris)
        z = read_back(path, arc.epoch, dense, ephemeris)[:, 2]
        mean_s, found = _rhythm(events.phase_zero_s, period_s)
        vertical_s = _vertical(dense, z)
        height_nd = float(np.abs(z).max())
        fault = (phase_deg - found + 180.0) % 360.0 - 180.0
        slow = period_s - mean_s
        off = max(
            abs(fault) / PHASE_DEG, abs(slow) / DAY_S / LOCK_DAYS,
            abs(height_nd / wanted_nd - 1) / HEIGHT,
        )  # fmt: skip
        if off < least:
            least = off
            best = Flight(
                state, mean_s, vertical_s, height_nd, events.perilune_s, events.perilune_km, reached
            )
        if abs(fault) < _AIM_DEG and abs(slow) / DAY_S < _AIM_DAYS and off < 1:
            break
        phase, length = phase + 0.7 * fault, length + 0.7 * slow
        torus = reference.torus
        pace = reference.pace
        if torus is not None:  # oscillations in a revolution, beside those of the torus
            pace += 0.7 * (mean_s / vertical_s / (torus.turn / (2 * math.pi)) - pace)
        lift = reference.lift * (wanted_nd / height_nd) ** 0.8
        reference = replace(reference, pace=pace, lift=lift)
        hint = None
    if best is None or least > 1:
        raise ConvergenceError(
            "no flight of the spatial DRO keeps its mean revolution, phase and height: the best "
            f"is {least:.1f} times as far off as allowed"
        )
    return best


def _rhythm(events_s, period_s):
    """Mean revolution (s) by a line through the crossings, and the phase (degrees) at time 0."""
    if len(events_s) < 3:
        raise ConvergenceError("the spatial DRO does not come round three times")
    mean_s = float(np.polyfit(np.arange(len(events_s)), events_s, 1)[0])
    k = int(np.clip(np.searchsorted(events_s, 0.0, side="right") - 1, 0, len(events_s) - 2))
    return mean_s, 360.0 * -events_s[k] / (events_s[k + 1] - events_s[k])


def _vertical(t, z):
    """Mean vertical oscillation (s) by a line through the rises through the plane."""
    at = np.flatnonzero((z[:-1] < 0) & (z[1:] >= 0))
    if len(at) < 3:
        raise ConvergenceError("the spatial DRO does not rise through the plane three times")
    rises = t[at] - z[at] * (t[at + 1] - t[at]) / (z[at + 1] - z[at])
    return float(np.polyfit(np.arange(len(rises)), rises, 1)[0])
