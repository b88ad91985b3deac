"""From the three-body problem to the real system by degrees, where no direct attempt succeeds.

Between the two lie worlds in which the Earth's place is (1 - share) x circular + share x real, and
the Sun and the planets pull with that share. At share 0 the periodic orbit is exact; each next
world begins from what the last ones foretell, in the rotating pulsating frame of its own Earth.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.polynomial import chebyshev

from orbits.constants import GM_EARTH_KM3_S2, GM_MOON_KM3_S2
from orbits.ephemeris import COEFFICIENTS, EARTH, GRANULE_S, BodyTable
from orbits.errors import ConvergenceError
from orbits.placing import MONTH_S, moon_ahead, moon_centred, phase_time_nd
from orbits.shooting import LOOSE, Arc, close

_FIRST = 1e-3  # the first share: so near the three-body problem that the answer is linear in it
_FIRST_AIM = 1e3  # largest gap there, in what counts as continuous
_STEP, _LEAST_STEP = 0.5, 0.02
_ATTEMPTS = 40
_PREDICT = 3  # worlds that the next is foretold from


def follow(arc: Arc, shape, phase_deg, period_s, t_s, weights, ephemeris) -> np.ndarray:
    """Nearly continuous states (K, 6), km and km/s, MOON_ICRF, in ``arc`` at ``t_s`` (K,).

    They are what the periodic ``shape`` becomes on the way from the circular problem, kept near the
    reference, which takes up step with the Moon's angle on that way. Raises ConvergenceError whose
    text tells how far it got.
    """
    t = np.asarray(t_s, dtype=float)
    ahead_s, moon_pace = moon_ahead(arc.epoch, t, ephemeris)
    circular = circular_earth(arc.table)
    pace = shape.period_nd / period_s
    known = []
    share, to, residual = 0.0, 0.0, math.inf
    for _ in range(_ATTEMPTS):
        mix = (1 - to) * circular + to * arc.table.coefficients
        world = replace(arc, table=replace(arc.table, coefficients=mix), share=to * arc.share)
        frames = pulsating_frames(world.table, t, pace)
        place = moon_centred(
            shape.at(phase_time_nd(shape, phase_deg, period_s, t + to * ahead_s)), shape.system.mu
        )
        place[:, 3:] *= 1 + to * (moon_pace - 1)[:, None]
        if not known:
            known, to = [(0.0, place)], _FIRST
            continue
        guess, reference = _to_km(frames, _foretold(known, to)), _to_km(frames, place)
        try:
            if len(known) == 1:
                states = close(replace(world, rtol=1e-11), t, guess, weights, _FIRST_AIM).states
                step = _STEP
            else:
                states = close(world, t, guess, weights, LOOSE, reference, steps=12).states
        except ConvergenceError as fault:
            residual = fault.residual
            step = (to - share) / 2
            if step < _LEAST_STEP:
                break
        else:
            if to == 1.0:
                return states
            known.append((to, np.linalg.solve(frames, states[:, :, None])[:, :, 0]))
            share = to
        to = min(1.0, share + step)
    raise ConvergenceError(
        "on the way from the three-body problem to the real system the orbit is lost at "
        f"{share:.2f} of it; largest gap in km",
        residual=residual,
    )


def circular_earth(table: BodyTable) -> np.ndarray:
    """The table's coefficients with the Earth on a circle about the Moon, as in the CR3BP.

    In the mean plane and at the mean longitude of the table's span, with the mean sidereal month
    and the distance that belongs to it by Kepler's third law.
    """
    rate = 2 * math.pi / MONTH_S
    radius = ((GM_EARTH_KM3_S2 + GM_MOON_KM3_S2) / rate**2) ** (1 / 3)
    count = table.coefficients.shape[0]
    grid = table.start_s + GRANULE_S * (np.arange(8 * count) + 0.5) / 8
    place, speed, _ = earth_of(table, grid)
    normal = np.cross(place, speed)
    normal = (normal / np.linalg.norm(normal, axis=1)[:, None]).mean(axis=0)
    normal /= np.linalg.norm(normal)
    first = np.cross([0.0, 0.0, 1.0], normal)
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    angle = np.unwrap(np.arctan2(place @ second, place @ first))
    start = float((angle - rate * grid).mean())

    def columns(t):
        out = table.evaluate(t)
        now = rate * t + start
        out[:, EARTH : EARTH + 3] = radius * (
            np.cos(now)[:, None] * first + np.sin(now)[:, None] * second
        )
        return out

    inside_s = 1e-3 * GRANULE_S  # the granules' edges are those of the table
    fit = BodyTable.fit(table.epoch, table.start_s + inside_s, table.end_s - inside_s, columns)
    assert fit.coefficients.shape == table.coefficients.shape
    return fit.coefficients


def earth_of(table: BodyTable, t_s):
    """Positions, velocities and accelerations (N, 3) of the Earth from the Moon, km and s, ICRF."""
    place = (np.asarray(t_s, dtype=float) - table.first_s) / GRANULE_S
    index = np.clip(place.astype(int), 0, table.coefficients.shape[0] - 1)
    x = 2.0 * (place - index) - 1.0
    rows = table.coefficients[:, :, EARTH : EARTH + 3]
    out = []
    for order in range(3):
        rows = chebyshev.chebder(rows, axis=1) * (2 / GRANULE_S) if order else rows
        basis = chebyshev.chebvander(x, COEFFICIENTS - 1 - order)
        out.append(np.einsum("nk,nkc->nc", basis, rows[index]))
    return out


def pulsating_frames(table: BodyTable, t_s, pace: float) -> np.ndarray:
    """Matrices (N, 6, 6) from the rotating pulsating frame to MOON_ICRF, km and km/s.

    Rotating states are Moon-centred in units of the Earth-Moon distance, with velocities per unit
    of nondimensional time, of which ``pace`` pass in a second.
    """
    moon, speed, push = (-v for v in earth_of(table, t_s))
    distance = np.linalg.norm(moon, axis=1)
    x = moon / distance[:, None]
    away = (x * speed).sum(axis=1)
    x_rate = (speed - away[:, None] * x) / distance[:, None]
    turn, turn_rate = np.cross(moon, speed), np.cross(moon, push)
    size = np.linalg.norm(turn, axis=1)[:, None]
    z = turn / size
    z_rate = (turn_rate - (z * turn_rate).sum(axis=1)[:, None] * z) / size
    y, y_rate = np.cross(z, x), np.cross(z_rate, x) + np.cross(z, x_rate)
    axes, rates = np.stack([x, y, z], axis=2), np.stack([x_rate, y_rate, z_rate], axis=2)
    out = np.zeros((len(moon), 6, 6))
    out[:, :3, :3] = distance[:, None, None] * axes
    out[:, 3:, :3] = distance[:, None, None] * rates + away[:, None, None] * axes
    out[:, 3:, 3:] = pace * out[:, :3, :3]
    return out


def _to_km(frames, place):
    return np.einsum("nij,nj->ni", frames, place)


def _foretold(known, share):
    """The deviation at ``share`` by Lagrange's polynomial through the last worlds."""
    last = known[-_PREDICT:] if len(known) > _PREDICT else known[-2:]
    return sum(
        math.prod((share - b) / (a - b) for b, _ in last if b != a) * place for a, place in last
    )
