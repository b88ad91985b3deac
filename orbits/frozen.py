"""Frozen orbits about the Moon and constellations of them.

The Earth's pull makes e, i and the argument of periapsis of a high lunar orbit librate together;
where cos^2 i = 3/5 (1 - e^2) in the plane of the Earth's orbit (MOON_OP) and the argument is 90 or
270 deg they stand still, were the Earth on a circle and the Moon a point (Ely 2005, J.
Astronautical Sciences 53:301, from Lidov 1961 and Kozai 1962). ``design_frozen`` starts there and
finds the orbit that librates least in the force model. Elements are (a_km, e, i, raan, argp, mean
anomaly), rad, osculating on the axes of MOON_OP frozen at the epoch, unless said otherwise.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from orbits.constants import DAY_S, GM_MOON_KM3_S2, MOON_RADIUS_KM
from orbits.elements import (
    elements_from_state,
    on_frozen_axes,
    state_from_elements,
    to_frozen_axes,
)
from orbits.ephemeris import Ephemeris
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, ImpactError, InputError
from orbits.forces import ForceModel
from orbits.propagate import propagate
from orbits.show import Shown

MONTH_S = 27.321661 * DAY_S  # sidereal
_STEP_S = 1800.0


@dataclass(frozen=True, repr=False)
class Libration(Shown):
    """Least and largest osculating elements in MOON_OP over ``days``, and what they make.

    ``librates`` is False when the argument of periapsis leaves its half turn. Distances are radii
    from the osculating elements; ``node_rate_deg_per_day`` is the node's mean motion.
    """

    days: float
    a_km: tuple[float, float]
    eccentricity: tuple[float, float]
    inclination_deg: tuple[float, float]
    argument_deg: tuple[float, float]
    node_rate_deg_per_day: float
    perilune_km: float
    apolune_km: float
    librates: bool


@dataclass(frozen=True, eq=False, repr=False)
class FrozenOrbit(Shown):
    """A frozen orbit: ``elements`` (6,), MOON_ICRF ``state`` (6,) at ``epoch``, how it librates.

    ``unrefined`` is the libration of the closed-form orbit with the same period and eccentricity,
    None if that one strikes the Moon.
    """

    epoch: Epoch
    elements: np.ndarray
    state: np.ndarray
    libration: Libration
    unrefined: Libration | None


@dataclass(frozen=True, eq=False, repr=False)
class Phasing(Shown):
    """Elements (n, 6) whose mean anomalies advance alike, and the drifts before and after.

    ``period_s`` is the common mean (anomalistic) period. Drift is the largest difference between
    two members of what their mean anomalies gain over ``days``, by their mean rates.
    """

    elements: np.ndarray
    period_s: float
    days: float
    drift_before_deg: float
    drift_after_deg: float


def frozen_inclination(eccentricity: float) -> float:
    """The inclination (rad, MOON_OP) at which an orbit of ``eccentricity`` is frozen, direct.

    cos^2 i = 3/5 (1 - e^2), with the argument of periapsis at 90 or 270 deg.

    >>> round(float(np.degrees(frozen_inclination(0.6))), 3)
    51.707
    """
    if not 0 <= eccentricity < 1:
        raise InputError(
            f"eccentricity {eccentricity}", key="eccentricity", value=eccentricity,
            allowed="0 <= e < 1",
        )  # fmt: skip
    return float(np.arccos(np.sqrt(0.6 * (1 - eccentricity**2))))


def frozen_eccentricity(inclination: float) -> float:
    """The eccentricity that is frozen at ``inclination`` (rad, MOON_OP).

    Raises InputError below 39.23 deg (and above 140.77), where no argument librates.
    """
    square = 1 - np.cos(inclination) ** 2 / 0.6
    if not square >= 0:
        raise InputError(
            f"inclination {np.degrees(inclination):.2f} deg", key="inclination_deg",
            value=inclination, allowed="39.23 to 140.77 deg",
        )  # fmt: skip
    return float(np.sqrt(square))


def semi_major_axis_km(period_s: float, gm: float = GM_MOON_KM3_S2) -> float:
    """The two-body semi-major axis in km of a period in s.

    >>> round(semi_major_axis_km(86400.0), 1)
    9750.7
    """
    if not (period_s > 0 and np.isfinite(period_s)):
        raise InputError(f"period {period_s} s", key="period_s", value=period_s, allowed="> 0")
    return float((gm * (period_s / (2 * np.pi)) ** 2) ** (1 / 3))


def walker(
    count: int, planes: int, phasing: int, a_km: float, e: float, i: float, argp: float = 0.0, *,
    pattern: str = "delta", raan: float = 0.0, mean_anomaly: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Elements (count, 6) of a Walker pattern ``i: count/planes/phasing``, plane by plane.

    ``delta`` spreads the nodes over the whole turn, ``star`` over half. Members of a plane are
    evenly spaced; each plane leads the one before by phasing * 360 / count degrees (Walker 1984, J.
    British Interplanetary Society 37:559). Angles in rad. Raises InputError.

    >>> np.degrees(walker(4, 2, 1, 6541.4, 0.6, 1.0)[:, [3, 5]]).round(6).tolist()
    [[0.0, 0.0], [0.0, 180.0], [180.0, 90.0], [180.0, 270.0]]
    """
    if not (count >= 1 and planes >= 1 and count % planes == 0):
        raise InputError(
            f"{count} spacecraft in {planes} planes", key="planes", value=planes,
            allowed="a divisor of the count",
        )  # fmt: skip
    if not 0 <= phasing < planes:
        raise InputError(
            f"phasing {phasing}", key="phasing", value=phasing, allowed=f"0 to {planes - 1}"
        )
    if pattern not in ("delta", "star"):
        raise InputError(f"no pattern {pattern!r}", key="pattern", value=pattern,
                         allowed="delta, star")  # fmt: skip
    turn = 2 * np.pi if pattern == "delta" else np.pi
    plane, place = np.divmod(np.arange(count), count // planes)
    out = np.empty((count, 6))
    out[:, 0], out[:, 1], out[:, 2], out[:, 4] = a_km, e, i, argp
    out[:, 3] = (raan + turn * plane / planes) % (2 * np.pi)
    out[:, 5] = (
        mean_anomaly + 2 * np.pi * (place * planes / count + plane * phasing / count)
    ) % (2 * np.pi)  # fmt: skip
    return out


def place_elements(elements, epoch: Epoch, ephemeris: Ephemeris, frame: str = "MOON_OP"):
    """States (..., 6), MOON_ICRF km and km/s, of elements (..., 6) on axes frozen at ``epoch``."""
    elements = np.asarray(elements, dtype=float)
    states = state_from_elements(*np.moveaxis(elements, -1, 0))
    return on_frozen_axes(states, frame, epoch, np.zeros(states.shape[:-1]), ephemeris)


def _histories(states, epoch, t, model, ephemeris, craft):
    """Osculating elements (n, N, 6) in MOON_OP along the flights from each of ``states``."""

    def fly(state):
        flown = propagate(state, epoch, t, model, ephemeris, **craft)
        return elements_from_state(
            to_frozen_axes(flown.states, "MOON_OP", epoch, t, ephemeris)
        )  # fmt: skip

    states = np.atleast_2d(states)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(states))) as pool:
        return np.array(list(pool.map(fly, states)))


