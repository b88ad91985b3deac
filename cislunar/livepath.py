"""When a complete path is up: transmit times from which an empty bundle never has to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from orbits.compiled import njit
from orbits.intervals import Intervals

# leftovers of subtracting nearly equal sets are noise of rounding; an edge is known to ~0.1 s
_SLIVER_S = 1e-6


@njit(cache=True, nogil=True)
def _join(source, target, start, end, owlt, at, live_start, live_end):
    """Transmit spans of the contacts whose arrival finds the target live.

    The target's live spans are ``live_*[at[v]:at[v + 1]]``, sorted and disjoint. Returns three
    vectors: source node, start, end.
    """
    room = source.size + 16
    node = np.empty(room, dtype=np.int64)
    begin = np.empty(room)
    finish = np.empty(room)
    used = 0
    for c in range(source.size):
        low, high = at[target[c]], at[target[c] + 1]
        if low == high:
            continue
        arrive = start[c] + owlt[c]
        i = low + np.searchsorted(live_end[low:high], arrive, side="right")
        while i < high and live_start[i] < end[c] + owlt[c]:
            s = max(start[c], live_start[i] - owlt[c])
            e = min(end[c], live_end[i] - owlt[c])
            if e > s:
                if used == room:
                    room *= 2
                    node = np.concatenate((node, np.empty(room - used, dtype=np.int64)))
                    begin = np.concatenate((begin, np.empty(room - used)))
                    finish = np.concatenate((finish, np.empty(room - used)))
                node[used], begin[used], finish[used] = source[c], s, e
                used += 1
            i += 1
    return node[:used], begin[:used], finish[:used]


@njit(cache=True, nogil=True)
def _unite(node, start, end, count):
    """Sorted disjoint spans of each node from spans in any order: ``at``, starts, ends."""
    size = np.zeros(count + 1, dtype=np.int64)
    for i in range(node.size):
        size[node[i] + 1] += 1
    bucket = np.cumsum(size)
    place = bucket[:-1].copy()
    s = np.empty(node.size)
    e = np.empty(node.size)
    for i in range(node.size):
        s[place[node[i]]], e[place[node[i]]] = start[i], end[i]
        place[node[i]] += 1
    at = np.zeros(count + 1, dtype=np.int64)
    used = 0
    for n in range(count):
        low, high = bucket[n], bucket[n + 1]
        order = np.argsort(s[low:high])
        ss, ee = s[low:high][order], e[low:high][order]
        begin = used
        for i in range(high - low):
            if used > begin and ss[i] <= e[used - 1]:
                e[used - 1] = max(e[used - 1], ee[i])
            else:
                s[used], e[used] = ss[i], ee[i]
                used += 1
        at[n + 1] = used
    return at, s[:used], e[:used]


@njit(cache=True, nogil=True)
def _subtract(s, e, used, cut_s, cut_e, out_s, out_e):
    """Spans ``s, e`` (the first ``used``) less the cuts, all sorted and disjoint: how many."""
    size = 0
    for i in range(used):
        begin = s[i]
        k = np.searchsorted(cut_e, begin, side="right")
        while k < cut_s.size and cut_s[k] < e[i]:
            if cut_s[k] - begin > _SLIVER_S:
                out_s[size], out_e[size] = begin, cut_s[k]
                size += 1
            begin = max(begin, cut_e[k])
            k += 1
        if e[i] - begin > _SLIVER_S:
            out_s[size], out_e[size] = begin, e[i]
            size += 1
    return size


@njit(cache=True, nogil=True)
def _grow(array, room) -> Any:
    return np.concatenate((array, np.empty(max(array.size, room), dtype=array.dtype)))


@njit(cache=True, nogil=True)
def _chain(into, source, start, end, owlt, at, base_s, base_e, bit, words, most):
    """The live spans of forwarding nodes, by the set of nodes that the path runs through.

    ``into``: the contacts into node v are into[v]:into[v + 1], by source and start. ``base``: the
    spans of paths of one hop. ``bit``: the bit of each node in a set of ``words`` whole numbers.
    Returns for each chain its node, its set and where its spans end in the two vectors of spans.
    """
    count = into.size - 1
    node = np.empty(64, dtype=np.int64)
    following = np.empty(64, dtype=np.int64)  # the next chain of the same node
    head = np.full(count, -1, dtype=np.int64)
    sets = np.zeros((64, words), dtype=np.int64)
    stop = np.zeros(65, dtype=np.int64)
    s, e = base_s.copy(), base_e.copy()
    chains, used = 0, 0
    for n in range(count):
        if bit[n] < 0 or at[n] == at[n + 1]:
            continue
        if chains == node.size:
            node, following, stop = _grow(node, 0), _grow(following, 0), _grow(stop, 0)
            sets = np.concatenate((sets, np.zeros_like(sets)))
        size = at[n + 1] - at[n]
        s[used : used + size], e[used : used + size] = (
            base_s[at[n] : at[n + 1]],
            base_e[at[n] : at[n + 1]],
        )
        used += size
        node[chains], following[chains], head[n] = n, -1, chains
        sets[chains, bit[n] // 62] |= 1 << (bit[n] % 62)
        chains += 1
        stop[chains] = used
    room = 256
    x, y, xx, yy = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    wanted = np.zeros(words, dtype=np.int64)
    begin, finish = 0, chains
    for _ in range(most - 1):
        for g in range(begin, finish):
            v = node[g]
            c = into[v]
            while c < into[v + 1]:
                u = source[c]
                word, flag = bit[u] // 62, 1 << (bit[u] % 62)
                skip = (sets[g, word] & flag) != 0
                found, near, last = 0, stop[g], stop[g + 1]
                while c < into[v + 1] and source[c] == u:
                    if not skip:
                        arrive, depart = start[c] + owlt[c], end[c] + owlt[c]
                        # contacts come by start, so the first span to look at is near the last
                        while near < last and e[near] <= arrive:
                            near += 1
                        while near > stop[g] and e[near - 1] > arrive:
                            near -= 1
                        i = near
                        while i < last and s[i] < depart:
                            if found == x.size:
                                x, y = _grow(x, 0), _grow(y, 0)
                            x[found] = max(start[c], s[i] - owlt[c])
                            y[found] = min(end[c], e[i] - owlt[c])
                            found += y[found] - x[found] > _SLIVER_S
                            i += 1
                    c += 1
                if found == 0:
                    continue
                order = np.argsort(x[:found])
                size = 0
                if xx.size < 2 * found + 2:
                    xx, yy = _grow(xx, 2 * found + 2), _grow(yy, 2 * found + 2)
                for i in order:
                    if size > 0 and x[i] <= yy[size - 1]:
                        yy[size - 1] = max(yy[size - 1], y[i])
                    else:
                        xx[size], yy[size] = x[i], y[i]
                        size += 1
                wanted[:] = sets[g]
                wanted[word] |= flag
                h = head[u]
                while h >= 0 and size > 0:
                    inside = True
                    for w in range(words):
                        if sets[h, w] & ~wanted[w]:
                            inside = False
                    if inside:
                        cuts = stop[h + 1] - stop[h]
                        if x.size < size + cuts + 1:
                            x, y = _grow(x, size + cuts + 1), _grow(y, size + cuts + 1)
                        size = _subtract(
                            xx, yy, size, s[stop[h] : stop[h + 1]], e[stop[h] : stop[h + 1]], x, y
                        )
                        x, xx, y, yy = xx, x, yy, y
                    h = following[h]
                if size == 0:
                    continue
                if chains == node.size:
                    node, following, stop = _grow(node, 0), _grow(following, 0), _grow(stop, 0)
                    sets = np.concatenate((sets, np.zeros_like(sets)))
                if used + size > s.size:
                    s, e = _grow(s, used + size), _grow(e, used + size)
                s[used : used + size], e[used : used + size] = xx[:size], yy[:size]
                used += size
                node[chains], following[chains], head[u] = u, head[u], chains
                sets[chains] = wanted
                chains += 1
                stop[chains] = used
        if finish == chains:
            break
        begin, finish = finish, chains
    return node[:chains], sets[:chains], stop[: chains + 1], s[:used], e[:used]


@dataclass(frozen=True)
class LivePaths:
    """The transmit times with a live path, for every node of a contact table.

    ``at, start_s, end_s``: the spans of node n are at[n]:at[n + 1]. For nodes that may forward,
    ``chains`` keeps every way: its node, the nodes on its path (bits), where its spans end in the
    vectors of starts and ends, and the bit of each node.
    """

    table: ContactTable
    final: np.ndarray
    at: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    chains: tuple

    def of(self, node: int) -> Intervals:
        part = slice(self.at[node], self.at[node + 1])
        return Intervals(self.start_s[part], self.end_s[part])

    def total_s(self, low_s: float, high_s: float) -> np.ndarray:
        """Live seconds of every node between two instants."""
        inside = np.clip(self.end_s, low_s, high_s) - np.clip(self.start_s, low_s, high_s)
        return np.diff(np.concatenate(([0.0], np.cumsum(inside)))[self.at])

    def by_name(self) -> dict[str, Intervals]:
        return {n: self.of(i) for i, n in enumerate(self.table.names) if not self.final[i]}


def find_live_paths(table: ContactTable, targets, transit=None, *, max_hops: int = 8) -> LivePaths:
    """The live paths to any of ``targets`` (node numbers) over all contacts of a table.

    ``transit``: which nodes may forward (bool, one a node; all by default). Paths have at most
    ``max_hops`` contacts. Each forwarding node keeps its spans by the set of nodes the path runs
    through, so that no path visits a node twice (two craft must not bounce a bundle until a
    window opens), and drops what a path through fewer of the same nodes serves already.
    """
    count = len(table.names)
    final = np.zeros(count, dtype=bool)
    final[targets] = True
    transit = ~final if transit is None else transit & ~final
    u, v, s, e, o = table.source, table.target, table.start_s, table.end_s, table.owlt_s
    direct = final[v] & ~final[u]
    through = transit[v] & ~final[u]
    outer = through & ~transit[u]

    bit = np.where(transit, np.cumsum(transit) - 1, -1)
    words = max(1, -(-int(transit.sum()) // 62))
    into, sender, start_s, end_s, owlt_s = _by_target(table, through & transit[u])
    at, base_s, base_e = _unite(u[direct], s[direct], e[direct], count)
    node, sets, stop, chain_s, chain_e = _chain(
        into, sender, start_s, end_s, owlt_s, at, base_s, base_e, bit, words, max_hops
    )
    at, ls, le = _unite(np.repeat(node, np.diff(stop)), chain_s, chain_e, count)
    outer_node, outer_s, outer_e = _join(
        u[outer], v[outer], s[outer], e[outer], o[outer], at, ls, le
    )
    leaf = direct & ~transit[u]
    all_at, all_s, all_e = _unite(
        np.concatenate((outer_node, u[leaf], np.repeat(np.arange(count), np.diff(at)))),
        np.concatenate((outer_s, s[leaf], ls)), np.concatenate((outer_e, e[leaf], le)), count,
    )  # fmt: skip
    chains = (node, sets, stop, chain_s, chain_e, bit)
    return LivePaths(table, final, all_at, all_s, all_e, chains)


def live_path(plan, targets, min_rate_bps: float = 0.0, *, transit=None) -> dict[str, Intervals]:
    """The transmit times (seconds past the epoch) from which a node has a live path to a target.

    An empty bundle sent at such a time reaches one of ``targets`` (a name or several) without
    waiting anywhere, every hop at ``min_rate_bps`` or more, each hop's light time honoured; no
    node occurs twice on the path. ``transit``: names that may forward (all by default). One entry
    a node that is not a target. Of a contact plan, contacts open at an end of the span are taken
    to go on beyond it, and the result is clipped to the span; a table is taken as it is.

    >>> plan = ContactTable.of_rows([
    ...     ("1", "site", "relay", 0, 100, 1e6, 1.0), ("2", "relay", "earth", 51, 200, 1e6, 1.0)])
    >>> live_path(plan, "earth", 1e6)["site"].pairs()
    [(50.0, 100.0)]
    """
    table = table_of(plan)
    span_s, whole = table.span_s, plan is table
    table = (table if whole else table.held()).keep(table.rate_bps >= min_rate_bps)
    may = None
    if transit is not None:
        may = np.zeros(len(table.names), dtype=bool)
        may[table.numbers(transit)] = True
    found = find_live_paths(table, table.numbers(targets), may).by_name()
    return found if whole else {n: spans.clip(0.0, span_s) for n, spans in found.items()}


def crosslinked(paths: LivePaths, craft: np.ndarray) -> dict[int, Intervals]:
    """For each spacecraft, when it has a live path whose first hop is to another spacecraft.

    ``craft``: bool, one a node. Seconds past the epoch, by node number.
    """
    t = paths.table
    into, u, s, e, o = _by_target(t, craft[t.source] & craft[t.target])
    node, sets, stop, start, end, bit = paths.chains
    parts: dict[int, list[Intervals]] = {}
    for g, v in enumerate(node):
        hop, spans = slice(into[v], into[v + 1]), slice(stop[g], stop[g + 1])
        outside = (sets[g, bit[u[hop]] // 62] >> (bit[u[hop]] % 62)) & 1 == 0
        a, x, y = _join(
            u[hop][outside], np.zeros(outside.sum(), dtype=np.int64), s[hop][outside],
            e[hop][outside], o[hop][outside], np.array([0, spans.stop - spans.start]),
            start[spans], end[spans],
        )  # fmt: skip
        for n in np.unique(a):
            parts.setdefault(int(n), []).append(Intervals(x[a == n], y[a == n]))
    return {n: Intervals.union_of(p) for n, p in parts.items()}


def before(table: ContactTable, mask, live: dict[int, Intervals]) -> dict[int, Intervals]:
    """When each source of the contacts in ``mask`` can send into a live span of the target."""
    count = len(table.names)
    some = [live.get(n, Intervals()) for n in range(count)]
    at = np.concatenate(([0], np.cumsum([len(i) for i in some])))
    ls, le = (np.concatenate([getattr(i, k) for i in some]) for k in ("start_s", "end_s"))
    node, start, end = _join(
        table.source[mask], table.target[mask], table.start_s[mask], table.end_s[mask],
        table.owlt_s[mask], at, ls, le,
    )  # fmt: skip
    return {int(n): Intervals(start[node == n], end[node == n]) for n in np.unique(node)}


def _by_target(table, mask):
    """The contacts of a mask by target, then source, then start; node v's begin at first[v]."""
    v = table.target[mask]
    order = np.argsort(v, kind="stable")
    columns = (table.source, table.start_s, table.end_s, table.owlt_s)
    first = np.searchsorted(v[order], np.arange(len(table.names) + 1))
    return first, *(x[mask][order] for x in columns)
