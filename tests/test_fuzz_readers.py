"""Malformed files: read, or refused in one line; never a traceback, a hang, or more than 1 GiB.

``FUZZ_CASES`` (default 100) is how many broken files of each kind are tried, ``FUZZ_SEED`` where
they begin. A case is made again by ``python tests/fuzzing.py TARGET 1 SEED``.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cislunar.checks import check_scenario
from cislunar.faults import MAX_FAULTS
from cislunar.plan_files import read_plan
from cislunar.scenario import scenario_from
from cislunar.yamlio import parse_yaml
from orbits.errors import InputError

HERE = Path(__file__).parent
FUZZING = runpy.run_path(str(HERE / "fuzzing.py"), run_name="fuzzing")
CASES = int(os.environ.get("FUZZ_CASES", "100"))
FIRST = int(os.environ.get("FUZZ_SEED", "0"))
SOME = settings(
    max_examples=max(CASES // 2, 10), deadline=None, derandomize=CASES <= 100,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize(
    "targets", [("scenario",), ("oem", "spk", "horizon", "failures"),
                ("waypoints", "trade", "roadmap", "pds3", "geotiff"),
                ("csv", "ion", "hdtn", "tvg", "graphml", "node-link")], ids=lambda t: t[0],
)  # fmt: skip
def test_broken_files_are_refused_in_one_line(targets):
    for target in targets:
        count = CASES // 2 if target == "scenario" and CASES <= 100 else CASES
        done = subprocess.run(
            [sys.executable, str(HERE / "fuzzing.py"), target, str(count), str(FIRST)],
            capture_output=True, text=True, check=False, timeout=60 + 2 * count,
        )  # fmt: skip
        last = done.stdout.strip().splitlines()[-1:] or ["{}"]
        told = json.loads(last[0])
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        assert told["cases"] == count
        assert told["wrong"] == 0
        assert told["peak_mib"] < 1024


def test_the_fuzz_sees_what_it_should(tmp_path):
    """A reader that raises, hangs or speaks in several lines is told of."""
    target, fault_of = FUZZING["Target"], FUZZING["fault_of"]

    def refuses(_path):
        raise InputError("one line", allowed="another")

    def raises(_path):
        raise KeyError("x")

    def hangs(_path):
        while True:
            pass

    assert fault_of(target("", lambda _: None, []), tmp_path) is None
    assert fault_of(target("", refuses, []), tmp_path) is None
    assert "KeyError" in fault_of(target("", raises, []), tmp_path)
    fault_of.__globals__["LONGEST_S"] = 0.2
    try:
        assert "no end" in fault_of(target("", hangs, []), tmp_path)
    finally:
        fault_of.__globals__["LONGEST_S"] = 20.0


def one_line_each(fault):
    lines = getattr(fault, "lines", None) or [str(fault)]
    assert len(lines) <= MAX_FAULTS + 1
    assert all(line.isprintable() for line in lines)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["dsn", "dro", "relay-1", "2030-03-01T00:00:00 UTC", "minimal", "jaxa"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["name", "from", "kind", "orbit", "needs"]), inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
KEYS = st.sampled_from(
    ["schema_version", "name", "title", "note", "epoch", "duration_days", "step_s", "fidelity",
     "force_model", "service_date_case", "spacecraft", "constellations", "ground_stations",
     "assets", "regions", "terminals", "needs", "policy", "atmosphere", "pair_conditions",
     "contention", "contacts", "options", "budget_oku_jpy", "outputs", "include"]
)  # fmt: skip


@SOME
@given(st.dictionaries(KEYS | st.text(max_size=5), ANY, max_size=6))
def test_any_mapping_is_a_scenario_or_refused(mapping):
    whole = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": []}
    try:
        check_scenario(scenario_from({**whole, **mapping}, ".", "x.yaml"), "x.yaml")
    except InputError as fault:
        one_line_each(fault)


@SOME
@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=200)
    | st.text("-:[]{}&*!|>'\"# \nab<1.,?%@`", max_size=60)
)
def test_any_text_is_yaml_or_refused(text):
    try:
        parse_yaml(text, "x.yaml")
    except InputError as fault:
        one_line_each(fault)


@SOME
@given(
    st.sampled_from([".csv", ".ionrc", ".hdtn.json", ".tvg.json", ".graphml", ".json"]),
    st.binary(max_size=100) | st.text("{}[]\":,0123456789.aeg+-/<>=# \n", max_size=200).map(str.encode),
    st.booleans(),
)  # fmt: skip
def test_any_bytes_are_a_plan_or_refused(tmp_path_factory, ending, body, headed):
    heads = {".csv": b"contact_id,source,target,start_s,end_s,rate_bps,owlt_s\n", ".ionrc": b"# x\n",
             ".graphml": b"<graphml>"}  # fmt: skip
    path = tmp_path_factory.getbasetemp() / f"fuzz{ending}"
    path.write_bytes((heads.get(ending, b'{"contacts":') if headed else b"") + body)
    try:
        read_plan(path)
    except InputError as fault:
        one_line_each(fault)
