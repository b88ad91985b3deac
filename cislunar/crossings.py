"""When a quantity of the geometry between two nodes is at or above given levels.

The quantity is computed on the grid of the tracks and every crossing refined on the Hermite
interpolant of the same tables, so that their step does not limit the edges (good to about 1e-5 s).
Extremes between samples are looked for wherever one could reach a level; grids
coarser than 60 s are first interpolated to 60 s, terrain is resolved to 5 s where it matters.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cislunar.geometry import (
    CLEARANCE,
    ELEVATION,
    LOSS_RANGE,
    OFF_MOON,
    RANGE,
    TERRAIN,
    fill,
    quantity_at,
    quantity_many,
    terrain_samples,
)
from orbits.compiled import njit
from orbits.constants import DEG
from orbits.events import EDGE_TOLERANCE_S, GOLDEN, find_peaks, find_roots, level_spans
from orbits.interpolate import hermite_many
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.tracks import Tracks

SCAN_STEP_S = 60.0  # spacing that the search for hidden spells is sized for
_NONE = np.zeros(2)
_NOTHING = np.zeros(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _root(level, t0, t1, f0, f1, code, step_s, a, b, u, c, par, haz, hel, w):
    """The time of a level in a bracket: secant rule (Illinois), bisecting if it is slow."""
    f0, f1 = f0 - level, f1 - level
    last = t1
    for k in range(60):
        if k > 12 or f1 == f0:
            t = 0.5 * (t0 + t1)
        else:
            t = t1 - f1 * (t1 - t0) / (f1 - f0)
            if not (min(t0, t1) <= t <= max(t0, t1)):
                t = 0.5 * (t0 + t1)
        f = quantity_at(code, t, step_s, a, b, u, c, par, haz, hel, w) - level
        if (f >= 0.0) != (f1 >= 0.0):
            t0, f0 = t1, f1
        else:
            f0 = 0.5 * f0
        t1, f1 = t, f
        if f == 0.0 or abs(t - last) < EDGE_TOLERANCE_S or abs(t1 - t0) < EDGE_TOLERANCE_S:
            break
        last = t
    return t1


@njit(cache=True, nogil=True, error_model="numpy")
def _peak(sign, t0, t1, code, step_s, a, b, u, c, par, haz, hel, w):
    """Time and value of the largest sign x quantity in a bracket, to about a second."""
    x1, x2 = t1 - GOLDEN * (t1 - t0), t0 + GOLDEN * (t1 - t0)
    f1 = sign * quantity_at(code, x1, step_s, a, b, u, c, par, haz, hel, w)
    f2 = sign * quantity_at(code, x2, step_s, a, b, u, c, par, haz, hel, w)
    while t1 - t0 > 1.0:
        if f1 < f2:
            t0, x1, f1 = x1, x2, f2
            x2 = t0 + GOLDEN * (t1 - t0)
            f2 = sign * quantity_at(code, x2, step_s, a, b, u, c, par, haz, hel, w)
        else:
            t1, x2, f2 = x2, x1, f1
            x1 = t1 - GOLDEN * (t1 - t0)
            f1 = sign * quantity_at(code, x1, step_s, a, b, u, c, par, haz, hel, w)
    if f1 > f2:
        return x1, sign * f1
    return x2, sign * f2


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(code, i, q, step_s, a, b):
    """How far the quantity can move within one step of sample i, generously."""
    vx, vy, vz = b[i, 3] - a[i, 3], b[i, 4] - a[i, 4], b[i, 5] - a[i, 5]
    speed = math.sqrt(vx * vx + vy * vy + vz * vz)
    if code == RANGE:
        return (1.5 * speed + 0.1) * step_s
    if code == CLEARANCE:
        va = math.sqrt(a[i, 3] ** 2 + a[i, 4] ** 2 + a[i, 5] ** 2)
        vb = math.sqrt(b[i, 3] ** 2 + b[i, 4] ** 2 + b[i, 5] ** 2)
        return (1.5 * max(va, vb) + 1.2) * step_s
    if code == OFF_MOON:
        aa = math.sqrt(a[i, 0] ** 2 + a[i, 1] ** 2 + a[i, 2] ** 2)
        return (2.0 * speed + 3.0) / aa * step_s
    if code == LOSS_RANGE:
        return 0.5 * q
    dx, dy, dz = b[i, 0] - a[i, 0], b[i, 1] - a[i, 1], b[i, 2] - a[i, 2]
    rho = math.sqrt(dx * dx + dy * dy + dz * dz)
    return (1.5 * speed / rho + 1.5e-4) * step_s


@njit(cache=True, nogil=True, error_model="numpy")
def _cross(ts, q, levels, active, hidden, code, step_s, a, b, u, c, par, haz, hel):
    """Crossings of ascending levels: times and codes +-(k + 1), sorted in time.

    Steps where ``active`` is 0 get a straight-line time: they matter to nobody.
    """
    n, m = ts.size, levels.size
    cap, used = 64, 0
    when, what, w = np.empty(cap), np.empty(cap, dtype=np.int64), np.empty(8)
    k = 0
    while k < m and q[0] >= levels[k]:
        k += 1
    under = levels[k - 1] if k > 0 else -np.inf
    over = levels[k] if k < m else np.inf
    for i in range(n):
        # nearly every sample ends here: between the same two levels, and no extreme
        if under <= q[i] < over:
            if not hidden:
                continue
            if 0 < i < n - 1 and (q[i] - q[i - 1]) * (q[i + 1] - q[i]) > 0.0:
                continue
        if used + m + 2 * m + 4 > cap:
            cap = 2 * cap + 3 * m
            when_new, what_new = np.empty(cap), np.empty(cap, dtype=np.int64)
            when_new[:used], what_new[:used] = when[:used], what[:used]
            when, what = when_new, what_new
        if i > 0:
            while k < m and q[i] >= levels[k]:
                if active[i - 1]:
                    when[used] = _root(
                        levels[k], ts[i - 1], ts[i], q[i - 1], q[i],
                        code, step_s, a, b, u, c, par, haz, hel, w,
                    )  # fmt: skip
                else:
                    part = (levels[k] - q[i - 1]) / (q[i] - q[i - 1])
                    when[used] = ts[i - 1] + part * (ts[i] - ts[i - 1])
                what[used] = k + 1
                used += 1
                k += 1
            while k > 0 and q[i] < levels[k - 1]:
                if active[i - 1]:
                    when[used] = _root(
                        levels[k - 1], ts[i - 1], ts[i], q[i - 1], q[i],
                        code, step_s, a, b, u, c, par, haz, hel, w,
                    )  # fmt: skip
                else:
                    part = (levels[k - 1] - q[i - 1]) / (q[i] - q[i - 1])
                    when[used] = ts[i - 1] + part * (ts[i] - ts[i - 1])
                what[used] = -k
                used += 1
                k -= 1
            under = levels[k - 1] if k > 0 else -np.inf
            over = levels[k] if k < m else np.inf
        if not hidden:
            continue
        low, high = max(i - 1, 0), min(i + 1, n - 1)
        if not (active[low] or active[min(i, n - 2)]):
            continue
        top = (i == 0 or q[i] >= q[i - 1]) and (i == n - 1 or q[i] > q[i + 1])
        dip = (i == 0 or q[i] <= q[i - 1]) and (i == n - 1 or q[i] < q[i + 1])
        if top and k < m and q[i] + _reach(code, i, q[i], step_s, a, b) >= levels[k]:
            t, best = _peak(1.0, ts[low], ts[high], code, step_s, a, b, u, c, par, haz, hel, w)
            j = k
            while j < m and best >= levels[j] and used + 2 <= cap:
                left, right = (low, i) if t < ts[i] else (i, high)
                when[used] = _root(
                    levels[j], ts[left], t, q[left], best,
                    code, step_s, a, b, u, c, par, haz, hel, w,
                )  # fmt: skip
                when[used + 1] = _root(
                    levels[j], t, ts[right], best, q[right],
                    code, step_s, a, b, u, c, par, haz, hel, w,
                )  # fmt: skip
                what[used], what[used + 1] = j + 1, -(j + 1)
                used += 2
                j += 1
        if dip and k > 0 and q[i] - _reach(code, i, q[i], step_s, a, b) < levels[k - 1]:
            t, best = _peak(-1.0, ts[low], ts[high], code, step_s, a, b, u, c, par, haz, hel, w)
            j = k - 1
            while j >= 0 and best < levels[j] and used + 2 <= cap:
                left, right = (low, i) if t < ts[i] else (i, high)
                when[used] = _root(
                    levels[j], ts[left], t, q[left], best,
                    code, step_s, a, b, u, c, par, haz, hel, w,
                )  # fmt: skip
                when[used + 1] = _root(
                    levels[j], t, ts[right], best, q[right],
                    code, step_s, a, b, u, c, par, haz, hel, w,
                )  # fmt: skip
                what[used], what[used + 1] = -(j + 1), j + 1
                used += 2
                j -= 1
    order = np.argsort(when[:used], kind="mergesort")
    return when[:used][order], what[:used][order]


@njit(cache=True, nogil=True, error_model="numpy")
def _near(start, end, n, step_s):
    """1 for every grid step that is within two steps and 5 s of one of the spans, else 0."""
    active = np.zeros(n - 1, dtype=np.uint8)
    for k in range(start.size):  # 5 s: receivers are asked up to a light time later
        low = max(int((start[k] - 5.0) / step_s) - 2, 0)
        high = min(int((end[k] + 5.0) / step_s) + 3, n - 1)
        active[low:high] = 1
    return active


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(code, levels, near, window_s, window_e, step_s, pa, pb, pu, pc, a, b, u, c, par):
    q = fill(code, pa, pb, pu, pc, par)
    n = q.size
    ts = np.arange(n) * step_s
    active = _near(window_s, window_e, n, step_s) if near else np.ones(n - 1, dtype=np.uint8)
    none = np.zeros(2)
    when, what = _cross(ts, q, levels, active, True, code, step_s, a, b, u, c, par, none, none)
    return q, when, what


@njit(cache=True, nogil=True, error_model="numpy")
def _scan_terrain(step_s, a, b, north, horizon_az, horizon_el, par):
    ts, q = terrain_samples(step_s, a, b, north, horizon_az, horizon_el, par)
    active = np.ones(ts.size, dtype=np.uint8)
    when, what = _cross(
        ts, q, np.zeros(1), active, False, TERRAIN, step_s, a, b, a, north, par,
        horizon_az, horizon_el,
    )  # fmt: skip
    return q, when, what


@dataclass(frozen=True, eq=False)
class Steps:
    """How many of its ascending ``levels`` a quantity is at or above, as a step function of time.

    ``when_s`` (sorted) and ``what`` are the crossings: +(k + 1) upward through level k, -(k + 1)
    downward. ``values`` are the quantity on the grid; ``span_s`` is the end (the start is 0).
    """

    levels: np.ndarray
    when_s: np.ndarray
    what: np.ndarray
    values: np.ndarray
    span_s: float
    peaks: tuple[np.ndarray, np.ndarray] = (_NOTHING, _NOTHING)  # times and values, if followed

    @property
    def first_count(self) -> int:
        """How many levels are met at the start."""
        return int(np.searchsorted(self.levels, self.values[0], side="right"))

    def at_least(self, level: float) -> Intervals:
        """When the quantity is at or above one of the levels."""
        k = int(np.searchsorted(self.levels, level))
        return Intervals(
            *level_spans(self.when_s, self.what, k, self.first_count > k, 0.0, self.span_s)
        )


_GRIDS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class Grid:
    """The tracks as the kernels want them: at most 60 s apart, with positions by component."""

    def __init__(self, tracks: Tracks):
        t = np.asarray(tracks.t_s, dtype=float)
        step = (t[-1] - t[0]) / (t.size - 1)
        if t[0] != 0.0 or np.abs(np.diff(t) - step).max() > 1e-6 * step + 1e-6:
            raise ValueError("tracks must be on a uniform grid from 0")
        self._finer = max(1, math.ceil(step / SCAN_STEP_S - 1e-9), math.ceil(3 / (t.size - 1)))
        self.span_s = float(t[-1])
        self.step_s = float(step / self._finer)
        self._t_s = t
        self.fine_s = np.linspace(0.0, self.span_s, (t.size - 1) * self._finer + 1)
        self._on_demand = tracks.on_demand

    @classmethod
    def of(cls, tracks: Tracks) -> Grid:
        """The grid of some tracks, made once."""
        try:
            return _GRIDS[tracks]
        except KeyError:
            grid = _GRIDS[tracks] = cls(tracks)
            return grid

    def table(self, states: np.ndarray) -> np.ndarray:
        """A (T, 6) table on this grid."""
        if self._finer == 1:
            fits = states.flags.c_contiguous and states.dtype == float
            # itself, not a view: its positions are known by it
            return states if fits else np.ascontiguousarray(states, dtype=float)

        def finer():
            return (hermite_many(self._t_s, np.ascontiguousarray(states, float), self.fine_s),)

        return self._on_demand.beside(states, finer)[0]

    def table_and_places(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A (T, 6) table on this grid, and its positions by component (3, T)."""
        table = self.table(states)
        places = self._on_demand.beside(table, lambda: (np.ascontiguousarray(table[:, :3].T),))
        return table, places[0]


