"""Builds ``orbits/data``: converged members of every family, a few hundred each, and some tori.

Run ``python -m orbits.build_families``. The planner looks an orbit up between two neighbours and
corrects it, so the table only has to be dense enough for Newton's method to start from.
"""

from __future__ import annotations

import csv
import math

import numpy as np

from orbits import families
from orbits.bifurcation import find_bifurcations, stability_indices
from orbits.constants import CR3BP_LU_KM, CR3BP_MU, MOON_RADIUS_KM
from orbits.continuation import (
    HALF,
    X0,
    Z0,
    correct,
    crossing,
    extremes,
    half_extent,
    trace,
)
from orbits.cr3bp import libration_points
from orbits.family_table import COLUMNS, TABLE, VERSION
from orbits.locking import REAL
from orbits.torus import TABLE as TORI
from orbits.torus import NoTorus, grow_torus, table_row, wind

MU = CR3BP_MU

DRO_LEAST_KM, DRO_MOST_KM = 1_950.0, 350_000.0  # near-side distance
# halos are traced past the lunar surface (1737 km), down to these perilunes
L1_FLOOR_KM, L2_FLOOR_KM = 1_000.0, 30.0
PLANAR_ND = 1e-6  # a halo is traced down to this |z|
LYAPUNOV_LEAST_ND = 2e-4  # amplitude where the equations still are nearly linear
LYAPUNOV_MOST_KM = 120_000.0  # half extent along x: beyond, about L1, it comes near the Earth
STORED_TORI_KM = ((70_000.0, 30_000.0),)  # mean near-side crossing and height
SPATIAL_ND = 2e-3  # height of the first spatial DRO at its near-side crossing


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


def lyapunov(point: int) -> np.ndarray:
    """Lyapunov members (M, 4) about L1 (0) or L2 (1), from small ones to near impact or L1's most.

    The first from the linear equations (Szebehely, Theory of Orbits, 1967, ch. 5).
    """
    x = libration_points(MU)[point, 0]
    c2 = (1 - MU) / abs(x + MU) ** 3 + MU / abs(x - 1 + MU) ** 3
    rate = math.sqrt((2 - c2 + math.sqrt(9 * c2 * c2 - 8 * c2)) / 2)
    ratio = (rate**2 + 2 * c2 + 1) / (2 * rate)
    x0 = x - LYAPUNOV_LEAST_ND
    guess = (x0, 0.0, ratio * rate * LYAPUNOV_LEAST_ND, math.pi / rate)

    def goes_on(u):
        high = extremes(u, MU, 241)[0] * CR3BP_LU_KM > MOON_RADIUS_KM
        return high and half_extent(u, MU) * CR3BP_LU_KM < LYAPUNOV_MOST_KM

    start = correct(guess, MU, "x0", x0)
    return trace(start, MU, (-1.0, 0.0, 1.0, 0.0), 0.02, goes_on)[:-1]


def butterfly() -> np.ndarray:
    """Northern butterfly members (M, 4) from the NRHO where they branch off, far crossing first.

    As long as that crossing is the northernmost point.
    """
    # first guess: far crossing of the member with a period of 16.5 days
    start = correct((1.0712, 0.1534, 0.0355, 1.8633), MU, "z0", 0.1534)
    along = (0.0, 0.0, 0.0, 1.0)

    def apart(u):  # at the NRHO the two crossings are one
        return u[X0] > crossing(u, MU)[2][0]

    def on_top(u):
        return extremes(u, MU)[2] < u[Z0] + 1e-9

    inward = trace(start, MU, [-v for v in along], 0.01, apart)[:-1]
    return np.vstack([inward[::-1], trace(start, MU, along, 0.01, on_top)[1:-1]])


