"""Access of the whole japan_2030 scenario against an independent geometry (see witness.py).

Every edge of 28 days is looked at a second before and after; and for three days every pair is
sampled every second, so that no interval can be missing or made up.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import cislunar
from cislunar.access import each, find_access
from cislunar.pairing import pair_mask_deg, range_limit_km, sun_limit_rad
from cislunar.situation import in_service
from cislunar.tracks import build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440
from orbits.exchange import write_spk

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("witness", Path(__file__).with_name("witness.py"))
assert SPEC is not None
assert SPEC.loader is not None
witness_module = sys.modules["witness"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(witness_module)
Witness, kernels, margins = (
    witness_module.Witness, witness_module.kernels, witness_module.margins,
)  # fmt: skip
NEAR_S = 1.0  # what an edge may be off
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
    access = find_access(build_tracks(scenario, nodes, trajectories, ephemeris, world=world), nodes)
    path = tmp_path_factory.mktemp("spk") / "japan.bsp"
    ids = {name: -200001 - i for i, name in enumerate(trajectories)}
    write_spk(trajectories, ids, path)
    assert all(n.horizon is None and not n.conditions for n in nodes)  # else the witness must too
    with kernels(path):
        yield access, Witness(path, nodes, ids, scenario.start, scenario.duration_s)


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

    _, witness = found
    rng = np.random.default_rng(4)
    worst = 0.0
    for name, naif_id in witness.ids.items():
        t_s = rng.uniform(0, witness.span_s, 200)
        wanted = [spiceypy.spkgps(naif_id, witness.et0 + t, "J2000", 301)[0] for t in t_s]
        worst = max(worst, np.abs(witness.at(name, t_s)[0] - wanted).max())
    evidence("spacecraft positions from the SPK file", "SPICE at random instants",
             200 * len(witness.ids), 1e3 * worst, 0.01, "m", "Hermite on the file's nodes")  # fmt: skip


def test_every_edge_is_where_the_witness_puts_it(found, evidence):
    access, witness = found
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


def test_no_interval_is_missed_in_three_days_second_by_second(found, evidence):
    access, witness = found
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
