"""Trade files, safe expressions and designs: what is drawn, and what is refused."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cislunar.sweep.designs import axis_values, from_unit, left_out, settled, variants
from cislunar.sweep.expressions import evaluate, parse
from cislunar.sweep.trade import Axis, Trade, trade_from
from cislunar.sweep.variants import put, read_base, scenario_of
from orbits.errors import InputError

BASE = {
    "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "fidelity": "kepler",
    "constellations": [{"from": "lnss-8", "name": "lnss"}],
    "regions": [{"from": "south-cap", "cell_count": 20}],
}  # fmt: skip
METRICS = {"seen": {"of": "coverage.visible_mean", "how": "mean"}}


def trade(**more) -> Trade:
    return trade_from({"name": "t", "base": BASE, "metrics": METRICS, **more}, "t.yaml")


AXES = {
    "planes": {"key": "constellations.0.planes", "values": [1, 2, 3]},
    "per_plane": {"key": "constellations.0.per_plane", "range": [2, 5, 1]},
    "e": {"key": "constellations.0.orbit.eccentricity", "linear": [0.4, 0.7, 4]},
}


def test_factorial_has_every_combination_once_and_meets_its_constraints():
    """Counts against the arithmetic: 3 x 4 x 4, and those with 8 members or fewer."""
    found = variants(trade(axes=AXES))
    assert len(found) == 48
    assert len({tuple(v.items()) for v in found}) == 48
    kept = variants(trade(axes=AXES, constraints=["planes * per_plane <= 8"]))
    by_hand = sum(4 for p in (1, 2, 3) for n in (2, 3, 4, 5) if p * n <= 8)
    assert len(kept) == by_hand
    assert all(v["planes"] * v["per_plane"] <= 8 for v in kept)
    assert left_out(trade(axes=AXES), kept) == 48 - by_hand


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_latin_hypercube_meets_every_part_of_every_axis_once(samples, seed):
    axes = {
        "a": {"key": [], "between": [2.0, 7.0]},
        "b": {"key": [], "between": [1.0, 1000.0], "scale": "log"},
    }
    design = {"kind": "latin-hypercube", "samples": samples, "seed": seed}
    found = variants(trade(axes=axes, design=design))
    a = np.array([v["a"] for v in found])
    b = np.array([v["b"] for v in found])
    parts_a = np.floor((a - 2.0) / 5.0 * samples).astype(int)
    parts_b = np.floor(np.log(b) / np.log(1000.0) * samples).astype(int)
    assert sorted(parts_a) == list(range(samples))
    assert sorted(parts_b) == list(range(samples))
    again = variants(trade(axes=axes, design=design))
    assert again == found


def test_monte_carlo_draws_what_it_says_and_the_same_for_a_seed():
    axes = {
        "x": {"key": [], "normal": [10.0, 2.0]},
        "y": {"key": [], "between": [0, 3], "whole": True},
    }
    design = {"kind": "monte-carlo", "samples": 4000, "seed": 3}
    found = variants(trade(axes=axes, design=design, constraints=["y != 2"]))
    assert len(found) == 4000
    x = np.array([v["x"] for v in found])
    assert abs(x.mean() - 10.0) < 4 * 2.0 / math.sqrt(4000)
    assert abs(x.std() - 2.0) < 0.1
    counts = np.bincount([v["y"] for v in found])
    assert counts[2] == 0
    assert abs(counts[[0, 1, 3]] / 4000 - 1 / 3).max() < 0.03
    assert found == variants(trade(axes=axes, design=design, constraints=["y != 2"]))
    assert found != variants(trade(axes=axes, design=design | {"seed": 4}, constraints=["y != 2"]))


def test_whole_numbers_even_in_ratio_are_drawn_so():
    """The share of n is log((n + 1) / n) of the whole, not 1 / 100."""
    axes = {"n": {"key": [], "between": [1, 100], "scale": "log", "whole": True}}
    design = {"kind": "latin-hypercube", "samples": 5000, "seed": 1}
    drawn = np.array([v["n"] for v in variants(trade(axes=axes, design=design))])
    assert (drawn.min(), drawn.max()) == (1, 100)
    for n in (1, 2, 3, 10):
        share = math.log((n + 1) / n) / math.log(101)
        assert (drawn == n).mean() == pytest.approx(share, abs=3e-4)


AXIS_KINDS = [
    {"values": ["a", "b", "c"]}, {"range": [2, 8, 2]}, {"seeds": 5}, {"between": [1.5, 7.2], "whole": True},
    {"between": [1, 300], "whole": True, "scale": "log"},
]  # fmt: skip


@pytest.mark.parametrize("made", AXIS_KINDS)
def test_a_settled_share_gives_the_same_value_and_is_one_for_each(made):
    axis = Axis(**made)
    shares = np.linspace(0.0, 1.0 - 1e-9, 3001)
    pairs = {(from_unit(axis, s), round(settled(axis, s), 12)) for s in shares}
    assert len(pairs) == len({value for value, _ in pairs}) == len({share for _, share in pairs})
    assert all(from_unit(axis, share) == value for value, share in pairs)


def test_axes_list_what_they_say():
    assert axis_values(Axis(range=(0.0, 1.0, 0.1)))[3] == 0.3  # not 0.30000000000000004
    assert axis_values(Axis(linear=(0.1, 0.7, 7)))[2] == 0.3
    assert axis_values(Axis(linear=(1 / 3, 2 / 3, 3)))[::2] == [1 / 3, 2 / 3]
    assert axis_values(Axis(range=(1, 10, 4))) == [1, 5, 9]
    assert axis_values(Axis(range=(0.0, 1.0, 0.1)))[-1] == pytest.approx(1.0)
    assert len(axis_values(Axis(range=(0.0, 1.0, 0.1)))) == 11
    assert axis_values(Axis(range=(5, 1, -2))) == [5, 3, 1]
    assert axis_values(Axis(seeds=3)) == [0, 1, 2]
    assert axis_values(Axis(log=(1, 1000, 4))) == [1, 10, 100, 1000]
    whole = Axis(between=(1.2, 4.9), whole=True)
    assert {from_unit(whole, s) for s in np.linspace(0, 0.9999, 50)} == {2, 3, 4}


def test_rows_take_labels_and_dotted_keys():
    axes = {
        "orbit": {
            "key": "constellations.0.orbit",
            "labels": ["one", "two"],
            "values": [{"kind": "dro", "amplitude_km": 7e4}, {"kind": "dro", "amplitude_km": 5e4}],
        }
    }
    rows = [{"orbit": "two", "step_s": 30}, {"orbit": "one", "step_s": 60}]
    made = trade(axes=axes, design={"kind": "rows", "rows": rows})
    found = variants(made)
    base = read_base(made, __import__("pathlib").Path("."), None)
    first = scenario_of(made, base, found[0])
    assert first.constellations[0].orbit.amplitude_km == 5e4
    assert first.step_s == 30


def test_keys_reach_lists_by_index_and_by_name_and_share_the_rest():
    content = {"spacecraft": [{"name": "a", "x": 1}, {"name": "b", "x": 1}], "rest": {"y": 2}}
    assert put(content, "spacecraft.b.x", 5)["spacecraft"][1]["x"] == 5
    changed = put(content, "spacecraft.0.orbit.phase_deg", 7)
    assert changed["spacecraft"][0]["orbit"] == {"phase_deg": 7}
    assert changed["rest"] is content["rest"]
    assert content["spacecraft"][0] == {"name": "a", "x": 1}
    with pytest.raises(InputError, match="there is no 'c' in the list; allowed: a, b"):
        put(content, "spacecraft.c.x", 5)


@pytest.mark.parametrize("step", ["²", "-1", "2", "x", "１"])
def test_a_step_that_is_no_place_in_a_list_is_one_fault(step):
    with pytest.raises(InputError, match="there is no"):
        put({"a": [{"name": "n"}, {}]}, f"a.{step}.b", 1)


def test_derived_keys_follow_their_axes():
    made = trade(axes=AXES, derived={"constellations.0.phasing_deg": "360 / (planes * per_plane)"})
    base = read_base(made, __import__("pathlib").Path("."), None)
    found = scenario_of(made, base, {"planes": 2, "per_plane": 4, "e": 0.5})
    assert found.constellations[0].phasing_deg == 45.0


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "(lambda: 1)()", "a.b", "a[0]", "[x for x in a]",
        "f'{a}'", "open('x')", "min(*a)", "a if a else 1", "a := 1", "{1: 2}", "1 +", "x" * 600,
        "b'1'", "~a", "a is a", "a in a", "a @ a", "a << 3", "print(a)", "max(a, key=abs)",
    ],
)  # fmt: skip
def test_expressions_that_do_more_than_arithmetic_are_refused(text):
    with pytest.raises(InputError):
        parse(text)


@pytest.mark.parametrize("text", ["9**9**9", "2**65", "1/0", "'a' * 9", "'%99d' % 1", "b + 1",
                                  "1 < 'a'", "(0-8)**0.5", "1e308 * 10", "sqrt(0 - 1)"])  # fmt: skip
def test_expressions_without_a_value_say_so(text):
    with pytest.raises(InputError):
        evaluate(text, {"a": 1})


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(1, 9))
def test_expressions_agree_with_python(a, b, n):
    names = {"a": a, "b": b, "n": n}
    assert evaluate("a + b * n - a / n", names) == a + b * n - a / n
    assert evaluate("a < b <= n or not n > 3", names) == (a < b <= n or not n > 3)
    assert evaluate("max(a, b) // n + abs(a) % n", names) == max(a, b) // n + abs(a) % n


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_no_text_does_anything_but_give_a_value_or_a_fault(text):
    with contextlib.suppress(InputError):
        evaluate(text, {"a": 1.0})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"axes": {"e": {"values": [1], "log": [1, 2, 3]}}}, "axes.e: values and log"),
        ({"axes": {"e": {"between": [1, 2]}}}, "axes.e: a range without a number of values"),
        ({"axes": {"e": {"vales": [1]}}}, "axes.e.vales: unknown key"),
        ({"axes": AXES, "constraints": ["plains > 1"]}, "constraints.0: 'plains' is not a name"),
        ({"axes": AXES, "constraints": ["planes.x"]}, "constraints.0"),
        ({"axes": AXES, "metrics": {"a": {"of": "coverage.nothing", "how": "mean"}}}, "metrics.a"),
        ({"axes": AXES, "metrics": {"a": {"of": "comm_scores.latency_p50_s"}}}, "how is missing"),
        ({"axes": AXES, "objectives": {"no": "min"}}, "objectives.no: 'no' is not a metric"),
        ({"axes": AXES, "design": {"kind": "grid"}}, "design.kind: 'grid' is not one of"),
        ({"axes": AXES, "speed": 1}, "speed: unknown key"),
        ({"axes": {"e": {"range": [0, 9, 1e-6]}}}, "too many values; allowed: at most 1000000"),
        ({"axes": {"e": {"range": [0, 9, -1]}}}, "[0.0, 9.0, -1.0] has no values"),
        ({"axes": {"key": [1, 2]}}, "axes.key: every sweep has a column 'key'"),
        ({"axes": AXES, "metrics": {"error": METRICS["seen"]}}, "metrics.error: every sweep has"),
        ({"axes": {"a\nb": {"key": "x", "values": [1]}}}, "axes: 'a\\nb' heads no column"),
        (
            {"axes": {"e": {"values": [{"a": 1, "b": 2}, {"b": 2, "a": 1}], "labels": ["x", "y"]}}},
            "axes.e.values: a value has two labels",
        ),
        ({"axes": AXES, "metrics": {"": METRICS["seen"]}}, "metrics: '' heads no column"),
        ({"axes": AXES, "metrics": {"m" * 999: METRICS["seen"]}}, "at most 200 signs"),
        (
            {
                "axes": AXES,
                "objectives": {"seen": "max"},
                "design": {"kind": "nsga2", "population": 9999, "generations": 9999, "seed": 1},
            },
            "design: 99980001 variants; allowed: population times generations at most 1000000",
        ),
        (
            {
                "axes": {"n": {"between": [1.2, 1.8], "whole": True}},
                "design": {"kind": "monte-carlo", "samples": 2, "seed": 1},
            },
            "no whole number is in",
        ),
    ],
)
def test_faults_of_a_trade_are_one_line_each_with_file_and_key(change, said):
    with pytest.raises(InputError) as fault:
        trade(**change)
    first = str(fault.value).split("\n")[0]
    assert first.startswith("t.yaml: ")
    assert said in str(fault.value)


def _check(tmp_path, content):
    from cislunar.cli import app

    file = tmp_path / "t.yaml"
    file.write_text(yaml.safe_dump(content))
    return CliRunner().invoke(app, ["check", str(file)])


def test_check_tells_what_is_wrong_before_anything_runs(tmp_path):
    good = {"name": "t", "base": BASE, "axes": AXES, "metrics": METRICS}
    done = _check(tmp_path, good)
    assert done.exit_code == 0
    assert "trade t is valid: 48 variants (factorial), 3 axes, 1 metrics" in done.output
    for change, said in [
        ({"axes": {"x": {"key": "spacecraft.4.name", "values": ["a"]}}}, "axes.x.key: there is no"),
        ({"axes": {"x": {"key": "constellations.0.orbit.size", "values": [1]}}}, "unknown key"),
        ({"base": "../other.yaml"}, "base: '../other.yaml' is outside the trade's folder"),
        ({"base": BASE | {"spacecraft": [{"name": "a", "orbit": {"kind": "oem", "file": "/etc/hostname"}}]}},
         "outside the scenario's folder"),
        ({"axes": {"x": {"key": "note" + ".a" * 5000, "values": [1]}}}, "a key of too many parts"),
        ({"constraints": ["planes > 9"]}, "no variant meets the constraints"),
        ({"metrics": {"a": {"function": "no_such_module_at_all:f"}}}, "cannot be had"),
        ({"metrics": {"a": {"of": "comm_scores.latency_p51_s", "how": "mean"}}},
         "metrics.a.of: no column 'latency_p51_s'"),
        ({"metrics": {"a": {"of": "gaps.duration_s", "how": "sum", "where": {"plaice": "x"}}}},
         "metrics.a.where: no column 'plaice'"),
        ({"metrics": {"a": {"of": "comm_scores.verdict", "how": "count",
                            "where": {"service": "realy"}}}}, "no service 'realy'"),
        ({"metrics": {"a": METRICS["seen"] | {"region": "sauth-cap"}}}, "no region 'sauth-cap'"),
        ({"base": BASE | {"regions": []}}, "metrics.seen.of: the base has no region to map"),
        ({"positioning_step_s": 90}, "positioning_step_s: 90 s is no multiple of the scenario's"),
        ({"positioning_step_s": 30}, "allowed: a multiple of 60 s"),
        ({"metrics": {"a": {"cost_oku_jpy": {"lns": 1}}}}, "no node is called 'lns'; allowed: lnss"),
        ({"metrics": {"a": {"cost_oku_jpy": {"lnss": "no-option"}}}}, "'no-option' is no option"),
        ({"axes": AXES | {"z": {"key": "constellations.lnss.orbit", "values": [
            {"kind": "dro", "amplitude_km": 70000}]}}}, "axes.e.key: 'e' changes nothing"),
        ({"axes": {"e": AXES["e"] | {"linear": [0.8, 0.9, 4]}}}, "the first variant (e: 0.8) is refu"),
        ({"axes": {"e": {"key": AXES["e"]["key"], "between": [0.3, 0.6]}}, "constraints": ["e > 1"],
          "objectives": {"seen": "max"}, "design": {"kind": "nsga2", "population": 4,
          "generations": 2, "seed": 1}}, "no draw meets the constraints"),
    ]:  # fmt: skip
        done = _check(tmp_path, good | change)
        assert done.exit_code == 2, (change, done.output)
        line = done.output.strip().splitlines()
        assert len(line) == 1, line
        assert said in line[0]
        assert line[0].startswith(f"{tmp_path / 't.yaml'}: ")


def test_a_base_that_is_wrong_itself_is_told_as_that_one_line_a_fault(tmp_path):
    """Not as the first variant's: and not what an axis would set right."""
    wrong = BASE | {"step_s": "fast", "duration_days": -1}
    done = _check(tmp_path, {"name": "t", "base": wrong, "axes": AXES, "metrics": METRICS})
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{tmp_path / 't.yaml'}: base.") for line in lines)
    assert "base.step_s: 'fast' is not a number" in done.stderr
    axes = AXES | {"step_s": {"values": [60, 120]}}
    done = _check(tmp_path, {"name": "t", "base": wrong, "axes": axes, "metrics": METRICS})
    (line,) = done.stderr.splitlines()
    assert "base.duration_days: -1 is out of range" in line
    (tmp_path / "b.yaml").write_text(yaml.safe_dump({"name": "b"} | wrong))
    done = _check(tmp_path, {"name": "t", "base": "b.yaml", "axes": AXES, "metrics": METRICS})
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        str(tmp_path / "b.yaml")
    ] * 2


