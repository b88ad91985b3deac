"""Access: when two nodes see each other, edge by edge, and what opens and closes every spell.

Geometric: both ends at one TDB instant, straight lines, no refraction. A lunar asset is blocked by
the Moon through elevation and horizon only, an Earth station by the Earth likewise; every other
body on the way is a sphere. Service windows are not access: they act on contacts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cislunar.conditions import STAGES, cause_of, holds, separated
from cislunar.crossings import horizon_arrays, scan
from cislunar.geometry import CLEARANCE, ELEVATION, RANGE, SUN, TERRAIN
from cislunar.pairing import (
    great_circle_km,
    pair_mask_deg,
    range_limit_km,
    sun_limit_rad,
    surface_service,
)
from orbits.constants import DEG, EARTH_RADIUS_KM, MOON_RADIUS_KM
from orbits.events import intersect_all
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks


@dataclass(frozen=True)
class Condition:
    """One condition of access: its cause when unmet, whose it is (a, b or path), when it is met."""

    cause: str
    owner: str
    intervals: Intervals


@dataclass(frozen=True)
class PairAccess:
    """When nodes ``a`` < ``b`` see each other, the conditions in stage order, and edge causes."""

    a: str
    b: str
    conditions: tuple[Condition, ...]
    access: Intervals
    opened: np.ndarray = field(repr=False)  # index of the condition at each edge, -1 the boundary
    closed: np.ndarray = field(repr=False)

    @cached_property
    def opens_by(self) -> tuple[str, ...]:
        """For each spell the cause that ceased at its start; "span" at the analysis boundary."""
        return tuple("span" if k < 0 else self.conditions[k].cause for k in self.opened.tolist())

    @cached_property
    def closes_by(self) -> tuple[str, ...]:
        """For each spell the cause that began at its end; "span" at the analysis boundary."""
        return tuple("span" if k < 0 else self.conditions[k].cause for k in self.closed.tolist())

    def owned(self, *names: str) -> list[Intervals]:
        """The conditions that belong to some of the nodes (or to the path)."""
        said = {self.a: "a", self.b: "b"}
        owners = {said.get(n, n) for n in names}
        return [c.intervals for c in self.conditions if c.owner in owners]


def workers() -> int:
    """Threads worth using: the cores this process may run on, at most eight."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, min(8, cores))