def scan(
    tracks: Tracks,
    code: int,
    a: str,
    b: str,
    levels,
    *,
    body: np.ndarray | None = None,
    par=(),
    horizon=None,
    windows: Intervals | None = None,
) -> Steps:
    """The crossings of ``levels`` by a quantity between nodes ``a`` and ``b``.

    ``body`` is the table that CLEARANCE (absent: the Moon), SUN and TERRAIN (north) need; ``par``
    the radius for CLEARANCE, the three attenuations and the warming for LOSS_RANGE. ``horizon`` is
    a pair of arrays in rad. With ``windows`` crossings are refined only within two steps of them.
    """
    grid = Grid.of(tracks)
    ta, pa = grid.table_and_places(tracks.states[a])
    tb, pb = grid.table_and_places(tracks.states[b])
    # the vertical matters to two quantities only, and only a station has one that is not its place
    tall = a in tracks.up and code in (ELEVATION, LOSS_RANGE)
    tu, pu = grid.table_and_places(tracks.up[a]) if tall else (ta, pa)
    tc, pc = (ta, pa) if body is None else grid.table_and_places(body)
    parameters = np.zeros(4)
    parameters[: len(par)] = par
    if code == CLEARANCE:
        parameters[1] = 0.0 if body is None else 1.0
    wanted = np.unique(np.asarray(levels, dtype=float))
    if code == TERRAIN:
        assert horizon is not None
        q, when, what = _scan_terrain(grid.step_s, ta, tb, tc, horizon[0], horizon[1], parameters)
    else:
        near = windows is not None
        ws, we = (windows.start_s, windows.end_s) if windows is not None else (_NONE,) * 2
        q, when, what = _scan(
            code, wanted, near, ws, we, grid.step_s, pa, pb, pu, pc, ta, tb, tu, tc, parameters
        )
    return Steps(wanted, when, what, q, grid.span_s)


