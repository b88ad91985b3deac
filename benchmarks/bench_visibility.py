"""Visibility of 12 spacecraft from 10,000 cells at 43,200 epochs, against plain numpy.

    python benchmarks/bench_visibility.py [--cells 10000] [--epochs 43200]

The rate counts tests of one spacecraft, one cell and one epoch, all in double precision and with
every figure of merit taken. numpy does the same tests on a part of the cells, alternated with ours
on the same part, and its figures must be ours.
"""

from __future__ import annotations

import argparse
import math
import resource
import time

import numpy as np

from cislunar.coverage import cell_views, unit_vectors

GM_KM3_S2 = 4902.800118457549
MASK_RAD = math.radians(5.0)


def fleet(count: int, epochs: int, step_s: float = 60.0) -> np.ndarray:
    """Positions (S, K, 3) in km on circles of 6,000 to 12,000 km."""
    rng = np.random.default_rng(1)
    t_s = np.arange(epochs) * step_s
    out = np.empty((count, epochs, 3))
    for s in range(count):
        radius = rng.uniform(6000.0, 12000.0)
        x, y = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
        angle = (math.sqrt(GM_KM3_S2 / radius**3) * t_s + rng.uniform(0.0, 6.0))[:, None]
        out[s] = radius * (x * np.cos(angle) + y * np.sin(angle))
    return out


def cells(count: int) -> np.ndarray:
    """Unit vectors (C, 3) spread over the sphere."""
    k = np.arange(count) + 0.5
    return unit_vectors(
        np.degrees(np.arcsin(1.0 - 2.0 * k / count)),
        (np.degrees(k * math.pi * (3.0 - math.sqrt(5.0))) + 180.0) % 360.0 - 180.0,
    )


def by_numpy(units: np.ndarray, positions_km: np.ndarray) -> dict[str, np.ndarray]:
    """Counts in view and covered epochs by broadcasting, spacecraft after spacecraft."""
    seen = np.zeros((len(units), positions_km.shape[1]), np.int8)
    for place in positions_km:
        r = np.linalg.norm(place, axis=1)
        least = np.cos(np.arccos(1737.4 * math.cos(MASK_RAD) / r) - MASK_RAD)
        seen += units @ (place / r[:, None]).T >= least
    return {"visible_mean": seen.mean(axis=1), "availability_frac": (seen > 0).mean(axis=1)}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cells", type=int, default=10_000)
    asked.add_argument("--epochs", type=int, default=43_200)
    given = asked.parse_args()
    places, units = fleet(12, given.epochs), cells(given.cells)
    cell_views(units[:8], places[:, :100], MASK_RAD, 60.0)  # compiles

    part = units[:: max(1, len(units) // 200)][:200]
    tests = 12 * len(part) * given.epochs
    ratios = []
    for _ in range(3):
        start = time.perf_counter()
        theirs = by_numpy(part, places)
        middle = time.perf_counter()
        ours = cell_views(part, places, MASK_RAD, 60.0)
        end = time.perf_counter()
        ratios.append((middle - start) / (end - middle))
        print(
            f"{len(part)} cells: numpy {tests / (middle - start) / 1e9:.2f} G/s, "
            f"ours {tests / (end - middle) / 1e9:.2f} G/s, ratio {ratios[-1]:.1f}"
        )
    for name, values in theirs.items():
        apart = np.abs(values - ours[name]).max()
        assert apart == 0.0, f"{name} differs by {apart}"

    tests = 12 * len(units) * given.epochs
    wall, cpu = time.perf_counter(), time.process_time()
    cell_views(units, places, MASK_RAD, 60.0)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(units)} cells: {wall:.2f} s, {tests / wall / 1e9:.2f} G/s; {cpu:.2f} s of "
        f"processor, {tests / cpu / 1e9:.2f} G/s a core; peak memory {peak_gib:.2f} GiB"
    )
    assert peak_gib <= 2.0, "more than 2 GiB"


if __name__ == "__main__":
    main()
