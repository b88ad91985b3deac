"""Noise that the air adds to a receiver, and the Moon and the Sun when they stand in its beam.

Air that attenuates by A dB radiates what it takes away: T_m (1 - 10^(-A/10)) kelvin, in the place
of as much of the cosmic background (ITU-R P.618).

A body of brightness T that takes a share s of the beam's power adds s T kelvin; no air is laid
before it, which would take a little of that away. A beam much wider than the disc sees
T Omega_disc / Omega_beam; a beam much narrower, all of T that its main lobe holds. Brightness is
that of ITU-R P.372.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cislunar.link_models.antenna import disc_share, encircled
from orbits.constants import MOON_RADIUS_KM

if TYPE_CHECKING:
    from cislunar.link_models.antenna import Pattern

# what opaque air adds: 275 K (ITU-R P.618, where no other figure is known), less the cosmic
# background of 2.725 K that it hides
AIR_RISE_K = 275.0 - 2.725
SUN_RADIUS_KM = 695700.0  # IAU 2015 resolution B3
# ITU-R P.372: about 140 K at new and 280 K at full Moon, nearly the same at all frequencies above
# 1 GHz; the mean of the two. A terminal's own figure replaces it.
MOON_BRIGHTNESS_K = 210.0
# quiet Sun, read from figure 12 of ITU-R P.372-14 (as published with O'Donoughue, Emitter
# Detection and Geolocation for Electronic Warfare, 2019): GHz, K
SUN_GHZ = (0.05, 0.2, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 20.0, 30.0, 40.0, 100.0)
SUN_K = (
    1e6, 1e6, 2e5, 9e4, 4.5e4, 2.9e4, 2e4, 1.6e4, 1.4e4, 1.3e4, 1.2e4, 1e4, 7e3, 6.3e3, 6.2e3, 6e3,
)  # fmt: skip


def sun_brightness_k(frequency_mhz):
    """Brightness of the quiet Sun's disc in K, from 50 MHz to 100 GHz (ITU-R P.372-14, figure 12).

    A disturbed Sun is orders of magnitude brighter below 3 GHz.

    >>> round(float(sun_brightness_k(8000.0)))
    13000
    """
    ghz = np.clip(np.asarray(frequency_mhz, dtype=float) * 1e-3, SUN_GHZ[0], SUN_GHZ[-1])
    return np.exp(np.interp(np.log(ghz), np.log(SUN_GHZ), np.log(SUN_K)))


def disc_noise_k(pattern: Pattern, brightness_k, off_rad, radius_km: float, range_km):
    """Noise in K that a body adds, its centre ``off_rad`` from boresight and ``range_km`` away.

    Arrays of one shape (N,); no atmosphere between.
    """
    off = np.atleast_1d(np.asarray(off_rad, dtype=float))
    far = np.atleast_1d(np.asarray(range_km, dtype=float))
    radius = np.arcsin(np.minimum(radius_km / far, 1.0))
    height, share = encircled(pattern)
    off, radius = off + 0.0 * radius, radius + 0.0 * off
    return np.asarray(brightness_k) * disc_share(height, share, off, radius)


def moon_noise_k(pattern: Pattern, off_rad, range_km, brightness_k: float = MOON_BRIGHTNESS_K):
    """Noise in K that the Moon adds; see ``disc_noise_k``.

    >>> from cislunar.link_models.antenna import Pattern
    >>> dish = Pattern("gaussian", 24.97, 0.1595)
    >>> round(float(moon_noise_k(dish, 0.0, 384400.0, 250.0)[0]), 2)
    0.4
    """
    return disc_noise_k(pattern, brightness_k, off_rad, MOON_RADIUS_KM, range_km)


def g_over_t_loss_db(added_k, system_k: float):
    """How far G/T falls, in dB, when noise is added to a system temperature (K)."""
    return 10.0 * np.log10(1.0 + np.asarray(added_k) / system_k)


__all__ = [
    "AIR_RISE_K", "MOON_BRIGHTNESS_K", "SUN_RADIUS_KM", "disc_noise_k", "g_over_t_loss_db",
    "moon_noise_k", "sun_brightness_k",
]  # fmt: skip
