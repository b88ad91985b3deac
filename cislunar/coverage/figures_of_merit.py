"""Figures of merit of coverage: names, definitions, gap statistics, and statistics over an area.

Names and definitions follow the coverage figures of merit of STK (Ansys, STK help,
https://help.agi.com/stk/Content/cov/fom-01.htm and the pages it lists, read 2026-11-22), each
quoted by its STK name in the definition that travels with the data. Two things differ: nothing is
coded as 1e6 s where there is no value, and shares are fractions, not percent.

Gaps that touch the ends of the analysis are a choice, named ``edge_gaps``:

- ``bound`` (the default, STK's "optimistic" rule): a gap ends where the analysis does;
- ``drop``: such gaps are left out of every gap figure (STK's revisit time without end gaps); a
  place that is never covered keeps its one gap, since there is nothing else to say of it;
- ``wrap``: the analysis is one turn of a repeating pattern; what is open at its end goes on at its
  start, as one gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd
    import xarray

EDGE_GAPS = ("bound", "drop", "wrap")
NEEDED_ASSETS = (1, 2, 3, 4, 5)

DEFINITIONS: dict[str, tuple[str, str]] = {
    "availability_frac": (
        "1", "share of the epochs with at least one relay above the mask (STK: Percent Coverage, "
        "as a fraction)"),
    "joint_availability_frac": (
        "1", "share of the epochs with at least one relay above the mask that has a live path to "
        "Earth at that epoch"),
    "longest_gap_s": (
        "s", "longest unbroken time without a relay above the mask (STK: Revisit Time, maximum); "
        "gaps cut by the span count as long as they were seen to be"),
    "mean_gap_s": (
        "s", "mean duration of the gaps, 0 without a gap (STK: Revisit Time, average)"),
    "time_average_gap_s": (
        "s", "sum of squared gap durations over the span: the gap length that an instant drawn at "
        "random finds itself in, 0 outside gaps (STK: Time Average Gap)"),
    "visible_mean": (
        "1", "mean number of relay and navigation spacecraft above the mask (STK: N Asset "
        "Coverage, average)"),
    "visible_min": (
        "1", "least number of relay and navigation spacecraft above the mask (STK: N Asset "
        "Coverage, minimum)"),
    "visible_max": (
        "1", "largest number of relay and navigation spacecraft above the mask (STK: N Asset "
        "Coverage, maximum)"),
    "covered": (
        "1", "1 where there is a relay above the mask at any epoch, else 0 (STK: Simple Coverage)"),
    "coverage_time_s": (
        "s", "time with at least one relay above the mask (STK: Coverage Time, total)"),
    "access_count": (
        "1", "number of accesses, each relay's own, overlapping ones counted singly (STK: Number "
        "of Accesses, total)"),
    "gap_count": (
        "1", "number of times without a relay above the mask (STK: Number of Gaps, total)"),
    "revisit_time_mean_s": (
        "s", "mean time from the end of coverage to its return, gaps that touch the ends of the "
        "span left out (STK: Revisit Time, average, end gaps ignored)"),
    "revisit_time_max_s": (
        "s", "longest time from the end of coverage to its return, gaps that touch the ends of "
        "the span left out (STK: Revisit Time, maximum, end gaps ignored)"),
    "response_time_mean_s": (
        "s", "mean over all instants of the time until a relay is above the mask, 0 while one is; "
        "sum of squared gaps over twice the span (STK: Response Time, average)"),
    "response_time_max_s": (
        "s", "longest time from any instant until a relay is above the mask (STK: Response Time, "
        "maximum)"),
    "age_of_data_mean_s": (
        "s", "mean over all instants of the time since a relay was last above the mask, 0 while "
        "one is; equal to the mean response time (STK: Age Of Data, average)"),
    "age_of_data_max_s": (
        "s", "longest time since a relay was last above the mask (STK: Age Of Data, maximum)"),
    "joint_longest_gap_s": (
        "s", "longest unbroken time without a relay above the mask that has a live path to Earth"),
    "joint_mean_gap_s": (
        "s", "mean duration of the times without a relay above the mask that has a live path to "
        "Earth, 0 without one"),
    "joint_time_average_gap_s": (
        "s", "time average gap of coverage that counts only with a live path to Earth"),
    "joint_gap_count": (
        "1", "number of times without a relay above the mask that has a live path to Earth"),
    **{
        f"visible_at_least_{n}_frac": (
            "1", f"share of the epochs with at least {n} relay or navigation spacecraft above the "
            f"mask (STK: N Asset Coverage, satisfied at {n} or more)")
        for n in NEEDED_ASSETS
    },
    "positioning_availability_frac": (
        "1", "share of the positioning epochs with a fix: four navigation sources received above "
        "the mask, GDOP at most 1e4"),
    "gdop_p50": ("1", "median GDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "gdop_worst": ("1", "largest GDOP over the epochs with a fix"),
    "pdop_p50": ("1", "median PDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "hdop_p50": ("1", "median HDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "vdop_p50": ("1", "median VDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "tdop_p50": ("1", "median TDOP over the epochs with a fix (STK: Dilution of Precision)"),
    "accuracy_3d_p95_m": (
        "m", "95th percentile over the epochs with a fix of the 3D RMS error, ranges weighted by "
        "the error budget (STK: Navigation Accuracy)"),
    "accuracy_horizontal_p95_m": (
        "m", "95th percentile over the epochs with a fix of the horizontal RMS error (STK: "
        "Navigation Accuracy)"),
    "accuracy_vertical_p95_m": (
        "m", "95th percentile over the epochs with a fix of the vertical RMS error (STK: "
        "Navigation Accuracy)"),
    "accuracy_time_p95_m": (
        "m", "95th percentile over the epochs with a fix of the RMS error of the receiver's clock, "
        "as a distance (STK: Navigation Accuracy)"),
    "solution_count": ("1", "number of positioning epochs with a fix"),
}  # fmt: skip
EMPTY_WITHOUT_FIX = (
    "gdop_p50", "gdop_worst", "pdop_p50", "hdop_p50", "vdop_p50", "tdop_p50", "accuracy_3d_p95_m",
    "accuracy_horizontal_p95_m", "accuracy_vertical_p95_m", "accuracy_time_p95_m",
)  # fmt: skip
EMPTY_WITHOUT_REVISIT = ("revisit_time_mean_s", "revisit_time_max_s")


def check_edge_gaps(edge_gaps: str) -> str:
    """The policy's name; InputError for one that does not exist."""
    if edge_gaps not in EDGE_GAPS:
        raise InputError("no such rule for gaps at the ends", key="edge_gaps", value=edge_gaps,
                         allowed=f"one of {', '.join(EDGE_GAPS)}")  # fmt: skip
    return edge_gaps


