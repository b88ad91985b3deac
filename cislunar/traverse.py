"""A traverse scored along its path, by leg and instant: sources in view, DOP, accuracy, links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.needs import served_until_s
from cislunar.positioning.accumulate import ranging_of
from cislunar.positioning.fixes import fix_variances, gates
from cislunar.positioning.scores import corrections
from cislunar.ranging import chinese, is_receiver, sise_m
from orbits.constants import DEG, MOON_RADIUS_KM
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from cislunar.nodes import Node
    from cislunar.results import Results

SERVICES = ("relay", "direct", "forward", "positioning")
LEG_COLUMNS = (
    "asset", "leg", "start_s", "end_s", "start_utc", "end_utc", "length_km", "visible_min",
    "visible_mean", "fix_frac", "gdop_p50", "pdop_p50", "pdop_p95", "accuracy_3d_p50_m",
    "accuracy_3d_p95_m", *(f"{s}_availability_frac" for s in SERVICES),
    *(f"{s}_longest_gap_s" for s in SERVICES),
)  # fmt: skip


def _moving(results: Results, asset: str) -> Node:
    node = next((n for n in results.nodes if n.name == asset), None)
    if node is None or node.path is None:
        moving = ", ".join(n.name for n in results.nodes if n.path is not None)
        raise InputError(f"{asset!r} is not an asset that moves", key="asset", value=asset,
                         allowed=moving or "none: give an asset a path")  # fmt: skip
    return node


def _served(results: Results, asset: str) -> dict[str, Intervals]:
    """Served spans by service: what the table of gaps leaves of the span."""
    gaps: Any = results.gaps
    scores: Any = results.comm_scores
    scored = set(scores.loc[scores["asset"] == asset, "service"])
    if asset in set(results.positioning_scores["asset"]):
        scored.add("positioning")
    out = {}
    for service in SERVICES:
        if service in scored:
            rows = gaps[(gaps["place"] == asset) & (gaps["service"] == service)]
            edges = rows[["start_s", "end_s"]].to_numpy(dtype=float).tolist()
            unserved = Intervals.from_pairs([(a, b) for a, b in edges])
            out[service] = unserved.complement(0.0, results.tracks.span_s)
    return out


def _fixes(results: Results, user: Node) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sources in view (T,), DOP (5, T: G P H V T) and error variances (7, T) along the path."""
    from cislunar import catalog

    tracks, policy = results.tracks, results.scenario.policy
    uere = catalog.find("uere")
    ranging = ranging_of(results, user)
    sources = [n for n in results.nodes if (n.name, user.name) in ranging]
    links = [ranging[n.name, user.name] for n in sources]
    references = [n for n in results.nodes if n.correction_radius_km and is_receiver(n)]
    fixed: dict[str, Any] = {
        "multipath_m": float(uere["multipath_m"]["surface"]),
        "corrected": corrections(user, sources, references, tracks, ranging, policy, uere),
        "residual_m": float(uere["differential_residual_m"]["value"]),
    }
    t_s = np.ascontiguousarray(tracks.t_s, dtype=float)
    sise = [sise_m(n, uere, chinese(policy)) for n in sources]
    states = np.array([tracks.states[n.name] for n in sources]).reshape(-1, t_s.size, 6)
    dop, spread = fix_variances(
        t_s, tracks.states[user.name], states, links, sise, **fixed,
        step_elevation_rad=NAVIGATION_LOW_ELEVATION_DEG * DEG,
    )  # fmt: skip
    seen = gates(t_s, links, sise, **fixed)[0].sum(axis=0).astype(int)
    return seen, dop, spread


