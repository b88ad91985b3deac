"""Where antennas look, and how far off their boresight the other end, the Moon and the Sun are.

Everything on the tracks' own tables, at any instant: directions between nodes and bodies, the axes
of a place (east, north, up), of a spacecraft (LVLH) and of the rotating Earth-Moon frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orbits.errors import InputError
from orbits.interpolate import hermite_many

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.terminal_records import Antenna
    from cislunar.tracks import Tracks


def states_at(tracks: Tracks, table: np.ndarray, t_s) -> np.ndarray:
    """A (T, 6) table of the tracks at instants ``t_s`` (N,), clipped to the span: (N, 6)."""
    t = np.clip(np.atleast_1d(np.asarray(t_s, dtype=float)), 0.0, tracks.span_s)
    if t.size == tracks.t_s.size and np.array_equal(t, tracks.t_s):
        return table
    return hermite_many(np.asarray(tracks.t_s, dtype=float), table, t)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, 3) scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def angle_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles (N,) between vectors (N, 3), exact near 0 and 180 degrees, rad."""
    a, b = unit(a), unit(b)
    return 2.0 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))


def direction(tracks: Tracks, node: str, other: str, t_s) -> np.ndarray:
    """Vectors (N, 3) in km, ICRF, from a node to another node, or to moon, earth or sun."""
    here = states_at(tracks, tracks.states[node], t_s)[:, :3]
    if other == "moon":
        return -here
    if other in ("earth", "sun"):
        return states_at(tracks, getattr(tracks, other), t_s)[:, :3] - here
    return states_at(tracks, tracks.states[other], t_s)[:, :3] - here


def axes(tracks: Tracks, node: Node, frame: str, t_s) -> np.ndarray:
    """Unit axes (N, 3, 3), rows x, y, z on ICRF, of a frame at a node.

    LOCAL: east, north, up (a place); LVLH: forward, against the orbit normal, to the Moon's centre
    (a spacecraft); EARTH_MOON_ROTATING: from the Earth to the Moon, completing, along their
    angular momentum; ICRF. Raises InputError where the node does not have the frame.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    if frame == "ICRF":
        return np.broadcast_to(np.eye(3), (t.size, 3, 3))
    if frame == "EARTH_MOON_ROTATING":
        earth = states_at(tracks, tracks.earth, t)
        x = unit(-earth[:, :3])
        z = unit(np.cross(earth[:, :3], earth[:, 3:]))
        return np.stack([x, np.cross(z, x), z], axis=1)
    states = states_at(tracks, tracks.states[node.name], t)
    if frame == "LVLH" and node.kind == "spacecraft":
        z = unit(-states[:, :3])
        y = -unit(np.cross(states[:, :3], states[:, 3:]))
        return np.stack([np.cross(y, z), y, z], axis=1)
    if frame == "LOCAL" and node.kind != "spacecraft":
        up = unit(vertical(tracks, node.name, t))
        north = unit(states_at(tracks, tracks.north[node.name], t)[:, :3])
        return np.stack([np.cross(north, up), north, up], axis=1)
    raise InputError(
        f"{node.name} is a {node.kind} and has no frame {frame}", key="boresight_frame",
        value=frame, allowed="LOCAL at a place, LVLH on a spacecraft, ICRF, EARTH_MOON_ROTATING",
    )  # fmt: skip


def vertical(tracks: Tracks, name: str, t_s) -> np.ndarray:
    """The vertical (N, 3) of a node: geodetic at stations, from the Moon's centre elsewhere."""
    table = tracks.up.get(name, tracks.states[name])
    return states_at(tracks, table, t_s)[:, :3]


def boresight(tracks: Tracks, node: Node, other: str, antenna: Antenna, t_s) -> np.ndarray:
    """Where an antenna of ``node`` that serves ``other`` looks: vectors (N, 3), ICRF."""
    mode = antenna.pointing_mode
    if mode == "tracking":
        return direction(tracks, node.name, other, t_s)
    if mode in ("earth", "sun"):
        return direction(tracks, node.name, mode, t_s)
    if mode in ("zenith", "nadir"):
        up = vertical(tracks, node.name, t_s)
        return up if mode == "zenith" else -up
    assert antenna.boresight is not None
    return np.einsum(
        "nij,i->nj", axes(tracks, node, antenna.boresight_frame, t_s), np.array(antenna.boresight)
    )


def off_boresight_rad(tracks: Tracks, node: Node, other: str, antenna: Antenna, t_s) -> np.ndarray:
    """How far ``other`` is off the boresight of an antenna of ``node``, rad (N,)."""
    if antenna.pointing_mode == "tracking":
        return np.zeros(np.atleast_1d(np.asarray(t_s)).shape)
    looks = boresight(tracks, node, other, antenna, t_s)
    return angle_rad(looks, direction(tracks, node.name, other, t_s))


def azimuth_elevation_rad(tracks: Tracks, node: Node, other: str, t_s):
    """Azimuth from north through east, and elevation, of ``other`` at a place, rad (N,) each."""
    east, north, up = np.moveaxis(axes(tracks, node, "LOCAL", t_s), 1, 0)
    look = unit(direction(tracks, node.name, other, t_s))
    azimuth = np.arctan2((look * east).sum(1), (look * north).sum(1)) % (2.0 * np.pi)
    return azimuth, np.arcsin(np.clip((look * up).sum(1), -1.0, 1.0))
