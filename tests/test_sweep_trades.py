"""The ready trades run, their numbers meet outside ones, and fronts meet pymoo's own indicator."""

from __future__ import annotations

import copy
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.report.webfont import WAIT
from cislunar.sweep import climb, sweep
from cislunar.sweep.engine import Sweep
from cislunar.sweep.pareto import hypervolume, nondominated
from cislunar.sweep.trade import load_trade, trade_from
from cislunar.sweep.variants import check_trade

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # of Dask's own threads and sockets

TRADES = sorted((Path(__file__).parent.parent / "configs" / "trades").glob("*.yaml"))


def _short(path: Path) -> dict:
    """A ready trade with its first and last variants, half a day and a small map."""
    raw = yaml.safe_load(path.read_text())
    design = raw.get("design", {"kind": "factorial"})
    if design["kind"] == "nsga2":
        raw["design"] = design | {"population": 4, "generations": 2}
    elif design["kind"] == "latin-hypercube":
        raw["design"] = design | {"samples": 4}
    else:
        made = trade_from(raw)
        found = check_trade(made, path.parent)
        raw["design"] = {"kind": "rows", "rows": [dict(found[0]), dict(found[-1])]}
    raw.setdefault("set", {})
    raw["set"] |= {"duration_days": 0.5, "step_s": 120}
    raw.pop("positioning_step_s", None)
    if raw["base"]["fidelity"] == "ephemeris":
        raw["set"]["fidelity"] = "kepler"
    for index in range(len(raw["base"].get("regions", []))):
        raw["set"][f"regions.{index}.cell_count"] = 12
    return raw | {"processes": False}


@pytest.mark.parametrize("path", TRADES, ids=lambda p: p.stem)
def test_every_ready_trade_is_valid_and_runs(path, tmp_path):
    check_trade(load_trade(path), path.parent, str(path))
    done = sweep(trade_from(_short(path)), tmp_path / "out", workers=2, quiet=True)
    assert len(done.table) >= 2
    assert done.table["error"].isna().all(), done.table["error"].tolist()
    measured = done.table[list(done.trade.metrics)]
    assert measured.notna().any().sum() >= len(done.trade.objectives)


def test_dro_fleets_cover_what_an_independent_computation_says(validation, evidence, tmp_path):
    """Three and four satellites on planar DROs of 50,000 and 70,000 km, masks 0 and 5 deg.

    That of 50,000 km at mask 0 is the 99.8 % that Gao and Hou (2020) published.
    """
    case = validation("visibility.yaml", "dro_three_satellites")
    sizes = {"dro_near_50Mm": None, "dro_70000km": None}
    lu = 389703.264829278
    states = case["expected"]["orbit_states_x0_vy0_T_TU"]
    for name in sizes:
        sizes[name] = (1 - 0.01215058560962404 - states[name][0]) * lu
    wanted = [r for r in case["expected"]["rows"] if r[0] in sizes and r[1] >= 3]
    rows = [{"orbit_km": sizes[o], "satellites": n, "mask_deg": m} for o, n, m, *_ in wanted]
    made = trade_from({
        "name": "dro", "design": {"kind": "rows", "rows": rows},
        "base": {
            "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 14.2, "step_s": 600,
            "fidelity": "cr3bp",
            "constellations": [{"name": "d", "per_plane": 3, "terminals": ["relay-standard"],
                                "orbit": {"kind": "dro", "amplitude_km": 50000}}],
            "regions": [{"from": "moon", "cell_count": 49152, "min_elevation_deg": 0}],
        },
        "axes": {
            "orbit_km": {"key": "constellations.d.orbit.amplitude_km", "between": [3e4, 1e5]},
            "satellites": {"key": "constellations.d.per_plane", "values": [3, 4]},
            "mask_deg": {"key": "regions.0.min_elevation_deg", "values": [0, 5]},
        },
        "metrics": {
            "always": {"of": "coverage.availability_frac", "how": "share", "at_least": 1.0},
            "mean": {"of": "coverage.availability_frac", "how": "mean"},
        },
    })  # fmt: skip
    table = sweep(made, tmp_path / "out", workers=2, quiet=True).table
    assert table["error"].isna().all()
    off = [
        abs(100 * found - given)
        for (_, found_row), row in zip(table.iterrows(), wanted, strict=True)
        for found, given in ((found_row["always"], row[3]), (found_row["mean"], row[4]))
    ]
    evidence(
        "Trades: area that DRO fleets cover", "independent computation, visibility.yaml",
        len(off), max(off), case["tolerance"]["percent"], "% of area", case["tolerance"]["reason"],
    )  # fmt: skip


