"""What could fill the gaps: the ranking of options and the set chosen under the budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.plots.bars import option_label
from cislunar.report import worth
from cislunar.report.cells import Cell, Row, head, number
from cislunar.text import Text, keys

NOTHING_H = 0.05  # fewer hours than this print as 0.0: such an option has no rank


def cost(row: dict) -> str:
    """``46.2 (33–77.5)``: the mid cost in 億円 with its range."""
    low, high = row.get("cost_low_oku_jpy"), row.get("cost_high_oku_jpy")
    mid = fmt.oku(row["cost_oku_jpy"])
    if fmt.missing(low) or fmt.missing(high):
        return mid
    return f"{mid} ({fmt.oku(low)}–{fmt.oku(high)})"


def year(row: dict) -> str:
    value = row.get("available_from")
    if fmt.missing(value):
        return fmt.NONE
    return str(int(value)) if isinstance(value, float) else str(value)


def is_later(row: dict) -> bool:
    """True for an option that comes only after the span that it was counted for."""
    return str(row.get("status")) == "available-later"


def corrections(options: Iterable[Any], option: str) -> float | None:
    """The radius (km) within which an option's differential corrections are taken to hold."""
    for record in options:
        if record.id == option:
            for asset in record.adds.assets:
                if asset.correction_radius_km:
                    return float(asset.correction_radius_km)
    return None


def residual_m() -> float:
    """The ranging error (m) assumed to be left within the radius of a reference station."""
    from cislunar import catalog

    return float(catalog.find("uere")["differential_residual_m"]["value"])


def differential(options: Iterable[Any], option: str, text: Text) -> str:
    """What an option of differential corrections rests on, empty for another option."""
    radius = corrections(options, option)
    if radius is None:
        return ""
    return text("fills.differential", radius=f"{radius:g}", residual=f"{residual_m():g}")


def spoken(note: str, results, text: Text) -> str:
    """A note of the products with its catalogue phrases and option ids in the page's language."""
    for key, entry in keys().items():
        if key.startswith("said."):
            note = note.replace(entry["en"], entry[text.language])
    names = {
        str(r["option"]): option_label(r, text.language)
        for r in results.fills.to_dict(orient="records")
    }
    for name in sorted(names, key=len, reverse=True):
        note = note.replace(name, names[name])
    return note


def fills(results, text: Text) -> dict[str, Any]:
    """Every option as ranked; those that fill nothing keep a row but have no rank."""
    columns = ("rank", "option", "filled", "share_filled", "by_place", "cost", "per_oku",
               "from_year", "by_service", "notes")  # fmt: skip
    rows = []
    records = results.fills.to_dict(orient="records")
    for rank, r in enumerate(records, start=1):
        parts = [
            f"{text(f'service.{s}')} {fmt.number(r[f'{s}_h'])}"
            for s in style.SERVICES
            if not fmt.missing(r.get(f"{s}_h")) and abs(float(r[f"{s}_h"])) >= NOTHING_H
        ]
        hours = r["gap_hours_filled"]
        nothing = fmt.missing(hours) or float(hours) < NOTHING_H
        share = r["share_filled_frac"]
        rows.append(
            Row((
                number(fmt.NONE if nothing else str(rank)),
                Cell(option_label(r, text.language), "w"),
                number(fmt.number(hours)),
                number(fmt.percent(share if fmt.missing(share) else round(float(share), 6))),
                number(fmt.number(r.get("place_hours_filled"))),
                number(cost(r)), number(fmt.number(r["gap_hours_per_oku_jpy"], 2)),
                number(year(r) + ("*" if is_later(r) else "")),
                Cell(text("list.joiner").join(parts) or fmt.NONE, "m"),
                Cell(_note(r, results, text), "w"),
            ))
        )  # fmt: skip
    lead = text("fills.lead")
    if any(map(is_later, records)):
        lead += gap(text) + text("fills.later", count=sum(map(is_later, records)))
    if any(fmt.missing(r["gap_hours_filled"]) or r["gap_hours_filled"] < NOTHING_H
           for r in records):  # fmt: skip
        lead += gap(text) + text("fills.nothing")
    return {"head": head(text, *columns, numbers=("rank", *columns[2:8])), "rows": rows,
            "lead": lead}  # fmt: skip


