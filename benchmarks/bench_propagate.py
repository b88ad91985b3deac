"""How fast arcs are flown, against other integrators with the same forces, answers asserted equal.

Thirty days of a DRO, a 9:2 NRHO and a 24 h frozen orbit with degree-20 gravity, the Earth, the Sun,
Jupiter and Venus, states each minute:

    python benchmarks/bench_propagate.py

Each figure is the best of several runs after compilation, in processor time of one core, so that
a busy machine disturbs it less; ratios are what to trust. Flown by ``orbits.propagate``, by scipy's
DOP853 with the same compiled right-hand side, and by heyoka's batch mode, as many craft at once as
a register holds, with the same forces written as its own expressions. Errors are against heyoka at
machine precision. Then a year of the DRO at degree 8, and twelve craft at once on all cores.
"""

from __future__ import annotations

import math
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numba import njit

from orbits.constants import (
    EARTH_J2,
    EARTH_J2_RADIUS_KM,
    EARTH_POLE_X_RAD_S,
    GM_EARTH_KM3_S2,
    GM_JUPITER_KM3_S2,
    GM_SUN_KM3_S2,
    GM_VENUS_KM3_S2,
)
from orbits.elements import on_frozen_axes, state_from_elements
from orbits.ephemeris import GRANULE_S, De440
from orbits.epoch import Epoch
from orbits.forces import EPHEMERIS, ForceModel, pack, rhs
from orbits.frames import earth_moon_distance, transform
from orbits.gravity import (
    GRAVITY_GM_KM3_S2,
    GRAVITY_RADIUS_KM,
    _field,
    scratch,
    second_degree,
)
from orbits.propagate import propagate, propagate_many

START = Epoch.parse("2030-03-01T00:00:00 UTC")
DAYS, STEP_S, RTOL = 30, 60.0, 1e-12
DEGREE = 20
T = np.arange(0.0, DAYS * 86400.0 + 1, STEP_S)
CLOSE_KM = {"DRO": 1e-3, "NRHO": 1e-2, "ELFO": 2e-2}  # what two integrators at 1e-12 may differ by


def start_states() -> dict[str, np.ndarray]:
    """Moon-centred ICRF states (6,), km and km/s, of the three orbits at ``START``."""
    de440 = De440.open()
    distance, rate = earth_moon_distance(START, 0.0, de440)
    moon = de440.state("moon", "earth", START, 0.0)
    turn = np.linalg.norm(np.cross(moon[:3], moon[3:])) / distance**2

    def scaled(state):
        s = np.array(state)
        km = np.r_[s[:3] * distance, s[3:] * distance * turn + s[:3] * rate]
        return transform(km, "EARTH_MOON_ROTATING", "MOON_ICRF", START, 0.0, de440)

    frozen = state_from_elements(9750.73, 0.7, math.radians(57.0), 0.0, math.pi / 2, 0.0)
    return {
        "DRO": scaled([0.80822556640782, 0, 0, 0, 0.5164575169597657, 0]),
        "NRHO": scaled([1.0196625817475922, 0, -0.18041918731575562, 0, -0.09805982467069076, 0]),
        "ELFO": on_frozen_axes(frozen, "MOON_OP", START, 0.0, de440),
    }


