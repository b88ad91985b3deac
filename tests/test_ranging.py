"""What ranges to what: terminals, C/N0, policy, radius, service windows."""

from __future__ import annotations

import numpy as np
import pytest

from cislunar import catalog
from cislunar.access import find_access
from cislunar.nodes import Node
from cislunar.positioning import score_positioning
from cislunar.ranging import find_ranging, map_signals, receiver_noise_m
from cislunar.schema import Policy
from cislunar.terminal_records import Terminal
from cislunar.tracks import Tracks
from orbits.epoch import Epoch
from orbits.intervals import Intervals

SPAN = 7200.0
T = np.linspace(0.0, SPAN, 121)
ALWAYS = Intervals([0.0], [SPAN])


def terminal(name):
    record = catalog.find(name)
    return Terminal(**{k: v for k, v in record.items() if k != "kind"})


NEAR, FAR, RECEIVER = (
    terminal(n) for n in ("afs-transmitter", "afs-transmitter-far", "afs-receiver")
)


def still(x, y, z):
    return np.tile([x, y, z, 0.0, 0.0, 0.0], (T.size, 1)).astype(float)


def asset(name, latitude_deg, terminals=(RECEIVER,), **more):
    given = {"operator": "jaxa", "service": ALWAYS, "longitude_deg": 0.0, "min_elevation_deg": 5.0}
    return Node(name, "asset", latitude_deg=latitude_deg, terminals=terminals, **given | more)


def craft(name, *terminals, operator="jaxa", service=ALWAYS, **more):
    return Node(name, "spacecraft", operator, terminals=terminals, service=service, **more)


def world(nodes, states):
    kinds = {n.name: n.kind for n in nodes}
    epoch = Epoch.parse("2030-03-01T00:00:00 UTC")
    return Tracks(epoch, T, kinds, states, {}, {}, still(1.5e8, 0, 0), still(0, 3.8e5, 0))


def ranging_of(nodes, states, policy=None):
    tracks = world(nodes, states)
    return find_ranging(tracks, nodes, find_access(tracks, nodes), policy), tracks


def test_reach_follows_the_link_table():
    # catalogue link checks: at 70,000 km the ELFO transmitter is too weak for a first fix
    # (33.5 dBHz against 35), the far version is not (39.7 dBHz)
    nodes = [asset("pole", 90.0), craft("near", NEAR), craft("far", FAR), craft("close", NEAR)]
    states = {
        "pole": still(0, 0, 1737.4), "near": still(0, 0, 71737.4), "far": still(0, 10, 71737.4),
        "close": still(0, 0, 21737.4),
    }  # fmt: skip
    found, _ = ranging_of(nodes, states)
    assert set(found) == {("near", "pole"), ("far", "pole"), ("close", "pole")}
    assert found["near", "pole"].visible.total_s == 0.0
    assert found["far", "pole"].visible == ALWAYS
    assert found["close", "pole"].visible == ALWAYS
    # 44.4 dBHz at 20,000 km
    low, high = found["close", "pole"].noise_m2_km2
    assert np.sqrt(high) * 20000 == pytest.approx(float(receiver_noise_m(44.4)), rel=0.01)
    assert low / high == pytest.approx(10**0.3, rel=1e-9)  # 3 dBi of gain lost at low elevation


def test_policy_service_and_receiver_count():
    nodes = [
        asset("pole", 90.0), asset("deaf", 89.0, ()),
        craft("ours", NEAR, service=Intervals([1000.0], [3000.0])),
        craft("theirs", NEAR, operator="cnsa"),
    ]  # fmt: skip
    states = {
        "pole": still(0, 0, 1737.4), "deaf": still(30, 0, 1737.0), "ours": still(0, 0, 9000),
        "theirs": still(0, 10, 9000),
    }  # fmt: skip
    policy = Policy(
        groups={"lunanet": ["jaxa"], "china": ["cnsa"]},
        share=[["lunanet", "lunanet"], ["china", "china"]],
    )
    found, _ = ranging_of(nodes, states, policy)
    assert set(found) == {("ours", "pole")}
    assert found["ours", "pole"].visible.pairs() == [(1000.0, 3000.0)]


def test_a_beacon_serves_its_radius():
    beacon = asset("beacon", 90.0, (NEAR,), serves_radius_km=15.0, eirp_override_dbw=0.0)
    users = [asset("close", 89.8), asset("away", 88.0), asset("same", 90.0)]
    rad = np.radians([89.8, 88.0])
    states = {
        "beacon": still(0, 0, 1737.4), "same": still(0, 0, 1737.4),
        "close": still(1737.4 * np.cos(rad[0]), 0, 1737.4 * np.sin(rad[0])),
        "away": still(1737.4 * np.cos(rad[1]), 0, 1737.4 * np.sin(rad[1])),
    }  # fmt: skip
    found, _ = ranging_of([beacon, *users], states)
    assert set(found) == {("beacon", "close")}


def test_scores_run_on_what_was_found():
    sats = [craft(f"lnss-{i}", NEAR) for i in range(5)]
    nodes = [asset("pole", 90.0), *sats]
    spots = [(0, 0, 9000), (6000, 0, 6000), (-3000, 5000, 6000), (-3000, -5000, 6000), (1, 1, -9e3)]
    states = {"pole": still(0, 0, 1737.4)}
    states |= {n.name: still(*p) for n, p in zip(sats, spots, strict=True)}
    found, tracks = ranging_of(nodes, states)
    uere = catalog.find("uere")
    result = score_positioning(tracks, nodes, found, uere)
    row = result.frame.iloc[0]
    assert (row["visible_min"], row["availability_frac"]) == (4, 1.0)
    # nearly equal errors: SISE 5 m, multipath 0.5 m, noise 0.1 m
    assert row["accuracy_3d_p95_m"] == pytest.approx(row["pdop_p50"] * np.hypot(5.0, 0.5), rel=2e-3)
    signals = map_signals(nodes, uere)
    assert set(signals) == {n.name for n in sats}
    without = map_signals(sats, uere)  # no asset: the catalogue's receiver
    assert without == signals
    assert signals["lnss-0"].sise_m == 5.0
    # 35 dBHz is reached where 33.5 dBHz at 70,000 km is 1.5 dB stronger
    assert signals["lnss-0"].reach_km[1] == pytest.approx(70000 * 10 ** (-1.5 / 20), rel=0.01)
