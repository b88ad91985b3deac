"""Link budgets that share nothing with the planner's: plain formulas on a witness's geometry.

From the terminals' own records (EIRP, G/T, rates, losses) and positions at single instants: which
rate closes between two terminals at each of many instants, and with what margin. Radio links with
antennas that track, which is what the scenarios tested here have.
"""

from __future__ import annotations

import numpy as np

C_KM_S = 299792.458
BOLTZMANN_DBW = 10 * np.log10(1.380649e-23)
MOON_KM, EARTH_KM = 1737.4, 6378.137
CIRCULAR_LOSS_DB = 0.3  # between two circular antennas, the catalogue's rule
LATE_S = 1e-6  # a receiver's condition is asked up to the end of the span


def norm(x):
    return np.sqrt((x * x).sum(axis=1))


def sine_up(here, up, there):
    away = there - here
    return (away * up).sum(axis=1) / norm(away) / norm(up)


def clear_km(a, b, centre, radius_km):
    """How far the segment from a to b passes from a sphere's surface, km."""
    d, f = b - a, centre - a
    along = np.clip((f * d).sum(axis=1) / (d * d).sum(axis=1), 0.0, 1.0)
    return norm(f - along[:, None] * d) - radius_km


def angle_rad(x, y):
    return np.arctan2(norm(np.cross(x, y)), (x * y).sum(axis=1))


def lowest_deg(node, terminal):
    """From what elevation a terminal on the ground works."""
    own = terminal.min_elevation_deg
    if own is None:
        return node.min_elevation_deg
    return own if node.kind == "station" else max(own, node.min_elevation_deg)


def sun_deg(terminal, receives):
    limits = terminal.sun_earth_probe_min_deg or {}
    both = (limits.get("return" if receives else "forward"), terminal.sun_probe_earth_min_deg)
    return max((x for x in both if x is not None), default=None)


class Scene:
    """Two nodes at instants of transmission, and what the receiver's end is at the arrivals."""

    def __init__(self, witness, source, target, t_s):
        self.source, self.target = (witness.nodes[n] for n in (source, target))
        self.here, self.here_up = witness.at(source, t_s)
        self.there, self.there_up = witness.at(target, t_s)
        self.range_km = norm(self.there - self.here)
        late = np.minimum(t_s + self.range_km / C_KM_S, witness.span_s - LATE_S)
        self.here_late = witness.at(source, late)[0]
        self.there_late, self.there_up_late = witness.at(target, late)
        self.earth, self.sun = witness.earth(t_s), witness.sun(t_s)
        self.sun_late = witness.sun(late)

    def sees(self, tx, rx):
        """Whether every condition of access holds: source and path now, receiver on arrival."""
        kinds = {self.source.kind, self.target.kind}
        ok = np.ones(self.range_km.size, dtype=bool)
        if self.source.kind != "spacecraft":
            least = np.sin(np.radians(lowest_deg(self.source, tx)))
            ok &= sine_up(self.here, self.here_up, self.there) >= least
        if self.target.kind != "spacecraft":
            least = np.sin(np.radians(lowest_deg(self.target, rx)))
            ok &= sine_up(self.there_late, self.there_up_late, self.here_late) >= least
        if "asset" not in kinds:
            ok &= clear_km(self.here, self.there, 0.0 * self.here, MOON_KM) >= 0
        if "station" not in kinds:
            ok &= clear_km(self.here, self.there, self.earth, EARTH_KM) >= 0
        for terminal in (tx, rx):
            if terminal.max_range_km is not None:
                ok &= self.range_km < terminal.max_range_km
        for limit, at, other, sun in (
            (sun_deg(tx, False), self.here, self.there, self.sun),
            (sun_deg(rx, True), self.there_late, self.here_late, self.sun_late),
        ):
            if limit is not None:
                ok &= angle_rad(other - at, sun - at) >= np.radians(limit)
        return ok

    def air_db(self, band):
        """Atmosphere at the station's end, linear in the cosecant of the elevation, dB."""
        for node, at, up, other in (
            (self.source, self.here, self.here_up, self.there),
            (self.target, self.there, self.there_up, self.here),
        ):
            if node.kind == "station":
                name = {"X": "x", "K": "ka", "S": "s"}[band.split("_")[0]]
                if name not in node.attenuation:
                    return 0.0
                low, middle, high = node.attenuation[name]
                x = 1 / np.maximum(sine_up(at, up, other), np.sin(np.radians(0.5)))
                x10, x20 = 1 / np.sin(np.radians([10.0, 20.0]))
                steep = (low - middle) / (x10 - x20)
                flat = (middle - high) / (x20 - 1.0)
                return np.where(x > x20, middle + steep * (x - x20), high + flat * (x - 1.0))
        return 0.0

    def g_over_t_db(self, rx):
        """G/T of the receiver, less for a station whose beam is on the Moon or on its limb."""
        cold, warm = rx.receive.g_over_t_db_k, getattr(rx.receive, "g_over_t_moon_db_k", None)
        if self.target.kind != "station" or warm is None:
            return cold
        off = angle_rad(self.here - self.there, -self.there)
        limb = np.arcsin(MOON_KM / norm(self.there))
        wavelength_m = C_KM_S * 1e3 / (rx.receive.frequency_mhz * 1e6)
        half = np.radians(35.0 * wavelength_m / rx.antenna.diameter_m)
        edge = -10 * np.log10((10 ** (-cold / 10) + 10 ** (-warm / 10)) / 2)
        return np.where(off < limb - half, warm, np.where(off < limb + half, edge, cold))

    def margins_db(self, tx, rx):
        """The margin of each selectable rate (ascending) beyond the larger least one: (R, N)."""
        assert not tx.transmit.modcods
        assert not rx.receive.hot_bodies
        assert tx.polarisation == rx.polarisation == "RHCP"
        wavelength_km = C_KM_S / (tx.transmit.frequency_mhz * 1e6)
        arrives = (
            tx.transmit.eirp_dbw - 20 * np.log10(4 * np.pi * self.range_km / wavelength_km)
            - tx.pointing_loss_db - rx.pointing_loss_db - CIRCULAR_LOSS_DB
            - self.air_db(tx.transmit.band) + self.g_over_t_db(rx) - BOLTZMANN_DBW
        )  # fmt: skip
        need = tx.transmit.required_ebn0_db + rx.implementation_loss_db
        need -= tx.transmit.data_power_share_db
        rates = np.sort(tx.transmit.rates_bps)
        return rates, arrives - need - 10 * np.log10(rates)[:, None]


def rate_bps(scene, tx, rx):
    """The highest rate that closes at each instant (0: none), and its margin in dB."""
    rates, margins = scene.margins_db(tx, rx)
    count = (margins >= max(tx.minimum_margin_db, rx.minimum_margin_db)).sum(axis=0)
    count = np.where(scene.sees(tx, rx), count, 0)
    rows = np.maximum(count - 1, 0)
    return np.where(count > 0, rates[rows], 0.0), margins[rows, np.arange(rows.size)]
