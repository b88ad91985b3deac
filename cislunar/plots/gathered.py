"""Accuracy against time of a user that stands still and gathers ranges and Doppler."""

from __future__ import annotations

from typing import Any

import numpy as np

from cislunar.plots import style
from cislunar.text import Text
from orbits.errors import InputError

PARTS = (("horizontal", style.BLUE), ("3d", style.VERMILLION), ("time", style.GREEN))
SHARES = (("p50", "solid", "-"), ("p95", "dot", ":"))


def _curves(results, asset: str | None):
    """The asset, its rows of accuracy against time, and its need as an RMS in m (or None)."""
    frame: Any = results.accumulated_against_time
    if asset is None:
        if not len(frame):
            raise InputError("nothing was accumulated", key="accumulation",
                             allowed="a scenario that asks for it, or an asset's name")  # fmt: skip
        asset = str(frame["asset"].iloc[0])
    if not len(frame) or asset not in set(frame["asset"]):
        found = results.accumulate(asset)
        return asset, found.against_time(), found.row["need_rms_m"]
    table: Any = results.accumulated_positioning
    need: Any = table.loc[table["asset"] == asset, "need_rms_m"].iloc[0]
    has_need = need is not None and need == need and str(need) != "<NA>"
    mine = frame[frame["asset"] == asset]
    return asset, mine, float(need) if has_need else None  # type: ignore[arg-type]


def distinct(results, most: int = 12) -> list[str]:
    """Assets whose accuracy against time is to be drawn: of those alike the first, some at most."""
    frame: Any = results.accumulated_against_time
    seen, out = set(), []
    for asset, mine in frame.groupby("asset", sort=False) if len(frame) else ():
        columns = [c for c in mine.columns if c.endswith("_m")]
        values = mine[columns].to_numpy(dtype=float, na_value=np.inf)
        if np.isfinite(values).any() and values.tobytes() not in seen:
            seen.add(values.tobytes())
            out.append(str(asset))
    return out[:most]


def _lines(frame, text: Text):
    """Name, colour, two dashes, minutes and metres of every curve; where there is no solution for
    so many starts there is no line."""
    for part, colour in PARTS:
        mine = frame[frame["component"] == part]
        for share, dash, mark in SHARES:
            metres = mine[f"rms_{share}_m"]
            there = metres.notna().to_numpy()
            minutes = mine["elapsed_s"].to_numpy(dtype=float)[there] / 60.0
            name = f"{text(f'gathered.{part}')}, {text(f'gathered.{share}')}"
            yield name, colour, dash, mark, minutes, metres[there].to_numpy(dtype=float)


def accumulation(results, asset: str | None = None, text: Text | None = None) -> dict:
    """A plotly specification: RMS error against time since the start, median and 95 % of starts."""
    text = text or Text()
    asset, frame, need_m = _curves(results, asset)
    data = [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": minutes, "y": metres,
            "line": {"color": colour, "dash": dash, "width": 2},
            "hovertemplate": f"{name}<br>%{{x:.0f}} min: %{{y:.3g}} m<extra></extra>",
        }
        for name, colour, dash, _, minutes, metres in _lines(frame, text)
    ]  # fmt: skip
    last = float(np.max(frame["elapsed_s"])) / 60.0
    if need_m is not None:
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": text("gathered.need"),
                "x": [0.0, last], "y": [need_m, need_m],
                "line": {"color": style.INK, "dash": "dash", "width": 1},
            }
        )  # fmt: skip
    layout = style.layout(
        height=380,
        title={"text": asset},
        margin={"l": 70, "r": 40, "t": 40, "b": 50},
        xaxis=style.axis(text("gathered.axis_time"), range=[0.0, last]),
        yaxis=style.axis(text("gathered.axis_error"), type="log", dtick=1),
    )
    return {"data": data, "layout": layout}


def static_accumulation(results, asset: str | None = None, text: Text | None = None):
    """The same as a matplotlib Figure."""
    from cislunar.plots.still import new_figure

    text = text or Text()
    asset, frame, need_m = _curves(results, asset)
    figure = new_figure(7.5, 4.5)
    axes = figure.add_subplot()
    for name, colour, _, mark, minutes, metres in _lines(frame, text):
        axes.plot(minutes, metres, mark, color=colour, label=name)
    if need_m is not None:
        axes.axhline(need_m, color=style.INK, linestyle="--", linewidth=1,
                     label=text("gathered.need"))  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0.0, float(np.max(frame["elapsed_s"])) / 60.0)
    axes.set_xlabel(text("gathered.axis_time"))
    axes.set_ylabel(text("gathered.axis_error"))
    axes.set_title(asset, loc="left")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(True, which="both", color=style.FAINT, linewidth=0.5)
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    return figure
