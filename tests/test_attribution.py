"""Shares of a whole: the axioms that define them, brute force, and games whose answer is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.options.attribution import shapley_exact, shares
from cislunar.options.subsets import explore
from orbits.errors import InputError
from orbits.intervals import Intervals


def by_orders(players, value):
    """The definition, spelled out: what each adds, averaged over all orders."""
    total = dict.fromkeys(players, 0.0)
    for order in itertools.permutations(players):
        for k, player in enumerate(order):
            total[player] += value(frozenset(order[: k + 1])) - value(frozenset(order[:k]))
    return [total[p] / math.factorial(len(players)) for p in players]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_exact_shares_are_the_mean_over_all_orders_and_add_up(count, seed):
    players = [f"p{k}" for k in range(count)]
    table = np.random.default_rng(seed).normal(size=2**count)

    def value(names):
        return np.array([table[sum(1 << k for k, p in enumerate(players) if p in names)]])

    found = shares(players, value)
    assert found.exact
    assert found.shapley.ravel() == pytest.approx(by_orders(players, lambda s: value(s)[0]))
    assert found.shapley.sum() == pytest.approx(table[-1] - table[0])  # efficiency
    assert found.whole[0] == pytest.approx(table[-1] - table[0])
    for k, p in enumerate(players):
        assert found.add_one[k, 0] == pytest.approx(table[1 << k] - table[0])
        rest = frozenset(players) - {p}
        assert found.leave_one_out[k, 0] == pytest.approx(table[-1] - value(rest)[0])


def test_axioms_on_games_with_known_answers():
    # the glove game: one left glove, two right ones (Shapley: 2/3, 1/6, 1/6)
    glove = shares(["l", "r1", "r2"], lambda s: np.array([float("l" in s and len(s) > 1)]))
    assert glove.shapley.ravel().tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    # the airport game (Littlechild and Owen 1973): each stretch is shared by those who use it
    need = {"small": 1.0, "middle": 4.0, "large": 10.0}
    airport = shares(list(need), lambda s: np.array([max((need[p] for p in s), default=0.0)]))
    assert airport.shapley.ravel().tolist() == pytest.approx([1 / 3, 1 / 3 + 1.5, 1 / 3 + 1.5 + 6])
    # four satellites for a fix beside one that never adds anything: symmetry and dummy
    four = shares(["a", "b", "c", "d", "idle"], lambda s: np.array([float(len(s - {"idle"}) > 3)]))
    assert four.shapley.ravel().tolist() == pytest.approx([0.25] * 4 + [0.0])
    assert four.add_one.sum() == 0.0
    assert four.leave_one_out.ravel().tolist() == [1.0] * 4 + [0.0]


def test_sampled_shares_add_up_and_lie_within_their_error():
    rng = np.random.default_rng(5)
    players = [f"p{k}" for k in range(9)]
    reach = {p: frozenset(rng.choice(60, size=15, replace=False).tolist()) for p in players}

    def value(names):
        return np.array([float(len(frozenset().union(*(reach[p] for p in names))))])

    exact = shares(players, value)
    sampled = shares(players, value, exact_players=0, orders=400, seed=3)
    assert not sampled.exact
    assert sampled.orders == 400
    assert sampled.shapley.sum() == pytest.approx(exact.whole[0])  # every order adds up
    off = np.abs(sampled.shapley - exact.shapley) / sampled.standard_error
    assert off.max() < 4.0
    assert 0.3 < np.sqrt((off**2).mean()) < 1.8  # neither flattering nor idle
    again = shares(players, value, exact_players=0, orders=400, seed=3)
    assert (again.shapley == sampled.shapley).all()


def test_the_error_of_a_sum_of_keys_is_that_of_the_sum():
    """Keys share their orders: of two that are alike the errors add up, not their squares."""
    rng = np.random.default_rng(8)
    players = [f"p{k}" for k in range(6)]
    reach = {p: frozenset(rng.choice(40, size=12, replace=False).tolist()) for p in players}

    def value(names):
        filled = float(len(frozenset().union(*(reach[p] for p in names))))
        return np.array([filled, filled, 100.0 - filled])  # alike, and opposite

    found = shares(players, value, exact_players=0, orders=60)
    one = found.standard_error[:, 0]
    assert one.min() > 0
    assert found.standard_error_of(np.array([True, False, False])) == pytest.approx(one)
    assert found.standard_error_of(np.array([True, True, False])) == pytest.approx(2 * one)
    assert found.standard_error_of(np.array([True, False, True])) == pytest.approx(0.0, abs=1e-12)
    exact = shares(players, value)
    assert exact.standard_error_of(np.ones(3, bool)).tolist() == [0.0] * 6


def test_bad_games():
    with pytest.raises(InputError, match="twice"):
        shares(["a", "a"], lambda s: np.zeros(1))
    with pytest.raises(InputError, match="orders"):
        shares(["a"], lambda s: np.zeros(1), orders=1)
    assert shapley_exact(np.zeros((1, 2))).shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_exploring_gives_what_every_set_serves(seed):
    """Random monotone service with joint effects and versions, every choice asked outright."""
    rng = np.random.default_rng(seed)
    groups = [["a1", "a2", "a3"], ["b"], ["c1", "c2"], ["d"]]
    names = [n for g in groups for n in g]
    ways = {
        key: [
            [
                frozenset(rng.choice(names, size=rng.integers(0, 4), replace=False).tolist())
                for _ in range(rng.integers(0, 3))
            ]
            for _ in range(30)
        ]
        for key in ("relay", "fix")
    }

    def whole(key, ids):
        return Intervals.from_pairs(
            [(m, m + 1) for m in range(30) if any(w <= frozenset(ids) for w in ways[key][m])]
        )

    asked = []

    def served(ids, windows):
        asked.append(ids)
        return {k: whole(k, ids) & w for k, w in windows.items()}

    base = {k: whole(k, ()) for k in ways}
    top = {k: whole(k, names) for k in ways}
    found = explore(groups, base, top, served)
    for choice in itertools.product(*(["", *g] for g in groups)):
        chosen = frozenset(filter(None, choice))
        gained = dict(zip(found.keys, found.gained_s(chosen), strict=True))
        for key in ways:
            more = whole(key, chosen).total_s - base[key].total_s
            assert gained[key] == pytest.approx(more)
        assert found.total_gained_s(chosen) == pytest.approx(sum(gained.values()))
    assert found.sets == 4 * 2 * 3 * 2
    assert found.runs == len(asked)
    nothing = explore(groups, base, base, served)
    assert nothing.runs == 0  # where everything serves no more than nothing, nobody is asked
