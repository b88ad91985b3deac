"""Conditions of access as a scenario states them: leaves, combined by all, any and not.

A condition is asked of a node toward each of its partners (or of one pair), on top of those that
every pair has. Keep-outs are sectors or cones under ``not``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_serializer,
    model_validator,
)

from cislunar.fields import Angle, Elevation, Instant, Name, Positive, Range, refuse, show
from cislunar.records import Record, key

Cause = Literal[
    "no-provider", "below-horizon", "terrain", "mask", "occulted", "range", "sun",
    "station-mask", "station-outage",
]  # fmt: skip
Half = Annotated[float, Range(0, 180, "deg")]
Component = Annotated[float, Range(-1e9, 1e9)]
Azimuth = Annotated[float, Range(-360, 360, "deg")]

# the keys that each kind of condition uses, beside kind and cause
USES = {
    "occultation": ("body", "clearance_km"), "horizon": (), "elevation": ("min_deg", "max_deg"),
    "range": ("min_km", "max_km"), "angle-from": ("body", "min_deg"),
    "azimuth-elevation": ("azimuth_deg", "elevation_deg"),
    "cone": ("axis", "frame", "half_angle_deg"), "times": ("spans",),
}  # fmt: skip


class Leaf(Record):
    """One condition that holds or does not."""

    kind: Literal[
        "occultation",
        "horizon",
        "elevation",
        "range",
        "angle-from",
        "azimuth-elevation",
        "cone",
        "times",
    ] = key("what is asked; each kind uses the keys that name it", ...)
    cause: Cause | None = key("what a gap is put down to when it fails; absent: the kind's own")
    body: Literal["moon", "earth", "sun"] | None = key(
        "occultation: which sphere must not stand between; angle-from: which body is kept away from"
    )
    clearance_km: Annotated[float, Range(0, 1e5, "km")] = key(
        "occultation: height above the sphere that the path must keep, km", 0.0
    )
    min_deg: Annotated[float, Range(-90, 180, "deg")] | None = key(
        "elevation, angle-from: least angle, deg"
    )
    max_deg: Annotated[float, Range(-90, 180, "deg")] | None = key("elevation: largest, deg")
    min_km: Positive | None = key("range: least distance, km")
    max_km: Positive | None = key("range: largest distance, km")
    azimuth_deg: tuple[Azimuth, Azimuth] | None = key(
        "azimuth-elevation: sector from, through east, to, deg; absent: all around"
    )
    elevation_deg: tuple[Elevation, Angle] | None = key("azimuth-elevation: from, to, deg")
    axis: tuple[Component, Component, Component] | None = key("cone: its axis, any length")
    frame: Literal["LOCAL", "LVLH", "ICRF", "EARTH_MOON_ROTATING"] = key(
        "cone: axes that `axis` is given in", "LVLH"
    )
    half_angle_deg: Half | None = key("cone: half of its opening, deg")
    spans: tuple[tuple[Instant, Instant], ...] = key("times: list of [from, to] when it holds", ())

    @model_validator(mode="after")
    def _complete(self):
        lacks = {
            "occultation": self.body in ("moon", "earth"),
            "horizon": True,
            "elevation": self.min_deg is not None or self.max_deg is not None,
            "range": self.min_km is not None or self.max_km is not None,
            "angle-from": self.body is not None and self.min_deg is not None,
            "azimuth-elevation": self.azimuth_deg is not None or self.elevation_deg is not None,
            "cone": any(self.axis or ()) and self.half_angle_deg is not None,
            "times": bool(self.spans),
        }
        needs = {
            "occultation": "body: moon or earth", "elevation": "min_deg or max_deg",
            "range": "min_km or max_km", "angle-from": "body and min_deg",
            "azimuth-elevation": "azimuth_deg or elevation_deg",
            "cone": "axis, half_angle_deg (and frame)", "times": "spans: [[from, to], ...]",
        }  # fmt: skip
        if not lacks[self.kind]:
            raise refuse(f"a condition of kind {self.kind} is not complete", needs[self.kind])
        uses = USES[self.kind]
        for name in Leaf.model_fields:
            if name not in ("kind", "cause", *uses) and getattr(self, name) != _absent(name):
                raise refuse(
                    f"a condition of kind {self.kind} does not use it",
                    ", ".join(("kind", "cause", *uses)), name,
                )  # fmt: skip
        if self.kind == "angle-from" and self.min_deg is not None and self.min_deg < 0.0:
            raise refuse("an angle from a body is not negative", "0 to 180 deg", "min_deg")
        pairs = {
            "max_deg": (self.min_deg, self.max_deg), "max_km": (self.min_km, self.max_km),
            "elevation_deg": self.elevation_deg or (None, None),
        }  # fmt: skip
        for name, (low, high) in pairs.items():
            if low is not None and high is not None and low >= high:
                raise refuse(f"from {low:g} to {high:g} nothing lies", f"above {low:g}", name)
        return self


def _absent(name: str) -> Any:
    return Leaf.model_fields[name].default


class Expression(Record):
    """Conditions combined; where several of the keys are given, all of them hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    all: tuple[Condition, ...] = key("every one holds", ())
    any: tuple[Condition, ...] = key("at least one holds", ())
    not_: Condition | None = Field(None, alias="not", description="it does not hold")
    cause: Cause | None = key(
        "what a gap is put down to when it fails; absent: that of the latest stage within"
    )

    @model_serializer(mode="wrap")
    def _as_written(self, inner) -> dict[str, Any]:
        out = inner(self)
        if "not_" in out:
            out["not"] = out.pop("not_")
        return out

    @model_validator(mode="after")
    def _something(self):
        if not (self.all or self.any or self.not_ is not None):
            raise refuse("an expression without conditions", "all: [...], any: [...] or not: ...")
        return self


