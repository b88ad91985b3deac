"""Periodic orbits of the rotating problem flown in the real Earth-Moon system.

Lengths scale with the Earth-Moon distance of the instant, and the mean revolution is locked to the
resonance, or to the period of the CR3BP orbit (a halo named by its height keeps that instead). All
but DROs are unstable: they are shot in pieces that join to 1 mm and 1 um/s (``orbits.locking``). A
DRO is stable: one state is chosen for its mean period and flown.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from orbits.constants import DAY_S
from orbits.ephemeris import FIRST_S, Ephemeris, check_span
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, SpanError
from orbits.families import PeriodicOrbit
from orbits.fitting import fit_state
from orbits.forces import ForceModel
from orbits.locking import (
    AIM_DEG,
    LOCK_DAYS,
    PHASE_DEG,
    RETRIES,
    Task,
    fly_unstable,
    locked_s,
    locked_to,
    measured,
    native,
    shown_perilunes,
    within_data,
    wrapped,
)
from orbits.placing import (
    SAMPLES_PER_REV,
    choose_bright_phase,
    closed_world,
    phase_events,
    place,
    stray_km,
)
from orbits.propagate import propagate
from orbits.spatial_dro import fly_spatial
from orbits.trajectory import Trajectory

_AIM_DAYS = 0.004
_FLED = 2.0  # times the apolune: that far out an orbit is no longer near it
_FIT_DAYS, _FIT_REVS = 366.0, 80  # a DRO's mean period is fitted over a year or 80 revolutions
_FAR_KM, _FAR_DEGREE = 15_000.0, 4  # that far out, harmonics above this degree choose nothing

UNSTABLE = (
    "the orbit is unstable: the state at the epoch alone does not reproduce it, "
    "use the trajectory (joined to 1 mm and 1 um/s at its nodes) or station-keeping"
)


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
    ``mean_period_days``, ``locked_period_days`` and what that is (``locked_to``),
    ``perilune_flown_km`` (least, median, most), ``worst_position_gap_m``,
    ``worst_velocity_gap_mm_s``, ``strays_km`` (furthest from the scaled CR3BP orbit), ``phase_deg``
    and sentences in ``remarks``. Raises ConvergenceError when there is no such trajectory.
    """
    t = _grid(start_s, end_s, step_s)
    check_span(epoch, t)
    craft = {} if mass_kg is None else {"mass_kg": mass_kg, "area_m2": area_m2, "cr": cr}
    remarks = []
    if phase_deg is None:
        phase_deg = 0.0
        if orbit.family == "nrho":
            period_s = locked_s(orbit)
            phase_deg, shadow_h = choose_bright_phase(
                native(orbit), period_s, epoch, start_s, end_s, ephemeris
            )
            remarks.append(
                f"phase {phase_deg:g} degrees chosen for least shadow of Earth and Moon "
                f"({shadow_h:.1f} h in the span)"
            )
    task = Task(orbit, phase_deg % 360.0, epoch, t[0], t[-1], ephemeris, model, craft)
    if orbit.family == "dro" and orbit.amplitude_z_km > 1e-6:
        states, extra = fly_spatial(task, t)
    elif orbit.family == "dro":
        states, extra = _fly_stable(task, t)
    else:
        states, extra = fly_unstable(task, t)
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
    return place(orbit, phase_deg, locked_s(orbit), epoch, t_s, ephemeris)


def _grid(start_s, end_s, step_s):
    if not (math.isfinite(start_s) and math.isfinite(end_s) and end_s > start_s and step_s > 0):
        raise SpanError(f"no span from {start_s} to {end_s} s by {step_s} s")
    count = max(1, math.ceil((end_s - start_s) / step_s - 1e-9))
    t = start_s + step_s * np.arange(count + 1)
    t[-1] = end_s
    return t


# ---------------------------------------------------------------- stable: DRO


def _fly_stable(task: Task, t):
    """States (N, 6) on the grid and notes, for a DRO: one state, flown.

    The state is fitted; where that fails, it is the epoch's of a trajectory shot in pieces.
    """
    failed: ConvergenceError | None = None
    for by_angle in (False, True):
        try:
            return _fly_fitted(task, t, by_angle)
        except ConvergenceError as fault:
            failed = failed or fault
    assert failed is not None
    if not task.start_s <= 0.0 <= task.end_s:
        raise failed
    states, notes = fly_unstable(task, np.zeros(1))
    flown = _flown(task, t, states[0])
    if np.linalg.norm(flown[:, :3], axis=1).max() > _FLED * task.orbit.apolune_km:
        raise failed
    return flown, notes | {
        "worst_position_gap_m": 0.0,
        "worst_velocity_gap_mm_s": 0.0,
        "state_km_km_s": states[0].tolist(),
    }


def _flown(task, t, state):
    return propagate(
        state, task.epoch, t, task.model, task.ephemeris, rtol=1e-13, escape_km=math.inf,
        **task.craft,
    ).states  # fmt: skip


def _fly_fitted(task: Task, t, by_angle):
    period_s = locked_s(task.orbit)
    shape = native(task.orbit)
    revs = min(max(_FIT_DAYS * DAY_S, task.end_s) / period_s, _FIT_REVS)
    low, high = within_data(task, 0.0, max(revs, 4) * period_s)
    if high < 4 * period_s and -task.epoch.tdb_s + FIRST_S < -4 * period_s:
        low, high = -revs * period_s, 0.0  # the data end: fit backwards
    end_s = high if high > 0 else low
    span = within_data(
        task, min(low, task.start_s, -1.3 * period_s), max(high, task.end_s, 1.3 * period_s)
    )
    model = task.model
    if model.degree > _FAR_DEGREE and shape.perilune_km > _FAR_KM:
        model = replace(model, degree=_FAR_DEGREE)  # for the choice of state; the flight has all
    # a choice, not the flight: a looser tolerance does
    arc = replace(task.arc(*span), model=model, rtol=1e-10)
    phase, length, state, hint = task.phase_deg, period_s, None, None
    worst, mean_s, events = (math.inf, math.inf), period_s, None
    needed = max(abs(task.start_s), abs(task.end_s))
    for _ in range(RETRIES):
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
        mean_s, found = measured(events.phase_zero_s, period_s, dense[0])
        fault = wrapped(task.phase_deg - (task.phase_deg if found is None else found))
        slow = period_s - mean_s
        worst = (abs(fault), abs(slow) / DAY_S)
        if worst[0] < AIM_DEG and worst[1] < _AIM_DAYS:
            break
        phase, length = phase + fault, length + slow
    if state is None or events is None or worst[0] > PHASE_DEG or worst[1] > LOCK_DAYS:
        raise ConvergenceError(
            f"the DRO's mean revolution could not be locked: {worst[1]:.3f} days and "
            f"{worst[0]:.1f} degrees off"
        )
    return _flown(task, t, state), {
        "mean_period_days": mean_s / DAY_S,
        "locked_period_days": period_s / DAY_S,
        "locked_to": locked_to(task.orbit),
        "perilune_flown_km": shown_perilunes(task, events),
        "worst_position_gap_m": 0.0,
        "worst_velocity_gap_mm_s": 0.0,
        "state_km_km_s": state.tolist(),
    }
