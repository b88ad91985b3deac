"""Peak memory of a year with 40 nodes, stage by stage.

    python benchmarks/bench_year_memory.py [DAYS] [STEP_S] [mesh]

Twelve spacecraft, eight Earth stations and twenty lunar assets; two-body orbits, so that what is
measured is the network and not the flying. With ``mesh`` every spacecraft has crosslinks to all.
Prints after each stage the process's memory now and its peak so far, in MiB, and the processor
seconds that the stage took; fails where the peak is above the limit.
"""

import resource
import sys
import time

from cislunar import catalog
from cislunar.access import find_access
from cislunar.comms import score_comms
from cislunar.contacts import plan_contacts
from cislunar.links import close_links
from cislunar.scenario import Scenario
from cislunar.situation import in_service
from cislunar.tracks import build_tracks, time_grid
from cislunar.trajectories import build_trajectories
from cislunar.world import build_world
from orbits.ephemeris import De440

DAYS = float(sys.argv[1]) if len(sys.argv) > 1 else 365.0
STEP_S = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
CROSSLINKS = ["crosslink-k"] if "mesh" in sys.argv[3:] else []
LIMIT_MIB = 2048


def memory_mib() -> tuple[float, float]:
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[1]) * resource.getpagesize() / 2**20
    return now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def scenario() -> Scenario:
    orbit = {
        "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
        "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 0.0,
        "argument_of_periapsis_deg": 90.0, "mean_anomaly_deg": 0.0,
    }  # fmt: skip
    stations = sorted(
        n
        for n in catalog.names("stations")
        if catalog.get("stations", n).get("terminals")
        and "service_start" not in catalog.get("stations", n)
    )[:8]
    return Scenario(
        name="year", epoch="2030-01-01T00:00:00 UTC", duration_days=DAYS, step_s=STEP_S,
        fidelity="kepler", options=[],
        constellations=[
            {
                "name": "relay", "orbit": orbit, "planes": 3, "per_plane": 4, "phasing_deg": 30.0,
                "terminals": ["relay-s", "relay-x-earth", *CROSSLINKS],
            }
        ],
        ground_stations=[{"from": n} for n in stations],
        assets=[
            {
                "name": f"site-{k}", "latitude_deg": -89.0 + 8.0 * k,
                "longitude_deg": 40.0 * k % 360, "min_elevation_deg": 5.0,
                "terminals": ["user-s-medium", "user-x-dte"],
                "needs": [{"service": "relay", "availability_frac": 0.9}],
            }
            for k in range(20)
        ],
    )  # fmt: skip


def main() -> None:
    before = time.process_time()

    def report(stage: str) -> None:
        nonlocal before
        now, peak = memory_mib()
        spent, before = time.process_time() - before, time.process_time()
        print(f"{stage:<14} {now:8.0f} now {peak:8.0f} peak MiB {spent:8.1f} s", flush=True)

    chosen = scenario()
    ephemeris = De440.open()
    nodes, _ = in_service(chosen)
    print(f"{len(nodes)} nodes, {DAYS:g} days, {STEP_S:g} s")
    report("imports")
    trajectories = build_trajectories(chosen, nodes, ephemeris, workers=2)
    report("trajectories")
    world = build_world(
        chosen.fidelity, chosen.start, time_grid(chosen.duration_s, chosen.step_s), ephemeris
    )
    report("world")
    tracks = build_tracks(chosen, nodes, trajectories, ephemeris, world=world)
    report("tracks")
    access = find_access(tracks, nodes)
    report("access")
    links = close_links(access, tracks, nodes)
    report("links")
    plan = plan_contacts(links, access, nodes, None, tracks)
    report("contacts")
    score_comms(plan, nodes)
    report("communication")
    print(f"{len(plan)} contacts; peak {memory_mib()[1]:.0f} MiB of {LIMIT_MIB}")
    assert memory_mib()[1] < LIMIT_MIB


if __name__ == "__main__":
    main()
