"""Families of periodic orbits about the Moon, by amplitude, perilune, period, resonance, Jacobi.

A table of converged members (``data/families.csv``, made by ``orbits.build_families``) brackets
the wanted one; differential correction then finds it to the last digits. What the table does not
hold, the family does not offer: FamilyError says what is allowed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from orbits.bifurcation import Bifurcation, find_bifurcations, is_planar, stability_indices
from orbits.constants import DAY_S, MOON_RADIUS_KM, SYNODIC_MONTH_DAYS
from orbits.continuation import (
    HALF,
    Z0,
    correct,
    extremes,
    full_state,
    monodromy_index,
)
from orbits.continuation import jacobi_nd as jacobi_nd_of
from orbits.cr3bp import EARTH_MOON, System, jacobi
from orbits.errors import ConvergenceError, FamilyError, InputError
from orbits.family_table import (
    AMPLITUDE_Z,
    EXTENT,
    JACOBI,
    NEAR,
    PERILUNE,
    look_up,
    table,
    tables,
)
from orbits.propagate import cr3bp_path
from orbits.show import Shown
from orbits.torus import NoTorus, Torus, find_torus, wind

DRO_AMPLITUDE_KM = (2_000.0, 350_000.0)  # beyond, it skims the Moon or meets the Earth
L1_NRHO_PERILUNE_KM = 20_000.0
SPATIAL_REVOLUTIONS = (5, 1)  # of the spatial DROs in the table, before they repeat
SPATIAL_MATCH_KM = 1.0
_RESONANCE = re.compile(r"^\s*(\d{1,3})\s*:\s*(\d{1,3})\s*$")


@dataclass(frozen=True, eq=False, repr=False)
class PeriodicOrbit(Shown):
    """One periodic orbit of the circular restricted three-body problem.

    ``state_nd`` (6) is the state at phase 0 in the barycentric rotating frame (Earth at (-mu, 0,
    0), Moon at (1 - mu, 0, 0)), nondimensional with ``system``; ``parameter`` is what it was
    asked for by, as (name, value). ``period_nd`` and ``jacobi_nd`` (no mu (1 - mu) offset) are
    nondimensional; distances are from the Moon's centre. ``stability_index`` is that of the
    largest multiplier, (|l| + 1/|l|)/2; ``stability_indices`` are those of both pairs, with their
    signs, see ``bifurcation``. ``revolutions`` about the Moon are made in a period.

    A spatial DRO that never repeats has a ``torus``: its ``period_nd`` is the mean revolution,
    ``vertical_period_nd`` the mean oscillation through the plane, and its least, largest and mean
    figures are those of ten years of flight; the stability index is then that of the mean growth
    of errors a revolution.
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
    stability_indices: tuple[complex, complex]
    revolutions: int = 1
    torus: Torus | None = None
    vertical_period_nd: float | None = None
    vertical_phase_deg: float | None = None
    near_km: float | None = None  # the mean near-side crossing of one that never repeats

    SHOWN = (
        "family", "libration_point", "branch", "parameter", "period_days", "revolutions",
        "jacobi_nd", "stability_index", "perilune_km", "apolune_km", "amplitude_z_km", "state_nd",
    )  # fmt: skip

    @property
    def period_days(self) -> float:
        """Period in days of the record's own time unit."""
        return self.period_nd * self.system.tu_s / DAY_S

    def at(self, t_nd) -> np.ndarray:
        """States (N, 6), nondimensional barycentric rotating, ``t_nd`` after phase 0 (any sign)."""
        t = np.atleast_1d(np.asarray(t_nd, dtype=float))
        if self.torus is not None:
            instants, place = np.unique(t, return_inverse=True)
            return cr3bp_path(self.state_nd, instants, self.system.mu)[place]
        t = t % self.period_nd
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
        if self.torus is None:
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
    jacobi_nd: float | None = None,
    amplitude_z_km: float | None = None,
    vertical_phase_deg: float | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The distant retrograde orbit of an amplitude, period, synodic resonance or Jacobi constant.

    ``amplitude_km`` is the distance from the Moon's centre at the near-side crossing of the
    x-axis, which is phase 0. With ``amplitude_z_km``, the largest |z|, the orbit is a spatial one:
    the periodic one that has both amplitudes (see ``spatial_dro``), else the quasi-periodic one,
    whose crossings are at ``amplitude_km`` in the mean (within 0.5 %, as its height is), or whose
    mean revolution is as asked. ``vertical_phase_deg`` is that at phase 0: 0 rising through the
    plane, 90 (the default) highest. Raises FamilyError outside the family, and where no such
    orbit lasts for ten years.

    >>> round(dro(70000).period_days, 5)
    13.98787
    """
    name, value = _one_of(
        amplitude_km=amplitude_km, period_days=period_days, resonance=resonance,
        jacobi_nd=jacobi_nd,
    )  # fmt: skip
    if amplitude_z_km:
        phase_deg = 90.0 if vertical_phase_deg is None else vertical_phase_deg
        return _spatial_with(name, value, amplitude_z_km, phase_deg % 360.0, system)
    if vertical_phase_deg is not None:
        raise InputError(
            "a planar DRO has no vertical phase", key="vertical_phase_deg",
            value=vertical_phase_deg, allowed="with amplitude_z_km only",
        )  # fmt: skip
    members = table("dro", system.mu)
    if name == "amplitude_km":
        _check(name, value, DRO_AMPLITUDE_KM, "km")
        guess = look_up(members, NEAR, value / system.lu_km, name, value, system)
        u = correct(guess, system.mu, "x0", 1 - system.mu - value / system.lu_km)
    else:
        u = _by_invariant(members, name, value, system)
    return _orbit("dro", u, system, None, None, (name, value))


def spatial_dro(
    amplitude_z_km: float, *, revolutions: int = 5, system: System = EARTH_MOON
) -> PeriodicOrbit:
    """The periodic spatial DRO of a largest |z| that repeats after 1 or 5 revolutions.

    Both families branch off the planar one: after 5 revolutions at 88,478 km, after 1 at 280,152
    km. A DRO of other amplitude and height is quasi-periodic: it never repeats. Phase 0 is the
    near-side crossing of the x-z plane above the Moon's orbit; the period is that of all
    revolutions. Raises FamilyError outside.

    >>> round(spatial_dro(30000).period_days / 5, 3)
    18.327
    """
    if revolutions not in SPATIAL_REVOLUTIONS:
        raise FamilyError(
            f"no spatial DRO of {revolutions!r} revolutions", key="revolutions", value=revolutions,
            allowed=", ".join(map(str, SPATIAL_REVOLUTIONS)),
        )  # fmt: skip
    members = _to_greatest_height(table(f"dro-spatial-{revolutions}", system.mu))
    _check("amplitude_z_km", amplitude_z_km, members[:, AMPLITUDE_Z] * system.lu_km, "km")
    wanted = amplitude_z_km / system.lu_km
    guess = look_up(members, AMPLITUDE_Z, wanted, "amplitude_z_km", amplitude_z_km, system)
    u = correct(guess, system.mu, "height", wanted)
    parameter = ("amplitude_z_km", float(amplitude_z_km))
    return _orbit("dro", u, system, None, "northern", parameter, revolutions)


@lru_cache(maxsize=32)
def _spatial_with(name, value, amplitude_z_km, vertical_deg, system) -> PeriodicOrbit:
    """The spatial DRO of two figures: periodic if there is one, else quasi-periodic."""
    if vertical_deg == 90.0 and name == "amplitude_km":
        for revolutions in SPATIAL_REVOLUTIONS:
            with suppress(FamilyError):
                orbit = spatial_dro(amplitude_z_km, revolutions=revolutions, system=system)
                place = 1 - system.mu - orbit.state_nd[0], orbit.state_nd[2]
                if abs(np.hypot(*place) * system.lu_km - value) <= SPATIAL_MATCH_KM:
                    return orbit
    _check("amplitude_z_km", amplitude_z_km, (0.0, DRO_AMPLITUDE_KM[1]), "km")
    if name == "jacobi_nd":
        raise FamilyError(
            "a Jacobi constant and a height do not make one spatial DRO", key=name, value=value,
            allowed="amplitude_km, period_days or resonance",
        )  # fmt: skip
    planar = dro(**{name: value}, system=system)
    near = value / system.lu_km if name == "amplitude_km" else None
    try:
        torus = find_torus(
            tuple(planar.state_nd), planar.period_nd, amplitude_z_km / system.lu_km, system.mu, near
        )
        found = wind(torus, float(np.deg2rad(vertical_deg)))
    except NoTorus as fault:
        shown = value if isinstance(value, str) else f"{value:g}"
        raise FamilyError(
            f"no lasting spatial DRO with {name} {shown}, a height of {amplitude_z_km:g} km and a "
            f"vertical phase of {vertical_deg:g} degrees: {fault}",
            key="amplitude_z_km", value=amplitude_z_km,
            allowed=f"up to about {fault.reached * system.lu_km:.0f} km here; or a planar DRO",
        ) from fault  # fmt: skip
    except ConvergenceError as fault:
        raise FamilyError(
            f"no spatial DRO about that of {name} {value}: {fault}", key=name, value=value,
            allowed="a planar DRO",
        ) from fault  # fmt: skip
    index = 0.5 * (found.growth + 1 / found.growth)
    state = found.state
    state.flags.writeable = False
    u = np.array([planar.state_nd[0], 0.0, planar.state_nd[4], 0.5 * planar.period_nd])
    lu = system.lu_km
    return PeriodicOrbit(
        family="dro", system=system, state_nd=state, period_nd=found.period,
        jacobi_nd=float(jacobi(state, system.mu)), stability_index=index,
        perilune_km=found.least * lu, apolune_km=found.most * lu,
        amplitude_z_km=found.height * lu, libration_point=None, branch=None,
        parameter=(name, value), stability_indices=stability_indices(u, system.mu),
        torus=torus, vertical_period_nd=found.vertical_period, vertical_phase_deg=vertical_deg,
        near_km=found.near * lu,
    )  # fmt: skip


def lyapunov(
    libration_point: str,
    amplitude_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    jacobi_nd: float | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The planar Lyapunov orbit about L1 or L2 of an amplitude, period, resonance or Jacobi.

    ``amplitude_km`` is half of the extent along x; phase 0 is the crossing of the x-axis with
    vy > 0 (of those the nearest to the Moon). Raises FamilyError outside the family.

    >>> round(lyapunov("L2", jacobi_nd=3.12255510775608).period_days, 5)
    15.50596
    """
    name, value = _one_of(
        amplitude_km=amplitude_km, period_days=period_days, resonance=resonance,
        jacobi_nd=jacobi_nd,
    )  # fmt: skip
    members = table(f"lyapunov-{_point(libration_point, 'Lyapunov orbit').lower()}", system.mu)
    if name == "amplitude_km":
        _check(name, value, members[:, EXTENT] * system.lu_km, "km")
        guess = look_up(members, EXTENT, value / system.lu_km, name, value, system)
        u = correct(guess, system.mu, "extent", value / system.lu_km)
    else:
        u = _by_invariant(members, name, value, system)
    return _orbit("lyapunov", u, system, libration_point, None, (name, value))


