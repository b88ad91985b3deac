"""The LunaNet Interoperability Specification's band plan, and whether a carrier keeps to it."""

from __future__ import annotations

from cislunar import catalog


def frequency_fault(name: str, band: str | None, frequency_mhz: float | None) -> str | None:
    """Why a terminal's frequency (MHz) is not in the band it names, in words; None where it is.

    Bands that the catalogue's plan does not have are not judged.

    >>> frequency_fault("x", "X_down", 8000.0)
    "'x' has 8000 MHz, outside its band X_down (8450 to 8500 MHz)"
    """
    record = None if band is None else catalog.get("bands", band)
    if record is None or frequency_mhz is None or not record.get("freq_mhz"):
        return None
    low, high = record["freq_mhz"]
    if low <= frequency_mhz <= high:
        return None
    return f"{name!r} has {frequency_mhz:g} MHz, outside its band {band} ({low:g} to {high:g} MHz)"
