"""Which variants no other beats, and how much of the space of objectives they command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orbits.errors import InputError


def nondominated(costs: np.ndarray) -> np.ndarray:
    """True (N,) for the rows of ``costs`` (N, M), all to be least, that no other row dominates.

    A row dominates another when it is nowhere larger and somewhere smaller; equal rows both stay.

    >>> nondominated(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    rows, back = np.unique(np.asarray(costs, dtype=float), axis=0, return_inverse=True)
    keep = np.ones(len(rows), bool)
    if rows.shape[1] == 2 and len(rows):  # rows are sorted: whoever dominates one comes before it
        keep[1:] = rows[1:, 1] < np.minimum.accumulate(rows[:-1, 1])
    elif rows.shape[1] != 2:
        front = np.empty_like(rows)
        count = 0
        for k, row in enumerate(rows):
            keep[k] = not (front[:count] <= row).all(axis=1).any()
            if keep[k]:
                front[count] = row
                count += 1
    return keep[back.ravel()]


def hypervolume(costs: np.ndarray, reference: Sequence[float] | np.ndarray) -> float:
    """The volume that rows of ``costs`` (N, M), to be least, dominate up to ``reference`` (M,).

    Exact, by slicing along the last objective (M of 2 in N log N; more with a factor N each).

    >>> hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), [3.0, 3.0])
    3.0
    """
    ref = np.asarray(reference, dtype=float)
    points = np.asarray(costs, dtype=float).reshape(-1, ref.size)
    points = points[(points < ref).all(axis=1)]
    if not len(points):
        return 0.0
    points = np.unique(points[nondominated(points)], axis=0)
    if ref.size == 1:
        return float(ref[0] - points.min())
    if ref.size == 2:
        steps = np.concatenate([points[1:, 0], ref[:1]]) - points[:, 0]
        return float((steps * (ref[1] - points[:, 1])).sum())
    points = points[np.argsort(points[:, -1], kind="stable")]
    levels = np.append(points[:, -1], ref[-1])
    return float(
        sum(
            (levels[k + 1] - levels[k]) * hypervolume(points[: k + 1, :-1], ref[:-1])
            for k in range(len(points))
            if levels[k + 1] > levels[k]
        )
    )


def costs_of(
    columns: Mapping[str, Sequence[float | None]], objectives: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Costs (N, M), most turned to least, of the rows that have every objective, and which (N,)."""
    if not objectives:
        raise InputError("no objectives", key="objectives", allowed="{metric: min or max}")
    table = np.array(
        [[np.nan if v is None else float(v) for v in columns[name]] for name in objectives]
    ).T.reshape(-1, len(objectives))
    has = np.asarray(np.isfinite(table).all(axis=1))
    sign = np.array([1.0 if way == "min" else -1.0 for way in objectives.values()])
    return table[has] * sign, has


def reference_point(
    costs: np.ndarray, objectives: Mapping[str, str], given: Mapping[str, float]
) -> np.ndarray:
    """The reference as costs: what is given, else the worst of ``costs`` (the front's share, 1)."""
    worst = costs.max(axis=0) if len(costs) else np.zeros(len(objectives))
    return np.array(
        [
            (given[name] if way == "min" else -given[name]) if name in given else worst[k]
            for k, (name, way) in enumerate(objectives.items())
        ]
    )
