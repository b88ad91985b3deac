"""Routing against the published cases, against brute force, and by law."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.booking import Bundle, forward_bundles
from cislunar.contact_table import ContactTable
from cislunar.livepath import find_live_paths, live_path
from cislunar.profile import arrival_profile
from cislunar.routing import best_routes, earliest_arrival, earliest_arrivals
from orbits.errors import InputError

SABR = "CCSDS 734.3-B-1 routing vectors (validation/routing.yaml)"


def table(case) -> ContactTable:
    return ContactTable.of_rows([tuple(row) for row in case["inputs"]["contacts"]])


def routes(case, k=10):
    asked = case["inputs"]
    return best_routes(
        table(case), asked["source_node"], asked["destination_node"], asked["t0"], k=k
    )


def test_tutorial_plan_gives_all_seven_routes(validation, evidence):
    case = validation("routing.yaml", "sabr_tutorial_v1")
    found, wanted = routes(case, case["inputs"]["max_routes"]), case["expected"]
    assert len(found) == wanted["route_count"]
    assert [r.arrival_s for r in found] == wanted["bdt_list"]
    assert [int(r.first_hop) for r in found[:3]] == wanted["first_three_next_hops"]
    assert [int(c) for c in found[0].contacts] == wanted["best_route_contacts"]
    as_rows = {(r.arrival_s, int(r.first_hop), tuple(map(int, r.contacts)), r.valid_until_s,
                r.volume_bit) for r in found}  # fmt: skip
    wanted_rows = {(r["bdt"], r["next_hop"], tuple(r["contacts"]), r["to_time"], r["volume"])
                   for r in wanted["routes"]}  # fmt: skip
    assert as_rows == wanted_rows
    keys = [(r.arrival_s, r.hops, -r.valid_until_s) for r in found]
    assert keys == sorted(keys)
    evidence("k best routes through a contact plan", SABR + " sabr_tutorial_v1", len(found), 0, 0,
             "routes", "contacts, arrival, termination and volume of every route are whole numbers")  # fmt: skip


def test_fewer_hops_win_at_equal_arrival(validation, evidence):
    case = validation("routing.yaml", "asabr_v3")
    best, second = routes(case)
    wanted = case["expected"]
    assert best.arrival_s == second.arrival_s == wanted["arrival"]
    assert [int(c) for c in best.contacts] == wanted["best_contacts"]
    assert best.hops == wanted["best_hops"]
    along = dict(zip(best.nodes[1:], best.arrivals_s, strict=True))
    assert along == {k: float(v) for k, v in wanted["node_arrivals"].items()}
    assert [int(c) for c in second.contacts] == wanted["wrong_but_equal_arrival_contacts"]
    evidence("equal arrival: fewer hops win", SABR + " asabr_v3", 1, 0, 0, "contacts",
             "a search with one parent a node gives three hops")  # fmt: skip


@pytest.mark.parametrize("name", ["pydtnsim_a", "pydtnsim_b", "pydtnsim_c"])
def test_small_published_plans(name, validation, evidence):
    case = validation("routing.yaml", name)
    found, wanted = routes(case), case["expected"]
    assert len(found) == wanted["route_count"]
    for route, row in zip(found, wanted.get("routes", []), strict=True):
        assert [int(c) for c in route.contacts] == row["contacts"]
        assert (route.arrival_s, route.volume_bit, route.valid_until_s) == (
            row["bdt"], row["volume"], row["to_time"],
        )  # fmt: skip
    evidence("routes and absence of routes", SABR + f" {name}", max(1, len(found)), 0, 0, "routes",
             "whole numbers")  # fmt: skip


def test_ten_bundles_through_a_lunar_relay(validation, evidence):
    case = validation("routing.yaml", "caini_fiore_relay")
    traffic, wanted = case["inputs"]["traffic"], case["expected"]
    bit = 8 * traffic["size_bytes"]
    plan = table(case)
    bundles = [Bundle("Lander", "MCC", traffic["created_at_s"], bit)] * 10
    found = [d.routes[0] for d in forward_bundles(plan, bundles).deliveries]
    used = [[int(c) for c in r.contacts] for r in found]
    assert sum(c[0] == 1 for c in used) == wanted["bundles_in_contact_1"]
    assert sum(c[0] == 2 for c in used) == wanted["bundles_in_contact_2"]
    assert used[:6] == [wanted["first_six_uses_contacts"]] * 6
    assert used[6:] == [wanted["last_four_uses_contacts"]] * 4
    assert [list(r.nodes[1:]) for r in found] == (
        [wanted["first_six_route"]] * 6 + [wanted["last_four_route"]] * 4
    )
    times = wanted["computed_times_s"]
    at_sat = np.array([r.arrivals_s[0] for r in found])
    at_mcc = np.array([r.arrival_s for r in found])
    off = max(
        abs(at_sat - times["arrival_at_Sat"]).max(), abs(at_mcc - times["arrival_at_MCC"]).max()
    )
    evidence("bundles sharing a relay's contacts", "Caini and Fiore, ASMS/SPSC 2012, Table I", 20,
             off, case["tolerance"]["computed_times_s"], "s",
             "times follow from rate and light time")  # fmt: skip
    volumes = plan.rate_bps * (plan.end_s - plan.start_s) / 8000
    by_id = dict(zip(plan.contact_id, volumes, strict=True))
    kb = wanted["contact_volumes_kB"]
    assert (by_id["1"], by_id["3"], by_id["5"]) == (kb["lander_sat"], kb["sat_gw"], kb["sat_mcc"])


def test_later_termination_then_name_break_ties():
    early = [("1", "a", "b", 0, 10, 1, 0), ("2", "a", "b", 20, 30, 1, 0)]
    onward = [("3", "b", "z", 40, 50, 1, 0)]
    assert best_routes(ContactTable.of_rows(early + onward), "a", "z")[0].contacts == ("2", "3")
    twins = [("1", "a", "c", 0, 10, 1, 0), ("2", "c", "z", 40, 50, 1, 0),
             ("3", "a", "b", 0, 10, 1, 0), ("4", "b", "z", 40, 50, 1, 0)]  # fmt: skip
    found = best_routes(ContactTable.of_rows(twins), "a", "z", k=3)
    assert [r.first_hop for r in found] == ["b", "c"]


def test_a_bundle_must_fit_in_the_contact():
    plan = ContactTable.of_rows([("1", "a", "b", 0, 10, 100, 1), ("2", "a", "b", 20, 40, 100, 1)])
    assert earliest_arrival(plan, "a", "b", 0, 1000) == 11
    assert earliest_arrival(plan, "a", "b", 1, 1000) == 31
    assert earliest_arrival(plan, "a", "b", 0, 2001) is None


def test_faults_are_said():
    plan = ContactTable.of_rows([("1", "a", "b", 0, 10, 100, 1)])
    with pytest.raises(InputError, match="no node 'x'"):
        earliest_arrival(plan, "x", "b")
    with pytest.raises(InputError, match="also a target"):
        best_routes(plan, "a", ["a", "b"])
    with pytest.raises(InputError, match="finite"):
        ContactTable.of_rows([("1", "a", "b", 0, math.nan, 1, 0)])
    assert best_routes(plan, "b", "a") == []


# --- laws on random plans; times in quarter seconds, so that sums are exact ----------------------


@st.composite
def plans(draw, most=14, nodes=5):
    count = draw(st.integers(1, most))
    rows = []
    for i in range(count):
        a = draw(st.integers(0, nodes - 1))
        b = (a + draw(st.integers(1, nodes - 1))) % nodes
        start = draw(st.integers(0, 120)) / 4
        length = draw(st.integers(1, 80)) / 4
        owlt = draw(st.integers(0, 8)) / 4
        rows.append((str(i), str(a), str(b), start, start + length, draw(st.integers(1, 3)), owlt))
    return ContactTable.of_rows(rows, names=[str(i) for i in range(nodes)])


def every_route(plan, node, target, t_s, size_bit=0.0):
    """All loop-free routes by exhaustion: (arrival, contacts)."""

    def walk(at_node, at, seen, path):
        if at_node == target:
            yield at, tuple(path)
            return
        for c in range(len(plan)):
            v = int(plan.target[c])
            if int(plan.source[c]) != at_node or v in seen:
                continue
            send, last = max(at, plan.start_s[c]), plan.end_s[c]
            tx = size_bit / plan.rate_bps[c]
            if send < last and send + tx <= last:
                yield from walk(v, send + tx + plan.owlt_s[c], seen | {v}, [*path, c])

    yield from walk(node, t_s, {node}, [])


def key(plan, arrival, path):
    """The standard's order of routes, written out."""
    return (
        arrival, len(path), -min(plan.end_s[c] for c in path),
        tuple(int(plan.target[c]) for c in path),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 160), st.integers(0, 3))
