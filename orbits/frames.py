"""Reference frames: a centre and axes each, as rotations from ICRF with their rates.

| name | centre | axes |
|---|---|---|
| MOON_ICRF, EARTH_ICRF, EMB_ICRF | Moon, Earth, Earth-Moon barycentre | ICRF |
| MOON_PA | Moon | principal axes of DE421 |
| MOON_ME | Moon | mean Earth / polar axis of DE421 |
| MOON_OP | Moon | z = r_E x v_E (Earth about the Moon), x = IAU Moon pole x z |
| ITRF | Earth | IERS terrestrial, IAU 2006/2000A, CIO-based |
| EARTH_MOON_ROTATING | Earth-Moon barycentre | x from Earth to Moon, z = angular momentum |

The IAU Moon pole of MOON_OP is the mean Earth / polar axis of the lunar ephemeris, as the IAU's
working group recommends (WGCCRE 2015); its short trigonometric series is 10 arcsec off, which the
6.7 degrees between the two planes would turn into a minute of arc in x.

EARTH_MOON_ROTATING is instantaneous and in km: it pulsates with the Earth-Moon distance, which
``earth_moon_distance`` gives for whoever wants to normalise it.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np

from orbits.constants import DAY_S, DEG
from orbits.ephemeris import FIRST_S, LAST_S, Ephemeris
from orbits.epoch import Epoch, seconds_past
from orbits.errors import InputError

CENTRES = {
    "MOON_ICRF": "moon", "EARTH_ICRF": "earth", "EMB_ICRF": "emb", "MOON_ME": "moon",
    "MOON_PA": "moon", "MOON_OP": "moon", "ITRF": "earth", "EARTH_MOON_ROTATING": "emb",
}  # fmt: skip
FRAMES = tuple(CENTRES)

ARCSEC = DEG / 3600.0
# PA to ME of DE421: NAIF frame kernel moon_080317.tf, TKFRAME_31007_ANGLES (axes 3, 2, 1)
PA_TO_ME_ARCSEC = (67.92, 78.56, 0.30)
_DIFFERENCE_S = 10.0  # half step of the rates taken by differences: errors below 1e-15 rad/s
# ERA rate, IERS Conventions 2010 eq. 5.15 (per UT1 second; UT1 runs with TT to 1e-8)
_EARTH_RATE_RAD_S = 2 * np.pi * 1.00273781191135448 / DAY_S
_NODE_S = 3 * 3600.0


def _about(axis: int, angle) -> np.ndarray:
    """Rotations (..., 3, 3) of the coordinate axes by ``angle`` (rad) about axis 0, 1 or 2."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((*np.shape(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[..., axis, axis] = 1.0
    out[..., i, i] = out[..., j, j] = c
    out[..., i, j] = s
    out[..., j, i] = -s
    return out