def test_a_variant_that_cannot_be_does_not_refuse_the_others(tmp_path):
    """The first, by itself, is no orbit; so is the corner of a space that constraints cut off."""
    first = {"axes": {"e": AXES["e"] | {"linear": [0.9, 0.4, 4]}}}
    corner = {
        "axes": {"a": {"key": "constellations.0.orbit.semi_major_axis_km", "between": [1500, 9000]},
                 "n": {"key": "constellations.0.per_plane", "between": [1.5, 4], "whole": True}},
        "constraints": ["a > 5000"], "objectives": {"seen": "max"},
        "design": {"kind": "nsga2", "population": 4, "generations": 2, "seed": 1},
    }  # fmt: skip
    for change in (first, corner):
        done = _check(tmp_path, {"name": "t", "base": BASE, "metrics": METRICS} | change)
        assert done.exit_code == 0, done.output


def test_a_trade_that_lacks_its_metrics_is_told_so(tmp_path):
    done = _check(tmp_path, {"name": "t", "base": BASE, "axes": AXES})
    assert done.exit_code == 2
    assert "metrics: missing" in done.output
    assert "epoch" not in done.output  # it is not taken for a scenario


def test_schema_names_every_key_of_a_trade():
    import json

    from cislunar.cli import app

    done = CliRunner().invoke(app, ["schema", "trade"])
    assert done.exit_code == 0
    assert set(json.loads(done.output)["properties"]) == set(Trade.model_fields)
