"""One best route through 10,000 contacts: compiled, against the same search in plain Python.

    python benchmarks/bench_routing.py

Both answers are asserted equal. The peer is a label-setting search with a heap, as the public
implementations of contact graph routing have it: arrival and hops alone, no later tie-breaks.
"""

from __future__ import annotations

import heapq
from time import process_time

import numpy as np

from cislunar.contact_table import ContactTable
from cislunar.routing import best_routes

CONTACTS, NODES, SPAN_S = 10_000, 40, 28 * 86400.0


def random_plan(seed: int = 1) -> ContactTable:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, NODES, CONTACTS)
    start = rng.uniform(0, SPAN_S, CONTACTS)
    return ContactTable.of_arrays(
        [f"c{i}" for i in range(CONTACTS)], [f"n{i:02d}" for i in a],
        [f"n{i:02d}" for i in (a + rng.integers(1, NODES, CONTACTS)) % NODES], start,
        start + rng.uniform(600, 20_000, CONTACTS), rng.choice([1e6, 1e7], CONTACTS),
        rng.uniform(0, 1.5, CONTACTS),
    )  # fmt: skip


def in_python(contacts: dict[int, list], source: int, target: int, t_s: float):
    """(arrival, hops) of the best route, by a heap of labels."""
    heap, done = [(t_s, 0, source)], set()
    while heap:
        at, hops, node = heapq.heappop(heap)
        if node == target:
            return at, hops
        if node in done:
            continue
        done.add(node)
        for v, start, end, owlt in contacts[node]:
            leave = max(at, start)
            if v not in done and leave < end:
                heapq.heappush(heap, (leave + owlt, hops + 1, v))
    return None


def main() -> None:
    plan = random_plan()
    contacts: dict[int, list] = {n: [] for n in range(NODES)}
    for u, *rest in zip(
        plan.source.tolist(), plan.target.tolist(), plan.start_s.tolist(), plan.end_s.tolist(),
        plan.owlt_s.tolist(), strict=True,
    ):  # fmt: skip
        contacts[u].append(rest)
    best_routes(plan, "n00", "n01")  # compile
    asked = [(f"n{i % NODES:02d}", f"n{(7 * i + 3) % NODES:02d}", i * 11_000.0) for i in range(200)]
    asked = [q for q in asked if q[0] != q[1]]

    begin = process_time()
    ours = [best_routes(plan, a, b, t) for a, b, t in asked]
    ours_s = (process_time() - begin) / len(asked)
    begin = process_time()
    theirs = [in_python(contacts, plan.number(a), plan.number(b), t) for a, b, t in asked]
    theirs_s = (process_time() - begin) / len(asked)
    begin = process_time()
    ten = [best_routes(plan, a, b, t, k=10) for a, b, t in asked[:40]]
    ten_s = (process_time() - begin) / 40

    for found, wanted in zip(ours, theirs, strict=True):
        assert bool(found) == (wanted is not None)
        if wanted:
            assert found[0].arrival_s == wanted[0]
            assert found[0].hops <= wanted[1]
    assert all(one == some[:1] for one, some in zip(ours[:40], ten, strict=True))
    print(f"{CONTACTS} contacts, {NODES} nodes, {len(asked)} questions; processor time each")
    print(f"best route, compiled        {1e3 * ours_s:8.3f} ms")
    print(f"  the same in plain Python  {1e3 * theirs_s:8.3f} ms   {theirs_s / ours_s:.1f} x")
    print(f"ten best routes             {1e3 * ten_s:8.3f} ms")
    assert ours_s < 1e-3


if __name__ == "__main__":
    main()
