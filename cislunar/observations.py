"""Checks of common sense on a run, as numbers: who sees the Earth, and a DRO from the pole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from orbits.constants import MOON_RADIUS_KM
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.results import Results

STRIDE_S = 300.0  # sampling of the shares: a monthly cycle needs no finer
FAR_SIDE_DEG = -1.0  # the Earth's centre stays below this: its whole disc never rises


def observe(results: Results) -> list[dict[str, Any]]:
    """One record a finding, all angles in degrees and all shares as fractions of the span.

    ``far-side``: ``assets``, ``elevation_max_deg`` of the Earth's centre, ``access_frac`` with
    any Earth station. ``pole-earth`` and ``pole-dro``: what a smooth sphere at 90 S sees:
    ``above_0_frac``, ``above_5_frac``, ``elevation_max_deg`` (``elevation_min_deg``), and
    ``tilt_deg`` between the Moon's equator and the orbit plane of the Earth or the DRO.
    """
    tracks = results.tracks
    stride = max(1, round(STRIDE_S / tracks.step_s))
    pick = slice(None, None, stride)
    out = [*_far_side(results, pick)]
    if any(n.kind == "asset" for n in results.nodes):
        pole = _pole(results, tracks.t_s[pick])
        earth = tracks.earth[pick]
        out.append({"kind": "pole-earth", **_seen_from_south(pole, earth)})
        for node in results.nodes:
            if _is_planar_dro(node):
                states = tracks.states[node.name][pick]
                out.append(
                    {"kind": "pole-dro", "name": node.name, **_seen_from_south(pole, states)}
                )
    return out


def _is_planar_dro(node) -> bool:
    orbit = node.orbit
    return (
        node.kind == "spacecraft"
        and getattr(orbit, "kind", None) == "dro"
        and not getattr(orbit, "amplitude_z_km", None)
    )


def _pole(results, t_s):
    """The Moon's north pole (N, 3) on ICRF axes."""
    from orbits.ephemeris import De440
    from orbits.frames import rotation

    ephemeris = De440.open()
    epoch = results.tracks.epoch
    if results.scenario.fidelity == "cr3bp":
        from cislunar.world import closed_world_axes

        return closed_world_axes(epoch, t_s, ephemeris)[0][:, 2]
    return rotation("MOON_ME", epoch, t_s, ephemeris)[:, 2]


def _elevation_deg(site, target):
    """Elevation of ``target`` from ``site`` (both (N, 3) Moon-centred), site's own direction up."""
    sight = target - site
    up = site / np.linalg.norm(site, axis=1)[:, None]
    sine = np.einsum("ni,ni->n", sight, up) / np.linalg.norm(sight, axis=1)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))


def _seen_from_south(pole, states):
    elevation = _elevation_deg(-MOON_RADIUS_KM * pole, states[:, :3])
    normal = np.cross(states[:, :3], states[:, 3:])
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    tilt = np.degrees(np.arccos(np.clip(np.abs(np.einsum("ni,ni->n", normal, pole)), 0, 1)))
    return {
        "above_0_frac": float((elevation >= 0.0).mean()),
        "above_5_frac": float((elevation >= 5.0).mean()),
        "elevation_max_deg": float(elevation.max()),
        "elevation_min_deg": float(elevation.min()),
        "tilt_deg": float(tilt.mean()),
    }


def _far_side(results, pick):
    tracks = results.tracks
    stations = {n.name for n in results.nodes if n.kind == "station"}
    hidden, highest = [], -90.0
    for node in results.nodes:
        if node.kind != "asset":
            continue
        most = _elevation_deg(tracks.states[node.name][pick, :3], tracks.earth[pick, :3]).max()
        if most < FAR_SIDE_DEG:
            hidden.append(node.name)
            highest = max(highest, float(most))
    if not hidden:
        return
    access = results.access
    span_s, seen_s = float(results.scenario.duration_s), 0.0
    for name in hidden:
        mine = access[
            ((access["a"] == name) & access["b"].isin(stations))
            | ((access["b"] == name) & access["a"].isin(stations))
        ]
        seen_s += Intervals(mine["start_s"], mine["end_s"]).total_s
    yield {
        "kind": "far-side",
        "assets": hidden,
        "elevation_max_deg": highest,
        "access_frac": seen_s / (span_s * len(hidden)),
    }
