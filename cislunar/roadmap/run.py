"""A roadmap run: the same demand and supply year by year, at several starts and under cases.

Everything that does not depend on the case (flights, access, links) is found once a start. Each
start is written when it is done, and a roadmap that is run again goes on from there.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from cislunar.access import PairAccess, find_access
from cislunar.candidates import explain_gaps
from cislunar.comms import score_comms
from cislunar.contact_delay import split_by_delay
from cislunar.contacts import plan_contacts
from cislunar.contention import contend, navigating
from cislunar.links import close_links
from cislunar.named_gaps import gap_pieces, name_gaps, region_of, years_text
from cislunar.nodes import Node, expand_nodes
from cislunar.pipeline import run, versions
from cislunar.positioning import score_positioning
from cislunar.products import (
    MAKER,
    SCHEMA_VERSION,
    check_version,
    flush,
    held,
    keep_inputs,
    read_manifest,
    read_table,
    reading,
    rounded,
    write_table,
    write_whole,
)
from cislunar.provenance import collect
from cislunar.ranging import Ranging, find_ranging
from cislunar.roadmap.file import NOMINAL, Roadmap, load_roadmap, resolved_roadmap
from cislunar.roadmap.years import find_milestones, yearly_gaps
from cislunar.scenario import Scenario
from cislunar.tracks import Tracks, build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

SCORE_COLUMNS = (
    "case", "year", "start", "start_utc", "place", "region", "service", "weight", "demand_s",
    "served_s", "gap_s", "availability_frac", "longest_gap_s", "need_availability_frac",
    "need_accuracy_m", "verdict",
)  # fmt: skip
STATES = ("opens", "open", "closes", "reopens")
RUNS, RESOLVED = "runs", "roadmap.resolved.yaml"
TABLES = ("scores", "pieces", "demand", "supply")
OPTION_COLUMNS = (
    "option", "place", "service", "gap_hours_filled", "cost_oku_jpy", "together_with", "name_en",
    "name_ja", "year", "raised_frac",
)  # fmt: skip


# the files of the tables; milestones follow from the scores
FILES = {
    "scores": "roadmap_scores", "gaps": "roadmap_gaps", "named_gaps": "named_gaps",
    "supply": "supply", "options": "roadmap_options",
}  # fmt: skip
WORDS = (
    "case", "place", "region", "service", "verdict", "start_utc", "name_en", "name_ja", "cause",
    "season", "state", "named_gap_id", "years", "places", "gap_ids", "node", "kind", "operator",
    "option", "together_with", "run",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shared:
    """What all cases of one start have in common; nodes are those that any case has in service."""

    tracks: Tracks
    access: dict[tuple[str, str], PairAccess]
    links: dict[tuple[str, str], Any]
    ranging: dict[tuple[str, str], Ranging]


@dataclass(frozen=True, eq=False, repr=False)
class RoadmapResults:
    """The tables of a roadmap: scores, named gaps by year, milestones and supply by year."""

    roadmap: Roadmap
    scores: pd.DataFrame
    gaps: pd.DataFrame
    named_gaps: pd.DataFrame
    milestones: pd.DataFrame
    supply: pd.DataFrame
    manifest: dict[str, Any]
    options: pd.DataFrame

    @cached_property
    def provenance(self) -> dict[str, list[dict[str, Any]]]:
        """``assumptions`` and ``sources``: every record that some case of the roadmap rests on."""
        return collect(self.roadmap.base, {*self.supply["node"], *self.scores["place"]})

    @property
    def assumptions(self) -> list[dict[str, Any]]:
        """Every record that is not primary, wholly or in a field, with its reason."""
        return self.provenance["assumptions"]

    @property
    def sources(self) -> list[dict[str, Any]]:
        """Every record with its confidence and sources."""
        return self.provenance["sources"]

    def __repr__(self) -> str:
        return (
            f"RoadmapResults({self.roadmap.name}: {len(self.scores)} scores, "
            f"{len(self.gaps)} rows of named gaps)"
        )

    def _repr_html_(self) -> str:
        return (
            f"<h3>{self.roadmap.name}</h3><p>{len(self.scores)} scores, {len(self.gaps)} rows of "
            "named gaps</p>" + self.milestones.to_html(index=False)
        )


def share(scenarios: Iterable[Scenario], workers: int | None = None) -> Shared:
    """Flights, access, links and ranging of all nodes that some of the scenarios have in service.

    The scenarios differ in service dates and policy only. Raises what building orbits raises.
    """
    scenarios = list(scenarios)
    base, found = scenarios[0], {}
    whole = Intervals([0.0], [base.duration_s])
    for scenario in scenarios:
        for node in expand_nodes(scenario):
            if len(node.service):
                found.setdefault(node.name, replace(node, service=whole))
    order = [n.name for n in expand_nodes(base)]
    nodes = tuple(sorted(found.values(), key=lambda n: order.index(n.name)))
    ephemeris = De440.open()
    trajectories = build_trajectories(base, nodes, ephemeris, workers=workers)
    t_s = time_grid(base.duration_s, base.step_s)
    world = build_world(base.fidelity, base.start, t_s, ephemeris)
    tracks = build_tracks(base, nodes, trajectories, ephemeris, world=world)
    access = find_access(tracks, nodes)
    links = close_links(access, tracks, nodes)
    return Shared(tracks, access, links, find_ranging(tracks, nodes, access))


def run_case(scenario: Scenario, shared: Shared) -> dict[str, Any]:
    """The scores, gaps and causes of one scenario (``comms, positioning, gaps, nodes, plan``).

    The same rooms in the same order as a run, without maps and options.
    """
    from cislunar import catalog

    nodes = tuple(n for n in expand_nodes(scenario) if len(n.service))
    by_name = {n.name: n for n in nodes}
    tracks, policy = shared.tracks, scenario.policy
    access = {p: a for p, a in shared.access.items() if p[0] in by_name and p[1] in by_name}
    links = {p: v for p, v in shared.links.items() if p[0] in by_name and p[1] in by_name}
    ranging = {
        (a, b): replace(r, visible=r.visible & by_name[a].service & by_name[b].service)
        for (a, b), r in shared.ranging.items()
        if a in by_name and b in by_name
        and policy.permits(by_name[a].operator, by_name[b].operator)
    }  # fmt: skip
    plan = plan_contacts(links, access, nodes, policy, tracks)
    plan = split_by_delay(plan, tracks, scenario.contacts.delay_tolerance_s)
    contended = contend(plan, nodes, scenario.contention)
    plan, uere = contended.plan, catalog.find("uere")
    comms = score_comms(plan, nodes)
    alone = positioning = score_positioning(tracks, nodes, ranging, uere, policy=policy)
    if contended.navigation:
        free = navigating(ranging, contended.navigation)
        positioning = score_positioning(tracks, nodes, free, uere, policy=policy)
    gaps = explain_gaps(
        nodes, access, links, plan, tracks, policy, comms, positioning,
        alone if contended.navigation else None,
    )  # fmt: skip
    return {
        "comms": comms, "positioning": positioning, "gaps": gaps, "nodes": nodes, "plan": plan,
    }  # fmt: skip


def run_start(roadmap: Roadmap, year: int, number: int) -> dict[str, pd.DataFrame]:
    """The tables of one start, all cases: scores, pieces of gaps, demand, supply."""
    import pandas as pd

    plain = roadmap.scenario(year, number)
    scenarios = {case: roadmap.with_case(plain, case) for case in roadmap.record.cases}
    shared = share(scenarios.values(), workers=1)
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    known: dict[Any, dict[str, Any]] = {}  # cases that change nothing yet are the same run
    for case, scenario in scenarios.items():
        mark = _mark(scenario)
        if mark not in known:
            known[mark] = run_case(scenario, shared)
        found = known[mark]
        nodes, run = found["nodes"], f"{year}-{number}"
        needed = {(n.name, need.service) for n in nodes for need in n.needs}
        pieces, demand = gap_pieces(
            found["gaps"].frame, found["gaps"].causes, nodes, needed, scenario.start,
            shared.tracks.span_s, run,
        )  # fmt: skip
        scores = _scores(found, needed, shared.tracks.span_s)
        supply = pd.DataFrame(
            [(n.name, n.kind, n.operator) for n in nodes if n.kind != "asset"],
            columns=["node", "kind", "operator"],
        )
        where = {"case": case, "year": year, "start": number}
        for name, table in (
            ("scores", scores), ("pieces", pieces), ("demand", demand), ("supply", supply),
        ):  # fmt: skip
            tables[name].append(table.assign(**where))
    out: dict[str, Any] = {n: pd.concat(parts, ignore_index=True) for n, parts in tables.items()}
    out["scores"]["start_utc"] = plain.start.utc_text()
    out["scores"] = out["scores"][list(SCORE_COLUMNS)]
    return out


def run_options(roadmap: Roadmap, year: int) -> pd.DataFrame:
    """What each option of the pool fills at a year's first start, by place and service.

    One row an option, place and service that it fills: hours, the share of the run's span that
    they are, the option's cost at mid (億円), and names.
    """
    found = run(roadmap.scenario(year, 1), workers=1, quiet=True)
    fills: Any = found.fills
    known = fills.set_index("option")[["cost_oku_jpy", "together_with", "name_en", "name_ja"]]
    table: Any = found.fills_by_place.join(known, on="option")
    raised = table["gap_hours_filled"] * 3600.0 / found.scenario.duration_s
    return table.assign(year=year, raised_frac=raised)


def _options_run(roadmap: Roadmap, year: int) -> dict[str, pd.DataFrame]:
    found: Any = run_options(roadmap, year)
    return {"options": found[list(OPTION_COLUMNS)]}


def _mark(scenario: Scenario) -> Any:
    """What tells the runs of one start apart: who serves when, and who shares."""
    serving = [(n.name, tuple(n.service.pairs())) for n in expand_nodes(scenario)]
    policy = scenario.policy.model_dump(include={"groups", "share"})
    return tuple(serving), json.dumps(policy, sort_keys=True)


def _scores(found: dict[str, Any], needed: set[tuple[str, str]], span_s: float) -> pd.DataFrame:
    """One row a place and needed service; availability over the time that its mission lasts."""
    import pandas as pd

    served = dict(found["comms"].served)
    served |= {(p, "positioning"): s for p, s in found["positioning"].served.items()}
    comm: Any = found["comms"].frame.set_index(["asset", "service"])
    places: Any = found["positioning"].frame.set_index("asset")
    by_name: dict[str, Node] = {n.name: n for n in found["nodes"]}
    rows = []
    for place, service in sorted(needed & set(served)):
        node = by_name[place]
        if node.kind != "asset":
            continue
        asked = node.service.clip(0.0, span_s)
        got = served[place, service] & asked
        gaps = asked - got
        row = places.loc[place] if service == "positioning" else comm.loc[(place, service)]
        whole = asked.total_s >= span_s
        accuracy = row["need_accuracy_m"] if service == "positioning" else None
        rows.append(
            {
                "place": place,
                "region": region_of(node.latitude_deg or 0.0, node.longitude_deg or 0.0),
                "service": service,
                "weight": node.weight,
                "demand_s": asked.total_s,
                "served_s": got.total_s,
                "gap_s": gaps.total_s,
                "availability_frac": got.total_s / asked.total_s,
                "longest_gap_s": gaps.longest_s,
                "need_availability_frac": row["need_availability_frac"],
                "need_accuracy_m": accuracy,
                # a mission that begins or ends within the run is too short a sample to judge
                "verdict": row["verdict"] if whole else "not-computable",
            }
        )
    kinds = dict.fromkeys(("need_availability_frac", "need_accuracy_m"), "Float64")
    columns = [c for c in SCORE_COLUMNS if c not in ("case", "year", "start", "start_utc")]
    return pd.DataFrame(rows, columns=columns).astype(kinds)


# --- all starts ----------------------------------------------------------------------------------


def run_roadmap(
    roadmap: Roadmap, folder: str | os.PathLike, *, workers: int | None = None, say=None
) -> RoadmapResults:
    """The results of a roadmap, written to ``folder`` start by start and then as a whole.

    Starts found there, of the same roadmap and version of the program, are not run again.
    ``workers`` processes share the starts (default: all cores); ``say(text)`` hears of each.
    """
    folder, digest = Path(folder), roadmap.digest()
    with held(folder, lambda known: known.get("sha256") == digest):
        return _run_all(roadmap, folder, digest, workers, say or (lambda text: None))


def _run_all(roadmap: Roadmap, folder: Path, digest: str, workers, say) -> RoadmapResults:
    began = time.perf_counter()
    manifest: dict[str, Any] = {
        "maker": MAKER, "schema_version": SCHEMA_VERSION, "kind": "roadmap",
        "roadmap": roadmap.name, "sha256": digest, "versions": versions(), "finished": False,
    }  # fmt: skip
    _write_json(folder / "manifest.json", manifest)
    runs = folder / RUNS
    runs.mkdir(exist_ok=True)
    for part in runs.glob(".*.part"):  # of a start that was killed
        shutil.rmtree(part, ignore_errors=True)
    files = keep_inputs(roadmap.base, folder)
    write_whole(folder / RESOLVED, resolved_roadmap(roadmap, files).encode())
    left = []
    every = roadmap.option_runs() + roadmap.runs()
    for year, number in every:
        if _done(runs, year, number) != digest:
            shutil.rmtree(runs / f"{year}-{number}", ignore_errors=True)
            left.append((year, number))
    kept = len(every) - len(left)
    if kept:
        say(f"{kept} of {len(every)} runs were done before")
    for count, (year, number) in enumerate(_each_done(roadmap, left, runs, digest, workers), 1):
        what = roadmap.start_text(year, number)[:10] if number else f"{year}, options"
        say(f"{what}: done, {count + kept} of {len(every)}")
    results = gather(roadmap, folder)
    manifest |= results.manifest | {
        "finished": True, "wall_s": round(time.perf_counter() - began, 1),
        "starts_run": len(left),
    }  # fmt: skip
    _write_tables(replace(results, manifest=manifest), folder)
    return load_roadmap_results(folder)  # what is told is what the files hold


def _each_done(roadmap, left, runs, digest, workers):
    count = min(workers or os.cpu_count() or 1, len(left))
    if count <= 1:
        for year, number in left:
            yield _run_and_write(roadmap, year, number, runs, digest)
        return
    # a fresh interpreter each: a fork would inherit the locks of running threads
    with ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent) as pool:
        jobs = [pool.submit(_run_and_write, roadmap, y, k, runs, digest) for y, k in left]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed: it would wait for ever, and may not write any more."""
    parent = parent_process()
    assert parent is not None

    def watch():
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _run_and_write(roadmap: Roadmap, year: int, number: int, runs: Path, digest: str):
    tables = run_start(roadmap, year, number) if number else _options_run(roadmap, year)
    part = runs / f".{year}-{number}.{uuid.uuid4().hex[:8]}.part"
    part.mkdir()
    try:
        told = {name: write_table(table, part / f"{name}.csv") for name, table in tables.items()}
        _write_json(part / "done.json", {"sha256": digest, "tables": told})
        for path in [*part.iterdir(), part]:
            flush(path)
        part.rename(runs / f"{year}-{number}")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return year, number


