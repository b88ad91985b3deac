"""What a user has gathered: accuracy against time, time to reach a need, and what stays unknown.

Made by ``accumulate``; every figure here is a statistic over starts that slide over the
span.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.clocks import Clock
from cislunar.needs import rms_limit_m
from cislunar.positioning.accumulate_kernels import CORNER
from cislunar.positioning.containment import THREE_SIGMA_FRAC, accuracy
from orbits.constants import MOON_RADIUS_KM
from orbits.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "asset", "sources", "clock", "window_s", "starts", "solved_frac", "need_accuracy_m",
    "need_rms_m", "need_axes", "reached_frac", "time_to_need_p50_s", "time_to_need_p95_s",
    "horizontal_rms_p50_m", "horizontal_rms_p95_m", "rms_p50_m", "rms_p95_m", "time_rms_p50_m",
    "time_rms_p95_m", "weak_direction", "weak_east_frac", "weak_north_frac", "weak_up_frac",
    "weak_clock_frac", "weak_sigma_m", "undetermined", "signal_correlation_min_s",
    "signal_correlation_max_s", "source_names",
)  # fmt: skip
TEXT = ("asset", "clock", "need_axes", "weak_direction", "source_names")
# "X m within Y minutes" is tabled for these, as far as the window reaches
LEVELS_M = (10.0, 30.0, 100.0, 300.0, 1000.0)
WITHIN_MIN = (0.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1440.0)
AVAILABILITY_COLUMNS = (
    "asset", "axes", "basis", "accuracy_m", "within_s", "availability_frac",
)  # fmt: skip
# a position less certain than the Moon's radius is none
LIMIT_M = MOON_RADIUS_KM * 1e3
BASES = {"rms": None, "p95": 0.95, "3sigma": THREE_SIGMA_FRAC}
COMPONENTS = ("horizontal", "vertical", "3d", "time")
CLOCK_SHARE = 0.9  # a weak direction that lies so much along the clock is called so
SHARED_CLOCK = math.sqrt(1.0 - CLOCK_SHARE**2)  # and one with so much of it is "with the clock"


@dataclass(frozen=True, eq=False)
class Accumulated:
    """What one asset gathers from every start: covariances in m2 and what they lack.

    ``start_s`` (N,) past the tracks' epoch, ``elapsed_s`` (K,) past each start. ``covariance_m2``
    (N, K, 4, 4) of the error east, north, up and of the receiver's time as a distance, where
    ``solved`` (N, K): elsewhere it is 0, and the information on the place singular or weaker than
    the Moon's radius; time is in it where ``timed`` (N, K), and never from Doppler alone.
    ``information_root`` (N, 4, 4) with R^T R the information at the end, in the same order.
    ``correlation_s`` (S,): how long each source's signal error lasts, infinite where constant.
    ``source_names``: who is in view at all, ``sources_in_window`` (N,) how many from each start.
    ``need``: the asset's finest positioning need.
    """

    asset: str
    source_names: tuple[str, ...]
    clock: Clock
    start_s: np.ndarray
    elapsed_s: np.ndarray
    covariance_m2: np.ndarray = field(repr=False)
    solved: np.ndarray = field(repr=False)
    timed: np.ndarray = field(repr=False)
    information_root: np.ndarray = field(repr=False)
    sources_in_window: np.ndarray = field(repr=False)
    correlation_s: np.ndarray = field(repr=False)
    need: Any = None

    def error_m(self, axes: str = "3d", basis: str = "rms") -> np.ma.MaskedArray:
        """The error (N, K) in m; masked where there is no solution.

        ``axes``: horizontal, vertical, 3d or time. ``basis``: rms (root of the summed variances),
        p95 or 3sigma (the radii that hold 95 % and 99.73 % of the errors).
        """
        if axes not in COMPONENTS:
            raise InputError(f"no axes {axes!r}", key="axes", allowed=", ".join(COMPONENTS))
        if basis not in BASES:
            raise InputError(f"no basis {basis!r}", key="basis", allowed=", ".join(BASES))
        there = self.timed if axes == "time" else self.solved
        out = np.ma.masked_all(there.shape)
        if there.any():
            out[there] = accuracy(self.covariance_m2[there], BASES[basis])[axes]
        return out

    def time_to_s(self, accuracy_m: float, axes: str = "3d", basis: str = "rms"):
        """Seconds from each start (N,) until the error is first within ``accuracy_m``; masked
        where it never is within the window."""
        good = (self.error_m(axes, basis) <= accuracy_m).filled(False)
        reached = good.any(axis=1)
        return np.ma.masked_array(self.elapsed_s[good.argmax(axis=1)], mask=~reached)

    def availability_frac(
        self, accuracy_m: float, within_min: float, axes: str = "3d", basis: str = "rms"
    ) -> float:
        """The share of the starts from which the error is within ``accuracy_m`` in
        ``within_min``. Raises InputError for a time beyond the window."""
        last = float(self.elapsed_s[-1])
        if not 0.0 <= within_min * 60.0 <= last:
            raise InputError(f"within {within_min:g} min", key="within_min", value=within_min,
                             allowed=f"0 to {last / 60.0:g}, the window")  # fmt: skip
        times = self.time_to_s(accuracy_m, axes, basis)
        return float((times <= within_min * 60.0).filled(False).mean())

    def axes_of_information(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations (N, 4) in m, largest first and infinite where nothing is known, and
        their directions (N, 4, 4): rows of east, north, up and clock, at the window's end."""
        _, values, rows = np.linalg.svd(self.information_root)
        with np.errstate(divide="ignore"):
            sigma = np.where(values > 1.0 / LIMIT_M, 1.0 / values, np.inf)
        return sigma[:, ::-1], rows[:, ::-1]

    def weakness(self) -> pd.DataFrame:
        """What is known least at the end of each window: a row a start.

        ``undetermined``: directions of the four (east, north, up, clock) about which nothing is
        known; ``weak_*_frac`` the components of the weakest one, a unit vector; ``weak_sigma_m``
        its standard deviation, empty where it is undetermined; ``weak_direction`` in words.
        """
        import pandas as pd

        sigma, rows = self.axes_of_information()
        weak = rows[:, 0]
        lead = np.take_along_axis(weak, np.abs(weak).argmax(axis=1)[:, None], axis=1)
        weak = weak * np.sign(lead)
        frame = pd.DataFrame(
            {
                "start_s": self.start_s,
                "undetermined": np.isinf(sigma).sum(axis=1),
                "weak_direction": [
                    direction_text(v, int(n))
                    for v, n in zip(weak, np.isinf(sigma).sum(axis=1), strict=True)
                ],
                **{
                    f"weak_{name}_frac": weak[:, i]
                    for i, name in enumerate(("east", "north", "up", "clock"))
                },
                "weak_sigma_m": pd.array(np.ma.masked_invalid(sigma[:, 0]).filled(0.0), "Float64"),
            }
        )
        frame.loc[np.isinf(sigma[:, 0]), "weak_sigma_m"] = pd.NA
        return frame

    def against_time(self) -> pd.DataFrame:
        """Accuracy against time: a row an instant and component, percentiles over the starts.

        ``rms``, ``r95`` and ``r3sigma`` at the median and the 95th percentile over all starts, in
        m; empty where more starts than that have no solution yet. ``solved_frac``: how many have.
        """
        import pandas as pd

        rows = {
            "elapsed_s": np.repeat(self.elapsed_s, len(COMPONENTS)),
            "component": np.tile(COMPONENTS, self.elapsed_s.size),
            "solved_frac": np.repeat(self.solved.mean(axis=0), len(COMPONENTS)),
        }
        for basis, name in (("rms", "rms"), ("p95", "r95"), ("3sigma", "r3sigma")):
            errors = [self.error_m(axes, basis).filled(np.inf) for axes in COMPONENTS]
            table = np.stack(errors, axis=-1)  # (N, K, 4)
            for percent in (50, 95):
                values = np.percentile(table, percent, axis=0, method="inverted_cdf").ravel()
                there = pd.array(np.where(np.isfinite(values), values, 0.0), "Float64")
                there[~np.isfinite(values)] = pd.NA
                rows[f"{name}_p{percent}_m"] = there
        frame = pd.DataFrame(rows)
        frame.insert(0, "asset", self.asset)
        return frame

    def availability(self) -> pd.DataFrame:
        """The availability of "X m within Y minutes": the share of the starts that get there.

        A row an accuracy and time, for the 95 % radius (``basis`` p95) across the vertical and in
        space, and for the asset's need by its own rule (``basis`` need).
        """
        import pandas as pd

        last_s = float(self.elapsed_s[-1])
        within_s = [m * 60.0 for m in WITHIN_MIN if m * 60.0 < last_s] + [last_s]
        upto = np.searchsorted(self.elapsed_s, within_s, side="right") - 1
        asked = [(axes, "p95", "p95", x, x) for axes in ("horizontal", "3d") for x in LEVELS_M]
        limit_m = None if self.need is None else rms_limit_m(self.need)
        if self.need is not None and limit_m is not None:
            asked.insert(0, (self.need.axes, "need", "rms", self.need.accuracy_m, limit_m))
        best: dict[tuple[str, str], np.ndarray] = {}  # the least error so far (N, times)
        rows = []
        for axes, name, basis, accuracy_m, within_m in asked:
            if (axes, basis) not in best:
                error = self.error_m(axes, basis).filled(np.inf)
                best[axes, basis] = np.minimum.accumulate(error, axis=1)[:, upto]
            shares = (best[axes, basis] <= within_m).mean(axis=0).tolist()
            rows += [
                (self.asset, axes, name, accuracy_m, s, share)
                for s, share in zip(within_s, shares, strict=True)
            ]
        return pd.DataFrame(rows, columns=list(AVAILABILITY_COLUMNS))

    @property
    def row(self) -> dict[str, Any]:
        """The asset's row of ``accumulated_positioning.csv``."""
        last = self.solved[:, -1]
        need = self.need
        limit_m = None if need is None else rms_limit_m(need)
        reached, to_need = None, (None, None)
        if need is not None and limit_m is not None:
            times = self.time_to_s(limit_m, need.axes)
            reached = float((~np.ma.getmaskarray(times)).mean())
            to_need = tuple(_percentile(times, p) for p in (50, 95))
        row: dict[str, Any] = {
            "asset": self.asset,
            "sources": len(self.source_names),
            "clock": self.clock.name,
            "window_s": float(self.elapsed_s[-1]),
            "starts": self.start_s.size,
            "solved_frac": float(last.mean()),
            "need_accuracy_m": None if need is None else need.accuracy_m,
            "need_rms_m": limit_m,
            "need_axes": None if need is None else need.axes,
            "reached_frac": reached,
            "time_to_need_p50_s": to_need[0],
            "time_to_need_p95_s": to_need[1],
        }
        for prefix, axes in (("horizontal_rms", "horizontal"), ("rms", "3d"), ("time_rms", "time")):
            errors = self.error_m(axes)[:, -1]
            for percent in (50, 95):
                row[f"{prefix}_p{percent}_m"] = _percentile(errors, percent)
        weak = self.weakness()
        order = weak["weak_sigma_m"].fillna(math.inf).to_numpy(dtype=float).argsort(kind="stable")
        middle = weak.iloc[int(order[order.size // 2])]  # the start of median weakness
        for name in ("direction", "east_frac", "north_frac", "up_frac", "clock_frac", "sigma_m"):
            row[f"weak_{name}"] = middle[f"weak_{name}"]
        row["undetermined"] = int(middle["undetermined"])
        lasts = self.correlation_s[np.isfinite(self.correlation_s)]
        row["signal_correlation_min_s"] = float(lasts.min()) if lasts.size else None
        row["signal_correlation_max_s"] = float(lasts.max()) if lasts.size else None
        row["source_names"] = " ".join(self.source_names) or None
        return row

    def _repr_html_(self) -> str:
        return accumulated_frame([self]).to_html(index=False)


def direction_text(weak: np.ndarray, undetermined: int = 0) -> str:
    """A weak direction in words: ``clock``, or the unit vector east, north, up.

    A direction in space whose error the clock's can make up for says so; where several are
    undetermined, how many.

    >>> direction_text(np.array([0.0, 0.0, 0.1, 0.99]))
    'clock'
    >>> direction_text(np.array([0.6, 0.0, 0.8, 0.0]))
    'east 0.60, north 0.00, up 0.80'
    """
    if undetermined == CORNER:
        return "all: nothing is measured"
    if undetermined > 1:
        return f"{undetermined} directions, one {direction_text(weak)}"
    if abs(weak[3]) >= CLOCK_SHARE:
        return "clock"
    place = weak[:3] / np.linalg.norm(weak[:3])
    named = zip(("east", "north", "up"), place.round(2) + 0.0, strict=True)
    text = ", ".join(f"{name} {x:.2f}" for name, x in named)
    return f"{text}, with the clock" if abs(weak[3]) > SHARED_CLOCK else text


def _percentile(values: np.ma.MaskedArray, percent: float) -> float | None:
    """A percentile over all starts; None where it falls among those without a value."""
    filled = np.ma.filled(values.astype(float), np.inf)
    found = float(np.percentile(filled, percent, method="inverted_cdf"))
    return found if math.isfinite(found) else None


def accumulated_frame(found: Iterable[Accumulated]) -> pd.DataFrame:
    """The table of ``accumulated_positioning.csv``: a row an asset; absent values are empty."""
    import pandas as pd

    frame = pd.DataFrame([one.row for one in found], columns=list(COLUMNS))
    kinds = {name: "Float64" for name in COLUMNS}
    kinds |= {name: "object" for name in TEXT}
    kinds |= {name: "Int64" for name in ("sources", "starts", "undetermined")}
    return frame.astype(kinds)


def against_time_frame(found: Iterable[Accumulated]) -> pd.DataFrame:
    """The table of ``accumulated_against_time.csv``: every asset's accuracy against time."""
    import pandas as pd

    frames = [one.against_time() for one in found]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def availability_frame(found: Iterable[Accumulated]) -> pd.DataFrame:
    """The table of ``accumulated_availability.csv``: every asset's "X m within Y minutes"."""
    import pandas as pd

    frames = [one.availability() for one in found]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
