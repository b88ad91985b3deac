"""The best set by branch and bound, against trying all sets and whole-number programming."""

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.options.branching import ALIKE_H, Game, prove_best
from orbits.intervals import Intervals

covering = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("covering_witness.py"))))

HOURS = 24  # pieces of time, each of an hour
NAMES = [f"o{k}" for k in range(10)]
SPAN = Intervals([0.0], [3600.0 * HOURS])


class Pool:
    """Ten options, two of them versions of one, another that requires a third; joint service."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.cost = {n: float(rng.integers(1, 40)) for n in NAMES}
        self.ways = {
            key: [
                [
                    frozenset(rng.choice(NAMES, size=rng.integers(1, 5), replace=False).tolist())
                    for _ in range(rng.integers(0, 3))
                ]
                for _ in range(HOURS)
            ]
            for key in ("relay", "fix")
        }
        self.budget = float(rng.integers(0, 120))
        self.asked = 0

    def whole(self, key, ids):
        ids = frozenset(ids)
        hours = [h for h in range(HOURS) if any(w <= ids for w in self.ways[key][h])]
        return Intervals.union_of(
            [Intervals([3600.0 * h], [3600.0 * h + 3600.0]) for h in hours] or [Intervals()]
        )

    def served(self, ids, windows):
        self.asked += 1
        return {k: self.whole(k, ids) & w for k, w in windows.items()}

    def able(self, ids):
        return "o3" not in ids or "o4" in ids

    def allowed(self, ids):
        return not {"o0", "o1"} <= set(ids) and self.able(ids)

    def hours(self, ids):
        return sum(self.whole(k, ids).total_s for k in self.ways) / 3600.0

    def game(self, order=NAMES):
        return Game(order, self.cost, self.served, {"o0": ["o1"], "o1": ["o0"]}, self.able)

    def brute(self):
        return max(
            self.hours(some)
            for size in range(len(NAMES) + 1)
            for some in itertools.combinations(NAMES, size)
            if sum(self.cost[i] for i in some) <= self.budget and self.allowed(some)
        )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_best_set_is_that_of_trying_all_and_of_the_whole_number_program(seed):
    pool = Pool(seed)
    best = pool.brute()
    found = prove_best(pool.game(), {k: SPAN for k in pool.ways}, pool.budget, most_runs=5000)
    assert found.hours == pytest.approx(best)
    assert found.hours == pytest.approx(pool.hours(found.chosen))
    assert found.cost == sum(pool.cost[i] for i in found.chosen) <= pool.budget
    assert pool.allowed(found.chosen)
    assert found.complete
    assert best - 1e-9 <= found.bound_hours <= best + ALIKE_H
    assert found.runs == pool.asked
    everything = [frozenset(s) for k in range(11) for s in itertools.combinations(NAMES, k)]
    small = {s for s in everything if len(s) <= 4}  # what first serves a piece is never larger
    pieces = covering.pieces_of({k: {s: pool.whole(k, s) for s in small} for k in pool.ways})
    rules = covering.Rules(pool.cost, (("o0", "o1"),), {"o3": (("o4",),)})
    assert covering.best_set(pieces, rules, pool.budget).hours == pytest.approx(best)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_a_search_that_is_cut_short_says_what_it_did_not_exclude(seed, most_runs):
    pool = Pool(seed)
    best = pool.brute()
    gaps = {k: SPAN for k in pool.ways}
    found = prove_best(pool.game(), gaps, pool.budget, most_runs=most_runs)
    assert found.hours <= best + 1e-9 <= found.bound_hours + 2e-9
    if not found.complete:
        assert found.runs <= most_runs + 1


def test_a_known_best_set_saves_runs_and_is_kept():
    pool = Pool(11)
    gaps = {k: SPAN for k in pool.ways}
    first = prove_best(pool.game(), gaps, pool.budget, most_runs=5000)
    assert first.hours > 0.0
    known = (first.hours, first.chosen)
    again = prove_best(pool.game(), gaps, pool.budget, known=known, most_runs=5000)
    assert again.chosen == first.chosen
    assert again.runs <= first.runs


def test_options_that_serve_only_together_are_found():
    """Alone each of four fills nothing; greedy by gain alone would stop before it began."""
    names = ["a", "b", "c", "d"]

    def served(ids, windows):
        return {k: w if set(names) <= set(ids) else Intervals() for k, w in windows.items()}

    game = Game(names, dict.fromkeys(names, 10.0), served)
    assert prove_best(game, {"fix": SPAN}, 40.0).chosen == tuple(names)
    none = prove_best(game, {"fix": SPAN}, 39.0)
    assert (none.chosen, none.hours) == ((), 0.0)
    assert none.bound_hours == 0.0
