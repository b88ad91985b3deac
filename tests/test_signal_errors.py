"""Error budgets by source: which one a node has, what it does to fixes, maps, options, time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cislunar
from cislunar import catalog
from cislunar.error_budget import code_noise_m
from cislunar.nodes import expand_nodes
from cislunar.ranging import is_corrected, is_source, signal_error, sise_m
from cislunar.scenario import json_schema, load_scenario, resolved_yaml, scenario_from
from orbits.errors import InputError

ELFO = {
    "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6540, "eccentricity": 0.6,
    "inclination_deg": 56.2, "raan_deg": 0, "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 0,
}  # fmt: skip
RELAY = {"name": "odd", "operator": "jaxa", "orbit": ELFO | {"mean_anomaly_deg": 200},
         "terminals": ["afs-transmitter"]}  # fmt: skip
POLE = {
    "name": "pole", "operator": "jaxa", "latitude_deg": -89.0, "longitude_deg": 0.0,
    "terminals": ["afs-receiver", "user-s-medium"],
    "needs": [{"service": "positioning", "accuracy_m": 60, "accuracy_basis": "p95"}],
}  # fmt: skip


def fleet(name, raan_deg, **over):
    return {
        "name": name, "operator": "jaxa", "orbit": ELFO | {"raan_deg": raan_deg}, "planes": 1,
        "per_plane": 4, "terminals": ["afs-transmitter"], **over,
    }  # fmt: skip


def scenario(*fleets, **more):
    return scenario_from({
        "name": "budgets", "epoch": "2030-03-01T00:00:00 UTC", "fidelity": "kepler",
        "duration_days": 0.5, "options": [], "outputs": {"report": []},
        "constellations": list(fleets), "ground_stations": [{"from": "misasa"}],
        "assets": [POLE], **more,
    })  # fmt: skip


OWN = {"sise_m": 2.5, "velocity_mm_s": 0.5, "timing_m": 1.5, "reason": "a test"}


@pytest.fixture(scope="module")
def mixed():
    more = {"regions": [{"name": "cap", "latitude_max_deg": -80, "cell_count": 12}]}
    return cislunar.run(
        scenario(
            fleet("lnss", 0.0, error_budget="elfo-csac-1"), fleet("other", 180.0, error_budget=OWN),
            spacecraft=[RELAY], **more,
        ), quiet=True,
    )  # fmt: skip


def test_names_and_records_are_written_out(tmp_path):
    base = scenario(fleet("lnss", 0.0, error_budget="lcrns-srd"), fleet("b", 90, error_budget=OWN))
    first, second = (c.error_budget for c in base.constellations)
    assert (first.id, first.catalog_id) == ("lcrns-srd", "lcrns-srd")
    assert first.signal_m == pytest.approx(13.43 / 3.0, rel=1e-3)
    assert first.velocity_mm_s == pytest.approx(1.2 / 3.0)
    assert (second.signal_m, second.timing_m) == (2.5, 1.5)
    path = tmp_path / "written.yaml"
    path.write_text(resolved_yaml(base), encoding="utf-8")
    assert load_scenario(path) == base
    whole = json_schema()["$defs"]
    for node in ("Spacecraft", "Constellation", "Asset"):
        assert {"type": "string"} in whole[node]["properties"]["error_budget"]["anyOf"]
    assert "error_budget" not in whole["GroundStation"]["properties"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lcrns-sdr", "is not in the catalogue; allowed: one of lcrns-srd"),
        ("uere", "is in the catalogue under services, not error-budgets"),
        ({}, "not determined"),
        ({"ephemeris_m": 3.0}, "not determined"),
        ({"ephemeris_m": 0.0, "clock_m": 0.0}, "without error"),
        ({"sise_m": 5.0, "ephemeris_m": 3.0, "clock_m": 3.0}, "its parts make 4.24264"),
        ({"sise_m": -1.0}, "out of range"),
        ({"sise": 3.0}, "did you mean sise_m?"),
        (3.0, "valid dictionary"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(given, said):
    with pytest.raises(InputError) as fault:
        scenario(fleet("lnss", 0.0, error_budget=given))
    assert said in str(fault.value)
    assert "constellations.0.error_budget" in str(fault.value)


def test_each_range_is_weighted_by_its_own_source(mixed, evidence):
    """Plain numpy: every fix of the run again, from the states and each source's own variance."""
    uere = catalog.find("uere")
    nodes = {n.name: n for n in mixed.nodes}
    own = {n.name: sise_m(n, uere) for n in mixed.nodes if is_source(n)}
    assert own["lnss-1"] == pytest.approx(math.hypot(3.0, 8.51))
    assert own["other-3"] == pytest.approx(math.hypot(2.5, 1.5))
    assert own["odd"] == 20.4  # no system of that name: the bound of the standard
    from cislunar.positioning.accumulate import ranging_of

    links = ranging_of(mixed, nodes["pole"])
    t = mixed.tracks.t_s
    user = mixed.tracks.states["pole"][:, :3]
    worst, errors = 0.0, []
    last = np.nextafter(t[-1], 0.0)
    for k in range(t.size):
        rows, weights = [], []
        for (name, _), link in links.items():
            if link.visible.contains(min(t[k], last)):
                d = mixed.tracks.states[name][k, :3] - user[k]
                r = np.linalg.norm(d)
                high = d @ user[k] / r / np.linalg.norm(user[k]) >= math.sin(math.radians(10))
                noise = link.noise_m2_km2[1 if high else 0] * r * r
                rows.append([*(-d / r), 1.0])
                weights.append(1.0 / (own[name] ** 2 + 0.5**2 + noise))
        if len(rows) >= 4:
            a = np.array(rows)
            q = np.linalg.inv(a.T * np.array(weights) @ a)
            errors.append(math.sqrt(np.trace(q[:3, :3])))
    errors = np.array(errors)
    row = mixed.positioning_accuracy.query("asset == 'pole' and component == '3d'").iloc[0]
    for percent in (50, 95):
        want = np.percentile(errors, percent)
        worst = max(worst, abs(float(row[f"rms_p{percent}_m"]) / want - 1.0))
    evidence("error budgets by source", "weighted fixes in numpy, three budgets", errors.size,
             worst, 1e-9, "", "relative difference of the run's percentiles")  # fmt: skip


