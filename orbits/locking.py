"""Unstable periodic orbits in the real system: shot in pieces, locked in mean period and phase.

The reference is the periodic orbit placed at the real Earth and Moon; its revolution and phase are
shifted until the flown ones are as asked. Where no direct attempt finds a continuous trajectory
near it, it is followed from the three-body problem (``orbits.homotopy``).
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from orbits import families
from orbits.constants import DAY_S, GM_EARTH_KM3_S2, GM_MOON_KM3_S2, MOON_RADIUS_KM
from orbits.cr3bp import EARTH_MOON, System
from orbits.ephemeris import FIRST_S, LAST_S, Ephemeris
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, FamilyError, ImpactError
from orbits.families import PeriodicOrbit
from orbits.forces import ForceModel
from orbits.homotopy import follow
from orbits.placing import MONTH_S, SAMPLES_PER_REV, phase_events, place
from orbits.shooting import Arc, LostError, Nodes, close, grow, polish

# The real month as units: length by Kepler's law
_RATE = 2 * math.pi / MONTH_S
REAL = System(EARTH_MOON.mu, ((GM_EARTH_KM3_S2 + GM_MOON_KM3_S2) / _RATE**2) ** (1 / 3), 1 / _RATE)

LOCK_DAYS = 0.01  # how near the mean revolution must come
PHASE_DEG = 3.0  # and the phase at the epoch
AIM_DEG = 1.5
RETRIES = 8
_MARGIN_REVS = 1  # flown beyond both ends
_LEAST_REVS = 13  # and in all, so that a mean is a mean
_YEAR_S = 366 * DAY_S
_HEIGHT, _HEIGHT_KM = 0.05, 300.0  # how near a halo's height must come: a share, or km
_KEPT = 0.2  # a height that goes further from the named one is said
_POSITION_KM = 1e4  # deviations allowed from the reference, relative to those in velocity only

# how a reference comes about, and how an arc along it: the cheapest first
_KINDS = ("time", "angle", "time whole", "angle whole", "homotopy")
_BY_ANGLE, _WHOLE = ("angle", "angle whole", "homotopy"), ("time whole", "angle whole")

# nodes in a revolution, in turns: an NRHO's keep away from perilune (half a turn)
_TURNS = {
    "dro": np.arange(8) / 8,
    "halo": np.arange(8) / 8,
    "nrho": np.array([0.0, 0.15, 0.3, 0.4, 0.6, 0.7, 0.85]),
    "lyapunov": np.arange(8) / 8,
    "butterfly": np.array([0.0, 0.1, 0.19, 0.34, 0.42, 0.5, 0.58, 0.66, 0.81, 0.9]),
}


@dataclass(frozen=True)
class Task:
    """One flight: what, from when to when, in what."""

    orbit: PeriodicOrbit
    phase_deg: float
    epoch: Epoch
    start_s: float
    end_s: float
    ephemeris: Ephemeris
    model: ForceModel
    craft: dict

    def arc(self, low_s, high_s) -> Arc:
        table = self.ephemeris.table(self.epoch, low_s, high_s)
        return Arc(self.epoch, table, self.model, self.craft)


def locked_to(orbit) -> str:
    """What fixes the mean revolution: "resonance", "period", "month" or "height".

    "period": that of the CR3BP record; "month": the same counted in time units of the real month;
    "height": what keeps a halo at the height that it was named by. Size belongs to period, and the
    record's month is 2 % longer than the Moon's: held to its days, an orbit named by size would
    flatten.
    """
    if orbit.parameter[0] == "resonance":
        return "resonance"
    if orbit.parameter[0] == "period_days" or orbit.family not in ("halo", "lyapunov"):
        return "period"
    return "height" if orbit.family == "halo" else "month"


def locked_s(orbit) -> float:
    """The mean revolution in s that is wanted; for a halo named by its height the first guess."""
    if locked_to(orbit) in ("month", "height"):
        return orbit.period_nd * REAL.tu_s
    return orbit.period_nd * orbit.system.tu_s


def native(orbit: PeriodicOrbit) -> PeriodicOrbit:
    """The family's member with the orbit's period in the real month: the shape that can be flown.

    The CR3BP record's month is 2 % longer than the Moon's, so at one period the shapes differ.
    """
    days = orbit.period_days
    if locked_to(orbit) in ("month", "height"):
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


def within_data(task, low_s, high_s):
    """The span cut to the ephemerides, a day inside them."""
    first, last = FIRST_S - task.epoch.tdb_s + DAY_S, LAST_S - task.epoch.tdb_s - DAY_S
    return max(low_s, min(first, task.start_s)), min(high_s, max(last, task.end_s))


def measured(events_s, period_s, begins_s):
    """Mean revolution (s) by a line through the events, and the phase (degrees) at the epoch.

    A flight that ``begins_s`` too late to hold the event before the epoch for certain (the data
    begin there) is read from the events after it, lest two readings alternate.
    """
    if len(events_s) < 2:
        return period_s, None
    number = np.arange(len(events_s))
    mean_s = float(np.polyfit(number, events_s, 1)[0]) if len(events_s) > 2 else float(
        events_s[1] - events_s[0]
    )  # fmt: skip
    if begins_s < -1.1 * period_s and events_s[0] <= 0.0 < events_s[-1]:
        k = int(np.searchsorted(events_s, 0.0, side="right")) - 1
        return mean_s, 360.0 * -events_s[k] / (events_s[k + 1] - events_s[k])
    nearest = events_s[np.argmin(np.abs(events_s))]
    return mean_s, (-360.0 * nearest / mean_s) % 360.0


def _shown(task, events):
    """Which perilunes are in the span, or all if it has none."""
    inside = (events.perilune_s >= task.start_s) & (events.perilune_s <= task.end_s)
    return inside if inside.any() else ~inside


def shown_perilunes(task, events) -> dict:
    """Least, median and most of the perilunes (km) in the span, or of all if it has none."""
    return spread(events.perilune_km[_shown(task, events)])


def spread(values) -> dict:
    """Least, median and most of the values."""
    return {
        "least": float(values.min()),
        "median": float(np.median(values)),
        "most": float(values.max()),
    }


def wrapped(angle_deg):
    return (angle_deg + 180.0) % 360.0 - 180.0


# ---------------------------------------------------------------- flown


def fly_unstable(task: Task, t):
    """States (N, 6), km and km/s, MOON_ICRF, on the grid, and notes, of an orbit shot in pieces."""
    remarks = []
    period_s, basis = locked_s(task.orbit), locked_to(task.orbit)
    if basis == "height":
        period_s = _halo_period_s(task)
        remarks.append(
            f"the mean revolution is {period_s / DAY_S:.4f} days, at which a halo of this height "
            "neither sinks nor climbs in the real system; the period in the CR3BP is "
            f"{task.orbit.period_nd * REAL.tu_s / DAY_S:.4f} days counted in the Moon's own month, "
            f"{task.orbit.period_days:.4f} in the record's longer one"
        )
    elif basis == "month":
        remarks.append(
            f"the mean revolution is locked to {period_s / DAY_S:.4f} days, the CR3BP period "
            "counted in the Moon's own month; in the record's longer one it is "
            f"{task.orbit.period_days:.4f}"
        )
    found = _lock(task, period_s)
    off_days = abs(found.mean_s - period_s) / DAY_S
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
    notes = {
        "mean_period_days": found.mean_s / DAY_S,
        "locked_period_days": period_s / DAY_S,
        "locked_to": basis,
        "perilune_flown_km": found.perilunes,
        "worst_position_gap_m": found.nodes.worst_gap_m,
        "worst_velocity_gap_mm_s": found.nodes.worst_gap_mm_s,
        "remarks": remarks,
    }
    if task.orbit.family == "halo":
        lu_km = task.orbit.system.lu_km
        heights = {k: v * lu_km for k, v in found.heights_nd.items()}
        notes["amplitude_z_flown_km"] = heights
        named = task.orbit.amplitude_z_km
        if basis == "height" and not (
            (1 - _KEPT) * named < heights["least"] and heights["most"] < (1 + _KEPT) * named
        ):
            remarks.append(
                f"the height goes from {heights['least']:.0f} to {heights['most']:.0f} km: "
                "in the real system a halo as near to the plane as this does not keep its own"
            )
    return states, notes


@dataclass(frozen=True, eq=False)
class _Found:
    arc: Arc
    nodes: Nodes
    mean_s: float
    phase_deg: float
    perilunes: dict
    heights_nd: dict
    lowest_s: float
    reference: np.ndarray
    weights: np.ndarray
    way: tuple[int, str]  # least revolutions, and how the reference came about


def _lock(task: Task, period_s: float) -> _Found:
    """The shot trajectory whose phase at the epoch and mean revolution are as asked.

    Both follow the reference's, but for the wobble that the real Moon's eccentric orbit gives
    each revolution; so the reference is shifted until they fit: the phase first, on a few
    revolutions about the epoch. All this with point masses; the full model comes last.
    """
    shape = native(task.orbit)
    phase, length = task.phase_deg, period_s
    brief = replace(task, start_s=max(task.start_s, -period_s), end_s=min(task.end_s, 2 * period_s))
    near_epoch = brief.start_s < period_s and brief.end_s > -period_s
    if near_epoch:
        found = None
        for _ in range(RETRIES):
            found = _shoot(brief, shape, phase, length, found)
            fault = wrapped(task.phase_deg - found.phase_deg)
            if abs(fault) < AIM_DEG:
                break
            phase += fault
    found = _shoot(task, shape, phase, length)
    for finish in (lambda rough: rough, lambda rough: _polished(task, rough)):
        found = finish(found)
        for _ in range(3):
            fault = wrapped(task.phase_deg - found.phase_deg) if near_epoch else 0.0
            slow = period_s - found.mean_s
            if abs(fault) < 0.85 * PHASE_DEG and abs(slow) < 0.5 * LOCK_DAYS * DAY_S:
                break
            phase, length = phase + fault, length + slow
            found = finish(_shoot(task, shape, phase, length, found))
    return found


@lru_cache(maxsize=32)
def _halo_period_of(
    point: str, branch: str, height_km, system, epoch, start_s, end_s, ephemeris, bodies
) -> float:
    """Mean revolution in s of a halo that keeps the named height over the span, as a point.

    Height and period go together: what the family says would bring the flown height to the named
    one is added to the reference's revolution. The same for every phase, so members keep step.
    """
    orbit = families.halo(point, branch, height_km, system=system)
    model = ForceModel(degree=0, bodies=bodies, srp=False)
    task = Task(orbit, 0.0, epoch, start_s, end_s, ephemeris, model, {})
    named_km, lu = orbit.amplitude_z_km, orbit.system.lu_km
    top_km = families.halo_limits_km(point, branch, system)[1]
    length = locked_s(orbit)
    found = _shoot(task, orbit, 0.0, length)
    for _ in range(RETRIES):
        flown_km = found.heights_nd["median"] * lu
        if abs(flown_km - named_km) < max(_HEIGHT * named_km, _HEIGHT_KM):
            break
        like_km = min(max(flown_km, 1.0), 2 * named_km, 0.5 * (named_km + top_km))
        like = families.halo(point, branch, like_km, system=orbit.system)
        length += (orbit.period_nd - like.period_nd) * REAL.tu_s
        found = _shoot(task, orbit, 0.0, length, found)
    return found.mean_s


def _halo_period_s(task) -> float:
    """The natural mean revolution over the task's span, or a year that holds it."""
    low, high = task.start_s, max(task.end_s, task.start_s + _YEAR_S)
    last = LAST_S - task.epoch.tdb_s - DAY_S
    if high > last:  # the data end: the year before
        high = max(last, task.end_s)
        low = min(low, high - _YEAR_S)
    orbit = task.orbit
    return _halo_period_of(
        orbit.libration_point, orbit.branch, orbit.amplitude_z_km, orbit.system, task.epoch,
        low, high, task.ephemeris, task.model.bodies,
    )  # fmt: skip


