"""The best set of options for a budget, out of all sets, and how it grows with the budget.

The best set of the whole pool is found and proved by ``branching``. Its options, and those that
fill most by themselves, are the ones that matter: what every set of them fills is known
(``subsets``), and the frontier and the shares are read from that.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.options.attribution import Shares, shares
from cislunar.options.branching import Game, Proof, prove_best
from cislunar.options.option import Option, option_groups, requirements_of
from cislunar.options.pool_value import PoolValue
from cislunar.options.subsets import DECIDED_S, Explored, explore

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]
HOUR_S = 3600.0
MOST_SETS = 64  # sets of the options that matter; a run must end within a minute
EVERY_SET = 10  # options of a pool of which every set is looked at
EPSILON_H = 1e-3  # smaller differences are the rounding of edges
FRONTIER_COLUMNS = (
    "cost_oku_jpy", "gap_hours_filled", "share_filled_frac", "options", "cost_low_oku_jpy",
    "cost_high_oku_jpy", "within_budget",
)  # fmt: skip
ATTRIBUTION_COLUMNS = (
    "option", "place", "service", "add_one_h", "leave_one_out_h", "shapley_h",
    "shapley_share_frac", "standard_error_h", "method", "name_en", "name_ja",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Worth:
    """What every set of the options that matter fills.

    ``kept``: those options by group; ``rest``: the others. ``gap_h``: unserved hours of each key
    without options.
    """

    pool: Mapping[str, Option]
    present: frozenset[str]
    kept: tuple[tuple[str, ...], ...]
    rest: tuple[str, ...]
    gap_h: Mapping[Key, float]
    explored: tuple[Explored, ...]

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that any option can fill, in the order of ``filled_h``."""
        return tuple(k for part in self.explored for k in part.keys)  # type: ignore[misc]

    def filled_h(self, chosen: Collection[str]) -> np.ndarray:
        """Hours that a set fills, of each key."""
        parts = [part.gained_s(chosen) for part in self.explored]
        return np.concatenate([np.empty(0), *parts]) / HOUR_S

    def total_h(self, chosen: Collection[str]) -> float:
        """Hours that a set fills in all."""
        return sum(part.total_gained_s(chosen) for part in self.explored) / HOUR_S

    def cost(self, chosen: Iterable[str], which: str = "") -> float:
        """億円 of a set: at mid, or ``which`` of low and high."""
        name = f"cost_{which}_oku_jpy" if which else "cost_oku_jpy"
        return sum(getattr(self.pool[i], name) or self.pool[i].cost_oku_jpy for i in chosen)

    def able(self, chosen: frozenset[str]) -> bool:
        """True where all that the members require is present or among them."""
        return not any(
            requirements_of(self.pool[i], self.pool, self.present, chosen)[0]
            for i in chosen & self.demanding
        )

    @cached_property
    def demanding(self) -> frozenset[str]:
        """The options that require something that is not present."""
        kept = (i for group in self.kept for i in group)
        return frozenset(
            i for i in kept if requirements_of(self.pool[i], self.pool, self.present)[0]
        )

    @cached_property
    def sets(self) -> list[tuple[float, float, tuple[str, ...]]]:
        """(cost, hours filled, options) of every set that may be chosen."""
        found = []
        for choice in itertools.product(*(("", *group) for group in self.kept)):
            chosen = frozenset(filter(None, choice))
            if self.able(chosen):
                found.append((self.cost(chosen), self.total_h(chosen), tuple(sorted(chosen))))
        return found

    def best(self, budget: float) -> tuple[float, float, tuple[str, ...]]:
        """(cost, hours, options) of the set that fills most; of equals the cheaper."""
        within = [s for s in self.sets if s[0] <= budget + 1e-9]
        most = max(hours for _, hours, _ in within)
        return min(s for s in within if s[1] >= most - EPSILON_H)

    def in_order(self, chosen: Iterable[str]) -> list[str]:
        """The options of a set, whatever fills most more per cost first."""
        left, out = set(chosen), []
        while left:
            now = self.total_h(out)

            def worth(i, now=now):
                cost = self.pool[i].cost_oku_jpy
                return (self.total_h([*out, i]) - now) / max(cost, 1e-9), i

            out.append(max(left, key=worth))
            left.remove(out[-1])
        return out


