"""Traverses: the path against closed forms and finite differences, scores against a place at rest."""

from __future__ import annotations

import math
from pathlib import Path as File

import numpy as np
import pytest
import yaml

import cislunar
from cislunar.paths import make_path, read_waypoints
from cislunar.report.fixes import traverse
from cislunar.scenario import resolved_yaml, scenario_from
from cislunar.text import Text
from cislunar.traverse import LEG_COLUMNS, score_traverse, traverse_samples
from orbits.epoch import Epoch
from orbits.errors import InputError

START = Epoch.parse("2030-03-01T00:00:00 UTC")
DAY = 86400.0
EAST = [
    ("2030-03-01T02:00:00 UTC", 0.0, 170.0, 0.0), ("2030-03-01T12:00:00 UTC", 0.0, -170.0, 1000.0),
    ("2030-03-01T22:00:00 UTC", 60.0, -170.0, 1000.0),
]  # fmt: skip
FLEET = {
    "name": "lnss", "operator": "jaxa", "planes": 2, "per_plane": 3, "phasing_deg": 45,
    "orbit": {
        "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6540, "eccentricity": 0.6,
        "inclination_deg": 56.2, "raan_deg": 0, "argument_of_periapsis_deg": 90,
        "mean_anomaly_deg": 0,
    },
    "terminals": ["afs-transmitter"],
}  # fmt: skip
ROUTE = [
    ["2030-03-01T02:00:00 UTC", -89.0, 0.0, 0.0], ["2030-03-01T12:00:00 UTC", -88.0, 20.0, 500.0],
    ["2030-03-01T20:00:00 UTC", -88.0, 20.0, 500.0],
]  # fmt: skip


def scenario(*assets, **more):
    raw = {
        "name": "rover", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": [],
        "fidelity": "kepler", "constellations": [FLEET], "ground_stations": [{"from": "misasa"}],
        "spacecraft": [{
            "name": "relay-1", "operator": "jaxa", "orbit": FLEET["orbit"] | {"mean_anomaly_deg": 30},
            "terminals": ["relay-standard"],
        }],
        "assets": list(assets), "outputs": {"report": []}, **more,
    }  # fmt: skip
    return scenario_from(raw)


def rover(name="rover", **over):
    own = {"name": name, "operator": "jaxa", "terminals": ["afs-receiver", "user-s-medium"]}
    return own | over


@pytest.fixture(scope="module")
def run():
    still = {"latitude_deg": -88.0, "longitude_deg": 20.0, "height_m": 500.0}
    return cislunar.run(scenario(rover(path=ROUTE), rover("camp", **still)), quiet=True)


def test_the_report_has_a_row_a_leg(run):
    for language in ("en", "ja"):
        told = traverse(run, Text(language))
        legs = run.traverse
        assert [r.cells[1].text for r in told["rows"]] == [f"{k}" for k in legs["leg"]]
        assert [r.cells[4].text for r in told["rows"]] == [f"{x:,.1f}" for x in legs["length_km"]]
        assert all(len(r.cells) == len(told["head"]) for r in told["rows"])
        assert told["head"][-1][0] == Text(language)("service.positioning")


# --- the path -----------------------------------------------------------------------------------


def test_a_leg_across_the_date_line_and_one_to_the_north(evidence):
    path = make_path(EAST, START, DAY)
    assert path.lengths_km == pytest.approx(1737.4 * np.radians([20.0, 60.0]), rel=1e-14)
    middle = path.at([7 * 3600.0, 17 * 3600.0])
    want = [[-1737.9, 0.0, 0.0], 1738.4 * np.array([
        math.cos(math.radians(30)) * math.cos(math.radians(-170)),
        math.cos(math.radians(30)) * math.sin(math.radians(-170)), 0.5])]  # fmt: skip
    error = np.abs(middle[:, :3] - want).max()
    # the second leg: on a meridian at a constant rate, along north
    speed = np.linalg.norm(middle[1, 3:])
    assert speed == pytest.approx(1738.4 * math.radians(60.0) / 36000.0, rel=1e-9)
    evidence("traverse", "great circle in closed form", 2, error, 1e-6, "km",
             "instants are TDB, whose second differs from UTC's by a part in 1e9")  # fmt: skip


def test_velocity_is_the_rate_of_position_and_it_rests_outside():
    path = make_path([(t, lat, lon + 33.0, h) for t, lat, lon, h in EAST], START, DAY)
    t = np.array([3.0, 9.5, 12.5, 21.0]) * 3600.0
    h = 1.0
    for state, ahead, behind in zip(path.at(t), path.at(t + h), path.at(t - h), strict=True):
        assert (ahead[:3] - behind[:3]) / (2 * h) == pytest.approx(state[3:], abs=1e-9)
    for north, ahead, behind in zip(
        path.north_at(t), path.north_at(t + h), path.north_at(t - h), strict=True
    ):
        assert (ahead[:3] - behind[:3]) / (2 * h) == pytest.approx(north[3:], abs=1e-11)
        assert np.linalg.norm(north[:3]) == pytest.approx(1.0)
    early, first, late = path.at([0.0, path.t_s[0] - 1.0, DAY])
    assert early == pytest.approx(first)
    assert not early[3:].any()
    assert not late[3:].any()


