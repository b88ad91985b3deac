"""Maximum flow through a graph of arcs with capacities, compiled; and the cut that limits it.

Dinic's algorithm (E. A. Dinic, Soviet Math. Doklady 11, 1970): shortest augmenting paths, one
blocking flow a phase. It knows nothing of contacts or time.
"""

from __future__ import annotations

import numpy as np

from orbits.compiled import njit


@njit(cache=True, nogil=True)
def max_flow(count, tail, head, capacity, flow, source, sink, least):
    """The flow on each arc (units of the capacities) and the nodes on the source's side of a cut.

    ``count`` nodes; arcs from ``tail`` to ``head``; ``flow`` is a feasible flow to start from and
    is changed in place. Residuals up to ``least`` count as nothing. The cut is the one nearest to
    the source. Returns (value, side).
    """
    arcs = tail.size
    first = np.zeros(count + 1, dtype=np.int64)
    for a in range(arcs):
        first[tail[a] + 1] += 1
        first[head[a] + 1] += 1
    first = np.cumsum(first)
    place = first[:-1].copy()
    # arc a forwards is a, backwards ~a
    by = np.empty(2 * arcs, dtype=np.int64)
    for a in range(arcs):
        by[place[tail[a]]] = a
        place[tail[a]] += 1
        by[place[head[a]]] = ~a
        place[head[a]] += 1

    level = np.empty(count, dtype=np.int64)
    queue = np.empty(count, dtype=np.int64)
    path = np.empty(count, dtype=np.int64)
    while True:
        level[:] = -1
        level[source] = 0
        queue[0] = source
        low, high = 0, 1
        while low < high and level[sink] < 0:
            n = queue[low]
            low += 1
            for i in range(first[n], first[n + 1]):
                a = by[i]
                if a >= 0:
                    m, room = head[a], capacity[a] - flow[a]
                else:
                    m, room = tail[~a], flow[~a]
                if level[m] < 0 and room > least:
                    level[m] = level[n] + 1
                    queue[high] = m
                    high += 1
        if level[sink] < 0:
            break
        current = first[:-1].copy()
        depth, n = 0, source
        while True:
            if n == sink:
                push = np.inf
                for d in range(depth):
                    a = path[d]
                    push = min(push, capacity[a] - flow[a] if a >= 0 else flow[~a])
                back = -1
                for d in range(depth):
                    a = path[d]
                    if a >= 0:
                        flow[a] += push
                        room = capacity[a] - flow[a]
                    else:
                        flow[~a] -= push
                        room = flow[~a]
                    if back < 0 and room <= least:
                        back = d
                depth = back
                a = path[back]
                n = tail[a] if a >= 0 else head[~a]
                continue
            onward = False
            while current[n] < first[n + 1]:
                a = by[current[n]]
                if a >= 0:
                    m, room = head[a], capacity[a] - flow[a]
                else:
                    m, room = tail[~a], flow[~a]
                if room > least and level[m] == level[n] + 1:
                    path[depth] = a
                    depth += 1
                    n = m
                    onward = True
                    break
                current[n] += 1
            if onward:
                continue
            if depth == 0:
                break
            depth -= 1
            a = path[depth]
            n = tail[a] if a >= 0 else head[~a]
            current[n] += 1
    value = 0.0
    for i in range(first[source], first[source + 1]):
        a = by[i]
        value += flow[a] if a >= 0 else -flow[~a]
    return value, level >= 0
