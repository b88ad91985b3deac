"""Every figure of merit of a map against loops over sampled elevations, from STK's definitions."""

from __future__ import annotations

import math

import numpy as np

from cislunar.coverage import cell_views, unit_vectors
from orbits.constants import MOON_RADIUS_KM

STEP = 60.0


def orbits(rng, count, epochs):
    """Circular orbits of chance size and plane, (S, K, 3) km."""
    t = np.arange(epochs) * STEP
    out = []
    for a in rng.uniform(2600.0, 9000.0, count):
        x, y = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
        angle = math.sqrt(4902.8 / a**3) * t[:, None] + rng.uniform(0.0, 7.0)
        out.append(a * (np.cos(angle) * x + np.sin(angle) * y))
    return np.array(out)


def runs(covered):
    """Gaps as (first, after the last) epochs, one epoch after the other."""
    found, k = [], 0
    while k < len(covered):
        first = k
        while k < len(covered) and not covered[k]:
            k += 1
        if k > first:
            found.append((first, k))
        k += 1
    return found


def lengths(covered, rule):
    """Seconds of the gaps that the rule for the ends counts, and of those that touch no end."""
    gaps, end = runs(covered), len(covered)
    inner = [b - a for a, b in gaps if a > 0 and b < end]
    if rule == "drop" and gaps != [(0, end)]:
        kept = inner
    elif rule == "wrap" and len(gaps) > 1 and gaps[0][0] == 0 and gaps[-1][1] == end:
        kept = [*inner, gaps[0][1] + end - gaps[-1][0]]
    else:
        kept = [b - a for a, b in gaps]
    return np.array(kept) * STEP, np.array(inner) * STEP


def test_maps_say_what_loops_over_elevations_say(evidence):
    rng = np.random.default_rng(11)
    worst, compared = 0.0, 0
    for trial in range(6):
        epochs, count = int(rng.integers(150, 400)), int(rng.integers(2, 6))
        places, live = orbits(rng, count, epochs), rng.random((count, epochs)) > 0.3
        relay = np.ones(count, bool)
        relay[0] = trial % 2 == 0
        up = unit_vectors(rng.uniform(-90, 90, 5), rng.uniform(-180, 180, 5))
        mask, need = math.radians(rng.choice([0.0, 5.0, 15.0])), int(rng.choice([1, 2]))
        for rule in ("bound", "drop", "wrap"):
            got = cell_views(up, places, mask, STEP, relay=relay, live=live, edge_gaps=rule,
                             least_assets=need)  # fmt: skip
            for c in range(5):
                apart = places - MOON_RADIUS_KM * up[c]
                seen = apart @ up[c] / np.linalg.norm(apart, axis=2) >= math.sin(mask)
                covered = seen[relay].sum(axis=0) >= need
                joint = (seen & live)[relay].sum(axis=0) >= need
                gaps, inner = lengths(covered, rule)
                joined, _ = lengths(joint, rule)
                span, number = epochs * STEP, seen.sum(axis=0)
                want = {
                    "covered": covered.any(), "availability_frac": covered.mean(),
                    "joint_availability_frac": joint.mean(),
                    "coverage_time_s": covered.sum() * STEP,
                    "access_count": sum(v[0] + (v[1:] & ~v[:-1]).sum() for v in seen[relay]),
                    "visible_mean": number.mean(), "visible_min": number.min(),
                    "visible_max": number.max(),
                }  # fmt: skip
                want |= {f"visible_at_least_{n}_frac": (number >= n).mean() for n in range(1, 6)}
                for stem, g in (("", gaps), ("joint_", joined)):
                    want |= {
                        f"{stem}gap_count": g.size, f"{stem}longest_gap_s": g.max(initial=0.0),
                        f"{stem}mean_gap_s": g.mean() if g.size else 0.0,
                        f"{stem}time_average_gap_s": (g**2).sum() / span,
                    }  # fmt: skip
                for stem in (
                    "response_time",
                    "age_of_data",
                ):  # a mean over instants of what is left
                    want[f"{stem}_mean_s"] = sum(g * g / 2.0 for g in gaps) / span
                    want[f"{stem}_max_s"] = gaps.max(initial=0.0)
                if inner.size:
                    want["revisit_time_mean_s"] = inner.mean()
                    want["revisit_time_max_s"] = inner.max()
                else:
                    assert np.ma.getmaskarray(got["revisit_time_max_s"])[c]
                for name, value in want.items():
                    off = abs(float(got[name][c]) - float(value)) / max(abs(float(value)), 1e-9)
                    worst, compared = max(worst, off), compared + 1
    evidence("figures of merit", "loops over sampled elevations, all three rules", compared, worst,
             1e-12, "", "relative; the same epochs, counted one by one")  # fmt: skip


def test_a_polygon_is_the_meet_of_its_sides(evidence):
    """Convex polygons about both poles and the date line: every side's half of the sphere."""
    from cislunar.coverage.cells import region_mask
    from cislunar.schema import Region

    rng = np.random.default_rng(3)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    lon = rng.uniform(-180, 180, 5000)
    points, wrong, compared = unit_vectors(lat, lon), 0, 0
    for _ in range(60):
        near = rng.choice([-90.0, 90.0, rng.uniform(-90, 90)])
        centre = unit_vectors(near, rng.choice([180.0, 0.0])) + 0.05 * rng.normal(size=3)
        centre /= np.linalg.norm(centre)
        x = np.cross(centre, rng.normal(size=3))
        x /= np.linalg.norm(x)
        y = np.cross(centre, x)
        turn = np.sort(rng.uniform(0.0, 2.0 * np.pi, rng.integers(3, 8)))
        if np.diff(np.append(turn, turn[0] + 2.0 * np.pi)).max() > 3.0:
            continue  # its middle lies outside
        wide = math.radians(rng.uniform(20.0, 60.0))
        ring = np.cos(turn)[:, None] * x + np.sin(turn)[:, None] * y
        corners = math.cos(wide) * centre + math.sin(wide) * ring
        named = [
            (math.degrees(math.atan2(v[1], v[0])), math.degrees(math.asin(v[2]))) for v in corners
        ]
        sides = np.cross(corners, np.roll(corners, -1, axis=0))
        want = (points @ sides.T > 0.0).all(axis=1)
        wrong += int(
            (region_mask(Region(name="p", polygon_lon_lat_deg=named), lat, lon) != want).sum()
        )
        compared += want.size
    evidence("regions", "polygons as the meet of half spheres", compared, wrong, 0, "points",
             "inside or not")  # fmt: skip
