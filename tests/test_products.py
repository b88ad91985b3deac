"""The product folder: whole or not at all, the same every time, and read back as it was."""

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import cislunar
from cislunar import cli
from cislunar.products import (
    MAKER,
    MAPS,
    SCHEMA_VERSION,
    TABLES,
    check_folder,
    rounded,
    whole_folder,
)
from orbits.errors import InputError

ROOT = Path(__file__).parent.parent
MINIMAL = ROOT / "configs" / "minimal.yaml"
CONTRACT = {
    "manifest.json", "scenario.resolved.yaml", "ephemerides", "ephemerides.bsp", "access.csv",
    "contacts.csv", "network.json", "contact_plan.ionrc", "contact_plan.hdtn.json",
    "comm_scores.csv", "positioning_scores.csv", "coverage.nc", "gaps.csv", "gap_causes.csv",
    "fills.csv", "portfolio.csv",
}  # fmt: skip


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    results = cislunar.run(cislunar.load_scenario(MINIMAL), quiet=True)
    folder = tmp_path_factory.mktemp("product") / "out"
    results.save(folder, report=False)
    return results, folder


def test_every_file_of_the_contract_is_there(product):
    _, folder = product
    assert {p.name for p in folder.iterdir()} >= CONTRACT
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"schema_version", "scenario_sha256", "versions", "naif_ids", "wall_s", "counts"} <= set(
        manifest
    )
    assert not [p for p in folder.parent.iterdir() if p.name.startswith(".")]


def test_the_resolved_scenario_gives_the_same_products(product, tmp_path):
    _, folder = product
    again = cislunar.run(cislunar.load_scenario(folder / "scenario.resolved.yaml"), quiet=True)
    again.save(tmp_path / "again", report=False)
    for name in sorted(CONTRACT - {"manifest.json", "ephemerides", "coverage.nc"}):
        if name == "ephemerides.bsp":
            continue  # SPICE stamps the file with the time of writing
        assert filecmp.cmp(folder / name, tmp_path / "again" / name, shallow=False), name
    for path in (folder / "ephemerides").iterdir():
        assert filecmp.cmp(path, tmp_path / "again" / "ephemerides" / path.name, shallow=False)


def test_read_back_as_it_was(product):
    results, folder = product
    back = cislunar.load_results(folder)
    for name in ("comm_scores", "gaps", "gap_causes", "fills", "access"):
        a, b = getattr(results, name), getattr(back, name)
        assert list(a.columns) == list(b.columns)
        assert len(a) == len(b)
    pd.testing.assert_frame_equal(
        results.comm_scores[["asset", "service", "verdict"]].astype(str),
        back.comm_scores[["asset", "service", "verdict"]].astype(str),
    )
    assert set(back.trajectories) == set(results.trajectories)


def test_results_and_scenario_say_in_a_line_what_they_are(product):
    results, _ = product
    contacts, gaps = len(results.contacts), len(results.gaps)
    assert repr(results) == (
        f"Results(minimal: 5 nodes, {contacts} contacts, {gaps} gaps over 2 days from "
        "2030-03-01T00:00:00.000Z)"
    )
    assert (
        str(results.scenario)
        == repr(results.scenario)
        == (
            "Scenario(minimal: 1 spacecraft, 2 Earth stations, 2 lunar assets, 2 options, 2 days from "
            "2030-03-01T00:00:00 UTC, ephemeris)"
        )
    )


def test_network_and_snapshot_agree_with_the_contacts(product):
    import networkx

    results, folder = product
    data = json.loads((folder / "network.json").read_text())
    graph = networkx.node_link_graph(data, edges="edges", multigraph=True, directed=True)
    assert graph.number_of_edges() == len(results.contacts)
    t = 20_000.0
    contacts = results.contacts
    up = contacts[(contacts["start_s"] <= t) & (t < contacts["end_s"])]
    assert set(results.network.at(t).edges) == set(zip(up["source"], up["target"], strict=True))


