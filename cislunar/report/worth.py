"""How the set of options was found, who is to be credited, and what it costs year by year."""

from __future__ import annotations

import re
from typing import Any

from cislunar import catalog
from cislunar import display as fmt
from cislunar.options.economics import COMPARED
from cislunar.plots.bars import option_label
from cislunar.provenance import price_basis
from cislunar.report.cells import Cell, Row, head, number
from cislunar.text import Text


def method(results, text: Text) -> list[str]:
    """Sentences: how the set was found, how far from the best it can be, what more would buy."""
    notes = results.manifest.get("portfolio") or {}
    if not notes or results.portfolio.empty:
        return []
    hours = float(notes["gap_hours_filled"])
    bound = float(notes["bound_gap_hours"])
    said = {
        "hours": fmt.number(hours), "verified": fmt.number(notes["verified_gap_hours"]),
        "bound": fmt.number(bound), "lacks": fmt.number(max(bound - hours, 0.0)),
    }  # fmt: skip
    if notes["method"] != "enumeration":
        why = notes["greedy_because"]
        names = _names(results, why["options"], text)
        return [text("portfolio.greedy"), text(f"portfolio.because_{why['reason']}", names=names),
                text("portfolio.trivial_bound", **said),
                text("portfolio.verified", **said)]  # fmt: skip
    said["runs"] = str(notes["proof_runs"])
    out = [text("portfolio.exact" if notes["proof_complete"] else "portfolio.bound", **said)]
    if notes["apart"]:
        names, most = _names(results, notes["apart"], text), notes["apart_most_hours"]
        if most is None:
            out.append(text("portfolio.apart_any", names=names))
        else:
            out.append(text("portfolio.apart", names=names, most=fmt.number(most)))
        if notes["apart_tried_hours"] is not None:
            out.append(text("portfolio.apart_tried", hours=fmt.number(notes["apart_tried_hours"])))
    out.append(text("portfolio.verified", **said))
    out.append(text("portfolio.sets", sets=f"{notes['sets']:,}", count=len(notes["left_out"])))
    more = notes["next"]
    if float(more["gap_hours"]) >= 0.05:
        out.append(
            text("portfolio.next", oku=fmt.oku(more["oku_jpy"]), gain=fmt.number(more["gap_hours"]),
                 names=_names(results, more["options"], text))
        )  # fmt: skip
    else:
        out.append(text("portfolio.next_nothing", oku=fmt.oku(more["oku_jpy"])))
    return out


def parts(results, text: Text) -> list[dict[str, Any]]:
    """Tables below the chosen set: shares, frontier, money by hour, money by fiscal year."""
    found = (_shares(results, text), _frontier(results, text), _money(results, text),
             _cash(results, text), _by_year(results, text))  # fmt: skip
    return [part for part in found if part["rows"]]


def _part(name: str, columns, rows, text: Text, words: int = 1, **said: str) -> dict[str, Any]:
    numbers = [c for c in columns[words:] if c not in ("by_service", "by_option")]
    return {
        "id": name, "title": text(f"worth.{name}"), "lead": text(f"worth.{name}_lead", **said),
        "head": head(text, *columns, numbers=numbers), "rows": rows,
    }  # fmt: skip


def _names(results, ids, text: Text) -> str:
    known = {str(r["option"]): r for r in results.fills.to_dict(orient="records")}
    names = [option_label(known[i], text.language) if i in known else i for i in ids]
    return text("list.joiner").join(names)


def _shares(results, text: Text) -> dict[str, Any]:
    frame: Any = results.attribution
    columns = ("option", "shapley", "shapley_share", "add_one", "leave_one_out", "by_service")
    if frame.empty:
        return _part("shares", columns, [], text)
    whole = frame[frame["place"] == "all"]
    rows = []
    total = whole[whole["service"] == "all"].sort_values("shapley_h", ascending=False)
    sampled = _sampled(total, text)
    for r in total.to_dict(orient="records"):
        own = whole[(whole["option"] == r["option"]) & (whole["service"] != "all")]
        by = [
            f"{text('service.' + s)} {fmt.number(h)}"
            for s, h in zip(own["service"], own["shapley_h"], strict=True)
            if abs(float(h)) >= 0.05
        ]
        rows.append(
            Row((
                Cell(option_label(r, text.language), "w"),
                number(fmt.number(r["shapley_h"]), _error(r, text) if sampled else ""),
                number(fmt.percent(r["shapley_share_frac"])), number(fmt.number(r["add_one_h"])),
                number(fmt.number(r["leave_one_out_h"])),
                Cell(text("list.joiner").join(by) or fmt.NONE, "m"),
            ))
        )  # fmt: skip
    rows.append(
        Row((Cell(text("gaps.all")), number(fmt.number(float(total["shapley_h"].sum()))),
             number(fmt.percent(1.0)), number(fmt.number(float(total["add_one_h"].sum()))),
             number(fmt.number(float(total["leave_one_out_h"].sum()))), Cell("")), total=True)
    )  # fmt: skip
    out = _part("shares", columns, rows, text)
    if (results.manifest.get("portfolio") or {}).get("shares_of") == "all":
        out["lead"] = text("worth.shares_of_all_lead")
    return _with(out, sampled, text)


