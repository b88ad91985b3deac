"""What is left when a node, a nation or an operator is lost, or when nodes fail at random.

A loss takes a node's contacts out of the plan and scores what is left; geometry, links and the
schedule of contacts are those of the run, nothing is replanned. Losses are of spacecraft, Earth
stations and assets that serve others on the ground; one that is lost is not asked itself. Services
are those of ``comms``: what is needed, and relay for every place with terminals. A gap is an
unserved interval within the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.comms import score_comms
from cislunar.contact_table import ContactTable, table_of
from cislunar.schema import Need
from orbits.compiled import njit
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

SUPPLY = ("spacecraft", "station")
# the 23 member states of ESA (esa.int, "Member States & Cooperating States") and its own code
EUROPE = frozenset({
    "EU", "AT", "BE", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LU", "NL", "NO",
    "PL", "PT", "RO", "SI", "ES", "SE", "CH", "GB",
})  # fmt: skip
COLUMNS = (
    "case", "lost", "asset", "service", "availability_frac", "longest_gap_s", "lost_h",
    "base_availability_frac", "base_longest_gap_s",
)  # fmt: skip
HOUR_S = 3600.0


@dataclass(frozen=True)
class FailureRate:
    """How often something fails and how long it is out: means of exponential laws, hours."""

    mtbf_h: float
    mttr_h: float


@dataclass(frozen=True)
class Resilience:
    """What losses cost, as tables (h, s, fractions of the span).

    ``losses``: one row a lost node, nation or operator and place and service. ``critical``: nodes,
    nations and operators, the dearest first. ``failures``: one row a place and service, over the
    drawn histories; None where no rates were given.
    """

    losses: pd.DataFrame
    critical: pd.DataFrame
    failures: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        parts = ["<h4>Losses, dearest first</h4>", self.critical.to_html(index=False, max_rows=20)]
        if self.failures is not None:
            parts += ["<h4>Random failures</h4>", self.failures.to_html(index=False)]
        return "".join(parts)


def resilience(
    results,
    failure_rates: Mapping[str, FailureRate] | None = None,
    *,
    draws: int = 100,
    seed: int = 0,
) -> Resilience:
    """The resilience of a run's network: any node lost, any nation or operator, random failures.

    ``results`` is what ``cislunar.run`` gives (its ``plan``, ``nodes`` and ``scenario`` are used).
    Random failures are drawn only where ``failure_rates`` states them, by node, operator or kind
    ("spacecraft", "station"); whatever has none never fails.
    """
    import pandas as pd

    supply = Supply(results.plan, results.nodes)
    losses = pd.concat(
        [
            supply.losses("node", {n.name: [n.name] for n in supply.suppliers}),
            supply.losses("nation", nation_members(results)),
            supply.losses("operator", operator_members(results.nodes)),
        ],
        ignore_index=True,
    )
    failures = None
    if failure_rates:
        failures = supply.random_failures(failure_rates, draws=draws, seed=seed)
    return Resilience(losses, rank_losses(losses, results.nodes), failures)


def rank_losses(losses: pd.DataFrame, nodes: Iterable[Any] = ()) -> pd.DataFrame:
    """Losses by what they cost, the dearest first; one row a node, nation or operator.

    ``lost_h``: service hours lost over all places and services; ``weighted_lost_h``: each by its
    place's weight (1 without ``nodes``), which orders them; ``places``: how many lose any service;
    ``worst_availability_frac`` and ``longest_gap_s`` over those that do.
    """
    import pandas as pd

    weight = {n.name: n.weight for n in nodes if n.kind == "asset"}
    rows = []
    groups: Any = losses.groupby(["case", "lost"], sort=False)
    for (case, lost), part in groups:
        hours = part["lost_h"].to_numpy()
        hurt = part[part["lost_h"] > 0]
        rows.append((
            case, lost, hours.sum(), hours @ np.array([weight.get(a, 1.0) for a in part["asset"]]),
            hurt["asset"].nunique(),
            hurt["availability_frac"].min() if len(hurt) else None,
            hurt["longest_gap_s"].max() if len(hurt) else None,
        ))  # fmt: skip
    columns = [
        "case", "lost", "lost_h", "weighted_lost_h", "places", "worst_availability_frac",
        "longest_gap_s",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.astype(dict.fromkeys(columns[5:], "Float64"))
    return frame.sort_values(
        ["weighted_lost_h", "lost_h", "lost"], ascending=[False, False, True], ignore_index=True
    )


def write_resilience(found: Resilience, folder) -> list[Path]:
    """The files written to a folder: ``resilience.csv`` (losses), ``resilience_failures.csv``.

    The second only where failure rates were given.
    """
    tables = {"resilience.csv": found.losses, "resilience_failures.csv": found.failures}
    written = []
    for name, frame in tables.items():
        if frame is not None:
            written.append(Path(folder) / name)
            frame.to_csv(written[-1], index=False, float_format="%.6f", lineterminator="\n")
    return written


class Supply:
    """A contact plan with its nodes, from which nodes can be taken away."""

    def __init__(self, plan, nodes: Sequence[Any]):
        self.nodes = [_asking_relay(n) for n in nodes]
        self.table = table_of(plan, [n.name for n in nodes])
        self.span_s = self.table.span_s
        self.suppliers = [n for n in self.nodes if supplies(n)]
        self.base = self.served(self.table)

    def served(self, table: ContactTable) -> dict[tuple[str, str], Intervals]:
        """When each place has each of its services with the contacts of a table (s)."""
        return score_comms(table, self.nodes, served_only=True).served

    def without(self, names: Iterable[str]) -> ContactTable:
        """The contacts left when nodes are lost."""
        lost = np.zeros(len(self.table.names), dtype=bool)
        lost[[self.table.number(n) for n in names]] = True
        return self.table.keep(~(lost[self.table.source] | lost[self.table.target]))

    def losses(self, case: str, groups: Mapping[str, Iterable[str]]) -> pd.DataFrame:
        """Availability and longest gap by place and service with each group of nodes lost."""
        import pandas as pd

        supply = {n.name for n in self.suppliers}
        rows = []
        for lost, names in groups.items():
            gone = set(names) & supply
            left = self.served(self.without(gone))
            for (asset, service), before in self.base.items():
                if asset in gone:
                    continue
                now = left[asset, service]
                rows.append((
                    case, lost, asset, service, now.total_s / self.span_s,
                    self._longest_gap_s(now), (before.total_s - now.total_s) / HOUR_S,
                    before.total_s / self.span_s, self._longest_gap_s(before),
                ))  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _longest_gap_s(self, served: Intervals) -> float:
        return float(served.complement(0.0, self.span_s).longest_s)

    def random_failures(
        self, rates: Mapping[str, FailureRate], *, draws: int = 100, seed: int = 0
    ) -> pd.DataFrame:
        """Availability and longest gap by place and service over drawn histories of failures.

        Nodes fail and are repaired independently, in their steady state from the start (up with
        probability MTBF / (MTBF + MTTR)). ``availability_frac`` is the mean over the draws, with
        its standard error; ``_p05`` the 5th percentile; ``longest_gap_p95_s`` the 95th.
        """
        import pandas as pd

        if draws < 1:
            raise InputError("at least one", key="draws", value=draws)
        failing = _failing(self.suppliers, rates)
        rng = np.random.default_rng(seed)
        keys = list(self.base)
        share, gap = np.empty((draws, len(keys))), np.empty((draws, len(keys)))
        for k in range(draws):
            outages = {
                self.table.number(name): draw_outages(rng, rate, self.span_s)
                for name, rate in failing.items()
            }
            served = self.served(during_outages(self.table, outages))
            share[k] = [served[key].total_s / self.span_s for key in keys]
            gap[k] = [self._longest_gap_s(served[key]) for key in keys]
        error = share.std(axis=0, ddof=1) / np.sqrt(draws) if draws > 1 else np.full(len(keys), 0.0)
        return pd.DataFrame({
            "asset": [k[0] for k in keys], "service": [k[1] for k in keys],
            "availability_frac": share.mean(axis=0), "standard_error_frac": error,
            "availability_p05_frac": np.percentile(share, 5, axis=0),
            "longest_gap_p95_s": np.percentile(gap, 95, axis=0),
            "base_availability_frac": [self.base[k].total_s / self.span_s for k in keys],
            "draws": draws,
        })  # fmt: skip


def _asking_relay(node):
    if node.kind != "asset" or not node.terminals or any(n.service == "relay" for n in node.needs):
        return node
    return replace(node, needs=(*node.needs, Need(service="relay")))


def nation_members(results, kinds: Iterable[str] | None = None) -> dict[str, list[str]]:
    """The nodes of each nation that others rest on, by code; those of ESA's states are "Europe".

    A node's nation is the first code of its record (the operator's, before the host country's),
    else the nation of most of its operator's records in the catalogue; without either it is in
    no group. All nodes of ``kinds`` are asked where it is given; ``results``: a run or a situation.
    """
    scenario = results.scenario
    own = {
        r.name: r.nation
        for key in ("spacecraft", "constellations", "ground_stations", "assets")
        for r in getattr(scenario, key, ())
    }
    of_operator = operator_nations()
    found: dict[str, list[str]] = {}
    for node in results.nodes:
        if not (supplies(node) if kinds is None else node.kind in kinds):
            continue
        code = own.get(node.name) or own.get(node.constellation) or of_operator.get(node.operator)
        if code:
            first = code.split("/")[0]
            found.setdefault("Europe" if first in EUROPE else first, []).append(node.name)
    return dict(sorted(found.items()))


def supplies(node: Any) -> bool:
    """True for what others' services rest on: spacecraft, stations, assets that serve others."""
    return node.kind in SUPPLY or bool(getattr(node, "serves_radius_km", None))


