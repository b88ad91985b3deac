"""Gaps with names: what they gather, and that nothing is lost on the way."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.gaps import CAUSES
from cislunar.named_gaps import REGIONS, gap_name, gap_pieces, name_gaps, region_of
from cislunar.nodes import Node
from orbits.epoch import Epoch
from orbits.intervals import Intervals

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
SPAN_S = 10 * 86400.0


def site(name, latitude, weight=1.0, service=(0.0, SPAN_S)):
    return Node(
        name, "asset", latitude_deg=latitude, longitude_deg=170.0, weight=weight,
        service=Intervals([service[0]], [service[1]]),
    )  # fmt: skip


def tables(rows):
    """``(place, service, [(cause, start, end), ...], severity)`` as the two tables of a run."""
    gaps, causes = [], []
    for k, (place, service, pieces, severity) in enumerate(rows):
        gap = f"g{k + 1:06d}"
        start, end = pieces[0][1], pieces[-1][2]
        gaps.append((gap, place, service, start, end, end - start, severity))
        causes += [(gap, cause, a, b, b - a) for cause, a, b in pieces]
    return (
        pd.DataFrame(
            gaps,
            columns=["gap_id", "place", "service", "start_s", "end_s", "duration_s", "severity"],
        ),
        pd.DataFrame(causes, columns=["gap_id", "cause", "start_s", "end_s", "duration_s"]),
    )


def test_by_hand():
    nodes = [site("a", -89.0), site("b", -85.0, weight=0.0), site("c", -36.0)]
    hour = 3600.0
    gaps, causes = tables(
        [
            ("a", "positioning", [("few-sources", 0.0, 6 * hour), ("geometry", 6 * hour, 8 * hour)],
             0.4),
            ("b", "positioning", [("few-sources", 0.0, 2 * hour)], 0.1),
            ("c", "positioning", [("few-sources", 0.0, 5 * hour)], 0.0),
            ("a", "direct", [("below-horizon", 0.0, 99 * hour)], 0.0),  # nobody needs it
        ]
    )  # fmt: skip
    needed = [(p, "positioning") for p in "abc"]
    named = name_gaps(*gap_pieces(gaps, causes, nodes, needed, EPOCH, SPAN_S))
    assert named["name_en"].tolist() == [
        "positioning, south pole, fewer than four sources",
        "positioning, far side, middle latitudes, fewer than four sources",
        "positioning, south pole, geometry too weak",
    ]
    first = named.iloc[0]
    assert first["place_hours"] == pytest.approx(8.0)
    # 8 h missed of two places' ten days: in a month of 730.5 h each
    assert first["hours_per_month"] == pytest.approx(8.0 / 480.0 * 730.5)
    assert first["severity"] == pytest.approx(0.4 * 6 / 8 + 0.1)
    assert first["gap_ids"] == "g000001 g000002"
    assert (first["users_affected"], first["weight"], first["places"]) == (1, 1.0, "a b")
    assert (first["years"], first["season"]) == ("2030", "all")


def test_time_out_of_a_mission_is_no_gap():
    gaps, causes = tables([("a", "relay", [("no-provider", 0.0, SPAN_S)], 0.9)])
    lander = site("a", -89.0, service=(0.0, SPAN_S / 4))
    pieces, demand = gap_pieces(gaps, causes, [lander], [("a", "relay")], EPOCH, SPAN_S)
    assert pieces["hours"].sum() == pytest.approx(60.0)
    assert demand["demand_h"].tolist() == pytest.approx([60.0])
    assert pieces["severity"].sum() == pytest.approx(0.9 / 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_add_up_to_the_outage(seed):
    rng = np.random.default_rng(seed)
    nodes = [site(f"s{k}", float(rng.uniform(-90, 90))) for k in range(4)]
    rows, outage, severity = [], 0.0, 0.0
    for node in nodes:
        for service in ("relay", "positioning"):
            edges = np.sort(rng.uniform(0.0, SPAN_S, 2 * rng.integers(1, 5)))
            for start, end in edges.reshape(-1, 2):
                cuts = np.linspace(start, end, rng.integers(1, 4) + 1)
                pieces = [(str(rng.choice(CAUSES)), float(a), float(b)) for a, b in pairwise(cuts)]
                rows.append((node.name, service, pieces, float(rng.uniform())))
                outage += end - start
                severity += rows[-1][3]
    needed = [(n.name, s) for n in nodes for s in ("relay", "positioning")]
    gaps, causes = tables(rows)
    named = name_gaps(*gap_pieces(gaps, causes, nodes, needed, EPOCH, SPAN_S))
    assert named["place_hours"].sum() == pytest.approx(outage / 3600.0, rel=1e-9)
    assert named["severity"].sum() == pytest.approx(severity, rel=1e-9)
    # every second is found again through the ids: pieces of these gaps with that cause
    for row in named.to_dict("records"):
        own = causes[causes["gap_id"].isin(row["gap_ids"].split())]
        seconds = own[own["cause"] == row["cause"]]["duration_s"].sum()
        assert seconds / 3600.0 == pytest.approx(row["place_hours"], rel=1e-9)


def test_every_name_can_be_said_in_both_languages():
    names = {
        (service, region, cause, language): gap_name(service, region, cause, language)
        for service in ("relay", "direct", "forward", "crosslink", "positioning")
        for region in REGIONS
        for cause in CAUSES
        for language in ("en", "ja")
    }
    assert len(set(names.values())) == len(names)
    assert gap_name("positioning", "south-pole", "few-sources", "ja") == (
        "測位、南極域、測位信号源4未満"
    )
    for latitude in (-90, -80, -60, -30, 0, 29.9, 45, 79.9, 90):
        for longitude in (-180, -90.1, -90, 0, 90, 90.1, 180, 359):
            assert region_of(latitude, longitude) in REGIONS
