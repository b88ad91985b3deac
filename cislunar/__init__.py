"""Plans communication and positioning for the Earth-Moon network.

>>> import cislunar
>>> scenario = cislunar.load_scenario("configs/minimal.yaml")  # doctest: +SKIP
>>> results = cislunar.run(scenario)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Results", "Scenario", "__version__", "accumulated_positioning", "deliverable_volume",
    "load_results", "load_scenario", "resilience", "run", "score_traverse", "simulate_traffic",
]  # fmt: skip

if TYPE_CHECKING:
    from cislunar.accumulate import accumulated_positioning
    from cislunar.flow import deliverable_volume
    from cislunar.losses import resilience
    from cislunar.pipeline import run
    from cislunar.results import Results, load_results
    from cislunar.scenario import Scenario, load_scenario
    from cislunar.traffic import simulate_traffic
    from cislunar.traverse import score_traverse

_HOMES = {
    "Scenario": "cislunar.scenario",
    "load_scenario": "cislunar.scenario",
    "run": "cislunar.pipeline",
    "Results": "cislunar.results",
    "load_results": "cislunar.results",
    "resilience": "cislunar.losses",
    "deliverable_volume": "cislunar.flow",
    "simulate_traffic": "cislunar.traffic",
    "accumulated_positioning": "cislunar.accumulate",
    "score_traverse": "cislunar.traverse",
}


def __getattr__(name: str):
    # nothing is imported, loaded or compiled before it is asked for
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cislunar' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
