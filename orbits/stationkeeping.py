"""What it costs to stay on an orbit: Monte Carlo of a kept craft with its errors.

Every craft of a campaign starts off the reference by its insertion error, is flown in the whole
force model, and at each instant of its plan is corrected from an estimate that carries the
navigation error; what is fired carries the execution error. See ``orbits.keeping_plan``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from orbits.constants import DAY_S
from orbits.ephemeris import Ephemeris
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, InputError
from orbits.forces import ForceModel
from orbits.keeping_control import Flight
from orbits.trajectory import Trajectory

YEAR_DAYS = 365.25
PERCENTILES = (5, 50, 95, 99)
_MARGIN_S = 5 * DAY_S


class Plan(Protocol):
    """What a campaign follows: instants, the reference, and the impulses it decides on."""

    @property
    def reference(self) -> Trajectory: ...
    @property
    def t_s(self) -> np.ndarray: ...
    @property
    def last_s(self) -> float: ...
    def decide(
        self, flight: Flight, estimates: np.ndarray, k: int, memory: dict
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class KeepingErrors:
    """One-sigma errors of a campaign, on each axis; nothing is assumed, what is not given is 0.

    Position in km, velocity in m/s. An impulse is off in size by ``execution_fixed_m_s`` and
    ``execution_frac`` of it, and in direction by ``pointing_deg``; none below ``minimum_m_s`` is
    fired. ``desaturation_m_s`` is a random impulse half way between two instants of the plan, and
    ``solar_pressure_frac`` how far a craft's solar pressure is from the one planned with.
    """

    insertion_km: float = 0.0
    insertion_m_s: float = 0.0
    navigation_km: float = 0.0
    navigation_m_s: float = 0.0
    execution_fixed_m_s: float = 0.0
    execution_frac: float = 0.0
    pointing_deg: float = 0.0
    minimum_m_s: float = 0.0
    desaturation_m_s: float = 0.0
    solar_pressure_frac: float = 0.0

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{item.name} {value}", key=item.name, value=value, allowed=">= 0")


@dataclass(frozen=True, eq=False)
class Campaign:
    """What was flown: impulses (N, M, 3) in m/s at ``t_s`` (M,), and how far craft were off.

    ``departure_km`` (N, M) is the distance from the reference just before each instant. ``lost``
    (N,) are craft for which no impulse was found, or that struck the Moon or left the system: they
    are followed no further, and the statistics leave them out and say how many.
    """

    epoch: Epoch
    t_s: np.ndarray
    dv_m_s: np.ndarray
    departure_km: np.ndarray
    lost: np.ndarray
    days: float
    seed: int
    errors: KeepingErrors

    @property
    def sizes_m_s(self) -> np.ndarray:
        """Sizes (N, M) of the impulses in m/s; 0 where none was fired."""
        return np.linalg.norm(self.dv_m_s, axis=2)

    @property
    def annual_m_s(self) -> np.ndarray:
        """Cost of a year of 365.25 days in m/s, of each craft that was kept."""
        return self.sizes_m_s[~self.lost].sum(axis=1) * YEAR_DAYS / self.days

    @property
    def mean_m_s(self) -> float:
        """Mean annual cost, m/s."""
        return float(self.annual_m_s.mean())

    @property
    def std_m_s(self) -> float:
        """Standard deviation of the annual cost over the craft, m/s."""
        return float(self.annual_m_s.std(ddof=1)) if self.annual_m_s.size > 1 else 0.0

    def percentile_m_s(self, percent: float) -> float:
        """The annual cost, m/s, that so many percent of the craft stay below."""
        return float(np.percentile(self.annual_m_s, percent))

    def summary(self) -> dict:
        """Figures by name, the unit last, as ``cislunar orbit --json`` gives them."""
        sizes, kept = self.sizes_m_s[~self.lost], self.departure_km[~self.lost]
        fired = sizes[sizes > 0]
        return {
            "samples": len(self.lost),
            "lost": int(self.lost.sum()),
            "span_days": float(self.days),
            "seed": self.seed,
            "annual_cost_mean_m_s": self.mean_m_s,
            "annual_cost_std_m_s": self.std_m_s,
            **{f"annual_cost_p{p}_m_s": self.percentile_m_s(p) for p in PERCENTILES},
            "manoeuvres_per_year": float((sizes > 0).sum(axis=1).mean() * YEAR_DAYS / self.days),
            "manoeuvre_median_m_s": float(np.median(fired)) if fired.size else 0.0,
            "manoeuvre_most_m_s": float(fired.max()) if fired.size else 0.0,
            "departure_p95_km": float(np.percentile(kept, 95)),
            "departure_most_km": float(kept.max()),
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{value:.4g}</td></tr>"
            for name, value in self.summary().items()
        )
        return f"<table>{rows}</table>"


@dataclass(frozen=True, eq=False)
class _Draws:
    """Standard normal numbers of all craft: each has its own stream, whatever their count."""

    insertion: np.ndarray  # (N, 6)
    navigation: np.ndarray  # (N, M, 6)
    execution: np.ndarray  # (N, M, 4)
    desaturation: np.ndarray  # (N, M, 3)
    pressure: np.ndarray  # (N,)


def _draw(count, steps, seed) -> _Draws:
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(count)]
    whole = np.array([g.normal(size=7 + 13 * steps) for g in streams])
    rest = whole[:, 7:].reshape(count, steps, 13)
    return _Draws(whole[:, :6], rest[..., :6], rest[..., 6:10], rest[..., 10:], whole[:, 6])


def _scatter(normal, km, m_s):
    return normal * np.repeat([km, m_s * 1e-3], 3)


def _executed(dv, normal, errors: KeepingErrors):
    """What is fired (N, 3) for the commanded ``dv`` (N, 3), km/s."""
    size = np.linalg.norm(dv, axis=1, keepdims=True)
    fired = size[:, 0] > max(errors.minimum_m_s * 1e-3, 0.0)
    along = dv / np.maximum(size, 1e-300)
    fixed = errors.execution_fixed_m_s * 1e-3
    sigma = np.hypot(fixed, errors.execution_frac * size)
    across = normal[:, :3] - (normal[:, :3] * along).sum(axis=1, keepdims=True) * along
    out = dv + sigma * normal[:, 3:] * along
    out = out + math.radians(errors.pointing_deg) * size * across
    return np.where(fired[:, None], out, 0.0)


def _coast(flight: Flight, states, t0, t1, cr):
    """States (N, 6) at t1; each craft with its own solar pressure coefficient if ``cr`` (N,)."""
    if t1 == t0:
        return states
    if cr is None:
        return flight.carry(states, t0, t1)[0]
    out = np.empty_like(states)
    for n, own in enumerate(cr):  # a kernel knows one craft: one flight for each
        alone = Flight(
            flight.epoch, flight.ephemeris, flight.table, flight.model,
            {**flight.craft, "cr": own}, flight.rtol,
        )  # fmt: skip
        out[n] = alone.carry(states[n : n + 1], t0, t1)[0]
    return out


def keep(
    plan: Plan, ephemeris: Ephemeris, model: ForceModel, errors: KeepingErrors, *, count: int,
    seed: int, days: float | None = None, start_s: float | None = None, control: bool = True,
    rtol: float = 1e-10, mass_kg: float | None = None, area_m2: float | None = None,
    cr: float = 1.3,
) -> Campaign:  # fmt: skip
    """A campaign of ``count`` craft kept on the plan's reference, with the annual cost's spread.

    ``model`` must be the reference's own, or the difference is paid for as well. ``days`` (by
    default up to the last instant of the plan) is what the cost is counted over. The same ``seed``
    gives the same craft, however many there are and on any number of threads. With ``control``
    False nothing is fired. Raises InputError; ConvergenceError when no craft could be kept.

    >>> from orbits import families
    >>> from orbits.correct import fly
    >>> from orbits.ephemeris import De440
    >>> from orbits.keeping_plan import plan_crossings
    >>> ephemeris, model = De440.open(), ForceModel(degree=8)
    >>> start = Epoch.parse("2030-03-01T00:00:00 TDB")
    >>> orbit = families.nrho("L2", "southern", resonance="9:2")
    >>> reference = fly(orbit, 0.0, start, 0.0, 75 * DAY_S, 600.0, ephemeris, model)
    >>> plan = plan_crossings(reference, ephemeris, 20.0)
    >>> noise = KeepingErrors(navigation_km=10 / 3, navigation_m_s=0.1 / 3)
    >>> flown = keep(plan, ephemeris, model, noise, count=4, seed=1)
    >>> flown.sizes_m_s.shape, bool(0.1 < flown.mean_m_s < 10.0)
    ((4, 3), True)
    """
    if count < 1:
        raise InputError(f"{count} craft", key="count", value=count, allowed=">= 1")
    reference, t = plan.reference, np.asarray(plan.t_s, dtype=float)
    begin = reference.start_s if start_s is None else float(start_s)
    if not t.size or t[0] < begin:
        raise InputError("a plan's instants follow the start", key="plan")
    craft = {} if mass_kg is None else {"mass_kg": mass_kg, "area_m2": area_m2, "cr": cr}
    own_cr = None
    draws = _draw(count, t.size, seed)
    if errors.solar_pressure_frac:
        if mass_kg is None:
            raise InputError("solar pressure wants mass_kg and area_m2", key="solar_pressure_frac")
        own_cr = cr * np.maximum(1 + errors.solar_pressure_frac * draws.pressure, 1e-3)
    table = ephemeris.table(reference.epoch, begin - _MARGIN_S, plan.last_s + _MARGIN_S)
    flight = Flight(reference.epoch, ephemeris, table, model, craft, rtol)
    truth = reference.at(begin) + _scatter(
        draws.insertion, errors.insertion_km, errors.insertion_m_s
    )
    fired, departure = np.zeros((count, t.size, 3)), np.empty((count, t.size))
    lost, memory, now = np.zeros(count, dtype=bool), {}, begin
    for k, then in enumerate(t):  # each decision rests on the flight before it
        half = 0.5 * (now + then)
        if errors.desaturation_m_s:
            truth = _coast(flight, truth, now, half, own_cr)
            truth[:, 3:] += errors.desaturation_m_s * 1e-3 * draws.desaturation[:, k]
            now = half
        truth = _coast(flight, truth, now, then, own_cr)
        goal = reference.at(then)
        gone = ~np.isfinite(truth).all(axis=1)
        lost |= gone
        departure[:, k] = np.linalg.norm(truth[:, :3] - goal[:3], axis=1)
        if k:  # a lost craft is followed no further
            departure[lost, k] = departure[lost, k - 1]
        truth[gone | (lost & control)] = goal
        if control:
            estimate = truth + _scatter(
                draws.navigation[:, k], errors.navigation_km, errors.navigation_m_s
            )
            estimate[lost] = goal
            dv, found = plan.decide(flight, estimate, k, memory)
            lost |= ~found
            dv = np.where((found & ~lost)[:, None], dv, 0.0)
            fired[:, k] = _executed(dv, draws.execution[:, k], errors)
            truth[:, 3:] += fired[:, k]
        now = then
    if lost.all():
        raise ConvergenceError(f"none of {count} craft could be kept on {reference.name!r}")
    span = (t[-1] - begin) / DAY_S if days is None else float(days)
    return Campaign(
        reference.epoch, t, fired * 1e3, departure, lost, float(span), int(seed), errors
    )


def compare_with_flown(campaigns: dict[str, Campaign], records: Sequence[dict]) -> list[dict]:
    """Rows that set campaigns beside published or flown costs: ours, theirs, their sources.

    ``campaigns`` by orbit kind ("nrho", "halo", "dro"); ``records`` as in the catalogue's
    ``stationkeeping`` kind, with ``orbit``, ``annual_cost_m_s`` (low and high) and ``sources``.
    """
    rows = []
    for record in records:
        ours = campaigns.get(record["orbit"])
        if ours is None:
            continue
        low, high = record["annual_cost_m_s"]["low"], record["annual_cost_m_s"]["high"]
        rows.append({
            "id": record["id"], "orbit": record["orbit"], "basis": record["basis"],
            "flown_low_m_s": low, "flown_high_m_s": high,
            "ours_mean_m_s": ours.mean_m_s,
            "ours_p5_m_s": ours.percentile_m_s(5), "ours_p95_m_s": ours.percentile_m_s(95),
            "overlap": bool(ours.percentile_m_s(5) <= high and low <= ours.percentile_m_s(95)),
            "sources": [s["title"] for s in record["sources"]],
        })  # fmt: skip
    return rows
