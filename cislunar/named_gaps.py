"""Gaps that a person can discuss: unserved time gathered by service, region and cause.

A run has thousands of gaps. A named gap is all unserved time of one service in one region of the
Moon for one cause, among the places that need the service, while their missions last. It keeps
the ids of its gaps; with them ``gap_causes.csv`` gives every second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.text import Text
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from orbits.epoch import Epoch

MONTH_H = 730.5  # a twelfth of a Julian year
KEY = ["service", "region", "cause"]
PIECE_COLUMNS = (
    "run", "gap_id", "place", "service", "region", "cause", "hours", "severity", "weight",
)  # fmt: skip
DEMAND_COLUMNS = ("run", "month", "place", "service", "region", "weight", "demand_h")
COLUMNS = (
    "named_gap_id", "name_en", "name_ja", "service", "region", "cause", "years", "season",
    "users_affected", "weight", "place_hours", "hours_per_month", "severity", "gap_count",
    "places", "gap_ids",
)  # fmt: skip


def region_of(latitude_deg: float, longitude_deg: float) -> str:
    """The region of a place on the Moon: a pole, or a side and a band of latitude.

    Poles reach to 80 deg, high latitudes from 60, middle ones from 30; the far side is more than
    90 deg of longitude from the mean sub-Earth point.

    >>> region_of(-89.5, 0.0), region_of(-36.0, 166.0), region_of(8.3, -33.0)
    ('south-pole', 'far-mid', 'near-low')
    """
    if abs(latitude_deg) >= 80.0:
        return "south-pole" if latitude_deg < 0 else "north-pole"
    side = "far" if abs((longitude_deg + 180.0) % 360.0 - 180.0) > 90.0 else "near"
    size = abs(latitude_deg)
    return f"{side}-{'low' if size < 30.0 else 'mid' if size < 60.0 else 'high'}"


REGIONS = (
    "south-pole", "north-pole", "near-low", "near-mid", "near-high", "far-low", "far-mid",
    "far-high",
)  # fmt: skip


def gap_name(service: str, region: str, cause: str, language: str) -> str:
    """The name of a gap in ``en`` or ``ja``.

    >>> gap_name("positioning", "south-pole", "few-sources", "en")
    'positioning, south pole, fewer than four sources'
    """
    text = Text(language)
    words = (f"service.{service}", f"region.{region}", f"cause.{cause}")
    return ("、" if language == "ja" else ", ").join(text(w) for w in words)


def gap_pieces(
    gaps: Any, causes: Any, nodes: Iterable[Any], needed: Iterable[tuple],
    epoch: Epoch, span_s: float, run: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Unserved hours by gap and cause, and hours of demand: what named gaps are gathered from.

    ``gaps`` and ``causes`` are a run's tables, ``needed`` its pairs (place, service) with a need.
    Time out of a place's own service is no demand and is left out of both; a gap's severity is
    spread over its pieces in proportion to time. ``run`` is put before the gap ids.
    """
    import pandas as pd

    places = {n.name: n for n in nodes if n.kind == "asset"}
    pairs = {(p, s) for p, s in needed if p in places}
    month = str(epoch.utc_text())[:7]
    demand = [
        (
            run, month, p, s, region_of(places[p].latitude_deg, places[p].longitude_deg),
            places[p].weight, places[p].service.clip(0.0, span_s).total_s / 3600.0,
        )
        for p, s in sorted(pairs)
    ]  # fmt: skip
    about = gaps.set_index("gap_id")[["place", "service", "duration_s", "severity"]]
    table: Any = causes.join(about.rename(columns={"duration_s": "whole_s"}), on="gap_id")
    keys = zip(table["place"], table["service"], strict=True)
    table = table[np.array([pair in pairs for pair in keys], dtype=bool)].reset_index(drop=True)
    seconds = table["duration_s"].to_numpy(float).copy()
    for name, rows in table.groupby("place").groups.items():
        service = places[str(name)].service.clip(0.0, span_s)
        if service.total_s >= span_s:
            continue
        for i in rows:
            piece = Intervals([table.at[i, "start_s"]], [table.at[i, "end_s"]])
            seconds[i] = (piece & service).total_s
    table["hours"] = seconds / 3600.0
    table["severity"] = table["severity"] * seconds / table["whole_s"]
    found = table.groupby(["gap_id", "place", "service", "cause"], as_index=False, sort=False)[
        ["hours", "severity"]
    ].sum()
    found = found[found["hours"] > 0.0]
    found["run"] = run
    found["gap_id"] = (f"{run}:" if run else "") + found["gap_id"]
    found["region"] = [
        region_of(places[p].latitude_deg, places[p].longitude_deg) for p in found["place"]
    ]
    found["weight"] = [places[p].weight for p in found["place"]]
    return (
        found[list(PIECE_COLUMNS)].reset_index(drop=True),
        pd.DataFrame(demand, columns=list(DEMAND_COLUMNS)),
    )


def name_gaps(pieces: Any, demand: Any) -> pd.DataFrame:
    """One row a named gap, the longest first: service, region, cause and what it costs whom.

    ``place_hours`` sums the unserved hours over places, so it adds up to the outage of all needs;
    ``hours_per_month`` is what one affected place lacks on average in a month of demand (730.5 h);
    ``users_affected`` counts places with a weight; ``season`` is the months of the year (01
    to 12) of the spans in which the gap is open, ``all`` where these are all that were analysed.
    """
    import pandas as pd

    month_of: Mapping[str, str] = dict(zip(demand["run"], demand["month"], strict=True))
    rows = []
    for key, part in pieces.groupby(KEY, sort=False):
        service, region, cause = (str(k) for k in key)
        places = list(dict.fromkeys(part["place"]))
        asked = demand[(demand["service"] == service) & demand["place"].isin(places)]
        weights = part.drop_duplicates("place").set_index("place")["weight"]
        months = sorted({month_of[r] for r in part["run"].unique()})
        seasons = sorted({m[5:] for m in months})
        every = sorted({m[5:] for m in asked["month"]})
        hours = float(part["hours"].sum())
        rows.append(
            {
                "name_en": gap_name(service, region, cause, "en"),
                "name_ja": gap_name(service, region, cause, "ja"),
                "service": service,
                "region": region,
                "cause": cause,
                "years": years_text({int(m[:4]) for m in months}),
                "season": "all" if seasons == every else " ".join(seasons),
                "users_affected": int((weights > 0).sum()),
                "weight": float(weights.sum()),
                "place_hours": hours,
                "hours_per_month": hours / float(asked["demand_h"].sum()) * MONTH_H,
                "severity": float(part["severity"].sum()),
                "gap_count": int(part["gap_id"].nunique()),
                "places": " ".join(sorted(places)),
                "gap_ids": " ".join(sorted(part["gap_id"].unique())),
            }
        )
    rows.sort(key=lambda r: (-r["place_hours"], r["name_en"]))
    for number, row in enumerate(rows, 1):
        row["named_gap_id"] = f"n{number:03d}"
    return pd.DataFrame(rows, columns=list(COLUMNS))


def years_text(years: Iterable[int]) -> str:
    """Years as ranges.

    >>> years_text([2026, 2027, 2028, 2031])
    '2026-2028, 2031'
    """
    runs: list[list[int]] = []
    for year in sorted(years):
        if runs and runs[-1][1] == year - 1:
            runs[-1][1] = year
        else:
            runs.append([year, year])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
