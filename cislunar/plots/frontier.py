"""The frontier: the most that any set of options fills, against what it costs."""

from __future__ import annotations

from cislunar.plots import style
from cislunar.text import Text


def _points(results):
    """Costs (億円) and hours of the sets that no cheaper one beats, and the budget, if any."""
    frame = results.frontier
    cost = frame["cost_oku_jpy"].to_numpy(dtype=float)
    return cost, frame["gap_hours_filled"].to_numpy(dtype=float), results.scenario.budget_oku_jpy


def frontier(results, text: Text | None = None) -> dict:
    """A plotly specification: gap hours filled by the best set for each cost in 億円, as steps."""
    text = text or Text()
    cost, hours, budget = _points(results)
    names = {
        str(r["option"]): r.get(f"name_{text.language}") or str(r["option"])
        for r in results.fills.to_dict(orient="records")
    }
    joined = [
        "<br>".join(names.get(i, i) for i in str(o).split(" + ")) if isinstance(o, str) else ""
        for o in results.frontier["options"]
    ]
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


def static_frontier(results, text: Text | None = None, width: float = 7.2):
    """The same as a matplotlib Figure."""
    from cislunar import display as fmt
    from cislunar.plots.still import PLATE, new_figure, plain

    text = text or Text()
    cost, hours, budget = _points(results)
    figure = new_figure(width, 3.2)
    ax = figure.subplots()
    ax.step(cost, hours, where="post", color=style.BLUE, lw=1.6, marker="o", ms=4)
    reach = max(float(cost.max()), float(budget or 0.0))
    ax.set(xlim=(0.0, 1.04 * reach), ylim=(0.0, 1.08 * float(hours.max())))
    if budget:
        ax.axvline(budget, color=style.VERMILLION, lw=1.4, ls="--")
        ax.annotate(
            text("worth.budget", oku=fmt.oku(budget)), (budget, 0.0),
            (-4, 6), textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=8,
            color=style.INK, bbox=PLATE,
        )  # fmt: skip
    ax.set_xlabel(text("worth.axis_cost"), fontsize=8)
    ax.set_ylabel(text("worth.axis_hours"), fontsize=8)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    plain(ax)
    return figure
