"""What every set of options serves, without running every set.

More nodes never take service away where nobody contends: whatever a set serves, every larger set
serves too. So of two sets, one within the other, that serve alike, all between them serve alike;
and where they differ, only the time in which they differ is looked at again. Walking down from
"nothing" and "everything" with these two bounds, most sets are known without being run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orbits.intervals import Intervals

Served = Callable[[frozenset[str], Mapping[Hashable, Intervals]], Mapping[Hashable, Intervals]]
DECIDED_S = 0.5  # bounds closer than this are one: edges are known to 0.01 s


@dataclass(frozen=True, eq=False)
class Explored:
    """What any choice of at most one option of each group serves, for every key.

    ``served_s[key]``: seconds, one axis a group, index 0 for none of it and k for its k-th.
    ``spans[key]``: served spans of every set that had to be looked at. ``runs``: how many sets
    were, of ``sets`` in all. ``lows[key][index[key][...]]``: the served spans of any set.
    """

    groups: tuple[tuple[str, ...], ...]
    served_s: dict[Hashable, np.ndarray]
    spans: dict[Hashable, dict[frozenset[str], Intervals]]
    runs: int
    sets: int
    lows: dict[Hashable, list[Intervals]]
    index: dict[Hashable, np.ndarray]

    def spans_of(self, key: Hashable, chosen: Collection[str]) -> Intervals:
        """What a set, at most one of each group, serves of a key."""
        return self.lows[key][int(self.index[key][self._at(chosen)])]

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """The keys in the order of ``gained_s``."""
        return tuple(self.served_s)

    def gained_s(self, chosen: Collection[str]) -> np.ndarray:
        """Seconds that a set, at most one of each group, serves beyond nothing: (keys,)."""
        return self._gained[self._at(chosen)]

    def total_gained_s(self, chosen: Collection[str]) -> float:
        """The sum of ``gained_s`` over all keys."""
        return float(self._total[self._at(chosen)])

    def _at(self, chosen: Collection[str]) -> tuple[int, ...]:
        at = [0] * len(self.groups)
        for name in chosen:
            if name in self._place:
                axis, k = self._place[name]
                at[axis] = k
        return tuple(at)

    @cached_property
    def _place(self) -> dict[str, tuple[int, int]]:
        return {n: (a, k + 1) for a, group in enumerate(self.groups) for k, n in enumerate(group)}

    @cached_property
    def _gained(self) -> np.ndarray:
        table = np.stack([self.served_s[k] for k in self.keys], axis=-1)
        return table - table[(0,) * len(self.groups)]

    @cached_property
    def _total(self) -> np.ndarray:
        return self._gained.sum(axis=-1)


def explore(
    groups: Sequence[Sequence[str]],
    base: Mapping[Hashable, Intervals],
    top: Mapping[Hashable, Intervals],
    served: Served,
) -> Explored:
    """What every choice of at most one option a group serves.

    ``base`` and ``top``: spans served with nothing added and with everything (all members of all
    groups at once, which bounds every choice from above). ``served(ids, windows)`` gives the spans
    served within the window of each key; it must never serve less with more options.

    >>> spans = {"a": Intervals([0.0], [4.0]), "b": Intervals([2.0], [9.0])}
    >>> def served(ids, windows):
    ...     return {k: Intervals.union_of(spans[i] for i in ids) & w for k, w in windows.items()}
    >>> everything = {"k": Intervals([0.0], [9.0])}
    >>> explore([["a"], ["b"]], {"k": Intervals()}, everything, served).served_s["k"].tolist()
    [[0.0, 7.0], [4.0, 9.0]]
    """
    groups = tuple(tuple(g) for g in groups)
    shape = tuple(len(g) + 1 for g in groups)
    walk = _Walk(
        groups, served, {k: np.zeros(shape) for k in base}, {k: {} for k in base},
        {k: [] for k in base}, {k: np.zeros(shape, dtype=int) for k in base},
    )  # fmt: skip
    for key, spans in base.items():
        walk.spans[key][frozenset()] = spans
    walk.down(frozenset(), (), {k: (base[k], base[k] | top[k]) for k in base})
    return Explored(
        groups, walk.tables, walk.spans, walk.runs, int(np.prod(shape)), walk.lows, walk.index
    )


@dataclass(eq=False)
class _Walk:
    groups: tuple[tuple[str, ...], ...]
    served: Served
    tables: dict[Hashable, np.ndarray]
    spans: dict[Hashable, dict[frozenset[str], Intervals]]
    lows: dict[Hashable, list[Intervals]]
    index: dict[Hashable, np.ndarray]
    runs: int = 0

    def ask(self, ids, windows):
        windows = {k: w for k, w in windows.items() if w.total_s > DECIDED_S}
        if not windows:
            return {}
        self.runs += 1
        return self.served(ids, windows)

    def down(self, chosen: frozenset[str], at: tuple[int, ...], bounds) -> None:
        """Fills what lies under one choice in the first groups; bounds are (least, most) served."""
        level = len(at)
        open_ = {}
        for key, (low, high) in bounds.items():
            if level == len(self.groups) or (high - low).total_s <= DECIDED_S:
                self.tables[key][at] = low.total_s
                self.index[key][at] = len(self.lows[key])
                self.lows[key].append(low)
            else:
                open_[key] = (low, high)
        if not open_:
            return
        group, rest = self.groups[level], frozenset().union(*self.groups[level + 1 :])
        for k in range(len(group) + 1):
            ids = chosen if k == 0 else chosen | {group[k - 1]}
            lows = {key: low for key, (low, _) in open_.items()}
            if k > 0:
                found = self.ask(ids, {key: high - low for key, (low, high) in open_.items()})
                for key, spans in found.items():
                    lows[key] = lows[key] | spans
                    self.spans[key][ids] = lows[key]
            if not rest:
                highs = lows
            elif k > 0 and len(group) == 1:  # all of the group is in: nothing was taken away
                highs = {key: high for key, (_, high) in open_.items()}
            else:
                found = self.ask(
                    ids | rest, {key: high - lows[key] for key, (_, high) in open_.items()}
                )
                highs = {key: lows[key] | found.get(key, Intervals()) for key in lows}
            self.down(ids, (*at, k), {key: (lows[key], highs[key]) for key in lows})
