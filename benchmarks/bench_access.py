"""Who sees whom for 28 days, 40 nodes, all pairs: against lox-space on identical trajectories.

lox-space (from the package index) is no dependency of the project; with it installed:

    python benchmarks/bench_access.py

Twelve lunar relays and 28 lunar sites, samples every 60 s. Both refine their edges. Against lox
the pairs are those of a relay and a site: between spacecraft it puts the Earth's sphere (6371 km)
at the centre of Moon-centred trajectories, so there is nothing to compare. Edges differ by some
seconds, for lox turns the Moon by the IAU's series and ours by the DE421 ephemeris, so that sites
stand some hundred metres apart; most where a relay grazes the mask.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter, process_time

import numpy as np

import cislunar
from cislunar.access import find_access
from cislunar.contacts import plan_contacts
from cislunar.links import close_links
from cislunar.situation import in_service
from cislunar.tracks import build_tracks, site_vector_km
from cislunar.trajectories import build_trajectories
from orbits.ephemeris import De440

DAYS, RELAYS, SITES, MASK_DEG = 28.0, 12, 28, 5.0
NEAR_S = 5.0  # how far 99 % of the edges may differ
GRAZING_S = 60.0  # and all of them; shorter passes may be seen by one and not by the other


def scenario():
    relays = [
        {
            "name": f"relay-{k:02d}", "operator": "jaxa", "terminals": ["relay-s"],
            "orbit": {
                "kind": "keplerian", "frame": "MOON_OP", "semi_major_axis_km": 6541.4,
                "eccentricity": 0.6, "inclination_deg": 56.2, "raan_deg": 120.0 * (k % 3),
                "argument_of_periapsis_deg": 90, "mean_anomaly_deg": 360.0 * k / RELAYS,
            },
        }
        for k in range(RELAYS)
    ]  # fmt: skip
    turn = np.pi * (3.0 - np.sqrt(5.0))  # sites all over the Moon, on a spiral
    sites = [
        {
            "name": f"site-{k:02d}", "operator": "jaxa", "terminals": ["user-s-medium"],
            "latitude_deg": float(np.degrees(np.arcsin(1.0 - (2.0 * k + 1.0) / SITES))),
            "longitude_deg": float(np.degrees(k * turn) % 360.0 - 180.0),
            "min_elevation_deg": MASK_DEG,
        }
        for k in range(SITES)
    ]  # fmt: skip
    return cislunar.Scenario(
        name="bench", epoch="2030-03-01T00:00:00 UTC", duration_days=DAYS, step_s=60.0,
        fidelity="kepler", spacecraft=relays, assets=sites,
    )  # fmt: skip


def by_lox(tracks, nodes):
    """{(site or relay, relay): (starts, ends)} in seconds, and what it cost: (wall, processor)."""
    import lox_space as lox

    utc = tracks.epoch.utc_text(0.0, decimals=6).rstrip("Z")
    start = lox.UTC.from_iso(utc).to_scale("TAI")
    craft, ground = [], []
    for node in nodes:
        if node.kind == "spacecraft":
            path = np.column_stack((tracks.t_s, 1e3 * tracks.states[node.name]))
            moon = lox.Origin("Moon")
            craft.append(
                lox.Spacecraft(node.name, lox.Trajectory.from_numpy(start, path, origin=moon))
            )
        else:
            place = lox.EllipsoidLocation(
                "IAU_MOON", longitude=node.longitude_deg * lox.deg,
                latitude=node.latitude_deg * lox.deg, altitude=node.height_m * 1e-3 * lox.km,
                ellipsoid=lox.Ellipsoid(1737.4 * lox.km, 0.0),
            )  # fmt: skip
            ground.append(
                lox.GroundStation(node.name, place, min_elevation=node.min_elevation_deg * lox.deg)
            )
    span = lox.TimeDelta(tracks.span_s)
    both = lox.Scenario(start, start + span, spacecraft=craft, ground_stations=ground)
    wall, cpu = perf_counter(), process_time()
    found = (
        lox.VisibilityAnalysis(both, step=lox.TimeDelta(tracks.step_s)).compute().all_intervals()
    )
    cost = perf_counter() - wall, process_time() - cpu

    def seconds(time):
        return float((time - start).to_decimal_seconds())

    return {
        tuple(sorted(pair)): np.array(
            [[seconds(i.start()), seconds(i.end())] for i in some]
        ).reshape(-1, 2).T
        for pair, some in found.items()
    }, cost  # fmt: skip


def apart_m(tracks, nodes) -> float:
    """How far lox's IAU Moon puts a site from ours, at most, at ten instants of the span (m)."""
    import lox_space as lox

    start = lox.UTC.from_iso(tracks.epoch.utc_text(0.0, decimals=6).rstrip("Z")).to_scale("TAI")
    worst = 0.0
    for node in nodes:
        if node.kind == "spacecraft":
            continue
        fixed = 1e3 * site_vector_km(node.latitude_deg, node.longitude_deg, node.height_m)
        for k in np.linspace(0, tracks.t_s.size - 1, 10).astype(int):
            there = lox.Cartesian(
                start + lox.TimeDelta(float(tracks.t_s[k])), position=fixed.tolist(),
                velocity=[0.0, 0.0, 0.0], origin=lox.Origin("Moon"), frame=lox.Frame("IAU_MOON"),
            ).to_frame(lox.Frame("ICRF"))  # fmt: skip
            off = np.array(there.position()) - 1e3 * tracks.states[node.name][k, :3]
            worst = max(worst, float(np.linalg.norm(off)))
    return worst


