"""Sweeps that are killed, fail in part, or run on more workers: the same rows as ever."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cislunar.sweep import load_sweep, sweep
from cislunar.sweep.shared import DiskShelf
from cislunar.sweep.trade import trade_from
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.trajectory import Trajectory

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # of Dask's own threads and sockets

BASE = {
    "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "step_s": 60, "fidelity": "kepler",
    "constellations": [
        {"from": "lnss-8", "name": "lnss", "terminals": ["nav-and-relay"], "per_plane": 3}
    ],
    "regions": [{"from": "south-cap", "cell_count": 20}],
}  # fmt: skip
METRICS = {
    "seen": {"of": "coverage.visible_mean", "how": "mean"},
    "availability": {"of": "coverage.availability_frac", "how": "mean"},
    "gap_s": {"of": "coverage.longest_gap_s", "how": "max"},
    "pdop_p50": {"of": "coverage.pdop_p50", "how": "mean"},
    "members": {"expression": "2 * per_plane"},
    "price_oku_jpy": {"cost_oku_jpy": {"lnss": 10.0}},
}
TRADE = {
    "name": "small", "base": BASE, "metrics": METRICS,
    "axes": {
        "per_plane": {"key": "constellations.lnss.per_plane", "values": [2, 3, 4]},
        "a_km": {"key": "constellations.lnss.orbit.semi_major_axis_km", "linear": [3000, 9000, 7]},
        "e": {"key": "constellations.lnss.orbit.eccentricity", "values": [0.3, 0.6]},
    },
    "objectives": {"members": "min", "availability": "max"},
}  # fmt: skip
SAME = ["variant", "key", "per_plane", "a_km", "e", *METRICS, "error", "error_kind"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The trade's sweep, never killed, on one worker."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    return sweep(trade_from(TRADE), folder, workers=1, quiet=True)


def test_a_sweep_has_a_row_a_variant_in_order_and_failures_are_rows(whole):
    table = whole.table
    assert table["variant"].tolist() == list(range(42))
    assert list(table.columns) == SAME
    below = table["a_km"] * (1 - table["e"]) < 1737.4  # two-body ellipses that meet the ground
    assert table.loc[~below, "error"].isna().all()
    assert (table.loc[~below, "members"] == 2 * table.loc[~below, "per_plane"]).all()
    assert (table.loc[~below, "price_oku_jpy"] == 10.0 * table.loc[~below, "members"]).all()
    manifest = json.loads((whole.folder / "manifest.json").read_text())
    assert manifest["failed"] == int(table["error"].notna().sum())
    assert not (whole.folder / "parts").exists()


def test_a_row_is_what_a_run_of_that_variant_gives(whole):
    """The same scenario through ``cislunar.run`` and its coverage product."""
    from cislunar import run
    from cislunar.scenario import Scenario

    row = whole.table.set_index("variant").loc[30]
    body = json.loads(json.dumps(BASE))
    orbit = {"semi_major_axis_km": row["a_km"], "eccentricity": row["e"]}
    body["constellations"][0] |= {"per_plane": int(row["per_plane"]), "orbit": orbit}
    found = run(Scenario(**body, name="one", options=[]), quiet=True).coverage
    assert found is not None
    assert row["seen"] == pytest.approx(float(found["visible_mean"].mean()), rel=1e-12)
    assert row["availability"] == pytest.approx(float(found["availability_frac"].mean()), rel=1e-12)
    assert row["gap_s"] == float(found["longest_gap_s"].max())
    assert row["pdop_p50"] == pytest.approx(float(found["pdop_p50"].mean()), rel=1e-12)


def test_two_workers_and_processes_give_the_same_bytes(whole, tmp_path):
    two = sweep(trade_from(TRADE), tmp_path / "two", workers=2, quiet=True)
    name = "variants.parquet"
    assert (two.folder / name).read_bytes() == (whole.folder / name).read_bytes()


SLOW = """
import json, sys, time
from cislunar.sweep import engine, shared, store
from cislunar.sweep.trade import trade_from

store.SECONDS_A_FILE = 0.2
shared.code_hash = lambda: "the tree may be worked on meanwhile"
quick = engine.row_of

def slow(*given):
    time.sleep(0.05)
    return quick(*given)

