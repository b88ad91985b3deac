"""Horizons of synthetic terrain whose true horizon is known, and their files."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cislunar.terrain.horizon
from cislunar.cli import app
from cislunar.nodes import expand_nodes
from cislunar.scenario import Scenario
from cislunar.terrain.dem import height_m
from cislunar.terrain.dem_files import open_dem
from cislunar.terrain.horizon import find_site_sunlight, horizon_profile, horizon_profiles
from cislunar.terrain.horizon_file import Horizon, read_horizon, write_horizon
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError

SPEC = importlib.util.spec_from_file_location("made_dems", Path(__file__).with_name("made_dems.py"))
assert SPEC is not None
assert SPEC.loader is not None
made = sys.modules["made_dems"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made)
R = made.R_M
GRID = os.environ.get("CISLUNAR_LOLA_GRID")
AXES = "the file does not name its axes: taken as mean Earth / polar axis (MOON_ME)"


def unit(lat, lon):
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def plane(lat, lon):
    """Up, north and east at a place."""
    up, at = unit(lat, lon), np.radians(lon)
    east = np.array([-np.sin(at), np.cos(at), 0.0])
    return up, np.cross(up, east), east


def look(eye, up, north, east, points):
    """Azimuth and elevation in deg of points (N, 3) in m from an eye, by plain vectors."""
    ray = points - eye
    n, e, u = ray @ north, ray @ east, ray @ up
    return np.degrees(np.arctan2(e, n)) % 360.0, np.degrees(np.arctan2(u, np.hypot(n, e)))


def away(lat, lon, azimuth_deg, distance_m):
    """The place at an azimuth and distance along the sphere."""
    up, north, east = plane(lat, lon)
    az, a = np.radians(azimuth_deg), distance_m / R
    p = np.cos(a) * up + np.sin(a) * (np.cos(az) * north + np.sin(az) * east)
    return np.degrees(np.arcsin(p[2])), np.degrees(np.arctan2(p[1], p[0]))


def dome(lat0, lon0, half_width_m, summit_m):
    """A hill that is part of a ball standing out of the sphere: heights, ball's middle and radius."""
    ball = (half_width_m**2 + summit_m**2) / (2.0 * summit_m)
    middle = unit(lat0, lon0) * (R + summit_m - ball)

    def heights(lat, lon):
        along = unit(lat, lon) @ middle
        inside = along**2 - (middle @ middle - ball**2)
        far = along + np.sqrt(np.maximum(inside, 0.0))
        return np.where((inside > 0) & (along > 0), np.maximum(far - R, 0.0), 0.0)

    return heights, middle, ball


def outline(middle, ball, eye, up, north, east, azimuth_deg):
    """Elevation in deg of a ball's upper edge at azimuths, -inf where it is not; exact.

    Directions on the edge make the angle asin(ball / distance) with the direction to the middle m:
    cos e cos(az - az_m) cos e_m + sin e sin e_m = cos(angle), solved for the higher e.
    """
    ray = middle - eye
    distance = np.linalg.norm(ray)
    edge = np.sqrt(1.0 - (ball / distance) ** 2)
    az_m, e_m = (np.radians(x[0]) for x in look(eye, up, north, east, middle[None, :]))
    a = np.cos(np.radians(azimuth_deg) - az_m) * np.cos(e_m)
    b = np.full_like(a, np.sin(e_m))
    size = np.hypot(a, b)
    seen = (size >= edge) & (a > 0)
    top = np.arctan2(b, a) + np.arccos(np.minimum(edge / size, 1.0))
    return np.where(seen, np.degrees(top), -np.inf)


def polar(folder, terrain, count, pixel_m, pole=-1, name="p.tif", **options):
    lat, lon = made.polar_grid(count, pixel_m, pole)
    return open_dem(made.polar_tiff(folder / name, terrain(lat, lon), pixel_m, pole, **options))


def flat(lat, lon):
    return np.zeros(np.shape(lat))


