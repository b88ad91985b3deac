"""Malformed files for the readers: real ones, broken at random, read in a process with limits.

    python tests/fuzzing.py TARGET COUNT [FIRST_SEED]

Many cases run in one process: each under an alarm, all together under a limit of memory. Allowed
is a file that is read, or refused with one line (a scenario: one line a fault). What is not
allowed is told as JSON, one line a case, with the seed that makes it again; the last line counts.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).parent.parent
GIB = 2**30
LONGEST_S = 20.0  # a case, on a busy machine
NUMBERS = [
    "nan", "inf", "-inf", "1e309", "-1e309", "0", "-0", "-1", "1e-320", "9" * 400, "1e18",
    "2147483648", "9223372036854775808", "1_0", "0x10", "１２", "--1", "1e", ".", "", "true", "null",
]  # fmt: skip
WORDS = [
    "", "\x00", "\ud7ff", "\U0001f680", "<script>alert(1)</script>", "../../etc/passwd", "/dev/zero",
    "=1+1", "a" * 5000, "{" * 200, "[" * 200, "\u2028", "%s%n", "'", '"', ",,,,", "\r", "\t",
    "!!python/object/apply:os.system [id]", "&a [*a]", "<<: *b", "COVARIANCE_START", "META_STOP",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 1e-300, 1e300, -1e9, 10**30, float("nan"), float("inf"),
    "", "x", "7e4", "2030-03-01", "2030-03-01T00:00:00 UTC", "2016-12-31T23:59:60 UTC", "a\nb",
    "\x00", "../x", "/dev/zero", "<b>", [], {}, [[]], [None], {"a": 1}, {"from": "dsn"},
    {"from": None}, {"kind": "dro"}, {"name": "x"}, ["x"] * 50, [1, 2, 3], {"": ""}, "x" * 3000,
    [["2030-03-01T00:00:00 UTC", "2030-03-01T00:00:00 UTC"]], {"early": "2030", "nominal": None},
]  # fmt: skip


# --- how files are broken -----------------------------------------------------------------------


def broken_bytes(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one to four faults of the kinds that disks and networks make."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice([1, 1, 2, 4, 8, 64, 1024]), len(data) - at)
        match rng.randrange(6):
            case 0:
                for k in range(at, at + length):
                    data[k] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length] * rng.randint(1, 20)
            case 3:
                data[at:at] = rng.randbytes(length)
            case 4:
                value = rng.choice([b"\x00", b"\xff", b"\x7f\xf0", b"\x7f\xf8"])
                data[at : at + length] = (value * length)[:length]
            case _:
                if rng.random() < 0.3:
                    del data[at:]
    return bytes(data)


def broken_text(rng: random.Random, raw: bytes) -> bytes:
    """The text with faults that people and programs make: numbers, words, lines."""
    text = raw.decode("utf-8")
    for _ in range(rng.randint(1, 3)):
        spots = [m.span() for m in re.finditer(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\w+", text)]
        lines = text.split("\n")
        match rng.randrange(6):
            case 0 | 1 if spots:
                a, b = rng.choice(spots)
                text = text[:a] + rng.choice(NUMBERS) + text[b:]
            case 2 if spots:
                a, b = rng.choice(spots)
                text = text[:a] + rng.choice(WORDS) + text[b:]
            case 3 if len(spots) > 1:
                (a, b), (c, d) = sorted(rng.sample(spots, 2))
                text = text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
            case 4:
                k = rng.randrange(len(lines))
                lines[k : k + 1] = rng.choice([[], [lines[k]] * 2, [rng.choice(lines), lines[k]]])
                text = "\n".join(lines)
            case _:
                at = rng.randrange(len(text) + 1)
                text = text[:at] + rng.choice(WORDS + NUMBERS) + text[at:]
    return text.encode("utf-8", "replace")


def broken_tree(rng: random.Random, tree: Any) -> Any:
    """A copy of nested lists and mappings with one to three values or keys replaced."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.randint(1, 3)):
        places = [(node, key) for node in _nodes(tree) for key in _keys(node)]
        if not places:
            return copy.deepcopy(rng.choice(VALUES))
        node, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del node[key]
            case 1:
                node[key] = copy.deepcopy(node[rng.choice(list(_keys(node)))])
            case 2 if isinstance(node, dict):
                node[rng.choice([*node, "", "x", "from", "kind"])] = node.pop(key)
            case 3 if isinstance(node, list):
                node.append(copy.deepcopy(rng.choice([node[key], *VALUES])))
            case _:
                node[key] = copy.deepcopy(rng.choice(VALUES))
    return tree


