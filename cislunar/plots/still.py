"""The figures as matplotlib pictures, for pages that cannot run a script."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import numpy as np

from cislunar.plots import maps, projection, style
from cislunar.plots.orbits import NEAR_DAYS, NEAR_KM, POINTS, _reach, rotating_paths
from cislunar.plots.timeline import merged, places, segments, services
from cislunar.text import Text
from orbits.constants import MOON_RADIUS_KM

PLATE = {"boxstyle": "square,pad=0.1", "fc": "white", "alpha": 0.8, "lw": 0}  # behind words


def new_figure(width, height):
    """An empty matplotlib Figure of a size in inches, with a font that has Japanese."""
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    _fonts()
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _fonts():
    """Lets matplotlib find the packaged Japanese font; Latin text keeps the default face."""
    import matplotlib
    from matplotlib import font_manager

    family = list(matplotlib.rcParams["font.family"])
    if "IPAexGothic" in family:
        return
    try:
        import matplotlib_fontja
    except ImportError:
        return
    from pathlib import Path

    for path in Path(matplotlib_fontja.__file__).parent.rglob("*.ttf"):
        font_manager.fontManager.addfont(str(path))
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", "IPAexGothic"]


@contextmanager
def fixed_ids():
    """Within it, pictures drawn as SVG have the same bytes every time, and their text as text."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "cislunar", "svg.fonttype": "none"}):
        yield


def static_orbits(results, text: Text | None = None):
    """A matplotlib Figure: the paths from above the Moon's orbit and from its side."""
    figure = new_figure(8.4, 4.2)
    _orbit_axes(figure.subplots(1, 2), results, text or Text())
    return figure


def _orbit_axes(axes, results, text):
    paths = rotating_paths(results)
    near = [name for name, path in paths.items() if np.abs(path).max() < NEAR_KM]
    days = min(NEAR_DAYS, float(results.scenario.duration_days))
    early = rotating_paths(results, POINTS, days * 86400.0)  # a month of ellipses is a grey disc
    panels = (
        (0, 1, "orbits.xy", list(paths), paths), (0, 2, "orbits.xz", list(paths), paths),
        (0, 2, "orbits.near", near or list(paths), early),
    )  # fmt: skip
    for ax, (i, j, word, members, drawn) in zip(axes, panels, strict=False):
        reach = _reach(paths, members)
        for k, (name, path) in enumerate(drawn.items()):
            if name not in members:
                continue
            ax.plot(
                path[:, i] / 1e3, path[:, j] / 1e3, lw=0.8, label=name,
                color=style.LINES[k % len(style.LINES)],
                linestyle=("-", "--", ":", "-.")[(k // len(style.LINES)) % 4],
            )  # fmt: skip
        from matplotlib.patches import Circle

        ax.add_patch(Circle((0, 0), MOON_RADIUS_KM / 1e3, color="#9aa3ad", zorder=3))
        ax.set(
            xlim=(-reach / 1e3, reach / 1e3), ylim=(-reach / 1e3, reach / 1e3), aspect="equal",
            xlabel="x (1000 km)", ylabel=f"{'xyz'[j]} (1000 km)",
        )  # fmt: skip
        ax.set_title(text(word, days=f"{days:g}"), fontsize=10, loc="left")
        ax.annotate(
            text("orbits.earth"), xy=(-0.97, -0.9), xytext=(-0.66, -0.9), va="center",
            fontsize=9, xycoords=_unit(ax, reach), textcoords=_unit(ax, reach),
            arrowprops={"arrowstyle": "->", "color": style.INK}, bbox=PLATE,
        )  # fmt: skip
        plain(ax)
    axes[-1].legend(
        handles=axes[0].get_legend_handles_labels()[0], fontsize=7, frameon=False,
        loc="upper left", bbox_to_anchor=(1.0, 1.0),
        ncols=1 if len(paths) <= 26 else 2,
    )  # fmt: skip


def _unit(ax, reach):
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(reach / 1e3) + ax.transData


def plain(ax):
    """Gives axes the house's plain look."""
    ax.grid(True, color=style.FAINT, lw=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=8)


def static_timeline(
    results,
    service: str | None = None,
    text: Text | None = None,
    shape: tuple[float, float] | None = None,
):
    """A matplotlib Figure: gaps of one service by cause, one row a place.

    ``shape`` is a width and a largest height in inches, instead of a page's.
    """
    text = text or Text()
    service = service or services(results)[0]
    high = 1.6 + 0.24 * max(len(places(results, service)), 4)
    wide, most = shape or (9.0, high)
    figure = new_figure(wide, min(high, most))
    _timeline_axes(figure.subplots(), results, service, text)
    return figure


def _timeline_axes(ax, results, service, text):
    from matplotlib.collections import PolyCollection

    rows = places(results, service)
    span_s = float(results.scenario.duration_s)
    frame: Any
    frame, _ = merged(segments(results, service), span_s)
    index = {place: i for i, place in enumerate(rows)}
    ax.barh(range(len(rows)), span_s / 86400, height=0.8, color=style.SERVED,
            label=text("timeline.served"))  # fmt: skip
    for cause in [c for c in style.CAUSES if c in set(frame["cause"])]:
        own = frame[frame["cause"] == cause]
        colour, _, hatch = style.CAUSES[cause]
        y = own["place"].map(index).to_numpy(dtype=float)
        begin, end = own["start_s"].to_numpy() / 86400, own["end_s"].to_numpy() / 86400
        corners = np.stack(
            [np.stack(p, axis=-1) for p in
             ((begin, y - 0.4), (end, y - 0.4), (end, y + 0.4), (begin, y + 0.4))], axis=1,
        )  # fmt: skip
        # one collection a cause: thousands of bars one by one take seconds
        ax.add_collection(PolyCollection(
            list(corners), facecolor=colour, edgecolor="white" if hatch else colour, lw=0,
            hatch=hatch or None, label=text.either(f"cause.{cause}", cause),
        ))  # fmt: skip
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, span_s / 86400), yticks=range(len(rows)))
    ax.set_yticklabels(rows, fontsize=8)
    ax.set_xlabel(text("timeline.days", start=results.scenario.start.utc_text(0.0, 0)), fontsize=9)
    ax.set_title(
        text("timeline.title", service=text.either(f"service.{service}", service)),
        fontsize=10, loc="left",
    )  # fmt: skip
    plain(ax)
    ax.grid(False, axis="y")
    ax.figure.legend(
        *ax.get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower center",
        ncols=4,
    )  # fmt: skip


