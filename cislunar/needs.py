"""Verdicts: does what was served meet what was asked, in the need's own terms.

Availability is judged on the need's own basis:

- ``span``: served time over the whole analysis;
- ``each-earth-day``: every whole UTC day inside the analysis must reach the level, so the figure
  achieved is that of the worst day;
- ``worst-24h``: the worst window of 24 h, wherever it starts, found exactly from the edges of the
  served spans (served time in a sliding window is piecewise linear in the window's start, so its
  least value lies where one end of the window meets an edge).

A whole day or window that the analysis does not hold cannot be judged: ``not-computable``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from orbits.constants import DAY_S
from orbits.epoch import Epoch
from orbits.errors import SpanError
from orbits.intervals import Intervals

BASES = ("span", "each-earth-day", "worst-24h")
ACCURACY_SCALE = {"rms": 1.0, "p95": 2.0, "3sigma": 3.0}
# UTC days are whole to within the TDB-TT terms (2 ms): an analysis of N days from a UTC midnight
# must hold N days.
_DAY_SLACK_S = 0.01
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Verdict:
    """A judgement: ``met``, ``not-met``, ``no-need`` or ``not-computable``.

    ``achieved_frac`` is the availability on the need's own basis (None where it has no value),
    ``allowance_s`` the unserved seconds that the need permits over the analysis, ``faults`` the
    keys of the need that were missed, or that could not be judged if ``not-computable``.
    """

    verdict: str
    achieved_frac: float | None
    allowance_s: float
    faults: tuple[str, ...] = ()


DEFAULT_RATE_BPS = 1e6  # what a user needs where a need states no rate


def rate_bps(need: Any) -> float:
    """The rate that every hop must close at for a need (bit/s); 1e6 where it states none."""
    given = None if need is None else need.min_rate_bps
    return DEFAULT_RATE_BPS if given is None else float(given)


def hardest_first(needs: Iterable[Any], service: str) -> list[Any]:
    """The needs of one service, highest rate first, then highest availability.

    What a high rate leaves unserved holds what any lower rate does: scores, gaps and fills are
    those of the first in this order, and a verdict is the worst over all.
    """
    mine = [n for n in needs if n.service == service]
    return sorted(mine, key=lambda n: (-rate_bps(n), -(n.availability_frac or 0.0)))


def served_until_s(served: Intervals, t_s) -> np.ndarray:
    """Served seconds from the first span up to each instant ``t_s`` (any shape), exact."""
    t = np.asarray(t_s, dtype=float)
    if not len(served):
        return np.zeros(t.shape)
    knots = np.column_stack((served.start_s, served.end_s)).ravel()
    total = np.zeros(knots.size)
    total[1::2] = np.cumsum(served.durations_s)
    total[2::2] = total[1:-1:2]
    return np.interp(t, knots, total)


@lru_cache(maxsize=64)
def earth_days_s(epoch: Epoch, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Start and end (TDB s past the epoch) of every whole UTC day in ``[0, duration_s]``.

    >>> earth_days_s(Epoch.parse("2030-03-01T12:00:00 UTC"), 2 * 86400.0)[0][0].__round__(2)
    43200.0
    """
    last = math.floor(duration_s / DAY_S) + 2
    date = np.datetime64(str(epoch.utc_text(0.0))[:10])
    midnights: list[float] = []
    for day in range(last + 1):
        try:
            midnight = Epoch.parse(f"{date + day}T00:00:00 UTC") - epoch
        except SpanError:  # the midnight that ends the last day of the data, or before 1972
            if not midnights:
                continue
            midnight = midnights[-1] + DAY_S
        midnights.append(midnight)
    days = []
    for start, end in pairwise(midnights):
        if start >= -_DAY_SLACK_S and end <= duration_s + _DAY_SLACK_S:
            days.append((max(start, 0.0), min(end, duration_s)))
    return tuple(days)


def worst_day_frac(served: Intervals, epoch: Epoch, duration_s: float) -> float | None:
    """Served share of the worst whole UTC day; None if the analysis holds no whole day."""
    days = np.array(earth_days_s(epoch, float(duration_s)))
    if not days.size:
        return None
    done = served_until_s(served, days)
    return float(((done[:, 1] - done[:, 0]) / (days[:, 1] - days[:, 0])).min())


def worst_window_frac(
    served: Intervals, duration_s: float, window_s: float = DAY_S
) -> float | None:
    """Served share of the worst window of ``window_s``; None if the analysis is shorter.

    >>> worst_window_frac(Intervals([0.0], [10.0]), 30.0, 10.0)
    0.0
    """
    room = duration_s - window_s
    if room < -_DAY_SLACK_S:
        return None
    edges = np.concatenate((served.start_s, served.end_s))
    starts = np.concatenate(([0.0, max(room, 0.0)], edges, edges - window_s))
    starts = starts[(starts >= 0.0) & (starts <= max(room, 0.0))]
    done = served_until_s(served, starts + window_s) - served_until_s(served, starts)
    return float(min(max(done.min() / window_s, 0.0), 1.0))


