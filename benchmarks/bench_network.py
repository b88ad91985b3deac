"""Arrival profiles and deliverable volume on a plan as large as a month of japan_2030.

    python benchmarks/bench_network.py [PRODUCT_FOLDER]      (default out/japan_2030)

Earliest arrival at Earth for all departures, against rebuilding a networkx snapshot each minute
(over one day, times the days of the span); the most that every asset can deliver each day, against
a linear programme for some of them. Answers are asserted equal; processor time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

import networkx
import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_array

from cislunar.contact_files import read_contacts_csv
from cislunar.contact_table import ContactTable
from cislunar.flow import daily_volume
from cislunar.profile import arrival_profile

DAY_S, MINUTE_S = 86400.0, 60.0


def by_snapshots(plan: ContactTable, stations, craft, days: float):
    """Minutes until a node's bundle is at Earth, for each minute of some days: (minutes, nodes).

    A networkx graph a minute, searched back from Earth; then from the last minute to the first,
    whoever is not connected now keeps what it has, or hands it to whom it can reach.
    """
    count, steps = len(plan.names), int(days * DAY_S / MINUTE_S)
    final = set(plan.numbers(stations).tolist())
    may = set(plan.numbers(craft).tolist())
    arrive = np.full((steps + 1, count), np.inf)
    for k in range(steps - 1, -1, -1):
        t = k * MINUTE_S
        up = np.flatnonzero((plan.start_s <= t) & (t < plan.end_s))
        graph = networkx.DiGraph()
        graph.add_nodes_from(range(count))
        graph.add_edges_from(zip(plan.target[up].tolist(), plan.source[up].tolist(), strict=True))
        best = arrive[k + 1].copy()
        best[list(final)] = k
        # in order of arrival, everybody takes over the arrival of whom it can hand its bundle to
        for n in sorted(final | may, key=lambda n: best[n]):
            stack = [n]
            while stack:
                m = stack.pop()
                for sender in graph.successors(m):
                    if best[n] < best[sender]:
                        best[sender] = best[n]
                        if sender in may:
                            stack.append(sender)
        arrive[k] = best
    return arrive[:steps]


def by_linear_programme(plan: ContactTable, source, stations, craft, low, high) -> float:
    """The most through one relay at a time (no crosslinks), slot by slot of each relay."""
    final, may = set(plan.numbers(stations).tolist()), set(plan.numbers(craft).tolist())
    node = plan.number(source)
    rows = [
        (int(plan.source[c]), int(plan.target[c]), max(low, plan.start_s[c]),
         min(plan.end_s[c], high - plan.owlt_s[c]), plan.owlt_s[c], plan.rate_bps[c])
        for c in range(len(plan))
    ]  # fmt: skip
    total = sum(r * (e - s) for u, v, s, e, _, r in rows if u == node and v in final and e > s)
    for relay in may:
        ins = [(s + o, e + o, r) for u, v, s, e, o, r in rows if (u, v) == (node, relay) and e > s]
        outs = [(s, e, r) for u, v, s, e, _, r in rows if u == relay and v in final and e > s]
        if not ins or not outs:
            continue
        cuts = np.unique([x for s, e, _ in ins + outs for x in (s, e)])
        size = np.diff(cuts)

        def rate(spans, cuts=cuts):
            return sum(r * ((cuts[:-1] >= s) & (cuts[:-1] < e)) for s, e, r in spans)

        n = size.size  # unknowns: in, out and kept, slot by slot; kept ends empty
        i = np.arange(n)
        balance = coo_array(
            (np.concatenate((np.ones(n), -np.ones(n), -np.ones(n), np.ones(n - 1))),
             (np.concatenate((i, i, i, i[1:])),
              np.concatenate((i, n + i, 2 * n + i, 2 * n + i[:-1])))), shape=(n, 3 * n)
        )  # fmt: skip
        scale = 1e9  # bits by the gigabit, for the solver's tolerances
        bounds = [(0, x) for x in (rate(ins) * size / scale)]
        bounds += [(0, x) for x in (rate(outs) * size / scale)] + [(0, None)] * n
        cost = np.concatenate((np.zeros(n), -np.ones(n), np.zeros(n)))
        done = linprog(cost, A_eq=balance.tocsr(), b_eq=np.zeros(n), bounds=bounds)
        assert done.success
        total -= done.fun * scale
    return total


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/japan_2030")
    if not (folder / "contacts.csv").is_file():
        sys.exit(f"{folder} is no product folder: run configs/japan_2030.yaml first")
    plan = read_contacts_csv(folder / "contacts.csv")
    kinds: pd.DataFrame = pd.read_csv(folder / "contacts.csv", usecols=["source", "target", "kind"])

    def ends(column: str, kind: str) -> set:
        return set(kinds.loc[kinds["kind"] == kind, column])

    craft = sorted(ends("source", "relay-earth") | ends("target", "surface-relay"))
    stations = sorted(ends("target", "relay-earth") | ends("target", "surface-earth"))
    assets = sorted(ends("source", "surface-relay") | ends("source", "surface-earth"))
    days = plan.span_s / DAY_S
    print(f"{len(plan)} contacts, {len(plan.names)} nodes, {days:.0f} days")

    arrival_profile(plan, stations, transit=craft)  # compile
    begin = process_time()
    profiles = arrival_profile(plan, stations, transit=craft)
    ours_s = process_time() - begin
    begin = process_time()
    minutes = by_snapshots(plan, stations, craft, 1.0)
    theirs_s = (process_time() - begin) * days
    # a snapshot knows no light time and no second: it may be 2 s early and a minute late; what
    # reaches Earth only after its day it does not know
    same = cases = 0
    send = MINUTE_S * np.arange(minutes.shape[0])
    for name in assets:
        wanted = MINUTE_S * minutes[:, plan.number(name)]
        known = np.isfinite(wanted)
        late = wanted[known] - profiles[name].arrival_s(send[known])
        assert (late > -MINUTE_S - 3.0).all() or np.mean(late < -MINUTE_S - 3.0) < 1e-3, name
        same += int((np.abs(late) <= MINUTE_S + 3.0).sum())
        cases += int(known.sum())
    assert same > 0.99 * cases
    print(f"arrival profiles to Earth, all nodes, all departures  {ours_s:8.3f} s")
    print(
        f"  networkx snapshots each minute, one day x {days:.0f}       {theirs_s:8.1f} s   "
        f"{theirs_s / ours_s:.0f} x; {100 * same / cases:.2f} % of {cases} within a minute"
    )

    daily_volume(plan.keep(plan.start_s < DAY_S), assets[:1], stations, transit=craft)
    begin = process_time()
    volumes = daily_volume(plan, assets, stations, transit=craft)
    volume_s = process_time() - begin
    begin = process_time()
    worst, some = 0.0, volumes[volumes["volume_bit"] > 0].iloc[:: max(1, len(volumes) // 12)]
    for row in some.to_dict("records"):
        day = plan.keep((plan.start_s < row["end_s"]) & (plan.end_s > row["start_s"]))
        wanted = by_linear_programme(
            day, row["source"], stations, craft, row["start_s"], row["end_s"]
        )
        worst = max(worst, abs(row["volume_bit"] / wanted - 1.0))
    programme_s = (process_time() - begin) * len(volumes) / len(some)
    print(f"deliverable volume, {len(volumes)} assets and days     {volume_s:8.3f} s")
    print(
        f"  linear programmes ({len(some)} of them)                   {programme_s:8.1f} s   "
        f"{programme_s / volume_s:.0f} x; they differ by {worst:.1e}"
    )
    assert worst < 1e-9
    assert ours_s < 0.1
    assert theirs_s > 100 * ours_s
    assert volume_s < 5.0


if __name__ == "__main__":
    main()
