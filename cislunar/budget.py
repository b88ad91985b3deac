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
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cislunar.link_models.modcod import Mode, modes
from cislunar.link_models.noise import AIR_RISE_K
from cislunar.link_models.optical import PLANCK_J_S, ppm_required_dbw
from cislunar.records import Itself
from orbits.constants import BOLTZMANN_DBW_K_HZ, C_KM_S, DEG
from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.terminal_records import Terminal

POLARISATION_LOSS_DB = 0.3  # axial ratios of two circular antennas; catalogue record link-rule
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


def air_warming(terminal: Terminal) -> float:
    """How far opaque air would warm a receiver, as a share of its temperature; 0 if unknown."""
    system_k = None if terminal.receive is None else terminal.receive.temperature_k
    return 0.0 if system_k is None else AIR_RISE_K / system_k


def half_beam_rad(terminal: Terminal) -> float:
    """Half of a receiving antenna's beam in rad: 35 deg x wavelength / diameter; 0 if unknown."""
    antenna, receive = terminal.antenna, terminal.receive
    diameter_m = getattr(antenna, "diameter_m", None)
    if not diameter_m or receive is None or receive.frequency_mhz is None:
        return 0.0
    return 35.0 * (C_KM_S * 1e3 / (receive.frequency_mhz * 1e6)) / diameter_m * DEG


Line = tuple[str, float, str]