# ---------------------------------------------------------------- shot


def _shoot(task: Task, shape, phase_deg, period_s, like: _Found | None = None) -> _Found:
    """A nearly continuous trajectory of point masses near the placed ``shape``.

    A revolution beyond both ends. ``like`` is one with almost the same phase and revolution: it
    begins from that. Where the direct attempt fails, a reference that keeps step with the Moon's
    angle is tried, then both grown as a whole, then the way from the three-body problem; and at
    last all of them on an arc no longer than needed. Raises the ConvergenceError of the attempt
    that came farthest when all fail.
    """
    ways = [(_LEAST_REVS, kind) for kind in _KINDS]
    if task.end_s - task.start_s < (_LEAST_REVS - 2 * _MARGIN_REVS) * period_s:
        ways += [(0, kind) for kind in _KINDS]
    if like is not None:
        ways.sort(key=lambda way: way != like.way)  # its own first
    failed, lost = None, None
    for way in ways:
        try:
            return _shoot_once(task, shape, phase_deg, period_s, like, way)
        except LostError as fault:
            if lost is None or fault.reached_s > lost.reached_s:
                lost = fault
        except ConvergenceError as fault:
            failed = fault
    raise lost or failed or AssertionError


def _shoot_once(task, shape, phase_deg, period_s, like, way) -> _Found:
    node_t = _node_times(task, phase_deg, period_s, way[0])
    low, high = min(node_t[0], task.start_s), max(node_t[-1], task.end_s)
    arc = task.arc(low, high).rough()
    reference = place(
        shape, phase_deg, period_s, task.epoch, node_t, task.ephemeris, by_angle=way[1] in _BY_ANGLE
    )
    speed = 2 * math.pi / period_s
    weights = _POSITION_KM**2 * np.repeat([1.0, speed**2], 3)
    nodes = None
    if like is not None and like.way == way and like.reference.shape == reference.shape:
        guess = reference + (like.nodes.states - like.reference)
        with suppress(ConvergenceError):
            nodes = close(arc, node_t, guess, weights)
    if nodes is None:
        per_rev = len(_TURNS[task.orbit.family])
        if way[1] == "homotopy":
            states = follow(arc, shape, phase_deg, period_s, node_t, weights, task.ephemeris)
        else:
            states = grow(arc, node_t, reference, weights, per_rev, way[1] in _WHOLE)
        nodes = close(arc, node_t, states, weights)
    return _read(task, arc, nodes, phase_deg, period_s, reference, weights, way)


