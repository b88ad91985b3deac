"""Everything known of a set of nodes, and of the same nodes with more added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cislunar.access import PairAccess, all_pairs, find_access
from cislunar.links import LinkPass, close_links
from cislunar.nodes import Node, expand_nodes
from cislunar.ranging import Ranging, find_ranging, is_receiver, is_source
from cislunar.scenario import Scenario
from cislunar.tracks import Tracks, extend_tracks
from cislunar.trajectories import build_trajectories
from cislunar.world import World
from orbits.ephemeris import De440
from orbits.trajectory import Trajectory

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Situation:
    """A set of nodes with their motion, access, links and ranging."""

    scenario: Scenario
    nodes: tuple[Node, ...]
    world: World
    trajectories: dict[str, Trajectory]
    tracks: Tracks
    access: dict[Pair, PairAccess]
    links: dict[Pair, tuple[LinkPass, ...]]
    ranging: dict[Pair, Ranging]

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {n.name: n for n in self.nodes}


@dataclass(frozen=True, eq=False)
class Memory:
    """What was found for pairs of nodes, by what decides it, so that no pair is done twice."""

    access: dict[Any, PairAccess] = field(default_factory=dict)
    links: dict[Any, dict[Pair, tuple[LinkPass, ...]]] = field(default_factory=dict)
    ranging: dict[Any, dict[Pair, Ranging]] = field(default_factory=dict)


def in_service(scenario: Scenario) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes that serve at some time of the span, and the names of those that do not."""
    nodes = expand_nodes(scenario)
    serving = tuple(n for n in nodes if len(n.service))
    return serving, tuple(n.name for n in nodes if not len(n.service))


def extended(
    base: Situation,
    scenario: Scenario,
    ephemeris: De440,
    memory: Memory | None = None,
    *,
    apart: Callable[[str, str], bool] = lambda a, b: False,
) -> Situation:
    """The situation of a scenario that has the base's nodes and more; what is known is reused.

    Pairs of nodes that are kept ``apart`` (never there together) are left out.
    """
    memory = Memory() if memory is None else memory
    nodes, _ = in_service(scenario)
    known = base.by_name
    new = [n for n in nodes if n.name not in known]
    changed = [n for n in nodes if n.name in known and _terminals(n) != _terminals(known[n.name])]
    trajectories = base.trajectories | build_trajectories(scenario, new, ephemeris)
    tracks = extend_tracks(base.tracks, new, trajectories, base.world)
    marks = {n.name: _mark(n, trajectories) for n in nodes}
    by_name = {n.name: n for n in nodes}

    added = {n.name for n in new}
    # terminals too decide access: a limit in range or from the Sun holds if every link has one
    touched = added | {n.name for n in changed}
    pairs = [p for p in all_pairs(nodes) if (p[0] in touched or p[1] in touched) and not apart(*p)]
    access = base.access | _recalled(
        memory.access, pairs, marks, lambda missing: find_access(tracks, nodes, missing)
    )

    touched_access = {p: a for p, a in access.items() if p[0] in touched or p[1] in touched}
    links = {k: v for k, v in base.links.items() if k[0] not in touched and k[1] not in touched}
    for found in _recalled(
        memory.links, touched_access, marks,
        lambda missing: _by_pair(
            missing, close_links({p: access[p] for p in missing}, tracks, nodes)
        ),
    ).values():  # fmt: skip
        links |= found

    ranging = base.ranging
    if any(is_source(by_name[n]) or is_receiver(by_name[n]) for n in touched):
        ranging = dict(ranging)  # a reference station only listens, and changes what others get
        for found in _recalled(
            memory.ranging, touched_access, marks,
            lambda missing: _by_pair(
                missing,
                find_ranging(tracks, nodes, {p: access[p] for p in missing}, scenario.policy),
            ),
        ).values():  # fmt: skip
            ranging |= found
    return Situation(scenario, nodes, base.world, trajectories, tracks, access, links, ranging)


def _recalled(memory: dict, pairs: Iterable[Pair], marks: Mapping[str, Any], find) -> dict:
    """``{pair: value}``, from memory where a pair was met before, else from ``find(missing)``."""
    pairs = list(pairs)
    keys = {p: (marks[p[0]], marks[p[1]]) for p in pairs}
    missing = [p for p in pairs if keys[p] not in memory]
    if missing:
        for pair, value in find(missing).items():
            memory[keys[pair]] = value
    return {p: memory[keys[p]] for p in pairs}


def _by_pair(pairs: Iterable[Pair], found: Mapping[Pair, Any]) -> dict[Pair, dict[Pair, Any]]:
    """Directed results gathered under their undirected pairs; an empty one where nothing closes."""
    out: dict[Pair, dict[Pair, Any]] = {p: {} for p in pairs}
    for (a, b), value in found.items():
        out[(a, b) if (a, b) in out else (b, a)][a, b] = value
    return out


def _terminals(node: Node) -> tuple[str, ...]:
    return tuple(t.id for t in node.terminals)


def _mark(node: Node, trajectories: Mapping[str, Trajectory]):
    """What decides a node's part in any pair: its motion, its terminals and what limits them."""
    if node.kind == "spacecraft":
        # flown states are kept by content for as long as the process lives
        motion: Any = id(trajectories[node.name].states)
    else:
        horizon = node.horizon
        terrain = horizon and (horizon.azimuth_deg.tobytes(), horizon.elevation_deg.tobytes())
        motion = (
            node.latitude_deg, node.longitude_deg, node.height_m, node.min_elevation_deg, terrain,
            node.path and tuple(x.tobytes() for x in node.path.waypoints),
        )  # fmt: skip
    # options are versions of one another under one name: nothing may be taken for granted by it
    rest = (
        node.operator, node.eirp_override_dbw, node.max_range_km, node.serves_radius_km,
        tuple(sorted(node.attenuation.items())), node.air_noise, repr(node.conditions),
        tuple(t.model_dump_json() for t in node.terminals),
    )  # fmt: skip
    return node.name, motion, rest
