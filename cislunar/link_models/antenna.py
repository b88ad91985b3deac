"""Antenna patterns: gain off boresight, and how much of a beam lies on a disc in the sky.

A terminal without ``antenna.pattern`` has its listed gain in every direction it is asked for, as
steered antennas do. With one, the gain falls off from the boresight as the pattern says:

isotropic      the listed gain everywhere
hemispherical  the listed gain within ``coverage_half_angle_deg`` (90), nothing beyond
cosine         cos^q of the angle, q from the half-power width (Balanis, Antenna Theory, 15.4)
gaussian       12 dB down at one half-power width, the main-lobe rule of ITU-R S.672 and F.1245
airy           a uniformly lit circular aperture, (2 J1(u) / u)^2, u = pi D / lambda sin(angle)
itu-s465       the gaussian main lobe, then the envelope of ITU-R S.465-6
itu-s580       the same with the tighter envelope of ITU-R S.580-6
table          ``pattern_deg_dbi``, linear between its rows
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from orbits.compiled import njit
from orbits.constants import C_KM_S, DEG
from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.terminal_records import Terminal

NOTHING_DBI = -100.0  # where a pattern radiates nothing; finite, so that losses stay numbers
RINGS_NEAR, RINGS_FAR, SAMPLES = 400, 240, 8
DISC_RINGS = 96


@dataclass(frozen=True)
class Pattern:
    """A pattern that is symmetric about its boresight.

    ``width_rad`` is the full half-power width, ``diameter_wavelengths`` the aperture over the
    wavelength (0 where the kind does not need it); ``table`` rows are (angle rad, gain dBi).
    """

    kind: str
    peak_dbi: float
    width_rad: float = 0.0
    diameter_wavelengths: float = 0.0
    edge_rad: float = 0.5 * math.pi
    table: tuple[tuple[float, float], ...] = ()

    def gain_dbi(self, off_rad):
        """Gain in dBi at angles from boresight (rad, any shape).

        >>> dish = Pattern("gaussian", 46.5, 0.0132)
        >>> round(float(dish.gain_dbi(0.0066)), 2)
        43.5
        """
        off = np.abs(np.asarray(off_rad, dtype=float))
        if self.kind == "isotropic":
            return np.full(off.shape, self.peak_dbi)
        if self.kind == "hemispherical":
            return np.where(off <= self.edge_rad, self.peak_dbi, NOTHING_DBI)
        if self.kind == "table":
            angle, gain = zip(*self.table, strict=True)
            return np.interp(off, angle, gain)
        if self.kind == "cosine":
            q = math.log(0.5) / math.log(math.cos(0.5 * self.width_rad))
            cosine = np.maximum(np.cos(off), 1e-30)
            return np.maximum(self.peak_dbi + 10.0 * q * np.log10(cosine), NOTHING_DBI)
        if self.kind == "airy":
            from scipy.special import j1

            u = np.pi * self.diameter_wavelengths * np.sin(np.minimum(off, 0.5 * np.pi))
            shape = np.where(u < 1e-6, 1.0, 2.0 * j1(u) / np.maximum(u, 1e-30))
            gain = self.peak_dbi + 20.0 * np.log10(np.maximum(np.abs(shape), 1e-12))
            return np.where(off < 0.5 * np.pi, np.maximum(gain, NOTHING_DBI), NOTHING_DBI)
        lobe = np.maximum(self.peak_dbi - 12.0 * (off / self.width_rad) ** 2, NOTHING_DBI)
        if self.kind == "gaussian":
            return lobe
        return np.minimum(self.peak_dbi, np.maximum(lobe, self._envelope_dbi(off)))

    def _envelope_dbi(self, off):
        """Side-lobe envelope of ITU-R S.465-6 or S.580-6, flat inside its first angle."""
        ratio = self.diameter_wavelengths
        first = max(1.0, 100.0 / ratio) if ratio >= 50.0 else max(2.0, 114.0 * ratio**-1.09)
        angle = np.maximum(off / DEG, first)
        wide = np.where(angle < 48.0, 32.0 - 25.0 * np.log10(angle), -10.0)
        if self.kind == "itu-s465":
            return wide
        near = np.where(angle <= 20.0, 29.0 - 25.0 * np.log10(angle), -3.5)
        return np.where(angle <= 26.3, near, wide)


def dish_gain_dbi(diameter_m: float, efficiency: float, frequency_mhz: float) -> float:
    """Gain of a circular aperture in dBi: efficiency x (pi D / lambda)^2.

    >>> round(dish_gain_dbi(1.0, 0.55, 27250.0), 1)
    46.5
    """
    ratio = diameter_m * frequency_mhz * 1e6 / (C_KM_S * 1e3)
    return 10.0 * math.log10(efficiency * (math.pi * ratio) ** 2)


def pattern_of(terminal: Terminal, side: str) -> Pattern | None:
    """The pattern of a terminal's ``transmit`` or ``receive`` side; None where it states none."""
    antenna, half = terminal.antenna, getattr(terminal, side)
    if antenna is None or half is None or antenna.pattern is None:
        return None
    wavelength_m = None
    if terminal.wavelength_nm:
        wavelength_m = terminal.wavelength_nm * 1e-9
    elif half.frequency_mhz is not None:
        wavelength_m = C_KM_S * 1e3 / (half.frequency_mhz * 1e6)
    ratio = 0.0
    if wavelength_m is not None and antenna.diameter_m is not None:
        ratio = antenna.diameter_m / wavelength_m
    peak = half.gain_dbi if half.gain_dbi is not None else antenna.gain_dbi
    if peak is None:
        if not ratio or antenna.efficiency is None:
            raise InputError(
                f"an antenna of pattern {antenna.pattern} has no gain", key="antenna.gain_dbi",
                allowed="gain_dbi, or diameter_m with efficiency and frequency_mhz",
            )  # fmt: skip
        peak = 10.0 * math.log10(antenna.efficiency * (math.pi * ratio) ** 2)
    if antenna.half_power_beamwidth_deg is not None:
        width = antenna.half_power_beamwidth_deg * DEG
    else:  # an illumination tapered for low side lobes; the uniform aperture's would be 58.9
        width = 70.0 / ratio * DEG if ratio else math.pi
    table = tuple((a * DEG, g) for a, g in antenna.pattern_deg_dbi)
    return Pattern(
        antenna.pattern, float(peak), width, ratio, antenna.coverage_half_angle_deg * DEG, table
    )


