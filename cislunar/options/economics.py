"""What service costs in a reader's terms: yen an hour and an asset-day, cash by fiscal year.

Costs are the records' own, in 億円 (1e8 yen) at the prices that they were estimated in; nothing is
escalated or discounted. Development is spent evenly over whole Japanese fiscal years (April to
March) before service starts: as many as the record says (``development_years``), else those of the
published project named in ``PROJECT_YEARS``. Operations are the record's annual figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cislunar.fields import first_day
from cislunar.options.attribution import Shares, shares
from cislunar.options.option import Option

if TYPE_CHECKING:
    import pandas as pd

YEAR_DAYS = 365.25
MAN_PER_OKU = 1e4  # 万円 in 億円
LEAST_H = 1e-3  # fewer hours are the rounding of edges, and have no price
# what is added -> (years of development, catalogue record that had them): an assumption by likeness
PROJECT_YEARS = {"craft": (4, "arkedge-ssf"), "surface": (5, "ssf-phase2-polar"),
                 "station": (2, "gs-13m")}  # fmt: skip
# published figures that costs are set beside: column -> catalogue record
COMPARED = {
    "regular_flights": "regular-flight", "ssf_navigation_themes": "sat-100kg-nav",
    "stations_13m": "gs-13m", "stations_35m": "gs-35m",
}  # fmt: skip
ECONOMICS_COLUMNS = (
    "option", "life_cost_oku_jpy", "life_cost_low_oku_jpy", "life_cost_high_oku_jpy",
    "gap_hours_a_year", "man_jpy_per_gap_hour", "man_jpy_per_gap_hour_low",
    "man_jpy_per_gap_hour_high", "man_jpy_per_asset_day", *COMPARED, "basis",
)  # fmt: skip
CASH_COLUMNS = (
    "fiscal_year", "development_oku_jpy", "operations_oku_jpy", "total_oku_jpy",
    "total_low_oku_jpy", "total_high_oku_jpy", "cumulative_oku_jpy", "options_in_service",
    "gap_hours_filled", "share_filled_frac",
)  # fmt: skip
YEARLY_COLUMNS = (
    "fiscal_year", "option", "shapley_h", "shapley_share_frac", "standard_error_h", "method",
    "name_en", "name_ja",
)  # fmt: skip


def fiscal_year(date: str) -> int:
    """The Japanese fiscal year (April to March) of a date ``YYYY[-MM[-DD]]``.

    A year or month alone counts from its end, as service dates do.

    >>> fiscal_year("2030-03-31"), fiscal_year("2030-04-01"), fiscal_year("2030")
    (2029, 2030, 2030)
    """
    day = first_day(date)
    return day.year if day.month >= 4 else day.year - 1


def years_of(option: Option) -> tuple[int, str]:
    """Years of development of an option and what says so: its record, or a published project.

    Fewer than the project had where service starts sooner: no year is before that after the date
    of the record.
    """
    if option.development_years:
        return int(option.development_years), "record"
    adds = option.adds
    if any(adds.get(k) for k in ("spacecraft", "constellations", "spacecraft_terminals")):
        kind = "craft"
    else:
        kind = "surface" if adds.get("assets") else "station"
    years, basis = PROJECT_YEARS[kind]
    if option.dated and option.available_from:  # nothing is spent before it was thought of
        left = fiscal_year(option.available_from) - fiscal_year(option.dated) - 1
        years = max(min(years, left), 1)
    return years, basis


def economics_frame(
    options: Sequence[Option], filled_h: Mapping[str, float], span_days: float
) -> pd.DataFrame:
    """Rows of ``economics.csv``: each option over its life (億円, 万円 an hour, an asset-day).

    Every year of life is taken to fill what the span did. ``filled_h`` are the hours of asset and
    service that each fills in the span; an asset-day is 24 of them. The last columns are the cost
    in units of published ones.
    """
    import pandas as pd

    from cislunar import catalog

    unit = {name: float(catalog.find(record)["jpy_oku"]) for name, record in COMPARED.items()}
    rows = []
    for option in options:
        if option.id not in filled_h or not option.lifetime_years:
            continue
        a_year = filled_h[option.id] * YEAR_DAYS / span_days
        run = (option.annual_operations_oku_jpy or 0.0) * option.lifetime_years
        mid, low, high = (
            (option.cost_oku_jpy if c is None else c) + run
            for c in (None, option.cost_low_oku_jpy, option.cost_high_oku_jpy)
        )
        hours = a_year * option.lifetime_years

        def price(cost, hours=hours, filled=filled_h[option.id]):
            return cost * MAN_PER_OKU / hours if filled > LEAST_H else None

        per_hour = price(mid)
        rows.append((
            option.id, mid, low, high, a_year, per_hour, price(low), price(high),
            None if per_hour is None else 24.0 * per_hour,
            *(option.cost_oku_jpy / unit[name] for name in COMPARED),
            f"life {option.lifetime_years:g} years; catalogue: " + ", ".join(COMPARED.values()),
        ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(ECONOMICS_COLUMNS))
    return frame.astype({c: "Float64" for c in ECONOMICS_COLUMNS[1:-1]})


def _pieces(
    spans: Mapping[str, tuple[float, float]], low_day: float, high_day: float
) -> list[tuple[list[str], float]]:
    """The sets in service one after another between two days, each with its days."""
    cuts = sorted({low_day, high_day, *(d for s in spans.values() for d in s
                                        if low_day < d < high_day)})  # fmt: skip
    return [
        ([i for i, (begin, end) in spans.items() if begin <= a and end >= b], b - a)
        for a, b in pairwise(cuts)
    ]


def shares_by_year_frame(
    chosen: Sequence[Option], filled_h: Callable[[Sequence[str]], float], span_days: float
) -> pd.DataFrame:
    """Rows of ``attribution_by_year.csv``: hours that each option is credited with in each year.

    The Shapley shares of the sets in service, in proportion to their days: those of a fiscal year
    add up to its hours in ``cash_by_fiscal_year.csv``. ``standard_error_h`` is at most that: errors
    of the sets of a year are added as if they went together. Arguments as for ``cash_frame``.
    """
    import pandas as pd

    named = {o.id: o for o in chosen if o.available_from and o.lifetime_years}
    spans = {i: service_days(o) for i, o in named.items()}
    known: dict[tuple[str, ...], Shares] = {}
    rows = []
    years = [year_of_day(d) for b, e in spans.values() for d in (b, e - 1e-6)]
    for year in range(min(years), max(years) + 1) if years else ():
        hours, error = dict.fromkeys(named, 0.0), dict.fromkeys(named, 0.0)
        method = "exact"
        for there, days in _pieces(spans, year_start_day(year), year_start_day(year + 1)):
            key = tuple(there)
            if key not in known:
                known[key] = shares(key, lambda ids: np.array([filled_h(sorted(ids))]))
            found = known[key]
            method = method if found.exact else found.method
            for k, name in enumerate(there):
                hours[name] += float(found.shapley[k, 0]) * days / span_days
                error[name] += float(found.standard_error[k, 0]) * days / span_days
        whole = sum(hours.values())
        rows += [
            (year, i, h, h / whole if whole > LEAST_H else None, error[i], method,
             named[i].name_en, named[i].name_ja)
            for i, h in hours.items() if h > LEAST_H
        ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(YEARLY_COLUMNS))
    return frame.astype({c: "Float64" for c in YEARLY_COLUMNS if c.endswith(("_h", "_frac"))})


def cash_frame(
    chosen: Sequence[Option],
    filled_h: Callable[[Sequence[str]], float],
    gap_h: float,
    span_days: float,
) -> pd.DataFrame:
    """Rows of ``cash_by_fiscal_year.csv``: 億円 spent and hours filled in each fiscal year.

    ``filled_h(ids)`` are the hours that a set fills in the span; a year fills in proportion to
    the days that each set is in service, from ``available_from`` for ``lifetime_years``. An option
    whose record states neither has no place in the table.
    """
    import pandas as pd

    chosen = [o for o in chosen if o.available_from and o.lifetime_years]
    if not chosen:
        return pd.DataFrame(columns=list(CASH_COLUMNS))
    spans = {o.id: service_days(o) for o in chosen}
    first = min(fiscal_year(o.available_from) - years_of(o)[0] for o in chosen)
    last = max(year_of_day(end - 1e-6) for _, end in spans.values())
    rows, total = [], 0.0
    for year in range(first, last + 1):
        low_day, high_day = year_start_day(year), year_start_day(year + 1)
        built = {"": 0.0, "low": 0.0, "high": 0.0}
        run = 0.0
        for o in chosen:
            begin, years = fiscal_year(o.available_from), years_of(o)[0]
            if begin - years <= year < begin:
                for which in built:
                    name = f"cost_{which}_oku_jpy" if which else "cost_oku_jpy"
                    cost = getattr(o, name)
                    built[which] += (o.cost_oku_jpy if cost is None else cost) / years
            share = _overlap(spans[o.id], (low_day, high_day)) / YEAR_DAYS
            run += (o.annual_operations_oku_jpy or 0.0) * share
        hours, seen = 0.0, set()
        for there, days in _pieces(spans, low_day, high_day):
            seen |= set(there)
            hours += filled_h(there) * days / span_days
        total += built[""] + run
        whole = gap_h * (high_day - low_day) / span_days
        rows.append((
            year, built[""], run, built[""] + run, built["low"] + run, built["high"] + run,
            total, " + ".join(o.id for o in chosen if o.id in seen), hours,
            hours / whole if whole > 0 else None,
        ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(CASH_COLUMNS))
    return frame.astype({c: "Float64" for c in CASH_COLUMNS if c.endswith(("jpy", "ed", "frac"))})


def _number(day: date) -> float:
    return float((day - date(2000, 1, 1)).days)


def year_start_day(year: int) -> float:
    """The first day of a fiscal year, in days past 2000-01-01.

    >>> year_start_day(2000)
    91.0
    """
    return _number(date(year, 4, 1))


def year_of_day(day: float) -> int:
    """The fiscal year of a day past 2000-01-01.

    >>> year_of_day(90.5), year_of_day(91.0)
    (1999, 2000)
    """
    year = 2000 + math.floor(day / YEAR_DAYS)
    return next(y for y in (year + 1, year, year - 1, year - 2) if year_start_day(y) <= day)


def service_days(option: Option) -> tuple[float, float]:
    """When an option's service begins and ends, in days past 2000-01-01."""
    begin = _number(first_day(option.available_from))
    return begin, begin + (option.lifetime_years or 0.0) * YEAR_DAYS


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