def _node_times(task, phase_deg, period_s, least_revs):
    """Times of the nodes in s: whole revolutions about the span, cut to the data."""
    turns = _TURNS[task.orbit.family]
    offset, about = phase_deg / 360.0, task.phase_deg / 360.0  # a shift keeps the revolutions
    first = math.floor(task.start_s / period_s + about - 0.1) - _MARGIN_REVS
    last = math.ceil(task.end_s / period_s + about + 0.1) + _MARGIN_REVS
    latest = math.floor((LAST_S - task.epoch.tdb_s - DAY_S) / period_s + offset)
    last = max(last, min(first + least_revs, latest))
    first = min(first, last - least_revs)
    t = ((first + np.arange(last - first)[:, None] + turns).ravel() - offset) * period_s
    t = np.append(t, (last - offset) * period_s)
    low, high = within_data(task, t[0], t[-1])
    t = t[(t >= low) & (t <= high)]
    if t[0] > task.start_s:
        t = np.unique(np.concatenate([[min(low, task.start_s)], t]))
    return t


def _polished(task, rough: _Found) -> _Found:
    """The same in the task's own model, continuous to 1 mm and 1 um/s."""
    arc = Arc(task.epoch, rough.arc.table, task.model, task.craft)
    nodes = polish(arc, rough.nodes.t_s, rough.nodes.states, rough.weights)
    return _read(
        task, arc, nodes, rough.phase_deg, rough.mean_s, rough.reference, rough.weights, rough.way
    )


def _read(task, arc, nodes, phase_deg, period_s, reference, weights, way) -> _Found:
    """What the flown nodes show: mean revolution, phase, perilunes, heights."""
    t = nodes.t_s
    dense = np.arange(t[0], t[-1], period_s / SAMPLES_PER_REV)
    states = arc.between(t, nodes.states, dense)
    events = phase_events(task.orbit, states, task.epoch, dense, task.ephemeris)
    mean_s, phase = measured(events.phase_zero_s, period_s, dense[0])
    shown = _shown(task, events)
    lowest_s = float(events.perilune_s[np.argmin(np.where(shown, events.perilune_km, math.inf))])
    return _Found(
        arc, nodes, mean_s, phase_deg if phase is None else phase, shown_perilunes(task, events),
        spread(events.heights_nd), lowest_s, reference, weights, way,
    )  # fmt: skip
