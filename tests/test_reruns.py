"""Options rerun on what is known already, against the same scenario built from nothing."""

import pytest

import cislunar
from cislunar import catalog
from cislunar.access import find_access
from cislunar.comms import score_comms
from cislunar.contacts import plan_contacts
from cislunar.links import close_links
from cislunar.options.option import add_options
from cislunar.options.reruns import Reruns
from cislunar.positioning import positioning_need, score_positioning
from cislunar.ranging import find_ranging
from cislunar.situation import Situation, in_service
from cislunar.tracks import build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440

COST = {"low": 1, "mid": 2, "high": 3}


def relay(name, anomaly_deg, **more):
    orbit = {
        "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
        "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 0,
        "argument_of_periapsis_deg": 90, "mean_anomaly_deg": anomaly_deg,
    }  # fmt: skip
    terminals = ["relay-s", "relay-x-earth", "afs-transmitter"]
    return {"name": name, "operator": "jaxa", "orbit": orbit, "terminals": terminals, **more}


def crafts(option_id, *records, terminals=()):
    adds = {"spacecraft": list(records), "spacecraft_terminals": list(terminals)}
    return {"id": option_id, "cost_oku_jpy": COST, "adds": adds}


# versions of one thing: a node of one name that differs in orbit, power, reach or operator
OPTIONS = [
    crafts("one", relay("r-1", 0.0)),
    crafts("three", *(relay(f"r-{k + 1}", 120.0 * k + 40.0) for k in range(3))),
    crafts("weak", relay("r-1", 0.0, eirp_override_dbw=-20.0)),
    crafts("short", relay("r-1", 0.0, max_range_km=6000.0)),
    crafts("foreign", relay("r-1", 0.0, operator="cnsa")),
    crafts("bare", relay("r-1", 0.0, terminals=["relay-x-earth"])),
    crafts("trunk", terminals=[{"on": "old", "terminals": ["relay-s"]}]),
    {"id": "lens", "cost_oku_jpy": COST, "adds": {"assets": [{
        "name": "lens", "operator": "jaxa", "latitude_deg": -88.0, "longitude_deg": 10.0,
        "terminals": ["afs-receiver"], "correction_radius_km": 200.0}]}},
]  # fmt: skip


@pytest.fixture(scope="module")
def scenario():
    need = [{"service": s, "availability_frac": 0.9} for s in ("relay", "forward", "positioning")]
    place = {"operator": "jaxa", "terminals": ["user-s-medium", "afs-receiver"], "needs": need}
    return cislunar.Scenario(
        name="small", epoch="2030-03-01T00:00:00 UTC", duration_days=2.0, fidelity="kepler",
        spacecraft=[
            relay("old", 180.0, terminals=["relay-x-earth", "afs-transmitter"]),
            relay("old-2", 100.0), relay("old-3", 260.0, terminals=["afs-transmitter"]),
        ],
        ground_stations=[{"from": "misasa"}, {"from": "dsn-madrid"}],
        assets=[
            {"name": "pole", "latitude_deg": -89.0, "longitude_deg": 0.0, **place},
            {"name": "north", "latitude_deg": 60.0, "longitude_deg": 170.0, **place},
        ],
        policy={"groups": {"a": ["jaxa", "nasa"], "b": ["cnsa"]}, "share": [["a", "a"]]},
        options=OPTIONS,
    )  # fmt: skip


def from_nothing(scenario):
    nodes, _ = in_service(scenario)
    ephemeris = De440.open()
    trajectories = build_trajectories(scenario, nodes, ephemeris)
    t_s = time_grid(scenario.duration_s, scenario.step_s)
    world = build_world(scenario.fidelity, scenario.start, t_s, ephemeris)
    tracks = build_tracks(scenario, nodes, trajectories, ephemeris, world=world)
    access = find_access(tracks, nodes)
    links = close_links(access, tracks, nodes)
    plan = plan_contacts(links, access, nodes, scenario.policy, tracks)
    ranging = find_ranging(tracks, nodes, access, scenario.policy)
    served = dict(score_comms(plan, nodes).served)
    fixes = score_positioning(
        tracks, nodes, ranging, catalog.find("uere"), policy=scenario.policy
    ).served
    served |= {(place, "positioning"): spans for place, spans in fixes.items()}
    situation = Situation(scenario, nodes, world, trajectories, tracks, access, links, ranging)
    return situation, served


@pytest.fixture(scope="module")
def reruns(scenario):
    base, served = from_nothing(scenario)
    needed = {(n.name, need.service): need for n in base.nodes for need in n.needs}
    assert positioning_need(base.by_name["pole"]) is not None
    found = Reruns(base, served, needed, catalog.find("uere"), De440.open())
    for option in OPTIONS:  # fill the memory with every version before anything is asked
        found((option["id"],))
    return found


@pytest.mark.parametrize("ids", [(o["id"],) for o in OPTIONS] + [("lens", "three", "trunk")])
def test_a_rerun_gives_what_the_augmented_scenario_gives_from_nothing(scenario, reruns, ids):
    span = (0.0, scenario.duration_s)
    _, served = from_nothing(add_options(scenario, ids))
    fresh = {key: served[key].complement(*span).total_s for key in reruns.unserved}
    assert reruns(ids) == pytest.approx(fresh, abs=1e-6)


def test_versions_of_one_name_are_told_apart(reruns):
    total_h = {o["id"]: sum(reruns((o["id"],)).values()) / 3600.0 for o in OPTIONS}
    base_h = sum(reruns(()).values()) / 3600.0
    assert base_h - total_h["one"] > 1.0
    assert total_h["three"] < total_h["one"] - 1.0
    for lesser in ("weak", "short", "foreign", "bare"):
        assert total_h[lesser] > total_h["one"] + 0.5, lesser
    assert total_h["trunk"] < base_h - 1.0
