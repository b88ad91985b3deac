"""Sweeps on worker processes and on a Dask cluster that is there already, workers killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from cislunar.sweep import sweep
from cislunar.sweep.trade import trade_from
from orbits.errors import ComputationError, InputError

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

TRADE = {
    "name": "cluster",
    "base": {
        "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "step_s": 60, "fidelity": "kepler",
        "constellations": [
            {"from": "lnss-8", "name": "lnss", "terminals": ["nav-and-relay"], "per_plane": 3}
        ],
        "regions": [{"from": "south-cap", "cell_count": 20}],
    },
    "axes": {
        "per_plane": {"key": "constellations.lnss.per_plane", "values": [2, 3, 4]},
        "a_km": {"key": "constellations.lnss.orbit.semi_major_axis_km", "linear": [5000, 9000, 8]},
    },
    "metrics": {
        "seen": {"of": "coverage.visible_mean", "how": "mean"},
        "pdop_p50": {"of": "coverage.pdop_p50", "how": "mean"},
    },
}  # fmt: skip
TABLE = "variants.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of one worker, one thread, as bytes."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    sweep(trade_from(TRADE), folder, workers=1, quiet=True)
    return (folder / TABLE).read_bytes()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(address: str) -> None:
    host, _, port = address.removeprefix("tcp://").partition(":")
    deadline = time.monotonic() + 120.0
    while True:
        try:
            socket.create_connection((host, int(port)), 1.0).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.2)


@pytest.fixture
def cluster():
    """Address of a scheduler with two workers, how to start another worker, and the scheduler's
    process; ended after."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    started: list[subprocess.Popen] = []

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started.append(process)
        return process

    def worker() -> subprocess.Popen:
        return start("worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny",
                     "--no-dashboard", "--host", "127.0.0.1")  # fmt: skip

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2],
                      "--no-dashboard")  # fmt: skip
    _answers(address)
    workers = [worker(), worker()]
    yield address, workers, worker, scheduler
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_processes_give_the_rows_of_threads(whole, tmp_path):
    sweep(trade_from(TRADE | {"processes": True}), tmp_path / "out", workers=2, quiet=True)
    assert (tmp_path / "out" / TABLE).read_bytes() == whole


def test_a_worker_of_a_given_cluster_may_be_killed(whole, cluster, tmp_path):
    """One of two workers is killed when a third of the rows are there: the other ends the sweep."""
    address, workers, *_ = cluster
    out = tmp_path / "out"

    killer = _killed_at_the_first_rows(out, workers[:1])
    sweep(trade_from(TRADE), out, scheduler=address, quiet=True)
    killer.join()
    assert workers[0].wait(10.0) == -signal.SIGKILL
    assert (out / TABLE).read_bytes() == whole


def _killed_at_the_first_rows(out, processes) -> threading.Thread:
    """Kills processes when the first rows of a sweep into ``out`` are on the disk."""

    def kill():
        deadline = time.monotonic() + 300.0
        while time.monotonic() < deadline and not list((out / "parts").glob("[0-9]*.parquet")):
            time.sleep(0.05)
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


MANY = TRADE | {
    "name": "many",
    "axes": TRADE["axes"] | {"a_km": TRADE["axes"]["a_km"] | {"linear": [5000, 9000, 250]}},
}  # fmt: skip


def test_a_scheduler_that_dies_ends_the_sweep_and_its_rows_are_kept(cluster, tmp_path):
    """Most variants are not yet sent then: those that are sent to nobody never come back."""
    address, _, _, scheduler = cluster
    out = tmp_path / "out"
    killer = _killed_at_the_first_rows(out, [scheduler])
    with pytest.raises(ComputationError, match="the scheduler was lost"):
        sweep(trade_from(MANY), out, scheduler=address, quiet=True)
    killer.join()
    kept = len(list((out / "parts").glob("[0-9]*.parquet")))
    assert kept
    done = sweep(trade_from(MANY), out, workers=2, resume=True, quiet=True)
    assert len(done.table) == 750
    assert done.manifest["failed"] == 0


def test_workers_may_all_go_and_others_come(whole, cluster, tmp_path, capsys):
    address, workers, worker, _ = cluster
    out = tmp_path / "out"
    killer = _killed_at_the_first_rows(out, workers)
    later = threading.Thread(target=lambda: (killer.join(), time.sleep(12.0), worker()))
    later.start()
    done = sweep(trade_from(MANY), out, scheduler=address)
    later.join()
    assert len(done.table) == 750
    assert done.manifest["failed"] == 0
    assert capsys.readouterr().err.count("no worker is there: waiting for one") == 1


def test_no_scheduler_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no scheduler answers"):
        sweep(trade_from(TRADE), tmp_path / "x", scheduler=f"tcp://127.0.0.1:{_free_port()}",
              quiet=True)  # fmt: skip


def test_an_interrupt_from_a_terminal_is_one_line_and_loses_nothing(whole, tmp_path):
    """Ctrl-C reaches the worker processes too: they are still, the sweep says it and can go on."""
    file, out = tmp_path / "trade.json", tmp_path / "out"
    file.write_text(json.dumps(TRADE | {"processes": True}))
    command = [sys.executable, "-m", "cislunar", "sweep", str(file), "--out", str(out),
               "--workers", "2", "--quiet"]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300.0
    while time.monotonic() < deadline and not list((out / "parts").glob("[0-9]*.parquet")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60.0)
    assert (process.returncode, said) == (130, "interrupted\n")
    sweep(trade_from(TRADE | {"processes": True}), out, trade_folder=tmp_path, file=str(file),
          workers=1, resume=True, quiet=True)  # fmt: skip
    assert (out / TABLE).read_bytes() == whole