@pytest.mark.parametrize("height", [2.0, 30.0])
@pytest.mark.parametrize("place", [(-90.0, 0.0), (-89.95, 77.0)])
def test_the_horizon_of_a_smooth_moon_dips(tmp_path, height, place, evidence):
    dem = polar(tmp_path, flat, 1000, 40.0)
    found = horizon_profile(
        dem, *place, height_above_ground_m=height, azimuth_step_deg=5.0, max_range_km=15.0
    )
    dip = -np.degrees(np.arccos(R / (R + height)))
    evidence(
        "horizon of a smooth sphere", "-acos(R / (R + h))", found.azimuth_deg.size,
        np.abs(found.elevation_deg - dip).max(), 1e-6, "deg", "steps of half a pixel",
    )  # fmt: skip
    # and it stands where the line of sight touches the sphere
    touch = R * np.arccos(R / (R + height)) / 1e3
    np.testing.assert_allclose(found.range_km, touch, rtol=0.02)
    assert found.elevation_deg.max() <= dip + 1e-9
    on_ground = horizon_profile(dem, *place, azimuth_step_deg=5.0, max_range_km=15.0)
    assert np.abs(on_ground.elevation_deg).max() < 0.001  # by half of a pixel's central angle
    assert found.remarks == (AXES,)


@pytest.mark.parametrize(("near", "beside"), [(1024.0, 0.0), (128.0, 1.4)])
def test_a_dome_has_the_outline_of_its_ball(tmp_path, monkeypatch, near, beside, evidence):
    """With squares from 128 pixels on, of up to 0.9 deg, a ray may see 1.4 deg to its sides."""
    monkeypatch.setattr(cislunar.terrain.horizon, "_NEAR_PIXELS", near)
    lat, lon, step = -89.9, 40.0, 0.25
    terrain, middle, ball = dome(*away(lat, lon, 123.0, 8000.0), 3000.0, 1200.0)
    dem = polar(tmp_path, terrain, 1200, 20.0)
    found = horizon_profile(
        dem, lat, lon, height_above_ground_m=5.0, azimuth_step_deg=step, max_range_km=8.6
    )
    up, north, east = plane(lat, lon)
    eye = up * (R + 5.0)
    dip = -np.degrees(np.arccos(R / (R + 5.0)))

    def highest(reach_deg):
        at = found.azimuth_deg[:, None] + np.linspace(-reach_deg, reach_deg, 41)
        return np.maximum(outline(middle, ball, eye, up, north, east, at), dip).max(axis=1)

    low, high = highest(0.4 * step), highest(0.4 * step + beside)  # five rays, 0.2 steps apart
    hill = (found.azimuth_deg > 106) & (found.azimuth_deg < 140)  # the edge is above the foot
    error = np.maximum(low - found.elevation_deg, found.elevation_deg - high)[hill]
    evidence(
        "horizon of a dome" + (", far away in squares" if beside else ""),
        "outline of the ball that it is part of", hill.sum(), error.max(),
        0.2 if beside else 0.002, "deg",
        "the distance of a square is known to 2 %" if beside else "a pixel of 20 m at 8 km",
    )  # fmt: skip
    clear = (found.azimuth_deg < 95) | (found.azimuth_deg > 151)
    np.testing.assert_allclose(found.elevation_deg[clear], dip, atol=1e-3)
    assert found.elevation_deg.max() == pytest.approx(low.max(), abs=0.2 if beside else 0.015)
    assert found.azimuth_deg[found.elevation_deg.argmax()] == pytest.approx(123.0, abs=3.0)


def ring(lat0, lon0, distance_m, crest_m, width_m):
    """A rim about a place, of one height all around."""
    up = unit(lat0, lon0)

    def heights(lat, lon):
        at = unit(lat, lon)
        far = R * np.arctan2(np.linalg.norm(np.cross(at, up), axis=-1), at @ up)
        return crest_m * np.exp(-(((far - distance_m) / width_m) ** 2))

    return heights


def rim_elevation(distance_m, crest_m, width_m, eye_m):
    far = np.linspace(100.0, 2.0 * distance_m, 200_001)
    r = R + crest_m * np.exp(-(((far - distance_m) / width_m) ** 2))
    return np.degrees(np.arctan((r * np.cos(far / R) - R - eye_m) / (r * np.sin(far / R)))).max()


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("south", (-89.7, 200.0)), ("south", (-90.0, 0.0)), ("north", (89.8, -30.0)),
        ("tile", (12.0, 179.999)), ("tile", (12.0, -179.99)), ("tile", (12.0, 180.02)),
    ],
)  # fmt: skip
def test_a_crater_rim_is_level_all_around(tmp_path, form, place, evidence):
    """The map's pole and its date line lie between the site and its rim."""
    shape = 20_000.0, 900.0, 1500.0
    terrain = ring(*place, *shape)
    if form == "tile":
        lat, lon = made.cylindrical_grid(13, 11, 179, 181, 512)
        dem = open_dem(made.cylindrical_tiff(tmp_path / "t.tif", terrain(lat, lon), 13, 179, 512))
    else:
        dem = polar(tmp_path, terrain, 1000, 60.0, -1 if form == "south" else 1)
    found = horizon_profile(
        dem, *place, height_above_ground_m=2.0, azimuth_step_deg=1.0, max_range_km=23.0
    )
    exact = rim_elevation(*shape, 2.0)
    evidence(
        "horizon of a crater rim across a pole and the date line", "closed form of a level rim",
        360, np.abs(found.elevation_deg - exact).max(), 0.002, "deg",
        "bilinear curvature of a crest 25 pixels wide",
    )  # fmt: skip
    np.testing.assert_allclose(found.range_km, 20.0, atol=0.5)