def traverse_samples(results: Results, asset: str) -> pd.DataFrame:
    """What a moving asset has at every grid instant of its path, a row an instant.

    ``t_s`` past the epoch, ``utc``, place (deg, m), ``leg`` (0 before the first waypoint and after
    the last), ``visible`` sources, DOP and the RMS errors of a fix in m (empty without one), and
    for each service that is scored whether it is served. Raises InputError for an asset without a
    path.
    """
    import pandas as pd

    user = _moving(results, asset)
    assert user.path is not None
    t_s = results.tracks.t_s
    seen, dop, spread = _fixes(results, user)
    place = user.path.at(t_s)[:, :3]
    radius = np.linalg.norm(place, axis=1)
    inside = (t_s >= user.path.t_s[0]) & (t_s <= user.path.t_s[-1])
    leg = np.searchsorted(user.path.t_s, t_s, side="right").clip(1, user.path.t_s.size - 1)
    solved = spread[0] > 0.0
    error_m = np.sqrt(spread[4:7].sum(axis=0))
    across_m = np.sqrt(spread[2:4].sum(axis=0))
    columns: dict[str, Any] = {
        "t_s": t_s,
        "utc": results.scenario.start.utc_text(t_s),
        "leg": np.where(inside, leg, 0),
        "latitude_deg": np.arcsin(place[:, 2] / radius) / DEG,
        "longitude_deg": np.arctan2(place[:, 1], place[:, 0]) / DEG,
        "height_m": (radius - MOON_RADIUS_KM) * 1e3,
        "visible": seen,
    }
    figures = dict(zip(("gdop", "pdop", "hdop", "vdop", "tdop"), dop, strict=True))
    figures |= {"accuracy_3d_m": error_m, "accuracy_horizontal_m": across_m}
    for name, values in figures.items():
        there = pd.array(values, "Float64")
        there[~solved] = pd.NA
        columns[name] = there
    for service, spans in _served(results, asset).items():
        columns[service] = spans.contains(t_s)
    return pd.DataFrame(columns)


def _percentile(values: np.ndarray, percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values.size else None


def score_traverse(results: Results, asset: str) -> pd.DataFrame:
    """Scores of a moving asset by leg of its path, a row a leg, the columns of ``traverse.csv``.

    ``fix_frac``: share of the grid instants of the leg with a fix; DOP and accuracy (3D RMS, m)
    over them. Availability and longest gap of each service are exact and judged on the leg alone.
    Raises InputError for an asset without a path.
    """
    user = _moving(results, asset)
    assert user.path is not None
    samples: Any = traverse_samples(results, asset)
    served = _served(results, asset)
    rows = []
    stops = user.path.t_s
    text = results.scenario.start.utc_text
    for k, (begin, end) in enumerate(zip(stops[:-1].tolist(), stops[1:].tolist(), strict=True)):
        t = samples["t_s"].to_numpy()
        mine = samples[(t >= begin) & (t <= end)]
        fixes = mine[mine["gdop"].notna()]
        row: dict[str, Any] = {
            "asset": asset, "leg": k + 1, "start_s": begin, "end_s": end,
            "start_utc": text(begin), "end_utc": text(end),
            "length_km": float(user.path.lengths_km[k]),
            "visible_min": int(mine["visible"].min()) if len(mine) else None,
            "visible_mean": float(mine["visible"].mean()) if len(mine) else None,
            "fix_frac": len(fixes) / len(mine) if len(mine) else None,
        }  # fmt: skip
        for column, percents in (("gdop", (50,)), ("pdop", (50, 95)), ("accuracy_3d_m", (50, 95))):
            values = fixes[column].to_numpy(dtype=float)
            stem, unit = (column[:-2], "_m") if column.endswith("_m") else (column, "")
            for percent in percents:
                row[f"{stem}_p{percent}{unit}"] = _percentile(values, percent)
        for service, spans in served.items():
            done = served_until_s(spans, [begin, end])
            row[f"{service}_availability_frac"] = float(done[1] - done[0]) / (end - begin)
            row[f"{service}_longest_gap_s"] = spans.complement(begin, end).longest_s
        rows.append(row)
    return _frame(rows)


def _frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    kinds = {name: "Float64" for name in LEG_COLUMNS}
    kinds |= {name: "object" for name in ("asset", "start_utc", "end_utc")}
    kinds |= {"leg": "Int64", "visible_min": "Int64"}
    frame: Any = pd.DataFrame(list(rows), columns=list(LEG_COLUMNS))
    return frame.astype(kinds)


def score_traverses(results: Results) -> pd.DataFrame:
    """The legs of every asset that moves, the table of ``traverse.csv``."""
    import pandas as pd

    frames = [score_traverse(results, n.name) for n in results.nodes if n.path is not None]
    return pd.concat(frames, ignore_index=True) if frames else _frame([])
