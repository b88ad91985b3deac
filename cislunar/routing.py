"""Routes through a contact plan: earliest arrival, and the k best in the standard's order.

The rules are those of Schedule-Aware Bundle Routing (CCSDS 734.3-B-1): a bundle at a contact's
source at time a leaves at max(a, start) if that is before the contact's end, and is at the target
one light time later (plus size over rate for a bundle that has a size, which must then fit before
the end). Routes are ordered by arrival, then fewest hops, then latest end of validity, then node
names from the first hop on; a node appears at most once.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from orbits.compiled import njit
from orbits.errors import InputError


@dataclass(frozen=True)
class Route:
    """A loop-free chain of contacts; seconds past the plan's epoch, bits.

    ``valid_until_s`` is the earliest end of its contacts. ``volume_bit`` is the least over the
    contacts of rate x (stop - start), from the bundle's arrival at the contact (or its start) to
    the earliest end of it and of all that follow.
    """

    nodes: tuple[str, ...]
    contacts: tuple[str, ...]
    arrivals_s: tuple[float, ...]  # at each node after the source
    valid_until_s: float
    volume_bit: float

    @property
    def arrival_s(self) -> float:
        return self.arrivals_s[-1]

    @property
    def hops(self) -> int:
        return len(self.contacts)

    @property
    def first_hop(self) -> str:
        return self.nodes[1]

    def as_dict(self) -> dict:
        """The route as the command line prints it."""
        return {
            "arrival_s": self.arrival_s, "hops": self.hops, "contacts": list(self.contacts),
            "first_hop": self.first_hop, "valid_until_s": self.valid_until_s,
            "volume_bit": self.volume_bit,
        }  # fmt: skip


@njit(cache=True, nogil=True)
def _search(first, target, start, end, owlt, tx, usable, closed, final, node, t0, most):
    """Earliest arrivals with at most ``most`` hops from ``node`` at ``t0``.

    Returns the arrival at every node, and the best arrival at a final node after 1, 2, ... hops.
    ``closed`` nodes are not entered and final nodes not left.
    """
    count = first.size - 1
    arrival = np.full(count, np.inf)
    arrival[node] = t0
    best = np.full(most, np.inf)
    active = np.zeros(count, dtype=np.bool_)
    active[node] = True
    reached = np.inf
    for hop in range(most):
        after = arrival.copy()
        fresh = np.zeros(count, dtype=np.bool_)
        moved = False
        for u in range(count):
            if not active[u]:
                continue
            at = arrival[u]
            for c in range(first[u], first[u + 1]):
                v = target[c]
                if not usable[c] or closed[v] or v == node:
                    continue
                leave = max(at, start[c])
                if leave >= end[c] or leave + tx[c] > end[c]:
                    continue
                there = leave + tx[c] + owlt[c]
                # nothing that arrives after the best delivery can lead to it
                if there < after[v] and there <= reached:
                    after[v] = there
                    fresh[v] = True
                    moved = True
        arrival = after
        for u in range(count):
            if final[u]:
                fresh[u] = False
                reached = min(reached, arrival[u])
        best[hop] = reached
        active = fresh
        if not moved:
            best[hop:] = reached
            break
    return arrival, best


@njit(cache=True, nogil=True)
def _leading(at, kept, arrival, target, start, end, owlt, tx, final, goal):
    """Of the contacts kept (those of node u are at[u]:at[u + 1]), such as can still make the goal.

    Returns them and their places by node. A hair is allowed for sums taken in another order.
    """
    count = at.size - 1
    latest = np.full(count, -np.inf)
    latest[final] = goal
    moved = True
    while moved:
        moved = False
        for u in range(count):
            for i in range(at[u], at[u + 1]):
                c = kept[i]
                by = min(end[c], latest[target[c]] - owlt[c]) - tx[c]
                if by > latest[u] + 1e-5:
                    latest[u] = by
                    moved = True
    out = np.empty(kept.size, dtype=np.int64)
    place = np.zeros(count + 1, dtype=np.int64)
    used = 0
    for u in range(count):
        for i in range(at[u], at[u + 1]):
            c = kept[i]
            if max(arrival[u], start[c]) + tx[c] + owlt[c] <= latest[target[c]] + 1e-3:
                out[used] = c
                used += 1
        place[u + 1] = used
    return out[:used], place


@njit(cache=True, nogil=True)
def _best(first, target, start, end, owlt, tx, usable, closed, final, node, t0, most, cap_s):
    """The contacts of the best route, first to last; empty where there is none.

    Arrival and hops order sub-routes, later validity and names do not: they are settled in turn,
    over the few contacts that can be part of a route of the best arrival.
    """
    count = first.size - 1
    nothing = np.empty(0, dtype=np.int64)
    arrival, best = _search(
        first, target, start, end, owlt, tx, usable, closed, final, node, t0, most
    )
    goal = best[most - 1]
    if not np.isfinite(goal):
        return nothing
    hops = 1
    while best[hops - 1] != goal:
        hops += 1

    kept = np.empty(start.size, dtype=np.int64)
    at = np.zeros(count + 1, dtype=np.int64)
    used = 0
    for u in range(count):
        if arrival[u] <= goal and not final[u]:
            for c in range(first[u], first[u + 1]):
                leave = max(arrival[u], start[c])
                if (
                    usable[c] and leave < end[c] and leave + tx[c] <= end[c]
                    and leave + tx[c] + owlt[c] <= goal
                ):  # fmt: skip
                    kept[used] = c
                    used += 1
        at[u + 1] = used
    kept, at = _leading(at, kept[:used], arrival, target, start, end, owlt, tx, final, goal)
    v, s, e, o, x = target[kept], start[kept], end[kept], owlt[kept], tx[kept]

    # the latest end that all contacts of such a route can share
    ends = np.unique(np.minimum(e, cap_s))
    low, high = 0, ends.size - 1
    while low < high:
        middle = (low + high + 1) // 2
        _, trial = _search(at, v, s, e, o, x, e >= ends[middle], closed, final, node, t0, hops)
        if trial[hops - 1] == goal:
            low = middle
        else:
            high = middle - 1
    may = e >= ends[low]

    # of the routes left, the one whose nodes come first by name
    path = np.empty(hops, dtype=np.int64)
    shut = closed.copy()
    now = t0
    for step in range(hops):
        shut[node] = True
        onward = False
        there = np.full(count, np.inf)
        by = np.full(count, -1, dtype=np.int64)
        for c in range(at[node], at[node + 1]):
            if may[c] and not shut[v[c]]:
                leave = max(now, s[c])
                if leave < e[c] and leave + x[c] <= e[c] and leave + x[c] + o[c] < there[v[c]]:
                    there[v[c]], by[v[c]] = leave + x[c] + o[c], c
        left = hops - step - 1
        for n in range(count):
            if by[n] < 0 or there[n] > goal:
                continue
            if final[n]:
                if there[n] != goal:
                    continue
            elif left == 0:
                continue
            else:
                _, trial = _search(at, v, s, e, o, x, may, shut, final, n, there[n], left)
                if trial[left - 1] != goal:
                    continue
            path[step] = kept[by[n]]
            node, now, onward = n, there[n], True
            break
        if not onward:
            raise AssertionError("a route found by the search must be traceable")
        if final[node]:
            return path[: step + 1]
    raise AssertionError("a route must end at a target")


class _Query:
    """One source of arrays for the searches of a call."""

    def __init__(self, table: ContactTable, targets, size_bit: float):
        self.table = table
        self.final = np.zeros(len(table.names), dtype=bool)
        self.final[targets] = True
        with np.errstate(divide="ignore"):
            self.tx_s = size_bit / table.rate_bps if size_bit > 0 else np.zeros(len(table))
        self.start_s = table.start_s

    def search(self, usable, closed, node, t0, most):
        t = self.table
        return _search(
            t.first, t.target, self.start_s, t.end_s, t.owlt_s, self.tx_s,
            usable, closed, self.final, node, float(t0), most,
        )  # fmt: skip

    def send(self, contact: int, at: float) -> float:
        """Arrival over one contact for a bundle at its source at ``at``; inf if it cannot go."""
        leave = max(at, float(self.start_s[contact]))
        end, tx_s = float(self.table.end_s[contact]), float(self.tx_s[contact])
        if leave >= end or leave + tx_s > end:
            return math.inf
        return leave + tx_s + float(self.table.owlt_s[contact])

    def best(self, node, t0, usable, closed, cap_s=np.inf):
        """Contacts of the best route from ``node`` at ``t0``, or None.

        ``cap_s``: validity beyond this is no gain (the part already travelled ends there).
        """
        t = self.table
        found = _best(
            t.first, t.target, self.start_s, t.end_s, t.owlt_s, self.tx_s,
            usable, closed, self.final, node, float(t0), len(t.names) - 1, float(cap_s),
        )  # fmt: skip
        return found.tolist() if found.size else None

    def route(self, source, t0, contacts) -> Route:
        table, at, arrivals, starts = self.table, float(t0), [], []
        for c in contacts:
            starts.append(max(at, self.start_s[c]))
            at = self.send(c, at)
            arrivals.append(float(at))
        stops = np.minimum.accumulate(table.end_s[contacts][::-1])[::-1]
        volume = np.min(table.rate_bps[contacts] * (stops - np.array(starts)))
        return Route(
            nodes=(table.names[source], *(table.names[table.target[c]] for c in contacts)),
            contacts=tuple(table.contact_id[contacts]),
            arrivals_s=tuple(arrivals), valid_until_s=float(stops[0]),
            volume_bit=max(0.0, float(volume)),
        )  # fmt: skip


def _start(plan, source, targets, size_bit, t_s):
    table = table_of(plan)
    node = table.number(source)
    names = [targets] if isinstance(targets, (str, int)) else list(targets)
    wanted = np.array([table.number(n) for n in names], dtype=np.int64)
    if node in wanted:
        raise InputError("the source is also a target", value=source)
    if not (np.isfinite(t_s) and np.isfinite(size_bit) and size_bit >= 0):
        raise InputError("the time must be finite and the size finite and >= 0", value=size_bit)
    return table, node, _Query(table, wanted, float(size_bit))


def earliest_arrival(plan, source, targets, t_s: float = 0.0, size_bit: float = 0.0):
    """Seconds past the epoch when a bundle from ``source`` at ``t_s`` can first be at a target.

    ``targets`` is one name or several; None where no route exists. ``plan`` is a contact plan or
    a ``ContactTable``. Waiting at a node is allowed (store and forward).

    >>> plan = ContactTable.of_rows([("1", "a", "b", 10, 20, 1e6, 1.5)])
    >>> earliest_arrival(plan, "a", "b"), earliest_arrival(plan, "a", "b", t_s=20.0)
    (11.5, None)
    """
    table, node, query = _start(plan, source, targets, size_bit, t_s)
    everywhere, nowhere = np.ones(len(table), bool), np.zeros(len(table.names), bool)
    best = query.search(everywhere, nowhere, node, t_s, len(table.names) - 1)[1][-1]
    return float(best) if np.isfinite(best) else None


def earliest_arrivals(plan, source, t_s: float = 0.0, size_bit: float = 0.0) -> dict[str, float]:
    """Earliest arrival, in seconds past the epoch, at every node that ``source`` can reach."""
    table, node, query = _start(plan, source, (), size_bit, t_s)
    everywhere, nowhere = np.ones(len(table), bool), np.zeros(len(table.names), bool)
    arrival, _ = query.search(everywhere, nowhere, node, t_s, max(1, len(table.names) - 1))
    return {
        name: float(a)
        for name, a in zip(table.names, arrival, strict=True)
        if np.isfinite(a) and name != table.names[node]
    }


def best_routes(
    plan, source, targets, t_s: float = 0.0, k: int = 1, size_bit: float = 0.0
) -> list[Route]:
    """The ``k`` best loop-free routes (fewer if there are fewer), best first.

    Yen's algorithm over contacts: two routes that differ in one contact are two routes. The order
    is arrival, hops, later end of validity, node names.
    """
    table, source_node, query = _start(plan, source, targets, size_bit, t_s)
    everywhere = np.ones(len(table), bool)

    def key(contacts):
        route = query.route(source_node, t_s, contacts)
        return (
            route.arrival_s, route.hops, -route.valid_until_s,
            tuple(int(table.target[c]) for c in contacts), tuple(contacts),
        )  # fmt: skip

    found: list[list[int]] = []
    best = query.best(source_node, t_s, everywhere, np.zeros(len(table.names), bool))
    heap = [] if best is None or k < 1 else [(key(best), 0)]
    while heap:
        (*_, contacts), deviation = heapq.heappop(heap)
        contacts = list(contacts)
        found.append(contacts)
        if len(found) == k:
            break
        # every other route shares some prefix with this one, then takes another contact; before
        # `deviation` its siblings are already in the heap (Lawler)
        node, at, cap_s = source_node, float(t_s), np.inf
        closed = np.zeros(len(table.names), bool)
        for i, contact in enumerate(contacts):
            if i >= deviation:
                usable = everywhere.copy()
                usable[[f[i] for f in found if len(f) > i and f[:i] == contacts[:i]]] = False
                spur = query.best(node, at, usable, closed, cap_s)
                if spur is not None:
                    heapq.heappush(heap, (key(contacts[:i] + spur), i))
            closed[node] = True
            at = query.send(contact, at)
            node, cap_s = int(table.target[contact]), min(cap_s, float(table.end_s[contact]))
    return [query.route(source_node, t_s, contacts) for contacts in found]