def _nodes(tree):
    yield tree
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, (dict, list)) and child:
            yield from _nodes(child)


def _keys(node):
    return list(node) if isinstance(node, dict) else range(len(node))


# --- what is read -------------------------------------------------------------------------------


class Target:
    """One kind of file: its name's ending, whole examples, and what reads it."""

    def __init__(self, ending: str, read: Callable[[Path], Any], samples, tree: Any = None):
        self.ending, self.read, self.samples, self.tree = ending, read, samples, tree

    def case(self, seed: int) -> bytes:
        """The bytes of case ``seed``."""
        rng = random.Random(seed)
        raw = rng.choice(self.samples)
        if self.tree and rng.random() < 0.6:
            load, dump = self.tree
            return dump(broken_tree(rng, load(raw))).encode("utf-8", "replace")
        if rng.random() < 0.5:
            with contextlib.suppress(UnicodeDecodeError):
                return broken_text(rng, raw)
        return broken_bytes(rng, raw)


JSON = (json.loads, json.dumps)
YAML = (yaml.safe_load, functools.partial(yaml.safe_dump, allow_unicode=True, sort_keys=False))


def _plan():
    from cislunar.contact_table import ContactTable
    from orbits.epoch import Epoch

    rng = np.random.default_rng(1)
    rows = []
    for k in range(25):
        a, b = rng.choice(5, 2, replace=False)
        start = float(rng.uniform(0, 8e4))
        rows.append(
            (f"c{k}", f"n{a}", f"n{b}", start, start + rng.uniform(60, 4e3), 1e6 * (1 + k % 3), 1.3)
        )
    return ContactTable.of_rows(rows, epoch=Epoch.parse("2030-03-01T00:00:00 UTC"))


def _written(ending: str, **more) -> bytes:
    from cislunar.plan_files import write_plan, write_tvg

    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / f"plan{ending}"
        (write_tvg if more else write_plan)(_plan(), path, **more)
        return path.read_bytes()


def _plan_target(ending: str, tree=None, *samples: bytes) -> Target:
    from cislunar.plan_files import read_plan

    return Target(ending, read_plan, [_written(ending), *samples], tree)


def _circle():
    from orbits.epoch import Epoch
    from orbits.trajectory import Trajectory

    t_s = np.arange(0.0, 7200.0 + 1, 300.0)
    a = 6000.0
    angle = np.sqrt(4902.8 / a**3) * t_s
    zero = np.zeros_like(t_s)
    v = np.sqrt(4902.8 / a)
    states = np.stack([a * np.cos(angle), a * np.sin(angle), zero, -v * np.sin(angle),
                       v * np.cos(angle), zero], axis=1)  # fmt: skip
    return Trajectory(Epoch.parse("2030-03-01T00:00:00 UTC"), t_s, states)


def _orbit_target(kind: str) -> Target:
    """Orbit files as a scenario asks for them: the checks that come before any run."""
    from cislunar.checks import check_scenario
    from cislunar.scenario import scenario_from
    from orbits.exchange import write_oem, write_spk

    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "orbit"
        if kind == "oem":
            write_oem(_circle(), path, object_name="X", object_id="-5")
        else:
            write_spk({"x": _circle()}, {"x": -5}, path)
        raw = path.read_bytes()
    if kind == "oem":
        earth = raw.replace(b"CENTER_NAME = MOON", b"CENTER_NAME = EARTH")
        covariance = (
            raw + b"COVARIANCE_START\nEPOCH = 2030-03-01T00:00:00\n1 2 3\nCOVARIANCE_STOP\n"
        )
        samples = [raw, raw, earth, covariance, raw.replace(b"= TDB", b"= UTC")]
    else:
        samples = [raw]

    def read(path: Path):
        orbit = {"kind": kind, "file": str(path), **({} if kind == "oem" else {"naif_id": -5})}
        check_scenario(
            scenario_from(
                {"name": "x", "epoch": "2030-03-01T00:10:00 UTC", "duration_days": 0.05,
                 "options": [], "spacecraft": [{"name": "x", "orbit": orbit}]}, path.parent,
            )
        )  # fmt: skip

    return Target(f".{kind}", read, samples)


