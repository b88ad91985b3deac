"""Horizon files: the elevation of terrain by azimuth, in text, with where it is from.

Two columns, ``azimuth_deg elevation_deg``, from north eastward, between rows linear. A file that
this module writes begins ``# cislunar horizon 1`` and tells its source in lines ``# key: words``.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orbits.errors import InputError

FIRST_LINE = "# cislunar horizon 1"
WIDEST_DEG = 180.0  # between two rows; more is no horizon all around


MOST_HORIZON_BYTES = 4_000_000


@dataclass(frozen=True, eq=False)
class Horizon:
    """Terrain horizon: elevation in deg at azimuths in deg, from north through east, 0 to 360.

    ``azimuth_deg`` is increasing and spans 0 to 360 (closed), so that a plain interpolation works.
    ``source`` is where it is from, as pairs of a key and its words; ``file`` the name of the file
    that it was read from.
    """

    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    source: tuple[tuple[str, str], ...] = ()
    file: str | None = None

    def elevation_at(self, azimuth_deg):
        """Horizon elevation (deg) at azimuths (deg, any shape), linear in between.

        >>> Horizon(np.array([0.0, 180.0, 360.0]), np.array([0.0, 4.0, 0.0])).elevation_at(-90.0)
        2.0
        """
        out = np.interp(np.mod(azimuth_deg, 360.0), self.azimuth_deg, self.elevation_deg)
        return float(out) if np.ndim(azimuth_deg) == 0 else out

    def said(self, key: str) -> tuple[str, ...]:
        """What the source tells under a key, in order; empty if nothing."""
        return tuple(words for name, words in self.source if name == key)


def read_horizon(path: str | Path) -> Horizon:
    """The horizon in a two-column text file ``azimuth_deg elevation_deg`` (deg).

    Blanks, commas or tabs separate; ``#`` starts a comment; one header line is allowed. Azimuths
    increase from 0 to 360; the file need not repeat the first row at 360.

    Raises
    ------
    InputError
        Unreadable file, a row that is not two finite numbers, azimuths out of order or range, or
        more than half a turn without a row.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError("not a file", file=str(path), allowed="a horizon file")
        if path.stat().st_size > MOST_HORIZON_BYTES:
            raise InputError("too large", file=str(path), allowed=f"{MOST_HORIZON_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as fault:
        raise InputError("no such file", file=str(path), allowed="a horizon file") from fault
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError("cannot be read", file=str(path), allowed="a text file") from fault
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        words = next(csv.reader([line])) if "," in line else line.split()
        try:
            azimuth, elevation = (float(w) for w in words)
        except ValueError:
            if not rows and any(c.isalpha() for c in line) and not _numbers(words):
                continue  # a header
            raise InputError(
                f"line {number} is not two numbers", file=str(path),
                allowed="azimuth_deg elevation_deg",
            ) from None  # fmt: skip
        good = math.isfinite(azimuth) and math.isfinite(elevation)
        if not (good and 0 <= azimuth <= 360 and -90 <= elevation <= 90):
            raise InputError(
                f"line {number} is out of range", file=str(path),
                allowed="azimuth 0 to 360, elevation -90 to 90 deg",
            )  # fmt: skip
        if rows and azimuth <= rows[-1][0]:
            raise InputError(
                f"line {number}: azimuths must increase", file=str(path), allowed="sorted rows"
            )
        rows.append((azimuth, elevation))
    if len(rows) < 2:
        raise InputError("fewer than two rows", file=str(path), allowed="two rows or more")
    azimuth, elevation = (np.array(c) for c in zip(*rows, strict=True))
    widest = float(np.diff(np.append(azimuth, azimuth[0] + 360.0)).max())
    if widest > WIDEST_DEG:
        raise InputError(
            f"{widest:g} deg of azimuth have no row", file=str(path),
            allowed=f"rows all around, at most {WIDEST_DEG:g} deg apart",
        )  # fmt: skip
    if azimuth[-1] == 360.0 and azimuth[0] == 0.0 and elevation[-1] != elevation[0]:
        raise InputError(
            "elevations at 0 and 360 differ", file=str(path), allowed="one value for north"
        )
    return Horizon(*_closed(azimuth, elevation), _source(text), path.name)


def _numbers(words) -> bool:
    try:
        float(words[0])
    except ValueError:
        return False
    return True


def _closed(azimuth, elevation):
    """The same rows with 0 and 360 among them, which share one value."""
    if azimuth[-1] == 360.0:
        if azimuth[0] > 0.0:
            azimuth, elevation = np.append(0.0, azimuth), np.append(elevation[-1], elevation)
        return azimuth, elevation
    if azimuth[0] > 0.0:
        share = (360.0 - azimuth[-1]) / (360.0 - azimuth[-1] + azimuth[0])
        north = elevation[-1] + share * (elevation[0] - elevation[-1])
        azimuth, elevation = np.append(0.0, azimuth), np.append(north, elevation)
    return np.append(azimuth, 360.0), np.append(elevation, elevation[0])


def _source(text: str) -> tuple[tuple[str, str], ...]:
    lines = text.splitlines()
    if not lines or lines[0].strip() != FIRST_LINE:
        return ()
    pairs = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        key, colon, words = line[1:].partition(":")
        if colon:
            pairs.append((key.strip(), words.strip()))
    return tuple(pairs)


def horizon_text(horizon: Horizon) -> str:
    """A horizon file's text (CSV, 1e-6 deg), its source in comments."""
    rows = zip(horizon.azimuth_deg[:-1], horizon.elevation_deg[:-1], strict=True)
    lines = [FIRST_LINE]
    lines += [f"# {key}: {' '.join(words.split())}" for key, words in horizon.source]
    lines.append("azimuth_deg,elevation_deg")
    lines += [f"{azimuth:.9g},{elevation:.6f}" for azimuth, elevation in rows]
    return "\n".join(lines) + "\n"


def write_horizon(horizon: Horizon, path: str | Path) -> None:
    """Writes a horizon file. Raises OSError."""
    Path(path).write_text(horizon_text(horizon), encoding="utf-8")
