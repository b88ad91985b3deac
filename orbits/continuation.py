"""Symmetric periodic orbits of the circular restricted three-body problem: correct, trace, measure.

Every family here is symmetric about the x-z plane: an orbit leaves that plane at right angles and
meets it at right angles again half a period later. So four numbers make an orbit, the vector
``u = (x0, z0, vy0, half_period)``, with three conditions at the half period, and one more
equation (an amplitude, a period, a perilune) picks the member.
"""

from __future__ import annotations

import numpy as np

from orbits.cr3bp import jacobi
from orbits.errors import ConvergenceError
from orbits.interpolate import hermite_many
from orbits.propagate import cr3bp_flow, cr3bp_path

X0, Z0, VY0, HALF = range(4)
TOLERANCE_ND = 1e-12
MAX_STEPS = 25


def full_state(u) -> np.ndarray:
    """State (6) at the perpendicular crossing, nondimensional barycentric rotating frame."""
    return np.array([u[X0], 0.0, u[Z0], 0.0, u[VY0], 0.0])


def acceleration(s, mu: float) -> np.ndarray:
    """Acceleration (3) at a state (6), nondimensional, on the rotating axes."""
    x, y, z, vx, vy, _ = s
    r1 = ((x + mu) ** 2 + y * y + z * z) ** 1.5
    r2 = ((x - 1 + mu) ** 2 + y * y + z * z) ** 1.5
    earth, moon = (1 - mu) / r1, mu / r2
    return np.array(
        [
            2 * vy + x - earth * (x + mu) - moon * (x - 1 + mu),
            -2 * vx + y - (earth + moon) * y,
            -(earth + moon) * z,
        ]
    )


def crossing(u, mu: float):
    """Conditions (3) at the half period, their Jacobian (3, 4), state (6), its derivative (6, 4).

    The conditions are y, vx, vz = 0; columns follow ``u``. All nondimensional.
    """
    states, matrices = cr3bp_flow(full_state(u)[None, :], np.array([u[HALF]]), mu)
    assert matrices is not None  # asked for
    end, phi = states[0], matrices[0]
    rate = np.concatenate([end[3:], acceleration(end, mu)])
    slope = np.column_stack([phi[:, 0], phi[:, 2], phi[:, 4], rate])
    rows = [1, 3, 5]
    return end[rows], slope[rows], end, slope


def correct(guess, mu: float, fix: str, target) -> np.ndarray:
    """The member ``u`` (4) nearest the guess that meets ``fix``, to 1e-12 in all conditions.

    ``fix`` names the fourth equation: ``x0``, ``z0`` or ``half`` equal ``target``. ``opposite``
    asks for the distance from the Moon's centre at the half period, ``perilune`` for the least
    one, ``height`` for the largest |z|, ``extent`` for half the extent along x, ``jacobi`` for the
    Jacobi constant; ``plane`` takes
    ``target = (tangent, point)`` and asks for the member on the hyperplane through ``point``
    across ``tangent`` (pseudo-arclength). All nondimensional. Raises ConvergenceError.
    """
    u = np.array(guess, dtype=float)
    held = {"x0": X0, "z0": Z0, "half": HALF}.get(fix)
    if held is not None:
        u[held] = target
    size = np.inf
    best = np.inf
    stalled = 0
    for _ in range(MAX_STEPS):
        conditions, slope, end, end_slope = crossing(u, mu)
        row = np.zeros(4)
        if held is not None:
            row[held] = 1.0
            last = target - u[held]
        elif fix == "opposite":
            offset = end[:3] - (1 - mu, 0.0, 0.0)
            distance = np.linalg.norm(offset)
            row = offset @ end_slope[:3] / distance
            last = target - distance
        elif fix in _MEASURES:
            value, row = _MEASURES[fix](u, mu)
            last = target - value
        else:
            row, point = target
            last = row @ (point - u)
        fault = np.append(-conditions, last)
        size = np.abs(fault).max()
        # an unstable orbit cannot be closed better than the integrator's own noise allows
        stalled = stalled + 1 if size > 0.5 * best else 0
        best = min(best, size)
        if size < TOLERANCE_ND or (best < 100 * TOLERANCE_ND and stalled >= 2):
            return u
        if not np.isfinite(size) or size > 1e3:
            break
        step = np.linalg.lstsq(np.vstack([slope, row]), fault, rcond=1e-13)[0]
        worst = np.abs(step).max()
        u = u + step * min(1.0, 0.05 / worst if worst > 0 else 1.0)
        if held is not None and abs(u[held] - target) < 1e-10:
            u[held] = target
    raise ConvergenceError("the periodic orbit did not close", residual=float(size))


