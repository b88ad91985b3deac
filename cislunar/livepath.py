"""When a complete path is up: transmit times from which an empty bundle never has to wait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from cislunar.contact_table import ContactTable, table_of
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


@dataclass(frozen=True)
class LivePaths:
    """The transmit times with a live path, for every node of a contact table.

    ``chains``: for a node that may forward, pairs (set of the forwarding nodes of the path as the
    bits of a whole number, when). ``at, start_s, end_s``: the union of them, node by node.
    """

    table: ContactTable
    final: np.ndarray
    at: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    chains: dict[int, list[tuple[int, Intervals]]]

    def of(self, node: int) -> Intervals:
        part = slice(self.at[node], self.at[node + 1])
        return Intervals(self.start_s[part], self.end_s[part])

    def by_name(self) -> dict[str, Intervals]:
        return {n: self.of(i) for i, n in enumerate(self.table.names) if not self.final[i]}


def find_live_paths(table: ContactTable, targets, transit=None, *, max_hops=8) -> LivePaths:
    """The live paths to any of ``targets`` (node numbers) over all contacts of a table.

    ``transit``: which nodes may forward (bool, one a node; all by default). Each forwarding node
    keeps its spans by the set of nodes the path runs through, so that no path visits a node
    twice (two craft must not bounce a bundle until a window opens) and a span already served by
    a path through fewer of the same nodes is dropped; the rest is a least fixpoint, hop by hop.
    """
    count = len(table.names)
    final = np.zeros(count, dtype=bool)
    final[targets] = True
    transit = ~final if transit is None else transit & ~final
    u, v, s, e, o = table.source, table.target, table.start_s, table.end_s, table.owlt_s
    direct = final[v] & ~final[u]
    inner = transit[v] & transit[u]
    outer = transit[v] & ~transit[u] & ~final[u]

    at, ds, de = _unite(u[direct], s[direct], e[direct], count)
    chains: dict[int, list[tuple[int, Intervals]]] = {}
    frontier: list[tuple[int, int, Intervals]] = []
    for n in np.flatnonzero(transit):
        if at[n + 1] > at[n]:
            spans = Intervals(ds[at[n] : at[n + 1]], de[at[n] : at[n + 1]])
            chains[int(n)] = [(1 << int(n), spans)]
            frontier.append((int(n), 1 << int(n), spans))
    into = _by_target(u[inner], v[inner], s[inner], e[inner], o[inner], count)
    for _ in range(max_hops - 1):
        found: dict[tuple[int, int], list[Intervals]] = {}
        for n, chain, spans in frontier:
            for a, start, end in _extend(into, n, chain, spans):
                found.setdefault((a, chain | 1 << a), []).append(Intervals(start, end))
        frontier = []
        for (n, chain), parts in found.items():
            fresh = Intervals.union_of(parts)
            for other, spans in chains.get(n, ()):
                if other & ~chain == 0:
                    fresh = fresh - spans
            solid = fresh.durations_s > _SLIVER_S
            if solid.any():
                fresh = Intervals(fresh.start_s[solid], fresh.end_s[solid])
                chains.setdefault(n, []).append((chain, fresh))
                frontier.append((n, chain, fresh))
        if not frontier:
            break

    live = {n: Intervals.union_of(i for _, i in parts) for n, parts in chains.items()}
    at, ls, le = _stack(live, count)
    outer_node, outer_s, outer_e = _join(u[outer], v[outer], s[outer], e[outer], o[outer], at, ls, le)
    leaf = direct & ~transit[u]
    at, ls, le = _unite(
        np.concatenate((outer_node, u[leaf], np.repeat(np.arange(count), np.diff(at)))),
        np.concatenate((outer_s, s[leaf], ls)), np.concatenate((outer_e, e[leaf], le)), count,
    )  # fmt: skip
    return LivePaths(table, final, at, ls, le, chains)


def live_path(plan, targets, min_rate_bps: float = 0.0, *, transit=None) -> dict[str, Intervals]:
    """The transmit times (seconds past the epoch) from which a node has a live path to a target.

    An empty bundle sent at such a time reaches one of ``targets`` (a name or several) without
    waiting anywhere, every hop at ``min_rate_bps`` or more, each hop's light time honoured; no
    node occurs twice on the path. ``transit``: names that may forward (all by default). One entry
    a node that is not a target.

    >>> plan = ContactTable.of_rows([
    ...     ("1", "site", "relay", 0, 100, 1e6, 1.0), ("2", "relay", "earth", 51, 200, 1e6, 1.0)])
    >>> live_path(plan, "earth", 1e6)["site"].pairs()
    [(50.0, 100.0)]
    """
    table = table_of(plan)
    table = table.keep(table.rate_bps >= min_rate_bps)
    may = None
    if transit is not None:
        may = np.zeros(len(table.names), dtype=bool)
        may[table.numbers(transit)] = True
    return find_live_paths(table, table.numbers(targets), may).by_name()


def crosslinked(paths: LivePaths, craft: np.ndarray) -> dict[int, Intervals]:
    """For each spacecraft, when it has a live path whose first hop is to another spacecraft.

    ``craft``: bool, one a node. Seconds past the epoch, by node number.
    """
    t = paths.table
    hop = craft[t.source] & craft[t.target]
    into = _by_target(t.source[hop], t.target[hop], t.start_s[hop], t.end_s[hop], t.owlt_s[hop],
                      len(t.names))  # fmt: skip
    parts: dict[int, list[Intervals]] = {}
    for n, chains in paths.chains.items():
        for chain, spans in chains:
            for a, start, end in _extend(into, n, chain, spans):
                parts.setdefault(a, []).append(Intervals(start, end))
    return {n: Intervals.union_of(p) for n, p in parts.items()}


def _by_target(u, v, s, e, o, count):
    order = np.argsort(v, kind="stable")
    return np.searchsorted(v[order], np.arange(count + 1)), *(x[order] for x in (u, v, s, e, o))


def _extend(into, n, chain, spans):
    """(source, starts, ends) of the spans of each node not in the chain that can send to ``n``."""
    first, *columns = into
    part = slice(first[n], first[n + 1])
    if part.start == part.stop:
        return
    u, v, s, e, o = (x[part] for x in columns)
    at = np.array([0, len(spans)])
    node, start, end = _join(u, np.zeros_like(v), s, e, o, at, spans.start_s, spans.end_s)
    # contacts are sorted by source within a target, so each source's spans are together
    edges = np.flatnonzero(np.diff(node)) + 1
    for a, b in zip(np.concatenate(([0], edges)), np.concatenate((edges, [node.size])), strict=True):
        if b > a and not chain >> int(node[a]) & 1:
            yield int(node[a]), start[a:b], end[a:b]


def _stack(live: dict[int, Intervals], count: int):
    size = np.zeros(count + 1, dtype=np.int64)
    for n, spans in live.items():
        size[n + 1] = len(spans)
    some = [live[n] for n in sorted(live)]
    start = np.concatenate([i.start_s for i in some]) if some else np.empty(0)
    end = np.concatenate([i.end_s for i in some]) if some else np.empty(0)
    return np.cumsum(size), start, end