def static_map(results, variable="availability_frac", region=None, text: Text | None = None):
    """A matplotlib Figure of one coverage variable over one region, assets marked."""
    text = text or Text()
    figure = new_figure(6.4, 5.6)
    _map_axes(figure, figure.subplots(), results, variable, region, text)
    return figure


def _map_axes(figure, ax, results, variable, region, text):
    from matplotlib.collections import PolyCollection

    region, latitude, longitude, values, (lat, lon) = maps.cells(results, variable, region)
    shown, unit, title = maps._quantity(variable, values, text)
    low, high = maps._range(variable, shown)
    project = projection.choose(latitude, longitude)
    x, y = project(lat, lon, longitude[:, None])
    good = np.isfinite(shown)
    faces = PolyCollection(
        list(np.stack((x, y), axis=2)[good]),
        array=shown[good],
        cmap="cividis",
        edgecolor="face",
        lw=0.3,
    )
    faces.set_clim(low, high)
    ax.add_collection(faces)
    bar = figure.colorbar(faces, ax=ax, shrink=0.8)
    bar.ax.set_title(unit, fontsize=9)
    lines, degrees = maps._graticule(project)
    for line in lines:
        ax.plot(line["x"], line["y"], color="white", lw=0.5, alpha=0.5)
    for label in degrees:
        ax.text(label["x"], label["y"], label["text"], fontsize=6.5, ha="center", va="center",
                color=style.INK, bbox=PLATE if "bgcolor" in label else None)  # fmt: skip
    marks, tags = maps._assets(results, project)
    for mark in marks:
        ax.plot(mark["x"], mark["y"], "o", color=style.VERMILLION, mec="white", ms=5)
    for tag in tags:
        ax.annotate(
            tag["text"], (tag["x"], tag["y"]), (tag["ax"], tag["ay"]), fontsize=7, va="center",
            ha=tag["xanchor"], color=style.INK, arrowprops={"arrowstyle": "-", "lw": 0.6},
            bbox=PLATE,
        )  # fmt: skip
    axes = maps._axes(project)
    ax.set(xlim=axes["xaxis"]["range"], ylim=axes["yaxis"]["range"], aspect="equal")
    where = maps.region_name(results, region, text)
    ax.set_title(f"{title}\n{where}", fontsize=10, loc="left")
    if not isinstance(project, projection.Plate):
        ax.set_axis_off()


def story(results, service: str | None = None, text: Text | None = None):
    """A matplotlib Figure: the orbits above, the timeline of one service below."""
    text = text or Text()
    service = service or services(results)[0]
    count = max(len(places(results, service)), 4)
    figure = new_figure(14, 4.6 + 1.5 + 0.24 * count)
    parts: Any = figure.subfigures(2, 1, height_ratios=[4.6, 1.5 + 0.24 * count])
    above, below = parts
    for part in parts:
        part.set_facecolor("white")
    _orbit_axes(above.subplots(1, 3), results, text)
    _timeline_axes(below.subplots(), results, service, text)
    return figure
