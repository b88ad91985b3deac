"""Quantities between nodes against plain numpy on exact states, and their crossings."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar import geometry as g
from cislunar.budget import attenuation_db
from cislunar.crossings import (
    Grid,
    elevation_rad,
    horizon_arrays,
    quantity,
    range_km,
    range_rate_km_s,
    scan,
)
from orbits.intervals import Intervals

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))
AIR_DB = (10.19, 5.41, 2.22)


@pytest.fixture(scope="module")
def world():
    return scene.small_world()


def norm(v):
    return np.sqrt((v * v).sum(axis=1))


def truth(code, a, b, t, body=None):
    """A quantity from the exact states, written without the code under test."""
    ra, rb = scene.exact(a, t)[:, :3], scene.exact(b, t)[:, :3]
    d = rb - ra
    if code == g.RANGE:
        return norm(d)
    if code == g.CLEARANCE:
        c = np.zeros(3) if body is None else scene.earth_states(t)[:, :3]
        radius = scene.MOON_KM if body is None else scene.EARTH_KM
        s = np.linspace(0, 1, 2001)[:, None, None]
        return norm((ra + s * d - c).reshape(-1, 3)).reshape(2001, -1).min(axis=0) - radius
    if code == g.OFF_MOON:
        angle = np.arccos((d * -ra).sum(1) / norm(d) / norm(ra))
        return np.sin(angle) - scene.MOON_KM / norm(ra)
    if code == g.SUN:
        s = np.array([0.0, 1.496e8, 0.0]) - ra
        return -(d * s).sum(1) / norm(d) / norm(s)
    up = scene.on_earth(35.0, 100.0, t)[1][:, :3] if a == "earth-1" else ra / norm(ra)[:, None]
    sine = (d * up).sum(1) / norm(d)
    if code == g.ELEVATION:
        return sine
    return norm(d) * 10 ** (attenuation_db(np.arcsin(sine), AIR_DB) / 20)


CASES = [
    (g.RANGE, "elfo", "pole", 1e-6),
    (g.ELEVATION, "pole", "elfo", 1e-9),
    (g.ELEVATION, "earth-1", "elfo", 1e-10),
    (g.CLEARANCE, "elfo", "low", 0.5),
    (g.OFF_MOON, "earth-1", "elfo", 1e-9),
    (g.SUN, "earth-1", "elfo", 1e-10),
    (g.LOSS_RANGE, "earth-1", "elfo", 1e-9),
]


@pytest.mark.parametrize(("code", "a", "b", "tolerance"), CASES)
def test_quantity_equals_the_formula_between_the_samples(world, code, a, b, tolerance):
    tracks, _ = world
    t = np.random.default_rng(code).uniform(0.0, tracks.span_s, 400)
    t = np.concatenate((t, tracks.t_s[[0, 1, -2, -1]]))
    parts = {
        g.SUN: {"body": tracks.sun}, g.LOSS_RANGE: {"par": AIR_DB},
        g.CLEARANCE: {"par": (scene.MOON_KM,)},
    }.get(code, {})  # fmt: skip
    got = quantity(tracks, code, a, b, t, **parts)
    want = truth(code, a, b, t)
    scale = np.maximum(1.0, np.abs(want)) if code == g.LOSS_RANGE else 1.0
    assert np.abs((got - want) / scale).max() < tolerance
    # the loop over the grid is the same function
    on_grid = scan(tracks, code, a, b, [0.0], **parts).values
    np.testing.assert_allclose(
        on_grid, quantity(tracks, code, a, b, tracks.t_s, **parts), rtol=1e-9
    )


def test_clearance_from_the_earth_on_a_path_that_crosses_it(world):
    t = scene.grid(0.1)
    earth = scene.earth_states(t)
    offset = np.zeros_like(earth)
    offset[:, 2] = 7000.0 - np.linspace(0, 2000.0, t.size)
    offset[:, 5] = -2000.0 / t[-1]
    tracks = scene.tracks_of(
        t, {"a": 0.5 * earth + offset, "b": 1.5 * earth + offset},
        {"a": "spacecraft", "b": "spacecraft"},
    )  # fmt: skip
    steps = scan(tracks, g.CLEARANCE, "a", "b", [0.0], body=tracks.earth, par=(scene.EARTH_KM,))
    ((start, end),) = steps.at_least(0.0).pairs()
    assert start == 0.0
    assert abs(end - t[-1] * (7000.0 - scene.EARTH_KM) / 2000.0) < 1e-3


def test_range_rate_is_the_slope_of_the_range(world):
    tracks, _ = world
    t = np.linspace(100.0, tracks.span_s - 100.0, 50)
    slope = (range_km(tracks, "pole", "elfo", t + 1) - range_km(tracks, "pole", "elfo", t - 1)) / 2
    np.testing.assert_allclose(range_rate_km_s(tracks, "pole", "elfo", t), slope, atol=1e-5)


def test_levels_are_crossed_where_the_quantity_says(world):
    tracks, _ = world
    levels = np.linspace(3000.0, 10500.0, 26)
    steps = scan(tracks, g.RANGE, "pole", "elfo", levels)
    fine = np.arange(0.5, tracks.span_s, 1.0)
    values = truth(g.RANGE, "pole", "elfo", fine)
    for level in levels:
        met = steps.at_least(level)
        unclear = np.abs(values - level) < 2.0
        assert (met.contains(fine) == (values >= level))[~unclear].all()
        edges = np.concatenate((met.start_s, met.end_s))
        edges = edges[(edges > 0) & (edges < tracks.span_s)]
        assert np.abs(truth(g.RANGE, "pole", "elfo", edges) - level).max(initial=0.0) < 1e-4


def test_hidden_spells_near_the_top_of_each_pass_are_found(world):
    """Levels a hair below each culmination: spells of about 20 s between samples 60 s apart."""
    tracks, _ = world
    fine = np.arange(0.0, tracks.span_s, 0.5)
    sine = truth(g.ELEVATION, "pole", "low", fine)
    tops = np.flatnonzero((sine[1:-1] > sine[:-2]) & (sine[1:-1] >= sine[2:])) + 1
    tops = tops[sine[tops] > 0]
    assert tops.size > 10
    for top in tops:
        level = min(sine[top - 20], sine[top + 20])  # 20 s long
        spans = scan(tracks, g.ELEVATION, "pole", "low", [level]).at_least(level)
        assert spans.contains(fine[top])
        count = np.flatnonzero(np.diff((sine >= level).astype(int)) == 1).size
        assert len(spans) == count + (sine[0] >= level)


def test_coarse_tracks_are_scanned_finely_enough():
    tracks, _ = scene.small_world(step_s=600.0)
    fine_tracks, _ = scene.small_world(step_s=30.0)
    a = scan(tracks, g.ELEVATION, "pole", "elfo", [0.1]).at_least(0.1)
    b = scan(fine_tracks, g.ELEVATION, "pole", "elfo", [0.1]).at_least(0.1)
    np.testing.assert_allclose(a.pairs(), b.pairs(), atol=0.01)


def test_windows_only_spare_work(world):
    tracks, _ = world
    levels = [4000.0, 8000.0]
    window = Intervals.from_pairs([(30000.0, 90000.0)])
    a = scan(tracks, g.RANGE, "pole", "elfo", levels).at_least(8000.0) & window
    b = scan(tracks, g.RANGE, "pole", "elfo", levels, windows=window).at_least(8000.0) & window
    np.testing.assert_allclose(a.pairs(), b.pairs(), atol=1e-6)


def test_terrain_edges_follow_the_horizon(world):
    tracks, _ = world
    rng = np.random.default_rng(4)
    azimuth = np.arange(0.0, 360.0, 0.5)
    height = rng.uniform(0.0, 25.0, azimuth.size)  # as ragged as can be
    horizon = horizon_arrays(
        SimpleNamespace(
            azimuth_deg=np.append(azimuth, 360.0), elevation_deg=np.append(height, height[0])
        )
    )
    got = scan(
        tracks, g.TERRAIN, "pole", "elfo", [0.0], body=tracks.north["pole"], horizon=horizon
    ).at_least(0.0)
    t = np.arange(0.0, tracks.span_s, 1.0)
    ra, rb = scene.exact("pole", t)[:, :3], scene.exact("elfo", t)[:, :3]
    up, d = ra / norm(ra)[:, None], rb - ra
    north = scene.north_on_moon(-86.0, 30.0, t)[:, :3]
    east = np.cross(north, up)
    elevation = np.degrees(np.arcsin((d * up).sum(1) / norm(d)))
    bearing = np.degrees(np.arctan2((d * east).sum(1), (d * north).sum(1))) % 360.0
    want = elevation >= np.interp(bearing, np.append(azimuth, 360.0), np.append(height, height[0]))
    change = np.flatnonzero(np.diff(want.astype(int)))
    runs = np.split(want, change + 1)
    longest_missed = 0
    start = 0
    for run in runs:  # every spell of ten seconds is there, on either side
        inside = got.contains(t[start : start + run.size])
        if not (inside == run[0]).any():
            longest_missed = max(longest_missed, run.size)
        start += run.size
    assert change.size > 20
    assert longest_missed <= 10
    agree = got.contains(t) == want
    assert agree.mean() > 0.9999


def test_azimuth_is_from_north_through_east():
    t = scene.grid(0.01, 10.0)
    states = {
        "site": scene.on_moon(0.0, 0.0, t, rate=0.0),
        "east": scene.on_moon(0.0, 30.0, t, 5000.0, rate=0.0),
    }
    tracks = scene.tracks_of(t, states, {"site": "asset", "east": "spacecraft"})
    north = np.tile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (t.size, 1))
    wall = SimpleNamespace(
        azimuth_deg=[0, 80, 85, 95, 100, 360], elevation_deg=[0, 0, 89, 89, 0, 0]
    )
    horizon = horizon_arrays(wall)
    value = quantity(tracks, g.TERRAIN, "site", "east", 1.0, body=north, horizon=horizon)
    want = elevation_rad(tracks, "site", "east", 1.0) - math.radians(89.0)
    assert abs(value - want) < 1e-6


def test_uneven_grid_is_refused():
    t = np.array([0.0, 60.0, 130.0, 180.0])
    tracks = scene.tracks_of(t, {"x": scene.kepler(3000, 0, 0, 0, 0, 0, t)}, {"x": "spacecraft"})
    with pytest.raises(ValueError, match="uniform"):
        Grid.of(tracks)
