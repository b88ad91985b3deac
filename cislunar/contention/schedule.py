"""Who is served when links want the same terminal, antenna or beam.

The objective is the priority-weighted served time: for every user, its priority times the seconds
in which links that it was granted give it the rate that it needs (a share of the rate counts as
that share; more than the rate counts no more). The user of a link is the asset at its end, or the
spacecraft where the other end is an Earth station; a link between two alike is a user of its own.
A navigation signal is a user where its antenna also serves links.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.contacts import ContactPlan
from cislunar.contention.bound import bound_s, proof_s
from cislunar.contention.greedy import solve_greedy
from cislunar.contention.milp import instants_s, size_of, solve_milp
from cislunar.contention.problem import (
    SAME_S,
    Pieces,
    Pool,
    Problem,
    Session,
    Window,
    covered_s,
    joined,
    over_capacity,
    served_s,
)
from cislunar.needs import DEFAULT_RATE_BPS, rate_bps
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.ranging import Ranging
    from cislunar.schema import Contention

EXACT_MOST = 400  # yes-or-no decisions up to which ``auto`` has a group of windows solved exactly
SEARCH_MOST = (
    4000  # and up to which ``exact`` looks at more instants for what is not yet proved best
)
PROVED_FRAC = 1e-6  # an answer this near to its bound is the best: the solver is no finer
NAVIGATION = "navigation"
Key = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Who is granted what: one set of spans a session, and how good that is.

    ``served_s`` is the objective, ``bound_s`` what no schedule can exceed. ``groups`` counts the
    groups of windows that contend with each other, ``exact_groups`` those whose answer is proved
    best, ``greedy_groups`` those decided greedily; the rest is the best at the instants tried.
    """

    problem: Problem
    grants: tuple[Intervals, ...]
    served_s: float
    bound_s: float
    groups: int
    exact_groups: int
    greedy_groups: int

    @property
    def optimality_gap_frac(self) -> float:
        """How much better the best schedule could be at most, as a share of the bound."""
        return max(0.0, 1.0 - self.served_s / self.bound_s) if self.bound_s > 0.0 else 0.0

    @property
    def summary(self) -> str:
        """One line: how it was decided, and how far from the best it may be.

        >>> Schedule(Problem((), ()), (), 90.0, 100.0, 4, 3, 1).summary
        '4 groups of contending links, 3 exact and 1 greedy: at most 10.000 % below the best'
        """
        rest = self.groups - self.exact_groups - self.greedy_groups
        unproved = f", {rest} not proved best" if rest else ""
        return (
            f"{self.groups} groups of contending links, {self.exact_groups} exact{unproved} and "
            f"{self.greedy_groups} greedy: at most "
            f"{100.0 * self.optimality_gap_frac:.3f} % below the best"
        )

    @cached_property
    def frame(self):
        """One row a grant: the two ends, the user, and the span in s."""
        import pandas as pd

        rows = [
            (*s.ends[0], *s.ends[1], s.user, a, b, b - a)
            for s, spans in zip(self.problem.sessions, self.grants, strict=True)
            for a, b in spans
        ]
        columns = [
            "a", "terminal_a", "b", "terminal_b", "user", "start_s", "end_s", "duration_s",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns).sort_values(
            ["start_s", "a", "b", "terminal_a", "terminal_b"], ignore_index=True
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.summary)}</p>" + self.frame.to_html(index=False, max_rows=20)


@dataclass(frozen=True, eq=False)
class Contended:
    """A contact plan after contention, the schedule behind it, and when navigation is on.

    ``navigation[node]``: spans (s) in which the node's navigation signal is on, for the nodes
    whose antenna also serves links; others always send.
    """

    plan: ContactPlan
    schedule: Schedule
    navigation: dict[str, Intervals] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return self.schedule._repr_html_()


# --- what contends ---------------------------------------------------------------------------


def pools_of(node: Node) -> tuple[list[Pool], dict[str, list[int]]]:
    """The pools of a node, and by terminal id the numbers of those it takes from.

    A terminal serves ``simultaneous_links`` partners (none given: no limit), one aperture its
    ``beams``; a station's terminal is one on each of its ``antennas``, which are a pool of their
    own across its bands.
    """
    pools: list[Pool] = []
    uses: dict[str, list[int]] = {t.id: [] for t in node.terminals}
    antennas = node.antennas if node.kind == "station" else None
    links = [t.simultaneous_links for t in node.terminals if not t.broadcast]
    for terminal in node.terminals:
        if terminal.simultaneous_links is not None and not terminal.broadcast:
            uses[terminal.id].append(len(pools))
            each = 1 if antennas is None else antennas
            pools.append(Pool(node.name, terminal.id, terminal.simultaneous_links * each))
    if antennas is not None and links and None not in links:
        for terminal in node.terminals:
            uses[terminal.id].append(len(pools))
        most = max(n for n in links if n is not None)
        pools.append(Pool(node.name, "antennas", antennas * most))
    for name, aperture in node.apertures.items():
        for terminal in aperture.terminals:
            if terminal in uses:
                uses[terminal].append(len(pools))
        pools.append(Pool(node.name, name, aperture.beams))
    return pools, uses