def test_fleets_cover_what_gao_and_hou_published(validation, evidence, tmp_path):
    """Four on halos see nearly all of the Moon nearly always, three on a planar DRO 99.8 %."""
    case = validation("visibility.yaml", "gao_hou_claims")
    path = next(p for p in TRADES if p.stem == "mixed_global")
    raw = yaml.safe_load(path.read_text())
    raw["set"] = {"step_s": 600, "regions.0.cell_count": 3072}
    raw["constraints"] = ["fleet == '4 halo' or fleet == '3 dro'"]
    table = sweep(trade_from(raw), tmp_path / "out", workers=2, quiet=True).table
    table = table.set_index("fleet")
    off = [
        100.0 - 100 * table.loc["4 halo", "mean_frac"],
        abs(99.8 - 100 * table.loc["3 dro", "always_one_share_frac"]),
    ]
    evidence(
        "Trades: fleets on halos and DROs", "Gao and Hou 2020, abstract", 2, max(off),
        case["tolerance"]["percent"], "% of area", case["tolerance"]["reason"],
    )  # fmt: skip


def test_the_fewest_satellites_for_global_gdop_are_the_published_ones(evidence, tmp_path):
    """Circular polar orbits two lunar radii high, as published: 24 hold GDOP of 6 for 98 % of the
    time over the whole Moon, the next fewer that planes share evenly, 20, do not."""
    path = next(p for p in TRADES if p.stem == "global_gdop")
    raw = yaml.safe_load(path.read_text())
    raw["constraints"] = [
        "altitude_radii == 2.0 and i_deg == 90",
        "planes * per_plane == 20 or planes * per_plane == 24",
    ]
    table = sweep(trade_from(raw), tmp_path / "out", workers=2, quiet=True).table
    assert table["error"].isna().all()
    best = table.groupby("satellites")["gdop6_frac"].max()
    assert best[20] < 0.95
    fewest = min(count for count, share in best.items() if share >= 0.98)
    evidence(
        "Trades: fewest satellites for GDOP of 6 or less over the whole Moon, 98 % of the time",
        "Pereira and Selva 2022, NAVIGATION 69(1), navi.504", 1, abs(fewest - 24), 0.5,
        "satellites", "a count; Walker patterns of 20 and 24, the paper's altitude",
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=25))
def test_fronts_and_volumes_agree_with_brute_force(points):
    """Who is dominated by comparing all pairs; the volume by counting unit cubes."""
    costs = np.array(points, dtype=float)
    beaten = [
        any((q <= p).all() and (q < p).any() for q in costs) for p in costs
    ]  # fmt: skip
    assert nondominated(costs).tolist() == [not b for b in beaten]
    cubes = sum(
        any(all(x <= c for x, c in zip(p, corner, strict=True)) for p in points)
        for corner in itertools.product(range(7), repeat=3)
    )
    assert hypervolume(costs, [7.0, 7.0, 7.0]) == cubes


