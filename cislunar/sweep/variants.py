"""One variant of a trade: its axes' values put into the base scenario."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cislunar.loading import Resolver, beside, raise_all
from cislunar.scenario import Scenario, distinct, scenario_from
from cislunar.sweep.designs import axis_values, label, variants
from cislunar.sweep.expressions import evaluate
from cislunar.sweep.trade import Trade
from cislunar.yamlio import read_mapping
from orbits.errors import InputError


@dataclass(frozen=True, eq=False)
class Base:
    """The scenario that a trade varies, names resolved; ``folder`` is what its paths start from."""

    content: dict[str, Any]
    folder: Path
    file: str | None


def read_base(trade: Trade, folder: Path, file: str | None) -> Base:
    """The base of a trade whose file is in ``folder``. Raises InputError for what is wrong."""
    where = folder.resolve()
    if isinstance(trade.base, str):
        try:
            path = beside(folder, trade.base, "trade")
        except InputError as fault:
            raise InputError(
                fault.what, file=file, key="base", value=trade.base, allowed=fault.allowed
            ) from None
        raw, where, named = read_mapping(path), path.parent, str(path)
    else:
        raw, named = dict(trade.base), file or "trade"
    raw.setdefault("name", trade.name)
    raw.setdefault("options", [])  # a trade asks for no options unless its base does
    for key in ("include", *trade.set):  # what brings nodes in comes before what changes them
        if key.partition(".")[0] == "include" and key in trade.set:
            raw = put(raw, key, trade.set[key])
    resolver = Resolver(raw, where, named)
    content = resolver.resolve()
    raise_all(distinct(list(resolver.faults)))
    for key, value in trade.set.items():
        if key.partition(".")[0] != "include":
            content = _set(content, key, value, f"set.{key}", file)
    return Base(content, where, named)


def _set(content, key, value, where, file):
    try:
        return put(content, key, value)
    except InputError as fault:
        raise InputError(
            fault.what, file=file, key=where, value=key, allowed=fault.allowed
        ) from None


def put(content: Any, key: str, value: Any) -> Any:
    """``content`` with ``value`` at a dotted key; what is not on the way is shared, not copied.

    >>> put({"a": [{"name": "x", "b": 1}]}, "a.x.b", 2)
    {'a': [{'name': 'x', 'b': 2}]}
    """
    step, _, rest = key.partition(".")
    if isinstance(content, (list, tuple)):
        names = [str(e.get("name", e.get("id"))) if isinstance(e, dict) else "" for e in content]
        if step.isdigit() and int(step) < len(content):
            at = int(step)
        elif step in names:
            at = names.index(step)
        else:
            named = ", ".join(n for n in names if n) or "nothing is there"
            raise InputError(f"there is no {step!r} in the list", allowed=named)
        out = list(content)
        out[at] = put(out[at], rest, value) if rest else value
        return out
    if content is None:
        if step.isdigit():
            raise InputError(f"there is no {step!r} in the list", allowed="nothing is there")
        content = {}
    if not isinstance(content, dict):
        raise InputError(f"{step!r} is asked of {content!r}", allowed="a key of a mapping or list")
    if not rest:
        return {**content, step: value}
    return {**content, step: put(content.get(step), rest, value)}


def scenario_of(trade: Trade, base: Base, values: Mapping[str, Any]) -> Scenario:
    """The scenario of one variant. Raises InputError for values it cannot have."""
    content: Any = base.content
    for name, value in values.items():
        axis = trade.axes.get(name)
        for key in (name,) if axis is None else axis.keys(name):
            content = put(content, key, value)
    for key, text in trade.derived.items():
        content = put(content, key, evaluate(text, named_values(trade, values)))
    return scenario_from(content, base.folder, base.file)


def named_values(trade: Trade, values: Mapping[str, Any]) -> dict[str, Any]:
    """What expressions see of a variant: numbers as they are, others by label."""
    return {name: label(trade.axes.get(name), value) for name, value in values.items()}


@lru_cache(maxsize=8)
def _base_of(text: str, folder: str, file: str | None) -> tuple[Trade, Base]:
    trade = Trade(**json.loads(text))
    return trade, read_base(trade, Path(folder), file)


def prepared(text: str, folder: str, file: str | None) -> tuple[Trade, Base]:
    """Trade and base of a trade's JSON; a worker asks for the same ones many times."""
    return _base_of(text, folder, file)


def key_of(values: Mapping[str, Any]) -> str:
    """A hash of what a variant is."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_trade(trade: Trade, folder: Path, file: str | None = None) -> list[dict[str, Any]]:
    """The variants of a trade that can be run; raises InputError for what the files tell.

    The base is resolved, the design drawn, and each axis's first value tried alone in the base, so
    that a key that does not exist is told before anything is computed.
    """
    from cislunar.checks import check_scenario

    base = read_base(trade, folder, file)
    try:
        found = variants(trade)
    except InputError as fault:
        raise InputError(fault.what, file=file, key=fault.key, allowed=fault.allowed) from None
    for name, axis in trade.axes.items():
        for key in axis.keys(name):
            _set(base.content, key, None, f"axes.{name}.key", file)
    first = (
        found[0]
        if found
        else {n: (a.between[0] if a.between else axis_values(a)[0]) for n, a in trade.axes.items()}
    )
    try:
        check_scenario(scenario_of(trade, base, first))
    except InputError as fault:
        lines = getattr(fault, "lines", None) or [str(fault)]
        said = ", ".join(f"{n}: {label(trade.axes.get(n), v)}" for n, v in first.items())
        raise InputError(
            f"the first variant ({said}) is refused: {lines[0]}",
            file=file,
            key="axes" if trade.axes else "base",
        ) from None
    for metric in trade.metrics.values():
        if metric.function is not None:
            from cislunar.sweep.metrics import find_function

            find_function(metric.function, file)
    return found
