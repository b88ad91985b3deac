"""Traffic through contact plans: by hand, against a naive re-telling, and against max flow."""

import numpy as np
import pytest

from cislunar.contact_table import ContactTable
from cislunar.flow import deliverable_volume
from cislunar.nodes import Node
from cislunar.schema import Need
from cislunar.traffic import Demand, demands_of, simulate_traffic
from orbits.constants import DAY_S
from orbits.errors import InputError


def plan(*rows, span_s=100.0):
    """Contacts (source, target, start, end, rate, light time)."""
    return ContactTable.of_rows(
        [(f"c{i}", a, b, s, e, r, o) for i, (a, b, s, e, r, o) in enumerate(rows)], span_s=span_s
    )


def bits(amount, span_s=100.0):
    """Bits a day that make ``amount`` bits within a span."""
    return amount * DAY_S / span_s


# --- by hand ---------------------------------------------------------------------------------


def test_a_relay_sends_on_while_it_receives_and_the_rest_waits():
    """100 bit at t = 10 go up at 2 bit/s, on at 1 bit/s from 20 to 90: 70 fit, 30 are queued.

    Light time 1 s each. The first hop carries 70 bit in 35 s from t = 10; they leave the relay
    from 20 to 90 and are there by 91: latency 81 s. At the relay, 18 bit wait at t = 20 (2 bit/s
    since t = 11), then 1 bit/s more until the last has come at 46: 44 bit.
    """
    table = plan(("site", "relay", 0, 100, 2.0, 1.0), ("relay", "earth", 20, 90, 1.0, 1.0),
                 span_s=100.0)  # fmt: skip
    done = simulate_traffic(table, [Demand("site", ("earth",), bits(1000.0), 60.0)], batch_s=10.0)
    row = done.frame.iloc[0]
    assert row.offered_bit == pytest.approx(1000.0)
    assert row.delivered_bit == pytest.approx(70.0)
    assert row.queued_bit == pytest.approx(930.0)
    assert done.start_s.tolist() == [10.0, 20.0]
    assert row.latency_max_s == pytest.approx(81.0)
    when, level = done.queue("relay")
    assert level.max() == pytest.approx(44.0)
    assert when[level.argmax()] == pytest.approx(46.0)
    # due within the span are the batches ready by 40 (10, 20, 30, 40): 400 bit, none in time
    assert row.deadline_missed_frac == pytest.approx(1.0)
    load = done.station_load.set_index("node")
    assert load.receive_busy_frac["earth"] == pytest.approx(0.70)
    assert load.received_bit_per_day["earth"] == pytest.approx(70.0 / 100.0 * DAY_S)


def test_the_higher_priority_goes_first():
    """One contact to Earth carries 10 bit; 'b' goes first with its 6, 'a' gets the other 4."""
    table = plan(("b", "earth", 50, 60, 1.0, 0.0), ("a", "b", 0, 100, 1.0, 0.0))
    low = Demand("a", ("earth",), bits(20.0), priority=1.0)
    high = Demand("b", ("earth",), bits(12.0), priority=2.0)
    done = simulate_traffic(table, [low, high], batch_s=50.0).frame
    assert done.delivered_bit.tolist() == pytest.approx([4.0, 6.0])
    equal = Demand("b", ("earth",), bits(12.0), priority=1.0)  # then the first named goes first
    done = simulate_traffic(table, [low, equal], batch_s=50.0).frame
    assert done.delivered_bit.tolist() == pytest.approx([10.0, 0.0])


def test_direct_service_takes_no_relay():
    table = plan(("a", "relay", 0, 100, 1.0, 0.0), ("relay", "earth", 0, 100, 1.0, 0.0))
    for service, share in (("relay", 1.0), ("direct", 0.0)):
        one = Demand("a", ("earth",), bits(10.0), service=service)
        done = simulate_traffic(table, [one], batch_s=25.0).frame
        assert done.delivered_frac[0] == pytest.approx(share * 0.75)  # the last batch comes late


