"""Bars: gap hours by cause, and what each option fills for its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cislunar.plots import style
from cislunar.plots.timeline import places, services
from cislunar.text import Text


def cause_hours(results) -> pd.DataFrame:
    """Gap hours by ``place, service, cause``: the sums of ``gap_causes``."""
    frame: Any = results.gap_causes[["gap_id", "cause", "duration_s"]].merge(
        results.gaps[["gap_id", "place", "service"]], on="gap_id", how="inner"
    )
    out = frame.groupby(["place", "service", "cause"], sort=False)["duration_s"].sum()
    return (out / 3600.0).rename("hours").reset_index()


def gaps(results, text: Text | None = None, service: str | None = None) -> dict:
    """A plotly specification: unserved hours of every place by cause, one panel a service.

    With ``service`` only that one.
    """
    text = text or Text()
    hours: Any = cause_hours(results)
    panels = [
        s for s in services(results) if (hours["service"] == s).any() and service in (None, s)
    ]
    data, top = [], 1.0
    layout: dict[str, Any] = {"annotations": []}
    lacking = set(zip(hours["place"], hours["service"], strict=True))
    rows = [[p for p in places(results, s) if (p, s) in lacking] for s in panels]
    total = sum(len(r) + 2.2 for r in rows) or 1.0
    seen: set[str] = set()
    span_h = float(results.scenario.duration_s) / 3600.0
    known = list(style.CAUSES) + sorted(set(hours["cause"]) - set(style.CAUSES))
    for k, (service, members) in enumerate(zip(panels, rows, strict=True)):
        suffix = "" if k == 0 else str(k + 1)
        share = (len(members) + 2.2) / total
        bottom, head = top - share, 1.4 / total
        mine = hours[hours["service"] == service]
        for cause in known:
            own = mine[mine["cause"] == cause]
            if own.empty:
                continue
            name = text.either(f"cause.{cause}", cause)
            data.append(
                {
                    "type": "bar", "orientation": "h", "name": name, "legendgroup": cause,
                    "showlegend": cause not in seen, "x": own["hours"].to_numpy(),
                    "y": own["place"].tolist(), "marker": style.bar_marker(cause),
                    "meta": {"plain": style.plain_colour(cause)},
                    "xaxis": "x", "yaxis": f"y{suffix}",
                    "hovertemplate": f"<b>%{{y}}</b><br>{name}: %{{x:,.1f}} {text('unit.h')}"
                    "<extra></extra>",
                }
            )  # fmt: skip
            seen.add(cause)
        layout[f"yaxis{suffix}"] = style.axis(
            domain=[max(bottom + 0.3 / total, 0.0), top - head], categoryorder="array",
            categoryarray=members[::-1], range=[-0.6, len(members) - 0.4], showgrid=False,
            dtick=1,
        )  # fmt: skip
        layout["annotations"].append(
            {
                "text": f"<b>{text.either(f'service.{service}', service)}</b>", "xref": "paper",
                "yref": "paper", "x": 0.0, "y": top - head, "xanchor": "left", "yanchor": "bottom",
                "showarrow": False, "font": {"size": 13},
            }
        )  # fmt: skip
        top = bottom
    layout["xaxis"] = style.axis(text("gaps.axis"), range=[0, span_h], anchor="free", position=0.0)
    return {
        "data": data,
        "layout": style.layout(
            height=int(160 + 20 * total), barmode="stack", bargap=0.25,
            margin={"l": 10, "r": 40, "t": 70, "b": 50},
            **layout,
        ),
    }  # fmt: skip


def fill_rows(results, text: Text) -> pd.DataFrame:
    """The options that were evaluated, as ranked, with a display name ``label`` in one language."""
    frame = results.fills
    frame = frame[frame["gap_hours_filled"].notna()].copy()
    frame["label"] = [option_label(row, text.language) for row in frame.to_dict(orient="records")]
    return frame


def option_label(row: dict, language: str) -> str:
    """The option's name in a language, or its id."""
    name = row.get(f"name_{language}")
    return name if isinstance(name, str) and name else str(row["option"])


def _numbers(frame, column):
    if column not in frame:
        return np.full(len(frame), np.nan)
    found: Any = pd.to_numeric(frame[column], errors="coerce")
    return found.to_numpy(dtype=float, na_value=np.nan)


def _hatched(frame, colour):
    """The marker of a column: hatched for what comes only after the span."""
    late = frame["status"].astype(str) == "available-later" if "status" in frame else []
    return {
        "color": colour, "line": {"color": colour, "width": 1},
        "pattern": {
            "shape": ["/" if later else "" for later in late], "bgcolor": "#ffffff",
            "fgcolor": colour, "size": 6, "solidity": 0.4,
        },
    }  # fmt: skip


def fills(results, text: Text | None = None) -> dict:
    """A plotly specification: gap hours each option fills, and its cost with its range in 億円."""
    text = text or Text()
    frame = fill_rows(results, text)
    labels = frame["label"].tolist()
    cost = _numbers(frame, "cost_oku_jpy")
    up = np.nan_to_num(_numbers(frame, "cost_high_oku_jpy") - cost)
    down = np.nan_to_num(cost - _numbers(frame, "cost_low_oku_jpy"))
    hours = _numbers(frame, "gap_hours_filled")
    common = {"orientation": "h", "y": labels, "type": "bar", "showlegend": False}
    data = [
        {
            **common, "x": hours, "marker": _hatched(frame, style.BLUE), "xaxis": "x",
            "text": [f"{h:,.0f}" for h in hours], "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "<b>%{y}</b><br>%{x:,.1f} " + text("unit.h") + "<extra></extra>",
        },
        {
            **common, "x": cost, "marker": _hatched(frame, style.ORANGE), "xaxis": "x2",
            "error_x": {
                "type": "data", "symmetric": False, "array": up, "arrayminus": down,
                "color": style.INK, "thickness": 1.2, "width": 3,
            },
            "hovertemplate": "<b>%{y}</b><br>%{x:,.1f} " + text("unit.oku") + "<extra></extra>",
        },
    ]  # fmt: skip
    return {
        "data": data,
        "layout": style.layout(
            height=120 + 26 * max(len(labels), 3), bargap=0.3,
            margin={"l": 10, "r": 40, "t": 20, "b": 60},
            xaxis=style.axis(
                text("fills.axis_hours"), tickformat=",d", domain=[0.0, 0.58], rangemode="tozero"
            ),
            xaxis2=style.axis(text("fills.axis_cost"), domain=[0.64, 1.0], rangemode="tozero"),
            yaxis=style.axis(autorange="reversed", showgrid=False, dtick=1),
        ),
    }  # fmt: skip