def needed_rate_bps(node: Node) -> float:
    """The rate a node's links are measured by: its hardest communication need, or 1e6 bit/s."""
    rates = [rate_bps(n) for n in node.needs if n.service != "positioning"]
    return max(rates, default=DEFAULT_RATE_BPS)


def _user(a: Node, b: Node) -> tuple[str, float, float]:
    """The user of a link, its priority and the rate it needs (bit/s)."""
    order = {"asset": 0, "spacecraft": 1, "station": 2}
    if order[a.kind] == order[b.kind]:
        name = " - ".join(sorted((a.name, b.name)))
        rate = max(needed_rate_bps(a), needed_rate_bps(b))
        return name, max(a.priority, b.priority), rate
    user = min(a, b, key=lambda n: order[n.kind])
    return user.name, user.priority, needed_rate_bps(user)


def build_problem(
    plan: ContactPlan, nodes: Iterable[Node], rules: Contention
) -> tuple[Problem, np.ndarray]:
    """The contention problem of a plan, and the session number of each of its contacts.

    A session takes a beam from the first transmission at either end to the last reception.
    Navigation signals that share an antenna with links come after the links.
    """
    by_name = {n.name: n for n in nodes}
    pools: list[Pool] = []
    uses: dict[tuple[str, str], list[int]] = {}
    for node in by_name.values():
        mine, by_terminal = pools_of(node)
        for terminal, numbers in by_terminal.items():
            uses[node.name, terminal] = [len(pools) + n for n in numbers]
        pools += mine
    number: dict[Key, int] = {}
    keys = np.empty(len(plan), dtype=np.int64)
    for i, row in enumerate(
        zip(plan.source, plan.terminal_source, plan.target, plan.terminal_target, strict=True)
    ):
        first, second = sorted((row[:2], row[2:]))
        keys[i] = number.setdefault((first, second), len(number))
    order = np.lexsort((plan.start_s, keys))
    edges = np.searchsorted(keys[order], np.arange(len(number) + 1))
    sessions: list[Session] = []
    for (first, second), k in number.items():
        rows = order[edges[k] : edges[k + 1]]
        user, priority, needed = _user(by_name[first[0]], by_name[second[0]])
        pieces = _best(
            plan.start_s[rows], plan.end_s[rows] + plan.owlt_s[rows],
            np.minimum(1.0, plan.rate_bps[rows] / needed),
        )  # fmt: skip
        taken = [(n, second[0]) for n in uses.get(first, ())]
        taken += [(n, first[0]) for n in uses.get(second, ())]
        sessions.append(Session((first, second), user, priority, *pieces, tuple(taken)))
    for node in by_name.values():
        for terminal in node.terminals:
            numbers = uses[node.name, terminal.id]
            if terminal.broadcast and terminal.role == "navigation" and numbers:
                spans = node.service
                sessions.append(
                    Session(
                        ((node.name, terminal.id), (NAVIGATION, "")),
                        f"{node.name} {NAVIGATION}", rules.navigation_priority,
                        spans.start_s, spans.end_s, np.ones(len(spans)),
                        tuple((n, NAVIGATION) for n in numbers),
                    )
                )  # fmt: skip
    return Problem(sessions, pools, rules.set_up_s, rules.minimum_contact_s), keys


def _best(start, end, value) -> Pieces:
    """Disjoint pieces with the largest value of all that are open."""
    cuts = np.unique(np.concatenate((start, end)))
    best = np.zeros(cuts.size - 1)
    low, high = np.searchsorted(cuts, start), np.searchsorted(cuts, end)
    for a, b, v in zip(low.tolist(), high.tolist(), value.tolist(), strict=True):
        np.maximum(best[a:b], v, out=best[a:b])
    up = best > 0.0
    begin, finish, best = cuts[:-1][up], cuts[1:][up], best[up]
    if begin.size:  # equal neighbours are one
        new = np.concatenate(([True], (begin[1:] > finish[:-1]) | (best[1:] != best[:-1])))
        last = np.concatenate((new[1:], [True]))
        begin, finish, best = begin[new], finish[last], best[new]
    return begin, finish, best


# --- who is served ---------------------------------------------------------------------------


