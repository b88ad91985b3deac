"""A contact plan as plain arrays on node numbers: what every graph algorithm here works on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from orbits.epoch import Epoch
from orbits.errors import InputError

_BEYOND_S = 60.0  # longer than the light time of any path of eight hops in cislunar space


@dataclass(frozen=True)
class ContactTable:
    """Directed contacts, sorted by (source, target, start); node numbers follow the order of names.

    Times are seconds past the plan's epoch, ``[start_s, end_s)`` in transmit time at the source.
    Names that are all whole numbers are ordered as numbers, others as text, so that comparing two
    node numbers settles the last tie of a route as the standard wants it.

    >>> table = ContactTable.of_rows([("c1", "a", "b", 0.0, 60.0, 1e6, 1.28)])
    >>> table.names, len(table)
    (('a', 'b'), 1)
    """

    names: tuple[str, ...]
    source: np.ndarray  # node numbers
    target: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    owlt_s: np.ndarray
    rate_bps: np.ndarray
    contact_id: np.ndarray  # text
    first: np.ndarray  # contacts of source u are first[u]:first[u + 1]
    span_s: float
    epoch: Epoch | None = None
    row: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # in the plan

    def __len__(self) -> int:
        return self.source.size

    def number(self, name) -> int:
        """The node number of a name; InputError where the plan has no such node."""
        try:
            return self._numbers[str(name)]
        except KeyError:
            raise InputError(
                f"no node {str(name)!r} in the contact plan", value=name, allowed=_some(self.names)
            ) from None

    def numbers(self, names) -> np.ndarray:
        """The node numbers of those names that the plan knows; a lone text is one name."""
        names = [names] if isinstance(names, (str, int)) else names
        found = (self._numbers.get(str(n)) for n in names)
        return np.array([n for n in found if n is not None], dtype=np.int64)

    @property
    def _numbers(self) -> dict[str, int]:
        held = self.__dict__.get("_held_numbers")
        if held is None:
            held = {name: i for i, name in enumerate(self.names)}
            object.__setattr__(self, "_held_numbers", held)
        return held

    @classmethod
    def of_rows(cls, rows, *, names=(), span_s=None, epoch=None) -> ContactTable:
        """The table of (id, source, target, start_s, end_s, rate_bps, owlt_s) rows."""
        columns = list(zip(*rows, strict=True)) if len(rows) else [()] * 7
        ids, source, target, start, end, rate, owlt = columns
        return cls.of_arrays(
            ids, source, target, start, end, rate, owlt, names=names, span_s=span_s, epoch=epoch
        )

    @classmethod
    def of_arrays(
        cls, contact_id, source, target, start_s, end_s, rate_bps, owlt_s,
        *, names=(), span_s=None, epoch=None,
    ) -> ContactTable:  # fmt: skip
        source = [str(n) for n in source]
        target = [str(n) for n in target]
        names = sort_names({*source, *target, *(str(n) for n in names)})
        number = {name: i for i, name in enumerate(names)}
        a = np.array([number[n] for n in source], dtype=np.int64)
        b = np.array([number[n] for n in target], dtype=np.int64)
        start, end, rate, owlt = (
            np.array(x, dtype=np.float64) for x in (start_s, end_s, rate_bps, owlt_s)
        )
        if not all(np.isfinite(x).all() for x in (start, end, rate, owlt)):
            raise InputError("contact times, rates and light times must be finite")
        if (end <= start).any() or (owlt < 0).any() or (rate < 0).any():
            raise InputError("a contact must end after it starts, with rate and light time >= 0")
        if (a == b).any():
            raise InputError("a contact must join two different nodes")
        order = np.lexsort((start, b, a))
        a = a[order]
        return cls(
            names=tuple(names), source=a, target=b[order], start_s=start[order], end_s=end[order],
            owlt_s=owlt[order], rate_bps=rate[order],
            contact_id=np.array([str(i) for i in contact_id], dtype=object)[order],
            first=np.searchsorted(a, np.arange(len(names) + 1)),
            span_s=float(end.max() if span_s is None and end.size else span_s or 0.0),
            epoch=epoch, row=order,
        )  # fmt: skip

    def keep(self, mask) -> ContactTable:
        """The contacts where ``mask`` holds, on the same node numbers."""
        source = self.source[mask]
        return ContactTable(
            self.names, source, self.target[mask], self.start_s[mask], self.end_s[mask],
            self.owlt_s[mask], self.rate_bps[mask], self.contact_id[mask],
            np.searchsorted(source, np.arange(len(self.names) + 1)), self.span_s, self.epoch,
            self.row[mask],
        )  # fmt: skip

    def held(self) -> ContactTable:
        """The plan with contacts that touch an end of its span going on a minute beyond it.

        What lies beyond is unknown; without this a bundle sent in the last second would find no
        onward contact, and every path would seem to break there. Clip what comes of it to the
        span.
        """
        start = np.where(self.start_s <= 0.0, self.start_s - _BEYOND_S, self.start_s)
        end = np.where(self.end_s >= self.span_s, self.end_s + _BEYOND_S, self.end_s)
        return replace(self, start_s=start, end_s=end)

    def with_source(self, source: np.ndarray) -> ContactTable:
        """The same contacts sent from other nodes (numbers, one a contact)."""
        order = np.lexsort((self.start_s, self.target, source))
        source = source[order]
        return ContactTable(
            self.names, source, self.target[order], self.start_s[order], self.end_s[order],
            self.owlt_s[order], self.rate_bps[order], self.contact_id[order],
            np.searchsorted(source, np.arange(len(self.names) + 1)), self.span_s, self.epoch,
            self.row[order],
        )  # fmt: skip

    def reversed(self) -> ContactTable:
        """The plan run backwards: receivers send, at minus the arrival time."""
        order = np.lexsort((-(self.end_s + self.owlt_s), self.source, self.target))
        source = self.target[order]
        return ContactTable(
            self.names, source, self.source[order], -(self.end_s + self.owlt_s)[order],
            -(self.start_s + self.owlt_s)[order], self.owlt_s[order], self.rate_bps[order],
            self.contact_id[order], np.searchsorted(source, np.arange(len(self.names) + 1)),
            self.span_s, self.epoch, self.row[order],
        )  # fmt: skip


def table_of(plan, names=()) -> ContactTable:
    """The contact table of a plan, with nodes of the given names even if they have no contact."""
    if isinstance(plan, ContactTable):
        if {str(n) for n in names} <= set(plan.names):
            return plan
        held = np.array(plan.names, dtype=object)
        return ContactTable.of_arrays(
            plan.contact_id, held[plan.source], held[plan.target], plan.start_s, plan.end_s,
            plan.rate_bps, plan.owlt_s,
            names=[*plan.names, *names], span_s=plan.span_s, epoch=plan.epoch,
        )  # fmt: skip
    return ContactTable.of_arrays(
        plan.contact_id, plan.source, plan.target, plan.start_s, plan.end_s, plan.rate_bps,
        plan.owlt_s, names=names, span_s=plan.span_s, epoch=plan.epoch,
    )  # fmt: skip


def sort_names(names) -> list[str]:
    """Names in the order of routes: as numbers where all are whole numbers, else as text."""
    names = [str(n) for n in names]
    if all(n.isdecimal() for n in names):
        return sorted(names, key=int)
    return sorted(names)


def _some(names, most=12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
