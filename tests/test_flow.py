"""Deliverable volume against a linear programme on a uniform grid, and by law."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array

from cislunar.contact_table import ContactTable
from cislunar.flow import compare_storage, daily_volume, deliverable_volume
from orbits.errors import ComputationError, InputError


@st.composite
def plans(draw, most=12, nodes=5):
    rows = []
    for i in range(draw(st.integers(1, most))):
        a = draw(st.integers(0, nodes - 1))
        b = (a + draw(st.integers(1, nodes - 1))) % nodes
        start = draw(st.integers(0, 18))
        rows.append((str(i), str(a), str(b), start, start + draw(st.integers(1, 12)),
                     draw(st.integers(1, 7)), draw(st.integers(0, 3))))  # fmt: skip
    return ContactTable.of_rows(rows, names=[str(i) for i in range(nodes)])


def by_linear_programme(plan, source, target, low, high, room, transit=None):
    """The most that can be delivered, second by second: bits sent a contact and second are the
    unknowns, with what each node keeps from second to second."""
    columns, bounds, cost = [], [], []
    entries = []  # (row, column, value): (node, second) balances

    def row(node, t):
        return node * (high + 1) + t

    def add(bound, gain):
        bounds.append((0, bound))
        cost.append(-gain)
        columns.append(None)
        return len(columns) - 1

    forwards = {
        n for n in range(len(plan.names))
        if n not in (source, target) and (transit is None or n in transit)
    }  # fmt: skip
    for c in range(len(plan)):
        u, v, d = int(plan.source[c]), int(plan.target[c]), int(plan.owlt_s[c])
        if (u != source and u not in forwards) or (v != target and v not in forwards):
            continue
        for t in range(max(low, int(plan.start_s[c])), min(high, int(plan.end_s[c]))):
            if t + d + 1 > high:
                continue
            x = add(plan.rate_bps[c], 1.0 if v == target else 0.0)
            if u != source:
                entries.append((row(u, t), x, -1.0))
            if v != target:
                entries.append((row(v, t + d), x, 1.0))
    for n in forwards:
        for t in range(low, high):
            y = add(room, 0.0)
            entries.append((row(n, t), y, -1.0))
            entries.append((row(n, t + 1), y, 1.0))
    if not cost:
        return 0.0
    i, j, value = zip(*entries, strict=True) if entries else ((), (), ())
    balance = coo_array((value, (i, j)), shape=(len(plan.names) * (high + 1) + 1, len(cost)))
    used = sorted(set(i))
    done = linprog(
        cost, A_eq=balance.tocsr()[used] if used else None, b_eq=np.zeros(len(used)) if used else None,
        bounds=bounds, method="highs",
    )  # fmt: skip
    assert done.success
    return -done.fun


rooms = st.sampled_from([math.inf, math.inf, 0.0, 5.0])


@settings(max_examples=80, deadline=None)
@given(plans(), rooms, st.integers(0, 6), st.integers(15, 40))
def test_volume_equals_a_linear_programme(plan, room, low, high):
    wanted = by_linear_programme(plan, 0, 1, low, high, room)
    found = deliverable_volume(plan, "0", "1", low, high, storage_bit=room)
    assert found.volume_bit == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    # what limits adds up to the volume
    cut = found.cut_bit.sum() + sum(found.storage_cut_bit.values())
    assert cut == pytest.approx(found.volume_bit, rel=1e-9, abs=1e-9)
    inside = np.minimum(plan.end_s, high) - np.maximum(plan.start_s, low)
    assert (found.sent_bit <= plan.rate_bps * np.maximum(inside, 0) + 1e-9).all()
    # what enters a node leaves it
    net = np.bincount(plan.target, found.sent_bit, 5) - np.bincount(plan.source, found.sent_bit, 5)
    assert net[2:] == pytest.approx(0, abs=1e-9)
    assert net[1] == pytest.approx(found.volume_bit)


def test_a_thousand_bits_over_random_plans_for_the_ledger(evidence):
    rng = np.random.default_rng(5)
    worst, total = 0.0, 0
    for _ in range(25):
        n = 60
        a = rng.integers(0, 7, n)
        b = (a + rng.integers(1, 7, n)) % 7
        start = rng.integers(0, 50, n)
        plan = ContactTable.of_arrays(
            range(n), a, b, start, start + rng.integers(1, 25, n), rng.integers(1, 1000, n),
            rng.integers(0, 4, n),
        )  # fmt: skip
        wanted = by_linear_programme(plan, 0, 1, 0, 60, math.inf)
        found = deliverable_volume(plan, "0", "1", 0, 60).volume_bit
        worst = max(worst, abs(found - wanted) / max(wanted, 1.0))
        total += wanted > 0
    assert total > 20
    evidence(
        "deliverable volume", "linear programme, second by second (scipy, HiGHS)", 25, worst, 1e-9,
        "of the volume", "both are exact optima of one continuous problem",
    )  # fmt: skip


def test_light_time_in_fractions_of_a_second_is_honoured():
    plan = ContactTable.of_rows([
        ("1", "a", "r", 0, 10, 8.0, 0.25), ("2", "r", "q", 10, 30, 8.0, 0.125),
        ("3", "q", "r2", 9.0, 10.3125, 64.0, 0.5), ("4", "r2", "z", 10.75, 11.0, 8.0, 1.25),
    ])  # fmt: skip
    # at q from 10.125, from there until 10.3125, at r2 from 10.625 to 10.8125
    live = deliverable_volume(plan, "a", "z", storage_bit=0.0)
    assert live.volume_bit == pytest.approx(8 * (10.8125 - 10.75))
    rooms = {"r": None, "q": 0.125, "r2": 100.0}
    some = deliverable_volume(plan, "a", "z", storage_bit=rooms)
    assert some.volume_bit == pytest.approx(8 * (10.8125 - 10.625))  # q passes on what it gets
    kept = deliverable_volume(plan, "a", "z")
    assert kept.volume_bit == pytest.approx(8 * (10.8125 - 10.625))
    assert kept.cut_bit.sum() == pytest.approx(kept.volume_bit)
    # the first bit arrives at 10.75 + 1.25
    assert deliverable_volume(plan, "a", "z", 0, 12.0).volume_bit == 0.0
    assert deliverable_volume(plan, "a", "z", 0, 12.125).volume_bit == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(plans(), plans(most=1))
def test_more_contacts_and_more_storage_never_deliver_less(plan, extra):
    rows = [
        (str(i), t.names[t.source[c]], t.names[t.target[c]], t.start_s[c], t.end_s[c],
         t.rate_bps[c], t.owlt_s[c])
        for t in (plan, extra) for i, c in enumerate(range(len(t)))
    ]  # fmt: skip
    more = ContactTable.of_rows(rows, names=plan.names)
    last = 0.0
    for room in (0.0, 2.0, 10.0, None):
        now = deliverable_volume(plan, "0", "1", 0, 40, storage_bit=room).volume_bit
        assert now >= last - 1e-9
        last = now
        assert deliverable_volume(more, "0", "1", 0, 40, storage_bit=room).volume_bit >= now - 1e-9


@settings(max_examples=40, deadline=None)
@given(plans(), st.integers(1, 3))
def test_only_forwarders_forward_and_coarse_light_times_are_a_lower_bound(plan, step):
    names = ["2", "3"]
    some = deliverable_volume(plan, "0", "1", 0, 40, transit=names).volume_bit
    wanted = by_linear_programme(plan, 0, 1, 0, 40, math.inf, {2, 3})
    assert some == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    exact = deliverable_volume(plan, "0", "1", 0, 40).volume_bit
    coarse = deliverable_volume(plan, "0", "1", 0, 40, light_step_s=float(step)).volume_bit
    assert coarse <= exact + 1e-9


def test_days_are_windows():
    rng = np.random.default_rng(8)
    n = 80
    a = rng.integers(0, 6, n)
    start = rng.uniform(0, 290, n)
    plan = ContactTable.of_arrays(
        range(n), a, (a + rng.integers(1, 6, n)) % 6, start, start + rng.uniform(1, 60, n),
        rng.integers(1, 50, n), rng.integers(0, 2, n), span_s=300.0,
    )  # fmt: skip
    frame = daily_volume(plan, ["0", "2"], ["1"], day_s=120.0, transit=["3", "4"])
    assert frame["day"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["end_s"].max() == 300.0
    for row in frame.itertuples():
        one = deliverable_volume(plan, row.source, "1", row.start_s, row.end_s, transit=["3", "4"])
        assert row.volume_bit == pytest.approx(one.volume_bit, rel=1e-12)
    assert frame["volume_bit"].sum() > 0


def test_store_and_forward_beside_live_paths_only():
    plan = ContactTable.of_rows([
        ("1", "a", "r", 0, 100, 8, 0), ("2", "r", "z", 50, 150, 8, 1), ("3", "a", "z", 190, 200, 2, 1),
    ])  # fmt: skip
    frame = compare_storage(plan, "a", "z", 0, 201).set_index("mode")
    kept, live = frame.loc["store-and-forward"], frame.loc["live-path-only"]
    assert (kept.volume_bit, live.volume_bit) == (820, 420)
    # sent until 100 it arrives by 101 at the latest; then nothing until 190
    assert kept.sendable_frac == pytest.approx(200 / 201)
    assert live.sendable_frac == pytest.approx((50 + 10) / 201)


def test_faults_are_said():
    plan = ContactTable.of_rows([("1", "a", "b", 0, 10, 100, 1)])
    with pytest.raises(InputError, match="also a target"):
        deliverable_volume(plan, "a", ["a", "b"])
    with pytest.raises(InputError, match="end after"):
        deliverable_volume(plan, "a", "b", 10, 10)
    with pytest.raises(InputError, match="storage"):
        deliverable_volume(plan, "a", "b", storage_bit=-1.0)
    with pytest.raises(InputError, match="light_step_s"):
        deliverable_volume(plan, "a", "b", light_step_s=0.0)
    assert deliverable_volume(plan, "b", "a").volume_bit == 0.0


def test_a_mesh_that_cuts_time_too_finely_is_refused_and_has_a_bound(monkeypatch):
    monkeypatch.setattr("cislunar.flow.MOST_CUTS", 1500)
    rng = np.random.default_rng(2)
    rows = [("up", "0", "1", 0, 9000, 5, 0.1), ("down", "4", "5", 0, 9000, 7, 1.3)]
    for a in range(1, 5):
        for b in range(1, 5):
            if a != b:
                rows.append((f"{a}{b}", a, b, 100 * a, 8000 + b, 3, rng.uniform(0.1, 0.3)))
    plan = ContactTable.of_rows(rows)
    with pytest.raises(ComputationError, match="light_step_s"):
        deliverable_volume(plan, "0", "5")
    assert deliverable_volume(plan, "0", "5", light_step_s=30.0).volume_bit > 30_000


def test_nodes_that_echo_for_ever_are_refused_with_what_to_do(plan_of_a_pair):
    with pytest.raises(ComputationError, match="transit"):
        deliverable_volume(plan_of_a_pair, "site", ["earth"], storage_bit=0.0)


@pytest.fixture
def plan_of_a_pair():
    """Two relays that hear each other all day, 0.3 s apart: every instant comes back shifted."""
    day = 86400.0
    return ContactTable.of_rows(
        [
            ("1", "site", "a", 10.0, day, 1e6, 0.2),
            ("2", "a", "b", 0.0, day, 1e6, 0.3),
            ("3", "b", "a", 0.0, day, 1e6, 0.3),
            ("4", "b", "earth", 50.0, day, 1e6, 1.3),
        ]
    )
