"""Who is served when links contend: hand-solved cases, brute force, bounds, and laws."""

import numpy as np
import pytest

from cislunar.contacts import ContactPlan
from cislunar.contention.bound import proof_s
from cislunar.contention.milp import instants_s
from cislunar.contention.problem import Pool, Problem, Session, Window, served_s
from cislunar.contention.schedule import build_problem, contend, navigating, pools_of, solve
from cislunar.nodes import Node
from cislunar.ranging import Ranging
from cislunar.schema import Aperture, Contention
from cislunar.terminal_records import Terminal
from orbits.epoch import Epoch
from orbits.intervals import Intervals

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")


def session(user, pairs, pools, priority=1.0, value=1.0, partner=None, terminal="t"):
    start, end = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    return Session(
        ((user, terminal), ("relay", "r")), user, priority, start, end,
        np.full(start.size, value), tuple((p, partner or user) for p in pools),
    )  # fmt: skip


def faults(problem, grants):
    """Everything in a schedule that breaks a rule, worked out from the grants alone."""
    found = []
    for k, (one, spans) in enumerate(zip(problem.sessions, grants, strict=True)):
        room = problem.windows(k)
        if (spans - room).total_s > 1e-6:
            found.append(f"{one.user} is granted what is not open")
        if one.pools:
            found += [
                f"{one.user} has a grant of {b - a} s"
                for a, b in spans
                if b - a < problem.minimum_contact_s - 1e-6
            ]
    for p, pool in enumerate(problem.pools):
        by_partner = {}
        for one, spans in zip(problem.sessions, grants, strict=True):
            for number, partner in one.pools:
                if number == p:
                    by_partner[partner] = by_partner.get(partner, Intervals()) | spans
        events = []
        for spans in by_partner.values():
            # a beam is not set up anew for the partner that it has
            for a, b in Intervals(spans.start_s - problem.set_up_s, spans.end_s):
                events += [(a + 1e-6, 1), (b - 1e-6, -1)]
        busy = 0
        for _, change in sorted(events):
            busy += change
            if busy > pool.capacity:
                found.append(f"{pool.name} serves {busy}")
    return found


def brute_force(problem):
    """The best objective over all schedules that change at whole seconds, tried best first."""
    cells = [
        (k, t)
        for k in range(len(problem.sessions))
        for a, b in problem.windows(k)
        for t in range(round(a), round(b))
    ]
    on = np.arange(2 ** len(cells))[:, None] >> np.arange(len(cells)) & 1
    worth = np.zeros(len(on))
    for user in {s.user for s in problem.sessions}:
        for second in {t for _, t in cells}:
            served = np.zeros(len(on))
            for c, (k, t) in enumerate(cells):
                one = problem.sessions[k]
                if t == second and one.user == user and one.open.contains(t + 0.5):
                    served += one.value[0] * on[:, c]
                    priority = one.priority
            if served.any():
                worth += priority * np.minimum(served, 1.0)
    for i in np.argsort(-worth, kind="stable"):
        taken = [[] for _ in problem.sessions]
        for c in np.flatnonzero(on[i]):
            k, t = cells[c]
            taken[k].append((float(t), float(t + 1)))
        if not faults(problem, [Intervals.from_pairs(t) for t in taken]):
            return float(worth[i])
    raise AssertionError("not even nothing is feasible")


# --- by hand ---------------------------------------------------------------------------------


def test_the_higher_priority_is_served_and_the_other_waits_for_the_set_up():
    """One beam; 'low' may 0-20, 'high' may 5-12; a change takes 2 s.

    'high' counts threefold, so it gets 5-12; 'low' gets 0-3 (the beam turns 3-5) and 14-20.
    """
    problem = Problem(
        [session("low", [(0, 20)], [0]), session("high", [(5, 12)], [0], priority=3.0)],
        [Pool("relay", "beam", 1)],
        set_up_s=2.0,
    )
    for method in ("exact", "greedy"):
        schedule = solve(problem, method)
        assert schedule.grants[0].pairs() == [(0.0, 3.0), (14.0, 20.0)]
        assert schedule.grants[1].pairs() == [(5.0, 12.0)]
        assert schedule.served_s == pytest.approx(9.0 + 3 * 7.0)
    assert solve(problem, "exact").optimality_gap_frac == 0.0


