"""When a craft on an orbit is corrected, and towards what: plans read off a reference trajectory.

A plan knows its instants ``t_s`` and gives, for estimated states at one of them, the impulses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orbits.constants import GM_MOON_KM3_S2
from orbits.elements import elements_from_state
from orbits.ephemeris import Ephemeris
from orbits.errors import InputError
from orbits.frames import from_icrf, to_icrf
from orbits.keeping_control import (
    APSIS,
    PLANE,
    TIME,
    VX,
    Flight,
    cheapest_arrivals,
    correct_passage,
    correct_positions,
    rotating_vx,
)
from orbits.passages import find_apsides, find_plane_crossings
from orbits.trajectory import Trajectory

ROTATING = "EARTH_MOON_ROTATING"
HOLDS = ("phase", "period", "transfer")
_NEAREST_STEPS = 8
_ARRIVALS_PER_REV = 8


@dataclass(frozen=True, eq=False)
class CrossingPlan:
    """Crossing control: impulses at ``t_s`` (M,), each towards crossings at ``target_s`` (M, S).

    Asked for there is the reference's velocity along x of the rotating axes, ``vx_km_s`` (M, S).
    The last of the S is what an impulse meets; those before lead to it one after the other, as a
    path that escapes has lost its way by then.
    """

    reference: Trajectory
    t_s: np.ndarray
    target_s: np.ndarray
    vx_km_s: np.ndarray
    revolutions_ahead: float

    @property
    def last_s(self) -> float:
        """The last instant the plan looks at, s."""
        return float(self.target_s.max())

    def decide(self, flight: Flight, estimates, k: int, memory: dict):
        """Impulses (N, 3) in km/s at the k-th instant, and which could be found (N,)."""
        goal, guess = self.reference.at(self.t_s[k]), None
        dv, found = np.zeros((len(estimates), 3)), np.zeros(len(estimates), dtype=bool)
        for target, vx in zip(self.target_s[k], self.vx_km_s[k], strict=True):
            dv, found = correct_passage(
                flight, estimates, self.t_s[k], target, vx, PLANE, VX, reference=goal, guess=guess
            )
            guess = dv
        return dv, found


@dataclass(frozen=True, eq=False)
class TargetPlan:
    """Targeting: impulses at ``t_s`` (M,), towards the reference at ``ahead_s`` (M, T) later on."""

    reference: Trajectory
    t_s: np.ndarray
    ahead_s: np.ndarray

    @property
    def last_s(self) -> float:
        """The last instant the plan looks at, s."""
        return float(self.ahead_s.max())

    def decide(self, flight: Flight, estimates, k: int, memory: dict):
        """Impulses (N, 3) in km/s at the k-th instant, and which could be found (N,)."""
        aim = self.reference.at(self.ahead_s[k])[:, :3]
        dv, done, _ = correct_positions(flight, estimates, self.t_s[k], self.ahead_s[k], aim)
        return dv, done


@dataclass(frozen=True, eq=False)
class DriftPlan:
    """Drift within a box: a craft is looked at, and corrected once it is outside.

    It is looked at where ``look`` (M,) of the instants ``t_s`` (M,) says so. ``hold`` says how:

    - "phase": one impulse makes it pass on time at ``target_s`` (M,), and another when it gets
      there ends the drift.
    - "period": the reference is fitted anew to the craft. One impulse makes it pass as late at
      ``target_s`` as it is late now; the mean period is the reference's, and the box counts
      from here.
    - "transfer": two impulses lead back to the reference's states, the second at the cheapest of
      the instants up to ``longest_s`` later. It alone brings the elements back too.

    The box is in degrees of phase, and for ``kind`` "apsis" (a Keplerian orbit) also in
    eccentricity and in degrees of argument of periapsis from the reference's.
    """

    reference: Trajectory
    track: Trajectory
    t_s: np.ndarray
    look: np.ndarray
    longest_s: float
    target_s: np.ndarray
    period_s: float
    kind: str
    hold: str
    box_deg: float
    eccentricity: float | None
    argument_deg: float | None

    @property
    def last_s(self) -> float:
        """The last instant the plan looks at, s."""
        return float(max(self.target_s.max(), self.t_s[-1]) + self.period_s)

    def lag_s(self, flight: Flight, states, t_s: float) -> np.ndarray:
        """How late (s) craft with ``states`` (N, 6) at ``t_s`` are on the reference's path."""
        y = np.atleast_2d(states)
        if self.kind == PLANE:
            y = from_icrf(y, ROTATING, flight.epoch, np.full(len(y), t_s), flight.ephemeris)
        at = np.full(len(y), t_s)
        low, high = self.track.start_s, self.track.end_s
        for _ in range(_NEAREST_STEPS):
            there = self.track.at(at)
            gap, v = y[:, :3] - there[:, :3], there[:, 3:]
            step = (gap * v).sum(axis=1) / (v * v).sum(axis=1)
            at = np.clip(at + np.clip(step, -0.05 * self.period_s, 0.05 * self.period_s), low, high)
        return t_s - at

    def outside(self, states, t_s: float, lag_s) -> np.ndarray:
        """Which of the craft (N,) are outside the box, ``lag_s`` counted from its middle."""
        out = np.abs(lag_s) * 360.0 / self.period_s > self.box_deg
        if self.eccentricity is not None or self.argument_deg is not None:
            own = elements_from_state(np.atleast_2d(states), GM_MOON_KM3_S2)
            theirs = elements_from_state(self.reference.at(t_s), GM_MOON_KM3_S2)
            if self.eccentricity is not None:
                out = out | (np.abs(own[:, 1] - theirs[1]) > self.eccentricity)
            if self.argument_deg is not None:
                turn = np.angle(np.exp(1j * (own[:, 4] - theirs[4])), deg=True)
                out = out | (np.abs(turn) > self.argument_deg)
        return out

    def decide(self, flight: Flight, estimates, k: int, memory: dict):
        """Impulses (N, 3) in km/s at the k-th instant, and which could be found (N,)."""
        count, t = len(estimates), float(self.t_s[k])
        dv, done = np.zeros((count, 3)), np.ones(count, dtype=bool)
        due = memory.setdefault("due", np.full(count, -1))
        middle = memory.setdefault("middle_s", np.zeros(count))
        arriving = due == k
        due[arriving] = -1
        if not (self.look[k] or arriving.any()):
            return dv, done
        lag = self.lag_s(flight, estimates, t)
        if self.hold == "transfer" and arriving.any():  # the second impulse: fly as it does
            dv[arriving] = self._alongside(flight, estimates, t, lag)[arriving]
        if not self.look[k]:
            return dv, done
        outside = (due < 0) & ~arriving & self.outside(estimates, t, lag - middle)
        if self.hold == "transfer":
            self._transfer(flight, estimates, k, np.flatnonzero(outside), dv, due)
            return dv, done
        go = np.flatnonzero(outside | arriving)
        if go.size:  # what is not found is tried again at the next look: the orbit is stable
            at, first = self.target_s[k], outside[go] & (self.hold == "phase")
            own, found = correct_passage(
                flight, estimates[go], t, at, at + np.where(first, 0.0, lag[go]), self.kind, TIME
            )
            dv[go[found]] = own[found]
            later = int(np.searchsorted(self.t_s, at - 1.0))
            due[go[first & found]] = later if later < self.t_s.size else -1
            if self.hold == "period":
                middle[go[found]] = lag[go[found]]
        return dv, done

    def _alongside(self, flight, states, t_s, lag_s):
        """Impulses (N, 3) that give a craft the reference's velocity where it is on its path."""
        goal = self.track.at(np.clip(t_s - lag_s, self.track.start_s, self.track.end_s))
        if self.kind == APSIS:
            return goal[:, 3:] - states[:, 3:]
        t = np.full(len(states), t_s)
        turned = from_icrf(states, ROTATING, flight.epoch, t, flight.ephemeris)
        turned[:, 3:] = goal[:, 3:]
        back = to_icrf(turned, ROTATING, flight.epoch, t, flight.ephemeris)
        return back[:, 3:] - states[:, 3:]

    def _transfer(self, flight, estimates, k, go, dv, due):
        """Writes the first of two impulses into ``dv``, and when the second is ``due``."""
        t = float(self.t_s[k])
        last = int(np.searchsorted(self.t_s, t + self.longest_s, side="right"))
        first = int(np.searchsorted(self.t_s, t + 0.5 * self.period_s))
        if not go.size or last <= first or t + self.longest_s > self.t_s[-1] + self.period_s:
            return  # too late to arrive within the plan
        times = self.t_s[first:last]
        best, cost = cheapest_arrivals(flight, estimates[go], t, times, self.reference.at(times))
        for arrival in np.unique(best):
            craft, later = go[best == arrival], times[[arrival]]
            aim = self.reference.at(later)
            own, found, ends = correct_positions(flight, estimates[craft], t, later, aim[:, :3])
            whole = np.linalg.norm(own, axis=1) + np.linalg.norm(aim[:, 3:] - ends[:, 3:], axis=1)
            # far from the linear answer lies another path altogether
            found &= whole < 2.0 * cost[best == arrival]
            dv[craft[found]] = own[found]
            due[craft[found]] = first + arrival


