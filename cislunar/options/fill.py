"""What would fill the gaps: options ranked one by one, and the best set found under a budget.

Nothing here knows orbits or links. ``evaluate(option_ids)`` really adds the options to the
scenario, reruns it and gives the unserved seconds of every place and service; this room asks it
the right questions and keeps the books. Only places and services with a need count.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cislunar.fields import first_day
from cislunar.options.option import (
    Option,
    add_option,
    add_options,
    node_tags,
    option_additions,
    option_groups,
    read_option,
    requirements_of,
)
from orbits.errors import CislunarError, InputError

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]
Evaluate = Callable[[tuple[str, ...]], Mapping[Key, float]]

HOUR_S = 3600.0
FILLED_H = 1e-3  # what is smaller is the rounding of edges
LITTLE_OF_A_GROUP = 0.1  # a version that fills no more than this share of the best says so
LEAST_GAIN_H = 1e-3  # gains below this are the rounding of contact edges, not service
SERVICES = ("relay", "direct", "forward", "crosslink", "positioning")
FILL_COLUMNS = (
    "option", "nation", "cost_oku_jpy", "available_from", "gap_hours_filled",
    "share_filled_frac", "gap_hours_per_oku_jpy", "name_en", "name_ja", "cost_low_oku_jpy",
    "cost_high_oku_jpy", "annual_operations_oku_jpy", "lifetime_years", "relay_h", "direct_h",
    "forward_h", "positioning_h", "weighted_gap_hours_filled", "group", "together_with",
    "status", "note", "note_ja", "crosslink_h", "place_hours_filled",
)  # fmt: skip
PORTFOLIO_COLUMNS = (
    "option", "nation", "cost_oku_jpy", "available_from", "gap_hours_filled",
    "share_filled_frac", "gap_hours_per_oku_jpy", "order", "name_en", "name_ja",
    "cumulative_cost_oku_jpy", "cumulative_gap_hours_filled", "cumulative_share_filled_frac",
    "cost_low_oku_jpy", "cost_high_oku_jpy",
)  # fmt: skip
_NUMBERS = {
    "place_hours_filled",
    "cost_oku_jpy", "gap_hours_filled", "share_filled_frac", "gap_hours_per_oku_jpy",
    "cost_low_oku_jpy", "cost_high_oku_jpy", "annual_operations_oku_jpy", "lifetime_years",
    "relay_h", "direct_h", "forward_h", "crosslink_h", "positioning_h",
    "weighted_gap_hours_filled",
    "cumulative_cost_oku_jpy", "cumulative_gap_hours_filled", "cumulative_share_filled_frac",
}  # fmt: skip


class Evaluator:
    """Remembers evaluations; ``(ids) -> unserved hours`` of the needed places and services."""

    def __init__(self, evaluate: Evaluate, needed: Iterable[Key]):
        self._evaluate, self.needed = evaluate, tuple(sorted(set(needed)))
        self._known: dict[frozenset[str], dict[Key, float] | CislunarError] = {}
        self.count = 0

    def knows(self, ids: Iterable[str]) -> bool:
        return frozenset(ids) in self._known

    def unserved_h(self, ids: Iterable[str], *, afresh: bool = False) -> dict[Key, float]:
        """Unserved hours with these options added; raises what the run raised."""
        key = frozenset(ids)
        if afresh or key not in self._known:
            self.count += 1
            try:
                seconds = self._evaluate(tuple(sorted(key)))
                self._known[key] = {k: seconds[k] / HOUR_S for k in self.needed}
            except CislunarError as fault:
                self._known[key] = fault
        known = self._known[key]
        if isinstance(known, CislunarError):
            raise known
        return known

    def total_h(self, ids: Iterable[str]) -> float:
        return sum(self.unserved_h(ids).values())


def rank_options(
    options: Sequence[Any],
    evaluate: Evaluate | Evaluator,
    needed: Iterable[Key],
    *,
    weights: Mapping[str, float] | None = None,
    places: Mapping[str, Hashable] | None = None,
    present: Iterable[str] = (),
    end_utc: str | None = None,
) -> pd.DataFrame:
    """One row an option, best first: gap hours filled, by service, and per 億円 at the mid cost.

    ``needed`` are the (place, service) pairs with a need; hours are summed over them unweighted,
    once more with the places' ``weights``, and once more with the assets that ``places`` puts at
    one point counted once (the largest gain among them). ``present`` are the names and tags
    (``node_tags``) that requirements may be met by; an option whose requirement is met by nothing
    present is run together with the cheapest option of the pool that meets it, and its gain
    counted from there.
    An option that cannot be run keeps its row, without numbers, and says why. Options that come
    after ``end_utc`` are ranked all the same and marked ``available-later``.
    """
    pool = {option.id: option for option in map(read_option, options)}
    _refuse_twins(options, pool)
    asked = evaluate if isinstance(evaluate, Evaluator) else Evaluator(evaluate, needed)
    groups, present = option_groups(pool.values()), frozenset(present)
    base_total_h = asked.total_h(())
    rows = []
    for option in pool.values():
        together, notes = requirements_of(option, pool, present)
        row = _fixed_columns(option) | {
            "group": groups.get(option.id, ""), "together_with": ", ".join(together),
        }  # fmt: skip
        try:
            if option.not_computable:
                raise InputError(option.not_computable)
            before = asked.unserved_h(together)
            after = asked.unserved_h((*together, option.id))
        except CislunarError as fault:
            notes.append((f"not evaluated: {fault}", f"評価できない: {fault}"))
            row["status"] = "not-evaluated"
        else:
            row |= _gains(
                before, after, base_total_h, option.cost_oku_jpy, weights or {}, places or {}
            )
            row["status"] = "available-later" if _is_later(option, end_utc) else "ranked"
        row["note"] = "; ".join(note for note, _ in notes)
        row["note_ja"] = "。".join(note for _, note in notes)
        rows.append(row)
    _say_what_a_group_fills(rows)
    rows.sort(key=lambda r: (
        "gap_hours_filled" not in r, -r.get("gap_hours_filled", 0.0),
        -r.get("gap_hours_per_oku_jpy", 0.0), r["option"],
    ))  # fmt: skip
    return _table(rows, FILL_COLUMNS)


def by_place_frame(
    options: Sequence[Any], asked: Evaluator, present: Iterable[str] = ()
) -> pd.DataFrame:
    """Rows of ``fills_by_place.csv``: hours that each option fills, by place and service.

    As ``rank_options`` counts them, of evaluations that it has made; what is not filled has no row.
    """
    import pandas as pd

    pool, present = {option.id: option for option in map(read_option, options)}, frozenset(present)
    rows = []
    for option in pool.values():
        together, _ = requirements_of(option, pool, present)
        if option.not_computable:
            continue
        try:
            before = asked.unserved_h(together)
            after = asked.unserved_h((*together, option.id))
        except CislunarError:
            continue  # its row in fills.csv says so
        rows += [
            (option.id, *key, before[key] - after[key])
            for key in asked.needed
            if before[key] - after[key] > FILLED_H
        ]
    return pd.DataFrame(rows, columns=["option", "place", "service", "gap_hours_filled"])


def choose_portfolio(
    options: Sequence[Any],
    evaluate: Evaluate | Evaluator,
    needed: Iterable[Key],
    budget_oku_jpy: float,
    *,
    present: Iterable[str] = (),
    max_evaluations: int = 60,
    verify: Evaluate | None = None,
) -> pd.DataFrame:
    """The chosen set, one row an option in the order of choice, costs at mid within the budget.

    Greedy by marginal gap hours per 億円, each marginal a real rerun; once more from the single
    option that fills most, and the better of the two is kept. A version of something chosen may
    replace it. This gives no guarantee of the optimum: gains are not submodular (four navigation
    satellites fill what one cannot), and stale gains are trusted to fall when choosing which
    option to rerun next. At most ``max_evaluations`` new runs are spent, after the single-option
    runs. The final set is run once more by ``verify`` (default: ``evaluate``, not remembered);
    ``frame.attrs`` holds ``verified_gap_hours``, ``evaluations`` and ``complete``.
    """
    if not budget_oku_jpy >= 0:
        raise InputError(
            "not a budget", key="budget_oku_jpy", value=budget_oku_jpy, allowed=">= 0 億円"
        )
    pool = {option.id: option for option in map(read_option, options)}
    _refuse_twins(options, pool)
    asked = evaluate if isinstance(evaluate, Evaluator) else Evaluator(evaluate, needed)
    search = _Search(pool, asked, frozenset(present), float(budget_oku_jpy))
    search.run_singles()
    search.left = max_evaluations
    chosen = search.greedy([])
    best = search.best_single()
    if best and best[0] not in chosen[:1]:
        other = search.greedy(best)
        if search.filled_h(other) > search.filled_h(chosen) + LEAST_GAIN_H:
            chosen = other
    base_h = asked.total_h(())
    frame = portfolio_frame(
        [pool[name] for name in chosen], lambda ids: base_h - asked.total_h(ids), base_h
    )
    final = Evaluator(verify, asked.needed) if verify else asked
    verified = base_h - sum(final.unserved_h(chosen, afresh=True).values()) if chosen else 0.0
    frame.attrs = {
        "method": "greedy by marginal gap hours per cost, rerun at each step; no guarantee",
        "budget_oku_jpy": float(budget_oku_jpy),
        "evaluations": asked.count,
        "complete": not search.cut_short,
        "verified_gap_hours": verified,
    }
    return frame


def portfolio_frame(
    chosen: Sequence[Option], filled_h: Callable[[list[str]], float], base_h: float
) -> pd.DataFrame:
    """Rows of ``portfolio.csv``: the options of a set in the order given, with running totals.

    ``filled_h(ids)``: hours that a set fills, of ``base_h`` unserved without options.
    """
    rows, done, cost = [], 0.0, 0.0
    names = [option.id for option in chosen]
    for order, option in enumerate(chosen, start=1):
        filled = filled_h(names[:order])
        gain, done = filled - done, filled
        cost += option.cost_oku_jpy
        rows.append(
            _fixed_columns(option)
            | {
                "order": order,
                "gap_hours_filled": gain,
                "share_filled_frac": gain / base_h if base_h > 0 else None,
                "gap_hours_per_oku_jpy": _per_cost(gain, option.cost_oku_jpy),
                "cumulative_cost_oku_jpy": cost,
                "cumulative_gap_hours_filled": filled,
                "cumulative_share_filled_frac": filled / base_h if base_h > 0 else None,
            }
        )
    return _table(rows, PORTFOLIO_COLUMNS)


class _Search:
    """Greedy search over sets of options, with replacement of versions and lazy reruns."""

    def __init__(self, pool, asked, present, budget):
        self.pool, self.asked, self.present, self.budget = pool, asked, present, budget
        groups = option_groups(pool.values())
        self.rivals = {
            a: {b for b in pool if a != b and groups.get(a, a) == groups.get(b, b)} for a in pool
        }
        self.left: float = float("inf")
        self.cut_short = False
        self.single_h: dict[str, float] = {}

    def cost(self, ids):
        return sum(self.pool[i].cost_oku_jpy for i in ids)

    def filled_h(self, ids):
        return self.asked.total_h(()) - self.asked.total_h(ids)

    def try_filled_h(self, ids):
        """Hours filled, or None: no run left, or the set cannot be run."""
        if not self.asked.knows(ids):
            if self.left <= 0:
                self.cut_short = True
                return None
            self.left -= 1
        try:
            return self.filled_h(ids)
        except CislunarError:
            return None

    def with_added(self, chosen, name):
        """The set with an option, what it requires, and without its rivals; None if not allowed."""
        kept = [i for i in chosen if i not in self.rivals[name]]
        together, _ = requirements_of(self.pool[name], self.pool, self.present, kept)
        new = [*kept, *(i for i in together if i not in kept), name]
        if self.cost(new) > self.budget + 1e-9:
            return None
        for member in new:
            missing, _ = requirements_of(self.pool[member], self.pool, self.present, new)
            if missing or self.rivals[member] & set(new):
                return None
        return new

    def run_singles(self):
        for name in (n for n in self.pool if not self.pool[n].not_computable):
            new = self.with_added([], name)
            filled = self.try_filled_h(new) if new else None
            if filled is not None:
                self.single_h[name] = filled

    def best_single(self):
        able = {n: h for n, h in self.single_h.items() if h > LEAST_GAIN_H}
        if not able:
            return []
        return self.with_added([], max(able, key=lambda n: (able[n], n)))

    def greedy(self, chosen):
        chosen = list(chosen)
        gain_h = dict(self.single_h)
        while True:
            now = self.try_filled_h(chosen) or 0.0
            moves = []
            for name in sorted(set(gain_h) - set(chosen)):
                new = self.with_added(chosen, name)
                if new is not None:
                    dropped = [i for i in chosen if i not in new]
                    hoped = gain_h[name] - sum(self.single_h.get(i, 0.0) for i in dropped)
                    moves.append((hoped, name, new))
            found = self._best_move(moves, chosen, now, gain_h)
            if found is None:
                return chosen
            chosen = found

    def _best_move(self, moves, chosen, now, gain_h):
        spent = self.cost(chosen)

        def worth(gain, new):
            extra = self.cost(new) - spent
            return gain / extra if extra > 0 else (float("inf") if gain > 0 else 0.0)

        queue = sorted(moves, key=lambda m: (-worth(m[0], m[2]), m[1]))
        best = None
        for hoped, name, new in queue:
            if best is not None and worth(hoped, new) <= best[0]:
                break
            filled = self.try_filled_h(new)
            if filled is None:
                continue
            gain = filled - now
            if not set(chosen) - set(new):
                gain_h[name] = gain
            if gain > LEAST_GAIN_H and (best is None or worth(gain, new) > best[0]):
                best = (worth(gain, new), new)
        return None if best is None else best[1]


def _gains(before, after, base_total_h, cost, weights, places):
    by_service = dict.fromkeys(SERVICES, 0.0)
    total = weighted = 0.0
    once: dict[tuple[Hashable, str], float] = {}
    for (place, service), hours in before.items():
        gain = hours - after[place, service]
        by_service[service] = by_service.get(service, 0.0) + gain
        total += gain
        weighted += gain * weights.get(place, 1.0)
        point = (places.get(place, place), service)
        once[point] = max(once.get(point, 0.0), gain)
    return {
        "gap_hours_filled": total,
        "share_filled_frac": total / base_total_h if base_total_h > 0 else None,
        "gap_hours_per_oku_jpy": _per_cost(total, cost),
        "weighted_gap_hours_filled": weighted,
        "place_hours_filled": sum(once.values()),
    } | {f"{service}_h": by_service[service] for service in SERVICES}


def _say_what_a_group_fills(rows):
    """A member that alone fills little or nothing of what a larger version fills says so."""
    for row in rows:
        if not row["group"] or "gap_hours_filled" not in row:
            continue
        kin = [r for r in rows if r["group"] == row["group"] and "gap_hours_filled" in r]
        best = max(kin, key=lambda r: r["gap_hours_filled"])
        own, most = row["gap_hours_filled"], best["gap_hours_filled"]
        if most <= LEAST_GAIN_H or own > LITTLE_OF_A_GROUP * most:
            continue
        if own <= LEAST_GAIN_H:
            said = (
                f"alone fills nothing of the {most:,.0f} h that {best['option']} fills",
                f"単独では{best['name_ja']}が解消する{most:,.0f}時間を全く解消しない",
            )
        else:
            said = (
                f"alone fills {own:,.0f} h of the {most:,.0f} h that {best['option']} fills",
                f"{best['name_ja']}が解消する{most:,.0f}時間に対し、単独では{own:,.0f}時間",
            )
        row["note"] = "; ".join(filter(None, (row["note"], said[0])))
        row["note_ja"] = "。".join(filter(None, (row["note_ja"], said[1])))


def _fixed_columns(option: Option) -> dict[str, Any]:
    return {
        "option": option.id, "nation": option.nation, "cost_oku_jpy": option.cost_oku_jpy,
        "available_from": option.available_from, "name_en": option.name_en,
        "name_ja": option.name_ja, "cost_low_oku_jpy": option.cost_low_oku_jpy,
        "cost_high_oku_jpy": option.cost_high_oku_jpy,
        "annual_operations_oku_jpy": option.annual_operations_oku_jpy,
        "lifetime_years": option.lifetime_years,
    }  # fmt: skip


def _per_cost(hours: float, cost: float) -> float | None:
    return hours / cost if cost > 0 else None


def _is_later(option: Option, end_utc: str | None) -> bool:
    """True where an option begins to serve only when a span has ended."""
    if not option.available_from or end_utc is None:
        return False
    return f"{first_day(option.available_from)}T00:00" >= end_utc[:16]


def _refuse_twins(options, pool):
    if len(pool) != len(options):
        ids = [read_option(option).id for option in options]
        twins = sorted({i for i in ids if ids.count(i) > 1})
        raise InputError(f"named twice: {', '.join(twins)}", key="options")


def _table(rows, columns):
    import pandas as pd

    frame = pd.DataFrame(
        [{column: row.get(column) for column in columns} for row in rows], columns=list(columns)
    )
    for column in columns:
        if column in _NUMBERS:
            frame[column] = pd.array([row.get(column) for row in rows], dtype="Float64")
    return frame


__all__ = [
    "Evaluator", "Option", "add_option", "add_options", "choose_portfolio", "node_tags",
    "option_additions", "option_groups", "rank_options", "read_option",
]  # fmt: skip