def test_volumes_agree_with_pymoo_and_with_a_front_that_is_known():
    from pymoo.indicators.hv import HV

    rng = np.random.default_rng(5)
    for dimensions in (2, 3, 4):
        costs = rng.random((40, dimensions))
        reference = np.full(dimensions, 1.1)
        theirs = float(HV(ref_point=reference)(costs))  # type: ignore[arg-type]
        assert hypervolume(costs, reference) == pytest.approx(theirs, rel=1e-10)
    x = np.linspace(0.0, 1.0, 20001)
    found = hypervolume(np.stack([x, 1.0 - np.sqrt(x)], axis=1), [1.0, 1.0])  # ZDT1's front
    assert found == pytest.approx(1.0 - 1.0 / 3.0, abs=2e-4)


def test_a_search_comes_near_a_front_that_is_known():
    """ZDT1 in three variables through the trade's own search, without any orbit."""
    from cislunar.sweep import optimise

    made = trade_from({
        "name": "zdt1", "base": {}, "metrics": {"f1": {"expression": "a"},
                                                "f2": {"expression": "a + b + c"}},
        "axes": {n: {"key": [], "between": [0, 1]} for n in "abc"},
        "objectives": {"f1": "min", "f2": "min"},
        "design": {"kind": "nsga2", "population": 40, "generations": 60, "seed": 2},
    })  # fmt: skip

    class Runner:
        rows: dict = {}  # noqa: RUF012

        def run(self, wanted):
            for number, v in wanted:
                g = 1.0 + 4.5 * (v["b"] + v["c"])
                f2 = g * (1.0 - np.sqrt(v["a"] / g))
                self.rows[number] = {"f1": v["a"], "f2": f2}

    optimise.optimise(made, Runner())
    costs = np.array([[r["f1"], r["f2"]] for r in Runner.rows.values()])
    assert hypervolume(costs, [1.0, 1.0]) > 0.97 * (1.0 - 1.0 / 3.0)


def test_a_search_does_not_fill_up_with_what_is_equally_good():
    """Whole numbers whose worst have hundreds of ties: the best of each count is found,
    and few of the variants are spent on ties."""
    from cislunar.sweep import optimise

    axes = {"planes": {"key": [], "between": [1, 4], "whole": True},
            "each": {"key": [], "values": [2, 3, 4, 5, 6]},
            "a": {"key": [], "between": [0, 1]}, "e": {"key": [], "between": [0.3, 0.7]}}  # fmt: skip
    made = trade_from({
        "name": "ties", "base": {}, "axes": axes, "constraints": ["planes * each <= 12"],
        "metrics": {n: {"expression": "a"} for n in ("count", "served")},
        "objectives": {"count": "min", "served": "max"},
        "design": {"kind": "nsga2", "population": 40, "generations": 12, "seed": 5},
    })  # fmt: skip

    def served(v):
        n = v["planes"] * v["each"]
        some = (n - 3 + 2 * v["e"] - 3 * abs(v["a"] - 0.8) - 3 * (v["planes"] == 1)) / 6
        return n, float(np.clip(some, 0.0, 1.0))

    class Runner:
        rows: dict = {}  # noqa: RUF012

        def run(self, wanted):
            for number, v in wanted:
                count, share = served(v)
                self.rows[number] = {"count": float(count), "served": share}

    optimise.optimise(made, Runner())
    found = np.array([[r["count"], -r["served"]] for r in Runner.rows.values()])
    best = [
        [n, -s]
        for planes, each in itertools.product(range(1, 5), range(2, 7))
        for n, s in [served({"planes": planes, "each": each, "a": 0.8, "e": 0.7})]
        if planes * each <= 12
    ]
    reference = [13.0, 0.0]
    assert hypervolume(found, reference) > 0.98 * hypervolume(np.array(best), reference)
    assert (found[:, 1] == 0.0).mean() < 0.25


