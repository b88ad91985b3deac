"""Keplerian elements and states; the bridge to poliastro's successor ``boinor``.

Angles in rad, a in km, GM in km3/s2. Elements are osculating. Elliptic orbits only: what is planned
for is bound.
"""

from __future__ import annotations

import numpy as np

from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2, MOON_RADIUS_KM
from orbits.ephemeris import Ephemeris
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.frames import CENTRES, rotation


def mean_to_eccentric(mean_rad, eccentricity) -> np.ndarray:
    """Eccentric anomalies in rad of mean anomalies in rad: Newton's method on Kepler's equation."""
    mean, e = np.broadcast_arrays(
        np.asarray(mean_rad, dtype=float), np.asarray(eccentricity, dtype=float)
    )
    turns = np.round(mean / (2 * np.pi))
    m = mean - 2 * np.pi * turns
    big = m + np.sign(np.sin(m)) * 0.85 * e  # Danby's start: converges for every e < 1
    for _ in range(50):
        f = big - e * np.sin(big) - m
        slope = 1 - e * np.cos(big)
        step = f / (slope - 0.5 * f * e * np.sin(big) / slope)  # Halley
        big = big - step
        if np.abs(step).max(initial=0.0) < 1e-14:
            break
    return big + 2 * np.pi * turns


def mean_to_true(mean_rad, eccentricity) -> np.ndarray:
    """True anomalies in rad, in the same turn as the mean anomalies ``mean_rad``.

    >>> float(round(mean_to_true(1.0, 0.6), 6))
    2.23726
    """
    e = np.asarray(eccentricity, dtype=float)
    big = mean_to_eccentric(mean_rad, e)
    beta = e / (1 + np.sqrt(1 - e * e))
    return big + 2 * np.arctan2(beta * np.sin(big), 1 - beta * np.cos(big))


def true_to_mean(true_rad, eccentricity) -> np.ndarray:
    """Mean anomalies in rad, in the same turn as the true anomalies ``true_rad``."""
    true, e = np.asarray(true_rad, dtype=float), np.asarray(eccentricity, dtype=float)
    beta = e / (1 + np.sqrt(1 - e * e))
    big = true - 2 * np.arctan2(beta * np.sin(true), 1 + beta * np.cos(true))
    return big - e * np.sin(big)


def state_from_elements(a_km, e, i, raan, argp, mean_anomaly, gm=GM_MOON_KM3_S2) -> np.ndarray:
    """States (..., 6) in km and km/s of osculating elements (rad), all broadcast together.

    Raises InputError for e outside [0, 1) or a not positive.

    >>> state_from_elements(6541.4, 0.6, 0.0, 0.0, 0.0, 0.0)[:3].round(3).tolist()
    [2616.56, 0.0, 0.0]
    """
    a, e, i, raan, argp, m = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (a_km, e, i, raan, argp, mean_anomaly))
    )
    if not (np.isfinite(a) & (a > 0)).all():
        raise InputError("semi-major axis", key="semi_major_axis_km", value=a, allowed="> 0")
    if not ((e >= 0) & (e < 1)).all():
        raise InputError(
            f"eccentricity {e if e.ndim else float(e)}", key="eccentricity", value=e,
            allowed="0 <= e < 1 (a bound orbit)",
        )  # fmt: skip
    if not all(np.isfinite(x).all() for x in (i, raan, argp, m)):
        raise InputError("angles must be finite")
    big = mean_to_eccentric(m, e)
    root = np.sqrt(1 - e * e)
    rate = np.sqrt(gm / a) / (1 - e * np.cos(big))
    px, py = a * (np.cos(big) - e), a * root * np.sin(big)
    vx, vy = -rate * np.sin(big), rate * root * np.cos(big)
    co, so, ci, si = np.cos(raan), np.sin(raan), np.cos(i), np.sin(i)
    cw, sw = np.cos(argp), np.sin(argp)
    first = np.stack([co * cw - so * sw * ci, so * cw + co * sw * ci, sw * si], axis=-1)
    second = np.stack([-co * sw - so * cw * ci, -so * sw + co * cw * ci, cw * si], axis=-1)
    return np.concatenate(
        [
            px[..., None] * first + py[..., None] * second,
            vx[..., None] * first + vy[..., None] * second,
        ],
        axis=-1,
    )


