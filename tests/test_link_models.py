"""Published budgets line by line, the air, modulation tables, optical models and Doppler."""

import math
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cislunar
from cislunar import catalog
from cislunar.budget import attenuation_db, link_budget
from cislunar.doppler import contact_doppler, doppler
from cislunar.link_models.atmosphere import attenuation_points_db, slant_attenuation_db
from cislunar.link_models.bands import frequency_fault
from cislunar.link_models.modcod import modcod, modes
from cislunar.link_models.optical import (
    photon_energy_j,
    pointing_loss_db,
    ppm_capacity_bps,
    ppm_required_dbw,
    telescope_gain_dbi,
)
from cislunar.nodes import expand_nodes
from cislunar.terminal_records import Background, Terminal, Transmit
from orbits.constants import C_KM_S, DEG
from orbits.errors import InputError
from orbits.intervals import Intervals

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))


def terminal(name, **changes):
    record = catalog.get("terminals", name)
    return Terminal(**{k: v for k, v in record.items() if k in Terminal.model_fields} | changes)


def lines_of(budget):
    return {name: value for name, value, _ in (*budget.inputs, *budget.lines)}


# --- published budgets -------------------------------------------------------------------------


def test_lunar_oscar_budget_line_by_line(evidence):
    """Harbin Institute of Technology, Radio Link Budgets of Lunar OSCAR II (2022), column Reliable
    Link of the GMSK downlink: a 437 MHz downlink from lunar orbit.
    """
    tx = Terminal(
        id="lunar-oscar", role="user", polarisation="linear", minimum_margin_db=0,
        transmit={"frequency_mhz": 437, "power_w": 10**0.3, "gain_dbi": -6, "eirp_dbw": -3,
                  "required_ebn0_db": 1.0, "rates_bps": [125]},
    )  # fmt: skip
    noise_k = 290.0 * 10**0.2  # noise figure 2 dB before an antenna at 290 K
    rx = Terminal(
        id="amateur-station", role="station", implementation_loss_db=2.0, minimum_margin_db=0,
        receive={"frequency_mhz": 437, "gain_dbi": 30, "system_noise_temperature_k": noise_k,
                 "g_over_t_db_k": 30 - 10 * math.log10(noise_k)},
    )  # fmt: skip
    got = lines_of(link_budget(tx, rx, 400000.0, atmosphere_db=1.0))
    level_dbm = 30.0 + 30.0 + sum(
        got[k] for k in ("EIRP", "free space", "polarisation", "atmosphere")
    )  # fmt: skip
    published = {
        "transmit power": 3.0, "transmitter gain": -6.0, "free space": -197.3,
        "polarisation": -3.0, "atmosphere": -1.0, "receiver gain": 30.0, "C/N0": 27.7,
        "required Eb/N0": -1.0, "implementation loss": -2.0, "margin": 3.7,
    }  # fmt: skip
    worst = max(abs(got[k] - v) for k, v in published.items())
    threshold = -got["rate"] - got["required Eb/N0"] - got["implementation loss"]
    worst = max(worst, abs(level_dbm + 144.3), abs(threshold - 24.0))
    evidence("published lunar downlink budget, line by line", "Lunar OSCAR II, GMSK downlink (HIT, 2022)",
             len(published) + 2, worst, 0.06, "dB", "printed to 0.1 dB")  # fmt: skip


