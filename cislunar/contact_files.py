"""Contact plans as files: ION text, HDTN JSON and our own CSV, written and read.

What both delay-tolerant-networking suites want decides how a plan is written:

- whole seconds: starts are rounded up and ends down (a contact is never longer than it is); one
  that keeps no whole second is left out;
- light time in whole seconds: rounded up (``light_time="up"``), so that nothing is expected
  before it can arrive; ``"nearest"`` is there for comparison;
- contacts of one pair must not overlap: parallel contacts (two bands) become consecutive pieces at
  the highest rate of those open, with the largest light time of those at that rate;
- nodes are numbers, from 1 in order of name; the map is in the file (comments in ION text, a
  top-level key ``nodes`` in the JSON: HDTN reads only ``contacts``);
- ION rates are bytes/s, HDTN rates bits/s, both rounded down.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from cislunar.contact_table import ContactTable, sort_names, table_of
from orbits.compiled import njit
from orbits.epoch import Epoch
from orbits.errors import InputError

# whatever a file holds, no more than 1 GiB comes of it
MOST_BYTES = 32_000_000
MOST_LISTS, MOST_OBJECTS = 3_000_000, 1_000_000  # of a JSON file
MOST_CONTACTS = 500_000
MOST_NODES = 100_000
MOST_COLUMNS = 100  # of a table
_COLUMNS = ("contact_id", "source", "target", "start_s", "end_s", "rate_bps", "owlt_s")
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
# what steers a terminal or a line of text, or turns its direction; no form of plan has it in a name
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WHOLE_S = 1e-6  # a time this near a whole second is that second


def node_numbers(names) -> dict[str, int]:
    """The number of each node for ION and HDTN: from 1 in order of name.

    Names that are all whole numbers above 0 stay as they are.

    >>> node_numbers(["usuda", "dro-1"])
    {'dro-1': 1, 'usuda': 2}
    """
    names = sort_names(names)
    if all(n.isdecimal() and int(n) > 0 for n in names):
        return {n: int(n) for n in names}
    return {n: i + 1 for i, n in enumerate(names)}


def merged_contacts(plan) -> ContactTable:
    """The plan with one contact a pair at any time: the highest rate, the largest light time.

    Of a contact in several pieces the first keeps the id, the others are numbered from 2: "c7.2".
    """
    t = table_of(plan)
    pair = t.source * len(t.names) + t.target
    of, start, end, owlt = _merge(pair, t.start_s, t.end_s, t.rate_bps, t.owlt_s)
    names = np.array(t.names, dtype=object)
    seen: dict[int, int] = {}
    ids = []
    for c in of.tolist():
        seen[c] = seen.get(c, 0) + 1
        ids.append(t.contact_id[c] if seen[c] == 1 else f"{t.contact_id[c]}.{seen[c]}")
    return ContactTable.of_arrays(
        ids, names[t.source[of]], names[t.target[of]], start, end, t.rate_bps[of],
        owlt, names=t.names, span_s=t.span_s, epoch=t.epoch,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _merge(pair, start, end, rate, owlt):
    """Consecutive pieces of each pair's contacts: (contact of the rate, start, end, light time)."""
    room = 2 * pair.size + 1  # each contact adds at most two edges to its pair
    of = np.empty(room, dtype=np.int64)
    low, high, late = np.empty(room), np.empty(room), np.empty(room)
    used, a = 0, 0
    while a < pair.size:
        b = a
        while b < pair.size and pair[b] == pair[a]:
            b += 1
        cuts = np.unique(np.concatenate((start[a:b], end[a:b])))
        held, first = -1, a  # the last piece of this pair; the first contact that may be open
        for i in range(cuts.size - 1):
            while first < b and end[first] <= cuts[i]:
                first += 1
            best = -1
            for c in range(first, b):
                if start[c] > cuts[i]:
                    break
                if end[c] <= cuts[i]:
                    continue
                if best < 0 or (rate[c], owlt[c]) > (rate[best], owlt[best]):
                    best = c
            if best < 0:
                continue
            if (
                held >= 0 and high[held] == cuts[i]
                and rate[of[held]] == rate[best] and late[held] == owlt[best]
            ):  # fmt: skip
                high[held] = cuts[i + 1]
            else:
                held = used
                of[used], low[used], high[used] = best, cuts[i], cuts[i + 1]
                late[used] = owlt[best]
                used += 1
        a = b
    return of[:used], low[:used], high[:used], late[:used]


