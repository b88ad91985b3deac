"""Who may route through and range from whom, by named case, in whole small runs."""

from types import SimpleNamespace

import pytest

import cislunar
from cislunar.gaps import CAUSES
from cislunar.policy_cases import policy_cases, with_policy
from cislunar.policy_notes import policy_notes
from cislunar.roadmap.run import run_case, share
from cislunar.scenario import resolved_yaml, scenario_from
from cislunar.schema import Policy
from cislunar.yamlio import parse_yaml
from orbits.errors import InputError
from orbits.intervals import Intervals

CRAFT = {"jp": "jaxa", "us": "nasa", "eu": "esa", "cn": "cnsa", "kr": "kasa"}
STATIONS = {"jp-dish": "jaxa", "us-dish": "nasa", "eu-dish": "esa", "cn-dish": "cnsa"}
NEED = [{"service": s, "availability_frac": 0.5} for s in ("relay", "forward", "positioning")]
# who may talk to whom, by hand: sets of operators that share, by case
SHARING = {
    "all-share": [{"jaxa", "nasa", "esa", "cnsa", "kasa"}],
    "lunanet-only": [{"jaxa", "nasa", "esa"}, {"cnsa"}, {"kasa"}],
    "japan-alone": [{"jaxa"}, {"nasa", "esa"}, {"cnsa"}, {"kasa"}],
    "without-us": [{"jaxa", "esa"}, {"nasa"}, {"cnsa"}, {"kasa"}],
}


