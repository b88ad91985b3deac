"""The accounting laws of gaps, and causes against brute-force evaluation of the conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.gaps import (
    CAUSES,
    find_gaps,
    need_text,
    share_of_allowance,
    split_by_cause,
)
from orbits.epoch import Epoch
from orbits.intervals import Intervals

SPAN = (0.0, 1000.0)
EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")

edges = st.integers(0, 1000).map(float)
spans = st.lists(st.tuples(edges, edges), max_size=5).map(
    lambda pairs: Intervals.from_pairs([(min(p), max(p)) for p in pairs])
)
relay_stages = [c for c in CAUSES if c not in ("few-sources", "geometry")]
candidate = st.dictionaries(st.sampled_from(relay_stages), spans, max_size=6)


def cause_at(t, candidates):
    """The contract's words, for one instant: the last stage of the candidate that got furthest."""
    furthest = -1
    for conditions in candidates:
        for stage, cause in enumerate(CAUSES):
            if cause in conditions and not conditions[cause].contains(t):
                furthest = max(furthest, stage)
                break
        else:
            return None
    return CAUSES[max(furthest, 0)]


@settings(max_examples=150, deadline=None)
@given(spans, st.lists(candidate, max_size=4), st.lists(st.integers(0, 999), max_size=40))
def test_causes_partition_the_gap_and_match_brute_force(gap, candidates, instants):
    causes = split_by_cause(gap, candidates, last="relay-no-earth")
    assert set(causes) <= set(CAUSES)
    assert sum(piece.total_s for piece in causes.values()) == pytest.approx(gap.total_s, abs=1e-9)
    assert Intervals.union_of(causes.values()) == gap
    for whole in instants:
        t = whole + 0.5
        if gap.contains(t):
            expected = cause_at(t, candidates) or "relay-no-earth"
            assert [c for c, piece in causes.items() if piece.contains(t)] == [expected]


@settings(max_examples=100, deadline=None)
@given(spans, spans, st.lists(candidate, max_size=3), st.floats(0.0, 1.0))
def test_gaps_and_service_partition_the_span(served_relay, served_forward, candidates, share):
    served = {
        ("b", "relay"): served_relay.clip(*SPAN),
        ("a", "forward"): served_forward.clip(*SPAN),
    }
    needs = {("b", "relay"): {"service": "relay", "availability_frac": share}}
    gaps = find_gaps(served, lambda place, service: candidates, needs, SPAN, EPOCH)
    frame, causes = gaps.frame, gaps.causes
    for (place, service), good in served.items():
        rows = frame[(frame.place == place) & (frame.service == service)]
        missing = Intervals(rows.start_s.to_numpy(float), rows.end_s.to_numpy(float))
        assert len(missing) == len(rows)  # maximal: no two of them touch
        assert missing == good.complement(*SPAN)
        assert good.total_s + rows.duration_s.sum() == pytest.approx(1000.0, abs=1e-9)
        allowance = (1 - share) * 1000.0 if service == "relay" else np.inf
        excess = max(0.0, missing.total_s - allowance) / 1000.0
        assert rows.severity.sum() == pytest.approx(excess, abs=1e-9)
    assert list(frame.gap_id) == sorted(frame.gap_id)
    assert frame.gap_id.is_unique
    assert list(frame.place) == sorted(frame.place)
    totals = causes.groupby("gap_id").duration_s.sum()
    assert set(causes.gap_id) == set(frame.gap_id)
    for row in frame.itertuples():
        mine = causes[causes.gap_id == row.gap_id]
        assert totals[row.gap_id] == pytest.approx(row.duration_s, abs=1e-9)
        assert mine.start_s.iloc[0] == row.start_s
        assert mine.end_s.iloc[-1] == row.end_s
        assert (mine.start_s.to_numpy()[1:] == mine.end_s.to_numpy()[:-1]).all()
        most = mine.groupby("cause").duration_s.sum()
        assert most[row.cause] == most.max()


def test_the_cause_is_that_of_the_candidate_that_got_furthest():
    always, never = Intervals([0.0], [100.0]), Intervals()
    below = {"no-provider": always, "below-horizon": never}
    blocked = {"no-provider": always, "below-horizon": always, "terrain": never}
    no_earth = {"no-provider": always, "below-horizon": always, "relay-no-earth": never}
    gap = Intervals([10.0], [20.0])
    assert split_by_cause(gap, [below, blocked]) == {"terrain": gap}
    assert split_by_cause(gap, [no_earth, below]) == {"relay-no-earth": gap}
    assert split_by_cause(gap, []) == {"no-provider": gap}


