"""How far a nation's assets stand on their own: what they keep without the others' networks.

Spacecraft, stations and surface nodes of other nations are taken away, all of them ("japan-alone")
or one nation's at a time ("without-us", ...), and what is left is scored again for the assets of
the home nation. Geometry, links and the schedule of contacts are those of the run, nothing is
replanned; so no case serves more than the run, and none less than the home network alone, and only
the time between the two is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.candidates import need_of
from cislunar.comms import score_comms
from cislunar.contact_table import ContactTable, table_of
from cislunar.losses import SUPPLY, nation_members
from cislunar.options.open_fixes import OpenFixes
from cislunar.options.option import Option, requirements_of
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

HOME = "JP"
ALONE, PLANNED = "japan-alone", "as-planned"
KINDS = ("spacecraft", "station", "asset")
COLUMNS = (
    "set", "case", "asset", "service", "availability_frac", "need_availability_frac", "lost_h",
    "longest_gap_s",
)  # fmt: skip
OPTION_COLUMNS = (
    "option", "gained_h", "relay_frac", "direct_frac", "forward_frac", "crosslink_frac",
    "positioning_frac", "cost_oku_jpy", "gained_h_per_oku_jpy", "together_with", "name_en",
    "name_ja",
)  # fmt: skip
Key = tuple[str, str]


def home_assets(situation: Any, home: str = HOME) -> frozenset[str]:
    """The assets in service that a nation has a part in, by the codes of their records."""
    return frozenset(
        a.name
        for a in situation.scenario.assets
        if home in (a.nation or "").split("/") and a.name in situation.by_name
    )


def independence_frame(runs: Mapping[str, Any], uere: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of ``independence.csv``: availability of Japan's assets in every case (fractions, h, s).

    ``runs``: by name of the set, a run of the scenario with the set added (``reruns.Rerun``). One
    row a set, case, asset and needed service; ``lost_h`` is what the case costs against the same
    set as planned. A partner is a nation with a node that policy lets one of these assets use.
    """
    import pandas as pd

    rows = []
    for name, run in runs.items():
        situation = run.situation
        home = home_assets(situation)
        keys = sorted(k for k in run.served if k[0] in home)
        if not keys:
            continue
        span_s = situation.tracks.span_s
        for case, served in cases_of(run, keys, home, uere).items():
            for key in keys:
                now, asked = served[key], need_of(situation.by_name[key[0]], key[1])
                rows.append((
                    name, case, *key, now.total_s / span_s,
                    None if asked is None else asked.availability_frac,
                    (run.served[key].total_s - now.total_s) / 3600.0,
                    now.complement(0.0, span_s).longest_s,
                ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({c: "Float64" for c in COLUMNS[4:]})


def cases_of(
    run: Any, keys: Iterable[Key], home: frozenset[str], uere: Mapping[str, Any]
) -> dict[str, dict[Key, Intervals]]:
    """Served spans of the keys by case: as planned, the home nation alone, without each partner."""
    situation, keys = run.situation, list(keys)
    names = frozenset(situation.by_name)
    groups = {
        nation: frozenset(members) - home
        for nation, members in nation_members(situation, KINDS).items()
    }
    own = groups.get(HOME, frozenset()) | home
    planned = {k: run.served[k] for k in keys}
    left = _Left(run, keys, uere)
    alone = left.served(own, planned)
    out = {PLANNED: planned, ALONE: alone}
    permits = situation.scenario.policy.permits
    for nation, members in groups.items():
        givers = [situation.by_name[m].operator for m in members if _gives(situation.by_name[m])]
        askers = [situation.by_name[a].operator for a in home]
        if nation == HOME or not any(permits(g, a) for g in givers for a in askers):
            continue
        between = {k: planned[k] - alone[k] for k in keys}
        found = left.served(names - members, between)
        out[f"without-{nation.lower()}"] = {k: alone[k] | found[k] for k in keys}
    return out


def alone_frame(
    whole: Any, options: Iterable[Option], present: frozenset[str] = frozenset()
) -> pd.DataFrame:
    """Rows of ``independence_options.csv``: what each option gives Japan's assets on their own.

    ``whole``: all options in one situation (``pool.WholePool``). The first row has no
    option. ``gained_h``: hours over the assets and needed services, beyond that row, with all other
    nations' nodes away; ``*_frac``: mean availability over the assets that need the service.
    """
    import pandas as pd

    situation, pool = whole.all, {o.id: o for o in options}
    home = home_assets(situation)
    keys = sorted(k for k in whole.base_served if k[0] in home)
    if not keys:
        return pd.DataFrame(columns=list(OPTION_COLUMNS))
    own = frozenset(nation_members(situation, KINDS).get(HOME, ())) & whole.nodes_of(()) | home
    nodes = [n if n.name in home else replace(n, needs=()) for n in situation.nodes]
    full = {k: Intervals([0.0], [whole.span_s]) for k in keys if k[1] == "positioning"}

    def served_s(ids: Iterable[str]) -> dict[Key, float]:
        names = own.union(*(whole.names[i] for i in ids))
        inside = np.array([n in names for n in whole.table.names])
        part = whole.table.keep(inside[whole.table.source] & inside[whole.table.target])
        found = dict(score_comms(part, nodes, served_only=True).served)
        found |= whole.served_by(names, full)
        return {k: found[k].total_s for k in keys}

    def row(option: Option | None) -> tuple[Any, ...]:
        ids: list[str] = []
        if option is not None:
            together, _ = requirements_of(option, pool, present)
            ids = [option.id, *(i for i in together if i in whole.names)]
        found = served_s(ids) if ids else base
        gained = sum(found[k] - base[k] for k in keys) / 3600.0
        means = [
            np.mean(some)
            if (some := [found[k] / whole.span_s for k in keys if k[1] == s])
            else None
            for s in ("relay", "direct", "forward", "crosslink", "positioning")
        ]
        if option is None:
            return "", 0.0, *means, 0.0, None, "", "", ""
        cost = option.cost_oku_jpy
        return (
            option.id, gained, *means, cost, gained / cost if cost > 0 else None,
            ", ".join(ids[1:]), option.name_en, option.name_ja,
        )  # fmt: skip

    base = served_s(())
    rows = sorted((row(pool[i]) for i in whole.names), key=lambda r: (-r[1], r[0]))
    frame = pd.DataFrame([row(None), *rows], columns=list(OPTION_COLUMNS))
    return frame.astype({c: "Float64" for c in OPTION_COLUMNS if c.endswith(("_h", "frac", "jpy"))})


def _gives(node: Any) -> bool:
    """True for a node that may serve another: spacecraft, stations, and what serves around it."""
    around = (node.serves_radius_km, node.correction_radius_km)
    return node.kind in SUPPLY or any(radius is not None for radius in around)


class _Left:
    """What some of a run's nodes serve, within windows."""

    def __init__(self, run: Any, keys: list[Key], uere: Mapping[str, Any]):
        situation = run.situation
        places = {place for place, _ in keys}
        self.nodes = [n if n.name in places else replace(n, needs=()) for n in situation.nodes]
        self.table: ContactTable = table_of(run.plan, [n.name for n in situation.nodes])
        users = [place for place, service in keys if service == "positioning"]
        ranged = replace(situation, ranging=dict(run.ranging))
        self.fixes = OpenFixes(ranged, uere, users) if users else None

    def served(
        self, names: frozenset[str], windows: Mapping[Key, Intervals]
    ) -> dict[Key, Intervals]:
        inside = np.array([n in names for n in self.table.names])
        part = self.table.keep(inside[self.table.source] & inside[self.table.target])
        found = dict(score_comms(part, self.nodes, served_only=True).served)
        if self.fixes is not None:
            asked = {p: w for (p, s), w in windows.items() if s == "positioning"}
            fixes = self.fixes.served(names, asked)
            found |= {(p, "positioning"): spans for p, spans in fixes.items()}
        return {k: found[k] & w for k, w in windows.items()}
