"""Communication scores of small plans whose answers can be worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.comms import COLUMNS, NEED_COLUMNS, relay_live, score_comms
from cislunar.contact_table import ContactTable
from cislunar.routing import earliest_arrival
from orbits.epoch import Epoch
from orbits.intervals import Intervals

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
SPAN_S = 1000.0


def need(service="relay", **stated):
    keys = ("min_rate_bps", "availability_frac", "max_gap_s", "latency_s", "volume_bit_per_day")
    return SimpleNamespace(
        service=service, availability_basis="span", **{**dict.fromkeys(keys), **stated}
    )


def node(name, kind, needs=(), terminals=("t",), radius=None):
    return SimpleNamespace(
        name=name,
        kind=kind,
        needs=tuple(needs),
        terminals=terminals,
        serves_radius_km=radius,
        lunar_time_share=1.0,
    )


def plan(rows):
    named = [(f"c{i:06d}", *row) for i, row in enumerate(rows)]
    return ContactTable.of_rows(named, span_s=SPAN_S, epoch=EPOCH)


RELAYED = [  # source, target, start, end, rate, light time
    ("rim", "relay", 0.0, 400.0, 2e6, 1.0),
    ("relay", "usuda", 101.0, 301.0, 4e6, 2.0),
    ("rim", "usuda", 500.0, 600.0, 1e6, 3.0),
    ("usuda", "relay", 100.0, 300.0, 1e6, 2.0),
    ("relay", "rim", 0.0, 202.0, 5e6, 1.0),
]


def score(rows, needs=(), **options):
    nodes = [node("rim", "asset", needs), node("relay", "spacecraft"), node("usuda", "station")]
    return score_comms(plan(rows), nodes, **options)


def test_relay_direct_and_forward_by_hand():
    found = score(RELAYED, [need(availability_frac=0.3)], send_step_s=1.0)
    assert list(found.frame.columns) == list(COLUMNS)
    assert found.served["rim", "relay"].pairs() == [(100, 300), (500, 600)]
    assert found.served["rim", "direct"].pairs() == [(500, 600)]
    assert found.served["rim", "forward"].pairs() == [(100, 200)]
    row = found.frame.set_index("service").loc["relay"]
    assert row.availability_frac == pytest.approx(0.3)
    assert (row.longest_gap_s, row.mean_gap_s, row.gap_count) == (400, 700 / 3, 3)
    assert row.verdict == "met"
    assert row.need_availability_frac == 0.3
    # 200 s at 2 Mbit/s (the slower hop) and 100 s at 1 Mbit/s, in 1000 s
    assert row.volume_bit_per_day == pytest.approx((200 * 2e6 + 100 * 1e6) * 86400 / SPAN_S)
    # sent at 0..99: arrives at 103; 100..299: +3; to 499: at 503; to 599: +3; then never
    latency = np.concatenate((103 - np.arange(100), np.full(200, 3), 503 - np.arange(300, 500),
                              np.full(100, 3)))  # fmt: skip
    assert row.latency_p50_s == pytest.approx(np.percentile(latency, 50))
    assert row.latency_p95_s == pytest.approx(np.percentile(latency, 95))
    assert row.latency_max_s == 203
    assert row.undelivered_frac == pytest.approx(0.4)
    direct = found.frame.set_index("service").loc["direct"]
    assert direct.verdict == "no-need"
    assert direct.latency_max_s == 503
    assert direct.volume_bit_per_day == pytest.approx(100 * 1e6 * 86400 / SPAN_S)
    forward = found.frame.set_index("service").loc["forward"]
    assert forward.volume_bit_per_day == pytest.approx(100 * 1e6 * 86400 / SPAN_S)
    assert forward.latency_max_s == 103


def test_the_needed_rate_must_close_on_every_hop():
    fast = score(RELAYED, [need(min_rate_bps=2e6, availability_frac=0.25)])
    assert fast.served["rim", "relay"].pairs() == [(100, 300)]
    assert fast.frame.verdict[0] == "not-met"
    faster = score(RELAYED, [need(min_rate_bps=3e6, availability_frac=0.1)])
    assert len(faster.served["rim", "relay"]) == 0


def test_nothing_served_is_a_result_with_empty_latency():
    frame = score([("rim", "relay", 0.0, 9.0, 1e6, 1.0)]).frame
    assert frame.availability_frac.tolist() == [0, 0, 0]
    assert frame.gap_count.tolist() == [1, 1, 1]
    assert frame.longest_gap_s.tolist() == [SPAN_S] * 3
    assert frame.latency_p50_s.isna().all()
    assert frame.undelivered_frac.tolist() == [1, 1, 1]
    assert frame.volume_bit_per_day.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        ({"max_gap_s": 400.0}, "met"),
        ({"max_gap_s": 399.0}, "not-met"),
        ({"latency_s": 210.0}, "met"),
        ({"latency_s": 150.0}, "not-met"),
        ({"volume_bit_per_day": 4.3e10}, "met"),
        ({"volume_bit_per_day": 4.4e10}, "not-met"),
        ({}, "not-computable"),
    ],
)
def test_each_part_of_a_need_is_judged(stated, verdict):
    assert score(RELAYED, [need(**stated)]).frame.verdict[0] == verdict


def test_of_two_needs_the_higher_rate_is_shown_and_the_worst_judges():
    slow, fast = need(availability_frac=0.3), need(min_rate_bps=2e6, availability_frac=0.2)
    for needs in ([slow, fast], [fast, slow]):
        found = score(RELAYED, needs)
        assert found.served["rim", "relay"].total_s == 200
        assert found.frame.verdict[0] == "met"
    found = score(RELAYED, [need(availability_frac=0.4), fast])
    assert found.served["rim", "relay"].total_s == 200
    assert found.frame.verdict[0] == "not-met"


def test_each_need_is_judged_at_its_own_rate_and_only_what_is_missed_is_printed():
    """By hand: 200 of 1,000 s at 2 Mbit/s through the relay, 100 more direct at 1 Mbit/s."""
    from cislunar.report.scores import faults
    from cislunar.text import Text

    asked = [
        need(id="telemetry", min_rate_bps=1e6, availability_frac=0.25),
        need(id="video", min_rate_bps=2e6, availability_frac=0.25, max_gap_s=500.0),
        need(id="voice", min_rate_bps=1e6, availability_frac=0.3, max_gap_s=300.0),
    ]
    found = score(RELAYED, asked, send_step_s=1.0)
    assert list(found.needs.columns) == list(NEED_COLUMNS)
    rows = found.needs.set_index("need")
    assert list(rows.index) == ["video", "voice", "telemetry"]  # the hardest first
    assert rows["availability_frac"].tolist() == pytest.approx([0.2, 0.3, 0.3])
    assert rows["longest_gap_s"].tolist() == pytest.approx([700.0, 400.0, 400.0])
    assert rows["verdict"].tolist() == ["not-met", "not-met", "met"]
    assert rows["missed"].tolist() == ["availability_frac max_gap_s", "max_gap_s", ""]
    row = found.frame.iloc[0].to_dict()
    said = faults(SimpleNamespace(comm_needs=found.needs), row, Text("en"))
    assert [line.replace("\u00a0", " ") for line in said] == [
        "20.0 % of the span, 25.0 % asked", "gap 12 min, 8 min allowed",
        "need at 1.0 Mbit/s: gap 7 min, 5 min allowed",
    ]  # fmt: skip


def test_crosslink_needs_two_spacecraft_in_a_row():
    rows = [
        ("rim", "near", 0.0, 900.0, 2e6, 1.0), ("near", "far", 100.0, 400.0, 1e6, 1.0),
        ("near", "usuda", 0.0, 800.0, 2e6, 1.0), ("far", "usuda", 200.0, 300.0, 1e6, 1.0),
        ("far", "near", 0.0, 900.0, 2e6, 1.0), ("far", "crater", 350.0, 380.0, 1e6, 1.0),
    ]  # fmt: skip
    nodes = [node("rim", "asset", [need("crosslink", availability_frac=0.13)]),
             node("crater", "asset"), node("near", "spacecraft"), node("far", "spacecraft"),
             node("usuda", "station")]  # fmt: skip
    found = score_comms(plan(rows), nodes, send_step_s=1.0)
    # far reaches Earth in 200..300 and the other place in 350..380; back through near is no path
    assert found.served["rim", "crosslink"].pairs() == [(198, 298), (348, 378)]
    row = found.frame[found.frame.service == "crosslink"].iloc[0]
    assert row.verdict == "met"
    assert row.latency_max_s == 201
    assert row.undelivered_frac == pytest.approx(1 - 378 / 1000)
    assert row.volume_bit_per_day == pytest.approx(130 * 1e6 * 86400 / SPAN_S)


def test_users_do_not_forward_but_bases_do():
    rows = [("rover", "base", 0.0, 500.0, 1e6, 0.0), ("base", "usuda", 100.0, 300.0, 1e6, 1.0)]

    def served(radius):
        nodes = [node("rover", "asset"), node("base", "asset", radius=radius),
                 node("usuda", "station")]  # fmt: skip
        return score_comms(plan(rows), nodes).served["rover", "relay"].pairs()

    assert served(None) == []
    assert served(10.0) == [(100, 300)]


def test_reruns_give_the_same_spans_without_a_table():
    full, quick = score(RELAYED, [need()]), score(RELAYED, [need()], served_only=True)
    assert quick.frame is None
    assert list(quick.served) == [("rim", "relay")]
    assert quick.served["rim", "relay"] == full.served["rim", "relay"]


def test_the_end_of_the_analysis_is_not_a_gap():
    rows = [("rim", "relay", 0.0, 1000.0, 1e6, 1.0), ("relay", "usuda", 0.0, 1000.0, 1e6, 2.0),
            ("usuda", "relay", 0.0, 1000.0, 1e6, 2.0), ("relay", "rim", 0.0, 999.0, 1e6, 1.0)]  # fmt: skip
    found = score(rows)
    assert found.served["rim", "relay"].pairs() == [(0, 1000)]
    assert found.served["rim", "forward"].pairs() == [(0, 997)]  # this one did end before
    volume = found.frame.set_index("service").volume_bit_per_day
    assert volume["relay"] == pytest.approx(1e6 * 86400)
    assert volume["forward"] == pytest.approx(1e6 * 86400)  # arriving from 0 to 1000


def test_when_relays_see_earth():
    nodes = [node("rim", "asset"), node("relay", "spacecraft"), node("usuda", "station")]
    assert relay_live(plan(RELAYED), nodes) == {"relay": relay_live(plan(RELAYED), nodes)["relay"]}
    assert relay_live(plan(RELAYED), nodes)["relay"].pairs() == [(101, 301)]
    assert relay_live(plan(RELAYED), nodes, 5e6)["relay"].pairs() == []


@st.composite
def rows(draw):
    ends = [("rim", "r1"), ("rim", "r2"), ("r1", "r2"), ("r2", "r1"), ("r1", "usuda"),
            ("r2", "usuda"), ("rim", "usuda"), ("usuda", "r1"), ("usuda", "r2"), ("r1", "rim"),
            ("r2", "rim")]  # fmt: skip
    out = []
    for _ in range(draw(st.integers(1, 16))):
        start = draw(st.integers(0, 900))
        out.append((*draw(st.sampled_from(ends)), start,
                    min(1000, start + draw(st.integers(1, 400))),
                    draw(st.sampled_from([1e6, 2e6, 5e6])), draw(st.integers(0, 4)) / 4))  # fmt: skip
    return out


@settings(max_examples=40, deadline=None)
@given(rows())
def test_scores_keep_their_laws(contacts):
    nodes = [node("rim", "asset"), node("r1", "spacecraft"), node("r2", "spacecraft"),
             node("usuda", "station")]  # fmt: skip
    found = score_comms(plan(contacts), nodes, send_step_s=50.0)
    frame = found.frame.set_index("service")
    served = {s: found.served["rim", s] for s in frame.index}
    assert (served["direct"] - served["relay"]).total_s == 0
    assert frame.volume_bit_per_day["direct"] <= frame.volume_bit_per_day["relay"] + 1e-3
    for service, row in frame.iterrows():
        gaps = served[service].complement(0.0, SPAN_S)
        assert gaps.total_s + row.availability_frac * SPAN_S == pytest.approx(SPAN_S)
        assert row.gap_count == len(gaps)
        low, high = (rate * served[service].total_s for rate in (1e6, 5e6))
        assert low - 2e7 <= row.volume_bit_per_day * SPAN_S / 86400 <= high + 2e7
    table = plan(contacts)
    if {"rim", "usuda"} <= set(table.names):
        sent = np.arange(0.0, SPAN_S, 50.0)
        arrivals = [earliest_arrival(table, "rim", "usuda", t) for t in sent]
        late = [a - t for a, t in zip(arrivals, sent, strict=True) if a is not None and a <= SPAN_S]
        assert frame.undelivered_frac["relay"] == pytest.approx(1 - len(late) / sent.size)
        if late:
            assert frame.latency_max_s["relay"] == pytest.approx(max(late))


def test_time_shares_of_stations_are_a_chance():
    """Expected availability equals a Monte Carlo over busy and free stations, within statistics."""
    from cislunar.timeshare import expected_frac

    rng = np.random.default_rng(7)
    live = []
    for share in (0.3, 0.5, 0.8):
        edges = np.sort(rng.uniform(0, 1000, 12))
        live.append((Intervals(edges[::2], edges[1::2]), share))
    t = rng.uniform(0, 1000, 200_000)
    free = np.zeros(t.size, bool)
    for spans, share in live:
        free |= spans.contains(t) & (rng.random(t.size) < share)
    assert abs(expected_frac(live, 1000.0) - free.mean()) < 5 * 0.5 / np.sqrt(t.size)
