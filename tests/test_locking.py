"""Shot orbits over years, at the ends of the data and at awkward phases; their linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from orbits.correct import fly
from orbits.cr3bp import EARTH_MOON
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.families import dro, halo, nrho
from orbits.forces import ForceModel
from orbits.propagate import propagate
from orbits.shooting import least_norm

DAY = 86400.0
START = Epoch.parse("2030-03-01T00:00:00 UTC")
POINTS = ForceModel.point_mass()


@pytest.fixture(scope="module")
def de440():
    return De440.open()


def heights_km(flown, de440, period_s):
    """Largest |z| of each revolution over the Earth's orbit plane, at the record's distance."""
    earth = de440.state("earth", "moon", flown.epoch, flown.t_s)
    normal = np.cross(earth[:, :3], earth[:, 3:])
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    z = (flown.states[:, :3] * normal).sum(axis=1) / np.linalg.norm(earth[:, :3], axis=1)
    turn = (flown.t_s // period_s).astype(int)
    return np.array([np.abs(z[turn == k]).max() for k in range(turn[-1])]) * EARTH_MOON.lu_km


def test_least_norm_is_the_least(evidence):
    """Against a dense pseudo-inverse of all the gaps at once."""
    rng = np.random.default_rng(1)
    phi, gaps = rng.normal(size=(5, 6, 6)), rng.normal(size=(5, 6))
    weights = np.repeat([4.0, 0.01], 3)
    dense = np.zeros((30, 36))
    for k in range(5):
        dense[6 * k : 6 * k + 6, 6 * k : 6 * k + 6] = phi[k]
        dense[6 * k : 6 * k + 6, 6 * k + 6 : 6 * k + 12] = -np.eye(6)
    root = np.tile(np.sqrt(weights), 6)
    expected = root * (np.linalg.pinv(dense * root) @ -gaps.ravel())
    change = least_norm(phi, gaps, weights).ravel()
    evidence(
        "least-norm step of multiple shooting", "dense pseudo-inverse (numpy)", 36,
        float(np.abs(change - expected).max()), 1e-10, "-", "random blocks",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("point", "branch", "height"), [("L2", "southern", 13000), ("L1", "northern", 25000)]
)
def test_a_halo_keeps_its_height_for_five_years(de440, point, branch, height):
    orbit = halo(point, branch, height)
    flown = fly(orbit, 0.0, START, 0.0, 5 * 365 * DAY, 7200.0, de440, POINTS)
    notes = flown.notes
    assert notes["locked_to"] == "height"
    assert notes["mean_period_days"] == pytest.approx(notes["locked_period_days"], abs=0.01)
    heights = heights_km(flown, de440, notes["mean_period_days"] * DAY)
    assert np.median(heights) == pytest.approx(height, rel=0.06)
    assert heights.min() > 0.85 * height
    assert heights.max() < 1.15 * height
    said = notes["amplitude_z_flown_km"]
    assert said["median"] == pytest.approx(np.median(heights), rel=0.02)
    # the CR3BP period in units of the real month is near, but not what keeps the height
    month = orbit.period_nd / (2 * np.pi) * 27.321661
    assert 0.01 < month - notes["mean_period_days"] < 0.03


def test_a_nrho_keeps_its_resonance_for_five_years(de440, evidence):
    orbit = nrho("L2", "southern", resonance="9:2")
    flown = fly(orbit, 0.0, START, 0.0, 5 * 365 * DAY, 1800.0, de440, POINTS)
    distance = np.linalg.norm(flown.states[:, :3], axis=1)
    low = np.flatnonzero((distance[1:-1] < distance[:-2]) & (distance[1:-1] < distance[2:])) + 1
    expected = 2 / 9 * 29.530589
    assert len(low) == pytest.approx(5 * 365 / expected, abs=1)
    days = np.polyfit(np.arange(len(low)), flown.t_s[low], 1)[0] / DAY
    evidence(
        "9:2 NRHO for five years, mean revolution", "2/9 of a synodic month", len(low),
        abs(days - expected), 0.01, "day", "locked to the resonance; perilunes found on the output",
    )  # fmt: skip
    assert distance.max() < 77000
    assert distance.min() > 2500
    assert flown.notes["worst_position_gap_m"] <= 1e-3
    assert flown.notes["worst_velocity_gap_mm_s"] <= 1e-3
    assert flown.notes["strays_km"] < 6000


@pytest.mark.parametrize(
    ("when", "days"), [("2050-12-01", 28), ("2050-01-10", 350), ("1900-01-03", 28)]
)
def test_a_halo_at_the_ends_of_the_data(de440, when, days):
    orbit = halo("L2", "southern", 13000)
    epoch = Epoch.parse(f"{when}T00:00:00 TDB")
    notes = fly(orbit, 30.0, epoch, 0.0, days * DAY, 3600.0, de440, POINTS).notes
    assert notes["mean_period_days"] == pytest.approx(notes["locked_period_days"], abs=0.01)
    assert notes["mean_period_days"] == pytest.approx(14.79, abs=0.015)  # as at any other epoch
    assert notes["amplitude_z_flown_km"]["median"] == pytest.approx(13000, rel=0.08)


@pytest.mark.parametrize(("when", "phase"), [("2030-03-01", 120.0), ("2030-03-01", 300.0)])
def test_a_far_dro_lasts_from_awkward_phases(de440, when, phase):
    orbit = dro(90000)
    epoch = Epoch.parse(f"{when}T00:00:00 TDB")
    flown = fly(orbit, phase, epoch, 0.0, 365 * DAY, 3600.0, de440, POINTS)
    distance = np.linalg.norm(flown.states[:, :3], axis=1)
    assert 60000 < distance.min() < distance.max() < 1.4 * orbit.apolune_km
    assert flown.notes["mean_period_days"] == pytest.approx(orbit.period_days, abs=0.01)
    assert flown.notes["phase_deg"] == phase
    # stable: the one state gives it all
    again = propagate(
        flown.notes["state_km_km_s"], epoch, flown.t_s, POINTS, de440, rtol=1e-12
    )  # fmt: skip
    np.testing.assert_allclose(again.states[:, :3], flown.states[:, :3], atol=0.01)