def _whole(plan, light_time: str, unit_bps: float):
    """The plan in whole seconds and whole units of rate: rows of ints, and its reference epoch."""
    if light_time not in ("up", "nearest"):
        raise InputError("light_time", value=light_time, allowed="up, nearest")
    t = merged_contacts(plan)
    offset_s, reference = 0.0, None
    if t.epoch is not None:  # seconds count from a whole UTC second
        text = str(t.epoch.utc_text(0.0, decimals=6))
        offset_s = float("0" + text[19:-1])
        reference = text[:19]
        if offset_s < _WHOLE_S:
            offset_s = 0.0
    start = np.ceil(t.start_s + offset_s - _WHOLE_S).astype(np.int64)
    end = np.floor(t.end_s + offset_s + _WHOLE_S).astype(np.int64)
    whole = np.ceil(t.owlt_s - _WHOLE_S) if light_time == "up" else np.floor(t.owlt_s + 0.5)
    owlt = whole.astype(np.int64)
    rate = np.floor(t.rate_bps / unit_bps + 1e-9).astype(np.int64)
    number = node_numbers(t.names)
    of_node = np.array([number[n] for n in t.names], dtype=np.int64)
    keep = (end > start) & (rate > 0)
    rows = np.column_stack(
        (start, end, of_node[t.source], of_node[t.target], rate, owlt)
    )[keep]  # fmt: skip
    rows = rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 0]))]
    return rows.tolist(), number, reference


# --- ION ----------------------------------------------------------------------------------------


def ion_text(plan, *, light_time: str = "up") -> str:
    """The plan as commands of ``ionadmin`` (an ionrc file): contacts in bytes/s, and ranges.

    Times are seconds after the reference time that the file sets with ``@`` (none if the plan has
    no epoch). Ranges are given once a pair, lower node number first, which ION takes for both
    directions; where the two directions differ by a second the larger is written.
    """
    rows, number, reference = _whole(plan, light_time, 8.0)
    up = "up" if light_time == "up" else "to the nearest"
    lines = [
        "# Contact plan: rates in bytes/s; times in whole seconds, rounded inward;",
        f"# light time in whole seconds, rounded {up}.",
        *(f"# node {n} {name}" for name, n in number.items()),
    ]
    if reference is not None:
        lines += [f"# epoch {reference}Z", f"@ {reference.replace('-', '/').replace('T', '-')}"]
    lines += [f"a contact +{s} +{e} {a} {b} {rate}" for s, e, a, b, rate, _ in rows]
    lines += [f"a range +{s} +{e} {a} {b} {owlt}" for s, e, a, b, owlt in _ranges(rows)]
    return "\n".join(lines) + "\n"


def _ranges(rows):
    """(start, end, lower node, higher node, light time): disjoint in a pair, larger value wins."""
    pairs: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for s, e, a, b, _, owlt in rows:
        pairs.setdefault((min(a, b), max(a, b)), []).append((s, e, owlt))
    out = []
    for (a, b), spans in pairs.items():
        s, e, owlt = np.array(spans, dtype=np.int64).T
        low = np.unique(np.concatenate((s, e)))
        value = np.full(low.size - 1, -1, dtype=np.int64)
        first, last = np.searchsorted(low, s), np.searchsorted(low, e)
        for i, j, seconds in zip(first, last, owlt, strict=True):
            value[i:j] = np.maximum(value[i:j], seconds)
        change = np.flatnonzero(np.diff(value)) + 1
        for i, j in zip([0, *change], [*change, value.size], strict=True):
            if value[i] >= 0:
                out.append((int(low[i]), int(low[j]), a, b, int(value[i])))
    return sorted(out)


def write_ion(plan, path, *, light_time: str = "up") -> None:
    """Writes the plan for ION: see ``ion_text``."""
    write_text(path, ion_text(plan, light_time=light_time))