def tangent(u, mu: float, towards) -> np.ndarray:
    """Unit tangent (4) of the family at ``u``, on the side of ``towards`` (4)."""
    _, slope, _, _ = crossing(u, mu)
    direction = np.linalg.svd(slope)[2][3]
    return direction if direction @ towards >= 0 else -direction


def trace(start, mu: float, towards, step: float, keep_going, most: int = 4000) -> np.ndarray:
    """Members (M, 4) from ``start`` along the family, until ``keep_going(u)`` is false.

    Pseudo-arclength continuation; the step halves where Newton fails and grows back, and the last
    member is the first for which ``keep_going`` failed. Raises ConvergenceError when it is stuck.
    """
    found = [np.asarray(start, dtype=float)]
    direction = tangent(found[0], mu, np.asarray(towards, dtype=float))
    length = step
    while len(found) < most and keep_going(found[-1]):
        ahead = found[-1] + length * direction
        try:
            u = correct(ahead, mu, "plane", (direction, ahead))
            turned = tangent(u, mu, direction)
            if np.linalg.norm(u - ahead) > 0.1 * length + 1e-12 or turned @ direction < 0.95:
                raise ConvergenceError("the family bends faster than the step")
        except ConvergenceError:
            length /= 2
            if length < 1e-7:
                raise
            continue
        found.append(u)
        direction = turned
        length = min(step, 1.5 * length)
    return np.array(found)


_MIRROR = np.diag([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])  # y and time turned round


def monodromy(u, mu: float) -> np.ndarray:
    """Monodromy matrix (6, 6) from phase 0, made of half a revolution and its mirror image."""
    _, matrices = cr3bp_flow(full_state(u)[None, :], np.array([u[HALF]]), mu)
    assert matrices is not None  # asked for
    half = matrices[0]
    return _MIRROR @ np.linalg.solve(half, _MIRROR @ half)


def monodromy_index(u, mu: float) -> float:
    """Stability index (|l| + 1/|l|)/2 of the largest multiplier l; 1 for a stable orbit."""
    _, matrices = cr3bp_flow(full_state(u)[None, :], np.array([2 * u[HALF]]), mu)
    assert matrices is not None  # asked for
    largest = np.abs(np.linalg.eigvals(matrices[0])).max()
    return float((largest + 1 / largest) / 2)


def extremes(u, mu: float, count: int = 721) -> tuple[float, float, float]:
    """Least and largest distance from the Moon's centre, and largest |z|, over one revolution.

    Nondimensional. Both crossings are looked at exactly, extrema between them by interpolation.
    """
    t = np.linspace(0.0, u[HALF], count)
    path = cr3bp_path(full_state(u), t, mu)
    moon = np.array([1 - mu, 0.0, 0.0])
    relative = path.copy()
    relative[:, :3] -= moon
    closing = (relative[:, :3] * relative[:, 3:]).sum(axis=1)
    distances = [np.linalg.norm(relative[0, :3]), np.linalg.norm(relative[-1, :3])]
    for root in _roots(t, relative, closing, lambda s: (s[:, :3] * s[:, 3:]).sum(axis=1)):
        distances.append(np.linalg.norm(hermite_many(t, relative, np.array([root]))[0, :3]))
    heights = [abs(path[0, 2]), abs(path[-1, 2])]
    if np.abs(path[:, 2]).max() > 0:
        for root in _roots(t, relative, path[:, 5], lambda s: s[:, 5]):
            heights.append(abs(hermite_many(t, relative, np.array([root]))[0, 2]))
    return float(min(distances)), float(max(distances)), float(max(heights))


