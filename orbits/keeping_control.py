"""Manoeuvres that keep a craft on its orbit: solved in the force model, for many craft at once.

A *passage* is where a path meets the x-z plane of the rotating Earth-Moon axes, or an apsis.
Crossing control asks for one scalar there (the velocity along x, or the instant) by the least
impulse; targeting asks for positions of the reference; a transfer adds an impulse on arrival.
Each impulse is a differential correction with the craft's own transition matrix.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from orbits.constants import GM_MOON_KM3_S2
from orbits.ephemeris import BodyTable, Ephemeris
from orbits.epoch import Epoch
from orbits.errors import ComputationError, ConvergenceError, InputError
from orbits.forces import ForceModel
from orbits.frames import rotation_and_rate
from orbits.propagate import flow

PLANE, APSIS = "plane", "apsis"  # kinds of passage
VX, TIME = "vx", "time"  # what is asked for there
TOLERANCE = {VX: 1e-7, TIME: 1.0}  # km/s and s: nearer than anything is known or executed
_INSTANT_S = 1e-3
_DIFFERENCE_S = 5.0
_STEP_KM_S = 0.05  # no correction changes an impulse by more at once
_OWN, _CHORD, _SEARCH = 4, 4, 15  # matrices taken anew, steps with each, Newton steps in time


@dataclass(frozen=True, eq=False)
class Flight:
    """What craft are flown in: epoch, bodies, force model, solar pressure, relative tolerance."""

    epoch: Epoch
    ephemeris: Ephemeris
    table: BodyTable
    model: ForceModel
    craft: dict
    rtol: float = 1e-10

    def carry(self, states, t0_s, t1_s, stm: bool = False, impact: bool = False):
        """States (K, 6) at ``t1_s``, and transition matrices (K, 6, 6) or None.

        A craft that cannot be flown there (it meets the Moon) is not a number from then on, so
        that it does not stop the others.
        """
        t0, t1 = (np.array(np.broadcast_to(t, len(states)), dtype=float) for t in (t0_s, t1_s))
        ends = np.full((len(states), 6), np.nan)
        matrices = np.full((len(states), 6, 6), np.nan) if stm else None
        flying = np.isfinite(states).all(axis=1) & np.isfinite(t1)

        def fly(rows):
            ends[rows], phi = flow(
                states[rows], t0[rows], t1[rows], self.epoch, self.table, self.model, stm=stm,
                rtol=self.rtol, impact=impact, **self.craft,
            )  # fmt: skip
            if matrices is not None:
                matrices[rows] = phi

        rows = np.flatnonzero(flying)
        try:
            fly(rows)
        except ComputationError:
            for row in rows:
                with suppress(ComputationError):
                    fly(np.array([row]))
        return ends, matrices


@dataclass(frozen=True, eq=False)
class Passed:
    """States (K, 6) at a passage, its instants (K,), the ``value`` there, and whether found.

    ``gradient`` (K, 6) is that of the value by the state at the start, None unless asked for.
    """

    t_s: np.ndarray
    states: np.ndarray
    value: np.ndarray
    gradient: np.ndarray | None
    found: np.ndarray


def rotating_vx(epoch: Epoch, ephemeris: Ephemeris, states, t_s) -> np.ndarray:
    """Velocities (K,) in km/s along x of the rotating axes, relative to them and the Moon."""
    turn, rate = rotation_and_rate("EARTH_MOON_ROTATING", epoch, t_s, ephemeris)
    r, v = states[:, :3], states[:, 3:]
    return (turn[:, 0] * v).sum(axis=1) + (rate[:, 0] * r).sum(axis=1)


def _margin(flight, kind, states, t):
    """What is zero at a passage (K,), its rate, and its gradient (K, 6) by the state."""
    r, v = states[:, :3], states[:, 3:]
    if kind == PLANE:
        turn, rate = rotation_and_rate("EARTH_MOON_ROTATING", flight.epoch, t, flight.ephemeris)
        gradient = np.concatenate([turn[:, 1], np.zeros_like(r)], axis=1)
        value = (turn[:, 1] * r).sum(axis=1)
        return value, (turn[:, 1] * v + rate[:, 1] * r).sum(axis=1), gradient
    if kind == APSIS:
        speed2, distance = (v * v).sum(axis=1), np.linalg.norm(r, axis=1)
        return (r * v).sum(axis=1), speed2 - GM_MOON_KM3_S2 / distance, np.hstack([v, r])
    raise InputError(f"no passage {kind!r}", key="kind", value=kind, allowed=f"{PLANE}, {APSIS}")


def find_passage(
    flight: Flight, states, t0_s: float, near_s, kind: str = PLANE, quantity: str = VX, *,
    gradient: bool = False,
) -> Passed:  # fmt: skip
    """The passage nearest to ``near_s`` of each craft whose state (K, 6) holds at ``t0_s``.

    MOON_ICRF, km and km/s. ``quantity`` is "vx" (km/s, rotating axes) or "time" (s past the
    epoch).
    """
    states = np.atleast_2d(np.asarray(states, dtype=float))
    t = np.array(np.broadcast_to(np.asarray(near_s, dtype=float), states.shape[:1]))
    here, phi = flight.carry(states, t0_s, t, gradient)
    last = np.full(t.shape, np.inf)
    shift = flight.epoch - flight.table.epoch
    low = flight.table.start_s - shift + 2 * _DIFFERENCE_S
    high = flight.table.end_s - shift - 2 * _DIFFERENCE_S
    for _ in range(_SEARCH):
        value, rate, _ = _margin(flight, kind, here, t)
        # no further than the path stays nearly straight
        reach = 0.5 * np.linalg.norm(here[:, :3], axis=1) / np.linalg.norm(here[:, 3:], axis=1)
        last = np.nan_to_num(np.clip(-value / rate, -reach, reach))
        last = np.clip(t + last, low, high) - t
        if not (np.abs(last) >= _INSTANT_S).any():
            break
        here, step = flight.carry(here, t, t + last, gradient)
        if phi is not None:
            phi = step @ phi
        t = t + last
    found = (np.abs(last) < 1.0) & np.isfinite(here).all(axis=1)
    if quantity == TIME:
        wanted = t
    elif quantity == VX:
        wanted = rotating_vx(flight.epoch, flight.ephemeris, here, t)
    else:
        raise InputError(f"no quantity {quantity!r}", value=quantity, allowed=f"{VX}, {TIME}")
    slope = None
    if gradient:
        assert phi is not None
        slope = _slope(flight, kind, quantity, here, t, phi)
    return Passed(t, here, wanted, slope, found)


def _slope(flight, kind, quantity, here, t, phi):
    """Gradient (K, 6) of the quantity at the passage by the state at the start.

    The instant moves with the state: dt = -(grad f . dx) / (df/dt).
    """
    before, _ = flight.carry(here, t, t - _DIFFERENCE_S)
    after, _ = flight.carry(here, t, t + _DIFFERENCE_S)
    span = 2 * _DIFFERENCE_S
    f0, _, _ = _margin(flight, kind, before, t - _DIFFERENCE_S)
    f1, _, _ = _margin(flight, kind, after, t + _DIFFERENCE_S)
    _, _, normal = _margin(flight, kind, here, t)
    moved = -normal / ((f1 - f0) / span)[:, None]  # of the instant, by the state there
    if quantity == TIME:
        by_state = moved
    else:
        q0 = rotating_vx(flight.epoch, flight.ephemeris, before, t - _DIFFERENCE_S)
        q1 = rotating_vx(flight.epoch, flight.ephemeris, after, t + _DIFFERENCE_S)
        turn, rate = rotation_and_rate("EARTH_MOON_ROTATING", flight.epoch, t, flight.ephemeris)
        by_state = np.hstack([rate[:, 0], turn[:, 0]]) + moved * ((q1 - q0) / span)[:, None]
    return np.einsum("ki,kij->kj", by_state, phi)


def _capped(step):
    size = np.linalg.norm(step, axis=1)
    return step * np.minimum(1.0, _STEP_KM_S / np.maximum(size, 1e-300))[:, None]


def correct_passage(
    flight: Flight, states, t0_s: float, near_s: float, wanted, kind: str = PLANE,
    quantity: str = VX, *, reference=None, guess=None, tolerance: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Least impulses (K, 3) in km/s at ``t0_s`` that give ``wanted`` at the passage, and which do.

    ``states`` (K, 6) as known at ``t0_s``; ``wanted`` (a number, or (K,)) in km/s or s. Folta et
    al., Earth-Moon libration point orbit stationkeeping, Acta Astronautica 94:421 (2014). With
    ``reference``, the state (6,) from which ``wanted`` is reached without any, Newton's method
    begins from the linear answer about it: an unstable orbit's own path may be lost by then. Or
    it begins from ``guess`` (K, 3), the answer for a nearer passage. Where no impulse was found
    the second answer (K,) is False.
    """
    y = np.array(np.atleast_2d(states), dtype=float)
    wanted = np.broadcast_to(np.asarray(wanted, dtype=float), y.shape[:1])
    enough = TOLERANCE[quantity] if tolerance is None else tolerance
    dv, done = np.zeros((len(y), 3)), np.zeros(len(y), dtype=bool)
    if guess is not None:
        dv = np.array(guess, dtype=float)
    elif reference is not None:
        goal = np.asarray(reference, dtype=float)
        passed = find_passage(flight, goal, t0_s, near_s, kind, quantity, gradient=True)
        assert passed.gradient is not None
        about = passed.gradient[0]
        fault = passed.value[0] + (y - goal) @ about - wanted
        if passed.found[0]:
            dv = -_capped(fault[:, None] * about[3:] / (about[3:] @ about[3:]))
    for _ in range(_OWN):
        todo = np.flatnonzero(~done)
        if not todo.size:
            break
        at = _with(y[todo], dv[todo])
        passed = find_passage(flight, at, t0_s, near_s, kind, quantity, gradient=True)
        assert passed.gradient is not None
        slope, fault = passed.gradient[:, 3:], passed.value - wanted[todo]
        done[todo] = passed.found & (np.abs(fault) < enough)
        for _ in range(_CHORD):
            open_ = ~done[todo]
            if not open_.any():
                break
            todo, slope, fault = todo[open_], slope[open_], fault[open_]
            dv[todo] -= _capped(fault[:, None] * slope / (slope * slope).sum(axis=1)[:, None])
            passed = find_passage(flight, _with(y[todo], dv[todo]), t0_s, near_s, kind, quantity)
            before, fault = np.abs(fault), passed.value - wanted[todo]
            done[todo] = passed.found & (np.abs(fault) < enough)
            dv[todo[~np.isfinite(fault)]] = np.nan
            if not (np.abs(fault) < 0.5 * before)[~done[todo]].any():
                break  # the matrices are too old
    return dv, done