def gap_statistics(
    inside: tuple[Any, Any, Any, Any], first, last, span, edge_gaps: str = "bound"
) -> dict[str, np.ndarray]:
    """``longest``, ``mean``, ``time_average`` (units of ``span``) and ``count`` of gaps, arrays.

    ``inside``: longest, sum, sum of squares and number of the gaps that touch neither end;
    ``first`` and ``last`` the lengths of those at the start and at the end, 0 for none; a gap as
    long as the span is ``first``. All in one unit, any equal shapes.
    """
    check_edge_gaps(edge_gaps)
    longest, total, squares, number = (np.asarray(x, dtype=float) for x in inside)
    first, last = np.asarray(first, dtype=float), np.asarray(last, dtype=float)
    whole = first >= span
    if edge_gaps == "drop":
        first, last = np.where(whole, first, 0.0), np.zeros_like(last)
    elif edge_gaps == "wrap":
        first, last = first + last, np.zeros_like(last)
    number = number + (first > 0) + (last > 0)
    total = total + first + last
    return {
        "longest": np.maximum(longest, np.maximum(first, last)),
        "mean": np.where(number > 0, total / np.maximum(number, 1), 0.0),
        "time_average": (squares + first**2 + last**2) / span,
        "count": number,
    }


def figures_of(
    accesses: Sequence[Intervals] | Mapping[str, Intervals],
    span_s: float,
    *,
    least_assets: int = 1,
    edge_gaps: str = "bound",
) -> dict[str, float | int | None]:
    """The figures of merit of one place from the exact accesses of its assets (s, from 0).

    Keys as in ``DEFINITIONS``; ``least_assets`` is the number that makes coverage (STK: Min #
    Assets). A revisit time is None where coverage never returns.

    >>> seen = Intervals([5.0, 40.0, 70.0], [30.0, 55.0, 100.0])  # STK's example: gaps 5, 10, 15
    >>> figures_of([seen], 100.0)["time_average_gap_s"]
    3.5
    """
    if span_s <= 0.0:
        raise InputError("an empty span", key="span_s", value=span_s, allowed="more than 0 s")
    spans = [
        s.clip(0.0, span_s)
        for s in (accesses.values() if isinstance(accesses, Mapping) else accesses)
    ]
    edges = np.unique(np.concatenate([[0.0, span_s], *(np.r_[s.start_s, s.end_s] for s in spans)]))
    lengths, middle = np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    seen = np.zeros(middle.size, int)
    for s in spans:
        seen += s.contains(middle)
    good = seen >= least_assets
    covered = Intervals(edges[:-1][good], edges[1:][good])
    gaps = covered.complement(0.0, span_s)
    length = gaps.durations_s
    at_start, at_end = gaps.start_s <= 0.0, gaps.end_s >= span_s
    between = length[~(at_start | at_end)]
    found = gap_statistics(
        (between.max(initial=0.0), between.sum(), (between**2).sum(), between.size),
        length[at_start].sum(), length[at_end & ~at_start].sum(), span_s, edge_gaps,
    )  # fmt: skip
    longest, average = float(found["longest"]), float(found["time_average"])
    return {
        "covered": int(good.any()),
        "availability_frac": min(covered.total_s / span_s, 1.0),
        "coverage_time_s": covered.total_s,
        "access_count": sum(len(s) for s in spans),
        "gap_count": int(found["count"]),
        "longest_gap_s": longest,
        "mean_gap_s": float(found["mean"]),
        "time_average_gap_s": average,
        "revisit_time_mean_s": float(between.mean()) if between.size else None,
        "revisit_time_max_s": float(between.max()) if between.size else None,
        "response_time_mean_s": 0.5 * average,
        "response_time_max_s": longest,
        "age_of_data_mean_s": 0.5 * average,
        "age_of_data_max_s": longest,
        "visible_mean": float((seen * lengths).sum() / span_s),
        "visible_min": int(seen.min()),
        "visible_max": int(seen.max()),
        **{
            f"visible_at_least_{n}_frac": float(lengths[seen >= n].sum() / span_s)
            for n in NEEDED_ASSETS
        },
    }


