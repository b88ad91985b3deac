"""How an uncertain state spreads: linear covariance by transition matrices, and Monte Carlo.

Covariances are (6, 6) of (position km, velocity km/s) on MOON_ICRF axes. The linear one holds while
the cloud stays small against the curvature of the flow; ``disperse`` tells when it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orbits.ephemeris import Ephemeris
from orbits.epoch import Epoch
from orbits.errors import InputError
from orbits.forces import ForceModel
from orbits.propagate import flow
from orbits.show import html_table


@dataclass(frozen=True, eq=False)
class Dispersion:
    """A cloud of flights: ``states`` (n, N, 6) at ``t_s`` (N,), MOON_ICRF km and km/s."""

    epoch: Epoch
    t_s: np.ndarray
    states: np.ndarray

    def _repr_html_(self) -> str:
        median, far = (float(self.position_km(share)[-1]) for share in (0.5, 0.99))
        return html_table({
            "flights": len(self.states), "epoch": self.epoch.tdb_text() + " TDB",
            "end_s": float(self.t_s[-1]), "median distance from the mean_km": median,
            "99 % within_km": far,
        })  # fmt: skip

    @property
    def mean(self) -> np.ndarray:
        """Mean states (N, 6)."""
        return self.states.mean(axis=0)

    @property
    def covariance(self) -> np.ndarray:
        """Sample covariances (N, 6, 6)."""
        away = self.states - self.mean
        return np.einsum("kni,knj->nij", away, away) / (len(self.states) - 1)

    def position_km(self, share: float) -> np.ndarray:
        """Distances (N,) in km from the mean within which ``share`` (0 to 1) of the cloud lies."""
        away = np.linalg.norm((self.states - self.mean)[..., :3], axis=-1)
        return np.quantile(away, share, axis=0)


def diagonal_covariance(position_km: float, velocity_km_s: float) -> np.ndarray:
    """The covariance (6, 6) of equal, independent one-sigma errors on each axis.

    >>> diagonal_covariance(2.0, 1e-3).diagonal().round(9).tolist()
    [4.0, 4.0, 4.0, 1e-06, 1e-06, 1e-06]
    """
    if not (position_km >= 0 and velocity_km_s >= 0):
        raise InputError("one-sigma errors are not negative")
    return np.diag(np.repeat([position_km**2, velocity_km_s**2], 3))


def _checked(state, covariance, t_s, t0_s):
    y, p, t = (np.asarray(x, dtype=float) for x in (state, covariance, np.atleast_1d(t_s)))
    if y.shape != (6,) or p.shape != (6, 6):
        raise InputError(f"a state {y.shape} and a covariance {p.shape}", allowed="(6,) and (6, 6)")
    if not (np.isfinite(y).all() and np.isfinite(p).all() and np.isfinite(t).all()):
        raise InputError("state, covariance and times must be finite")
    unit = np.sqrt(np.maximum(np.diag(p), 0.0))
    unit[unit == 0] = 1.0
    scaled = p / np.outer(unit, unit)
    if not np.allclose(scaled, scaled.T, atol=1e-9) or np.linalg.eigvalsh(scaled).min() < -1e-9:
        raise InputError("a covariance is symmetric and not negative", key="covariance")
    if not t.size or not (np.diff(t) > 0).all() or t[0] < t0_s:
        raise InputError(f"times must increase from {t0_s} s on", key="t_s")
    return y, p, t


def _legs(t, t0_s):
    return np.concatenate(([t0_s], t[:-1])), t


def propagate_covariance(
    state, covariance, epoch: Epoch, t_s, ephemeris: Ephemeris, model: ForceModel | None = None, *,
    t0_s: float = 0.0, noise_km2_s3: float = 0.0, **craft,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """States (N, 6), covariances (N, 6, 6) and transition matrices (N, 6, 6) at ``t_s``.

    ``state`` (6,) and ``covariance`` (6, 6) hold at ``t0_s``; ``t_s`` (N,) increase from there, and
    the matrices lead from there. P = Phi P0 Phi^T; ``noise_km2_s3`` is the density of white
    acceleration noise on each axis, added leg by leg. Degree 20 unless a model is given; ``craft``
    is area_m2, mass_kg, cr. Raises InputError.
    """
    y, p, t = _checked(state, covariance, t_s, t0_s)
    if not noise_km2_s3 >= 0:
        raise InputError("a noise density is not negative", key="noise_km2_s3", value=noise_km2_s3)
    model = model or ForceModel.standard()
    table = ephemeris.table(epoch, t0_s, t[-1])
    states, covariances, matrices = (np.empty((t.size, *s)) for s in ((6,), (6, 6), (6, 6)))
    total = np.eye(6)
    for k, (a, b) in enumerate(zip(*_legs(t, t0_s), strict=True)):
        end, phi = flow(y, a, b, epoch, table, model, **craft)
        assert phi is not None
        y, total = end[0], phi[0] @ total
        p = phi[0] @ p @ phi[0].T
        if noise_km2_s3:
            h = b - a
            block = np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]]) * noise_km2_s3
            p = p + np.kron(block, np.eye(3))
        p = 0.5 * (p + p.T)
        states[k], covariances[k], matrices[k] = y, p, total
    return states, covariances, matrices


def disperse(
    state, covariance, epoch: Epoch, t_s, ephemeris: Ephemeris, model: ForceModel | None = None, *,
    count: int, seed: int, t0_s: float = 0.0, impact: bool = False, **craft,
) -> Dispersion:  # fmt: skip
    """A cloud of ``count`` flights drawn from a Gaussian state, over both cores at once.

    As :func:`propagate_covariance`, with the whole model for each member. The same ``seed`` gives
    the same cloud. With ``impact``, raises ImpactError when any member strikes a body.
    """
    y, p, t = _checked(state, covariance, t_s, t0_s)
    if count < 2:
        raise InputError(f"a cloud of {count}", key="count", value=count, allowed=">= 2")
    model = model or ForceModel.standard()
    values, vectors = np.linalg.eigh(p)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    now = y + np.random.default_rng(seed).normal(size=(count, 6)) @ root.T
    table = ephemeris.table(epoch, t0_s, t[-1])
    out = np.empty((count, t.size, 6))
    for k, (a, b) in enumerate(zip(*_legs(t, t0_s), strict=True)):
        if b > a:
            now, _ = flow(now, a, b, epoch, table, model, stm=False, impact=impact, **craft)
        out[:, k] = now
    return Dispersion(epoch, t, out)
