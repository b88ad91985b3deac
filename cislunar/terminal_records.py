"""Terminals: the records of what a node sends and hears with; no behaviour beyond their checks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from cislunar import catalog
from cislunar.fields import (
    Decibel,
    Elevation,
    Fraction,
    Kelvin,
    Megahertz,
    Name,
    NonNegative,
    Positive,
    Range,
    refuse,
)
from cislunar.records import Record, Sourced, key

Degrees = Annotated[float, Range(0, 180, "deg")]
Component = Annotated[float, Range(-1e9, 1e9)]


class Antenna(Record):
    kind: str = key("dish, patch, patch-array, omni, telescope, ...", "dish")
    diameter_m: Annotated[float, Range(0, 1000, "m", low_open=True)] | None = key("aperture, m")
    efficiency: Fraction | None = key("aperture efficiency")
    gain_dbi: Decibel | None = key("gain, dBi")
    half_power_beamwidth_deg: Annotated[float, Range(0, 360, "deg", low_open=True)] | None = key(
        "half-power beam width, deg"
    )
    pointing: str | None = key("how it is pointed")
    coverage: str | None = key("what the pattern covers")
    pattern: (
        Literal[
            "isotropic",
            "hemispherical",
            "cosine",
            "gaussian",
            "airy",
            "itu-s465",
            "itu-s580",
            "table",
        ]
        | None
    ) = key("gain off boresight; absent: the listed gain in every direction asked for")
    pattern_deg_dbi: tuple[tuple[Degrees, Decibel], ...] = key(
        "pattern table: [angle from boresight in deg, gain in dBi], angles increasing", ()
    )
    coverage_half_angle_deg: Degrees = key("hemispherical: edge of the pattern, deg", 90.0)
    pointing_mode: Literal["tracking", "nadir", "zenith", "earth", "sun", "fixed"] = key(
        "where the boresight looks: at the other end, at or away from the body below, at the "
        "Earth or the Sun, or along `boresight`",
        "tracking",
    )
    boresight: tuple[Component, Component, Component] | None = key("fixed: direction, any length")
    boresight_frame: Literal["LOCAL", "LVLH", "ICRF", "EARTH_MOON_ROTATING"] = key(
        "axes of `boresight`: LOCAL east, north, up of a place; LVLH of a spacecraft (x forward, "
        "y against the orbit normal, z to the Moon's centre)",
        "LOCAL",
    )

    @model_validator(mode="after")
    def _whole_pattern(self):
        angles = [row[0] for row in self.pattern_deg_dbi]
        if self.pattern == "table" and (len(angles) < 2 or angles != sorted(set(angles))):
            raise refuse("the pattern table is not usable", "two rows or more, angles increasing")
        if self.pattern in ("airy", "itu-s465", "itu-s580") and self.diameter_m is None:
            raise refuse(f"pattern {self.pattern} without diameter_m", "diameter_m")
        if self.pattern in ("gaussian", "cosine"):
            width = self.half_power_beamwidth_deg
            if width is None and (self.diameter_m is None or self.pattern == "cosine"):
                raise refuse(
                    f"pattern {self.pattern} without its width", "half_power_beamwidth_deg"
                )
            if self.pattern == "cosine" and width is not None and width >= 180.0:
                raise refuse("a cosine pattern is narrower than 180 deg", "below 180 deg")
        if self.pointing_mode == "fixed" and not any(self.boresight or ()):
            raise refuse("a fixed antenna without boresight", "boresight: [x, y, z], not zero")
        return self


class Transmit(Record):
    band: Name | None = key("band plan id, absent for optical")
    frequency_mhz: Megahertz | None = key("carrier, MHz")
    power_w: Annotated[float, Range(0, 1e9, "W", low_open=True)] | None = key("power, W")
    gain_dbi: Decibel | None = key("gain, dBi")
    circuit_loss_db: Annotated[float, Range(0, 100, "dB")] | None = key("circuit loss, dB")
    eirp_dbw: Decibel = key("EIRP with circuit loss, without pointing loss, dBW", ...)
    modulation: str | None = key("modulation")
    coding: str | None = key("coding id")
    required_ebn0_db: Decibel | None = key("required Eb/N0, dB; absent for optical")
    rates_bps: tuple[Annotated[float, Range(0, 1e13, "bit/s", low_open=True)], ...] = key(
        "selectable information rates, bit/s; absent: modcods x symbol_rate_baud", ()
    )
    modcods: tuple[str, ...] = key(
        "modulation and coding modes it can use, ids of the catalogue's modcods; they replace "
        "required_ebn0_db",
        (),
    )
    symbol_rate_baud: Annotated[float, Range(0, 1e12, "baud", low_open=True)] | None = key(
        "channel symbol rate, the same in every mode, baud"
    )
    rate_mode: Literal["adaptive", "fixed"] = key(
        "adaptive: the highest rate that closes; fixed: the highest listed rate, or nothing",
        "adaptive",
    )
    data_power_share_db: Annotated[float, Range(-60, 0, "dB")] = key(
        "share of the power in the data component, dB", 0.0
    )
    note: str | None = key("free text")

    @model_validator(mode="after")
    def _some_rate(self):
        for name in self.modcods:
            if name not in catalog.names("modcods"):
                known = catalog.near(name, catalog.names("modcods"))
                raise refuse(f"the modcod {name!r} is not known", known)
        if self.modcods and self.symbol_rate_baud is None and len(self.modcods) > 1:
            raise refuse("several modcods without symbol_rate_baud", "symbol_rate_baud")
        if self.modcods and self.symbol_rate_baud is not None and self.rates_bps:
            raise refuse("rates_bps beside modcods and symbol_rate_baud", "one or the other")
        if not self.rates_bps and not (self.modcods and self.symbol_rate_baud):
            raise refuse("no rate", "rates_bps, or modcods with symbol_rate_baud")
        return self


class Background(Record):
    """Light that an optical receiver sees beside the signal, and how it is told apart."""

    noise_power_w: NonNegative = key("background and dark counts at the detector, W", ...)
    ppm_order: Annotated[int, Range(2, 4096, whole=True)] = key("slots of a PPM symbol", ...)
    slot_s: Annotated[float, Range(0, 1e-3, "s", low_open=True)] = key("length of a slot, s", ...)
    detector_efficiency: Annotated[float, Range(0, 1, "frac", low_open=True)] = key(
        "photon detection efficiency", 1.0
    )
    code_efficiency: Annotated[float, Range(0, 1, "frac", low_open=True)] = key(
        "share of the capacity that the code reaches", ...
    )


class Receive(Record):
    band: Name | None = key("band plan id, absent for optical")
    frequency_mhz: Megahertz | None = key("carrier, MHz")
    gain_dbi: Decibel | None = key("gain, dBi")
    system_noise_temperature_k: Kelvin | None = key("system noise temperature, K")
    g_over_t_db_k: Decibel | None = key("G/T, dB/K; absent for optical")
    g_over_t_moon_db_k: Decibel | None = key("G/T with the Moon filling the beam, dB/K")
    hot_bodies: tuple[Literal["moon", "sun"], ...] = key(
        "bodies whose noise is followed through the antenna's pattern; the Moon then replaces "
        "g_over_t_moon_db_k",
        (),
    )
    moon_brightness_k: Kelvin | None = key("Moon's brightness, K; absent: ITU-R P.372's mean")
    sun_brightness_k: Kelvin | None = key("Sun's brightness, K; absent: ITU-R P.372's quiet Sun")
    background: Background | None = key("optical: background light and PPM format")
    optical_loss_db: Annotated[float, Range(0, 100, "dB")] | None = key("receiver optics, dB")
    atmosphere_loss_db: Annotated[float, Range(0, 100, "dB")] | None = key("atmosphere, dB")
    other_loss_db: Annotated[float, Range(0, 100, "dB")] | None = key("other losses, dB")
    required_photons_per_bit: Positive | None = key("photons a bit at the detector, optical")
    note: str | None = key("free text")

    @property
    def temperature_k(self) -> float | None:
        """System temperature in K: as stated, or what gain and G/T imply; None where unknown."""
        if self.system_noise_temperature_k is not None:
            return self.system_noise_temperature_k
        if self.gain_dbi is None or self.g_over_t_db_k is None:
            return None
        return 10.0 ** (0.1 * (self.gain_dbi - self.g_over_t_db_k))


class Terminal(Sourced):
    """One radio or optical terminal: what it sends, what it hears."""

    id: Name = key("id of the terminal", ...)
    role: Literal["user", "relay", "relay-earth", "crosslink", "navigation", "station"] = key(
        "which end of which link it is", ...
    )
    band: Literal["optical"] | None = key("optical, or absent for radio")
    wavelength_nm: Annotated[float, Range(100, 1e5, "nm")] | None = key("optical wavelength, nm")
    antenna: Antenna | None = key("antenna")
    transmit: Transmit | None = key("transmit side; absent: it only receives")
    receive: Receive | None = key("receive side; absent: it only transmits")
    polarisation: str = key("RHCP, LHCP or linear", "RHCP")
    polarisation_loss_db: Annotated[float, Range(0, 100, "dB")] | None = key(
        "loss by polarisation with any other end, dB; absent: by the kinds of both"
    )
    pointing_loss_db: Annotated[float, Range(0, 100, "dB")] = key("pointing loss, dB", 0.0)
    implementation_loss_db: Annotated[float, Range(0, 100, "dB")] = key(
        "receiver implementation loss, dB", 0.0
    )
    simultaneous_links: Annotated[int, Range(1, 10_000, whole=True)] | None = key(
        "users served at once; null: broadcast, no limit"
    )
    minimum_margin_db: Annotated[float, Range(-50, 100, "dB")] = key(
        "margin below which a rate is not given, dB", 3.0
    )
    pairs_with: tuple[str, ...] = key(
        "terminal ids it works with; where neither end lists any, bands and roles decide", ()
    )
    broadcast: bool = key("true: one signal for all users", False)
    min_elevation_deg: Elevation | None = key(
        "elevation below which this terminal does not work, deg; absent: the node's"
    )
    elevation_mask_deg: Elevation | None = key("mask typical of the class, deg; information only")
    max_range_km: Positive | None = key("longest range it works at, km")
    ranging_sigma_m: Positive | None = key("two-way range noise, 1 sigma, m")
    acquisition_threshold_dbhz: Decibel | None = key("C/N0 for a first fix, dBHz")
    tracking_threshold_dbhz: Decibel | None = key("C/N0 for tracking, dBHz")
    cloud_free_fraction: dict[str, Fraction] | None = key("optical: clear-sky share by site type")
    sun_earth_probe_min_deg: dict[str, Annotated[float, Range(0, 180, "deg")]] | None = key(
        "optical: least angle from the Sun at the ground, deg, for return and forward"
    )
    sun_probe_earth_min_deg: Degrees | None = key(
        "least angle between the Sun and the other end, seen from this terminal, deg"
    )
    carried_by: str | None = key("what usually carries it")
    published_neighbour: str | None = key("nearest published figure")

    @model_validator(mode="after")
    def _one_side(self):
        if self.transmit is None and self.receive is None:
            raise refuse("the terminal neither transmits nor receives", "transmit, receive or both")
        if self.receive is not None and self.receive.hot_bodies:
            if self.antenna is None or self.antenna.pattern is None:
                raise refuse("hot_bodies without an antenna pattern", "antenna.pattern")
            if self.receive.system_noise_temperature_k is None:
                raise refuse(
                    "hot_bodies without a system temperature", "system_noise_temperature_k"
                )
        return self
