"""Sets of time as sorted, disjoint, half-open spans ``[start, end)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

_NONE = np.empty(0)


def _normalise(start, end):
    keep = end > start
    start, end = start[keep], end[keep]
    if start.size < 2:
        return start, end
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reach = np.maximum.accumulate(end)
    first = np.concatenate(([True], start[1:] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return start[first], reach[last]


class Intervals:
    """A set of instants in seconds: sorted half-open spans that neither overlap nor touch.

    >>> day = Intervals([0.0, 10.0], [5.0, 20.0])
    >>> (day & Intervals([3.0], [12.0])).pairs()
    [(3.0, 5.0), (10.0, 12.0)]
    >>> day.complement(0.0, 30.0).total_s
    15.0
    """

    __slots__ = ("end_s", "start_s")

    def __init__(self, start_s: ArrayLike = _NONE, end_s: ArrayLike = _NONE):
        start = np.atleast_1d(np.asarray(start_s, dtype=float))
        end = np.atleast_1d(np.asarray(end_s, dtype=float))
        if start.shape != end.shape or start.ndim != 1:
            raise ValueError(f"starts {start.shape} and ends {end.shape} must be equal vectors")
        if not (np.isfinite(start).all() and np.isfinite(end).all()):
            raise ValueError("interval edges must be finite")
        self.start_s, self.end_s = _normalise(start, end)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[float, float]]) -> Intervals:
        pairs = list(pairs)
        return cls([p[0] for p in pairs], [p[1] for p in pairs]) if pairs else cls()

    @classmethod
    def union_of(cls, many: Iterable[Intervals]) -> Intervals:
        many = [i for i in many if len(i)]
        if not many:
            return cls()
        return cls(
            np.concatenate([i.start_s for i in many]), np.concatenate([i.end_s for i in many])
        )

    def __len__(self) -> int:
        return self.start_s.size

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(self.pairs())

    def pairs(self) -> list[tuple[float, float]]:
        return list(zip(self.start_s.tolist(), self.end_s.tolist(), strict=True))

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, Intervals)
            and np.array_equal(self.start_s, other.start_s)
            and np.array_equal(self.end_s, other.end_s)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Intervals({len(self)} spans, {self.total_s:.0f} s)"

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals.union_of((self, other))

    def __and__(self, other: Intervals) -> Intervals:
        if not len(self) or not len(other):
            return Intervals()
        # every pair of spans that overlap: j runs from the first that ends after a's start
        low = np.searchsorted(other.end_s, self.start_s, side="right")
        high = np.searchsorted(other.start_s, self.end_s, side="left")
        count = np.maximum(high - low, 0)
        if not count.any():
            return Intervals()
        i = np.repeat(np.arange(len(self)), count)
        j = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[i]
        return Intervals(
            np.maximum(self.start_s[i], other.start_s[j]), np.minimum(self.end_s[i], other.end_s[j])
        )

    def complement(self, start_s: float, end_s: float) -> Intervals:
        """The instants of ``[start_s, end_s)`` that are not in the set."""
        inside = self.clip(start_s, end_s)
        return Intervals(
            np.concatenate(([start_s], inside.end_s)), np.concatenate((inside.start_s, [end_s]))
        )

    def __sub__(self, other: Intervals) -> Intervals:
        if not len(self) or not len(other):
            return self
        return self & other.complement(self.start_s[0], self.end_s[-1])

    def clip(self, start_s: float, end_s: float) -> Intervals:
        return self & Intervals([start_s], [end_s])

    def shift(self, offset_s: float) -> Intervals:
        return Intervals(self.start_s + offset_s, self.end_s + offset_s)

    def contains(self, t_s):
        """True where ``t_s`` (seconds, any shape) lies in the set."""
        t = np.asarray(t_s, dtype=float)
        if not len(self):
            return np.zeros(t.shape, dtype=bool)
        index = np.searchsorted(self.start_s, t, side="right") - 1
        return (index >= 0) & (t < self.end_s[np.maximum(index, 0)])

    @property
    def durations_s(self) -> np.ndarray:
        return self.end_s - self.start_s

    @property
    def total_s(self) -> float:
        return float(self.durations_s.sum())

    @property
    def longest_s(self) -> float:
        return float(self.durations_s.max()) if len(self) else 0.0
