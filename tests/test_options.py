"""Options of the catalogue added to real scenarios."""

import pytest

import cislunar
from cislunar.nodes import expand_nodes
from cislunar.options.option import (
    add_option,
    add_options,
    node_tags,
    option_groups,
    read_option,
    requirements_of,
)
from orbits.errors import InputError

ELFO = {
    "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4, "eccentricity": 0.6,
    "inclination_deg": 56.2, "raan_deg": 0, "argument_of_periapsis_deg": 90,
    "mean_anomaly_deg": 0,
}  # fmt: skip


def scenario(**more):
    return cislunar.Scenario(
        name="pole", epoch="2030-03-01T00:00:00 UTC", duration_days=1.0, **more
    )


def names(scenario):
    return [node.name for node in expand_nodes(scenario)]


def test_every_option_of_the_catalogue_can_be_added():
    base = scenario()
    assert len(base.options) == 23
    for option in base.options:
        carrier = ["elfo-relay-jp"] if option.id == "optical-trunk-jp" else []
        more = add_options(base, [*carrier, option.id])
        added = [n for n in expand_nodes(more) if n.name not in names(base)]
        assert len(added) >= 1
        assert all(node.service.total_s == 86400.0 for node in added)
        assert all(node.operator for node in added)  # policy must bind them
        low, mid, high = (
            read_option(option).cost_low_oku_jpy, read_option(option).cost_oku_jpy,
            read_option(option).cost_high_oku_jpy,
        )  # fmt: skip
        assert low is not None
        assert high is not None
        assert low <= mid <= high
    assert names(base) == []  # the scenario itself is untouched


def test_groups_of_the_catalogue():
    groups = option_groups(scenario().options)
    assert {k: sum(g == k for g in groups.values()) for k in set(groups.values())} == {
        "lnss": 3, "elfo-relay": 2, "dro-relay": 3,
    }  # fmt: skip


def test_an_added_node_serves_from_the_start_whatever_its_dates():
    option = {
        "id": "late", "cost_oku_jpy": {"low": 1, "mid": 2, "high": 3}, "adds": {
            "spacecraft": [{"name": "late-1", "orbit": ELFO, "service_start": "2040"}],
        },
    }  # fmt: skip
    base = scenario(options=[option])
    (node,) = expand_nodes(add_option(base, base.options[0]))
    assert node.service.pairs() == [(0.0, 86400.0)]


def test_a_taken_name_gets_a_suffix():
    base = scenario(spacecraft=[{"name": "elfo-relay-1", "orbit": ELFO}])
    assert names(add_options(base, ["elfo-relay-jp"])) == ["elfo-relay-1", "elfo-relay-1-added"]
    both = add_options(base, ["elfo-relay-jp", "elfo-relay-jp"])
    assert names(both)[-1] == "elfo-relay-1-added-2"
    taken = scenario(spacecraft=[{"name": "lnss-2", "orbit": ELFO}])
    assert names(add_options(taken, ["lnss-group-4"]))[1:] == [
        f"lnss-added-{k}" for k in (1, 2, 3, 4)
    ]


def test_the_trunk_rides_on_the_relay_added_with_it():
    base = scenario()
    plain = add_options(base, ["elfo-relay-jp"])
    trunk = add_options(base, ["optical-trunk-jp", "elfo-relay-jp"])
    before, after = (len(s.spacecraft[0].terminals) for s in (plain, trunk))
    assert after == before + 2
    assert [s.name for s in trunk.ground_stations] == ["optical-okinawa", "optical-chile"]
    with pytest.raises(InputError, match="none is there"):
        add_options(base, ["optical-trunk-jp"])
    with pytest.raises(InputError, match="no option 'nothing'"):
        add_options(base, ["nothing"])


def test_tags_name_what_requirements_ask_for():
    base = scenario(
        spacecraft=[{"from": "im-altus-1"}], ground_stations=[{"from": "misasa"}],
        policy={"groups": {"x": ["jaxa"], "y": ["intuitive-machines"]}, "share": [["x", "x"]]},
    )  # fmt: skip
    nodes = expand_nodes(base)
    assert {"misasa", "im-altus-1", "any-relay", "any-navigation-source"} <= node_tags(nodes)
    assert not node_tags(nodes, base.policy.permits) & {"any-relay", "any-navigation-source"}


@pytest.mark.parametrize(
    ("record", "is_partner"),
    [("legs-1-white-sands", True), ("estrack-cebreros", False), ("misasa", False)],
)
def test_a_partner_station_is_one_that_hears_ka_by_the_catalogues_own_band_plan(record, is_partner):
    nodes = expand_nodes(scenario(ground_stations=[{"from": record}]))
    assert ("partner-station" in node_tags(nodes)) == is_partner


def test_the_partner_station_present_meets_the_requirement_of_a_relay():
    base = scenario(ground_stations=[{"from": "legs-1-white-sands"}, {"from": "misasa"}])
    pool = {o.id: read_option(o) for o in base.options}
    present = node_tags(expand_nodes(base))
    assert requirements_of(pool["elfo-relay-jp"], pool, present) == ([], [])
