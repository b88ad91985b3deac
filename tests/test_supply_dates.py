"""When what flies serves: the catalogue by date, and the same dates in a scenario."""

from datetime import date

import pytest

from cislunar import catalog
from cislunar.catalog.supply import service_dates
from cislunar.nodes import expand_nodes
from cislunar.scenario import scenario_from
from orbits.errors import InputError


def test_a_date_is_a_query():
    # read by eye from the dates of the records
    assert set(catalog.in_service("2029-06-01", kinds=("relays",))) == {
        "queqiao-2", "dro-a", "im-altus-1", "im-sat-2", "im-sat-3", "lunar-pathfinder",
        "elytra-dark", "moonlight-comsat", "moonlight-navsat-1", "ispace-m2-5",
    }  # fmt: skip
    assert "moonlight-comsat" not in catalog.in_service("2029-05-31")
    late = catalog.in_service("2029-06-01", case="late")
    assert "moonlight-comsat" not in late
    assert "moonlight-comsat" in catalog.in_service("2030-12-01", case="late")
    assert "legs-2-matjiesfontein" in catalog.in_service("2027-07")
    assert "legs-2-matjiesfontein" not in catalog.in_service("2027-06")
    # cancelled, concepts, tracked states and second records of one craft are no supply
    everything = catalog.in_service("2031", case="early")
    assert not {"ispace-alpine", "lnss-8", "dro-b", "queqiao-2-2024", "kddi-yamaguchi"} & set(
        everything
    )


@pytest.mark.parametrize(("text", "case"), [("2029-99", "nominal"), ("2029-06-01", "mid")])
def test_what_is_no_date_or_case_is_refused(text, case):
    with pytest.raises(InputError):
        catalog.in_service(text, case)


def test_a_life_is_as_long_in_every_case():
    """Craft whose end follows from their start: late craft do not die young."""
    checked = 0
    for record in catalog.load("relays").values():
        end, start = record.get("service_end"), record.get("service_start")
        if not isinstance(end, dict) or record["status"] == "operating":
            continue
        lives = {
            c: date.fromisoformat(end[c]) - date.fromisoformat(start[c])
            for c in ("early", "nominal", "late")
        }
        assert max(lives.values()).days - min(lives.values()).days <= 1, record["id"]
        checked += 1
    assert checked == 19


def test_the_group_of_all_relays_leaves_nothing_out():
    members = set(catalog.get("groups", "all-relays")["members"])
    for name, record in catalog.load("relays").items():
        start = record.get("service_start") or {}
        if start.get("nominal") is None or record["status"] == "study":
            assert name not in members, name
        else:
            # a craft with two records is there once
            twins = {name, record.get("same_craft_as")} | {
                n for n, r in catalog.load("relays").items() if r.get("same_craft_as") == name
            }
            assert len(twins & members) == 1, name
    stations = set(catalog.get("groups", "all-stations")["members"])
    for name, record in catalog.load("stations").items():
        planned = service_dates(record) is not None
        assert (name in stations) == bool(planned and record.get("terminals")), name


@pytest.mark.parametrize("case", ["early", "nominal", "late"])
@pytest.mark.parametrize("year", [2026, 2028, 2032, 2035])
def test_a_run_has_what_flies_then(year, case):
    scenario = scenario_from(
        {
            "name": "x", "epoch": f"{year}-07-01T00:00:00 UTC", "duration_days": 1, "options": [],
            "include": ["all-relays", "all-stations"], "service_date_case": case,
        }
    )  # fmt: skip
    flying = {n.name for n in expand_nodes(scenario) if len(n.service)}
    group = {m for g in ("all-relays", "all-stations") for m in catalog.get("groups", g)["members"]}
    there = set()
    for name in group:
        record = catalog.find(name)

        def at(key, record=record):
            found = record.get(key)
            found = found[case] if isinstance(found, dict) else found
            # a year or a month alone begins at its end
            return found if found is None else found.ljust(10, "~")

        begin, end = at("service_start"), at("service_end")
        day = f"{year}-07-01"
        if (begin is None or begin <= day) and (end is None or end > day):
            there.add(name)
    assert flying == there


def test_demand_has_dates_needs_and_weights():
    """The sites that a Japanese plan and its partners name; undated concepts count always."""
    dated = {
        "lupex": ("2028", "2030-04-11"), "lunar-cruiser": ("2032", None),
        "ispace-m3-ultra": ("2028", None), "ispace-m4-magpie": ("2029", None),
        "tsukuyomi": ("2028", None), "kasa-lander-2032": ("2032", None),
        "au-roo-ver": ("2030", None), "chandrayaan-4": ("2028", None),
        "clps-2028-landers": ("2028", None), "artemis-nobile-rim-1": ("2028", None),
    }  # fmt: skip
    concepts = ("marius-hills-pit", "mare-tranquillitatis-pit", "mare-ingenii-pit", "aristarchus")
    included = {
        m
        for g in ("lunar-assets-japan", "lunar-assets-partners", "artemis-regions",
                  "lunar-resource-sites")
        for m in catalog.get("groups", g)["members"]
    }  # fmt: skip
    for name in (*dated, *concepts):
        record = catalog.load("sites")[name]
        assert record["weight"] > 0.0, name
        assert catalog.get("needs", record["needs"]), name
        assert record["terminals"], name
        assert name in included, name
    scenario = scenario_from(
        {
            "name": "x", "epoch": "2031-03-01T00:00:00 UTC", "duration_days": 1, "options": [],
            "assets": [{"from": n} for n in (*dated, *concepts)],
        }
    )  # fmt: skip
    there = {n.name for n in expand_nodes(scenario) if len(n.service)}
    gone = {"lupex", "lunar-cruiser", "kasa-lander-2032"}  # over, and not yet
    assert there == ({*dated} - gone) | {*concepts}
    # a weight is the user's to change
    heavy = scenario.model_copy(
        update={"assets": tuple(a.model_copy(update={"weight": 9.0}) for a in scenario.assets)}
    )
    assert {n.weight for n in expand_nodes(heavy)} == {9.0}
