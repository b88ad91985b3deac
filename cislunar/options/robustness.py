"""How a set of options holds when costs, dates and luck are not as planned, by random draws.

Costs are drawn between the record's low and high with the mid as the likeliest (triangular), each
option by itself. Slips and losses are drawn only as the user states them: no rate is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cislunar.options.option import Option
from orbits.errors import InputError


@dataclass(frozen=True, eq=False)
class Robustness:
    """Draws of a set: cost (億円), hours filled with what is there, and when it is complete (year).

    ``within_budget_frac``: share of the draws whose cost keeps to the budget.
    """

    cost_oku_jpy: np.ndarray
    gap_hours_filled: np.ndarray
    slip_years: np.ndarray
    within_budget_frac: float
    seed: int

    def percentiles(self, percents: Sequence[float] = (5, 50, 95)) -> dict[str, list[float]]:
        """Percentiles of cost (億円), hours filled and the largest slip (years)."""
        names = ("cost_oku_jpy", "gap_hours_filled", "slip_years")
        return {n: np.percentile(getattr(self, n), percents).tolist() for n in names}

    def _repr_html_(self) -> str:
        import pandas as pd

        return pd.DataFrame(self.percentiles(), index=["5 %", "50 %", "95 %"]).to_html()


def robustness(
    chosen: Sequence[Option],
    filled_h: Callable[[frozenset[str]], float],
    budget_oku_jpy: float,
    *,
    loss_frac: float | Mapping[str, float] | None = None,
    slip_years: tuple[float, float, float] | Mapping[str, tuple[float, float, float]] | None = None,
    draws: int = 2000,
    seed: int = 1,
) -> Robustness:
    """What random draws make of a set of options; equal seeds give equal draws.

    ``filled_h(ids)``: hours that a set fills. ``loss_frac``: the chance that an option is lost, for
    all or by option id; ``slip_years``: (early, nominal, late) slip of each start, triangular.
    Without them nothing is lost and nothing slips. ``slip_years`` of the result is the largest slip
    in each draw.
    """
    if draws < 1:
        raise InputError("no draws", key="draws", value=draws, allowed=">= 1")
    rng = np.random.default_rng(seed)
    cost, slip = np.zeros(draws), np.zeros(draws)
    there = np.ones((draws, len(chosen)), dtype=bool)
    for k, option in enumerate(chosen):
        mid = option.cost_oku_jpy
        low, high = (
            mid if c is None else c for c in (option.cost_low_oku_jpy, option.cost_high_oku_jpy)
        )
        cost += triangular(rng, (low, mid, high), draws)
        late = slip_years.get(option.id) if isinstance(slip_years, Mapping) else slip_years
        drawn = triangular(rng, late or (0.0, 0.0, 0.0), draws)
        slip = np.maximum(slip, drawn) if k else drawn
        chance = loss_frac.get(option.id, 0.0) if isinstance(loss_frac, Mapping) else loss_frac
        if not 0.0 <= (chance or 0.0) <= 1.0:
            raise InputError("not a chance", key="loss_frac", value=chance, allowed="0 to 1")
        there[:, k] = rng.random(draws) >= (chance or 0.0)
    hours = np.zeros(draws)
    for pattern in np.unique(there, axis=0):
        left = frozenset(o.id for o, kept in zip(chosen, pattern, strict=True) if kept)
        hours[(there == pattern).all(axis=1)] = filled_h(left)
    return Robustness(cost, hours, slip, float((cost <= budget_oku_jpy + 1e-9).mean()), seed)


def triangular(rng, given: tuple[float, float, float], draws: int) -> np.ndarray:
    """Draws of the triangular law (least, likeliest, most).

    >>> triangular(np.random.default_rng(1), (2.0, 2.0, 2.0), 2).tolist()
    [2.0, 2.0]
    """
    low, mid, high = given
    if not low <= mid <= high:
        raise InputError("not in order", value=given, allowed="low <= mid <= high")
    drawn = rng.random(draws)  # one draw each, so that options keep theirs whatever the others are
    if high == low:
        return np.full(draws, float(mid))
    turn = (mid - low) / (high - low)
    below = low + np.sqrt(drawn * (high - low) * (mid - low))
    above = high - np.sqrt((1.0 - drawn) * (high - low) * (high - mid))
    return np.where(drawn < turn, below, above)
