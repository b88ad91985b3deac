"""PDS3 labels: the text beside or before an image, read into its objects' keys.

Planetary Data System Standards Reference 3.8, chapters 12 (object description language) and
appendix A.19 (IMAGE). Only what an elevation model needs: scalars, quoted text, units in angle
brackets, pointers to an image in the same file or another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orbits.errors import InputError

_LARGEST_LABEL = 1_000_000  # bytes; a label is a few thousand
_STATEMENT = re.compile(
    r'^[ \t]*(\^?[A-Z][A-Z0-9_:]*)[ \t]*=\s*("[^"]*"|\'[^\']*\'|\{[^}]*\}|\([^)]*\)|[^\r\n]*)',
    re.MULTILINE,
)
_TYPES = {
    ("LSB_INTEGER", 16): "<i2", ("LSB_INTEGER", 32): "<i4",
    ("MSB_INTEGER", 16): ">i2", ("MSB_INTEGER", 32): ">i4",
    ("PC_REAL", 32): "<f4", ("PC_REAL", 64): "<f8",
    ("IEEE_REAL", 32): ">f4", ("IEEE_REAL", 64): ">f8",
}  # fmt: skip


@dataclass(frozen=True)
class Label:
    """A label's statements by object: ``values["IMAGE.LINES"]`` is ``("720", unit or None)``."""

    path: Path
    values: Mapping[str, tuple[str, str | None]]

    def text(self, key: str, default: str | None = None) -> str:
        """The value of a key as text; InputError where it is missing and no default is given."""
        if key in self.values:
            return self.values[key][0]
        if default is not None:
            return default
        raise InputError("is missing", file=str(self.path), key=key, allowed="a complete label")

    def number(self, key: str, default: float | None = None) -> float:
        """The value of a key as a finite number, in the label's own unit; else InputError."""
        if key not in self.values and default is not None:
            return default
        words = self.text(key)
        try:
            value = float(words)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError(
                f"is {words!r}", file=str(self.path), key=key, value=words, allowed="a number"
            )
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """The value of a key as a positive whole number; else InputError."""
        value = self.number(key, default)
        if value != int(value) or value < 1:
            raise InputError(
                f"is {value:g}", file=str(self.path), key=key, value=value,
                allowed="a positive whole number",
            )  # fmt: skip
        return int(value)

    def metres(self, key: str) -> float:
        """A length in m by the unit beside it; km where none stands there (the standard's own)."""
        value, unit = self.number(key), (self.values[key][1] or "km").lower()
        factors = {"km": 1e3, "kilometer": 1e3, "kilometers": 1e3, "m": 1.0, "meter": 1.0,
                   "meters": 1.0}  # fmt: skip
        if unit not in factors:
            raise InputError(
                f"is in {unit}", file=str(self.path), key=key, value=unit, allowed="km or m"
            )
        return value * factors[unit]


def parse(text: str, path: Path) -> Label:
    """The label in a text; keys are ``OBJECT.KEY`` by innermost object, the first of each kept.

    >>> found = parse('OBJECT = IMAGE\\n LINES = 2\\nEND_OBJECT = IMAGE\\nEND\\n', Path("x"))
    >>> found.count("IMAGE.LINES")
    2
    """
    values: dict[str, tuple[str, str | None]] = {}
    inside: list[str] = []
    for key, raw in _STATEMENT.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
        word = " ".join(raw.split())
        if key in ("OBJECT", "GROUP"):
            inside.append(word.strip("\"'"))
        elif key in ("END_OBJECT", "END_GROUP"):
            if inside:
                inside.pop()
        else:
            found = re.fullmatch(r"(.*?)\s*<([^>]*)>", word)
            value, unit = (found[1], found[2]) if found else (word, None)
            name = f"{inside[-1]}.{key}" if inside else key
            values.setdefault(name, (value.strip("\"' "), unit))
    return Label(path, values)


def is_label(start: bytes) -> bool:
    """Whether a file begins as a PDS3 label does."""
    return b"PDS_VERSION_ID" in start[:400]


def read_label(path: Path) -> Label:
    """The label in a file, attached or detached. Raises InputError without one."""
    with path.open("rb") as file:
        text = file.read(_LARGEST_LABEL).decode("latin-1")
    if not is_label(text[:400].encode("latin-1")):
        raise InputError("is not a PDS3 label", file=str(path), allowed="PDS_VERSION_ID = PDS3")
    end = re.search(r"^[ \t]*END[ \t]*\r?$", text, re.MULTILINE)
    if end is None:
        raise InputError("ends before its END statement", file=str(path), allowed="a whole label")
    return parse(text[: end.start()], path)


