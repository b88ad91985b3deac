"""Figures: what is drawn is what the tables hold."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from cislunar.plots import (
    Plot,
    bars,
    maps,
    orbits,
    projection,
    readme_picture,
    style,
    timeline,
)
from cislunar.text import Text


@pytest.fixture
def plot(results):
    return Plot(results)


def test_every_figure_is_a_plotly_figure(plot):
    import plotly.graph_objects as go

    for figure in (
        plot.timeline(), plot.timeline("positioning"), plot.map(), plot.map("longest_gap_s"),
        plot.orbits(), plot.orbits(three_d=True), plot.network(), plot.gaps(), plot.fills(),
        plot.network("2030-03-01T06:00:00 UTC"), plot.network(3600.0),
    ):  # fmt: skip
        assert isinstance(figure, go.Figure)
        assert len(figure.data)


def test_timeline_draws_every_unserved_second_of_its_service(results):
    drawn = timeline.timeline(results, "relay")["data"][1:]
    ids = results.gaps.loc[results.gaps["service"] == "relay", "gap_id"]
    mine = results.gap_causes[results.gap_causes["gap_id"].isin(ids)]
    by_cause = mine.groupby("cause")["duration_s"].sum()
    assert len(drawn) == len(by_cause)
    assert sum(t["x"].sum() for t in drawn) / 1e3 == pytest.approx(by_cause.sum())
    assert [len(t["hovertext"]) for t in drawn] == [len(t["x"]) for t in drawn]


def test_ticks_closer_than_a_day_tell_the_time(made_of):
    """Plotly takes the first format whose range of steps (ms) holds the step between ticks."""
    for language in ("en", "ja"):
        axis = timeline.timeline(made_of(days=0.5), "relay", Text(language))["layout"]["xaxis"]
        fine, coarse = axis["tickformatstops"]
        assert fine["dtickrange"][0] is None
        assert fine["dtickrange"][1] < 86400e3 <= coarse["dtickrange"][0]
        assert re.match(r"%H:%M<br>.*%-d", fine["value"])
        assert "%H" not in coarse["value"]
        assert axis["title"]["text"] == "UTC"


def test_merging_keeps_the_time_within_a_step_of_each_edge():
    rng = np.random.default_rng(3)
    edges = np.sort(rng.uniform(0, 28 * 86400.0, 16000))
    frame = pd.DataFrame(
        {"place": "a", "cause": "link", "start_s": edges[::2], "end_s": edges[1::2]}
    )
    merged, step_s = timeline.merged(frame, 28 * 86400.0)
    assert step_s > 0
    assert len(merged) <= timeline.MAX_SEGMENTS
    whole = (frame["end_s"] - frame["start_s"]).sum()
    kept = (merged["end_s"] - merged["start_s"]).sum()
    assert kept == pytest.approx(whole, rel=0.1)
    assert merged["end_s"].max() <= 28 * 86400.0


def test_share_of_bins_is_the_exact_overlap():
    share = timeline._share(np.array([0.25, 2.0, 1.5, 2.5]), np.array([1.0, 1.0, -1.0, -1.0]), 4)
    assert share.tolist() == pytest.approx([0.75, 0.5, 0.5, 0.0])


def test_gap_bars_sum_to_the_gaps(results):
    hours = bars.cause_hours(results)
    assert hours["hours"].sum() == pytest.approx(results.gaps["duration_s"].sum() / 3600)
    drawn = sum(t["x"].sum() for t in bars.gaps(results)["data"])
    assert drawn == pytest.approx(hours["hours"].sum())


def test_cost_bars_reach_from_low_to_high(results):
    error = bars.fills(results)["data"][1]["error_x"]
    row = results.fills.iloc[0]
    assert error["array"][0] == pytest.approx(row.cost_high_oku_jpy - row.cost_oku_jpy)
    assert error["arrayminus"][0] == pytest.approx(row.cost_oku_jpy - row.cost_low_oku_jpy)


def test_rotating_axes_hold_the_earth_on_the_near_side(results):
    from types import SimpleNamespace

    from orbits.trajectory import Trajectory

    tracks = results.tracks
    earth = Trajectory(tracks.epoch, tracks.t_s, tracks.earth, name="earth")
    asked = SimpleNamespace(tracks=tracks, trajectories={"earth": earth})
    path = orbits.rotating_paths(asked, points=50)["earth"]
    assert path[:, 0] == pytest.approx(-np.full(50, 385000.0), rel=1e-6)
    assert np.abs(path[:, 1:]).max() < 5.0  # km of 385,000: the grid's own step


def test_paths_keep_their_distance_from_the_moon(results):
    for name, path in orbits.rotating_paths(results, points=200).items():
        truth = np.linalg.norm(results.trajectories[name].states[:, :3], axis=1)
        distance = np.linalg.norm(path, axis=1)
        assert distance.min() == pytest.approx(truth.min(), rel=2e-4)
        assert distance.max() == pytest.approx(truth.max(), rel=2e-4)


def test_orbit_traces_are_lean(results):
    spec = orbits.orbits(results)
    assert max(len(t["x"]) for t in spec["data"]) <= orbits.POINTS


def test_stereographic_map_is_true_in_angle_and_at_the_pole():
    x, y = projection.stereographic(
        np.array([-90.0, -80.0, -80.0]), np.array([0.0, 0.0, 90.0]), True
    )
    assert (x[0], y[0]) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert x[1] == pytest.approx(0.0, abs=1e-12)
    assert y[1] > 0  # the Earth's side is up
    assert x[2] > 0
    assert y[1] == pytest.approx(2 * np.degrees(np.tan(np.radians(5.0))))


def test_projections_suit_their_regions():
    index = np.arange(4000)  # an even spiral over the sphere
    lat = np.degrees(np.arcsin(1 - (2 * index + 1) / 4000))
    lon = (index * 222.49224) % 360 - 180
    far = np.abs(lon) > 90
    found = projection.choose(lat[far], lon[far])
    assert isinstance(found, projection.Azimuthal)
    assert (found.latitude_deg, found.longitude_deg) == (0.0, 180.0)
    assert isinstance(projection.choose(lat, lon), projection.Plate)
    cap = projection.choose(lat[lat > 75], lon[lat > 75])
    assert isinstance(cap, projection.Cap)
    assert not cap.south


def test_azimuthal_map_keeps_areas():
    flat = projection.Azimuthal(0.0, 180.0, 90.0)

    def area(lat, lon, side=0.01):
        corners = [(lat, lon), (lat, lon + side), (lat + side, lon + side), (lat + side, lon)]
        x, y = flat(np.array([c[0] for c in corners]), np.array([c[1] for c in corners]))
        shoelace = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        return shoelace / (side**2 * np.cos(np.radians(lat + side / 2)))

    assert area(0.0, 180.0) == pytest.approx(1.0, rel=1e-6)
    assert area(-60.0, 120.0) == pytest.approx(1.0, rel=1e-5)
    assert area(20.0, 265.0) == pytest.approx(1.0, rel=1e-5)


def test_cell_corners_enclose_their_centres(results):
    coverage = results.coverage
    latitude, longitude = coverage["latitude_deg"].values, coverage["longitude_deg"].values
    corner_lat, corner_lon = maps.cell_corners(latitude, longitude)
    x, y = projection.stereographic(latitude, longitude, True)
    cx, cy = projection.stereographic(corner_lat, corner_lon, True)
    assert np.hypot(cx.mean(axis=1) - x, cy.mean(axis=1) - y).max() < 0.2
    with pytest.raises(ValueError, match="HEALPix"):
        maps.cell_corners(np.array([-80.123]), np.array([10.0]))


def test_unknown_map_variable_is_refused(plot):
    with pytest.raises(ValueError, match="availability_frac"):
        plot.map("no_such_variable")


def test_map_names_do_not_overlap():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.5, 25), rng.normal(0, 0.5, 25)
    lx, ly = maps.spread_labels(x, y, 20.0)
    for side in (lx < np.median(x), lx >= np.median(x)):
        assert (np.diff(np.sort(ly[side])) > 0.9 * 20.0 * 0.036).all()


def test_network_shows_the_links_of_its_instant(results):
    from cislunar.plots.graph import network

    contacts = results.contacts
    t = 0.5 * 86400.0
    live = contacts[(contacts["start_s"] <= t) & (contacts["end_s"] > t)]
    pairs = {frozenset(p) for p in zip(live["source"], live["target"], strict=True)}
    drawn = sum(
        len(trace["x"]) // 3 for trace in network(results, t)["data"] if trace["mode"] == "lines"
    )
    assert drawn == len(pairs) > 0


def test_causes_of_one_family_differ_by_pattern():
    marks = [(colour, pattern) for colour, pattern, _ in style.CAUSES.values()]
    assert len(set(marks)) == len(marks)


def test_readme_picture_is_a_picture(results, tmp_path):
    readme_picture(results, tmp_path / "story.png")
    assert (tmp_path / "story.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_static_figures_are_drawn(plot):
    for figure in (plot.static_orbits(), plot.static_timeline("direct"), plot.static_map()):
        assert figure.axes


def test_a_few_extreme_cells_do_not_flatten_a_map(results):
    from types import SimpleNamespace

    coverage = results.coverage.copy()
    metres = np.full(coverage.sizes["cell"], 100.0)
    metres[0], metres[1:] = 25000.0, np.linspace(50.0, 150.0, metres.size - 1)
    coverage["accuracy_3d_p95_m"] = ("cell", metres)
    run = SimpleNamespace(**{**vars(results), "coverage": coverage})
    marker = maps.coverage_map(run, "accuracy_3d_p95_m", None, Text("en"))["data"]
    marker = next(t["marker"] for t in marker if t.get("marker", {}).get("showscale"))
    assert marker["cmax"] == pytest.approx(145.0, abs=1.0)
    assert "this or more" in marker["colorbar"]["title"]["text"]
    share = maps.coverage_map(run, "availability_frac", None, Text("en"))["data"]
    share = next(t["marker"] for t in share if t.get("marker", {}).get("showscale"))
    assert (share["cmin"], share["cmax"], share["colorbar"]["title"]["text"]) == (0.0, 100.0, "%")
