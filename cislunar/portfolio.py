"""The best set of options for a budget, out of all sets, and how it grows with the budget.

What every set of the options that matter fills is known (``cislunar.subsets``), so the best one is
found by looking at all of them. Which options matter is decided by what each fills alone; the rest
stand together as one block that costs nothing, which bounds from above what any set of the whole
pool could fill.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.attribution import Shares, shares
from cislunar.options import Option, option_groups, requirements_of
from cislunar.subsets import DECIDED_S, Explored, explore

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]
HOUR_S = 3600.0
MOST_SETS = 64  # sets of the options that matter; a run must end within a minute
REST = "*rest"  # all other options at once: more than any set of them
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

    def bound_h(self, budget: float) -> float:
        """Hours that no set of the whole pool within the budget can exceed.

        More options never serve less, so a set serves at most what its members that are kept
        serve beside all the others at once, whatever those cost.
        """
        kept = (s for cost, _, s in self.sets_any if cost <= budget + 1e-9)
        return max(self.total_h({*s, REST}) for s in kept)

    @cached_property
    def sets_any(self) -> list[tuple[float, float, tuple[str, ...]]]:
        """As ``sets``, whether or not requirements are met: the others might meet them."""
        out = []
        for choice in itertools.product(*(("", *group) for group in self.kept)):
            chosen = tuple(sorted(filter(None, choice)))
            out.append((self.cost(chosen), 0.0, chosen))
        return out

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
) -> Worth:
    """What every set fills of the options that matter most by themselves.

    ``whole``: the options in one situation (``cislunar.pool.WholePool``). ``single_h``: hours that
    each fills alone. Groups of versions are taken in, those with the greatest gain first, as long
    as they make at most ``most_sets`` sets; what an option requires comes in with it.
    """
    pool = {o.id: o for o in options}
    groups = option_groups(options)
    versions: dict[str, list[str]] = {}
    for name in whole.names:
        versions.setdefault(groups.get(name) or name, []).append(name)
    gain = {g: max(single_h.get(i, 0.0) for i in some) for g, some in versions.items()}
    ranked = sorted((g for g in versions if gain[g] > EPSILON_H), key=lambda g: (-gain[g], g))
    kept: list[tuple[str, ...]] = []
    sets = 1
    for group in ranked:
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
        if size > most_sets:
            continue
        kept += more
        sets = size
    inside = {i for g in kept for i in g}
    rest = tuple(i for i in whole.names if i not in inside)
    gaps = {k: whole.gap(k) for k in whole.base_served}
    gap_h = {k: g.total_s / HOUR_S for k, g in gaps.items()}

    def served(ids, windows):
        plain = [i for i in ids if i != REST]
        return whole.served([*plain, *rest] if REST in ids else plain, windows)

    blocks = [*kept, (REST,)] if rest else list(kept)
    top = whole.served(whole.names, {k: g for k, g in gaps.items() if whole.touching(k)})
    classes: dict[tuple, list[Key]] = {}
    for key, spans in sorted(top.items()):  # the same order in every run
        if spans.total_s > DECIDED_S:
            touch = whole.touching(key) | ({REST} if whole.touching(key) & set(rest) else set())
            mine = tuple(t for g in blocks if (t := tuple(i for i in g if i in touch)))
            classes.setdefault(mine, []).append(key)
    explored = []
    for mine, keys in classes.items():
        windows: dict[Any, Any] = {k: top[k] & gaps[k] for k in keys}
        base: dict[Any, Any] = {k: whole.base_served[k] for k in keys}
        explored.append(explore(_by_weight(mine, windows, served), base, windows, served))
    explored = tuple(explored)
    return Worth(pool, present, tuple(kept), rest, gap_h, explored)


def _by_weight(groups, windows, served) -> list[tuple[str, ...]]:
    """Groups with those first that alone serve most: then the bounds meet early. The rest last."""

    def alone_s(group):
        return max(sum(s.total_s for s in served([i], windows).values()) for i in group)

    return sorted(groups, key=lambda g: (REST in g, 0.0 if REST in g else -alone_s(g), g))


def attribute(worth: Worth, single_h: Mapping[str, float]) -> tuple[Shares, list[Key]]:
    """Shares of the options that matter, the version of each that fills most by itself.

    An option adds nothing to a set that lacks what it requires. Keys are (place, service).
    """
    players = [max(g, key=lambda i: (single_h.get(i, 0.0), i)) for g in worth.kept]

    def value(chosen):
        while chosen & worth.demanding:
            lacking = frozenset(
                i
                for i in chosen & worth.demanding
                if requirements_of(worth.pool[i], worth.pool, worth.present, chosen)[0]
            )
            if not lacking:
                break
            chosen = chosen - lacking
        return worth.filled_h(chosen)

    return shares(players, value), list(worth.keys)


def attribution_frame(worth: Worth, found: Shares, keys: Sequence[Key]) -> pd.DataFrame:
    """Rows of ``attribution.csv``: each option in all, by service, and by place and service (h).

    ``all`` in place or service stands for the sum over them; shares are of the whole of the row.
    """
    import pandas as pd

    services = sorted({s for _, s in keys})
    parts: list[tuple[str, str, Any]] = [("all", "all", np.ones(len(keys), bool))]
    parts += [("all", s, np.array([k[1] == s for k in keys])) for s in services]
    parts += [(p, s, np.array([k == (p, s) for k in keys])) for p, s in keys]
    method = "exact" if found.exact else f"sampled {found.orders} orders, seed {found.seed}"
    rows = []
    for place, service, mask in parts:
        whole = float(found.whole[mask].sum())
        for k, name in enumerate(found.players):
            share = float(found.shapley[k, mask].sum())
            rows.append((
                name, place, service, float(found.add_one[k, mask].sum()),
                float(found.leave_one_out[k, mask].sum()), share,
                share / whole if whole > EPSILON_H else None,
                float(np.sqrt((found.standard_error[k, mask] ** 2).sum())), method,
                worth.pool[name].name_en, worth.pool[name].name_ja,
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
