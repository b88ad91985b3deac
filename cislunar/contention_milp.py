"""Who is served, decided exactly: a mixed-integer program on elementary intervals (HiGHS).

Time is cut at every edge of a window or of a link's rate, and at a set-up time or a least contact
from one; within a piece nothing changes, so a link is granted all of it or none. The program
maximises the priority-weighted served time. Its relaxation piece by piece, without set-up and least
contact, is the upper bound that a greedy answer is measured by.
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
    joined,
    levels,
)
from orbits.errors import ComputationError
from orbits.intervals import Intervals

DEEP = 12  # windows up to which instants two set-ups or least contacts away are tried
BLOCKS = 50  # pieces of time in one linear program
RELAXED_MOST = 200_000  # links on pieces of time that the bound looks at, about


def instants_s(
    problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces], *, moved: bool = True
) -> np.ndarray:
    """Where a schedule may change, s: all edges, and with ``moved`` what set-up makes of them."""
    low = min(w.start_s for w in windows)
    high = max(w.end_s for w in windows)
    edges = [np.array([w.start_s, w.end_s]) for w in windows]
    for window in windows:
        session = problem.sessions[window.session]
        edges += [
            x[(x > window.start_s) & (x < window.end_s)] for x in (session.start_s, session.end_s)
        ]
    edges += [x for start, end, _ in base.values() for x in (start, end)]
    cuts = np.unique(np.concatenate(edges))
    steps = [s for s in (problem.set_up_s, problem.minimum_contact_s) if s > 0.0]
    for _ in range(2 if len(windows) <= DEEP else 1) if moved and steps else ():
        cuts = np.unique(
            np.concatenate([cuts, *(cuts + s for s in steps), *(cuts - s for s in steps)])
        )
    first = low - (problem.set_up_s if moved else 0.0)
    cuts = cuts[(cuts >= first - SAME_S) & (cuts <= high + SAME_S)]
    return cuts[np.concatenate(([True], np.diff(cuts) > SAME_S))]


def _spread(pieces: Pieces, cuts: np.ndarray) -> np.ndarray:
    """The sum of the pieces' values on each interval between cuts."""
    when, total = levels(pieces)
    if not when.size:
        return np.zeros(cuts.size - 1)
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    at = np.searchsorted(when, middle, side="right") - 1
    return np.where(at >= 0, total[np.maximum(at, 0)], 0.0)


class _Rows:
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


def size_of(problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces]) -> int:
    """How many yes-or-no decisions the exact program has."""
    cuts = instants_s(problem, windows, base)
    return sum(
        int(np.searchsorted(cuts, w.end_s - SAME_S) - np.searchsorted(cuts, w.start_s - SAME_S))
        for w in windows
    )