def halo(
    libration_point: str,
    branch: str,
    amplitude_z_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    jacobi_nd: float | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The L1 or L2 halo orbit of a largest |z|, on the branch between plane and greatest |z|.

    Or of a period, synodic resonance or Jacobi constant. ``branch`` is northern or southern, by
    the side of the apolune, which is phase 0 (the perpendicular crossing farther from the Moon).
    Raises FamilyError outside the family, and where a figure belongs to several members.

    >>> round(halo("L2", "southern", 15000).period_days, 5)
    15.08585
    """
    name, value = _one_of(
        amplitude_z_km=amplitude_z_km, period_days=period_days, resonance=resonance,
        jacobi_nd=jacobi_nd,
    )  # fmt: skip
    members = _halo_table(libration_point, branch, system.mu)
    lu = system.lu_km
    members = _halo_part(members, libration_point, lu)
    more = "beyond the largest |z| the orbit is an nrho: give perilune_km, period_days or resonance"
    if name == "amplitude_z_km":
        _check(name, value, members[:, AMPLITUDE_Z] * lu, "km", more)
        guess = look_up(members, AMPLITUDE_Z, value / lu, name, value, system)
        u = correct(guess, system.mu, "z0", -value / lu)
        value = float(value)
    else:
        u = _by_invariant(members, name, value, system, more="beyond, the orbit is an nrho")
    return _orbit("halo", u, system, libration_point, branch, (name, value))


def halo_limits_km(libration_point, branch, system: System = EARTH_MOON) -> tuple[float, float]:
    """Least and largest amplitude_z_km that ``halo`` offers, km."""
    members = _halo_table(libration_point, branch, system.mu)
    heights = _halo_part(members, libration_point, system.lu_km)[:, AMPLITUDE_Z]
    return float(heights.min() * system.lu_km), float(heights.max() * system.lu_km)


def _halo_part(members, libration_point, lu_km):
    if libration_point == "L1":  # |z| has no maximum here: up to the lunar surface
        return members[members[:, PERILUNE] * lu_km > MOON_RADIUS_KM]
    return _to_greatest_height(members)


def _to_greatest_height(members):
    return members[: np.argmax(members[:, AMPLITUDE_Z]) + 1]


def nrho(
    libration_point: str,
    branch: str,
    perilune_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    jacobi_nd: float | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The near-rectilinear halo orbit of a perilune, period, synodic resonance or Jacobi constant.

    The part of the L2 halo family beyond its greatest |z|, down to perilunes at the lunar surface.
    The L1 family has no greatest |z|: there it is the part with perilunes under 20,000 km, by
    period down to the shortest (8.0 days). ``perilune_km`` is from the Moon's centre; phase 0 is
    apolune. Raises FamilyError outside.

    >>> round(nrho("L2", "southern", resonance="9:2").perilune_km, 1)
    2936.1
    """
    name, value = _one_of(
        perilune_km=perilune_km, period_days=period_days, resonance=resonance,
        jacobi_nd=jacobi_nd,
    )  # fmt: skip
    members = _halo_table(libration_point, branch, system.mu)
    lu = system.lu_km
    if libration_point == "L1":
        members = members[members[:, PERILUNE] * lu < L1_NRHO_PERILUNE_KM]
    else:
        members = members[np.argmax(members[:, AMPLITUDE_Z]) :]
    grazing = look_up(members, PERILUNE, MOON_RADIUS_KM / lu)
    more = "towards larger perilunes and periods the orbit is a halo: give amplitude_z_km"
    if name == "perilune_km":
        _check(name, value, (MOON_RADIUS_KM, members[:, PERILUNE].max() * lu), "km", more)
        guess = look_up(members, PERILUNE, value / lu, name, value, system)
        u = correct(guess, system.mu, "opposite", value / lu)
    elif name == "jacobi_nd":
        above = members[members[:, PERILUNE] * lu > MOON_RADIUS_KM]
        u = _by_invariant(above, name, value, system, more=more)
    else:
        members = members[: np.argmin(members[:, HALF]) + 1]
        shortest = max(grazing[HALF], members[-1, HALF])
        u = _by_invariant(members, name, value, system, shortest, more)
    return _orbit("nrho", u, system, libration_point, branch, (name, value))


def halo_by_period(
    libration_point: str, branch: str, period_days: float, *, system: System = EARTH_MOON
) -> PeriodicOrbit:
    """The halo or NRHO of a period, on the part of the family where periods fall towards the Moon.

    Raises FamilyError outside it.
    """
    members = _halo_table(libration_point, branch, system.mu)
    members = members[np.argmax(members[:, HALF]) : np.argmin(members[:, HALF]) + 1]
    u = _by_invariant(members, "period_days", period_days, system)
    return _orbit("nrho", u, system, libration_point, branch, ("period_days", period_days))


def butterfly(
    branch: str,
    perilune_km: float | None = None,
    *,
    period_days: float | None = None,
    resonance: str | None = None,
    jacobi_nd: float | None = None,
    system: System = EARTH_MOON,
) -> PeriodicOrbit:
    """The butterfly orbit of a perilune, period, synodic resonance or Jacobi constant.

    It branches off the L2 NRHO with a perilune of 1,858 km, where that doubles its period, and
    passes the Moon twice a revolution. Phase 0 is the northernmost point of the northern branch;
    the southern one is its mirror image, beginning at the southernmost. Raises FamilyError
    outside the family, and where a Jacobi constant belongs to two members.

    >>> round(butterfly("northern", period_days=16.51852924).perilune_km)
    20392
    """
    name, value = _one_of(
        perilune_km=perilune_km, period_days=period_days, resonance=resonance,
        jacobi_nd=jacobi_nd,
    )  # fmt: skip
    _branch(branch)
    members = table("butterfly", system.mu)
    if name == "perilune_km":
        _check(name, value, members[:, PERILUNE] * system.lu_km, "km")
        guess = look_up(members, PERILUNE, value / system.lu_km, name, value, system)
        u = correct(guess, system.mu, "perilune", value / system.lu_km)
    else:
        u = _by_invariant(members, name, value, system)
    return _orbit("butterfly", u, system, "L2", branch, (name, value))


def families() -> tuple[str, ...]:
    """Names of the families in the table, as ``bifurcations`` and ``members`` take them."""
    return tuple(tables())


def members(family: str, *, system: System = EARTH_MOON) -> np.ndarray:
    """Members (M, 4) of a family in the table, in order along it; see ``continuation`` for ``u``.

    Halos are southern, butterflies northern.
    """
    return table(family, system.mu)[:, :4].copy()


@lru_cache(maxsize=32)
def bifurcations(family: str, *, system: System = EARTH_MOON) -> tuple[Bifurcation, ...]:
    """Where other families branch off the named one, in order along it; found when asked.

    >>> at = [b for b in bifurcations("lyapunov-l2") if b.kind == "branching" and b.across]
    >>> round(at[0].jacobi_nd, 4)  # the halos begin here
    3.1521
    """
    return tuple(find_bifurcations(members(family, system=system), system.mu))


def _orbit(family, u, system, libration_point, branch, parameter, revolutions=1) -> PeriodicOrbit:
    count = 721 * revolutions
    if is_planar(u):
        u[Z0] = 0.0
    least, most, height = (v * system.lu_km for v in extremes(u, system.mu, count))
    state = full_state(u)
    if (branch == "northern" and state[2] < 0) or (branch == "southern" and state[2] > 0):
        state[2] = -state[2]
    state.flags.writeable = False
    return PeriodicOrbit(
        family=family, system=system, state_nd=state, period_nd=float(2 * u[HALF]),
        jacobi_nd=jacobi_nd_of(u, system.mu), stability_index=monodromy_index(u, system.mu),
        perilune_km=least, apolune_km=most, amplitude_z_km=height,
        libration_point=libration_point, branch=branch, parameter=parameter,
        stability_indices=stability_indices(u, system.mu), revolutions=revolutions,
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
        raise InputError(
            f"{value!r} is not a number", key=name, value=value, allowed=unit or "a number"
        )
    if not low <= value <= high:  # NaN fails too
        digits = {"km": 0, "days": 3}.get(unit, 5)
        # round inwards, so that a printed limit is itself allowed
        scale = 10.0**digits
        low, high = np.ceil(low * scale) / scale, np.floor(high * scale) / scale
        allowed = f"{low:.{digits}f} to {high:.{digits}f} {unit}".rstrip()
        shown = f"{value:g} {unit}".rstrip() if show is None else show
        raise FamilyError(
            f"{shown} is outside the family", key=name, value=value,
            allowed=f"{allowed}; {more}" if more else allowed,
        )  # fmt: skip


def _by_invariant(members, name, value, system, shortest=0.0, more=""):
    """Member ``u`` (4) of a period, resonance or Jacobi constant."""
    if name == "jacobi_nd":
        _check(name, value, members[:, JACOBI], "", more)
        guess = look_up(members, JACOBI, value, name, value, system)
        return correct(guess, system.mu, "jacobi", value)
    days = resonance_days(value) if name == "resonance" else value
    half_days = system.tu_s / DAY_S
    show = f"{value} ({days:.4f} days)" if name == "resonance" else None
    halves = members[:, HALF]
    limits = (2 * half_days * max(halves.min(), shortest), 2 * half_days * halves.max())
    _check(name, days, limits, "days", more, show)
    half = days / (2 * half_days)
    guess = look_up(members, HALF, half, name, value, system)
    return correct(guess, system.mu, "half", half)


def _point(libration_point, what) -> str:
    if libration_point not in ("L1", "L2"):
        raise FamilyError(
            f"no {what} about {libration_point!r}", key="libration_point", value=libration_point,
            allowed="L1, L2",
        )  # fmt: skip
    return libration_point


def _branch(branch) -> None:
    if branch not in ("northern", "southern"):
        raise FamilyError(
            f"no branch {branch!r}", key="branch", value=branch, allowed="northern, southern"
        )


def _halo_table(libration_point, branch, mu):
    _point(libration_point, "halo")
    _branch(branch)
    return table(f"halo-{libration_point.lower()}", mu)
