"""GDOP of 84 sites from 12 spacecraft at 40,320 epochs, with visibility, against plain numpy.

    python benchmarks/bench_dop.py [--sites 84] [--epochs 40320]

A solution is one site and epoch with four or more in view that has a GDOP. numpy does the same
with batched 4 x 4 inverses, alternated with ours on a part of the sites and once on all; every GDOP
below 1,000 must agree to a part in a million.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from bench_visibility import MASK_RAD, cells, fleet

from cislunar.positioning.dop import dop_of_sites

RADIUS_KM = 1737.4


def by_numpy(units: np.ndarray, positions_km: np.ndarray) -> np.ndarray:
    """GDOP (U, K), infinite where there is no solution."""
    out = np.full((len(units), positions_km.shape[1]), np.inf)
    for i, up in enumerate(units):
        d = positions_km - RADIUS_KM * up
        e = d / np.linalg.norm(d, axis=2)[..., None]
        seen = e @ up >= math.sin(MASK_RAD)
        a = np.concatenate([e, np.ones((*e.shape[:2], 1))], axis=2) * seen[..., None]
        normal = np.einsum("ski,skj->kij", a, a)
        enough = seen.sum(axis=0) >= 4
        trace = np.full(enough.size, np.inf)
        trace[enough] = np.trace(np.linalg.inv(normal[enough]), axis1=1, axis2=2)
        out[i] = np.sqrt(np.where(trace > 0, trace, np.inf))
    return out


def timed(work, *args):
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(*args)
    return found, time.perf_counter() - wall, time.process_time() - cpu


def ours(units: np.ndarray, places: np.ndarray) -> np.ndarray:
    return dop_of_sites(RADIUS_KM * units, places, MASK_RAD)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sites", type=int, default=84)
    asked.add_argument("--epochs", type=int, default=40_320)
    given = asked.parse_args()
    places, units = fleet(12, given.epochs), cells(given.sites)
    ours(units[:2], places[:, :300])  # compiles
    for _ in range(3):
        _, theirs_s, _ = timed(by_numpy, units[:6], places)
        _, ours_s, _ = timed(ours, units[:6], places)
        print(
            f"6 sites: numpy {theirs_s:.3f} s, ours {ours_s:.4f} s, ratio {theirs_s / ours_s:.0f}"
        )
    theirs, theirs_s, theirs_cpu = timed(by_numpy, units, places)
    runs = [timed(ours, units, places) for _ in range(5)]
    found = runs[0][0]
    wall, cpu = min(r[1] for r in runs), min(r[2] for r in runs)
    clear = theirs < 1000.0
    assert (found[clear] > 0).all(), "a solution of numpy's is missing"
    apart = np.abs(found[clear] / theirs[clear] - 1.0).max()
    assert apart < 1e-6, f"GDOP differ by {apart}"
    fixes = int((found > 0).sum())
    print(
        f"{len(units)} sites, {fixes} solutions of {found.size}: ours {wall:.3f} s "
        f"({fixes / wall / 1e6:.0f} M/s), {cpu:.3f} s of processor ({fixes / cpu / 1e6:.0f} M/s a "
        f"core); numpy {theirs_s:.2f} s ({theirs_cpu:.2f} s of processor), ratio "
        f"{theirs_s / wall:.0f}; largest difference {apart:.1e}"
    )


if __name__ == "__main__":
    main()
