"""What could have served a place, and when each of its conditions held: the input of gap causes.

A gap is dated by when the first bundle would have been sent, so conditions are too: a condition of
the receiving end holds at ``t`` if it holds one light time later. For ``forward``, where the
sender is on Earth, the whole last hop is dated back by the light time from the Earth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.comms import CommScores
from cislunar.contact_table import ContactTable, table_of
from cislunar.contacts import permits
from cislunar.gaps import Gaps, find_gaps
from cislunar.links import sent_for
from cislunar.livepath import live_path
from cislunar.needs import hardest_first, rate_bps
from cislunar.pairing import terminal_pairs
from cislunar.positioning import PositioningResult, positioning_need
from cislunar.ranging import is_receiver, is_source
from orbits.constants import C_KM_S
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.access import PairAccess
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

EVER_S = 1e12  # beyond any span: conditions that can only fail somewhere hold everywhere else
EARTH = "earth"  # the light time from its centre stands for that from the station (within 0.02 s)
Sent = Callable[[Intervals, str, str], Intervals]
Pair = tuple[str, str]


def sending_times(tracks: Tracks) -> Sent:
    """``(spans, source, target) -> spans``: when to send so as to arrive within ``spans``, in s.

    For two nodes it is what the contact plan uses, so that both have the same edges. For a
    source ``"earth"`` the light time is that from its centre, interpolated linearly on the grid.
    """
    span_s = tracks.span_s

    def back(t_s, target):
        at = np.clip(t_s / tracks.step_s, 0.0, tracks.t_s.size - 1.0)
        index = np.minimum(at.astype(int), tracks.t_s.size - 2)
        share = (at - index)[:, None]
        here, there = tracks.earth[:, :3], tracks.states[target][:, :3]
        gap = there[index] - here[index]
        gap += share * (there[index + 1] - here[index + 1] - gap)
        late = t_s - np.sqrt((gap * gap).sum(axis=1)) / C_KM_S
        return np.where((t_s <= 0.0) | (t_s >= span_s), t_s, np.maximum(late, 0.0))

    def sent(spans, source, target):
        if source != EARTH:
            return sent_for(tracks, spans, source, target)
        return Intervals(back(spans.start_s, target), back(spans.end_s, target))

    return sent


@dataclass(frozen=True, eq=False)
class Circumstances:
    """All that causes are read from; calling it gives the candidates of a place and service.

    ``passes[source, target]``: link passes with ``rate_bps`` and ``intervals`` in transmit time,
    before service windows and policy. ``wanted``: the
    permitted contacts, ``plan``: those left by contention (all, where ``wanted`` is None).
    ``positioning``: ``served`` and ``enough`` (four sources
    usable) by asset. ``sent``: see ``sending_times``.
    """

    nodes: Mapping[str, Node]
    access: Mapping[Pair, PairAccess]
    passes: Mapping[Pair, Any]
    plan: Any
    span_s: float
    sent: Sent
    permits: Callable[[str | None, str | None], bool]
    positioning: Any = None
    wanted: Any = None
    positioning_wanted: Any = None  # as if navigation signals were never off for a link
    _held: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __call__(self, place: str, service: str) -> Iterator[dict[str, Intervals]]:
        """The candidates of one place and service, each ``{cause: when the condition holds}``."""
        if service == "positioning":
            yield self._positioning(place)
            return
        node = self.nodes[place]
        outward = service == "forward"  # from Earth to the asset
        for other in self.nodes.values():
            if other.name == place or (service == "direct" and other.kind != "station"):
                continue
            if service == "crosslink" and other.kind != "spacecraft":
                continue
            source, target = (other, node) if outward else (node, other)
            neighbours = other.kind == node.kind == "asset"
            fits = neighbours or terminal_pairs(source, target)
            if fits and _pair(place, other.name) in self.access:
                yield self._one(node, source, target, other, service)

    def _positioning(self, place: str) -> dict[str, Intervals]:
        user = self.nodes[place]
        sources = [n for n in self.nodes.values() if n.name != place and is_source(n)]
        if not is_receiver(user):  # no source has a terminal that fits
            sources = []
        usable = [n for n in sources if self.permits(n.operator, user.operator)]
        found = {
            "no-provider": Intervals.union_of(n.service for n in sources) & user.service,
            "policy": Intervals.union_of(n.service for n in usable),
            "few-sources": self.positioning.enough[place],
            "geometry": self.positioning.served[place],
        }
        if self.positioning_wanted is not None:
            off = self.positioning_wanted.enough[place] - found["few-sources"]
            off |= self.positioning_wanted.served[place] - found["geometry"]
            found["contention"] = _elsewhere(off)
        return found

    def _one(self, node, source, target, other, service) -> dict[str, Intervals]:
        rate = rate_bps(need_of(node, service))
        found = self._hop(source, target, rate)
        station = other.kind == "station"
        held = {"no-provider": node.service if station else node.service & other.service}
        if station:
            held["station-outage"] = other.service
        if source is other:  # what belongs to the receiving asset, as the sender dates it
            held["no-provider"] = self._arriving(node.service, source, target)
            if not station:
                held["no-provider"] = held["no-provider"] & other.service
        elif station:
            held["station-outage"] = self._arriving(other.service, source, target)
        else:
            held["no-provider"] = node.service & self._arriving(other.service, source, target)
        for cause, spans in held.items():  # a stated condition may have the cause already
            found[cause] = found[cause] & spans if cause in found else spans
        if not station and service != "crosslink":
            for cause, spans in self._second_leg(other.name, rate, service == "forward").items():
                if source is not other:
                    spans = self._arriving(spans, source, target)
                found[cause] = found[cause] & spans if cause in found else spans
        if source is other and not station:  # dated at the relay so far: back to the Earth
            found = {cause: self.sent(spans, EARTH, other.name) for cause, spans in found.items()}
        return found

    def _hop(self, source, target, rate) -> dict[str, Intervals]:
        """The conditions of one hop, in transmit time at its source."""
        pair = self.access[_pair(source.name, target.name)]
        receiver = "a" if pair.a == target.name else "b"
        found: dict[str, Intervals] = {}
        for condition in pair.conditions:
            spans = condition.intervals
            if condition.owner == receiver:
                spans = self._arriving(spans, source, target)
            known = found.get(condition.cause)
            found[condition.cause] = spans if known is None else known & spans
        # a link is judged where all of them hold; elsewhere another condition is in the way
        window = Intervals(np.zeros(1), np.full(1, self.span_s))
        for spans in found.values():
            window = window & spans
        found["link"] = _elsewhere(window - self._closes(source.name, target.name, rate))
        if not self.permits(source.operator, target.operator):
            found["policy"] = Intervals()
        if self.wanted is not None:
            wanted = self._up("wanted", source.name, target.name, rate)
            found["contention"] = _elsewhere(
                wanted - self._up("plan", source.name, target.name, rate)
            )
        return found

    def _table(self, which: str) -> ContactTable:
        if which not in self._held:
            self._held[which] = table_of(getattr(self, which), list(self.nodes))
        return self._held[which]

    def _up(self, which: str, source: str, target: str, rate: float) -> Intervals:
        """When contacts of a pair at a rate or more are up, in the ``plan`` or as ``wanted``."""
        table = self._table(which)
        u, v = table.number(source), table.number(target)
        low, high = np.searchsorted(table.target[table.first[u] : table.first[u + 1]], [v, v + 1])
        part = slice(table.first[u] + low, table.first[u] + high)
        fast = table.rate_bps[part] >= rate
        return Intervals(table.start_s[part][fast], table.end_s[part][fast])

    def _closes(self, source: str, target: str, rate: float) -> Intervals:
        return Intervals.union_of(
            p.intervals for p in self.passes.get((source, target), ()) if p.rate_bps >= rate
        )

    def _arriving(self, spans: Intervals, source: Node, target: Node) -> Intervals:
        return self.sent(spans, source.name, target.name)

    def _second_leg(self, relay: str, rate: float, outward: bool) -> dict[str, Intervals]:
        """The relay's own path to (from) the Earth, and what stands in its way, in its time."""
        live = self._live(rate, outward).get(relay, Intervals())
        alone = live
        found = {}
        if self.wanted is not None:
            alone = self._live(rate, outward, "wanted").get(relay, Intervals())
            found["contention"] = _elsewhere(alone - live)
        without_masks = self._relaxed(rate, outward, masks=False).get(relay, Intervals())
        without_both = self._relaxed(rate, outward, masks=False, outages=False)
        in_reach = without_both.get(relay, Intervals())
        return found | {
            "station-mask": _elsewhere(without_masks - alone),
            "station-outage": _elsewhere(in_reach - without_masks - alone),
            "relay-no-earth": live,
        }

    def _live(self, rate: float, outward: bool, which: str = "plan") -> dict[str, Intervals]:
        """Live paths of every node at a rate: transmit times to, or arrival times from, Earth."""
        key = (which, rate, outward)
        if key not in self._held:
            stations = [n.name for n in self.nodes.values() if n.kind == "station"]
            table = self._table(which)
            table = table.reversed() if outward else table
            found = live_path(table, stations, rate, transit=self._forwarders)
            if outward:
                found = {n: Intervals(-s.end_s, -s.start_s) for n, s in found.items()}
            self._held[key] = found
        return self._held[key]

    @property
    def _forwarders(self) -> list[str]:
        """Who may pass data on: spacecraft, and surface nodes that serve others."""
        return [
            n.name
            for n in self.nodes.values()
            if n.kind == "spacecraft" or (n.kind == "asset" and n.serves_radius_km)
        ]

    def _relaxed(self, rate, outward, *, masks=True, outages=True) -> dict[str, Intervals]:
        """Spacecraft in reach of the Earth if masks (outages) of stations did not count.

        Through a station it can talk to at some time of the span, or through one other spacecraft
        that is so placed; light times are left out, and a link is taken to close under the mask.
        """
        key = ("relaxed", rate, outward, masks, outages)
        if key in self._held:
            return self._held[key]
        relays = [n for n in self.nodes.values() if n.kind == "spacecraft"]
        stations = [n for n in self.nodes.values() if n.kind == "station"]
        sight: dict[str, Intervals] = {}
        alone = self._live(rate, outward, "plan" if self.wanted is None else "wanted")
        for relay in relays:
            parts = [alone.get(relay.name, Intervals())]
            for station in stations:
                source, target = (station, relay) if outward else (relay, station)
                if self._can_talk(source, target, rate):
                    spans = relay.service & station.service if outages else relay.service
                    pair = self.access[_pair(relay.name, station.name)]
                    for condition in pair.conditions:
                        relaxed = (
                            "" if masks else "station-mask",
                            "" if outages else "station-outage",
                        )
                        if condition.cause not in relaxed:
                            spans = spans & condition.intervals
                    parts.append(spans)
            sight[relay.name] = Intervals.union_of(parts)
        found = {}
        for relay in relays:
            parts = [sight[relay.name]]
            for peer in relays:
                source, target = (peer, relay) if outward else (relay, peer)
                if peer is not relay and self._can_talk(source, target, rate):
                    both = relay.service & peer.service & sight[peer.name]
                    parts.append(both & self._closes(source.name, target.name, rate))
            found[relay.name] = Intervals.union_of(parts)
        self._held[key] = found
        return found

    def _can_talk(self, source: Node, target: Node, rate: float) -> bool:
        passes = self.passes.get((source.name, target.name), ())
        return self.permits(source.operator, target.operator) and any(
            p.rate_bps >= rate and len(p.intervals) for p in passes
        )


