"""The scorecard that a run prints in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.text import Text

if TYPE_CHECKING:
    from rich.console import Group

MARKS = {"met": ("✓", "green"), "not-met": ("✗", "red"), "not-computable": ("?", "yellow")}
OPTIONS = 5


def scorecard(results, language: str = "en") -> Group:
    """A rich renderable: availability and verdict of every asset and service, and best options."""
    from rich.console import Group

    text = Text(language)
    if not len(results.comm_scores) + len(results.positioning_scores):
        from rich.text import Text as Line

        return Group(Line(text("terminal.no_scores", name=results.scenario.name)))
    parts = [_scores(results, text), _summary(results, text)]
    if len(results.fills) and results.fills["gap_hours_filled"].notna().any():
        parts.append(_options(results, text))
    return Group(*parts)


def _scores(results, text):
    from rich import box
    from rich.table import Table

    cells: dict[str, dict[str, tuple]] = {}
    for r in results.comm_scores.to_dict(orient="records"):
        cells.setdefault(r["asset"], {})[r["service"]] = (r["availability_frac"], r["verdict"])
    for r in results.positioning_scores.to_dict(orient="records"):
        cells.setdefault(r["asset"], {})["positioning"] = (r["availability_frac"], r["verdict"])
    present = {s for row in cells.values() for s in row}
    services = [s for s in style.SERVICES if s in present]
    table = Table(
        title=text("terminal.scorecard", name=results.scenario.name), box=box.SIMPLE_HEAD,
        title_justify="left", pad_edge=False,
    )  # fmt: skip
    table.add_column(text("col.asset"), no_wrap=True)
    for service in services:
        table.add_column(text(f"service.{service}"), justify="right")
    for asset, row in cells.items():
        table.add_row(asset, *(_cell(row.get(s)) for s in services))
    return table


def _cell(found):
    from rich.text import Text as Line

    if found is None:
        return Line(fmt.NONE, style="dim")
    share, verdict = found
    mark, colour = MARKS.get(str(verdict), (" ", ""))
    return Line(f"{fmt.percent(share)} {mark}", style=colour)


def _summary(results, text):
    from rich.text import Text as Line

    from cislunar.report.answer import needs_table

    count: Any = needs_table(results)["verdict"].value_counts()
    return Line(
        text(
            "terminal.summary", met=int(count.get("met", 0)), missed=int(count.get("not-met", 0)),
            unknown=int(count.get("not-computable", 0)), gaps=f"{len(results.gaps):,}",
        )
        + "\n"
        + _limits(results, text)
    )  # fmt: skip


def _limits(results, text) -> str:
    from cislunar.report.limits import decided_words

    days = f"{results.scenario.duration_days:g}"
    decided = decided_words(results)
    if decided is None:
        return text("terminal.limits", days=days)
    return text("terminal.contended", days=days, **decided)


def _options(results, text):
    from rich import box
    from rich.table import Table

    from cislunar.plots.bars import fill_rows
    from cislunar.report.offers import is_later, year

    table = Table(
        title=text("terminal.options"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
    )
    table.add_column(text("col.option"))
    for name in ("filled", "cost_mid", "per_oku", "from_year"):
        table.add_column(text(f"col.{name}"), justify="right")
    best = fill_rows(results, text).head(OPTIONS).to_dict(orient="records")
    if any(map(is_later, best)):
        table.caption, table.caption_justify = text("terminal.later"), "left"
    for r in best:
        table.add_row(
            r["label"], fmt.number(r["gap_hours_filled"], 0), fmt.oku(r["cost_oku_jpy"]),
            fmt.number(r["gap_hours_per_oku_jpy"], 1),
            year(r) + ("*" if is_later(r) else ""),
        )  # fmt: skip
    return table
