"""Maps of coverage on the Moon, cell by cell, with the assets marked and named."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cislunar.coverage.healpix import cells_at, centres_deg, corners_deg
from cislunar.plots import projection, style
from cislunar.text import Text

LEVELS = 32
NEAR = 0.02  # of the map's width: marks nearer than this share a label


def regions(coverage) -> list[str]:
    """The names of the regions in a coverage dataset, in order of appearance."""
    return list(dict.fromkeys(str(r) for r in coverage["region"].values))


def region_name(results, region: str, text: Text) -> str:
    """A region's name in a language, or its id."""
    for record in getattr(results.scenario, "regions", ()):
        if getattr(record, "name", None) == region:
            return getattr(record, f"name_{text.language}", None) or region
    return region


def cell_corners(latitude_deg, longitude_deg, nside: int | None = None):
    """Corner latitudes and longitudes (N, 8) of the HEALPix cells with these centres.

    Without ``nside`` the resolution is found from the centres. Raises ValueError if they are not
    the centres of HEALPix cells.
    """
    latitude = np.asarray(latitude_deg, dtype=float)
    longitude = np.asarray(longitude_deg, dtype=float) % 360.0
    return _corners(latitude.tobytes(), longitude.tobytes(), nside)


@lru_cache(maxsize=16)  # every variable of a map asks for the same cells
def _corners(latitude, longitude, nside):
    latitude, longitude = np.frombuffer(latitude), np.frombuffer(longitude)
    probe = slice(0, min(12, latitude.size))
    for n in [nside] if nside else [2**k for k in range(13)]:
        lon, lat = centres_deg(n, cells_at(n, longitude[probe], latitude[probe]))
        apart = np.abs((lon - longitude[probe] + 180) % 360 - 180)
        apart = apart * np.cos(np.radians(latitude[probe]))
        if max(np.abs(lat - latitude[probe]).max(), apart.max()) < 1e-4:
            lon, lat = corners_deg(n, cells_at(n, longitude, latitude))
            return lat, lon
    raise ValueError("these are not the centres of HEALPix cells of one resolution")


def _quantity(variable: str, values, text: Text):
    """Display values, unit and title of a coverage variable."""
    title = text.either(f"coverage.{variable}", variable)
    if variable.endswith("_frac"):
        return values * 100.0, "%", title
    if variable.endswith("_s"):
        return values / 3600.0, text("unit.h"), title
    if variable.endswith("_m"):
        return values, "m", title
    return values, "", title


def cells(results, variable: str, region: str | None):
    """Latitudes, longitudes, values, corner latitudes and longitudes of one region's cells."""
    coverage = results.coverage
    names = regions(coverage)
    region = region or _default_region(coverage, names)
    mine = np.flatnonzero(coverage["region"].values.astype(str) == region)
    latitude = coverage["latitude_deg"].values[mine]
    longitude = coverage["longitude_deg"].values[mine]
    values = coverage[variable].values[mine].astype(float)
    corners = cell_corners(latitude, longitude, coverage.attrs.get(f"nside_{region}"))
    return region, latitude, longitude, values, corners


def _default_region(coverage, names):
    """The southernmost region, since that is where the demand is."""
    latitude = coverage["latitude_deg"].values
    labels = coverage["region"].values.astype(str)
    return min(names, key=lambda name: latitude[labels == name].mean())


