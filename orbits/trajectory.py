"""Trajectories: tabulated states with interpolation, silent nowhere outside their span."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from orbits.epoch import Epoch, seconds_past
from orbits.errors import SpanError
from orbits.interpolate import hermite_many
from orbits.show import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Shown):
    """States of one body, km and km/s, Moon-centred on ICRF axes unless ``frame`` says otherwise.

    ``t_s`` (N,) are TDB seconds past ``epoch``, increasing; ``states`` (N, 6). ``notes`` holds
    what the builder measured (worst discontinuity, mean period, flown perilunes, ...), by the
    names of the ``orbit --json`` output.
    """

    epoch: Epoch
    t_s: np.ndarray
    states: np.ndarray
    frame: str = "MOON_ICRF"
    name: str = ""
    notes: dict = field(default_factory=dict)

    def __post_init__(self):
        t = np.ascontiguousarray(self.t_s, dtype=float)
        y = np.ascontiguousarray(self.states, dtype=float)
        if t.ndim != 1 or y.shape != (t.size, 6) or t.size < 2:
            raise ValueError(f"times {t.shape} and states {y.shape} do not make a trajectory")
        if not (np.diff(t) > 0).all() or not np.isfinite(y).all():
            raise ValueError("trajectory times must increase and states be finite")
        t.flags.writeable = y.flags.writeable = False
        object.__setattr__(self, "t_s", t)
        object.__setattr__(self, "states", y)

    def figures(self) -> dict[str, object]:
        """What a notebook or a prompt shows, by name."""
        away = np.linalg.norm(self.states[:, :3], axis=1)
        notes = {k: v for k, v in self.notes.items() if isinstance(v, (int, float, str, list))}
        return {
            "name": self.name, "frame": self.frame, "epoch": self.epoch.tdb_text() + " TDB",
            "start_s": self.start_s, "end_s": self.end_s, "rows": self.t_s.size,
            "least distance_km": float(away.min()), "largest distance_km": float(away.max()),
            **notes,
        }  # fmt: skip

    @property
    def start_s(self) -> float:
        return float(self.t_s[0])

    @property
    def end_s(self) -> float:
        return float(self.t_s[-1])

    def at(self, t_s) -> np.ndarray:
        """States (..., 6) in km and km/s, in the trajectory's frame, at ``t_s``.

        ``t_s``: seconds past the epoch, or astropy's ``Quantity`` or ``Time``. Hermite
        interpolation of degree 7. Raises SpanError outside the span. ``orbits.frames.transform``
        brings states to other frames.
        """
        t = np.asarray(seconds_past(self.epoch, t_s), dtype=float)
        flat = np.ascontiguousarray(t.ravel())
        outside = (flat < self.t_s[0]) | (flat > self.t_s[-1]) | ~np.isfinite(flat)
        if outside.any():
            raise SpanError(
                f"trajectory {self.name!r} asked for at {flat[outside][0]} s",
                allowed=f"{self.start_s} to {self.end_s} s past {self.epoch}",
            )
        return hermite_many(self.t_s, self.states, flat).reshape(*t.shape, 6)

    def position_km(self, t_s) -> np.ndarray:
        """Positions (..., 3) in km at ``t_s``, as for ``at``."""
        return self.at(t_s)[..., :3]

    def rebased(self, epoch: Epoch) -> Trajectory:
        """The same states with times counted from another epoch."""
        offset = self.epoch - epoch
        return Trajectory(epoch, self.t_s + offset, self.states, self.frame, self.name, self.notes)
