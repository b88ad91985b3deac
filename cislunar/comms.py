"""Communication scores: who reaches Earth, when, how late and with how much.

Services, for a place (a node on the Moon, or any other that states a need):

- ``relay``: to any Earth station, through any path (relays or direct);
- ``direct``: to an Earth station in one hop;
- ``forward``: from any Earth station to the place, through any path;
- ``crosslink``: to Earth or to another place on the Moon, over a path whose second hop joins two
  spacecraft.

A service is up at t when an empty bundle sent at t (at the place; for ``forward`` at a station)
gets there without waiting, every hop at the need's rate. Spacecraft forward for others; so do
places that serve users around them; other places and stations do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.contact_table import ContactTable, table_of
from cislunar.livepath import before, crosslinked, find_live_paths
from cislunar.needs import DEFAULT_RATE_BPS, hardest_first, judge, rate_bps
from cislunar.profile import NEVER, Network, Profile
from cislunar.timeshare import expected_frac
from orbits.constants import DAY_S
from orbits.errors import InputError
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

SERVICES = ("relay", "direct", "forward", "crosslink")
REPORTED = ("relay", "direct", "forward")  # for every place with terminals, asked for or not
COLUMNS = (
    "asset", "service", "availability_frac", "longest_gap_s", "mean_gap_s", "gap_count",
    "latency_p50_s", "latency_p95_s", "latency_max_s", "undelivered_frac", "volume_bit_per_day",
    "need_availability_frac", "verdict", "availability_time_share_frac",
)  # fmt: skip
NEED_COLUMNS = (
    "asset", "service", "need", "min_rate_bps", "availability_frac", "availability_basis",
    "need_availability_frac", "longest_gap_s", "need_max_gap_s", "latency_p95_s", "need_latency_s",
    "volume_bit_per_day", "need_volume_bit_per_day", "verdict", "missed",
)  # fmt: skip
_NEED_MAY_BE_EMPTY = (
    "availability_frac", "need_availability_frac", "need_max_gap_s", "latency_p95_s",
    "need_latency_s", "need_volume_bit_per_day",
)  # fmt: skip
_MAY_BE_EMPTY = (
    "availability_time_share_frac", "latency_p50_s", "latency_p95_s", "latency_max_s",
    "need_availability_frac",
)  # fmt: skip
_WORST_FIRST = ("not-met", "not-computable", "met", "no-need")


@dataclass(frozen=True)
class CommScores:
    """One row a place and service (s, fractions, bit a day), and when each was served.

    ``served``: {(place, service): Intervals} in transmit time, s past the epoch. ``needs`` has a
    row a need, judged at its own rate and on its own basis; ``missed`` names the keys of the need
    that are missed, or cannot be judged. ``frame`` and ``needs`` are None where only the served
    spans were asked for.
    """

    frame: pd.DataFrame | None
    served: dict[tuple[str, str], Intervals]
    needs: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        if self.frame is None:
            return f"<p>{len(self.served)} served places and services</p>"
        return self.frame.to_html(index=False, max_rows=200)


def score_comms(
    plan, nodes: Sequence[Any], *, send_step_s: float = 60.0, served_only: bool = False
) -> CommScores:
    """The communication scores of every place, over the span of a contact plan.

    Every place with terminals has rows for relay, direct and forward, and any place for whatever
    it needs; the rate is the need's (1e6 bit/s without one). Where one service is needed twice,
    the figures are for the need of the highest rate and the verdict is the worst.

    Latency is waiting plus light time of an empty bundle (store and forward, every hop at the
    rate) sent every ``send_step_s``; what does not arrive within the span is in
    ``undelivered_frac`` and outside the percentiles, which are empty where nothing arrives.
    ``volume_bit_per_day`` is what one user alone could send over live paths: the largest rate of
    a live path at each instant, integrated; nobody contends for it. (For ``forward`` the instants
    are those of arrival.) Contacts open at an end of the span are taken to go on beyond it for
    the seconds that a bundle is under way. ``availability_time_share_frac`` is the availability
    to expect where stations give lunar users only their ``lunar_time_share`` (see ``timeshare``).
    ``served_only`` leaves out the table and what nobody needs, for reruns.
    """
    view = _View(table_of(plan, [n.name for n in nodes]), nodes)
    served: dict[tuple[str, str], Intervals] = {}
    rows, judged = [], []
    for node in nodes:
        needs = [n for n in node.needs if n.service in SERVICES]
        asked = {n.service for n in needs}
        if node.kind != "asset" and not asked:
            continue
        for service in SERVICES:
            shown = service in REPORTED and bool(node.terminals) and not served_only
            if service not in asked and not shown:
                continue
            own = hardest_first(needs, service)
            spans = [view.served(service, node.name, rate_bps(n)) for n in own or [None]]
            served[node.name, service] = spans[0]
            if not served_only:
                row, of_needs = _row(view, node.name, service, own, spans, send_step_s)
                rows.append(row)
                judged += of_needs
    if served_only:
        return CommScores(None, served)
    return CommScores(
        _frame(rows, COLUMNS, _MAY_BE_EMPTY), served,
        _frame(judged, NEED_COLUMNS, _NEED_MAY_BE_EMPTY),
    )  # fmt: skip


def relay_live(
    plan, nodes: Sequence[Any], min_rate_bps: float = DEFAULT_RATE_BPS
) -> dict[str, Intervals]:
    """When each spacecraft has a live path to Earth (transmit times there, s past the epoch)."""
    view = _View(table_of(plan, [n.name for n in nodes]), nodes)
    paths = view.to_earth(min_rate_bps)
    return {
        n.name: paths.of(view.table.number(n.name)).clip(0.0, view.span_s)
        for n in nodes
        if n.kind == "spacecraft"
    }


class _View:
    """The plan as the services see it; each search is done once a rate."""

    def __init__(self, table: ContactTable, nodes: Sequence[Any]):
        if table.epoch is None:
            raise InputError("a plan without an epoch cannot be scored")
        self.table, self.span_s, self.epoch = table.held(), table.span_s, table.epoch
        self.craft, self.stations, self.places, self.transit = (
            np.zeros(len(table.names), dtype=bool) for _ in range(4)
        )
        for node in nodes:
            n = table.number(node.name)
            self.craft[n] = node.kind == "spacecraft"
            self.stations[n] = node.kind == "station"
            self.places[n] = node.kind == "asset"
            self.transit[n] = self.craft[n] or (
                node.kind == "asset" and node.serves_radius_km is not None
            )
        self.share = {
            table.number(n.name): float(n.lunar_time_share) for n in nodes if n.kind == "station"
        }
        self.earth = np.flatnonzero(self.stations)
        self.at_rate = lru_cache(maxsize=None)(self._at_rate)
        self.network = lru_cache(maxsize=None)(self._network)
        self.network_down = lru_cache(maxsize=None)(self._network_down)
        self.to_earth = lru_cache(maxsize=None)(self._to_earth)
        self.to_one = lru_cache(maxsize=None)(self._to_one)
        self.direct_at = lru_cache(maxsize=None)(self._direct_at)
        self.down_at = lru_cache(maxsize=None)(self._down_at)
        self.profiles_to_earth = lru_cache(maxsize=None)(self._profiles_to_earth)
        self.direct_profiles = lru_cache(maxsize=None)(self._direct_profiles)
        self.volumes = lru_cache(maxsize=None)(self._volumes)

    # --- contacts ---

    def _at_rate(self, rate: float) -> ContactTable:
        return self.table.keep(self.table.rate_bps >= rate)

    def _direct_at(self, rate: float) -> ContactTable:
        t = self.at_rate(rate)
        return t.keep(self.stations[t.target] & ~self.stations[t.source])

    def _down_at(self, rate: float) -> ContactTable:
        """Contacts away from Earth: what a path from a station to a place can use."""
        t = self.at_rate(rate)
        return t.keep(~self.stations[t.target] & (self.stations | self.transit)[t.source])

    def _toward(self, place: int, rate: float) -> ContactTable:
        t = self.down_at(rate)
        return t.keep(self.transit[t.target] | (t.target == place))

    def _others(self, place: int) -> np.ndarray:
        others = self.places | self.stations
        others[place] = False
        return np.flatnonzero(others)

    # --- when ---

    def _to_earth(self, rate: float):
        return find_live_paths(self.at_rate(rate), self.earth, self.transit)

    def _to_one(self, rate: float, station: int):
        return find_live_paths(self.at_rate(rate), [station], self.transit)

    def expected_frac(self, service: str, name: str, rate: float) -> float | None:
        """Availability to expect with the stations' shares of time; None where none is asked."""
        n = self.table.number(name)
        if service == "crosslink":  # need not end at a station
            return None
        if service == "relay":
            spans = {g: self.to_one(rate, g).of(n) for g in self.share}
        elif service == "direct":
            t = self.direct_at(rate)
            part = slice(t.first[n], t.first[n + 1])
            start, end, target = t.start_s[part], t.end_s[part], t.target[part]
            spans = {g: Intervals(start[target == g], end[target == g]) for g in self.share}
        else:
            paths = find_live_paths(self._toward(n, rate), [n], self.transit)
            spans = {g: paths.of(g) for g in self.share}
        return expected_frac([(spans[g], share) for g, share in self.share.items()], self.span_s)

    def served(self, service: str, name: str, rate: float) -> Intervals:
        n = self.table.number(name)
        if service == "relay":
            spans = self.to_earth(rate).of(n)
        elif service == "direct":
            t = self.direct_at(rate)
            part = slice(t.first[n], t.first[n + 1])
            spans = Intervals(t.start_s[part], t.end_s[part])
        elif service == "forward":
            paths = find_live_paths(self._toward(n, rate), [n], self.transit)
            spans = Intervals.union_of(paths.of(int(g)) for g in self.earth)
        else:
            spans = self._crosslink(n, self.at_rate(rate))
        return spans.clip(0.0, self.span_s)

    def _crosslink(self, n: int, table: ContactTable) -> Intervals:
        transit = self.craft & (np.arange(self.craft.size) != n)
        across = crosslinked(table, self._others(n), transit)
        return before(table, table.source == n, across).get(n, Intervals())

    # --- how late ---

    def _network(self, rate: float) -> Network:
        return Network(self.at_rate(rate), self.transit)

    def _network_down(self, rate: float) -> Network:
        """Away from Earth, all stations as one node: a message may leave from any of them."""
        t = self.down_at(rate)
        return Network(
            t.with_source(np.where(self.stations[t.source], self.earth[0], t.source)), self.transit
        )

    def _profiles_to_earth(self, rate: float) -> dict[int, Profile]:
        return self.network(rate).profiles(self.earth)

    def _direct_profiles(self, rate: float) -> dict[int, Profile]:
        return Network(self.direct_at(rate), np.zeros_like(self.transit)).profiles(self.earth)

    def profile(self, service: str, name: str, rate: float) -> Profile:
        n = self.table.number(name)
        if service == "relay":
            return self.profiles_to_earth(rate)[n]
        if service == "direct":
            return self.direct_profiles(rate)[n]
        if service == "forward":
            if not self.earth.size:
                return NEVER
            earth = int(self.earth[0])
            return self.network_down(rate).profiles([n], senders=[earth])[earth]
        transit = self.craft & (np.arange(self.craft.size) != n)
        network = Network(self.at_rate(rate), transit)
        return network.crosslinked(n, self._others(n), transit)

    # --- how much ---

    def volume_bit(self, service: str, name: str) -> float:
        n = self.table.number(name)
        if service == "crosslink":
            t = self.table
            most = t.rate_bps[t.source == n].max(initial=0.0)
            levels = np.unique(t.rate_bps[t.rate_bps <= most])

            def up_s(rate):
                return self._crosslink(n, self.at_rate(rate)).clip(0.0, self.span_s).total_s

            return float(_integral(levels, up_s))
        return float(self.volumes(service)[n])

    def _volumes(self, service: str) -> np.ndarray:
        """Bits each place could move over live paths, by the levels of rate that occur."""
        t, low_s, high_s = self.table, 0.0, self.span_s
        outer = ~self.transit & ~self.stations
        if service == "forward":  # the plan run backwards: places send, at minus their arrival
            t, low_s, high_s = self.table.reversed(), -self.span_s, 0.0
        if service == "direct":
            t = t.keep(self.stations[t.target])
        else:
            t = t.keep(~self.stations[t.source] & (self.stations | self.transit)[t.target])
        # the narrowest hop may be any, but no level above what the places themselves send counts
        most = t.rate_bps[(outer | self.places)[t.source]].max(initial=0.0)
        levels = np.unique(t.rate_bps[t.rate_bps <= most])

        def live_s(rate):
            part = t.keep(t.rate_bps >= rate)
            transit = np.zeros_like(self.transit) if service == "direct" else self.transit
            return find_live_paths(part, self.earth, transit).total_s(low_s, high_s)

        return np.zeros(len(t.names)) + _integral(levels, live_s)


