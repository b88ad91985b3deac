"""The proposal of a whole run, against rerunning every set of its options from the beginning."""

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import cislunar
from cislunar import pipeline
from cislunar.options import attribution, portfolio
from cislunar.options.option import add_options, read_option
from cislunar.options.pool import WholePool
from cislunar.options.pool_value import PoolValue
from cislunar.options.proposal import propose
from cislunar.schema import Attribution
from cislunar.text import Text

covering = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("covering_witness.py"))))

PLACE = {"operator": "jaxa", "terminals": ["user-s-medium", "afs-receiver"]}
ORBIT = {
    "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4, "eccentricity": 0.6,
    "inclination_deg": 56.2, "raan_deg": 0, "argument_of_periapsis_deg": 90,
}  # fmt: skip


def relay(name, anomaly_deg, *terminals):
    given = terminals or ("relay-s", "relay-x-earth", "afs-transmitter")
    orbit = ORBIT | {"mean_anomaly_deg": anomaly_deg}
    return {"name": name, "operator": "jaxa", "orbit": orbit, "terminals": list(given)}


def option(name, cost, requires=(), **adds):
    return {
        "id": name, "cost_oku_jpy": {"low": cost / 2, "mid": cost, "high": cost * 2},
        "adds": adds, "requires": [{"any_of": list(r)} for r in requires],
        "available_from": "2031", "lifetime_years": 5,
    }  # fmt: skip


# one and pair are versions; the others overlap with them and with one another
OPTIONS = [
    option("one", 30.0, spacecraft=[relay("r-1", 40.0)]),
    option("pair", 55.0, spacecraft=[relay("r-1", 10.0), relay("r-2", 130.0)]),
    option("beacon", 20.0, spacecraft=[relay("nav", 310.0, "afs-transmitter")]),
    option("dish", 15.0, ground_stations=[{"from": "dsn-canberra"}]),
    option("lens", 12.0, assets=[{
        "name": "lens", "operator": "jaxa", "latitude_deg": -88.0, "longitude_deg": 10.0,
        "terminals": ["afs-receiver"], "correction_radius_km": 200.0}]),
    option("dish-2", 5.0, requires=[("dish",)], ground_stations=[{"from": "dsn-goldstone"}]),
]  # fmt: skip


