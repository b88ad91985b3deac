"""Builds sdist and wheel, and runs the shipped scenario from the wheel in clean environments.

    python tests/install_matrix.py [--tests] [--room FOLDER] [PYTHON ...]

PYTHONs are interpreters (default: this one). Each gets an environment of its own with the wheel
and the locked versions of what it needs, from the package index. With --tests the extras come too,
and the tests that are not slow are run against the installed package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("cislunar", "orbits", "pyproject.toml", "README.md", "LICENSE")
TESTED = (
    "tests",
    "configs",
    "docs",
    "notebooks",
    "benchmarks",
    "pyproject.toml",
    "constraints.txt",
)
MUST = {"manifest.json", "scenario.resolved.yaml", "contacts.csv", "gaps.csv", "report.en.html"}


def clean_copy(folder: Path, names: tuple[str, ...]) -> Path:
    """A copy of some files and folders of the project, without leftovers of earlier builds."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", "*.nbi", "*.nbc", "*.egg-info")
    folder.mkdir(parents=True)
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=leave)
        else:
            shutil.copy(source, folder / name)
    return folder


def call(*words, **more) -> str:
    """What a command prints; RuntimeError with its complaints where it fails."""
    done = subprocess.run(
        [str(w) for w in words], capture_output=True, text=True, check=False, **more
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def program(environment: Path, name: str) -> Path:
    """A program of an environment."""
    return environment / ("Scripts" if os.name == "nt" else "bin") / name


def run_shipped(environment: Path, room: Path, **more) -> set[str]:
    """Names of the products of the shipped scenario, run by an environment's ``cislunar``."""
    room.mkdir(parents=True, exist_ok=True)
    text = call(program(environment, "cislunar"), "example", "minimal", cwd=room, **more)
    (room / "minimal.yaml").write_text(text, encoding="utf-8")
    call(program(environment, "cislunar"), "run", "minimal.yaml", "--out", "out", cwd=room, **more)
    return {p.name for p in (room / "out").iterdir()}


def main() -> None:
    """Prints one line an interpreter; stops at the first that fails."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--tests", action="store_true")
    asked.add_argument("--room", type=Path)
    asked.add_argument("pythons", nargs="*", default=[sys.executable])
    given = asked.parse_args()
    room = (given.room or Path(tempfile.mkdtemp())).absolute()
    builder = room / "builder"
    call(sys.executable, "-m", "venv", builder)
    call(program(builder, "python"), "-m", "pip", "install", "-q", "build")
    source = clean_copy(room / "source", SOURCES)
    tested = clean_copy(room / "tested", TESTED)  # of the same moment as the wheel
    call(program(builder, "python"), "-m", "build", source, "-o", room / "dist")  # wheel from sdist
    (wheel,) = (room / "dist").glob("*.whl")
    (sdist,) = (room / "dist").glob("*.tar.gz")
    print(f"built {sdist.name} and {wheel.name}")
    for number, python in enumerate(given.pythons):
        environment, work = room / f"env{number}", room / f"work{number}"
        if not environment.exists():
            call(python, "-m", "venv", environment)
        pip = (program(environment, "python"), "-m", "pip", "install", "-q")
        what = f"{wheel}[dev]" if given.tests else wheel
        call(*pip, "-c", tested / "constraints.txt", what)
        call(*pip, "--force-reinstall", "--no-deps", wheel)
        missing = MUST - run_shipped(environment, work)
        assert not missing, f"{python}: no {missing}"
        version = call(program(environment, "python"), "-V").strip()
        print(f"{version}: the shipped scenario runs", flush=True)
        if given.tests:
            shutil.copytree(tested, work, dirs_exist_ok=True)
            told = call(
                program(environment, "python"), "-m", "pytest", "-q", "-m", "not slow", "-x",
                "--import-mode=importlib", "tests", cwd=work,
            )  # fmt: skip
            print(f"{version}: {told.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
