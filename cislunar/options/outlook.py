"""What a chosen set fills, costs and when it serves, if starts slip, craft are lost, costs overrun.

Draws follow the catalogue's records of risk (``risks.yaml``) and each option's own range of cost.
Each craft of a constellation is lost by itself, and what the others still fill is looked at again;
of the many ways to lose some, as many as occur most are run, and in the rest the option counts as
lost as a whole: what is said is then too little rather than too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.options.economics import (
    YEAR_DAYS,
    fiscal_year,
    service_days,
    year_of_day,
    year_start_day,
)
from cislunar.options.option import Option
from cislunar.options.robustness import triangular

if TYPE_CHECKING:
    import pandas as pd

DRAWS, SEED = 2000, 1
MOST_RUNS = 12  # of sets that have lost some of a constellation; a run must end within a minute
HOUR_S = 3600.0
COLUMNS = ("quantity", "fiscal_year", "planned", "p05", "p50", "p95", "mean")
State = frozenset[tuple[str, int]]  # options in service, with how many craft each has lost
CHANCES = {"spacecraft": "loss-craft", "assets": "loss-landing", "ground_stations": "loss-station"}


@dataclass(frozen=True)
class Risks:
    """Slip of a start (early, nominal, late; years); the chance to lose what is sent, by kind."""

    slip_years: tuple[float, float, float]
    loss_frac: Mapping[str, float]


def catalogue_risks() -> Risks:
    """The risks of the catalogue.

    >>> catalogue_risks().slip_years
    (0.0, 0.0, 3.0)
    """
    from cislunar import catalog

    slip = catalog.find("option-slip")
    early, nominal, late = (float(slip[f"{k}_years"]) for k in ("early", "nominal", "late"))
    return Risks(
        (early, nominal, late),
        {kind: float(catalog.find(name)["loss_frac"]) for kind, name in CHANCES.items()},
    )


def units_of(option: Option, names: frozenset[str]) -> list[tuple[str, str]]:
    """(node, kind) of everything that an option sends; ``names`` are its nodes in the pool."""
    surface = {n["name"] for n in option.adds.get("assets", ())}
    ground = {n["name"] for n in option.adds.get("ground_stations", ())}

    def kind(name: str) -> str:
        own = name.split("-added")[0]
        if name in ground or own in ground:
            return "ground_stations"
        return "assets" if name in surface or own in surface else "spacecraft"

    return [(name, kind(name)) for name in sorted(names)]


class Filled:
    """``filled(state)``: hours that options fill of which some have lost craft."""

    def __init__(self, worth: Any, whole: Any, chosen: Sequence[str], seed: int = SEED):
        self.worth, self.whole = worth, whole
        rng = np.random.default_rng(seed)
        self.order = {
            i: [
                n
                for n, kind in units_of(worth.pool[i], whole.names[i])
                if kind != "ground_stations"
            ]
            for i in chosen
        }
        for names in self.order.values():
            rng.shuffle(names)
        self.known: dict[State, float] = {}
        self.runs = 0

    def least(self, state: State) -> float:
        """Hours without the options that have lost anything."""
        return self.worth.total_h([i for i, lost in state if not lost])

    def __call__(self, state: State) -> float:
        if state not in self.known:
            self.known[state] = self._run(state)
        return self.known[state]

    def _run(self, state: State) -> float:
        ids = frozenset(i for i, _ in state)
        unhurt = frozenset(i for i, lost in state if not lost)
        least = self.least(state)
        windows = {
            key: part.spans_of(key, ids) - part.spans_of(key, unhurt)
            for part in self.worth.explored
            for key in part.keys
        }
        windows = {k: w for k, w in windows.items() if w.total_s > 0.5}
        if ids == unhurt or not windows:
            return least
        self.runs += 1
        gone = {n for i, lost in state for n in self.order[i][:lost]}
        found = self.whole.served_by(self.whole.nodes_of(ids) - gone, windows)
        return least + sum(s.total_s for s in found.values()) / HOUR_S


def outlook_frame(
    chosen: Sequence[Option],
    filled: Callable[[State], float] | None,
    craft: Mapping[str, Sequence[str]],
    gap_h: float,
    span_days: float,
    risks: Risks,
    *,
    least: Callable[[State], float] = lambda state: 0.0,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of ``robustness.csv`` and notes on the draws: as planned, percentiles and mean.

    ``craft[option]``: the kind of each thing that it sends. ``filled``: hours of a span that a
    state fills (None: not asked, as where each would take a rerun of everything). Quantities:
    ``cost_oku_jpy`` (development), ``in_service`` (year, when the last of the set serves),
    ``gap_hours_filled`` (a span with all that is left in service), ``share_filled_frac``, and
    ``gap_hours_filled_in_year`` by fiscal year.
    """
    import pandas as pd

    chosen = [o for o in chosen if o.available_from and o.lifetime_years]
    rng = np.random.default_rng(seed)
    count = len(chosen)
    cost, slip = np.zeros((draws, count)), np.zeros((draws, count))
    lost = np.zeros((draws, count), dtype=int)
    for k, option in enumerate(chosen):
        mid = option.cost_oku_jpy
        ends = (option.cost_low_oku_jpy, option.cost_high_oku_jpy)
        low, high = (mid if c is None else c for c in ends)
        cost[:, k] = triangular(rng, (low, mid, high), draws)
        slip[:, k] = triangular(rng, risks.slip_years, draws)
        for kind in craft[option.id]:
            lost[:, k] += rng.random(draws) < risks.loss_frac[kind]
    rows: list[tuple[Any, ...]] = []

    def row(quantity: str, planned: float, values: np.ndarray, year: int | None = None):
        marks = np.percentile(values, [5, 50, 95])
        rows.append((quantity, year, planned, *(float(m) for m in marks), float(values.mean())))

    if not chosen:
        return pd.DataFrame(columns=list(COLUMNS)), {}
    row("cost_oku_jpy", sum(o.cost_oku_jpy for o in chosen), cost.sum(axis=1))
    service = np.array([service_days(o) for o in chosen])
    start = service[:, 0] + slip * YEAR_DAYS
    row("in_service", float(_year(service[:, 0].max())), _year(start.max(axis=1)))
    notes: dict[str, Any] = {
        "draws": draws, "seed": seed, "risks": ["option-slip", *CHANCES.values()],
    }  # fmt: skip
    if filled is None:
        return _frame(rows), notes
    size = np.array([len(craft[o.id]) for o in chosen])
    there = lost < np.maximum(size, 1)
    life = service[:, 1] - service[:, 0]
    first = min(fiscal_year(o.available_from) for o in chosen)
    last = year_of_day(float((start + life).max()) - 1e-6)
    years = np.arange(first, last + 1)
    edges = np.array([year_start_day(int(y)) for y in [*years, last + 1]], dtype=float)
    # the first row is the plan, the others are drawn
    start = np.vstack([service[None, :, 0], start])
    lost = np.vstack([np.zeros((1, count), dtype=int), lost])
    there = np.vstack([np.ones((1, count), dtype=bool), there])
    fixed = np.broadcast_to(edges, (draws + 1, edges.size))
    cuts = np.sort(np.concatenate([fixed, start, start + life], axis=1), axis=1)
    cuts = np.clip(cuts, edges[0], edges[-1])
    middle, length = 0.5 * (cuts[:, 1:] + cuts[:, :-1]), np.diff(cuts, axis=1)
    at = middle[:, :, None]
    serving = there[:, None, :] & (start[:, None, :] <= at) & (at < (start + life)[:, None, :])
    code = np.where(serving, lost[:, None, :], -1).reshape(-1, count)
    code = np.vstack([code, np.where(there, lost, -1)])  # and once with all that is left
    weight = np.concatenate([length.ravel(), np.full(draws + 1, YEAR_DAYS)])
    codes, back = np.unique(code, axis=0, return_inverse=True)
    states = [
        frozenset((o.id, int(c)) for o, c in zip(chosen, row, strict=True) if c >= 0)
        for row in codes
    ]
    hours, notes["not_run_hours_frac"] = _hours_of(
        states, np.bincount(back.ravel(), weights=weight), filled, least
    )
    each = hours[back.ravel()]
    whole = each[length.size :]
    row("gap_hours_filled", float(whole[0]), whole[1:])
    if gap_h > 0:
        row("share_filled_frac", float(whole[0]) / gap_h, whole[1:] / gap_h)
    which = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, years.size - 1)
    by_year = np.zeros((draws + 1, years.size))
    spread = each[: length.size].reshape(length.shape) * length / span_days
    np.add.at(by_year, (np.arange(draws + 1)[:, None], which), spread)
    for k, year in enumerate(years.tolist()):
        row("gap_hours_filled_in_year", float(by_year[0, k]), by_year[1:, k], year)
    return _frame(rows), notes