@lru_cache(maxsize=256)
def encircled(pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
    """Share of all power within angles of boresight: 1 - cos(angle), ascending, and the share.

    The integral of gain / 4 pi over the sphere. Its last value is the efficiency that the
    pattern's peak and shape imply: 1 for a lossless antenna, below 1 where the peak counts losses
    too; an envelope, which lies above every real side lobe, is scaled down to 1 if it exceeds it.
    """
    near = math.pi
    if pattern.kind in ("gaussian", "airy", "itu-s465", "itu-s580"):
        width = pattern.width_rad
        if pattern.kind == "airy":
            width = 1.03 / pattern.diameter_wavelengths
        near = min(8.0 * width, math.pi)
    edges = np.linspace(0.0, near, RINGS_NEAR + 1)
    if near < math.pi:
        edges = np.append(edges, np.geomspace(near, math.pi, RINGS_FAR + 1)[1:])
    inner, wide = edges[:-1], np.diff(edges)
    share = np.zeros(inner.size)
    for k in range(SAMPLES):
        angle = inner + (k + 0.5) / SAMPLES * wide
        share += 0.5 * 10.0 ** (0.1 * pattern.gain_dbi(angle)) * np.sin(angle) * wide / SAMPLES
    total = np.concatenate([[0.0], np.cumsum(share)])
    return 2.0 * np.sin(0.5 * edges) ** 2, total / max(1.0, total[-1])


@njit(cache=True, nogil=True)
def _within(angle, height, share):
    """The encircled share at an angle: linear in 1 - cos, exact where the gain is constant."""
    h = 2.0 * math.sin(0.5 * angle) ** 2
    k = min(max(np.searchsorted(height, h), 1), height.size - 1)
    part = (h - height[k - 1]) / (height[k] - height[k - 1])
    return share[k - 1] + min(part, 1.0) * (share[k] - share[k - 1])


@njit(cache=True, nogil=True)
def disc_share(height, share, off_rad, radius_rad):
    """Share of the beam's power that lies on discs of ``radius_rad``, ``off_rad`` from boresight.

    ``height`` and ``share`` are ``encircled`` of a pattern; ``off_rad`` and ``radius_rad`` (N,).
    Rings about boresight, each weighted by the part of it that the disc covers.
    """
    out = np.zeros(off_rad.size)
    for i in range(off_rad.size):
        d, r = off_rad[i], radius_rad[i]
        low, high = abs(d - r), min(d + r, math.pi)
        total = _within(low, height, share) if d < r else 0.0
        before = _within(low, height, share)
        wide = (high - low) / DISC_RINGS
        if wide > 0.0:
            cr, cd, sd = math.cos(r), math.cos(d), math.sin(d)
            for k in range(DISC_RINGS):
                after = _within(low + (k + 1) * wide, height, share)
                a = low + (k + 0.5) * wide
                c = (cr - math.cos(a) * cd) / (math.sin(a) * sd)
                total += (after - before) * math.acos(min(1.0, max(-1.0, c))) / math.pi
                before = after
        out[i] = total
    return out
