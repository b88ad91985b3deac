"""The one-page summary: state, causes, proposal and effect, for a reader with one minute."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.plots.bars import option_label
from cislunar.report import demand, offers
from cislunar.report.answer import needs_table
from cislunar.report.cells import ICONS, service
from cislunar.text import Text

BEST = 6  # options shown


def summary(results, text: Text, words: dict[str, Any]) -> dict[str, Any]:
    """What stands on the summary page, as words by box; every number is a product's number."""
    return {
        "title": text("paper.summary"),
        "state": text("paper.state"), "causes": text("paper.causes"),
        "proposal": text("paper.proposal"), "effect": text("paper.effect"),
        "conditions": text("paper.conditions"), "orbits": text("paper.orbits"),
        "lead": words["answer"][:1],
        "matrix": _matrix(results, text),
        "said": words["answer"][1:3],
        "options": _options(results, text),
        "chosen": _chosen(results, text),
        "chosen_lead": words["portfolio"]["lead"],
        "cautions": words["portfolio"]["cautions"],
        "limits": words["limits"],
    }  # fmt: skip


def _matrix(results, text):
    """Verdicts by place and service: how many assets of how many have what they need."""
    needs: Any = needs_table(results)
    names = [s for s in style.SERVICES if (needs["service"] == s).any()]
    rows, stands_in = [], False
    for place in demand.places(results):
        members = list(place.members)
        mine = needs[needs["asset"].isin(members)]
        cells = []
        for s in names:
            part = mine[mine["service"] == s]
            if part.empty:
                cells.append({"text": fmt.NONE, "state": "none"})
                continue
            met, total = int((part["verdict"] == "met").sum()), len(part)
            state = "met" if met == total else "not-met" if met == 0 else "part"
            icon = ICONS["met"] if state == "met" else ICONS["not-met"]
            low, high = part["achieved"].min(), part["achieved"].max()
            share = fmt.percent(low) if high - low < 5e-4 else \
                f"{fmt.percent(low)} – {fmt.percent(high)}"  # fmt: skip
            cells.append({"text": f"{icon} {met}/{total}", "small": share, "state": state})
        if any(c["state"] != "none" for c in cells):
            more = f" +{len(members) - 1}" if len(members) > 1 else ""
            where = demand.where(place.latitude_deg, place.longitude_deg, text)
            mark = "*" if place.sites else ""
            stands_in |= bool(place.sites)
            rows.append({"name": members[0] + more, "small": where + mark, "cells": cells})
    note = text("paper.stand_in") if stands_in else ""
    return {"head": [service(s, text) for s in names], "rows": rows, "note": note}


def _options(results, text):
    frame = results.fills
    if frame.empty:
        return {"head": [], "rows": []}
    rows = []
    for r in frame.to_dict(orient="records"):
        hours = r["gap_hours_filled"]
        if fmt.missing(hours) or float(hours) < offers.NOTHING_H or len(rows) >= BEST:
            continue
        rows.append([
            option_label(r, text.language), fmt.number(hours, 0),
            fmt.percent(r["share_filled_frac"]), offers.cost(r),
            fmt.number(r["gap_hours_per_oku_jpy"], 2),
            offers.year(r) + ("*" if offers.is_later(r) else ""),
        ])  # fmt: skip
    head = [text(f"col.{c}") for c in ("option", "filled", "share_filled", "cost", "per_oku",
                                     "from_year")]  # fmt: skip
    return {"head": head, "rows": rows}


def _chosen(results, text):
    rows = []
    late = {r["option"] for r in results.fills.to_dict(orient="records") if offers.is_later(r)}
    for r in results.portfolio.to_dict(orient="records"):
        rows.append([
            option_label(r, text.language), offers.year(r) + ("*" if r["option"] in late else ""),
            fmt.oku(r.get("cumulative_cost_oku_jpy")),
            fmt.number(r.get("cumulative_gap_hours_filled"), 0),
            fmt.percent(r.get("cumulative_share_filled_frac")),
        ])  # fmt: skip
    names = ("option", "from_year", "cumulative_cost", "cumulative_filled", "share_filled")
    return {"head": [text(f"col.{c}") for c in names], "rows": rows}
