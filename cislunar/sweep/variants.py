"""One variant of a trade: its axes' values put into the base scenario."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cislunar.faults import raise_all
from cislunar.loading import Resolver
from cislunar.outside import beside
from cislunar.scenario import Scenario, distinct, scenario_from
from cislunar.sweep.designs import label, searched, variants
from cislunar.sweep.expressions import evaluate
from cislunar.sweep.trade import Trade
from cislunar.yamlio import MAX_DEPTH, read_mapping
from orbits.errors import ComputationError, InputError

MOST_TRIED = 20  # variants that are looked at before a trade is refused


class ChangedError(ComputationError):
    """What a worker reads is not what the sweep began with."""


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
    if key.count(".") > MAX_DEPTH:
        raise InputError("a key of too many parts", allowed=f"{MAX_DEPTH} levels")
    step, _, rest = key.partition(".")
    if isinstance(content, (list, tuple)):
        names = [str(e.get("name", e.get("id"))) if isinstance(e, dict) else "" for e in content]
        if step.isascii() and step.isdigit() and int(step) < len(content):
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


def content_of(
    trade: Trade, base: Base, values: Mapping[str, Any], instead: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What one variant's scenario is made from; ``instead``: what some axes put in its place."""
    content: Any = base.content
    for name, value in values.items():
        axis = trade.axes.get(name)
        for key in (name,) if axis is None else axis.keys(name):
            content = put(content, key, (instead or {}).get(name, value))
    for key, text in trade.derived.items():
        content = put(content, key, evaluate(text, named_values(trade, values)))
    return content


def scenario_of(trade: Trade, base: Base, values: Mapping[str, Any]) -> Scenario:
    """The scenario of one variant. Raises InputError for values it cannot have."""
    return scenario_from(content_of(trade, base, values), base.folder, base.file)


def named_values(trade: Trade, values: Mapping[str, Any]) -> dict[str, Any]:
    """What expressions see of a variant: numbers as they are, others by label."""
    return {name: label(trade.axes.get(name), value) for name, value in values.items()}


def mark_of(text: str, base: Base) -> str:
    """A hash of a trade's JSON and the base it has; the order of axes is part of it."""
    content = json.dumps([json.loads(text), base.content, str(base.folder)], default=str)
    return hashlib.sha256(content.encode()).hexdigest()


@lru_cache(maxsize=8)
def prepared(text: str, folder: str, file: str | None, mark: str) -> tuple[Trade, Base]:
    """Trade and base of a trade's JSON; a worker asks for the same ones many times.

    Raises ChangedError where the base read here is not the one of ``mark``, or cannot be read here:
    it could be where the sweep began.
    """
    trade = Trade(**json.loads(text))
    try:
        base = read_base(trade, Path(folder), file)
    except InputError as fault:
        raise ChangedError(f"the worker cannot read the base scenario ({fault})") from None
    if mark_of(text, base) != mark:
        raise ChangedError("the base scenario is not what the sweep began with")
    return trade, base


def key_of(values: Mapping[str, Any]) -> str:
    """A hash of what a variant is."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_trade(trade: Trade, folder: Path, file: str | None = None) -> list[dict[str, Any]]:
    """The variants of a trade that can be run; raises InputError for what the files tell.

    The base is resolved, the design drawn, and variants are looked at until one is a scenario: a
    key that does not exist, or a metric of nothing, is told before anything is computed, and a
    variant that cannot be is a row that says so.
    """
    from cislunar.sweep.metrics import check_metrics

    base = read_base(trade, folder, file)
    try:
        found = variants(trade)
        looked_at = found[:: max(1, len(found) // MOST_TRIED)] or searched(trade, MOST_TRIED)
    except InputError as fault:
        raise InputError(fault.what, file=file, key=fault.key, allowed=fault.allowed) from None
    for name, axis in trade.axes.items():
        for key in axis.keys(name):
            _set(base.content, key, None, f"axes.{name}.key", file)
    good, scenario = _first_good(trade, base, looked_at, file)
    _each_has_effect(trade, base, good, file)
    ratio = (trade.positioning_step_s or scenario.step_s) / scenario.step_s
    if ratio < 1.0 or abs(ratio - round(ratio)) > 1e-9:
        raise InputError(
            f"{trade.positioning_step_s:g} s is no multiple of the scenario's step",
            file=file,
            key="positioning_step_s",
            value=trade.positioning_step_s,
            allowed=f"a multiple of {scenario.step_s:g} s",
        )
    check_metrics(trade, base.content, scenario, folder, file)
    return found


def _first_good(
    trade: Trade, base: Base, looked_at: list[dict[str, Any]], file: str | None
) -> tuple[dict[str, Any], Scenario]:
    """The first of some variants that is a scenario; InputError, the first one's, if none is."""
    from cislunar.checks import check_scenario

    first: InputError | None = None
    for values in looked_at:
        try:
            scenario = scenario_of(trade, base, values)
            check_scenario(scenario)
        except InputError as fault:
            first = first or fault
        else:
            return values, scenario
    assert first is not None
    _base_is_at_fault(trade, base, first, file)
    said = ", ".join(f"{n}: {label(trade.axes.get(n), v)}" for n, v in looked_at[0].items())
    lines = getattr(first, "lines", None) or [str(first)]
    raise InputError(
        f"the first variant ({said}) is refused: {lines[0]}",
        file=file,
        key="axes" if trade.axes else "base",
    )


def _base_is_at_fault(trade: Trade, base: Base, first: InputError, file: str | None) -> None:
    """Raises InputError for the faults of a variant that its base has without any axis."""
    from cislunar.checks import check_scenario

    try:
        check_scenario(scenario_from(base.content, base.folder, base.file), base.file)
    except InputError as fault:
        of_variant = {_told(f) for f in getattr(first, "faults", [first])}
        shared = [f for f in getattr(fault, "faults", [fault]) if _told(f) in of_variant]
        written = not isinstance(trade.base, str)  # in the trade itself
        raise_all([
            InputError(
                f.what, file=file if written else base.file, value=f.value, allowed=f.allowed,
                key=f"base.{f.key}" if written and f.key else f.key,
            )
            for f in shared
        ])  # fmt: skip


def _told(fault: InputError) -> tuple[str | None, str]:
    return fault.key, fault.what


def _each_has_effect(trade: Trade, base: Base, values: dict[str, Any], file: str | None) -> None:
    """Raises InputError for an axis whose keys are all set again by what comes after it."""
    whole = content_of(trade, base, values)
    for name, axis in trade.axes.items():
        if not axis.keys(name) or name not in values:
            continue
        try:
            other = content_of(trade, base, values, {name: "\0 none of the values"})
        except InputError:
            continue  # what comes after builds on its value
        if other == whole:
            raise InputError(
                f"{name!r} changes nothing: what comes after it sets the same",
                file=file,
                key=f"axes.{name}.key",
                allowed="keys of their own; the wider of two first",
            )