# --- over an area ------------------------------------------------------------------------------


def _figure(coverage: xarray.Dataset, figure: str, region: str | None):
    """Values and areas (km2) of the cells of a region, all cells without one."""
    if figure not in coverage.data_vars:
        raise InputError("no such figure of merit", key="figure", value=figure,
                         allowed=f"one of {', '.join(map(str, coverage.data_vars))}")  # fmt: skip
    keep = np.ones(coverage.sizes["cell"], bool)
    if region is not None:
        names = coverage["region"].values.astype(str)
        keep = names == region
        if not keep.any():
            raise InputError("no such region in the map", key="region", value=region,
                             allowed=f"one of {', '.join(np.unique(names))}")  # fmt: skip
    values = np.asarray(coverage[figure].values, dtype=float)[keep]
    return values, coverage["area_km2"].values[keep], keep


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The least value that at least ``share`` of the weight does not exceed."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    place = np.searchsorted(below, share * below[-1] * (1.0 - 1e-12))
    return float(values[order][min(place, values.size - 1)])


def _summary(values: np.ndarray, area: np.ndarray) -> dict[str, Any]:
    has = np.isfinite(values)
    out: dict[str, Any] = {"area_km2": float(area.sum()), "cell_count": int(values.size)}
    out["with_value_frac"] = float(area[has].sum() / area.sum())
    v, w = values[has], area[has]
    if not v.size:
        return out | dict.fromkeys(("minimum", "mean", "p50", "p95", "maximum"), None)
    return out | {
        "minimum": float(v.min()),
        "mean": float((v * w).sum() / w.sum()),
        "p50": _quantile(v, w, 0.5),
        "p95": _quantile(v, w, 0.95),
        "maximum": float(v.max()),
    }


