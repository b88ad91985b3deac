"""Beside the positioning scorecard: whose signals, with which errors."""

from __future__ import annotations

from typing import Any

from cislunar import display as fmt
from cislunar.report.cells import Cell, Row, badge, head, number
from cislunar.text import Text


def signals(results, text: Text) -> dict[str, Any]:
    """The navigation sources of the run by error budget, one row a budget."""
    names = ("nav_sources", "budget", "sise", "lasts", "basis", "confidence")
    grouped: dict[tuple, list[str]] = {}
    for row in results.provenance.get("signal_errors", ()):
        told = ("budget", "sise_m", "correlation_s", "whole_range", "basis", "confidence")
        grouped.setdefault(tuple(row[k] for k in told), []).append(row["source"])
    rows = []
    for (budget, sise_m, lasts_s, whole, basis, sure), sources in grouped.items():
        rows.append(
            Row((
                Cell(text("list.joiner").join(sources), "w"), Cell(str(budget)),
                number(fmt.number(sise_m, 2), text("signals.whole") if whole else ""),
                number(fmt.duration(lasts_s, text)),
                Cell(basis or fmt.NONE, "w"), badge(sure, text),
            ))
        )  # fmt: skip
    return {
        "head": head(text, *names, numbers=("sise", "lasts")),
        "rows": rows,
        "lead": text("signals.lead"),
    }