def test_a_least_contact_leaves_short_rests_unserved():
    """As before, but nothing under 4 s is granted.

    At priority 3 'low' gets 0-4, which costs 'high' one second (3) and is worth 4; at priority 5
    it is not. Without set-up all fits.
    """
    pool = [Pool("relay", "beam", 1)]
    for priority, first in ((3.0, [(0.0, 4.0)]), (5.0, [])):
        sessions = [session("low", [(0, 20)], [0]), session("high", [(5, 12)], [0], priority)]
        schedule = solve(Problem(sessions, pool, 2.0, 4.0), "exact")
        assert schedule.grants[0].pairs() == [*first, (14.0, 20.0)]
        whole = solve(Problem(sessions, pool), "exact").served_s
        assert whole == pytest.approx(13.0 + 7.0 * priority)


def test_the_greedy_choice_can_be_wrong_and_says_by_how_much():
    """A middle pass of 10 s blocks two others, each 8 s, that both fit without it.

    With a set-up of 3 s the beam serves either (0-8) and (11-19), worth 16, or the middle 5-15
    and little else. The priority of the middle makes the greedy take it first.
    """
    problem = Problem(
        [
            session("a", [(0, 8)], [0]),
            session("b", [(11, 19)], [0]),
            session("middle", [(5, 15)], [0], priority=1.1),
        ],
        [Pool("relay", "beam", 1)],
        set_up_s=3.0,
    )
    exact, greedy = solve(problem, "exact"), solve(problem, "greedy")
    assert exact.served_s == pytest.approx(16.0)
    assert greedy.served_s < exact.served_s <= greedy.bound_s + 1e-9
    assert greedy.optimality_gap_frac >= 1.0 - greedy.served_s / exact.served_s


def test_one_aperture_for_two_bands_serves_one_partner_on_both():
    """S and Ka of one dish: the same user may have both at once, two users may not."""
    both = Problem(
        [session("a", [(0, 10)], [0, 2]), session("a", [(0, 10)], [1, 2], terminal="ka")],
        [Pool("relay", "s", 2), Pool("relay", "ka", 1), Pool("relay", "dish", 1)],
    )
    assert [g.total_s for g in solve(both, "exact").grants] == [10.0, 10.0]
    apart = Problem(
        [session("a", [(0, 10)], [0, 2]), session("b", [(4, 10)], [1, 2], terminal="ka")],
        both.pools,
    )
    found = solve(apart, "exact")
    assert found.served_s == pytest.approx(10.0)
    assert not faults(apart, found.grants)


def test_a_chain_of_tight_contacts_is_followed_to_its_end():
    """'high' begins at 10, so the beam turns from 8; 'mid' lasts 5-8, so 'first' stops at 3.

    'first' could go on to 4.2, worth 2.4, but then 'mid', worth 3, has no 3 s left. Its end, 3,
    is a set-up, a least contact and a set-up away from the edge at 10.
    """
    problem = Problem(
        [
            session("first", [(0, 4.2)], [0], priority=2.0),
            session("mid", [(0, 8.7)], [0]),
            session("high", [(10, 20)], [0], priority=5.0),
        ],
        [Pool("relay", "beam", 1)],
        set_up_s=2.0,
        minimum_contact_s=3.0,
    )
    schedule = solve(problem)
    assert [g.pairs() for g in schedule.grants] == [[(0.0, 3.0)], [(5.0, 8.0)], [(10.0, 20.0)]]
    assert schedule.served_s == pytest.approx(6.0 + 3.0 + 50.0)
    assert (schedule.groups, schedule.exact_groups) == (1, 1)
    shallow = solve(problem, exact_most=20)  # too few decisions to look that far
    assert not faults(problem, shallow.grants)
    assert shallow.served_s < schedule.served_s <= shallow.bound_s
    assert shallow.exact_groups == 0


# --- against brute force ---------------------------------------------------------------------


def random_problem(rng, set_up, least, capacity=None, size=11):
    """Two or three users of one or two pools, all times whole seconds, ``size`` cells in all."""
    sessions, cells = [], 0
    pools = [Pool("relay", "beam", capacity or int(rng.integers(1, 3))), Pool("ground", "dish", 1)]
    while cells < size and len(sessions) < 4:
        length = int(rng.integers(2, min(6, size - cells + 1) + 1))
        start = int(rng.integers(0, 9))
        user = "abc"[int(rng.integers(3))]
        use = [[0], [0, 1], [1]][int(rng.integers(3))]
        sessions.append(
            session(
                user, [(start, start + length)], use, {"a": 1.0, "b": 2.0, "c": 1.5}[user],
                float(rng.choice([0.4, 1.0])), terminal=str(len(sessions)),
            )
        )  # fmt: skip
        cells += length
    return Problem(sessions, pools, float(set_up), float(least))