def test_the_map_and_the_place_agree_and_worse_signals_are_worse(mixed):
    everywhere = cislunar.run(
        scenario(fleet("lnss", 0.0, error_budget="afs-bound"),
                 fleet("other", 180.0, error_budget="afs-bound"), spacecraft=[RELAY],
                 regions=mixed.scenario.regions), quiet=True,
    )  # fmt: skip
    good, poor = (r.coverage["accuracy_3d_p95_m"].to_numpy() for r in (mixed, everywhere))
    assert (good < poor).all()
    a, b = (float(r.positioning_scores["accuracy_3d_p95_m"].iloc[0]) for r in (mixed, everywhere))
    assert a < b
    assert good.min() < a < good.max()  # the cap lies around the place


def test_provenance_says_which_budget_each_source_used(mixed):
    rows = {r["source"]: r for r in mixed.provenance["signal_errors"]}
    assert set(rows) == {*(f"{c}-{k}" for c in ("lnss", "other") for k in range(1, 5)), "odd"}
    assert rows["lnss-2"]["budget"] == "elfo-csac-1"
    assert rows["lnss-2"]["correlation_s"] is None  # no rate is published
    assert rows["other-1"]["budget"] == "other/error_budget"
    assert rows["other-1"]["correlation_s"] == pytest.approx(2.5 / 0.5e-3)
    assert rows["odd"]["budget"] == "uere: any LANS node, bound"
    used = {e["id"]: e for e in mixed.sources if e["kind"] == "error-budget"}
    assert used["elfo-csac-1"]["confidence"] == "primary"
    assert "navi.535" in str(used["elfo-csac-1"]["sources"])
    assert used["other/error_budget"]["confidence"] == "assumption"
    assert used["other/error_budget"] in mixed.assumptions