def _sampled(frame: Any, text: Text) -> str:
    """A sentence on shares of sampled orders, empty where all are exact."""
    some = frame[frame["method"].astype(str) != "exact"]
    if some.empty:
        return ""
    orders, seed = re.findall(r"\d+", str(some["method"].iloc[0]))
    worst = fmt.number(float(some["standard_error_h"].max()), 2)
    return text("worth.sampled", orders=orders, seed=seed, error=worst)


def _error(row: dict[str, Any], text: Text) -> str:
    return text("worth.error", error=fmt.number(row["standard_error_h"], 2))


def _with(part: dict[str, Any], sentence: str, text: Text) -> dict[str, Any]:
    """The part with one more sentence at the end of its lead."""
    if sentence:
        part["lead"] += (" " if text.language == "en" else "") + sentence
    return part


def _frontier(results, text: Text) -> dict[str, Any]:
    columns = ("options", "cost", "filled", "share_filled")
    rows = []
    for r in results.frontier.to_dict(orient="records"):
        ids = [] if fmt.missing(r["options"]) or not r["options"] else r["options"].split(" + ")
        if not ids:
            continue
        cost = (
            f"{fmt.oku(r['cost_oku_jpy'])} "
            f"({fmt.oku(r['cost_low_oku_jpy'])}–{fmt.oku(r['cost_high_oku_jpy'])})"
        )
        rows.append(
            Row((Cell(_names(results, ids, text), "w"), number(cost),
                 number(fmt.number(r["gap_hours_filled"])),
                 number(fmt.percent(r["share_filled_frac"]))))
        )  # fmt: skip
    budget = results.scenario.budget_oku_jpy
    part = _part("frontier", columns, rows, text)
    return _with(part, text("worth.frontier_budget") if budget else "", text)


def _money(results, text: Text) -> dict[str, Any]:
    columns = ("option", "life_cost", "per_gap_hour", "per_asset_day", "regular_flights",
               "ssf_themes", "stations_35m")  # fmt: skip
    known = {str(r["option"]): r for r in results.fills.to_dict(orient="records")}
    rows = []
    for r in results.economics.to_dict(orient="records"):
        if fmt.missing(r["man_jpy_per_gap_hour"]) or float(r["gap_hours_a_year"]) < 0.5:
            continue
        rows.append(
            Row((
                Cell(option_label(known.get(r["option"], r), text.language), "w"),
                number(
                    f"{fmt.oku(r['life_cost_oku_jpy'])} ({fmt.oku(r['life_cost_low_oku_jpy'])}–"
                    f"{fmt.oku(r['life_cost_high_oku_jpy'])})"
                ),
                number(fmt.number(r["man_jpy_per_gap_hour"], 2)),
                number(fmt.number(r["man_jpy_per_asset_day"], 1)),
                number(fmt.number(r["regular_flights"], 2)),
                number(fmt.number(r["ssf_navigation_themes"], 2)),
                number(fmt.number(r["stations_35m"], 2)),
            ))
        )  # fmt: skip
    units = {"flight": "regular_flights", "theme": "ssf_navigation_themes",
             "station": "stations_35m"}  # fmt: skip
    said = {k: fmt.oku(catalog.find(COMPARED[name])["jpy_oku"]) for k, name in units.items()}
    return _part("money", columns, rows, text, 1, **said, **price_basis())


def _cash(results, text: Text) -> dict[str, Any]:
    columns = ("fiscal_year", "development", "operations", "cash_total", "cumulative_cost",
               "filled", "share_filled")  # fmt: skip
    rows = []
    for r in results.cash_by_fiscal_year.to_dict(orient="records"):
        spread = f"({fmt.oku(r['total_low_oku_jpy'])}–{fmt.oku(r['total_high_oku_jpy'])})"
        rows.append(
            Row((
                Cell(text("worth.year", year=int(r["fiscal_year"]))),
                number(fmt.oku(r["development_oku_jpy"])), number(fmt.oku(r["operations_oku_jpy"])),
                number(f"{fmt.oku(r['total_oku_jpy'])} {spread}"),
                number(fmt.oku(r["cumulative_oku_jpy"])), number(fmt.number(r["gap_hours_filled"])),
                number(fmt.percent(r["share_filled_frac"])),
            ))
        )  # fmt: skip
    return _part("cash", columns, rows, text)


def _by_year(results, text: Text) -> dict[str, Any]:
    rows = []
    frame = results.attribution_by_year
    sampled = _sampled(frame, text) if len(frame) else ""
    for year, part in frame.groupby("fiscal_year"):
        each = [
            f"{r[f'name_{text.language}']} {fmt.number(r['shapley_h'])}"
            + (f" {_error(r, text)}" if r["method"] != "exact" else "")
            for r in part.to_dict(orient="records")
        ]
        rows.append(Row((
            Cell(text("worth.year", year=int(year))),
            number(fmt.number(part["shapley_h"].sum())), Cell(text("list.joiner").join(each)),
        )))  # fmt: skip
    found = _part("by_year", ("fiscal_year", "filled", "by_option"), rows, text)
    return _with(found, sampled, text)
