"""Keplerian elements against boinor, published constellations, and back again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbits.constants import GM_MOON_KM3_S2
from orbits.elements import (
    check_clears_moon,
    elements_from_state,
    mean_to_true,
    on_frozen_axes,
    state_from_elements,
    to_frozen_axes,
    true_to_mean,
)
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.propagate import propagate_kepler

DE440 = De440.open()
angle = st.floats(0.0, 2 * np.pi)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1800, 1e5), st.floats(1e-3, 0.95), st.floats(0.01, np.pi - 0.01), angle, angle, angle
)
def test_there_and_back(a, e, i, raan, argp, mean):
    state = state_from_elements(a, e, i, raan, argp, mean)
    back = elements_from_state(state)
    assert back[0] == pytest.approx(a, rel=1e-9)
    assert back[1] == pytest.approx(e, abs=1e-10)
    assert back[2] == pytest.approx(i, abs=1e-9)
    again = state_from_elements(*back)
    assert np.allclose(again[:3], state[:3], atol=1e-6 * a / 1e3)
    energy = state[3:] @ state[3:] / 2 - GM_MOON_KM3_S2 / np.linalg.norm(state[:3])
    assert energy == pytest.approx(-GM_MOON_KM3_S2 / (2 * a), rel=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.floats(-20, 20), st.floats(0, 0.99))
def test_kepler_equation(mean, e):
    assert true_to_mean(mean_to_true(mean, e), e) == pytest.approx(mean, abs=1e-11 / (1 - e) ** 1.5)


@pytest.mark.filterwarnings("ignore")  # boinor's imports deprecate much of astropy
def test_matches_boinor(evidence):
    from boinor.core.elements import coe2rv, rv2coe

    rng = np.random.default_rng(5)
    worst = 0.0
    for _ in range(50):
        a, e = rng.uniform(2000, 2e4), rng.uniform(0.01, 0.8)
        i, raan, argp, mean = rng.uniform(0.05, 3.0), *rng.uniform(0, 6.28, 3)
        true = float(mean_to_true(mean, e))
        r, v = coe2rv(GM_MOON_KM3_S2, a * (1 - e * e), e, i, raan, argp, true)
        ours = state_from_elements(a, e, i, raan, argp, mean)
        worst = max(worst, np.linalg.norm(ours[:3] - r), 1e3 * np.linalg.norm(ours[3:] - v))
        p, e2, i2, raan2, argp2, _ = rv2coe(GM_MOON_KM3_S2, np.array(r), np.array(v))
        back = elements_from_state(np.r_[r, v])
        assert back[0] * (1 - back[1] ** 2) == pytest.approx(p, rel=1e-10)
        assert back[1:5] == pytest.approx(
            [e2, i2, raan2 % (2 * np.pi), argp2 % (2 * np.pi)], abs=1e-8
        )
    evidence(
        "elements to states", "boinor 0.20 (poliastro's successor)", 50, worst * 1e6, 1.0, "mm",
        "two closed formulas in double precision",
    )  # fmt: skip


def test_lcrns_reference_constellation(validation, evidence):
    data = validation("elfo.yaml")["catalogue"]
    record = next(r for r in data if r["id"] == "lcrns_reference_3p1")
    epoch = Epoch.parse(f"{record['epoch']}")
    first = None
    for row, i_op, argp_op, period in zip(
        record["rows"], record["derived"]["i_op_deg"], record["derived"]["argp_op_deg"],
        record["derived"]["period_h"], strict=True,
    ):  # fmt: skip
        _, a, e, *angles = row
        state = on_frozen_axes(
            state_from_elements(a, e, *np.radians(angles)), "MOON_PA", epoch, 0.0, DE440
        )
        first = state if first is None else first
        plane = elements_from_state(to_frozen_axes(state, "MOON_OP", epoch, 0.0, DE440))
        assert np.degrees(plane[2]) == pytest.approx(i_op, abs=record["tolerance"]["i_op_deg"])
        assert np.degrees(plane[4]) == pytest.approx(argp_op, abs=record["tolerance"]["i_op_deg"])
        hours = 2 * np.pi * np.sqrt(a**3 / GM_MOON_KM3_S2) / 3600
        assert hours == pytest.approx(period, abs=record["tolerance"]["period_h"])
    published = np.array(record["derived"]["sat1_state_ICRF_km_km_s"])
    evidence(
        "elements in frozen MOON_PA axes to ICRF", "LCRNS Reference Constellation 3.1, satellite 1", 1,
        np.linalg.norm(first[:3] - published[:3]), record["tolerance"]["state_km"], "km",
        record["tolerance"]["reason"],
    )  # fmt: skip
    assert np.linalg.norm(first[3:] - published[3:]) < 5e-4


def test_moonlight_elements_change_frame(validation, evidence):
    record = next(r for r in validation("elfo.yaml")["catalogue"] if r["id"] == "moonlight_like")
    given_, expected = record["elements"], record["derived"]
    epoch = Epoch.parse(record["epoch"])
    i, raan, argp, true = np.radians(
        [given_[k] for k in ("i_deg", "node_deg", "argp_deg", "true_anomaly_deg")]
    )
    mean = true_to_mean(true, given_["e"])
    state = state_from_elements(given_["a_km"], given_["e"], i, raan, argp, mean)
    plane = np.degrees(elements_from_state(to_frozen_axes(state, "MOON_OP", epoch, 0.0, DE440)))
    equator = np.degrees(elements_from_state(to_frozen_axes(state, "MOON_ME", epoch, 0.0, DE440)))
    named = expected["op_frame"]
    misses = [
        *(plane[2:] - [named[k] for k in ("i_deg", "node_deg", "argp_deg", "M_deg")]),
        equator[2] - expected["lunar_equator"]["i_deg"],
        equator[4] - expected["lunar_equator"]["argp_deg"],
    ]
    evidence(
        "elements from ICRF to MOON_OP and the lunar equator", "LCNS-type element set", len(misses),
        np.abs(misses).max(), record["tolerance"]["angle_deg"], "deg", record["tolerance"]["reason"],
    )  # fmt: skip


def test_two_body_flight_returns_after_a_period():
    state = state_from_elements(6541.4, 0.6, 1.0, 2.0, 1.5, 0.3)
    period = 2 * np.pi * np.sqrt(6541.4**3 / GM_MOON_KM3_S2)
    epoch = Epoch.parse("2030-01-01T00:00:00 TDB")
    flown = propagate_kepler(state, epoch, [-period, 0.0, period / 3, 5 * period], GM_MOON_KM3_S2)
    assert np.abs(flown.states[[0, 1, 3]] - state).max() < 1e-7
    assert np.allclose(
        np.cross(flown.states[:, :3], flown.states[:, 3:]), np.cross(state[:3], state[3:])
    )


def test_degenerate_orbits_have_elements():
    flat = elements_from_state([7000.0, 0, 0, 0, np.sqrt(GM_MOON_KM3_S2 / 7000), 0])
    assert flat == pytest.approx([7000, 0, 0, 0, 0, 0], abs=1e-9)
    tilted = state_from_elements(7000.0, 0.0, 1.0, 2.0, 0.0, 0.5)
    assert elements_from_state(tilted) == pytest.approx([7000, 0, 1, 2, 0, 0.5], abs=1e-9)


@pytest.mark.parametrize(
    ("a", "e", "said"),
    [(-7000, 0.5, "semi-major"), (7000, 1.2, "eccentricity"), (7000, -0.1, "0 <= e")],
)
def test_impossible_elements(a, e, said):
    with pytest.raises(InputError, match=said):
        state_from_elements(a, e, 0, 0, 0, 0)


def test_unbound_and_crossing():
    with pytest.raises(InputError, match="bound"):
        elements_from_state([7000.0, 0, 0, 0, 5.0, 0])
    with pytest.raises(InputError, match="inside the Moon"):
        check_clears_moon(6541.4, 0.75)
    check_clears_moon(6541.4, 0.6)
