"""What clouds leave of optical links: a figure beside the clear-sky availability, never in it.

Access, links and contacts take the sky at optical stations as clear. A station that states its
``cloud_free_frac`` is clear at an instant with that chance, independently of the others; what can
then be expected of a sender is one minus the chance that every station in reach is clouded, over
time (``timeshare.expected_frac``): several far-apart stations gain on one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.timeshare import expected_frac
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node

COLUMNS = (
    "place", "direction", "stations", "availability_frac", "availability_cloud_frac",
    "stations_without_figure",
)  # fmt: skip


def cloud_frame(plan: Any, nodes: Iterable[Node]):
    """Optical links between the Moon and the Earth, with and without clouds (pandas).

    One row a node off the Earth and direction (to Earth, from Earth): the share of the span in
    which an optical contact to any station is up, and what of it is to be expected with clouds.
    Stations that state no ``cloud_free_frac`` are named and left out of the second figure.
    """
    import pandas as pd

    stations = {n.name: n for n in nodes if n.kind == "station"}
    light = np.array([band == "optical" for band in plan.band], dtype=bool)
    rows = []
    for direction, near, far in (
        ("to Earth", plan.source, plan.target), ("from Earth", plan.target, plan.source),
    ):  # fmt: skip
        grounded = light & np.array([name in stations for name in far], dtype=bool)
        for place in sorted(set(near[grounded])):
            mine = grounded & (near == place)
            spans = {
                name: Intervals(
                    plan.start_s[mine & (far == name)], plan.end_s[mine & (far == name)]
                )
                for name in sorted(set(far[mine]))
            }
            known = {n: stations[n].cloud_free_frac for n in spans}
            pairs = [(spans[n], float(c)) for n, c in known.items() if c is not None]
            rows.append(
                (
                    place, direction, ", ".join(spans),
                    expected_frac([(s, 1.0) for s in spans.values()], plan.span_s),
                    expected_frac(pairs, plan.span_s) if pairs else None,
                    ", ".join(n for n, c in known.items() if c is None),
                )
            )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["availability_cloud_frac"] = frame["availability_cloud_frac"].astype("Float64")
    return frame


def cloud_notes(plan: Any, nodes: Iterable[Node]) -> list[dict[str, str]]:
    """The same in words, English and Japanese, one a sender; nothing where no light is used."""
    import pandas as pd

    notes: list[dict[str, str]] = []
    if not any(band == "optical" for band in plan.band):
        return notes
    row: Any
    for row in cloud_frame(plan, nodes).itertuples():
        if row.direction != "to Earth":
            continue
        clear = f"{100 * row.availability_frac:.1f} %"
        en = f"Optical link of {row.place} to Earth: {clear} of the time under a clear sky"
        ja = f"{row.place} から地球への光回線: 晴天なら時間の {clear}"
        if not pd.isna(row.availability_cloud_frac):
            cloudy = f"{100 * row.availability_cloud_frac:.1f} %"
            en += f", {cloudy} to be expected with clouds"
            ja += f"、雲を見込めば {cloudy}"
        if row.stations_without_figure:
            en += f"; no cloud figure for {row.stations_without_figure}"
            ja += f"。雲の値なし: {row.stations_without_figure}"
        notes.append({"en": en + ".", "ja": ja + "。"})
    return notes
