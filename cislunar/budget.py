"""The link budget: what arrives, the highest rate that closes, and with how much margin.

Radio: C/N0 = EIRP - space loss - pointing losses of both ends - 0.3 dB polarisation - atmosphere
+ G/T + 228.599; margin = C/N0 - 10 log10(rate) - required Eb/N0 - implementation loss + share of
the power in the data. Optical: received power against the photons a bit needs. The rate is the
highest selectable one whose margin reaches the larger minimum margin of the two ends. The rules
are those of the catalogue record ``link-rule``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orbits.constants import BOLTZMANN_DBW_K_HZ, C_KM_S, DEG

if TYPE_CHECKING:
    from cislunar.schema import Terminal

POLARISATION_LOSS_DB = 0.3  # axial ratios of two circular antennas; catalogue record link-rule
PLANCK_J_S = 6.62607015e-34  # SI definition
OUTSIDE, LIMB, FULL = 2, 1, 0  # the Moon in a station's beam

# catalogue record afs-receiver: 0 dBi below 15 deg of elevation, its listed gain above
NAVIGATION_LOW_ELEVATION_DEG = 15.0
NAVIGATION_LOW_GAIN_DBI = 0.0


def free_space_loss_db(range_km, frequency_mhz):
    """Free-space loss in dB, 20 log10(4 pi d f / c) (ITU-R P.525); arrays allowed.

    >>> round(float(free_space_loss_db(384400.0, 2200.0)), 3)
    210.992
    """
    return 20.0 * np.log10(4.0 * math.pi * np.asarray(range_km) * frequency_mhz * 1e6 / C_KM_S)


def light_time_s(range_km):
    """One-way light time in s."""
    return np.asarray(range_km) / C_KM_S


def moon_g_over_t_db_k(terminal: Terminal, moon: int) -> float:
    """G/T in dB/K of a receiver with the Moon outside its beam, at its edge (half of the added
    noise) or filling it; a terminal without a figure for the Moon keeps its own.
    """
    receive = terminal.receive
    assert receive is not None
    assert receive.g_over_t_db_k is not None
    cold = receive.g_over_t_db_k
    warm = getattr(receive, "g_over_t_moon_db_k", None)
    if moon == OUTSIDE or warm is None:
        return cold
    if moon == FULL:
        return warm
    return cold - 10.0 * math.log10(0.5 * (1.0 + 10.0 ** (0.1 * (cold - warm))))


def half_beam_rad(terminal: Terminal) -> float:
    """Half of a receiving antenna's beam in rad: 35 deg x wavelength / diameter; 0 if unknown."""
    antenna, receive = terminal.antenna, terminal.receive
    diameter_m = getattr(antenna, "diameter_m", None)
    if not diameter_m or receive is None or receive.frequency_mhz is None:
        return 0.0
    return 35.0 * (C_KM_S * 1e3 / (receive.frequency_mhz * 1e6)) / diameter_m * DEG


@dataclass(frozen=True)
class Budget:
    """A link at one instant; ``print`` it for the budget line by line.

    ``rate_bps`` is 0 and ``margin_db`` None where no selectable rate closes. ``cn0_dbhz`` is None
    for optical links, ``received_dbw`` None for radio.
    """

    cn0_dbhz: float | None
    received_dbw: float | None
    rate_bps: float
    margin_db: float | None
    lines: tuple[tuple[str, float, str], ...]

    @property
    def closes(self) -> bool:
        return self.margin_db is not None

    def __str__(self) -> str:
        width = max(len(name) for name, _, _ in self.lines)
        return "\n".join(
            f"{name:<{width}}  {value:12,.2f} {unit}" for name, value, unit in self.lines
        )