def test_arrival_and_best_routes_equal_brute_force(plan, quarter, size):
    t_s = quarter / 4
    all_routes = sorted(key(plan, *r) for r in every_route(plan, 0, 1, t_s, size))
    arrival = earliest_arrival(plan, "0", "1", t_s, size)
    assert arrival == (all_routes[0][0] if all_routes else None)
    found = best_routes(plan, "0", "1", t_s, k=6, size_bit=size)
    got = [(r.arrival_s, r.hops, -r.valid_until_s, tuple(map(int, r.nodes[1:]))) for r in found]
    assert got == all_routes[:6]
    reached = earliest_arrivals(plan, "0", t_s, size)
    assert reached.get("1") == arrival


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 160), st.integers(0, 3))
def test_delivery_is_what_the_route_gives_hop_by_hop(plan, quarter, size):
    by_id = {c: i for i, c in enumerate(plan.contact_id)}
    for route in best_routes(plan, "0", "1", quarter / 4, k=4, size_bit=size):
        at, here = quarter / 4, "0"
        for contact, node, arrival in zip(
            route.contacts, route.nodes[1:], route.arrivals_s, strict=True
        ):
            c = by_id[contact]
            leave = max(at, plan.start_s[c])
            assert plan.names[plan.source[c]] == here
            assert plan.names[plan.target[c]] == node
            assert leave < plan.end_s[c]
            assert leave + size / plan.rate_bps[c] <= plan.end_s[c]
            at, here = leave + size / plan.rate_bps[c] + plan.owlt_s[c], node
            assert at == arrival
        assert here == "1"
        assert len(set(route.nodes)) == len(route.nodes)


