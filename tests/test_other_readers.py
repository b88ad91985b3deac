"""Our plan files in other hands: they read what we wrote, and route as we do.

pydtnsim wants networkx below 3, so the readers get an environment of their own, kept in pytest's
cache; without a package index to fill it from, these tests are skipped.
"""

import json
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cislunar.contact_files import merged_contacts
from cislunar.contact_table import ContactTable
from cislunar.plan_files import write_plan, write_tvg
from cislunar.routing import earliest_arrival, earliest_arrivals

WANTED = ("pydtnsim==0.1.1", "dtn-tvg-util==0.1.6", "aiodtnsim==0.3.1", "networkx<3", "numpy<2")
TIMES_S = (0.0, 40.0, 111.5)


@pytest.fixture(scope="module")
def readers(request):
    """The Python of an environment that has the other tools."""
    home = Path(request.config.cache.mkdir("other-readers"))
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    ready = home / "ready"
    if not ready.is_file() or ready.read_text() != str(WANTED):
        venv.create(home, clear=True, with_pip=True)
        try:
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10",
                 *WANTED], check=True, capture_output=True, timeout=240,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as fault:
            pytest.skip(f"the readers cannot be installed: {fault}")
        ready.write_text(str(WANTED))
    return python


def random_plan(seed, count=26, nodes=6) -> ContactTable:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, nodes, count)
    b = (a + rng.integers(1, nodes, count)) % nodes
    start = np.round(rng.uniform(0, 150, count), 3)  # pydtnsim counts milliseconds
    plan = ContactTable.of_arrays(
        [f"c{i}" for i in range(count)], [f"n{i}" for i in a], [f"n{i}" for i in b], start,
        np.round(start + rng.uniform(5, 60, count), 3), 1000 * rng.integers(1, 900, count),
        # one light time a pair: a later contact of a pair must not overtake an earlier one
        np.round(0.2 + 0.13 * ((a * 7 + b * 3) % 10), 3),
        names=[f"n{i}" for i in range(nodes)],
    )  # fmt: skip
    return merged_contacts(plan)


@pytest.fixture(scope="module")
def answers(readers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plans")
    plans, job = [random_plan(seed) for seed in range(8)], []
    for i, plan in enumerate(plans):
        files = {
            "tvg": f"{i}.tvg.json", "tvg_v1": f"{i}.v1.json", "graphml": f"{i}.graphml",
            "node_link": f"{i}.json",
        }  # fmt: skip
        paths = {k: str(folder / v) for k, v in files.items()}
        for form in ("tvg", "graphml", "node_link"):
            write_plan(plan, paths[form])
        write_tvg(plan, paths["tvg_v1"], version=1)
        job.append({**paths, "source": "n0", "target": "n1", "times_s": TIMES_S})
    script = Path(__file__).with_name("other_readers.py")
    done = subprocess.run(
        [readers, script], input=json.dumps({"plans": job}), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return plans, json.loads(done.stdout)


def rows(plan, *columns):
    return sorted(
        [plan.names[a], plan.names[b], *values]
        for a, b, *values in zip(
            plan.source, plan.target, *(getattr(plan, c) for c in columns), strict=True
        )
    )


@pytest.mark.slow
def test_tvg_util_and_aiodtnsim_read_and_route_the_same(answers, evidence):
    plans, found = answers
    worst = cases = 0
    for plan, other in zip(plans, found["tvgutil"], strict=True):
        ours = rows(plan, "start_s", "end_s", "rate_bps", "owlt_s")
        assert [r[:2] for r in other["contacts"]] == [r[:2] for r in ours]
        np.testing.assert_allclose(
            [r[2:] for r in other["contacts"]], [r[2:] for r in ours], rtol=1e-12
        )
        for t_s, arrivals in zip(TIMES_S, other["arrivals_s"], strict=True):
            wanted = earliest_arrivals(plan, "n0", t_s)
            assert set(arrivals) == set(wanted)
            worst = max([worst, *(abs(arrivals[n] - wanted[n]) for n in wanted)])
            cases += len(wanted)
    assert cases > 40
    evidence("earliest arrivals", "aiodtnsim on our tvg-util file", cases, worst, 1e-3, "s",
             "its search takes arrivals within a millisecond as equal")  # fmt: skip


@pytest.mark.slow
def test_pydtnsim_reads_and_routes_the_same(answers, evidence):
    """It knows no light time, so neither do we here."""
    plans, found = answers
    worst = cases = 0
    for plan, other in zip(plans, found["pydtnsim"], strict=True):
        assert [r[:2] for r in other["contacts"]] == [r[:2] for r in rows(plan, "start_s", "end_s")]
        np.testing.assert_allclose(
            [r[2:] for r in other["contacts"]],
            [r[2:] for r in rows(plan, "start_s", "end_s", "rate_bps")], atol=1e-9,
        )  # fmt: skip
        bare = replace(plan, owlt_s=np.zeros(len(plan)))
        for t_s, best in zip(TIMES_S, other["best_s"], strict=True):
            wanted = earliest_arrival(bare, "n0", "n1", t_s)
            assert (best is None) == (wanted is None)
            if best is not None:
                worst = max(worst, abs(best - wanted))
                cases += 1
    assert cases > 8
    evidence("best delivery times", "pydtnsim on our tvg-util file (no light time)", cases, worst,
             1e-3, "s", "it counts whole milliseconds")  # fmt: skip


@pytest.mark.slow
def test_networkx_below_3_reads_and_routes_the_same(answers, evidence):
    plans, found = answers
    assert found["versions"]["networkx"].startswith("2.")
    worst = cases = 0
    for plan, other in zip(plans, found["networkx"], strict=True):
        wanted = rows(plan, "contact_id", "start_s", "end_s", "rate_bps", "owlt_s")
        assert other["edges"] == [wanted, wanted]
        for t_s, best in zip(TIMES_S, other["best_s"], strict=True):
            ours = earliest_arrival(plan, "n0", "n1", t_s)
            assert (best is None) == (ours is None)
            if best is not None:
                worst = max(worst, abs(best - ours))
                cases += 1
    evidence("earliest arrivals", "all simple paths of networkx 2 on our GraphML", cases, worst,
             1e-9, "s", "the same sums")  # fmt: skip