_ION_TIME = re.compile(r"^(\d{4})/(\d{2})/(\d{2})-(\d{2}):(\d{2}):(\d{2})$")
_ION_NODE = re.compile(r"^#\s*node\s+(\d+)\s+(\S+)\s*$")


def read_ion(path) -> ContactTable:
    """The contact table of an ionrc file (bytes/s there, bit/s here; s past its first time).

    Reads ``a contact``, ``a range`` and ``@``; registrations (start -1) and hypothetical contacts
    (stop 0) carry no time and are passed over, as are other commands. A contact is split where
    its range changes; one without a range is refused. ``# node N NAME`` comments name nodes.
    """
    names: dict[int, str] = {}
    contacts, ranges = [], []
    clock = _IonClock()
    for line_number, line in enumerate(io.StringIO(read_text(path)), 1):
        named = _ION_NODE.match(line)
        if named:
            names[int(named.group(1))] = named.group(2)
        check_counts(path, max(len(contacts), len(ranges)), len(names))
        words = line.split("#", 1)[0].split(maxsplit=7)
        key = f"line {line_number}"
        try:
            if words[:1] == ["@"]:
                clock.set(words[1])
            elif words[:2] == ["a", "contact"] and words[2] != "-1" and words[3] != "0":
                s, e = clock.seconds(words[2]), clock.seconds(words[3])
                contacts.append((s, e, int(words[4]), int(words[5]), 8.0 * float(words[6]), key))
            elif words[:2] == ["a", "range"]:
                s, e = clock.seconds(words[2]), clock.seconds(words[3])
                ranges.append((s, e, int(words[4]), int(words[5]), float(words[6])))
        except (IndexError, ValueError) as fault:
            raise InputError(
                f"{line.strip()!r} is not a command of ionadmin", file=str(path), key=key
            ) from fault
    known = _ranges_by_pair(ranges, path)
    rows = []
    for s, e, a, b, rate, key in contacts:
        if e <= s:
            raise InputError(
                "the contact ends before it starts", file=str(path), key=key,
                value=e, allowed="a stop after the start",
            )  # fmt: skip
        spans, stops = known.get((a, b), ((), ()))
        pieces = []
        for x, y, d in spans[bisect_right(stops, s) :]:
            if x >= e:
                break
            pieces.append((max(s, x), min(e, y), d))
        covered = sum(y - x for x, y, _ in pieces)
        if not math.isclose(covered, e - s, abs_tol=1e-6):
            raise InputError(
                f"no range from {a} to {b} over the whole contact", file=str(path), key=key,
                allowed="'a range' commands that cover each contact once",
            )  # fmt: skip
        check_counts(path, len(rows))
        for x, y, d in pieces:
            ends = names.get(a, str(a)), names.get(b, str(b))
            rows.append((f"c{len(rows) + 1:06d}", *ends, x, y, rate, d))
    return checked_table(rows, path, names.values(), clock.epoch)


def _ranges_by_pair(ranges, path) -> dict[tuple[int, int], tuple[list, list]]:
    """The ranges (start, end, light time) of each directed pair in order of time, and their ends.

    One with the lower node first holds for both directions, unless the other has its own.
    """
    found: dict[tuple[int, int], list] = {}
    implied: dict[tuple[int, int], list] = {}
    for s, e, a, b, owlt in ranges:
        found.setdefault((a, b), []).append((s, e, owlt))
        if a < b:
            implied.setdefault((b, a), []).append((s, e, owlt))
    found = implied | found
    for (a, b), spans in found.items():
        spans.sort()
        for one, other in pairwise(spans):
            if other[0] < one[1]:
                raise InputError(f"two ranges from {a} to {b} overlap", file=str(path))
    return {pair: (spans, [y for _, y, _ in spans]) for pair, spans in found.items()}


class _IonClock:
    """ION times as seconds past the first absolute time of the file."""

    def __init__(self):
        self.epoch: Epoch | None = None
        self.reference_s = 0.0

    def set(self, word):
        self.reference_s = self.seconds(word)

    def seconds(self, word: str) -> float:
        if word.startswith("+"):
            return self.reference_s + float(word[1:])
        found = _ION_TIME.match(word)
        if not found:
            raise ValueError(word)
        instant = Epoch.parse("{}-{}-{}T{}:{}:{} UTC".format(*found.groups()))
        if self.epoch is None:
            self.epoch = instant
        return instant - self.epoch


