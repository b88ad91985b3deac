"""Times what a family and a named orbit cost, and asserts the answers; run it as a script.

The best of a few in processor time, so that a busy machine is not mistaken for a slow program.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from orbits.constants import CR3BP_MU
from orbits.continuation import crossing, trace
from orbits.families import butterfly, dro, halo, lyapunov, members, nrho, spatial_dro

FAMILY_S, NAMED_S = 0.3, 0.05


def best(make, count=5):
    """Shortest processor time in s of several calls, and the last answer."""
    shortest, answer = np.inf, None
    for _ in range(count):
        start = time.process_time()
        answer = make()
        shortest = min(shortest, time.process_time() - start)
    return shortest, answer


def halo_family():
    """200 members of the L2 southern halos, by continuation from one of the table."""
    start = members("halo-l2")[5]
    return trace(start, CR3BP_MU, (0.0, -1.0, 0.0, 0.0), 0.003, lambda u: True, most=200)


NAMED = {
    "DRO 70,000 km": (lambda: dro(70000), "period_days", 13.98787, 1e-5),
    "DRO 2:1": (lambda: dro(resonance="2:1"), "period_days", 14.7652945, 1e-7),
    "spatial DRO 30,000 km": (lambda: spatial_dro(30000), "amplitude_z_km", 30000, 1e-3),
    "L2 halo 15,000 km": (lambda: halo("L2", "southern", 15000), "period_days", 15.08585, 1e-5),
    "NRHO 9:2": (
        lambda: nrho("L2", "southern", resonance="9:2"), "perilune_km", 2936.08, 0.01,
    ),
    "NRHO by Jacobi": (lambda: nrho("L2", "southern", jacobi_nd=3.05), "jacobi_nd", 3.05, 1e-10),
    "L2 Lyapunov 20,000 km": (lambda: lyapunov("L2", 20000), "period_days", 15.535265, 1e-5),
    "butterfly 20,000 km": (
        lambda: butterfly("northern", perilune_km=20000), "perilune_km", 20000, 1e-3,
    ),
}  # fmt: skip


def main() -> int:
    """Prints the times; 1 if one is over its limit."""
    halo_family()  # compiled, or loaded from the cache
    slow = []
    seconds, family = best(halo_family)
    assert len(family) == 200
    assert max(np.abs(crossing(u, CR3BP_MU)[0]).max() for u in family) < 1e-10
    heights = family[:, 1]
    assert (np.diff(heights) != 0).all()
    print(f"{'halo family, 200 members':28s} {seconds * 1e3:8.1f} ms")
    slow += ["halo family"] if seconds > FAMILY_S else []
    for name, (make, key, value, within) in NAMED.items():
        seconds, orbit = best(make)
        assert abs(getattr(orbit, key) - value) <= within, (name, getattr(orbit, key))
        print(f"{name:28s} {seconds * 1e3:8.1f} ms")
        slow += [name] if seconds > NAMED_S else []
    if slow:
        print("over the limit:", ", ".join(slow))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
