"""Plans as graphs: written, read back, and read as other tools define the formats."""

import json
import re
from itertools import pairwise

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cislunar.cli import app
from cislunar.contact_files import merged_contacts
from cislunar.contact_table import ContactTable
from cislunar.plan_files import (
    read_graphml,
    read_node_link,
    read_plan,
    read_tvg,
    tvg_plan,
    write_plan,
    write_tvg,
)
from cislunar.routing import best_routes, earliest_arrivals
from orbits.epoch import Epoch
from orbits.errors import InputError

EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
PLAN = ContactTable.of_rows(
    [("x", "rim", "dro-1", 10.25, 70, 2e6, 0.21), ("y", "dro-1", "usuda", 20, 60.5, 8e5, 1.31),
     ("z", "rim", "dro-1", 40, 90, 5e6, 0.22)],
    epoch=EPOCH,
)  # fmt: skip
COLUMNS = ("source", "target", "start_s", "end_s", "owlt_s", "rate_bps", "contact_id")


def same(a, b, columns=COLUMNS):
    assert a.names == b.names
    for name in columns:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("ending", [".csv", ".graphml", ".json"])
def test_forms_that_keep_every_contact(ending, tmp_path):
    path = tmp_path / f"plan{ending}"
    write_plan(PLAN, path)
    back = read_plan(path)
    same(back, PLAN)
    assert abs(back.epoch - EPOCH) < 1e-3


@pytest.mark.parametrize("ending", [".ionrc", ".hdtn.json", ".tvg.json"])
def test_forms_without_overlaps_route_the_same(ending, tmp_path):
    whole = ContactTable.of_rows(
        [("1", "rim", "dro-1", 10, 70, 8e5, 1), ("2", "dro-1", "usuda", 20, 60, 8e5, 2),
         ("3", "rim", "dro-1", 80, 90, 8e5, 1), ("4", "dro-1", "usuda", 85, 99, 8e5, 2)], epoch=EPOCH
    )  # fmt: skip
    path = tmp_path / f"plan{ending}"
    write_plan(whole, path)
    back = read_plan(path)
    same(back, whole, COLUMNS[:-1])
    for k in (0, 1):
        routes = [best_routes(p, "rim", "usuda", k=4)[k] for p in (whole, back)]
        assert routes[0].arrivals_s == routes[1].arrivals_s


@st.composite
def overlapping(draw):
    rows = []
    for i in range(draw(st.integers(1, 10))):
        start = draw(st.floats(0, 50))
        ends = draw(st.permutations(["a", "b", "c"]))[:2]
        rows.append((str(i), *ends, start, start + draw(st.floats(0.1, 30)),
                     draw(st.sampled_from([8e3, 64e3, 1e6])), draw(st.floats(0.0, 3.0))))  # fmt: skip
    return ContactTable.of_rows(rows)


@settings(max_examples=50, deadline=None)
@given(overlapping(), st.sampled_from([1, 2]))
def test_tvg_contacts_never_overlap(plan, version):
    data = tvg_plan(plan, version=version)
    for edge in data["edges"]:
        spans = [tuple(c[2:4]) for c in edge["contacts"]]
        assert spans == sorted(spans)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        for c in edge["contacts"]:
            assert c[:2] == edge["vertices"]
            assert edge["vertices"][1] in data["vertices"][c[0]]
    merged = merged_contacts(plan)
    assert sum(len(e["contacts"]) for e in data["edges"]) == len(merged)


def test_tvg_goes_there_and_back(tmp_path):
    merged = merged_contacts(PLAN)
    for version in (1, 2):
        write_tvg(PLAN, tmp_path / "plan.json", version=version)
        back = read_tvg(tmp_path / "plan.json")
        for name in COLUMNS[:-1]:
            np.testing.assert_allclose(getattr(back, name), getattr(merged, name), rtol=1e-12)
        assert back.epoch == EPOCH
        assert earliest_arrivals(back, "rim") == earliest_arrivals(merged, "rim")


def test_tvg_contacts_whose_rate_and_delay_change(tmp_path):
    path = tmp_path / "factual.json"
    path.write_text(json.dumps({
        "vertices": {"a": ["b"], "b": []},
        "edges": [{"vertices": ["a", "b"], "contacts": [
            ["a", "b", 5.0, 30.0, [[0.0, 100.0, 1e-6, 0.5], [20.0, 50.0, 0.0, 0.75]]]]}],
        "contact_type": "Contact_v2",
    }))  # fmt: skip
    back = read_plan(path)
    rows = np.column_stack((back.start_s, back.end_s, back.rate_bps, back.owlt_s))
    assert rows.tolist() == [[5, 20, 100, 0.5], [20, 30, 50, 0.75]]


