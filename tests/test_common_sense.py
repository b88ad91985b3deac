"""What anyone in the field would check first, on the scenarios that are shipped."""

from pathlib import Path

import numpy as np
import pytest

import cislunar
from orbits.constants import MOON_RADIUS_KM

ROOT = Path(__file__).parent.parent


def elevation_deg(site, target):
    line = target - site
    up = site / np.linalg.norm(site, axis=1, keepdims=True)
    sine = (line * up).sum(axis=1) / np.linalg.norm(line, axis=1)
    return np.degrees(np.arcsin(sine))


def tracks_of(scenario):
    from cislunar.nodes import expand_nodes
    from cislunar.tracks import build_tracks
    from cislunar.trajectories import build_trajectories
    from orbits.ephemeris import De440

    ephemeris = De440.open()
    nodes = expand_nodes(scenario)
    trajectories = build_trajectories(scenario, nodes, ephemeris)
    return build_tracks(scenario, nodes, trajectories, ephemeris)


@pytest.fixture(scope="module")
def dro_scenario():
    return cislunar.load_scenario(ROOT / "configs" / "dro_relays.yaml")


@pytest.fixture(scope="module")
def dro_tracks(dro_scenario):
    return tracks_of(dro_scenario)


def test_earth_over_a_smooth_south_pole_in_march_2030(dro_tracks, evidence):
    """Earth is up 52 % of those 28 days at mask 0 and 21 % at 5 degrees."""
    site = dro_tracks.states["south-pole"][:, :3]
    assert np.allclose(np.linalg.norm(site, axis=1), MOON_RADIUS_KM)
    up = elevation_deg(site, dro_tracks.earth[:, :3])
    for mask, expected in ((0.0, 52.0), (5.0, 21.0)):
        found = 100 * (up >= mask).mean()
        evidence(
            f"Earth over the south pole, mask {mask:g} deg", "DE440 month stated by the requirement",
            1, abs(found - expected), 2.0, "% of the time", "the figure is stated to 2 %",
        )  # fmt: skip


def test_a_planar_dro_is_low_over_the_pole_in_de440(dro_tracks, evidence):
    """About 40 % of the time above 0, 10 % above 5, never above 6.5 degrees: the equator tilts.

    The share above 5 degrees hangs on the last half degree of passes that top out near 5.4, so it
    runs from 0 to 15 % with the phase; the figure is held for the relay at phase 0.
    """
    site = dro_tracks.states["south-pole"][:, :3]
    up = {
        name: elevation_deg(site, dro_tracks.states[name][:, :3])
        for name in ("dro-1", "dro-2", "dro-3")
    }
    assert all(4.5 < e.max() < 6.5 for e in up.values())
    for mask, expected in ((0.0, 40.0), (5.0, 10.0)):
        evidence(
            f"planar 70,000 km DRO over the south pole, mask {mask:g} deg",
            "the tilt of the lunar equator to the orbit plane, 6.7 deg", 1,
            abs(100 * (up["dro-1"] >= mask).mean() - expected), 5.0, "% of the time",
            "one month is one sample",
        )  # fmt: skip


def test_a_planar_dro_never_rises_over_the_pole_in_the_three_body_problem(dro_scenario):
    tracks = tracks_of(dro_scenario.model_copy(update={"fidelity": "cr3bp"}))
    site = tracks.states["south-pole"][:, :3]
    for name in ("dro-1", "dro-2", "dro-3"):
        highest = elevation_deg(site, tracks.states[name][:, :3]).max()
        assert -1.6 < highest < -0.9  # the pole sees a horizon dipping R/r below the orbit plane


def test_phased_relays_stay_apart(dro_tracks):
    """In the rotating frame, seen from the Moon, over 50 degrees between any two."""
    unit = {
        n: dro_tracks.states[n][:, :3]
        / np.linalg.norm(dro_tracks.states[n][:, :3], axis=1, keepdims=True)
        for n in ("dro-1", "dro-2", "dro-3")
    }
    for a, b in (("dro-1", "dro-2"), ("dro-2", "dro-3"), ("dro-1", "dro-3")):
        apart = np.degrees(np.arccos((unit[a] * unit[b]).sum(axis=1)))
        assert apart.min() > 50.0


@pytest.fixture(scope="module")
def japan():
    """The main scenario without its options: scores, gaps and maps."""
    scenario = cislunar.load_scenario(ROOT / "configs" / "japan_2030.yaml")
    return cislunar.run(scenario.model_copy(update={"options": ()}), quiet=True)


def test_the_far_side_has_no_direct_earth_link(japan):
    far = {"tsukuyomi", "mare-ingenii-pit", "cp12-schrodinger", "blue-ghost-m2-lusee"}
    stations = {n.name for n in japan.nodes if n.kind == "station"}
    pairs = japan.access[["a", "b"]].apply(frozenset, axis=1)
    for place in ("tsukuyomi", "mare-ingenii-pit", "blue-ghost-m2-lusee"):
        assert not any(place in p and p & stations for p in pairs)
    direct = japan.comm_scores.query("service == 'direct'").set_index("asset")
    for place in far & set(direct.index) - {"cp12-schrodinger"}:
        assert direct.loc[place, "availability_frac"] == 0.0


def test_service_and_gaps_partition_the_span(japan):
    span = japan.scenario.duration_s
    gaps = japan.gaps.groupby(["place", "service"])["duration_s"].sum()
    for row in japan.comm_scores.itertuples():
        unserved = gaps.get((row.asset, row.service), 0.0)
        assert row.availability_frac * span + unserved == pytest.approx(span, abs=1e-3)


def test_every_gap_is_split_by_cause_to_the_second(japan):
    whole = japan.gaps.set_index("gap_id")["duration_s"]
    parts = japan.gap_causes.groupby("gap_id")["duration_s"].sum()
    assert set(parts.index) == set(whole.index)
    assert (parts - whole).abs().max() < 1e-3


def test_policy_keeps_the_networks_apart(japan):
    china = {n.name for n in japan.nodes if n.operator in ("cnsa", "cas")}
    contacts = japan.contacts
    assert len(china) > 4
    crossing = contacts["source"].isin(china) != contacts["target"].isin(china)
    assert not crossing.any()


def test_light_times_are_the_distances(japan):
    """Each contact's light time is its largest range over c, re-derived from the tracks."""
    tracks, contacts = japan.tracks, japan.contacts
    for row in contacts.iloc[:: max(1, len(contacts) // 300)].itertuples():
        index = np.unique(
            np.clip(np.linspace(row.start_s, row.end_s, 9) / tracks.step_s, 0, tracks.t_s.size - 1)
            .round()
            .astype(int)
        )
        apart = np.linalg.norm(
            tracks.states[row.source][index, :3] - tracks.states[row.target][index, :3], axis=1
        )
        assert row.owlt_s >= apart.max() / 299792.458 - 3e-3
        assert row.owlt_s <= apart.max() / 299792.458 + 0.02
