"""Maps: figures of merit over regions of the lunar surface, on equal-area HEALPix cells.

The sites of a map are smooth-sphere sites (radius 1737.4 km, no terrain), or points at a height
above it, with the region's elevation mask. A spacecraft covers a cell while it serves, its
operator shares with the map's user, and it stands above the mask; whether a link closes is left to
the assets' own scores. Every figure is taken at the grid instants, each standing for one step:
gaps are multiples of it. All cells of a region have the same area, so a plain mean over them is an
area mean; ``figures_of_merit`` has the definitions and the statistics over an area.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.coverage import cell_dop, grid
from cislunar.coverage.cells import Cells, region_cells, region_mask, unit_vectors
from cislunar.coverage.figures_of_merit import (
    DEFINITIONS,
    EMPTY_WITHOUT_FIX,
    EMPTY_WITHOUT_REVISIT,
    NEEDED_ASSETS,
    check_edge_gaps,
    gap_statistics,
)
from cislunar.coverage.grid import NEVER, cosine_thresholds
from cislunar.ranging import Signal
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import xarray

    from cislunar.nodes import Node
    from cislunar.scenario import Scenario
    from cislunar.tracks import Tracks, World

FIX_BUDGET = 10_000_000  # cell-epochs of positioning a map may cost; epochs are thinned to hold it
MOST_THREADS: ContextVar[int] = ContextVar("MOST_THREADS", default=8)  # that one map may use
MISSING = -1.0  # written to the file where a figure has no value

__all__ = [
    "DEFINITIONS", "MOST_THREADS", "Cells", "Signal", "cell_dops", "cell_fixes", "cell_views",
    "map_coverage", "map_user",
    "region_cells", "region_mask", "unit_vectors",
]  # fmt: skip


def _on_threads(work: Callable[[slice], None], count: int) -> None:
    """Runs ``work`` on slices of ``count`` cells, each slice but the last a multiple of four."""
    parts = max(1, min(os.cpu_count() or 1, MOST_THREADS.get(), count // 4))
    if parts == 1:
        return work(slice(0, count))
    edges = (np.linspace(0, count // 4, parts + 1).astype(int) * 4).tolist()
    edges[-1] = count
    slices = [slice(edges[i], edges[i + 1]) for i in range(parts)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, slices))


def _words(flags: np.ndarray) -> np.ndarray:
    """Bits of the spacecraft (first axis of ``flags``) packed into words of 52 (last axis)."""
    count = flags.shape[0]
    out = np.zeros((*flags.shape[1:], max(1, -(-count // grid.WORD))), np.int64)
    for s in range(count):
        out[..., s // grid.WORD] |= flags[s].astype(np.int64) << (s % grid.WORD)
    return out


def _thresholds(positions_km, min_elevation_rad, serving, radius_km, height_km):
    """Distances and least cosines (S, K); NEVER where a spacecraft does not serve."""
    r = np.sqrt(np.einsum("ski,ski->sk", positions_km, positions_km))
    if height_km < 0.0:
        raise InputError("cells below the surface", key="height_km", value=height_km,
                         allowed="0 km or more")  # fmt: skip
    try:
        least = cosine_thresholds(
            r, min_elevation_rad, radius_km + height_km, radius_km if height_km > 0.0 else None
        )
    except ValueError as error:
        raise InputError(
            str(error), key="min_elevation_deg", value=min_elevation_rad / DEG,
            allowed="0 deg or more, -90 deg, or cells below all spacecraft",
        ) from error  # fmt: skip
    return r, least if serving is None else np.where(serving, least, NEVER)


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
    height_km: float = 0.0,
    least_assets: int = 1,
    edge_gaps: str = "bound",
) -> dict[str, np.ndarray]:
    """Visibility figures (C,) of cells at ``units`` (C, 3), keyed as in ``coverage.nc``.

    ``positions_km`` (S, K, 3) in the cells' axes at K epochs ``step_s`` apart; ``relay`` (S,) who
    is a relay (all); ``live`` (S, K) which have a live path to Earth (always); ``serving`` (S, K)
    which are in service (always). ``height_km``: the cells' height above the surface, which then
    hides what its limb hides (a mask of -90 deg leaves nothing but that). ``least_assets``: how
    many relays make coverage. ``edge_gaps``: see ``figures_of_merit``. The revisit times are
    masked where coverage never returns. Raises InputError for what cannot be meant.
    """
    check_edge_gaps(edge_gaps)
    if least_assets < 1:
        raise InputError("no asset required", key="least_assets", value=least_assets,
                         allowed="1 or more")  # fmt: skip
    count, epochs = positions_km.shape[:2]
    if not epochs or not len(units):
        raise InputError("nothing to cover", key="cells x epochs", value=f"{len(units)} x {epochs}",
                         allowed="at least one cell and one epoch")  # fmt: skip
    r, least = _thresholds(positions_km, min_elevation_rad, serving, radius_km, height_km)
    x, y, z = (np.ascontiguousarray(positions_km[:, :, i] / r) for i in range(3))
    is_relay = _words(np.ones(count, bool) if relay is None else np.asarray(relay, bool))
    path = _words(np.ones((count, epochs), bool) if live is None else np.asarray(live, bool))
    changes = np.zeros(epochs, bool)
    changes[0] = True
    changes[1:] = (path[1:] != path[:-1]).any(axis=1)
    full = np.zeros((-(-len(units) // 4) * 4, 3))  # the kernel takes cells four at a time
    full[: len(units)] = units
    sums = np.zeros((len(full), grid.FIGURES))
    tally = np.zeros((len(full), grid.MOST_ASSETS + 1), np.int64)
    low_high = np.zeros((len(full), 2), np.int64)

    def work(part: slice) -> None:
        grid.sweep(
            full[part], x, y, z, least, is_relay, path, changes, least_assets, sums[part],
            tally[part], low_high[part],
        )  # fmt: skip

    _on_threads(work, len(full))
    sums, tally, low_high = (a[: len(units)] for a in (sums, tally, low_high))

    def gaps(block: int):
        at = sums[:, block : block + 6].T
        return gap_statistics(tuple(at[:4]), at[grid.FIRST], at[grid.LAST], epochs, edge_gaps)

    own, joint = gaps(grid.GAPS), gaps(grid.JOINT_GAPS)
    between = sums[:, grid.GAPS : grid.GAPS + 4]
    none = between[:, grid.NUMBER] == 0
    up = sums[:, grid.UP]
    return {
        "availability_frac": up / epochs,
        "joint_availability_frac": sums[:, grid.JOINT] / epochs,
        "longest_gap_s": own["longest"] * step_s,
        "mean_gap_s": own["mean"] * step_s,
        "time_average_gap_s": own["time_average"] * step_s,
        "visible_mean": sums[:, grid.SEEN] / epochs,
        "visible_min": low_high[:, 0],
        "visible_max": low_high[:, 1],
        "covered": (up > 0).astype(np.int64),
        "coverage_time_s": up * step_s,
        "access_count": sums[:, grid.ACCESSES].astype(np.int64),
        "gap_count": own["count"].astype(np.int64),
        "revisit_time_mean_s": np.ma.array(
            between[:, grid.SUM] / np.maximum(between[:, grid.NUMBER], 1) * step_s, mask=none
        ),
        "revisit_time_max_s": np.ma.array(between[:, grid.LONGEST] * step_s, mask=none),
        "response_time_mean_s": 0.5 * own["time_average"] * step_s,
        "response_time_max_s": own["longest"] * step_s,
        "age_of_data_mean_s": 0.5 * own["time_average"] * step_s,
        "age_of_data_max_s": own["longest"] * step_s,
        "joint_longest_gap_s": joint["longest"] * step_s,
        "joint_mean_gap_s": joint["mean"] * step_s,
        "joint_time_average_gap_s": joint["time_average"] * step_s,
        "joint_gap_count": joint["count"].astype(np.int64),
        **{f"visible_at_least_{n}_frac": tally[:, n:].sum(axis=1) / epochs for n in NEEDED_ASSETS},
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
    height_km: float = 0.0,
    limits: tuple[float, float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Positioning figures (C,) of cells, keyed as in ``coverage.nc`` (``cell_views``' shapes).

    The DOP and accuracy figures are masked arrays: cells without any fix have no value.
    ``limits``: largest 3D RMS error in m, PDOP and GDOP of a fix that serves (``math.inf`` for
    none); with it the key ``positioning_served_frac`` is the share of the epochs with such a fix.
    """
    count, epochs = positions_km.shape[:2]
    site_km = radius_km + height_km
    r, _ = _thresholds(positions_km, min_elevation_rad, None, radius_km, height_km)
    if height_km > 0.0:
        if (r < site_km).any() and min_elevation_rad < 0.0:
            raise InputError(
                "a navigation source passes below cells that look below their horizontal",
                key="height_km", value=height_km, allowed="a mask of 0 deg or more",
            )  # fmt: skip
        min_elevation_rad = max(min_elevation_rad, -math.acos(radius_km / site_km))
    px, py, pz = (np.ascontiguousarray(positions_km[:, :, i], dtype=float) for i in range(3))
    gate = np.ones((count, epochs)) if serving is None else np.asarray(serving, dtype=float)
    signal2 = np.array([s.sise_m**2 + multipath_m**2 for s in signals], dtype=float)
    sise2 = np.repeat(signal2[:, None], epochs, axis=1)
    noise = np.array([s.noise_m2_km2 for s in signals], dtype=float).reshape(count, 2)
    reach2 = np.array([s.reach_km for s in signals], dtype=float).reshape(count, 2) ** 2
    cells = np.ascontiguousarray(units, dtype=float)
    bounds = np.array(limits if limits is not None else (math.inf,) * 3)
    out = np.zeros((len(cells), grid.FIX_FIGURES))

    def work(part: slice) -> None:
        grid.sweep_fixes(
            cells[part], site_km, px, py, pz, gate, sise2, noise, reach2,
            math.sin(min_elevation_rad), math.sin(step_elevation_rad), bounds, out[part],
        )  # fmt: skip

    _on_threads(work, len(cells))
    none = out[:, grid.FIXES] == 0
    columns = {
        "gdop_p50": grid.GDOP_P50, "gdop_worst": grid.GDOP_WORST, "pdop_p50": grid.PDOP_P50,
        "hdop_p50": grid.HDOP_P50, "vdop_p50": grid.VDOP_P50, "tdop_p50": grid.TDOP_P50,
        "accuracy_3d_p95_m": grid.ERROR_P95, "accuracy_horizontal_p95_m": grid.HORIZONTAL_P95,
        "accuracy_vertical_p95_m": grid.VERTICAL_P95, "accuracy_time_p95_m": grid.TIME_P95,
    }  # fmt: skip
    found = {
        "positioning_availability_frac": out[:, grid.FIXES] / epochs,
        **{name: np.ma.array(out[:, column], mask=none) for name, column in columns.items()},
        "solution_count": out[:, grid.FIXES].astype(np.int64),
    }
    if limits is not None:
        found["positioning_served_frac"] = out[:, grid.SERVED] / epochs
    return found