@settings(max_examples=40, deadline=None)
@given(plans(), plans(most=1), st.integers(0, 120))
def test_another_contact_never_delays(plan, extra, quarter):
    rows = [
        (str(i), t.names[t.source[c]], t.names[t.target[c]], t.start_s[c], t.end_s[c],
         t.rate_bps[c], t.owlt_s[c])
        for t in (plan, extra) for i, c in enumerate(range(len(t)))
    ]  # fmt: skip
    more = ContactTable.of_rows(rows, names=plan.names)
    before = earliest_arrivals(plan, "0", quarter / 4)
    after = earliest_arrivals(more, "0", quarter / 4)
    assert all(after[n] <= a for n, a in before.items())


@settings(max_examples=40, deadline=None)
@given(plans(), st.integers(0, 120))
def test_arrival_is_never_before_light_time(plan, quarter):
    least = plan.owlt_s.min()
    for arrival in earliest_arrivals(plan, "0", quarter / 4).values():
        assert arrival >= quarter / 4 + least


@settings(max_examples=50, deadline=None)
@given(plans())
def test_profile_equals_earliest_arrival_at_every_departure(plan):
    times = np.arange(0.0, 60.0, 0.25)
    found = arrival_profile(plan, "0")
    for name in plan.names[1:]:
        wanted = [earliest_arrival(plan, name, "0", t) for t in times]
        wanted = [math.inf if w is None else w for w in wanted]
        np.testing.assert_array_equal(found[name].arrival_s(times), wanted)


def is_live(plan, node, targets, t_s, seen):
    if node in targets:
        return True
    return any(
        is_live(plan, int(plan.target[c]), targets, t_s + plan.owlt_s[c], {*seen, node})
        for c in range(plan.first[node], plan.first[node + 1])
        if plan.start_s[c] <= t_s < plan.end_s[c] and int(plan.target[c]) not in {*seen, node}
    )


@settings(max_examples=50, deadline=None)
@given(plans(most=20, nodes=6), st.integers(1, 3))
def test_live_path_equals_brute_force_without_loops(plan, rate):
    found = live_path(plan, ["0", "5"], rate)
    kept = plan.keep(plan.rate_bps >= rate)
    for name in plan.names[1:5]:
        for t_s in np.arange(0.0, 55.0, 0.5):
            wanted = is_live(kept, int(name), {0, 5}, t_s, set())
            assert bool(found[name].contains(t_s)) == wanted, (name, t_s)


def test_a_bundle_does_not_bounce_until_a_window_opens():
    plan = ContactTable.of_rows([
        ("1", "a", "b", 0, 100, 1, 1), ("2", "b", "a", 0, 100, 1, 1), ("3", "b", "z", 50, 100, 1, 1),
    ])  # fmt: skip
    found = live_path(plan, "z")
    assert found["b"].pairs() == [(50, 100)]
    assert found["a"].pairs() == [(49, 99)]


def test_live_path_with_more_forwarders_than_bits_in_a_word():
    count = 130  # a chain of nodes, each handing on to the next
    rows = [(str(i), str(i + 1), str(i), 0, 1000, 1, 0.5) for i in range(count)]
    plan = ContactTable.of_rows(rows)
    paths = find_live_paths(plan, [0], max_hops=count)
    assert paths.of(count).pairs() == [(0.0, 1000.0 - 0.5 * (count - 1))]
    assert len(find_live_paths(plan, [0], max_hops=8).of(8)) == 1
    assert len(find_live_paths(plan, [0], max_hops=8).of(9)) == 0


def test_who_may_forward():
    plan = ContactTable.of_rows([("1", "a", "b", 0, 9, 1, 0), ("2", "b", "z", 0, 9, 1, 0)])
    assert live_path(plan, "z", transit=["b"])["a"].total_s == 9
    assert live_path(plan, "z", transit=[])["a"].total_s == 0
    assert np.isinf(arrival_profile(plan, "z", transit=[])["a"].arrival_s(0.0))


def test_edges_that_differ_by_rounding_do_not_creep():
    """Two craft in contact through many pieces of slightly different light time: few segments."""
    rng = np.random.default_rng(3)
    rows = [("e", "b", "z", 5e5, 6e5, 1, 1.3)]
    for a, b in (("a", "b"), ("b", "a")):
        cuts = np.linspace(0.0, 4e5, 60)
        rows += [(f"{a}{i}", a, b, cuts[i], cuts[i + 1], 1, 0.15 * rng.uniform(0.95, 1.05))
                 for i in range(59)]  # fmt: skip
    found = arrival_profile(ContactTable.of_rows(rows), "z")
    assert max(len(p.start_s) for p in found.values()) < 300
