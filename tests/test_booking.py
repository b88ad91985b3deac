"""Bundles sharing contacts: by hand, and by law on random plans."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.booking import Bundle, forward_bundles, largest_whole_bit
from cislunar.contact_table import ContactTable
from cislunar.routing import best_routes, earliest_arrival
from orbits.errors import InputError

PLAN = ContactTable.of_rows([
    ("1", "a", "b", 0, 10, 100, 1), ("2", "b", "z", 0, 30, 50, 2), ("3", "a", "z", 40, 60, 100, 1),
])  # fmt: skip


def test_a_higher_priority_never_waits_for_a_lower():
    done = forward_bundles(PLAN, [
        Bundle("a", "z", 0, 600, 0), Bundle("a", "z", 0, 400, 2), Bundle("a", "z", 0, 200, 1),
    ])  # fmt: skip
    low, high, middle = done.deliveries
    assert high.arrival_s == 4 + 1 + 8 + 2
    assert middle.arrival_s == 4 + 2 + 1 + 6 + 4 + 2  # waits for both links behind the first
    assert low.routes[0].contacts == ("3",)
    assert low.arrival_s == 47
    # CCSDS 734.3-B counts what a priority finds as the volume less that of its own and above
    assert done.residual_bit(2).tolist() == [600, 2000, 1100]
    assert done.residual_bit(1).tolist() == [400, 2000, 900]
    assert done.residual_bit(0).tolist() == [400, 1400, 900]


def test_a_bundle_larger_than_a_contact_takes_another_or_is_fragmented():
    whole = forward_bundles(PLAN, [Bundle("a", "z", 0, 1500)]).deliveries[0]
    assert [r.contacts for r in whole.routes] == [("3",)]
    assert whole.arrival_s == 40 + 15 + 1
    none = forward_bundles(PLAN, [Bundle("a", "z", 0, 2500)]).deliveries[0]
    assert (none.routes, none.left_bit, none.arrival_s) == ((), 2500, None)
    cut = forward_bundles(PLAN, [Bundle("a", "z", 0, 2500, whole=False)]).deliveries[0]
    assert [r.contacts for r in cut.routes] == [("1", "2"), ("3",)]
    assert cut.sizes_bit == pytest.approx((29 / 0.03, 2500 - 29 / 0.03))  # 1/100 + 1/50 s a bit
    assert cut.left_bit == 0


def test_what_cannot_be_is_said():
    for bad in (Bundle("a", "z", 0, 0), Bundle("a", "z", 0, 1, -1)):
        with pytest.raises(InputError, match="size > 0"):
            forward_bundles(PLAN, [bad])
    with pytest.raises(InputError, match="no node"):
        forward_bundles(PLAN, [Bundle("a", "q", 0, 1)])


@st.composite
def cases(draw):
    rows = []
    for i in range(draw(st.integers(1, 10))):
        a = draw(st.integers(0, 3))
        b = (a + draw(st.integers(1, 3))) % 4
        start = draw(st.integers(0, 60))
        rows.append((str(i), str(a), str(b), start, start + draw(st.integers(1, 30)),
                     draw(st.sampled_from([8, 16, 64])), draw(st.integers(0, 3))))  # fmt: skip
    bundles = [
        Bundle("0", "3", draw(st.integers(0, 40)), draw(st.integers(1, 900)),
               draw(st.integers(0, 2)), draw(st.booleans()))
        for _ in range(draw(st.integers(1, 6)))
    ]  # fmt: skip
    return ContactTable.of_rows(rows, names=["0", "1", "2", "3"]), bundles


@settings(max_examples=60, deadline=None)
@given(cases())
def test_laws_of_booking(case):
    plan, bundles = case
    done = forward_bundles(plan, bundles)
    by_id = {c: i for i, c in enumerate(plan.contact_id)}
    busy = {i: [] for i in range(len(plan))}
    used = np.zeros(len(plan))
    for bundle, d in zip(bundles, done.deliveries, strict=True):
        assert sum(d.sizes_bit) + d.left_bit == pytest.approx(bundle.size_bit)
        assert not (bundle.whole and len(d.routes) > 1)
        for route, size in zip(d.routes, d.sizes_bit, strict=True):
            at = bundle.created_s
            for contact, arrival in zip(route.contacts, route.arrivals_s, strict=True):
                c = by_id[contact]
                sent = size / plan.rate_bps[c]
                leave = arrival - plan.owlt_s[c] - sent
                assert leave >= max(at, plan.start_s[c]) - 1e-9  # wholly received, contact open
                assert leave + sent <= plan.end_s[c] + 1e-9
                busy[c].append((leave, leave + sent))
                used[c] += size
                at = arrival
    for spans in busy.values():  # one at a time
        spans.sort()
        assert all(b[0] >= a[1] - 1e-9 for a, b in pairwise(spans))
    volume = plan.rate_bps * (plan.end_s - plan.start_s)
    np.testing.assert_allclose(done.residual_bit(0), volume - used, atol=1e-6)
    assert (done.residual_bit(0) >= -1e-6).all()
    # what goes first is blind to what goes after
    top = max(b.priority for b in bundles)
    alone = forward_bundles(plan, [b for b in bundles if b.priority == top])
    among = [d for d in done.deliveries if d.bundle.priority == top]
    assert [d.routes for d in among] == [d.routes for d in alone.deliveries]
    # and the very first takes the best route there is
    first = next(d for d in among)
    if first.bundle.whole:
        b = first.bundle
        assert first.arrival_s == earliest_arrival(
            plan, b.source, b.target, b.created_s, b.size_bit
        )


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 40))
def test_the_largest_bundle_is_the_limit_of_what_routing_finds(case, t_s):
    plan, _ = case
    for route in best_routes(plan, "0", "3", t_s, k=3):
        by_id = {c: i for i, c in enumerate(plan.contact_id)}
        path = [by_id[c] for c in route.contacts]
        limit = largest_whole_bit(plan, path, t_s)
        only = plan.keep(np.isin(np.arange(len(plan)), path))
        assert limit <= route.volume_bit * (1 + 1e-12)
        if limit > 0:
            assert earliest_arrival(only, "0", "3", t_s, limit) is not None
        assert earliest_arrival(only, "0", "3", t_s, limit * (1 + 1e-9) + 1e-6) is None
