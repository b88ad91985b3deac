"""Which figures a report carries, and how they are grouped into tabs."""

from __future__ import annotations

from cislunar.plots import bars, graph, maps, orbits, timeline
from cislunar.text import Text

MAP_VARIABLES = (
    "availability_frac", "longest_gap_s", "positioning_availability_frac",
    "joint_availability_frac", "accuracy_3d_p95_m",
)  # fmt: skip


def figures(results, text: Text) -> dict[str, dict]:
    """Plotly specifications by name; what the run has no data for is absent."""
    out: dict[str, dict] = {}
    for service in timeline.services(results):
        if timeline.places(results, service):
            out[f"timeline-{service}"] = timeline.timeline(results, service, text)
    out |= _maps(results, text)
    if results.trajectories:
        out["orbits-flat"] = orbits.orbits(results, text)
        out["orbits-solid"] = orbits.orbits_3d(results, text)
    for service in timeline.services(results):
        if (results.gaps["service"] == service).any():
            out[f"gaps-{service}"] = bars.gaps(results, text, service)
            out[f"gaps-{service}"]["layout"]["annotations"] = []
    if len(results.fills) and results.fills["gap_hours_filled"].notna().any():
        out["fills"] = bars.fills(results, text)
    if len(results.contacts):
        out["network"] = graph.network(results, None, text)
        del out["network"]["layout"]["title"]
    return out


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
                out[name]["layout"]["margin"] = {"l": 10, "r": 50, "t": 10, "b": 10}
                out[name]["label"] = f"{text.either(f'coverage.{variable}', variable)} ({region})"
    return out


def tabs(drawn: dict[str, dict], text: Text) -> dict[str, list[tuple[str, str]]]:
    """The tabs of each section: ``{section: [(figure name, label)]}``."""
    out: dict[str, list[tuple[str, str]]] = {
        "timeline": [], "map": [], "orbits": [], "gaps": [], "fills": [], "network": [],
    }  # fmt: skip
    for name, spec in drawn.items():
        section, _, rest = name.partition("-")
        label = spec.pop("label", "")
        if section in ("timeline", "gaps"):
            label = text.either(f"service.{rest}", rest)
        elif section == "orbits":
            label = text(f"tab.{rest}")
        out[section].append((name, label))
    return out