def find_worth(
    whole: Any,
    options: Sequence[Option],
    single_h: Mapping[str, float],
    present: frozenset[str] = frozenset(),
    most_sets: int = MOST_SETS,
    must: Collection[str] = (),
) -> Worth:
    """What every set fills of the options that matter: those that ``must``, then by gain alone.

    ``whole``: the options in one situation (``pool.WholePool``). ``single_h``: hours that
    each fills alone. Groups of versions are taken in, those with the greatest gain first, as long
    as they make at most ``most_sets`` sets; what an option requires comes in with it. Groups of
    those that ``must`` be there are, whatever number of sets they make; of a pool of up to ten
    options all are.
    """
    pool = {o.id: o for o in options}
    groups = option_groups(options)
    versions = _versions(whole, groups)
    gain = {g: max(single_h.get(i, 0.0) for i in some) for g, some in versions.items()}
    ranked = sorted((g for g in versions if gain[g] > EPSILON_H), key=lambda g: (-gain[g], g))
    kept: list[tuple[str, ...]] = []
    sets = 1
    if len(whole.names) <= EVERY_SET:
        must = whole.names
    first = sorted({groups.get(i) or i for i in must}, key=lambda g: (-gain[g], g))
    for group in [*first, *(g for g in ranked if g not in first)]:
        inside = {i for g in kept for i in g}
        asked = {
            groups.get(m, m)
            for i in versions[group]
            for m in requirements_of(pool[i], pool, present, inside)[0]
            if m in whole.names
        }
        wanted = [group, *sorted(asked - {group})]
        more = [tuple(versions[g]) for g in wanted if not inside & set(versions[g])]
        size = sets
        for g in more:
            size *= len(g) + 1
        if size > most_sets and group not in first:
            continue
        kept += more
        sets = size
    inside = {i for g in kept for i in g}
    rest = tuple(i for i in whole.names if i not in inside)
    gaps = {k: whole.gap(k) for k in whole.base_served}
    gap_h = {k: g.total_s / HOUR_S for k, g in gaps.items()}
    top = whole.served(inside, {k: g for k, g in gaps.items() if whole.touching(k) & inside})
    classes: dict[tuple, list[Key]] = {}
    for key, spans in sorted(top.items()):  # the same order in every run
        if spans.total_s > DECIDED_S:
            touch = whole.touching(key)
            mine = tuple(t for g in kept if (t := tuple(i for i in g if i in touch)))
            classes.setdefault(mine, []).append(key)
    explored = []
    for mine, keys in classes.items():
        windows: dict[Any, Any] = {k: top[k] & gaps[k] for k in keys}
        base: dict[Any, Any] = {k: whole.base_served[k] for k in keys}
        order = _by_weight(mine, windows, whole.served)
        explored.append(explore(order, base, windows, whole.served))
    return Worth(pool, present, tuple(kept), rest, gap_h, tuple(explored))


def _by_weight(groups, windows, served) -> list[tuple[str, ...]]:
    """Groups with those first that alone serve most: then the bounds meet early."""

    def alone_s(group):
        return max(sum(s.total_s for s in served([i], windows).values()) for i in group)

    return sorted(groups, key=lambda g: (-alone_s(g), g))


def prove(
    whole: Any,
    options: Sequence[Option],
    single_h: Mapping[str, float],
    budget: float,
    present: frozenset[str] = frozenset(),
    known: tuple[float, Sequence[str]] = (0.0, ()),
) -> Proof:
    """The set of the whole pool that fills most within a budget (億円 at mid, h), and its bound.

    Arguments as for ``find_worth``; ``known``: hours and options of a set that is known already.
    """
    pool = {o.id: o for o in options}
    groups = option_groups(options)
    names = list(whole.names)
    gaps = {key: whole.gap(key) for key in whole.base_served}
    touching = {key: whole.touching(key) for key in gaps}

    def served(ids, windows):
        return whole.served(ids, {k: w for k, w in windows.items() if touching[k] & ids})

    def able(chosen):
        return not any(requirements_of(pool[i], pool, present, chosen)[0] for i in chosen)

    game = Game(
        sorted(names, key=lambda i: (-single_h.get(i, 0.0), i)),
        {i: pool[i].cost_oku_jpy for i in names}, served,
        {i: [j for j in names if j != i and groups[i] == groups.get(j)]
         for i in names if i in groups}, able,
    )  # fmt: skip
    open_ = {key: gap for key, gap in gaps.items() if touching[key]}
    return prove_best(game, open_, budget, known=known)


