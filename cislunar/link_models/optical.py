"""Optical links: gain and pointing of a telescope, background light, and what a PPM rate needs.

Weather is not part of a link: the share of time without clouds at a station is a chance, and
enters only the availability to expect (see ``timeshare``), never access or contacts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orbits.constants import C_KM_S

if TYPE_CHECKING:
    from cislunar.terminal_records import Background

PLANCK_J_S = 6.62607015e-34  # SI definition


def photon_energy_j(wavelength_nm: float) -> float:
    """Energy of a photon in J."""
    return PLANCK_J_S * C_KM_S * 1e3 / (wavelength_nm * 1e-9)


def telescope_gain_dbi(diameter_m: float, wavelength_nm: float, efficiency: float = 1.0) -> float:
    """Gain of a telescope in dBi: efficiency x (pi D / lambda)^2.

    >>> round(telescope_gain_dbi(1.0, 1560.0), 1)
    126.1
    """
    return 10.0 * math.log10(efficiency * (math.pi * diameter_m / (wavelength_nm * 1e-9)) ** 2)


def pointing_loss_db(error_rad: float, gain_dbi: float) -> float:
    """Loss in dB of a Gaussian beam of a gain, pointed ``error_rad`` off: exp(-G error^2).

    For a Gaussian beam gain and width are one: G = 8 / w^2, w the 1/e^2 half-angle.

    >>> round(pointing_loss_db(1e-6, 113.0), 2)
    0.87
    """
    return 10.0 / math.log(10.0) * 10.0 ** (0.1 * gain_dbi) * error_rad**2


def background_power_w(
    radiance_w_m2_sr_nm: float,
    diameter_m: float,
    field_of_view_rad: float,
    filter_nm: float,
    efficiency: float = 1.0,
) -> float:
    """Background power at a detector in W: radiance x aperture x solid angle x bandwidth.

    ``field_of_view_rad`` is the full angle of a round field of view.
    """
    aperture_m2 = 0.25 * math.pi * diameter_m**2
    field_sr = 0.25 * math.pi * field_of_view_rad**2
    return radiance_w_m2_sr_nm * aperture_m2 * field_sr * filter_nm * efficiency


def ppm_capacity_bps(power_w: float, wavelength_nm: float, background: Background) -> float:
    """Rate in bit/s that photon-counted PPM carries at a received power, limited by its slots too.

    Moision and Farr, Range dependence of the optical communications channel, IPN Progress Report
    42-199 (2014): P^2 / (P / ln M + 2 Pn / (M - 1) + Pn^2 M Ts / (E ln M)) / (E ln 2), E the photon
    energy over the detector's efficiency, times the share of it that the code reaches.
    """
    order, slot_s = background.ppm_order, background.slot_s
    noise_w = background.noise_power_w
    energy_j = photon_energy_j(wavelength_nm) / background.detector_efficiency
    log = math.log(order)
    spread = (
        power_w / log + 2.0 * noise_w / (order - 1) + noise_w**2 * order * slot_s / (energy_j * log)
    )
    rate = background.code_efficiency * power_w**2 / spread / (energy_j * math.log(2.0))
    return min(rate, background.code_efficiency * math.log2(order) / (order * slot_s))


def ppm_required_dbw(rate_bps: float, wavelength_nm: float, background: Background) -> float:
    """Received power in dBW at which ``ppm_capacity_bps`` is the rate: its positive root.

    A rate beyond what the slots can carry needs 300 dBW, which nothing delivers.
    """
    order, slot_s = background.ppm_order, background.slot_s
    if rate_bps > background.code_efficiency * math.log2(order) / (order * slot_s):
        return 300.0
    noise_w = background.noise_power_w
    energy_j = photon_energy_j(wavelength_nm) / background.detector_efficiency
    log = math.log(order)
    factor = rate_bps / background.code_efficiency * energy_j * math.log(2.0)
    rest = 2.0 * noise_w / (order - 1) + noise_w**2 * order * slot_s / (energy_j * log)
    half = 0.5 * factor / log
    return 10.0 * math.log10(half + math.sqrt(half * half + factor * rest))


__all__ = [
    "PLANCK_J_S", "background_power_w", "photon_energy_j", "pointing_loss_db",
    "ppm_capacity_bps", "ppm_required_dbw", "telescope_gain_dbi",
]  # fmt: skip
