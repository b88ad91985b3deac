"""The best schedule that changes at given instants: a mixed-integer program (HiGHS).

Time is cut at every edge of a window or of a link's rate, and at so many set-up times or least
contacts from one; between two cuts nothing changes, so a link is granted all of it or none. The
program maximises the priority-weighted served time. For a fixed order of its changes a schedule's
objective is linear in their times, and so are the rules, so a best schedule changes at edges and at
sums of set-up times and least contacts from them: cut there as often as it takes, the program's
answer is the best of all. That is rarely needed: `contention_bound` proves most answers best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cislunar.contention_problem import (
    NO_PIECES,
    SAME_S,
    Pieces,
    Problem,
    Window,
    levels,
)
from orbits.errors import ComputationError
from orbits.intervals import Intervals


def instants_s(
    problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces], depth: int
) -> np.ndarray:
    """Where a schedule may change, s: all edges, and up to ``depth`` set-ups or contacts away."""
    low = min(w.start_s for w in windows)
    high = max(w.end_s for w in windows)
    edges = [np.array([w.start_s, w.end_s]) for w in windows]
    for window in windows:
        session = problem.sessions[window.session]
        edges += [
            x[(x > window.start_s) & (x < window.end_s)] for x in (session.start_s, session.end_s)
        ]
    edges += [x for start, end, _ in base.values() for x in (start, end)]
    first = low - (problem.set_up_s if depth else 0.0)

    def sorted_out(cuts: Sequence[np.ndarray]) -> np.ndarray:
        some = np.unique(np.concatenate(cuts))
        some = some[(some >= first - SAME_S) & (some <= high + SAME_S)]
        return some[np.concatenate(([True], np.diff(some) > SAME_S))]

    cuts = sorted_out(edges)
    steps = [s for s in (problem.set_up_s, problem.minimum_contact_s) if s > 0.0]
    for _ in range(depth if steps else 0):
        more = sorted_out([cuts, *(cuts + s for s in steps), *(cuts - s for s in steps)])
        if more.size == cuts.size:
            break
        cuts = more
    return cuts


def spread(pieces: Pieces, cuts: np.ndarray) -> np.ndarray:
    """The sum of the pieces' values on each interval between cuts."""
    when, total = levels(pieces)
    if not when.size:
        return np.zeros(cuts.size - 1)
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    at = np.searchsorted(when, middle, side="right") - 1
    return np.where(at >= 0, total[np.maximum(at, 0)], 0.0)


class Rows:
    """Linear constraints, low <= row <= high, gathered one by one."""

    def __init__(self):
        self.row, self.column, self.value = [], [], []
        self.high: list[float] = []

    def at_most(self, high: float, terms: Sequence[tuple[int, float]]) -> None:
        for column, value in terms:
            self.row.append(len(self.high))
            self.column.append(column)
            self.value.append(value)
        self.high.append(high)

    def matrix(self, columns: int):
        from scipy.sparse import csr_array

        return csr_array(
            (self.value, (self.row, self.column)), shape=(len(self.high), columns), dtype=float
        )


def size_of(windows: Sequence[Window], cuts: np.ndarray) -> int:
    """How many yes-or-no decisions the program has."""
    return sum(
        int(np.searchsorted(cuts, w.end_s - SAME_S) - np.searchsorted(cuts, w.start_s - SAME_S))
        for w in windows
    )