def elements_from_state(states, gm=GM_MOON_KM3_S2) -> np.ndarray:
    """Elements (..., 6) of states (..., 6): a_km, e, i, raan, argp, mean anomaly (rad, 0 to 2 pi).

    A circular orbit has argp 0 and an equatorial one raan 0. Raises InputError for an unbound one.
    """
    states = np.asarray(states, dtype=float)
    r, v = states[..., :3], states[..., 3:]
    distance = np.linalg.norm(r, axis=-1)
    a = 1 / (2 / distance - (v * v).sum(axis=-1) / gm)
    if not (np.isfinite(a) & (a > 0)).all():
        raise InputError("a state is not on a bound orbit", value=states)
    h = np.cross(r, v)
    node = np.stack([-h[..., 1], h[..., 0], np.zeros_like(distance)], axis=-1)
    flat = np.linalg.norm(node, axis=-1, keepdims=True) < 1e-12 * np.linalg.norm(
        h, axis=-1, keepdims=True
    )
    node = np.where(flat, np.array([1.0, 0.0, 0.0]), node)
    pull = np.cross(v, h) / gm - r / distance[..., None]
    e = np.linalg.norm(pull, axis=-1)
    round_ = (e < 1e-12)[..., None]
    pull = np.where(round_, node, pull)

    def turn(first, second):  # angle from one vector to another about h
        cross = (np.cross(first, second) * h).sum(axis=-1) / np.linalg.norm(h, axis=-1)
        return np.arctan2(cross, (first * second).sum(axis=-1)) % (2 * np.pi)

    i = np.arctan2(np.hypot(h[..., 0], h[..., 1]), h[..., 2])
    raan = np.arctan2(node[..., 1], node[..., 0]) % (2 * np.pi)
    e = np.where(round_[..., 0], 0.0, e)
    mean = true_to_mean(turn(pull, r), e) % (2 * np.pi)
    return np.stack([a, e, i, raan, turn(node, pull), mean], axis=-1)


def on_frozen_axes(states, frame: str, epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """States (..., 6) on ICRF axes of ``states`` on the axes of ``frame`` frozen at ``t_s``.

    The centre stays; the axes do not turn, so velocities stay inertial.
    """
    return _turn(states, np.swapaxes(rotation(frame, epoch, t_s, ephemeris), -1, -2))


def to_frozen_axes(states, frame: str, epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """States (..., 6) on the axes of ``frame`` frozen at ``t_s`` (...,), of ICRF ``states``."""
    return _turn(states, rotation(frame, epoch, t_s, ephemeris))


def _turn(states, matrix):
    states = np.asarray(states, dtype=float)
    parts = states.reshape(*states.shape[:-1], 2, 3)
    return np.einsum("...ij,...kj->...ki", matrix, parts).reshape(states.shape)


def check_clears_moon(a_km: float, e: float) -> None:
    """Nothing, or InputError when the perilune lies inside the Moon's 1737.4 km sphere."""
    perilune = a_km * (1 - e)
    if not perilune > MOON_RADIUS_KM:
        raise InputError(
            f"perilune radius {perilune:.1f} km is inside the Moon", value=perilune,
            allowed=f"> {MOON_RADIUS_KM} km",
        )  # fmt: skip


def centre_gm(frame: str) -> float:
    """GM in km3/s2 (DE440) of the centre of ``frame``. Raises InputError for the barycentre."""
    centre = CENTRES.get(frame)
    if centre not in ("moon", "earth"):
        raise InputError(
            f"elements about the centre of {frame!r}", value=frame,
            allowed="a frame centred on the Moon or the Earth",
        )  # fmt: skip
    return GM_MOON_KM3_S2 if centre == "moon" else GM_EARTH_KM3_S2


def to_boinor(state, epoch: Epoch):
    """A ``boinor.twobody.Orbit`` about the Moon of a MOON_ICRF state (6,), for poliastro users."""
    from astropy import units as u
    from astropy.time import Time
    from boinor.bodies import Moon
    from boinor.twobody import Orbit

    state = np.asarray(state, dtype=float)
    jd1, jd2 = epoch.jd_tdb
    when = Time(jd1, jd2, format="jd", scale="tdb")
    return Orbit.from_vectors(Moon, state[:3] * u.km, state[3:] * u.km / u.s, when)


def from_orbit(orbit) -> np.ndarray:
    """The state (6,), km and km/s, of an ``Orbit`` of boinor, poliastro or hapsira as it stands."""
    r, v = orbit.rv()
    return np.concatenate([r.to_value("km"), v.to_value("km/s")])
