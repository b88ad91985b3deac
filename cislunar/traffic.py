"""What becomes of the data that users produce: delivered share, queues, latency, load.

Data flows as streams. A batch goes the way by which its first bit arrives earliest (store and
forward, over what is free of the contacts), as much of it as fits; the rest goes by the next best
way. What has been promised to earlier data stays promised. A relay may send on what it is still
receiving.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.traffic_kernel import simulate
from orbits.constants import DAY_S
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from cislunar.nodes import Node

BATCH_S = 3600.0
SERVICES = ("relay", "direct")
TRAFFIC_COLUMNS = (
    "source", "service", "offered_bit", "delivered_bit", "delivered_frac", "queued_bit",
    "dropped_bit", "queue_max_bit", "latency_p50_s", "latency_p95_s", "latency_max_s",
    "deadline_s", "deadline_missed_frac",
)  # fmt: skip
LOAD_COLUMNS = (
    "node", "kind", "received_bit_per_day", "sent_bit_per_day", "receive_busy_frac",
    "send_busy_frac", "queue_max_bit", "queue_mean_bit",
)  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """Data that one node sends to any of some others: bits a day, and how old it may get (s).

    ``service`` ``direct`` takes no relay. Of batches that are ready together the higher
    ``priority`` goes first.
    """

    source: str
    targets: tuple[str, ...]
    bit_per_day: float
    deadline_s: float | None = None
    service: str = "relay"
    priority: float = 1.0


def demands_of(nodes: Iterable[Node]) -> list[Demand]:
    """The demands that needs state: their volume a day, to any Earth station, within their latency.

    Needs of ``relay`` and ``direct`` with a ``volume_bit_per_day``; others state no amount.
    """
    nodes = tuple(nodes)
    stations = tuple(n.name for n in nodes if n.kind == "station")
    return [
        Demand(
            node.name, stations, need.volume_bit_per_day, need.latency_s, need.service,
            node.priority,
        )
        for node in nodes
        for need in node.needs
        if need.service in SERVICES and need.volume_bit_per_day
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Traffic:
    """What was delivered (one row a demand), how busy nodes were, and every hop of every stream.

    Of each hop: the number of its ``batch`` and ``stream``, the ``contact`` (a row of ``table``),
    when its first bit leaves (s past the epoch) and its bits. ``ready_s`` and ``bit`` of each
    batch, with the number of its ``demand``, and what of it is left and dropped.
    """

    table: ContactTable
    demands: tuple[Demand, ...]
    kinds: Mapping[str, str]
    batch: np.ndarray = field(repr=False)
    stream: np.ndarray = field(repr=False)
    contact: np.ndarray = field(repr=False)
    start_s: np.ndarray = field(repr=False)
    hop_bit: np.ndarray = field(repr=False)
    ready_s: np.ndarray = field(repr=False)
    bit: np.ndarray = field(repr=False)
    demand: np.ndarray = field(repr=False)
    left_bit: np.ndarray = field(repr=False)
    dropped_bit: np.ndarray = field(repr=False)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a demand: what was delivered, by when, and what was late, left or dropped."""
        return _frame(self)

    @cached_property
    def station_load(self) -> pd.DataFrame:
        """One row a node that forwards or receives: how much it carries, and how busy it is."""
        return _load(self)

    def queue(self, node: str, demand: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Data waiting at a node: instants (s) and bits there, linear from one to the next.

        A batch comes at once when it is ready, so an instant may occur twice. ``demand``: that of
        one demand alone (by number).
        """
        return _queue(self, self.table.number(node), demand)

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False, max_rows=100) + self.station_load.to_html(
            index=False, max_rows=100
        )


def simulate_traffic(
    plan,
    demands: Sequence[Demand],
    *,
    nodes: Iterable[Any] = (),
    transit: Iterable[str] | None = None,
    storage_bit: Mapping[str, float] | None = None,
    batch_s: float = BATCH_S,
) -> Traffic:
    """What becomes of demands over a contact plan.

    Data of ``batch_s`` seconds is ready at their end; batches are booked by that time, then
    priority, then the order of ``demands``, stream by stream onto the earliest delivery that what
    is free of the contacts allows. Latency runs from then to the arrival of a stream's last bit;
    late data is still delivered. ``nodes`` tell who may forward (spacecraft, and surface nodes that
    serve others) and what each can store; ``transit`` and ``storage_bit`` say so by name (without
    both, every node forwards and none is ever full). A stream counts against a storage from its
    first bit's arrival to its last bit's departure; what its own source cannot hold is dropped.

    >>> plan = ContactTable.of_rows([("1", "site", "earth", 43200, 43210, 1e6, 1.5)])
    >>> done = simulate_traffic(plan, [Demand("site", ("earth",), 1e7)], batch_s=21600.0)
    >>> float(done.frame.delivered_bit[0]), float(done.frame.latency_p50_s[0].round(3))
    (5000000.0, 6.5)
    """
    nodes = tuple(nodes)
    names = [n.name for n in nodes] + [n for d in demands for n in (d.source, *d.targets)]
    table = table_of(plan, names)
    if not (batch_s > 0.0 and np.isfinite(batch_s)):
        raise InputError("batches must have a length", key="batch_s", value=batch_s, allowed="> 0")
    for one in demands:
        if one.service not in SERVICES:
            raise InputError(f"no traffic of service {one.service!r}", allowed=", ".join(SERVICES))
        if not (one.bit_per_day > 0.0 and np.isfinite(one.bit_per_day)):
            raise InputError("a demand must be > 0 bit a day", value=one.bit_per_day)
    count = len(table.names)
    forwards = np.ones(count, dtype=bool)
    if transit is not None or nodes:
        chosen = transit
        if chosen is None:
            chosen = [
                n.name
                for n in nodes
                if n.kind == "spacecraft" or (n.kind == "asset" and n.serves_radius_km)
            ]
        forwards = np.zeros(count, dtype=bool)
        forwards[table.numbers(chosen)] = True
    storage = np.full(count, np.inf)
    held = {n.name: n.storage_bit for n in nodes if n.storage_bit is not None}
    for name, bits in (held | dict(storage_bit or {})).items():
        storage[table.number(name)] = bits
    targets = np.zeros((len(demands), count), dtype=bool)
    through = np.zeros((len(demands), count), dtype=bool)
    for i, one in enumerate(demands):
        targets[i, table.numbers(one.targets)] = True
        through[i] = forwards & (one.service == "relay") & ~targets[i]
    edges = np.append(np.arange(0.0, table.span_s, batch_s), table.span_s)
    ready = np.tile(edges[1:], len(demands))
    demand = np.repeat(np.arange(len(demands)), edges.size - 1)
    rate = np.array([d.bit_per_day / DAY_S for d in demands])
    rank = np.array([-d.priority for d in demands])
    bits = rate[demand] * np.tile(np.diff(edges), len(demands))
    order = np.lexsort((demand, rank[demand], ready))
    ready, demand, bits = ready[order], demand[order], bits[order]
    home = np.array([table.number(d.source) for d in demands], dtype=np.int64)
    batch, stream, contact, start_s, hop_bit, left, dropped = simulate(
        ready, bits, home[demand], demand, targets, through, storage, *_pairs(table),
    )  # fmt: skip
    return Traffic(
        table, tuple(demands), {n.name: n.kind for n in nodes}, batch, stream, contact, start_s,
        hop_bit, ready, bits, demand, left, dropped,
    )  # fmt: skip


def _pairs(table: ContactTable):
    """The contacts by pair: what the kernel takes (see ``simulate``)."""
    u, v = table.source, table.target
    new = np.flatnonzero(np.concatenate(([True], (np.diff(u) != 0) | (np.diff(v) != 0))))
    new = new if u.size else np.empty(0, dtype=np.int64)
    contacts = np.append(new, u.size).astype(np.int64)
    pairs = np.searchsorted(u[new], np.arange(len(table.names) + 1)).astype(np.int64)
    reach = table.end_s.copy()
    least = np.empty(new.size)
    for p in range(new.size):
        part = slice(contacts[p], contacts[p + 1])
        reach[part] = np.maximum.accumulate(reach[part])
        least[p] = table.owlt_s[part].min()
    return (
        pairs, v[new], least, contacts, table.start_s, table.end_s, reach, table.owlt_s,
        table.rate_bps,
    )  # fmt: skip


def _last_hops(t: Traffic) -> np.ndarray:
    return np.flatnonzero(np.append(t.stream[1:] != t.stream[:-1], True)) if t.stream.size else (
        np.empty(0, dtype=np.int64)
    )  # fmt: skip


def _first_hops(t: Traffic) -> np.ndarray:
    return np.flatnonzero(np.append(True, t.stream[1:] != t.stream[:-1])) if t.stream.size else (
        np.empty(0, dtype=np.int64)
    )  # fmt: skip


def _percentile(value: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The least value that at least a share of the weight does not exceed."""
    order = np.argsort(value, kind="stable")
    total = np.cumsum(weight[order])
    at = np.searchsorted(total, share * total[-1] * (1.0 - 1e-12))
    return float(value[order][at])


def _frame(t: Traffic):
    import pandas as pd

    last = _last_hops(t)
    arrived = (
        t.start_s[last] + t.hop_bit[last] / t.table.rate_bps[t.contact[last]]
        + t.table.owlt_s[t.contact[last]]
    )  # fmt: skip
    late = arrived - t.ready_s[t.batch[last]]
    rows = []
    for i, one in enumerate(t.demands):
        mine, batches = t.demand[t.batch[last]] == i, t.demand == i
        bits, age = t.hop_bit[last][mine], late[mine]
        offered = float(t.bit[batches].sum())
        missed = None
        if one.deadline_s is not None:
            in_time = float(bits[age <= one.deadline_s].sum())
            due = batches & (t.ready_s + one.deadline_s <= t.table.span_s)
            lost = float(bits[age > one.deadline_s].sum())
            lost += float((t.left_bit + t.dropped_bit)[due].sum())
            missed = lost / (in_time + lost) if in_time + lost > 0.0 else None
        shown = [None, None, None]
        if bits.size:
            shown = [_percentile(age, bits, 0.5), _percentile(age, bits, 0.95), float(age.max())]
        rows.append(
            (
                one.source, one.service, offered, float(bits.sum()),
                float(bits.sum()) / offered, float(t.left_bit[batches].sum()),
                float(t.dropped_bit[batches].sum()),
                float(t.queue(one.source, i)[1].max(initial=0.0)), *shown, one.deadline_s, missed,
            )
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(TRAFFIC_COLUMNS))
    empty = ("latency_p50_s", "latency_p95_s", "latency_max_s", "deadline_s")
    return frame.astype(dict.fromkeys((*empty, "deadline_missed_frac"), "Float64"))


def _queue(t: Traffic, node: int, demand: int | None):
    table = t.table
    owner = t.demand[t.batch]
    wanted = np.ones(t.batch.size, dtype=bool) if demand is None else owner == demand
    first = np.zeros(t.batch.size, dtype=bool)
    first[_first_hops(t)] = True
    final = np.zeros(t.batch.size, dtype=bool)
    final[_last_hops(t)] = True
    leave = wanted & (table.source[t.contact] == node)
    come = wanted & (table.target[t.contact] == node) & ~final
    when, slope, step = [], [], []
    for hops, sign, late in ((leave, -1.0, 0.0), (come, 1.0, 1.0)):
        c = t.contact[hops]
        begin = t.start_s[hops] + late * table.owlt_s[c]
        when += [begin, begin + t.hop_bit[hops] / table.rate_bps[c]]
        slope += [sign * table.rate_bps[c], -sign * table.rate_bps[c]]
        step += [np.zeros(c.size)] * 2
    home = np.array([table.number(d.source) == node for d in t.demands], dtype=bool)
    mine = home[t.demand] if t.demands else np.zeros(0, dtype=bool)
    if demand is not None:
        mine = mine & (t.demand == demand)
    when.append(t.ready_s[mine])
    slope.append(np.zeros(mine.sum()))
    step.append((t.bit - t.dropped_bit)[mine])
    moment, bend, jump = (np.concatenate(x) for x in (when, slope, step))
    if not moment.size:
        return moment, moment
    order = np.argsort(moment, kind="stable")
    moment, bend, jump = moment[order], np.cumsum(bend[order]), np.cumsum(jump[order])
    flow = np.concatenate(([0.0], np.cumsum(bend[:-1] * np.diff(moment))))
    after = flow + jump
    before = flow + np.concatenate(([0.0], jump[:-1]))
    level = np.maximum(np.column_stack((before, after)).ravel(), 0.0)
    return np.repeat(moment, 2), level


def _load(t: Traffic):
    import pandas as pd

    table, span_s = t.table, t.table.span_s
    rows = []
    seconds = t.hop_bit / table.rate_bps[t.contact]
    for k, name in enumerate(table.names):
        figures = []
        for end, late in ((table.target, table.owlt_s), (table.source, np.zeros(len(table)))):
            mine = end[t.contact] == k
            begin = t.start_s[mine] + late[t.contact[mine]]
            busy = Intervals(begin, begin + seconds[mine]).total_s / span_s
            figures.append((float(t.hop_bit[mine].sum()) / (span_s / DAY_S), busy))
        if not any(bits for bits, _ in figures):
            continue
        when, level = t.queue(name)
        mean = float((0.5 * (level[1:] + level[:-1]) * np.diff(when)).sum()) / span_s
        if when.size:
            mean += float(level[-1]) * max(0.0, span_s - float(when[-1])) / span_s
        rows.append(
            (
                name, t.kinds.get(name, ""), figures[0][0], figures[1][0], figures[0][1],
                figures[1][1], float(level.max(initial=0.0)), mean,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(LOAD_COLUMNS))
