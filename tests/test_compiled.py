"""Kernels kept on disk must not outlive what they were made from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LEAF = "from orbits.compiled import njit\n@njit(cache=True, nogil=True)\ndef leaf(x):\n    return x * {factor}\n"
ROOT = (
    "from orbits.compiled import njit\nfrom constants_here import SHIFT\nfrom leaf_here import leaf\n"
    "@njit(cache=True, nogil=True)\ndef root(x):\n    return leaf(x) + SHIFT\nprint(root(10.0), "
    "sum(root._cache_hits.values()))\n"
)


def say(folder):
    done = subprocess.run(
        [sys.executable, "root_here.py"], cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"),
             "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    value, hits = done.stdout.split()
    return float(value), int(hits)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "leaf_here.py").write_text(LEAF.format(factor="2.0"))
    (tmp_path / "constants_here.py").write_text("SHIFT = 1.0\n")
    (tmp_path / "root_here.py").write_text(
        ROOT.replace("print", "if __name__ == '__main__':\n    print")
    )
    return tmp_path


def test_kernels_are_kept_and_forgotten_with_their_callees_and_constants(folder):
    assert say(folder) == (21.0, 0)
    assert say(folder) == (21.0, 1)
    (folder / "leaf_here.py").write_text(LEAF.format(factor="3.0"))
    assert say(folder) == (31.0, 0)
    (folder / "constants_here.py").write_text("SHIFT = 5.0\n")
    assert say(folder) == (35.0, 0)
    assert say(folder) == (35.0, 1)


def test_every_kernel_of_the_project_is_watched():
    here = Path(__file__).parents[1]
    for path in [*here.glob("orbits/**/*.py"), *here.glob("cislunar/**/*.py")]:
        if path.name != "compiled.py":
            assert "from numba import njit" not in path.read_text(encoding="utf-8"), path
