"""How the chosen set holds if starts slip, craft are lost and costs run over."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.plots.bars import option_label
from cislunar.report.cells import Cell, Row, head, number
from cislunar.report.offers import gap
from cislunar.text import Text

COLUMNS = ("planned", "p05", "p50", "p95", "mean")


def parts(results, text: Text) -> list[dict[str, Any]]:
    """The table of robustness, where the run has one."""
    frame = results.robustness
    if frame.empty:
        return []
    rows = []
    for r in frame.to_dict(orient="records"):
        name = str(r["quantity"])
        if fmt.missing(r["fiscal_year"]):
            label = text(f"robust.{name}")
        else:
            label = text("robust.in_year", year=text("worth.year", year=int(r["fiscal_year"])))
        rows.append(Row((Cell(label, "w"), *(number(_said(name, r[c])) for c in COLUMNS))))
    return [{
        "id": "robustness", "title": text("worth.robustness"),
        "lead": _lead(results, text), "rows": rows,
        "head": head(text, "quantity", *COLUMNS, numbers=COLUMNS),
    }]  # fmt: skip


def _said(quantity: str, value: Any) -> str:
    if quantity.endswith("_frac"):
        return fmt.percent(value)
    if quantity == "in_service":
        return f"{float(value):.1f}"
    return fmt.oku(value) if quantity.endswith("oku_jpy") else fmt.number(value)


def _lead(results, text: Text) -> str:
    from cislunar import catalog

    notes = (results.manifest.get("portfolio") or {}).get("robustness") or {}
    chance = {k: fmt.percent(catalog.find(f"loss-{k}")["loss_frac"])
              for k in ("craft", "landing", "station")}  # fmt: skip
    late = float(catalog.find("option-slip")["late_years"])
    said = [text("robust.lead", draws=f"{notes.get('draws', 0):,}", seed=notes.get("seed"),
                 late=f"{late:g}", mean=f"{late / 3.0:g}", **chance)]  # fmt: skip
    if "best_frac" in notes:
        said.append(
            text("robust.best", within=fmt.percent(notes["within_budget_frac"]),
                 best=fmt.percent(notes["best_frac"]))
        )  # fmt: skip
        chosen = set(results.portfolio["option"])
        others = [(ids, share) for ids, share in notes["often_best"] if set(ids) != chosen]
        if others:
            ids, share = others[0]
            said.append(text("robust.other", names=_names(results, ids, text),
                             share=fmt.percent(share)))  # fmt: skip
    if "not_run_hours_frac" not in notes:
        said.append(text("robust.no_hours"))
    elif float(notes["not_run_hours_frac"]) > 0.0:
        said.append(text("robust.not_run", share=fmt.percent(notes["not_run_hours_frac"])))
    return gap(text).join(said)


def _names(results, ids, text: Text) -> str:
    known = {str(r["option"]): r for r in results.fills.to_dict(orient="records")}
    names = [option_label(known[i], text.language) if i in known else i for i in ids]
    return text("list.joiner").join(names) or text("independence.no_option")
