"""Sets of time as sorted, disjoint, half-open spans ``[start, end)``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from orbits.compiled import njit

_NONE = np.empty(0)


@njit(cache=True, nogil=True)
def _normalise(start, end):
    """Whether all edges are finite, and the spans sorted, joined where they meet, none empty."""
    count = start.size
    tidy, before = True, -np.inf
    for i in range(count):
        if not (np.isfinite(start[i]) and np.isfinite(end[i])):
            return False, start, end
        tidy = tidy and end[i] > start[i] > before
        before = end[i]
    if tidy:
        return True, start, end
    order = np.argsort(start, kind="mergesort")
    s, e = np.empty(count), np.empty(count)
    used = 0
    for i in order:
        if not end[i] > start[i]:
            continue
        if used > 0 and start[i] <= e[used - 1]:
            e[used - 1] = max(e[used - 1], end[i])
        else:
            s[used], e[used] = start[i], end[i]
            used += 1
    return True, s[:used].copy(), e[:used].copy()


@njit(cache=True, nogil=True)
def _meet(a_start, a_end, b_start, b_end):
    """What two sets have in common; disjoint spans that do not touch meet in such."""
    room = a_start.size + b_start.size
    s, e = np.empty(room), np.empty(room)
    i, j, used = 0, 0, 0
    while i < a_start.size and j < b_start.size:
        begin, finish = max(a_start[i], b_start[j]), min(a_end[i], b_end[j])
        if finish > begin:
            s[used], e[used] = begin, finish
            used += 1
        if a_end[i] < b_end[j]:
            i += 1
        else:
            j += 1
    return s[:used].copy(), e[:used].copy()


@njit(cache=True, nogil=True)
def _outside(start, end, low, high):
    """What of ``low``..``high`` lies outside a set."""
    s, e = np.empty(start.size + 1), np.empty(start.size + 1)
    begin, used = low, 0
    for i in range(start.size):
        if end[i] <= low or start[i] >= high:
            continue
        if start[i] > begin:
            s[used], e[used] = begin, start[i]
            used += 1
        begin = end[i]
    if high > begin:
        s[used], e[used] = begin, high
        used += 1
    return s[:used].copy(), e[:used].copy()


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
        start, end = (np.array(x, dtype=float, ndmin=1) for x in (start_s, end_s))
        if start.shape != end.shape or start.ndim != 1:
            raise ValueError(f"starts {start.shape} and ends {end.shape} must be equal vectors")
        finite, self.start_s, self.end_s = _normalise(start, end)
        if not finite:
            raise ValueError("interval edges must be finite")

    @classmethod
    def _tidy(cls, edges: tuple[np.ndarray, np.ndarray]) -> Intervals:
        """The set of spans that are as they must be."""
        out = cls.__new__(cls)
        out.start_s, out.end_s = edges
        return out

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
        return Intervals._tidy(_meet(self.start_s, self.end_s, other.start_s, other.end_s))

    def complement(self, start_s: float, end_s: float) -> Intervals:
        """The instants of ``[start_s, end_s)`` that are not in the set."""
        low, high = float(start_s), float(end_s)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("interval edges must be finite")
        return Intervals._tidy(_outside(self.start_s, self.end_s, low, high))

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