def _pair(a: str, b: str) -> Pair:
    return (a, b) if a < b else (b, a)


def _elsewhere(spans: Intervals) -> Intervals:
    return spans.complement(-EVER_S, EVER_S)


def need_of(node: Node, service: str) -> Any:
    """The need that a node's scores of a service are for: its hardest; None if it has none."""
    if service == "positioning":
        return positioning_need(node)
    return next(iter(hardest_first(node.needs, service)), None)


def explain_gaps(
    nodes: Sequence[Node],
    access: Mapping[Pair, PairAccess],
    links: Mapping[Pair, Any],
    plan: Any,
    tracks: Tracks,
    policy: Any,
    comms: CommScores,
    positioning: PositioningResult,
    positioning_wanted: PositioningResult | None = None,
) -> Gaps:
    """The gaps of every place and service that was scored, each with its causes.

    ``links`` are ``close_links`` without service windows, ``plan`` the contacts made of them, after
    contention. ``positioning_wanted`` is positioning as if no navigation signal were ever off.
    """
    by_name = {node.name: node for node in nodes}
    circumstances = Circumstances(
        by_name, access, links, plan, tracks.span_s, sending_times(tracks),
        lambda a, b: permits(policy, a, b), positioning,
        None if plan.wanted is plan else plan.wanted, positioning_wanted,
    )  # fmt: skip
    served = dict(comms.served)
    served |= {(name, "positioning"): spans for name, spans in positioning.served.items()}
    needs = {key: need_of(by_name[key[0]], key[1]) for key in served}
    needs = {key: need for key, need in needs.items() if need is not None}
    return find_gaps(served, circumstances, needs, (0.0, tracks.span_s), tracks.epoch)
