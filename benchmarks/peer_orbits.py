"""Periodic orbits by hiten or e2m2e, for the comparisons; needs only the peer and numpy.

    PEER_PYTHON benchmarks/peer_orbits.py PEER MU LU_KM '[[2, "southern", 0.2], ...]' OUT.npz

Each orbit is a libration point, a branch and the amplitude as the peer counts it, non-dimensional
(e2m2e: point 0 is a DRO). Written are the states of a revolution, its period, and what it cost
after a first orbit has compiled everything; what import and that first orbit cost is told apart.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from time import perf_counter, process_time

import numpy as np

SAMPLES = 4001  # of a revolution


def cost(work, *given):
    """What ``work`` returns, and what it took: (wall, processor) in s."""
    wall, cpu = perf_counter(), process_time()
    found = work(*given)
    return found, (perf_counter() - wall, process_time() - cpu)


def by_hiten(mu: float, _lu_km: float):
    """A function of (point, branch, amplitude) to (times, states, period, its Jacobi constant)."""
    from hiten import System

    system = System.from_mu(mu)

    def make(point, branch, amplitude):
        orbit = system.get_libration_point(point).create_orbit(
            "halo", amplitude_z=amplitude, zenith=branch
        )
        orbit.correct()
        orbit.propagate(steps=SAMPLES)
        path = orbit.trajectory
        return np.array(path.times), np.array(path.states), orbit.period, orbit.jacobi

    return make


def by_e2m2e(mu: float, lu_km: float):
    """The same; its Jacobi constant is not asked for."""
    from e2m2e.algorithm.dynamics import CR3BP_Dynamics, CR3BP_System
    from e2m2e.algorithm.family.orbits.dro import design_dro
    from e2m2e.algorithm.family.orbits.halo import design_halo

    system = CR3BP_System(mu, "earth", "moon")
    system.set_characteristic_scales(distance=lu_km, period=86400.0)  # only lengths are asked for
    dynamics = CR3BP_Dynamics(system)

    def make(point, branch, amplitude):
        z_km = amplitude * lu_km * (1.0 if branch == "northern" else -1.0)
        if point == 0:
            orbit = design_dro(amplitude * lu_km, dynamics=dynamics)
        else:
            orbit = design_halo(point, z_km, dynamics=dynamics)
        return np.array(orbit.times), np.array(orbit.states), orbit.period, np.nan

    return make


def main(peer: str, mu: str, lu_km: str, asked: str, out: str) -> None:
    """Makes the orbits and writes them."""
    start = {"hiten": by_hiten, "e2m2e": by_e2m2e}[peer]
    make, loading = cost(start, float(mu), float(lu_km))
    wanted = [tuple(x) for x in json.loads(asked)]
    _, first = cost(make, *wanted[0])
    found = {"version": np.array(version(peer)), "loading_s": loading, "first_s": first}
    for k, one in enumerate(wanted):
        (t, states, period, jacobi), took = cost(make, *one)
        found |= {f"t_{k}": t, f"states_{k}": states, f"orbit_{k}": (period, jacobi)}
        found[f"cost_{k}"] = took
    np.savez(out, **{name: np.array(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