def _times(span_s, step_s=_STEP_S):
    if not (span_s > 0 and np.isfinite(span_s)):
        raise InputError(f"span {span_s} s", key="span_s", value=span_s, allowed="> 0")
    return np.linspace(0.0, span_s, max(int(np.ceil(span_s / step_s)), 2) + 1)


def _libration(t, history) -> Libration:
    a, e, i = history[:, 0], history[:, 1], np.degrees(history[:, 2])
    argp = np.degrees(np.unwrap(history[:, 4]))
    centre = 90.0 if np.sin(np.radians(argp[0])) >= 0 else 270.0
    argp = argp - 360.0 * np.round((argp[0] - centre) / 360.0)
    node = np.degrees(np.unwrap(history[:, 3]))
    return Libration(
        float(t[-1] / DAY_S),
        *((float(x.min()), float(x.max())) for x in (a, e, i, argp)),
        node_rate_deg_per_day=float(np.polyfit(t / DAY_S, node, 1)[0]),
        perilune_km=float((a * (1 - e)).min()),
        apolune_km=float((a * (1 + e)).max()),
        librates=bool(np.abs(argp - centre).max() < 90.0),
    )  # fmt: skip


def measure_libration(
    state, epoch: Epoch, span_s: float, ephemeris: Ephemeris,
    model: ForceModel | None = None, **craft,
) -> Libration:  # fmt: skip
    """How e, i and the argument of periapsis of an orbit (MOON_ICRF state (6,)) librate.

    Flown for ``span_s`` in ``model`` (degree 8 unless given), osculating elements in MOON_OP each
    half hour. ``craft`` is area_m2, mass_kg, cr. Raises ImpactError, SpanError.
    """
    t = _times(span_s)
    model = model or ForceModel(degree=8)
    return _libration(t, _histories(state, epoch, t, model, ephemeris, craft)[0])


