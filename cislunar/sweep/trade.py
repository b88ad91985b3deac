"""Trade files: a base scenario, what varies, what is measured; validated, nothing run.

A trade varies dotted keys of a scenario (``constellations.0.planes``, or by a node's name
``spacecraft.relay-1.orbit``) along named axes. Its faults are lines as a scenario's are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Tag, ValidationError, field_validator, model_validator

from cislunar.faults import as_faults, raise_all
from cislunar.fields import Name, Positive, Range, refuse, show
from cislunar.records import Record
from cislunar.records import key as told  # an axis has a field of that name
from cislunar.scenario import distinct
from cislunar.schema import Title
from cislunar.sweep.expressions import evaluate, names_in
from cislunar.yamlio import read_mapping
from orbits.errors import InputError

MAX_VARIANTS = 1_000_000
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_FUNCTION = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
TABLES = (
    "comm_scores",
    "positioning_scores",
    "positioning_accuracy",
    "positioning_tolerance",
    "gaps",
    "fills",
    "portfolio",
    "contacts",
    "access",
)
COUNTS = ("spacecraft_count", "station_count", "asset_count")
RESERVED = ("variant", "key", "error", "error_kind", "wall_s")  # columns that every sweep has
HOW = ("mean", "min", "max", "p50", "p95", "sum", "count", "weighted", "share")

LONGEST_NAME = 200  # characters, of axes and metrics: they head columns and stand in pictures

Count = Annotated[int, Range(1, MAX_VARIANTS, whole=True)]
Finite = Annotated[float, Range(-1e18, 1e18)]
Seed = Annotated[int, Range(0, 2**32 - 1, whole=True)]


class Axis(Record):
    """One thing that varies. Exactly one of the ways to say its values."""

    key: str | tuple[str, ...] | None = told(
        "dotted key of the scenario, or several that take the same value; absent: the axis's name;"
        " an empty list: a name for expressions only"
    )
    values: tuple[Any, ...] | None = told("the values themselves", min_length=1, max_length=100_000)
    labels: tuple[str, ...] | None = told("short names of the values, for tables and plots")
    range: tuple[Finite, Finite, Finite] | None = told(
        "[first, last, step], up to the last and with it"
    )
    linear: tuple[Finite, Finite, Count] | None = told("[first, last, how many]")
    log: tuple[Positive, Positive, Count] | None = told("[first, last, how many], even in ratio")
    seeds: Count | None = told("the whole numbers 0, 1, ... up to this many")
    between: tuple[Finite, Finite] | None = told("[low, high]: any number between")
    normal: tuple[Finite, Positive] | None = told("[mean, standard deviation], for drawn designs")
    scale: Literal["linear", "log"] = told("how between is filled", "linear")
    whole: bool = told("whole numbers only", False)

    @model_validator(mode="after")
    def _one_way(self):
        ways = ("values", "range", "linear", "log", "seeds", "between", "normal")
        given = [w for w in ways if getattr(self, w) is not None]
        if len(given) != 1:
            raise refuse(" and ".join(given) or "no values", f"exactly one of {', '.join(ways)}")
        if self.labels is not None and len(self.labels) != len(self.values or ()):
            raise refuse("labels without their values", "one label a value", "labels")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise refuse("two values share a label", "labels that differ", "labels")
        if self.labels is not None:  # tables could not tell which of them a variant has
            written = [json.dumps(v, sort_keys=True, default=str) for v in self.values or ()]
            if len(set(written)) != len(written):
                raise refuse("a value has two labels", "values that differ", "values")
        if self.range is not None:
            first, last, step = self.range
            if step == 0 or (last - first) / step < 0:
                raise refuse(f"{list(self.range)} has no values", "[first, last, step]", "range")
            if (last - first) / step > MAX_VARIANTS:
                raise refuse(
                    f"{list(self.range)} has too many values", f"at most {MAX_VARIANTS}", "range"
                )
        if self.between is not None:
            low, high = self.between
            if not low < high or (self.scale == "log" and low <= 0.0):
                raise refuse(f"{list(self.between)} is empty", "[low, high], low < high", "between")
            if self.whole and math.ceil(low) > math.floor(high):
                raise refuse(
                    f"no whole number is in {list(self.between)}", "[low, high] with one", "between"
                )
        elif self.scale != "linear":
            raise refuse("scale without between", "beside between only", "scale")
        return self

    @property
    def continuous(self) -> bool:
        """True where only a drawn design or an optimiser can choose values."""
        return self.between is not None or self.normal is not None

    def keys(self, name: str) -> tuple[str, ...]:
        """The dotted keys that it sets."""
        return (
            (name,)
            if self.key is None
            else ((self.key,) if isinstance(self.key, str) else tuple(self.key))
        )


class Factorial(Record):
    kind: Literal["factorial"] = told("all combinations", ...)


class LatinHypercube(Record):
    kind: Literal["latin-hypercube"] = told("each axis's range cut evenly, each part met once", ...)
    samples: Count = told("how many variants are drawn, before constraints", ...)
    seed: Seed = told("seed of the random numbers", ...)


class MonteCarlo(Record):
    kind: Literal["monte-carlo"] = told("independent draws", ...)
    samples: Count = told("how many variants that meet the constraints", ...)
    seed: Seed = told("seed of the random numbers", ...)


class Rows(Record):
    kind: Literal["rows"] = told("variants written out", ...)
    rows: tuple[dict[str, Any], ...] = told(
        "one mapping a variant: axis name or dotted key, and value", ..., min_length=1
    )


class Nsga2(Record):
    kind: Literal["nsga2"] = told("optimisation by NSGA-II", ...)
    population: Annotated[int, Range(4, 10_000, whole=True)] = told("variants a generation", ...)
    generations: Annotated[int, Range(1, 10_000, whole=True)] = told("generations", ...)
    seed: Seed = told("seed of the random numbers", ...)


Design = Annotated[
    Union[  # noqa: UP007
        Annotated[Factorial, Tag("factorial")],
        Annotated[LatinHypercube, Tag("latin-hypercube")],
        Annotated[MonteCarlo, Tag("monte-carlo")],
        Annotated[Rows, Tag("rows")],
        Annotated[Nsga2, Tag("nsga2")],
    ],
    Discriminator("kind"),
]


class Metric(Record):
    """One number a variant: an aggregated column, a cost, an expression or a function."""

    of: str | None = told(
        "TABLE.COLUMN of the score tables, or coverage.VARIABLE; how says how it becomes a number"
    )
    how: Literal["mean", "min", "max", "p50", "p95", "sum", "count", "weighted", "share"] | None = (
        told(
            "how rows or cells are brought together; maps by area, weighted by the assets' weights,"
            " share: the share of rows or area within at_least and at_most"
        )
    )
    where: dict[str, Any] = told("only rows whose columns have these values (or one of a list)", {})
    region: Name | None = told("only this region of the map")
    at_least: Finite | None = told("least value that counts, for share")
    at_most: Finite | None = told("largest value that counts, for share")
    without: Finite | None = told("what stands where no row has a value; absent: an empty cell")
    expression: str | None = told(
        "of axis names, earlier metrics, spacecraft_count, station_count and asset_count"
    )
    cost_oku_jpy: dict[str, Any] | None = told(
        "node or constellation name: cost of one in oku yen, or an option whose cost stands in"
    )
    function: str | None = told(
        "module:function, of module.py beside the trade or else an installed module; its code is"
        " run, with the results of a variant, and gives the number"
    )
    unit: str | None = told("unit, for plots; absent: the last word of the name")

    @model_validator(mode="after")
    def _one_kind(self):
        kinds = ("of", "expression", "cost_oku_jpy", "function")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) != 1:
            raise refuse(" and ".join(given) or "nothing to measure", f"one of {', '.join(kinds)}")
        if self.of is not None:
            table, _, column = self.of.partition(".")
            if not column or table not in (*TABLES, "coverage"):
                raise refuse(
                    f"{self.of!r} is no table and column",
                    f"TABLE.COLUMN, table one of coverage, {', '.join(TABLES)}",
                    "of",
                )
            if self.how is None:
                raise refuse("how is missing", ", ".join(HOW), "how")
            if (self.how == "share") != (self.at_least is not None or self.at_most is not None):
                raise refuse(
                    "share and its bounds belong together",
                    "how: share with at_least or at_most",
                    "how",
                )
            if table == "coverage":
                from cislunar.coverage.figures_of_merit import DEFINITIONS

                if column not in (*DEFINITIONS, "positioning_served_frac"):
                    raise refuse(
                        f"{column!r} is not a figure of the map",
                        ", ".join((*DEFINITIONS, "positioning_served_frac")),
                        "of",
                    )
                if self.where:
                    raise refuse("where belongs to tables", "region", "where")
            elif self.region is not None:
                raise refuse("region belongs to coverage", "where: {column: value}", "region")
        elif self.how is not None or self.where or self.region is not None:
            raise refuse("how, where and region belong to of", f"{given[0]} alone", "how")
        if self.expression is not None:
            names_in(self.expression)
        if self.function is not None and not _FUNCTION.match(self.function):
            raise refuse(f"{self.function!r} is no function", "module:function", "function")
        return self

    @property
    def table(self) -> str | None:
        return None if self.of is None else self.of.partition(".")[0]

    @property
    def column(self) -> str:
        return "" if self.of is None else self.of.partition(".")[2]


class FixLimits(Record):
    """What a fix must hold to serve, for ``coverage.positioning_served_frac``."""

    accuracy_m: Positive | None = told("largest 3D RMS error, m")
    max_pdop: Positive | None = told("largest PDOP")
    max_gdop: Positive | None = told("largest GDOP")

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Accuracy in m, PDOP and GDOP; infinite where there is no limit."""
        none = float("inf")
        return (self.accuracy_m or none, self.max_pdop or none, self.max_gdop or none)


