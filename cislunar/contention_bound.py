"""What no schedule of contending links can exceed: two relaxations, one of them tight.

Time is cut at the edges of windows and of rates only, and a schedule is looked at by its seconds on
each piece. ``bound_s`` is a linear program that knows neither set-up nor least contact, fit for any
size. ``proof_s`` knows both: whoever is served in a piece was taken before it or is set up in it,
and a beam that is being set up serves nobody. A schedule that reaches it is proved best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cislunar.contention_milp import Rows, instants_s, pieces_of, spread
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

BLOCKS = 50  # pieces of time in one linear program
RELAXED_MOST = 200_000  # links on pieces of time that the bound looks at, about
NODES = 2000  # branches after which the proof's search stops with the bound that it has


def proof_s(
    problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces], cuts: np.ndarray
) -> float:
    """An upper bound of the objective beyond ``base`` (s) that counts set-up and least contact.

    ``cuts`` (s, sorted) has all edges, and may have more: the finer, the tighter. Every schedule,
    whenever it changes, meets these rules for its seconds in the pieces between cuts, so the best
    that meets them is at least as good. A partner of a pool has, by piece: the seconds ``held`` and
    those of ``set-up``; whether it is held at all (``on``), taken the whole piece (``through``),
    and, by cut, whether it is taken just after (``at``). Raises ComputationError where the solver
    finds no bound.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    set_up, least = problem.set_up_s, problem.minimum_contact_s
    low = min(w.start_s for w in windows)
    if set_up > 0.0 and cuts[0] > low - set_up + SAME_S:  # the first are set up before any window
        cuts = np.concatenate(([low - set_up], cuts))
    length = np.diff(cuts)
    size = length.size
    gain: list[float] = []
    most: list[float] = []
    whole: list[int] = []
    rows = Rows()

    def variables(high, integral: int = 0) -> np.ndarray:
        first = len(gain)
        high = np.atleast_1d(np.asarray(high, dtype=float))
        gain.extend([0.0] * high.size)
        most.extend(high.tolist())
        whole.extend([integral] * high.size)
        return np.arange(first, len(gain))

    def overlapping(a: float, b: float) -> range:
        """The pieces that a span has a part of."""
        first = int(np.searchsorted(cuts, a + SAME_S, side="right")) - 1
        return range(max(first, 0), min(int(np.searchsorted(cuts, b - SAME_S)), size))

    edges = np.array([(w.start_s, w.end_s) for w in windows])
    spans = np.searchsorted(cuts, edges - SAME_S).tolist()
    given = [variables(length[a:b]) for a, b in spans]
    if least > 0.0:
        for (a, b), f in zip(spans, given, strict=True):
            some = variables(np.ones(b - a), 1)
            for k in range(a, b):
                rows.at_most(0.0, [(int(f[k - a]), 1.0), (int(some[k - a]), -float(length[k]))])
                # a grant with a part in this piece lasts the least contact, around it
                near = overlapping(cuts[k] - least, cuts[k + 1] + least)
                around = [(int(f[j - a]), -1.0) for j in near if a <= j < b]
                rows.at_most(0.0, [*around, (int(some[k - a]), least)])

    partners: dict[int, dict[str, list[int]]] = {}
    for i, window in enumerate(windows):
        for pool, partner in problem.sessions[window.session].pools:
            partners.setdefault(pool, {}).setdefault(partner, []).append(i)
    for pool, by_partner in partners.items():
        capacity = problem.pools[pool].capacity
        if len(by_partner) <= capacity:
            continue
        kept = []
        for members in by_partner.values():
            held, setting = variables(length), variables(length)
            on, through = variables(np.ones(size), 1), variables(np.ones(size))
            at = variables(np.ones(size + 1), 1)
            kept.append((held, setting, on, through, at))
            for k in range(size):
                h, on_k = int(held[k]), int(on[k])
                rows.at_most(0.0, [(h, 1.0), (on_k, -float(length[k]))])
                rows.at_most(float(length[k]), [(h, 1.0), (int(setting[k]), 1.0)])
                for i in members:
                    a, b = spans[i]
                    if a <= k < b:
                        rows.at_most(0.0, [(int(given[i][k - a]), 1.0), (h, -1.0)])
                if not any(spans[i][0] <= k < spans[i][1] for i in members):
                    rows.at_most(0.0, [(on_k, 1.0)])
                if set_up <= 0.0:
                    continue
                # held, but not taken when the piece begins: set up within it
                rows.at_most(0.0, [(on_k, set_up), (int(at[k]), -set_up), (int(setting[k]), -1.0)])
                # held, but in no piece of the last set-up time: set up since
                back = overlapping(cuts[k] - set_up, cuts[k])
                rows.at_most(
                    0.0,
                    [(on_k, set_up)]
                    + [(int(on[j]), -set_up) for j in back]
                    + [(int(setting[j]), -1.0) for j in (*back, k)],
                )
                # taken at the end but not all through the piece: its set-up began in the piece
                ahead = [j for j in overlapping(cuts[k + 1], cuts[k + 1] + set_up) if j > k]
                rows.at_most(
                    0.0,
                    [(int(at[k + 1]), set_up), (int(through[k]), -set_up)]
                    + [(int(setting[j]), -1.0) for j in (k, *ahead)],
                )
                rows.at_most(0.0, [(int(through[k]), 1.0), (int(at[k]), -1.0)])
                rows.at_most(0.0, [(int(through[k]), 1.0), (int(at[k + 1]), -1.0)])
        for k in range(size):
            rows.at_most(
                float(capacity * length[k]),
                [(int(v[k]), 1.0) for held, setting, *_ in kept for v in (held, setting)],
            )
            if set_up <= 0.0:
                continue
            rows.at_most(float(capacity), [(int(at[k]), 1.0) for *_, at in kept])
            for n, (_, _, on, _, _) in enumerate(kept):  # one is served: the rest are not all taken
                others = [(int(t[k]), 1.0) for m, (_, _, _, t, _) in enumerate(kept) if m != n]
                rows.at_most(float(capacity), [(int(on[k]), 1.0), *others])
        if set_up > 0.0:
            rows.at_most(float(capacity), [(int(at[size]), 1.0) for *_, at in kept])

    by_user: dict[str, list[int]] = {}
    for i, window in enumerate(windows):
        by_user.setdefault(problem.sessions[window.session].user, []).append(i)
    for user, members in by_user.items():
        room = 1.0 - np.clip(spread(base.get(user, NO_PIECES), cuts), 0.0, 1.0)
        worth = {i: spread(pieces_of(problem, windows[i]), cuts) for i in members}
        weight = problem.sessions[windows[members[0]].session].priority
        for k in np.flatnonzero(room > 0.0).tolist():
            terms = [
                (int(given[i][k - spans[i][0]]), -float(worth[i][k]))
                for i in members
                if spans[i][0] <= k < spans[i][1] and worth[i][k] > 0.0
            ]
            if terms:
                z = int(variables(room[k] * length[k])[0])
                gain[z] = -weight
                rows.at_most(0.0, [(z, 1.0), *terms])
    limits: Any = (np.zeros(len(most)), np.array(most), np.array(rows.high))
    found = milp(
        np.array(gain),
        integrality=np.array(whole),
        bounds=Bounds(limits[0], limits[1]),
        constraints=LinearConstraint(rows.matrix(len(gain)), ub=limits[2]),
        options={"mip_rel_gap": 0.0, "node_limit": NODES},
    )
    limit = found.mip_dual_bound if any(whole) else found.fun  # else it is a linear program
    if limit is None or not np.isfinite(limit):
        raise ComputationError(f"the bound of contending links was not found: {found.message}")
    return -float(limit)


def bound_s(problem: Problem, windows: Sequence[Window], base: Mapping[str, Pieces]) -> float:
    """An upper bound of the objective beyond ``base`` (s): the linear relaxation without set-up.

    On each piece of time a linear program says for how many seconds each link could be granted.
    The pieces are the elementary intervals, or of a large group several of them together, which
    can only raise the bound.
    """
    cuts = instants_s(problem, windows, base, 0)
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
        pieces = pieces_of(problem, window)
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

    rows, gain, most = Rows(), [], []

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