def test_a_later_condition_counts_only_where_the_earlier_ones_hold():
    conditions = {
        "below-horizon": Intervals([0.0], [60.0]),
        "link": Intervals([40.0], [100.0]),
        "relay-no-earth": Intervals([0.0], [50.0]),
    }
    causes = split_by_cause(Intervals([0.0], [100.0]), [conditions], last="relay-no-earth")
    assert {name: piece.pairs() for name, piece in causes.items()} == {
        "below-horizon": [(60.0, 100.0)],
        "link": [(0.0, 40.0)],
        "relay-no-earth": [(40.0, 60.0)],
    }


def test_edge_and_columns():
    served = {
        ("site", "direct"): Intervals([100.0, 400.0], [200.0, 1000.0]),
        ("site", "relay"): Intervals(),
        ("site", "forward"): Intervals([0.0], [900.0]),
        ("site", "positioning"): Intervals([0.0], [1000.0]),
    }
    gaps = find_gaps(served, lambda place, service: [], {}, SPAN, EPOCH)
    shown = gaps.frame.set_index(["service", "start_s"])["edge"].to_dict()
    assert shown == {
        ("direct", 0.0): "start", ("direct", 200.0): "none", ("forward", 900.0): "end",
        ("relay", 0.0): "both",
    }  # fmt: skip
    assert list(gaps.frame.columns) == [
        "gap_id", "place", "service", "start_s", "end_s", "start_utc", "end_utc", "duration_s",
        "cause", "need", "achieved", "severity", "edge",
    ]  # fmt: skip
    assert list(gaps.causes.columns) == ["gap_id", "cause", "start_s", "end_s", "duration_s"]
    assert gaps.frame.start_utc[1] == "2030-03-01T00:03:20.000Z"
    assert list(gaps.frame.gap_id) == ["g000001", "g000002", "g000003", "g000004"]
    assert (gaps.frame.severity == 0).all()


def test_no_gap_gives_empty_tables_with_all_columns():
    gaps = find_gaps({("a", "relay"): Intervals([0.0], [1000.0])}, lambda p, s: [], {}, SPAN, EPOCH)
    assert len(gaps.frame) == len(gaps.causes) == 0
    assert "start_utc" in gaps.frame.columns


def test_a_sliver_joins_its_neighbour_and_a_gap_of_slivers_keeps_its_cause():
    up = Intervals([0.0, 50.02, 300.0, 700.0], [50.0, 100.0, 600.0, 800.02])
    candidate = {"below-horizon": up}
    served = {("a", "relay"): Intervals([10.0, 100.05], [80.0, 799.99])}
    gaps = find_gaps(served, lambda p, s: [candidate], {}, SPAN, EPOCH)
    assert gaps.causes[["start_s", "end_s", "cause"]].to_numpy().tolist() == [
        [0.0, 10.0, "relay-no-earth"],
        [80.0, 100.05, "relay-no-earth"],  # its last 0.05 s, below the horizon, is an edge's error
        [799.99, 1000.0, "below-horizon"],
    ]
    short = {("a", "relay"): Intervals([0.0, 100.05], [100.0, 1000.0])}
    gaps = find_gaps(short, lambda p, s: [candidate], {}, SPAN, EPOCH)
    assert gaps.causes.cause.tolist() == ["below-horizon"]


def test_daily_allowance_is_not_lent_between_days():
    """One bad day of two: half a day unserved, a tenth of each day allowed."""
    day = 86400.0
    need = {"availability_frac": 0.9, "availability_basis": "each-earth-day"}
    start, end = np.array([0.0]), np.array([0.5 * day])
    daily = share_of_allowance(start, end, need, (0.0, 2 * day), [day])
    whole = share_of_allowance(start, end, {"availability_frac": 0.9}, (0.0, 2 * day))
    assert daily[0] == pytest.approx((0.5 - 0.1) / 2)
    assert whole[0] == pytest.approx((0.5 - 0.2) / 2)


def test_a_gap_limit_alone_counts_the_time_beyond_it():
    start, end = np.array([0.0, 500.0]), np.array([100.0, 900.0])
    severity = share_of_allowance(start, end, {"max_gap_s": 300.0}, SPAN)
    assert severity.tolist() == [0.0, 0.1]
    assert share_of_allowance(start, end, None, SPAN).tolist() == [0.0, 0.0]


def test_need_text_names_units():
    need = {"service": "positioning", "accuracy_m": 25, "accuracy_basis": "3sigma", "axes": "3d"}
    assert need_text(need) == "accuracy <= 25 m (3sigma, 3d)"
    assert need_text(None) == ""
