"""Every spacecraft's path in the frame that turns with the Earth and the Moon."""

from __future__ import annotations

import numpy as np

from cislunar.plots import style
from cislunar.text import Text
from orbits.constants import MOON_RADIUS_KM

POINTS = 1500
NEAR_KM = 20000.0  # orbits wholly inside this are also drawn at their own scale
NEAR_DAYS = 2.0  # and only so long: a month of frozen ellipses fills the page


def rotating_paths(results, points: int = POINTS, until_s: float = np.inf) -> dict[str, np.ndarray]:
    """Moon-centred positions (N, 3) in km on Earth-Moon rotating axes, by spacecraft.

    x points from the Earth to the Moon, z along the Moon's orbital angular momentum; the Earth
    lies at (-distance, 0, 0). ``points`` bounds N, ``until_s`` the time.
    """
    epoch, grid, earth = _earth(results)
    out = {}
    for name, path in results.trajectories.items():
        start, end = max(path.start_s, grid[0]), min(path.end_s, grid[-1], until_s)
        t = np.linspace(start, end, points)
        states = path.at(t + (epoch - path.epoch))
        body = np.column_stack([np.interp(t, grid, earth[:, k]) for k in range(6)])
        x = -body[:, :3] / np.linalg.norm(body[:, :3], axis=1)[:, None]
        z = np.cross(body[:, :3], body[:, 3:])
        z /= np.linalg.norm(z, axis=1)[:, None]
        y = np.cross(z, x)
        axes = np.stack((x, y, z), axis=1)
        out[name] = np.einsum("nij,nj->ni", axes, states[:, :3])
    return out


def _earth(results):
    """Epoch, times (T,) and Moon-centred Earth states (T, 6) of a run, or of a loaded one."""
    tracks = getattr(results, "tracks", None)
    if tracks is not None:
        return tracks.epoch, tracks.t_s, tracks.earth
    from orbits.ephemeris import De440

    epoch = results.scenario.start
    grid = np.arange(0.0, results.scenario.duration_s + 3599.0, 3600.0)
    grid[-1] = results.scenario.duration_s
    return epoch, grid, De440.open().state("earth", "moon", epoch, grid)


