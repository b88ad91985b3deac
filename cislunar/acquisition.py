"""Navigation signals: when a user can acquire one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cislunar.access import elevation_intervals
from cislunar.beam import is_shaped, losses_db
from cislunar.budget import NAVIGATION_LOW_ELEVATION_DEG, navigation_cn0_at_1km_dbhz
from cislunar.crossings import follow, range_km, scan
from cislunar.geometry import RANGE
from cislunar.link_models.antenna import pattern_of
from orbits.constants import DEG
from orbits.intervals import Intervals

if TYPE_CHECKING:
    from cislunar.nodes import Node
    from cislunar.terminal_records import Terminal
    from cislunar.tracks import Tracks


def navigation_visible(
    tracks: Tracks, source: Node, tx: Terminal, user: Node, rx: Terminal, access: Intervals
) -> Intervals:
    """When a user can acquire a navigation signal: access, and C/N0 at or above the threshold.

    Patterns of either antenna move C/N0 with the geometry; a receiver's own pattern replaces the
    rule of 0 dBi at low elevations.
    """
    if rx.acquisition_threshold_dbhz is None:
        raise ValueError(f"terminal {rx.id!r} has no acquisition_threshold_dbhz")
    eirp = getattr(source, "eirp_override_dbw", None)
    patterned = user.kind == "spacecraft" or pattern_of(rx, "receive") is not None
    angles = (None,) if patterned else (0.0, 0.5 * np.pi)
    limits = [
        float(
            10.0
            ** ((navigation_cn0_at_1km_dbhz(tx, rx, e, eirp) - rx.acquisition_threshold_dbhz) / 20)
        )
        for e in angles
    ]
    levels = [np.nextafter(x, np.inf) for x in limits]
    if is_shaped(tx, rx):
        distance = follow(
            tracks,
            lambda t: range_km(tracks, user.name, source.name, t)
            * 10.0 ** (sum(losses_db(tracks, source, user, tx, rx, t)) / 20.0),
            levels, windows=access,
        )  # fmt: skip
    else:
        distance = scan(tracks, RANGE, user.name, source.name, levels, windows=access)
    near = [access - distance.at_least(np.nextafter(x, np.inf)) for x in limits]
    if len(near) == 1:
        return near[0]
    high = elevation_intervals(tracks, user, source, NAVIGATION_LOW_ELEVATION_DEG * DEG)
    return near[0] | (near[1] & high)  # the low-elevation limit is the shorter one
