"""When a complete path is up: transmit times from which an empty bundle never has to wait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.livepath_kernels import SLIVER_S, follow_paths, reachable, unite
from orbits.compiled import njit
from orbits.intervals import Intervals


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


@dataclass(frozen=True)
class LivePaths:
    """The transmit times with a live path, for every node of a contact table.

    ``at, start_s, end_s``: the spans of node n are at[n]:at[n + 1].
    """

    table: ContactTable
    final: np.ndarray
    at: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray

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

    ``transit``: which nodes may forward (bool, one a node; all by default). A path among them has
    at most ``max_hops`` contacts and visits no node twice (two craft must not bounce a bundle
    until a window opens).
    """
    count = len(table.names)
    final, transit = _roles(table, targets, transit)
    u, v, s, e, o = table.source, table.target, table.start_s, table.end_s, table.owlt_s
    inner = np.flatnonzero(transit)
    node, begin, finish = _among(table, final, transit, max_hops, across=False)
    at, ls, le = unite(inner[node], begin, finish, count)
    outer = transit[v] & ~final[u] & ~transit[u]
    outer_node, outer_s, outer_e = _join(
        u[outer], v[outer], s[outer], e[outer], o[outer], at, ls, le
    )
    leaf = final[v] & ~final[u] & ~transit[u]
    all_at, all_s, all_e = unite(
        np.concatenate((outer_node, u[leaf], np.repeat(np.arange(count), np.diff(at)))),
        np.concatenate((outer_s, s[leaf], ls)), np.concatenate((outer_e, e[leaf], le)), count,
    )  # fmt: skip
    return LivePaths(table, final, all_at, all_s, all_e)


def _roles(table: ContactTable, targets, transit):
    final = np.zeros(len(table.names), dtype=bool)
    final[targets] = True
    return final, (~final if transit is None else transit & ~final)


def _among(table: ContactTable, final, transit, max_hops: int, *, across: bool):
    """Live spans of the forwarding nodes (numbered among themselves): node, start, end in s.

    With ``across``, of paths whose first hop is to another of them, ``max_hops`` beyond it.
    """
    u, v, s, e, o = table.source, table.target, table.start_s, table.end_s, table.owlt_s
    number = np.cumsum(transit) - 1
    count = int(transit.sum())
    direct, through = transit[u] & final[v], transit[u] & transit[v]
    if not direct.any():
        return np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
    links = [
        np.concatenate((x[direct], y[through]))
        for x, y in ((number[u] * (count + 1) + count, number[u] * (count + 1) + number[v]),
                     (s, s), (e, e))
    ]  # fmt: skip
    at, begin, finish = unite(*links, count * (count + 1))
    pair = np.repeat(np.arange(count * (count + 1)), np.diff(at))
    # no bundle is under way for longer than this before its last hop
    longest_s = (max_hops if across else max_hops - 1) * o[through].max(initial=0.0)
    sure = finish - longest_s > begin
    found = reachable(
        pair[sure], begin[sure], finish[sure] - longest_s, count, max_hops, across
    )  # fmt: skip
    if longest_s == 0.0:
        return found
    perhaps = reachable(pair, begin - longest_s, finish, count, max_hops, across)
    low, high = _apart(found, perhaps, 2.0 * longest_s + SLIVER_S)
    order = np.flatnonzero(through)[np.argsort(s[through], kind="stable")]
    base_at, base_s, base_e = unite(number[u[direct]], s[direct], e[direct], count)
    near = follow_paths(
        low, high, number[u[order]], number[v[order]], s[order], e[order], o[order],
        base_at, base_s, base_e, count, max_hops + across, across,
    )  # fmt: skip
    return tuple(np.concatenate(parts) for parts in zip(found, near, strict=True))


def _apart(inner, outer, beside_s: float):
    """Where spans of the same nodes (node, start, end; one set within the other) differ: s.

    Starts and ends of the windows, with so much on either side, joined where they meet.
    """
    when = np.concatenate((outer[1], outer[2], inner[1], inner[2]))
    more, less = np.ones(outer[1].size), np.ones(inner[1].size)
    order = np.argsort(when, kind="stable")
    when = when[order]
    depth = np.cumsum(np.concatenate((more, -more, -less, less))[order])
    apart = (depth[:-1] > 0.5) & (np.diff(when) > 0.0)
    windows = Intervals(when[:-1][apart] - beside_s, when[1:][apart] + beside_s)
    return windows.start_s, windows.end_s


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


def crosslinked(
    table: ContactTable, targets, craft: np.ndarray, *, max_hops: int = 8
) -> dict[int, Intervals]:
    """For each spacecraft, when it has a live path whose first hop is to another spacecraft.

    ``craft``: the nodes that may forward (bool, one a node). Seconds past the epoch, by number.
    """
    final, transit = _roles(table, targets, craft)
    node, begin, finish = _among(table, final, transit, max_hops, across=True)
    at, s, e = unite(node, begin, finish, int(transit.sum()))
    return {
        int(n): Intervals(s[at[k] : at[k + 1]], e[at[k] : at[k + 1]])
        for k, n in enumerate(np.flatnonzero(transit))
        if at[k + 1] > at[k]
    }


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