def solve(
    problem: Problem, method: str = "auto", exact_most: int = EXACT_MOST, *, bound: bool = True
) -> Schedule:
    """The schedule of a contention problem.

    Windows that nobody else wants are granted; the rest falls into groups that contend with each
    other, each solved by a program whose answer is proved best where it reaches its bound
    (``auto``: up to ``exact_most`` decisions), or greedily. ``exact`` has every group solved by the
    program, however long it takes. Without ``bound`` none is sought for what is decided greedily
    (``bound_s`` is then infinite). Raises ComputationError where the solver fails.
    """
    grants: list[Intervals] = []
    windows: list[Window] = []
    for k, session in enumerate(problem.sessions):
        spans = problem.windows(k)
        grants.append(Intervals() if session.pools else spans)
        if session.pools:
            windows += [Window(k, a, b) for a, b in spans]
    contested = _contested(problem, windows)
    for window, wanted in zip(windows, contested, strict=True):
        if not wanted:
            span = Intervals([window.start_s], [window.end_s])
            grants[window.session] = grants[window.session] | span
    uncontested = list(grants)
    groups = _groups(problem, [w for w, wanted in zip(windows, contested, strict=True) if wanted])
    base = _by_user(problem, uncontested)
    exact = greedy = 0
    slack = 0.0
    for group in groups:
        near = _near(problem, group, base)
        before = {u: covered_s(pieces) for u, pieces in near.items()}
        cuts = instants_s(problem, group, near, 1)
        if method == "exact" or (method == "auto" and size_of(group, cuts) <= exact_most):
            found, short = _proved(
                problem, group, near, before, SEARCH_MOST if method == "exact" else exact_most
            )
            exact += short == 0.0
        else:
            found = solve_greedy(problem, group, near)
            limit = bound_s(problem, group, near) if bound else np.inf
            short = max(0.0, limit - _gain(problem, found, near, before))
            greedy += 1
        slack += short
        for index, spans in found.items():
            grants[index] = grants[index] | spans
    reached = served_s(problem, grants)
    return Schedule(problem, tuple(grants), reached, reached + slack, len(groups), exact, greedy)


def _proved(
    problem: Problem,
    group: Sequence[Window],
    near: Mapping[str, Pieces],
    before: Mapping[str, float],
    most: int,
) -> tuple[dict[int, Intervals], float]:
    """Grants of a group by the program, and how far they may be below the best (s; 0: proved).

    Instants are added until the answer reaches its bound, none are left to add (either proves it),
    or the program would have more than ``most`` decisions.
    """
    limit = proof_s(problem, group, near, instants_s(problem, group, near, 0))
    depth, cuts = 1, instants_s(problem, group, near, 1)
    while True:
        found = solve_milp(problem, group, near, cuts)
        found = solve_greedy(problem, group, near, found)  # what is left over harms nobody
        short = limit - _gain(problem, found, near, before)
        more = instants_s(problem, group, near, depth + 1)
        if short <= PROVED_FRAC * limit or more.size == cuts.size:
            return found, 0.0
        if size_of(group, more) > most:
            return found, short
        depth, cuts = depth + 1, more


def _contested(problem: Problem, windows: Sequence[Window]) -> list[bool]:
    """Which windows want a pool while it is wanted by more partners than it serves."""
    by_pool: dict[int, list[tuple[int, str]]] = {}
    for i, window in enumerate(windows):
        for pool, partner in problem.sessions[window.session].pools:
            by_pool.setdefault(pool, []).append((i, partner))
    start = np.array([w.start_s - problem.set_up_s for w in windows])
    end = np.array([w.end_s for w in windows])
    out = np.zeros(len(windows), dtype=bool)
    for pool, members in by_pool.items():
        index = np.array([i for i, _ in members])
        partners = [p for _, p in members]
        over = over_capacity(start[index], end[index], partners, problem.pools[pool].capacity)
        if len(over):
            low = np.searchsorted(over.end_s, start[index], side="right")
            high = np.searchsorted(over.start_s, end[index], side="left")
            out[index] |= high > low
    return out.tolist()