def test_storage_limits_what_waits():
    """A relay that holds 5 bit passes 5; a source that holds 4 loses what comes beyond it."""
    table = plan(("a", "relay", 0, 40, 1.0, 0.0), ("relay", "earth", 60, 100, 1.0, 0.0))
    one = [Demand("a", ("earth",), bits(20.0))]
    free = simulate_traffic(table, one, batch_s=10.0).frame
    assert free.delivered_bit[0] == pytest.approx(6.0)  # of the batches ready by 10, 20 and 30
    tight = simulate_traffic(table, one, batch_s=10.0, storage_bit={"relay": 5.0}).frame
    assert tight.delivered_bit[0] == pytest.approx(5.0)
    small = simulate_traffic(table, one, batch_s=10.0, storage_bit={"a": 4.0}).frame
    row = small.iloc[0]
    assert row.queue_max_bit <= 4.0 + 1e-9
    assert row.dropped_bit > 0.0
    assert row.delivered_bit + row.queued_bit + row.dropped_bit == pytest.approx(20.0)


def test_demands_come_from_needs_that_state_a_volume():
    need = Need(service="relay", volume_bit_per_day=8e11, latency_s=60.0)
    nodes = [
        Node("base", "asset", needs=(need, Need(service="relay"))),
        Node("earth-1", "station"),
        Node("earth-2", "station"),
    ]
    (found,) = demands_of(nodes)
    assert found == Demand("base", ("earth-1", "earth-2"), 8e11, 60.0)


def test_wrong_demands_are_refused():
    table = plan(("a", "earth", 0, 100, 1.0, 0.0))
    for wrong in (Demand("a", ("earth",), 0.0), Demand("a", ("earth",), 1.0, service="forward")):
        with pytest.raises(InputError):
            simulate_traffic(table, [wrong])
    with pytest.raises(InputError):
        simulate_traffic(table, [Demand("a", ("earth",), 1.0)], batch_s=0.0)


# --- against a naive re-telling --------------------------------------------------------------


def random_plan(rng, nodes=5, contacts=14, span_s=100.0):
    rows = []
    for _ in range(contacts):
        a, b = rng.choice(nodes, 2, replace=False)
        start = rng.uniform(0, span_s - 10)
        end = min(span_s, start + rng.uniform(5, 40))
        rows.append((f"n{a}", f"n{b}", start, end, rng.uniform(0.5, 3.0), rng.uniform(0.1, 1.5)))
    return plan(*rows, span_s=span_s)


def naive(table, home, goal, batches):
    """A plain relaxation for every stream; free time kept as lists. Hops (contact, start, bits)."""
    free = {c: [(table.start_s[c], table.end_s[c])] for c in range(len(table))}
    hops, delivered = [], 0.0

    def best_way(now):
        """Relaxed over all contacts until nothing changes; earliest arrival, then fewest hops."""
        label, way, changed = {home: (now, 0)}, {home: []}, True
        while changed:
            changed = False
            for c in range(len(table)):
                u, v = int(table.source[c]), int(table.target[c])
                if u not in label or u == goal or v == home:
                    continue
                for a, b in free[c]:
                    t = max(a, label[u][0])
                    new = (t + table.owlt_s[c], label[u][1] + 1)
                    if b - t > 1e-6 and new < label.get(v, (np.inf, 0)):
                        label[v], way[v], changed = new, (u, c, a, b), True
        if goal not in label:
            return None
        out, v = [], goal
        while v != home:
            u, *hop = way[v]
            out.insert(0, hop)
            v = u
        return out

    def starts(way, amount, now):
        first = last = now
        out = []
        for c, a, b in way:
            seconds = amount / table.rate_bps[c]
            x = max(a, first, last - seconds)
            if x + seconds > b:
                return None
            out.append(x)
            first, last = x + table.owlt_s[c], x + seconds + table.owlt_s[c]
        return out

    for now, amount in batches:
        while amount > 1e-9:
            way = best_way(now)
            if way is None:
                break
            low, high = 0.0, amount
            if starts(way, amount, now) is None:
                for _ in range(100):
                    middle = 0.5 * (low + high)
                    low, high = (middle, high) if starts(way, middle, now) else (low, middle)
            else:
                low = amount
            for (c, a, b), x in zip(way, starts(way, low, now), strict=True):
                y = x + low / table.rate_bps[c]
                free[c].remove((a, b))
                free[c] += [s for s in ((a, x), (y, b)) if s[1] - s[0] >= 1e-6]
                hops.append((c, x, low))
            delivered += low
            amount -= low
    return hops, delivered


