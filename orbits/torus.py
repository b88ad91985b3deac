"""Quasi-periodic spatial DROs of the three-body problem: orbits that wind about a torus.

A planar DRO is stable across its plane, so that one lifted out of it goes round and up and down
with two periods that do not match, and never repeats: a three-dimensional quasi-satellite orbit.
The states that one such orbit has, once a mean revolution, lie on a closed curve which the flow of
a revolution maps onto itself, turned by an angle (Gomez and Mondelo, Physica D 157:283, 2001;
Olikara and Scheeres, AAS 12-159). The curve is found as a Fourier series by Newton steps.

The curve's angle is 0 where the orbit crosses at its highest. Mirror symmetries leave x and vy
with even cosines, y and vx with even sines, z with odd cosines and vz with odd sines only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from orbits.continuation import acceleration
from orbits.errors import ConvergenceError
from orbits.interpolate import hermite_many
from orbits.propagate import cr3bp_flow, cr3bp_path

HARMONICS = 16
CLOSED_ND = 2e-5  # largest defect of a curve after a revolution, 8 km of 1.4e6 flown
AIM_ND = 1e-10
FIT_ND = 1e-6  # how near the amplitudes must come, 400 m
CLOSE_ENOUGH = 0.005  # of them, where resonances let no curve close nearer
LASTING_TU = 824.0  # ten years
_PER_REV = 64
TABLE = (
    Path(__file__).parent / "data" / "tori.csv"
)  # tori that take long to find, for the catalogue
_STEPS = 12
_GRID = 48  # angles and instants in which the largest |z| is sought


class NoTorus(ConvergenceError):
    """There is no torus of that height about the orbit; ``reached`` is the highest found."""

    def __init__(self, reached: float, what: str = "no torus closes so high"):
        self.reached = reached
        super().__init__(what)


@dataclass(frozen=True, eq=False)
class Winding:
    """An orbit that winds about a torus, from its near-side crossing, as ten years of flight show.

    ``state`` (6) at the crossing, ``period`` the mean revolution, ``vertical_period`` the mean
    oscillation, ``near`` the mean crossing's distance from the Moon, ``height`` the largest |z|,
    ``least`` and ``most`` the distances from the Moon, ``growth`` by which a small error is
    multiplied a revolution, in the mean. All nondimensional.
    """

    state: np.ndarray
    period: float
    vertical_period: float
    near: float
    height: float
    least: float
    most: float
    growth: float


@dataclass(frozen=True, eq=False)
class Torus:
    """An invariant torus about a planar DRO; nondimensional, barycentric, rotating.

    ``series`` are the coefficients of the curve, ``period`` the mean revolution, ``turn`` the
    angle (rad) that the curve turns in it, whole turns included: the vertical oscillation's.
    ``near`` is the mean distance from the Moon at the near-side crossings, ``height`` the largest
    |z|, ``defect`` what the curve misses itself by after a revolution.
    """

    mu: float
    series: np.ndarray
    period: float
    turn: float
    near: float
    height: float
    defect: float

    @property
    def vertical_period(self) -> float:
        """Mean period of the oscillation through the plane."""
        return 2 * np.pi * self.period / self.turn

    def states(self, around, vertical) -> np.ndarray:
        """States (N, 6) at angles (rad) about the Moon and through the plane (N,).

        The first is 0 at the mean near-side crossing, the second a quarter turn at the highest.
        """
        around, vertical = np.broadcast_arrays(np.asarray(around, float), vertical)
        share = (around / (2 * np.pi)) % 1.0
        begin = _basis(vertical - np.pi / 2 - share * self.turn)[0] @ self.series
        return cr3bp_flow(begin, share * self.period, self.mu, stm=False)[0]

    def crossing(self, vertical: float) -> np.ndarray:
        """State (6) at the near-side crossing of the x-z plane with a vertical phase (rad)."""
        return _crossings(_basis(np.array([vertical - np.pi / 2]))[0] @ self.series, self.mu)[0]


def _sizes():
    n = HARMONICS
    return np.cumsum([0, n + 1, n, n + 1, n, n + 1, n + 1])


_AT = _sizes()
_HEIGHT = _AT[2]  # the first cosine of z


def _basis(angles):
    """What the coefficients are multiplied with: values and slopes (N, 6, M) at angles (N,)."""
    even = 2 * np.arange(HARMONICS + 1)
    odd = even + 1
    values = np.zeros((len(angles), 6, _AT[-1]))
    slopes = np.zeros_like(values)
    for part, (waves, is_cosine) in enumerate(
        [(even, True), (even[1:], False), (odd, True), (even[1:], False), (even, True),
         (odd, False)]
    ):  # fmt: skip
        columns = slice(_AT[part], _AT[part + 1])
        cosine, sine = np.cos(np.outer(angles, waves)), np.sin(np.outer(angles, waves))
        values[:, part, columns] = cosine if is_cosine else sine
        slopes[:, part, columns] = waves * (-sine if is_cosine else cosine)
    return values, slopes


def _close(series, period, turn, mu, free):
    """The curve nearest the guess that maps onto itself: series, period, turn, defect.

    ``free`` (M + 2) says which of the coefficients, the period and the turn may change.
    """
    count = 2 * HARMONICS + 1
    angles = np.pi * np.arange(count) / count  # the other half is the mirror image
    here = _basis(angles)[0]
    best, best_size, worse = None, np.inf, 0
    for _ in range(_STEPS):
        ends, matrices = cr3bp_flow(here @ series, period, mu)
        assert matrices is not None  # asked for
        values, slopes = _basis(angles + turn)
        fault = (values @ series - ends).ravel()
        size = float(np.abs(fault).max())
        if size < best_size:
            best, best_size = (series, period, turn), size
        else:
            worse += 1
            if size > 1e3 * best_size or (worse > 1 and best_size < CLOSED_ND):
                break
        if size < AIM_ND:
            break
        slope = np.empty((fault.size, series.size + 2))
        slope[:, :-2] = (values - matrices @ here).reshape(fault.size, -1)
        slope[:, -2] = -np.concatenate([np.append(e[3:], acceleration(e, mu)) for e in ends])
        slope[:, -1] = (slopes @ series).ravel()
        change = np.zeros(series.size + 2)
        slope = slope[:, free]
        try:  # well conditioned away from resonances, and small: normal equations are fastest
            change[free] = np.linalg.solve(slope.T @ slope, -(slope.T @ fault))
        except np.linalg.LinAlgError:
            break
        series, period, turn = series + change[:-2], period + change[-2], turn + change[-1]
        if not (np.isfinite(change).all() and np.abs(change).max() < 0.3):
            break
    if best is None or best_size > CLOSED_ND:
        raise ConvergenceError("the torus did not close", residual=best_size)
    return *best, best_size


def _crossings(states, mu):
    """The states (N, 6) moved along their orbits to the x-z plane near them."""
    for _ in range(6):
        states = cr3bp_flow(states, -states[:, 1] / states[:, 4], mu, stm=False)[0]
        if np.abs(states[:, 1]).max() < 1e-13:
            break
    return states


def _measured(series, period, turn, defect, mu) -> Torus:
    """The torus with its size: mean near-side crossing, and the largest |z| anywhere on it."""
    angles = np.pi * np.arange(2 * HARMONICS + 1) / (2 * HARMONICS + 1)
    crossed = _crossings(_basis(angles)[0] @ series, mu)
    near = float((1 - mu - crossed[:, 0]).mean())
    angles = np.pi * np.arange(_GRID) / _GRID
    instants = np.linspace(0.0, period, _GRID + 1)
    begin = _basis(angles)[0] @ series
    z = np.array([np.abs(cr3bp_path(state, instants, mu)[:, 2]) for state in begin])
    row, column = np.unravel_index(np.argmax(z), z.shape)
    # a curved surface through the highest and its eight neighbours
    u, v = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing="ij")
    columns = (int(column) + np.array([-1, 0, 1])) % _GRID
    if column in (0, _GRID):  # the orbit goes on where the instants end
        shifted = _basis(angles[row] + np.pi / _GRID * np.array([-1, 0, 1]))[0] @ series
        step = period / _GRID
        patch = np.array(
            [
                np.abs(cr3bp_path(s, np.array([-step, 0.0, step]), mu)[:, 2])
                if column == 0
                else np.abs(
                    cr3bp_path(s, np.array([period - step, period, period + step]), mu)[:, 2]
                )
                for s in shifted
            ]
        )
    else:
        patch = z[np.ix_((int(row) + np.array([-1, 0, 1])) % _GRID, columns)]
    terms = np.stack([np.ones(9), *(w.ravel() for w in (u, v, u * u, u * v, v * v))], axis=1)
    c = np.linalg.lstsq(terms, patch.ravel(), rcond=None)[0]
    bend = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
    at = np.clip(np.linalg.solve(bend, -c[1:3]), -1.0, 1.0)
    height = float(c[0] + 0.5 * c[1:3] @ at)
    return Torus(mu, series, period, turn, near, height, defect)


def _vertical(planar, period, mu):
    """Angle of the vertical oscillation in a revolution of the planar orbit, and its series.

    The angle counts whole turns: the oscillation that the orbit shows most.
    """
    _, matrices = cr3bp_flow(planar[None, :], period, mu)
    assert matrices is not None  # asked for
    block = matrices[0][np.ix_([2, 5], [2, 5])]
    cosine = 0.5 * np.trace(block)
    if abs(cosine) >= 1:
        raise ConvergenceError("the planar orbit is not stable across its plane")
    turn = -np.sign(block[1, 0]) * np.arccos(cosine)  # it goes down after its highest point
    sink = block[1, 0] / np.sin(turn)
    t = np.linspace(0.0, 40 * period, 4001)
    lifted = planar.copy()
    lifted[2] = 1e-6
    z = cr3bp_path(lifted, t, mu)[:, 2]
    cycles = np.count_nonzero((z[:-1] < 0) & (z[1:] >= 0)) / 40
    turn += 2 * np.pi * round(cycles - turn / (2 * np.pi))
    series = np.zeros(_AT[-1])
    series[0], series[_AT[4]] = planar[0], planar[4]
    return series, turn, sink


@lru_cache(maxsize=64)
def find_torus(
    planar: tuple[float, ...], period: float, height: float, mu: float, near: float | None
) -> Torus:
    """The torus of a largest |z| whose mean near-side crossing is ``near``, or None: of a period.

    ``planar`` is the state (6) of the planar DRO of that crossing or period, at the crossing; all
    nondimensional. The torus grows from it. Raises NoTorus where there is none.
    """
    for asked, torus in _stored():
        if np.allclose(asked, _key(height, mu, near, period), rtol=1e-7, atol=0.0):
            return torus
    return grow_torus(planar, period, height, mu, near)


def grow_torus(planar, period: float, height: float, mu: float, near: float | None) -> Torus:
    """The torus that ``find_torus`` asks for, found and not looked up."""
    flat, turn, sink = _vertical(np.array(planar), period, mu)
    free = np.ones(flat.size + 2, dtype=bool)
    free[_HEIGHT] = False  # given
    free[0 if near is not None else -2] = False  # x in the mean, or the period
    # the highest point lies above the crossing: the first cosine of z is a part of the height
    found: list[tuple[float, np.ndarray]] = [(0.0, np.concatenate([flat, [period, turn]]))]
    step, torus = 0.1 * height, None
    while torus is None or torus.height < height:
        lift = found[-1][0] + step
        try:
            guess = _ahead(found, lift, sink)
            if torus is not None and near is not None:
                guess[0] -= near - torus.near
            torus = _measured(*_solve(guess, lift, mu, free), mu)
        except ConvergenceError:
            step *= 0.5
            if step < 2e-3 * height:
                raise NoTorus(torus.height if torus else 0.0) from None
            continue
        found.append((lift, np.concatenate([torus.series, [torus.period, torus.turn]])))
        step = min(step * 1.4, 0.15 * height, max(0.01 * height, 1.02 * (height - torus.height)))
    return _fitted(torus, height, near, free)


def _key(height, mu, near, period):
    """What a stored torus was asked for: mu, height, crossing or 0, period or 0."""
    return [mu, height, near or 0.0, 0.0 if near is not None else period]


@lru_cache(maxsize=1)
def _stored() -> list[tuple[np.ndarray, Torus]]:
    rows = np.loadtxt(TABLE, delimiter=",", ndmin=2) if TABLE.exists() else np.empty((0, 9))
    return [
        (row[:4], Torus(row[0], row[9:], *(float(v) for v in row[4:9]))) for row in rows
    ]  # fmt: skip


def table_row(torus: Torus, height: float, near: float | None, period: float) -> np.ndarray:
    """The row of the table for a torus and what it was asked for; see ``find_torus``."""
    sizes = [torus.period, torus.turn, torus.near, torus.height, torus.defect]
    return np.concatenate([_key(height, torus.mu, near, period), sizes, torus.series])


def _solve(guess, lift, mu, free):
    series = guess[:-2].copy()
    series[_HEIGHT] = lift
    return _close(series, guess[-2], guess[-1], mu, free)


def _ahead(found, lift, sink):
    """The curve to expect at a lift: what is even in it goes with its square."""
    last = found[-3:]
    if len(found) == 1:
        guess = found[0][1].copy()
        guess[_AT[5]] = sink * lift
        return guess
    squares = np.array([entry[0] ** 2 for entry in last])
    weights = [
        np.prod([(lift**2 - squares[j]) / (squares[i] - squares[j])
                 for j in range(len(last)) if j != i])
        for i in range(len(last))
    ]  # fmt: skip
    odd = np.zeros(last[0][1].size, dtype=bool)
    odd[_AT[2] : _AT[3]] = odd[_AT[5] : _AT[6]] = True
    total = np.zeros(last[0][1].size)
    for weight, (its, values) in zip(weights, last, strict=True):
        part = np.where(odd, values / its * lift if its else 0.0, values)
        if not its:  # in the plane: the shape of the first lifted one
            part = np.where(odd, last[1][1] / last[1][0] * lift, part)
        total += weight * part
    return total


def _fitted(torus: Torus, height, near, free) -> Torus:
    """The torus with both sizes as wanted, or the nearest that closes; secant steps."""
    mu = torus.mu
    slope = torus.height / torus.series[_HEIGHT]
    before, stride = None, 1.0
    best, least = torus, np.inf
    for _ in range(20):
        off_height = height - torus.height
        off_near = 0.0 if near is None else near - torus.near
        off = max(abs(off_height), abs(off_near))
        if off < least:
            best, least = torus, off
        if off < FIT_ND:
            break
        if before is not None and abs(torus.series[_HEIGHT] - before[0]) > 1e-6:
            tried = (torus.height - before[1]) / (torus.series[_HEIGHT] - before[0])
            if 0.3 < tried < 3.0:
                slope = tried
        guess = np.concatenate([torus.series, [torus.period, torus.turn]])
        lift = torus.series[_HEIGHT] + stride * off_height / slope
        guess[0] -= stride * off_near
        try:
            moved = _measured(*_solve(guess, lift, mu, free), mu)
        except ConvergenceError:
            stride *= 0.4
            if stride < 0.1:
                break
            continue
        before, torus = (torus.series[_HEIGHT], torus.height), moved
        stride = min(1.0, 2 * stride)
    if least > CLOSE_ENOUGH * height:
        raise NoTorus(best.height)
    return best


@lru_cache(maxsize=64)
def wind(torus: Torus, vertical: float) -> Winding:
    """The orbit on the torus that crosses, on the near side, with a vertical phase (rad).

    It is flown for ten years. Raises NoTorus if it does not stay a retrograde orbit so long.
    """
    mu, state = torus.mu, torus.crossing(vertical)
    count = int(LASTING_TU / torus.period * _PER_REV)
    t = np.linspace(0.0, LASTING_TU, count)
    path = cr3bp_path(state, t, mu)
    from_moon = path[:, :3] - (1 - mu, 0.0, 0.0)
    y = path[:, 1]
    at = np.flatnonzero((y[:-1] * y[1:] < 0) & (from_moon[:-1, 0] < 0))
    instants = t[at] - y[at] * (t[at + 1] - t[at]) / (y[at + 1] - y[at])
    revs = np.diff(instants)
    distance = np.linalg.norm(from_moon, axis=1)
    strays = distance.max() > 3 * torus.near or distance.min() < 0.3 * torus.near
    if strays or not len(revs) or revs.max() > 1.5 * torus.period:
        raise NoTorus(
            torus.height, "with this vertical phase the orbit does not last for ten years"
        )
    crossed = hermite_many(t, np.ascontiguousarray(path), instants)
    z = path[:, 2]
    ups = np.count_nonzero((z[:-1] < 0) & (z[1:] >= 0))
    last = np.flatnonzero((z[:-1] < 0) & (z[1:] >= 0))[[0, -1]]
    _, matrices = cr3bp_flow(state, LASTING_TU, mu)
    assert matrices is not None  # asked for
    return Winding(
        state=state,
        period=float(np.polyfit(np.arange(len(instants)), instants, 1)[0]),
        vertical_period=float((t[last[1]] - t[last[0]]) / (ups - 1)),
        near=float((1 - mu - crossed[:, 0]).mean()),
        height=float(np.abs(z).max()),
        least=float(distance.min()), most=float(distance.max()),
        growth=float(np.linalg.norm(matrices[0], 2) ** (torus.period / LASTING_TU)),
    )  # fmt: skip
