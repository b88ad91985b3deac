"""The locked environment must install wherever the project says it runs."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


def test_every_locked_version_installs_on_the_oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    read = {}
    for name, version in pins.items():
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for another platform or Python
        if installed.version == version:
            read[name] = installed.metadata["Requires-Python"] or ""
    assert len(read) > 0.9 * len(pins)  # else this environment is not the locked one
    refusing = {n: r for n, r in read.items() if oldest not in SpecifierSet(r)}
    assert not refusing, f"Python {oldest} cannot install {refusing}"