def _mapping(value: Any) -> Any:
    if not isinstance(value, (dict, Leaf, Expression)):
        raise refuse(
            f"{show(value)} is not a condition", "kind: ..., all: [...], any: [...] or not: ..."
        )  # fmt: skip
    return value


def _kind(value: Any) -> str:
    leaf = "kind" in value if isinstance(value, dict) else isinstance(value, Leaf)
    return "leaf" if leaf else "expression"


Condition = Annotated[
    Union[Annotated[Leaf, Tag("leaf")], Annotated[Expression, Tag("expression")]],  # noqa: UP007
    Discriminator(_kind), BeforeValidator(_mapping),
]  # fmt: skip
Expression.model_rebuild()


class PairCondition(Record):
    """A condition of one pair of nodes."""

    node: Name = key("the node whose condition it is: seen from it, in its time", ...)
    toward: Name = key("the other node", ...)
    require: Condition = key("what must hold", ...)


class Maintenance(Record):
    """A window out of service that comes back every day or every week, in UTC."""

    every: Literal["day", "week"] = key("how often", ...)
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] | None = key(
        "week: the day it begins on"
    )
    at: Annotated[float, Range(0, 24, "h", high_open=True)] = key("UTC hour of the start, h", ...)
    hours: Annotated[float, Range(0, 168, "h", low_open=True)] = key("length, h", ...)

    @model_validator(mode="after")
    def _has_a_day(self):
        if (self.every == "week") != (self.weekday is not None):
            raise refuse("weekday goes with every: week", "every: week with weekday, or every: day")
        return self


class Atmosphere(Record):
    """How the air over Earth stations attenuates radio links."""

    model: Literal["catalogue", "itu-r"] = key(
        "catalogue: the stations' own figures; itu-r: ITU-R P.676, P.618 and P.840 at the "
        "station, through the optional package itur",
        "catalogue",
    )
    availability_percent: Annotated[float, Range(50, 99.999, "percent")] = key(
        "share of an average year in which the attenuation is not exceeded (itu-r)", 95.0
    )
    noise: bool = key(
        "whether air that attenuates also adds its noise to the stations' receivers (ITU-R P.618)",
        False,
    )


def leaves(entry: Leaf | Expression) -> list[Leaf]:
    """All leaves of a condition, in the order written."""
    if isinstance(entry, Leaf):
        return [entry]
    below = (*entry.all, *entry.any, *([entry.not_] if entry.not_ is not None else []))
    return [leaf for part in below for leaf in leaves(part)]


def asks_azimuth(entry: Leaf | Expression) -> bool:
    """True where a condition asks for azimuths or the local frame of a place."""
    return any(
        leaf.kind == "azimuth-elevation" or (leaf.kind == "cone" and leaf.frame == "LOCAL")
        for leaf in leaves(entry)
    )