def solve_milp(
    problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces], cuts: np.ndarray
) -> dict[int, Intervals]:
    """The best grants by session (s) of all that change at ``cuts`` (s, sorted).

    ``base`` is how each user is served by links that nobody contends for. Raises ComputationError
    where the solver does not prove an optimum.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    length = np.diff(cuts)
    count = 0
    gain: list[float] = []
    most: list[float] = []
    whole: list[int] = []

    def variables(number: int, integral: int, high: float = 1.0) -> np.ndarray:
        nonlocal count
        count += number
        gain.extend([0.0] * number)
        most.extend([high] * number)
        whole.extend([integral] * number)
        return np.arange(count - number, count)

    def reach_back(k: int) -> int:
        """The piece in which the set-up for a start at cut ``k`` begins: it is taken whole."""
        since = cuts[k] - problem.set_up_s + SAME_S
        return max(int(np.searchsorted(cuts, since, side="right")) - 1, 0)

    rows = Rows()
    spans, given = [], []
    for window in windows:
        first = int(np.searchsorted(cuts, window.start_s - SAME_S))
        last = int(np.searchsorted(cuts, window.end_s - SAME_S))
        spans.append((first, last))
        given.append(variables(last - first, 1))
    taking: dict[tuple[int, str], list[int]] = {}
    for i, window in enumerate(windows):
        for key in problem.sessions[window.session].pools:
            taking.setdefault(key, []).append(i)
    held: dict[int, list[tuple[int, np.ndarray]]] = {}  # pool: (first interval, variables)
    for (pool, _), members in taking.items():
        first = min(spans[i][0] for i in members)
        last = max(spans[i][1] for i in members)
        before = reach_back(first)
        taken = variables(last - before, 0)
        held.setdefault(pool, []).append((before, taken))
        for i in members:
            low, high = spans[i]
            for k in range(low, high):
                y = int(given[i][k - low])
                rows.at_most(0.0, [(y, 1.0), (int(taken[k - before]), -1.0)])
                if problem.set_up_s <= 0.0:
                    continue
                # a start: granted now, and nothing of this partner just before
                start = [(y, 1.0)]
                for j in members:
                    a, b = spans[j]
                    if a <= k - 1 < b:
                        start.append((int(given[j][k - 1 - a]), -1.0))
                for j in range(reach_back(k), k):
                    rows.at_most(0.0, [*start, (int(taken[j - before]), -1.0)])
    for pool, parts in held.items():
        capacity = float(problem.pools[pool].capacity)
        for k in range(cuts.size - 1):
            terms = [(int(taken[k - a]), 1.0) for a, taken in parts if a <= k < a + taken.size]
            if len(terms) > capacity:
                rows.at_most(capacity, terms)
    if problem.minimum_contact_s > 0.0:
        for (low, high), y in zip(spans, given, strict=True):
            for k in range(low, high):
                until = cuts[k] + problem.minimum_contact_s
                start = [(int(y[k - low]), 1.0)]
                if k > low:
                    start.append((int(y[k - 1 - low]), -1.0))
                if until > cuts[high] + SAME_S:
                    rows.at_most(0.0, start)
                    continue
                for j in range(k + 1, int(np.searchsorted(cuts, until - SAME_S))):
                    rows.at_most(0.0, [*start, (int(y[j - low]), -1.0)])
    by_user: dict[str, list[int]] = {}
    for i, window in enumerate(windows):
        by_user.setdefault(problem.sessions[window.session].user, []).append(i)
    for user, members in by_user.items():
        already = np.clip(spread(base.get(user, NO_PIECES), cuts), 0.0, 1.0)
        worth = {i: spread(pieces_of(problem, windows[i]), cuts) for i in members}
        weight = problem.sessions[windows[members[0]].session].priority
        for k in range(cuts.size - 1):
            terms = [
                (int(given[i][k - spans[i][0]]), -float(worth[i][k]))
                for i in members
                if spans[i][0] <= k < spans[i][1] and worth[i][k] > 0.0
            ]
            if terms and already[k] < 1.0:
                z = int(variables(1, 0, 1.0 - float(already[k]))[0])
                gain[z] = -weight * float(length[k])
                rows.at_most(0.0, [(z, 1.0), *terms])
    scale = max(-min(gain, default=0.0), 1.0)
    limits: Any = (np.zeros(count), np.array(most), np.array(rows.high))
    found = milp(
        np.array(gain) / scale,
        integrality=np.array(whole),
        bounds=Bounds(limits[0], limits[1]),
        constraints=LinearConstraint(rows.matrix(count), ub=limits[2]),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None or found.status != 0:
        raise ComputationError(f"the schedule of contending links was not solved: {found.message}")
    grants: dict[int, Intervals] = {}
    for window, (low, high), y in zip(windows, spans, given, strict=True):
        on = found.x[y] > 0.5
        edges = cuts[low : high + 1].copy()
        edges[0], edges[-1] = window.start_s, window.end_s
        mine = Intervals(edges[:-1][on], edges[1:][on])
        grants[window.session] = grants.get(window.session, Intervals()) | mine
    return grants


def pieces_of(problem: Problem, window: Window) -> Pieces:
    span = Intervals([window.start_s], [window.end_s])
    return problem.sessions[window.session].pieces(span)
