"""Runs the comparisons with other libraries and writes what they print to docs/benchmarks.md.

    python benchmarks/bench_peers.py [--hiten PYTHON] [--e2m2e PYTHON] [--products FOLDER]
                                     [SCRIPT ...]

Each script gives both sides identical inputs, asserts that their answers agree and prints ratios in
processor time. Run by the interpreter of an environment with this project and the peers lox-space,
brahe, heyoka and scipy; hiten and e2m2e have environments of their own, whose interpreters are
given. ``--products`` is a run of configs/japan_2030.yaml (default out/japan_2030). The page gets
the machine, the versions and the date; a script whose peer is not there, or that fails, is written
down as such.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PEERS = {
    "bench_orbits.py": (),
    "bench_propagate.py": ("scipy", "heyoka"),
    "bench_brahe.py": ("brahe",),
    "bench_access.py": ("lox-space",),
    "bench_dop.py": ("numpy",),
    "bench_visibility.py": ("numpy",),
    "bench_network.py": ("networkx", "scipy"),
    "bench_chain.py": ("lox-space", "networkx"),
}


def version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> str:
    """The processor and how many of it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"


def words_for(script: str, given: argparse.Namespace) -> list[str] | None:
    """What a script is called with; None where its peer's interpreter is not given."""
    if script == "bench_network.py":
        return [str(given.products)]
    wanted = {"bench_orbits.py": ("hiten", "e2m2e"), "bench_chain.py": ("hiten",)}.get(script, ())
    words = [w for p in wanted if getattr(given, p) for w in (f"--{p}", getattr(given, p))]
    return words if words or not wanted else None


def told(script: str, given: argparse.Namespace) -> str:
    """What a script prints, or why it could not be run."""
    absent = [p for p in PEERS.get(script, ()) if version(p) is None]
    words = words_for(script, given)
    if absent or words is None:
        return f"not run: {', '.join(absent) or 'no interpreter with its peer'}: not there"
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words], capture_output=True, text=True, check=False
    )
    said = done.stdout.strip()
    if done.returncode:
        said += "\nfailed: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return said.strip()


def main() -> None:
    """Writes the page, a section a script."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--hiten", help="interpreter of an environment with hiten")
    asked.add_argument("--e2m2e", help="interpreter of an environment with e2m2e")
    asked.add_argument("--products", default="out/japan_2030", type=Path)
    asked.add_argument("scripts", nargs="*", default=list(PEERS))
    given = asked.parse_args()
    packages = sorted({p for some in PEERS.values() for p in some} | {"numpy", "numba"})
    versions = ", ".join(f"{p} {version(p)}" for p in packages if version(p))
    load = f"; load of the machine at the start {os.getloadavg()[0]:.1f}"
    lines = [
        "# Benchmarks against other libraries", "",
        "Written by `benchmarks/bench_peers.py`; every script asserts that the answers agree, and "
        "says in its head what is compared. Trust the ratios of processor time.", "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine()}, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}{load}; {versions}.", "",
    ]  # fmt: skip
    for script in given.scripts:
        lines += [f"## {script}", "", "```", told(script, given), "```", ""]
        print("\n".join(lines[-6:]), flush=True)
    PAGE.write_text("\n".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
