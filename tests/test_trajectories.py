"""Orbit records turned into motion: frames of the three worlds."""

import numpy as np
import pytest

import cislunar
from cislunar.nodes import expand_nodes
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.constants import CR3BP_LU_KM, CR3BP_MU
from orbits.ephemeris import De440
from orbits.frames import transform

T_S = np.linspace(0.0, 86400.0, 1441)


def flown(fidelity, **orbit):
    scenario = cislunar.Scenario(
        name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1.0, fidelity=fidelity,
        spacecraft=[{"name": "craft", "orbit": orbit}], options=[],
    )  # fmt: skip
    ephemeris = De440.open()
    craft = build_trajectories(scenario, expand_nodes(scenario), ephemeris)["craft"]
    world = build_world(fidelity, scenario.start, T_S, ephemeris)
    return craft.states, np.einsum("tij,tj->ti", world.moon_axes, craft.states[:, :3]), world


@pytest.mark.parametrize("fidelity", ["cr3bp", "kepler"])
def test_a_polar_orbit_about_the_moons_own_axis_passes_over_the_pole(fidelity):
    _, body, _ = flown(
        fidelity, kind="keplerian", frame="MOON_ME", semi_major_axis_km=2000, eccentricity=0.0,
        inclination_deg=90, raan_deg=0, argument_of_periapsis_deg=0, mean_anomaly_deg=0,
    )  # fmt: skip
    assert body[0] == pytest.approx([2000.0, 0.0, 0.0], abs=0.01)  # over longitude 0
    highest = np.degrees(np.arcsin(body[:, 2] / 2000.0)).max()
    assert highest > 88.0  # 60 s steps come within a degree and a half; the libration takes 5 deg


@pytest.mark.parametrize(
    ("frame", "place_km"),
    [
        ("MOON_ME", (2000.0, 0.0, 0.0)),
        ("EARTH_MOON_ROTATING", ((1.0 - CR3BP_MU) * CR3BP_LU_KM - 2000.0, 0.0, 0.0)),
    ],
)
def test_a_state_beside_the_closed_worlds_moon_lies_toward_its_earth(frame, place_km):
    states, body, world = flown(
        "cr3bp", kind="state", frame=frame, state_km_km_s=[*place_km, 0.0, 1.5, 0.0]
    )
    assert body[0] == pytest.approx([2000.0, 0.0, 0.0], abs=1e-6)
    # the velocity is relative to the turning frame: the frame's own motion comes on top
    turning = np.einsum("ij,j->i", world.moon_axes[0], states[0, 3:])
    turning += np.einsum("ij,j->i", world.moon_rate[0], states[0, :3])
    assert turning == pytest.approx([0.0, 1.5 if frame == "MOON_ME" else -1.5, 0.0], abs=1e-9)


def test_the_tracked_dro_a_flies_from_the_catalogue_to_its_next_element_set(validation, evidence):
    case = validation("flight_dro.yaml", "dro_a_coast_41d")
    later = case["inputs"]["compare_with"]
    scenario = cislunar.Scenario(
        name="x", epoch="2025-05-07T00:00:00 TT", duration_days=case["inputs"]["days"],
        step_s=600, spacecraft=[{"from": "dro-a-2025-05-07"}], options=[],
    )  # fmt: skip
    flown = build_trajectories(scenario, expand_nodes(scenario), De440.open())
    states = flown["dro-a-2025-05-07"].states[-1]
    t = np.array([scenario.duration_s])
    end = transform(states[None], "MOON_ICRF", "EARTH_ICRF", scenario.start, t, De440.open())[0]
    miss_km = float(np.linalg.norm(end[:3] - np.array(later["state_km_km_s"])[:3]))
    gate_km = case["expected"]["gate_position_km"]
    assert miss_km < gate_km
    evidence(
        "DRO-A from the catalogue, 41 days in the standard force model",
        "Bill Gray, orbits fitted to optical astrometry", 1, miss_km, gate_km, "km",
        "scatter of orbit determination and attitude-dependent solar pressure",
    )  # fmt: skip
