"""Plans communication and positioning for the Earth-Moon network.

>>> import cislunar
>>> scenario = cislunar.load_scenario("configs/minimal.yaml")  # doctest: +SKIP
>>> results = cislunar.run(scenario)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

__version__ = "0.1.0"
__all__ = [
    "Results", "Scenario", "__version__", "accumulated_positioning", "deliverable_volume",
    "load_results", "load_scenario", "resilience", "run", "score_traverse", "simulate_traffic",
]  # fmt: skip

if TYPE_CHECKING:
    from cislunar.flow import deliverable_volume
    from cislunar.losses import resilience
    from cislunar.pipeline import run
    from cislunar.positioning.accumulate import accumulated_positioning
    from cislunar.results import Results, load_results
    from cislunar.scenario import Scenario, load_scenario
    from cislunar.traffic import simulate_traffic
    from cislunar.traverse import score_traverse

__getattr__ = face(__name__, {
    "Scenario": "scenario",
    "load_scenario": "scenario",
    "run": "pipeline",
    "Results": "results",
    "load_results": "results",
    "resilience": "losses",
    "deliverable_volume": "flow",
    "simulate_traffic": "traffic",
    "accumulated_positioning": "positioning.accumulate",
    "score_traverse": "traverse",
})  # fmt: skip


def __dir__():
    return sorted(__all__)