def best_under_overruns(
    worth: Any, chosen: Sequence[str], budget: float, *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Any]:
    """How a set fares among all sets of the options that matter when costs are drawn, as shares.

    ``within_budget_frac``: it keeps to the budget; ``best_frac``: it does, and no other that does
    fills more; ``often_best``: the sets that are best most often, with their share.
    """
    rng = np.random.default_rng(seed)
    names = [i for group in worth.kept for i in group]
    cost = np.empty((draws, len(names)))
    for k, name in enumerate(names):
        option = worth.pool[name]
        mid = option.cost_oku_jpy
        ends = (option.cost_low_oku_jpy, option.cost_high_oku_jpy)
        low, high = (mid if c is None else c for c in ends)
        cost[:, k] = triangular(rng, (low, mid, high), draws)
    sets = sorted(worth.sets)  # of equals the cheaper first
    member = np.array([[n in s[2] for s in sets] for n in names], dtype=float)
    able = cost @ member <= budget + 1e-9
    value = np.where(able, [s[1] for s in sets], -1.0)
    own = next(k for k, s in enumerate(sets) if set(s[2]) == set(chosen))
    most = value.max(axis=1)
    first = np.argmax(value >= most[:, None] - 1e-3, axis=1)
    seen = np.bincount(first, minlength=len(sets)) / draws
    often = sorted(range(len(sets)), key=lambda k: (-seen[k], k))[:3]
    return {
        "within_budget_frac": float(able[:, own].mean()),
        "best_frac": float((able[:, own] & (value[:, own] >= most - 1e-3)).mean()),
        "often_best": [[worth.in_order(sets[k][2]), float(seen[k])] for k in often if seen[k] > 0],
    }


def _hours_of(states: Sequence[State], weight: np.ndarray, filled, least):
    """Hours of each state, and the share of all that may be missing where a state was not run.

    A state without losses is known. Of the others those are run that matter most: how long they
    last, times what their options would add if they had lost nothing.
    """
    low = np.array([least(s) for s in states])
    high = np.array([filled(frozenset((i, 0) for i, _ in s)) for s in states])
    hours = np.where([all(not n for _, n in s) for s in states], high, low)
    doubt = weight * (high - hours)
    for k in np.argsort(-doubt, kind="stable")[:MOST_RUNS]:
        if doubt[k] > 0.0:
            hours[k], doubt[k] = filled(states[k]), 0.0
    whole = float((weight * high).sum())
    return hours, float(doubt.sum()) / whole if whole > 0 else 0.0


def _year(day: Any) -> Any:
    """Calendar years with their fraction, of days past 2000-01-01."""
    return 2000.0 + np.asarray(day, dtype=float) / YEAR_DAYS


def _frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return frame.astype({"fiscal_year": "Int64"} | {c: "Float64" for c in COLUMNS[2:]})