def test_networkx_reads_what_we_write(tmp_path):
    write_plan(PLAN, tmp_path / "plan.graphml")
    graph = networkx.read_graphml(tmp_path / "plan.graphml", force_multigraph=True)
    assert set(graph.edges(keys=True)) == {
        ("rim", "dro-1", "x"), ("dro-1", "usuda", "y"), ("rim", "dro-1", "z"),
    }  # fmt: skip
    assert graph.edges["rim", "dro-1", "z"]["rate_bps"] == 5e6
    write_plan(PLAN, tmp_path / "plan.json")
    data = json.loads((tmp_path / "plan.json").read_text())
    assert networkx.node_link_graph(data, edges="edges").number_of_edges() == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "not a contact plan"),
        ('{"contact_type": "X", "edges": []}', "contact_type"),
        ('{"contact_type": "Contact_v2", "edges": [{"contacts": [["a"]]}]}', "edges.0"),
        ('{"contact_type": "Contact_v2", "edges": []}', "no contacts"),
        ('{"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "b"}]}', "edges.0"),
        ('{"nodes": 3, "edges": 4}', "not node-link"),
        ("<graphml><graph/></graphml>", "directed"),
        ("<graphml", "not GraphML"),
        ('<?xml version="1.0"?><!DOCTYPE graphml [<!ENTITY a "b">]><graphml/>', "document type"),
    ],
)  # fmt: skip
def test_bad_graph_files_are_one_line(tmp_path, text, says):
    path = tmp_path / "plan.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as fault:
        read_plan(path)
    assert "\n" not in str(fault.value)
    with pytest.raises(InputError, match="no such form"):
        write_plan(PLAN, tmp_path / "plan.xyz")


def test_routes_through_any_form_and_from_one_to_another(tmp_path):
    path = tmp_path / "plan.json"
    write_plan(PLAN, path)
    out = tmp_path / "plan.graphml"
    done = CliRunner().invoke(app, ["export", str(path), str(out)])
    assert done.exit_code == 0, done.output
    same(read_graphml(out), read_node_link(path))
    done = CliRunner().invoke(app, ["route", str(out), "--from", "rim", "--to", "usuda", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["routes"][0]["arrival_s"] == 21.31
    done = CliRunner().invoke(app, ["export", str(path), str(tmp_path / "plan.what")])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bundle_that_fits_nowhere_whole_is_said(tmp_path):
    path = tmp_path / "plan.csv"
    write_plan(PLAN, path)
    done = CliRunner().invoke(
        app, ["route", str(path), "--from", "rim", "--to", "usuda", "--size-bit", "1e9"]
    )
    assert done.exit_code == 0
    assert "no route" in done.stdout
    assert "fragments" in done.stdout


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "\u202eevil", "a\x00", "a\x9b2J"])
def test_a_name_that_steers_a_terminal_is_refused(tmp_path, name):
    """Names of a plan are printed and written as lines of text; the plan may be anyone's."""
    path = tmp_path / "plan.json"
    edge = {"source": "a", "target": name, "start_s": 0, "end_s": 9, "rate_bps": 1, "owlt_s": 1}
    for edges in ([edge], [{**edge, "target": "b", "contact_id": name, "key": name}]):
        path.write_text(json.dumps({"nodes": [], "edges": edges}))
        with pytest.raises(InputError, match="signs that are not text") as caught:
            read_plan(path)
        assert str(caught.value).isprintable()


def test_names_stay_whole_in_a_table_and_begin_no_formula(tmp_path):
    path = tmp_path / "plan.csv"
    rows = [
        ('c "1", x', "gateway, upper", "月面　基地", 0.0, 9.0, 1e3, 1.5),
        ("2", "-5", "7", 0.0, 9.0, 1e3, 1.5),
    ]
    write_plan(ContactTable.of_rows(rows), path)
    again = read_plan(path)
    assert set(again.names) == {"gateway, upper", "月面　基地", "-5", "7"}
    assert set(again.contact_id) == {'c "1", x', "2"}
    for bad in ("=1+1", "@SUM(A1)", "+cmd", "-2+3"):
        for row in (("c", bad, "b", 0.0, 9.0, 1e3, 1.5), (bad, "a", "b", 0.0, 9.0, 1e3, 1.5)):
            plan = ContactTable.of_rows([row])
            with pytest.raises(InputError, match="formula"):
                write_plan(plan, tmp_path / "bad.csv")
            write_plan(plan, tmp_path / "good.graphml")
            assert read_plan(tmp_path / "good.graphml").names == plan.names
    assert not (tmp_path / "bad.csv").exists()
