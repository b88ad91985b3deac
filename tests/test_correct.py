"""Periodic orbits flown in DE440: joined, locked in period and phase, and seen from the pole."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from orbits.constants import (
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_MOON_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
)
from orbits.correct import fly, fly_phased, sample_cr3bp, sample_kepler
from orbits.cr3bp import EARTH_MOON
from orbits.ephemeris import De440
from orbits.epoch import Epoch
from orbits.errors import (
    CislunarError,
    ConvergenceError,
    ImpactError,
    SpanError,
)
from orbits.families import butterfly, dro, halo, lyapunov, nrho
from orbits.forces import ForceModel
from orbits.frames import rotation

DAY = 86400.0
YEAR = 365 * DAY
START = Epoch.parse("2030-03-01T00:00:00 UTC")
MONTH_RATIO = 27.321661 * DAY / (2 * math.pi) / EARTH_MOON.tu_s


@pytest.fixture(scope="module")
def de440():
    return De440.open()


@pytest.fixture(scope="module")
def nrho_year(de440):
    orbit = nrho("L2", "southern", resonance="9:2")
    return fly(orbit, 0.0, START, 0.0, YEAR, 600.0, de440, ForceModel.standard())


@pytest.fixture(scope="module")
def halo_year(de440):
    orbit = halo("L2", "southern", 13000)
    return fly(orbit, 120.0, START, 0.0, YEAR, 1800.0, de440, ForceModel.standard())


@pytest.fixture(scope="module")
def three_dros(de440):
    orbit = dro(70000)
    return fly_phased(
        orbit, (0.0, 120.0, 240.0), START, 0.0, YEAR, 1800.0, de440, ForceModel.standard()
    )


def rotating(trajectory, de440):
    """Moon-centred positions on axes made here: x away from the Earth, z along its orbit normal."""
    earth = de440.state("earth", "moon", trajectory.epoch, trajectory.t_s)
    x = -earth[:, :3] / np.linalg.norm(earth[:, :3], axis=1)[:, None]
    z = np.cross(earth[:, :3], earth[:, 3:])
    z /= np.linalg.norm(z, axis=1)[:, None]
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    return np.einsum("nij,nj->ni", axes, trajectory.states[:, :3])


def crossing_times(t, values, keep):
    i = np.flatnonzero((values[:-1] * values[1:] < 0) & keep[:-1])
    return t[i] - values[i] * (t[i + 1] - t[i]) / (values[i + 1] - values[i])


def mean_s(events):
    return np.polyfit(np.arange(len(events)), events, 1)[0]


def reference_flight(state, epoch, t0, t1, de440):
    """Another integrator and another right-hand side: point masses read straight from DE440."""
    masses = (
        ("earth", GM_EARTH_KM3_S2), ("sun", GM_SUN_KM3_S2),
        ("jupiter", GM_JUPITER_KM3_S2), ("venus", GM_VENUS_KM3_S2),
    )  # fmt: skip

    def rates(t, y):
        r = y[:3]
        a = -GM_MOON_KM3_S2 * r / np.linalg.norm(r) ** 3
        for name, gm in masses:
            body = de440.state(name, "moon", epoch, t)[:3]
            away = body - r
            a = a + gm * (away / np.linalg.norm(away) ** 3 - body / np.linalg.norm(body) ** 3)
        return np.concatenate([y[3:], a])

    flown = solve_ivp(rates, (t0, t1), state, method="DOP853", rtol=1e-13, atol=1e-10)
    return flown.y[:, -1]


def test_shot_pieces_are_one_trajectory(de440, evidence):
    model = ForceModel.point_mass()
    worst_m = worst_mm_s = 0.0
    count = 0
    for orbit in (nrho("L2", "southern", resonance="9:2"), halo("L2", "northern", 13000)):
        flown = fly(orbit, 30.0, START, 0.0, 8 * DAY, 3600.0, de440, model)
        assert flown.notes["worst_position_gap_m"] <= 1e-3
        assert flown.notes["worst_velocity_gap_mm_s"] <= 1e-3
        step = 6  # hours: every piece, and every joint between two, is inside one of these
        for i in range(0, len(flown.t_s) - step, step):
            if np.linalg.norm(flown.states[i : i + step + 1, :3], axis=1).min() < 12000:
                continue  # close to perilune a millimetre before is metres after
            end = reference_flight(flown.states[i], START, flown.t_s[i], flown.t_s[i + step], de440)
            miss = end - flown.states[i + step]
            worst_m = max(worst_m, np.linalg.norm(miss[:3]) * 1e3)
            worst_mm_s = max(worst_mm_s, np.linalg.norm(miss[3:]) * 1e6)
            count += 1
    why = "continuous to 1 mm and 1 um/s; 6 h arcs across the joints, flown by scipy from DE440"
    reference = "scipy DOP853 at 1e-13 on point masses from DE440"
    evidence("halo and NRHO flown, position gap", reference, count, worst_m * 1e3, 1.0, "mm", why)
    evidence(
        "halo and NRHO flown, velocity gap", reference, count, worst_mm_s * 1e3, 1.0, "um/s", why
    )


def test_nrho_keeps_its_resonance_for_a_year(nrho_year, evidence):
    distance = np.linalg.norm(nrho_year.states[:, :3], axis=1)
    low = np.flatnonzero((distance[1:-1] < distance[:-2]) & (distance[1:-1] < distance[2:])) + 1
    assert len(low) == 56
    assert distance.max() < 76000
    days = mean_s(nrho_year.t_s[low]) / DAY
    expected = 2 / 9 * 29.530589
    evidence(
        "9:2 NRHO for a year, mean revolution", "2/9 of a synodic month", len(low),
        abs(days - expected), 0.01, "day", "locked to the resonance; perilunes found on the output",
    )  # fmt: skip
    assert nrho_year.notes["mean_period_days"] == pytest.approx(days, abs=0.005)
    perilunes = nrho_year.notes["perilune_flown_km"]
    assert 2900 < perilunes["least"] < perilunes["median"] < perilunes["most"] < 3800
    assert perilunes["median"] == pytest.approx(np.median(distance[low]), abs=60)
    assert nrho_year.notes["worst_position_gap_m"] <= 1e-3
    assert nrho_year.notes["worst_velocity_gap_mm_s"] <= 1e-3
    assert any("unstable" in remark for remark in nrho_year.notes["remarks"])


@pytest.mark.parametrize("phase", [0.0, 100.0, 270.0])
def test_nrho_phase_is_time_since_apolune(de440, phase):
    orbit = nrho("L2", "southern", resonance="9:2")
    period = 2 / 9 * 29.530589 * DAY
    flown = fly(
        orbit, phase, START, -1.2 * period, 1.2 * period, 600.0, de440, ForceModel.standard()
    )
    distance = np.linalg.norm(flown.states[:, :3], axis=1)
    high = np.flatnonzero((distance[1:-1] > distance[:-2]) & (distance[1:-1] > distance[2:])) + 1
    t = flown.t_s[high]
    if phase == 0.0:
        assert np.abs(t).min() < 3 / 360 * period
        return
    before, after = t[t <= 0][-1], t[t > 0][0]
    assert -before / (after - before) * 360 == pytest.approx(phase, abs=3)


def test_halo_keeps_height_and_period_for_a_year(halo_year, de440):
    place = rotating(halo_year, de440)
    t = halo_year.t_s
    # 15.10 days in the record's month; in the Moon's own 14.81, and a little less with the Sun
    period = halo("L2", "southern", 13000).period_days * MONTH_RATIO * DAY
    crossings = crossing_times(t, place[:, 1], np.gradient(place[:, 1]) < 0)
    assert len(crossings) in (24, 25)
    assert mean_s(crossings) == pytest.approx(period, abs=0.03 * DAY)
    assert mean_s(crossings) / DAY == pytest.approx(halo_year.notes["mean_period_days"], abs=0.005)
    assert (place[:, 0] > 30000).all()  # stays about L2
    earth = np.linalg.norm(de440.state("earth", "moon", START, t)[:, :3], axis=1)
    height = np.abs(place[:, 2]) / earth * EARTH_MOON.lu_km
    heights = [
        height[(t >= k * period) & (t <= (k + 1) * period)].max() for k in range(24)
    ]  # fmt: skip
    assert np.median(heights) == pytest.approx(13000, rel=0.08)
    assert min(heights) > 10000
    assert max(heights) < 16000
    # southern: lowest where it is furthest from the Moon
    distance = np.linalg.norm(place, axis=1)
    assert place[distance > np.quantile(distance, 0.9), 2].mean() < -8000
    assert halo_year.notes["strays_km"] < 5000
    assert any("Moon's own month" in remark for remark in halo_year.notes["remarks"])
    # phase 120 degrees at the epoch: a third of a revolution after the crossing
    first = crossings[0]
    assert (1 - first / period) * 360 == pytest.approx(120, abs=12)


def test_phased_halos_keep_step(de440):
    orbit = halo("L2", "southern", 13000)
    days = [
        flown.notes["mean_period_days"]
        for flown in fly_phased(
            orbit, (0.0, 180.0), START, 0.0, 200 * DAY, 3600.0, de440, ForceModel.point_mass()
        )
    ]
    assert abs(days[0] - days[1]) < 0.01


def test_three_dros_stay_apart_for_a_year(three_dros, de440, evidence):
    places = [rotating(flown, de440) for flown in three_dros]
    unit = [p / np.linalg.norm(p, axis=1)[:, None] for p in places]
    apart = [
        np.degrees(np.arccos(np.clip((unit[i] * unit[j]).sum(axis=1), -1, 1))).min()
        for i, j in ((0, 1), (1, 2), (2, 0))
    ]
    assert min(apart) > 50
    t = three_dros[0].t_s
    expected = dro(70000).period_days
    days = []
    for flown, place, phase in zip(three_dros, places, (0.0, 120.0, 240.0), strict=True):
        distance = np.linalg.norm(place, axis=1)
        assert distance.min() > 60000
        assert distance.max() < 115000
        near = crossing_times(t, place[:, 1], place[:, 0] < 0)
        days.append(mean_s(near) / DAY)
        assert flown.notes["mean_period_days"] == pytest.approx(expected, abs=0.01)
        if phase == 0.0:  # the first is at its crossing
            assert abs(place[0, 1]) < 3 / 360 * 2 * math.pi * 70000
            assert place[0, 0] < 0
    assert max(days) - min(days) < 0.01
    evidence(
        "three phased DROs for a year, mean revolution", "period of the 70,000 km DRO", 3,
        max(abs(d - expected) for d in days), 0.01, "day", "locked to the period; crossings found on the output",
    )  # fmt: skip


def test_planar_dro_seen_from_the_south_pole(three_dros, de440):
    t = np.arange(0, 28 * DAY, 600.0)
    states = three_dros[0].at(t)
    body = np.einsum("nij,nj->ni", rotation("MOON_ME", START, t, de440), states[:, :3])
    body[:, 2] += 1737.4  # from the pole
    elevation = np.degrees(np.arcsin(-body[:, 2] / np.linalg.norm(body, axis=1)))
    assert 100 * (elevation > 0).mean() == pytest.approx(40, abs=5)
    assert 100 * (elevation > 5).mean() == pytest.approx(10, abs=5)
    assert elevation.max() < 6.5


def test_dro_state_at_epoch_reproduces_it(three_dros, de440):
    from orbits.propagate import propagate

    flown = three_dros[1]
    t = flown.t_s[:500]
    again = propagate(
        flown.notes["state_km_km_s"], START, t, ForceModel.standard(), de440, rtol=1e-13
    )
    np.testing.assert_allclose(again.states[:, :3], flown.states[:500, :3], atol=1e-5)


def test_closed_world_visibility(validation, evidence):
    """Elevations in the closed world against an independent CR3BP computation."""
    worst = 0.0
    count = 0
    orbits = {
        "vis_nrho_9to2": nrho(
            "L2", "southern", period_days=1.4799795545729917 * EARTH_MOON.tu_days
        ),
        "vis_dro_70000km": dro(EARTH_MOON.lu_km * (1 - EARTH_MOON.mu - 0.8059107931165052)),
    }
    for case_id, orbit in orbits.items():
        case = validation("visibility.yaml", case_id)
        t = (np.arange(100_000) + 0.5) / 100_000 * orbit.period_nd * EARTH_MOON.tu_s
        place = sample_cr3bp(orbit, 0.0, t)[:, :3]
        for site, (lat, lon) in case["inputs"]["sites_lat_lon"].items():
            lat, lon = math.radians(lat), math.radians(lon)
            up = np.array(
                [-math.cos(lat) * math.cos(lon), -math.cos(lat) * math.sin(lon), math.sin(lat)]
            )
            away = place - 1737.1 * up
            sine = away @ up / np.linalg.norm(away, axis=1)
            for mask, percent in case["expected"]["sites"][site]["percent_by_mask"].items():
                seen = 100 * (sine >= math.sin(math.radians(mask))).mean()
                worst = max(worst, abs(seen - percent))
                count += 1
    evidence(
        "NRHO and DRO visibility in the closed world", "independent CR3BP computation", count,
        worst, 0.02, "percent", "the reference counts 400,000 steps a period",
    )  # fmt: skip


def test_closed_world_axes():
    orbit = dro(70000)
    t = np.array([0.0, 3 * DAY])
    turning, fixed = sample_cr3bp(orbit, 0.0, t), sample_cr3bp(orbit, 0.0, t, inertial=True)
    np.testing.assert_allclose(np.linalg.norm(turning[:, :3], axis=1),
                               np.linalg.norm(fixed[:, :3], axis=1))  # fmt: skip
    np.testing.assert_allclose(turning[0], [-70000, 0, 0, *turning[0, 3:]], atol=1e-4)
    # the velocity on fixed axes is the derivative of the position on fixed axes
    h = 10.0
    ahead, behind = (sample_cr3bp(orbit, 0.0, t + s, inertial=True) for s in (h, -h))
    np.testing.assert_allclose((ahead - behind)[:, :3] / (2 * h), fixed[:, 3:], atol=1e-8)


def test_placed_orbit_scales_with_the_moon(de440):
    orbit = dro(70000)
    t = np.array([0.0, 0.25 * orbit.period_days * DAY, 10 * DAY])
    states = sample_kepler(orbit, 0.0, START, t, de440)
    earth = np.linalg.norm(de440.state("earth", "moon", START, t)[:, :3], axis=1)
    at_start = np.linalg.norm(states[0, :3])
    assert at_start == pytest.approx(70000 * earth[0] / EARTH_MOON.lu_km, rel=1e-9)
    h = 30.0
    ahead, behind = (sample_kepler(orbit, 0.0, START, t + s, de440) for s in (h, -h))
    np.testing.assert_allclose((ahead - behind)[:, :3] / (2 * h), states[:, 3:], atol=1e-6)


def test_nrho_without_a_phase_avoids_shadow(de440):
    orbit = nrho("L2", "southern", resonance="9:2")
    flown = fly(orbit, None, START, 0.0, 28 * DAY, 300.0, de440, ForceModel.standard())
    assert any("least shadow" in remark for remark in flown.notes["remarks"])
    sun = de440.state("sun", "moon", START, flown.t_s)[:, :3] - flown.states[:, :3]
    for name, radius in (("moon", 1737.4), ("earth", 6378.137)):
        body = de440.state(name, "moon", START, flown.t_s)[:, :3] - flown.states[:, :3]
        along = (sun * body).sum(axis=1) / np.linalg.norm(sun, axis=1)
        across = np.sqrt(np.maximum((body**2).sum(axis=1) - along**2, 0))
        assert not ((along > 0) & (across < radius)).any()


def test_faults_are_said(de440):
    with pytest.raises(SpanError):
        fly(dro(70000), 0.0, START, 10.0, 10.0, 60.0, de440, ForceModel.standard())
    late = Epoch.parse("2050-12-20T00:00:00 UTC")
    with pytest.raises(SpanError):
        fly(dro(70000), 0.0, late, 0.0, 28 * DAY, 600.0, de440, ForceModel.standard())
    with pytest.raises(CislunarError):  # far DROs do not last in the real system
        fly(dro(250000), 0.0, START, 0.0, YEAR, 3600.0, de440, ForceModel.standard())


def test_butterfly_for_a_year(de440, evidence):
    orbit = butterfly("southern", resonance="9:4")
    flown = fly(orbit, 90.0, START, 0.0, YEAR, 1800.0, de440, ForceModel.standard())
    place = rotating(flown, de440)
    t = flown.t_s
    distance = np.linalg.norm(place, axis=1)
    low = np.flatnonzero((distance[1:-1] < distance[:-2]) & (distance[1:-1] < distance[2:])) + 1
    period = 4 / 9 * 29.530589 * DAY
    assert len(low) in (55, 56)  # two a revolution
    days = 2 * mean_s(t[low]) / DAY
    evidence(
        "butterfly for a year, mean revolution", "4/9 of a synodic month", len(low),
        abs(days - period / DAY), 0.01, "day", "locked to the resonance; perilunes found on the output",
    )  # fmt: skip
    assert flown.notes["mean_period_days"] == pytest.approx(period / DAY, abs=0.01)
    assert flown.notes["worst_position_gap_m"] <= 1e-3
    assert flown.notes["worst_velocity_gap_mm_s"] <= 1e-3
    # lobes on both sides of the Moon, one after the other, and southern
    tops = [place[a:b][distance[a:b].argmax()] for a, b in itertools.pairwise(low)]
    sides = np.sign([p[0] for p in tops])
    assert (sides[1:] == -sides[:-1]).all()
    assert all(p[2] < -50000 for p in tops)
    # a quarter of a revolution after the southernmost point beyond the Moon: about a perilune
    assert distance[np.abs(t) < 0.03 * period].min() < 15000


@pytest.mark.parametrize("point", ["L1", "L2"])
def test_lyapunov_for_a_year(de440, point):
    orbit = lyapunov(point, 20000)
    flown = fly(orbit, 0.0, START, 0.0, YEAR, 1800.0, de440, ForceModel.standard())
    place = rotating(flown, de440)
    earth = np.linalg.norm(de440.state("earth", "moon", START, flown.t_s)[:, :3], axis=1)
    x = place[:, 0] / earth * EARTH_MOON.lu_km
    period = orbit.period_days * MONTH_RATIO * DAY
    for k in range(1, 22):
        turn = (flown.t_s > k * period) & (flown.t_s < (k + 1) * period)
        assert (x[turn].max() - x[turn].min()) / 2 == pytest.approx(20000, rel=0.1)
    assert (np.sign(x) == (1 if point == "L2" else -1)).all()
    assert np.abs(place[:, 2]).max() < 3000
    rising = crossing_times(flown.t_s, place[:, 1], np.gradient(place[:, 1]) > 0)
    assert mean_s(rising) == pytest.approx(period, abs=0.02 * DAY)
    # phase 0: at the crossing on the Earth's side of its libration point
    assert abs(place[0, 1]) < 4000
    assert x[0] == pytest.approx(x.min(), abs=4000)
    assert any("Moon's own month" in remark for remark in flown.notes["remarks"])


def test_nrho_in_four_to_one_for_a_year(de440):
    orbit = nrho("L2", "southern", resonance="4:1")
    flown = fly(orbit, 180.0, START, 0.0, YEAR, 1800.0, de440, ForceModel.standard())
    assert flown.notes["mean_period_days"] == pytest.approx(29.530589 / 4, abs=0.01)
    assert flown.notes["worst_position_gap_m"] <= 1e-3
    assert flown.notes["perilune_flown_km"]["least"] > 5000


@pytest.mark.parametrize(
    ("orbit", "days"),
    [
        (lyapunov("L2", 45000), 365),
        (nrho("L2", "southern", perilune_km=16500), 28),
        (nrho("L1", "southern", perilune_km=15000), 28),
        (butterfly("northern", perilune_km=20000), 28),
    ],
    ids=lambda v: getattr(v, "family", v),
)
def test_where_the_direct_attempt_fails_another_is_made(de440, orbit, days):
    flown = fly(orbit, 0.0, START, 0.0, days * DAY, 3600.0, de440, ForceModel.point_mass())
    period = orbit.period_days * (MONTH_RATIO if orbit.family == "lyapunov" else 1.0)
    assert flown.notes["mean_period_days"] == pytest.approx(period, abs=0.03)
    assert flown.notes["worst_position_gap_m"] <= 1e-3
    assert flown.notes["worst_velocity_gap_mm_s"] <= 1e-3
    distance = np.linalg.norm(rotating(flown, de440), axis=1)
    assert distance.max() < 1.15 * orbit.apolune_km


@pytest.mark.parametrize("when", ["2033-03-15", "2033-11-20"])
def test_a_far_dro_lasts_a_year_at_awkward_epochs(de440, when):
    epoch = Epoch.parse(f"{when}T00:00:00 UTC")
    flown = fly(dro(90000), 0.0, epoch, 0.0, YEAR, 3600.0, de440, ForceModel.point_mass())
    place = rotating(flown, de440)
    distance = np.linalg.norm(place, axis=1)
    assert 70000 < distance.min() < distance.max() < 1.4 * dro(90000).apolune_km
    near = crossing_times(flown.t_s, place[:, 1], place[:, 0] < 0)
    assert mean_s(near) / DAY == pytest.approx(dro(90000).period_days, abs=0.02)
    assert place[0, 0] < 0
    assert abs(math.degrees(math.atan2(place[0, 1], -place[0, 0]))) < 6


def test_what_cannot_be_flown_is_said(de440):
    model = ForceModel.point_mass()
    with pytest.raises(ConvergenceError, match="residual"):  # where the family folds
        fly(butterfly("northern", 20000), 0.0, START, 0.0, YEAR, 3600.0, de440, model)
    early = Epoch.parse("1990-03-01T00:00:00 UTC")
    with pytest.raises(ImpactError, match="meets the Moon") as fault:
        fly(butterfly("northern", 2000), 180.0, early, 0.0, YEAR, 3600.0, de440, model)
    assert fault.value.body == "moon"
    assert 0 < fault.value.t_s < YEAR
