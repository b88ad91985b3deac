"""Contact plans in every form we know: read whatever it is, written by the name of the file.

Beside ION, HDTN and our table (``contact_files``) these are graphs: dtn-tvg-util's JSON (read by
aiodtnsim; its first version also by pydtnsim), networkx node-link JSON and GraphML. tvg-util wants
one contact a pair at a time, so its plans are merged as for ION (the highest rate, the largest
light time), with times as exact as they are; the others keep every contact with its id.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from cislunar.contact_files import (
    check_counts,
    checked_table,
    epoch_of,
    hdtn_table,
    merged_contacts,
    read_contacts_csv,
    read_ion,
    read_json,
    read_text,
    write_contacts_csv,
    write_hdtn,
    write_ion,
    write_text,
)
from cislunar.contact_table import ContactTable, table_of
from cislunar.network import TemporalNetwork
from orbits.errors import InputError

_MALFORMED = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError
)  # fmt: skip
MOST_TAGS, MOST_ATTRIBUTES = 1_500_000, 1_000_000  # of a GraphML file
_NEEDED = ("start_s", "end_s", "rate_bps", "owlt_s")


# --- dtn-tvg-util -------------------------------------------------------------------------------


def tvg_plan(plan, *, version: int = 2) -> dict:
    """The plan as dtn-tvg-util's object: vertices with their neighbours, contacts by edge.

    Times in s past the plan's epoch (key ``epoch_utc``), bit/s, delays in s. Version 2 is what the
    tool writes since 0.1; version 1 gives bits a contact instead of a rate, and leaves out vertices
    without neighbours, as pydtnsim's schema demands.
    """
    if version not in (1, 2):
        raise InputError("no such version of the format", key="version", value=version)
    t = merged_contacts(plan)
    edges: dict[tuple[str, str], list] = {}
    for c in range(len(t)):
        ends = (t.names[t.source[c]], t.names[t.target[c]])
        start, end, rate, owlt = (float(getattr(t, k)[c]) for k in _NEEDED)
        if start < 0:
            raise InputError("tvg-util knows no time before the epoch", value=start)
        if version == 2:
            rest: list = [[[0.0, 1.0, [[start, rate, owlt]]]]]
        else:
            rest = [[[0.0, rate * (end - start)]], 1.0, owlt]
        edges.setdefault(ends, []).append([*ends, start, end, *rest])
    near: dict[str, list[str]] = {name: [] for name in t.names}
    for a, b in edges:
        near[a].append(b)
    found: dict[str, Any] = {
        "vertices": {a: b for a, b in near.items() if b or version == 2},
        "edges": [{"vertices": list(ends), "contacts": some} for ends, some in edges.items()],
        "contact_type": "PredictedContact_v2" if version == 2 else "PredictedContact",
    }
    if t.epoch is not None:
        found["epoch_utc"] = str(t.epoch.utc_text(decimals=6))
    return found


def write_tvg(plan, path, *, version: int = 2) -> None:
    """Writes the plan for dtn-tvg-util: see ``tvg_plan``."""
    write_text(path, json.dumps(tvg_plan(plan, version=version), ensure_ascii=False) + "\n")


def read_tvg(path) -> ContactTable:
    """The contact table of a dtn-tvg-util file, factual or predicted (its first prediction).

    A contact whose characteristics change becomes one contact for each of them.
    """
    return _tvg_table(read_json(path), path)


def _tvg_table(data: dict, path) -> ContactTable:
    kind = data.get("contact_type")
    pieces = _PIECES.get(kind) if isinstance(kind, str) else None
    if pieces is None:
        raise InputError(
            "unknown contacts", file=str(path), key="contact_type", value=kind,
            allowed=", ".join(_PIECES),
        )  # fmt: skip
    rows = []
    edges = data.get("edges", [])
    if not isinstance(edges, list):
        raise InputError("not a list", file=str(path), key="edges")
    for i, edge in enumerate(edges):
        try:
            for contact in edge["contacts"]:
                a, b, start, end = contact[:4]
                some = [tuple(map(float, p)) for p in pieces(contact)]
                for k, (begin, rate, owlt) in enumerate(some):
                    stop = some[k + 1][0] if k + 1 < len(some) else float(end)
                    low, high = max(begin, float(start)), min(stop, float(end))
                    check_counts(path, len(rows))
                    if high > low:
                        rows.append((f"c{len(rows) + 1:06d}", a, b, low, high, rate, owlt))
        except InputError:
            raise
        except _MALFORMED as fault:
            raise InputError(
                f"not a contact of {kind}", file=str(path), key=f"edges.{i}"
            ) from fault
    names = data["vertices"] if isinstance(data.get("vertices"), dict) else ()
    check_counts(path, len(rows), len(names))
    return checked_table(rows, path, names, epoch_of(data.get("epoch_utc"), path))


# (start, rate, delay) of each piece of a contact, by the tool's names of its forms
_PIECES: dict[str, Any] = {
    "PredictedContact_v2": lambda c: c[4][0][2],
    "Contact_v2": lambda c: [(p[0], p[1], p[3]) for p in c[4]],
    "PredictedContact": lambda c: [(c[2], c[4][0][1] / (c[3] - c[2]), c[6])],
    "Contact": lambda c: [(c[2], c[4], c[6])],
}


# --- networkx -----------------------------------------------------------------------------------


def write_node_link(plan, path, nodes=()) -> None:
    """Writes networkx node-link JSON of the multigraph, one keyed edge a contact."""
    import networkx

    data = networkx.node_link_data(TemporalNetwork(plan, nodes).graph, edges="edges")
    write_text(path, json.dumps(data, ensure_ascii=False) + "\n")


def write_graphml(plan, path, nodes=()) -> None:
    """Writes GraphML of the multigraph, one edge a contact with its id."""
    import networkx

    graph = TemporalNetwork(plan, nodes).graph
    networkx.write_graphml_xml(graph, str(path), encoding="utf-8", infer_numeric_types=True)


def read_node_link(path) -> ContactTable:
    """The contact table of networkx node-link JSON (our ``network.json``)."""
    return _node_link_table(read_json(path), path)


def _node_link_table(data: dict, path) -> ContactTable:
    import networkx

    edges = "edges" if "edges" in data else "links"
    lists = [some if isinstance(some := data.get(k), list) else [] for k in (edges, "nodes")]
    check_counts(path, *map(len, lists))
    try:
        graph = networkx.node_link_graph(data, directed=True, multigraph=True, edges=edges)
    except (*_MALFORMED, networkx.NetworkXError) as fault:
        raise InputError(f"not node-link data ({fault})", file=str(path)) from fault
    if not (graph.is_directed() and graph.is_multigraph()):
        raise InputError("contacts make a directed multigraph, this is none", file=str(path))
    return _table(graph, path)


def read_graphml(path) -> ContactTable:
    """The contact table of GraphML whose edges have start_s, end_s, rate_bps and owlt_s."""
    import xml.etree.ElementTree as xml

    import networkx

    text = read_text(path)
    if text.count("<") > MOST_TAGS or text.count("=") > MOST_ATTRIBUTES:
        raise InputError(
            "too many elements", file=str(path),
            allowed=f"{MOST_TAGS} tags and {MOST_ATTRIBUTES} attributes",
        )  # fmt: skip
    check_counts(path, text.count("<edge"), text.count("<node"))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("GraphML with a document type is not read", file=str(path))
    try:
        graph = networkx.parse_graphml(text, force_multigraph=True)
    except (xml.ParseError, *_MALFORMED, networkx.NetworkXError) as fault:
        raise InputError(f"not GraphML ({fault})", file=str(path)) from fault
    if not graph.is_directed():
        raise InputError("contacts are directed, this graph is not", file=str(path))
    return _table(graph, path)


def _table(graph, path) -> ContactTable:
    rows = []
    for i, (a, b, contact_id, edge) in enumerate(graph.edges(keys=True, data=True)):
        try:
            numbers = [float(edge[k]) for k in _NEEDED]
        except _MALFORMED as fault:
            raise InputError(
                f"an edge needs numbers {', '.join(_NEEDED)}", file=str(path), key=f"edges.{i}"
            ) from fault
        rows.append((edge.get("contact_id", contact_id), a, b, *numbers))
    about = graph.graph
    if not isinstance(about, dict):
        raise InputError("not an object", file=str(path), key="graph")
    table = checked_table(rows, path, graph.nodes, epoch_of(about.get("epoch_utc"), path))
    if "span_s" in about:
        try:
            span_s = float(about["span_s"])
        except _MALFORMED as fault:
            raise InputError("not a number", file=str(path), key="span_s") from fault
        if not math.isfinite(span_s):
            raise InputError("not a finite number", file=str(path), key="span_s")
        object.__setattr__(table, "span_s", max(table.span_s, span_s))
    return table


# --- any ----------------------------------------------------------------------------------------


_WRITERS = {
    ".csv": write_contacts_csv, ".ionrc": write_ion, ".hdtn.json": write_hdtn,
    ".tvg.json": write_tvg, ".graphml": write_graphml, ".json": write_node_link,
}  # fmt: skip
FORMS = "contacts.csv, ION text, HDTN, tvg-util or node-link JSON, GraphML"


def write_plan(plan, path) -> None:
    """Writes a plan in the form that the file's name ends in.

    ``.csv``, ``.ionrc``, ``.hdtn.json``, ``.tvg.json``, ``.graphml`` or ``.json`` (node-link).
    """
    for ending, write in _WRITERS.items():
        if str(path).endswith(ending):
            write(table_of(plan), path)
            return
    raise InputError("no such form of plan", file=str(path), allowed=", ".join(_WRITERS))


def read_plan(path) -> ContactTable:
    """The contact table of a plan file, in any of the forms, by its content."""
    head = read_text(path, 4096).lstrip("\ufeff \t\r\n")
    if head.startswith("{"):
        data = read_json(path)
        if "contacts" in data:
            return hdtn_table(data, path)
        if "contact_type" in data:
            return _tvg_table(data, path)
        if "nodes" in data:
            return _node_link_table(data, path)
        return hdtn_table(data, path)
    if head.startswith("<") and "<graphml" in head:
        return read_graphml(path)
    if head.startswith("contact_id,") or ",rate_bps" in head.split("\n", 1)[0]:
        return read_contacts_csv(path)
    if re.search(r"^\s*(a\s+(contact|range)|@|#|1\s+\d+)\b", head, re.MULTILINE) or "#" in head[:1]:
        return read_ion(path)
    raise InputError("not a contact plan", file=str(path), allowed=FORMS)