def _about_rate(axis: int, angle, rate) -> np.ndarray:
    c, s = np.cos(angle) * rate, np.sin(angle) * rate
    out = np.zeros((*np.shape(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[..., i, i] = out[..., j, j] = -s
    out[..., i, j] = c
    out[..., j, i] = -c
    return out


def pa_to_me() -> np.ndarray:
    """The constant rotation (3, 3) from lunar principal axes to mean Earth / polar axes."""
    a, b, c = (x * ARCSEC for x in PA_TO_ME_ARCSEC)
    return _about(0, -c) @ _about(1, -b) @ _about(2, -a)


def _principal_axes(epoch, t, ephemeris, rates):
    angles, speed = ephemeris.pa_angles(epoch, t)
    first, second, third = (
        _about(axis, angles[..., k]) for axis, k in ((2, 0), (0, 1), (2, 2))
    )  # node, inclination, spin
    matrix = third @ second @ first
    if not rates:
        return matrix, None
    rate = (
        _about_rate(2, angles[..., 2], speed[..., 2]) @ second @ first
        + third @ _about_rate(0, angles[..., 1], speed[..., 1]) @ first
        + third @ second @ _about_rate(2, angles[..., 0], speed[..., 0])
    )
    return matrix, rate


def _unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def _orbit_plane(epoch, t, ephemeris):
    earth = ephemeris.state("earth", "moon", epoch, t)
    z = _unit(np.cross(earth[..., :3], earth[..., 3:]))
    pole = (pa_to_me() @ _principal_axes(epoch, t, ephemeris, False)[0])[..., 2, :]
    x = _unit(np.cross(pole, z))
    return np.stack([x, np.cross(z, x), z], axis=-2)


def _earth_moon(epoch, t, ephemeris):
    moon = ephemeris.state("moon", "earth", epoch, t)
    x = _unit(moon[..., :3])
    z = _unit(np.cross(moon[..., :3], moon[..., 3:]))
    return np.stack([x, np.cross(z, x), z], axis=-2)


def earth_moon_distance(epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """Earth-Moon distances in km (...,) and their rates in km/s (...,), instantaneous."""
    moon = ephemeris.state("moon", "earth", epoch, t_s)
    distance = np.linalg.norm(moon[..., :3], axis=-1)
    rate = (moon[..., :3] * moon[..., 3:]).sum(axis=-1) / distance
    return np.stack([distance, rate])


# TT - UT1 in s at the beginning of 1900, 1901 ... 1962: Astronomical Almanac, table K8
_DELTA_T_S = (
    -2.72, -1.54, -0.02, 1.24, 2.64, 3.86, 5.37, 6.14, 7.75, 9.13,
    10.46, 11.53, 13.36, 14.65, 16.01, 17.20, 18.24, 19.06, 20.25, 20.95,
    21.16, 22.25, 22.41, 23.03, 23.49, 23.62, 23.86, 24.49, 24.34, 24.08,
    24.02, 24.00, 23.87, 23.95, 23.86, 23.93, 23.73, 23.92, 23.96, 24.02,
    24.33, 24.83, 25.30, 25.70, 26.24, 26.77, 27.28, 27.78, 28.25, 28.71,
    29.15, 29.57, 29.97, 30.36, 30.72, 31.07, 31.35, 31.68, 32.18, 32.68,
    33.15, 33.59, 34.00,
)  # fmt: skip


@lru_cache(maxsize=1)
def _earth_orientation():
    """Columns by MJD: x and y of the pole (rad), UT1 - TAI (s); and the first and last observed.

    The IERS finals2000A table, before it the series C04 from 1962, and before that Delta T with
    the pole held. Both files come with ``astropy-iers-data`` and are read without astropy. UT1 -
    TAI and not UT1 - UTC, since it does not jump at leap seconds.
    """
    import erfa
    from astropy_iers_data import IERS_A_FILE, IERS_B_FILE

    finals = []
    with open(IERS_A_FILE, encoding="ascii") as lines:
        for line in lines:
            if not line[58:68].strip():
                break  # past the last prediction
            finals.append(
                (float(line[7:15]), float(line[18:27]), float(line[37:46]), float(line[58:68]))
            )
    early = []
    with open(IERS_B_FILE, encoding="ascii") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            fields = line.split(maxsplit=8)
            if float(fields[4]) >= finals[0][0]:
                break
            early.append([float(x) for x in fields[4:8]])
    mjd, x, y, ut1_utc = np.array(early + finals).T
    days = erfa.jd2cal(2400000.5, mjd)[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # years ahead of the leap seconds known
        ut1_tai = ut1_utc - erfa.dat(*days, 0.0)
    years = 15019.5 + 365.25 * np.arange(len(_DELTA_T_S))  # MJD of 1900.0 and on
    before = np.append(15000.0, years[years < mjd[0] - 1])
    delta_t = np.interp(before, years, _DELTA_T_S)
    return (
        np.concatenate([before, mjd]),
        np.concatenate([np.full(before.size, x[0]), x]) * ARCSEC,
        np.concatenate([np.full(before.size, y[0]), y]) * ARCSEC,
        np.concatenate([32.184 - delta_t, ut1_tai]),
        (float(mjd[0]), float(mjd[-1])),
    )


def earth_orientation_note(epoch: Epoch, t_s) -> str | None:
    """One sentence when Earth orientation is not from IERS tables over ``t_s``, else None."""
    t = np.asarray(t_s, dtype=float)
    first, last = _earth_orientation()[4]
    mjd = (epoch.day + 51544.5) + (epoch.second + np.array([t.min(), t.max()])) / DAY_S
    if mjd[0] >= first and mjd[1] <= last:
        return None
    from orbits.epoch import J2000_JD

    late = mjd[1] > last
    edge = Epoch(int((last if late else first) + 2400000.5 - J2000_JD - 0.5), 43200.0)
    if late:
        return (
            f"Earth orientation (UT1, pole) is held after {edge.tdb_text()[:10]}, where the IERS "
            "table ends: UT1 has drifted by up to 1.1 s a year since 1962, "
            "0.5 km at a station for each year past the end"
        )
    return (
        f"Earth orientation (UT1, pole) is modelled before {edge.tdb_text()[:10]}, where the IERS "
        "series begins: UT1 by the Astronomical Almanac's yearly values, within some 0.2 s or "
        "0.1 km at a station; pole held"
    )


def _terrestrial(epoch, t, rates):
    """ICRF (GCRS) to ITRF: polar motion x Earth rotation x celestial pole, CIO-based.

    The celestial pole (IAU 2006/2000A), UT1 - TDB and the pole move slowly: splined at 3 h (under
    1 mm at the surface); the rotation angle is exact at every instant.
    """
    import erfa
    from scipy.interpolate import CubicSpline

    flat = t.ravel()
    low = np.floor(flat.min() / _NODE_S) - 2
    count = int(np.ceil(flat.max() / _NODE_S) + 2 - low) + 1
    node = (low + np.arange(count)) * _NODE_S
    tt1, tt2 = epoch.jd_tt(node)
    table_mjd, pole_x, pole_y, ut1_tai, _ = _earth_orientation()
    mjd = (tt1 - 2400000.5) + tt2 - 69.184 / DAY_S  # UTC to a second: the table moves 1 us in one
    tt_tdb = tt2 * DAY_S - (epoch.second + node)
    slow = np.empty((count, 19))
    slow[:, 0] = np.interp(mjd, table_mjd, ut1_tai) - 32.184 + tt_tdb  # UT1 - TDB
    slow[:, 1:10] = erfa.c2ixys(*erfa.xys06a(tt1, tt2)).reshape(count, 9)
    slow[:, 10:] = erfa.pom00(
        np.interp(mjd, table_mjd, pole_x), np.interp(mjd, table_mjd, pole_y), erfa.sp00(tt1, tt2)
    ).reshape(count, 9)
    spline = CubicSpline(node, slow)
    now = spline(flat)
    celestial, pole = now[:, 1:10].reshape(-1, 3, 3), now[:, 10:].reshape(-1, 3, 3)
    angle = erfa.era00(epoch.jd_tdb[0], (epoch.second + flat + now[:, 0]) / DAY_S)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]

    def spun(m):  # R3(angle) @ m
        return np.stack(
            [c * m[:, 0] + s * m[:, 1], c * m[:, 1] - s * m[:, 0], m[:, 2]], axis=1
        )  # fmt: skip

    turned = spun(celestial)
    matrix = (pole @ turned).reshape(*t.shape, 3, 3)
    if not rates:
        return matrix, None
    rate = spun(spline(flat, 1)[:, 1:10].reshape(-1, 3, 3))
    rate[:, 0] += _EARTH_RATE_RAD_S * turned[:, 1]
    rate[:, 1] -= _EARTH_RATE_RAD_S * turned[:, 0]
    return matrix, (pole @ rate).reshape(*t.shape, 3, 3)


def _build(axes, epoch, t, ephemeris, rates):
    if axes not in CENTRES:
        raise InputError(f"no frame {axes!r}", value=axes, allowed=", ".join(FRAMES))
    if axes.endswith("_ICRF"):
        matrix = np.broadcast_to(np.eye(3), (*t.shape, 3, 3))
        return matrix, np.zeros_like(matrix)
    if axes in ("MOON_PA", "MOON_ME"):
        matrix, rate = _principal_axes(epoch, t, ephemeris, rates)
        if axes == "MOON_ME":
            fixed = pa_to_me()
            matrix, rate = fixed @ matrix, None if rate is None else fixed @ rate
        return matrix, rate
    if axes == "ITRF":
        return _terrestrial(epoch, t, rates)
    make = _orbit_plane if axes == "MOON_OP" else _earth_moon
    matrix = make(epoch, t, ephemeris)
    if not rates:
        return matrix, None
    # the planes' turning needs accelerations: differenced instead, one-sided at the data's ends
    before = np.maximum(t - _DIFFERENCE_S, np.minimum(t, FIRST_S - epoch.tdb_s))
    after = np.minimum(t + _DIFFERENCE_S, np.maximum(t, LAST_S - epoch.tdb_s))
    step = (after - before)[..., None, None]
    return matrix, (make(epoch, after, ephemeris) - make(epoch, before, ephemeris)) / step


def rotation(axes: str, epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """Rotations (..., 3, 3) from ICRF axes to those of frame ``axes``, at ``t_s`` past ``epoch``.

    Raises InputError for an unknown frame, SpanError outside the ephemerides.
    """
    return _build(axes, epoch, np.asarray(seconds_past(epoch, t_s), dtype=float), ephemeris, False)[
        0
    ]


def rotation_and_rate(
    axes: str, epoch: Epoch, t_s, ephemeris: Ephemeris
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (..., 3, 3) from ICRF axes, and their time derivatives (..., 3, 3) in 1/s."""
    matrix, rate = _build(
        axes, epoch, np.asarray(seconds_past(epoch, t_s), dtype=float), ephemeris, True
    )
    assert rate is not None
    return matrix, rate


def to_icrf(states, frame: str, epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """States (..., 6) of ``frame`` on ICRF axes about the same centre; velocities inertial."""
    states = np.asarray(states, dtype=float)
    matrix, rate = rotation_and_rate(frame, epoch, t_s, ephemeris)
    turn = np.swapaxes(matrix, -1, -2)
    position, velocity = states[..., :3, None], states[..., 3:, None]
    out = [turn @ position, turn @ velocity + np.swapaxes(rate, -1, -2) @ position]
    return np.concatenate(out, axis=-2)[..., 0]


def from_icrf(states, frame: str, epoch: Epoch, t_s, ephemeris: Ephemeris) -> np.ndarray:
    """States (..., 6) on ICRF axes expressed in ``frame`` about the same centre."""
    states = np.asarray(states, dtype=float)
    matrix, rate = rotation_and_rate(frame, epoch, t_s, ephemeris)
    position, velocity = states[..., :3, None], states[..., 3:, None]
    return np.concatenate([matrix @ position, matrix @ velocity + rate @ position], axis=-2)[..., 0]


def transform(
    states, from_frame: str, to_frame: str, epoch: Epoch, t_s, ephemeris: Ephemeris
) -> np.ndarray:
    """States (..., 6) in km and km/s of ``from_frame``, expressed in ``to_frame``.

    Centres are shifted and velocities are relative to each frame's own (turning) axes. ``t_s``
    broadcasts against the leading shape of ``states``; astropy's ``Quantity`` and ``Time`` serve
    too. Raises InputError, SpanError.

    >>> from orbits.ephemeris import De440
    >>> from orbits.epoch import Epoch
    >>> start = Epoch.parse("2030-01-01T00:00:00 TDB")
    >>> still = [1737.4, 0, 0, 0, 0, 0]
    >>> moved = transform(still, "MOON_ME", "MOON_ICRF", start, 0.0, De440.open())
    >>> round(float((moved[3:] ** 2).sum() ** 0.5) * 1e3, 1)  # m/s at the lunar equator
    4.6
    """
    for frame in (from_frame, to_frame):
        if frame not in CENTRES:
            raise InputError(f"no frame {frame!r}", value=frame, allowed=", ".join(FRAMES))
    states = np.asarray(states, dtype=float)
    t = np.asarray(seconds_past(epoch, t_s), dtype=float)
    if states.ndim > 1 and t.ndim == 0:
        t = np.broadcast_to(t, states.shape[:-1])
    if from_frame == to_frame:
        return states.copy()
    out = to_icrf(states, from_frame, epoch, t, ephemeris)
    source, goal = CENTRES[from_frame], CENTRES[to_frame]
    if source != goal:
        out = out + ephemeris.state(source, goal, epoch, t)
    return from_icrf(out, to_frame, epoch, t, ephemeris)
