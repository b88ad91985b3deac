"""Live paths against brute force where contacts are long and light times short, as in space."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.contact_table import ContactTable
from cislunar.livepath import crosslinked, find_live_paths
from orbits.intervals import Intervals

NODES, EIGHTH_S = 5, 0.125


def walk(plan, node, targets, t_s, seen, hops):
    """Whether an empty bundle at a node at t_s gets through without waiting; tries everything."""
    if node in targets:
        return True
    return hops > 0 and any(
        walk(plan, int(plan.target[c]), targets, t_s + plan.owlt_s[c], {*seen, node}, hops - 1)
        for c in range(plan.first[node], plan.first[node + 1])
        if plan.start_s[c] <= t_s < plan.end_s[c] and int(plan.target[c]) not in {*seen, node}
    )


def hop_across(plan, node, targets, t_s):
    """The same, the first hop to a node that is no target."""
    return any(
        walk(plan, int(plan.target[c]), targets, t_s + plan.owlt_s[c], {node}, 8)
        for c in range(plan.first[node], plan.first[node + 1])
        if plan.start_s[c] <= t_s < plan.end_s[c] and int(plan.target[c]) not in targets
    )


@st.composite
def meshes(draw):
    """Rows of 5 nodes, target 0: hops of an eighth of a second to one, contacts of up to 80 s."""
    rows = []
    for k in range(draw(st.integers(4, 24))):
        a = draw(st.integers(1, NODES - 1))
        b = draw(st.integers(0, NODES - 1).filter(lambda n, a=a: n != a))
        start, length = draw(st.integers(0, 100)), draw(st.integers(1, 80))
        light = EIGHTH_S * draw(st.integers(0, 8))
        rows.append((str(k), str(a), str(b), start, start + length, 1.0, light))
    return ContactTable.of_rows(rows, names=[str(n) for n in range(NODES)])


@settings(max_examples=60, deadline=None)
@given(meshes(), st.randoms(use_true_random=False))
def test_live_paths_equal_brute_force(plan, random):
    craft = np.arange(NODES) > 0
    direct = find_live_paths(plan, [0])
    across = crosslinked(plan, [0], craft)
    # edges are where answers could differ: look at both sides of each and of its light times
    edges = np.concatenate((plan.start_s, plan.end_s))
    times = {float(t) - k * EIGHTH_S for t in random.sample(list(edges), 4) for k in range(-1, 24)}
    for node in range(1, NODES):
        live, over = direct.of(node), across.get(node, Intervals())
        for t_s in (t + EIGHTH_S / 2 for t in times):
            assert bool(live.contains(t_s)) == walk(plan, node, {0}, t_s, set(), 8), (node, t_s)
            assert bool(over.contains(t_s)) == hop_across(plan, node, {0}, t_s), (node, t_s)


def test_the_long_way_round_gains_light_time_and_never_visits_a_node_twice():
    """Earth opens at 100 s for node 1: each further node on the way lets a bundle leave earlier."""
    rows = [("e", "1", "0", 100.0, 200.0, 1.0, 1.3)]
    rows += [(f"{a}{b}", str(a), str(b), 0.0, 300.0, 1.0, 0.05)
             for a in range(1, 13) for b in range(1, 13) if a != b]  # fmt: skip
    plan = ContactTable.of_rows(rows)
    found = find_live_paths(plan, [plan.number("0")])
    assert found.of(plan.number("1")).pairs() == [(100.0, 200.0)]
    (start, end), = found.of(plan.number("12")).pairs()  # fmt: skip
    assert abs(start - (100.0 - 7 * 0.05)) < 1e-9  # eight contacts, the last one to Earth
    assert abs(end - (200.0 - 0.05)) < 1e-9


def test_spans_are_the_same_when_contacts_are_cut_in_pieces():
    """Rate steps cut a contact in two: the network does not part there."""
    whole = [("1", "a", "b", 0.0, 90.0, 1.0, 0.25), ("2", "b", "z", 10.0, 80.0, 1.0, 1.25)]
    cut = [("1", "a", "b", 0.0, 40.0, 1.0, 0.25), ("3", "a", "b", 40.0, 90.0, 2.0, 0.25),
           ("2", "b", "z", 10.0, 40.1, 1.0, 1.25), ("4", "b", "z", 40.1, 80.0, 3.0, 1.25)]  # fmt: skip
    spans = [
        find_live_paths(table, [table.number("z")]).of(table.number("a")).pairs()
        for table in (ContactTable.of_rows(whole), ContactTable.of_rows(cut))
    ]
    assert spans == [[(9.75, 79.75)]] * 2
