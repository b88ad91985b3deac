"""The network views say what the contacts say."""

import json
from types import SimpleNamespace

import networkx
import numpy as np
import pytest

from cislunar.contact_table import ContactTable
from cislunar.network import TemporalNetwork
from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
ROWS = [
    ("c000001", "rim", "dro-1", 0.0, 100.0, 1e6, 0.2),
    ("c000002", "rim", "dro-1", 50.0, 80.0, 5e6, 0.3),
    ("c000003", "dro-1", "usuda", 60.0, 300.0, 2e7, 1.3),
]


@pytest.fixture
def network():
    def node(name, kind):
        return SimpleNamespace(name=name, kind=kind, operator="jaxa", constellation=None,
                               latitude_deg=None, longitude_deg=None)  # fmt: skip

    nodes = [node("rim", "asset"), node("dro-1", "spacecraft"), node("usuda", "station"),
             node("idle", "station")]  # fmt: skip
    return TemporalNetwork(ContactTable.of_rows(ROWS, epoch=EPOCH), nodes)


def test_every_contact_is_an_edge_under_its_id(network):
    graph = network.graph
    assert isinstance(graph, networkx.MultiDiGraph)
    assert set(graph.nodes) == {"rim", "dro-1", "usuda", "idle"}
    assert graph.nodes["dro-1"] == {"kind": "spacecraft", "operator": "jaxa"}
    assert {key for *_, key in graph.edges(keys=True)} == {row[0] for row in ROWS}
    edge = graph.edges["rim", "dro-1", "c000002"]
    assert (edge["start_s"], edge["end_s"], edge["rate_bps"], edge["owlt_s"]) == (50, 80, 5e6, 0.3)
    assert edge["volume_bit"] == 30 * 5e6


@pytest.mark.parametrize("instant", ["2030-03-01T00:01:10 UTC", EPOCH + 70.0, 70.0])
def test_an_instant_keeps_the_best_contact_of_a_pair(network, instant):
    graph = network.at(instant)
    assert graph.graph["t_s"] == pytest.approx(70.0, abs=1e-6)
    assert set(graph.nodes) == set(network.graph.nodes)
    assert graph.edges["rim", "dro-1"]["contact_id"] == "c000002"
    assert networkx.has_path(graph, "rim", "usuda")


def test_contacts_are_half_open(network):
    assert not network.at(59.9).has_edge("dro-1", "usuda")
    assert network.at(60.0).has_edge("dro-1", "usuda")
    assert network.at(80.0).edges["rim", "dro-1"]["contact_id"] == "c000001"
    assert network.at(300.0).number_of_edges() == 0
    for t_s in (-1.0, 300.1, "2031-01-01T00:00:00 UTC"):
        with pytest.raises(SpanError):
            network.at(t_s)


def test_contacts_between_two_nodes(network):
    frame = network.between("rim", "dro-1")
    assert frame["contact_id"].tolist() == ["c000001", "c000002"]
    assert len(network.between("dro-1", "rim")) == 0
    with pytest.raises(InputError, match="no node 'x'"):
        network.between("rim", "x")


def test_node_link_data_is_plain_json_and_comes_back(network):
    data = networkx.node_link_data(network.graph, edges="edges")
    back = networkx.node_link_graph(json.loads(json.dumps(data)), edges="edges")
    assert networkx.utils.graphs_equal(back, network.graph)


def test_node_link_data_is_that_of_networkx_in_its_order(network):
    crossed = TemporalNetwork(  # edges that a graph lists otherwise than the plan does
        ContactTable.of_rows(
            [(f"c{i}", a, b, 10.0 * i, 10.0 * i + 5.0, 1e6, 1.2)
             for i, (a, b) in enumerate(("zx", "ab", "zb", "ax", "zx", "xz", "ab", "bz"))],
            names="q",
        )
    )  # fmt: skip
    for one in (network, crossed):
        found = networkx.node_link_data(one.graph, edges="edges")
        assert json.dumps(one.node_link()) == json.dumps(found)


def test_a_margin_that_does_not_exist_is_left_out():
    plan = SimpleNamespace(
        epoch=EPOCH, span_s=10.0, contact_id=np.array(["c1", "c2"], dtype=object),
        source=np.array(["a", "a"], dtype=object), target=np.array(["b", "c"], dtype=object),
        start_s=np.zeros(2), end_s=np.full(2, 9.0), owlt_s=np.zeros(2), rate_bps=np.ones(2),
        margin_db=np.ma.array([3.0, 0.0], mask=[False, True]),
        kind=np.array(["surface-surface"] * 2, dtype=object),
    )  # fmt: skip
    graph = TemporalNetwork(plan).graph
    assert graph.edges["a", "b", "c1"]["margin_db"] == 3.0
    assert "margin_db" not in graph.edges["a", "c", "c2"]


def test_an_instant_may_be_astropys(network):
    from orbits.interop import to_astropy

    later = to_astropy(network.epoch, 5.0)
    for given in (later, (later - to_astropy(network.epoch)).to("min")):
        assert network.seconds(given) == pytest.approx(5.0, abs=1e-6)


def test_it_shows_itself(network):
    assert "4 nodes, 3 contacts" in repr(network)
    assert "<table>" in network._repr_html_()
