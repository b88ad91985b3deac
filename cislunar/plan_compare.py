"""What is different between two contact plans, interval by interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.plan_files import read_plan
from orbits.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "source", "target", "change", "start_s", "end_s", "duration_s", "rate_before_bps",
    "rate_after_bps", "owlt_before_s", "owlt_after_s",
)  # fmt: skip


def load_contacts(path) -> ContactTable:
    """The contact plan in a file of any form that is read (CSV, ION, HDTN, tvg, GraphML, JSON).

    Times are seconds past the plan's epoch, in transmit time at the source.
    """
    return read_plan(path)


def compare_plans(
    before, after, *, time_s: float = 1e-3, rate_frac: float = 1e-9, owlt_s: float = 1e-3
) -> pd.DataFrame:
    """The intervals in which two plans differ, one row each, by source, target and start.

    ``change`` is ``added`` or ``removed`` where only one of them has a contact of the pair, and
    ``changed`` where the best rate differs by more than a share ``rate_frac`` of the higher, or its
    light time by more than ``owlt_s``; of several contacts at once the fastest counts. Intervals
    shorter than ``time_s`` are left out. Times are counted from the first plan's epoch.

    >>> old = ContactTable.of_rows([("1", "a", "b", 0, 10, 1e6, 1.0)])
    >>> new = ContactTable.of_rows([("1", "a", "b", 5, 20, 1e6, 1.0)])
    >>> compare_plans(old, new)[["change", "start_s", "end_s"]].values.tolist()
    [['removed', 0.0, 5.0], ['added', 10.0, 20.0]]
    """
    import pandas as pd

    plans = table_of(before), table_of(after)
    shift = 0.0
    if plans[0].epoch is not None and plans[1].epoch is not None:
        shift = plans[1].epoch - plans[0].epoch
    elif (plans[0].epoch is None) != (plans[1].epoch is None) and len(plans[0]) and len(plans[1]):
        raise InputError("one plan has an epoch and the other has none", allowed="both, or neither")
    moved = (0.0, shift)
    names = sorted({*plans[0].names, *plans[1].names})
    rows = []
    sides = [_by_pair(plan, names, late) for plan, late in zip(plans, moved, strict=True)]
    for pair in sorted({*sides[0], *sides[1]}):
        pieces = [side.get(pair, ()) for side in sides]
        cuts = np.unique(np.concatenate([x for some in pieces for x in some[:2]]))
        best = [_best(some, cuts) for some in pieces]
        (rate_a, owlt_a), (rate_b, owlt_b) = best
        up_a, up_b = rate_a >= 0.0, rate_b >= 0.0
        differs = np.abs(rate_a - rate_b) > rate_frac * np.maximum(rate_a, rate_b)
        differs |= np.abs(owlt_a - owlt_b) > owlt_s
        change = np.where(up_a & ~up_b, 1, np.where(up_b & ~up_a, 2, 0))
        change[up_a & up_b & differs] = 3
        last = None
        for k in np.flatnonzero(change):
            figures = (rate_a[k], rate_b[k], owlt_a[k], owlt_b[k])
            if last and last[1] == cuts[k] and last[2:] == (change[k], figures):
                last = (last[0], cuts[k + 1], *last[2:])
                rows[-1] = (pair, last)
            else:
                last = (cuts[k], cuts[k + 1], change[k], figures)
                rows.append((pair, last))
    words = ("", "removed", "added", "changed")
    found = [
        (
            names[u], names[v], words[change], start, end, end - start,
            *(figures[i] if change != missing else None for i, missing in enumerate((2, 1, 2, 1))),
        )
        for (u, v), (start, end, change, figures) in rows
        if end - start >= time_s
    ]  # fmt: skip
    frame = pd.DataFrame(found, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(COLUMNS[6:], "Float64"))


def _by_pair(plan: ContactTable, names, late_s: float) -> dict:
    """The contacts of each pair (numbers in ``names``): starts, ends, rates, light times."""
    number = np.array([names.index(n) for n in plan.names], dtype=np.int64)
    pairs: dict = {}
    new = np.flatnonzero(
        np.concatenate(([True], (np.diff(plan.source) != 0) | (np.diff(plan.target) != 0)))
    )
    edges = np.append(new, len(plan)) if len(plan) else np.zeros(1, dtype=np.int64)
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        pair = int(number[plan.source[a]]), int(number[plan.target[a]])
        pairs[pair] = (
            plan.start_s[a:b] + late_s, plan.end_s[a:b] + late_s, plan.rate_bps[a:b],
            plan.owlt_s[a:b],
        )  # fmt: skip
    return pairs


def _best(some, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fastest contact between cuts: rate (-1: none) and light time."""
    rate, owlt = np.full(cuts.size - 1, -1.0), np.zeros(cuts.size - 1)
    if some:
        low, high = np.searchsorted(cuts, some[0]), np.searchsorted(cuts, some[1])
        for a, b, r, o in zip(low.tolist(), high.tolist(), *some[2:], strict=True):
            faster = rate[a:b] < r
            rate[a:b][faster], owlt[a:b][faster] = r, o
    return rate, owlt
