"""Positioning: what a user's ranges tell of where it is, at once and gathered over time.

- ``dop``: position and clock from one-way ranges; ``containment``: the radius of an error;
- ``fixes``: when a user has a fix and how good it is; ``good_fixes``: the same, of fixes within
  limits, quickly; ``tolerance``: what losses of sources leave;
- ``scores``: all users of a scenario against their needs;
- ``accumulate``, with ``accumulate_kernels`` and ``accumulated``: what a user that stands still
  learns from few sources in time.

What ranges to what, and how well, is in ``cislunar.ranging``; the sums that maps need too are in
``cislunar.dop_kernels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.positioning.accumulate import accumulated_positioning
    from cislunar.positioning.scores import PositioningResult, positioning_need, score_positioning

__all__ = ["PositioningResult", "accumulated_positioning", "positioning_need", "score_positioning"]
__getattr__ = face(__name__, {
    "PositioningResult": "scores",
    "positioning_need": "scores",
    "score_positioning": "scores",
    "accumulated_positioning": "accumulate",
})  # fmt: skip
