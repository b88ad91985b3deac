"""Multiple shooting: a continuous trajectory near a reference, in any force model.

Unknown are the states at given times (nodes). Each is flown to the next node's time; what is
missing there is removed by Newton steps of least norm, so that of all continuous trajectories one
near the reference is found. Times are fixed: a reference of period P keeps its period. The arc
grows by a few revolutions at a time with point masses and a loose tolerance, is closed as a whole,
and only then polished in the full model.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from orbits.constants import DAY_S
from orbits.ephemeris import BodyTable
from orbits.epoch import Epoch
from orbits.errors import ConvergenceError
from orbits.forces import EPHEMERIS, FIRST, GM_BODIES, ForceModel, pack
from orbits.propagate import _STEP_MAX_S, _run_arcs, _run_path

GAP_KM, GAP_KM_S = 1e-6, 1e-9  # 1 mm and 1 um/s: continuous
AIM = 0.02  # of those: Newton goes on to here while it still gains
ROUGH = 1e5  # of those: enough for what will be corrected again
LOOSE = 1e6  # of those: enough on the way
ROUGH_RTOL = 1e-9  # and the tolerance it is flown with
STEP_KM = 8000.0  # no Newton step moves a node further: the linear picture ends about there
LOST_KM = 1e6  # a step that would go further than this leads nowhere
MAX_STEPS = 20
PULLS = 3  # first steps over the whole arc that also draw it back to the reference
_STRIDES = (
    (4, 2),
    (2, 1),
)  # revolutions: to begin with, and to add; the second where the first fails
_BEGIN = 3  # revolutions, of an arc that is grown as a whole
_OVERLAP = 3  # strides that are corrected again with the one added
_SETTLED_KM = 1.0  # a change below this leaves the partials as they were


@dataclass(frozen=True, eq=False)
class Arc:
    """What a trajectory is flown in: an epoch, a body table, a force model, the craft, a tolerance.

    ``craft`` holds area_m2, mass_kg and cr where solar pressure is wanted. ``share`` of the pull of
    the Sun and the planets is felt.
    """

    epoch: Epoch
    table: BodyTable
    model: ForceModel
    craft: dict
    rtol: float = 1e-12
    share: float = 1.0

    def rough(self) -> Arc:
        """The same with point masses and a loose tolerance: where to look for an orbit."""
        model = ForceModel(degree=0, bodies=self.model.bodies, srp=False)
        return replace(self, model=model, craft={}, rtol=ROUGH_RTOL)

    def _packed(self):
        c, coefficients, field = pack(self.model, self.table, impact=False, **self.craft)
        c = c.copy()
        c[FIRST] -= self.epoch - self.table.epoch
        c[GM_BODIES + 1 : GM_BODIES + 4] *= self.share
        return c, coefficients, field

    def flow(self, states, t0_s, t1_s):
        """States (K, 6) at ``t1_s`` of those at ``t0_s``, and transition matrices (K, 6, 6)."""
        ends = self._run(42, states, t0_s, t1_s)
        return ends[:, :6], ends[:, 6:].reshape(-1, 6, 6)

    def ends(self, states, t0_s, t1_s) -> np.ndarray:
        """States (K, 6) at ``t1_s`` of those at ``t0_s``."""
        return self._run(6, states, t0_s, t1_s)

    def _run(self, n, states, t0_s, t1_s):
        return _run_arcs(
            EPHEMERIS, n, np.ascontiguousarray(states), np.ascontiguousarray(t0_s),
            np.ascontiguousarray(t1_s), self._packed(), self.rtol, _STEP_MAX_S,
        )  # fmt: skip

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
    node, ``weights`` (6) the variances allowed. Block tridiagonal normal equations, by banded
    Cholesky. Raises ConvergenceError where they have no solution.
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
    try:
        multiplier = solveh_banded(band, fault.ravel(), lower=True).reshape(count, 6)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "the pieces of the orbit cannot be joined; largest gap in km",
            residual=float(np.linalg.norm(gaps[:, :3], axis=1).max()),
        ) from None
    change = np.zeros((count + 1, 6))
    change[:-1] -= np.einsum("kij,ki->kj", phi, multiplier)
    change[1:] += multiplier
    return change * root


def _toward(matrices, gaps, weights, wanted):
    """Change (K, 6) that closes the linearised gaps and is nearest the change ``wanted``."""
    left = gaps + np.einsum("kij,kj->ki", matrices, wanted[:-1]) - wanted[1:]
    return wanted + least_norm(matrices, left, weights)


class LostError(ConvergenceError):
    """No continuous trajectory was found; ``reached_s`` is how far one was, on the arc's times."""

    def __init__(self, residual: float | None, reached_s: float):
        self.reached_s = reached_s
        super().__init__(
            "no continuous trajectory near the orbit was found beyond day "
            f"{reached_s / DAY_S:.0f}; largest gap in km",
            residual=residual,
        )


def _lost(gaps_size, t_s):
    return LostError(gaps_size * GAP_KM, float(t_s[0]))


