"""The table of converged members of every family: read once, and looked up between neighbours."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np

from orbits.continuation import HALF, X0, jacobi_nd
from orbits.errors import FamilyError, InputError

TABLE = Path(__file__).parent / "data" / "families.csv"
VERSION = "# families of the Earth-Moon problem, version 2"
COLUMNS = ("x0", "z0", "vy0", "half_period", "perilune", "amplitude_z", "extent_x")
NEAR, PERILUNE, AMPLITUDE_Z, EXTENT, JACOBI = range(4, 9)  # after u = (x0, z0, vy0, half period)


@lru_cache(maxsize=1)
def tables() -> dict[str, list[list[float]]]:
    """The rows of every family in the file, by name, as ``COLUMNS``; nondimensional."""
    found: dict[str, list[list[float]]] = {}
    with TABLE.open(newline="", encoding="utf-8") as text:
        version = text.readline().strip()
        if version != VERSION:
            raise InputError(f"{version!r} is not the families table", allowed=VERSION)
        for row in csv.DictReader(text):
            found.setdefault(row["family"], []).append([float(row[k]) for k in COLUMNS])
    return found


@lru_cache(maxsize=16)
def table(family: str, mu: float) -> np.ndarray:
    """Members (M, 9) of a family: u (4) and the columns named above; all nondimensional."""
    if family not in tables():
        raise FamilyError(
            f"no family {family!r}", key="family", value=family, allowed=", ".join(tables())
        )
    rows = np.array(tables()[family])
    near = abs(1 - mu - rows[:, X0])
    jacobi = [jacobi_nd(u, mu) for u in rows[:, :4]]
    return np.column_stack([rows[:, :4], near, rows[:, 4:], jacobi])


def look_up(members, column, wanted, name=None, value=None, system=None) -> np.ndarray:
    """Member ``u`` (4) interpolated where a column of the members (M, ...) passes ``wanted``.

    FamilyError where it does so more than once.
    """
    offset = members[:, column] - wanted
    passes = np.flatnonzero((offset[:-1] < 0) != (offset[1:] < 0))
    if len(passes) > 1 and system is not None:
        days = ", ".join(f"{2 * members[i, HALF] * system.tu_days:.2f}" for i in passes)
        raise FamilyError(
            f"{value} belongs to {len(passes)} members, with periods near {days} days",
            key=name, value=value, allowed="another figure, to say which",
        )  # fmt: skip
    i = int(passes[0]) if len(passes) else int(np.argmin(abs(offset)))
    first = min(max(0, i - 1), len(members) - 4)  # Lagrange through four neighbours
    x, y = offset[first : first + 4], members[first : first + 4, :4]
    steps = np.diff(x)
    if not ((steps > 0).all() or (steps < 0).all()):
        i = min(i, len(members) - 2)
        x, y = offset[i : i + 2], members[i : i + 2, :4]
    weights = [
        np.prod([-x[k] / (x[j] - x[k]) for k in range(len(x)) if k != j]) for j in range(len(x))
    ]
    return np.asarray(weights) @ y
