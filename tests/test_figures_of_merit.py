"""Figures of merit: STK's own example, hand-made accesses, edge gaps, heights, areas, thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.coverage.figures_of_merit import (
    DEFINITIONS,
    EDGE_GAPS,
    area_statistics,
    by_latitude,
    figures_of,
    satisfied,
    satisfied_area_frac,
)
from cislunar.coverage.maps import cell_fixes, cell_views, region_cells, region_mask, unit_vectors
from cislunar.ranging import Signal
from cislunar.schema import Region
from orbits.errors import InputError
from orbits.intervals import Intervals

DEG = math.pi / 180.0


def test_the_worked_example_of_stk(evidence):
    """STK help, Time Average Gap: gaps of 5, 10 and 15 units in 100 give 3.5."""
    seen = Intervals([5.0, 40.0, 70.0], [30.0, 55.0, 100.0])
    figures = figures_of([seen], 100.0)
    evidence("Time average gap", "STK help, cov/fom-10.htm, worked example", 1,
             abs(figures["time_average_gap_s"] - 3.5), 1e-12, "s", "exact")  # fmt: skip
    assert figures["availability_frac"] == 0.7
    assert figures["coverage_time_s"] == 70.0
    assert (figures["gap_count"], figures["mean_gap_s"], figures["longest_gap_s"]) == (
        3,
        10.0,
        15.0,
    )
    assert figures["response_time_mean_s"] == figures["age_of_data_mean_s"] == 1.75
    assert figures["response_time_max_s"] == 15.0
    # the gap at the start is not a time to revisit
    assert (figures["revisit_time_mean_s"], figures["revisit_time_max_s"]) == (12.5, 15.0)


def test_accesses_are_counted_singly_and_assets_together():
    """STK help, Number of Accesses: one within another counts as two."""
    a, b = Intervals([10.0], [60.0]), Intervals([20.0], [30.0])
    figures = figures_of({"a": a, "b": b}, 100.0)
    assert figures["access_count"] == 2
    assert (figures["visible_min"], figures["visible_max"]) == (0, 2)
    assert figures["visible_mean"] == pytest.approx(0.6)
    assert figures["visible_at_least_2_frac"] == pytest.approx(0.1)
    both = figures_of([a, b], 100.0, least_assets=2)
    assert both["coverage_time_s"] == pytest.approx(10.0)
    assert both["longest_gap_s"] == pytest.approx(70.0)


def test_gaps_at_the_ends_follow_the_rule_named():
    seen = Intervals([10.0, 50.0], [40.0, 80.0])  # gaps 10, 10, 20
    expected = {
        "bound": (3, 20.0, 40 / 3, 6.0), "drop": (1, 10.0, 10.0, 1.0), "wrap": (2, 30.0, 20.0, 10.0),
    }  # fmt: skip
    for rule, (count, longest, mean, average) in expected.items():
        figures = figures_of([seen], 100.0, edge_gaps=rule)
        got = [
            figures[k] for k in ("gap_count", "longest_gap_s", "mean_gap_s", "time_average_gap_s")
        ]
        assert got == pytest.approx([count, longest, mean, average]), rule
    for rule in EDGE_GAPS:
        never = figures_of([Intervals()], 100.0, edge_gaps=rule)
        assert (never["gap_count"], never["longest_gap_s"], never["covered"]) == (1, 100.0, 0)
        assert never["revisit_time_mean_s"] is None
        always = figures_of([Intervals([0.0], [100.0])], 100.0, edge_gaps=rule)
        assert (always["gap_count"], always["longest_gap_s"]) == (0, 0.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.sampled_from(EDGE_GAPS))
def test_a_map_says_what_the_spans_say(seed, least_assets, rule):
    """The sweep of a cell against the exact figures of the same spans, epoch by epoch."""
    rng = np.random.default_rng(seed)
    count, epochs = 5, 90
    up = unit_vectors(40.0, 20.0)
    serving = np.repeat(rng.random((count, epochs // 10)) < 0.4, 10, axis=1)
    live = np.repeat(rng.random((count, epochs // 5)) < 0.5, 5, axis=1)
    places = np.broadcast_to(9000.0 * up, (count, epochs, 3))
    views = cell_views(
        up[None], places, 5.0 * DEG, 2.0, serving=serving, live=live, least_assets=least_assets,
        edge_gaps=rule,
    )  # fmt: skip

    def spans(on):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
        return Intervals(2.0 * edges[::2], 2.0 * edges[1::2])

    own = figures_of([spans(s) for s in serving], 2.0 * epochs, least_assets=least_assets,
                     edge_gaps=rule)  # fmt: skip
    for name, value in own.items():
        got = views[name][0]
        if value is None:
            assert got is np.ma.masked, name
        else:
            assert float(got) == pytest.approx(value, abs=1e-9), name
    joint = figures_of([spans(s) for s in serving & live], 2.0 * epochs, least_assets=least_assets,
                       edge_gaps=rule)  # fmt: skip
    for name in ("longest_gap_s", "mean_gap_s", "time_average_gap_s", "gap_count"):
        assert float(views[f"joint_{name}"][0]) == pytest.approx(joint[name], abs=1e-9), name
    assert views["joint_availability_frac"][0] == pytest.approx(joint["availability_frac"])


def test_more_than_one_word_of_spacecraft():
    rng = np.random.default_rng(1)
    count, epochs = 110, 40
    up = unit_vectors(np.array([10.0, -30.0]), np.array([0.0, 100.0]))
    p = rng.normal(size=(count, epochs, 3))
    p *= 8000.0 / np.linalg.norm(p, axis=2, keepdims=True)
    views = cell_views(up, p, 0.0, 1.0)
    sine = np.einsum("sei,ci->cse", p, up) - 1737.4
    assert views["visible_mean"] == pytest.approx((sine >= 0).sum(axis=1).mean(axis=1))
    assert views["visible_max"].tolist() == (sine >= 0).sum(axis=1).max(axis=1).tolist()
    rises = np.diff((sine >= 0).astype(int), axis=2, prepend=0)
    assert views["access_count"].tolist() == (rises > 0).sum(axis=(1, 2)).tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(1.0, 3000.0), st.sampled_from([-90.0, -20.0, 0.0, 12.0]))
def test_cells_above_the_surface_see_past_their_limb(seed, height_km, mask_deg):
    rng = np.random.default_rng(seed)
    site = 1737.4 + height_km
    p = rng.normal(size=(6, 50, 3))
    lowest = 1738.0 if mask_deg in (-90.0, 0.0, 12.0) else site + 1.0
    p *= rng.uniform(lowest, 20000, (6, 50, 1)) / np.linalg.norm(p, axis=2, keepdims=True)
    up = unit_vectors(rng.uniform(-90, 90), rng.uniform(-180, 180))
    d = p - site * up
    far = np.linalg.norm(d, axis=2)
    sine = d @ up / far
    along = np.clip(-(d @ (site * up)) / far**2, 0.0, 1.0)
    clear = np.linalg.norm(site * up + along[..., None] * d, axis=2)
    margin = np.minimum(
        np.abs(sine - math.sin(mask_deg * DEG)).min(), np.abs(clear / 1737.4 - 1).min()
    )
    if margin < 1e-6:
        return
    seen = (sine >= math.sin(mask_deg * DEG)) & (clear >= 1737.4)
    views = cell_views(up[None], p, mask_deg * DEG, 1.0, height_km=height_km)
    assert views["visible_mean"][0] == pytest.approx(seen.sum(axis=0).mean())
    if mask_deg > -90.0:
        signals = [Signal(3.0, (0.0, 0.0), (1e6, 1e6))] * 6
        fixes = cell_fixes(up[None], p, mask_deg * DEG, signals, 4.0, height_km=height_km)
        assert fixes["solution_count"][0] <= (seen.sum(axis=0) >= 4).sum()


def test_limits_of_a_fix_that_serves():
    rng = np.random.default_rng(3)
    p = unit_vectors(rng.uniform(0, 90, (7, 60)), rng.uniform(-180, 180, (7, 60))) * 8000.0
    up = unit_vectors(np.array([60.0]), np.array([10.0]))
    signals = [Signal(3.0, (0.0, 0.0), (1e6, 1e6))] * 7
    loose = cell_fixes(up, p, 0.05, signals, 4.0, limits=(math.inf, math.inf, math.inf))
    tight = cell_fixes(up, p, 0.05, signals, 4.0, limits=(math.inf, 3.0, math.inf))
    assert loose["positioning_served_frac"] == loose["positioning_availability_frac"]
    assert 0 < tight["positioning_served_frac"][0] < loose["positioning_served_frac"][0]


# --- regions -----------------------------------------------------------------------------------


def region(**more):
    return Region(**{"name": "here", "cell_count": 300, **more})


def test_caps_boxes_far_side_and_the_whole_moon_have_their_areas():
    whole = 4 * math.pi * 1737.4**2
    cases = [
        (region(), 1.0), (region(longitude_min_deg=90, longitude_max_deg=-90), 0.5),
        (region(centre_lon_lat_deg=(170.0, -88.0), radius_deg=12.0), (1 - math.cos(12 * DEG)) / 2),
        (region(latitude_min_deg=-10, latitude_max_deg=10, longitude_min_deg=170,
                longitude_max_deg=-160), math.sin(10 * DEG) * 30 / 360),
        (region(polygon_lon_lat_deg=[(0, -80), (90, -80), (180, -80), (-90, -80)]), None),
    ]  # fmt: skip
    for place, share in cases:
        cells = region_cells(place)
        area = len(cells) * cells.cell_area_km2
        if share is None:  # the spherical square about the pole, by its angles' excess
            n = [np.cross(*(unit_vectors(-80.0, x) for x in (0.0, 90.0)))]
            n.append(np.cross(*(unit_vectors(-80.0, x) for x in (90.0, 180.0))))
            corner = math.pi - math.acos(n[0] @ n[1] / np.linalg.norm(n[0]) / np.linalg.norm(n[1]))
            share = (4 * corner - 2 * math.pi) / (4 * math.pi)
        assert area / whole == pytest.approx(share, rel=0.06), place


def test_regions_that_cannot_be_are_refused():
    wide = region(polygon_lon_lat_deg=[(0, 0), (120, 0), (-120, 0)])
    with pytest.raises(InputError, match="half of the Moon"):
        region_mask(wide, np.zeros(1), np.zeros(1))
    line = region(polygon_lon_lat_deg=[(0, 0), (10, 0), (20, 0)])
    assert not region_mask(line, np.array([5.0]), np.array([5.0])).any()
    with pytest.raises(ValueError, match="half of a cap"):
        region(radius_deg=5.0)
    up, p = unit_vectors(np.zeros(1), np.zeros(1)), np.full((1, 3, 3), 5000.0)
    for bad in (
        {"edge_gaps": "guess"}, {"least_assets": 0}, {"height_km": -1.0},
    ):  # fmt: skip
        with pytest.raises(InputError):
            cell_views(up, p, 0.1, 1.0, **bad)
    with pytest.raises(InputError):
        cell_views(up[:0], p, 0.1, 1.0)
    with pytest.raises(InputError):
        cell_views(up, p[:, :0], 0.1, 1.0)
    low = np.full((1, 3, 3), 1010.0)  # r = 1749 km, below cells at 100 km that look down
    with pytest.raises(InputError, match="below cells"):
        cell_views(up, low, -10.0 * DEG, 1.0, height_km=100.0)


# --- statistics --------------------------------------------------------------------------------


@pytest.fixture
def two_regions():
    names = np.array(["fine"] * 8 + ["coarse"] * 2)
    return xarray.Dataset(
        {"figure": ("cell", [1.0, 1, 1, 1, 2, 2, 2, math.nan, 10.0, 20.0])},
        coords={
            "region": ("cell", names), "area_km2": ("cell", [1.0] * 8 + [4.0] * 2),
            "latitude_deg": ("cell", [-90.0, -88, -87, -86, -84, -83, -82, -81, 0.0, 90.0]),
        },
    )  # fmt: skip


def test_statistics_weigh_by_area(two_regions):
    everything = area_statistics(two_regions, "figure")
    assert everything["mean"] == pytest.approx((4 * 1 + 3 * 2 + 4 * 10 + 4 * 20) / 15)
    assert everything["with_value_frac"] == pytest.approx(15 / 16)
    assert (everything["minimum"], everything["p50"], everything["maximum"]) == (1.0, 10.0, 20.0)
    fine = area_statistics(two_regions, "figure", "fine")
    assert fine["mean"] == pytest.approx(10 / 7)
    assert fine["area_km2"] == 8.0
    bands = by_latitude(two_regions, "figure", 5.0)
    assert bands["latitude_min_deg"].tolist() == [-90.0, -85.0, 0.0, 85.0]
    assert bands["mean"].tolist() == [1.0, 2.0, 10.0, 20.0]
    assert bands["cell_count"].tolist() == [4, 4, 1, 1]
    assert satisfied_area_frac(two_regions, "figure", at_most=2.0) == pytest.approx(7 / 16)
    assert satisfied_area_frac(two_regions, "figure", "coarse", at_least=15.0) == 0.5
    good = satisfied(two_regions, "figure", at_least=2.0, at_most=10.0)
    assert good.values.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 1, 0]
    assert "at least 2 and at most 10" in good.attrs["definition"]
    empty = two_regions.isel(cell=[7])
    assert area_statistics(empty, "figure")["mean"] is None
    for bad in (
        lambda: area_statistics(two_regions, "nothing"), lambda: satisfied(two_regions, "figure"),
        lambda: area_statistics(two_regions, "figure", "nowhere"),
        lambda: by_latitude(two_regions, "figure", 0.0),
    ):  # fmt: skip
        with pytest.raises(InputError):
            bad()


def test_every_figure_of_stk_asked_for_is_defined():
    text = " ".join(definition for _, definition in DEFINITIONS.values())
    for name in ("Simple Coverage", "Percent Coverage", "N Asset Coverage", "Coverage Time",
                 "Number of Accesses", "Number of Gaps", "Time Average Gap", "Revisit Time",
                 "Response Time", "Age Of Data", "Dilution of Precision",
                 "Navigation Accuracy"):  # fmt: skip
        assert name in text, name