def _slope_at(u, mu, t, direction):
    """Derivative (4) with respect to ``u`` of a coordinate along ``direction`` (3) at time ``t``.

    Of an extremum: that its instant moves changes nothing.
    """
    _, matrices = cr3bp_flow(full_state(u)[None, :], np.array([t]), mu)
    assert matrices is not None  # asked for
    return np.append(direction @ matrices[0][:3][:, [0, 2, 4]], 0.0)


def _path(u, mu, count=721):
    t = np.linspace(0.0, u[HALF], count)
    return t, cr3bp_path(full_state(u), t, mu) - np.array([1 - mu, 0, 0, 0, 0, 0])


def _nearest(u, mu):
    """Least distance from the Moon's centre, and its derivative (4)."""
    t, path = _path(u, mu)
    closing = (path[:, :3] * path[:, 3:]).sum(axis=1)
    times = [0.0, u[HALF]]
    times += _roots(t, path, closing, lambda s: (s[:, :3] * s[:, 3:]).sum(axis=1))
    places = hermite_many(t, path, np.array(times))[:, :3]
    distances = np.linalg.norm(places, axis=1)
    k = int(np.argmin(distances))
    return distances[k], _slope_at(u, mu, times[k], places[k] / distances[k])


def _extent(u, mu):
    """Half of the extent along x, and its derivative (4)."""
    t, path = _path(u, mu)
    times = [0.0, u[HALF], *_roots(t, path, path[:, 3], lambda s: s[:, 3])]
    x = hermite_many(t, path, np.array(times))[:, 0]
    along = np.array([0.5, 0.0, 0.0])
    high, low = int(np.argmax(x)), int(np.argmin(x))
    slope = _slope_at(u, mu, times[high], along) - _slope_at(u, mu, times[low], along)
    return (x[high] - x[low]) / 2, slope


def half_extent(u, mu: float) -> float:
    """Half of the extent along x of the orbit, nondimensional."""
    return float(_extent(u, mu)[0])


def _jacobi(u, mu):
    """Jacobi constant and its derivative (4)."""
    push = acceleration(full_state(u), mu)
    slope = np.array([2 * (push[0] - 2 * u[VY0]), 2 * push[2], -2 * u[VY0], 0.0])
    return jacobi_nd(u, mu), slope


def _height(u, mu):
    """Largest |z|, and its derivative (4)."""
    t, path = _path(u, mu, 2881)
    times = [0.0, u[HALF], *_roots(t, path, path[:, 5], lambda s: s[:, 5])]
    z = hermite_many(t, path, np.array(times))[:, 2]
    k = int(np.argmax(abs(z)))
    return abs(z[k]), _slope_at(u, mu, times[k], np.array([0.0, 0.0, np.sign(z[k])]))


_MEASURES = {"height": _height, "perilune": _nearest, "extent": _extent, "jacobi": _jacobi}


def _roots(t, states, values, function):
    """Times within (t[0], t[-1]) where ``function`` of the interpolated states changes sign."""
    inner = np.flatnonzero(values[1:-2] * values[2:-1] < 0) + 1
    for i in inner:
        low, high, f_low = t[i], t[i + 1], values[i]
        for _ in range(40):
            middle = 0.5 * (low + high)
            f = function(hermite_many(t, states, np.array([middle])))[0]
            if f * f_low > 0:
                low, f_low = middle, f
            else:
                high = middle
        yield 0.5 * (low + high)


def jacobi_nd(u, mu: float) -> float:
    """Jacobi constant of the orbit, without the mu (1 - mu) offset."""
    return float(jacobi(full_state(u), mu))
