"""When users have the fix they need from any selection of the sources, looking only at open time.

The same walk along segments of constant visibility as ``positioning.fixes``, prepared once for all
sources and references: a selection then only leaves columns of the table of signals out, and a
window only rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG
from cislunar.dop_kernels import MIN_SOURCES
from cislunar.needs import rms_limit_m
from cislunar.positioning import positioning_need
from cislunar.positioning.fixes import EDGE_TOL_S
from cislunar.positioning.good_fixes import good_spans
from cislunar.ranging import chinese, is_corrected, is_receiver, is_source, separation_km, sise_m
from cislunar.situation import Situation
from orbits.constants import DEG
from orbits.intervals import Intervals


@dataclass(frozen=True, eq=False)
class _User:
    """One place: edges (J + 1), who is in view (J, S), what each reference corrects (J, S)."""

    state: np.ndarray
    edges: np.ndarray
    seen: np.ndarray
    corrected: dict[str, np.ndarray]
    noise: np.ndarray
    limits: np.ndarray
    horizontal: bool
    mark: Any


class OpenFixes:
    """``served(names, windows)``: spans with a fix that meets the need, within windows."""

    def __init__(self, situation: Situation, uere: Mapping[str, Any], places: Iterable[str]):
        tracks, nodes, policy = situation.tracks, situation.nodes, situation.scenario.policy
        self._t_s = np.ascontiguousarray(tracks.t_s, dtype=float)
        used = {source for source, _ in situation.ranging}
        sources = [n for n in nodes if n.name in used]
        self._names = np.array([n.name for n in sources], dtype=object)
        self._states = np.array([tracks.states[n.name] for n in sources]).reshape(
            -1, self._t_s.size, 6
        )
        multipath_m = float(uere["multipath_m"]["surface"])
        residual_m = float(uere["differential_residual_m"]["value"])
        sise = np.array([sise_m(n, uere, chinese(policy)) for n in sources]).reshape(-1)
        self._plain, self._close = sise**2 + multipath_m**2, residual_m**2 + multipath_m**2
        self._gains = np.array(
            [is_corrected(n, uere, chinese(policy)) for n in sources], dtype=bool
        )
        references = [
            n
            for n in nodes
            if n.kind == "asset" and n.correction_radius_km is not None and is_receiver(n)
        ]
        lending = {n.name for n in references}
        self.users: dict[str, _User] = {}
        for place in places:
            node = situation.by_name[place]
            near = [
                r
                for r in references
                if r.name != place
                and (policy is None or policy.permits(r.operator, node.operator))
                and separation_km(tracks, r.name, place) <= (r.correction_radius_km or 0.0)
            ]
            own = node.name in lending or is_source(node)
            self.users[place] = self._user(situation, node, near, None if own else ())

    def _user(self, situation: Situation, node: Any, near, mark) -> _User:
        empty = Intervals()
        links = [situation.ranging.get((n, node.name)) for n in self._names]
        visible = [empty if link is None else link.visible for link in links]
        lent = {}
        for ref in near:
            heard = (situation.ranging.get((n, ref.name)) for n in self._names)
            lent[ref.name] = [empty if h is None else h.visible & ref.service for h in heard]
        spans = [*visible, *(s for many in lent.values() for s in many)]
        ends = np.concatenate(
            [np.array([0.0, self._t_s[-1]]), *(x for s in spans for x in (s.start_s, s.end_s))]
        )
        edges = np.unique(np.clip(ends, 0.0, self._t_s[-1]))
        middle = 0.5 * (edges[:-1] + edges[1:])

        def inside(many):
            found = [s.contains(middle) for s in many]
            return np.array(found, dtype=bool).reshape(len(many), middle.size).T

        need = positioning_need(node)
        given = (rms_limit_m(need), need.max_pdop, getattr(need, "max_gdop", None))
        limits = np.array([math.inf if v is None else float(v) for v in given])
        state = np.ascontiguousarray(situation.tracks.states[node.name], dtype=float)
        noise = np.array(
            [(0.0, 0.0) if link is None else link.noise_m2_km2 for link in links], dtype=float
        ).reshape(-1, 2)
        seen = inside(visible)
        if mark is not None:  # users of one place and need have their fixes in common
            mark = (
                state[0].tobytes(), node.operator, repr(need), edges.tobytes(), seen.tobytes(),
                noise.tobytes(),
            )  # fmt: skip
        return _User(
            state, edges, seen, {name: inside(many) for name, many in lent.items()}, noise,
            limits, need.axes == "horizontal", mark if mark is not None else node.name,
        )  # fmt: skip

    def served(
        self, names: frozenset[str], windows: Mapping[str, Intervals]
    ) -> dict[str, Intervals]:
        """Spans of each place's window in which these nodes give it the fix that it needs."""
        out = np.array([n not in names for n in self._names], dtype=bool)
        tasks: dict[Any, tuple[_User, Intervals]] = {}
        marks = {}
        for place, window in windows.items():
            user = self.users[place]
            marks[place] = (user.mark, window.start_s.tobytes(), window.end_s.tobytes())
            tasks.setdefault(marks[place], (user, window))
        items = list(tasks.items())

        def work(half: int) -> dict[Any, Intervals]:
            return {mark: self._one(*task, names, out) for mark, task in items[half::2]}

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(work, range(2))
        found = one | other
        return {place: found[mark] for place, mark in marks.items()}

    def _one(self, user: _User, window: Intervals, names, out) -> Intervals:
        near = [c for ref, c in user.corrected.items() if ref in names]
        edges = np.unique(np.concatenate((user.edges, window.start_s, window.end_s)))
        row = np.searchsorted(user.edges, edges[:-1], side="right") - 1
        middle = 0.5 * (edges[:-1] + edges[1:])
        rich = np.count_nonzero(user.seen & ~out, axis=1) >= MIN_SOURCES
        open_ = rich[row] & window.contains(middle)
        if not open_.any():
            return Intervals()
        row, starts, ends = row[open_], edges[:-1][open_], edges[1:][open_]
        seen = user.seen[row] & ~out
        signal = np.where(seen, self._plain, -1.0)
        for corrected in near:
            signal[corrected[row] & seen & self._gains] = self._close
        spans = np.empty((2 * starts.size + 1024, 2))
        while True:
            size = good_spans(
                self._t_s, user.state, self._states, starts, ends, signal, user.noise,
                math.sin(NAVIGATION_LOW_ELEVATION_DEG * DEG), user.limits, user.horizontal,
                EDGE_TOL_S, spans,
            )  # fmt: skip
            if size >= 0:
                break
            spans = np.empty((4 * len(spans), 2))
        good = spans[:size]
        return Intervals(good[:, 0], good[:, 1]) & window
