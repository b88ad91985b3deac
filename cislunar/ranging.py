"""What ranges to what, and how well: navigation sources, receivers and the error budget.

A range has the 1-sigma error UERE = sqrt(signal-in-space error^2 + receiver noise^2 + multipath^2):
the first by the source's own error budget or, where it names none, by its system; the last for a
surface user; both from the catalogue's ``uere`` record; the noise of code tracking follows from the
link's C/N0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.access import PairAccess, each
from cislunar.acquisition import navigation_visible
from cislunar.budget import navigation_cn0_at_1km_dbhz
from cislunar.dop_kernels import NEAREST_KM
from cislunar.error_budget import code_noise_m
from cislunar.pairing import connects, great_circle_km
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.schema import SignalError
    from cislunar.terminal_records import Terminal
    from cislunar.tracks import Tracks

# what a system's members are called -> the word of its row in the error budget
SYSTEMS = {
    "lcrns": "lcrns", "nsns": "nsns", "intuitive-machines": "nsns", "moonlight": "moonlight",
    "lnss": "lnss", "ispace": "ispace",
}  # fmt: skip
THREE_BODY = ("dro", "halo", "nrho", "lyapunov", "butterfly")


def receiver_noise_m(cn0_dbhz):
    """Code-tracking noise of a range, 1 sigma in m, at a total C/N0 in dBHz (pilot: 3 dB less).

    The thermal noise of ``error_budget.code_noise_m`` with the receiver of the ``uere`` record.

    >>> round(float(receiver_noise_m(40.0)), 2)
    0.41
    """
    return code_noise_m(cn0_dbhz)


def sigma_uere_m(*sigmas_m) -> float:
    """The root sum of squares of independent 1-sigma range errors, in m.

    >>> round(sigma_uere_m(8.51, 3.0), 2)
    9.02
    """
    return math.sqrt(sum(float(s) ** 2 for s in sigmas_m))


def sise_class(node: Node, china: Iterable[str] = ("cnsa", "cas")) -> str:
    """Which row of the error budget a navigation source belongs to, by a word of its label.

    A surface node is a beacon; a known system's member is found by its constellation, record,
    name or operator; then Chinese operators; then three-body orbits; anything else gets the LANS
    bound. Intuitive Machines' satellites are the NSNS that carry the LCRNS service.
    """
    if node.kind == "asset":
        return "beacon"
    parts = (node.constellation, node.catalog_id, node.name, node.operator)
    words = " ".join(str(p) for p in parts if p).lower()
    for sign, system in SYSTEMS.items():
        if sign in words:
            return system
    if node.operator is not None and node.operator in tuple(china):
        return "china"
    if node.orbit is not None and node.orbit.kind in THREE_BODY:
        return node.orbit.kind if node.orbit.kind in ("dro", "halo", "nrho") else "halo"
    return "any lans node"


def signal_error(
    node: Node, uere: Mapping[str, Any], china: Iterable[str] = ("cnsa", "cas")
) -> SignalError:
    """The error of a source's signal, 1 sigma in m: its own budget, else its system's row."""
    from cislunar.schema import SignalError

    if node.error_budget is not None:
        return node.error_budget
    word = sise_class(node, china)
    for row in uere["sise_1_sigma_m"]:
        if word in str(row["constellation"]).lower():
            return SignalError(
                id=f"uere: {row['constellation']}", sise_m=row["value"],
                velocity_mm_s=row.get("velocity_mm_s"), basis=row.get("basis"),
                basis_ja=row.get("basis_ja"), confidence=row.get("confidence"),
            )  # fmt: skip
    raise KeyError(f"the uere record has no signal-in-space error for {word!r} ({node.name})")


def sise_m(node: Node, uere: Mapping[str, Any], china: Iterable[str] = ("cnsa", "cas")) -> float:
    """What a source adds to the error of a range beside receiver noise and multipath, 1 sigma in m.

    Of a whole range error, what is left of it beside the multipath that every range is given.
    """
    error = signal_error(node, uere, china)
    own = math.hypot(error.signal_m, error.timing_m)
    if not error.whole_range:
        return own
    return math.sqrt(max(own**2 - float(uere["multipath_m"]["surface"]) ** 2, 0.0))


def is_corrected(
    node: Node, uere: Mapping[str, Any], china: Iterable[str] = ("cnsa", "cas")
) -> bool:
    """True where a differential correction makes a source's signal better than it is.

    A whole range error is not corrected: which part of it the receiver's own is, it does not say.
    """
    whole = node.error_budget is not None and node.error_budget.whole_range
    return not whole and sise_m(node, uere, china) > float(uere["differential_residual_m"]["value"])


def signal_rows(
    nodes: Iterable[Node], uere: Mapping[str, Any], policy: Any = None
) -> list[dict[str, Any]]:
    """The error of every navigation source's signal and where it is from, a row a source.

    ``sise_m`` 1 sigma, time offset included; ``correlation_s`` how long it lasts, None where no
    rate is published or the error is constant (a beacon's).
    """
    rows = []
    for node in nodes:
        if not is_source(node):
            continue
        error = signal_error(node, uere, chinese(policy))
        lasts = None
        if error.velocity_mm_s is not None and node.kind == "spacecraft":
            lasts = 1e3 * error.signal_m / error.velocity_mm_s
        rows.append(
            {
                "source": node.name, "budget": error.id,
                "sise_m": math.hypot(error.signal_m, error.timing_m),
                "whole_range": error.whole_range, "correlation_s": lasts, "basis": error.basis,
                "basis_ja": error.basis_ja, "confidence": error.confidence or "assumption",
            }
        )  # fmt: skip
    return rows


@dataclass(frozen=True)
class Ranging:
    """One source as one user sees it.

    ``visible``: the instants (s) at which the user ranges to it: access, C/N0, service, policy.
    ``noise_m2_km2``: receiver noise variance over range squared, (below, above) the elevation at
    which the user's antenna gain steps (C/N0 falls with the square of range, so this is constant).
    """

    visible: Intervals
    noise_m2_km2: tuple[float, float]


def chinese(policy: Any) -> tuple[str, ...]:
    """Operators with the budget's ``china`` row: CNSA, CAS and the policy's group of that name."""
    group = () if policy is None else policy.groups.get("china", ())
    return ("cnsa", "cas", *group)


def is_source(node: Node) -> bool:
    """True for a node that transmits a navigation signal."""
    return node.kind != "station" and any(
        t.role == "navigation" and t.transmit is not None for t in node.terminals
    )


def is_receiver(node: Node) -> bool:
    """True for an asset that receives navigation signals."""
    return node.kind == "asset" and any(
        t.role == "navigation" and t.receive is not None for t in node.terminals
    )


@dataclass(frozen=True)
class Signal:
    """A navigation source as a map sees it: error, noise and reach.

    ``sise_m`` 1 sigma; ``noise_m2_km2`` receiver variance over range squared and ``reach_km`` the
    range at which C/N0 falls to the receiver's threshold, (below, above) the elevation at which
    the user's antenna gain steps.
    """

    sise_m: float
    noise_m2_km2: tuple[float, float]
    reach_km: tuple[float, float]


def _receivers(node: Node) -> list[Terminal]:
    return [t for t in node.terminals if t.role == "navigation" and t.receive is not None]


def _best_pair(source: Node, receivers: Iterable[Terminal]):
    """The (transmitting, receiving) navigation terminals with the highest C/N0; None if none."""
    pairs = [
        (tx, rx)
        for tx in source.terminals
        if tx.role == "navigation"
        for rx in receivers
        if connects(tx, rx)
    ]
    return max(pairs, key=lambda p: float(navigation_cn0_at_1km_dbhz(*p, 0.0)), default=None)


def _at_1km_dbhz(source: Node, tx: Terminal, rx: Terminal) -> tuple[float, float]:
    """C/N0 at 1 km for a user that sees the source low, and high."""
    eirp = source.eirp_override_dbw
    low, high = (float(navigation_cn0_at_1km_dbhz(tx, rx, e, eirp)) for e in (0.0, 0.5 * math.pi))
    return low, high


def _noise(source: Node, at_1km_dbhz: tuple[float, float]) -> tuple[float, float]:
    if source.error_budget is not None and source.error_budget.whole_range:
        return 0.0, 0.0  # it is in the budget already
    low, high = (float(receiver_noise_m(c)) ** 2 for c in at_1km_dbhz)
    return low, high


def find_ranging(
    tracks: Tracks,
    nodes: Iterable[Node],
    access: Mapping[tuple[str, str], PairAccess],
    policy: Any = None,
) -> dict[tuple[str, str], Ranging]:
    """``{(source, asset): Ranging}`` of every pair in ``access`` that navigation signals join.

    A source is visible to an asset while there is access, C/N0 reaches the receiver's acquisition
    threshold and both are in service. A surface beacon serves users within its own radius. Pairs
    that the policy keeps apart are left out.
    """
    by_name = {n.name: n for n in nodes}
    work = []
    for a, b in access:
        if a not in by_name or b not in by_name:
            continue
        for source, user in ((by_name[a], by_name[b]), (by_name[b], by_name[a])):
            if not (is_source(source) and is_receiver(user)):
                continue
            if policy is not None and not policy.permits(source.operator, user.operator):
                continue
            if source.kind == "asset" and not _beacon_serves(tracks, source, user):
                continue
            pair = _best_pair(source, _receivers(user))
            if pair is not None:
                work.append((source, user, *pair, access[a, b].access))

    def one(item) -> Ranging:
        source, user, tx, rx, spans = item
        if source.kind != "asset":
            spans = navigation_visible(tracks, source, tx, user, rx, spans)
        spans = spans & source.service & user.service
        return Ranging(spans, _noise(source, _at_1km_dbhz(source, tx, rx)))

    found = each(one, work)
    return {(w[0].name, w[1].name): r for w, r in zip(work, found, strict=True)}


def _beacon_serves(tracks: Tracks, beacon: Node, user: Node) -> bool:
    """True for a user within the beacon's radius that is not the beacon's own place."""
    if beacon.serves_radius_km is None or great_circle_km(beacon, user) > beacon.serves_radius_km:
        return False
    return separation_km(tracks, beacon.name, user.name) > NEAREST_KM


def separation_km(tracks: Tracks, a: str, b: str) -> float:
    """Straight distance of two places on the Moon, km; the largest where one of them moves."""
    apart = tracks.states[a][:, :3] - tracks.states[b][:, :3]
    return float(np.sqrt(np.einsum("ij,ij->i", apart, apart).max()))


def map_signals(
    nodes: Iterable[Node], uere: Mapping[str, Any], policy: Any = None
) -> dict[str, Signal]:
    """The navigation spacecraft as a map needs them, by name.

    The map's receiver is that of the first asset that has one, or the catalogue's ``afs-receiver``.
    """
    nodes = tuple(nodes)
    receivers = next((r for n in nodes if n.kind == "asset" and (r := _receivers(n))), None)
    if receivers is None:
        from cislunar import catalog
        from cislunar.terminal_records import Terminal

        record = catalog.find("afs-receiver")
        receivers = [Terminal(**{k: v for k, v in record.items() if k != "kind"})]
    out = {}
    for node in nodes:
        if node.kind != "spacecraft" or not is_source(node):
            continue
        pair = _best_pair(node, receivers)
        if pair is None:
            continue
        at_1km = _at_1km_dbhz(node, *pair)
        least = pair[1].acquisition_threshold_dbhz
        if least is None:
            raise ValueError(f"terminal {pair[1].id!r} has no acquisition_threshold_dbhz")
        low, high = (10.0 ** ((c - least) / 20.0) for c in at_1km)
        own_m = sise_m(node, uere, chinese(policy))
        out[node.name] = Signal(own_m, _noise(node, at_1km), (low, high))
    return out
