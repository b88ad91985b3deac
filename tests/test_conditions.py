"""Stated conditions: leaves against plain trigonometry, all / any / not as set algebra, causes."""

import math
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

import cislunar
from cislunar.access import find_access
from cislunar.checks import check_scenario
from cislunar.condition_records import Condition, Maintenance
from cislunar.conditions import STAGES, cause_of, holds, separated
from cislunar.nodes import expand_nodes, maintenance_windows
from cislunar.scenario import resolved_yaml
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.intervals import Intervals

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))
read = TypeAdapter(Condition).validate_python
T = np.arange(0.0, 2 * 86400.0, 37.0) + 5.0


@pytest.fixture(scope="module")
def world():
    tracks, nodes = scene.small_world(days=2.0)
    t = tracks.t_s
    lat, lon = math.radians(35.0), math.radians(100.0) + scene.EARTH_RATE * t
    north = np.stack([-math.sin(lat) * np.cos(lon), -math.sin(lat) * np.sin(lon),
                      math.cos(lat) + 0 * lon], 1)  # fmt: skip
    rate = scene.EARTH_RATE * np.stack([-north[:, 1], north[:, 0], 0 * lon], 1)
    tracks.north["earth-1"] = np.hstack([north, rate])
    return tracks, {n.name: n for n in nodes}


def angles(name, other):
    """Unit vectors at ``T``, exact: from one node to another, and to the Sun, Earth and Moon."""
    here = scene.exact(name, T)[:, :3]
    look = scene.exact(other, T)[:, :3] - here
    bodies = {
        "moon": -here, "earth": scene.earth_states(T)[:, :3] - here,
        "sun": np.array([0.0, 1.496e8, 0.0]) - here,
    }  # fmt: skip
    return look, bodies


def off_deg(a, b):
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def agrees(found: Intervals, margin):
    """Everywhere but where the margin is within its own noise of zero."""
    clear = np.abs(margin) > 1e-3
    assert 0 < (margin[clear] > 0).sum() < clear.sum(), "the condition never changes"
    assert np.array_equal(found.contains(T[clear]), margin[clear] > 0)


# --- leaves ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other", "body", "least"),
    [
        ("elfo", "earth-1", "moon", 40.0),
        ("low", "elfo", "sun", 60.0),
        ("elfo", "pole", "earth", 90.0),
    ],
)
def test_angle_from_a_body(world, name, other, body, least):
    tracks, nodes = world
    leaf = read({"kind": "angle-from", "body": body, "min_deg": least})
    look, bodies = angles(name, other)
    agrees(holds(tracks, nodes[name], other, leaf), off_deg(look, bodies[body]) - least)


def test_range_and_elevation_between_two_levels(world):
    tracks, nodes = world
    far = np.linalg.norm(angles("low", "elfo")[0], axis=1)
    leaf = read({"kind": "range", "min_km": 4000.0, "max_km": 9000.0})
    agrees(holds(tracks, nodes["low"], "elfo", leaf), np.minimum(far - 4000.0, 9000.0 - far))
    look, bodies = angles("pole", "elfo")
    elevation = 90.0 - off_deg(look, -bodies["moon"])
    leaf = read({"kind": "elevation", "min_deg": 10.0, "max_deg": 60.0})
    want = np.minimum(elevation - 10.0, 60.0 - elevation)
    agrees(holds(tracks, nodes["pole"], "elfo", leaf), want)


