"""Contacts cut where their light time moves, so that one figure holds within a tolerance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cislunar.contacts import ContactPlan
from cislunar.crossings import Grid, range_km, scan
from cislunar.geometry import RANGE
from orbits.constants import C_KM_S
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.tracks import Tracks

SLIVER_S = 1e-3  # nothing is cut closer to an edge


def split_by_delay(plan: ContactPlan, tracks: Tracks, tolerance_s: float | None) -> ContactPlan:
    """The plan with contacts cut so that the light time varies by at most a tolerance in each, s.

    Cuts are where the range passes a whole multiple of the tolerance times the speed of light.
    ``owlt_s`` is the largest light time of each piece; rate, margin and terminals stay. Without a
    tolerance, the plan itself.
    """
    if tolerance_s is None or not len(plan):
        return plan
    step_km = tolerance_s * C_KM_S
    rows, starts, ends, late = [], [], [], []
    number: dict[tuple[str, str], list[int]] = {}
    for i, pair in enumerate(zip(plan.source, plan.target, strict=True)):
        number.setdefault((min(pair), max(pair)), []).append(i)
    grid_s = Grid.of(tracks).step_s
    for (a, b), members in number.items():
        index = np.array(members)
        spans = Intervals(plan.start_s[index], plan.end_s[index])
        sampled = scan(tracks, RANGE, a, b, [0.0]).values
        first, last = np.floor(sampled.min() / step_km), np.ceil(sampled.max() / step_km)
        levels = step_km * np.arange(first, last + 1.0)
        found = scan(tracks, RANGE, a, b, levels, windows=spans)
        cuts = np.unique(found.when_s)
        peak = _peaks(found.values)
        for i in members:
            inside = cuts[(cuts > plan.start_s[i] + SLIVER_S) & (cuts < plan.end_s[i] - SLIVER_S)]
            inside = inside[np.diff(inside, prepend=-np.inf) > SLIVER_S]
            knots = np.concatenate(([plan.start_s[i]], inside, [plan.end_s[i]]))
            most = plan.owlt_s[i : i + 1]
            if inside.size:
                at = range_km(tracks, a, b, knots)
                most = np.maximum(at[1:], at[:-1])
                first = np.ceil(knots[:-1] / grid_s).astype(int)
                last = np.floor(knots[1:] / grid_s).astype(int)
                for k in np.flatnonzero(last >= first):
                    most[k] = max(most[k], peak[first[k] : last[k] + 1].max())
                most = most / C_KM_S
            rows.append(np.full(knots.size - 1, i))
            starts.append(knots[:-1])
            ends.append(knots[1:])
            late.append(most)
    row, start, end, owlt = (np.concatenate(x) for x in (rows, starts, ends, late))
    order = np.lexsort((row, start))
    cut = plan.take(row[order])
    cut.__dict__.pop("contact_id", None)
    return replace(
        cut, start_s=start[order], end_s=end[order], owlt_s=owlt[order],
        before_policy=plan.before_policy,
    )  # fmt: skip


def _peaks(q: np.ndarray) -> np.ndarray:
    """Samples, raised at a peak to the top of the parabola through three of them."""
    out = q.copy()
    bend = 2.0 * q[1:-1] - q[:-2] - q[2:]
    top = (q[1:-1] > q[:-2]) & (q[1:-1] >= q[2:]) & (bend > 0.0)
    out[1:-1][top] += (q[2:] - q[:-2])[top] ** 2 / (8.0 * bend[top])
    return out