def solve_exact(
    problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces]
) -> tuple[dict[int, Intervals], float]:
    """The best grants by session, and their objective beyond ``base`` (s).

    ``base`` is how each user is served by links that nobody contends for. Raises ComputationError
    where the solver does not prove an optimum.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    cuts = instants_s(problem, windows, base)
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

    rows = _Rows()
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
        before = int(np.searchsorted(cuts, cuts[first] - problem.set_up_s - SAME_S))
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
                back = int(np.searchsorted(cuts, cuts[k] - problem.set_up_s - SAME_S))
                for j in range(back, k):
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
        already = np.clip(_spread(base.get(user, NO_PIECES), cuts), 0.0, 1.0)
        worth = {i: _spread(_pieces(problem, windows[i]), cuts) for i in members}
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
    return grants, -float(found.fun) * scale


def _pieces(problem: Problem, window: Window) -> Pieces:
    span = Intervals([window.start_s], [window.end_s])
    return problem.sessions[window.session].pieces(span)


def bound_s(problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces]) -> float:
    """An upper bound of the objective beyond ``base`` (s): the linear relaxation without set-up.

    On each piece of time a linear program says for how many seconds each link could be granted.
    The pieces are the elementary intervals, or of a large group several of them together, which
    can only raise the bound.
    """
    cuts = instants_s(problem, windows, base, moved=False)
    low = np.searchsorted(cuts, [w.start_s - SAME_S for w in windows])
    high = np.searchsorted(cuts, [w.end_s - SAME_S for w in windows])
    together = max(1, int((high - low).sum() // RELAXED_MOST))
    edges = cuts if together == 1 else np.unique(np.append(cuts[::together], cuts[-1]))
    low = np.searchsorted(edges, [w.start_s + SAME_S for w in windows], side="right") - 1
    high = np.searchsorted(edges, [w.end_s - SAME_S for w in windows])
    length = np.diff(edges)
    # seconds of each session at each value, and what each user could be served, by piece of time
    opened: list[list[tuple[int, float, float]]] = [[] for _ in length]
    parts: dict[str, list[Pieces]] = {}
    for window, first, last in zip(windows, low.tolist(), high.tolist(), strict=True):
        pieces = _pieces(problem, window)
        parts.setdefault(problem.sessions[window.session].user, []).append(pieces)
        for value in np.unique(pieces[2]).tolist():
            mine = Intervals(pieces[0][pieces[2] == value], pieces[1][pieces[2] == value])
            knots = np.column_stack((mine.start_s, mine.end_s)).ravel()
            total = np.zeros(knots.size)
            total[1::2] = np.cumsum(mine.durations_s)
            total[2::2] = total[1:-1:2]
            seconds = np.diff(np.interp(edges[first : last + 1], knots, total))
            for k in np.flatnonzero(seconds > 0.0).tolist():
                opened[first + k].append((window.session, value, float(seconds[k])))
    could = {}
    for user, some in parts.items():
        own = base.get(user, NO_PIECES)
        could[user] = _covered_in(joined([*some, own]), edges) - _covered_in(own, edges)
    items = [
        (float(length[k]), members, {u: float(could[u][k]) for u in _users(problem, members)})
        for k, members in enumerate(opened)
        if members
    ]
    return sum(_relaxed(problem, items[i : i + BLOCKS]) for i in range(0, len(items), BLOCKS))


def _users(problem: Problem, members) -> list[str]:
    return sorted({problem.sessions[i].user for i, *_ in members})


def _covered_in(pieces: Pieces, edges: np.ndarray) -> np.ndarray:
    """The integral of the sum of values, of which no more than 1 counts, between edges (s)."""
    when, total = levels(pieces)
    if not when.size:
        return np.zeros(edges.size - 1)
    steps = np.clip(total[:-1], 0.0, 1.0) * np.diff(when)
    knots, first = np.unique(when, return_index=True)
    return np.diff(np.interp(edges, knots, np.concatenate(([0.0], np.cumsum(steps)))[first]))


def _relaxed(problem: Problem, items) -> float:
    """The sum of the linear programs of some pieces of time, solved as one."""
    from scipy.optimize import linprog

    rows, gain, most = _Rows(), [], []

    def variable(high: float, worth: float = 0.0) -> int:
        gain.append(-worth)
        most.append(high)
        return len(gain) - 1

    for length, members, could in items:
        users: dict[str, list[tuple[int, float]]] = {}
        pools: dict[int, dict[str, dict[int, list[int]]]] = {}
        priority: dict[str, float] = {}
        for index, value, seconds in members:
            session = problem.sessions[index]
            y = variable(seconds)
            users.setdefault(session.user, []).append((y, -value))
            priority[session.user] = session.priority
            for pool, partner in session.pools:
                by_session = pools.setdefault(pool, {}).setdefault(partner, {})
                by_session.setdefault(index, []).append(y)
        for pool, partners in pools.items():
            capacity = problem.pools[pool].capacity
            if len(partners) <= capacity:
                continue
            terms = []
            for sessions in partners.values():
                if len(sessions) == 1:
                    terms += [(y, 1.0) for ys in sessions.values() for y in ys]
                    continue
                held = variable(length)  # one partner takes one beam on all its links
                for ys in sessions.values():
                    rows.at_most(0.0, [*((y, 1.0) for y in ys), (held, -1.0)])
                terms.append((held, 1.0))
            rows.at_most(capacity * length, terms)
        for user, seconds in could.items():
            z = variable(max(seconds, 0.0), priority[user])
            rows.at_most(0.0, [(z, 1.0), *users[user]])
    found = linprog(
        np.array(gain), A_ub=rows.matrix(len(gain)), b_ub=np.array(rows.high),
        bounds=np.column_stack((np.zeros(len(most)), most)), method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise ComputationError(f"the bound of contending links was not found: {found.message}")
    return -float(found.fun)
