"""Trajectories by numerical integration: the three-body problem, and the DE440 force model.

All of it is one compiled Dormand-Prince 8(5,3) kernel (``orbits.integrator``). The first call
on a machine compiles it; the result is kept on disk.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from orbits import integrator
from orbits.constants import CR3BP_MU, DAY_S
from orbits.elements import elements_from_state, state_from_elements
from orbits.ephemeris import BodyTable, Ephemeris
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError, EscapeError, ImpactError, InputError
from orbits.forces import CR3BP, EPHEMERIS, FIRST, MU, NO_FIELD, NO_TABLE, SIZE, ForceModel, pack
from orbits.trajectory import Trajectory

_STEP_MAX_S = 4 * DAY_S
_STEP_MAX_ND = 1.0
ESCAPE_KM = 3e6  # twice the Earth's Hill radius: weak transfers turn back at one to two million
_LOOKS = 1000  # instants of a flight at which its distance is looked at
_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # constants, body table, harmonics
_BODY = {integrator.HIT_THE_MOON: "Moon", integrator.HIT_THE_EARTH: "Earth"}


def _times(t, key="t_s"):
    t = np.atleast_1d(np.asarray(t, dtype=float))
    if not np.isfinite(t).all():
        raise InputError("times must be finite", key=key)
    return t.copy()


def _states(states):
    states = np.array(states, dtype=float, order="C", ndmin=2)  # a copy: kernels want it writable
    if states.shape[-1] != 6 or not np.isfinite(states).all():
        raise InputError(f"states of shape {states.shape} must be (..., 6) and finite")
    return states


def _check(ended, t, name=""):
    if ended == integrator.DONE:
        return
    who = f"{name}: " if name else ""
    if ended in _BODY:
        body = _BODY[int(ended)]
        raise ImpactError(f"{who}strikes the {body} at {t:.3f} s", t_s=float(t), body=body)
    if ended == integrator.TOO_MANY:
        raise ConvergenceError(f"{who}too many steps were needed by {t:.6g}")
    raise ConvergenceError(f"{who}the step became too small at {t:.6g}")


def _broadcast(t, count):
    return np.array(np.broadcast_to(_times(t), (count,)))


def _run_arcs(model, n, states, t0, t1, arrays: _Arrays, rtol, step_max):
    count = states.shape[0]
    ends, how, when = np.empty((count, n)), np.zeros(count, np.int64), np.zeros(count)

    def part(piece):
        integrator.arcs(
            model, n, states[piece], t0[piece], t1[piece], np.empty(0), np.empty((0, 6)), *arrays,
            rtol, step_max, ends[piece], how[piece], when[piece],
        )  # fmt: skip

    workers = min(os.cpu_count() or 1, count // 4)
    if workers > 1:  # kernels release the GIL
        edges = np.linspace(0, count, workers + 1).astype(int)
        pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(part, pieces))
    else:
        part(slice(0, count))
    for k in np.flatnonzero(how):
        _check(how[k], when[k])
    return ends


def _split(ends, stm):
    return ends[:, :6], (ends[:, 6:].reshape(-1, 6, 6) if stm else None)


def _run_path(model, state, t0, t_out, arrays: _Arrays, rtol, step_max, name=""):
    """States (N, 6) at increasing ``t_out`` on either side of t0."""
    out = np.empty((t_out.size, 6))
    later = int(np.searchsorted(t_out, t0))
    for times, place in (
        (t_out[later:], out[later:]),
        (t_out[:later][::-1], out[:later][::-1]),
    ):
        if not times.size:
            continue
        forward = place.flags.c_contiguous
        block, end = place if forward else np.empty((times.size, 6)), np.empty((1, 6))
        how, when = np.zeros(1, np.int64), np.zeros(1)
        integrator.arcs(
            model, 6, state, np.array([t0]), times[-1:].copy(), times.copy(), block, *arrays, rtol,
            step_max, end, how, when,
        )  # fmt: skip
        _check(how[0], when[0], name)
        if not forward:
            place[...] = block
    return out


def _check_distance(states, t, t0, escape_km, name):
    """EscapeError for the first look, from ``t0`` on, at which a path is too far from the Moon."""
    looks = np.linspace(0, t.size - 1, min(t.size, _LOOKS)).astype(int)
    away = np.linalg.norm(states[looks, :3], axis=1)
    far = np.flatnonzero(away > escape_km)
    if far.size:
        k = far[np.argmin(np.abs(t[looks[far]] - t0))]
        when, who = float(t[looks[k]]), f"{name}: " if name else ""
        raise EscapeError(
            f"{who}leaves the Earth-Moon system: {away[k]:.0f} km from the Moon at {when:.0f} s",
            t_s=when, distance_km=float(away[k]),
        )  # fmt: skip


def _increasing(t_out, key, least=0):
    t = _times(t_out, key)
    if t.size < least:
        raise InputError("a trajectory wants two output times or more", key=key)
    if t.size and not (np.diff(t) > 0).all():
        raise InputError("output times must increase", key=key)
    return t


def _cr3bp_arrays(mu):
    c = np.zeros(SIZE)
    c[MU] = mu
    return c, NO_TABLE, NO_FIELD


def cr3bp_flow(states_nd, t_nd, mu: float = CR3BP_MU, stm: bool = True, rtol: float = 1e-13):
    """States (K, 6) after ``t_nd`` (K, or one for all; either sign), and transition matrices.

    The matrices (K, 6, 6) are d(state after)/d(state before), or None without ``stm``. All
    nondimensional, rotating and barycentric; the Moon's and Earth's surfaces are not looked at.
    """
    states = _states(states_nd)
    t1 = _broadcast(t_nd, states.shape[0])
    n, arrays = 42 if stm else 6, _cr3bp_arrays(mu)
    ends = _run_arcs(CR3BP, n, states, np.zeros_like(t1), t1, arrays, rtol, _STEP_MAX_ND)
    return _split(ends, stm)


def cr3bp_path(state_nd, t_out_nd, mu: float = CR3BP_MU, rtol: float = 1e-13) -> np.ndarray:
    """States (N, 6) at the increasing times ``t_out_nd`` (N,) of the orbit through ``state_nd``.

    ``state_nd`` (6,) holds at time 0, which the times may straddle; nondimensional throughout.
    """
    return _run_path(
        CR3BP, _states(state_nd), 0.0, _increasing(t_out_nd, "t_out_nd"), _cr3bp_arrays(mu), rtol,
        _STEP_MAX_ND,
    )  # fmt: skip


def propagate(
    state, epoch: Epoch, t_out_s, model: ForceModel, ephemeris: Ephemeris, *, t0_s: float = 0.0,
    area_m2: float | None = None, mass_kg: float | None = None, cr: float = 1.3,
    rtol: float = 1e-12, name: str = "", impact: bool = True, escape_km: float = ESCAPE_KM,
) -> Trajectory:  # fmt: skip
    """The trajectory, MOON_ICRF in km and km/s, through ``state`` (6,) at ``t0_s`` past ``epoch``.

    ``t_out_s`` (N,), increasing TDB seconds past ``epoch``, may lie before, after or on both sides
    of ``t0_s``. Raises ImpactError (with ``t_s`` and ``body``) when the path meets the Moon's
    1737.4 km sphere or the Earth's 6378.137 km, unless ``impact`` is False; EscapeError (with
    ``t_s`` and ``distance_km``) when it is further from the Moon than ``escape_km``; SpanError
    outside the ephemeris.

    >>> from orbits.ephemeris import De440
    >>> start = Epoch.parse("2030-01-01T00:00:00 TDB")
    >>> flown = propagate([6000, 0, 0, 0, 0, 0.9], start, np.arange(0, 3601.0, 60),
    ...                   ForceModel.standard(), De440.open())
    >>> flown.states.shape
    (61, 6)
    """
    t = _increasing(t_out_s, "t_out_s", 2)
    t0 = float(_times(t0_s, "t0_s")[0])
    table = ephemeris.table(epoch, min(t0, t[0]), max(t0, t[-1]))
    arrays = pack(model, table, area_m2=area_m2, mass_kg=mass_kg, cr=cr, impact=impact)
    states = _run_path(EPHEMERIS, _states(state), t0, t, arrays, rtol, _STEP_MAX_S, name)
    _check_distance(states, t, t0, escape_km, name)
    return Trajectory(epoch, t, states, "MOON_ICRF", name)


def propagate_many(
    states, epoch: Epoch, t_out_s, model: ForceModel, ephemeris: Ephemeris, *, t0_s=0.0,
    area_m2=None, mass_kg=None, cr=1.3, rtol: float = 1e-12, names: Sequence[str] | None = None,
    impact: bool = True, escape_km: float = ESCAPE_KM,
) -> list[Trajectory]:  # fmt: skip
    """The trajectories, MOON_ICRF in km and km/s, of K craft flown at once on all cores.

    As :func:`propagate` for each row of ``states`` (K, 6): one body table and one grid of output
    times for all; ``t0_s``, ``area_m2``, ``mass_kg`` and ``cr`` are one for all or one each (K,).
    Raises the error of the first craft that meets one.

    >>> from orbits.ephemeris import De440
    >>> start = Epoch.parse("2030-01-01T00:00:00 TDB")
    >>> pair = [[6000, 0, 0, 0, 0, 0.9], [9000, 0, 0, 0, 0.7, 0]]
    >>> flown = propagate_many(pair, start, np.arange(0, 3601.0, 60), ForceModel.standard(),
    ...                        De440.open(), names=["a", "b"])
    >>> [path.name for path in flown]
    ['a', 'b']
    """
    states = _states(states)
    count = states.shape[0]
    t = _increasing(t_out_s, "t_out_s", 2)
    t0 = _broadcast(t0_s, count)
    called = [""] * count if names is None else list(names)
    if len(called) != count:
        raise InputError(f"{len(called)} names for {count} craft", key="names", allowed=str(count))
    if not count:
        return []

    def each(value):
        return value if isinstance(value, (list, tuple, np.ndarray)) else [value] * count

    area_m2, mass_kg, cr = each(area_m2), each(mass_kg), each(cr)
    table = ephemeris.table(epoch, min(t0.min(), t[0]), max(t0.max(), t[-1]))
    packs = [
        pack(model, table, area_m2=area, mass_kg=mass, cr=push, impact=impact)
        for area, mass, push in zip(area_m2, mass_kg, cr, strict=True)
    ]

    def fly(k):
        found = _run_path(
            EPHEMERIS, states[k : k + 1], float(t0[k]), t, packs[k], rtol, _STEP_MAX_S, called[k]
        )
        _check_distance(found, t, t0[k], escape_km, called[k])
        return Trajectory(epoch, t, found, "MOON_ICRF", called[k])

    with ThreadPoolExecutor(min(os.cpu_count() or 1, count)) as pool:  # kernels release the GIL
        return list(pool.map(fly, range(count)))


def flow(
    states, t0_s, t1_s, epoch: Epoch, table: BodyTable, model: ForceModel, *, stm: bool = True,
    area_m2: float | None = None, mass_kg: float | None = None, cr: float = 1.3,
    rtol: float = 1e-12, impact: bool = False,
):  # fmt: skip
    """States (K, 6) at ``t1_s`` of those at ``t0_s``, and transition matrices (K, 6, 6) or None.

    MOON_ICRF, km and km/s, TDB seconds past ``epoch``, within ``table`` (from an ephemeris).
    K arcs at once, for multiple shooting; surfaces are looked at only with ``impact``. The
    matrices hold the gradients of the whole model, solar pressure and its shadows included.
    """
    states = _states(states)
    if not states.shape[0]:
        return _split(np.empty((0, 42)), stm)
    t0, t1 = (_broadcast(t, states.shape[0]) for t in (t0_s, t1_s))
    shift = epoch - table.epoch
    c, coefficients, field = pack(
        model, table, area_m2=area_m2, mass_kg=mass_kg, cr=cr, impact=impact
    )
    c[FIRST] -= shift
    low, high = min(t0.min(), t1.min()), max(t0.max(), t1.max())
    if low + shift < table.start_s or high + shift > table.end_s:
        raise InputError(
            f"arcs from {low} to {high} s lie outside their body table",
            allowed=f"{table.start_s - shift} to {table.end_s - shift} s",
        )
    ends = _run_arcs(
        EPHEMERIS, 42 if stm else 6, states, t0, t1, (c, coefficients, field), rtol, _STEP_MAX_S
    )  # fmt: skip
    return _split(ends, stm)


def propagate_kepler(
    state, epoch: Epoch, t_out_s, gm: float, *, t0_s: float = 0.0, name: str = "",
    frame: str = "MOON_ICRF",
) -> Trajectory:  # fmt: skip
    """The two-body trajectory, km and km/s on the axes of ``state`` (6,), which holds at ``t0_s``.

    ``t_out_s`` (N,) are increasing TDB seconds past ``epoch``; ``gm`` in km3/s2. Raises InputError
    for an unbound state.
    """
    a, e, i, raan, argp, mean = elements_from_state(_states(state)[0], gm)
    t = _increasing(t_out_s, "t_out_s", 2)
    states = state_from_elements(
        a, e, i, raan, argp, mean + np.sqrt(gm / a**3) * (t - t0_s), gm
    )  # fmt: skip
    return Trajectory(epoch, t, states, frame, name)
