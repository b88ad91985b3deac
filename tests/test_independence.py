"""What Japan's assets keep without the others, against runs in which the others are not there."""

import pytest

import cislunar
from cislunar.options.independence import ALONE
from cislunar.policy_cases import with_policy

NEEDS = [
    {"service": "relay", "availability_frac": 0.9},
    {"service": "forward", "availability_frac": 0.9},
    {"service": "positioning", "accuracy_m": 60.0, "accuracy_basis": "rms"},
]
FULL = ["relay-s", "relay-x-earth", "afs-transmitter"]


def craft(name, operator, anomaly_deg, raan_deg=0):
    orbit = {
        "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4, "eccentricity": 0.6,
        "inclination_deg": 56.2, "raan_deg": raan_deg, "argument_of_periapsis_deg": 90,
        "mean_anomaly_deg": anomaly_deg,
    }  # fmt: skip
    return {"name": name, "operator": operator, "orbit": orbit, "terminals": FULL}


def place(name, operator, nation, latitude_deg, longitude_deg, **more):
    return {
        "name": name, "operator": operator, "nation": nation, "latitude_deg": latitude_deg,
        "longitude_deg": longitude_deg, "terminals": ["user-s-medium", "afs-receiver"],
        "needs": NEEDS, **more,
    }  # fmt: skip


SPACECRAFT = [
    craft("jp-1", "jaxa", 0.0), craft("jp-2", "jaxa", 100.0, 90), craft("us-1", "nasa", 180.0),
    craft("us-2", "nasa", 240.0, 180), craft("eu-1", "esa", 300.0, 270),
]  # fmt: skip
STATIONS = [{"from": "misasa"}, {"from": "dsn-canberra"}, {"from": "estrack-malargue"}]
ASSETS = [place("rover", "jaxa", "JP/IN", -86.0, 20.0), place("base", "nasa", "US", -89.0, 0.0),
          place("far", "jaxa", "JP", -45.0, 175.0)]  # fmt: skip
OPTIONS = [
    {"id": "dish", "cost_oku_jpy": {"low": 5, "mid": 10, "high": 20}, "available_from": "2031",
     "lifetime_years": 10, "adds": {"ground_stations": [
         {"name": "chile", "latitude_deg": -33.15, "longitude_deg": -70.67,
          "height_m": 730, "min_elevation_deg": 5, "operator": "jaxa",
          "terminals": ["station-20m-legs-x"]}]}},
    {"id": "relay", "cost_oku_jpy": {"low": 20, "mid": 40, "high": 80}, "available_from": "2031",
     "lifetime_years": 5, "adds": {"spacecraft": [craft("jp-3", "jaxa", 60.0, 180)]}},
]  # fmt: skip


@pytest.fixture(scope="module")
def scenario():
    return cislunar.Scenario(
        name="apart", epoch="2030-03-01T00:00:00 UTC", duration_days=2.0, fidelity="kepler",
        spacecraft=SPACECRAFT, ground_stations=STATIONS, assets=ASSETS, options=OPTIONS,
        budget_oku_jpy=60.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(scenario):
    return cislunar.run(scenario, quiet=True)


def availability(run, asset, service):
    scores = run.positioning_scores if service == "positioning" else run.comm_scores
    mine = scores[scores["asset"] == asset]
    if service != "positioning":
        mine = mine[mine["service"] == service]
    return float(mine["availability_frac"].iloc[0])


def check(table, run, case, which="base"):
    mine = table[(table["set"] == which) & (table["case"] == case)]
    assert set(mine["asset"]) == {"rover", "far"}
    assert len(mine) == 6
    for row in mine.itertuples():
        assert row.availability_frac == pytest.approx(
            availability(run, row.asset, row.service), abs=3e-5
        ), (case, row.asset, row.service)
    return mine


def test_japan_alone_is_the_run_under_that_policy(scenario, results):
    plain = scenario.model_copy(update={"options": ()})
    alone = check(
        results.independence, cislunar.run(with_policy(plain, "japan-alone"), quiet=True), ALONE
    )
    planned = check(results.independence, results, "as-planned")
    assert (planned["lost_h"] == 0.0).all()
    assert (alone["lost_h"] > 1.0).any()  # the others do serve something here
    by = alone.set_index(["asset", "service"])["lost_h"]
    before = planned.set_index(["asset", "service"])["availability_frac"]
    after = alone.set_index(["asset", "service"])["availability_frac"]
    for key, lost in by.items():
        assert lost == pytest.approx(48.0 * (before[key] - after[key]), abs=1e-6)


@pytest.mark.parametrize(("case", "gone"), [("without-us", ("us", "dsn")),
                                            ("without-europe", ("eu", "estrack"))])  # fmt: skip
def test_without_a_partner_is_the_run_without_its_nodes(scenario, results, case, gone):
    update = {
        "options": (),
        "spacecraft": tuple(s for s in scenario.spacecraft if not s.name.startswith(gone)),
        "ground_stations": tuple(s for s in scenario.ground_stations
                                 if not s.name.startswith(gone)),
    }  # fmt: skip
    found = cislunar.run(scenario.model_copy(update=update), quiet=True)
    check(results.independence, found, case)


def test_options_on_their_own_are_runs_of_japan_alone_with_them(scenario, results):
    from cislunar.options.option import add_options

    table = results.independence_options.set_index("option")
    assert set(table.index) == {"", "dish", "relay"}
    assert table.gained_h.max() > 1.0
    for name in table.index:
        more = add_options(scenario, [name] if name else []).model_copy(update={"options": ()})
        run = cislunar.run(with_policy(more, "japan-alone"), quiet=True)
        total = 0.0
        for service in ("relay", "forward", "positioning"):
            values = [availability(run, a, service) for a in ("rover", "far")]
            assert table[f"{service}_frac"][name] == pytest.approx(sum(values) / 2, abs=3e-5)
            total += 48.0 * sum(values)
        assert table["gained_h"][name] == pytest.approx(
            total - 48.0 * 2 * sum(
                table[f"{s}_frac"][""] for s in ("relay", "forward", "positioning")
            ), abs=5e-3,
        )  # fmt: skip


def test_the_set_chosen_is_asked_too_and_nobody_without_assets_is(scenario, results):
    assert set(results.independence["set"]) == {"base", "portfolio"}
    chosen = results.independence[results.independence["set"] == "portfolio"]
    base = results.independence[results.independence["set"] == "base"]
    assert (
        chosen["availability_frac"].to_numpy() >= base["availability_frac"].to_numpy() - 1e-9
    ).all()
    others = scenario.model_copy(
        update={"assets": tuple(a for a in scenario.assets if a.name == "base"), "options": ()}
    )
    none = cislunar.run(others, quiet=True)
    assert none.independence.empty
    assert none.independence_options.empty