@pytest.mark.parametrize(("set_up", "least"), [(0, 0), (2, 0), (0, 3), (1, 2)])
def test_exact_equals_brute_force(set_up, least, evidence):
    rng = np.random.default_rng(100 * set_up + least)
    worst, count = 0.0, 16
    for _ in range(count):
        problem = random_problem(rng, set_up, least)
        exact, greedy = solve(problem, "exact"), solve(problem, "greedy")
        best = brute_force(problem)
        windows = [
            Window(k, a, b) for k in range(len(problem.sessions)) for a, b in problem.windows(k)
        ]
        limit = proof_s(problem, windows, {}, instants_s(problem, windows, {}, 0))
        assert limit >= best - 1e-6  # of any schedule, whenever it changes
        worst = max(worst, abs(exact.served_s - best))
        assert not faults(problem, exact.grants)
        assert not faults(problem, greedy.grants)
        assert exact.exact_groups == exact.groups  # proved, not only found
        assert greedy.served_s <= exact.served_s + 1e-9
        assert exact.served_s <= greedy.bound_s + 1e-6
        assert exact.served_s == pytest.approx(served_s(problem, exact.grants))
    evidence(
        f"contention, exact: set-up {set_up} s, least contact {least} s", "every schedule tried",
        count, worst, 1e-6, "s", "the program must find the best of all schedules",
    )  # fmt: skip


# --- laws ------------------------------------------------------------------------------------


def busy_problem(rng, capacity, users=8, set_up=60.0, least=120.0):
    pools = [Pool("relay-1", "beam", capacity), Pool("relay-2", "beam", capacity)]
    sessions = []
    for u in range(users):
        pools.append(Pool(f"user-{u}", "radio", 1))
        for relay in (0, 1):
            start = np.sort(rng.uniform(0, 86400, 4))
            end = np.minimum(start + rng.uniform(300, 9000, 4), np.append(start[1:] - 400, 90000))
            keep = end - start > 200
            spans = list(zip(start[keep], end[keep], strict=True)) or [(0.0, 500.0)]
            sessions.append(
                Session(
                    ((f"user-{u}", "radio"), (f"relay-{relay}", "beam")), f"user-{u}",
                    1.0 + u % 3, np.array([a for a, _ in spans]), np.array([b for _, b in spans]),
                    np.full(len(spans), 1.0),
                    ((relay, f"user-{u}"), (2 + u, f"relay-{relay}")),
                )
            )  # fmt: skip
    return Problem(sessions, pools, set_up, least)


def test_greedy_is_feasible_and_under_the_bound_on_busy_days():
    for seed in range(4):
        problem = busy_problem(np.random.default_rng(seed), 1 + seed % 2)
        greedy, auto = solve(problem, "greedy"), solve(problem, "auto")
        assert greedy.groups >= 1
        for schedule in (greedy, auto):
            assert not faults(problem, schedule.grants)
            assert schedule.served_s <= schedule.bound_s * (1 + 1e-12)
        assert schedule.served_s > 0.5 * schedule.bound_s
    loose = solve(problem, "greedy", bound=False)
    assert loose.served_s == greedy.served_s
    assert loose.bound_s == np.inf


def test_enough_beams_serve_everything():
    problem = busy_problem(np.random.default_rng(3), 100, least=0.0)
    pools = [Pool(p.node, p.name, 100) for p in problem.pools]
    schedule = solve(Problem(problem.sessions, pools, 60.0, 0.0))
    assert schedule.groups == 0
    assert schedule.optimality_gap_frac == 0.0
    for one, spans in zip(problem.sessions, schedule.grants, strict=True):
        assert (one.open - spans).total_s == 0.0


def test_one_more_beam_never_serves_less():
    rng = np.random.default_rng(11)
    for _ in range(6):
        problem = random_problem(rng, int(rng.integers(0, 3)), 0, capacity=1, size=20)
        before = solve(problem, "exact").served_s
        more = [Pool(p.node, p.name, p.capacity + 1) for p in problem.pools]
        after = solve(Problem(problem.sessions, more, problem.set_up_s), "exact").served_s
        assert after >= before - 1e-9


# --- on plans --------------------------------------------------------------------------------


def radio(name, role, links, band="X", broadcast=False):
    side = {"band": band, "eirp_dbw": 10.0, "required_ebn0_db": 1.0, "rates_bps": (1e6,)}
    return Terminal(
        id=name, role=role, simultaneous_links=links, broadcast=broadcast,
        transmit=side, receive={"band": band, "g_over_t_db_k": 0.0},
    )  # fmt: skip


