"""From a scalar margin to the times when it is met: roots, hidden extremes, interval sweeps.

Knows nothing of orbits. A margin is met where it is at or above a level. ``find_intervals`` takes
any vectorised Python function; the compiled pieces below it serve the geometry kernels, which
evaluate their margins themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from orbits.compiled import njit
from orbits.intervals import Intervals

GOLDEN = 0.6180339887498949
EDGE_TOLERANCE_S = 1e-5


# --- any function ----------------------------------------------------------------------------


def find_roots(margin: Callable, low_s, high_s, low_value, high_value, tolerance_s=1e-4):
    """Times in s at which ``margin`` changes sign, one in each bracket (arrays of equal size).

    All brackets are narrowed together, by the Illinois form of the secant rule with a bisection
    every fourth step, until they are shorter than ``tolerance_s``.
    """
    a, b = np.array(low_s, dtype=float), np.array(high_s, dtype=float)
    fa, fb = np.array(low_value, dtype=float), np.array(high_value, dtype=float)
    for step in range(200):
        open_ = np.abs(b - a) > tolerance_s
        if not open_.any():
            break
        middle = 0.5 * (a + b)
        if step % 4:
            with np.errstate(invalid="ignore", divide="ignore"):
                secant = b - fb * (b - a) / (fb - fa)
            inside = (secant > np.minimum(a, b)) & (secant < np.maximum(a, b))
            middle = np.where(inside, secant, middle)
        value = np.asarray(margin(middle), dtype=float)
        crosses = (value >= 0) != (fb >= 0)
        a, fa = np.where(crosses, b, a), np.where(crosses, fb, 0.5 * fa)
        b, fb = middle, value
    return 0.5 * (a + b)


def find_peaks(margin: Callable, low_s, high_s, tolerance_s=1.0):
    """Times in seconds and values of the largest ``margin`` in each bracket (golden section)."""
    a, b = np.array(low_s, dtype=float), np.array(high_s, dtype=float)
    x1, x2 = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    f1, f2 = np.asarray(margin(x1), dtype=float), np.asarray(margin(x2), dtype=float)
    while a.size and (b - a).max() > tolerance_s:
        right = f1 < f2
        a, b = np.where(right, x1, a), np.where(right, b, x2)
        x1, x2 = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
        f1, f2 = np.asarray(margin(x1), dtype=float), np.asarray(margin(x2), dtype=float)
    return np.where(f1 > f2, x1, x2), np.maximum(f1, f2)


def find_intervals(margin: Callable, t_s, *, tolerance_s: float = 0.01) -> Intervals:
    """When ``margin(t_s) >= 0`` between the first and the last sample, in seconds.

    ``margin`` takes and gives arrays of equal size. Between samples the extremes are looked for
    too: where a sample is the largest of three and negative, or the smallest of three and
    positive, the true extreme is located to 1 s, so that a spell of a margin with at most one
    extreme in two steps is not missed when it lasts a few seconds.

    >>> import numpy as np
    >>> blip = find_intervals(lambda t: 4.0 - abs(t - 130.0), np.arange(0.0, 601.0, 60.0))
    >>> [(round(a, 2), round(b, 2)) for a, b in blip]
    [(126.0, 134.0)]
    """
    t = np.asarray(t_s, dtype=float)
    value = np.asarray(margin(t), dtype=float)
    for sign in (1.0, -1.0):  # hidden peaks, then hidden dips: add them to the samples
        signed = sign * value
        padded = np.concatenate(([-np.inf], signed, [-np.inf]))
        top = (
            (signed >= padded[:-2])
            & (signed > padded[2:])
            & (value < 0 if sign > 0 else value >= 0)
        )
        index = np.flatnonzero(top)
        if index.size:
            low, high = t[np.maximum(index - 1, 0)], t[np.minimum(index + 1, t.size - 1)]
            when, best = find_peaks(lambda x, s=sign: s * np.asarray(margin(x)), low, high)
            found = best >= 0 if sign > 0 else best > 0
            t = np.concatenate((t, when[found]))
            value = np.concatenate((value, sign * best[found]))
            order = np.argsort(t, kind="stable")
            t, value = t[order], value[order]
    met = value >= 0
    change = np.flatnonzero(met[1:] != met[:-1])
    edges = find_roots(
        margin, t[change], t[change + 1], value[change], value[change + 1], tolerance_s
    )
    rising = met[change + 1]
    start = np.concatenate((t[:1] if met[0] else [], edges[rising]))
    end = np.concatenate((edges[~rising], t[-1:] if met[-1] else []))
    return Intervals(start, end)


# --- compiled sweeps -------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def level_spans(event_t, event_code, level, met, start_s, end_s):
    """Starts and ends (s) of the spells at or above one level, from its crossings in time order.

    ``event_code`` is +(k + 1) where level k is passed upward and -(k + 1) downward; ``met`` says
    whether the level is met at ``start_s``.
    """
    code = level + 1
    count = 0
    for i in range(event_t.size):
        if event_code[i] == code:
            count += 1
    starts, ends = np.empty(count + 1), np.empty(count + 1)
    n = 0
    begun = start_s
    inside = met
    for i in range(event_t.size):
        if event_code[i] == code and not inside:
            begun, inside = event_t[i], True
        elif event_code[i] == -code and inside:
            inside = False
            starts[n], ends[n] = begun, event_t[i]
            n += 1
    if inside:
        starts[n], ends[n] = begun, end_s
        n += 1
    return starts[:n], ends[:n]


@njit(cache=True, nogil=True)
def intersect_labelled(starts, ends, first, start_s, end_s):
    """Intersection of many span sets, with the number of the set that made each edge.

    Set k is ``starts[first[k]:first[k + 1]]``, sorted and disjoint. Returns starts, ends and the
    two label arrays; -1 means the boundary ``start_s`` or ``end_s``. On a tie the earlier set has
    the edge.
    """
    cs, ce = np.array([start_s]), np.array([end_s])
    ls, le = np.array([-1]), np.array([-1])
    for k in range(first.size - 1):
        lo, hi = first[k], first[k + 1]
        most = cs.size + hi - lo
        ns, ne = np.empty(most), np.empty(most)
        ms, me = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
        n, i, j = 0, 0, lo
        while i < cs.size and j < hi:
            s, label_s = cs[i], ls[i]
            if starts[j] > s:
                s, label_s = starts[j], k
            e, label_e = ce[i], le[i]
            if ends[j] < e:
                e, label_e = ends[j], k
            if e > s:
                ns[n], ne[n], ms[n], me[n] = s, e, label_s, label_e
                n += 1
            if ce[i] <= ends[j]:
                i += 1
            else:
                j += 1
        cs, ce, ls, le = ns[:n].copy(), ne[:n].copy(), ms[:n].copy(), me[:n].copy()
    return cs, ce, ls, le


def intersect_all(many, start_s: float, end_s: float):
    """The intersection of Intervals within a span, and for each edge the index of its maker."""
    sizes = np.array([len(i) for i in many], dtype=np.int64)
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes)))
    starts = np.concatenate([i.start_s for i in many]) if len(many) else np.empty(0)
    ends = np.concatenate([i.end_s for i in many]) if len(many) else np.empty(0)
    s, e, opened, closed = intersect_labelled(starts, ends, first, start_s, end_s)
    return Intervals(s, e), opened, closed
