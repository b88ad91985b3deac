"""Who is served, decided one window after another: fast, feasible, not always the best.

Windows are taken by priority, and of equal priority the user goes first who has been served least.
A first round grants what serves somebody who is not served otherwise; a second gives away what is
left.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from cislunar.contention_problem import (
    SAME_S,
    Pieces,
    Problem,
    Window,
    covered_s,
    joined,
    levels,
    over_capacity,
)
from orbits.intervals import Intervals


class _Taken:
    """The spans of one pool that are granted, by partner number; it only ever grows."""

    def __init__(self):
        self.start_s, self.end_s = np.empty(16), np.empty(16)
        self.partner = np.empty(16, dtype=np.int64)
        self.size = 0

    def add(self, spans: Intervals, partner: int) -> None:
        while self.size + len(spans) > self.start_s.size:
            for name in ("start_s", "end_s", "partner"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate((column, np.empty_like(column))))
        part = slice(self.size, self.size + len(spans))
        self.start_s[part], self.end_s[part] = spans.start_s, spans.end_s
        self.partner[part] = partner
        self.size += len(spans)

    def others(self, partner: int, low_s: float, high_s: float, set_up_s: float):
        """Spans of other partners near ``[low_s, high_s)``, from their set-up on."""
        start, end = self.start_s[: self.size] - set_up_s, self.end_s[: self.size]
        names = self.partner[: self.size]
        near = (names != partner) & (end > low_s) & (start < high_s)
        return start[near], end[near], names[near]


class _Ledger:
    """What is granted so far, pool by pool."""

    def __init__(self, problem: Problem, grants: Mapping[int, Intervals]):
        self._problem = problem
        self.grants: dict[int, Intervals] = {}
        self._taken: dict[int, _Taken] = {}
        self._numbers: dict[str, int] = {}
        for index, spans in grants.items():
            self.grant(index, spans)

    def _number(self, partner: str) -> int:
        return self._numbers.setdefault(partner, len(self._numbers))

    def grant(self, index: int, spans: Intervals) -> None:
        self.grants[index] = self.grants.get(index, Intervals()) | spans
        for pool, partner in self._problem.sessions[index].pools:
            self._taken.setdefault(pool, _Taken()).add(spans, self._number(partner))

    def free(self, index: int, window: Window) -> Intervals:
        """The parts of a window that its session may still be granted."""
        left = Intervals([window.start_s], [window.end_s])
        set_up = self._problem.set_up_s
        for pool, partner in self._problem.sessions[index].pools:
            capacity = self._problem.pools[pool].capacity
            if capacity == 0:
                return Intervals()
            if pool not in self._taken:
                continue
            start, end, names = self._taken[pool].others(
                self._number(partner), window.start_s - set_up, window.end_s, set_up
            )
            full = over_capacity(start, end, names, capacity - 1)
            # the beam is taken from the set-up on
            left = left - Intervals(full.start_s, full.end_s + set_up)
            if not len(left):
                break
        return left


def _uncovered(pieces: Pieces, low_s: float, high_s: float) -> Intervals:
    """When a user is not served in full."""
    when, total = levels(pieces)
    if not when.size:
        return Intervals([low_s], [high_s])
    whole = total[:-1] >= 1.0 - 1e-9
    return Intervals(when[:-1][whole], when[1:][whole]).complement(low_s, high_s)


def solve_greedy(
    problem: Problem,
    windows: Sequence[Window],
    base: Mapping[str, Pieces],
    granted: Mapping[int, Intervals] | None = None,
) -> dict[int, Intervals]:
    """Grants by session for some windows: feasible, each session's spans in s.

    ``base`` is how each user is served without them; ``granted`` what is granted already, to
    which the result adds.
    """
    ledger = _Ledger(problem, granted or {})
    served = {user: [pieces] for user, pieces in base.items()}
    if granted:
        for index, spans in granted.items():
            session = problem.sessions[index]
            served.setdefault(session.user, []).append(session.pieces(spans))
    credit = {user: 0.0 for user in {problem.sessions[w.session].user for w in windows}}
    for only_needed in (True, False) if not granted else (False,):
        heap = [
            (-problem.sessions[w.session].priority, 0.0, w.start_s, i)
            for i, w in enumerate(windows)
        ]
        heapq.heapify(heap)
        while heap:
            rank, known, start_s, i = heapq.heappop(heap)
            window = windows[i]
            session = problem.sessions[window.session]
            if known != credit[session.user]:  # served since: back into the line
                heapq.heappush(heap, (rank, credit[session.user], start_s, i))
                continue
            span = Intervals([window.start_s], [window.end_s])
            wanted = span
            if only_needed:
                pieces = joined(served.get(session.user, []))
                wanted = span & _uncovered(pieces, window.start_s, window.end_s)
                worth = wanted.durations_s > SAME_S
                wanted = Intervals(wanted.start_s[worth], wanted.end_s[worth])
            if not len(wanted):
                continue
            before = ledger.grants.get(window.session, Intervals()) & span
            free = ledger.free(window.session, window)
            spans = (wanted & free) | before
            # a piece between two served ones is too short to be worth a change: widen into free
            spans = _long_enough(spans, free | before, problem.minimum_contact_s)
            if not len(spans - before):
                continue
            ledger.grant(window.session, spans)
            new = session.pieces(spans - before)
            served.setdefault(session.user, []).append(new)
            if only_needed:
                credit[session.user] += session.priority * covered_s(new)
    return ledger.grants


def _long_enough(spans: Intervals, free: Intervals, least_s: float) -> Intervals:
    """Spans made as long as they must be where ``free`` has room, and left out where not."""
    if least_s <= 0.0:
        return spans
    kept = []
    for a, b in spans:
        if b - a < least_s - SAME_S:
            room = np.searchsorted(free.start_s, a, side="right") - 1
            low, high = float(free.start_s[room]), float(free.end_s[room])
            if high - low < least_s - SAME_S:
                continue
            b = min(high, max(b, a + least_s))
            a = min(a, b - least_s)
            a = max(a, low)
        kept.append((a, b))
    return Intervals.from_pairs(kept)
