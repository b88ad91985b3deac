"""Causes from hand-made access, links and contacts, against evaluation instant by instant."""

from dataclasses import replace
from types import SimpleNamespace as Thing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cislunar.access import Condition, PairAccess
from cislunar.candidates import Circumstances, sending_times
from cislunar.contact_table import ContactTable
from cislunar.gaps import CAUSES, LAST_STAGE, find_gaps, split_by_cause
from cislunar.livepath import live_path
from orbits.constants import C_KM_S
from orbits.epoch import Epoch
from orbits.intervals import Intervals

SPAN_S = 100.0
EPOCH = Epoch.parse("2030-03-01T00:00:00 UTC")
OWLT_S = {
    frozenset(("site", "relay")): 0.25, frozenset(("relay", "dish")): 1.25,
    frozenset(("site", "dish")): 1.5, frozenset(("earth", "relay")): 1.25,
}  # fmt: skip
WHOLE = Intervals([0.0], [SPAN_S])


def terminal(name, role):
    side = Thing(band="x")
    return Thing(id=name, role=role, transmit=side, receive=side, pairs_with=(), broadcast=False)


def node(name, kind, roles, service=WHOLE, operator="jaxa"):
    terminals = tuple(terminal(f"{name}-{role}", role) for role in roles)
    return Thing(
        name=name,
        kind=kind,
        terminals=terminals,
        service=service,
        operator=operator,
        serves_radius_km=None,
        needs=(),
    )


def pair(a, b, conditions):
    """Owners are given by name; access is the meet of all conditions."""
    a, b = sorted((a, b))
    access = WHOLE
    made = []
    for cause, owner, spans in conditions:
        made.append(Condition(cause, {a: "a", b: "b"}.get(owner, owner), spans))
        access = access & spans
    made.sort(key=lambda c: CAUSES.index(c.cause))
    nothing = np.empty(0, int)
    return PairAccess(a, b, tuple(made), access, nothing, nothing)


class World:
    """A site, a relay and a station; every condition a set of whole seconds."""

    def __init__(self, spans, permits=lambda a, b: True):
        self.spans = spans
        site = node("site", "asset", ["user"], spans["site service"])
        relay = node("relay", "spacecraft", ["relay", "relay-earth"], spans["relay service"])
        dish = node("dish", "station", ["station"], spans["dish service"])
        self.nodes = {n.name: n for n in (site, relay, dish)}
        self.permits = permits
        self.conditions = {
            ("relay", "site"): [
                ("below-horizon", "site", spans["relay up"]),
                ("mask", "site", spans["relay high"] & spans["relay up"]),
            ],
            ("dish", "relay"): [
                ("occulted", "path", spans["clear"]),
                ("below-horizon", "dish", spans["moon up"]),
                ("station-mask", "dish", spans["moon high"] & spans["moon up"]),
            ],
            ("dish", "site"): [
                ("below-horizon", "site", spans["earth up"]),
                ("below-horizon", "dish", spans["moon up"]),
                ("station-mask", "dish", spans["moon high"] & spans["moon up"]),
            ],
        }
        self.access = {p: pair(*p, c) for p, c in self.conditions.items()}
        self.passes = {}
        rows = []
        for a, b in self.access:
            for source, target in ((a, b), (b, a)):
                closes = self.window(source, target) & spans[f"closes {a} {b}"]
                self.passes[source, target] = (Thing(rate_bps=1e6, intervals=closes),)
                for start, end in self.contacts(source, target):
                    owlt = OWLT_S[frozenset((source, target))]
                    rows.append((f"c{len(rows)}", source, target, start, end, 1e6, owlt))
        self.plan = ContactTable.of_rows(rows, names=list(self.nodes), span_s=SPAN_S, epoch=EPOCH)

    def window(self, source, target):
        """Source and path conditions at t, the receiver's one light time later."""
        key = tuple(sorted((source, target)))
        met = WHOLE
        for _, owner, spans in self.conditions[key]:
            met = met & (spans.shift(-OWLT_S[frozenset(key)]) if owner == target else spans)
        return met

    def contacts(self, source, target):
        """Where a link closes, with the service of both ends and policy."""
        key = tuple(sorted((source, target)))
        owlt = OWLT_S[frozenset(key)]
        if not self.permits(source, target):
            return Intervals()
        met = self.nodes[source].service & self.nodes[target].service.shift(-owlt)
        return met & self.passes[source, target][0].intervals

    def circumstances(self):
        return Circumstances(
            self.nodes, self.access, self.passes, self.plan, SPAN_S,
            lambda spans, a, b: spans.shift(-OWLT_S[frozenset((a, b))]),
            lambda a, b: self.permits(a, b),
        )  # fmt: skip

    def served(self):
        outward = live_path(self.plan, "site", 1e6, transit=["relay"])
        return {
            ("site", "relay"): live_path(self.plan, "dish", 1e6, transit=["relay"])["site"],
            ("site", "direct"): self.contacts("site", "dish"),
            ("site", "forward"): outward.get("dish", Intervals()),
        }

    # --- the same questions, asked of one instant ---

    def holds(self, what, t):
        return bool(self.spans[what].contains(t))

    def closes(self, source, target, t):
        """At a transmit time t; not judged where another condition of the pair fails."""
        a, b = sorted((source, target))
        inside = bool(self.window(source, target).contains(t))
        return not inside or self.holds(f"closes {a} {b}", t)

    def direct_stage(self, t, outward):
        at_dish, at_site = (t, t + 1.5) if outward else (t + 1.5, t)
        return first_failing(
            ("no-provider", self.holds("site service", at_site)),
            (
                "below-horizon",
                self.holds("earth up", at_site) and self.holds("moon up", at_dish),
            ),
            ("link", self.closes(*(("dish", "site") if outward else ("site", "dish")), t)),
            ("station-mask", self.holds("moon high", at_dish)),
            ("station-outage", self.holds("dish service", at_dish)),
        )

    def relay_stage(self, t, outward):
        # t is dated on Earth outward, at the site inward; u is the instant at the relay
        u = t + 1.25 if outward else t + 0.25
        at_site = u + 0.25 if outward else t
        sent = u if outward else t
        at_dish = u - 1.25 if outward else u + 1.25
        dated = at_dish if outward else u
        leg = ("dish", "relay") if outward else ("relay", "dish")
        talks = len(self.passes[leg][0].intervals) > 0
        sees = self.holds("relay service", u) and self.holds("moon up", u)
        sees = sees and self.holds("clear", u) and talks
        live = (
            self.holds("relay service", u) and self.holds("dish service", at_dish)
            and self.holds("clear", dated) and self.holds("moon high", at_dish)
            and self.holds("moon up", at_dish) and self.closes(*leg, dated)
        )  # fmt: skip
        in_service = self.holds("dish service", u)
        return first_failing(
            (
                "no-provider",
                self.holds("site service", at_site) and self.holds("relay service", u),
            ),
            ("below-horizon", self.holds("relay up", at_site)),
            ("mask", self.holds("relay high", at_site)),
            ("link", self.closes(*(("relay", "site") if outward else ("site", "relay")), sent)),
            ("station-mask", live or not (sees and in_service)),
            ("station-outage", live or not sees or in_service),
            ("relay-no-earth", live),
        )