def design_frozen(
    period_s: float, eccentricity: float, epoch: Epoch, lifetime_s: float, ephemeris: Ephemeris,
    model: ForceModel | None = None, *, argument: float = np.pi / 2, raan: float = 0.0,
    mean_anomaly: float = 0.0, most_flights: int = 6, **craft,
) -> FrozenOrbit:  # fmt: skip
    """The orbit of a period (s) and mean ``eccentricity`` that librates least in the force model.

    From the closed form, each flight over ``lifetime_s`` tells the centre about which (e cos w, e
    sin w) turns and where on the turn the orbit began (means over the flight and over the first
    month); the next starts nearer the centre, with the inclination whose centre has the
    eccentricity asked for. The least librating of ``most_flights`` is kept. A lifetime shorter than
    the libration (some years) finds the orbit that is stillest over that lifetime. ``argument`` is
    pi/2 or 3 pi/2, angles in rad; the model is of degree 8 unless given. Raises InputError, and
    ConvergenceError when every start strikes the Moon or circulates.
    """
    model = model or ForceModel(degree=8)
    a = semi_major_axis_km(period_s)
    if not a * (1 - eccentricity) > MOON_RADIUS_KM:
        raise InputError(
            f"eccentricity {eccentricity} at {a:.0f} km meets the Moon", key="eccentricity",
            value=eccentricity, allowed=f"< {1 - MOON_RADIUS_KM / a:.4f}",
        )  # fmt: skip
    if not abs(np.cos(argument)) < 1e-9:
        raise InputError(
            f"argument {np.degrees(argument):.3f} deg", key="argument", value=argument,
            allowed="90 or 270 deg",
        )  # fmt: skip
    t = _times(lifetime_s)
    month = t <= min(MONTH_S, lifetime_s)
    start = np.array([a, eccentricity, frozen_inclination(eccentricity), raan, argument,
                      mean_anomaly])  # fmt: skip
    kept = unrefined = None
    for flight in range(most_flights):
        state = place_elements(start, epoch, ephemeris)
        try:
            history = _histories(state, epoch, t, model, ephemeris, craft)[0]
        except ImpactError:
            if kept is None and flight == 0:
                start[2] = start[2] + np.radians(2.0)  # steeper: less of a swing in e
                continue
            break
        found = _libration(t, history)
        unrefined = found if flight == 0 else unrefined
        k, h = history[:, 1] * np.cos(history[:, 4]), history[:, 1] * np.sin(history[:, 4])
        size = float(np.hypot(k.std(), h.std()))
        if kept is None or size < kept[0]:
            kept = (size, start.copy(), state, found)
        elif size > 1.5 * kept[0]:
            break  # going astray
        centre, begun = np.hypot(k.mean(), h.mean()), np.hypot(k[month].mean(), h[month].mean())
        swing = np.arctan2(h.mean(), k.mean()) - np.arctan2(h[month].mean(), k[month].mean())
        start[4] += (swing + np.pi) % (2 * np.pi) - np.pi
        start[1] += eccentricity - begun
        # centre of the libration: (1 - e^2)^2 = 5/3 (1 - e^2) cos^2 i, which is conserved
        cosine = np.cos(start[2]) * (1 - eccentricity**2) / (1 - centre**2)
        start[2] = np.arccos(np.clip(cosine, -1.0, 1.0))
        if not 0 < start[1] < 1 - MOON_RADIUS_KM / a:
            break
    if kept is None or not kept[3].librates:
        raise ConvergenceError(
            f"no frozen orbit of {period_s / 3600:.2f} h and eccentricity {eccentricity} was found "
            f"for {lifetime_s / DAY_S:.0f} days"
        )
    return FrozenOrbit(epoch, kept[1], kept[2], kept[3], unrefined)