def test_orbits_that_the_ready_lnss_trades_leave_out_strike_the_moon():
    """The rule of Lidov (1961) in their constraints against flights of two years in DE440."""
    from types import SimpleNamespace

    from cislunar.trajectories import initial_state
    from orbits.ephemeris import De440
    from orbits.epoch import Epoch
    from orbits.errors import ImpactError
    from orbits.propagate import ForceModel, propagate

    ephemeris, start = De440.open(), Epoch.parse("2030-03-01T00:00:00 UTC")
    made = [load_trade(p) for p in TRADES if p.stem.startswith("lnss_")]
    t_s = np.arange(0.0, 730 * 86400.0, 3600.0)
    for a, e, i, stays in [(6541.4, 0.6, 56.2, True), (8500.0, 0.56, 60.0, True),
                           (9000.0, 0.5, 65.0, False), (9447.0, 0.56, 69.15, False)]:  # fmt: skip
        values = {"planes": 2, "per_plane": 4, "e": e, "i_deg": i, "a_km": a}
        assert [t.meets(values) for t in made] == [stays] * 2
        orbit = SimpleNamespace(
            kind="keplerian", frame="MOON_OP", semi_major_axis_km=a, eccentricity=e, epoch=None,
            inclination_deg=i, raan_deg=0, argument_of_periapsis_deg=90, mean_anomaly_deg=180,
        )  # fmt: skip
        state, _ = initial_state(orbit, start, ephemeris)
        try:
            flown = propagate(state, start, t_s, ForceModel(degree=8), ephemeris)
        except ImpactError:
            assert not stays
            continue
        assert stays
        least_km = np.linalg.norm(flown.states[:, :3], axis=1).min()
        other = math.sqrt(1 - 5 / 3 * math.cos(math.radians(i)) ** 2)
        assert least_km == pytest.approx(a * (1 - other), rel=0.03)


def test_a_report_escapes_what_comes_from_the_file_and_shows_what_was_found(tmp_path):
    import pandas as pd

    from cislunar.sweep.page import summary, write_page

    raw = {
        "name": "p", "title": "<script>alert(1)</script>", "base": {}, "note": "a < b & c",
        "axes": {"planes": {"key": [], "values": [1, 2, 3]},
                 "kind": {"key": [], "values": ["<b>x</b>", "y"]}},
        "metrics": {"seen": {"expression": "planes"}, "price": {"expression": "planes * 2"}},
        "objectives": {"seen": "max", "price": "min"},
    }  # fmt: skip
    rows = [
        {"variant": k, "planes": p, "kind": kind, "seen": float(p), "price": 2.0 * p,
         "error": "<i>no</i>" if k == 5 else None}
        for k, (p, kind) in enumerate(itertools.product([1, 2, 3], ["<b>x</b>", "y"]))
    ]  # fmt: skip
    manifest = {"trade": raw, "variants": 6, "failed": 1, "pareto": [0], "hypervolume": 1.25,
                "hypervolume_reference": {"seen": 0.0, "price": 7.0}}  # fmt: skip
    found = Sweep(tmp_path, pd.DataFrame(rows), manifest)
    for path in write_page(found):
        page = path.read_text()
        assert "<script" not in page.replace(WAIT, "")  # but the page's own line
        assert "<b>x" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "&lt;i&gt;no" in page
        assert {"en": "design: full factorial", "ja": "実験計画: 全組合せ"}[path.name[7:9]] in page
        assert "1.25" in page
    assert (tmp_path / "figures" / "frontier.en.png").stat().st_size > 5000
    assert "effects" in " ".join(p.name for p in (tmp_path / "figures").iterdir())
    assert "6 variants, 1 failed" in summary(found)