def cell_dops(
    units: np.ndarray,
    positions_km: np.ndarray,
    min_elevation_rad: float,
    signals: Sequence[Signal],
    figures: Collection[str],
    *,
    step_elevation_rad: float = 0.0,
    serving: np.ndarray | None = None,
    radius_km: float = MOON_RADIUS_KM,
    limits: tuple[float, float] = (math.inf, math.inf),
) -> dict[str, np.ndarray]:
    """Those of ``cell_fixes``' figures that need no error budget, for cells on the surface.

    ``figures``: keys of ``cell_dop.FIGURES``; ``limits``: largest PDOP and GDOP of a fix that
    serves. A fix is one with equal weights, which ``cell_fixes`` too asks for first.
    """
    count, epochs = positions_km.shape[:2]
    gate = np.ones((count, epochs)) if serving is None else np.asarray(serving, dtype=float)
    reach2 = np.array([s.reach_km for s in signals], dtype=float).reshape(count, 2) ** 2
    cells = np.ascontiguousarray(units, dtype=float)
    least_sine = math.sin(min_elevation_rad)
    tiles = cell_dop.packed(positions_km, gate)
    cones = cell_dop.cones(tiles, count, epochs, radius_km, reach2, least_sine)
    wanted = np.array([f"{d}dop_p50" in figures for d in "gphvt"])
    out = np.zeros((len(cells), 8))

    def work(part: slice) -> None:
        cell_dop.sweep_dop(
            cells[part], radius_km, tiles, cones, epochs, reach2, least_sine,
            math.sin(step_elevation_rad), np.array(limits), wanted, out[part],
        )  # fmt: skip

    _on_threads(work, len(cells))
    none = out[:, cell_dop.FIXES] == 0
    found: dict[str, np.ndarray] = {}
    for name in figures:
        values = out[:, cell_dop.FIGURES[name]]
        if name.endswith("_frac"):
            found[name] = values / epochs
        elif name == "solution_count":
            found[name] = values.astype(np.int64)
        else:
            found[name] = np.ma.array(values, mask=none)
    return found


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
    edge_gaps: str = "bound",
    least_assets: int = 1,
    limits: tuple[float, float, float] | None = None,
    only: Collection[str] | None = None,
    positioning_step_s: float | None = None,
) -> xarray.Dataset | None:
    """Coverage of the scenario's regions: the dataset of ``coverage.nc``; None without regions.

    ``relay_live``: for each relay, when (s) a live path to Earth starts there. ``world`` gives the
    Moon's attitude. ``signals``: navigation sources (``positioning.map_signals``). ``operator``:
    the map's user for the sharing policy (default: the operator of most assets). ``edge_gaps`` and
    ``least_assets``: see ``cell_views``. ``limits``: see ``cell_fixes``; with them the dataset has
    ``positioning_served_frac``. ``only``: the figures wanted, the rest is then neither computed
    nor in the dataset.

    Positioning is taken at every n-th epoch, n the least that keeps a region under ten million
    cell-epochs, or that of ``positioning_step_s``: see the attribute of that name.
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
    served = {} if limits is None else {"positioning_served_frac": _served_definition(limits)}
    definitions = DEFINITIONS | served
    if only is not None:
        definitions = {name: told for name, told in definitions.items() if name in only}
    columns: dict[str, list[Any]] = {name: [] for name in definitions}
    places: dict[str, list[Any]] = {
        k: [] for k in ("latitude", "longitude", "region", "nside", "index", "area", "height")
    }
    about: dict[str, list[Any]] = {"cells": [], "mask": [], "fix_step": []}
    for region in regions:
        cells = region_cells(region)
        mask = region.min_elevation_deg * DEG
        height_km = region.height_m / 1e3
        stride = max(1, math.ceil(len(cells) * t_s.size / FIX_BUDGET))
        if positioning_step_s is not None:
            stride = max(1, round(positioning_step_s / step_s))
        heard = [signals[craft[i].name] for i in navigators]
        of_fixes = {n for n in definitions if n in cell_dop.FIGURES or n.startswith("accuracy_")}
        views: dict[str, np.ndarray] = {}
        fixes: dict[str, np.ndarray] = {}
        if of_fixes != set(definitions):
            views = cell_views(
                cells.units, positions, mask, step_s, relay=relay, live=live, serving=serving,
                height_km=height_km, least_assets=least_assets, edge_gaps=edge_gaps,
            )  # fmt: skip
        plain = height_km == 0.0 and of_fixes <= set(cell_dop.FIGURES)
        if of_fixes and plain and (limits is None or limits[0] == math.inf):
            fixes = cell_dops(
                cells.units, positions[navigators, ::stride], mask, heard, of_fixes,
                step_elevation_rad=step_elevation_rad, serving=serving[navigators, ::stride],
                limits=(math.inf, math.inf) if limits is None else limits[1:],
            )  # fmt: skip
        elif of_fixes:
            fixes = cell_fixes(
                cells.units, positions[navigators, ::stride], mask, heard, multipath_m,
                step_elevation_rad=step_elevation_rad, serving=serving[navigators, ::stride],
                height_km=height_km, limits=limits,
            )  # fmt: skip
        for name in definitions:
            columns[name].append(views[name] if name in views else fixes[name])
        places["latitude"].append(cells.latitude_deg)
        places["longitude"].append(cells.longitude_deg)
        places["region"].append(np.full(len(cells), region.name))
        places["nside"].append(np.full(len(cells), cells.nside))
        places["index"].append(cells.index)
        places["area"].append(np.full(len(cells), cells.cell_area_km2))
        places["height"].append(np.full(len(cells), 1e3 * height_km))
        about["cells"].append(f"{region.name}: {len(cells)}")
        about["mask"].append(f"{region.name}: {region.min_elevation_deg:g}")
        about["fix_step"].append(f"{region.name}: {stride * step_s:g}")
    about["gaps"], about["least"] = [edge_gaps], [str(least_assets)]
    return _dataset(xarray, columns, definitions, places, about, scenario, step_s, operator, craft)


def _served_definition(limits: tuple[float, float, float]) -> tuple[str, str]:
    parts = zip(("3D RMS error {:g} m", "PDOP {:g}", "GDOP {:g}"), limits, strict=True)
    bounds = ", ".join(text.format(v) for text, v in parts if math.isfinite(v))
    return "1", f"share of the positioning epochs with a fix within {bounds or 'no limit'}"


def _dataset(xarray, columns, definitions, places, about, scenario, step_s, operator, craft):
    data = {}
    for name, parts in columns.items():
        unit, definition = definitions[name]
        attributes = {"units": unit, "definition": definition}
        if name in (*EMPTY_WITHOUT_FIX, *EMPTY_WITHOUT_REVISIT):
            # in memory xarray knows missing values as NaN only; in the file they are _FillValue
            values = np.ma.concatenate(parts).filled(np.nan)
            attributes["missing"] = (
                "cells with solution_count 0: no epoch has a fix"
                if name in EMPTY_WITHOUT_FIX
                else "cells where coverage is never lost, or never returns"
            )
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
            "area_km2": (
                "cell", where["area"],
                {"units": "km2", "definition": "area of the cell on the sphere of 1737.4 km"}),
            "height_m": (
                "cell", where["height"],
                {"units": "m", "definition": "height of the cell above the sphere"}),
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
            "edge_gaps": about["gaps"][0],
            "least_assets": about["least"][0],
            "definitions": "figures of merit as in STK, https://help.agi.com/stk/Content/cov/fom-01.htm",
        },
    )  # fmt: skip
    for name in {*EMPTY_WITHOUT_FIX, *EMPTY_WITHOUT_REVISIT} & set(definitions):
        out[name].encoding["_FillValue"] = MISSING
    return out
