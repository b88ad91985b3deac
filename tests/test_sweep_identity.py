"""Rows are kept only as long as all that they depend on is the same: nothing stale is ever used."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cislunar.sweep import engine, shared, sweep
from cislunar.sweep.identity import identity, marks_of
from cislunar.sweep.one import compute, row_of
from cislunar.sweep.trade import load_trade, trade_from
from cislunar.sweep.variants import check_trade, read_base, scenario_of
from orbits.errors import ComputationError, InputError

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # of Dask's own threads and sockets

BASE = {
    "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 0.5, "step_s": 300, "fidelity": "kepler",
    "constellations": [
        {"from": "lnss-8", "name": "lnss", "terminals": ["nav-and-relay"], "per_plane": 2}
    ],
    "regions": [{"from": "south-cap", "cell_count": 12}],
}  # fmt: skip
AXES = {"per_plane": {"key": "constellations.lnss.per_plane", "values": [2, 3, 4]}}
SEEN = {"of": "coverage.visible_mean", "how": "mean"}
TRADE = {"name": "t", "base": "base.yaml", "axes": AXES, "metrics": {"seen": SEEN}}


def _written(folder: Path, trade: dict, base: dict | None = None) -> Path:
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE if base is None else base))
    file = folder / "trade.yaml"
    file.write_text(yaml.safe_dump(trade, sort_keys=False))
    return file


def _swept(file: Path, out: str, **more):
    more = more if "scheduler" in more else {"workers": 1, **more}
    return sweep(load_trade(file), file.parent / out, trade_folder=file.parent, file=str(file),
                 quiet=True, **more)  # fmt: skip


def _stopped(file: Path, out: str, monkeypatch, rows: int = 1, **more) -> None:
    """A sweep that ends after so many rows, as if interrupted."""
    real, seen = engine.Runner._keep, []

    def keep(self, row, values, key):
        real(self, row, values, key)
        seen.append(row["variant"])
        if len(seen) == rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine.Runner, "_keep", keep)
    with pytest.raises(KeyboardInterrupt):
        _swept(file, out, **more)
    monkeypatch.setattr(engine.Runner, "_keep", real)


def test_a_base_that_was_edited_is_read_anew_in_the_same_process(tmp_path):
    """A notebook sweeps, the base is edited, it sweeps again: the rows are the edited one's."""
    file = _written(tmp_path, TRADE)
    before = _swept(file, "a").table["seen"]
    other = BASE | {"regions": [{"from": "north-cap", "cell_count": 12}]}
    _written(tmp_path, TRADE, other)
    after = _swept(file, "b").table["seen"]
    inline = sweep(trade_from(TRADE | {"base": other}), tmp_path / "c", workers=1, quiet=True)
    assert after.tolist() == inline.table["seen"].tolist()
    assert (after < 0.5 * before).all()  # southern apolunes see little of the north


def test_a_sweep_goes_on_only_with_what_it_began_with(tmp_path, monkeypatch):
    """Edits of the base, of a file it names, of the trade, of the order of axes, of a function."""
    (tmp_path / "rim.csv").write_text("0 1\n120 2\n240 3\n")
    (tmp_path / "measures_of_this_test.py").write_text("def count(found):\n    return 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    base = BASE | {
        "assets": [{"name": "rim", "latitude_deg": -89, "longitude_deg": 0, "horizon": "rim.csv",
                    "terminals": ["science-rover"]}],
    }  # fmt: skip
    own = {"function": "measures_of_this_test:count"}
    trade = TRADE | {"metrics": {"seen": SEEN, "own": own}, "processes": False}
    trade = trade | {"axes": AXES | {"n": {"key": [], "values": [1, 2]}}}
    file = _written(tmp_path, trade, base)
    _stopped(file, "out", monkeypatch)
    content = {p: p.read_text() for p in tmp_path.glob("*.*") if p.is_file()}
    for name, old, new, said in [
        ("base.yaml", "step_s: 300", "step_s: 200", "another trade"),
        ("rim.csv", "120 2", "120 2.5", "files that the scenarios read are not what they were"),
        ("trade.yaml", "- 4\n", "- 5\n", "another trade"),
        ("measures_of_this_test.py", "1.0", "2.0", "functions of the metrics are not what"),
    ]:
        path = tmp_path / name
        assert old in content[path]
        path.write_text(content[path].replace(old, new))
        with pytest.raises(InputError, match=said):
            _swept(file, "out", resume=True)
        path.write_text(content[path])
    turned = trade | {"axes": dict(reversed(trade["axes"].items()))}
    file.write_text(yaml.safe_dump(turned, sort_keys=False))
    with pytest.raises(InputError, match="another trade"):
        _swept(file, "out", resume=True)
    file.write_text(content[file])
    done = _swept(file, "out", resume=True)
    assert done.table["own"].tolist() == [1.0] * 6
    sys.modules.pop("measures_of_this_test", None)


