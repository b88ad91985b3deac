"""Maps of coverage on the Moon: polar stereographic caps, or plate carree for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from cislunar.plots import style
from cislunar.text import Text

CAP_DEG = 55.0  # a region wholly beyond this latitude is drawn as a polar cap
LEVELS = 32
NEAR = 0.02  # of the map's width: marks nearer than this share a label


def regions(coverage) -> list[str]:
    """The names of the regions in a coverage dataset, in order of appearance."""
    return list(dict.fromkeys(str(r) for r in coverage["region"].values))


def stereographic(latitude_deg, longitude_deg, south: bool):
    """Polar stereographic plane coordinates in degrees of colatitude at the pole.

    South caps are seen from above the pole with longitude 0 (the Earth) up; north caps with
    longitude 0 down, so that east is always the side a map reader expects.
    """
    colatitude = np.radians(90.0 + np.asarray(latitude_deg) * (1.0 if south else -1.0))
    radius = 2.0 * np.degrees(np.tan(colatitude / 2.0))
    angle = np.radians(np.asarray(longitude_deg))
    return radius * np.sin(angle), radius * np.cos(angle) * (1.0 if south else -1.0)


def cell_corners(latitude_deg, longitude_deg, nside: int | None = None):
    """Corner latitudes and longitudes (N, 8) of the HEALPix cells with these centres.

    Without ``nside`` the resolution is found from the centres. Raises ValueError if they are not
    the centres of HEALPix cells.
    """
    import astropy.units as u
    from astropy_healpix import HEALPix

    latitude = np.asarray(latitude_deg, dtype=float)
    longitude = np.asarray(longitude_deg, dtype=float) % 360.0
    probe = slice(0, min(12, latitude.size))
    for n in [nside] if nside else 2 ** np.arange(13):
        grid: Any = HEALPix(nside=int(n), order="ring")
        index = grid.lonlat_to_healpix(longitude[probe] * u.deg, latitude[probe] * u.deg)
        lon, lat = grid.healpix_to_lonlat(index)
        apart = np.abs((lon.to_value(u.deg) - longitude[probe] + 180) % 360 - 180)
        apart = apart * np.cos(np.radians(latitude[probe]))
        if max(np.abs(lat.to_value(u.deg) - latitude[probe]).max(), apart.max()) < 1e-4:
            index = grid.lonlat_to_healpix(longitude * u.deg, latitude * u.deg)
            corner_lon, corner_lat = grid.boundaries_lonlat(index, step=2)
            return corner_lat.to_value(u.deg), corner_lon.to_value(u.deg)
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
    polar = np.abs(latitude).min() > CAP_DEG
    south = latitude.mean() < 0
    project = _projector(polar, south)
    data = _polygons(shown, low, high, corners, longitude, project)
    x, y = project(latitude, longitude, None)
    good = np.isfinite(shown)
    data.append(
        {
            "type": "scatter", "mode": "markers", "x": x[good], "y": y[good], "showlegend": False,
            "marker": {
                "size": 9, "opacity": 0.0, "color": shown[good], "colorscale": style.CIVIDIS,
                "cmin": low, "cmax": high, "showscale": True,
                "colorbar": {
                    "title": {"text": unit, "side": "top"}, "thickness": 14, "len": 0.85,
                    "outlinewidth": 0,
                },
            },
            "customdata": np.column_stack((latitude[good], longitude[good])),
            "hovertemplate": f"{title}: %{{marker.color:.1f}} {unit}<br>"
            "%{customdata[0]:.1f}°, %{customdata[1]:.1f}°<extra></extra>",
        }
    )  # fmt: skip
    frame = _frame(polar, south, latitude, longitude)
    data += _graticule(frame, polar, south, project)
    marks, tags = _assets(results, frame, polar, south, project)
    data += marks
    axes = _axes(frame, polar)
    return {
        "data": data,
        "layout": style.layout(
            height=520, showlegend=False, hovermode="closest", annotations=tags,
            title={"text": f"{title} ({region})", "font": {"size": 14}, "x": 0.02},
            margin={"l": 10, "r": 50, "t": 45, "b": 10}, **axes,
        ),
    }  # fmt: skip


def _range(variable, shown):
    good = shown[np.isfinite(shown)]
    if variable.endswith("_frac"):
        return 0.0, 100.0
    if not good.size:
        return 0.0, 1.0
    low, high = float(good.min()), float(good.max())
    return low, high if high > low else low + 1.0


def _projector(polar, south):
    if polar:
        return lambda lat, lon, near: stereographic(lat, lon, south)

    def plate(lat, lon, near):
        lon = (np.asarray(lon) + 180.0) % 360.0 - 180.0
        if near is not None:  # keep a cell's corners beside its centre across the date line
            near = (near + 180.0) % 360.0 - 180.0
            lon = near + (lon - near + 180.0) % 360.0 - 180.0
        return lon, np.asarray(lat)

    return plate


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


def _frame(polar, south, latitude, longitude):
    if polar:
        edge = np.abs(latitude).min()
        return 90.0 - np.floor(edge - 0.5)
    if np.ptp(longitude) > 300:
        return (-180.0, 180.0, max(latitude.min() - 3, -90.0), min(latitude.max() + 3, 90.0))
    lon = (longitude + 180.0) % 360.0 - 180.0
    return (lon.min() - 3, lon.max() + 3, latitude.min() - 3, latitude.max() + 3)


def _line(x, y, **more):
    return {
        "type": "scatter", "mode": "lines", "x": np.asarray(x), "y": np.asarray(y),
        "line": {"color": "rgba(255,255,255,0.55)", "width": 0.8}, "hoverinfo": "skip",
        "showlegend": False, **more,
    }  # fmt: skip


def _labels(x, y, words, **more):
    return {
        "type": "scatter", "mode": "text", "x": x, "y": y, "text": words, "hoverinfo": "skip",
        "showlegend": False, "textfont": {"size": 10, "color": "#5c6672"}, **more,
    }  # fmt: skip


def _graticule(frame, polar, south, project):
    out = []
    if not polar:
        west, east, bottom, top = frame
        step = 30.0 if east - west > 120 else 10.0
        for lon in np.arange(np.ceil(west / step) * step, east + 1e-9, step):
            out.append(_line([lon, lon], [bottom, top]))
        for lat in np.arange(np.ceil(bottom / step) * step, top + 1e-9, step):
            out.append(_line([west, east], [lat, lat]))
        return out
    sign = -1.0 if south else 1.0
    step = 5.0 if frame > 8 else 2.0
    around = np.linspace(0.0, 360.0, 181)
    rings = np.arange(step, frame + 1e-9, step)
    for ring in rings:
        out.append(_line(*project(np.full(181, sign * (90 - ring)), around, None)))
    for lon in range(0, 360, 30):
        radius = np.array([min(step, frame), frame])
        out.append(_line(*project(sign * (90 - radius), np.full(2, float(lon)), None)))
    lon = np.arange(0.0, 360.0, 30.0)
    x, y = project(np.full(12, sign * (90 - frame * 1.07)), lon, None)
    signed = (lon + 180) % 360 - 180
    signed[lon == 180] = 180
    names = [f"{abs(v):.0f}°{'E' if 0 < v < 180 else 'W' if v < 0 else ''}" for v in signed]
    out.append(_labels(x, y, names))
    x, y = project(sign * (90 - rings), np.full(rings.size, 15.0), None)
    out.append(
        _labels(
            x, y, [f"{90 - r:.0f}°{'S' if south else 'N'}" for r in rings],
            textfont={"size": 9, "color": "#ffffff"},
        )
    )  # fmt: skip
    return out


def _assets(results, frame, polar, south, project):
    inside = []
    for node in results.nodes:
        if node.kind != "asset":
            continue
        if not polar or ((node.latitude_deg < 0) == south and 90 - abs(node.latitude_deg) <= frame):
            inside.append(node)
    if not inside:
        return [], []
    lat = np.array([n.latitude_deg for n in inside])
    lon = np.array([n.longitude_deg for n in inside])
    x, y = project(lat, lon, None)
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    if not polar:
        west, east, bottom, top = frame
        keep = (x >= west) & (x <= east) & (y >= bottom) & (y <= top)
        inside = [n for n, k in zip(inside, keep, strict=True) if k]
        x, y, lat, lon = x[keep], y[keep], lat[keep], lon[keep]
        extent = max(east - west, 1.0)
    else:
        extent = 2.0 * frame
    names = [n.name for n in inside]
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


def _axes(frame, polar):
    plain = {"visible": False, "showgrid": False, "zeroline": False}
    if polar:
        reach = float(2.0 * np.degrees(np.tan(np.radians(frame * 1.13) / 2.0)))
        return {
            "xaxis": {**plain, "range": [-reach, reach], "constrain": "domain"},
            "yaxis": {**plain, "range": [-reach, reach], "scaleanchor": "x"},
        }
    west, east, bottom, top = frame
    return {
        "xaxis": style.axis(ticksuffix="°", range=[west, east], constrain="domain"),
        "yaxis": style.axis(ticksuffix="°", range=[bottom, top], scaleanchor="x"),
    }