def _instants(reference, ephemeris, where):
    """Instants at which the reference is at its apolunes, or crosses the x-z plane."""
    if where == "apolune":
        apsides = find_apsides(reference)
        return apsides.t_s[~apsides.rising]
    if where == "crossing":
        return find_plane_crossings(reference, ROTATING, ephemeris, "y").t_s
    raise InputError(f"no place {where!r}", value=where, allowed="apolune, crossing")


def _period_s(instants, per_rev):
    if instants.size < per_rev + 2:
        raise InputError("the reference is too short to be kept: it wants three revolutions")
    return float(np.polyfit(np.arange(instants.size), instants, 1)[0] * per_rev)


def plan_crossings(
    reference: Trajectory, ephemeris: Ephemeris, days: float, *, at: str = "apolune",
    every: int = 1, revolutions_ahead: float = 6.5, start_s: float | None = None,
) -> CrossingPlan:  # fmt: skip
    """Crossing control along ``reference`` (MOON_ICRF) for ``days``, from ``start_s`` on.

    Impulses at every ``every``-th "apolune" or "crossing" of the x-z plane. The target is the
    crossing ``revolutions_ahead`` later: from an apolune half revolutions end at the crossing near
    the Moon. The reference must reach that far beyond the last impulse. Raises InputError.
    """
    begin = reference.start_s if start_s is None else float(start_s)
    crossings = _instants(reference, ephemeris, "crossing")
    spots = _instants(reference, ephemeris, at)
    period = _period_s(spots, 1 if at == "apolune" else 2)
    spots = spots[spots > begin][:: int(every)]
    spots = spots[spots <= begin + days * 86400.0]
    if not spots.size:
        raise InputError(f"no {at} falls within {days:g} days", key="days", value=days)
    wanted = spots + revolutions_ahead * period
    side = np.linalg.norm(reference.at(crossings)[:, :3], axis=1)
    number = np.searchsorted(crossings, spots - 1.0)
    if at == "crossing":
        number = number + round(2 * revolutions_ahead)
    else:
        near = np.flatnonzero(side < 0.5 * (side.min() + side.max()))
        pool = near if round(2 * revolutions_ahead) % 2 else np.setdiff1d(
            np.arange(crossings.size), near
        )  # fmt: skip
        number = pool[np.abs(crossings[pool][None] - wanted[:, None]).argmin(axis=1)]
    if number.max() >= crossings.size or (
        np.abs(crossings[number] - wanted) > 0.4 * period
    ).any():  # fmt: skip
        raise InputError(
            f"the reference ends at {reference.end_s / 86400:.1f} days, before the last target",
            key="reference",
            allowed=f"{days + (revolutions_ahead + 1) * period / 86400:.0f} days or more",
        )
    stages = round(2 * revolutions_ahead) if at == "crossing" else 1
    target = crossings[number[:, None] - np.arange(stages)[::-1]]
    instants = target.ravel()
    vx = rotating_vx(reference.epoch, ephemeris, reference.at(instants), instants)
    return CrossingPlan(
        reference, spots, target, vx.reshape(target.shape), float(revolutions_ahead)
    )


