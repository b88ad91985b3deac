"""Periodic orbits of the rotating problem flown in the real Earth-Moon system.

Lengths scale with the Earth-Moon distance of the instant, and the mean revolution is locked to the
resonance, or to the period of the CR3BP orbit (a halo's in units of the Moon's own month). Halos
and NRHOs are unstable: they are shot in pieces (``orbits.shooting``) that join to 1 mm and 1 um/s.
A DRO is stable: one state is chosen for its mean period and flown.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from orbits import families
from orbits.constants import (
    DAY_S,
    GM_EARTH_KM3_S2,
    GM_MOON_KM3_S2,
    MOON_RADIUS_KM,
)
from orbits.cr3bp import EARTH_MOON, System
from orbits.ephemeris import FIRST_S, LAST_S, Ephemeris, check_span
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, FamilyError, ImpactError, SpanError
from orbits.families import PeriodicOrbit
from orbits.fitting import fit_state
from orbits.forces import ForceModel
from orbits.placing import (
    MONTH_S,
    SAMPLES_PER_REV,
    choose_bright_phase,
    closed_world,
    phase_events,
    place,
    stray_km,
)
from orbits.propagate import propagate
from orbits.shooting import Arc, Nodes, close, grow
from orbits.trajectory import Trajectory

# The real month as units: length by Kepler's law
_RATE = 2 * math.pi / MONTH_S
REAL = System(EARTH_MOON.mu, ((GM_EARTH_KM3_S2 + GM_MOON_KM3_S2) / _RATE**2) ** (1 / 3), 1 / _RATE)

LOCK_DAYS = 0.01  # how near the mean revolution must come
PHASE_DEG = 3.0  # and the phase at the epoch
_AIM_DAYS, _AIM_DEG = 0.004, 1.5
_SHIFTS_DEG = (0.0, 2.5, -2.5)  # from which a DRO's phase is tried
_RETRIES = 8
_MARGIN_REVS = 1  # flown beyond both ends
_LEAST_REVS = 13  # and in all, so that a mean is a mean
_FIT_DAYS, _FIT_REVS = 366.0, 80  # a DRO's mean period is fitted over a year or 80 revolutions
_HEIGHT, _HEIGHT_KM = 0.05, 300.0  # how near a halo's height must come: a share, or km
_POSITION_KM = 1e4  # deviations allowed from the reference, relative to those in velocity only

# nodes in a revolution, in turns: an NRHO's keep away from perilune (half a turn)
_TURNS = {
    "halo": np.arange(8) / 8,
    "nrho": np.array([0.0, 0.15, 0.3, 0.4, 0.6, 0.7, 0.85]),
    "lyapunov": np.arange(8) / 8,
    "butterfly": np.array([0.0, 0.1, 0.19, 0.34, 0.42, 0.5, 0.58, 0.66, 0.81, 0.9]),
}
_FAR_KM, _FAR_DEGREE = 15_000.0, 4  # that far out, harmonics above this degree choose nothing

UNSTABLE = (
    "the orbit is unstable: the state at the epoch alone does not reproduce it, "
    "use the trajectory (joined to 1 mm and 1 um/s at its nodes) or station-keeping"
)


@dataclass(frozen=True)
class _Task:
    """One flight: what, from when to when, in what."""

    orbit: PeriodicOrbit
    phase_deg: float
    epoch: Epoch
    start_s: float
    end_s: float
    ephemeris: Ephemeris
    model: ForceModel
    craft: dict

    def arc(self, low_s, high_s, model) -> Arc:
        table = self.ephemeris.table(self.epoch, low_s, high_s)
        craft = self.craft if model is self.model else {}
        return Arc(self.epoch, table, model, craft)


def fly(
    orbit: PeriodicOrbit,
    phase_deg: float | None,
    epoch: Epoch,
    start_s: float,
    end_s: float,
    step_s: float,
    ephemeris: Ephemeris,
    model: ForceModel,
    *,
    mass_kg: float | None = None,
    area_m2: float | None = None,
    cr: float = 1.3,
    name: str = "",
) -> Trajectory:
    """The periodic orbit flown in ``model``, MOON_ICRF, every ``step_s`` from start to end.

    ``phase_deg`` holds at ``epoch`` (within 3 degrees), times are TDB seconds past it; without a
    phase an NRHO takes the one with least shadow, another orbit 0. ``notes`` tell
    ``mean_period_days``, ``perilune_flown_km`` (least, median, most), ``worst_position_gap_m``,
    ``worst_velocity_gap_mm_s``, ``strays_km`` (furthest from the scaled CR3BP orbit), ``phase_deg``
    and sentences in ``remarks``. Raises ConvergenceError when there is no such trajectory.
    """
    t = _grid(start_s, end_s, step_s)
    check_span(epoch, t)
    craft = {} if mass_kg is None else {"mass_kg": mass_kg, "area_m2": area_m2, "cr": cr}
    remarks = []
    if orbit.family == "dro" and orbit.amplitude_z_km > 1e-6:
        raise FamilyError(
            "a spatial DRO has no counterpart in the ephemeris: it is sampled, not flown",
            key="amplitude_z_km", value=orbit.amplitude_z_km,
            allowed="fidelity cr3bp or kepler, or a planar DRO",
        )  # fmt: skip
    if phase_deg is None:
        phase_deg = 0.0
        if orbit.family == "nrho":
            period_s = _locked_s(orbit)
            phase_deg, shadow_h = choose_bright_phase(
                _native(orbit), period_s, epoch, start_s, end_s, ephemeris
            )
            remarks.append(
                f"phase {phase_deg:g} degrees chosen for least shadow of Earth and Moon "
                f"({shadow_h:.1f} h in the span)"
            )
    task = _Task(orbit, phase_deg % 360.0, epoch, t[0], t[-1], ephemeris, model, craft)
    if orbit.family == "dro":
        states, extra = _fly_stable(task, t)
    else:
        states, extra = _fly_unstable(task, t)
        remarks.append(UNSTABLE)
    remarks.extend(extra.pop("remarks", []))
    notes = {
        "phase_deg": float(phase_deg),
        "strays_km": stray_km(orbit, states, epoch, t, ephemeris),
        **extra,
        "remarks": remarks,
    }
    return Trajectory(epoch, t, states, "MOON_ICRF", name, notes)


def fly_phased(orbit, phases_deg, epoch, start_s, end_s, step_s, ephemeris, model, **craft):
    """One trajectory per phase along one orbit, all with the same mean revolution; see ``fly``."""
    return [
        fly(orbit, phase, epoch, start_s, end_s, step_s, ephemeris, model, **craft)
        for phase in phases_deg
    ]


def sample_cr3bp(orbit: PeriodicOrbit, phase_deg: float, t_s, inertial: bool = False):
    """States (N, 6), km and km/s, Moon-centred, in the closed world of the CR3BP.

    On the rotating axes (x away from the Earth), velocities relative to them; ``inertial`` gives
    them on fixed axes that coincide with the rotating ones at t_s = 0.
    """
    states = closed_world(orbit, phase_deg, t_s)
    if not inertial:
        return states
    angle = np.atleast_1d(np.asarray(t_s, dtype=float)) / orbit.system.tu_s
    c, s, rate = np.cos(angle), np.sin(angle), 1 / orbit.system.tu_s
    x, y, z, vx, vy, vz = states.T
    vx, vy = vx - rate * y, vy + rate * x
    return np.column_stack([c * x - s * y, s * x + c * y, z, c * vx - s * vy, s * vx + c * vy, vz])


def sample_kepler(orbit: PeriodicOrbit, phase_deg: float, epoch: Epoch, t_s, ephemeris: Ephemeris):
    """States (N, 6), km and km/s, MOON_ICRF: the CR3BP orbit at the real Earth and Moon, not flown.

    Scaled by the Earth-Moon distance of the instant, on the axes of EARTH_MOON_ROTATING.
    """
    return place(orbit, phase_deg, _locked_s(orbit), epoch, t_s, ephemeris)


def _grid(start_s, end_s, step_s):
    if not (math.isfinite(start_s) and math.isfinite(end_s) and end_s > start_s and step_s > 0):
        raise SpanError(f"no span from {start_s} to {end_s} s by {step_s} s")
    count = max(1, math.ceil((end_s - start_s) / step_s - 1e-9))
    t = start_s + step_s * np.arange(count + 1)
    t[-1] = end_s
    return t


def _locked_s(orbit) -> float:
    """The mean revolution in s: the CR3BP period, which a resonance has fixed.

    That of a halo or Lyapunov orbit named by its size is counted in time units of the real month
    (a halo's to begin with): size belongs to period, and held to the record's days it would
    flatten within months.
    """
    if _keeps_size(orbit):
        return orbit.period_nd * REAL.tu_s
    return orbit.period_nd * orbit.system.tu_s


def _keeps_size(orbit) -> bool:
    """Whether it was named by a size and not by a period, and is of a family that needs it."""
    by_period = orbit.parameter[0] in ("period_days", "resonance")
    return orbit.family in ("halo", "lyapunov") and not by_period


def _native(orbit: PeriodicOrbit) -> PeriodicOrbit:
    """The family's member with the orbit's period in the real month: the shape that can be flown.

    The CR3BP record's month is 2 % longer than the Moon's, so at one period the shapes differ.
    """
    days = orbit.period_days
    if _keeps_size(orbit):
        return orbit
    try:
        if orbit.family == "dro":
            return families.dro(period_days=days, system=REAL)
        if orbit.family == "lyapunov" and orbit.libration_point:
            return families.lyapunov(orbit.libration_point, period_days=days, system=REAL)
        if orbit.family == "butterfly" and orbit.branch:
            return families.butterfly(orbit.branch, period_days=days, system=REAL)
        if orbit.family == "halo" and orbit.libration_point and orbit.branch:
            return families.halo(
                orbit.libration_point, orbit.branch, period_days=days, system=REAL
            )  # fmt: skip
        if orbit.family == "nrho" and orbit.libration_point and orbit.branch:
            return families.halo_by_period(
                orbit.libration_point, orbit.branch, days, system=REAL
            )  # fmt: skip
    except FamilyError:
        pass  # past the end of the family in the other units: the named shape is the nearest
    return orbit


def _within_data(task, low_s, high_s):
    """The span cut to the ephemerides, a day inside them."""
    first, last = FIRST_S - task.epoch.tdb_s + DAY_S, LAST_S - task.epoch.tdb_s - DAY_S
    return max(low_s, min(first, task.start_s)), min(high_s, max(last, task.end_s))


def _measured(events_s, period_s):
    """Mean revolution (s) by a line through the events, and the phase (degrees) at the epoch."""
    if len(events_s) < 2:
        return period_s, None
    number = np.arange(len(events_s))
    mean_s = float(np.polyfit(number, events_s, 1)[0]) if len(events_s) > 2 else float(
        events_s[1] - events_s[0]
    )  # fmt: skip
    if events_s[0] <= 0.0 < events_s[-1]:
        k = int(np.searchsorted(events_s, 0.0, side="right")) - 1
        phase = 360.0 * -events_s[k] / (events_s[k + 1] - events_s[k])
    else:
        nearest = events_s[np.argmin(np.abs(events_s))]
        phase = (-360.0 * nearest / mean_s) % 360.0
    return mean_s, phase


def _shown(task, events):
    """Which perilunes are in the span, or all if it has none."""
    inside = (events.perilune_s >= task.start_s) & (events.perilune_s <= task.end_s)
    return inside if inside.any() else ~inside


def _shown_perilunes(task, events) -> dict:
    """Least, median and most of the perilunes (km) in the span, or of all if it has none."""
    values = events.perilune_km[_shown(task, events)]
    return {
        "least": float(values.min()),
        "median": float(np.median(values)),
        "most": float(values.max()),
    }


def _wrapped(angle_deg):
    return (angle_deg + 180.0) % 360.0 - 180.0


# ---------------------------------------------------------------- unstable: all but the DRO


def _fly_unstable(task: _Task, t):
    """States (N, 6) on the grid and notes, for an orbit that is shot in pieces."""
    remarks = []
    locked_s = _locked_s(task.orbit)
    if _keeps_size(task.orbit):
        if task.orbit.family == "halo":
            locked_s = _halo_period_s(task)
        what = "a halo of this height" if task.orbit.family == "halo" else "an orbit of this size"
        remarks.append(
            f"the mean revolution is locked to {locked_s / DAY_S:.4f} days, that of {what} in the "
            f"Moon's own month; held to {task.orbit.period_days:.4f} days, the period in the CR3BP "
            "record's longer month, it would flatten within months"
        )
    found = _lock(task, locked_s)
    off_days = abs(found.mean_s - locked_s) / DAY_S
    if off_days > LOCK_DAYS:
        remarks.append(
            f"over so few revolutions their mean is {off_days:.3f} days off the one it is locked to"
        )
    if found.perilunes["least"] <= MOON_RADIUS_KM:
        raise ImpactError(
            f"the flown orbit meets the Moon: its least perilune is {found.perilunes['least']:.0f} "
            f"km at {task.epoch.utc_text(found.lowest_s)}",
            t_s=found.lowest_s, body="moon",
        )  # fmt: skip
    states = found.arc.between(found.nodes.t_s, found.nodes.states, t)
    return states, {
        "mean_period_days": found.mean_s / DAY_S,
        "perilune_flown_km": found.perilunes,
        "worst_position_gap_m": found.nodes.worst_gap_m,
        "worst_velocity_gap_mm_s": found.nodes.worst_gap_mm_s,
        "remarks": remarks,
    }


@dataclass(frozen=True, eq=False)
class _Found:
    arc: Arc
    nodes: Nodes
    mean_s: float
    phase_deg: float
    perilunes: dict
    lowest_s: float
    height_nd: float
    deviation: np.ndarray  # of the nodes from the placed reference
    way: tuple[int, bool]  # least revolutions, and whether the reference kept the Moon's angle


def _lock(task: _Task, period_s: float) -> _Found:
    """The shot trajectory whose phase at the epoch and mean revolution are as asked.

    Both follow the reference's, but for the wobble that the real Moon's eccentric orbit gives
    each revolution; so the reference is shifted until they fit: the phase first, on a few
    revolutions about the epoch.
    """
    shape = _native(task.orbit)
    phase, length = task.phase_deg, period_s
    brief = replace(task, start_s=max(task.start_s, -period_s), end_s=min(task.end_s, 2 * period_s))
    near_epoch = brief.start_s < period_s and brief.end_s > -period_s
    point = ForceModel(degree=0, bodies=task.model.bodies, srp=False)
    if near_epoch:
        found = None
        for _ in range(_RETRIES):
            found = _shoot(brief, shape, phase, length, point, found)
            fault = _wrapped(task.phase_deg - found.phase_deg)
            if abs(fault) < _AIM_DEG:
                break
            phase += fault
    found = _shoot(task, shape, phase, length, task.model)
    for _ in range(3):
        fault = _wrapped(task.phase_deg - found.phase_deg) if near_epoch else 0.0
        slow = period_s - found.mean_s
        if abs(fault) < 0.85 * PHASE_DEG and abs(slow) < 0.5 * LOCK_DAYS * DAY_S:
            break
        phase, length = phase + fault, length + slow
        found = _shoot(task, shape, phase, length, task.model, found)
    return found


@lru_cache(maxsize=32)
def _halo_period_of(point: str, branch: str, height_km, system, epoch, ephemeris, bodies) -> float:
    """Mean revolution in s of a halo of the named height, flown for a year as a point among points.

    Height and period go together: what the family says would bring the flown height to the named
    one is added to the reference's revolution. The same for every phase, so members keep step.
    """
    orbit = families.halo(point, branch, height_km, system=system)
    model = ForceModel(degree=0, bodies=bodies, srp=False)
    task = _Task(orbit, 0.0, epoch, 0.0, _FIT_DAYS * DAY_S, ephemeris, model, {})
    low, high = _within_data(replace(task, end_s=0.0), 0.0, task.end_s)
    task = replace(task, start_s=low, end_s=high)
    named_km, lu = orbit.amplitude_z_km, orbit.system.lu_km
    top_km = families.halo_limits_km(point, branch, system)[1]
    length = _locked_s(orbit)
    found = _shoot(task, orbit, 0.0, length, model)
    for _ in range(_RETRIES):
        flown_km = found.height_nd * lu
        if abs(flown_km - named_km) < max(_HEIGHT * named_km, _HEIGHT_KM):
            break
        like_km = min(max(flown_km, 1.0), 2 * named_km, 0.5 * (named_km + top_km))
        like = families.halo(point, branch, like_km, system=orbit.system)
        length += (orbit.period_nd - like.period_nd) * REAL.tu_s
        found = _shoot(task, orbit, 0.0, length, model, found)
    return found.mean_s


def _halo_period_s(task) -> float:
    orbit = task.orbit
    return _halo_period_of(
        orbit.libration_point, orbit.branch, orbit.amplitude_z_km, orbit.system, task.epoch,
        task.ephemeris, task.model.bodies,
    )  # fmt: skip


def _shoot(task: _Task, shape, phase_deg, period_s, model, like: _Found | None = None) -> _Found:
    """A continuous trajectory near the placed ``shape``, a revolution beyond both ends.

    ``like`` is one with almost the same phase and revolution: it begins from that. Where the
    direct attempt fails, a reference that keeps step with the Moon's angle is tried, and then an
    arc no longer than needed. Raises the first ConvergenceError when all fail.
    """
    ways = [(_LEAST_REVS, False), (_LEAST_REVS, True)]
    if task.end_s - task.start_s < (_LEAST_REVS - 2 * _MARGIN_REVS) * period_s:
        ways += [(0, False), (0, True)]
    if like is not None:
        ways.sort(key=lambda way: way != like.way)  # its own first
    failed: ConvergenceError | None = None
    for way in ways:
        try:
            return _shoot_once(task, shape, phase_deg, period_s, model, like, way)
        except ConvergenceError as fault:
            failed = failed or fault
    assert failed is not None
    raise failed


def _shoot_once(task, shape, phase_deg, period_s, model, like, way) -> _Found:
    least_revs, by_angle = way
    turns = _TURNS[task.orbit.family]
    offset, about = phase_deg / 360.0, task.phase_deg / 360.0  # a shift keeps the revolutions
    first = math.floor(task.start_s / period_s + about - 0.1) - _MARGIN_REVS
    last = math.ceil(task.end_s / period_s + about + 0.1) + _MARGIN_REVS
    last = max(last, first + least_revs)
    node_t = ((first + np.arange(last - first)[:, None] + turns).ravel() - offset) * period_s
    node_t = np.append(node_t, (last - offset) * period_s)
    low, high = _within_data(task, node_t[0], node_t[-1])
    node_t = node_t[(node_t >= low) & (node_t <= high)]
    node_t = np.unique(np.concatenate([[min(low, task.start_s)], node_t])) if (
        node_t[0] > task.start_s
    ) else node_t  # fmt: skip
    arc_low, arc_high = min(node_t[0], task.start_s), max(node_t[-1], task.end_s)
    point = ForceModel(degree=0, bodies=model.bodies, srp=False)
    rough = task.arc(arc_low, arc_high, point)
    arc = replace(rough, model=model, craft=task.craft if model is task.model else {})
    reference = place(
        shape, phase_deg, period_s, task.epoch, node_t, task.ephemeris, by_angle=by_angle
    )
    speed = 2 * math.pi / period_s
    weights = _POSITION_KM**2 * np.repeat([1.0, speed**2], 3)
    nodes = None
    if like is not None and like.way == way and like.deviation.shape == reference.shape:
        with suppress(ConvergenceError):
            nodes = close(arc, node_t, reference + like.deviation, weights)
    if nodes is None:
        nodes = grow(rough, node_t, reference, weights, len(turns), arc)
    dense = np.arange(node_t[0], node_t[-1], period_s / SAMPLES_PER_REV)
    states = arc.between(node_t, nodes.states, dense)
    events = phase_events(task.orbit, states, task.epoch, dense, task.ephemeris)
    mean_s, phase = _measured(events.phase_zero_s, period_s)
    phase = phase_deg if phase is None else phase
    lowest_s = float(
        events.perilune_s[np.argmin(np.where(_shown(task, events), events.perilune_km, math.inf))]
    )
    return _Found(
        arc, nodes, mean_s, phase, _shown_perilunes(task, events), lowest_s, events.height_nd,
        nodes.states - reference, way,
    )  # fmt: skip


# ---------------------------------------------------------------- stable: DRO


def _fly_stable(task: _Task, t):
    """States (N, 6) on the grid and notes, for a DRO: one state, flown."""
    failed: ConvergenceError | None = None
    for shift_deg in _SHIFTS_DEG:  # large ones last only from some of the phases allowed
        for by_angle in (False, True):
            try:
                return _fly_fitted(task, t, by_angle, shift_deg)
            except ConvergenceError as fault:
                failed = failed or fault
    assert failed is not None
    raise failed


def _fly_fitted(task: _Task, t, by_angle, shift_deg):
    period_s = _locked_s(task.orbit)
    shape = _native(task.orbit)
    revs = min(max(_FIT_DAYS * DAY_S, task.end_s) / period_s, _FIT_REVS)
    low, high = _within_data(task, 0.0, max(revs, 4) * period_s)
    if high < 4 * period_s and -task.epoch.tdb_s + FIRST_S < -4 * period_s:
        low, high = -revs * period_s, 0.0  # the data end: fit backwards
    end_s = high if high > 0 else low
    span = _within_data(
        task, min(low, task.start_s, -1.3 * period_s), max(high, task.end_s, 1.3 * period_s)
    )
    model = task.model
    if model.degree > _FAR_DEGREE and shape.perilune_km > _FAR_KM:
        model = replace(model, degree=_FAR_DEGREE)  # for the choice of state; the flight has all
    # a choice, not the flight: a looser tolerance does
    arc = replace(task.arc(*span, task.model), model=model, rtol=1e-10)
    phase, length, state, hint = task.phase_deg + shift_deg, period_s, None, None
    worst, mean_s, events = (math.inf, math.inf), period_s, None
    needed = max(abs(task.start_s), abs(task.end_s))
    for _ in range(_RETRIES):
        state, reached, hint = fit_state(
            arc, shape, phase, length, end_s, task.ephemeris, needed_s=needed, hint=hint,
            by_angle=by_angle,
        )  # fmt: skip
        dense = np.arange(
            max(span[0], min(reached, -1.2 * period_s)),
            min(span[1], max(reached, 1.2 * period_s)),
            period_s / SAMPLES_PER_REV,
        )
        events = phase_events(
            task.orbit, arc.both_ways(state, dense), task.epoch, dense, task.ephemeris
        )
        mean_s, found = _measured(events.phase_zero_s, period_s)
        fault = _wrapped(task.phase_deg - (task.phase_deg if found is None else found))
        slow = period_s - mean_s
        worst = (abs(fault), abs(slow) / DAY_S)
        if worst[0] < _AIM_DEG and worst[1] < _AIM_DAYS:
            break
        phase, length = phase + fault, length + slow
    if state is None or events is None or worst[0] > PHASE_DEG or worst[1] > LOCK_DAYS:
        raise ConvergenceError(
            f"the DRO's mean revolution could not be locked: {worst[1]:.3f} days and "
            f"{worst[0]:.1f} degrees off"
        )
    flown = propagate(state, task.epoch, t, task.model, task.ephemeris, rtol=1e-13, **task.craft)
    return flown.states, {
        "mean_period_days": mean_s / DAY_S,
        "perilune_flown_km": _shown_perilunes(task, events),
        "worst_position_gap_m": 0.0,
        "worst_velocity_gap_mm_s": 0.0,
        "state_km_km_s": state.tolist(),
    }
