"""One variant computed, as far as its metrics need, and made into a row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from cislunar.outside import allow_outside
from cislunar.sweep import shared
from cislunar.sweep.identity import Marks, fit
from cislunar.sweep.metrics import depth, figures_of_maps, measure
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import ChangedError, named_values, scenario_of
from orbits.errors import CislunarError, InputError

RETRY = "lost"  # error_kind of variants that no fit worker computed: run again on --resume


@dataclass(frozen=True, eq=False)
class Found:
    """What was computed of a variant; the names are those of ``Results``."""

    scenario: Any
    nodes: tuple[Any, ...]
    coverage: Any = None
    comm_scores: Any = None
    contacts: Any = None
    access: Any = None
    positioning_scores: Any = None
    positioning_accuracy: Any = None
    positioning_tolerance: Any = None


def compute(trade: Trade, scenario) -> Any:
    """A variant's tables and maps, as far as the trade's metrics need them."""
    how = depth(trade)
    if how == "all":
        from cislunar import pipeline

        return pipeline.run(scenario, workers=1, quiet=True)

    from cislunar import catalog
    from cislunar.coverage.maps import MOST_THREADS, map_coverage
    from cislunar.ranging import map_signals
    from cislunar.situation import in_service
    from cislunar.tracks import build_tracks
    from cislunar.trajectories import build_trajectories
    from orbits.ephemeris import De440

    ephemeris = De440.open()
    nodes, _ = in_service(scenario)
    trajectories = build_trajectories(scenario, nodes, ephemeris, workers=1)
    world = shared.world_of(scenario)
    uere = catalog.find("uere")
    live: Mapping[str, Any] = {}
    tables: dict[str, Any] = {}
    if how == "maps":
        flying = [n for n in nodes if n.kind == "spacecraft"]
        tracks = build_tracks(scenario, flying, trajectories, ephemeris, world=world)
    else:
        tracks = build_tracks(scenario, nodes, trajectories, ephemeris, world=world)
        tables, live = _scores(trade, scenario, nodes, tracks, uere)
    coverage = None
    figures = figures_of_maps(trade)
    if figures and scenario.regions:
        token = MOST_THREADS.set(1)  # the workers are what runs at once
        try:
            coverage = map_coverage(
                scenario,
                tracks,
                nodes,
                live,
                world,
                only=figures,
                signals=map_signals(nodes, uere, scenario.policy),
                multipath_m=float(uere["multipath_m"]["surface"]),
                limits=None if trade.fix_limits is None else trade.fix_limits.bounds,
                positioning_step_s=trade.positioning_step_s,
            )
        finally:
            MOST_THREADS.reset(token)
    return Found(scenario, nodes, coverage, **tables)


def _scores(trade, scenario, nodes, tracks, uere):
    from cislunar.access import access_frame
    from cislunar.comms import relay_live, score_comms
    from cislunar.contact_delay import split_by_delay
    from cislunar.contacts import plan_contacts
    from cislunar.contention import contend, navigating
    from cislunar.links import close_links
    from cislunar.positioning import score_positioning
    from cislunar.ranging import find_ranging

    wanted = {m.table for m in trade.metrics.values()}
    access = shared.access_of(scenario, tracks, nodes)
    links = close_links(access, tracks, nodes)
    plan = plan_contacts(links, access, nodes, scenario.policy, tracks)
    plan = split_by_delay(plan, tracks, scenario.contacts.delay_tolerance_s)
    contended = contend(plan, nodes, scenario.contention)
    plan = contended.plan
    out: dict[str, Any] = {"contacts": plan.frame}
    if "access" in wanted:
        out["access"] = access_frame(access, scenario.start)
    if "comm_scores" in wanted:
        out["comm_scores"] = score_comms(plan, nodes).frame
    if any(str(t).startswith("positioning") for t in wanted):
        ranging = find_ranging(tracks, nodes, access, scenario.policy)
        if contended.navigation:
            ranging = navigating(ranging, contended.navigation)
        scored = score_positioning(tracks, nodes, ranging, uere, policy=scenario.policy, workers=1)
        out["positioning_scores"] = scored.frame
        out["positioning_accuracy"] = scored.accuracy
        out["positioning_tolerance"] = scored.tolerance
    return out, relay_live(plan, nodes)


def row_of(
    text: str,
    folder: str,
    file: str | None,
    number: int,
    values: dict[str, Any],
    cache: str | None,
    marks: Marks,
    functions: Mapping[str, Any] | None = None,
    outside: bool = False,
) -> dict[str, Any]:
    """A variant's row: ``metrics``, or the ``error`` that stopped it, and what it took.

    ``text``: the trade as JSON, ``folder`` its own, ``cache`` where trajectories are kept,
    ``marks``: hashes of all that decides a row, as where the sweep began; a worker that has others
    computes nothing. ``outside``: files outside the trade's folder may be
    read. Never raises for what a variant does wrong.
    """
    from cislunar import trajectories

    start = time.perf_counter()
    row: dict[str, Any] = {"variant": number, "metrics": {}, "error": None, "error_kind": None}
    try:
        shared.use_folder(cache)
        with allow_outside() if outside else nullcontext():
            trade, base, own = fit(text, folder, file, marks, tuple(functions or ()), outside)
            scenario = scenario_of(trade, base, values)
        found = compute(trade, scenario)
        own = {**own, **(functions or {})}
        row["metrics"] = measure(trade, named_values(trade, values), found, own)
    except ChangedError as fault:
        row |= {"error": str(fault), "error_kind": RETRY}
    except CislunarError as fault:
        lines = getattr(fault, "lines", None) or [str(fault)]
        kind = "input" if isinstance(fault, InputError) else "computation"
        row |= {"error": " ".join(lines[0].split()), "error_kind": kind}
    except (
        Exception,
        SystemExit,
    ) as fault:  # a function of the user's, or a defect: told, not the end of all
        said = " ".join(f"{type(fault).__name__}: {fault}".split())
        row |= {"error": said[:500], "error_kind": "defect"}
    trajectories.forget(shared.MEMORY_BYTES)
    row["wall_s"] = time.perf_counter() - start
    return row
