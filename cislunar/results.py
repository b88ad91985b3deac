"""What a run gives back: tables, maps, trajectories and the network, and their product folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cislunar.products import (
    GATHERED,
    MAPS,
    TABLES,
    check_folder,
    check_version,
    read_manifest,
    read_table,
    reading,
    whole_folder,
    write_products,
)
from orbits.errors import InputError

if TYPE_CHECKING:
    import xarray

    from cislunar.budget import Budget
    from cislunar.contacts import ContactPlan
    from cislunar.network import TemporalNetwork
    from cislunar.nodes import Node
    from cislunar.plots import Plot
    from cislunar.positioning.accumulated import Accumulated
    from cislunar.scenario import Scenario
    from cislunar.tracks import Tracks
    from cislunar.traffic import Traffic
    from orbits.trajectory import Trajectory


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """The outcome of one scenario; tables are pandas DataFrames with the product files' columns."""

    scenario: Scenario
    nodes: tuple[Node, ...]
    trajectories: dict[str, Trajectory]
    tracks: Tracks
    plan: ContactPlan
    access: pd.DataFrame
    comm_scores: pd.DataFrame
    positioning_scores: pd.DataFrame
    positioning_accuracy: pd.DataFrame
    positioning_tolerance: pd.DataFrame
    gaps: pd.DataFrame
    gap_causes: pd.DataFrame
    fills: pd.DataFrame
    portfolio: pd.DataFrame
    coverage: xarray.Dataset | None
    manifest: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    comm_needs: pd.DataFrame = field(default_factory=pd.DataFrame)
    attribution: pd.DataFrame = field(default_factory=pd.DataFrame)
    frontier: pd.DataFrame = field(default_factory=pd.DataFrame)
    economics: pd.DataFrame = field(default_factory=pd.DataFrame)
    cash_by_fiscal_year: pd.DataFrame = field(default_factory=pd.DataFrame)
    attribution_by_year: pd.DataFrame = field(default_factory=pd.DataFrame)
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    independence: pd.DataFrame = field(default_factory=pd.DataFrame)
    independence_options: pd.DataFrame = field(default_factory=pd.DataFrame)
    fills_by_place: pd.DataFrame = field(default_factory=pd.DataFrame)
    sensitivity: pd.DataFrame = field(default_factory=pd.DataFrame)
    accumulated_positioning: pd.DataFrame = field(default_factory=pd.DataFrame)
    accumulated_against_time: pd.DataFrame = field(default_factory=pd.DataFrame)
    accumulated_availability: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def contacts(self) -> pd.DataFrame:
        """The contact table, one row a directed contact."""
        return self.plan.frame

    def doppler(self, *, two_way: bool = False) -> pd.DataFrame:
        """The contact table, with each contact's Doppler shift (Hz) and rate (Hz/s) at its end."""
        from cislunar.doppler import doppler_frame

        return doppler_frame(self.plan, self.tracks, self.nodes, two_way=two_way)

    def accumulate(self, asset: str, **settings) -> Accumulated:
        """Accuracy, times and weak directions of a user that gathers ranges and Doppler over time.

        Settings as for ``cislunar.accumulate.Gathering``: window_min, clock, height_sigma_m, ...
        """
        from cislunar.positioning.accumulate import accumulated_positioning

        return accumulated_positioning(self, asset, **settings)

    @cached_property
    def traverse(self) -> pd.DataFrame:
        """Scores of every asset that moves, a row a leg; see ``cislunar.traverse``."""
        from cislunar.traverse import score_traverses

        return score_traverses(self)

    def budget(self, contact_id: str, t_s: float | None = None) -> Budget:
        """The link budget of a contact at ``t_s`` (s; its start), line by line.

        Raises InputError for a contact the plan does not have, or one without a budget.
        """
        from cislunar.links import budget_at

        found = (self.plan.contact_id == contact_id).nonzero()[0]
        if not found.size:
            raise InputError(f"no contact {contact_id!r}", value=contact_id, allowed="c000001 ...")
        k = int(found[0])
        names = {n.name: n for n in self.nodes}
        source, target = names[str(self.plan.source[k])], names[str(self.plan.target[k])]
        ends = ((source, self.plan.terminal_source[k]), (target, self.plan.terminal_target[k]))
        if self.plan.kind[k] == "surface-surface":
            raise InputError(f"{contact_id} joins neighbours on the ground and has no budget")
        tx, rx = (next(t for t in node.terminals if t.id == name) for node, name in ends)
        at = float(self.plan.start_s[k]) if t_s is None else t_s
        return budget_at(self.tracks, source, target, tx, rx, at)

    @cached_property
    def network(self) -> TemporalNetwork:
        """The time-varying graph of contacts."""
        from cislunar.network import TemporalNetwork

        return TemporalNetwork(self.plan, self.nodes)

    @cached_property
    def traffic_simulation(self) -> Traffic:
        """What becomes of the volumes that needs state; see ``cislunar.traffic``."""
        from cislunar.traffic import demands_of, simulate_traffic

        return simulate_traffic(self.plan, demands_of(self.nodes), nodes=self.nodes)

    @property
    def traffic(self) -> pd.DataFrame:
        """Delivered share, queue, latency and deadlines, one row a demand (bit, s)."""
        return self.traffic_simulation.frame

    @property
    def station_load(self) -> pd.DataFrame:
        """Bits a day and busy share of every node that the traffic uses."""
        return self.traffic_simulation.station_load

    @cached_property
    def named_gaps(self) -> pd.DataFrame:
        """The gaps gathered by service, region and cause, the longest first; see ``named_gaps``."""
        from cislunar.named_gaps import gap_pieces, name_gaps

        needed = {(n.name, need.service) for n in self.nodes for need in n.needs}
        return name_gaps(
            *gap_pieces(
                self.gaps, self.gap_causes, self.nodes, needed, self.scenario.start,
                self.tracks.span_s,
            )
        )  # fmt: skip

    @property
    def plot(self) -> Plot:
        """Interactive figures: timeline, map, orbits, network, gaps, fills."""
        from cislunar.plots import Plot

        return Plot(self)

    @property
    def assumptions(self) -> list[dict]:
        """Every record the run used whose confidence is not primary, with its reason."""
        return self.provenance.get("assumptions", [])

    @property
    def sources(self) -> list[dict]:
        """Every catalogue record the run used, with its sources."""
        return self.provenance.get("sources", [])

    def save(self, folder: str | os.PathLike, *, report: bool = True) -> Path:
        """The path of the product folder, written whole or not at all.

        With ``report``, the reports that the scenario's ``outputs`` ask for are written too.
        """
        with whole_folder(folder) as work:
            write_products(self, work)
            languages = self.scenario.outputs.report
            if report and languages:
                from cislunar.report import write_report

                write_report(self, work, tuple(languages), self.scenario.outputs.formats)
        return Path(folder)

    def __repr__(self) -> str:
        return (
            f"Results({self.scenario.name}: {len(self.nodes)} nodes, {len(self.plan)} contacts, "
            f"{len(self.gaps)} gaps over {self.scenario.duration_days:g} days from "
            f"{self.scenario.start.utc_text()})"
        )

    def _repr_html_(self) -> str:
        title = self.scenario.name
        scores = self.comm_scores[
            ["asset", "service", "availability_frac", "longest_gap_s", "verdict"]
        ]
        return (
            f"<h3>{_escaped(title)}</h3><p>{len(self.nodes)} nodes, {len(self.plan)} contacts, "
            f"{len(self.gaps)} gaps over {self.scenario.duration_days:g} days</p>"
            + scores.to_html(index=False)
        )


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def load_results(folder: str | os.PathLike) -> Results:
    """The results kept in a product folder, read from its files; nothing is computed anew."""
    folder = Path(folder)
    if not (folder / "manifest.json").is_file():
        raise InputError("not a product folder", file=str(folder), allowed="a folder a run wrote")
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(
            "not the manifest of a run, or damaged", file=str(folder / "manifest.json"),
            allowed="the file as a run left it: run it again",
        )  # fmt: skip
    check_folder(folder)
    with reading(folder):
        return _read(folder, manifest)


