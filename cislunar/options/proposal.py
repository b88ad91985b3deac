"""What a run says about its options: ranking, best set, shares, frontier, money by year.

Where nobody contends, all options stand in one situation: the best set of the whole pool is found
and proved, and every set of the options that matter is known. Otherwise each set is rerun, and the
set found by greedy search is printed with what no set can exceed. Either way the chosen set is run
once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cislunar.options.branching import ALIKE_H
from cislunar.options.economics import (
    YEARLY_COLUMNS,
    cash_frame,
    economics_frame,
    shares_by_year_frame,
)
from cislunar.options.fill import (
    Evaluator,
    by_place_frame,
    choose_portfolio,
    portfolio_frame,
    rank_options,
)
from cislunar.options.independence import OPTION_COLUMNS, alone_frame, independence_frame
from cislunar.options.option import node_tags, read_option
from cislunar.options.outlook import (
    Filled,
    best_under_overruns,
    catalogue_risks,
    outlook_frame,
    units_of,
)
from cislunar.options.pool import WholePool
from cislunar.options.portfolio import (
    Worth,
    attribute,
    attribute_all,
    attribution_frame,
    find_worth,
    frontier_frame,
    prove,
)
from cislunar.options.reruns import Rerun, Reruns

if TYPE_CHECKING:
    import pandas as pd

GREEDY_RERUNS = 12  # beyond the single options: a run must end within a minute
MOST_CONTACTS = 40_000  # in open time; with more, live paths through a whole pool take too long
NEXT_OKU = 10.0


@dataclass(frozen=True, eq=False)
class Proposal:
    """The tables of the options of a run, and how they were made (``notes``, for the manifest)."""

    fills: pd.DataFrame
    portfolio: pd.DataFrame
    attribution: pd.DataFrame
    frontier: pd.DataFrame
    economics: pd.DataFrame
    cash: pd.DataFrame
    by_year: pd.DataFrame
    robustness: pd.DataFrame
    independence: pd.DataFrame
    independence_options: pd.DataFrame
    notes: dict[str, Any] = field(default_factory=dict)
    worth: Worth | None = None
    by_place: Any = None


def propose(
    reruns: Reruns, budget_oku_jpy: float | None, on_option: Callable[[], None] = lambda: None
) -> Proposal:
    """The proposal of a run's pool; costs at mid, hours as in ``fills.csv``."""
    base, scenario = reruns.base, reruns.base.scenario
    failed = reruns.fly_pool()
    options = [read_option(o) for o in scenario.options]
    whole = _whole(reruns, failed)

    def evaluate(ids: tuple[str, ...]) -> Mapping[tuple[str, str], float]:
        on_option()
        if whole is None or not all(i in whole.names for i in ids):
            return reruns(ids)
        touched = {k for k in reruns.unserved if any(i in whole.touching(k) for i in ids)}
        found = whole.served(ids, {k: whole.gap(k) for k in touched})
        return {k: s - found[k].total_s if k in touched else s for k, s in reruns.unserved.items()}

    asked = Evaluator(evaluate, reruns.unserved)
    tags = node_tags(base.nodes, scenario.policy.permits)
    weights = {n.name: n.weight for n in base.nodes if n.kind == "asset"}
    fills = rank_options(
        scenario.options, asked, reruns.unserved, weights=weights, places=_points(base),
        present=tags, end_utc=scenario.start.utc_text(scenario.duration_s),
    )  # fmt: skip
    by_place = by_place_frame(scenario.options, asked, tags)
    rows = fills.dropna(subset=["gap_hours_filled"]).to_dict(orient="records")
    single_h = {str(r["option"]): float(r["gap_hours_filled"]) for r in rows}
    days = scenario.duration_s / 86400.0
    money = economics_frame(options, single_h, days)
    budget = budget_oku_jpy or 0.0
    # an option that only puts terminals on another's craft is outside the sets; if it matters,
    # only reruns tell what it does beside others
    apart = [o.id for o in options if whole is None or o.id not in whole.names]
    felt = [i for i in apart if single_h.get(i, 0.0) > 1e-3]
    tried_h: float | None = None

    def greedily() -> Proposal:
        apart_from = _independence(reruns, kept[-1] if kept else None)
        found = _greedy(tried, fills, money, options, asked, days, apart_from)
        found.notes["greedy_because"] = _why_greedy(scenario, whole, felt)
        return replace(found, by_place=by_place)

    if whole is None or felt:
        kept: list[Rerun] = []

        def verify(ids: tuple[str, ...]) -> Mapping[tuple[str, str], float]:
            kept.append(reruns.rerun(ids))
            return reruns.unserved_in(kept[-1])

        tried = choose_portfolio(
            scenario.options, asked, reruns.unserved, budget, present=tags,
            max_evaluations=GREEDY_RERUNS, verify=verify,
        )  # fmt: skip
        if whole is None:
            return greedily()
        tried_h = float(tried["gap_hours_filled"].to_numpy(dtype=float).sum())
    further = prove(whole, options, single_h, budget + NEXT_OKU, tags)
    proof = further
    if further.cost > budget + 1e-9:
        proof = prove(whole, options, single_h, budget, tags)
    matter = {*proof.chosen, *further.chosen}
    worth = find_worth(whole, options, single_h, tags, must=matter)
    _, hours, best = worth.best(budget)
    if tried_h is not None and hours < tried_h - ALIKE_H:
        return greedily()
    chosen = portfolio_frame(
        [worth.pool[i] for i in worth.in_order(best)], worth.total_h, asked.total_h(())
    )
    final = reruns.rerun(tuple(best)) if best else None
    verified = (
        asked.total_h(()) - sum(reruns.unserved_in(final).values()) / 3600.0 if final else 0.0
    )
    more_cost, more_hours, more = worth.best(budget + NEXT_OKU)
    notes = {
        "method": "enumeration", "budget_oku_jpy": budget, "sets": len(worth.sets),
        "sets_run": sum(part.runs for part in worth.explored),
        "gap_hours_filled": hours, "verified_gap_hours": verified,
        "bound_gap_hours": max(proof.bound_hours, hours), "proof_runs": proof.runs,
        "proof_complete": proof.complete, "left_out": list(worth.rest),
        "apart": apart, "apart_most_hours": _most_apart_h(scenario, whole, apart),
        "apart_tried_hours": tried_h,
        "next": {
            "oku_jpy": NEXT_OKU, "gap_hours": max(more_hours - hours, 0.0),
            "cost_oku_jpy": more_cost, "options": worth.in_order(more),
        },
    }  # fmt: skip
    gap_h = sum(worth.gap_h.values())
    robust, notes["robustness"] = _outlook(worth, whole, best, budget, gap_h, days)
    chosen.attrs |= notes
    rules = scenario.attribution
    if rules.options == "all":
        found, keys = attribute_all(whole, options, single_h, tags, rules.orders, rules.seed)
    else:
        found, keys = attribute(worth, single_h)
    notes["shares_of"] = "all" if rules.options == "all" or not worth.rest else "matter"
    return Proposal(
        fills, chosen, attribution_frame(worth.pool, found, keys),
        frontier_frame(worth, budget), money,
        cash_frame([worth.pool[i] for i in worth.in_order(best)], worth.total_h,
                   gap_h, days),
        shares_by_year_frame([worth.pool[i] for i in worth.in_order(best)], worth.total_h, days),
        robust,
        _independence(reruns, final), alone_frame(whole, options, tags), notes, worth, by_place,
    )  # fmt: skip