def _integral(levels: Iterable[float], live_s: Callable[[float], Any]):
    """Bits: the sum over levels of (rate - the level below) x seconds live at that rate."""
    total, below = 0.0, 0.0
    for rate in levels:
        total = total + (rate - below) * live_s(float(rate))
        below = rate
    return total


def _row(view: _View, name, service, own, spans, send_step_s) -> tuple[tuple, list[tuple]]:
    """The score of a place and service, and the judgement of each of its needs."""
    span_s, first = view.span_s, spans[0]
    need = own[0] if own else None
    gaps = first.complement(0.0, span_s).durations_s
    rate = rate_bps(need)
    send = np.arange(0.0, span_s, send_step_s)
    latency = _latency_s(view.profile(service, name, rate), send, span_s)
    p50, p95, most = (
        (None, None, None)
        if not latency.size
        else (*np.percentile(latency, (50, 95)).tolist(), float(latency.max()))
    )
    volume = view.volume_bit(service, name) / (span_s / DAY_S)
    verdicts, judged = [], []
    for one, served in zip(own or [None], spans, strict=True):
        late = p95
        if one is not None and one is not need and rate_bps(one) != rate:
            other = _latency_s(view.profile(service, name, rate_bps(one)), send, span_s)
            late = float(np.percentile(other, 95)) if other.size else None
        found = judge(
            one, served, view.epoch, span_s, latency_p95_s=late, volume_bit_per_day=volume
        )
        verdicts.append(found.verdict)
        if one is not None:
            judged.append((
                name, service, getattr(one, "id", None), rate_bps(one), found.achieved_frac,
                one.availability_basis or "span", one.availability_frac,
                served.complement(0.0, span_s).longest_s, one.max_gap_s, late, one.latency_s,
                volume, one.volume_bit_per_day, found.verdict, " ".join(found.faults),
            ))  # fmt: skip
    return (
        name, service, first.total_s / span_s, float(gaps.max(initial=0.0)),
        float(gaps.mean()) if gaps.size else 0.0, int(gaps.size), p50, p95, most,
        1.0 - latency.size / send.size, volume,
        None if need is None else need.availability_frac,
        min(verdicts, key=_WORST_FIRST.index), view.expected_frac(service, name, rate),
    ), judged  # fmt: skip


def _latency_s(profile: Profile, send_s: np.ndarray, span_s: float) -> np.ndarray:
    """Latency of what arrives within the span, for the given send times (all in s)."""
    arrival = profile.arrival_s(send_s)
    there = arrival <= span_s
    return arrival[there] - send_s[there]


def _frame(rows, columns, may_be_empty) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    # a missing value is missing, not a number
    return frame.astype(dict.fromkeys(may_be_empty, "Float64"))
