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
    best = found.distinct_pareto
    columns = min(2, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = new_figure(5.6 * columns + 0.4, 4.2 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (x, y) in zip(panels, pairs, strict=False):
        panel.scatter(_numbers(found.table[x]), _numbers(found.table[y]), s=14, color=style.GREY,
                      alpha=0.5, linewidth=0, label=words["variant"])  # fmt: skip
        front = best.sort_values([x, y])
        joined = "-" if len(names) == 2 else "None"
        # between two of the set there is nothing: the better of them is not yet to be had
        step = "steps-pre" if objectives.get(x) == "max" else "steps-post"
        panel.plot(
            _numbers(front[x]),
            _numbers(front[y]),
            linestyle=joined,
            drawstyle=step,
            marker="o",
            markersize=5,
            color=style.VERMILLION,
            label=words["best"],
        )
        panel.set_xlabel(_told(x, found.trade, words))
        panel.set_ylabel(_told(y, found.trade, words))
        for axis, name in ((panel.xaxis, x), (panel.yaxis, y)):
            if _whole(_numbers(found.table[name])):
                axis.get_major_locator().set_params(integer=True)
        _plain(panel)
    figure.legend(
        *panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=2
    )
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    return figure


def _named(name: str, trade: Any) -> str:
    """A metric's name, with its unit where the trade tells one."""
    metric = trade.metrics.get(name)
    return _words(name if metric is None or metric.unit is None else f"{name} [{metric.unit}]")


def _words(text: str) -> str:
    """Text of a user's as itself: a dollar begins no formula, and nothing is a sign of control."""
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")


def _told(name: str, trade: Any, words: dict[str, str]) -> str:
    way = trade.objectives.get(name)
    return f"{_named(name, trade)} ({words[way]})" if way else _named(name, trade)


def _whole(values: np.ndarray) -> bool:
    given = values[np.isfinite(values)]
    return bool(given.size and (given == np.round(given)).all() and np.ptp(given) <= 30.0)


def _in_ratio(axis: Any) -> bool:
    return axis.log is not None or axis.scale == "log"


def effects(found: Any, words: dict[str, str]):
    """A matplotlib Figure: each metric (rows) against each axis (columns).

    With the mean at each value; in a search, which tries more of what is good, with those that no
    other beats instead.
    """
    trade, table = found.trade, found.table
    metrics, varied = shown(found)
    if not metrics or not varied:
        return None
    searched = trade.design.kind == "nsga2"
    best = table["variant"].isin(found.distinct_pareto["variant"] if searched else []).to_numpy()
    figure = new_figure(2.6 * len(varied) + 0.8, 2.1 * len(metrics) + 0.3)
    panels = figure.subplots(len(metrics), len(varied), squeeze=False, sharey="row", sharex="col")
    for column, axis in enumerate(varied):
        place, ticks = _places(table[axis])
        ratio = ticks is None and _in_ratio(trade.axes[axis])
        for row, metric in enumerate(metrics):
            panel, values = panels[row][column], _numbers(table[metric])
            has = np.isfinite(values) & np.isfinite(place)
            panel.scatter(place[has], values[has], s=7, color=style.SKY, alpha=0.6, linewidth=0)
            if searched:
                panel.scatter(place[has & best], values[has & best], s=16, color=style.VERMILLION,
                              linewidth=0, zorder=3)  # fmt: skip
            elif has.any():
                panel.plot(*_means(place[has], values[has], ratio),
                           linestyle="-" if ticks is None else "None", color=style.BLUE,
                           linewidth=1.6, marker="o", markersize=3)  # fmt: skip
            if ratio:
                panel.set_xscale("log")
            elif ticks is not None:
                panel.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
            elif _whole(place):
                panel.xaxis.get_major_locator().set_params(integer=True)
            _plain(panel)
            panel.tick_params(labelsize=8)
            for ticked in (panel.xaxis, panel.yaxis):
                ticked.get_offset_text().set_fontsize(8)
            if column == 0:
                panel.set_ylabel(_named(metric, trade), fontsize=8)
            if row == len(metrics) - 1:
                panel.set_xlabel(_words(axis), fontsize=9)
    return figure


def shown(found: Any) -> tuple[list[str], list[str]]:
    """The metrics and axes that ``effects`` has room for: objectives first, what has values."""
    trade, table = found.trade, found.table
    wanted = [*trade.objectives, *(m for m in trade.metrics if m not in trade.objectives)]
    metrics = [m for m in wanted if np.isfinite(_numbers(table[m])).any()]
    varied = [a for a in trade.axes if table[a].nunique(dropna=True) > 1]
    return metrics[:MOST_METRICS], varied[:MOST_AXES]


def _places(column: Any) -> tuple[np.ndarray, list[str] | None]:
    """Where the values of an axis stand on the page; names where they are text."""
    try:
        return _numbers(column), None
    except (TypeError, ValueError):
        names = list(dict.fromkeys(str(v) for v in column))
        short = [_words(n if len(n) <= 18 else n[:17] + "…") for n in names]
        return np.array([float(names.index(str(v))) for v in column]), short


def _means(
    place: np.ndarray, values: np.ndarray, ratio: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Mean at each value of an axis, or in tenths of its range (or ratio) where there are many."""
    distinct = np.unique(place)
    if distinct.size <= 12:
        return distinct, np.array([values[place == d].mean() for d in distinct])
    scaled = np.log(place) if ratio else place
    edges = np.linspace(scaled.min(), scaled.max(), 11)
    bins = np.clip(np.searchsorted(edges, scaled, side="right") - 1, 0, 9)
    used = np.unique(bins)
    middle = 0.5 * (edges[used] + edges[used + 1])
    means = np.array([values[bins == b].mean() for b in used])
    return (np.exp(middle) if ratio else middle), means


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
