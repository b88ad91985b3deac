"""Mixed-integer programs of who is served: variables, limits and the objective (HiGHS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cislunar.contention.problem import NO_PIECES, Pieces, Problem, Window, levels
from orbits.intervals import Intervals

Term = tuple[int, float]  # a variable and its factor


class Program:
    """The most of a sum of variables, each from 0 to its limit, under rows ``sum <= limit``."""

    def __init__(self):
        self.worth: list[float] = []
        self._most: list[float] = []
        self._whole: list[int] = []
        self._row: list[int] = []
        self._column: list[int] = []
        self._factor: list[float] = []
        self._high: list[float] = []

    def variables(self, most: Any, *, whole: bool = False, worth: float = 0.0) -> list[int]:
        """New variables, one for each of ``most``, what they are at most; their numbers."""
        first = len(self.worth)
        for high in np.atleast_1d(np.asarray(most, dtype=float)).tolist():
            self.worth.append(worth)
            self._most.append(high)
            self._whole.append(int(whole))
        return list(range(first, len(self.worth)))

    def at_most(self, high: float, *terms: Term) -> None:
        for column, factor in terms:
            self._row.append(len(self._high))
            self._column.append(column)
            self._factor.append(factor)
        self._high.append(high)

    @property
    def linear(self) -> bool:
        return not any(self._whole)

    def solve(self, **options: Any) -> Any:
        """What scipy's ``milp`` finds, of the negative objective over ``scale``; and ``scale``."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        count = len(self.worth)
        scale = max(max(self.worth, default=0.0), 1.0)
        limits: Any = (np.zeros(count), np.array(self._most), np.array(self._high))
        rows = csr_array(
            (self._factor, (self._row, self._column)), shape=(len(self._high), count), dtype=float
        )
        found = milp(
            -np.array(self.worth) / scale,
            integrality=np.array(self._whole),
            bounds=Bounds(limits[0], limits[1]),
            constraints=LinearConstraint(rows, ub=limits[2]),
            options={"mip_rel_gap": 0.0, **options},
        )
        return found, scale


def serve(
    program: Program,
    problem: Problem,
    windows: Sequence[Window],
    base: Mapping[str, Pieces],
    cuts: np.ndarray,
    spans: Sequence[Sequence[int]],
    given: Sequence[Sequence[int]],
    unit_s: np.ndarray,
) -> None:
    """Adds the objective: what users are served between cuts, beyond ``base`` and at most in full.

    ``given[i]`` are the variables of window ``i`` on the pieces ``spans[i]``; ``unit_s`` is what
    one of a variable is in s, piece by piece.
    """
    length = np.diff(cuts)
    by_user: dict[str, list[int]] = {}
    for i, window in enumerate(windows):
        by_user.setdefault(problem.sessions[window.session].user, []).append(i)
    for user, members in by_user.items():
        room = 1.0 - np.clip(spread(base.get(user, NO_PIECES), cuts), 0.0, 1.0)
        value = {i: spread(pieces_of(problem, windows[i]), cuts) for i in members}
        weight = problem.sessions[windows[members[0]].session].priority
        for k in np.flatnonzero(room > 0.0).tolist():
            terms = [
                (given[i][k - spans[i][0]], -float(value[i][k]))
                for i in members
                if spans[i][0] <= k < spans[i][1] and value[i][k] > 0.0
            ]
            if terms:
                unit = float(unit_s[k])
                most = float(room[k] * length[k]) / unit
                (served,) = program.variables(most, worth=weight * unit)
                program.at_most(0.0, (served, 1.0), *terms)


def spread(pieces: Pieces, cuts: np.ndarray) -> np.ndarray:
    """The sum of the pieces' values on each interval between cuts."""
    when, total = levels(pieces)
    if not when.size:
        return np.zeros(cuts.size - 1)
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    at = np.searchsorted(when, middle, side="right") - 1
    return np.where(at >= 0, total[np.maximum(at, 0)], 0.0)


def pieces_of(problem: Problem, window: Window) -> Pieces:
    """The open pieces of a window."""
    span = Intervals([window.start_s], [window.end_s])
    return problem.sessions[window.session].pieces(span)
