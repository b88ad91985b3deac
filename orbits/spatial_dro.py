"""Spatial DROs flown in the real Earth-Moon system.

One state is chosen, as for a planar DRO, so that the flight stays nearest an orbit on the torus.
The real Moon's month, its ellipse and the Sun move both frequencies, so that the reference keeps
the two angles of the torus at paces of its own: around the Moon as locked, through the plane as
the flight itself shows. The height is brought to the wanted one by lifting the reference.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from orbits import families
from orbits.constants import DAY_S
from orbits.cr3bp import System
from orbits.errors import ConvergenceError, FamilyError
from orbits.families import PeriodicOrbit
from orbits.fitting import fit_state
from orbits.locking import REAL, Task, within_data
from orbits.placing import SAMPLES_PER_REV, phase_events, read_back
from orbits.propagate import propagate
from orbits.shooting import Arc
from orbits.torus import NoTorus, Torus, find_torus

FIT_DAYS = 366.0
LOCK_DAYS, PHASE_DEG = 0.01, 3.0  # how near the mean revolution and the phase must come
HEIGHT, MOST = 0.02, 0.1  # how near the largest |z| is to come, a share, and must
HEIGHT_REVS = 4  # over which it is judged, or the span
CHOICE_DEGREE = 4  # harmonics above choose nothing so far out; the flight has all
_AIM_DAYS, _AIM_DEG = 0.006, 2.0
_RETRIES = 8
_GAIN = 0.7  # of what a try lacks, given to the next


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


def fly_spatial(task: Task, t) -> tuple[np.ndarray, dict]:
    """States (N, 6), MOON_ICRF, at ``t`` (N,) s past the task's epoch, and notes, of a spatial DRO.

    The phase holds at the epoch within 3 degrees and the mean revolution of a year is the orbit's
    own within 0.01 day. The largest |z| within the task's span (four revolutions at least), in
    Earth-Moon distances of the instant, is that of the orbit within 2 % (10 % where nearer does
    not last). Raises ConvergenceError where no flight does that.
    """
    orbit = task.orbit
    period_s = revolution_s(orbit)
    low, high = within_data(
        task, min(task.start_s, -1.3 * period_s), max(task.end_s, FIT_DAYS * DAY_S)
    )
    light = replace(task.model, degree=min(task.model.degree, CHOICE_DEGREE))
    arc = replace(replace(task, model=light).arc(low, high), rtol=1e-10)
    found = _choose(task, arc, period_s, low, high)
    flown = propagate(
        found.state, task.epoch, t, task.model, task.ephemeris, rtol=1e-13, **task.craft
    ).states
    named_km, lu = orbit.amplitude_z_km, orbit.system.lu_km
    highest_km = float(np.abs(read_back(flown, task.epoch, t, task.ephemeris)[:, 2]).max() * lu)
    how = (
        f"the periodic orbit of {orbit.revolutions} revolutions"
        if orbit.torus is None
        else "quasi-periodic: it never repeats"
    )
    remarks = [
        f"spatial DRO, {how}; it goes round in {found.mean_s / DAY_S:.3f} days and up and down in "
        f"{found.vertical_s / DAY_S:.3f} days, in the mean of {found.fitted_s / DAY_S:.0f} days",
        f"largest |z| in the span {highest_km:.0f} km at the record's Earth-Moon distance, "
        f"{named_km:.0f} km wanted; over {found.fitted_s / DAY_S:.0f} days it reaches "
        f"{found.height_nd * lu:.0f} km: in-plane and vertical motion exchange energy",
    ]
    inside = (found.perilune_s >= task.start_s) & (found.perilune_s <= task.end_s)
    low_km = found.perilune_km[inside if inside.any() else ~inside]
    return flown, {
        "mean_period_days": found.mean_s / DAY_S,
        "locked_period_days": period_s / DAY_S,
        "vertical_period_days": found.vertical_s / DAY_S,
        "height_flown_km": highest_km,
        "perilune_flown_km": {
            "least": float(low_km.min()),
            "median": float(np.median(low_km)),
            "most": float(low_km.max()),
        },
        "worst_position_gap_m": 0.0,
        "worst_velocity_gap_mm_s": 0.0,
        "state_km_km_s": found.state.tolist(),
        "remarks": remarks,
    }


def _choose(task: Task, arc: Arc, period_s, low, high) -> Flight:
    failed: ConvergenceError | None = None
    wanted_nd = task.orbit.amplitude_z_km / task.orbit.system.lu_km
    for reference in _references(task.orbit, period_s / DAY_S, wanted_nd):
        try:
            return _fitted(reference, task, arc, period_s, wanted_nd, low, high)
        except ConvergenceError as fault:
            failed = failed or fault
    assert failed is not None
    raise failed


def _references(orbit, days, wanted_nd):
    """Orbits of the wanted revolution and height in the real month, and as the record has it."""
    if orbit.torus is not None:
        with suppress(NoTorus, ConvergenceError, FamilyError):
            planar = families.dro(period_days=days, system=REAL)
            around = tuple(planar.state_nd)
            torus = find_torus(around, planar.period_nd, wanted_nd, REAL.mu, None)
            yield _Reference(orbit, torus, REAL)
    yield _Reference(orbit, orbit.torus, orbit.system)


def _fitted(reference, task: Task, arc: Arc, period_s, wanted_nd, low, high) -> Flight:
    ephemeris, needed_s = task.ephemeris, max(abs(task.start_s), abs(task.end_s))
    end_s = high if high > -low else low
    first_s, last_s = min(task.start_s, 0.0), max(task.end_s, 0.0)
    if last_s - first_s < HEIGHT_REVS * period_s:  # the height is judged over the span
        first_s, last_s = sorted((0.0, math.copysign(HEIGHT_REVS * period_s, end_s)))
    phase_deg = task.phase_deg * task.orbit.revolutions
    phase, length = phase_deg, period_s
    best, least, kept, nearest = None, math.inf, (reference, phase, length), math.inf
    closest, gain = None, _GAIN  # the try nearest to the lock, and what it would change
    for attempt in range(2 * _RETRIES):
        if attempt >= _RETRIES and best is not None:
            break
        try:
            state, reached, _ = fit_state(
                arc, reference, phase, length, end_s, ephemeris, needed_s=needed_s
            )
        except ConvergenceError:
            if attempt >= _RETRIES and closest is not None:
                gain *= 0.5
                reference, phase, length = closest[1](gain)
                continue
            if best is None:
                raise
            reference = replace(  # too far: half way back to the best
                reference,
                pace=0.5 * (kept[0].pace + reference.pace),
                lift=0.5 * (kept[0].lift + reference.lift),
            )
            phase, length = 0.5 * (kept[1] + phase), 0.5 * (kept[2] + length)
            continue
        dense = np.arange(
            max(low, min(reached, -1.2 * period_s)), min(high, max(reached, 1.2 * period_s)),
            period_s / SAMPLES_PER_REV,
        )  # fmt: skip
        path = arc.both_ways(state, dense)
        events = phase_events(reference.orbit, path, arc.epoch, dense, ephemeris)
        z = read_back(path, arc.epoch, dense, ephemeris)[:, 2]
        mean_s, found = _rhythm(events.phase_zero_s, period_s)
        vertical_s = _vertical(dense, z)
        judged = (dense >= first_s) & (dense <= last_s)
        height_nd = float(np.abs(z[judged]).max())
        fault = (phase_deg - found + 180.0) % 360.0 - 180.0
        slow = period_s - mean_s
        locked = max(abs(fault) / PHASE_DEG, abs(slow) / DAY_S / LOCK_DAYS)
        nearest = min(nearest, locked)
        off = max(locked, abs(height_nd / wanted_nd - 1) / HEIGHT)
        if locked < 1 and off < least:
            least, kept = off, (reference, phase, length)
            best = Flight(
                state, mean_s, vertical_s, float(np.abs(z).max()), events.perilune_s,
                events.perilune_km, abs(reached),
            )  # fmt: skip
        if abs(fault) < _AIM_DEG and abs(slow) / DAY_S < _AIM_DAYS and off < 1:
            break
        change = _Change(
            reference, phase, length, fault, slow, mean_s / vertical_s, wanted_nd / height_nd
        )
        if closest is None or locked < closest[0]:
            closest, gain = (locked, change), _GAIN
        elif attempt >= _RETRIES:
            gain *= 0.5
        # flights of other lengths have other means: what went too far goes back, and less far
        reference, phase, length = (closest[1] if attempt >= _RETRIES - 1 else change)(gain)
    if best is None or least > MOST / HEIGHT:
        far = (
            f"{nearest:.1f} times as far off"
            if best is None
            else f"a height {HEIGHT * least:.0%} off"
        )
        raise ConvergenceError(
            "no flight of the spatial DRO keeps its mean revolution (0.01 day), phase (3 degrees) "
            f"and height (10 %): the nearest is {far}"
        )
    return best


@dataclass(frozen=True)
class _Change:
    """What a try asks to be changed: called with a share of it, the next one's reference."""

    reference: _Reference
    phase: float
    length: float
    fault: float
    slow: float
    oscillations: float
    higher: float

    def __call__(self, gain: float) -> tuple[_Reference, float, float]:
        torus, pace = self.reference.torus, self.reference.pace
        if torus is not None:  # oscillations in a revolution, beside those of the torus
            pace += gain * (self.oscillations / (torus.turn / (2 * math.pi)) - pace)
        lift = self.reference.lift * self.higher ** (0.8 * gain / _GAIN)
        reference = replace(self.reference, pace=pace, lift=lift)
        return reference, self.phase + gain * self.fault, self.length + gain * self.slow


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