def compared(access, theirs, span_s):
    """(differences of edges that both have, s; passes of one alone; the longest of them, s)."""
    apart: list[float] = []
    alone, longest = 0, 0.0
    for pair, one in access.items():
        if pair not in theirs:
            continue
        ours = one.access
        other = theirs[pair]
        left: list[float] = []
        for mine, yours in (
            ((ours.start_s, ours.end_s), other),
            (other, (ours.start_s, ours.end_s)),
        ):
            for s, e in zip(*mine, strict=True):
                hit = np.flatnonzero((yours[0] < e) & (yours[1] > s))
                if hit.size != 1:
                    left.append(e - s)
                    continue
                for x, y in ((s, yours[0][hit[0]]), (e, yours[1][hit[0]])):
                    if 0.0 < x < span_s and 0.0 < y < span_s:
                        apart.append(abs(x - y))
        alone += len(left)
        longest = max([longest, *left])
    return np.array(apart), alone, longest


def main() -> None:
    try:
        release = version("lox-space")
    except PackageNotFoundError:
        sys.exit("lox-space is not installed")
    chosen, ephemeris = scenario(), De440.open()
    nodes, _ = in_service(chosen)
    trajectories = build_trajectories(chosen, nodes, ephemeris)
    tracks = build_tracks(chosen, nodes, trajectories, ephemeris)
    find_access(tracks, nodes[:3])  # compile
    close_links(find_access(tracks, nodes), tracks, nodes)

    wall, cpu = perf_counter(), process_time()
    access = find_access(tracks, nodes)
    ours = perf_counter() - wall, process_time() - cpu
    wall, cpu = perf_counter(), process_time()
    plan = plan_contacts(close_links(access, tracks, nodes), access, nodes, chosen.policy, tracks)
    links = perf_counter() - wall, process_time() - cpu
    theirs, cost = by_lox(tracks, nodes)
    wall, cpu = perf_counter(), process_time()
    some = find_access(tracks, nodes, list(theirs))
    same = perf_counter() - wall, process_time() - cpu
    apart, alone, longest = compared(some, theirs, tracks.span_s)
    print(f"{len(nodes)} nodes, {DAYS:.0f} days, {tracks.t_s.size} samples")
    print("                                   wall s  processor s")
    print(f"access, all {len(access)} pairs             {ours[0]:8.2f}     {ours[1]:8.2f}")
    print(f"links and {len(plan)} contacts         {links[0]:8.2f}     {links[1]:8.2f}")
    print(f"access, {len(some)} pairs of site and relay{same[0]:8.2f}     {same[1]:8.2f}")
    print(
        f"  lox-space {release:10s}           {cost[0]:8.2f}     {cost[1]:8.2f}   "
        f"{cost[0] / same[0]:.0f} x wall, {cost[1] / same[1]:.0f} x processor"
    )
    print(
        f"{apart.size // 2} edges in common: half within {np.median(apart):.2f} s, 99 % within "
        f"{np.percentile(apart, 99):.2f} s, all within {apart.max():.2f} s"
    )
    print(f"{alone} passes seen by one alone, the longest {longest:.0f} s")
    print(f"sites stand up to {apart_m(tracks, nodes):.0f} m apart")
    assert len(theirs) == RELAYS * SITES
    assert np.percentile(apart, 99) < NEAR_S
    assert apart.max() < GRAZING_S
    assert longest < GRAZING_S
    assert cost[1] > 10.0 * same[1]
    assert ours[1] + links[1] < 5.0


if __name__ == "__main__":
    main()
