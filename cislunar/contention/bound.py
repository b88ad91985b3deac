"""What no schedule of contending links can exceed: two relaxations, one of them tight.

Time is cut at the edges of windows and of rates only, and a schedule is looked at by its seconds on
each piece. ``bound_s`` is a linear program that knows neither set-up nor least contact, fit for any
size. ``proof_s`` knows both: whoever is served in a piece was taken before it or is set up in it,
and a beam that is being set up serves nobody. A schedule that reaches it is proved best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cislunar.contention.milp import instants_s
from cislunar.contention.problem import (
    NO_PIECES,
    SAME_S,
    Pieces,
    Problem,
    Window,
    joined,
    levels,
)
from cislunar.contention.program import Program, pieces_of, serve
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
    whenever it changes, meets the rules put down here for its seconds in the pieces between cuts,
    so the best that meets them is at least as good. Raises ComputationError where the solver finds
    no bound.
    """
    low = min(w.start_s for w in windows)
    if cuts[0] > low - problem.set_up_s + SAME_S:  # the first are set up before any window
        cuts = np.concatenate(([low - problem.set_up_s], cuts))
    edges = np.array([(w.start_s, w.end_s) for w in windows])
    spans = np.searchsorted(cuts, edges - SAME_S).tolist()
    program = Program()
    given = [program.variables(np.diff(cuts)[a:b]) for a, b in spans]
    if problem.minimum_contact_s > 0.0:
        for (a, b), seconds in zip(spans, given, strict=True):
            _last(program, cuts, a, b, seconds, problem.minimum_contact_s)
    partners: dict[int, dict[str, list[int]]] = {}
    for i, window in enumerate(windows):
        for pool, partner in problem.sessions[window.session].pools:
            partners.setdefault(pool, {}).setdefault(partner, []).append(i)
    for pool, by_partner in partners.items():
        capacity = problem.pools[pool].capacity
        if len(by_partner) > capacity:
            kept = [
                _partner(program, cuts, [(spans[i], given[i]) for i in members], problem.set_up_s)
                for members in by_partner.values()
            ]
            _share(program, np.diff(cuts), kept, capacity)
    serve(program, problem, windows, base, cuts, spans, given, np.ones(cuts.size - 1))
    found, scale = program.solve(node_limit=NODES)
    limit = found.fun if program.linear else found.mip_dual_bound
    if limit is None or not np.isfinite(limit):
        raise ComputationError(f"the bound of contending links was not found: {found.message}")
    return -float(limit) * scale


@dataclass(frozen=True)
class _Kept:
    """A partner of a pool: variables by piece, but ``taken`` by cut.

    Seconds ``held``, and of set-up; whether it is held ``at_all``, and taken all ``through``;
    whether it is ``taken`` just after a cut. Without set-up only the seconds matter.
    """

    held: list[int]
    setting_up: list[int]
    at_all: list[int]
    through: list[int]
    taken: list[int]


def _overlapping(cuts: np.ndarray, a: float, b: float) -> range:
    """The pieces that a span has a part of."""
    first = int(np.searchsorted(cuts, a + SAME_S, side="right")) - 1
    return range(max(first, 0), min(int(np.searchsorted(cuts, b - SAME_S)), cuts.size - 1))


def _last(program: Program, cuts, a: int, b: int, seconds, least_s: float) -> None:
    """A grant with a part in a piece lasts the least contact, around it."""
    at_all = program.variables(np.ones(b - a), whole=True)
    for k in range(a, b):
        here = at_all[k - a]
        program.at_most(0.0, (seconds[k - a], 1.0), (here, -float(cuts[k + 1] - cuts[k])))
        near = _overlapping(cuts, cuts[k] - least_s, cuts[k + 1] + least_s)
        around = [(seconds[j - a], -1.0) for j in near if a <= j < b]
        program.at_most(0.0, (here, least_s), *around)


