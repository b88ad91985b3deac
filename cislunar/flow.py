"""How much can be delivered in a window: the maximum flow over a plan's contacts, and its limit.

The flow is a fluid of bits: sent over a contact at up to its rate, at the receiver one light time
later, kept there within the node's storage, sent on at once or later. Every forwarding node's time
is cut at the instants at which a minimum cut can change sides there: its contacts' edges, and,
through contacts between forwarding nodes, the other's instants one light time apart. The flow over
the time so cut has the volume of the exact optimum over continuous time (by duality: it is the
least capacity over all cuts at those instants). Times are taken to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.livepath import live_path
from cislunar.max_flow import max_flow
from cislunar.profile import arrival_profile
from orbits.compiled import njit
from orbits.constants import DAY_S
from orbits.errors import ComputationError, InputError

if TYPE_CHECKING:
    import pandas as pd

_US = 1e-6
_NODE = 1 << 46  # microseconds: over two years; a key is node x this + time
MOST_ROUNDS = 100  # of instants sent on: two nodes that hear each other echo for ever
MOST_CUTS = 2_000_000  # of all nodes' time together, some 1 GB of network


@dataclass(frozen=True)
class Deliverable:
    """The most that ``source`` can deliver between two instants (s past the epoch), in bits.

    ``sent_bit`` and ``cut_bit``, one a contact of ``plan``: what the optimum sends over it, and
    what it adds to the minimum cut, the set of contacts that limits the whole (of several such
    sets, that nearest to the source). ``storage_cut_bit``: what full storage adds, by node.
    """

    plan: ContactTable
    source: str
    targets: tuple[str, ...]
    start_s: float
    end_s: float
    volume_bit: float
    sent_bit: np.ndarray
    cut_bit: np.ndarray
    storage_cut_bit: dict[str, float]

    @property
    def bottlenecks(self) -> pd.DataFrame:
        """The contacts of the minimum cut, largest first: more of any other contact adds nothing.

        Their ``cut_bit`` and the storage's add up to the volume.
        """
        import pandas as pd

        t, names = self.plan, np.array(self.plan.names, dtype=object)
        found = np.flatnonzero(self.cut_bit > 0)
        found = found[np.argsort(-self.cut_bit[found], kind="stable")]
        return pd.DataFrame({
            "contact_id": t.contact_id[found], "source": names[t.source[found]],
            "target": names[t.target[found]], "start_s": t.start_s[found],
            "end_s": t.end_s[found], "rate_bps": t.rate_bps[found],
            "cut_bit": self.cut_bit[found],
        })  # fmt: skip

    def _repr_html_(self) -> str:
        hours = (self.end_s - self.start_s) / 3600.0
        return (
            f"<p>{self.volume_bit / 1e9:.3f} Gbit from {escape(self.source)} to "
            f"{escape(', '.join(self.targets))} in {hours:.1f} h; limited by</p>"
            + self.bottlenecks.to_html(index=False, max_rows=20)
        )


def deliverable_volume(
    plan,
    source: str,
    targets,
    start_s: float = 0.0,
    end_s: float | None = None,
    *,
    storage_bit: float | Mapping[str, float | None] | None = None,
    transit: Iterable[str] | None = None,
    light_step_s: float | None = None,
) -> Deliverable:
    """The most that ``source`` can send from ``start_s`` and targets have received by ``end_s``.

    ``targets``: a name or several. ``storage_bit``: what a forwarding node can keep, one figure or
    by name (unlimited where none is given; 0 allows live paths only). ``transit``: names that may
    forward (all by default). ``light_step_s`` rounds light times between forwarding nodes up to
    whole steps, which gives a lower bound: for meshes of crosslinks whose instants, one light time
    apart over and over, are too many (ComputationError says so).

    >>> rows = [("1", "a", "r", 0, 10, 5.0, 1), ("2", "r", "z", 20, 24, 10.0, 1)]
    >>> done = deliverable_volume(ContactTable.of_rows(rows), "a", "z")
    >>> done.volume_bit, done.bottlenecks["contact_id"].tolist()
    (40.0, ['2'])
    """
    table = table_of(plan)
    low, high = _window(table, start_s, end_s)
    end_s = high * _US
    names = [targets] if isinstance(targets, (str, int)) else list(targets)
    final = np.zeros(len(table.names), dtype=np.bool_)
    final[[table.number(n) for n in names]] = True
    node = table.number(source)
    if final[node]:
        raise InputError("the source is also a target", value=source)
    inner = _forwarders(table, transit, final)
    inner[node] = False
    room = _storage(table, storage_bit)
    contacts, times = _between(table, node, final, inner, low, high, light_step_s)
    value, sent, cut, held = _solve(table, contacts, times, node, final, inner, room)
    return Deliverable(
        table, str(source), tuple(str(n) for n in names), float(start_s), float(end_s), value,
        sent, cut, {table.names[n]: float(held[n]) for n in np.flatnonzero(held > 0)},
    )  # fmt: skip


def daily_volume(
    plan,
    sources: Iterable[str],
    targets,
    *,
    day_s: float = DAY_S,
    storage_bit: float | Mapping[str, float | None] | None = None,
    transit: Iterable[str] | None = None,
    light_step_s: float | None = None,
) -> pd.DataFrame:
    """One row a source and day: ``source, day, start_s, end_s, volume_bit``, each source alone.

    Days count from the plan's epoch; the last may be short. A bit counts where it is sent and
    received within the day. The rest is as in ``deliverable_volume``.
    """
    import pandas as pd

    table = table_of(plan)
    names = [targets] if isinstance(targets, (str, int)) else list(targets)
    final = np.zeros(len(table.names), dtype=np.bool_)
    final[[table.number(n) for n in names]] = True
    forwards = _forwarders(table, transit, final)
    room = _storage(table, storage_bit)
    numbers = [table.number(s) for s in sources]
    if any(final[n] for n in numbers):
        raise InputError("a source is also a target")
    rows = []
    for day in range(int(np.ceil(table.span_s / day_s - 1e-9))):
        low, high = _window(table, day * day_s, min((day + 1) * day_s, table.span_s))
        part = table.keep((table.start_s < high * _US) & (table.end_s > low * _US))
        onward = part.keep(forwards[part.source] & (forwards | final)[part.target])
        for node in numbers:
            inner = forwards.copy()
            inner[node] = False
            own = part.keep(slice(part.first[node], part.first[node + 1]))
            both = _joined(own, onward.keep(onward.source != node), node)
            contacts, times = _between(both, node, final, inner, low, high, light_step_s)
            value = _solve(both, contacts, times, node, final, inner, room)[0]
            rows.append((table.names[node], day, low * _US, high * _US, value))
    return pd.DataFrame(rows, columns=["source", "day", "start_s", "end_s", "volume_bit"])


def _joined(own: ContactTable, rest: ContactTable, node: int) -> ContactTable:
    """Both tables in one; what follows needs no order of contacts."""
    columns = [
        np.concatenate((getattr(own, k), getattr(rest, k)))
        for k in ("source", "target", "start_s", "end_s", "owlt_s", "rate_bps")
    ]
    source, target, start, end, owlt, rate = columns
    return ContactTable(
        own.names, source, target, start, end, owlt, rate, own.contact_id, own.first, own.span_s
    )


def _window(table: ContactTable, start_s: float, end_s: float | None) -> tuple[int, int]:
    # without an end: until everything that is sent has arrived
    late = float((table.end_s + table.owlt_s).max(initial=0.0))
    end_s = max(late, start_s + _US) if end_s is None else end_s
    if not (np.isfinite(start_s) and np.isfinite(end_s) and end_s > start_s):
        raise InputError("the window must end after it starts", value=end_s)
    return round(start_s / _US), round(end_s / _US)


def _forwarders(table: ContactTable, transit, final) -> np.ndarray:
    inner = ~final
    if transit is not None:
        inner[:] = False
        inner[table.numbers(list(transit))] = True
    return inner & ~final


def _storage(table: ContactTable, storage_bit) -> np.ndarray:
    room = np.full(len(table.names), np.inf)
    if isinstance(storage_bit, Mapping):
        for name, bits in storage_bit.items():
            room[table.number(name)] = np.inf if bits is None else bits
    elif storage_bit is not None:
        room[:] = storage_bit
    if not (room >= 0).all():
        raise InputError("storage must be >= 0 bit", key="storage_bit")
    return room


def _between(table, node, final, inner, low, high, light_step_s):
    """The contacts that can carry anything (indices) and their (start, end, light time) in us."""
    u, v = table.source, table.target
    step = np.inf if light_step_s is None else light_step_s
    if not step > 0:
        raise InputError("must be > 0 s", key="light_step_s", value=light_step_s)
    owlt = np.round(table.owlt_s / _US).astype(np.int64)
    if light_step_s is not None:
        whole = np.round(np.ceil(table.owlt_s / step - 1e-9) * step / _US).astype(np.int64)
        owlt = np.where(inner[u] & inner[v], whole, owlt)
    start = np.maximum(np.round(table.start_s / _US).astype(np.int64), low) - low
    end = np.round(table.end_s / _US).astype(np.int64) - low
    end = np.minimum(end, (high - low) - owlt)  # it must have arrived in the window
    may = ((u == node) | inner[u]) & (inner[v] | final[v]) & (end > start) & (table.rate_bps > 0)
    if high - low >= _NODE:
        raise InputError("the window is too long", value=(high - low) * _US, allowed="two years")
    found = np.flatnonzero(may)
    # only nodes that can be reached, and from which a target can be
    forward = _closed(u[found], v[found], np.arange(inner.size) == node)
    back = _closed(v[found], u[found], final)
    found = found[(forward[u] & back[v])[found]]
    return found, (start[found], end[found], owlt[found])


def _closed(source, target, reached):
    reached, before = reached.copy(), -1
    while reached.sum() != before:
        before = reached.sum()
        reached[target[reached[source]]] = True
    return reached


def _solve(table, contacts, times, node, final, inner, room):
    """Volume, bits sent and cut a contact of the table, and bits cut by storage a node."""
    u, v, rate = table.source[contacts], table.target[contacts], table.rate_bps[contacts]
    start, end, owlt = times
    sent, cut = np.zeros(len(table)), np.zeros(len(table))
    point = _cuts(u, v, start, end, owlt, inner, bool(np.isinf(room[inner]).all()))
    value, some_sent, some_cut, held = _flow(
        u, v, start, end, owlt, rate, point, node, final, inner, room
    )
    sent[contacts], cut[contacts] = some_sent, some_cut
    return float(value), sent, cut, held


def _cuts(u, v, start, end, owlt, inner, unlimited: bool) -> np.ndarray:
    """Every forwarding node's instants as sorted keys (node x _NODE + microseconds).

    With unlimited storage a minimum cut is one instant a node, from which on its time is on the
    source's side. Instants that are not at an edge hang together by light times, and as far as
    the nearest that is, node by node: so an edge need be followed over each node once at most.
    """
    sends, hears = inner[u], inner[v]
    point = np.unique(np.concatenate((
        u[sends] * _NODE + start[sends], u[sends] * _NODE + end[sends],
        v[hears] * _NODE + (start + owlt)[hears], v[hears] * _NODE + (end + owlt)[hears],
    )))  # fmt: skip
    among = sends & hears
    if not among.any():
        return point
    columns = tuple(x[among] for x in (u, v, start, end, owlt))
    new = point
    rounds, most = 0, int(inner.sum()) - 1 if unlimited else MOST_ROUNDS + 1
    while new.size and rounds < most:
        rounds += 1
        echo = np.unique(_echo(new, *columns))
        new = np.setdiff1d(echo, point, assume_unique=True)
        point = np.union1d(point, new)
        if point.size > MOST_CUTS or rounds > MOST_ROUNDS:
            raise ComputationError(
                "light times between forwarding nodes cut time too finely: name the nodes that "
                "forward (transit), shorten the window, or give light_step_s (e.g. 1 s) for a "
                "lower bound"
            )
    return point


@njit(cache=True, nogil=True)
def _echo(new, u, v, start, end, owlt):
    """Where instants of one node matter at another, one light time later or earlier (keys)."""
    room = 64
    out = np.empty(room, dtype=np.int64)
    used = 0
    for c in range(u.size):
        for side in range(2):
            node = u[c] if side == 0 else v[c]
            other = v[c] if side == 0 else u[c]
            shift = 0 if side == 0 else owlt[c]
            i = np.searchsorted(new, node * _NODE + start[c] + shift, side="right")
            stop = node * _NODE + end[c] + shift
            while i < new.size and new[i] < stop:
                t = new[i] - node * _NODE
                if used == room:
                    room *= 2
                    out = np.concatenate((out, np.empty(used, dtype=np.int64)))
                out[used] = other * _NODE + (t + owlt[c] if side == 0 else t - owlt[c])
                used += 1
                i += 1
    return out[:used]


@njit(cache=True, nogil=True)
def _flow(u, v, start, end, owlt, rate, point, node, final, inner, room):
    """The maximum flow over the cut time: value, bits sent and cut a contact, storage cut a node.

    Slot i is a node's time from point[i] to point[i + 1]. What the source sends into a slot, and
    what a slot sends to targets, is one arc each.
    """
    count = point.size
    into = np.zeros(count)
    out = np.zeros(count)
    direct = 0.0
    pieces = 0
    low = np.zeros(u.size, dtype=np.int64)
    high = np.zeros(u.size, dtype=np.int64)
    for c in range(u.size):
        if inner[u[c]]:
            low[c] = np.searchsorted(point, u[c] * _NODE + start[c])
            high[c] = np.searchsorted(point, u[c] * _NODE + end[c])
        elif inner[v[c]]:
            low[c] = np.searchsorted(point, v[c] * _NODE + start[c] + owlt[c])
            high[c] = np.searchsorted(point, v[c] * _NODE + end[c] + owlt[c])
        bit_us = rate[c] * _US
        if not inner[u[c]] and final[v[c]]:
            direct += bit_us * (end[c] - start[c])
        elif not inner[u[c]]:
            for i in range(low[c], high[c]):
                into[i] += bit_us * (point[i + 1] - point[i])
        elif final[v[c]]:
            for i in range(low[c], high[c]):
                out[i] += bit_us * (point[i + 1] - point[i])
        else:
            there = v[c] * _NODE + owlt[c]
            pieces += high[c] - low[c]
            pieces += np.searchsorted(point, there + end[c])
            pieces -= np.searchsorted(point, there + start[c])

    # arcs: keep in a slot's node, source into slots, slots to the target, between nodes, direct
    most = 3 * count + pieces + 1
    tail = np.empty(most, dtype=np.int64)
    head = np.empty(most, dtype=np.int64)
    capacity = np.empty(most)
    flow = np.zeros(most)
    source, sink = count, count + 1
    a = 0
    keep = np.full(count, -1, dtype=np.int64)
    enter = np.full(count, -1, dtype=np.int64)
    leave = np.full(count, -1, dtype=np.int64)
    supply = direct
    for i in range(count):
        n = point[i] // _NODE
        if i + 2 < count and point[i + 2] // _NODE == n:
            keep[i] = a
            tail[a], head[a], capacity[a] = i, i + 1, room[n]
            a += 1
        if into[i] > 0:
            supply += into[i]
            enter[i] = a
            tail[a], head[a], capacity[a] = source, i, into[i]
            a += 1
        if out[i] > 0:
            leave[i] = a
            tail[a], head[a], capacity[a] = i, sink, out[i]
            a += 1
    first = np.zeros(u.size, dtype=np.int64)
    last = np.zeros(u.size, dtype=np.int64)
    for c in range(u.size):
        if inner[u[c]] and inner[v[c]]:
            shift = v[c] * _NODE + owlt[c] - u[c] * _NODE  # from a key of u to one of v
            first[c] = a
            i, now = low[c], point[low[c]]
            j = np.searchsorted(point, now + shift)
            while i < high[c]:
                then = min(point[i + 1], point[j + 1] - shift)
                tail[a], head[a], capacity[a] = i, j, rate[c] * _US * (then - now)
                a += 1
                i += point[i + 1] == then
                j += point[j + 1] - shift == then
                now = then
            last[c] = a
    tail[a], head[a], capacity[a], flow[a] = source, sink, direct, direct
    a += 1
    tail, head, capacity, flow = tail[:a], head[:a], capacity[:a], flow[:a]
    _first_in_first_out(point, room, keep, enter, leave, capacity, flow)
    value, side = max_flow(count + 2, tail, head, capacity, flow, source, sink, 1e-13 * supply)

    sent = np.zeros(u.size)
    cut = np.zeros(u.size)
    held = np.zeros(inner.size)
    for c in range(u.size):
        for a in range(first[c], last[c]):
            sent[c] += flow[a]
            cut[c] += capacity[a] if side[tail[a]] and not side[head[a]] else 0.0
        bit_us = rate[c] * _US
        if not inner[u[c]] and final[v[c]]:
            sent[c] = cut[c] = bit_us * (end[c] - start[c])
            continue
        for i in range(low[c], high[c]):
            bits = bit_us * (point[i + 1] - point[i])
            if not inner[u[c]]:
                sent[c] += flow[enter[i]] * bits / into[i]
                cut[c] += 0.0 if side[i] else bits
            elif final[v[c]]:
                sent[c] += flow[leave[i]] * bits / out[i]
                cut[c] += bits if side[i] else 0.0
    for i in range(count):
        if keep[i] >= 0 and side[i] and not side[i + 1]:
            held[point[i] // _NODE] += room[point[i] // _NODE]
    return value, sent, cut, held


@njit(cache=True, nogil=True)
def _first_in_first_out(point, room, keep, enter, leave, capacity, flow):
    """A flow to start from: what came first from the source leaves first, node by node.

    Without crosslinks and limits of storage it is the maximum already.
    """
    count = point.size
    change = np.zeros(count)  # of what is kept, where it begins and ends
    i = 0
    for j in range(count):
        n = point[j] // _NODE
        if j == 0 or point[j - 1] // _NODE != n:
            i = j
        if leave[j] < 0 or np.isfinite(room[n]):
            continue
        while i <= j and flow[leave[j]] < capacity[leave[j]]:
            if enter[i] < 0 or flow[enter[i]] >= capacity[enter[i]]:
                i += 1
                continue
            bits = min(capacity[enter[i]] - flow[enter[i]], capacity[leave[j]] - flow[leave[j]])
            flow[enter[i]] += bits
            flow[leave[j]] += bits
            change[i] += bits
            change[j] -= bits
    kept = 0.0
    for i in range(count):
        kept = max(0.0, kept + change[i])
        if keep[i] >= 0:
            flow[keep[i]] = kept
        else:
            kept = 0.0


def compare_storage(
    plan, source: str, targets, start_s: float = 0.0, end_s: float | None = None, *, transit=None
) -> pd.DataFrame:
    """What storing buys: rows store-and-forward and live-path-only, between two instants (s).

    ``volume_bit``: the most that can be delivered. ``sendable_frac``: the share of send times from
    which an empty bundle arrives within the window.
    """
    import pandas as pd

    table = table_of(plan)
    low, high = (t * _US for t in _window(table, start_s, end_s))
    final = np.zeros(len(table.names), dtype=bool)
    final[table.numbers(targets)] = True
    end = np.where(final[table.target], np.minimum(table.end_s, high - table.owlt_s), table.end_s)
    timely = replace(table, end_s=end).keep(end > table.start_s)
    ever = arrival_profile(timely, targets, transit=transit)[str(source)]
    lost = ever.start_s[np.isinf(ever.value_s)]
    sendable_s = {
        None: np.clip(lost.min(initial=high), low, high) - low,
        0.0: live_path(timely, targets, transit=transit)[str(source)].clip(low, high).total_s,
    }
    rows = [
        (
            mode,
            deliverable_volume(
                table, source, targets, low, high, storage_bit=room, transit=transit
            ).volume_bit,
            float(sendable_s[room] / (high - low)),
        )
        for mode, room in (("store-and-forward", None), ("live-path-only", 0.0))
    ]
    return pd.DataFrame(rows, columns=["mode", "volume_bit", "sendable_frac"])
