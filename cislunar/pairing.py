"""Which terminals talk to which, and what limits a pair of nodes has from its terminals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from orbits.constants import DEG, MOON_RADIUS_KM

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.terminal_records import Terminal

# roles that make a link where neither terminal lists partners
_PARTNERS = {
    frozenset(("user", "relay")), frozenset(("user", "station")),
    frozenset(("relay-earth", "station")), frozenset(("crosslink",)),
    frozenset(("navigation", "user")),
}  # fmt: skip


def terminal_band(terminal: Terminal, side: str) -> str | None:
    """Band of the ``transmit`` or ``receive`` side; ``optical`` for optical terminals."""
    if getattr(terminal, "band", None) == "optical":
        return "optical"
    half = getattr(terminal, side, None)
    return None if half is None else half.band


def connects(tx: Terminal, rx: Terminal) -> bool:
    """True where terminal ``tx`` can send to terminal ``rx``: same band, and made for each other.

    Made for each other: either lists the other in ``pairs_with``; where neither lists anyone,
    their roles decide.
    """
    if tx.transmit is None or rx.receive is None:
        return False
    if terminal_band(tx, "transmit") != terminal_band(rx, "receive"):
        return False
    mine, theirs = tuple(tx.pairs_with or ()), tuple(rx.pairs_with or ())
    if mine or theirs:
        return rx.id in mine or tx.id in theirs
    return roles_fit(tx, rx)


def roles_fit(tx: Terminal, rx: Terminal) -> bool:
    """True where two terminals are of roles that make a link, such as user and relay."""
    return frozenset((tx.role, rx.role)) in _PARTNERS


def terminal_pairs(source: Node, target: Node) -> list[tuple[Terminal, Terminal]]:
    """The (transmitting, receiving) terminals that make contacts; navigation broadcast does not."""
    return [
        (tx, rx)
        for tx in source.terminals
        if not tx.broadcast
        for rx in target.terminals
        if connects(tx, rx)
    ]


def min_elevation_deg(terminal: Terminal) -> float | None:
    """The terminal's own least elevation in deg, if any.

    ``min_elevation_deg`` where the scenario sets it. The class-typical ``elevation_mask_deg``
    binds optical terminals only: their fixed atmosphere loss holds only above it, whereas radio
    links carry the atmosphere at each elevation and follow the station's own minimum.
    """
    own = getattr(terminal, "min_elevation_deg", None)
    if own is None and getattr(terminal, "band", None) == "optical":
        own = getattr(terminal, "elevation_mask_deg", None)
    return own


def pair_mask_deg(node: Node, other: Node) -> float:
    """The elevation in deg from which a surface node may see another: its own minimum.

    A station's terminal may work lower than its node (band by band): then the lowest of those
    that make a link of the pair, and the others keep to theirs.
    """
    lowest = float(node.min_elevation_deg or 0.0)
    if node.kind != "station":
        return lowest
    own = [
        x
        for t in node.terminals
        if (x := t.min_elevation_deg) is not None and x < lowest
        and any(connects(t, far) or connects(far, t) for far in other.terminals)
    ]  # fmt: skip
    return min(own, default=lowest)


def sun_limit_deg(terminal: Terminal, side: str) -> float | None:
    """Least angle of the other end from the Sun, deg, seen from the terminal; None without one.

    On Earth the Sun-Earth-probe angle, by direction (return where it receives, forward where it
    sends); at a probe the Sun-probe-Earth angle, which binds both.
    """
    limits = getattr(terminal, "sun_earth_probe_min_deg", None) or {}
    own = limits.get("return" if side == "receive" else "forward")
    both = [x for x in (own, getattr(terminal, "sun_probe_earth_min_deg", None)) if x is not None]
    return max(both, default=None)


def sun_limit_rad(node: Node, other: Node) -> float | None:
    """The laxest Sun limit of a node toward another, rad, if every link between them has one."""
    limits = [sun_limit_deg(rx, "receive") for _, rx in terminal_pairs(other, node)]
    limits += [sun_limit_deg(tx, "transmit") for tx, _ in terminal_pairs(node, other)]
    given = [x for x in limits if x is not None]
    return min(given) * DEG if given and len(given) == len(limits) else None


def range_limit_km(a: Node, b: Node) -> float | None:
    """The longest range in km at which any link of the pair may work, if every link has a limit."""
    own = [x for x in (getattr(n, "max_range_km", None) for n in (a, b)) if x is not None]
    links = [
        [getattr(t, "max_range_km", None) for t in pair]
        for s, t in ((a, b), (b, a))
        for pair in terminal_pairs(s, t)
    ]
    each = [min((x for x in pair if x is not None), default=None) for pair in links]
    if each and all(x is not None for x in each):
        own.append(max(x for x in each if x is not None))
    return min(own) if own else None


def great_circle_km(a: Node, b: Node) -> float:
    """Distance of two lunar assets along the 1737.4 km sphere, km.

    Where one moves, the largest to any of its waypoints: what serves it must reach all of them.
    """
    for one, other in ((a, b), (b, a)):
        path = getattr(one, "path", None)
        if path is not None:
            stops = zip(path.latitude_deg.tolist(), path.longitude_deg.tolist(), strict=True)
            return max(
                great_circle_km(replace(one, path=None, latitude_deg=lat, longitude_deg=lon), other)
                for lat, lon in stops
            )
    assert a.latitude_deg is not None
    assert b.latitude_deg is not None
    assert a.longitude_deg is not None
    assert b.longitude_deg is not None
    la, lb = a.latitude_deg * DEG, b.latitude_deg * DEG
    half_lat = math.sin(0.5 * (lb - la))
    half_lon = math.sin(0.5 * (b.longitude_deg - a.longitude_deg) * DEG)
    chord = half_lat**2 + math.cos(la) * math.cos(lb) * half_lon**2
    return 2.0 * MOON_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def surface_service(a: Node, b: Node) -> bool:
    """True where one of two assets serves surface users and the other lies within its radius."""
    radii = [r for r in (a.serves_radius_km, b.serves_radius_km) if r]
    return bool(radii) and great_circle_km(a, b) <= max(radii)
