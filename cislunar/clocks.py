"""Receiver and source clocks: two states, time and frequency, driven by white noise.

``d(time) = frequency dt + sqrt(q1) dW1``, ``d(frequency) = sqrt(q2) dW2``: white and random-walk
frequency noise, with q1 = h0 / 2 and q2 = 2 pi^2 h-2 (Brown and Hwang, Introduction to Random
Signals, 4th ed. 2012, ch. 9.3). Flicker has no finite state and is left out, ageing is part of
the frequency that a user solves for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orbits.constants import C_KM_S
from orbits.errors import InputError


@dataclass(frozen=True)
class Clock:
    """A clock's noise: ``q1_s`` (s) of white, ``q2_per_s`` (1/s) of random-walk frequency."""

    name: str
    q1_s: float
    q2_per_s: float
    source: str = ""

    def __post_init__(self):
        for key, value in (("q1_s", self.q1_s), ("q2_per_s", self.q2_per_s)):
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError("no such clock", key=key, value=value, allowed="0 or more")

    def allan_deviation(self, averaging_s):
        """The Allan deviation over averaging times in s (any shape).

        >>> f"{float(clock('csac').allan_deviation(1.0)):.1e}"
        '3.0e-10'
        """
        tau = np.asarray(averaging_s, dtype=float)
        return np.sqrt(self.q1_s / tau + self.q2_per_s * tau / 3.0)

    def coasting_m(self, elapsed_s):
        """Time error as a distance, 1 sigma in m, so long after time and frequency were known.

        >>> round(float(clock("csac").coasting_m(3600.0)), 1)
        8.4
        """
        t = np.asarray(elapsed_s, dtype=float)
        return C_KM_S * 1e3 * np.sqrt(self.q1_s * t + self.q2_per_s * t**3 / 3.0)


def clock_from_allan(name: str, h0: float, h_minus2: float) -> Clock:
    """A clock from its coefficients of white (h0, s) and random-walk frequency noise (h-2, 1/s).

    >>> tcxo = clock_from_allan("tcxo", 2e-21, 2e-20)
    >>> f"{tcxo.q1_s:.2e} {tcxo.q2_per_s:.2e}"
    '1.00e-21 3.95e-19'
    """
    return Clock(name, 0.5 * h0, 2.0 * math.pi**2 * h_minus2)


def clocks() -> dict[str, Clock]:
    """The catalogue's clocks by name: tcxo, ocxo, csac, uso, mini-rafs, rafs."""
    from cislunar import catalog

    return {
        k["id"]: Clock(k["id"], float(k["q1"]), float(k["q2"]), k["source"])
        for k in catalog.find("clocks")["kinds"]
    }


def clock(name: str | Clock) -> Clock:
    """A clock of the catalogue, or the one given. Raises InputError for an unknown name.

    >>> clock("rafs").q1_s
    3.7e-24
    """
    if isinstance(name, Clock):
        return name
    known = clocks()
    if name not in known:
        raise InputError(f"no clock {name!r}", key="clock", value=name, allowed=", ".join(known))
    return known[name]