def test_mars_ka_band_budget_line_by_line(evidence):
    """Mars MicroSpacecraft Link Budget, baseline downlink at superior conjunction: 4 W at 32.3 GHz
    over 2.52 AU to a 34 m deep-space station (public spreadsheet).
    """
    tx = Terminal(
        id="microspacecraft", role="user", pointing_loss_db=0.70, polarisation_loss_db=1.0,
        antenna={"diameter_m": 0.5, "efficiency": 0.6},
        transmit={"frequency_mhz": 32300, "power_w": 4.0, "gain_dbi": 42.34, "circuit_loss_db": 1.39,
                  "eirp_dbw": 10 * math.log10(4.0) - 1.39 + 42.34, "required_ebn0_db": 0.80,
                  "rates_bps": [2400]},
    )  # fmt: skip
    rx = Terminal(
        id="dsn-34m", role="station", pointing_loss_db=0.10, implementation_loss_db=0.45,
        receive={"frequency_mhz": 32300, "gain_dbi": 74.70, "system_noise_temperature_k": 31.2,
                 "g_over_t_db_k": 74.70 - 10 * math.log10(31.2)},
    )  # fmt: skip
    air_db = 0.1 + 0.1 + 1.0  # atmosphere, ionosphere, rain and vapour
    budget = link_budget(tx, rx, 3.78e8, atmosphere_db=air_db)
    got = lines_of(budget)
    isotropic = sum(
        got[k] for k in ("EIRP", "free space", "pointing, transmitter", "pointing, receiver",
                         "polarisation", "atmosphere")
    )  # fmt: skip
    published = {
        "transmitter gain": 42.34, "circuit loss": -1.39, "pointing, transmitter": -0.70,
        "polarisation": -1.0, "free space": -294.20, "atmosphere": -1.2, "pointing, receiver": -0.1,
        "receiver gain": 74.70, "G/T": 59.76, "C/N0": 38.14, "implementation loss": -0.45,
        "required Eb/N0": -0.80, "margin": 3.08,
    }  # fmt: skip
    worst = max(abs(got[k] - v) for k, v in published.items())
    worst = max(
        worst, abs(got["EIRP"] + got["pointing, transmitter"] - 46.28), abs(isotropic + 250.22),
        abs(got["C/N0"] + got["rate"] - 4.33),
    )  # fmt: skip
    evidence("published Ka-band budget to a 34 m station, line by line", "Mars MicroSpacecraft link budget",
             len(published) + 3, worst, 0.03, "dB", "printed to 0.01 dB; its AU is 1.5e11 m")  # fmt: skip


def test_optical_trunk_of_the_published_table(evidence):
    row = catalog.get("published-terminals", "jaxa-optical-trunk")["links"][0]
    tx, rx = (terminal(n, minimum_margin_db=0.0) for n in ("optical-trunk", "optical-ground"))
    budget = link_budget(tx, rx, row["range_km"])
    got = lines_of(budget)
    pairs = [
        (got["EIRP"], row["eirp_dbw"]), (got["free space"], row["space_loss_db"]),
        (got["atmosphere"], -row["atmosphere_loss_db"]),
        (got["receiver optics"], -row["rx_optical_loss_db"]),
        (got["received power"] + 30, row["rx_power_dbm"]), (budget.margin_db, row["margin_db"]),
    ]  # fmt: skip
    assert budget.rate_bps == row["rates_bps"][0]
    evidence("published Moon-Earth optical budget, line by line", "Araki, SPIE 11852, table 1",
             len(pairs), max(abs(a - b) for a, b in pairs), 0.1, "dB",
             "printed to 0.1 dB; losses it does not list are in one line")  # fmt: skip


# --- bands -------------------------------------------------------------------------------------


def test_a_frequency_lies_in_the_band_that_its_terminal_names():
    for record in catalog.load("terminals").values():
        for half in ("transmit", "receive"):
            side = record.get(half) or {}
            assert (
                frequency_fault(record["id"], side.get("band"), side.get("frequency_mhz")) is None
            )
    assert "outside its band S_rtn_user (2200 to 2290 MHz)" in (
        frequency_fault("user-s-low", "S_rtn_user", 2300.0) or ""
    )
    assert frequency_fault("user-s-low", "S_rtn_user", 2290.0) is None


# --- the air -----------------------------------------------------------------------------------