def coverage_map(
    results, variable: str, region: str | None = None, text: Text | None = None
) -> dict:
    """A plotly specification of one coverage variable over one region, assets marked.

    ``variable`` is any variable of ``results.coverage``; cells without a value stay white.
    Raises ValueError for an unknown variable or an empty map.
    """
    text = text or Text()
    if results.coverage is None or not results.coverage.sizes.get("cell", 0):
        raise ValueError("the run mapped no region")
    if variable not in results.coverage:
        raise ValueError(f"no coverage variable {variable!r}; there are {list(results.coverage)}")
    region, latitude, longitude, values, corners = cells(results, variable, region)
    shown, unit, title = _quantity(variable, values, text)
    low, high = _range(variable, shown)
    capped = bool((shown[np.isfinite(shown)] > high * (1 + 1e-9)).any())
    scale = text("map.capped", unit=unit) if capped else unit
    project = projection.choose(latitude, longitude)
    data = _polygons(shown, low, high, corners, longitude, project)
    x, y = project(latitude, longitude)
    good = np.isfinite(shown)
    data.append(
        {
            "type": "scatter", "mode": "markers", "x": x[good], "y": y[good], "showlegend": False,
            "marker": {
                "size": 9, "opacity": 0.0, "color": shown[good], "colorscale": style.CIVIDIS,
                "cmin": low, "cmax": high, "showscale": True,
                "colorbar": {
                    "title": {"text": scale, "side": "top"}, "thickness": 14, "len": 0.85,
                    "outlinewidth": 0,
                },
            },
            "customdata": np.column_stack((latitude[good], longitude[good])),
            "hovertemplate": f"{title}: %{{marker.color:.1f}} {unit}<br>"
            "%{customdata[0]:.1f}°, %{customdata[1]:.1f}°<extra></extra>",
        }
    )  # fmt: skip
    lines, degrees = _graticule(project)
    data += lines
    marks, tags = _assets(results, project)
    data += marks
    axes, place = _axes(project), region_name(results, region, text)
    return {
        "data": data,
        "layout": style.layout(
            height=520, showlegend=False, hovermode="closest", annotations=degrees + tags,
            title={"text": f"{title} ({place})", "font": {"size": 14}, "x": 0.02},
            margin={"l": 10, "r": 110, "t": 45, "b": 10}, **axes,
        ),
    }  # fmt: skip


def _range(variable, shown):
    good = shown[np.isfinite(shown)]
    if variable.endswith("_frac"):
        return 0.0, 100.0
    if not good.size:
        return 0.0, 1.0
    low, high = float(good.min()), float(good.max())
    most = float(np.percentile(good, 95))
    if high > 3.0 * most > 0.0:  # a few cells would leave the rest one colour
        high = most
    return low, high if high > low else low + 1.0


def _polygons(shown, low, high, corners, longitude, project):
    lat, lon = corners
    x, y = project(lat, lon, longitude[:, None])
    level = np.clip((shown - low) / (high - low) * LEVELS, 0, LEVELS - 1)
    level = np.where(np.isfinite(shown), level, -1).astype(int)
    out = []
    for k in np.unique(level):
        mine = level == k
        # close each polygon and part it from the next with an empty point
        empty = np.full((mine.sum(), 1), np.nan)
        px = np.hstack((x[mine], x[mine][:, :1], empty)).ravel()
        py = np.hstack((y[mine], y[mine][:, :1], empty)).ravel()
        colour = "#ffffff" if k < 0 else style.colour_at((k + 0.5) / LEVELS)
        out.append(
            {
                "type": "scatter", "mode": "lines", "x": px, "y": py, "fill": "toself",
                "fillcolor": colour, "line": {"color": colour, "width": 0.6},
                "hoverinfo": "skip", "showlegend": False,
            }
        )  # fmt: skip
    return out


def _line(x, y, **more):
    return {
        "type": "scatter", "mode": "lines", "x": np.asarray(x), "y": np.asarray(y),
        "line": {"color": "rgba(255,255,255,0.55)", "width": 0.8}, "hoverinfo": "skip",
        "showlegend": False, **more,
    }  # fmt: skip


def _graticule(project):
    """Lines of latitude and longitude, and annotations that label them, on white over cells."""
    lines, labels = project.graticule()
    out, words = [], []
    for lat, lon in lines:
        hidden = ~project.inside(lat, lon)
        x, y = project(np.where(hidden, np.nan, lat), lon)
        out.append(_line(x, y))
    for lat, lon, word, within in labels:
        x, y = (float(v) for v in project(lat, lon))
        plate = {"bgcolor": "rgba(255,255,255,0.7)", "borderpad": 0} if within else {}
        words.append(
            {
                "x": x, "y": y, "xref": "x", "yref": "y", "text": word, "showarrow": False,
                "font": {"size": 9 if within else 10, "color": style.INK}, **plate,
            }
        )  # fmt: skip
    return out, words


