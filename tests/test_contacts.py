"""The contact plan: order, columns, light time, service windows and policy."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar import catalog
from cislunar.access import access_frame, find_access
from cislunar.contacts import COLUMNS, contact_kind, permits, plan_contacts
from cislunar.crossings import range_km
from cislunar.links import close_links
from cislunar.schema import Policy
from cislunar.terminal_records import Terminal
from orbits.constants import C_KM_S
from orbits.epoch import Epoch
from orbits.intervals import Intervals

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))
OPERATORS = {"elfo": "jaxa", "low": "cnsa", "pole": "jaxa", "near": "nasa", "earth-1": "esa"}
RULE = {
    "groups": {"lunanet": ["jaxa", "esa"], "china": ["cnsa"]},
    "share": [["lunanet", "lunanet"]],
}


def terminals(*names):
    return tuple(
        Terminal(
            **{k: v for k, v in catalog.get("terminals", n).items() if k in Terminal.model_fields}
        )
        for n in names
    )


@pytest.fixture(scope="module")
def made():
    tracks, nodes = scene.small_world(days=2.0)
    given = {
        "elfo": terminals("relay-s", "relay-ka-user", "relay-x-earth", "crosslink-k"),
        "low": terminals("relay-x-earth", "crosslink-k"),
        "pole": terminals("user-s-medium", "user-ka-rover", "user-x-dte"),
        "near": terminals("user-x-dte"),
        "earth-1": terminals("station-34m-x"),
    }

    def build(service=None, policy=None):
        mine = [
            scene.node(
                n.name, n.kind, tracks.t_s, min_elevation_deg=n.min_elevation_deg,
                latitude_deg=n.latitude_deg, longitude_deg=n.longitude_deg,
                terminals=given[n.name], operator=OPERATORS[n.name],
                **({"service": service[n.name]} if service and n.name in service else {}),
            )
            for n in nodes
        ]  # fmt: skip
        access = find_access(tracks, mine)
        links = close_links(access, tracks, mine)
        return tracks, access, links, plan_contacts(links, access, mine, policy, tracks)

    return build


def test_plan_is_sorted_numbered_and_complete(made):
    tracks, _, links, plan = made()
    assert len(plan) == sum(len(p.intervals) for some in links.values() for p in some)
    assert (np.diff(plan.start_s) >= 0).all()
    assert plan.contact_id[0] == "c000001"
    assert plan.contact_id[-1] == f"c{len(plan):06d}"
    assert (plan.end_s > plan.start_s).all()
    assert plan.start_s.min() >= 0.0
    assert plan.end_s.max() <= plan.span_s == tracks.span_s
    kinds = set(plan.kind)
    assert kinds == {
        "surface-relay", "relay-surface", "relay-earth", "earth-relay", "surface-earth",
        "earth-surface", "crosslink",
    }  # fmt: skip
    again = made()[3]
    assert again.frame.equals(plan.frame)


def test_contacts_are_long_enough_and_their_light_time_is_the_largest(made):
    tracks, _, _, plan = made()
    for source, target in {tuple(x) for x in zip(plan.source, plan.target, strict=True)}:
        for terminal in set(plan.select(source, target).terminal_source):
            mine = plan.select(source, target)
            mine = mine.take(mine.terminal_source == terminal)
            joined = Intervals(mine.start_s, mine.end_s)
            assert joined.durations_s.min() >= 1.0
            for start, end, owlt in zip(mine.start_s, mine.end_s, mine.owlt_s, strict=True):
                light = range_km(tracks, source, target, np.linspace(start, end, 50)) / C_KM_S
                assert light.max() <= owlt + 1e-9
                assert light.max() >= owlt - 1e-3


def test_the_table_has_the_published_columns_and_consistent_units(made):
    _, access, _, plan = made()
    frame = plan.frame
    assert tuple(frame.columns) == COLUMNS
    assert np.allclose(frame.duration_s, frame.end_s - frame.start_s)
    assert np.allclose(frame.volume_bit, frame.rate_bps * frame.duration_s)
    assert frame.start_utc.iloc[0] == plan.epoch.utc_text(plan.start_s[0])
    assert frame.end_utc.iloc[-1].startswith("2030-03-0")
    assert frame.margin_db.min() >= 3.0 - 1e-6
    assert "contacts" in plan._repr_html_()
    table = access_frame(access, plan.epoch)
    assert list(table.columns) == [
        "a", "b", "start_s", "end_s", "start_utc", "end_utc", "opens_by", "closes_by",
    ]  # fmt: skip
    assert (table.a < table.b).all()


def test_selection(made):
    _, _, _, plan = made()
    some = plan.select(source=["pole", "near"], target="earth-1", min_rate_bps=1e6)
    assert set(some.source) <= {"pole", "near"}
    assert set(some.target) == {"earth-1"}
    assert some.rate_bps.min() >= 1e6
    whole = dict(zip(plan.contact_id, plan.start_s, strict=True))
    assert [whole[i] for i in some.contact_id] == some.start_s.tolist()  # ids stay
    assert plan.intervals("near", "earth-1").total_s > 0


def test_no_contact_outside_service_at_either_end(made):
    tracks, _, _, whole = made()
    gap = (50000.0, 60000.0)
    off = {
        n: Intervals.from_pairs([(0.0, gap[0]), (gap[1], tracks.span_s)])
        for n in ("elfo", "earth-1")
    }
    _, _, _, plan = made(service=off)
    sent = Intervals(plan.select("elfo").start_s, plan.select("elfo").end_s)
    assert not len(sent.clip(*gap))
    for name in ("elfo", "earth-1"):
        heard = plan.select(target=name)
        for start, end, source in zip(heard.start_s, heard.end_s, heard.source, strict=True):
            for edge in (start + 1e-3, end - 1e-3):
                light = range_km(tracks, source, name, edge) / C_KM_S
                assert not gap[0] < edge + light < gap[1]
    untouched = [("low", "pole"), ("low", "near")]
    for pair in untouched:
        assert plan.select(*pair).start_s.tolist() == whole.select(*pair).start_s.tolist()
    assert len(plan.select("elfo")) >= 1


def test_policy_forbids_and_the_closable_plan_remembers(made):
    _, _, _, plan = made(policy=RULE)
    everything = made()[3]
    assert plan.closable.frame.equals(everything.frame)
    assert len(plan) < len(everything)
    joined = {(OPERATORS[a], OPERATORS[b]) for a, b in zip(plan.source, plan.target, strict=True)}
    assert joined <= {("jaxa", "jaxa"), ("jaxa", "esa"), ("esa", "jaxa")}
    assert plan.contact_id[0] == "c000001"
    free = made(policy={"groups": {}, "share": []})[3]
    assert free.closable is free
    assert len(free) == len(everything)


def test_policy_says_the_same_here_and_in_the_scenario():
    model = Policy(**RULE)
    operators = ["jaxa", "esa", "cnsa", "nobody", None]
    for a in operators:
        for b in operators:
            assert permits(RULE, a, b) == permits(model, a, b) == model.permits(a, b)
            assert permits(RULE, a, b) == permits(RULE, b, a)
    assert permits(None, "cnsa", "jaxa")


def test_kinds_of_contact():
    assert contact_kind("station", "asset") == "earth-surface"
    assert contact_kind("asset", "asset") == "surface-surface"


def test_a_world_without_links_has_an_empty_plan():
    t = scene.grid(0.1)
    states = {
        "a": scene.kepler(3000, 0.1, 10, 0, 0, 0, t),
        "b": scene.kepler(5000, 0, 0, 0, 0, 0, t),
    }
    tracks = scene.tracks_of(t, states, {"a": "spacecraft", "b": "spacecraft"})
    nodes = [scene.node(n, "spacecraft", t) for n in "ab"]
    access = find_access(tracks, nodes)
    plan = plan_contacts(close_links(access, tracks, nodes), access, nodes, None, tracks)
    assert len(plan) == 0
    assert tuple(plan.frame.columns) == COLUMNS
    assert len(access_frame({}, plan.epoch)) == 0


def test_many_utc_texts_are_the_texts_one_by_one():
    epoch = Epoch.parse("2016-12-30T12:00:00 UTC")  # a leap second ends the next day
    t = np.linspace(0.0, 3 * 86400.0, 700)
    assert epoch.utc_text(t) == [epoch.utc_text(float(x)) for x in t]
    later = Epoch.parse("2030-03-01T00:00:00 UTC")
    for decimals in (0, 1, 3, 6):
        many = later.utc_text(t, decimals)
        assert many == [later.utc_text(float(x), decimals) for x in t]