def rough(seed, waves=60, size_m=60.0):
    """Hills of many wavelengths near the south pole."""
    rng = np.random.default_rng(seed)
    wave = rng.normal(size=(waves, 3)) * np.geomspace(60.0, 6000.0, waves)[:, None]
    phase = rng.uniform(0, 2 * np.pi, waves)
    tall = size_m * (60.0 / np.linalg.norm(wave, axis=1)) ** 0.8 * 10

    def heights(lat, lon):
        at = unit(lat, lon)
        return sum(t * np.sin(at @ w + p) for w, p, t in zip(wave, phase, tall, strict=True))

    return heights


@pytest.mark.parametrize("near", [1024.0, 128.0])
def test_every_pixel_by_brute_force(tmp_path, monkeypatch, near, evidence):
    """Elevations of all pixels by plain vectors, sorted into steps of azimuth."""
    monkeypatch.setattr(cislunar.terrain.horizon, "_NEAR_PIXELS", near)
    count, pixel, step = 500, 100.0, 1.0
    lat0, lon0 = -89.8, 15.0
    lat, lon = made.polar_grid(count, pixel)
    dem = polar(tmp_path, rough(3), count, pixel)
    found = horizon_profile(
        dem, lat0, lon0, height_above_ground_m=10.0, azimuth_step_deg=step, max_range_km=18.0
    )
    up, north, east = plane(lat0, lon0)
    heights = dem.window(0, count, 0, count).astype(float)
    eye = up * (R + height_m(dem, lat0, lon0) + 10.0)
    at = unit(lat, lon).reshape(-1, 3)
    far = R * np.arccos(np.clip(at @ up, -1, 1))
    outer = (far > 7000.0) & (far <= 18_000.0)
    azimuth, elevation = look(eye, up, north, east, at[outer] * (R + heights.reshape(-1, 1)[outer]))
    distant = found.range_km > 7.2  # what is nearer stands before it
    assert distant.sum() > 60
    # a pixel is up to 0.8 deg wide there, so its ground may stand in the next step too; squares of
    # up to 0.9 deg from 128 pixels on look 1.4 deg further
    beside = 0.8 if near > 500 else 2.2
    low, high = np.full(360, -90.0), np.full(360, -90.0)
    for k, a in enumerate(found.azimuth_deg):
        off = np.abs((azimuth - a + 180.0) % 360.0 - 180.0)
        low[k] = elevation[off <= 0.5 * step].max()
        high[k] = elevation[off <= 0.5 * step + beside].max()
    below = (low - found.elevation_deg)[distant].max()
    above = (found.elevation_deg - high)[distant].max()
    evidence(
        "horizon of rough terrain" + ("" if near > 500 else ", far away in squares"),
        "every pixel by plain vectors", distant.sum(), max(below, above),
        0.02 if near > 500 else 0.1, "deg",
        "samples half a pixel apart; the distance of a square is known to 2 %",
    )  # fmt: skip


def test_no_peak_slips_between_rays(tmp_path, monkeypatch):
    monkeypatch.setattr(cislunar.terrain.horizon, "_NEAR_PIXELS", 64.0)
    lat, lon = made.polar_grid(1001, 20.0)
    rng = np.random.default_rng(8)
    for k in range(6):
        heights = np.zeros(lat.shape)
        i, j = rng.integers(50, 950, 2)
        heights[i, j] = 300.0  # one pixel of 20 m, where steps of azimuth are up to 2 km wide
        path = made.polar_tiff(tmp_path / f"{k}.tif", heights, 20.0)
        found = horizon_profile(open_dem(path), -90, 0, azimuth_step_deg=15.0, max_range_km=9.9)
        up, north, east = plane(-90.0, 0.0)
        az, el = look(up * R, up, north, east, unit(lat[i, j], lon[i, j])[None] * (R + 300.0))
        nearest = round(az[0] / 15.0) % 24
        assert found.elevation_deg[nearest] == pytest.approx(el[0], rel=0.04), k


