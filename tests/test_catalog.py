"""The catalogue: complete, sourced, consistent with itself and with the rules it states."""

from __future__ import annotations

import math
import re

import pytest
from typer.testing import CliRunner

from cislunar import catalog
from cislunar.checks import check_scenario
from cislunar.cli import app
from cislunar.provenance import money_records
from cislunar.scenario import Scenario
from orbits.errors import InputError

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
CONFIDENCE = {"primary", "press", "transcription", "derived", "unverified", "assumption"}
EVERY = [(kind, name) for kind in catalog.kinds() for name in catalog.names(kind)]
FRAME = {"name": "x", "epoch": "2030-03-01T00:00:00 UTC", "duration_days": 1}


def scenario(**more):
    return Scenario(**{**FRAME, "options": [], **more})


def test_everything_the_product_needs_is_there():
    counts = {kind: len(catalog.names(kind)) for kind in catalog.kinds()}
    assert counts["sites"] == 56
    assert counts["stations"] == 37 - 1 - 1 + 3 + 3  # two facts stand for three places each
    assert counts["relays"] == 52
    assert counts["terminals"] == 37
    assert counts["options"] == 23
    assert counts["costs"] == 50
    assert counts["programmes"] == 53
    assert counts["glossary"] == 101


def test_ids_are_hyphenated_and_lower_case():
    bad = [
        n for k, n in EVERY
        if k != "bands" and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", n)
    ]  # fmt: skip
    assert not bad


@pytest.mark.parametrize("kind", [k for k in catalog.kinds() if k != "groups"])
def test_every_record_says_where_it_is_from(kind):
    for name, record in catalog.load(kind).items():
        if name == "not-found" or (kind == "link-model" and "rows" in record):
            continue
        assert "sources" in record, name
        if "confidence" in record:
            assert record["confidence"] in CONFIDENCE, name
        else:
            assert record["sources"] or kind in ("link-model", "glossary", "services"), name
        for source in record["sources"]:
            assert source.get("title"), name
        values = record.get("field_confidence", {}).values()
        assert set(values) <= CONFIDENCE, name
        if record.get("confidence") == "assumption" or "assumption" in values:
            assert record.get("reason"), f"{name} is assumed without a reason"


def test_every_reason_is_given_in_japanese_too():
    """A reason that is added without ``reason_ja`` would be English in a Japanese report."""
    count = 0
    for kind, name in EVERY:
        record = catalog.get(kind, name)
        assert record.get("confidence") != "assumption" or record.get("reason_ja"), name
        needs = [n for n in record.get("needs", ()) if isinstance(n, dict)]
        for told in (record, *needs):
            for key in ("reason", "note") if told is not record else ("reason",):
                if told.get(key):
                    count += 1
                    assert JAPANESE.search(told.get(f"{key}_ja", "")), (kind, name, key)
    assert count > 300


def test_what_stands_beside_a_cost_and_a_date_is_given_in_japanese_too():
    for name, option in catalog.load("options").items():
        assert JAPANESE.search(option["available_basis_ja"]), name
        assert option["cost_basis_ja"], name
    for name in money_records():
        record = catalog.find(name)
        for key in ("covers", "note", "rule", "summary_en"):
            if record.get(key):
                assert JAPANESE.search(record[f"{key.removesuffix('_en')}_ja"]), (name, key)
    for record in catalog.load("error-budgets").values():
        assert JAPANESE.search(record["basis_ja"]), record["id"]


def test_text_does_not_point_outside_the_project():
    for kind, name in EVERY:
        text = str(catalog.get(kind, name))
        assert "/work" not in text
        assert "facts/" not in text
        assert "assumed.yaml" not in text


def test_eirp_and_g_over_t_follow_from_the_parts():
    """EIRP = 10 log P + G - L and G/T = G - 10 log T, to the rounding of the listed values."""
    checked = 0
    for name, t in catalog.load("terminals").items():
        tx, rx = t.get("transmit"), t.get("receive")
        # the optical trunk's EIRP is the published 115.9 dBW, 3.7 dB above its listed parts
        if tx and name != "optical-trunk":
            eirp = 10 * math.log10(tx["power_w"]) + tx["gain_dbi"] - tx["circuit_loss_db"]
            assert eirp == pytest.approx(tx["eirp_dbw"], abs=0.11), name
            assert tx["rates_bps"] == sorted(tx["rates_bps"]), name
            checked += 1
        if rx and "g_over_t_db_k" in rx:
            noise = 10 * math.log10(rx["system_noise_temperature_k"])
            assert rx["gain_dbi"] - noise == pytest.approx(rx["g_over_t_db_k"], abs=0.11), name
            if "g_over_t_moon_db_k" in rx:
                hot = 10 * math.log10(rx["system_noise_temperature_k"] + 200)
                assert rx["gain_dbi"] - hot == pytest.approx(rx["g_over_t_moon_db_k"], abs=0.11)
            checked += 1
    assert checked > 60


