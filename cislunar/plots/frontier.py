"""The frontier: the most that any set of options fills, against what it costs."""

from __future__ import annotations

from cislunar.plots import style
from cislunar.text import Text


def frontier(results, text: Text | None = None) -> dict:
    """A plotly specification: gap hours filled by the best set for each cost in 億円, as steps."""
    text = text or Text()
    frame = results.frontier
    cost = frame["cost_oku_jpy"].to_numpy(dtype=float)
    hours = frame["gap_hours_filled"].to_numpy(dtype=float)
    names = {
        str(r["option"]): r.get(f"name_{text.language}") or str(r["option"])
        for r in results.fills.to_dict(orient="records")
    }
    joined = [
        "<br>".join(names.get(i, i) for i in str(o).split(" + ")) if isinstance(o, str) else ""
        for o in frame["options"]
    ]
    budget = results.scenario.budget_oku_jpy
    shapes = []
    if budget:
        shapes.append(
            {
                "type": "line", "x0": budget, "x1": budget, "y0": 0, "y1": 1, "yref": "paper",
                "line": {"color": style.ORANGE, "width": 2, "dash": "dash"},
            }
        )  # fmt: skip
    return {
        "data": [
            {
                "type": "scatter", "x": cost, "y": hours, "mode": "lines+markers",
                "line": {"shape": "hv", "color": style.BLUE, "width": 2},
                "marker": {"size": 7, "color": style.BLUE}, "showlegend": False,
                "customdata": joined,
                "hovertemplate": f"%{{x:,.1f}} {text('unit.oku')}: %{{y:,.1f}} {text('unit.h')}"
                "<br>%{customdata}<extra></extra>",
            }
        ],
        "layout": style.layout(
            height=360, shapes=shapes, margin={"l": 70, "r": 40, "t": 20, "b": 60},
            xaxis=style.axis(text("worth.axis_cost"), rangemode="tozero"),
            yaxis=style.axis(text("worth.axis_hours"), rangemode="tozero", tickformat=",d"),
        ),
    }  # fmt: skip
