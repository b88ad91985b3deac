"""The contact graph at one instant."""

from __future__ import annotations

import numpy as np

from cislunar.plots import style
from cislunar.text import Text

COLUMNS = {"station": 0.0, "spacecraft": 1.0, "asset": 2.0}
KIND_WORDS = {"station": "node.station", "spacecraft": "node.spacecraft", "asset": "node.asset"}


def instant_s(results, t) -> float:
    """Seconds past the scenario's epoch of an instant: text, Epoch or number; None is mid-span."""
    if t is None:
        return float(results.scenario.duration_s) / 2.0
    if isinstance(t, str):
        from orbits.epoch import Epoch

        t = Epoch.parse(t)
    return float(t) if isinstance(t, (int, float)) else float(t - results.scenario.start)


def network(results, t=None, text: Text | None = None) -> dict:
    """A plotly specification of the links up at ``t``, a column a kind of node."""
    text = text or Text()
    t_s = instant_s(results, t)
    contacts = results.contacts
    live = contacts[(contacts["start_s"] <= t_s) & (contacts["end_s"] > t_s)]
    position = {}
    for kind, x in COLUMNS.items():
        members = [n.name for n in results.nodes if n.kind == kind]
        for i, name in enumerate(members):
            # spacecraft bow outwards so that links between them do not hide each other
            share = (i + 0.5) / len(members)
            bow = 0.28 * np.sin(np.pi * share) if kind == "spacecraft" else 0.0
            position[name] = (x + bow - (0.14 if kind == "spacecraft" else 0.0), 1.0 - share)
    pairs: dict[tuple[str, str], float] = {}
    for source, target, rate in zip(live["source"], live["target"], live["rate_bps"], strict=True):
        if source in position and target in position:
            key = (source, target) if source < target else (target, source)
            pairs[key] = max(pairs.get(key, 0.0), float(rate))
    data = []
    for low, high, word, (width, colour, dash) in (
        (0.0, 1e6, "network.under_1m", (0.8, "#b9c0c8", "dot")),
        (1e6, 1e8, "network.under_100m", (1.1, "#8d96a0", "solid")),
        (1e8, np.inf, "network.over_100m", (2.2, "#3d4753", "solid")),
    ):
        chosen = [p for p, r in pairs.items() if low <= r < high]
        if not chosen:
            continue
        ends = np.array([[position[a], position[b]] for a, b in chosen])
        empty = np.full((len(chosen), 1), np.nan)
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": text(word), "hoverinfo": "skip",
                "x": np.hstack((ends[:, :, 0], empty)).ravel(),
                "y": np.hstack((ends[:, :, 1], empty)).ravel(),
                "line": {"color": colour, "width": width, "dash": dash},
            }
        )  # fmt: skip
    tags: list[dict] = []
    for kind, word in KIND_WORDS.items():
        names = [n.name for n in results.nodes if n.kind == kind]
        if not names:
            continue
        xy = np.array([position[n] for n in names])
        degree = [sum(n in pair for pair in pairs) for n in names]
        between = kind == "spacecraft"  # amid the lines: named on white
        if between:
            tags = [
                {
                    "x": x, "y": y, "xref": "x", "yref": "y", "text": name, "showarrow": False,
                    "yshift": 13,
                    "bgcolor": "rgba(255,255,255,0.8)", "borderpad": 0, "font": {"size": 10},
                }
                for name, (x, y) in zip(names, xy.tolist(), strict=True)
            ]  # fmt: skip
        data.append(
            {
                "type": "scatter", "mode": "markers" if between else "markers+text",
                "name": text(word), "x": xy[:, 0],
                "y": xy[:, 1], "text": names, "customdata": degree,
                "textposition": "middle left" if kind == "station" else "middle right",
                "textfont": {"size": 10},
                "marker": {
                    "size": 11, "color": style.KIND_COLOURS[kind],
                    "symbol": {"station": "square", "asset": "triangle-up"}.get(kind, "circle"),
                },
                "hovertemplate": "<b>%{text}</b><br>"
                + text("network.links")
                + " %{customdata}<extra></extra>",
            }
        )  # fmt: skip
    tallest = max([sum(n.kind == k for n in results.nodes) for k in COLUMNS] or [1])
    when = results.scenario.start.utc_text(t_s, decimals=0)
    return {
        "data": data,
        "layout": style.layout(
            height=max(420, 24 * tallest + 140), hovermode="closest", annotations=tags,
            margin={"l": 10, "r": 40, "t": 70, "b": 10},
            title={"text": when, "font": {"size": 13}, "x": 0.98, "xanchor": "right"},
            xaxis={"visible": False, "range": [-0.75, 2.75]},
            yaxis={"visible": False, "range": [-0.02, 1.06]},
        ),
    }  # fmt: skip
