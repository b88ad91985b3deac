"""Antenna patterns, noise of the Moon and the Sun, and links that they shape."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from cislunar import catalog
from cislunar.access import find_access
from cislunar.beam import added_noise_k, losses_at
from cislunar.link_models.antenna import (
    NOTHING_DBI,
    Pattern,
    disc_share,
    dish_gain_dbi,
    encircled,
    pattern_of,
)
from cislunar.link_models.noise import disc_noise_k, moon_noise_k, sun_brightness_k
from cislunar.links import budget_at, close_links, directed_window
from cislunar.pointing import angle_rad, axes, azimuth_elevation_rad
from cislunar.terminal_records import Terminal
from orbits.errors import InputError

DEG = math.pi / 180.0
scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))


def terminal(name, **changes):
    record = {k: v for k, v in catalog.get("terminals", name).items() if k in Terminal.model_fields}
    for half in ("antenna", "transmit", "receive"):
        if half in changes:
            record[half] = {**record[half], **changes.pop(half)}
    return Terminal(**record, **changes)


def dish(kind, diameter_m=34.0, efficiency=0.74, mhz=8420.0):
    ratio = diameter_m * mhz * 1e6 / 299792458.0
    gain = dish_gain_dbi(diameter_m, efficiency, mhz)
    return Pattern(kind, gain, 70.0 / ratio * DEG, ratio)


# --- patterns ----------------------------------------------------------------------------------


def test_patterns_peak_and_half_power():
    uniform = dish("airy", efficiency=1.0)
    half = 0.5 * 58.9 * DEG / uniform.diameter_wavelengths  # Balanis: 58.9 lambda / D
    assert uniform.gain_dbi(0.0) - uniform.gain_dbi(half) == pytest.approx(3.0, abs=0.03)
    null = math.asin(1.21967 / uniform.diameter_wavelengths)  # first zero of J1
    assert uniform.gain_dbi(null) < uniform.peak_dbi - 60.0
    lobe = uniform.gain_dbi(np.linspace(null, 1.8 * null, 2001)).max()
    assert uniform.peak_dbi - lobe == pytest.approx(17.57, abs=0.02)  # first side lobe
    for kind in ("gaussian", "itu-s465", "itu-s580"):
        p = dish(kind)
        assert p.gain_dbi(0.0) == p.peak_dbi
        assert p.peak_dbi - p.gain_dbi(0.5 * p.width_rad) == pytest.approx(3.0, abs=1e-9)
    wide = Pattern("cosine", 6.0, 80.0 * DEG)
    assert wide.peak_dbi - wide.gain_dbi(40.0 * DEG) == pytest.approx(3.0103, abs=1e-4)
    half_sphere = Pattern("hemispherical", 3.0)
    assert half_sphere.gain_dbi([0.0, 1.5, 1.6]).tolist() == [3.0, 3.0, NOTHING_DBI]
    listed = Pattern("table", 5.0, table=((0.0, 5.0), (1.0, 1.0), (2.0, -9.0)))
    assert listed.gain_dbi([0.5, 1.5, 3.0]).tolist() == [3.0, -4.0, -9.0]


def test_itu_envelopes_at_their_published_points():
    wide, tight = dish("itu-s465"), dish("itu-s580")
    degrees = np.array([5.0, 10.0, 20.0, 40.0, 60.0])
    assert wide.gain_dbi(degrees * DEG) == pytest.approx(
        [32 - 25 * math.log10(a) for a in (5, 10, 20, 40)] + [-10.0], abs=1e-9
    )
    assert tight.gain_dbi(np.array([5.0, 20.0, 23.0, 40.0, 90.0]) * DEG) == pytest.approx(
        [29 - 25 * math.log10(5), 29 - 25 * math.log10(20), -3.5, 32 - 25 * math.log10(40), -10.0],
        abs=1e-9,
    )
    assert (tight.gain_dbi(np.linspace(0, 3, 999)) <= wide.gain_dbi(np.linspace(0, 3, 999))).all()


def test_all_the_power_of_a_pattern_is_on_the_sphere(evidence):
    worst = 0.0
    uniform = dish("airy", efficiency=1.0)
    worst = max(worst, abs(encircled(uniform)[1][-1] - 1.0))
    # an isotropic antenna, half a sphere at twice the gain, and cos^q at 2 (q + 1): all lossless
    q = math.log(0.5) / math.log(math.cos(30.0 * DEG))
    for pattern in (
        Pattern("isotropic", 0.0),
        Pattern("hemispherical", 10 * math.log10(2.0)),
        Pattern("cosine", 10 * math.log10(2.0 * (q + 1.0)), 60.0 * DEG),
    ):
        worst = max(worst, abs(encircled(pattern)[1][-1] - 1.0))
    evidence(
        "antenna patterns radiate all their power", "integral of gain / 4 pi (closed forms)", 4,
        worst, 2e-3, "of the power", "lossless antennas; uniform aperture of 954 wavelengths",
    )  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.floats(0.0, 0.9), st.floats(0.005, 0.4), st.sampled_from(["gaussian", "cosine"]))
def test_share_on_a_disc_is_the_integral_over_it(off, radius, kind):
    pattern = Pattern(kind, 20.0, 0.25)
    total = 10.0 ** (0.1 * pattern.peak_dbi)

    def gain(theta, phi):  # about the disc's own centre
        cosine = math.cos(off) * math.cos(theta) + math.sin(off) * math.sin(theta) * math.cos(phi)
        return 10 ** (0.1 * float(pattern.gain_dbi(math.acos(max(-1.0, min(1.0, cosine)))))) * (
            math.sin(theta)
        )

    want = integrate.dblquad(gain, 0, 2 * math.pi, 0, radius, epsrel=1e-4, epsabs=1e-7)[0]
    want /= 4.0 * math.pi
    got = disc_share(*encircled(pattern), np.array([off]), np.array([radius]))[0]
    assert got == pytest.approx(want, abs=2e-5 * total + 1e-3 * want)


def test_a_disc_that_fills_the_sky_takes_everything():
    pattern = dish("gaussian")
    share = disc_share(*encircled(pattern), np.array([0.0, 0.3]), np.array([math.pi, math.pi]))
    assert share == pytest.approx(encircled(pattern)[1][-1], rel=1e-9)


# --- noise -------------------------------------------------------------------------------------


def test_moon_in_the_beam_against_the_two_limits(validation, evidence):
    case = validation("links.yaml", "moon_in_beam")
    small = case["expected"]["small_dish"]
    p = dish("gaussian", small["diameter_m"], small["efficiency"], small["f_GHz"] * 1e3)
    added = moon_noise_k(p, 0.0, 384400.0, small["Tb_K"])[0]
    evidence(
        "Moon in the beam of a small dish, through its pattern", "links.yaml moon_in_beam", 1,
        abs(added - small["dT_K"]), case["tolerance"]["K"], "K", "printed to 0.01 K",
    )  # fmt: skip
    # a beam much narrower than the disc adds what its main lobe holds of the brightness
    worst = 0.0
    rows = case["expected"]["with_200K"]["rows"]
    cold = {(r[0], r[2]): r for r in validation("links.yaml", "dsn_34m_x_band")["expected"]["rows"]
            if r[1] == 0.5}  # fmt: skip
    added = moon_noise_k(dish("gaussian"), 0.0, 384400.0, 200.0)[0]
    for station, elevation, *_, loss_db in rows:
        top = cold[station, elevation][4]
        worst = max(worst, abs(10 * math.log10(1 + added / top) - loss_db))
    evidence(
        "Moon in the beam of a 34 m antenna, through its pattern", "links.yaml moon_in_beam",
        len(rows), worst, case["tolerance"]["planning_dB"], "dB",
        "a main lobe of 99 % against a full beam, and no air before the Moon",
    )  # fmt: skip


def test_noise_falls_from_the_centre_outward_and_the_sun_is_hot():
    p = dish("gaussian")
    off = np.linspace(0.0, 0.02, 60)
    noise = moon_noise_k(p, off, 384400.0)
    assert (np.diff(noise) <= 1e-9).all()
    assert noise[-1] < 1e-6
    assert np.isclose(moon_noise_k(p, 0.0045184, 384400.0)[0], 0.5 * noise[0], rtol=0.05)  # limb
    assert (np.diff(sun_brightness_k(np.geomspace(200.0, 1e5, 50))) <= 1e-9).all()
    assert disc_noise_k(p, 13000.0, 0.0, 695700.0, 1.496e8)[0] > 12000.0


# --- links -------------------------------------------------------------------------------------

TABLE = {"pattern": "table", "pattern_deg_dbi": [[0, 3.0], [60, 0.0], [90, -6.0], [180, -20.0]]}


@pytest.fixture(scope="module")
def world():
    tracks, nodes = scene.small_world(days=2.0)
    mounts = {
        "pole": (
            terminal("user-s-low", antenna={**TABLE, "pointing_mode": "zenith"}),
        ),
        "near": (
            terminal("user-s-medium", antenna={
                "pattern": "gaussian", "half_power_beamwidth_deg": 12.0, "pointing_mode": "fixed",
                "boresight": [-0.6, 0.1, -0.8], "boresight_frame": "EARTH_MOON_ROTATING"}),
            terminal("user-x-dte"),
        ),
        "elfo": (terminal("relay-s", antenna={"pattern": "gaussian", "half_power_beamwidth_deg": 20,
                                              "pointing_mode": "nadir"}),),
        "earth-1": (
            terminal("station-34m-x", antenna={"pattern": "airy"},
                     receive={"hot_bodies": ["moon", "sun"]}),
        ),
    }  # fmt: skip
    given_ = [
        scene.node(
            n.name, n.kind, tracks.t_s, min_elevation_deg=n.min_elevation_deg,
            latitude_deg=n.latitude_deg, longitude_deg=n.longitude_deg,
            terminals=mounts.get(n.name, ()),
        )
        for n in nodes
    ]  # fmt: skip
    access = find_access(tracks, given_)
    by_name = {n.name: n for n in given_}
    return tracks, by_name, access, close_links(access, tracks, given_)


def test_shaped_links_agree_with_a_budget_at_any_instant(world):
    tracks, nodes, access, links = world
    rng = np.random.default_rng(3)
    seen = {"closed": 0, "open": 0}
    for (source, target), passes in links.items():
        window = directed_window(
            tracks, access[min(source, target), max(source, target)], source, target
        )
        for tx in nodes[source].terminals:
            for rx in nodes[target].terminals:
                mine = [
                    p for p in passes if (p.terminal_source, p.terminal_target) == (tx.id, rx.id)
                ]
                if not mine:
                    continue
                for t in rng.uniform(0.0, tracks.span_s, 60):
                    edges = np.concatenate(
                        [np.r_[p.intervals.start_s, p.intervals.end_s] for p in mine]
                    )
                    if not window.contains(t) or np.abs(edges - t).min() < 1.0:
                        continue
                    budget = budget_at(tracks, nodes[source], nodes[target], tx, rx, t)
                    rate = sum(p.rate_bps * p.intervals.contains(t) for p in mine)
                    assert budget.rate_bps == rate, (source, target, tx.id, t)
                    seen["closed" if rate else "open"] += 1
    assert seen["closed"] > 40
    assert seen["open"] > 10


def test_every_edge_of_a_shaped_link_separates_two_rates(world, evidence):
    tracks, nodes, access, links = world
    worst, count = 0.0, 0
    for (source, target), passes in links.items():
        window = directed_window(
            tracks, access[min(source, target), max(source, target)], source, target
        )
        for p in passes:
            tx = next(t for t in nodes[source].terminals if t.id == p.terminal_source)
            rx = next(t for t in nodes[target].terminals if t.id == p.terminal_target)
            for edge in np.r_[p.intervals.start_s, p.intervals.end_s]:
                if not (window.contains(edge - 2e-3) and window.contains(edge + 2e-3)):
                    continue
                rates = [
                    budget_at(tracks, nodes[source], nodes[target], tx, rx, edge + d).rate_bps
                    for d in (-1e-3, 1e-3)
                ]
                assert p.rate_bps in rates, (source, target, edge)
                assert rates[0] != rates[1], (source, target, edge)
                count += 1
                worst = max(worst, 1e-3)
    assert count > 20
    evidence(
        "edges of links with antenna patterns", "budget either side of the edge", count, worst,
        1.0, "s", "the rate differs 1 ms before and after every edge",
    )  # fmt: skip


def test_least_margin_of_a_shaped_link_is_that_of_its_worst_instant(world):
    tracks, nodes, _, links = world
    checked = 0
    for (source, target), passes in links.items():
        for p in passes:
            tx = next(t for t in nodes[source].terminals if t.id == p.terminal_source)
            rx = next(t for t in nodes[target].terminals if t.id == p.terminal_target)
            for k, (a, b) in enumerate(p.intervals.pairs()[:2]):
                times = np.linspace(a + 1e-3, b - 1e-3, 25)
                margins = [
                    budget_at(tracks, nodes[source], nodes[target], tx, rx, t).margin_db
                    for t in times
                ]
                assert min(margins) >= p.margin_db[k] - 1e-3
                checked += 1
    assert checked > 5


def test_zenith_antenna_by_hand(world):
    tracks, nodes, _, _ = world
    t = 30000.0
    pole, tx = nodes["pole"], nodes["pole"].terminals[0]
    here, there = scene.exact("pole", [t])[0, :3], scene.exact("elfo", [t])[0, :3]
    look = there - here
    cosine = look @ here / np.linalg.norm(look) / np.linalg.norm(here)
    off_deg = math.degrees(math.acos(cosine))
    want = 3.0 - np.interp(off_deg, [0, 60, 90, 180], [3.0, 0.0, -6.0, -20.0])
    got = losses_at(tracks, pole, nodes["elfo"], tx, nodes["elfo"].terminals[0], t)
    assert got.off_boresight_tx_db == pytest.approx(want, abs=1e-6)
    _, elevation = azimuth_elevation_rad(tracks, pole, "elfo", t)
    assert elevation[0] == pytest.approx(math.pi / 2 - math.radians(off_deg), abs=1e-9)


def test_the_station_hears_the_moon_only_near_it(world):
    tracks, nodes, _, _ = world
    rx = nodes["earth-1"].terminals[0]
    t = tracks.t_s[::40]
    centre = added_noise_k(tracks, nodes["earth-1"], "near", rx, t)
    limb = added_noise_k(tracks, nodes["earth-1"], "pole", rx, t)  # at 86 S: half of the beam
    assert (centre > 125.0).all()
    assert (centre < 210.0 * 0.74).all()  # the Moon's brightness, and what the aperture takes of it
    assert (limb / centre > 0.4).all()
    assert (limb / centre < 0.7).all()
    far = added_noise_k(tracks, nodes["earth-1"], "elfo", rx, tracks.t_s)
    assert far.min() < 1.0
    assert far.max() > 100.0
    quiet = terminal("station-34m-x", antenna={"pattern": "airy"})
    assert not added_noise_k(tracks, nodes["earth-1"], "pole", quiet, t).any()


def test_axes_are_right_handed_and_frames_are_asked_of_nodes_that_have_them(world):
    tracks, nodes, _, _ = world
    t = np.array([0.0, 5000.0])
    for name, frame in (("elfo", "LVLH"), ("pole", "LOCAL"), ("pole", "EARTH_MOON_ROTATING")):
        rows = axes(tracks, nodes[name], frame, t)
        assert np.allclose(rows @ np.swapaxes(rows, 1, 2), np.eye(3), atol=1e-9)
        assert np.allclose(np.linalg.det(rows), 1.0)
    with pytest.raises(InputError, match="has no frame LVLH"):
        axes(tracks, nodes["pole"], "LVLH", t)
    assert angle_rad(np.array([[1.0, 0, 0]]), np.array([[-1.0, 0, 0]]))[0] == pytest.approx(math.pi)


def test_terminals_without_a_pattern_are_as_before():
    assert pattern_of(terminal("user-s-low"), "transmit") is None
    with pytest.raises(ValueError, match="pattern table"):
        terminal("user-s-low", antenna={"pattern": "table"})
    with pytest.raises(ValueError, match="boresight"):
        terminal("user-s-low", antenna={"pattern": "isotropic", "pointing_mode": "fixed"})
    with pytest.raises(ValueError, match="hot_bodies without an antenna pattern"):
        terminal("station-34m-x", receive={"hot_bodies": ["moon"]})


def test_a_navigation_pattern_decides_what_can_be_acquired(world):
    from cislunar.acquisition import navigation_visible
    from cislunar.budget import navigation_cn0_dbhz
    from cislunar.crossings import range_km

    tracks, nodes, access, _ = world
    window = access["elfo", "pole"].access
    rx = terminal("afs-receiver")
    plain = navigation_visible(
        tracks, nodes["elfo"], terminal("afs-transmitter"), nodes["pole"], rx, window
    )
    # a beam of 6 deg to the nadir leaves the pole out for most of the orbit
    beam = {"pattern": "gaussian", "half_power_beamwidth_deg": 6.0, "pointing_mode": "nadir"}
    tx = terminal("afs-transmitter", antenna=beam)
    found = navigation_visible(tracks, nodes["elfo"], tx, nodes["pole"], rx, window)
    assert 0.0 < found.total_s < plain.total_s
    assert (found - plain).total_s < 1e-3
    pattern = pattern_of(tx, "transmit")
    for t in np.linspace(600.0, tracks.span_s - 600.0, 200):
        here = scene.exact("elfo", [t])[:, :3]
        look = scene.exact("pole", [t])[:, :3] - here
        loss = pattern.peak_dbi - float(pattern.gain_dbi(angle_rad(-here, look)[0]))
        _, elevation = azimuth_elevation_rad(tracks, nodes["pole"], "elfo", t)
        far = range_km(tracks, "elfo", "pole", t)
        cn0 = float(navigation_cn0_dbhz(tx, rx, far, elevation[0])) - loss
        if window.contains(t) and abs(cn0 - rx.acquisition_threshold_dbhz) > 0.05:
            assert found.contains(t) == (cn0 > rx.acquisition_threshold_dbhz)