# --- HDTN ---------------------------------------------------------------------------------------


def hdtn_plan(plan, *, light_time: str = "up") -> dict:
    """The plan as the object of an HDTN contact-plan file (bit/s, whole seconds)."""
    rows, number, reference = _whole(plan, light_time, 1.0)
    found = {
        "contacts": [
            {
                "contact": i, "source": a, "dest": b, "startTime": s, "endTime": e,
                "rateBitsPerSec": rate, "owlt": owlt,
            }
            for i, (s, e, a, b, rate, owlt) in enumerate(rows)
        ],
        "nodes": {str(n): name for name, n in number.items()},
    }  # fmt: skip
    if reference is not None:
        found["epoch_utc"] = reference + "Z"
    return found


def write_hdtn(plan, path, *, light_time: str = "up") -> None:
    """Writes the plan for HDTN: see ``hdtn_plan``."""
    found = hdtn_plan(plan, light_time=light_time)
    # one a line; they hold numbers alone, so nothing else looks like where one ends
    contacts = json.dumps(found.pop("contacts"))[1:-1].replace("}, {", "},\n    {")
    rest = "".join(f',\n  "{k}": {json.dumps(v, ensure_ascii=False)}' for k, v in found.items())
    body = f"[\n    {contacts}\n  ]" if contacts else "[]"
    write_text(path, f'{{\n  "contacts": {body}{rest}\n}}\n')


def read_hdtn(path) -> ContactTable:
    """The contact table of an HDTN contact plan; ``rate`` (deprecated) is in Mbit/s, as there."""
    return hdtn_table(read_json(path), path)


def hdtn_table(data: dict, path) -> ContactTable:
    """The contact table of an HDTN contact plan's object; ``path`` names it in messages."""
    if not isinstance(data.get("contacts"), list):
        raise InputError("no list of contacts", file=str(path), key="contacts")
    nodes = data.get("nodes", {})
    check_counts(path, len(data["contacts"]), len(nodes) if isinstance(nodes, dict) else 0)
    names = {str(k): str(v) for k, v in nodes.items()} if isinstance(nodes, dict) else {}
    rows = []
    for i, c in enumerate(data["contacts"]):
        try:
            rate = c["rateBitsPerSec"] if "rateBitsPerSec" in c else 1e6 * float(c["rate"])
            ends = (names.get(str(c[k]), str(c[k])) for k in ("source", "dest"))
            rows.append(
                (str(c.get("contact", i)), *ends, float(c["startTime"]), float(c["endTime"]),
                 float(rate), float(c["owlt"]))
            )  # fmt: skip
        except (KeyError, OverflowError, TypeError, ValueError) as fault:
            raise InputError(
                "a contact needs numbers source, dest, startTime, endTime, rateBitsPerSec, owlt",
                file=str(path), key=f"contacts.{i}",
            ) from fault  # fmt: skip
    return checked_table(rows, path, names.values(), epoch_of(data.get("epoch_utc"), path))


# --- ours ---------------------------------------------------------------------------------------


def read_contacts_csv(path) -> ContactTable:
    """The contact table of a ``contacts.csv`` (s past the epoch of its UTC column)."""
    rows, epoch = [], None
    text = read_text(path)
    if text.split("\n", 1)[0].count(",") >= MOST_COLUMNS:
        raise InputError("too many columns", file=str(path), allowed=f"{MOST_COLUMNS}")
    reader = csv.DictReader(io.StringIO(text))
    wanted = _COLUMNS
    missing = [c for c in wanted if c not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"no column {', '.join(missing)}", file=str(path))
    for i, row in enumerate(reader, 2):
        check_counts(path, len(rows))
        try:
            rows.append((*(row[c] for c in wanted[:3]), *(float(row[c]) for c in wanted[3:])))
        except (TypeError, ValueError) as fault:
            raise InputError("a cell is not a number", file=str(path), key=f"line {i}") from fault
        if epoch is None and row.get("start_utc"):
            epoch = epoch_of(row["start_utc"], path, "start_utc", rows[-1][3])
    return checked_table(rows, path, (), epoch)


