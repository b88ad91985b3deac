"""Which combinations of the axes' values a trade runs: factorial, drawn, or written out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cislunar.sweep.trade import MAX_VARIANTS, Axis, Trade
from orbits.errors import InputError

LEAST_ACCEPTED = 1e-3  # share of draws that meet the constraints, below which a draw gives up


def axis_values(axis: Axis) -> list[Any]:
    """The values of an axis that lists them; labels stay with the axis.

    >>> axis_values(Axis(range=(1, 2, 0.5))), axis_values(Axis(log=(1, 100, 3)))
    ([1.0, 1.5, 2.0], [1.0, 10.0, 100.0])
    """
    if axis.values is not None:
        return list(axis.values)
    if axis.seeds is not None:
        return list(range(axis.seeds))
    if axis.range is not None:
        first, last, step = axis.range
        count = math.floor((last - first) / step * (1.0 + 1e-12) + 1e-9) + 1
        found = [first, *(_plain(first + step * k) for k in range(1, count))]
    elif axis.linear is not None:
        found = _between(np.linspace(*axis.linear), axis.linear)
    elif axis.log is not None:
        found = _between(np.geomspace(*axis.log), axis.log)
    else:
        raise InputError("a range without a number of values", allowed="a drawn design")
    whole = axis.whole or all(v == int(v) for v in (axis.range or (0.5,)))
    return list(dict.fromkeys(round(v) for v in found)) if whole else found


def _plain(value: float) -> float:
    """0.3, where arithmetic gives 0.30000000000000004: values that a table can be asked for."""
    return float(f"{value:.15g}")


def _between(values: np.ndarray, given: tuple[float, float, int]) -> list[float]:
    first, last, count = given
    return [first, *map(_plain, values[1:-1].tolist()), last] if count > 1 else [first]


def from_unit(axis: Axis, share: float) -> Any:
    """The value of an axis at a share of its range, [0, 1): how draws become values.

    >>> from_unit(Axis(between=(1, 3), whole=True), 0.999)
    3
    """
    if axis.normal is not None:
        from scipy.special import ndtri

        value = axis.normal[0] + axis.normal[1] * float(ndtri(min(max(share, 1e-12), 1 - 1e-12)))
        return round(value) if axis.whole else value
    if axis.between is not None:
        low, high = axis.between
        if axis.whole:
            low, high = math.ceil(low), math.floor(high)
            if axis.scale == "log":  # n has the part of the range from n to n + 1, in ratio
                return min(high, math.floor(low * ((high + 1) / low) ** share))
            return min(high, low + math.floor(share * (high - low + 1)))
        if axis.scale == "log":
            return low * (high / low) ** share
        return low + (high - low) * share
    values = axis_values(axis)
    return values[min(len(values) - 1, math.floor(share * len(values)))]


def variants(trade: Trade) -> list[dict[str, Any]]:
    """The variants of a design in their order: values by axis name, constraints met.

    Raises InputError for a design without variants, or too many. An optimisation has none yet.
    """
    kind = trade.design.kind
    found = list(
        {
            "factorial": _factorial,
            "latin-hypercube": _hypercube,
            "monte-carlo": _monte_carlo,
            "rows": _rows,
            "nsga2": lambda _: iter(()),
        }[kind](trade)
    )
    if not found and kind != "nsga2":
        raise InputError(
            "no variant meets the constraints",
            key="constraints",
            allowed="constraints that leave a variant",
        )
    return found


def settled(axis: Axis, share: float) -> float:
    """The middle of all shares that give the same value; the share itself on a continuous axis.

    >>> settled(Axis(values=("a", "b")), 0.1), settled(Axis(between=(1, 4), whole=True), 0.9)
    (0.25, 0.875)
    """
    if axis.values is None and axis.continuous and not axis.whole:
        return share
    if axis.normal is not None:
        return share
    if axis.between is None:
        count = len(axis_values(axis))
        return (min(count - 1, math.floor(share * count)) + 0.5) / count
    low, high = math.ceil(axis.between[0]), math.floor(axis.between[1])
    place = from_unit(axis, share) + 0.5
    if axis.scale == "log":
        return math.log(place / low) / math.log((high + 1) / low)
    return (place - low) / (high - low + 1)


def left_out(trade: Trade, found: list[dict[str, Any]]) -> int:
    """How many combinations of a design broke a constraint; 0 where none are drawn in vain."""
    design: Any = trade.design
    if design.kind == "factorial":
        return math.prod(len(axis_values(a)) for a in trade.axes.values()) - len(found)
    if design.kind == "latin-hypercube":
        return design.samples - len(found)
    return len(design.rows) - len(found) if design.kind == "rows" else 0


def searched(trade: Trade, count: int) -> list[dict[str, Any]]:
    """A few points of a search's space that meet its constraints; InputError if there are none.

    The search draws its own: these are only to be looked at.
    """
    rng = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for _ in range(round(1.0 / LEAST_ACCEPTED) * 3):
        point = _point(trade, rng.random(len(trade.axes)))
        if meets(trade, point):
            found.append(point)
        if len(found) == count:
            return found
    if not found:
        raise InputError(
            "no draw meets the constraints",
            key="constraints",
            allowed="constraints that a draw in a thousand meets",
        )
    return found


def meets(trade: Trade, values: dict[str, Any]) -> bool:
    """True where the axes' values, labels where they have them, meet every constraint."""
    return trade.meets({n: label(trade.axes.get(n), v) for n, v in values.items()})


