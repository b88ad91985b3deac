"""NSGA-II over the axes of a trade: the next variants are chosen from what the last ones gave."""

from __future__ import annotations

from typing import Any

import numpy as np

from cislunar.sweep.designs import from_unit, meets, settled
from cislunar.sweep.trade import Trade
from cislunar.sweep.variants import key_of
from orbits.errors import InputError


def optimise(trade: Trade, runner: Any) -> None:
    """Fills the runner's rows with the generations of a search, seeded, always the same.

    Every axis is a share of its range, [0, 1), so that numbers, whole numbers and lists are
    searched alike. Each distinct variant is computed once and numbered in order of appearance; one
    that fails, lacks an objective or breaks a constraint is infeasible. Of variants that are equal
    in every objective one is kept before any other of them: a search that counts satellites would
    else fill up with hundreds as good as each other.
    """
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.evaluator import Evaluator
        from pymoo.core.problem import Problem
        from pymoo.problems.static import StaticProblem
    except ImportError:
        raise InputError(
            "optimisation needs the extra 'distributed'",
            allowed="pip install cislunar-planner[distributed]",
        ) from None
    design: Any = trade.design
    axes = trade.axes
    problem = Problem(n_var=len(axes), n_obj=len(trade.objectives), n_ieq_constr=1, xl=0.0, xu=1.0)
    survival, repair = _operators(axes)
    algorithm: Any = NSGA2(pop_size=design.population, survival=survival, repair=repair)
    algorithm.setup(problem, termination=("n_gen", design.generations), seed=design.seed)
    numbers: dict[str, int] = {}
    signs = [1.0 if way == "min" else -1.0 for way in trade.objectives.values()]
    while algorithm.has_next():
        asked = algorithm.ask()
        points = [
            {
                n: from_unit(a, min(float(s), 1.0 - 1e-12))
                for (n, a), s in zip(axes.items(), row, strict=True)
            }
            for row in asked.get("X")
        ]
        allowed = [meets(trade, p) for p in points]
        new = []
        for point, good in zip(points, allowed, strict=True):
            key = key_of(point)
            if good and key not in numbers:
                numbers[key] = len(numbers)
                new.append((numbers[key], point))
        runner.run(new)
        costs = np.zeros((len(points), len(signs)))
        broken = np.ones((len(points), 1))
        for k, (point, good) in enumerate(zip(points, allowed, strict=True)):
            row = runner.rows[numbers[key_of(point)]] if good else None
            found = [] if row is None else [row[n] for n in trade.objectives if row[n] is not None]
            if len(found) == len(signs):
                costs[k] = [s * v for s, v in zip(signs, found, strict=True)]
                broken[k] = 0.0
        Evaluator().eval(StaticProblem(problem, F=costs, G=broken), asked)
        algorithm.tell(infills=asked)


def _operators(axes: Any) -> tuple[Any, Any]:
    """Who survives a generation, and how the shares of a child are settled."""
    from pymoo.core.population import Population
    from pymoo.core.repair import Repair
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    class DistinctFirst(RankAndCrowding):  # of those equal in every objective one, then the rest
        def _do(self, problem, pop, *given, n_survive: Any = None, **more):
            first = np.unique(pop.get("F"), axis=0, return_index=True)[1]
            others = np.setdiff1d(np.arange(len(pop)), first)
            size = min(n_survive, len(first))
            kept = super()._do(problem, pop[np.sort(first)], *given, n_survive=size, **more)
            if n_survive > size:
                spare: Any = super()._do(
                    problem, pop[others], *given, n_survive=n_survive - size, **more
                )
                spare.set("crowding", -1.0)  # loses to any that is not there twice
                spare.set("rank", spare.get("rank") + len(pop))
                kept = Population.merge(kept, spare)
            return kept

    class Settled(Repair):  # so that two children are equal where their variants are
        def _do(self, problem, X, **more):
            columns = [
                [settled(axis, min(float(s), 1.0 - 1e-12)) for s in X[:, k]]
                for k, axis in enumerate(axes.values())
            ]
            return np.array(columns).T

    return DistinctFirst(), Settled()
