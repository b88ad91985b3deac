"""A horizon from an elevation model against every pixel of it by plain numpy.

    python benchmarks/bench_horizon.py [--pixels 4000] [--rounds 3]

The map is polar, in pixels of 20 m, of rough ground; a step of azimuth is 0.25 deg. numpy takes the
azimuth and elevation of every pixel beyond 7 km and the highest in each step. Where the horizon is
out there, ours must be no more than 0.1 deg below it, nor above the highest of the steps beside it.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cislunar.terrain.dem_files import open_dem
from cislunar.terrain.horizon import horizon_profile

R_M, PIXEL_M, STEP_DEG, INNER_M = 1737400.0, 20.0, 0.25, 7000.0
LABEL = """PDS_VERSION_ID = PDS3
TARGET_NAME = MOON
^IMAGE = "ROUGH.IMG"
OBJECT = IMAGE
LINES = {n}
LINE_SAMPLES = {n}
SAMPLE_TYPE = LSB_INTEGER
SAMPLE_BITS = 16
UNIT = METER
SCALING_FACTOR = 0.5
OFFSET = 1737400.
END_OBJECT = IMAGE
OBJECT = IMAGE_MAP_PROJECTION
MAP_PROJECTION_TYPE = "POLAR STEREOGRAPHIC"
A_AXIS_RADIUS = 1737.4 <km>
B_AXIS_RADIUS = 1737.4 <km>
C_AXIS_RADIUS = 1737.4 <km>
CENTER_LATITUDE = -90 <deg>
CENTER_LONGITUDE = 0 <deg>
MAP_SCALE = 20 <m/pix>
LINE_PROJECTION_OFFSET = {middle}
SAMPLE_PROJECTION_OFFSET = {middle}
COORDINATE_SYSTEM_NAME = "MEAN EARTH/POLAR AXIS OF DE421"
END_OBJECT = IMAGE_MAP_PROJECTION
END
"""


def rough(n: int) -> np.ndarray:
    """Ground whose spectrum falls as that of hills does; counts of 0.5 m."""
    rng = np.random.default_rng(4)
    f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
    f[0, 0] = np.inf
    ground = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, n))) * f**-1.8, s=(n, n))
    ground *= 800.0 / ground.std()
    # a bowl that is smooth in the middle, so that the horizon is far away
    at = np.hypot(*np.meshgrid(*[(np.arange(n) - 0.5 * (n - 1)) * PIXEL_M] * 2))
    ground = 0.3 * ground * np.minimum(at / INNER_M, 1.0) ** 2 + at**2 / 8e5 - 2000.0
    return np.round(ground.clip(-8000, 8000) / 0.5).astype("<i2")


def by_numpy(heights: np.ndarray, eye_m: float, reach_m: float) -> np.ndarray:
    """The highest pixel (deg) in each step of azimuth, from an eye over the pole."""
    n = len(heights)
    at = (np.arange(n) - 0.5 * (n - 1)) * PIXEL_M
    x, y = np.meshgrid(at, -at)
    rho = np.hypot(x, y)
    angle = 2.0 * np.arctan(rho / (2.0 * R_M))
    r = R_M + heights
    elevation = np.arctan2(r * np.cos(angle) - eye_m, r * np.sin(angle))
    azimuth = np.degrees(np.arctan2(x, y)) % 360.0
    far = (angle * R_M > INNER_M) & (angle * R_M <= reach_m)
    step = np.round(azimuth[far] / STEP_DEG).astype(int) % round(360.0 / STEP_DEG)
    out = np.full(round(360.0 / STEP_DEG), -np.inf)
    np.maximum.at(out, step, np.degrees(elevation[far]))
    return out


def timed(work, *args, **named):
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(*args, **named)
    return found, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pixels", type=int, default=4000)
    asked.add_argument("--rounds", type=int, default=3)
    given = asked.parse_args()
    n = given.pixels
    reach_m = 0.45 * n * PIXEL_M
    with tempfile.TemporaryDirectory() as folder:
        counts = rough(n)
        counts.tofile(Path(folder) / "rough.img")
        label = Path(folder) / "rough.lbl"
        label.write_text(LABEL.format(n=n, middle=0.5 * (n - 1)))
        dem = open_dem(label)
        options = {"height_above_ground_m": 10.0, "max_range_km": reach_m / 1e3}
        horizon_profile(dem, -90.0, 0.0, **options)  # compiles
        for _ in range(given.rounds):
            ours, wall_s, cpu_s = timed(horizon_profile, dem, -90.0, 0.0, **options)
            eye_m = R_M + ours.ground_m + 10.0
            theirs, _, their_cpu_s = timed(by_numpy, counts * 0.5, eye_m, reach_m)
            print(
                f"ours {cpu_s:.2f} s of processor ({wall_s:.2f} s), numpy {their_cpu_s:.2f} s: "
                f"{their_cpu_s / cpu_s:.1f} times"
            )
    far = ours.range_km * 1e3 > INNER_M + 100.0
    beside = np.max([np.roll(theirs, k) for k in (-1, 0, 1)], axis=0)
    below = (theirs - ours.elevation_deg)[far].max()
    above = (ours.elevation_deg - beside)[far].max()
    print(f"{far.sum()} of {far.size} steps: {below:.3f} deg below at most, {above:.3f} above")
    assert far.sum() > 0.9 * far.size
    assert below < 0.1
    assert above < 0.1
    scale = 1e6 if sys.platform == "darwin" else 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    print(f"most memory, numpy's part included: {math.ceil(peak)} MB")


if __name__ == "__main__":
    main()
