"""Stability of periodic orbits, and the members of a family where other families meet it.

A member has two stability indices, half the sum of a multiplier and its inverse for each of the two
pairs that are not 1. It is stable when both lie between -1 and 1. Where one passes +1 a family
folds or another of the same period branches off; where it passes the cosine of a fraction of a
turn, one of a multiple of the period does (-1: twice, -1/2: three times, 0: four times).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orbits.continuation import HALF, Z0, correct, jacobi_nd, monodromy
from orbits.errors import ConvergenceError
from orbits.show import Shown

KINDS = {  # index that is passed: what happens there
    1.0: "branching",
    -1.0: "period doubling",
    -0.5: "period tripling",
    0.0: "period quadrupling",
}
FOLD = "fold"  # an index passes +1 where the Jacobi constant has an extremum: no other family
COLLISION = "collision"  # two pairs meet and leave the unit circle or the axis together


@dataclass(frozen=True, eq=False, repr=False)
class Bifurcation(Shown):
    """A member ``u`` (4) of a family where others may branch off, and how.

    ``across`` says that it is the motion across the plane of a planar family that changes. For
    ``kind`` see KINDS; ``period_nd`` and ``jacobi_nd`` are the member's own.
    """

    kind: str
    across: bool
    u: np.ndarray
    period_nd: float
    jacobi_nd: float


def is_planar(u) -> bool:
    """Whether the member lies in the plane of the Earth and the Moon."""
    return bool(abs(u[Z0]) < 1e-12)


def stability_indices(u, mu: float) -> tuple[complex, complex]:
    """The two stability indices of the member ``u`` (4), real ones as real numbers.

    Of a planar member the first belongs to motion in the plane, the second to motion across it;
    otherwise the larger in size comes first. Source: Broucke, AIAA Journal 7 (1969) 1003.
    """
    matrix = monodromy(u, mu)
    trace = float(np.trace(matrix))
    if is_planar(u):
        across = float(matrix[2, 2] + matrix[5, 5]) / 2
        return (trace - 2) / 2 - across, across
    low, root = _pair(matrix)
    if root < 0:
        return complex(low, np.sqrt(-root)), complex(low, -np.sqrt(-root))
    first = float(low + np.copysign(np.sqrt(root), low))
    return first, 2 * low - first


def _pair(matrix):
    """Mean of the two indices, and the square of half of what they differ by."""
    trace = float(np.trace(matrix))
    sum_, product = trace - 2, ((trace - 2) ** 2 - float(np.trace(matrix @ matrix)) + 2) / 2 - 2
    # with s = l + 1/l of each pair: s1 + s2 and s1 s2; the indices are half of them
    return sum_ / 4, sum_**2 / 16 - product / 4


def is_stable(u, mu: float, slack: float = 1e-6) -> bool:
    """Whether no deviation from the member ``u`` (4) grows exponentially."""
    both = stability_indices(u, mu)
    return all(abs(complex(k).imag) < slack and abs(complex(k).real) <= 1 + slack for k in both)


def _tests(u, mu) -> dict[tuple[str, bool], float]:
    """Functions that change sign where something branches off."""
    if is_planar(u):
        both = stability_indices(u, mu)
        return {
            (kind, bool(k)): float(complex(both[k]).real) - value
            for value, kind in KINDS.items()
            for k in (0, 1)
        }
    mean, root = _pair(monodromy(u, mu))
    found = {(kind, True): (mean - value) ** 2 - root for value, kind in KINDS.items()}
    found[COLLISION, True] = root
    return found


def find_bifurcations(members, mu: float) -> list[Bifurcation]:
    """Where others branch off the family ``members`` (M, 4), in their order, to 1e-9 in arclength.

    Between two members an even number of passages of the same kind goes unseen: the members must
    be dense enough for the indices to be followed.
    """
    members = np.asarray(members, dtype=float)[:, :4]
    tests = [_tests(u, mu) for u in members]
    jacobi = np.array([jacobi_nd(u, mu) for u in members])
    found = []
    for i in range(len(members) - 1):
        here = []
        for key, before in tests[i].items():
            after = tests[i + 1].get(key)
            if after is None or before * after >= 0:
                continue
            u = _refine(members[i], members[i + 1], before, key, mu)
            if u is None:
                continue
            kind, across = key
            if kind == KINDS[1.0] and _is_extreme(jacobi, i):
                kind = FOLD
            planar = is_planar(u)
            here.append(
                Bifurcation(kind, across and planar, u, float(2 * u[HALF]), jacobi_nd(u, mu))
            )
        step = members[i + 1] - members[i]
        found += sorted(here, key=lambda b, way=step: float(b.u @ way))
    return found


def _is_extreme(values, i) -> bool:
    """Whether the values turn near the interval from i to i + 1."""
    around = np.diff(values[max(0, i - 1) : i + 3])
    return bool((around > 0).any() and (around < 0).any())


def _refine(first, last, before, key, mu):
    """The member between two where the test named ``key`` is zero; None where it is not followed.

    By halving: near a branching the family's own equations are ill-conditioned.
    """
    direction = last - first
    length = float(np.linalg.norm(direction))
    direction = direction / length
    low, high = 0.0, length
    u = first
    while high - low > 1e-10:
        middle = 0.5 * (low + high)
        point = first + middle * direction
        try:
            u = correct(point, mu, "plane", (direction, point))
        except ConvergenceError:
            return None
        value = _tests(u, mu).get(key)
        if value is None or np.linalg.norm(u - point) > 0.5 * length:
            return None
        if value * before > 0:
            low = middle
        else:
            high = middle
    return u
