"""The tables of a roadmap: when needs are met, what options raise, gaps, supply, origins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cislunar import catalog
from cislunar import display as fmt
from cislunar.fields import date_instant
from cislunar.plots.bars import option_label
from cislunar.provenance import price_basis
from cislunar.report import demand, offers
from cislunar.report.cells import Cell, Row, badge, number, said, unsure
from cislunar.report.conflicts import conflicts
from cislunar.report.origins import assumptions, sources
from cislunar.roadmap.file import NOMINAL, titled
from cislunar.roadmap.run import RoadmapResults
from cislunar.roadmap.story import milestones_title, need_words, years_said
from cislunar.text import Text
from orbits.epoch import Epoch

MOST_GAPS = 40  # named gaps shown on the page; all are in the table file
MOST_OPTIONS = 3

Table = tuple[str, str, list[tuple[str, str]], list[Row]]


def tables(results: RoadmapResults, text: Text) -> list[Table]:
    """Title, lead, head and rows of each table."""
    made = (
        (milestones_title(results, text), _asked(results, text), *_milestones(results, text)),
        (text("roadmap.options"), _options_note(results, text), *_options(results, text)),
        (text("roadmap.gaps"), text("roadmap.gaps_note", most=MOST_GAPS), *_gaps(results, text)),
        (text("roadmap.supply"), text("supply.lead"), *_supply(results, text)),
    )
    return [table for table in made if table[3]]


def origins(results: RoadmapResults, text: Text) -> list[Table]:
    """Title, lead, head and rows of each table of what the figures rest on, record by record."""
    out = []
    for name, made in (
        ("assumptions", assumptions(results, text)), ("conflicts", conflicts(results, text)),
        ("sources", sources(results, text)),
    ):  # fmt: skip
        lead = made["lead"] if "lead" in made else f"{text(f'{name}.lead')} {made['count']}"
        if made["rows"]:
            out.append((text(f"section.{name}"), lead, made["head"], made["rows"]))
    return out


def _head(text: Text, names: Iterable[str], numbers: Iterable[str] = ()) -> list[tuple[str, str]]:
    return [(text(f"roadmap.{n}"), "n" if n in numbers else "") for n in names]


def _asked(results: RoadmapResults, text: Text) -> str:
    """What the questions ask for and where, and what the cases of policy mean."""
    roadmap, record = results.roadmap, results.roadmap.record
    assets = {a.name: a for a in roadmap.base.assets}
    join, sentences, asked = text("clause.joiner"), [], {}
    for name, question in record.milestones.items():
        mine = [assets[p] for p in question.places]
        where = text("roadmap.also").join(
            demand.where(a.latitude_deg, a.longitude_deg, text) for a in mine
        )
        title = titled(question.title, text.language, name)
        asked.setdefault(need_words(results, question.places, text), mine[0])
        sentences.append(text("roadmap.point", place=title, where=where))
    out = [text("roadmap.points", items=join.join(sentences))] if sentences else []
    for word, asset in asked.items():
        items = [
            text("roadmap.asked_item", service=text(f"service.{need.service}"),
                 asked=demand.criteria(need, text))
            for given in asset.needs
            for need in (roadmap.base.needs[given] if isinstance(given, str) else [given])
        ]  # fmt: skip
        out.append(text("roadmap.asked", need=word, items=join.join(items)))
    for case in record.policies:
        note = said(catalog.get("policies", case) or {}, text, "note")
        case = roadmap.case_title(case, text.language)
        out.append(text("roadmap.case_note", case=case, note=note.rstrip("。.")))
    return offers.gap(text).join(out)


def _milestones(results: RoadmapResults, text: Text) -> tuple[list[tuple[str, str]], list[Row]]:
    roadmap, record = results.roadmap, results.roadmap.record
    found: Any = results.milestones
    rows = []
    for name, question in record.milestones.items():
        for service in (*question.services, "all"):
            pick = found[(found["milestone"] == name) & (found["service"] == service)]
            if not len(pick):
                continue
            by_case = pick.set_index("case")["years_met"]
            words = (
                titled(question.title, text.language, name),
                text("roadmap.both") if service == "all" else text(f"service.{service}"),
                *(years_said(by_case[c], text) for c in record.cases),
            )
            rows.append(Row(tuple(Cell(w) for w in words)))
    cases = [(roadmap.case_title(c, text.language), "") for c in record.cases]
    return _head(text, ("place", "service")) + cases, rows


def _options_note(results: RoadmapResults, text: Text) -> str:
    found: Any = results.options
    pool = results.roadmap.base.options
    out = [text("roadmap.options_note", days=f"{results.roadmap.record.days:g}"),
           text("roadmap.price", **price_basis())]  # fmt: skip
    for option in dict.fromkeys(found["option"]):
        caution = offers.differential(pool, option, text)
        if caution:
            row = found[found["option"] == option].iloc[0].to_dict()
            name = option_label(row, text.language)
            out.append(text("portfolio.differential", name=name, said=caution))
    return offers.gap(text).join(out)


def _options(results: RoadmapResults, text: Text) -> tuple[list[tuple[str, str]], list[Row]]:
    """For each milestone, service and year the options that raise it most per 億円."""
    record, rows = results.roadmap.record, []
    pool = {o.id: o for o in results.roadmap.base.options}
    found: Any = results.options
    for name, question in record.milestones.items():
        for service in question.services:
            mine = found[found["place"].isin(question.places) & (found["service"] == service)]
            for year in dict.fromkeys(record.option_years):
                start = Epoch.parse(results.roadmap.start_text(year, 1))
                best = raised_most(mine[mine["year"] == year], len(question.places))
                for row in best[:MOST_OPTIONS]:
                    option = pool[row["option"]]
                    ready = str(option.available_from or fmt.NONE)
                    late = option.available_from and date_instant(ready) - start > 0.0
                    cost = option.cost_oku_jpy
                    priced = {"cost_oku_jpy": cost.mid, "cost_low_oku_jpy": cost.low,
                              "cost_high_oku_jpy": cost.high}  # fmt: skip
                    rows.append(Row((
                        Cell(titled(question.title, text.language, name)),
                        Cell(text(f"service.{service}")), Cell(str(year), "k"),
                        Cell(option_label(row, text.language), "w"),
                        number(ready + ("*" if late else "")),
                        number(f"{100.0 * row['raised_frac']:.1f}"),
                        number(offers.cost(priced)), number(f"{100.0 * row['per_oku']:.3f}"),
                    )))  # fmt: skip
    numbers = ("ready", "raised", "cost", "per_oku")
    return _head(text, ("place", "service", "year", "option", *numbers), numbers), rows


def raised_most(rows: Any, places: int) -> list[dict[str, Any]]:
    """Options by what they raise per 億円, most first: the mean over a number of places."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows.to_dict("records"):
        one = sums.setdefault(row["option"], {**row, "raised_frac": 0.0})
        one["raised_frac"] += row["raised_frac"] / places
    for one in sums.values():
        one["per_oku"] = one["raised_frac"] / one["cost_oku_jpy"]
    return sorted(sums.values(), key=lambda r: (-r["per_oku"], r["option"]))


