"""Contacts cut where the light time moves: nothing lost, and the tolerance held, by sampling."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar.access import find_access
from cislunar.contact_delay import split_by_delay
from cislunar.contacts import plan_contacts
from cislunar.links import close_links
from orbits.constants import C_KM_S

scene = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("scene.py"))))
contacts = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_contacts.py"))))


@pytest.fixture(scope="module")
def world():
    tracks, nodes = scene.small_world(days=1.0)
    given = {
        "elfo": ("relay-s", "relay-x-earth"), "low": ("relay-x-earth",),
        "pole": ("user-s-medium", "user-x-dte"), "near": ("user-x-dte",),
        "earth-1": ("station-34m-x",),
    }  # fmt: skip
    mine = [
        scene.node(
            n.name, n.kind, tracks.t_s, min_elevation_deg=n.min_elevation_deg,
            latitude_deg=n.latitude_deg, longitude_deg=n.longitude_deg,
            terminals=contacts.terminals(*given[n.name]),
        )
        for n in nodes
    ]  # fmt: skip
    access = find_access(tracks, mine)
    return tracks, plan_contacts(close_links(access, tracks, mine), access, mine, None, tracks)


def light_s(tracks, a, b, t):
    """Light time by cubic interpolation of the hand-made positions, apart from the planner's."""
    from scipy.interpolate import CubicHermiteSpline

    at = [CubicHermiteSpline(tracks.t_s, tracks.states[n][:, :3], tracks.states[n][:, 3:])(t)
          for n in (a, b)]  # fmt: skip
    return np.linalg.norm(at[1] - at[0], axis=1) / C_KM_S


@pytest.mark.parametrize("tolerance_s", [1e-3, 1e-2])
def test_light_time_keeps_within_the_tolerance(world, tolerance_s, evidence):
    tracks, plan = world
    cut = split_by_delay(plan, tracks, tolerance_s)
    assert len(cut) > len(plan)
    worst = below = 0.0
    for i in range(len(cut)):
        t = np.linspace(cut.start_s[i], cut.end_s[i], 15)
        late = light_s(tracks, cut.source[i], cut.target[i], t)
        worst = max(worst, cut.owlt_s[i] - late.min())
        below = max(below, late.max() - cut.owlt_s[i])
    evidence(
        f"contacts cut at a delay tolerance of {tolerance_s:g} s", "sampled light times", len(cut),
        max(worst - tolerance_s, below), 2e-6, "s",
        "crossings are refined to 1e-5 s, in which the range moves by metres",
    )  # fmt: skip


def test_nothing_is_lost_and_rates_stay(world):
    tracks, plan = world
    cut = split_by_delay(plan, tracks, 1e-3)
    assert cut.volume_bit.sum() == pytest.approx(plan.volume_bit.sum(), rel=1e-12)
    for pair in set(zip(plan.source, plan.target, strict=True)):
        assert (plan.intervals(*pair) - cut.intervals(*pair)).total_s == 0.0
    assert (np.diff(cut.start_s) >= 0.0).all()


def test_no_tolerance_is_the_plan_itself(world):
    tracks, plan = world
    assert split_by_delay(plan, tracks, None) is plan