def test_both_projections_tell_the_same(tmp_path, evidence):
    terrain = rough(5, waves=15)
    lat, lon = made.cylindrical_grid(-79.7, -80.3, 98.3, 101.7, 1024)
    tile = open_dem(
        made.cylindrical_tiff(tmp_path / "c.tif", terrain(lat, lon), -79.7, 98.3, 1024, 0.0)
    )
    # a piece of the polar map about 80 S 100 E
    rho, count, pixel = 2 * R * np.tan(np.radians(5.0)), 600, 30.0
    x = rho * np.sin(np.radians(100)) + (np.arange(count) - 299.5) * pixel
    y = rho * np.cos(np.radians(100)) - (np.arange(count) - 299.5) * pixel
    x, y = np.meshgrid(x, y)
    south = np.degrees(2 * np.arctan(np.hypot(x, y) / (2 * R))) - 90
    heights = terrain(south, np.degrees(np.arctan2(x, y)))
    grid = made.Affine(pixel, 0, x[0, 0] - 0.5 * pixel, 0, -pixel, y[0, 0] + 0.5 * pixel)
    piece = open_dem(
        made.write_tiff(tmp_path / "p.tif", heights.astype("f4"), made.polar_crs(), grid, units="m")
    )
    options = {"height_above_ground_m": 5.0, "azimuth_step_deg": 1.0, "max_range_km": 8.5}
    one = horizon_profile(tile, -80.0, 100.0, **options)
    other = horizon_profile(piece, -80.0, 100.0, **options)
    assert np.ptp(one.elevation_deg) > 1.0
    evidence(
        "one terrain in both projections has one horizon", "the other projection", 360,
        np.abs(one.elevation_deg - other.elevation_deg).max(), 0.03, "deg",
        "each grid of 30 m leaves its own bilinear error",
    )  # fmt: skip


def test_turning_the_moon_turns_nothing(tmp_path):
    """A site by the date line or the prime meridian sees what it sees elsewhere."""
    lat, _ = made.cylindrical_grid(90, -90, 0, 360, 4)
    rng = np.random.default_rng(6)
    counts = rng.integers(-4000, 4000, lat.shape).astype("<i2")
    changes = made.cylindrical_changes(lat.shape, 90, -90, 0, 360, 4)
    dems = [
        open_dem(made.pds(tmp_path, np.roll(counts, 4 * turn, axis=1), *changes, name=f"d{turn}"))
        for turn in (0, 90, 200)
    ]
    options = {"azimuth_step_deg": 3.0, "max_range_km": 500.0}
    for place in ((20.3, 359.9), (-89.8, 10.1), (89.95, 0.01), (0.01, 179.99)):
        first, *rest = (
            horizon_profile(dem, place[0], place[1] + turn, **options)
            for dem, turn in zip(dems, (0, 90, 200), strict=True)
        )
        for other in rest:
            np.testing.assert_allclose(other.elevation_deg, first.elevation_deg, atol=1e-6)
        assert first.reach_km.min() == 500.0
        assert any("too coarse for horizons" in r for r in first.remarks)


def test_several_models_after_each_other(tmp_path):
    lat, lon = -89.99, 0.0
    terrain, *_ = dome(*away(lat, lon, 270.0, 9000.0), 2500.0, 900.0)
    fine = polar(tmp_path, flat, 400, 20.0, name="fine.tif")
    wide = polar(tmp_path, terrain, 800, 40.0, name="wide.tif")
    options = {"height_above_ground_m": 2.0, "azimuth_step_deg": 1.0, "max_range_km": 12.0}
    alone = horizon_profile(fine, lat, lon, **options)
    assert "the files end 3.7 km away" in alone.remarks[-1]
    assert alone.elevation_deg.max() < 0
    both = horizon_profile([fine, wide], lat, lon, **options)
    assert both.remarks == (AXES,)
    assert both.pixel_m == pytest.approx(20.0, rel=1e-3)
    straight = horizon_profile(wide, lat, lon, **options)
    np.testing.assert_allclose(both.elevation_deg, straight.elevation_deg, atol=0.01)
    assert both.elevation_deg[270] > 4
    two = horizon_profiles([fine, wide], [lat, -90.0], [lon, lon], **options)
    np.testing.assert_array_equal(two[0].elevation_deg, both.elevation_deg)
    assert two[1].latitude_deg == -90.0


