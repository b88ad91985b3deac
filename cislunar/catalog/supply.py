"""When the records of the catalogue serve: supply as a query by date.

Dates are ISO text. A year or a month alone begins, and ends, at its end, as in a scenario; where
a date has the cases early, nominal and late, one of them is asked for.
"""

from __future__ import annotations

import re
from typing import Any

from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError

CASES = ("early", "nominal", "late")
SUPPLY = ("relays", "constellations", "stations")
_PARTIAL = re.compile(r"^(\d{4})(?:-(0[1-9]|1[0-2]))?$")
# stations that do work today, though nobody says since when
_AT_WORK = ("operating", "used by")


def _month_after(text: str) -> str:
    """The first day after a year or a month."""
    year, month = int(text[:4]), int(text[5:7] or 12)
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return f"{year:04d}-{month:02d}-01"


def first_instant(text: str) -> str:
    """The ISO date at which something dated ``text`` begins (or ends).

    >>> first_instant("2028"), first_instant("2028-02"), first_instant("2028-02-03")
    ('2029-01-01', '2028-03-01', '2028-02-03')
    """
    return _month_after(text) if _PARTIAL.match(text) else text


def at_case(dates: Any, case: str = "nominal") -> str | None:
    """One of the dates ``{early, nominal, late}`` (nominal where it has none); a date is itself.

    >>> at_case({"early": "2028", "nominal": "2029"}, "late"), at_case("2030", "early")
    ('2029', '2030')
    """
    if case not in CASES:
        raise InputError(f"{case!r} is not a case", value=case, allowed=", ".join(CASES))
    if isinstance(dates, dict):
        return dates.get(case) or dates.get("nominal")
    return None if dates is None else str(dates)


def service_dates(record: dict[str, Any], case: str = "nominal") -> tuple[str, str] | None:
    """First instant in service and first out of it, ISO text; None for what is no supply.

    A station at work without a date has served since before any analysis, and what has no end
    serves on: "" and "9999". Concepts, candidates and tracked states have no dates and are no
    supply, nor are cancelled craft (no nominal date) and second records of one craft.
    """
    if record.get("same_craft_as"):
        return None
    start = record.get("service_start")
    if isinstance(start, dict) and start.get("nominal") is None:
        return None
    begin = at_case(start, case)
    end = at_case(record.get("service_end"), case)
    if begin is None:
        at_work = str(record.get("status") or "").startswith(_AT_WORK)
        if "latitude_deg" not in record or not at_work:
            return None
    return ("" if begin is None else first_instant(begin), first_instant(end) if end else "9999")


def serves(record: dict[str, Any], date: str, case: str = "nominal") -> bool:
    """True where a record serves at a date, or at some time of a month or a year.

    >>> craft = {"service_start": {"nominal": "2029-06-01"}, "service_end": "2037-06-01"}
    >>> serves(craft, "2029"), serves(craft, "2029-05-31"), serves(craft, "2037-06-01")
    (True, False, False)
    """
    dates = service_dates(record, case)
    if dates is None:
        return False
    date = date.strip()
    if _PARTIAL.match(date):
        low, high = (date if len(date) > 4 else f"{date}-01") + "-01", _month_after(date)
        return dates[0] < high and dates[1] > low
    instant = _utc(date)
    return (not dates[0] or _utc(dates[0]) <= instant) and (
        dates[1] == "9999" or instant < _utc(dates[1])
    )


def _utc(text: str) -> str:
    """The instant of a date as UTC text, which sorts; InputError for what is no date."""
    given = f"{text}T00:00:00 UTC" if len(text) == 10 else text  # a plain date begins the day
    try:
        return str(Epoch.parse(given).utc_text())
    except SpanError:
        raise
    except InputError:
        raise InputError(
            f"{text!r} is not a date", value=text,
            allowed="YYYY, YYYY-MM, YYYY-MM-DD, or with Thh:mm:ss and UTC, TDB or TT",
        ) from None  # fmt: skip
