"""The witness of the best set, by whole-number programming, against trying all sets."""

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.errors import InputError
from orbits.intervals import Intervals

covering = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("covering_witness.py"))))


def brute(pieces, rules, budget):
    names = list(rules.cost)
    able = (
        (covering.hours_of(pieces, some), -sum(rules.cost[n] for n in some))
        for size in range(len(names) + 1)
        for some in itertools.combinations(names, size)
        if sum(rules.cost[n] for n in some) <= budget and rules.allows(frozenset(some))
    )
    return max(able)


@st.composite
def problems(draw):
    count = draw(st.integers(1, 10))
    names = [f"o{k}" for k in range(count)]
    cost = {n: float(draw(st.integers(1, 40))) for n in names}
    pieces = []
    for _ in range(draw(st.integers(0, 12))):
        ways = []
        for _ in range(draw(st.integers(1, 3))):
            members = tuple(sorted(draw(st.sets(st.sampled_from(names), min_size=1, max_size=4))))
            counts = tuple(draw(st.integers(1, 3)) for _ in members)
            ways.append(covering.Way(members, draw(st.integers(1, sum(counts))), counts))
        pieces.append(covering.Piece(float(draw(st.integers(1, 50))), tuple(ways)))
    groups = (tuple(names[:3]),) if count > 5 and draw(st.booleans()) else ()
    requires = {names[-1]: ((names[0], names[1]),)} if count > 3 and draw(st.booleans()) else {}
    return pieces, covering.Rules(cost, groups, requires), float(draw(st.integers(0, 120)))


@settings(max_examples=40, deadline=None)
@given(problems())
def test_best_set_equals_trying_all_and_relaxation_bounds_it(problem):
    pieces, rules, budget = problem
    hours, cost = brute(pieces, rules, budget)
    found = covering.best_set(pieces, rules, budget)
    assert found.hours == pytest.approx(hours, abs=1e-9)
    assert found.cost == pytest.approx(-cost)  # of equals the cheapest
    assert found.cost <= budget
    assert rules.allows(frozenset(found.chosen))
    assert covering.relaxed_bound(pieces, rules, budget) >= hours - 1e-6
    greedy = covering.greedy_set(pieces, rules, budget)
    assert greedy.hours <= hours + 1e-9
    assert greedy.bound_hours >= hours - 1e-6


def test_half_of_what_a_fix_needs_serves_nothing():
    pieces = [
        covering.Piece(1.0, (covering.Way(("o0",), 1, (1,)),)),
        covering.Piece(1.0, (covering.Way(("o0", "o1", "o2"), 2, (1, 1, 1)),)),
    ]
    found = covering.best_set(pieces, covering.Rules({"o0": 2.0, "o1": 1.0, "o2": 1.0}), 1.0)
    assert (found.chosen, found.hours, found.cost) == ((), 0.0, 0.0)


def test_greedy_can_be_arbitrarily_bad_where_options_need_each_other():
    """Two that serve only together, beside one that serves a little alone: no guarantee holds."""
    pieces = [
        covering.Piece(100.0, (covering.Way(("a", "b"), 2),)),
        covering.Piece(1.0, (covering.Way(("c",), 1),)),
    ]
    rules = covering.Rules({"a": 5.0, "b": 5.0, "c": 5.0})
    greedy = covering.greedy_set(pieces, rules, 10.0)
    assert greedy.hours == 1.0
    assert covering.best_set(pieces, rules, 10.0).hours == 100.0
    assert greedy.bound_hours >= 100.0


def test_four_sources_for_a_fix_are_a_cover_of_four():
    way = covering.Way(("pair", "trio", "one"), 4, (2, 3, 1))
    rules = covering.Rules({"pair": 20.0, "trio": 28.0, "one": 11.0})
    pieces = [covering.Piece(10.0, (way,))]
    assert covering.best_set(pieces, rules, 39.0).chosen == ("trio", "one")
    assert covering.best_set(pieces, rules, 38.0).hours == 0.0
    # fractions of satellites would do it for less: the bound is not reached
    assert 0.0 < covering.relaxed_bound(pieces, rules, 38.0) <= 10.0 + 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pieces_of_time_give_back_what_every_set_serves(seed):
    """Random monotone service over minutes: the pieces know all 2^4 sets."""
    rng = np.random.default_rng(seed)
    names, minutes = ["a", "b", "c", "d"], 40
    ways = [
        [
            frozenset(rng.choice(names, size=rng.integers(1, 4), replace=False).tolist())
            for _ in range(rng.integers(0, 3))
        ]
        for _ in range(minutes)
    ]
    sets = [frozenset(s) for k in range(5) for s in itertools.combinations(names, k)]
    spans = {
        s: Intervals.from_pairs(
            [(60.0 * m, 60.0 * m + 60.0) for m in range(minutes) if any(w <= s for w in ways[m])]
        )
        for s in sets
    }
    pieces = covering.pieces_of({"k": spans})
    for s in sets:
        assert covering.hours_of(pieces, s) * 3600.0 == pytest.approx(spans[s].total_s, abs=1e-6)


def test_bad_budget_and_nothing_to_choose():
    with pytest.raises(InputError, match="budget"):
        covering.best_set([], covering.Rules({"a": 1.0}), float("nan"))
    assert covering.best_set([], covering.Rules({"a": 1.0}), 10.0).chosen == ()
    assert covering.best_set([], covering.Rules({}), 10.0).hours == 0.0