class Trade(Record):
    """A constellation trade, frozen."""

    schema_version: Literal[1] = told("version of this file format", 1)
    name: Name = told("name of the trade; becomes the folder's name", ...)
    title: Title | None = told("title, text or {en, ja}")
    note: str | None = told("free text")
    base: str | dict[str, Any] = told("the scenario that is varied: a file, or written out", ...)
    set: dict[str, Any] = told("dotted keys of the base and what all variants have there", {})
    axes: dict[str, Axis] = told("what varies, by name", {})
    derived: dict[str, str] = told("dotted keys and the expression of axis names they take", {})
    design: Design = told("which combinations are run", Factorial(kind="factorial"))
    constraints: tuple[str, ...] = told("expressions of axis names that each variant meets", ())
    metrics: dict[str, Metric] = told("what is measured, by name", ..., min_length=1)
    objectives: dict[str, Literal["min", "max"]] = told("metrics to make least or most", {})
    reference: dict[str, Finite] = told("reference point of the hypervolume, by objective", {})
    fix_limits: FixLimits | None = told("what a fix must hold for positioning_served_frac")
    positioning_step_s: Annotated[float, Range(1, 86_400, "s")] | None = told(
        "step of the maps' fixes, s; absent: as in a run"
    )
    processes: bool | None = told("processes instead of threads; absent: as fits the metrics")

    @field_validator("axes", mode="before")
    @classmethod
    def _short(cls, value):
        if isinstance(value, dict):
            return {
                k: {"values": v} if isinstance(v, (list, tuple)) else v for k, v in value.items()
            }
        return value

    @model_validator(mode="after")
    def _fits(self):
        for name, axis in self.axes.items():
            if not axis.keys(name) and not _IDENTIFIER.match(name):
                raise refuse(
                    f"{name!r} sets nothing", "key, or a name for expressions", f"axes.{name}"
                )
            if axis.continuous and self.design.kind == "factorial":
                raise refuse(
                    "a range without a number of values in a factorial design",
                    "values, range, linear, log, seeds",
                    f"axes.{name}",
                )
            if self.design.kind == "nsga2" and axis.normal is not None:
                raise refuse(
                    "a distribution is not a range to search",
                    "between or values",
                    f"axes.{name}.normal",
                )
        if self.design.kind not in ("rows",) and not self.axes:
            raise refuse("nothing varies", "axes, or design: {kind: rows}", "axes")
        known = {n for n in self.axes if _IDENTIFIER.match(n)}
        for index, text in enumerate(self.constraints):
            self._names(text, known, f"constraints.{index}")
        for where, text in self.derived.items():
            self._names(text, known, f"derived.{where}")
        measured: set[str] = set()
        rows = self.design.rows if self.design.kind == "rows" else ()
        varied = {*self.axes, *(n for row in rows for n in row)}
        for name in (*varied, *self.metrics):
            where = "metrics" if name in self.metrics else "axes"
            if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
                raise refuse(
                    f"{show(name)} heads no column",
                    f"a name of at most {LONGEST_NAME} signs, one line",
                    where,
                )
            if name in RESERVED:
                raise refuse(
                    f"every sweep has a column {name!r}", "another name", f"{where}.{name}"
                )
        for name, metric in self.metrics.items():
            if name in varied:
                raise refuse("an axis has this name too", "another name", f"metrics.{name}")
            if metric.expression is not None:
                self._names(
                    metric.expression, known | measured | {*COUNTS}, f"metrics.{name}.expression"
                )
            if metric.column == "positioning_served_frac" and self.fix_limits is None:
                raise refuse(
                    "no limits are given for a fix that serves",
                    "fix_limits: {max_gdop: 6}",
                    f"metrics.{name}.of",
                )
            measured.add(name)
        for where in ("objectives", "reference"):
            for name in getattr(self, where):
                if name not in self.metrics:
                    raise refuse(
                        f"{name!r} is not a metric", ", ".join(self.metrics), f"{where}.{name}"
                    )
        if self.design.kind == "nsga2" and not self.objectives:
            raise refuse("nothing to optimise", "objectives: {metric: min or max}", "objectives")
        if self.design.kind == "nsga2" and self.most_variants(0) > MAX_VARIANTS:
            raise refuse(
                f"{self.most_variants(0)} variants",
                f"population times generations at most {MAX_VARIANTS}",
                "design",
            )
        return self

    @staticmethod
    def _names(text: str, known: set[str], where: str) -> None:
        try:
            unknown = names_in(text) - known
        except InputError as fault:
            raise refuse(fault.what, str(fault.allowed), where) from None
        if unknown:
            raise refuse(
                f"{sorted(unknown)[0]!r} is not a name here",
                ", ".join(sorted(known)) or "axes with plain names",
                where,
            )

    def most_variants(self, designed: int) -> int:
        """How many variants there are, or at most in an optimisation."""
        if self.design.kind == "nsga2":
            return self.design.population * self.design.generations
        return designed

    def meets(self, values: Mapping[str, Any]) -> bool:
        """True where the values of the axes meet every constraint."""
        return all(bool(evaluate(text, values)) for text in self.constraints)


def is_trade(raw: Mapping[str, Any]) -> bool:
    """True for a mapping that means a trade, not a scenario."""
    return "base" in raw and ("axes" in raw or "metrics" in raw or "design" in raw)


def trade_from(raw: Mapping[str, Any], file: str | None = None) -> Trade:
    """The trade of a mapping; InputError with one line a fault."""
    data = {str(k): v for k, v in raw.items()}
    try:
        return Trade(**data)
    except ValidationError as error:
        faults = as_faults(error, data, file, Trade)
    except InputError as fault:
        faults = [InputError(fault.what, file=file, key=fault.key, allowed=fault.allowed)]
    raise_all(distinct(faults))
    raise AssertionError


def load_trade(path: str | Path) -> Trade:
    """The trade in a YAML file. Raises InputError, one line a fault."""
    return trade_from(read_mapping(path, "trade"), str(path))


def json_schema() -> dict[str, Any]:
    """JSON schema of the trade file."""
    schema = Trade.model_json_schema()
    schema["properties"]["axes"]["additionalProperties"] = {
        "anyOf": [{"type": "array"}, {"$ref": "#/$defs/Axis"}]
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Trade of the cislunar planner"
    return schema
