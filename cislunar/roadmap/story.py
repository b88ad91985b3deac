"""What a roadmap says: answers in words, pictures by place, year and case, and tables."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.plots.still import fixed_ids, new_figure, plain
from cislunar.report.limits import open_ends
from cislunar.roadmap.file import NOMINAL, titled
from cislunar.roadmap.run import RESOLVED, RoadmapResults
from cislunar.text import Text

SHOWN_SERVICES = ("relay", "positioning")


# --- words ---------------------------------------------------------------------------------------


def answers(results: RoadmapResults, language: str, cases: bool = True) -> list[str]:
    """When each milestone is met as planned, and what each other case makes of it, in words."""
    text, record = Text(language), results.roadmap.record
    found: Any = results.milestones
    out = []
    for name, question in record.milestones.items():
        title = titled(question.title, language, name)
        mine = found[found["milestone"] == name]
        plain = mine[mine["case"] == NOMINAL]
        parts = [
            text(
                "roadmap.part", service=text(f"service.{row['service']}"),
                when=_when(row, record.years, text),
            )
            for row in plain.to_dict("records")
            if row["service"] != "all"
        ]  # fmt: skip
        together = plain[plain["service"] == "all"]
        row = (together if len(together) else plain).to_dict("records")[0]
        need = need_words(results, question.places, text)
        out.append(
            text(
                "roadmap.answer", need=need, place=title, when=_when(row, record.years, text),
                parts=text("roadmap.and").join(parts),
            )
        )  # fmt: skip
        out += _changes(results, name, title, text) if cases else []
    return out


def need_words(results: RoadmapResults, places: Iterable[str], text: Text) -> str:
    """What some places ask for, by the name of their one profile of needs if it has one."""
    mine = [a.needs for a in results.roadmap.base.assets if a.name in places]
    found = {need if isinstance(need, str) else "" for needs in mine for need in needs}
    name = found.pop() if len(found) == 1 else ""
    return text.either(f"roadmap.need.{name}", text("roadmap.need.other"))


def milestones_title(results: RoadmapResults, text: Text) -> str:
    places = [p for m in results.roadmap.record.milestones.values() for p in m.places]
    return text("roadmap.milestones", need=need_words(results, places, text))


def _when(row: dict, years: tuple[int, int], text: Text) -> str:
    """When a need is met, in words; a year that is met and lost again is said."""
    if not row["years_met"]:
        return text("roadmap.never", first=years[0], last=years[1])
    first, lasting = int(row["first_year"]), row["lasting_from"]
    if lasting == lasting and lasting is not None and _is_number(lasting):
        if int(lasting) == first:
            key = "roadmap.whole" if first == years[0] else "roadmap.from"
            key = "roadmap.last" if first == years[1] else key
            return text(key, year=first, last=years[1])
        return text("roadmap.again", years=years_said(row["years_met"], text), year=int(lasting))
    return text("roadmap.lost", years=years_said(row["years_met"], text))


def years_said(written: str, text: Text) -> str:
    """Years and ranges of years as they are printed; a dash where there are none."""
    if not written:
        return fmt.NONE
    spans = [text("roadmap.to").join(span.split("-")) for span in written.split(", ")]
    return text("list.joiner").join(spans)


def _whole(frac: float) -> str:
    """Per cent in whole numbers, without the sign: 99 for what falls short of 100."""
    return fmt.percent(frac, 0).removesuffix("\u00a0%")


def _is_number(value: Any) -> bool:
    try:
        return int(value) == value
    except (TypeError, ValueError):
        return False


def _changes(results: RoadmapResults, milestone: str, title: str, text: Text) -> list[str]:
    """What other cases change at the places of a milestone, where they change anything."""
    roadmap = results.roadmap
    places = roadmap.record.milestones[milestone].places
    scores: Any = results.scores[results.scores["place"].isin(places)]
    found: Any = results.milestones[results.milestones["milestone"] == milestone]
    years = roadmap.record.years
    out = []
    for case in roadmap.record.cases[1:]:
        said = []
        for service in roadmap.record.milestones[milestone].services:
            pick = found[found["service"] == service].set_index("case")
            if pick.loc[case, "years_met"] != pick.loc[NOMINAL, "years_met"]:
                when = _when(pick.loc[case].to_dict(), years, text)
                said.append(text("roadmap.moved", service=text(f"service.{service}"), when=when))
            worst = _largest_loss(scores[scores["service"] == service], case)
            if worst is not None:
                year, before, after = worst
                said.append(
                    text(
                        "roadmap.loss", service=text(f"service.{service}"), year=year,
                        before=fmt.percent(before, 0), after=fmt.percent(after, 0),
                    )
                )  # fmt: skip
        what = text("clause.joiner").join(said) if said else text("roadmap.nothing")
        words = roadmap.case_title(case, text.language)
        out.append(text("roadmap.case_answer", case=words, place=title, what=what))
    return out


def _largest_loss(scores: Any, case: str) -> tuple[int, float, float] | None:
    """Year with the largest change of mean availability (0 to 1), before and after, if any."""
    mean = scores.groupby(["case", "year"])["availability_frac"].mean()
    if case not in mean.index.get_level_values(0):
        return None
    change = (mean[case] - mean[NOMINAL]).dropna()
    if not len(change) or float(change.abs().max()) < 0.005:
        return None
    year = int(change.abs().idxmax())
    return year, float(mean[NOMINAL, year]), float(mean[case, year])


# --- pictures ------------------------------------------------------------------------------------


def heat_map(
    results: RoadmapResults, service: str, text: Text | None = None, *, brief: bool = False
) -> Any:
    """A matplotlib Figure: availability of a service by place and year, as planned.

    All places, or with ``brief`` those that the milestones ask about.
    Each cell is the mean over the year's starts with the least of them below it; a dot marks years
    in which every verdict is ``met``. Empty cells: nobody asks there yet, or any more.
    """
    text = text or Text()
    record = results.roadmap.record
    scores: Any = results.scores
    scores = scores[(scores["case"] == NOMINAL) & (scores["service"] == service)]
    if brief:
        asked = {p for milestone in record.milestones.values() for p in milestone.places}
        scores = scores[scores["place"].isin(asked)]
    names = _place_names(results, text)
    places = _ordered(scores, names)
    years = list(range(record.years[0], record.years[1] + 1))
    table = scores.groupby(["place", "year"])["availability_frac"].agg(["mean", "min"])
    met = scores.assign(ok=scores["verdict"] == "met").groupby(["place", "year"])["ok"].all()
    figure = new_figure(7.5 if brief else 10.5, 1.5 + 0.29 * max(len(places), 1))
    ax = figure.subplots()
    for i, (place, _) in enumerate(places):
        for j, year in enumerate(years):
            if (place, year) not in table.index:
                continue
            mean, least = (float(v) for v in table.loc[(place, year)])
            inside: list[Any] = [ax.add_patch(_square(j, i, style.colour_at(mean)))]
            ink = "white" if mean < 0.55 else style.INK
            spread = f"{_whole(mean)} ({_whole(least)})"
            if _whole(mean) == _whole(least):
                spread = _whole(mean)
            mark = " ●" if bool(met[place, year]) else ""
            inside.append(
                ax.text(j, i, spread + mark, ha="center", va="center", fontsize=6.5, color=ink)
            )
            for part in inside:
                part.set_in_layout(False)  # it takes no room of its own: layout is quicker
    ax.set(xlim=(-0.5, len(years) - 0.5), ylim=(len(places) - 0.5, -0.5))
    ax.set_xticks(range(len(years)), [str(y) for y in years], fontsize=8)
    ax.set_yticks(range(len(places)), [label for _, label in places], fontsize=7)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    colours = _ramp()
    bar = figure.colorbar(colours, ax=ax, shrink=min(1.0, 12 / max(len(places), 1)), pad=0.01)
    bar.set_label(text("roadmap.scale", service=text(f"service.{service}")), fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    return figure


def _square(x: float, y: float, colour: str):
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.49, y - 0.47), 0.98, 0.94, facecolor=colour, lw=0)


def _ramp():
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    ramp = ListedColormap([style.colour_at(s) for s in np.linspace(0, 1, 101)])
    return ScalarMappable(Normalize(0, 100), ramp)


def _place_names(results: RoadmapResults, text: Text) -> dict[str, str]:
    found: dict[str, str] = {}
    for asset in results.roadmap.base.assets:
        field = f"name_{text.language}"
        # a place that borrows another's record is not called by the other's name
        borrowed = asset.name != asset.catalog_id and field not in (asset.overridden or ())
        name = getattr(asset, field)
        found[asset.name] = name if name and not (borrowed and asset.catalog_id) else asset.name
    return found


def _ordered(scores: Any, names: dict[str, str]) -> list[tuple[str, str]]:
    """Places with labels: by weight, the measuring points first."""
    weights = scores.drop_duplicates("place").set_index("place")["weight"].to_dict()
    order = sorted(weights, key=lambda p: (weights[p] > 0, -weights[p], p))
    return [(p, _short(names[p])) for p in order]


def _short(label: str) -> str:
    return _drawn(label if len(label) <= 34 else label[:33] + "…")


def _drawn(words: str) -> str:
    """What a user wrote, as a picture may draw it: no steering signs, a dollar as it stands."""
    return "".join(c if c.isprintable() else " " for c in words).replace("$", r"\$")


def picture(figure: Any, form: str) -> bytes:
    stream = io.BytesIO()
    about = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    with fixed_ids():
        figure.savefig(stream, format=form, dpi=130, metadata=about)
    return stream.getvalue()


CASE_DASHES = ("-", "--", "-.", ":")


def case_curves(results: RoadmapResults, service: str, text: Text | None = None) -> Any:
    """A matplotlib Figure: availability of a service by year at each milestone, a line a case.

    Each point is the mean over the milestone's places and the year's starts; a ring marks years in
    which every verdict is ``met``. Lines of cases that change nothing lie on each other.
    """
    text = text or Text()
    record = results.roadmap.record
    asked = {n: m for n, m in record.milestones.items() if service in m.services}
    years = list(range(record.years[0], record.years[1] + 1))
    columns = 2 if len(asked) > 1 else 1
    rows = max(-(-len(asked) // columns), 1)
    figure = new_figure(10.5, 0.9 + 2.1 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    best = 0.01
    for ax, (name, milestone) in zip(panels, asked.items(), strict=False):
        scores: Any = results.scores
        scores = scores[scores["place"].isin(milestone.places) & (scores["service"] == service)]
        mean = scores.groupby(["case", "year"])["availability_frac"].mean()
        met = scores.assign(ok=scores["verdict"] == "met").groupby(["case", "year"])["ok"].all()
        for k, case in enumerate(record.cases):
            there = [y for y in years if (case, y) in mean.index]
            shares = [100.0 * float(mean[case, y]) for y in there]
            colour = style.BLACK if k == 0 else style.LINES[(k - 1) % len(style.LINES)]
            ax.plot(
                there, shares, color=colour, lw=2.2 if k == 0 else 1.3, zorder=2 + (k > 0),
                ls=CASE_DASHES[k % len(CASE_DASHES)],
                label=_drawn(results.roadmap.case_title(case, text.language)),
            )  # fmt: skip
            full = [(y, v) for y, v in zip(there, shares, strict=True) if met[case, y]]
            ax.plot(*zip(*full, strict=True) if full else ([], []), "o", ms=4, mfc="white",
                    mec=colour, zorder=4)  # fmt: skip
        ax.set_title(_drawn(titled(milestone.title, text.language, name)), fontsize=9, loc="left")
        best = max([best, *mean.tolist()])
        ax.set(xlim=(years[0] - 0.3, years[-1] + 0.3))
        ax.set_xticks(years[:: 1 if len(years) < 7 else 2])
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        plain(ax)
    top = 100.0 if best > 0.5 else 110.0 * best  # all panels share one scale
    panels[0].set(ylim=(-0.03 * top, 1.03 * top))
    for ax in panels[len(asked) :]:
        ax.set_axis_off()
    figure.supylabel(text("roadmap.scale", service=text(f"service.{service}")), fontsize=8.5)
    if len(asked):
        figure.legend(*panels[0].get_legend_handles_labels(), fontsize=7.5, frameon=False,
                      loc="outside lower center", ncols=4)  # fmt: skip
    return figure


def curves_title(service: str, text: Text) -> str:
    return _headed(text("roadmap.curves", service=text(f"service.{service}")))


def _headed(words: str) -> str:
    return words[:1].upper() + words[1:]


# --- tables --------------------------------------------------------------------------------------


def limits(results: RoadmapResults, text: Text) -> list[str]:
    record = results.roadmap.record
    first, days = results.roadmap.record.years[0], range(1, record.starts_per_year + 1)
    dated, open_ended = open_ends(results.roadmap.base.assets)
    craft = {n for n, kind in zip(results.supply["node"], results.supply["kind"], strict=True)
             if kind == "spacecraft"}  # fmt: skip
    unsure = {r["id"] for r in results.sources
              if r["confidence"] in ("assumption", "unverified")}  # fmt: skip
    values = {
        "days": f"{record.days:g}", "n": record.starts_per_year, "dated": dated,
        "open": open_ended, "craft": len(craft), "assumed": len(craft & unsure),
        "starts": text("list.joiner").join(
            results.roadmap.start_text(first, k)[5:10] for k in days
        ),
    }  # fmt: skip
    return [
        text(f"roadmap.limit.{key}", **values)
        for key in ("span", "orbits", "dates", "demand", "alone")
    ]


def heat_title(service: str, text: Text) -> str:
    return _headed(text("roadmap.heat", service=text(f"service.{service}")))


def repro(results: RoadmapResults, text: Text) -> list[tuple[str, str]]:
    told = results.manifest
    versions = ", ".join(f"{k} {v}" for k, v in told.get("versions", {}).items())
    words = [(text.either(f"count.{k}", k), v) for k, v in told["counts"].items()]
    counts = text("list.joiner").join(f"{word} {v:,}" for word, v in words)
    return [
        (text("repro.command"), f"cislunar run {RESOLVED}"),
        (text("roadmap.hash"), told["sha256"]),
        (text("repro.versions"), versions or fmt.NONE),
        (text("repro.counts"), counts),
    ]
