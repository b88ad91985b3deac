"""Who is served, decided one window after another: fast, feasible, not always the best.

A first round goes through time in slabs and grants what serves somebody who is not served
otherwise: by priority, then the user who has been served least, from what the fewest others want.
Where beams take time to set up, what is going on comes first. A second round gives away what is
left.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from cislunar.contention.problem import (
    SAME_S,
    Pieces,
    Problem,
    Session,
    Window,
    covered_s,
)
from orbits.compiled import njit
from orbits.intervals import Intervals

SLAB_S = 7200.0  # a shorter slab brings little more, and takes longer


@njit(cache=True, nogil=True)
def _full(start, end, partner, size, me, low, high, set_up, capacity, count):
    """When a pool is full for one partner: the others' spans, from their set-up on, overlap.

    Looks at the first ``size`` spans, near ``[low, high)``. ``count`` is room for one number a
    partner, all zero. Returns starts and ends, s.
    """
    near = 0
    when, change = np.empty(2 * size), np.empty(2 * size, dtype=np.int64)
    for i in range(size):
        if partner[i] != me and end[i] > low and start[i] - set_up < high:
            when[near], change[near] = start[i] - set_up, partner[i] + 1
            when[near + 1], change[near + 1] = end[i], -partner[i] - 1
            near += 2
    order = np.argsort(when[:near])
    begin, finish = np.empty(near), np.empty(near)
    found, busy, opened = 0, 0, 0.0
    for k in order:
        who = abs(change[k]) - 1
        before = busy
        if change[k] > 0:
            count[who] += 1
            busy += count[who] == 1
        else:
            count[who] -= 1
            busy -= count[who] == 0
        if before < capacity and busy >= capacity:
            opened = when[k]
        elif before >= capacity and busy < capacity and when[k] > opened:
            begin[found], finish[found] = opened, when[k]
            found += 1
    count[:] = 0
    return begin[:found], finish[:found]


@njit(cache=True, nogil=True)
def _whole(start, end, value, size, low, high):
    """When a user is served in full between two instants: starts and ends, s."""
    near = 0
    when, change = np.empty(2 * size), np.empty(2 * size)
    for i in range(size):
        if end[i] > low and start[i] < high:
            when[near], change[near] = max(start[i], low), value[i]
            when[near + 1], change[near + 1] = min(end[i], high), -value[i]
            near += 2
    order = np.argsort(when[:near])
    begin, finish = np.empty(near), np.empty(near)
    found, total, opened = 0, 0.0, 0.0
    for k in order:
        before = total >= 1.0 - 1e-9
        total += change[k]
        after = total >= 1.0 - 1e-9
        if after and not before:
            opened = when[k]
        elif before and not after and when[k] > opened:
            begin[found], finish[found] = opened, when[k]
            found += 1
    return begin[:found], finish[:found]


class _Spans:
    """Spans with a label each, that only ever grow in number."""

    def __init__(self, kind):
        self.start_s, self.end_s, self.label = np.empty(16), np.empty(16), np.empty(16, kind)
        self.size = 0

    def add(self, start_s, end_s, label) -> None:
        while self.size + start_s.size > self.start_s.size:
            for name in ("start_s", "end_s", "label"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate((column, np.empty_like(column))))
        part = slice(self.size, self.size + start_s.size)
        self.start_s[part], self.end_s[part], self.label[part] = start_s, end_s, label
        self.size += start_s.size


class _Ledger:
    """What is granted so far, pool by pool, and how users are served by it."""

    def __init__(self, problem: Problem, base: Mapping[str, Pieces]):
        self._problem = problem
        self.grants: dict[int, Intervals] = {}
        self._taken: dict[int, _Spans] = {}
        self._served: dict[str, _Spans] = {}
        partners = {partner for session in problem.sessions for _, partner in session.pools}
        self._number = {partner: i for i, partner in enumerate(sorted(partners))}
        self._count = np.zeros(len(partners), dtype=np.int64)
        for user, pieces in base.items():
            self._of(user).add(*pieces)

    def _of(self, user: str) -> _Spans:
        return self._served.setdefault(user, _Spans(np.float64))

    def grant(self, index: int, spans: Intervals) -> Pieces:
        """Grants more to a session; the open pieces that it gains."""
        session = self._problem.sessions[index]
        self.grants[index] = self.grants.get(index, Intervals()) | spans
        for pool, partner in session.pools:
            taken = self._taken.setdefault(pool, _Spans(np.int64))
            taken.add(spans.start_s, spans.end_s, self._number[partner])
        pieces = session.pieces(spans)
        self._of(session.user).add(*pieces)
        return pieces

    def goes_on(self, index: int, t_s: float) -> bool:
        """True where a session is granted up to an instant (s), its last."""
        spans = self.grants.get(index)
        return spans is not None and len(spans) > 0 and abs(spans.end_s[-1] - t_s) < SAME_S

    def free(self, session: Session, window: Window) -> Intervals:
        """The parts of a window that its session may still be granted."""
        set_up = self._problem.set_up_s
        starts, ends = [], []
        for pool, partner in session.pools:
            capacity = self._problem.pools[pool].capacity
            if capacity == 0:
                return Intervals()
            if pool in self._taken:
                t = self._taken[pool]
                start, end = _full(
                    t.start_s, t.end_s, t.label, t.size, self._number[partner],
                    window.start_s - set_up, window.end_s, set_up, capacity, self._count,
                )  # fmt: skip
                starts.append(start)
                ends.append(end + set_up)  # the beam is taken from the set-up on
        if not starts:
            return Intervals([window.start_s], [window.end_s])
        taken = Intervals(np.concatenate(starts), np.concatenate(ends))
        return taken.complement(window.start_s, window.end_s)

    def uncovered(self, session: Session, window: Window) -> Intervals:
        """The parts of a window in which its user is not served in full."""
        t = self._of(session.user)
        start, end = _whole(t.start_s, t.end_s, t.label, t.size, window.start_s, window.end_s)
        spans = Intervals(start, end).complement(window.start_s, window.end_s)
        worth = spans.durations_s > SAME_S
        return Intervals(spans.start_s[worth], spans.end_s[worth])


def wanted_share(problem: Problem, windows: Sequence[Window]) -> np.ndarray:
    """How much the pools of each window are wanted: partners for each that they serve, averaged
    over the window, and summed over its pools.

    >>> from cislunar.contention.problem import Pool
    >>> spans = np.array([0.0]), np.array([8.0]), np.array([1.0])
    >>> one, two = (
    ...     Session(((n, "t"), ("r", "u")), n, 1.0, *spans, pools=((0, n),)) for n in ("a", "b")
    ... )
    >>> problem = Problem([one, two], [Pool("r", "u", 1)])
    >>> wanted_share(problem, [Window(0, 0.0, 8.0), Window(1, 0.0, 4.0)]).tolist()
    [1.5, 2.0]
    """
    start = np.array([w.start_s for w in windows])
    end = np.array([w.end_s for w in windows])
    by_pool: dict[int, list[int]] = {}
    for i, window in enumerate(windows):
        for pool, _ in problem.sessions[window.session].pools:
            by_pool.setdefault(pool, []).append(i)
    out = np.zeros(len(windows))
    for pool, members in by_pool.items():
        low, high = start[members], end[members]
        when = np.concatenate((low, high))
        order = np.argsort(when, kind="stable")
        when = when[order]
        wanted = np.cumsum(np.repeat((1.0, -1.0), low.size)[order])
        total = np.concatenate(([0.0], np.cumsum(wanted[:-1] * np.diff(when))))
        mean = (np.interp(high, when, total) - np.interp(low, when, total)) / (high - low)
        out[members] += mean / max(problem.pools[pool].capacity, 1)
    return out


def _slabs(windows: Sequence[Window]) -> list[list[tuple[Window, Window]]]:
    """Windows cut at every ``SLAB_S``: slab by slab in time, pieces with their windows."""
    slabs: dict[int, list[tuple[Window, Window]]] = {}
    for window in windows:
        first, last = int(window.start_s // SLAB_S), int(np.ceil(window.end_s / SLAB_S))
        for k in range(first, last):
            low, high = max(window.start_s, k * SLAB_S), min(window.end_s, (k + 1) * SLAB_S)
            slabs.setdefault(k, []).append((Window(window.session, low, high), window))
    return [slabs[k] for k in sorted(slabs)]


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
    ledger = _Ledger(problem, base)
    for index, spans in (granted or {}).items():
        ledger.grant(index, spans)
    credit = {problem.sessions[w.session].user: 0.0 for w in windows}
    if not granted:
        for slab in _slabs(windows):
            _serve(problem, ledger, slab, credit)
    for window in sorted(windows, key=lambda w: (-problem.sessions[w.session].priority, w.start_s)):
        session = problem.sessions[window.session]
        free = ledger.free(session, window)
        if len(free):
            _give(problem, ledger, window, free, free)
    return ledger.grants


def _serve(
    problem: Problem,
    ledger: _Ledger,
    slab: Sequence[tuple[Window, Window]],
    credit: dict[str, float],
) -> None:
    """Grants what serves somebody who is not served otherwise, in one slab of time."""
    least_s = problem.minimum_contact_s
    share = wanted_share(problem, [piece for piece, _ in slab])
    # what costs a set-up comes after what goes on, and what many want after what few want
    new = [
        problem.set_up_s > 0.0 and not ledger.goes_on(piece.session, piece.start_s)
        for piece, _ in slab
    ]
    waiting: dict[str, list[int]] = {}
    for i in sorted(range(len(slab)), key=lambda i: (new[i], share[i]), reverse=True):
        waiting.setdefault(problem.sessions[slab[i][0].session].user, []).append(i)
    line = []
    for user, own in waiting.items():
        priority = problem.sessions[slab[own[-1]][0].session].priority
        line.append((-priority, new[own[-1]], credit[user], user))
    heapq.heapify(line)
    while line:
        rank, _, _, user = line[0]
        if not waiting[user]:
            heapq.heappop(line)
            continue
        piece, window = slab[waiting[user].pop()]
        session = problem.sessions[piece.session]
        wanted = ledger.uncovered(session, piece)
        if not len(wanted):
            continue
        room = Window(
            piece.session, max(window.start_s, piece.start_s - least_s),
            min(window.end_s, piece.end_s + least_s),
        )  # fmt: skip
        free = ledger.free(session, room)
        if not len(free):
            continue
        gained = _give(problem, ledger, window, wanted & free, free)
        if gained is not None:
            credit[user] += gained
            heapq.heapreplace(line, (rank, True, credit[user], user))


def _give(
    problem: Problem, ledger: _Ledger, window: Window, wanted: Intervals, free: Intervals
) -> float | None:
    """Grants what is wanted of a window as far as the least contact allows; the open seconds."""
    before = ledger.grants.get(window.session, Intervals()).clip(window.start_s, window.end_s)
    spans = _long_enough(wanted | before, free | before, problem.minimum_contact_s)
    new = spans - before
    return covered_s(ledger.grant(window.session, new)) if len(new) else None


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
