"""What served in a run, in words: orbits, operators, terminals, how sure."""

from __future__ import annotations

from dataclasses import dataclass

from cislunar import display as fmt
from cislunar.report.cells import unsure
from cislunar.report.demand import full_name
from cislunar.report.demand import where as place
from cislunar.text import Text


@dataclass(frozen=True)
class Supplier:
    """One spacecraft or Earth station as the report lists it."""

    name: str
    kind: str
    operator: str
    where: str
    terminals: str
    confidence: str
    full_name: str = ""
    loose: str = ""  # the fields that nothing verifies


def supply_rows(results, text: Text) -> list[Supplier]:
    """One row a spacecraft or Earth station, in node order."""
    out = []
    records = {(r.get("kind"), r.get("id")): r for r in results.sources}
    for node in results.nodes:
        if node.kind == "asset":
            continue
        record = records.get((node.kind, node.name)) or records.get(
            ("constellation", getattr(node, "constellation", None)), {}
        )
        if node.kind == "spacecraft":
            where = text("list.joiner").join(
                [describe_orbit(node.orbit, text), *_flown(results.trajectories, node.name, text)]
            )
        else:
            where = text(
                "orbit.place", place=place(node.latitude_deg, node.longitude_deg, text),
                mask=f"{node.min_elevation_deg:g}",
            )  # fmt: skip
            given = float(getattr(node, "lunar_time_share", 1.0))
            where += text("list.joiner") + text("supply.share", share=fmt.percent(given, 0))
        share = node.service.total_s / float(results.scenario.duration_s)
        if share < 0.9999:
            where += text("list.joiner") + text("supply.window", share=fmt.percent(share))
        out.append(
            Supplier(
                name=node.name,
                kind=text(f"node.{node.kind}"),
                operator=node.operator or fmt.NONE,
                where=where,
                terminals=", ".join(_terminal(t) for t in node.terminals) or fmt.NONE,
                confidence=node.confidence or record.get("confidence") or "",
                full_name=full_name(node, text),
                loose=unsure(record, text),
            )
        )
    return out


def _flown(trajectories, name, text) -> list[str]:
    """What the corrected orbit of a three-body craft turned out to be, in words."""
    notes = trajectories[name].notes if name in trajectories else {}
    out = []
    if "phase_deg" in notes:
        out.append(text("supply.phase", phase=f"{notes['phase_deg']:.1f}"))
    found = notes.get("perilune_flown_km")
    if found:
        out.append(text("supply.flown", **{k: f"{v:,.0f}" for k, v in found.items()}))
    return out


def _terminal(terminal) -> str:
    if isinstance(terminal, str):
        return terminal
    return getattr(terminal, "id", None) or getattr(terminal, "name", "") or ""


def describe_orbit(orbit, text: Text) -> str:
    """An orbit record in words: family and size; frozen elliptical ones are called ELFO."""
    kind = getattr(orbit, "kind", None)
    if kind in ("dro", "nrho"):
        if kind == "dro":
            return text("orbit.dro", size=_size(orbit, text))
        return text(
            "orbit.nrho", point=orbit.libration_point, branch=text(f"orbit.{orbit.branch}"),
            size=_size(orbit, text),
        )  # fmt: skip
    if kind == "halo":
        return text(
            "orbit.halo", point=orbit.libration_point, branch=text(f"orbit.{orbit.branch}"),
            size=f"{orbit.amplitude_z_km:,.0f} km",
        )  # fmt: skip
    if kind == "keplerian":
        return text(
            "orbit.elfo" if is_frozen_ellipse(orbit) else "orbit.keplerian",
            a=f"{orbit.semi_major_axis_km:,.0f}", e=f"{orbit.eccentricity:.3g}",
            i=f"{orbit.inclination_deg:.1f}",
        )  # fmt: skip
    return text.either(f"orbit.{kind}", str(kind or fmt.NONE))


def is_frozen_ellipse(orbit) -> bool:
    """True for an elliptical lunar orbit with its apsides held over a pole."""
    if orbit.frame.startswith(("EARTH", "ITRF")) or orbit.eccentricity < 0.3:
        return False
    off = min(abs((orbit.argument_of_periapsis_deg - w + 180) % 360 - 180) for w in (90, 270))
    return off <= 35.0


def _size(orbit, text):
    for key, word, form in (
        ("amplitude_km", "orbit.size_amplitude", "{:,.0f}"),
        ("perilune_km", "orbit.size_perilune", "{:,.0f}"),
        ("period_days", "orbit.size_period", "{:.2f}"),
        ("resonance", "orbit.size_resonance", "{}"),
    ):
        value = getattr(orbit, key, None)
        if value is not None:
            return text(word, n=form.format(value))
    return fmt.NONE
