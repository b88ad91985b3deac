"""Faults of a file as its writer reads them: one line each, in a file's words, not pydantic's."""

from __future__ import annotations

import difflib
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from cislunar import condition_records, orbit_records, schema, terminal_records
from cislunar.fields import show
from cislunar.records import Sourced
from orbits.errors import InputError

MAX_FAULTS = 40
MOST_FAULTS = 500  # after so many nothing more is looked for


class InputErrors(InputError):
    """Several faults of one file; ``lines`` has one line for each, and ``str()`` all of them."""

    def __init__(self, faults: list[InputError]):
        self.faults = faults
        self.lines = [str(f) for f in faults[:MAX_FAULTS]]
        if len(faults) > MAX_FAULTS:
            self.lines.append(f"... and {len(faults) - MAX_FAULTS} more")
        first = faults[0]
        super().__init__(
            first.what, file=first.file, key=first.key, value=first.value, allowed=first.allowed
        )
        self.args = ("\n".join(self.lines),)


def raise_all(faults: list[InputError]) -> None:
    """Raises what was gathered, if anything."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InputErrors(faults)


_ORBITS: dict[str, Any] = {
    "dro": orbit_records.DroOrbit,
    "halo": orbit_records.HaloOrbit,
    "nrho": orbit_records.NrhoOrbit,
    "lyapunov": orbit_records.LyapunovOrbit,
    "butterfly": orbit_records.ButterflyOrbit,
    "keplerian": orbit_records.KeplerianOrbit,
    "state": orbit_records.StateOrbit,
    "oem": orbit_records.OemOrbit,
    "spk": orbit_records.SpkOrbit,
}
_TAGS = ("record", "text", "leaf", "expression", *_ORBITS)  # of unions, not keys of a file
_MODELS: dict[str, Any] = {
    "spacecraft": schema.Spacecraft, "constellations": schema.Constellation,
    "ground_stations": schema.GroundStation, "assets": schema.Asset, "regions": schema.Region,
    "needs": schema.Need, "policy": schema.Policy, "terminals": terminal_records.Terminal,
    "transmit": terminal_records.Transmit, "receive": terminal_records.Receive,
    "antenna": terminal_records.Antenna,
    "error_budget": schema.SignalError,
    "options": schema.Option, "adds": schema.Additions, "cost_oku_jpy": schema.Money,
    "outputs": schema.Outputs, "force_model": schema.ForceModelRecord,
    "service_start": schema.StartDates, "service_end": schema.StartDates,
    "maintenance": schema.Maintenance, "atmosphere": schema.Atmosphere,
    "pair_conditions": condition_records.PairCondition,
}  # fmt: skip
_CONDITIONS = ("access_conditions", "require", "all", "any", "not")


def _dotted(loc: tuple, data: Any) -> tuple[list[Any], Any]:
    """The part of ``loc`` that is in ``data`` (pydantic adds union tags), and the value there."""
    path: list[Any] = []
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        listed = isinstance(data, (list, tuple)) and isinstance(step, int) and step < len(data)
        if listed or (isinstance(data, dict) and step in data):
            data = data[step]
        elif isinstance(data, dict) and last and step not in _TAGS:
            data = None  # a key that is missing
        else:
            continue
        path.append(step)
    return path, data


def _model_of(path: list[Any], data: Any, top: type) -> Any:
    """What the key at the end of ``path`` stands in: a record's class, or the keys of a condition.

    None for an orbit of no known kind.
    """
    names = [p for p in path[:-1] if isinstance(p, str)]
    for step in path[:-1]:
        inner = isinstance(data, dict) or (
            isinstance(step, int) and isinstance(data, (list, tuple))
        )
        data = data[step] if inner else None
    for name in reversed(names):
        if name == "orbit":
            kind = data.get("kind") if isinstance(data, dict) else None
            return _ORBITS.get(kind) if isinstance(kind, str) else None
        if name in _CONDITIONS:
            leaf = isinstance(data, dict) and "kind" in data
            kind = data["kind"] if leaf else None
            if isinstance(kind, str) and kind in condition_records.USES:
                return ["kind", "cause", *condition_records.USES[kind]]
            return condition_records.Leaf if leaf else ["all", "any", "not"]
        if name in _MODELS:
            return _MODELS[name]
    return top


def _known_keys(path: list[Any], data: Any, top: type) -> list[str]:
    model = _model_of(path, data, top)
    if model is None or isinstance(model, list):
        return model or []
    return [*model.model_fields, *(["from"] if issubclass(model, Sourced) else [])]


def _wanted(path: list[Any], data: Any, top: type) -> str:
    """What a missing key asks for: its choices, else its description."""
    fields = getattr(_model_of(path, data, top), "model_fields", {})
    field = fields.get(path[-1]) if path else None
    if field is None:
        return "it must be given"
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    return field.description or "it must be given"


def as_faults(error: ValidationError, data: Any, file: str | None, top: type) -> list[InputError]:
    """Pydantic's errors as :class:`InputError`, one a line."""
    faults = []
    for item in error.errors(include_url=False)[:MOST_FAULTS]:
        path, value = _dotted(item["loc"], data)
        key = ".".join(str(p) for p in path) or None
        context = item.get("ctx") or {}
        kind, what, allowed = item["type"], item["msg"], None
        if kind == "refused":
            what, allowed = context["what"], context["allowed"]
            key = ".".join(k for k in (key, context.get("key")) if k) or None
        elif kind == "extra_forbidden":
            known = _known_keys(path, data, top)
            close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
            what = "unknown key" + (f", did you mean {close[0]}?" if close else "")
            allowed = ", ".join(k for k in known if k not in Sourced.model_fields)
        elif kind == "invalid_key":
            what, allowed = "a key that is not text", "text keys"
        elif kind == "missing":
            what, allowed = "missing", _wanted(path, data, top)
        elif kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
            choices = context.get("expected") or context.get("expected_tags") or "kind"
            if kind == "union_tag_not_found":
                what, choices = "kind is missing", ", ".join(_ORBITS)
            else:
                told = context.get("tag", value if not isinstance(value, dict) else None)
                if item["loc"][-1] == "[key]":  # what stands there is right, its name is not
                    told = path[-1]
                options = [c.strip(" '") for c in choices.replace(" or ", ", ").split(",")]
                close = difflib.get_close_matches(str(told), options, n=1, cutoff=0.6)
                what = f"{show(told)} is not one of the choices" + (
                    f", did you mean {close[0]}?" if close else ""
                )
                choices = ", ".join(options)
            if kind.startswith("union"):
                key = f"{key}.kind" if key else "kind"
            allowed = choices
        elif kind.endswith("_type"):
            what = f"{show(item['input'])} is refused"
            allowed = what_type(item["msg"])
        elif kind in ("too_short", "too_long", "string_too_short"):
            if isinstance(value, (list, tuple)):  # pydantic counts the items that are right
                least, most = context.get("min_length"), context.get("max_length")
                if (least or 0) <= len(value) <= (len(value) if most is None else most):
                    continue
                what = f"{len(value)} items"
            allowed = " ".join(
                f"{word} {context[name]}" for name, word in
                (("min_length", "at least"), ("max_length", "at most")) if name in context
            )  # fmt: skip
        faults.append(InputError(what, file=file, key=key, value=value, allowed=allowed))
    return faults


def what_type(message: str) -> str:
    """``Input should be a valid tuple`` as ``a list``, in the words of a file."""
    told = message.removeprefix("Input should be ").removeprefix("a valid ")
    words = {"tuple": "a list", "list": "a list", "dictionary": "keys with values",
             "string": "text", "boolean": "true or false"}  # fmt: skip
    return words.get(told, message.removeprefix("Input should be "))
