"""One state whose flight stays nearest a placed orbit: how a stable orbit is begun.

Deviations are taken in cylinder coordinates of the rotating axes (along, outward, up): a wrong
mean period then shows as an angle that grows in proportion, and least squares can follow it.
"""

from __future__ import annotations

import math

import numpy as np

from orbits.errors import ComputationError, ConvergenceError
from orbits.frames import rotation
from orbits.placing import place
from orbits.shooting import Arc

NODES_PER_REV = 8
FIRST_NODES = 2  # the first piece to be fitted
STEP_KM = 3000.0  # no step moves the state further
ROUGH, FINE = 1e-2, 1e-4  # least relative gain of a step that is worth another


def fit_state(
    arc: Arc, shape, phase_deg, period_s, end_s, ephemeris, *, needed_s, hint=None, by_angle=False
):
    """State (6), km and km/s, MOON_ICRF, at the epoch; the time it was fitted to; its hint (3).

    The position is that of the placed ``shape``; the velocity makes the flight to ``end_s`` (either
    sign) stay nearest it by least squares, over a few revolutions first, or at once from the
    ``hint`` (velocity beyond the placed one on rotating axes, km/s) of a fit nearby. What is
    periodic in the deviation stays; what grows, from a wrong mean period, does not. ``by_angle``
    places the shape in step with the Moon's angle, not with time. Raises
    ConvergenceError when no flight stays near as far as ``needed_s``.
    """
    step = math.copysign(period_s / NODES_PER_REV, end_s)
    node_t = np.arange(max(int(end_s / step), 2 * NODES_PER_REV) + 1) * step
    node_t = node_t[(node_t >= arc.table.start_s) & (node_t <= arc.table.end_s)]
    count = len(node_t) - 1
    reference = place(shape, phase_deg, period_s, arc.epoch, node_t, ephemeris, by_angle=by_angle)
    axes = rotation("EARTH_MOON_ROTATING", arc.epoch, node_t, ephemeris)
    size = float(np.linalg.norm(reference[:, :3], axis=1).mean())
    speed = 2 * math.pi / period_s
    start = reference[0].copy()
    if hint is not None:
        start[3:] += axes[0].T @ hint
        now = count
    else:
        now = min(FIRST_NODES, count)
    done, miss = 0, math.inf
    state = start
    while done < count:
        piece = slice(0, now + 1)
        tried, miss = _least_squares(
            arc, node_t[piece], reference[piece], axes[piece], state, size, speed,
            FINE if now == count else ROUGH,
        )  # fmt: skip
        if miss < 0.4 * size:
            state, done = tried, now
            now = min(count, int(1.7 * now) + 1)
        elif hint is not None:  # it led astray: begin from a few nodes
            hint, state, now = None, reference[0].copy(), min(FIRST_NODES, count)
        elif now > done + 1 and done:
            now = done + (now - done) // 2  # a smaller stride
        else:
            break
    # stable for as long as it is wanted, if not to the end
    if not done or (done < count and abs(node_t[done]) < needed_s):
        raise ConvergenceError(
            "the orbit does not last in the real system: mean distance from it in km",
            residual=miss,
        )
    return state, float(node_t[done]), axes[0] @ (state - reference[0])[3:]


def _cylinder(path, axes):
    turned = np.einsum("nij,nj->ni", axes, path[:, :3])
    return np.arctan2(turned[:, 1], turned[:, 0]), np.hypot(turned[:, 0], turned[:, 1]), turned


def _deviation(path, reference, axes, size):
    """Reference minus path (N, 3) in km: along (angle times ``size``), outward, up."""
    angle, out, turned = _cylinder(path, axes)
    aim, aim_out, aim_turned = _cylinder(reference, axes)
    along = np.remainder(aim - angle + np.pi, 2 * np.pi) - np.pi
    return np.column_stack([size * along, aim_out - out, aim_turned[:, 2] - turned[:, 2]])


def _slope(path, axes, size):
    """Derivative (N, 3, 3) of (along, outward, up) with respect to the ICRF position."""
    angle, out, _ = _cylinder(path, axes)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    outward = c * axes[:, 0] + s * axes[:, 1]
    along = (c * axes[:, 1] - s * axes[:, 0]) * (size / out)[:, None]
    return np.stack([along, outward, axes[:, 2]], axis=1)


def _least_squares(arc, node_t, reference, axes, state, size, speed, enough):
    """State (6) at node_t[0] whose flight is nearest the reference, and the rms distance in km.

    Levenberg-Marquardt over the velocity, in units of ``speed`` (rad/s) times km.
    """
    basis = speed * axes[0].T  # columns: the epoch's rotating axes; steps then are in km

    def flown(state):
        try:
            return arc.single(state, node_t)
        except ComputationError:
            return None  # it fell on the Moon: no flight at all

    def cost_of(path):
        if path is None:
            return math.inf
        return float(np.sqrt((_deviation(path, reference, axes, size) ** 2).sum(axis=1).mean()))

    damping = 0.0
    path = flown(state)
    cost = cost_of(path)
    if path is None:
        return state, cost
    for _ in range(25):
        assert path is not None
        _, matrices = arc.flow(path[:-1], node_t[:-1], node_t[1:])
        product = np.empty((len(node_t), 6, 6))
        product[0] = np.eye(6)
        for k, matrix in enumerate(matrices):
            product[k + 1] = matrix @ product[k]
        slope = _slope(path, axes, size) @ product[:, :3, 3:] @ basis
        slope[:, :2, 2] = 0.0  # in the plane and across it are fitted apart: height must not
        slope[:, 2, :2] = 0.0  # serve to tune the period
        slope = slope.reshape(-1, 3)
        residual = _deviation(path, reference, axes, size).ravel()
        square, pull = slope.T @ slope, slope.T @ residual
        moved, tried, new_cost = state, path, cost
        for _ in range(8):
            change = np.linalg.solve(square + damping * np.diag(np.diag(square)), pull)
            change *= min(1.0, STEP_KM / np.linalg.norm(change))
            moved = state.copy()
            moved[3:] += basis @ change
            tried = flown(moved)
            new_cost = cost_of(tried)
            if new_cost <= cost * (1 + 1e-12):
                break
            damping = max(10 * damping, 1e-6)
        else:
            return state, cost
        gained = cost - new_cost
        state, path, cost = moved, tried, new_cost
        if gained < enough * cost:
            break
        damping = damping / 10 if damping > 1e-8 else 0.0
    return state, cost