def gap(text: Text) -> str:
    """What stands between two sentences."""
    return "" if text.language == "ja" else " "


def _note(row, results, text) -> str:
    def word(key):
        value = row.get(key)
        return value if isinstance(value, str) else ""

    parts = []
    if word("status") == "not-evaluated":
        parts.append(text("status.not-evaluated"))
    hours = row.get("gap_hours_filled")
    if not fmt.missing(hours) and float(hours) >= NOTHING_H:
        parts.append(differential(results.scenario.options, str(row["option"]), text))
    note = word("note_ja") if text.language == "ja" else word("note")
    if note:
        parts.append(spoken(note, results, text))
    elif word("together_with"):
        parts.append(text("fills.together", names=spoken(word("together_with"), results, text)))
    if word("group"):
        parts.append(text("fills.group", group=word("group")))
    return text("clause.joiner").join(p for p in parts if p)


def portfolio(results, text: Text) -> dict[str, Any]:
    """The chosen set in the order of choice, with the whole range of its cost."""
    frame = results.portfolio
    budget = results.scenario.budget_oku_jpy
    known = {str(r["option"]): r for r in results.fills.to_dict(orient="records")}
    extra = [
        (name, column)
        for name, column in (
            ("cumulative_cost", "cumulative_cost_oku_jpy"),
            ("cumulative_filled", "cumulative_gap_hours_filled"),
        )
        if column in frame
    ]
    columns = ("option", "cost", "from_year", "filled", "share_filled", "per_oku",
               *(name for name, _ in extra))  # fmt: skip
    rows, chosen = [], []
    for r in frame.to_dict(orient="records"):
        r = {**known.get(str(r["option"]), {}), **r}
        chosen.append(r)
        rows.append(
            Row((
                Cell(option_label(r, text.language), "w"), number(cost(r)),
                number(year(r) + ("*" if is_later(r) else "")),
                number(fmt.number(r["gap_hours_filled"])),
                number(fmt.percent(r["share_filled_frac"])),
                number(fmt.number(r["gap_hours_per_oku_jpy"], 2)),
                *(number(fmt.number(r[column]) if name == "cumulative_filled"
                         else fmt.oku(r[column])) for name, column in extra),
            ))
        )  # fmt: skip
    lead = text("portfolio.lead", budget=fmt.oku(budget)) if budget else text("portfolio.no_budget")
    if rows and len(extra) == 2:
        last = frame.iloc[-1]
        lead += gap(text) + text(
            "portfolio.total", cost=fmt.oku(last["cumulative_cost_oku_jpy"]),
            hours=fmt.number(last["cumulative_gap_hours_filled"]),
            share=fmt.percent(last.get("cumulative_share_filled_frac")),
        )  # fmt: skip
    return {
        "head": head(text, *columns, numbers=columns[1:]), "rows": rows, "lead": lead,
        "cautions": _cautions(results, chosen, budget, text),
    }  # fmt: skip


def _cautions(results, chosen, budget, text) -> list[str]:
    if not chosen:
        return []
    out = worth.method(results, text)
    low = [r.get("cost_low_oku_jpy") for r in chosen]
    high = [r.get("cost_high_oku_jpy") for r in chosen]
    if not any(map(fmt.missing, [*low, *high])):
        out.append(
            text("portfolio.range", low=fmt.oku(sum(low)), high=fmt.oku(sum(high)))
            + (gap(text) + text("portfolio.over") if budget and sum(high) > budget else "")
        )
    late = [r for r in chosen if is_later(r)]
    if late:
        out.append(text("portfolio.later", count=len(late), total=len(chosen)))
    for r in chosen:
        said = differential(results.scenario.options, str(r["option"]), text)
        if said:
            name = option_label(r, text.language)
            out.append(text("portfolio.differential", name=name, said=said))
    return out