def test_cone_in_the_orbital_frame_and_sector_at_a_station(world):
    tracks, nodes = world
    state = scene.exact("elfo", T)
    forward = state[:, 3:] - (
        (state[:, 3:] * state[:, :3]).sum(1) / (state[:, :3] ** 2).sum(1)
    )[:, None] * state[:, :3]  # fmt: skip
    leaf = read({"kind": "cone", "axis": [1, 0, 0], "frame": "LVLH", "half_angle_deg": 70})
    look, _ = angles("elfo", "earth-1")
    agrees(holds(tracks, nodes["elfo"], "earth-1", leaf), 70.0 - off_deg(look, forward))

    look, _ = angles("earth-1", "low")
    lat, lon = math.radians(35.0), math.radians(100.0) + scene.EARTH_RATE * T
    up = np.stack(
        [math.cos(lat) * np.cos(lon), math.cos(lat) * np.sin(lon), math.sin(lat) + 0 * lon], 1
    )
    east = np.stack([-np.sin(lon), np.cos(lon), 0 * lon], 1)
    north = np.cross(up, east)
    azimuth = np.degrees(np.arctan2((look * east).sum(1), (look * north).sum(1))) % 360.0
    elevation = 90.0 - off_deg(look, up)
    leaf = read({"kind": "azimuth-elevation", "azimuth_deg": [300, 120], "elevation_deg": [5, 50]})
    side = 90.0 - np.abs((azimuth - 30.0 + 180.0) % 360.0 - 180.0)
    want = np.minimum(side, np.minimum(elevation - 5.0, 50.0 - elevation))
    agrees(holds(tracks, nodes["earth-1"], "low", leaf), want)


def test_path_over_a_raised_limb(world):
    tracks, nodes = world
    a, b = scene.exact("elfo", T)[:, :3], scene.exact("earth-1", T)[:, :3]
    along = np.clip(-(a * (b - a)).sum(1) / ((b - a) ** 2).sum(1), 0.0, 1.0)
    least = np.linalg.norm(a + along[:, None] * (b - a), axis=1)
    leaf = read({"kind": "occultation", "body": "moon", "clearance_km": 800.0})
    agrees(holds(tracks, nodes["elfo"], "earth-1", leaf), least - 1737.4 - 800.0)


def test_edges_change_the_condition_either_side(world, evidence):
    tracks, nodes = world
    leaf = read({"kind": "azimuth-elevation", "azimuth_deg": [300, 120], "elevation_deg": [5, 50]})
    found = holds(tracks, nodes["earth-1"], "low", leaf)
    from cislunar.pointing import azimuth_elevation_rad

    def inside(t):
        az, el = (
            math.degrees(x[0]) for x in azimuth_elevation_rad(tracks, nodes["earth-1"], "low", t)
        )
        return (az >= 300 or az <= 120) and 5 <= el <= 50

    edges = [x for x in np.r_[found.start_s, found.end_s] if 1 < x < tracks.span_s - 1]
    assert len(edges) >= 3
    assert all(inside(x - 1e-3) != inside(x + 1e-3) for x in edges)
    evidence("edges of stated conditions", "condition either side of the edge", len(edges), 1e-3,
             1.0, "s", "differs 1 ms before and after every edge")  # fmt: skip


# --- algebra -----------------------------------------------------------------------------------

LEAVES = [
    {"kind": "range", "max_km": 6000.0}, {"kind": "angle-from", "body": "sun", "min_deg": 80.0},
    {"kind": "angle-from", "body": "moon", "min_deg": 45.0},
]  # fmt: skip
trees = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(lambda xs: {"all": xs}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda xs: {"any": xs}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda x: {"not": x}, inner),
    ),
    max_leaves=6,
)


def truth(tree, values):
    if "kind" in tree:
        return values[LEAVES.index(tree)]
    if "all" in tree:
        return np.logical_and.reduce([truth(x, values) for x in tree["all"]])
    if "any" in tree:
        return np.logical_or.reduce([truth(x, values) for x in tree["any"]])
    return ~truth(tree["not"], values)


@settings(deadline=None, max_examples=40)
@given(trees)
def test_expressions_are_boolean_algebra(world, tree):
    tracks, nodes = world
    values = [holds(tracks, nodes["low"], "elfo", read(x)).contains(T) for x in LEAVES]
    got = holds(tracks, nodes["low"], "elfo", read(tree))
    assert np.array_equal(got.contains(T), truth(tree, values))
    double = holds(tracks, nodes["low"], "elfo", read({"not": {"not": tree}}))
    assert np.array_equal(double.contains(T), got.contains(T))
    parts = separated(read(tree))
    split = np.logical_and.reduce(
        [holds(tracks, nodes["low"], "elfo", x).contains(T) for x in parts]
    )
    assert np.array_equal(split, got.contains(T))


@given(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3),
       st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3))  # fmt: skip