def _scenario_target() -> Target:
    from cislunar.checks import check_scenario
    from cislunar.nodes import expand_nodes
    from cislunar.scenario import load_scenario, resolved_yaml

    def read(path: Path):
        scenario = load_scenario(path)
        check_scenario(scenario, str(path))
        expand_nodes(scenario)

    names = sorted((ROOT / "configs").glob("*.yaml"))
    samples = [p.read_bytes() for p in names]
    whole = resolved_yaml(load_scenario(ROOT / "configs" / "minimal.yaml")).encode()
    every = (ROOT / "tests" / "test_scenario.py").read_text(encoding="utf-8")
    rich = re.search(r'= (?:f|r)?"""\\?\n(.*?schema_version.*?)"""', every, re.DOTALL)
    small = samples[[p.name for p in names].index("minimal.yaml")]
    extra = [rich.group(1).encode()] if rich else []
    return Target(".yaml", read, [*samples, *[small] * 12, whole, whole, *extra * 6], YAML)


def _horizon_target() -> Target:
    from cislunar.nodes import read_horizon

    rows = "".join(f"{a} {1 + a % 7}\n" for a in range(0, 360, 10))
    commas = "azimuth_deg,elevation_deg\n" + rows.replace(" ", ",")
    return Target(".txt", read_horizon, [rows.encode(), commas.encode()])


def _failures_target() -> Target:
    from cislunar.losses import read_failure_rates

    raw = b"spacecraft: {mtbf_h: 2000, mttr_h: 24}\nmisasa: {mtbf_h: 500, mttr_h: 3.5}\n"
    return Target(".yaml", read_failure_rates, [raw], YAML)


def _waypoints_target() -> Target:
    from cislunar.paths import read_waypoints

    rows = "".join(f"2030-03-01T0{k}:00:00 UTC,{-85 - k},{10 * k},{k}\n" for k in range(9))
    return Target(
        ".csv", read_waypoints, [f"utc,latitude_deg,longitude_deg,height_m\n{rows}".encode()]
    )


def _trade_target() -> Target:
    from cislunar.sweep.trade import load_trade
    from cislunar.sweep.variants import check_trade

    names = sorted((ROOT / "configs" / "trades").glob("*.yaml"))
    return Target(
        ".yaml", lambda path: check_trade(load_trade(path), Path(path).parent, str(path)),
        [p.read_bytes() for p in names], YAML,
    )  # fmt: skip


def _roadmap_target() -> Target:
    """A roadmap with its base inside; the real one's takes seconds to resolve."""
    from cislunar.roadmap.file import load_roadmap

    minimal = yaml.safe_load((ROOT / "configs" / "minimal.yaml").read_text(encoding="utf-8"))
    for name in ("epoch", "duration_days", "options", "regions", "title", "name"):
        minimal.pop(name)
    whole = {
        "schema_version": 1,
        "roadmap": {
            "name": "x", "base": minimal, "years": [2030, 2031], "starts_per_year": 2, "days": 2,
            "dates": ["early"], "slips": {"s": {"nodes": ["relay-1"], "years": 1}},
            "policies": ["japan-alone"], "milestones": {"m": {"places": ["lupex"]}},
        },
    }  # fmt: skip
    return Target(".yaml", load_roadmap, [YAML[1](whole).encode()], YAML)


