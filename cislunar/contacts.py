"""The contact plan: every directed contact that geometry, links, service and policy allow.

A contact is ``[start, end)`` in transmit time at its source, at one rate. Contacts that policy
forbids are kept in ``closable``, so that gaps can be explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.contact_table import ContactTable, sort_names
from cislunar.links import LinkPass, pair_links
from orbits.epoch import Epoch
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.access import PairAccess
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

_PLACES = {"spacecraft": "relay", "station": "earth", "asset": "surface"}
COLUMNS = (
    "contact_id", "source", "target", "kind", "start_s", "end_s", "start_utc", "end_utc",
    "duration_s", "owlt_s", "rate_bps", "volume_bit", "margin_db", "band", "terminal_source",
    "terminal_target",
)  # fmt: skip


def contact_kind(source_kind: str, target_kind: str) -> str:
    """The contract's kind of a contact between two kinds of node.

    >>> contact_kind("asset", "spacecraft"), contact_kind("spacecraft", "spacecraft")
    ('surface-relay', 'crosslink')
    """
    if source_kind == target_kind == "spacecraft":
        return "crosslink"
    return f"{_PLACES[source_kind]}-{_PLACES[target_kind]}"


@dataclass(frozen=True, eq=False)
class ContactPlan:
    """Contacts as equal arrays, sorted by start, then source, target and terminals.

    Times are TDB seconds past ``epoch``, rates bit/s, light times s (the largest over the contact),
    margins dB (the least over it; masked for neighbours on the ground, whose link has no budget).
    ``closable`` is the plan before policy and contention, ``wanted`` the one before contention.
    """

    epoch: Epoch
    span_s: float
    source: np.ndarray
    target: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    owlt_s: np.ndarray
    rate_bps: np.ndarray
    margin_db: np.ma.MaskedArray
    band: np.ndarray
    terminal_source: np.ndarray
    terminal_target: np.ndarray
    kind: np.ndarray
    before_policy: ContactPlan | None = field(default=None, repr=False)
    before_contention: ContactPlan | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.start_s.size

    def __repr__(self) -> str:
        return f"ContactPlan({len(self)} contacts, {self.span_s:.0f} s from {self.epoch})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>" + self.take(slice(0, 20)).frame.to_html(index=False)

    @property
    def closable(self) -> ContactPlan:
        """The plan before policy and contention."""
        return self.wanted if self.before_policy is None else self.before_policy

    @property
    def wanted(self) -> ContactPlan:
        """The permitted plan before contention: every link as if it were alone."""
        return self if self.before_contention is None else self.before_contention

    @cached_property
    def contact_id(self) -> np.ndarray:
        """Ids "c000001" onward, in the plan's order."""
        out = np.empty(len(self), dtype=object)
        out[:] = [f"c{i:06d}" for i in range(1, len(self) + 1)]
        return out

    @property
    def duration_s(self) -> np.ndarray:
        return self.end_s - self.start_s

    @property
    def volume_bit(self) -> np.ndarray:
        return self.rate_bps * self.duration_s

    def take(self, index) -> ContactPlan:
        """Some of the contacts (mask, indices or slice), with the ids they have here."""
        arrays = {name: getattr(self, name)[index] for name in _ARRAYS}
        out = ContactPlan(self.epoch, self.span_s, **arrays)
        out.__dict__["contact_id"] = self.contact_id[index]
        return out

    def select(self, source=None, target=None, min_rate_bps: float | None = None) -> ContactPlan:
        """The contacts from ``source`` to ``target`` (a name or several) at or above a rate."""
        keep = np.ones(len(self), dtype=bool)
        for names, column in ((source, self.source), (target, self.target)):
            if names is not None:
                wanted = {names} if isinstance(names, str) else set(names)
                keep &= np.fromiter((n in wanted for n in column), dtype=bool, count=len(self))
        if min_rate_bps is not None:
            keep &= self.rate_bps >= min_rate_bps
        return self.take(keep)

    def intervals(self, source=None, target=None, min_rate_bps: float | None = None) -> Intervals:
        """When any such contact is up, in transmit time (s)."""
        chosen = self.select(source, target, min_rate_bps)
        return Intervals(chosen.start_s, chosen.end_s)

    @cached_property
    def frame(self):
        """The contact table of the product folder, as a pandas DataFrame."""
        import pandas as pd

        margin = pd.array(self.margin_db.filled(0.0), dtype="Float64")
        margin[np.ma.getmaskarray(self.margin_db)] = pd.NA
        columns: dict[str, Any] = {
            name: getattr(self, name) for name in COLUMNS if "utc" not in name
        }
        columns["margin_db"] = margin
        columns["start_utc"] = self.epoch.utc_text(self.start_s) if len(self) else []
        columns["end_utc"] = self.epoch.utc_text(self.end_s) if len(self) else []
        return pd.DataFrame({name: columns[name] for name in COLUMNS})


