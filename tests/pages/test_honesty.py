"""What a page must say beside its figures: limits, shared places, what a need asks, when."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cislunar.plots import bars, style
from cislunar.report import answer, demand, limits, offers, scores, tables
from cislunar.report.cells import PATTERNS
from cislunar.scenario import load_scenario
from cislunar.schema import Need
from cislunar.terrain.horizon_file import Horizon
from cislunar.text import LANGUAGES, Text


def need(service, **more):
    return Need(service=service, **more)


@pytest.fixture
def run(results):
    """The hand-made run with its first three assets at one place, with needs and a site."""
    out = SimpleNamespace(**vars(results))
    asked = (
        need("relay", availability_frac=0.9, availability_basis="each-earth-day"),
        need("relay", min_rate_bps=1e7, availability_frac=0.5, volume_bit_per_day=8e11),
        need("positioning", availability_frac=0.8, accuracy_m=25.0, accuracy_basis="3sigma",
             axes="3d"),
    )  # fmt: skip
    nodes = []
    for node in results.nodes:
        node = SimpleNamespace(**vars(node))
        if node.kind == "asset":
            node.needs, node.need_name, node.weight, node.horizon = asked, "mine", 1.0, None
            if node.name in ("asset-01", "asset-02", "asset-03"):
                node.latitude_deg, node.longitude_deg = -89.45, -137.31
        if node.kind == "station":
            node.lunar_time_share = 0.3
        nodes.append(node)
    out.nodes = tuple(nodes)
    assets = tuple(
        SimpleNamespace(name=n.name, nation="JP/IN" if n.name == "asset-01" else "US",
                        operator=n.operator, site="a-ridge" if n.name == "asset-02" else None)
        for n in nodes if n.kind == "asset"
    )  # fmt: skip
    station = SimpleNamespace(correction_radius_km=300.0)
    option = SimpleNamespace(id="elfo-relay-jp", adds=SimpleNamespace(assets=(station,)))
    out.scenario = SimpleNamespace(
        **{**vars(results.scenario), "assets": assets, "options": (option,)}
    )
    out.comm_scores = results.comm_scores.assign(availability_time_share_frac=0.25)
    return out


def said(rows):
    return " ".join(
        " ".join([row.group, *(" ".join([c.text, *map(str, c.entries)]) for c in row.cells)])
        for row in rows
    )


def test_assets_of_one_place_are_pointed_out(run):
    found = demand.places(run)
    assert found[0].members == ("asset-01", "asset-02", "asset-03")
    assert found[0].sites == ("a-ridge",)
    assert [len(p.members) for p in found[1:]] == [1]
    words = said(scores.overview(run, Text("en"))["rows"])
    assert "3 assets at one place: one piece of evidence, not 3" in words
    assert "coordinates of a-ridge stand in" in words
    assert any("only 2 distinct places" in s for s in limits.limit_sentences(run, Text("en")))


def test_places_are_told_apart_beyond_five_kilometres(run):
    near, far = (
        SimpleNamespace(latitude_deg=-89.45, longitude_deg=lon) for lon in (-137.31, -137.15)
    )
    assert demand._apart_km(near, far) < demand.SAME_PLACE_KM
    far.latitude_deg = -89.25  # 0.2 deg of latitude: 6.1 km
    assert demand._apart_km(near, far) == pytest.approx(6.06, abs=0.05)


@pytest.mark.parametrize("language", LANGUAGES)
def test_limits_stand_beside_the_answer(run, language):
    found = " ".join(limits.limit_sentences(run, Text(language)))
    expected = {
        "en": ("One span is one sample", "contention", "always free", "(30 % by station",
               "single-epoch", "no terrain horizon", "Costs of options are assumptions"),
        "ja": ("標本", "競合", "常時割り当て", "局により30 %、", "単独時刻", "地平線データがなく",
               "候補の費用は"),
    }[language]  # fmt: skip
    for phrase in expected:
        assert phrase in found.replace("\u00a0", " ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_counted_against_its_own_dates_is_named(language):
    """In March 2030 a rover of 2032 and a relay whose life is over; in 2033 only what is left."""
    scenario = load_scenario("configs/japan_2030.yaml")
    expected = {
        "en": ("lunar-cruiser (from 2032)", "shackleton-rim (from 2035)",
               "queqiao-1-type (until 2026-06-14)", "for 22 of the 23 assets"),
        "ja": ("lunar-cruiser（2032年以降）", "shackleton-rim（2035年以降）",
               "queqiao-1-type（2026-06-14まで）", "23件のうち22件"),
    }[language]  # fmt: skip
    for epoch, *there in (("2030-03-01T00:00:00 UTC", True, True, True, True),
                          ("2033-03-01T00:00:00 UTC", False, True, True, True)):  # fmt: skip
        moved = scenario.model_copy(update={"epoch": epoch})
        nodes = [SimpleNamespace(name=r.name) for r in (*moved.spacecraft, *moved.assets)]
        made = SimpleNamespace(scenario=moved, nodes=nodes)
        text = Text(language)
        found = " ".join([*limits._dates(made, text), *limits._ends(made, text)])
        assert [words in found for words in expected] == there, found
    assert "lupex" not in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_horizon_names_its_source_and_its_limits(run, language):
    remark = "too coarse for horizons: pixels of 7581 m at the site"
    source = (("dem", "LDEM_4.IMG"), ("dem_pixel_m", "7580.84"), ("remark", remark))
    circle, level = np.array([0.0, 360.0]), np.array([1.0, 1.0])
    for node in run.nodes:
        if node.name == "asset-01":
            node.horizon = Horizon(circle, level, source, "site.csv")
        if node.name == "asset-02":
            node.horizon = Horizon(circle, level, file="own.txt")
    table = said(demand.demand_table(run, Text(language))["rows"])
    for words in ("site.csv", "LDEM_4.IMG", "7580.84", "own.txt"):
        assert words in table
    assert {"en": "source not stated", "ja": "出典の記載なし"}[language] in table
    found = [s for s in limits.limit_sentences(run, Text(language)) if remark in s]
    assert len(found) == 1
    assert "asset-01" in found[0]


def test_needs_that_fall_short_under_time_shares_are_counted(run):
    frame = run.comm_scores
    asked = frame["need_availability_frac"].notna()
    frame.loc[asked, "availability_frac"] = 0.95
    found = " ".join(limits.limit_sentences(run, Text("en")))
    assert f"{asked.sum()} more of the {asked.sum()} needed communication services" in found


def test_availability_under_time_shares_is_a_column(run, results):
    card = scores.scorecard(run, Text("en"))
    words = [word for word, _ in card["head"]]
    assert "If stations give only their stated share of time" in words
    assert all(row.cells[4].text.replace("\u00a0", " ") == "25.0 %" for row in card["rows"])
    assert len(scores.scorecard(results, Text("en"))["head"]) == len(words) - 1


def test_a_missed_need_says_what_it_misses(run):
    """Each need by its own figures: what a higher rate lacks is no fault of a lower one's."""
    row = run.comm_scores[run.comm_scores["service"] == "relay"].iloc[0].to_dict()
    row |= {"verdict": "not-met", "availability_frac": 0.6}
    mine = {k: row[k] for k in ("asset", "service", "longest_gap_s", "latency_p95_s")} | {
        "volume_bit_per_day": 8.64e10, "need_max_gap_s": None, "need_latency_s": None,
        "need_volume_bit_per_day": None, "missed": "", "verdict": "met",
    }  # fmt: skip
    run.comm_needs = pd.DataFrame([
        mine | {"min_rate_bps": 1e7, "availability_frac": 0.6, "need_availability_frac": 0.5,
                "availability_basis": "span", "need_volume_bit_per_day": 8e11,
                "missed": "volume_bit_per_day", "verdict": "not-met"},
        mine | {"min_rate_bps": 1e6, "availability_frac": 0.87, "need_availability_frac": 0.9,
                "availability_basis": "each-earth-day", "missed": "availability_frac",
                "verdict": "not-met"},
        mine | {"min_rate_bps": 8e3, "availability_frac": 0.95, "need_availability_frac": 0.9,
                "availability_basis": "span"},
    ])  # fmt: skip
    found = [f.replace("\u00a0", " ") for f in scores.faults(run, row, Text("en"))]
    assert found == [
        "86.4 Gbit a day, 800 Gbit asked",
        "need at 1.0 Mbit/s: 87.0 % of each Earth day, 90.0 % asked",
    ]
    assert scores.faults(run, row | {"verdict": "met"}, Text("en")) == []