def _done(runs: Path, year: int, number: int) -> str | None:
    """The digest of the roadmap that a start was done of; None where not all of it is there."""
    try:
        place = runs / f"{year}-{number}"
        _start_tables(place, number)
        return json.loads((place / "done.json").read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _start_tables(place: Path, number: int) -> dict[str, pd.DataFrame]:
    """The tables of one start as they were written. InputError where one is damaged."""
    told = json.loads((place / "done.json").read_text(encoding="utf-8"))["tables"]
    return {
        name: _read(place / f"{name}.csv", told[name])
        for name in (TABLES if number else ("options",))
    }


def gather(roadmap: Roadmap, folder: Path) -> RoadmapResults:
    """The results of the starts in a folder, put together. InputError if some are missing."""
    import pandas as pd

    read: dict[str, list[pd.DataFrame]] = {name: [] for name in (*TABLES, "options")}
    for year, number in roadmap.option_runs() + roadmap.runs():
        place = folder / RUNS / f"{year}-{number}"
        if not (place / "done.json").is_file():
            raise InputError(f"the start {year}-{number} is not done", file=str(folder))
        for name, table in _start_tables(place, number).items():
            read[name].append(table)
    tables: dict[str, Any] = {
        name: pd.concat([t for t in parts if len(t)] or parts, ignore_index=True)
        for name, parts in read.items()
        if parts
    }
    named = []
    for case, part in tables["pieces"].groupby("case", sort=False):
        asked = tables["demand"][tables["demand"]["case"] == case]
        named.append(name_gaps(part, asked).assign(case=case))
    gaps = yearly_gaps(tables["pieces"], tables["demand"], roadmap.record.years)
    supply: Any = tables["supply"]
    supply = (
        supply.groupby(["case", "node", "kind", "operator"], dropna=False, sort=False)["year"]
        .agg(lambda years: years_text(set(years)))
        .reset_index(name="years")
    )
    return RoadmapResults(
        roadmap, tables["scores"], gaps, pd.concat(named, ignore_index=True),
        find_milestones(roadmap, tables["scores"]), supply,
        {
            "counts": {
                "starts": len(roadmap.runs()), "cases": len(roadmap.record.cases),
                "scores": len(tables["scores"]),
            },
        },
        tables.get("options", pd.DataFrame(columns=list(OPTION_COLUMNS))),
    )  # fmt: skip


def load_roadmap_results(folder: str | os.PathLike) -> RoadmapResults:
    """The results of a roadmap that was run into a folder. InputError if it is not finished."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("kind") != "roadmap":
        raise InputError("no roadmap is there", file=str(folder), allowed="the folder of a roadmap")
    check_version(folder, manifest)
    if not manifest.get("finished"):
        raise InputError("the roadmap is not finished; run it again", file=str(folder))
    with reading(folder):
        roadmap = load_roadmap(folder / RESOLVED)
        read = {
            name: _read(folder / f"{file}.csv", manifest["tables"][file])
            for name, file in FILES.items()
        }
        milestones = find_milestones(roadmap, read["scores"])
    return RoadmapResults(roadmap, manifest=manifest, milestones=milestones, **read)


def _read(path: Path, kept: dict[str, Any]) -> Any:
    """A table as it was written: words stay words ("2031", "NA"), and empty ones stay empty."""
    table: Any = read_table(
        path, kept, dtype=dict.fromkeys(WORDS, "str"), keep_default_na=False, na_values=[""]
    )
    return table.fillna({name: "" for name in WORDS if name in table})


def _write_tables(results: RoadmapResults, folder: Path) -> None:
    told = {
        file: write_table(rounded(getattr(results, name)), folder / f"{file}.csv")
        for name, file in {**FILES, "milestones": "milestones"}.items()
    }
    _write_json(folder / "manifest.json", {**results.manifest, "tables": told})


def _write_json(path: Path, data: dict) -> None:
    write_whole(path, (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode())


__all__ = [
    "NOMINAL", "RoadmapResults", "Shared", "gather", "load_roadmap_results", "run_case",
    "run_roadmap", "run_start", "share",
]  # fmt: skip