def test_carriers_lie_in_the_band_they_name():
    bands = {n: b["freq_mhz"] for n, b in catalog.load("bands").items() if "freq_mhz" in b}
    for name, t in catalog.load("terminals").items():
        for side in ("transmit", "receive"):
            part = t.get(side) or {}
            if "frequency_mhz" in part:
                low, high = bands[part["band"]]
                assert low <= part["frequency_mhz"] <= high, (name, side)


def test_every_group_terminal_and_need_that_is_named_exists():
    for name, group in catalog.load("groups").items():
        known = set(catalog.names(group["kind_of_members"]))
        assert group["members"], name
        assert set(group["members"]) <= known, name
    terminals = set(catalog.names("terminals"))
    for group in catalog.load("terminal-groups").values():
        assert set(group["terminals"]) <= terminals
    for name, t in catalog.load("terminals").items():
        assert set(t.get("pairs_with", [])) <= terminals, name
    needs = set(catalog.names("needs"))
    for name, region in catalog.load("regions").items():
        assert region.get("need", "robotic") in needs, name


def test_every_record_is_usable_by_name():
    unplaced = {"kr-private-lander-2030"}  # its position is not published, by anyone
    loaded = scenario(
        spacecraft=[
            {"from": n, "service_start": "2029", "service_end": None} for n in catalog.names("relays")
        ],
        constellations=[
            {"from": n} for n in catalog.names("constellations")
            if "members" not in (catalog.get("constellations", n) or {})
        ],
        include=["ely-3"],
        ground_stations=[{"from": n} for n in catalog.names("stations")],
        assets=[{"from": n} for n in catalog.names("sites") if n not in unplaced],
        regions=list(catalog.names("regions")),
        options=list(catalog.names("options")),
        needs={f"own-{n}": n for n in catalog.names("needs")},
    )  # fmt: skip
    assert len(loaded.spacecraft) == 52 + 3
    assert len(loaded.assets) == 55
    assert all(s.catalog_id for s in loaded.ground_stations)
    check_scenario(loaded)


@pytest.mark.parametrize("group", catalog.names("groups"))
def test_every_group_can_be_included(group):
    if group == "japan":
        assert len(Scenario(**FRAME).options) == 23
        return
    kind = catalog.load("groups")[group]["kind_of_members"]
    loaded = scenario(include=[group])
    counted = {"relays": loaded.spacecraft, "stations": loaded.ground_stations,
               "sites": loaded.assets}[kind]  # fmt: skip
    assert [n.name for n in counted] == catalog.load("groups")[group]["members"]


def test_site_weights_follow_the_stated_rule():
    rule = catalog.load("services")["site-weights"]
    for name, site in catalog.load("sites").items():
        change = rule["overrides"].get(name, {})
        relevance = change.get("relevance", rule["relevance"][site["japan_relevance"]])
        timing = change.get("timing", rule["timing"][site["status"]])
        want = relevance * rule["kind"][site["site_kind"]] * timing
        nation = site["nation"] or ""
        if nation.startswith("CN") and "US" not in nation:
            want = 0.0
        assert site["weight"] == pytest.approx(want), name


def test_a_stand_in_place_is_flagged():
    sites = catalog.load("sites")
    stand_in = {n: s for n, s in sites.items() if "site" in s}
    assert len(stand_in) == 20
    for name, site in stand_in.items():
        proxy = sites[site["site"]]
        assert site["field_confidence"]["latitude_deg"] == "assumption", name
        assert site["latitude_deg"] == pytest.approx(proxy["latitude_deg"], abs=0.01)
        assert "stands in" in site["reason"]


