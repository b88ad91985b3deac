"""Verdicts on needs: bases, exact windows, and what cannot be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.needs import (
    accuracy_m,
    achieved_frac,
    earth_days_s,
    judge,
    rms_limit_m,
    served_until_s,
    worst_window_frac,
)
from orbits.epoch import Epoch
from orbits.intervals import Intervals

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
DAY = 86400.0


@dataclass(frozen=True)
class Need:
    service: str = "relay"
    availability_frac: float | None = None
    availability_basis: str | None = "span"
    max_gap_s: float | None = None
    latency_s: float | None = None
    volume_bit_per_day: float | None = None
    accuracy_m: float | None = None
    accuracy_basis: str | None = None
    axes: str | None = None
    max_pdop: float | None = None
    min_rate_bps: float | None = None


spans = st.lists(
    st.tuples(st.integers(0, 4 * 24 * 60), st.integers(1, 900)), min_size=0, max_size=12
).map(lambda rows: Intervals([60.0 * a for a, _ in rows], [60.0 * (a + n) for a, n in rows]))


def test_a_28_day_span_from_midnight_holds_28_utc_days():
    days = earth_days_s(EPOCH, 28 * DAY)
    assert len(days) == 28
    assert days[0][0] == pytest.approx(0.0, abs=0.01)
    assert days[-1][1] == pytest.approx(28 * DAY, abs=0.01)


def test_days_start_at_utc_midnight_whatever_the_epoch_and_hold_a_leap_second():
    noon = Epoch.parse("2016-12-30T12:00:00 UTC")
    days = earth_days_s(noon, 3 * DAY)
    lengths = [round(b - a, 2) for a, b in days]
    assert lengths == [86401.0, 86400.0]  # 2016-12-31 held the last leap second
    assert days[0][0] == pytest.approx(43200.0, abs=0.01)


def test_the_last_day_of_the_data_is_a_day():
    start = Epoch.parse("2050-12-31T00:00:00 UTC")
    assert len(earth_days_s(start, DAY)) == 1


def test_bases_tell_the_same_service_apart():
    # nine tenths of each day, but the outages of days 1 and 2 join across midnight
    served = Intervals([0.0, DAY + 8640.0], [DAY - 8640.0, 2 * DAY])
    assert achieved_frac(served, EPOCH, 2 * DAY, "span") == pytest.approx(0.9)
    assert achieved_frac(served, EPOCH, 2 * DAY, "each-earth-day") == pytest.approx(0.9, abs=1e-6)
    assert achieved_frac(served, EPOCH, 2 * DAY, "worst-24h") == pytest.approx(0.8)
    verdicts = {
        basis: judge(Need(availability_frac=0.85, availability_basis=basis), served, EPOCH, 2 * DAY)
        for basis in ("span", "each-earth-day", "worst-24h")
    }
    assert [v.verdict for v in verdicts.values()] == ["met", "met", "not-met"]
    assert verdicts["worst-24h"].faults == ("availability_frac",)


def test_half_a_day_cannot_be_judged_by_days():
    whole = Intervals([0.0], [DAY / 2])
    for basis in ("each-earth-day", "worst-24h"):
        verdict = judge(
            Need(availability_frac=0.9, availability_basis=basis), whole, EPOCH, DAY / 2
        )
        assert (verdict.verdict, verdict.achieved_frac) == ("not-computable", None)
    # two days that hold no whole UTC day do not exist, but a day from noon holds none
    noon = Epoch.parse("2030-03-01T12:00:00 UTC")
    need = Need(availability_frac=0.9, availability_basis="each-earth-day")
    assert judge(need, Intervals([0.0], [DAY]), noon, DAY).verdict == "not-computable"


def test_parts_of_a_need():
    served = Intervals([0.0, 5000.0], [4000.0, DAY])
    assert judge(None, served, EPOCH, DAY).verdict == "no-need"
    assert judge(Need(max_gap_s=1000.0), served, EPOCH, DAY).verdict == "met"
    assert judge(Need(max_gap_s=999.0), served, EPOCH, DAY).faults == ("max_gap_s",)
    assert judge(Need(latency_s=5.0), served, EPOCH, DAY).verdict == "not-computable"
    assert judge(Need(latency_s=5.0), served, EPOCH, DAY, latency_p95_s=4.0).verdict == "met"
    assert judge(Need(latency_s=5.0), Intervals(), EPOCH, DAY).verdict == "not-met"
    volume = Need(volume_bit_per_day=1e9)
    assert judge(volume, served, EPOCH, DAY, volume_bit_per_day=9e8).verdict == "not-met"
    assert judge(Need(), served, EPOCH, DAY).verdict == "not-computable"
    both = Need(latency_s=5.0, max_gap_s=1.0)
    assert judge(both, served, EPOCH, DAY).verdict == "not-met"


def test_allowance_is_what_the_level_leaves():
    verdict = judge(Need(availability_frac=0.9), Intervals(), EPOCH, 10 * DAY)
    assert verdict.allowance_s == pytest.approx(DAY)
    assert verdict.verdict == "not-met"


def test_accuracy_measures():
    assert float(accuracy_m(9.0, 16.0, "rms", "3d")) == 5.0
    assert float(accuracy_m(9.0, 16.0, "3sigma", "horizontal")) == 9.0
    assert rms_limit_m(Need(accuracy_m=25.0, accuracy_basis="3sigma")) == pytest.approx(25 / 3)
    assert rms_limit_m(Need()) is None


@given(spans, st.integers(1, 5 * 24 * 60))
def test_served_time_is_the_measure_of_the_set(served, minute):
    t = 60.0 * minute
    expected = served.clip(-1.0, t).total_s if t > -1.0 else 0.0
    assert float(served_until_s(served, t)) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(spans)
def test_no_sampled_window_is_worse_than_the_worst(served):
    duration = 5 * DAY
    worst = worst_window_frac(served, duration)
    starts = np.arange(0.0, duration - DAY + 1.0, 600.0)
    sampled = (served_until_s(served, starts + DAY) - served_until_s(served, starts)) / DAY
    assert worst <= sampled.min() + 1e-12
    dense = np.arange(0.0, duration - DAY + 1.0, 60.0)  # all edges lie on whole minutes
    exact = (served_until_s(served, dense + DAY) - served_until_s(served, dense)) / DAY
    assert worst == pytest.approx(exact.min(), abs=1e-12)


def test_the_hardest_need_of_a_service_comes_first():
    from cislunar.needs import hardest_first

    needs = [
        Need(service="relay", min_rate_bps=15, availability_frac=0.99),
        Need(service="relay", availability_frac=0.5),  # 1e6 bit/s where none is stated
        Need(service="relay", min_rate_bps=2e7, availability_frac=0.9),
        Need(service="relay", min_rate_bps=1e6, availability_frac=0.8),
        Need(service="direct", min_rate_bps=5e8),
    ]
    order = [(n.min_rate_bps, n.availability_frac) for n in hardest_first(needs, "relay")]
    assert order == [(2e7, 0.9), (1e6, 0.8), (None, 0.5), (15, 0.99)]