def _read(folder: Path, manifest: dict[str, Any]) -> Results:
    from cislunar.nodes import expand_nodes
    from cislunar.scenario import load_scenario
    from cislunar.tracks import build_tracks
    from orbits.ephemeris import De440
    from orbits.exchange import read_oem

    check_version(folder, manifest)
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    scenario = load_scenario(folder / "scenario.resolved.yaml")
    nodes = tuple(n for n in expand_nodes(scenario) if len(n.service))  # as the run had them
    trajectories = {}
    for name in manifest["naif_ids"]:
        read = read_oem(folder / "ephemerides" / f"{name}.oem").rebased(scenario.start)
        object.__setattr__(read, "name", name)
        object.__setattr__(read, "notes", provenance.get("flown", {}).get(name, {}))
        trajectories[name] = read
    names = TABLES | {a: f"{a}.csv" for a in (*GATHERED, "sensitivity")}  # some only where asked
    tables = {
        attribute: read_table(folder / name, manifest["tables"][name])
        if name in manifest["tables"]
        else pd.DataFrame()
        for attribute, name in names.items()
    }
    del tables["contacts"]  # looked at; read with words as words below
    coverage = None
    if MAPS in manifest["tables"]:
        import xarray

        if not (folder / MAPS).is_file():
            raise InputError("no such file", file=str(folder / MAPS), allowed="a map: run it again")
        with xarray.open_dataset(folder / MAPS, engine="h5netcdf") as opened:
            coverage = opened.load()
    return Results(
        scenario=scenario,
        nodes=nodes,
        trajectories=trajectories,
        tracks=build_tracks(scenario, nodes, trajectories, De440.open()),
        plan=_read_plan(folder / "contacts.csv", scenario),
        coverage=coverage,
        manifest=manifest,
        provenance=provenance,
        **tables,
    )


def _read_plan(path: Path, scenario: Scenario) -> ContactPlan:
    """The contact plan of a ``contacts.csv``; what policy forbade is not in the file."""
    import numpy as np

    from cislunar.contacts import ContactPlan

    words = ("source", "target", "band", "terminal_source", "terminal_target", "kind")
    numbers = ("start_s", "end_s", "owlt_s", "rate_bps")
    frame: Any = pd.read_csv(path, dtype=dict.fromkeys(words, "object"), keep_default_na=False)
    margin = np.array([float(x) if x != "" else np.nan for x in frame["margin_db"].astype(str)])
    plan = ContactPlan(
        scenario.start,
        scenario.duration_s,
        margin_db=np.ma.masked_invalid(margin),
        **{name: frame[name].to_numpy(dtype=object) for name in words},
        **{name: frame[name].to_numpy(dtype=float) for name in numbers},
    )
    plan.__dict__["contact_id"] = frame["contact_id"].to_numpy(dtype=object)
    return plan
