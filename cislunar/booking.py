"""Bundles of several sizes and priorities sharing the contacts of a plan, and what is left of it.

A contact sends one bundle at a time, at its rate; a node forwards a bundle (or a fragment of one)
when it has wholly received it. Routing a bundle books the seconds it needs on every contact of
its route. Bundles are served by priority, then in the order given, so that none ever waits for one
of lower priority: what priority p finds free is the volume less what priorities p and above have
booked, which is how Schedule-Aware Bundle Routing (CCSDS 734.3-B-1) counts residual volume.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.routing import Route, best_routes
from orbits.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_ROWS = ("source", "target", "start_s", "end_s", "owlt_s", "rate_bps", "contact_id", "row")
_BYTE_BIT = 8.0


@dataclass(frozen=True)
class Bundle:
    """What is to be sent: ``size_bit`` from ``source`` at ``created_s`` (s past the epoch).

    ``priority``: a whole number, higher goes first (BPv6: 0 bulk, 1 normal, 2 expedited).
    ``whole``: must not be fragmented; then a contact that is too small for it is never used.
    """

    source: str
    target: str
    created_s: float
    size_bit: float
    priority: int = 0
    whole: bool = True


@dataclass(frozen=True)
class Delivery:
    """How a bundle goes: its fragments' routes and sizes (bit), and what finds no way (bit).

    A bundle that is sent whole has one route and leaves nothing, or none and leaves all.
    """

    bundle: Bundle
    routes: tuple[Route, ...]
    sizes_bit: tuple[float, ...]
    left_bit: float

    @property
    def arrival_s(self) -> float | None:
        """When the last bit is there, s past the epoch; None if any bit finds no way."""
        if self.left_bit > 0 or not self.routes:
            return None
        return max(r.arrival_s for r in self.routes)


@dataclass(frozen=True)
class Bookings:
    """The deliveries in the order the bundles were given, and the plan with its booked volume.

    ``booked_bit``: {priority: bits booked on each contact of ``plan``}.
    """

    plan: ContactTable
    deliveries: tuple[Delivery, ...]
    booked_bit: dict[int, np.ndarray]

    def residual_bit(self, priority: int = 0) -> np.ndarray:
        """Bits of each contact of ``plan`` that a bundle of that priority finds unbooked."""
        volume = self.plan.rate_bps * (self.plan.end_s - self.plan.start_s)
        for level, bits in self.booked_bit.items():
            if level >= priority:
                volume = volume - bits
        return volume

    @property
    def frame(self) -> pd.DataFrame:
        """One row a bundle: bits, fragments, first and last arrival (s; missing where none)."""
        import pandas as pd

        rows = []
        for d in self.deliveries:
            b, last = d.bundle, d.arrival_s
            rows.append(
                (b.source, b.target, b.created_s, b.size_bit, b.priority, len(d.routes),
                 d.left_bit, last, None if last is None else last - b.created_s)
            )  # fmt: skip
        columns = [
            "source", "target", "created_s", "size_bit", "priority", "fragments", "left_bit",
            "arrival_s", "latency_s",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns).astype(
            {"arrival_s": "Float64", "latency_s": "Float64"}
        )

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False, max_rows=100)


def forward_bundles(plan, bundles: Iterable[Bundle]) -> Bookings:
    """The deliveries of bundles that share a plan's contacts, by priority, then in their order.

    Each takes its best route (arrival, hops, validity, names) through what is still free. A bundle
    that may be fragmented and does not fit whole on its best route sends what fits there, the rest
    on the next best, each fragment at least a byte.

    >>> rows = [("1", "a", "b", 0, 10, 100, 1), ("2", "a", "b", 20, 40, 100, 1)]
    >>> plan = ContactTable.of_rows(rows)
    >>> low, high = Bundle("a", "b", 0, 800), Bundle("a", "b", 0, 600, priority=2)
    >>> done = forward_bundles(plan, [low, high])
    >>> [d.arrival_s for d in done.deliveries], done.residual_bit(0).tolist()
    ([29.0, 7.0], [400.0, 1200.0])
    """
    table = table_of(plan)
    bundles = tuple(bundles)
    for bundle in bundles:
        if not np.isfinite(bundle.size_bit) or bundle.size_bit <= 0 or bundle.priority < 0:
            raise InputError(
                "a bundle needs a size > 0 bit and a priority >= 0", value=bundle.size_bit
            )
    # pieces know their contact by its place in the table
    free = replace(table, row=np.arange(len(table)))
    booked: dict[int, np.ndarray] = {}
    found: dict[int, Delivery] = {}
    for i in sorted(range(len(bundles)), key=lambda i: (-bundles[i].priority, i)):
        found[i], free = _deliver(free, bundles[i], booked, len(table))
    return Bookings(table, tuple(found[i] for i in range(len(bundles))), booked)


def _deliver(
    free: ContactTable, bundle: Bundle, booked, count: int
) -> tuple[Delivery, ContactTable]:
    left, routes, sizes = float(bundle.size_bit), [], []
    while left > 0:
        least = left if bundle.whole else min(left, _BYTE_BIT)
        # pieces of one contact share its id: routes are asked for by place
        named = replace(free, contact_id=np.arange(len(free)))
        best = best_routes(named, bundle.source, bundle.target, bundle.created_s, 1, least)
        if not best:
            break
        pieces = [int(c) for c in best[0].contacts]
        size = min(left, max(least, largest_whole_bit(free, pieces, bundle.created_s)))
        at, arrivals, cuts = float(bundle.created_s), [], []
        level = booked.setdefault(bundle.priority, np.zeros(count))
        for c in pieces:
            leave = max(at, float(free.start_s[c]))
            done = leave + size / float(free.rate_bps[c])
            at = done + float(free.owlt_s[c])
            arrivals.append(at)
            cuts.append((c, leave, done))
            level[free.row[c]] += size
        routes.append(
            replace(best[0], contacts=tuple(free.contact_id[pieces]), arrivals_s=tuple(arrivals))
        )
        sizes.append(size)
        left -= size
        for cut in sorted(cuts, reverse=True):
            free = _without(free, *cut)
    return Delivery(bundle, tuple(routes), tuple(sizes), left), free


def largest_whole_bit(plan: ContactTable, contacts, t_s: float) -> float:
    """The largest bundle (bit) that can go over contacts (places in the table) from ``t_s``, whole.

    Each hop waits for all of it. The bound is that of every run of hops: the last must end after
    the start of the first, the light times between and the sum of the transmission times.
    """
    start, end, owlt, rate = (
        getattr(plan, k)[contacts] for k in ("start_s", "end_s", "owlt_s", "rate_bps")
    )
    start = start.copy()
    start[0] = max(start[0], t_s)
    most = np.inf
    for j in range(start.size):
        slowness, light = 0.0, 0.0
        for i in range(j, start.size):
            if rate[i] <= 0:
                return 0.0
            slowness += 1.0 / rate[i]
            most = min(most, (end[i] - start[j] - light) / slowness)
            light += owlt[i]
    # a hair less, so that sums taken hop by hop stay within the ends
    return max(0.0, float(most) * (1.0 - 1e-12))


def _without(table: ContactTable, c: int, low_s: float, high_s: float) -> ContactTable:
    """The table with ``[low_s, high_s)`` taken out of contact ``c``, in the same order."""
    start, end = table.start_s[c], table.end_s[c]
    pieces = [(a, b) for a, b in ((start, low_s), (high_s, end)) if b > a]
    index = np.concatenate((np.arange(c), [c] * len(pieces), np.arange(c + 1, len(table))))
    columns = {name: getattr(table, name)[index.astype(np.int64)] for name in _ROWS}
    for k, (a, b) in enumerate(pieces):
        columns["start_s"][c + k], columns["end_s"][c + k] = a, b
    first = np.searchsorted(columns["source"], np.arange(len(table.names) + 1))
    return replace(table, first=first, **columns)