def test_north_points_north():
    place = make_path(EAST, START, DAY)
    up = place.at([17 * 3600.0])[0, :3]
    north = place.north_at([17 * 3600.0])[0, :3]
    assert north @ up == pytest.approx(0.0, abs=1e-9)
    assert north[2] == pytest.approx(math.cos(math.radians(30.0)), abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (EAST[:1], "fewer than two"),
        ([EAST[1], EAST[0]], "waypoint 2 .* is not later"),
        ([EAST[0], EAST[0]], "waypoint 2 .* is not later"),
        (
            [EAST[0], ("2030-03-03T00:00:00 UTC", 0.0, 0.0, 0.0)],
            "waypoint 2 .* outside the analysis",
        ),
        ([EAST[0], ("2030-03-01T12:00:00 UTC", 0.0, -10.0, 0.0)], "opposite points"),
    ],
)
def test_bad_waypoints_are_one_line(rows, says):
    with pytest.raises(InputError, match=says) as fault:
        make_path(rows, START, DAY)
    assert "\n" not in str(fault.value)
    with pytest.raises(InputError, match=says) as fault:
        scenario(rover(path=[list(r) for r in rows]))
    assert "assets.0.path" in str(fault.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("utc,latitude_deg,longitude_deg,speed\n", "unknown or repeated column 'speed'"),
        ("utc,latitude_deg\n", "no column 'longitude_deg'"),
        ("", "no column 'utc'"),
        ("utc,latitude_deg,longitude_deg\n2030-03-01T02:00:00 UTC,-89,south\n", "row 2"),
        ("utc,latitude_deg,longitude_deg\n2030-03-01T02:00:00 UTC,-89\n", "row 2"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, says):
    file = tmp_path / "route.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=says) as fault:
        read_waypoints(file)
    assert "\n" not in str(fault.value)
    with pytest.raises(InputError, match=says):
        scenario(rover(path_file=str(file)))
    with pytest.raises(InputError, match="no such file"):
        scenario(rover(path_file=str(tmp_path / "none.csv")))


def test_a_file_is_the_same_as_the_waypoints_in_it(tmp_path):
    file = tmp_path / "route.csv"
    file.write_text("height_m,utc,longitude_deg,latitude_deg\n" + "".join(
        f"{h},{t},{lon},{lat}\n" for t, lat, lon, h in ROUTE))  # fmt: skip
    one, other = scenario(rover(path_file=str(file))), scenario(rover(path=ROUTE))
    assert one == other
    assert scenario_from(yaml.safe_load(resolved_yaml(one))) == one
    place = one.assets[0]
    assert (place.latitude_deg, place.longitude_deg) == (-89.0, 0.0)


def test_a_horizon_belongs_to_one_place(tmp_path):
    file = tmp_path / "horizon.txt"
    file.write_text("0 1\n180 2\n")
    with pytest.raises(InputError, match="this one moves"):
        scenario(rover(path=ROUTE, horizon=str(file)))


# --- scores along it ----------------------------------------------------------------------------


def test_where_it_rests_it_has_what_a_place_at_rest_has(run):
    moving = traverse_samples(run, "rover")
    rest = moving["t_s"].between(12 * 3600.0 + 1.0, 20 * 3600.0)
    assert rest.sum() > 400
    assert moving.loc[rest, "latitude_deg"].to_numpy() == pytest.approx(-88.0, abs=1e-9)
    rover_, camp = (run.tracks.states[n][rest.to_numpy()] for n in ("rover", "camp"))
    assert rover_ == pytest.approx(camp, abs=1e-8)
    gaps = run.gaps
    for service in ("relay", "positioning"):
        found = []
        for place in ("rover", "camp"):
            rows = gaps[(gaps.place == place) & (gaps.service == service)]
            edges = rows[["start_s", "end_s"]].to_numpy(dtype=float).clip(43300.0, 72000.0)
            found.append(edges[edges[:, 1] > edges[:, 0]].round(2).tolist())
        assert found[0] == found[1], service


def test_its_elevations_are_those_of_the_moving_place(run):
    """Visible sources counted anew from the path and the sources' states, in the Moon's axes."""
    tracks = run.tracks
    place = tracks.states["rover"][:, :3]
    up = place / np.linalg.norm(place, axis=1)[:, None]
    moving = traverse_samples(run, "rover")
    count = np.zeros(len(moving), int)
    for k in range(1, 7):
        line = tracks.states[f"lnss-{k}"][:, :3] - place
        sine = np.einsum("ti,ti->t", line, up) / np.linalg.norm(line, axis=1)
        count += sine >= math.sin(math.radians(5.0))
    assert (count == moving["visible"]).mean() > 0.995  # but for instants next to an edge


def test_scores_by_leg(run):
    legs = score_traverse(run, "rover")
    assert tuple(legs.columns) == LEG_COLUMNS
    assert legs["leg"].tolist() == [1, 2]
    assert legs["length_km"].tolist() == pytest.approx([33.7827, 0.0], abs=1e-3)
    moving = traverse_samples(run, "rover")
    first = moving[moving["leg"] == 1]
    assert abs(legs["relay_availability_frac"][0] - first["relay"].mean()) < 3 / len(first)
    fixes = first["gdop"].dropna()
    assert legs["gdop_p50"][0] == pytest.approx(np.median(fixes.to_numpy(float)), rel=0.05)
    assert run.traverse.equals(legs)


def test_only_an_asset_that_moves_is_a_traverse(run):
    for name in ("camp", "nobody"):
        with pytest.raises(InputError, match=r"moves.*allowed: rover"):
            score_traverse(run, name)


def test_its_table_is_a_product(run, tmp_path):
    folder: File = run.save(tmp_path / "out", report=False)
    assert (folder / "traverse.csv").read_text().startswith(",".join(LEG_COLUMNS[:4]))
    again = cislunar.load_results(folder).traverse
    assert again["relay_availability_frac"].to_numpy() == pytest.approx(
        run.traverse["relay_availability_frac"].to_numpy(), abs=1e-4)  # fmt: skip
