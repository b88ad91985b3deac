"""One orbit by its scenario keys: built, flown if asked, written if asked, and its figures."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from orbits.errors import InputError

FAMILIES = ("dro", "halo", "nrho", "lyapunov", "butterfly", "keplerian")
FIDELITIES = ("cr3bp", "ephemeris")
DEFAULT_EPOCH = "2030-01-01T00:00:00 UTC"  # an orbit that is not flown depends on no epoch
NAIF_ID = -100001
_NOTES = {  # what an orbit flown in the ephemeris tells besides, by the name it is printed under
    "locked_period_days": "locked_period_days",
    "locked_to": "locked_to",
    "amplitude_z_flown_km": "amplitude_z_flown_km",
    "stray_max_km": "strays_km",
    "phase_deg": "phase_deg",
    "vertical_period_days": "vertical_period_days",
    "height_flown_km": "height_flown_km",
    "remarks": "remarks",
}
PREFIXES = ("spacecraft.0.orbit.", "spacecraft.0.orbit")


def build_one(
    family: str,
    given: dict[str, Any],
    *,
    fidelity: str = "cr3bp",
    epoch: str | None = None,
    days: float = 28.0,
    out: Path | None = None,
    keeping: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The figures of an orbit, by the names and units of the ``orbit --json`` output.

    ``given`` holds the scenario's orbit keys. ``out`` (``.oem`` or ``.bsp``) and the ephemeris
    fidelity need ``epoch``. ``keeping`` (``samples``, ``errors`` and what else ``keep_one`` takes)
    adds what it costs to stay there. Raises InputError for anything that makes no orbit.
    """
    if family not in FAMILIES:
        raise InputError(
            f"{family!r} is not a family", key="FAMILY", value=family, allowed=", ".join(FAMILIES)
        )
    if fidelity not in FIDELITIES:
        raise InputError(
            f"{fidelity!r} is not a fidelity", key="--fidelity", value=fidelity,
            allowed=", ".join(FIDELITIES),
        )  # fmt: skip
    if out is not None and out.suffix.lower() not in (".oem", ".bsp"):
        raise InputError(
            f"{out} is neither an OEM nor an SPK file", key="--out", value=str(out),
            allowed="FILE.oem or FILE.bsp",
        )  # fmt: skip
    if epoch is None and (fidelity == "ephemeris" or out is not None):
        raise InputError(
            "an orbit that is flown or written needs an instant", key="--epoch",
            allowed='text such as "2030-03-01T00:00:00 UTC"',
        )  # fmt: skip
    scenario = _scenario(family, given, fidelity, epoch or DEFAULT_EPOCH, days)
    record = scenario.spacecraft[0].orbit
    figures = _keplerian(record) if family == "keplerian" else _periodic(record)
    if fidelity == "ephemeris" or out is not None:
        from cislunar.nodes import expand_nodes
        from cislunar.trajectories import build_trajectories
        from orbits.ephemeris import De440

        flown = build_trajectories(scenario, expand_nodes(scenario), De440.open())["orbit"]
        if fidelity == "ephemeris":
            figures |= _flown(flown, days, figures.get("period_days"))
        if out is not None:
            _write(flown, out)
    if keeping is not None:
        if fidelity != "ephemeris":
            raise InputError(
                "station-keeping is flown", key="--station-keeping", allowed="--fidelity ephemeris"
            )
        figures |= _kept(family, given, epoch, days, figures, keeping)
    return figures


def _kept(family, given, epoch, days, figures, keeping):
    from cislunar.nodes import expand_nodes
    from cislunar.orbit_keeping import keep_one, reference_days
    from cislunar.trajectories import build_trajectories, force_model
    from orbits.ephemeris import De440

    period_days = figures["mean_period_days"]
    longer = reference_days(family, days, period_days, keeping.get("revolutions_ahead"))
    scenario, ephemeris = _scenario(family, given, "ephemeris", epoch, longer), De440.open()
    reference = build_trajectories(scenario, expand_nodes(scenario), ephemeris)["orbit"]
    return keep_one(
        family, reference, force_model(scenario), ephemeris, days, period_days, **keeping
    )


def _scenario(family, given, fidelity, epoch, days):
    from cislunar.checks import check_scenario
    from cislunar.faults import InputErrors
    from cislunar.scenario import Scenario

    if family in ("halo", "nrho"):
        given = {"libration_point": "L2", "branch": "southern", **given}
    if family == "lyapunov":
        given = {"libration_point": "L2", **given}
    if family == "butterfly":
        given = {"branch": "southern", **given}
    if family == "keplerian":
        given = {
            "frame": "MOON_OP", "raan_deg": 0.0, "argument_of_periapsis_deg": 0.0,
            "mean_anomaly_deg": 0.0, "eccentricity": 0.0, "inclination_deg": 0.0, **given,
        }  # fmt: skip
    try:
        scenario = Scenario(
            name="orbit", epoch=epoch, duration_days=days, step_s=60, fidelity=fidelity,
            spacecraft=[{"name": "orbit", "orbit": {"kind": family, **given}}], options=[],
        )  # fmt: skip
        check_scenario(scenario)
    except InputErrors as faults:
        raise InputErrors([_as_option(f) for f in faults.faults]) from None
    except InputError as fault:
        raise _as_option(fault) from None
    return scenario