def test_a_file_that_changes_while_a_sweep_runs_spoils_it(tmp_path, monkeypatch):
    (tmp_path / "rim.csv").write_text("0 1\n120 2\n240 3\n")
    base = BASE | {
        "assets": [{"name": "rim", "latitude_deg": -89, "longitude_deg": 0, "horizon": "rim.csv",
                    "terminals": ["science-rover"]}],
    }  # fmt: skip
    file = _written(tmp_path, TRADE, base)
    real = engine.Runner._keep

    def keep(self, row, values, key):
        (tmp_path / "rim.csv").write_text("0 9\n120 9\n240 9\n")
        real(self, row, values, key)

    monkeypatch.setattr(engine.Runner, "_keep", keep)
    with pytest.raises(ComputationError, match="changed while the sweep ran"):
        _swept(file, "out")
    monkeypatch.setattr(engine.Runner, "_keep", real)
    with pytest.raises(InputError, match="files that the scenarios read are not what they were"):
        _swept(file, "out", resume=True)


def test_a_worker_of_another_program_or_base_computes_nothing(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text("def one(found): return 1.0\n")
    own = {"seen": SEEN, "own": {"function": "own:one"}}
    trade = trade_from(TRADE | {"base": BASE, "metrics": own})
    text = trade.model_dump_json(exclude_unset=True)
    began = identity(trade, text, read_base(trade, tmp_path, None), None, tmp_path)
    marks = marks_of(began, trade, tmp_path)
    given = (text, str(tmp_path), None, 0, {"per_plane": 2}, None)
    assert row_of(*given, marks)["metrics"]["own"] == 1.0
    said = {"code": "another version of this program", "trade": "base scenario",
            "files": "other files", "functions": "another version of the metrics"}  # fmt: skip
    for mark, words in said.items():
        row = row_of(*given, marks._replace(**{mark: "other"}))
        assert words in row["error"]
        assert (row["error_kind"], row["metrics"]) == ("lost", {})
    real = engine.Runner.__init__

    def other(self, *given):
        real(self, *given)
        self.marks = self.marks._replace(code="another program")

    monkeypatch.setattr(engine.Runner, "__init__", other)
    with pytest.raises(ComputationError, match="3 variants are not computed"):
        sweep(trade, tmp_path / "out", trade_folder=tmp_path, workers=1, quiet=True)
    monkeypatch.setattr(engine.Runner, "__init__", real)
    done = sweep(trade, tmp_path / "out", trade_folder=tmp_path, workers=1, quiet=True, resume=True)
    assert done.table["error"].isna().all()


def test_a_worker_on_a_machine_without_the_files_computes_nothing(tmp_path):
    """What the beginning process could read is not the variants' fault where a worker cannot."""
    here, away = tmp_path / "here", tmp_path / "away"
    for folder in (here, away):
        folder.mkdir()
    _written(here, TRADE)
    for own, said in [({}, "cannot read the base"), ({"own": {"function": "own:one"}}, "lacks")]:
        trade = trade_from(TRADE | {"metrics": {"seen": SEEN, **own}})
        (here / "own.py").write_text("def one(found): return 1.0\n")
        text = trade.model_dump_json(exclude_unset=True)
        marks = marks_of(
            identity(trade, text, read_base(trade, here, None), None, here), trade, here
        )
        if own:
            (here / "own.py").unlink()
        folder = here if own else away
        row = row_of(text, str(folder), None, 0, {"per_plane": 2}, None, marks)
        assert said in row["error"]
        assert row["error_kind"] == "lost"


def test_a_function_is_had_from_a_file_beside_the_trade(tmp_path):
    """With what stands beside it; one that was edited is read anew in the same process."""
    (tmp_path / "helping.py").write_text("FIVE = 5\n")
    (tmp_path / "own.py").write_text("import helping\ndef one(found): return helping.FIVE\n")
    metrics = {"own": {"function": "own:one"}}
    file = _written(tmp_path, TRADE | {"metrics": metrics, "processes": False})
    assert _swept(file, "out").table["own"].tolist() == [5.0] * 3
    (tmp_path / "own.py").write_text("def one(found): raise SystemExit(7)\n")
    done = _swept(file, "out")
    assert done.table["error"].tolist() == ["SystemExit: 7"] * 3
    for name, text, said in [
        ("own:two", "", "no attribute"), ("none:one", "", "No module named 'none'"),
        ("ends:one", "raise SystemExit(5)", "SystemExit: 5"), ("ends:one", "def one(: 1", "Syntax"),
        ("link:one", None, "outside the trade's folder"), ("own:__name__", "", "not a function"),
    ]:  # fmt: skip
        if text:
            (tmp_path / "ends.py").write_text(text)
        elif text is None:
            (tmp_path / "link.py").symlink_to(Path(shared.__file__))
        file = _written(tmp_path, TRADE | {"metrics": {"own": {"function": name}}})
        with pytest.raises(InputError) as caught:
            check_trade(load_trade(file), tmp_path, str(file))
        assert str(caught.value).startswith(f"{file}: metrics: '{name}' ")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_hash_of_the_program_sees_all_its_data():
    """Whatever kind of data file the two packages come with is part of it."""
    root = Path(shared.__file__).parent.parent
    data = [*(root / "catalog").iterdir(), *(root.parent / "orbits" / "data").iterdir()]
    kinds = {p.suffix for p in data if p.is_file()}
    assert {".yaml", ".csv"} <= kinds
    assert kinds <= set(shared.DATA)


def test_access_of_a_rover_that_goes_another_way_is_its_own(tmp_path):
    """Two paths from one place: the second variant's access is that of a run of it alone."""
    to = [["2030-03-01T00:00:00 UTC", -80, 0, 0]]
    ways = [
        [*to, ["2030-03-01T10:00:00 UTC", -80, 90, 0]],
        [*to, ["2030-03-01T10:00:00 UTC", -40, 0, 0]],
    ]
    trade = trade_from({
        "name": "ways", "processes": False,
        "base": BASE | {"regions": [], "assets": [
            {"name": "rover", "latitude_deg": -80, "longitude_deg": 0, "min_elevation_deg": 5,
             "terminals": ["science-rover"], "path": ways[0]}]},
        "axes": {"way": {"key": "assets.rover.path", "labels": ["a", "b"], "values": ways}},
        "metrics": {"sum_s": {"of": "access.end_s", "how": "sum", "where": {"b": "rover"}}},
    })  # fmt: skip
    base = read_base(trade, tmp_path, None)
    first, second = (scenario_of(trade, base, v) for v in check_trade(trade, tmp_path))
    shared.PAIRS._kept.clear()
    alone = compute(trade, second).access
    shared.PAIRS._kept.clear()
    before = compute(trade, first).access
    pd.testing.assert_frame_equal(compute(trade, second).access, alone)
    assert not before.equals(alone)


def test_what_a_sweep_computes_is_what_a_run_computes(tmp_path):
    """Every table and map of the minimal scenario, to the bit."""
    from cislunar import run
    from cislunar.scenario import load_scenario

    minimal = Path(__file__).parent.parent / "configs" / "minimal.yaml"
    scenario = load_scenario(minimal).model_copy(update={"duration_days": 1.0, "options": ()})
    tables = ("comm_scores", "positioning_scores", "positioning_accuracy", "positioning_tolerance",
              "contacts", "access")  # fmt: skip
    column = {"access": "start_s", "contacts": "duration_s"}
    metrics = {t: {"of": f"{t}.{column.get(t, 'asset')}", "how": "count"} for t in tables}
    metrics["map"] = {"of": "coverage.joint_availability_frac", "how": "mean"}
    trade = trade_from({"name": "all", "base": {}, "metrics": metrics,
                        "axes": {"n": {"key": [], "values": [1]}}})  # fmt: skip
    found, results = compute(trade, scenario), run(scenario, quiet=True)
    for name in tables:
        pd.testing.assert_frame_equal(
            getattr(found, name), getattr(results, name), check_exact=True
        )
    assert results.coverage is not None
    name = "joint_availability_frac"
    assert np.array_equal(found.coverage[name].values, results.coverage[name].values)


def test_columns_that_metrics_may_ask_for_are_those_of_the_tables():
    import importlib

    from cislunar import run
    from cislunar.scenario import Scenario
    from cislunar.sweep.metrics import COLUMNS

    results = run(Scenario(**BASE, name="x", options=[]), quiet=True)
    for name, (module, constant) in COLUMNS.items():
        told = getattr(importlib.import_module(module), constant)
        assert set(told) == set(getattr(results, name).columns), name


def test_a_sweep_that_cannot_start_leaves_what_was_there(tmp_path):
    """No scheduler: the finished sweep that stood in the folder still does, whole."""
    file = _written(tmp_path, TRADE)
    done = _swept(file, "out")
    with pytest.raises(InputError, match="no scheduler answers"):
        _swept(file, "out", scheduler="tcp://127.0.0.1:9")
    assert json.loads((done.folder / "manifest.json").read_text())["state"] == "finished"
    assert (done.folder / "variants.parquet").is_file()
    with pytest.raises(InputError, match="no scheduler answers"):
        _swept(file, "new", scheduler="tcp://127.0.0.1:9")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.yaml", "out", "trade.yaml"]


def test_an_address_that_is_none_is_one_line(tmp_path):
    file = _written(tmp_path, TRADE)
    command = [sys.executable, "-m", "cislunar", "sweep", str(file), "--out", str(tmp_path / "out")]
    for address in ("nonsense", "tls://127.0.0.1:1", "ucx://127.0.0.1:1", "inproc://1"):
        done = subprocess.run([*command, "--scheduler", address], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "no scheduler answers" in done.stderr
    with pytest.raises(InputError, match=r"^--workers: .*not both"):
        _swept(file, "out", scheduler="tcp://127.0.0.1:1", workers=2)
    assert not (tmp_path / "out").exists()


def test_rows_are_the_same_whether_an_orbit_was_flown_or_read(tmp_path, monkeypatch):
    """One process flies a DRO for a longer while and ellipses after it, another finds the DRO in the
    sweep's folder and flies the ellipses alone: the same rows to the bit."""
    from cislunar import trajectories
    from orbits.ephemeris import De440

    def forget():
        trajectories._flown.clear()
        shared.WORLDS._kept.clear()
        monkeypatch.setattr(De440, "open", staticmethod(lru_cache(maxsize=1)(De440)))

    real = shared.DiskShelf.put
    monkeypatch.setattr(shared.DiskShelf, "put", lambda s, key, t, cost_s: real(s, key, t, 9.0))
    base = BASE | {
        "fidelity": "ephemeris", "duration_days": 1.5, "step_s": 120,
        "spacecraft": [{"name": "d", "terminals": ["relay-standard"],
                        "orbit": {"kind": "dro", "amplitude_km": 70000}}],
    }  # fmt: skip
    axes = AXES | {"a_km": {"key": "constellations.lnss.orbit.semi_major_axis_km",
                            "values": [6000, 7000]}}  # fmt: skip
    metrics = {"seen": SEEN, "pdop": {"of": "coverage.pdop_p50", "how": "mean"}}
    file = _written(tmp_path, TRADE | {"axes": axes, "metrics": metrics}, base)
    forget()
    whole = _swept(file, "whole")
    forget()
    _stopped(file, "out", monkeypatch, rows=2)
    forget()
    done = _swept(file, "out", resume=True)
    name = "variants.parquet"
    assert (done.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert done.table["pdop"].notna().all()
