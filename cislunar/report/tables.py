"""The report's words and tables, each number taken from a product table and given its unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlparse

from cislunar import display as fmt
from cislunar.plots import style
from cislunar.plots.bars import cause_hours, option_label
from cislunar.report.answer import answer_sentences, why_sentences
from cislunar.report.supply import supply_rows
from cislunar.text import Text

WORST_GAPS = 25
ICONS = {"met": "✓", "not-met": "✗", "no-need": "–", "not-computable": "?"}


@dataclass(frozen=True)
class Cell:
    """One cell of a table; ``kind`` is how the template draws it."""

    text: str = ""
    kind: str = ""
    code: str = ""
    icon: str = ""
    entries: tuple = ()


@dataclass(frozen=True)
class Row:
    cells: tuple[Cell, ...]
    data: dict[str, str] = field(default_factory=dict)
    total: bool = False


def number(text: str) -> Cell:
    return Cell(text, "n")


def verdict(code: Any, text: Text) -> Cell:
    code = str(code)
    return Cell(text.either(f"verdict.{code}", code), "verdict", code, ICONS.get(code, ""))


def context(results, text: Text) -> dict[str, Any]:
    """Everything the template prints, by section."""
    scenario = results.scenario
    version = results.manifest.get("versions", {}).get("cislunar-planner", "")
    return {
        "title": title_of(scenario, text.language),
        "subtitle": text(
            "report.subtitle", days=f"{scenario.duration_days:g}",
            start=scenario.start.utc_text(0.0, 0).replace("T", " ").replace("Z", " UTC"),
        ),
        "answer": answer_sentences(results, text),
        "scenario_rows": _scenario(results, text),
        "one_sample": text("scenario.one_sample", days=f"{scenario.duration_days:g}"),
        "notes": _notes(results, text),
        "scorecard": _scorecard(results, text),
        "positioning": _positioning(results, text),
        "gaps": _gaps(results, text),
        "why": why_sentences(results, text),
        "fills": _fills(results, text),
        "portfolio": _portfolio(results, text),
        "supply": {
            "head": _head(
                text, "node", "kind", "operator", "orbit", "terminals", "confidence", numbers=()
            ),
            "rows": [
                Row((
                    Cell(r.name, "k"), Cell(r.kind, "k"), Cell(r.operator), Cell(r.where),
                    Cell(r.terminals), badge(r.confidence, text),
                ))
                for r in supply_rows(results, text)
            ],
        },
        "network_lead": text(
            "network.lead",
            when=scenario.start.utc_text(float(scenario.duration_s) / 2.0, 0),
        ),
        "assumptions": _assumptions(results, text),
        "sources": _sources(results, text),
        "repro": _repro(results, text),
        "footer": text("footer.note", version=version),
    }  # fmt: skip


def title_of(scenario, language: str) -> str:
    """The scenario's title in a language, or its name."""
    title = getattr(scenario, "title", None)
    if isinstance(title, dict):
        return title.get(language) or next(iter(title.values()), scenario.name)
    return title or scenario.name


def badge(confidence, text: Text) -> Cell:
    if not confidence:
        return Cell(fmt.NONE)
    return Cell(text.either(f"confidence.{confidence}", confidence), "badge", confidence)


def _head(text, *names, numbers=()):
    return [(text(f"col.{n}"), "n" if n in numbers else "") for n in names]


def _notes(results, text):
    """The run's statements; a statement may be one string or one a language."""
    notes = results.manifest.get("notes") or ()
    return [
        n.get(text.language, next(iter(n.values()))) if isinstance(n, dict) else n for n in notes
    ]


def _scenario(results, text):
    scenario = results.scenario
    kinds = [n.kind for n in results.nodes]
    return [
        (text("scenario.name"), scenario.name),
        (text("scenario.epoch"), scenario.start.utc_text(0.0, 0)),
        (
            text("scenario.span"),
            text(
                "scenario.span_value", days=f"{scenario.duration_days:g}",
                step=f"{scenario.step_s:g}",
            ),
        ),
        (text("scenario.fidelity"), text.either(f"fidelity.{scenario.fidelity}", "")),
        (text("scenario.forces"), _forces(scenario, text)),
        (
            text("scenario.nodes"),
            text(
                "scenario.nodes_value", spacecraft=kinds.count("spacecraft"),
                stations=kinds.count("station"), assets=kinds.count("asset"),
                contacts=f"{len(results.contacts):,}",
            ),
        ),
        (text("scenario.policy"), _policy(scenario, text)),
    ]  # fmt: skip


