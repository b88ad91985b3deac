"""The best set of a whole pool within a budget, with a proof, though few sets are ever run.

More options never serve less where nobody contends: no set serves more than all that could still
be afforded, at once. A branch says of some options that they are in and of others that they are
out; where even all the rest together would fill no more than the best set known, the branch is
done. Where the limit of runs ends the search, the largest of these bounds is what is not excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from orbits.intervals import Intervals

Served = Callable[[frozenset[str], Mapping[Hashable, Intervals]], Mapping[Hashable, Intervals]]
HOUR_S = 3600.0
ALIKE_H = 0.01  # sets that fill this much more are not looked for: edges are known to 0.01 s
LOOKED_AT_S = 0.5  # less open time than this in a key is not asked for


@dataclass(frozen=True)
class Game:
    """Options in the order to decide them, their costs, rivals and what a set must keep to.

    ``rivals[i]``: options of which at most one is there; ``able(set)``: True for a set that has all
    it requires. ``served(set, windows)`` gives spans within the windows, never less for more.
    """

    order: Sequence[str]
    cost: Mapping[str, float]
    served: Served
    rivals: Mapping[str, Collection[str]] = field(default_factory=dict)
    able: Callable[[frozenset[str]], bool] = lambda chosen: True


@dataclass(frozen=True)
class Proof:
    """The best set found (hours filled, cost), and the hours that no set within the budget exceeds.

    ``runs``: how often options were run to show it. ``complete``: False where the limit of runs
    ended the search, so that ``bound_hours`` is not reached by any set that is known.
    """

    chosen: tuple[str, ...]
    hours: float
    cost: float
    bound_hours: float
    runs: int
    complete: bool


def prove_best(
    game: Game,
    gaps: Mapping[Hashable, Intervals],
    budget: float,
    *,
    known: tuple[float, Sequence[str]] = (0.0, ()),
    most_runs: int = 100,
) -> Proof:
    """The set that fills most of the gaps within a budget, and the bound that proves it.

    ``gaps``: the time of each key in which service counts. ``known``: hours of a set within the
    budget that is known already.

    >>> spans = {"a": Intervals([0.0], [7200.0]), "b": Intervals([3600.0], [18000.0])}
    >>> def served(ids, windows):
    ...     return {k: Intervals.union_of(spans[i] for i in ids) & w for k, w in windows.items()}
    >>> game = Game(["a", "b"], {"a": 1.0, "b": 2.0}, served)
    >>> found = prove_best(game, {"k": Intervals([0.0], [18000.0])}, 2.0)
    >>> found.chosen, found.hours, found.bound_hours
    (('b',), 4.0, 4.0)
    """
    search = _Search(game, budget, most_runs, tuple(known[1]), known[0])
    nothing = {key: Intervals() for key in gaps}
    bound = search.down(frozenset(), list(game.order), nothing, dict(gaps))
    cost = sum(game.cost[i] for i in search.best)
    return Proof(
        search.best, search.hours, cost, max(bound, search.hours), search.runs, search.complete
    )


@dataclass(eq=False)
class _Search:
    game: Game
    budget: float
    most_runs: int
    best: tuple[str, ...]
    hours: float
    runs: int = 0
    complete: bool = True

    def ask(self, ids: frozenset[str], low, high):
        """What a set serves, which is known to lie between ``low`` and ``high``."""
        windows = {k: high[k] - low[k] for k in high}
        windows = {k: w for k, w in windows.items() if w.total_s > LOOKED_AT_S}
        if not windows or not ids:
            return low
        self.runs += 1
        found = self.game.served(ids, windows)
        return {k: low[k] | found[k] if k in found else low[k] for k in low}

    def down(self, chosen: frozenset[str], left: list[str], low, high) -> float:
        """The hours that no set exceeds which has the chosen and some of what is left.

        ``low``: spans that the chosen serve; ``high``: spans that no such set goes beyond.
        """
        spent = sum(self.game.cost[i] for i in chosen)
        left = [
            i
            for i in left
            if spent + self.game.cost[i] <= self.budget + 1e-9
            and not any(r in chosen for r in self.game.rivals.get(i, ()))
        ]
        if self.runs >= self.most_runs:
            self.complete = False
            return _hours(high)
        high = self.ask(chosen.union(left), low, high)
        most = _hours(high)
        if not left:
            return most if self.game.able(chosen) else 0.0
        if most <= self.hours + ALIKE_H:
            return most
        first, rest = left[0], left[1:]
        more = chosen | {first}
        able = self.ask(more, low, high)
        if _hours(able) > self.hours and self.game.able(more):
            self.best, self.hours = tuple(sorted(more)), _hours(able)
        inside = self.down(more, rest, able, high)
        return max(inside, self.down(chosen, rest, low, high))


def _hours(spans: Mapping[Hashable, Intervals]) -> float:
    return sum(s.total_s for s in spans.values()) / HOUR_S