def write_contacts_csv(plan, path) -> None:
    """Writes a plan as CSV: our table's columns that any plan has, each value as exact as it is."""
    t = table_of(plan)
    check_cells((*t.names, *t.contact_id), path)
    order = np.argsort(t.start_s, kind="stable")
    utc = [] if t.epoch is None else t.epoch.utc_text(t.start_s[order])
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow((*_COLUMNS, "start_utc") if t.epoch is not None else _COLUMNS)
    for k, c in enumerate(order):
        ends = (t.names[t.source[c]], t.names[t.target[c]])
        numbers = (t.start_s[c], t.end_s[c], t.rate_bps[c], t.owlt_s[c])
        rows.writerow([t.contact_id[c], *ends, *(repr(float(x)) for x in numbers), *utc[k : k + 1]])
    write_text(path, out.getvalue())


def check_cells(names: Iterable[str], path) -> None:
    """Refuses names that a spreadsheet takes for a formula; the plan may be anyone's.

    >>> check_cells(["relay-1", "-5"], "plan.csv")
    """
    for name in names:
        if name[:1] in _FORMULA and not _NUMBER.fullmatch(name):
            raise InputError(
                f"{name!r} would be a formula in a table", file=str(path),
                allowed="names that begin with a letter or digit; or another form of plan",
            )  # fmt: skip


def checked_table(rows, path, names, epoch) -> ContactTable:
    """The table of rows read from a file; InputError naming the file where they make none."""
    if not rows:
        raise InputError("the plan has no contacts", file=str(path))
    check_counts(path, len(rows))
    try:
        table = ContactTable.of_rows(rows, names=names, epoch=epoch)
    except InputError as fault:
        raise InputError(fault.what, file=str(path), allowed=fault.allowed) from fault
    for name in (*table.names, *table.contact_id):
        if _STEERING.search(name):
            raise InputError(
                f"{name!r} has signs that are not text", file=str(path), allowed="names of letters"
            )
    return table


def check_counts(path, contacts: int, nodes: int = 0) -> None:
    """Refuses more contacts or nodes than a plan may have; asked while they are still read."""
    for count, most, what in ((contacts, MOST_CONTACTS, "contacts"), (nodes, MOST_NODES, "nodes")):
        if count > most:
            raise InputError(f"too many {what}", file=str(path), allowed=f"{most}")


def read_text(path, most: int | None = None) -> str:
    """The text of a plan file (its first ``most`` characters); InputError where it has none."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError("not a file", file=str(path), allowed="a contact plan file")
        if path.stat().st_size > MOST_BYTES:
            raise InputError("too large", file=str(path), allowed=f"{MOST_BYTES} bytes")
        with path.open(encoding="utf-8-sig") as file:
            return file.read(most) if most else file.read()
    except OSError as fault:
        raise InputError(f"cannot be read ({fault.strerror})", file=str(path)) from fault
    except UnicodeDecodeError as fault:
        raise InputError("not UTF-8 text", file=str(path)) from fault


def read_json(path) -> dict:
    """The object in a JSON plan file; InputError where there is none."""
    text = read_text(path)
    if text.count("[") > MOST_LISTS or text.count("{") > MOST_OBJECTS:
        raise InputError(
            "too many parts", file=str(path),
            allowed=f"{MOST_LISTS} lists and {MOST_OBJECTS} objects",
        )  # fmt: skip
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise InputError(f"not JSON ({fault})", file=str(path)) from fault
    if not isinstance(data, dict):
        raise InputError("not an object", file=str(path), allowed="a contact plan")
    return data


def epoch_of(text, path, key: str = "epoch_utc", past_s: float = 0.0) -> Epoch | None:
    """The instant ``past_s`` before that of a file's text; None where the file gives none."""
    if not text:
        return None
    try:
        return Epoch.parse(str(text)) + -past_s
    except (InputError, OverflowError, ValueError) as fault:
        raise InputError(str(getattr(fault, "what", fault)), file=str(path), key=key) from fault


def write_text(path, text: str) -> None:
    """Writes a plan file, with line feeds on every system."""
    Path(path).write_text(text, encoding="utf-8", newline="\n")