def test_what_the_answer_says_is_asked_is_the_most_asked(run):
    found = " ".join(answer.answer_sentences(run, Text("en")))
    assert "relay at 4 of 4 assets" in found
    assert "up to 90.0\u00a0% asked" in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_needs_are_told_in_full(run, language):
    words = said(demand.needs_table(run, Text(language))["rows"]).replace("\u00a0", " ")
    for part in {
        "en": ("90.0 % of each Earth day", "10.0 Mbit/s at least", "800 Gbit a day",
               "25 m (3σ, 3D), that is 8.3 m RMS"),
        "ja": ("90.0 %（地球日ごと）", "10.0 Mbit/s以上", "1日800 Gbit",
               "25 m（3σ、3次元）、RMS換算8.3 m"),
    }[language]:  # fmt: skip
        assert part in words


def test_rows_alike_at_one_place_become_one(run):
    frame = run.positioning_scores
    rows = scores.positioning(run, Text("en"))["rows"]
    assert [row.cells[0].text for row in rows] == ["asset-01, asset-02, asset-03", "asset-04"]
    frame = frame.assign(availability_frac=[0.3, 0.4, 0.3, 0.3])
    apart = SimpleNamespace(**{**vars(run), "positioning_scores": frame})
    rows = scores.positioning(apart, Text("en"))["rows"]
    assert [row.cells[0].text for row in rows] == ["asset-01, asset-03", "asset-02", "asset-04"]