def test_the_ladder_tells_what_each_fidelity_changes():
    """Its ephemeris column is a run's own score; two-body and ephemeris orbits start alike."""
    from cislunar import run
    from cislunar.scenario import Scenario

    body = {
        "name": "l", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 0.5, "options": [],
        "spacecraft": [{"name": "r", "terminals": ["relay-standard"],
                        "orbit": {"kind": "dro", "amplitude_km": 70000}}],
        "regions": [{"from": "far-side", "cell_count": 40}],
    }  # fmt: skip
    table = climb(Scenario(**copy.deepcopy(body))).set_index(["place", "service", "score"])
    ours = run(Scenario(**body), quiet=True).coverage
    assert ours is not None
    row = table.loc["far-side", "map", "availability_frac"]
    assert row["ephemeris"] == pytest.approx(float(ours["availability_frac"].mean()), rel=1e-12)
    for fidelity in ("kepler", "cr3bp"):
        assert row[f"{fidelity}_change"] == pytest.approx(row[fidelity] - row["ephemeris"])
        assert 0 < abs(row[f"{fidelity}_change"]) < 0.2


def test_the_ladder_prints_the_change_of_every_score(tmp_path, monkeypatch):
    """Through the command, from another folder, with a horizon beside the scenario: the changes are
    the differences of three runs."""
    from typer.testing import CliRunner

    from cislunar import load_scenario, run
    from cislunar.cli import app

    home = tmp_path / "home"
    home.mkdir()
    (home / "rim.csv").write_text("0 3\n90 8\n180 3\n270 1\n")
    body = {
        "name": "l", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1, "options": [],
        "include": ["dsn"],
        "spacecraft": [{"name": "r", "operator": "jaxa", "terminals": ["far-relay-and-nav"],
                        "orbit": {"kind": "dro", "amplitude_km": 30000}}],
        "assets": [{"name": "rim", "operator": "jaxa", "latitude_deg": 10, "longitude_deg": -90,
                    "horizon": "rim.csv", "terminals": ["science-rover"], "needs": "probe"}],
    }  # fmt: skip
    found = {}
    for fidelity in ("kepler", "cr3bp", "ephemeris"):
        (home / "s.yaml").write_text(yaml.safe_dump(body | {"fidelity": fidelity}))
        scores = run(load_scenario(home / "s.yaml"), quiet=True).comm_scores
        found[fidelity] = scores.set_index("service").loc["relay"]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["ladder", "home/s.yaml", "--out", "l.csv"])
    assert done.exit_code == 0, done.output
    assert "kepler_change" in done.output
    assert "more scores: --all" in done.output
    import pandas as pd

    table = pd.read_csv("l.csv").set_index(["service", "score"]).loc["relay"]
    told = [c for c in table.index if isinstance(found["kepler"][c], float)]
    assert len(told) >= 5
    for score in told:
        for fidelity in ("kepler", "cr3bp"):
            change = found[fidelity][score] - found["ephemeris"][score]
            assert table.loc[score, f"{fidelity}_change"] == pytest.approx(change, abs=1e-9)
    assert table.loc["availability_frac", "cr3bp_change"] != 0.0
    every = CliRunner().invoke(app, ["ladder", "home/s.yaml", "--all"])
    assert len(every.output.splitlines()) == len(pd.read_csv("l.csv")) + 1
    for bad in (["home/none.yaml"], ["home/s.yaml", "--days", "-1"]):
        done = CliRunner().invoke(app, ["ladder", *bad])
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    """A dollar in a name ended the report of a sweep that was done."""
    import pandas as pd

    from cislunar.sweep.page import WORDS, summary, write_page
    from cislunar.sweep.plots import effects

    cost, axis = r"$\nope$", r"$\frac{"
    raw = {
        "name": "p", "base": {}, "objectives": {cost: "max"},
        "axes": {axis: {"key": "x", "values": [1, 2], "labels": ["$_$", "b\n\u202ec"]}},
        "metrics": {cost: {"expression": "1", "unit": "$^$"}},
    }  # fmt: skip
    rows = [{"variant": k, axis: name, cost: float(k), "error": None}
            for k, name in enumerate(["$_$", "b\n\u202ec"])]  # fmt: skip
    manifest = {"trade": raw, "variants": 2, "failed": 0, "pareto": [1]}
    found = Sweep(tmp_path, pd.DataFrame(rows), manifest)
    assert len(write_page(found)) == 2
    assert cost in (tmp_path / "figures" / "effects.en.svg").read_text()
    figure = effects(found, WORDS["en"])
    assert figure is not None
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [r"\$_\$", "b  c"]
    none = found.table.assign(**{cost: None, "error": "it went wrong"})
    told = summary(Sweep(tmp_path, none, manifest | {"failed": 2})).splitlines()
    assert told[1:] == ["no variant has a value of every objective", "failed 2: it went wrong"]


