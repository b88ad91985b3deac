"""Access of the whole japan_2030 scenario against an independent geometry (see witness.py).

Every edge of 28 days is looked at a second before and after, of access and of contacts, whose
budgets the witness works out by itself; and for three days every pair is sampled every second, so
that no interval can be missing or made up.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import cislunar
from cislunar.access import each, find_access
from cislunar.contacts import plan_contacts
from cislunar.links import close_links
from cislunar.pairing import pair_mask_deg, range_limit_km, sun_limit_rad
from cislunar.situation import in_service
from cislunar.tracks import build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440
from orbits.exchange import write_spk

ROOT = Path(__file__).parent.parent


def beside(name):
    """A module that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


witness_module, link_witness = beside("witness"), beside("link_witness")
Witness, kernels, margins = (
    witness_module.Witness, witness_module.kernels, witness_module.margins,
)  # fmt: skip
NEAR_S = 1.0  # what an edge may be off
SIDE_S = 0.5  # how far beside a contact's edge the budget is worked out
DAYS, CHUNK_S = 3, 21600

pytestmark = [
    pytest.mark.slow,
    # 2030 is past the tables of leap seconds and Earth orientation: astropy says so each time
    pytest.mark.filterwarnings("ignore::erfa.ErfaWarning"),
    pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    scenario = cislunar.load_scenario(ROOT / "configs" / "japan_2030.yaml")
    ephemeris = De440.open()
    nodes, _ = in_service(scenario)
    trajectories = build_trajectories(scenario, nodes, ephemeris)
    t_s = time_grid(scenario.duration_s, scenario.step_s)
    world = build_world(scenario.fidelity, scenario.start, t_s, ephemeris)
    tracks = build_tracks(scenario, nodes, trajectories, ephemeris, world=world)
    access = find_access(tracks, nodes)
    plan = plan_contacts(close_links(access, tracks, nodes), access, nodes, None, tracks)
    path = tmp_path_factory.mktemp("spk") / "japan.bsp"
    ids = {name: -200001 - i for i, name in enumerate(trajectories)}
    write_spk(trajectories, ids, path)
    assert all(n.horizon is None and not n.conditions for n in nodes)  # else the witness must too
    with kernels(path):
        yield access, plan, Witness(path, nodes, ids, scenario.start, scenario.duration_s)


def limits(a, b):
    """What binds a pair, as the arguments of ``margins`` after the positions."""
    kinds = {a.kind, b.kind}
    levels = [
        np.sin(np.radians(pair_mask_deg(n, o))) if n.kind != "spacecraft" else 0.0
        for n, o in ((a, b), (b, a))
    ]
    return (
        *levels, "asset" not in kinds, "station" not in kinds, range_limit_km(a, b) or 0.0,
        sun_limit_rad(a, b) or 0.0, sun_limit_rad(b, a) or 0.0,
    )  # fmt: skip


NOWHERE = np.empty((0, 3))


def margin(witness, a, b, t_s, held=None):
    place = held.__getitem__ if held else lambda n: witness.at(n, t_s)
    (pa, ua), (pb, ub) = place(a), place(b)
    earth, sun = held["earth", "sun"] if held else (witness.earth(t_s), witness.sun(t_s))
    return margins(
        pa, pb, NOWHERE if ua is None else ua, NOWHERE if ub is None else ub, earth, sun,
        *limits(witness.nodes[a], witness.nodes[b]), held is not None,
    )  # fmt: skip


def test_the_witness_reads_the_file_as_spice_does(found, evidence):
    import spiceypy

    _, _, witness = found
    rng = np.random.default_rng(4)
    worst = 0.0
    for name, naif_id in witness.ids.items():
        t_s = rng.uniform(0, witness.span_s, 200)
        wanted = [spiceypy.spkgps(naif_id, witness.et0 + t, "J2000", 301)[0] for t in t_s]
        worst = max(worst, np.abs(witness.at(name, t_s)[0] - wanted).max())
    evidence("spacecraft positions from the SPK file", "SPICE at random instants",
             200 * len(witness.ids), 1e3 * worst, 0.01, "m", "Hermite on the file's nodes")  # fmt: skip


def test_every_edge_is_where_the_witness_puts_it(found, evidence):
    access, _, witness = found
    errors = []
    for (a, b), pair in access.items():
        inside = (pair.access.start_s > NEAR_S, pair.access.end_s < witness.span_s - NEAR_S)
        edges = np.concatenate((pair.access.start_s[inside[0]], pair.access.end_s[inside[1]]))
        if not edges.size:
            continue
        opening = np.arange(edges.size) < inside[0].sum()
        before = margin(witness, a, b, edges - NEAR_S)
        after = margin(witness, a, b, edges + NEAR_S)
        assert ((before < 0) == opening).all(), (a, b, edges[(before < 0) != opening])
        assert ((after > 0) == opening).all(), (a, b, edges[(after > 0) != opening])
        errors.append(np.abs(-before / (after - before) * 2 * NEAR_S - NEAR_S))
    errors = np.concatenate(errors)
    assert errors.size > 30_000
    evidence("access edges of japan_2030, 28 days", "SPICE and astropy on the exported kernel",
             errors.size, errors.max(), NEAR_S, "s", "edges are refined to under a second")  # fmt: skip


def said_bps(start_s, end_s, rate_bps, t_s):
    """The rate of a channel's sorted contacts at instants, 0 where none is up."""
    k = np.searchsorted(start_s, t_s, side="right") - 1
    return np.where((k >= 0) & (t_s < end_s[k]), rate_bps[k], 0.0)


def test_every_contact_edge_is_where_the_budget_puts_it(found, evidence):
    """Half a second either side of each edge, the best rate that closes is the one in the plan."""
    _, plan, witness = found
    radio = plan.band != "surface"  # neighbours on the ground have no budget and are always up
    assert (plan.start_s[~radio] == 0.0).all()
    assert (plan.end_s[~radio] == witness.span_s).all()
    names = np.stack([plan.source, plan.target, plan.terminal_source, plan.terminal_target])
    keys, channel = np.unique(names[:, radio].astype(str), axis=1, return_inverse=True)
    rows = np.flatnonzero(radio)
    order = np.lexsort((plan.start_s[rows], channel.ravel()))
    rows, channel = rows[order], channel.ravel()[order]
    bounds = np.searchsorted(channel, np.arange(keys.shape[1] + 1))
    edges, looked, worst_db = 0, 0, 0.0
    for k in range(keys.shape[1]):
        mine = rows[bounds[k] : bounds[k + 1]]
        source, target, tx_id, rx_id = (str(x) for x in keys[:, k])
        start, end, rate = plan.start_s[mine], plan.end_s[mine], plan.rate_bps[mine]
        assert (start[1:] >= end[:-1]).all()
        own = np.unique(np.concatenate((start, end)))
        gap = np.diff(own)
        # of pieces shorter than a second the middle
        near = np.minimum(SIDE_S, 0.5 * gap)
        first, last = own[:1] - SIDE_S, own[-1:] + SIDE_S
        t_s = np.concatenate((first, own[:-1] + near, own[1:] - near, last))
        t_s = np.unique(t_s[(t_s > 0.0) & (t_s < witness.span_s)])
        scene = link_witness.Scene(witness, source, target, t_s)
        tx, rx = (
            next(x for x in witness.nodes[n].terminals if x.id == i)
            for n, i in ((source, tx_id), (target, rx_id))
        )
        wanted, margin_db = link_witness.rate_bps(scene, tx, rx)
        said = said_bps(start, end, rate, t_s)
        off = np.flatnonzero(said != wanted)
        assert not off.size, (source, target, tx_id, rx_id, t_s[off][:3], said[off][:3],
                              wanted[off][:3], off.size)  # fmt: skip
        up = said > 0.0
        at = mine[np.searchsorted(start, t_s[up], side="right") - 1]
        short = np.asarray(plan.margin_db)[at] - margin_db[up]  # the plan states the least
        worst_db = max(worst_db, float(short.max(initial=0.0)))
        assert (scene.range_km[up] / link_witness.C_KM_S <= plan.owlt_s[at] + 1e-7).all()
        edges, looked = edges + 2 * start.size, looked + t_s.size
    assert edges > 200_000
    assert worst_db < 1e-3
    evidence("contact edges of japan_2030, 28 days: the rate on either side",
             "budgets of its own on SPICE and astropy geometry", edges, SIDE_S, NEAR_S, "s",
             f"{looked} instants; every one has the plan's rate")  # fmt: skip
    evidence("least margins of the contacts of japan_2030", "budgets of its own", looked, worst_db,
             1e-3, "dB", "no margin found is below the one stated")  # fmt: skip


def test_no_interval_is_missed_in_three_days_second_by_second(found, evidence):
    access, _, witness = found
    pairs = [
        (a, b, pair) for (a, b), pair in access.items()
        if not witness.nodes[a].kind == witness.nodes[b].kind == "asset"
    ]  # fmt: skip
    worst, samples = 0.0, 0
    for low in range(0, DAYS * 86400, CHUNK_S):
        t_s = np.arange(low, low + CHUNK_S) + 0.5
        held: dict = {n: witness.at(n, t_s) for n in witness.nodes}
        held["earth", "sun"] = witness.earth(t_s), witness.sun(t_s)

        def off_s(one, t_s=t_s, held=held):
            """How far from an edge the two disagree, at most."""
            a, b, pair = one
            said = np.zeros(t_s.size, dtype=bool)
            for s, e in pair.access.clip(t_s[0], t_s[-1] + 1.0):
                said[np.searchsorted(t_s, s) : np.searchsorted(t_s, e)] = True
            wrong = np.flatnonzero((margin(witness, a, b, t_s, held) > 0) != said)
            if not wrong.size:
                return 0.0
            edges = np.concatenate((pair.access.start_s, pair.access.end_s))
            off = np.abs(edges[:, None] - t_s[wrong]).min(axis=0)
            assert off.max() < NEAR_S, (a, b, t_s[wrong][off >= NEAR_S][:5])
            return float(off.max())

        worst = max([worst, *each(off_s, pairs)])
        samples += len(pairs) * t_s.size
    assert samples > 3e8
    evidence("access of japan_2030, every second of three days, every pair",
             "SPICE and astropy on the exported kernel", samples, worst, NEAR_S, "s",
             "how far from an edge the two disagree")  # fmt: skip
