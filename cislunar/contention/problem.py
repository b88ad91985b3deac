"""What links contend for: sessions that may be granted, and pools that serve a few at once.

A **session** joins two terminals; granted for a span, it carries the contacts of both directions.
A **pool** is a terminal, an aperture that several terminals share, or the antennas of a station:
it serves a number of partners at once, on however many of its terminals. Before it serves a new
partner it takes the set-up time. All times are seconds past the plan's epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from orbits.intervals import Intervals

SAME_S = 1e-6  # instants closer than this are one


@dataclass(frozen=True)
class Pool:
    """What serves ``capacity`` partners at once: a node's terminal, aperture or antennas."""

    node: str
    name: str
    capacity: int


@dataclass(frozen=True, eq=False)
class Session:
    """A link that may be granted, and when it is open.

    ``start_s, end_s, value`` are its open pieces, sorted and disjoint: ``value`` is the share of
    its user's needed rate that it gives, 0 to 1. ``pools`` has the number of every pool that it
    takes from, with the partner as that pool sees it.
    """

    ends: tuple[tuple[str, str], tuple[str, str]]  # (node, terminal) twice
    user: str
    priority: float
    start_s: np.ndarray
    end_s: np.ndarray
    value: np.ndarray
    pools: tuple[tuple[int, str], ...] = ()

    @property
    def open(self) -> Intervals:
        return Intervals(self.start_s, self.end_s)

    def pieces(self, granted: Intervals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Its open pieces (start, end, value) within ``granted``."""
        low = np.searchsorted(granted.end_s, self.start_s, side="right")
        high = np.searchsorted(granted.start_s, self.end_s, side="left")
        count = np.maximum(high - low, 0)
        i = np.repeat(np.arange(self.start_s.size), count)
        j = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[i]
        start = np.maximum(self.start_s[i], granted.start_s[j])
        end = np.minimum(self.end_s[i], granted.end_s[j])
        return start, end, self.value[i]


@dataclass(frozen=True)
class Problem:
    """Sessions, pools, and the two times (s) that every grant must respect."""

    sessions: Sequence[Session]
    pools: Sequence[Pool]
    set_up_s: float = 0.0
    minimum_contact_s: float = 0.0

    def windows(self, index: int) -> Intervals:
        """The spans in which a session may be granted.

        A break shorter than the set-up time is bridged: the partner is kept. What is shorter than
        the least contact is left out where any pool is involved.
        """
        session = self.sessions[index]
        spans = session.open
        if not session.pools:
            return spans
        if self.set_up_s > 0.0 and len(spans) > 1:
            kept = np.flatnonzero(spans.start_s[1:] - spans.end_s[:-1] >= self.set_up_s)
            spans = Intervals(
                spans.start_s[np.concatenate(([0], kept + 1))],
                spans.end_s[np.concatenate((kept, [len(spans) - 1]))],
            )
        enough = spans.durations_s >= self.minimum_contact_s - SAME_S
        return Intervals(spans.start_s[enough], spans.end_s[enough])


@dataclass(frozen=True, eq=False)
class Window:
    """One span ``[start_s, end_s)`` in which a session (by number) may be granted."""

    session: int
    start_s: float
    end_s: float


Pieces = tuple[np.ndarray, np.ndarray, np.ndarray]
NO_PIECES: Pieces = (np.empty(0), np.empty(0), np.empty(0))


def joined(parts: Iterable[Pieces]) -> Pieces:
    """Pieces (start, end, value) of several lists in one."""
    parts = list(parts)
    if not parts:
        return NO_PIECES
    start, end, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    return start, end, value


def levels(pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """The sum of values over time as steps: instants, and the sum from each to the next."""
    start, end, value = pieces
    if not start.size:
        return np.empty(0), np.empty(0)
    when = np.concatenate((start, end))
    order = np.argsort(when, kind="stable")
    total = np.cumsum(np.concatenate((value, -value))[order])
    return when[order], total


def covered_s(pieces: Pieces) -> float:
    """The integral over time of the sum of values, of which no more than 1 counts, in s.

    >>> one = np.array([0.0, 5.0]), np.array([10.0, 20.0]), np.array([1.0, 0.5])
    >>> covered_s(one)  # 10 s in full, then 10 s at half
    15.0
    """
    when, total = levels(pieces)
    if not when.size:
        return 0.0
    return float((np.clip(total[:-1], 0.0, 1.0) * np.diff(when)).sum())


def served_s(problem: Problem, grants: Sequence[Intervals]) -> float:
    """The objective: priority-weighted served time of all users, s."""
    by_user: dict[str, list[Pieces]] = {}
    priority: dict[str, float] = {}
    for session, granted in zip(problem.sessions, grants, strict=True):
        if len(granted):
            by_user.setdefault(session.user, []).append(session.pieces(granted))
            priority[session.user] = session.priority
    return sum(priority[user] * covered_s(joined(parts)) for user, parts in by_user.items())


def over_capacity(start_s, end_s, partner, capacity: int) -> Intervals:
    """When more than ``capacity`` different partners (any labels) have a span open, s.

    >>> over_capacity(np.array([0.0, 5.0, 6.0]), np.array([9.0, 7.0, 8.0]), ["a", "b", "b"], 1)
    Intervals(1 spans, 3 s)
    """
    spans: dict = {}
    for i, name in enumerate(partner):
        spans.setdefault(name, []).append(i)
    if len(spans) <= capacity:
        return Intervals()
    merged = [Intervals(start_s[i], end_s[i]) for i in spans.values()]
    start = np.concatenate([m.start_s for m in merged])
    end = np.concatenate([m.end_s for m in merged])
    when, count = levels((start, end, np.ones(start.size)))
    over = count[:-1] > capacity + 0.5
    return Intervals(when[:-1][over], when[1:][over])