def best_s(call, repeats: int) -> float:
    """The shortest of several runs in seconds of processor time."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return min(times)


@njit(cache=True, nogil=True)
def _derivative(t, y, c, table, field, work):
    dy = np.empty(6)
    rhs(EPHEMERIS, 6, t, y, c, table, field, work, dy)
    return dy


def scipy_flight(state, model: ForceModel):
    """A function flying the arc with scipy's DOP853 and the project's compiled right-hand side."""
    from scipy.integrate import solve_ivp

    c, table, field = pack(model, De440.open().table(START, T[0], T[-1]))
    work = scratch()

    def force(t, y):
        return _derivative(t, y, c, table, field, work)

    force(0.0, state)

    def fly():
        done = solve_ivp(
            force, (T[0], T[-1]), state, method="DOP853", t_eval=T, rtol=RTOL, atol=1e-12
        )
        return done.y.T

    return fly


def _padded(row: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([row, np.zeros(size - len(row))])


def heyoka_flight(model: ForceModel, rtol: float = RTOL):
    """A function flying a batch, from one state with the craft 1 m apart, or from one each.

    It takes a state (6,) or states (6, batch) and gives states (N, 6, batch); ``rtol`` 0 is
    machine precision. The bodies' and the angles' polynomials of each granule are parameters.
    """
    import heyoka as hy

    batch = hy.recommended_simd_size()
    table = De440.open().table(START, T[0], T[-1])
    rows, first_s = table.coefficients[:, :, :15], table.first_s
    # to powers by a matrix: cheb2poly drops a last coefficient that happens to be zero
    size = rows.shape[1]
    basis = np.array([_padded(np.polynomial.chebyshev.cheb2poly(e), size) for e in np.eye(size)])
    powers = np.einsum("gkc,kp->gcp", rows, basis)
    tau = 2.0 * hy.time / GRANULE_S - 1.0
    columns = []
    for k in range(15):
        value = hy.par[13 * k + 12]
        for j in range(11, -1, -1):
            value = value * tau + hy.par[13 * k + j]
        columns.append(value)
    names = hy.make_vars("x", "y", "z", "u", "v", "w")
    place = names[:3]
    phi, theta, psi = columns[12:]
    c1, s1, c2, s2 = hy.cos(phi), hy.sin(phi), hy.cos(theta), hy.sin(theta)
    c3, s3 = hy.cos(psi), hy.sin(psi)
    axes = [
        [c3 * c1 - s3 * c2 * s1, c3 * s1 + s3 * c2 * c1, s3 * s2],
        [-s3 * c1 - c3 * c2 * s1, -s3 * s1 + c3 * c2 * c1, c3 * s2],
        [s2 * s1, -s2 * c1, c2],
    ]
    fixed = [hy.sum([axes[i][j] * place[j] for j in range(3)]) for i in range(3)]
    c, s = _field()
    pairs = [
        [c[n, m] if n else 1.0, s[n, m]] for n in range(model.degree + 1) for m in range(n + 1)
    ]
    pull = hy.model.sh_gravity_acc(fixed, pairs, GRAVITY_GM_KM3_S2, GRAVITY_RADIUS_KM)
    force = [hy.sum([axes[i][j] * pull[i] for i in range(3)]) for j in range(3)]
    for k, gm in enumerate((GM_EARTH_KM3_S2, GM_SUN_KM3_S2, GM_JUPITER_KM3_S2, GM_VENUS_KM3_S2)):
        body = columns[3 * k : 3 * k + 3]
        away = [body[j] - place[j] for j in range(3)]
        near = gm * hy.sum([d**2 for d in away]) ** -1.5
        far = gm * hy.sum([b**2 for b in body]) ** -1.5
        force = [force[j] + near * away[j] - far * body[j] for j in range(3)]
    # the second degree of the Earth, and of the Moon that the Earth pulls: GM r.S r / r^5
    earth, zero = columns[:3], hy.expression(0.0)
    px = EARTH_POLE_X_RAD_S * (hy.par[195] + hy.time)
    pole = [px, zero, 1.0 - 0.5 * px**2]
    j2 = -0.5 * EARTH_J2 * EARTH_J2_RADIUS_KM**2
    bulge = [[j2 * (3.0 * pole[i] * pole[j] - (i == j)) for j in range(3)] for i in range(3)]
    c20, c22 = second_degree() * GRAVITY_RADIUS_KM**2 / np.array([2.0, 2.0])
    own = [c22 - c20, -c22 - c20, 2.0 * c20]
    moon = [
        [hy.sum([axes[k][i] * own[k] * axes[k][j] for k in range(3)]) for j in range(3)]
        for i in range(3)
    ]

    def tensor_pull(shape, r):
        along = [hy.sum([shape[i][j] * r[j] for j in range(3)]) for i in range(3)]
        d2 = hy.sum([x**2 for x in r])
        whole = hy.sum([r[i] * along[i] for i in range(3)])
        scale = GM_EARTH_KM3_S2 * d2**-2.5
        return [scale * (2.0 * along[i] - 5.0 * whole * r[i] / d2) for i in range(3)]

    craft = tensor_pull(bulge, [place[j] - earth[j] for j in range(3)])
    centre = tensor_pull(bulge, [-e for e in earth])
    figure = tensor_pull(moon, earth)
    force = [force[j] + craft[j] - centre[j] + figure[j] for j in range(3)]
    equations = list(zip(names, [*names[3:], *force], strict=True))
    flyer = hy.taylor_adaptive_batch(
        equations, np.zeros((6, batch)) + 1.0, pars=np.zeros((196, batch)), tol=rtol,
        compact_mode=True,
    )  # fmt: skip
    granules = len(powers)
    edges = first_s + GRANULE_S * np.arange(granules + 1)
    spread = np.zeros((6, batch))
    spread[0] = 1e-3 * np.arange(batch)

    def fly(state):
        state = np.asarray(state)
        flyer.state[:] = state if state.ndim == 2 else state[:, None] + spread
        out = np.empty((T.size, 6, batch))
        for k in range(granules):
            begin, end = max(edges[k], T[0]), min(edges[k + 1], T[-1])
            if end <= begin:
                continue
            inside = np.flatnonzero((begin <= T) & (end >= T))
            grid = np.unique(np.concatenate(([begin], T[inside], [end])))
            flyer.pars[:195] = powers[k].reshape(195, 1)
            flyer.pars[195] = table.epoch.tdb_s + edges[k]
            flyer.set_time(begin - edges[k])
            _, found = flyer.propagate_grid(
                np.repeat((grid - edges[k])[:, None], batch, axis=1)
            )  # fmt: skip
            out[inside] = found[np.searchsorted(grid, T[inside])]
        return out

    return fly, batch


def machine() -> str:
    """One line on what this ran on: processor, system, versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        if names:
            cpu = names[0].split(":", 1)[1].strip()
    found = []
    for name in ("numpy", "numba", "scipy", "heyoka"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return f"{cpu}; {platform.system()}, Python {platform.python_version()}; {', '.join(found)}"


def compare(repeats: int = 15) -> list[dict]:
    """One row an orbit: milliseconds of each, ratios to ours, errors and how far they differ, m."""
    model, de440 = ForceModel(degree=DEGREE, srp=False), De440.open()
    states, rows = start_states(), []
    taylor = truth = None
    batch = 1
    if find_spec("heyoka"):
        taylor, batch = heyoka_flight(model)
        exact, lanes = heyoka_flight(model, 0.0)
        many = np.array(list(states.values()))[np.arange(lanes) % len(states)]
        truth = dict(zip(states, np.moveaxis(exact(many.T), 2, 0), strict=False))

    def apart_m(one, other):
        return 1e3 * np.linalg.norm((one - other)[:, :3], axis=1).max()

    for name, state in states.items():

        def ours(rtol=RTOL, state=state):
            return propagate(state, START, T, model, de440, rtol=rtol).states

        flown = ours()
        row = {"orbit": name, "ours_ms": 1e3 * best_s(ours, repeats)}
        theirs = scipy_flight(state, model)
        found = theirs()
        row.update(scipy_ms=1e3 * best_s(theirs, 2), scipy_apart_m=apart_m(found, flown))
        if truth and taylor:
            row["ours_error_m"] = apart_m(flown, truth[name])
            row["scipy_error_m"] = apart_m(found, truth[name])
            found = taylor(state)[:, :, 0]
            row["heyoka_error_m"] = apart_m(found, truth[name])
            row["heyoka_apart_m"] = apart_m(found, flown)
            row["heyoka_ms"] = 1e3 * best_s(lambda s=state: taylor(s), 3) / batch
            row["ours_fine_ms"] = 1e3 * best_s(lambda: ours(1e-13), repeats)
            row["ours_fine_error_m"] = apart_m(ours(1e-13), truth[name])
        for other in ("scipy", "heyoka"):
            if f"{other}_ms" in row:
                row[f"{other}_ratio"] = row[f"{other}_ms"] / row["ours_ms"]
                gap_km = row[f"{other}_apart_m"] / 1e3
                assert gap_km < CLOSE_KM[name], f"{name}: {other} is {gap_km} km from ours"
        rows.append(row)
    return rows


def year_ms() -> float:
    """Milliseconds for a year of the DRO at degree 8, states each hour."""
    t = np.arange(0.0, 365.25 * 86400.0, 3600.0)
    model, state = ForceModel(degree=8, srp=False), start_states()["DRO"]
    return 1e3 * best_s(lambda: propagate(state, START, t, model, De440.open()), 5)


def twelve_craft() -> tuple[float, float]:
    """Wall and processor milliseconds for four of each orbit over 30 days, on all cores."""
    model = ForceModel(degree=DEGREE, srp=False)
    states = [s + 1e-3 * k * np.eye(6)[0] for s in start_states().values() for k in range(4)]

    def all_of_them():
        return propagate_many(states, START, T, model, De440.open(), rtol=RTOL)

    many = all_of_them()
    for k in (0, 5, 10):
        alone = propagate(states[k], START, T, model, De440.open(), rtol=RTOL)
        assert np.array_equal(alone.states, many[k].states)
    wall = []
    for _ in range(5):
        begun = time.perf_counter()
        all_of_them()
        wall.append(time.perf_counter() - begun)
    return 1e3 * min(wall), 1e3 * best_s(all_of_them, 5)


def main() -> None:
    """Prints the machine, the figures and the ratios."""
    print(machine())
    print(f"{DAYS} days, degree {DEGREE}, output each {STEP_S:.0f} s, rtol {RTOL:g}")
    for row in compare():
        line = f"{row['orbit']:5s} ours {row['ours_ms']:.2f} ms"
        if "ours_error_m" in row:
            line += f" (error {row['ours_error_m']:.2g} m; at 1e-13 {row['ours_fine_ms']:.2f} ms, "
            line += f"{row['ours_fine_error_m']:.2g} m)"
        for name in ("scipy", "heyoka"):
            if f"{name}_ms" in row:
                line += f"; {name} {row[name + '_ms']:.1f} ms = {row[name + '_ratio']:.2f} x ours"
                if f"{name}_error_m" in row:
                    line += f" (error {row[name + '_error_m']:.2g} m)"
        print(line)
    print(f"a year of the DRO, degree 8, output each hour: {year_ms():.1f} ms")
    wall, used = twelve_craft()
    print(f"4 DRO + 4 NRHO + 4 ELFO at once: {wall:.0f} ms wall, {used:.0f} ms of processors")


if __name__ == "__main__":
    main()
