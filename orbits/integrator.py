"""Adaptive steps of the 8(5,3) method through any model of ``forces.rhs``, compiled.

With the state-transition matrix (n = 42) or without (n = 6). The error is measured in vectors and
not in components (position and velocity, and the four blocks of the matrix), so that no axis is
special. Surfaces of the Moon and the Earth are watched between the ends of a step too; where
solar pressure acts, steps end at the edges of shadow, where its rate of change jumps.
"""

from __future__ import annotations

import math

import numpy as np

from orbits.compiled import njit
from orbits.constants import EARTH_RADIUS_KM, MOON_RADIUS_KM
from orbits.dop853 import dense_at, error_vectors, prepare_dense, stages
from orbits.ephemeris import EARTH, SUN
from orbits.forces import (
    BODY_ROW,
    EPHEMERIS,
    HIT_EARTH,
    HIT_MOON,
    PRESSURE,
    SHADOW,
    bodies_at,
    discs,
    rhs,
)
from orbits.gravity import WIDTH

DONE, HIT_THE_MOON, HIT_THE_EARTH, TOO_SMALL, TOO_MANY = 0, 1, 2, 3, 4  # how an arc ended
_EARTH_LEAST_KM = 340_000.0  # under the least distance of the Earth from the Moon, 356,000 km
_SHADOW_SLOPE = 0.006  # over the Sun's apparent radius at the Moon, 0.0047 rad


@njit(cache=True, nogil=True)
def _norm(y, start):
    return math.sqrt(y[start] ** 2 + y[start + 1] ** 2 + y[start + 2] ** 2)


@njit(cache=True, nogil=True)
def _block(y, row, column):
    """Norm of a 3 x 3 block of the transition matrix in ``y``."""
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += y[6 + 6 * (row + i) + column + j] ** 2
    return math.sqrt(total)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _error(n, h, y, z, k, rtol, e3, e5):
    """The step's error over its tolerance: the largest of its vectors'."""
    error_vectors(n, k, e3, e5)
    worst = 0.0
    far = max(_norm(y, 0), _norm(z, 0), 1e-3)
    fast = max(_norm(y, 3), _norm(z, 3), 1e-3)
    for half in range(2):
        scale = rtol * (far if half == 0 else fast)
        a, b = _norm(e5, 3 * half) / scale, _norm(e3, 3 * half) / scale
        if a > 0.0:
            worst = max(worst, abs(h) * a * a / math.sqrt(a * a + 0.01 * b * b))
    if n == 42:
        for row in range(0, 6, 3):
            for column in range(0, 6, 3):
                unit = 1.0
                if row == 0 and column == 3:
                    unit = far / fast
                elif row == 3 and column == 0:
                    unit = fast / far
                scale = rtol * max(_block(z, row, column), unit)
                a, b = _block(e5, row, column) / scale, _block(e3, row, column) / scale
                if a > 0.0:
                    worst = max(worst, abs(h) * a * a / math.sqrt(a * a + 0.01 * b * b))
    return worst


@njit(cache=True, nogil=True)
def _height(x, t, h, radius, of_earth, dense, c, table, work, state):
    """Height in km over a sphere at the fraction ``x`` of a step."""
    dense_at(x, dense, state)
    dx, dy, dz = state[0], state[1], state[2]
    if of_earth:
        body = work[BODY_ROW]
        bodies_at(t + x * h, c, table, body)
        dx, dy, dz = dx - body[EARTH], dy - body[EARTH + 1], dz - body[EARTH + 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz) - radius