def mapping(**more):
    def orbit(k):
        return {
            "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
            "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 180 * (k % 2),
            "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 72.0 * k,
        }  # fmt: skip

    return {
        "name": "small", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1.0,
        "fidelity": "kepler", "step_s": 120,
        "spacecraft": [
            {"name": name, "operator": operator, "orbit": orbit(k),
             "terminals": ["relay-s", "relay-x-earth", "afs-transmitter"]}
            for k, (name, operator) in enumerate(CRAFT.items())
        ],
        "ground_stations": [
            {"from": "misasa", "name": name, "operator": operator, "longitude_deg": 90.0 * k}
            for k, (name, operator) in enumerate(STATIONS.items())
        ],
        "assets": [
            {"name": f"{operator}-site", "operator": operator, "latitude_deg": -88.0,
             "longitude_deg": 0.0, "terminals": ["user-s-medium", "afs-receiver"], "needs": NEED}
            for operator in ("jaxa", "nasa", "cnsa")
        ],
        "options": [], **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    scenario = scenario_from(mapping())
    shared = share([scenario])
    cases = {case: with_policy(scenario, case) for case in policy_cases()}
    return {case: (s, run_case(s, shared)) for case, s in cases.items()}


@pytest.mark.parametrize("case", list(SHARING))
def test_contacts_and_ranging_obey_the_case(runs, case):
    _, found = runs[case]
    operator = {n.name: n.operator for n in found["nodes"]}

    def may(a, b):
        return any({operator[a], operator[b]} <= group for group in SHARING[case])

    plan = found["plan"]
    talking = set(zip(plan.source.tolist(), plan.target.tolist(), strict=True))
    assert talking
    assert all(may(a, b) for a, b in talking)
    closable = plan.closable
    could = set(zip(closable.source.tolist(), closable.target.tolist(), strict=True))
    assert talking == {pair for pair in could if may(*pair)}
    ranging = set(found["positioning"].ranging)
    sites = [n.name for n in found["nodes"] if n.kind == "asset"]
    assert ranging == {(a, b) for a in CRAFT for b in sites if may(a, b)}


def test_sharing_more_never_serves_less(runs):
    def served(case):
        found = runs[case][1]
        spans = dict(found["comms"].served)
        spans |= {(p, "positioning"): s for p, s in found["positioning"].served.items()}
        return spans

    most = served("all-share")
    some = 0.0
    for case in ("lunanet-only", "japan-alone", "without-us"):
        for key, spans in served(case).items():
            assert (spans - most[key]).total_s < 1e-6, (case, key)
            some += spans.total_s
    assert some > 0.0
    # the groups of "Japan alone" and "without the US" are parts of LunaNet
    lunanet = served("lunanet-only")
    for case in ("japan-alone", "without-us"):
        for key, spans in served(case).items():
            assert (spans - lunanet[key]).total_s < 1e-6, (case, key)
    # four sources are all five nations' together, and no group's alone
    assert lunanet["jaxa-site", "positioning"].total_s == 0.0
    assert most["jaxa-site", "positioning"].total_s > 0.0


def test_what_a_case_takes_away_fails_at_policy_or_after(runs):
    """Somebody who is not shared with is in reach then; or a relay that is has no dish to use."""
    late = CAUSES[CAUSES.index("policy") :]
    blamed = set()
    for case in ("japan-alone", "without-us", "lunanet-only"):
        found = runs[case][1]
        for place in ("jaxa-site", "cnsa-site"):
            key = (place, "relay")
            lost = runs["all-share"][1]["comms"].served[key] - found["comms"].served[key]
            assert lost.total_s > 600.0
            gaps, causes = found["gaps"].frame, found["gaps"].causes
            ids = gaps[(gaps["place"] == place) & (gaps["service"] == "relay")]["gap_id"]
            own = causes[causes["gap_id"].isin(ids)]
            for cause, rows in own.groupby("cause"):
                spans = Intervals(rows["start_s"].to_numpy(), rows["end_s"].to_numpy())
                inside = (spans & lost).total_s
                if inside > 1.0:
                    assert cause in late, (case, place, cause, inside)
                    blamed.add(cause)
    assert "policy" in blamed


def test_a_case_in_a_file_is_the_case_of_the_function():
    plain = scenario_from(mapping())
    for case in policy_cases():
        named = scenario_from(mapping(policy={"case": case}))
        assert named.policy == with_policy(plain, case).policy
        again = scenario_from(parse_yaml(resolved_yaml(named), "resolved"))
        assert again.policy == named.policy


def test_networks_are_the_users_to_name():
    own = {"case": "lunanet-only", "networks": {"lunanet": ["jaxa", "kasa"]}}
    policy = scenario_from(mapping(policy=own)).policy
    assert policy.permits("jaxa", "kasa")
    assert not policy.permits("jaxa", "nasa")
    # groups of a policy that names no case say who belongs to what
    groups = {"groups": {"lunanet": ["jaxa", "kasa"], "china": ["cnsa"]}, "share": []}
    moved = with_policy(scenario_from(mapping(policy=groups)), "lunanet-only")
    assert moved.policy.permits("jaxa", "kasa")
    # and one case of another keeps them
    back = with_policy(with_policy(moved, "japan-alone"), "lunanet-only")
    assert back.policy == moved.policy


def test_faults_are_told():
    with pytest.raises(InputError, match=r"policy\.case.*japan-only"):
        scenario_from(mapping(policy={"case": "japan-only"}))
    with pytest.raises(InputError, match="nation of the operator 'x'"):
        scenario_from(mapping(policy={"case": "japan-alone", "networks": {"lunanet": ["x"]}}))
    with pytest.raises(InputError, match="not a policy case"):
        with_policy(cislunar.Scenario(**mapping()), "nobody")


def test_a_misspelt_operator_of_a_group_is_named_and_whom_it_leaves_alone():
    """No fault of the file, but every contact of the nodes meant would be gone in silence."""
    meant = Policy(groups={"lunanet": ["jaxa", "nassa"]}, share=[["lunanet", "lunanet"]])
    nodes = [SimpleNamespace(name=n, operator=o) for n, o in
             (("dro", "jaxa"), ("hls", "nasa"), ("madrid", "nasa"), ("mine", None))]  # fmt: skip
    for language, words in (("en", ("nassa", "hls, madrid (nasa)")), ("ja", ("nassa", "誰とも"))):
        found = [note[language] for note in policy_notes(meant, nodes)]
        assert len(found) == 2
        assert all(word in said for word, said in zip(words, found, strict=True))
    known = SimpleNamespace(operator="nassa")
    adds = SimpleNamespace(spacecraft=[known], constellations=[], ground_stations=[], assets=[])
    assert len(policy_notes(meant, nodes, [SimpleNamespace(adds=adds)])) == 1
    assert policy_notes(Policy(), nodes) == []
