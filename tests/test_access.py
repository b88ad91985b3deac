"""Access against dense sampling, two-body and three-body visibility tables, and causes."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar.access import all_pairs, elevation_intervals, find_access
from cislunar.crossings import elevation_rad, range_km, scan
from cislunar.geometry import CLEARANCE, ELEVATION, RANGE
from cislunar.terminal_records import Terminal
from cislunar.terrain.horizon_file import Horizon
from orbits.constants import DEG
from orbits.propagate import cr3bp_path

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))


@pytest.fixture(scope="module")
def world():
    tracks, nodes = scene.small_world()
    return tracks, nodes, find_access(tracks, nodes)


def unit(v):
    return v / np.sqrt((v * v).sum(axis=1))[:, None]


def seen(a, b, t):
    """Plain geometry of the small world: does a see b, and every condition by name and owner."""
    ra, rb = scene.exact(a, t)[:, :3], scene.exact(b, t)[:, :3]
    mask = {"pole": 5.0, "near": 0.0, "earth-1": 10.0}
    held = {}
    for owner, name, here, there in (("a", a, ra, rb), ("b", b, rb, ra)):
        if name in mask:
            up = scene.on_earth(35.0, 100.0, t)[1][:, :3] if name == "earth-1" else unit(here)
            sine = (unit(there - here) * up).sum(axis=1)
            held["below-horizon", owner] = sine >= 0
            cause = "station-mask" if name == "earth-1" else "mask"
            if mask[name] > 0:
                held[cause, owner] = sine >= math.sin(math.radians(mask[name]))
    if not {"pole", "near"} & {a, b}:
        d = rb - ra
        s = np.clip(-(ra * d).sum(1) / (d * d).sum(1), 0.0, 1.0)[:, None]
        held["occulted", "path"] = np.sqrt(((ra + s * d) ** 2).sum(axis=1)) >= scene.MOON_KM
    return np.all(list(held.values()), axis=0), held


def test_every_second_agrees_with_plain_geometry(world, evidence):
    tracks, _, access = world
    t = np.arange(0.5, tracks.span_s, 1.0)
    worst, edges = 0.0, 0
    assert len(access) == 9  # all pairs but pole-near
    for (a, b), pair in access.items():
        want, held = seen(a, b, t)
        assert {(c.cause, c.owner) for c in pair.conditions} == set(held)
        for condition in pair.conditions:
            truth = held[condition.cause, condition.owner]
            assert (condition.intervals.contains(t) == truth).mean() > 1 - 2e-5
        got = pair.access.contains(t)
        assert (got == want).all() or np.diff(np.flatnonzero(got != want)).min(initial=9) > 1
        change = t[:-1][np.diff(want.astype(int)) != 0] + 0.5
        found = np.sort(np.concatenate((pair.access.start_s, pair.access.end_s)))
        found = found[(found > 0.5) & (found < tracks.span_s - 0.5)]
        assert found.size == change.size
        worst = max(worst, np.abs(found - change).max(initial=0.0))
        edges += found.size
    assert edges > 100
    evidence(
        "access edges", "independent geometry of a two-body scene sampled every second", edges,
        worst, 0.51, "s", "sampled truth is good to half a second",
    )  # fmt: skip


def test_edges_lie_where_the_condition_changes_and_carry_its_name(world):
    tracks, _, access = world
    for pair in access.values():
        for edges, causes, before in (
            (pair.access.start_s, pair.opens_by, -1),
            (pair.access.end_s, pair.closes_by, 1),
        ):
            assert len(causes) == len(edges)
            for edge, cause in zip(edges, causes, strict=True):
                if cause == "span":
                    assert edge in (0.0, tracks.span_s)
                    continue
                out = np.array([edge + before * 0.01])
                inside, _ = seen(pair.a, pair.b, np.array([edge - before * 0.01]))
                outside, held = seen(pair.a, pair.b, out)
                assert inside[0]
                assert not outside[0]
                assert any(c == cause and not ok[0] for (c, _), ok in held.items())


def test_pairs_named_alphabetically_and_only_those_asked_for(world):
    tracks, nodes, access = world
    assert all(a < b for a, b in access)
    assert ("near", "pole") not in access
    assert list(find_access(tracks, nodes, [("pole", "elfo")])) == [("elfo", "pole")]


def test_assets_see_each_other_only_within_a_service_radius():
    t = scene.grid(0.1)
    near = scene.node("a", "asset", t, latitude_deg=-89.0, longitude_deg=0.0, serves_radius_km=61.0)
    other = scene.node("b", "asset", t, latitude_deg=-89.0, longitude_deg=180.0)
    states = {"a": scene.on_moon(-89, 0, t), "b": scene.on_moon(-89, 180, t)}
    tracks = scene.tracks_of(t, states, {"a": "asset", "b": "asset"})
    (pair,) = find_access(tracks, [near, other]).values()  # 60.6 km apart over the pole
    assert pair.access.pairs() == [(0.0, tracks.span_s)]
    assert pair.opens_by == pair.closes_by == ("span",)
    small = scene.node(
        "a", "asset", t, latitude_deg=-89.0, longitude_deg=0.0, serves_radius_km=60.0
    )
    assert all_pairs([small, other]) == []


def test_terrain_stands_between_horizon_and_mask(world):
    tracks, nodes, access = world
    walls = Horizon(
        np.array([0.0, 90.0, 180.0, 270.0, 360.0]), np.array([12.0, 2.0, 8.0, 20.0, 12.0])
    )
    pole = next(n for n in nodes if n.name == "pole")
    pole = scene.node(
        "pole", "asset", tracks.t_s, min_elevation_deg=5.0, latitude_deg=-86.0, longitude_deg=30.0,
        horizon=walls,
    )  # fmt: skip
    elfo = next(n for n in nodes if n.name == "elfo")
    (pair,) = find_access(tracks, [pole, elfo]).values()
    assert [c.cause for c in pair.conditions] == ["below-horizon", "terrain", "mask"]
    open_ground = access["elfo", "pole"].access
    assert 0 < pair.access.total_s < open_ground.total_s
    assert (pair.access - open_ground).total_s == 0
    assert "terrain" in pair.opens_by + pair.closes_by


def test_a_site_below_the_sphere_sees_and_a_negative_minimum_looks_below_the_horizontal():
    t = scene.grid(2.0)
    states = {
        "pit": scene.on_moon(-86.0, 30.0, t, -3.0),
        "peak": scene.on_moon(-86.0, 30.0, t, 5.0),
        "elfo": scene.kepler(6541.4, 0.6, 56.2, 20.0, 90.0, 10.0, t),
    }
    tracks = scene.tracks_of(t, states, {"pit": "asset", "peak": "asset", "elfo": "spacecraft"})
    place = {"latitude_deg": -86.0, "longitude_deg": 30.0}
    nodes = [
        scene.node("pit", "asset", t, **place),
        scene.node("peak", "asset", t, min_elevation_deg=-3.0, **place),
        scene.node("elfo", "spacecraft", t),
    ]
    access = find_access(tracks, nodes)
    assert access["elfo", "pit"].access.total_s > 0.7 * tracks.span_s
    low = elevation_intervals(tracks, nodes[1], "elfo", -3.0 * DEG)
    assert access["elfo", "peak"].access == low
    assert low.total_s > elevation_intervals(tracks, nodes[1], "elfo", 0.0).total_s + 600


def test_range_and_sun_limits_of_terminals():
    t = scene.grid(2.0)
    ground = Terminal(
        id="eye", role="station", band="optical", wavelength_nm=1550,
        transmit={"eirp_dbw": 100.0, "rates_bps": [1e6]},
        receive={"gain_dbi": 120.0, "required_photons_per_bit": 7},
        sun_earth_probe_min_deg={"return": 60, "forward": 50}, pairs_with=["ship"],
    )  # fmt: skip
    ship = Terminal(
        id="ship", role="relay-earth", band="optical", wavelength_nm=1550,
        transmit={"eirp_dbw": 100.0, "rates_bps": [1e6]},
        receive={"gain_dbi": 100.0, "required_photons_per_bit": 7},
    )  # fmt: skip
    earth = scene.earth_states(t)
    station, up = scene.on_earth(35.0, 100.0, t)
    angle = np.linspace(0.0, 1.2, t.size)  # the Sun swings past the Moon's direction, from behind
    sun = np.zeros((t.size, 6))
    away = -unit(earth[:, :3])
    side = np.cross(away, [0.0, 0.0, 1.0])
    sun[:, :3] = 1.5e8 * (np.cos(angle)[:, None] * away + np.sin(angle)[:, None] * side)
    sun[:, 3:] = np.gradient(sun[:, :3], t, axis=0)
    states = {"elfo": scene.kepler(6541.4, 0.6, 56.2, 20.0, 90.0, 10.0, t), "eye": station}
    kinds = {"elfo": "spacecraft", "eye": "station"}
    tracks = scene.tracks_of(t, states, kinds, {"eye": up}, sun=sun)
    nodes = [
        scene.node("elfo", "spacecraft", t, terminals=(ship,)),
        scene.node("eye", "station", t, min_elevation_deg=10.0, terminals=(ground,)),
    ]
    (pair,) = find_access(tracks, nodes).values()
    held = {c.cause: c.intervals for c in pair.conditions}["sun"]
    here = station[:, :3]
    cosine = (unit(sun[:, :3] - here) * unit(states["elfo"][:, :3] - here)).sum(axis=1)
    want = np.degrees(np.arccos(cosine)) >= 50.0  # the laxer of the two directions
    assert (held.contains(t) == want).mean() > 0.999
    assert 0.05 < want.mean() < 0.95


# --- published and independently computed visibility -----------------------------------------


def gaps_h(visible, period_s):
    """Longest gap of a periodic visibility, hours; the ends join."""
    if not len(visible):
        return period_s / 3600
    gaps = visible.start_s[1:] - visible.end_s[:-1]
    joined = visible.start_s[0] + period_s - visible.end_s[-1]
    return max(np.append(gaps, joined)) / 3600


@pytest.mark.parametrize(
    "case", ["kepler_ely_i56p2", "kepler_ely_i63", "kepler_lncss", "kepler_khon_like"]
)
def test_two_body_passes_over_the_pole(case, validation, evidence):
    row = validation("elfo.yaml", case)
    x, want, tolerance = row["inputs"], row["expected"], row["tolerance"]
    period_s = 2 * math.pi * math.sqrt(x["a_km"] ** 3 / 4902.800066)
    assert abs(period_s / 3600 - want["period_h"]) < tolerance["period_h"]
    t = np.linspace(0.0, period_s, math.ceil(period_s / 60.0) + 1)
    states = {
        "relay": scene.kepler(x["a_km"], x["e"], x["i_deg"], 0.0, x["argp_deg"], 0.0, t),
        "pole": scene.on_moon(-90.0, 0.0, t),
    }
    tracks = scene.tracks_of(t, states, {"relay": "spacecraft", "pole": "asset"})
    worst_h = worst_percent = 0.0
    for mask, row in want["by_mask_deg"].items():
        nodes = [
            scene.node("relay", "spacecraft", t),
            scene.node("pole", "asset", t, min_elevation_deg=float(mask)),
        ]
        (pair,) = find_access(tracks, nodes).values()
        ((start, end),) = pair.access.pairs()  # one pass a revolution, about apolune
        worst_h = max(worst_h, abs((end - start) / 3600 - row["pass_h"]))
        worst_h = max(worst_h, abs(gaps_h(pair.access, period_s) - row["gap_h"]))
        percent = 100 * pair.access.total_s / period_s
        worst_percent = max(worst_percent, abs(percent - row["visible_percent"]))
    cases = 2 * len(want["by_mask_deg"])
    why = "two-body, only the step size of the reference matters"
    evidence(
        "two-body visibility of the pole: pass and gap", f"elfo.yaml {case}", cases,
        worst_h, tolerance["hours"], "h", why,
    )  # fmt: skip
    evidence(
        "two-body visibility of the pole: share", f"elfo.yaml {case}", cases // 2,
        worst_percent, tolerance["visible_percent"], "%", why,
    )  # fmt: skip


@pytest.mark.parametrize("case", ["vis_nrho_9to2", "vis_dro_70000km"])
def test_three_body_visibility_tables(case, validation, evidence):
    row = validation("visibility.yaml", case)
    world = validation("visibility.yaml")["definitions"]["cr3bp"]
    mu, lu, tu, radius = (world[k] for k in ("mu", "LU_km", "TU_s", "moon_radius_km"))
    x0, z0, vy0 = row["inputs"]["state_x0_z0_vy0"]
    period_s = row["inputs"]["period_TU"] * tu
    t = np.linspace(0.0, period_s, math.ceil(period_s / 60.0) + 1)
    path = cr3bp_path(np.array([x0, 0.0, z0, 0.0, vy0, 0.0]), t / tu, mu)
    path[:, 0] -= 1.0 - mu
    states = {"relay": path * ([lu] * 3 + [lu / tu] * 3)}
    earth = np.tile([-lu, 0.0, 0.0, 0.0, 0.0, 0.0], (t.size, 1))
    sites = row["inputs"]["sites_lat_lon"]
    kinds = {"relay": "spacecraft"}
    for name, (lat, lon) in sites.items():  # longitude 0 faces the Earth, down -x
        states[name] = scene.on_moon(lat, lon + 180.0, t, rate=0.0, radius_km=radius)
        kinds[name] = "asset"
    tracks = scene.tracks_of(t, states, kinds, earth=earth)
    relay = scene.node("relay", "spacecraft", t)
    tolerance = row["tolerance"]
    worst_percent = worst_h = worst_deg = 0.0
    count = 0
    for name in sites:
        want = row["expected"]["sites"][name]
        for mask in row["inputs"]["masks_deg"]:
            site = scene.node(name, "asset", t, min_elevation_deg=float(mask))
            (pair,) = find_access(tracks, [relay, site]).values()
            percent = 100 * pair.access.total_s / period_s
            worst_percent = max(worst_percent, abs(percent - want["percent_by_mask"][mask]))
            gap = gaps_h(pair.access, period_s)
            worst_h = max(worst_h, abs(gap - want["longest_gap_h_by_mask"][mask]))
            count += 1
        top = want["max_elevation_deg"]
        best = t[np.argmax(scan(tracks, ELEVATION, name, "relay", [0.0]).values)]
        around = np.clip(best + np.linspace(-60.0, 60.0, 2401), 0.0, period_s)
        highest = np.degrees(elevation_rad(tracks, name, "relay", around).max())
        worst_deg = max(worst_deg, abs(highest - top))
    d = tracks.earth[:, :3]
    blocked = find_blocked(tracks, states["relay"], d, radius)
    worst_percent = max(
        worst_percent,
        abs(100 * blocked / period_s - row["expected"]["earth_occulted_percent"]),
    )
    why = "400,000 samples a period in the reference"
    evidence(f"three-body visibility: share ({case})", "visibility.yaml", count + 1,
             worst_percent, tolerance["percent"], "%", why)  # fmt: skip
    evidence(f"three-body visibility: longest gap ({case})", "visibility.yaml", count,
             worst_h, tolerance["gap_h"], "h", why)  # fmt: skip
    evidence(f"three-body visibility: highest elevation ({case})", "visibility.yaml", len(sites),
             worst_deg, tolerance["max_elevation_deg"], "deg", why)  # fmt: skip


def find_blocked(tracks, relay, earth_km, radius):
    """Seconds in which the Moon hides the Earth's centre from the relay, through CLEARANCE."""
    earth = np.hstack([earth_km, np.zeros_like(earth_km)])
    both = scene.tracks_of(
        tracks.t_s, {"relay": relay, "centre": earth},
        {"relay": "spacecraft", "centre": "spacecraft"}, earth=earth,
    )  # fmt: skip
    clear = scan(both, CLEARANCE, "centre", "relay", [0.0], par=(radius,)).at_least(0.0)
    return tracks.span_s - clear.total_s


def test_range_condition_holds_within_the_limit(world):
    tracks, _, _ = world
    far = scan(tracks, RANGE, "elfo", "pole", [8000.0]).at_least(8000.0)
    t = np.arange(1.0, tracks.span_s, 30.0)
    assert (far.contains(t) == (range_km(tracks, "elfo", "pole", t) >= 8000.0)).all()


def test_two_craft_in_one_place_see_each_other_while_clear_of_the_moon():
    t = scene.grid(0.5)
    states = {"a": scene.kepler(3000, 0.1, 10, 0, 0, 0, t)}
    states["b"] = states["a"]
    tracks = scene.tracks_of(t, states, {"a": "spacecraft", "b": "spacecraft"})
    nodes = [scene.node(n, "spacecraft", t) for n in "ab"]
    assert find_access(tracks, nodes)["a", "b"].access.pairs() == [(0.0, tracks.span_s)]