def _factorial(trade: Trade) -> Iterator[dict[str, Any]]:
    lists = [axis_values(a) for a in trade.axes.values()]
    total = math.prod(len(v) for v in lists)
    if total > MAX_VARIANTS:
        raise InputError(f"{total} combinations", key="axes", allowed=f"at most {MAX_VARIANTS}")
    for chosen in itertools.product(*lists):
        values = dict(zip(trade.axes, chosen, strict=True))
        if meets(trade, values):
            yield values


def _hypercube(trade: Trade) -> Iterator[dict[str, Any]]:
    from scipy.stats import qmc

    design: Any = trade.design
    sampler = qmc.LatinHypercube(d=len(trade.axes), rng=np.random.default_rng(design.seed))
    for point in sampler.random(design.samples):
        values = _point(trade, point)
        if meets(trade, values):
            yield values


def _monte_carlo(trade: Trade) -> Iterator[dict[str, Any]]:
    design: Any = trade.design
    rng = np.random.default_rng(design.seed)
    kept = tried = 0
    while kept < design.samples:
        values = _point(trade, rng.random(len(trade.axes)))
        tried += 1
        if meets(trade, values):
            kept += 1
            yield values
        elif tried > 1000 and kept < LEAST_ACCEPTED * tried:
            raise InputError(
                f"only {kept} of {tried} draws meet the constraints",
                key="constraints",
                allowed="constraints that a draw in a thousand meets",
            )


def _point(trade: Trade, point: np.ndarray) -> dict[str, Any]:
    return {n: from_unit(a, float(s)) for (n, a), s in zip(trade.axes.items(), point, strict=True)}


def _rows(trade: Trade) -> Iterator[dict[str, Any]]:
    design: Any = trade.design
    for index, row in enumerate(design.rows):
        missing = [n for n in trade.axes if n not in row]
        if missing:
            raise InputError(
                f"no value of {missing[0]!r}",
                key=f"design.rows.{index}",
                allowed="a value of every axis",
            )
        values = {name: _labelled(trade.axes.get(name), value) for name, value in row.items()}
        if meets(trade, values):
            yield values


def _labelled(axis: Axis | None, value: Any) -> Any:
    if axis is not None and axis.labels and isinstance(value, str) and value in axis.labels:
        return (axis.values or ())[axis.labels.index(value)]
    return value


def label(axis: Axis | None, value: Any) -> Any:
    """A value as tables show it: its label, a number, or its text."""
    if axis is not None and axis.labels and axis.values is not None:
        for name, own in zip(axis.labels, axis.values, strict=True):
            if own == value:
                return name
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        import json

        return json.dumps(value, sort_keys=True)
    return value