def follow(tracks: Tracks, function: Callable, levels, windows: Intervals | None = None) -> Steps:
    """The crossings of ``levels`` by any vectorised ``function`` of time (s), as ``scan`` gives.

    Sampled on the grid, with every extreme between samples located to a second and every crossing
    refined to 1e-5 s; a jump counts as a crossing. Within ``windows`` only, where given.
    """
    grid = Grid.of(tracks)
    ts = grid.fine_s
    q = np.asarray(function(ts), dtype=float)
    wanted = np.unique(np.asarray(levels, dtype=float))
    ws, we = (windows.start_s, windows.end_s) if windows is not None else (ts[:1], ts[-1:])
    active = _near(ws, we, ts.size, grid.step_s).astype(bool)
    beside = np.concatenate([active[:1], active[1:] | active[:-1], active[-1:]])
    low, high = (
        ts[np.maximum(np.arange(ts.size) - 1, 0)],
        ts[np.minimum(np.arange(ts.size) + 1, ts.size - 1)],
    )
    t_all, q_all = [ts], [q]
    for sign in (1.0, -1.0):
        padded = np.concatenate(([-np.inf], sign * q, [-np.inf]))
        index = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]) & beside)
        if index.size:
            when, best = find_peaks(lambda t, s=sign: s * function(t), low[index], high[index])
            t_all.append(when)
            q_all.append(sign * best)
    top = (t_all[1], q_all[1]) if len(t_all) > 1 else (_NOTHING, _NOTHING)
    order = np.argsort(np.concatenate(t_all), kind="stable")
    t, v = np.concatenate(t_all)[order], np.concatenate(q_all)[order]
    brackets = [
        (k, np.flatnonzero((v[1:] >= level) != (v[:-1] >= level))) for k, level in enumerate(wanted)
    ]
    index = np.concatenate([i for _, i in brackets]) if brackets else np.zeros(0, dtype=int)
    which = np.repeat([k for k, _ in brackets], [i.size for _, i in brackets]).astype(int)
    level = wanted[which] if which.size else _NOTHING
    rising = v[index + 1] >= level
    when = find_roots(
        lambda x: function(x) - level, t[index], t[index + 1], v[index] - level,
        v[index + 1] - level, EDGE_TOLERANCE_S,
    ) if index.size else _NOTHING  # fmt: skip
    order = np.argsort(when, kind="stable")
    what = np.where(rising, which + 1, -(which + 1))[order]
    return Steps(wanted, when[order], what, q, grid.span_s, top)