def _forces(scenario, text):
    if scenario.fidelity != "ephemeris":
        return text("scenario.forces_closed")
    model = scenario.force_model
    if isinstance(model, str):
        degree, bodies, srp = 20, ("earth", "sun", "jupiter", "venus"), True
    else:
        degree, bodies, srp = model.moon_degree, model.bodies, model.srp
    return text(
        "scenario.forces_value", degree=degree,
        bodies=text("list.joiner").join(text(f"body.{b}") for b in bodies),
        srp=text("scenario.on" if srp else "scenario.off"),
    )  # fmt: skip


def _policy(scenario, text):
    policy = scenario.policy
    if policy is None or not policy.groups:
        return text("scenario.policy_none")
    pairs = [
        text("scenario.policy_self", a=a) if a == b else text("scenario.policy_pair", a=a, b=b)
        for a, b in policy.share
    ]
    members = "; ".join(f"{g}: {', '.join(m)}" for g, m in policy.groups.items())
    return f"{text('list.joiner').join(pairs)} ({members})"


def _scorecard(results, text):
    frame = results.comm_scores
    head = _head(
        text, "asset", "service", "verdict", "availability", "need", "longest_gap", "mean_gap",
        "gap_count", "latency", "undelivered", "volume",
        numbers=("availability", "need", "longest_gap", "mean_gap", "gap_count", "latency",
                 "undelivered", "volume"),
    )  # fmt: skip
    rows = []
    for r in frame.to_dict(orient="records"):
        latency = fmt.NONE
        if not fmt.missing(r["latency_p50_s"]):
            latency = (
                f"{fmt.duration(r['latency_p50_s'], text)} / "
                f"{fmt.duration(r['latency_p95_s'], text)}"
            )
        rows.append(
            Row(
                (
                    Cell(str(r["asset"]), "k"),
                    Cell(text.either(f"service.{r['service']}", str(r["service"])), "k"),
                    verdict(r["verdict"], text),
                    number(fmt.percent(r["availability_frac"])),
                    number(fmt.percent(r["need_availability_frac"])),
                    number(fmt.duration(r["longest_gap_s"], text)),
                    number(fmt.duration(r["mean_gap_s"], text)),
                    number(fmt.number(r["gap_count"], 0)),
                    number(latency),
                    number(fmt.percent(r["undelivered_frac"])),
                    number(fmt.volume(r["volume_bit_per_day"])),
                ),
                {"service": str(r["service"]), "verdict": str(r["verdict"])},
            )
        )
    services = list(dict.fromkeys(str(s) for s in frame["service"]))
    verdicts = [v for v in ICONS if v in set(frame["verdict"].astype(str))]
    return {
        "head": head,
        "rows": rows,
        "services": [(s, text.either(f"service.{s}", s)) for s in services],
        "verdicts": [(v, text(f"verdict.{v}")) for v in verdicts],
    }


def _positioning(results, text):
    columns = ("asset", "verdict", "availability", "need", "visible", "accuracy", "accuracy_need",
               "gdop", "pdop", "hdop", "vdop")  # fmt: skip
    rows = []
    for r in results.positioning_scores.to_dict(orient="records"):

        def joined(*names, r=r):
            return " / ".join(fmt.metres(r[n]) for n in names)

        rows.append(
            Row((
                Cell(str(r["asset"]), "k"),
                verdict(r["verdict"], text),
                number(fmt.percent(r["availability_frac"])),
                number(fmt.percent(r["need_availability_frac"])),
                number(f"{fmt.number(r['visible_min'], 0)} / {fmt.number(r['visible_mean'], 1)}"),
                number(fmt.metres(r["accuracy_3d_p95_m"])),
                number(fmt.metres(r["need_accuracy_m"])),
                number(joined("gdop_p50", "gdop_p95", "gdop_worst")),
                number(joined("pdop_p50", "pdop_p95")),
                number(joined("hdop_p50", "hdop_p95")),
                number(joined("vdop_p50", "vdop_p95")),
            ))
        )  # fmt: skip
    return {"head": _head(text, *columns, numbers=columns[2:]), "rows": rows}


def _gaps(results, text):
    frame = results.gaps.sort_values(
        ["severity", "duration_s", "gap_id"], ascending=[False, False, True], kind="stable"
    ).head(WORST_GAPS)
    rows = []
    for r in frame.to_dict(orient="records"):
        cause = str(r["cause"])
        rows.append(
            Row((
                Cell(str(r["gap_id"]), "k"), Cell(str(r["place"]), "k"),
                Cell(text.either(f"service.{r['service']}", str(r["service"]))),
                Cell(_minute(r["start_utc"]), "k"), Cell(_minute(r["end_utc"]), "k"),
                number(fmt.duration(r["duration_s"], text)),
                Cell(text.either(f"cause.{cause}", cause), "cause", style.colour_of(cause)),
                number(fmt.percent(r["severity"], 2)),
                Cell(text.either(f"edge.{r['edge']}", str(r["edge"]))),
            ))
        )  # fmt: skip
    return {
        "head": _head(
            text, "gap", "place", "service", "from", "to", "duration", "cause", "severity", "edge",
            numbers=("duration", "severity"),
        ),
        "rows": rows,
        "lead": text("gaps.lead", shown=len(rows), total=f"{len(results.gaps):,}"),
        **_cause_totals(results, text),
    }  # fmt: skip