def test_missing_data_are_said(tmp_path):
    lat, _ = made.polar_grid(300, 50.0)
    heights = np.zeros(lat.shape)
    heights[100:110, 148:152] = -9999.0  # above the middle: longitude 0
    dem = open_dem(made.polar_tiff(tmp_path / "h.tif", heights, 50.0, nodata=-9999.0))
    found = horizon_profile(dem, -90, 0, azimuth_step_deg=1.0, max_range_km=7.0)
    assert np.isfinite(found.gap_km).sum() in range(6, 11)
    assert found.gap_km[0] == pytest.approx(1.975, abs=0.06)
    assert np.isinf(found.gap_km[90:270]).all()
    assert (
        "data are missing from 1.9 km on" in found.remarks[-1] or "2.0 km on" in found.remarks[-1]
    )
    heights[148:152, 148:152] = -9999.0
    dem = open_dem(made.polar_tiff(tmp_path / "s.tif", heights, 50.0, nodata=-9999.0))
    with pytest.raises(InputError, match="has no data"):
        horizon_profile(dem, -90, 0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"height_above_ground_m": -1.0}, "height_above_ground_m: is -1"),
        ({"height_above_ground_m": np.nan}, "height_above_ground_m: is nan"),
        ({"azimuth_step_deg": 0.7}, "azimuth_step_deg: is 0.7"),
        ({"azimuth_step_deg": 0.0}, "azimuth_step_deg: is 0"),
        ({"azimuth_step_deg": np.nan}, "azimuth_step_deg: is nan"),
        ({"max_range_km": 0.01}, "max_range_km: is 0.01"),
        ({"max_range_km": 9999.0}, "max_range_km: is 9999"),
    ],
)
def test_what_a_horizon_is_not_asked_of(tmp_path, options, line):
    dem = polar(tmp_path, flat, 20, 50.0)
    with pytest.raises(InputError) as caught:
        horizon_profile(dem, -90, 0, **options)
    assert line in str(caught.value)
    with pytest.raises(InputError, match="is not covered"):
        horizon_profile(dem, 10, 0)
    with pytest.raises(InputError, match="one or more"):
        horizon_profile([], 10, 0)


# --- files and what uses them ------------------------------------------------------------------


@pytest.fixture(scope="module")
def crater(tmp_path_factory):
    """A crater of which the eastern half of the rim stands, about a point near the pole."""
    folder = tmp_path_factory.mktemp("crater")
    whole = ring(-90.0, 0.0, 10_000.0, 175.0, 800.0)

    def terrain(lat, lon):
        return np.where(np.sin(np.radians(lon)) > 0, whole(lat, lon), 0.0)

    return polar(folder, terrain, 500, 50.0, name="crater.tif")


