"""Two-body legs: Lambert's problem, Hohmann transfers, and sourced insertion costs.

The solvers are the poliastro family's (``boinor.core``), imported when first called. Two bodies
only: for trades and first guesses, not for flight.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2
from orbits.errors import ConvergenceError, InputError
from orbits.show import Shown

GM_KM3_S2 = {"moon": GM_MOON_KM3_S2, "earth": GM_EARTH_KM3_S2}


@dataclass(frozen=True, repr=False)
class Hohmann(Shown):
    """A two-impulse transfer between coplanar circles: impulses in km/s, duration in s."""

    first_km_s: float
    second_km_s: float
    duration_s: float

    SHOWN = ("first_km_s", "second_km_s", "total_km_s", "duration_s")

    @property
    def total_km_s(self) -> float:
        """The sum of the two impulses' sizes in km/s."""
        return abs(self.first_km_s) + abs(self.second_km_s)


@dataclass(frozen=True, repr=False)
class InsertionCost(Shown):
    """What it takes to enter an orbit, in m/s, as published: low and high of the figures found.

    ``includes`` says which burns, ``unverified`` what is known from a secondary mention alone.
    """

    destination: str
    low_m_s: float
    high_m_s: float
    sources: tuple[str, ...]
    includes: str = ""
    unverified: str = ""


@lru_cache(maxsize=4)
def _solver(module, name):
    """A solver of ``boinor.core``, kept compiled on disk: it compiles for 15 s otherwise."""
    from importlib import import_module

    from numba.core.dispatcher import Dispatcher

    found = import_module(f"boinor.core.{module}")
    for name_ in ("boinor._math.linalg", "boinor._math.special", "boinor.core.elements",
                  "boinor.core.util", f"boinor.core.{module}"):  # fmt: skip
        for item in vars(import_module(name_)).values():
            if isinstance(item, Dispatcher) and not item.signatures:
                item.enable_caching()
    return getattr(found, name)


def _gm(centre, gm):
    if gm is not None:
        if not (gm > 0 and math.isfinite(gm)):
            raise InputError(f"GM {gm}", key="gm", value=gm, allowed="> 0 km3/s2")
        return float(gm)
    if centre not in GM_KM3_S2:
        raise InputError(f"no centre {centre!r}", key="centre", value=centre, allowed="moon, earth")
    return GM_KM3_S2[centre]


def lambert(
    start_km, end_km, duration_s: float, centre: str = "moon", *, gm: float | None = None,
    prograde: bool = True, revolutions: int = 0, low_path: bool = True,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Velocities (3,) and (3,) in km/s at the start and the end of a two-body leg.

    Positions (3,) in km from ``centre`` ("moon" or "earth", with DE440's GM unless ``gm`` in km3/s2
    is given), on any inertial axes; ``prograde`` turns about +z of those. Izzo's solver (Celestial
    Mechanics and Dynamical Astronomy 121:1, 2015). Raises InputError for positions on one line with
    the centre (the plane is not defined), ConvergenceError where no leg of so many revolutions is
    that short.

    >>> before, after = lambert([5000, 10000, 2100], [-14600, 2500, 7000], 3600.0, gm=398600.0)
    >>> before.round(3).tolist()  # Curtis, Orbital Mechanics, example 5.2
    [-5.992, 1.925, 3.246]
    """
    izzo = _solver("iod", "izzo")
    k = _gm(centre, gm)
    r1, r2 = np.asarray(start_km, dtype=float), np.asarray(end_km, dtype=float)
    if r1.shape != (3,) or r2.shape != (3,) or not np.isfinite([r1, r2]).all():
        raise InputError("a leg wants two finite positions (3,) in km")
    if not (duration_s > 0 and math.isfinite(duration_s)):
        raise InputError(
            f"duration {duration_s} s", key="duration_s", value=duration_s, allowed="> 0"
        )
    if revolutions < 0:
        raise InputError(
            f"{revolutions} revolutions", key="revolutions", value=revolutions, allowed=">= 0"
        )
    sine = np.linalg.norm(np.cross(r1, r2)) / (np.linalg.norm(r1) * np.linalg.norm(r2))
    if not sine > 1e-9:
        raise InputError("the two positions and the centre lie on one line: no plane is defined")
    try:
        return izzo(
            k, r1, r2, float(duration_s), int(revolutions), prograde, low_path, 50,
            1e-10,
        )  # fmt: skip
    except ValueError as fault:
        raise ConvergenceError(
            f"no leg of {duration_s:.0f} s with {revolutions} revolutions: {fault}"
        ) from fault


def hohmann(
    start_radius_km: float, end_radius_km: float, centre: str = "moon", *, gm: float | None = None
) -> Hohmann:
    """The Hohmann transfer between circles of two radii (km) about ``centre``.

    >>> round(hohmann(1837.4, 9750.7).total_km_s, 3)
    0.795
    """
    for key, radius in (("start_radius_km", start_radius_km), ("end_radius_km", end_radius_km)):
        if not (radius > 0 and math.isfinite(radius)):
            raise InputError(f"radius {radius} km", key=key, value=radius, allowed="> 0")
    k = _gm(centre, gm)
    here = np.array([float(start_radius_km), 0.0, 0.0])
    speed = np.array([0.0, math.sqrt(k / start_radius_km), 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's, of the speed of boinor's matrix products
        first, second, duration = _solver("maneuver", "hohmann")(
            k, (here, speed), float(end_radius_km)
        )
    way = math.copysign(1.0, end_radius_km - start_radius_km)
    return Hohmann(
        way * float(np.linalg.norm(first)), way * float(np.linalg.norm(second)), float(duration)
    )


def insertion_costs(records: Mapping[str, Mapping]) -> dict[str, InsertionCost]:
    """Insertion costs by destination from records that name their sources.

    ``records``: destination to a mapping with ``low_m_s``, ``high_m_s`` and ``sources`` (titles or
    addresses, or mappings with a ``title``; one at least), and ``destination``, ``includes`` and
    ``unverified`` if they are to be kept: the catalogue's "insertion-costs" are such records.
    Nothing is filled in: a record without figures or without a source is refused with InputError.
    """
    out = {}
    for name, record in records.items():
        sources = record.get("sources") or ()
        sources = (sources,) if isinstance(sources, str) else tuple(map(_titled, sources))
        low, high = record.get("low_m_s"), record.get("high_m_s")
        if not sources:
            raise InputError("an insertion cost names its source", key=f"{name}.sources")
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in (low, high)):
            raise InputError(
                "an insertion cost is a range of numbers", key=f"{name}.low_m_s", value=low
            )
        assert low is not None
        assert high is not None
        if not 0 <= low <= high:
            raise InputError(
                f"range {low} to {high} m/s", key=f"{name}.low_m_s", value=low,
                allowed="0 <= low <= high",
            )  # fmt: skip
        destination = str(record.get("destination") or name)
        out[destination] = InsertionCost(
            destination, float(low), float(high), sources, str(record.get("includes") or ""),
            str(record.get("unverified") or ""),
        )  # fmt: skip
    return out


def _titled(source) -> str:
    """A source as text: its title and address where it has both."""
    if not isinstance(source, Mapping):
        return str(source)
    return ", ".join(str(source[k]) for k in ("title", "url") if source.get(k))