def test_home_assets_are_counted_by_themselves(run):
    found = " ".join(answer.answer_sentences(run, Text("en")))
    own = answer.needs_table(run)
    own = own[own["asset"] == "asset-01"]
    met = int((own["verdict"] == "met").sum())
    assert f"Japan's own assets {met} of {len(own)}" in found
    assert "partners in LunaNet" in found


def test_the_answer_counts_hours_of_needed_services_only(run):
    found = " ".join(answer.answer_sentences(run, Text("en")))
    wanted = run.gaps[run.gaps["service"] != "direct"]["duration_s"].sum() / 3600
    assert f"Of {wanted:,.0f} unserved hours in needed services" in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_differential_corrections_are_named_as_an_assumption(run, language):
    phrase = {
        "en": "0.5 m of ranging error within 300 km",
        "ja": "300 km以内で補正後の測距誤差が0.5 m",
    }
    text = Text(language)
    assert phrase[language] in " ".join(answer.answer_sentences(run, text))
    assert phrase[language] in said(offers.fills(run, text)["rows"])
    assert any(phrase[language] in s for s in offers.portfolio(run, text)["cautions"])


def test_options_that_come_later_are_marked(run):
    run.fills = run.fills.assign(status=["available-later", "available-later", "not-evaluated"])
    found = offers.fills(run, Text("en"))
    assert found["rows"][0].cells[7].text == "2030*"
    assert "2 of the options are available only after this span" in found["lead"]
    assert "It would be available only from 2030" in " ".join(
        answer.answer_sentences(run, Text("en"))
    )
    shapes = bars.fills(run)["data"][0]["marker"]["pattern"]["shape"]
    assert shapes == ["/", "/"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_lead_of_worth_is_a_finished_sentence(run, language):
    parts = tables.context(run, Text(language))["worth"]
    assert {"money", "robustness", "independence", "alone"} <= {p["id"] for p in parts}
    for part in parts:
        assert "{" not in part["lead"], part["id"]
    money = next(p["lead"] for p in parts if p["id"] == "money")
    for figure in ("100", "50", "75", "150", "165"):  # the catalogue's, and the exchange rates
        assert figure in money


def test_options_that_fill_nothing_have_no_rank(run):
    rows = offers.fills(run, Text("en"))["rows"]
    assert [row.cells[0].text for row in rows] == ["1", "–", "–"]


def test_a_hair_of_an_hour_prints_as_nothing_everywhere(run):
    fills = run.fills.copy()
    fills.loc[1, ["gap_hours_filled", "share_filled_frac"]] = (1e-4, 1e-8)
    run.fills = fills
    row = offers.fills(run, Text("en"))["rows"][1]
    assert (row.cells[2].text, row.cells[3].text) == ("0.0", "0.0\u00a0%")


def test_the_portfolio_is_greedy_and_may_exceed_the_budget(run):
    run.manifest["portfolio"] = {
        "method": "greedy", "gap_hours_filled": 30.0, "verified_gap_hours": 30.0,
        "bound_gap_hours": 75.0, "greedy_because": {"reason": "terminals", "options": ["lnss-1"]},
    }  # fmt: skip
    found = " ".join(offers.portfolio(run, Text("en"))["cautions"])
    assert "without guarantee" in found
    assert "on another's spacecraft (One more LNSS satellite)" in found
    for reason, words in (("contention", "Links contend"), ("contacts", "too many contacts")):
        run.manifest["portfolio"]["greedy_because"] = {"reason": reason, "options": []}
        assert words in " ".join(offers.portfolio(run, Text("en"))["cautions"])
    assert "75" in found
    assert "costs 31.5 to 110 億円" in found
    assert "exceeds the budget" not in found
    run.scenario.budget_oku_jpy = 100.0
    assert "exceeds the budget" in " ".join(offers.portfolio(run, Text("en"))["cautions"])
    assert "55 (31.5–110)" in said(offers.portfolio(run, Text("en"))["rows"])


def test_notes_of_options_speak_the_page_s_language(run):
    note = "none of elfo-relay-jp is there: falls back to X band, 10 Mbps"
    assert "ELFO中継衛星1機" in offers.spoken(note, run, Text("ja"))
    assert "10 Mbit/sに切り替える" in offers.spoken(note, run, Text("ja"))
    assert offers.spoken(note, run, Text("en")) == note.replace(
        "elfo-relay-jp", "ELFO relay, single"
    )


def test_the_note_on_earth_orientation_is_told_in_both_languages():
    from orbits.epoch import Epoch
    from orbits.frames import earth_orientation_note

    note = earth_orientation_note(Epoch.parse("2040-01-01T00:00:00 UTC"), 86400.0)
    run = SimpleNamespace(manifest={"notes": [note]})
    (english,), (japanese,) = (tables._notes(run, Text(language)) for language in LANGUAGES)
    assert "after 20" in english
    assert "地球回転パラメータ" in japanese


def test_causes_that_grey_print_makes_alike_differ_by_pattern():
    def grey(colour):
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    for causes in (("few-sources", "geometry"), ("below-horizon", "mask", "terrain", "occulted")):
        shades = [grey(style.plain_colour(cause)) for cause in causes] + [grey(style.SERVED)]
        assert np.diff(np.sort(shades)).min() > 0.03
    plain = [grey(colour) for colour, pattern, _ in style.CAUSES.values() if not pattern]
    for k, one in enumerate(plain):
        for other in plain[k + 1 :]:
            assert abs(one - other) > 0.1
    assert {p for _, p, _ in style.CAUSES.values() if p} <= set(PATTERNS)