@settings(deadline=None, max_examples=15)
def test_de_morgan(world, xs, ys):
    tracks, nodes = world
    one = read({"not": {"any": [*xs, {"all": ys}]}})
    two = read({"all": [*({"not": x} for x in xs), {"any": [{"not": y} for y in ys]}]})
    a, b = (holds(tracks, nodes["low"], "elfo", e) for e in (one, two))
    assert np.array_equal(a.contains(T), b.contains(T))
    assert a.total_s == pytest.approx(b.total_s, abs=1e-6)


# --- causes and access -------------------------------------------------------------------------


def test_causes_are_of_the_contracts_list_and_of_the_latest_stage(world):
    _, nodes = world
    assert (
        cause_of(nodes["earth-1"], read({"kind": "azimuth-elevation", "azimuth_deg": [0, 90]}))
        == "station-mask"
    )
    assert (
        cause_of(nodes["elfo"], read({"kind": "cone", "axis": [0, 0, 1], "half_angle_deg": 9}))
        == "mask"
    )
    assert cause_of(nodes["elfo"], read({"kind": "range", "max_km": 9})) == "range"
    assert cause_of(nodes["elfo"], read(LEAVES[1])) == "sun"
    both = {"any": [{"kind": "occultation", "body": "earth"}, LEAVES[1]]}
    assert cause_of(nodes["elfo"], read(both)) == "sun"
    assert cause_of(nodes["elfo"], read({**both, "cause": "range"})) == "range"
    assert {"mask", "sun", "range", "station-mask"} <= set(STAGES)


def test_access_honours_stated_conditions_and_names_their_causes(world):
    tracks, nodes = world
    plain = find_access(tracks, nodes.values(), [("earth-1", "elfo")])["earth-1", "elfo"]
    rule = read({"all": [{"kind": "angle-from", "body": "moon", "min_deg": 40.0}],
                 "not": {"kind": "range", "min_km": 389000.0}})  # fmt: skip
    bound = replace(nodes["elfo"], conditions=(("earth-1", rule),))
    found = find_access(tracks, [bound, nodes["earth-1"], nodes["pole"]])
    pair = found["earth-1", "elfo"]
    want = plain.access & holds(tracks, bound, "earth-1", rule)
    assert pair.access == want
    assert 0.0 < pair.access.total_s < plain.access.total_s
    assert {"mask", "range"} & (set(pair.opens_by) | set(pair.closes_by))
    free = find_access(tracks, nodes.values(), [("elfo", "pole")])["elfo", "pole"]
    assert found["elfo", "pole"].access == free.access  # toward one partner only


def test_maintenance_comes_back_and_takes_the_station_out():
    start = Epoch.parse("2030-03-01T12:00:00 UTC")  # a Friday
    daily = Maintenance(every="day", at=11.5, hours=1.0)
    found = np.array(maintenance_windows((daily,), start, 2 * 86400.0))
    want = [(-1800.0, 1800.0), (84600.0, 88200.0), (171000.0, 174600.0)]
    assert np.abs(found - want).max() < 1e-4  # UTC against TDB
    scenario = cislunar.Scenario(
        name="m", epoch="2030-03-01T00:00:00 UTC", duration_days=14, options=[],
        ground_stations=[{"name": "g", "latitude_deg": 35, "longitude_deg": 139,
                          "maintenance": [{"every": "week", "weekday": "wed", "at": 6, "hours": 4}]}],
    )  # fmt: skip
    station = expand_nodes(scenario)[0]
    assert station.service.total_s == pytest.approx(14 * 86400.0 - 2 * 4 * 3600.0, abs=1e-3)


