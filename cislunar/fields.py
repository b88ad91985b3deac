"""Field types of the scenario file: numbers with a range and a unit, names, dates, resonances.

Each type is a small frozen record that pydantic calls to validate and to describe itself in the
JSON schema. A refused value raises a ``PydanticCustomError`` whose context says what is allowed.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

from orbits.epoch import Epoch
from orbits.errors import InputError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_NAME = re.compile(NAME_PATTERN)
_RESONANCE = re.compile(r"^([1-9]\d?):([1-9]\d?)$")
_PARTIAL = re.compile(r"^(\d{4})(?:-(\d{2}))?$")
# astropy names of our units, where a Quantity is given instead of a number
_ASTROPY_UNIT = {"days": "d", "frac": "", "oku yen": None, "dB": None, "dBi": None, "dBW": None}


def refuse(what: str, allowed: str, key: str = "") -> PydanticCustomError:
    """An error that pydantic collects; ``allowed`` ends the user's line, ``key`` says where."""
    context = {"what": what, "allowed": allowed, "key": key}
    return PydanticCustomError("refused", "{what}", context)


def show(value: Any) -> str:
    """``value`` as text of at most 60 characters, for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Range:
    """A finite number from ``low`` to ``high`` in ``unit``; text such as ``7e4`` is read as one."""

    low: float
    high: float
    unit: str = ""
    low_open: bool = False
    high_open: bool = False
    whole: bool = False

    @property
    def allowed(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:g}" if self.low_open else f"from {self.low:g}"
        high = f"below {self.high:g}" if self.high_open else f"to {self.high:g}"
        return f"{kind} {low} {high} {self.unit}".rstrip()

    def check(self, given: Any) -> float | int:
        value: Any = given
        if hasattr(value, "to_value") and (unit := _ASTROPY_UNIT.get(self.unit, self.unit)):
            value = value.to_value(unit)
        if isinstance(value, str) and "_" not in value:
            with suppress(ValueError):
                value = float(value)
        elif not isinstance(value, (str, int, float)) and hasattr(value, "item"):
            with suppress(ValueError):
                value = value.item()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise refuse(f"{show(value)} is not a number", self.allowed)
        try:
            number = float(value)
        except OverflowError:
            raise refuse(f"{show(value)} is not finite", self.allowed) from None
        if not math.isfinite(number):
            raise refuse(f"{number} is not finite", self.allowed)
        below = number <= self.low if self.low_open else number < self.low
        above = number >= self.high if self.high_open else number > self.high
        if below or above:
            raise refuse(f"{number:g} is out of range", self.allowed)
        if self.whole:
            if number != int(number):
                raise refuse(f"{number:g} is not whole", self.allowed)
            return int(number)
        return number

    def __get_pydantic_core_schema__(self, source, handler):
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema, handler):
        low = "exclusiveMinimum" if self.low_open else "minimum"
        high = "exclusiveMaximum" if self.high_open else "maximum"
        out = {"type": "integer" if self.whole else "number", low: self.low, high: self.high}
        return {**out, "unit": self.unit} if self.unit else out


@dataclass(frozen=True)
class Text:
    """Text that ``check`` accepts; ``allowed`` says what that is."""

    allowed: str
    pattern: str | None = None
    kind: str = "plain"

    def check(self, value: Any) -> str:
        if self.kind in ("date", "instant") and not isinstance(value, bool):
            if isinstance(value, int):
                value = str(value)
            elif hasattr(value, "tdb"):  # an astropy Time
                value = f"{value.tdb.isot} TDB"
            elif hasattr(value, "isoformat"):  # a datetime or date
                value = value.isoformat()
        if not isinstance(value, str):
            raise refuse(f"{show(value)} is not text", self.allowed)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise refuse(f"{show(value)} is not accepted", self.allowed)
        if self.kind == "instant":
            _epoch(value)
        elif self.kind == "date":
            date_instant(value)
        return value

    def __get_pydantic_core_schema__(self, source, handler):
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema, handler):
        out: dict[str, Any] = {"type": ["string", "integer"] if self.kind == "date" else "string"}
        if self.pattern:
            out["pattern"] = self.pattern
        return out


def _epoch(text: str) -> Epoch:
    try:
        return Epoch.parse(text)
    except InputError as fault:
        raise refuse(fault.what, str(fault.allowed)) from fault


def date_instant(text: str) -> Epoch:
    """The instant of a date; a year or a month alone stands for its END (first instant after it).

    >>> date_instant("2028").utc_text(), date_instant("2028-02").utc_text()
    ('2029-01-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z')
    """
    partial = _PARTIAL.match(text.strip())
    if not partial:
        return _epoch(text)
    year, month = int(partial.group(1)), int(partial.group(2) or 12)
    if not 1 <= month <= 12:
        raise refuse(f"{text!r} is not a month", "YYYY, YYYY-MM or YYYY-MM-DD")
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    if year == 2051:  # the ephemerides end here, and so does any span
        return _epoch("2050-12-31T23:59:59 UTC")
    return _epoch(f"{year:04d}-{month:02d}-01T00:00:00 UTC")


def first_day(text: str) -> date:
    """The day that a date counts from; a year or a month alone counts from its END, as instants do.

    Any year will do: what is built in 2032 may serve beyond the ephemerides.

    >>> str(first_day("2030")), str(first_day("2030-03")), str(first_day("2030-03-31"))
    ('2031-01-01', '2030-04-01', '2030-03-31')
    """
    partial = _PARTIAL.match(text.strip())
    if not partial:
        return date.fromisoformat(text.strip()[:10])
    year, month = int(partial.group(1)), int(partial.group(2) or 12)
    return date(year + month // 12, month % 12 + 1, 1)


def resonance_ratio(text: str) -> float:
    """Period in synodic months of a resonance ``p:q``: q / p.

    >>> resonance_ratio("9:2")
    0.2222222222222222
    """
    found = _RESONANCE.match(text)
    if not found:
        raise refuse(f"{show(text)} is not a resonance", "p:q, two whole numbers from 1 to 99")
    return int(found.group(2)) / int(found.group(1))


Name = Annotated[
    str,
    Text("letters, digits, '.', '_' and '-', at most 64, first a letter or digit", NAME_PATTERN),
]
Nation = Annotated[  # it stands in tables, where spreadsheets take "=1" for a formula
    str, Text("a nation code: first a letter, one line", r"^[^\W\d_][^\x00-\x1f\x7f]*$")
]
Instant = Annotated[
    str, Text("YYYY-MM-DDThh:mm:ss with UTC (from 1972), TDB or TT", kind="instant")
]
Date = Annotated[str, Text("YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss UTC", kind="date")]
Resonance = Annotated[str, Text("p:q, two whole numbers from 1 to 99", r"^([1-9]\d?):([1-9]\d?)$")]

Latitude = Annotated[float, Range(-90, 90, "deg")]
Longitude = Annotated[float, Range(-360, 360, "deg")]
Height = Annotated[float, Range(-12_000, 100_000, "m")]
Elevation = Annotated[float, Range(-90, 90, "deg", high_open=True)]
Angle = Annotated[float, Range(-360, 360, "deg")]
Fraction = Annotated[float, Range(0, 1, "frac")]
Positive = Annotated[float, Range(0, 1e12, low_open=True)]
NonNegative = Annotated[float, Range(0, 1e18)]
Kilometres = Annotated[float, Range(0, 2e6, "km", low_open=True)]
Seconds = Annotated[float, Range(0, 1e9, "s")]
Rate = Annotated[float, Range(0, 1e13, "bit/s")]
Decibel = Annotated[float, Range(-300, 300, "dB")]
Kelvin = Annotated[float, Range(0, 1e5, "K", low_open=True)]
Megahertz = Annotated[float, Range(0, 1e6, "MHz", low_open=True)]
Metres = Annotated[float, Range(0, 1e7, "m")]
Oku = Annotated[float, Range(0, 1e7, "oku yen")]
