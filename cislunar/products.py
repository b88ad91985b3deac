"""The product folder: every file a run writes, whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbits.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cislunar.results import Results
    from cislunar.scenario import Scenario

SCHEMA_VERSION = 4  # of product folders; one more whenever what reports read from them changes
YOUNG_S = 60.0  # a temporary folder as new as this may be about to be locked
MOST_TRIES = 100  # to take a name that others take too
MAKER = "cislunar-planner"
PARTS = re.compile(r"\.lock|\..+\.[0-9a-f]{8}\.part")  # what holds a folder, what is being written
FIRST_NAIF_ID = -100001  # spacecraft of a run are numbered downwards from here

# decimals kept in tables, by the unit that ends the column's name
DECIMALS = {  # by the last word of a column, or the last two
    "s": 3, "frac": 6, "db": 2, "bps": 0, "bit": 0, "per_day": 0, "m": 3, "jpy": 6, "filled": 4,
    "h": 4, "mean": 4, "severity": 8,
}  # fmt: skip
TABLES = {
    "access": "access.csv",
    "contacts": "contacts.csv",
    "comm_scores": "comm_scores.csv",
    "comm_needs": "comm_needs.csv",
    "positioning_scores": "positioning_scores.csv",
    "positioning_accuracy": "positioning_accuracy.csv",
    "positioning_tolerance": "positioning_tolerance.csv",
    "gaps": "gaps.csv",
    "gap_causes": "gap_causes.csv",
    "fills": "fills.csv",
    "fills_by_place": "fills_by_place.csv",
    "portfolio": "portfolio.csv",
    "attribution": "attribution.csv",
    "frontier": "frontier.csv",
    "economics": "economics.csv",
    "cash_by_fiscal_year": "cash_by_fiscal_year.csv",
    "attribution_by_year": "attribution_by_year.csv",
    "robustness": "robustness.csv",
    "independence": "independence.csv",
    "independence_options": "independence_options.csv",
}

MAPS = "coverage.nc"

# written where the scenario asks for positioning over time
GATHERED = ("accumulated_positioning", "accumulated_against_time", "accumulated_availability")


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as it is written: columns to the decimals of their unit, spans from their edges."""
    from pandas.api.types import is_float_dtype

    out = frame.copy()
    for column in out.columns:
        if is_float_dtype(out[column]):
            *_, before, unit = "", *column.split("_")
            out[column] = out[column].round(DECIMALS.get(f"{before}_{unit}", DECIMALS.get(unit, 4)))
    if {"start_s", "end_s", "duration_s"} <= set(out.columns):
        out["duration_s"] = (out["end_s"] - out["start_s"]).round(3)
    return out