def test_streams_equal_a_naive_search(evidence):
    worst, count = 0.0, 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        table = random_plan(rng)
        if not {"n0", "n4"} <= set(table.names):
            continue
        done = simulate_traffic(
            table, [Demand("n0", ("n4",), bits(rng.uniform(5, 120)))], batch_s=20.0
        )
        hops, delivered = naive(
            table, table.number("n0"), table.number("n4"),
            list(zip(done.ready_s, done.bit, strict=True)),
        )  # fmt: skip
        assert done.contact.tolist() == [c for c, _, _ in hops]
        ours = np.column_stack((done.start_s, done.hop_bit))
        theirs = np.array([h[1:] for h in hops]).reshape(-1, 2)
        worst = max(worst, np.abs(ours - theirs).max(initial=0.0))
        assert done.frame.delivered_bit[0] == pytest.approx(delivered)
        count += 1
    assert count > 15
    evidence(
        "traffic: start and bits of every hop", "a naive relaxation for every stream", count,
        worst, 1e-6, "s, bit", "the compiled search must find the way that the naive one finds",
    )  # fmt: skip


# --- laws ------------------------------------------------------------------------------------


def checked(table, done):
    """Nothing is carried twice, before it came, or outside its contact; and nothing is lost."""
    seconds = done.hop_bit / table.rate_bps[done.contact]
    for c in range(len(table)):
        mine = np.flatnonzero(done.contact == c)
        mine = mine[np.argsort(done.start_s[mine])]
        assert (done.start_s[mine] >= table.start_s[c] - 1e-9).all()
        stop = done.start_s[mine] + seconds[mine]
        assert (stop <= table.end_s[c] + 1e-6).all()
        assert (done.start_s[mine][1:] >= stop[:-1] - 1e-6).all()
    for name in table.names:
        _, level = done.queue(name)
        assert level.size == 0 or level.min() >= -1e-6
    total = done.frame[["delivered_bit", "queued_bit", "dropped_bit"]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(done.frame.offered_bit.to_numpy())


def test_what_is_offered_is_delivered_queued_or_dropped():
    for seed in range(15):
        rng = np.random.default_rng(100 + seed)
        table = random_plan(rng, nodes=6, contacts=30)
        demands = [
            Demand(f"n{k}", ("n5",), bits(rng.uniform(5, 200)), 30.0, priority=float(k))
            for k in range(3)
            if f"n{k}" in table.names
        ]
        storage = {n: float(rng.uniform(5, 60)) for n in table.names if n in ("n1", "n3")}
        done = simulate_traffic(table, demands, batch_s=7.0, storage_bit=storage)
        checked(table, done)
        for name, most in storage.items():
            assert done.queue(name)[1].max(initial=0.0) <= most + 1e-6


def test_never_more_than_the_maximum_flow(evidence):
    """The most that a window can deliver, found independently, bounds what traffic delivers."""
    most = 0.0
    for seed in range(12):
        rng = np.random.default_rng(200 + seed)
        table = random_plan(rng)
        if not {"n0", "n4"} <= set(table.names):
            continue
        done = simulate_traffic(
            table, [Demand("n0", ("n4",), bits(1e4))], batch_s=1.0
        )  # fmt: skip
        limit = deliverable_volume(table, "n0", "n4", 0.0, 102.0).volume_bit
        most = max(most, done.frame.delivered_bit[0] - limit)
    evidence(
        "traffic: delivered bits beyond the maximum flow", "deliverable_volume", 12, max(most, 0.0),
        1e-3, "bit", "no schedule can beat the maximum flow; instants there are whole microseconds",
    )  # fmt: skip


def test_one_demand_on_a_chain_delivers_the_maximum_flow():
    table = plan(
        ("a", "r", 5, 60, 2.0, 1.0), ("r", "s", 20, 80, 1.0, 0.5), ("s", "z", 10, 50, 3.0, 1.2),
        ("s", "z", 70, 95, 0.5, 1.2),
    )  # fmt: skip
    done = simulate_traffic(table, [Demand("a", ("z",), bits(1e6))], batch_s=0.5)
    limit = deliverable_volume(table, "a", "z").volume_bit
    assert done.frame.delivered_bit[0] == pytest.approx(limit, rel=1e-6)
