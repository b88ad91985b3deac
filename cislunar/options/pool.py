"""All options of a pool in one situation, so that any set of them is a selection of what is known.

Versions of one another stand side by side under different names. Geometry, links and ranging are
found once; a set of options is then the contacts and ranges among the nodes it has, and only the
time that is still open is scored again. This holds where nobody contends: then nodes that are
there do not change what others can do.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cislunar.comms import score_comms
from cislunar.contact_table import ContactTable
from cislunar.contacts import contact_table
from cislunar.options.open_fixes import OpenFixes
from cislunar.options.option import add_every, option_groups
from cislunar.ranging import is_receiver, separation_km
from cislunar.situation import Memory, Situation, extended
from orbits.ephemeris import De440
from orbits.intervals import Intervals

Key = tuple[str, str]
PATH_S = 60.0  # longer than any live path is under way
MANY_WINDOWS = 400  # so many pieces are not worth cutting the contacts into


class WholePool:
    """``served(ids, windows)``: what sets of options serve, within a window for each key.

    ``base``: the situation without options; ``served``: its served spans by (place, service) with
    a need. ``options``: records that can be flown, none with terminals for a spacecraft.
    """

    def __init__(
        self,
        base: Situation,
        served: Mapping[Key, Intervals],
        options: Iterable[Any],
        uere: Mapping[str, Any],
        ephemeris: De440,
        memory: Memory | None = None,
    ):
        options = list(options)
        scenario, self.names = add_every(base.scenario, options)
        groups = option_groups(options)
        kin = {n: groups[i] for i, own in self.names.items() if i in groups for n in own}
        owner = {n: i for i, own in self.names.items() for n in own}

        def rivals(a: str, b: str) -> bool:  # of them at most one is ever there
            return a in kin and kin[a] == kin.get(b) and owner[a] != owner[b]

        self.all: Situation = extended(base, scenario, ephemeris, memory, apart=rivals)
        self.base, self.base_served = base, dict(served)
        self.span_s = base.tracks.span_s
        self._base_names = frozenset(base.by_name)
        self._touching: dict[Key, frozenset[str]] = {}
        self._comms: dict[frozenset[str], dict[Key, Intervals]] = {}
        given = (self.all.links, self.all.access, self.all.nodes, scenario.policy, self.all.tracks)
        self.table = table = contact_table(*given)
        self._open = OpenFixes(
            self.all, uere, [p for p, service in self.base_served if service == "positioning"]
        )
        self._reach = self._reached(table)
        open_ = Intervals.union_of(
            self.gap(key)
            for key in self.base_served
            if key[1] != "positioning" and self._reach[key[0]]
        )
        self._table = _within(table, open_)

    @property
    def contacts(self) -> int:
        """Contacts of all nodes together in the time that is open without options."""
        return len(self._table)

    def gap(self, key: Key) -> Intervals:
        """The time in which a place and service is unserved without options."""
        return self.base_served[key].complement(0.0, self.span_s)

    def served(
        self, ids: Iterable[str], windows: Mapping[Hashable, Intervals]
    ) -> dict[Any, Intervals]:
        """Spans served within each key's window with these options, all side by side."""
        return self.served_by(self.nodes_of(ids), windows)

    def nodes_of(self, ids: Iterable[str]) -> frozenset[str]:
        """The names of the base's nodes and of those that the options add."""
        return self._base_names.union(*(self.names[i] for i in ids))

    def served_by(
        self, names: frozenset[str], windows: Mapping[Any, Intervals]
    ) -> dict[Any, Intervals]:
        """As ``served``, for any selection of the nodes by name."""
        fixes = {k: w for k, w in windows.items() if k[1] == "positioning"}
        found = self._fixes(names, fixes) if fixes else {}
        if len(fixes) < len(windows):
            comms = self._links(names)
            found |= {k: comms[k] & w for k, w in windows.items() if k not in fixes}
        return found

    def touching(self, key: Key) -> frozenset[str]:
        """The options that could change what a place gets of a service."""
        if key not in self._touching:
            self._touching[key] = self._touches(key)
        return self._touching[key]

    def _touches(self, key: Key) -> frozenset[str]:
        place, service = key
        if service != "positioning":
            inside = self._reached(_within(self._table, self.gap(key)))[place]
            return frozenset(i for i, own in self.names.items() if own & inside)
        ranging = {source for source, target in self.all.ranging if target == place}
        lending = {
            n.name
            for n in self.all.nodes
            if n.kind == "asset" and n.correction_radius_km and is_receiver(n)
            and separation_km(self.all.tracks, n.name, place) <= n.correction_radius_km
        }  # fmt: skip
        return frozenset(i for i, own in self.names.items() if own & (ranging | lending))

    def _reached(self, table: ContactTable) -> dict[str, frozenset[str]]:
        """For each place, the added nodes that some chain of contacts could join it to."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = len(table.names)
        joined = coo_array((np.ones(len(table)), (table.source, table.target)), (size, size))
        _, part = connected_components(joined, directed=False)
        of = dict(zip(table.names, part.tolist(), strict=True))
        added = {n for own in self.names.values() for n in own}
        return {
            place: frozenset(n for n in added if n in of and of[n] == of.get(place))
            for place, _ in self.base_served
        }

    def _links(self, names: frozenset[str]) -> dict[Key, Intervals]:
        table = self._table
        inside = np.array([n in names for n in table.names])
        if names not in self._comms:
            wanted = {place for place, service in self.base_served if service != "positioning"}
            nodes = [
                n if n.name in wanted else replace(n, needs=())
                for n in self.all.nodes
                if n.name in inside_names(table, names)
            ]
            part = _only(table.keep(inside[table.source] & inside[table.target]), names)
            self._comms[names] = dict(score_comms(part, nodes, served_only=True).served)
        return self._comms[names]

    def _fixes(self, names: frozenset[str], windows: Mapping[Any, Intervals]):
        found = self._open.served(names, {place: w for (place, _), w in windows.items()})
        return {key: found[key[0]] for key in windows}


def inside_names(table: ContactTable, names: frozenset[str]) -> frozenset[str]:
    """Those of the names that the table knows."""
    return names & set(table.names)


def _only(table: ContactTable, names: frozenset[str]) -> ContactTable:
    """The table on the node numbers of some names alone, which all its contacts are between."""
    kept = [i for i, n in enumerate(table.names) if n in names]
    number = np.full(len(table.names), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    source = number[table.source]
    return replace(
        table, names=tuple(table.names[i] for i in kept), source=source,
        target=number[table.target], first=np.searchsorted(source, np.arange(len(kept) + 1)),
    )  # fmt: skip


def _within(table: ContactTable, spans: Intervals) -> ContactTable:
    """The contacts cut to some time and a minute about it, in which every live path then lies."""
    wide = Intervals(spans.start_s - PATH_S, spans.end_s + PATH_S)
    if len(wide) > MANY_WINDOWS:
        return table
    parts = []
    for low, high in wide.pairs():
        row = np.flatnonzero((table.start_s < high) & (table.end_s > low))
        start, end = np.maximum(table.start_s[row], low), np.minimum(table.end_s[row], high)
        parts.append((row, start, end))
    row, start, end = (
        np.concatenate([p[k] for p in parts]) if parts else np.empty(0, dtype=kind)
        for k, kind in enumerate((np.int64, float, float))
    )
    order = np.lexsort((start, table.target[row], table.source[row]))
    row = row[order]
    return replace(
        table, source=table.source[row], target=table.target[row], start_s=start[order],
        end_s=end[order], owlt_s=table.owlt_s[row], rate_bps=table.rate_bps[row],
        contact_id=table.contact_id[row], row=table.row[row],
        first=np.searchsorted(table.source[row], np.arange(len(table.names) + 1)),
    )  # fmt: skip