def test_scan_profiles_are_in_their_own_terms():
    needs = catalog.load("needs")
    relay, position = needs["scan-phase-2"]["needs"]
    assert relay["availability_frac"] == 0.9
    assert relay["availability_basis"] == "each-earth-day"
    assert "min_rate_bps" not in relay  # the published Mbps are aggregates
    assert (position["accuracy_m"], position["accuracy_basis"]) == (25, "3sigma")
    assert position["availability_frac"] == 0.8
    assert needs["scan-phase-1"]["needs"][0]["availability_frac"] == 0.5
    assert needs["scan-phase-3"]["needs"][0]["availability_frac"] == 0.99
    assert "availability_frac" not in needs["scan-phase-1"]["needs"][1]


def test_published_wins_and_assumed_is_marked():
    canberra = catalog.find("dsn-canberra")
    assert canberra["confidence"] != "assumption"
    assert canberra["latitude_deg"] == -35.402424
    assert canberra["field_confidence"]["terminals"] == "assumption"
    assert catalog.find("queqiao-2")["confidence"] == "assumption"
    assert all(o["confidence"] == "assumption" for o in catalog.load("options").values())


def test_options_cost_low_mid_high():
    for name, option in catalog.load("options").items():
        cost = option["cost_oku_jpy"]
        assert 0 < cost["low"] <= cost["mid"] <= cost["high"], name


def test_find_suggests_near_names_and_copies():
    with pytest.raises(InputError, match="queqiao-2"):
        catalog.find("queqiao2")
    with pytest.raises(InputError, match="stations"):
        catalog.load("station")
    catalog.load("stations")["misasa"]["latitude_deg"] = 0.0
    assert catalog.find("misasa")["latitude_deg"] == 36.141


@pytest.mark.parametrize("name", ["misasa", "queqiao-2", "lupex", "scan-phase-2", "uere", "lnss-1"])
def test_describe_shows_values_confidence_and_sources(name):
    record = catalog.find(name)
    text = catalog.describe(record)
    assert text.startswith(name)
    assert str(record["confidence"]) in text
    assert "sources" in text
    for source in record["sources"]:
        assert source["title"] in text
    assert "{'" not in text


def test_every_station_terminal_can_be_used_by_someone():
    terminals = catalog.load("terminals")
    for name, t in terminals.items():
        if t["role"] != "station":
            continue
        partners = set(t.get("pairs_with", []))
        partners |= {n for n, o in terminals.items() if name in o.get("pairs_with", [])}
        assert partners, name


def test_every_flying_relay_can_reach_a_station_of_its_group():
    """Each relay that has an Earth terminal pairs with a terminal of some station in its group."""
    terminals = catalog.load("terminals")
    groups = catalog.load("terminal-groups")

    def ids(entries):
        for e in entries:
            e = e if isinstance(e, str) else e["from"]
            yield from groups[e]["terminals"] if e in groups and e not in terminals else [e]

    stations = catalog.load("stations").values()
    for name, relay in catalog.load("relays").items():
        mine = [terminals[i] for i in ids(relay["terminals"])]
        mine = [t for t in mine if t["role"] == "relay-earth" and t.get("band") != "optical"]
        if not mine:
            continue
        there = {
            i for s in stations if (s["operator"] == "cnsa") == (relay["group"] == "china")
            for i in ids(s["terminals"])
        }  # fmt: skip
        assert any(set(t["pairs_with"]) & there for t in mine), name


def test_a_name_of_several_kinds_says_so_and_each_can_be_shown():
    """The region of a demand phase hid its needs."""
    first = CliRunner().invoke(app, ["catalog", "show", "scan-phase-2"])
    assert "kind: regions" in first.stdout
    assert (
        first.stderr == "remark: another 'scan-phase-2' with --kind needs or --kind requirements\n"
    )
    asked = CliRunner().invoke(app, ["catalog", "show", "scan-phase-2", "--kind", "needs"])
    assert "kind: needs" in asked.stdout
    assert asked.stderr == ""
    for words, told in (
        (["misasa", "--kind", "needs"], "'misasa' is not one of the needs; allowed: see"),
        (["misasa", "--kind", "station"], "'station' is not a kind of record; allowed: relays,"),
    ):
        refused = CliRunner().invoke(app, ["catalog", "show", *words])
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert told in refused.stderr


@pytest.mark.parametrize("date", ["20xx", "2031-13", "2031-02-30"])
def test_a_date_that_is_none_is_told_with_the_forms_that_serve(date):
    ended = CliRunner().invoke(app, ["catalog", "list", "relays", "--at", date])
    told = f"cislunar: {date!r} is not a date; allowed: YYYY, YYYY-MM, YYYY-MM-DD, or with Thh"
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(told)
