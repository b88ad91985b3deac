"""Where everything is: the states of every node on one uniform grid, Moon-centred, ICRF axes.

Spacecraft, lunar assets and Earth stations all become the same thing here - a table of positions
and velocities that the geometry interpolates - so access knows one kind of node only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import erfa
import numpy as np

from cislunar.world import World, build_world
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.epoch import Epoch

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.paths import Path
    from cislunar.scenario import Scenario
    from orbits.ephemeris import De440
    from orbits.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Tracks:
    """States of every node at the grid instants ``t_s`` (T,), seconds past ``epoch``.

    ``states[name]`` (T, 6) km and km/s, Moon-centred, ICRF axes. ``up[station]`` (T, 6): the unit
    geodetic vertical and its rate; an asset's vertical is its own direction from the Moon's centre.
    ``north[place]`` (T, 6): the unit vector to local north and its rate, for places where
    something is asked in azimuth (a horizon file, a sector, a fixed antenna). ``sun`` and ``earth``
    (T, 6) are the bodies' centres.
    """

    epoch: Epoch
    t_s: np.ndarray
    kinds: dict[str, str]
    states: dict[str, np.ndarray]
    up: dict[str, np.ndarray]
    north: dict[str, np.ndarray]
    sun: np.ndarray
    earth: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.states)

    @property
    def span_s(self) -> float:
        return float(self.t_s[-1])

    @property
    def step_s(self) -> float:
        return float(self.t_s[1] - self.t_s[0])


def time_grid(duration_s: float, step_s: float) -> np.ndarray:
    """Uniform instants from 0 to ``duration_s`` inclusive, seconds, no further apart than asked."""
    return np.linspace(0.0, duration_s, max(8, math.ceil(duration_s / step_s - 1e-9)) + 1)


def _turned(axes: np.ndarray, rate: np.ndarray, body_vector: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.einsum("tij,i->tj", axes, body_vector), np.einsum("tij,i->tj", rate, body_vector)],
        axis=1,
    )


@dataclass(frozen=True, eq=False)
class _Roving:
    """A place that moves over the Moon, or its north, and its rate, on ICRF axes."""

    axes: np.ndarray
    rate: np.ndarray
    t_s: np.ndarray
    path: Path
    north: bool = False

    def __call__(self) -> np.ndarray:
        body = self.path.north_at(self.t_s) if self.north else self.path.at(self.t_s)
        here, pace = body[:, :3], body[:, 3:]
        turned = np.einsum("tij,ti->tj", self.rate, here) + np.einsum("tij,ti->tj", self.axes, pace)
        return np.hstack([np.einsum("tij,ti->tj", self.axes, here), turned])


def site_vector_km(latitude_deg: float, longitude_deg: float, height_m: float) -> np.ndarray:
    """Position (3,) of a lunar site in km, MOON_ME, on the 1737.4 km sphere plus its height.

    >>> site_vector_km(-90.0, 0.0, 0.0).round(6).tolist()
    [0.0, 0.0, -1737.4]
    """
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    radius = MOON_RADIUS_KM + height_m * 1e-3
    return radius * np.array(
        [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]
    )


def _add_node(tracks: Tracks, node: Node, world: World, trajectory: Trajectory | None) -> None:
    tracks.kinds[node.name] = node.kind
    if node.kind == "spacecraft":
        assert trajectory is not None, node.name
        moved = trajectory if trajectory.epoch == tracks.epoch else trajectory.rebased(tracks.epoch)
        same = np.array_equal(moved.t_s, tracks.t_s)  # the usual case: flown on this very grid
        states = moved.states if same else moved.at(tracks.t_s)
    elif node.path is not None:
        turn = world.moon_axes, world.moon_rate, tracks.t_s, node.path
        states = _Roving(*turn)()
        if node.needs_north:
            tracks.north[node.name] = _Roving(*turn, True)()
    elif node.kind == "asset":
        assert node.latitude_deg is not None, node.name
        assert node.longitude_deg is not None, node.name
        site = site_vector_km(node.latitude_deg, node.longitude_deg, node.height_m)
        states = _turned(world.moon_axes, world.moon_rate, site)
        if node.needs_north:
            lat, lon = node.latitude_deg * DEG, node.longitude_deg * DEG
            north = np.array(
                [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)]
            )
            tracks.north[node.name] = _turned(world.moon_axes, world.moon_rate, north)
    else:
        assert node.latitude_deg is not None, node.name
        assert node.longitude_deg is not None, node.name
        lat, lon = node.latitude_deg * DEG, node.longitude_deg * DEG
        place = erfa.gd2gc(1, lon, lat, node.height_m) * 1e-3  # WGS84
        vertical = np.array(
            [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]
        )
        states = world.earth + _turned(world.earth_axes, world.earth_rate, place)
        tracks.up[node.name] = np.ascontiguousarray(
            _turned(world.earth_axes, world.earth_rate, vertical)
        )
        if node.needs_north:
            north = np.array(
                [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)]
            )
            tracks.north[node.name] = _turned(world.earth_axes, world.earth_rate, north)
    tracks.states[node.name] = np.ascontiguousarray(states)


def build_tracks(
    scenario: Scenario,
    nodes: Iterable[Node],
    trajectories: Mapping[str, Trajectory],
    ephemeris: De440,
    *,
    world: World | None = None,
) -> Tracks:
    """The states of every node over the scenario's span, km and km/s, Moon-centred ICRF."""
    t_s = time_grid(scenario.duration_s, scenario.step_s)
    world = world or build_world(scenario.fidelity, scenario.start, t_s, ephemeris)
    tracks = Tracks(scenario.start, t_s, {}, {}, {}, {}, world.sun, world.earth)
    for node in nodes:
        _add_node(tracks, node, world, trajectories.get(node.name))
    return tracks


def extend_tracks(
    tracks: Tracks, nodes: Iterable[Node], trajectories: Mapping[str, Trajectory], world: World
) -> Tracks:
    """The same tracks with more nodes; what was there is shared, not copied."""
    more = replace(
        tracks,
        kinds=dict(tracks.kinds),
        states=dict(tracks.states),
        up=dict(tracks.up),
        north=dict(tracks.north),
    )
    for node in nodes:
        _add_node(more, node, world, trajectories.get(node.name))
    return more