def each(function, items: Sequence) -> list:
    """``function`` of every item, in order, on threads (the kernels release the GIL)."""
    if len(items) < 4 or workers() == 1:
        return [function(item) for item in items]
    size = max(1, min(32, len(items) // (4 * workers())))
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    with ThreadPoolExecutor(workers()) as pool:
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]


_BLOCK = 4  # places on the ground whose tables are wanted at once


def in_blocks(pairs: Iterable[tuple[str, str]], by_name: Mapping[str, Node]) -> list:
    """The pairs with those of the same few places on the ground together.

    So the tables of a place are made once for many pairs, however long the span.
    """
    pairs = list(pairs)
    ground = {n for pair in pairs for n in pair if by_name[n].kind != "spacecraft"}
    order = sorted(ground, key=lambda n: (by_name[n].kind, n))
    block = {n: 1 + i // _BLOCK for i, n in enumerate(order)}
    return sorted(pairs, key=lambda p: sorted((block.get(n, 0) for n in p), reverse=True))


def all_pairs(nodes: Iterable[Node]) -> list[tuple[str, str]]:
    """The pairs that may see each other, names in alphabetical order within a pair.

    Station with station never; asset with asset only where one of them serves the other's place.
    """
    nodes = sorted(nodes, key=lambda n: n.name)
    pairs = []
    for i, a in enumerate(nodes):
        for b in nodes[i + 1 :]:
            if a.kind == b.kind == "station":
                continue
            if a.kind == b.kind == "asset" and not surface_service(a, b):
                continue
            pairs.append((a.name, b.name))
    return pairs


def find_access(
    tracks: Tracks, nodes: Iterable[Node], pairs: Iterable[tuple[str, str]] | None = None
) -> dict[tuple[str, str], PairAccess]:
    """Access of every pair of nodes (or of ``pairs``), in seconds past the tracks' epoch."""
    by_name = {n.name: n for n in nodes}
    wanted = all_pairs(by_name.values()) if pairs is None else [_ordered(p) for p in pairs]
    reach = _Reach(tracks)
    order = in_blocks(wanted, by_name)
    found = each(lambda p: _pair_access(tracks, reach, by_name[p[0]], by_name[p[1]]), order)
    held = dict(zip(order, found, strict=True))
    return {pair: held[pair] for pair in wanted}


def _ordered(pair):
    a, b = pair
    return (a, b) if a < b else (b, a)


class _Reach:
    """Farthest each node gets from the Moon, and the nearest Earth: can the Earth be in the way?"""

    def __init__(self, tracks: Tracks):
        self._tracks = tracks
        earth = np.asarray(tracks.earth)[:, :3]
        self._clear_km = math.sqrt((earth * earth).sum(axis=1).min()) - EARTH_RADIUS_KM - 2000.0
        self._held: dict[str, float] = {}

    def earth_matters(self, *names: str) -> bool:
        return max(self._far_km(n) for n in names) > self._clear_km

    def _far_km(self, name: str) -> float:
        if name not in self._held:
            p = np.asarray(self._tracks.states[name])[:, :3]
            self._held[name] = math.sqrt(np.einsum("ij,ij->i", p, p).max())
        return self._held[name]


def _surface_conditions(tracks: Tracks, node: Node, other: Node, owner: str):
    """Elevation, horizon and mask of one surface node."""
    lowest = pair_mask_deg(node, other)
    horizon_deg = min(0.0, lowest)  # a node told to look below its horizontal plane does
    steps = scan(
        tracks, ELEVATION, node.name, other.name, np.sin(np.array([horizon_deg, lowest]) * DEG)
    )
    yield Condition("below-horizon", owner, steps.at_least(math.sin(horizon_deg * DEG)))
    if node.kind == "asset" and node.horizon is not None:
        yield Condition(
            "terrain",
            owner,
            scan(
                tracks, TERRAIN, node.name, other.name, [0.0],
                body=tracks.north[node.name], horizon=horizon_arrays(node.horizon),
            ).at_least(0.0),
        )  # fmt: skip
    if lowest > horizon_deg:
        cause = "mask" if node.kind == "asset" else "station-mask"
        yield Condition(cause, owner, steps.at_least(math.sin(lowest * DEG)))


def _path_conditions(tracks: Tracks, reach: _Reach, a: Node, b: Node):
    """Spheres in the way, range and Sun limits."""
    kinds = {a.kind, b.kind}
    span = Intervals.from_pairs([(0.0, float(tracks.t_s[-1]))])
    clear = None
    if "asset" not in kinds:
        clear = scan(tracks, CLEARANCE, a.name, b.name, [0.0], par=(MOON_RADIUS_KM,)).at_least(0.0)
    if "station" not in kinds and reach.earth_matters(a.name, b.name):
        earth = scan(
            tracks, CLEARANCE, a.name, b.name, [0.0], body=tracks.earth, par=(EARTH_RADIUS_KM,)
        ).at_least(0.0)
        clear = earth if clear is None else clear & earth
    if clear is not None:
        yield Condition("occulted", "path", clear)
    limit_km = range_limit_km(a, b)
    if limit_km is not None:
        far = scan(tracks, RANGE, a.name, b.name, [limit_km]).at_least(limit_km)
        yield Condition("range", "path", span - far)
    for node, other, owner in ((a, b, "a"), (b, a, "b")):
        limit_rad = sun_limit_rad(node, other)
        if limit_rad is not None:
            yield Condition("sun", owner, sun_clear(tracks, node.name, other.name, limit_rad))


def _stated_conditions(tracks: Tracks, node: Node, other: Node, owner: str):
    """What the scenario states for a node toward all others, or toward this one."""
    for partner, entry in node.conditions:
        if partner is None or partner == other.name:
            for one in separated(entry):
                found = holds(tracks, node, other.name, one)
                yield Condition(cause_of(node, one), owner, found)


def sun_clear(tracks: Tracks, node: str, other: str, limit_rad: float) -> Intervals:
    """When ``other`` is at least ``limit_rad`` from the Sun, seen from ``node``; seconds."""
    level = -math.cos(limit_rad)
    return scan(tracks, SUN, node, other, [level], body=tracks.sun).at_least(level)


def _pair_access(tracks: Tracks, reach: _Reach, a: Node, b: Node) -> PairAccess:
    span_s = float(tracks.t_s[-1])
    conditions: list[Condition] = []
    if not a.kind == b.kind == "asset":  # neighbours on the ground are taken to see each other
        if a.kind != "spacecraft":
            conditions += _surface_conditions(tracks, a, b, "a")
        if b.kind != "spacecraft":
            conditions += _surface_conditions(tracks, b, a, "b")
        conditions += _path_conditions(tracks, reach, a, b)
        conditions += _stated_conditions(tracks, a, b, "a")
        conditions += _stated_conditions(tracks, b, a, "b")
        conditions.sort(key=lambda c: STAGES.index(c.cause))
    access, opened, closed = intersect_all([c.intervals for c in conditions], 0.0, span_s)
    return PairAccess(a.name, b.name, tuple(conditions), access, opened, closed)


def elevation_intervals(
    tracks: Tracks, node: Node, other: Node | str, level_rad: float
) -> Intervals:
    """When ``other`` stands at or above an elevation at a surface node, in seconds."""
    name = other if isinstance(other, str) else other.name
    level = math.sin(level_rad)
    return scan(tracks, ELEVATION, node.name, name, [level]).at_least(level)


def level_intervals(tracks: Tracks, code: int, a: str, b: str, level: float, **parts) -> Intervals:
    """When a quantity of ``cislunar.geometry`` between two nodes is at or above a level."""
    return scan(tracks, code, a, b, [level], **parts).at_least(level)


FRAME_COLUMNS = ("a", "b", "start_s", "end_s", "start_utc", "end_utc", "opens_by", "closes_by")


def access_frame(access: Mapping[tuple[str, str], PairAccess], epoch):
    """The access table of the product folder, as a pandas DataFrame sorted by pair and start."""
    import pandas as pd

    ordered = [access[key] for key in sorted(access)]
    counts = [len(p.access) for p in ordered]
    start = np.concatenate([p.access.start_s for p in ordered] or [np.empty(0)])
    end = np.concatenate([p.access.end_s for p in ordered] or [np.empty(0)])
    return pd.DataFrame(
        {
            "a": np.repeat(np.array([p.a for p in ordered], dtype=object), counts),
            "b": np.repeat(np.array([p.b for p in ordered], dtype=object), counts),
            "start_s": start,
            "end_s": end,
            "start_utc": epoch.utc_text(start) if start.size else [],
            "end_utc": epoch.utc_text(end) if end.size else [],
            "opens_by": [cause for p in ordered for cause in p.opens_by],
            "closes_by": [cause for p in ordered for cause in p.closes_by],
        }
    )


__all__ = [
    "STAGES", "Condition", "PairAccess", "access_frame", "all_pairs", "elevation_intervals",
    "find_access", "great_circle_km", "in_blocks", "level_intervals", "sun_clear",
]  # fmt: skip
