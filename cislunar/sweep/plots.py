"""Pictures of a sweep: the frontier of its objectives, and what each axis does to each metric."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cislunar.plots import style
from cislunar.plots.still import fixed_ids, new_figure

MOST_METRICS, MOST_AXES, MOST_PAIRS = 6, 8, 6


def _numbers(column: Any) -> np.ndarray:
    return np.array([np.nan if v is None else float(v) for v in column], dtype=float)


def _plain(axes: Any) -> None:
    axes.grid(color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def frontier(found: Any, words: dict[str, str]):
    """A matplotlib Figure: every pair of objectives, the set that no other beats joined."""
    objectives = found.trade.objectives
    names = list(objectives)
    if not names:
        return None
    pairs = list(itertools.combinations(names, 2))[:MOST_PAIRS] or [
        (found.table.columns[0], names[0])
    ]
    best = found.pareto
    columns = min(2, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = new_figure(5.6 * columns + 0.4, 4.2 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (x, y) in zip(panels, pairs, strict=False):
        panel.scatter(_numbers(found.table[x]), _numbers(found.table[y]), s=14, color=style.GREY,
                      alpha=0.5, linewidth=0, label=words["variant"])  # fmt: skip
        front = best.sort_values([x, y])
        joined = "-" if len(names) == 2 else "None"
        panel.plot(
            _numbers(front[x]),
            _numbers(front[y]),
            linestyle=joined,
            marker="o",
            markersize=5,
            color=style.VERMILLION,
            label=words["best"],
        )
        panel.set_xlabel(_told(x, objectives, words))
        panel.set_ylabel(_told(y, objectives, words))
        _plain(panel)
    figure.legend(
        *panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=2
    )
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    return figure


def _told(name: str, objectives: dict[str, Any], words: dict[str, str]) -> str:
    return f"{name} ({words[objectives[name]]})" if name in objectives else name


def effects(found: Any, words: dict[str, str]):
    """A matplotlib Figure: each metric (rows) against each axis (columns), and its mean."""
    trade = found.trade
    table = found.table
    wanted = [*trade.objectives, *(m for m in trade.metrics if m not in trade.objectives)]
    metrics = [m for m in wanted if np.isfinite(_numbers(table[m])).any()][:MOST_METRICS]
    varied = [a for a in trade.axes if table[a].nunique(dropna=True) > 1][:MOST_AXES]
    if not metrics or not varied:
        return None
    figure = new_figure(2.6 * len(varied) + 0.8, 2.1 * len(metrics) + 0.3)
    panels = figure.subplots(len(metrics), len(varied), squeeze=False, sharey="row", sharex="col")
    for column, axis in enumerate(varied):
        place, ticks = _places(table[axis])
        for row, metric in enumerate(metrics):
            panel, values = panels[row][column], _numbers(table[metric])
            has = np.isfinite(values) & np.isfinite(place)
            panel.scatter(place[has], values[has], s=7, color=style.SKY, alpha=0.6, linewidth=0)
            if has.any():
                panel.plot(*_means(place[has], values[has]),
                           linestyle="-" if ticks is None else "None", color=style.BLUE,
                           linewidth=1.6, marker="o", markersize=3)  # fmt: skip
            if ticks is not None:
                panel.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
            _plain(panel)
            panel.tick_params(labelsize=8)
            if column == 0:
                panel.set_ylabel(metric, fontsize=8)
            if row == len(metrics) - 1:
                panel.set_xlabel(axis, fontsize=9)
    return figure


def _places(column: Any) -> tuple[np.ndarray, list[str] | None]:
    """Where the values of an axis stand on the page; names where they are text."""
    try:
        return _numbers(column), None
    except (TypeError, ValueError):
        names = list(dict.fromkeys(str(v) for v in column))
        short = [n if len(n) <= 18 else n[:17] + "…" for n in names]
        return np.array([float(names.index(str(v))) for v in column]), short


def _means(place: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean at each value of an axis, or in tenths of its range where there are many."""
    distinct = np.unique(place)
    if distinct.size > 12:
        edges = np.linspace(distinct[0], distinct[-1], 11)
        bins = np.clip(np.searchsorted(edges, place, side="right") - 1, 0, 9)
        used = np.unique(bins)
        return (0.5 * (edges[used] + edges[used + 1]),
                np.array([values[bins == b].mean() for b in used]))  # fmt: skip
    return distinct, np.array([values[place == d].mean() for d in distinct])


def pictures(found: Any, words: dict[str, str]) -> dict[str, dict[str, bytes]]:
    """The figures of a sweep as PNG and SVG by name; none that would be empty."""
    import io

    out = {}
    for name, draw in (("frontier", frontier), ("effects", effects)):
        with fixed_ids():
            figure = draw(found, words)
            if figure is None:
                continue
            out[name] = {}
            for form in ("png", "svg"):
                page = io.BytesIO()
                about = {"Date": None} if form == "svg" else None
                figure.savefig(page, format=form, dpi=130, metadata=about)
                out[name][form] = page.getvalue()
    return out