def test_every_design_has_a_name_in_every_language():
    from cislunar.sweep.page import DESIGNS
    from cislunar.sweep.trade import json_schema
    from cislunar.text import LANGUAGES

    kinds = json_schema()["$defs"]
    kinds = {d["properties"]["kind"]["const"] for d in kinds.values()
             if "const" in d["properties"].get("kind", {})}  # fmt: skip
    assert kinds == set(DESIGNS)
    assert all(set(names) == set(LANGUAGES) for names in DESIGNS.values())


def test_pictures_of_a_search_and_of_axes_in_ratio(tmp_path):
    """What is equally good is shown once; a search has no means; ratios are drawn as ratios."""
    import pandas as pd

    from cislunar.sweep.page import WORDS, summary, write_page
    from cislunar.sweep.plots import effects, frontier

    raw = {
        "name": "p", "base": {},
        "axes": {"n": {"key": [], "values": [1, 2, 3]},
                 "size": {"key": [], "between": [1, 1000], "scale": "log"}},
        "metrics": {"count": {"expression": "n"}, "mass": {"expression": "size", "unit": "kg"}},
        "objectives": {"count": "min", "mass": "max"},
        "design": {"kind": "nsga2", "population": 8, "generations": 5, "seed": 1},
    }  # fmt: skip
    rows = [{"variant": k, "n": 1 + k % 3, "size": 10 ** (k / 10), "count": 1.0 + k % 3,
             "mass": 5.0 if k % 3 else None, "error": None} for k in range(30)]  # fmt: skip
    table = pd.DataFrame(rows)
    manifest = {"trade": raw, "variants": 30, "failed": 0, "pareto": list(range(20)), "left_out": 7,
                "hypervolume": 1.0, "hypervolume_reference": {"count": 4, "mass": 0}}  # fmt: skip
    found = Sweep(tmp_path, table, manifest)
    assert len(found.pareto) == 10
    assert found.distinct_pareto["variant"].tolist() == [1]
    assert "10 on" not in summary(found)
    assert "1 of them different" in summary(found)
    assert "7 left out by constraints" in summary(found)
    figure = effects(found, WORDS["en"])
    assert figure is not None
    panels = figure.axes
    assert [p.get_xscale() for p in panels] == ["linear", "log", "linear", "log"]
    assert not any(p.lines for p in panels)
    assert panels[2].get_ylabel() == "mass [kg]"
    assert all(t == round(t) for t in panels[2].get_xticks())
    drawn = Sweep(tmp_path, table, manifest | {"trade": raw | {"design": {
        "kind": "latin-hypercube", "samples": 30, "seed": 1}}})  # fmt: skip
    figure = effects(drawn, WORDS["en"])
    assert figure is not None
    x, y = figure.axes[1].lines[0].get_data()
    assert x == pytest.approx(10 ** (2.9 * (np.arange(10) + 0.5) / 10))  # tenths of the ratio
    assert y == pytest.approx([2.0] * 10)
    figure = frontier(found, WORDS["ja"])
    assert figure is not None
    assert "[kg]" in figure.axes[0].get_ylabel()
    for path in write_page(found):
        page = path.read_text()
        words = WORDS[path.name.split(".")[1]]
        assert words["searched_note"] in page
        assert words["no_value"] in page
        assert words["left_out"] + ":\n7" in page
        assert words["one_of"].format(all=10) in page