_ARRAYS = (
    "source", "target", "start_s", "end_s", "owlt_s", "rate_bps", "margin_db", "band",
    "terminal_source", "terminal_target", "kind",
)  # fmt: skip


def permits(policy: Any, a: str | None, b: str | None) -> bool:
    """True where operators ``a`` and ``b`` may use each other's nodes.

    ``policy`` has ``groups`` (name to operators) and ``share`` (pairs of groups, either way
    round), as attributes or keys. Without groups everybody shares; an operator in no group shares
    with itself only; a node without operator shares with all.

    >>> rule = {"groups": {"west": ["x", "y"], "east": ["z"]}, "share": [["west", "west"]]}
    >>> permits(rule, "x", "y"), permits(rule, "x", "z"), permits(rule, None, "z")
    (True, False, True)
    """
    if policy is None or a is None or b is None or a == b:
        return True
    groups = policy.get("groups") if isinstance(policy, Mapping) else policy.groups
    share = policy.get("share") if isinstance(policy, Mapping) else policy.share
    if not groups:
        return True
    mine = {g for g, members in groups.items() if a in members}
    theirs = {g for g, members in groups.items() if b in members}
    return any((p in mine and q in theirs) or (q in mine and p in theirs) for p, q in share or ())


def serving_passes(
    links: Mapping[tuple[str, str], Iterable[LinkPass]],
    access: Mapping[tuple[str, str], PairAccess],
    by_name: Mapping[str, Node],
    tracks: Tracks,
) -> list[LinkPass]:
    """The link passes (transmit times, s) within the service of both ends."""
    span_s = float(tracks.t_s[-1])
    service = {
        n.name: n.service
        for n in by_name.values()
        if n.service is not None and n.service.pairs() != [(0.0, span_s)]
    }
    passes: list[LinkPass] = []
    redone: set[tuple[str, str]] = set()
    for (source, target), some in links.items():
        if source not in service and target not in service:
            passes += some
            continue
        pair = (source, target) if source < target else (target, source)
        if pair not in redone:
            redone.add(pair)
            a, b = by_name[pair[0]], by_name[pair[1]]
            passes += pair_links(tracks, access[pair], a, b, service)
    return passes