def node(name, kind, *terminals, **more):
    return Node(name, kind, terminals=terminals, service=Intervals([0.0], [1000.0]), **more)


def plan_of(rows):
    columns = list(zip(*rows, strict=True))
    objects = [np.array(c, dtype=object) for c in columns]
    start, end, owlt, rate = (np.array(c, dtype=float) for c in columns[4:8])
    n = len(rows)
    return ContactPlan(
        EPOCH, 1000.0, source=objects[0], target=objects[2], start_s=start, end_s=end,
        owlt_s=owlt, rate_bps=rate, margin_db=np.ma.zeros(n), band=np.full(n, "X", dtype=object),
        terminal_source=objects[1], terminal_target=objects[3],
        kind=np.full(n, "surface-relay", dtype=object),
    )  # fmt: skip


@pytest.fixture
def small():
    """Two users want the single beam of one relay, each in both directions, 1 s away."""
    nodes = [
        node("a", "asset", radio("u", "user", 1)),
        node("b", "asset", radio("u", "user", 1), priority=2.0),
        node("relay", "spacecraft", radio("r", "relay", 1)),
    ]
    plan = plan_of(
        [
            ("a", "u", "relay", "r", 0, 500, 1.0, 1e6),
            ("relay", "r", "a", "u", 1, 499, 1.0, 1e6),
            ("b", "u", "relay", "r", 200, 400, 1.0, 1e6),
            ("relay", "r", "b", "u", 201, 399, 1.0, 1e6),
        ]
    )
    return nodes, plan


def test_a_plan_is_cut_to_what_arrives_within_the_grant(small):
    nodes, plan = small
    done = contend(plan, nodes, Contention(set_up_s=30.0))
    rows = set(
        zip(done.plan.source, done.plan.target, done.plan.start_s, done.plan.end_s, strict=True)
    )
    # b holds the beam from 200 to 401, a until 170 and from 431; what a sends arrives by 170
    assert rows == {
        ("b", "relay", 200.0, 400.0), ("relay", "b", 201.0, 399.0),
        ("a", "relay", 0.0, 169.0), ("a", "relay", 431.0, 500.0),
        ("relay", "a", 1.0, 169.0), ("relay", "a", 431.0, 499.0),
    }  # fmt: skip
    assert done.plan.wanted is plan
    assert done.plan.closable is plan
    assert list(done.plan.contact_id) == [f"c{i:06d}" for i in range(1, 7)]
    assert (np.diff(done.plan.start_s) >= 0).all()


def test_no_rules_and_enough_beams_leave_the_plan_as_it_is(small):
    nodes, plan = small
    assert contend(plan, nodes, None).plan is plan
    assert contend(plan, nodes, Contention(method="none")).plan is plan
    wide = [node(n.name, n.kind, *(radio(t.id, t.role, 5) for t in n.terminals)) for n in nodes]
    done = contend(plan, wide, Contention(set_up_s=30.0)).plan
    assert done.frame.equals(plan.frame)


def test_stations_have_as_many_links_as_antennas_times_links_each():
    station = node("dsn", "station", radio("x", "station", 2), radio("ka", "station", 1, "K"),
                   antennas=3)  # fmt: skip
    pools, uses = pools_of(station)
    assert {p.name: p.capacity for p in pools} == {"x": 6, "ka": 3, "antennas": 6}
    assert [pools[i].name for i in uses["x"]] == ["x", "antennas"]


def test_navigation_goes_off_while_its_dish_serves_a_link(small):
    nodes, plan = small
    dish = {"dish": Aperture(terminals=("r", "nav"))}
    nodes[2] = node("relay", "spacecraft", radio("r", "relay", 1),
                    radio("nav", "navigation", None, "S", True), apertures=dish)  # fmt: skip
    rules = Contention(navigation_priority=0.5)
    done = contend(plan, nodes, rules)
    # links count more: the signal is on only before and after them
    assert done.navigation["relay"].pairs() == [(501.0, 1000.0)]
    seen = {("relay", "a"): Ranging(Intervals([400.0], [800.0]), (1.0, 1.0))}
    assert navigating(seen, done.navigation)["relay", "a"].visible.pairs() == [(501.0, 800.0)]
    first = contend(plan, nodes, Contention(navigation_priority=10.0))
    assert first.navigation["relay"].total_s == 1000.0
    assert len(first.plan) == 0
    problem, _ = build_problem(plan, nodes, rules)
    assert problem.sessions[-1].user == "relay navigation"
