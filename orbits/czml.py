"""Trajectories for CesiumJS: CZML, plain JSON.

Cesium's inertial frame is the Earth's (ICRF), so that positions are Earth-centred, in metres, with
velocities; the Moon goes along as a body of its own. Times are UTC. The states are thinned so that
Cesium's own Hermite interpolation, of the degree the file asks for, gives the trajectory back
within a centimetre.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from orbits.constants import DAY_S, MOON_RADIUS_KM
from orbits.ephemeris import Ephemeris
from orbits.errors import InputError
from orbits.exchange import DEGREE, thinned
from orbits.passages import in_moon_icrf
from orbits.trajectory import Trajectory

_COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip  # Okabe and Ito 2008: told apart by every reader
_MOON_STEP_S = 6 * 3600.0


def _position(epoch_text, t, states_km):
    rows = np.column_stack([t, states_km * 1e3])
    return {
        "epoch": epoch_text, "referenceFrame": "INERTIAL", "interpolationAlgorithm": "HERMITE",
        "interpolationDegree": DEGREE,
        "cartesianVelocity": [round(x, 6) for x in rows.ravel().tolist()],
    }  # fmt: skip


def czml_packets(
    trajectories: Mapping[str, Trajectory], ephemeris: Ephemeris, *, title: str = "orbits",
    trail_s: float | None = None,
) -> list[dict]:  # fmt: skip
    """The packets of a CZML document: a preamble, the Moon, and one for each trajectory.

    Names are the packets' ids. ``trail_s`` is how much of the path is drawn behind and before a
    craft (the whole without it). Raises InputError for no trajectory, or a name the file needs.
    """
    if not trajectories:
        raise InputError("a CZML document wants a trajectory")
    taken = {"document", "moon"} & {name.lower() for name in trajectories}
    if taken:
        raise InputError(f"the name {taken.pop()!r} is the file's own")
    first = next(iter(trajectories.values())).epoch
    paths = {k: in_moon_icrf(v, ephemeris).rebased(first) for k, v in trajectories.items()}
    start = min(p.start_s for p in paths.values())
    end = max(p.end_s for p in paths.values())
    text = first.utc_text(0.0, 6)

    def interval(a, b):
        return f"{first.utc_text(a, 6)}/{first.utc_text(b, 6)}"

    packets: list[dict] = [
        {
            "id": "document", "name": title, "version": "1.0",
            "clock": {
                "interval": interval(start, end), "currentTime": first.utc_text(start, 6),
                "multiplier": 3600, "range": "LOOP_STOP", "step": "SYSTEM_CLOCK_MULTIPLIER",
            },
        }
    ]  # fmt: skip
    t = np.linspace(start, end, max(int(np.ceil((end - start) / _MOON_STEP_S)), 8) + 1)
    packets.append(
        {
            "id": "moon", "name": "Moon", "availability": interval(start, end),
            "position": _position(text, t, ephemeris.state("moon", "earth", first, t)),
            "ellipsoid": {
                "radii": {"cartesian": [MOON_RADIUS_KM * 1e3] * 3},
                "material": {"solidColor": {"color": {"rgba": [160, 160, 160, 255]}}},
            },
        }
    )  # fmt: skip
    for k, (name, path) in enumerate(paths.items()):
        less = thinned(path)
        states = less.states + ephemeris.state("moon", "earth", first, less.t_s)
        colour = {"rgba": [*_COLOURS[k % len(_COLOURS)], 255]}
        drawn = trail_s if trail_s is not None else max(path.end_s - path.start_s, DAY_S)
        packets.append(
            {
                "id": name, "name": name, "availability": interval(path.start_s, path.end_s),
                "position": _position(text, less.t_s, states),
                "point": {"pixelSize": 6, "color": colour},
                "label": {"text": name, "fillColor": colour, "font": "12px sans-serif"},
                "path": {
                    "leadTime": drawn, "trailTime": drawn, "width": 1.5,
                    "material": {"solidColor": {"color": colour}},
                },
            }
        )  # fmt: skip
    return packets


def write_czml(
    trajectories: Mapping[str, Trajectory], path: str | os.PathLike, ephemeris: Ephemeris, *,
    title: str = "orbits", trail_s: float | None = None,
) -> None:  # fmt: skip
    """Writes a CZML file of named trajectories; see :func:`czml_packets`."""
    packets = czml_packets(trajectories, ephemeris, title=title, trail_s=trail_s)
    text = json.dumps(packets, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    Path(path).write_text(text, encoding="utf-8")
