"""Maps: cells and regions, visibility figures against published coverage, the dataset's form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.coverage import cell_dop
from cislunar.coverage.grid import around
from cislunar.coverage.maps import (
    DEFINITIONS,
    Signal,
    cell_dops,
    cell_fixes,
    cell_views,
    map_coverage,
    region_cells,
    region_mask,
    unit_vectors,
)
from cislunar.positioning.dop import dop
from cislunar.schema import Region
from orbits.epoch import Epoch
from orbits.intervals import Intervals
from orbits.propagate import cr3bp_path

DEG = math.pi / 180.0
CONTRACT = (
    "availability_frac", "joint_availability_frac", "longest_gap_s", "mean_gap_s",
    "time_average_gap_s", "visible_mean", "visible_min", "positioning_availability_frac",
    "gdop_p50", "gdop_worst", "accuracy_3d_p95_m",
)  # fmt: skip


def region_of(name="all", **bounds):
    return Region(name=name, **bounds)


# --- outside numbers ---------------------------------------------------------------------------


def test_three_dro_satellites_cover_the_surface(validation, evidence):
    case = validation("visibility.yaml", "dro_three_satellites")
    model = validation("visibility.yaml")["definitions"]["cr3bp"]
    mu, lu, radius = model["mu"], model["LU_km"], model["moon_radius_km"]
    lat = np.arange(-89.75, 90.0, 0.5)
    lon = np.arange(-180.0, 180.0, 3.0)
    lats, lons = (x.ravel() for x in np.meshgrid(lat, lon, indexing="ij"))
    units = unit_vectors(lats, lons)
    weight = np.cos(lats * DEG)
    weight /= weight.sum()
    states = case["expected"]["orbit_states_x0_vy0_T_TU"]
    worst = {}
    for orbit, count, mask, always, mean in case["expected"]["rows"]:
        x0, vy0, period = states[orbit]
        state = np.array([x0, 0, 0, 0, vy0, 0.0])
        epochs = 180
        tau = np.arange(epochs) * period / count / epochs
        t = np.concatenate([tau + k * period / count for k in range(count)])
        path = np.asarray(cr3bp_path(state, t, mu))[:, :3] - [1 - mu, 0, 0]
        fixed = lu * path * [-1.0, -1.0, 1.0]  # longitude 0 faces the Earth, down -x
        places = fixed.reshape(count, epochs, 3)
        views = cell_views(units, places, mask * DEG, 1.0, radius_km=radius)
        share = views["availability_frac"]
        got = 100 * weight @ (share == 1.0), 100 * weight @ share
        kind = "two" if count == 2 else "more"
        error = max(abs(got[0] - always), abs(got[1] - mean))
        worst[kind] = max(worst.get(kind, 0.0), error)
    for kind, key in (("more", "percent"), ("two", "two_satellite_percent")):
        evidence(
            f"Surface coverage by DRO satellites ({'two' if kind == 'two' else 'three or four'})",
            "independent three-body computation (includes the published 99.8 %)",
            4 if kind == "two" else 16, worst[kind], case["tolerance"][key], "percent",
            case["tolerance"]["reason"],
        )  # fmt: skip


@pytest.mark.parametrize("case_id", ["vis_nrho_9to2", "vis_dro_70000km"])
def test_one_satellite_seen_from_five_sites(validation, evidence, case_id):
    case = validation("visibility.yaml", case_id)
    model = validation("visibility.yaml")["definitions"]["cr3bp"]
    mu, lu = model["mu"], model["LU_km"]
    given_ = case["inputs"]
    x0, z0, vy0 = given_["state_x0_z0_vy0"]
    n, period = 20_000, given_["period_TU"]
    t = np.arange(n) * period / n
    path = np.asarray(cr3bp_path(np.array([x0, 0, z0, 0, vy0, 0.0]), t, mu))[:, :3]
    places = (lu * (path - [1 - mu, 0, 0]) * [-1.0, -1.0, 1.0])[None]
    step_h = period * model["TU_s"] / 3600.0 / n
    worst_percent = worst_gap = 0.0
    for name, (lat, lon) in given_["sites_lat_lon"].items():
        unit = unit_vectors(np.array([lat]), np.array([lon]))
        expected = case["expected"]["sites"][name]
        for mask, percent in expected["percent_by_mask"].items():
            once = cell_views(unit, places, mask * DEG, step_h, radius_km=model["moon_radius_km"])
            got = 100.0 * once["availability_frac"][0]
            worst_percent = max(worst_percent, abs(got - percent))
            if percent > 0.0:  # twice round, so that no gap is cut
                twice = cell_views(
                    unit, np.concatenate([places, places], axis=1), mask * DEG, step_h,
                    radius_km=model["moon_radius_km"],
                )  # fmt: skip
                gap = expected["longest_gap_h_by_mask"][mask]
                worst_gap = max(worst_gap, abs(twice["longest_gap_s"][0] - gap))
    tolerance = case["tolerance"]
    evidence(
        "Visibility of one satellite from lunar sites", f"independent computation {case_id}", 20,
        worst_percent, tolerance["percent"], "percent", tolerance["reason"],
    )  # fmt: skip
    evidence(
        "Longest gap of one satellite at lunar sites", f"independent computation {case_id}", 20,
        worst_gap, tolerance["gap_h"], "h", tolerance["reason"],
    )  # fmt: skip


def test_frozen_ellipses_seen_from_the_south_pole(validation, evidence):
    model_radius, gm = 1737.4, 4902.800066
    n = 100_000
    worst_percent = worst_h = worst_period = 0.0
    rows = 0
    for name in ("kepler_ely_i56p2", "kepler_ely_i63", "kepler_lncss", "kepler_khon_like"):
        case = validation("elfo.yaml", name)
        a, e, inc = (case["inputs"][k] for k in ("a_km", "e", "i_deg"))
        period_h = 2 * math.pi * math.sqrt(a**3 / gm) / 3600.0
        worst_period = max(worst_period, abs(period_h - case["expected"]["period_h"]))
        # one revolution from apoapsis to apoapsis, so that the gap about periapsis is whole
        mean = math.pi + np.arange(n) * 2 * math.pi / n
        ecc = mean + e * np.sin(mean)
        for _ in range(80):
            ecc -= (ecc - e * np.sin(ecc) - mean) / (1 - e * np.cos(ecc))
        x, y = a * (np.cos(ecc) - e), a * math.sqrt(1 - e * e) * np.sin(ecc)
        # argument of periapsis 90 deg: periapsis is northernmost
        places = np.stack([-y, x * math.cos(inc * DEG), x * math.sin(inc * DEG)], axis=1)[None]
        pole = unit_vectors(np.array([-90.0]), np.array([0.0]))
        for mask, row in case["expected"]["by_mask_deg"].items():
            views = cell_views(pole, places, mask * DEG, period_h / n, radius_km=model_radius)
            percent = 100 * views["availability_frac"][0]
            gap_h = views["longest_gap_s"][0]
            worst_percent = max(worst_percent, abs(percent - row["visible_percent"]))
            worst_h = max(worst_h, abs(gap_h - row["gap_h"]), abs(period_h - gap_h - row["pass_h"]))
            rows += 1
    tolerance = case["tolerance"]
    for label, residual, key, unit in (
        ("share", worst_percent, "visible_percent", "percent"), ("gap and pass", worst_h, "hours", "h"),
        ("period", worst_period, "period_h", "h"),
    ):  # fmt: skip
        evidence(
            f"South-pole visibility of frozen ellipses: {label}",
            "independent two-body computation, kepler rows", rows, residual, tolerance[key], unit,
            tolerance["reason"],
        )  # fmt: skip


# --- cells and regions -------------------------------------------------------------------------


def test_cells_are_equal_in_area_and_near_the_asked_number():
    whole = region_cells(region_of(cell_count=800))
    assert len(whole) == 768 == 12 * whole.nside**2
    assert np.abs(whole.units.sum(axis=0)).max() < 1e-9
    cap = region_cells(region_of(latitude_max_deg=-80.0, cell_count=500))
    share = len(cap) / (12 * cap.nside**2)
    assert share == pytest.approx((1 - math.sin(80 * DEG)) / 2, rel=0.03)
    assert 500 / 2 <= len(cap) <= 500 * 2
    assert cap.latitude_deg.max() <= -80.0


def test_a_small_region_has_at_least_one_cell():
    small = region_cells(
        region_of(
            latitude_min_deg=10, latitude_max_deg=10.5, longitude_min_deg=20,
            longitude_max_deg=20.5, cell_count=1,
        )
    )  # fmt: skip
    assert len(small) >= 1


def test_bounds_cross_the_date_line():
    region = region_of(longitude_min_deg=170.0, longitude_max_deg=-170.0)
    lon = np.array([165.0, 175.0, 180.0, -180.0, -175.0, -165.0])
    assert region_mask(region, np.zeros(6), lon).tolist() == [False, True, True, True, True, False]


def test_a_polygon_may_hold_the_pole_and_cross_the_date_line():
    cap = region_of(polygon_lon_lat_deg=((0, -80), (90, -80), (180, -80), (-90, -80)))
    lat = np.array([-90.0, -85.0, -85.0, -70.0, 85.0])
    lon = np.array([0.0, 45.0, -170.0, 45.0, 45.0])
    assert region_mask(cap, lat, lon).tolist() == [True, True, True, False, False]
    box = region_of(polygon_lon_lat_deg=((170, -5), (-170, -5), (-170, 5), (170, 5)))
    assert region_mask(box, np.zeros(3), np.array([179.0, -175.0, 160.0])).tolist() == [
        True, True, False,
    ]  # fmt: skip


# --- figures -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 20))
def test_views_agree_with_elevation(seed, mask_deg):
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(4, 60, 3))
    places *= rng.uniform(1800, 20000, (4, 60, 1)) / np.linalg.norm(places, axis=2, keepdims=True)
    lat, lon = rng.uniform(-90, 90, 5), rng.uniform(-180, 180, 5)
    units = unit_vectors(lat, lon)
    los = places[None] - 1737.4 * units[:, None, None]
    sine = np.einsum("cski,ci->csk", los, units) / np.linalg.norm(los, axis=3)
    margin = np.abs(sine - math.sin(mask_deg * DEG)).min()
    if margin < 1e-5:
        return
    relay = np.array([1, 1, 1, 0.0])
    live = rng.random((4, 60)) < 0.5
    serving = rng.random((4, 60)) < 0.9
    seen = (sine >= math.sin(mask_deg * DEG)) & serving
    views = cell_views(units, places, mask_deg * DEG, 60.0, relay=relay, live=live, serving=serving)
    up = seen[:, :3].any(axis=1)
    assert views["availability_frac"] == pytest.approx(up.mean(axis=1))
    assert views["joint_availability_frac"] == pytest.approx(
        (seen & live)[:, :3].any(axis=1).mean(axis=1)
    )
    assert views["visible_mean"] == pytest.approx(seen.sum(axis=1).mean(axis=1))
    assert views["visible_min"].tolist() == seen.sum(axis=1).min(axis=1).tolist()
    for c in range(5):
        edges = np.flatnonzero(np.diff(np.concatenate([[1], up[c], [1]])))
        gaps = 60.0 * (edges[1::2] - edges[::2])
        assert views["longest_gap_s"][c] == pytest.approx(gaps.max() if gaps.size else 0.0)
        assert views["mean_gap_s"][c] == pytest.approx(gaps.mean() if gaps.size else 0.0)
        assert views["time_average_gap_s"][c] == pytest.approx((gaps**2).sum() / 3600.0)


def test_gaps_across_tiles_are_one_gap():
    places = np.zeros((1, 5000, 3))
    places[:, :, 2] = 10000.0
    places[:, 100:4000, 2] = -10000.0
    views = cell_views(unit_vectors(np.array([90.0]), np.array([0.0])), places, 0.0, 10.0)
    assert views["longest_gap_s"].tolist() == [39000.0]
    assert views["mean_gap_s"].tolist() == [39000.0]


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6, 7])
def test_dop_alone_is_that_of_the_full_fixes(seed):
    """Sources that come and go, pass low, leave reach, rest and rush: each way a part is settled.

    The reference tests every source at every epoch (``grid.sweep_fixes``).
    """
    rng = np.random.default_rng(seed)
    count, epochs, mask = 20, 1500, [0.1, -0.2, 0.0, 0.05][seed % 4]
    t = np.arange(epochs)
    places = np.empty((count, epochs, 3))
    for s in range(count):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        radius = 1737.4 + 10.0 ** rng.uniform(-1.0, 4.3) * (
            1.0 + 0.5 * np.sin(t / rng.uniform(50, 900))
        )
        angle = t * rng.choice([0.0, 1e-4, 0.005, 0.3])
        places[s] = radius[:, None] * (
            np.cos(angle)[:, None] * axes[0] + np.sin(angle)[:, None] * axes[1]
        )
    serving = np.ones((count, epochs), bool)
    serving[0, 300:700] = False
    serving[1] = rng.random(epochs) < 0.5
    serving[2] = False
    signals = [
        Signal(3.0, (0.0, 0.0), tuple(10.0 ** rng.uniform(3.5, 4.5, 2))) for _ in range(count)
    ]
    cells = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cells = np.concatenate(
        [cells, -cells, places[3, :5] / np.linalg.norm(places[3, :5], axis=1)[:, None]]
    )
    limits = (30.0, 50.0)
    names = list(cell_dop.FIGURES)
    found = cell_dops(cells, places, mask, signals, names, serving=serving, limits=limits,
                      step_elevation_rad=0.3)  # fmt: skip
    want = cell_fixes(cells, places, mask, signals, 4.0, serving=serving,
                      limits=(math.inf, *limits), step_elevation_rad=0.3)  # fmt: skip
    assert want["solution_count"].sum() > 100
    for name in ("solution_count", "positioning_availability_frac", "positioning_served_frac"):
        assert np.array_equal(found[name], want[name]), name
    for name in set(names) - {"solution_count"}:
        assert np.array_equal(np.ma.getmaskarray(found[name]), np.ma.getmaskarray(want[name]))
        assert np.ma.allclose(found[name], want[name], rtol=1e-6)
    free = cell_dops(cells, places, mask, signals, ["positioning_served_frac", "pdop_p50"],
                     serving=serving, step_elevation_rad=0.3)  # fmt: skip
    assert np.array_equal(free["positioning_served_frac"], want["positioning_availability_frac"])
    assert np.ma.allclose(free["pdop_p50"], found["pdop_p50"], rtol=0.0, atol=0.0)


@given(
    st.lists(st.one_of(st.floats(0.0, 1e300), st.sampled_from([0.0, 1.0, 2.0])), min_size=1,
             max_size=60),
    st.sampled_from([0.0, 50.0, 95.0, 100.0]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_percentiles_without_sorting(values, percent):
    first, second, share = around(np.array(values), len(values), percent)
    place = (len(values) - 1) * percent / 100.0
    ordered = sorted(values)
    assert (first, share) == (ordered[int(place)], place - int(place))
    assert second == ordered[min(int(place) + 1, len(values) - 1)]


def test_fixes_agree_with_dop():
    rng = np.random.default_rng(3)
    base = unit_vectors(rng.uniform(20, 90, 7), rng.uniform(-180, 180, 7))
    places = base[:, None, :] * rng.uniform(6000, 9000, (7, 40, 1))
    unit = unit_vectors(np.array([70.0]), np.array([10.0]))
    fixes = cell_fixes(unit, places, 0.1, [Signal(3.0, (0.0, 0.0), (1e5, 1e5))] * 7, 4.0)
    los = places.transpose(1, 0, 2) - 1737.4 * unit[0]
    sine = los @ unit[0] / np.linalg.norm(los, axis=2)
    values, solved = dop(los, unit[0], seen=sine >= math.sin(0.1))
    assert solved.sum() > 0
    assert fixes["solution_count"].tolist() == [solved.sum()]
    v = values[solved]
    assert fixes["gdop_p50"][0] == pytest.approx(np.median(v[:, 0]), rel=1e-9)
    assert fixes["gdop_worst"][0] == pytest.approx(v[:, 0].max(), rel=1e-9)
    assert fixes["accuracy_3d_p95_m"][0] == pytest.approx(5 * np.percentile(v[:, 1], 95), rel=1e-9)
    short = cell_fixes(unit, places, 0.1, [Signal(3.0, (0.0, 0.0), (100.0, 100.0))] * 7, 4.0)
    assert short["solution_count"].tolist() == [0]
    assert short["gdop_p50"].mask.all()


# --- the dataset -------------------------------------------------------------------------------


@dataclass(frozen=True)
class FakeNode:
    name: str
    kind: str
    operator: str | None = "jaxa"
    terminals: tuple = ()
    service: Intervals = field(default_factory=lambda: Intervals([0.0], [86400.0]))


RELAY = SimpleNamespace(role="relay", transmit=object())
NAV = SimpleNamespace(role="navigation", transmit=object())


def small_map(regions, live=None, policy=None, **more):
    t = np.linspace(0.0, 86400.0, 145)
    rng = np.random.default_rng(5)
    nodes, states = [], {}
    for i in range(6):
        a, rate, phase = 9000.0, 2.9e-4, rng.uniform(0, 6)
        x, y = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
        angle = (rate * t + phase)[:, None]
        p = a * (np.cos(angle) * x + np.sin(angle) * y)
        name = f"s{i}"
        states[name] = np.hstack([p, np.zeros_like(p)])
        nodes.append(
            FakeNode(name, "spacecraft", "cnsa" if i == 5 else "jaxa", (RELAY, NAV)[: 1 + (i > 0)])
        )
    nodes.append(FakeNode("site", "asset"))
    tracks = SimpleNamespace(t_s=t, states=states, step_s=600.0)
    world = SimpleNamespace(moon_axes=np.broadcast_to(np.eye(3), (t.size, 3, 3)))
    scenario = SimpleNamespace(
        name="small", regions=regions, policy=policy, duration_s=86400.0,
        start=Epoch.parse("2030-03-01T00:00:00 UTC"),
    )  # fmt: skip
    signals = {f"s{i}": Signal(5.0, (1e-9, 1e-9), (5e4, 5e4)) for i in range(1, 6)}
    live = {"s0": Intervals([0.0], [43200.0])} if live is None else live
    return map_coverage(
        scenario, tracks, nodes, live, world, signals=signals, multipath_m=0.5, **more
    )


def test_the_dataset_is_the_contracts(tmp_path):
    import xarray

    cap = region_of("south-cap", latitude_max_deg=-60.0, cell_count=60)
    whole = region_of("whole", cell_count=48, min_elevation_deg=10.0)
    data = small_map((cap, whole))
    assert set(CONTRACT) <= set(data.data_vars)
    assert set(data.data_vars) == set(DEFINITIONS)
    assert data.sizes["cell"] == (data["region"] == "south-cap").sum() + 48
    for name in data.data_vars:
        assert data[name].attrs["units"]
        assert len(data[name].attrs["definition"]) > 20
    assert (data["joint_availability_frac"] <= data["availability_frac"]).all()
    assert (data["time_average_gap_s"] <= data["longest_gap_s"]).all()
    none = data["solution_count"] == 0
    assert 0 < none.sum() < none.size
    assert (data["gdop_p50"].isnull() == none).all()
    data.to_netcdf(tmp_path / "coverage.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "coverage.nc", engine="h5netcdf") as back:
        xarray.testing.assert_allclose(back, data)
        assert back["region"].values.tolist() == data["region"].values.tolist()
    import h5netcdf

    with h5netcdf.File(tmp_path / "coverage.nc") as raw:
        for name in CONTRACT:
            assert not np.isnan(raw[name][:]).any(), name


def test_limits_heights_and_rules_reach_the_dataset():
    from cislunar.coverage.figures_of_merit import area_statistics, satisfied_area_frac

    low = region_of("low", latitude_max_deg=-30.0, cell_count=48)
    high = Region(name="high", cell_count=48, height_m=100e3, min_elevation_deg=-10.0)
    data = small_map((low, high), limits=(50.0, math.inf, 6.0), edge_gaps="drop", least_assets=2)
    assert (data["positioning_served_frac"] <= data["positioning_availability_frac"]).all()
    assert "GDOP 6" in data["positioning_served_frac"].attrs["definition"]
    assert (data.attrs["edge_gaps"], data.attrs["least_assets"]) == ("drop", "2")
    assert set(data["height_m"].values) == {0.0, 100e3}
    whole = data["area_km2"].values[data["region"].values == "high"].sum()
    assert whole == pytest.approx(4 * math.pi * 1737.4**2)
    # from 100 km one sees below the horizontal, and so more
    seen = [area_statistics(data, "visible_mean", name)["mean"] for name in ("low", "high")]
    assert seen[1] > seen[0]
    assert 0.0 <= satisfied_area_frac(data, "longest_gap_s", "low", at_most=3600.0) <= 1.0


def test_policy_and_live_paths_count():
    from cislunar.schema import Policy

    region = region_of(cell_count=48)
    free = small_map((region,))
    bound = small_map(
        (region,),
        policy=Policy(groups={"l": ["jaxa"], "c": ["cnsa"]}, share=[["l", "l"], ["c", "c"]]),
    )
    assert free.attrs["spacecraft"].endswith("s5")
    assert bound.attrs["spacecraft"].endswith("s4")
    assert (bound["visible_mean"] < free["visible_mean"]).all()
    assert (small_map((region,), live={})["joint_availability_frac"] == 0).all()
    assert small_map(()) is None