JAPANESE = {
    "item": "項目", "value": "値", "unit": "単位", "range": "距離", "wavelength": "波長",
    "frequency": "周波数", "transmit power": "送信電力", "circuit loss": "給電損失",
    "transmitter gain": "送信利得", "receiver gain": "受信利得",
    "system noise temperature": "システム雑音温度", "EIRP": "等価等方輻射電力（EIRP）",
    "free space": "自由空間損失", "pointing, transmitter": "送信側指向損失",
    "pointing, receiver": "受信側指向損失", "polarisation": "偏波損失", "atmosphere": "大気減衰",
    "receiver optics": "受信光学系損失", "other losses": "その他の損失",
    "off boresight, transmitter": "送信側の軸外れによる利得低下",
    "off boresight, receiver": "受信側の軸外れによる利得低下",
    "noise of Moon and Sun": "月・太陽雑音によるG/T低下",
    "noise of the air": "大気雑音によるG/T低下", "G/T": "性能指数G/T",
    "Boltzmann": "ボルツマン定数", "C/N0": "搬送波電力対雑音電力密度比（C/N0）",
    "received power": "受信電力", "rate": "伝送速度", "required Eb/N0": "所要Eb/N0",
    "energy a bit needs": "1ビットに要するエネルギー", "implementation loss": "装置化損失",
    "share of power in data": "データ成分への電力配分", "margin": "回線マージン",
    "rate that closes": "成立する伝送速度", "modulation and coding": "変調・符号化方式",
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """A link at one instant; ``print`` it for the budget line by line.

    ``rate_bps`` is 0 and ``margin_db`` None where no selectable rate closes. ``cn0_dbhz`` is None
    for optical links, ``received_dbw`` None for radio. ``lines`` add up to them; ``inputs`` are
    what the first ones rest on (power, gains, temperature), as far as the terminals state it.
    """

    cn0_dbhz: float | None
    received_dbw: float | None
    rate_bps: float
    margin_db: float | None
    lines: tuple[Line, ...]
    inputs: tuple[Line, ...] = ()
    title: str = ""
    modcod: str | None = None

    @property
    def closes(self) -> bool:
        return self.margin_db is not None

    def __str__(self) -> str:
        rows = (*self.inputs, *self.lines)
        width = max(len(name) for name, _, _ in rows)
        text = [f"{name:<{width}}  {value:12,.2f} {unit}" for name, value, unit in self.inputs]
        if text:
            text.append("-" * (width + 14))
        text += [f"{name:<{width}}  {value:12,.2f} {unit}" for name, value, unit in self.lines]
        if self.title:
            text.insert(0, self.title)
        if self.modcod:
            text.append(f"modulation and coding: {self.modcod}")
        return "\n".join(text)

    def markdown(self, language: str = "en") -> str:
        """The budget as a Markdown table, ready for an appendix, in ``en`` or ``ja``.

        >>> one = Budget(None, -100.0, 0.0, None, (("received power", -100.0, "dBW"),))
        >>> print(one.markdown("ja"))
        | 項目 | 値 | 単位 |
        |---|---:|---|
        | 受信電力 | -100.00 | dBW |
        """
        if language not in ("en", "ja"):
            raise InputError(f"no budget in language {language!r}", allowed="en, ja")

        def say(word: str) -> str:
            return JAPANESE[word] if language == "ja" else word

        head = [f"**{self.title}**", ""] if self.title else []
        rows = [f"| {say(n)} | {v:,.2f} | {u} |" for n, v, u in (*self.inputs, *self.lines)]
        last = [f"| {say('modulation and coding')} | {self.modcod} | |"] if self.modcod else []
        names = " | ".join(say(word) for word in ("item", "value", "unit"))
        return "\n".join([*head, f"| {names} |", "|---|---:|---|", *rows, *last])

    def _repr_html_(self) -> str:
        cell = "<tr><td>{}</td><td style='text-align:right'>{}</td><td>{}</td></tr>"
        rows = [
            cell.format(escape(n), f"{v:,.2f}", escape(u))
            for n, v, u in (*self.inputs, *self.lines)
        ]
        if self.modcod:
            rows.append(cell.format("modulation and coding", escape(self.modcod), ""))
        head = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


@dataclass(frozen=True)
class Losses:
    """What a link loses beyond its terminals' listed figures, dB: patterns, and added noise."""

    off_boresight_tx_db: float = 0.0
    off_boresight_rx_db: float = 0.0
    added_noise_db: float = 0.0
    air_noise_db: float = 0.0

    def lines(self) -> list[Line]:
        return [
            (name, -value, "dB")
            for name, value in (
                ("off boresight, transmitter", self.off_boresight_tx_db),
                ("off boresight, receiver", self.off_boresight_rx_db),
                ("noise of Moon and Sun", self.added_noise_db),
                ("noise of the air", self.air_noise_db),
            )
            if value
        ]


def _received_lines(tx, rx, range_km, atmosphere_db, moon, eirp_dbw, losses=None) -> list[Line]:
    """The budget's lines whose values add up to C/N0 (radio) or received power (optical)."""
    transmit, receive = tx.transmit, rx.receive
    assert transmit is not None
    assert receive is not None
    eirp = transmit.eirp_dbw if eirp_dbw is None else eirp_dbw
    beyond = [] if losses is None else losses.lines()
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
        return lines + beyond
    return [
        ("EIRP", eirp, "dBW"),
        ("free space", -float(free_space_loss_db(range_km, transmit.frequency_mhz)), "dB"),
        ("pointing, transmitter", -tx.pointing_loss_db, "dB"),
        ("pointing, receiver", -rx.pointing_loss_db, "dB"),
        ("polarisation", -polarisation_loss_db(tx, rx), "dB"),
        ("atmosphere", -float(atmosphere_db), "dB"),
        *beyond,
        ("G/T", moon_g_over_t_db_k(rx, moon), "dB/K"),
        ("Boltzmann", -BOLTZMANN_DBW_K_HZ, "dB"),
    ]


def polarisation_loss_db(tx: Terminal, rx: Terminal) -> float:
    """0.3 dB between circular antennas of one hand, 3 dB between linear and circular.

    Where an end states its own ``polarisation_loss_db``, the larger of those stated.
    """
    stated = [
        x for x in (getattr(t, "polarisation_loss_db", None) for t in (tx, rx)) if x is not None
    ]
    if stated:
        return max(stated)
    kinds = {getattr(tx, "polarisation", "RHCP"), getattr(rx, "polarisation", "RHCP")}
    return 3.0 if "linear" in kinds and len(kinds) > 1 else POLARISATION_LOSS_DB


def _optical_needs_dbw(tx: Terminal, rx: Terminal, rate_bps: float) -> float:
    """Received power in dBW that a rate needs: photons a bit, or PPM against a background."""
    assert tx.wavelength_nm is not None
    receive = rx.receive
    assert receive is not None
    if receive.background is not None:
        return ppm_required_dbw(rate_bps, tx.wavelength_nm, receive.background)
    assert receive.required_photons_per_bit is not None
    photon_j = PLANCK_J_S * C_KM_S * 1e3 / (tx.wavelength_nm * 1e-9)
    bit = 10.0 * math.log10(photon_j * receive.required_photons_per_bit)
    return 10.0 * math.log10(rate_bps) + bit


def _need_lines(tx: Terminal, rx: Terminal, mode: Mode) -> list[Line]:
    """What must arrive for a rate, as lines whose sum is minus the C/N0 or power needed."""
    rate_db = 10.0 * math.log10(mode.rate_bps)
    if getattr(tx, "band", None) == "optical":
        needs = _optical_needs_dbw(tx, rx, mode.rate_bps)
        return [
            ("rate", -rate_db, "dB(bit/s)"), ("energy a bit needs", rate_db - needs, "dBJ")
        ]  # fmt: skip
    assert tx.transmit is not None
    share = getattr(tx.transmit, "data_power_share_db", 0.0) or 0.0
    if mode.required_ebn0_db is None:
        raise ValueError(f"terminal {tx.id!r} transmits without required_ebn0_db")
    lines = [
        ("rate", -rate_db, "dB(bit/s)"),
        ("required Eb/N0", -mode.required_ebn0_db, "dB"),
        ("implementation loss", -rx.implementation_loss_db, "dB"),
    ]
    if share:
        lines.append(("share of power in data", share, "dB"))
    return lines


def least_margin_db(tx: Terminal, rx: Terminal) -> float:
    """The margin below which a rate is not given, dB: the larger of the two ends'."""
    return max(tx.minimum_margin_db, rx.minimum_margin_db)


def _inputs(
    tx: Terminal, rx: Terminal, range_km: float, eirp_dbw: float | None
) -> tuple[Line, ...]:
    transmit, receive = tx.transmit, rx.receive
    assert transmit is not None
    assert receive is not None
    lines: list[Line] = [("range", range_km, "km")]
    if tx.wavelength_nm and getattr(tx, "band", None) == "optical":
        lines.append(("wavelength", tx.wavelength_nm, "nm"))
    elif transmit.frequency_mhz:
        lines.append(("frequency", transmit.frequency_mhz, "MHz"))
    if eirp_dbw is None:
        if transmit.power_w:
            lines.append(("transmit power", 10.0 * math.log10(transmit.power_w), "dBW"))
        if transmit.circuit_loss_db is not None:
            lines.append(("circuit loss", -transmit.circuit_loss_db, "dB"))
        if transmit.gain_dbi is not None:
            lines.append(("transmitter gain", transmit.gain_dbi, "dBi"))
    if receive.gain_dbi is not None and receive.g_over_t_db_k is not None:
        lines.append(("receiver gain", receive.gain_dbi, "dBi"))
    if receive.system_noise_temperature_k is not None:
        lines.append(("system noise temperature", receive.system_noise_temperature_k, "K"))
    return tuple(lines)


def link_budget(
    tx: Terminal,
    rx: Terminal,
    range_km: float,
    *,
    atmosphere_db: float = 0.0,
    moon: int = OUTSIDE,
    eirp_dbw: float | None = None,
    losses: Losses | None = None,
) -> Budget:
    """The budget from terminal ``tx`` to terminal ``rx`` at a range, at one instant.

    ``moon`` is OUTSIDE, LIMB or FULL for a station that receives; ``eirp_dbw`` replaces the
    terminal's; ``losses`` are those of antenna patterns and of noise from bodies in the beam and
    from the air. Raises ValueError where the two are not both radio or both optical.
    """
    optical = [getattr(t, "band", None) == "optical" for t in (tx, rx)]
    if optical[0] != optical[1]:
        raise ValueError(f"{tx.id!r} and {rx.id!r} are not both radio or both optical")
    lines = _received_lines(tx, rx, range_km, atmosphere_db, moon, eirp_dbw, losses)
    received = sum(value for _, value, _ in lines)
    least = least_margin_db(tx, rx)
    assert tx.transmit is not None
    chosen, margin = None, None
    needed: list[Line] = []
    for mode in modes(tx.transmit):
        need = _need_lines(tx, rx, mode)
        left = received + sum(value for _, value, _ in need)
        if left >= least:
            chosen, margin, needed = mode, left, need
    if optical[0]:
        lines.append(("received power", received, "dBW"))
    else:
        lines.append(("C/N0", received, "dBHz"))
    if margin is not None:
        lines += [*needed, ("margin", margin, "dB")]
    rate = 0.0 if chosen is None else chosen.rate_bps
    lines.append(("rate that closes", rate, "bit/s"))
    return Budget(
        None if optical[0] else received, received if optical[0] else None, rate, margin,
        tuple(lines), _inputs(tx, rx, range_km, eirp_dbw), f"{tx.id} to {rx.id}",
        None if chosen is None else chosen.modcod,
    )  # fmt: skip


def margins_at_1km_db(tx: Terminal, rx: Terminal, moon: int = OUTSIDE, eirp_dbw=None):
    """Ascending selectable rates (bit/s), and for each the margin in dB at 1 km without atmosphere.

    The margin at any range follows by subtracting 20 log10(range_km) and the atmosphere.
    """
    assert tx.transmit is not None
    found = modes(tx.transmit)
    received = sum(v for _, v, _ in _received_lines(tx, rx, 1.0, 0.0, moon, eirp_dbw))
    rates = np.array([m.rate_bps for m in found])
    if getattr(tx, "band", None) == "optical":
        return rates, received - np.array([_optical_needs_dbw(tx, rx, m.rate_bps) for m in found])
    fixed = -sum(v for _, v, _ in _need_lines(tx, rx, found[0])[2:])
    required = np.array([m.required_ebn0_db for m in found], dtype=float)
    return rates, received - 10.0 * np.log10(rates) - required - fixed


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


@lru_cache(maxsize=1024)
def _at_1km_dbhz(one: Itself, other: Itself, elevation_rad: float | None, eirp_dbw: float | None):
    return navigation_cn0_dbhz(one.it, other.it, 1.0, elevation_rad, eirp_dbw)


def navigation_cn0_at_1km_dbhz(tx: Terminal, rx: Terminal, elevation_rad=None, eirp_dbw=None):
    """C/N0 in dBHz of a navigation signal at 1 km, as ``navigation_cn0_dbhz``; remembered."""
    return _at_1km_dbhz(Itself(tx), Itself(rx), elevation_rad, eirp_dbw)
