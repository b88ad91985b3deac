"""Periodic orbits against hiten and e2m2e: the same orbits, asked for by what theirs turn out.

    python benchmarks/bench_orbits.py [--hiten HITEN_PYTHON] [--e2m2e E2M2E_PYTHON]

A peer makes its orbits in its own environment (``peer_orbits.py``) with our mass ratio. Halo orbits
are then looked up by the Jacobi constants of its states, DROs by their near-side crossings, and
must have its periods and its state where the orbit crosses the plane of symmetry. Processor time of
one orbit with its states over a revolution, after a first one has compiled everything; ours the
best of several.
"""

from __future__ import annotations

import argparse

import numpy as np
from bench_chain import HALOS, orbits_of, side
from bench_propagate import best_s

from orbits.constants import CR3BP_LU_KM, CR3BP_MU
from orbits.cr3bp import jacobi
from orbits.families import dro, halo

SAME_CONSTANT, SAME_PERIOD, SAME_STATE = 1e-9, 1e-7, 1e-6  # non-dimensional
ASKED = {"hiten": HALOS, "e2m2e": [(2, "northern", 0.03), (2, "southern", 0.06), (0, "", 0.18)]}


def compare(found: dict, k: int, point: int, peer: str) -> None:
    """One orbit of a peer's and ours: asserted equal, and told."""
    period, constant = found[f"orbit_{k}"]
    t, states = found[f"t_{k}"], found[f"states_{k}"]
    own = float(jacobi(states[:1])[0])
    assert np.ptp(jacobi(states)) < SAME_CONSTANT
    if peer == "hiten":
        # the figure it prints has mu (1 - mu) more, and z squared, with which it is no constant
        more = CR3BP_MU * (1.0 - CR3BP_MU) + states[0, 2] ** 2
        assert abs(constant - own - more) < SAME_CONSTANT
    name = f"L{point} {side(found, k)} halo" if point else "DRO"

    def make():
        if point:
            made = halo(f"L{point}", side(found, k), jacobi_nd=own)
        else:
            made = dro(amplitude_km=(1.0 - CR3BP_MU - states[0, 0]) * CR3BP_LU_KM)
        return made, made.at(t)

    (ours, _), ours_s = make(), best_s(make, 5)
    crossings = ours.at(np.array([0.0, 0.5 * ours.period_nd]))
    off = np.abs(crossings - states[0]).max(axis=1).min()  # theirs begins at one of the two
    apart = abs(ours.period_nd - period)
    theirs_s = float(found[f"cost_{k}"][1])
    print(
        f"{name}: period apart {apart:.1e}, state at a crossing {off:.1e}; {peer} "
        f"{1e3 * theirs_s:.1f} ms, ours {1e3 * ours_s:.1f} ms, ratio {theirs_s / ours_s:.1f}"
    )
    assert apart < SAME_PERIOD
    assert off < SAME_STATE


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    for peer in ASKED:
        asked.add_argument(f"--{peer}", help=f"interpreter of an environment with {peer}")
    given = vars(asked.parse_args())
    for peer, orbits in ASKED.items():
        if given[peer] is None:
            continue
        found = orbits_of(given[peer], peer, orbits)
        print(
            f"{peer} {found['version']}: loading {found['loading_s'][1]:.1f} s, first orbit "
            f"{found['first_s'][1]:.1f} s of processor"
        )
        for k, (point, *_) in enumerate(orbits):
            compare(found, k, point, peer)


if __name__ == "__main__":
    main()
