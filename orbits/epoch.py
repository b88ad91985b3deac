"""Instants and time scales; the only place that knows leap seconds.

An ``Epoch`` is a whole TDB day and seconds of it, so that differences of nearby epochs are exact
to the last bit of a double. TDB - TT follows ERFA's ``dtdb`` at the geocentre (the full series,
within 30 us of the one-term formula other readers use).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, overload

import erfa
import numpy as np

from orbits.constants import DAY_S, FIRST_YEAR, LAST_YEAR
from orbits.errors import InputError, SpanError

J2000_JD = 2451545.0
_TEXT = re.compile(
    r"^\s*(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?)?\s*(UTC|TDB|TT|Z)?\s*$"
)


def _tdb_minus_tt_s(jd1, jd2):
    return erfa.dtdb(jd1, jd2, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, order=True)
class Epoch:
    """An instant: ``day`` is the TDB Julian day number at midnight + 0.5, ``second`` in [0, 86400).

    >>> Epoch.parse("2030-03-01T00:00:00 UTC").utc_text()
    '2030-03-01T00:00:00.000Z'
    >>> Epoch.parse("2000-01-01T12:00:00 TDB").tdb_s
    0.0
    """

    day: int  # TDB days from J2000 noon, floored
    second: float

    @classmethod
    def from_tdb_s(cls, tdb_s: float) -> Epoch:
        day = math.floor(tdb_s / DAY_S)
        return cls(day, tdb_s - day * DAY_S)

    @classmethod
    def parse(cls, text: str, *, key: str | None = None) -> Epoch:
        """The instant of a text such as ``2030-01-01T00:00:00 UTC`` (or TDB, TT; UTC if none)."""
        if not isinstance(text, str) or len(text) > 60 or cls is not Epoch:
            return cls._parsed(text, key)
        return _known(text, key)

    @classmethod
    def _parsed(cls, text: str, key: str | None) -> Epoch:
        found = _TEXT.match(text) if isinstance(text, str) else None
        form = "YYYY-MM-DDThh:mm:ss with UTC (from 1972), TDB or TT"
        if not found:
            raise InputError(f"{text!r} is not an epoch", key=key, value=text, allowed=form)
        year, month, day, hour, minute = (int(g or 0) for g in found.groups()[:5])
        second = float(found.group(6) or 0)
        scale = {"Z": "UTC", None: "UTC"}.get(found.group(7), found.group(7))
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise SpanError(
                f"{text!r} is outside the ephemerides", key=key, value=text,
                allowed=f"{FIRST_YEAR}-01-01 to {LAST_YEAR}-12-31",
            )  # fmt: skip
        if scale == "UTC" and year < 1972:
            raise SpanError(
                f"{text!r}: UTC has no whole leap seconds before 1972", key=key, value=text,
                allowed="TDB or TT before 1972",
            )  # fmt: skip
        try:
            jd1, jd2 = _from_calendar(scale, year, month, day, hour, minute, second)
        except (erfa.ErfaError, erfa.ErfaWarning, ValueError) as fault:
            raise InputError(
                f"{text!r} is not a date and time", key=key, value=text, allowed=form
            ) from fault
        whole = math.floor(jd1 - J2000_JD)
        rest = ((jd1 - J2000_JD - whole) + jd2) * DAY_S
        rest = round(rest, 9)
        carry = math.floor(rest / DAY_S)
        return cls(int(whole + carry), rest - carry * DAY_S)

    @property
    def tdb_s(self) -> float:
        """TDB seconds past J2000 (noon)."""
        return self.day * DAY_S + self.second

    @property
    def jd_tdb(self) -> tuple[float, float]:
        """Two-part TDB Julian date: the day, and the fraction."""
        return J2000_JD + self.day, self.second / DAY_S

    def jd_tt(self, t_s: Any = 0.0):
        """Two-part TT Julian dates of ``t_s`` seconds after this epoch."""
        jd1, jd2 = self.jd_tdb
        jd2 = jd2 + np.asarray(t_s, dtype=float) / DAY_S
        return jd1, jd2 - _tdb_minus_tt_s(jd1, jd2) / DAY_S

    def jd_utc(self, t_s: Any = 0.0):
        """Two-part UTC quasi-Julian dates of ``t_s`` seconds after this epoch."""
        tt1, tt2 = self.jd_tt(t_s)
        tai1, tai2 = erfa.tttai(tt1, tt2)
        return erfa.taiutc(tai1, tai2)

    @overload
    def utc_text(self, t_s: float = 0.0, decimals: int = 3) -> str: ...

    @overload
    def utc_text(self, t_s: np.ndarray, decimals: int = 3) -> list[str]: ...

    def utc_text(self, t_s: Any = 0.0, decimals: int = 3):
        """ISO UTC text of ``t_s`` seconds after this epoch: one string, or a list for an array."""
        if np.size(t_s) > 500:
            many = self._utc_texts(np.asarray(t_s, dtype=float), decimals)
            if many is not None:
                return many
        with _quiet():
            jd1, jd2 = self.jd_utc(np.atleast_1d(np.asarray(t_s, dtype=float)))
            year, month, day, clock = erfa.d2dtf("UTC", decimals, jd1, jd2)
        texts = [
            f"{y:04d}-{m:02d}-{d:02d}T{c[0]:02d}:{c[1]:02d}:{c[2]:02d}"
            + (f".{c[3]:0{decimals}d}" if decimals else "")
            + "Z"
            for y, m, d, c in zip(year, month, day, clock.tolist(), strict=True)
        ]
        return texts if np.ndim(t_s) else texts[0]

    def _utc_texts(self, t_s, decimals):
        """Many texts at once: TDB - UTC is smooth, so it is interpolated between hours.

        None where that does not hold (a leap second between the first and the last instant).
        """
        if not 0 <= decimals <= 6 or t_s.ndim != 1 or t_s.max() - t_s.min() > 1e8:
            return None
        nodes = np.arange(t_s.min(), t_s.max() + 3600.0, 3600.0)
        with _quiet():
            jd1, jd2 = self.jd_utc(nodes)
        day = np.floor(jd1[0] + jd2[0] - J2000_JD)
        past_s = (((jd1 - J2000_JD) - day) + jd2) * DAY_S  # UTC seconds past that day's noon
        offset = past_s - nodes
        if np.ptp(offset) > 0.5:
            return None
        tick = 10**decimals
        count = np.rint((t_s + np.interp(t_s, nodes, offset)) * tick).astype(np.int64)
        noon = np.datetime64("2000-01-01T12:00:00", "s") + np.timedelta64(int(day * DAY_S), "s")
        unit = ("s", "ms", "ms", "ms", "us", "us", "us")[decimals]
        finer = {"s": 1, "ms": 1000, "us": 1000000}[unit] // tick
        texts = np.datetime_as_string(
            noon.astype(f"datetime64[{unit}]") + (count * finer).astype(f"timedelta64[{unit}]")
        ).tolist()
        cut = None if unit == "s" else decimals - {"ms": 3, "us": 6}[unit] or None
        return [text[:cut] + "Z" for text in texts]

    def tdb_text(self, t_s: float = 0.0, decimals: int = 6) -> str:
        """ISO TDB text (no suffix), as CCSDS files want it."""
        jd1, jd2 = self.jd_tdb
        year, month, day, clock = erfa.d2dtf("TDB", decimals, jd1, jd2 + t_s / DAY_S)
        clock = clock.tolist()
        return f"{year:04d}-{month:02d}-{day:02d}T{clock[0]:02d}:{clock[1]:02d}:{clock[2]:02d}" + (
            f".{clock[3]:0{decimals}d}" if decimals else ""
        )

    def __add__(self, seconds: float) -> Epoch:
        total = self.second + seconds
        carry = math.floor(total / DAY_S)
        return Epoch(self.day + carry, total - carry * DAY_S)

    def __sub__(self, other: Epoch) -> float:
        """Seconds from ``other`` to this instant."""
        return (self.day - other.day) * DAY_S + (self.second - other.second)

    def __str__(self) -> str:
        return self.tdb_text(decimals=3) + " TDB"


@lru_cache(maxsize=65_536)  # outages are read three times: checked, compared, turned into seconds
def _known(text: str, key: str | None) -> Epoch:
    return Epoch._parsed(text, key)


class _quiet:
    """ERFA warns of 'dubious year' past its leap-second table; the held table is what we state."""

    def __enter__(self):
        import warnings

        self._catch = warnings.catch_warnings()
        self._catch.__enter__()
        warnings.simplefilter("ignore", erfa.ErfaWarning)

    def __exit__(self, *fault):
        self._catch.__exit__(*fault)


@lru_cache(maxsize=4096)
def _midnight(year: int, month: int, day: int) -> float:
    """The Julian date at which a day of the TDB or TT calendar begins; 30 February is refused."""
    np.datetime64(f"{year:04d}-{month:02d}-{day:02d}")
    with _quiet():
        return float(erfa.dtf2d("TDB", year, month, day, 0, 0, 0.0)[0])


def _from_calendar(scale, year, month, day, hour, minute, second):
    if scale != "UTC" and second >= 60:
        raise ValueError("no leap seconds in this scale")
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ValueError("out of range")
    if scale == "UTC" and second >= 60 and not (hour == 23 and minute == 59):
        raise ValueError("a leap second ends a day")
    midnight = _midnight(year, month, day)
    if scale == "TDB":  # files of states have few days and many times of day
        return midnight, (60.0 * (60 * hour + minute) + second) / DAY_S
    jd1, jd2 = _of_erfa("dtf2d", scale, year, month, day, hour, minute, second)
    if scale == "UTC":
        jd1, jd2 = _of_erfa("utctai", jd1, jd2)
        jd1, jd2 = _of_erfa("taitt", jd1, jd2)
    jd2 = jd2 + _tdb_minus_tt_s(jd1, jd2) / DAY_S
    return float(jd1), float(jd2)


def _of_erfa(name: str, *given):
    """What a function of ERFA gives. The wrapper turns its status into warnings, which are not
    heeded here (years past the leap-second table), in ten times what the function takes."""
    *found, status = getattr(erfa.ufunc, name)(*given)
    if status < 0:
        raise erfa.ErfaError(f"{name} yielded {status}")
    return found


def in_unit(value: Any, unit: str) -> Any:
    """A number or array in ``unit`` (astropy's name) of a ``Quantity``; plain numbers as they are.

    Raises InputError when the quantity is of another kind.

    >>> in_unit(3.0, "km")
    3.0
    """
    if not hasattr(value, "to_value"):
        return value
    try:
        return value.to_value(unit)
    except (TypeError, ValueError) as fault:  # what astropy's errors of units are, not imported
        raise InputError(f"{value} cannot be given in {unit}", value=value) from fault


def seconds_past(epoch: Epoch, when: Any):
    """Seconds past ``epoch`` of numbers (s), a ``Quantity`` of time, or a ``Time`` of any shape.

    Whatever takes seconds from a notebook asks here: numpy would drop a unit without a word.
    """
    if not hasattr(when, "tdb"):
        return in_unit(when, "s")
    jd1, jd2 = epoch.jd_tdb
    tdb = when.tdb
    return ((tdb.jd1 - jd1) + (tdb.jd2 - jd2)) * DAY_S
