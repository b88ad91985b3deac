"""Unserved time as gaps, and every second of a gap with exactly one cause.

A candidate is whatever could have given the service: a relay, an Earth station, a set of
navigation sources. It is a mapping from cause to the instants at which that condition holds.
Walking the causes in stage order, a candidate drops out where a condition fails; the cause of an
instant is the stage at which the last candidate dropped out. All of it is interval algebra, so
the causes are exact and no time grid is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cislunar.needs import achieved_frac, earth_days_s
from orbits.intervals import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from orbits.epoch import Epoch

CAUSES = (
    "no-provider", "below-horizon", "terrain", "mask", "occulted", "range", "sun", "link",
    "policy", "contention", "station-mask", "station-outage", "relay-no-earth", "few-sources",
    "geometry",
)  # fmt: skip
GAP_COLUMNS = (
    "gap_id", "place", "service", "start_s", "end_s", "start_utc", "end_utc", "duration_s",
    "cause", "need", "achieved", "severity", "edge",
)  # fmt: skip
CAUSE_COLUMNS = ("gap_id", "cause", "start_s", "end_s", "duration_s")
# an instant at which every listed condition of some candidate holds and service is still absent
# (a hop lost between sending and arrival) belongs to the service's own last stage
LAST_STAGE = {"positioning": "geometry", "direct": "contention"}

# edges are known to better than this; a shorter piece is their rounding and goes to its neighbour
SLIVER_S = 0.1

Candidate = Mapping[str, Intervals]
CandidateSource = Callable[[str, str], Iterable[Candidate]]


@dataclass(frozen=True)
class Gaps:
    """The two tables of unserved time: one row a gap, and every gap split by cause (seconds)."""

    frame: pd.DataFrame
    causes: pd.DataFrame

    def _repr_html_(self) -> str:
        return self.frame.to_html(max_rows=20)


def split_by_cause(
    gap: Intervals, candidates: Iterable[Candidate], last: str = "relay-no-earth"
) -> dict[str, Intervals]:
    """``{cause: Intervals}`` in s: a partition of ``gap`` by the last stage that was reached.

    ``candidates`` map a cause to the instants at which its condition holds; a missing cause is a
    condition that cannot fail. What every candidate condition leaves over goes to ``last``.

    >>> asset_sees = {"below-horizon": Intervals([0.0], [50.0]), "link": Intervals([0.0], [20.0])}
    >>> causes = split_by_cause(Intervals([0.0], [100.0]), [asset_sees], last="link")
    >>> {name: spans.pairs() for name, spans in causes.items()}
    {'below-horizon': [(50.0, 100.0)], 'link': [(0.0, 50.0)]}
    >>> split_by_cause(Intervals([0.0], [9.0]), [])["no-provider"].total_s
    9.0
    """
    if last not in CAUSES:
        raise ValueError(f"{last!r} is not a cause; allowed: {', '.join(CAUSES)}")
    out: dict[str, Intervals] = {}
    alive = [(candidate, gap) for candidate in candidates]
    for candidate, _ in alive:
        unknown = set(candidate) - set(CAUSES)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are not causes; allowed: {', '.join(CAUSES)}")
    left = gap
    for cause in CAUSES:
        if not len(left):
            break
        if alive and not any(cause in candidate for candidate, _ in alive):
            continue
        after = []
        for candidate, passed in alive:
            held = candidate.get(cause)
            now = passed if held is None else passed & held
            if len(now):
                after.append((candidate, now))
        alive = after
        reached = Intervals.union_of(passed for _, passed in alive)
        failed = left - reached
        if len(failed):
            out[cause] = failed
        left = left & reached
    if len(left):
        out[last] = out[last] | left if last in out else left
    return {cause: out[cause] for cause in CAUSES if cause in out}


def share_of_allowance(
    start_s: np.ndarray,
    end_s: np.ndarray,
    need: Any,
    span_s: tuple[float, float],
    day_edges_s: Sequence[float] = (),
) -> np.ndarray:
    """Each gap's severity (dimensionless): unserved time beyond the need's allowance, over span.

    The allowance ``(1 - availability_frac) x length`` is used up by the gaps of its window in
    proportion to their durations, so the severities of one place and service add up to
    ``max(0, unserved - allowance) / span``, summed over the windows of the need's basis: the span
    itself, or one day after another (each-earth-day and worst-24h, cut at ``day_edges_s``, which
    lie inside the span). A need that only limits ``max_gap_s`` counts each gap's time beyond it;
    a need with neither counts nothing.
    """
    start_s, end_s = np.asarray(start_s, float), np.asarray(end_s, float)
    first, last = span_s
    length = last - first
    if need is None or not length > 0:
        return np.zeros(start_s.shape)
    availability = _field(need, "availability_frac")
    longest = _field(need, "max_gap_s")
    if availability is None:
        beyond = end_s - start_s - longest if longest is not None else np.zeros(start_s.shape)
        return np.maximum(beyond, 0.0) / length
    daily = _field(need, "availability_basis") in ("each-earth-day", "worst-24h")
    edges = np.unique([first, *(day_edges_s if daily else ()), last])
    overlap = np.minimum(end_s[:, None], edges[1:]) - np.maximum(start_s[:, None], edges[:-1])
    overlap = np.maximum(overlap, 0.0)
    unserved = overlap.sum(axis=0)
    beyond = np.maximum(unserved - (1.0 - availability) * np.diff(edges), 0.0)
    share = np.divide(beyond, unserved, out=np.zeros_like(beyond), where=unserved > 0)
    return overlap @ share / length


def need_text(need: Any) -> str:
    """One short line that says what a need asks for, with its units.

    >>> need_text({"service": "relay", "availability_frac": 0.9, "availability_basis": "span",
    ...            "min_rate_bps": 1e6})
    'availability >= 0.9 (span), rate >= 1e+06 bps'
    """
    if need is None:
        return ""
    parts = []
    if (value := _field(need, "availability_frac")) is not None:
        parts.append(f"availability >= {value:g} ({_field(need, 'availability_basis') or 'span'})")
    if (value := _field(need, "accuracy_m")) is not None:
        how = [_field(need, "accuracy_basis"), _field(need, "axes")]
        parts.append(f"accuracy <= {value:g} m ({', '.join(str(h) for h in how if h)})")
    for key, sign, unit in (
        ("max_pdop", "PDOP <=", ""),
        ("max_gap_s", "gap <=", " s"),
        ("latency_s", "latency <=", " s"),
        ("volume_bit_per_day", "volume >=", " bit/day"),
    ):
        if (value := _field(need, key)) is not None:
            parts.append(f"{sign} {value:g}{unit}")
    rate = _field(need, "min_rate_bps")
    if rate is not None and _field(need, "service") != "positioning":
        parts.append(f"rate >= {rate:g} bps")
    return ", ".join(parts)


def find_gaps(
    served: Mapping[tuple[str, str], Intervals],
    candidates: CandidateSource,
    needs: Mapping[tuple[str, str], Any],
    span_s: tuple[float, float],
    epoch: Epoch,
    achieved: Mapping[tuple[str, str], str] | None = None,
) -> Gaps:
    """Every maximal unserved interval (s past ``epoch``) with its causes, need and severity.

    ``served`` has one entry for every place and service reported; ``candidates(place, service)``
    gives what could have served it (see ``split_by_cause``); ``needs`` has the need records of the
    places that have one (the days of each-earth-day are whole UTC days); ``achieved`` overrides
    the text of what was achieved, by default the availability on the need's own basis. Gap ids
    follow place, service and start.
    """
    import pandas as pd

    first, last = span_s
    days = [t for day in earth_days_s(epoch, last) for t in day if first < t < last]
    rows: list[dict[str, Any]] = []
    pieces: list[tuple[str, str, float, float]] = []
    for place, service in sorted(served):
        key = (place, service)
        unserved = served[key].complement(first, last)
        if not len(unserved):
            continue
        causes = split_by_cause(
            unserved, candidates(place, service), LAST_STAGE.get(service, "relay-no-earth")
        )
        start, end, which, owner = _pieces_by_gap(unserved, causes)
        need = needs.get(key)
        severity = share_of_allowance(unserved.start_s, unserved.end_s, need, span_s, days)
        shown = (achieved or {}).get(key) or _achieved_text(served[key], need, span_s, epoch)
        names = list(causes)
        seconds = np.zeros((len(unserved), len(names)))
        np.add.at(seconds, (owner, which), end - start)
        most = seconds.argmax(axis=1)  # the earlier stage where two are equal
        base = len(rows)
        pieces.extend(
            (_gap_id(base + gap), names[cause], a, b)
            for gap, cause, a, b in zip(
                owner.tolist(), which.tolist(), start.tolist(), end.tolist(), strict=True
            )
        )
        text = need_text(need)
        for index, (a, b) in enumerate(unserved.pairs()):
            rows.append(
                {
                    "gap_id": _gap_id(base + index),
                    "place": place,
                    "service": service,
                    "start_s": a,
                    "end_s": b,
                    "duration_s": b - a,
                    "cause": names[most[index]],
                    "need": text,
                    "achieved": shown,
                    "severity": float(severity[index]),
                    "edge": _edge(a <= first, b >= last),
                }
            )
    frame = pd.DataFrame(rows, columns=[c for c in GAP_COLUMNS if not c.endswith("_utc")])
    for name in ("start", "end"):
        instants: Any = frame[f"{name}_s"].to_numpy(float)
        frame[f"{name}_utc"] = epoch.utc_text(instants) if len(frame) else []
    causes_frame = pd.DataFrame(pieces, columns=["gap_id", "cause", "start_s", "end_s"])
    causes_frame["duration_s"] = causes_frame["end_s"] - causes_frame["start_s"]
    return Gaps(frame.reindex(columns=GAP_COLUMNS), causes_frame.reindex(columns=CAUSE_COLUMNS))


def unserved_seconds(
    served: Mapping[tuple[str, str], Intervals], span_s: tuple[float, float]
) -> dict[tuple[str, str], float]:
    """Unserved time in s of each place and service: what options are measured by."""
    return {key: spans.complement(*span_s).total_s for key, spans in served.items()}


def _pieces_by_gap(unserved, causes):
    """Cause pieces in time order: start, end, index of the cause, index of the gap."""
    start = np.concatenate([spans.start_s for spans in causes.values()])
    end = np.concatenate([spans.end_s for spans in causes.values()])
    which = np.repeat(np.arange(len(causes)), [len(spans) for spans in causes.values()])
    order = np.argsort(start, kind="stable")
    start, end, which = start[order], end[order], which[order]
    owner = np.searchsorted(unserved.start_s, start, side="right") - 1
    for i in np.flatnonzero(end - start < SLIVER_S).tolist():
        if i > 0 and owner[i - 1] == owner[i]:
            which[i] = which[i - 1]
        elif i + 1 < owner.size and owner[i + 1] == owner[i]:
            which[i] = which[i + 1]
    first = np.ones(start.size, dtype=bool)
    first[1:] = (which[1:] != which[:-1]) | (owner[1:] != owner[:-1])
    last = np.append(first[1:], True)
    return start[first], end[last], which[first], owner[first]


def _achieved_text(served, need, span_s, epoch) -> str:
    basis = (need is not None and _field(need, "availability_basis")) or "span"
    share = achieved_frac(served, epoch, span_s[1], basis)
    return f"availability {'not computable' if share is None else f'{share:.6g}'} ({basis})"


def _gap_id(index: int) -> str:
    return f"g{index + 1:06d}"


def _edge(at_start: bool, at_end: bool) -> str:
    return {(0, 0): "none", (1, 0): "start", (0, 1): "end", (1, 1): "both"}[at_start, at_end]


def _field(record: Any, name: str):
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)