def _as_option(fault: InputError) -> InputError:
    """The fault with its scenario key spoken as a flag of the command."""
    key = str(fault.key or "")
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    known = {"duration_days": "days"}
    flag = "--" + known.get(key, key).replace("_", "-") if key else None
    return InputError(fault.what, key=flag, value=fault.value, allowed=fault.allowed)


def _periodic(record) -> dict[str, Any]:
    from cislunar.trajectories import periodic_orbit

    orbit = periodic_orbit(record)
    spatial: dict[str, Any] = {}
    if orbit.torus is not None and orbit.vertical_period_nd is not None:
        spatial = {
            "vertical_period_days": orbit.vertical_period_nd * orbit.system.tu_days,
            "vertical_phase_deg": orbit.vertical_phase_deg,
            "near_side_mean_km": orbit.near_km,
            "remarks": [
                "quasi-periodic: it never repeats; period_days is the mean revolution, perilune, "
                "apolune and amplitude_z_km are the extremes of ten years"
            ],
        }
    return {
        "family": orbit.family,
        "mu": orbit.system.mu,
        "lu_km": orbit.system.lu_km,
        "tu_s": orbit.system.tu_s,
        "state_nd": [float(v) for v in orbit.state_nd],
        "period_nd": float(orbit.period_nd),
        "period_days": float(orbit.period_days),
        "jacobi_nd": float(orbit.jacobi_nd),
        "stability_index": float(orbit.stability_index),
        "perilune_km": float(orbit.perilune_km),
        "apolune_km": float(orbit.apolune_km),
        "amplitude_z_km": float(orbit.amplitude_z_km),
        **spatial,
    }


def _keplerian(record) -> dict[str, Any]:
    """Two-body figures; what belongs to the three-body problem has no value here."""
    from orbits.constants import DAY_S, GM_EARTH_KM3_S2, GM_MOON_KM3_S2

    earth = record.frame in ("EARTH_ICRF", "ITRF")
    gm = GM_EARTH_KM3_S2 if earth else GM_MOON_KM3_S2
    a, e = record.semi_major_axis_km, record.eccentricity
    three_body = ("mu", "lu_km", "tu_s", "state_nd", "period_nd")
    low, high = ("perigee_km", "apogee_km") if earth else ("perilune_km", "apolune_km")
    return {
        "family": "keplerian",
        **dict.fromkeys(three_body),
        "period_days": 2 * math.pi * math.sqrt(a**3 / gm) / DAY_S,
        "jacobi_nd": None,
        "stability_index": None,
        low: a * (1 - e),
        high: a * (1 + e),
        "amplitude_z_km": None,
        "gm_km3_s2": gm,
    }


def _flown(trajectory, days: float, period_days: float | None) -> dict[str, Any]:
    notes = trajectory.notes
    measured = _perilunes(trajectory)
    return {
        "epoch_utc": trajectory.epoch.utc_text(0.0),
        "state_km_km_s": [float(v) for v in trajectory.at(0.0)],
        "frame": trajectory.frame,
        "span_days": float(days),
        "mean_period_days": notes.get("mean_period_days", period_days),
        "perilune_flown_km": notes.get("perilune_flown_km", measured),
        # one arc, flown without a break, has no gap to speak of
        "worst_position_gap_m": float(notes.get("worst_position_gap_m", 0.0)),
        "worst_velocity_gap_mm_s": float(notes.get("worst_velocity_gap_mm_s", 0.0)),
        **{name: notes[note] for name, note in _NOTES.items() if note in notes},
    }


def _perilunes(trajectory) -> dict[str, float]:
    """Least, median and largest of the local minima of the distance to the Moon's centre, km."""
    import numpy as np

    distance = np.linalg.norm(trajectory.states[:, :3], axis=1)
    inner = (distance[1:-1] <= distance[:-2]) & (distance[1:-1] < distance[2:])
    found = distance[1:-1][inner]
    if not found.size:
        found = np.array([distance.min()])
    return {
        "least": float(found.min()),
        "median": float(np.median(found)),
        "most": float(found.max()),
    }


def _write(trajectory, out: Path) -> None:
    from orbits.exchange import thinned, write_oem, write_spk

    if not out.parent.is_dir():
        raise InputError(
            f"{out.parent} is not a folder", key="--out", value=str(out),
            allowed="a file in an existing folder",
        )  # fmt: skip
    part = out.with_name(f".{out.name}.part")
    lean = thinned(trajectory)
    try:
        if out.suffix.lower() == ".oem":
            name = out.stem.upper()
            write_oem(lean, part, object_name=name, object_id=str(NAIF_ID))
        else:
            write_spk({out.stem: lean}, {out.stem: NAIF_ID}, part)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def printed(figures: dict[str, Any]) -> str:
    """The figures as aligned lines, name then value; the unit is the last word of the name."""
    lines = []
    for name, value in figures.items():
        if value is None:
            continue
        if isinstance(value, list) and value and isinstance(value[0], str):
            value = "; ".join(value)
        elif isinstance(value, list):
            value = "[" + ", ".join(f"{v:.12g}" for v in value) + "]"
        elif isinstance(value, dict):
            value = ", ".join(f"{k} {v:.1f}" for k, v in value.items())
        elif isinstance(value, float):
            value = f"{value:.12g}"
        lines.append(f"{name:<24} {value}")
    return "\n".join(lines)