def _groups(problem: Problem, windows: Sequence[Window]) -> list[list[Window]]:
    """Windows joined where they share a pool, or a user, at one time."""
    parent = list(range(len(windows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    members: dict[Any, list[int]] = {}
    for i, window in enumerate(windows):
        session = problem.sessions[window.session]
        for pool, _ in session.pools:
            members.setdefault(pool, []).append(i)
        members.setdefault(session.user, []).append(i)
    for some in members.values():
        some.sort(key=lambda i: windows[i].start_s)
        reach, last = -np.inf, some[0]
        for i in some:
            if windows[i].start_s - problem.set_up_s < reach:
                parent[root(i)] = root(last)
            if windows[i].end_s > reach:
                reach, last = windows[i].end_s, i
    groups: dict[int, list[Window]] = {}
    for i, window in enumerate(windows):
        groups.setdefault(root(i), []).append(window)
    return list(groups.values())


def _by_user(problem: Problem, grants: Sequence[Intervals]) -> dict[str, Pieces]:
    parts: dict[str, list[Pieces]] = {}
    for session, spans in zip(problem.sessions, grants, strict=True):
        if len(spans):
            parts.setdefault(session.user, []).append(session.pieces(spans))
    return {user: joined(some) for user, some in parts.items()}


def _near(problem: Problem, group: Sequence[Window], base: dict[str, Pieces]) -> dict[str, Pieces]:
    """What the users of a group are served by links that nobody contends for, meanwhile."""
    low, high = min(w.start_s for w in group), max(w.end_s for w in group)
    out = {}
    for user in sorted({problem.sessions[w.session].user for w in group}):
        if user in base:
            start, end, value = base[user]
            keep = (end > low) & (start < high)
            out[user] = np.maximum(start[keep], low), np.minimum(end[keep], high), value[keep]
    return out


def _gain(
    problem: Problem, grants, base: Mapping[str, Pieces], before: Mapping[str, float]
) -> float:
    """The objective of grants beyond what ``base`` serves, s."""
    parts: dict[str, list[Pieces]] = {}
    priority = {}
    for index, spans in grants.items():
        session = problem.sessions[index]
        parts.setdefault(session.user, []).append(session.pieces(spans))
        priority[session.user] = session.priority
    return sum(
        priority[user]
        * (covered_s(joined([*some, *([base[user]] if user in base else [])]))
           - before.get(user, 0.0))
        for user, some in parts.items()
    )  # fmt: skip


def contend(
    plan: ContactPlan,
    nodes: Iterable[Node],
    rules: Contention | None,
    *,
    bound: bool = True,
) -> Contended:
    """The contacts that are served, after contention; the plan itself where there are no rules.

    A contact is cut to the spans that its session was granted: it is sent within them and has
    arrived before they end. The plan of all that was wanted stays as ``plan.wanted``. ``bound`` as
    in ``solve``.
    """
    nodes = tuple(nodes)
    if rules is None or rules.method == "none":
        return Contended(plan, Schedule(Problem((), ()), (), 0.0, 0.0, 0, 0, 0))
    problem, session = build_problem(plan, nodes, rules)
    schedule = solve(problem, rules.method, bound=bound)
    navigation = {
        s.ends[0][0]: spans
        for s, spans in zip(problem.sessions, schedule.grants, strict=True)
        if s.ends[1][0] == NAVIGATION
    }
    return Contended(served_plan(plan, session, schedule.grants), schedule, navigation)


def served_plan(plan: ContactPlan, session: np.ndarray, grants: Sequence[Intervals]) -> ContactPlan:
    """The plan cut to what its sessions (one number a contact) were granted."""
    order = np.argsort(session, kind="stable")
    edges = np.searchsorted(session[order], np.arange(len(grants) + 1))
    rows, starts, ends = [], [], []
    for k, spans in enumerate(grants):
        mine = order[edges[k] : edges[k + 1]]
        start, end, late = plan.start_s[mine], plan.end_s[mine], plan.owlt_s[mine]
        low = np.searchsorted(spans.end_s, start, side="right")
        high = np.searchsorted(spans.start_s, end, side="left")
        count = np.maximum(high - low, 0)
        i = np.repeat(np.arange(mine.size), count)
        j = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[i]
        until = spans.end_s[j]
        rows.append(mine[i])
        starts.append(np.maximum(start[i], spans.start_s[j]))
        ends.append(np.where(end[i] + late[i] <= until + SAME_S, end[i], until - late[i]))
    row, start, end = (np.concatenate(x) if x else np.empty(0) for x in (rows, starts, ends))
    keep = end - start > 1e-3  # of a sliver nothing can be made
    row, start, end = row[keep].astype(np.int64), start[keep], end[keep]
    order = np.lexsort((row, start))
    cut = plan.take(row[order])
    cut.__dict__.pop("contact_id", None)
    return replace(
        cut, start_s=start[order], end_s=end[order], before_policy=plan.before_policy,
        before_contention=plan,
    )  # fmt: skip


def navigating(
    ranging: dict[tuple[str, str], Ranging], navigation: dict[str, Intervals]
) -> dict[tuple[str, str], Ranging]:
    """Ranging as it is where navigation signals are on for a part of the time only.

    ``navigation``: spans (s) by source, in the source's time; the light time is left out, as access
    leaves it out.
    """
    return {
        pair: replace(one, visible=one.visible & navigation[pair[0]])
        if pair[0] in navigation
        else one
        for pair, one in ranging.items()
    }
