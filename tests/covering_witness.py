"""The best set of options for a budget, as a covering problem in whole numbers: a witness.

It shares nothing with the planner's branch and bound, and solves small pools only.

Time falls into pieces, each of which is served by some sets of options and not by others. What
serves a piece is told by its ways: any one will do, and a way asks for so many of its members
(all of them for a joint effect, any k of them for k-fold cover). With whole numbers of options this
is the problem itself; with fractions allowed its optimum can only be larger, so that the linear
relaxation bounds every set from above.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orbits.errors import ComputationError, InputError
from orbits.intervals import Intervals


@dataclass(frozen=True)
class Way:
    """``need`` of the members must be there, each counted ``counts`` times (once if empty)."""

    members: tuple[str, ...]
    need: int
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Piece:
    """So many hours that are served by any one of the ways."""

    hours: float
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Rules:
    """Costs, at most one of each group, and for an option one of each list that it requires."""

    cost: Mapping[str, float]
    groups: tuple[tuple[str, ...], ...] = ()
    requires: Mapping[str, tuple[tuple[str, ...], ...]] | None = None

    def allows(self, chosen: frozenset[str]) -> bool:
        """True where a set keeps to the groups and has all that its members require."""
        if any(len(chosen.intersection(g)) > 1 for g in self.groups):
            return False
        asked = self.requires or {}
        return all(chosen.intersection(any_of) for i in chosen for any_of in asked.get(i, ()))


@dataclass(frozen=True)
class Best:
    """A set, the hours it serves, what it costs, and the hours that no set can exceed."""

    chosen: tuple[str, ...]
    hours: float
    cost: float
    bound_hours: float


def hours_of(pieces: Iterable[Piece], chosen: Iterable[str]) -> float:
    """The hours that a set of options serves.

    >>> hours_of([Piece(5.0, (Way(("a", "b"), 2), Way(("c",), 1)))], ["a", "b"])
    5.0
    """
    chosen = set(chosen)

    def there(way: Way) -> bool:
        counts = way.counts or (1,) * len(way.members)
        have = sum(c for m, c in zip(way.members, counts, strict=True) if m in chosen)
        return have >= way.need

    return sum(p.hours for p in pieces if any(there(w) for w in p.ways))


def best_set(
    pieces: Sequence[Piece], rules: Rules, budget: float, *, time_limit_s: float = 60.0
) -> Best:
    """The set that serves most within the budget: exact, by mixed-integer programming (HiGHS).

    If the time limit ends the search, ``bound_hours`` stays above ``hours`` by what is not proved.
    """
    return _solve(pieces, rules, budget, whole=True, time_limit_s=time_limit_s)


def relaxed_bound(pieces: Sequence[Piece], rules: Rules, budget: float) -> float:
    """Hours that no set within the budget can exceed: the optimum with fractions of options.

    Every set of whole options is feasible there with its own hours, so this is a bound whatever
    the gains are like; nothing is asked of them, submodularity least of all.
    """
    return _solve(pieces, rules, budget, whole=False, time_limit_s=60.0).bound_hours


def greedy_set(pieces: Sequence[Piece], rules: Rules, budget: float) -> Best:
    """The set found by adding whatever serves most more per cost, with the relaxation's bound."""
    chosen: list[str] = []
    left = budget
    while True:
        now = hours_of(pieces, chosen)
        able = []
        for name, cost in rules.cost.items():
            more = frozenset([*chosen, name])
            if name not in chosen and cost <= left + 1e-9 and rules.allows(more):
                gain = hours_of(pieces, more) - now
                if gain > 0.0:
                    able.append((gain / cost if cost > 0 else np.inf, name))
        if not able:
            break
        name = max(able)[1]
        chosen.append(name)
        left -= rules.cost[name]
    total = hours_of(pieces, chosen)
    bound = max(total, relaxed_bound(pieces, rules, budget))
    return Best(tuple(chosen), total, budget - left, bound)