def _cause_totals(results, text):
    hours: Any = cause_hours(results)
    services = list(dict.fromkeys(hours["service"]))
    table = hours.pivot_table(
        index="cause", columns="service", values="hours", aggfunc="sum", fill_value=0.0
    )
    total = float(hours["hours"].sum())
    order = table.sum(axis=1).sort_values(ascending=False).index
    rows = []
    for cause in order:
        own = float(table.loc[cause].sum())
        rows.append(
            Row((
                Cell(text.either(f"cause.{cause}", cause), "cause", style.colour_of(cause)),
                *(number(fmt.number(table.loc[cause, s])) for s in services),
                number(fmt.number(own)), number(fmt.percent(own / total if total else None)),
            ))
        )  # fmt: skip
    if rows:
        rows.append(
            Row(
                (
                    Cell(text("gaps.all")),
                    *(number(fmt.number(table[s].sum())) for s in services),
                    number(fmt.number(total)), number(fmt.percent(1.0)),
                ),
                total=True,
            )
        )  # fmt: skip
    head = [(text("col.cause_short"), "")]
    head += [(f"{text.either(f'service.{s}', s)} ({text('unit.h')})", "n") for s in services] + [
        (f"{text('gaps.all')} ({text('unit.h')})", "n"),
        (text("col.share"), "n"),
    ]
    return {"totals_head": head, "totals": rows}


def _minute(utc) -> str:
    return str(utc)[:16].replace("T", " ")


def _cost(row, text) -> str:
    low, high = row.get("cost_low_oku_jpy"), row.get("cost_high_oku_jpy")
    mid = fmt.oku(row["cost_oku_jpy"])
    if fmt.missing(low) or fmt.missing(high):
        return mid
    return f"{mid} ({fmt.oku(low)}–{fmt.oku(high)})"


def _fills(results, text):
    columns = ("rank", "option", "filled", "share_filled", "cost", "per_oku", "from_year",
               "by_service", "notes")  # fmt: skip
    rows = []
    for rank, r in enumerate(results.fills.to_dict(orient="records"), start=1):
        parts = [
            f"{text(f'service.{s}')} {fmt.number(r[f'{s}_h'], 0)}"
            for s in style.SERVICES
            if not fmt.missing(r.get(f"{s}_h")) and abs(float(r[f"{s}_h"])) >= 0.5
        ]
        rows.append(
            Row((
                number(str(rank)), Cell(option_label(r, text.language), "w"),
                number(fmt.number(r["gap_hours_filled"], 1)),
                number(fmt.percent(r["share_filled_frac"])), number(_cost(r, text)),
                number(fmt.number(r["gap_hours_per_oku_jpy"], 2)), number(_year(r)),
                Cell(", ".join(parts) or fmt.NONE, "m"), Cell(_fill_note(r, text), "w"),
            ))
        )  # fmt: skip
    return {
        "head": _head(text, *columns, numbers=("rank", *columns[2:7])),
        "rows": rows,
    }


def _year(row) -> str:
    value = row.get("available_from")
    if fmt.missing(value):
        return fmt.NONE
    return str(int(value)) if isinstance(value, float) else str(value)


def _fill_note(row, text) -> str:
    def word(key):
        value = row.get(key)
        return value if isinstance(value, str) else ""

    parts = []
    if word("status") and word("status") != "ranked":
        parts.append(text.either(f"status.{word('status')}", word("status")))
    note = word("note_ja") if text.language == "ja" else word("note")
    if note:
        parts.append(note)
    elif word("together_with"):
        parts.append(text("fills.together", names=word("together_with")))
    if word("group"):
        parts.append(text("fills.group", group=word("group")))
    return text("clause.joiner").join(p for p in parts if p)