def _partner(program: Program, cuts, members, set_up_s: float) -> _Kept:
    """The rules of one partner of a pool; ``members`` are its windows' pieces and seconds."""
    length = np.diff(cuts)
    size = length.size
    kept = _Kept(
        held=program.variables(length),
        setting_up=program.variables(length if set_up_s > 0.0 else 0.0 * length),
        at_all=program.variables(np.ones(size), whole=set_up_s > 0.0),
        through=program.variables(np.ones(size)),
        taken=program.variables(np.ones(size + 1), whole=set_up_s > 0.0),
    )
    for k in range(size):
        held, at_all = kept.held[k], kept.at_all[k]
        here = [seconds[k - a] for (a, b), seconds in members if a <= k < b]
        for one in here:
            program.at_most(0.0, (one, 1.0), (held, -1.0))
        program.at_most(0.0, (held, 1.0), (at_all, -float(length[k]) if here else 0.0))
        program.at_most(float(length[k]), (held, 1.0), (kept.setting_up[k], 1.0))
        if set_up_s <= 0.0:
            continue
        if not here:
            program.at_most(0.0, (at_all, 1.0))
        before = _overlapping(cuts, cuts[k] - set_up_s, cuts[k])
        after = _overlapping(cuts, cuts[k], cuts[k + 1] + set_up_s)
        # held, but not taken when the piece begins: set up within it
        program.at_most(
            0.0, (at_all, set_up_s), (kept.taken[k], -set_up_s), (kept.setting_up[k], -1.0)
        )
        # held, but in no piece of the last set-up time: set up since
        program.at_most(
            0.0, (at_all, set_up_s), *((kept.at_all[j], -set_up_s) for j in before),
            *((kept.setting_up[j], -1.0) for j in (*before, k)),
        )  # fmt: skip
        # taken at the end but not all through the piece: its set-up began in the piece
        program.at_most(
            0.0, (kept.taken[k + 1], set_up_s), (kept.through[k], -set_up_s),
            *((kept.setting_up[j], -1.0) for j in after if j >= k),
        )  # fmt: skip
        program.at_most(0.0, (kept.through[k], 1.0), (kept.taken[k], -1.0))
        program.at_most(0.0, (kept.through[k], 1.0), (kept.taken[k + 1], -1.0))
    return kept


def _share(program: Program, length: np.ndarray, kept: Sequence[_Kept], capacity: int) -> None:
    """What the partners of a pool take together, at most its capacity."""
    for k in range(length.size):
        seconds = [(v[k], 1.0) for one in kept for v in (one.held, one.setting_up)]
        program.at_most(float(capacity * length[k]), *seconds)
        for n, one in enumerate(kept):  # one is served: the rest are not all taken throughout
            others = [(other.through[k], 1.0) for m, other in enumerate(kept) if m != n]
            program.at_most(float(capacity), (one.at_all[k], 1.0), *others)
    for k in range(length.size + 1):
        program.at_most(float(capacity), *((one.taken[k], 1.0) for one in kept))


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
    program = Program()
    for length, members, could in items:
        users: dict[str, list[tuple[int, float]]] = {}
        pools: dict[int, dict[str, dict[int, list[int]]]] = {}
        priority: dict[str, float] = {}
        for index, value, seconds in members:
            session = problem.sessions[index]
            (y,) = program.variables(seconds)
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
                (held,) = program.variables(length)  # one partner takes one beam on all its links
                for ys in sessions.values():
                    program.at_most(0.0, *((y, 1.0) for y in ys), (held, -1.0))
                terms.append((held, 1.0))
            program.at_most(capacity * length, *terms)
        for user, seconds in could.items():
            (z,) = program.variables(max(seconds, 0.0), worth=priority[user])
            program.at_most(0.0, (z, 1.0), *users[user])
    found, scale = program.solve()
    if found.status != 0:
        raise ComputationError(f"the bound of contending links was not found: {found.message}")
    return -float(found.fun) * scale
