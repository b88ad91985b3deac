"""Hand-built tracks for the tests of geometry, access, links and contacts.

The Moon turns once in 27.32 days about z; the Earth circles at 384,400 km in the x-y plane, over
longitude 0; spacecraft fly two-body ellipses. Nothing here comes from the code under test.
"""

import math

import numpy as np

from cislunar.nodes import Node
from cislunar.tracks import Tracks
from orbits.epoch import Epoch
from orbits.intervals import Intervals

GM_KM3_S2 = 4902.800118
MOON_KM, EARTH_KM, EARTH_RANGE_KM = 1737.4, 6378.137, 384400.0
MOON_RATE = 2 * math.pi / (27.32 * 86400)
EARTH_RATE = 7.292115e-5
EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")


def kepler(a_km, e, i_deg, raan_deg, argp_deg, m0_deg, t):
    """States (N, 6) of a two-body orbit about the Moon, km and km/s."""
    i, raan, argp, m0 = (math.radians(x) for x in (i_deg, raan_deg, argp_deg, m0_deg))
    n = math.sqrt(GM_KM3_S2 / a_km**3)
    mean = m0 + n * np.asarray(t, dtype=float)
    ecc = mean + e * np.sin(mean)
    for _ in range(30):
        ecc = ecc - (ecc - e * np.sin(ecc) - mean) / (1 - e * np.cos(ecc))
    b = math.sqrt(1 - e * e)
    rate = n / (1 - e * np.cos(ecc))
    zero = np.zeros_like(ecc)
    p = a_km * np.stack([np.cos(ecc) - e, b * np.sin(ecc), zero], 1)
    v = a_km * np.stack([-np.sin(ecc) * rate, b * np.cos(ecc) * rate, zero], 1)

    def about_z(x):
        return np.array([[math.cos(x), -math.sin(x), 0], [math.sin(x), math.cos(x), 0], [0, 0, 1]])

    tilt = np.array([[1, 0, 0], [0, math.cos(i), -math.sin(i)], [0, math.sin(i), math.cos(i)]])
    turn = about_z(raan) @ tilt @ about_z(argp)
    return np.hstack([p @ turn.T, v @ turn.T])


def on_moon(latitude_deg, longitude_deg, t, height_km=0.0, rate=MOON_RATE, radius_km=MOON_KM):
    """States (N, 6) of a place on the Moon."""
    lat, lon = math.radians(latitude_deg), math.radians(longitude_deg) + rate * np.asarray(t)
    flat = math.cos(lat)
    p = (radius_km + height_km) * np.stack(
        [flat * np.cos(lon), flat * np.sin(lon), math.sin(lat) + 0 * lon], 1
    )
    v = np.stack([-p[:, 1] * rate, p[:, 0] * rate, 0 * lon], 1)
    return np.hstack([p, v])


def north_on_moon(latitude_deg, longitude_deg, t):
    """The unit vector to north (and its rate) at a place on the Moon."""
    return on_moon(latitude_deg + 90.0, longitude_deg, t, radius_km=1.0)


def earth_states(t):
    angle = MOON_RATE * np.asarray(t, dtype=float)
    c, s, z = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    return EARTH_RANGE_KM * np.stack([c, s, z, -s * MOON_RATE, c * MOON_RATE, z], 1)


def on_earth(latitude_deg, longitude_deg, t):
    """States and vertical (N, 6) of a place on a spherical Earth that spins about z."""
    up = on_moon(latitude_deg, longitude_deg, t, rate=EARTH_RATE, radius_km=1.0)
    return earth_states(t) + EARTH_KM * up, up


def grid(days, step_s=60.0):
    return np.linspace(0.0, days * 86400.0, round(days * 86400.0 / step_s) + 1)


def tracks_of(t, states, kinds, up=None, north=None, earth=None, sun=None):
    """Tracks from tables; the Sun stands at +y unless given."""
    far = np.tile([0.0, 1.496e8, 0.0, 0.0, 0.0, 0.0], (t.size, 1))
    return Tracks(
        EPOCH, t, dict(kinds), {k: np.ascontiguousarray(v) for k, v in states.items()},
        dict(up or {}), dict(north or {}),
        far if sun is None else sun, earth_states(t) if earth is None else earth,
    )  # fmt: skip


def node(name, kind, t, **more):
    """A node that serves the whole span of the grid ``t``."""
    more.setdefault("service", Intervals.from_pairs([(0.0, float(t[-1]))]))
    return Node(name, kind, **more)


def small_world(days=3.0, step_s=60.0):
    """A relay in an ELFO, a low one, a site near the pole, one on the near side, and a station."""
    t = grid(days, step_s)
    station, up = on_earth(35.0, 100.0, t)
    states = {
        "elfo": kepler(6541.4, 0.6, 56.2, 20.0, 90.0, 10.0, t),
        "low": kepler(1900.0, 0.02, 80.0, 40.0, 0.0, 0.0, t),
        "pole": on_moon(-86.0, 30.0, t, 1.2),
        "near": on_moon(10.0, -15.0, t),
        "earth-1": station,
    }
    kinds = {
        "elfo": "spacecraft", "low": "spacecraft", "pole": "asset", "near": "asset",
        "earth-1": "station",
    }  # fmt: skip
    tracks = tracks_of(t, states, kinds, {"earth-1": up}, {"pole": north_on_moon(-86.0, 30.0, t)})
    place = {"latitude_deg": -86.0, "longitude_deg": 30.0, "height_m": 1200.0}
    nodes = [
        node("elfo", "spacecraft", t),
        node("low", "spacecraft", t),
        node("pole", "asset", t, min_elevation_deg=5.0, **place),
        node("near", "asset", t, latitude_deg=10.0, longitude_deg=-15.0),
        node("earth-1", "station", t, min_elevation_deg=10.0),
    ]
    return tracks, nodes


def exact(name, t):
    """The states of a node of ``small_world`` at any instants, from its formula."""
    return {
        "elfo": lambda: kepler(6541.4, 0.6, 56.2, 20.0, 90.0, 10.0, t),
        "low": lambda: kepler(1900.0, 0.02, 80.0, 40.0, 0.0, 0.0, t),
        "pole": lambda: on_moon(-86.0, 30.0, t, 1.2),
        "near": lambda: on_moon(10.0, -15.0, t),
        "earth-1": lambda: on_earth(35.0, 100.0, t)[0],
    }[name]()