def test_a_file_tells_what_the_profile_does(tmp_path, crater):
    found = horizon_profile(
        crater, -90.0, 0.0, height_above_ground_m=3.0, azimuth_step_deg=0.5, max_range_km=11.0
    )
    path = tmp_path / "site.csv"
    write_horizon(found.horizon(), path)
    # read by another reader: the csv module, comments left out
    rows = list(csv.DictReader(r for r in path.read_text().splitlines() if r[0] != "#"))
    np.testing.assert_allclose(
        [[float(r["azimuth_deg"]), float(r["elevation_deg"])] for r in rows],
        np.stack([found.azimuth_deg, found.elevation_deg], 1), atol=5.1e-7,
    )  # fmt: skip
    back = read_horizon(path)
    assert back.azimuth_deg[-1] == 360.0
    np.testing.assert_allclose(back.elevation_at(found.azimuth_deg), found.elevation_deg, atol=1e-6)
    assert back.said("dem") == ("crater.tif",)
    assert back.said("dem_sha256") == (hashlib.sha256(crater.path.read_bytes()).hexdigest(),)
    assert back.said("dem_pixel_m") == ("50",)
    assert back.said("height_above_ground_m") == ("3",)
    assert "unit of" not in " ".join(back.said("remark"))
    assert back.said("remark") == found.remarks  # the file does not name its axes
    assert len(back.said("written")) == 1
    write_horizon(back, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()
    plain = Horizon(np.array([0.0, 180.0, 360.0]), np.array([1.0, 2.0, 1.0]))
    write_horizon(plain, tmp_path / "plain.csv")
    assert read_horizon(tmp_path / "plain.csv").source == ()
    assert "crater.tif" in found._repr_html_()
    assert "crater.tif" in crater._repr_html_()


def test_sunlight_behind_half_a_rim(crater, evidence):
    """At the pole the Sun goes level around in a month: half of the time it stands behind the rim.

    Its latitude b swings by the Moon's 1.54 deg of obliquity in a draconic year (346.62 days): over
    a level horizon at e some of its disc of 0.267 deg is seen while b > e - 0.267.
    """
    found = horizon_profile(
        crater, -90.0, 0.0, height_above_ground_m=0.0, azimuth_step_deg=1.0, max_range_km=11.0
    )
    # longitude 90 E lies eastward of the plane's north, which at the pole is longitude 0
    east = found.elevation_deg[30:150]
    level = rim_elevation(10_000.0, 175.0, 800.0, 0.0)
    np.testing.assert_allclose(east, level, atol=0.005)
    assert np.abs(found.elevation_deg[210:330]).max() < 0.01
    begin = Epoch.parse("2030-01-01T00:00:00 TDB")
    span = 346.62 * 86400.0
    sun = find_site_sunlight(found, begin, 0.0, span, De440.open())
    share = [np.arccos((e - 0.267) / 1.543) / np.pi for e in (level, 0.0)]
    evidence(
        "sunlight at the pole behind half a crater rim", "obliquity of 1.543 deg, level horizons",
        1, abs(sun.any_part.total_s / span - np.mean(share)), 0.02, "of the time",
        "the year holds 11.7 turns of the Sun, not a whole number",
    )  # fmt: skip
    seen = sun.azimuth_deg[(sun.disc_frac > 0.5) & (sun.elevation_deg < level - 0.3)]
    assert seen.size > 50
    assert seen.min() > 179.0


def test_a_scenario_takes_the_file(tmp_path, crater):
    site = horizon_profile(crater, -90.0, 0.0, azimuth_step_deg=1.0, max_range_km=11.0)
    write_horizon(site.horizon(), tmp_path / "site.csv")
    scenario = Scenario.model_validate({
        "name": "rim", "epoch": "2030-01-01T00:00:00 UTC", "duration_days": 28,
        "assets": [{"name": "site", "latitude_deg": -90.0, "longitude_deg": 0.0,
                    "height_m": site.ground_m, "min_elevation_deg": -5.0,
                    "horizon": str(tmp_path / "site.csv")}],
    })  # fmt: skip
    node = next(n for n in expand_nodes(scenario) if n.name == "site")
    assert node.horizon is not None
    assert node.horizon.file == "site.csv"
    assert node.horizon.said("dem") == ("crater.tif",)
    np.testing.assert_allclose(
        node.horizon.elevation_at(site.azimuth_deg), site.elevation_deg, atol=1e-6
    )


def run(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


def test_the_command_writes_a_file(tmp_path, crater):
    out = tmp_path / "site.csv"
    done = run(
        "horizon", crater.path, "--latitude", -90, "--longitude", 0, "--height-m", 3,
        "--azimuth-step-deg", 1, "--max-range-km", 11, "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "does not name its axes" in done.output
    assert str(out) in done.output
    same = horizon_profile(
        crater, -90.0, 0.0, height_above_ground_m=3.0, azimuth_step_deg=1.0, max_range_km=11.0
    )
    np.testing.assert_allclose(
        read_horizon(out).elevation_deg[:-1], same.elevation_deg, atol=5.1e-7
    )
    printed = run(
        "horizon", crater.path, "--latitude", -90, "--longitude", 0, "--azimuth-step-deg", 45
    )
    assert printed.stdout.splitlines()[0] == "# cislunar horizon 1"
    wrong = run("horizon", crater.path, "--latitude", 10, "--longitude", 0)
    assert wrong.exit_code == 2
    assert "is not covered" in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1


@pytest.mark.skipif(
    not (GRID and Path(GRID).exists()),
    reason="CISLUNAR_LOLA_GRID does not name the label of LOLA's LDEM_4",
)
def test_lola_global_grid_is_too_coarse_and_says_so(tmp_path):
    out = tmp_path / "coarse.csv"
    done = run("horizon", GRID, "--latitude", -89.4, "--longitude", 222, "--out", out)
    assert done.exit_code == 0
    assert "too coarse for horizons: pixels of 7581 m" in done.output
    assert "too coarse for horizons" in read_horizon(out).said("remark")[0]
