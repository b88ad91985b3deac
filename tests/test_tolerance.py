"""Loss of sources: against brute force, names of the worst loss, the published constellation."""

from __future__ import annotations

import math
import runpy
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cislunar.positioning.fixes import find_fixes
from cislunar.positioning.scores import ACCURACY_COLUMNS, score_positioning
from cislunar.positioning.tolerance import COLUMNS, loss_tolerance
from cislunar.ranging import Ranging
from orbits.intervals import Intervals

bench = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("test_positioning.py"))))
DAY, DEG, UERE = bench.DAY, bench.DEG, bench.UERE
fleet, in_view, kepler, small_world = bench.fleet, bench.in_view, bench.kepler, bench.small_world
USER = np.zeros((1441, 6))
USER[:, 2] = -1737.4


def setting(limit_m=60.0, names="abcdef"):
    t, states = fleet()
    spans = in_view(states, t)
    fixing = {
        "ranging": [Ranging(v, (0.0, 0.0)) for v in spans], "sise_m": [5.0] * 6,
        "multipath_m": 0.5, "limits": (limit_m, math.inf, math.inf),
    }  # fmt: skip
    return t, states, list(names), fixing


def served_without(t, states, fixing, lost):
    keep = [s for s in range(6) if s not in lost]
    some = fixing | {k: [fixing[k][s] for s in keep] for k in ("ranging", "sise_m")}
    return find_fixes(t, USER, states[keep], **some).served


def test_worst_losses_are_the_worst_of_all():
    t, states, names, fixing = setting()
    none, one, two = loss_tolerance(t, USER, states, names, fixing)
    assert none.served == served_without(t, states, fixing, ())
    assert 0.2 < none.served.total_s / DAY < 1.0
    for loss, size in ((one, 1), (two, 2)):
        every = {
            tuple(names[s] for s in lost): served_without(t, states, fixing, lost)
            for lost in combinations(range(6), size)
        }
        least = min(s.total_s for s in every.values())
        assert loss.served.total_s == pytest.approx(least, abs=60.0)  # ranked at grid instants
        assert every[loss.lost] == loss.served
        # served whatever is lost: the meet of all
        always = Intervals([0.0], [DAY])
        for spans in every.values():
            always = always & spans
        assert loss.survives_any_frac == pytest.approx(always.contains(t[:-1]).mean(), abs=1e-12)
    assert two.served.total_s <= one.served.total_s <= none.served.total_s
    assert two.survives_any_frac <= one.survives_any_frac <= none.survives_any_frac


def test_an_idle_source_is_no_loss():
    t, states, names, fixing = setting(math.inf)
    fixing["ranging"][2] = Ranging(Intervals(), (0.0, 0.0))
    assert "c" not in loss_tolerance(t, USER, states, names, fixing)[1].lost
    nothing = fixing | {"ranging": [Ranging(Intervals(), (0.0, 0.0))] * 6}
    none, one, two = loss_tolerance(t, USER, states, names, nothing)
    assert (none.served.total_s, one.lost, two.lost) == (0.0, (), ())
    empty = fixing | {"ranging": [], "sise_m": []}
    assert len(loss_tolerance(t, USER, states[:0], [], empty)) == 1


def test_tables_reach_the_result():
    tracks, nodes, ranging = small_world()
    result = score_positioning(tracks, nodes, ranging, UERE)
    assert result.tolerance is not None
    assert result.accuracy is not None
    assert tuple(result.tolerance.columns) == COLUMNS
    assert tuple(result.accuracy.columns) == ACCURACY_COLUMNS
    assert list(result.tolerance["lost_count"]) == [0, 1, 2]
    assert set(result.tolerance["asset"]) == {"base"}  # the mute asset has no receiver
    row = result.frame.iloc[0]
    table = result.accuracy.set_index("component")
    assert list(table.index) == ["horizontal", "vertical", "3d", "time"]
    assert table.loc["3d", "rms_p95_m"] == pytest.approx(row["accuracy_3d_p95_m"], rel=1e-6)
    assert table.loc["vertical", "r95_p50_m"] == pytest.approx(
        1.959964 * table.loc["vertical", "rms_p50_m"], rel=1e-5
    )
    assert table.loc["time", "r3sigma_p95_m"] == pytest.approx(
        3.0 * table.loc["time", "rms_p95_m"], rel=1e-5
    )
    # twice the RMS is no 95 %: too much for a flat error, and never too little
    for name in ("horizontal", "3d"):
        ratio = table.loc[name, "r95_p50_m"] / table.loc[name, "rms_p50_m"]
        assert 1.6 < ratio < 2.0
    assert result.tolerance.iloc[0]["availability_frac"] == row["availability_frac"]
    assert row["worst_24h_frac"] == pytest.approx(row["availability_frac"])  # the span is one day


def test_the_published_sixteen_survive_any_one(validation, evidence):
    """LNCSS case C: failure tolerance 100 %, availability 100 %."""
    case = validation("positioning.yaml", "lncss_C_mask5")
    definitions = validation("positioning.yaml")["definitions"]["op_frame"]
    rows = np.array(definitions["rows_in_ICRF"])
    pole = np.array(definitions["moon_pole_in_ICRF"])
    t = np.arange(0.0, 3 * DAY + 1.0, 600.0)
    states = np.stack([
        kepler(6143.0, 0.6, 51.7, node, 90.0, mean, t, 4902.800118) @ np.kron(np.eye(2), rows)
        for node in case["inputs"]["planes"]["node_deg"]
        for mean in case["inputs"]["planes"]["M_deg"]
    ])  # fmt: skip
    user = np.zeros((t.size, 6))
    user[:, :3] = -1737.4 * pole
    spans = []
    for s in states:
        d = s[:, :3] - user[:, :3]
        on = d @ -pole / np.linalg.norm(d, axis=1) >= math.sin(5.0 * DEG)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
        spans.append(Intervals(t[edges[::2]], np.append(t, t[-1] + 1)[edges[1::2]]))
    fixing = {
        "ranging": [Ranging(v, (0.0, 0.0)) for v in spans], "sise_m": [3.86] * 16,
        "multipath_m": 0.0,
    }  # fmt: skip
    found = loss_tolerance(t, user, states, [f"{i:02d}" for i in range(16)], fixing)
    published = case["expected"]["published"]
    residual = max(
        abs(100 * found[0].served.total_s / t[-1] - published["availability_percent"]),
        abs(100 * found[1].survives_any_frac - published["failure_tolerance_percent"]),
    )
    evidence("Availability and failure tolerance of 16 satellites", case["source"]["title"], 2,
             residual, 0.05, "percent", "printed to 1 percent")  # fmt: skip
