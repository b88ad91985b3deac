"""Bars as matplotlib pictures: unserved hours by cause; what options fill and cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from cislunar.plots import bars, style
from cislunar.plots.still import new_figure, plain
from cislunar.plots.timeline import services
from cislunar.text import Text


def static_causes(results, text: Text | None = None, judged=None, width: float = 7.2):
    """A matplotlib Figure: unserved hours of each service by cause, summed over places.

    ``judged`` keeps only these (place, service) pairs, such as those that somebody needs.
    """
    text = text or Text()
    hours: Any = bars.cause_hours(results)
    if judged is not None:
        pairs = zip(hours["place"], hours["service"], strict=True)
        hours = hours[[pair in judged for pair in pairs]]
    rows = [s for s in services(results) if (hours["service"] == s).any()]
    figure = new_figure(width, 1.1 + 0.42 * max(len(rows), 1))
    ax = figure.subplots()
    table = hours.groupby(["service", "cause"])["hours"].sum()
    left = np.zeros(len(rows))
    for cause in [c for c in style.CAUSES if c in set(hours["cause"])]:
        part = np.array([float(table.get((s, cause), 0.0)) for s in rows])
        colour, _, hatch = style.CAUSES[cause]
        ax.barh(
            range(len(rows)), part, left=left, height=0.66, color=colour, hatch=hatch, lw=0,
            edgecolor="white" if hatch else colour, label=text.either(f"cause.{cause}", cause),
        )  # fmt: skip
        left += part
    ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    ax.set_yticklabels([text.either(f"service.{s}", s) for s in rows], fontsize=8)
    ax.set_xlabel(text("gaps.axis"), fontsize=8)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    plain(ax)
    ax.grid(False, axis="y")
    figure.legend(fontsize=7, frameon=False, loc="outside lower center", ncols=3)
    return figure


def static_fills(
    results, text: Text | None = None, most: int | None = None, width: float = 7.2
):  # fmt: skip
    """A matplotlib Figure: hours each option fills beside its cost in 億円 with the range."""
    text = text or Text()
    frame = bars.fill_rows(results, text)
    frame = frame if most is None else frame.head(most)
    figure = new_figure(width, 0.8 + 0.25 * max(len(frame), 3))
    axes: Any = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    place = np.arange(len(frame))
    hours = frame["gap_hours_filled"].astype(float).to_numpy()
    late = frame["status"].astype(str) == "available-later" if "status" in frame else hours < 0.0
    axes[0].barh(place, hours, height=0.7, **_hatched(late, style.BLUE))
    for y, h in zip(place, hours, strict=True):
        axes[0].annotate(
            f"{h:,.0f}", (h, y), (3, 0), textcoords="offset points", va="center", fontsize=7,
            color=style.INK,
        )  # fmt: skip
    cost = frame["cost_oku_jpy"].astype(float).to_numpy()
    down = np.nan_to_num(cost - bars._numbers(frame, "cost_low_oku_jpy"))
    up = np.nan_to_num(bars._numbers(frame, "cost_high_oku_jpy") - cost)
    axes[1].barh(
        place, cost, height=0.7, xerr=(down, up), **_hatched(late, style.ORANGE),
        error_kw={"lw": 0.9, "capsize": 2, "ecolor": style.INK},
    )  # fmt: skip
    axes[0].set(ylim=(len(frame) - 0.5, -0.5), yticks=place)
    axes[0].set_xlim(0, max(float(hours.max(initial=0.0)), 1.0) * 1.18)
    axes[0].set_yticklabels(frame["label"].tolist(), fontsize=7.5)
    for ax, key in zip(axes, ("fills.axis_hours", "fills.axis_cost"), strict=True):
        ax.set_xlabel(text(key), fontsize=8)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        plain(ax)
        ax.grid(False, axis="y")
    return figure


def _hatched(late, colour: str) -> dict[str, Any]:
    """How bars are filled: hatched for what comes only after the span."""
    return {
        "color": ["white" if after else colour for after in late], "edgecolor": colour, "lw": 0.6,
        "hatch": ["////" if after else "" for after in late],
    }  # fmt: skip
