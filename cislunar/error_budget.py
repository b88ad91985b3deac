"""The error of one range: signal in space, receiver noise, multipath and timing.

Tracking noise follows from C/N0 by the thermal-noise formulas of Kaplan and Hegarty, Understanding
GPS, 2nd ed. (2006): code by their eq. 5.23 (noncoherent early-late power discriminator on BPSK),
carrier by the phase-lock loop's thermal jitter of their ch. 5. The signal's own error is a
published value by constellation (catalogue kind ``error-budgets``, each with its source) or the
caller's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from orbits.constants import C_KM_S
from orbits.errors import InputError

# the LANS pilot (catalogue record uere): BPSK(5) at 5.115 Mcps with half of the power
PILOT_CHIP_HZ = 5.115e6
PILOT_SHARE_DB = -3.0
AFS_FREQUENCY_HZ = 2492.028e6
LOOP_BANDWIDTH_HZ = 1.0
EARLY_LATE_CHIPS = 0.5


def _carrier_to_noise(cn0_dbhz, share_db):
    return 10.0 ** ((np.asarray(cn0_dbhz, dtype=float) + share_db) / 10.0)


def code_noise_m(
    cn0_dbhz,
    *,
    chip_rate_hz: float = PILOT_CHIP_HZ,
    bandwidth_hz: float = LOOP_BANDWIDTH_HZ,
    spacing_chips: float = EARLY_LATE_CHIPS,
    integration_s: float | None = None,
    front_end_hz: float | None = None,
    share_db: float = PILOT_SHARE_DB,
):
    """Code-tracking noise of a range, 1 sigma in m, at a total C/N0 in dBHz (any shape).

    ``bandwidth_hz`` of the loop (one-sided noise bandwidth), ``spacing_chips`` early to late,
    ``front_end_hz`` the two-sided bandwidth of the receiver (wide open without it),
    ``integration_s`` the time before detection, whose squaring loss is left out without it (a
    coherent loop), ``share_db`` the part of the power in the component tracked. Kaplan and
    Hegarty, eq. 5.23.

    >>> round(float(code_noise_m(40.0)), 2)
    0.41
    """
    if not (chip_rate_hz > 0 and bandwidth_hz > 0 and 0 < spacing_chips < 2):
        raise InputError("no such code loop", key="spacing_chips", value=spacing_chips,
                         allowed="rates above 0 Hz, a spacing between 0 and 2 chips")  # fmt: skip
    if (integration_s is not None and not integration_s > 0) or (
        front_end_hz is not None and not front_end_hz > 0
    ):
        raise InputError("no such receiver", key="integration_s, front_end_hz",
                         allowed="more than 0")  # fmt: skip
    cn0 = _carrier_to_noise(cn0_dbhz, share_db)
    d, wide = spacing_chips, math.inf if front_end_hz is None else front_end_hz / chip_rate_hz
    if d >= math.pi / wide:
        shape, squaring = d, 2.0 / (2.0 - d)
    elif d > 1.0 / wide:
        shape = 1.0 / wide + wide / (math.pi - 1.0) * (d - 1.0 / wide) ** 2
        squaring = 2.0 / (2.0 - d)
    else:
        shape, squaring = 1.0 / wide, 1.0
    loss = 1.0 if integration_s is None else 1.0 + squaring / (integration_s * cn0)
    chips = np.sqrt(bandwidth_hz / (2.0 * cn0) * shape * loss)
    return C_KM_S * 1e3 / chip_rate_hz * chips


def carrier_noise_m(
    cn0_dbhz,
    *,
    bandwidth_hz: float,
    frequency_hz: float = AFS_FREQUENCY_HZ,
    integration_s: float | None = None,
    share_db: float = PILOT_SHARE_DB,
):
    """Carrier-tracking noise of a range, 1 sigma in m, at a total C/N0 in dBHz (any shape).

    The thermal jitter of a phase-lock loop, (wavelength / 2 pi) sqrt(B / (C/N0)); with
    ``integration_s`` that of a Costas loop, whose squaring loss 1 + 1 / (2 T C/N0) comes under the
    root. Kaplan and Hegarty, ch. 5.

    >>> round(1e3 * float(carrier_noise_m(40.0, bandwidth_hz=15.0)), 2)
    1.05
    """
    if not (bandwidth_hz > 0 and frequency_hz > 0):
        raise InputError("no such carrier loop", key="bandwidth_hz", value=bandwidth_hz,
                         allowed="more than 0 Hz")  # fmt: skip
    cn0 = _carrier_to_noise(cn0_dbhz, share_db)
    loss = 1.0 if integration_s is None else 1.0 + 0.5 / (integration_s * cn0)
    radians = np.sqrt(bandwidth_hz / cn0 * loss)
    return C_KM_S * 1e3 / frequency_hz / (2.0 * math.pi) * radians


@dataclass(frozen=True)
class ErrorBudget:
    """The 1-sigma errors of one range in m; their root sum of squares is ``uere_m``.

    ``ephemeris_m`` and ``clock_m`` are parts of ``sise_m`` and None where only the whole is known.
    ``timing_m``: the offset between the source's time scale and the user's that no clock state
    absorbs, when sources of several systems are used together. ``source`` says where the signal's
    error is from.
    """

    sise_m: float
    receiver_noise_m: float
    multipath_m: float
    timing_m: float
    ephemeris_m: float | None = None
    clock_m: float | None = None
    source: str = ""

    @property
    def uere_m(self) -> float:
        """The user-equivalent range error, 1 sigma in m."""
        return math.hypot(self.sise_m, self.receiver_noise_m, self.multipath_m, self.timing_m)

    def _lines(self):
        parts = [("ephemeris", self.ephemeris_m), ("clock", self.clock_m)]
        yield from ((f"  {name}", value) for name, value in parts if value is not None)
        yield "signal in space", self.sise_m
        yield "receiver noise", self.receiver_noise_m
        yield "multipath", self.multipath_m
        yield "timing", self.timing_m
        yield "range error (UERE)", self.uere_m

    def __str__(self) -> str:
        return "\n".join(f"{name:<20}{value:9.3f} m" for name, value in self._lines())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name.strip()}</td><td>{value:.3f} m</td></tr>"
            for name, value in self._lines()
        )
        return f"<table>{rows}</table><p>{escape(self.source)}</p>"


def presets() -> tuple[str, ...]:
    """The names of the published signal errors, for ``error_budget``.

    >>> "lcrns-srd" in presets()
    True
    """
    from cislunar import catalog

    return catalog.names("error-budgets")


def error_budget(
    preset: str | None = None,
    *,
    sise_m: float | None = None,
    ephemeris_m: float | None = None,
    clock_m: float | None = None,
    cn0_dbhz: float | None = None,
    receiver_noise_m: float = 0.0,
    multipath_m: float = 0.0,
    timing_m: float = 0.0,
) -> ErrorBudget:
    """The error budget of a range: a published signal error, or your own, and the user's part.

    Give a ``preset`` (see ``presets()``), or ``sise_m``, or ``ephemeris_m`` and ``clock_m``. The
    receiver noise follows from ``cn0_dbhz`` (``code_noise_m``) unless given. Multipath and timing
    have no published value for the Moon: they are 0 unless you give them, and the catalogue's
    ``uere`` record has the assumption that runs use. Raises InputError for an unknown preset, an
    overdetermined signal, or a negative error.

    >>> round(error_budget("elfo-csac-1").uere_m, 2)
    9.02
    >>> round(error_budget("lcrns-srd", cn0_dbhz=40).uere_m, 3)
    4.496
    """
    from cislunar import catalog

    source = "given"
    own = [v is not None for v in (sise_m, ephemeris_m, clock_m)]
    if preset is not None:
        record = catalog.get("error-budgets", preset)
        if record is None:
            raise InputError("no such error budget", key="preset", value=preset,
                             allowed=f"one of {', '.join(presets())}")  # fmt: skip
        if any(own):
            raise InputError("a preset and a signal error of your own", key="preset", value=preset,
                             allowed="one of the two")  # fmt: skip
        sise_m, ephemeris_m, clock_m = (record[k] for k in ("sise_m", "ephemeris_m", "clock_m"))
        if ephemeris_m is not None and clock_m is not None:
            sise_m = math.hypot(ephemeris_m, clock_m)
        titles = "; ".join(s["title"] for s in record["sources"])
        source = f"{record['basis']}. {titles or record.get('reason', '')}"
    elif own == [False, True, True]:
        assert ephemeris_m is not None
        assert clock_m is not None
        sise_m = math.hypot(ephemeris_m, clock_m)
    elif own != [True, False, False]:
        raise InputError("the signal's error is not determined", key="sise_m",
                         allowed="a preset, sise_m, or ephemeris_m and clock_m")  # fmt: skip
    assert sise_m is not None
    if cn0_dbhz is not None:
        if receiver_noise_m:
            raise InputError("C/N0 and a receiver noise", key="receiver_noise_m",
                             value=receiver_noise_m, allowed="one of the two")  # fmt: skip
        receiver_noise_m = float(code_noise_m(cn0_dbhz))
    budget = ErrorBudget(
        float(sise_m), receiver_noise_m, multipath_m, timing_m, ephemeris_m, clock_m, source
    )
    parts = (budget.sise_m, receiver_noise_m, multipath_m, timing_m, ephemeris_m, clock_m)
    if not all(p is None or (math.isfinite(p) and p >= 0.0) for p in parts) or budget.uere_m == 0.0:
        raise InputError("not an error budget", key="errors", value=budget.uere_m,
                         allowed="finite errors of 0 m or more, not all 0")  # fmt: skip
    return budget