def _received_lines(tx: Terminal, rx: Terminal, range_km, atmosphere_db, moon, eirp_dbw):
    """The budget's lines whose values add up to C/N0 (radio) or received power (optical)."""
    transmit, receive = tx.transmit, rx.receive
    assert transmit is not None
    assert receive is not None
    eirp = transmit.eirp_dbw if eirp_dbw is None else eirp_dbw
    if getattr(tx, "band", None) == "optical":
        assert tx.wavelength_nm is not None
        assert receive.gain_dbi is not None
        space = 20.0 * math.log10(4.0 * math.pi * range_km * 1e3 / (tx.wavelength_nm * 1e-9))
        lines = [
            ("EIRP", eirp, "dBW"),
            ("free space", -space, "dB"),
            ("pointing, transmitter", -tx.pointing_loss_db, "dB"),
            ("receiver gain", receive.gain_dbi, "dBi"),
        ]
        for name, key in (
            ("atmosphere", "atmosphere_loss_db"), ("receiver optics", "optical_loss_db"),
            ("other losses", "other_loss_db"),
        ):  # fmt: skip
            loss = getattr(receive, key, None)
            if loss:
                lines.append((name, -loss, "dB"))
        return lines
    return [
        ("EIRP", eirp, "dBW"),
        ("free space", -float(free_space_loss_db(range_km, transmit.frequency_mhz)), "dB"),
        ("pointing, transmitter", -tx.pointing_loss_db, "dB"),
        ("pointing, receiver", -rx.pointing_loss_db, "dB"),
        ("polarisation", -polarisation_loss_db(tx, rx), "dB"),
        ("atmosphere", -float(atmosphere_db), "dB"),
        ("G/T", moon_g_over_t_db_k(rx, moon), "dB/K"),
        ("Boltzmann", -BOLTZMANN_DBW_K_HZ, "dB"),
    ]


def polarisation_loss_db(tx: Terminal, rx: Terminal) -> float:
    """0.3 dB between circular antennas of one hand, 3 dB between linear and circular."""
    kinds = {getattr(tx, "polarisation", "RHCP"), getattr(rx, "polarisation", "RHCP")}
    return 3.0 if "linear" in kinds and len(kinds) > 1 else POLARISATION_LOSS_DB


def _needed_db(tx: Terminal, rx: Terminal) -> tuple[list[tuple[str, float, str]], float]:
    """What must be left after dividing by the rate: lines, and their sum in dB."""
    assert tx.transmit is not None
    assert rx.receive is not None
    if getattr(tx, "band", None) == "optical":
        assert tx.wavelength_nm is not None
        assert rx.receive.required_photons_per_bit is not None
        photon_j = PLANCK_J_S * C_KM_S * 1e3 / (tx.wavelength_nm * 1e-9)
        bit = 10.0 * math.log10(photon_j * rx.receive.required_photons_per_bit)
        return [("energy a bit needs", -bit, "dBJ")], bit
    share = getattr(tx.transmit, "data_power_share_db", 0.0) or 0.0
    required = tx.transmit.required_ebn0_db
    if required is None:
        raise ValueError(f"terminal {tx.id!r} transmits without required_ebn0_db")
    lines = [
        ("required Eb/N0", -required, "dB"),
        ("implementation loss", -rx.implementation_loss_db, "dB"),
    ]
    if share:
        lines.append(("share of power in data", share, "dB"))
    return lines, required + rx.implementation_loss_db - share


def least_margin_db(tx: Terminal, rx: Terminal) -> float:
    """The margin below which a rate is not given, dB: the larger of the two ends'."""
    return max(tx.minimum_margin_db, rx.minimum_margin_db)


def link_budget(
    tx: Terminal,
    rx: Terminal,
    range_km: float,
    *,
    atmosphere_db: float = 0.0,
    moon: int = OUTSIDE,
    eirp_dbw: float | None = None,
) -> Budget:
    """The budget from terminal ``tx`` to terminal ``rx`` at a range, at one instant.

    ``moon`` is OUTSIDE, LIMB or FULL for a station that receives; ``eirp_dbw`` replaces the
    terminal's. Raises ValueError where the two are not both radio or both optical.
    """
    optical = [getattr(t, "band", None) == "optical" for t in (tx, rx)]
    if optical[0] != optical[1]:
        raise ValueError(f"{tx.id!r} and {rx.id!r} are not both radio or both optical")
    lines = _received_lines(tx, rx, range_km, atmosphere_db, moon, eirp_dbw)
    received = sum(value for _, value, _ in lines)
    needed, needed_db = _needed_db(tx, rx)
    least = least_margin_db(tx, rx)
    assert tx.transmit is not None
    rate, margin = 0.0, None
    for r in sorted(tx.transmit.rates_bps):
        left = received - 10.0 * math.log10(r) - needed_db
        if left >= least:
            rate, margin = float(r), left
    if optical[0]:
        lines.append(("received power", received, "dBW"))
    else:
        lines.append(("C/N0", received, "dBHz"))
    if margin is not None:
        lines += [("rate", -10.0 * math.log10(rate), "dB(bit/s)"), *needed]
        lines.append(("margin", margin, "dB"))
        lines.append(("rate that closes", rate, "bit/s"))
    else:
        lines.append(("rate that closes", 0.0, "bit/s"))
    return Budget(
        None if optical[0] else received, received if optical[0] else None, rate, margin,
        tuple(lines),
    )  # fmt: skip