def first_failing(*checks):
    return next((CAUSES.index(cause) for cause, met in checks if not met), len(CAUSES))


NAMES = (
    "site service", "relay service", "dish service", "relay up", "relay high", "clear", "moon up",
    "moon high", "earth up", "closes relay site", "closes dish relay", "closes dish site",
)  # fmt: skip
whole_seconds = st.integers(0, 100).map(float)
some_spans = st.one_of(
    st.just(WHOLE),
    st.lists(st.tuples(whole_seconds, whole_seconds), max_size=3).map(
        lambda pairs: Intervals.from_pairs([(min(p), max(p)) for p in pairs])
    ),
)


@settings(max_examples=80, deadline=None)
@given(
    st.fixed_dictionaries({name: some_spans for name in NAMES}),
    st.lists(st.integers(12, 340), min_size=20, max_size=20),
)
def test_causes_equal_brute_force_at_random_instants(spans, quarters):
    world = World(spans)
    served = world.served()
    gaps = find_gaps(served, world.circumstances(), {}, (0.0, SPAN_S), EPOCH)
    for (_, service), good in served.items():
        rows = gaps.frame[gaps.frame.service == service]
        assert rows.duration_s.sum() + good.clip(0.0, SPAN_S).total_s == pytest.approx(SPAN_S)
    pieces = gaps.causes.merge(gaps.frame[["gap_id", "service"]], on="gap_id")
    for quarter in quarters:
        t = quarter / 4 + 0.1  # edges and light times are whole quarters of a second
        for service, outward in (("relay", False), ("direct", False), ("forward", True)):
            if served["site", service].contains(t):
                continue
            stage = world.direct_stage(t, outward)
            if service != "direct":
                stage = max(stage, world.relay_stage(t, outward))
            expected = (
                LAST_STAGE.get(service, "relay-no-earth") if stage == len(CAUSES) else CAUSES[stage]
            )
            mine = pieces[(pieces.service == service) & (pieces.start_s <= t) & (t < pieces.end_s)]
            assert mine.cause.tolist() == [expected], (service, t)


def all_met():
    return {name: WHOLE for name in NAMES}


def causes_of(world, service):
    gap = world.served()["site", service].complement(0.0, SPAN_S).clip(5.0, 95.0)
    last = LAST_STAGE.get(service, "relay-no-earth")
    found = split_by_cause(gap, world.circumstances()("site", service), last)
    return {cause: spans.pairs() for cause, spans in found.items()}


