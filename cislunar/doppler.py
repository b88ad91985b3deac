"""Doppler shift of links, and how fast it changes, one way and two way.

Classical, to first order in each end's velocity over c, with light time: a signal sent at t from
r1 and received at t + tau at r2 arrives at f (1 - n.v2 / c) / (1 - n.v1 / c), n the direction from
sender to receiver. Relativity (parts in 1e-10) is left out. Two way: the far end turns the carrier
round, times its ratio, at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.pointing import states_at
from orbits.constants import C_KM_S

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.tracks import Tracks

STEP_S = 1.0  # the rate is a central difference over this on either side
SAMPLE_S = 60.0  # how close a contact is sampled for its largest shift
PARTS = (4, 60)  # least and most parts of a contact: long ones are those of slow geometry


def received_ratio(tracks: Tracks, source: str, target: str, t_s) -> tuple[np.ndarray, np.ndarray]:
    """Received over sent frequency of what leaves ``source`` at ``t_s`` (s), and its arrival times.

    Arrays (N,). Instants are clipped to the span of the tracks, where nothing moves on.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    here = states_at(tracks, tracks.states[source], t)
    there = states_at(tracks, tracks.states[target], t)
    # one step is enough: what is left is the light time's own light time, under a millisecond
    late = t + np.linalg.norm(there[:, :3] - here[:, :3], axis=1) / C_KM_S
    there = states_at(tracks, tracks.states[target], late)
    look = there[:, :3] - here[:, :3]
    look = look / np.linalg.norm(look, axis=1, keepdims=True)
    left = 1.0 - (look * here[:, 3:]).sum(1) / C_KM_S
    arrived = 1.0 - (look * there[:, 3:]).sum(1) / C_KM_S
    return arrived / left, late


def doppler(
    tracks: Tracks, source: str, target: str, t_s, frequency_hz: float,
    *, two_way: bool = False, turnaround: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Doppler shift in Hz and its rate in Hz/s of a carrier sent at ``t_s``, arrays (N,).

    One way: received at ``target``, less ``frequency_hz``. Two way: received back at ``source``,
    less ``turnaround`` x ``frequency_hz``. Positive when the ends approach.

    Raises ValueError for a span too short to differentiate.
    """
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    if tracks.span_s < 4.0 * STEP_S:
        raise ValueError("the tracks are shorter than four seconds")

    def shift(at):
        ratio, late = received_ratio(tracks, source, target, at)
        if not two_way:
            return frequency_hz * (ratio - 1.0)
        back, _ = received_ratio(tracks, target, source, late)
        return frequency_hz * turnaround * (ratio * back - 1.0)

    # near the ends the difference is taken inside, clear of the last light time
    middle = np.clip(t, STEP_S, max(tracks.span_s - STEP_S - 3.0, STEP_S))
    rate = (shift(middle + STEP_S) - shift(middle - STEP_S)) / (2.0 * STEP_S)
    return shift(t), rate


def carrier_hz(terminal: Any) -> float | None:
    """The carrier that a terminal sends on, Hz: radio, or light; None where it states none."""
    if getattr(terminal, "band", None) == "optical":
        return C_KM_S * 1e3 / (terminal.wavelength_nm * 1e-9) if terminal.wavelength_nm else None
    half = terminal.transmit
    return None if half is None or half.frequency_mhz is None else half.frequency_mhz * 1e6


def contact_doppler(
    plan: Any, tracks: Tracks, nodes: Iterable[Node], *, two_way: bool = False
) -> dict[str, np.ma.MaskedArray]:
    """Doppler of every contact of a plan, on its sender's own carrier, as columns beside it.

    ``doppler_hz_max`` and ``doppler_rate_hz_s_max`` are the largest magnitudes over the contact,
    with their signs, sampled at both edges and every minute, or in sixty parts
    where that is longer; ``doppler_hz_start`` and
    ``_end`` are those at the edges. Masked where a sender states no carrier (neighbours on the
    ground). ``two_way`` takes the turn-around as 1.
    """
    by_name = {n.name: n for n in nodes}
    size = len(plan)
    names = ("doppler_hz_start", "doppler_hz_end", "doppler_hz_max", "doppler_rate_hz_s_max")
    out = {n: np.ma.masked_all(size) for n in names}
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, key in enumerate(zip(plan.source, plan.target, plan.terminal_source, strict=True)):
        groups.setdefault(key, []).append(i)
    for (source, target, name), members in groups.items():
        terminal = next((t for t in by_name[source].terminals if t.id == name), None)
        carrier = None if terminal is None else carrier_hz(terminal)
        if carrier is None:
            continue
        index = np.array(members)
        start, end = plan.start_s[index], plan.end_s[index]
        count = np.clip(np.ceil((end - start) / SAMPLE_S).astype(int), *PARTS) + 1
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        part = (np.arange(count.sum()) - np.repeat(first, count)) / np.repeat(count - 1, count)
        times = np.repeat(start, count) + part * np.repeat(end - start, count)
        shift, rate = doppler(tracks, source, target, times, carrier, two_way=two_way)
        last = first + count - 1
        out["doppler_hz_start"][index] = shift[first]
        out["doppler_hz_end"][index] = shift[last]
        for key, values in (("doppler_hz_max", shift), ("doppler_rate_hz_s_max", rate)):
            high, low = np.maximum.reduceat(values, first), np.minimum.reduceat(values, first)
            out[key][index] = np.where(high >= -low, high, low)
    return out


def doppler_frame(plan: Any, tracks: Tracks, nodes: Iterable[Node], *, two_way: bool = False):
    """The contact table (pandas) with the columns of ``contact_doppler`` at its end."""
    import pandas as pd

    frame = plan.frame.copy()
    for name, values in contact_doppler(plan, tracks, nodes, two_way=two_way).items():
        column = pd.array(values.filled(0.0), dtype="Float64")
        column[np.ma.getmaskarray(values)] = pd.NA
        frame[name] = column
    return frame
