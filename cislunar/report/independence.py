"""How far Japan's assets stand on their own network: by case, and what each option gives alone."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.plots.bars import option_label
from cislunar.report.cells import Cell, Row, head, number, service
from cislunar.text import Text

NOTHING_H = 0.05


def parts(results, text: Text) -> list[dict[str, Any]]:
    """The tables of independence that have rows."""
    return [p for p in (_cases(results, text), _options(results, text)) if p["rows"]]


def _part(name: str, heads, rows, text: Text) -> dict[str, Any]:
    return {"id": name, "title": text(f"worth.{name}"), "lead": text(f"worth.{name}_lead"),
            "head": heads, "rows": rows}  # fmt: skip


def _cases(results, text: Text) -> dict[str, Any]:
    """One row a case: mean availability by service, as it is and with the chosen set."""
    frame = results.independence
    if frame.empty:
        return _part("independence", [], [], text)
    services = [s for s in style.SERVICES if s in set(frame["service"])]
    rows = []
    for case in dict.fromkeys(frame["case"]):
        mine = frame[frame["case"] == case]
        cells, lost = [], []
        for name in dict.fromkeys(frame["set"]):
            part = mine[mine["set"] == name]
            lost.append(fmt.number(float(part["lost_h"].sum())))
        for s in services:
            means = [
                fmt.percent(float(part["availability_frac"].mean()))
                for name in dict.fromkeys(frame["set"])
                if len(part := mine[(mine["set"] == name) & (mine["service"] == s)])
            ]
            cells.append(number(text("worth.arrow").join(means)))
        rows.append(
            Row((Cell(_case(case, text), "w"), *cells, number(text("worth.arrow").join(lost))))
        )
    heads = [(text("col.case"), ""), *((service(s, text), "n") for s in services),
             (text("col.lost_hours"), "n")]  # fmt: skip
    return _part("independence", heads, rows, text)


def _case(case: str, text: Text) -> str:
    nation = case.removeprefix("without-").upper()
    return text.either(f"independence.{case}", text("independence.without", nation=nation))


def _options(results, text: Text) -> dict[str, Any]:
    """One row an option that gives something with Japan alone, after what there is without any."""
    frame = results.independence_options
    if frame.empty or not (frame["gained_h"].astype(float) >= NOTHING_H).any():
        return _part("alone", [], [], text)
    shown = [s for s in style.SERVICES
             if f"{s}_frac" in frame and frame[f"{s}_frac"].notna().any()]  # fmt: skip
    rows = []
    for r in frame.to_dict(orient="records"):
        none = fmt.missing(r["option"]) or not r["option"]
        if not none and float(r["gained_h"]) < NOTHING_H:
            continue
        label = text("independence.no_option") if none else option_label(r, text.language)
        rows.append(
            Row((
                Cell(label, "w"), number(fmt.NONE if none else fmt.oku(r["cost_oku_jpy"])),
                *(number(fmt.percent(r[f"{s}_frac"])) for s in shown),
                number(fmt.number(r["gained_h"])), number(fmt.number(r["gained_h_per_oku_jpy"], 2)),
            ))
        )  # fmt: skip
    gains = ("gained_hours", "per_oku")
    heads = [*head(text, "option", "cost_mid", numbers=("cost_mid",)),
             *((service(s, text), "n") for s in shown),
             *head(text, *gains, numbers=gains)]  # fmt: skip
    return _part("alone", heads, rows, text)
