"""Which figures a report carries, and how they are grouped into tabs."""

from __future__ import annotations

from cislunar.plots import bars, frontier, gathered, graph, maps, orbits, timeline
from cislunar.report.answer import needs_table
from cislunar.text import Text

MAP_VARIABLES = (
    "availability_frac", "longest_gap_s", "positioning_availability_frac",
    "joint_availability_frac", "accuracy_3d_p95_m",
)  # fmt: skip


def figures(results, text: Text) -> dict[str, dict]:
    """Plotly specifications by name; what the run has no data for is absent."""
    out: dict[str, dict] = {}
    services = _most_wanting(results)
    for service in services:
        if timeline.places(results, service):
            out[f"timeline-{service}"] = timeline.timeline(results, service, text)
    for asset in gathered.distinct(results):
        name = f"accumulation-{asset}"
        out[name] = gathered.accumulation(results, asset, text)
        out[name]["layout"].pop("title")
    out |= _maps(results, text)
    if results.trajectories:
        out["orbits-flat"] = orbits.orbits(results, text)
        out["orbits-solid"] = orbits.orbits_3d(results, text)
    for service in services:
        if (results.gaps["service"] == service).any():
            out[f"gaps-{service}"] = bars.gaps(results, text, service)
            out[f"gaps-{service}"]["layout"]["annotations"] = []
    if len(results.fills) and results.fills["gap_hours_filled"].notna().any():
        out["fills"] = bars.fills(results, text)
    if len(results.frontier) > 1:
        out["portfolio"] = frontier.frontier(results, text)
    if len(results.contacts):
        out["network"] = graph.network(results, None, text)
        del out["network"]["layout"]["title"]
    return out


def _most_wanting(results):
    """The services, those with most unserved time that somebody needs first."""
    needs = needs_table(results)
    judged = set(zip(needs["asset"], needs["service"], strict=True))
    gaps = results.gaps
    if gaps.empty:
        return timeline.services(results)
    mine = gaps[[k in judged for k in zip(gaps["place"], gaps["service"], strict=True)]]
    lost = mine.groupby("service")["duration_s"].sum().to_dict()
    return sorted(timeline.services(results), key=lambda s: -float(lost.get(s, 0.0)))


def _maps(results, text):
    coverage = results.coverage
    if coverage is None or not coverage.sizes.get("cell", 0):
        return {}
    out = {}
    for k, region in enumerate(maps.regions(coverage)):
        for variable in MAP_VARIABLES:
            if variable in coverage and coverage[variable].notnull().any():
                name = f"map-{k}-{variable}"
                out[name] = maps.coverage_map(results, variable, region, text)
                out[name]["layout"].pop("title", None)
                out[name]["layout"]["margin"] = {"l": 10, "r": 110, "t": 10, "b": 10}
                label = maps.region_name(results, region, text)
                out[name]["label"] = f"{label}: {text.either(f'coverage.{variable}', variable)}"
                out[name]["note"] = _map_note(coverage, variable, region, text)
    return out


def _map_note(coverage, variable, region, text):
    """What the variable is, and for which mask and user it was computed."""
    note = text.either(f"map_note.{variable}", variable)
    masks = dict(
        part.split(": ", 1)
        for part in str(coverage.attrs.get("min_elevation_deg", "")).split("; ")
        if ": " in part
    )
    if region in masks and coverage.attrs.get("operator"):
        note += ("" if text.language == "ja" else " ") + text(
            "map.mask", mask=masks[region], operator=coverage.attrs["operator"]
        )
    return note


def tabs(drawn: dict[str, dict], text: Text) -> dict[str, list[tuple[str, str, str]]]:
    """The tabs of each section: ``{section: [(figure name, label, note)]}``."""
    out: dict[str, list[tuple[str, str, str]]] = {
        "timeline": [], "map": [], "orbits": [], "gaps": [], "fills": [], "portfolio": [],
        "network": [], "accumulation": [],
    }  # fmt: skip
    for name, spec in drawn.items():
        section, _, rest = name.partition("-")
        label, note = spec.pop("label", ""), spec.pop("note", "")
        if section in ("timeline", "gaps"):
            label = text.either(f"service.{rest}", rest)
        elif section == "accumulation":
            label, note = rest, text("gathered.note")
        elif section == "orbits":
            label = text(f"tab.{rest}")
        out[section].append((name, label, note))
    return out
