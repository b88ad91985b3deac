"""What a pair of terminals loses as its antennas and the bodies in their beams move.

Only for terminals that state a pattern: the loss off boresight at either end, and the fall of G/T
when the Moon or the Sun enters the receiver's beam. The Moon's disc at a receiver on the Moon is
the ground under it and is not added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cislunar.budget import Losses
from cislunar.link_models.antenna import pattern_of
from cislunar.link_models.noise import (
    MOON_BRIGHTNESS_K,
    SUN_RADIUS_KM,
    disc_noise_k,
    g_over_t_loss_db,
    sun_brightness_k,
)
from cislunar.pointing import angle_rad, boresight, direction, off_boresight_rad
from orbits.constants import MOON_RADIUS_KM

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.terminal_records import Terminal
    from cislunar.tracks import Tracks


def is_shaped(tx: Terminal, rx: Terminal) -> bool:
    """True where a pattern makes the link's loss move: an antenna not tracking, or a hot body."""
    for terminal, side in ((tx, "transmit"), (rx, "receive")):
        if pattern_of(terminal, side) is None:
            continue
        assert terminal.antenna is not None
        if terminal.antenna.pointing_mode != "tracking":
            return True
    return bool(rx.receive is not None and rx.receive.hot_bodies)


def _off_db(tracks: Tracks, node: Node, other: str, terminal: Terminal, side: str, t_s):
    pattern = pattern_of(terminal, side)
    if pattern is None or terminal.antenna is None:
        return np.zeros(t_s.size)
    off = off_boresight_rad(tracks, node, other, terminal.antenna, t_s)
    return pattern.gain_dbi(0.0) - pattern.gain_dbi(off)


def added_noise_k(tracks: Tracks, node: Node, other: str, rx: Terminal, t_s) -> np.ndarray:
    """Noise in K that the hot bodies add to a receiver of ``node`` that serves ``other``, (N,)."""
    pattern = pattern_of(rx, "receive")
    total = np.zeros(t_s.size)
    if pattern is None or rx.receive is None or rx.antenna is None or not rx.receive.hot_bodies:
        return total
    looks = boresight(tracks, node, other, rx.antenna, t_s)
    moon = direction(tracks, node.name, "moon", t_s)
    moon_km = np.linalg.norm(moon, axis=1)
    if "moon" in rx.receive.hot_bodies and node.kind != "asset":
        brightness = rx.receive.moon_brightness_k or MOON_BRIGHTNESS_K
        total += disc_noise_k(pattern, brightness, angle_rad(looks, moon), MOON_RADIUS_KM, moon_km)
    if "sun" in rx.receive.hot_bodies:
        sun = direction(tracks, node.name, "sun", t_s)
        sun_km = np.linalg.norm(sun, axis=1)
        brightness = rx.receive.sun_brightness_k
        if brightness is None:
            brightness = float(sun_brightness_k(rx.receive.frequency_mhz))
        added = disc_noise_k(pattern, brightness, angle_rad(looks, sun), SUN_RADIUS_KM, sun_km)
        # the Sun behind the Moon adds nothing
        behind = angle_rad(moon, sun) < np.arcsin(np.minimum(MOON_RADIUS_KM / moon_km, 1.0))
        total += np.where(behind & (node.kind != "asset"), 0.0, added)
    return total


def losses_db(
    tracks: Tracks, source: Node, target: Node, tx: Terminal, rx: Terminal, t_s
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses in dB at instants ``t_s`` (N,): off boresight at source, at target, added noise."""
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    noise = np.zeros(t.size)
    if rx.receive is not None and rx.receive.hot_bodies:
        assert rx.receive.system_noise_temperature_k is not None
        added = added_noise_k(tracks, target, source.name, rx, t)
        noise = g_over_t_loss_db(added, rx.receive.system_noise_temperature_k)
    return (
        _off_db(tracks, source, target.name, tx, "transmit", t),
        _off_db(tracks, target, source.name, rx, "receive", t),
        noise,
    )


def losses_at(
    tracks: Tracks, source: Node, target: Node, tx: Terminal, rx: Terminal, t_s: float
) -> Losses:
    """The losses of a link at one instant, for ``budget.link_budget``."""
    return Losses(*(float(x[0]) for x in losses_db(tracks, source, target, tx, rx, t_s)))
