"""Figures of a run: interactive ones for pages and notebooks, still ones for print.

Every function takes a run's results and gives a plotly specification, a plain ``{"data",
"layout"}`` dictionary; ``Plot`` turns them into plotly Figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.text import Text

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Plot", "readme_picture"]


class Plot:
    """Interactive figures of one run: ``results.plot.timeline()`` and so on, as plotly Figures."""

    def __init__(self, results, language: str = "en"):
        self._results, self._text = results, Text(language)

    def timeline(self, service: str | None = None) -> go.Figure:
        """Served time and gaps by cause over the span, one row a place, for one service."""
        from cislunar.plots.style import figure
        from cislunar.plots.timeline import timeline

        return figure(timeline(self._results, service, self._text))

    def map(self, variable: str = "availability_frac", region: str | None = None) -> go.Figure:
        """A coverage variable over one region (the southernmost by default), assets marked."""
        from cislunar.plots.maps import coverage_map
        from cislunar.plots.style import figure

        return figure(coverage_map(self._results, variable, region, self._text))

    def orbits(self, three_d: bool = False) -> go.Figure:
        """Every spacecraft's path in the Earth-Moon rotating frame, Moon-centred, in km."""
        from cislunar.plots import orbits
        from cislunar.plots.style import figure

        draw = orbits.orbits_3d if three_d else orbits.orbits
        return figure(draw(self._results, self._text))

    def network(self, t=None) -> go.Figure:
        """The links that are up at ``t`` (UTC text, Epoch, or seconds past the epoch; mid-span)."""
        from cislunar.plots.graph import network
        from cislunar.plots.style import figure

        return figure(network(self._results, t, self._text))

    def gaps(self) -> go.Figure:
        """Unserved hours of every place by cause, one panel a service."""
        from cislunar.plots.bars import gaps
        from cislunar.plots.style import figure

        return figure(gaps(self._results, self._text))

    def fills(self) -> go.Figure:
        """Gap hours that each option fills, and its cost with its range in 億円."""
        from cislunar.plots.bars import fills
        from cislunar.plots.style import figure

        return figure(fills(self._results, self._text))

    def accumulation(self, asset: str | None = None) -> go.Figure:
        """Accuracy against time of an asset (the first) that gathers ranges and Doppler."""
        from cislunar.plots.gathered import accumulation
        from cislunar.plots.style import figure

        return figure(accumulation(self._results, asset, self._text))

    def static_accumulation(self, asset: str | None = None):
        """Accuracy against time as a matplotlib Figure."""
        from cislunar.plots.gathered import static_accumulation

        return static_accumulation(self._results, asset, self._text)

    def static_orbits(self):
        """The orbit picture as a matplotlib Figure."""
        from cislunar.plots.still import static_orbits

        return static_orbits(self._results, self._text)

    def static_timeline(self, service: str | None = None):
        """The timeline of one service as a matplotlib Figure."""
        from cislunar.plots.still import static_timeline

        return static_timeline(self._results, service, self._text)

    def static_map(self, variable: str = "availability_frac", region: str | None = None):
        """A coverage map as a matplotlib Figure."""
        from cislunar.plots.still import static_map

        return static_map(self._results, variable, region, self._text)


def readme_picture(results, path, service: str | None = None, language: str = "en") -> None:
    """Writes one PNG that tells the run's story: the orbits, and who is served when."""
    from cislunar.plots.still import story

    figure = story(results, service, Text(language))
    figure.savefig(path, dpi=110)