def attribute(worth: Worth, single_h: Mapping[str, float]) -> tuple[Shares, list[Key]]:
    """Shares of the options that matter, the version of each that fills most by itself.

    An option adds nothing to a set that lacks what it requires. Keys are (place, service).
    """
    players = [_fullest(g, single_h) for g in worth.kept]

    def value(chosen):
        return worth.filled_h(_able(chosen, worth.demanding, worth.pool, worth.present))

    return shares(players, value), list(worth.keys)


def attribute_all(
    whole: Any,
    options: Sequence[Option],
    single_h: Mapping[str, float],
    present: frozenset[str],
    orders: int,
    seed: int,
) -> tuple[Shares, list[Key]]:
    """Shares of all options of a pool, as ``attribute``; of more than ten in sampled orders."""
    pool = {o.id: o for o in options}
    versions = _versions(whole, option_groups(options))
    players = [_fullest(some, single_h) for some in versions.values()]
    demanding = frozenset(i for i in players if requirements_of(pool[i], pool, present)[0])
    value = PoolValue(whole)
    found = shares(
        players, lambda chosen: value(_able(chosen, demanding, pool, present)),
        orders=orders, seed=seed, exact_players=EVERY_SET,
    )  # fmt: skip
    return found, list(value.keys)


def _versions(whole: Any, groups: Mapping[str, str]) -> dict[str, list[str]]:
    """The options of a pool by group; one that has none is its own."""
    found: dict[str, list[str]] = {}
    for name in whole.names:
        found.setdefault(groups.get(name) or name, []).append(name)
    return found


def _fullest(versions: Iterable[str], single_h: Mapping[str, float]) -> str:
    return max(versions, key=lambda i: (single_h.get(i, 0.0), i))


def _able(
    chosen: frozenset[str],
    demanding: frozenset[str],
    pool: Mapping[str, Option],
    present: frozenset[str],
) -> frozenset[str]:
    """A set without the members that lack what they require, in it or present."""
    while chosen & demanding:
        lacking = frozenset(
            i for i in chosen & demanding if requirements_of(pool[i], pool, present, chosen)[0]
        )
        if not lacking:
            break
        chosen = chosen - lacking
    return chosen


def attribution_frame(
    pool: Mapping[str, Option], found: Shares, keys: Sequence[Key]
) -> pd.DataFrame:
    """Rows of ``attribution.csv``: each option in all, by service, and by place and service (h).

    ``all`` in place or service stands for the sum over them; shares are of the whole of the row.
    """
    import pandas as pd

    services = sorted({s for _, s in keys})
    parts: list[tuple[str, str, Any]] = [("all", "all", np.ones(len(keys), bool))]
    parts += [("all", s, np.array([k[1] == s for k in keys])) for s in services]
    parts += [(p, s, np.array([k == (p, s) for k in keys])) for p, s in keys]
    rows = []
    for place, service, mask in parts:
        whole, error = float(found.whole[mask].sum()), found.standard_error_of(mask)
        for k, name in enumerate(found.players):
            share = float(found.shapley[k, mask].sum())
            rows.append((
                name, place, service, float(found.add_one[k, mask].sum()),
                float(found.leave_one_out[k, mask].sum()), share,
                share / whole if whole > EPSILON_H else None,
                float(error[k]), found.method,
                pool[name].name_en, pool[name].name_ja,
            ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(ATTRIBUTION_COLUMNS))
    return frame.astype({c: "Float64" for c in ATTRIBUTION_COLUMNS if c.endswith(("_h", "_frac"))})


def frontier_frame(worth: Worth, budget: float) -> pd.DataFrame:
    """Rows of ``frontier.csv``: every set that no cheaper set beats, by cost (億円 at mid, h)."""
    import pandas as pd

    gap = sum(worth.gap_h.values())
    rows, most = [], float("-inf")
    for cost, hours, chosen in sorted(worth.sets, key=lambda s: (s[0], -s[1], s[2])):
        if hours > most + EPSILON_H:
            most = hours
            rows.append((
                cost, hours, hours / gap if gap > 0 else None, " + ".join(worth.in_order(chosen)),
                worth.cost(chosen, "low"), worth.cost(chosen, "high"), cost <= budget + 1e-9,
            ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(FRONTIER_COLUMNS))
    return frame.astype({c: "Float64" for c in FRONTIER_COLUMNS if c.endswith(("jpy", "ed", "frac"))
                         and c != "within_budget"})  # fmt: skip
