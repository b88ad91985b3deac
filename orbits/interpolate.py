"""Hermite interpolation of tabulated states, compiled; degree 7, as SPK type 13 does."""

from __future__ import annotations

import numpy as np

from orbits.compiled import njit

NODES = 4  # states used around each instant: 2 * NODES - 1 = degree 7


@njit(cache=True, nogil=True)
def locate(node_t, t):
    """Index of the first of the four nodes that bracket ``t`` best."""
    n = node_t.size
    low, high = 0, n
    while low < high:
        mid = (low + high) // 2
        if node_t[mid] <= t:
            low = mid + 1
        else:
            high = mid
    first = low - NODES // 2
    if first > n - NODES:
        first = n - NODES
    if first < 0:
        first = 0
    return first


@njit(cache=True, nogil=True)
def hermite(node_t, node_y, t, out):
    """Writes position and velocity at ``t`` into ``out`` (6) from nodes ``node_y`` (N, 6).

    Newton's divided differences on doubled abscissae; with fewer than four nodes all are used.
    """
    first = locate(node_t, t)
    m = min(NODES, node_t.size)
    z = np.empty(2 * NODES)
    table = np.empty(2 * NODES)
    for i in range(m):
        z[2 * i] = node_t[first + i]
        z[2 * i + 1] = node_t[first + i]
    for axis in range(3):
        for i in range(m):
            table[2 * i] = node_y[first + i, axis]
            table[2 * i + 1] = node_y[first + i, axis]
        for i in range(2 * m - 1, 0, -1):  # first differences: derivatives on doubled nodes
            if i % 2 == 1:
                table[i] = node_y[first + i // 2, axis + 3]
            else:
                table[i] = (table[i] - table[i - 1]) / (z[i] - z[i - 1])
        for order in range(2, 2 * m):
            for i in range(2 * m - 1, order - 1, -1):
                table[i] = (table[i] - table[i - 1]) / (z[i] - z[i - order])
        value = table[2 * m - 1]
        slope = 0.0
        for i in range(2 * m - 2, -1, -1):
            slope = slope * (t - z[i]) + value
            value = value * (t - z[i]) + table[i]
        out[axis] = value
        out[axis + 3] = slope


@njit(cache=True, nogil=True)
def hermite_many(node_t, node_y, t):
    """States (M, 6) at the instants ``t`` (M,)."""
    out = np.empty((t.size, 6))
    for k in range(t.size):
        hermite(node_t, node_y, t[k], out[k])
    return out
