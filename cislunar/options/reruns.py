"""What a scenario would be with options added: really added, and scored again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from cislunar.comms import CommScores, score_comms
from cislunar.contacts import contact_table, plan_contacts
from cislunar.contention import contend, navigating
from cislunar.gaps import unserved_seconds
from cislunar.nodes import nodes_of
from cislunar.options.option import add_options
from cislunar.positioning import PositioningResult, score_positioning
from cislunar.situation import Memory, Situation, extended
from cislunar.trajectories import build_trajectories
from orbits.ephemeris import De440
from orbits.errors import CislunarError
from orbits.intervals import Intervals

Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Rerun:
    """A run with some options added: its nodes, contacts and ranges, and when needs are served."""

    situation: Situation
    plan: Any
    ranging: Mapping[tuple[str, str], Any]
    served: Mapping[Key, Intervals]


class Reruns:
    """``reruns(option_ids) -> {(place, service): unserved s}`` over the needed pairs.

    Geometry met before is recalled; contacts, live paths and fixes are computed anew each time.
    """

    def __init__(
        self,
        base: Situation,
        served: Mapping[Key, Intervals],
        needed: Mapping[Key, Any],
        uere: Mapping[str, Any],
        ephemeris: De440,
        on_rerun: Callable[[], None] = lambda: None,
        plan: Any = None,
    ):
        self.base, self.uere, self.ephemeris = base, uere, ephemeris
        self.memory, self._on_rerun, self._plan = Memory(), on_rerun, plan
        self.served = {k: served[k] for k in needed if k in served}
        self._span = (0.0, base.tracks.span_s)
        self.unserved = unserved_seconds(self.served, self._span)

    def fly_pool(self) -> frozenset[str]:
        """The options whose spacecraft could not be flown; flies all at once, over both cores."""
        scenario = self.base.scenario
        craft = [
            (option.id, node)
            for option in scenario.options
            if not option.not_computable
            for node in nodes_of(option.adds, scenario)
            if node.kind == "spacecraft"
        ]

        def fly(task) -> str | None:
            option, node = task
            try:
                build_trajectories(scenario, [node], self.ephemeris, workers=1)
            except CislunarError:
                return option  # it says so when it is run
            return None

        with ThreadPoolExecutor(2) as pool:
            return frozenset(filter(None, pool.map(fly, craft)))

    def __call__(self, ids: tuple[str, ...]) -> dict[Key, float]:
        return self.unserved_in(self.rerun(ids)) if ids else dict(self.unserved)

    def unserved_in(self, rerun: Rerun) -> dict[Key, float]:
        """Unserved seconds of every needed place and service in a rerun."""
        return unserved_seconds(dict(rerun.served), self._span)

    def rerun(self, ids: tuple[str, ...]) -> Rerun:
        """The run with these options added (none: the run itself, with the plan it was given)."""
        base = self.base
        if not ids:
            plan = self._plan
            if plan is None:
                plan = contact_table(
                    base.links, base.access, base.nodes, base.scenario.policy, base.tracks
                )
            return Rerun(base, plan, base.ranging, self.served)
        more = extended(base, add_options(base.scenario, ids), self.ephemeris, self.memory)
        corrects = any(n.correction_radius_km for n in more.nodes if n.name not in base.by_name)
        found = rescored(more, self.uere, None if corrects else base.ranging)
        self._on_rerun()
        known = {k: v for k, v in found.served.items() if k in self.served}
        return replace(found, served=self.served | known)


def rescored(situation: Situation, uere: Mapping[str, Any], ranging_before: Any = None) -> Rerun:
    """A situation scored anew; positioning only where ranging is not what it was before."""
    policy, rules = situation.scenario.policy, situation.scenario.contention
    given = (situation.links, situation.access, situation.nodes, policy, situation.tracks)
    ranging = situation.ranging
    if rules is None or rules.method == "none":
        plan = contact_table(*given)
    else:  # who contends is told by labels that the bare table leaves out
        contended = contend(plan_contacts(*given), situation.nodes, rules, bound=False)
        plan = contended.plan
        if contended.navigation:
            ranging = navigating(ranging, contended.navigation)
    comms: CommScores = score_comms(plan, situation.nodes, served_only=True)
    served = dict(comms.served)
    if ranging is not ranging_before:
        fixes: PositioningResult = score_positioning(
            situation.tracks, situation.nodes, ranging, uere, policy=policy, served_only=True
        )
        served |= {(place, "positioning"): spans for place, spans in fixes.served.items()}
    return Rerun(situation, plan, ranging, served)