def margins_at_1km_db(tx: Terminal, rx: Terminal, moon: int = OUTSIDE, eirp_dbw=None):
    """Ascending selectable rates (bit/s), and for each the margin in dB at 1 km without atmosphere.

    The margin at any range follows by subtracting 20 log10(range_km) and the atmosphere.
    """
    assert tx.transmit is not None
    rates = np.array(sorted(tx.transmit.rates_bps), dtype=float)
    received = sum(v for _, v, _ in _received_lines(tx, rx, 1.0, 0.0, moon, eirp_dbw))
    return rates, received - 10.0 * np.log10(rates) - _needed_db(tx, rx)[1]


def attenuation_db(elevation_rad, points_db):
    """Atmosphere in dB at an elevation from its values at 10, 20 and 90 deg, linear in the
    cosecant; extended by the same line below 10 deg and held below half a degree.

    >>> round(float(attenuation_db(15 * DEG, (10.19, 5.41, 2.22))), 2)
    6.99
    """
    cosecant = 1.0 / np.maximum(np.sin(elevation_rad), math.sin(0.5 * DEG))
    c10, c20 = 1.0 / math.sin(10.0 * DEG), 1.0 / math.sin(20.0 * DEG)
    a10, a20, a90 = points_db
    return np.where(
        cosecant >= c20,
        a20 + (a10 - a20) * (cosecant - c20) / (c10 - c20),
        a90 + (a20 - a90) * (cosecant - 1.0) / (c20 - 1.0),
    )


def navigation_cn0_dbhz(tx: Terminal, rx: Terminal, range_km, elevation_rad=None, eirp_dbw=None):
    """C/N0 in dBHz of a navigation signal, arrays allowed.

    ``elevation_rad`` of the transmitter at a surface receiver: below 15 deg its patch antenna has
    0 dBi instead of its listed gain; None for a receiver in orbit.
    """
    assert rx.receive is not None
    at_1km = sum(v for _, v, _ in _received_lines(tx, rx, 1.0, 0.0, OUTSIDE, eirp_dbw))
    cn0 = at_1km - 20.0 * np.log10(np.asarray(range_km, dtype=float))
    if elevation_rad is None:
        return cn0
    low = np.asarray(elevation_rad) < NAVIGATION_LOW_ELEVATION_DEG * DEG
    return cn0 - np.where(low, (rx.receive.gain_dbi or 0.0) - NAVIGATION_LOW_GAIN_DBI, 0.0)


def station_model(
    elevation_deg, *, g0_dbi, g1_db_deg2, peak_deg, t1_k, t2_k, decay_per_deg, zenith_db,
    cumulative_frac, moon_brightness_k=0.0,
):  # fmt: skip
    """Gain (dBi), noise temperature (K) and G/T (dB/K) of a deep-space antenna over elevation.

    DSN 810-005 module 104: the gain already contains the atmosphere, do not subtract it again.
    ``cumulative_frac`` is the weather distribution CD; ``moon_brightness_k`` adds the Moon behind
    the atmosphere, for a beam much smaller than its disc.
    """
    el = np.asarray(elevation_deg, dtype=float)
    slant_db = zenith_db / np.sin(el * DEG)
    loss = 10.0 ** (0.1 * slant_db)
    gain = g0_dbi - g1_db_deg2 * (el - peak_deg) ** 2 - slant_db
    air_k = (255.0 + 25.0 * cumulative_frac) * (1.0 - 1.0 / loss)
    noise = t1_k + t2_k * np.exp(-decay_per_deg * el) + air_k + (2.725 + moon_brightness_k) / loss
    return gain, noise, gain - 10.0 * np.log10(noise)


def moon_noise_small_dish_k(brightness_k, diameter_m, efficiency, frequency_mhz, moon_range_km):
    """Noise in K that the whole Moon adds to a beam much wider than its disc."""
    disc_sr = 2.0 * math.pi * (1.0 - math.sqrt(1.0 - (1737.4 / moon_range_km) ** 2))
    wavelength_m = C_KM_S * 1e3 / (frequency_mhz * 1e6)
    beam_sr = wavelength_m**2 / (efficiency * math.pi * diameter_m**2 / 4.0)
    return brightness_k * disc_sr / beam_sr
