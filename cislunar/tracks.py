"""Where everything is: the states of every node on one uniform grid, Moon-centred, ICRF axes.

Spacecraft, lunar assets and Earth stations all become the same thing here - a table of positions
and velocities that the geometry interpolates - so access knows one kind of node only. The tables of
places on the ground are made from the bodies' attitudes when they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import erfa
import numpy as np

from cislunar.on_demand import OnDemand
from cislunar.world import World, build_world
from orbits.compiled import njit
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.epoch import Epoch

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.paths import Path
    from cislunar.scenario import Scenario
    from orbits.ephemeris import De440
    from orbits.trajectory import Trajectory


class Tables(Mapping[str, np.ndarray]):
    """Tables (T, 6) by name, each held as it is or made when asked for."""

    def __init__(self, on_demand: OnDemand, sources: Mapping[str, np.ndarray | Callable]):
        self._on_demand, self._sources = on_demand, dict(sources)

    def __getitem__(self, name: str) -> np.ndarray:
        source = self._sources[name]
        if isinstance(source, np.ndarray):
            return source
        return self._on_demand.get(source, source)

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def plus(self, more: Mapping[str, np.ndarray | Callable]) -> Tables:
        """These tables with others; what is made of either shares the same room."""
        return Tables(self._on_demand, self._sources | dict(more))


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
    kinds: Mapping[str, str]
    states: Mapping[str, np.ndarray]
    up: Mapping[str, np.ndarray]
    north: Mapping[str, np.ndarray]
    sun: np.ndarray
    earth: np.ndarray
    on_demand: OnDemand = field(
        default_factory=OnDemand, repr=False
    )  # of tables that can be made again

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


@njit(cache=True, nogil=True)
def _turned(axes, rate, body_vector):
    """A vector (3,) fixed in a body, and its rate, on ICRF axes: (T, 6)."""
    out = np.empty((axes.shape[0], 6))
    x, y, z = body_vector
    for t in range(axes.shape[0]):
        for j in range(3):
            out[t, j] = axes[t, 0, j] * x + axes[t, 1, j] * y + axes[t, 2, j] * z
            out[t, 3 + j] = rate[t, 0, j] * x + rate[t, 1, j] * y + rate[t, 2, j] * z
    return out


def site_vector_km(latitude_deg: float, longitude_deg: float, height_m: float) -> np.ndarray:
    """Position (3,) of a lunar site in km, MOON_ME, on the 1737.4 km sphere plus its height.

    >>> site_vector_km(-90.0, 0.0, 0.0).round(6).tolist()
    [0.0, 0.0, -1737.4]
    """
    lat, lon = latitude_deg * DEG, longitude_deg * DEG
    radius = MOON_RADIUS_KM + height_m * 1e-3
    return radius * _direction(lat, lon)


@dataclass(frozen=True, eq=False)
class _Turning:
    """A vector fixed in a body, and its rate, on ICRF axes; from a place that itself moves."""

    axes: np.ndarray
    rate: np.ndarray
    vector: np.ndarray
    centre: np.ndarray | None = None

    def __call__(self) -> np.ndarray:
        turned = _turned(self.axes, self.rate, self.vector)
        return turned if self.centre is None else self.centre + turned


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


def _direction(latitude_rad: float, longitude_rad: float) -> np.ndarray:
    return np.array(
        [
            math.cos(latitude_rad) * math.cos(longitude_rad),
            math.cos(latitude_rad) * math.sin(longitude_rad),
            math.sin(latitude_rad),
        ]
    )


def _north(latitude_rad: float, longitude_rad: float) -> np.ndarray:
    return np.array(
        [
            -math.sin(latitude_rad) * math.cos(longitude_rad),
            -math.sin(latitude_rad) * math.sin(longitude_rad),
            math.cos(latitude_rad),
        ]
    )


def extend_tracks(
    tracks: Tracks, nodes: Iterable[Node], trajectories: Mapping[str, Trajectory], world: World
) -> Tracks:
    """The same tracks with more nodes; what was there is shared, not copied."""
    kinds = dict(tracks.kinds)
    states: dict[str, np.ndarray | Callable] = {}
    up: dict[str, np.ndarray | Callable] = {}
    north: dict[str, np.ndarray | Callable] = {}
    for node in nodes:
        kinds[node.name] = node.kind
        if node.kind == "spacecraft":
            flown = trajectories[node.name]
            moved = flown if flown.epoch == tracks.epoch else flown.rebased(tracks.epoch)
            same = np.array_equal(moved.t_s, tracks.t_s)  # the usual case: flown on this very grid
            states[node.name] = np.ascontiguousarray(moved.states if same else moved.at(tracks.t_s))
            continue
        assert node.latitude_deg is not None, node.name
        assert node.longitude_deg is not None, node.name
        lat, lon = node.latitude_deg * DEG, node.longitude_deg * DEG
        if node.kind == "asset":
            turn = world.moon_axes, world.moon_rate
            if node.path is not None:
                states[node.name] = _Roving(*turn, tracks.t_s, node.path)
                if node.needs_north:
                    north[node.name] = _Roving(*turn, tracks.t_s, node.path, True)
                continue
            site = site_vector_km(node.latitude_deg, node.longitude_deg, node.height_m)
            states[node.name] = _Turning(*turn, site)
        else:
            turn = world.earth_axes, world.earth_rate
            place = erfa.gd2gc(1, lon, lat, node.height_m) * 1e-3  # WGS84
            states[node.name] = _Turning(*turn, place, world.earth)
            up[node.name] = _Turning(*turn, _direction(lat, lon))
        if node.needs_north:
            north[node.name] = _Turning(*turn, _north(lat, lon))
    return replace(
        tracks, kinds=kinds, states=_joined(tracks, tracks.states, states),
        up=_joined(tracks, tracks.up, up), north=_joined(tracks, tracks.north, north),
    )  # fmt: skip


def _joined(tracks: Tracks, held: Mapping[str, np.ndarray], more) -> Tables:
    return (held if isinstance(held, Tables) else Tables(tracks.on_demand, held)).plus(more)


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
    return extend_tracks(tracks, nodes, trajectories, world)
