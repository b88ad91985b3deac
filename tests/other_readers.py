"""What other tools make of our plan files; run in an environment of their own, not in ours.

Reads a job (JSON) on stdin: {"plans": [{"tvg", "tvg_v1", "graphml", "node_link": paths,
"source", "target", "times_s"}]}; prints what each tool read and how it routes.
"""

import json
import sys


def with_tvgutil(plan):
    """Contacts as dtn-tvg-util reads them; arrivals at every node by aiodtnsim's search."""
    from aiodtnsim.simulation.cgr.tvdijkstra import tvdijkstra
    from tvgutil import tvg

    with open(plan["tvg"], encoding="utf-8") as file:
        read = tvg.from_serializable(json.load(file))
    simple = tvg.TVG(
        read.vertices,
        {ends: [c.to_simple() for c in some] for ends, some in read.edges.items()},
    )
    contacts = sorted(
        [c.tx_node, c.rx_node, c.start_time, c.end_time, c.bit_rate, c.delay]
        for some in simple.edges.values()
        for c in some
    )
    arrivals = []
    for t_s in plan["times_s"]:
        found = tvdijkstra(
            simple, plan["source"], start_time=t_s, node_blacklist=set(), contact_blacklist=set()
        )
        arrivals.append(
            {n: found.get_metrics(n).eat for n in simple.vertices if found.is_reachable(n)}
        )
    return {"contacts": contacts, "arrivals_s": arrivals}


def with_pydtnsim(plan):
    """Best delivery times (s) by pydtnsim's contact graph routing, which knows no light time."""
    from pydtnsim import ContactGraph, ContactPlan
    from pydtnsim.routing import cgr_basic

    read = ContactPlan(1, 1, json_source_file=plan["tvg_v1"])
    graph = ContactGraph(read)
    best = []
    for t_s in plan["times_s"]:
        routes = cgr_basic.load_route_list(graph, plan["source"], plan["target"], 1000 * t_s)
        best.append(max(t_s, routes[0].edt / 1000.0) if routes else None)
    contacts = sorted(
        [c.from_node, c.to_node, c.from_time / 1000.0, c.to_time / 1000.0, 1000.0 * c.datarate]
        for c in read.get_contacts()
    )
    return {"contacts": contacts, "best_s": best}


def with_networkx(plan):
    """Edges as networkx reads them, and the earliest arrival over all its simple paths."""
    import networkx

    with open(plan["node_link"], encoding="utf-8") as file:
        data = json.load(file)
    graphs = [
        networkx.read_graphml(plan["graphml"], force_multigraph=True),
        networkx.node_link_graph(data, link="edges"),
    ]
    edges = [
        sorted([a, b, k, *(d[x] for x in ("start_s", "end_s", "rate_bps", "owlt_s"))]
               for a, b, k, d in g.edges(keys=True, data=True))
        for g in graphs
    ]  # fmt: skip
    best = []
    for t_s in plan["times_s"]:
        found = []
        for path in networkx.all_simple_edge_paths(graphs[0], plan["source"], plan["target"]):
            at = t_s
            for a, b, k in path:
                edge = graphs[0].edges[a, b, k]
                leave = max(at, edge["start_s"])
                if leave >= edge["end_s"]:
                    break
                at = leave + edge["owlt_s"]
            else:
                found.append(at)
        best.append(min(found) if found else None)
    return {"edges": edges, "best_s": best}


def main():
    from importlib.metadata import version

    job = json.load(sys.stdin)
    tools = {"tvgutil": with_tvgutil, "pydtnsim": with_pydtnsim, "networkx": with_networkx}
    found = {name: [read(plan) for plan in job["plans"]] for name, read in tools.items()}
    found["versions"] = {
        n: version(n) for n in ("pydtnsim", "dtn-tvg-util", "aiodtnsim", "networkx")
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
