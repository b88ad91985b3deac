"""Positioning of lunar assets: sources in view, geometry, accuracy from an error budget, verdicts.

A fix is the position and clock of a user from simultaneous one-way ranges: four sources and a
geometry that determines it (``cislunar.dop``). Each range has the 1-sigma error

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
from cislunar.dop import MIN_SOURCES, walk
from cislunar.needs import Verdict, judge, rms_limit_m
from cislunar.ranging import (
    Ranging,
    Signal,
    chinese,
    find_ranging,
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
)  # fmt: skip
EDGE_TOL_S = 0.01


@dataclass(frozen=True)
class Fixes:
    """What one asset gets: spans exact to 0.01 s, and figures at the grid instants.

    ``dop`` (T, 5: G P H V T) and ``error_m`` (T, 2: 3D and horizontal RMS) hold where ``solved``
    (T,); elsewhere they are 0.
    """

    visible_min: int
    visible_mean: float
    enough: Intervals
    solution: Intervals
    served: Intervals
    dop: np.ndarray
    error_m: np.ndarray
    solved: np.ndarray


@dataclass(frozen=True, eq=False)
class PositioningResult:
    """Positioning scores and the spans behind them (s past the tracks' epoch), by asset.

    ``frame``: one row an asset, the columns of ``positioning_scores.csv``. ``served``: a fix that
    meets the asset's need (any fix without one); ``solution``: any fix; ``enough``: four sources
    in view; ``few_sources``: the rest of the span. ``ranging[(source, asset)]``: the visibility of
    each source. ``served`` and the others list the assets that have a receiver or a need.
    """

    frame: pd.DataFrame
    served: dict[str, Intervals]
    solution: dict[str, Intervals]
    enough: dict[str, Intervals]
    few_sources: dict[str, Intervals]
    verdicts: dict[str, Verdict]
    ranging: dict[tuple[str, str], Ranging] = field(repr=False, default_factory=dict)


def positioning_need(node: Node) -> Any:
    """The positioning need of an asset, the one of finest accuracy if several; None if none."""
    needs = [n for n in node.needs if n.service == "positioning"]
    if not needs:
        return None
    return min(needs, key=lambda n: (rms_limit_m(n) or math.inf, -(n.availability_frac or 0.0)))


def _segments(
    visible: Sequence[Intervals],
    corrected: Sequence[Intervals],
    sise2: Sequence[float],
    residual2: float,
    span_s: float,
):
    """Edges (J + 1) of constant visibility and signal variances (J, S), negative out of view."""
    parts = [np.array([0.0, span_s])]
    for spans in (*visible, *corrected):
        parts += [spans.start_s, spans.end_s]
    edges = np.unique(np.clip(np.concatenate(parts), 0.0, span_s))
    table = np.full((edges.size - 1, len(visible)), -1.0)
    for s, spans in enumerate(visible):
        for spans_, value in ((spans, sise2[s]), (corrected[s] & spans, residual2)):
            first = np.searchsorted(edges, spans_.start_s)
            last = np.searchsorted(edges, spans_.end_s)
            for a, b in zip(first.tolist(), last.tolist(), strict=True):
                table[a:b, s] = value
    return edges, table


def find_fixes(
    t_s: np.ndarray,
    user: np.ndarray,
    sources: np.ndarray,
    ranging: Sequence[Ranging],
    sise_m: Sequence[float],
    *,
    multipath_m: float,
    corrected: Sequence[Intervals] | None = None,
    residual_m: float = 0.0,
    limits: tuple[float, float, float] = (math.inf, math.inf, math.inf),
    horizontal: bool = False,
    step_elevation_rad: float = 0.0,
) -> Fixes:
    """The fixes of one user over the uniform grid ``t_s`` (T,), s.

    ``user`` (T, 6) and ``sources`` (S, T, 6): states in km, km/s in one inertial frame centred on
    the Moon, the vertical being the user's own direction. ``corrected``: for each source, when a
    differential correction holds for it. ``limits``: largest RMS error in m (of the horizontal or
    3D error), PDOP and GDOP of a served fix.

    Sets in view change at the exact edges of visibility. A served span inside such a segment
    starts or ends where the error crosses the limit, bisected to 0.01 s between grid instants on
    the cubic interpolation of the states; an excursion across the limit and back between two
    neighbouring grid instants is not seen.
    """
    span_s = float(t_s[-1])
    count = len(ranging)
    mp2 = multipath_m**2
    edges, table = _segments(
        [r.visible for r in ranging],
        corrected if corrected is not None else [Intervals()] * count,
        [s**2 + mp2 for s in sise_m],
        residual_m**2 + mp2,
        span_s,
    )
    lengths = np.diff(edges)
    seen = (table >= 0.0).sum(axis=1) if count else np.zeros(lengths.size, int)
    rich = seen >= MIN_SOURCES
    enough = Intervals(edges[:-1][rich], edges[1:][rich])
    instants = t_s.size
    dop, error = np.zeros((instants, 5)), np.zeros((instants, 2))
    solved = np.zeros(instants, bool)
    spans = [Intervals(), Intervals()]
    if rich.any():
        noise = np.array([r.noise_m2_km2 for r in ranging], dtype=float).reshape(count, 2)
        room = 2 * lengths.size + 1024
        while True:
            found = np.zeros((2, room, 2))
            sizes = walk(
                t_s, user, sources, edges, table, noise, math.sin(step_elevation_rad),
                np.array(limits, dtype=float), horizontal, EDGE_TOL_S,
                dop, error, solved, found[0], found[1],
            )  # fmt: skip
            if sizes[0] >= 0:
                break
            room *= 4
        spans = [Intervals(found[i, :n, 0], found[i, :n, 1]) for i, n in enumerate(sizes)]
    return Fixes(
        int(seen.min()), float((seen * lengths).sum() / span_s),
        enough, spans[0], spans[1], dop, error, solved,
    )  # fmt: skip


def _percentile(values: np.ndarray, percent: float):
    return float(np.percentile(values, percent)) if values.size else None


def _row(node: Node, need: Any, fixes: Fixes, verdict: Verdict, span_s: float) -> dict[str, Any]:
    g, p, h, v, _ = fixes.dop[fixes.solved].T
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
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {name: "Float64" for name in COLUMNS}  # nullable: an absent value is empty, not NaN
    kinds.update(asset="str", visible_min="Int64", verdict="str")
    return frame.astype(kinds)


def _corrections(
    user: Node, sources: Sequence[Node], references: Sequence[Node], tracks: Tracks,
    ranging: Mapping[tuple[str, str], Ranging], policy: Any,
) -> list[Intervals]:  # fmt: skip
    """For each source, when some reference station within its radius of the user also sees it."""
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
        if asset.name in lending or is_source(asset):
            return asset.name  # not its own reference or beacon, so like no other
        seen = [ranging.get((n.name, asset.name), unseen) for n in sources]
        edges = [e for r in seen for e in (r.visible.start_s.tobytes(), r.visible.end_s.tobytes())]
        place = tracks.states[asset.name][0].tobytes()
        noise = tuple(r.noise_m2_km2 for r in seen)
        return place, asset.operator, repr(positioning_need(asset)), tuple(edges), noise

    def one(asset: Node) -> Fixes:
        need = positioning_need(asset)
        corrected = _corrections(asset, sources, references, tracks, ranging, policy)
        corrected = [
            spans if sise[n.name] > residual_m else Intervals()
            for n, spans in zip(sources, corrected, strict=True)
        ]
        limits = (math.inf, math.inf, math.inf)
        if need is not None:
            given = (rms_limit_m(need), need.max_pdop, getattr(need, "max_gdop", None))
            limits = tuple(math.inf if v is None else float(v) for v in given)
        return find_fixes(
            t_s,
            np.ascontiguousarray(tracks.states[asset.name], dtype=float),
            states,
            [ranging.get((n.name, asset.name), unseen) for n in sources],
            [sise[n.name] for n in sources],
            multipath_m=multipath_m,
            corrected=corrected,
            residual_m=residual_m,
            limits=limits,  # type: ignore[arg-type]
            horizontal=need is not None and need.axes == "horizontal",
            step_elevation_rad=step_elevation_rad,
        )

    rows, verdicts = [], {}
    served, solution, enough = {}, {}, {}
    twins = [twin(n) for n in users]
    firsts = {mark: node for mark, node in zip(reversed(twins), reversed(users), strict=True)}
    # the kernels release the interpreter's lock; `map` keeps the order
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 8)) as pool:
        found = dict(zip(firsts, pool.map(one, firsts.values()), strict=True))
        for asset, mark in zip(users, twins, strict=True):
            fixes = found[mark]
            need = positioning_need(asset)
            verdict = judge(need, fixes.served, tracks.epoch, span_s)
            if not served_only:
                rows.append(_row(asset, need, fixes, verdict, span_s))
            if need is None and not is_receiver(asset):
                continue
            served[asset.name], solution[asset.name] = fixes.served, fixes.solution
            enough[asset.name], verdicts[asset.name] = fixes.enough, verdict
    few_sources = {name: spans.complement(0.0, span_s) for name, spans in enough.items()}
    return PositioningResult(
        _frame(rows), served, solution, enough, few_sources, verdicts, dict(ranging)
    )


__all__ = [
    "COLUMNS", "Fixes", "PositioningResult", "Ranging", "Signal", "find_fixes", "find_ranging",
    "is_receiver", "is_source", "map_signals", "positioning_need", "receiver_noise_m",
    "score_positioning", "sigma_uere_m", "sise_class", "sise_m",
]  # fmt: skip
