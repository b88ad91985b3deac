"""What any set of a whole pool serves, one set after another, each only as far as it is open.

More nodes never take service away where nobody contends. So what a set serves lies between what
its parts were found to serve and what sets around it were; only the time between is looked at.
And a place's service hangs on the options that touch it alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from cislunar.options.subsets import DECIDED_S
from orbits.intervals import Intervals


class PoolValue:
    """``value(set of options) -> hours filled``, a vector with one number a key of ``keys``.

    ``whole``: the options in one situation (``pool.WholePool``). Keys that no option can
    fill are left out.
    """

    def __init__(self, whole: Any):
        self._whole = whole
        everything = frozenset(whole.names)
        gaps = {k: whole.gap(k) for k in whole.base_served if whole.touching(k)}
        most = whole.served(everything, gaps)
        self._open = {k: s for k, s in sorted(most.items()) if s.total_s > DECIDED_S}
        self.keys = tuple(self._open)
        self._touch = {k: whole.touching(k) for k in self.keys}
        self._known: dict[Hashable, dict[frozenset[str], Intervals]] = {
            k: {frozenset(): Intervals(), self._touch[k]: s} for k, s in self._open.items()
        }
        self.runs = 1

    def __call__(self, chosen: frozenset[str]) -> np.ndarray:
        self._look(chosen)
        spans = [self._known[k][chosen & self._touch[k]] for k in self.keys]
        return np.array([s.total_s / 3600.0 for s in spans])

    def _look(self, chosen: frozenset[str]) -> None:
        """Finds what is not known yet of a set."""
        least: dict[Any, Intervals] = {}
        windows: dict[Any, Intervals] = {}
        for key in self.keys:
            mine, known = chosen & self._touch[key], self._known[key]
            if mine in known:
                continue
            low, high = _between(known, mine)
            if (high - low).total_s <= DECIDED_S:
                known[mine] = low
            else:
                least[key], windows[key] = low, high - low
        if not windows:
            return
        self.runs += 1
        ids = chosen & frozenset().union(*(self._touch[k] for k in windows))
        for key, spans in self._whole.served(ids, windows).items():
            self._known[key][chosen & self._touch[key]] = least[key] | spans


def _between(known: Mapping[frozenset[str], Intervals], mine: frozenset[str]):
    """The most that a part of a set is known to serve, and the least of those around it."""
    inside = [s for part, s in known.items() if part < mine]
    around = [s for more, s in known.items() if more > mine]
    return max(inside, key=lambda s: s.total_s), min(around, key=lambda s: s.total_s)