def achieved_frac(
    served: Intervals, epoch: Epoch, duration_s: float, basis: str = "span"
) -> float | None:
    """Availability (0 to 1) on one of the bases; None where the basis has no whole day."""
    served = served.clip(0.0, duration_s)
    if basis == "span":
        return min(served.total_s / duration_s, 1.0)
    if basis == "each-earth-day":
        return worst_day_frac(served, epoch, duration_s)
    if basis == "worst-24h":
        return worst_window_frac(served, duration_s)
    raise ValueError(f"availability basis {basis!r} is none of {BASES}")


def accuracy_m(variance_horizontal_m2, variance_up_m2, basis: str = "rms", axes: str = "3d"):
    """Position error in metres in a need's own measure, from the variances of a fix (m2).

    ``variance_horizontal_m2`` is the sum over east and north. ``rms`` is the root of the summed
    variances (distance RMS), ``p95`` twice and ``3sigma`` three times that. For equal range
    errors this is the rule "95 % bound = 2 x DOP x UERE, 3-sigma = 3 x DOP x UERE"; with unequal
    ones DOP x UERE becomes the root of the trace of the weighted covariance. Twice the distance
    RMS holds 95 to 98 % of errors: it is a bound, not a percentile of one distribution.

    >>> float(accuracy_m(9.0, 16.0, "p95", "3d"))
    10.0
    """
    horizontal = np.asarray(variance_horizontal_m2, dtype=float)
    total = horizontal if axes == "horizontal" else horizontal + np.asarray(variance_up_m2)
    return ACCURACY_SCALE[basis] * np.sqrt(total)


def rms_limit_m(need: Any) -> float | None:
    """The RMS error (m, over the need's axes) that just meets its accuracy; None if it has none."""
    if need is None or need.accuracy_m is None:
        return None
    return need.accuracy_m / ACCURACY_SCALE[need.accuracy_basis or "rms"]


def allowance_s(need: Any, duration_s: float) -> float:
    """Unserved seconds that a need permits over the analysis: all of it if no level is stated."""
    if need is None or need.availability_frac is None:
        return float(duration_s)
    return (1.0 - need.availability_frac) * duration_s


def judge(
    need: Any,
    served: Intervals,
    epoch: Epoch,
    duration_s: float,
    *,
    longest_gap_s: float | None = None,
    latency_p95_s: float | None = None,
    volume_bit_per_day: float | None = None,
) -> Verdict:
    """The verdict on one need, or on its absence (``need`` None: ``no-need``).

    ``served`` are the instants served as the need defines service (rate, accuracy), in TDB s past
    ``epoch``, over ``[0, duration_s]``. The longest gap is taken from ``served`` unless given.
    One certain miss makes ``not-met`` even if another part cannot be judged. A need that states
    nothing measurable (no availability, gap, latency or volume) is ``not-computable``: its
    source leaves open how much is enough.
    """
    served = served.clip(0.0, duration_s)
    if need is None:
        return Verdict("no-need", achieved_frac(served, epoch, duration_s), float(duration_s))
    missed: list[str] = []
    unknown: list[str] = []
    basis = need.availability_basis or "span"
    achieved = achieved_frac(served, epoch, duration_s, basis)
    if need.availability_frac is not None:
        if achieved is None:
            unknown.append("availability_frac")
        elif achieved < need.availability_frac - _ROUNDING:
            missed.append("availability_frac")
    if need.max_gap_s is not None:
        if longest_gap_s is None:
            longest_gap_s = served.complement(0.0, duration_s).longest_s
        if longest_gap_s > need.max_gap_s + _ROUNDING:
            missed.append("max_gap_s")
    if need.latency_s is not None:
        if latency_p95_s is not None:
            if latency_p95_s > need.latency_s + _ROUNDING:
                missed.append("latency_s")
        elif not len(served):  # nothing ever arrives
            missed.append("latency_s")
        else:
            unknown.append("latency_s")
    if need.volume_bit_per_day is not None:
        if volume_bit_per_day is None:
            unknown.append("volume_bit_per_day")
        elif volume_bit_per_day < need.volume_bit_per_day * (1.0 - _ROUNDING):
            missed.append("volume_bit_per_day")
    stated = (need.availability_frac, need.max_gap_s, need.latency_s, need.volume_bit_per_day)
    if all(value is None for value in stated):
        unknown.append("availability_frac")
    allowed = allowance_s(need, duration_s)
    if missed:
        return Verdict("not-met", achieved, allowed, tuple(missed))
    if unknown:
        return Verdict("not-computable", achieved, allowed, tuple(unknown))
    return Verdict("met", achieved, allowed)