def _points(base: Any) -> dict[str, Any]:
    """Where each asset stands; assets that move, or stand alone, are points of their own."""
    return {
        n.name: (n.latitude_deg, n.longitude_deg, n.height_m) if n.path is None else n.name
        for n in base.nodes
        if n.kind == "asset"
    }


def _outlook(worth: Worth, whole: WholePool, best, budget: float, gap_h: float, days: float):
    filled = Filled(worth, whole, best)
    kinds = {i: [kind for _, kind in units_of(worth.pool[i], whole.names[i])] for i in best}
    frame, notes = outlook_frame(
        [worth.pool[i] for i in best], filled, kinds, gap_h, days, catalogue_risks(),
        least=filled.least,
    )  # fmt: skip
    return frame, notes | (best_under_overruns(worth, best, budget) if best else {})


def _independence(reruns: Reruns, final: Rerun | None) -> pd.DataFrame:
    runs = {"base": reruns.rerun(())} | ({"portfolio": final} if final else {})
    return independence_frame(runs, reruns.uere)


def _most_apart_h(scenario: Any, whole: WholePool, apart: list[str]) -> float | None:
    """Hours that options outside the sets can fill at most, beside any set; None if they range.

    Terminals for a spacecraft and stations add no ranging, so that they serve communication only,
    and only where policy lets a place reach them or something of the pool could.
    """
    records = [o for o in scenario.options if o.id in apart]
    added = [n for o in records for n in (*o.adds.spacecraft, *o.adds.constellations,
                                          *o.adds.assets)]  # fmt: skip
    terminals = {t for o in records for extra in o.adds.spacecraft_terminals
                 for t in extra.terminals}  # fmt: skip
    roles = {scenario.terminals[t].role if isinstance(t, str) else t.role for t in terminals}
    if added or "navigation" in roles:
        return None
    owners = {n.operator for o in records for n in o.adds.ground_stations}
    places = whole.base.by_name
    touched = [
        key
        for key in whole.base_served
        if key[1] != "positioning"
        and (
            whole.touching(key)
            or any(scenario.policy.permits(places[key[0]].operator, o) for o in owners)
        )
    ]
    return sum(whole.gap(key).total_s for key in touched) / 3600.0


