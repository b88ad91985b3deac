"""Families of periodic orbits about the Moon, looked up by amplitude, perilune, period, resonance.

A table of converged members (``data/families.csv``, made by ``orbits.build_families``) brackets
the wanted one; differential correction then finds it to the last digits. What the table does not
hold, the family does not offer: FamilyError says what is allowed.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from orbits.constants import DAY_S, MOON_RADIUS_KM, SYNODIC_MONTH_DAYS
from orbits.continuation import (
    HALF,
    X0,
    correct,
    extremes,
    full_state,
    jacobi_nd,
    monodromy_index,
)
from orbits.cr3bp import EARTH_MOON, System
from orbits.errors import FamilyError, InputError
from orbits.propagate import cr3bp_path

DRO_AMPLITUDE_KM = (2_000.0, 350_000.0)  # beyond, it skims the Moon or meets the Earth
L1_NRHO_PERILUNE_KM = 20_000.0
TABLE = Path(__file__).parent / "data" / "families.csv"
NEAR, PERILUNE, AMPLITUDE_Z = 4, 5, 6  # columns after u = (x0, z0, vy0, half period)
_RESONANCE = re.compile(r"^\s*(\d{1,3})\s*:\s*(\d{1,3})\s*$")


@dataclass(frozen=True, eq=False)
class PeriodicOrbit:
    """One periodic orbit of the circular restricted three-body problem.

    ``state_nd`` (6) is the state at phase 0 in the barycentric rotating frame (Earth at (-mu, 0,
    0), Moon at (1 - mu, 0, 0)), nondimensional with ``system``; ``parameter`` is what it was
    asked for by, as (name, value). ``period_nd`` and ``jacobi_nd`` (no mu (1 - mu) offset) are
    nondimensional; distances are from the Moon's centre.
    """

    family: str
    system: System
    state_nd: np.ndarray
    period_nd: float
    jacobi_nd: float
    stability_index: float
    perilune_km: float
    apolune_km: float
    amplitude_z_km: float
    libration_point: str | None
    branch: str | None
    parameter: tuple[str, float | str]

    @property
    def period_days(self) -> float:
        """Period in days of the record's own time unit."""
        return self.period_nd * self.system.tu_s / DAY_S

    def at(self, t_nd) -> np.ndarray:
        """States (N, 6), nondimensional barycentric rotating, ``t_nd`` after phase 0 (any sign)."""
        t = np.atleast_1d(np.asarray(t_nd, dtype=float)) % self.period_nd
        # the orbit mirrors itself in the x-z plane: fly half of it only, so that the error at the
        # end of an unstable revolution is never seen
        half = self.period_nd / 2
        folded = np.where(t > half, self.period_nd - t, t)
        instants, place = np.unique(folded, return_inverse=True)
        out = cr3bp_path(self.state_nd, instants, self.system.mu)[place]
        out[t > half] *= (1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
        return out

    def state_at_phase(self, phase_deg: float) -> np.ndarray:
        """State (6), nondimensional barycentric rotating, ``phase_deg`` of time after phase 0."""
        return self.at(phase_deg / 360.0 * self.period_nd)[0]

    def sample(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """``count`` instants over one period, ends included, and the states (count, 6) there."""
        t = np.linspace(0.0, self.period_nd, count)
        folded = t.copy()
        folded[-1] = 0.0
        return t, self.at(folded)


def resonance_days(resonance: str, *, key: str = "resonance") -> float:
    """Period in days of a synodic resonance ``p:q``: q/p of a mean synodic month.

    >>> round(resonance_days("9:2"), 6)
    6.562353
    """
    found = _RESONANCE.match(resonance) if isinstance(resonance, str) else None
    p, q = (int(g) for g in found.groups()) if found else (0, 0)
    if not p or not q:
        raise InputError(
            f"{resonance!r} is not a resonance", key=key, value=resonance,
            allowed='"p:q" with whole numbers, such as "9:2"',
        )  # fmt: skip
    return q / p * SYNODIC_MONTH_DAYS


def dro(
    amplitude_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The planar distant retrograde orbit of an amplitude, period or synodic resonance.

    ``amplitude_km`` is the distance from the Moon's centre at the near-side crossing of the
    x-axis, which is phase 0. Raises FamilyError outside the family.

    >>> round(dro(70000).period_days, 5)
    13.98787
    """
    name, value = _one_of(amplitude_km=amplitude_km, period_days=period_days, resonance=resonance)
    members = _table("dro", system.mu)
    lu = system.lu_km
    if name == "amplitude_km":
        _check(name, value, DRO_AMPLITUDE_KM, "km")
        guess = _between(members, members[:, NEAR], value / lu)
        u = correct(guess, system.mu, "x0", 1 - system.mu - value / lu)
    else:
        u = _by_period(members, name, value, system)
    return _orbit("dro", u, system, None, None, (name, value))


def halo(
    libration_point: str,
    branch: str,
    amplitude_z_km: float,
    *,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The L1 or L2 halo orbit of a largest |z|, on the branch between plane and greatest |z|.

    ``branch`` is northern or southern, by the side of the apolune, which is phase 0 (the
    perpendicular crossing farther from the Moon). Raises FamilyError outside the family.

    >>> round(halo("L2", "southern", 15000).period_days, 5)
    15.08585
    """
    members = _halo_table(libration_point, branch, system.mu)
    lu = system.lu_km
    members = _to_greatest_height(members, libration_point, lu)
    _check(
        "amplitude_z_km", amplitude_z_km, members[:, AMPLITUDE_Z] * lu, "km",
        "beyond the largest |z| the orbit is an nrho: give perilune_km, period_days or resonance",
    )  # fmt: skip
    guess = _between(members, members[:, AMPLITUDE_Z], amplitude_z_km / lu)
    u = correct(guess, system.mu, "z0", -amplitude_z_km / lu)
    parameter = ("amplitude_z_km", float(amplitude_z_km))
    return _orbit("halo", u, system, libration_point, branch, parameter)


def halo_limits_km(libration_point, branch, system: System = EARTH_MOON) -> tuple[float, float]:
    """Least and largest amplitude_z_km that ``halo`` offers, km."""
    members = _halo_table(libration_point, branch, system.mu)
    heights = _to_greatest_height(members, libration_point, system.lu_km)[:, AMPLITUDE_Z]
    return float(heights.min() * system.lu_km), float(heights.max() * system.lu_km)


def _to_greatest_height(members, libration_point, lu_km):
    if libration_point == "L1":  # |z| has no maximum here: up to the lunar surface
        return members[members[:, PERILUNE] * lu_km > MOON_RADIUS_KM]
    return members[: np.argmax(members[:, AMPLITUDE_Z]) + 1]


def nrho(
    libration_point: str,
    branch: str,
    perilune_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The near-rectilinear halo orbit of a perilune, period or synodic resonance.

    The part of the L2 halo family beyond its greatest |z|, down to perilunes at the lunar surface.
    The L1 family has no greatest |z|: there it is the part with perilunes under 20,000 km, by
    period down to the shortest (8.0 days). ``perilune_km`` is from the Moon's centre; phase 0 is
    apolune. Raises FamilyError outside.

    >>> round(nrho("L2", "southern", resonance="9:2").perilune_km, 1)
    2936.1
    """
    name, value = _one_of(perilune_km=perilune_km, period_days=period_days, resonance=resonance)
    members = _halo_table(libration_point, branch, system.mu)
    lu = system.lu_km
    if libration_point == "L1":
        members = members[members[:, PERILUNE] * lu < L1_NRHO_PERILUNE_KM]
    else:
        members = members[np.argmax(members[:, AMPLITUDE_Z]) :]
    grazing = _between(members, members[:, PERILUNE], MOON_RADIUS_KM / lu)
    more = "towards larger perilunes and periods the orbit is a halo: give amplitude_z_km"
    if name == "perilune_km":
        _check(name, value, (MOON_RADIUS_KM, members[:, PERILUNE].max() * lu), "km", more)
        guess = _between(members, members[:, PERILUNE], value / lu)
        u = correct(guess, system.mu, "opposite", value / lu)
    else:
        members = members[: np.argmin(members[:, HALF]) + 1]
        shortest = max(grazing[HALF], members[-1, HALF])
        u = _by_period(members, name, value, system, shortest, more)
    return _orbit("nrho", u, system, libration_point, branch, (name, value))


def halo_by_period(
    libration_point: str, branch: str, period_days: float, *, system: System = EARTH_MOON
) -> PeriodicOrbit:
    """The halo or NRHO of a period, on the part of the family where periods fall towards the Moon.

    Raises FamilyError outside it.
    """
    members = _halo_table(libration_point, branch, system.mu)
    members = members[np.argmax(members[:, HALF]) : np.argmin(members[:, HALF]) + 1]
    u = _by_period(members, "period_days", period_days, system)
    return _orbit("nrho", u, system, libration_point, branch, ("period_days", period_days))


def _orbit(family, u, system, libration_point, branch, parameter) -> PeriodicOrbit:
    least, most, height = (v * system.lu_km for v in extremes(u, system.mu))
    state = full_state(u)
    if branch == "northern":
        state[2] = -state[2]
    state.flags.writeable = False
    return PeriodicOrbit(
        family=family, system=system, state_nd=state, period_nd=float(2 * u[HALF]),
        jacobi_nd=jacobi_nd(u, system.mu), stability_index=monodromy_index(u, system.mu),
        perilune_km=least, apolune_km=most, amplitude_z_km=height,
        libration_point=libration_point, branch=branch, parameter=parameter,
    )  # fmt: skip


def _one_of(**given):
    """The one parameter given, as (name, value); InputError if none or several are."""
    present = [(k, v) for k, v in given.items() if v is not None]
    if len(present) != 1:
        names = ", ".join(given)
        raise InputError(
            f"{len(present)} of {names} given", key=present[1][0] if len(present) > 1 else None,
            allowed=f"exactly one of {names}",
        )  # fmt: skip
    return present[0]


def _check(name, value, limits, unit, more="", show=None):
    """FamilyError unless ``value`` lies within the least and largest of ``limits``."""
    low, high = float(np.min(limits)), float(np.max(limits))
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputError(f"{value!r} is not a number", key=name, value=value, allowed=f"{unit}")
    if not low <= value <= high:  # NaN fails too
        digits = 0 if unit == "km" else 3
        # round inwards, so that a printed limit is itself allowed
        scale = 10.0**digits
        low, high = np.ceil(low * scale) / scale, np.floor(high * scale) / scale
        allowed = f"{low:.{digits}f} to {high:.{digits}f} {unit}"
        shown = f"{value:g} {unit}" if show is None else show
        raise FamilyError(
            f"{shown} is outside the family", key=name, value=value,
            allowed=f"{allowed}; {more}" if more else allowed,
        )  # fmt: skip


def _by_period(members, name, value, system, shortest=0.0, more=""):
    days = resonance_days(value) if name == "resonance" else value
    half_days = system.tu_s / DAY_S
    show = f"{value} ({days:.4f} days)" if name == "resonance" else None
    halves = members[:, HALF]
    limits = (2 * half_days * max(halves.min(), shortest), 2 * half_days * halves.max())
    if name == "resonance":
        _check(name, days, limits, "days", more, show)
    else:
        _check(name, value, limits, "days", more)
    half = days / (2 * half_days)
    return correct(_between(members, members[:, HALF], half), system.mu, "half", half)


def _between(members, values, wanted) -> np.ndarray:
    """Member ``u`` (4) interpolated where the monotonic ``values`` (M,) pass ``wanted``."""
    order = np.argsort(values)
    values, u = values[order], members[order, :4]
    i = int(np.clip(np.searchsorted(values, wanted), 1, len(values) - 1))
    first = max(0, min(i - 2, len(values) - 4))  # Lagrange through four neighbours
    x, y = values[first : first + 4], u[first : first + 4]
    weights = [
        np.prod([(wanted - x[k]) / (x[j] - x[k]) for k in range(len(x)) if k != j])
        for j in range(len(x))
    ]
    return np.asarray(weights) @ y


def _halo_table(libration_point, branch, mu):
    if libration_point not in ("L1", "L2"):
        raise FamilyError(
            f"no halo about {libration_point!r}", key="libration_point", value=libration_point,
            allowed="L1, L2",
        )  # fmt: skip
    if branch not in ("northern", "southern"):
        raise FamilyError(
            f"no branch {branch!r}", key="branch", value=branch, allowed="northern, southern"
        )
    return _table(f"halo-{libration_point.lower()}", mu)


@lru_cache(maxsize=8)
def _table(family: str, mu: float) -> np.ndarray:
    """Members (M, 7) of a family: u (4), near-side distance, perilune, largest |z|; all nd."""
    with TABLE.open(newline="", encoding="utf-8") as text:
        rows = [
            [float(row[k]) for k in ("x0", "z0", "vy0", "half_period", "perilune", "amplitude_z")]
            for row in csv.DictReader(text)
            if row["family"] == family
        ]
    table = np.array(rows)
    near = abs(1 - mu - table[:, X0])
    return np.column_stack([table[:, :4], near, table[:, 4:]])
