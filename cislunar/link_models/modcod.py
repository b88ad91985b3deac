"""Modulation and coding: the rates a sender may choose from, and what each needs.

A sender either lists its rates with one ``required_ebn0_db``, or names ``modcods`` of the
catalogue. With a ``symbol_rate_baud`` every mode gives the rate that its information bits a symbol
make of it, and needs its own threshold (CCSDS variable, DVB-S2 adaptive coding and modulation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cislunar import catalog
from orbits.errors import InputError

if TYPE_CHECKING:
    from cislunar.terminal_records import Transmit


@dataclass(frozen=True)
class Modcod:
    """A modulation with a code: information bits a channel symbol, and its thresholds in dB."""

    id: str
    information_bits_per_symbol: float
    required_ebn0_db: float
    required_esn0_db: float


@dataclass(frozen=True)
class Mode:
    """One selectable rate (bit/s) with the Eb/N0 it needs (dB, None for light) and its modcod."""

    rate_bps: float
    required_ebn0_db: float | None
    modcod: str | None = None


@lru_cache(maxsize=256)
def modcod(name: str) -> Modcod:
    """The catalogue's modcod of an id; Eb/N0 = Es/N0 - 10 log10(bits a symbol), in dB.

    Raises InputError for an id that the catalogue does not have.

    >>> m = modcod("dvb-s2-qpsk-1-2")
    >>> round(m.required_ebn0_db, 3), m.required_esn0_db
    (1.049, 1.0)
    """
    record = catalog.get("modcods", name)
    if record is None:
        raise InputError(
            f"the modcod {name!r} is not known", key="modcods", value=name,
            allowed=catalog.near(name, catalog.names("modcods")),
        )  # fmt: skip
    bits = float(record["information_bits_per_symbol"])
    gain = 10.0 * math.log10(bits)
    if "required_esn0_db" in record:
        symbol = float(record["required_esn0_db"])
        return Modcod(name, bits, symbol - gain, symbol)
    ebn0 = float(record["required_ebn0_db"])
    return Modcod(name, bits, ebn0, ebn0 + gain)


def modes(transmit: Transmit) -> tuple[Mode, ...]:
    """The rates a sender may choose from, ascending in bit/s, each with what it needs.

    A mode that a faster one undercuts is left out: it would never be chosen. With ``rate_mode:
    fixed`` only the fastest is left.

    >>> from cislunar.terminal_records import Transmit
    >>> names = ("dvb-s2-qpsk-8-9", "dvb-s2-qpsk-1-4", "dvb-s2-8psk-3-5")
    >>> sender = Transmit(eirp_dbw=40, modcods=names, symbol_rate_baud=1e6)
    >>> [(round(m.rate_bps), m.modcod) for m in modes(sender)]
    [(490243, 'dvb-s2-qpsk-1-4'), (1779991, 'dvb-s2-8psk-3-5')]
    """
    if transmit.modcods and transmit.symbol_rate_baud is not None:
        table = [modcod(name) for name in transmit.modcods]
        found = [
            Mode(
                transmit.symbol_rate_baud * m.information_bits_per_symbol, m.required_ebn0_db, m.id
            )
            for m in table
        ]
    else:
        name = transmit.modcods[0] if transmit.modcods else None
        needs = transmit.required_ebn0_db if name is None else modcod(name).required_ebn0_db
        found = [Mode(float(rate), needs, name) for rate in sorted(transmit.rates_bps)]
    if any(m.required_ebn0_db is not None for m in found):
        found = _worth_choosing(found)
    return tuple(found[-1:] if transmit.rate_mode == "fixed" else found)


def _worth_choosing(found: list[Mode]) -> list[Mode]:
    kept: list[Mode] = []
    least = math.inf  # C/N0 that the cheapest faster mode needs
    for mode in sorted(found, key=lambda m: m.rate_bps, reverse=True):
        need = 10.0 * math.log10(mode.rate_bps) + (mode.required_ebn0_db or 0.0)
        if need < least:
            kept.append(mode)
            least = need
    return kept[::-1]
