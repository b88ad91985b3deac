"""Maps: figures of merit over regions of the lunar surface, on equal-area HEALPix cells.

The sites of a map are smooth-sphere sites (radius 1737.4 km, no terrain) with the region's
elevation mask. A spacecraft covers a cell while it serves, its operator shares with the map's
user, and it stands above the mask; whether a link closes is left to the assets' own scores.
Every figure is taken at the grid instants, each standing for one step: gaps are multiples of it.
All cells of a region have the same area, so a plain mean over them is an area mean.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.grid import NEVER, cosine_thresholds, sweep, sweep_fixes
from cislunar.ranging import Signal
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import xarray

    from cislunar.nodes import Node
    from cislunar.scenario import Scenario
    from cislunar.schema import Region
    from cislunar.tracks import Tracks, World

FIX_BUDGET = 10_000_000  # cell-epochs of positioning a map may cost; epochs are thinned to hold it
MAX_NSIDE = 1024
MISSING = -1.0  # written to the file where no epoch has a fix

DEFINITIONS = {
    "availability_frac": (
        "1", "share of the epochs with at least one relay above the mask (STK: Percent Coverage, "
        "as a fraction)"),
    "joint_availability_frac": (
        "1", "share of the epochs with at least one relay above the mask that has a live path to "
        "Earth at that epoch"),
    "longest_gap_s": (
        "s", "longest unbroken time without a relay above the mask (STK: Revisit Time, maximum); "
        "gaps cut by the span count as long as they were seen to be"),
    "mean_gap_s": (
        "s", "mean duration of the gaps, 0 without a gap (STK: Revisit Time, average)"),
    "time_average_gap_s": (
        "s", "sum of squared gap durations over the span: the gap length that an instant drawn at "
        "random finds itself in, 0 outside gaps (STK: Time Average Gap)"),
    "visible_mean": (
        "1", "mean number of relay and navigation spacecraft above the mask (STK: N Asset "
        "Coverage, average)"),
    "visible_min": (
        "1", "least number of relay and navigation spacecraft above the mask (STK: N Asset "
        "Coverage, minimum)"),
    "positioning_availability_frac": (
        "1", "share of the positioning epochs with a fix: four navigation sources received above "
        "the mask, GDOP at most 1e4"),
    "gdop_p50": ("1", "median GDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "gdop_worst": ("1", "largest GDOP over the epochs with a fix"),
    "accuracy_3d_p95_m": (
        "m", "95th percentile over the epochs with a fix of the 3D RMS error, ranges weighted by "
        "the error budget (STK: Navigation Accuracy)"),
    "solution_count": ("1", "number of positioning epochs with a fix"),
}  # fmt: skip
EMPTY_WITHOUT_FIX = ("gdop_p50", "gdop_worst", "accuracy_3d_p95_m")


@dataclass(frozen=True)
class Cells:
    """Cells of one region: centres in deg (MOON_ME), HEALPix ring indices and their nside."""

    latitude_deg: np.ndarray
    longitude_deg: np.ndarray
    index: np.ndarray
    nside: int

    def __len__(self) -> int:
        return self.index.size

    @property
    def units(self) -> np.ndarray:
        """Unit vectors (C, 3) to the centres, MOON_ME."""
        return unit_vectors(self.latitude_deg, self.longitude_deg)


def unit_vectors(latitude_deg, longitude_deg) -> np.ndarray:
    """Unit vectors (..., 3) of latitudes and east longitudes in deg."""
    lat, lon = np.asarray(latitude_deg) * DEG, np.asarray(longitude_deg) * DEG
    return np.stack(
        [
            np.cos(lat) * np.cos(lon),
            np.cos(lat) * np.sin(lon),
            np.broadcast_to(np.sin(lat), lon.shape),
        ],
        axis=-1,
    )


def _in_polygon(units: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """True for directions inside a spherical polygon (less than a hemisphere, great-circle sides).

    Seen from the Moon's centre on the plane that touches the sphere at the polygon's middle, great
    circles are straight lines: an even-odd test there knows no pole and no date line.
    """
    middle = corners.mean(axis=0)
    middle /= np.linalg.norm(middle)
    x = np.cross([0.0, 0.0, 1.0] if abs(middle[2]) < 0.9 else [1.0, 0.0, 0.0], middle)
    x /= np.linalg.norm(x)
    axes = np.stack([x, np.cross(middle, x)], axis=1)
    front = units @ middle
    ahead = front > 1e-6
    px, py = ((units @ axes) / np.where(ahead, front, 1.0)[:, None]).T
    cx, cy = ((corners @ axes) / (corners @ middle)[:, None]).T
    inside = np.zeros(len(units), bool)
    for i in range(cx.size):
        j = i - 1
        crosses = (cy[i] > py) != (cy[j] > py)
        if not crosses.any():
            continue
        at = cx[i] + (py - cy[i]) / np.where(crosses, cy[j] - cy[i], 1.0) * (cx[j] - cx[i])
        inside ^= crosses & (px < at)
    return inside & ahead


def region_mask(region: Region, latitude_deg, longitude_deg) -> np.ndarray:
    """True for the points (deg, any equal shapes) that lie in a region's bounds and polygon.

    A western bound east of the eastern one spans the date line.
    """
    lat, lon = np.asarray(latitude_deg, float), np.asarray(longitude_deg, float)
    inside = (lat >= region.latitude_min_deg) & (lat <= region.latitude_max_deg)
    west, east = region.longitude_min_deg, region.longitude_max_deg
    if east - west < 360.0:
        inside &= (lon - west) % 360.0 <= (east - west) % 360.0
    if region.polygon_lon_lat_deg is not None:
        corners = np.array(region.polygon_lon_lat_deg, dtype=float)
        vectors = unit_vectors(corners[:, 1], corners[:, 0])
        inside &= _in_polygon(unit_vectors(lat, lon).reshape(-1, 3), vectors).reshape(lat.shape)
    return inside


def region_cells(region: Region) -> Cells:
    """The HEALPix cells (ring order) whose centres lie in a region, MOON_ME.

    nside is a power of two: the one that comes nearest in ratio to the region's ``cell_count``,
    and never one that leaves the region empty.
    """
    from astropy_healpix import HEALPix

    best: Cells | None = None
    miss = math.inf
    nside = 1
    while nside <= MAX_NSIDE:
        index = np.arange(12 * nside * nside)
        lon, lat = HEALPix(nside=nside, order="ring").healpix_to_lonlat(index)
        lat_deg = np.degrees(lat.value)  # astropy-healpix gives radians
        lon_deg = (np.degrees(lon.value) + 180.0) % 360.0 - 180.0
        keep = region_mask(region, lat_deg, lon_deg)
        count = int(keep.sum())
        if count:
            now = abs(math.log(count / region.cell_count))
            if now < miss:
                best, miss = Cells(lat_deg[keep], lon_deg[keep], index[keep], nside), now
            elif count > region.cell_count:
                break
        nside *= 2
    if best is None:
        from orbits.errors import InputError

        raise InputError(
            f"the region {region.name!r} holds no map cell", key="regions", value=region.name,
            allowed=f"regions wider than {60.0 / MAX_NSIDE:.2f} deg",
        )  # fmt: skip
    return best


def _on_threads(work: Callable[[slice], None], count: int) -> None:
    parts = max(1, min(os.cpu_count() or 1, 8, count))
    edges = np.linspace(0, count, parts + 1).astype(int)
    slices = [slice(int(edges[i]), int(edges[i + 1])) for i in range(parts)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, slices))


def cell_views(
    units: np.ndarray,
    positions_km: np.ndarray,
    min_elevation_rad: float,
    step_s: float,
    *,
    relay: np.ndarray | None = None,
    live: np.ndarray | None = None,
    serving: np.ndarray | None = None,
    radius_km: float = MOON_RADIUS_KM,
) -> dict[str, np.ndarray]:
    """Visibility figures (C,) of cells at ``units`` (C, 3), keyed as in ``coverage.nc``.

    ``positions_km`` (S, K, 3) in the cells' axes at K epochs ``step_s`` apart; ``relay`` (S,) who
    is a relay (all); ``live`` (S, K) which have a live path to Earth (always); ``serving`` (S, K)
    which are in service (always). Single precision decides visibility: to 0.5 m on the ground.
    """
    count, epochs = positions_km.shape[:2]
    r = np.sqrt(np.einsum("ski,ski->sk", positions_km, positions_km))
    least = cosine_thresholds(r, min_elevation_rad, radius_km)
    if serving is not None:
        least = np.where(serving, least, NEVER)
    x, y, z = (np.ascontiguousarray(positions_km[:, :, i] / r, dtype=np.float32) for i in range(3))
    is_relay = np.ones(count) if relay is None else np.asarray(relay, float)
    path = np.ones((count, epochs)) if live is None else np.asarray(live, float)
    path = path.astype(np.float32)
    least, is_relay = least.astype(np.float32), is_relay.astype(np.float32)
    cells = np.ascontiguousarray(units, dtype=np.float32)
    sums = np.zeros((len(cells), 7))
    fewest = np.zeros(len(cells), np.int64)

    def work(part: slice) -> None:
        fewest[part] = sweep(cells[part], x, y, z, least, is_relay, path, sums[part])

    _on_threads(work, len(cells))
    up, joint, longest, total, squares, gaps, seen = sums.T
    return {
        "availability_frac": up / epochs,
        "joint_availability_frac": joint / epochs,
        "longest_gap_s": longest * step_s,
        "mean_gap_s": np.where(gaps > 0, total / np.maximum(gaps, 1), 0.0) * step_s,
        "time_average_gap_s": squares / epochs * step_s,
        "visible_mean": seen / epochs,
        "visible_min": fewest,
    }


def cell_fixes(
    units: np.ndarray,
    positions_km: np.ndarray,
    min_elevation_rad: float,
    signals: Sequence[Signal],
    multipath_m: float,
    *,
    step_elevation_rad: float = 0.0,
    serving: np.ndarray | None = None,
    radius_km: float = MOON_RADIUS_KM,
) -> dict[str, np.ndarray]:
    """Positioning figures (C,) of cells, keyed as in ``coverage.nc`` (``cell_views``' shapes).

    ``gdop_p50``, ``gdop_worst`` and ``accuracy_3d_p95_m`` are masked arrays: cells without any
    fix have no value.
    """
    count, epochs = positions_km.shape[:2]
    r = np.sqrt(np.einsum("ski,ski->sk", positions_km, positions_km))
    least = cosine_thresholds(r, min_elevation_rad, radius_km)
    if serving is not None:
        least = np.where(serving, least, NEVER)
    table = np.empty((epochs, count, 4))
    table[:, :, :3] = positions_km.transpose(1, 0, 2)
    table[:, :, 3] = (least * r).T
    sise2 = np.array([s.sise_m**2 + multipath_m**2 for s in signals], dtype=float)
    noise = np.array([s.noise_m2_km2 for s in signals], dtype=float).reshape(count, 2)
    reach2 = np.array([s.reach_km for s in signals], dtype=float).reshape(count, 2) ** 2
    cells = np.ascontiguousarray(units, dtype=float)
    out = np.zeros((len(cells), 4))

    def work(part: slice) -> None:
        sweep_fixes(
            cells[part], radius_km, table, sise2, noise, reach2, math.sin(step_elevation_rad),
            out[part],
        )  # fmt: skip

    _on_threads(work, len(cells))
    none = out[:, 0] == 0
    return {
        "positioning_availability_frac": out[:, 0] / epochs,
        "gdop_p50": np.ma.array(out[:, 1], mask=none),
        "gdop_worst": np.ma.array(out[:, 2], mask=none),
        "accuracy_3d_p95_m": np.ma.array(out[:, 3], mask=none),
        "solution_count": out[:, 0].astype(np.int64),
    }


def map_user(nodes: Iterable[Node]) -> str | None:
    """The operator that a map is drawn for: that of most assets (alphabetical first if equal)."""
    owners = Counter(n.operator for n in nodes if n.kind == "asset" and n.operator is not None)
    return min(owners, key=lambda o: (-owners[o], o)) if owners else None


def _has(node: Node, role: str) -> bool:
    return any(t.role == role and t.transmit is not None for t in node.terminals)


def map_coverage(
    scenario: Scenario,
    tracks: Tracks,
    nodes: Iterable[Node],
    relay_live: Mapping[str, Intervals],
    world: World,
    *,
    signals: Mapping[str, Signal] | None = None,
    multipath_m: float = 0.0,
    step_elevation_rad: float = NAVIGATION_LOW_ELEVATION_DEG * DEG,
    operator: str | None = None,
) -> xarray.Dataset | None:
    """Coverage of the scenario's regions: the dataset of ``coverage.nc``; None without regions.

    ``relay_live``: for each relay, when (s) a live path to Earth starts there. ``world`` gives the
    Moon's attitude. ``signals``: navigation sources (``positioning.map_signals``). ``operator``:
    the map's user for the sharing policy (default: the operator of most assets).

    Positioning is taken at every n-th epoch, n the least that keeps a region under ten million
    cell-epochs: see the attribute ``positioning_step_s``.
    """
    import xarray

    regions = tuple(scenario.regions)
    if not regions:
        return None
    nodes = tuple(nodes)
    operator = operator if operator is not None else map_user(nodes)
    signals = dict(signals or {})
    policy = scenario.policy
    craft = [
        n
        for n in nodes
        if n.kind == "spacecraft"
        and (_has(n, "relay") or n.name in signals)
        and (policy is None or policy.permits(n.operator, operator))
    ]
    t_s = np.asarray(tracks.t_s, dtype=float)[:-1]  # each epoch stands for the step after it
    step_s = tracks.step_s
    shape = (len(craft), t_s.size)
    turn = world.moon_axes[:-1]
    positions = np.empty((*shape, 3))
    serving, live = np.zeros(shape, bool), np.zeros(shape, bool)
    for i, node in enumerate(craft):
        positions[i] = np.einsum("kij,kj->ki", turn, tracks.states[node.name][:-1, :3])
        serving[i] = node.service.contains(t_s)
        live[i] = relay_live.get(node.name, Intervals()).contains(t_s)
    relay = np.array([_has(n, "relay") for n in craft], dtype=bool)
    navigators = [i for i, n in enumerate(craft) if n.name in signals]
    columns: dict[str, list[Any]] = {name: [] for name in DEFINITIONS}
    places: dict[str, list[Any]] = {
        k: [] for k in ("latitude", "longitude", "region", "nside", "index")
    }
    about: dict[str, list[Any]] = {"cells": [], "mask": [], "fix_step": []}
    for region in regions:
        cells = region_cells(region)
        mask = region.min_elevation_deg * DEG
        views = cell_views(
            cells.units, positions, mask, step_s, relay=relay, live=live, serving=serving
        )
        stride = max(1, math.ceil(len(cells) * t_s.size / FIX_BUDGET))
        fixes = cell_fixes(
            cells.units, positions[navigators, ::stride], mask,
            [signals[craft[i].name] for i in navigators], multipath_m,
            step_elevation_rad=step_elevation_rad, serving=serving[navigators, ::stride],
        )  # fmt: skip
        for name in DEFINITIONS:
            columns[name].append(views[name] if name in views else fixes[name])
        places["latitude"].append(cells.latitude_deg)
        places["longitude"].append(cells.longitude_deg)
        places["region"].append(np.full(len(cells), region.name))
        places["nside"].append(np.full(len(cells), cells.nside))
        places["index"].append(cells.index)
        about["cells"].append(f"{region.name}: {len(cells)}")
        about["mask"].append(f"{region.name}: {region.min_elevation_deg:g}")
        about["fix_step"].append(f"{region.name}: {stride * step_s:g}")
    return _dataset(xarray, columns, places, about, scenario, step_s, operator, craft)


def _dataset(xarray, columns, places, about, scenario, step_s, operator, craft):
    data = {}
    for name, parts in columns.items():
        unit, definition = DEFINITIONS[name]
        attributes = {"units": unit, "definition": definition}
        if name in EMPTY_WITHOUT_FIX:
            # in memory xarray knows missing values as NaN only; in the file they are _FillValue
            values = np.ma.concatenate(parts).filled(np.nan)
            attributes["missing"] = "cells with solution_count 0: no epoch has a fix"
        else:
            values = np.concatenate(parts)
        data[name] = ("cell", values, attributes)
    where = {k: np.concatenate(v) for k, v in places.items()}
    out = xarray.Dataset(
        data,
        coords={
            "latitude_deg": (
                "cell", where["latitude"],
                {"units": "degrees_north", "definition": "latitude of the centre, MOON_ME"}),
            "longitude_deg": (
                "cell", where["longitude"],
                {"units": "degrees_east", "definition": "longitude of the centre, MOON_ME"}),
            "region": ("cell", where["region"], {"definition": "region the cell belongs to"}),
            "healpix_nside": ("cell", where["nside"], {"definition": "HEALPix nside"}),
            "healpix_index": ("cell", where["index"], {"definition": "HEALPix index, ring order"}),
        },
        attrs={
            "title": f"Coverage of {scenario.name}",
            "epoch_utc": str(scenario.start.utc_text(0.0)),
            "duration_s": float(scenario.duration_s),
            "step_s": float(step_s),
            "surface": "sphere of 1737.4 km, no terrain",
            "operator": operator or "any",
            "spacecraft": ", ".join(n.name for n in craft),
            "cell_count": "; ".join(about["cells"]),
            "min_elevation_deg": "; ".join(about["mask"]),
            "positioning_step_s": "; ".join(about["fix_step"]),
        },
    )  # fmt: skip
    for name in EMPTY_WITHOUT_FIX:
        out[name].encoding["_FillValue"] = MISSING
    return out
