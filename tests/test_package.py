"""The locked environment must install wherever the project says it runs."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in found}


def metadata_of_pins():
    """Metadata of the pinned versions, as far as they are what is installed here."""
    found = {}
    for name, version in pins().items():
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # pinned for another platform or Python
        if installed.version == version:
            found[name] = installed.metadata
    assert len(found) > 0.9 * len(pins())  # else this environment is not the locked one
    return found


def test_every_locked_version_installs_on_the_oldest_python():
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    asked = {name: data.get("Requires-Python") or "" for name, data in metadata_of_pins().items()}
    refusing = {name: r for name, r in asked.items() if oldest not in SpecifierSet(r)}
    assert not refusing, f"Python {oldest} cannot install {refusing}"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_locked_versions_suit_each_other(python):
    locked = pins()
    asked = [("this project", r) for r in PROJECT["dependencies"]]
    for wanted in PROJECT["optional-dependencies"].values():
        asked += [("this project", r) for r in wanted if not r.startswith(PROJECT["name"])]
    for name, data in metadata_of_pins().items():
        asked += [(name, r) for r in data.get_all("Requires-Dist") or []]
    there = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    wrong = []
    for name, text in asked:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate(there):
            continue
        version = locked.get(canonicalize_name(need.name))
        if version is None or not need.specifier.contains(version, prereleases=True):
            wrong.append(f"{name} needs {text}, locked is {version}")
    assert not wrong


def test_the_command_says_its_version():
    from typer.testing import CliRunner

    from cislunar.cli import app
    from cislunar.products import MAKER, SCHEMA_VERSION

    ended = CliRunner().invoke(app, ["--version"])
    assert ended.exit_code == 0
    version = importlib.metadata.version(PROJECT["name"])
    assert ended.stdout == f"{MAKER} {version}, products of schema version {SCHEMA_VERSION}\n"
    assert version == PROJECT["version"]
    assert "--version" in CliRunner().invoke(app, ["--help"]).stdout
