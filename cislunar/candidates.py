"""What could have served a place, and when each of its conditions held: the input of gap causes.

A gap is dated by when the first bundle would have been sent, so conditions are too: a condition of
the receiving end holds at ``t`` if it holds one light time later. For ``forward``, where the
sender is on Earth, the whole last hop is dated back by the light time from the Earth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.livepath import live_path
from cislunar.pairing import terminal_pairs
from orbits.constants import C_KM_S
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.access import PairAccess
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

EVER_S = 1e12  # beyond any span: conditions that can only fail somewhere hold everywhere else
EARTH = "earth"  # the light time from its centre stands for that from the station (within 0.02 s)
LightTime = Callable[[str, str, np.ndarray], np.ndarray]
Pair = tuple[str, str]


def light_time_of(tracks: Tracks) -> LightTime:
    """``(a, b, t_s) -> s``: light time between two nodes (or ``"earth"``) at instants ``t_s``.

    Positions are interpolated linearly on the grid: within 1 km, 3 us, at steps up to 60 s.
    """

    def place(name, index, share):
        table = tracks.earth if name == EARTH else tracks.states[name]
        return table[index, :3] * (1.0 - share) + table[index + 1, :3] * share

    def light_time_s(a, b, t_s):
        at = np.clip(np.asarray(t_s, float) / tracks.step_s, 0.0, tracks.t_s.size - 1.0)
        index = np.minimum(at.astype(int), tracks.t_s.size - 2)
        share = (at - index)[..., None]
        gap = place(a, index, share) - place(b, index, share)
        return np.sqrt((gap * gap).sum(axis=-1)) / C_KM_S

    return light_time_s


@dataclass(frozen=True, eq=False)
class Circumstances:
    """All that causes are read from; calling it gives the candidates of a place and service.

    ``passes[source, target]``: link passes with ``rate_bps`` and ``intervals``, in geometric time,
    before service windows and policy. ``busy[source, target]``: transmit times lost to contention.
    ``plan``: the permitted contacts. ``positioning``: ``served`` and ``enough`` (four sources
    usable) by asset. ``rate_bps(place, service)``: the rate that every hop needs.
    """

    nodes: Mapping[str, Node]
    access: Mapping[Pair, PairAccess]
    passes: Mapping[Pair, Any]
    plan: Any
    span_s: float
    light_time_s: LightTime
    permits: Callable[[str | None, str | None], bool]
    rate_bps: Callable[[str, str], float] = lambda place, service: 1e6
    positioning: Any = None
    is_source: Callable[[Node], bool] = lambda node: False
    busy: Mapping[Pair, Intervals] = field(default_factory=dict)
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
            if _pair(place, other.name) in self.access and terminal_pairs(source, target):
                yield self._one(node, source, target, other, service)

    def _positioning(self, place: str) -> dict[str, Intervals]:
        sources = (n for n in self.nodes.values() if n.name != place and self.is_source(n))
        in_service = Intervals.union_of(n.service for n in sources)
        return {
            "no-provider": in_service & self.nodes[place].service,
            "few-sources": self.positioning.enough[place],
            "geometry": self.positioning.served[place],
        }

    def _one(self, node, source, target, other, service) -> dict[str, Intervals]:
        rate = self.rate_bps(node.name, service)
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
        found |= held
        if not station and service != "crosslink":
            for cause, spans in self._second_leg(other.name, rate, service == "forward").items():
                if source is not other:
                    spans = self._arriving(spans, source, target)
                found[cause] = spans
        if source is other and not station:  # dated at the relay so far: back to the Earth
            found = {
                cause: self._shifted(spans, EARTH, other.name) for cause, spans in found.items()
            }
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
        # a link is judged where there is access; elsewhere another condition is in the way
        closes = self._closes(source.name, target.name, rate)
        found["link"] = _elsewhere(pair.access - closes)
        if not self.permits(source.operator, target.operator):
            found["policy"] = Intervals()
        if (source.name, target.name) in self.busy:
            found["contention"] = _elsewhere(self.busy[source.name, target.name])
        return found

    def _closes(self, source: str, target: str, rate: float) -> Intervals:
        return Intervals.union_of(
            p.intervals for p in self.passes.get((source, target), ()) if p.rate_bps >= rate
        )

    def _arriving(self, spans: Intervals, source: Node, target: Node) -> Intervals:
        return self._shifted(spans, source.name, target.name)

    def _shifted(self, spans: Intervals, a: str, b: str) -> Intervals:
        """Spans dated at the arrival, as dated at the sending; the boundary stays unbounded."""
        if not len(spans):
            return spans
        start = spans.start_s - self.light_time_s(a, b, spans.start_s)
        end = spans.end_s - self.light_time_s(a, b, spans.end_s)
        end[spans.end_s >= self.span_s] = self.span_s
        return Intervals(start, end)

    def _second_leg(self, relay: str, rate: float, outward: bool) -> dict[str, Intervals]:
        """The relay's own path to (from) the Earth, and what stands in its way, in its time."""
        live = self._live(rate, outward).get(relay, Intervals())
        without_masks = self._relaxed(rate, outward, masks=False).get(relay, Intervals())
        without_both = self._relaxed(rate, outward, masks=False, outages=False)
        in_reach = without_both.get(relay, Intervals())
        return {
            "station-mask": _elsewhere(without_masks - live),
            "station-outage": _elsewhere(in_reach - without_masks - live),
            "relay-no-earth": live,
        }

    def _live(self, rate: float, outward: bool) -> dict[str, Intervals]:
        """Live paths of every node at a rate: transmit times to, or arrival times from, Earth."""
        key = ("live", rate, outward)
        if key not in self._held:
            from cislunar.contact_table import table_of

            stations = [n.name for n in self.nodes.values() if n.kind == "station"]
            table = table_of(self.plan)
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
        for relay in relays:
            parts = [self._live(rate, outward).get(relay.name, Intervals())]
            for station in stations:
                source, target = (station, relay) if outward else (relay, station)
                if self._can_talk(source, target, rate):
                    spans = relay.service & station.service if outages else relay.service
                    pair = self.access[_pair(relay.name, station.name)]
                    for condition in pair.conditions:
                        if masks or condition.cause != "station-mask":
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
