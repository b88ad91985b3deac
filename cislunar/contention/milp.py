"""The best schedule that changes at given instants: a mixed-integer program (HiGHS).

Time is cut at every edge of a window or of a link's rate, and at so many set-up times or least
contacts from one; between two cuts nothing changes, so a link is granted all of it or none. The
program maximises the priority-weighted served time. For a fixed order of its changes a schedule's
objective is linear in their times, and so are the rules, so a best schedule changes at edges and at
sums of set-up times and least contacts from them: cut there as often as it takes, the program's
answer is the best of all. That is rarely needed: ``bound`` proves most answers best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cislunar.contention.problem import SAME_S, Pieces, Problem, Window
from cislunar.contention.program import Program, serve
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
    program = Program()

    def reach_back(k: int) -> int:
        """The piece in which the set-up for a start at cut ``k`` begins: it is taken whole."""
        since = cuts[k] - problem.set_up_s + SAME_S
        return max(int(np.searchsorted(cuts, since, side="right")) - 1, 0)

    spans, given = [], []
    for window in windows:
        first = int(np.searchsorted(cuts, window.start_s - SAME_S))
        last = int(np.searchsorted(cuts, window.end_s - SAME_S))
        spans.append((first, last))
        given.append(program.variables(np.ones(last - first), whole=True))
    taking: dict[tuple[int, str], list[int]] = {}
    for i, window in enumerate(windows):
        for key in problem.sessions[window.session].pools:
            taking.setdefault(key, []).append(i)
    held: dict[int, list[tuple[int, list[int]]]] = {}  # pool: (first interval, variables)
    for (pool, _), members in taking.items():
        first = min(spans[i][0] for i in members)
        last = max(spans[i][1] for i in members)
        before = reach_back(first)
        taken = program.variables(np.ones(last - before))
        held.setdefault(pool, []).append((before, taken))
        for i in members:
            low, high = spans[i]
            for k in range(low, high):
                y = given[i][k - low]
                program.at_most(0.0, (y, 1.0), (taken[k - before], -1.0))
                if problem.set_up_s <= 0.0:
                    continue
                # a start: granted now, and nothing of this partner just before
                start = [(y, 1.0)]
                for j in members:
                    a, b = spans[j]
                    if a <= k - 1 < b:
                        start.append((given[j][k - 1 - a], -1.0))
                for j in range(reach_back(k), k):
                    program.at_most(0.0, *start, (taken[j - before], -1.0))
    for pool, parts in held.items():
        capacity = float(problem.pools[pool].capacity)
        for k in range(cuts.size - 1):
            terms = [(taken[k - a], 1.0) for a, taken in parts if a <= k < a + len(taken)]
            if len(terms) > capacity:
                program.at_most(capacity, *terms)
    if problem.minimum_contact_s > 0.0:
        for (low, high), y in zip(spans, given, strict=True):
            for k in range(low, high):
                until = cuts[k] + problem.minimum_contact_s
                start = [(y[k - low], 1.0)]
                if k > low:
                    start.append((y[k - 1 - low], -1.0))
                if until > cuts[high] + SAME_S:
                    program.at_most(0.0, *start)
                    continue
                for j in range(k + 1, int(np.searchsorted(cuts, until - SAME_S))):
                    program.at_most(0.0, *start, (y[j - low], -1.0))
    serve(program, problem, windows, base, cuts, spans, given, np.diff(cuts))
    found, _ = program.solve()
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
