"""Numbers as people read them: percent, hours, Mbit/s, 億円."""

from __future__ import annotations

import math

from cislunar.text import Text

NONE = "–"


def missing(value) -> bool:
    """True for None, an empty cell or a not-a-number."""
    if value is None or (isinstance(value, str) and not value):
        return True
    try:
        return not math.isfinite(float(value))
    except ValueError:
        return False  # text
    except TypeError:  # pandas' NA has no value as a number; a record is not missing
        import pandas as pd

        return value is pd.NA


def percent(frac, digits: int = 1) -> str:
    """``0.934`` as ``93.4 %``; never rounds a shortfall up to 100."""
    if missing(frac):
        return NONE
    value, scale = 100.0 * float(frac), 10.0**digits
    shown = round(value, digits)
    if shown == 100.0 and value < 100.0 - 1e-9:
        shown = math.floor(value * scale) / scale
    if shown == 0.0 and value > 1e-9:
        return f"<\u00a0{1 / scale:.{digits}f}\u00a0%"
    return f"{shown:.{digits}f}\u00a0%"


def number(value, digits: int = 1) -> str:
    return NONE if missing(value) else f"{float(value):,.{digits}f}"


def hours(seconds, digits: int = 1) -> str:
    return NONE if missing(seconds) else f"{float(seconds) / 3600:,.{digits}f}"


def duration(seconds, text: Text) -> str:
    """A time in the units a person would say: seconds, minutes, hours, days."""
    return _duration(seconds, text).replace(" ", "\u00a0")


def _duration(seconds, text):
    if missing(seconds):
        return NONE
    s = float(seconds)
    if s < 1.0:
        return text("unit.seconds", n=f"{s:.2f}") if s > 0 else text("unit.seconds", n="0")
    if s < 120:
        return text("unit.seconds", n=f"{s:.1f}")
    if s < 7200:
        return text("unit.minutes", n=f"{s / 60:.0f}")
    if s < 3 * 86400:
        return text("unit.hours", n=f"{s / 3600:.1f}")
    return text("unit.days", n=f"{s / 86400:.1f}")


def rate(bps) -> str:
    """A rate as kbit/s, Mbit/s or Gbit/s."""
    return NONE if missing(bps) else _scaled(float(bps), "bit/s")


def volume(bits) -> str:
    """An amount of data as Mbit, Gbit or Tbit."""
    return NONE if missing(bits) else _scaled(float(bits), "bit")


def _scaled(value: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return (
                f"{value / factor:,.{0 if value >= 100 * factor else 1}f} {prefix}{unit}".replace(
                    " ", "\u00a0"
                )
            )
    return f"{value:.0f}\u00a0{unit}"


def metres(value) -> str:
    """A length or a DOP: one decimal below 100, none above."""
    if missing(value):
        return NONE
    value = float(value)
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def oku(value) -> str:
    """An amount in 億円 without the unit."""
    if missing(value):
        return NONE
    value = float(value)
    return f"{value:,.1f}" if value < 100 and value != round(value) else f"{value:,.0f}"