def area_statistics(
    coverage: xarray.Dataset, figure: str, region: str | None = None
) -> dict[str, Any]:
    """Least, mean, median, 95th percentile and largest of a figure over a region, by area.

    ``with_value_frac`` is the share of the area that has a value; the others are over that share,
    and None where it is empty (STK: Grid Stats).
    """
    values, area, _ = _figure(coverage, figure, region)
    return _summary(values, area)


def by_latitude(
    coverage: xarray.Dataset, figure: str, width_deg: float = 5.0, region: str | None = None
) -> pd.DataFrame:
    """The area statistics of a figure in bands of latitude, southernmost first.

    (STK: Value by Latitude.) One row a band that has cells: ``latitude_min_deg``,
    ``latitude_max_deg``, then the keys of ``area_statistics``.
    """
    import pandas as pd

    if not 0.0 < width_deg <= 180.0:
        raise InputError("a band of no or too much width", key="width_deg", value=width_deg,
                         allowed="more than 0, at most 180 deg")  # fmt: skip
    values, area, keep = _figure(coverage, figure, region)
    band = np.floor((coverage["latitude_deg"].values[keep] + 90.0) / width_deg).astype(int)
    band = np.minimum(band, int(np.ceil(180.0 / width_deg)) - 1)
    rows = [
        {
            "latitude_min_deg": -90.0 + b * width_deg,
            "latitude_max_deg": min(-90.0 + (b + 1) * width_deg, 90.0),
            **_summary(values[band == b], area[band == b]),
        }
        for b in np.unique(band)
    ]
    return pd.DataFrame(rows).convert_dtypes()


def satisfied(
    coverage: xarray.Dataset,
    figure: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> xarray.DataArray:
    """1 where a cell's figure is within the threshold, else 0; a cell without a value is not.

    (STK: Satisfaction, criteria At Least and At Most.) Give one bound or both.
    """
    if at_least is None and at_most is None:
        raise InputError("no threshold", key="at_least, at_most", allowed="one of them or both")
    _figure(coverage, figure, None)
    values = coverage[figure]
    good = values.notnull()
    if at_least is not None:
        good &= values >= at_least
    if at_most is not None:
        good &= values <= at_most
    bounds = [
        f"at {word} {v:g}" for word, v in (("least", at_least), ("most", at_most)) if v is not None
    ]
    return good.astype("int8").assign_attrs(
        units="1", definition=f"1 where {figure} is {' and '.join(bounds)} (STK: Satisfaction)"
    )


def satisfied_area_frac(
    coverage: xarray.Dataset,
    figure: str,
    region: str | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> float:
    """The share of a region's area where a figure is within the threshold (STK: Percent Satisfied).

    Needs a threshold; a cell without a value does not satisfy it.
    """
    good = satisfied(coverage, figure, at_least=at_least, at_most=at_most).values
    _, area, keep = _figure(coverage, figure, region)
    return float((good[keep] * area).sum() / area.sum())
