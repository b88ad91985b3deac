"""What positioning survives: any one or any two sources lost, and which loss hurts most.

At every grid instant the fix is solved again without each source in view, and without each pair.
An instant survives the loss of any one source when each of these fixes still serves; the worst
loss is the one that leaves the least service over the span. Its availability is then found with
exact edges, as for the full set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.dop_kernels import GDOP_LIMIT, MIN_SOURCES, NEAREST_KM
from cislunar.needs import judge, worst_window_frac
from cislunar.positioning.dop import covariance, passes
from cislunar.positioning.fixes import find_fixes, gates
from orbits.compiled import njit
from orbits.constants import DAY_S
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from orbits.epoch import Epoch

_LIMIT2 = GDOP_LIMIT * GDOP_LIMIT
COLUMNS = (
    "asset", "lost_count", "sources_lost", "availability_frac", "worst_24h_frac", "longest_gap_s",
    "survives_any_frac", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Loss:
    """Service with some sources lost, spans in s.

    ``lost``: the names of the loss that leaves the least service (alphabetically first of equals;
    empty for the full set, or where no loss takes anything away). ``served``: what it leaves.
    ``survives_any_frac``: the share of the grid instants that are served whichever of so many
    sources are lost.
    """

    lost_count: int
    lost: tuple[str, ...]
    served: Intervals
    survives_any_frac: float


@njit(cache=True, nogil=True)
def _serves(e, w, n, skip_a, skip_b, up, limits, horizontal, rows, weights, ones, plain, weighted):
    """True where the fix without rows ``skip_a`` and ``skip_b`` is within limits."""
    m = 0
    for i in range(n):
        if i in (skip_a, skip_b):
            continue
        rows[m] = e[i]
        weights[m] = w[i]
        m += 1
    if m < MIN_SOURCES or not covariance(rows, ones, m, up, 0.0, plain):
        return False
    if plain[0] + plain[1] + plain[2] > _LIMIT2:
        return False
    if not covariance(rows, weights, m, up, 0.0, weighted):
        return False
    return passes(plain, weighted, limits, horizontal)


@njit(cache=True, nogil=True)
def _losses(user, sources, gate, sise2, noise, sin_step, limits, horizontal, broken, survives):
    """Counts instants served with all sources and not without some.

    ``broken`` (S, S): on the diagonal without that one, off it (i < j) without both; ``survives``
    (3): instants served, served without any one, without any two.
    """
    count, epochs = gate.shape
    e, w = np.empty((count, 3)), np.empty(count)
    rows, weights, ones = np.empty((count, 3)), np.empty(count), np.ones(count)
    index = np.empty(count, np.int64)
    present = np.empty(count, np.bool_)
    plain, weighted, up = np.empty(3), np.empty(3), np.empty(3)
    for k in range(epochs):
        r = math.sqrt(user[k, 0] ** 2 + user[k, 1] ** 2 + user[k, 2] ** 2)
        for i in range(3):
            up[i] = user[k, i] / r
        n = 0
        for s in range(count):
            present[s] = False
            if gate[s, k] == 0.0:
                continue
            x = sources[s, k, 0] - user[k, 0]
            y = sources[s, k, 1] - user[k, 1]
            z = sources[s, k, 2] - user[k, 2]
            d2 = x * x + y * y + z * z
            d = math.sqrt(d2)
            if d < NEAREST_KM:
                continue
            e[n, 0], e[n, 1], e[n, 2] = x / d, y / d, z / d
            high = e[n, 0] * up[0] + e[n, 1] * up[1] + e[n, 2] * up[2] >= sin_step
            w[n] = 1.0 / (sise2[s, k] + (noise[s, 1] if high else noise[s, 0]) * d2)
            index[n] = s
            present[s] = True
            n += 1
        if not _serves(
            e, w, n, -1, -1, up, limits, horizontal, rows, weights, ones, plain, weighted
        ):
            continue
        survives[0] += 1
        one, two = True, True
        for i in range(n):
            if not _serves(
                e, w, n, i, -1, up, limits, horizontal, rows, weights, ones, plain, weighted
            ):
                one = False
                a = index[i]
                broken[a, a] += 1
                for s in range(count):  # lost together with a source out of view
                    if not present[s]:
                        broken[min(a, s), max(a, s)] += 1
        for i in range(n):
            for j in range(i + 1, n):
                if not _serves(
                    e, w, n, i, j, up, limits, horizontal, rows, weights, ones, plain, weighted
                ):
                    two = False
                    broken[min(index[i], index[j]), max(index[i], index[j])] += 1
        survives[1] += one
        survives[2] += one and two


def loss_tolerance(
    t_s: np.ndarray,
    user: np.ndarray,
    sources: np.ndarray,
    names: Sequence[str],
    fixing: Mapping[str, Any],
    served: Intervals | None = None,
) -> tuple[Loss, ...]:
    """Service with no, any one, and any two sources lost, the worst of each named.

    ``t_s``, ``user`` and ``sources`` as for ``fixes.find_fixes``, ``names`` those of the sources
    and ``fixing`` its other arguments by name; ``served`` is what it gives, where that is known.

    With fewer than two sources there is no pair to lose, and fewer rows. A limit that a smaller set
    meets and the full one does not (PDOP and error never do, but the order of sums may at the very
    edge) is not counted as service.
    """
    given = dict(fixing)
    horizontal = bool(given.get("horizontal", False))
    ranging, sise_m = given["ranging"], given["sise_m"]
    count = len(ranging)
    gate, sise2 = gates(
        t_s, ranging, sise_m, given["multipath_m"], given.get("corrected"),
        given.get("residual_m", 0.0),
    )  # fmt: skip
    broken, survives = np.zeros((count, count), np.int64), np.zeros(3, np.int64)
    if count:
        noise = np.array([r.noise_m2_km2 for r in ranging], dtype=float).reshape(count, 2)
        limits = np.array(given.get("limits", (math.inf,) * 3), dtype=float)
        # each instant stands for the step after it, so the last one is not counted
        _losses(
            np.ascontiguousarray(user[:-1, :3], dtype=float), sources, gate[:, :-1], sise2, noise,
            math.sin(given.get("step_elevation_rad", 0.0)), limits, horizontal, broken, survives,
        )  # fmt: skip

    def served_without(lost: Sequence[int]) -> Intervals:
        keep = [s for s in range(count) if s not in lost]
        some = dict(given)
        for key in ("ranging", "sise_m", "corrected"):
            if some.get(key) is not None:
                some[key] = [some[key][s] for s in keep]
        return find_fixes(t_s, user, np.ascontiguousarray(sources[keep]), **some).served

    order = sorted(range(count), key=lambda s: names[s])
    epochs = max(t_s.size - 1, 1)
    full = served_without(()) if served is None else served
    found = [Loss(0, (), full, float(survives[0]) / epochs)]
    for size in (1, 2):
        if count < size:
            break
        best: tuple[int, ...] = ()
        most = 0
        for lost in combinations(order, size):
            taken = int(broken[min(lost), max(lost)])
            if taken > most:
                best, most = lost, taken
        left = served_without(best) if best else full
        named = tuple(sorted(names[s] for s in best))
        found.append(Loss(size, named, left, float(survives[size]) / epochs))
    return tuple(found)


def rows(
    asset: str, losses: Sequence[Loss], need: Any, epoch: Epoch, span_s: float
) -> list[dict[str, Any]]:
    """The rows of ``positioning_tolerance.csv`` of one asset."""
    return [
        {
            "asset": asset,
            "lost_count": loss.lost_count,
            "sources_lost": "; ".join(loss.lost),
            "availability_frac": min(loss.served.total_s / span_s, 1.0),
            "worst_24h_frac": worst_window_frac(loss.served, span_s, DAY_S),
            "longest_gap_s": loss.served.complement(0.0, span_s).longest_s,
            "survives_any_frac": loss.survives_any_frac,
            "verdict": judge(need, loss.served, epoch, span_s).verdict,
        }
        for loss in losses
    ]
