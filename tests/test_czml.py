"""CZML is read by czml3, and interpolates back to the trajectory as Cesium does it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from orbits.czml import czml_packets, write_czml
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.frames import transform
from orbits.interpolate import hermite_many
from orbits.propagate import propagate_kepler
from orbits.trajectory import Trajectory

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 UTC")


@pytest.fixture(scope="module")
def path():
    state = state_from_elements(6541.4, 0.6, 1.0, 0.4, math.pi / 2, 0.0)
    return propagate_kepler(state, START, np.arange(0.0, 2 * 86400 + 1, 60.0), 4902.8)


def test_czml3_reads_it(path, tmp_path):
    import czml3

    file = tmp_path / "orbits.czml"
    write_czml({"elfo-1": path, "elfo-2": path}, file, DE440, title="two", trail_s=3600.0)
    data = json.loads(file.read_text(encoding="utf-8"))
    document = czml3.Document.model_validate(data)
    assert [p.id for p in document.packets] == ["document", "moon", "elfo-1", "elfo-2"]
    again = json.loads(document.dumps())
    assert again[2]["path"]["leadTime"] == 3600.0
    assert len(again[2]["position"]["cartesianVelocity"]) % 7 == 0


def test_positions_come_back(path):
    packets = czml_packets({"elfo": path}, DE440)
    assert [p["id"] for p in packets] == ["document", "moon", "elfo"]
    assert packets[0]["version"] == "1.0"
    assert packets[0]["clock"]["interval"].startswith("2030-03-01T00:00:00.000000Z/2030-03-0")
    position = packets[2]["position"]
    assert position["referenceFrame"] == "INERTIAL"
    assert position["interpolationAlgorithm"] == "HERMITE"
    rows = np.array(position["cartesianVelocity"]).reshape(-1, 7)
    assert len(rows) < path.t_s.size / 2
    # Cesium: a Hermite polynomial through the four nearest points and their velocities (degree 7)
    assert position["interpolationDegree"] == 7
    t = path.t_s[1::7].copy()
    seen = hermite_many(rows[:, 0].copy(), rows[:, 1:].copy(), t) / 1e3
    truth = transform(path.at(t), "MOON_ICRF", "EARTH_ICRF", START, t, DE440)
    assert np.abs(seen - truth)[:, :3].max() < 2e-5
    moon = np.array(packets[1]["position"]["cartesianVelocity"]).reshape(-1, 7)
    seen = hermite_many(moon[:, 0].copy(), moon[:, 1:].copy(), t) / 1e3
    truth = DE440.state("moon", "earth", START, t)
    assert np.abs(seen - truth)[:, :3].max() < 1e-4


def test_other_frames_and_epochs(path):
    earth = transform(path.states, "MOON_ICRF", "EARTH_ICRF", START, path.t_s, DE440)
    moved = Trajectory(START, path.t_s, earth, "EARTH_ICRF").rebased(START + 600.0)
    one = czml_packets({"a": path}, DE440)[2]["position"]["cartesianVelocity"]
    two = czml_packets({"a": moved}, DE440)[2]
    rows = np.array(two["position"]["cartesianVelocity"]).reshape(-1, 7)
    assert rows[0, 0] == -600.0
    assert np.abs(rows[0, 1:] - np.array(one[1:7])).max() < 1e-3
    assert two["availability"].startswith("2030-03-01T00:00:00.000000Z/")


def test_bad_input(path):
    with pytest.raises(InputError, match="wants a trajectory"):
        czml_packets({}, DE440)
    with pytest.raises(InputError, match="file's own"):
        czml_packets({"Moon": path}, DE440)
