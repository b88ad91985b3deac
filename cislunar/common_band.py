"""Ends that are made for each other but share no band: said in words, in ``check`` and after a run.

Such a pair has no link, so its gaps have the cause ``no-provider`` as if nobody were there. Whom a
node may reach, and does not for want of a band, is therefore named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cislunar.contacts import permits
from cislunar.pairing import roles_fit, terminal_band

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.schema import Policy

KINDS = {
    "asset": ("any lunar asset", "月面資産"),
    "spacecraft": ("any spacecraft", "宇宙機"),
    "station": ("any Earth station", "地上局"),
}
Bands = tuple[tuple[str, ...], tuple[str, ...]]


def band_notes(nodes: Iterable[Node], policy: Policy | None = None) -> list[dict[str, str]]:
    """Who shares no band with any node of a kind that it has terminals for, English and Japanese.

    One note for all nodes of the same bands; none where every node has a partner of each kind, in
    each direction. Nodes that ``policy`` keeps apart and neighbours on the ground do not count,
    nor Earth stations for an asset that does not need the service ``direct``.

    >>> band_notes([])
    []
    """
    nodes = tuple(nodes)
    groups: dict[tuple[str, Bands | None, Bands | None], list[str]] = {}
    named: set[str] = set()
    for kind in ("spacecraft", "station", "asset"):
        for node in nodes:
            if node.kind == "station" or node.kind == kind == "asset":
                continue
            direct = any(need.service == "direct" for need in node.needs)
            if node.kind == "asset" and kind == "station" and not direct:
                continue
            others = [
                n for n in nodes
                if n.kind == kind and n is not node and permits(policy, node.operator, n.operator)
            ]  # fmt: skip
            if kind == "asset" and named.issuperset(n.name for n in others):
                continue  # said of the assets already
            out = _apart((node, n) for n in others)
            back = _apart((n, node) for n in others)
            if out or back:
                groups.setdefault((kind, out, back), []).append(node.name)
                if kind == "spacecraft":
                    named.add(node.name)
    return [_note(*key, names) for key, names in groups.items()]


def _apart(pairs: Iterable[tuple[Node, Node]]) -> Bands | None:
    """The bands sent and heard by terminals whose roles fit; None where one is the same."""
    sent: set[str] = set()
    heard: set[str] = set()
    for source, target in pairs:
        for tx in source.terminals:
            for rx in target.terminals:
                here, there = terminal_band(tx, "transmit"), terminal_band(rx, "receive")
                if here and there and not tx.broadcast and roles_fit(tx, rx):
                    sent.add(here)
                    heard.add(there)
    if not sent or sent & heard:
        return None
    return tuple(sorted(sent)), tuple(sorted(heard))


def _note(kind: str, out: Bands | None, back: Bands | None, names: list[str]) -> dict[str, str]:
    en, ja = [], []
    if out:
        sent, heard = (", ".join(b) for b in out)
        en.append(f"sent in {sent}, heard there in {heard}")
        ja.append(f"送信は{sent}、相手の受信は{heard}")
    if back:
        sent, heard = (", ".join(b) for b in back)
        en.append(f"sent from there in {sent}, heard in {heard}")
        ja.append(f"相手の送信は{sent}、受信は{heard}")
    who = ", ".join(names)
    return {
        "en": f"No band in common with {KINDS[kind][0]}: {who} ({'; '.join(en)}).",
        "ja": f"いずれの{KINDS[kind][1]}とも共通の周波数帯がないもの：{who}（{'。'.join(ja)}）。",
    }