engine.row_of = slow
if __name__ == "__main__":
    trade = trade_from(json.load(open(sys.argv[1])))
    engine.sweep(trade, sys.argv[2], workers=1, resume=True, quiet=True)
"""


def test_three_kills_at_random_moments_lose_nothing(whole, tmp_path):
    """kill -9, three times, then to the end: the table of one never killed, byte for byte."""
    script, file, out = tmp_path / "run.py", tmp_path / "trade.json", tmp_path / "out"
    script.write_text(SLOW)
    file.write_text(json.dumps(TRADE))
    command = [sys.executable, str(script), str(file), str(out)]
    rng = random.Random()
    killed, found = 0, []
    while killed < 3:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline, wanted = time.monotonic() + 60.0, len(_parts(out)) + 1
        while time.monotonic() < deadline and process.poll() is None:
            if len(_parts(out)) >= wanted:
                break
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed += 1
        found.append({p.name: p.read_bytes() for p in _parts(out)})
    rows_before = sum(len(pd.read_parquet(p)) for p in _parts(out))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name = "variants.parquet"
    assert (out / name).read_bytes() == (whole.folder / name).read_bytes()
    assert killed == 3
    assert rows_before > 0
    for earlier, later in itertools.pairwise(found):
        assert {k: later[k] for k in earlier} == earlier  # what was finished stays as it was


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / "parts").glob("[0-9]*.parquet"))


def test_what_is_finished_is_not_computed_again(whole, tmp_path, monkeypatch):
    """A folder with some rows: only the others are asked of the workers."""
    from cislunar.sweep import engine

    out = tmp_path / "out"
    runner = engine.Runner._keep
    seen: list[int] = []

    def stop(self, row, values, key):
        runner(self, row, values, key)
        seen.append(row["variant"])
        if len(seen) == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine.Runner, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep(trade_from(TRADE), out, workers=1, quiet=True)
    with pytest.raises(InputError, match="an unfinished sweep is there"):
        sweep(trade_from(TRADE), out, workers=1, quiet=True)
    other = trade_from(TRADE | {"constraints": ["per_plane > 2"]})
    with pytest.raises(InputError, match="another trade"):
        sweep(other, out, resume=True, quiet=True)
    first, seen[:] = set(seen), []
    monkeypatch.setattr(
        engine.Runner, "_keep", lambda *a: (seen.append(a[1]["variant"]), runner(*a))
    )
    again = sweep(trade_from(TRADE), out, workers=1, quiet=True, resume=True)
    assert len(first) == 20
    assert not first & set(seen)
    assert len(first) + len(seen) == 42
    pd.testing.assert_frame_equal(again.table, whole.table)


def test_a_function_may_fail_for_some_variants(tmp_path):
    axes = {"per_plane": TRADE["axes"]["per_plane"]}
    metrics = {"seen": METRICS["seen"], "own": {"function": "math:fsum"}}
    done = sweep(
        trade_from({"name": "f", "base": BASE, "axes": axes, "metrics": metrics,
                    "processes": False}), tmp_path / "f",
        workers=1, quiet=True, functions={"own": _own},
    )  # fmt: skip
    assert done.table["own"].tolist()[:2] == [4.0, 6.0]
    assert done.table["error"].tolist()[2] == "ZeroDivisionError: division by zero"
    assert done.table["error_kind"].tolist()[2] == "defect"
    assert done.manifest["failed"] == 1


def test_numbers_that_do_not_exist_are_empty_and_mixed_values_have_a_column(tmp_path):
    """An expression of a figure without a value has none; null stands beside a number in text."""
    base = BASE | {"constellations": [BASE["constellations"][0] | {"planes": 1}]}
    made = trade_from({
        "name": "n", "base": base,
        "axes": {"per_plane": {"key": "constellations.lnss.per_plane", "values": [1, 4]},
                 "reach": {"key": "constellations.lnss.max_range_km", "values": [None, 50000]},
                 "huge": {"key": [], "values": [10**20]}},
        "metrics": {"seen": METRICS["seen"], "pdop": METRICS["pdop_p50"],
                    "twice": {"expression": "2 * pdop"}},
        "objectives": {"seen": "max", "twice": "min"},
    })  # fmt: skip
    done = sweep(made, tmp_path / "n", workers=1, quiet=True)
    table = done.table
    assert table["error"].isna().all()
    assert table["reach"].tolist() == ["null", "50000", "null", "50000"]
    assert table["huge"].tolist() == [1e20] * 4
    assert table["twice"].isna().tolist() == [True, True, False, False]
    assert (table["twice"][2:] == 2 * table["pdop"][2:]).all()
    assert done.manifest["pareto"] == [2, 3]  # those without a value have no place on the front


def _own(results):
    count = len(results.trajectories)
    return count / (1 if count < 8 else 0)


def test_a_kept_trajectory_is_whole_or_is_not_there(tmp_path):
    shelf = DiskShelf(tmp_path, worth_s=0.0)
    t = np.linspace(0.0, 100.0, 11)
    path = Trajectory(Epoch.parse("2030-01-01T00:00:00 TDB"), t, np.ones((11, 6)), name="x",
                      notes={"a": 1.5})  # fmt: skip
    shelf.put("k", path, 1.0)
    found = shelf.get("k")
    assert found is not None
    assert np.array_equal(found.states, path.states)
    assert (found.epoch, found.frame, found.notes) == (path.epoch, path.frame, path.notes)
    assert shelf.get("other") is None
    [file] = tmp_path.glob("*/*.traj")
    raw = bytearray(file.read_bytes())
    raw[-40] ^= 1
    file.write_bytes(bytes(raw))
    assert shelf.get("k") is None
    file.write_bytes(bytes(raw[:100]))
    assert shelf.get("k") is None
    cheap = DiskShelf(tmp_path / "none", worth_s=10.0)
    cheap.put("k", path, 1.0)
    assert not (tmp_path / "none").exists()


def test_two_sweeps_do_not_share_a_folder(tmp_path):
    from cislunar.sweep.store import Store

    first = Store(tmp_path / "x", {}, ["m"])
    first.open({"trade_sha256": "a", "code_sha256": "b"}, False)
    second = Store(tmp_path / "x", {}, ["m"])
    with pytest.raises(InputError, match="another process is sweeping into it"):
        second.open({"trade_sha256": "a", "code_sha256": "b"}, True)
    first.close()
    second.open({"trade_sha256": "a", "code_sha256": "b"}, True)
    second.close()


OPTIMISE = {
    "name": "search", "base": BASE, "metrics": {
        "members": {"expression": "2 * per_plane"},
        "seen": METRICS["seen"],
    },
    "axes": {
        "per_plane": {"key": "constellations.lnss.per_plane", "between": [1, 6], "whole": True},
        "a_km": {"key": "constellations.lnss.orbit.semi_major_axis_km", "between": [5000, 9000]},
    },
    "constraints": ["a_km < 8800"],
    "design": {"kind": "nsga2", "population": 8, "generations": 4, "seed": 1},
    "objectives": {"members": "min", "seen": "max"}, "reference": {"members": 13, "seen": 0},
}  # fmt: skip


def test_a_search_is_the_same_for_its_seed_and_is_resumed_exactly(tmp_path, monkeypatch):
    from cislunar.sweep import engine

    done = sweep(trade_from(OPTIMISE), tmp_path / "a", workers=2, quiet=True)
    assert 8 < len(done.table) <= 32
    assert (done.table["a_km"] < 8800).all()
    assert done.manifest["hypervolume"] > 0.0
    front = done.pareto.sort_values("members")
    assert (np.diff(front["seen"].to_numpy()) >= 0).all()
    real, seen = engine.Runner._keep, []

    def stop(self, row, values, key):
        real(self, row, values, key)
        seen.append(row["variant"])
        if len(seen) == 13:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine.Runner, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep(trade_from(OPTIMISE), tmp_path / "b", workers=1, quiet=True)
    monkeypatch.setattr(engine.Runner, "_keep", real)
    again = sweep(trade_from(OPTIMISE), tmp_path / "b", workers=1, quiet=True, resume=True)
    pd.testing.assert_frame_equal(again.table, done.table)
    assert load_sweep(tmp_path / "b").manifest["hypervolume"] == done.manifest["hypervolume"]


HOWS = {
    "mean": (0.25 * 4 + 0.5 * 1 + 0.125 * 9) / 0.875, "weighted": (1 + 0.5 + 1.125) / 0.875,
    "min": 1.0, "max": 9.0, "sum": 14.0, "count": 3.0, "p50": 1.0, "p95": 9.0, "share": 0.375,
}  # fmt: skip


@pytest.mark.parametrize("how", HOWS)
def test_values_are_brought_together_as_by_hand(how):
    """Four values, one of which does not exist, with shares of 1/4, 1/2, 1/8, 1/8."""
    from cislunar.sweep.metrics import brought_together
    from cislunar.sweep.trade import Metric

    bounds = {"at_least": 4.0} if how == "share" else {}
    metric = Metric(of="coverage.longest_gap_s", how=how, **bounds)
    values, weights = [4.0, 1.0, 9.0, math.nan], [2.0, 4.0, 1.0, 1.0]
    assert brought_together(values, weights, metric) == pytest.approx(HOWS[how], rel=1e-15)
    none = {"sum": 0.0, "count": 0.0, "share": 0.0}.get(how)
    assert brought_together([math.nan], [1.0], metric) == none
    if how not in ("count", "share"):
        stands = Metric(of="coverage.longest_gap_s", how=how, without=7.0)
        assert brought_together([math.nan], [1.0], stands) == 7.0


def test_a_search_that_lost_a_worker_goes_on_as_one_that_did_not(tmp_path, monkeypatch):
    """Its next generation is not bred before the lost variant is there: the same table after."""
    from cislunar.sweep import engine
    from orbits.errors import ComputationError

    done = sweep(trade_from(OPTIMISE), tmp_path / "a", workers=1, quiet=True)
    real = engine.Runner._keep

    def lose(self, row, values, key):
        if row["variant"] == 5:
            row |= {"metrics": {}, "error": "its worker was lost", "error_kind": "lost"}
        real(self, row, values, key)

    monkeypatch.setattr(engine.Runner, "_keep", lose)
    with pytest.raises(ComputationError, match="1 variants are not computed"):
        sweep(trade_from(OPTIMISE), tmp_path / "b", workers=1, quiet=True)
    monkeypatch.setattr(engine.Runner, "_keep", real)
    again = sweep(trade_from(OPTIMISE), tmp_path / "b", workers=1, quiet=True, resume=True)
    pd.testing.assert_frame_equal(again.table, done.table)


def test_tables_are_brought_together_as_said(tmp_path):
    """Scores of assets in a sweep against those of a run, weighted by hand."""
    from cislunar import run
    from cislunar.scenario import load_scenario

    minimal = Path(__file__).parent.parent / "configs" / "minimal.yaml"
    base = yaml.safe_load(minimal.read_text()) | {"duration_days": 1, "options": [], "regions": []}
    base["assets"][0] |= {"weight": 3.0}
    base["assets"][1] |= {"weight": 1.0}
    where = {"service": "relay"}
    of = "comm_scores.availability_frac"
    metrics = {
        "least": {"of": of, "how": "min", "where": where},
        "weighed": {"of": of, "how": "weighted", "where": where},
        "good": {"of": of, "how": "share", "at_least": 0.3, "where": where},
        "contacts": {"of": "contacts.duration_s", "how": "count"},
    }
    axes = {"degree": {"key": "force_model.moon_degree", "values": [8, 20]}}
    base["force_model"] = {"moon_degree": 20}
    made = trade_from({"name": "m", "base": base, "axes": axes, "metrics": metrics,
                       "processes": False})  # fmt: skip
    done = sweep(made, tmp_path / "m", workers=1, quiet=True)
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(base))
    results = run(load_scenario(file), quiet=True)
    scores = results.comm_scores.query("service == 'relay'").set_index("asset")["availability_frac"]
    row = done.table.iloc[1]
    assert row["least"] == scores.min()
    assert row["weighed"] == pytest.approx((3 * scores["lupex"] + scores["mare-ingenii-pit"]) / 4)
    assert row["good"] == (0.75 * (scores["lupex"] >= 0.3) + 0.25 * (scores.iloc[1] >= 0.3))
    assert row["contacts"] == len(results.contacts)