def test_air_against_the_study_groups_examples(validation, evidence):
    pytest.importorskip("itur")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from itur.models.itu618 import rain_attenuation, scintillation_attenuation
        from itur.models.itu676 import gamma0_exact, gammaw_exact

        case = validation("links.yaml", "itu_p618_london_1pct")
        given_, want, limit = case["inputs"], case["expected"], case["tolerance"]
        parts = slant_attenuation_db(
            given_["lat"], given_["lon"], given_["hs_km"] * 1e3, given_["f_GHz"] * 1e3,
            given_["el_deg"], 99.0, given_["D_m"],
        )[:, 0]  # fmt: skip
        rain = rain_attenuation(
            given_["lat"], given_["lon"], given_["f_GHz"], given_["el_deg"], given_["hs_km"],
            given_["p_percent"], given_["R001_mm_h"], given_["tau_deg"],
            Ls=given_["slant_path_below_rain_height_km"],
        ).value  # fmt: skip
        shimmer = scintillation_attenuation(
            given_["lat"], given_["lon"], given_["f_GHz"], given_["el_deg"], given_["p_percent"],
            given_["D_m"], given_["eta"],
        ).value  # fmt: skip
        air = validation("links.yaml", "itu_p676_20GHz")
        i, gamma = air["inputs"], air["expected"]
        state = (i["f_GHz"], i["pressure_hPa"], i["vapour_density_g_m3"], i["temperature_K"])
        dry, wet = gamma0_exact(*state).value, gammaw_exact(*state).value
    rows = [
        ("gases", parts[0], want["A_gas_dB"], 1e-4), ("cloud", parts[1], want["A_cloud_dB"], 1e-4),
        ("rain", float(rain), want["A_rain_dB"], limit["A_rain_dB"]),
        ("scintillation", float(shimmer), want["A_scint_dB"], limit["A_scint_dB"]),
        ("total", parts[0] + math.hypot(float(rain) + parts[1], float(shimmer)), want["A_total_dB"],
         limit["A_total_dB"]),
    ]  # fmt: skip
    for name, got, expected, tolerance in rows:
        evidence(f"slant attenuation, {name} (P.618-13)", "ITU-R CG-3M3J-13, London 14.25 GHz, 1 %",
                 1, abs(got - expected), tolerance, "dB", "rain with the example's own rate and path")  # fmt: skip
    worst = max(
        abs(dry / gamma["gamma_oxygen_dB_km"] - 1), abs(wet / gamma["gamma_vapour_dB_km"] - 1)
    )
    evidence("specific attenuation of gases (P.676-12)", "ITU-R CG-3M3J-13, 20 GHz", 2, worst,
             air["tolerance"]["relative"], "relative", "line sum")  # fmt: skip


def test_three_points_stand_for_the_air_between_them():
    pytest.importorskip("itur")
    site = (36.14, 138.35, 1500.0, 26250.0)
    points = attenuation_points_db(*site, 95.0, 18.0)
    assert points == pytest.approx((10.19, 5.41, 2.20), abs=0.03)  # the catalogue's own for Misasa
    angles = np.array([12.0, 15.0, 30.0, 45.0, 60.0])
    exact = slant_attenuation_db(*site, angles, 95.0, 18.0)[4]
    assert np.abs(attenuation_db(angles * DEG, points) - exact).max() < 0.25
    assert attenuation_points_db(*site, 99.0, 18.0)[0] > points[0]


