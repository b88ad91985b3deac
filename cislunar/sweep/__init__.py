"""Trades: a scenario varied along axes, each variant measured, the best told from the rest.

``load_trade`` reads a trade file, ``sweep`` runs its variants, ``load_sweep`` reads what was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cislunar.sweep.engine import Sweep, load_sweep, sweep
    from cislunar.sweep.ladder import climb
    from cislunar.sweep.trade import Trade, load_trade

__all__ = ["Sweep", "Trade", "climb", "load_sweep", "load_trade", "sweep"]
_HOME = {
    "Sweep": "engine",
    "load_sweep": "engine",
    "sweep": "engine",
    "climb": "ladder",
    "Trade": "trade",
    "load_trade": "trade",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