def _whole(reruns: Reruns, failed: frozenset[str]) -> WholePool | None:
    """All options that can stand side by side, or None where sets must be rerun one by one."""
    scenario = reruns.base.scenario
    rules = scenario.contention
    if rules is not None and rules.method != "none":
        return None
    options = [
        o
        for o in scenario.options
        if not o.not_computable and o.id not in failed and not o.adds.spacecraft_terminals
    ]
    if not options:
        return None
    whole = WholePool(
        reruns.base, reruns.served, options, reruns.uere, reruns.ephemeris, reruns.memory
    )
    return whole if whole.contacts <= MOST_CONTACTS else None


def _why_greedy(scenario: Any, whole: WholePool | None, felt: list[str]) -> dict[str, Any]:
    """What keeps options from standing side by side, for manifest and report; {} without any."""
    if not scenario.options:
        return {}
    if whole is not None:
        return {"reason": "terminals", "options": felt}
    rules = scenario.contention
    contended = rules is not None and rules.method != "none"
    alike = any(not o.not_computable and not o.adds.spacecraft_terminals for o in scenario.options)
    reason = "contention" if contended else "contacts" if alike else "terminals"
    return {"reason": reason, "options": felt if reason == "terminals" else []}


def _greedy(chosen, fills, money, options, asked, days, independence) -> Proposal:
    import pandas as pd

    from cislunar.options.portfolio import ATTRIBUTION_COLUMNS, FRONTIER_COLUMNS

    pool = {o.id: o for o in options}
    names = chosen["option"].tolist()
    base_h = asked.total_h(())
    notes = {
        "method": "greedy", "budget_oku_jpy": chosen.attrs["budget_oku_jpy"],
        "gap_hours_filled": float(chosen["gap_hours_filled"].sum()),
        "verified_gap_hours": chosen.attrs["verified_gap_hours"],
        "bound_gap_hours": base_h,  # nothing fills more than all gaps
    }  # fmt: skip

    def filled_h(ids):
        return base_h - asked.total_h(ids)

    # what some of the set fill without the others would take a rerun each
    robust, notes["robustness"] = outlook_frame(
        [pool[i] for i in names], None, {i: () for i in names}, base_h, days, catalogue_risks()
    )

    return Proposal(
        fills, chosen, pd.DataFrame(columns=list(ATTRIBUTION_COLUMNS)),
        pd.DataFrame(columns=list(FRONTIER_COLUMNS)), money,
        cash_frame([pool[i] for i in names], filled_h, base_h, days),
        pd.DataFrame(columns=list(YEARLY_COLUMNS)), robust, independence,
        pd.DataFrame(columns=list(OPTION_COLUMNS)), notes,
    )  # fmt: skip
