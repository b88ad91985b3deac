"""How much the answer hangs on what is assumed: the run scored again with one thing worse.

Link figures, horizons, ranging errors and the relays that nobody has described are the weakest
parts of any such study. Each is made worse by a stated step, all else as it is, and every need is
scored again. The steps are not estimates of how wrong a value may be: they are equal for all, so
that the cases can be set against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cislunar.access import find_access
from cislunar.links import close_links
from cislunar.nodes import Node
from cislunar.options.reruns import rescored
from cislunar.ranging import find_ranging
from cislunar.schema import Need
from cislunar.situation import Situation
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

LINK_DB = 3.0  # what every link has less
MASK_DEG = 5.0  # what every asset's horizon has more
ERROR_FACTOR = 1.5  # what every ranging error is times as large
PLANNED = "as-planned"
STEPS = {"link_db": LINK_DB, "mask_deg": MASK_DEG, "error_factor": ERROR_FACTOR}
COLUMNS = (
    "case", "service", "needs", "below_asked", "unserved_h", "change_h", "availability_frac",
)  # fmt: skip
Key = tuple[str, str]


def weaker_links(base: Situation) -> Situation:
    """The situation with every link ``LINK_DB`` short of what it was: a margin that much larger."""

    def held(terminal: Any) -> Any:
        if terminal.role == "navigation":
            return terminal
        return terminal.model_copy(
            update={"minimum_margin_db": terminal.minimum_margin_db + LINK_DB}
        )

    nodes = tuple(replace(n, terminals=tuple(map(held, n.terminals))) for n in base.nodes)
    return replace(base, nodes=nodes, links=close_links(base.access, base.tracks, nodes))


def noisy_air(base: Situation) -> Situation:
    """The situation with the noise of the air in every station's receivers of known temperature."""
    nodes = tuple(replace(n, air_noise=True) if n.attenuation else n for n in base.nodes)
    warmed = {n.name for n in base.nodes if n.attenuation and not n.air_noise}
    heard = {k: v for k, v in base.access.items() if warmed & {*k}}
    kept = {k: v for k, v in base.links.items() if not warmed & {*k}}
    return replace(base, nodes=nodes, links=kept | close_links(heard, base.tracks, nodes))


def higher_masks(base: Situation) -> Situation:
    """The situation with every asset's elevation mask ``MASK_DEG`` higher."""

    def raised(node: Node) -> Node:
        if node.kind != "asset":
            return node
        terminals = tuple(
            t
            if t.min_elevation_deg is None
            else t.model_copy(update={"min_elevation_deg": t.min_elevation_deg + MASK_DEG})
            for t in node.terminals
        )
        mask = min(node.min_elevation_deg + MASK_DEG, 90.0)
        return replace(node, min_elevation_deg=mask, terminals=terminals)

    nodes = tuple(map(raised, base.nodes))
    assets = {n.name for n in nodes if n.kind == "asset"}
    pairs = [p for p in base.access if p[0] in assets or p[1] in assets]
    fewer = find_access(base.tracks, nodes, pairs)
    kept = {k: v for k, v in base.links.items() if not {*k} & assets}
    policy = base.scenario.policy
    return replace(
        base,
        nodes=nodes,
        access=base.access | fewer,
        links=kept | close_links(fewer, base.tracks, nodes),
        ranging=find_ranging(base.tracks, nodes, fewer, policy),
    )


def larger_errors(base: Situation) -> Situation:
    """The situation with every error of a range ``ERROR_FACTOR`` times as large.

    All errors by one factor make the error of a position so much larger: the accuracy that is
    asked for is divided by it.
    """

    def harder(need: Need) -> Need:
        if need.accuracy_m is None:
            return need
        return need.model_copy(update={"accuracy_m": need.accuracy_m / ERROR_FACTOR})

    nodes = tuple(replace(n, needs=tuple(map(harder, n.needs))) for n in base.nodes)
    return replace(base, nodes=nodes, ranging=dict(base.ranging))


def without(base: Situation, names: Iterable[str]) -> Situation:
    """The situation without some nodes."""
    gone = {*names}

    def left(by_pair: Mapping[Key, Any]) -> dict[Key, Any]:
        return {k: v for k, v in by_pair.items() if not {*k} & gone}

    return replace(
        base,
        nodes=tuple(n for n in base.nodes if n.name not in gone),
        access=left(base.access),
        links=left(base.links),
        ranging=left(base.ranging),
    )


def sensitivity_frame(
    base: Situation,
    served: Mapping[Key, Intervals],
    needs: Mapping[Key, Need],
    uere: Mapping[str, Any],
    assumed: Iterable[str],
) -> pd.DataFrame:
    """Rows of ``sensitivity.csv``: what each case leaves unserved, by service and for all (h).

    ``served`` and ``needs`` are those of the run by place and service. ``needs`` counts the needs
    of the service, ``below_asked`` those whose availability is less than they ask; ``change_h`` is
    against the run as planned, ``availability_frac`` the mean over the needs.
    """
    import pandas as pd

    assumed = tuple(assumed)
    cases: dict[str, Callable[[], Situation]] = {
        "links-weaker": lambda: weaker_links(base),
        "air-noise": lambda: noisy_air(base),
        "masks-higher": lambda: higher_masks(base),
        "errors-larger": lambda: larger_errors(base),
    }
    if all(n.air_noise for n in base.nodes if n.attenuation):
        del cases["air-noise"]
    if assumed:
        cases["without-assumed-craft"] = lambda: without(base, assumed)
    keys = sorted(k for k in needs if k in served)
    span_s = base.tracks.span_s
    planned = {k: served[k].total_s for k in keys}
    rows = _rows(PLANNED, planned, planned, needs, span_s)
    for case, made in cases.items():
        situation = made()
        found = dict(rescored(situation, uere, base.ranging).served)
        if situation.ranging is base.ranging:  # positioning is as it was
            found |= {k: v for k, v in served.items() if k[1] == "positioning"}
        # an asset without any source left is not among those positioned
        now = {k: found[k].total_s if k in found else 0.0 for k in keys}
        rows += _rows(case, now, planned, needs, span_s)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"needs": "Int64", "below_asked": "Int64"} | {c: "Float64" for c in COLUMNS[4:]}
    )


def _rows(case, now: Mapping[Key, float], planned: Mapping[Key, float], needs, span_s: float):
    rows = []
    for service in (*sorted({k[1] for k in now}), "all"):
        keys = [k for k in now if service in ("all", k[1])]
        short = [
            k
            for k in keys
            if (asked := needs[k].availability_frac) is not None and now[k] / span_s < asked
        ]
        unserved_s = sum(span_s - now[k] for k in keys)
        change_s = sum(planned[k] - now[k] for k in keys)
        mean = sum(now[k] for k in keys) / (span_s * len(keys))
        rows.append((
            case, service, len(keys), len(short), unserved_s / 3600.0, change_s / 3600.0, mean,
        ))  # fmt: skip
    return rows