def operator_members(nodes: Iterable[Any]) -> dict[str, list[str]]:
    """The spacecraft, stations and assets that serve others of each operator."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        if supplies(node) and node.operator:
            found.setdefault(node.operator, []).append(node.name)
    return dict(sorted(found.items()))


def operator_nations() -> dict[str, str]:
    """The nation of each operator: that of most of its records in the catalogue.

    >>> operator_nations()["jaxa"]
    'JP'
    """
    from cislunar import catalog

    return dict(catalog.operator_nations())


def read_failure_rates(path) -> dict[str, FailureRate]:
    """The failure rates in a YAML file: ``name: {mtbf_h: ..., mttr_h: ...}`` each, hours.

    A name is a node's, an operator's, or a kind ("spacecraft", "station").
    """
    from cislunar.yamlio import read_mapping

    found = {}
    for name, entry in read_mapping(path, "failure rates").items():
        try:
            rate = FailureRate(**{k: float(v) for k, v in entry.items()})
        except (AttributeError, TypeError, ValueError):
            raise InputError(
                "not a failure rate", file=str(path), key=str(name), allowed="{mtbf_h, mttr_h}"
            ) from None
        found[str(name)] = rate
    return found


def _failing(suppliers, rates: Mapping[str, FailureRate]) -> dict[str, FailureRate]:
    """The rate of each node that has one: its own, else its operator's, else its kind's."""
    for name, rate in rates.items():
        if not (0 < rate.mtbf_h < np.inf and 0 < rate.mttr_h < np.inf):
            raise InputError("mtbf_h and mttr_h must be > 0 h", key=name, value=rate)
    known = {name for n in suppliers for name in (n.name, n.operator, n.kind)}
    for name in rates:
        if name not in known:
            raise InputError(
                "no such spacecraft, station or operator", key=name,
                allowed="a node's name, an operator, spacecraft, station",
            )  # fmt: skip
    found = {}
    for n in suppliers:
        for name in (n.name, n.operator, n.kind):
            if name in rates:
                found[n.name] = rates[name]
                break
    return found


def draw_outages(rng: np.random.Generator, rate: FailureRate, span_s: float) -> Intervals:
    """One history of outages over ``[0, span_s)``, in steady state from the start."""
    up_s, down_s = rate.mtbf_h * HOUR_S, rate.mttr_h * HOUR_S
    up = rng.random() < up_s / (up_s + down_s)
    turns = [0.0] if not up else []  # exponential laws have no memory: the first stay is as any
    t = 0.0
    while t < span_s:
        t += rng.exponential(up_s if up else down_s)
        turns.append(t)
        up = not up
    if len(turns) % 2:
        turns.append(t + 1.0)  # an outage that begins after the span
    return Intervals(np.array(turns[::2]), np.array(turns[1::2])).clip(0.0, span_s)


def during_outages(table: ContactTable, outages: Mapping[int, Intervals]) -> ContactTable:
    """The contacts left, cut where the sender is out at transmission or the receiver at arrival.

    ``outages``: by node number, s past the epoch.
    """
    count = len(table.names)
    some = [outages.get(n, Intervals()) for n in range(count)]
    at = np.concatenate(([0], np.cumsum([len(i) for i in some])))
    out_s, out_e = (np.concatenate([getattr(i, k) for i in some]) for k in ("start_s", "end_s"))
    of, start, end = _left(
        table.source, table.target, table.start_s, table.end_s, table.owlt_s, at, out_s, out_e
    )
    cut = table.keep(of)
    return replace(cut, start_s=start, end_s=end)


@njit(cache=True, nogil=True)
def _left(source, target, start, end, owlt, at, out_s, out_e):
    """Contact, start and end of every piece outside both ends' outages, in the contacts' order."""
    room = 2 * source.size + 16
    of = np.empty(room, dtype=np.int64)
    low, high = np.empty(room), np.empty(room)
    used = 0
    for c in range(source.size):
        u, v = source[c], target[c]
        i, j = at[u], at[v]
        now = start[c]
        while now < end[c]:
            while i < at[u + 1] and out_e[i] <= now:
                i += 1
            while j < at[v + 1] and out_e[j] - owlt[c] <= now:
                j += 1
            if i < at[u + 1] and out_s[i] <= now:
                now = out_e[i]
                continue
            if j < at[v + 1] and out_s[j] - owlt[c] <= now:
                now = out_e[j] - owlt[c]
                continue
            stop = end[c]
            if i < at[u + 1]:
                stop = min(stop, out_s[i])
            if j < at[v + 1]:
                stop = min(stop, out_s[j] - owlt[c])
            if used == room:
                of = np.concatenate((of, np.empty(room, dtype=np.int64)))
                low, high = (
                    np.concatenate((low, np.empty(room))),
                    np.concatenate((high, np.empty(room))),
                )
                room *= 2
            of[used], low[used], high[used] = c, now, stop
            used += 1
            now = stop
    return of[:used], low[:used], high[:used]