def _with(states, dv):
    return np.hstack([states[:, :3], states[:, 3:] + dv])


def correct_positions(
    flight: Flight, states, t0_s: float, t1_s, positions_km, *, tolerance_km: float = 1e-3,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Impulses (K, 3) in km/s at ``t0_s`` towards positions at later instants, which converged,
    and the states (K, 6) at the last of them.

    ``t1_s`` (T,) increase; ``positions_km`` (T, 3), or (K, T, 3), MOON_ICRF. One position is met,
    several are approached in the least-squares sense.
    """
    y = np.array(np.atleast_2d(states), dtype=float)
    t1 = np.atleast_1d(np.asarray(t1_s, dtype=float))
    aim = np.broadcast_to(np.asarray(positions_km, dtype=float), (len(y), t1.size, 3))
    dv, done = np.zeros((len(y), 3)), np.zeros(len(y), dtype=bool)
    ends = y.copy()
    for _ in range(_OWN * _CHORD):
        todo = np.flatnonzero(~done)
        if not todo.size:
            break
        here, total, t = _with(y[todo], dv[todo]), np.eye(6), t0_s
        fault, slope = np.empty((len(todo), t1.size, 3)), np.empty((len(todo), t1.size, 3, 3))
        for k, later in enumerate(t1):
            here, phi = flight.carry(here, t, later, True)
            assert phi is not None
            total, t = phi @ total, later
            fault[:, k] = here[:, :3] - aim[todo, k]
            slope[:, k] = total[:, :3, 3:]
        ends[todo] = here
        fault, slope = fault.reshape(len(todo), -1), slope.reshape(len(todo), -1, 3)
        change = -np.einsum("kij,kj->ki", np.linalg.pinv(slope), fault)
        left = np.linalg.norm(np.einsum("kij,kj->ki", slope, change), axis=1)
        done[todo] = left < tolerance_km
        dv[todo] += np.where(done[todo][:, None], 0.0, _capped(change))
    return dv, done, ends


def cheapest_arrivals(
    flight: Flight, states, t0_s: float, t1_s, goals
) -> tuple[np.ndarray, np.ndarray]:
    """The number of the instant at which two impulses lead a craft back cheapest, and their cost.

    Both (K,), the cost in km/s. ``t1_s`` (T,) increase, with the reference's states ``goals``
    (T, 6) there. By linear theory about the craft's own path: for the choice, not the impulses.
    """
    y = np.atleast_2d(states)
    here, total, t = y.copy(), np.eye(6), t0_s
    cost = np.empty((len(y), len(t1_s)))
    for k, later in enumerate(t1_s):
        here, phi = flight.carry(here, t, later, True)
        assert phi is not None
        total, t = phi @ total, later
        gap = goals[k] - here
        blocks = np.nan_to_num(total)
        first = np.einsum("kij,kj->ki", np.linalg.pinv(blocks[:, :3, 3:]), gap[:, :3])
        second = gap[:, 3:] - np.einsum("kij,kj->ki", blocks[:, 3:, 3:], first)
        cost[:, k] = np.linalg.norm(first, axis=1) + np.linalg.norm(second, axis=1)
    cost = np.where(np.isfinite(cost), cost, np.inf)
    return cost.argmin(axis=1), cost.min(axis=1)


def two_impulses(
    flight: Flight, state, t0_s: float, t1_s: float, goal, *, revolutions: int = 0
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The two impulses (3,) and (3,) in km/s that lead from ``state`` (6,) to ``goal`` (6,).

    MOON_ICRF at ``t0_s`` and ``t1_s``. Begins from the craft's own path; where that does not lead
    there, from Lambert's legs about the Moon of so many ``revolutions`` (either sense and both
    paths). Raises ConvergenceError.
    """
    from orbits.transfer import lambert

    state, goal = (np.asarray(s, dtype=float) for s in (state, goal))
    dv, done, end = correct_positions(flight, state, t0_s, [t1_s], goal[None, :3])
    if done[0]:
        return dv[0], goal[3:] - end[0, 3:]
    for prograde in (True, False):
        for low_path in (True, False):
            try:
                leave, _ = lambert(
                    state[:3], goal[:3], t1_s - t0_s, prograde=prograde, low_path=low_path,
                    revolutions=revolutions,
                )  # fmt: skip
            except (ConvergenceError, InputError):
                continue
            seed = np.concatenate([state[:3], leave])
            dv, done, end = correct_positions(flight, seed, t0_s, [t1_s], goal[None, :3])
            if done[0]:
                return leave + dv[0] - state[3:], goal[3:] - end[0, 3:]
    raise ConvergenceError(f"no transfer of {t1_s - t0_s:.0f} s was found")
