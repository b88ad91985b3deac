"""Linear covariance and Monte Carlo agree within statistics; both keep the laws of the flow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.dispersion import diagonal_covariance, disperse, propagate_covariance
from orbits.elements import state_from_elements
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import ImpactError, InputError
from orbits.forces import ForceModel
from orbits.propagate import propagate

DE440 = De440.open()
START = Epoch.parse("2030-03-01T00:00:00 TDB")
DAY = 86400.0
STATE = state_from_elements(9750.0, 0.6, 0.9, 0.3, 1.5, 0.5)
MODEL = ForceModel(degree=8)


def test_linear_and_monte_carlo_agree(evidence):
    """Sampled over predicted variances lie on a Wishart law: relative sigma sqrt(2 / (n - 1))."""
    p0, t = diagonal_covariance(0.001, 1e-8), np.array([0.5, 1.0, 3.0]) * DAY
    count = 1000
    _, linear, _ = propagate_covariance(STATE, p0, START, t, DE440, MODEL)
    cloud = disperse(STATE, p0, START, t, DE440, MODEL, count=count, seed=5)
    worst = 0.0
    for ours, theirs in zip(linear, cloud.covariance, strict=True):
        ratio = np.diag(theirs) / np.diag(ours)
        worst = max(worst, np.abs(ratio - 1).max() / math.sqrt(2 / (count - 1)))
        scale = np.sqrt(np.diag(ours))  # correlations too, to their sampling errors
        assert np.abs((theirs - ours) / np.outer(scale, scale)).max() < 4 * math.sqrt(2 / count)
    evidence(
        "covariance of a state after 3 days", "Monte Carlo of 1,000 flights", 18, worst, 4.0,
        "sigma", "sampling of variances",
    )  # fmt: skip
    assert cloud.position_km(0.5)[2] < cloud.position_km(0.99)[2]
    nominal = propagate(STATE, START, [0.0, 3 * DAY], MODEL, DE440).states[1]
    assert np.linalg.norm((cloud.mean[2] - nominal)[:3]) < 0.1 * math.sqrt(
        np.trace(linear[2][:3, :3])
    )


def test_states_are_the_flight_and_matrices_chain():
    t = np.array([0.0, 0.2, 1.0, 2.5]) * DAY
    states, _, phi = propagate_covariance(STATE, np.eye(6), START, t, DE440, MODEL)
    flown = propagate(STATE, START, t, MODEL, DE440)
    assert np.linalg.norm((states - flown.states)[:, :3], axis=1).max() < 1e-4
    assert np.array_equal(phi[0], np.eye(6))
    _, _, once = propagate_covariance(STATE, np.eye(6), START, t[-1:], DE440, MODEL)
    assert np.abs(phi[-1] - once[0]).max() < 1e-7 * np.abs(once[0]).max()


@settings(max_examples=10, deadline=None)
@given(st.floats(3000, 15000), st.floats(0, 0.3), st.floats(0, 3.1), st.floats(0.1, 3.0))
def test_volume_is_kept(a, e, i, days):
    """Liouville: without noise the determinant of the covariance does not change."""
    p0 = diagonal_covariance(1.0, 1e-3)
    start = state_from_elements(a, e, i, 0.5, 1.0, 0.0)
    _, p, phi = propagate_covariance(start, p0, START, [days * DAY], DE440, MODEL)
    assert np.linalg.det(phi[0]) == pytest.approx(1.0, abs=1e-7)
    scale = np.sqrt(np.diag(p0))
    assert (np.linalg.eigvalsh(p[0] / np.outer(scale, scale)) > -1e-6 * np.trace(p[0])).all()


def test_noise_alone_grows_as_white_acceleration():
    q, h = 1e-18, 600.0
    _, p, _ = propagate_covariance(
        state_from_elements(60000.0, 0.0, 1.0, 0, 0, 0), np.zeros((6, 6)), START,
        np.arange(1, 11) * 60.0, DE440, MODEL, noise_km2_s3=q,
    )  # fmt: skip
    assert p[-1][0, 0] == pytest.approx(q * h**3 / 3, rel=1e-3)
    assert p[-1][0, 3] == pytest.approx(q * h**2 / 2, rel=1e-3)
    assert p[-1][3, 3] == pytest.approx(q * h, rel=1e-3)


def test_a_seed_repeats_and_faults_are_named():
    p0, t = diagonal_covariance(1.0, 1e-5), [DAY]
    one, two, three = (
        disperse(STATE, p0, START, t, DE440, MODEL, count=20, seed=s).states for s in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert np.abs(one - three).max() > 0.1
    down = state_from_elements(3000.0, 0.5, 1.0, 0.0, 0.0, np.pi)
    with pytest.raises(ImpactError):
        disperse(down, p0, START, [DAY / 4], DE440, MODEL, count=8, seed=0, impact=True)
    for call, message in (
        (lambda: disperse(STATE, p0, START, t, DE440, count=1, seed=0), "cloud of 1"),
        (lambda: disperse(STATE, -p0, START, t, DE440, count=5, seed=0), "symmetric"),
        (lambda: propagate_covariance(STATE, np.eye(3), START, t, DE440), "covariance"),
        (lambda: propagate_covariance(STATE, p0, START, [-5.0], DE440), "times must increase"),
        (lambda: diagonal_covariance(-1.0, 0.0), "not negative"),
    ):
        with pytest.raises(InputError, match=message):
            call()
