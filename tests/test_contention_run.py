"""A run in which links contend: what it costs is named, and nothing else changes its cause."""

from itertools import pairwise

import numpy as np
import pytest

import cislunar
from cislunar.report.scorecard import scorecard
from cislunar.schema import Contention
from orbits.errors import InputError
from orbits.intervals import Intervals

ORBIT = {
    "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4, "eccentricity": 0.6,
    "inclination_deg": 56.2, "raan_deg": 0.0, "argument_of_periapsis_deg": 90.0,
    "mean_anomaly_deg": 150.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    """One relay with one Ka beam, three bases near the pole that all want it for two days."""
    sites = [
        {
            "name": f"base-{k}", "latitude_deg": -88.0 + k, "longitude_deg": 30.0 * k,
            "min_elevation_deg": 5.0, "terminals": ["user-ka-base"], "priority": 1.0 + k,
            "needs": [{"service": s, "availability_frac": 0.5} for s in ("relay", "forward")],
        }
        for k in range(3)
    ]  # fmt: skip
    one = cislunar.Scenario(
        name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=2, fidelity="kepler", options=[],
        spacecraft=[
            {"name": "relay", "orbit": ORBIT, "terminals": ["relay-ka-user", "relay-x-earth"]}
        ],
        ground_stations=[{"from": "dsn-canberra"}, {"from": "dsn-madrid"}, {"from": "dsn-goldstone"}],
        assets=sites, outputs={"report": []},
    )  # fmt: skip
    rules = Contention(set_up_s=60.0, minimum_contact_s=120.0)
    return [
        cislunar.run(s, quiet=True) for s in (one, one.model_copy(update={"contention": rules}))
    ]


def unserved(results, place, service):
    rows = results.gaps[(results.gaps.place == place) & (results.gaps.service == service)]
    return Intervals(rows.start_s.to_numpy(), rows.end_s.to_numpy())


def test_every_gap_is_parted_by_its_causes(runs):
    for results in runs:
        parts = results.gap_causes.groupby("gap_id").duration_s.sum()
        whole = results.gaps.set_index("gap_id").duration_s
        np.testing.assert_allclose(parts[whole.index], whole, atol=1e-6)
    assert "contention" not in set(runs[0].gap_causes.cause)


def test_what_contention_costs_is_its_own_cause(runs):
    """The gaps that only the contended run has are contention, for the very same seconds."""
    alone, contended = runs
    lost = 0.0
    for place in ("base-0", "base-1", "base-2"):
        for service in ("relay", "forward"):
            new = unserved(contended, place, service) - unserved(alone, place, service)
            ids = contended.gaps[
                (contended.gaps.place == place) & (contended.gaps.service == service)
            ].gap_id
            rows = contended.gap_causes[
                contended.gap_causes.gap_id.isin(ids) & (contended.gap_causes.cause == "contention")
            ]
            named = Intervals(rows.start_s.to_numpy(), rows.end_s.to_numpy())
            assert (new - named).total_s < 1.0
            assert (named - new).total_s < 1.0
            lost += new.total_s
    assert lost > 3600.0


def test_the_one_beam_serves_one_base_at_a_time_with_its_set_up(runs):
    plan = runs[1].plan
    assert len(plan) < len(plan.wanted)
    busy = []
    for place in ("base-0", "base-1", "base-2"):
        up = plan.select(place, "relay")
        down = plan.select("relay", place)
        spans = Intervals(
            np.concatenate((up.start_s, down.start_s)),
            np.concatenate((up.end_s + up.owlt_s, down.end_s + down.owlt_s)),
        )
        busy += [(a, b, place) for a, b in spans]
    busy.sort()
    for (_, end, one), (start, _, other) in pairwise(busy):
        assert one == other or start - end >= 60.0 - 0.1  # a light time within a grant is idle
    assert min(b - a for a, b, _ in busy) > 120.0 - 0.1
    decided = runs[1].manifest["contention"]
    assert decided["served_s"] <= decided["bound_s"]
    assert "contention" not in runs[0].manifest
    gap = f"at most {100 * decided['optimality_gap_frac']:.1f} % below the best"
    assert gap in words(scorecard(runs[1]))
    assert "Assets scored alone" in words(scorecard(runs[0]))
    assert "Assets scored alone" not in words(scorecard(runs[1]))


def words(renderable):
    from rich.console import Console

    with (console := Console(width=1000)).capture() as held:
        console.print(renderable)
    return held.get()


def test_the_higher_priority_loses_less(runs):
    alone, contended = runs
    lost = [
        (unserved(contended, p, "relay") - unserved(alone, p, "relay")).total_s
        for p in ("base-0", "base-2")
    ]
    assert lost[1] < lost[0]


@pytest.mark.parametrize(
    ("aperture", "what"),
    [
        ({"terminals": ["relay-ka-earth"]}, "no terminal"),
        ({"terminals": ["relay-ka-user", "relay-ka-user"]}, "two apertures"),
        ({"terminals": []}, "terminals"),
    ],
)
def test_apertures_hold_terminals_of_their_node_once(aperture, what):
    with pytest.raises(InputError) as fault:
        cislunar.Scenario(
            name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[],
            spacecraft=[
                {
                    "name": "relay", "orbit": ORBIT, "terminals": ["relay-ka-user"],
                    "apertures": {"dish": aperture},
                }
            ],
        )  # fmt: skip
    assert what in str(fault.value)
