"""Runs the comparisons with other libraries and writes what they print to docs/benchmarks.md.

    python benchmarks/bench_peers.py [SCRIPT ...]      (default: all that name a peer)

Each script gives both sides identical inputs, asserts that their answers agree and prints ratios
in processor time. The page gets the machine, the versions and the date; a script whose peer is not
installed, or that fails, is written down as such.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PEERS = {
    "bench_propagate.py": ("scipy", "heyoka"),
    "bench_access.py": ("lox-space",),
    "bench_brahe.py": ("brahe",),
    "bench_network.py": ("networkx", "scipy"),
    "bench_dop.py": ("numpy",),
    "bench_visibility.py": ("numpy",),
}


def version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def told(script: str) -> str:
    """What a script prints, or why it could not be run."""
    absent = [p for p in PEERS.get(script, ()) if version(p) is None]
    if absent:
        return f"not run: {', '.join(absent)} not installed"
    done = subprocess.run(
        [sys.executable, str(HERE / script)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return done.stdout.strip()


def main(scripts: list[str]) -> None:
    """Writes the page, a section a script."""
    packages = sorted({p for s in scripts for p in (*PEERS.get(s, ()), "numpy", "numba")})
    versions = ", ".join(f"{p} {version(p)}" for p in packages if version(p))
    lines = [
        "# Benchmarks against other libraries", "",
        "Written by `benchmarks/bench_peers.py`; every script asserts that the answers agree.", "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {platform.machine()}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; "
        f"{versions}.", "",
    ]  # fmt: skip
    for script in scripts:
        lines += [f"## {script}", "", "```", told(script), "```", ""]
        print("\n".join(lines[-5:]), flush=True)
    PAGE.write_text("\n".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PEERS))