def small(options):
    need = [{"service": s, "availability_frac": 0.9} for s in ("relay", "forward")]
    need += [{"service": "positioning", "accuracy_m": 40.0, "accuracy_basis": "rms"}]
    return cislunar.Scenario(
        name="small", epoch="2030-03-01T00:00:00 UTC", duration_days=2.0, fidelity="kepler",
        spacecraft=[relay("old", 180.0), relay("old-2", 100.0, "afs-transmitter"),
                    relay("old-3", 260.0, "afs-transmitter")],
        ground_stations=[{"from": "misasa"}],
        assets=[
            {"name": "pole", "latitude_deg": -89.0, "longitude_deg": 0.0, **PLACE, "needs": need},
            {"name": "far", "latitude_deg": -40.0, "longitude_deg": 170.0, **PLACE,
             "needs": need[:2]},
        ],
        options=options, budget_oku_jpy=90.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scenario():
    return small(OPTIONS)


@pytest.fixture(scope="module")
def made(scenario):
    """The proposal of a run, with the reruns it was made from."""
    kept = {}

    def keep(reruns, budget, on_option=lambda: None):
        kept["reruns"], kept["proposal"] = reruns, propose(reruns, budget, on_option)
        return kept["proposal"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "propose", keep)
        kept["results"] = cislunar.run(scenario, quiet=True)
    return kept


def every_set():
    costs = {o["id"]: o["cost_oku_jpy"]["mid"] for o in OPTIONS}
    for size in range(len(costs) + 1):
        for some in itertools.combinations(sorted(costs), size):
            if {"one", "pair"} <= set(some):
                continue
            yield some, sum(costs[i] for i in some)


@pytest.fixture(scope="module")
def rerun_h(made):
    """Hours that every set fills, by rerunning each with all that follows from its nodes."""
    base_h = sum(made["reruns"](()).values()) / 3600.0
    return {s: base_h - sum(made["reruns"](s).values()) / 3600.0 for s, _ in every_set()}


def test_every_set_fills_what_its_rerun_fills(made, rerun_h):
    worth = made["proposal"].worth
    kept = {i for g in worth.kept for i in g}
    checked = 0
    for some, hours in rerun_h.items():
        if set(some) <= kept:
            assert worth.total_h(some) == pytest.approx(hours, abs=2e-3), some
            checked += 1
    assert checked >= 12
    assert max(rerun_h.values()) > 10.0


def test_the_portfolio_is_the_best_of_all_reruns_and_the_milp_agrees(made, rerun_h):
    results, worth = made["results"], made["proposal"].worth
    notes = results.manifest["portfolio"]
    costs = dict(every_set())
    able = [s for s in rerun_h if costs[s] <= 90.0 and ("dish-2" not in s or "dish" in s)]
    best = max(rerun_h[s] for s in able)
    assert notes["method"] == "enumeration"
    assert notes["gap_hours_filled"] == pytest.approx(best, abs=5e-3)
    assert notes["verified_gap_hours"] == pytest.approx(best, abs=5e-3)
    assert notes["proof_complete"]
    assert notes["bound_gap_hours"] == pytest.approx(best, abs=0.015)
    assert results.portfolio.gap_hours_filled.sum() == pytest.approx(best, abs=5e-3)
    spans = {}
    for part in worth.explored:
        for key, found in part.spans.items():
            spans[key] = {s: x for s, x in found.items() if not any(i[0] == "*" for i in s)}
    pieces = covering.pieces_of(spans)
    rules = covering.Rules(
        {i: read_option(worth.pool[i]).cost_oku_jpy for g in worth.kept for i in g}, worth.kept
    )
    milp = covering.best_set(pieces, rules, 90.0)
    assert milp.hours == pytest.approx(worth.best(90.0)[1], abs=5e-3)
    greedy = covering.greedy_set(pieces, rules, 90.0)
    assert greedy.hours <= milp.hours + 1e-6 <= greedy.bound_hours + 2e-6
    for some in rerun_h:
        if all(any(i in g for g in worth.kept) for i in some):
            assert covering.hours_of(pieces, some) == pytest.approx(rerun_h[some], abs=5e-3)


def test_the_portfolio_holds_in_a_run_of_its_own(made, scenario):
    """The whole pipeline with the set added fills what the portfolio says."""
    results = made["results"]
    chosen = results.portfolio["option"].tolist()
    assert chosen
    more = add_options(scenario, chosen).model_copy(update={"options": ()})
    after = cislunar.run(more, quiet=True).gaps
    needed = {(n.name, need.service) for n in results.nodes for need in n.needs}

    def hours(gaps):
        mine = [k in needed for k in zip(gaps["place"], gaps["service"], strict=True)]
        return gaps[mine]["duration_s"].sum() / 3600.0

    filled = hours(results.gaps) - hours(after)
    assert filled == pytest.approx(results.manifest["portfolio"]["gap_hours_filled"], abs=5e-3)


def test_tables_add_up(made, rerun_h):
    results = made["results"]
    whole = results.attribution[results.attribution["place"] == "all"]
    total = whole[whole["service"] == "all"]
    players = tuple(sorted(total["option"]))
    assert total.shapley_h.sum() == pytest.approx(rerun_h[players], abs=5e-3)
    assert total.shapley_share_frac.sum() == pytest.approx(1.0)
    by_service = whole[whole["service"] != "all"].groupby("option")["shapley_h"].sum()
    for row in total.itertuples():
        assert by_service[row.option] == pytest.approx(row.shapley_h)
        # without the dish that it requires the second adds nothing
        alone = 0.0 if row.option == "dish-2" else rerun_h[row.option,]
        assert row.add_one_h == pytest.approx(alone, abs=5e-3)
    frontier = results.frontier
    assert frontier.cost_oku_jpy.is_monotonic_increasing
    assert frontier.gap_hours_filled.is_monotonic_increasing
    within = frontier[frontier.within_budget]
    assert within.gap_hours_filled.max() == pytest.approx(
        results.manifest["portfolio"]["gap_hours_filled"], abs=2e-3
    )
    by_year = results.attribution_by_year.groupby("fiscal_year")["shapley_h"].sum()
    of_year = results.cash_by_fiscal_year.set_index("fiscal_year")["gap_hours_filled"]
    assert by_year.to_dict() == pytest.approx(of_year[of_year > 1e-3].to_dict(), abs=0.01)
    cash = results.cash_by_fiscal_year
    assert cash.development_oku_jpy.sum() == pytest.approx(results.portfolio.cost_oku_jpy.sum())


def test_prices_in_the_files_follow_from_the_files(made, tmp_path):
    """Yen an hour and an asset-day again from hours filled, cost and life, as they were written."""
    results = made["results"]
    results.save(tmp_path)
    hours = pd.read_csv(tmp_path / "fills.csv").set_index("option")["gap_hours_filled"]
    money = pd.read_csv(tmp_path / "economics.csv").set_index("option")
    days = results.scenario.duration_days
    priced = 0
    for record in OPTIONS:
        row, cost = money.loc[record["id"]], record["cost_oku_jpy"]
        filled = hours[record["id"]] * 365.25 / days * record["lifetime_years"]
        assert row["life_cost_oku_jpy"] == pytest.approx(cost["mid"])  # no operations are given
        assert row["regular_flights"] == pytest.approx(cost["mid"] / 100.0, abs=1e-4)
        if filled > 1.0:
            priced += 1
            yen = {k: 1e8 * cost[k] / filled for k in cost}
            found = row["man_jpy_per_gap_hour"], row["man_jpy_per_gap_hour_high"]
            assert found == pytest.approx((yen["mid"] / 1e4, yen["high"] / 1e4), rel=1e-3)
            a_day = row["man_jpy_per_asset_day"]
            assert a_day == pytest.approx(24 * yen["mid"] / 1e4, rel=1e-3)
    assert priced >= 4


def test_shares_of_too_many_options_are_sampled_and_say_so(made, scenario, tmp_path, monkeypatch):
    """From the run to the files and the pages, with the limit of exact shares lowered to one."""
    monkeypatch.setattr(attribution, "EXACT_PLAYERS", 1)
    cislunar.run(scenario, quiet=True).save(tmp_path)
    found = pd.read_csv(tmp_path / "attribution.csv")
    assert set(found["method"]) == {"sampled 200 orders, seed 1"}
    by_year = pd.read_csv(tmp_path / "attribution_by_year.csv")
    assert "sampled 200 orders, seed 1" in set(by_year["method"])
    assert by_year["standard_error_h"].max() > 0

    def all_of(frame):
        whole = frame[(frame["place"] == "all") & (frame["service"] == "all")]
        return whole.set_index("option").sort_index()

    exact, sampled = all_of(made["results"].attribution), all_of(found)
    assert set(exact["method"]) == {"exact"}
    assert float(exact["standard_error_h"].max()) == 0.0
    whole_h = float(exact["shapley_h"].sum())
    assert sampled["shapley_h"].sum() == pytest.approx(whole_h, abs=1e-3)  # as rounded in files
    off = (sampled["shapley_h"] - exact["shapley_h"].astype(float)).abs()
    assert off.max() > 1e-3
    assert (off < 4 * sampled["standard_error_h"] + 1e-3).all()
    for language, sentence in (("en", "200 sampled orders"), ("ja", "無作為に抽出した200通り")):
        page = (tmp_path / f"report.{language}.html").read_text(encoding="utf-8")
        assert page.count(sentence) == 2  # of the span, and of fiscal years
        text = Text(language)
        for row in sampled.to_dict("records"):
            assert text("worth.error", error=f"{row['standard_error_h']:,.2f}") in page


def test_every_set_of_a_small_pool_is_looked_at(made):
    worth = made["proposal"].worth
    assert worth.rest == ()
    assert len(worth.sets) == sum("dish" in some or "dish-2" not in some for some, _ in every_set())
    assert made["results"].manifest["portfolio"]["shares_of"] == "all"


def test_a_pool_is_valued_as_its_reruns_are(made, rerun_h):
    reruns = made["reruns"]
    pool = list(reruns.base.scenario.options)
    whole = WholePool(
        reruns.base, reruns.served, pool, reruns.uere, reruns.ephemeris, reruns.memory
    )
    value = PoolValue(whole)
    for some, hours in rerun_h.items():
        assert value(frozenset(some)).sum() == pytest.approx(hours, abs=0.01), some
    assert value.runs < len(rerun_h)  # most follow from others


def test_shares_of_all_options_in_sampled_orders(made, scenario, monkeypatch):
    """With the limit of exact shares lowered to one, as of a pool of more than ten."""

    def hours(results, column="shapley_h"):
        frame = results.attribution
        whole = frame[(frame["place"] == "all") & (frame["service"] == "all")]
        return whole.set_index("option")[column].astype(float).sort_index()

    exact = hours(made["results"])
    every = scenario.model_copy(update={"attribution": Attribution(options="all", orders=60)})
    found = cislunar.run(every, quiet=True)
    assert set(found.attribution["method"]) == {"exact"}  # five players
    assert hours(found).to_dict() == pytest.approx(exact.to_dict(), abs=0.01)
    monkeypatch.setattr(portfolio, "EVERY_SET", 1)
    found = cislunar.run(every, quiet=True)
    assert set(found.attribution["method"]) == {"sampled 60 orders, seed 1"}
    assert hours(found).sum() == pytest.approx(exact.sum(), abs=0.01)
    off = (hours(found) - exact).abs()
    assert off.max() > 1e-3
    assert (off < 4 * hours(found, "standard_error_h") + 0.01).all()


@pytest.mark.parametrize(("cost", "method"), [(88.0, "enumeration"), (1.0, "greedy")])
def test_terminals_on_anothers_craft_never_make_the_set_worse(cost, method):
    """One option that sets cannot hold ended the search for the best set, the shares and frontier.

    Dear, it leaves the best set of the others as it was; at next to no cost a greedy set with it
    fills more than that.
    """
    laser = option(
        "laser", cost, ground_stations=[{"from": "estrack-malargue"}],
        spacecraft_terminals=[{"on": "old", "terminals": ["relay-ka-earth"]}],
    )  # fmt: skip
    without, found = (cislunar.run(small(o), quiet=True) for o in (OPTIONS, [*OPTIONS, laser]))
    notes = found.manifest["portfolio"]
    alone_h = found.fills.set_index("option").loc["laser", "gap_hours_filled"]
    assert alone_h > 1.0
    assert notes["method"] == method
    assert notes["gap_hours_filled"] >= without.manifest["portfolio"]["gap_hours_filled"] - 1e-6
    if method == "enumeration":
        assert notes["apart"] == ["laser"]
        assert 0.0 < notes["apart_tried_hours"] <= notes["gap_hours_filled"] + 0.01
        assert list(found.portfolio["option"]) == list(without.portfolio["option"])
        assert len(found.frontier) == len(without.frontier) > 0
    else:
        assert "laser" in set(found.portfolio["option"])
        assert notes["greedy_because"] == {"reason": "terminals", "options": ["laser"]}


def test_a_greedy_set_says_why():
    """For the manifest, and for the sentence of the report."""
    from cislunar.options.proposal import _why_greedy

    def option(name, terminals=()):
        adds = SimpleNamespace(spacecraft_terminals=list(terminals))
        return SimpleNamespace(id=name, not_computable=None, adds=adds)

    def pool(*options, method=None):
        rules = None if method is None else SimpleNamespace(method=method)
        return SimpleNamespace(options=options, contention=rules)

    relay, trunk = option("relay"), option("trunk", ["laser"])
    whole, none = object(), None
    for scenario, found, felt, reason, named in (
        (pool(relay, trunk), whole, ["trunk"], "terminals", ["trunk"]),
        (pool(trunk), none, ["trunk"], "terminals", ["trunk"]),
        (pool(relay, trunk, method="auto"), none, ["trunk"], "contention", []),
        (pool(relay, method="none"), none, ["relay"], "contacts", []),
    ):
        assert _why_greedy(scenario, found, felt) == {"reason": reason, "options": named}
    assert _why_greedy(pool(), none, []) == {}
