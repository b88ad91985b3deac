"""What it costs to stay on one orbit: plan by family, campaign, and what others paid."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orbits.errors import InputError

ERRORS = (
    "insertion_km", "insertion_m_s", "navigation_km", "navigation_m_s", "execution_fixed_m_s",
    "execution_frac", "pointing_deg", "minimum_m_s", "desaturation_m_s",
)  # fmt: skip
_CROSSING = {"nrho": ("apolune", 6.5), "halo": ("crossing", 1.0), "lyapunov": ("crossing", 1.0)}
_DRIFTING = ("dro", "keplerian")
_DRIFT_REVS = 6.0
_LOOK_DAYS = 7.0  # how seldom a craft on a short orbit is looked at


def reference_days(family: str, days: float, period_days: float, ahead: float | None) -> float:
    """Days a reference must cover so that the last manoeuvre of ``days`` still has its target."""
    if family in _CROSSING:
        return days + ((ahead or _CROSSING[family][1]) + 2) * period_days
    return days + (ahead or _DRIFT_REVS) * period_days + 2 * max(period_days, _LOOK_DAYS)


def keep_one(
    family: str, reference, model, ephemeris, days: float, period_days: float, *, samples: int,
    errors: dict[str, float], seed: int = 0, revolutions_ahead: float | None = None,
    box_deg: float | None = None, hold: str = "phase",
) -> dict[str, Any]:  # fmt: skip
    """Figures of a station-keeping campaign on a flown reference, by their ``--json`` names.

    ``errors`` are one sigma on each axis, by the names of ``orbits.stationkeeping.KeepingErrors``;
    navigation errors must be among them, and a DRO or a Keplerian orbit wants ``box_deg``. Raises
    InputError.
    """
    from cislunar import catalog
    from orbits.keeping_plan import plan_crossings, plan_drift
    from orbits.stationkeeping import KeepingErrors, compare_with_flown, keep

    for key in ("navigation_km", "navigation_m_s"):
        if key not in errors:
            raise InputError(
                "station-keeping wants the navigation error, one sigma", key=_flag(key),
                allowed=">= 0",
            )  # fmt: skip
    try:
        noise = KeepingErrors(**errors)
    except InputError as fault:
        raise InputError(
            fault.what, key=_flag(str(fault.key)), value=fault.value, allowed=fault.allowed
        ) from None
    if family in _CROSSING:
        at, ahead = _CROSSING[family]
        plan = plan_crossings(
            reference, ephemeris, days, at=at, revolutions_ahead=revolutions_ahead or ahead
        )
        method = f"x-axis crossing control from every {at}, {revolutions_ahead or ahead:g} " + (
            "revolutions ahead"
        )
    elif family in _DRIFTING:
        if box_deg is None:
            raise InputError(
                "an orbit that may drift wants a box of phase", key="--box-deg", allowed="> 0"
            )
        kind = "plane" if family == "dro" else "apsis"
        plan = plan_drift(
            reference, ephemeris, days, box_deg=box_deg, kind=kind, hold=hold,
            every=max(1, round(_LOOK_DAYS / period_days)) if family == "keplerian" else 1,
            revolutions_ahead=revolutions_ahead or _DRIFT_REVS,
        )  # fmt: skip
        method = f"drift within {box_deg:g} degrees of phase, then back to its {hold}"
    else:
        raise InputError(
            f"no station-keeping of a {family} orbit", key="--station-keeping", value=family,
            allowed=", ".join((*_CROSSING, *_DRIFTING)),
        )  # fmt: skip
    campaign = keep(plan, ephemeris, model, noise, count=samples, seed=seed, days=days)
    rows = compare_with_flown({family: campaign}, list(catalog.load("stationkeeping").values()))
    return {
        "station_keeping": method,
        **{f"error_{name}": value for name, value in asdict(noise).items() if value},
        **campaign.summary(),
        "others": [
            f"{r['id']} ({r['basis']}): {r['flown_low_m_s']:g} to {r['flown_high_m_s']:g} m/s "
            "a year"
            for r in rows
        ],
    }


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")