def _styles(names):
    return {
        name: (
            style.LINES[i % len(style.LINES)],
            style.DASHES[(i // len(style.LINES)) % len(style.DASHES)],
        )
        for i, name in enumerate(names)
    }


def _disc(panel):
    angle = np.linspace(0.0, 2 * np.pi, 73)
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": "#9aa3ad",
        "x": MOON_RADIUS_KM * np.cos(angle), "y": MOON_RADIUS_KM * np.sin(angle),
        "line": {"color": "#6b7480", "width": 1}, "hoverinfo": "skip", "showlegend": False,
        "xaxis": f"x{panel}", "yaxis": f"y{panel}",
    }  # fmt: skip


def orbits(results, text: Text | None = None) -> dict:
    """A plotly specification: paths seen from above the Moon's orbit and from its side, in km.

    Where both wide and close orbits fly, a second row shows the close ones at their own scale,
    over the first days.
    """
    text = text or Text()
    paths = rotating_paths(results)
    styles = _styles(paths)
    close = [n for n, p in paths.items() if np.abs(p).max() < NEAR_KM]
    rows = [list(paths), close] if 0 < len(close) < len(paths) else [list(paths)]
    days = min(NEAR_DAYS, float(results.scenario.duration_days))
    shown = [paths, rotating_paths(results, POINTS, days * 86400.0)] if len(rows) == 2 else [paths]
    data, layout = [], {}
    height = 0.5 if len(rows) == 2 else 1.0
    for r, members in enumerate(rows):
        drawn = shown[r]
        near = "" if r == 0 else text("orbits.near", days=f"{days:g}")
        reach = _reach(paths, members)
        for c, (i, j, word) in enumerate(((0, 1, "orbits.xy"), (0, 2, "orbits.xz"))):
            panel = 2 * r + c + 1
            suffix = "" if panel == 1 else str(panel)
            for name in members:
                colour, dash = styles[name]
                data.append(
                    {
                        "type": "scatter", "mode": "lines", "name": name, "legendgroup": name,
                        "showlegend": panel == 1, "x": drawn[name][:, i], "y": drawn[name][:, j],
                        "line": {"color": colour, "width": 1.3, "dash": dash}, "opacity": 0.85,
                        "xaxis": f"x{suffix}", "yaxis": f"y{suffix}",
                        "hovertemplate": f"<b>{name}</b><br>%{{x:,.0f}} km, %{{y:,.0f}} km"
                        "<extra></extra>",
                    }
                )  # fmt: skip
            data.append(_disc(suffix))
            bottom = 1.0 - (r + 1) * height + (0.06 if len(rows) == 2 else 0.0)
            top = 1.0 - r * height - (0.05 if r else 0.03)
            layout[f"xaxis{suffix}"] = style.axis(
                "x (km)", domain=[0.0, 0.46] if c == 0 else [0.54, 1.0], anchor=f"y{suffix}",
                range=[-reach, reach], constrain="domain", nticks=7, tickformat=",.0f",
            )  # fmt: skip
            layout[f"yaxis{suffix}"] = style.axis(
                f"{'xyz'[j]} (km)", domain=[bottom, top], anchor=f"x{suffix}",
                range=[-reach, reach], scaleanchor=f"x{suffix}", constrain="domain", nticks=7,
                tickformat=",.0f",
            )  # fmt: skip
            layout.setdefault("annotations", []).extend(_notes(text, word, suffix, reach, near))
    return {
        "data": data,
        "layout": style.layout(
            height=1050 if len(rows) == 2 else 560, hovermode="closest",
            margin={"l": 70, "r": 40, "t": 30, "b": 60},
            **{**layout, "legend": {
                "orientation": "h", "yanchor": "top", "y": -0.06, "x": 0, "xanchor": "left",
            }},
        ),
    }  # fmt: skip


def _reach(paths, members):
    """Half the width of a panel: all members, with the outliers of a departing craft cut off."""
    largest = sorted(float(np.abs(paths[n]).max()) for n in members)
    if not largest:
        return 2.0 * MOON_RADIUS_KM
    middle = largest[len(largest) // 2]
    kept = [v for v in largest if v < 400000.0 or v <= 2 * middle]
    return 1.08 * max(kept or largest)


def _notes(text, word, suffix, reach, near):
    return [
        {
            "text": text(word) + (f" · {near}" if near else ""), "xref": f"x{suffix} domain",
            "yref": f"y{suffix} domain", "x": 0.0, "y": 1.0, "xanchor": "left",
            "yanchor": "bottom", "showarrow": False, "font": {"size": 13},
        },
        {
            "text": text("orbits.earth"), "xref": f"x{suffix}", "yref": f"y{suffix}",
            "x": -0.97 * reach, "y": -0.9 * reach, "ax": -0.70 * reach, "ay": -0.9 * reach,
            "axref": f"x{suffix}", "ayref": f"y{suffix}", "showarrow": True, "arrowhead": 2,
            "arrowcolor": style.INK, "xanchor": "left", "font": {"size": 11},
            "bgcolor": "rgba(255,255,255,0.85)",
        },
    ]  # fmt: skip


def orbits_3d(results, text: Text | None = None) -> dict:
    """A plotly specification of the same paths in three dimensions, Moon to scale, in km."""
    text = text or Text()
    paths = rotating_paths(results)
    styles = _styles(paths)
    latitude, longitude = np.meshgrid(np.linspace(-90, 90, 19), np.linspace(0, 360, 37))
    lat, lon = np.radians(latitude), np.radians(longitude)
    data: list[dict] = [
        {
            "type": "surface", "showscale": False, "hoverinfo": "skip", "name": text("body.moon"),
            "x": MOON_RADIUS_KM * np.cos(lat) * np.cos(lon),
            "y": MOON_RADIUS_KM * np.cos(lat) * np.sin(lon), "z": MOON_RADIUS_KM * np.sin(lat),
            "colorscale": [[0, "#8d96a0"], [1, "#b9c0c8"]], "surfacecolor": lat,
        }
    ]  # fmt: skip
    for name, path in paths.items():
        colour, dash = styles[name]
        data.append(
            {
                "type": "scatter3d", "mode": "lines", "name": name, "x": path[:, 0],
                "y": path[:, 1], "z": path[:, 2],
                "line": {"color": colour, "width": 3, "dash": dash},
                "hovertemplate": f"<b>{name}</b><br>%{{x:,.0f}}, %{{y:,.0f}}, %{{z:,.0f}} km"
                "<extra></extra>",
            }
        )  # fmt: skip
    reach = _reach(paths, list(paths))
    data.append(
        {
            "type": "scatter3d", "mode": "lines+text", "x": [-0.55 * reach, -reach],
            "y": [0, 0], "z": [0, 0], "text": ["", text("orbits.earth")], "showlegend": False,
            "line": {"color": style.INK, "width": 4}, "hoverinfo": "skip",
        }
    )  # fmt: skip
    scene = {
        f"{k}axis": {
            "title": {"text": f"{k} (km)"}, "range": [-reach, reach], "tickformat": ",.0f",
            "nticks": 5, "gridcolor": style.FAINT, "backgroundcolor": "#ffffff",
        }
        for k in "xyz"
    }  # fmt: skip
    return {
        "data": data,
        "layout": style.layout(
            height=620, margin={"l": 0, "r": 0, "t": 10, "b": 0},
            scene={
                **scene, "aspectmode": "cube",
                "camera": {"eye": {"x": 1.3, "y": -1.5, "z": 0.9}},
            },
            legend={"orientation": "v", "x": 0.95, "y": 1.0, "xanchor": "right"},
        ),
    }  # fmt: skip
