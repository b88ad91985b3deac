"""Availability where stations give lunar users only a share of their time.

Nobody publishes a schedule, only a share. Taken as the chance that a station is free at an instant,
independently of the others, the chance of service is one minus the product of the chances that each
station with a live path is busy; its time average is what a user may expect.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orbits.intervals import Intervals


def expected_frac(live: Iterable[tuple[Intervals, float]], span_s: float) -> float:
    """The expected availability (fraction of ``span_s``) through stations of given time shares.

    ``live`` pairs, a station each: the spans of a live path through it (s), and its share.

    >>> half = (Intervals([0.0], [50.0]), 0.5)
    >>> expected_frac([half, half], 100.0)
    0.375
    >>> expected_frac([half, (Intervals([40.0], [100.0]), 1.0)], 100.0)
    0.8
    """
    live = [(spans.clip(0.0, span_s), share) for spans, share in live]
    edges = np.unique(
        np.concatenate([np.array([0.0, span_s]), *(s.start_s for s, _ in live),
                        *(s.end_s for s, _ in live)])
    )  # fmt: skip
    middle = 0.5 * (edges[1:] + edges[:-1])
    busy = np.ones(middle.size)
    for spans, share in live:
        busy[spans.contains(middle)] *= 1.0 - share
    return float(((1.0 - busy) * np.diff(edges)).sum() / span_s)