@njit(cache=True, nogil=True)
def _first_hit(t, h, radius, of_earth, dense, c, table, work, state):
    """The fraction of the step at which a sphere is first touched, or -1."""
    pieces = 32
    for j in range(1, pieces + 1):
        low, high = (j - 1.0) / pieces, float(j) / pieces
        if _height(high, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
            a, b = low, high  # lowest point of the piece, by thirds
            for _ in range(40):
                p, q = a + (b - a) / 3.0, b - (b - a) / 3.0
                hp = _height(p, t, h, radius, of_earth, dense, c, table, work, state)
                if hp < _height(q, t, h, radius, of_earth, dense, c, table, work, state):
                    b = q
                else:
                    a = p
            high = 0.5 * (a + b)
            if _height(high, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
                continue
        for _ in range(50):
            mid = 0.5 * (low + high)
            if _height(mid, t, h, radius, of_earth, dense, c, table, work, state) >= 0.0:
                low = mid
            else:
                high = mid
        return high
    return -1.0


@njit(cache=True, nogil=True)
def _may_hit(t, h, y, z, radius, of_earth, c, table, work):
    """True unless the two ends of a step are too far from a sphere for the path between."""
    body = work[BODY_ROW]
    ends = 0.0
    speed = 1.5 * max(_norm(y, 3), _norm(z, 3))
    if of_earth and max(_norm(y, 0), _norm(z, 0)) + speed * abs(h) + radius < _EARTH_LEAST_KM:
        return False
    for half in range(2):
        s = y if half == 0 else z
        dx, dy, dz = s[0], s[1], s[2]
        if of_earth:
            bodies_at(t + half * h, c, table, body)
            dx, dy, dz = dx - body[EARTH], dy - body[EARTH + 1], dz - body[EARTH + 2]
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
        if d < radius:
            return True
        ends += d
    if of_earth:
        speed += 1.2  # km/s: the Moon's own about the Earth
    return 0.5 * (ends - speed * abs(h)) < radius


@njit(cache=True, nogil=True)
def _near_shadow(x, t, h, of_earth, slack, dense, c, table, work, state):
    """True when a point of a step may be within ``slack`` km of a body's penumbra."""
    dense_at(x, dense, state)
    body = work[BODY_ROW]
    bodies_at(t + x * h, c, table, body)
    rx, ry, rz, radius = state[0], state[1], state[2], MOON_RADIUS_KM
    sx, sy, sz = body[SUN], body[SUN + 1], body[SUN + 2]
    if of_earth:
        ex, ey, ez, radius = body[EARTH], body[EARTH + 1], body[EARTH + 2], EARTH_RADIUS_KM
        rx, ry, rz = rx - ex, ry - ey, rz - ez
        sx, sy, sz = sx - ex, sy - ey, sz - ez
    depth = -(rx * sx + ry * sy + rz * sz) / math.sqrt(sx * sx + sy * sy + sz * sz)
    if depth < -slack:
        return False
    wide = radius + _SHADOW_SLOPE * max(depth, 0.0) + slack
    return rx * rx + ry * ry + rz * rz - depth * depth < wide * wide


@njit(cache=True, nogil=True)
def _shade(x, t, h, of_earth, dense, c, table, work, state):
    """How deep (rad) in penumbra and within the inner contacts a point of a step is."""
    dense_at(x, dense, state)
    body = work[BODY_ROW]
    bodies_at(t + x * h, c, table, body)
    bx, by, bz, radius = -state[0], -state[1], -state[2], MOON_RADIUS_KM
    sx, sy, sz = body[SUN] + bx, body[SUN + 1] + by, body[SUN + 2] + bz
    if of_earth:
        ex, ey, ez, radius = body[EARTH], body[EARTH + 1], body[EARTH + 2], EARTH_RADIUS_KM
        bx, by, bz = bx + ex, by + ey, bz + ez
    sun, hider, apart = discs(sx, sy, sz, bx, by, bz, radius)
    return sun + hider - apart, abs(hider - sun) - apart


@njit(cache=True, nogil=True)
def _first_edge(t, h, y, z, dense, c, table, work, state):
    """The fraction of the step at which a shadow's edge is first crossed, or -1.

    Edges are the outer and inner contacts of the discs of the Sun and a body; the path is sampled
    at a quarter of the body's radius, and an edge grazed twice between samples does not count.
    """
    first = -1.0
    span = abs(h) * max(_norm(y, 3), _norm(z, 3))
    for b in range(2):
        of_earth = b == 1
        radius = EARTH_RADIUS_KM if of_earth else MOON_RADIUS_KM
        if of_earth:
            span += 1.2 * abs(h)  # km/s: the Moon's own about the Earth
        if not _near_shadow(0.5, t, h, of_earth, span, dense, c, table, work, state):
            continue
        pieces = min(max(int(4.0 * span / radius), 4), 256)
        slack = 1.5 * span / pieces
        low = 1e-6  # a step that begins on an edge is past it
        known = False
        outer = inner = 0.0
        for j in range(1, pieces + 1):
            high = float(j) / pieces
            if not _near_shadow(high, t, h, of_earth, slack, dense, c, table, work, state):
                low, known = high, False
                continue
            if not known:
                outer, inner = _shade(low, t, h, of_earth, dense, c, table, work, state)
            out_high, in_high = _shade(high, t, h, of_earth, dense, c, table, work, state)
            for kind in range(2):
                here, there = (outer, out_high) if kind == 0 else (inner, in_high)
                if (here >= 0.0) == (there >= 0.0):
                    continue
                left, right = low, high
                for _ in range(60):
                    mid = 0.5 * (left + right)
                    pair = _shade(mid, t, h, of_earth, dense, c, table, work, state)
                    if ((pair[0] if kind == 0 else pair[1]) >= 0.0) == (here >= 0.0):
                        left = mid
                    else:
                        right = mid
                    if (right - left) * abs(h) < 1e-7:
                        break
                if first < 0.0 or right < first:
                    first = right
            if first >= 0.0 and first <= high:
                break
            low, outer, inner, known = high, out_high, in_high, True
    return first


@njit(cache=True, nogil=True)
def integrate(model, n, y, t0, t1, t_out, out, c, table, field, rtol, step_max, work, k):
    """Carries ``y`` (n) from t0 to t1 in place; writes states at ``t_out`` into ``out`` (N, 6).

    ``t_out`` runs the way the time runs, within t0 and t1. ``k`` (30, n) and ``work``
    are scratch. Returns how it ended, the time reached, and the count of steps.
    """
    z, e3, e5 = k[16], k[17], k[18]
    new, state, dense = k[19], k[20], k[21:29]
    done, total = 0, t_out.size
    way = 1.0 if t1 >= t0 else -1.0
    t = t0
    while done < total and (t_out[done] - t) * way <= 0.0:
        for i in range(6):
            out[done, i] = y[i]
        done += 1
    if t0 == t1:
        return DONE, t, 0
    rhs(model, n, t, y, c, table, field, work, k[0])
    speed, push = max(_norm(y, 3), 1e-6), max(_norm(k[0], 3), 1e-12)
    h = 0.05 * min(max(_norm(y, 0), 1e-3) / speed, speed / push)
    h = way * min(max(h, 1e-9), step_max, abs(t1 - t0))
    steps = 0
    rejected = False
    shaded = model == EPHEMERIS and c[PRESSURE] != 0.0 and c[SHADOW] != 0.0
    to_edge, whole = False, 0.0  # a step cut short at a shadow's edge, and its length before
    while (t1 - t) * way > 0.0:
        steps += 1
        if steps > 50_000_000:
            return TOO_MANY, t, steps
        last = (t + h - t1) * way >= 0.0
        if last:
            h = t1 - t
        elif abs(h) <= 1e-15 * max(abs(t), abs(t1)):
            return TOO_SMALL, t, steps
        stages(model, n, t, h, y, c, table, field, work, k, z)
        error = _error(n, h, y, z, k, rtol, e3, e5)
        if not error < 1.0:  # also when it is not a number
            factor = 0.9 * error**-0.125 if error > 0.0 else 0.2
            h *= max(factor, 0.2) if factor == factor else 0.2
            rejected, to_edge = True, False
            continue
        for i in range(n):
            new[i] = z[i]
        ready = False
        if model == EPHEMERIS:
            for b in range(2):
                radius = c[HIT_EARTH] if b else c[HIT_MOON]
                if radius > 0.0 and _may_hit(t, h, y, new, radius, b == 1, c, table, work):
                    if not ready:
                        prepare_dense(
                            model, n, t, h, y, new, c, table, field, work, k, z, dense
                        )  # fmt: skip
                        ready = True
                    hit = _first_hit(t, h, radius, b == 1, dense, c, table, work, state)
                    if hit >= 0.0:
                        return (HIT_THE_EARTH if b else HIT_THE_MOON), t + hit * h, steps
        if shaded and not to_edge:
            if not ready:
                prepare_dense(model, n, t, h, y, new, c, table, field, work, k, z, dense)
                ready = True
            edge = _first_edge(t, h, y, new, dense, c, table, work, state)
            if 0.0 <= edge < 1.0 - 1e-6 and edge * abs(h) > 1e-6:
                whole, h, to_edge = h, edge * h, True
                continue
        after = t1 if last else t + h
        if done < total and (t_out[done] - after) * way <= 0.0:
            if not ready:
                prepare_dense(model, n, t, h, y, new, c, table, field, work, k, z, dense)
            while done < total and (t_out[done] - after) * way <= 0.0:
                dense_at((t_out[done] - t) / h, dense, out[done])
                done += 1
        for i in range(n):
            y[i] = new[i]
            k[0, i] = k[12, i]
        t = after
        factor = 6.0 if error < 1e-8 else min(6.0, 0.9 * error**-0.125)
        if rejected:
            factor = min(factor, 1.0)
        rejected = False
        h = way * min(max(abs(h) * factor, abs(whole) if to_edge else 0.0), step_max)
        to_edge = False
    return DONE, t, steps


@njit(cache=True, nogil=True)
def arcs(
    model, n, states, t0, t1, t_out, out, c, table, field, rtol, step_max, ends, how, when
):  # fmt: skip
    """Carries each row of ``states`` (K, 6) from t0 to t1 (K,) into ``ends`` (K, n).

    With n = 42 columns 6 to 41 are the transition matrices. ``how`` and ``when`` (K,) tell how
    and at what time each arc ended. ``t_out`` (N,), empty or for a single arc, asks for the
    states ``out`` (N, 6) on the way. The one entry point, so that everything is compiled once; all
    arrays must be writable and contiguous, or Numba compiles it again for their types.
    """
    k = np.zeros((30, n))
    work = np.zeros((8, WIDTH))
    for a in range(states.shape[0]):
        y = ends[a]
        for i in range(6):
            y[i] = states[a, i]
        if n == 42:
            for i in range(36):
                y[6 + i] = 1.0 if i % 7 == 0 else 0.0
        how[a], when[a], _ = integrate(
            model, n, y, t0[a], t1[a], t_out, out, c, table, field, rtol, step_max, work, k
        )  # fmt: skip
