"""Positioning of lunar assets: sources in view, geometry, accuracy from an error budget, verdicts.

A fix is the position and clock of a user from simultaneous one-way ranges: four sources and a
geometry that determines it (``dop``). Each range has the 1-sigma error

    UERE = sqrt(signal-in-space error^2 + receiver noise^2 + multipath^2)

with the signal-in-space error of the source's system, the code-tracking noise at the link's C/N0,
and the multipath of a surface user, all from the catalogue's ``uere`` record. Ranges are weighted
by 1 / UERE^2, so the position error is the root of the trace of the weighted covariance; where
all UERE are equal that is DOP x UERE. Sources are taken where they are at the instant of the fix
(the second of light time moves a line of sight by less than 0.1 mrad).

A reference station lends its differential corrections to the users within its radius: for every
source that both have in view, the signal-in-space error is replaced by the differential residual.
How the corrections travel is not modelled.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.needs import Verdict, judge, rms_limit_m, worst_window_frac
from cislunar.positioning.containment import THREE_SIGMA_FRAC, containment_radius
from cislunar.positioning.fixes import Fixes, find_fixes, fix_variances
from cislunar.positioning.tolerance import COLUMNS as TOLERANCE_COLUMNS
from cislunar.positioning.tolerance import Loss, loss_tolerance
from cislunar.positioning.tolerance import rows as loss_rows
from cislunar.ranging import (
    Ranging,
    Signal,
    chinese,
    find_ranging,
    is_corrected,
    is_receiver,
    is_source,
    map_signals,
    receiver_noise_m,
    separation_km,
    sigma_uere_m,
    sise_class,
    sise_m,
)
from orbits.constants import DEG
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

COLUMNS = (
    "asset", "visible_min", "visible_mean", "availability_frac", "gdop_p50", "gdop_p95",
    "gdop_worst", "pdop_p50", "pdop_p95", "hdop_p50", "hdop_p95", "vdop_p50", "vdop_p95",
    "accuracy_3d_p95_m", "need_availability_frac", "need_accuracy_m", "verdict",
    "tdop_p50", "tdop_p95", "worst_24h_frac", "accuracy_horizontal_p95_m",
    "accuracy_vertical_p95_m", "accuracy_time_p95_m",
)  # fmt: skip
TEXT = ("asset", "verdict", "component", "sources_lost")
COMPONENTS = ("horizontal", "vertical", "3d", "time")
ACCURACY_COLUMNS = (
    "asset", "component", "rms_p50_m", "rms_p95_m", "r95_p50_m", "r95_p95_m", "r3sigma_p50_m",
    "r3sigma_p95_m",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class PositioningResult:
    """Positioning scores and the spans behind them (s past the tracks' epoch), by asset.

    ``frame``: one row an asset, the columns of ``positioning_scores.csv``. ``served``: a fix that
    meets the asset's need (any fix without one); ``solution``: any fix; ``enough``: four sources
    in view; ``few_sources``: the rest of the span. ``ranging[(source, asset)]``: the visibility of
    each source. ``served`` and the others list the assets that have a receiver or a need.

    ``accuracy``: the columns of ``positioning_accuracy.csv``, a row for each asset with a receiver
    or need and each of horizontal, vertical, 3d and time (as a distance). RMS, the radius that
    holds 95 % of the error and the one that holds 99.73 % (3-sigma), each at the median and the
    95th percentile over the epochs with a fix. ``tolerance``: the columns of
    ``positioning_tolerance.csv``; see ``tolerance``.
    """

    frame: pd.DataFrame
    served: dict[str, Intervals]
    solution: dict[str, Intervals]
    enough: dict[str, Intervals]
    few_sources: dict[str, Intervals]
    verdicts: dict[str, Verdict]
    ranging: dict[tuple[str, str], Ranging] = field(repr=False, default_factory=dict)
    accuracy: pd.DataFrame | None = None
    tolerance: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False)


def positioning_need(node: Node) -> Any:
    """The positioning need of an asset, the one of finest accuracy if several; None if none."""
    needs = [n for n in node.needs if n.service == "positioning"]
    if not needs:
        return None
    return min(needs, key=lambda n: (rms_limit_m(n) or math.inf, -(n.availability_frac or 0.0)))


def _percentile(values: np.ndarray, percent: float):
    return float(np.percentile(values, percent)) if values.size else None


@dataclass(frozen=True)
class _Found:
    """The fixes of one user; for full tables also variances (7, T), accuracy, what losses leave."""

    fixes: Fixes
    spread: np.ndarray | None = None
    accuracy: tuple[dict[str, Any], ...] = ()
    losses: tuple[Loss, ...] = ()


def _row(node: Node, need: Any, found: _Found, verdict: Verdict, span_s: float) -> dict[str, Any]:
    fixes = found.fixes
    assert found.spread is not None
    g, p, h, v, t = fixes.dop[fixes.solved].T
    spread = found.spread[:, found.spread[0] > 0.0]
    return {
        "asset": node.name,
        "visible_min": fixes.visible_min,
        "visible_mean": fixes.visible_mean,
        "availability_frac": min(fixes.served.total_s / span_s, 1.0),
        "gdop_p50": _percentile(g, 50),
        "gdop_p95": _percentile(g, 95),
        "gdop_worst": _percentile(g, 100),
        "pdop_p50": _percentile(p, 50),
        "pdop_p95": _percentile(p, 95),
        "hdop_p50": _percentile(h, 50),
        "hdop_p95": _percentile(h, 95),
        "vdop_p50": _percentile(v, 50),
        "vdop_p95": _percentile(v, 95),
        "accuracy_3d_p95_m": _percentile(fixes.error_m[fixes.solved, 0], 95),
        "need_availability_frac": None if need is None else need.availability_frac,
        "need_accuracy_m": None if need is None else need.accuracy_m,
        "verdict": verdict.verdict,
        "tdop_p50": _percentile(t, 50),
        "tdop_p95": _percentile(t, 95),
        "worst_24h_frac": worst_window_frac(fixes.served, span_s),
        "accuracy_horizontal_p95_m": _percentile(fixes.error_m[fixes.solved, 1], 95),
        "accuracy_vertical_p95_m": _percentile(np.sqrt(spread[0]), 95),
        "accuracy_time_p95_m": _percentile(np.sqrt(spread[1]), 95),
    }


def _accuracy_rows(spread: np.ndarray) -> tuple[dict[str, Any], ...]:
    """The rows of ``positioning_accuracy.csv`` but for the asset, from variances (7, T)."""
    up, clock, *axes = np.sqrt(spread[:, spread[0] > 0.0])
    parts = ([axes[0], axes[1]], [up], axes[2:], [clock])
    out = []
    for name, sigmas in zip(COMPONENTS, parts, strict=True):
        sigma = np.stack(sigmas, axis=-1)
        errors = {
            "rms": np.sqrt((sigma**2).sum(axis=-1)),
            "r95": containment_radius(sigma, 0.95),
            "r3sigma": containment_radius(sigma, THREE_SIGMA_FRAC),
        }
        row: dict[str, Any] = {"component": name}
        for key, values in errors.items():
            row[f"{key}_p50_m"] = _percentile(values, 50)
            row[f"{key}_p95_m"] = _percentile(values, 95)
        out.append(row)
    return tuple(out)


def _frame(rows: list[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    kinds = {name: "Float64" for name in columns}  # nullable: an absent value is empty, not NaN
    kinds |= {name: "str" for name in TEXT if name in columns}
    kinds |= {name: "Int64" for name in ("visible_min", "lost_count") if name in columns}
    return frame.astype(kinds)


def corrections(
    user: Node, sources: Sequence[Node], references: Sequence[Node], tracks: Tracks,
    ranging: Mapping[tuple[str, str], Ranging], policy: Any, uere: Mapping[str, Any],
) -> list[Intervals]:  # fmt: skip
    """For each source that gains by it, when a reference station within its radius of the user
    also sees it."""
    near = [
        ref
        for ref in references
        if ref.name != user.name
        and (policy is None or policy.permits(ref.operator, user.operator))
        and separation_km(tracks, ref.name, user.name) <= (ref.correction_radius_km or 0.0)
    ]
    return [
        Intervals.union_of(
            ranging[source.name, ref.name].visible & ref.service
            for ref in near
            if (source.name, ref.name) in ranging
        )
        if near and is_corrected(source, uere, chinese(policy))
        else Intervals()
        for source in sources
    ]


def score_positioning(
    tracks: Tracks,
    nodes: Iterable[Node],
    ranging: Mapping[tuple[str, str], Ranging],
    uere: Mapping[str, Any],
    *,
    policy: Any = None,
    step_elevation_rad: float = NAVIGATION_LOW_ELEVATION_DEG * DEG,
    workers: int | None = None,
    served_only: bool = False,
) -> PositioningResult:
    """Positioning scores of every asset, from what ranges to what (``find_ranging``).

    ``uere`` is the catalogue's error-budget record. Availability is the share of the span with a
    fix that meets the need (accuracy in its own measure, PDOP, GDOP), or with any fix where the
    asset has no positioning need. DOP and accuracy are over the grid instants with a fix.
    ``served_only`` leaves the table empty and skips assets without a need, for reruns.
    """
    nodes = tuple(nodes)
    multipath_m = float(uere["multipath_m"]["surface"])
    residual_m = float(uere["differential_residual_m"]["value"])
    assets = [n for n in nodes if n.kind == "asset"]
    users = [n for n in assets if not served_only or positioning_need(n) is not None]
    pairs = {source for source, _ in ranging}
    sources = [n for n in nodes if n.name in pairs]
    sise = {n.name: sise_m(n, uere, chinese(policy)) for n in sources}
    references = [n for n in assets if n.correction_radius_km is not None and is_receiver(n)]
    t_s = np.ascontiguousarray(tracks.t_s, dtype=float)
    span_s = float(t_s[-1])
    states = np.array([tracks.states[n.name] for n in sources]).reshape(-1, t_s.size, 6)

    unseen = Ranging(Intervals(), (0.0, 0.0))  # keeps every user on the one table of states
    lending = {n.name for n in references}

    def twin(asset: Node):
        """What decides an asset's fixes: users of one place and need have them in common."""
        if asset.name in lending or is_source(asset) or getattr(asset, "path", None) is not None:
            return asset.name  # its own reference or beacon, or on its own way: like no other
        seen = [ranging.get((n.name, asset.name), unseen) for n in sources]
        edges = [e for r in seen for e in (r.visible.start_s.tobytes(), r.visible.end_s.tobytes())]
        place = tracks.states[asset.name][0].tobytes()
        noise = tuple(r.noise_m2_km2 for r in seen)
        return place, asset.operator, repr(positioning_need(asset)), tuple(edges), noise

    def one(asset: Node) -> _Found:
        need = positioning_need(asset)
        corrected = corrections(asset, sources, references, tracks, ranging, policy, uere)
        limits = (math.inf, math.inf, math.inf)
        if need is not None:
            given = (rms_limit_m(need), need.max_pdop, getattr(need, "max_gdop", None))
            limits = tuple(math.inf if v is None else float(v) for v in given)
        user = np.ascontiguousarray(tracks.states[asset.name], dtype=float)
        fixing: dict[str, Any] = {
            "ranging": [ranging.get((n.name, asset.name), unseen) for n in sources],
            "sise_m": [sise[n.name] for n in sources],
            "multipath_m": multipath_m,
            "corrected": corrected,
            "residual_m": residual_m,
            "step_elevation_rad": step_elevation_rad,
        }
        judging = {
            "limits": limits,
            "horizontal": need is not None and need.axes == "horizontal",
        }
        fixes = find_fixes(t_s, user, states, **fixing, **judging)
        if served_only:
            return _Found(fixes)
        _, spread = fix_variances(t_s, user, states, **fixing)
        names = [n.name for n in sources]
        losses = loss_tolerance(t_s, user, states, names, fixing | judging, fixes.served)
        return _Found(fixes, spread, _accuracy_rows(spread), losses)

    rows, accuracy, tolerance, verdicts = [], [], [], {}
    served, solution, enough = {}, {}, {}
    twins = [twin(n) for n in users]
    firsts = {mark: node for mark, node in zip(reversed(twins), reversed(users), strict=True)}
    # the kernels release the interpreter's lock; `map` keeps the order
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 8)) as pool:
        found = dict(zip(firsts, pool.map(one, firsts.values()), strict=True))
        for asset, mark in zip(users, twins, strict=True):
            fixes = found[mark].fixes
            need = positioning_need(asset)
            verdict = judge(need, fixes.served, tracks.epoch, span_s)
            if not served_only:
                rows.append(_row(asset, need, found[mark], verdict, span_s))
            if need is None and not is_receiver(asset):
                continue
            if not served_only:
                tolerance += loss_rows(asset.name, found[mark].losses, need, tracks.epoch, span_s)
                accuracy += [{"asset": asset.name, **row} for row in found[mark].accuracy]
            served[asset.name], solution[asset.name] = fixes.served, fixes.solution
            enough[asset.name], verdicts[asset.name] = fixes.enough, verdict
    few_sources = {name: spans.complement(0.0, span_s) for name, spans in enough.items()}
    return PositioningResult(
        _frame(rows), served, solution, enough, few_sources, verdicts, dict(ranging),
        _frame(accuracy, ACCURACY_COLUMNS), _frame(tolerance, TOLERANCE_COLUMNS),
    )  # fmt: skip


__all__ = [
    "COLUMNS", "Fixes", "PositioningResult", "Ranging", "Signal", "find_fixes", "find_ranging",
    "is_receiver", "is_source", "map_signals", "positioning_need", "receiver_noise_m",
    "score_positioning", "sigma_uere_m", "sise_class", "sise_m",
]  # fmt: skip
