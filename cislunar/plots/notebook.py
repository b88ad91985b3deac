"""Figures in notebooks: interactive where a script can run, a picture where it cannot.

A plotly figure in a notebook is a script; a web page that only shows stored outputs shows nothing
of it. ``show`` stores both kinds in one output, and every viewer takes the one it can.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from cislunar.plots import style

_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
_MARKERS = {"circle": "o", "x": "x", "diamond": "D", "square": "s", "triangle-up": "^"}
_STEPS = {"hv": "steps-post", "vh": "steps-pre"}
_DPI = 90


class show:
    """A figure for a notebook's output: plotly's JSON, and a PNG of the same.

    ``figure`` is a plotly Figure; ``still`` the matplotlib Figure of the same data. Without it one
    is drawn from the plotly figure's lines, marks, bars and heat maps (ValueError for others).
    """

    def __init__(self, figure, still: Any = None):
        self._figure, self._still = figure, still

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        import base64
        import json

        picture = self._still if self._still is not None else still_of(self._figure)
        out = io.BytesIO()
        picture.savefig(
            out, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None}
        )
        return {
            "application/vnd.plotly.v1+json": json.loads(self._figure.to_json()),
            "image/png": base64.b64encode(out.getvalue()).decode(),
            "text/plain": "A figure.",
        }


def still_of(figure):
    """A matplotlib Figure of a plotly Figure of lines, marks, bars or heat maps, one pair of axes.

    Raises ValueError for another kind of trace.
    """
    from cislunar.plots.still import PLATE, new_figure, plain

    layout = figure.layout
    picture = new_figure((layout.width or 900) / 100, (layout.height or 450) / 100)
    ax = picture.subplots()
    plain(ax)
    bars = _Bars(figure)
    for number, trace in enumerate(figure.data):
        colour = style.LINES[number % len(style.LINES)]
        if trace.type == "scatter":
            _scatter(ax, trace, colour)
        elif trace.type == "bar":
            bars.draw(ax, trace, colour)
        elif trace.type == "heatmap":
            _heatmap(picture, ax, trace)
        else:
            raise ValueError(f"no still picture of a {trace.type} trace: give one")
    for name, axis in (("x", layout.xaxis), ("y", layout.yaxis)):
        getattr(ax, f"set_{name}label")(_plain(axis.title.text), fontsize=9)
        if axis.type == "log":
            getattr(ax, f"set_{name}scale")("log")
        if axis.range is not None:
            low, high = (10.0**v if axis.type == "log" else v for v in axis.range)
            getattr(ax, f"set_{name}lim")(low, high)
        if axis.autorange == "reversed":
            getattr(ax, f"invert_{name}axis")()
    if layout.xaxis.visible is False and layout.yaxis.visible is False:
        ax.set_axis_off()
    if layout.yaxis.scaleanchor:
        ax.set_aspect("equal")
    ax.set_title(_plain(layout.title.text), fontsize=10, loc="left")
    for note in layout.annotations or ():
        if note.xref == "x" and not note.showarrow:
            ax.annotate(
                _plain(note.text), (note.x, note.y), (0, note.yshift or 0), fontsize=7.5,
                textcoords="offset points", ha="center", va="center", bbox=PLATE,
            )  # fmt: skip
    if layout.showlegend is not False and ax.get_legend_handles_labels()[0]:
        picture.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=4)
    return picture


def _plain(text: str | None) -> str:
    """Text without plotly's line breaks and bold."""
    return re.sub(r"</?b>", "", re.sub(r"<br\s*/?>", "\n", text or ""))


def _label(trace):
    return None if trace.showlegend is False or not trace.name else _plain(trace.name)


def _scatter(ax, trace, colour):
    mode, line, marker = trace.mode or "lines", trace.line, trace.marker
    colour = line.color or (marker.color if isinstance(marker.color, str) else None) or colour
    if trace.fill == "toself":
        ax.fill(trace.x, trace.y, color=trace.fillcolor or colour, label=_label(trace), zorder=3)
        return
    size = marker.size if isinstance(marker.size, (int, float)) else 6
    ax.plot(
        trace.x, trace.y, color=colour, label=_label(trace), linewidth=0.8 * (line.width or 1.5),
        linestyle=_DASHES.get(line.dash or "solid", "--") if "lines" in mode else "",
        marker=_MARKERS.get(marker.symbol or "circle", "o") if "markers" in mode else "",
        markersize=0.7 * size, drawstyle=_STEPS.get(line.shape or "", "default"),
    )  # fmt: skip
    if "text" in mode:
        place = trace.textposition if isinstance(trace.textposition, str) else "top right"
        side = -1 if "left" in place else 1  # which side of its mark a word stands on
        up = 0 if "middle" in place else 4
        for x, y, word in zip(trace.x, trace.y, trace.text, strict=True):
            ax.annotate(
                _plain(word), (x, y), ((4 if up else 6) * side, up), fontsize=7.5,
                textcoords="offset points", ha="right" if side < 0 else "left",
                va="baseline" if up else "center",
            )  # fmt: skip


class _Bars:
    """Bars of a figure side by side, or stacked, over names in order of appearance."""

    def __init__(self, figure):
        bars = [t for t in figure.data if t.type == "bar"]
        self.stacked = figure.layout.barmode in ("stack", "relative")
        self.wide = 0.75 if self.stacked else 0.75 / max(len(bars), 1)
        self.names: list[str] = []
        for trace in bars:
            places = trace.y if trace.orientation == "h" else trace.x
            self.names += [str(n) for n in places if str(n) not in self.names]
        self.under = np.zeros(len(self.names))
        self.shift = 0.0 if self.stacked else -0.5 * self.wide * (len(bars) - 1)

    def draw(self, ax, trace, colour):
        across = trace.orientation == "h"
        places, sizes = (trace.y, trace.x) if across else (trace.x, trace.y)
        at = np.array([self.names.index(str(n)) for n in places])
        sizes = np.asarray(sizes, dtype=float)
        look = {"color": trace.marker.color or colour, "label": _label(trace)}
        if across:
            ax.barh(at + self.shift, sizes, self.wide, left=self.under[at], **look)
            ax.set_yticks(range(len(self.names)), [_plain(n) for n in self.names], fontsize=8)
            ax.grid(False, axis="y")
        else:
            ax.bar(at + self.shift, sizes, self.wide, bottom=self.under[at], **look)
            ax.set_xticks(range(len(self.names)), [_plain(n) for n in self.names], fontsize=8)
            ax.grid(False, axis="x")
        if self.stacked:
            np.add.at(self.under, at, sizes)
        else:
            self.shift += self.wide


def _heatmap(picture, ax, trace):
    values = np.ma.masked_invalid(np.asarray(trace.z, dtype=float))
    drawn = ax.imshow(
        values, origin="lower", aspect="auto", cmap="cividis", vmin=trace.zmin, vmax=trace.zmax
    )
    for name, words in (("x", trace.x), ("y", trace.y)):
        getattr(ax, f"set_{name}ticks")(range(len(words)), [str(w) for w in words])
    ax.grid(False)
    bar = picture.colorbar(drawn, ax=ax, shrink=0.9)
    bar.ax.set_title(_plain(trace.colorbar.title.text), fontsize=8)
    if trace.text is not None:
        middle = float(np.mean(drawn.get_clim()))
        for (i, j), word in np.ndenumerate(np.asarray(trace.text)):
            dark = not np.ma.getmaskarray(values)[i, j] and values[i, j] < middle
            ax.text(j, i, str(word), ha="center", va="center", fontsize=8,
                    color="white" if dark else style.INK)  # fmt: skip