def contact_table(
    links: Mapping[tuple[str, str], Iterable[LinkPass]],
    access: Mapping[tuple[str, str], PairAccess],
    nodes: Iterable[Node],
    policy: Any,
    tracks: Tracks,
) -> ContactTable:
    """The permitted contacts as bare arrays: what ``plan_contacts`` gives, without its labels."""
    by_name = {n.name: n for n in nodes}
    passes = [
        p
        for p in serving_passes(links, access, by_name, tracks)
        if permits(policy, by_name[p.source].operator, by_name[p.target].operator)
    ]
    names = sort_names(by_name)
    number = {name: i for i, name in enumerate(names)}
    counts = np.array([len(p.intervals) for p in passes], dtype=np.int64)

    def spread(values, dtype):
        return np.repeat(np.array(values, dtype=dtype), counts)

    source = spread([number[p.source] for p in passes], np.int64)
    target = spread([number[p.target] for p in passes], np.int64)
    start = _joined([p.intervals.start_s for p in passes])
    order = np.lexsort((start, target, source))
    source = source[order]
    return ContactTable(
        names=tuple(names), source=source, target=target[order], start_s=start[order],
        end_s=_joined([p.intervals.end_s for p in passes])[order],
        owlt_s=_joined([p.owlt_s for p in passes])[order],
        rate_bps=spread([p.rate_bps for p in passes], float)[order],
        contact_id=np.broadcast_to(np.array("", dtype=object), order.shape),
        first=np.searchsorted(source, np.arange(len(names) + 1)),
        span_s=float(tracks.t_s[-1]), epoch=tracks.epoch, row=order,
    )  # fmt: skip


def plan_contacts(
    links: Mapping[tuple[str, str], Iterable[LinkPass]],
    access: Mapping[tuple[str, str], PairAccess],
    nodes: Iterable[Node],
    policy: Any,
    tracks: Tracks,
) -> ContactPlan:
    """The contacts of a scenario: links within the service of both ends, permitted by policy.

    Service at the receiver is asked at the arrival, as every receiver condition is. Links of nodes
    that are out of service for a part of the span are closed again within it.
    """
    by_name = {n.name: n for n in nodes}
    passes = serving_passes(links, access, by_name, tracks)
    closable = _plan(passes, by_name, tracks)
    if policy is None or not len(closable):
        return closable
    allowed = {
        key: permits(policy, by_name[key[0]].operator, by_name[key[1]].operator)
        for key in {(p.source, p.target) for p in passes}
    }
    if all(allowed.values()):
        return closable
    return _plan([p for p in passes if allowed[p.source, p.target]], by_name, tracks, closable)


def _joined(arrays):
    return np.concatenate(arrays) if arrays else np.empty(0)


def _plan(passes: list[LinkPass], by_name, tracks: Tracks, before=None) -> ContactPlan:
    counts = np.array([len(p.intervals) for p in passes], dtype=np.int64)

    def spread(values, dtype: Any = object):
        column = np.empty(len(passes), dtype=dtype)
        column[:] = values
        return np.repeat(column, counts)

    start = _joined([p.intervals.start_s for p in passes])
    # a fixed order of equal starts: number the passes by their names, not by how they were found
    names = sorted(
        range(len(passes)),
        key=lambda i: (
            passes[i].source, passes[i].target,
            passes[i].terminal_source, passes[i].terminal_target,
        ),
    )  # fmt: skip
    rank = np.empty(len(passes), dtype=np.int64)
    rank[names] = np.arange(len(passes))
    order = np.lexsort((np.repeat(rank, counts), start))
    margin = np.ma.masked_array(
        _joined(
            [np.zeros(len(p.intervals)) if p.margin_db is None else p.margin_db for p in passes]
        ),
        mask=spread([p.margin_db is None for p in passes]).astype(bool),
    )
    kinds = [contact_kind(by_name[p.source].kind, by_name[p.target].kind) for p in passes]
    return ContactPlan(
        tracks.epoch, float(tracks.t_s[-1]),
        source=spread([p.source for p in passes])[order],
        target=spread([p.target for p in passes])[order],
        start_s=start[order],
        end_s=_joined([p.intervals.end_s for p in passes])[order],
        owlt_s=_joined([p.owlt_s for p in passes])[order],
        rate_bps=spread([p.rate_bps for p in passes], float)[order],
        margin_db=margin[order],
        band=spread([p.band for p in passes])[order],
        terminal_source=spread([p.terminal_source for p in passes])[order],
        terminal_target=spread([p.terminal_target for p in passes])[order],
        kind=spread(kinds)[order],
        before_policy=before,
    )  # fmt: skip