def _dem_target(kind: str) -> Target:
    """Elevation models, opened and looked up in; a PDS3 image has its label in front."""
    sys.path.insert(0, str(ROOT / "tests"))
    import made_dems

    from cislunar.terrain.dem import height_m
    from cislunar.terrain.dem_files import open_dem

    heights = np.random.default_rng(1).normal(size=(40, 40)) * 100.0
    with tempfile.TemporaryDirectory() as room:
        if kind == "geotiff":
            path = made_dems.polar_tiff(Path(room) / "dem.tif", heights, 20.0)
            ending = ".tif"
        else:
            path = made_dems.pds(
                Path(room), heights.astype("<i2"), *made_dems.polar_changes(40, 20.0), attached=True
            )
            ending = ".img"
        raw = path.read_bytes()

    def read(path: Path):
        height_m(open_dem(path), np.array([-89.995, -89.99]), np.array([10.0, 200.0]))

    return Target(ending, read, [raw])


TARGETS: dict[str, Callable[[], Target]] = {
    "scenario": _scenario_target,
    "oem": functools.partial(_orbit_target, "oem"),
    "spk": functools.partial(_orbit_target, "spk"),
    "horizon": _horizon_target,
    "csv": functools.partial(_plan_target, ".csv"),
    "ion": functools.partial(_plan_target, ".ionrc"),
    "hdtn": functools.partial(_plan_target, ".hdtn.json", JSON),
    "tvg": lambda: _plan_target(".tvg.json", JSON, _written(".tvg.json", version=1)),
    "graphml": functools.partial(_plan_target, ".graphml"),
    "node-link": functools.partial(_plan_target, ".json", JSON),
    "failures": _failures_target,
    "waypoints": _waypoints_target,
    "trade": _trade_target,
    "roadmap": _roadmap_target,
    "pds3": functools.partial(_dem_target, "pds3"),
    "geotiff": functools.partial(_dem_target, "geotiff"),
}


# --- one process, many cases --------------------------------------------------------------------


class Hang(BaseException):
    """A case that took longer than it may."""


def _hang(_number, _frame):
    raise Hang


def fault_of(target: Target, path: Path) -> str | None:
    """What is wrong with how a file was read; None where it was read or refused in one line."""
    from orbits.errors import InputError

    signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        target.read(path)
    except InputError as fault:
        lines = getattr(fault, "lines", None) or [str(fault)]
        if any("\n" in line or "\r" in line for line in lines):
            return f"several lines: {lines!r:.300}"
        if any(len(line) > 3000 for line in lines):
            return f"a line of {max(map(len, lines))} signs: {max(lines, key=len)[:300]}"
        return None
    except Hang:
        return f"no end after {LONGEST_S:g} s\n{traceback.format_exc()[-1500:]}"
    except BaseException:
        return traceback.format_exc()[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def limit_memory(more: int = GIB) -> None:
    """Lets the process take ``more`` bytes of address space beyond what it has."""
    if not Path("/proc/self/statm").exists():
        return
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + more, has + more))


def _peak_bytes() -> int:
    """The most memory this program has held; what its parent held is counted by rusage, not here."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def main(name: str, count: int, first: int = 0) -> int:
    """Runs ``count`` cases of a target; prints what is not allowed; the number of those."""
    from orbits.errors import InputError

    target = TARGETS[name]()
    wrong = 0
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / f"case{target.ending}"
        for sample in target.samples:
            path.write_bytes(sample)
            with contextlib.suppress(InputError):  # a scenario whose own files are elsewhere
                target.read(path)  # so that what is loaded once is loaded
        limit_memory()
        for seed in range(first, first + count):
            path.write_bytes(target.case(seed))
            print(f"\r{seed}", end="", file=sys.stderr, flush=True)  # the last one, if it kills us
            fault = fault_of(target, path)
            if fault is not None:
                wrong += 1
                print(json.dumps({"target": name, "seed": seed, "fault": fault}), flush=True)
    peak = _peak_bytes()
    if peak > GIB:
        wrong += 1
        print(json.dumps({"target": name, "seed": None, "fault": f"{peak / GIB:.2f} GiB"}))
    print(json.dumps({"target": name, "cases": count, "wrong": wrong, "peak_mib": peak >> 20}))
    return wrong


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(bool(main(sys.argv[1], int(sys.argv[2]), *(int(a) for a in sys.argv[3:4]))))