def close(
    arc: Arc, t_s, states, weights, aim: float = ROUGH, reference=None, *,
    steps: int = MAX_STEPS, pulls: int = PULLS,
) -> Nodes:  # fmt: skip
    """Nodes near the given ``states`` (K, 6) at ``t_s`` (K,) whose largest gap is below ``aim``.

    ``aim`` counts in what is continuous (1 mm, 1 um/s). With a ``reference`` (K, 6) the first steps
    draw toward it too, so that the arc does not drift off along itself. Raises ConvergenceError.
    """
    nodes = np.array(states, dtype=float)
    t = np.asarray(t_s, dtype=float)
    best = np.inf
    for step in range(steps):
        flown, matrices = arc.flow(nodes[:-1], t[:-1], t[1:])
        gaps = flown - nodes[1:]
        size = gap_size(gaps)
        best = min(best, size)
        if reference is not None and step < pulls:
            change = _toward(matrices, gaps, weights, reference - nodes)
        elif size < aim:
            return Nodes(t, nodes, gaps)
        else:
            change = least_norm(matrices, gaps, weights)
        length = np.linalg.norm(change[:, :3], axis=1).max()
        if not length < LOST_KM:
            break
        nodes = nodes + change * min(1.0, STEP_KM / length)
    raise _lost(best, t)


def polish(arc: Arc, t_s, states, weights) -> Nodes:
    """Nodes near the nearly continuous ``states`` (K, 6), continuous to 1 mm and 1 um/s in ``arc``.

    The partials come from a lower gravity degree at a loose tolerance, a seventh of the price, and
    are kept once the nodes have settled; if that gains too little, they are the arc's own. Raises
    ConvergenceError.
    """
    nodes = np.array(states, dtype=float)
    t = np.asarray(t_s, dtype=float)
    lean = replace(arc, model=replace(arc.model, degree=min(arc.model.degree, 2)), rtol=ROUGH_RTOL)
    best, found, matrices, exact = np.inf, None, None, False
    stalled = 0
    for _ in range(MAX_STEPS):
        if exact:
            flown, matrices = arc.flow(nodes[:-1], t[:-1], t[1:])
        else:
            flown = arc.ends(nodes[:-1], t[:-1], t[1:])
            if matrices is None:
                _, matrices = lean.flow(nodes[:-1], t[:-1], t[1:])
        gaps = flown - nodes[1:]
        size = gap_size(gaps)
        stalled = 0 if size < 0.5 * best else stalled + 1
        if size < best:
            best, found = size, Nodes(t, nodes, gaps)
        if best < AIM or (best < 1.0 and stalled) or stalled >= 12:
            break
        if stalled >= 2 and not exact:
            exact, matrices = True, None
            continue
        change = least_norm(matrices, gaps, weights)
        length = np.linalg.norm(change[:, :3], axis=1).max()
        if not length < LOST_KM:
            break
        nodes = nodes + change * min(1.0, STEP_KM / length)
        if length > _SETTLED_KM:
            matrices = None
    if found is None or best >= 1.0:
        raise _lost(best, t)
    return found


def grow(arc: Arc, t_s, reference, weights, per_rev: int, whole: bool = False) -> np.ndarray:
    """Nearly continuous states (K, 6) along the ``reference`` (K, 6), ``per_rev`` nodes each turn.

    A few revolutions at a time, then all at once; smaller pieces where larger ones fail. ``whole``
    corrects all that has been grown with each revolution that is added: dearer, for orbits whose
    pieces do not fit together. Raises LostError, which tells the time that was reached.
    """
    if whole:
        return _grow_whole(arc, t_s, reference, weights, per_rev)
    failed: LostError | None = None
    for first, more in _STRIDES:
        try:
            states = grow_piecewise(arc, t_s, reference, weights, first * per_rev, more * per_rev)
            return close(arc, t_s, states, weights, reference=reference).states
        except LostError as fault:
            failed = fault
    assert failed is not None
    raise failed


def _grow_whole(arc, t_s, reference, weights, per_rev):
    states = np.array(reference, dtype=float)
    done, stride = 0, _BEGIN * per_rev + 1
    while done < len(t_s):
        now = slice(0, min(done + stride, len(t_s)))
        try:
            states[now] = close(
                arc, t_s[now], states[now], weights, LOOSE, reference[now], pulls=1
            ).states
        except ConvergenceError as fault:
            stride //= 2
            if not done or stride < per_rev // 2:
                raise LostError(fault.residual, float(t_s[max(done - 1, 0)])) from None
            states[done:] = reference[done:]
        else:
            done, stride = now.stop, per_rev
    return states


def grow_piecewise(arc: Arc, t_s, states, weights, first: int, more: int) -> np.ndarray:
    """The ``states`` (K, 6) made nearly continuous, ``first`` nodes and then ``more`` at a time.

    Each piece takes in what was grown last, so that it can give way. Raises LostError.
    """
    states = np.array(states, dtype=float)
    begin, done = 0, min(first + 1, len(t_s))
    while True:
        piece = slice(begin, done)
        try:
            states[piece] = close(arc, t_s[piece], states[piece], weights).states
        except ConvergenceError as fault:
            raise LostError(fault.residual, float(t_s[begin])) from None
        if done == len(t_s):
            return states
        begin, done = max(0, done - _OVERLAP * more - 1), min(done + more, len(t_s))