@pytest.mark.parametrize(
    ("broken", "relay", "direct", "forward"),
    [
        ({"relay up": Intervals(), "earth up": Intervals()}, "below-horizon", "below-horizon",
         "below-horizon"),
        ({"relay high": Intervals(), "earth up": Intervals()}, "mask", "below-horizon", "mask"),
        ({"moon up": Intervals()}, "relay-no-earth", "below-horizon", "relay-no-earth"),
        ({"dish service": Intervals()}, "station-outage", "station-outage", "station-outage"),
        ({"relay service": Intervals(), "earth up": Intervals()}, "below-horizon", "below-horizon",
         "below-horizon"),
        ({"site service": Intervals()}, "no-provider", "no-provider", "no-provider"),
        ({"closes relay site": Intervals(), "earth up": Intervals()}, "link", "below-horizon",
         "link"),
        ({"clear": Intervals(), "earth up": Intervals()}, "relay-no-earth", "below-horizon",
         "relay-no-earth"),
    ],
)  # fmt: skip
def test_one_thing_broken_is_named(broken, relay, direct, forward):
    world = World(all_met() | broken)
    found = {s: list(causes_of(world, s)) for s in ("relay", "direct", "forward")}
    assert found == {"relay": [relay], "direct": [direct], "forward": [forward]}


def test_a_low_moon_at_the_station_is_its_mask():
    """Contacts were there before, so the pair can talk; under the mask only the mask is missing."""
    world = World(all_met() | {"moon high": Intervals([0.0], [40.0])})
    assert list(causes_of(world, "direct")) == ["station-mask"]
    assert list(causes_of(world, "relay")) == ["station-mask"]


def test_policy_is_named_where_all_before_it_is_met():
    world = World(all_met(), permits=lambda a, b: False)
    assert list(causes_of(world, "relay")) == ["policy"]
    assert list(causes_of(world, "direct")) == ["policy"]


def test_no_node_with_a_fitting_terminal_is_no_provider():
    world = World(all_met())
    world.nodes["site"].terminals = ()
    found = world.circumstances()
    assert list(found("site", "relay")) == []
    assert list(split_by_cause(WHOLE, found("site", "relay"))) == ["no-provider"]


def test_contention_is_named():
    """All beams serve somebody else until 30 s, though every link is up."""
    world = World(all_met())
    known = vars(world.circumstances())
    table = world.plan
    later = replace(table, start_s=np.maximum(table.start_s, 30.0))
    circumstances = Circumstances(**{**known, "_held": {}, "plan": later, "wanted": table})
    for service in ("direct", "relay", "forward"):
        found = split_by_cause(Intervals([20.0], [28.0]), circumstances("site", service))
        assert list(found) == ["contention"], service
        assert found["contention"].pairs() == [(20.0, 28.0)]


def test_positioning_causes_follow_source_count_then_geometry():
    site = node("site", "asset", ["user", "navigation"])
    source = node("nav", "spacecraft", ["navigation"], Intervals([0.0], [90.0]))
    result = Thing(
        enough={"site": Intervals([0.0], [50.0])}, served={"site": Intervals([10.0], [30.0])}
    )
    found = Circumstances(
        {"site": site, "nav": source}, {}, {}, None, SPAN_S, lambda spans, a, b: spans,
        lambda a, b: True, positioning=result,
    )  # fmt: skip
    gap = Intervals([10.0], [30.0]).complement(0.0, SPAN_S)
    causes = split_by_cause(gap, found("site", "positioning"), LAST_STAGE["positioning"])
    assert {name: piece.pairs() for name, piece in causes.items()} == {
        "no-provider": [(90.0, 100.0)],
        "few-sources": [(50.0, 90.0)],
        "geometry": [(0.0, 10.0), (30.0, 50.0)],
    }


@pytest.mark.parametrize(
    ("roles", "operator", "cause"),
    [
        (["user"], "jaxa", "no-provider"),  # it has nothing to hear a navigation signal with
        (["user", "navigation"], "cnsa", "policy"),  # the only sources are not for it
        (["user", "navigation"], "jaxa", "few-sources"),
    ],
)
def test_who_cannot_or_may_not_range_has_not_too_few_sources(roles, operator, cause):
    site = node("site", "asset", roles, operator=operator)
    source = node("nav", "spacecraft", ["navigation"])
    result = Thing(enough={"site": Intervals()}, served={"site": Intervals()})
    found = Circumstances(
        {"site": site, "nav": source}, {}, {}, None, SPAN_S, lambda spans, a, b: spans,
        lambda a, b: a == b, positioning=result,
    )  # fmt: skip
    causes = split_by_cause(WHOLE, found("site", "positioning"), LAST_STAGE["positioning"])
    assert {name: piece.pairs() for name, piece in causes.items()} == {cause: WHOLE.pairs()}


def test_sending_from_the_earth_is_dated_back_by_range_over_c():
    t_s = np.arange(0.0, 601.0, 60.0)
    far = np.zeros((t_s.size, 6))
    far[:, 0] = C_KM_S + 10.0 * t_s
    tracks = Thing(t_s=t_s, step_s=60.0, span_s=600.0, states={"b": far}, earth=far * 0.0)
    sent = sending_times(tracks)(Intervals([0.0, 90.0, 300.5], [0.5, 150.0, 600.0]), "earth", "b")
    # what was sent before the analysis is not seen; its end stays, for nothing is known beyond
    assert sent.pairs() == [
        (89.0 - 900.0 / C_KM_S, 149.0 - 1500.0 / C_KM_S),
        (299.5 - 3005.0 / C_KM_S, 600.0),
    ]
