"""Multiple shooting: a continuous trajectory near a reference, in any force model.

Unknown are the states at given times (nodes). Each is flown to the next node's time; what is
missing there is removed by Newton steps of least norm, so that of all continuous trajectories one
near the reference is found. Times are fixed: a reference of period P keeps its period.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from orbits.ephemeris import BodyTable
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError
from orbits.forces import EPHEMERIS, FIRST, ForceModel, pack
from orbits.propagate import _STEP_MAX_S, _run_arcs, _run_path

GAP_KM, GAP_KM_S = 1e-6, 1e-9  # 1 mm and 1 um/s: continuous
AIM = 0.02  # of those: Newton goes on to here while it still gains
ROUGH = 1e4  # of those: enough for a piece that will be corrected again
STEP_KM = 4000.0  # no Newton step moves a node further: the linear picture ends about there
MAX_STEPS = 40


@dataclass(frozen=True, eq=False)
class Arc:
    """What a trajectory is flown in: an epoch, a body table, a force model, the craft, a tolerance.

    ``craft`` holds area_m2, mass_kg and cr where solar pressure is wanted.
    """

    epoch: Epoch
    table: BodyTable
    model: ForceModel
    craft: dict
    rtol: float = 1e-12

    def _packed(self):
        c, coefficients, field = pack(self.model, self.table, impact=False, **self.craft)
        c = c.copy()
        c[FIRST] -= self.epoch - self.table.epoch
        return c, coefficients, field

    def flow(self, states, t0_s, t1_s):
        """States (K, 6) at ``t1_s`` of those at ``t0_s``, and transition matrices (K, 6, 6)."""
        ends = _run_arcs(
            EPHEMERIS, 42, np.ascontiguousarray(states), np.ascontiguousarray(t0_s),
            np.ascontiguousarray(t1_s), self._packed(), self.rtol, _STEP_MAX_S,
        )  # fmt: skip
        return ends[:, :6], ends[:, 6:].reshape(-1, 6, 6)

    def between(self, node_t_s, nodes, t_out_s) -> np.ndarray:
        """States (N, 6) at increasing ``t_out_s``, each flown forward from the node last passed.

        Instants before the first node are flown backward from it. Surfaces are not looked at.
        """
        t, at = np.asarray(t_out_s, dtype=float), np.asarray(node_t_s, dtype=float)
        packed = self._packed()
        edges = np.searchsorted(t, at[1:], side="left")
        out = np.empty((t.size, 6))
        for k, (a, b) in enumerate(itertools.pairwise([0, *edges, t.size])):
            if b > a:
                out[a:b] = _run_path(
                    EPHEMERIS, np.array(nodes[k : k + 1]), float(at[k]), t[a:b],
                    packed, self.rtol, _STEP_MAX_S,
                )  # fmt: skip
        return out

    def single(self, state, t_out_s) -> np.ndarray:
        """States (N, 6) at monotonic ``t_out_s`` (N,) of the ``state`` (6) at the first."""
        t = np.asarray(t_out_s, dtype=float)
        if t[-1] > t[0]:
            return self.between(t[:1], np.array(state)[None], t)
        return self.between(t[:1], np.array(state)[None], t[::-1])[::-1]

    def both_ways(self, state, t_out_s) -> np.ndarray:
        """States (N, 6) at increasing ``t_out_s`` on both sides of 0, where ``state`` (6) holds."""
        return self.between(np.zeros(1), np.array(state)[None], t_out_s)


@dataclass(frozen=True, eq=False)
class Nodes:
    """States (K, 6) in km and km/s, Moon-centred ICRF, at ``t_s`` (K,).

    ``gaps`` (K - 1, 6) is what is missing before each node but the first.
    """

    t_s: np.ndarray
    states: np.ndarray
    gaps: np.ndarray

    @property
    def worst_gap_m(self) -> float:
        """Largest position gap in m."""
        return float(np.linalg.norm(self.gaps[:, :3], axis=1).max() * 1e3)

    @property
    def worst_gap_mm_s(self) -> float:
        """Largest velocity gap in mm/s."""
        return float(np.linalg.norm(self.gaps[:, 3:], axis=1).max() * 1e6)


def gap_size(gaps) -> float:
    """Largest gap in units of what counts as continuous (1 mm, 1 um/s)."""
    position = np.linalg.norm(gaps[:, :3], axis=1).max() / GAP_KM
    velocity = np.linalg.norm(gaps[:, 3:], axis=1).max() / GAP_KM_S
    return float(max(position, velocity))


def least_norm(matrices, gaps, weights) -> np.ndarray:
    """Change (K, 6) of the nodes, least in weighted norm, that closes the linearised gaps.

    ``matrices`` (K - 1, 6, 6) are the transition matrices, ``gaps`` (K - 1, 6) flown minus next
    node, ``weights`` (6) the variances allowed. Block tridiagonal normal equations, by Cholesky.
    """
    from scipy.linalg import solveh_banded

    count = len(gaps)
    root = np.sqrt(weights)  # scaled so that all six components count alike
    phi = matrices * root[None, None, :] / root[None, :, None]
    fault = gaps / root
    diagonal = phi @ np.swapaxes(phi, 1, 2) + np.eye(6)
    below = -phi[1:]  # block (k + 1, k) of J J^T
    band = np.zeros((12, 6 * count))
    for i in range(6):
        for j in range(6):
            if i >= j:
                band[i - j, j::6] = diagonal[:, i, j]
            if count > 1:
                band[6 + i - j, j : 6 * (count - 1) : 6] = below[:, i, j]
    multiplier = solveh_banded(band, fault.ravel(), lower=True).reshape(count, 6)
    change = np.zeros((count + 1, 6))
    change[:-1] -= np.einsum("kij,ki->kj", phi, multiplier)
    change[1:] += multiplier
    return change * root


def close(arc: Arc, t_s, states, weights, aim: float = AIM) -> Nodes:
    """Nodes near the given ``states`` (K, 6) at ``t_s`` (K,), continuous to 1 mm and 1 um/s.

    ``aim`` is the largest gap, in those units, at which it is content. Raises ConvergenceError.
    """
    nodes = np.array(states, dtype=float)
    t = np.asarray(t_s, dtype=float)
    best, found = np.inf, None
    stalled = 0
    for _ in range(MAX_STEPS):
        flown, matrices = arc.flow(nodes[:-1], t[:-1], t[1:])
        gaps = flown - nodes[1:]
        size = gap_size(gaps)
        if size < best:
            found = Nodes(t, nodes, gaps)
        stalled = 0 if size < 0.5 * best else stalled + 1
        best = min(best, size)
        if best < aim or (best < 1.0 and stalled) or stalled >= 12:
            break
        change = least_norm(matrices, gaps, weights)
        length = np.linalg.norm(change[:, :3], axis=1).max()
        if not length < 1e8:
            break
        nodes = nodes + change * min(1.0, STEP_KM / length)
    if found is None or best >= max(1.0, aim):
        raise ConvergenceError(
            "no continuous trajectory near the orbit was found; largest gap in km",
            residual=best * GAP_KM,
        )
    return found


def grow(arc: Arc, t_s, reference, weights, per_rev: int, full: Arc) -> Nodes:
    """Nodes along the whole ``reference`` (K, 6): a few revolutions at a time, then all at once.

    Pieces are flown with ``arc`` (point masses), the whole with ``full``. Smaller pieces are tried
    where larger ones fail. Raises ConvergenceError.
    """
    for first, more in ((4, 2), (2, 1)):
        try:
            states = _piecewise(arc, t_s, reference, weights, first * per_rev, more * per_rev)
            return close(full, t_s, states, weights)
        except ConvergenceError:
            if more == 1:
                raise
    raise AssertionError


def _piecewise(arc, t_s, reference, weights, first, more):
    done = min(first + 1, len(t_s))
    states = np.array(reference, dtype=float)
    states[:done] = close(arc, t_s[:done], states[:done], weights, ROUGH).states
    while done < len(t_s):
        begin, done = max(0, done - 3 * more - 1), min(done + more, len(t_s))
        piece = slice(begin, done)
        states[piece] = close(arc, t_s[piece], states[piece], weights, ROUGH).states
    return states
