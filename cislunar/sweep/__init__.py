"""Trades: a scenario varied along axes, each variant measured, the best told from the rest.

``load_trade`` reads a trade file, ``sweep`` runs its variants, ``load_sweep`` reads what was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.sweep.engine import Sweep, load_sweep, sweep
    from cislunar.sweep.ladder import climb
    from cislunar.sweep.trade import Trade, load_trade

__all__ = ["Sweep", "Trade", "climb", "load_sweep", "load_trade", "sweep"]
__getattr__ = face(__name__, {
    "Sweep": "engine",
    "load_sweep": "engine",
    "sweep": "engine",
    "climb": "ladder",
    "Trade": "trade",
    "load_trade": "trade",
})  # fmt: skip
