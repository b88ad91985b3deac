"""Colours, patterns and page furniture shared by every figure.

Colours are the eight of Okabe and Ito (2008), told apart under every common colour blindness.
There are more causes than colours, so causes of one family share a colour and differ by pattern;
causes that grey print would make alike differ by pattern too. Every mark carries its cause in words
on hover and in the legend.
"""

from __future__ import annotations

import numpy as np

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"
SERVED = "#D5EBE2"  # light, so that gaps read as dark in grey print
INK, FAINT, PAPER = "#1b2430", "#d9dee5", "#ffffff"

# cause: (colour, plotly pattern, matplotlib hatch), in the order of the stages
CAUSES: dict[str, tuple[str, str, str]] = {
    "no-provider": (GREY, "|", "|||"),
    "below-horizon": (BLUE, "", ""),
    "terrain": (BLUE, "/", "///"),
    "mask": (BLUE, ".", "..."),
    "occulted": (BLUE, "x", "xxx"),
    "range": (ORANGE, "/", "///"),
    "sun": (YELLOW, "", ""),
    "link": (ORANGE, "", ""),
    "policy": (PURPLE, "\\", "\\\\\\"),
    "contention": (PURPLE, "/", "///"),
    "station-mask": (VERMILLION, "-", "---"),
    "station-outage": (VERMILLION, "/", "///"),
    "relay-no-earth": (BLACK, "", ""),
    "few-sources": (SKY, "+", "+++"),
    "geometry": (SKY, "/", "///"),
}
SERVICES = ("relay", "direct", "forward", "crosslink", "positioning")
KIND_COLOURS = {"station": VERMILLION, "spacecraft": BLUE, "asset": GREEN}
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY)
DASHES = ("solid", "dash", "dot", "dashdot")

FONT = (
    "system-ui, -apple-system, 'Segoe UI', 'Hiragino Sans', 'Yu Gothic UI', 'Noto Sans CJK JP', "
    "'Noto Sans JP', IPAPGothic, 'IPAexGothic', Meiryo, sans-serif"
)
CIVIDIS = [
    [0.0, "#00224e"], [0.1, "#083370"], [0.2, "#35456c"], [0.3, "#4f576c"], [0.4, "#666970"],
    [0.5, "#7d7c78"], [0.6, "#948e77"], [0.7, "#aea371"], [0.8, "#c8b866"], [0.9, "#e5cf52"],
    [1.0, "#fee838"],
]  # fmt: skip


def colour_of(cause: str) -> str:
    return CAUSES.get(cause, (GREY, "", ""))[0]


def pattern_of(cause: str) -> str:
    return CAUSES.get(cause, (GREY, "", ""))[1]


def bar_marker(cause: str) -> dict:
    """The plotly marker of a cause: family colour, own pattern."""
    colour, shape, _ = CAUSES.get(cause, (GREY, "x", ""))
    marker: dict = {"color": colour, "line": {"width": 0}}
    if shape:
        marker["pattern"] = {
            "shape": shape, "bgcolor": colour, "fgcolor": "#ffffff", "size": 5, "solidity": 0.3,
        }  # fmt: skip
    return marker


def plain_colour(cause: str) -> str:
    """A colour that tells a cause from its family without a pattern: shades of the family's.

    For paper, where thousands of patterned bars are more than a printer's page can hold.
    """
    colour, pattern = colour_of(cause), pattern_of(cause)
    toward, share = {"/": (0, 0.4), ".": (255, 0.4), "x": (0, 0.75)}.get(pattern, (255, 0.0))
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + share * (toward - c)):02x}" for c in channels)


def layout(height: int, **more) -> dict:
    """The layout every figure starts from."""
    base = {
        "height": height,
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "margin": {"l": 60, "r": 40, "t": 20, "b": 50},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "xanchor": "left"},
        "hoverlabel": {"font": {"family": FONT}},
        "template": "none",
        "autosize": True,
        "modebar": {"orientation": "v", "bgcolor": "rgba(255,255,255,0)"},
    }
    base.update(more)
    return base


def axis(title: str = "", **more) -> dict:
    """A plain axis: faint grid, no zero line."""
    base = {
        "title": {"text": title, "standoff": 8},
        "gridcolor": FAINT,
        "zeroline": False,
        "linecolor": FAINT,
        "ticks": "outside",
        "tickcolor": FAINT,
        "automargin": True,
    }
    base.update(more)
    return base


def colour_at(share: float) -> str:
    """The cividis colour at 0..1 as a hex string."""
    share = float(np.clip(share, 0.0, 1.0))
    stops = np.array([s for s, _ in CIVIDIS])
    channels = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for _, c in CIVIDIS])
    rgb = [round(float(np.interp(share, stops, channels[:, k]))) for k in range(3)]
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def figure(spec: dict):
    """A plotly Figure of a ``{"data", "layout"}`` dictionary."""
    import plotly.graph_objects as go

    spec = {**spec, "layout": {k: v for k, v in spec["layout"].items() if k != "template"}}
    made = go.Figure(spec)
    made.update_layout(template="none")
    return made