def _portfolio(results, text):
    frame = results.portfolio
    budget = results.scenario.budget_oku_jpy
    lead = text("portfolio.lead", budget=fmt.oku(budget)) if budget else text("portfolio.no_budget")
    known = {
        name: [n for n in frame.columns if n == column]
        for name, column in (
            ("cumulative_cost", "cumulative_cost_oku_jpy"),
            ("cumulative_filled", "cumulative_gap_hours_filled"),
        )
    }
    extra = [name for name, found in known.items() if found]
    columns = ("option", "cost", "from_year", "filled", "share_filled", "per_oku", *extra)
    rows = []
    for r in frame.to_dict(orient="records"):
        rows.append(
            Row((
                Cell(option_label(r, text.language), "w"), number(_cost(r, text)), number(_year(r)),
                number(fmt.number(r["gap_hours_filled"])),
                number(fmt.percent(r["share_filled_frac"])),
                number(fmt.number(r["gap_hours_per_oku_jpy"], 2)),
                *(number(fmt.oku(r[known[name][0]])) for name in extra),
            ))
        )  # fmt: skip
    if rows and len(extra) == 2:
        last = frame.iloc[-1]
        lead += (" " if text.language == "en" else "") + text(
            "portfolio.total", cost=fmt.oku(last["cumulative_cost_oku_jpy"]),
            hours=fmt.number(last["cumulative_gap_hours_filled"]),
            share=fmt.percent(last.get("cumulative_share_filled_frac")),
        )  # fmt: skip
    head = _head(text, *columns, numbers=columns[1:])
    if not any("cost_low_oku_jpy" in c for c in frame.columns):
        head[1] = (text("col.cost_mid"), "n")
    return {"head": head, "rows": rows, "lead": lead}


def _source_cells(sources) -> Cell:
    out = []
    for s in sources or ():
        s = {"title": s} if isinstance(s, str) else dict(s)
        url = s.get("url") if str(s.get("url") or "").startswith(("http://", "https://")) else None
        date = s.get("date")
        out.append(
            {
                "title": s.get("title") or url or fmt.NONE, "url": url,
                "date": None if fmt.missing(date) else str(date),
                "host": urlparse(url).hostname if url else None,
            }
        )  # fmt: skip
    return Cell(kind="sources", entries=tuple(out))


def _said(record: dict, text: Text, *keys: str) -> str:
    """The first of a record's keys that says something, in the language where there is one."""
    for key in keys:
        for name in (f"{key}_{text.language}", key):
            value = record.get(name)
            if isinstance(value, dict):
                value = value.get(text.language) or "; ".join(f"{k} {v}" for k, v in value.items())
            if isinstance(value, (list, tuple)):
                value = ", ".join(map(str, value))
            if not fmt.missing(value):
                return str(value)
    return ""


ORDER = ("unverified", "assumption", "derived", "transcription", "press", "primary")


def _loose(record: dict) -> list[str]:
    """The fields of a record that nothing at hand verifies, none if the whole record is such."""
    fields = record.get("field_confidence") or {}
    return sorted(name for name, word in fields.items() if word == "unverified")


def _assumptions(results, text):
    def place(record):
        sure = record.get("confidence")
        rank = ORDER.index(sure) if sure in ORDER else len(ORDER)
        return (rank > 0, not _loose(record), rank, str(record["kind"]), str(record["id"]))

    records = sorted(results.assumptions, key=place)
    rows, count = [], 0
    for r in records:
        loose = _loose(r)
        count += bool(loose) or r.get("confidence") == "unverified"
        name, summary = _said(r, text, "name"), _said(r, text, "summary", "value")
        marked = badge(r.get("confidence"), text)
        if loose:
            said = text("assumptions.fields", fields=text("list.joiner").join(loose))
            marked = replace(marked, entries=(said,))
        rows.append(
            Row((
                Cell(str(r.get("id", "")), "code"),
                Cell(name or summary, "named", entries=(summary,) if name and summary else ()),
                marked, Cell(_said(r, text, "reason") or fmt.NONE, "w"),
                _source_cells(r.get("sources")),
            ))
        )  # fmt: skip
    return {
        "head": _head(text, "record", "what", "confidence", "reason", "sources"),
        "rows": rows,
        "count": text("assumptions.unverified", count=count, total=len(records)),
    }


def _sources(results, text):
    records = sorted(results.sources, key=lambda r: (str(r.get("kind")), str(r.get("id"))))
    rows = [
        Row((
            Cell(str(r.get("id", "")), "code"),
            Cell(text.either(f"kind.{r.get('kind')}", str(r.get("kind") or fmt.NONE)), "k"),
            badge(r.get("confidence"), text), _source_cells(r.get("sources")),
        ))
        for r in records
    ]  # fmt: skip
    return {
        "head": _head(text, "record", "kind", "confidence", "sources"),
        "rows": rows,
        "count": text("sources.count", count=len(rows)),
    }


def _repro(results, text):
    manifest = results.manifest

    def listed(mapping, form: Callable[[Any], str] = str):
        return ", ".join(f"{k} {form(v)}" for k, v in (mapping or {}).items())

    rows = [
        (text("repro.command"), manifest.get("command", "cislunar run scenario.resolved.yaml")),
        (text("repro.hash"), manifest.get("scenario_sha256", fmt.NONE)),
        (text("repro.versions"), listed(manifest.get("versions"))),
        (text("repro.counts"), listed(manifest.get("counts"), lambda v: f"{v:,}")),
        (text("repro.wall"), listed(manifest.get("wall_s"), lambda v: f"{v:.1f} s")),
    ]
    return [(key, value or fmt.NONE) for key, value in rows]