def _gaps(results: RoadmapResults, text: Text) -> tuple[list[tuple[str, str]], list[Row]]:
    record = results.roadmap.record
    gaps: Any = results.gaps[results.gaps["case"] == NOMINAL]
    name = f"name_{text.language}"
    years = list(range(record.years[0], record.years[1] + 1))
    order = gaps.groupby(name)["place_hours"].sum().sort_values(ascending=False).index
    rows = []
    for gap in order[:MOST_GAPS]:
        by_year = gaps[gaps[name] == gap].set_index("year")
        cells = [Cell(str(gap))]
        for year in years:
            if year not in by_year.index:
                cells.append(Cell())
                continue
            row = by_year.loc[year]
            hours = f"{row['hours_per_month']:.0f}"
            if row["place_hours"] > 0 and row["hours_per_month"] < 0.5:
                hours = "<\u00a01"
            state = text(f"roadmap.state.{row['state']}")
            cells.append(Cell(f"{hours} {state}".strip()))
        rows.append(Row(tuple(cells)))
    return [*_head(text, ("gap",)), *((str(y), "") for y in years)], rows


def _supply(results: RoadmapResults, text: Text) -> tuple[list[tuple[str, str]], list[Row]]:
    supply: Any = results.supply[results.supply["case"] == NOMINAL]
    known = {r["id"]: r for r in results.sources}
    rows = []
    for r in supply.sort_values(["kind", "node"]).to_dict("records"):
        record = known.get(r["node"], {})
        name = said(record, text, "name")
        rows.append(Row((
            Cell(r["node"], "named", entries=(name,) if name not in ("", r["node"]) else ()),
            Cell(text(f"roadmap.kind.{r['kind']}")), Cell(r["operator"]),
            Cell(years_said(r["years"], text)),
            badge(record.get("confidence"), text, unsure(record, text)),
        )))  # fmt: skip
    head = _head(text, ("node", "kind", "operator", "years"))
    return [*head, (text("col.confidence"), "")], rows