def choose_frozen(
    period_s: float, least_perilune_km: float, epoch: Epoch, lifetime_s: float,
    ephemeris: Ephemeris, model: ForceModel | None = None, **options,
) -> FrozenOrbit:  # fmt: skip
    """The most eccentric frozen orbit of a period (s) that stays above a perilune radius (km).

    The more eccentric, the longer it stands over its pole. Within 20 km of ``least_perilune_km``
    over the whole ``lifetime_s``, and never under it. ``options`` are those of ``design_frozen``.
    Raises InputError when the period is too short, ConvergenceError.
    """
    a = semi_major_axis_km(period_s)
    if not MOON_RADIUS_KM < least_perilune_km < a:
        raise InputError(
            f"perilune {least_perilune_km} km", key="least_perilune_km", value=least_perilune_km,
            allowed=f"{MOON_RADIUS_KM} to {a:.0f} km for this period",
        )  # fmt: skip
    e = 1 - least_perilune_km / a - 0.06
    best = None
    for _ in range(6):
        if not e > 0.02:
            break
        found = design_frozen(period_s, e, epoch, lifetime_s, ephemeris, model, **options)
        margin = found.libration.perilune_km - least_perilune_km
        if 0 <= margin <= 20.0:
            return found
        best = margin if best is None or abs(margin) < abs(best) else best
        e = min(e + (margin - 8.0) / a, 1 - least_perilune_km / a)
    raise ConvergenceError(
        f"no frozen orbit of {period_s / 3600:.2f} h was found that stays just above "
        f"{least_perilune_km} km",
        residual=None if best is None else best,
    )


def tune_phasing(
    elements, epoch: Epoch, span_s: float, ephemeris: Ephemeris, model: ForceModel | None = None,
    *, period_s: float | None = None, most_rounds: int = 4, drift_deg: float = 0.1, **craft,
) -> Phasing:  # fmt: skip
    """Elements (n, 6) with semi-major axes such that all mean anomalies advance alike over a span.

    Members of one constellation feel different perturbations, so that equal osculating axes drift
    apart. Each is flown for ``span_s``, its mean period is fitted, and its axis corrected by
    Kepler's third law towards ``period_s`` (else the members' mean period), until no two drift by
    more than ``drift_deg``. Raises ConvergenceError when ``most_rounds`` do not do it.
    """
    now = np.array(elements, dtype=float)
    if now.ndim != 2 or now.shape[1] != 6 or len(now) < 2:
        raise InputError(
            f"elements of shape {now.shape}", allowed="(n, 6) with two members or more"
        )
    model = model or ForceModel(degree=8)
    t = _times(span_s)
    before, drift = None, np.inf
    goal = None if period_s is None else 2 * np.pi / period_s
    for _ in range(most_rounds):
        history = _histories(
            place_elements(now, epoch, ephemeris), epoch, t, model, ephemeris, craft
        )
        # the first guess of the motion is taken off so that unwrapping cannot slip
        guess = np.sqrt(GM_MOON_KM3_S2 / history[:, :, 0].mean(axis=1) ** 3)
        rest = np.unwrap(history[:, :, 5] - guess[:, None] * t, axis=1)
        rate = guess + np.polyfit(t, rest.T, 1)[0]
        drift = float(np.degrees(np.ptp(rate) * span_s))
        before = drift if before is None else before
        goal = float(rate.mean()) if goal is None else goal
        late = 0.0 if period_s is None else np.abs(rate - goal).max() * span_s
        if drift <= drift_deg and np.degrees(late) <= drift_deg:
            return Phasing(now, 2 * np.pi / float(rate.mean()), span_s / DAY_S, before, drift)
        now[:, 0] *= (rate / goal) ** (2 / 3)
    raise ConvergenceError(f"members still drift by {drift:.3g} deg", residual=drift)