def quantity(tracks: Tracks, code: int, a: str, b: str, t_s, *, body=None, par=(), horizon=None):
    """A quantity between nodes ``a`` and ``b`` at any instants ``t_s``, in the unit of its code."""
    grid = Grid.of(tracks)
    ta, tb = grid.table(tracks.states[a]), grid.table(tracks.states[b])
    tu = grid.table(tracks.up[a]) if a in tracks.up and code in (ELEVATION, LOSS_RANGE) else ta
    tc = ta if body is None else grid.table(body)
    parameters = np.zeros(4)
    parameters[: len(par)] = par
    if code == CLEARANCE:
        parameters[1] = 0.0 if body is None else 1.0
    az, el = horizon if horizon is not None else (_NONE, _NONE)
    t = np.asarray(t_s, dtype=float)
    flat = np.clip(np.ascontiguousarray(t.ravel()), 0.0, grid.span_s)
    out = quantity_many(code, flat, grid.step_s, ta, tb, tu, tc, parameters, az, el)
    return out.reshape(t.shape)


def range_km(tracks: Tracks, a: str, b: str, t_s):
    """Distance in km between two nodes at one instant; ``t_s`` of any shape."""
    return quantity(tracks, RANGE, a, b, t_s)


def elevation_rad(tracks: Tracks, a: str, b: str, t_s):
    """Elevation in rad of node ``b`` at surface node ``a``: vertical of the node."""
    return np.arcsin(np.clip(quantity(tracks, ELEVATION, a, b, t_s), -1.0, 1.0))


def range_rate_km_s(tracks: Tracks, a: str, b: str, t_s):
    """Rate of the distance in km/s, positive receding, from the states at ``t_s``."""
    t = np.atleast_1d(np.asarray(t_s, dtype=float))
    grid_t = np.asarray(tracks.t_s, dtype=float)
    d = hermite_many(grid_t, np.asarray(tracks.states[b]) - np.asarray(tracks.states[a]), t)
    rate = np.einsum("ij,ij->i", d[:, :3], d[:, 3:]) / np.linalg.norm(d[:, :3], axis=1)
    return rate.reshape(np.shape(t_s))


def horizon_arrays(horizon):
    """Azimuths (sorted, within one turn) and elevations of a horizon, in rad, for the kernels."""
    azimuth = np.mod(np.asarray(horizon.azimuth_deg, dtype=float), 360.0) * DEG
    azimuth, first = np.unique(azimuth, return_index=True)  # 360 repeats 0
    return azimuth, np.ascontiguousarray(
        np.asarray(horizon.elevation_deg, dtype=float)[first] * DEG
    )
