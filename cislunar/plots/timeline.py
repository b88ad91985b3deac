"""When each place is served, and why not when it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cislunar.plots import style
from cislunar.text import Text

MAX_SEGMENTS = 6000  # bars in one service's figure; more are merged to a common time step
MERGE_S = (600.0, 1200.0, 1800.0, 3600.0, 7200.0)


def places(results, service: str) -> list[str]:
    """The places that have this service in the score tables or the gaps, assets in node order."""
    found: set[str] = set(results.gaps.loc[results.gaps["service"] == service, "place"])
    if service == "positioning":
        found |= set(results.positioning_scores["asset"])
    else:
        scores = results.comm_scores
        found |= set(scores.loc[scores["service"] == service, "asset"])
    order = [node.name for node in results.nodes]
    return sorted(found, key=lambda name: (order.index(name) if name in order else 1e9, name))


def services(results) -> list[str]:
    """The services that the run scored, in the usual order."""
    named = set(results.comm_scores["service"]) | set(results.gaps["service"])
    if len(results.positioning_scores):
        named.add("positioning")
    known = [s for s in style.SERVICES if s in named]
    return known + sorted(named - set(known))


def segments(results, service: str) -> pd.DataFrame:
    """Every unserved moment of a service by cause: ``place, cause, start_s, end_s``, sorted."""
    gaps = results.gaps.loc[results.gaps["service"] == service, ["gap_id", "place"]]
    causes = results.gap_causes[["gap_id", "cause", "start_s", "end_s"]]
    out = causes.merge(gaps, on="gap_id", how="inner")
    return out.sort_values(["place", "start_s"], kind="stable").reset_index(drop=True)


def merged(frame: pd.DataFrame, span_s: float) -> tuple[pd.DataFrame, float]:
    """Segments few enough to draw, and the time step they were merged to (0: exact).

    Merging keeps, for every step, the state that fills most of it; nothing is merged while the
    exact segments are few.
    """
    for step_s in (0.0, *MERGE_S):
        drawn = frame if step_s == 0.0 else _dominant(frame, span_s, step_s)
        if len(drawn) <= MAX_SEGMENTS:
            break
    return drawn, step_s


def _dominant(frame, span_s, step_s):
    bins = max(int(np.ceil(span_s / step_s)), 1)
    causes = sorted(set(frame["cause"]))
    rows = []
    for place, part in frame.groupby("place", sort=False):
        filled = np.zeros((len(causes) + 1, bins))
        for k, cause in enumerate(causes):
            own = part[part["cause"] == cause]
            edges = np.concatenate((own["start_s"], own["end_s"])) / step_s
            signs = np.repeat([1.0, -1.0], len(own))
            filled[k + 1] = _share(edges, signs, bins)
        filled[0] = 1.0 - filled[1:].sum(axis=0)
        state = filled.argmax(axis=0)
        first = np.flatnonzero(np.concatenate(([True], np.diff(state) != 0)))
        last = np.concatenate((first[1:], [bins]))
        for i, j in zip(first, last, strict=True):
            if state[i]:
                rows.append((causes[state[i] - 1], i * step_s, min(j * step_s, span_s), place))
    return pd.DataFrame(rows, columns=["cause", "start_s", "end_s", "place"])


def _share(edges, signs, bins):
    """How much of each unit bin is covered by spans given as signed edges."""
    grid = np.arange(bins + 1, dtype=float)
    order = np.argsort(edges, kind="stable")
    edges, signs = edges[order], signs[order]
    if not edges.size:
        return np.zeros(bins)
    # integral of the covering function up to each grid line, from the running sums of the edges
    level = np.concatenate(([0.0], np.cumsum(signs)))
    area = np.concatenate(([0.0], np.cumsum(level[1:-1] * np.diff(edges))))
    index = np.searchsorted(edges, grid, side="right")
    before = np.maximum(index - 1, 0)
    total = np.where(index > 0, area[before] + level[index] * (grid - edges[before]), 0.0)
    return np.diff(total)


def timeline(results, service: str | None = None, text: Text | None = None) -> dict:
    """A plotly specification: one row a place, gaps coloured by cause over the span (UTC).

    ``service`` is one service; without it the first that the run scored. Bars carry place, cause,
    start, end and duration on hover.
    """
    text = text or Text()
    service = service or next(iter(services(results)), "relay")  # no asset: an empty picture
    rows = places(results, service)
    span_s = float(results.scenario.duration_s)
    frame: Any
    frame, step_s = merged(segments(results, service), span_s)
    start_ms = _utc_ms(results.scenario.start)
    index = {place: i for i, place in enumerate(rows)}
    data = [
        {
            "type": "bar", "orientation": "h", "name": text("timeline.served"),
            "y": np.arange(len(rows)), "base": np.full(len(rows), start_ms),
            "x": np.full(len(rows), span_s * 1e3), "width": 0.8,
            "marker": {"color": style.SERVED, "line": {"width": 0}}, "hoverinfo": "skip",
        }
    ]  # fmt: skip
    known = [c for c in style.CAUSES if c in set(frame["cause"])]
    for cause in known + sorted(set(frame["cause"]) - set(known)):
        own = frame[frame["cause"] == cause]
        begin, end = own["start_s"].to_numpy(), own["end_s"].to_numpy()
        data.append(
            {
                "type": "bar", "orientation": "h", "name": text.either(f"cause.{cause}", cause),
                "y": own["place"].map(index).to_numpy(dtype=float),
                "base": start_ms + begin * 1e3, "x": (end - begin) * 1e3, "width": 0.8,
                "marker": style.bar_marker(cause), "meta": {"plain": style.plain_colour(cause)},
                "hovertext": _hover(results.scenario.start, own, text),
                "hovertemplate": f"<b>{text.either(f'cause.{cause}', cause)}</b>"
                "<br>%{hovertext}<extra></extra>",
            }
        )  # fmt: skip
    note = text("timeline.merged", minutes=f"{step_s / 60:.0f}") if step_s else ""
    layout = style.layout(
        height=150 + 22 * max(len(rows), 3),
        barmode="overlay",
        bargap=0.15,
        margin={"l": 10, "r": 40, "t": 60, "b": 50},
        xaxis=style.axis(
            text("timeline.axis") + (f" ({note})" if note else ""),
            type="date", tickformatstops=[
                # closer than a day, also after zooming, the date alone would repeat itself
                {"dtickrange": [None, 86399999.0], "value": "%H:%M<br>" + text("timeline.tick")},
                {"dtickrange": [86400000.0, None], "value": text("timeline.tick")},
            ],
            range=[start_ms, start_ms + span_s * 1e3],
        ),
        yaxis=style.axis(
            tickmode="array", tickvals=list(range(len(rows))), ticktext=rows,
            range=[len(rows) - 0.5, -0.5], showgrid=False,
        ),
    )  # fmt: skip
    return {"data": data, "layout": layout}


def _utc_ms(epoch) -> float:
    """Milliseconds of UTC from 1970, as plotly's date axes count."""
    text = epoch.utc_text(0.0).rstrip("Z")
    return float(np.datetime64(text, "ms").astype("int64"))


def _hover(epoch, frame, text) -> list[str]:
    from cislunar.display import duration

    start = np.datetime64(epoch.utc_text(0.0).rstrip("Z"), "ms")
    begin = (start + (frame["start_s"].to_numpy() * 1e3).astype("timedelta64[ms]")).astype(
        "datetime64[m]"
    )
    end = (start + (frame["end_s"].to_numpy() * 1e3).astype("timedelta64[ms]")).astype(
        "datetime64[m]"
    )
    spent = frame["end_s"].to_numpy() - frame["start_s"].to_numpy()
    return [
        f"{place}<br>{str(b)[5:].replace('T', ' ')} – {str(e)[5:].replace('T', ' ')} UTC<br>"
        f"{duration(s, text)}"
        for place, b, e, s in zip(frame["place"], begin, end, spent, strict=True)
    ]
