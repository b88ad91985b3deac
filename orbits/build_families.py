"""Builds ``orbits/data/families.csv``: converged members of every family, a few hundred each.

Run ``python -m orbits.build_families``. The planner looks an orbit up between two neighbours and
corrects it, so the table only has to be dense enough for Newton's method to start from.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from orbits.constants import CR3BP_LU_KM, CR3BP_MU
from orbits.continuation import HALF, X0, Z0, correct, extremes, trace

TABLE = Path(__file__).parent / "data" / "families.csv"
COLUMNS = ("family", "x0", "z0", "vy0", "half_period", "perilune", "apolune", "amplitude_z")
MU = CR3BP_MU

DRO_LEAST_KM, DRO_MOST_KM = 1_950.0, 350_000.0  # near-side distance
# halos are traced past the lunar surface (1737 km), down to these perilunes
L1_FLOOR_KM, L2_FLOOR_KM = 1_000.0, 30.0
PLANAR_ND = 1e-6  # a halo is traced down to this |z|


def distant_retrograde() -> np.ndarray:
    """DRO members (M, 4) from low above the Moon to far out, by near-side distance."""
    distance = DRO_LEAST_KM / CR3BP_LU_KM
    speed = math.sqrt(MU / distance) + distance  # circular and retrograde, seen from rotating axes
    half = math.pi * distance / speed
    x0 = 1 - MU - distance
    start = correct((x0, 0.0, speed, half), MU, "x0", x0)
    stop = 1 - MU - DRO_MOST_KM / CR3BP_LU_KM
    return trace(start, MU, (-1.0, 0.0, 0.0, 1.0), 0.03, lambda u: u[X0] > stop)


def halo(guess, floor_km: float) -> np.ndarray:
    """Southern halo members (M, 4) from the planar end through the largest |z| to the NRHOs."""
    start = correct(guess, MU, "z0", guess[Z0])
    to_plane = trace(start, MU, (0.0, 1.0, 0.0, 0.0), 0.01, lambda u: u[Z0] < -PLANAR_ND)

    def above_floor(u):
        return extremes(u, MU, 121)[0] * CR3BP_LU_KM > floor_km

    onward = trace(start, MU, (0.0, -1.0, 0.0, 0.0), 0.01, above_floor)
    planar = to_plane[-1]
    flat = correct((planar[X0], -PLANAR_ND, planar[2], planar[HALF]), MU, "z0", -PLANAR_ND)
    return np.vstack([flat, to_plane[-2:0:-1], onward])


def build() -> dict[str, np.ndarray]:
    """Members (M, 4) of each family in the table."""
    return {
        "dro": distant_retrograde(),
        # first guesses: the halo's perpendicular crossing far from the Moon, |z| about 10,000 km
        "halo-l1": halo((0.8234, -0.02, 0.1327, 1.3728), L1_FLOOR_KM),
        "halo-l2": halo((1.1802, -0.0257, -0.1596, 1.705), L2_FLOOR_KM),
    }


def main() -> None:
    """Writes the table and prints what is in it."""
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, members in build().items():
            figures = np.array([extremes(u, MU) for u in members])
            for u, three in zip(members, figures, strict=True):
                numbers = [*(f"{v:.15g}" for v in u), *(f"{v:.9g}" for v in three)]
                writer.writerow([name, *numbers])
            km = figures * CR3BP_LU_KM
            print(
                f"{name}: {len(members)} members, perilune {km[:, 0].min():.0f} to "
                f"{km[:, 0].max():.0f} km, |z| to {km[:, 2].max():.0f} km"
            )


if __name__ == "__main__":
    main()