def plan_targets(
    reference: Trajectory, ephemeris: Ephemeris, days: float, *, at: str = "apolune",
    every: int = 1, revolutions_ahead: tuple[float, ...] = (1.0,), start_s: float | None = None,
) -> TargetPlan:  # fmt: skip
    """Targeting along ``reference`` (MOON_ICRF) for ``days``: its positions so many revolutions on.

    One position is met, several are approached by least squares; impulses as for
    :func:`plan_crossings`. Raises InputError.
    """
    begin = reference.start_s if start_s is None else float(start_s)
    spots = _instants(reference, ephemeris, at)
    period = _period_s(spots, 1 if at == "apolune" else 2)
    spots = spots[spots > begin][:: int(every)]
    spots = spots[spots <= begin + days * 86400.0]
    ahead = spots[:, None] + period * np.sort(np.asarray(revolutions_ahead, dtype=float))[None]
    if not spots.size or ahead.max() > reference.end_s:
        raise InputError("the reference ends before the last target", key="reference")
    return TargetPlan(reference, spots, ahead)


def plan_drift(
    reference: Trajectory, ephemeris: Ephemeris, days: float, *, box_deg: float,
    kind: str = PLANE, hold: str = "phase", every: int = 1, revolutions_ahead: float = 6.0,
    eccentricity: float | None = None, argument_deg: float | None = None,
    start_s: float | None = None,
) -> DriftPlan:  # fmt: skip
    """Drift control along ``reference`` (MOON_ICRF) for ``days``: see :class:`DriftPlan`.

    ``kind`` "plane" looks every ``every`` revolutions at the crossing between Earth and Moon (a
    DRO), "apsis" at the apolune (a Keplerian orbit). A correction takes ``revolutions_ahead``,
    rounded up to looks, and a transfer at most so many. Raises InputError.
    """
    if hold not in HOLDS:
        raise InputError(f"hold {hold!r}", key="hold", value=hold, allowed=", ".join(HOLDS))
    if not box_deg > 0:
        raise InputError(f"box {box_deg} deg", key="box_deg", value=box_deg, allowed="> 0")
    begin = reference.start_s if start_s is None else float(start_s)
    if kind == PLANE:
        crossings = _instants(reference, ephemeris, "crossing")
        turned = from_icrf(reference.at(crossings), ROTATING, reference.epoch, crossings, ephemeris)
        spots = crossings[turned[:, 0] < 0]
        track = Trajectory(
            reference.epoch, reference.t_s,
            from_icrf(reference.states, ROTATING, reference.epoch, reference.t_s, ephemeris),
            ROTATING, reference.name,
        )  # fmt: skip
    elif kind == APSIS:
        spots, track = _instants(reference, ephemeris, "apolune"), reference
    else:
        raise InputError(f"no passage {kind!r}", value=kind, allowed=f"{PLANE}, {APSIS}")
    period, every_one = _period_s(spots, 1), spots
    spots = spots[spots > begin][:: int(every)]
    last = begin + days * 86400.0
    looks = spots[spots <= last]
    after = max(1, math.ceil(revolutions_ahead / every)) * int(every)  # it ends at a look
    passing = every_one[every_one > begin]
    number = np.searchsorted(passing, looks - 1.0) + after
    if not looks.size or number[-1] >= passing.size:
        raise InputError("the reference ends before the last correction is done", key="reference")
    t = looks
    if hold == "transfer":  # and where the second impulse may be
        parts = np.arange(_ARRIVALS_PER_REV, after * _ARRIVALS_PER_REV + 1) / _ARRIVALS_PER_REV
        # near whole revolutions: elsewhere the arrival is dear, at a periapsis most of all
        parts = parts[np.abs(parts - np.round(parts)) < 0.2]
        arrivals = (looks[:, None] + parts[None] * period).ravel()
        t = np.union1d(looks, np.round(arrivals[arrivals <= last], 0))
    look = np.isin(t, looks)
    target = np.zeros(t.size)
    target[look] = passing[number]
    return DriftPlan(
        reference, track, t, look, after * period, target, period, kind, hold, float(box_deg),
        eccentricity, argument_deg,
    )  # fmt: skip