def spatial_retrograde(planar: np.ndarray, revolutions: int) -> np.ndarray:
    """Spatial DRO members (M, 4) that repeat after 1 or 5 revolutions, from the planar one on."""
    if revolutions == 1:
        found = find_bifurcations(planar, MU)
        u = next(b.u for b in found if b.kind == "branching" and b.across).copy()
        step = 0.02
    else:  # where the motion across the plane turns once in that many revolutions; further out
        wanted = math.cos(2 * math.pi / revolutions)
        far = planar[planar[:, X0] < 1 - MU - 70_000.0 / CR3BP_LU_KM]
        index = np.array([float(stability_indices(u, MU)[1].real) for u in far])
        i = int(np.flatnonzero(index > wanted)[0])
        share = (wanted - index[i - 1]) / (index[i] - index[i - 1])
        u = far[i - 1] + share * (far[i] - far[i - 1])
        u = correct(u, MU, "x0", u[X0])
        u[HALF] *= revolutions
        step = 0.01
    u[Z0] = SPATIAL_ND
    start = correct(u, MU, "z0", SPATIAL_ND)

    def goes_on(u):
        return u[Z0] * CR3BP_LU_KM < 33_000.0 and u[X0] > 1 - MU - 357_500.0 / CR3BP_LU_KM

    return trace(start, MU, (0.0, 1.0, 0.0, 0.0), step, goes_on)


def build() -> dict[str, np.ndarray]:
    """Members (M, 4) of each family in the table."""
    planar = distant_retrograde()
    return {
        "dro": planar,
        "dro-spatial-1": spatial_retrograde(planar, 1),
        "dro-spatial-5": spatial_retrograde(planar, 5),
        "lyapunov-l1": lyapunov(0),
        "lyapunov-l2": lyapunov(1),
        # first guesses: the halo's perpendicular crossing far from the Moon, |z| about 10,000 km
        "halo-l1": halo((0.8234, -0.02, 0.1327, 1.3728), L1_FLOOR_KM),
        "halo-l2": halo((1.1802, -0.0257, -0.1596, 1.705), L2_FLOOR_KM),
        "butterfly": butterfly(),
    }


def rows(name: str, members: np.ndarray) -> list[list[str]]:
    """Lines of the table for the members (M, 4) of a family."""
    count = 721 * (5 if name.endswith("-5") else 1)
    out = []
    for u in members:
        least, _, height = extremes(u, MU, count)
        figures = (least, height, half_extent(u, MU))
        out.append([name, *(f"{v:.15g}" for v in u), *(f"{v:.9g}" for v in figures)])
    return out


def tori() -> list[np.ndarray]:
    """Rows of ``torus.TABLE``: the spatial DROs of the catalogue, whose tori take long to find.

    Each in the record's units by its crossing, and in the real month's by its period, as it flies.
    """
    out = []
    for near_km, height_km in STORED_TORI_KM:
        planar = families.dro(near_km)
        near, height = near_km / CR3BP_LU_KM, height_km / CR3BP_LU_KM
        around = tuple(planar.state_nd)
        torus = grow_torus(around, planar.period_nd, height, MU, near)
        out.append(table_row(torus, height, near, 0.0))
        flown = wind(torus, np.pi / 2)
        days = flown.period * planar.system.tu_days
        planar = families.dro(period_days=days, system=REAL)
        try:
            torus = grow_torus(tuple(planar.state_nd), planar.period_nd, flown.height, MU, None)
        except NoTorus:
            continue  # it flies after the record's
        out.append(table_row(torus, flown.height, None, planar.period_nd))
    return out


def main() -> None:
    """Writes the tables and prints what is in them."""
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as out:
        out.write(VERSION + "\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("family", *COLUMNS))
        for name, members in build().items():
            lines = rows(name, members)
            writer.writerows(lines)
            km = np.array([[float(v) for v in line[5:]] for line in lines]) * CR3BP_LU_KM
            print(
                f"{name}: {len(members)} members, perilune {km[:, 0].min():.0f} to "
                f"{km[:, 0].max():.0f} km, |z| to {km[:, 1].max():.0f} km"
            )
    found = tori()
    np.savetxt(TORI, found, delimiter=",", fmt="%.17g")
    print(f"tori: {len(found)}")


if __name__ == "__main__":
    main()
