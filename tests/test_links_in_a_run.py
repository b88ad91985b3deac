"""Patterns, conditions and air in a whole run: contacts, budgets, Doppler and the causes of gaps."""

import numpy as np
import pytest

import cislunar
from cislunar.checks import check_scenario
from cislunar.clouds import cloud_frame
from cislunar.common_band import band_notes
from cislunar.nodes import expand_nodes
from orbits.errors import InputError

BASE = {
    "name": "small", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1.0, "step_s": 60,
    "fidelity": "kepler", "options": [],
    "spacecraft": [
        {"name": "relay", "terminals": ["relay-x-earth", "relay-s", "optical-trunk"],
         "orbit": {"kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
                   "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 0,
                   "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 0}},
    ],
    "assets": [{"name": "site", "latitude_deg": -86, "longitude_deg": 0, "terminals": ["user-s-medium"],
                "needs": [{"service": "relay", "min_rate_bps": 1e5, "availability_frac": 0.9}]}],
}  # fmt: skip
STATION = {
    "name": "g", "latitude_deg": 36.14, "longitude_deg": 138.35, "height_m": 1500,
    "min_elevation_deg": 10, "terminals": ["station-34m-x", "optical-ground"],
    "cloud_free_frac": 0.45,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return cislunar.run(cislunar.Scenario(**BASE, ground_stations=[STATION]))


def test_budget_and_doppler_of_a_contact(plain):
    plan = plain.plan
    assert len(plan) > 3
    for k in np.random.default_rng(1).integers(0, len(plan), 12):
        middle = 0.5 * (plan.start_s[k] + plan.end_s[k])
        budget = plain.budget(plan.contact_id[k], middle)
        assert budget.rate_bps == plan.rate_bps[k]
        assert budget.margin_db >= plan.margin_db[k] - 1e-6
        assert str(plan.source[k]) in budget.title
    frame = plain.doppler()
    assert list(frame.columns[: len(plain.contacts.columns)]) == list(plain.contacts.columns)
    radio = frame[frame["band"] != "optical"]
    # no faster than 4 km/s anywhere here: 4 / c of the carrier
    assert radio["doppler_hz_max"].abs().max() < 8.5e9 * 4 / 299792.458
    assert radio["doppler_hz_max"].abs().min() > 0.0
    with pytest.raises(InputError, match="no contact"):
        plain.budget("c999999")


def test_clouds_stand_beside_the_clear_sky(plain):
    frame = cloud_frame(plain.plan, plain.nodes)
    assert set(frame["direction"]) == {"to Earth", "from Earth"}
    ratio = frame["availability_cloud_frac"] / frame["availability_frac"]
    assert np.allclose(ratio.astype(float), 0.45)
    notes = [note["en"] for note in plain.manifest["notes"] if isinstance(note, dict)]
    assert any("to be expected with clouds" in text for text in notes)


def test_a_keep_out_and_maintenance_show_as_causes(plain):
    blocked = {
        **STATION,
        "access_conditions": {"not": {"kind": "azimuth-elevation", "azimuth_deg": [90, 180]}},
        "maintenance": [{"every": "day", "at": 13, "hours": 1}],
    }
    bound = cislunar.run(cislunar.Scenario(**BASE, ground_stations=[blocked]))
    before = plain.plan.intervals("relay", "g")
    after = bound.plan.intervals("relay", "g")
    assert 0.0 < after.total_s < before.total_s
    assert (after - before).total_s < 1e-3
    lost = bound.gap_causes.groupby("cause")["duration_s"].sum()
    was = plain.gap_causes.groupby("cause")["duration_s"].sum()
    assert lost["station-mask"] > was.get("station-mask", 0.0) + 600.0
    assert "station-mask" in set(bound.access["closes_by"])
    hour = (13 * 3600.0, 14 * 3600.0)
    assert not after.clip(*hour).total_s


def test_the_modelled_air_changes_links_and_says_so():
    pytest.importorskip("itur")
    air = {"model": "itu-r", "availability_percent": 99.9}
    wet = cislunar.run(cislunar.Scenario(**BASE, ground_stations=[STATION], atmosphere=air))
    k = int(np.flatnonzero(wet.plan.band == "X_down")[0])
    lines = {n: v for n, v, _ in wet.budget(wet.plan.contact_id[k]).lines}
    assert lines["atmosphere"] < -0.1
    assert next(n for n in wet.nodes if n.name == "g").atmosphere == "itu-r 99.9 %"
    assert any("g (itu-r 99.9 %)" in str(note) for note in wet.manifest["notes"])


WET = {**STATION, "attenuation_95_percent_db": {"x": [1.01, 0.52, 0.18]}}


def noise_lines(results):
    """Of each X-band contact: what air takes, its noise, and the margin, as budgets tell."""
    rows = []
    for k in np.flatnonzero(np.isin(results.plan.band, ["X_down", "X_up"])):
        middle = 0.5 * (results.plan.start_s[k] + results.plan.end_s[k])
        budget = results.budget(results.plan.contact_id[k], middle)
        lines = {n: v for n, v, _ in budget.lines}
        rows.append((results.plan.band[k], lines, budget.margin_db, results.plan.margin_db[k]))
    return rows


def test_air_warms_the_station_that_receives_and_no_other():
    dry = cislunar.run(cislunar.Scenario(**BASE, ground_stations=[WET]))
    warm = cislunar.run(
        cislunar.Scenario(**BASE, ground_stations=[WET], atmosphere={"noise": True})
    )
    receiver = next(n for n in warm.nodes if n.name == "g").terminals[0].receive
    assert receiver is not None
    assert not any("noise of the air" in lines for _, lines, _, _ in noise_lines(dry))
    rows = noise_lines(warm)
    assert {band for band, *_ in rows} == {"X_down", "X_up"}
    for band, lines, margin, least in rows:
        taken = -lines["atmosphere"]
        added_k = 272.275 * (1 - 10 ** (-taken / 10))
        lost = 10 * np.log10(1 + added_k / receiver.system_noise_temperature_k)
        assert lines.get("noise of the air", 0.0) == pytest.approx(
            -lost if band == "X_down" else 0.0, abs=1e-6
        )
        assert margin >= least - 1e-6  # the plan's margins have it too
    least = {
        (name, band): results.plan.margin_db[results.plan.band == band].min()
        for name, results in (("dry", dry), ("warm", warm))
        for band in ("X_down", "X_up")
    }
    assert least["dry", "X_up"] == least["warm", "X_up"]
    assert 2.0 < least["dry", "X_down"] - least["warm", "X_down"] < 5.0
    assert any(
        "adds its noise to receivers (ITU-R P.618): g." in str(n) for n in warm.manifest["notes"]
    )
    assert any("without its own noise, over 1 Earth" in str(n) for n in dry.manifest["notes"])


def test_noise_of_the_air_needs_the_receivers_own():
    named = cislunar.Scenario(**BASE, ground_stations=[WET]).terminals["station-34m-x"]
    bare = named.model_dump(exclude_none=True)
    bare["receive"] = {
        k: v
        for k, v in bare["receive"].items()
        if k not in ("gain_dbi", "system_noise_temperature_k")
    }
    station = {**WET, "terminals": ["bare"]}
    given = {"ground_stations": [station], "terminals": {"bare": {**bare, "id": "bare"}}}
    assert cislunar.Scenario(**BASE, **given)
    with pytest.raises(InputError, match=r"terminals\.bare\.receive\.system_noise_temperature_k"):
        expand_nodes(cislunar.Scenario(**BASE, **given, atmosphere={"noise": True}))


def test_ends_without_a_common_band_are_no_provider_to_one_another():
    craft = [{**BASE["spacecraft"][0], "terminals": ["relay-ka-user", "relay-x-earth"]}]
    results = cislunar.run(
        cislunar.Scenario(**{**BASE, "spacecraft": craft}, ground_stations=[STATION])
    )
    assert not len(results.plan.intervals("site", "relay"))
    causes = results.gap_causes.groupby("cause")["duration_s"].sum()
    assert causes["no-provider"] == pytest.approx(causes.sum())  # in view, but not for this user
    said = [n for n in results.manifest["notes"] if "No band in common" in str(n)]
    assert [n["en"] for n in said] == [
        "No band in common with any spacecraft: site (sent in S_rtn_user, heard there in K_rtn_user; "
        "sent from there in K_fwd_user, heard in S_fwd_user)."
    ]
    assert "site（送信はS_rtn_user、相手の受信はK_rtn_user。" in said[0]["ja"]


def band_words(**changes):
    scenario = cislunar.Scenario(**{**BASE, "ground_stations": [STATION], **changes})
    return [note["en"] for note in band_notes(expand_nodes(scenario), scenario.policy)]


def test_who_shares_no_band_is_named_where_policy_and_needs_let_it_matter():
    assert band_words() == []  # a relay in S, a station in X and light: everyone has a partner
    direct = {"service": "direct", "availability_frac": 0.5}
    asset = {**BASE["assets"][0], "needs": [direct]}
    assert band_words(assets=[asset]) == [
        "No band in common with any Earth station: site (sent in S_rtn_user, heard there in "
        "X_down, optical; sent from there in X_up, optical, heard in S_fwd_user)."
    ]
    craft = {**BASE["spacecraft"][0], "operator": "jaxa"}
    deaf = {**craft, "name": "deaf", "terminals": ["relay-ka-user", "relay-x-earth"]}
    (said,) = band_words(spacecraft=[craft, deaf])  # the asset has a relay, the other no asset
    assert said.startswith("No band in common with any lunar asset: deaf (")
    other = {**asset, "name": "other", "operator": "cnsa", "needs": []}
    words = band_words(
        spacecraft=[{**deaf, "name": "relay"}], assets=[other, BASE["assets"][0]],
        policy={"groups": {"a": ["jaxa"], "b": ["cnsa"]}, "share": [["a", "a"], ["b", "b"]]},
    )  # fmt: skip
    assert [w.split(" (")[0] for w in words] == ["No band in common with any spacecraft: site"]


def test_check_says_who_shares_no_band(tmp_path):
    import yaml
    from typer.testing import CliRunner

    from cislunar.cli import app

    craft = [{**BASE["spacecraft"][0], "terminals": ["relay-ka-user", "relay-x-earth"]}]
    file = tmp_path / "mute.yaml"
    file.write_text(
        yaml.safe_dump(
            {"schema_version": 1, **BASE, "spacecraft": craft, "ground_stations": [STATION]}
        )
    )
    found = CliRunner().invoke(app, ["check", str(file)])
    assert found.exit_code == 0
    assert "No band in common with any spacecraft: site" in found.stdout


def test_a_carrier_outside_its_band_is_refused_by_name():
    wrong = {
        "id": "odd", "role": "user", "transmit": {
            "band": "S_rtn_user", "frequency_mhz": 2300, "eirp_dbw": 6, "required_ebn0_db": 2,
            "rates_bps": [1000],
        },
    }  # fmt: skip
    asset = {**BASE["assets"][0], "terminals": [wrong]}
    scenario = cislunar.Scenario(**{**BASE, "assets": [asset]}, ground_stations=[STATION])
    with pytest.raises(InputError, match=r"assets.0.terminals.0.transmit.frequency_mhz.*2300 MHz"):
        check_scenario(scenario)