def test_time_gathered_takes_the_budget_and_its_rate(mixed):
    only = mixed.accumulate("pole", sources=["other-1", "other-2", "other-3"], window_min=60)
    assert only.correlation_s == pytest.approx(2.5 / 0.5e-3)
    with pytest.raises(InputError, match=r"lnss-1, .* last is not published"):
        mixed.accumulate("pole", sources=["lnss-1", "lnss-2", "other-1"])
    some = mixed.accumulate("pole", sources=["lnss-1", "other-1"], signal_correlation_s=4000.0)
    assert sorted(set(some.correlation_s.tolist())) == pytest.approx([4000.0, 5000.0])


def test_a_whole_range_error_is_taken_whole(evidence):
    """With the 3.86 m of the LNCSS study for every source, accuracy is 3.86 m times DOP."""
    base = scenario(fleet("a", 0.0, error_budget="lncss-uere"),
                    fleet("b", 180.0, error_budget="lncss-uere"))  # fmt: skip
    run = cislunar.run(base, quiet=True)
    scores, accuracy = run.positioning_scores.iloc[0], run.positioning_accuracy
    rms = accuracy.query("component == '3d'").iloc[0]
    errors = [
        abs(float(rms[f"rms_p{p}_m"]) / (3.86 * float(scores[f"pdop_p{p}"])) - 1.0)
        for p in (50, 95)
    ]
    evidence("error budgets by source", "LNCSS range error (navi.613) times PDOP", 2, max(errors),
             1e-9, "", "receiver noise and multipath are in the 3.86 m")  # fmt: skip
    with pytest.raises(InputError, match="whole range: which part of it lasts is not known"):
        run.accumulate("pole", signal_correlation_s=4000.0)
    node = next(n for n in run.nodes if n.name == "a-1")
    assert not is_corrected(node, catalog.find("uere"))


def test_corrections_never_make_a_signal_worse():
    uere = catalog.find("uere")
    base = scenario(fleet("fine", 0.0, error_budget={"sise_m": 0.2}), fleet("lnss", 180.0))
    nodes = {n.name: n for n in expand_nodes(base)}
    assert not is_corrected(nodes["fine-1"], uere)
    assert is_corrected(nodes["lnss-1"], uere)


def test_an_option_brings_its_own_budget():
    """An added constellation's budget decides what the option fills, as a run with it says."""
    option = {
        "id": "more", "adds": {"constellations": [fleet("more", 90.0, error_budget="lcrns-srd")]},
        "cost_oku_jpy": {"low": 1, "mid": 1, "high": 1},
    }  # fmt: skip
    poor = option | {
        "id": "poor",
        "adds": {"constellations": [fleet("more", 90.0, error_budget={"sise_m": 200.0})]},
    }
    run = cislunar.run(
        scenario(fleet("lnss", 0.0, per_plane=2), options=[option, poor]), quiet=True
    )
    hours = dict(zip(run.fills["option"], run.fills["gap_hours_filled"], strict=True))
    assert hours["more"] > hours["poor"]
    for name, added in (("more", option), ("poor", poor)):
        alone = cislunar.run(
            scenario(fleet("lnss", 0.0, per_plane=2), *added["adds"]["constellations"]), quiet=True
        )
        before, after = (
            float(r.positioning_scores["availability_frac"].iloc[0]) for r in (run, alone)
        )
        assert hours[name] == pytest.approx((after - before) * 12.0, abs=1e-4)
    assert "lcrns-srd" in {e["id"] for e in run.sources if e["kind"] == "error-budget"}


def test_the_catalogue_of_runs():
    """LCRNS craft carry the SRD's figure; the systems without a source keep their row."""
    base = scenario(spacecraft=[{"from": "im-sat-2"}, {"from": "moonlight-navsat-1"}])
    uere = catalog.find("uere")
    nodes = {n.name: n for n in expand_nodes(base)}
    assert signal_error(nodes["im-sat-2"], uere).id == "lcrns-srd"
    assert signal_error(nodes["moonlight-navsat-1"], uere).id == "uere: moonlight"
    assert float(code_noise_m(40.0)) < sise_m(nodes["im-sat-2"], uere) < 4.48
