"""The fixes of one user: when it has one, when it is good enough, and how good it is.

A fix is position and clock from simultaneous one-way ranges (``dop``). The spans are
exact: sets in view change at the edges of visibility, and inside a set the instant at which the
error crosses a limit is bisected. The figures are those of the grid instants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cislunar.dop_kernels import fix_series
from cislunar.positioning.dop import MIN_SOURCES, walk
from cislunar.ranging import Ranging
from orbits.intervals import Intervals

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


def gates(
    t_s: np.ndarray,
    ranging: Sequence[Ranging],
    sise_m: Sequence[float],
    multipath_m: float,
    corrected: Sequence[Intervals] | None = None,
    residual_m: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Who is in view at the grid instants (S, T; 1 or 0), and their variances in m2 (S, T).

    The span's last instant belongs to what holds before it.
    """
    count = len(ranging)
    gate = np.zeros((count, t_s.size))
    sise2 = np.empty((count, t_s.size))
    last = t_s.copy()
    last[-1] = np.nextafter(t_s[-1], -np.inf)
    for s, (link, sigma) in enumerate(zip(ranging, sise_m, strict=True)):
        gate[s] = link.visible.contains(last)
        sise2[s] = sigma**2 + multipath_m**2
        if corrected is not None and len(corrected[s]):
            sise2[s, corrected[s].contains(last)] = residual_m**2 + multipath_m**2
    return gate, sise2


def fix_variances(
    t_s: np.ndarray,
    user: np.ndarray,
    sources: np.ndarray,
    ranging: Sequence[Ranging],
    sise_m: Sequence[float],
    *,
    multipath_m: float,
    corrected: Sequence[Intervals] | None = None,
    residual_m: float = 0.0,
    step_elevation_rad: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """DOP (5, T: G P H V T) and error variances in m2 (7, T) at the grid instants, 0 without a fix.

    The variances are those of the weighted fix: up, clock, the two principal ones across the
    vertical, the three in space. Arguments as for ``find_fixes``; the user may move.
    """
    gate, sise2 = gates(t_s, ranging, sise_m, multipath_m, corrected, residual_m)
    count = len(ranging)
    noise = np.array([r.noise_m2_km2 for r in ranging], dtype=float).reshape(count, 2)
    dop, spread = np.zeros((5, t_s.size)), np.zeros((7, t_s.size))
    if count:
        place = np.ascontiguousarray(np.asarray(user, dtype=float)[:, :3].T)
        x, y, z = (np.ascontiguousarray(sources[:, :, i]) for i in range(3))
        reach2 = np.full((count, 2), math.inf)  # visibility has been settled
        fix_series(
            place, x, y, z, gate, sise2, noise, reach2, -2.0, math.sin(step_elevation_rad), dop,
            spread,
        )  # fmt: skip
    return dop, spread