def _assets(results, project):
    """Marks of the assets inside the map, and the annotations that name them."""
    inside = [
        n
        for n in results.nodes
        if n.kind == "asset" and project.inside(n.latitude_deg, n.longitude_deg)
    ]
    if not inside:
        return [], []
    lat = np.array([n.latitude_deg for n in inside])
    lon = np.array([n.longitude_deg for n in inside])
    x, y = (np.atleast_1d(v) for v in project(lat, lon))
    names = [n.name for n in inside]
    left, right, _, _ = project.reach
    out = [
        {
            "type": "scatter", "mode": "markers", "x": x, "y": y, "showlegend": False,
            "marker": {
                "size": 8, "color": style.VERMILLION, "symbol": "circle",
                "line": {"color": "#ffffff", "width": 1.2},
            },
            "text": names, "customdata": np.column_stack((lat, lon)),
            "hovertemplate": "<b>%{text}</b><br>%{customdata[0]:.2f}°, "
            "%{customdata[1]:.2f}°<extra></extra>",
        }
    ]  # fmt: skip
    extent = right - left
    return out, _name_tags(*clusters(x, y, names, extent), extent)


def _name_tags(x, y, names, extent):
    """Annotations that name each asset beside its mark, with a line to it."""
    lx, ly = spread_labels(x, y, extent)
    return [
        {
            "x": px, "y": py, "ax": qx, "ay": qy, "xref": "x", "yref": "y", "axref": "x",
            "ayref": "y", "text": name, "showarrow": True, "arrowhead": 0, "arrowwidth": 0.9,
            "arrowcolor": style.INK, "standoff": 4, "xanchor": "left" if qx >= px else "right",
            "yanchor": "middle", "bgcolor": "rgba(255,255,255,0.82)", "borderpad": 1,
            "font": {"size": 10, "color": style.INK},
        }
        for px, py, qx, qy, name in zip(
            x.tolist(), y.tolist(), lx.tolist(), ly.tolist(), names, strict=True
        )
    ]  # fmt: skip


def clusters(x, y, names, extent):
    """Places too near one another to name apart: centres, and one label for each.

    A label has the first two names and how many more there are.
    """
    left, px, py, labels = list(range(len(names))), [], [], []
    while left:
        first = left[0]
        near = [i for i in left if np.hypot(x[i] - x[first], y[i] - y[first]) < NEAR * extent]
        left = [i for i in left if i not in near]
        px.append(float(np.mean(x[near])))
        py.append(float(np.mean(y[near])))
        more = f" +{len(near) - 2}" if len(near) > 2 else ""
        labels.append(", ".join(names[i] for i in near[:2]) + more)
    return np.array(px), np.array(py), labels


def spread_labels(x, y, extent):
    """Label positions moved apart vertically so that no two words of one side overlap."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    gap = extent * 0.036
    right = x >= np.median(x)
    if x.size < 4:
        right = x < 0.0  # few names: inwards, so that none leaves the map
    lx = np.where(right, x + extent * 0.03, x - extent * 0.03)
    ly = y.copy()
    for side in (True, False):
        mine = np.flatnonzero(right == side)
        if mine.size < 2:
            continue
        mine = mine[np.argsort(y[mine], kind="stable")]
        want = y[mine]
        placed = want.copy()
        for _ in range(200):  # push neighbours apart, keeping the middle where it is
            close = gap - np.diff(placed)
            if (close < 1e-9).all():
                break
            push = np.maximum(close, 0.0) / 2.0
            placed[1:] += push
            placed[:-1] -= push
        ly[mine] = placed
    return lx, ly


def _axes(project):
    left, right, bottom, top = project.reach
    if isinstance(project, projection.Plate):
        return {
            "xaxis": style.axis(
                ticksuffix="°", range=[left, right], constrain="domain",
                tickvals=[*range(-150, 180, 30)],
            ),
            "yaxis": style.axis(
                ticksuffix="°", range=[bottom, top], scaleanchor="x", constrain="domain",
                tickvals=[*range(-60, 90, 30)],
            ),
        }  # fmt: skip
    plain = {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    return {
        "xaxis": {**plain, "range": [left, right]},
        "yaxis": {**plain, "range": [bottom, top], "scaleanchor": "x"},
    }
