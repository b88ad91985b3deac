"""When conditions of access hold: leaves as intervals, combined by all, any and not.

Exact set algebra on the leaves' intervals. A list under ``all`` at the top stays separate, each
entry with its own cause; an ``any`` or a ``not`` is one condition, put down to the latest stage
within it, as a gap is to the stage that the furthest candidate reached.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cislunar.condition_records import Expression, Leaf
from cislunar.crossings import follow, horizon_arrays, scan
from cislunar.geometry import CLEARANCE, ELEVATION, RANGE, SUN, TERRAIN
from cislunar.pointing import angle_rad, axes, azimuth_elevation_rad, direction
from orbits.constants import DEG, EARTH_RADIUS_KM, MOON_RADIUS_KM
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

# order in which conditions are asked; the cause of a gap is the last one reached
STAGES = (
    "no-provider", "below-horizon", "terrain", "mask", "occulted", "range", "sun", "station-mask",
    "station-outage",
)  # fmt: skip


def holds(tracks: Tracks, node: Node, other: str, entry: Leaf | Expression) -> Intervals:
    """When a condition of ``node`` toward ``other`` holds, seconds of the tracks' span."""
    if isinstance(entry, Leaf):
        return _LEAVES[entry.kind](tracks, node, other, entry).clip(0.0, tracks.span_s)
    out = _whole(tracks)
    for part in entry.all:
        out = out & holds(tracks, node, other, part)
    if entry.any:
        out = out & Intervals.union_of(holds(tracks, node, other, part) for part in entry.any)
    if entry.not_ is not None:
        out = out - holds(tracks, node, other, entry.not_)
    return out


def cause_of(node: Node, entry: Leaf | Expression) -> str:
    """What a gap is put down to where a condition of ``node`` fails.

    Its own ``cause`` if stated; else by kind, and for an expression the latest stage within it.
    """
    if entry.cause is not None:
        return entry.cause
    if isinstance(entry, Expression):
        parts = (*entry.all, *entry.any, *([entry.not_] if entry.not_ is not None else []))
        return max((cause_of(node, part) for part in parts), key=STAGES.index)
    station = node.kind == "station"
    if entry.kind == "times":
        return "station-outage" if station else "no-provider"
    if (entry.kind == "angle-from" and entry.body != "sun") or entry.kind in (
        "elevation", "azimuth-elevation", "cone",
    ):  # fmt: skip
        return "station-mask" if station else "mask"
    kinds = {"occultation": "occulted", "horizon": "terrain", "range": "range", "angle-from": "sun"}
    return kinds[entry.kind]


def separated(entry: Leaf | Expression) -> list[Leaf | Expression]:
    """The conditions that must hold one by one: what stands under ``all`` at the top."""
    if isinstance(entry, Leaf) or entry.cause is not None:
        return [entry]
    out = [one for part in entry.all for one in separated(part)]
    if entry.any:
        out.append(Expression.model_validate({"any": entry.any}))
    if entry.not_ is not None:
        out.append(Expression.model_validate({"not": entry.not_}))
    return out


# --- leaves ------------------------------------------------------------------------------------


def _whole(tracks: Tracks) -> Intervals:
    return Intervals(np.zeros(1), np.full(1, tracks.span_s))


def _occultation(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    moon = leaf.body == "moon"
    radius = (MOON_RADIUS_KM if moon else EARTH_RADIUS_KM) + leaf.clearance_km
    body = None if moon else tracks.earth
    return scan(
        tracks, CLEARANCE, node.name, other, [0.0], body=body, par=(radius,)
    ).at_least(0.0)  # fmt: skip


def _place(node: Node, leaf: Leaf) -> None:
    if node.kind == "spacecraft":
        raise InputError(
            f"{node.name} is a spacecraft and has no {leaf.kind}", key="access_conditions",
            value=leaf.kind, allowed="a place on the Moon or the Earth",
        )  # fmt: skip


def _horizon(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    if node.horizon is None or node.name not in tracks.north:
        raise InputError(
            f"{node.name} has no horizon file", key="access_conditions", value=leaf.kind,
            allowed="an asset with `horizon`",
        )  # fmt: skip
    return scan(
        tracks, TERRAIN, node.name, other, [0.0],
        body=tracks.north[node.name], horizon=horizon_arrays(node.horizon),
    ).at_least(0.0)  # fmt: skip


def _between(tracks: Tracks, code: int, node: str, other: str, low, high) -> Intervals:
    steps = scan(tracks, code, node, other, [x for x in (low, high) if x is not None])
    out = _whole(tracks)
    if low is not None:
        out = out & steps.at_least(low)
    return out if high is None else out - steps.at_least(high)


def _elevation(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    _place(node, leaf)
    low, high = (None if x is None else math.sin(x * DEG) for x in (leaf.min_deg, leaf.max_deg))
    return _between(tracks, ELEVATION, node.name, other, low, high)


def _range(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    a, b = sorted((node.name, other))
    return _between(tracks, RANGE, a, b, leaf.min_km, leaf.max_km)


def _angle_from(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    assert leaf.min_deg is not None
    assert leaf.body is not None
    body = leaf.body
    if body != "moon":
        level = -math.cos(leaf.min_deg * DEG)
        table = getattr(tracks, body)
        return scan(tracks, SUN, node.name, other, [level], body=table).at_least(level)
    least = leaf.min_deg * DEG
    return follow(
        tracks,
        lambda t: angle_rad(
            direction(tracks, node.name, "moon", t), direction(tracks, node.name, other, t)
        ),
        [least],
    ).at_least(least)


def _sector(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    _place(node, leaf)

    def margin(t_s):
        azimuth, elevation = azimuth_elevation_rad(tracks, node, other, t_s)
        out = np.full(azimuth.shape, np.pi)
        if leaf.azimuth_deg is not None:
            first, last = leaf.azimuth_deg
            half = 0.5 * ((last - first) % 360.0 or 360.0) * DEG
            off = (azimuth - first * DEG - half + np.pi) % (2.0 * np.pi) - np.pi
            out = half - np.abs(off)
        if leaf.elevation_deg is not None:
            low, high = (x * DEG for x in leaf.elevation_deg)
            out = np.minimum(out, np.minimum(elevation - low, high - elevation))
        return out

    return follow(tracks, margin, [0.0]).at_least(0.0)


def _cone(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    assert leaf.half_angle_deg is not None
    half = leaf.half_angle_deg * DEG
    vector = np.array(leaf.axis)

    def margin(t_s):
        axis = np.einsum("nij,i->nj", axes(tracks, node, leaf.frame, t_s), vector)
        return half - angle_rad(axis, direction(tracks, node.name, other, t_s))

    return follow(tracks, margin, [0.0]).at_least(0.0)


def _times(tracks: Tracks, node: Node, other: str, leaf: Leaf) -> Intervals:
    return Intervals.from_pairs(
        [(Epoch.parse(a) - tracks.epoch, Epoch.parse(b) - tracks.epoch) for a, b in leaf.spans]
    )


_LEAVES = {
    "occultation": _occultation, "horizon": _horizon, "elevation": _elevation, "range": _range,
    "angle-from": _angle_from, "azimuth-elevation": _sector, "cone": _cone, "times": _times,
}  # fmt: skip
