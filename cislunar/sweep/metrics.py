"""Numbers of a variant: columns of the score tables and maps brought together, costs, functions."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cislunar.sweep.expressions import evaluate, names_in
from cislunar.sweep.functions import find_function
from cislunar.sweep.trade import COUNTS, Metric, Trade
from orbits.errors import ComputationError, InputError

WITH_LINKS = ("comm_scores", "contacts", "access")
WITH_POSITIONING = ("positioning_scores", "positioning_accuracy", "positioning_tolerance")


def figures_of_maps(trade: Trade) -> frozenset[str]:
    """The map variables that the metrics of a trade need."""
    return frozenset(m.column for m in trade.metrics.values() if m.table == "coverage")


def depth(trade: Trade) -> str:
    """How much of a run the metrics need: ``maps``, ``scores`` (access to scores) or ``all``."""
    tables = {m.table for m in trade.metrics.values()}
    if tables & {"gaps", "fills", "portfolio"} or any(m.function for m in trade.metrics.values()):
        return "all"
    joint = any(name.startswith("joint_") for name in figures_of_maps(trade))
    return "scores" if joint or tables & {*WITH_LINKS, *WITH_POSITIONING} else "maps"


COLUMNS = {  # where the columns of a table are told
    "comm_scores": ("cislunar.comms", "COLUMNS"),
    "positioning_scores": ("cislunar.positioning.scores", "COLUMNS"),
    "positioning_accuracy": ("cislunar.positioning.scores", "ACCURACY_COLUMNS"),
    "positioning_tolerance": ("cislunar.positioning.tolerance", "COLUMNS"),
    "gaps": ("cislunar.gaps", "GAP_COLUMNS"),
    "fills": ("cislunar.options.fill", "FILL_COLUMNS"),
    "portfolio": ("cislunar.options.fill", "PORTFOLIO_COLUMNS"),
    "contacts": ("cislunar.contacts", "COLUMNS"),
    "access": ("cislunar.access", "FRAME_COLUMNS"),
}
_SERVICES = ("relay", "direct", "forward", "crosslink", "positioning")


def check_metrics(
    trade: Trade, content: Mapping[str, Any], scenario: Any, folder: Path, file: str | None
):
    """Raises InputError for metrics of what no variant has, as far as that can be known.

    ``content``: the base, ``scenario``: one variant, ``folder``: the trade's. A name that an axis
    may bring is not missed.
    """
    varied = [k for n, a in trade.axes.items() for k in a.keys(n)] + list(trade.derived)
    design: Any = trade.design
    rows = design.rows if design.kind == "rows" else ()
    varied += [k for row in rows for k in row if k not in trade.axes]
    touched = {key.partition(".")[0] for key in varied}
    from cislunar.loading import NODE_LISTS
    from cislunar.nodes import expand_nodes

    lists = [content.get(k) for k in NODE_LISTS]
    names = _names([lists, [a.values for a in trade.axes.values()], rows])
    names |= {n.name for n in expand_nodes(scenario)}

    def refuse(what: str, key: str, allowed: str) -> InputError:
        return InputError(what, file=file, key=f"metrics.{key}", allowed=allowed)

    for name, metric in trade.metrics.items():
        if metric.function is not None:
            find_function(metric.function, folder, file)
        for each in metric.cost_oku_jpy or {}:
            if each not in names and "include" not in touched:
                raise refuse(f"no node is called {each!r}", f"{name}.cost_oku_jpy", _some(names))
        for key, each in (metric.cost_oku_jpy or {}).items():
            _cost_of_one(each, f"metrics.{name}.cost_oku_jpy.{key}", file)
        if metric.table == "coverage" and "regions" not in touched:
            regions = [r.name for r in scenario.regions]
            if not regions:
                raise refuse("the base has no region to map", f"{name}.of", "regions in the base")
            if metric.region is not None and metric.region not in regions:
                raise refuse(f"no region {metric.region!r}", f"{name}.region", ", ".join(regions))
        elif metric.table in COLUMNS:
            module, constant = COLUMNS[metric.table]
            columns = getattr(importlib.import_module(module), constant)
            for column, key in [(metric.column, "of"), *((c, "where") for c in metric.where)]:
                if column not in columns:
                    raise refuse(f"no column {column!r}", f"{name}.{key}", ", ".join(columns))
            known: dict[str, tuple[str, ...]] = {"service": _SERVICES}
            if not touched & {"assets", "include", "constellations", "spacecraft"}:
                known["asset"] = tuple(sorted(names))
            for column in set(known) & set(metric.where):
                wanted = metric.where[column]
                for value in wanted if isinstance(wanted, (list, tuple)) else [wanted]:
                    if value not in known[column]:
                        raise refuse(
                            f"no {column} {value!r}", f"{name}.where.{column}",
                            _some(known[column]),
                        )  # fmt: skip


def _names(value: Any) -> set[str]:
    """Every ``name`` that anything in nested mappings has."""
    if isinstance(value, Mapping):
        own = {value["name"]} if isinstance(value.get("name"), str) else set()
        return own.union(*(_names(v) for v in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(_names(v) for v in value))
    return set()


def _some(names) -> str:
    names = sorted(names)
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def brought_together(values, weights, metric: Metric) -> float | None:
    """One number of values and their weights, as ``how`` says; None where there is none.

    >>> m = Metric(of="coverage.availability_frac", how="share", at_least=0.5)
    >>> brought_together([0.2, 0.7, 0.9], [2.0, 1.0, 1.0], m)
    0.5
    """
    v, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    has = np.isfinite(v)
    how = metric.how
    if how == "share":
        low = -math.inf if metric.at_least is None else metric.at_least
        high = math.inf if metric.at_most is None else metric.at_most
        total = float(w.sum())
        good = has & (np.where(has, v, math.nan) >= low) & (np.where(has, v, math.nan) <= high)
        return float(w[good].sum()) / total if total > 0.0 else metric.without
    v, w = v[has], w[has]
    if how == "count":
        return float(v.size)
    if not v.size:
        return 0.0 if how == "sum" and metric.without is None else metric.without
    if how in ("mean", "weighted"):
        return float((v * w).sum() / w.sum()) if w.sum() > 0.0 else metric.without
    if how in ("p50", "p95"):
        order = np.argsort(v, kind="stable")
        below = np.cumsum(w[order])
        share = 0.5 if how == "p50" else 0.95
        place = np.searchsorted(below, share * below[-1] * (1.0 - 1e-12))
        return float(v[order][min(int(place), v.size - 1)])
    return float({"min": np.min, "max": np.max, "sum": np.sum}[str(how)](v))


def _of_map(metric: Metric, coverage) -> float | None:
    if coverage is None:
        raise InputError(
            "the scenario has no region to map", key=str(metric.of), allowed="regions in the base"
        )
    values = np.asarray(coverage[metric.column].values, dtype=float)
    area = coverage["area_km2"].values
    if metric.region is not None:
        keep = coverage["region"].values.astype(str) == metric.region
        if not keep.any():
            raise InputError(
                f"no region {metric.region!r}",
                key="region",
                value=metric.region,
                allowed=", ".join(np.unique(coverage["region"].values.astype(str))),
            )
        values, area = values[keep], area[keep]
    return brought_together(values, area, metric)


def _of_table(metric: Metric, frame, weights: Mapping[str, float]) -> float | None:
    keep = np.ones(len(frame), bool)
    for column, wanted in metric.where.items():
        if column not in frame.columns:
            raise InputError(
                f"no column {column!r}",
                key=f"where.{column}",
                allowed=", ".join(map(str, frame.columns)),
            )
        choices = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        keep &= frame[column].isin(list(choices)).to_numpy()
    if metric.column not in frame.columns:
        raise InputError(
            f"no column {metric.column!r}",
            key=str(metric.of),
            allowed=", ".join(map(str, frame.columns)),
        )
    rows = frame[keep]
    column = rows[metric.column]
    if metric.how == "count":
        return float(len(rows))
    import pandas as pd

    try:
        numbers: Any = pd.to_numeric(column)
        values = numbers.astype("Float64").to_numpy(float, na_value=math.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"{metric.of} is not numbers",
            key=str(metric.of),
            allowed="a column of numbers, or how: count with where",
        ) from None
    weight = np.ones(len(rows))
    if metric.how in ("weighted", "share") and "asset" in rows.columns:
        weight = np.array([weights.get(str(a), 0.0) for a in rows["asset"]])
        if metric.how == "share" and not weight.sum():
            weight = np.ones(len(rows))
    elif metric.how == "weighted":
        raise InputError(f"{metric.of} has no asset to weigh by", key="how", allowed="mean")
    return brought_together(values, weight, metric)


def _cost(metric: Metric, nodes) -> float:
    total = 0.0
    counted = {"": 0}
    for node in nodes:
        for name in {node.name, node.constellation} - {None}:
            counted[name] = counted.get(name, 0) + 1
    for name, each in (metric.cost_oku_jpy or {}).items():
        total += _cost_of_one(each, f"cost_oku_jpy.{name}") * counted.get(name, 0)
    return total


def _cost_of_one(each: Any, key: str, file: str | None = None) -> float:
    """A cost in oku yen: the number itself, or the middle one of an option of the catalogue."""
    if isinstance(each, (int, float)) and not isinstance(each, bool):
        return float(each)
    from cislunar import catalog

    option = catalog.get("options", str(each))
    if option is None:
        raise InputError(
            f"{each!r} is no option",
            file=file,
            key=key,
            allowed="a number of oku yen, or an option of the catalogue",
        )
    return float(option["cost_oku_jpy"]["mid"])


def measure(
    trade: Trade,
    names: Mapping[str, Any],
    found: Any,
    functions: Mapping[str, Callable] | None,
) -> dict[str, float | None]:
    """Every metric of a variant: ``names`` its axes, ``found`` what was computed of it.

    An expression of a metric that has no value has none.
    """
    out: dict[str, float | None] = {}
    weights = {n.name: n.weight for n in found.nodes if n.kind == "asset"}
    for name, metric in trade.metrics.items():
        if metric.expression is not None:
            counts = {
                c: sum(n.kind == c.removesuffix("_count") for n in found.nodes) for c in COUNTS
            }
            known = {**counts, **names, **out}
            lacks = any(known.get(n, 0) is None for n in names_in(metric.expression))
            value = None if lacks else evaluate(metric.expression, known)
        elif metric.cost_oku_jpy is not None:
            value = _cost(metric, found.nodes)
        elif metric.function is not None:
            function = (functions or {}).get(name) or find_function(metric.function)
            value = function(found)
        elif metric.table == "coverage":
            value = _of_map(metric, found.coverage)
        else:
            value = _of_table(metric, getattr(found, str(metric.table)), weights)
        if value is not None:
            try:
                value = float(value)
            except (TypeError, ValueError):
                raise ComputationError(f"{name}: {value!r} is not a number") from None
            if not math.isfinite(value):
                raise ComputationError(f"{name}: {value} is not finite")
        out[name] = value
    return out
