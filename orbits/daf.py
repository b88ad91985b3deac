"""Whether an SPK file is whole, asked before CSPICE opens it.

CSPICE trusts the numbers in a file that say where the next record is and how many there are, and
ends the process when one leads outside its arrays. The layout is in NAIF's "DAF Required Reading"
and "SPK Required Reading".
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from orbits.errors import InputError

RECORD = 1024  # bytes; 128 double words
DOUBLES, INTEGERS = 2, 6  # of a segment's summary in an SPK file
SUMMARY = DOUBLES + (INTEGERS + 1) // 2  # its words
MOST_SUMMARIES = (RECORD // 8 - 3) // SUMMARY
# segments whose last word counts their records, states or pieces
COUNTED = frozenset((1, 2, 3, 5, 8, 9, 12, 13, 18, 19, 20, 21))
KNOWN = COUNTED | {10, 14, 15, 17}


def check_spk(path: str | os.PathLike) -> None:
    """Raises InputError unless the file is an SPK whose records and segments lie within it."""
    name = os.fspath(path)

    def refuse(what: str) -> InputError:
        return InputError(what, file=name, allowed="a whole SPK kernel (binary)")

    try:
        if not Path(name).is_file():
            raise refuse("not a file")
        words = os.path.getsize(name) // 8
        with open(name, "rb") as file:
            head = file.read(RECORD)
            order = {b"LTL-IEEE": "<", b"BIG-IEEE": ">"}.get(head[88:96])
            if len(head) < RECORD or head[:8] != b"DAF/SPK " or order is None:
                raise refuse("not an SPK kernel")
            counts = np.frombuffer(head, order + "i4", 2, 8)
            first, _, _ = np.frombuffer(head, order + "i4", 3, 76)
            if tuple(counts) != (DOUBLES, INTEGERS):
                raise refuse("not the layout of an SPK kernel")
            record, seen = int(first), set()
            while record != 0:
                if record in seen or not record >= 2 or record * RECORD > words * 8:
                    raise refuse(f"summary record {record} is not in the file")
                seen.add(record)
                file.seek((record - 1) * RECORD)
                raw = np.frombuffer(file.read(RECORD), order + "f8")
                after, before, count = raw[:3]
                if not (_whole(after, words) and _whole(before, words) and
                        _whole(count, MOST_SUMMARIES)):  # fmt: skip
                    raise refuse(f"summary record {record} is damaged")
                for k in range(int(count)):
                    summary = raw[3 + k * SUMMARY : 3 + (k + 1) * SUMMARY]
                    fault = _segment_fault(file, order, summary, words)
                    if fault:
                        raise refuse(f"segment {k + 1} of summary record {record}: {fault}")
                record = int(after)
    except OSError as fault:
        raise refuse(f"cannot be read ({fault.strerror or fault})") from fault


def _segment_fault(file, order: str, summary: np.ndarray, words: int) -> str | None:
    """What is wrong with a segment, if anything."""
    start, end = summary[:DOUBLES]
    if not (np.isfinite(start) and np.isfinite(end) and start <= end):
        return "its times are not a span"
    integers = np.frombuffer(summary[DOUBLES:].tobytes(), order + "i4")
    kind, low, high = (int(i) for i in integers[3:])
    if kind not in KNOWN:
        return f"data type {kind} is not known"
    if not 1 <= low <= high <= words:
        return "its data are not in the file"
    size = high - low + 1
    if kind in COUNTED:
        file.seek((max(low, high - 3) - 1) * 8)
        tail = np.frombuffer(file.read(8 * min(4, size)), order + "f8")
        if not _whole(tail[-1], size) or tail[-1] < 1 or not _fits(kind, size, tail):
            return "the count of its records is wrong"
    return None


def _fits(kind: int, size: int, tail: np.ndarray) -> bool:
    """Whether a segment of ``size`` words holds what its last words say, where they say it."""
    count = tail[-1]
    if kind in (2, 3):  # INIT, INTLEN, RSIZE, N
        return tail.size == 4 and tail[1] > 0 and _whole(tail[2], size) and (
            count * tail[2] + 4 == size
        )  # fmt: skip
    if kind in (9, 13):  # states, their epochs, a directory, degree or window, N
        within = _whole(tail[-2], 50) and tail[-2] >= 1
        return bool(within) and 7 * count + (count - 1) // 100 + 2 == size
    return True


def _whole(value: float, most: float) -> bool:
    """Whether ``value`` is a whole number from 0 to ``most``."""
    return bool(np.isfinite(value) and 0 <= value <= most and value == int(value))
