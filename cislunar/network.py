"""The contact plan as a time-varying graph, with networkx views made on request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from orbits.epoch import Epoch, seconds_past
from orbits.errors import InputError, SpanError

if TYPE_CHECKING:
    import networkx
    import pandas as pd

# attributes of an edge, by the plan's column
_NUMBERS = ("start_s", "end_s", "owlt_s", "rate_bps", "margin_db")
_TEXTS = ("kind", "band", "terminal_source", "terminal_target")


class TemporalNetwork:
    """A graph whose edges come and go: nodes, and one directed edge a contact.

    The contacts are the store; ``graph``, ``at`` and ``between`` are views of it. Times are in s
    past the plan's epoch, transmit time at the source; rates in bit/s. Algorithms over it are in
    ``cislunar.routing``, ``cislunar.livepath`` and ``cislunar.profile`` (they take ``plan``).
    """

    def __init__(self, plan, nodes: Sequence[Any] = ()):
        self.plan = plan
        self.nodes = tuple(nodes)

    @property
    def epoch(self) -> Epoch | None:
        return self.plan.epoch

    @property
    def span_s(self) -> float:
        return self.plan.span_s

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        plan = self.plan
        names = np.array(getattr(plan, "names", ()), dtype=object)
        found = {"contact_id": plan.contact_id}
        for end in ("source", "target"):
            column = np.asarray(getattr(plan, end))
            found[end] = names[column] if column.dtype.kind == "i" else column
        for name in (*_NUMBERS, *_TEXTS):
            if hasattr(plan, name):
                found[name] = np.asanyarray(getattr(plan, name))  # a margin may be masked
        return found

    def _edges(self, index) -> list[dict[str, Any]]:
        """The attributes of some contacts (indices), as plain Python values."""
        columns, masked = {}, {}
        for name in ("contact_id", *_NUMBERS, *_TEXTS):
            if name in self._columns:
                column = self._columns[name][index]
                columns[name] = column.tolist()
                if np.ma.isMaskedArray(column) and np.ma.getmaskarray(column).any():
                    masked[name] = True
        start, end, rate = (self._columns[k][index] for k in ("start_s", "end_s", "rate_bps"))
        columns["duration_s"] = (end - start).tolist()
        columns["volume_bit"] = (rate * (end - start)).tolist()
        rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        for name in masked:  # a value that does not exist is left out
            for row in rows:
                if row[name] is None:
                    del row[name]
        return rows

    def _with_nodes(self, graph):
        for node in self.nodes:
            about = {"kind": node.kind}
            for name in ("operator", "constellation", "latitude_deg", "longitude_deg"):
                if getattr(node, name, None) is not None:
                    about[name] = getattr(node, name)
            graph.add_node(node.name, **about)
        ends = (self._columns["source"], self._columns["target"])
        graph.add_nodes_from(str(n) for n in getattr(self.plan, "names", ()))
        graph.add_nodes_from(sorted(set(np.concatenate(ends).tolist())))
        return graph

    @cached_property
    def graph(self) -> networkx.MultiDiGraph:
        """Every contact of the span: a MultiDiGraph, edges keyed by ``contact_id``."""
        import networkx

        graph = self._with_nodes(networkx.MultiDiGraph())
        graph.graph.update(self._when(), span_s=self.span_s)
        source, target = (self._columns[k].tolist() for k in ("source", "target"))
        edges = self._edges(slice(None))
        ids = [edge["contact_id"] for edge in edges]
        keyed: Any = zip(source, target, ids, edges, strict=True)
        graph.add_edges_from(keyed)
        return graph

    def node_link(self) -> dict[str, Any]:
        """What ``networkx.node_link_data`` makes of ``graph``, without making it."""
        import networkx

        nodes = self._with_nodes(networkx.MultiDiGraph())
        number = {name: i for i, name in enumerate(nodes)}
        names = self._columns["source"].tolist(), self._columns["target"].tolist()
        source, target = (np.array([number[n] for n in some], dtype=np.int64) for some in names)
        # a graph lists its edges by source, then by target in the order in which they came up
        _, first, pair = np.unique(
            source * len(number) + target, return_index=True, return_inverse=True
        )
        edges = self._edges(slice(None))
        for k, edge in enumerate(edges):
            edge |= {"source": names[0][k], "target": names[1][k], "key": edge["contact_id"]}
        return {
            "directed": True, "multigraph": True,
            "graph": {**self._when(), "span_s": self.span_s},
            "nodes": [{**about, "id": name} for name, about in nodes.nodes(data=True)],
            "edges": [edges[k] for k in np.lexsort((first[pair], source)).tolist()],
        }  # fmt: skip

    def at(self, instant) -> networkx.DiGraph:
        """The graph at one instant: for each pair in contact then, the contact of highest rate.

        ``instant``: ISO text with scale, an ``Epoch``, seconds past the plan's epoch, or
        astropy's ``Time`` or ``Quantity``; SpanError
        outside the span (its end included). All nodes are there, in contact or not.
        """
        import networkx

        t_s = self.seconds(instant)
        graph = self._with_nodes(networkx.DiGraph())
        graph.graph.update(self._when(), t_s=t_s)
        up = np.flatnonzero((self._columns["start_s"] <= t_s) & (t_s < self._columns["end_s"]))
        # the best is added last, over the others; of equal rates the first contact stays
        up = up[np.lexsort((-up, self._columns["rate_bps"][up]))]
        for i, edge in zip(up, self._edges(up), strict=True):
            graph.add_edge(self._columns["source"][i], self._columns["target"][i], **edge)
        return graph

    def between(self, a: str, b: str) -> pd.DataFrame:
        """The contacts from ``a`` to ``b``, by start; one row each (s, bit/s, bit)."""
        import pandas as pd

        for name in (a, b):
            if name not in self.graph:
                raise InputError(f"no node {name!r} in the network", value=name)
        found = (self._columns["source"] == a) & (self._columns["target"] == b)
        rows = self._edges(np.flatnonzero(found))
        if not rows:
            return pd.DataFrame(columns=["contact_id", *_NUMBERS, "duration_s", "volume_bit"])
        return pd.DataFrame(rows).sort_values("start_s", ignore_index=True)

    def seconds(self, instant) -> float:
        """An instant as seconds past the plan's epoch, within the span; kinds as for ``at``."""
        if isinstance(instant, str):
            instant = Epoch.parse(instant)
        if isinstance(instant, Epoch):
            if self.epoch is None:
                raise InputError("this plan has no epoch: give seconds from its start")
            instant = instant - self.epoch
        elif self.epoch is not None:
            instant = seconds_past(self.epoch, instant)
        t_s = float(instant)
        if not 0.0 <= t_s <= self.span_s:
            raise SpanError(
                f"{t_s:.3f} s is outside the plan", value=t_s, allowed=f"0 to {self.span_s:.3f} s"
            )
        return t_s

    def _when(self) -> dict[str, str]:
        return {} if self.epoch is None else {"epoch_utc": str(self.epoch.utc_text())}

    def __repr__(self) -> str:
        count = len(self._columns["source"])
        return f"TemporalNetwork({len(self._names())} nodes, {count} contacts)"

    def _names(self) -> set[str]:
        ends = np.concatenate((self._columns["source"], self._columns["target"]))
        listed = {str(n) for n in getattr(self.plan, "names", ())} | {n.name for n in self.nodes}
        return listed | {str(n) for n in ends}

    def _repr_html_(self) -> str:
        from html import escape

        c = self._columns
        seconds = c["end_s"] - c["start_s"]
        kinds = c.get("kind", np.full(seconds.size, "contact", dtype=object)).astype(str)
        rows = "".join(
            f"<tr><td>{escape(kind)}</td><td>{(kinds == kind).sum()}</td>"
            f"<td>{seconds[kinds == kind].sum() / 3600:.1f}</td></tr>"
            for kind in np.unique(kinds)
        )
        head = "<tr><th>kind</th><th>contacts</th><th>hours</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table>"