def pieces_of(
    spans: Mapping[Hashable, Mapping[frozenset[str], Intervals]], hour_s: float = 3600.0
) -> list[Piece]:
    """Pieces of time from what sets serve: the smallest sets that serve each are its joint ways.

    ``spans[key][set]``: what a set serves, with every set in it at which something first came.
    """
    weights: dict[tuple[frozenset[str], ...], float] = {}
    for found in spans.values():
        base = found.get(frozenset(), Intervals())
        sets = [s for s in sorted(found, key=lambda s: (len(s), sorted(s))) if s]
        gained = {s: found[s] - base for s in sets}
        edges = np.unique(
            np.concatenate(
                [np.empty(0), *(x for g in gained.values() for x in (g.start_s, g.end_s))]
            )
        )
        if edges.size < 2:
            continue
        middle, length = 0.5 * (edges[:-1] + edges[1:]), np.diff(edges)
        inside = np.array([gained[s].contains(middle) for s in sets])
        patterns, which = np.unique(inside, axis=1, return_inverse=True)
        total = np.bincount(which.ravel(), weights=length, minlength=patterns.shape[1])
        for pattern, seconds in zip(patterns.T, total.tolist(), strict=True):
            ways: list[frozenset[str]] = []
            for k in np.flatnonzero(pattern):
                if not any(w < sets[k] for w in ways):
                    ways.append(sets[k])
            if ways:
                key = tuple(sorted(ways, key=sorted))
                weights[key] = weights.get(key, 0.0) + seconds / hour_s
    return [
        Piece(hours, tuple(Way(tuple(sorted(w)), len(w)) for w in ways))
        for ways, hours in weights.items()
    ]


def _solve(pieces, rules, budget, *, whole, time_limit_s) -> Best:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, vstack

    if not budget >= 0:
        raise InputError("not a budget", key="budget_oku_jpy", value=budget, allowed=">= 0")
    names = list(rules.cost)
    number = {n: k for k, n in enumerate(names)}
    pieces = [p for p in pieces if p.hours > 0]
    ways = [w for p in pieces for w in p.ways]
    first_way, first_piece = len(names), len(names) + len(ways)
    size = first_piece + len(pieces)
    rows: list[list[tuple[int, float]]] = []  # each: sum <= its limit
    limits: list[float] = []

    def at_most(row, limit):
        rows.append(row)
        limits.append(limit)

    at_most([(k, rules.cost[n]) for n, k in number.items()], budget)
    for group in rules.groups:
        at_most([(number[n], 1.0) for n in group if n in number], 1.0)
    for name, lists in (rules.requires or {}).items():
        for any_of in lists:
            helped = [(number[n], -1.0) for n in any_of if n in number]
            at_most([(number[name], 1.0), *helped], 0.0)
    k = first_way
    for j, piece in enumerate(pieces):
        at_most([(first_piece + j, 1.0), *((k + i, -1.0) for i in range(len(piece.ways)))], 0.0)
        for way in piece.ways:
            counts = way.counts or (1,) * len(way.members)
            if sum(counts) == way.need:  # a joint effect: each of them must be there
                for member in way.members:
                    at_most([(k, 1.0), (number[member], -1.0)], 0.0)
            else:
                members = zip(way.members, counts, strict=True)
                at_most([(k, float(way.need)), *((number[m], -float(c)) for m, c in members)], 0.0)
            k += 1
    cells = [(r, c, v) for r, row in enumerate(rows) for c, v in row]
    r, c, v = (np.array(x) for x in zip(*cells, strict=True)) if cells else (np.empty(0),) * 3
    matrix = coo_array((v, (r, c)), shape=(len(rows), max(size, 1))).tocsr()
    value = np.zeros(max(size, 1))
    value[first_piece:size] = [-p.hours for p in pieces]
    integral = np.zeros(value.size)
    integral[:first_piece] = 1 if whole else 0  # half of what a way needs serves nothing

    def ask(aim, rows, limits):
        found = milp(
            aim, integrality=integral, bounds=Bounds(0.0, 1.0),
            constraints=LinearConstraint(rows, ub=np.array(limits)),
            options={"time_limit": time_limit_s, "mip_rel_gap": 0.0},
        )  # fmt: skip
        if found.x is None:
            raise ComputationError(f"no portfolio found: {found.message}")
        return found

    found = ask(value, matrix, limits)
    if not whole:
        return Best((), 0.0, 0.0, float(-found.fun))
    proved = found.status == 0
    dual = found.mip_dual_bound
    if proved:  # of equals the cheapest
        cost = np.zeros(value.size)
        cost[:first_way] = [rules.cost[n] for n in names]
        least = 1e-6 * max(1.0, -found.fun)  # above the solver's own tolerance of 1e-7
        found = ask(cost, vstack([matrix, value[None, :]]), [*limits, found.fun + least])
    chosen = tuple(n for n in names if found.x[number[n]] > 0.5)
    hours = hours_of(pieces, chosen)
    bound = hours if proved or dual is None else max(hours, float(-dual))
    return Best(chosen, hours, sum(rules.cost[n] for n in chosen), bound)