def label_beside(image: Path) -> Label:
    """The label of a raw image: attached, or in the file of the same stem ending in ``.lbl``."""
    with image.open("rb") as file:
        if is_label(file.read(400)):
            return read_label(image)
    other = _in_folder(image.with_suffix(".lbl"))
    if other is None:
        raise InputError(
            "has no label", file=str(image), allowed=f"{image.stem}.LBL in the same folder"
        )
    return read_label(other)


@dataclass(frozen=True)
class Image:
    """Where an image's counts are: ``lines`` of ``samples`` from a byte ``start`` of a file on."""

    path: Path
    start: int
    lines: int
    samples: int
    dtype: np.dtype

    def window(self, line_a: int, line_b: int, sample_a: int, sample_b: int) -> np.ndarray:
        """The counts of a window, as they are stored; the file is mapped only meanwhile."""
        counts = np.memmap(
            self.path, self.dtype, "r", self.start + line_a * self.samples * self.dtype.itemsize,
            (line_b - line_a, self.samples),
        )  # fmt: skip
        return np.array(counts[:, sample_a:sample_b])


def image_of(label: Label) -> Image:
    """Where the counts of a label's image are.

    Raises InputError for an image that is not one band of plain numbers, is not where the label
    says, or is shorter than that.
    """
    where = str(label.path)
    if any(key.startswith("COMPRESSED_FILE.") for key in label.values):
        raise InputError("describes a compressed image", file=where, allowed="the IMG file's label")
    pointer = next((v[0] for k, v in label.values.items() if k.endswith("^IMAGE")), None)
    if pointer is None:
        raise InputError("is missing", file=where, key="^IMAGE", allowed="a complete label")
    words = [w.strip("\"' ") for w in pointer.strip("()").split(",")]
    path, start = label.path, 0
    if not words[0].split(" ")[0].isdigit():
        named = _in_folder(label.path.parent / words.pop(0))
        if named is None:
            raise InputError(f"no such file: {pointer}", file=where, key="^IMAGE", value=pointer)
        path = named
    if words:
        first = re.fullmatch(r"(\d+)\s*(<BYTES>)?", words[0])
        if first is None or int(first[1]) < 1:
            raise InputError(f"is {pointer!r}", file=where, key="^IMAGE", allowed="a record number")
        record = next((k for k in label.values if k.endswith("RECORD_BYTES")), "RECORD_BYTES")
        size = 1 if first[2] else label.count(record)
        start = (int(first[1]) - 1) * size
    lines, samples = label.count("IMAGE.LINES"), label.count("IMAGE.LINE_SAMPLES")
    kind = label.text("IMAGE.SAMPLE_TYPE").upper(), label.count("IMAGE.SAMPLE_BITS")
    if kind not in _TYPES:
        raise InputError(
            f"is {kind[0]} of {kind[1]} bits", file=where, key="IMAGE.SAMPLE_TYPE", value=kind,
            allowed="LSB_INTEGER or MSB_INTEGER of 16 or 32, PC_REAL or IEEE_REAL of 32 or 64",
        )  # fmt: skip
    if label.count("IMAGE.BANDS", 1) != 1:
        raise InputError("is not 1", file=where, key="IMAGE.BANDS", allowed="one band of heights")
    for key in ("IMAGE.LINE_PREFIX_BYTES", "IMAGE.LINE_SUFFIX_BYTES"):
        if label.number(key, 0.0) != 0:
            raise InputError("is not 0", file=where, key=key, allowed="lines without extra bytes")
    wanted = start + lines * samples * np.dtype(_TYPES[kind]).itemsize
    if path.stat().st_size < wanted:
        raise InputError(
            f"is truncated: {path.stat().st_size} of {wanted} bytes", file=str(path),
            allowed=f"{lines} lines of {samples} samples",
        )  # fmt: skip
    return Image(path, start, lines, samples, np.dtype(_TYPES[kind]))


def _in_folder(path: Path) -> Path | None:
    """A file by name, whatever the case of its letters: mirrors of the archive change it."""
    if path.is_file():
        return path
    if not path.parent.is_dir():
        return None
    return next((p for p in path.parent.iterdir() if p.name.lower() == path.name.lower()), None)