def check_folder(folder: str | os.PathLike) -> Path:
    """The folder as a path, if a run may write there: absent, empty, or one that we wrote.

    Asked before anything is computed, so that no run ends with nowhere to put its products.
    """
    folder = Path(folder)
    allowed = "a new folder, an empty one, or one written by this program"
    whole = folder.absolute()
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.stat(whole.with_name(f".{whole.name}.{uuid.uuid4().hex[:8]}.part"))
    except (OSError, ValueError) as fault:  # a name too long, or with what no name may have
        what = getattr(fault, "strerror", None) or fault
        raise InputError(
            f"no folder can be there ({what})", file=str(folder), allowed=allowed
        ) from None
    if folder.exists():
        if not folder.is_dir():
            raise InputError("the output is not a folder", file=str(folder), allowed=allowed)
        left = (p.name for p in folder.iterdir())  # by a run killed before it said what it is
        if any(not PARTS.fullmatch(name) for name in left) and not _is_ours(folder):
            raise InputError(
                "the output folder holds something else", file=str(folder), allowed=allowed
            )
    parent = next(p for p in folder.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        what = "may not be written" if parent.is_dir() else "is not a folder"
        raise InputError(f"{parent} {what}", file=str(folder), allowed="a folder you may write")
    return folder


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder that we wrote; None for any other."""
    try:
        found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("maker") == MAKER else None


def _is_ours(folder: Path) -> bool:
    return read_manifest(folder) is not None


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there entirely or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Refuses a folder of products that somebody damaged, in one line, whatever fails in it."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
        raise InputError(
            f"its products cannot be read ({type(fault).__name__}: {fault})", file=str(folder),
            allowed="a folder as a run left it: run it again",
        ) from fault  # fmt: skip


def write_table(frame: pd.DataFrame, path: Path) -> dict[str, Any]:
    """Writes a table as CSV, and tells what a manifest keeps of it: its rows and its first line."""
    frame.to_csv(path, index=False, lineterminator="\n")
    with path.open(encoding="utf-8") as file:
        return {"rows": len(frame), "columns": file.readline().rstrip("\n")}


def read_table(path: Path, kept: dict[str, Any], **how: Any) -> pd.DataFrame:
    """The table of a file that ``write_table`` wrote and told so much of; ``how`` is pandas'.

    InputError where the file is gone, cut short or has other columns: what is told of the rest
    would look like what is told of the whole.
    """
    import pandas as pd

    text = path.read_bytes() if path.is_file() else b""
    if not path.is_file():
        what = "no such file"
    elif not text.endswith(b"\n"):
        what = "is cut short"
    elif text.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r") != kept["columns"]:
        what = "has other columns"
    else:
        frame = pd.read_csv(path, **how)
        if len(frame) == kept["rows"]:
            return frame
        what = f"has {len(frame)} rows"
    allowed = f"the {kept['rows']} rows that the run wrote: run it again"
    raise InputError(what, file=str(path), allowed=allowed)


def check_version(folder: Path, manifest: dict) -> None:
    """InputError where a product folder was written by a program whose products were others."""
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            "written by another version of this program", file=str(folder / "manifest.json"),
            key="schema_version", value=manifest.get("schema_version"),
            allowed=f"{SCHEMA_VERSION}: run it again",
        )  # fmt: skip


@contextmanager
def whole_folder(folder: str | os.PathLike):
    """A temporary folder that takes the asked name only when everything in it is written.

    Whatever happens before that - an error, a kill, a full disk - the asked folder is untouched;
    a leftover temporary folder is hidden and named after its target, and the next run removes it.
    Of several runs into one folder the last to end has it, whole.
    """
    target = Path(folder).resolve()  # a link to a folder stays, and what it leads to is replaced
    _restore(target)
    check_folder(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_dead(target)
    work = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    work.mkdir()
    handle = _locked(work)
    try:
        yield work
        for path in [*work.rglob("*"), work]:
            flush(path)
        _take_name(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A handle that keeps a folder locked until it is closed or the process ends, however it ends.

    None where another process has the lock, or where the system has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle


@contextmanager
def held(folder: Path, is_same: Callable[[dict[str, Any]], bool]) -> Iterator[None]:
    """Holds a folder that is written bit by bit, for one process at a time.

    What stands there already goes on if ``is_same(manifest)``; else it is put aside, and goes only
    when all inside has come to its end. Raises InputError where another process holds the folder.
    """
    folder = check_folder(folder).resolve()
    _restore(folder)
    aside = None
    folder.mkdir(parents=True, exist_ok=True)
    handle = _hold(folder)
    try:
        known = read_manifest(folder)
        if known is not None and not is_same(known):
            aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
            folder.rename(aside)
            folder.mkdir()
            _let_go(handle)
            handle = _hold(folder)
        yield
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        _clear_dead(folder)
    finally:
        _let_go(handle)


def _hold(folder: Path) -> int | None:
    handle = _locked(folder)
    if handle is None and os.name != "nt":
        raise InputError(
            "another process is writing into it", file=str(folder), allowed="another folder"
        )
    return handle


def _let_go(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _clear_dead(target: Path) -> None:
    """Removes what runs into ``target`` left that were killed; never what a living run writes.

    A living run has its folder locked. One that was made a moment ago may not be yet.
    """
    for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
        named = re.fullmatch(r"\.[0-9a-f]{8}\.(part|old)", left.name[len(target.name) + 1 :])
        if named is None or (named[1] == "old" and not target.exists()):
            continue
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime < YOUNG_S:
                continue
            handle = _locked(left)
            if handle is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(handle)


def _restore(target: Path) -> None:
    """Gives a folder its name back that a killed run had put aside, where none has come since."""
    if target.exists() or not target.parent.is_dir():
        return
    aside = [p for p in target.parent.iterdir() if p.name.startswith(f".{target.name}.")]
    aside = [p for p in aside if p.suffix == ".old" and _is_ours(p)]
    if aside:
        with contextlib.suppress(OSError):  # another run was quicker
            max(aside, key=lambda p: p.stat().st_mtime_ns).rename(target)


def flush(path: Path) -> None:
    """Has a file or folder written to the disk before it is given its name."""
    if os.name != "nt":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_name(work: Path, target: Path) -> None:
    """Moves ``work`` to ``target``; what was there goes, in one step where the system can."""
    for _ in range(MOST_TRIES):
        if _exchanged(work, target):
            shutil.rmtree(work, ignore_errors=True)  # what was there has this name now
            return
        try:
            work.rename(target)
            return
        except OSError:
            if not target.exists():
                raise
        aside = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.old"
        try:
            target.rename(aside)
        except FileNotFoundError:
            continue  # another run is changing it too
        try:
            work.rename(target)
        except OSError:
            if not target.exists():
                raise
            continue
        finally:
            if target.exists():
                shutil.rmtree(aside, ignore_errors=True)
        return
    raise InputError("other runs keep writing there", file=str(target), allowed="a folder a run")


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two folders have exchanged names at once; Linux can, on most file systems."""
    if not sys.platform.startswith("linux") or not other.exists():
        return False
    import ctypes

    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def naif_ids(results: Results) -> dict[str, int]:
    """SPK body numbers of the spacecraft, in the order of the nodes."""
    return {name: FIRST_NAIF_ID - i for i, name in enumerate(results.trajectories)}


def write_products(results: Results, folder: Path) -> None:
    """Writes every product file but the reports into an existing folder."""
    from cislunar.scenario import resolved_yaml

    files = keep_inputs(results.scenario, folder)
    _write_text(folder / "scenario.resolved.yaml", resolved_yaml(results.scenario, files))
    _write_ephemerides(results, folder)
    tables = {
        name: write_table(rounded(getattr(results, attribute)), folder / name)
        for attribute, name in TABLES.items()
        if len(getattr(results, attribute).columns)  # results made by hand may lack a table
    }
    gathered = GATHERED if results.scenario.accumulation is not None else ()
    if any(n.path is not None for n in results.nodes):
        gathered += ("traverse",)
    if results.scenario.sensitivity:
        gathered += ("sensitivity",)
    for attribute in ("traffic", "station_load", "named_gaps", *gathered):
        name = f"{attribute}.csv"
        tables[name] = write_table(rounded(getattr(results, attribute)), folder / name)
    _write_network(results, folder)
    if results.coverage is not None:
        results.coverage.to_netcdf(folder / MAPS, engine="h5netcdf")
        tables[MAPS] = {"rows": int(results.coverage.sizes["cell"])}
    _write_json(folder / "provenance.json", results.provenance)
    _write_json(folder / "manifest.json", results.manifest | {"tables": tables})


def keep_inputs(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Copies the files that a scenario reads, so that its folder runs anywhere; their new names."""
    from cislunar.scenario import input_files

    kept = {}
    for name in input_files(scenario):
        source = Path(name)
        if not source.is_file():
            continue  # gone since it was read: its name is all there is to keep
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        kept[name] = f"inputs/{digest}/{source.name}"
        target = folder / kept[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(shutil.SameFileError):  # a folder's own copy, run again into it
            shutil.copyfile(source, target)
    return kept


def _write_ephemerides(results: Results, folder: Path) -> None:
    from orbits.exchange import thinned, write_oem, write_spk

    (folder / "ephemerides").mkdir()
    if not results.trajectories:
        return
    numbers = naif_ids(results)
    lean = {name: thinned(t) for name, t in results.trajectories.items()}
    for name, trajectory in lean.items():
        write_oem(
            trajectory,
            folder / "ephemerides" / f"{name}.oem",
            object_name=name.upper(),
            object_id=str(numbers[name]),
        )
    write_spk(lean, numbers, folder / "ephemerides.bsp")


def _write_network(results: Results, folder: Path) -> None:
    from cislunar.contact_files import write_hdtn, write_ion

    _write_json(folder / "network.json", results.network.node_link(), indent=None)
    write_ion(results.plan, folder / "contact_plan.ionrc")
    write_hdtn(results.plan, folder / "contact_plan.hdtn.json")


def _write_json(path: Path, data, indent: int | None = 2) -> None:
    _write_text(path, json.dumps(data, ensure_ascii=False, indent=indent, default=_plain) + "\n")


def _plain(value):
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not go into a JSON product")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
