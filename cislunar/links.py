"""Links: where access becomes bits. For each directed pair of terminals, when which rate closes.

Atmosphere and the Moon's noise only depend on geometry, so a link budget turns into levels of a
distance: without atmosphere the range at which each rate stops closing; with it, the range at
which free space alone would lose as much. Level crossings are refined as access edges are.

All times are transmit times at the source. What belongs to the source and to the path holds at t,
what belongs to the receiver (its elevation, mask, Sun limit) at t plus the light time; rate and
margin are those of the geometry at t. A condition that holds at the end of the analysis is taken
to hold for one light time more, because nothing is known beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cislunar.access import PairAccess, each, elevation_intervals, in_blocks, sun_clear
from cislunar.beam import is_shaped, losses_at, losses_db
from cislunar.budget import (
    FULL,
    LIMB,
    OUTSIDE,
    Budget,
    Losses,
    air_warming,
    half_beam_rad,
    least_margin_db,
    link_budget,
    margins_at_1km_db,
)
from cislunar.crossings import Grid, Steps, follow, quantity, range_km, scan
from cislunar.geometry import LOSS_RANGE, OFF_MOON, RANGE, quantity_at
from cislunar.link_models.modcod import modes
from cislunar.pairing import (
    min_elevation_deg,
    pair_mask_deg,
    sun_limit_deg,
    terminal_band,
    terminal_pairs,
)
from cislunar.records import Itself
from cislunar.station_air import station_air
from orbits.compiled import njit
from orbits.constants import C_KM_S, DEG
from orbits.events import EDGE_TOLERANCE_S, intersect_all
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.terminal_records import Terminal
    from cislunar.tracks import Tracks

SHORTEST_S = 1.0  # a link that is up for less is not planned
SLIVER_S = 1e-3
SURFACE = "surface"  # band of links between neighbours on the ground


@dataclass(frozen=True)
class LinkPass:
    """When ``rate_bps`` is the highest rate that closes from one terminal to another.

    ``intervals`` are seconds past the epoch, in transmit time at the source. For each of them
    ``margin_db`` is the least margin (None for neighbours on the ground, whose link has no
    budget) and ``owlt_s`` the largest light time.
    """

    source: str
    target: str
    terminal_source: str
    terminal_target: str
    band: str
    rate_bps: float
    intervals: Intervals
    owlt_s: np.ndarray = field(repr=False)
    margin_db: np.ndarray | None = field(repr=False)


# --- compiled --------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _pieces(ws, we, when, what, count, moon_when, moon_what, moon_count, table, regimes):
    """Windows cut where the best rate changes: starts, ends, rate index (-1: none closes)."""
    cap = ws.size + when.size + moon_when.size + 1
    ps, pe, pr = np.empty(cap), np.empty(cap), np.empty(cap, dtype=np.int64)
    n, i, j = 0, 0, 0
    for k in range(ws.size):
        t = ws[k]
        while True:
            while i < when.size and when[i] <= t:
                count += 1 if what[i] > 0 else -1
                i += 1
            while j < moon_when.size and moon_when[j] <= t:
                moon_count += 1 if moon_what[j] > 0 else -1
                j += 1
            stop = we[k]
            if i < when.size and when[i] < stop:
                stop = when[i]
            if j < moon_when.size and moon_when[j] < stop:
                stop = moon_when[j]
            best = table[count, regimes[moon_count]]
            if best >= 0:
                touches = n > 0 and pe[n - 1] == t
                if touches and (
                    pr[n - 1] == best or stop - t < SLIVER_S or pe[n - 1] - ps[n - 1] < SLIVER_S
                ):
                    # a sliver joins its neighbour at the lower of the two rates
                    pr[n - 1] = min(pr[n - 1], best)
                    pe[n - 1] = stop
                else:
                    ps[n], pe[n], pr[n] = t, stop, best
                    n += 1
            if stop >= we[k]:
                break
            t = stop
    # join equal neighbours that a sliver made, and drop what is up for less than a second
    m, first = 0, 0
    for k in range(n):
        if k > first and pe[m - 1] == ps[k] and pr[m - 1] == pr[k]:
            pe[m - 1] = pe[k]
        else:
            ps[m], pe[m], pr[m] = ps[k], pe[k], pr[k]
            m += 1
    kept, k = 0, 0
    while k < m:
        last = k
        while last + 1 < m and ps[last + 1] == pe[last]:
            last += 1
        if pe[last] - ps[k] >= SHORTEST_S:
            for q in range(k, last + 1):
                ps[kept], pe[kept], pr[kept] = ps[q], pe[q], pr[q]
                kept += 1
        k = last + 1
    return ps[:kept].copy(), pe[:kept].copy(), pr[:kept].copy()


@njit(cache=True, nogil=True)
def _worst(
    ps, pe, code, q, step_s, a, b, u, par, moon_when, moon_what, moon_count, regimes, factors
):
    """For each piece the largest range (km) and the largest quantity x Moon factor."""
    far, worst = np.empty(ps.size), np.empty(ps.size)
    w, none = np.empty(8), np.zeros(2)
    j = 0
    for k in range(ps.size):
        while j < moon_when.size and moon_when[j] <= ps[k]:
            moon_count += 1 if moon_what[j] > 0 else -1
            j += 1
        top = factors[regimes[moon_count]]
        best = 0.0
        rho_best = 0.0
        low = int(np.ceil(ps[k] / step_s))
        high = int(np.floor(pe[k] / step_s))
        for i in range(low - 1, high + 2):
            if i == low - 1:
                t = ps[k]
            elif i == high + 1:
                t = pe[k]
            else:
                t = i * step_s
            while j < moon_when.size and moon_when[j] <= t and moon_when[j] < pe[k]:
                moon_count += 1 if moon_what[j] > 0 else -1
                top = max(top, factors[regimes[moon_count]])
                j += 1
            if i == low - 1 or i == high + 1:
                value = quantity_at(code, t, step_s, a, b, u, a, par, none, none, w)
                rho = value
                if code != 0:
                    rho = quantity_at(0, t, step_s, a, b, u, a, par, none, none, w)
            else:
                value = q[i]
                if low < i < high:  # a peak between samples, by the parabola through three
                    bend = 2.0 * q[i] - q[i - 1] - q[i + 1]
                    if q[i] > q[i - 1] and q[i] >= q[i + 1] and bend > 0.0:
                        value += (q[i + 1] - q[i - 1]) ** 2 / (8.0 * bend)
                dx, dy, dz = b[i, 0] - a[i, 0], b[i, 1] - a[i, 1], b[i, 2] - a[i, 2]
                rho = np.sqrt(dx * dx + dy * dy + dz * dz)
                if code == 0:
                    rho = max(rho, value)
            best = max(best, value * top)
            rho_best = max(rho_best, rho)
            top = factors[regimes[moon_count]]
        far[k], worst[k] = rho_best, best
    return far, worst


@njit(cache=True, nogil=True)
def _sent(arrival_s, span_s, step_s, source, target):
    """Transmit times of arrivals, s; an end of the span is taken for itself."""
    out, w, par, none = np.empty(arrival_s.size), np.empty(8), np.zeros(4), np.zeros(2)
    for i in range(arrival_s.size):
        t = arrival_s[i]
        if t <= 0.0 or t >= span_s:
            out[i] = t
            continue
        sent = t
        for _ in range(2):
            at = min(max(sent, 0.0), span_s)
            far = quantity_at(
                RANGE, at, step_s, source, target, source, source, par, none, none, w
            )  # fmt: skip
            sent = t - far / C_KM_S
        out[i] = max(sent, 0.0)
    return out


# --- windows ---------------------------------------------------------------------------------


def sent_for(tracks: Tracks, received: Intervals, source: str, target: str) -> Intervals:
    """Transmit times at ``source`` whose arrivals at ``target`` lie in ``received``, seconds."""
    if not len(received):
        return received
    grid = Grid.of(tracks)
    ends = grid.table(tracks.states[source]), grid.table(tracks.states[target])
    return Intervals(
        *(_sent(t, grid.span_s, grid.step_s, *ends) for t in (received.start_s, received.end_s))
    )


def directed_window(
    tracks: Tracks,
    access: PairAccess,
    source: str,
    target: str,
    *,
    at_source: Iterable[Intervals] = (),
    at_target: Iterable[Intervals] = (),
) -> Intervals:
    """When a signal may leave ``source`` for ``target``: transmit times, in seconds.

    ``at_source`` and ``at_target`` are further conditions at either end, in that end's time.
    """
    span_s = float(tracks.t_s[-1])
    here = access.owned(source, "path") + list(at_source)
    there = access.owned(target) + list(at_target)
    if there:
        arrivals = intersect_all(there, 0.0, span_s)[0]
        here.append(sent_for(tracks, arrivals, source, target))
    return intersect_all(here, 0.0, span_s)[0]


# --- one pair --------------------------------------------------------------------------------


def _air(source: Node, target: Node, band: str, rx: Terminal):
    """``station_air``, and as a fourth figure how far it warms the receiver, if that is asked."""
    found = None if band == "optical" else station_air(source, target, band)
    if found is None:
        return None
    warming = air_warming(rx) if target.kind == "station" and target.air_noise else 0.0
    return found[0], (*found[1], warming)


@dataclass(frozen=True, eq=False)
class _Channel:
    """One directed terminal pair, with the distances at which its rates stop closing."""

    source: Node
    target: Node
    tx: Terminal
    rx: Terminal
    band: str
    station_points: tuple | None  # (station, attenuation points and warming)
    rates: np.ndarray
    margins: np.ndarray  # at 1 km, the Moon outside the beam, dB
    limits: np.ndarray  # (3 regimes, rates), km
    factors: np.ndarray  # by which the Moon's noise lengthens the distance, for each regime
    half_beam: float | None
    shaped: bool  # patterns or hot bodies move its losses: followed by itself

    @property
    def key(self):
        """Channels of one key share a scan."""
        return (self.source.name, self.tx.id, self.rx.id) if self.shaped else self.station_points


@lru_cache(maxsize=4096)
def _closing(one: Itself, other: Itself, eirp: float | None, at_station: bool):
    """What closes between two terminals, wherever they are: the fields of a channel by name.

    Many nodes have the same terminals, so most channels have met theirs before.
    """
    tx, rx = one.it, other.it
    band = terminal_band(tx, "transmit") or ""
    least = least_margin_db(tx, rx)
    rates, margins = margins_at_1km_db(tx, rx, OUTSIDE, eirp)
    noisy = (
        at_station
        and getattr(rx.receive, "g_over_t_moon_db_k", None) is not None
        and band != "optical"
        and "moon" not in (rx.receive.hot_bodies if rx.receive is not None else ())
    )
    loss = np.zeros(3)
    if noisy:
        for moon in (FULL, LIMB):
            loss[moon] = margins[0] - margins_at_1km_db(tx, rx, moon, eirp)[1][0]
    limits = 10.0 ** ((margins[None, :] - loss[:, None] - least) / 20.0)
    return {
        "band": band, "rates": rates, "margins": margins, "limits": limits,
        "factors": 10.0 ** (loss / 20.0), "half_beam": half_beam_rad(rx) if noisy else None,
        "shaped": is_shaped(tx, rx),
    }  # fmt: skip


def _channel(source: Node, target: Node, tx: Terminal, rx: Terminal) -> _Channel:
    eirp = getattr(source, "eirp_override_dbw", None)
    closing = _closing(Itself(tx), Itself(rx), eirp, target.kind == "station")
    band = closing["band"]
    return _Channel(
        source, target, tx, rx, station_points=_air(source, target, band, rx), **closing
    )


def _extra_conditions(tracks: Tracks, channel: _Channel):
    """Conditions of these terminals beyond those of their nodes: at the source, at the target."""
    out: tuple[list[Intervals], list[Intervals]] = ([], [])
    ends = (
        (channel.source, channel.target, channel.tx, "transmit", out[0]),
        (channel.target, channel.source, channel.rx, "receive", out[1]),
    )
    for node, other, terminal, side, conditions in ends:
        lowest = min_elevation_deg(terminal)
        if lowest is None:
            lowest = node.min_elevation_deg
        if node.kind != "spacecraft" and lowest > pair_mask_deg(node, other):
            conditions.append(elevation_intervals(tracks, node, other, lowest * DEG))
        sun_deg = sun_limit_deg(terminal, side)
        if sun_deg is not None:
            conditions.append(sun_clear(tracks, node.name, other.name, sun_deg * DEG))
    limits = (x.max_range_km for x in (channel.tx, channel.rx) if x.max_range_km is not None)
    limit_km = min(limits, default=None)
    if limit_km is not None:  # of the pair's access only the longest of all its links' limits
        a, b = sorted((channel.source.name, channel.target.name))
        far = scan(tracks, RANGE, a, b, [limit_km]).at_least(limit_km)
        out[0].append(far.complement(0.0, tracks.span_s))
    return out


_NEVER = (np.empty(0), np.empty(0, dtype=np.int64))


def pair_links(
    tracks: Tracks,
    access: PairAccess,
    a: Node,
    b: Node,
    service: Mapping[str, Intervals] | None = None,
) -> list[LinkPass]:
    """Every link between two nodes, both directions.

    With ``service`` ({node name: when it serves, in its own time}) outages of either end apply.
    """
    if a.kind == b.kind == "asset":
        return _surface_links(tracks, access, a, b, service)
    channels = [
        _channel(s, t, tx, rx) for s, t in ((a, b), (b, a)) for tx, rx in terminal_pairs(s, t)
    ]
    if not channels or not len(access.access):
        return []
    windows = {
        (s.name, t.name): directed_window(
            tracks, access, s.name, t.name,
            at_source=_served(service, s.name), at_target=_served(service, t.name),
        )
        for s, t in ((a, b), (b, a))
    }  # fmt: skip
    steps = _distance_steps(tracks, channels, access.access)
    moons = _moon_steps(tracks, channels, access.access)
    out: list[LinkPass] = []
    for channel in channels:
        window = windows[channel.source.name, channel.target.name]
        here, there = _extra_conditions(tracks, channel)
        if here or there:
            window = window & directed_window(
                tracks, access, channel.source.name, channel.target.name,
                at_source=here, at_target=there,
            )  # fmt: skip
        if len(window):
            out += _channel_passes(tracks, channel, window, steps, moons)
    return out


def _served(service, name: str) -> list[Intervals]:
    return [service[name]] if service and name in service else []


def _distance_steps(tracks: Tracks, channels, access: Intervals) -> dict:
    """One scan for each distance (range, or range with a band's atmosphere), all levels at once."""
    wanted: dict = {}
    for channel in channels:
        wanted.setdefault(channel.key, []).append(channel)
    steps = {}
    for key, members in wanted.items():
        first = members[0]
        a, b, code, par = _distance(first)
        if first.shaped:
            function = _effective_range(tracks, first)
            found = follow(tracks, function, first.limits[OUTSIDE], windows=access)
        else:
            levels = np.concatenate([c.limits.ravel() for c in members])
            found = scan(tracks, code, a, b, levels, par=par, windows=access)
        steps[key] = (a, b, code, par, found)
    return steps


def _distance(channel: _Channel):
    """The quantity that a channel's margin falls with: nodes, code and parameters."""
    if channel.station_points is None:
        a, b = sorted((channel.source.name, channel.target.name))
        return a, b, RANGE, ()
    station, par = channel.station_points
    other = channel.target if channel.source.name == station else channel.source
    return station, other.name, LOSS_RANGE, par


def _effective_range(tracks: Tracks, channel: _Channel):
    """The range in km at which free space alone would lose all that a shaped channel loses."""
    a, b, code, par = _distance(channel)

    def function(t_s):
        parts = losses_db(tracks, channel.source, channel.target, channel.tx, channel.rx, t_s)
        far = quantity(tracks, code, a, b, t_s, par=par) * 10.0 ** (sum(parts) / 20.0)
        if channel.half_beam is None:
            return far
        off = quantity(tracks, OFF_MOON, channel.target.name, channel.source.name, t_s)
        half = channel.half_beam
        return (
            far * channel.factors[np.where(off < -half, FULL, np.where(off < half, LIMB, OUTSIDE))]
        )

    return function


def _moon_steps(tracks: Tracks, channels, access: Intervals) -> Steps | None:
    """Crossings of the edges of the Moon's disc, half a beam inside and outside, at the station."""
    noisy = [c for c in channels if c.half_beam is not None]
    if not noisy:
        return None
    levels = np.concatenate([[-c.half_beam, c.half_beam] for c in noisy])
    return scan(
        tracks, OFF_MOON, noisy[0].target.name, noisy[0].source.name, levels, windows=access
    )


def _channel_passes(tracks, channel: _Channel, window: Intervals, steps, moons) -> list[LinkPass]:
    a, b, code, par, distance = steps[channel.key]
    # counting levels passed, a rate still closes while its own level is not among them
    last = np.searchsorted(distance.levels, channel.limits)
    table = (last[None] >= np.arange(distance.levels.size + 1)[:, None, None]).sum(axis=2) - 1
    if channel.half_beam is None or moons is None or channel.shaped:
        moon_when, moon_what, moon_count = (*_NEVER, 0)
        regimes = np.array([OUTSIDE])
    else:
        moon_when, moon_what, moon_count = moons.when_s, moons.what, moons.first_count
        counts = np.arange(moons.levels.size + 1)
        inner, outer = np.searchsorted(moons.levels, [-channel.half_beam, channel.half_beam])
        regimes = np.where(counts <= inner, FULL, np.where(counts <= outer, LIMB, OUTSIDE))
    start, end, rate = _pieces(
        window.start_s, window.end_s, distance.when_s, distance.what, distance.first_count,
        moon_when, moon_what, moon_count, table, regimes,
    )  # fmt: skip
    if not start.size:
        return []
    grid = Grid.of(tracks)
    if channel.shaped:
        far, worst = _worst_followed(tracks, channel, start, end, distance)
    else:
        ta, tb = grid.table(tracks.states[a]), grid.table(tracks.states[b])
        tu = grid.table(tracks.up[a]) if a in tracks.up and code == LOSS_RANGE else ta
        parameters = np.zeros(4)
        parameters[: len(par)] = par
        far, worst = _worst(
            start, end, code, distance.values, grid.step_s, ta, tb, tu, parameters,
            moon_when, moon_what, moon_count, regimes, channel.factors,
        )  # fmt: skip
    out = []
    for k in np.unique(rate):
        mine = rate == k
        out.append(
            LinkPass(
                channel.source.name, channel.target.name, channel.tx.id, channel.rx.id,
                channel.band, float(channel.rates[k]), Intervals(start[mine], end[mine]),
                far[mine] / C_KM_S, channel.margins[k] - 20.0 * np.log10(worst[mine]),
            )
        )  # fmt: skip
    return out


def _worst_followed(tracks: Tracks, channel: _Channel, start, end, steps: Steps):
    """For each piece of a shaped channel the largest range, and effective range, in km."""
    inside = np.minimum(2.0 * EDGE_TOLERANCE_S, 0.25 * (end - start))  # a jump belongs to one side
    edges = np.stack([start + inside, end - inside])
    times = np.concatenate([Grid.of(tracks).fine_s, steps.peaks[0], edges.ravel()])
    values = np.concatenate(
        [steps.values, steps.peaks[1], _effective_range(tracks, channel)(edges.ravel())]
    )
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    ranges = range_km(tracks, channel.source.name, channel.target.name, times)
    low = np.searchsorted(times, edges[0], side="left")
    high = np.searchsorted(times, edges[1], side="right")
    far, worst = (np.array([x[i:j].max() for i, j in zip(low, high, strict=True)])
                  for x in (ranges, values))  # fmt: skip
    return far, worst


def budget_at(
    tracks: Tracks, source: Node, target: Node, tx: Terminal, rx: Terminal, t_s: float
) -> Budget:
    """The budget of one link at an instant (s), with atmosphere, patterns and hot bodies.

    Geometry at that instant, as links are judged; whether the two see each other is not asked.
    """
    channel = _channel(source, target, tx, rx)
    a, b, code, par = _distance(channel)
    far = float(range_km(tracks, source.name, target.name, t_s))
    taken, with_noise = (
        20.0 * math.log10(float(quantity(tracks, code, a, b, t_s, par=p)) / far)
        for p in (par[:3], par)
    )
    moon = OUTSIDE
    if channel.half_beam is not None:
        off = float(quantity(tracks, OFF_MOON, target.name, source.name, t_s))
        moon = FULL if off < -channel.half_beam else LIMB if off < channel.half_beam else OUTSIDE
    losses = losses_at(tracks, source, target, tx, rx, t_s) if channel.shaped else Losses()
    found = link_budget(
        tx, rx, far, atmosphere_db=taken, moon=moon,
        eirp_dbw=getattr(source, "eirp_override_dbw", None),
        losses=replace(losses, air_noise_db=with_noise - taken),
    )  # fmt: skip
    when = tracks.epoch.utc_text(t_s)
    return replace(found, title=f"{source.name} ({tx.id}) to {target.name} ({rx.id}), {when}")


def _surface_links(tracks: Tracks, access: PairAccess, a: Node, b: Node, service) -> list[LinkPass]:
    """Neighbours on the ground: the smaller of both ends' highest user-terminal rate, always."""
    best: list[tuple[float, Terminal]] = []
    for node in (a, b):
        users = [
            (modes(t.transmit)[-1].rate_bps, t)
            for t in node.terminals
            if t.role == "user" and t.transmit is not None
        ]
        if not users:
            return []
        best.append(max(users, key=lambda pair: pair[0]))
    rate = float(min(best[0][0], best[1][0]))
    owlt = range_km(tracks, a.name, b.name, 0.0) / C_KM_S
    out = []
    ends = ((a, best[0][1]), (b, best[1][1]))
    for (s, ts), (t, tt) in (ends, ends[::-1]):
        window = directed_window(
            tracks, access, s.name, t.name,
            at_source=_served(service, s.name), at_target=_served(service, t.name),
        )  # fmt: skip
        if len(window):
            light = np.full(len(window), float(owlt))
            out.append(LinkPass(s.name, t.name, ts.id, tt.id, SURFACE, rate, window, light, None))
    return out


def close_links(
    access: Mapping[tuple[str, str], PairAccess],
    tracks: Tracks,
    nodes: Iterable[Node],
    service: Mapping[str, Intervals] | None = None,
) -> dict[tuple[str, str], tuple[LinkPass, ...]]:
    """The links of every directed pair of nodes that closes any, with the rate piece by piece.

    Times in seconds of transmission at the source, rates in bit/s. Pairs that never close a link
    are absent. ``service`` as in ``pair_links``; absent, outages are left to the contact plan.
    """
    by_name = {n.name: n for n in nodes}
    keys = in_blocks(access, by_name)
    found = each(
        lambda k: pair_links(tracks, access[k], by_name[k[0]], by_name[k[1]], service), keys
    )
    tracks.on_demand.rest()
    held = dict(zip(keys, found, strict=True))
    out: dict[tuple[str, str], list[LinkPass]] = {}
    for pair in access:
        for p in held[pair]:
            out.setdefault((p.source, p.target), []).append(p)
    return {key: tuple(passes) for key, passes in out.items()}


__all__ = [
    "LinkPass", "budget_at", "close_links", "directed_window", "link_budget", "pair_links",
    "sent_for",
]  # fmt: skip
