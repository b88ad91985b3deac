"""Earliest arrival as a function of departure time, for all departure times at once.

A profile is a list of segments in departure time: on each, the arrival is either a constant (the
bundle waits for a contact) or the departure plus a constant delay (a path is up). Profiles are
never decreasing. Built from the targets back over the contacts until nothing improves.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from orbits.compiled import njit

# steps finer than this are rounding: edges are known to ~0.1 s, and seconds of a year carry 4e-9
_STEP_S = 1e-6


@dataclass(frozen=True)
class Profile:
    """Earliest arrival (seconds past the epoch) by departure time; infinite where none is left.

    Segment i starts at ``start_s[i]`` and runs to the next; where ``moving``, the arrival is the
    departure plus ``value_s``, elsewhere it is ``value_s``.
    """

    start_s: np.ndarray
    moving: np.ndarray
    value_s: np.ndarray

    def arrival_s(self, t_s):
        """Earliest arrival for departures at ``t_s`` (seconds, any shape); inf for none."""
        t = np.asarray(t_s, dtype=float)
        i = np.maximum(np.searchsorted(self.start_s, t, side="right") - 1, 0)
        return np.where(self.moving[i], t, 0.0) + self.value_s[i]


@njit(cache=True, nogil=True)
def _at(start, moving, value, t):
    i = max(np.searchsorted(start, t, side="right") - 1, 0)
    return t + value[i] if moving[i] else value[i]


@njit(cache=True, nogil=True)
def _push(start, moving, value, used, t, line, v):
    """Append a segment, joined to the last where it only continues it."""
    if used > 0 and (start[used - 1] >= t or t - start[used - 1] < _STEP_S):
        used -= 1  # an empty segment
        t = start[used]
    if used > 0 and moving[used - 1] == line and value[used - 1] == v:
        return used
    start[used], moving[used], value[used] = t, line, v
    return used + 1


@njit(cache=True, nogil=True)
def _through(cs, ce, co, start, moving, value):
    """Arrival profile through contacts (sorted, disjoint) to a node of the given profile."""
    n, m = cs.size, start.size
    low = np.empty(n, dtype=np.int64)
    wait = np.empty(n + 1)  # best arrival through contact i or later, for who waits before i
    wait[n] = np.inf
    size = 1
    for i in range(n - 1, -1, -1):
        low[i] = max(np.searchsorted(start, cs[i] + co[i], side="right") - 1, 0)
        wait[i] = min(wait[i + 1], _at(start, moving, value, cs[i] + co[i]))
        size += 2 * (np.searchsorted(start, ce[i] + co[i], side="left") - low[i] + 2)
    t = np.empty(size)
    line = np.empty(size, dtype=np.bool_)
    v = np.empty(size)
    used = _push(t, line, v, 0, -np.inf, False, wait[0])
    for i in range(n):
        j = low[i]
        later = wait[i + 1]
        while j < m and start[j] - co[i] < ce[i]:
            begin = max(cs[i], start[j] - co[i])
            if not moving[j]:
                used = _push(t, line, v, used, begin, False, min(value[j], later))
            else:
                delay = co[i] + value[j]
                if begin + delay < later:
                    used = _push(t, line, v, used, begin, True, delay)
                    stop = ce[i] if j + 1 == m else min(ce[i], start[j + 1] - co[i])
                    if later - delay < stop:
                        used = _push(t, line, v, used, later - delay, False, later)
                else:
                    used = _push(t, line, v, used, begin, False, later)
            j += 1
        used = _push(t, line, v, used, ce[i], False, later)
    return t[:used].copy(), line[:used].copy(), v[:used].copy()


@njit(cache=True, nogil=True)
def _least(at, al, av, bt, bl, bv):
    """The lesser of two profiles, and whether the second improved the first anywhere."""
    size = 2 * (at.size + bt.size) + 2
    t = np.empty(size)
    line = np.empty(size, dtype=np.bool_)
    v = np.empty(size)
    used, i, j, better = 0, 0, 0, False
    now = -np.inf
    while True:
        stop = np.inf
        if i + 1 < at.size:
            stop = at[i + 1]
        if j + 1 < bt.size:
            stop = min(stop, bt[j + 1])
        if al[i] == bl[j]:
            if bv[j] < av[i] - _STEP_S and stop - now > _STEP_S:
                better = True
            used = _push(t, line, v, used, now, al[i], min(av[i], bv[j]))
        else:
            # a constant and a line: the line is the lesser up to where they cross
            flat = bv[j] if al[i] else av[i]
            delay = av[i] if al[i] else bv[j]
            cross = flat - delay
            if cross > now:
                used = _push(t, line, v, used, now, True, delay)
                better = better or (bl[j] and min(cross, stop) - now > _STEP_S)
            if cross < stop:
                used = _push(t, line, v, used, max(now, cross), False, flat)
                better = better or (not bl[j] and stop - max(now, cross) > _STEP_S)
        if stop == np.inf:
            break
        if i + 1 < at.size and at[i + 1] == stop:
            i += 1
        if j + 1 < bt.size and bt[j + 1] == stop:
            j += 1
        now = stop
    return t[:used].copy(), line[:used].copy(), v[:used].copy(), better


@njit(cache=True, nogil=True)
def _lanes(u, v, start, end):
    """A lane number a contact, such that contacts of one pair and lane do not overlap.

    Contacts are sorted by pair, then start.
    """
    lane = np.zeros(u.size, dtype=np.int64)
    busy = np.empty(64)
    used = 0
    for c in range(u.size):
        if c == 0 or u[c] != u[c - 1] or v[c] != v[c - 1]:
            used = 0
        k = 0
        while k < used and busy[k] > start[c]:
            k += 1
        if k == busy.size:
            busy = np.concatenate((busy, np.empty(busy.size)))
        used = max(used, k + 1)
        busy[k] = end[c]
        lane[c] = k
    return lane


_NEVER = (np.array([-np.inf]), np.array([False]), np.array([np.inf]))
_HERE = (np.array([-np.inf]), np.array([True]), np.array([0.0]))


def _by(contacts: tuple, there: tuple) -> tuple:
    """The profile (three vectors) through contacts to a node with the profile ``there``."""
    cs, ce, co = contacts
    start, moving, value = there
    return _through(cs, ce, co, start, moving, value)


def _better(old: tuple, new: tuple) -> tuple[tuple, bool]:
    """The lesser of two profiles, and whether the new one improved the old."""
    a, b, c = old
    d, e, f = new
    start, moving, value, better = _least(a, b, c, d, e, f)
    return (start, moving, value), better


NEVER = Profile(*_NEVER)  # what has no way to arrive


class Network:
    """The contacts of a table cut into lanes, so that profiles can be built over them."""

    def __init__(self, table: ContactTable, transit=None):
        self.table = table
        self.transit = np.ones(len(table.names), bool) if transit is None else transit
        u, v = table.source, table.target
        lane = _lanes(u, v, table.start_s, table.end_s)
        order = np.lexsort((table.start_s, lane, v, u))
        u, v, lane = u[order], v[order], lane[order]
        self._contacts = table.start_s[order], table.end_s[order], table.owlt_s[order]
        cut = np.flatnonzero((np.diff(u) != 0) | (np.diff(v) != 0) | (np.diff(lane) != 0)) + 1
        edges = np.concatenate(([0], cut, [u.size])) if u.size else np.array([0])
        self.lanes: list[tuple[int, int, tuple]] = [
            (int(u[a]), int(v[a]), tuple(x[a:b] for x in self._contacts))
            for a, b in pairwise(edges)
        ]
        self.into: dict[int, list[tuple[int, tuple]]] = {}
        for a, b, contacts in self.lanes:
            self.into.setdefault(b, []).append((a, contacts))

    def profiles(self, targets, closed=(), senders=None) -> dict[int, Profile]:
        """Profiles to any of ``targets`` by node number; ``closed`` nodes take no part.

        ``senders``: only these numbers are wanted among the nodes that do not forward.
        """
        final, closed = {int(n) for n in targets}, {int(n) for n in closed}
        best: dict[int, tuple] = {}
        wanted = None if senders is None else {int(n) for n in senders}

        def improve(changed, profile_of, forwarding):
            again = set()
            for n in changed:
                for a, contacts in self.into.get(n, ()):
                    if a in final or a in closed or bool(self.transit[a]) != forwarding:
                        continue
                    if not forwarding and wanted is not None and a not in wanted:
                        continue
                    new, better = _better(best.get(a, _NEVER), _by(contacts, profile_of(n)))
                    if better:  # else keep the old: no creeping by rounding
                        best[a] = new
                        again.add(a)
            return again

        def to_target(_):
            return _HERE

        def current(n):
            return best[n]

        changed = improve(final, to_target, True)
        while changed:
            changed = improve(sorted(changed), current, True)
        inner = sorted(best)
        improve(final, to_target, False)
        improve(inner, current, False)
        return {n: Profile(*best.get(n, _NEVER)) for n in range(len(self.table.names))
                if n not in final}  # fmt: skip

    def crosslinked(self, sender: int, targets, craft) -> Profile:
        """The profile of a sender over paths whose second hop joins two spacecraft.

        ``craft``: bool, one a node. No path returns to the craft that it crossed from.
        """
        best = _NEVER
        for _, first, up in (lane for lane in self.lanes if lane[0] == sender):
            if not craft[first]:
                continue
            found = self.profiles(targets, closed=(sender, first), senders=())
            across = _NEVER
            for a, b, contacts in self.lanes:
                if a == first and craft[b] and b in found:
                    p = found[b]
                    across = _better(across, _by(contacts, (p.start_s, p.moving, p.value_s)))[0]
            best = _better(best, _by(up, across))[0]
        return Profile(*best)


def arrival_profile(
    plan, targets, min_rate_bps: float = 0.0, *, transit=None
) -> dict[str, Profile]:
    """The earliest arrival at any of ``targets`` by departure time, for every other node.

    Store and forward over the contacts of ``min_rate_bps`` or more, for an empty bundle;
    ``transit``: names that may forward (all by default). Equals ``earliest_arrival`` at every
    departure time.

    >>> plan = ContactTable.of_rows([("1", "site", "earth", 10, 20, 1e6, 1.5)])
    >>> arrival_profile(plan, "earth")["site"].arrival_s([0.0, 12.0, 20.0])
    array([11.5, 13.5,  inf])
    """
    table = table_of(plan)
    table = table.keep(table.rate_bps >= min_rate_bps)
    may = None
    if transit is not None:
        may = np.zeros(len(table.names), dtype=bool)
        may[table.numbers(transit)] = True
    found = Network(table, may).profiles(table.numbers(targets))
    return {table.names[n]: profile for n, profile in found.items()}