def test_stations_take_the_model_they_are_given(monkeypatch):
    pytest.importorskip("itur")
    base = {"name": "m", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": []}
    plain = cislunar.Scenario(**base, ground_stations=[{"from": "misasa"}])
    figures = expand_nodes(plain)[0]
    assert figures.atmosphere is None
    assert figures.attenuation == dict(plain.ground_stations[0].attenuation_95_percent_db)
    air = {"model": "itu-r", "availability_percent": 99}
    modelled = expand_nodes(
        cislunar.Scenario(**base, ground_stations=[{"from": "misasa"}], atmosphere=air)
    )[0]
    assert modelled.atmosphere == "itu-r 99 %"
    assert set(modelled.attenuation) >= {"X_down", "X_up"}
    assert all(p[0] > p[1] > p[2] > 0.0 for p in modelled.attenuation.values())
    monkeypatch.setitem(sys.modules, "itur", None)
    with pytest.raises(InputError, match="optional package itur"):
        slant_attenuation_db(35.0, 139.0, 0.0, 8400.0, 30.0, 95.0)


# --- modulation and coding ---------------------------------------------------------------------


def test_every_mode_of_the_table_stands_above_shannon():
    rows = catalog.load("modcods")
    assert {r["family"] for r in rows.values()} >= {"dvb-s2", "ccsds-turbo", "ccsds-ldpc"}
    for name, row in rows.items():
        m = modcod(name)
        bits = m.information_bits_per_symbol
        assert m.required_esn0_db > 10 * math.log10(2**bits - 1), name  # capacity at that rate
        assert row["sources"][0]["title"], name
        assert m.required_esn0_db - m.required_ebn0_db == pytest.approx(10 * math.log10(bits))


def test_dvb_s2_efficiency_follows_from_the_frame(evidence):
    """Information bits a symbol = (Kbch - 80) / (90 (64800 / (90 log2 M)) + 90), EN 302 307 5.3, 5.5."""
    kbch = {"1-4": 16008, "1-3": 21408, "2-5": 25728, "1-2": 32208, "3-5": 38688, "2-3": 43040,
            "3-4": 48408, "4-5": 51648, "5-6": 53840, "8-9": 57472, "9-10": 58192}  # fmt: skip
    order = {"qpsk": 2, "8psk": 3, "16apsk": 4, "32apsk": 5}
    worst = 0.0
    names = [n for n in catalog.names("modcods") if n.startswith("dvb-s2")]
    for name in names:
        _, _, kind, rate = name.split("-", 3)
        symbols = 64800 / order[kind] + 90
        worst = max(
            worst, abs((kbch[rate] - 80) / symbols - modcod(name).information_bits_per_symbol)
        )
    evidence("DVB-S2 spectral efficiencies", "frame structure of ETSI EN 302 307-1", len(names), worst,
             1e-6, "bit/symbol", "closed form, printed to 1e-6")  # fmt: skip


def test_adaptive_coding_takes_the_fastest_mode_that_closes_and_fixed_only_the_fastest():
    names = tuple(n for n in catalog.names("modcods") if n.startswith("dvb-s2"))
    user = terminal("user-ka-base")
    half = {
        k: v for k, v in user.transmit.model_dump().items() if k not in ("rates_bps", "rate_mode")
    }
    half |= {"required_ebn0_db": None, "modcods": names, "symbol_rate_baud": 50e6}
    acm = user.model_copy(update={"transmit": Transmit(**half)})
    fixed = user.model_copy(update={"transmit": Transmit(**half, rate_mode="fixed")})
    relay = terminal("relay-ka-user")
    needs = [10 * math.log10(m.rate_bps) + m.required_ebn0_db for m in modes(acm.transmit)]
    assert needs == sorted(needs)
    rates = []
    for far in np.geomspace(2e3, 4e6, 40):
        budget = link_budget(acm, relay, far)
        left_db = budget.cn0_dbhz - 10 * math.log10(50e6) - relay.implementation_loss_db - 3.0
        table = [modcod(n) for n in names]
        possible = [
            50e6 * m.information_bits_per_symbol for m in table if m.required_esn0_db <= left_db
        ]
        assert budget.rate_bps == pytest.approx(max(possible, default=0.0))
        rates.append(budget.rate_bps)
        top = link_budget(fixed, relay, far).rate_bps
        assert top == (
            budget.rate_bps if budget.rate_bps == modes(acm.transmit)[-1].rate_bps else 0.0
        )
    assert len(set(rates)) > 5
    assert rates == sorted(rates, reverse=True)
    with pytest.raises(ValueError, match="modcod"):
        Transmit(eirp_dbw=1, modcods=("nothing",), symbol_rate_baud=1e6)


# --- light -------------------------------------------------------------------------------------


@given(st.floats(1e5, 3e8), st.floats(1e-16, 1e-10), st.sampled_from([16, 64, 128]))
def test_ppm_power_and_capacity_are_inverse(rate_bps, noise_w, order):
    background = Background(
        noise_power_w=noise_w, ppm_order=order, slot_s=0.2e-9, detector_efficiency=0.5,
        code_efficiency=0.8,
    )  # fmt: skip
    if rate_bps > 0.79 * math.log2(order) / (order * 0.2e-9):
        return
    power = 10 ** (0.1 * ppm_required_dbw(rate_bps, 1550.0, background))
    assert ppm_capacity_bps(power, 1550.0, background) == pytest.approx(rate_bps, rel=1e-9)


def test_ppm_limits_are_those_of_the_poisson_channel():
    dark = Background(noise_power_w=0.0, ppm_order=64, slot_s=1e-9, code_efficiency=1.0)
    # without noise every photon carries log2 M bits: P / E x log2 M
    photon = photon_energy_j(1550.0)
    assert ppm_capacity_bps(1e-13, 1550.0, dark) == pytest.approx(1e-13 / photon * 6.0, rel=1e-12)
    assert ppm_capacity_bps(1.0, 1550.0, dark) == pytest.approx(6.0 / 64e-9)  # the slots' own limit
    assert ppm_required_dbw(1e12, 1550.0, dark) == 300.0
    lit = Background(noise_power_w=1e-11, ppm_order=64, slot_s=1e-9, code_efficiency=1.0)
    weak = [ppm_capacity_bps(p, 1550.0, lit) for p in (1e-14, 2e-14)]
    assert weak[1] / weak[0] == pytest.approx(4.0, rel=0.01)  # noise-limited: as the square


def test_telescope_gain_and_pointing():
    assert telescope_gain_dbi(0.09, 1560.0) == pytest.approx(
        105.2, abs=0.05
    )  # catalogue, optical-trunk
    gain = 8.0 / (15e-6) ** 2  # a beam of 15 microradians to 1/e^2
    assert pointing_loss_db(15e-6, 10 * math.log10(gain)) == pytest.approx(10 * 8 / math.log(10))


# --- Doppler -----------------------------------------------------------------------------------


def exact_delay_s(source, target, t):
    tau = np.zeros_like(t)
    for _ in range(8):
        gap = scene.exact(target, t + tau)[:, :3] - scene.exact(source, t)[:, :3]
        tau = np.linalg.norm(gap, axis=1) / C_KM_S
    return tau


@pytest.mark.parametrize("two_way", [False, True])
def test_doppler_is_the_rate_of_the_light_time(two_way, evidence):
    tracks, _ = scene.small_world(days=1.0)
    t = np.linspace(1000.0, 80000.0, 200)
    worst = worst_rate = 0.0
    for source, target in (("earth-1", "low"), ("pole", "elfo"), ("elfo", "earth-1")):

        def delay(at, s=source, r=target):
            out = exact_delay_s(s, r, at)
            return out + exact_delay_s(r, s, at + out) if two_way else out

        def shift(at, f=8.475e9, delay=delay):
            slope = (delay(at + 2.0) - delay(at - 2.0)) / 4.0
            return f * (1.0 / (1.0 + slope) - 1.0)

        got, rate = doppler(tracks, source, target, t, 8.475e9, two_way=two_way)
        worst = max(worst, np.abs(got - shift(t)).max())
        want = (shift(t + 5.0) - shift(t - 5.0)) / 10.0
        worst_rate = max(worst_rate, np.abs(rate - want).max())
    name = "two-way" if two_way else "one-way"
    evidence(f"Doppler shift, {name}, 8.475 GHz", "difference of light times of exact orbits", 600, worst,
             0.5, "Hz", "differences over 4 s, of shifts up to 50 kHz")  # fmt: skip
    evidence(f"Doppler rate, {name}, 8.475 GHz", "difference of light times of exact orbits", 600,
             worst_rate, 0.05, "Hz/s", "differences over 10 s")  # fmt: skip


def test_doppler_of_contacts_is_the_extreme_within_them():
    tracks, nodes = scene.small_world(days=1.0)
    user = next(n for n in nodes if n.name == "pole")
    from dataclasses import replace

    nodes = [replace(user, terminals=(terminal("user-x-dte"),))]
    spans = Intervals.from_pairs([(100.0, 400.0), (5000.0, 8500.0), (70000.0, 70030.0)])
    plan = SimpleNamespace(
        source=np.array(["pole"] * 3, dtype=object), target=np.array(["low"] * 3, dtype=object),
        terminal_source=np.array(["user-x-dte"] * 3, dtype=object),
        start_s=spans.start_s, end_s=spans.end_s, __len__=lambda: 3,
    )  # fmt: skip

    class Plan(SimpleNamespace):
        def __len__(self):
            return 3

    out = contact_doppler(Plan(**vars(plan)), tracks, nodes)
    for k, (a, b) in enumerate(spans):
        shift, rate = doppler(tracks, "pole", "low", np.linspace(a, b, 2000), 8.475e9)
        assert abs(out["doppler_hz_max"][k]) == pytest.approx(np.abs(shift).max(), rel=5e-3)
        assert abs(out["doppler_rate_hz_s_max"][k]) == pytest.approx(np.abs(rate).max(), rel=3e-2)
        assert out["doppler_hz_start"][k] == pytest.approx(shift[0], abs=1e-3)
        assert out["doppler_hz_end"][k] == pytest.approx(shift[-1], abs=1e-3)


# --- clouds ------------------------------------------------------------------------------------


def test_clouds_are_a_figure_beside_the_clear_sky():
    from cislunar.clouds import cloud_frame
    from cislunar.nodes import Node

    names = np.array(["relay", "relay", "relay", "relay"], dtype=object)
    plan = SimpleNamespace(
        source=names, target=np.array(["a", "b", "c", "a"], dtype=object), span_s=100.0,
        start_s=np.array([0.0, 20.0, 60.0, 0.0]), end_s=np.array([40.0, 60.0, 80.0, 100.0]),
        band=np.array(["optical", "optical", "optical", "K_down"], dtype=object),
    )  # fmt: skip
    nodes = [Node("a", "station", cloud_free_frac=0.5), Node("b", "station", cloud_free_frac=0.7),
             Node("c", "station"), Node("relay", "spacecraft")]  # fmt: skip
    frame = cloud_frame(plan, nodes)
    assert len(frame) == 1
    row = frame.iloc[0]
    assert row["availability_frac"] == pytest.approx(0.8)
    # 20 s of a alone, 20 s of both, 20 s of b alone; c states nothing and is named
    assert row["availability_cloud_frac"] == pytest.approx(0.2 * 0.5 + 0.2 * 0.85 + 0.2 * 0.7)
    assert row["stations_without_figure"] == "c"
    rng = np.random.default_rng(0)  # the same by throwing dice
    clear = rng.random((200000, 2)) < [0.5, 0.7]
    dice = 0.2 * clear[:, 0].mean() + 0.2 * clear.any(1).mean() + 0.2 * clear[:, 1].mean()
    assert row["availability_cloud_frac"] == pytest.approx(dice, abs=2e-3)


def test_sun_limits_bind_the_end_and_the_direction_they_name():
    from cislunar.pairing import sun_limit_deg

    ground = terminal("optical-ground")
    assert (sun_limit_deg(ground, "receive"), sun_limit_deg(ground, "transmit")) == (10, 3)
    probe = terminal("user-x-dte")
    assert sun_limit_deg(probe, "transmit") is None
    probe = probe.model_copy(update={"sun_probe_earth_min_deg": 4.0})
    assert (sun_limit_deg(probe, "receive"), sun_limit_deg(probe, "transmit")) == (4.0, 4.0)


def test_sun_probe_outage_is_one_terminals_alone():
    from cislunar.access import find_access
    from cislunar.links import close_links

    tracks, nodes = scene.small_world(days=2.0)
    by_name = {n.name: n for n in nodes}

    def passes(*terminals):
        from dataclasses import replace

        pair = [replace(by_name["near"], terminals=terminals),
                replace(by_name["earth-1"], terminals=(terminal("station-34m-x"), terminal("station-20m-legs-ka")))]  # fmt: skip
        access = find_access(tracks, pair)
        return close_links(access, tracks, pair).get(("near", "earth-1"), ())

    # the Sun stands at +y, the Earth near +x and turning toward it: 90 deg apart at first
    free = passes(terminal("user-x-dte"), terminal("user-ka-dte"))
    bound = passes(terminal("user-x-dte", sun_probe_earth_min_deg=80.0), terminal("user-ka-dte"))
    totals = [
        {
            name: sum(p.intervals.total_s for p in some if p.terminal_source == name)
            for name in ("user-x-dte", "user-ka-dte")
        }
        for some in (free, bound)
    ]
    assert 0.0 < totals[1]["user-x-dte"] < totals[0]["user-x-dte"]
    assert totals[1]["user-ka-dte"] == totals[0]["user-ka-dte"] > 0.0
    here = scene.exact("near", tracks.t_s)[:, :3]
    look = scene.exact("earth-1", tracks.t_s)[:, :3] - here
    sun = np.array([0.0, 1.496e8, 0.0]) - here
    angle = np.degrees(np.arccos((look * sun).sum(1) / np.linalg.norm(look, axis=1)
                                 / np.linalg.norm(sun, axis=1)))  # fmt: skip
    spans = Intervals.union_of(p.intervals for p in bound if p.terminal_source == "user-x-dte")
    inside = spans.contains(tracks.t_s)
    assert angle[inside].min() > 80.0 - 1e-3
    assert angle.min() < 79.0