def test_expressions_survive_the_resolved_file_and_bad_ones_are_refused(tmp_path):
    rule = {"all": [{"kind": "angle-from", "body": "sun", "min_deg": 3}],
            "not": {"any": [{"kind": "azimuth-elevation", "azimuth_deg": [100, 140]}]}}  # fmt: skip
    place = {"name": "g", "latitude_deg": 35, "longitude_deg": 139}
    base = {"name": "m", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": []}
    scenario = cislunar.Scenario(**base, ground_stations=[{**place, "access_conditions": rule}])
    path = tmp_path / "again.yaml"
    path.write_text(resolved_yaml(scenario), encoding="utf-8")
    again = cislunar.load_scenario(path)
    assert (
        again.ground_stations[0].access_conditions == scenario.ground_stations[0].access_conditions
    )
    assert expand_nodes(scenario)[0].needs_north
    for bad in ({"any": []}, {"kind": "cone"}, {"kind": "range"}, {"all": [{"kind": "moonbeam"}]}):
        with pytest.raises(InputError):
            cislunar.Scenario(**base, ground_stations=[{**place, "access_conditions": bad}])
    with pytest.raises(InputError, match="no node is named"):
        cislunar.Scenario(
            **base, ground_stations=[place],
            pair_conditions=[{"node": "g", "toward": "x", "require": LEAVES[0]}],
        )  # fmt: skip


def _refusals(text, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(BASE + text, encoding="utf-8")
    with pytest.raises(InputError) as found:
        check_scenario(cislunar.load_scenario(path), str(path))
    return str(found.value).replace(f"{path}: ", "")


BASE = """schema_version: 1
name: m
epoch: "2030-03-01T00:00:00 UTC"
duration_days: 1
options: []
spacecraft: [{name: c, orbit: {kind: dro, amplitude_km: 70000, phase_deg: 0}}]
"""
CASES = [
    # a key that the kind does not use says nothing, and a range the wrong way round never holds
    ("{kind: range, max_km: 5e4, min_deg: 10}", "conditions.min_deg: a condition of kind range"),
    ("{kind: angle-from, body: sun, min_deg: 3, max_deg: 60}", "conditions.max_deg: a condition"),
    ("{kind: range, min_km: 9000, max_km: 6000}", "conditions.max_km: from 9000 to 6000"),
    ("{kind: elevation, min_deg: 50, max_deg: 40}", "conditions.max_deg: from 50 to 40"),
    ("{kind: azimuth-elevation, elevation_deg: [40, 10]}", "conditions.elevation_deg: from 40"),
    ("{kind: angle-from, body: moon, min_deg: -5}", "conditions.min_deg: an angle from a body"),
    # what is written wrongly is told what is right there, not elsewhere
    ("{any: [{kind: range, max_kmm: 5}]}", "any.0.max_kmm: unknown key, did you mean max_km?; "
     "allowed: kind, cause, min_km, max_km"),
    ("{anyy: []}", "conditions.anyy: unknown key, did you mean any?; allowed: all, any, not"),
    ("[{kind: range, max_km: 5}]", "is not a condition; allowed: kind: ..., all: [...]"),
    # a place that lacks what is asked of it
    ("{not: {kind: horizon}}", "conditions: g has no horizon file"),
    ("{kind: cone, axis: [1, 0, 0], half_angle_deg: 9}", "g: a place has no frame LVLH"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said"), CASES)
def test_a_condition_that_says_nothing_is_refused_before_a_run(rule, said, tmp_path):
    place = "ground_stations: [{name: g, latitude_deg: 35, longitude_deg: 139, access_conditions: "
    assert said in _refusals(place + rule + "}]", tmp_path)


def test_what_a_spacecraft_does_not_have_is_refused_before_a_run(tmp_path):
    pair = "pair_conditions: [{node: c, toward: g, require: {kind: elevation, min_deg: 5}}]\n"
    place = "ground_stations: [{name: g, latitude_deg: 35, longitude_deg: 139}]\n"
    said = _refusals(place + pair, tmp_path)
    assert "pair_conditions.0.require: c is a spacecraft and has no elevation" in said
    said = _refusals(place + pair.replace("toward", "towards"), tmp_path)
    assert "pair_conditions.0.towards: unknown key, did you mean toward?" in said
    radio = """terminals:
  up: {id: up, role: user, receive: {band: X_down, frequency_mhz: 8450, g_over_t_db_k: 0},
       antenna: {pattern: isotropic, pointing_mode: fixed, boresight: [0, 0, 1]}}
"""
    craft = BASE.replace("phase_deg: 0}}]", "phase_deg: 0}, terminals: [up]}]")
    path = tmp_path / "t.yaml"
    path.write_text(craft + radio, encoding="utf-8")
    with pytest.raises(InputError, match="'up' on c: a spacecraft has no frame LOCAL"):
        check_scenario(cislunar.load_scenario(path))