def test_another_folder_is_left_alone(product, tmp_path):
    results, _ = product
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        results.save(tmp_path / "mine", report=False)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_fault_while_writing_leaves_what_was_there(product, tmp_path):
    results, _ = product
    results.save(tmp_path / "out", report=False)
    before = (tmp_path / "out" / "gaps.csv").read_bytes()

    def half_written():
        with whole_folder(tmp_path / "out") as work:
            (work / "gaps.csv").write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        half_written()
    assert (tmp_path / "out" / "gaps.csv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_refused_before_the_run(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        check_folder(tmp_path / "file" / "out")
    check_folder(tmp_path / "new" / "out")
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write anywhere
    with pytest.raises(InputError, match="may not be written"):
        check_folder(tmp_path / "new" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupt_waits_for_an_import_to_end(tmp_path):
    """Compiled packages turn an interrupt inside their import into a fault of their own."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('whole', flush=True)\n"
    )
    (tmp_path / "begin.py").write_text(
        "import time\nfrom cislunar import cli\n"
        "def app(prog_name):\n    import slow\n    time.sleep(20)\n    print('missed')\n"
        "cli.app = app\ncli.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "begin.py")], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False,
        # a shell's background job would have it ignored
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert ended.stdout == "whole\n"
    assert ended.stderr == "interrupted\n"
    assert ended.returncode == 130


def test_an_interrupt_put_off_past_the_end_kills_nothing(monkeypatch):
    """The interpreter gives signals back their own effect as it ends: an alarm's is death."""
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGALRM)}
    monkeypatch.setattr(cli, "app", lambda prog_name: signal.setitimer(signal.ITIMER_REAL, 60.0))
    try:
        cli.main()
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("after_s", [1.5, 4.0, 6.5])
def test_killed_at_any_moment_a_run_leaves_all_or_nothing(tmp_path, after_s):
    process = subprocess.Popen(
        [sys.executable, "-m", "cislunar", "run", str(MINIMAL), "--out", str(tmp_path / "out"),
         "--no-report", "--quiet"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (tmp_path / "out").exists():
        assert {p.name for p in (tmp_path / "out").iterdir()} >= CONTRACT


def test_a_folder_of_another_version_is_refused_in_one_line(tmp_path):
    manifest = {"maker": MAKER, "schema_version": SCHEMA_VERSION - 1}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match="schema_version: written by another version"):
        cislunar.load_results(tmp_path)


@pytest.mark.parametrize("damage", ["gone", "cut", "rows", "columns"])
def test_a_table_that_is_not_whole_is_refused_in_one_line_and_the_report_left(
    product, tmp_path, damage
):
    """Every table that results are read from: what is told of a part looks like the whole."""
    _, folder = product
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    read = [*TABLES.values(), MAPS]
    assert set(read) <= set(manifest["tables"])
    for name in read:
        out = tmp_path / name
        shutil.copytree(folder, out)
        (out / "report.en.html").write_text("the old one", encoding="utf-8")
        whole = (out / name).read_bytes()
        lines = whole.splitlines(keepends=True)
        if damage == "gone":
            (out / name).unlink()
        elif name == MAPS:
            (out / name).write_bytes(whole[: len(whole) // 2])
        elif damage == "cut":
            (out / name).write_bytes(whole[:-3])
        elif damage == "rows":
            (out / name).write_bytes(b"".join(lines + lines[1:2] if len(lines) < 3 else lines[:-1]))
            if len(lines) == 1:
                continue  # nothing but its columns: no row to lose
        else:
            (out / name).write_bytes(b"".join([b"other,", *lines]))
        ended = CliRunner().invoke(cli.app, ["report", str(out), "--lang", "en"])
        assert ended.exit_code == 2, name
        assert ended.stderr.count("\n") == 1, name
        assert name in ended.stderr or str(out) in ended.stderr
        assert (out / "report.en.html").read_text(encoding="utf-8") == "the old one"


def test_a_manifest_cut_short_is_named(product, tmp_path):
    _, folder = product
    shutil.copytree(folder, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"manifest\.json: not the manifest of a run, or damaged"):
        cislunar.load_results(tmp_path / "out")


def test_columns_are_rounded_by_their_unit_not_by_its_last_word():
    frame = pd.DataFrame({"man_jpy_per_asset_day": [16.7888], "volume_bit_per_day": [3.4]})
    assert rounded(frame).iloc[0].to_dict() == {
        "man_jpy_per_asset_day": 16.7888, "volume_bit_per_day": 3.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "state", "told"),
    [("sweep", {"state": "finished"}, "variants.parquet"),
     ("roadmap", {"finished": True}, "roadmap.resolved.yaml: no such file")],
)  # fmt: skip
def test_a_sweep_or_roadmap_without_its_table_is_known_for_what_it_is(tmp_path, kind, state, told):
    """It was taken for a run of another version of the program."""
    manifest = {"maker": MAKER, "schema_version": SCHEMA_VERSION, "kind": kind} | state
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    ended = CliRunner().invoke(cli.app, ["report", str(tmp_path)])
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert told in ended.stderr
