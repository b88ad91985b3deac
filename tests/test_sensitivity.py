"""Each case of the sensitivity table against a run of a scenario that says so itself."""

from pathlib import Path

import pytest
import yaml

import cislunar
from cislunar.sensitivity import ERROR_FACTOR, LINK_DB, MASK_DEG, PLANNED

MINIMAL = Path(__file__).parents[1] / "configs" / "minimal.yaml"
CASES = [
    PLANNED, "links-weaker", "air-noise", "masks-higher", "errors-larger", "without-assumed-craft",
]  # fmt: skip
USER = ["user-s-medium", "afs-receiver"]
STATION_MARGIN_DB = 26.0
ASSUMED = [f"nav-{k}" for k in range(8)]


@pytest.fixture(scope="module")
def scenario():
    """The smallest case for a day, with eight navigation satellites that are assumed."""
    said = yaml.safe_load(MINIMAL.read_text(encoding="utf-8"))
    relay = said["spacecraft"][0] | {"confidence": "derived"}
    said["spacecraft"] = [relay] + [
        relay | {
            "name": name, "confidence": "assumption", "terminals": ["afs-transmitter"],
            "orbit": relay["orbit"] | {"raan_deg": 90 * (k // 2), "mean_anomaly_deg": 45 * k},
        }
        for k, name in enumerate(ASSUMED)
    ]  # fmt: skip
    said["assets"] = [{"from": "lupex", "needs": "robotic", "terminals": USER}, said["assets"][1]]
    said |= {"duration_days": 1, "step_s": 120, "options": [], "regions": [], "sensitivity": True}
    said["ground_stations"] = [{"from": "misasa"}]  # heard in X alone
    one = cislunar.Scenario(**said)
    terminals = {k: short(t) if t.role == "station" else t for k, t in one.terminals.items()}
    return one.model_copy(update={"needs": with_needs(one, asked), "terminals": terminals})


def short(station):
    """A station whose links close by a decibel or two."""
    return station.model_copy(update={"minimum_margin_db": STATION_MARGIN_DB})


def with_needs(scenario, change):
    return {name: tuple(map(change, needs)) for name, needs in scenario.needs.items()}


def asked(need):
    """What is met now and then: a rate near the links' limit, an accuracy near what there is."""
    if need.service == "positioning":
        return need.model_copy(update={"accuracy_m": 600.0, "max_gdop": None})
    return need.model_copy(update={"min_rate_bps": 2e6 if need.service == "relay" else 2e3})


@pytest.fixture(scope="module")
def results(scenario):
    return cislunar.run(scenario, quiet=True)


def unserved_h(results):
    """Unserved hours by service, from the gaps of needs."""
    needed = {(a.name, n.service) for a in results.nodes if a.kind == "asset" for n in a.needs}
    gaps = results.gaps[
        [(r.place, r.service) in needed for r in results.gaps.itertuples(index=False)]
    ]
    by_service = gaps.groupby("service").duration_s.sum() / 3600.0
    return {s: float(by_service.get(s, 0.0)) for s in {k[1] for k in needed}}


def weaker(terminal):
    if terminal.role == "navigation":
        return terminal
    return terminal.model_copy(update={"minimum_margin_db": terminal.minimum_margin_db + LINK_DB})


def restated(scenario, case):
    """The scenario that says what a case supposes."""
    if case == "links-weaker":
        return {"terminals": {name: weaker(t) for name, t in scenario.terminals.items()}}
    if case == "air-noise":
        return {"atmosphere": scenario.atmosphere.model_copy(update={"noise": True})}
    if case == "without-assumed-craft":
        return {"spacecraft": tuple(s for s in scenario.spacecraft if s.name not in ASSUMED)}

    if case == "errors-larger":
        return {"needs": with_needs(scenario, harder)}
    return {
        "assets": tuple(
            a.model_copy(update={"min_elevation_deg": a.min_elevation_deg + MASK_DEG})
            for a in scenario.assets
        )
    }


def harder(need):
    if need.accuracy_m is None:
        return need
    return need.model_copy(update={"accuracy_m": need.accuracy_m / ERROR_FACTOR})


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_the_run_of_a_scenario_that_says_so(results, scenario, case, evidence):
    told = {"sensitivity": False} | ({} if case == PLANNED else restated(scenario, case))
    again = cislunar.run(scenario.model_copy(update=told), quiet=True)
    rows = results.sensitivity[results.sensitivity.case == case].set_index("service")
    expected = unserved_h(again)
    worst = max(abs(float(rows.loc[s, "unserved_h"]) - h) for s, h in expected.items())
    evidence(
        f"sensitivity, {case}", "the scenario so restated, run whole", len(expected), worst * 3600.0,
        0.1, "s", "unserved time by service",
    )  # fmt: skip
    assert float(rows.loc["all", "unserved_h"]) == pytest.approx(sum(expected.values()), abs=1e-3)


def test_every_case_is_worse_somewhere_and_better_nowhere(results):
    frame = results.sensitivity
    assert frame.case.unique().tolist() == CASES
    assert set(results.manifest["sensitivity"]["assumed_craft"]) == set(ASSUMED)
    assert (frame.change_h >= -1e-9).all()
    totals = frame[frame.service == "all"].set_index("case").change_h
    assert totals[PLANNED] == 0.0
    assert (totals.drop(PLANNED) > 0.0).all()


def test_the_table_is_kept_and_reported(results, tmp_path):
    folder = results.save(tmp_path / "out")
    kept = cislunar.load_results(tmp_path / "out").sensitivity
    assert kept.change_h.to_list() == pytest.approx(
        results.sensitivity.change_h.to_list(), abs=1e-4
    )
    assert folder is None or folder
    from cislunar.report.tables import context
    from cislunar.text import Text

    for language in ("en", "ja"):
        table = context(results, Text(language))["sensitivity"]
        assert len(table["rows"]) == len(CASES)
        assert len(table["head"]) == len(table["rows"][0].cells)
